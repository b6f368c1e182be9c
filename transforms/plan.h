/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline file becomes a plan: sources, steps and sinks, checked, their names resolved to slots,
 * in topological order. Every mistake is found at once, with its place and the nearest known name.
 * A plan is immutable and shared by all shards. Owner: the arena it was made in. */
#ifndef LEAT_TRANSFORMS_PLAN_H
#define LEAT_TRANSFORMS_PLAN_H

#include "core/arena.h"
#include "core/record.h"
#include "schemas/codec.h"
#include "schemas/findings.h"
#include "transforms/guard.h"
#include "transforms/operator.h"
#include "transforms/redis.h"

typedef enum leat_late { LEAT_LATE_UNSET, LEAT_LATE_DROP, LEAT_LATE_TOPIC } leat_late;
typedef enum leat_start_policy {
    LEAT_FROM_EARLIEST,
    LEAT_FROM_LATEST,
    LEAT_FROM_TIME,
} leat_start_policy;

/* A `kafka` key of pipeline, source or sink. */
typedef struct leat_setting {
    leat_str name, value;
    bool secret;
} leat_setting;

/* `schema_registry`; texts that are not given have len 0. */
typedef struct leat_registry_settings {
    const leat_str *urls; /* of one registry */
    size_t urls_count;
    leat_str user, password, token, ca, certificate, private_key;
    int64_t timeout_ms, retry_unknown_ms;
    bool registers;
    int unknown; /* 0: a schema that it does not know makes dead letters; 1: they wait for it */
} leat_registry_settings;

typedef enum leat_sink_kind {
    LEAT_SINK_TOPIC,
    LEAT_SINK_FILE,
    LEAT_SINK_STDOUT,
    LEAT_SINK_DROP,
    LEAT_SINK_REDIS,
} leat_sink_kind;

typedef struct leat_sink {
    uint32_t index; /* in the plan */
    leat_sink_kind kind;
    leat_str place; /* "streams.clean.to" */
    leat_str topic; /* TOPIC: name (none if topic_expr); FILE: path, absolute or relative to cwd */
    leat_expr *topic_expr, *key_expr, *partition_expr; /* NULL: not given */
    struct leat_sink_header {
        leat_str name;
        leat_expr *value;
    } * headers;
    size_t headers_count;
    const leat_step *from; /* layout_out, shape_out, and port below; NULL: right from a source */
    uint32_t from_node, from_port;
    leat_shape *shape;
    const leat_field *layout;
    const leat_view *views; /* of its expressions: LEAT_EXTERN_VIEWS + i */
    size_t views_count;
    leat_expr *tombstone_expr; /* true: the value is null; NULL: not given */
    bool keep_headers;         /* those of the message come first */
    leat_payload payload;      /* of dead letters and late records */
    bool payload_given;
    const leat_codec *codec;      /* NULL: json */
    bool container;               /* FILE: Avro's, not lines; codec is a leat_avro_codec */
    leat_str head;                /* FILE, STDOUT: the first line; data NULL: none */
    const leat_setting *settings; /* `kafka` of the sink */
    size_t settings_count;
    const leat_effect *effect; /* REDIS */
} leat_sink;

typedef struct leat_source leat_source;
struct leat_source {
    uint32_t index;
    leat_str name;
    const leat_str *topics; /* names; a pattern starts with ^; of files: paths, in order */
    size_t topics_count;
    bool files;
    bool tombstones_dropped; /* else null values are dead letters */
    char row_quote;          /* of files: see leat_subscription */
    bool container;          /* of files: Avro's */
    const leat_codec *codec; /* NULL: json */
    leat_shape *shape;
    const leat_field *layout;
    leat_expr *key, *timestamp; /* NULL: the message's own */
    const leat_node *key_node;  /* the text of key; NULL: none */
    const leat_view *views;     /* of its expressions: LEAT_EXTERN_VIEWS + i */
    size_t views_count;
    int64_t out_of_orderness_ms, idle_after_ms; /* idle 0: never */
    leat_late late;
    leat_sink *late_sink;
    const leat_node *late_node; /* the value of late.to */
    const leat_guard *guard;    /* NULL: no stream masks anything */
    leat_start_policy start;
    int64_t start_ms;
    bool stateful; /* some step behind it keeps state or needs time order */
    const leat_setting *settings;
    size_t settings_count;
    /* Tables that steps behind it join. Their topics stand first among `topics` (those of files
     * are read first), partition p of each is read by the task of partition p, and none of them
     * holds a watermark back. */
    leat_source **tables;
    size_t tables_count;
    leat_source *joined_by; /* of a table: the source whose tasks read it; NULL: nobody yet */
};

