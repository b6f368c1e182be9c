/* SPDX-License-Identifier: Apache-2.0 */
/* script: what the language cannot say, as a function in Lua.
 *
 *   function process(event, meta)      event: the record as a table; meta: key, topic, ...
 *       event.total = event.a + event.b
 *       return event                   an object: one record; a list: one each; nil: none, counted
 *   end
 *
 * The sandbox is script.c's. What comes out are new records, of a shape that nobody knows
 * beforehand; those of one message live and wait like any others (see op_explode.c). An error, with
 * its line, sends the record to the dead letter, and none of what it returned goes on.
 * Cost: ~10 us for a small record and function. */
#include "core/mem.h"
#include "schemas/codec_json.h"
#include "transforms/operator.h"
#include "transforms/script.h"

#define OUT_BYTES_MAX ((size_t)64 << 20) /* of all records that one becomes */

typedef struct script_options {
    leat_str code;
    const leat_node *file;
    int64_t instructions;
    uint64_t memory;
} script_options;

static const leat_option options[] = {
    {.name = "code",
     .type = LEAT_OPTION_STRING,
     .offset = offsetof(script_options, code),
     .doc = "The script's text, which defines `process`."},
    {.name = "file",
     .type = LEAT_OPTION_NODE,
     .offset = offsetof(script_options, file),
     .shape = "{\"type\": \"string\"}",
     .doc = "In place of code: a file with it, relative to the pipeline file."},
    {.name = "instructions",
     .type = LEAT_OPTION_INT,
     .offset = offsetof(script_options, instructions),
     .fallback = "1000000",
     .min = 1000,
     .max = INT64_C(1000000000000),
     .doc = "How many of Lua's instructions one record may take."},
    {.name = "memory",
     .type = LEAT_OPTION_SIZE,
     .offset = offsetof(script_options, memory),
     .fallback = "16MiB",
     .min = 256 << 10,
     .max = INT64_C(1) << 32,
     .doc = "How much memory Lua may take, in each partition's task."},
};
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

typedef struct script_config {
    leat_str code, name;
    leat_script_limits limits;
} script_config;

typedef struct script_state {
    leat_script *script;
    leat_buf out;
} script_state;

/* --- planning --- */

/* The text and its name; false: a finding. */
static bool find_code(leat_planner *planner, const leat_node *json, const script_options *read,
                      script_config *config)
{
    leat_findings *findings = leat_planner_findings(planner);
    leat_planned_file *files = NULL;
    size_t count = 0;
    if ((read->code.data != NULL) == (read->file != NULL)) {
        leat_findings_add(findings, json, false,
                          "script needs either 'code' or 'file', such as {\"file\": "
                          "\"scripts/score.lua\"}");
        return false;
    }
    config->code = read->code;
    config->name = LEAT_STR("script");
    if (read->file == NULL) return true;
    if (!leat_planner_files(planner, read->file, &files, &count)) return false;
    if (count != 1) {
        leat_findings_add(findings, read->file, false, "names %zu files, which must be one", count);
        return false;
    }
    config->code = files[0].text;
    config->name = files[0].name;
    return true;
}

static bool script_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    script_options read = {0};
    leat_err err = {0};
    leat_script *script = NULL;
    leat_findings *findings = leat_planner_findings(planner);
    script_config *config = leat_planner_alloc(planner, sizeof *config);
    step->config = config;
    bool good = leat_options_read_brief(options, OPTIONS_COUNT, "code", json, &read, findings);
    if (!find_code(planner, json, &read, config) || !good) return false;
    config->limits = (leat_script_limits){(uint64_t)read.instructions, read.memory};
    if (leat_script_new(&script, config->code, config->name, config->limits, &err) != LEAT_OK) {
        leat_findings_add(findings, json, false, "%s", err.text);
        return false;
    }
    leat_script_free(&script);
    leat_planner_new_shape(planner, step);
    return true;
}

/* --- running --- */

