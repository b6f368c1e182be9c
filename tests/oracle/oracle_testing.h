/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern's conditions for the oracle: each is compiled as it stands and evaluated whenever it is
 * asked for, over events parsed as a whole. Only the expressions themselves are the product's.
 * Events are told apart by the offset of their identity.
 * Owner: the caller. Thread: one. */
#ifndef LEAT_TESTS_ORACLE_TESTING_H
#define LEAT_TESTS_ORACLE_TESTING_H

#include "core/arena.h"
#include "core/value.h"
#include "tests/oracle/oracle.h"

typedef struct oracle_testing oracle_testing;
/* Of a pattern whose expressions are known to compile. */
oracle_testing *oracle_testing_new(const leat_pattern *pattern);
void oracle_testing_free(oracle_testing **testing);
/* The event in hand from now on, shared when a step takes it. arena: for evaluations. */
void oracle_testing_begin(oracle_testing *testing, leat_event *event, leat_arena *arena);
const oracle_host *oracle_testing_host(const oracle_testing *testing);
/* The value of order_by for the event in hand; NULL if it fails. */
leat_value oracle_testing_order(oracle_testing *testing);

#endif
