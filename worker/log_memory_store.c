/* SPDX-License-Identifier: Apache-2.0 */
/* Topics of the embedded log.
 *
 *   partition  [segment 0: block + entries] [segment 1] ... [segment n: appended to]
 *              ^ start                            ^ stable                 ^ end
 *
 * A segment's block holds keys, values and headers; it is never moved and never written twice, so
 * readers borrow from it without the lock and only count themselves as holders. Entries say where
 * a record lies and what became of it; they are touched under the lock alone.
 *
 * Memory: a partition above the store's retention drops its oldest segments, yet keeps what a group
 * with members has not committed past, up to eight times the retention; beyond, the oldest go in
 * any case, and the reader who finds them gone says so. Compaction rewrites what lies below the
 * last stable offset when the partition has doubled since the last time. Both cost O(what is kept),
 * amortised O(1) a record. Refused: a ring buffer per partition, which would have to copy records
 * out for their readers. */
#include "worker/log_memory.h"

#include "core/map.h"
#include "core/mem.h"

#define SEGMENT_BYTES_MIN ((size_t)16 << 10)
#define SEGMENT_BYTES_MAX ((size_t)512 << 10)
#define COMPACT_BYTES_MIN ((uint64_t)1 << 20)
#define TOMBSTONE_MS      60000
#define RETENTION_HARD    8 /* times the retention, for the sake of slow groups */
#define PARTITIONS_MAX    10000
#define TOPIC_NAME_MAX    249

void leat_memory_signal(leat_memory_store *store)
{
    if (store->waiting > 0) pthread_cond_broadcast(&store->changed);
}

bool leat_memory_wait(leat_memory_store *store, int64_t deadline_ms)
{
    struct timespec until = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000};
    store->waiting++;
    int failed = pthread_cond_timedwait(&store->changed, &store->lock, &until);
    store->waiting--;
    return failed == 0;
}

/* --- topics --- */

leat_memory_topic *leat_memory_topic_find(const leat_memory_store *store, leat_str name)
{
    for (leat_memory_topic *topic = store->topics; topic != NULL; topic = topic->next)
        if (leat_str_is(name, topic->name)) return topic;
    return NULL;
}

static leat_code check_name(leat_str name, leat_err *err)
{
    bool fine = name.len > 0 && name.len <= TOPIC_NAME_MAX;
    for (size_t i = 0; fine && i < name.len; i++) {
        char c = name.data[i];
        fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    }
    if (fine) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_CONFIG,
                        "'%.*s' is no name of a topic: 1 to 249 of a-z A-Z 0-9 . _ -",
                        LEAT_STR_ARG(name));
}

leat_code leat_memory_topic_make(leat_memory_store *store, leat_str name, int32_t partitions,
                                 bool compacted, leat_memory_topic **made, leat_err *err)
{
    *made = leat_memory_topic_find(store, name);
    if (*made != NULL) return LEAT_OK;
    LEAT_TRY(check_name(name, err));
    if (partitions < 1 || partitions > PARTITIONS_MAX)
        return leat_err_set(err, LEAT_ERR_CONFIG, "topic '%.*s': %d partitions; 1 to %d can be had",
                            LEAT_STR_ARG(name), partitions, PARTITIONS_MAX);
    leat_memory_topic *topic =
        leat_mem_need(sizeof *topic + (size_t)partitions * sizeof topic->partitions[0]);
    topic->name = leat_mem_need(name.len + 1);
    memcpy(topic->name, name.data, name.len);
    topic->compacted = compacted;
    topic->partitions_count = partitions;
    leat_memory_topic **at = &store->topics;
    while (*at != NULL && strcmp((*at)->name, topic->name) < 0)
        at = &(*at)->next;
    topic->next = *at;
    *at = topic;
    store->topics_version++;
    leat_memory_signal(store);
    *made = topic;
    return LEAT_OK;
}

/* --- segments --- */

static void drop_segment(leat_memory_partition *partition, leat_memory_segment *segment)
{
    if (partition != NULL) partition->bytes -= segment->size;
    leat_mem_free(segment->entries);
    segment->entries = NULL;
    segment->count = 0;
    if (segment->holders > 0)
        segment->size = 0; /* an orphan: the last holder frees it */
    else
        leat_mem_free(segment);
}

void leat_memory_holds_drop(leat_memory_holds *holds)
{
    for (size_t i = 0; i < holds->count; i++) {
        leat_memory_segment *segment = holds->segments[i];
        LEAT_ASSERT(segment->holders > 0);
        if (--segment->holders == 0 && segment->size == 0) leat_mem_free(segment);
    }
    holds->count = 0;
}

