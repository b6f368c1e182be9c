/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of records: their order, and that a full arena leaves them as they were. */
#include <criterion/criterion.h>

#include "core/record.h"
#include "tests/unit/leak.h"

LEAT_SUITE(record);

Test(record, batches_keep_their_order)
{
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, 1 << 20, &err), LEAT_OK);
    static leat_record records[1000];
    leat_batch a = {0}, b = {0};
    for (size_t i = 0; i < 1000; i++) { /* two grow at once, so neither always grows in place */
        cr_assert_eq(leat_batch_add(&a, &records[i], arena, &err), LEAT_OK);
        cr_assert_eq(leat_batch_add(&b, &records[999 - i], arena, &err), LEAT_OK);
    }
    cr_assert_eq(a.count, 1000);
    for (size_t i = 0; i < 1000; i++) {
        cr_assert_eq(a.records[i], &records[i]);
        cr_assert_eq(b.records[i], &records[999 - i]);
    }
    leat_arena_free(&arena);
}

Test(record, a_full_arena_leaves_the_batch_as_it_was)
{
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, 1024, &err), LEAT_OK);
    leat_record record = {0};
    leat_batch batch = {0};
    leat_code code = LEAT_OK;
    size_t added = 0;
    for (; added < 1000; added++) {
        code = leat_batch_add(&batch, &record, arena, &err);
        if (code != LEAT_OK) break;
    }
    cr_assert_eq(code, LEAT_ERR_LIMIT);
    cr_assert_eq(batch.count, added);
    cr_assert_eq(batch.records[added - 1], &record);
    leat_arena_free(&arena);
}
