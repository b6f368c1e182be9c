/* SPDX-License-Identifier: Apache-2.0 */
/* The library's errors as ours: what was being done, the library's words, and what to look at.
 *
 * Two things decide more than the code. A call that timed out usually has its reason elsewhere, in
 * what the handle's threads said meanwhile (a refused log-in, an unknown host); so the last such
 * notice of the handle goes before the time-out itself. And errors that no waiting can heal must
 * not look like those that it can: a wrong password is DENIED, though the library goes on trying.
 * Refused: handing the library's codes up. There are some two hundred; a worker needs to know
 * whether to go back, to stop, or to tell its user. */
#include <stdio.h>

#include "worker/log_kafka_client.h"

typedef struct meaning {
    rd_kafka_resp_err_t from;
    leat_code code;
    const char *remedy; /* NULL: none */
} meaning;

#define LOG_IN                                                                                     \
    "check security.protocol, sasl.mechanism, sasl.username and sasl.password (kafka: ...)"
#define REACH "check bootstrap.servers and security.protocol, and that the brokers are up"

static const meaning meanings[] = {
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, LEAT_ERR_DENIED, LOG_IN},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, LEAT_ERR_DENIED, LOG_IN},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, LEAT_ERR_DENIED, LOG_IN},
    {RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE, LEAT_ERR_DENIED, LOG_IN},
    {RD_KAFKA_RESP_ERR__SSL, LEAT_ERR_UNAVAILABLE,
     "check security.protocol, ssl.ca.location, and ssl.certificate.location with ssl.key.location "
     "if the brokers ask for a certificate"},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, LEAT_ERR_DENIED,
     "allow this user Read on topics it reads, Write on those it writes, Describe on both"},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, LEAT_ERR_DENIED,
     "allow this user Read on the group, which has the pipeline's name"},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, LEAT_ERR_DENIED,
     "allow this user Write and Describe on transactional ids that begin with the pipeline's name"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, LEAT_ERR_DENIED,
     "allow this user what is named on the cluster (Create, or IdempotentWrite before Kafka 3)"},
    {RD_KAFKA_RESP_ERR__FENCED, LEAT_ERR_FENCED,
     "each process needs an instance name of its own; if there is but one, it stood still for "
     "longer than transaction.timeout.ms"},
    {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, LEAT_ERR_FENCED,
     "each process needs an instance name of its own"},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, LEAT_ERR_FENCED, NULL},
    {RD_KAFKA_RESP_ERR_PRODUCER_FENCED, LEAT_ERR_FENCED, NULL},
    {RD_KAFKA_RESP_ERR_TRANSACTION_COORDINATOR_FENCED, LEAT_ERR_ABORTED, NULL},
    {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, LEAT_ERR_ABORTED, NULL},
    {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, LEAT_ERR_ABORTED, NULL},
    {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, LEAT_ERR_ABORTED, NULL},
    {RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST, LEAT_ERR_ABORTED, NULL},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, LEAT_ERR_ABORTED, NULL},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, LEAT_ERR_ABORTED, NULL},
    {RD_KAFKA_RESP_ERR__STATE, LEAT_ERR_ABORTED, NULL},
    {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, LEAT_ERR_ABORTED, NULL},
    {RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, LEAT_ERR_ABORTED, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, LEAT_ERR_CONFIG,
     "transaction.timeout.ms is above the brokers' transaction.max.timeout.ms"},
    {RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT, LEAT_ERR_CONFIG,
     "session.timeout.ms is outside of the brokers' group.min.session.timeout.ms and "
     "group.max.session.timeout.ms"},
    {RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL, LEAT_ERR_CONFIG,
     "the group has members with another partition.assignment.strategy; stop them first, or use "
     "theirs"},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, LEAT_ERR_CONFIG,
     "raise max.message.bytes of the topic, or lower message.max.bytes here so that such records "
     "are refused one by one"},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, LEAT_ERR_CONFIG,
     "a compacted topic takes no records without key: give the sink a `key`"},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, LEAT_ERR_CONFIG, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, LEAT_ERR_CONFIG,
     "there are fewer brokers than replicas"},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, LEAT_ERR_CONFIG, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_CONFIG, LEAT_ERR_CONFIG, NULL},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, LEAT_ERR_CONFIG, "create the topic, or correct its name"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, LEAT_ERR_CONFIG,
     "create the topic, or correct its name"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, LEAT_ERR_ABORTED, NULL},
    {RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, LEAT_ERR_DAMAGED,
     "records were deleted before they were read; `leat reset` sets the group to what is left"},
    {RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, LEAT_ERR_DAMAGED,
     "records were deleted before they were read; `leat reset` sets the group to what is left"},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, LEAT_ERR_CONFIG, "Leat needs Kafka 2.5 or later"},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, LEAT_ERR_CONFIG, "Leat needs Kafka 2.5 or later"},
    {RD_KAFKA_RESP_ERR__INVALID_ARG, LEAT_ERR_INTERNAL, NULL},
    {RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, LEAT_ERR_INTERNAL, NULL},
    {RD_KAFKA_RESP_ERR__INCONSISTENT, LEAT_ERR_ABORTED, NULL},
    {RD_KAFKA_RESP_ERR__RESOLVE, LEAT_ERR_UNAVAILABLE, "check the host names in bootstrap.servers"},
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, LEAT_ERR_UNAVAILABLE, REACH},
    {RD_KAFKA_RESP_ERR__TRANSPORT, LEAT_ERR_UNAVAILABLE, REACH},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, LEAT_ERR_UNAVAILABLE, REACH},
};

