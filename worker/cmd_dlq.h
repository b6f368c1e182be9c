/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `leat dlq` share; nobody else includes it. */
#ifndef LEAT_WORKER_CMD_DLQ_H
#define LEAT_WORKER_CMD_DLQ_H

#include "worker/cli.h"
#include "worker/dlq.h"

enum {
    DLQ_SET,
    DLQ_TOPIC,
    DLQ_KAFKA,
    DLQ_FILE,
    DLQ_STEP,
    DLQ_ERROR,
    DLQ_CODE,
    DLQ_SINCE,
    DLQ_UNTIL,
    DLQ_OFFSET,
    DLQ_REDRIVEN,
    DLQ_OUTPUT,
    DLQ_COUNT,
    DLQ_TO,
    DLQ_TO_FILE,
    DLQ_MASKED,
    DLQ_UNSETTLED,
    DLQ_EXECUTE,
    DLQ_FLAGS,
};

/* One command at work. */
typedef struct dlq_work {
    leat_flag *flags;
    leat_dlq *dlq;
    leat_dlq_filter filter;
    leat_str topic; /* of the dead letters; data NULL: a file */
    bool json;
    leat_buf out; /* to stdout at the end, or when it is large */
} dlq_work;

/* Writes what is in out to stdout and empties it. */
void dlq_print(dlq_work *work);
/* `,"name":` and a text, or null; first: without the comma. */
void dlq_member(leat_buf *out, const char *name, leat_str text, bool first);
void dlq_time(leat_buf *out, int64_t ms); /* RFC 3339, or - */

/* The commands; *exit_code is set where it is not 0. */
leat_code dlq_ls(dlq_work *work, int *exit_code, leat_err *err) LEAT_CHECKED;
leat_code dlq_show(dlq_work *work, int *exit_code, leat_err *err) LEAT_CHECKED;
leat_code dlq_redrive(dlq_work *work, int *exit_code, leat_err *err) LEAT_CHECKED;

#endif
