/* SPDX-License-Identifier: Apache-2.0 */
/* Parsers of the texts that logs and forms are made of. Each goes over the text once and collects
 * entries; none of them guesses types: "007" stays text, and whoever wants a number casts.
 *
 * A key that comes twice keeps its first place and its last value, as in JSON. Keys are few, so
 * they are compared one by one up to a few dozen and through a hash table beyond, as a text may be
 * nothing but keys. The number of fields is bounded, so that a text cannot become a thousand times
 * its size. */
#include "transforms/parse_text.h"

#include "core/encode.h"
#include "core/map.h"
#include "core/number.h"

#define FEW 24 /* keys that are compared one by one */

typedef struct fields {
    leat_arena *arena;
    leat_entry *entries;
    size_t count, size;
    leat_map *index; /* key -> number in entries; NULL: they are few */
} fields;

static leat_code fields_grow(fields *f, leat_err *err)
{
    size_t size = f->size == 0 ? 8 : f->size * 2;
    leat_entry *entries =
        leat_arena_extend(f->arena, f->entries, f->size * sizeof *entries, size * sizeof *entries);
    if (entries == NULL) return leat_arena_full(f->arena, err);
    f->entries = entries;
    f->size = size;
    return LEAT_OK;
}

static leat_code fields_index(fields *f, leat_err *err)
{
    f->index = leat_map_new();
    for (size_t i = 0; i < f->count; i++)
        LEAT_TRY(leat_map_put(f->index, leat_value_str(f->entries[i].key), i, err));
    return LEAT_OK;
}

static bool fields_find(const fields *f, leat_str key, size_t *at)
{
    uint64_t number = 0;
    if (f->index != NULL) {
        bool there = leat_map_get(f->index, key, &number);
        *at = (size_t)number;
        return there;
    }
    for (*at = 0; *at < f->count; ++*at)
        if (leat_str_equal(leat_value_str(f->entries[*at].key), key)) return true;
    return false;
}

static leat_code fields_put(fields *f, leat_str key, leat_value value, leat_err *err)
{
    size_t at = 0;
    LEAT_ASSERT(f->count <= f->size);
    if (fields_find(f, key, &at)) {
        LEAT_ASSERT(at < f->count);
        f->entries[at].value = value;
        return LEAT_OK;
    }
    if (f->count == LEAT_PARSE_FIELDS_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "the text has more than %d fields",
                            LEAT_PARSE_FIELDS_MAX);
    if (f->count == f->size) LEAT_TRY(fields_grow(f, err));
    if (f->index == NULL && f->count == FEW) LEAT_TRY(fields_index(f, err));
    if (f->index != NULL) LEAT_TRY(leat_map_put(f->index, key, f->count, err));
    f->entries[f->count++] = (leat_entry){leat_value_string(key), value};
    return LEAT_OK;
}

/* The map, or the error that came before. */
static leat_code fields_end(fields *f, leat_code code, leat_value *value)
{
    leat_map_free(&f->index);
    if (code == LEAT_OK) *value = leat_value_map(f->entries, f->count);
    return code;
}

/* --- key=value --- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

typedef struct pairs {
    leat_str rest; /* of the text */
    leat_str between, equals;
    bool blanks; /* between is any white space */
    fields fields;
} pairs;

static void skip_between(pairs *p)
{
    if (p->blanks) {
        while (p->rest.len > 0 && is_space(p->rest.data[0]))
            p->rest = leat_str_slice(p->rest, 1, p->rest.len);
    } else if (leat_str_starts(p->rest, p->between)) {
        p->rest = leat_str_slice(p->rest, p->between.len, p->rest.len);
    }
}

/* Up to the next separator of pairs. */
static leat_str take_plain(pairs *p)
{
    size_t end = 0;
    while (end < p->rest.len &&
           !(p->blanks ? is_space(p->rest.data[end])
                       : leat_str_starts(leat_str_slice(p->rest, end, p->rest.len), p->between)))
        end++;
    leat_str taken = leat_str_slice(p->rest, 0, end);
    p->rest = leat_str_slice(p->rest, end, p->rest.len);
    return taken;
}

static char unescaped(char c)
{
    if (c == 'n') return '\n';
    return c == 't' ? '\t' : c;
}

