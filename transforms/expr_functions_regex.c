/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions beyond matches: extract, extractAll, groups, replace.
 *
 * A pattern that is written out in the expression is compiled with it; one that comes from the
 * record is compiled for each call, which is charged for (an expression is shared by all threads,
 * so it cannot remember one). All of them go over the text once per match, from where the last one
 * ended; a match of nothing moves on by one character, so that the end is always reached. */
#include "transforms/expr_function.h"
#include "transforms/expr_out.h"

#define PATTERN_COST       500 /* of compiling any pattern, in steps */
#define PATTERN_BYTES_COST 20  /* more for each byte of it */
#define GROUPS_MAX         100

typedef struct search {
    const leat_regex *regex;
    leat_regex *own; /* to be freed */
    leat_str text;
    size_t from, groups;
    leat_str found[GROUPS_MAX];
} search;

/* False: *error tells why. */
static bool search_begin(leat_expr_run *run, const leat_value *args, search *s, leat_value *error)
{
    leat_err err;
    LEAT_ASSERT(run->site != NULL);
    *s = (search){.text = leat_value_str(args[0])};
    if (s->text.data == NULL) s->text = LEAT_STR("");
    if (run->site->regex > 0) {
        s->regex = run->expr->regexes[run->site->regex - 1];
    } else {
        uint64_t cost = PATTERN_COST + (uint64_t)args[1].len * PATTERN_BYTES_COST;
        if (!leat_expr_charge(run, cost)) {
            *error = leat_expr_fail_cost(run);
            return false;
        }
        if (leat_regex_new(&s->own, leat_value_str(args[1]), &err) != LEAT_OK) {
            if (err.code != LEAT_ERR_MEMORY) err.code = LEAT_ERR_INVALID; /* the record's mistake */
            *error = leat_expr_fail_err(run, &err);
            return false;
        }
        s->regex = s->own;
    }
    s->groups = leat_regex_groups(s->regex);
    LEAT_ASSERT(s->groups < GROUPS_MAX);
    return true;
}

static void search_end(search *s)
{
    if (s->own != NULL) leat_regex_free(&s->own);
}

/* The next match; false: none, or (*error is one) too much was spent. */
static bool search_next(leat_expr_run *run, search *s, leat_value *error)
{
    if (s->from > s->text.len) return false;
    if (!leat_expr_charge(run, 1 + (s->text.len - s->from) / 16)) {
        *error = leat_expr_fail_cost(run);
        return false;
    }
    if (!leat_regex_find_from(s->regex, s->text, s->from, s->found, s->groups + 1)) return false;
    size_t end = (size_t)(s->found[0].data - s->text.data) + s->found[0].len;
    s->from = end;
    if (s->found[0].len == 0)
        s->from += end < s->text.len ? leat_expr_point_len(s->text.data[end]) : 1;
    return true;
}

/* What of a match is taken: the only group, or all of it. */
static leat_value taken(const search *s)
{
    leat_str part = s->found[s->groups];
    return leat_value_string(part.data != NULL ? part : LEAT_STR(""));
}

static bool one_group(const leat_expr_run *run, const search *s, leat_value *error)
{
    if (s->groups <= 1) return true;
    *error = leat_expr_fail(run, LEAT_ERR_INVALID,
                            "the pattern has more than one group: write (?:...) for the others");
    return false;
}

leat_value leat_expr_regex_extract(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    search s;
    leat_value result = leat_value_tagged(LEAT_OPTIONAL);
    LEAT_ASSERT(count == 2);
    if (!search_begin(run, args, &s, &result)) return result;
    if (one_group(run, &s, &result) && search_next(run, &s, &result))
        result = leat_expr_optional_of(run, taken(&s));
    search_end(&s);
    return result;
}

leat_value leat_expr_regex_extract_all(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    search s;
    leat_value *items = NULL;
    size_t found = 0, size = 0;
    leat_value error = LEAT_VALUE_NULL;
    LEAT_ASSERT(count == 2);
    if (!search_begin(run, args, &s, &error)) return error;
    while (one_group(run, &s, &error) && search_next(run, &s, &error)) {
        if (found == size) {
            size_t grown = size == 0 ? 8 : size * 2;
            items =
                leat_arena_extend(run->arena, items, size * sizeof *items, grown * sizeof *items);
            if (items == NULL) {
                error = leat_expr_fail_full(run);
                break;
            }
            size = grown;
        }
        items[found++] = taken(&s);
    }
    search_end(&s);
    return error.tag == LEAT_ERROR ? error : leat_value_list(items, found);
}

leat_value leat_expr_regex_groups(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    search s;
    leat_value result = leat_value_tagged(LEAT_OPTIONAL);
    LEAT_ASSERT(count == 2);
    if (!search_begin(run, args, &s, &result)) return result;
    if (search_next(run, &s, &result)) {
        size_t named = 0;
        leat_entry *entries = leat_arena_array(run->arena, s.groups + 1, sizeof *entries);
        for (size_t i = 1; i <= s.groups && entries != NULL; i++) {
            leat_str name = leat_regex_group_name(s.regex, i);
            if (name.data == NULL || s.found[i].data == NULL) continue;
            name = leat_arena_copy(run->arena, name); /* the pattern may be this call's own */
            if (name.data == NULL) entries = NULL;
            if (entries != NULL)
                entries[named++] =
                    (leat_entry){leat_value_string(name), leat_value_string(s.found[i])};
        }
        result = entries != NULL ? leat_expr_optional_of(run, leat_value_map(entries, named))
                                 : leat_expr_fail_full(run);
    }
    search_end(&s);
    return result;
}

/* The replacement for the present match. False: it names a group that is not there. */
static bool put_replacement(leat_expr_out *out, const search *s, leat_str with)
{
    for (size_t i = 0; i < with.len; i++) {
        char next = i + 1 < with.len ? with.data[i + 1] : '\0';
        if (with.data[i] != '\\') {
            leat_expr_out_add_char(out, with.data[i]);
        } else if (next >= '0' && next <= '9') {
            size_t group = (size_t)(next - '0');
            if (group > s->groups) return false;
            if (s->found[group].data != NULL) leat_expr_out_add(out, s->found[group]);
            i++;
        } else {
            if (next == '\\') i++;
            leat_expr_out_add_char(out, '\\');
        }
    }
    return true;
}

leat_value leat_expr_regex_replace(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    search s;
    leat_expr_out out;
    leat_value error = LEAT_VALUE_NULL;
    int64_t left = count > 3 ? args[3].as.i : -1;
    size_t copied = 0;
    LEAT_ASSERT(count == 3 || count == 4);
    if (!search_begin(run, args, &s, &error)) return error;
    leat_expr_out_init(&out, run);
    while (left != 0 && !out.full && !out.cost && search_next(run, &s, &error)) {
        size_t at = (size_t)(s.found[0].data - s.text.data);
        leat_expr_out_add(&out, leat_str_slice(s.text, copied, at));
        if (!put_replacement(&out, &s, leat_value_str(args[2]))) {
            error = leat_expr_fail(run, LEAT_ERR_INVALID,
                                   "the replacement names a group that the pattern does not have");
            break;
        }
        copied = at + s.found[0].len;
        left--;
    }
    leat_expr_out_add(&out, leat_str_slice(s.text, copied, s.text.len));
    search_end(&s);
    return error.tag == LEAT_ERROR ? error : leat_expr_out_value(&out, LEAT_STRING);
}
