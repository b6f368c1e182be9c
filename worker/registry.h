/* SPDX-License-Identifier: Apache-2.0 */
/* The steps that this program knows, from registry.def. */
#ifndef LEAT_WORKER_REGISTRY_H
#define LEAT_WORKER_REGISTRY_H

#include "transforms/operator.h"

const leat_operator_type *const *leat_registry(size_t *count);

#endif
