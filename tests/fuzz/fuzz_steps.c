/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a record, through steps that take texts apart: flatten, explode, cast, parse,
 * validate, script, join. The first byte chooses the pipeline, the rest is the record; of join, a
 * line end stands between what goes to the table and what goes to the stream.
 *
 * What must hold: nothing crashes; every record comes out, is dropped and counted, or is a dead
 * letter; what comes out is valid JSON; the same again gives the same. */
#include <stdint.h>
#include <string.h>

#include "core/mem.h"
#include "schemas/codec_json.h"
#include "transforms/exec.h"
#include "worker/registry.h"

#define PLAN_BYTES  ((size_t)16 << 20)
#define STATE_BYTES ((uint64_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIPELINE(steps)                                                                            \
    "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\",\"format\":\"json\"}},\"tables\":{"      \
    "\"c\":"                                                                                       \
    "{\"topic\":\"c\",\"key\":\"k\"}},\"streams\":{\"t\":{\"from\":\"s\",\"steps\":[" steps        \
    "],\"to\":\"out\"}},\"dead_letter\":{\"topic\":\"dead\"}}"

static const char *const pipelines[] = {
    PIPELINE("{\"flatten\":{}}"),
    PIPELINE("{\"flatten\":{\"fields\":[\"a\",\"b.c\"],\"separator\":\"\\\"\"}}"),
    PIPELINE("{\"explode\":\"a\"},{\"explode\":{\"field\":\"b.c\",\"keep_empty\":true}}"),
    PIPELINE("{\"cast\":{\"a\":\"int\",\"b.c\":\"timestamp\",\"d\":\"string\"}}"),
    PIPELINE("{\"parse\":{\"a\":\"json\",\"b\":\"kv\",\"c\":\"csv\",\"d\":\"url\"}}"),
    PIPELINE("{\"parse\":{\"a\":{\"format\":\"time\",\"layout\":\"%a %d/%b/%Y:%I:%M:%S.%f %p %z\"},"
             "\"b\":{\"format\":\"time\",\"layout\":\"s\"},\"c\":{\"format\":\"time\",\"layout\":"
             "\"%F %R\",\"zone\":\"Europe/Berlin\",\"to\":\"x.y\"}}}"),
    PIPELINE(
        "{\"parse\":{\"a\":{\"format\":\"regex\",\"pattern\":\"(?P<x>[a-z]*)(?P<y>[0-9]+)?\"}}}"),
    PIPELINE(
        "{\"validate\":{\"json_schema\":{\"properties\":{\"a\":{\"uniqueItems\":true,\"items\":"
        "{\"multipleOf\":0.1}},\"b\":{\"$ref\":\"#\"}},\"maxProperties\":5,\"not\":{\"required\":"
        "[\"z\"]}}}}"),
    PIPELINE(
        "{\"script\":{\"code\":\"function process(e, m) e.n = m.offset for k, v in pairs(e) do "
        "if type(v) == 'number' then e[k .. 'x'] = v * 2 end end return {e, e.a} end\","
        "\"instructions\":20000,\"memory\":\"1MiB\"}}"),
    PIPELINE("{\"join\":{\"table\":\"c\",\"on\":\"k\",\"as\":\"a.b\",\"kind\":\"left\"}}"),
};
enum { PIPELINES = sizeof pipelines / sizeof pipelines[0] };

static leat_code no_files(void *self, leat_str glob, bool want_text, leat_arena *arena,
                          leat_planned_file **files, size_t *count, leat_err *err)
{
    (void)self;
    (void)glob;
    (void)want_text;
    (void)arena;
    (void)err;
    *files = NULL;
    *count = 0;
    return LEAT_OK;
}

static leat_code nothing(void *self, leat_str kind, leat_str name, leat_arena *arena,
                         leat_str *text, leat_err *err)
{
    (void)self;
    (void)kind;
    (void)name;
    (void)arena;
    *text = LEAT_STR_NONE;
    (void)err;
    return LEAT_OK;
}

static leat_plan *plan_of(const char *text, leat_arena *arena)
{
    leat_err err;
    leat_plan *plan = NULL;
    leat_findings findings;
    leat_plan_env env = {.files = no_files, .resolve = nothing};
    env.operators = leat_registry(&env.operators_count);
    leat_findings_init(&findings, arena);
    leat_code code =
        leat_plan_new(leat_str_of(text), LEAT_STR("pipeline"), &env, arena, &findings, &plan, &err);
    LEAT_ASSERT(code == LEAT_OK && plan != NULL);
    return plan;
}

/* What comes out; a digest of it. */
static uint64_t look_at(const leat_output *outputs, size_t count)
{
    uint64_t sum = count;
    leat_err err;
    for (size_t i = 0; i < count; i++) {
        const leat_output *output = &outputs[i];
        leat_json_limits limits = {1024, UINT32_MAX};
        if (output->kind == LEAT_OUTPUT_RECORD)
            LEAT_ASSERT(leat_json_validate(output->value, limits, &err) == LEAT_OK);
        sum = sum * 31 + leat_str_hash(output->value);
    }
    return sum;
}

static uint64_t run(const leat_plan *plan, const leat_message *messages, size_t count)
{
    leat_exec *exec = NULL;
    leat_err err;
    const leat_output *outputs = NULL;
    size_t outputs_count = 0;
    uint64_t sum = 0;
    LEAT_ASSERT(leat_exec_open(plan, 0, STATE_BYTES, &exec, &err) == LEAT_OK);
    LEAT_ASSERT(leat_exec_batch(exec, messages, count, &outputs, &outputs_count, &err) == LEAT_OK);
    sum = look_at(outputs, outputs_count);
    LEAT_ASSERT(leat_exec_end(exec, &outputs, &outputs_count, &err) == LEAT_OK);
    sum = sum * 31 + look_at(outputs, outputs_count);
    leat_exec_counts counts = leat_exec_counts_get(exec);
    LEAT_ASSERT(counts.records_in == count);
    leat_exec_close(&exec);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leat_arena *arena = NULL;
    leat_err err;
    leat_message messages[2];
    size_t count = 0;
    if (size == 0) return 0;
    leat_str rest = {(const char *)data + 1, size - 1};
    const char *end = rest.len == 0 ? NULL : memchr(rest.data, '\n', rest.len);
    if (end != NULL) {
        leat_str first = leat_str_slice(rest, 0, (size_t)(end - rest.data));
        messages[count++] =
            (leat_message){.topic = LEAT_STR("c"), .offset = 1, .timestamp_ms = 1, .value = first};
        rest = leat_str_slice(rest, first.len + 1, rest.len);
    }
    messages[count++] =
        (leat_message){.topic = LEAT_STR("in"), .offset = 1, .timestamp_ms = 5, .value = rest};
    LEAT_ASSERT(leat_arena_new(&arena, PLAN_BYTES, &err) == LEAT_OK);
    uint8_t number = data[0] % PIPELINES;
    leat_plan *plan = plan_of(pipelines[number], arena);
    bool joins = number == PIPELINES - 1; /* the others do not read the table */
    const leat_message *from = joins ? messages : &messages[count - 1];
    uint64_t first = run(plan, from, joins ? count : 1);
    LEAT_ASSERT(run(plan, from, joins ? count : 1) == first);
    leat_arena_free(&arena);
    return 0;
}
