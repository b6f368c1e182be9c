/* SPDX-License-Identifier: Apache-2.0 */
/* unwrap: a change event of Debezium becomes the row it tells of.
 *
 *   {"op":"u","before":{...},"after":{"id":1,"name":"Ada"},"source":{...},"ts_ms":...}
 *   {"id":1,"name":"Ada"}
 *
 * With or without its schema around it ({"schema":...,"payload":{...}}). c, r and u give `after`; d
 * gives nothing, or, to be passed on, `before` with __deleted; t and m (truncate, message) are of
 * no row and are counted only. Tombstones never come here: the source's `tombstones` says what
 * becomes of them. Rows go over as they are written, numbers with their spelling; only what `add`
 * asks for is put behind them. What leaves has a shape of its own. Cost: the decoder's, once more,
 * for the row. */
#include "core/mem.h"
#include "core/path.h"
#include "schemas/codec_json.h"
#include "transforms/operator.h"

#define ADD_MAX        64
#define TEXT_BYTES_MAX ((size_t)256 << 20)

enum { OP, BEFORE, AFTER, READS };

typedef struct unwrap_options {
    const leat_node *add;
    leat_str prefix;
    int deletes;
} unwrap_options;

enum { DELETES_DROP, DELETES_MARK };

static const leat_option options[] = {
    {.name = "deletes",
     .type = LEAT_OPTION_ENUM,
     .offset = offsetof(unwrap_options, deletes),
     .choices = "drop|mark",
     .fallback = "drop",
     .doc = "What becomes of a deleted row: nothing, or the row as it was with `__deleted: true`."},
    {.name = "add",
     .type = LEAT_OPTION_NODE,
     .offset = offsetof(unwrap_options, add),
     .shape = "{\"type\": \"array\", \"items\": {\"type\": \"string\"}}",
     .doc = "Fields of the change event to put into the row: `[\"op\", \"ts_ms\", "
            "\"source.table\"]` become `__op`, `__ts_ms`, `__source_table`."},
    {.name = "prefix",
     .type = LEAT_OPTION_STRING,
     .offset = offsetof(unwrap_options, prefix),
     .fallback = "__",
     .doc = "What stands before the names of those, and of `deleted`."},
};
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

/* A field, in a bare event and in one with its schema around it. */
typedef struct unwrap_field {
    uint32_t bare, wrapped; /* slots */
    leat_str name;          /* "__op": as JSON has it */
    leat_path path;         /* in a bare event */
} unwrap_field;

typedef struct unwrap_config {
    unwrap_field reads[READS];
    unwrap_field *adds;
    size_t adds_count;
    leat_str deleted; /* "__deleted":true */
    bool marks;
} unwrap_config;

typedef struct unwrap_state {
    leat_buf text;
} unwrap_state;

/* --- planning --- */

static void plan_field(leat_planner *planner, leat_step *step, leat_path path, unwrap_field *field)
{
    leat_str *names = leat_planner_alloc(planner, (path.count + 1) * sizeof *names);
    names[0] = LEAT_STR("payload");
    memcpy(names + 1, path.names, path.count * sizeof *names);
    field->path = (leat_path){names + 1, path.count};
    field->bare = leat_planner_read(planner, step, path);
    field->wrapped = leat_planner_read(planner, step, (leat_path){names, path.count + 1});
}

/* "__source_table" and a colon, as JSON. */
static leat_str name_of(leat_planner *planner, leat_str prefix, leat_path path)
{
    leat_buf name, text;
    leat_buf_init(&name, 4096);
    leat_buf_init(&text, 32768);
    leat_buf_add(&name, prefix);
    for (size_t i = 0; i < path.count; i++) {
        if (i > 0) leat_buf_add_char(&name, '_');
        leat_buf_add(&name, path.names[i]);
    }
    leat_json_write_string(leat_buf_str(&name), &text);
    leat_buf_add_char(&text, ':');
    leat_str made = leat_arena_copy(leat_planner_arena(planner), leat_buf_str(&text));
    leat_buf_release(&name);
    leat_buf_release(&text);
    return made;
}

