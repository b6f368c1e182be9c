/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of exec share; nobody else includes it.
 *
 *   exec.c           the task's life and the loop over nodes
 *   exec_source.c    messages -> records: decode, timestamp, watermark, late, key
 *   exec_progress.c  watermarks and the sequence number, and their table
 *   exec_order.c     the reorder buffer in front of stateful steps
 *   exec_waiting.c   held records in order of time
 *   exec_held.c      a record outside of its batch: as bytes
 *   exec_backlog.c   records that a step has parked
 *   exec_sort.c      a merge sort that knows runs
 *   exec_rebuild.c   held records of an older pipeline
 *   exec_output.c    records -> outputs
 *   exec_reject.c    dead letters and late records
 *   exec_effect.c    what is done to Redis, and the place in the input that it belongs to
 *   exec_guard.c     masks on what goes out as it came
 *   exec_run.c       what operators may ask for
 *   exec_tables.c    tables that streams join
 *   exec_schemas.c   what codecs have to be told
 *
 * Thread: the shard's. */
#ifndef LEAT_TRANSFORMS_EXEC_INSIDE_H
#define LEAT_TRANSFORMS_EXEC_INSIDE_H

#include "core/map.h"
#include "core/number.h"
#include "core/time.h"
#include "core/timers.h"
#include "transforms/exec.h"

/* No single batch needs more; it bounds what a mistake can take. */
#define EXEC_ARENA_BYTES_MAX  ((size_t)1 << 30)
#define EXEC_OUTPUT_BYTES_MAX ((size_t)1 << 30)
/* A buffer that one huge batch has blown up is given back. */
#define EXEC_OUTPUT_BYTES_KEEP ((size_t)16 << 20)

/* An input partition of the task. */
typedef struct exec_input {
    char *topic;
    size_t topic_len;
    int32_t partition;
    bool listed; /* scratch of leat_exec_inputs */
    bool idle;
    int64_t latest_ms;    /* largest timestamp seen; LEAT_TIME_NONE: none yet */
    int64_t committed_ms; /* latest_ms and idle at the last commit */
    bool committed_idle;
} exec_input;

/* From message or tick `moment` on, the watermark is watermark_ms. Both grow along the array. */
typedef struct exec_mark {
    uint64_t moment;
    int64_t watermark_ms;
} exec_mark;

typedef struct exec_progress {
    exec_input *inputs;
    size_t count, size;
    size_t last;          /* input of the last message: the first guess for the next */
    bool given;           /* leat_exec_inputs has said which inputs there are */
    int64_t watermark_ms; /* never goes back */
    uint64_t seq;         /* of the last message or tick */
    bool changed;         /* since the last commit */
    int64_t committed_ms; /* watermark_ms and seq at the last commit */
    uint64_t committed_seq;
    leat_table *table; /* NULL: nothing behind this source depends on time or number */
} exec_progress;

/* A record held past its batch, as bytes (exec_held.c). */
typedef struct exec_held {
    int64_t timestamp_ms;
    uint64_t number;        /* in the order in which they came to the buffer; key of its cell */
    uint32_t users;         /* the buffer and, once flushed, its table */
    bool stored;            /* it is a cell of the table */
    bool foreign;           /* its slots are those of another version of the pipeline */
    struct exec_held *next; /* among those to be freed when the batch's outputs are void */
    size_t len;
    char bytes[];
} exec_held;

/* Held records, least (timestamp, number) first (exec_waiting.c). */
typedef struct exec_item {
    int64_t timestamp_ms;
    uint64_t number;
    exec_held *held;
} exec_item;
typedef struct exec_waiting {
    exec_item *run, *heap;
    size_t from, to, run_size; /* of the run */
    size_t heap_count, heap_size;
    size_t count;
    uint64_t bytes;
} exec_waiting;

typedef struct exec_order {
    exec_waiting waiting;
    uint64_t number; /* of the last record that came */
    uint64_t bytes_max;
    leat_table *table;
    struct leat_exec *exec;
    const leat_shape *shape;
    leat_str place;       /* of the step it stands in front of */
    uint64_t fingerprint; /* of what the slots mean */
} exec_order;

