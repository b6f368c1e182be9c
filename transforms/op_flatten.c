/* SPDX-License-Identifier: Apache-2.0 */
/* flatten: nested objects become members of the object around them, under dotted names.
 *
 *   {"id":1,"card":{"no":"4","bank":{"bic":"X"}}}  ->  {"id":1,"card.no":"4","card.bank.bic":"X"}
 *
 * The text is rewritten in one pass; values go over as they are written, so that a number keeps its
 * spelling. Lists stay, and so does an object without members: it would be gone without a word.
 * With `fields`, only those objects are flattened, into the object that they stand in. Two members
 * of one name in one object are an error: neither of them can be given up.
 *
 * Which names come out only the record can tell, so that what leaves has a shape of its own.
 * Cost: ~3 ns a byte, and a hash per member. */
#include "core/mem.h"
#include "core/path.h"
#include "schemas/codec_json.h"
#include "schemas/json_walk.h"
#include "transforms/operator.h"

#define FIELDS_MAX     1000
#define TEXT_BYTES_MAX ((size_t)256 << 20)

typedef struct flatten_options {
    const leat_node *fields;
    leat_str separator;
} flatten_options;

static const leat_option options[] = {
    {.name = "fields",
     .type = LEAT_OPTION_NODE,
     .offset = offsetof(flatten_options, fields),
     .shape = "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"type\": \"string\"}}",
     .doc = "The objects to flatten, as a list of field paths; default: all of the record."},
    {.name = "separator",
     .type = LEAT_OPTION_STRING,
     .offset = offsetof(flatten_options, separator),
     .fallback = ".",
     .doc = "What stands between the names."},
};
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

typedef struct flatten_config {
    leat_str separator;
    leat_path *fields;
    size_t fields_count; /* 0: the whole record */
} flatten_config;

typedef struct flatten_state {
    leat_buf out;
} flatten_state;

/* --- planning --- */

static bool plan_fields(leat_planner *planner, const leat_node *node, flatten_config *config)
{
    size_t count = 0;
    if (node->kind == LEAT_NODE_LIST)
        for (const leat_node *item = node->child; item != NULL; item = item->next)
            count++;
    if (count == 0 || count > FIELDS_MAX) {
        leat_findings_add(leat_planner_findings(planner), node, false,
                          "needs a list of fields, such as [\"card\", \"merchant.address\"]");
        return false;
    }
    config->fields = leat_planner_alloc(planner, count * sizeof *config->fields);
    bool good = true;
    for (const leat_node *item = node->child; item != NULL; item = item->next)
        good &= leat_planner_path(planner, item, &config->fields[config->fields_count++]);
    return good;
}

static bool flatten_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    flatten_options read = {0};
    flatten_config *config = leat_planner_alloc(planner, sizeof *config);
    step->config = config;
    bool good =
        leat_options_read(options, OPTIONS_COUNT, json, &read, leat_planner_findings(planner));
    config->separator = read.separator;
    if (read.fields != NULL) good &= plan_fields(planner, read.fields, config);
    leat_planner_new_shape(planner, step);
    return good;
}

/* --- where a field comes from --- */

#define SPLITS_MAX 4 /* separators in a name: so many are tried out, 2^n ways */

/* `name` may have been put together of parts[0..count): head, they, rest is a way to it. */
typedef struct name_cut {
    leat_trace *trace;
    const leat_step *step;
    leat_path head, rest;
    leat_str parts[SPLITS_MAX + 1];
} name_cut;

static bool split_came(const name_cut *cut, size_t count)
{
    leat_str names[LEAT_PATH_DEPTH_MAX];
    size_t len = cut->head.count + count + cut->rest.count, at = 0;
    if (len > LEAT_PATH_DEPTH_MAX) return false;
    for (size_t i = 0; i < cut->head.count; i++)
        names[at++] = cut->head.names[i];
    for (size_t i = 0; i < count; i++)
        names[at++] = cut->parts[i];
    for (size_t i = 0; i < cut->rest.count; i++)
        names[at++] = cut->rest.names[i];
    LEAT_ASSERT(at == len);
    leat_trace_came(cut->trace, cut->step, (leat_path){names, len}, true);
    return true;
}

/* All ways to cut what is left of the name: a name may have the separator in itself. */
static bool split_all(name_cut *cut, leat_str name, leat_str separator, size_t count)
{
    cut->parts[count] = name;
    bool known = split_came(cut, count + 1);
    for (size_t at = 0; at + separator.len <= name.len; at++) {
        if (separator.len == 0 || !leat_str_starts(leat_str_slice(name, at, name.len), separator))
            continue;
        if (count == SPLITS_MAX) return false;
        cut->parts[count] = leat_str_slice(name, 0, at);
        known &= split_all(cut, leat_str_slice(name, at + separator.len, name.len), separator,
                           count + 1);
    }
    return known;
}

