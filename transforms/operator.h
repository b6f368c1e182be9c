/* SPDX-License-Identifier: Apache-2.0 */
/* A kind of step. Adding one is one file op_NAME.c that defines a leat_operator_type, and one line
 * in worker/registry.def.
 *
 *   plan      once, on the JSON of the step: read options, compile expressions, edit the layout
 *   open      once per task: make state (tables) if it has any
 *   process   per batch: records in, records out; never changes its input records but for the
 *             slots that it took for itself when it was planned. NULL: nothing to do per record,
 *             planning was all (keep, drop, rename). Never called with an empty batch
 *   advance   event time has moved: fire timers (stateful operators only)
 *   restored  the tables hold what the changelog holds: rebuild what is not in tables (timers)
 *
 * Invariant: output is a function of the record sequence; never of batch cuts, hash order, threads
 * or clocks. A stateful operator gets its records in order of event time, and must let time pass
 * (its own timers <= record's timestamp) before it looks at a record. */
#ifndef LEAT_TRANSFORMS_OPERATOR_H
#define LEAT_TRANSFORMS_OPERATOR_H

#include "core/arena.h"
#include "core/record.h"
#include "core/table.h"
#include "schemas/findings.h"
#include "schemas/layout.h"
#include "transforms/expr.h"
#include "transforms/option.h"

typedef struct leat_planner leat_planner; /* plan.h */
typedef struct leat_trace leat_trace;     /* plan_trace.c */
typedef struct leat_step leat_step;
typedef struct leat_run leat_run; /* one operator in one task */
typedef struct leat_operator_type leat_operator_type;

/* A field that a source's format says there is. */
typedef struct leat_known_field leat_known_field;
struct leat_known_field {
    leat_str name;
    const char *type;               /* as CEL names it; NULL: any */
    const leat_known_field *fields; /* all that it has; NULL: none, or who knows */
    size_t fields_count;
};

/* Records of one shape share their slot numbers: those of one source, or those that one step makes
 * (detect). Slots of a shape are requested while planning and filled by the codec. */
typedef struct leat_shape {
    uint32_t index;              /* in the plan */
    leat_slot_request *requests; /* what the codec fills */
    size_t requests_count, requests_size;
    uint32_t slots;  /* how many a record has */
    uint32_t *memos; /* those that remember common subexpressions (expr_memo.c) */
    size_t memos_count, memos_size;
    struct leat_json_plan *json;   /* made when the plan is complete */
    bool raw_unread;               /* no step, sink or expression needs `raw` (plan_raw.c) */
    const leat_known_field *known; /* all there are in a record as it comes; NULL: who knows */
    size_t known_count;
} leat_shape;

/* What LEAT_REF_EXTERN's index means in scopes of the planner. */
enum leat_extern {
    LEAT_EXTERN_META_KEY,       /* the record's: string if it is UTF-8, else bytes; null: none */
    LEAT_EXTERN_META_TOPIC,     /* string; of a file its path */
    LEAT_EXTERN_META_PARTITION, /* int */
    LEAT_EXTERN_META_OFFSET,    /* int; of a file the line */
    LEAT_EXTERN_META_TIMESTAMP, /* timestamp: the record's event time */
    LEAT_EXTERN_META_HEADERS,   /* map: values as of meta.key; of two of one name the last */
    LEAT_EXTERN_META_WATERMARK, /* timestamp or null */
    LEAT_EXTERN_META,           /* map of all of these */
    LEAT_EXTERN_VIEWS,          /* + i: views[i] of the step, source or sink (leat_view_load) */
    LEAT_EXTERN_OWN = 1 << 16,  /* from here on: free for an operator's own scopes */
};

/* A value that no single slot holds: the record or an object of which steps have changed members
 * (`event`; `a` after a set of a.b), or something inside a slot's value (`a.b` after a set of a).
 * It is put together when somebody asks. */
