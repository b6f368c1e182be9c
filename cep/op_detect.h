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

#endif
