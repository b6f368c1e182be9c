/* SPDX-License-Identifier: Apache-2.0 */
/* Tree -> automaton, by walking from every place to all places that can come next.
 *
 * A walk carries what it has met on its way (`way`): negations that it passed, and greedy steps
 * that it left out or left behind, whose edges then ban this one. Leaving a part empty-handed gives
 * the ways on which that is possible (`ways`), usually one; alternatives may give several.
 *
 *   fill        all edges of one state: the loop of its own step, then leave
 *   leave       ... on through the rest of the sequence, then the end of the group
 *   walk        the parts of a sequence from position i on, until one cannot be left out
 *   enter       a part: an edge for a step, its body for a group; returns the ways past it
 *   iterate     iterations c.. of a group until its minimum may have been met by empty ones
 *   end_body    the end of an iteration: another one, or out of the group
 *
 * New states are appended as they are met and filled in turn, so the unfolding is breadth first and
 * the numbering depends on the pattern alone. Counters are saturated where the upper bound is none,
 * which is what keeps the number of states finite; `times` up to 10,000 unfold into as many states.
 * Refused: counters kept in the partial match, which make every edge test arithmetic. */
#include "cep/nfa.h"

#include "core/mem.h"

typedef struct way {
    uint64_t not_next, not_between; /* parts: negations passed */
    uint64_t bans;                  /* edges of the state being filled */
} way;

#define WAYS_MAX 32
typedef struct ways {
    way items[WAYS_MAX];
    uint32_t count;
} ways;

typedef struct counts {
    uint32_t at[LEAT_PATTERN_DEPTH_MAX + 1];
} counts;

typedef struct builder {
    const leat_pattern *pattern;
    leat_arena *arena;
    leat_nfa *nfa;
    leat_map *index; /* part and counts -> state */
    uint32_t states_size;
    uint64_t final_nots; /* parts: negations that decide on the end of the pattern */
    /* The state being filled. */
    const leat_part *origin;
    uint64_t left; /* parts around it that the walk has left: to enter one again is a new loop */
    leat_nfa_edge edges[LEAT_NFA_EDGES_MAX];
    uint32_t edges_count;
    bool accepts;
    size_t edges_all;   /* of the states before it */
    bool complex, full; /* too many edges or states; the arena or the heap has no more */
    leat_err err;
} builder;

static uint64_t bit(const leat_part *part)
{
    LEAT_ASSERT(part->index < 64);
    return (uint64_t)1 << part->index;
}

static void ways_add(builder *b, ways *list, way w)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->items[i].not_next == w.not_next && list->items[i].not_between == w.not_between &&
            list->items[i].bans == w.bans)
            return;
    if (list->count == WAYS_MAX) {
        b->complex = true;
        return;
    }
    list->items[list->count++] = w;
}

/* A count, no larger than what can be told apart. */
static uint32_t saturated(uint32_t count, const leat_part *part)
{
    return part->max == LEAT_UNBOUNDED && count > part->min ? part->min : count;
}

/* --- states --- */

static uint32_t state_of(builder *b, const leat_part *part, const counts *c)
{
    struct {
        uint32_t part;
        counts c;
    } key = {part == NULL ? UINT32_MAX : part->index, *c};
    leat_str bytes = {(const char *)&key, sizeof key};
    uint64_t found = 0;
    if (leat_map_get(b->index, bytes, &found)) return (uint32_t)found;
    leat_nfa *nfa = b->nfa;
    if (nfa->states_count == LEAT_NFA_STATES_MAX) {
        b->complex = true;
        return 0;
    }
    if (nfa->states_count == b->states_size) {
        uint32_t size = b->states_size == 0 ? 16 : b->states_size * 2;
        void *grown =
            leat_arena_extend(b->arena, nfa->states, b->states_size * sizeof(leat_nfa_state *),
                              size * sizeof(leat_nfa_state *));
        if (grown == NULL) {
            b->full = true;
            return 0;
        }
        nfa->states = grown;
        b->states_size = size;
    }
    leat_nfa_state *state = leat_arena_zero(b->arena, sizeof *state);
    if (state == NULL || leat_map_put(b->index, bytes, nfa->states_count, &b->err) != LEAT_OK) {
        b->full = true;
        return 0;
    }
    state->part = part;
    memcpy(state->counts, c->at, sizeof state->counts);
    LEAT_ASSERT((part == NULL) == (nfa->states_count == 0)); /* the start is the first */
    nfa->states[nfa->states_count] = state;
    return nfa->states_count++;
}

