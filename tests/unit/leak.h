/* SPDX-License-Identifier: Apache-2.0 */
/* A suite whose tests must give back what they take. Criterion lets a leak pass in silence, under
 * ASan too, and ignores a failed assertion in a .fini; so the .fini stops the process:
 *
 *   LEAT_SUITE(table);
 *   Test(table, finds_what_was_put) { ... }
 *
 * Counted are the blocks of core/mem.h, in every build; under ASan the whole heap is searched. */
#ifndef LEAT_TESTS_UNIT_LEAK_H
#define LEAT_TESTS_UNIT_LEAK_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define LEAT_TESTS_LSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAT_TESTS_LSAN 1
#endif
#endif
#ifdef LEAT_TESTS_LSAN
int __lsan_do_recoverable_leak_check(void);
#endif

static uint64_t leat_tests_live;

static inline void leat_tests_begin(void)
{
    leat_tests_live = leat_mem_live();
}

static inline void leat_tests_end(void)
{
    leat_mem_fail_at(0, false);
    if (leat_mem_live() != leat_tests_live) {
        fprintf(stderr, "leak: %lld blocks were not given back\n",
                (long long)(leat_mem_live() - leat_tests_live));
        abort();
    }
#ifdef LEAT_TESTS_LSAN
    if (__lsan_do_recoverable_leak_check() != 0) abort();
#endif
}

#define LEAT_SUITE(name) TestSuite(name, .init = leat_tests_begin, .fini = leat_tests_end)

/* Runs `run` with its 1st, 2nd, ... allocation failing until it runs without a failure; each time
 * it must have given everything back. run returns whether an allocation failed on it. */
static inline void leat_tests_fail_each(bool (*run)(void))
{
    for (int once = 0; once < 2; once++) {
        for (uint64_t nth = 1;; nth++) {
            uint64_t live = leat_mem_live();
            leat_mem_fail_at(nth, once != 0);
            bool failed = run();
            leat_mem_fail_at(0, false);
            cr_assert_eq(leat_mem_live(), live, "allocation %llu failing: %llu blocks, were %llu",
                         (unsigned long long)nth, (unsigned long long)leat_mem_live(),
                         (unsigned long long)live);
            if (!failed) break;
            cr_assert_lt(nth, 100000, "never runs clean");
        }
    }
}

#endif
