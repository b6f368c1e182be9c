/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder: one forward pass from text to slots.
 *
 * Records of one topic look alike, so each object that the plan looks into has a shape: the keys
 * seen so far, as they stand in the text with quotes and colon, and which key followed which.
 *
 *   {"id":7,"ts":17,"card":"c-1","amount":2.5}
 *     ^ first = "id":   next = "ts":   next = "card":   next = "amount":
 *
 * The next key is then not searched but compared: 16 bytes against 16 bytes under a mask. A key
 * found by its shape is known: whether it is wanted, that its escapes and UTF-8 are right, and by
 * one bit of `seen` whether this object had it before. So neither a hash nor a list of keys is
 * needed to find duplicates. Keys that do not fit (a shape has 64) are compared by json_keys, and
 * an object of random keys costs what it must, not more.
 *
 * Nothing a text says can make a wrong prediction wrong, only slow: a shape holds only keys that
 * were checked, and every comparison covers the whole key.
 *
 * Duplicates are rare and cost a second pass: the text is rewritten without them and decoded again.
 * Refused: a tape of tokens as in simdjson (needs all bytes twice and padding behind the text). */
#include "core/mem.h"
#include "schemas/json_keys.h"
#include "schemas/json_plan.h"
#include "schemas/json_scan.h"

#define SHAPE_KEYS     64u /* bits of `seen` */
#define SHAPE_NONE     SHAPE_KEYS
#define SHAPE_TABLE    128u
#define SHAPE_TEXT     80u   /* longest key that is learned, with quotes and colon */
#define STRANGERS_MAX  4096u /* so many unlearned keys, and a full shape starts anew */
#define KEY_TEXT_EXTRA 3u    /* two quotes, one colon */

typedef struct shape_key {
    uint64_t words[2], masks[2]; /* the first 16 bytes of text, and which of them count */
    const leat_json_node *node;  /* NULL: nobody reads it */
    uint32_t len;                /* of text; UINT32_MAX: no key, matches nothing */
    uint32_t next;               /* the key that came behind it last */
    char text[SHAPE_TEXT];       /* "key": */
} shape_key;

typedef struct shape {
    uint32_t count, first, strangers;
    uint8_t table[SHAPE_TABLE];     /* hash of key -> 1 + index, 0: free */
    shape_key keys[SHAPE_KEYS + 1]; /* the last is SHAPE_NONE */
} shape;

struct leat_json_decoder {
    const leat_json_plan *plan;
    leat_json_keys *keys;
    shape *shapes;
};

/* One text on its way into slots. */
typedef struct decoding {
    leat_json_input input;
    leat_json_decoder *decoder;
    leat_value *slots;
    bool twice; /* some key came twice */
} decoding;

/* --- shapes ----------------------------------------------------------------------------------- */

static void shape_reset(shape *s)
{
    s->count = 0;
    s->first = SHAPE_NONE;
    s->strangers = 0;
    memset(s->table, 0, sizeof s->table);
    shape_key *none = &s->keys[SHAPE_NONE];
    none->len = UINT32_MAX;
    none->next = SHAPE_NONE;
    memset(none->words, 0xff, sizeof none->words); /* no key begins so */
    memset(none->masks, 0xff, sizeof none->masks);
}

/* Cheap, as a table of 64 keys cannot be flooded: its probes are bounded by their number. */
static uint32_t shape_hash(leat_str key)
{
    uint64_t sum = key.len;
    for (size_t i = 0; i < key.len; i++) {
        sum = (sum ^ (unsigned char)key.data[i]) * 0x100000001b3u;
    }
    return (uint32_t)(sum >> 24) % SHAPE_TABLE;
}

static bool shape_key_is(const shape_key *it, leat_str key)
{
    return it->len == key.len + KEY_TEXT_EXTRA && memcmp(it->text + 1, key.data, key.len) == 0;
}

