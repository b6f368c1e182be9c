/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns that load and run, and do what hardly anybody wants:
 *
 *   explode        a loop without upper bound that makes a match of each combination, or as many
 *                  choices in a row as make n events n^4 matches
 *   no effect      a NOT before nothing but optional steps, for the match without them
 *   never hold     a condition that demands of a field what no value fulfils
 *   never match    no accepting state can be reached; or a step that nothing can reach
 *   never let go   a partial match that may wait for ever, and hold matches back under `skip`
 *   beyond limits  a match that takes more than `limits` let it, or a first repetition that does
 *   empty lists    a condition that reads a step which has taken nothing when it is asked
 *
 * Those in the middle are asked of the automaton, along edges that can take an event at all. What
 * is known of conditions is little, and enough for the mistakes that people make: whether one is
 * always or never true (two tests of a field that exclude each other, leat_expr_never), and whether
 * two are the same evaluation. An edge of which nothing is known counts as possible, so what is
 * said is certain. Refused: a solver, which would find `a < b && b < a`. */
#include "cep/pattern_warn.h"

#include "core/mem.h"

typedef enum truth { SOMETIMES, ALWAYS, NEVER } truth;

typedef struct warner {
    const leat_nfa *nfa;
    const leat_conditions *conditions;
    leat_findings *findings;
    bool *reached;                           /* states */
    bool taken[LEAT_PATTERN_PARTS_MAX];      /* steps that something can reach */
    const char *why[LEAT_PATTERN_PARTS_MAX]; /* steps: what forbids an edge to it; NULL: nothing */
    bool accepted;
} warner;

/* --- conditions --- */

static truth truth_of(const warner *w, uint32_t condition)
{
    leat_value value;
    if (condition == LEAT_CONDITION_TRUE) return ALWAYS;
    LEAT_ASSERT(condition < w->nfa->pattern->conditions_count);
    if (w->conditions == NULL || w->conditions->exprs[condition] == NULL) return SOMETIMES;
    if (leat_expr_never(w->conditions->exprs[condition]) != NULL) return NEVER;
    if (!leat_expr_is_constant(w->conditions->exprs[condition], &value)) return SOMETIMES;
    return value.tag == LEAT_BOOL && value.as.b ? ALWAYS : NEVER;
}

/* Whether they are one text, or one evaluation however it is written. */
static bool same(const warner *w, uint32_t a, uint32_t b)
{
    if (a == b) return true;
    if (a == LEAT_CONDITION_TRUE || b == LEAT_CONDITION_TRUE || w->conditions == NULL) return false;
    const leat_expr *left = w->conditions->exprs[a];
    const leat_expr *right = w->conditions->exprs[b];
    return left != NULL && right != NULL && leat_expr_same(left, right);
}

static bool any_always(const warner *w, leat_any any)
{
    bool always = any.always;
    for (uint32_t i = 0; i < any.count; i++)
        always = always || truth_of(w, any.conditions[i]) == ALWAYS;
    return always;
}

/* Whether one of them holds whenever the condition does. */
static bool any_covers(const warner *w, leat_any any, uint32_t condition)
{
    bool covers = any_always(w, any);
    for (uint32_t i = 0; i < any.count; i++)
        covers = covers || same(w, any.conditions[i], condition);
    return covers;
}

static bool any_empty(leat_any any)
{
    return any.count == 0 && !any.always;
}

/* --- edges --- */

/* Whether whatever the edge could take goes to this greedy one, which lives as long as it does. */
static bool swallows(const warner *w, const leat_nfa_edge *greedy, const leat_nfa_edge *edge)
{
    bool all = same(w, greedy->where, edge->where) || truth_of(w, greedy->where) == ALWAYS;
    bool blocked = greedy->blocks.count > 1; /* by other alternatives */
    return all && !blocked && greedy->link != LEAT_NEXT && greedy->within_ms == 0 &&
           any_empty(greedy->untils) && any_empty(greedy->ends) && any_empty(greedy->not_next) &&
           any_empty(greedy->not_between) && any_empty(greedy->not_in_loop);
}