/* --- edges --- */

typedef struct condition_list {
    uint32_t items[2 * LEAT_PATTERN_PARTS_MAX];
    uint32_t count;
    bool always;
} condition_list;

static void list_add(condition_list *list, uint32_t condition)
{
    if (condition == LEAT_CONDITION_TRUE) {
        list->always = true;
        return;
    }
    for (uint32_t i = 0; i < list->count; i++)
        if (list->items[i] == condition) return;
    LEAT_ASSERT(list->count < 2 * LEAT_PATTERN_PARTS_MAX);
    list->items[list->count++] = condition;
}

static leat_any list_done(builder *b, const condition_list *list)
{
    leat_any any = {NULL, 0, list->always};
    if (list->count == 0 || any.always) return any;
    uint32_t *copy = leat_arena_array(b->arena, list->count, sizeof *copy);
    if (copy == NULL) {
        b->full = true;
        return any;
    }
    memcpy(copy, list->items, list->count * sizeof *copy);
    any.conditions = copy;
    any.count = list->count;
    return any;
}

/* The conditions (`where`) of a set of parts. */
static leat_any any_of_parts(builder *b, uint64_t parts)
{
    condition_list list = {.count = 0};
    for (uint32_t i = 0; i < b->pattern->parts_count; i++)
        if (parts >> i & 1) list_add(&list, b->pattern->parts[i]->where);
    return list_done(b, &list);
}

/* Whether the walk has stayed inside of the group since the last take. */
static bool inside(const builder *b, const leat_part *group)
{
    const leat_part *part = b->origin;
    while (part != NULL && part != group)
        part = part->parent;
    return part != NULL && (b->left & bit(group)) == 0;
}

static bool same_any(leat_any a, leat_any b)
{
    return a.count == b.count && a.always == b.always &&
           (a.count == 0 ||
            memcmp(a.conditions, b.conditions, a.count * sizeof *a.conditions) == 0);
}

static bool same_edge(const leat_nfa_edge *a, const leat_nfa_edge *b)
{
    return a->target == b->target && a->step == b->step && a->link == b->link &&
           a->bans == b->bans && same_any(a->blocks, b->blocks) && same_any(a->ends, b->ends) &&
           same_any(a->not_next, b->not_next) && same_any(a->not_between, b->not_between) &&
           same_any(a->not_in_loop, b->not_in_loop);
}

/* The edge's number, which is that of an equal edge if there is one. */
static uint32_t edge_add(builder *b, const leat_nfa_edge *edge)
{
    for (uint32_t i = 0; i < b->edges_count; i++)
        if (same_edge(&b->edges[i], edge)) return i;
    if (b->edges_count == LEAT_NFA_EDGES_MAX) {
        b->complex = true;
        return 0;
    }
    b->edges[b->edges_count] = *edge;
    return b->edges_count++;
}

/* How an edge gets to a step. */
typedef struct approach {
    leat_contiguity link;
    uint64_t heads; /* parts: the first steps of alternatives, which block each other; 0: none */
    bool loop;      /* a further take of the step that took last */
    uint64_t loop_nots;
} approach;

static uint32_t step_edge(builder *b, const leat_part *step, approach how, way w, const counts *c)
{
    LEAT_ASSERT(step->kind == LEAT_PART_STEP && c->at[step->depth] > 0);
    leat_nfa_edge edge = {
        .target = state_of(b, step, c),
        .step = step->step,
        .link = how.link,
        .where = step->where,
        .bans = w.bans,
        .within_ms = b->origin == NULL ? 0 : step->within_ms,
    };
    condition_list untils = {.count = 0};
    condition_list ends = {.count = 0};
    for (const leat_part *part = step; part != NULL; part = part->parent) {
        if (!part->has_until) continue;
        list_add(&untils, part->until);
        if (part == step ? how.loop : inside(b, part)) list_add(&ends, part->until);
    }
    edge.untils = list_done(b, &untils);
    edge.ends = list_done(b, &ends);
    if (how.link == LEAT_FOLLOWED_BY)
        edge.blocks = any_of_parts(b, how.heads != 0 ? how.heads : bit(step));
    edge.not_next = any_of_parts(b, w.not_next);
    edge.not_between = any_of_parts(b, w.not_between);
    edge.not_in_loop = any_of_parts(b, how.loop_nots);
    return edge_add(b, &edge);
}

