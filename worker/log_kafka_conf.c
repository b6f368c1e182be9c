/* SPDX-License-Identifier: Apache-2.0 */
/* Handles of the library and their settings, in this order: our defaults, the user's, and those
 * that exactly-once stands on. What is checked at open is checked with all of them, so a wrong
 * value is known before anything runs.
 *
 * Defaults, and why. session.timeout.ms 6 s: how long partitions of a killed worker stand still.
 * transaction.timeout.ms 60 s, and 15 s where an id is used once: see set_transaction_timeout.
 * queued.max.messages.kbytes and queue.buffering.max.kbytes: a session's memory, whatever the input
 * (the library's own defaults are 64 MiB and 1 GiB); measured: larger ones save no CPU, as long as
 * a consumer whose queue was full looks again soon. Nobody sees records before their transaction
 * has committed, and a commit sends what lingers at once: there a linger of 50 ms costs no latency
 * and saves a tenth of all CPU; without transactions it is 5 ms. Nothing is compressed, as with
 * Kafka's own clients: lz4 costs a tenth of all CPU. The heap is told to keep what it has: the
 * library takes and gives back buffers of a megabyte all the time, and their pages cost a quarter
 * of its CPU when they go to the system in between. Callbacks may come from threads of the
 * library's; they only note and speak. Refused: statistics by JSON; what metrics need is asked for
 * directly. */
#include <malloc.h>
#include <stdio.h>

#include "core/mem.h"
#include "worker/log_kafka.h"
#include "worker/log_kafka_client.h"

#define HEAP_ARENAS  2
#define HEAP_MAPPED  (16 << 20)
#define HEAP_KEPT    (32 << 20)
#define OWN_ID_MS    15000 /* above the time that sending is given (log_kafka_commit.c) */
#define STABLE_ID_MS 60000

typedef struct pair {
    const char *name, *value;
} pair;

static const pair defaults_all[] = {
    {"socket.nagle.disable", "true"},
    {"socket.keepalive.enable", "true"},
    {"reconnect.backoff.max.ms", "2000"},
    {"log.connection.close", "false"},
    {NULL, NULL},
};
/* Newer versions have these. */
static const pair optional_member[] = {
    {"fetch.queue.backoff.ms", "20"},
    {NULL, NULL},
};
static const pair defaults_member[] = {
    {"partition.assignment.strategy", "cooperative-sticky"},
    {"session.timeout.ms", "6000"},
    {"heartbeat.interval.ms", "1500"},
    {"max.poll.interval.ms", "300000"},
    {"queued.max.messages.kbytes", "4096"},
    {"fetch.max.bytes", "4194304"},
    {"topic.metadata.refresh.interval.ms", "30000"}, /* new topics of a pattern */
    {NULL, NULL},
};
static const pair forced_member[] = {
    {"enable.auto.commit", "false"},       {"enable.auto.offset.store", "false"},
    {"isolation.level", "read_committed"}, {"auto.offset.reset", "error"},
    {"enable.partition.eof", "true"},      {NULL, NULL},
};
static const pair defaults_writer[] = {
    {"linger.ms", "5"},
    {"batch.size", "1000000"},
    {"batch.num.messages", "50000"},
    {"queue.buffering.max.messages", "50000"},
    {"queue.buffering.max.kbytes", "12288"},
    {NULL, NULL},
};
static const pair defaults_transactional[] = {
    {"linger.ms", "50"},
    {NULL, NULL},
};
static const pair forced_writer[] = {
    {"enable.idempotence", "true"},
    {"partitioner", "murmur2_random"},
    {"delivery.report.only.error", "true"},
    {NULL, NULL},
};
static const pair forced_restorer[] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"isolation.level", "read_committed"},
    {"auto.offset.reset", "earliest"},
    {"enable.partition.eof", "true"},
    {"fetch.wait.max.ms", "50"}, /* an empty partition costs one such wait */
    {"queued.max.messages.kbytes", "8192"},
    {"fetch.max.bytes", "8388608"},
    {NULL, NULL},
};
static const pair forced_admin[] = {
    {"enable.auto.commit", "false"},
    {"isolation.level", "read_uncommitted"}, /* the end that restores must reach */
    {NULL, NULL},
};

const char *leat_log_kafka_version(void)
{
    return rd_kafka_version_str();
}

/* --- what the library says --- */

void leat_kafka_speak(const leat_log *log, int level, const char *facility, const char *text)
{
    if (log->speak != NULL) log->speak(log->speak_context, level, facility, text);
}