/* A value in double quotes; rest is at the first of them. */
static leat_code take_quoted(pairs *p, leat_str *value, leat_err *err)
{
    LEAT_ASSERT(p->rest.len > 0 && p->rest.data[0] == '"');
    char *to = leat_arena_alloc(p->fields.arena, p->rest.len);
    if (to == NULL) return leat_arena_full(p->fields.arena, err);
    size_t len = 0;
    size_t at = 1;
    for (; at < p->rest.len && p->rest.data[at] != '"'; at++) {
        if (p->rest.data[at] == '\\' && at + 1 < p->rest.len)
            to[len++] = unescaped(p->rest.data[++at]);
        else
            to[len++] = p->rest.data[at];
    }
    if (at == p->rest.len) return leat_err_set(err, LEAT_ERR_SYNTAX, "a quoted value does not end");
    *value = (leat_str){to, len};
    p->rest = leat_str_slice(p->rest, at + 1, p->rest.len);
    bool ends = p->rest.len == 0 ||
                (p->blanks ? is_space(p->rest.data[0]) : leat_str_starts(p->rest, p->between));
    if (ends) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_SYNTAX, "something follows right behind a quoted value");
}

static leat_code take_pair(pairs *p, leat_err *err)
{
    leat_str whole = p->rest;
    leat_str plain = take_plain(p);
    ptrdiff_t at = leat_str_find(plain, p->equals);
    if (at <= 0)
        return leat_err_set(err, LEAT_ERR_SYNTAX, "'%.*s' is no key%.*svalue",
                            plain.len > 64 ? 64 : (int)plain.len, plain.data,
                            LEAT_STR_ARG(p->equals));
    leat_str key = leat_str_slice(plain, 0, (size_t)at);
    size_t from = (size_t)at + p->equals.len;
    leat_str value = leat_str_slice(plain, from, plain.len);
    if (from < whole.len && whole.data[from] == '"') {
        p->rest = leat_str_slice(whole, from, whole.len);
        LEAT_TRY(take_quoted(p, &value, err));
    }
    return fields_put(&p->fields, key, leat_value_string(value), err);
}

leat_code leat_parse_pairs(leat_str text, leat_str between, leat_str equals, leat_arena *arena,
                           leat_value *value, leat_err *err)
{
    LEAT_ASSERT(between.len > 0 && equals.len > 0);
    pairs p = {.rest = text,
               .between = between,
               .equals = equals,
               .blanks = leat_str_is(between, " "),
               .fields = {.arena = arena}};
    leat_code code = LEAT_OK;
    if (p.blanks) skip_between(&p);
    while (code == LEAT_OK && p.rest.len > 0) {
        code = take_pair(&p, err);
        skip_between(&p);
    }
    return fields_end(&p.fields, code, value);
}

/* --- CSV --- */

/* rest is at the opening quote; gives the field and leaves rest behind the closing one. */
static leat_code take_csv_quoted(leat_str *rest, leat_arena *arena, leat_str *field, leat_err *err)
{
    char *to = leat_arena_alloc(arena, rest->len);
    if (to == NULL) return leat_arena_full(arena, err);
    size_t len = 0;
    size_t at = 1;
    for (; at < rest->len; at++) {
        if (rest->data[at] == '"') {
            bool doubled = at + 1 < rest->len && rest->data[at + 1] == '"';
            if (!doubled) break;
            at++;
        }
        to[len++] = rest->data[at];
    }
    if (at >= rest->len) return leat_err_set(err, LEAT_ERR_SYNTAX, "a quoted field does not end");
    *field = (leat_str){to, len};
    *rest = leat_str_slice(*rest, at + 1, rest->len);
    return LEAT_OK;
}

static leat_code take_csv(leat_str *rest, char delimiter, leat_arena *arena, leat_str *field,
                          leat_err *err)
{
    if (rest->len > 0 && rest->data[0] == '"') {
        LEAT_TRY(take_csv_quoted(rest, arena, field, err));
        if (rest->len == 0 || rest->data[0] == delimiter) return LEAT_OK;
        return leat_err_set(err, LEAT_ERR_SYNTAX, "something follows right behind a quoted field");
    }
    size_t end = 0;
    for (; end < rest->len && rest->data[end] != delimiter; end++) {
        char c = rest->data[end];
        if (c == '"')
            return leat_err_set(err, LEAT_ERR_SYNTAX,
                                "a quote inside a field that has none around");
        if (c == '\n' || c == '\r')
            return leat_err_set(err, LEAT_ERR_SYNTAX, "the text has more than one line");
    }
    *field = leat_str_slice(*rest, 0, end);
    *rest = leat_str_slice(*rest, end, rest->len);
    return LEAT_OK;
}

