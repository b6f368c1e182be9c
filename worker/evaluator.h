/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions over one JSON record at a time, for `leat eval`: names are the fields of the record's
 * object, `event` is the whole, and values can be given names of their own, which come first.
 *
 * Every name that an expression uses becomes an extern, looked up when it is needed, so what
 * evaluates is the pipeline's own evaluator, not another one. Memory is bounded (256 MiB).
 * Owner: the caller. Thread: one. */
#ifndef LEAT_WORKER_EVALUATOR_H
#define LEAT_WORKER_EVALUATOR_H

#include "core/buf.h"
#include "transforms/expr.h"

typedef struct leat_evaluator leat_evaluator;

leat_code leat_evaluator_new(leat_evaluator **evaluator, leat_err *err) LEAT_CHECKED;
void leat_evaluator_free(leat_evaluator **evaluator); /* NULL inside is harmless; nulls */

/* The expression from now on; text is copied. err->offset is the byte offset of a mistake. */
leat_code leat_evaluator_compile(leat_evaluator *evaluator, leat_str text,
                                 leat_err *err) LEAT_CHECKED;
const char *leat_evaluator_type(const leat_evaluator *evaluator); /* of the expression */
/* The record from now on: one JSON value, copied. An error leaves the record that was. */
leat_code leat_evaluator_record(leat_evaluator *evaluator, leat_str json,
                                leat_err *err) LEAT_CHECKED;
leat_value leat_evaluator_event(const leat_evaluator *evaluator); /* the record; at first {} */
/* The expression's value; lives until forget. Needs an expression. */
leat_code leat_evaluator_eval(leat_evaluator *evaluator, leat_value *value,
                              leat_err *err) LEAT_CHECKED;
/* value under a name that expressions can use; a name that is there gets the new value. */
leat_code leat_evaluator_name(leat_evaluator *evaluator, leat_str name, leat_value value,
                              leat_err *err) LEAT_CHECKED;
/* The named values in the order of their making: false behind the last. */
bool leat_evaluator_named(const leat_evaluator *evaluator, size_t index, leat_str *name,
                          leat_value *value);
/* Gives back the memory of records, values and names; the expression stays. */
void leat_evaluator_forget(leat_evaluator *evaluator);

/* value as JSON and a line's end, at the end of out. */
leat_code leat_evaluator_print(leat_evaluator *evaluator, leat_value value, leat_buf *out,
                               leat_err *err) LEAT_CHECKED;

#endif
