/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the planner share; nobody else includes it.
 *
 *   plan.c         the way from text to plan; settings of the pipeline; mistakes of texts
 *   plan_settings.c  first level, `worker`, `kafka`
 *   plan_registry.c  `schema_registry`
 *   plan_raw.c     who reads a record as text
 *   plan_source.c  sources
 *   plan_sink.c    sinks, topic names
 *   plan_format.c  `format` of sources and sinks
 *   plan_redis.c   Redis servers
 *   plan_effect.c  sinks that write to them
 *   plan_guard.c   masks of what goes out as it came; keys of masks
 *   plan_trace.c   where a masked value comes from, and where copies of it go
 *   plan_stream.c  streams and steps, in an order in which inputs come first
 *   plan_scope.c   names in expressions -> slots, meta, views
 *   plan_layout.c  what a record looks like behind a step: read, assign, drop, keep
 *   plan_schema.c  the published JSON Schema and the manual
 *   view.c         values that no single slot holds, at run time
 *
 * Thread: the caller's of leat_plan_new. */
#ifndef LEAT_TRANSFORMS_PLAN_INSIDE_H
#define LEAT_TRANSFORMS_PLAN_INSIDE_H

#include "core/map.h"
#include "transforms/format.h"
#include "transforms/plan.h"

#define PLAN_STREAMS_MAX 1000 /* of one pipeline; the planner goes down a chain by recursion */
#define PLAN_STEPS_MAX   1000 /* of one stream */
#define PLAN_SOURCES_MAX 1000

/* A place in the plan that a stream or a sink can read from. */
typedef struct plan_point {
    uint32_t node, port;
    uint32_t source; /* index */
    leat_shape *shape;
    const leat_field *layout;
    const leat_shape *ordered; /* the shape whose records an ORDER node has put in order; or NULL */
} plan_point;

typedef struct plan_stream {
    leat_str name;
    const leat_node *node, *from, *steps, *to;
    struct plan_stream *from_stream; /* or */
    leat_source *from_source;        /* or neither: `from` is wrong */
    leat_str from_route;             /* data NULL: none */
    plan_point end;                  /* behind the last step */
    const leat_step *last;           /* its last step; NULL: none */
    bool planned;
    bool read;   /* some stream reads it */
    bool broken; /* some step could not be planned */
} plan_stream;

/* What slot `to` may have its value from. */
typedef enum plan_how {
    PLAN_COPIES,    /* it has what `from` has, perhaps of another type */
    PLAN_HIDES,     /* likewise, masked */
    PLAN_IS_IN,     /* it has something that is in `from` */
    PLAN_MADE_OF,   /* it was computed from `from` */
    PLAN_ELSEWHERE, /* from no field of the record: a constant, Redis, a table */
    PLAN_LOST,      /* from the whole record, or its key */
} plan_how;
typedef struct plan_origin {
    const leat_shape *shape;
    uint32_t to, from;
    plan_how how;
    const leat_source *table; /* ELSEWHERE: NULL if it is none */
} plan_origin;

/* A field that a mask step, or the dead letter's own rules, want hidden. Each mask of a step has
 * one entry for itself (path.count 0, no table) behind those of what it was traced to. */
typedef struct plan_masked {
    uint32_t source; /* UINT32_MAX: all */
    const leat_node *node;
    leat_path path; /* in the record as it comes */
    leat_mask_rule rule;
    bool inside;              /* the value is inside that field, or was made of it */
    const leat_source *table; /* or it comes from this table */
    const leat_step *step;    /* of the mask, and the slot it reads; NULL: the dead letter's own */
    uint32_t slot;
    bool lost; /* of the entry for itself: not all that it comes from could be told */
} plan_masked;

/* Where an expression stands: which record it sees, and who keeps its views. */
typedef struct plan_site {
    leat_shape *shape;
    const leat_field *layout;
    const leat_view **views;
    size_t *views_count;
} plan_site;

struct leat_planner {
    leat_plan *plan;
    leat_arena *arena;
    leat_findings *findings;
    const leat_plan_env *env;
    leat_str file;
    leat_node *root;
    leat_str mask_key, mask_key_id;
    leat_mask_key *mask_keys; /* those with a name */
    size_t mask_keys_count;
    plan_masked *masked;
    size_t masked_count, masked_size;
    plan_origin *origins;
    size_t origins_count, origins_size;
    uint32_t *reads; /* slots that the expression compiled last reads */
    size_t reads_count, reads_size;
    bool reads_all;                    /* it reads the whole record, or its key or headers */
    leat_expr_repeats *repeats;        /* what stands in several expressions */
    leat_map *memos;                   /* shape and subexpression -> slot */
    const leat_node *dead_letter_mask; /* its rules; NULL: none */

