/* SPDX-License-Identifier: Apache-2.0 */
/* Growing the trees.
 *
 * There is one statement of the rules, places_step, and it is not repeated here: to find out what
 * comes behind a path through a tree it is run on a copy of the places with a host that answers
 * from the path. Where it asks for what the path does not tell, that condition is the next branch;
 * where it comes to its end, what it did is a leaf. It is run once per branch ever met, and the
 * order in which conditions are asked for is the order of the rules.
 *
 * Which slots a configuration needs is worked out from the automaton beforehand: a reading is alive
 * in a state if an edge of it, or of a state that can be reached, reads it, and no take on the way
 * there puts something else in its place.
 *
 * Refused: all subsets of conditions as one table (2^n columns, of which a stream uses a few), and
 * a deterministic automaton (there is one match for each way to satisfy the rules). */
#include "cep/machine.h"

#include "core/buf.h"
#include "core/mem.h"

enum { READ_FIRST, READ_LAST, READ_SIZE, READ_WHOLE, READS };

#define KEY_BYTES_MAX ((size_t)16 << 20)

static leat_code no_memory(leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for the configurations of a pattern");
}

static leat_code room(void **items, size_t *size, size_t count, size_t bytes, leat_err *err)
{
    if (count < *size) return LEAT_OK;
    size_t more = *size == 0 ? 16 : *size * 2;
    void *grown = leat_mem_try_resize(*items, more * bytes);
    if (grown == NULL) return no_memory(err);
    *items = grown;
    *size = more;
    return LEAT_OK;
}

/* --- what is read --- */

static void add_reading(const leat_nfa *nfa, uint32_t condition, uint64_t reads[READS])
{
    if (condition == LEAT_CONDITION_TRUE) return;
    LEAT_ASSERT(condition < nfa->pattern->conditions_count);
    const leat_reading *reading = &nfa->pattern->conditions[condition].reading;
    reads[READ_FIRST] |= reading->first;
    reads[READ_LAST] |= reading->last;
    reads[READ_SIZE] |= reading->size;
    reads[READ_WHOLE] |= reading->known ? reading->whole : UINT64_MAX;
}

static void add_any(const leat_nfa *nfa, leat_any any, uint64_t reads[READS])
{
    for (uint32_t i = 0; i < any.count; i++)
        add_reading(nfa, any.conditions[i], reads);
}

/* What may still be read by whoever has this edge alive. */
static void edge_reads(const machine *m, const leat_nfa_edge *edge, uint64_t reads[READS])
{
    const leat_nfa *nfa = m->nfa;
    add_reading(nfa, edge->where, reads);
    add_any(nfa, edge->untils, reads);
    add_any(nfa, edge->blocks, reads);
    add_any(nfa, edge->ends, reads);
    add_any(nfa, edge->not_next, reads);
    add_any(nfa, edge->not_between, reads);
    add_any(nfa, edge->not_in_loop, reads);
    if (edge->target == LEAT_NFA_ACCEPT) return;
    const uint64_t *after = &m->reads[(size_t)edge->target * READS];
    reads[READ_FIRST] |= after[READ_FIRST];
    reads[READ_LAST] |= after[READ_LAST] & ~((uint64_t)1 << edge->step);
    reads[READ_SIZE] |= after[READ_SIZE];
    reads[READ_WHOLE] |= after[READ_WHOLE];
}

static void find_reads(machine *m)
{
    const leat_nfa *nfa = m->nfa;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t s = nfa->states_count; s-- > 0;) {
            uint64_t reads[READS] = {0};
            for (uint32_t i = 0; i < nfa->states[s]->edges_count; i++)
                edge_reads(m, &nfa->states[s]->edges[i], reads);
            uint64_t *known = &m->reads[(size_t)s * READS];
            if (memcmp(known, reads, sizeof reads) == 0) continue;
            memcpy(known, reads, sizeof reads);
            changed = true;
        }
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t s = 0; s < nfa->states_count; s++) {
            for (uint32_t i = 0; i < nfa->states[s]->edges_count; i++) {
                const leat_nfa_edge *edge = &nfa->states[s]->edges[i];
                if (edge->target == LEAT_NFA_ACCEPT) continue;
                uint64_t taken = m->taken[s] | (uint64_t)1 << edge->step;
                if ((taken & ~m->taken[edge->target]) == 0) continue;
                m->taken[edge->target] |= taken;
                changed = true;
            }
        }
    }
}

