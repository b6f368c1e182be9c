/* SPDX-License-Identifier: Apache-2.0 */
/* lookup: a field gets what Redis holds under a key.
 *
 *   records -> keys -> cache -> those that it does not know: one question for the whole batch
 *           -> values -> field
 *
 * Each key is asked for once, however many records of the batch name it. Answers are kept for `ttl`
 * (that there is none: `negative_ttl`) by the port's clock, per task and step. So what a record
 * gets may be that old; and a replay may get another answer than the first time: look-ups are
 * reads, and are outside of exactly-once. Which records go on, and in which order, does not depend
 * on cut of batches or cache; what they carry depends on the server alone, and on the time.
 *
 * A server that cannot be reached: `retry` fails the batch, which is aborted and computed again
 * after a pause, so that nothing is lost and everything waits; the other policies go on. What is
 * wrong with one key (its type, its JSON) is never retried: it stays wrong.
 *
 * Cost: ~150 ns a record that the cache knows. */
#include "core/mem.h"
#include "core/path.h"
#include "schemas/codec_json.h"
#include "transforms/lookup_cache.h"
#include "transforms/lookup_value.h"
#include "transforms/operator.h"
#include "transforms/redis.h"

#define KEY_BYTES_MAX ((size_t)512 << 20) /* Redis' own */
#define DAY_MS        (INT64_C(24) * 3600 * 1000)

enum { GET, HGET, HGETALL, MGET };
enum { AS_TEXT, AS_JSON };
enum { MISS_NULL, MISS_KEEP, MISS_DROP, MISS_DEAD_LETTER };
enum { ERROR_RETRY, ERROR_NULL, ERROR_DEAD_LETTER };

typedef struct lookup_options {
    const leat_node *server, *key, *field, *as;
    int command, format, on_miss, on_error;
    int64_t timeout_ms, ttl_ms, negative_ttl_ms;
    uint64_t size;
} lookup_options;

typedef struct lookup_config {
    lookup_options read;
    uint32_t redis;
    leat_str place; /* of the server */
    leat_expr *key, *field;
    uint32_t slot, old_slot; /* of `as`; old: what was there, for `keep` */
    leat_parents parents;
    leat_json_plan *json; /* see lookup_value.h */
} lookup_config;

/* A record and what it wants. */
typedef struct lookup_want {
    leat_record *record;
    leat_lookup_entry **entries;
    size_t count; /* 0: its key is null */
} lookup_want;

typedef struct lookup_state {
    leat_lookup_cache *cache;
    leat_json_decoder *decoder;
    leat_buf text, name;
    leat_lookup_entry **asked; /* of the batch under way */
    size_t asked_count, asked_size;
    uint64_t cached, missing, failed;
    int64_t now_ms;
} lookup_state;

/* --- planning --- */

