/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of the embedded log: what a consumer and a transactional producer of Kafka do, and say.
 *
 * The order in a rebalance is that of a Kafka client: revoked() while the old generation may still
 * commit, then the join, then assigned() with the places to begin. What a session owns is its own
 * copy, so reads between two callbacks always know which partitions they are for.
 *
 * Errors are those that a real broker would make of the same mistake, so that a worker which is
 * right here is right there: a member put out of its group or of an old generation is told ABORTED
 * at commit, a producer whose id another has taken FENCED at everything. */
#include "worker/log_memory_session.h"

#include <stdio.h>

#include "core/mem.h"
#include "worker/log_partition.h"

/* --- open --- */

static char *text_of(leat_str str)
{
    char *text = leat_mem_need(str.len + 1);
    if (str.len > 0) memcpy(text, str.data, str.len);
    return text;
}

static leat_code subscribe(leat_memory_member *member, const leat_session_config *config,
                           leat_err *err)
{
    member->subscriptions =
        leat_mem_need(config->subscriptions_count * sizeof *member->subscriptions);
    for (size_t i = 0; i < config->subscriptions_count; i++) {
        const leat_subscription *wanted = &config->subscriptions[i];
        leat_memory_subscription *made = &member->subscriptions[member->subscriptions_count++];
        made->name = text_of(wanted->topic);
        made->start = wanted->start;
        made->start_ms = wanted->start_ms;
        if (wanted->topic.len > 0 && wanted->topic.data[0] == '^')
            LEAT_TRY(leat_regex_new(&made->pattern, wanted->topic, err));
    }
    return LEAT_OK;
}

static leat_code make_topics(leat_memory_store *store, const leat_memory_member *member,
                             const leat_str *topics, size_t topics_count, leat_err *err)
{
    leat_memory_topic *topic = NULL;
    for (size_t i = 0; member != NULL && i < member->subscriptions_count; i++)
        if (member->subscriptions[i].pattern == NULL)
            LEAT_TRY(leat_memory_topic_make(store, leat_str_of(member->subscriptions[i].name),
                                            store->partitions_default, false, &topic, err));
    for (size_t i = 0; i < topics_count; i++)
        LEAT_TRY(leat_memory_topic_make(store, topics[i], store->partitions_default, false, &topic,
                                        err));
    return LEAT_OK;
}

static void session_free(leat_session *session)
{
    leat_mem_free(session->holds.segments);
    leat_mem_free(session->owned);
    leat_mem_free(session);
}

leat_code leat_memory_session_open(leat_log *log, const leat_session_config *config,
                                   const leat_str *topics, size_t topics_count,
                                   leat_session **opened, leat_err *err)
{
    leat_memory_store *store = log->store;
    leat_memory_member *member = NULL;
    leat_code code = LEAT_OK;
    *opened = NULL;
    if (config->group.len > 0 && config->subscriptions_count > 0) {
        member = leat_mem_need(sizeof *member);
        if (config->instance.len > 0) member->instance = text_of(config->instance);
        code = subscribe(member, config, err);
    }
    pthread_mutex_lock(&store->lock);
    if (code == LEAT_OK) code = make_topics(store, member, topics, topics_count, err);
    if (code != LEAT_OK) {
        pthread_mutex_unlock(&store->lock);
        if (member != NULL) leat_memory_member_free(member);
        return code;
    }
    leat_session *session = leat_mem_need(sizeof *session);
    session->log = log;
    session->guarantee = config->guarantee;
    session->listener = config->listener;
    if (config->guarantee == LEAT_EXACTLY_ONCE && config->transactional_id.len > 0) {
        session->producer = leat_memory_producer_take(store, config->transactional_id);
        session->epoch = session->producer->epoch;
    }
    if (member != NULL) {
        session->member = member;
        session->group = leat_memory_group_get(store, config->group);
        leat_memory_group_join(store, session->group, member);
    }
    pthread_mutex_unlock(&store->lock);
    *opened = session;
    return LEAT_OK;
}

/* --- rebalance --- */

memory_owned *leat_memory_session_owned(leat_session *session, leat_str topic, int32_t partition)
{
    for (size_t i = 0; i < session->owned_count; i++)
        if (session->owned[i].partition == partition &&
            leat_str_is(topic, session->owned[i].topic->name))
            return &session->owned[i];
    return NULL;
}

