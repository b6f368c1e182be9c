/* SPDX-License-Identifier: Apache-2.0 */
/* Tables against a model: random transactions, restarts and failing allocations. */
#include <criterion/criterion.h>

#include "tests/unit/leak.h"
#include "tests/unit/random.h"
#include "tests/unit/table_harness.h"

LEAT_SUITE(table_model);

/* --- against a model ---------------------------------------------------------------------------
 */

#define KEYS 80
#define NONE INT64_MIN
typedef struct model {
    int64_t committed[KEYS], now[KEYS];
    uint64_t changed[KEYS]; /* when first in this transaction; 0: not */
    uint64_t clock;
    /* What flush has said. */
    bool said[KEYS];
    int64_t said_number[KEYS];
    uint64_t said_last;
} model;

static const char *name_of(size_t number)
{
    static char text[64];
    snprintf(text, sizeof text, "%.*s%zu", (int)(number % 30), "a long prefix of many a length",
             number);
    return text;
}

static size_t number_of(leat_str key)
{
    for (size_t i = 0; i < KEYS; i++)
        if (leat_str_is(key, name_of(i))) return i;
    cr_assert_fail("no such key");
    return 0;
}

static leat_code hear(void *context, leat_str key, leat_str value, leat_err *err)
{
    (void)err;
    model *m = context;
    size_t number = number_of(key);
    cr_assert_not(m->said[number]); /* once */
    cr_assert_gt(m->changed[number], m->said_last);
    m->said_last = m->changed[number];
    m->said[number] = true;
    m->said_number[number] = NONE;
    leat_reader reader = leat_reader_of(value);
    if (value.data != NULL) cr_assert(leat_reader_varint(&reader, &m->said_number[number]));
    return LEAT_OK;
}

static leat_code see(void *context, leat_str key, leat_str committed, leat_err *err)
{
    (void)err;
    model *m = context;
    size_t number = number_of(key);
    cr_assert_not(m->said[number]);
    m->said[number] = true;
    cr_assert_neq(m->now[number], NONE);
    cr_assert_eq(committed.data == NULL, m->committed[number] == NONE);
    leat_reader reader = leat_reader_of(committed);
    int64_t got = NONE;
    if (committed.data != NULL) cr_assert(leat_reader_varint(&reader, &got));
    cr_assert_eq(got, m->committed[number]);
    return LEAT_OK;
}

static void model_visit(model *m, const leat_table *table)
{
    leat_err err;
    memset(m->said, 0, sizeof m->said);
    ok(leat_table_visit(table, see, m, &err));
    uint64_t count = 0;
    for (size_t i = 0; i < KEYS; i++) {
        cr_assert_eq(m->said[i], m->now[i] != NONE);
        count += m->now[i] != NONE;
    }
    cr_assert_eq(leat_table_count(table), count);
}

static void model_change(model *m, size_t number, int64_t value)
{
    bool is_new = m->committed[number] == NONE;
    m->now[number] = value;
    if (value == NONE && is_new)
        m->changed[number] = 0;
    else if (m->changed[number] == 0)
        m->changed[number] = ++m->clock;
}

static void model_step(model *m, leat_table *table, leat_random *random)
{
    leat_err err;
    size_t number = leat_random_below(random, KEYS);
    const char *key = name_of(number);
    int64_t value = (int64_t)leat_random_below(random, 100);
    live *l = find(table, key);
    cr_assert_eq(l == NULL, m->now[number] == NONE);
    if (l != NULL) cr_assert_eq(l->number, m->now[number]);
    switch (leat_random_below(random, 4)) {
    case 0:
        ok(put(table, key, value, &err));
        model_change(m, number, value);
        break;
    case 1:
        leat_table_remove(table, leat_str_of(key));
        if (m->now[number] != NONE) model_change(m, number, NONE);
        break;
    default:
        if (l == NULL) break;
        leat_table_touch(table, leat_str_of(key));
        l->number = value;
        model_change(m, number, value);
    }
}