static void hold(leat_memory_holds *holds, leat_memory_segment *segment)
{
    if (holds->count == holds->room) {
        size_t room = holds->room == 0 ? 16 : holds->room * 2;
        leat_memory_segment **segments = leat_mem_need(room * sizeof(leat_memory_segment *));
        if (holds->count > 0) memcpy(segments, holds->segments, holds->count * sizeof *segments);
        leat_mem_free(holds->segments);
        holds->segments = segments;
        holds->room = room;
    }
    holds->segments[holds->count++] = segment;
    segment->holders++;
}

static void partition_clear(leat_memory_partition *partition)
{
    for (size_t i = 0; i < partition->segments_count; i++)
        drop_segment(partition, partition->segments[i]);
    partition->segments_count = 0;
    leat_mem_free(partition->segments);
    partition->segments = NULL;
    partition->segments_room = 0;
}

void leat_memory_topics_free(leat_memory_store *store)
{
    while (store->topics != NULL) {
        leat_memory_topic *topic = store->topics;
        store->topics = topic->next;
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            partition_clear(&topic->partitions[i]);
            leat_mem_free(topic->partitions[i].open);
        }
        leat_mem_free(topic->name);
        leat_mem_free(topic);
    }
}

static leat_code out_of_memory(leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_MEMORY, "the embedded log has no memory for a record");
}

/* A segment with room for `bytes` and one entry more. */
static leat_code writable(leat_memory_partition *partition, size_t bytes,
                          leat_memory_segment **segment, leat_err *err)
{
    size_t count = partition->segments_count;
    leat_memory_segment *last = count == 0 ? NULL : partition->segments[count - 1];
    if (last == NULL || bytes > last->size - last->used) {
        size_t size = last == NULL ? SEGMENT_BYTES_MIN : last->size * 2;
        if (size > SEGMENT_BYTES_MAX) size = SEGMENT_BYTES_MAX;
        if (size < bytes) size = bytes;
        if (count == partition->segments_room) {
            size_t room = count == 0 ? 8 : count * 2;
            leat_memory_segment **segments =
                leat_mem_try_resize(partition->segments, room * sizeof(leat_memory_segment *));
            if (segments == NULL) return out_of_memory(err);
            partition->segments = segments;
            partition->segments_room = room;
        }
        last = leat_mem_try(sizeof *last + size);
        if (last == NULL) return out_of_memory(err);
        *last = (leat_memory_segment){.size = size};
        partition->segments[partition->segments_count++] = last;
        partition->bytes += size;
    }
    if (last->count == last->room) {
        size_t room = last->room == 0 ? 32 : last->room * 2;
        leat_memory_entry *entries =
            leat_mem_try_resize(last->entries, room * sizeof(leat_memory_entry));
        if (entries == NULL) return out_of_memory(err);
        last->entries = entries;
        last->room = room;
    }
    *segment = last;
    return LEAT_OK;
}

/* --- entries --- */

static const char *put_bytes(leat_memory_segment *segment, leat_str bytes)
{
    if (bytes.data == NULL) return NULL;
    char *to = segment->block + segment->used;
    if (bytes.len > 0) memcpy(to, bytes.data, bytes.len);
    segment->used += bytes.len;
    return to;
}

static const leat_header *put_headers(leat_memory_segment *segment, const leat_header *headers,
                                      size_t count)
{
    if (count == 0) return NULL;
    segment->used = (segment->used + 15) & ~(size_t)15;
    leat_header *to = (leat_header *)(void *)(segment->block + segment->used);
    segment->used += count * sizeof *to;
    for (size_t i = 0; i < count; i++) {
        to[i].name = (leat_str){put_bytes(segment, headers[i].name), headers[i].name.len};
        to[i].value = (leat_str){put_bytes(segment, headers[i].value), headers[i].value.len};
    }
    return to;
}

static size_t bytes_of(const leat_produce *record)
{
    size_t bytes = record->key.len + record->value.len;
    if (record->headers_count > 0) bytes += 15;
    for (size_t i = 0; i < record->headers_count; i++)
        bytes += sizeof(leat_header) + record->headers[i].name.len + record->headers[i].value.len;
    return bytes;
}

static leat_code put_entry(leat_memory_partition *partition, int64_t offset,
                           const leat_produce *record, const leat_memory_append *what,
                           leat_err *err)
{
    leat_memory_segment *segment = NULL;
    LEAT_TRY(writable(partition, record == NULL ? 0 : bytes_of(record), &segment, err));
    LEAT_ASSERT(segment != NULL && segment->entries != NULL);
    leat_memory_entry *entry = &segment->entries[segment->count++];
    *entry = (leat_memory_entry){.offset = offset,
                                 .timestamp_ms = LEAT_TIME_NONE,
                                 .producer = what->producer,
                                 .state = what->state};
    if (record == NULL) return LEAT_OK;
    entry->headers = put_headers(segment, record->headers, record->headers_count);
    entry->headers_count = (uint32_t)record->headers_count;
    entry->key = put_bytes(segment, record->key);
    entry->key_len = (uint32_t)record->key.len;
    entry->value = put_bytes(segment, record->value);
    entry->value_len = (uint32_t)record->value.len;
    entry->timestamp_ms = record->timestamp_ms;
    LEAT_ASSERT(segment->used <= segment->size);
    return LEAT_OK;
}