typedef struct leat_view {
    const leat_field *field; /* the root (base: the record's raw), or a field below it */
    leat_path path;          /* what to select in it; count 0: the field itself */
    bool exact;              /* numbers keep their text; composites come as JSON text */
} leat_view;
/* MISSING when it is not there. Cost: of the object's size. */
leat_code leat_view_load(const leat_view *view, const leat_record *record, leat_arena *arena,
                         leat_value *value, leat_err *err) LEAT_CHECKED;
/* What leat_planner_read found inside another slot's value: exec loads `view` into `slot` of every
 * record before the step's process sees it. */
typedef struct leat_fill {
    uint32_t slot;
    leat_view view;
} leat_fill;

/* A planned step: a node of the plan. Immutable when planned. Owner: the plan's arena. */
struct leat_step {
    const leat_operator_type *type;
    uint32_t index;  /* node number in the plan; inputs come first */
    leat_str place;  /* "streams.clean.steps[0].filter" */
    leat_str stream; /* "clean" */
    leat_shape *shape_in;
    const leat_field *layout_in;  /* of the records that come in */
    leat_shape *shape_out;        /* shape_in, or a new one (leat_planner_new_shape) */
    const leat_field *layout_out; /* while planning: as edited so far; begins as layout_in */
    uint32_t ports;               /* outputs: 1; split: one per route, and a batch for each */
    const leat_str *routes;       /* split sets it (arena): the ports' names; else NULL */
    const leat_view *views;       /* for LEAT_EXTERN_VIEWS + i */
    size_t views_count;
    const leat_fill *fills; /* for exec, before process */
    size_t fills_count;
    bool slots_only;    /* it never takes the record as text, whatever others of its type do */
    bool rekeys;        /* it keeps state by a key that is not known to be the source's */
    const void *config; /* the operator's own */
};

struct leat_operator_type {
    const char *name;
    const char *doc;    /* a paragraph for the manual, Markdown */
    const char *schema; /* JSON Schema of the step's value as text; NULL: from `options` */
    const leat_option *options;
    size_t options_count;
    const char
        *brief;     /* the option that may stand for all: {"explode": "items"}; NULL: none does */
    bool per_field; /* the value is an object of field paths, each with options (or the brief) */
    bool stateful;
    bool parks; /* it may stop in the middle: leat_run_park */
    /* json: the step's value. Mistakes become findings of the planner; returns false if any.
     * Sets step->config; edits layout_out by the functions below; shape_out, ports and routes when
     * they differ from one port of the same shape. */
    bool (*plan)(leat_planner *planner, leat_step *step, const leat_node *json);
    /* Of a step that makes new records: tells by leat_trace_came which fields of a record that came
     * in the field at path of one that it makes may come from. False, or NULL: any. */
    bool (*trace)(leat_trace *trace, const leat_step *step, leat_path path);
    leat_code (*open)(leat_run *run, leat_err *err);
    void (*close)(leat_run *run); /* its tables are gone by then */
    leat_code (*process)(leat_run *run, const leat_batch *in, leat_err *err);
    leat_code (*advance)(leat_run *run, int64_t watermark_ms, leat_err *err);
    leat_code (*restored)(leat_run *run, leat_err *err);
};

/* --- while planning (transforms/plan.c) --- */

leat_arena *leat_planner_arena(leat_planner *planner); /* the plan's */
leat_findings *leat_planner_findings(leat_planner *planner);
/* A scope of the record as step->layout_out has it now, so that a later edit of the step does not
 * change what was compiled before, and `set` sees its own earlier assignments: bare names are
 * fields, `event` the whole value, `meta.*` the rest. Names of CEL's types (int, string ...) stay
 * types, but `type` alone is the field. A field that nobody has set becomes a slot request. A field
 * that an earlier step has removed is MISSING, and warned of. */
leat_scope *leat_planner_scope(leat_planner *planner, leat_step *step);
/* Compiles the string at node in `scope` (NULL: leat_planner_scope of step); a mistake becomes a
 * finding with its column, and NULL is returned. A bare path is read exactly (numbers as NUMBER).
 */
leat_expr *leat_planner_expr(leat_planner *planner, leat_step *step, const leat_node *node,
                             leat_scope *scope);
