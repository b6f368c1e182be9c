/* SPDX-License-Identifier: Apache-2.0 */
/* Maps: against an array that does the same slowly, and with memory that runs out. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "core/map.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(map);

static leat_str name_of(char *text, size_t size, unsigned number)
{
    int len = snprintf(text, size, "key-%u", number);
    return (leat_str){text, (size_t)len};
}

Test(map, put_get_remove)
{
    leat_map *map = leat_map_new();
    leat_err err;
    uint64_t value = 0;
    cr_assert_not(leat_map_get(map, LEAT_STR("a"), &value));
    cr_assert_not(leat_map_remove(map, LEAT_STR("a")));
    cr_assert_eq(leat_map_put(map, LEAT_STR("a"), 1, &err), LEAT_OK);
    cr_assert_eq(leat_map_put(map, LEAT_STR(""), 2, &err), LEAT_OK); /* a key too */
    cr_assert_eq(leat_map_put(map, LEAT_STR("a\0"), 3, &err), LEAT_OK);
    cr_assert_eq(leat_map_put(map, LEAT_STR("a"), 4, &err), LEAT_OK);
    cr_assert_eq(leat_map_count(map), 3);
    cr_assert(leat_map_get(map, LEAT_STR("a"), &value) && value == 4);
    cr_assert(leat_map_get(map, LEAT_STR_NONE, &value) && value == 2);
    cr_assert(leat_map_remove(map, LEAT_STR("")));
    cr_assert_not(leat_map_get(map, LEAT_STR(""), &value));
    cr_assert_eq(leat_map_count(map), 2);
    leat_map_free(&map);
    cr_assert_null(map);
    leat_map_free(&map);
}

Test(map, iterates_in_order_of_insertion)
{
    leat_map *map = leat_map_new();
    leat_err err;
    char text[32];
    for (unsigned i = 0; i < 1000; i++)
        cr_assert_eq(leat_map_put(map, name_of(text, sizeof text, i * 7919 % 1000), i, &err),
                     LEAT_OK);
    size_t at = 0;
    leat_str key;
    uint64_t value, next = 0;
    while (leat_map_next(map, &at, &key, &value)) {
        cr_assert_eq(value, next);
        cr_assert(leat_str_equal(key, name_of(text, sizeof text, (unsigned)next * 7919 % 1000)));
        next++;
    }
    cr_assert_eq(next, 1000);
    leat_map_free(&map);
}

#define KEYS 300

Test(map, agrees_with_an_array)
{
    leat_random random = {7};
    leat_err err;
    for (int round = 0; round < 20; round++) {
        leat_map *map = leat_map_new();
        struct {
            bool there;
            uint64_t value;
        } model[KEYS] = {0};
        size_t count = 0;
        for (int i = 0; i < 5000; i++) {
            unsigned number = (unsigned)leat_random_below(&random, KEYS);
            char text[32];
            leat_str key = name_of(text, sizeof text, number);
            uint64_t value = 0;
            if (leat_random_below(&random, 10) < (round % 2 == 0 ? 6u : 4u)) {
                uint64_t fresh = leat_random_next(&random);
                cr_assert_eq(leat_map_put(map, key, fresh, &err), LEAT_OK);
                count += !model[number].there;
                model[number].there = true;
                model[number].value = fresh;
            } else {
                cr_assert_eq(leat_map_remove(map, key), model[number].there);
                count -= model[number].there;
                model[number].there = false;
            }
            number = (unsigned)leat_random_below(&random, KEYS);
            bool found = leat_map_get(map, name_of(text, sizeof text, number), &value);
            cr_assert_eq(found, model[number].there);
            if (found) cr_assert_eq(value, model[number].value);
            cr_assert_eq(leat_map_count(map), count);
        }
        size_t at = 0, seen = 0;
        leat_str key;
        uint64_t value;
        while (leat_map_next(map, &at, &key, &value))
            seen++;
        cr_assert_eq(seen, count);
        leat_map_free(&map);
    }
}

static bool build(void)
{
    leat_map *map = leat_map_new();
    leat_err err;
    char text[32];
    bool failed = false;
    for (unsigned i = 0; i < 100; i++) {
        leat_str key = name_of(text, sizeof text, i);
        leat_code code = leat_map_put(map, key, i, &err);
        uint64_t value = 1000;
        cr_assert_eq(leat_map_get(map, key, &value), code == LEAT_OK);
        if (code == LEAT_OK) continue;
        cr_assert_eq(code, LEAT_ERR_MEMORY);
        failed = true;
    }
    leat_map_free(&map);
    return failed;
}

Test(map, survives_every_failing_allocation)
{
    leat_tests_fail_each(build);
}
