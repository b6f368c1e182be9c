/* SPDX-License-Identifier: Apache-2.0 */
/* A small worker right on the log port, for tests against real brokers (test_log.py) and for
 * measuring what the port costs.
 *
 *   probe_log [-p NAME=VALUE]... COMMAND
 *   describe TOPIC                  create TOPIC PARTITIONS    (compacted)
 *   fill TOPIC COUNT [BYTES]        records "PARTITION-SEQUENCE", each partition its own sequence
 *      -b MILLISECONDS (time of the first; each next one is later by 1. Else now: brokers delete
 *      what is older than retention.ms, whenever it was written)
 *   dump TOPIC                      every committed record: partition offset key value
 *   churn TOPIC KEYS ROUNDS         a compacted topic with aborted transactions between the others
 *   copy IN OUT                     until SIGTERM, or -n records; says what happened, line by line
 *      -g GROUP -i INSTANCE -t TRANSACTIONAL_ID -c COMMIT_MS -n COUNT -a ABORT_EVERY (commits)
 *      -l CHANGELOG (one record per key and commit) -s earliest|latest|MILLISECONDS -d CLOSE_MS
 *      -k CALL:N:before|after|command (at the N-th time that the port makes this call of the
 * library, begin, offsets, commit or abort: dies before it, after it, or runs $PROBE_COMMAND first)
 *      -r (abort in each revoke callback, not commit) -x (close in the assign callback: a mistake)
 *
 * Exit codes are those of leat. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"
#include "tests/e2e/crash_points.h"
#include "worker/log.h"

#define POLL_MAX       2000
#define PARTITIONS_MAX 512
#define RESTORE_MS     60000

static volatile sig_atomic_t stopping;

typedef struct place {
    char topic[250];
    int32_t partition;
    bool restoring, moved;
    int64_t next;
    uint64_t restored;
} place;

typedef struct probe {
    const char *in, *out, *group, *instance, *id, *changelog;
    int64_t commit_ms, records_max, abort_every;
    leat_start start;
    int64_t start_ms, base_ms;
    int close_ms;
    bool abort_in_revoke, close_in_assign;
    const leat_log_type *type;
    leat_log *log;
    leat_session *session;
    place places[PARTITIONS_MAX];
    size_t places_count;
    int64_t began_ms, records, commits, aborts;
    double wall, cpu;
} probe;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static _Noreturn void leave(const leat_err *err)
{
    int code = 70;
    switch ((int)err->code) {
    case LEAT_ERR_UNAVAILABLE: code = 69; break;
    case LEAT_ERR_DAMAGED: code = 74; break;
    case LEAT_ERR_DENIED: code = 77; break;
    case LEAT_ERR_CONFIG: code = 78; break;
    default: break;
    }
    printf("error %s: %s\n", leat_code_name(err->code), err->text);
    fflush(stdout);
    exit(code);
}

static void speak(void *context, int level, const char *facility, const char *text)
{
    (void)context;
    if (level > 0) fprintf(stderr, "%d %s: %s\n", level, facility, text);
}

/* --- commands about topics --- */

static void describe(probe *me, const char *topic, int timeout_ms)
{
    leat_topic_info info;
    leat_err err;
    int64_t began = now_ms();
    leat_code code =
        me->type->describe_settings(me->log, leat_str_of(topic), timeout_ms, &info, &err);
    printf("took %lld ms\n", (long long)(now_ms() - began));
    if (code != LEAT_OK) leave(&err);
    printf("exists %d partitions %d replication %d compacted %d\n", info.exists, info.partitions,
           info.replication, info.compacted);
}

static void create(probe *me, const char *topic, int32_t partitions)
{
    leat_topic_spec spec = {leat_str_of(topic), partitions, -1, true};
    leat_err err;
    if (me->type->create(me->log, &spec, 15000, &err) != LEAT_OK) leave(&err);
}

static int32_t partitions_of(probe *me, const char *topic)
{
    leat_topic_info info = {0};
    leat_err err;
    for (int i = 0; !info.exists && i < 50; i++) { /* a new one is not known everywhere at once */
        if (i > 0) usleep(100000);
        if (me->type->describe(me->log, leat_str_of(topic), 15000, &info, &err) != LEAT_OK)
            leave(&err);
    }
    return info.partitions > 0 ? info.partitions : (printf("no topic %s\n", topic), exit(1), 0);
}

