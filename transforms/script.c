/* SPDX-License-Identifier: Apache-2.0 */
/* Lua, the only door to it.
 *
 * What comes out of a step must depend on its record alone, so a script starts anew for each: the
 * chunk, compiled once, runs again with an empty table for its globals, over libraries that cannot
 * be written to. Nor can it see anything that differs from run to run: pairs and next go in order
 * of keys (Lua's own order hangs on a seed drawn at start), addresses have no text, and there is no
 * clock and no chance. Objects are written with the fields of the record in their order, then new
 * ones by name.
 *
 *   record -> value tree -> Lua tables -> process() -> JSON text
 *
 * Limits: a hook counts instructions, and once the limit is passed every further one is an error,
 * so that no pcall can hold on; all memory comes through one function that counts. What runs in C
 * counts as the instructions that would take as long: patterns by the steps of their search
 * (script_match.c), what goes over a text or a table by its length (script_safe.c), each new text
 * by its bytes, as Lua's allocator sees it. An instruction can still take as long as copying or
 * comparing two texts does, so that it counts for more where a script has made longer ones than
 * LONG_TEXT. All of this depends on the record alone. What cannot be counted (table.move,
 * finalizers) is left out. Errors leave Lua by longjmp, so nothing between lua_pcall and
 * a call into Lua owns anything: texts live in the arena and in buffers of the caller. */
#include <stdio.h>

#include "core/mem.h"
#include "transforms/script_inside.h"

#define HOOK_INSTRUCTIONS 1000
#define TEXT_INSTRUCTION  256 /* bytes of a new text that count as one */
#define SHORT_TEXT        64  /* Lua may know such texts from the record before */
#define LONG_TEXT         (1 << 20)
#define RECORDS_MAX       100000 /* that one record may become */

static const char registry_name = 0; /* its address is ours in Lua's registry */

static void push_kept(lua_State *lua)
{
    void *address = NULL;
    const char *name = &registry_name;
    memcpy(&address, &name, sizeof name);
    lua_rawgetp(lua, LUA_REGISTRYINDEX, address);
}

void script_push(lua_State *lua, script_kept kept)
{
    push_kept(lua);
    lua_rawgeti(lua, -1, (lua_Integer)kept);
    lua_remove(lua, -2);
}

void script_keep(lua_State *lua, script_kept kept)
{
    push_kept(lua);
    lua_insert(lua, -2);
    lua_rawseti(lua, -2, (lua_Integer)kept);
    lua_pop(lua, 1);
}

/* --- limits --- */

static void count_hook(lua_State *lua, lua_Debug *debug);

/* From here on nothing goes on: the next instruction raises the error. */
static void stop(lua_State *lua)
{
    lua_sethook(lua, count_hook, LUA_MASKCOUNT, 1);
}

static void charge_text(leat_script *script, size_t bytes)
{
    if (bytes <= SHORT_TEXT || script->lua == NULL) return;
    script->instructions += bytes / TEXT_INSTRUCTION;
    if (bytes > script->longest) script->longest = bytes;
    if (script->instructions >= script->limits.instructions) stop(script->lua);
}

static void *allocate(void *self, void *old, size_t old_bytes, size_t bytes)
{
    leat_script *script = self;
    if (old == NULL) {
        if (old_bytes == LUA_TSTRING) charge_text(script, bytes); /* then it is the kind */
        old_bytes = 0;
    }
    LEAT_ASSERT(old_bytes <= script->bytes);
    if (bytes == 0) {
        leat_mem_free(old);
        script->bytes -= old_bytes;
        return NULL;
    }
    if (bytes > old_bytes && script->bytes - old_bytes + bytes > script->limits.bytes) return NULL;
    void *made = leat_mem_try_resize(old, bytes);
    if (made == NULL) return bytes <= old_bytes ? old : NULL; /* Lua takes it that it can shrink */
    script->bytes = script->bytes - old_bytes + bytes;
    return made;
}

static void too_many(lua_State *lua, int level)
{
    stop(lua);
    luaL_where(lua, level); /* the function that runs */
    lua_pushfstring(lua, "more than %I instructions",
                    (lua_Integer)script_of(lua)->limits.instructions);
    lua_concat(lua, 2);
    (void)lua_error(lua);
}

static void count_hook(lua_State *lua, lua_Debug *debug)
{
    (void)debug;
    leat_script *script = script_of(lua);
    script->instructions += HOOK_INSTRUCTIONS * (1 + script->longest / LONG_TEXT);
    if (script->instructions >= script->limits.instructions) too_many(lua, 0);
}

void script_charge(lua_State *lua, uint64_t instructions)
{
    leat_script *script = script_of(lua);
    script->instructions += instructions;
    if (script->instructions >= script->limits.instructions) too_many(lua, 1);
}

/* --- making --- */

typedef struct source {
    leat_str code, name;
} source;

/* Pushes `process` as the chunk defines it in a fresh table of globals. */
static void push_process(lua_State *lua)
{
    script_push(lua, SCRIPT_CHUNK);
    lua_newtable(lua);
    script_push(lua, SCRIPT_GLOBALS);
    lua_setmetatable(lua, -2);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, -2, "_G");
    lua_pushvalue(lua, -1);
    if (lua_setupvalue(lua, -3, 1) == NULL) lua_pop(lua, 1); /* a chunk without globals */
    lua_insert(lua, -2);
    lua_call(lua, 0, 0);
    lua_getfield(lua, -1, "process");
    lua_remove(lua, -2);
    if (!lua_isfunction(lua, -1))
        luaL_error(lua, "the script has no function called process; it needs one such as "
                        "function process(event) return event end");
}

