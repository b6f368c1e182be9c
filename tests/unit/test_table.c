/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: what a commit writes, an abort undoes and a restart reads. */
#include <criterion/criterion.h>
#include <signal.h>

#include "tests/unit/leak.h"
#include "tests/unit/table_harness.h"

LEAT_SUITE(table);

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

Test(table, what_encodes_to_nothing_goes)
{
    leat_table *table = table_of(1 << 20);
    leat_err err;
    for (int aborts = 1; aborts >= 0; aborts--) {
        ok(put(table, "a", 1, &err));
        ok(put(table, "b", 2, &err));
        flushes(table, aborts != 0 ? "a=1 b=2 " : "");
        leat_table_commit(table);
        uint64_t bytes = leat_table_bytes(table);
        find(table, "a")->number = -2;
        leat_table_touch(table, LEAT_STR("a"));
        ok(put(table, "new", -2, &err)); /* nobody has to be told of it */
        cr_assert_eq(leat_table_count(table), 3);
        flushes(table, "a! ");
        cr_assert_eq(leat_table_count(table), 1);
        aborts != 0 ? leat_table_abort(table) : leat_table_commit(table);
        cr_assert_eq(leat_table_count(table), aborts != 0 ? 2 : 1);
        cr_assert_eq(leat_table_bytes(table) == bytes, aborts != 0);
        cr_assert_eq(find(table, "a") != NULL, aborts != 0);
        cr_assert_null(find(table, "new"));
        cr_assert_eq(find(table, "b")->number, 2);
    }
    leat_table_free(&table);
    cr_assert_eq(lives, 0);
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

static bool made_here(void *self, const void *ptr)
{
    (void)self;
    return ptr != NULL;
}

static uint32_t asked[4]; /* by depth */
static void ask(void *self, const void *ptr, uint32_t depth)
{
    (void)self;
    cr_assert(ptr != NULL && depth > 0 && depth < 4);
    asked[depth]++;
}

/* Changes the cells [from, to), or makes them, and commits. */
static void change(leat_table *table, int from, int to, leat_buf *out)
{
    leat_err err;
    char key[32];
    for (int i = from; i < to; i++) {
        snprintf(key, sizeof key, "%d", i);
        leat_str name = leat_str_of(key);
        for (uint32_t depth = 0; depth < 5; depth++)
            leat_table_ahead(table, leat_slots_hash(name), depth);
        live *l = find(table, key);
        if (l == NULL) ok(put(table, key, i, &err));
        if (l != NULL) leat_table_touch(table, name);
        if (l != NULL) l->number++;
    }
    leat_buf_reset(out);
    ok(leat_table_flush(table, note, out, &err));
    leat_table_commit(table);
}

Test(table, live_objects_are_kept_where_it_pays)
{
    static const leat_table_type own = {encode, decode, release, decode, made_here, ask};
    leat_err err;
    leat_table *table = NULL;
    leat_buf out;
    leat_buf_init(&out, 10 << 20);
    ok(leat_table_new(&table, "test", &own, &lives, 64 << 20, NULL, &err));
    change(table, 0, 8000, &out);
    cr_assert_leq(lives, 4096);
    cr_assert_gt(asked[1], 3000); /* at the flush and at the commit */
    cr_assert_gt(asked[2], 3000);
    cr_assert_gt(asked[3], 3000);
    for (int round = 0; round < 3; round++) /* the same again and again */
        change(table, 0, 8000, &out);
    int before = decodes;
    change(table, 0, 8000, &out);
    cr_assert_eq(decodes, before);
    cr_assert_eq(lives, 8000);
    for (int round = 0; round < 40; round++) { /* and then each just once */
        change(table, 8000 + 6000 * round, 14000 + 6000 * round, &out);
        cr_assert_leq(lives, 16384);
    }
    cr_assert_leq(lives, 4096);
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

Test(table, shares_a_limit)
{
    leat_table_sum sum = {.bytes_max = 10000};
    leat_table *one = table_of_sum(10000, &sum), *other = table_of_sum(1000, &sum);
    leat_err err;
    char key[32];
    leat_code code = LEAT_OK;
    for (int i = 0; code == LEAT_OK && i < 10000; i++) { /* its own limit comes first */
        snprintf(key, sizeof key, "%d", i);
        code = put(other, key, i, &err);
    }
    cr_assert_eq(code, LEAT_ERR_LIMIT);
    cr_assert_eq(sum.bytes, leat_table_bytes(other));
    code = LEAT_OK;
    for (int i = 0; code == LEAT_OK && i < 10000; i++) { /* and then the common one */
        snprintf(key, sizeof key, "%d", i);
        code = put(one, key, i, &err);
    }
    cr_assert_eq(code, LEAT_ERR_LIMIT);
    cr_assert_not_null(strstr(err.text, "task's"));
    cr_assert_leq(sum.bytes, 10000);
    cr_assert_eq(sum.bytes, leat_table_bytes(one) + leat_table_bytes(other));
    leat_table_abort(one);
    cr_assert_eq(sum.bytes, leat_table_bytes(other));
    leat_table_free(&other);
    cr_assert_eq(sum.bytes, 0);
    ok(put(one, "x", 5, &err));
    leat_buf out;
    leat_buf_init(&out, 10000);
    ok(leat_table_flush(one, note, &out, &err));
    leat_table_commit(one);
    cr_assert_eq(sum.bytes, leat_table_bytes(one));
    leat_table_free(&one);
    leat_buf_release(&out);
    cr_assert_eq(sum.bytes, 0);
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