static void open_writer(probe *me, const char *topic, leat_guarantee guarantee)
{
    leat_err err;
    leat_str name = leat_str_of(topic);
    leat_session_config config = {.guarantee = guarantee, .transactional_id = leat_str_of(me->id)};
    if (me->type->session_open(me->log, &config, &name, 1, &me->session, &err) != LEAT_OK)
        leave(&err);
}

static void fill(probe *me, const char *topic, int64_t count, size_t bytes)
{
    int32_t partitions = partitions_of(me, topic);
    leat_err err;
    char value[2048];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (me->base_ms == 0) me->base_ms = (int64_t)now.tv_sec * 1000;
    open_writer(me, topic, LEAT_AT_LEAST_ONCE);
    memset(value, 'x', sizeof value);
    if (bytes > sizeof value) bytes = sizeof value;
    for (int64_t i = 0; i < count; i++) {
        char key[64];
        int len = snprintf(key, sizeof key, "%d-%lld", (int)(i % partitions),
                           (long long)(i / partitions));
        memcpy(value, key, (size_t)len);
        leat_produce record = {.topic = leat_str_of(topic),
                               .partition = (int32_t)(i % partitions),
                               .key = {key, (size_t)len},
                               .value = {value, (size_t)len > bytes ? (size_t)len : bytes},
                               .timestamp_ms = me->base_ms + i};
        if (me->type->produce(me->session, &record, &err) != LEAT_OK) leave(&err);
    }
    if (me->type->commit(me->session, NULL, 0, &err) != LEAT_OK) leave(&err);
    me->type->session_close(&me->session, 10000);
    printf("filled %lld\n", (long long)count);
}

/* As a worker does: brokers that do not answer are asked again. */
static leat_restore *restore_of(probe *me, const char *topic, int32_t partition)
{
    leat_restore *restore = NULL;
    leat_err err;
    int64_t deadline = now_ms() + RESTORE_MS;
    while (me->type->restore_open(me->session, leat_str_of(topic), partition, &restore, &err) !=
           LEAT_OK) {
        if (leat_code_blame(err.code) != LEAT_BLAME_TASK || now_ms() >= deadline) leave(&err);
        fprintf(stderr, "again: %s\n", err.text);
    }
    return restore;
}

static size_t read_some(probe *me, leat_restore *restore, leat_message *messages, bool *done)
{
    size_t count;
    leat_err err;
    if (me->type->restore_read(restore, 100, messages, POLL_MAX, &count, done, &err) != LEAT_OK)
        leave(&err);
    return count;
}

static void dump(probe *me, const char *topic)
{
    static leat_message messages[POLL_MAX];
    int32_t partitions = partitions_of(me, topic);
    uint64_t records = 0;
    int64_t began = now_ms();
    open_writer(me, topic, LEAT_AT_LEAST_ONCE);
    for (int32_t i = 0; i < partitions; i++) {
        leat_restore *restore = restore_of(me, topic, i);
        bool done = false;
        while (!done) {
            size_t count = read_some(me, restore, messages, &done);
            records += count;
            for (size_t k = 0; k < count && me->records_max == 0; k++) {
                leat_str value = messages[k].value;
                if (value.data == NULL) value = LEAT_STR("null");
                printf("%d %lld %.*s %.*s\n", i, (long long)messages[k].offset,
                       LEAT_STR_ARG(messages[k].key), LEAT_STR_ARG(value));
            }
            me->type->restore_release(restore);
        }
        me->type->restore_close(&restore);
    }
    me->type->session_close(&me->session, 10000);
    printf("# %" PRIu64 " records in %lld ms\n", records, (long long)(now_ms() - began));
}