/* Records that a step has not come to yet, in order (exec_backlog.c). */
typedef struct exec_backlog {
    exec_order held; /* what they are held as; its waiting is not used */
    exec_held **items;
    size_t count, size;
    leat_record **given; /* to the step in this round: those of items */
} exec_backlog;

/* What an output needs until the batch is finished. */
typedef struct exec_output_note {
    uint64_t moment;
    size_t offset; /* of its value in exec->out; SIZE_MAX: the value is a pointer already */
} exec_output_note;

/* Something to be put in order (exec_sort.c). */
typedef struct exec_sortable {
    int64_t time_ms;
    uint64_t number;
    void *what;
} exec_sortable;

/* A message's place in the input, for effects. */
typedef struct exec_place {
    leat_buf topic;
    int32_t partition;
    int64_t offset; /* -1: none yet */
} exec_place;

/* A table that streams join (exec_tables.c). */
typedef struct exec_joined {
    const leat_source *table;
    void *state; /* of its codec */
    leat_table *cells;
    leat_timers *old; /* key -> when its newest version's time is: those before it can go */
    leat_str place;   /* "tables.cards" */
} exec_joined;

/* Whose messages are read, a table's or the source's own, and the state of its codec. */
typedef struct exec_reader {
    const leat_source *of;
    void *state;
} exec_reader;

/* A node of the plan at work. */
typedef struct exec_node {
    leat_run run; /* first: a leat_run * of ours is an exec_node * */
    const leat_plan_node *plan;
    leat_batch *out; /* one per port */
    uint32_t ports;
    int64_t advanced_ms;  /* the watermark that `advance` was last told */
    uint64_t last_moment; /* of what it emitted last in this batch */
    bool opened;
    exec_order *order;     /* ORDER */
    exec_backlog *backlog; /* of a step that parks */
    bool parked;           /* it has to go on */
    size_t made_bytes;     /* in this round */
    bool held_up;          /* a node before it has: time stands still for it */
    leat_node_counts counts;
} exec_node;

struct leat_exec {
    const leat_plan *plan;
    const leat_source *source;
    exec_node *nodes; /* those of the source, as many of the plan's, which are contiguous */
    size_t nodes_count;
    uint32_t first; /* plan's number of nodes[0] */
    leat_arena *arena;
    leat_json_decoder **decoders; /* by shape; made when needed */
    void *source_state;           /* of the source's codec */
    void **sink_states;           /* of the sinks' codecs, by index */
    leat_masker *masker;          /* of the source's guard; made when needed */
    bool raw_wanted;              /* by exec_guard.c, whatever the plan says */
    size_t wanted_by;             /* exec_schemas.c */
    exec_progress progress;
    leat_table **tables;
    size_t tables_count, tables_size;
    leat_table_sum tables_sum;
    leat_map *names; /* table name -> number in tables */
    uint64_t bytes_max;
    exec_joined *joined;
    size_t joined_count;

    /* The batch under way. */
    exec_mark *marks; /* kept until the batch is through, in however many portions */
    size_t marks_count, marks_size;
    size_t portion;      /* bytes that a step should make in a round */
    int64_t before_ms;   /* the watermark when the batch began */
    uint64_t before_seq; /* and the number of the last message */
    leat_output *outputs;
    exec_output_note *notes; /* as many as outputs */
    size_t outputs_count, outputs_size;
    bool outputs_mixed; /* not in order of moment as they stand */
    leat_buf out;       /* values of outputs; they hold offsets until the batch is finished */
    exec_held *freed;

    /* For effects; only where a sink of the plan has some. */
    bool effects;
    /* Messages of the batch by number, from numbered_first on; NULL: of a table. */
    const leat_message **numbered;
    uint64_t numbered_first;
    size_t numbered_count;
    exec_place last, committed_last; /* message */
    const leat_lookup_port *port;    /* NULL: none */

    leat_str source_place, timestamp_place, key_place; /* "sources.x", "sources.x.key" */
    uint32_t timestamp_slot, key_slot; /* where the expression is a bare field; else NONE */
    leat_arena *own;                   /* for what lives as long as the task */
    leat_site site;                    /* of source and sinks */
    leat_buf scratch;
    bool failed;  /* until abort */
    bool carries; /* what a restore has left in arena and outputs goes out with the next batch */
    leat_exec_counts counts;
    leat_err last_error; /* code OK: none yet */
};

