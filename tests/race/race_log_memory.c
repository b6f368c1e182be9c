/* SPDX-License-Identifier: Apache-2.0 */
/* Workers, a writer and an onlooker on one embedded log, for the thread sanitizer; and a check of
 * what is promised: while workers abort, leave, crash and are put out, every record of `in` comes
 * out in `out` exactly once, in its partition's order.
 *   race_log_memory [SEED] */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/log.h"
#include "worker/log_memory.h"

#define WORKERS    3
#define PARTITIONS 4
#define RECORDS    40000
#define OWNED_MAX  PARTITIONS
#define POLL_MAX   64

static const leat_log_type *const type = &leat_log_memory;
static _Atomic uint64_t committed_records;
static _Atomic uint32_t aborts, crashes, rebalances, lost_partitions;

static void die(const char *what, const leat_err *err)
{
    fprintf(stderr, "%s: %s\n", what, err == NULL ? "wrong" : err->text);
    abort();
}

static uint32_t random_below(uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % below;
}

static leat_log *open_log(void)
{
    static const leat_property properties[] = {
        {{"memory.name", 11}, {"race", 4}, false},
        {{"memory.rebalance.timeout.ms", 27}, {"150", 3}, false},
        {{"memory.transaction.timeout.ms", 29}, {"2000", 4}, false}};
    leat_log_config config = {.properties = properties, .properties_count = 3};
    leat_err err;
    leat_log *log = NULL;
    if (type->open(&config, &log, &err) != LEAT_OK) die("open", &err);
    return log;
}

/* --- a worker --- */

typedef struct worker {
    uint32_t number;
    uint64_t random;
    leat_log *log;
    leat_session *session;
    struct {
        int32_t partition;
        int64_t next;
    } owned[OWNED_MAX];
    size_t owned_count;
    uint64_t uncommitted;
} worker;

static void rewind_all(worker *me)
{
    leat_err err;
    aborts++;
    me->uncommitted = 0;
    if (type->abort(me->session, &err) != LEAT_OK) die("abort", &err);
    for (size_t i = 0; i < me->owned_count; i++) {
        leat_partition place = {LEAT_STR("in"), me->owned[i].partition, 0};
        leat_code code = type->committed(me->session, &place, 1, &err);
        if (code == LEAT_OK)
            code = type->seek(me->session, place.topic, place.partition, place.offset, &err);
        if (code != LEAT_OK) die("rewind", &err);
        me->owned[i].next = place.offset;
    }
}

static void commit_all(worker *me)
{
    leat_partition places[OWNED_MAX];
    leat_err err;
    for (size_t i = 0; i < me->owned_count; i++)
        places[i] = (leat_partition){LEAT_STR("in"), me->owned[i].partition, me->owned[i].next};
    leat_code code = type->commit(me->session, places, me->owned_count, &err);
    if (code == LEAT_OK) {
        committed_records += me->uncommitted;
        me->uncommitted = 0;
        return;
    }
    if (leat_code_blame(code) != LEAT_BLAME_TASK) die("commit", &err);
    rewind_all(me);
}

static void on_assigned(void *self, leat_partition *partitions, size_t count)
{
    worker *me = self;
    leat_err err;
    rebalances++;
    me->owned_count = count;
    for (size_t i = 0; i < count; i++) {
        me->owned[i].partition = partitions[i].partition;
        me->owned[i].next = partitions[i].offset;
        if (type->resume(me->session, partitions[i].topic, partitions[i].partition, &err) !=
            LEAT_OK)
            die("resume", &err);
    }
}

static void on_revoked(void *self, const leat_partition *partitions, size_t count, bool lost)
{
    worker *me = self;
    leat_err err;
    (void)partitions;
    if (lost) {
        lost_partitions += (uint32_t)count;
        me->uncommitted = 0;
        if (type->abort(me->session, &err) != LEAT_OK) die("abort of what is lost", &err);
    } else {
        commit_all(me);
    }
    me->owned_count = 0;
}

static void open_session(worker *me)
{
    char id[16];
    leat_err err;
    snprintf(id, sizeof id, "p%u", me->number);
    leat_subscription subscription = {.topic = LEAT_STR("in")};
    leat_session_config config = {.group = LEAT_STR("g"),
                                  .instance = me->number == 0 ? LEAT_STR("static") : LEAT_STR_NONE,
                                  .transactional_id = leat_str_of(id),
                                  .subscriptions = &subscription,
                                  .subscriptions_count = 1,
                                  .listener = {me, on_assigned, on_revoked}};
    me->owned_count = 0;
    me->uncommitted = 0;
    if (type->session_open(me->log, &config, NULL, 0, &me->session, &err) != LEAT_OK)
        die("session", &err);
}

static void pass_on(worker *me, const leat_message *message)
{
    leat_err err;
    for (size_t i = 0; i < me->owned_count; i++) {
        if (me->owned[i].partition != message->partition) continue;
        if (message->offset < me->owned[i].next) die("an offset twice", NULL);
        me->owned[i].next = message->offset + 1;
    }
    leat_produce record = {.topic = LEAT_STR("out"),
                           .partition = message->partition,
                           .key = message->key,
                           .value = message->value,
                           .timestamp_ms = message->timestamp_ms};
    if (type->produce(me->session, &record, &err) != LEAT_OK) die("produce", &err);
    me->uncommitted++;
}

