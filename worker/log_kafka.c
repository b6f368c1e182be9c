/* SPDX-License-Identifier: Apache-2.0 */
/* The port to Kafka: leat_log_kafka. Opening sessions, and asking brokers about topics.
 *
 * What is asked for here has a time-out and an answer for a person: the library itself never gives
 * up, so a wrong password looks to it like a broker that is slow. What its threads complained about
 * meanwhile is the reason that is given (log_kafka_error.c), and a refused log-in is not waited
 * for.
 *
 * A session opens in this order: init_transactions, which fences its former self and ends what that
 * had open; metadata of the topics it writes to, which would else cost its first commit a second;
 * and only then the subscription. EXACTLY ONCE depends on the first coming before the last: the
 * group's offsets are read after the former self can no longer move them.
 * Refused: one handle for everything. Readers of the group, of changelogs and of ends need
 * different isolation levels. */
#include "worker/log_kafka.h"
#include "worker/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/mem.h"
#include "worker/log_kafka_client.h"

#define CHANGELOG_SEGMENT_BYTES "67108864" /* compaction leaves the last segment alone */
#define CHANGELOG_DIRTY_RATIO   "0.3"

static char *text_of(leat_str str)
{
    char *text = leat_mem_need(str.len + 1);
    if (str.len > 0) memcpy(text, str.data, str.len);
    return text;
}

/* --- open and close --- */

static void say_note(void *context, const char *text)
{
    leat_kafka_speak(context, 1, "config", text);
}

static void kafka_close(leat_log **log)
{
    leat_log *closing = *log;
    *log = NULL;
    if (closing == NULL || closing->hangs) return;
    if (closing->admin != NULL && !leat_kafka_destroy_in_time(closing->admin)) {
        leat_kafka_speak(closing, 2, "close",
                         "the admin client did not end in time: it is left behind");
        return;
    }
    leat_kafka_settings_release(&closing->settings);
    pthread_mutex_destroy(&closing->lock);
    pthread_mutex_destroy(&closing->admin_notice.lock);
    leat_mem_free(closing->client_id);
    leat_mem_free(closing);
}

static leat_code kafka_open(const leat_log_config *config, leat_log **opened, leat_err *err)
{
    leat_log *log = leat_mem_need(sizeof *log);
    *opened = NULL;
    leat_kafka_tune_heap();
    log->speak = config->speak;
    log->speak_context = config->speak_context;
    pthread_mutex_init(&log->lock, NULL);
    pthread_mutex_init(&log->admin_notice.lock, NULL);
    if (config->client_id != NULL) {
        /* Long ones crash some versions of the library. */
        leat_str id = leat_str_of(config->client_id);
        log->client_id = text_of((leat_str){id.data, id.len < 64 ? id.len : 64});
    }
    leat_code code = leat_kafka_settings_add(&log->settings, config->properties,
                                             config->properties_count, say_note, log, err);
    if (code == LEAT_OK) code = leat_kafka_check(log, NULL, err);
    if (code != LEAT_OK) {
        kafka_close(&log);
        return code;
    }
    *opened = log;
    return LEAT_OK;
}

/* --- topics --- */