static leat_partition *partitions_of(const leat_session *session)
{
    leat_partition *partitions = leat_mem_need((session->owned_count + 1) * sizeof *partitions);
    for (size_t i = 0; i < session->owned_count; i++)
        partitions[i] = (leat_partition){.topic = leat_str_of(session->owned[i].topic->name),
                                         .partition = session->owned[i].partition,
                                         .offset = session->owned[i].start};
    return partitions;
}

/* Gives up everything; without the lock. */
static void give_up(leat_session *session, bool lost)
{
    if (session->owned_count == 0) return;
    leat_partition *partitions = partitions_of(session);
    if (session->listener.revoked != NULL)
        session->listener.revoked(session->listener.self, partitions, session->owned_count, lost);
    leat_mem_free(partitions);
    session->owned_count = 0;
}

static int64_t start_of(const leat_session *session, const leat_memory_place *place)
{
    const leat_memory_partition *partition = &place->topic->partitions[place->partition];
    int64_t committed = leat_memory_committed(session->group, place->topic, place->partition);
    if (committed != LEAT_OFFSET_NONE) return committed;
    for (size_t i = 0; i < session->member->subscriptions_count; i++) {
        const leat_memory_subscription *wanted = &session->member->subscriptions[i];
        if (!leat_memory_subscribes(wanted, place->topic->name)) continue;
        if (wanted->start == LEAT_START_LATEST) return partition->stable;
        if (wanted->start == LEAT_START_TIME)
            return leat_memory_offset_of_time(partition, wanted->start_ms);
        break;
    }
    return partition->start;
}

/* Takes over what the group gave; with the lock. */
static void take_over(leat_session *session)
{
    leat_memory_member *member = session->member;
    leat_mem_free(session->owned);
    session->owned = leat_mem_need((member->given_count + 1) * sizeof *session->owned);
    session->owned_count = member->given_count;
    session->turn = 0;
    for (size_t i = 0; i < member->given_count; i++) {
        int64_t start = start_of(session, &member->given[i]);
        session->owned[i] = (memory_owned){.topic = member->given[i].topic,
                                           .partition = member->given[i].partition,
                                           .paused = true,
                                           .start = start,
                                           .position = start,
                                           .delivered = start};
    }
    member->fresh = false;
    member->joined = false;
}

static leat_code fenced_instance(const leat_session *session, leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_FENCED,
                        "another member of group '%s' has joined as instance '%s'; give each "
                        "process an instance name of its own",
                        session->group->name, session->member->instance);
}

leat_code leat_memory_session_turn(leat_session *session, bool *called, leat_err *err)
{
    leat_memory_member *member = session->member;
    leat_memory_store *store = session->log->store;
    if (member == NULL) return LEAT_OK;
    if (member->fenced) return fenced_instance(session, err);
    leat_memory_group_turn(store, session->group);
    bool out = member->group == NULL;
    if (out || (session->group->preparing && !member->joined)) {
        *called = session->owned_count > 0;
        pthread_mutex_unlock(&store->lock);
        give_up(session, out);
        pthread_mutex_lock(&store->lock);
        if (member->fenced) return fenced_instance(session, err);
        if (member->group == NULL) {
            leat_memory_group_join(store, session->group, member);
        } else if (session->group->preparing) {
            member->joined = true;
            leat_memory_signal(store);
        }
        leat_memory_group_turn(store, session->group);
    }
    if (member->group != NULL && member->fresh && !session->group->preparing) {
        LEAT_ASSERT(session->owned_count == 0);
        take_over(session);
        *called = true;
        leat_partition *partitions = partitions_of(session);
        size_t count = session->owned_count;
        pthread_mutex_unlock(&store->lock);
        if (session->listener.assigned != NULL)
            session->listener.assigned(session->listener.self, partitions, count);
        leat_mem_free(partitions);
        pthread_mutex_lock(&store->lock);
    }
    return LEAT_OK;
}

int64_t leat_memory_session_due(const leat_session *session, int64_t deadline_ms)
{
    if (session->group == NULL) return deadline_ms;
    int64_t due = leat_memory_group_due(session->group);
    return due < deadline_ms ? due : deadline_ms;
}

/* --- read --- */

static void say_lost(const leat_session *session, const memory_owned *owned, int64_t start)
{
    if (session->log->speak == NULL) return;
    char text[384];
    snprintf(text, sizeof text,
             "topic '%s' partition %d: offsets %lld to %lld were dropped before they were read; "
             "raise memory.retention.bytes or slow the producer down",
             owned->topic->name, owned->partition, (long long)owned->position,
             (long long)start - 1);
    session->log->speak(session->log->speak_context, 2, "memory", text);
}