/* --- retention and compaction --- */

static void shift_segments(leat_memory_partition *partition, size_t count)
{
    partition->segments_count -= count;
    memmove(partition->segments, partition->segments + count,
            partition->segments_count * sizeof(leat_memory_segment *));
}

static void retain(const leat_memory_store *store, const leat_memory_topic *topic, int32_t number,
                   leat_memory_partition *partition)
{
    int64_t floor = leat_memory_floor(store, topic, number);
    size_t gone = 0;
    while (gone + 1 < partition->segments_count && partition->bytes > store->retention_bytes) {
        leat_memory_segment *segment = partition->segments[gone];
        int64_t last = segment->count == 0 ? 0 : segment->entries[segment->count - 1].offset;
        if (last >= partition->stable) break;
        bool hard = partition->bytes / RETENTION_HARD > store->retention_bytes;
        if (last >= floor && !hard) break;
        if (last + 1 > partition->start) partition->start = last + 1;
        drop_segment(partition, segment);
        gone++;
    }
    if (gone > 0) shift_segments(partition, gone);
}

static leat_str key_of(const leat_memory_entry *entry)
{
    return (leat_str){entry->key == NULL ? "" : entry->key, entry->key_len};
}

/* Last committed offset of each key below the stable end. */
static leat_code latest_offsets(const leat_memory_partition *partition, leat_map *latest,
                                leat_err *err)
{
    for (size_t i = 0; i < partition->segments_count; i++)
        for (size_t k = 0; k < partition->segments[i]->count; k++) {
            const leat_memory_entry *entry = &partition->segments[i]->entries[k];
            if (entry->offset >= partition->stable) return LEAT_OK;
            if (entry->state == LEAT_MEMORY_COMMITTED)
                LEAT_TRY(leat_map_put(latest, key_of(entry), (uint64_t)entry->offset, err));
        }
    return LEAT_OK;
}

static bool survives(const leat_memory_partition *partition, const leat_map *latest,
                     const leat_memory_entry *entry)
{
    if (entry->offset >= partition->stable) return true;
    if (entry->state != LEAT_MEMORY_COMMITTED) return false;
    uint64_t offset = 0;
    if (!leat_map_get(latest, key_of(entry), &offset) || (int64_t)offset != entry->offset)
        return false;
    return entry->value != NULL || entry->offset >= partition->gone_to;
}

/* A tombstone stays for a while after the compaction that could have dropped it (as for Kafka's
 * delete.retention.ms): who has read the value before it has to come by it, or would keep that. */
static void age_tombstones(leat_memory_partition *partition)
{
    int64_t now = leat_clock_ms();
    if (partition->tombstones_to > 0 && now - partition->tombstones_ms < TOMBSTONE_MS) return;
    partition->gone_to = partition->tombstones_to;
    partition->tombstones_to = partition->stable;
    partition->tombstones_ms = now;
}

static leat_code copy_entry(leat_memory_partition *to, const leat_memory_entry *entry,
                            leat_err *err)
{
    leat_produce record = {.key = {entry->key, entry->key_len},
                           .value = {entry->value, entry->value_len},
                           .timestamp_ms = entry->timestamp_ms,
                           .headers = entry->headers,
                           .headers_count = entry->headers_count};
    leat_memory_append what = {.producer = entry->producer, .state = entry->state};
    bool marker = entry->state == LEAT_MEMORY_MARKER;
    return put_entry(to, entry->offset, marker ? NULL : &record, &what, err);
}

/* On any failure the partition stays as it is: compaction is a favour, not a duty. */
static void compact(leat_memory_partition *partition)
{
    leat_err err;
    age_tombstones(partition);
    leat_memory_partition next = *partition;
    next.segments = NULL;
    next.segments_count = next.segments_room = 0;
    next.bytes = 0;
    leat_map *latest = leat_map_new();
    leat_code code = latest_offsets(partition, latest, &err);
    for (size_t i = 0; code == LEAT_OK && i < partition->segments_count; i++)
        for (size_t k = 0; code == LEAT_OK && k < partition->segments[i]->count; k++)
            if (survives(partition, latest, &partition->segments[i]->entries[k]))
                code = copy_entry(&next, &partition->segments[i]->entries[k], &err);
    leat_map_free(&latest);
    if (code != LEAT_OK) {
        partition_clear(&next);
        return;
    }
    partition_clear(partition);
    next.bytes_compacted = next.bytes;
    *partition = next;
}