/* What keeps an edge from ever taking an event; NULL: nothing that is known. */
static const char *forbidden(const warner *w, const leat_nfa_state *state,
                             const leat_nfa_edge *edge)
{
    bool start = state->part == NULL;
    if (!start && any_always(w, edge->not_next)) return "the `not` before it holds for every event";
    if (edge->target == LEAT_NFA_ACCEPT) return NULL;
    if (truth_of(w, edge->where) == NEVER) return "its `where` is never true";
    if (any_covers(w, edge->untils, edge->where))
        return "`until` holds for every event that fits it";
    if (any_covers(w, edge->not_in_loop, edge->where))
        return "the `not` behind it holds for every event that fits it";
    if (!start && edge->link == LEAT_NEXT && any_covers(w, edge->not_next, edge->where))
        return "the `not` before it holds for every event that fits it";
    for (uint32_t i = 0; i < state->edges_count; i++)
        if ((edge->bans >> i & 1) != 0 && swallows(w, &state->edges[i], edge))
            return "a greedy step before it takes every event that fits it";
    return NULL;
}

static void reach(warner *w)
{
    const leat_nfa *nfa = w->nfa;
    uint32_t *queue = leat_mem_need(nfa->states_count * sizeof *queue);
    uint32_t count = 1;
    w->reached[0] = true;
    for (uint32_t i = 0; i < count; i++) {
        const leat_nfa_state *state = nfa->states[queue[i]];
        w->accepted = w->accepted || state->accepts;
        for (uint32_t e = 0; e < state->edges_count; e++) {
            const leat_nfa_edge *edge = &state->edges[e];
            const char *why = forbidden(w, state, edge);
            if (edge->target == LEAT_NFA_ACCEPT) {
                w->accepted = w->accepted || why == NULL;
                continue;
            }
            LEAT_ASSERT(edge->target < nfa->states_count);
            if (why != NULL) {
                w->why[edge->step] = why;
                continue;
            }
            w->taken[edge->step] = true;
            if (w->reached[edge->target]) continue;
            w->reached[edge->target] = true;
            queue[count++] = edge->target;
        }
    }
    leat_mem_free(queue);
}

/* --- what is said --- */

static void warn_never(const warner *w)
{
    for (uint32_t i = 0; w->conditions != NULL && i < w->conditions->count; i++) {
        const leat_expr *expr = w->conditions->exprs[i];
        const char *never = expr == NULL ? NULL : leat_expr_never(expr);
        if (never != NULL)
            leat_findings_add(w->findings, w->nfa->pattern->conditions[i].node, true,
                              "can never hold: %s", never);
    }
}

/* A step that cannot be reached for a reason of its own; those behind it are not told of. */
static void warn_unmatched(const warner *w)
{
    const leat_pattern *pattern = w->nfa->pattern;
    const char *end = w->accepted ? "" : ": the pattern never matches";
    bool told = false;
    for (uint32_t i = 0; i < pattern->steps_count; i++) {
        const leat_part *step = pattern->steps[i];
        if (w->taken[i] || w->why[i] == NULL) continue;
        leat_findings_add(w->findings, step->node, true, "'%.*s' can never take an event, as %s%s",
                          LEAT_STR_ARG(step->name), w->why[i], end);
        told = true;
    }
    for (uint32_t i = 0; i < pattern->steps_count && !w->accepted && !told; i++) {
        const leat_part *step = pattern->steps[i];
        if (w->why[i] == NULL) continue;
        leat_findings_add(w->findings, step->node, true,
                          "the pattern never matches: '%.*s' can take no further event, as %s",
                          LEAT_STR_ARG(step->name), w->why[i]);
        told = true;
    }
    if (!w->accepted && !told)
        leat_findings_add(w->findings, pattern->node, true,
                          "the pattern never matches: what its end waits for cannot happen");
}

/* Whether a partial match may stand before this edge for ever. */
static bool waits(const warner *w, uint32_t from, const leat_nfa_edge *edge)
{
    bool ends = any_always(w, edge->ends) || any_always(w, edge->not_between);
    if (edge->target == LEAT_NFA_ACCEPT || edge->within_ms > 0 || ends) return false;
    if (forbidden(w, w->nfa->states[from], edge) != NULL) return false;
    bool every = truth_of(w, edge->where) == ALWAYS && any_empty(edge->untils);
    if (edge->target == from && every) return true; /* round and round */
    return edge->link != LEAT_NEXT && !every;
}