/* The pattern's end was reached without a take. */
static void accept(builder *b, way w)
{
    if (b->origin == NULL) return; /* a match has at least one event */
    uint64_t next = w.not_next & b->final_nots;
    uint64_t between = w.not_between & b->final_nots;
    if (next == 0 && between == 0) {
        b->accepts = true;
        return;
    }
    leat_nfa_edge edge = {.target = LEAT_NFA_ACCEPT,
                          .step = UINT32_MAX,
                          .where = LEAT_CONDITION_TRUE,
                          .not_next = any_of_parts(b, next),
                          .not_between = any_of_parts(b, between)};
    for (uint32_t i = 0; i < b->pattern->parts_count; i++)
        if (between >> i & 1) edge.within_ms = b->pattern->parts[i]->within_ms;
    (void)edge_add(b, &edge);
}

/* --- walking --- */

static void enter(builder *b, const leat_part *part, const approach *forced, way w, const counts *c,
                  ways *past);
static void end_body(builder *b, const leat_part *group, way w, const counts *c);

/* The steps that can be taken first by entering a part. */
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

/* The parts of a sequence from position `from` on, along each of the ways in `list`; what is left
 * in list are the ways past all of them. forced: how to get to the very first. */
static void walk(builder *b, const leat_part *group, uint32_t from, const approach *forced,
                 const counts *c, ways *list)
{
    for (uint32_t i = from; i < group->parts_count && list->count > 0; i++) {
        const leat_part *part = group->parts[i];
        ways next = {.count = 0};
        for (uint32_t j = 0; j < list->count; j++) {
            way w = list->items[j];
            if (part->kind == LEAT_PART_NOT) {
                if (part->contiguity == LEAT_NEXT)
                    w.not_next |= bit(part);
                else
                    w.not_between |= bit(part);
                ways_add(b, &next, w);
            } else {
                enter(b, part, i == 0 ? forced : NULL, w, c, &next);
            }
        }
        *list = next;
    }
}

/* One iteration; the ways through it without a take are added to past. */
static void body(builder *b, const leat_part *group, const approach *how, way w, const counts *c,
                 ways *past)
{
    if (group->kind == LEAT_PART_GROUP) {
        ways list = {.count = 0};
        ways_add(b, &list, w);
        walk(b, group, 0, how, c, &list);
        for (uint32_t i = 0; i < list.count; i++)
            ways_add(b, past, list.items[i]);
        return;
    }
    for (uint32_t i = 0; i < group->parts_count; i++)
        enter(b, group->parts[i], how, w, c, past);
}

/* Iterations from `count` on; past gets the ways on which the group can be left without a take. */
static void iterate(builder *b, const leat_part *group, const approach *how, way w, counts c,
                    uint32_t count, ways *past)
{
    ways list = {.count = 0};
    ways_add(b, &list, w);
    approach again = {.link = group->repeat};
    bool alternatives = false;
    uint64_t heads = heads_of(group, &alternatives);
    if (alternatives) again.heads = heads;
    for (;; count++, how = &again) {
        ways through = {.count = 0};
        c.at[group->depth] = saturated(count, group);
        for (uint32_t i = 0; i < list.count; i++)
            body(b, group, how, list.items[i], &c, &through);
        list = through;
        if (count >= group->min || list.count == 0 || b->complex || b->full) break;
    }
    for (uint32_t i = 0; i < list.count; i++)
        ways_add(b, past, list.items[i]);
}

/* forced: how to get there, where the part is the first of a group; else by its own contiguity. */
static void enter(builder *b, const leat_part *part, const approach *forced, way w, const counts *c,
                  ways *past)
{
    if (b->complex || b->full) return;
    approach how = {.link = part->contiguity};
    if (forced != NULL) {
        how = *forced;
    } else if (part->kind != LEAT_PART_STEP) {
        bool alternatives = false;
        uint64_t heads = heads_of(part, &alternatives);
        if (alternatives) how.heads = heads;
    }
    if (part->kind == LEAT_PART_STEP) {
        counts here = *c;
        here.at[part->depth] = 1;
        uint32_t edge = step_edge(b, part, how, w, &here);
        if (!part->optional) return;
        if (part->greedy) w.bans |= (uint64_t)1 << edge;
        ways_add(b, past, w);
        return;
    }
    ways through = {.count = 0};
    iterate(b, part, &how, w, *c, 1, &through);
    if (part->hollow) {
        for (uint32_t i = 0; i < through.count; i++)
            ways_add(b, past, through.items[i]);
    }
    if (part->optional) ways_add(b, past, w);
}

