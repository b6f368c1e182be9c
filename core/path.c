/* SPDX-License-Identifier: Apache-2.0 */
/* Field paths, as configuration writes them: names with dots between.
 *
 *   a.b            'a.b'.c            'it''s'
 *
 * A bare name is made of letters, digits, `_`, `$`, `@` and anything beyond ASCII; all else wants
 * quotes, so that what looks like an expression (`a - b`, `list[0]`) is refused with a remedy and
 * never quietly taken for a field of that name. The parse is one pass; the names of bare elements
 * are slices of a copy of the text, so that a path never outlives what it points to. */
#include "core/path.h"

#define WANTS_QUOTES "a name with other characters wants 'quotes', as in 'a-b'.c;"

static bool is_bare(char c)
{
    unsigned char byte = (unsigned char)c;
    bool letter = (byte | 0x20u) >= 'a' && (byte | 0x20u) <= 'z';
    bool digit = byte >= '0' && byte <= '9';
    return letter || digit || byte == '_' || byte == '$' || byte == '@' || byte >= 0x80;
}

static leat_code fail(leat_err *err, leat_str text, size_t at, const char *what)
{
    leat_err_set(err, LEAT_ERR_CONFIG, "path `%.*s`: %s at character %zu", LEAT_STR_ARG(text), what,
                 at + 1);
    err->offset = (uint32_t)at;
    return LEAT_ERR_CONFIG;
}

/* Reads 'name' from text[*at] on; unquotes in place, which only shortens it. */
static bool read_quoted(char *text, size_t len, size_t *at, leat_str *name)
{
    size_t from = *at + 1, to = from;
    for (size_t i = from; i < len; i++) {
        if (text[i] == '\'') {
            if (i + 1 == len || text[i + 1] != '\'') {
                *name = (leat_str){text + from, to - from};
                *at = i + 1;
                return true;
            }
            i++;
        }
        text[to++] = text[i];
    }
    return false;
}

/* Reads one name, quoted or bare, and moves *at behind it. */
static leat_code read_name(leat_str text, char *own, size_t *at, leat_str *name, leat_err *err)
{
    size_t start = *at;
    if (start < text.len && own[start] == '\'') {
        if (!read_quoted(own, text.len, at, name))
            return fail(err, text, start, "a quote that is not closed");
        return LEAT_OK;
    }
    while (*at < text.len && is_bare(own[*at]))
        ++*at;
    *name = (leat_str){own + start, *at - start};
    if (name->len != 0) return LEAT_OK;
    if (start == text.len || text.data[start] == '.')
        return fail(err, text, start, "a name is missing");
    return fail(err, text, start, WANTS_QUOTES);
}

leat_code leat_path_parse(leat_str text, leat_arena *arena, leat_path *path, leat_err *err)
{
    if (text.len == 0) return leat_err_set(err, LEAT_ERR_CONFIG, "a path is empty");
    leat_str names[LEAT_PATH_DEPTH_MAX];
    size_t count = 0, at = 0;
    char *own = leat_arena_alloc(arena, text.len);
    if (own == NULL) return leat_arena_full(arena, err);
    memcpy(own, text.data, text.len);

    for (;;) {
        if (count == LEAT_PATH_DEPTH_MAX) return fail(err, text, at, "more than 32 names");
        LEAT_TRY(read_name(text, own, &at, &names[count], err));
        count++;
        if (at == text.len) break;
        if (text.data[at] != '.') return fail(err, text, at, WANTS_QUOTES);
        at++;
    }
    leat_str *kept = leat_arena_array(arena, count, sizeof *kept);
    if (kept == NULL) return leat_arena_full(arena, err);
    memcpy(kept, names, count * sizeof *kept);
    *path = (leat_path){kept, count};
    return LEAT_OK;
}

static bool wants_quotes(leat_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_bare(name.data[i])) return true;
    return name.len == 0;
}

leat_str leat_path_text(leat_path path, leat_arena *arena)
{
    size_t size = 0;
    for (size_t i = 0; i < path.count; i++)
        size += 2 * path.names[i].len + 3; /* all quotes doubled, two around, a dot */
    char *text = leat_arena_alloc(arena, size);
    if (text == NULL) return LEAT_STR_NONE;
    size_t len = 0;
    for (size_t i = 0; i < path.count; i++) {
        leat_str name = path.names[i];
        bool quotes = wants_quotes(name);
        if (i != 0) text[len++] = '.';
        if (quotes) text[len++] = '\'';
        for (size_t j = 0; j < name.len; j++) {
            if (name.data[j] == '\'') text[len++] = '\'';
            text[len++] = name.data[j];
        }
        if (quotes) text[len++] = '\'';
    }
    LEAT_ASSERT(len <= size);
    return (leat_str){text, len};
}

bool leat_path_equal(leat_path a, leat_path b)
{
    if (a.count != b.count) return false;
    for (size_t i = 0; i < a.count; i++)
        if (!leat_str_equal(a.names[i], b.names[i])) return false;
    return true;
}

bool leat_path_covers(leat_path outer, leat_path inner)
{
    return outer.count <= inner.count &&
           leat_path_equal(outer, (leat_path){inner.names, outer.count});
}
