/* SPDX-License-Identifier: Apache-2.0 */
/* Our string.find, match, gmatch and gsub against Lua's own, over patterns and texts made by
 * chance: the same results, and an error wherever Lua has one. */
#include "tests/unit/leak.h"
#include "transforms/script_inside.h"

#include <criterion/criterion.h>

LEAT_SUITE(script_match);

#define CASES 60000

static uint32_t draw(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525U + 1013904223U;
    return (*seed >> 8) % below;
}

static size_t draw_text(uint32_t *seed, const char *const *pieces, uint32_t count, uint32_t most,
                        char *text)
{
    size_t len = 0;
    for (uint32_t n = draw(seed, most + 1); n > 0; n--) {
        const char *piece = pieces[draw(seed, count)];
        memcpy(text + len, piece, strlen(piece));
        len += strlen(piece);
    }
    text[len] = '\0';
    return len;
}

static const char *const parts[] = {
    "a",     "b",     ".",  "%a", "%d",   "%s",   "%w",   "%A",   "%%",     "%.",
    "*",     "+",     "-",  "?",  "(",    ")",    "()",   "[ab]", "[^a",    "]",
    "[a-c]", "[%d_]", "%1", "%2", "%b()", "%bab", "^",    "$",    "%f[%w]", "%f[^a]",
    "[]]",   "[^]a]", "=",  "%",  "%x",   "%P",   "[a-]", "(a*",  "%l-",    "([%w_]+)"};
static const char *const letters[] = {"a", "b", "c", "1",  "(", ")", " ",
                                      "_", "=", "A", "ab", "-", "]"};
#define PARTS   (sizeof parts / sizeof parts[0])
#define LETTERS (sizeof letters / sizeof letters[0])

/* What function(text, pattern, third) gives, as text: results in a row, or the error. */
static bool outcome(lua_State *lua, lua_CFunction ours, const char *name, leat_str text,
                    leat_str pattern, int third, leat_buf *out)
{
    int top = lua_gettop(lua);
    leat_buf_reset(out);
    if (ours != NULL) {
        lua_pushcfunction(lua, ours);
    } else {
        lua_getfield(lua, 1, name);
    }
    lua_pushlstring(lua, text.data, text.len);
    lua_pushlstring(lua, pattern.data, pattern.len);
    if (strcmp(name, "gsub") == 0)
        lua_pushstring(lua, third % 2 == 0 ? "<%0%1>" : "%%");
    else
        lua_pushinteger(lua, third - 3);
    bool gmatch = strcmp(name, "gmatch") == 0;
    bool good = lua_pcall(lua, 3, LUA_MULTRET, 0) == LUA_OK;
    for (int round = 0; good && gmatch && round < 40; round++) {
        lua_pushvalue(lua, top + 1);
        int before = lua_gettop(lua) - 1;
        good = lua_pcall(lua, 0, LUA_MULTRET, 0) == LUA_OK;
        if (good && (lua_gettop(lua) == before || lua_isnil(lua, before + 1))) break;
    }
    for (int i = top + (gmatch && good ? 2 : 1); i <= lua_gettop(lua); i++) {
        size_t len = 0;
        const char *shown = luaL_tolstring(lua, i, &len);
        leat_buf_add(out, (leat_str){shown, len});
        leat_buf_add_char(out, '|');
        lua_pop(lua, 1);
    }
    lua_settop(lua, top);
    leat_buf_add_char(out, '\0');
    return good;
}

Test(script_match, as_lua_does)
{
    static const struct {
        const char *name;
        lua_CFunction ours;
    } functions[] = {{"find", script_find},
                     {"match", script_match},
                     {"gmatch", script_gmatch},
                     {"gsub", script_gsub}};
    leat_script *script = NULL;
    leat_err err;
    leat_buf got, want;
    char text[200], pattern[200];
    uint32_t seed = 7, same = 0, refused = 0;
    leat_buf_init(&got, 1 << 20);
    leat_buf_init(&want, 1 << 20);
    cr_assert_eq(leat_script_new(&script, LEAT_STR("function process() end"), LEAT_STR("t"),
                                 (leat_script_limits){UINT64_C(1) << 60, 16 << 20}, &err),
                 LEAT_OK);
    lua_State *lua = script->lua;
    lua_settop(lua, 0);
    (void)luaopen_string(lua); /* at index 1: Lua's own */
    for (int i = 0; i < CASES; i++) {
        leat_str s = {text, draw_text(&seed, letters, LETTERS, 12, text)};
        leat_str p = {pattern, draw_text(&seed, parts, PARTS, 6, pattern)};
        uint32_t which = draw(&seed, 4);
        int third = (int)draw(&seed, 12);
        bool theirs = outcome(lua, NULL, functions[which].name, s, p, third, &want);
        bool ours = outcome(lua, functions[which].ours, functions[which].name, s, p, third, &got);
        if (ours && theirs) {
            cr_assert_str_eq(got.data, want.data, "%s('%s', '%s', %d): %s, not %s",
                             functions[which].name, text, pattern, third, got.data, want.data);
            same++;
        } else {
            refused++;
            cr_assert(!ours, "%s('%s', '%s', %d) is %s, and should be the error %s",
                      functions[which].name, text, pattern, third, got.data, want.data);
        }
    }
    cr_expect_gt(same, CASES / 4);
    cr_expect_gt(refused, CASES / 10);
    leat_script_free(&script);
    leat_buf_release(&got);
    leat_buf_release(&want);
}
