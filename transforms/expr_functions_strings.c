/* SPDX-License-Identifier: Apache-2.0 */
/* The strings extension: charAt, indexOf, join, replace, split, substring, trim ...
 *
 * Positions count code points; a text is walked once to find the byte where a position is, which is
 * charged by its length. Positions outside of the text are errors, as the specification has them.
 * What is cut out of a text is borrowed from it; only what is put together is copied. */
#include "transforms/expr_function.h"
#include "transforms/expr_out.h"

#define OUTSIDE SIZE_MAX

/* The byte where code point `position` begins (the end, for the number of points), or OUTSIDE. */
static size_t byte_of(leat_str text, int64_t position)
{
    size_t at = 0;
    if (position < 0) return OUTSIDE;
    for (; position > 0; position--) {
        if (at >= text.len) return OUTSIDE;
        at += leat_expr_point_len(text.data[at]);
    }
    return at;
}

static int64_t points_before(leat_str text, size_t byte)
{
    int64_t points = 0;
    for (size_t i = 0; i < byte; i++)
        points += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return points;
}

static leat_value outside(const leat_expr_run *run)
{
    return leat_expr_fail(run, LEAT_ERR_RANGE, "the position is outside of the text");
}

leat_value leat_expr_char_at(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_str text = leat_value_str(args[0]);
    LEAT_ASSERT(count == 2);
    if (!leat_expr_charge(run, text.len / 16)) return leat_expr_fail_cost(run);
    size_t at = byte_of(text, args[1].as.i);
    if (at == OUTSIDE) return outside(run);
    size_t len = at < text.len ? leat_expr_point_len(text.data[at]) : 0;
    return leat_value_string(leat_str_slice(text, at, at + len));
}

leat_value leat_expr_index_of(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_str text = leat_value_str(args[0]);
    LEAT_ASSERT(count == 2 || count == 3);
    if (!leat_expr_charge(run, text.len / 8)) return leat_expr_fail_cost(run);
    size_t from = count == 3 ? byte_of(text, args[2].as.i) : 0;
    if (from == OUTSIDE) return outside(run);
    ptrdiff_t found = leat_str_find(leat_str_slice(text, from, text.len), leat_value_str(args[1]));
    if (found < 0) return leat_value_int(-1);
    return leat_value_int(points_before(text, from + (size_t)found));
}

leat_value leat_expr_last_index_of(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_str text = leat_value_str(args[0]);
    leat_str part = leat_value_str(args[1]);
    LEAT_ASSERT(count == 2 || count == 3);
    /* Each place is tried: as many comparisons as the part is long, at worst. */
    uint64_t cost = text.len / 8 + (uint64_t)text.len * part.len / 64;
    if (!leat_expr_charge(run, cost)) return leat_expr_fail_cost(run);
    size_t from = count == 3 ? byte_of(text, args[2].as.i) : text.len;
    if (from == OUTSIDE) return outside(run);
    if (part.len > text.len) return leat_value_int(-1);
    if (from > text.len - part.len) from = text.len - part.len;
    for (size_t at = from + 1; at > 0; at--) {
        bool here = part.len == 0 || memcmp(text.data + at - 1, part.data, part.len) == 0;
        if (here) return leat_value_int(points_before(text, at - 1));
    }
    return leat_value_int(-1);
}

leat_value leat_expr_substring(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_str text = leat_value_str(args[0]);
    LEAT_ASSERT(count == 2 || count == 3);
    if (!leat_expr_charge(run, text.len / 16)) return leat_expr_fail_cost(run);
    size_t from = byte_of(text, args[1].as.i);
    size_t to = count == 3 ? byte_of(text, args[2].as.i) : text.len;
    if (from == OUTSIDE || to == OUTSIDE || from > to) return outside(run);
    return leat_value_string(leat_str_slice(text, from, to));
}

/* --- case and blanks --------------------------------------------------------------------- */

static leat_value change_case(leat_expr_run *run, leat_value value, char first, char last)
{
    if (!leat_expr_charge(run, value.len / 16)) return leat_expr_fail_cost(run);
    char *text = leat_arena_alloc(run->arena, value.len > 0 ? value.len : 1);
    if (text == NULL) return leat_expr_fail_full(run);
    for (uint32_t i = 0; i < value.len; i++) {
        char c = value.as.text[i];
        text[i] = c >= first && c <= last ? (char)(c ^ 0x20) : c;
    }
    return leat_value_string((leat_str){text, value.len});
}

leat_value leat_expr_lower(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1);
    return change_case(run, args[0], 'A', 'Z');
}

leat_value leat_expr_upper(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1);
    return change_case(run, args[0], 'a', 'z');
}

/* The length of the white space (as Unicode has it) that begins at `at`, or 0. */
static size_t blank_at(leat_str text, size_t at)
{
    static const char *const blanks[] = {
        "\xc2\x85", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003",
        "\u2004",   "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a",
        "\u2028",   "\u2029", "\u202f", "\u205f", "\u3000",
    };
    char c = text.data[at];
    if (c == ' ' || (c >= '\t' && c <= '\r')) return 1;
    if ((unsigned char)c < 0x80) return 0;
    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++) {
        size_t len = strlen(blanks[i]);
        if (len <= text.len - at && memcmp(text.data + at, blanks[i], len) == 0) return len;
    }
    return 0;
}

leat_value leat_expr_trim(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_str text = leat_value_str(args[0]);
    LEAT_ASSERT(count == 1);
    if (!leat_expr_charge(run, text.len / 8)) return leat_expr_fail_cost(run);
    size_t start = 0;
    while (start < text.len && blank_at(text, start) > 0)
        start += blank_at(text, start);
    size_t end = start;
    for (size_t at = start; at < text.len; at += leat_expr_point_len(text.data[at])) {
        if (blank_at(text, at) == 0) end = at + leat_expr_point_len(text.data[at]);
    }
    return leat_value_string(leat_str_slice(text, start, end));
}

