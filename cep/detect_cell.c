/* SPDX-License-Identifier: Apache-2.0 */
/* The state of one key: a cell of the step's table. It holds a part for each pattern that has
 * anything under way for the key, and is there only while there is one: an expired key leaves
 * nothing behind.
 *
 *   few parts (nearly all cells: one)      an array, gone through
 *   many (one sequence of all, and a thousand patterns)
 *        places: pattern -> place in the array, a hash table
 *        due:    a heap of (deadline, pattern). A part whose deadline moves is put in again; what
 *                is in the heap and no part's deadline any more is dropped when it comes up, or all
 *                at once when it is more than half of the heap
 *
 * So that an event costs the patterns that it concerns, not those that share the key with them. */
#include "cep/detect_inside.h"

#include "core/mem.h"

#define FEW       12   /* parts that are gone through */
#define SPARE_MAX 4096 /* cells without a key whose memory is kept */

typedef struct due {
    int64_t at_ms;
    uint32_t index;
} due;

typedef struct detect_many {
    uint32_t *places; /* place + 1; 0: free */
    uint32_t places_size;
    due *heap;
    uint32_t heap_count, heap_size;
} detect_many;

/* --- life --- */

static leat_code no_memory(leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a key's state");
}

detect_cell *detect_cell_new(detect_state *state, leat_err *err)
{
    detect_cell *made = state->spare;
    if (made != NULL) {
        state->spare = made->spare;
        state->spare_count--;
    } else if ((made = leat_mem_try(sizeof *made)) == NULL) {
        (void)no_memory(err);
        return NULL;
    }
    *made = (detect_cell){.size = 1, .timer_ms = LEAT_TIME_MAX};
    made->parts = &made->one;
    return made;
}

static void many_free(detect_many **many)
{
    detect_many *gone = *many;
    if (gone == NULL) return;
    leat_mem_free(gone->places);
    leat_mem_free(gone->heap);
    leat_mem_free(gone);
    *many = NULL;
}

void detect_cell_free(detect_state *state, detect_cell **cell)
{
    detect_cell *gone = *cell;
    if (gone == NULL) return;
    for (uint32_t i = 0; i < gone->count; i++)
        leat_matcher_drop(state->work, &gone->parts[i].matcher);
    if (gone->parts != &gone->one) leat_mem_free(gone->parts);
    many_free(&gone->many);
    leat_mem_free(gone->bytes);
    *cell = NULL;
    if (state->spare_count == SPARE_MAX) {
        leat_mem_free(gone);
        return;
    }
    gone->spare = state->spare;
    state->spare = gone;
    state->spare_count++;
}

void detect_cells_close(detect_state *state)
{
    while (state->spare != NULL) {
        detect_cell *gone = state->spare;
        state->spare = gone->spare;
        leat_mem_free(gone);
    }
    state->spare_count = 0;
}

/* --- many parts: by pattern --- */

/* Where the pattern's place is noted, or would be. */
static uint32_t *place_of(const detect_cell *cell, uint32_t index)
{
    const detect_many *many = cell->many;
    uint32_t mask = many->places_size - 1;
    for (uint32_t at = index * 0x9e3779b1u & mask;; at = (at + 1) & mask) {
        uint32_t place = many->places[at];
        if (place == 0 || cell->parts[place - 1].index == index) return &many->places[at];
    }
}

/* Notes all places anew: when there are twice as many parts, and when one has gone (a hole would
 * cut the ways of others; a cell of many that loses one is on the way to few). */
static leat_code places_make(detect_cell *cell, uint32_t size, leat_err *err)
{
    detect_many *many = cell->many;
    uint32_t *places = leat_mem_try(size * sizeof *places);
    if (places == NULL) return no_memory(err);
    memset(places, 0, size * sizeof *places);
    leat_mem_free(many->places);
    many->places = places;
    many->places_size = size;
    for (uint32_t i = 0; i < cell->count; i++)
        *place_of(cell, cell->parts[i].index) = i + 1;
    return LEAT_OK;
}

/* Takes a pattern out, and moves up those behind it that could have stood here. */
static void place_remove(const detect_cell *cell, uint32_t index)
{
    const detect_many *many = cell->many;
    uint32_t mask = many->places_size - 1;
    uint32_t hole = (uint32_t)(place_of(cell, index) - many->places);
    for (uint32_t at = (hole + 1) & mask; many->places[at] != 0; at = (at + 1) & mask) {
        uint32_t home = cell->parts[many->places[at] - 1].index * 0x9e3779b1u & mask;
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        many->places[hole] = many->places[at];
        hole = at;
    }
    many->places[hole] = 0;
}

