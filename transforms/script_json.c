/* SPDX-License-Identifier: Apache-2.0 */
/* Records as Lua's tables, and what a script returns as JSON.
 *
 * Lua's tables have no order. An object that came with the record is written with its fields in the
 * order they came in, then new ones by name: for that each table is remembered together with the
 * value that it was made of, for as long as the call lasts. A list is told from an object by a
 * metatable, so that an empty list stays one; a table that the script has made is a list if it has
 * an element 1.
 *
 * null is a light userdata of nothing; a whole number beyond 64 bits is a userdata with its digits,
 * which can be handed on and shown, but not counted with. */
#include <math.h>

#include "core/number.h"
#include "schemas/codec_json.h"
#include "transforms/script_inside.h"

#define DEPTH_MAX 200

/* --- values to Lua --- */

static void push_value(lua_State *lua, leat_value value, unsigned depth);

static void push_list(lua_State *lua, leat_value list, unsigned depth)
{
    lua_createtable(lua, (int)list.len, 0);
    for (uint32_t i = 0; i < list.len; i++) {
        push_value(lua, list.as.items[i], depth + 1);
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    script_push(lua, SCRIPT_LIST);
    lua_setmetatable(lua, -2);
}

/* The order of the fields is remembered by the entries themselves, which outlive the call. */
static void push_map(lua_State *lua, leat_value map, unsigned depth)
{
    leat_value *kept = leat_arena_alloc(script_of(lua)->arena, sizeof *kept);
    if (kept == NULL) luaL_error(lua, "the record is too large");
    LEAT_ASSERT(kept != NULL);
    *kept = map;
    lua_createtable(lua, 0, (int)map.len);
    for (uint32_t i = 0; i < map.len; i++) {
        leat_str name = leat_value_str(map.as.entries[i].key);
        lua_pushlstring(lua, name.data, name.len);
        push_value(lua, map.as.entries[i].value, depth + 1);
        lua_rawset(lua, -3);
    }
    script_push(lua, SCRIPT_ORDER);
    lua_pushvalue(lua, -2);
    lua_pushlightuserdata(lua, kept);
    lua_rawset(lua, -3);
    lua_pop(lua, 1);
}

/* A number that Lua has no value for: it goes through as it is written. */
static void push_number_text(lua_State *lua, leat_str text)
{
    char *copy = lua_newuserdatauv(lua, text.len + 1, 0);
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    script_push(lua, SCRIPT_NUMBER);
    lua_setmetatable(lua, -2);
}

static void push_value(lua_State *lua, leat_value value, unsigned depth)
{
    luaL_checkstack(lua, 6, "the record is nested too deep");
    LEAT_ASSERT(value.tag < LEAT_TAGS_COUNT);
    if (depth > DEPTH_MAX) luaL_error(lua, "the record is nested more than %d deep", DEPTH_MAX);
    switch ((leat_tag)value.tag) {
    case LEAT_BOOL: lua_pushboolean(lua, value.as.b); break;
    case LEAT_INT: lua_pushinteger(lua, value.as.i); break;
    case LEAT_DOUBLE: lua_pushnumber(lua, value.as.d); break;
    case LEAT_STRING:
    case LEAT_BYTES: lua_pushlstring(lua, value.len > 0 ? value.as.text : "", value.len); break;
    case LEAT_TIMESTAMP: lua_pushinteger(lua, leat_value_timestamp_ms(value)); break;
    case LEAT_LIST: push_list(lua, value, depth); break;
    case LEAT_MAP: push_map(lua, value, depth); break;
    case LEAT_NUMBER: push_number_text(lua, leat_value_str(value)); break;
    case LEAT_MISSING: lua_pushnil(lua); break;
    case LEAT_NULL:
    case LEAT_UINT:
    case LEAT_DURATION:
    case LEAT_TYPE:
    case LEAT_OPTIONAL:
    case LEAT_JSON:
    case LEAT_OBJECT:
    case LEAT_ERROR:
    case LEAT_TAGS_COUNT: /* none of these is in JSON or in meta, but null */
        LEAT_ASSERT(value.tag == LEAT_NULL);
        lua_pushlightuserdata(lua, NULL);
    }
}

/* --- Lua to JSON --- */

static void put_value(lua_State *lua, leat_buf *out, unsigned depth);

/* The keys of the table on top that are texts, and not among those of `order`. */
static leat_str *keys_of(lua_State *lua, const leat_value *order, size_t *count)
{
    leat_arena *arena = script_of(lua)->arena;
    size_t size = 0;
    leat_str *keys = NULL;
    LEAT_ASSERT(lua_istable(lua, -1) && arena != NULL);
    *count = 0;
    lua_pushnil(lua);
    while (lua_next(lua, -2) != 0) {
        lua_pop(lua, 1);
        if (lua_type(lua, -1) != LUA_TSTRING)
            luaL_error(lua, "a table with keys that are no texts is no object, and no list");
        leat_str key;
        key.data = lua_tolstring(lua, -1, &key.len); /* lives as long as it is in the table */
        bool known = false;
        for (uint32_t i = 0; order != NULL && i < order->len && !known; i++)
            known = leat_str_equal(leat_value_str(order->as.entries[i].key), key);
        if (known) continue;
        if (*count == size) {
            keys = leat_arena_extend(arena, keys, size * sizeof *keys,
                                     (size == 0 ? 16 : size * 2) * sizeof *keys);
            if (keys == NULL) luaL_error(lua, "the record is too large");
            size = size == 0 ? 16 : size * 2;
        }
        LEAT_ASSERT(keys != NULL && *count < size);
        keys[(*count)++] = key;
    }
    return keys;
}

/* Smoothsort would do; heaps are shorter. By bytes. */
static void sort_keys(leat_str *keys, size_t count)
{
    for (size_t end = count, start = count / 2; end > 1;) {
        leat_str moving;
        if (start > 0) {
            moving = keys[--start];
        } else {
            moving = keys[--end];
            keys[end] = keys[0];
        }
        size_t at = start;
        for (size_t child; (child = 2 * at + 1) < end; at = child) {
            if (child + 1 < end && leat_str_compare(keys[child], keys[child + 1]) < 0) child++;
            if (leat_str_compare(moving, keys[child]) >= 0) break;
            keys[at] = keys[child];
        }
        keys[at] = moving;
    }
}

/* What is on top, as the member of that name; nil: there is none. Pops it. */
static bool put_member(lua_State *lua, leat_str name, bool first, leat_buf *out, unsigned depth)
{
    bool there = !lua_isnil(lua, -1);
    if (there) {
        if (!leat_str_utf8_valid(name)) luaL_error(lua, "a field's name is not valid UTF-8");
        if (!first) leat_buf_add_char(out, ',');
        leat_json_write_string(name, out);
        leat_buf_add_char(out, ':');
        put_value(lua, out, depth + 1);
    }
    lua_pop(lua, 1);
    return there;
}

static void put_object(lua_State *lua, leat_buf *out, unsigned depth)
{
    size_t count = 0;
    bool first = true;
    script_push(lua, SCRIPT_ORDER);
    lua_pushvalue(lua, -2);
    lua_rawget(lua, -2);
    const leat_value *order = lua_touserdata(lua, -1); /* NULL: the script has made it */
    lua_pop(lua, 2);
    leat_str *added = keys_of(lua, order, &count);
    if (count > 1) sort_keys(added, count);
    leat_buf_add_char(out, '{');
    for (uint32_t i = 0; order != NULL && i < order->len; i++) {
        leat_str name = leat_value_str(order->as.entries[i].key);
        lua_pushlstring(lua, name.data, name.len);
        lua_rawget(lua, -2);
        first &= !put_member(lua, name, first, out, depth);
    }
    for (size_t i = 0; i < count; i++) {
        lua_pushlstring(lua, added[i].data, added[i].len);
        lua_rawget(lua, -2);
        first &= !put_member(lua, added[i], first, out, depth);
    }
    leat_buf_add_char(out, '}');
}

static bool is_marked(lua_State *lua)
{
    if (!lua_getmetatable(lua, -1)) return false;
    script_push(lua, SCRIPT_LIST);
    bool marked = lua_rawequal(lua, -1, -2);
    lua_pop(lua, 2);
    return marked;
}

bool script_is_list(lua_State *lua)
{
    if (is_marked(lua)) return true;
    lua_rawgeti(lua, -1, 1);
    bool has_one = !lua_isnil(lua, -1);
    lua_pop(lua, 1);
    return has_one;
}

lua_Integer script_list_length(lua_State *lua)
{
    lua_Integer count = 0;
    lua_pushnil(lua);
    while (lua_next(lua, -2) != 0) {
        lua_pop(lua, 1);
        count++;
    }
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, -1, i);
        if (lua_isnil(lua, -1)) luaL_error(lua, "a list has holes or keys that are no numbers");
        lua_pop(lua, 1);
    }
    return count;
}