/* Rounds of a transaction each; every third is aborted, every fifth removes keys. */
static void churn(probe *me, const char *topic, int keys, int rounds)
{
    leat_err err;
    open_writer(me, topic, LEAT_EXACTLY_ONCE);
    for (int round = 0; round < rounds; round++) {
        for (int k = 0; k < keys; k++) {
            char key[32], value[32];
            snprintf(key, sizeof key, "k%d", k);
            snprintf(value, sizeof value, "%d", round);
            bool removes = round % 5 == 4 && k % 2 == 0;
            leat_produce record = {.topic = leat_str_of(topic),
                                   .partition = 0,
                                   .key = leat_str_of(key),
                                   .value = removes ? LEAT_STR_NONE : leat_str_of(value),
                                   .timestamp_ms = LEAT_TIME_NONE};
            if (me->type->produce(me->session, &record, &err) != LEAT_OK) leave(&err);
        }
        leat_code code = round % 3 == 2 ? me->type->abort(me->session, &err)
                                        : me->type->commit(me->session, NULL, 0, &err);
        if (code != LEAT_OK) leave(&err);
    }
    me->type->session_close(&me->session, 10000);
    printf("churned\n");
}

/* --- copy --- */

static place *place_of(probe *me, leat_str topic, int32_t partition)
{
    for (size_t i = 0; i < me->places_count; i++)
        if (me->places[i].partition == partition && leat_str_is(topic, me->places[i].topic))
            return &me->places[i];
    return NULL;
}

static void rewind_all(probe *me)
{
    leat_err err;
    me->aborts++;
    me->began_ms = 0;
    for (int i = 0; me->type->abort(me->session, &err) != LEAT_OK; i++)
        if (leat_code_blame(err.code) != LEAT_BLAME_TASK || i == 60) leave(&err);
    if (stopping) return; /* a closing consumer cannot be asked where to go on */
    for (size_t i = 0; i < me->places_count; i++) {
        place *at = &me->places[i];
        leat_partition wanted = {leat_str_of(at->topic), at->partition, 0};
        leat_code code = me->type->committed(me->session, &wanted, 1, &err);
        if (code == LEAT_OK)
            code = me->type->seek(me->session, wanted.topic, at->partition, wanted.offset, &err);
        if (code != LEAT_OK) leave(&err);
        at->next = wanted.offset;
        at->moved = false;
    }
}

static void commit(probe *me)
{
    leat_partition offsets[PARTITIONS_MAX];
    size_t count = 0;
    leat_err err;
    if (me->began_ms == 0) return;
    for (size_t i = 0; i < me->places_count; i++)
        if (me->places[i].moved)
            offsets[count++] = (leat_partition){leat_str_of(me->places[i].topic),
                                                me->places[i].partition, me->places[i].next};
    me->began_ms = 0;
    me->commits++;
    if (me->abort_every > 0 && me->commits % me->abort_every == 0) {
        rewind_all(me);
        return;
    }
    leat_code code = me->type->commit(me->session, offsets, count, &err);
    if (code == LEAT_OK) return;
    printf("commit failed: %s: %s\n", leat_code_name(code), err.text);
    fflush(stdout);
    if (leat_code_blame(code) != LEAT_BLAME_TASK) leave(&err);
    rewind_all(me);
}

static void on_assigned(void *self, leat_partition *partitions, size_t count)
{
    probe *me = self;
    if (me->close_in_assign) me->type->session_close(&me->session, me->close_ms);
    commit(me);
    for (size_t i = 0; i < count; i++) {
        place *at = &me->places[me->places_count++];
        snprintf(at->topic, sizeof at->topic, "%.*s", LEAT_STR_ARG(partitions[i].topic));
        at->partition = partitions[i].partition;
        at->next = partitions[i].offset;
        at->restoring = true;
        at->moved = false;
        at->restored = 0;
        printf("assigned %s/%d at %lld\n", at->topic, at->partition, (long long)at->next);
    }
    fflush(stdout);
}

static void on_revoked(void *self, const leat_partition *partitions, size_t count, bool lost)
{
    probe *me = self;
    if (!lost && me->abort_in_revoke) rewind_all(me);
    if (!lost) commit(me);
    for (size_t i = 0; i < count; i++) {
        place *at = place_of(me, partitions[i].topic, partitions[i].partition);
        printf("%s %s/%d\n", lost ? "lost" : "revoked", at->topic, at->partition);
        *at = me->places[--me->places_count];
    }
    if (lost) rewind_all(me);
    fflush(stdout);
}

