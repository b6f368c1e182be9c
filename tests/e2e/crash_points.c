/* SPDX-License-Identifier: Apache-2.0 */
/* Crash points of probe_log: the port's calls of the library that begin and end transactions come
 * here first, as a program's own symbols go before a library's, and go on to the real ones.
 *
 *   CALL:N:WHEN    at the N-th call of begin, offsets, commit or abort
 *
 * before, after: the process kills itself; command: $PROBE_COMMAND runs, and then the call. */
#include "tests/e2e/crash_points.h"

#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

static struct {
    const char *call, *what;
    int at, seen;
} crash;

static void really(const char *name, void *call, size_t size)
{
    void *found = dlsym(RTLD_NEXT, name);
    LEAT_ASSERT(found != NULL && size == sizeof found);
    memcpy(call, &found, size);
}

static void happens(bool due, const char *when)
{
    const char *command = getenv("PROBE_COMMAND");
    if (!due || strcmp(crash.what, when) != 0) return;
    printf("%s %s\n", when, crash.call);
    fflush(stdout);
    if (strcmp(when, "command") != 0) raise(SIGKILL);
    if (command == NULL || system(command) != 0) exit(2); /* NOLINT(cert-env33-c) */
}

/* Counts a call, and does what is due before it. */
static bool is_due(const char *call)
{
    bool due = crash.call != NULL && strncmp(crash.call, call, strlen(call)) == 0 &&
               ++crash.seen == crash.at;
    happens(due, "before");
    happens(due, "command");
    return due;
}

typedef rd_kafka_error_t *(*begin_call)(rd_kafka_t *);
typedef rd_kafka_error_t *(*offsets_call)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *,
                                          const rd_kafka_consumer_group_metadata_t *, int);
typedef rd_kafka_error_t *(*end_call)(rd_kafka_t *, int);

rd_kafka_error_t *rd_kafka_begin_transaction(rd_kafka_t *handle)
{
    bool due = is_due("begin");
    begin_call call;
    really("rd_kafka_begin_transaction", &call, sizeof call);
    rd_kafka_error_t *error = call(handle);
    happens(due, "after");
    return error;
}

rd_kafka_error_t *
rd_kafka_send_offsets_to_transaction(rd_kafka_t *handle,
                                     const rd_kafka_topic_partition_list_t *offsets,
                                     const rd_kafka_consumer_group_metadata_t *group, int timeout)
{
    bool due = is_due("offsets");
    offsets_call call;
    really("rd_kafka_send_offsets_to_transaction", &call, sizeof call);
    rd_kafka_error_t *error = call(handle, offsets, group, timeout);
    happens(due, "after");
    return error;
}

static rd_kafka_error_t *end_by(const char *call, const char *name, rd_kafka_t *handle, int timeout)
{
    bool due = is_due(call);
    end_call real;
    really(name, &real, sizeof real);
    rd_kafka_error_t *error = real(handle, timeout);
    happens(due, "after");
    return error;
}

rd_kafka_error_t *rd_kafka_commit_transaction(rd_kafka_t *handle, int timeout)
{
    return end_by("commit", "rd_kafka_commit_transaction", handle, timeout);
}

rd_kafka_error_t *rd_kafka_abort_transaction(rd_kafka_t *handle, int timeout)
{
    return end_by("abort", "rd_kafka_abort_transaction", handle, timeout);
}

void crash_points_plan(char *text)
{
    char *number = strchr(text, ':');
    crash.call = text;
    crash.at = number == NULL ? 0 : (int)strtol(number + 1, (char **)(uintptr_t)&crash.what, 10);
    if (crash.at < 1 || *crash.what++ != ':') exit(2);
}