/* Fails when the expression's type can never be `type` ("bool"). */
bool leat_planner_expect(leat_planner *planner, const leat_node *node, const leat_expr *expr,
                         const char *type);
/* The string at node as a path into the plan's arena; a mistake becomes a finding. */
bool leat_planner_path(leat_planner *planner, const leat_node *node, leat_path *path);
/* The same of node's key ({"set": {"a.b": ...}}). */
bool leat_planner_path_key(leat_planner *planner, const leat_node *node, leat_path *path);
/* How many members the object has, at most max; 0: it is none, or has none or more, and `mistake`
 * was made a finding. */
size_t leat_planner_members(leat_planner *planner, const leat_node *object, size_t max,
                            const char *mistake);
/* Layout edits: they replace step->layout_out by a new tree, sharing what did not change. What is
 * asked for by path (read, parents) is asked of layout_out as it is at the call: a rename reads all
 * its sources first, then drops, then assigns. */
/* A slot with the present value of path, exact; MISSING where there is none. Never a slot to write
 * to. Where it has to be looked up at run time, step->fills says how and exec does it; so what was
 * assigned in this same step can be read whole, but not a field inside it (a finding). */
uint32_t leat_planner_read(leat_planner *planner, leat_step *step, leat_path path);
/* A fresh slot that stands for path from now on; missing parents are made. MISSING in it: no such
 * field. */
uint32_t leat_planner_assign(leat_planner *planner, leat_step *step, leat_path path);
/* False: the source's format knows its fields, and path does not begin with one of them as far as
 * no step has set it. *nearest: what may have been meant. */
bool leat_planner_known(leat_planner *planner, const leat_step *step, leat_path path,
                        leat_str *nearest);
/* Slots of path's parents as they are now (call it before assign): the step has to reject a record
 * for which leat_parents_good is false. Owner: the plan. */
typedef struct leat_parents {
    const uint32_t *slots;
    size_t count;
} leat_parents;
leat_parents leat_planner_parents(leat_planner *planner, leat_step *step, leat_path path);
/* Is each of them either an object or not there, so that the path can be assigned? */
static inline bool leat_parents_good(leat_parents parents, const leat_record *record)
{
    for (size_t i = 0; i < parents.count; i++) {
        leat_value value = record->slots[parents.slots[i]];
        bool object = value.tag == LEAT_MISSING || value.tag == LEAT_MAP ||
                      (value.tag == LEAT_JSON && value.len > 0 && value.as.text[0] == '{');
        if (LEAT_UNLIKELY(!object)) return false;
    }
    return true;
}
/* From now on path stands for a slot that leat_planner_read or leat_expr_is_slot gave: an
 * assignment that costs nothing per record (but the check that it is not MISSING, which is the
 * step's). */
void leat_planner_alias(leat_planner *planner, leat_step *step, leat_path path, uint32_t slot);
void leat_planner_drop(leat_planner *planner, leat_step *step, leat_path path);
void leat_planner_keep(leat_planner *planner, leat_step *step, const leat_path *paths,
                       size_t count);
/* A slot of the shape that no field stands for (scratch of the step). */
uint32_t leat_planner_slot(leat_planner *planner, leat_shape *shape);
/* The step makes records of its own: their `raw` is JSON text, all fields of it are open. Compile
 * what reads the records that come in before this. */
void leat_planner_new_shape(leat_planner *planner, leat_step *step);
/* What leaves through `port` (not 0, which is the stream's own) goes to the sink, or list of sinks,
 * at node. After leat_planner_new_shape, where the step has a shape of its own. */
void leat_planner_sink(leat_planner *planner, const leat_step *step, uint32_t port,
                       const leat_node *node);
/* Files that a glob (relative to the pipeline file) names, in order of name. Finding if none. */
typedef struct leat_planned_file {
    leat_str name, text;
} leat_planned_file;
bool leat_planner_files(leat_planner *planner, const leat_node *glob, leat_planned_file **files,
                        size_t *count);
/* The schema that the pipeline's registry has under the subject at node; version: a number or
 * "latest", which is what NULL means. text data NULL: nobody could be asked, which only matters to
 * a pipeline that is run. False: a finding. */