static const leat_nfa_edge *find_waiting(const warner *w)
{
    const leat_nfa *nfa = w->nfa;
    for (uint32_t i = 1; i < nfa->states_count; i++)
        for (uint32_t e = 0; e < nfa->states[i]->edges_count && w->reached[i]; e++)
            if (waits(w, i, &nfa->states[i]->edges[e])) return &nfa->states[i]->edges[e];
    return NULL;
}

static void warn_endless(const warner *w)
{
    const leat_pattern *pattern = w->nfa->pattern;
    if (pattern->within_ms > 0) return;
    const leat_nfa_edge *edge = find_waiting(w);
    if (edge == NULL) return;
    leat_str name = pattern->steps[edge->step]->name;
    const leat_node *skip = leat_node_member(pattern->node, "skip");
    if (pattern->skip != LEAT_SKIP_NONE && skip != NULL)
        leat_findings_add(w->findings, skip, true,
                          "without `within`, a partial match that waits for '%.*s' is kept for "
                          "ever, and can hold matches back for ever",
                          LEAT_STR_ARG(name));
    else
        leat_findings_add(
            w->findings, pattern->steps[edge->step]->node, true,
            "without `within`, a partial match that waits for '%.*s' is kept for ever",
            LEAT_STR_ARG(name));
}

/* Whether all that comes behind a part may be left out, and something does. */
static bool only_optional_behind(const leat_part *part)
{
    bool some = false;
    for (; part->parent != NULL; part = part->parent) {
        const leat_part *group = part->parent;
        if (group->kind != LEAT_PART_GROUP) continue;
        for (uint32_t i = part->position + 1; i < group->parts_count; i++) {
            if (!group->parts[i]->passable) return false;
            some = some || group->parts[i]->kind != LEAT_PART_NOT;
        }
    }
    return some;
}

/* The match without what is optional is there before the NOT is answered. */
static void warn_idle_nots(const warner *w)
{
    const leat_pattern *pattern = w->nfa->pattern;
    for (uint32_t i = 0; i < pattern->parts_count; i++) {
        const leat_part *part = pattern->parts[i];
        if (part->kind != LEAT_PART_NOT || !only_optional_behind(part)) continue;
        leat_findings_add(w->findings, part->node, true,
                          "has no effect on the match without the steps behind it, which may all "
                          "be left out");
    }
}

/* --- how many matches --- */

#define DEGREE_FINE    3       /* two steps by `followed_by_any` behind the first are usual */
#define DEGREE_ENDLESS 1000000 /* rather than a power of the events, a power of 2 */

static uint32_t degree_sum(uint64_t a, uint64_t b)
{
    return a + b < DEGREE_ENDLESS ? (uint32_t)(a + b) : DEGREE_ENDLESS;
}

/* The contiguity of what comes behind a part; of the end, which waits for nothing, any but NEXT. */
static leat_contiguity link_behind(const leat_part *part)
{
    for (; part->parent != NULL; part = part->parent)
        for (uint32_t i = part->position + 1;
             part->parent->kind == LEAT_PART_GROUP && i < part->parent->parts_count; i++)
            if (part->parent->parts[i]->kind != LEAT_PART_NOT)
                return part->parent->parts[i]->contiguity;
    return LEAT_FOLLOWED_BY;
}

static uint32_t degree(const leat_part *part, leat_contiguity link);

/* Of going through a part once. */
static uint32_t degree_once(const leat_part *part, leat_contiguity link)
{
    uint32_t sum = part->kind == LEAT_PART_STEP && link == LEAT_FOLLOWED_BY_ANY ? 1 : 0;
    for (uint32_t i = 0; i < part->parts_count; i++) {
        const leat_part *inner = part->parts[i];
        if (inner->kind == LEAT_PART_NOT) continue;
        bool first = part->kind == LEAT_PART_ANY_OF || i == 0;
        uint32_t more = degree(inner, first ? link : inner->contiguity);
        if (part->kind == LEAT_PART_GROUP) sum = degree_sum(sum, more);
        if (part->kind == LEAT_PART_ANY_OF && more > sum) sum = more;
    }
    return sum;
}

/* How many takes can be chosen among all events that fit, so that n events make on the order of
 * n^degree ways through the part. link: of its first take. A loop whose end is free is a choice. */
