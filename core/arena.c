/* SPDX-License-Identifier: Apache-2.0 */
/* A list of chunks, of which the current one is cut from the left.
 *
 *   first                       current
 *   [header|used......|lost] -> [header|used...|at ...... end] -> [header| kept, empty ] -> NULL
 *           `before` counts                    the bump's room, cut
 *           all of these                       to what the limit leaves
 *
 * The limit is enforced by moving `end` left when a chunk becomes the current one; the bump itself
 * then needs a single comparison. `before` counts what was handed out and not what was lost at the
 * ends of chunks: the same allocations reach the limit at the same point whatever chunks are there,
 * because output may not depend on how input was cut into batches.
 *
 * Chunks double up to CHUNK_MAX. A reset keeps them; but many small chunks become one, and an arena
 * that held a rare giant batch lets go of it after RESETS_SHRINK calmer ones. */
#include "core/arena.h"

#include <stdio.h>

#include "core/mem.h"

#define CHUNK_FIRST   ((size_t)8 << 10)
#define CHUNK_MAX     ((size_t)1 << 20)
#define CHUNKS_KEPT   8u
#define RESETS_SHRINK 64u

typedef struct leat_arena_chunk chunk;
struct leat_arena_chunk {
    chunk *next;
    size_t size; /* bytes of data; a multiple of 16 */
    char data[];
};
_Static_assert(sizeof(chunk) % 16 == 0, "data is aligned as malloc's blocks are");

#ifdef LEAT_ARENA_POISON
void __asan_poison_memory_region(const volatile void *address, size_t bytes);
#define CLOSE(ptr, bytes) __asan_poison_memory_region((ptr), (bytes))
#else
#define CLOSE(ptr, bytes) ((void)0)
#endif

static size_t round_up(size_t bytes)
{
    return (bytes + 15) & ~(size_t)15;
}