typedef struct leat_planned_schema {
    leat_str name; /* as it should be shown */
    leat_str text;
    bool json; /* a JSON Schema, not Avro's */
} leat_planned_schema;
bool leat_planner_subject(leat_planner *planner, const leat_node *node, const leat_node *version,
                          leat_planned_schema *schema);
/* The pipeline's `mask` keys: the name of the one that writes (data NULL if not set), a key by its
 * name (none: mask.key), all that have names. */
typedef struct leat_mask_key {
    leat_str id, key;
} leat_mask_key;
leat_str leat_planner_mask_key_id(leat_planner *planner);
leat_str leat_planner_mask_key_of(leat_planner *planner, leat_str id);
const leat_mask_key *leat_planner_mask_keys(leat_planner *planner, size_t *count);
/* Some ${...} could not be resolved (check only): texts that should be keys may be references. */
bool leat_planner_unresolved(const leat_planner *planner);
/* Where the values of slots that a step fills come from: said for each of them, so that masks are
 * traced back to the incoming record. What is not said counts as anything.
 * Slot `to` gets, or may get, what `from` has ... */
void leat_planner_copies(leat_planner *planner, const leat_step *step, uint32_t to, uint32_t from);
/* ... or something that is in it ... */
void leat_planner_reads_in(leat_planner *planner, const leat_step *step, uint32_t to,
                           uint32_t from);
/* ... or what it has, masked ... */
void leat_planner_hides(leat_planner *planner, const leat_step *step, uint32_t to, uint32_t from);
/* ... or what the expression that was compiled last gives ... */
void leat_planner_computes(leat_planner *planner, const leat_step *step, uint32_t to);
/* ... or what stands in no record that comes in: in this table, or (NULL) in Redis, or nowhere. */
struct leat_source;
void leat_planner_elsewhere(leat_planner *planner, const leat_step *step, uint32_t to,
                            const struct leat_source *table);
/* Of leat_operator_type.trace: the field in question is the one at path of the record that came in
 * (whole), or is inside it. */
void leat_trace_came(leat_trace *trace, const leat_step *step, leat_path path, bool whole);
leat_arena *leat_trace_arena(leat_trace *trace);
/* The step hides what `slot` (of leat_planner_read) has, by this rule (transforms/masking.h). */
struct leat_mask_rule;
void leat_planner_masked(leat_planner *planner, const leat_step *step, const leat_node *node,
                         uint32_t slot, const struct leat_mask_rule *rule);
/* The `key` expression of the stream's source as it was written; NULL: the record's key. */
const leat_node *leat_planner_source_key(leat_planner *planner, const leat_step *step);
/* That expression as it was compiled, good for records of this step: the slots that it reads are
 * the source's own, whatever steps have assigned since. NULL: there is none, or it reads what only
 * the source can put together. */
const leat_expr *leat_planner_source_key_expr(leat_planner *planner, const leat_step *step);
/* The table called so at node, which the tasks of the step's source will read; NULL: a finding. */
const struct leat_source *leat_planner_table(leat_planner *planner, const leat_step *step,
                                             const leat_node *node);
leat_str leat_planner_pipeline_name(leat_planner *planner);
/* The Redis server that the pipeline calls so; name NULL: the only one. NULL: a finding (on `at`,
 * if there is no name to complain of). */
struct leat_redis_settings *leat_planner_redis(leat_planner *planner, const leat_node *name,
                                               const leat_node *at);
void *leat_planner_alloc(leat_planner *planner, size_t bytes); /* zeroed, never NULL */

/* --- while running (transforms/exec_run.c) --- */

/* A place where expressions are evaluated, and the record in hand there. */
typedef struct leat_site {
    const leat_view *views; /* of the step, source or sink */
    const leat_record *record;
} leat_site;
/* What the planner's scopes call LEAT_REF_EXTERN: self is a leat_site. An operator with names of
 * its own (LEAT_EXTERN_OWN) handles those and passes the others on to what leat_run_eval has set.
 */
