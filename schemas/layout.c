/* SPDX-License-Identifier: Apache-2.0 */
/* The little that layouts do at run time. Their edits belong to the planner. A layout has few
 * fields (those that steps touched), so finding one is a walk. */
#include "schemas/layout.h"

#include "schemas/json_scan.h"

void leat_field_name(leat_field *field, leat_str name, char *room)
{
    LEAT_ASSERT(room != NULL);
    memcpy(room, ",\"", 2);
    if (name.len > 0) memcpy(room + 2, name.data, name.len);
    memcpy(room + 2 + name.len, "\":", 2);
    field->name = (leat_str){room + 2, name.len};
    field->quoted = leat_json_is_plain(name);
}

leat_field *leat_field_find(const leat_field *object, leat_str name)
{
    LEAT_ASSERT(object->kind == LEAT_FIELD_OBJECT);
    for (leat_field *field = object->fields; field != NULL; field = field->next) {
        if (leat_str_equal(field->name, name)) return field;
    }
    return NULL;
}
