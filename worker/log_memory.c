/* SPDX-License-Identifier: Apache-2.0 */
/* The port to the embedded log: leat_log_memory.
 *
 * A store lives as long as some instance of it is open, so that a generator, a pipeline and a page
 * that looks on share topics by name and nothing is left when all have gone. One lock guards a
 * store; callbacks of sessions run without it, because they call the port again. What the callbacks
 * may change (owned partitions, the open transaction) belongs to the session, that is to its
 * thread.
 *
 * poll gives each readable partition an equal share of the room, starting with another one each
 * time: a partition with a long backlog must not keep the others' watermarks back.
 * Refused: a lock per partition. A record costs some 50 ns under the lock, and commits must be
 * atomic over partitions anyway. */
#include <stdio.h>

#include "core/mem.h"
#include "worker/log_memory.h"
#include "worker/log_memory_session.h"

#define NAME_DEFAULT            "default"
#define PARTITIONS_DEFAULT      4
#define RETENTION_BYTES_DEFAULT ((int64_t)64 << 20)
#define REBALANCE_MS_DEFAULT    10000
#define TRANSACTION_MS_DEFAULT  60000

static struct {
    pthread_mutex_t lock;
    leat_memory_store *first;
} stores = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- open and close --- */

typedef struct memory_settings {
    leat_str name;
    int64_t partitions, retention_bytes, rebalance_ms, transaction_ms;
} memory_settings;

static leat_code read_number(const leat_property *property, int64_t least, int64_t *number,
                             leat_err *err)
{
    int64_t sum = 0;
    bool fine = property->value.len > 0 && property->value.len <= 15;
    for (size_t i = 0; fine && i < property->value.len; i++) {
        char c = property->value.data[i];
        fine = c >= '0' && c <= '9';
        if (fine) sum = sum * 10 + (c - '0');
    }
    if (!fine || sum < least)
        return leat_err_set(err, LEAT_ERR_CONFIG, "%.*s: '%.*s' is no whole number of %lld or more",
                            LEAT_STR_ARG(property->name), LEAT_STR_ARG(property->value),
                            (long long)least);
    *number = sum;
    return LEAT_OK;
}

/* Properties of Kafka clients mean nothing here: the same pipeline file runs on both. */
static leat_code read_settings(const leat_log_config *config, memory_settings *settings,
                               leat_err *err)
{
    const leat_str names[] = {
        LEAT_STR("memory.name"), LEAT_STR("memory.partitions"), LEAT_STR("memory.retention.bytes"),
        LEAT_STR("memory.rebalance.timeout.ms"), LEAT_STR("memory.transaction.timeout.ms")};
    int64_t *numbers[] = {NULL, &settings->partitions, &settings->retention_bytes,
                          &settings->rebalance_ms, &settings->transaction_ms};
    static const int64_t least[] = {0, 1, 0, 1, 1};
    for (size_t i = 0; i < config->properties_count; i++) {
        const leat_property *property = &config->properties[i];
        if (!leat_str_starts(property->name, LEAT_STR("memory."))) continue;
        size_t at = 0;
        while (at < 5 && !leat_str_equal(property->name, names[at]))
            at++;
        if (at == 5) {
            leat_str nearest = leat_str_nearest(property->name, names, 5);
            return leat_err_set(
                err, LEAT_ERR_CONFIG, "no property '%.*s' of the embedded log%s%.*s",
                LEAT_STR_ARG(property->name), nearest.data == NULL ? "" : "; did you mean ",
                LEAT_STR_ARG(nearest));
        }
        if (at == 0)
            settings->name = property->value;
        else
            LEAT_TRY(read_number(property, least[at], numbers[at], err));
    }
    return LEAT_OK;
}

static leat_memory_store *store_new(const memory_settings *settings)
{
    leat_memory_store *store = leat_mem_need(sizeof *store);
    store->name = leat_mem_need(settings->name.len + 1);
    memcpy(store->name, settings->name.data, settings->name.len);
    store->partitions_default = (int32_t)settings->partitions;
    store->retention_bytes = (uint64_t)settings->retention_bytes;
    store->rebalance_timeout_ms = settings->rebalance_ms;
    store->transaction_timeout_ms = settings->transaction_ms;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&store->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&store->lock, NULL);
    return store;
}

static void store_free(leat_memory_store *store)
{
    leat_memory_groups_free(store);
    leat_memory_producers_free(store);
    leat_memory_topics_free(store);
    pthread_cond_destroy(&store->changed);
    pthread_mutex_destroy(&store->lock);
    leat_mem_free(store->name);
    leat_mem_free(store);
}