static uint32_t degree(const leat_part *part, leat_contiguity link)
{
    uint32_t once = degree_once(part, link);
    if (part->max == 1) return once;
    uint32_t again = degree_once(part, part->repeat);
    if (part->max != LEAT_UNBOUNDED) return degree_sum(once, (uint64_t)again * (part->max - 1));
    if (again > 0) return DEGREE_ENDLESS;
    return degree_sum(once, part->greedy || link_behind(part) == LEAT_NEXT ? 0 : 1);
}

/* The step or repetition that makes the most of them, the last of its like. */
static const leat_part *find_widest(const leat_pattern *pattern)
{
    const leat_part *widest = pattern->root;
    uint32_t most = 0;
    for (uint32_t i = 1; i < pattern->parts_count; i++) {
        const leat_part *part = pattern->parts[i];
        if (part->kind == LEAT_PART_NOT || (part->kind != LEAT_PART_STEP && part->max == 1))
            continue;
        uint32_t own = degree(part, part->contiguity);
        if (own < most) continue;
        most = own;
        widest = part;
    }
    return widest;
}

/* Each match is let out that there is: no strategy discards any, and no limit was thought of. */
static void warn_degree(const warner *w)
{
    const leat_pattern *pattern = w->nfa->pattern;
    const leat_node *limits = leat_node_member(pattern->node, "limits");
    uint32_t all = degree(pattern->root, LEAT_FOLLOWED_BY_ANY); /* any event that fits begins one */
    if (all <= DEGREE_FINE || pattern->skip != LEAT_SKIP_NONE) return;
    if (limits != NULL && leat_node_member(limits, "matches") != NULL) return;
    const leat_part *part = find_widest(pattern);
    const leat_node *times = leat_node_member(part->node, "times");
    const leat_node *link = leat_node_member(part->node, "contiguity");
    const leat_node *node = times != NULL ? times : link != NULL ? link : part->node;
    bool step = part->kind == LEAT_PART_STEP;
    leat_str name = step ? part->name : LEAT_STR("this group");
    const char *quote = step ? "'" : "";
    const char *remedy = "(a `skip` strategy lets one of them out, `followed_by` takes the first "
                         "event that fits, a smaller `within` keeps n small; of one event, "
                         "`limits.matches` come out)";
    if (all == DEGREE_ENDLESS)
        leat_findings_add(w->findings, node, true,
                          "each round of %s%.*s%s can go several ways, and each combination is a "
                          "match of its own: n events make more of them than any power of n %s",
                          quote, LEAT_STR_ARG(name), quote, remedy);
    else
        leat_findings_add(w->findings, node, true,
                          "each combination with %s%.*s%s is a match of its own: n events that fit "
                          "the steps make on the order of n^%u of them %s",
                          quote, LEAT_STR_ARG(name), quote, all, remedy);
}

/* False: there is no such loop. */
static bool warn_explosion(const warner *w)
{
    const leat_pattern *pattern = w->nfa->pattern;
    bool some = false;
    for (uint32_t i = 0; i < pattern->parts_count; i++) {
        const leat_part *part = pattern->parts[i];
        if (part->max != LEAT_UNBOUNDED || part->repeat != LEAT_FOLLOWED_BY_ANY) continue;
        leat_findings_add(
            w->findings, leat_node_member(part->node, "repeat"), true,
            "each combination is a match of its own: every further event that fits "
            "doubles the partial matches (`times` with `max` bounds them; of one event, "
            "`limits.matches` come out)");
        some = true;
    }
    return some;
}

/* --- limits --- */

static void warn_limits(const warner *w)
{
    const leat_pattern *pattern = w->nfa->pattern;
    const leat_part *head = pattern->root;
    if (pattern->takes_least > pattern->takes_max) {
        leat_findings_add(w->findings, pattern->node, true,
                          "the pattern never matches: a match takes %u events at least, and "
                          "`limits.events` is %u",
                          pattern->takes_least, pattern->takes_max);
        return;
    }
    while (head->parts_count > 0 && head->kind == LEAT_PART_GROUP && !head->optional)
        head = head->parts[0];
    if (head->kind != LEAT_PART_STEP || head->optional) return; /* there is another way */
    /* Of a row of events that fit each begins a partial match, and all of them go on. */
    uint64_t row = head->min;
    if (row * (row - 1) / 2 <= pattern->runs_max) return;
    leat_findings_add(w->findings, leat_node_member(head->node, "times"), true,
                      "of %u events in a row that fit, the partial matches that begin with each of "
                      "them hold more takes than `limits.partial_matches` (%u): none is complete "
                      "before it is dropped",
                      head->min, pattern->runs_max);
}