static inline exec_node *exec_node_at(leat_exec *exec, uint32_t plan_index)
{
    LEAT_ASSERT(plan_index >= exec->first && plan_index - exec->first < exec->nodes_count);
    return &exec->nodes[plan_index - exec->first];
}

/* --- exec.c --- */
leat_code exec_table_add(leat_exec *exec, const char *name, const leat_table_type *type, void *self,
                         uint64_t bytes_max, leat_table **table, leat_err *err) LEAT_CHECKED;
leat_code exec_decoder(leat_exec *exec, const leat_shape *shape, leat_json_decoder **decoder,
                       leat_err *err) LEAT_CHECKED;
leat_code exec_codec_open(leat_exec *exec, const leat_codec *codec, const leat_shape *shape,
                          void **state, leat_err *err) LEAT_CHECKED;
/* The step, on this batch; leaves its own in node->out. */
leat_code exec_step_process(exec_node *node, const leat_batch *in, leat_err *err) LEAT_CHECKED;

/* --- exec_source.c --- */
leat_code exec_source_process(leat_exec *exec, exec_node *node, const leat_message *messages,
                              size_t count, leat_err *err) LEAT_CHECKED;

/* Who reads the messages of this topic or file. */
exec_reader exec_reader_of(leat_exec *exec, leat_str topic);
/* The record's message into its slots and raw; *is: it is a record at all. whole NULL: nobody asks;
 * else the record as a value, of formats with types of their own (others: MISSING). */
leat_code exec_decode(leat_exec *exec, exec_reader by, leat_json_decoder *decoder,
                      leat_record *record, leat_value *whole, bool *is, leat_err *err) LEAT_CHECKED;
/* A blank line is no record there. */
static inline bool exec_skips_blank(const leat_source *of)
{
    return of->files && (of->codec == NULL || !of->codec->type->blank_lines);
}
bool exec_is_blank(leat_str text);

/* What a `timestamp` expression has given, in ms. */
leat_code exec_time_of_value(leat_value value, int64_t *timestamp_ms, leat_err *err) LEAT_CHECKED;

/* --- exec_progress.c --- */
leat_code exec_progress_open(leat_exec *exec, leat_err *err) LEAT_CHECKED;
void exec_progress_close(leat_exec *exec);
leat_code exec_progress_input(leat_exec *exec, leat_str topic, int32_t partition,
                              exec_input **input, leat_err *err) LEAT_CHECKED;
/* A record of this time has come; moves the task's watermark. */
void exec_progress_see(leat_exec *exec, exec_input *input, int64_t timestamp_ms);
void exec_progress_idle(leat_exec *exec, exec_input *input);
void exec_progress_end(leat_exec *exec);
/* Room for as many marks. */
leat_code exec_progress_reserve(leat_exec *exec, size_t marks, leat_err *err) LEAT_CHECKED;
leat_code exec_progress_flush(leat_exec *exec, leat_err *err) LEAT_CHECKED;
void exec_progress_commit(leat_exec *exec);
leat_code exec_progress_restored(leat_exec *exec, leat_err *err) LEAT_CHECKED;
/* The first message or tick of this batch after which the watermark was at least time_ms; that of
 * the batch's end if there is none. */
uint64_t exec_moment_of(const leat_exec *exec, int64_t time_ms);
/* The watermark after that message or tick of this batch. */
int64_t exec_watermark_at(const leat_exec *exec, uint64_t moment);

/* --- exec_held.c --- */
leat_code exec_held_new(leat_exec *exec, const exec_order *order, const leat_record *record,
                        exec_held **held, leat_err *err) LEAT_CHECKED;
/* A value by itself. Reading borrows from bytes, which must be one value and nothing more. */
leat_code exec_held_put(leat_value value, leat_arena *arena, leat_buf *out,
                        leat_err *err) LEAT_CHECKED;
leat_code exec_held_get(leat_str bytes, leat_arena *arena, leat_value *value,
                        leat_err *err) LEAT_CHECKED;
