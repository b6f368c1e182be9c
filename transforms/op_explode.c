/* SPDX-License-Identifier: Apache-2.0 */
/* explode: one record per element of a list; the field becomes the element, the others are copied.
 *
 *   {"id":1,"items":[{"sku":"a"},{"sku":"b"}]}  ->  {"id":1,"items":{"sku":"a"}}
 *                                                   {"id":1,"items":{"sku":"b"}}
 *
 * Elements are handed on as they are written. The records that come out are texts of their own and
 * a shape of their own: several records that share one message would otherwise be told apart by
 * nothing when they have to wait for their time or outlive an upgrade. Refused for that reason:
 * copies of the slots, which are cheaper where most of the records are filtered out at once.
 *
 * What one record may become is bounded, in elements and in bytes; past that it is a dead letter,
 * and none of its elements goes on. Cost: that of writing and reading the records. */
#include "core/mem.h"
#include "core/path.h"
#include "schemas/codec_json.h"
#include "schemas/json_walk.h"
#include "transforms/operator.h"

#define ELEMENTS_MAX 100000
#define BYTES_MAX    ((size_t)64 << 20) /* of all records that one becomes */

typedef struct explode_options {
    const leat_node *field;
    bool keep_empty;
} explode_options;

static const leat_option options[] = {
    {.name = "field",
     .type = LEAT_OPTION_PATH,
     .offset = offsetof(explode_options, field),
     .required = true,
     .doc = "The list."},
    {.name = "keep_empty",
     .type = LEAT_OPTION_BOOL,
     .offset = offsetof(explode_options, keep_empty),
     .fallback = "false",
     .doc = "A record whose list is empty, null or missing goes on once, with null in its place; "
            "otherwise it ends here, counted."},
};
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

typedef struct explode_config {
    leat_str name;            /* of the field, as the file has it */
    leat_path path;           /* the same */
    uint32_t from, to;        /* slots: the list, an element */
    const leat_field *layout; /* of a record whose field is the element */
    bool keep_empty;
    leat_parents parents; /* what the field lies in */
} explode_config;

typedef struct explode_state {
    leat_buf out; /* the records, one behind the other */
    size_t *ends; /* of the records in out */
    size_t count, size;
} explode_state;

static bool explode_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    explode_options read = {0};
    leat_findings *findings = leat_planner_findings(planner);
    leat_path path;
    if (!leat_options_read_brief(options, OPTIONS_COUNT, "field", json, &read, findings) ||
        !leat_planner_path(planner, read.field, &path))
        return false;
    explode_config *config = leat_planner_alloc(planner, sizeof *config);
    step->config = config;
    config->name = read.field->text;
    config->path = path;
    config->keep_empty = read.keep_empty;
    config->from = leat_planner_read(planner, step, path);
    config->parents = leat_planner_parents(planner, step, path);
    config->to = leat_planner_assign(planner, step, path);
    config->layout = step->layout_out;
    leat_planner_new_shape(planner, step);
    return true;
}

/* An element, and what is in it, is in the list; the other fields are where they were. */
static bool explode_trace(leat_trace *trace, const leat_step *step, leat_path path)
{
    const explode_config *config = step->config;
    bool element = leat_path_covers(config->path, path);
    leat_trace_came(trace, step, element ? config->path : path, !element);
    return true;
}

/* --- one record --- */

typedef struct frame {
    leat_str before, behind;
} frame;

/* Does every object that the field lies in exist? Otherwise there is no place for a null. */
static bool has_place(const explode_config *config, const leat_record *record)
{
    for (size_t i = 0; i < config->parents.count; i++)
        if (record->slots[config->parents.slots[i]].tag == LEAT_MISSING) return false;
    return leat_parents_good(config->parents, record);
}

static leat_code put_whole(leat_run *run, leat_record *record, leat_value element, leat_err *err)
{
    const explode_config *config = run->step->config;
    explode_state *state = run->state;
    record->slots[config->to] = element;
    LEAT_TRY(leat_json_encode(config->layout, record->raw, record->slots, leat_run_arena(run),
                              &state->out, err));
    return leat_buf_check(&state->out, "a record", err);
}

/* What stands before and behind the element in each of the records, and nothing in state->out. The
 * record is written twice, with two elements of one digit: they differ where the element is. To
 * write it once an element would mean to go over the whole list each time. */
static leat_code frame_of(leat_run *run, leat_record *record, frame *around, leat_err *err)
{
    explode_state *state = run->state;
    LEAT_ASSERT(state->out.len == 0);
    LEAT_TRY(put_whole(run, record, leat_value_text(LEAT_JSON, LEAT_STR("0")), err));
    size_t len = state->out.len, at = 0;
    LEAT_TRY(put_whole(run, record, leat_value_text(LEAT_JSON, LEAT_STR("1")), err));
    const char *data = state->out.data;
    LEAT_ASSERT(state->out.len == 2 * len);
    while (at < len && data[at] == data[len + at])
        at++;
    LEAT_ASSERT(at < len);
    leat_str copy = leat_arena_copy(leat_run_arena(run), (leat_str){data, len});
    if (copy.data == NULL) return leat_arena_full(leat_run_arena(run), err);
    *around = (frame){leat_str_slice(copy, 0, at), leat_str_slice(copy, at + 1, len)};
    leat_buf_reset(&state->out);
    return LEAT_OK;
}