leat_code leat_arena_new(leat_arena **arena, size_t bytes_max, leat_err *err)
{
    LEAT_ASSERT(arena != NULL);
    leat_arena *made = leat_mem_try(sizeof *made);
    if (made == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for an arena");
    *made = (leat_arena){
        .max = bytes_max > SIZE_MAX / 4 ? SIZE_MAX / 4 : round_up(bytes_max),
        .chunk_next = CHUNK_FIRST,
    };
    *arena = made;
    return LEAT_OK;
}

/* A note in the arena itself; `used` is how full that was, with the note. */
struct leat_arena_deferred {
    struct leat_arena_deferred *next;
    void (*free_function)(void *thing);
    void *thing;
    size_t used;
};

bool leat_arena_defer(leat_arena *arena, void (*free_function)(void *thing), void *thing)
{
    LEAT_ASSERT(free_function != NULL);
    struct leat_arena_deferred *note = leat_arena_alloc(arena, sizeof *note);
    if (note == NULL) return false;
    *note =
        (struct leat_arena_deferred){arena->deferred, free_function, thing, leat_arena_used(arena)};
    arena->deferred = note;
    return true;
}

/* Of all that was noted since the arena was `used` full. */
static void run_deferred(leat_arena *arena, size_t used)
{
    while (arena->deferred != NULL && arena->deferred->used > used) {
        struct leat_arena_deferred *note = arena->deferred;
        arena->deferred = note->next;
        note->free_function(note->thing);
    }
}

static void release_chunks(leat_arena *arena)
{
    for (chunk *next, *c = arena->first; c != NULL; c = next) {
        next = c->next;
        LEAT_ARENA_OPEN(c->data, c->size);
        leat_mem_free(c);
    }
    arena->first = NULL;
    arena->held = 0;
}

void leat_arena_free(leat_arena **arena)
{
    if (*arena == NULL) return;
    run_deferred(*arena, 0);
    release_chunks(*arena);
    leat_mem_free(*arena);
    *arena = NULL;
}

/* Makes c the chunk to cut from, `used` bytes of it being taken already. */
static void enter(leat_arena *arena, chunk *c, size_t used)
{
    LEAT_ASSERT(used <= c->size && arena->before <= arena->max);
    size_t left = arena->max - arena->before; /* what the limit leaves to this chunk */
    arena->current = c;
    arena->at = c->data + used;
    arena->end = c->data + (left < c->size ? left : c->size);
    if (arena->end < arena->at) arena->end = arena->at;
}

/* Puts a new chunk of at least `bytes` behind the current one. */
static chunk *chunk_new(leat_arena *arena, size_t bytes)
{
    size_t size = arena->chunk_next > bytes ? arena->chunk_next : bytes;
    chunk *c = leat_mem_try(sizeof *c + size);
    if (c == NULL) return NULL;
    CLOSE(c->data, size);
    c->size = size;
    chunk **link = arena->current != NULL ? &arena->current->next : &arena->first;
    c->next = *link;
    *link = c;
    arena->held += sizeof *c + size;
    if (arena->chunk_next < CHUNK_MAX) arena->chunk_next *= 2;
    return c;
}

void *leat_arena_alloc_slow(leat_arena *arena, size_t bytes)
{
    arena->out_of_memory = false;
    size_t used = leat_arena_used(arena);
    LEAT_ASSERT(used <= arena->max);
    if (bytes > arena->max - used) return NULL; /* before rounding, which could wrap around */
    bytes = bytes == 0 ? 16 : round_up(bytes);
    if (bytes > arena->max - used) return NULL;
    if (bytes > (size_t)(arena->end - arena->at)) {
        chunk *c = arena->current != NULL ? arena->current->next : arena->first;
        /* A kept chunk that is too small stays behind the new one, for the next. */
        if (c == NULL || c->size < bytes) c = chunk_new(arena, bytes);
        if (c == NULL) {
            arena->out_of_memory = true;
            return NULL;
        }
        arena->before = used;
        enter(arena, c, 0);
    }
    char *ptr = arena->at;
    LEAT_ASSERT(bytes <= (size_t)(arena->end - ptr));
    arena->at = ptr + bytes;
    LEAT_ARENA_OPEN(ptr, bytes);
    return ptr;
}

void *leat_arena_zero(leat_arena *arena, size_t bytes)
{
    void *ptr = leat_arena_alloc(arena, bytes);
    if (LEAT_LIKELY(ptr != NULL)) memset(ptr, 0, bytes);
    return ptr;
}

void *leat_arena_extend(leat_arena *arena, void *ptr, size_t bytes_old, size_t bytes_new)
{
    if (ptr == NULL) return leat_arena_alloc(arena, bytes_new);
    LEAT_ASSERT(bytes_new >= bytes_old);
    char *old = ptr;
    size_t taken = round_up(bytes_old);
    if (bytes_old != 0 && old + taken == arena->at) {
        if (bytes_new - bytes_old <= (size_t)(arena->end - arena->at)) {
            size_t more = round_up(bytes_new) - taken;
            if (more <= (size_t)(arena->end - arena->at)) {
                arena->at += more;
                LEAT_ARENA_OPEN(ptr, bytes_new);
                return ptr;
            }
        }
    }
    void *moved = leat_arena_alloc(arena, bytes_new);
    if (moved != NULL && bytes_old != 0) memcpy(moved, ptr, bytes_old);
    return moved;
}

leat_str leat_arena_copy(leat_arena *arena, leat_str str)
{
    if (str.len == SIZE_MAX) return LEAT_STR_NONE;
    char *copy = leat_arena_alloc(arena, str.len + 1);
    if (copy == NULL) return LEAT_STR_NONE;
    if (str.len != 0) memcpy(copy, str.data, str.len);
    copy[str.len] = 0;
    return (leat_str){copy, str.len};
}

leat_str leat_arena_print(leat_arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    LEAT_ASSERT(len >= 0);
    char *text = leat_arena_alloc(arena, (size_t)len + 1);
    if (text != NULL) (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text != NULL ? (leat_str){text, (size_t)len} : LEAT_STR_NONE;
}

size_t leat_arena_used(const leat_arena *arena)
{
    if (arena->current == NULL) return arena->before;
    return arena->before + (size_t)(arena->at - arena->current->data);
}

size_t leat_arena_held(const leat_arena *arena)
{
    return arena->held;
}

/* Forgets everything handed out; the chunks stay. */
static void rewind_all(leat_arena *arena)
{
    for (chunk *c = arena->first; c != NULL; c = c->next)
        CLOSE(c->data, c->size);
    arena->current = NULL;
    arena->at = arena->end = NULL;
    arena->before = 0;
}

static unsigned count_chunks(const leat_arena *arena)
{
    unsigned count = 0;
    for (const chunk *c = arena->first; c != NULL; c = c->next)
        count++;
    return count;
}

void leat_arena_reset(leat_arena *arena)
{
    size_t used = leat_arena_used(arena);
    if (used > arena->peak) arena->peak = used;
    if (LEAT_UNLIKELY(arena->deferred != NULL)) run_deferred(arena, 0);
    rewind_all(arena);
    bool spread = arena->first != NULL && count_chunks(arena) > CHUNKS_KEPT;
    bool due = ++arena->resets >= RESETS_SHRINK;
    if (spread || (due && arena->held > CHUNK_MAX && arena->held / 4 > arena->peak)) {
        size_t one = round_up(arena->peak + arena->peak / 4);
        if (one > arena->max) one = arena->max;
        release_chunks(arena);
        arena->chunk_next = one > CHUNK_FIRST ? one : CHUNK_FIRST;
    }
    if (due) {
        arena->resets = 0;
        arena->peak = 0;
    }
}

leat_arena_mark leat_arena_save(const leat_arena *arena)
{
    if (arena->current == NULL) return (leat_arena_mark){NULL, 0, arena->before};
    size_t used = (size_t)(arena->at - arena->current->data);
    return (leat_arena_mark){arena->current, used, arena->before};
}

void leat_arena_restore(leat_arena *arena, leat_arena_mark mark)
{
    size_t used = leat_arena_used(arena);
    if (used > arena->peak) arena->peak = used;
    LEAT_ASSERT(mark.total + mark.used <= used);
    run_deferred(arena, mark.total + mark.used);
    if (mark.chunk == NULL) {
        rewind_all(arena);
        return;
    }
    chunk *c = mark.chunk;
    arena->before = mark.total;
    for (chunk *later = c->next; later != NULL; later = later->next)
        CLOSE(later->data, later->size);
    CLOSE(c->data + mark.used, c->size - mark.used);
    enter(arena, c, mark.used);
}

#undef leat_arena_full /* what the linter sees of it */
leat_code leat_arena_full(const leat_arena *arena, leat_err *err)
{
    if (arena->out_of_memory) return leat_err_set(err, LEAT_ERR_MEMORY, "out of memory");
    return leat_err_set(err, LEAT_ERR_LIMIT, "the limit of %zu bytes of working memory is reached",
                        arena->max);
}
