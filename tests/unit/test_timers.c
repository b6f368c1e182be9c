/* SPDX-License-Identifier: Apache-2.0 */
/* Timers: the order in which they fire, against a list, and memory that runs out. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "core/record.h"
#include "core/timers.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(timers);

Test(timers, fire_by_time_then_key)
{
    static const struct {
        const char *key;
        int64_t at_ms;
    } set[] = {{"b", 10}, {"a", 10},  {"c", 5},  {"", 10},
               {"d", -3}, {"ab", 10}, {"c", 20}, {"e", LEAT_TIME_MAX}},
      want[] = {{"d", -3}, {"", 10},  {"a", 10},           {"ab", 10},
                {"b", 10}, {"c", 20}, {"e", LEAT_TIME_MAX}};
    leat_timers *timers = leat_timers_new();
    leat_err err;
    leat_str key;
    int64_t at_ms;
    cr_assert_eq(leat_timers_next(timers), LEAT_TIME_MAX);
    cr_assert_not(leat_timers_pop(timers, LEAT_TIME_MAX, &key, &at_ms));
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        cr_assert_eq(leat_timers_set(timers, leat_str_of(set[i].key), set[i].at_ms, &err), LEAT_OK);
    cr_assert_eq(leat_timers_count(timers), sizeof want / sizeof *want);
    cr_assert_not(leat_timers_pop(timers, -4, &key, &at_ms));
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        cr_assert_eq(leat_timers_next(timers), want[i].at_ms);
        cr_assert(leat_timers_pop(timers, want[i].at_ms, &key, &at_ms));
        cr_assert(leat_str_is(key, want[i].key), "%zu: %.*s", i, LEAT_STR_ARG(key));
        cr_assert_eq(at_ms, want[i].at_ms);
    }
    cr_assert_eq(leat_timers_count(timers), 0);
    leat_timers_free(&timers);
    cr_assert_null(timers);
}

Test(timers, cancel_and_clear)
{
    leat_timers *timers = leat_timers_new();
    leat_err err;
    leat_str key;
    int64_t at_ms;
    cr_assert_eq(leat_timers_set(timers, LEAT_STR("a"), 1, &err), LEAT_OK);
    cr_assert_eq(leat_timers_set(timers, LEAT_STR("b"), 2, &err), LEAT_OK);
    leat_timers_cancel(timers, LEAT_STR("a"));
    leat_timers_cancel(timers, LEAT_STR("never"));
    cr_assert(leat_timers_pop(timers, 9, &key, &at_ms) && leat_str_is(key, "b"));
    leat_timers_cancel(timers, key); /* its key is still readable, it is just not there */
    cr_assert_eq(leat_timers_set(timers, key, 7, &err), LEAT_OK);
    cr_assert_eq(leat_timers_count(timers), 1);
    leat_timers_clear(timers);
    cr_assert_eq(leat_timers_count(timers), 0);
    cr_assert_eq(leat_timers_set(timers, LEAT_STR("c"), 1, &err), LEAT_OK);
    cr_assert_eq(leat_timers_next(timers), 1);
    leat_timers_free(&timers);
}

#define KEYS 64
typedef struct model {
    bool there[KEYS];
    int64_t at_ms[KEYS];
} model;

static leat_str name_of(char *text, size_t size, size_t number)
{
    /* Of different lengths, so that the order of keys is not that of numbers. */
    int len = snprintf(text, size, "%zu", number * number);
    return (leat_str){text, (size_t)len};
}

static int model_first(const model *m)
{
    int first = -1;
    char a[32], b[32];
    for (int i = 0; i < KEYS; i++) {
        if (!m->there[i]) continue;
        if (first < 0 || m->at_ms[i] < m->at_ms[first] ||
            (m->at_ms[i] == m->at_ms[first] &&
             leat_str_compare(name_of(a, sizeof a, (size_t)i),
                              name_of(b, sizeof b, (size_t)first)) < 0))
            first = i;
    }
    return first;
}

