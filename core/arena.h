/* SPDX-License-Identifier: Apache-2.0 */
/* An arena: allocation is a pointer bump, freeing is one reset. Chunks are kept over a reset, so
 * that a steady load allocates nothing. A hard limit, given at the start, bounds it: past it
 * leat_arena_alloc returns NULL and the caller says LEAT_ERR_LIMIT (leat_arena_full). The limit is
 * on the bytes handed out, so that whether it is reached depends on the input alone, not on what
 * the arena served before; the memory held is at most about twice that.
 * Three lifetimes in Leat: batch < task < plan; a pointer points only to the longer-lived.
 * Owner: whoever made it. Thread: one. Cost: ~2 ns an allocation. */
#ifndef LEAT_CORE_ARENA_H
#define LEAT_CORE_ARENA_H

#include "core/err.h"
#include "core/str.h"

#if defined(__SANITIZE_ADDRESS__)
#define LEAT_ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAT_ARENA_POISON 1
#endif
#endif
#ifdef LEAT_ARENA_POISON
/* Under ASan what was not handed out, or is void again, may not be touched. */
void __asan_unpoison_memory_region(const volatile void *address, size_t bytes);
#define LEAT_ARENA_OPEN(ptr, bytes) __asan_unpoison_memory_region((ptr), (bytes))
#else
#define LEAT_ARENA_OPEN(ptr, bytes) ((void)0)
#endif

typedef struct leat_arena leat_arena;

/* Shown for the sake of the inlined bump only; nobody else touches a member. */
struct leat_arena {
    char *at, *end; /* the free rest of the current chunk, cut to the limit; 16-aligned */
    struct leat_arena_chunk *current, *first;
    size_t before;      /* bytes handed out by the chunks before the current one */
    size_t max;         /* limit of what is handed out */
    size_t held;        /* bytes of all chunks */
    size_t chunk_next;  /* size of the next chunk to be made */
    size_t peak;        /* most bytes handed out before one of the last resets */
    unsigned resets;    /* since the peak was last forgotten */
    bool out_of_memory; /* the last refusal was the heap's, not the limit's */
    struct leat_arena_deferred *deferred; /* latest first */
};

leat_code leat_arena_new(leat_arena **arena, size_t bytes_max, leat_err *err) LEAT_CHECKED;
void leat_arena_free(leat_arena **arena); /* NULL inside is harmless; nulls */
void leat_arena_reset(leat_arena *arena); /* all that was handed out is void; keeps chunks */

void *leat_arena_alloc_slow(leat_arena *arena, size_t bytes);
/* 16-aligned, NOT zeroed; NULL: limit */
static inline void *leat_arena_alloc(leat_arena *arena, size_t bytes)
{
    /* bytes - 1: nothing asked for wraps around and takes the slow path, which hands out 16. */
    if (LEAT_LIKELY(bytes - 1 < (size_t)(arena->end - arena->at))) {
        char *ptr = arena->at;
        arena->at = ptr + ((bytes + 15) & ~(size_t)15);
        LEAT_ARENA_OPEN(ptr, bytes);
        return ptr;
    }
    return leat_arena_alloc_slow(arena, bytes);
}
void *leat_arena_zero(leat_arena *arena, size_t bytes); /* zeroed; NULL: limit */
/* Memory for count things of `bytes` each, not zeroed; NULL: limit, or the product overflows. */
static inline void *leat_arena_array(leat_arena *arena, size_t count, size_t bytes)
{
    size_t total;
    if (LEAT_UNLIKELY(__builtin_mul_overflow(count, bytes, &total))) return NULL;
    return leat_arena_alloc(arena, total);
}
/* The last allocation, made longer in place if it can be, else moved (ptr NULL: made). */
void *leat_arena_extend(leat_arena *arena, void *ptr, size_t bytes_old, size_t bytes_new);
/* Copies, with a NUL behind (not counted in len). data NULL in the result: limit. */
leat_str leat_arena_copy(leat_arena *arena, leat_str str);
leat_str leat_arena_print(leat_arena *arena, const char *format, ...) LEAT_PRINTF(2, 3);
/* free_function(thing) is called when what is now in the arena becomes void (reset, free, restore
 * to an earlier place), latest first: for the few things that only their library can free. False:
 * limit, and nothing was noted. */
bool leat_arena_defer(leat_arena *arena, void (*free_function)(void *thing),
                      void *thing) LEAT_CHECKED;
size_t leat_arena_used(const leat_arena *arena); /* bytes handed out since the reset */
size_t leat_arena_held(const leat_arena *arena); /* bytes of its chunks */
/* A place to go back to: what was allocated since is void. For scratch inside a batch. */
typedef struct leat_arena_mark {
    void *chunk;
    size_t used, total;
} leat_arena_mark;
leat_arena_mark leat_arena_save(const leat_arena *arena);
void leat_arena_restore(leat_arena *arena, leat_arena_mark mark);

/* The usual error of a full arena: LEAT_ERR_LIMIT, or LEAT_ERR_MEMORY if the heap had none. */
leat_code leat_arena_full(const leat_arena *arena, leat_err *err);
#ifdef __clang_analyzer__
#define leat_arena_full(arena, err) leat_err_is(LEAT_ERR_LIMIT, (leat_arena_full)(arena, err))
#endif

#endif
