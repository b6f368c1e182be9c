/* SPDX-License-Identifier: Apache-2.0 */
/* The heap: what is live is counted, and allocations fail where a test tells them to. */
#include <criterion/criterion.h>

#include "core/mem.h"
#include "tests/unit/leak.h"

LEAT_SUITE(mem);

Test(mem, counts_live_blocks)
{
    uint64_t live = leat_mem_live(), made = leat_mem_allocations();
    char *a = leat_mem_try(10), *b = leat_mem_need(20), *c = leat_mem_need_text("text");
    cr_assert_eq(leat_mem_live(), live + 3);
    a = leat_mem_try_resize(a, 1000);
    cr_assert_eq(leat_mem_live(), live + 3);
    cr_assert_str_eq(c, "text");
    for (int i = 0; i < 20; i++)
        cr_assert_eq(b[i], 0);
    leat_mem_free(a);
    leat_mem_free(b);
    leat_mem_free(c);
    leat_mem_free(NULL);
    cr_assert_eq(leat_mem_live(), live);
    cr_assert_eq(leat_mem_allocations(), made + 4);
}

Test(mem, nothing_asked_for_is_a_block_too)
{
    void *none = leat_mem_try(0);
    cr_assert_not_null(none);
    none = leat_mem_try_resize(none, 0);
    cr_assert_not_null(none);
    leat_mem_free(none);
}

#ifndef LEAT_TESTS_LSAN /* ASan stops at such a request */
Test(mem, too_much_is_refused)
{
    uint64_t live = leat_mem_live();
    cr_assert_null(leat_mem_try(SIZE_MAX / 4));
    char *small = leat_mem_try(4);
    memcpy(small, "abc", 4);
    cr_assert_null(leat_mem_try_resize(small, SIZE_MAX / 4));
    cr_assert_str_eq(small, "abc"); /* still there */
    leat_mem_free(small);
    cr_assert_eq(leat_mem_live(), live);
}
#endif

Test(mem, fails_where_it_is_told_to)
{
    static const struct {
        uint64_t nth;
        bool once;
        bool works[5];
    } cases[] = {
        {0, false, {true, true, true, true, true}},
        {1, true, {false, true, true, true, true}},
        {3, true, {true, true, false, true, true}},
        {3, false, {true, true, false, false, false}},
        {1, false, {false, false, false, false, false}},
        {6, true, {true, true, true, true, true}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_mem_fail_at(cases[i].nth, cases[i].once);
        for (int n = 0; n < 5; n++) {
            void *ptr = n % 2 == 0 ? leat_mem_try(8) : leat_mem_try_resize(NULL, 8);
            cr_assert_eq(ptr != NULL, cases[i].works[n], "case %zu, allocation %d", i, n);
            leat_mem_free(ptr);
        }
        leat_mem_fail_at(0, false);
    }
}

Test(mem, a_resize_can_fail_too)
{
    char *ptr = leat_mem_try(4);
    memcpy(ptr, "abc", 4);
    leat_mem_fail_at(1, true);
    cr_assert_null(leat_mem_try_resize(ptr, 400));
    cr_assert_str_eq(ptr, "abc");
    ptr = leat_mem_try_resize(ptr, 400);
    cr_assert_not_null(ptr);
    leat_mem_free(ptr);
}
