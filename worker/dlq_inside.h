/* SPDX-License-Identifier: Apache-2.0 */
/* What dlq.c, dlq_file.c and dlq_letter.c share; nobody else includes it. */
#ifndef LEAT_WORKER_DLQ_INSIDE_H
#define LEAT_WORKER_DLQ_INSIDE_H

#include "worker/dlq.h"

#define LEAT_DLQ_REDRIVEN "leat.redriven"

/* What markers in a file say of lines with one digest: so many were sent, of so many it is not
 * known. */
typedef struct dlq_mark {
    int64_t sent, unsettled;
    int64_t met; /* in this pass */
} dlq_mark;

struct leat_dlq {
    const leat_log_type *type; /* of a topic, or of where a file's letters go */
    leat_log *log;
    leat_session *session;
    char *topic; /* NULL: a file */
    int32_t partitions;

    char *path; /* of a file, as it was named */
    int fd;
    int64_t end; /* its size when it was opened: what comes later is not read */
    char id[64]; /* transactional, of the file */
    dlq_mark *marks;
    size_t marks_count, marks_size;
    leat_buf line;
    uint64_t damaged;
    leat_err damage; /* the first */
    char *to_path;   /* letters go to this file */
    int to_fd;
    leat_buf to_lines; /* not written yet */

    leat_arena *arena;  /* of the letter in hand */
    leat_map *redriven; /* topic: "partition:offset"; file: a line's digest -> its mark */
    leat_map *origins;  /* of records -> whether they were sent, or may have been */
    leat_buf markers;   /* of what came since the last commit */
    leat_dlq_count waiting, settled; /* since then; before */
};

/* A letter on its way through a reading. */
typedef struct dlq_pass {
    leat_dlq *dlq;
    enum { DLQ_PASS_MARKERS, DLQ_PASS_ORIGINS, DLQ_PASS_LETTERS } kind;
    const leat_dlq_filter *filter;
    leat_dlq_visit visit;
    void *self;
    bool more;
} dlq_pass;

/* Of origins and letters. */
leat_code dlq_pass_letter(dlq_pass *pass, leat_letter *letter, leat_err *err) LEAT_CHECKED;

leat_code dlq_file_open(leat_dlq *dlq, const char *path, bool sending, leat_err *err) LEAT_CHECKED;
leat_code dlq_file_pass(dlq_pass *pass, leat_err *err) LEAT_CHECKED;
/* The transaction's place among the markers: begun before it ends, sent or not after. */
leat_code dlq_file_mark(leat_dlq *dlq, const char *what, leat_err *err) LEAT_CHECKED;
#define DLQ_FILE_BEGUN    "leat.redriving"
#define DLQ_FILE_SENT     LEAT_DLQ_REDRIVEN
#define DLQ_FILE_NOT_SENT "leat.not_redriven"
void dlq_file_digest(uint64_t digest, char text[24], leat_str *key);
/* What is in to_lines, all of it or nothing. */
leat_code dlq_file_write(leat_dlq *dlq, leat_err *err) LEAT_CHECKED;
void dlq_file_close(leat_dlq *dlq);

leat_code leat_letter_of_message(const leat_message *message, const leat_header *headers,
                                 size_t count, leat_arena *arena, leat_letter *letter,
                                 leat_err *err) LEAT_CHECKED;
/* Blame RECORD: the line is no dead letter. */
leat_code leat_letter_of_line(leat_str line, int64_t number, leat_arena *arena, leat_letter *letter,
                              leat_err *err) LEAT_CHECKED;

#endif