static void restore_one(probe *me, place *at)
{
    static leat_message messages[POLL_MAX];
    leat_err err;
    bool done = me->changelog == NULL;
    leat_restore *restore = done ? NULL : restore_of(me, me->changelog, at->partition);
    while (!done) {
        at->restored += read_some(me, restore, messages, &done);
        me->type->restore_release(restore);
    }
    me->type->restore_close(&restore);
    at->restoring = false;
    if (me->type->resume(me->session, leat_str_of(at->topic), at->partition, &err) != LEAT_OK)
        leave(&err);
    printf("running %s/%d after %" PRIu64 " cells\n", at->topic, at->partition, at->restored);
    fflush(stdout);
}

static void pass_on(probe *me, const leat_message *message)
{
    leat_err err;
    place *at = place_of(me, message->topic, message->partition);
    if (at == NULL || message->offset < at->next) {
        printf("wrong: %.*s/%d offset %lld\n", LEAT_STR_ARG(message->topic), message->partition,
               (long long)message->offset);
        exit(1);
    }
    at->next = message->offset + 1;
    at->moved = true;
    leat_produce record = {.topic = leat_str_of(me->out),
                           .partition = message->partition,
                           .key = message->key,
                           .value = message->value,
                           .timestamp_ms = message->timestamp_ms};
    leat_code code = me->type->produce(me->session, &record, &err);
    if (code == LEAT_OK && me->changelog != NULL) {
        record.topic = leat_str_of(me->changelog);
        code = me->type->produce(me->session, &record, &err);
    }
    if (code != LEAT_OK) leave(&err);
    if (me->records++ == 0) {
        me->wall = (double)now_ms();
        me->cpu = cpu_seconds();
    }
}

static void turn(probe *me)
{
    static leat_message messages[POLL_MAX];
    leat_err err;
    size_t count;
    leat_poll_state state;
    for (size_t i = 0; i < me->places_count; i++)
        if (me->places[i].restoring) restore_one(me, &me->places[i]);
    int64_t due = me->began_ms == 0 ? 100 : me->began_ms + me->commit_ms - now_ms();
    leat_code code = me->type->poll(me->session,
                                    due < 0     ? 0
                                    : due > 100 ? 100
                                                : (int)due,
                                    messages, POLL_MAX, &count, &state, &err);
    if (code != LEAT_OK) leave(&err);
    for (size_t i = 0; i < count; i++)
        pass_on(me, &messages[i]);
    me->type->release(me->session);
    if (count > 0 && me->began_ms == 0) me->began_ms = now_ms();
    bool last = stopping || (me->records_max > 0 && me->records >= me->records_max);
    if (me->began_ms != 0 && (last || now_ms() - me->began_ms >= me->commit_ms)) commit(me);
}

static void copy(probe *me)
{
    leat_err err;
    leat_str topics[2] = {leat_str_of(me->out), leat_str_of(me->changelog)};
    leat_subscription subscription = {
        .topic = leat_str_of(me->in), .start = me->start, .start_ms = me->start_ms};
    leat_session_config config = {.guarantee =
                                      me->id == NULL ? LEAT_AT_LEAST_ONCE : LEAT_EXACTLY_ONCE,
                                  .group = leat_str_of(me->group),
                                  .instance = leat_str_of(me->instance),
                                  .transactional_id = leat_str_of(me->id),
                                  .subscriptions = &subscription,
                                  .subscriptions_count = 1,
                                  .listener = {me, on_assigned, on_revoked}};
    if (me->type->session_open(me->log, &config, topics, me->changelog == NULL ? 1 : 2,
                               &me->session, &err) != LEAT_OK)
        leave(&err);
    printf("open\n");
    fflush(stdout);
    while (!stopping && (me->records_max == 0 || me->records < me->records_max))
        turn(me);
    double wall = ((double)now_ms() - me->wall) / 1e3, cpu = cpu_seconds() - me->cpu;
    int64_t began = now_ms();
    me->type->session_close(&me->session, me->close_ms);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"records\":%lld,\"commits\":%lld,\"aborts\":%lld,\"wall_s\":%.3f,"
           "\"cpu_s_per_M\":%.3f,\"k_per_s\":%.0f,\"rss_MiB\":%ld,\"close_ms\":%lld}\n",
           (long long)me->records, (long long)me->commits, (long long)me->aborts, wall,
           cpu * 1e6 / (double)(me->records > 0 ? me->records : 1),
           (double)me->records / wall / 1e3, usage.ru_maxrss / 1024, (long long)(now_ms() - began));
}