static int make(lua_State *lua)
{
    const source *from = lua_touserdata(lua, 1);
    lua_Debug debug;
    void *address = NULL;
    const char *name = &registry_name;
    memcpy(&address, &name, sizeof name);
    lua_createtable(lua, SCRIPT_GLOBALS, 0);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, address);
    script_make_safe(lua);
    lua_pushlstring(lua, from->name.data, from->name.len);
    if (luaL_loadbufferx(lua, from->code.data, from->code.len, lua_tostring(lua, -1), "t") !=
        LUA_OK)
        return lua_error(lua);
    script_keep(lua, SCRIPT_CHUNK);
    push_process(lua);
    lua_getinfo(lua, ">u", &debug);
    script_of(lua)->wants_meta = debug.nparams >= 2 || debug.isvararg;
    return 0;
}

/* Runs function(argument); what went wrong becomes err. */
static leat_code run(leat_script *script, lua_CFunction function, void *argument, leat_code blame,
                     leat_err *err)
{
    lua_State *lua = script->lua;
    LEAT_ASSERT(lua != NULL);
    script->instructions = script->longest = 0;
    lua_settop(lua, 0);
    lua_sethook(lua, count_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
    lua_pushcfunction(lua, function);
    lua_pushlightuserdata(lua, argument);
    int status = lua_pcall(lua, 1, 0, 0);
    if (status == LUA_OK) return LEAT_OK;
    const char *text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : NULL;
    leat_code code = blame;
    if (status == LUA_ERRMEM)
        code = leat_err_set(err, blame == LEAT_ERR_CONFIG ? blame : LEAT_ERR_LIMIT,
                            "the script needs more than %llu bytes of memory",
                            (unsigned long long)script->limits.bytes);
    else
        code = leat_err_set(err, blame, "%s", text != NULL ? text : "the error is no text");
    lua_settop(lua, 0);
    return code;
}

leat_code leat_script_new(leat_script **script, leat_str code, leat_str name,
                          leat_script_limits limits, leat_err *err)
{
    char chunk[256];
    LEAT_ASSERT(limits.bytes > 0 && limits.instructions > 0);
    leat_script *made = leat_mem_need(sizeof *made);
    made->limits = limits;
    made->lua = lua_newstate(allocate, made);
    if (made->lua == NULL) {
        leat_mem_free(made);
        return leat_err_set(err, LEAT_ERR_CONFIG, "the script's memory is too small for Lua");
    }
    memcpy(lua_getextraspace(made->lua), &made, sizeof(leat_script *));
    /* '=' as Lua wants it: the name is shown as it is */
    int len =
        snprintf(chunk, sizeof chunk, "=%.*s", name.len > 200 ? 200 : (int)name.len, name.data);
    source from = {code, {chunk, (size_t)len}};
    leat_code outcome = run(made, make, &from, LEAT_ERR_CONFIG, err);
    if (outcome != LEAT_OK) leat_script_free(&made);
    *script = made;
    return outcome;
}

void leat_script_free(leat_script **script)
{
    if (*script == NULL) return;
    lua_close((*script)->lua);
    LEAT_ASSERT((*script)->bytes == 0);
    leat_mem_free(*script);
    *script = NULL;
}

bool leat_script_wants_meta(const leat_script *script)
{
    return script->wants_meta;
}

/* --- calling --- */

static void put_record(lua_State *lua, leat_script *script)
{
    if (lua_type(lua, -1) != LUA_TTABLE || script_is_list(lua))
        luaL_error(lua, "process must return an object, a list of objects, or nil, not a %s",
                   lua_type(lua, -1) == LUA_TTABLE ? "list in a list" : luaL_typename(lua, -1));
    if (++script->records > RECORDS_MAX)
        luaL_error(lua, "process returns more than %d records", RECORDS_MAX);
    script_put_object(lua, script->out);
    leat_buf_add_char(script->out, '\n');
    if (script->out->overflow) luaL_error(lua, "the result is too large");
}

static int call(lua_State *lua)
{
    leat_script *script = script_of(lua);
    LEAT_ASSERT(script->arena != NULL && script->out != NULL);
    lua_newtable(lua);
    script_keep(lua, SCRIPT_ORDER);
    push_process(lua);
    script_push_value(lua, script->event);
    script_push_value(lua, script->meta);
    lua_call(lua, 2, 1);
    if (lua_isnil(lua, -1)) return 0;
    if (lua_type(lua, -1) != LUA_TTABLE || !script_is_list(lua)) {
        put_record(lua, script);
        return 0;
    }
    lua_Integer count = script_list_length(lua);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, -1, i);
        put_record(lua, script);
        lua_pop(lua, 1);
    }
    return 0;
}

leat_code leat_script_call(leat_script *script, leat_value event, leat_value meta,
                           leat_arena *arena, leat_buf *out, leat_err *err)
{
    LEAT_ASSERT(event.tag == LEAT_MAP && script->out == NULL);
    script->arena = arena;
    script->out = out;
    script->event = event;
    script->meta = meta;
    script->records = 0;
    leat_code code = run(script, call, NULL, LEAT_ERR_INVALID, err);
    script->arena = NULL;
    script->out = NULL;
    return code;
}
