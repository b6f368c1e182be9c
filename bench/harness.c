/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmarks share.
 *
 * Time is that of the thread, not of the wall: figures are taken on machines that do other things
 * too. A plan is made by the planner that the program has, with all of its operators; what it would
 * read from outside (files, schemas) is at hand or missing, as the caller says. */
#include "bench/harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "worker/registry.h"

extern char *program_invocation_short_name;

void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fprintf(stderr, "%s: ", program_invocation_short_name);
    (void)vfprintf(stderr, format, arguments);
    (void)fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

void bench_must(leat_code code, const leat_err *err)
{
    if (code != LEAT_OK) bench_fail("%s", err->text);
}

double bench_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

uint32_t bench_number(int argc, char **argv, int at, uint32_t otherwise, uint32_t least)
{
    char *end = NULL;
    if (argc <= at) return otherwise;
    unsigned long number = strtoul(argv[at], &end, 10);
    if (*argv[at] == '\0' || *end != '\0' || number < least || number > 1000000)
        bench_fail("'%s' is no number from %u to 1000000", argv[at], least);
    return (uint32_t)number;
}

/* --- plans --- */

typedef struct bench_files {
    const char *text; /* NULL: there are none */
} bench_files;

static leat_code one_file(void *self, leat_str glob, bool want_text, leat_arena *arena,
                          leat_planned_file **files, size_t *count, leat_err *err)
{
    const bench_files *all = self;
    (void)want_text;
    if (all->text == NULL)
        return leat_err_set(err, LEAT_ERR_CONFIG, "no file '%.*s'", LEAT_STR_ARG(glob));
    *files = leat_arena_alloc(arena, sizeof **files);
    if (*files == NULL) return leat_arena_full(arena, err);
    **files = (leat_planned_file){glob, leat_str_of(all->text)};
    *count = 1;
    return LEAT_OK;
}

static leat_code no_references(void *self, leat_str kind, leat_str name, leat_arena *arena,
                               leat_str *text, leat_err *err)
{
    (void)self;
    (void)kind;
    (void)arena;
    (void)text;
    return leat_err_set(err, LEAT_ERR_CONFIG, "nothing named '%.*s'", LEAT_STR_ARG(name));
}

const leat_plan *bench_plan(leat_str pipeline, const char *file, leat_arena *arena)
{
    leat_err err;
    leat_plan *plan = NULL;
    leat_findings findings;
    bench_files files = {file};
    leat_plan_env env = {.files = one_file, .resolve = no_references, .self = &files};
    env.operators = leat_registry(&env.operators_count);
    leat_findings_init(&findings, arena);
    bench_must(leat_plan_new(pipeline, LEAT_STR("bench"), &env, arena, &findings, &plan, &err),
               &err);
    if (plan != NULL) return plan;
    leat_buf said;
    leat_buf_init(&said, (size_t)1 << 20);
    leat_findings_print(&findings, false, &said);
    bench_fail("%.*s", LEAT_STR_ARG(leat_buf_str(&said)));
}

leat_code bench_discard(void *context, leat_str key, leat_str value, leat_err *err)
{
    (void)key;
    (void)err;
    if (context != NULL) *(size_t *)context += value.len;
    return LEAT_OK;
}