#define AT(field) .offset = offsetof(lookup_options, field)
static const leat_option cache_options[] = {
    {.name = "ttl",
     .type = LEAT_OPTION_DURATION,
     AT(ttl_ms),
     .required = true,
     .min = 1,
     .max = 366 * DAY_MS,
     .doc = "How long an answer is used again."},
    {.name = "negative_ttl",
     .type = LEAT_OPTION_DURATION,
     AT(negative_ttl_ms),
     .min = 0,
     .max = 366 * DAY_MS,
     .doc = "How long it is remembered that there is none; default: `ttl`."},
    {.name = "size",
     .type = LEAT_OPTION_SIZE,
     AT(size),
     .fallback = "16MiB",
     .min = 1024,
     .max = INT64_C(1) << 40,
     .doc = "What the answers of one task may take; the least recently used go first."},
};
static const leat_option options[] = {
    {.name = "server",
     .type = LEAT_OPTION_NODE,
     AT(server),
     .shape = "{\"type\": \"string\"}",
     .doc = "Which server of the pipeline's `redis`; needless where there is only one."},
    {.name = "command",
     .type = LEAT_OPTION_ENUM,
     AT(command),
     .fallback = "get",
     .choices = "get|hget|hgetall|mget",
     .doc = "`get`: the key's text; `hget`: a field of a hash; `hgetall`: a hash as an object; "
            "`mget`: a list of texts for a list of keys, null where there is none."},
    {.name = "key",
     .type = LEAT_OPTION_EXPR,
     AT(key),
     .required = true,
     .doc = "Expression for the key (`mget`: for a list of keys). Null: nothing is asked, as if "
            "there were none."},
    {.name = "field",
     .type = LEAT_OPTION_EXPR,
     AT(field),
     .doc = "Expression for the field of `hget`."},
    {.name = "as",
     .type = LEAT_OPTION_PATH,
     AT(as),
     .required = true,
     .doc = "The record's field that gets the value."},
    {.name = "format",
     .type = LEAT_OPTION_ENUM,
     AT(format),
     .fallback = "text",
     .choices = "text|json",
     .doc = "What the values are: texts, or JSON to be looked into."},
    {.name = "timeout",
     .type = LEAT_OPTION_DURATION,
     AT(timeout_ms),
     .min = 1,
     .max = DAY_MS,
     .doc = "How long the answers to one batch may take; default: the server's."},
    {.name = "cache",
     .type = LEAT_OPTION_OBJECT,
     .fields = cache_options,
     .fields_count = sizeof cache_options / sizeof cache_options[0]},
    {.name = "on_miss",
     .type = LEAT_OPTION_ENUM,
     AT(on_miss),
     .fallback = "null",
     .choices = "null|keep|drop|dead_letter",
     .doc = "Where there is no value: the field becomes null, stays as it was, or the record is "
            "dropped (counted), or goes to the dead letter."},
    {.name = "on_error",
     .type = LEAT_OPTION_ENUM,
     AT(on_error),
     .fallback = "retry",
     .choices = "retry|null|dead_letter",
     .doc = "When the server cannot be asked: the batch waits and is computed again; the field "
            "becomes null; or the record goes to the dead letter. A value that is wrong in itself "
            "is null, or else a dead letter."},
};
#undef AT
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

static bool lookup_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    lookup_config *config = leat_planner_alloc(planner, sizeof *config);
    lookup_options *read = &config->read;
    leat_findings *findings = leat_planner_findings(planner);
    leat_path path;
    step->config = config;
    if (!leat_options_read(options, OPTIONS_COUNT, json, read, findings)) return false;
    const leat_node *cache = leat_node_member(json, "cache");
    if (cache == NULL || leat_node_member(cache, "negative_ttl") == NULL)
        read->negative_ttl_ms = read->ttl_ms;
    leat_redis_settings *settings = leat_planner_redis(planner, read->server, json);
    bool good = settings != NULL;
    if ((read->command == HGET) != (read->field != NULL)) {
        leat_findings_add(findings, json, false,
                          read->field == NULL ? "hget needs a 'field'"
                                              : "'field' goes with \"command\": \"hget\" only");
        good = false;
    }
    config->key = leat_planner_expr(planner, step, read->key, NULL);
    if (read->field != NULL) config->field = leat_planner_expr(planner, step, read->field, NULL);
    good &= config->key != NULL && (read->field == NULL || config->field != NULL);
    if (!leat_planner_path(planner, read->as, &path) || !good) return false;
    config->redis = settings->index;
    config->place = settings->place;
    settings->required |= read->on_error == ERROR_RETRY;
    if (read->on_miss == MISS_KEEP) config->old_slot = leat_planner_read(planner, step, path);
    config->parents = leat_planner_parents(planner, step, path);
    config->slot = leat_planner_assign(planner, step, path);
    leat_planner_elsewhere(planner, step, config->slot, NULL);
    if (read->on_miss == MISS_KEEP)
        leat_planner_copies(planner, step, config->slot, config->old_slot);
    config->json = leat_lookup_value_plan(leat_planner_arena(planner));
    return config->json != NULL;
}