static void slot_add(machine *m, slot_kind kind, uint32_t step)
{
    m->whole = m->whole || m->slots_count == MACHINE_SLOTS_MAX;
    if (!m->whole) m->slots[m->slots_count++] = (machine_slot){kind, step};
}

static void find_slots(machine *m)
{
    const leat_nfa *nfa = m->nfa;
    uint64_t reads[READS] = {0};
    m->exact = nfa->timeouts;
    for (uint32_t i = 0; i < nfa->pattern->conditions_count; i++) {
        const leat_reading *r = &nfa->pattern->conditions[i].reading;
        bool none = r->known && (r->first | r->last | r->size | r->whole) == 0;
        add_reading(nfa, i, reads);
        if (none) m->once[i >> 6] |= (uint64_t)1 << (i & 63);
    }
    for (uint32_t s = 0; s < nfa->states_count; s++) {
        for (uint32_t i = 0; i < nfa->states[s]->edges_count; i++) {
            const leat_nfa_edge *edge = &nfa->states[s]->edges[i];
            m->steps_timed = m->steps_timed || edge->within_ms > 0;
            m->exact = m->exact || edge->target == LEAT_NFA_ACCEPT;
        }
    }
    m->exact = m->exact || m->steps_timed;
    for (uint32_t step = 0; step < nfa->pattern->steps_count; step++) {
        if (reads[READ_FIRST] >> step & 1) slot_add(m, SLOT_FIRST, step);
        if (reads[READ_LAST] >> step & 1) slot_add(m, SLOT_LAST, step);
        if (reads[READ_SIZE] >> step & 1) slot_add(m, SLOT_SIZE, step);
    }
    if (m->whole) m->slots_count = 0;
    if (m->steps_timed) m->slots[m->slots_count++] = (machine_slot){SLOT_TAKE, 0};
}

/* --- configurations --- */

static bool any_given(leat_any any)
{
    return any.count > 0 || any.always;
}

/* All that is known of a configuration beside its places. */
static void describe(const machine *m, machine_config *config)
{
    uint64_t reads[READS] = {0};
    uint64_t taken = 0;
    const leat_nfa_state *state = m->nfa->states[config->places[0].state];
    config->step = state->part == NULL ? 0 : state->part->step;
    for (uint32_t i = 0; i < config->places_count; i++) {
        const place *at = &config->places[i];
        taken |= m->taken[at->state];
        for (uint64_t left = at->alive; left != 0; left &= left - 1) {
            const leat_nfa_edge *edge = &m->nfa->states[at->state]->edges[__builtin_ctzll(left)];
            edge_reads(m, edge, reads);
            bool watched = any_given(edge->not_between);
            config->waits = config->waits || (edge->target == LEAT_NFA_ACCEPT && watched);
            if (edge->within_ms > 0 &&
                (config->within_ms == 0 || edge->within_ms < config->within_ms))
                config->within_ms = edge->within_ms;
        }
    }
    config->whole = (reads[READ_WHOLE] & taken) != 0 || (m->whole && taken != 0);
    for (uint32_t i = 0; i < m->slots_count; i++) {
        const machine_slot *slot = &m->slots[i];
        bool alive = slot->kind == SLOT_TAKE ? config->within_ms > 0
                                             : (reads[slot->kind] & taken) >> slot->step & 1;
        if (alive) config->slots |= (uint64_t)1 << i;
    }
}

/* Of edges that are lifted only those tell configurations apart that ban a living one. */
static uint64_t lifted_of(const leat_nfa *nfa, const place *at)
{
    uint64_t banning = 0;
    for (uint64_t left = at->alive; left != 0; left &= left - 1)
        banning |= nfa->states[at->state]->edges[__builtin_ctzll(left)].bans;
    return at->lifted & at->alive & banning;
}

static bool fresh_matters(const leat_nfa *nfa, const place *places, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint64_t left = places[i].alive; left != 0; left &= left - 1)
            if (any_given(nfa->states[places[i].state]->edges[__builtin_ctzll(left)].not_next))
                return true;
    return false;
}

