/* SPDX-License-Identifier: Apache-2.0 */
/* Held events stay JSON text. Most of them are never looked into again: a condition such as
 * `merchant != last(probe).merchant` reads one field of one of them, once in a while, and the alert
 * copies the text as it stands. So there is no decoding when an event is taken, only a copy.
 *
 * The search for a member trusts the text to be valid JSON (it was decoded before, or checked when
 * the state was read) but never reads past its end. Numbers, booleans and texts without escapes are
 * remembered, as they point nowhere but into the event itself.
 *
 * What is found out about an event lies apart from it, and both in a pool: a thread makes and lets
 * go of events by the million, thousands at once when a graph is collected. Texts that are too long
 * for the pool are the heap's. The word that tells how long the text is tells that too, and the
 * place in the pool.
 *
 * Refused: slots per event, filled for the fields that later conditions read. It saves the search,
 * and costs every taken event 16 bytes a slot and a second encoding of the same data. */
#include "cep/event.h"

#include "core/mem.h"
#include "schemas/codec_json.h"

/* The text was let in under the pipeline's limits, which may be wider than the default ones. */
static const leat_json_limits event_limits = {LEAT_EVENT_DEPTH_MAX, UINT32_MAX};

#define KNOWN_MAX 2

/* Most events are let go without anybody having looked into them, so this is made when it is needed
 * first. The event points to it instead of having a place itself. */
typedef struct leat_known {
    uint64_t place;   /* of the event's identity */
    uint64_t content; /* hash of json; 0: not known yet */
    leat_value values[KNOWN_MAX];
    uint32_t names[KNOWN_MAX]; /* of fields, inside json; 0: none */
    uint16_t lens[KNOWN_MAX];
    uint16_t next; /* field to be forgotten */
    uint16_t at;   /* in the pool; 0: of the heap */
} leat_known;
_Static_assert(sizeof(leat_known) == 64, "what is known of an event is a line of the cache");
_Static_assert(LEAT_POOL_ITEM_MAX - sizeof(leat_event) < 1u << LEAT_EVENT_LEN_BITS &&
                   LEAT_POOL_PLACE_BITS + LEAT_EVENT_LEN_BITS <= 30,
               "where an event lies and its length are in one word, beside two bits");

/* --- finding a member --- */

static const char *skip_space(const char *p, const char *end)
{
    while (LEAT_UNLIKELY(p < end && (unsigned char)*p <= ' ')) /* JSON has no others there */
        p++;
    return p;
}

/* p: behind the opening quote. Behind the closing one, or end; *escapes: there are any. Most texts
 * are so short that to call memchr would cost more. */
static const char *skip_string(const char *p, const char *end, bool *escapes)
{
    *escapes = false;
    while (p < end) {
        char c = *p++;
        if (c == '"') return p;
        if (LEAT_LIKELY(c != '\\')) continue;
        *escapes = true;
        p += p < end;
    }
    return end;
}

/* Behind the value that begins at p. */
static const char *skip_value(const char *p, const char *end)
{
    uint32_t depth = 0;
    bool escapes = false;
    while (p < end && (unsigned char)(*p - '-') <= '9' - '-')
        p++; /* most often a number: what ends it is found below */
    for (; p < end; p++) {
        char c = *p;
        if (c == '"') {
            p = skip_string(p + 1, end, &escapes) - 1;
            if (depth == 0) return p + 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) return p;
            if (--depth == 0) return p + 1;
        } else if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
            return p;
        }
    }
    return end;
}

/* Of a key with escapes. */
static leat_code key_is(leat_str key, leat_str name, leat_arena *arena, bool *is, leat_err *err)
{
    leat_value undone;
    *is = false;
    leat_str quoted = {key.data - 1, key.len + 2};
    LEAT_TRY(leat_json_value(quoted, event_limits, arena, &undone, err));
    *is = undone.tag == LEAT_STRING && leat_str_equal(leat_value_str(undone), name);
    return LEAT_OK;
}

