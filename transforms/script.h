/* SPDX-License-Identifier: Apache-2.0 */
/* A function in Lua 5.4, in a sandbox: no files, processes, clocks, random numbers, bytecode, and
 * nothing that outlives a record. Lua is known to script.c alone.
 * Owner: whoever made it. Thread: one. */
#ifndef LEAT_TRANSFORMS_SCRIPT_H
#define LEAT_TRANSFORMS_SCRIPT_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/value.h"

typedef struct leat_script leat_script;

typedef struct leat_script_limits {
    uint64_t instructions; /* of Lua's machine, per record */
    uint64_t bytes;        /* of Lua's memory */
} leat_script_limits;

/* code: text that defines `process`; name: what errors call it ("script.lua:3: ..."). Mistakes are
 * LEAT_ERR_CONFIG. */
leat_code leat_script_new(leat_script **script, leat_str code, leat_str name,
                          leat_script_limits limits, leat_err *err) LEAT_CHECKED;
void leat_script_free(leat_script **script); /* NULL inside is harmless; nulls */
/* Does `process` look at its second argument? */
bool leat_script_wants_meta(const leat_script *script);
/* process(event, meta); the records that it returns are appended to out as JSON, a line each. An
 * error of the script or over a limit is of RECORD blame; out may then hold a part. */
leat_code leat_script_call(leat_script *script, leat_value event, leat_value meta,
                           leat_arena *arena, leat_buf *out, leat_err *err) LEAT_CHECKED;

#endif
