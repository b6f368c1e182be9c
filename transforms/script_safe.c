/* SPDX-License-Identifier: Apache-2.0 */
/* What a script sees. The libraries stand behind tables that cannot be written to, so that nothing
 * a script does lasts; what is not for it is taken out of them:
 *
 *   files, processes, clocks, modules, debug, coroutines, load      not opened at all
 *   random numbers, addresses, Lua's own order of tables            differ from run to run
 *   string.dump, finalizers, table.move                             escape the limits
 *
 * What goes over whole texts and tables within one call is wrapped, and counts as instructions.
 * pairs and next go through a table in order of its keys: numbers, then texts, then truth. */
#include "transforms/script_inside.h"

#define TEXT_INSTRUCTION  64 /* bytes read that count as one instruction */
#define ITEM_INSTRUCTION  4  /* elements moved */
#define EMPTY_INSTRUCTION 16 /* repetitions of nothing */
#define SORT_ITEM         16 /* instructions per element sorted */

/* --- what scripts may call --- */

/* array(t): t is a list, though it may be empty. */
static int safe_array(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 1);
    script_push(lua, SCRIPT_LIST);
    lua_setmetatable(lua, 1);
    return 1;
}

/* Numbers before texts before the rest; numbers by size, texts by bytes. */
static bool key_before(lua_State *lua, int a, int b)
{
    bool number_a = lua_type(lua, a) == LUA_TNUMBER, number_b = lua_type(lua, b) == LUA_TNUMBER;
    if (number_a != number_b) return number_a;
    if (number_a) return lua_compare(lua, a, b, LUA_OPLT);
    if (lua_type(lua, a) != LUA_TSTRING || lua_type(lua, b) != LUA_TSTRING)
        return lua_type(lua, a) == LUA_TSTRING ||
               (lua_type(lua, b) != LUA_TSTRING && lua_toboolean(lua, a) < lua_toboolean(lua, b));
    leat_str x, y;
    x.data = lua_tolstring(lua, a, &x.len);
    y.data = lua_tolstring(lua, b, &y.len);
    return leat_str_compare(x, y) < 0;
}

static int before_keys(lua_State *lua)
{
    lua_pushboolean(lua, key_before(lua, 1, 2));
    return 1;
}

/* Pushes the list of the keys of the table at index 1, in order. */
static void push_sorted_keys(lua_State *lua)
{
    lua_Integer count = 0;
    lua_newtable(lua);
    lua_pushnil(lua);
    while (lua_next(lua, 1) != 0) {
        lua_pop(lua, 1);
        int type = lua_type(lua, -1);
        if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TBOOLEAN)
            luaL_error(lua, "the keys of this table have no order: one is a %s",
                       luaL_typename(lua, -1));
        lua_pushvalue(lua, -1);
        lua_rawseti(lua, -3, ++count);
    }
    script_charge(lua, (uint64_t)count * SORT_ITEM);
    script_push(lua, SCRIPT_SORT); /* table.sort */
    lua_pushvalue(lua, -2);
    lua_pushcfunction(lua, before_keys);
    lua_call(lua, 2, 0);
}

/* Upvalues: the keys, and how many of them were given. */
static int pairs_next(lua_State *lua)
{
    lua_Integer at = lua_tointeger(lua, lua_upvalueindex(2));
    for (;;) {
        lua_rawgeti(lua, lua_upvalueindex(1), ++at);
        if (lua_isnil(lua, -1)) return 1;
        lua_pushvalue(lua, -1);
        lua_rawget(lua, 1);
        if (!lua_isnil(lua, -1)) break; /* else it was removed meanwhile */
        lua_pop(lua, 2);
    }
    lua_pushinteger(lua, at);
    lua_replace(lua, lua_upvalueindex(2));
    return 2;
}

static int safe_pairs(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 1);
    push_sorted_keys(lua);
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, pairs_next, 2);
    lua_pushvalue(lua, 1);
    lua_pushnil(lua);
    return 3;
}

/* next(t, key): in the same order; costs as much as all of pairs. */
static int safe_next(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 2);
    push_sorted_keys(lua);
    lua_Integer at = 1;
    if (!lua_isnil(lua, 2)) {
        for (;; at++) {
            lua_rawgeti(lua, 3, at);
            if (lua_isnil(lua, -1)) luaL_error(lua, "next: there is no such key");
            bool found = lua_rawequal(lua, -1, 2);
            lua_pop(lua, 1);
            if (found) break;
        }
        at++;
    }
    lua_rawgeti(lua, 3, at);
    if (lua_isnil(lua, -1)) return 1;
    lua_pushvalue(lua, -1);
    lua_rawget(lua, 1);
    return 2;
}

static bool has_text(lua_State *lua, int index)
{
    int type = lua_type(lua, index);
    return type != LUA_TTABLE && type != LUA_TFUNCTION && type != LUA_TTHREAD;
}