size_t leat_memory_session_read(leat_session *session, leat_message *messages, size_t size)
{
    size_t count = 0, ready = 0;
    for (size_t i = 0; i < session->owned_count; i++)
        ready += !session->owned[i].paused;
    if (ready == 0) return 0;
    size_t share = (size + ready - 1) / ready;
    for (size_t i = 0; i < session->owned_count && count < size; i++) {
        memory_owned *owned = &session->owned[(session->turn + i) % session->owned_count];
        if (owned->paused) continue;
        int64_t start = owned->topic->partitions[owned->partition].start;
        if (owned->position < start) {
            say_lost(session, owned, start);
            owned->position = start;
        }
        size_t room = size - count < share ? size - count : share;
        size_t got = leat_memory_read(owned->topic, owned->partition, &owned->position,
                                      &session->holds, messages + count, room);
        count += got;
        if (got > 0) owned->delivered = messages[count - 1].offset + 1;
    }
    session->turn++;
    return count;
}

/* --- produce --- */

static leat_code check_owner(const leat_session *session, leat_err *err)
{
    if (session->producer == NULL || session->producer->epoch == session->epoch) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_FENCED, "another producer has taken transactional id '%s'",
                        session->producer->id);
}

static leat_code expired(const leat_session *session, leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_ABORTED,
                        "the transaction of '%s' was open for longer than %lld ms "
                        "(memory.transaction.timeout.ms)",
                        session->producer->id,
                        (long long)session->log->store->transaction_timeout_ms);
}

static leat_code partition_for(leat_session *session, const leat_memory_topic *topic,
                               const leat_produce *record, int32_t *partition, leat_err *err)
{
    *partition = record->partition;
    if (record->partition >= topic->partitions_count || record->partition < -1)
        return leat_err_set(err, LEAT_ERR_INVALID,
                            "topic '%s' has no partition %d, only %d of them", topic->name,
                            record->partition, topic->partitions_count);
    if (record->partition >= 0) return LEAT_OK;
    if (record->key.data != NULL)
        *partition = leat_log_partition(record->key, topic->partitions_count);
    else
        *partition = (int32_t)(session->spread++ % (uint32_t)topic->partitions_count);
    return LEAT_OK;
}

static leat_code produce_locked(leat_session *session, const leat_produce *record, leat_err *err)
{
    leat_memory_store *store = session->log->store;
    leat_memory_producer *producer = session->producer;
    LEAT_TRY(check_owner(session, err));
    if (producer != NULL && producer->expired) return expired(session, err);
    leat_memory_topic *topic = session->topic_last;
    if (topic == NULL || !leat_str_is(record->topic, topic->name))
        LEAT_TRY(leat_memory_topic_make(store, record->topic, store->partitions_default, false,
                                        &topic, err));
    session->topic_last = topic;
    int32_t partition = 0;
    LEAT_TRY(partition_for(session, topic, record, &partition, err));
    leat_memory_append what = {.record = record, .state = LEAT_MEMORY_COMMITTED};
    if (producer != NULL) {
        if (!producer->open) producer->began_ms = leat_clock_ms();
        producer->open = true;
        LEAT_TRY(leat_memory_txn_touch(producer, topic, partition, err));
        what.producer = producer->number;
        what.state = LEAT_MEMORY_OPEN;
    }
    LEAT_TRY(leat_memory_append_to(store, topic, partition, &what, err));
    session->dirty = true;
    return LEAT_OK;
}

leat_code leat_memory_session_produce(leat_session *session, const leat_produce *record,
                                      leat_err *err)
{
    leat_memory_store *store = session->log->store;
    pthread_mutex_lock(&store->lock);
    leat_code code = produce_locked(session, record, err);
    pthread_mutex_unlock(&store->lock);
    return code;
}

/* --- commit --- */

static leat_code check_member(const leat_session *session, leat_err *err)
{
    const leat_memory_member *member = session->member;
    if (member == NULL)
        return leat_err_set(err, LEAT_ERR_INTERNAL, "offsets of a session without group");
    if (member->fenced) return fenced_instance(session, err);
    if (member->group == NULL || member->generation != session->group->generation)
        return leat_err_set(err, LEAT_ERR_ABORTED,
                            "group '%s' has gone on to generation %llu without this member",
                            session->group->name, (unsigned long long)session->group->generation);
    return LEAT_OK;
}

