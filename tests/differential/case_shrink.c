/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a failing case smaller: one small cut after the other is tried, and kept if the case still
 * fails, until no cut is left or the tries are used up.
 *
 * Cuts of the pattern know nothing of patterns but a few keys: they work on its JSON, and what is
 * no valid pattern any more does not fail. They are numbered in the order of a walk, so that going
 * on after one that was kept means going on with the same number. */
#include <string.h>

#include "tests/differential/case.h"

typedef struct cutter {
    leat_arena *arena;
    size_t left; /* cuts to pass by */
    bool done;
} cutter;

static void *need(leat_arena *arena, size_t bytes)
{
    void *ptr = leat_arena_zero(arena, bytes);
    LEAT_ASSERT(ptr != NULL);
    return ptr;
}

/* Whether it is this cut's turn. */
static bool turn(cutter *cut)
{
    if (cut->done || cut->left-- > 0) return false;
    cut->done = true;
    return true;
}

static leat_value cut_value(cutter *cut, leat_str key, leat_value value);

/* --- text --- */

static leat_value cut_text(cutter *cut, leat_str key, leat_value value)
{
    static const char *const joints[] = {" && ", " || "};
    leat_str text = leat_value_str(value);
    if (!leat_str_is(key, "where") && !leat_str_is(key, "until")) return value;
    for (size_t i = 0; i < 2; i++) {
        int64_t at = leat_str_find(text, leat_str_of(joints[i]));
        if (at < 0) continue;
        if (turn(cut)) return leat_value_string(leat_str_slice(text, 0, (size_t)at));
        if (turn(cut)) return leat_value_string(leat_str_slice(text, (size_t)at + 4, text.len));
    }
    if (text.len > 3 && memcmp(text.data, "!(", 2) == 0 && turn(cut))
        return leat_value_string(leat_str_slice(text, 2, text.len - 1));
    return value;
}

/* --- objects and lists --- */

static leat_value without(cutter *cut, leat_value map, uint32_t gone)
{
    leat_entry *entries = need(cut->arena, map.len * sizeof *entries);
    uint32_t count = 0;
    for (uint32_t i = 0; i < map.len; i++)
        if (i != gone) entries[count++] = map.as.entries[i];
    return leat_value_map(entries, count);
}

static leat_value cut_map(cutter *cut, leat_value map)
{
    static const char *const kept[] = {"steps", "any_of", "name", "limits", "ts", "k"};
    for (uint32_t i = 0; i < map.len; i++) {
        leat_str key = leat_value_str(map.as.entries[i].key);
        bool keep = false;
        for (size_t j = 0; j < sizeof kept / sizeof *kept; j++)
            keep = keep || leat_str_is(key, kept[j]);
        if (!keep && turn(cut)) return without(cut, map, i);
    }
    for (uint32_t i = 0; i < map.len && !cut->done; i++) {
        leat_str key = leat_value_str(map.as.entries[i].key);
        if (leat_str_is(key, "limits")) continue;
        leat_value inner = cut_value(cut, key, map.as.entries[i].value);
        if (!cut->done) continue;
        leat_entry *entries = need(cut->arena, map.len * sizeof *entries);
        memcpy(entries, map.as.entries, map.len * sizeof *entries);
        entries[i].value = inner;
        return leat_value_map(entries, map.len);
    }
    return map;
}

/* The list with items in place of the one at `at`. */
static leat_value spliced(cutter *cut, leat_value list, uint32_t at, leat_value items)
{
    leat_value *all = need(cut->arena, (list.len + items.len) * sizeof *all);
    uint32_t count = 0;
    for (uint32_t i = 0; i < list.len; i++) {
        if (i != at) all[count++] = list.as.items[i];
        for (uint32_t j = 0; i == at && j < items.len; j++)
            all[count++] = items.as.items[j];
    }
    return leat_value_list(all, count);
}

static leat_value cut_list(cutter *cut, leat_value list)
{
    leat_value none = leat_value_list(NULL, 0);
    for (uint32_t i = 0; i < list.len; i++) {
        leat_value item = list.as.items[i];
        leat_value inner = diff_member(item, "steps");
        if (inner.tag != LEAT_LIST) inner = diff_member(item, "any_of");
        if (list.len > 1 && turn(cut)) return spliced(cut, list, i, none);
        if (inner.tag == LEAT_LIST && turn(cut)) return spliced(cut, list, i, inner);
    }
    for (uint32_t i = 0; i < list.len && !cut->done; i++) {
        leat_value item = cut_value(cut, LEAT_STR_NONE, list.as.items[i]);
        if (cut->done) return spliced(cut, list, i, leat_value_list(&item, 1));
    }
    return list;
}

