/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline's text and messages in, lines out: for tests of exec and of steps.
 *
 *   test_bed bed;
 *   bed_open(&bed, "{...}");
 *   bed_send(&bed, "{\"a\":1}");          a message of topic "in", partition 0
 *   bed_expect(&bed, "out: {\"a\":1}");   what has come out since the last look, a line each
 *   bed_close(&bed);
 *
 * A bed plays the worker: it keeps a changelog (a map of cells), commits, aborts and goes back,
 * crashes and restores. */
#ifndef LEAT_TESTS_UNIT_EXEC_HARNESS_H
#define LEAT_TESTS_UNIT_EXEC_HARNESS_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/map.h"
#include "core/mem.h"
#include "transforms/exec.h"

#define BED_STATE_MAX ((uint64_t)64 << 20)

/* Every step of transforms/; those of other folders are given to bed_open_with. */
#define BED_OPERATORS(OPERATOR)                                                                    \
    OPERATOR(filter)                                                                               \
    OPERATOR(set)                                                                                  \
    OPERATOR(keep)                                                                                 \
    OPERATOR(drop)                                                                                 \
    OPERATOR(rename)                                                                               \
    OPERATOR(mask)                                                                                 \
    OPERATOR(split)                                                                                \
    OPERATOR(flatten)                                                                              \
    OPERATOR(explode)                                                                              \
    OPERATOR(cast)                                                                                 \
    OPERATOR(sample)                                                                               \
    OPERATOR(throttle)                                                                             \
    OPERATOR(dedupe)                                                                               \
    OPERATOR(parse)                                                                                \
    OPERATOR(validate)                                                                             \
    OPERATOR(script)                                                                               \
    OPERATOR(join)
#define BED_DECLARE(name) extern const leat_operator_type leat_operator_##name;
BED_OPERATORS(BED_DECLARE)

typedef struct bed_cell {
    leat_str key, value; /* data NULL: none */
} bed_cell;

typedef struct test_bed {
    leat_arena *arena;
    leat_plan *plan;
    leat_exec *exec;
    leat_buf out;  /* lines since the last look */
    bed_cell *log; /* the changelog, compacted */
    size_t log_count;
    size_t log_written; /* records, all in all */
    int64_t offset;
    bool terse; /* lines without partition, key, time and headers */
} test_bed;