/* Out of a part that has taken something. */
static void leave(builder *b, const leat_part *part, way w, counts c)
{
    const leat_part *parent = part->parent;
    LEAT_ASSERT(parent != NULL && (part->hollow || c.at[part->depth] >= part->min));
    c.at[part->depth] = 0;
    ways list = {.count = 0};
    ways_add(b, &list, w);
    b->left |= bit(part);
    if (parent->kind == LEAT_PART_GROUP) walk(b, parent, part->position + 1, NULL, &c, &list);
    for (uint32_t i = 0; i < list.count; i++)
        end_body(b, parent, list.items[i], &c);
    b->left &= ~bit(part);
}

static void end_body(builder *b, const leat_part *group, way w, const counts *c)
{
    if (b->complex || b->full) return;
    LEAT_ASSERT(group->parts_count > 0);
    if (group->parent == NULL) {
        accept(b, w);
        return;
    }
    uint32_t count = c->at[group->depth];
    ways out = {.count = 0};
    if (count >= group->min) ways_add(b, &out, w);
    if (group->max == LEAT_UNBOUNDED || count < group->max) {
        approach again = {.link = group->repeat};
        bool alternatives = false;
        uint64_t heads = heads_of(group, &alternatives);
        if (alternatives) again.heads = heads;
        ways through = {.count = 0};
        iterate(b, group, &again, w, *c, count + 1, &through);
        for (uint32_t i = 0; i < through.count && count < group->min; i++)
            ways_add(b, &out, through.items[i]);
    }
    for (uint32_t i = 0; i < out.count; i++)
        leave(b, group, out.items[i], *c);
}

/* --- the whole --- */

/* The negations right behind a step: they hold inside its loop, too. */
static void nots_behind(const leat_part *step, uint64_t *not_next, uint64_t *not_in_loop)
{
    const leat_part *group = step->parent;
    *not_next = *not_in_loop = 0;
    if (group->kind != LEAT_PART_GROUP) return;
    for (uint32_t i = step->position + 1; i < group->parts_count; i++) {
        const leat_part *part = group->parts[i];
        if (part->kind != LEAT_PART_NOT) return;
        if (part->contiguity == LEAT_NEXT)
            *not_next |= bit(part);
        else if (i == step->position + 1)
            *not_in_loop |= bit(part);
    }
}

static void fill(builder *b, uint32_t number)
{
    const leat_nfa_state *state = b->nfa->states[number];
    counts c;
    memcpy(c.at, state->counts, sizeof c.at);
    b->origin = state->part;
    b->edges_count = 0;
    b->accepts = false;
    way w = {0};
    if (state->part == NULL) {
        ways list = {.items = {w}, .count = 1};
        walk(b, b->pattern->root, 0, NULL, &c, &list);
        return;
    }
    const leat_part *step = state->part;
    uint32_t count = c.at[step->depth];
    LEAT_ASSERT(count > 0 && count <= step->max);
    if (step->max == LEAT_UNBOUNDED || count < step->max) {
        approach how = {.link = step->repeat, .loop = true};
        way again = {0};
        nots_behind(step, &again.not_next, &how.loop_nots);
        if (count < step->min) again.not_next = 0;
        counts more = c;
        more.at[step->depth] = saturated(count + 1, step);
        uint32_t edge = step_edge(b, step, how, again, &more);
        if (step->greedy) w.bans |= (uint64_t)1 << edge;
    }
    if (count >= step->min) leave(b, step, w, c);
}

/* Whether an event for which no condition holds can change a partial match by this edge. */
static bool matters_always(const leat_nfa_edge *edge, bool start)
{
    if (edge->not_next.count > 0 || edge->not_next.always || edge->not_between.always) return true;
    if (edge->target == LEAT_NFA_ACCEPT) return false;
    return (edge->link == LEAT_NEXT && !start) || edge->where == LEAT_CONDITION_TRUE ||
           edge->blocks.always || edge->untils.always || edge->not_in_loop.always;
}