static leat_code memory_open(const leat_log_config *config, leat_log **log, leat_err *err)
{
    memory_settings settings = {.name = LEAT_STR(NAME_DEFAULT),
                                .partitions = PARTITIONS_DEFAULT,
                                .retention_bytes = RETENTION_BYTES_DEFAULT,
                                .rebalance_ms = REBALANCE_MS_DEFAULT,
                                .transaction_ms = TRANSACTION_MS_DEFAULT};
    *log = NULL;
    LEAT_TRY(read_settings(config, &settings, err));
    if (settings.partitions > INT32_MAX) settings.partitions = INT32_MAX; /* refused at use */
    pthread_mutex_lock(&stores.lock);
    leat_memory_store *store = stores.first;
    while (store != NULL && !leat_str_is(settings.name, store->name))
        store = store->next;
    if (store == NULL) {
        store = store_new(&settings);
        store->next = stores.first;
        stores.first = store;
    }
    store->users++;
    pthread_mutex_unlock(&stores.lock);
    leat_log *made = leat_mem_need(sizeof *made);
    made->store = store;
    made->speak = config->speak;
    made->speak_context = config->speak_context;
    *log = made;
    return LEAT_OK;
}

static void memory_close(leat_log **log)
{
    if (*log == NULL) return;
    leat_memory_store *store = (*log)->store;
    pthread_mutex_lock(&stores.lock);
    LEAT_ASSERT(store->users > 0);
    if (--store->users == 0) {
        leat_memory_store **at = &stores.first;
        while (*at != store)
            at = &(*at)->next;
        *at = store->next;
        store_free(store);
    }
    pthread_mutex_unlock(&stores.lock);
    leat_mem_free(*log);
    *log = NULL;
}

/* --- topics --- */

static leat_code memory_describe(leat_log *log, leat_str name, int timeout_ms,
                                 leat_topic_info *info, leat_err *err)
{
    (void)timeout_ms;
    (void)err;
    leat_memory_store *store = log->store;
    *info = (leat_topic_info){0};
    pthread_mutex_lock(&store->lock);
    const leat_memory_topic *topic = leat_memory_topic_find(store, name);
    if (topic != NULL)
        *info = (leat_topic_info){.exists = true,
                                  .partitions = topic->partitions_count,
                                  .replication = 1,
                                  .compacted = topic->compacted};
    pthread_mutex_unlock(&store->lock);
    return LEAT_OK;
}

static leat_code memory_create(leat_log *log, const leat_topic_spec *spec, int timeout_ms,
                               leat_err *err)
{
    (void)timeout_ms;
    leat_memory_store *store = log->store;
    leat_memory_topic *topic = NULL;
    pthread_mutex_lock(&store->lock);
    leat_code code =
        leat_memory_topic_make(store, spec->name, spec->partitions, spec->compacted, &topic, err);
    pthread_mutex_unlock(&store->lock);
    return code;
}

void leat_memory_compact_now(leat_log *log)
{
    pthread_mutex_lock(&log->store->lock);
    leat_memory_topics_compact(log->store);
    pthread_mutex_unlock(&log->store->lock);
}

/* --- poll --- */

static leat_code memory_poll(leat_session *session, int timeout_ms, leat_message *messages,
                             size_t size, size_t *count, leat_poll_state *state, leat_err *err)
{
    LEAT_ASSERT(session->holds.count == 0); /* release came between two polls */
    leat_memory_store *store = session->log->store;
    int64_t deadline = leat_clock_ms() + (timeout_ms > 0 ? timeout_ms : 0);
    leat_code code = LEAT_OK;
    bool called = false;
    *count = 0;
    pthread_mutex_lock(&store->lock);
    for (;;) {
        code = leat_memory_session_turn(session, &called, err);
        if (code != LEAT_OK || called) break;
        *count = leat_memory_session_read(session, messages, size);
        if (*count > 0) break;
        leat_memory_txn_expire(store);
        if (leat_clock_ms() >= deadline) break;
        int64_t until = leat_memory_session_due(session, deadline);
        leat_memory_wait(store, until);
    }
    pthread_mutex_unlock(&store->lock);
    *state = *count > 0 ? LEAT_POLL_SOME : LEAT_POLL_EMPTY;
    return code;
}

static void memory_release(leat_session *session)
{
    leat_memory_store *store = session->log->store;
    if (session->holds.count == 0) return;
    pthread_mutex_lock(&store->lock);
    leat_memory_holds_drop(&session->holds);
    pthread_mutex_unlock(&store->lock);
}

static leat_code not_owned(leat_str topic, int32_t partition, leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_ABORTED, "partition %d of topic '%.*s' is not assigned",
                        partition, LEAT_STR_ARG(topic));
}

static leat_code set_paused(leat_session *session, leat_str topic, int32_t partition, bool paused,
                            leat_err *err)
{
    memory_owned *owned = leat_memory_session_owned(session, topic, partition);
    if (owned == NULL) return not_owned(topic, partition, err);
    owned->paused = paused;
    return LEAT_OK;
}