/* The table among those of source that reads this topic or file; NULL: it is the source's own. */
static inline const leat_source *leat_source_table(const leat_source *source, leat_str topic)
{
    for (size_t i = 0; i < source->tables_count; i++)
        for (size_t k = 0; k < source->tables[i]->topics_count; k++)
            if (leat_str_equal(source->tables[i]->topics[k], topic)) return source->tables[i];
    return NULL;
}

/* One node per source, order and step; nodes of one source are contiguous, inputs first. */
typedef enum leat_node_type { LEAT_AT_SOURCE, LEAT_AT_ORDER, LEAT_AT_STEP } leat_at;
typedef struct leat_plan_node {
    leat_at at;
    uint32_t index;
    uint32_t source;            /* whose records */
    uint32_t input, input_port; /* node it reads (sources: its own index) */
    leat_step *step;            /* STEP; ORDER: the first stateful step behind it, for its place */
    leat_sink *const *sinks;    /* what takes its output, of port sink->from_port */
    size_t sinks_count;
    const uint32_t *next; /* nodes that read it */
    size_t next_count;
} leat_plan_node;

typedef struct leat_plan {
    leat_str name;
    leat_arena *arena;
    const leat_node *root; /* the document, interpolated */
    bool at_least_once;
    int64_t commit_interval_ms;
    uint64_t version_hash; /* of the document without secrets: same text, same hash */
    const leat_setting *kafka;
    size_t kafka_count;
    leat_redis_settings *redis; /* by leat_redis_settings.index */
    size_t redis_count;
    leat_source *sources;
    size_t sources_count;
    leat_source *tables; /* what tables are read from: topics, key, timestamp */
    size_t tables_count;
    leat_plan_node *nodes;
    size_t nodes_count;
    leat_sink **sinks; /* those of streams, late and dead letter */
    size_t sinks_count;
    leat_shape **shapes;
    size_t shapes_count;
    leat_sink *dead_letter; /* NULL: none */
    leat_json_limits limits;
    const leat_registry_settings *registry; /* NULL: none */
    const leat_node *worker; /* the `worker` object; NULL: none; read by worker/config.c */
} leat_plan;

/* What the pure plan needs from outside. */
typedef struct leat_plan_env {
    void *self;
    /* Files that a glob names (sorted), relative to the pipeline file's folder, with their text.
     * Names as they should be shown. want_text false: names only (source files). */
    leat_code (*files)(void *self, leat_str glob, bool want_text, leat_arena *arena,
                       leat_planned_file **files, size_t *count, leat_err *err);
    /* The first bytes of a file (its name as `files` has given it); NULL: nobody can look. */
    leat_code (*head)(void *self, leat_str path, size_t bytes_max, leat_arena *arena,
                      leat_str *text, leat_err *err);
    /* The schema that plan's registry has under a subject (version 0: the latest).
     * LEAT_ERR_NO_FIELD: it has none; UNAVAILABLE: it cannot be asked. NULL: nobody asks. */
    leat_code (*subject)(void *self, const leat_plan *plan, leat_str subject, int64_t version,
                         leat_arena *arena, leat_planned_schema *schema, leat_err *err);
    leat_resolver resolve;                      /* ${env:} and ${file:}; context is self */
    const leat_operator_type *const *operators; /* the registry */
    size_t operators_count;
    const leat_str *overrides; /* --set */
    size_t overrides_count;
    bool check_only; /* an unset ${env:} without default or unreadable ${file:} is a warning, not an
                        error */
} leat_plan_env;

/* text: the pipeline file's. On mistakes *plan is NULL and findings tells; warnings may come with a
 * plan. LEAT_OK also then; an error is one of memory. */
leat_code leat_plan_new(leat_str text, leat_str file, const leat_plan_env *env, leat_arena *arena,
                        leat_findings *findings, leat_plan **plan, leat_err *err) LEAT_CHECKED;
/* The published JSON Schema of pipeline files, from the option tables. */
void leat_plan_schema(const leat_operator_type *const *operators, size_t count, leat_buf *out);
/* The operators' manual (Markdown), from the same tables. */
void leat_plan_manual(const leat_operator_type *const *operators, size_t count, leat_buf *out);

#endif
