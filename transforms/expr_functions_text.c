/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in the core: contains, startsWith, endsWith, matches.
 *
 * The evaluator has steps of its own for these where they are written as methods, and for matches
 * with a constant pattern; the functions here serve the other forms. A pattern that comes from the
 * record is compiled for each record, which is charged for: an expression is immutable and shared
 * by all threads, so it cannot remember one. */
#include "transforms/expr_function.h"

#define PATTERN_COST       500 /* of compiling any pattern, in steps */
#define PATTERN_BYTES_COST 20  /* more for each byte of it */

static leat_str text_of(leat_value value)
{
    LEAT_ASSERT(value.tag == LEAT_STRING);
    return leat_value_str(value);
}

leat_value leat_expr_contains(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 2);
    if (!leat_expr_charge(run, args[0].len / 16)) return leat_expr_fail_cost(run);
    return leat_value_bool(leat_str_find(text_of(args[0]), text_of(args[1])) >= 0);
}

leat_value leat_expr_starts(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    (void)run;
    LEAT_ASSERT(count == 2);
    return leat_value_bool(leat_str_starts(text_of(args[0]), text_of(args[1])));
}

leat_value leat_expr_ends(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    (void)run;
    LEAT_ASSERT(count == 2);
    return leat_value_bool(leat_str_ends(text_of(args[0]), text_of(args[1])));
}

leat_value leat_expr_matches(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_err err;
    leat_regex *regex = NULL;
    uint64_t cost = PATTERN_COST + (uint64_t)args[1].len * PATTERN_BYTES_COST + args[0].len / 16;
    LEAT_ASSERT(count == 2);
    if (!leat_expr_charge(run, cost)) return leat_expr_fail_cost(run);
    if (leat_regex_new(&regex, text_of(args[1]), &err) != LEAT_OK) {
        if (err.code != LEAT_ERR_MEMORY) err.code = LEAT_ERR_INVALID; /* the record's mistake */
        return leat_expr_fail_err(run, &err);
    }
    bool matches = leat_regex_matches(regex, text_of(args[0]));
    leat_regex_free(&regex);
    return leat_value_bool(matches);
}
