/* SPDX-License-Identifier: Apache-2.0 */
/* One task: the plan's nodes of one source at work on one partition number. Pure: messages in,
 * outputs out, state in tables; no clock, no thread, no socket. exec is one loop over an array of
 * nodes, so counting, limits and blame live in one place.
 *
 *   messages -> decode, timestamp, watermark, late -> node 1 -> node 2 ... -> encode -> outputs
 *
 * Watermarks: per input partition, the largest timestamp - out_of_orderness - 1 ms; the task's is
 * the least of those that are not idle, and never goes back. It is part of the state (table
 * "progress"), as are the records that wait in a reorder buffer (node ORDER before the first
 * stateful step of each chain).
 *
 * Life: open -> tables restored -> restored() -> batch/idle/end ... flush -> (commit | abort)
 * Thread: the shard's. */
#ifndef LEAT_TRANSFORMS_EXEC_H
#define LEAT_TRANSFORMS_EXEC_H

#include "core/record.h"
#include "core/table.h"
#include "transforms/plan.h"

typedef struct leat_exec leat_exec;

typedef enum leat_output_kind {
    LEAT_OUTPUT_RECORD,
    LEAT_OUTPUT_LATE,        /* as it came */
    LEAT_OUTPUT_DEAD_LETTER, /* as it came; headers (topic) or fields (file) tell why */
} leat_output_kind;

/* One record to be written; everything borrowed from the task until the next batch. */
typedef struct leat_output {
    leat_output_kind kind;
    const leat_sink *sink;
    leat_str topic;    /* TOPIC: where; FILE: path */
    int32_t partition; /* -1: by key */
    leat_str key;      /* data NULL: null */
    leat_str value;    /* data NULL: null; FILE and STDOUT: the line, without its end */
    int64_t timestamp_ms;
    const leat_header *headers;
    size_t headers_count;
    /* REDIS: what to do, and the place in the input that brought it about: an effect at or before
     * the place that was applied last is a replay. Places of one partition grow; those of one
     * record's effects are equal. */
    const leat_redis_command *commands;
    size_t commands_count;
    leat_str from_topic;
    int32_t from_partition;
    uint64_t from_place; /* see leat_exec_place; 0: not known, to be applied in any case */
    const leat_record *record;
} leat_output;

/* The place of what the record with this offset brings about; that of what time alone brings about
 * behind it is one more. */
static inline uint64_t leat_exec_place(int64_t offset)
{
    return (uint64_t)(offset + 1) * 2;
}

/* What happened; monotonic since open, survives nothing. Per node: leat_exec_node_counts. */
typedef struct leat_exec_counts {
    uint64_t records_in, records_out, dead_letters, late, late_dropped, filtered, unrouted;
    uint64_t dropped; /* by steps that say so: duplicates, throttled, not in the sample, empty; and
                         tombstones, where the source drops them */
} leat_exec_counts;
typedef struct leat_node_counts {
    uint64_t in, out, rejected;
} leat_node_counts;

/* bytes_max: of all tables of this task together. */
leat_code leat_exec_open(const leat_plan *plan, uint32_t source, uint64_t bytes_max,
                         leat_exec **exec, leat_err *err) LEAT_CHECKED;
void leat_exec_close(leat_exec **exec);

/* The input partitions that this task reads; a watermark waits for each of them until it is idle.
 * (topic, partition) pairs; called before the first batch and again when they change. */
leat_code leat_exec_inputs(leat_exec *exec, const leat_str *topics, const int32_t *partitions,
                           size_t count, leat_err *err) LEAT_CHECKED;

/* Messages of any of the task's partitions, in the order of the task. Bad records become dead
 * letters; only TASK and FATAL blame comes back. *outputs are valid until the next call. */
leat_code leat_exec_batch(leat_exec *exec, const leat_message *messages, size_t count,
                          const leat_output **outputs, size_t *outputs_count,
                          leat_err *err) LEAT_CHECKED;
/* This input partition has been silent for idle_after: it no longer holds the watermark back,
 * until its next record. When all are idle, the watermark is the largest of theirs. */
leat_code leat_exec_idle(leat_exec *exec, leat_str topic, int32_t partition,
                         const leat_output **outputs, size_t *outputs_count,
                         leat_err *err) LEAT_CHECKED;
/* The end of a bounded input: the watermark goes to infinity, all timers fire. */
leat_code leat_exec_end(leat_exec *exec, const leat_output **outputs, size_t *outputs_count,
                        leat_err *err) LEAT_CHECKED;

/* A batch (or silence, or the end) that brings about more than a portion of outputs gives the rest
 * in further calls of this, after which all is as if it had come at once. Commits may come in
 * between; messages, silence and the end may not. */
bool leat_exec_more(const leat_exec *exec);
leat_code leat_exec_continue(leat_exec *exec, const leat_output **outputs, size_t *outputs_count,
                             leat_err *err) LEAT_CHECKED;
/* Bytes of what steps make from which on it goes out in portions; LEAT_EXEC_PORTION at first. */
#define LEAT_EXEC_PORTION ((size_t)16 << 20)
void leat_exec_portion(leat_exec *exec, size_t bytes);

/* State. The changelog's key of a cell is name + NUL + key. */
size_t leat_exec_tables(const leat_exec *exec, leat_table *const **tables);
leat_table *leat_exec_table(const leat_exec *exec, leat_str name); /* NULL: unknown */
/* After tables were filled from the changelog. */
leat_code leat_exec_restored(leat_exec *exec, leat_err *err) LEAT_CHECKED;
/* Writes what changed since the last commit: every table's cells, each once. */
leat_code leat_exec_flush(leat_exec *exec, leat_table_sink sink, void *context,
                          leat_err *err) LEAT_CHECKED; /* sink's key: the changelog's key */
void leat_exec_commit(leat_exec *exec);
/* Back to the last commit: tables, watermarks, sequence number, timers. */
leat_code leat_exec_abort(leat_exec *exec, leat_err *err) LEAT_CHECKED;

/* How steps read from outside; before the first batch. Borrowed. */
void leat_exec_port(leat_exec *exec, const leat_lookup_port *port);
/* An output of the last batch, with `record` set, was not taken by where it should go: it becomes a
 * dead letter. All outputs given before are void, but what an output of kind REDIS points to. */
leat_code leat_exec_refuse(leat_exec *exec, const leat_output *output, const leat_err *why,
                           const leat_output **outputs, size_t *count, leat_err *err) LEAT_CHECKED;

/* Something has to be found before these messages (NULL: anything) can be worked on: *want, which
 * borrows from them. Then give, and ask again; the batch may begin when nothing is wanted. */
bool leat_exec_wants(leat_exec *exec, const leat_message *messages, size_t count, leat_want *want);
/* The answer to what was wanted last. CONFIG blame: with this answer nothing can be done. */
leat_code leat_exec_give(leat_exec *exec, const leat_want *want, const leat_answer *answer,
                         leat_err *err) LEAT_CHECKED;

int64_t leat_exec_watermark(const leat_exec *exec); /* ms, LEAT_TIME_NONE at first */
leat_exec_counts leat_exec_counts_get(const leat_exec *exec);
leat_node_counts leat_exec_node_counts(const leat_exec *exec, uint32_t node);
/* The text of the last dead letter's error, for a rate-limited log line; data NULL: none yet. */
leat_str leat_exec_last_error(const leat_exec *exec);
uint64_t leat_exec_state_bytes(const leat_exec *exec);

#endif
