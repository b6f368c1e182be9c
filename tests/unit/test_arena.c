/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas: alignment, limits, marks, growth, what is given back, and memory that runs out. */
#include <criterion/criterion.h>

#include "core/arena.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(arena);

static leat_arena *arena_of(size_t max)
{
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, max, &err), LEAT_OK);
    return arena;
}

Test(arena, hands_out_aligned_disjoint_memory)
{
    leat_arena *arena = arena_of(64 << 20);
    leat_random random = {1};
    struct {
        unsigned char *ptr;
        size_t size;
    } blocks[3000];
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 3000; i++) {
            size_t size = leat_random_below(&random, i % 500 == 0 ? 300000 : 200);
            blocks[i].ptr = leat_arena_alloc(arena, size);
            blocks[i].size = size;
            cr_assert_not_null(blocks[i].ptr);
            cr_assert_eq((uintptr_t)blocks[i].ptr % 16, 0);
            memset(blocks[i].ptr, i & 0xff, size);
        }
        for (int i = 0; i < 3000; i++)
            for (size_t j = 0; j < blocks[i].size; j++)
                cr_assert_eq(blocks[i].ptr[j], i & 0xff);
        leat_arena_reset(arena);
        cr_assert_eq(leat_arena_used(arena), 0);
    }
    leat_arena_free(&arena);
    cr_assert_null(arena);
    leat_arena_free(&arena);
}

Test(arena, the_limit_is_exact_whatever_came_before)
{
    static const size_t sizes[] = {16, 48, 1000, 70000, 5000};
    for (size_t s = 0; s < 5; s++) {
        leat_arena *arena = arena_of(1 << 20);
        size_t first = 0;
        for (int round = 0; round < 30; round++) {
            size_t count = 0;
            while (leat_arena_alloc(arena, sizes[s]) != NULL)
                count++;
            if (round == 0) first = count;
            cr_assert_eq(count, (1 << 20) / ((sizes[s] + 15) / 16 * 16));
            cr_assert_eq(count, first);
            cr_assert_leq(leat_arena_used(arena), 1 << 20);
            cr_assert_leq(leat_arena_held(arena), 5 << 20);
            leat_err err;
            cr_assert_eq(leat_arena_full(arena, &err), LEAT_ERR_LIMIT);
            leat_arena_reset(arena);
            /* Something else in between must not matter. */
            leat_arena_alloc(arena, 3000 * (size_t)round + 1);
            leat_arena_reset(arena);
        }
        leat_arena_free(&arena);
    }
}

Test(arena, a_steady_load_allocates_nothing)
{
    leat_arena *arena = arena_of(64 << 20);
    uint64_t before = 0;
    for (int round = 0; round < 300; round++) {
        if (round == 100) before = leat_mem_allocations();
        for (int i = 0; i < 10000; i++)
            cr_assert_not_null(leat_arena_alloc(arena, 300));
        leat_arena_reset(arena);
    }
    cr_assert_eq(leat_mem_allocations(), before);
    leat_arena_free(&arena);
}

Test(arena, a_spike_is_forgotten)
{
    leat_arena *arena = arena_of((size_t)1 << 30);
    for (int i = 0; i < 100; i++)
        cr_assert_not_null(leat_arena_alloc(arena, 1 << 20));
    leat_arena_reset(arena);
    for (int round = 0; round < 300; round++) {
        cr_assert_not_null(leat_arena_alloc(arena, 1000));
        leat_arena_reset(arena);
    }
    cr_assert_leq(leat_arena_held(arena), 4 << 20);
    leat_arena_free(&arena);
}

Test(arena, marks)
{
    leat_arena *arena = arena_of(10 << 20);
    leat_arena_mark start = leat_arena_save(arena);
    leat_str kept = leat_arena_copy(arena, LEAT_STR("kept"));
    leat_arena_mark mark = leat_arena_save(arena);
    size_t used = leat_arena_used(arena);
    void *next = leat_arena_alloc(arena, 100);
    for (int i = 0; i < 1000; i++)
        cr_assert_not_null(leat_arena_alloc(arena, 5000));
    leat_arena_restore(arena, mark);
    cr_assert_eq(leat_arena_used(arena), used);
    cr_assert_str_eq(kept.data, "kept");
    cr_assert_eq(leat_arena_alloc(arena, 100), next);
    leat_arena_restore(arena, start);
    cr_assert_eq(leat_arena_used(arena), 0);
    leat_arena_free(&arena);
}