static uint32_t shape_find(const shape *s, leat_str key)
{
    if (key.len + KEY_TEXT_EXTRA > SHAPE_TEXT) return SHAPE_NONE;
    for (uint32_t at = shape_hash(key); s->table[at] != 0; at = (at + 1) % SHAPE_TABLE) {
        uint32_t index = s->table[at] - 1u;
        if (shape_key_is(&s->keys[index], key)) return index;
    }
    return SHAPE_NONE;
}

/* Learns a key whose text is its content, SHAPE_NONE if it cannot be. A content that has to be
 * escaped is never learned: its text would not be the one between the quotes. */
static uint32_t shape_learn(shape *s, leat_str key, const leat_json_node *node)
{
    if (s->count == SHAPE_KEYS || key.len + KEY_TEXT_EXTRA > SHAPE_TEXT) return SHAPE_NONE;
    for (size_t i = 0; i < key.len; i++) {
        unsigned char c = (unsigned char)key.data[i];
        if (c < 0x20 || c == '"' || c == '\\') return SHAPE_NONE;
    }
    uint32_t index = s->count++;
    shape_key *it = &s->keys[index];
    *it = (shape_key){.node = node, .next = SHAPE_NONE};
    it->len = (uint32_t)key.len + KEY_TEXT_EXTRA;
    it->text[0] = '"';
    memcpy(it->text + 1, key.data, key.len);
    memcpy(it->text + 1 + key.len, "\":", 2);
    memcpy(it->words, it->text, sizeof it->words);
    memset(it->masks, 0xff, it->len < sizeof it->masks ? it->len : sizeof it->masks);
    LEAT_ASSERT(it->text[it->len - 1] == ':');
    uint32_t at = shape_hash(key);
    while (s->table[at] != 0) {
        at = (at + 1) % SHAPE_TABLE;
    }
    s->table[at] = (uint8_t)(index + 1);
    return index;
}

static inline bool shape_key_matches(const shape_key *it, const char *p, const char *end)
{
    size_t left = (size_t)(end - p);
    if (LEAT_LIKELY(left >= 16)) {
        uint64_t words[2];
        memcpy(words, p, sizeof words);
        uint64_t differ =
            ((words[0] ^ it->words[0]) & it->masks[0]) | ((words[1] ^ it->words[1]) & it->masks[1]);
        if (differ != 0) return false;
        if (LEAT_LIKELY(it->len <= 16)) return true;
        return left >= it->len && memcmp(p + 16, it->text + 16, it->len - 16) == 0;
    }
    return left >= it->len && memcmp(p, it->text, it->len) == 0;
}

/* --- one object ------------------------------------------------------------------------------- */

/* Where the reading of an object's keys stands. */
typedef struct members {
    const leat_json_node *node;
    shape *shape;
    uint64_t seen;           /* bit: that key of the shape was there */
    uint32_t previous, next; /* keys of the shape, or SHAPE_NONE */
} members;

static inline void member_known(decoding *d, members *m, uint32_t index)
{
    LEAT_ASSERT(index < SHAPE_KEYS);
    uint64_t bit = (uint64_t)1 << index;
    d->twice |= (m->seen & bit) != 0;
    m->seen |= bit;
    m->previous = index;
    m->next = m->shape->keys[index].next;
}

/* A key that was not predicted. */
static const char *member_search(decoding *d, members *m, const char *p,
                                 const leat_json_node **child)
{
    leat_str key;
    p = leat_json_key(&d->input, p, &key);
    if (p == NULL) return NULL;
    shape *s = m->shape;
    uint32_t index = shape_find(s, key);
    if (index == SHAPE_NONE) index = shape_learn(s, key, leat_json_node_find(m->node, key));
    if (index == SHAPE_NONE) {
        bool twice;
        s->strangers++;
        *child = leat_json_node_find(m->node, key);
        if (leat_json_keys_add(d->input.keys, key, &twice, d->input.err) != LEAT_OK) return NULL;
        return p;
    }
    if (m->previous == SHAPE_NONE) {
        s->first = index;
    } else {
        s->keys[m->previous].next = index;
    }
    *child = s->keys[index].node;
    member_known(d, m, index);
    return p;
}

static const char *read_object(decoding *d, const leat_json_node *node, const char *p,
                               uint32_t depth);

