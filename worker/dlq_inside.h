/* SPDX-License-Identifier: Apache-2.0 */
/* What dlq.c and dlq_letter.c share; nobody else includes it. */
#ifndef LEAT_WORKER_DLQ_INSIDE_H
#define LEAT_WORKER_DLQ_INSIDE_H

#include <stdio.h>

#include "worker/dlq.h"

#define LEAT_DLQ_REDRIVEN "leat.redriven"

struct leat_dlq {
    const leat_log_type *type;
    leat_session *session; /* of a topic */
    char *topic;
    int32_t partitions;
    FILE *file;         /* or of a file */
    leat_arena *arena;  /* of the letter in hand */
    leat_map *redriven; /* "partition:offset" */
    leat_buf markers;   /* of what was sent since the last commit */
    size_t sent;
    leat_buf bytes;
};

leat_code leat_letter_of_message(const leat_message *message, const leat_header *headers,
                                 size_t count, leat_arena *arena, leat_letter *letter,
                                 leat_err *err) LEAT_CHECKED;
/* What is no dead letter's line is LEAT_ERR_CONFIG. */
leat_code leat_letter_of_line(leat_str line, int64_t number, leat_arena *arena, leat_letter *letter,
                              leat_err *err) LEAT_CHECKED;

#endif
