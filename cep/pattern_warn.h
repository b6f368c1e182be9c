/* SPDX-License-Identifier: Apache-2.0 */
/* What is allowed but doubtful in a pattern, found in its automaton. */
#ifndef LEAT_CEP_PATTERN_WARN_H
#define LEAT_CEP_PATTERN_WARN_H

#include "cep/conditions.h"
#include "cep/nfa.h"

/* Adds warnings. conditions: tell which are always or never true; NULL: nothing is known of them.
 * Cost: states times edges. */
void leat_pattern_warn(const leat_nfa *nfa, const leat_conditions *conditions,
                       leat_findings *findings);

#endif