    plan_stream *streams;
    size_t streams_count;
    plan_point *starts; /* of the sources' nodes, by source */
    size_t nodes_size, sinks_size, shapes_size;

    /* The step in hand. */
    const leat_node *step_node;
    uint32_t step_slots;  /* slots of its shape from here on are its own, or requests */
    uint32_t step_source; /* index of the source it hangs on */
    uint32_t edit;        /* fields of this number nobody has seen yet: they are changed in place */

    leat_str unknown; /* a name that it met though the source has no such field */
    leat_str unknown_path, unknown_nearest; /* up to there; what may have been meant */
    leat_str removed; /* a name that the last compilation met though a step has removed it */
    const leat_node **unresolved; /* texts in which a reference is left */
    size_t unresolved_count, unresolved_size;
    bool incomplete; /* something could not be resolved (check_only): no plan, but no mistake */
    void **overflow; /* blocks that the arena had no room for: freed when planning ends */
    size_t overflow_count;
};

/* The settings of the pipeline file's first level. */
typedef struct plan_top {
    leat_str name, schema, description;
    int guarantee;
    const leat_node *kafka, *redis, *schema_registry, *sources, *tables, *streams, *dead_letter,
        *worker;
    leat_str mask_key, mask_key_id;
    const leat_node *mask_keys;
    uint64_t record_bytes_max;
    int64_t depth_max;
    int64_t commit_interval_ms;
} plan_top;

/* --- plan.c --- */
bool plan_failed(const leat_planner *planner); /* memory is gone: stop */
leat_str plan_copy(leat_planner *planner, leat_str str);
/* An array that grows by doubling: room for one more. Returns it, moved or not. */
void *plan_room(leat_planner *planner, const void *items, size_t count, size_t *size, size_t bytes);
/* The same without a size to keep: room is what the next power of two has. */
void *plan_grow(leat_planner *planner, const void *items, size_t count, size_t bytes);
/* A text in which a reference is left: nothing more can be said about it. */
bool plan_unresolved(leat_planner *planner, const leat_node *node);
/* Its text for a message; "***" for a secret. */
leat_str plan_shown(const leat_node *node);
/* Names of streams and sources: letters, digits, _ and -. */
bool plan_name_good(leat_planner *planner, const leat_node *node);

/* --- plan_settings.c --- */
extern const leat_option plan_top_options[];
extern const size_t plan_top_options_count;
extern const leat_option plan_worker_options[];
extern const size_t plan_worker_options_count;
/* `kafka` properties; object may be NULL. */
void plan_settings(leat_planner *planner, const leat_node *object, const leat_setting **settings,
                   size_t *count);
void plan_warn_security(leat_planner *planner, const leat_node *kafka);
void plan_worker(leat_planner *planner, const leat_node *node);

/* --- plan_registry.c --- */
extern const leat_option plan_registry_options[];
extern const size_t plan_registry_options_count;
void plan_registry(leat_planner *planner, const leat_node *node);

/* --- plan_raw.c --- */
void plan_raw(leat_plan *plan);

/* --- plan_source.c --- */
extern const leat_option plan_source_options[];
extern const size_t plan_source_options_count;
void plan_sources(leat_planner *planner, const leat_node *object);
extern const leat_option plan_table_options[];
extern const size_t plan_table_options_count;
void plan_tables(leat_planner *planner, const leat_node *object);
/* When all streams are planned: tables join the topics of their sources. */
void plan_tables_settle(leat_planner *planner, const leat_node *object);

/* --- plan_sink.c --- */
#define PLAN_FORMAT_SHAPE "{\"$ref\": \"#/definitions/format\"}"
#define PLAN_KAFKA_SHAPE  "{\"$ref\": \"#/definitions/kafka\"}"
extern const leat_option plan_sink_options[];
extern const size_t plan_sink_options_count;
bool plan_is_text(leat_planner *planner, const leat_node *node, const char *what);
bool plan_topic_name(leat_planner *planner, const leat_node *node);
/* A sink (or list of them) behind `point`. */
void plan_sinks(leat_planner *planner, const leat_node *node, const plan_point *point,
                const leat_step *from);