static size_t separators_in(leat_str name, leat_str separator)
{
    size_t count = 0;
    for (size_t at = 0; separator.len > 0 && at + separator.len <= name.len; at++)
        count += leat_str_starts(leat_str_slice(name, at, name.len), separator);
    return count;
}

/* Any name on the way may be one that was put together. */
static bool flatten_trace(leat_trace *trace, const leat_step *step, leat_path path)
{
    const flatten_config *config = step->config;
    if (config->separator.len == 0) return false; /* names that stick together */
    bool known = true;
    leat_trace_came(trace, step, path, true);
    for (size_t i = 0; i < path.count; i++) {
        if (i > 0 && config->fields_count == 0) break; /* what is flat has but one level */
        if (separators_in(path.names[i], config->separator) == 0) continue;
        if (separators_in(path.names[i], config->separator) > SPLITS_MAX) return false;
        name_cut cut = {.trace = trace,
                        .step = step,
                        .head = {path.names, i},
                        .rest = {path.names + i + 1, path.count - i - 1}};
        known &= split_all(&cut, path.names[i], config->separator, 0);
    }
    return known;
}

/* --- one record --- */

/* The names of the object that is being written: a set with open addressing. */
typedef struct name_set {
    leat_str *names;
    size_t size, count;
} name_set;

/* Where the walk is. */
typedef struct place {
    const flatten_config *config;
    flatten_state *state;
    leat_arena *arena;
    name_set *names;
    leat_str prefix;                    /* of an object that is being flattened; else none */
    leat_str path[LEAT_PATH_DEPTH_MAX]; /* names down to here, outside of what is flattened */
    size_t depth;                       /* of path; LEAT_PATH_DEPTH_MAX: deeper than any field */
} place;

static bool names_grow(name_set *set, leat_arena *arena)
{
    size_t size = set->size == 0 ? 16 : set->size * 2;
    leat_str *names = leat_arena_array(arena, size, sizeof *names);
    if (names == NULL) return false;
    memset(names, 0, size * sizeof *names);
    for (size_t i = 0; i < set->size; i++) {
        if (set->names[i].data == NULL) continue;
        size_t at = leat_str_hash(set->names[i]) & (size - 1);
        while (names[at].data != NULL)
            at = (at + 1) & (size - 1);
        names[at] = set->names[i];
    }
    set->names = names;
    set->size = size;
    return true;
}

static leat_code names_add(name_set *set, leat_str name, leat_arena *arena, leat_err *err)
{
    LEAT_ASSERT(name.data != NULL && set->count <= set->size);
    if (set->count * 2 >= set->size && !names_grow(set, arena)) return leat_arena_full(arena, err);
    size_t at = leat_str_hash(name) & (set->size - 1);
    for (; set->names[at].data != NULL; at = (at + 1) & (set->size - 1))
        if (leat_str_equal(set->names[at], name))
            return leat_err_set(err, LEAT_ERR_INVALID, "two fields come out as '%.*s'",
                                LEAT_STR_ARG(name));
    set->names[at] = name;
    set->count++;
    return LEAT_OK;
}

static bool has_members(leat_str value)
{
    leat_json_walk walk;
    leat_json_part part;
    return leat_json_walk_init(&walk, value) && walk.object && leat_json_walk_next(&walk, &part);
}

/* Is the member `name` of this object to be flattened (0), on the way to one that is (1)? */
typedef enum wanted { FLATTEN, DESCEND, COPY } wanted;
static wanted wanted_of(const place *here, leat_str name)
{
    const flatten_config *config = here->config;
    wanted found = COPY;
    if (config->fields_count == 0 || here->prefix.data != NULL) return FLATTEN;
    for (size_t i = 0; i < config->fields_count && found != FLATTEN; i++) {
        leat_path path = config->fields[i];
        if (path.count <= here->depth || !leat_str_equal(path.names[here->depth], name)) continue;
        size_t at = 0;
        while (at < here->depth && leat_str_equal(path.names[at], here->path[at]))
            at++;
        if (at == here->depth) found = path.count == here->depth + 1 ? FLATTEN : DESCEND;
    }
    return found;
}

