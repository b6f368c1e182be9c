/* SPDX-License-Identifier: Apache-2.0 */
/* string.find, match, gmatch and gsub with a bounded cost. Lua's own go back and forth within one
 * call, unseen by the hook that counts instructions: ('.-'):rep(30) .. 'b' over a text of a hundred
 * thousand letters takes longer than anybody waits. These give the same results, and every step
 * that they take counts.
 *
 *   "(%w+)%s*=" -> OPEN 0 | SET a-zA-Z0-9, one or more | CLOSE 0 | SET space, any | SET '=', one
 *
 * A pattern is compiled, for each call anew, into items that hold their set of bytes; so a mistake
 * in it is told also where Lua would not come so far. Captures need no undoing: an item that comes
 * later on the way that matches sets its own anew. Only repetitions call themselves, so that the
 * depth is that of the pattern, not of the text.
 *
 * Refused: RE2, which has no %b, %f and %1; a limit on the product of the lengths, which is far
 * from what nearly all patterns take. Cost: see the step's doc. */
#include <ctype.h>

#include "transforms/script_inside.h"

#define CAPTURES_MAX      32
#define REPETITIONS_MAX   200
#define ITEMS_SMALL       24 /* on the stack; more in Lua's memory */
#define STEPS_INSTRUCTION 4
#define STEPS_CHARGED     4096 /* are told at once */
#define LITERAL_STEP      64   /* bytes that a plain search passes in a step */

typedef enum item_kind { SET, OPEN, CLOSE, POSITION, BALANCE, FRONTIER, BACK, AT_END } item_kind;

/* Which bytes an item of kind SET takes: building a whole set for one letter costs more than most
 * matches do. */
typedef enum item_of { OF_SET, OF_BYTE, OF_CLASS, OF_ANY } item_of;

typedef struct pattern_item {
    uint8_t kind, of;
    char repeat;          /* of SET: '*', '+', '-', '?'; 0: one */
    uint8_t number;       /* of a capture */
    unsigned char x, y;   /* BALANCE; x: OF_BYTE, OF_CLASS */
    uint8_t set[256 / 8]; /* OF_SET, FRONTIER: a bit per byte */
} pattern_item;

typedef struct capture {
    const char *from;
    size_t len;
} capture;

typedef struct matcher {
    lua_State *lua;
    const char *subject, *end;
    const pattern_item *items;
    size_t items_count, captures_count;
    bool anchored;
    bool is_position[CAPTURES_MAX];
    capture captures[CAPTURES_MAX];
    uint64_t steps;
} matcher;

/* --- compiling --- */

typedef struct compiler {
    lua_State *lua;
    const char *at, *end;
    matcher *into;
    pattern_item *items;
    size_t count, repetitions;
    uint8_t open[CAPTURES_MAX];
    size_t open_count;
    bool closed[CAPTURES_MAX];
} compiler;

static void add(pattern_item *item, unsigned byte)
{
    LEAT_ASSERT(byte < 256);
    item->set[byte / 8] = (uint8_t)(item->set[byte / 8] | 1U << (byte % 8));
}

/* Is the byte of class %a, %d...? Any other letter stands for itself. */
static bool in_class(int byte, char letter)
{
    bool is;
    switch (tolower((unsigned char)letter)) {
    case 'a': is = isalpha(byte) != 0; break;
    case 'c': is = iscntrl(byte) != 0; break;
    case 'd': is = isdigit(byte) != 0; break;
    case 'g': is = isgraph(byte) != 0; break;
    case 'l': is = islower(byte) != 0; break;
    case 'p': is = ispunct(byte) != 0; break;
    case 's': is = isspace(byte) != 0; break;
    case 'u': is = isupper(byte) != 0; break;
    case 'w': is = isalnum(byte) != 0; break;
    case 'x': is = isxdigit(byte) != 0; break;
    default: return byte == (unsigned char)letter;
    }
    return is != (isupper((unsigned char)letter) != 0);
}

static bool has(const pattern_item *item, char c)
{
    unsigned char byte = (unsigned char)c;
    switch (item->of) {
    case OF_BYTE: return byte == item->x;
    case OF_CLASS: return in_class(byte, (char)item->x);
    case OF_ANY: return true;
    default: return (item->set[byte / 8] >> (byte % 8) & 1) != 0;
    }
}