leat_value leat_expr_reverse_text(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_str text = leat_value_str(args[0]);
    LEAT_ASSERT(count == 1);
    if (!leat_expr_charge(run, text.len / 8)) return leat_expr_fail_cost(run);
    char *reversed = leat_arena_alloc(run->arena, text.len > 0 ? text.len : 1);
    if (reversed == NULL) return leat_expr_fail_full(run);
    for (size_t at = 0; at < text.len;) {
        size_t len = leat_expr_point_len(text.data[at]);
        memcpy(reversed + text.len - at - len, text.data + at, len);
        at += len;
    }
    return leat_value_string((leat_str){reversed, text.len});
}

/* --- apart and together ------------------------------------------------------------------ */

/* The next place of part at or behind `from`; an empty part stands between all code points. */
static size_t next_place(leat_str text, leat_str part, size_t from)
{
    if (part.len == 0) return from <= text.len ? from : OUTSIDE;
    ptrdiff_t found = leat_str_find(leat_str_slice(text, from, text.len), part);
    return found < 0 ? OUTSIDE : from + (size_t)found;
}

leat_value leat_expr_replace(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_str text = leat_value_str(args[0]);
    leat_str part = leat_value_str(args[1]);
    int64_t left = count == 4 ? args[3].as.i : -1;
    leat_expr_out out;
    size_t at = 0;
    size_t search = 0;
    LEAT_ASSERT(count == 3 || count == 4);
    leat_expr_out_init(&out, run);
    while (left != 0 && !out.full && !out.cost) {
        size_t place = next_place(text, part, search);
        if (place == OUTSIDE) break;
        leat_expr_out_add(&out, leat_str_slice(text, at, place));
        leat_expr_out_add(&out, leat_value_str(args[2]));
        if (!leat_expr_charge(run, 1)) return leat_expr_fail_cost(run);
        at = place + part.len;
        search = at;
        if (part.len == 0) search += place < text.len ? leat_expr_point_len(text.data[place]) : 1;
        if (left > 0) left--;
    }
    leat_expr_out_add(&out, leat_str_slice(text, at, text.len));
    return leat_expr_out_value(&out, LEAT_STRING);
}

/* The pieces between separators, at most `limit`; counts only where items is NULL. */
static uint32_t split_into(leat_str text, leat_str separator, int64_t limit, leat_value *items)
{
    uint32_t count = 0;
    size_t at = 0;
    if (limit == 0 || (text.len == 0 && separator.len == 0)) return 0;
    for (;;) {
        size_t place = OUTSIDE;
        if (count + 1 != limit && separator.len > 0) place = next_place(text, separator, at);
        if (count + 1 != limit && separator.len == 0) { /* every code point by itself */
            place = at + leat_expr_point_len(text.data[at]);
            if (place >= text.len) place = OUTSIDE;
        }
        size_t end = place == OUTSIDE ? text.len : place;
        if (items != NULL) items[count] = leat_value_string(leat_str_slice(text, at, end));
        count++;
        if (place == OUTSIDE) return count;
        at = place + separator.len;
    }
}

leat_value leat_expr_split(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_str text = leat_value_str(args[0]);
    leat_str separator = leat_value_str(args[1]);
    int64_t limit = count == 3 ? args[2].as.i : -1;
    LEAT_ASSERT(count == 2 || count == 3);
    if (!leat_expr_charge(run, text.len / 8)) return leat_expr_fail_cost(run);
    uint32_t pieces = split_into(text, separator, limit, NULL);
    if (!leat_expr_charge(run, pieces)) return leat_expr_fail_cost(run);
    leat_value *items = leat_expr_items_new(run, pieces);
    if (items == NULL) return leat_expr_fail_full(run);
    (void)split_into(text, separator, limit, items);
    return leat_value_list(items, pieces);
}

leat_value leat_expr_join(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_str separator = count == 2 ? leat_value_str(args[1]) : LEAT_STR("");
    leat_expr_out out;
    leat_expr_out_init(&out, run);
    LEAT_ASSERT(args[0].tag == LEAT_LIST);
    for (uint32_t i = 0; i < args[0].len; i++) {
        if (args[0].as.items[i].tag != LEAT_STRING) {
            return leat_expr_no_overload(run, "join", &args[0].as.items[i], 1);
        }
        if (!leat_expr_charge(run, 1)) return leat_expr_fail_cost(run);
        if (i > 0) leat_expr_out_add(&out, separator);
        leat_expr_out_add(&out, leat_value_str(args[0].as.items[i]));
    }
    return leat_expr_out_value(&out, LEAT_STRING);
}

leat_value leat_expr_quote(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    static const char plain[] = "\a\b\f\n\r\t\v\\\"";
    static const char escaped[] = "abfnrtv\\\"";
    leat_expr_out out;
    LEAT_ASSERT(count == 1);
    leat_expr_out_init(&out, run);
    leat_expr_out_add_char(&out, '"');
    for (uint32_t i = 0; i < args[0].len; i++) {
        char c = args[0].as.text[i];
        const char *found = c != '\0' ? strchr(plain, c) : NULL;
        if (found != NULL) leat_expr_out_add_char(&out, '\\');
        leat_expr_out_add_char(&out, found != NULL ? escaped[found - plain] : c);
        if ((i & 15) == 15 && !leat_expr_charge(run, 1)) return leat_expr_fail_cost(run);
    }
    leat_expr_out_add_char(&out, '"');
    return leat_expr_out_value(&out, LEAT_STRING);
}