/* Addresses differ from run to run. */
static int safe_tostring(lua_State *lua)
{
    luaL_checkany(lua, 1);
    if (lua_islightuserdata(lua, 1))
        lua_pushliteral(lua, "null");
    else if (has_text(lua, 1) || luaL_getmetafield(lua, 1, "__tostring") != LUA_TNIL)
        (void)luaL_tolstring(lua, 1, NULL);
    else
        lua_pushstring(lua, luaL_typename(lua, 1));
    return 1;
}

/* string.format; upvalue: Lua's own. */
static int safe_format(lua_State *lua)
{
    int count = lua_gettop(lua);
    for (const char *at = luaL_checkstring(lua, 1); *at != '\0'; at++) {
        if (*at != '%') continue;
        at++;
        at += strspn(at, "-+ #0123456789.");
        if (*at == 'p') luaL_error(lua, "string.format: %%p is not for scripts");
        if (*at == '\0') break;
    }
    for (int i = 2; i <= count; i++)
        if (!has_text(lua, i))
            luaL_error(lua, "string.format: a %s has no text", luaL_typename(lua, i));
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, count, 1);
    return 1;
}

/* The function that is wrapped, with all arguments. */
static int call_wrapped(lua_State *lua)
{
    int count = lua_gettop(lua);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, count, LUA_MULTRET);
    return lua_gettop(lua);
}

/* string.rep: nothing can be repeated very often; else the new text counts. */
static int safe_rep(lua_State *lua)
{
    lua_Integer times = luaL_checkinteger(lua, 2);
    size_t len = 0, between = 0;
    (void)luaL_checklstring(lua, 1, &len);
    (void)luaL_optlstring(lua, 3, "", &between);
    if (len + between == 0 && times > 0) script_charge(lua, (uint64_t)times / EMPTY_INSTRUCTION);
    return call_wrapped(lua);
}

/* What reads the texts that it is given. */
static int safe_text(lua_State *lua)
{
    uint64_t bytes = 0;
    for (int i = 1; i <= lua_gettop(lua); i++)
        if (lua_type(lua, i) == LUA_TSTRING) bytes += lua_rawlen(lua, i);
    script_charge(lua, bytes / TEXT_INSTRUCTION);
    return call_wrapped(lua);
}

/* How many elements from `from` to `to` there are, which a metamethod may say as well. */
static uint64_t span_of(lua_State *lua, int from, int to)
{
    lua_Integer first = luaL_optinteger(lua, from, 1);
    lua_Integer last = lua_isnoneornil(lua, to) ? luaL_len(lua, 1) : luaL_checkinteger(lua, to);
    return last < first ? 0 : (uint64_t)last - (uint64_t)first + 1;
}

/* table.insert, remove: at a place of the list they move what is behind. */
static int shift(lua_State *lua, int count_at_end)
{
    lua_Integer len = lua_gettop(lua) > count_at_end ? luaL_len(lua, 1) : 0;
    if (len > 0) script_charge(lua, (uint64_t)len / ITEM_INSTRUCTION);
    return call_wrapped(lua);
}

static int safe_insert(lua_State *lua)
{
    return shift(lua, 2);
}

static int safe_remove(lua_State *lua)
{
    return shift(lua, 1);
}

static int safe_concat(lua_State *lua)
{
    script_charge(lua, span_of(lua, 3, 4) / ITEM_INSTRUCTION);
    return call_wrapped(lua);
}

static int safe_unpack(lua_State *lua)
{
    script_charge(lua, span_of(lua, 2, 3) / ITEM_INSTRUCTION);
    return call_wrapped(lua);
}

static int safe_sort(lua_State *lua)
{
    lua_Integer len = luaL_len(lua, 1);
    if (len > INT32_MAX) luaL_error(lua, "table.sort: too many elements");
    if (len > 0) script_charge(lua, (uint64_t)len * SORT_ITEM);
    return call_wrapped(lua);
}

/* Finalizers would run unseen by the hook. */
static int safe_setmetatable(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    if (!lua_isnil(lua, 2)) luaL_checktype(lua, 2, LUA_TTABLE);
    lua_settop(lua, 2);
    if (!lua_isnil(lua, 2)) {
        lua_pushliteral(lua, "__gc");
        lua_rawget(lua, 2);
        if (!lua_isnil(lua, -1)) luaL_error(lua, "setmetatable: __gc is not for scripts");
        lua_pop(lua, 1);
    }
    if (luaL_getmetafield(lua, 1, "__metatable") != LUA_TNIL)
        luaL_error(lua, "setmetatable: this table's cannot be changed");
    lua_setmetatable(lua, 1);
    return 1;
}

static int refuse_write(lua_State *lua)
{
    return luaL_error(lua, "the libraries cannot be changed");
}

static int number_text(lua_State *lua)
{
    lua_pushstring(lua, lua_touserdata(lua, 1));
    return 1;
}

/* --- making --- */