/* --- life --- */

static leat_code lookup_open(leat_run *run, leat_err *err)
{
    const lookup_config *config = run->step->config;
    lookup_state *state = leat_mem_need(sizeof *state);
    run->state = state;
    leat_buf_init(&state->text, KEY_BYTES_MAX);
    leat_buf_init(&state->name, KEY_BYTES_MAX * 2);
    state->cache = leat_lookup_cache_new(config->read.size);
    state->decoder = leat_json_decoder_new(config->json);
    if (state->decoder != NULL) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a decoder");
}

static void lookup_close(leat_run *run)
{
    lookup_state *state = run->state;
    if (state == NULL) return;
    leat_lookup_cache_free(&state->cache);
    if (state->decoder != NULL) leat_json_decoder_free(&state->decoder);
    leat_buf_release(&state->text);
    leat_buf_release(&state->name);
    leat_mem_free(state->asked);
    leat_mem_free(state);
    run->state = NULL;
}

/* --- keys --- */

/* A value as a key or field; valid until the next call. */
static leat_code text_of(lookup_state *state, leat_value value, leat_arena *arena, leat_str *text,
                         leat_err *err)
{
    if (value.tag == LEAT_STRING || value.tag == LEAT_BYTES || value.tag == LEAT_NUMBER) {
        *text = leat_value_str(value);
        return LEAT_OK;
    }
    if (value.tag != LEAT_INT && value.tag != LEAT_UINT && value.tag != LEAT_BOOL &&
        value.tag != LEAT_DOUBLE)
        return leat_err_set(err, LEAT_ERR_TYPE,
                            "a key is a text or a number, not a value of type %s",
                            value.tag == LEAT_JSON && value.as.text[0] == '[' ? "list"
                            : value.tag == LEAT_JSON                          ? "map"
                                                     : leat_tag_name((leat_tag)value.tag));
    leat_buf_reset(&state->text);
    LEAT_TRY(leat_json_write(value, arena, &state->text, err));
    *text = leat_buf_str(&state->text);
    return leat_buf_check(&state->text, "a key", err);
}

/* What the cache calls it: the key; of HGET its length, it, and the field. */
static leat_code name_of(lookup_state *state, const lookup_config *config, leat_value key,
                         leat_value field, leat_arena *arena, leat_str *name, leat_err *err)
{
    leat_str text;
    LEAT_TRY(text_of(state, key, arena, &text, err));
    if (config->read.command != HGET) {
        *name = text;
        return LEAT_OK;
    }
    leat_buf_reset(&state->name);
    leat_buf_add_bytes(&state->name, text);
    LEAT_TRY(text_of(state, field, arena, &text, err));
    leat_buf_add(&state->name, text);
    *name = leat_buf_str(&state->name);
    return leat_buf_check(&state->name, "a key and its field", err);
}

static leat_code note_asked(lookup_state *state, leat_lookup_entry *entry, leat_err *err)
{
    if (state->asked_count == state->asked_size) {
        size_t size = state->asked_size == 0 ? 256 : state->asked_size * 2;
        leat_lookup_entry **asked =
            leat_mem_try_resize(state->asked, size * sizeof(leat_lookup_entry *));
        if (asked == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for look-ups");
        state->asked = asked;
        state->asked_size = size;
    }
    LEAT_ASSERT(state->asked_count < state->asked_size);
    entry->state = LEAT_LOOKUP_PENDING;
    state->asked[state->asked_count++] = entry;
    return LEAT_OK;
}

/* The entry for the name; noted as to be asked for unless its answer is known and still good. */
static leat_code want_one(lookup_state *state, leat_str name, leat_lookup_entry **entry,
                          leat_err *err)
{
    bool made;
    LEAT_TRY(leat_lookup_cache_get(state->cache, name, entry, &made, err));
    if (made) return note_asked(state, *entry, err);
    if ((*entry)->state == LEAT_LOOKUP_PENDING) return LEAT_OK;
    if ((*entry)->until_ms <= state->now_ms) return note_asked(state, *entry, err);
    state->cached++;
    return LEAT_OK;
}

static leat_code list_of(leat_value *value, leat_arena *arena, leat_err *err)
{
    if (value->tag == LEAT_JSON)
        LEAT_TRY(leat_json_value(leat_value_str(*value), leat_lookup_limits, arena, value, err));
    if (value->tag == LEAT_LIST) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_TYPE, "mget needs a list of keys, not a value of type %s",
                        leat_tag_name((leat_tag)value->tag));
}

