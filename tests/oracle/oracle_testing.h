/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern's compiled conditions (cep/conditions.h) as the host of an oracle. Conditions read the
 * takes of the product's matcher, so each partial match that asks is shown to them as a chain of
 * such, made for the event in hand.
 * Owner: the caller. Thread: one. */
#ifndef LEAT_TESTS_ORACLE_TESTING_H
#define LEAT_TESTS_ORACLE_TESTING_H

#include "cep/conditions.h"
#include "tests/oracle/oracle.h"

typedef struct oracle_testing oracle_testing;
oracle_testing *oracle_testing_new(const leat_conditions *conditions); /* `held` ones */
void oracle_testing_free(oracle_testing **testing);
/* The event in hand from now on, shared when a step takes it. arena: for evaluations. */
void oracle_testing_begin(oracle_testing *testing, leat_event *event, leat_arena *arena);
const oracle_host *oracle_testing_host(const oracle_testing *testing);

#endif