static void open_log(probe *me, const leat_property *properties, size_t count)
{
    leat_err err;
    leat_log_config config = {
        .properties = properties, .properties_count = count, .client_id = "probe", .speak = speak};
    me->type = &leat_log_kafka;
    if (me->type->open(&config, &me->log, &err) != LEAT_OK) leave(&err);
}

static size_t parse(probe *me, int argc, char **argv, leat_property *properties)
{
    size_t count = 0;
    for (int option; (option = getopt(argc, argv, "+p:g:i:t:c:n:a:l:s:d:b:k:rx")) != -1;) {
        switch (option) {
        case 'p': {
            char *equals = strchr(optarg, '=');
            if (equals == NULL) exit(2);
            properties[count++] = (leat_property){
                {optarg, (size_t)(equals - optarg)}, leat_str_of(equals + 1), false};
            break;
        }
        case 'g': me->group = optarg; break;
        case 'i': me->instance = optarg; break;
        case 't': me->id = optarg; break;
        case 'c': me->commit_ms = strtoll(optarg, NULL, 10); break;
        case 'n': me->records_max = strtoll(optarg, NULL, 10); break;
        case 'a': me->abort_every = strtoll(optarg, NULL, 10); break;
        case 'b': me->base_ms = strtoll(optarg, NULL, 10); break;
        case 'l': me->changelog = optarg; break;
        case 'k': crash_points_plan(optarg); break;
        case 'r': me->abort_in_revoke = true; break;
        case 'x': me->close_in_assign = true; break;
        case 'd': me->close_ms = (int)strtol(optarg, NULL, 10); break;
        case 's':
            me->start = strcmp(optarg, "earliest") == 0 ? LEAT_START_EARLIEST
                        : strcmp(optarg, "latest") == 0 ? LEAT_START_LATEST
                                                        : LEAT_START_TIME;
            me->start_ms = strtoll(optarg, NULL, 10);
            break;
        default: exit(2);
        }
    }
    return count;
}

int main(int argc, char **argv)
{
    static probe me = {.group = "probe", .commit_ms = 100, .close_ms = 20000};
    leat_property properties[64];
    size_t count = parse(&me, argc, argv, properties);
    int left = argc - optind;
    char **args = argv + optind;
    if (left < 2) return 2;
    signal(SIGTERM, on_signal);
    open_log(&me, properties, count);
    if (strcmp(args[0], "describe") == 0) {
        describe(&me, args[1], left > 2 ? (int)strtol(args[2], NULL, 10) : 10000);
    } else if (strcmp(args[0], "create") == 0 && left == 3) {
        create(&me, args[1], (int32_t)strtol(args[2], NULL, 10));
    } else if (strcmp(args[0], "fill") == 0 && left >= 3) {
        fill(&me, args[1], strtoll(args[2], NULL, 10),
             left > 3 ? (size_t)strtoul(args[3], NULL, 10) : 0);
    } else if (strcmp(args[0], "dump") == 0) {
        dump(&me, args[1]);
    } else if (strcmp(args[0], "churn") == 0 && left == 4) {
        churn(&me, args[1], (int)strtol(args[2], NULL, 10), (int)strtol(args[3], NULL, 10));
    } else if (strcmp(args[0], "copy") == 0 && left == 3) {
        me.in = args[1];
        me.out = args[2];
        copy(&me);
    } else {
        return 2;
    }
    me.type->close(&me.log);
    uint64_t live = leat_mem_live();
    if (live != 0) printf("leak: %" PRIu64 " blocks\n", live);
    return live == 0 ? 0 : 1;
}
