/* SPDX-License-Identifier: Apache-2.0 */
/* The client of a schema registry: a table of what was asked, and a thread that fills it.
 *
 *   ask ---- not there ----> WANTED --fetch--> KNOWN     for ever: what a number means is fixed
 *    ^                         |  ^        `-> UNKNOWN   for retry_unknown, then WANTED again
 *    |                         |  | pause  `-> REFUSED   a schema that may not be registered
 *    `---- asked again --------'  `--- nobody answers
 *
 * Answers that decide are those of the registry itself, with its own error codes: 40403 is "there
 * is no such schema", while a bare 404 is what a proxy or a wrong path says, and is tried again
 * like a time-out, as are 401 and 403, which an operator can mend. A pipeline that waits loses
 * nothing; with `unknown: wait` it waits for schemas that do not exist, too.
 *
 * Pauses double from 100 ms to 10 s; all addresses are tried before each. */
#include "worker/registry_client.h"
#include "worker/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "core/map.h"
#include "core/mem.h"
#include "schemas/codec_json.h"
#include "worker/logger.h"

#define PAUSE_MS_MIN  100
#define PAUSE_MS_MAX  10000
#define ENTRIES_MAX   20000u
#define ANSWER_BYTES  ((size_t)64 << 20)
#define REQUEST_BYTES ((size_t)16 << 20)

typedef enum entry_state { ENTRY_WANTED, ENTRY_KNOWN, ENTRY_UNKNOWN, ENTRY_REFUSED } entry_state;

/* Something that was asked for. */
typedef struct entry {
    struct entry *next;
    entry_state state;
    leat_want want; /* its texts are in own */
    leat_answer answer;
    int64_t until_ms; /* WANTED: not before; UNKNOWN: true until */
    uint32_t tries, conflicts;
    leat_buf own;  /* the want's texts */
    leat_buf said; /* the answer's schema or why */
} entry;

struct leat_registry_client {
    const leat_registry_settings *settings;
    const char *name;
    leat_registry_http *http;
    leat_arena *arena; /* of the thread: one answer */
    size_t address;    /* that answered last */
    bool conflicts;    /* what is being fetched was answered so before */
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    entry *entries;
    leat_map *index; /* key of a want -> entry * */
    _Atomic bool stopping;
};

/* --- entries ---------------------------------------------------------------------------------- */

static void key_add(const leat_want *want, leat_buf *key)
{
    leat_buf_add_char(key, (char)want->kind);
    if (want->kind == LEAT_WANT_ID) leat_buf_add_u32(key, want->id);
    if (want->kind == LEAT_WANT_GUID)
        leat_buf_add(key, (leat_str){(const char *)want->guid, LEAT_GUID_BYTES});
    if (want->kind != LEAT_WANT_REGISTER) return;
    leat_buf_add_bytes(key, want->text);
    leat_buf_add(key, want->schema);
}

static void entry_free(entry *gone)
{
    leat_buf_release(&gone->own);
    leat_buf_release(&gone->said);
    leat_mem_free(gone);
}

/* All that is settled, when there is too much of it: it can be asked for again. */
static void forget(leat_registry_client *client)
{
    leat_map_free(&client->index);
    client->index = leat_map_new();
    for (entry **link = &client->entries; *link != NULL;) {
        entry *it = *link;
        *link = it->next;
        entry_free(it);
    }
}

static entry *entry_new(const leat_want *want)
{
    entry *made = leat_mem_need(sizeof *made);
    leat_buf_init(&made->own, REQUEST_BYTES);
    leat_buf_init(&made->said, REQUEST_BYTES);
    made->want = *want;
    leat_buf_add(&made->own, want->text);
    leat_buf_add(&made->own, want->schema);
    if (want->text.len > 0) made->want.text = (leat_str){made->own.data, want->text.len};
    if (want->schema.len > 0)
        made->want.schema = (leat_str){made->own.data + want->text.len, want->schema.len};
    return made;
}

/* Under the lock. */
static leat_code entry_of(leat_registry_client *client, const leat_want *want, entry **found,
                          leat_err *err)
{
    leat_buf key;
    uint64_t at = 0;
    leat_buf_init(&key, REQUEST_BYTES);
    key_add(want, &key);
    leat_code code = leat_buf_check(&key, "what a schema registry is asked for", err);
    if (code == LEAT_OK && leat_map_get(client->index, leat_buf_str(&key), &at)) {
        *found = (entry *)(uintptr_t)at;
    } else if (code == LEAT_OK) {
        if (leat_map_count(client->index) >= ENTRIES_MAX) forget(client);
        entry *made = entry_new(want);
        code = leat_map_put(client->index, leat_buf_str(&key), (uint64_t)(uintptr_t)made, err);
        made->next = client->entries;
        client->entries = made;
        *found = made;
        pthread_cond_signal(&client->wake);
    }
    leat_buf_release(&key);
    return code;
}

