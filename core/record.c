/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: see record.h. An array of pointers that doubles in the batch arena; what it outgrew is
 * void with the batch, so that a batch that grows costs at most twice its size. The usual way is
 * one reservation for as many records as came in, and no growth at all. */
#include "core/record.h"

#define BATCH_SIZE_MIN 64

leat_code leat_batch_reserve(leat_batch *batch, size_t room, leat_arena *arena, leat_err *err)
{
    LEAT_ASSERT(batch->count <= batch->size);
    if (batch->size - batch->count >= room) return LEAT_OK;
    size_t size = batch->size < BATCH_SIZE_MIN ? BATCH_SIZE_MIN : batch->size * 2;
    if (size < batch->count + room) size = batch->count + room;
    void *grown = leat_arena_extend(arena, batch->records, batch->size * sizeof(leat_record *),
                                    size * sizeof(leat_record *));
    if (grown == NULL) return leat_arena_full(arena, err);
    batch->records = grown;
    batch->size = size;
    LEAT_ASSERT(batch->size - batch->count >= room);
    return LEAT_OK;
}
