/* SPDX-License-Identifier: Apache-2.0 */
/* A walk through the pattern's tree, with what comes next as a continuation:
 *
 *   sequence   part after part; a NOT is noted, to be held against the next take
 *   enter      take it, or leave it out
 *   iterate    once through a group; round: once more, or out
 *   take       each later event that may be taken: `allowed` looks at all events in between
 *   finish     what the end of the pattern asks for
 *
 * Only `allowed` knows the rules of links, stops, NOTs, windows and greed, and it looks at the
 * stream, not at a state. Greed, read mildly: the take that a greedy step could have made itself is
 * asked for with the same function. */
#include "tests/oracle/rules.h"

#define NOWHERE SIZE_MAX

/* How a step comes to a take. */
typedef struct approach {
    leat_contiguity link;
    uint64_t heads; /* parts: first steps of alternatives, of which the first that fits ends it */
    bool loop;      /* a further take */
    uint64_t loop_nots;
} approach;

/* A take that a greedy step could make. */
typedef struct greed {
    const leat_part *step;
    approach how;
    uint64_t not_next, not_between, inside;
} greed;

#define GREEDS_MAX 16

/* What was taken, and what was passed since. */
typedef struct run {
    oracle_take *last;
    size_t at; /* of the last take, among the events; NOWHERE */
    uint64_t not_next, not_between;
    uint64_t inside; /* groups in which the last take was, this time round */
    greed greeds[GREEDS_MAX];
    unsigned greeds_count;
} run;

typedef struct search {
    const leat_pattern *pattern;
    oracle_testing *testing;
    leat_event **events;
    size_t count;
    uint64_t budget; /* of small steps */
    leat_arena *arena;
    rules_found found;
    uint64_t final_nots;
} search;

typedef struct next next;
struct next {
    void (*go)(search *s, const next *self, const run *r);
    const next *then;
    const leat_part *part;
    const approach *how;
    uint32_t number; /* position, or count */
    const oracle_take *before;
};

static void sequence(search *s, const leat_part *group, uint32_t from, const approach *forced,
                     const run *r, const next *then);
static void enter(search *s, const leat_part *part, const approach *forced, const run *r,
                  const next *then);
static void iterate(search *s, const leat_part *group, const approach *how, uint32_t count,
                    const run *r, const next *then);

static uint64_t bit(const leat_part *part)
{
    return (uint64_t)1 << part->index;
}

/* --- conditions --- */

static void spend(search *s)
{
    if (s->budget > 0) s->budget--;
}

static bool holds(search *s, uint32_t condition, const run *r, size_t event)
{
    bool yes = true;
    leat_err err = {0};
    if (condition == LEAT_CONDITION_TRUE) return true;
    leat_arena_mark mark = leat_arena_save(s->arena);
    oracle_testing_begin(s->testing, s->events[event], s->arena);
    const oracle_host *host = oracle_testing_host(s->testing);
    leat_code code = host->test(host->self, condition, r->last, &yes, &err);
    LEAT_ASSERT(code == LEAT_OK);
    leat_arena_restore(s->arena, mark);
    spend(s);
    return yes;
}

/* Whether the `where` of one of the parts holds. */
static bool one_holds(search *s, uint64_t parts, const run *r, size_t event)
{
    for (uint32_t i = 0; i < s->pattern->parts_count; i++)
        if ((parts >> i & 1) != 0 && holds(s, s->pattern->parts[i]->where, r, event)) return true;
    return false;
}

/* Whether a stop condition holds: of the step and the groups around it, or only of those in which
 * the last take was, too. */
static bool stopped(search *s, const leat_part *step, const approach *how, const run *r,
                    size_t event, bool waiting)
{
    for (const leat_part *part = step; part != NULL; part = part->parent) {
        if (!part->has_until) continue;
        bool in = part == step ? how->loop : (r->inside & bit(part)) != 0;
        if ((!waiting || in) && holds(s, part->until, r, event)) return true;
    }
    return false;
}

/* --- one take --- */

static int64_t time_of(const search *s, size_t event)
{
    return s->events[event]->timestamp_ms;
}

static bool in_windows(const search *s, const leat_part *step, const run *r, size_t event)
{
    const oracle_take *first = oracle_take_first(r->last);
    int64_t at_ms = time_of(s, event);
    int64_t window_ms = s->pattern->within_ms;
    if (window_ms > 0 && at_ms - first->event->timestamp_ms >= window_ms) return false;
    return step->within_ms <= 0 || at_ms - time_of(s, r->at) < step->within_ms;
}