static void note(leat_kafka_notice *notice, rd_kafka_resp_err_t code, const char *text)
{
    pthread_mutex_lock(&notice->lock);
    /* "All brokers are down" says less than why the last of them is. */
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || notice->code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        notice->code = code;
        snprintf(notice->text, sizeof notice->text, "%s", text);
    }
    pthread_mutex_unlock(&notice->lock);
}

void leat_kafka_notice_clear(leat_kafka_notice *notice)
{
    pthread_mutex_lock(&notice->lock);
    notice->code = RD_KAFKA_RESP_ERR_NO_ERROR;
    notice->text[0] = 0;
    pthread_mutex_unlock(&notice->lock);
}

static void on_error(rd_kafka_t *handle, int number, const char *reason, void *opaque)
{
    leat_kafka_notice *notice = opaque;
    rd_kafka_resp_err_t code = (rd_kafka_resp_err_t)number;
    (void)handle;
    note(notice, code, reason);
    char text[LEAT_KAFKA_REASON_MAX + 64];
    snprintf(text, sizeof text, "%s: %s", notice->client, reason);
    leat_kafka_speak(notice->log, code == RD_KAFKA_RESP_ERR__FATAL ? 3 : 2, rd_kafka_err2name(code),
                     text);
}

static void on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    const leat_kafka_notice *notice = rd_kafka_opaque(handle);
    if (notice == NULL) return;
    char line[LEAT_KAFKA_REASON_MAX + 192];
    snprintf(line, sizeof line, "%s: %s", notice->client, text);
    /* Syslog's levels. The library repeats as FAIL or ERROR what on_error is told. */
    leat_kafka_speak(notice->log, level <= 3 ? 2 : level == 4 ? 1 : 0, facility, line);
}

/* --- settings --- */

/* The nearest name that the library or the Java client has. */
static leat_code unknown_name(rd_kafka_conf_t *conf, leat_str name, leat_err *err)
{
    size_t counts[2] = {0, 0};
    rd_kafka_topic_conf_t *topic_conf = rd_kafka_topic_conf_new();
    const char **dumps[2] = {rd_kafka_conf_dump(conf, &counts[0]),
                             rd_kafka_topic_conf_dump(topic_conf, &counts[1])};
    /* Aliases, which a dump leaves out. */
    static const char *const aliases[] = {
        "acks",      "bootstrap.servers", "compression.type", "delivery.timeout.ms",
        "linger.ms", "retries",           "sasl.mechanism",   "max.in.flight"};
    size_t aliases_count = sizeof aliases / sizeof aliases[0], count = 0;
    leat_str *names = leat_mem_need((counts[0] + counts[1] + aliases_count) * sizeof *names);
    for (size_t i = 0; i < aliases_count; i++)
        names[count++] = leat_str_of(aliases[i]);
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < counts[i]; k += 2)
            names[count++] = leat_str_of(dumps[i][k]);
    leat_str nearest = leat_str_nearest(name, names, count);
    leat_code code =
        leat_err_set(err, LEAT_ERR_CONFIG, "kafka: no property '%.*s'%s%.*s%s", LEAT_STR_ARG(name),
                     nearest.data == NULL ? "" : "; did you mean '", LEAT_STR_ARG(nearest),
                     nearest.data == NULL ? "" : "'?");
    leat_mem_free(names);
    rd_kafka_conf_dump_free(dumps[0], counts[0]);
    rd_kafka_conf_dump_free(dumps[1], counts[1]);
    rd_kafka_topic_conf_destroy(topic_conf);
    return code;
}

static leat_code set_user(rd_kafka_conf_t *conf, const leat_kafka_setting *setting, leat_err *err)
{
    char reason[LEAT_KAFKA_REASON_MAX] = "";
    switch (rd_kafka_conf_set(conf, setting->name, setting->value, reason, sizeof reason)) {
    case RD_KAFKA_CONF_OK: return LEAT_OK;
    case RD_KAFKA_CONF_UNKNOWN: return unknown_name(conf, setting->written, err);
    case RD_KAFKA_CONF_INVALID: break;
    }
    return leat_err_set(err, LEAT_ERR_CONFIG, "kafka: %.*s: %s", LEAT_STR_ARG(setting->written),
                        setting->secret ? "the library refuses this value (not shown)" : reason);
}

static leat_code set_users(rd_kafka_conf_t *conf, const leat_kafka_settings *settings, int roles,
                           leat_err *err)
{
    for (size_t i = 0; settings != NULL && i < settings->count; i++)
        if (((int)settings->list[i].role & roles) != 0)
            LEAT_TRY(set_user(conf, &settings->list[i], err));
    return LEAT_OK;
}