static leat_code bed_no_files(void *self, leat_str glob, bool want_text, leat_arena *arena,
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

static leat_code bed_resolve(void *self, leat_str kind, leat_str name, leat_arena *arena,
                             leat_str *text, leat_err *err)
{
    (void)self;
    (void)kind;
    (void)name;
    (void)arena;
    (void)err;
    *text = LEAT_STR("");
    return LEAT_OK;
}

/* Plans; the findings as text, "" if there are none. */
static inline const char *bed_plan(test_bed *bed, const char *text, const leat_operator_type *more)
{
    static char said[4096];
    *bed = (test_bed){.terse = true};
    leat_err err;
#define BED_ADDRESS(name) &leat_operator_##name,
    const leat_operator_type *operators[] = {BED_OPERATORS(BED_ADDRESS) more};
    const size_t count = sizeof operators / sizeof operators[0];
    const leat_plan_env env = {.files = bed_no_files,
                               .resolve = bed_resolve,
                               .operators = operators,
                               .operators_count = more != NULL ? count : count - 1};
    leat_findings findings;
    cr_assert_eq(leat_arena_new(&bed->arena, 64 << 20, &err), LEAT_OK);
    leat_findings_init(&findings, bed->arena);
    leat_code code = leat_plan_new(leat_str_of(text), LEAT_STR("pipeline.json"), &env, bed->arena,
                                   &findings, &bed->plan, &err);
    cr_assert_eq(code, LEAT_OK, "%s", err.text);
    leat_buf_init(&bed->out, 1 << 30);
    leat_findings_print(&findings, false, &bed->out);
    (void)snprintf(said, sizeof said, "%.*s", (int)bed->out.len,
                   bed->out.data != NULL ? bed->out.data : "");
    leat_buf_reset(&bed->out);
    return said;
}

static inline void bed_open_with(test_bed *bed, const char *text, const leat_operator_type *more)
{
    leat_err err;
    const char *said = bed_plan(bed, text, more);
    cr_assert_not_null(bed->plan, "%s", said);
    cr_assert_eq(leat_exec_open(bed->plan, 0, BED_STATE_MAX, &bed->exec, &err), LEAT_OK, "%s",
                 err.text);
}

static inline void bed_open(test_bed *bed, const char *text)
{
    bed_open_with(bed, text, NULL);
}

static inline void bed_close(test_bed *bed)
{
    leat_exec_close(&bed->exec);
    leat_arena_free(&bed->arena);
    leat_buf_release(&bed->out);
    for (size_t i = 0; i < bed->log_count; i++) {
        free((void *)(uintptr_t)bed->log[i].key.data);
        free((void *)(uintptr_t)bed->log[i].value.data);
    }
    free(bed->log);
    *bed = (test_bed){0};
}

/* "topic: value", or all there is about an output. */
static inline void bed_line(test_bed *bed, const leat_output *output)
{
    leat_buf *out = &bed->out;
    leat_buf_add(out, output->topic);
    if (!bed->terse)
        leat_buf_add_format(out, " %d %lld %.*s", (int)output->partition,
                            (long long)output->timestamp_ms, LEAT_STR_ARG(output->key));
    leat_buf_add_text(out, ": ");
    if (output->value.data == NULL)
        leat_buf_add_text(out, "(null)");
    else
        leat_buf_add(out, output->value);
    for (size_t i = 0; i < output->headers_count; i++) {
        const leat_header *header = &output->headers[i];
        bool shown = !bed->terse || leat_str_is(header->name, "leat.step") ||
                     leat_str_is(header->name, "leat.error");
        if (shown)
            leat_buf_add_format(out, " %.*s=%.*s", LEAT_STR_ARG(header->name),
                                LEAT_STR_ARG(header->value));
    }
    leat_buf_add_char(out, '\n');
}

static inline void bed_take(test_bed *bed, const leat_output *outputs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bed_line(bed, &outputs[i]);
}

static inline void bed_batch(test_bed *bed, const leat_message *messages, size_t count)
{
    const leat_output *outputs;
    size_t outputs_count;
    leat_err err;
    leat_code code = leat_exec_batch(bed->exec, messages, count, &outputs, &outputs_count, &err);
    cr_assert_eq(code, LEAT_OK, "%s", err.text);
    bed_take(bed, outputs, outputs_count);
}

/* Message number `offset` + 1 of "in", at that many ms; its copy is gone when the batch is. */
static inline void bed_send_at(test_bed *bed, const char *value, int64_t timestamp_ms)
{
    size_t len = value != NULL ? strlen(value) : 0;
    char *copy = malloc(len + 1); /* its own block, so that a read past its end is seen */
    cr_assert_not_null(copy);
    if (value != NULL) memcpy(copy, value, len);
    leat_message message = {.topic = LEAT_STR("in"),
                            .offset = ++bed->offset,
                            .timestamp_ms = timestamp_ms,
                            .key = LEAT_STR("k"),
                            .value = {value != NULL ? copy : NULL, len}};
    bed_batch(bed, &message, 1);
    free(copy);
}

static inline void bed_send(test_bed *bed, const char *value)
{
    bed_send_at(bed, value, bed->offset + 1);
}

static inline void bed_idle(test_bed *bed, const char *topic, int32_t partition)
{
    const leat_output *outputs;
    size_t count;
    leat_err err;
    cr_assert_eq(leat_exec_idle(bed->exec, leat_str_of(topic), partition, &outputs, &count, &err),
                 LEAT_OK, "%s", err.text);
    bed_take(bed, outputs, count);
}

static inline void bed_end(test_bed *bed)
{
    const leat_output *outputs;
    size_t count;
    leat_err err;
    cr_assert_eq(leat_exec_end(bed->exec, &outputs, &count, &err), LEAT_OK, "%s", err.text);
    bed_take(bed, outputs, count);
}

/* Compares what has come out since the last look. */
#define bed_expect(bed, want)                                                                      \
    do {                                                                                           \
        leat_buf_add_char(&(bed)->out, '\0');                                                      \
        cr_expect_str_eq((bed)->out.data, want, "got:\n%swant:\n%s", (bed)->out.data, want);       \
        leat_buf_reset(&(bed)->out);                                                               \
    } while (0)

static inline leat_str bed_copy(leat_str str)
{
    if (str.data == NULL) return LEAT_STR_NONE;
    char *copy = malloc(str.len + 1);
    cr_assert_not_null(copy);
    if (str.len > 0) memcpy(copy, str.data, str.len);
    return (leat_str){copy, str.len};
}

static inline leat_code bed_note(void *context, leat_str key, leat_str value, leat_err *err)
{
    (void)err;
    test_bed *bed = context;
    size_t at = 0;
    bed->log_written++;
    while (at < bed->log_count && !leat_str_equal(bed->log[at].key, key))
        at++;
    if (at == bed->log_count) {
        bed->log = realloc(bed->log, (bed->log_count + 1) * sizeof *bed->log);
        cr_assert_not_null(bed->log);
        bed->log[bed->log_count++] = (bed_cell){bed_copy(key), LEAT_STR_NONE};
    }
    free((void *)(uintptr_t)bed->log[at].value.data);
    bed->log[at].value = bed_copy(value);
    return LEAT_OK;
}

static inline leat_code bed_ignore(void *context, leat_str key, leat_str value, leat_err *err)
{
    (void)context;
    (void)key;
    (void)value;
    (void)err;
    return LEAT_OK;
}

/* The transaction that this went into will be aborted. */
static inline void bed_flush_in_vain(test_bed *bed)
{
    leat_err err;
    cr_assert_eq(leat_exec_flush(bed->exec, bed_ignore, NULL, &err), LEAT_OK, "%s", err.text);
}

static inline void bed_commit(test_bed *bed)
{
    leat_err err;
    cr_assert_eq(leat_exec_flush(bed->exec, bed_note, bed, &err), LEAT_OK, "%s", err.text);
    leat_exec_commit(bed->exec);
}

static inline void bed_abort(test_bed *bed)
{
    leat_err err;
    cr_assert_eq(leat_exec_abort(bed->exec, &err), LEAT_OK, "%s", err.text);
}

/* The process dies, another takes over what the changelog holds. */
static inline void bed_crash(test_bed *bed)
{
    leat_err err;
    leat_exec_close(&bed->exec);
    cr_assert_eq(leat_exec_open(bed->plan, 0, BED_STATE_MAX, &bed->exec, &err), LEAT_OK, "%s",
                 err.text);
    for (size_t i = 0; i < bed->log_count; i++) {
        leat_str key = bed->log[i].key;
        size_t name_len = strlen(key.data);
        leat_table *table = leat_exec_table(bed->exec, leat_str_slice(key, 0, name_len));
        cr_assert_not_null(table, "%s", key.data);
        cr_assert_eq(leat_table_restore(table, leat_str_slice(key, name_len + 1, key.len),
                                        bed->log[i].value, &err),
                     LEAT_OK, "%s", err.text);
    }
    cr_assert_eq(leat_exec_restored(bed->exec, &err), LEAT_OK, "%s", err.text);
}

#endif