/* The text of member `name`; data NULL: there is none. */
static leat_code find_member(leat_str json, leat_str name, leat_arena *arena, leat_str *key,
                             leat_str *member, leat_err *err)
{
    const char *end = json.data + json.len;
    const char *p = skip_space(json.data, end);
    bool escapes = false;
    *member = LEAT_STR_NONE;
    if (p == end || *p != '{') return LEAT_OK;
    p = skip_space(p + 1, end);
    while (p < end && *p == '"') {
        *key = (leat_str){p + 1, 0};
        p = skip_string(p + 1, end, &escapes);
        if (p <= key->data) return LEAT_OK;
        key->len = (size_t)(p - 1 - key->data);
        p = skip_space(p, end);
        if (p == end || *p != ':') return LEAT_OK;
        const char *value = skip_space(p + 1, end);
        p = skip_value(value, end);
        bool is = leat_str_equal(*key, name);
        if (LEAT_UNLIKELY(escapes && !is)) LEAT_TRY(key_is(*key, name, arena, &is, err));
        if (is) *member = (leat_str){value, (size_t)(p - value)};
        if (is) return LEAT_OK;
        p = skip_space(p, end);
        if (p < end && *p == ',') p = skip_space(p + 1, end);
    }
    return LEAT_OK;
}

/* --- the object of expressions --- */

/* Whether value can be kept with the event: it points nowhere, or into the event. */
static bool lasting(leat_str json, leat_value value)
{
    switch ((leat_tag)value.tag) {
    case LEAT_NULL:
    case LEAT_BOOL:
    case LEAT_INT:
    case LEAT_DOUBLE: return true;
    case LEAT_STRING:
    case LEAT_NUMBER: return value.as.text >= json.data && value.as.text <= json.data + json.len;
    case LEAT_MISSING:
    case LEAT_UINT:
    case LEAT_BYTES:
    case LEAT_TIMESTAMP:
    case LEAT_DURATION:
    case LEAT_LIST:
    case LEAT_MAP:
    case LEAT_TYPE:
    case LEAT_OPTIONAL:
    case LEAT_JSON:
    case LEAT_OBJECT:
    case LEAT_ERROR:
    case LEAT_TAGS_COUNT: break;
    }
    return false;
}

static leat_known *known_or_null(const leat_event *event)
{
    return (event->size & LEAT_EVENT_KNOWN) == 0 ? NULL : event->known;
}

static bool recall(const leat_event *event, leat_str name, leat_value *value)
{
    const leat_known *known = known_or_null(event);
    for (size_t i = 0; known != NULL && i < KNOWN_MAX; i++) {
        leat_str field = {event->json + known->names[i], known->lens[i]};
        if (known->names[i] == 0 || !leat_str_equal(field, name)) continue;
        *value = known->values[i];
        return true;
    }
    return false;
}

/* Where it lies in a pool; 0: in none. */
static uint32_t pool_place(const leat_event *event)
{
    uint32_t mask = (1u << LEAT_POOL_PLACE_BITS) - 1;
    return (event->size & LEAT_EVENT_LARGE) != 0 ? 0 : event->size >> LEAT_EVENT_LEN_BITS & mask;
}

/* NULL: there is no memory, so it has to be found out again. */
static leat_known *known_of(leat_event *event)
{
    if ((event->size & LEAT_EVENT_KNOWN) != 0) return event->known;
    uint32_t at = 0;
    leat_pool *pool = pool_place(event) == 0 ? NULL : leat_pool_of(event, pool_place(event));
    leat_known *made =
        pool == NULL ? leat_mem_try(sizeof *made) : leat_pool_take(pool, sizeof *made, &at);
    if (made == NULL) return NULL;
    *made = (leat_known){.place = event->place, .at = (uint16_t)at};
    event->known = made;
    event->size |= LEAT_EVENT_KNOWN;
    return made;
}

static void remember(leat_event *event, leat_str key, leat_value value)
{
    leat_known *known = key.len > UINT16_MAX ? NULL : known_of(event);
    if (known == NULL) return;
    known->values[known->next] = value;
    known->names[known->next] = (uint32_t)(key.data - event->json);
    known->lens[known->next] = (uint16_t)key.len;
    known->next = (uint16_t)((known->next + 1u) % KNOWN_MAX);
}