static leat_code want(leat_run *run, lookup_want *want, leat_err *err)
{
    const lookup_config *config = run->step->config;
    lookup_state *state = run->state;
    leat_arena *arena = leat_run_arena(run);
    leat_value key, field = LEAT_VALUE_NULL;
    leat_eval eval;
    leat_run_eval(run, want->record, &eval);
    if (leat_expr_eval(config->key, &eval, &key, err) != LEAT_OK)
        return leat_err_prefix(err, "key");
    if (config->field != NULL && leat_expr_eval(config->field, &eval, &field, err) != LEAT_OK)
        return leat_err_prefix(err, "field");
    bool several = config->read.command == MGET;
    if (key.tag == LEAT_NULL || (config->field != NULL && field.tag == LEAT_NULL)) return LEAT_OK;
    if (several) LEAT_TRY(list_of(&key, arena, err));
    size_t count = several ? key.len : 1;
    want->entries = leat_arena_array(arena, count + 1, sizeof(leat_lookup_entry *));
    if (want->entries == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < count; i++) {
        leat_str name;
        leat_value one = several ? key.as.items[i] : key;
        LEAT_TRY(name_of(state, config, one, field, arena, &name, err));
        LEAT_TRY(want_one(state, name, &want->entries[i], err));
        want->count++;
    }
    return LEAT_OK;
}

/* --- answers --- */

static leat_code fail_entry(lookup_state *state, leat_lookup_entry *entry, leat_str why,
                            leat_arena *arena, leat_err *err)
{
    LEAT_ASSERT(entry->state == LEAT_LOOKUP_PENDING);
    entry->state = LEAT_LOOKUP_FAILED;
    entry->why = leat_arena_copy(arena, why);
    state->failed++;
    return entry->why.data != NULL ? LEAT_OK : leat_arena_full(arena, err);
}

static leat_code take_answer(leat_run *run, leat_lookup_entry *entry,
                             const leat_lookup_request *request, leat_err *err)
{
    const lookup_config *config = run->step->config;
    lookup_state *state = run->state;
    leat_arena *arena = leat_run_arena(run);
    leat_value value;
    leat_err why;
    if (request->code != LEAT_OK) return fail_entry(state, entry, request->why, arena, err);
    if (!request->found) {
        entry->state = LEAT_LOOKUP_MISSING;
        entry->until_ms = state->now_ms + config->read.negative_ttl_ms;
        state->missing++;
        return LEAT_OK;
    }
    leat_code code =
        leat_lookup_value(state->decoder, config->read.format == AS_JSON,
                          config->read.command == HGETALL, request, arena, &value, &why);
    if (code != LEAT_OK && leat_code_blame(code) != LEAT_BLAME_RECORD) {
        *err = why;
        return code;
    }
    if (code != LEAT_OK) {
        (void)leat_err_prefix(&why, "%.*s", LEAT_STR_ARG(config->place));
        return fail_entry(state, entry, leat_str_of(why.text), arena, err);
    }
    entry->until_ms = state->now_ms + config->read.ttl_ms;
    return leat_lookup_cache_fill(state->cache, entry, value, err);
}

/* --- asking --- */

static void forget(lookup_state *state, bool pending_too)
{
    for (size_t i = 0; i < state->asked_count; i++) {
        leat_lookup_state is = state->asked[i]->state;
        if (is == LEAT_LOOKUP_FAILED || (pending_too && is == LEAT_LOOKUP_PENDING))
            leat_lookup_cache_drop(state->cache, state->asked[i]);
    }
    state->asked_count = 0;
}