static void put_all(const decoding *d, const leat_json_node *node, leat_value value)
{
    for (const leat_json_target *it = node->targets; it != NULL; it = it->next) {
        d->slots[it->slot] = value;
    }
}

static const char *read_number(const decoding *d, const leat_json_node *node, const char *p)
{
    leat_json_digits digits;
    const char *stop = leat_json_number_end(&d->input, p, &digits);
    if (stop == NULL) return NULL;
    leat_str text = {p, (size_t)(stop - p)};
    for (const leat_json_target *it = node->targets; it != NULL; it = it->next) {
        d->slots[it->slot] = leat_json_number_value(&digits, text, it->exact);
    }
    return stop;
}

static __attribute__((noinline)) const char *put_escaped(const decoding *d,
                                                         const leat_json_node *node, leat_str text)
{
    leat_value value;
    if (leat_json_string_value(text, true, d->input.arena, &value, d->input.err) != LEAT_OK) {
        return NULL;
    }
    put_all(d, node, value);
    return text.data + text.len + 1;
}

static const char *read_string(const decoding *d, const leat_json_node *node, const char *p)
{
    bool escaped;
    const char *close = leat_json_string_end(&d->input, p + 1, &escaped);
    if (close == NULL) return NULL;
    leat_str text = {p + 1, (size_t)(close - p - 1)};
    if (LEAT_UNLIKELY(escaped)) return put_escaped(d, node, text);
    /* Written at once: a value put together field by field on the stack and read back as a whole
     * waits for its bytes to be joined, which took a quarter of the decoder's time. */
    for (const leat_json_target *it = node->targets; it != NULL; it = it->next) {
        d->slots[it->slot] =
            (leat_value){LEAT_STRING, LEAT_VALUE_PLAIN, 0, (uint32_t)text.len, {.text = text.data}};
    }
    return close + 1;
}

/* A value that somebody reads, or looks into. */
static const char *read_value(decoding *d, const leat_json_node *node, const char *p,
                              uint32_t depth)
{
    if (p == d->input.end) return leat_json_expected(&d->input, p, "a value");
    if (*p == '"') return read_string(d, node, p);
    if (*p == '-' || (unsigned)(*p - '0') <= 9) return read_number(d, node, p);
    if (*p == '{' || *p == '[') {
        bool inside = *p == '{' && node->children_count > 0;
        const char *stop =
            inside ? read_object(d, node, p, depth) : leat_json_skip(&d->input, p, depth);
        if (stop == NULL) return NULL;
        put_all(d, node, leat_value_text(LEAT_JSON, (leat_str){p, (size_t)(stop - p)}));
        return stop;
    }
    leat_value value;
    p = leat_json_literal_end(&d->input, p, &value);
    if (p != NULL) put_all(d, node, value);
    return p;
}

/* From one member's key to behind its value; NULL after an error. */
static inline const char *read_member(decoding *d, members *m, const char *p, uint32_t depth)
{
    const leat_json_node *child = NULL;
    const shape_key *predicted = &m->shape->keys[m->next];
    if (LEAT_LIKELY(shape_key_matches(predicted, p, d->input.end))) {
        p = leat_json_space_end(p + predicted->len, d->input.end);
        child = predicted->node;
        member_known(d, m, m->next);
    } else {
        p = member_search(d, m, p, &child);
        if (p == NULL) return NULL;
    }
    if (child != NULL) return read_value(d, child, p, depth);
    if (LEAT_LIKELY(p < d->input.end && *p == '"')) {
        bool escaped;
        const char *close = leat_json_string_end(&d->input, p + 1, &escaped);
        return close != NULL ? close + 1 : NULL;
    }
    return leat_json_skip(&d->input, p, depth);
}