/* One look at a topic; false: no answer yet. */
static bool look(rd_kafka_t *admin, rd_kafka_topic_t *topic, int timeout_ms, leat_topic_info *info,
                 rd_kafka_resp_err_t *code)
{
    const struct rd_kafka_metadata *metadata = NULL;
    *code = rd_kafka_metadata(admin, 0, topic, &metadata, timeout_ms);
    rd_kafka_poll(admin, 0);
    if (*code != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
    LEAT_ASSERT(metadata->topic_cnt == 1);
    const struct rd_kafka_metadata_topic *found = &metadata->topics[0];
    *code = found->err;
    *info =
        (leat_topic_info){.exists = found->partition_cnt > 0, .partitions = found->partition_cnt};
    if (found->partition_cnt > 0) info->replication = found->partitions[0].replica_cnt;
    bool settled = info->exists || *code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                   *code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
                   *code == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
    if (info->exists || *code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        *code = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_metadata_destroy(metadata);
    return settled;
}

static leat_code kafka_describe(leat_log *log, leat_str name, int timeout_ms, leat_topic_info *info,
                                leat_err *err)
{
    rd_kafka_t *admin = NULL;
    char doing[320];
    *info = (leat_topic_info){0};
    LEAT_TRY(leat_kafka_admin_get(log, &admin, err));
    snprintf(doing, sizeof doing, "looking up topic %.*s", LEAT_STR_ARG(name));
    char *text = text_of(name);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(admin, text, NULL);
    leat_mem_free(text);
    if (topic == NULL) return leat_kafka_fail(rd_kafka_last_error(), NULL, doing, err);
    int64_t deadline = leat_clock_ms() + timeout_ms;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    bool settled = false;
    while (!settled && leat_clock_ms() < deadline && !leat_kafka_refused(&log->admin_notice)) {
        int64_t left = deadline - leat_clock_ms();
        settled = look(admin, topic, left < LEAT_KAFKA_WAIT_MS ? (int)left + 1 : LEAT_KAFKA_WAIT_MS,
                       info, &code);
        if (!settled) leat_clock_sleep(20);
    }
    rd_kafka_topic_destroy(topic);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return leat_kafka_fail_noticed(code, &log->admin_notice, doing, err);
    if (!settled) return leat_kafka_fail(RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, doing, err);
    leat_kafka_notice_clear(&log->admin_notice);
    return LEAT_OK;
}

/* Waits for the answer to an admin request. NULL: err says why there is none. */
static rd_kafka_event_t *answer_of(leat_log *log, rd_kafka_queue_t *queue, int timeout_ms,
                                   const char *doing, leat_err *err)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms + LEAT_KAFKA_WAIT_MS);
    rd_kafka_poll(log->admin, 0);
    rd_kafka_resp_err_t code =
        event == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return event;
    leat_kafka_fail_noticed(code, &log->admin_notice, doing, err);
    if (event != NULL) rd_kafka_event_destroy(event);
    return NULL;
}

static rd_kafka_AdminOptions_t *options_of(rd_kafka_t *admin, rd_kafka_admin_op_t op,
                                           int timeout_ms)
{
    char ignored[128];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(admin, op);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, ignored, sizeof ignored);
    return options;
}

static leat_code read_settings(rd_kafka_event_t *event, const char *doing, leat_topic_info *info,
                               leat_err *err)
{
    size_t count = 0, entries_count = 0;
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    const rd_kafka_ConfigResource_t **resources =
        rd_kafka_DescribeConfigs_result_resources(result, &count);
    LEAT_ASSERT(count == 1);
    rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(resources[0]);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        /* Another worker is just making it: this broker has not heard of it yet. */
        info->exists = false;
        return LEAT_OK;
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return leat_kafka_fail(code, rd_kafka_ConfigResource_error_string(resources[0]), doing,
                               err);
    const rd_kafka_ConfigEntry_t **entries =
        rd_kafka_ConfigResource_configs(resources[0], &entries_count);
    for (size_t i = 0; i < entries_count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "cleanup.policy") == 0 && value != NULL)
            info->compacted = strstr(value, "compact") != NULL;
    }
    return LEAT_OK;
}

static leat_code kafka_describe_settings(leat_log *log, leat_str name, int timeout_ms,
                                         leat_topic_info *info, leat_err *err)
{
    LEAT_TRY(kafka_describe(log, name, timeout_ms, info, err));
    if (!info->exists) return LEAT_OK;
    char doing[320];
    snprintf(doing, sizeof doing, "reading the settings of topic %.*s", LEAT_STR_ARG(name));
    char *text = text_of(name);
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, text);
    leat_mem_free(text);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(log->admin);
    rd_kafka_AdminOptions_t *options =
        options_of(log->admin, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_ms);
    rd_kafka_DescribeConfigs(log->admin, &resource, 1, options, queue);
    rd_kafka_event_t *event = answer_of(log, queue, timeout_ms, doing, err);
    leat_code code = event == NULL ? err->code : read_settings(event, doing, info, err);
    if (event != NULL) rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy(resource);
    return code;
}

static leat_code read_created(rd_kafka_event_t *event, const char *doing, leat_err *err)
{
    size_t count = 0;
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &count);
    LEAT_ASSERT(count == 1);
    rd_kafka_resp_err_t code = rd_kafka_topic_result_error(topics[0]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return LEAT_OK;
    return leat_kafka_fail(code, rd_kafka_topic_result_error_string(topics[0]), doing, err);
}