static leat_code script_record(leat_run *run, const leat_record *record, leat_err *err)
{
    static const leat_json_limits limits = {1024, UINT32_MAX}; /* the source's were kept */
    script_state *state = run->state;
    leat_arena *arena = leat_run_arena(run);
    leat_str json;
    leat_value event = LEAT_VALUE_NULL;
    leat_value meta = LEAT_VALUE_MISSING;
    LEAT_ASSERT(state != NULL && state->script != NULL);
    leat_buf_reset(&state->out);
    LEAT_TRY(leat_run_encode(run, record, &json, err));
    LEAT_TRY(leat_json_value(json, limits, arena, &event, err));
    if (leat_script_wants_meta(state->script)) {
        leat_eval eval;
        leat_run_eval(run, record, &eval);
        LEAT_TRY(eval.load(eval.self, LEAT_EXTERN_META, arena, &meta, err));
    }
    return leat_script_call(state->script, event, meta, arena, &state->out, err);
}

/* A line of state->out each. */
static leat_code emit_all(leat_run *run, const leat_record *record, leat_err *err)
{
    const script_state *state = run->state;
    leat_str rest = leat_buf_str(&state->out);
    while (rest.len > 0) {
        const char *end = memchr(rest.data, '\n', rest.len);
        LEAT_ASSERT(end != NULL);
        size_t len = (size_t)(end - rest.data);
        LEAT_TRY(leat_run_make(run, 0, leat_str_slice(rest, 0, len), record->key,
                               record->timestamp_ms, record, err));
        rest = leat_str_slice(rest, len + 1, rest.len);
    }
    return LEAT_OK;
}

static leat_code script_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const script_state *state = run->state;
    uint64_t dropped = 0;
    for (size_t i = 0; i < in->count; i++) {
        const leat_record *record = in->records[i];
        leat_err why;
        if (LEAT_UNLIKELY(script_record(run, record, &why) != LEAT_OK)) {
            LEAT_TRY(leat_run_reject(run, record, &why, err));
            continue;
        }
        dropped += state->out.len == 0;
        LEAT_TRY(emit_all(run, record, err));
    }
    leat_run_count(run, "by_script", dropped);
    return LEAT_OK;
}

static leat_code script_open(leat_run *run, leat_err *err)
{
    const script_config *config = run->step->config;
    script_state *state = leat_mem_need(sizeof *state);
    leat_buf_init(&state->out, OUT_BYTES_MAX);
    run->state = state;
    return leat_script_new(&state->script, config->code, config->name, config->limits, err);
}

static void script_close(leat_run *run)
{
    script_state *state = run->state;
    if (state == NULL) return;
    leat_script_free(&state->script);
    leat_buf_release(&state->out);
    leat_mem_free(state);
    run->state = NULL;
}

const leat_operator_type leat_operator_script = {
    .name = "script",
    .doc =
        "A function in Lua 5.4 for what expressions cannot say. `process(event, meta)` gets the "
        "record as a table and returns an object (one record), a list of objects (one record "
        "each) or nil (none; counted). An error sends the record to the dead letter with the "
        "line of the script.\n\n"
        "```json\n{ \"script\": { \"file\": \"scripts/score.lua\", \"instructions\": 200000 } "
        "}\n```\n\n"
        "```lua\nfunction process(event, meta)\n"
        "    if event.kind == \"ping\" then return nil end\n"
        "    event.total = event.price * event.quantity\n"
        "    return event\nend\n```\n\n"
        "- `meta` has `key`, `topic`, `partition`, `offset`, `timestamp` and `watermark` "
        "(milliseconds), `headers`.\n"
        "- `null` is JSON's null; a field that is nil is not there. Integers have 64 bits, other "
        "numbers are doubles (`1.10` comes out as `1.1`); whole numbers beyond 64 bits go through "
        "as they are, but cannot be counted with.\n"
        "- A list stays a list, also when it is empty; `array(t)` makes one of a table. Fields of "
        "the record keep their order, new ones follow by name.\n"
        "- The script starts anew for each record: globals do not last. There are the libraries "
        "`string`, `table`, `math` and `utf8`, without random numbers, `string.dump` and "
        "`table.move`; no files, clocks, modules, coroutines, `load`. `pairs` and `next` go in "
        "order of keys.\n"
        "- Instructions and memory are limited. What one call or instruction does to long texts "
        "and large tables counts as the instructions that would take as long: a search by its "
        "steps, so that a pattern with many repetitions over a long text ends like an endless "
        "loop; a new text of 256 bytes as one. A mistake in a pattern is an error also where no "
        "text comes so far.\n",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .brief = "code",
    .plan = script_plan,
    .open = script_open,
    .close = script_close,
    .process = script_process,
};
