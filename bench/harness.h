/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmarks share: an end where something fails, the clock, a plan from a text. Errors
 * end the program: a benchmark that goes on has measured something else. */
#ifndef LEAT_BENCH_HARNESS_H
#define LEAT_BENCH_HARNESS_H

#include "core/arena.h"
#include "core/err.h"
#include "transforms/plan.h"

/* Says what went wrong, and ends the program with 1. */
void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void bench_must(leat_code code, const leat_err *err);
/* CPU time of this thread, in nanoseconds: what others do on the machine counts less. */
double bench_now_ns(void);
/* An argument that must be a number, from `least` to a million; `otherwise` where it is not given.
 */
uint32_t bench_number(int argc, char **argv, int at, uint32_t otherwise, uint32_t least);
/* The plan of a pipeline in JSON. file: what every file has in it that the pipeline names; NULL:
 * there are none. */
const leat_plan *bench_plan(leat_str pipeline, const char *file, leat_arena *arena);
/* A leat_table_sink that throws away, and adds the bytes to *(size_t *)context unless NULL. */
leat_code bench_discard(void *context, leat_str key, leat_str value, leat_err *err);

#endif
