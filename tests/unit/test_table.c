/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: what a commit writes, an abort undoes and a restart reads, against a model. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

#include "core/table.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(table);

/* The live form: a number, encoded as itself and number % 40 more bytes, so that cells grow and
 * shrink. number -1 cannot be encoded. */
typedef struct live {
    int64_t number;
} live;

static int lives;       /* live objects there are */
static int decodes;     /* so far */
static bool encode_bad; /* every encode fails */

static leat_code encode(void *self, const void *ptr, leat_buf *out, leat_err *err)
{
    cr_assert_eq(self, &lives);
    const live *l = ptr;
    if (encode_bad || l->number == -1) return leat_err_set(err, LEAT_ERR_INTERNAL, "told to fail");
    leat_buf_add_varint(out, l->number);
    for (int64_t i = 0; i < l->number % 40; i++)
        leat_buf_add_char(out, (char)l->number);
    return LEAT_OK;
}

static leat_code decode(void *self, leat_str bytes, void **ptr, leat_err *err)
{
    cr_assert_eq(self, &lives);
    leat_reader reader = leat_reader_of(bytes);
    int64_t number;
    if (!leat_reader_varint(&reader, &number))
        return leat_err_set(err, LEAT_ERR_DAMAGED, "a damaged cell");
    live *l = leat_mem_try(sizeof *l);
    if (l == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory");
    l->number = number;
    lives++;
    decodes++;
    *ptr = l;
    return LEAT_OK;
}

static void release(void *self, void *ptr)
{
    cr_assert_eq(self, &lives);
    lives--;
    leat_mem_free(ptr);
}

static const leat_table_type type = {encode, decode, release};

static leat_table *table_of(uint64_t bytes_max)
{
    leat_err err;
    leat_table *table = NULL;
    cr_assert_eq(leat_table_new(&table, "test", &type, &lives, bytes_max, &err), LEAT_OK);
    return table;
}

static leat_code put(leat_table *table, const char *key, int64_t number, leat_err *err)
{
    void *l = leat_mem_try(sizeof(live));
    if (l == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory");
    ((live *)l)->number = number;
    lives++;
    leat_code code = leat_table_put(table, leat_str_of(key), &l, err);
    cr_assert_eq(l == NULL, code == LEAT_OK); /* taken, or still ours */
    if (code != LEAT_OK) release(&lives, l);
    return code;
}

static live *find(leat_table *table, const char *key)
{
    leat_err err;
    void *l = NULL;
    cr_assert_eq(leat_table_find(table, leat_str_of(key), &l, &err), LEAT_OK);
    return l;
}

/* A sink that writes "key=number " or "key! ". */
static leat_code note(void *context, leat_str key, leat_str value, leat_err *err)
{
    (void)err;
    leat_buf *out = context;
    leat_buf_add(out, key);
    if (value.data == NULL) {
        leat_buf_add_text(out, "! ");
        return LEAT_OK;
    }
    leat_reader reader = leat_reader_of(value);
    int64_t number = 0;
    cr_assert(leat_reader_varint(&reader, &number));
    cr_assert_eq(reader.end - reader.at, number % 40);
    leat_buf_add_format(out, "=%lld ", (long long)number);
    return LEAT_OK;
}

static void flushes(leat_table *table, const char *want)
{
    leat_err err;
    leat_buf out;
    leat_buf_init(&out, 10000);
    leat_code code = leat_table_flush(table, note, &out, &err);
    cr_assert_eq(code, LEAT_OK);
    cr_assert(leat_str_is(leat_buf_str(&out), want), "%.*s, not %s",
              LEAT_STR_ARG(leat_buf_str(&out)), want);
    leat_buf_release(&out);
}

static void ok(leat_code code)
{
    cr_assert_eq(code, LEAT_OK);
}

Test(table, what_changes_is_written_once)
{
    leat_table *table = table_of(1 << 20);
    leat_err err;
    cr_assert_str_eq(leat_table_name(table), "test");
    cr_assert_null(find(table, "a"));
    cr_assert_not(leat_table_changed(table));
    ok(put(table, "b", 1, &err));
    ok(put(table, "a", 2, &err));
    cr_assert(leat_table_changed(table));
    for (int i = 0; i < 1000; i++) {
        live *l = find(table, "b");
        leat_table_touch(table, LEAT_STR("b"));
        l->number++;
    }
    flushes(table, "b=1001 a=2 "); /* by first change */
    leat_table_commit(table);
    cr_assert_not(leat_table_changed(table));
    cr_assert_eq(leat_table_count(table), 2);
    flushes(table, "");
    leat_table_commit(table);

    live *l = find(table, "a"); /* looked at only */
    cr_assert_eq(l->number, 2);
    flushes(table, "");
    leat_table_commit(table);

    leat_table_touch(table, LEAT_STR("a")); /* touched, but the same after all */
    l->number = 7;
    l->number = 2;
    flushes(table, "");
    leat_table_commit(table);
    leat_table_free(&table);
    cr_assert_null(table);
    cr_assert_eq(lives, 0);
}

Test(table, removals)
{
    leat_table *table = table_of(1 << 20);
    leat_err err;
    ok(put(table, "a", 1, &err));
    ok(put(table, "b", 2, &err));
    ok(put(table, "c", 3, &err));
    leat_table_remove(table, LEAT_STR("b")); /* made and removed: as if never there */
    leat_table_remove(table, LEAT_STR("never"));
    cr_assert_eq(leat_table_count(table), 2);
    cr_assert_null(find(table, "b"));
    flushes(table, "a=1 c=3 ");
    leat_table_commit(table);

    leat_table_remove(table, LEAT_STR("a"));
    leat_table_remove(table, LEAT_STR("a"));
    cr_assert_null(find(table, "a"));
    cr_assert_eq(leat_table_count(table), 1);
    cr_assert_not_null(find(table, "c"));
    leat_table_remove(table, LEAT_STR("c"));
    ok(put(table, "c", 4, &err)); /* removed, then put again */
    flushes(table, "a! c=4 ");
    leat_table_commit(table);
    cr_assert_eq(leat_table_count(table), 1);
    cr_assert_eq(find(table, "c")->number, 4);

    leat_table_remove(table, LEAT_STR("c"));
    ok(put(table, "c", 4, &err)); /* the same again: nothing to write */
    flushes(table, "");
    leat_table_commit(table);
    ok(put(table, "c", 5, &err)); /* a put of a key that is there replaces */
    flushes(table, "c=5 ");
    leat_table_commit(table);
    leat_table_remove(table, LEAT_STR("c"));
    flushes(table, "c! ");
    leat_table_commit(table);
    cr_assert_eq(leat_table_count(table), 0);
    cr_assert_eq(leat_table_bytes(table), 0);
    cr_assert_eq(lives, 0);
    leat_table_free(&table);
}

Test(table, an_abort_undoes)
{
    leat_table *table = table_of(1 << 20);
    leat_err err;
    ok(put(table, "a", 1, &err));
    ok(put(table, "b", 2, &err));
    flushes(table, "a=1 b=2 ");
    leat_table_commit(table);
    uint64_t bytes = leat_table_bytes(table);
    for (int flushed = 0; flushed < 2; flushed++) {
        live *a = find(table, "a");
        leat_table_touch(table, LEAT_STR("a"));
        a->number = 100;
        leat_table_remove(table, LEAT_STR("b"));
        ok(put(table, "c", 3, &err));
        cr_assert_eq(leat_table_count(table), 2);
        if (flushed != 0) flushes(table, "a=100 b! c=3 ");
        leat_table_abort(table);
        cr_assert_eq(leat_table_count(table), 2);
        cr_assert_eq(leat_table_bytes(table), bytes);
        cr_assert_eq(find(table, "a")->number, 1);
        cr_assert_eq(find(table, "b")->number, 2);
        cr_assert_null(find(table, "c"));
        cr_assert_not(leat_table_changed(table));
        flushes(table, "");
        leat_table_commit(table);
    }
    leat_table_free(&table);
    cr_assert_eq(lives, 0);
}

Test(table, live_objects_keep_their_address)
{
    leat_table *table = table_of(64 << 20);
    leat_err err;
    ok(put(table, "fixed", 1, &err));
    live *fixed = find(table, "fixed");
    char key[32];
    for (int i = 0; i < 10000; i++) {
        snprintf(key, sizeof key, "%d", i);
        ok(put(table, key, i, &err));
        cr_assert_eq(find(table, "fixed"), fixed);
        if (i % 3 == 0) leat_table_remove(table, leat_str_of(key));
    }
    leat_table_abort(table);
    leat_table_free(&table);
    cr_assert_eq(lives, 0);
}

Test(table, live_objects_are_bounded_over_commits)
{
    leat_table *table = table_of(64 << 20);
    leat_err err;
    char key[32];
    for (int i = 0; i < 40000; i++) {
        snprintf(key, sizeof key, "%d", i);
        ok(put(table, key, i, &err));
    }
    leat_buf out;
    leat_buf_init(&out, 10 << 20);
    ok(leat_table_flush(table, note, &out, &err));
    leat_table_commit(table);
    cr_assert_leq(lives, 4096);
    cr_assert_gt(lives, 1000); /* a cache is left */
    for (int i = 39999; i >= 0; i--) {
        snprintf(key, sizeof key, "%d", i);
        cr_assert_eq(find(table, key)->number, i);
        if (i % 5000 != 0) continue;
        ok(leat_table_flush(table, note, &out, &err));
        leat_table_commit(table);
        cr_assert_leq(lives, 4096);
    }
    int before = decodes;
    for (int round = 0; round < 10; round++) { /* few in use: decoded once at most */
        for (int i = 0; i < 100; i++) {
            snprintf(key, sizeof key, "%d", i);
            live *l = find(table, key);
            leat_table_touch(table, leat_str_of(key));
            l->number++;
        }
        ok(leat_table_flush(table, note, &out, &err));
        leat_table_commit(table);
    }
    cr_assert_leq(decodes, before + 100);
    leat_buf_release(&out);
    leat_table_free(&table);
    cr_assert_eq(lives, 0);
}

Test(table, has_a_limit)
{
    leat_table *table = table_of(10000);
    leat_err err;
    char key[32];
    int fit = 0;
    leat_code code = LEAT_OK;
    for (; fit < 10000; fit++) {
        snprintf(key, sizeof key, "%d", fit);
        code = put(table, key, fit, &err);
        if (code != LEAT_OK) break;
    }
    cr_assert_eq(code, LEAT_ERR_LIMIT);
    cr_assert_not_null(strstr(err.text, "test"));
    cr_assert_leq(leat_table_bytes(table), 10000);
    cr_assert_eq(leat_table_count(table), (uint64_t)fit);
    ok(put(table, "0", 5, &err)); /* what is there may change */
    leat_table_remove(table, LEAT_STR("1"));
    ok(put(table, "x", 5, &err)); /* and there is room again */
    leat_table_abort(table);
    leat_table_free(&table);
}

static leat_code fail_sink(void *context, leat_str key, leat_str value, leat_err *err)
{
    (void)key;
    (void)value;
    int *left = context;
    return --*left < 0 ? leat_err_set(err, LEAT_ERR_IO, "told to fail") : LEAT_OK;
}

Test(table, errors_while_flushing)
{
    leat_table *table = table_of(1 << 20);
    leat_err err;
    ok(put(table, "a", 1, &err));
    flushes(table, "a=1 ");
    leat_table_commit(table);
    for (int i = 0; i < 3; i++) {
        find(table, "a")->number = 38; /* a larger cell */
        leat_table_touch(table, LEAT_STR("a"));
        ok(put(table, "b", i == 2 ? -1 : 2, &err));
        int left = i;
        cr_assert_eq(leat_table_flush(table, fail_sink, &left, &err),
                     i < 2 ? LEAT_ERR_IO : LEAT_ERR_INTERNAL);
        leat_table_abort(table);
        cr_assert_eq(find(table, "a")->number, 1);
        cr_assert_null(find(table, "b"));
    }
    leat_table_free(&table);
    cr_assert_eq(lives, 0);
}

Test(table, damaged_cells)
{
    leat_table *table = table_of(1 << 20);
    leat_err err;
    void *l = &lives;
    ok(leat_table_restore(table, LEAT_STR("a"), LEAT_STR("\x80"), &err));
    ok(leat_table_restore(table, LEAT_STR("b"), LEAT_STR(""), &err));
    cr_assert_eq(leat_table_find(table, LEAT_STR("a"), &l, &err), LEAT_ERR_DAMAGED);
    cr_assert_null(l);
    cr_assert_eq(leat_table_find(table, LEAT_STR("b"), &l, &err), LEAT_ERR_DAMAGED);
    leat_table_remove(table, LEAT_STR("a")); /* without looking at it */
    flushes(table, "a! ");
    leat_table_commit(table);
    cr_assert_eq(leat_table_count(table), 1);
    leat_table_free(&table);
}

Test(table, touching_what_is_not_there_is_a_bug, .signal = SIGABRT)
{
    leat_table *table = table_of(1 << 20);
    leat_table_touch(table, LEAT_STR("a"));
}

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
            const live l = {m->said_number[i]};
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

Test(table, agrees_with_a_model)
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
        const live l = {(int64_t)i};
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

Test(table, survives_every_failing_allocation)
{
    leat_tests_fail_each(work);
}