leat_code leat_registry_client_ask(leat_registry_client *client, const leat_want *want,
                                   leat_arena *arena, leat_answer *answer, bool *ready,
                                   leat_err *err)
{
    LEAT_ASSERT(want->kind != LEAT_WANT_FILE);
    entry *it = NULL;
    *ready = false;
    pthread_mutex_lock(&client->lock);
    leat_code code = entry_of(client, want, &it, err);
    if (code == LEAT_OK && it->state == ENTRY_UNKNOWN && leat_clock_ms() >= it->until_ms) {
        it->state = ENTRY_WANTED;
        it->until_ms = 0;
        pthread_cond_signal(&client->wake);
    }
    if (code == LEAT_OK && it->state == ENTRY_REFUSED)
        code = leat_err_set(err, LEAT_ERR_CONFIG, "%.*s", LEAT_STR_ARG(leat_buf_str(&it->said)));
    if (code == LEAT_OK && it->state != ENTRY_WANTED) {
        leat_str said = leat_arena_copy(arena, leat_buf_str(&it->said));
        *answer = it->answer;
        answer->schema = it->state == ENTRY_KNOWN ? said : LEAT_STR_NONE;
        answer->why = said;
        *ready = true;
        if (said.data == NULL) code = leat_arena_full(arena, err);
    }
    pthread_mutex_unlock(&client->lock);
    return code;
}

/* --- one fetch -------------------------------------------------------------------------------- */

/* What came of it. */
typedef struct outcome {
    entry_state state; /* WANTED: nobody has answered */
    bool conflict;     /* it was answered that the schema does not go with others */
    leat_answer answer;
    leat_str said;
} outcome;

static bool read_guid(leat_str text, unsigned char guid[LEAT_GUID_BYTES])
{
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = leat_str_hex_digit(text.data[i]);
        if (text.data[i] == '-') continue;
        if (digit < 0 || digits == (size_t)2 * LEAT_GUID_BYTES) return false;
        guid[digits / 2] = (unsigned char)(digits % 2 == 0 ? digit << 4 : guid[digits / 2] | digit);
        digits++;
    }
    return digits == (size_t)2 * LEAT_GUID_BYTES;
}

/* again: of a schema, in one piece with those it refers to; of a subject, only a look. */
static void path_of(const leat_registry_client *client, const leat_want *want, bool again,
                    leat_buf *path)
{
    const unsigned char *g = want->guid;
    if (want->kind == LEAT_WANT_REGISTER) {
        leat_buf_add_text(path, "/subjects/");
        leat_registry_http_escape(want->text, path);
        if (client->settings->registers && !again) leat_buf_add_text(path, "/versions");
        return;
    }
    if (want->kind == LEAT_WANT_ID)
        leat_buf_add_format(path, "/schemas/ids/%u", want->id);
    else
        leat_buf_add_format(path,
                            "/schemas/guids/%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
                            "%02x%02x%02x%02x%02x%02x",
                            g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9], g[10],
                            g[11], g[12], g[13], g[14], g[15]);
    if (again) leat_buf_add_text(path, "?format=resolved&dereference=true");
}

static void unknown(leat_registry_client *client, const leat_want *want, const char *words,
                    leat_str more, outcome *made)
{
    made->state = ENTRY_UNKNOWN;
    made->said = want->kind == LEAT_WANT_ID
                     ? leat_arena_print(client->arena, "Avro: the registry's schema %u %s%.*s",
                                        want->id, words, LEAT_STR_ARG(more))
                     : leat_arena_print(client->arena, "Avro: the record's schema %s%.*s", words,
                                        LEAT_STR_ARG(more));
}

/* A schema; *again: it refers to others, and is to be asked for in one piece. */
static void read_schema(leat_registry_client *client, const leat_want *want, leat_value body,
                        bool resolved, bool *again, outcome *made)
{
    leat_str schema = leat_json_member_text(body, "schema"),
             type = leat_json_member_text(body, "schemaType");
    leat_value references = leat_json_member(body, "references");
    *again = false;
    if (schema.data == NULL) return;
    if (type.data != NULL && !leat_str_is(type, "AVRO")) {
        unknown(client, want, "is none of Avro, but of type ", type, made);
        return;
    }
    *again = !resolved && references.tag == LEAT_LIST && references.len > 0;
    if (*again) return;
    made->state = ENTRY_KNOWN;
    made->said = schema;
}

