/* SPDX-License-Identifier: Apache-2.0 */
/* The little that layouts do at run time. Their edits belong to the planner. A layout has few
 * fields (those that steps touched), so finding one is a walk. */
#include "schemas/layout.h"

leat_field *leat_field_find(const leat_field *object, leat_str name)
{
    LEAT_ASSERT(object->kind == LEAT_FIELD_OBJECT);
    for (leat_field *field = object->fields; field != NULL; field = field->next) {
        if (leat_str_equal(field->name, name)) return field;
    }
    return NULL;
}