static leat_code config_new(machine *m, const place *places, uint32_t count, bool fresh,
                            machine_config **made, leat_err *err)
{
    if (m->configs_count == MACHINE_CONFIGS_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT,
                            "partial matches are in more than %u different situations: split the "
                            "pattern",
                            MACHINE_CONFIGS_MAX);
    void *items = m->configs;
    LEAT_TRY(room(&items, &m->configs_size, m->configs_count, sizeof *m->configs, err));
    m->configs = items;
    *made = leat_mem_try(sizeof **made + count * sizeof *places);
    if (*made == NULL) return no_memory(err);
    **made = (machine_config){.fresh = fresh, .places_count = count};
    memcpy((*made)->places, places, count * sizeof *places);
    for (uint32_t i = 0; i < count; i++)
        (*made)->places[i].lifted = lifted_of(m->nfa, &places[i]);
    describe(m, *made);
    return LEAT_OK;
}

leat_code machine_config_of(machine *m, const place *places, uint32_t count, bool fresh,
                            uint32_t *number, leat_err *err)
{
    leat_buf key;
    uint64_t found = 0;
    LEAT_ASSERT(count > 0);
    fresh = fresh && fresh_matters(m->nfa, places, count);
    leat_buf_init(&key, KEY_BYTES_MAX);
    leat_buf_add_char(&key, (char)fresh);
    for (uint32_t i = 0; i < count; i++) {
        leat_buf_add_varuint(&key, places[i].state);
        leat_buf_add_u64(&key, places[i].alive);
        leat_buf_add_u64(&key, lifted_of(m->nfa, &places[i]));
    }
    leat_code code = leat_buf_check(&key, "a configuration", err);
    if (code == LEAT_OK && leat_map_get(m->index, leat_buf_str(&key), &found)) {
        *number = (uint32_t)found;
    } else if (code == LEAT_OK) {
        machine_config *made = NULL;
        code = config_new(m, places, count, fresh, &made, err);
        if (code == LEAT_OK)
            code = leat_map_put(m->index, leat_buf_str(&key), m->configs_count, err);
        if (code == LEAT_OK) {
            *number = (uint32_t)m->configs_count;
            m->configs[m->configs_count++] = made;
        } else {
            leat_mem_free(made);
        }
    }
    leat_buf_release(&key);
    return code;
}

/* --- trees --- */

typedef struct growing {
    const machine_known *known;
    uint32_t asked; /* what is not known; MACHINE_NONE */
} growing;

static leat_code answer(void *self, uint32_t condition, bool *holds, leat_err *err)
{
    growing *g = self;
    uint64_t bit = (uint64_t)1 << (condition & 63);
    LEAT_ASSERT(condition < 128);
    *holds = (g->known->holds[condition >> 6] & bit) != 0;
    if ((g->known->known[condition >> 6] & bit) != 0) return LEAT_OK;
    g->asked = condition;
    err->code = LEAT_ERR_ABORTED; /* nobody reads it */
    return LEAT_ERR_ABORTED;
}

static leat_code branch_new(machine *m, uint32_t condition, uint32_t *next, leat_err *err)
{
    void *items = m->branches;
    if (m->branches_count == 0) m->branches_count = 1; /* 0 means none */
    LEAT_TRY(room(&items, &m->branches_size, m->branches_count, sizeof *m->branches, err));
    m->branches = items;
    m->branches[m->branches_count] = (struct machine_branch){.condition = condition};
    *next = (uint32_t)m->branches_count++;
    return LEAT_OK;
}

/* All options of one step become one take: the places that it leads to. */
static leat_code take_of(machine *m, const option_list *list, size_t from, machine_take *take,
                         leat_err *err)
{
    const leat_nfa *nfa = m->nfa;
    uint32_t count = 0;
    place *places = leat_mem_try(list->count * sizeof *places);
    if (places == NULL) return no_memory(err);
    *take = (machine_take){.config = MACHINE_NONE, .step = list->items[from].step};
    for (size_t i = from; i < list->count; i++) {
        if (list->items[i].step != take->step) continue;
        const leat_nfa_state *state = nfa->states[list->items[i].target];
        uint32_t edges = state->edges_count;
        take->completes = take->completes || state->accepts;
        if (edges == 0) continue;
        uint64_t all = edges == 64 ? UINT64_MAX : ((uint64_t)1 << edges) - 1;
        places[count++] = (place){.state = list->items[i].target, .alive = all};
    }
    leat_code code = LEAT_OK;
    if (count > 0) code = machine_config_of(m, places, count, true, &take->config, err);
    leat_mem_free(places);
    return code;
}