/* Rules 1 to 9, but for greed: may the step take the event? */
static bool fits(search *s, const leat_part *step, const approach *how, uint64_t not_next,
                 const run *r, size_t event)
{
    if (!holds(s, step->where, r, event) || stopped(s, step, how, r, event, false)) return false;
    if (r->last == NULL) return true;
    if (!in_windows(s, step, r, event)) return false;
    if (how->link == LEAT_NEXT && event != r->at + 1) return false;
    if (one_holds(s, not_next, r, r->at + 1)) return false;
    uint64_t heads = how->heads != 0 ? how->heads : bit(step);
    for (size_t e = r->at + 1; e < event; e++) {
        if (how->link == LEAT_FOLLOWED_BY && one_holds(s, heads, r, e)) return false;
        if (stopped(s, step, how, r, e, true)) return false;
        if (one_holds(s, r->not_between | how->loop_nots, r, e)) return false;
    }
    return !one_holds(s, how->loop_nots, r, event);
}

/* Rule 6: does some greedy step want an event up to this one? */
static bool wanted(search *s, const run *r, size_t event)
{
    size_t from = r->last == NULL ? event : r->at + 1;
    for (unsigned g = 0; g < r->greeds_count; g++) {
        const greed *wants = &r->greeds[g];
        run then = *r; /* when it was the greedy step's turn */
        then.inside = wants->inside;
        then.not_between = wants->not_between;
        for (size_t e = from; e <= event; e++) {
            if (stopped(s, wants->step, &wants->how, &then, e, false)) break; /* lifted */
            if (fits(s, wants->step, &wants->how, wants->not_next, &then, e)) return true;
        }
    }
    return false;
}

static void want(search *s, run *r, const leat_part *step, const approach *how)
{
    if (r->greeds_count == GREEDS_MAX) {
        s->budget = 0;
        return;
    }
    r->greeds[r->greeds_count++] = (greed){step, *how, r->not_next, r->not_between, r->inside};
}

static uint64_t groups_around(const leat_part *step)
{
    uint64_t groups = 0;
    for (const leat_part *part = step->parent; part != NULL; part = part->parent)
        groups |= bit(part);
    return groups;
}

/* --- repetition of a step --- */

/* The NOTs right behind a step: they hold inside its loop, too (rules 7 and 8). */
static void nots_behind(const leat_part *step, uint64_t *not_next, uint64_t *in_loop)
{
    const leat_part *group = step->parent;
    *not_next = *in_loop = 0;
    if (group->kind != LEAT_PART_GROUP) return;
    for (uint32_t i = step->position + 1; i < group->parts_count; i++) {
        const leat_part *part = group->parts[i];
        if (part->kind != LEAT_PART_NOT) return;
        if (part->contiguity == LEAT_NEXT)
            *not_next |= bit(part);
        else if (i == step->position + 1)
            *in_loop |= bit(part);
    }
}

static void take(search *s, const leat_part *step, const approach *how, uint32_t count,
                 const run *r, const next *then);

/* It has taken `count` events. */
static void taken(search *s, const leat_part *step, uint32_t count, const run *r, const next *then)
{
    approach again = {.link = step->repeat, .loop = true};
    run more = *r;
    nots_behind(step, &more.not_next, &again.loop_nots);
    if (count < step->min) more.not_next = 0;
    if (count >= step->min) {
        run on = *r;
        if (step->greedy && count < step->max) {
            on.not_next = more.not_next; /* what its own next take would have to keep */
            want(s, &on, step, &again);
            on.not_next = 0;
        }
        then->go(s, then, &on);
    }
    if (count < step->max) take(s, step, &again, count + 1, &more, then);
}

static void take(search *s, const leat_part *step, const approach *how, uint32_t count,
                 const run *r, const next *then)
{
    size_t from = r->last == NULL ? 0 : r->at + 1;
    for (size_t e = from; e < s->count && s->budget > 0; e++) {
        spend(s);
        if (!fits(s, step, how, r->not_next, r, e) || wanted(s, r, e)) continue;
        oracle_take made = {.before = r->last,
                            .event = s->events[e],
                            .seq = e + 1,
                            .step = step->step,
                            .depth = r->last == NULL ? 1 : r->last->depth + 1};
        run on = {.last = &made, .at = e, .inside = groups_around(step)};
        taken(s, step, count, &on, then);
    }
}

/* --- groups --- */

static uint64_t heads_of(const leat_part *part, bool *alternatives)
{
    while (part->kind == LEAT_PART_GROUP)
        part = part->parts[0];
    if (part->kind != LEAT_PART_ANY_OF) return bit(part);
    uint64_t heads = 0;
    *alternatives = true;
    for (uint32_t i = 0; i < part->parts_count; i++)
        heads |= heads_of(part->parts[i], alternatives);
    return heads;
}

static approach approach_of(const leat_part *part, leat_contiguity link)
{
    bool alternatives = false;
    uint64_t heads = heads_of(part, &alternatives);
    return (approach){.link = link, .heads = alternatives ? heads : 0};
}

static void sequence_on(search *s, const next *self, const run *r)
{
    sequence(s, self->part, self->number, NULL, r, self->then);
}