static leat_code all_failed(leat_run *run, const leat_err *why, leat_err *err)
{
    lookup_state *state = run->state;
    for (size_t i = 0; i < state->asked_count; i++)
        LEAT_TRY(
            fail_entry(state, state->asked[i], leat_str_of(why->text), leat_run_arena(run), err));
    return LEAT_OK;
}

static leat_code ask(leat_run *run, const leat_lookup_port *port, leat_err *err)
{
    const lookup_config *config = run->step->config;
    lookup_state *state = run->state;
    leat_arena *arena = leat_run_arena(run);
    size_t count = state->asked_count;
    if (count == 0) return LEAT_OK;
    static const leat_lookup_kind kinds[] = {[GET] = LEAT_LOOKUP_GET,
                                             [HGET] = LEAT_LOOKUP_HGET,
                                             [HGETALL] = LEAT_LOOKUP_HGETALL,
                                             [MGET] = LEAT_LOOKUP_GET};
    leat_lookup_request *requests = leat_arena_array(arena, count, sizeof *requests);
    if (requests == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < count; i++) {
        requests[i] = (leat_lookup_request){.key = state->asked[i]->key};
        if (config->read.command != HGET) continue;
        leat_reader reader = leat_reader_of(state->asked[i]->key);
        bool good = leat_reader_bytes(&reader, &requests[i].key);
        LEAT_ASSERT(good);
        requests[i].field = (leat_str){reader.at, (size_t)(reader.end - reader.at)};
    }
    leat_err why;
    leat_code code = port->ask(port->self, config->redis, kinds[config->read.command], requests,
                               count, config->read.timeout_ms, arena, &why);
    bool away = code == LEAT_ERR_UNAVAILABLE || code == LEAT_ERR_TIMEOUT;
    if (away && config->read.on_error != ERROR_RETRY) return all_failed(run, &why, err);
    if (code != LEAT_OK) {
        *err = why;
        return code;
    }
    for (size_t i = 0; i < count; i++)
        LEAT_TRY(take_answer(run, state->asked[i], &requests[i], err));
    return LEAT_OK;
}

/* --- records --- */

/* The record's value; MISSING: there is none. */
static leat_code value_of(const lookup_config *config, const lookup_want *want, leat_arena *arena,
                          leat_value *value, leat_err *err)
{
    size_t found = 0;
    *value = LEAT_VALUE_MISSING;
    for (size_t i = 0; i < want->count; i++) {
        const leat_lookup_entry *entry = want->entries[i];
        LEAT_ASSERT(entry->state != LEAT_LOOKUP_PENDING);
        if (entry->state == LEAT_LOOKUP_FAILED && config->read.on_error != ERROR_NULL)
            return leat_err_set(err, LEAT_ERR_INVALID, "%.*s", LEAT_STR_ARG(entry->why));
        if (entry->state == LEAT_LOOKUP_FAILED) {
            *value = LEAT_VALUE_NULL;
            return LEAT_OK;
        }
        found += entry->state == LEAT_LOOKUP_FOUND;
    }
    if (found == 0) return LEAT_OK;
    if (config->read.command != MGET) {
        *value = want->entries[0]->value;
        return LEAT_OK;
    }
    leat_value *items = leat_arena_array(arena, want->count, sizeof *items);
    if (items == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < want->count; i++) {
        bool there = want->entries[i]->state == LEAT_LOOKUP_FOUND;
        items[i] = there ? want->entries[i]->value : LEAT_VALUE_NULL;
    }
    *value = leat_value_list(items, want->count);
    return LEAT_OK;
}