static void add_class(pattern_item *item, char letter)
{
    for (int byte = 0; byte < 256; byte++)
        if (in_class(byte, letter)) add(item, (unsigned)byte);
}

static char next_char(compiler *c, const char *missing)
{
    if (c->at == c->end) luaL_error(c->lua, "malformed pattern (%s)", missing);
    return *c->at++;
}

/* Behind '['. */
static void read_set(compiler *c, pattern_item *item)
{
    static const char *const missing = "missing ']'";
    bool not = c->at < c->end && *c->at == '^';
    if (not ) c->at++;
    item->of = OF_SET;
    memset(item->set, 0, sizeof item->set);
    for (bool first = true; first || c->at == c->end || *c->at != ']'; first = false) {
        char from = next_char(c, missing);
        if (from == '%') {
            add_class(item, next_char(c, missing));
        } else if (c->end - c->at >= 2 && c->at[0] == '-' && c->at[1] != ']') {
            unsigned to = (unsigned char)c->at[1];
            for (unsigned byte = (unsigned char)from; byte <= to; byte++)
                add(item, byte);
            c->at += 2;
        } else {
            add(item, (unsigned char)from);
        }
    }
    c->at++;
    for (size_t i = 0; not &&i < sizeof item->set; i++)
        item->set[i] = (uint8_t)~item->set[i];
}

static void read_open(compiler *c, pattern_item *item)
{
    matcher *into = c->into;
    bool position = c->at < c->end && *c->at == ')';
    if (into->captures_count == CAPTURES_MAX) luaL_error(c->lua, "too many captures");
    item->number = (uint8_t)into->captures_count++;
    into->is_position[item->number] = position;
    item->kind = position ? POSITION : OPEN;
    if (position)
        c->at++;
    else
        c->open[c->open_count++] = item->number;
    c->closed[item->number] = position;
}

static void read_close(compiler *c, pattern_item *item)
{
    if (c->open_count == 0) luaL_error(c->lua, "invalid pattern capture");
    item->kind = CLOSE;
    item->number = c->open[--c->open_count];
    c->closed[item->number] = true;
}

static void read_escape(compiler *c, pattern_item *item)
{
    char letter = next_char(c, "ends with '%'");
    if (letter >= '0' && letter <= '9') {
        int number = letter - '1';
        if (number < 0 || number >= (int)c->into->captures_count || !c->closed[number])
            luaL_error(c->lua, "invalid capture index %%%d", number + 1);
        item->kind = BACK;
        item->number = (uint8_t)number;
    } else if (letter == 'b') {
        item->kind = BALANCE;
        item->x = (unsigned char)next_char(c, "missing arguments to '%b'");
        item->y = (unsigned char)next_char(c, "missing arguments to '%b'");
    } else if (letter == 'f') {
        if (c->at == c->end || *c->at != '[')
            luaL_error(c->lua, "missing '[' after '%%f' in pattern");
        c->at++;
        item->kind = FRONTIER;
        read_set(c, item);
    } else {
        item->of = isalpha((unsigned char)letter) ? OF_CLASS : OF_BYTE;
        item->x = (unsigned char)letter;
    }
}

static void read_item(compiler *c, pattern_item *item)
{
    char letter = *c->at++;
    item->kind = SET;
    item->of = OF_SET;
    item->repeat = 0;
    if (letter == '(') {
        read_open(c, item);
    } else if (letter == ')') {
        read_close(c, item);
    } else if (letter == '$' && c->at == c->end) {
        item->kind = AT_END;
    } else if (letter == '%') {
        read_escape(c, item);
    } else if (letter == '[') {
        read_set(c, item);
    } else if (letter == '.') {
        item->of = OF_ANY;
    } else {
        item->of = OF_BYTE;
        item->x = (unsigned char)letter;
    }
    if (item->kind != SET || c->at == c->end || *c->at == '\0' || strchr("*+-?", *c->at) == NULL)
        return;
    item->repeat = *c->at++;
    if (++c->repetitions > REPETITIONS_MAX) luaL_error(c->lua, "pattern too complex");
}