static leat_code create_topic(leat_log *log, rd_kafka_NewTopic_t *topic, int timeout_ms,
                              const char *doing, leat_err *err)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(log->admin);
    rd_kafka_AdminOptions_t *options =
        options_of(log->admin, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout_ms);
    char ignored[128];
    rd_kafka_AdminOptions_set_operation_timeout(options, timeout_ms, ignored, sizeof ignored);
    rd_kafka_CreateTopics(log->admin, &topic, 1, options, queue);
    rd_kafka_event_t *event = answer_of(log, queue, timeout_ms, doing, err);
    leat_code code = event == NULL ? err->code : read_created(event, doing, err);
    if (event != NULL) rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return code;
}

/* Until every broker that is asked knows of it. */
static leat_code wait_for_topic(leat_log *log, const leat_topic_spec *spec, int timeout_ms,
                                const char *doing, leat_err *err)
{
    int64_t deadline = leat_clock_ms() + timeout_ms;
    leat_topic_info info = {0};
    while (!info.exists) {
        LEAT_TRY(kafka_describe(log, spec->name, timeout_ms, &info, err));
        if (!info.exists && leat_clock_ms() >= deadline)
            return leat_kafka_fail(RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, doing, err);
        if (!info.exists) leat_clock_sleep(50);
    }
    if (info.partitions == spec->partitions) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_CONFIG,
                        "topic '%.*s' exists with %d partitions where %d are needed",
                        LEAT_STR_ARG(spec->name), info.partitions, spec->partitions);
}

static leat_code kafka_create(leat_log *log, const leat_topic_spec *spec, int timeout_ms,
                              leat_err *err)
{
    rd_kafka_t *admin = NULL;
    char doing[320], reason[LEAT_KAFKA_REASON_MAX] = "";
    LEAT_TRY(leat_kafka_admin_get(log, &admin, err));
    snprintf(doing, sizeof doing, "creating topic %.*s", LEAT_STR_ARG(spec->name));
    char *text = text_of(spec->name);
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(text, spec->partitions, spec->replication, reason, sizeof reason);
    leat_mem_free(text);
    if (topic == NULL) return leat_err_set(err, LEAT_ERR_CONFIG, "kafka: %s: %s", doing, reason);
    if (spec->compacted) {
        rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
        rd_kafka_NewTopic_set_config(topic, "segment.bytes", CHANGELOG_SEGMENT_BYTES);
        rd_kafka_NewTopic_set_config(topic, "min.cleanable.dirty.ratio", CHANGELOG_DIRTY_RATIO);
    }
    leat_code code = create_topic(log, topic, timeout_ms, doing, err);
    rd_kafka_NewTopic_destroy(topic);
    LEAT_TRY(code);
    return wait_for_topic(log, spec, timeout_ms, doing, err);
}

/* --- sessions --- */

static void session_free(leat_session *session)
{
    for (size_t i = 0; i < session->subscriptions_count; i++)
        leat_mem_free((char *)(uintptr_t)session->subscriptions[i].topic.data);
    leat_mem_free(session->subscriptions);
    leat_kafka_settings_release(&session->settings);
    leat_mem_free(session->group);
    leat_mem_free(session->instance);
    leat_mem_free(session->transactional_id);
    pthread_mutex_destroy(&session->consumer_notice.lock);
    pthread_mutex_destroy(&session->producer_notice.lock);
    pthread_mutex_destroy(&session->restorer_notice.lock);
    leat_mem_free(session);
}

static leat_code copy_subscriptions(leat_session *session, const leat_session_config *config,
                                    leat_err *err)
{
    session->subscriptions =
        leat_mem_need((config->subscriptions_count + 1) * sizeof *session->subscriptions);
    for (size_t i = 0; i < config->subscriptions_count; i++) {
        leat_subscription copy = config->subscriptions[i];
        LEAT_TRY(leat_kafka_settings_add(&session->settings, copy.properties, copy.properties_count,
                                         say_note, session->log, err));
        copy.topic = (leat_str){text_of(copy.topic), copy.topic.len};
        copy.properties = NULL;
        copy.properties_count = 0;
        session->subscriptions[session->subscriptions_count++] = copy;
    }
    return leat_kafka_check(session->log, &session->settings, err);
}

