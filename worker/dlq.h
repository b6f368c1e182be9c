/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters, read back: from a topic (headers tell the story) or from a file of JSON lines.
 *
 * A redrive leaves markers in the topic: records without key and value whose header leat.redriven
 * lists "partition:offset" of the letters that were sent back, in the transaction that sent them.
 * So a letter is sent back once, whatever filters a later redrive has and however an earlier one
 * ended. Refused: the offsets of a consumer group. They tell up to where, not which, so that a
 * filter's second run would send letters twice or leave some for ever.
 * In a file, markers are lines at its end (dlq_file.c).
 *
 * One record can have several letters, as two branches fail on it or several of the records that it
 * was exploded into. It goes back once.
 *
 * Thread: one. */
#ifndef LEAT_WORKER_DLQ_H
#define LEAT_WORKER_DLQ_H

#include "core/map.h"
#include "worker/log.h"

typedef struct leat_dlq leat_dlq;

/* One dead letter; borrowed for the visit. */
typedef struct leat_letter {
    int32_t partition; /* of the dead letter topic; file: 0 ... */
    int64_t offset;    /* ... and the line */
    int64_t at_ms;     /* when it was written; LEAT_TIME_NONE: unknown (file) */
    leat_str pipeline, step, error, code;
    leat_str topic; /* where it came from; data NULL: from no topic */
    int32_t from_partition;
    leat_str file; /* ... or which file; data NULL: from none, or not said */
    int64_t from_offset;
    int64_t timestamp_ms; /* of the original; LEAT_TIME_NONE: unknown */
    int64_t attempt;      /* how often it has failed */
    leat_str masked;      /* fields that are not what they were; data NULL: none */
    bool withheld, cut;   /* the value is not there; not all of it is */
    bool redriven;        /* it was sent back already */
    bool unsettled;       /* file: it, or another of its record, may have been, as a redrive was cut
                             off at its commit */
    uint64_t digest;      /* file: of its line */
    leat_str key, value;  /* data NULL: null */
    const leat_header *headers;
    size_t headers_count; /* without the story */
} leat_letter;

#define LEAT_DLQ_RANGES_MAX 32

/* Which letters; a zeroed filter takes all. */
typedef struct leat_dlq_filter {
    leat_str step, error, code; /* begins with; contains; is; data NULL: any */
    int64_t since_ms, until_ms; /* of writing; 0: any; until is exclusive */
    struct leat_dlq_range {
        int32_t partition;
        int64_t from, to; /* both inclusive */
    } ranges[LEAT_DLQ_RANGES_MAX];
    size_t ranges_count; /* 0: all */
    bool redriven;       /* also those that were sent back */
} leat_dlq_filter;

/* transactional: letters will be sent back, and another redrive that is under way ends. The log
 * must outlive it. */
leat_code leat_dlq_open_topic(const leat_log_type *type, leat_log *log, leat_str topic,
                              bool transactional, leat_dlq **dlq, leat_err *err) LEAT_CHECKED;
/* sending: no other redrive can be under way. What is appended later is not read. */
leat_code leat_dlq_open_file(const char *path, bool sending, leat_dlq **dlq,
                             leat_err *err) LEAT_CHECKED;
/* Where a file's letters are sent: topics of that log, which must outlive it; or that file, to
 * whose end their values are written, each as a line. */
void leat_dlq_to_log(leat_dlq *dlq, const leat_log_type *type, leat_log *log);
leat_code leat_dlq_to_file(leat_dlq *dlq, const char *path, leat_err *err) LEAT_CHECKED;
void leat_dlq_close(leat_dlq **dlq);

/* Each letter that the filter takes, by partition in order of offset. *more false ends it. */
typedef leat_code (*leat_dlq_visit)(void *self, const leat_letter *letter, bool *more,
                                    leat_err *err);
leat_code leat_dlq_read(leat_dlq *dlq, const leat_dlq_filter *filter, leat_dlq_visit visit,
                        void *self, leat_err *err) LEAT_CHECKED;

/* Of the last reading: lines of the file that are no dead letters, and the first's mistake. */
uint64_t leat_dlq_damaged(const leat_dlq *dlq, const char **first);

typedef struct leat_dlq_order {
    leat_str to;    /* a topic; data NULL: where it came from */
    bool to_file;   /* to leat_dlq_to_file's */
    bool masked;    /* also what is masked */
    bool unsettled; /* also what may have been sent */
} leat_dlq_order;

/* Why it cannot be sent back as it is; NULL: it can. */
const char *leat_dlq_obstacle(const leat_letter *letter, const leat_dlq_order *order);
/* *twin: another letter of the same record was sent, or asked for here before. */
leat_code leat_dlq_is_twin(leat_dlq *dlq, const leat_letter *letter, bool *twin,
                           leat_err *err) LEAT_CHECKED;
/* Sends the letter back: to order->to, or where it came from (there to its own partition), with its
 * own key, value, headers and timestamp, and leat.attempt. LEAT_ERR_CONFIG: the topic is not there,
 * or does not take it. In a transaction, with its marker; settled every so many, and by finish. */
leat_code leat_dlq_send(leat_dlq *dlq, const leat_letter *letter, const leat_dlq_order *order,
                        leat_err *err) LEAT_CHECKED;
/* Marked as if it were sent: its twin is. */
leat_code leat_dlq_skip(leat_dlq *dlq, const leat_letter *letter, leat_err *err) LEAT_CHECKED;
leat_code leat_dlq_finish(leat_dlq *dlq, leat_err *err) LEAT_CHECKED;
/* How many are sent for certain, and how many need not be as their twin is. */
typedef struct leat_dlq_count {
    uint64_t sent, twins;
} leat_dlq_count;
leat_dlq_count leat_dlq_settled(const leat_dlq *dlq);

#endif