Test(arena, extends_in_place_where_it_can)
{
    leat_arena *arena = arena_of(10 << 20);
    char *first = leat_arena_extend(arena, NULL, 0, 10);
    memcpy(first, "123456789", 10);
    char *same = leat_arena_extend(arena, first, 10, 1000);
    cr_assert_eq(same, first);
    memset(same + 10, 'x', 990);
    leat_arena_alloc(arena, 1);
    char *moved = leat_arena_extend(arena, same, 1000, 2000);
    cr_assert_neq(moved, same);
    cr_assert_str_eq(moved, "123456789");
    cr_assert_eq(moved[999], 'x');
    char *far = leat_arena_extend(arena, moved, 2000, 3 << 20); /* beyond the chunk */
    cr_assert_str_eq(far, "123456789");
    cr_assert_null(leat_arena_extend(arena, far, 3 << 20, SIZE_MAX));
    cr_assert_null(leat_arena_extend(arena, far, 3 << 20, 11 << 20));
    leat_arena_free(&arena);
}

Test(arena, copies_and_prints)
{
    leat_arena *arena = arena_of(100000);
    leat_str copy = leat_arena_copy(arena, LEAT_STR("a\0b"));
    cr_assert(leat_str_equal(copy, LEAT_STR("a\0b")));
    cr_assert_eq(copy.data[3], 0);
    cr_assert_not_null(leat_arena_copy(arena, LEAT_STR_NONE).data);
    leat_str text = leat_arena_print(arena, "%d-%s", 42, "x");
    cr_assert(leat_str_is(text, "42-x"));
    cr_assert_eq(text.data[4], 0);
    char *zero = leat_arena_zero(arena, 1000);
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(zero[i], 0);
    cr_assert_null(leat_arena_copy(arena, (leat_str){"x", SIZE_MAX}).data);
    cr_assert_null(leat_arena_array(arena, SIZE_MAX / 2, 4));
    cr_assert_null(leat_arena_print(arena, "%0200000d", 1).data);
    cr_assert_not_null(leat_arena_alloc(arena, 0));
    leat_arena_free(&arena);
}

Test(arena, a_limit_of_nothing)
{
    leat_arena *arena = arena_of(0);
    cr_assert_null(leat_arena_alloc(arena, 1));
    cr_assert_null(leat_arena_alloc(arena, 0)); /* even that takes room */
    leat_arena_reset(arena);
    cr_assert_null(leat_arena_zero(arena, 1));
    leat_arena_free(&arena);
}

static char order[16];

static void note_order(void *thing)
{
    size_t len = strlen(order);
    order[len] = *(const char *)thing;
    order[len + 1] = 0;
}

Test(arena, deferred_frees_run_when_their_place_is_void)
{
    static char names[] = "abcd";
    leat_arena *arena = arena_of(1 << 20);
    cr_assert(leat_arena_defer(arena, note_order, &names[0]));
    leat_arena_mark mark = leat_arena_save(arena);
    cr_assert(leat_arena_defer(arena, note_order, &names[1]));
    cr_assert_not_null(leat_arena_alloc(arena, 100000)); /* in another chunk */
    cr_assert(leat_arena_defer(arena, note_order, &names[2]));
    leat_arena_restore(arena, mark);
    cr_assert_str_eq(order, "cb"); /* the latest first */
    leat_arena_reset(arena);
    cr_assert_str_eq(order, "cba");
    leat_arena_reset(arena);
    cr_assert(leat_arena_defer(arena, note_order, &names[3]));
    leat_arena_free(&arena);
    cr_assert_str_eq(order, "cbad");
    arena = arena_of(16);
    cr_assert_not(leat_arena_defer(arena, note_order, &names[0]));
    leat_arena_free(&arena);
    cr_assert_str_eq(order, "cbad");
}

static bool fill(void)
{
    leat_err err;
    leat_arena *arena = NULL;
    if (leat_arena_new(&arena, 10 << 20, &err) != LEAT_OK) {
        cr_assert_eq(err.code, LEAT_ERR_MEMORY);
        return true;
    }
    bool failed = false;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            if (leat_arena_alloc(arena, 7000) != NULL) continue;
            cr_assert_eq(leat_arena_full(arena, &err), LEAT_ERR_MEMORY);
            failed = true;
        }
        leat_arena_reset(arena);
    }
    leat_arena_free(&arena);
    return failed;
}

Test(arena, survives_every_failing_allocation)
{
    leat_tests_fail_each(fill);
}