/* The first two of the model, by what looks at them without taking them. */
static void soon_is(const leat_timers *timers, model *m, int first)
{
    leat_timer next;
    uint32_t hash = 0;
    char text[32];
    cr_assert_eq(leat_timers_peek(timers, INT64_MAX - 1, &next), first >= 0);
    cr_assert_eq(leat_timers_soon(timers, 0, &hash), first >= 0);
    if (first < 0) return;
    leat_str key = name_of(text, sizeof text, (size_t)first);
    cr_assert(leat_str_equal(next.key, key) && next.at_ms == m->at_ms[first]);
    cr_assert(next.hash == leat_slots_hash(key) && hash == next.hash);
    m->there[first] = false;
    int second = model_first(m);
    m->there[first] = true;
    cr_assert_eq(leat_timers_soon(timers, 1, &hash), second >= 0);
    if (second < 0) return;
    key = name_of(text, sizeof text, (size_t)second);
    cr_assert_eq(hash, leat_slots_hash(key));
}

Test(timers, agree_with_a_list)
{
    leat_random random = {3};
    leat_err err;
    for (int round = 0; round < 50; round++) {
        leat_timers *timers = leat_timers_new();
        model m = {0};
        for (int i = 0; i < 2000; i++) {
            size_t number = leat_random_below(&random, KEYS);
            char text[32];
            leat_str key = name_of(text, sizeof text, number);
            switch (leat_random_below(&random, 5)) {
            case 4: {
                int first = model_first(&m);
                if (first < 0) break;
                m.at_ms[first] += (int64_t)leat_random_below(&random, 20);
                leat_timers_postpone(timers, m.at_ms[first]);
                break;
            }
            case 0:
            case 1:
                m.there[number] = true;
                m.at_ms[number] = (int64_t)leat_random_below(&random, 40) - 20;
                cr_assert_eq(leat_timers_set(timers, key, m.at_ms[number], &err), LEAT_OK);
                break;
            case 2:
                m.there[number] = false;
                leat_timers_cancel(timers, key);
                break;
            default: {
                int64_t now_ms = (int64_t)leat_random_below(&random, 60) - 30, at_ms = 0;
                int first = model_first(&m);
                bool due = first >= 0 && m.at_ms[first] <= now_ms;
                leat_str got;
                cr_assert_eq(leat_timers_pop(timers, now_ms, &got, &at_ms), due);
                if (!due) break;
                cr_assert(leat_str_equal(got, name_of(text, sizeof text, (size_t)first)));
                cr_assert_eq(at_ms, m.at_ms[first]);
                m.there[first] = false;
            }
            }
            int first = model_first(&m);
            cr_assert_eq(leat_timers_next(timers), first < 0 ? LEAT_TIME_MAX : m.at_ms[first]);
            soon_is(timers, &m, first);
        }
        leat_timers_free(&timers);
    }
}

static bool build(void)
{
    leat_timers *timers = leat_timers_new();
    leat_err err;
    char text[32];
    bool failed = false;
    size_t there = 0;
    for (size_t i = 0; i < 100; i++) {
        leat_code code =
            leat_timers_set(timers, name_of(text, sizeof text, i), (int64_t)(i * 37 % 50), &err);
        if (code == LEAT_OK)
            there++;
        else
            failed = true;
        cr_assert_eq(leat_timers_count(timers), there);
    }
    leat_str key;
    int64_t at_ms, last_ms = -1;
    while (leat_timers_pop(timers, 1000, &key, &at_ms)) {
        cr_assert_leq(last_ms, at_ms);
        last_ms = at_ms;
        there--;
    }
    cr_assert_eq(there, 0);
    leat_timers_free(&timers);
    return failed;
}

Test(timers, survive_every_failing_allocation)
{
    leat_tests_fail_each(build);
}
