/* SPDX-License-Identifier: Apache-2.0 */
/* join: a record gets what a table holds under its key, as of the record's time.
 *
 *   table cards:   t=10 {"card":1,"limit":100}        t=50 {"card":1,"limit":500}
 *   record:                      t=30 {"card":1}  ->  {"card":1,"c":{"card":1,"limit":100}}
 *
 * The table is read by the task that reads the stream (exec_tables.c), partition beside partition:
 * so both topics must be partitioned by the key of the join, and a join by anything else is
 * refused where there are several partitions. Records come in order of time, when the watermark has
 * passed them, so that what the table has heard of meanwhile is there; a version that comes later
 * than that is not looked at again.
 *
 * Keys are compared as texts: 7 finds "7". Cost: the key's, a look-up, and a copy of the value. */
#include "core/mem.h"
#include "core/path.h"
#include "schemas/codec_json.h"
#include "transforms/plan.h"
#include "transforms/step_key.h"

#define KEY_BYTES_MAX ((size_t)16 << 20)

enum { INNER, LEFT };

typedef struct join_options {
    const leat_node *table, *on, *as;
    int kind;
    bool same_partition;
} join_options;

static const leat_option options[] = {
    {.name = "table",
     .type = LEAT_OPTION_NODE,
     .offset = offsetof(join_options, table),
     .required = true,
     .shape = "{\"type\": \"string\"}",
     .doc = "The name of a table in `tables`."},
    {.name = "on",
     .type = LEAT_OPTION_EXPR,
     .offset = offsetof(join_options, on),
     .doc = "Expression for the key to look for; default: the record's key."},
    {.name = "as",
     .type = LEAT_OPTION_PATH,
     .offset = offsetof(join_options, as),
     .doc = "The field that gets what the table holds; default: the table's name."},
    {.name = "kind",
     .type = LEAT_OPTION_ENUM,
     .offset = offsetof(join_options, kind),
     .fallback = "inner",
     .choices = "inner|left",
     .doc = "Where the table holds nothing: `inner` drops the record (counted), `left` gives "
            "null."},
    LEAT_SAME_PARTITION(join_options),
};
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

typedef struct join_config {
    const leat_source *table;
    leat_step_key on;
    int kind;
    uint32_t slot;
    leat_parents parents;
} join_config;

/* --- planning --- */

static bool plan_path(leat_planner *planner, const leat_node *node, leat_str name, leat_path *path)
{
    if (node != NULL) return leat_planner_path(planner, node, path);
    leat_str *names = leat_planner_alloc(planner, sizeof *names);
    names[0] = name;
    *path = (leat_path){names, 1};
    return true;
}

static bool join_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    join_options read = {0};
    leat_path path;
    leat_findings *findings = leat_planner_findings(planner);
    join_config *config = leat_planner_alloc(planner, sizeof *config);
    step->config = config;
    bool good = leat_options_read(options, OPTIONS_COUNT, json, &read, findings);
    config->kind = read.kind;
    good &= leat_step_key_plan(planner, step, read.on, !read.same_partition, &config->on);
    if (read.table == NULL || read.table->kind != LEAT_NODE_STRING) {
        if (read.table != NULL)
            leat_findings_add(findings, read.table, false, "must be the name of a table, not %s",
                              leat_node_kind_name(read.table->kind));
        return false;
    }
    config->table = leat_planner_table(planner, step, read.table);
    if (!plan_path(planner, read.as, read.table->text, &path)) return false;
    config->parents = leat_planner_parents(planner, step, path);
    config->slot = leat_planner_assign(planner, step, path);
    leat_planner_elsewhere(planner, step, config->slot, config->table);
    return good && config->table != NULL;
}

/* --- running --- */

/* The key as text; data NULL: null, which no table holds. */
static leat_code key_of(leat_run *run, const leat_record *record, leat_str *key, leat_err *err)
{
    const join_config *config = run->step->config;
    leat_buf *buf = run->state;
    leat_value value = LEAT_VALUE_NULL;
    *key = record->key;
    if (config->on.expr == NULL) return LEAT_OK;
    leat_eval eval;
    leat_run_eval(run, record, &eval);
    LEAT_TRY(leat_expr_eval(config->on.expr, &eval, &value, err));
    *key = LEAT_STR_NONE;
    if (value.tag == LEAT_NULL) return LEAT_OK;
    if (value.tag == LEAT_STRING || value.tag == LEAT_BYTES) {
        *key = value.len > 0 ? leat_value_str(value) : LEAT_STR("");
        return LEAT_OK;
    }
    leat_buf_reset(buf);
    LEAT_TRY(leat_json_write(value, leat_run_arena(run), buf, err));
    *key = leat_buf_str(buf);
    return leat_buf_check(buf, "a key", err);
}

/* *goes false: there is nothing to join, and the record ends here. */
static leat_code join_record(leat_run *run, leat_record *record, bool *goes, leat_err *err)
{
    const join_config *config = run->step->config;
    leat_str key;
    leat_value found = LEAT_VALUE_MISSING;
    LEAT_ASSERT(config->table != NULL);
    if (!leat_parents_good(config->parents, record))
        return leat_err_set(err, LEAT_ERR_TYPE, "a field on the way to 'as' is no object");
    LEAT_TRY(key_of(run, record, &key, err));
    if (key.data != NULL) LEAT_TRY(leat_run_table_at(run, config->table, key, record, &found, err));
    *goes = found.tag != LEAT_MISSING || config->kind == LEFT;
    record->slots[config->slot] = found.tag != LEAT_MISSING ? found : LEAT_VALUE_NULL;
    return LEAT_OK;
}

static leat_code join_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    uint64_t dropped = 0;
    for (size_t i = 0; i < in->count; i++) {
        leat_record *record = in->records[i];
        bool goes = false;
        leat_err why;
        if (LEAT_UNLIKELY(join_record(run, record, &goes, &why) != LEAT_OK))
            LEAT_TRY(leat_run_reject(run, record, &why, err));
        else if (goes)
            LEAT_TRY(leat_run_emit(run, 0, record, err));
        else
            dropped++;
    }
    leat_run_count(run, "not_joined", dropped);
    return LEAT_OK;
}

static leat_code join_open(leat_run *run, leat_err *err)
{
    (void)err;
    leat_buf *buf = leat_mem_need(sizeof *buf);
    leat_buf_init(buf, KEY_BYTES_MAX);
    run->state = buf;
    return LEAT_OK;
}

static void join_close(leat_run *run)
{
    leat_buf *buf = run->state;
    if (buf == NULL) return;
    leat_buf_release(buf);
    leat_mem_free(buf);
    run->state = NULL;
}

const leat_operator_type leat_operator_join = {
    .name = "join",
    .doc = "Gives each record what a table holds under its key as of the record's time: the latest "
           "value at or before it. The table is one of `tables`: a topic with as many partitions "
           "as the stream's, partitioned by the same key, or files beside a stream from files. "
           "What the table's topic holds is read before the stream begins; after that, a record "
           "is joined when the watermark has passed it, so that `out_of_orderness` of the source "
           "is the time that the table has to hear of a change. Records come out in order of "
           "event time; late ones are dropped and counted. A key that is null finds nothing.\n\n"
           "```json\n{ \"join\": { \"table\": \"cards\", \"on\": \"card_id\", \"as\": \"card\", "
           "\"kind\": \"left\" } }\n```\n",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .stateful = true,
    .plan = join_plan,
    .open = join_open,
    .close = join_close,
    .process = join_process,
};