/* Copies what fill has found into the state. */
static void settle(builder *b, uint32_t number)
{
    leat_nfa_state *state = b->nfa->states[number];
    b->edges_all += b->edges_count;
    if (b->edges_all > LEAT_NFA_EDGES_ALL) b->complex = true;
    leat_nfa_edge *edges = leat_arena_array(b->arena, b->edges_count, sizeof *edges);
    if (edges == NULL) {
        b->full = true;
        return;
    }
    memcpy(edges, b->edges, b->edges_count * sizeof *edges);
    uint64_t banning = 0;
    for (uint32_t i = 0; i < b->edges_count; i++) {
        banning |= edges[i].bans;
        if (matters_always(&edges[i], number == 0)) b->nfa->strict = true;
    }
    for (uint32_t i = 0; i < b->edges_count; i++)
        edges[i].lifts =
            (banning >> i & 1) && (edges[i].untils.count > 0 || edges[i].untils.always);
    state->edges = edges;
    state->edges_count = b->edges_count;
    state->accepts = b->accepts;
}

/* Negations that nothing but negations follows, in the pattern itself. One before a `not next` has
 * nothing to be watched for: that match is final with the next event. */
static uint64_t final_nots(const leat_part *root)
{
    uint64_t nots = 0;
    bool next = false;
    for (uint32_t i = root->parts_count; i-- > 0;) {
        const leat_part *part = root->parts[i];
        if (part->kind != LEAT_PART_NOT) break;
        next = next || part->contiguity == LEAT_NEXT;
        if (part->contiguity == LEAT_NEXT || !next) nots |= bit(part);
    }
    return nots;
}

static uint64_t fingerprint(const leat_nfa *nfa)
{
    const leat_pattern *pattern = nfa->pattern;
    leat_buf text;
    leat_buf_init(&text, (size_t)64 << 20);
    leat_buf_add_bytes(&text, pattern->name);
    leat_nfa_print(nfa, &text);
    for (uint32_t i = 0; i < pattern->conditions_count; i++)
        leat_buf_add_bytes(&text, pattern->conditions[i].node->text);
    if (pattern->key != NULL) leat_buf_add_bytes(&text, pattern->key->text);
    if (pattern->order_by != NULL) leat_buf_add_bytes(&text, pattern->order_by->text);
    /* Then its states say when the first run ends, else when the last does. */
    if (nfa->timeouts) leat_buf_add_text(&text, "timeouts");
    uint64_t hash = leat_str_hash_fixed(leat_buf_str(&text));
    leat_buf_release(&text);
    return hash;
}

static leat_code unfold(builder *b, leat_findings *findings, leat_err *err)
{
    counts none = {{0}};
    b->final_nots = final_nots(b->pattern->root);
    (void)state_of(b, NULL, &none);
    for (uint32_t i = 0; i < b->nfa->states_count && !b->complex && !b->full; i++) {
        fill(b, i);
        settle(b, i);
    }
    if (b->full) return leat_arena_full(b->arena, err);
    if (b->complex)
        leat_findings_add(findings, b->pattern->node, false,
                          "the pattern unfolds into more than %d states, %d ways from one to "
                          "another, or %d ways out of one: lower `times` or split it",
                          LEAT_NFA_STATES_MAX, LEAT_NFA_EDGES_ALL, LEAT_NFA_EDGES_MAX);
    return LEAT_OK;
}

leat_code leat_nfa_new(const leat_pattern *pattern, leat_arena *arena, leat_findings *findings,
                       leat_nfa **nfa, leat_err *err)
{
    LEAT_ASSERT(pattern != NULL && pattern->parts_count <= LEAT_PATTERN_PARTS_MAX);
    *nfa = NULL;
    leat_nfa *made = leat_arena_zero(arena, sizeof *made);
    if (made == NULL) return leat_arena_full(arena, err);
    made->pattern = pattern;
    made->timeouts = pattern->timeout != NULL;
    builder *b = leat_mem_need(sizeof *b); /* some KB, that thousands of patterns are not to keep */
    *b = (builder){.pattern = pattern, .arena = arena, .nfa = made, .index = leat_map_new()};
    leat_code code = unfold(b, findings, err);
    bool good = code == LEAT_OK && !b->complex;
    leat_map_free(&b->index);
    leat_mem_free(b);
    if (!good) return code;
    made->fingerprint = fingerprint(made);
    made->kin = made;
    *nfa = made;
    return LEAT_OK;
}