static const char *read_object(decoding *d, const leat_json_node *node, const char *p,
                               uint32_t depth)
{
    const char *end = d->input.end;
    if (depth >= d->input.depth_max) {
        return leat_json_fail(&d->input, p, LEAT_ERR_LIMIT, "nested deeper than %u levels",
                              (unsigned)d->input.depth_max);
    }
    shape *s = &d->decoder->shapes[node->shape];
    if (LEAT_UNLIKELY(s->strangers > STRANGERS_MAX && s->count == SHAPE_KEYS)) shape_reset(s);
    members m = {.node = node, .shape = s, .previous = SHAPE_NONE, .next = s->first};
    leat_json_keys_enter(d->input.keys);
    p = leat_json_space_end(p + 1, end);
    bool more = !(p < end && *p == '}');
    while (more) {
        p = read_member(d, &m, p, depth + 1);
        if (p == NULL) return NULL;
        p = leat_json_space_end(p, end);
        if (LEAT_UNLIKELY(p == end || (*p != ',' && *p != '}'))) {
            return leat_json_expected(&d->input, p, "',' or '}'");
        }
        more = *p == ',';
        if (more) p = leat_json_space_end(p + 1, end);
    }
    leat_json_keys_leave(d->input.keys);
    return p + 1;
}

/* --- a text ----------------------------------------------------------------------------------- */

leat_json_decoder *leat_json_decoder_new(const leat_json_plan *plan)
{
    LEAT_ASSERT(plan != NULL && plan->shapes_count > 0);
    leat_json_decoder *decoder = leat_mem_need(sizeof *decoder);
    decoder->plan = plan;
    decoder->keys = leat_json_keys_new();
    decoder->shapes = leat_mem_need(plan->shapes_count * sizeof(shape));
    for (uint32_t i = 0; i < plan->shapes_count; i++) {
        shape_reset(&decoder->shapes[i]);
    }
    return decoder;
}

void leat_json_decoder_free(leat_json_decoder **decoder)
{
    if (*decoder == NULL) return;
    leat_json_keys_free(&(*decoder)->keys);
    leat_mem_free((*decoder)->shapes);
    leat_mem_free(*decoder);
    *decoder = NULL;
}

static const char *read_root(decoding *d)
{
    const leat_json_input *input = &d->input;
    const leat_json_plan *plan = d->decoder->plan;
    for (size_t i = 0; i < plan->slots_count; i++) {
        d->slots[plan->slots[i]] = LEAT_VALUE_MISSING;
    }
    leat_json_keys_reset(d->decoder->keys);
    const char *p = leat_json_space_end(input->start, input->end);
    if (p == input->end || *p != '{') {
        const char *stop = leat_json_skip(input, p, 0);
        if (stop == NULL) return NULL;
        stop = leat_json_space_end(stop, input->end);
        if (stop != input->end) return leat_json_expected(input, stop, "the end of the record");
        return leat_json_fail(input, p, LEAT_ERR_TYPE, "the record is no object");
    }
    p = read_object(d, &plan->root, p, 0);
    if (p == NULL) return NULL;
    p = leat_json_space_end(p, input->end);
    if (p != input->end) return leat_json_expected(input, p, "the end of the record");
    d->twice |= leat_json_keys_noticed(d->decoder->keys);
    return p;
}

leat_code leat_json_decode(leat_json_decoder *decoder, leat_str text, leat_arena *arena,
                           leat_value *slots, leat_str *raw, leat_err *err)
{
    LEAT_ASSERT(decoder != NULL && arena != NULL && slots != NULL);
    decoding d;
    d.decoder = decoder;
    d.slots = slots;
    d.twice = false;
    LEAT_TRY(leat_json_input_init(&d.input, text, decoder->plan->limits, err));
    d.input.keys = decoder->keys;
    d.input.arena = arena;
    *raw = text;
    if (read_root(&d) == NULL) return err->code;
    if (LEAT_LIKELY(!d.twice)) return LEAT_OK;
    LEAT_TRY(leat_json_dedupe(text, arena, raw, err));
    LEAT_ASSERT(raw->len < text.len);
    d.input.start = raw->data;
    d.input.end = raw->data + raw->len;
    d.twice = false;
    if (read_root(&d) == NULL) return err->code;
    LEAT_ASSERT(!d.twice);
    return LEAT_OK;
}