/* Takes the library on top and sets it in `safe` (below it) as name: behind a table that cannot be
 * written to. */
static void set_library(lua_State *lua, const char *name)
{
    lua_newtable(lua);
    lua_newtable(lua);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, refuse_write);
    lua_setfield(lua, -2, "__newindex");
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
    lua_setfield(lua, -3, name);
    lua_pop(lua, 1);
}

static void wrap(lua_State *lua, const char *name, lua_CFunction function)
{
    lua_getfield(lua, -1, name);
    lua_pushcclosure(lua, function, 1);
    lua_setfield(lua, -2, name);
}

static void remove_all(lua_State *lua, const char *const *names)
{
    for (; *names != NULL; names++) {
        lua_pushnil(lua);
        lua_setfield(lua, -2, *names);
    }
}

static void wrap_all(lua_State *lua, const luaL_Reg *functions)
{
    for (; functions->name != NULL; functions++)
        wrap(lua, functions->name, functions->func);
}

/* Library on top. */
static void open_string(lua_State *lua)
{
    static const char *const removed[] = {"dump", NULL};
    static const luaL_Reg own[] = {{"find", script_find},
                                   {"match", script_match},
                                   {"gmatch", script_gmatch},
                                   {"gsub", script_gsub},
                                   {NULL, NULL}};
    static const luaL_Reg wrapped[] = {
        {"format", safe_format}, {"rep", safe_rep},    {"byte", safe_text},   {"lower", safe_text},
        {"reverse", safe_text},  {"upper", safe_text}, {"unpack", safe_text}, {NULL, NULL}};
    luaL_setfuncs(lua, own, 0);
    wrap_all(lua, wrapped);
    remove_all(lua, removed);
    lua_pushliteral(lua, "");
    lua_getmetatable(lua, -1);
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 2);
}

static void open_libraries(lua_State *lua)
{
    static const char *const of_table[] = {"move", NULL};
    static const char *const of_math[] = {"random", "randomseed", NULL};
    static const luaL_Reg table[] = {{"insert", safe_insert}, {"remove", safe_remove},
                                     {"concat", safe_concat}, {"unpack", safe_unpack},
                                     {"sort", safe_sort},     {NULL, NULL}};
    static const luaL_Reg utf8[] = {
        {"len", safe_text}, {"codepoint", safe_text}, {"offset", safe_text}, {NULL, NULL}};
    luaL_requiref(lua, LUA_STRLIBNAME, luaopen_string, 0);
    open_string(lua);
    set_library(lua, LUA_STRLIBNAME);
    luaL_requiref(lua, LUA_TABLIBNAME, luaopen_table, 0);
    lua_getfield(lua, -1, "sort");
    script_keep(lua, SCRIPT_SORT);
    wrap_all(lua, table);
    remove_all(lua, of_table);
    set_library(lua, LUA_TABLIBNAME);
    luaL_requiref(lua, LUA_MATHLIBNAME, luaopen_math, 0);
    remove_all(lua, of_math);
    set_library(lua, LUA_MATHLIBNAME);
    luaL_requiref(lua, LUA_UTF8LIBNAME, luaopen_utf8, 0);
    wrap_all(lua, utf8);
    set_library(lua, LUA_UTF8LIBNAME);
}

/* Leaves on the stack the table of what scripts see. */
static void push_safe(lua_State *lua)
{
    static const char *const basic[] = {
        "assert", "error",  "getmetatable", "ipairs", "pcall",  "rawequal", "rawget",
        "rawlen", "select", "tonumber",     "type",   "xpcall", NULL};
    static const luaL_Reg own[] = {{"array", safe_array},       {"next", safe_next},
                                   {"pairs", safe_pairs},       {"setmetatable", safe_setmetatable},
                                   {"tostring", safe_tostring}, {NULL, NULL}};
    luaL_requiref(lua, LUA_GNAME, luaopen_base, 0);
    lua_newtable(lua);
    for (const char *const *name = basic; *name != NULL; name++) {
        lua_getfield(lua, -2, *name);
        lua_setfield(lua, -2, *name);
    }
    luaL_setfuncs(lua, own, 0);
    lua_pushlightuserdata(lua, NULL);
    lua_setfield(lua, -2, "null");
    wrap(lua, "tonumber", safe_text);
    open_libraries(lua);
    lua_remove(lua, -2);
}

void script_make_safe(lua_State *lua)
{
    lua_newtable(lua);
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable"); /* so that no script gets hold of it */
    script_keep(lua, SCRIPT_LIST);
    lua_newtable(lua);
    push_safe(lua);
    LEAT_ASSERT(lua_istable(lua, -1) && lua_istable(lua, -2));
    lua_setfield(lua, -2, "__index");
    script_keep(lua, SCRIPT_GLOBALS);
    lua_newtable(lua);
    lua_pushcfunction(lua, number_text);
    lua_setfield(lua, -2, "__tostring");
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    script_keep(lua, SCRIPT_NUMBER);
}