static const meaning *meaning_of(rd_kafka_resp_err_t code)
{
    static const meaning other = {RD_KAFKA_RESP_ERR_UNKNOWN, LEAT_ERR_UNAVAILABLE, NULL};
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (meanings[i].from == code) return &meanings[i];
    return &other;
}

leat_code leat_kafka_fail(rd_kafka_resp_err_t code, const char *detail, const char *doing,
                          leat_err *err)
{
    LEAT_ASSERT(code != RD_KAFKA_RESP_ERR_NO_ERROR);
    const meaning *found = meaning_of(code);
    bool more = detail != NULL && detail[0] != 0;
    return leat_err_set(err, found->code, "kafka: %s: %s%s%s", doing,
                        more ? detail : rd_kafka_err2str(code), found->remedy == NULL ? "" : "; ",
                        found->remedy == NULL ? "" : found->remedy);
}

/* A passing network error says less than a refusal, and than the call's own error, if it has one.
 */
static bool tells_more(rd_kafka_resp_err_t notice, rd_kafka_resp_err_t call)
{
    if (notice == RD_KAFKA_RESP_ERR_NO_ERROR) return false;
    switch ((int)call) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__DESTROY: return true;
    default: return false;
    }
}

leat_code leat_kafka_fail_noticed(rd_kafka_resp_err_t code, leat_kafka_notice *notice,
                                  const char *doing, leat_err *err)
{
    char text[LEAT_KAFKA_REASON_MAX];
    pthread_mutex_lock(&notice->lock);
    rd_kafka_resp_err_t said = notice->code;
    snprintf(text, sizeof text, "%s", notice->text);
    pthread_mutex_unlock(&notice->lock);
    if (tells_more(said, code)) return leat_kafka_fail(said, text, doing, err);
    return leat_kafka_fail(code, NULL, doing, err);
}

bool leat_kafka_refused(leat_kafka_notice *notice)
{
    pthread_mutex_lock(&notice->lock);
    rd_kafka_resp_err_t said = notice->code;
    pthread_mutex_unlock(&notice->lock);
    return said == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
           said == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
           said == RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM;
}

leat_code leat_kafka_fail_fatal(rd_kafka_t *handle, const char *doing, leat_err *err)
{
    char text[LEAT_KAFKA_REASON_MAX] = "";
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(handle, text, sizeof text);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return leat_err_set(err, LEAT_ERR_INTERNAL, "kafka: %s: fatal error without a reason",
                            doing);
    leat_code ours = leat_kafka_fail(code, text, doing, err);
    /* The handle is of no use any more: nothing of it can be gone on with. */
    if (leat_code_blame(ours) == LEAT_BLAME_TASK) err->code = ours = LEAT_ERR_INTERNAL;
    return ours;
}

leat_code leat_kafka_fail_error(rd_kafka_t *handle, rd_kafka_error_t *error, const char *doing,
                                leat_err *err)
{
    leat_code code =
        rd_kafka_error_is_fatal(error)
            ? leat_kafka_fail_fatal(handle, doing, err)
            : leat_kafka_fail(rd_kafka_error_code(error), rd_kafka_error_string(error), doing, err);
    rd_kafka_error_destroy(error);
    return code;
}