static void model_end(model *m, leat_table *table, leat_random *random, leat_table *copy)
{
    leat_err err;
    uint64_t way = leat_random_below(random, 4); /* abort, flush and abort, commit, commit */
    memset(m->said, 0, sizeof m->said);
    m->said_last = 0;
    if (way != 0) {
        ok(leat_table_flush(table, hear, m, &err));
        for (size_t i = 0; i < KEYS; i++) {
            cr_assert_eq(m->said[i], m->now[i] != m->committed[i], "%s", name_of(i));
            if (m->said[i]) cr_assert_eq(m->said_number[i], m->now[i]);
        }
    }
    if (way < 2) {
        leat_table_abort(table);
        memcpy(m->now, m->committed, sizeof m->now);
    } else {
        leat_table_commit(table);
        memcpy(m->committed, m->now, sizeof m->now);
        /* What was said is the changelog: a table restored from it must be the same. */
        for (size_t i = 0; i < KEYS; i++) {
            if (!m->said[i]) continue;
            leat_buf bytes;
            leat_buf_init(&bytes, 1000);
            live l = {m->said_number[i]};
            if (l.number != NONE) ok(encode(&lives, &l, &bytes, &err));
            leat_str value = l.number != NONE ? leat_buf_str(&bytes) : LEAT_STR_NONE;
            ok(leat_table_restore(copy, leat_str_of(name_of(i)), value, &err));
            leat_buf_release(&bytes);
        }
    }
    memset(m->changed, 0, sizeof m->changed);
    model_visit(m, table);
    model_visit(m, copy);
    cr_assert_eq(leat_table_bytes(copy), leat_table_bytes(table));
}

Test(table_model, agrees_with_a_model)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        leat_random random = {seed};
        leat_table *table = table_of(1 << 20), *copy = table_of(1 << 20);
        static model m;
        memset(&m, 0, sizeof m);
        for (size_t i = 0; i < KEYS; i++)
            m.now[i] = m.committed[i] = NONE;
        for (int transaction = 0; transaction < 40; transaction++) {
            uint64_t steps = leat_random_below(&random, 150);
            for (uint64_t i = 0; i < steps; i++)
                model_step(&m, table, &random);
            if (steps % 3 == 0) model_visit(&m, table);
            if (steps % 5 == 0) (void)find(copy, name_of(steps % KEYS)); /* in use while restored */
            model_end(&m, table, &random, copy);
        }
        leat_table_free(&table);
        leat_table_free(&copy);
        cr_assert_eq(lives, 0);
    }
}

/* --- without memory ----------------------------------------------------------------------------
 */

static bool work(void)
{
    leat_table *table = table_of(1 << 20);
    leat_err err;
    bool failed = false;
    int64_t committed[50];
    for (size_t i = 0; i < 50; i++) {
        committed[i] = (int64_t)i;
        char bytes[64];
        leat_buf out;
        leat_buf_init(&out, sizeof bytes);
        live l = {(int64_t)i};
        ok(encode(&lives, &l, &out, &err) == LEAT_OK ? LEAT_OK : LEAT_ERR_INTERNAL);
        leat_code code = out.overflow ? LEAT_ERR_MEMORY
                                      : leat_table_restore(table, leat_str_of(name_of(i)),
                                                           leat_buf_str(&out), &err);
        leat_buf_release(&out);
        if (code == LEAT_OK) continue;
        cr_assert_eq(code, LEAT_ERR_MEMORY);
        failed = true;
        committed[i] = NONE;
    }
    for (int round = 0; round < 4; round++) {
        int64_t now[50];
        memcpy(now, committed, sizeof now);
        for (size_t i = 0; i < 50; i++) {
            void *ptr = NULL;
            leat_str key = leat_str_of(name_of(i));
            if (i % 7 == 3) {
                leat_table_remove(table, key); /* must not fail */
                now[i] = NONE;
                continue;
            }
            leat_code code = leat_table_find(table, key, &ptr, &err);
            if (code == LEAT_OK && ptr == NULL) {
                cr_assert_eq(now[i], NONE);
                code = put(table, name_of(i), 3, &err);
                if (code == LEAT_OK) now[i] = 3;
            } else if (code == LEAT_OK) {
                leat_table_touch(table, key);
                now[i] = ((live *)ptr)->number += 11;
            }
            if (code == LEAT_OK) continue;
            cr_assert_eq(code, LEAT_ERR_MEMORY);
            failed = true;
        }
        leat_buf out;
        leat_buf_init(&out, 1 << 20);
        leat_code code = leat_table_flush(table, note, &out, &err);
        leat_buf_release(&out);
        if (code == LEAT_OK) {
            leat_table_commit(table);
            memcpy(committed, now, sizeof now);
        } else {
            cr_assert_eq(code, LEAT_ERR_MEMORY);
            leat_table_abort(table);
            failed = true;
        }
        for (size_t i = 0; i < 50; i++) {
            void *ptr = NULL;
            if (leat_table_find(table, leat_str_of(name_of(i)), &ptr, &err) != LEAT_OK) {
                failed = true;
                continue;
            }
            cr_assert_eq(ptr == NULL, committed[i] == NONE);
            if (ptr != NULL) cr_assert_eq(((live *)ptr)->number, committed[i]);
        }
    }
    leat_table_free(&table);
    cr_assert_eq(lives, 0);
    return failed;
}

Test(table_model, survives_every_failing_allocation)
{
    leat_tests_fail_each(work);
}
