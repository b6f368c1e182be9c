/* SPDX-License-Identifier: Apache-2.0 */
/* The pool: items do not overlap, whatever comes and goes; what is held is in proportion to what
 * lives; items outlive the pool. */
#include <criterion/criterion.h>
#include <string.h>

#include "core/mem.h"
#include "core/pool.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(pool);

typedef struct item {
    unsigned char *bytes;
    size_t len;
    uint32_t place;
} item;

static item take(leat_pool *pool, size_t len, unsigned char fill)
{
    item made = {.len = len};
    made.bytes = leat_pool_take(pool, len, &made.place);
    cr_assert_not_null(made.bytes);
    cr_assert_eq((uintptr_t)made.bytes % 8, 0);
    cr_assert(made.place > 0 && made.place < 1u << LEAT_POOL_PLACE_BITS);
    memset(made.bytes, fill, len);
    return made;
}

/* Nobody else has written into it. */
static void give(item *gone)
{
    for (size_t i = 1; i < gone->len; i++)
        cr_assert_eq(gone->bytes[i], gone->bytes[0]);
    leat_pool_give(gone->bytes, gone->place);
    gone->bytes = NULL;
}

static size_t random_len(leat_random *random)
{
    size_t most = leat_random_below(random, 4) == 0 ? LEAT_POOL_ITEM_MAX : 130;
    return LEAT_POOL_ITEM_MIN + leat_random_below(random, most - LEAT_POOL_ITEM_MIN + 1);
}

Test(pool, items_do_not_overlap)
{
    enum { COUNT = 1500 };
    static item items[COUNT];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        leat_random random = {seed};
        leat_pool *pool = leat_pool_new();
        for (size_t i = 0; i < (size_t)20 * COUNT; i++) {
            /* Now and then many at once, so that slabs become empty. */
            bool few = i / COUNT % 4 == 3;
            item *at = &items[leat_random_below(&random, few ? COUNT / 50 : COUNT)];
            if (at->bytes != NULL) give(at);
            if (!few || i % 2 == 0) *at = take(pool, random_len(&random), (unsigned char)i);
            if (i % COUNT != 0 || !few) continue;
            for (size_t j = 0; j < COUNT; j++)
                if (items[j].bytes != NULL) give(&items[j]);
        }
        if (seed % 2 == 0) leat_pool_free(&pool); /* the items are left */
        for (size_t j = 0; j < COUNT; j++)
            if (items[j].bytes != NULL) give(&items[j]);
        leat_pool_free(&pool);
    }
}

Test(pool, tells_whose_an_item_is)
{
    leat_pool *pool = leat_pool_new();
    item a = take(pool, 100, 1), b = take(pool, 100, 2), c = take(pool, 700, 3);
    cr_expect_eq(leat_pool_of(a.bytes, a.place), pool);
    cr_expect_eq(leat_pool_of(c.bytes, c.place), pool);
    give(&b);
    leat_pool_free(&pool);
    cr_expect_null(pool);
    cr_expect_null(leat_pool_of(a.bytes, a.place));
    give(&a);
    give(&c);
}

/* After a burst what is held is given back but for a few slabs. */
Test(pool, gives_a_burst_back)
{
    enum { COUNT = 20000 };
    static item items[COUNT];
    static const size_t lens[] = {40, 111, 112, 300, 1000, LEAT_POOL_ITEM_MAX};
    leat_pool *pool = leat_pool_new();
    for (size_t l = 0; l < sizeof lens / sizeof lens[0]; l++) {
        item stays = take(pool, lens[l], 1);
        size_t before = leat_pool_bytes(pool);
        for (size_t i = 0; i < COUNT; i++)
            items[i] = take(pool, lens[l], (unsigned char)i);
        cr_expect_geq(leat_pool_bytes(pool), COUNT * lens[l]);
        cr_expect_leq(leat_pool_bytes(pool), COUNT * (lens[l] + lens[l] / 8 + 16) + 65536 + before);
        for (size_t i = 0; i < COUNT; i++) /* in another order */
            give(&items[(i * 7919) % COUNT]);
        cr_expect_leq(leat_pool_bytes(pool), before + 65536);
        give(&stays);
    }
    cr_expect_leq(leat_pool_bytes(pool), 131072);
    leat_pool_free(&pool);
}

#ifndef LEAT_TESTS_LSAN /* there no place is used twice */
/* A window moves on: the oldest goes, another comes. */
Test(pool, a_window_needs_no_more_with_time)
{
    enum { COUNT = 5000 };
    static item items[COUNT];
    leat_pool *pool = leat_pool_new();
    for (size_t i = 0; i < COUNT; i++)
        items[i] = take(pool, 111, 1);
    size_t bytes = leat_pool_bytes(pool);
    uint64_t allocations = leat_mem_allocations();
    for (size_t i = 0; i < (size_t)50 * COUNT; i++) {
        give(&items[i % COUNT]);
        items[i % COUNT] = take(pool, 111, (unsigned char)i);
    }
    cr_expect_leq(leat_pool_bytes(pool), bytes + bytes / 8);
    cr_expect_leq(leat_mem_allocations(), allocations + 8);
    for (size_t i = 0; i < COUNT; i++)
        give(&items[i]);
    leat_pool_free(&pool);
}

/* A single item that comes and goes costs no allocation. */
Test(pool, keeps_its_last_slab)
{
    leat_pool *pool = leat_pool_new();
    item one = take(pool, 64, 1);
    give(&one);
    uint64_t allocations = leat_mem_allocations();
    for (int i = 0; i < 1000; i++) {
        one = take(pool, 64, (unsigned char)i);
        give(&one);
    }
    cr_expect_eq(leat_mem_allocations(), allocations);
    leat_pool_free(&pool);
}
#endif

Test(pool, says_when_there_is_no_memory)
{
    leat_pool *pool = leat_pool_new();
    uint32_t place = 0;
    leat_mem_fail_at(1, true);
    cr_expect_null(leat_pool_take(pool, 64, &place));
    item one = take(pool, 64, 1);
    give(&one);
    cr_expect_leq(leat_pool_bytes(pool), 16384);
    leat_pool_free(&pool);
    leat_pool_free(&pool);
}