static leat_code assign(const lookup_config *config, leat_record *record, leat_value value,
                        bool *goes, leat_err *err)
{
    *goes = true;
    if (LEAT_UNLIKELY(!leat_parents_good(config->parents, record)))
        return leat_err_set(err, LEAT_ERR_TYPE, "a field on the way to 'as' is no object");
    if (value.tag == LEAT_MISSING) {
        switch (config->read.on_miss) {
        case MISS_NULL: value = LEAT_VALUE_NULL; break;
        case MISS_KEEP: value = record->slots[config->old_slot]; break;
        case MISS_DROP: *goes = false; break;
        default: return leat_err_set(err, LEAT_ERR_NO_FIELD, "there is no value for this key");
        }
    }
    record->slots[config->slot] = value;
    return LEAT_OK;
}

static leat_code finish(leat_run *run, const lookup_want *wants, size_t count, leat_err *err)
{
    const lookup_config *config = run->step->config;
    leat_arena *arena = leat_run_arena(run);
    uint64_t dropped = 0;
    for (size_t i = 0; i < count; i++) {
        leat_value value;
        leat_err why;
        bool goes = true;
        leat_code code = value_of(config, &wants[i], arena, &value, &why);
        if (code == LEAT_OK) code = assign(config, wants[i].record, value, &goes, &why);
        if (LEAT_UNLIKELY(code != LEAT_OK))
            LEAT_TRY(leat_run_reject(run, wants[i].record, &why, err));
        else if (goes)
            LEAT_TRY(leat_run_emit(run, 0, wants[i].record, err));
        else
            dropped++;
    }
    if (dropped > 0) leat_run_count(run, "not_found", dropped);
    return LEAT_OK;
}

static leat_code collect(leat_run *run, const leat_batch *in, lookup_want *wants, size_t *count,
                         leat_err *err)
{
    *count = 0;
    for (size_t i = 0; i < in->count; i++) {
        leat_err why;
        wants[*count] = (lookup_want){.record = in->records[i]};
        if (LEAT_LIKELY(want(run, &wants[*count], &why) == LEAT_OK))
            ++*count;
        else
            LEAT_TRY(leat_run_reject(run, in->records[i], &why, err));
    }
    return LEAT_OK;
}

static leat_code lookup_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const lookup_config *config = run->step->config;
    const leat_lookup_port *port = leat_run_port(run);
    lookup_state *state = run->state;
    leat_arena *arena = leat_run_arena(run);
    LEAT_ASSERT(in->count > 0 && state->asked_count == 0);
    if (port == NULL)
        return leat_err_set(err, LEAT_ERR_CONFIG, "there is no Redis to be asked here");
    lookup_want *wants = leat_arena_array(arena, in->count, sizeof *wants);
    if (wants == NULL) return leat_arena_full(arena, err);
    leat_lookup_cache_trim(state->cache, config->read.ttl_ms == 0);
    state->now_ms = port->now_ms(port->self);
    state->cached = state->missing = state->failed = 0;
    size_t count;
    leat_code code = collect(run, in, wants, &count, err);
    if (code == LEAT_OK) code = ask(run, port, err);
    if (code == LEAT_OK) code = finish(run, wants, count, err);
    if (port->note != NULL)
        port->note(port->self, config->redis, state->cached, state->asked_count, state->missing,
                   state->failed);
    forget(state, code != LEAT_OK);
    return code;
}

const leat_operator_type leat_operator_lookup = {
    .name = "lookup",
    .doc =
        "Gives a field what Redis holds under a key. The keys of a whole batch are asked for in "
        "one "
        "go, each once; answers can be kept for a while, also that there is none. A look-up is a "
        "read: what it finds is as old as the cache allows, and when a batch is computed again "
        "after a failure, it may find something else.\n\n"
        "```json\n{ \"lookup\": { \"key\": \"'customer:' + customer_id\", \"format\": \"json\", "
        "\"as\": \"customer\",\n              \"cache\": { \"ttl\": \"1m\", \"negative_ttl\": "
        "\"5s\" } } }\n```\n",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .plan = lookup_plan,
    .open = lookup_open,
    .close = lookup_close,
    .process = lookup_process,
};