/* From a cell's bytes (copied). */
leat_code exec_held_of(const exec_order *order, leat_str bytes, exec_held **held,
                       leat_err *err) LEAT_CHECKED;
/* As it was, in the arena; borrows from held. */
leat_code exec_held_record(const exec_order *order, const exec_held *held, leat_arena *arena,
                           leat_record **record, leat_err *err) LEAT_CHECKED;
/* The same without its slots, which are MISSING: also of a foreign one. */
leat_code exec_held_origin(const exec_order *order, const exec_held *held, leat_arena *arena,
                           leat_record **record, leat_err *err) LEAT_CHECKED;
void exec_held_drop(leat_exec *exec, exec_held *held); /* one user less */
void exec_held_free_all(leat_exec *exec);              /* those without users */

/* --- exec_waiting.c --- */
leat_code exec_waiting_put(exec_waiting *waiting, exec_held *held, leat_err *err) LEAT_CHECKED;
const exec_item *exec_waiting_first(const exec_waiting *waiting);       /* NULL: none */
exec_held *exec_waiting_take(exec_waiting *waiting);                    /* the first */
exec_held *exec_waiting_at(const exec_waiting *waiting, size_t number); /* in no order */
void exec_waiting_release(exec_waiting *waiting);

/* --- exec_rebuild.c --- */
/* What this version of the pipeline makes of a foreign record; NULL: it does not get so far. */
leat_code exec_rebuild(exec_node *order, const exec_held *held, leat_record **record,
                       leat_err *err) LEAT_CHECKED;

/* --- exec_order.c --- */
leat_code exec_order_open(leat_exec *exec, exec_node *node, leat_err *err) LEAT_CHECKED;
void exec_order_clear(exec_node *node); /* before the tables are freed ... */
void exec_order_close(exec_node *node); /* ... and after */
leat_code exec_order_process(exec_node *node, const leat_batch *in, leat_err *err) LEAT_CHECKED;
leat_code exec_order_flush(exec_node *node, leat_err *err) LEAT_CHECKED;
leat_code exec_order_restored(exec_node *node, leat_err *err) LEAT_CHECKED;

/* Sets up what records in front of the node's step are held as, and their table. */
leat_code exec_order_setup(leat_exec *exec, exec_node *node, exec_order *order, const char *table,
                           leat_err *err) LEAT_CHECKED;
/* Before a commit: it becomes a cell of the table, if it is none. */
leat_code exec_order_store(exec_order *order, exec_held *held, leat_err *err) LEAT_CHECKED;
/* It goes, and its cell with it; freed when the outputs are void. */
void exec_order_leave(exec_order *order, exec_held *held);
/* From a committed cell. */
leat_code exec_order_restore(exec_order *order, leat_str key, leat_str committed, exec_held **held,
                             leat_err *err) LEAT_CHECKED;
/* What stands for a foreign one that was made anew as `record`. NULL: nothing does, as that is NULL
 * or cannot be held (a dead letter); its cell goes then. Else that stays as it is, so that each
 * restart does this again. The old one is the caller's. */
leat_code exec_order_renew(exec_order *order, const exec_held *old, const leat_record *record,
                           exec_held **held, leat_err *err) LEAT_CHECKED;

/* --- exec_backlog.c --- */
leat_code exec_backlog_open(leat_exec *exec, exec_node *node, leat_err *err) LEAT_CHECKED;
void exec_backlog_clear(exec_node *node); /* before the tables are freed ... */
void exec_backlog_close(exec_node *node); /* ... and after */
/* The backlog, and what comes behind it. */
leat_code exec_backlog_join(exec_node *node, const leat_batch *in, leat_batch *all,
                            leat_err *err) LEAT_CHECKED;
/* What was given is the backlog no more, but for the records of `in` from `from` on, which join it
 * if they are not in it. in NULL: none of them. */
leat_code exec_backlog_keep(exec_node *node, const leat_batch *in, size_t from,
                            leat_err *err) LEAT_CHECKED;
leat_code exec_backlog_flush(exec_node *node, leat_err *err) LEAT_CHECKED;
leat_code exec_backlog_restored(exec_node *node, leat_err *err) LEAT_CHECKED;