/* items: of as many as the pattern has bytes. */
static void compile(matcher *into, lua_State *lua, leat_str pattern, pattern_item *items,
                    bool anchors)
{
    compiler c = {.lua = lua,
                  .at = pattern.data,
                  .end = pattern.data + pattern.len,
                  .into = into,
                  .items = items};
    into->lua = lua;
    into->captures_count = 0;
    into->steps = 0;
    into->anchored = anchors && pattern.len > 0 && pattern.data[0] == '^';
    if (into->anchored) c.at++;
    while (c.at < c.end)
        read_item(&c, &items[c.count++]);
    if (c.open_count > 0) luaL_error(lua, "unfinished capture");
    LEAT_ASSERT(c.count <= pattern.len);
    into->items = items;
    into->items_count = c.count;
}

/* Room for the items of a pattern: `small`, or a userdata that is pushed. */
static pattern_item *items_for(lua_State *lua, leat_str pattern, pattern_item small[ITEMS_SMALL])
{
    if (pattern.len <= ITEMS_SMALL) return small;
    return lua_newuserdatauv(lua, pattern.len * sizeof(pattern_item), 0);
}

/* --- matching --- */

static void charge(matcher *m)
{
    script_charge(m->lua, m->steps / STEPS_INSTRUCTION);
    m->steps = 0;
}

static inline void step(matcher *m, size_t count)
{
    m->steps += count;
    if (LEAT_UNLIKELY(m->steps >= STEPS_CHARGED)) charge(m);
}

static const char *match_balance(matcher *m, const pattern_item *item, const char *s)
{
    size_t depth = 0;
    if (s == m->end || (unsigned char)*s != item->x) return NULL;
    for (const char *at = s; at < m->end; at++) {
        step(m, 1);
        if ((unsigned char)*at == item->y && depth == 1 && at > s) return at + 1;
        if ((unsigned char)*at == item->y && at > s)
            depth--;
        else if ((unsigned char)*at == item->x)
            depth++;
    }
    return NULL;
}

static const char *match_back(matcher *m, const pattern_item *item, const char *s)
{
    capture was = m->captures[item->number];
    size_t len = was.len;
    if (m->is_position[item->number]) return NULL;
    step(m, len / LITERAL_STEP);
    if ((size_t)(m->end - s) < len || (len > 0 && memcmp(was.from, s, len) != 0)) return NULL;
    return s + len;
}

static const char *match_at(matcher *m, size_t at, const char *s);

static const char *match_repeated(matcher *m, size_t at, const char *s)
{
    const pattern_item *item = &m->items[at];
    size_t least = item->repeat == '+' ? 1 : 0, count = 0;
    if (item->repeat == '-') {
        for (;; s++) {
            const char *end = match_at(m, at + 1, s);
            if (end != NULL) return end;
            if (s == m->end || !has(item, *s)) return NULL;
            step(m, 1);
        }
    }
    size_t most = item->repeat == '?' ? 1 : (size_t)(m->end - s);
    if (most > (size_t)(m->end - s)) most = (size_t)(m->end - s);
    while (count < most && has(item, s[count]))
        count++;
    step(m, count);
    for (; count + 1 > least; count--) {
        const char *end = match_at(m, at + 1, s + count);
        if (end != NULL || count == 0) return end;
    }
    return NULL;
}

/* One item that is not repeated; where the text goes on, or NULL. */
static const char *match_item(matcher *m, const pattern_item *item, const char *s)
{
    switch (item->kind) {
    case SET: return s < m->end && has(item, *s) ? s + 1 : NULL;
    case OPEN:
    case POSITION: m->captures[item->number].from = s; return s;
    case CLOSE:
        m->captures[item->number].len = (size_t)(s - m->captures[item->number].from);
        return s;
    case BALANCE: return match_balance(m, item, s);
    case FRONTIER: {
        char before = s == m->subject ? '\0' : s[-1], here = s == m->end ? '\0' : *s;
        return !has(item, before) && has(item, here) ? s : NULL;
    }
    case BACK: return match_back(m, item, s);
    default: LEAT_ASSERT(item->kind == AT_END); return s == m->end ? s : NULL;
    }
}

/* Where the match of items[at..] at s ends; NULL: there is none. */
static const char *match_at(matcher *m, size_t at, const char *s)
{
    LEAT_ASSERT(s != NULL);
    for (; at < m->items_count; at++) {
        const pattern_item *item = &m->items[at];
        step(m, 1);
        if (item->repeat != 0) return match_repeated(m, at, s);
        s = match_item(m, item, s);
        if (s == NULL) return NULL;
    }
    return s;
}