/* --- many parts: by deadline --- */

static bool earlier(due a, due b)
{
    return a.at_ms != b.at_ms ? a.at_ms < b.at_ms : a.index < b.index;
}

static void heap_down(due *heap, uint32_t count, uint32_t at)
{
    due moved = heap[at];
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && earlier(heap[child + 1], heap[child])) child++;
        if (!earlier(heap[child], moved)) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

/* The heap of what there is; the rest of it is void. */
static void heap_make(const detect_cell *cell)
{
    detect_many *many = cell->many;
    many->heap_count = 0;
    for (uint32_t i = 0; i < cell->count; i++)
        if (cell->parts[i].deadline_ms != LEAT_TIME_MAX)
            many->heap[many->heap_count++] =
                (due){cell->parts[i].deadline_ms, cell->parts[i].index};
    for (uint32_t i = many->heap_count / 2; i-- > 0;)
        heap_down(many->heap, many->heap_count, i);
}

static leat_code heap_add(const detect_cell *cell, const detect_part *part, leat_err *err)
{
    detect_many *many = cell->many;
    if (part->deadline_ms == LEAT_TIME_MAX) return LEAT_OK;
    if (many->heap_count == many->heap_size) {
        uint32_t size = cell->count * 4;
        due *heap = many->heap;
        if (size > many->heap_size) heap = leat_mem_try_resize(many->heap, size * sizeof *heap);
        if (heap == NULL) return no_memory(err);
        if (size > many->heap_size) many->heap_size = size;
        many->heap = heap;
        heap_make(cell); /* the part is among them */
        return LEAT_OK;
    }
    uint32_t at = many->heap_count++;
    due added = {part->deadline_ms, part->index};
    for (; at > 0 && earlier(added, many->heap[(at - 1) / 2]); at = (at - 1) / 2)
        many->heap[at] = many->heap[(at - 1) / 2];
    many->heap[at] = added;
    return LEAT_OK;
}

/* The part on top, after what is void there has been dropped. */
static detect_part *heap_top(const detect_cell *cell)
{
    detect_many *many = cell->many;
    while (many->heap_count > 0) {
        detect_part *part = detect_cell_find(cell, many->heap[0].index);
        if (part != NULL && part->deadline_ms == many->heap[0].at_ms) return part;
        many->heap[0] = many->heap[--many->heap_count];
        if (many->heap_count > 0) heap_down(many->heap, many->heap_count, 0);
    }
    return NULL;
}

static leat_code many_make(detect_cell *cell, leat_err *err)
{
    cell->many = leat_mem_try(sizeof *cell->many);
    if (cell->many == NULL) return no_memory(err);
    *cell->many = (detect_many){.heap_size = 4 * cell->count};
    cell->many->heap = leat_mem_try(cell->many->heap_size * sizeof(due));
    leat_code code = cell->many->heap == NULL ? no_memory(err) : places_make(cell, 64, err);
    if (code == LEAT_OK)
        heap_make(cell);
    else
        many_free(&cell->many);
    return code;
}

/* --- parts --- */

detect_part *detect_cell_find(const detect_cell *cell, uint32_t index)
{
    if (cell->many != NULL) {
        uint32_t place = *place_of(cell, index);
        return place == 0 ? NULL : &cell->parts[place - 1];
    }
    for (uint32_t i = 0; i < cell->count; i++)
        if (cell->parts[i].index == index) return &cell->parts[i];
    return NULL;
}

static leat_code cell_reserve(detect_cell *cell, leat_err *err)
{
    if (cell->count < cell->size) return LEAT_OK;
    uint32_t size = cell->size == 1 ? 4 : cell->size * 2;
    bool inside = cell->parts == &cell->one;
    detect_part *parts = leat_mem_try_resize(inside ? NULL : cell->parts, size * sizeof *parts);
    if (parts == NULL) return no_memory(err);
    if (inside) parts[0] = cell->one;
    cell->parts = parts;
    cell->size = size;
    return LEAT_OK;
}