static bool plan_adds(leat_planner *planner, leat_step *step, const unwrap_options *read,
                      unwrap_config *config)
{
    size_t count = 0;
    if (read->add == NULL) return true;
    for (const leat_node *item = read->add->child; item != NULL; item = item->next)
        count++;
    if (read->add->kind != LEAT_NODE_LIST || count > ADD_MAX) {
        leat_findings_add(leat_planner_findings(planner), read->add, false,
                          "must be a list of fields of the change event, at most %d", ADD_MAX);
        return false;
    }
    config->adds = leat_planner_alloc(planner, (count + 1) * sizeof *config->adds);
    for (const leat_node *item = read->add->child; item != NULL; item = item->next) {
        leat_path path;
        if (!leat_planner_path(planner, item, &path)) return false;
        if (path.count >= LEAT_PATH_DEPTH_MAX) return false;
        unwrap_field *field = &config->adds[config->adds_count++];
        plan_field(planner, step, path, field);
        field->name = name_of(planner, read->prefix, path);
    }
    return true;
}

static bool unwrap_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    static const leat_str names[READS] = {
        [OP] = LEAT_STR_INIT("op"),
        [BEFORE] = LEAT_STR_INIT("before"),
        [AFTER] = LEAT_STR_INIT("after"),
    };
    unwrap_options read = {0};
    if (!leat_options_read(options, OPTIONS_COUNT, json, &read, leat_planner_findings(planner)))
        return false;
    unwrap_config *config = leat_planner_alloc(planner, sizeof *config);
    static const leat_str deleted = LEAT_STR_INIT("deleted");
    step->config = config;
    config->marks = read.deletes == DELETES_MARK;
    config->deleted = name_of(planner, read.prefix, (leat_path){&deleted, 1});
    for (size_t i = 0; i < READS; i++)
        plan_field(planner, step, (leat_path){&names[i], 1}, &config->reads[i]);
    if (!plan_adds(planner, step, &read, config)) return false;
    leat_planner_new_shape(planner, step);
    return true;
}

/* In an event, and in one with its schema around it, at `head` and then `rest`. */
static bool came_from(leat_trace *trace, const leat_step *step, leat_path head, leat_path rest)
{
    leat_str names[LEAT_PATH_DEPTH_MAX + 1] = {LEAT_STR_INIT("payload")};
    size_t count = head.count + rest.count;
    if (count >= LEAT_PATH_DEPTH_MAX) return false;
    for (size_t i = 0; i < count; i++)
        names[i + 1] = i < head.count ? head.names[i] : rest.names[i - head.count];
    leat_trace_came(trace, step, (leat_path){names + 1, count}, true);
    leat_trace_came(trace, step, (leat_path){names, count + 1}, true);
    return true;
}

static bool unwrap_trace(leat_trace *trace, const leat_step *step, leat_path path)
{
    const unwrap_config *config = step->config;
    bool known = came_from(trace, step, config->reads[AFTER].path, path) &&
                 came_from(trace, step, config->reads[BEFORE].path, path);
    for (size_t i = 0; i < config->adds_count; i++) {
        const unwrap_field *field = &config->adds[i];
        leat_str name = leat_str_slice(field->name, 1, field->name.len - 2); /* "__op": */
        bool escapes = memchr(name.data, '\\', name.len) != NULL;
        if (escapes || leat_str_equal(name, path.names[0]))
            known &=
                came_from(trace, step, field->path, (leat_path){path.names + 1, path.count - 1});
    }
    return known;
}

/* --- running --- */

static leat_code unwrap_open(leat_run *run, leat_err *err)
{
    (void)err;
    unwrap_state *state = leat_mem_need(sizeof *state);
    leat_buf_init(&state->text, TEXT_BYTES_MAX);
    run->state = state;
    return LEAT_OK;
}

static void unwrap_close(leat_run *run)
{
    unwrap_state *state = run->state;
    if (state == NULL) return;
    leat_buf_release(&state->text);
    leat_mem_free(state);
    run->state = NULL;
}

static leat_value field_value(const unwrap_field *field, const leat_record *record)
{
    leat_value value = record->slots[field->bare];
    return value.tag != LEAT_MISSING ? value : record->slots[field->wrapped];
}

static bool is_row(leat_value value)
{
    return value.tag == LEAT_MAP ||
           (value.tag == LEAT_JSON && value.len > 0 && value.as.text[0] == '{');
}

