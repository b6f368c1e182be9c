/* SPDX-License-Identifier: Apache-2.0 */
/* What conditions.c and conditions_test.c share: the externs of a pattern's expressions. */
#ifndef LEAT_CEP_CONDITIONS_INSIDE_H
#define LEAT_CEP_CONDITIONS_INSIDE_H

#include "cep/conditions.h"
#include "transforms/operator.h"

enum {
    INDEX_STEP = LEAT_EXTERN_OWN,
    INDEX_EVENT = INDEX_STEP + LEAT_PATTERN_PARTS_MAX,
    INDEX_FIELD,
};

#endif