leat_identity leat_event_identity(const leat_event *event)
{
    const leat_known *known = known_or_null(event);
    return (leat_identity){known == NULL ? event->place : known->place, event->offset};
}

uint64_t leat_event_content(leat_event *event)
{
    leat_known *known = known_of(event);
    if (known != NULL && known->content != 0) return known->content;
    uint64_t content = leat_str_hash_fixed(leat_event_json(event));
    if (known != NULL) known->content = content;
    return content;
}

leat_code leat_event_field(leat_event *event, leat_str name, leat_arena *arena, leat_value *value,
                           leat_err *err)
{
    LEAT_ASSERT(event->references > 0);
    if (recall(event, name, value)) return LEAT_OK;
    leat_str json = leat_event_json(event);
    leat_str key = LEAT_STR_NONE;
    leat_str member;
    LEAT_TRY(find_member(json, name, arena, &key, &member, err));
    if (member.data == NULL) {
        *value = LEAT_VALUE_MISSING;
        return LEAT_OK;
    }
    LEAT_TRY(leat_json_value(member, event_limits, arena, value, err));
    if (lasting(json, *value) && leat_str_equal(key, name)) remember(event, key, *value);
    return LEAT_OK;
}

static leat_code object_field(const leat_object *object, leat_str name, leat_arena *arena,
                              leat_value *value, leat_err *err)
{
    const leat_event_object *of = (const leat_event_object *)object;
    return leat_event_field(of->event, name, arena, value, err);
}

static leat_code object_whole(const leat_object *object, leat_arena *arena, leat_value *value,
                              leat_err *err)
{
    (void)arena;
    (void)err;
    const leat_event_object *of = (const leat_event_object *)object;
    *value = leat_value_text(LEAT_JSON, leat_event_json(of->event));
    return LEAT_OK;
}

static const leat_object_type event_type = {"event", object_field, object_whole};

leat_value leat_event_value(leat_event *event, leat_event_object *object)
{
    *object = (leat_event_object){{&event_type}, event};
    return (leat_value){.tag = LEAT_OBJECT, .as.object = &object->object};
}

/* --- life --- */

leat_code leat_event_new(leat_pool *pool, leat_str json, int64_t timestamp_ms,
                         leat_identity identity, leat_event **event, leat_err *err)
{
    LEAT_ASSERT(json.data != NULL && pool != NULL);
    if (LEAT_UNLIKELY(json.len > LEAT_EVENT_BYTES_MAX))
        return leat_err_set(err, LEAT_ERR_LIMIT, "an event has %zu bytes; at most %u are held",
                            json.len, LEAT_EVENT_BYTES_MAX);
    size_t bytes = sizeof(leat_event) + json.len;
    uint32_t place = 0;
    leat_event *made =
        bytes <= LEAT_POOL_ITEM_MAX ? leat_pool_take(pool, bytes, &place) : leat_mem_try(bytes);
    if (made == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for an event");
    uint32_t where = place == 0 ? LEAT_EVENT_LARGE : place << LEAT_EVENT_LEN_BITS;
    *made = (leat_event){.timestamp_ms = timestamp_ms,
                         .offset = identity.offset,
                         .place = identity.place,
                         .references = 1,
                         .size = where | (uint32_t)json.len};
    memcpy(made->json, json.data, json.len);
    *event = made;
    return LEAT_OK;
}

static void known_free(leat_known *known)
{
    if (known->at == 0)
        leat_mem_free(known);
    else
        leat_pool_give(known, known->at);
}

void leat_event_release(leat_event **event)
{
    leat_event *gone = *event;
    *event = NULL;
    if (gone == NULL) return;
    LEAT_ASSERT(gone->references > 0);
    if (--gone->references > 0) return;
    if ((gone->size & LEAT_EVENT_KNOWN) != 0) known_free(gone->known);
    if (pool_place(gone) == 0)
        leat_mem_free(gone);
    else
        leat_pool_give(gone, pool_place(gone));
}