static leat_code end_record(explode_state *state, leat_err *err)
{
    LEAT_TRY(leat_buf_check(&state->out, "the records of one list", err));
    if (state->count == state->size) {
        size_t size = state->size == 0 ? 64 : state->size * 2;
        size_t *ends = leat_mem_try_resize(state->ends, size * sizeof *ends);
        if (ends == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a list");
        state->ends = ends;
        state->size = size;
    }
    state->ends[state->count++] = state->out.len;
    return LEAT_OK;
}

/* The record with this element, behind those that are in state->out. made: by a step; NULL: text.
 */
static leat_code put_record(leat_run *run, const frame *around, leat_str text,
                            const leat_value *made, leat_err *err)
{
    const explode_config *config = run->step->config;
    explode_state *state = run->state;
    if (state->count == ELEMENTS_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "the list '%.*s' has more than %d elements",
                            LEAT_STR_ARG(config->name), ELEMENTS_MAX);
    leat_buf_add(&state->out, around->before);
    if (made != NULL)
        LEAT_TRY(leat_json_write(*made, leat_run_arena(run), &state->out, err));
    else
        leat_buf_add(&state->out, text);
    leat_buf_add(&state->out, around->behind);
    return end_record(state, err);
}

static leat_code put_list(leat_run *run, leat_record *record, leat_value list, leat_err *err)
{
    const explode_config *config = run->step->config;
    leat_json_walk walk = {0};
    leat_json_part part;
    frame around;
    if (list.tag == LEAT_JSON && (!leat_json_walk_init(&walk, leat_value_str(list)) || walk.object))
        return leat_err_set(err, LEAT_ERR_TYPE, "'%.*s' is an object, not a list",
                            LEAT_STR_ARG(config->name));
    LEAT_TRY(frame_of(run, record, &around, err));
    if (list.tag == LEAT_JSON)
        while (leat_json_walk_next(&walk, &part))
            LEAT_TRY(put_record(run, &around, part.value, NULL, err));
    for (uint32_t i = 0; list.tag == LEAT_LIST && i < list.len; i++)
        LEAT_TRY(put_record(run, &around, LEAT_STR_NONE, &list.as.items[i], err));
    return LEAT_OK;
}

/* The records that this one becomes, in state->out. */
static leat_code explode_record(leat_run *run, leat_record *record, leat_err *err)
{
    const explode_config *config = run->step->config;
    explode_state *state = run->state;
    leat_value list = record->slots[config->from];
    leat_buf_reset(&state->out);
    state->count = 0;
    if (list.tag == LEAT_JSON || list.tag == LEAT_LIST) {
        LEAT_TRY(put_list(run, record, list, err));
    } else if (list.tag != LEAT_MISSING && list.tag != LEAT_NULL) {
        return leat_err_set(err, LEAT_ERR_TYPE, "'%.*s' is no list: its type is %s",
                            LEAT_STR_ARG(config->name), leat_tag_name((leat_tag)list.tag));
    }
    if (state->count > 0 || !config->keep_empty) return LEAT_OK;
    bool place = has_place(config, record);
    LEAT_TRY(put_whole(run, record, place ? LEAT_VALUE_NULL : LEAT_VALUE_MISSING, err));
    return end_record(state, err);
}

/* --- the operator --- */

static leat_code explode_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const explode_state *state = run->state;
    uint64_t empty = 0;
    for (size_t i = 0; i < in->count; i++) {
        leat_record *record = in->records[i];
        leat_err why;
        if (LEAT_UNLIKELY(explode_record(run, record, &why) != LEAT_OK)) {
            LEAT_TRY(leat_run_reject(run, record, &why, err));
            continue;
        }
        empty += state->count == 0;
        for (size_t n = 0, from = 0; n < state->count; from = state->ends[n++]) {
            leat_str json = leat_str_slice(leat_buf_str(&state->out), from, state->ends[n]);
            LEAT_TRY(leat_run_make(run, 0, json, record->key, record->timestamp_ms, record, err));
        }
    }
    leat_run_count(run, "empty", empty);
    return LEAT_OK;
}

static leat_code explode_open(leat_run *run, leat_err *err)
{
    (void)err;
    explode_state *state = leat_mem_need(sizeof *state);
    leat_buf_init(&state->out, BYTES_MAX);
    run->state = state;
    return LEAT_OK;
}

static void explode_close(leat_run *run)
{
    explode_state *state = run->state;
    if (state == NULL) return;
    leat_buf_release(&state->out);
    leat_mem_free(state->ends);
    leat_mem_free(state);
    run->state = NULL;
}

const leat_operator_type leat_operator_explode = {
    .name = "explode",
    .doc = "Makes one record of each element of a list: the field becomes the element, the other "
           "fields are copied. Records without elements end here, counted, unless `keep_empty` "
           "is set; a field that is no list is an error. The short form names the field alone. A "
           "record of more than 100,000 elements, or whose records take more than 64 MiB "
           "together, is an error.\n\n"
           "```json\n{ \"explode\": \"items\" }\n```\n",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .brief = "field",
    .plan = explode_plan,
    .trace = explode_trace,
    .open = explode_open,
    .close = explode_close,
    .process = explode_process,
};