static void sequence(search *s, const leat_part *group, uint32_t from, const approach *forced,
                     const run *r, const next *then)
{
    if (from == group->parts_count) {
        then->go(s, then, r);
        return;
    }
    const leat_part *part = group->parts[from];
    next on = {sequence_on, then, group, NULL, from + 1, NULL};
    if (part->kind != LEAT_PART_NOT) {
        enter(s, part, from == 0 ? forced : NULL, r, &on);
        return;
    }
    run passed = *r;
    if (part->contiguity == LEAT_NEXT)
        passed.not_next |= bit(part);
    else
        passed.not_between |= bit(part);
    sequence_on(s, &on, &passed);
}

/* An iteration has come to its end: another one, or out. */
static void round_on(search *s, const next *self, const run *r)
{
    const leat_part *group = self->part;
    bool empty = r->last == self->before;
    approach again = approach_of(group, group->repeat);
    if (self->number >= group->min) {
        run out = *r;
        out.inside &= ~bit(group);
        self->then->go(s, self->then, &out);
    }
    if (empty ? self->number < group->min : self->number < group->max)
        iterate(s, group, &again, self->number + 1, r, self->then);
}

static void iterate(search *s, const leat_part *group, const approach *how, uint32_t count,
                    const run *r, const next *then)
{
    next on = {round_on, then, group, NULL, count, r->last};
    spend(s);
    if (s->budget == 0) return;
    if (group->kind == LEAT_PART_GROUP) {
        sequence(s, group, 0, how, r, &on);
        return;
    }
    for (uint32_t i = 0; i < group->parts_count; i++)
        enter(s, group->parts[i], how, r, &on);
}

static void enter(search *s, const leat_part *part, const approach *forced, const run *r,
                  const next *then)
{
    approach how = forced != NULL ? *forced : approach_of(part, part->contiguity);
    if (part->kind == LEAT_PART_STEP)
        take(s, part, &how, 1, r, then);
    else
        iterate(s, part, &how, 1, r, then);
    if (!part->optional) return;
    run out = *r;
    if (part->kind == LEAT_PART_STEP && part->greedy) want(s, &out, part, &how);
    then->go(s, then, &out);
}

/* --- the end --- */

static void found(search *s, const run *r)
{
    spend(s);
    rules_found *list = &s->found;
    if (list->count == list->size) {
        size_t size = list->size == 0 ? 16 : list->size * 2;
        play_result *items = leat_arena_array(s->arena, size, sizeof *items);
        LEAT_ASSERT(items != NULL);
        if (list->count > 0) memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->size = size;
    }
    play_take *takes = leat_arena_array(s->arena, r->last->depth, sizeof *takes);
    LEAT_ASSERT(takes != NULL);
    for (const oracle_take *t = r->last; t != NULL; t = t->before)
        takes[t->depth - 1] = (play_take){t->step, t->event->offset};
    list->items[list->count++] = (play_result){.count = r->last->depth, .takes = takes};
}

/* What the NOTs at the end ask for. */
static void finish(search *s, const next *self, const run *r)
{
    (void)self;
    if (r->last == NULL) return;
    uint64_t next_nots = r->not_next & s->final_nots;
    uint64_t between = r->not_between & s->final_nots;
    int64_t until_ms = INT64_MAX;
    if (s->pattern->within_ms > 0)
        until_ms = oracle_take_first(r->last)->event->timestamp_ms + s->pattern->within_ms;
    for (uint32_t i = 0; i < s->pattern->parts_count; i++) {
        int64_t within_ms = s->pattern->parts[i]->within_ms;
        if ((between >> i & 1) == 0 || within_ms <= 0) continue;
        if (time_of(s, r->at) + within_ms < until_ms) until_ms = time_of(s, r->at) + within_ms;
    }
    size_t event = r->at + 1;
    bool arrived = event < s->count && time_of(s, event) < until_ms;
    if (next_nots != 0 && (!arrived || one_holds(s, next_nots, r, event))) return;
    for (; between != 0 && event < s->count && time_of(s, event) < until_ms; event++)
        if (one_holds(s, between, r, event)) return;
    found(s, r);
}

/* NOTs that nothing but NOTs follows; one before a `not next` has nothing to be watched for. */
static uint64_t final_nots(const leat_part *root)
{
    uint64_t nots = 0;
    bool asked = false;
    for (uint32_t i = root->parts_count; i-- > 0;) {
        const leat_part *part = root->parts[i];
        if (part->kind != LEAT_PART_NOT) break;
        asked = asked || part->contiguity == LEAT_NEXT;
        if (part->contiguity == LEAT_NEXT || !asked) nots |= bit(part);
    }
    return nots;
}

rules_found rules_search(const leat_pattern *pattern, leat_event **events, size_t count,
                         uint64_t budget, leat_arena *arena)
{
    search s = {.pattern = pattern,
                .testing = oracle_testing_new(pattern),
                .events = events,
                .count = count,
                .budget = budget,
                .arena = arena,
                .final_nots = final_nots(pattern->root)};
    run none = {.at = NOWHERE};
    next end = {.go = finish};
    sequence(&s, pattern->root, 0, NULL, &none, &end);
    oracle_testing_free(&s.testing);
    s.found.given_up = s.budget == 0;
    return s.found;
}