/* --- exec_sort.c --- */
/* By (time, number), stable; scratch has room for as many. */
void exec_sort(exec_sortable *items, exec_sortable *scratch, size_t count);

/* --- exec_run.c --- */
leat_code exec_run_table(leat_run *run, const char *name, const leat_table_type *type, void *self,
                         uint64_t bytes_max, leat_table **table, leat_err *err) LEAT_CHECKED;

/* --- exec_output.c --- */
/* offset: where the value begins in exec->out (its end is the buffer's), or SIZE_MAX. */
leat_code exec_output_add(leat_exec *exec, uint64_t moment, const leat_output *output,
                          size_t offset, leat_err *err) LEAT_CHECKED;
leat_code exec_output_sinks(leat_exec *exec, const exec_node *node, leat_err *err) LEAT_CHECKED;
/* Offsets become pointers, outputs get their order. */
leat_code exec_output_finish(leat_exec *exec, leat_err *err) LEAT_CHECKED;
/* value as a key or header: text and bytes as they are, null as none, others as JSON. */
leat_code exec_text_of(leat_exec *exec, leat_value value, leat_str *text,
                       leat_err *err) LEAT_CHECKED;

/* --- exec_effect.c --- */
void exec_effects_open(leat_exec *exec);
void exec_effects_close(leat_exec *exec);
/* The commands of the sink's effect for the record. */
leat_code exec_effect(leat_exec *exec, const leat_sink *sink, const leat_record *record,
                      leat_output *output, leat_err *err) LEAT_CHECKED;
/* Message `seq` of the batch under way, of at most `count` in all, is one of the source's own. */
leat_code exec_effect_note(leat_exec *exec, const leat_message *message, uint64_t seq, size_t count,
                           leat_err *err) LEAT_CHECKED;
/* The place that moment stands for. */
void exec_effect_place(leat_exec *exec, uint64_t moment, leat_output *output);
/* The batch is done; the transaction is; it is void. */
leat_code exec_effects_done(leat_exec *exec, leat_err *err) LEAT_CHECKED;
void exec_effects_commit(leat_exec *exec);
void exec_effects_abort(leat_exec *exec);

/* --- exec_guard.c --- */
/* A record that goes out as it came: at first the message's own, then as it may be shown. */
typedef struct exec_guarded {
    leat_str key, value;
    const leat_header *headers;
    size_t headers_count;
    int64_t attempt;
    leat_str masked; /* names of the fields that were; data NULL: none */
    bool held_back;  /* it could not be masked, and is not told at all ... */
    size_t withheld; /* ... of so many bytes */
} exec_guarded;
/* Hides masked values in why's text, too. */
leat_code exec_guard(leat_exec *exec, const leat_record *record, leat_payload payload,
                     leat_err *why, exec_guarded *out, leat_err *err) LEAT_CHECKED;

/* --- exec_tables.c --- */
leat_code exec_tables_open(leat_exec *exec, leat_err *err) LEAT_CHECKED;
void exec_tables_close(leat_exec *exec);
/* Before a batch: forgets versions that no record can ask for any more. */
leat_code exec_tables_sweep(leat_exec *exec, leat_err *err) LEAT_CHECKED;
leat_code exec_tables_restored(leat_exec *exec, leat_err *err) LEAT_CHECKED;
/* The table that this topic or file feeds; NULL: none. */
exec_joined *exec_tables_of(leat_exec *exec, leat_str topic);
/* A message of a table; record: its message, key, timestamp, number. *is: it is a record at all. */
leat_code exec_tables_take(leat_exec *exec, exec_joined *joined, leat_record *record, bool *is,
                           leat_err *err) LEAT_CHECKED;

/* --- exec_reject.c --- */
/* The message (or, if there is none, the made record's value) goes to the dead letter. */
leat_code exec_reject(leat_exec *exec, leat_str place, const leat_record *record,
                      const leat_err *why, leat_err *err) LEAT_CHECKED;
leat_code exec_late(leat_exec *exec, const leat_record *record, leat_err *err) LEAT_CHECKED;

#endif