static leat_str without_line_end(leat_str text)
{
    if (text.len > 0 && text.data[text.len - 1] == '\n') text.len--;
    if (text.len > 0 && text.data[text.len - 1] == '\r') text.len--;
    return text;
}

leat_code leat_parse_csv(leat_str text, char delimiter, const leat_str *names, size_t names_count,
                         leat_arena *arena, leat_value *value, leat_err *err)
{
    leat_value *items = NULL;
    size_t count = 0;
    size_t size = 0;
    LEAT_ASSERT(delimiter != '"' && delimiter != '\n');
    leat_str rest = without_line_end(text);
    for (;;) {
        leat_str field = LEAT_STR_NONE;
        if (count == LEAT_PARSE_FIELDS_MAX)
            return leat_err_set(err, LEAT_ERR_LIMIT, "the text has more than %d fields",
                                LEAT_PARSE_FIELDS_MAX);
        if (count == size) {
            size_t grown = size == 0 ? 16 : size * 2;
            leat_value *more = leat_arena_array(arena, grown, sizeof *more);
            if (more == NULL) return leat_arena_full(arena, err);
            if (count > 0) memcpy(more, items, count * sizeof *more);
            items = more;
            size = grown;
        }
        LEAT_TRY(take_csv(&rest, delimiter, arena, &field, err));
        items[count++] = leat_value_string(field);
        if (rest.len == 0) break;
        rest = leat_str_slice(rest, 1, rest.len);
    }
    if (names_count == 0) {
        *value = leat_value_list(items, count);
        return LEAT_OK;
    }
    if (count != names_count)
        return leat_err_set(err, LEAT_ERR_SYNTAX, "the line has %zu field%s, not %zu", count,
                            count == 1 ? "" : "s", names_count);
    leat_entry *entries = leat_arena_array(arena, count, sizeof *entries);
    if (entries == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < count; i++)
        entries[i] = (leat_entry){leat_value_string(names[i]), items[i]};
    *value = leat_value_map(entries, count);
    return LEAT_OK;
}

/* --- URLs --- */

/* Without its percent signs. */
static leat_code decoded(leat_str text, bool plus, leat_arena *arena, leat_str *out, leat_err *err)
{
    *out = text;
    bool plain = memchr(text.data, '%', text.len) == NULL &&
                 !(plus && memchr(text.data, '+', text.len) != NULL);
    if (text.len == 0 || plain) return LEAT_OK;
    leat_buf buf;
    LEAT_ASSERT(arena != NULL);
    leat_buf_init(&buf, text.len);
    leat_code code = leat_percent_decode(text, plus, &buf, err);
    if (code == LEAT_OK && !leat_str_utf8_valid(leat_buf_str(&buf)))
        code = leat_err_set(err, LEAT_ERR_SYNTAX, "what is percent-encoded is not valid UTF-8");
    if (code == LEAT_OK) {
        *out = leat_arena_copy(arena, leat_buf_str(&buf));
        if (out->data == NULL) code = leat_arena_full(arena, err);
    }
    leat_buf_release(&buf);
    return code;
}

static leat_code put_query(fields *query, leat_str text, leat_err *err)
{
    while (text.len > 0) {
        const char *amp = memchr(text.data, '&', text.len);
        size_t end = amp == NULL ? text.len : (size_t)(amp - text.data);
        leat_str pair = leat_str_slice(text, 0, end);
        text = amp == NULL ? LEAT_STR_NONE : leat_str_slice(text, end + 1, text.len);
        if (pair.len == 0) continue;
        const char *equals = memchr(pair.data, '=', pair.len);
        size_t key_len = equals == NULL ? pair.len : (size_t)(equals - pair.data);
        leat_str key = leat_str_slice(pair, 0, key_len);
        leat_str value =
            equals == NULL ? LEAT_STR("") : leat_str_slice(pair, key_len + 1, pair.len);
        LEAT_TRY(decoded(key, true, query->arena, &key, err));
        LEAT_TRY(decoded(value, true, query->arena, &value, err));
        LEAT_TRY(fields_put(query, key, leat_value_string(value), err));
    }
    return LEAT_OK;
}

static leat_code put_text(fields *f, const char *name, leat_str text, leat_err *err)
{
    return fields_put(f, leat_str_of(name), leat_value_string(text), err);
}

static leat_code put_port(fields *f, leat_str text, leat_err *err)
{
    int64_t port = 0;
    if (text.len == 0) return LEAT_OK; /* "host:" */
    if (leat_number_int(text, &port) != LEAT_NUMBER_OK || port < 0 || port > 65535)
        return leat_err_set(err, LEAT_ERR_SYNTAX, "'%.*s' is no port",
                            text.len > 32 ? 32 : (int)text.len, text.data);
    return fields_put(f, LEAT_STR("port"), leat_value_int(port), err);
}