static void read_number(const leat_want *want, leat_value body, outcome *made)
{
    leat_value id = leat_json_member(body, "id");
    if (id.tag != LEAT_INT || id.as.i < 0 || id.as.i > UINT32_MAX) return;
    made->state = ENTRY_KNOWN;
    made->answer.id = (uint32_t)id.as.i;
    made->answer.has_guid = read_guid(leat_json_member_text(body, "guid"), made->answer.guid);
    made->said = want->schema;
}

int64_t leat_registry_refusal(leat_value body)
{
    leat_value code = leat_json_member(body, "error_code");
    return code.tag == LEAT_INT ? code.as.i : 0;
}

/* What the registry says no with. A conflict may only be with ourselves: a request that timed out
 * here is still at work there. So it is looked whether the schema is there meanwhile (*again), and
 * believed when it is said twice. */
static void read_refusal(leat_registry_client *client, const leat_want *want, long status,
                         leat_value body, bool *again, outcome *made)
{
    leat_str message = leat_json_member_text(body, "message");
    int64_t number = leat_registry_refusal(body);
    bool absent =
        status == 404 && number >= LEAT_REGISTRY_NO_SUBJECT && number <= LEAT_REGISTRY_NO_SCHEMA;
    if (want->kind != LEAT_WANT_REGISTER) {
        if (absent && !client->settings->unknown)
            unknown(client, want, "does not exist there", LEAT_STR(""), made);
        return;
    }
    if (status == 409 && !*again) {
        made->conflict = *again = true;
        made->said = message;
        return;
    }
    *again = false;
    if (made->conflict && absent && client->conflicts) status = 409;
    if (made->conflict && status != 409) return;
    if (made->conflict) message = made->said;
    const char *why = status == 409   ? "is not compatible with what is registered there already"
                      : status == 422 ? "is refused by the registry"
                      : absent        ? "is not registered there, and 'register' is false"
                                      : NULL;
    if (why == NULL) return;
    made->state = ENTRY_REFUSED;
    made->said = leat_arena_print(client->arena, "subject '%.*s': the schema %s%s%.*s",
                                  LEAT_STR_ARG(want->text), why, message.len > 0 ? ": " : "",
                                  LEAT_STR_ARG(message));
}

static leat_str body_of(const leat_want *want, leat_buf *body)
{
    if (want->kind != LEAT_WANT_REGISTER) return LEAT_STR_NONE;
    leat_buf_add_text(body, "{\"schema\":");
    leat_json_write_string(want->schema, body);
    leat_buf_add_text(body, "}");
    return leat_buf_str(body);
}

/* Asks one address. False: it gave no answer that decides. */
static bool ask_address(leat_registry_client *client, leat_str url, const leat_want *want,
                        bool resolved, outcome *made)
{
    leat_registry_reply reply;
    leat_buf path, body;
    leat_err err;
    leat_value value = LEAT_VALUE_MISSING;
    bool again = resolved;
    leat_buf_init(&path, REQUEST_BYTES);
    leat_buf_init(&body, REQUEST_BYTES);
    path_of(client, want, resolved, &path);
    leat_registry_http_call(client->http, url, leat_buf_str(&path), body_of(want, &body), &reply);
    leat_str text = leat_arena_copy(client->arena, leat_buf_str(&reply.body));
    leat_json_limits limits = {64, UINT32_MAX};
    bool json = reply.status != 0 && text.data != NULL &&
                leat_json_value(text, limits, client->arena, &value, &err) == LEAT_OK;
    if (json && reply.status == 200 && want->kind == LEAT_WANT_REGISTER)
        read_number(want, value, made);
    else if (json && reply.status == 200)
        read_schema(client, want, value, resolved, &again, made);
    else if (json)
        read_refusal(client, want, reply.status, value, &again, made);
    leat_buf_release(&reply.body);
    leat_buf_release(&path);
    leat_buf_release(&body);
    if (again && !resolved) return ask_address(client, url, want, true, made);
    if (made->state != ENTRY_WANTED) return true;
    if (reply.status != 0)
        (void)snprintf(reply.why, sizeof reply.why, "HTTP status %ld", reply.status);
    if (!atomic_load(&client->stopping))
        leat_log_repeat(LEAT_LEVEL_WARN, "schemas", client->name, "registry",
                        "schema registry %.*s gives no answer that could be used: %s; records wait "
                        "for their schema",
                        LEAT_STR_ARG(url), reply.why);
    return false;
}

