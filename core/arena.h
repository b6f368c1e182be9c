/* SPDX-License-Identifier: Apache-2.0 */
/* An arena: allocation is a pointer bump, freeing is one reset. Chunks are kept over a reset, so
 * that a steady load allocates nothing. A hard limit, given at the start, bounds it: past it
 * leat_arena_alloc returns NULL and the caller says LEAT_ERR_LIMIT.
 * Three lifetimes in Leat: batch < task < plan; a pointer points only to the longer-lived.
 * Owner: whoever made it. Thread: one. Cost: ~2 ns an allocation. */
#ifndef LEAT_CORE_ARENA_H
#define LEAT_CORE_ARENA_H

#include "core/err.h"
#include "core/str.h"

typedef struct leat_arena leat_arena;

leat_code leat_arena_new(leat_arena **arena, size_t bytes_max, leat_err *err) LEAT_CHECKED;
void leat_arena_free(leat_arena **arena);  /* NULL inside is harmless; nulls */
void leat_arena_reset(leat_arena *arena);  /* all that was handed out is void; keeps chunks */
void *leat_arena_alloc(leat_arena *arena, size_t bytes);  /* 16-aligned, NOT zeroed; NULL: limit */
void *leat_arena_zero(leat_arena *arena, size_t bytes);   /* zeroed; NULL: limit */
/* The last allocation, made longer in place if it can be, else moved. */
void *leat_arena_extend(leat_arena *arena, void *ptr, size_t bytes_old, size_t bytes_new);
/* Copies, with a NUL behind (not counted in len). data NULL in the result: limit. */
leat_str leat_arena_copy(leat_arena *arena, leat_str str);
leat_str leat_arena_print(leat_arena *arena, const char *format, ...) LEAT_PRINTF(2, 3);
size_t leat_arena_used(const leat_arena *arena); /* bytes handed out since the reset */
size_t leat_arena_held(const leat_arena *arena); /* bytes of its chunks */
/* A place to go back to: what was allocated since is void. For scratch inside a batch. */
typedef struct leat_arena_mark {
    void *chunk;
    size_t used, total;
} leat_arena_mark;
leat_arena_mark leat_arena_save(const leat_arena *arena);
void leat_arena_restore(leat_arena *arena, leat_arena_mark mark);

/* The usual error of a full arena. */
leat_code leat_arena_full(const leat_arena *arena, leat_err *err);

#endif