static leat_value cut_value(cutter *cut, leat_str key, leat_value value)
{
    if (value.tag == LEAT_MAP) return cut_map(cut, value);
    if (value.tag == LEAT_LIST) return cut_list(cut, value);
    if (value.tag == LEAT_STRING) return cut_text(cut, key, value);
    if (value.tag != LEAT_INT || leat_str_is(key, "ts")) return value;
    if (value.as.i > 1 && turn(cut)) return leat_value_int(1);
    if (value.as.i > 2 && turn(cut)) return leat_value_int(value.as.i - 1);
    return value;
}

/* --- happenings --- */

static diff_happening *copy(const diff_case *c, leat_arena *arena)
{
    diff_happening *all = need(arena, (c->count + 1) * sizeof *all);
    if (c->count > 0) memcpy(all, c->happenings, c->count * sizeof *all);
    return all;
}

static diff_case without_some(const diff_case *c, size_t from, size_t count, leat_arena *arena)
{
    diff_case smaller = *c;
    smaller.happenings = copy(c, arena);
    memmove(smaller.happenings + from, smaller.happenings + from + count,
            (c->count - from - count) * sizeof *smaller.happenings);
    smaller.count = c->count - count;
    return smaller;
}

/* Everything from `from` on, earlier. */
static diff_case earlier(const diff_case *c, size_t from, int64_t by_ms, leat_arena *arena)
{
    diff_case moved = *c;
    moved.happenings = copy(c, arena);
    for (size_t i = from; i < c->count; i++) {
        diff_happening *h = &moved.happenings[i];
        h->at_ms -= by_ms;
        if (h->time_only) continue;
        leat_entry *entries = need(arena, h->event.len * sizeof *entries);
        memcpy(entries, h->event.as.entries, h->event.len * sizeof *entries);
        for (uint32_t e = 0; e < h->event.len; e++)
            if (leat_str_is(leat_value_str(entries[e].key), "ts"))
                entries[e].value = leat_value_int(h->at_ms);
        h->event = leat_value_map(entries, h->event.len);
    }
    return moved;
}

/* --- all --- */

typedef struct shrinking {
    diff_case best;
    bool (*still_fails)(void *self, const diff_case *c);
    void *self;
    unsigned tries;
    leat_arena *arena;
} shrinking;

static bool attempt(shrinking *s, diff_case c)
{
    if (s->tries == 0) return false;
    s->tries--;
    if (!s->still_fails(s->self, &c)) return false;
    s->best = c;
    return true;
}

static bool shrink_happenings(shrinking *s)
{
    bool any = false;
    for (size_t size = (s->best.count + 1) / 2; size > 0; size /= 2)
        for (size_t from = 0; from + size <= s->best.count;)
            if (attempt(s, without_some(&s->best, from, size, s->arena)))
                any = true;
            else
                from += size;
    for (size_t i = 1; i < s->best.count; i++) {
        int64_t gap_ms = s->best.happenings[i].at_ms - s->best.happenings[i - 1].at_ms;
        if (gap_ms > 0 && attempt(s, earlier(&s->best, i, gap_ms, s->arena)))
            any = true;
        else if (gap_ms > 1 && attempt(s, earlier(&s->best, i, gap_ms - 1, s->arena)))
            any = true;
    }
    for (size_t i = 0; i < s->best.count; i++) {
        if (s->best.happenings[i].time_only) continue;
        for (size_t number = 0;;) {
            cutter cut = {.arena = s->arena, .left = number};
            diff_case c = s->best;
            c.happenings = copy(&s->best, s->arena);
            c.happenings[i].event = cut_value(&cut, LEAT_STR_NONE, c.happenings[i].event);
            if (!cut.done) break;
            if (attempt(s, c))
                any = true;
            else
                number++;
        }
    }
    return any;
}

static bool shrink_pattern(shrinking *s)
{
    bool any = false;
    for (size_t number = 0;;) {
        cutter cut = {.arena = s->arena, .left = number};
        diff_case c = s->best;
        c.pattern = cut_value(&cut, LEAT_STR_NONE, c.pattern);
        if (!cut.done) return any;
        if (attempt(s, c))
            any = true;
        else
            number++;
    }
}

diff_case diff_shrink(const diff_case *c, bool (*still_fails)(void *self, const diff_case *c),
                      void *self, unsigned tries, leat_arena *arena)
{
    shrinking s = {*c, still_fails, self, tries, arena};
    for (bool again = true; again && s.tries > 0;) {
        again = shrink_happenings(&s);
        again = shrink_pattern(&s) || again;
    }
    return s.best;
}
