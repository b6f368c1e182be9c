/* SPDX-License-Identifier: Apache-2.0 */
/* The order of matches, and what a match puts an end to. */
#ifndef LEAT_CEP_SKIP_H
#define LEAT_CEP_SKIP_H

#include "cep/matcher.h"

/* Which of two complete matches comes first: the one whose takes are earliest, then the longer
 * one, then the one that gave an event to the earlier step. <0, 0 (the same match), >0.
 * Cost: back to the takes that they share. */
int leat_skip_compare(const leat_take *a, const leat_take *b);

#endif
