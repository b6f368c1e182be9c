/* SPDX-License-Identifier: Apache-2.0 */
/* The step `detect`: patterns over the records of a stream, alerts out. */
#ifndef LEAT_CEP_OP_DETECT_H
#define LEAT_CEP_OP_DETECT_H

#include "transforms/operator.h"

extern const leat_operator_type leat_operator_detect;

/* Whether some enabled pattern of this step matches per a key that is not known to be the one by
 * which the stream's records are partitioned, so that records of one key may lie in several
 * partitions. Such a step gives right answers only where one task sees them all. */
bool leat_detect_rekeys(const leat_step *step);

typedef enum leat_explain_form {
    LEAT_EXPLAIN_TEXT,
    LEAT_EXPLAIN_JSON, /* objects of a list, with commas between them */
    LEAT_EXPLAIN_DOT,  /* subgraphs of a graph */
} leat_explain_form;
/* The enabled patterns of the step: automaton, cost, memory. first: how many patterns of other
 * steps stand before them in out. Returns how many there were. */
uint32_t leat_detect_explain(const leat_step *step, leat_explain_form form, uint32_t first,
                             leat_buf *out);

#endif