static leat_code memory_pause(leat_session *session, leat_str topic, int32_t partition,
                              leat_err *err)
{
    return set_paused(session, topic, partition, true, err);
}

static leat_code memory_resume(leat_session *session, leat_str topic, int32_t partition,
                               leat_err *err)
{
    return set_paused(session, topic, partition, false, err);
}

static leat_code memory_seek(leat_session *session, leat_str topic, int32_t partition,
                             int64_t offset, leat_err *err)
{
    memory_owned *owned = leat_memory_session_owned(session, topic, partition);
    if (owned == NULL) return not_owned(topic, partition, err);
    LEAT_ASSERT(offset >= 0);
    owned->position = owned->delivered = offset;
    return LEAT_OK;
}

static size_t memory_lags(leat_session *session, leat_lag *lags, size_t size)
{
    leat_memory_store *store = session->log->store;
    size_t count = 0;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < session->owned_count && count < size; i++) {
        const memory_owned *owned = &session->owned[i];
        int64_t stable = owned->topic->partitions[owned->partition].stable;
        /* What lies between the last record and the end are markers: nothing to come. */
        lags[count++] =
            (leat_lag){.topic = leat_str_of(owned->topic->name),
                       .partition = owned->partition,
                       .end_offset = owned->position >= stable ? owned->delivered : stable};
    }
    pthread_mutex_unlock(&store->lock);
    return count;
}

static bool memory_ended(const leat_session *session, leat_str topic, int32_t partition)
{
    (void)session;
    (void)topic;
    (void)partition;
    return false;
}

/* --- restore --- */

struct leat_restore {
    leat_memory_store *store;
    leat_memory_topic *topic;
    int32_t partition;
    int64_t position, end;
    leat_memory_holds holds;
};

static leat_code memory_restore_open(leat_session *session, leat_str name, int32_t partition,
                                     leat_restore **restore, leat_err *err)
{
    leat_memory_store *store = session->log->store;
    *restore = NULL;
    pthread_mutex_lock(&store->lock);
    leat_memory_topic *topic = leat_memory_topic_find(store, name);
    int64_t end = 0;
    if (topic != NULL && partition >= 0 && partition < topic->partitions_count)
        end = topic->partitions[partition].end;
    else
        topic = NULL;
    pthread_mutex_unlock(&store->lock);
    if (topic == NULL)
        return leat_err_set(err, LEAT_ERR_UNAVAILABLE,
                            "topic '%.*s' has no partition %d to restore", LEAT_STR_ARG(name),
                            partition);
    *restore = leat_mem_need(sizeof **restore);
    **restore = (leat_restore){.store = store, .topic = topic, .partition = partition, .end = end};
    return LEAT_OK;
}

static leat_code memory_restore_read(leat_restore *restore, int timeout_ms, leat_message *messages,
                                     size_t size, size_t *count, bool *done, leat_err *err)
{
    (void)err;
    LEAT_ASSERT(restore->holds.count == 0);
    leat_memory_store *store = restore->store;
    int64_t deadline = leat_clock_ms() + (timeout_ms > 0 ? timeout_ms : 0);
    *count = 0;
    pthread_mutex_lock(&store->lock);
    for (;;) {
        *count = leat_memory_read(restore->topic, restore->partition, &restore->position,
                                  &restore->holds, messages, size);
        *done = restore->position >= restore->end;
        if (*count > 0 || *done) break;
        leat_memory_txn_expire(store); /* somebody's open transaction lies in the way */
        if (leat_clock_ms() >= deadline) break;
        leat_memory_wait(store, deadline);
    }
    pthread_mutex_unlock(&store->lock);
    return LEAT_OK;
}

static void memory_restore_release(leat_restore *restore)
{
    pthread_mutex_lock(&restore->store->lock);
    leat_memory_holds_drop(&restore->holds);
    pthread_mutex_unlock(&restore->store->lock);
}

static void memory_restore_close(leat_restore **restore)
{
    if (*restore == NULL) return;
    memory_restore_release(*restore);
    leat_mem_free((*restore)->holds.segments);
    leat_mem_free(*restore);
    *restore = NULL;
}

const leat_log_type leat_log_memory = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .describe = memory_describe,
    .describe_settings = memory_describe,
    .create = memory_create,
    .session_open = leat_memory_session_open,
    .session_close = leat_memory_session_close,
    .poll = memory_poll,
    .release = memory_release,
    .pause = memory_pause,
    .resume = memory_resume,
    .seek = memory_seek,
    .produce = leat_memory_session_produce,
    .commit = leat_memory_session_commit,
    .abort = leat_memory_session_abort,
    .in_transaction = leat_memory_session_in_transaction,
    .committed = leat_memory_session_committed,
    .restore_open = memory_restore_open,
    .restore_read = memory_restore_read,
    .restore_release = memory_restore_release,
    .restore_close = memory_restore_close,
    .lags = memory_lags,
    .ended = memory_ended,
};