static void misbehave(worker *me)
{
    switch (random_below(&me->random, 400)) {
    case 0:
        crashes++;
        leat_memory_session_crash(&me->session);
        open_session(me);
        break;
    case 1:
        type->session_close(&me->session, 1000);
        open_session(me);
        break;
    case 2: { /* asleep until the others have put it out */
        struct timespec pause = {.tv_nsec = 200000000};
        nanosleep(&pause, NULL);
        break;
    }
    case 3:
    case 4:
    case 5: rewind_all(me); break;
    default:
        if (random_below(&me->random, 3) == 0) commit_all(me);
    }
}

static void *work(void *context)
{
    worker *me = context;
    me->log = open_log();
    open_session(me);
    while (committed_records < RECORDS) {
        leat_message messages[POLL_MAX];
        size_t count = 0;
        leat_poll_state state;
        leat_err err;
        if (type->poll(me->session, 5, messages, 1 + random_below(&me->random, POLL_MAX), &count,
                       &state, &err) != LEAT_OK)
            die("poll", &err);
        for (size_t i = 0; i < count; i++)
            pass_on(me, &messages[i]);
        type->release(me->session);
        misbehave(me);
    }
    type->session_close(&me->session, 1000);
    type->close(&me->log);
    return NULL;
}

/* --- a writer, without transactions --- */

static void *feed(void *context)
{
    leat_log *log = open_log();
    leat_session_config config = {.guarantee = LEAT_AT_LEAST_ONCE};
    leat_session *session = NULL;
    leat_err err;
    (void)context;
    if (type->session_open(log, &config, NULL, 0, &session, &err) != LEAT_OK) die("writer", &err);
    for (uint32_t i = 0; i < RECORDS; i++) {
        char value[16];
        int len = snprintf(value, sizeof value, "%u", i);
        leat_produce record = {.topic = LEAT_STR("in"),
                               .partition = (int32_t)(i % PARTITIONS),
                               .key = {value, (size_t)len},
                               .value = {value, (size_t)len},
                               .timestamp_ms = i};
        if (type->produce(session, &record, &err) != LEAT_OK) die("feed", &err);
    }
    type->session_close(&session, 1000);
    type->close(&log);
    return NULL;
}

/* --- the check --- */

static uint32_t check_partition(leat_session *session, int32_t partition)
{
    leat_err err;
    leat_restore *restore = NULL;
    bool done = false;
    uint32_t seen = 0;
    if (type->restore_open(session, LEAT_STR("out"), partition, &restore, &err) != LEAT_OK)
        die("check", &err);
    while (!done) {
        leat_message messages[100];
        size_t count;
        if (type->restore_read(restore, 100, messages, 100, &count, &done, &err) != LEAT_OK)
            die("check", &err);
        for (size_t i = 0; i < count; i++, seen++) {
            uint32_t want = seen * PARTITIONS + (uint32_t)partition;
            char text[16];
            snprintf(text, sizeof text, "%u", want);
            if (!leat_str_is(messages[i].value, text)) {
                fprintf(stderr, "out/%d: %.*s where %s should be\n", partition,
                        LEAT_STR_ARG(messages[i].value), text);
                abort();
            }
        }
        type->restore_release(restore);
    }
    type->restore_close(&restore);
    return seen;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    leat_log *log = open_log();
    leat_err err;
    leat_topic_spec specs[] = {{LEAT_STR("in"), PARTITIONS, -1, false},
                               {LEAT_STR("out"), PARTITIONS, -1, false}};
    for (size_t i = 0; i < 2; i++)
        if (type->create(log, &specs[i], 1000, &err) != LEAT_OK) die("create", &err);
    worker workers[WORKERS] = {0};
    pthread_t threads[WORKERS + 1];
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i].number = i;
        workers[i].random = seed * WORKERS + i;
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0) die("thread", NULL);
    }
    if (pthread_create(&threads[WORKERS], NULL, feed, NULL) != 0) die("thread", NULL);
    for (size_t i = 0; i <= WORKERS; i++)
        pthread_join(threads[i], NULL);
    leat_session_config config = {.guarantee = LEAT_AT_LEAST_ONCE};
    leat_session *session = NULL;
    if (type->session_open(log, &config, NULL, 0, &session, &err) != LEAT_OK) die("check", &err);
    uint32_t seen = 0;
    for (int32_t i = 0; i < PARTITIONS; i++)
        seen += check_partition(session, i);
    type->session_close(&session, 1000);
    type->close(&log);
    printf("seed %llu: %u records, %u aborts, %u crashes, %u assignments, %u partitions lost\n",
           (unsigned long long)seed, seen, aborts, crashes, rebalances, lost_partitions);
    if (seen != RECORDS) die("count", NULL);
    return 0;
}
