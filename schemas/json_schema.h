/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema (draft 2020-12): a document compiled once, values checked against it. The core and
 * the validation vocabulary without what needs annotations: unevaluated*, $dynamicRef, $anchor and
 * references to other documents are refused when the schema is compiled. `format` is an annotation,
 * as the draft has it. Owner: the arena. Thread: immutable once compiled. */
#ifndef LEAT_SCHEMAS_JSON_SCHEMA_H
#define LEAT_SCHEMAS_JSON_SCHEMA_H

#include "core/arena.h"
#include "core/value.h"
#include "schemas/doc.h"
#include "schemas/findings.h"

typedef struct leat_json_schema leat_json_schema;

/* Mistakes become findings at their places; NULL if there were any. */
const leat_json_schema *leat_json_schema_new(const leat_node *root, leat_arena *arena,
                                             leat_findings *findings);
/* value: as leat_json_value gives it; name: of the field that it is, for the error (may be none).
 * LEAT_ERR_INVALID: "items[2].price: must be at least 0", the first thing that is wrong;
 * LEAT_ERR_COST if it takes more steps than anybody can want. arena: scratch. Cost: ~30 ns a value
 * and keyword. */
leat_code leat_json_schema_check(const leat_json_schema *schema, leat_value value, leat_str name,
                                 leat_arena *arena, leat_err *err) LEAT_CHECKED;

#endif