/* A sink for records as they came: late ones, dead letters. */
leat_sink *plan_plain_sink(leat_planner *planner, const leat_node *node, leat_payload payload);
/* Topics read twice, or read and written. */
void plan_check_topics(leat_planner *planner, const leat_node *sources);
void plan_check_files(leat_planner *planner, const leat_node *streams);

/* --- plan_format.c --- */
/* node may be NULL: json. False: a mistake. */
bool plan_format(leat_planner *planner, const leat_node *node, leat_format_site *site);
const leat_known_field *plan_known_find(const leat_shape *shape, leat_str name); /* NULL: none */
/* Is every name of the path one that the format knows? Else *at is the first that is not, and
 * *nearest what may have been meant. */
bool plan_known_path(leat_planner *planner, const leat_shape *shape, leat_path path, size_t *at,
                     leat_str *nearest);
void plan_format_schema(leat_buf *out);
void plan_format_manual(leat_buf *out);

/* Relative to the pipeline file's folder. */
leat_str plan_located(leat_planner *planner, leat_str path);

/* --- plan_redis.c --- */
extern const leat_option plan_redis_options[];
extern const size_t plan_redis_options_count;
void plan_redis(leat_planner *planner, const leat_node *object);

/* --- plan_effect.c --- */
extern const leat_option plan_effect_options[];
extern const size_t plan_effect_options_count;
/* `{"redis": ...}` of a sink. */
void plan_effect(leat_planner *planner, leat_sink *sink, const leat_node *node, plan_site site,
                 uint32_t source);

/* --- plan_guard.c --- */
void plan_masked_add(leat_planner *planner, plan_masked one);
void plan_mask_keys(leat_planner *planner, const plan_top *top);
void plan_guards(leat_planner *planner); /* when streams and the dead letter are planned */

/* --- plan_trace.c --- */
void plan_read_note(leat_planner *planner, uint32_t slot); /* the expression in hand reads it */
void plan_read_field(leat_planner *planner, const leat_field *field);
/* A field of this layout that holds, unmasked, what the mask step hides; count 0: none. */
leat_path plan_copy_in_clear(leat_planner *planner, const plan_masked *one, const leat_shape *shape,
                             const leat_field *layout);

/* --- plan_stream.c --- */
extern const leat_option plan_stream_options[];
extern const size_t plan_stream_options_count;
void plan_streams(leat_planner *planner, const leat_node *object);
leat_shape *plan_shape_new(leat_planner *planner);
const leat_field *plan_layout_open(leat_planner *planner); /* a record as it came */

/* --- plan_scope.c --- */
leat_scope *plan_scope_new(leat_planner *planner, plan_site site);
leat_expr *plan_expr(leat_planner *planner, const leat_node *node, plan_site site,
                     leat_scope *scope);
/* Looks through all texts of the streams for what stands in several expressions. */
void plan_repeats(leat_planner *planner, const leat_node *node);
uint32_t plan_view_add(leat_planner *planner, plan_site site, leat_view view);

/* --- plan_layout.c --- */
typedef enum plan_found_kind {
    PLAN_FOUND_SLOT,    /* in `slot` */
    PLAN_FOUND_REQUEST, /* untouched: at `path` of the record as it came */
    PLAN_FOUND_INSIDE,  /* in the value of `slot`, at `path` */
    PLAN_FOUND_OBJECT,  /* `field`, some members of which steps have changed */
    PLAN_FOUND_NOTHING, /* removed, or not kept */
} plan_found_kind;
typedef struct plan_found {
    plan_found_kind kind;
    uint32_t slot;
    const leat_field *field;
    leat_path path;
    size_t used;   /* names up to the slot */
    bool overlaid; /* INSIDE: other members of the object have been changed */
} plan_found;
plan_found plan_layout_find(leat_planner *planner, const leat_shape *shape,
                            const leat_field *layout, leat_path path);
uint32_t plan_request(leat_planner *planner, leat_shape *shape, leat_path path, bool exact);
/* Where a slot's value comes from, if the decoder fills it; NULL: a step does. */
const leat_slot_request *plan_request_of(const leat_shape *shape, uint32_t slot);
/* A slot as a field, for views. */
const leat_field *plan_slot_field(leat_planner *planner, uint32_t slot);
leat_path plan_path_copy(leat_planner *planner, leat_path head, leat_path tail);

#endif
