/* SPDX-License-Identifier: Apache-2.0 */
/* One event meets one partial match.
 *
 * Per state that the match is in, two rounds over its living edges. The first asks each edge
 * whether it can take the event; the second decides, knowing the answers of all, which edges do
 * take it and which outlive it. Two rounds, because a greedy edge that can take the event forbids
 * others to take it or to pass over it.
 *
 *   can     where holds, no stop condition does, no negation forbids
 *   banned  one of the edges it stands back for can take the event
 *   takes   can and not banned: an option; the take itself is made by the caller
 *   lives   its link allows the event to be passed over, and no negation or stop condition objects
 *
 * The edge towards acceptance (a negation at the end of the pattern) takes nothing: it dies with
 * the negation, or is complete with the next event, or waits for time to pass. */
#include "cep/machine.h"
#include "core/mem.h"

typedef struct step {
    const leat_nfa *nfa;
    option_list *options;
    const step_host *host;
    bool fresh; /* the event comes immediately after the last take */
    bool start;
    leat_err *err;
} step;

static leat_code any_holds(const step *s, leat_any any, bool *holds)
{
    *holds = any.always;
    for (uint32_t i = 0; i < any.count && !*holds; i++)
        LEAT_TRY(s->host->test(s->host->self, any.conditions[i], holds, s->err));
    return LEAT_OK;
}

/* can: the edge could take the event. dead: a negation has killed it. */
static leat_code edge_can(const step *s, const leat_nfa_edge *edge, bool *can, bool *dead)
{
    bool holds = true;
    *can = *dead = false;
    if (edge->where != LEAT_CONDITION_TRUE)
        LEAT_TRY(s->host->test(s->host->self, edge->where, &holds, s->err));
    *can = holds;
    if (*can) {
        LEAT_TRY(any_holds(s, edge->untils, &holds));
        *can = !holds;
    }
    if (s->fresh) {
        LEAT_TRY(any_holds(s, edge->not_next, &holds));
        *dead = holds;
    }
    if (!*dead) {
        LEAT_TRY(any_holds(s, edge->not_in_loop, &holds));
        *dead = holds;
    }
    if (*dead) *can = false;
    return LEAT_OK;
}

/* Whether an edge outlives an event that it does not take. */
static leat_code edge_lives(const step *s, const leat_nfa_edge *edge, bool *lives)
{
    bool holds = false;
    *lives = false;
    if (edge->link == LEAT_NEXT) return LEAT_OK;
    if (edge->link == LEAT_FOLLOWED_BY) LEAT_TRY(any_holds(s, edge->blocks, &holds));
    if (!holds) LEAT_TRY(any_holds(s, edge->ends, &holds));
    if (!holds) LEAT_TRY(any_holds(s, edge->not_between, &holds));
    *lives = !holds;
    return LEAT_OK;
}

static leat_code accept_edge(const step *s, const leat_nfa_edge *edge, bool *lives, bool *complete)
{
    bool holds = false;
    *lives = false;
    if (s->fresh) LEAT_TRY(any_holds(s, edge->not_next, &holds));
    if (!holds) LEAT_TRY(any_holds(s, edge->not_between, &holds));
    if (holds) return LEAT_OK;
    if (edge->not_between.count > 0 || edge->not_between.always)
        *lives = true;
    else
        *complete = true;
    return LEAT_OK;
}

static const leat_nfa_edge *edge_of(const leat_nfa *nfa, const place *at, uint32_t edge)
{
    LEAT_ASSERT(at->state < nfa->states_count && edge < nfa->states[at->state]->edges_count);
    return &nfa->states[at->state]->edges[edge];
}

static leat_code option_add(option_list *list, const leat_nfa_edge *edge, leat_err *err)
{
    LEAT_ASSERT(edge->target != LEAT_NFA_ACCEPT);
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].step == edge->step && list->items[i].target == edge->target)
            return LEAT_OK;
    if (list->count == list->size) {
        size_t size = list->size == 0 ? 4 : list->size * 2;
        void *grown = leat_mem_try_resize(list->items, size * sizeof *list->items);
        if (grown == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for takes");
        list->items = grown;
        list->size = size;
    }
    list->items[list->count++] = (option_take){edge->step, edge->target};
    return LEAT_OK;
}

/* The first round: which edges of the place can take the event. */
static leat_code round_can(const step *s, place *at, uint64_t *can, uint64_t *dead)
{
    for (uint64_t left = at->alive; left != 0; left &= left - 1) {
        uint32_t number = (uint32_t)__builtin_ctzll(left);
        const leat_nfa_edge *edge = edge_of(s->nfa, at, number);
        bool yes = false;
        bool gone = false;
        if (edge->target == LEAT_NFA_ACCEPT) continue;
        LEAT_TRY(edge_can(s, edge, &yes, &gone));
        if (yes) *can |= (uint64_t)1 << number;
        if (gone) *dead |= (uint64_t)1 << number;
        if (!edge->lifts || s->start) continue;
        LEAT_TRY(any_holds(s, edge->untils, &yes));
        if (yes) at->lifted |= (uint64_t)1 << number;
    }
    return LEAT_OK;
}

static leat_code step_place(const step *s, place *at, bool *complete)
{
    uint64_t can = 0;
    uint64_t dead = 0;
    uint64_t alive = 0;
    LEAT_TRY(round_can(s, at, &can, &dead));
    uint64_t banning = can & ~at->lifted;
    for (uint64_t left = at->alive; left != 0; left &= left - 1) {
        uint32_t number = (uint32_t)__builtin_ctzll(left);
        const leat_nfa_edge *edge = edge_of(s->nfa, at, number);
        bool lives = false;
        if (edge->target == LEAT_NFA_ACCEPT) {
            LEAT_TRY(accept_edge(s, edge, &lives, complete));
        } else if ((edge->bans & banning) == 0) {
            if (can >> number & 1) LEAT_TRY(option_add(s->options, edge, s->err));
            if ((dead >> number & 1) == 0 && !s->start) LEAT_TRY(edge_lives(s, edge, &lives));
        }
        if (lives) alive |= (uint64_t)1 << number;
    }
    LEAT_ASSERT((alive & ~at->alive) == 0); /* nothing comes back to life */
    if (!s->start) at->alive = alive;
    return LEAT_OK;
}

leat_code places_step(const leat_nfa *nfa, place *places, uint32_t *count, bool fresh, bool start,
                      const step_host *host, option_list *options, leat_err *err)
{
    LEAT_ASSERT(*count > 0 && (!start || places[0].state == 0));
    step s = {nfa, options, host, fresh, start, err};
    options->count = 0;
    options->complete = false;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++) {
        LEAT_TRY(step_place(&s, &places[i], &options->complete));
        if (places[i].alive != 0) places[kept++] = places[i];
    }
    *count = kept;
    return LEAT_OK;
}
