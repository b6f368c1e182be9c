/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of the embedded log, as a reader of Kafka sees them.
 *
 * Records get their offsets when they are produced and are invisible until their transaction ends;
 * a partition is read up to its last stable offset, the first record of its oldest open
 * transaction. The end writes one marker per partition and settles the fate of each record: that
 * walk is paid once per record, and spares readers any list of aborted transactions.
 *
 * A transactional id has one owner; taking it over aborts what the former left open and makes every
 * later call of the former fail. A transaction that stays open beyond the time-out is aborted by
 * whoever waits for it.
 * Refused: holding records back in the session until commit. It would be simpler, but offsets would
 * have no gaps and the end of the log would never lie beyond the stable end, the two things that
 * readers get wrong. */
#include "worker/log_memory.h"

#include "core/mem.h"

static void move_stable(leat_memory_partition *partition)
{
    int64_t stable = partition->end;
    for (size_t i = 0; i < partition->open_count; i++)
        if (partition->open[i].first < stable) stable = partition->open[i].first;
    LEAT_ASSERT(stable >= partition->stable);
    partition->stable = stable;
}

static void forget_open(leat_memory_partition *partition, uint32_t producer)
{
    for (size_t i = 0; i < partition->open_count; i++) {
        if (partition->open[i].producer != producer) continue;
        partition->open[i] = partition->open[--partition->open_count];
        return;
    }
}

static void settle(leat_memory_partition *partition, uint32_t producer, int64_t first,
                   leat_memory_state state)
{
    for (size_t i = partition->segments_count; i-- > 0;) {
        leat_memory_segment *segment = partition->segments[i];
        for (size_t k = segment->count; k-- > 0;) {
            leat_memory_entry *entry = &segment->entries[k];
            if (entry->offset < first) return;
            if (entry->producer == producer && entry->state == LEAT_MEMORY_OPEN)
                entry->state = state;
        }
    }
}

leat_code leat_memory_txn_touch(leat_memory_producer *producer, leat_memory_topic *topic,
                                int32_t number, leat_err *err)
{
    leat_memory_partition *partition = &topic->partitions[number];
    for (size_t i = 0; i < partition->open_count; i++)
        if (partition->open[i].producer == producer->number) return LEAT_OK;
    if (producer->touched_count == LEAT_MEMORY_TOUCHED_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "a transaction over more than %d partitions",
                            LEAT_MEMORY_TOUCHED_MAX);
    leat_memory_place *touched =
        leat_mem_try_resize(producer->touched, (producer->touched_count + 1) * sizeof *touched);
    if (touched != NULL) producer->touched = touched;
    leat_memory_open *open =
        leat_mem_try_resize(partition->open, (partition->open_count + 1) * sizeof *open);
    if (open != NULL) partition->open = open;
    if (touched == NULL || open == NULL)
        return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a transaction");
    touched[producer->touched_count++] = (leat_memory_place){topic, number, partition->end};
    open[partition->open_count++] = (leat_memory_open){producer->number, partition->end};
    return LEAT_OK;
}

void leat_memory_txn_end(leat_memory_store *store, leat_memory_producer *producer, bool commit)
{
    leat_memory_append marker = {.producer = producer->number, .state = LEAT_MEMORY_MARKER};
    for (size_t i = 0; i < producer->touched_count; i++) {
        const leat_memory_place *place = &producer->touched[i];
        leat_memory_partition *partition = &place->topic->partitions[place->partition];
        settle(partition, producer->number, place->offset,
               commit ? LEAT_MEMORY_COMMITTED : LEAT_MEMORY_ABORTED);
        forget_open(partition, producer->number);
        /* Without memory for a marker the offset has no entry: a gap like any other. */
        leat_err err;
        if (leat_memory_append_to(store, place->topic, place->partition, &marker, &err) != LEAT_OK)
            partition->end++;
        move_stable(partition);
        leat_memory_clean(store, place->topic, place->partition);
    }
    producer->touched_count = 0;
    producer->open = false;
    leat_memory_signal(store);
}

leat_memory_producer *leat_memory_producer_take(leat_memory_store *store, leat_str id)
{
    leat_memory_producer *producer = store->producers;
    while (producer != NULL && !leat_str_is(id, producer->id))
        producer = producer->next;
    if (producer == NULL) {
        producer = leat_mem_need(sizeof *producer);
        producer->id = leat_mem_need(id.len + 1);
        memcpy(producer->id, id.data, id.len);
        producer->number = ++store->producers_count;
        producer->next = store->producers;
        store->producers = producer;
    }
    if (producer->open) leat_memory_txn_end(store, producer, false);
    producer->expired = false;
    producer->epoch++;
    return producer;
}

void leat_memory_txn_expire(leat_memory_store *store)
{
    int64_t now = leat_clock_ms();
    for (leat_memory_producer *producer = store->producers; producer != NULL;
         producer = producer->next) {
        if (!producer->open || now - producer->began_ms < store->transaction_timeout_ms) continue;
        leat_memory_txn_end(store, producer, false);
        producer->expired = true;
    }
}

void leat_memory_producers_free(leat_memory_store *store)
{
    while (store->producers != NULL) {
        leat_memory_producer *producer = store->producers;
        store->producers = producer->next;
        leat_mem_free(producer->id);
        leat_mem_free(producer->touched);
        leat_mem_free(producer);
    }
}