static void put_list(lua_State *lua, leat_buf *out, unsigned depth)
{
    LEAT_ASSERT(lua_istable(lua, -1));
    lua_Integer count = script_list_length(lua);
    leat_buf_add_char(out, '[');
    for (lua_Integer i = 1; i <= count; i++) {
        if (i > 1) leat_buf_add_char(out, ',');
        lua_rawgeti(lua, -1, i);
        put_value(lua, out, depth + 1);
        lua_pop(lua, 1);
    }
    leat_buf_add_char(out, ']');
}

static void put_number(lua_State *lua, leat_buf *out)
{
    if (lua_isinteger(lua, -1)) {
        leat_buf_add_int(out, lua_tointeger(lua, -1));
        return;
    }
    double number = lua_tonumber(lua, -1);
    if (!isfinite(number)) luaL_error(lua, "JSON has no form for infinity and NaN");
    leat_number_add(out, number);
}

static void put_text(lua_State *lua, leat_buf *out)
{
    leat_str text;
    text.data = lua_tolstring(lua, -1, &text.len);
    if (!leat_str_utf8_valid(text)) luaL_error(lua, "a text is not valid UTF-8");
    leat_json_write_string(text, out);
}

static void put_userdata(lua_State *lua, leat_buf *out)
{
    const char *text = lua_touserdata(lua, -1); /* only numbers are userdata here */
    LEAT_ASSERT(text != NULL);
    leat_buf_add(out, leat_str_of(text));
}

