/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of tables share: a live form whose cells grow and shrink, and what a flush said.
 */
#ifndef LEAT_TESTS_UNIT_TABLE_HARNESS_H
#define LEAT_TESTS_UNIT_TABLE_HARNESS_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "core/table.h"

/* The live form: a number, encoded as itself and number % 40 more bytes, so that cells grow and
 * shrink. number -1 cannot be encoded, of -2
 * nothing is left to encode. */
typedef struct live {
    int64_t number;
} live;

static int lives;       /* live objects there are */
static int decodes;     /* so far */
static bool encode_bad; /* every encode fails */

static inline leat_code encode(void *self, void *ptr, leat_buf *out, leat_err *err)
{
    cr_assert_eq(self, &lives);
    const live *l = ptr;
    if (encode_bad || l->number == -1) return leat_err_set(err, LEAT_ERR_INTERNAL, "told to fail");
    if (l->number == -2) return LEAT_OK;
    leat_buf_add_varint(out, l->number);
    for (int64_t i = 0; i < l->number % 40; i++)
        leat_buf_add_char(out, (char)l->number);
    return LEAT_OK;
}

static inline leat_code decode(void *self, leat_str bytes, void **ptr, leat_err *err)
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

static inline void release(void *self, void *ptr)
{
    cr_assert_eq(self, &lives);
    lives--;
    leat_mem_free(ptr);
}

static const leat_table_type type = {encode, decode, release, NULL, NULL, NULL};

static inline leat_table *table_of_sum(uint64_t bytes_max, leat_table_sum *sum)
{
    leat_err err;
    leat_table *table = NULL;
    cr_assert_eq(leat_table_new(&table, "test", &type, &lives, bytes_max, sum, &err), LEAT_OK);
    return table;
}

static inline leat_table *table_of(uint64_t bytes_max)
{
    return table_of_sum(bytes_max, NULL);
}

static inline leat_code put(leat_table *table, const char *key, int64_t number, leat_err *err)
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

static inline live *find(leat_table *table, const char *key)
{
    leat_err err;
    void *l = NULL;
    cr_assert_eq(leat_table_find(table, leat_str_of(key), &l, &err), LEAT_OK);
    return l;
}

/* A sink that writes "key=number " or "key! ". */
static inline leat_code note(void *context, leat_str key, leat_str value, leat_err *err)
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

static inline void flushes(leat_table *table, const char *want)
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

static inline void ok(leat_code code)
{
    cr_assert_eq(code, LEAT_OK);
}

#endif