static leat_code full_name(const place *here, leat_str name, leat_str *full, leat_err *err)
{
    *full = name;
    if (here->prefix.data == NULL) return LEAT_OK;
    *full = leat_arena_print(here->arena, "%.*s%.*s%.*s", LEAT_STR_ARG(here->prefix),
                             LEAT_STR_ARG(here->config->separator), LEAT_STR_ARG(name));
    return full->data != NULL ? LEAT_OK : leat_arena_full(here->arena, err);
}

static leat_code put_members(const place *here, leat_str object, leat_err *err);

static leat_code put_nested(const place *here, leat_str name, leat_str value, leat_err *err)
{
    leat_buf *out = &here->state->out;
    name_set names = {0};
    place below = *here;
    LEAT_ASSERT(below.depth < LEAT_PATH_DEPTH_MAX);
    below.path[below.depth++] = name;
    below.names = &names;
    leat_buf_add_char(out, '{');
    LEAT_TRY(put_members(&below, value, err));
    leat_buf_add_char(out, '}');
    return LEAT_OK;
}

static leat_code put_member(const place *here, const leat_json_part *part, leat_err *err)
{
    leat_buf *out = &here->state->out;
    leat_str name;
    leat_str full;
    LEAT_TRY(leat_json_walk_name(part->key, here->arena, &name, err));
    LEAT_TRY(full_name(here, name, &full, err));
    bool object = part->value.data[0] == '{' && has_members(part->value);
    wanted what = object ? wanted_of(here, name) : COPY;
    if (what == FLATTEN) {
        place below = *here;
        below.prefix = full;
        return put_members(&below, part->value, err);
    }
    LEAT_TRY(names_add(here->names, full, here->arena, err));
    if (out->len > 0 && out->data[out->len - 1] != '{') leat_buf_add_char(out, ',');
    leat_json_write_string(full, out);
    leat_buf_add_char(out, ':');
    if (what == DESCEND) return put_nested(here, name, part->value, err);
    leat_buf_add(out, part->value);
    return LEAT_OK;
}

static leat_code put_members(const place *here, leat_str object, leat_err *err)
{
    leat_json_walk walk;
    leat_json_part part;
    bool good = leat_json_walk_init(&walk, object);
    LEAT_ASSERT(good && walk.object);
    while (leat_json_walk_next(&walk, &part))
        LEAT_TRY(put_member(here, &part, err));
    return LEAT_OK;
}

/* The record as flat JSON in state->out. */
static leat_code flatten_record(leat_run *run, const leat_record *record, leat_err *err)
{
    flatten_state *state = run->state;
    leat_str json;
    name_set names = {0};
    place top = {
        .config = run->step->config, .state = state, .arena = leat_run_arena(run), .names = &names};
    LEAT_TRY(leat_run_encode(run, record, &json, err));
    leat_buf_reset(&state->out);
    leat_buf_add_char(&state->out, '{');
    LEAT_TRY(put_members(&top, json, err));
    leat_buf_add_char(&state->out, '}');
    return leat_buf_check(&state->out, "a flat record", err);
}

/* --- the operator --- */

static leat_code flatten_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const flatten_state *state = run->state;
    for (size_t i = 0; i < in->count; i++) {
        const leat_record *record = in->records[i];
        leat_err why;
        if (LEAT_UNLIKELY(flatten_record(run, record, &why) != LEAT_OK))
            LEAT_TRY(leat_run_reject(run, record, &why, err));
        else
            LEAT_TRY(leat_run_make(run, 0, leat_buf_str(&state->out), record->key,
                                   record->timestamp_ms, record, err));
    }
    return LEAT_OK;
}

static leat_code flatten_open(leat_run *run, leat_err *err)
{
    (void)err;
    flatten_state *state = leat_mem_need(sizeof *state);
    leat_buf_init(&state->out, TEXT_BYTES_MAX);
    run->state = state;
    return LEAT_OK;
}

static void flatten_close(leat_run *run)
{
    flatten_state *state = run->state;
    if (state == NULL) return;
    leat_buf_release(&state->out);
    leat_mem_free(state);
    run->state = NULL;
}

const leat_operator_type leat_operator_flatten = {
    .name = "flatten",
    .doc = "Makes nested objects flat: their members move up under names joined by `separator`. "
           "Without `fields` the whole record is flattened, with it those objects, each into the "
           "object it stands in. Lists and empty objects stay as they are; two fields of one name "
           "are an error.\n\n"
           "```json\n{ \"flatten\": { \"fields\": [\"card\"], \"separator\": \"_\" } }\n```\n",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .plan = flatten_plan,
    .trace = flatten_trace,
    .open = flatten_open,
    .close = flatten_close,
    .process = flatten_process,
};