/* The first match at or behind *s, which is moved to it; its end, or NULL. */
static const char *match_first(matcher *m, const char **s)
{
    for (;; (*s)++) {
        const char *end = match_at(m, 0, *s);
        if (end != NULL || m->anchored || *s == m->end) return end;
        step(m, 1);
    }
}

/* --- captures --- */

static void push_capture(const matcher *m, size_t number, const char *from, const char *end)
{
    if (m->captures_count == 0 && number == 0) {
        lua_pushlstring(m->lua, from, (size_t)(end - from));
        return;
    }
    if (number >= m->captures_count)
        luaL_error(m->lua, "invalid capture index %%%d", (int)number + 1);
    capture one = m->captures[number];
    if (m->is_position[number])
        lua_pushinteger(m->lua, (lua_Integer)(one.from - m->subject) + 1);
    else
        lua_pushlstring(m->lua, one.from, one.len);
}

/* All of them; without any, the whole match unless there are to be none. */
static int push_captures(const matcher *m, const char *from, const char *end, bool whole)
{
    size_t count = m->captures_count == 0 && whole ? 1 : m->captures_count;
    luaL_checkstack(m->lua, (int)count, "too many captures");
    for (size_t i = 0; i < count; i++)
        push_capture(m, i, from, end);
    return (int)count;
}

/* --- what scripts call --- */

static leat_str text_at(lua_State *lua, int index)
{
    leat_str text;
    text.data = luaL_checklstring(lua, index, &text.len);
    return text;
}

/* `init` as an offset; past the end: len + 1. */
static size_t start_of(lua_State *lua, int index, size_t len)
{
    lua_Integer init = luaL_optinteger(lua, index, 1);
    if (init > 0) return (uint64_t)init > len + 1 ? len + 1 : (size_t)init - 1;
    if (init == 0 || (uint64_t)0 - (uint64_t)init > len) return 0;
    return len - (size_t)-init;
}

static int find_plain(lua_State *lua, leat_str text, leat_str what, size_t from)
{
    leat_str rest = {text.data + from, text.len - from};
    const char *found = memmem(rest.data, rest.len, what.data, what.len);
    size_t passed = found == NULL ? rest.len : (size_t)(found - rest.data);
    script_charge(lua, passed / LITERAL_STEP / STEPS_INSTRUCTION);
    if (found == NULL) {
        lua_pushnil(lua);
        return 1;
    }
    from += passed;
    lua_pushinteger(lua, (lua_Integer)from + 1);
    from += what.len;
    lua_pushinteger(lua, (lua_Integer)from);
    return 2;
}

static bool is_plain(leat_str pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.data[i] != '\0' && strchr("^$*+?.([%-", pattern.data[i]) != NULL) return false;
    return true;
}

static int find_or_match(lua_State *lua, bool find)
{
    leat_str text = text_at(lua, 1), pattern = text_at(lua, 2);
    size_t from = start_of(lua, 3, text.len);
    pattern_item small[ITEMS_SMALL];
    matcher m;
    if (from > text.len) {
        lua_pushnil(lua);
        return 1;
    }
    if (find && (lua_toboolean(lua, 4) || is_plain(pattern)))
        return find_plain(lua, text, pattern, from);
    compile(&m, lua, pattern, items_for(lua, pattern, small), true);
    m.subject = text.data;
    m.end = text.data + text.len;
    const char *s = text.data + from, *end = match_first(&m, &s);
    charge(&m);
    if (end == NULL) {
        lua_pushnil(lua);
        return 1;
    }
    if (!find) return push_captures(&m, s, end, true);
    lua_pushinteger(lua, (lua_Integer)(s - text.data) + 1);
    lua_pushinteger(lua, (lua_Integer)(end - text.data));
    return push_captures(&m, s, end, false) + 2;
}

int script_find(lua_State *lua)
{
    return find_or_match(lua, true);
}

int script_match(lua_State *lua)
{
    return find_or_match(lua, false);
}

