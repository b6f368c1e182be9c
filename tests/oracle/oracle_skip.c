/* SPDX-License-Identifier: Apache-2.0 */
/* After-match skip. Without a strategy complete matches come out at once, in order. With one, a
 * match waits until no partial match with an earlier first take lives; when it comes out, partial
 * and waiting matches that began no later than the strategy says are gone, without a timeout.
 *
 * Everything is decided by the number of the first event, so dropping is one comparison per partial
 * match. The order among matches is total and depends on their takes alone: never on the order in
 * which partial matches happen to lie, which a decoded matcher may have otherwise. */
#include "tests/oracle/oracle.h"

#include <stdlib.h>

#include "core/mem.h"
#include "tests/oracle/oracle_inside.h"

/* --- order --- */

static int order_of(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int oracle_compare(const oracle_take *a, const oracle_take *b)
{
    int longer = a->depth > b->depth ? -1 : a->depth < b->depth;
    int events = 0;
    int steps = 0;
    while (a->depth > b->depth)
        a = a->before;
    while (b->depth > a->depth)
        b = b->before;
    /* From the end to what they share: the last difference seen is the earliest. */
    for (; a != b; a = a->before, b = b->before) {
        LEAT_ASSERT(a != NULL && b != NULL);
        int seq = order_of(a->seq, b->seq);
        if (seq != 0) events = seq;
        if (a->step != b->step) steps = order_of(a->step, b->step);
    }
    if (events != 0) return events;
    return longer != 0 ? longer : steps;
}

static int compare_waiting(const void *a, const void *b)
{
    return oracle_compare(*(oracle_take *const *)a, *(oracle_take *const *)b);
}

/* --- dropping --- */

/* The number of the event up to which first takes are dropped; 0: none. */
static uint64_t skip_limit(const leat_pattern *pattern, const oracle_take *last, bool *missed)
{
    uint64_t named = 0;
    *missed = false;
    switch (pattern->skip) {
    case LEAT_SKIP_NONE: return 0;
    case LEAT_SKIP_TO_NEXT: return oracle_take_first(last)->seq;
    case LEAT_SKIP_PAST_LAST_EVENT: return last->seq;
    case LEAT_SKIP_TO_FIRST:
    case LEAT_SKIP_TO_LAST: break;
    }
    for (const oracle_take *take = last; take != NULL; take = take->before) {
        if (take->step != pattern->skip_to) continue;
        named = take->seq;
        if (pattern->skip == LEAT_SKIP_TO_LAST) break;
    }
    *missed = named == 0 && pattern->skip_must;
    return named == 0 ? 0 : named - 1; /* what begins at that very event lives on */
}

static void drop_partials(oracle *matcher, uint64_t limit)
{
    partials *list = &matcher->partials;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i]->first_seq > limit)
            list->items[kept++] = list->items[i];
        else
            oracle_partial_free(list->items[i]);
    }
    list->count = kept;
}

static void drop_waiting(oracle *matcher, uint64_t limit)
{
    takes *list = &matcher->waiting;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (oracle_take_first(list->items[i])->seq > limit)
            list->items[kept++] = list->items[i];
        else
            oracle_take_release(&list->items[i]);
    }
    list->count = kept;
}

static uint64_t earliest_partial(const oracle *matcher)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < matcher->partials.count; i++)
        if (matcher->partials.items[i]->first_seq < least)
            least = matcher->partials.items[i]->first_seq;
    return least;
}

/* --- coming out --- */

leat_code oracle_matches_add(oracle_matches *matches, oracle_match match, leat_err *err)
{
    void *items = matches->items;
    leat_code code =
        oracle_reserve(&items, &matches->size, matches->count, sizeof *matches->items, err);
    if (code != LEAT_OK) {
        oracle_take_release(&match.last);
        return code;
    }
    matches->items = items;
    matches->items[matches->count++] = match;
    matches->out++;
    return LEAT_OK;
}

bool oracle_matches_full(const oracle *matcher, const oracle_matches *matches)
{
    return matches->out >= matcher->nfa->pattern->matches_max;
}

static leat_code emit_all(oracle *matcher, oracle_matches *matches, leat_err *err)
{
    takes *list = &matcher->waiting;
    size_t count = list->count;
    list->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (oracle_matches_full(matcher, matches)) {
            oracle_take_release(&list->items[i]);
            matches->withheld++;
            continue;
        }
        leat_code code = oracle_matches_add(matches, (oracle_match){.last = list->items[i]}, err);
        for (; code != LEAT_OK && ++i < count;)
            oracle_take_release(&list->items[i]);
        LEAT_TRY(code);
    }
    return LEAT_OK;
}

/* Too many came out already. The match does to others what it would do; but where it lets others
 * live that begin like it, they are withheld with it, and do nothing. */
static void withhold(oracle *matcher, oracle_matches *matches, oracle_take *last, uint64_t limit)
{
    takes *list = &matcher->waiting;
    uint64_t first = oracle_take_first(last)->seq;
    size_t kept = 0;
    oracle_take_release(&last);
    matches->withheld++;
    for (size_t i = 0; i < list->count; i++) {
        if (limit >= first || oracle_take_first(list->items[i])->seq != first) {
            list->items[kept++] = list->items[i];
        } else {
            oracle_take_release(&list->items[i]);
            matches->withheld++;
        }
    }
    list->count = kept;
}

leat_code oracle_skip_emit(oracle *matcher, oracle_matches *matches, leat_err *err)
{
    takes *list = &matcher->waiting;
    const leat_pattern *pattern = matcher->nfa->pattern;
    if (list->count > 1) qsort(list->items, list->count, sizeof(oracle_take *), compare_waiting);
    if (pattern->skip == LEAT_SKIP_NONE) return emit_all(matcher, matches, err);
    while (list->count > 0) {
        oracle_take *last = list->items[0];
        LEAT_ASSERT(last->references > 0);
        if (earliest_partial(matcher) < oracle_take_first(last)->seq) break;
        oracle_match match = {.last = last};
        uint64_t limit = skip_limit(pattern, last, &match.missed);
        list->count--;
        memmove(list->items, list->items + 1, list->count * sizeof(oracle_take *));
        if (oracle_matches_full(matcher, matches))
            withhold(matcher, matches, last, limit);
        else
            LEAT_TRY(oracle_matches_add(matches, match, err));
        if (limit == 0) continue;
        drop_partials(matcher, limit);
        drop_waiting(matcher, limit);
    }
    return LEAT_OK;
}

void oracle_matches_reset(oracle_matches *matches)
{
    for (size_t i = 0; i < matches->count; i++)
        oracle_take_release(&matches->items[i].last);
    matches->count = 0;
    matches->dropped = matches->withheld = matches->out = 0;
}

void oracle_matches_release(oracle_matches *matches)
{
    oracle_matches_reset(matches);
    leat_mem_free(matches->items);
    *matches = (oracle_matches){0};
}