static void set_optional(rd_kafka_conf_t *conf, const pair *pairs)
{
    char reason[LEAT_KAFKA_REASON_MAX];
    for (; pairs->name != NULL; pairs++)
        rd_kafka_conf_set(conf, pairs->name, pairs->value, reason, sizeof reason);
}

static void set_pairs(rd_kafka_conf_t *conf, const pair *pairs)
{
    char reason[LEAT_KAFKA_REASON_MAX];
    for (; pairs->name != NULL; pairs++) {
        rd_kafka_conf_res_t result =
            rd_kafka_conf_set(conf, pairs->name, pairs->value, reason, sizeof reason);
        LEAT_ASSERT(result == RD_KAFKA_CONF_OK);
    }
}

static leat_code set_own(rd_kafka_conf_t *conf, const char *name, const char *value, leat_err *err)
{
    char reason[LEAT_KAFKA_REASON_MAX];
    if (value == NULL ||
        rd_kafka_conf_set(conf, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK)
        return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_CONFIG, "kafka: %s '%s': %s", name, value, reason);
}

/* How long readers wait behind a transaction that nobody ends: the pause and one commit. An own id
 * dies with its process, so nobody else ends what it left open, and readers wait all of it; but
 * whoever is too slow for it only does that transaction again. A stable id's heir ends it at once,
 * so it may be long, and must be: whoever is too slow for it cannot be told from a double. */
static void set_transaction_timeout(rd_kafka_conf_t *conf, const leat_session *session)
{
    char text[32], reason[64];
    int64_t timeout_ms = session->own_id ? OWN_ID_MS : STABLE_ID_MS;
    timeout_ms += session->commit_interval_ms;
    snprintf(text, sizeof text, "%lld", (long long)timeout_ms);
    rd_kafka_conf_set(conf, "transaction.timeout.ms", text, reason, sizeof reason);
}

/* Whoever sets a session time-out below four of our heartbeats means the time-out. */
static void fit_heartbeat(rd_kafka_conf_t *conf, const leat_kafka_settings *settings,
                          const leat_kafka_settings *more)
{
    char text[32], reason[64];
    size_t size = sizeof text;
    const char *own = leat_kafka_settings_get(settings, "heartbeat.interval.ms");
    if (own == NULL && more != NULL) own = leat_kafka_settings_get(more, "heartbeat.interval.ms");
    if (own != NULL ||
        rd_kafka_conf_get(conf, "session.timeout.ms", text, &size) != RD_KAFKA_CONF_OK)
        return;
    int64_t timeout_ms = 0;
    for (const char *at = text; *at >= '0' && *at <= '9'; at++)
        timeout_ms = timeout_ms * 10 + *at - '0';
    snprintf(text, sizeof text, "%lld", (long long)(timeout_ms < 4 ? 1 : timeout_ms / 4));
    rd_kafka_conf_set(conf, "heartbeat.interval.ms", text, reason, sizeof reason);
}

/* Should it ever be left behind, it is out of the group as soon as a dead member would be. */
static void visit_briefly(rd_kafka_conf_t *conf)
{
    char text[32], reason[64];
    size_t size = sizeof text;
    if (rd_kafka_conf_get(conf, "session.timeout.ms", text, &size) == RD_KAFKA_CONF_OK)
        rd_kafka_conf_set(conf, "max.poll.interval.ms", text, reason, sizeof reason);
}

static leat_code settings_of(const leat_log *log, const leat_session *session, leat_kafka_kind kind,
                             const leat_kafka_settings *more, rd_kafka_conf_t *conf, leat_err *err)
{
    int roles = kind == LEAT_KAFKA_WRITER ? LEAT_KAFKA_PRODUCER : LEAT_KAFKA_CONSUMER;
    set_pairs(conf, defaults_all);
    if (kind == LEAT_KAFKA_GROUP_MEMBER || kind == LEAT_KAFKA_VISITOR || kind == LEAT_KAFKA_ASKER) {
        set_pairs(conf, defaults_member);
        set_optional(conf, optional_member);
    }
    if (kind == LEAT_KAFKA_WRITER) set_pairs(conf, defaults_writer);
    if (kind == LEAT_KAFKA_WRITER && session != NULL && session->transactional_id != NULL) {
        set_pairs(conf, defaults_transactional);
        set_transaction_timeout(conf, session);
    }
    LEAT_TRY(set_own(conf, "client.id", log->client_id, err));
    LEAT_TRY(set_users(conf, &log->settings, roles, err));
    LEAT_TRY(set_users(conf, more, roles, err));
    switch (kind) {
    case LEAT_KAFKA_VISITOR:
    case LEAT_KAFKA_ASKER:
        set_pairs(conf, forced_member);
        fit_heartbeat(conf, &log->settings, more);
        visit_briefly(conf);
        LEAT_TRY(set_own(conf, "client.id", LEAT_KAFKA_VISITOR_ID, err));
        return set_own(conf, "group.id", session->group, err);
    case LEAT_KAFKA_GROUP_MEMBER:
        set_pairs(conf, forced_member);
        fit_heartbeat(conf, &log->settings, more);
        if (session == NULL) return LEAT_OK;
        LEAT_TRY(set_own(conf, "group.id", session->group, err));
        return set_own(conf, "group.instance.id", session->instance, err);
    case LEAT_KAFKA_WRITER:
        set_pairs(conf, forced_writer);
        return set_own(conf, "transactional.id", session == NULL ? NULL : session->transactional_id,
                       err);
    case LEAT_KAFKA_RESTORER: set_pairs(conf, forced_restorer); break;
    case LEAT_KAFKA_ADMIN: set_pairs(conf, forced_admin); break;
    }
    return LEAT_OK;
}