static void put_separator(leat_buf *text)
{
    size_t at = text->len;
    while (at > 0 && strchr(" \t\r\n", text->data[at - 1]) != NULL)
        at--;
    if (at > 0 && text->data[at - 1] != '{') leat_buf_add_char(text, ',');
}

static leat_code make_row(leat_run *run, leat_record *record, leat_value row, bool deleted,
                          leat_err *err)
{
    const unwrap_config *config = run->step->config;
    leat_buf *text = &((unwrap_state *)run->state)->text;
    leat_arena *arena = leat_run_arena(run);
    leat_buf_reset(text);
    LEAT_TRY(leat_json_write(row, arena, text, err));
    LEAT_TRY(leat_buf_check(text, "a row", err));
    LEAT_ASSERT(text->len >= 2 && text->data[text->len - 1] == '}');
    if (config->adds_count == 0 && !deleted) return LEAT_OK;
    text->len--;
    for (size_t i = 0; i < config->adds_count; i++) {
        leat_value value = field_value(&config->adds[i], record);
        if (value.tag == LEAT_MISSING) continue;
        put_separator(text);
        leat_buf_add(text, config->adds[i].name);
        LEAT_TRY(leat_json_write(value, arena, text, err));
    }
    if (deleted) {
        put_separator(text);
        leat_buf_add(text, config->deleted);
        leat_buf_add_text(text, "true");
    }
    leat_buf_add_char(text, '}');
    return leat_buf_check(text, "a row", err);
}

/* The row in state->text; *goes false: there is none to go on. */
static leat_code unwrap_record(leat_run *run, leat_record *record, bool *goes, leat_err *err)
{
    const unwrap_config *config = run->step->config;
    leat_value op = field_value(&config->reads[OP], record);
    *goes = false;
    if (op.tag != LEAT_STRING || op.len != 1)
        return leat_err_set(err, LEAT_ERR_NO_FIELD,
                            "no change event: 'op' is missing, or no single letter");
    char kind = op.as.text[0];
    if (kind == 't' || kind == 'm') return LEAT_OK;
    if (strchr("cdru", kind) == NULL)
        return leat_err_set(err, LEAT_ERR_INVALID, "a change event of unknown kind");
    bool deleted = kind == 'd';
    if (deleted && !config->marks) return LEAT_OK;
    leat_value row = field_value(&config->reads[deleted ? BEFORE : AFTER], record);
    if (!is_row(row))
        return leat_err_set(err, LEAT_ERR_NO_FIELD, "a change event without '%s'%s",
                            deleted ? "before" : "after",
                            deleted ? " (set REPLICA IDENTITY FULL, or the like)" : "");
    *goes = true;
    return make_row(run, record, row, deleted, err);
}

static leat_code unwrap_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const unwrap_state *state = run->state;
    for (size_t i = 0; i < in->count; i++) {
        leat_record *record = in->records[i];
        leat_err why;
        bool goes;
        if (LEAT_UNLIKELY(unwrap_record(run, record, &goes, &why) != LEAT_OK))
            LEAT_TRY(leat_run_reject(run, record, &why, err));
        else if (goes)
            LEAT_TRY(leat_run_make(run, 0, leat_buf_str(&state->text), record->key,
                                   record->timestamp_ms, record, err));
        else
            leat_run_count(run, "unwrap", 1);
    }
    return LEAT_OK;
}

const leat_operator_type leat_operator_unwrap = {
    .name = "unwrap",
    .doc =
        "Makes rows of Debezium's change events, with their schema around them or without: the "
        "row as it is after a create, read or update; of a delete nothing, or with `deletes: "
        "\"mark\"` the row as it was and `__deleted: true`, from which a sink's `tombstone` makes "
        "a null value. Truncates and messages are counted and go no further. Give the source "
        "`tombstones: \"drop\"`, as Debezium sends one after each delete.\n\n"
        "```json\n{ \"unwrap\": { \"deletes\": \"mark\", \"add\": [\"source.table\"] } }\n```\n",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .plan = unwrap_plan,
    .trace = unwrap_trace,
    .open = unwrap_open,
    .close = unwrap_close,
    .process = unwrap_process,
};
