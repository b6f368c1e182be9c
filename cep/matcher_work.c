/* SPDX-License-Identifier: Apache-2.0 */
/* The scratch of a thread: what matchers need for the event in hand, and the machines of their
 * automata, which they share.
 *
 * A matcher asks for its machine once in its life. But lives are short: where a thousand patterns
 * watch one stream a matcher is made and dropped every few events, and one of a thousand machines
 * has to be found. So they lie in a hash table by their automaton, open and never smaller, for
 * automata stay as long as the scratch does.
 *
 * And matchers come and go with keys, thousands at each commit: their memory waits here for others.
 */
#include "cep/matcher_inside.h"
#include "core/mem.h"

/* Bundles of a configuration from which on an index of them is made. Counted in instructions, on
 * `script/bench cep` with short windows: looking at each costs as much as the index at 3 bundles
 * for `==` and at 5 for `>`, and at 16 the index takes 0.6 and 0.7 of it. But an index needs 2 KB
 * and 56 bytes an item, which many keys of a few bundles each are not to pay for. */
#define SELECT_LEAST 12

#define SPARE_MAX 4096 /* matchers without a key whose memory is kept */

leat_matcher_work *leat_matcher_work_new(void)
{
    leat_matcher_work *made = leat_mem_need(sizeof *made);
    made->select_least = SELECT_LEAST;
    made->pool = leat_pool_new();
    return made;
}

leat_pool *leat_matcher_work_pool(leat_matcher_work *work)
{
    return work->pool;
}

void leat_matcher_work_index_at(leat_matcher_work *work, size_t least)
{
    LEAT_ASSERT(least > 0);
    work->select_least = least;
}

void leat_matcher_work_free(leat_matcher_work **work)
{
    leat_matcher_work *gone = *work;
    if (gone == NULL) return;
    for (size_t i = 0; i < gone->machines_size; i++) {
        if (gone->machines[i] == NULL) continue;
        matcher_shapes_free(&gone->machines[i]->shapes);
        machine_free(&gone->machines[i]);
    }
    while (gone->spare != NULL) {
        leat_matcher *spare = gone->spare;
        gone->spare = spare->spare;
        leat_mem_free(spare);
    }
    leat_event_release(&gone->event);
    leat_arena_free(&gone->arena);
    graph_walk_release(&gone->walk);
    graph_paths_release(&gone->paths);
    leat_mem_free(gone->takes);
    leat_mem_free(gone->late);
    graph_moves_release(&gone->moves);
    leat_mem_free(gone->depths.most);
    leat_mem_free(gone->machines);
    bundles_release(&gone->fresh);
    leat_mem_free(gone->done);
    leat_mem_free(gone->picks);
    leat_mem_free(gone->found);
    leat_pool_free(&gone->pool);
    leat_mem_free(gone);
    *work = NULL;
}

/* --- memory for matchers --- */

leat_code leat_matcher_make(leat_matcher_work *work, const leat_nfa *nfa, leat_matcher **matcher,
                            leat_err *err)
{
    leat_matcher *made = work->spare;
    if (made == NULL) return leat_matcher_new(nfa, matcher, err);
    LEAT_ASSERT(work->spare_count > 0);
    work->spare = made->spare;
    work->spare_count--;
    matcher_init(made, nfa);
    *matcher = made;
    return LEAT_OK;
}

void leat_matcher_drop(leat_matcher_work *work, leat_matcher **matcher)
{
    leat_matcher *gone = *matcher;
    if (gone == NULL || work->spare_count == SPARE_MAX) {
        leat_matcher_free(matcher);
        return;
    }
    matcher_release(gone);
    gone->spare = work->spare;
    work->spare = gone;
    work->spare_count++;
    *matcher = NULL;
}

/* --- machines --- */

/* Where the machine of an automaton is, or would be. */
static machine **machine_place(machine **machines, size_t size, const leat_nfa *nfa)
{
    size_t mask = size - 1;
    uint64_t hash = (uint64_t)(uintptr_t)nfa * 0x9e3779b97f4a7c15u;
    size_t at = (size_t)(hash >> 32) & mask;
    while (machines[at] != NULL && machines[at]->nfa != nfa)
        at = (at + 1) & mask;
    return &machines[at];
}

static leat_code widen(leat_matcher_work *work, leat_err *err)
{
    size_t size = work->machines_size == 0 ? 8 : work->machines_size * 2;
    if (2 * (work->machines_count + 1) <= work->machines_size) return LEAT_OK;
    machine **made = leat_mem_try(size * sizeof *made);
    if (made == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for partial matches");
    memset(made, 0, size * sizeof *made);
    for (size_t i = 0; i < work->machines_size; i++) {
        machine *m = work->machines[i];
        if (m != NULL) *machine_place(made, size, m->nfa) = m;
    }
    leat_mem_free(work->machines);
    work->machines = made;
    work->machines_size = size;
    return LEAT_OK;
}

leat_code matcher_attach_first(leat_matcher *matcher, leat_matcher_work *work, leat_err *err)
{
    LEAT_TRY(widen(work, err));
    const leat_nfa *kin = matcher->nfa->kin;
    machine **slot = machine_place(work->machines, work->machines_size, kin);
    if (*slot == NULL) {
        *slot = machine_new(kin, err);
        if (*slot == NULL) return err->code;
        work->machines_count++;
    }
    LEAT_ASSERT((*slot)->nfa == kin);
    matcher->machine = *slot;
    return LEAT_OK;
}