leat_code leat_kafka_check(leat_log *log, const leat_kafka_settings *more, leat_err *err)
{
    static const leat_kafka_kind kinds[] = {LEAT_KAFKA_GROUP_MEMBER, LEAT_KAFKA_WRITER};
    leat_code code = LEAT_OK;
    for (size_t i = 0; code == LEAT_OK && i < 2; i++) {
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        code = settings_of(log, NULL, kinds[i], more, conf, err);
        rd_kafka_conf_destroy(conf);
    }
    if (code != LEAT_OK) return code;
    if (leat_kafka_settings_get(&log->settings, "bootstrap.servers") == NULL &&
        leat_kafka_settings_get(&log->settings, "metadata.broker.list") == NULL)
        return leat_err_set(
            err, LEAT_ERR_CONFIG,
            "kafka: bootstrap.servers is missing: \"kafka\": {\"bootstrap.servers\": "
            "\"host:9092\"}");
    return LEAT_OK;
}

/* --- handles --- */

static void tune_heap(void)
{
    mallopt(M_ARENA_MAX, HEAP_ARENAS);
    mallopt(M_MMAP_THRESHOLD, HEAP_MAPPED);
    mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
}

void leat_kafka_tune_heap(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, tune_heap);
}

static const char *const client_names[] = {"admin", "consumer", "visitor",
                                           "asker", "producer", "restore"};

leat_code leat_kafka_handle_new(leat_log *log, leat_session *session, leat_kafka_kind kind,
                                leat_kafka_notice *notice, rd_kafka_t **handle, leat_err *err)
{
    char reason[LEAT_KAFKA_REASON_MAX] = "";
    *handle = NULL;
    notice->log = log;
    notice->session = session;
    notice->client = client_names[kind];
    leat_kafka_notice_clear(notice);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const leat_kafka_settings *more = session == NULL ? NULL : &session->settings;
    leat_code code = settings_of(log, session, kind, more, conf, err);
    if (code != LEAT_OK) {
        rd_kafka_conf_destroy(conf);
        return code;
    }
    rd_kafka_conf_set_opaque(conf, notice);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    if (kind == LEAT_KAFKA_GROUP_MEMBER)
        rd_kafka_conf_set_rebalance_cb(conf, leat_kafka_on_rebalance);
    if (kind == LEAT_KAFKA_VISITOR) rd_kafka_conf_set_rebalance_cb(conf, leat_kafka_on_visit);
    if (kind == LEAT_KAFKA_WRITER) rd_kafka_conf_set_dr_msg_cb(conf, leat_kafka_on_delivery);
    *handle = rd_kafka_new(kind == LEAT_KAFKA_WRITER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf,
                           reason, sizeof reason);
    if (*handle != NULL) return LEAT_OK;
    rd_kafka_conf_destroy(conf);
    return leat_err_set(err, LEAT_ERR_CONFIG, "kafka: the %s cannot be made: %s",
                        client_names[kind], reason);
}

leat_code leat_kafka_admin_get(leat_log *log, rd_kafka_t **admin, leat_err *err)
{
    leat_code code = LEAT_OK;
    pthread_mutex_lock(&log->lock);
    if (log->admin == NULL)
        code = leat_kafka_handle_new(log, NULL, LEAT_KAFKA_ADMIN, &log->admin_notice, &log->admin,
                                     err);
    *admin = log->admin;
    pthread_mutex_unlock(&log->lock);
    return code;
}