static leat_code start_session(leat_session *session, const leat_session_config *config,
                               const leat_str *topics, size_t topics_count, leat_err *err)
{
    LEAT_TRY(copy_subscriptions(session, config, err));
    if (session->transactional_id != NULL || topics_count > 0) {
        LEAT_TRY(leat_kafka_producer_open(session, LEAT_KAFKA_START_MS, err));
        LEAT_TRY(leat_kafka_producer_warm(session, topics, topics_count, err));
    }
    if (session->group == NULL || session->subscriptions_count == 0) return LEAT_OK;
    LEAT_TRY(leat_kafka_census_start(session, err));
    return leat_kafka_consumer_open(session, err);
}

static void kafka_session_close(leat_session **session, int timeout_ms)
{
    leat_session *closing = *session;
    if (closing == NULL) return;
    LEAT_ASSERT(!closing->calling); /* not from inside a listener */
    int64_t deadline = leat_clock_ms() + timeout_ms;
    leat_kafka_census_stop(closing, timeout_ms);
    int64_t left = deadline - leat_clock_ms();
    leat_kafka_consumer_close(closing, left < 100 ? 100 : (int)left);
    left = deadline - leat_clock_ms();
    leat_kafka_producer_close(closing, left < 100 ? 100 : (int)left);
    LEAT_ASSERT(closing->restores == 0); /* restores are closed before their session */
    if (!closing->hangs) session_free(closing);
    *session = NULL;
}

static leat_code kafka_session_open(leat_log *log, const leat_session_config *config,
                                    const leat_str *topics, size_t topics_count,
                                    leat_session **opened, leat_err *err)
{
    *opened = NULL;
    leat_session *session = leat_mem_need(sizeof *session);
    session->log = log;
    session->guarantee = config->guarantee;
    session->listener = config->listener;
    if (config->group.len > 0) session->group = text_of(config->group);
    if (config->instance.len > 0) session->instance = text_of(config->instance);
    session->own_id = config->transactional_id_own;
    session->commit_interval_ms = config->commit_interval_ms;
    if (config->guarantee == LEAT_EXACTLY_ONCE && config->transactional_id.len > 0)
        session->transactional_id = text_of(config->transactional_id);
    pthread_mutex_init(&session->consumer_notice.lock, NULL);
    pthread_mutex_init(&session->producer_notice.lock, NULL);
    pthread_mutex_init(&session->restorer_notice.lock, NULL);
    if (getrandom(&session->nonce, sizeof session->nonce, 0) != sizeof session->nonce)
        session->nonce = (uint64_t)leat_clock_ms();
    leat_code code = start_session(session, config, topics, topics_count, err);
    if (code != LEAT_OK) {
        leat_session *failed = session;
        kafka_session_close(&failed, LEAT_KAFKA_WAIT_MS);
        return code;
    }
    *opened = session;
    return LEAT_OK;
}

static bool kafka_in_transaction(const leat_session *session)
{
    return session->dirty;
}

static bool kafka_ended(const leat_session *session, leat_str topic, int32_t partition)
{
    (void)session;
    (void)topic;
    (void)partition;
    return false;
}

const leat_log_type leat_log_kafka = {
    .name = "kafka",
    .open = kafka_open,
    .close = kafka_close,
    .describe = kafka_describe,
    .describe_settings = kafka_describe_settings,
    .create = kafka_create,
    .session_open = kafka_session_open,
    .session_close = kafka_session_close,
    .poll = leat_kafka_poll,
    .release = leat_kafka_release,
    .pause = leat_kafka_pause,
    .resume = leat_kafka_resume,
    .seek = leat_kafka_seek,
    .produce = leat_kafka_produce,
    .commit = leat_kafka_commit,
    .abort = leat_kafka_abort,
    .in_transaction = kafka_in_transaction,
    .committed = leat_kafka_committed,
    .restore_open = leat_kafka_restore_open,
    .restore_read = leat_kafka_restore_read,
    .restore_release = leat_kafka_restore_release,
    .restore_close = leat_kafka_restore_close,
    .lags = leat_kafka_lags,
    .whole = leat_kafka_whole,
    .ended = kafka_ended,
};