leat_code leat_site_load(void *self, uint32_t index, leat_arena *arena, leat_value *value,
                         leat_err *err) LEAT_CHECKED;

struct leat_run {
    const leat_step *step;
    void *state; /* the operator's own, from open */
    struct leat_exec *exec;
    leat_site site;
};

/* Makes a table of this step in this task; its name is "<stream>.<step name or index>.<name>".
 * In `open` only. */
leat_code leat_run_table(leat_run *run, const char *name, const leat_table_type *type, void *self,
                         leat_table **table, leat_err *err) LEAT_CHECKED;
leat_arena *leat_run_arena(leat_run *run); /* the batch's */
/* How to ask Redis (transforms/redis.h); NULL where nobody can be asked. */
const struct leat_lookup_port *leat_run_port(const leat_run *run);
/* An evaluation context over record's slots (and its meta fields); valid until the next call for
 * this run. */
void leat_run_eval(leat_run *run, const leat_record *record, leat_eval *eval);
/* Hands a record to the next nodes through `port` (0 but for split). Records leave in the order of
 * this call. */
leat_code leat_run_emit(leat_run *run, uint32_t port, leat_record *record,
                        leat_err *err) LEAT_CHECKED;
/* A record of shape_out with this JSON text (copied into the batch arena), this key and time;
 * `cause` is what triggered it (its message is named in dead letters), NULL: time did, and
 * timestamp_ms is when (the timer's time). Emits it. */
leat_code leat_run_make(leat_run *run, uint32_t port, leat_str json, leat_str key,
                        int64_t timestamp_ms, const leat_record *cause, leat_err *err) LEAT_CHECKED;
/* The step has made as much as one look at the outputs should hold: where it can stop it should
 * (leat_run_park), and go on when it is called again. */
bool leat_run_full(const leat_run *run);
/* Of a step that `parks`. In process: the records of its batch from `from` on have not been worked
 * on, and come again in front of whatever comes then; in restored and in advance (in NULL): advance
 * has to be called again. The task takes no more messages meanwhile, and no step behind this one
 * learns that time has passed; a commit may come in between. What else the step has to remember is
 * its own. */
leat_code leat_run_park(leat_run *run, const leat_batch *in, size_t from,
                        leat_err *err) LEAT_CHECKED;
/* The record goes to the dead letter as it came, with why's text; the step goes on. why's blame
 * must be RECORD: anything else is passed back. A record that the step has made up for this has no
 * message, its own text as raw, and as its time the timer's. */
leat_code leat_run_reject(leat_run *run, const leat_record *record, const leat_err *why,
                          leat_err *err) LEAT_CHECKED;
/* What becomes of a record that a step has looked at: it goes on, or why not. */
static inline leat_code leat_run_settle(leat_run *run, leat_record *record, leat_code code,
                                        const leat_err *why, leat_err *err)
{
    return LEAT_LIKELY(code == LEAT_OK) ? leat_run_emit(run, 0, record, err)
                                        : leat_run_reject(run, record, why, err);
}
/* What the table holds under key as of the record's time, a JSON or MAP in the batch arena: the
 * latest value at or before that time, of what had come when the record came here. MISSING:
 * nothing. */
leat_code leat_run_table_at(leat_run *run, const struct leat_source *table, leat_str key,
                            const leat_record *record, leat_value *value,
                            leat_err *err) LEAT_CHECKED;
/* Records that the step lets go on purpose: counted under reason ("filtered", "no_route",
 * "late"; all others together, as dropped). */
void leat_run_count(leat_run *run, const char *reason, uint64_t count);
/* The record's value as JSON, as layout_in describes it; in the batch arena, or the record's own
 * text if no step has changed it. */
leat_code leat_run_encode(leat_run *run, const leat_record *record, leat_str *json,
                          leat_err *err) LEAT_CHECKED;
/* The same for those who copy it at once: valid until any other function of the run is called. */
leat_code leat_run_text(leat_run *run, const leat_record *record, leat_str *json,
                        leat_err *err) LEAT_CHECKED;

#endif