/* On an error the part's matcher stays the caller's. */
leat_code detect_cell_append(const detect_state *state, detect_cell *cell, detect_part part,
                             leat_err *err)
{
    LEAT_ASSERT(detect_cell_find(cell, part.index) == NULL);
    LEAT_TRY(cell_reserve(cell, err));
    if (cell->many == NULL && cell->count == FEW) LEAT_TRY(many_make(cell, err));
    detect_many *many = cell->many;
    if (many != NULL && 2 * (cell->count + 1) > many->places_size)
        LEAT_TRY(places_make(cell, many->places_size * 2, err));
    detect_part *added = &cell->parts[cell->count];
    *added = part;
    if (many == NULL) {
        cell->count++;
        return LEAT_OK;
    }
    *place_of(cell, part.index) = cell->count + 1;
    cell->count++;
    leat_code code = heap_add(cell, added, err);
    if (code == LEAT_OK) return LEAT_OK;
    added->matcher = NULL; /* the caller's again */
    detect_cell_remove(state, cell, added);
    return code;
}

leat_code detect_cell_add(const detect_state *state, detect_cell *cell, uint32_t index,
                          leat_matcher **matcher, leat_err *err)
{
    detect_part part = {
        .matcher = *matcher, .index = index, .deadline_ms = leat_matcher_deadline(*matcher)};
    LEAT_ASSERT(!leat_matcher_empty(*matcher));
    LEAT_TRY(detect_cell_append(state, cell, part, err));
    *matcher = NULL;
    return LEAT_OK;
}

void detect_cell_remove(const detect_state *state, detect_cell *cell, detect_part *part)
{
    LEAT_ASSERT(part >= cell->parts && part < cell->parts + cell->count);
    uint32_t last = cell->count - 1;
    leat_matcher_drop(state->work, &part->matcher);
    if (cell->many != NULL) place_remove(cell, part->index);
    if (cell->many != NULL && part != &cell->parts[last])
        *place_of(cell, cell->parts[last].index) = (uint32_t)(part - cell->parts) + 1;
    *part = cell->parts[last];
    cell->count--;
    if (cell->count == 0) many_free(&cell->many);
}

leat_code detect_part_open(const detect_state *state, detect_cell *cell, detect_part *part,
                           leat_err *err)
{
    LEAT_ASSERT(part->index < state->config->count);
    if (part->matcher == NULL) {
        LEAT_ASSERT(cell->bytes != NULL && part->len > 0);
        leat_str bytes = {cell->bytes + part->at, part->len};
        const leat_nfa *nfa = state->config->patterns[part->index].nfa;
        LEAT_TRY(leat_matcher_decode(nfa, state->work, bytes, cell->own, &part->matcher, err));
    }
    part->len = 0;
    return LEAT_OK;
}

leat_code detect_part_close(const detect_state *state, detect_cell *cell, detect_part *part,
                            leat_err *err)
{
    LEAT_ASSERT(part->matcher != NULL);
    if (leat_matcher_empty(part->matcher)) {
        detect_cell_remove(state, cell, part);
        return LEAT_OK;
    }
    int64_t before_ms = part->deadline_ms;
    part->deadline_ms = leat_matcher_deadline(part->matcher);
    if (cell->many == NULL || part->deadline_ms == before_ms) return LEAT_OK;
    return heap_add(cell, part, err);
}

detect_part *detect_cell_due(detect_cell *cell, int64_t now_ms)
{
    detect_part *first = NULL;
    if (cell->many != NULL) {
        first = heap_top(cell);
        return first != NULL && first->deadline_ms <= now_ms ? first : NULL;
    }
    for (uint32_t i = 0; i < cell->count; i++) {
        detect_part *part = &cell->parts[i];
        if (part->deadline_ms > now_ms) continue;
        if (first == NULL ||
            earlier((due){part->deadline_ms, part->index}, (due){first->deadline_ms, first->index}))
            first = part;
    }
    return first;
}

int64_t detect_cell_deadline(detect_cell *cell)
{
    int64_t least_ms = LEAT_TIME_MAX;
    if (cell->many != NULL) {
        const detect_part *first = heap_top(cell);
        return first == NULL ? LEAT_TIME_MAX : first->deadline_ms;
    }
    for (uint32_t i = 0; i < cell->count; i++)
        if (cell->parts[i].deadline_ms < least_ms) least_ms = cell->parts[i].deadline_ms;
    return least_ms;
}