/* user:password@host:port */
static leat_code put_authority(fields *f, leat_str text, leat_err *err)
{
    const char *at = text.len == 0 ? NULL : memrchr(text.data, '@', text.len);
    if (at != NULL) {
        leat_str user = leat_str_slice(text, 0, (size_t)(at - text.data));
        leat_str password = LEAT_STR_NONE;
        ptrdiff_t colon = leat_str_find(user, LEAT_STR(":"));
        if (colon >= 0) {
            password = leat_str_slice(user, (size_t)colon + 1, user.len);
            user.len = (size_t)colon;
        }
        LEAT_TRY(decoded(user, false, f->arena, &user, err));
        LEAT_TRY(put_text(f, "user", user, err));
        if (colon >= 0) {
            LEAT_TRY(decoded(password, false, f->arena, &password, err));
            LEAT_TRY(put_text(f, "password", password, err));
        }
        text = leat_str_slice(text, (size_t)(at - text.data) + 1, text.len);
    }
    size_t host = text.len;
    if (text.len > 0 && text.data[0] == '[') { /* IPv6 */
        ptrdiff_t close = leat_str_find(text, LEAT_STR("]"));
        if (close < 0) return leat_err_set(err, LEAT_ERR_SYNTAX, "a host's [ has no ]");
        host = (size_t)close + 1;
        if (host < text.len && text.data[host] != ':')
            return leat_err_set(err, LEAT_ERR_SYNTAX, "something follows a host's ]");
    } else {
        ptrdiff_t colon = leat_str_find(text, LEAT_STR(":"));
        if (colon >= 0) host = (size_t)colon;
    }
    LEAT_TRY(put_text(f, "host", leat_str_slice(text, 0, host), err));
    return host < text.len ? put_port(f, leat_str_slice(text, host + 1, text.len), err) : LEAT_OK;
}

/* The length of "scheme" in scheme:...; 0: there is none. */
static size_t scheme_len(leat_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (c == ':') return i;
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
            return 0;
    }
    return 0;
}

static leat_code put_path(fields *f, leat_str text, leat_err *err)
{
    ptrdiff_t hash = leat_str_find(text, LEAT_STR("#"));
    leat_str fragment = LEAT_STR_NONE;
    if (hash >= 0) {
        fragment = leat_str_slice(text, (size_t)hash + 1, text.len);
        text.len = (size_t)hash;
    }
    ptrdiff_t mark = leat_str_find(text, LEAT_STR("?"));
    LEAT_TRY(
        put_text(f, "path", leat_str_slice(text, 0, mark >= 0 ? (size_t)mark : text.len), err));
    if (mark >= 0) {
        fields query = {.arena = f->arena};
        leat_value value = LEAT_VALUE_NULL;
        leat_code code = put_query(&query, leat_str_slice(text, (size_t)mark + 1, text.len), err);
        LEAT_TRY(fields_end(&query, code, &value));
        LEAT_TRY(fields_put(f, LEAT_STR("query"), value, err));
    }
    if (hash < 0) return LEAT_OK;
    LEAT_TRY(decoded(fragment, false, f->arena, &fragment, err));
    return put_text(f, "fragment", fragment, err);
}

static leat_code put_url(fields *f, leat_str text, leat_err *err)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7f)
            return leat_err_set(err, LEAT_ERR_SYNTAX, "a URL has no blanks or control characters");
    size_t scheme = scheme_len(text);
    if (scheme > 0) {
        LEAT_TRY(put_text(f, "scheme", leat_str_slice(text, 0, scheme), err));
        text = leat_str_slice(text, scheme + 1, text.len);
    }
    if (leat_str_starts(text, LEAT_STR("//"))) {
        size_t end = 2;
        while (end < text.len && strchr("/?#", text.data[end]) == NULL)
            end++;
        LEAT_TRY(put_authority(f, leat_str_slice(text, 2, end), err));
        text = leat_str_slice(text, end, text.len);
    }
    return put_path(f, text, err);
}

leat_code leat_parse_url(leat_str text, leat_arena *arena, leat_value *value, leat_err *err)
{
    fields f = {.arena = arena};
    if (text.len == 0) return leat_err_set(err, LEAT_ERR_SYNTAX, "an empty text is no URL");
    return fields_end(&f, put_url(&f, text, err), value);
}