/* What is on top of the stack, which it leaves there. */
static void put_value(lua_State *lua, leat_buf *out, unsigned depth)
{
    luaL_checkstack(lua, 6, "the result is nested too deep");
    if (depth > DEPTH_MAX)
        luaL_error(lua, "the result is nested more than %d deep, or holds itself", DEPTH_MAX);
    if (out->overflow) luaL_error(lua, "the result is too large");
    switch (lua_type(lua, -1)) {
    case LUA_TLIGHTUSERDATA: leat_buf_add_text(out, "null"); break;
    case LUA_TBOOLEAN: leat_buf_add_text(out, lua_toboolean(lua, -1) ? "true" : "false"); break;
    case LUA_TNUMBER: put_number(lua, out); break;
    case LUA_TSTRING: put_text(lua, out); break;
    case LUA_TUSERDATA: put_userdata(lua, out); break;
    case LUA_TTABLE:
        if (script_is_list(lua))
            put_list(lua, out, depth);
        else
            put_object(lua, out, depth);
        break;
    default: luaL_error(lua, "a %s is no value of JSON", luaL_typename(lua, -1));
    }
}

void script_push_value(lua_State *lua, leat_value value)
{
    push_value(lua, value, 0);
}

void script_put_object(lua_State *lua, leat_buf *out)
{
    LEAT_ASSERT(lua_type(lua, -1) == LUA_TTABLE);
    put_object(lua, out, 0);
}