/* --- empty lists --- */

static void ask(const leat_pattern *pattern, uint32_t condition, uint64_t held, uint64_t *seen)
{
    if (condition == LEAT_CONDITION_TRUE) return;
    LEAT_ASSERT(condition < pattern->conditions_count);
    seen[condition] |= held;
}

static void ask_any(const leat_pattern *pattern, leat_any any, uint64_t held, uint64_t *seen)
{
    for (uint32_t i = 0; i < any.count; i++)
        ask(pattern, any.conditions[i], held, seen);
}

/* By condition, the steps that may have taken something when it is asked. */
static void fill_seen(const leat_nfa *nfa, uint64_t *seen)
{
    uint64_t *held = leat_mem_need(nfa->states_count * sizeof *held); /* the same, by state */
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < nfa->states_count; i++)
            for (uint32_t e = 0; e < nfa->states[i]->edges_count; e++) {
                const leat_nfa_edge *edge = &nfa->states[i]->edges[e];
                if (edge->target == LEAT_NFA_ACCEPT) continue;
                uint64_t more = held[i] | (uint64_t)1 << edge->step;
                changed = changed || (more & ~held[edge->target]) != 0;
                held[edge->target] |= more;
            }
    }
    for (uint32_t i = 0; i < nfa->states_count; i++)
        for (uint32_t e = 0; e < nfa->states[i]->edges_count; e++) {
            const leat_nfa_edge *edge = &nfa->states[i]->edges[e];
            const leat_any any[] = {edge->untils,   edge->blocks,      edge->ends,
                                    edge->not_next, edge->not_between, edge->not_in_loop};
            if (edge->target != LEAT_NFA_ACCEPT) ask(nfa->pattern, edge->where, held[i], seen);
            for (size_t n = 0; n < sizeof any / sizeof any[0]; n++)
                ask_any(nfa->pattern, any[n], held[i], seen);
        }
    leat_mem_free(held);
}

/* A condition that reads a later step, another alternative, or its own before its first take. */
static void warn_empty_lists(const warner *w)
{
    const leat_pattern *pattern = w->nfa->pattern;
    uint64_t *seen = leat_mem_need((pattern->conditions_count + 1) * sizeof *seen);
    fill_seen(w->nfa, seen);
    for (uint32_t i = 0; i < pattern->conditions_count; i++) {
        const leat_reading *reading = &pattern->conditions[i].reading;
        uint64_t read = reading->first | reading->last | reading->size | reading->whole;
        if (w->conditions != NULL && w->conditions->exprs[i] == NULL) continue; /* a mistake */
        for (uint32_t step = 0; step < pattern->steps_count && reading->known; step++) {
            if ((read & ~seen[i] & (uint64_t)1 << step) == 0) continue;
            leat_findings_add(w->findings, pattern->conditions[i].node, true,
                              "'%.*s' is empty whenever this is asked, as that step takes nothing "
                              "before: first, last and [0] of it fail",
                              LEAT_STR_ARG(pattern->steps[step]->name));
        }
    }
    leat_mem_free(seen);
}

void leat_pattern_warn(const leat_nfa *nfa, const leat_conditions *conditions,
                       leat_findings *findings)
{
    LEAT_ASSERT(nfa->states_count > 0 && nfa->pattern->steps_count > 0);
    LEAT_ASSERT(conditions == NULL || conditions->count == nfa->pattern->conditions_count);
    warner w = {.nfa = nfa, .conditions = conditions, .findings = findings};
    w.reached = leat_mem_need(nfa->states_count * sizeof *w.reached);
    reach(&w);
    if (!warn_explosion(&w) && w.accepted) warn_degree(&w);
    warn_idle_nots(&w);
    warn_never(&w);
    warn_unmatched(&w);
    warn_limits(&w);
    warn_empty_lists(&w);
    if (w.accepted) warn_endless(&w);
    leat_mem_free(w.reached);
}