static leat_code leaf_fill(machine *m, machine_leaf *leaf, const place *places, uint32_t count,
                           const option_list *list, leat_err *err)
{
    leaf->config = MACHINE_NONE;
    if (count > 0) LEAT_TRY(machine_config_of(m, places, count, false, &leaf->config, err));
    for (size_t i = 0; i < list->count; i++) {
        bool done = false;
        for (size_t j = 0; j < i && !done; j++)
            done = list->items[j].step == list->items[i].step;
        if (done) continue;
        LEAT_TRY(take_of(m, list, i, &leaf->takes[leaf->takes_count], err));
        leaf->takes_count++;
    }
    return LEAT_OK;
}

static leat_code leaf_new(machine *m, const place *places, uint32_t count, const option_list *list,
                          uint32_t *next, leat_err *err)
{
    void *items = m->leaves;
    LEAT_TRY(room(&items, &m->leaves_size, m->leaves_count, sizeof *m->leaves, err));
    m->leaves = items;
    machine_leaf *leaf = leat_mem_try(sizeof *leaf + list->count * sizeof *leaf->takes);
    if (leaf == NULL) return no_memory(err);
    *leaf = (machine_leaf){.completes = list->complete};
    leat_code code = leaf_fill(m, leaf, places, count, list, err);
    if (code != LEAT_OK) {
        leat_mem_free(leaf);
        return code;
    }
    *next = MACHINE_LEAF | (uint32_t)m->leaves_count;
    m->leaves[m->leaves_count++] = leaf;
    return LEAT_OK;
}

leat_code machine_grow(machine *m, uint32_t config, const machine_known *known, uint32_t *next,
                       leat_err *err)
{
    const machine_config *from = machine_config_at(m, config);
    growing g = {known, MACHINE_NONE};
    step_host host = {&g, answer};
    option_list list = {0};
    uint32_t count = from->places_count;
    place *places = leat_mem_try(count * sizeof *places);
    if (places == NULL) return no_memory(err);
    memcpy(places, from->places, count * sizeof *places);
    leat_code code =
        places_step(m->nfa, places, &count, from->fresh, config == 0, &host, &list, err);
    if (g.asked != MACHINE_NONE)
        code = branch_new(m, g.asked, next, err);
    else if (code == LEAT_OK)
        code = leaf_new(m, places, config == 0 ? 0 : count, &list, next, err);
    leat_mem_free(list.items);
    leat_mem_free(places);
    return code;
}

/* --- life --- */

static void forget_trees(machine *m)
{
    for (size_t i = 0; i < m->leaves_count; i++)
        leat_mem_free(m->leaves[i]);
    for (size_t i = 0; i < m->configs_count; i++)
        m->configs[i]->tree = 0;
    m->leaves_count = m->branches_count = 0;
}

void machine_trim(machine *m)
{
    if (LEAT_LIKELY(m->branches_count + m->leaves_count < MACHINE_TREES_MAX)) return;
    forget_trees(m);
}

void machine_free(machine **gone)
{
    machine *m = *gone;
    if (m == NULL) return;
    forget_trees(m);
    for (size_t i = 0; i < m->configs_count; i++)
        leat_mem_free(m->configs[i]);
    leat_map_free(&m->index);
    leat_mem_free(m->configs);
    leat_mem_free(m->branches);
    leat_mem_free(m->leaves);
    leat_mem_free(m->reads);
    leat_mem_free(m->taken);
    leat_mem_free(m);
    *gone = NULL;
}

machine *machine_new(const leat_nfa *nfa, leat_err *err)
{
    LEAT_ASSERT(nfa->states_count > 0 && nfa->pattern->conditions_count <= 128);
    machine *m = leat_mem_need(sizeof *m);
    uint32_t edges = nfa->states[0]->edges_count;
    place start = {.alive = edges == 64 ? UINT64_MAX : ((uint64_t)1 << edges) - 1};
    uint32_t number = 0;
    m->nfa = nfa;
    m->within_ms = nfa->pattern->within_ms;
    m->runs_max = nfa->pattern->runs_max;
    m->takes_max = nfa->pattern->takes_max;
    m->index = leat_map_new();
    m->reads = leat_mem_need(((size_t)nfa->states_count * READS + 1) * sizeof *m->reads);
    m->taken = leat_mem_need(((size_t)nfa->states_count + 1) * sizeof *m->taken);
    find_reads(m);
    find_slots(m);
    if (machine_config_of(m, &start, 1, false, &number, err) == LEAT_OK) return m;
    machine_free(&m);
    return NULL;
}