static leat_code commit_locked(leat_session *session, const leat_partition *offsets, size_t count,
                               leat_err *err)
{
    leat_memory_store *store = session->log->store;
    LEAT_TRY(check_owner(session, err));
    if (session->producer != NULL && session->producer->expired) return expired(session, err);
    if (count > 0) LEAT_TRY(check_member(session, err));
    for (size_t i = 0; i < count; i++)
        if (leat_memory_session_owned(session, offsets[i].topic, offsets[i].partition) == NULL)
            return leat_err_set(err, LEAT_ERR_ABORTED,
                                "partition %d of topic '%.*s' is not assigned",
                                offsets[i].partition, LEAT_STR_ARG(offsets[i].topic));
    for (size_t i = 0; i < count; i++) {
        memory_owned *owned =
            leat_memory_session_owned(session, offsets[i].topic, offsets[i].partition);
        leat_memory_place place = {owned->topic, owned->partition, offsets[i].offset};
        leat_memory_commit(session->group, &place);
    }
    if (session->producer != NULL && session->producer->open)
        leat_memory_txn_end(store, session->producer, true);
    session->dirty = false;
    return LEAT_OK;
}

leat_code leat_memory_session_commit(leat_session *session, const leat_partition *offsets,
                                     size_t count, leat_err *err)
{
    leat_memory_store *store = session->log->store;
    pthread_mutex_lock(&store->lock);
    leat_code code = commit_locked(session, offsets, count, err);
    pthread_mutex_unlock(&store->lock);
    return code;
}

leat_code leat_memory_session_abort(leat_session *session, leat_err *err)
{
    leat_memory_store *store = session->log->store;
    pthread_mutex_lock(&store->lock);
    leat_code code = check_owner(session, err);
    if (code == LEAT_OK && session->producer != NULL) {
        if (session->producer->open) leat_memory_txn_end(store, session->producer, false);
        session->producer->expired = false;
    }
    session->dirty = false;
    pthread_mutex_unlock(&store->lock);
    return code;
}

bool leat_memory_session_in_transaction(const leat_session *session)
{
    return session->dirty;
}

leat_code leat_memory_session_committed(leat_session *session, leat_partition *partitions,
                                        size_t count, leat_err *err)
{
    leat_memory_store *store = session->log->store;
    leat_code code = LEAT_OK;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; code == LEAT_OK && i < count; i++) {
        memory_owned *owned =
            leat_memory_session_owned(session, partitions[i].topic, partitions[i].partition);
        if (owned == NULL) {
            code =
                leat_err_set(err, LEAT_ERR_ABORTED, "partition %d of topic '%.*s' is not assigned",
                             partitions[i].partition, LEAT_STR_ARG(partitions[i].topic));
        } else {
            int64_t offset = leat_memory_committed(session->group, owned->topic, owned->partition);
            partitions[i].offset = offset == LEAT_OFFSET_NONE ? owned->start : offset;
        }
    }
    pthread_mutex_unlock(&store->lock);
    return code;
}

/* --- close --- */

void leat_memory_session_close(leat_session **session, int timeout_ms)
{
    (void)timeout_ms;
    leat_session *closing = *session;
    if (closing == NULL) return;
    leat_memory_store *store = closing->log->store;
    pthread_mutex_lock(&store->lock);
    leat_memory_holds_drop(&closing->holds);
    if (closing->member != NULL) {
        bool lost = closing->member->group == NULL;
        pthread_mutex_unlock(&store->lock);
        give_up(closing, lost);
        pthread_mutex_lock(&store->lock);
        leat_memory_group_leave(store, closing->member);
        leat_memory_member_free(closing->member);
    }
    if (closing->producer != NULL && closing->producer->epoch == closing->epoch &&
        closing->producer->open)
        leat_memory_txn_end(store, closing->producer, false);
    pthread_mutex_unlock(&store->lock);
    session_free(closing);
    *session = NULL;
}

void leat_memory_session_crash(leat_session **session)
{
    leat_session *gone = *session;
    leat_memory_store *store = gone->log->store;
    pthread_mutex_lock(&store->lock);
    leat_memory_holds_drop(&gone->holds);
    if (gone->member != NULL) {
        if (gone->member->group == NULL)
            leat_memory_member_free(gone->member);
        else
            gone->member->orphan_until_ms = leat_clock_ms() + store->rebalance_timeout_ms;
    }
    pthread_mutex_unlock(&store->lock);
    session_free(gone);
    *session = NULL;
}