static void fetch(leat_registry_client *client, const leat_want *want, outcome *made)
{
    size_t count = client->settings->urls_count;
    *made = (outcome){.state = ENTRY_WANTED};
    for (size_t i = 0; i < count && !atomic_load(&client->stopping); i++) {
        size_t at = (client->address + i) % count;
        if (!ask_address(client, client->settings->urls[at], want, false, made)) continue;
        client->address = at;
        return;
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Under the lock. The entry that is due, or NULL and when one will be. */
static entry *due_entry(const leat_registry_client *client, int64_t *next_ms)
{
    int64_t now = leat_clock_ms();
    *next_ms = now + PAUSE_MS_MAX;
    for (entry *it = client->entries; it != NULL; it = it->next) {
        if (it->state != ENTRY_WANTED) continue;
        if (it->until_ms <= now) return it;
        if (it->until_ms < *next_ms) *next_ms = it->until_ms;
    }
    return NULL;
}

static void settle(leat_registry_client *client, entry *it, const outcome *made)
{
    int64_t pause = PAUSE_MS_MAX;
    if (it->tries < 7) pause = (int64_t)PAUSE_MS_MIN << it->tries;
    it->state = made->state;
    it->answer = made->answer;
    it->conflicts = made->conflict ? it->conflicts + 1 : 0;
    it->tries = made->state == ENTRY_WANTED ? it->tries + 1 : 0;
    it->until_ms = leat_clock_ms() + (made->state == ENTRY_WANTED
                                          ? (pause > PAUSE_MS_MAX ? PAUSE_MS_MAX : pause)
                                          : client->settings->retry_unknown_ms);
    leat_buf_reset(&it->said);
    leat_buf_add(&it->said, made->said);
}

static void *fetch_main(void *context)
{
    leat_registry_client *client = context;
    pthread_mutex_lock(&client->lock);
    while (!atomic_load(&client->stopping)) {
        int64_t next = 0;
        outcome made;
        const entry *due = due_entry(client, &next);
        if (due == NULL) {
            struct timespec until = {.tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000};
            (void)pthread_cond_timedwait(&client->wake, &client->lock, &until);
            continue;
        }
        entry *copy = entry_new(&due->want); /* the table may be cleared meanwhile */
        client->conflicts = due->conflicts > 0;
        pthread_mutex_unlock(&client->lock);
        leat_arena_reset(client->arena);
        fetch(client, &copy->want, &made);
        pthread_mutex_lock(&client->lock);
        entry *now = NULL;
        leat_err ignored;
        if (entry_of(client, &copy->want, &now, &ignored) == LEAT_OK) settle(client, now, &made);
        entry_free(copy);
    }
    pthread_mutex_unlock(&client->lock);
    return NULL;
}

leat_code leat_registry_client_open(const leat_registry_settings *settings, const char *name,
                                    leat_registry_client **opened, leat_err *err)
{
    LEAT_ASSERT(settings->urls_count > 0);
    *opened = NULL;
    leat_registry_client *client = leat_mem_need(sizeof *client);
    client->settings = settings;
    client->name = name;
    client->index = leat_map_new();
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    leat_code code = leat_arena_new(&client->arena, ANSWER_BYTES, err);
    if (code == LEAT_OK)
        code = leat_registry_http_open(settings, &client->stopping, &client->http, err);
    if (code == LEAT_OK && pthread_create(&client->thread, NULL, fetch_main, client) != 0)
        code = leat_err_set(err, LEAT_ERR_INTERNAL, "cannot start a thread");
    if (code == LEAT_OK) {
        *opened = client;
        return LEAT_OK;
    }
    atomic_store(&client->stopping, true);
    leat_registry_http_close(&client->http);
    leat_arena_free(&client->arena);
    leat_map_free(&client->index);
    leat_mem_free(client);
    return code;
}

void leat_registry_client_close(leat_registry_client **client)
{
    leat_registry_client *closing = *client;
    if (closing == NULL) return;
    pthread_mutex_lock(&closing->lock);
    atomic_store(&closing->stopping, true);
    pthread_cond_signal(&closing->wake);
    pthread_mutex_unlock(&closing->lock);
    pthread_join(closing->thread, NULL);
    forget(closing);
    leat_map_free(&closing->index);
    leat_registry_http_close(&closing->http);
    leat_arena_free(&closing->arena);
    pthread_cond_destroy(&closing->wake);
    pthread_mutex_destroy(&closing->lock);
    leat_mem_free(closing);
    *client = NULL;
}