void leat_memory_clean(leat_memory_store *store, leat_memory_topic *topic, int32_t number)
{
    leat_memory_partition *partition = &topic->partitions[number];
    if (topic->compacted) {
        if (partition->bytes > partition->bytes_compacted * 2 + COMPACT_BYTES_MIN)
            compact(partition);
    } else if (store->retention_bytes > 0 && partition->bytes > store->retention_bytes) {
        retain(store, topic, number, partition);
    }
}

void leat_memory_topics_compact(leat_memory_store *store)
{
    for (leat_memory_topic *topic = store->topics; topic != NULL; topic = topic->next)
        for (int32_t i = 0; topic->compacted && i < topic->partitions_count; i++)
            compact(&topic->partitions[i]);
}

/* --- append --- */

leat_code leat_memory_append_to(leat_memory_store *store, leat_memory_topic *topic, int32_t number,
                                const leat_memory_append *what, leat_err *err)
{
    LEAT_ASSERT(number >= 0 && number < topic->partitions_count);
    leat_memory_partition *partition = &topic->partitions[number];
    leat_produce record;
    if (what->record != NULL) {
        record = *what->record;
        size_t bytes = bytes_of(&record);
        if (bytes > LEAT_MEMORY_RECORD_BYTES_MAX)
            return leat_err_set(err, LEAT_ERR_LIMIT,
                                "a record of %zu bytes for topic '%s'; the embedded log takes %zu",
                                bytes, topic->name, LEAT_MEMORY_RECORD_BYTES_MAX);
        if (topic->compacted && record.key.data == NULL)
            return leat_err_set(err, LEAT_ERR_INVALID,
                                "a record without key for topic '%s', "
                                "which is compacted and so needs keys",
                                topic->name);
        if (record.timestamp_ms == LEAT_TIME_NONE) record.timestamp_ms = leat_clock_wall_ms();
    }
    uint64_t bytes_before = partition->bytes;
    LEAT_TRY(
        put_entry(partition, partition->end, what->record == NULL ? NULL : &record, what, err));
    partition->end++;
    if (partition->bytes != bytes_before) leat_memory_clean(store, topic, number);
    if (partition->open_count == 0) {
        partition->stable = partition->end;
        leat_memory_signal(store);
    }
    return LEAT_OK;
}

/* --- read --- */

/* First segment that holds offset or something later. */
static size_t segment_of(const leat_memory_partition *partition, int64_t offset)
{
    size_t low = 0, high = partition->segments_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const leat_memory_segment *segment = partition->segments[middle];
        if (segment->count > 0 && segment->entries[segment->count - 1].offset >= offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static size_t entry_of(const leat_memory_segment *segment, int64_t offset)
{
    size_t low = 0, high = segment->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (segment->entries[middle].offset >= offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static leat_message message_of(const leat_memory_topic *topic, int32_t partition,
                               const leat_memory_entry *entry)
{
    return (leat_message){.topic = leat_str_of(topic->name),
                          .partition = partition,
                          .offset = entry->offset,
                          .timestamp_ms = entry->timestamp_ms,
                          .key = {entry->key, entry->key_len},
                          .value = {entry->value, entry->value_len},
                          .headers = entry->headers,
                          .headers_count = entry->headers_count};
}

size_t leat_memory_read(leat_memory_topic *topic, int32_t number, int64_t *offset,
                        leat_memory_holds *holds, leat_message *messages, size_t size)
{
    LEAT_ASSERT(number >= 0 && number < topic->partitions_count);
    leat_memory_partition *partition = &topic->partitions[number];
    size_t count = 0;
    for (size_t i = segment_of(partition, *offset); i < partition->segments_count; i++) {
        leat_memory_segment *segment = partition->segments[i];
        bool held = false;
        for (size_t k = entry_of(segment, *offset); k < segment->count; k++) {
            const leat_memory_entry *entry = &segment->entries[k];
            if (entry->offset >= partition->stable || count == size) return count;
            *offset = entry->offset + 1;
            if (entry->state != LEAT_MEMORY_COMMITTED) continue;
            if (!held) hold(holds, segment);
            held = true;
            messages[count++] = message_of(topic, number, entry);
        }
    }
    if (*offset < partition->stable) *offset = partition->stable; /* the rest was compacted away */
    return count;
}

int64_t leat_memory_offset_of_time(const leat_memory_partition *partition, int64_t start_ms)
{
    for (size_t i = 0; i < partition->segments_count; i++)
        for (size_t k = 0; k < partition->segments[i]->count; k++) {
            const leat_memory_entry *entry = &partition->segments[i]->entries[k];
            if (entry->offset >= partition->stable) return partition->stable;
            if (entry->state == LEAT_MEMORY_COMMITTED && entry->timestamp_ms >= start_ms)
                return entry->offset;
        }
    return partition->stable;
}