/* Upvalues: text, pattern, where to go on, where the last match ended (-1: none yet). */
static int gmatch_next(lua_State *lua)
{
    leat_str text = text_at(lua, lua_upvalueindex(1)), pattern = text_at(lua, lua_upvalueindex(2));
    lua_Integer from = lua_tointeger(lua, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(lua, lua_upvalueindex(4));
    pattern_item small[ITEMS_SMALL];
    matcher m;
    compile(&m, lua, pattern, items_for(lua, pattern, small), false);
    m.subject = text.data;
    m.end = text.data + text.len;
    for (; from <= (lua_Integer)text.len; from++) {
        const char *s = text.data + from, *end = match_first(&m, &s);
        if (end == NULL) break;
        from = s - text.data;
        if (end - text.data == last) continue; /* an empty one where the last one ended */
        lua_pushinteger(lua, end - text.data);
        lua_copy(lua, -1, lua_upvalueindex(3));
        lua_replace(lua, lua_upvalueindex(4));
        charge(&m);
        return push_captures(&m, s, end, true);
    }
    charge(&m);
    lua_pushinteger(lua, (lua_Integer)text.len + 1);
    lua_replace(lua, lua_upvalueindex(3));
    return 0;
}

int script_gmatch(lua_State *lua)
{
    leat_str text = text_at(lua, 1);
    (void)text_at(lua, 2);
    size_t from = start_of(lua, 3, text.len);
    lua_settop(lua, 2);
    lua_pushinteger(lua, (lua_Integer)from);
    lua_pushinteger(lua, -1);
    lua_pushcclosure(lua, gmatch_next, 4);
    return 1;
}

/* --- gsub --- */

static void add_template(matcher *m, luaL_Buffer *out, leat_str with, const char *s,
                         const char *end)
{
    for (size_t i = 0; i < with.len; i++) {
        if (with.data[i] != '%') {
            luaL_addchar(out, with.data[i]);
            continue;
        }
        char letter = ++i < with.len ? with.data[i] : '\0';
        if (letter == '%') {
            luaL_addchar(out, '%');
        } else if (letter == '0') {
            luaL_addlstring(out, s, (size_t)(end - s));
        } else if (letter >= '1' && letter <= '9') {
            push_capture(m, (size_t)(letter - '1'), s, end);
            (void)luaL_tolstring(m->lua, -1, NULL);
            lua_remove(m->lua, -2);
            luaL_addvalue(out);
        } else {
            luaL_error(m->lua, "invalid use of '%%' in replacement string");
        }
    }
}

/* What stands for the match from s to end. */
static void add_replacement(matcher *m, luaL_Buffer *out, const char *s, const char *end, int type)
{
    lua_State *lua = m->lua;
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(lua, 3);
        int count = push_captures(m, s, end, true);
        lua_call(lua, count, 1);
    } else if (type == LUA_TTABLE) {
        push_capture(m, 0, s, end);
        lua_gettable(lua, 3);
    } else {
        add_template(m, out, text_at(lua, 3), s, end);
        return;
    }
    if (!lua_toboolean(lua, -1)) {
        lua_pop(lua, 1);
        luaL_addlstring(out, s, (size_t)(end - s));
    } else if (lua_isstring(lua, -1)) {
        luaL_addvalue(out);
    } else {
        luaL_error(lua, "invalid replacement value (a %s)", luaL_typename(lua, -1));
    }
}

int script_gsub(lua_State *lua)
{
    leat_str text = text_at(lua, 1), pattern = text_at(lua, 2);
    int type = lua_type(lua, 3);
    luaL_argexpected(lua,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                         type == LUA_TTABLE,
                     3, "string/function/table");
    lua_Integer most = luaL_optinteger(lua, 4, (lua_Integer)text.len + 1), count = 0;
    pattern_item small[ITEMS_SMALL];
    matcher m;
    luaL_Buffer out;
    compile(&m, lua, pattern, items_for(lua, pattern, small), true);
    m.subject = text.data;
    m.end = text.data + text.len;
    luaL_buffinit(lua, &out);
    const char *s = text.data, *last = NULL;
    LEAT_ASSERT(s != NULL);
    while (count < most) {
        const char *end = match_at(&m, 0, s);
        step(&m, 1);
        if (end != NULL && end != last) {
            count++;
            add_replacement(&m, &out, s, end, type);
            s = last = end;
        } else if (s < m.end) {
            luaL_addchar(&out, *s++);
        } else {
            break;
        }
        if (m.anchored) break;
    }
    charge(&m);
    luaL_addlstring(&out, s, (size_t)(m.end - s));
    luaL_pushresult(&out);
    lua_pushinteger(lua, count);
    return 2;
}
