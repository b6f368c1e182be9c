/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of scripts share; nobody else includes it, and nobody else knows Lua.
 *
 *   script.c        life, limits, the call of process
 *   script_safe.c   what a script sees: libraries without what is not for it
 *   script_match.c  patterns of the library `string`
 *   script_json.c   values to Lua's, and Lua's to JSON
 *
 * Functions that take a lua_State run inside lua_pcall: an error leaves them by Lua's longjmp, so
 * that they own nothing. */
#ifndef LEAT_TRANSFORMS_SCRIPT_INSIDE_H
#define LEAT_TRANSFORMS_SCRIPT_INSIDE_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "transforms/script.h"

/* Things that are kept in Lua's registry. */
typedef enum script_kept {
    SCRIPT_LIST = 1, /* the metatable of lists */
    SCRIPT_ORDER,    /* table -> the leat_value that it was made of */
    SCRIPT_NUMBER,   /* the metatable of numbers that Lua has no value for */
    SCRIPT_SORT,     /* table.sort */
    SCRIPT_CHUNK,    /* the compiled text */
    SCRIPT_GLOBALS,  /* the metatable of globals */
} script_kept;

struct leat_script {
    lua_State *lua;
    leat_script_limits limits;
    uint64_t instructions; /* of this record */
    uint64_t longest;      /* text that was made for it, in bytes */
    uint64_t bytes;
    bool wants_meta;
    /* Of the call under way. */
    leat_arena *arena;
    leat_buf *out;
    leat_value event, meta;
    size_t records;
};

static inline leat_script *script_of(lua_State *lua)
{
    leat_script *script = NULL;
    memcpy(&script, lua_getextraspace(lua), sizeof script);
    return script;
}
/* lua_rawgeti of the registry takes small positive numbers for its own references, so ours are
 * behind a name. */
void script_push(lua_State *lua, script_kept kept);
void script_keep(lua_State *lua, script_kept kept); /* what is on top; pops it */

/* --- script.c --- */
/* What took as long as so many instructions, unseen by the hook; raises the error if that is past
 * the limit. */
void script_charge(lua_State *lua, uint64_t instructions);

/* --- script_match.c --- */
int script_find(lua_State *lua);
int script_match(lua_State *lua);
int script_gmatch(lua_State *lua);
int script_gsub(lua_State *lua);

/* --- script_safe.c --- */
/* Keeps SCRIPT_LIST, _NUMBER, _SORT and _GLOBALS. */
void script_make_safe(lua_State *lua);

/* --- script_json.c --- */
void script_push_value(lua_State *lua, leat_value value);
/* The object on top, which stays there; an error if it is none. */
void script_put_object(lua_State *lua, leat_buf *out);
/* Is the table on top a list: marked as one, or with an element 1? */
bool script_is_list(lua_State *lua);
/* Its length; an error if it has other keys or holes. */
lua_Integer script_list_length(lua_State *lua);

#endif
