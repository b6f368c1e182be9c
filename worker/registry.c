/* SPDX-License-Identifier: Apache-2.0 */
/* The one place where the kinds of steps come together: cep lies right of transforms, so only the
 * worker can name them all. A line in registry.def is enough to add one. */
#include "worker/registry.h"

#define LEAT_OPERATOR(name) extern const leat_operator_type leat_operator_##name;
#include "worker/registry.def"
#undef LEAT_OPERATOR

static const leat_operator_type *const operators[] = {
#define LEAT_OPERATOR(name) &leat_operator_##name,
#include "worker/registry.def"
#undef LEAT_OPERATOR
};

const leat_operator_type *const *leat_registry(size_t *count)
{
    *count = sizeof operators / sizeof operators[0];
    return operators;
}
