/* SPDX-License-Identifier: Apache-2.0 */
/* Where a value comes from: from a slot at some step back to fields of the record as it came in, so
 * that what a stream masks can be masked in a record that never came so far.
 *
 *   source: {"line": "...", "items": [{"pan": ...}]}
 *   explode items        pan of the new record  <-  is in `items` of the one before
 *   rename               card                   <-  is `items.pan` of it
 *   mask {"card": ...}   traced from here: `items`, in which it is
 *
 * Within a shape, each step that fills a slot says from which slots it does (an origin). Between
 * shapes, the step that makes the new records says which fields of the old ones a field may come
 * from (leat_operator_type.trace). A trace may find too much, which masks too much; it must never
 * find too little. So what nobody has told the origin of is lost, not harmless: a slot without one,
 * a field behind a script. The guard then holds the whole record back.
 *
 * The same origins, followed forward, tell whether a copy of a masked field goes on in clear.
 *
 * Refused: marking values at run time, which costs every record for what is known beforehand.
 * Cost: of planning; a trace that takes more than TRACE_STEPS_MAX steps is lost. */
#include "transforms/plan_inside.h"

#define TRACE_STEPS_MAX 100000

/* Slots of a shape that the trace has been at. */
typedef struct trace_seen {
    const leat_shape *shape;
    bool *slots;
    struct trace_seen *next;
} trace_seen;

struct leat_trace {
    leat_planner *planner;
    const leat_source *source;
    plan_masked one;
    trace_seen *seen;
    bool whole; /* the value is that of the masked field; else it is in it, or made of it */
    bool lost;
    size_t steps;
};

/* --- origins --- */

static void origin_add(leat_planner *planner, plan_origin origin)
{
    if (origin.from == LEAT_SLOT_NONE) return;
    planner->origins = plan_room(planner, planner->origins, planner->origins_count,
                                 &planner->origins_size, sizeof *planner->origins);
    planner->origins[planner->origins_count++] = origin;
}

void leat_planner_copies(leat_planner *planner, const leat_step *step, uint32_t to, uint32_t from)
{
    origin_add(planner,
               (plan_origin){.shape = step->shape_in, .to = to, .from = from, .how = PLAN_COPIES});
}

void leat_planner_reads_in(leat_planner *planner, const leat_step *step, uint32_t to, uint32_t from)
{
    origin_add(planner,
               (plan_origin){.shape = step->shape_in, .to = to, .from = from, .how = PLAN_IS_IN});
}

void leat_planner_hides(leat_planner *planner, const leat_step *step, uint32_t to, uint32_t from)
{
    origin_add(planner,
               (plan_origin){.shape = step->shape_in, .to = to, .from = from, .how = PLAN_HIDES});
}

void leat_planner_elsewhere(leat_planner *planner, const leat_step *step, uint32_t to,
                            const leat_source *table)
{
    origin_add(
        planner,
        (plan_origin){
            .shape = step->shape_in, .to = to, .from = to, .how = PLAN_ELSEWHERE, .table = table});
}

void leat_planner_computes(leat_planner *planner, const leat_step *step, uint32_t to)
{
    if (planner->reads_count == 0 && !planner->reads_all)
        leat_planner_elsewhere(planner, step, to, NULL); /* a constant */
    if (planner->reads_all)
        origin_add(planner,
                   (plan_origin){.shape = step->shape_in, .to = to, .from = to, .how = PLAN_LOST});
    for (size_t i = 0; i < planner->reads_count; i++)
        origin_add(planner, (plan_origin){.shape = step->shape_in,
                                          .to = to,
                                          .from = planner->reads[i],
                                          .how = PLAN_MADE_OF});
}

void plan_read_note(leat_planner *planner, uint32_t slot)
{
    for (size_t i = 0; i < planner->reads_count; i++)
        if (planner->reads[i] == slot) return;
    planner->reads = plan_room(planner, planner->reads, planner->reads_count, &planner->reads_size,
                               sizeof *planner->reads);
    planner->reads[planner->reads_count++] = slot;
}

void plan_read_field(leat_planner *planner, const leat_field *field)
{
    if (field->kind == LEAT_FIELD_REMOVED) return;
    if (field->slot != LEAT_SLOT_NONE)
        plan_read_note(planner, field->slot);
    else if (field->open)
        planner->reads_all = true; /* the record as it is */
    for (const leat_field *child = field->fields; child != NULL; child = child->next)
        plan_read_field(planner, child);
}

/* --- back to the source --- */

static void trace_slot(leat_trace *trace, const leat_shape *shape, uint32_t slot, bool whole);

/* The step that makes records of this shape; NULL: a source does. */
static const leat_step *maker_of(const leat_planner *planner, const leat_shape *shape)
{
    const leat_plan *plan = planner->plan;
    for (size_t i = 0; i < plan->nodes_count; i++) {
        const leat_step *step = plan->nodes[i].at == LEAT_AT_STEP ? plan->nodes[i].step : NULL;
        if (step != NULL && step->shape_out == shape && step->shape_in != shape) return step;
    }
    return NULL;
}

static void found(leat_trace *trace, leat_path path, bool whole)
{
    plan_masked one = trace->one;
    one.path = plan_path_copy(trace->planner, path, (leat_path){NULL, 0});
    one.inside = !whole;
    plan_masked_add(trace->planner, one);
}

/* A field of a record of this shape as it is when it is made. */
static void trace_path(leat_trace *trace, const leat_shape *shape, leat_path path, bool whole)
{
    LEAT_ASSERT(path.count > 0);
    if (shape == trace->source->shape) {
        found(trace, path, whole);
        return;
    }
    const leat_step *maker = maker_of(trace->planner, shape);
    bool before = trace->whole;
    trace->whole = whole;
    if (maker == NULL || maker->type->trace == NULL || !maker->type->trace(trace, maker, path))
        trace->lost = true;
    trace->whole = before;
}

static void trace_field(leat_trace *trace, const leat_shape *shape, const leat_field *field)
{
    if (field->kind == LEAT_FIELD_REMOVED) return;
    if (field->slot != LEAT_SLOT_NONE) trace_slot(trace, shape, field->slot, false);
    for (const leat_field *child = field->fields; child != NULL; child = child->next)
        trace_field(trace, shape, child);
}

void leat_trace_came(leat_trace *trace, const leat_step *step, leat_path path, bool whole)
{
    plan_found at = plan_layout_find(trace->planner, step->shape_in, step->layout_in, path);
    whole = whole && trace->whole;
    switch (at.kind) {
    case PLAN_FOUND_REQUEST: trace_path(trace, step->shape_in, at.path, whole); return;
    case PLAN_FOUND_SLOT: trace_slot(trace, step->shape_in, at.slot, whole); return;
    case PLAN_FOUND_INSIDE: trace_slot(trace, step->shape_in, at.slot, false); return;
    case PLAN_FOUND_OBJECT: trace_field(trace, step->shape_in, at.field); return;
    case PLAN_FOUND_NOTHING: return;
    }
}

leat_arena *leat_trace_arena(leat_trace *trace)
{
    return trace->planner->arena;
}

/* Has the trace been there before? It has now. */
static bool seen_before(leat_trace *trace, const leat_shape *shape, uint32_t slot)
{
    trace_seen *seen = trace->seen;
    while (seen != NULL && seen->shape != shape)
        seen = seen->next;
    if (seen == NULL) {
        seen = leat_planner_alloc(trace->planner, sizeof *seen);
        seen->slots = leat_planner_alloc(trace->planner, shape->slots * sizeof(bool));
        seen->shape = shape;
        seen->next = trace->seen;
        trace->seen = seen;
    }
    LEAT_ASSERT(slot < shape->slots);
    if (seen->slots[slot]) return true;
    seen->slots[slot] = true;
    return false;
}

static void trace_origin(leat_trace *trace, const plan_origin *origin, bool whole)
{
    const plan_masked all = trace->one;
    switch (origin->how) {
    case PLAN_COPIES:
    case PLAN_HIDES: trace_slot(trace, origin->shape, origin->from, whole); return;
    case PLAN_IS_IN:
    case PLAN_MADE_OF: trace_slot(trace, origin->shape, origin->from, false); return;
    case PLAN_LOST: trace->lost = true; return;
    case PLAN_ELSEWHERE: break;
    }
    if (origin->table == NULL) return;
    plan_masked of_table = all;
    of_table.table = origin->table;
    plan_masked_add(trace->planner, of_table);
}

/* All that slot may have its value from; each slot is looked at once. */
static void trace_slot(leat_trace *trace, const leat_shape *shape, uint32_t slot, bool whole)
{
    leat_planner *planner = trace->planner;
    if (++trace->steps > TRACE_STEPS_MAX) {
        trace->lost = true;
        return;
    }
    if (seen_before(trace, shape, slot)) return;
    const leat_slot_request *request = plan_request_of(shape, slot);
    if (request != NULL) {
        trace_path(trace, shape, request->path, whole);
        return;
    }
    bool told = false;
    for (size_t i = 0; i < planner->origins_count; i++) {
        const plan_origin origin = planner->origins[i];
        if (origin.shape != shape || origin.to != slot) continue;
        told = true;
        trace_origin(trace, &origin, whole);
    }
    if (!told) trace->lost = true;
}

void leat_planner_masked(leat_planner *planner, const leat_step *step, const leat_node *node,
                         uint32_t slot, const leat_mask_rule *rule)
{
    if (planner->step_source >= planner->plan->sources_count) return; /* its stream has no start */
    const leat_source *source = &planner->plan->sources[planner->step_source];
    leat_trace trace = {
        .planner = planner,
        .source = source,
        .one = {.source = source->index, .node = node, .rule = *rule, .step = step, .slot = slot},
        .whole = true};
    trace_slot(&trace, step->shape_in, slot, true);
    trace.one.lost = trace.lost;
    plan_masked_add(planner, trace.one); /* as it stands here: path.count 0 */
}

/* --- forward, to copies --- */

/* Marks the slots of the shape that hold what `slot` holds, or hold it inside. */
static void mark_same(const leat_planner *planner, const leat_shape *shape, uint32_t slot,
                      bool *marked)
{
    LEAT_ASSERT(slot < shape->slots);
    if (marked[slot]) return;
    marked[slot] = true;
    for (size_t i = 0; i < planner->origins_count; i++) {
        const plan_origin *origin = &planner->origins[i];
        if (origin->shape == shape && origin->to == slot &&
            (origin->how == PLAN_COPIES || origin->how == PLAN_IS_IN))
            mark_same(planner, shape, origin->from, marked);
    }
}

/* Marks those that are copies of marked ones, too. */
static void mark_copies(const leat_planner *planner, const leat_shape *shape, bool *marked)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < planner->origins_count; i++) {
            const plan_origin *origin = &planner->origins[i];
            if (origin->shape != shape || origin->how != PLAN_COPIES || marked[origin->to] ||
                !marked[origin->from])
                continue;
            marked[origin->to] = more = true;
        }
    }
}

/* A field of the tree that holds what is marked: its path in names; 0: none. */
static size_t field_in_clear(const leat_field *object, const bool *marked, leat_str *names)
{
    for (const leat_field *field = object->fields; field != NULL; field = field->next) {
        names[0] = field->name;
        if (field->kind == LEAT_FIELD_SLOT && marked[field->slot]) return 1;
        if (field->kind != LEAT_FIELD_OBJECT) continue;
        size_t below = field_in_clear(field, marked, names + 1);
        if (below > 0) return below + 1;
    }
    return 0;
}

leat_path plan_copy_in_clear(leat_planner *planner, const plan_masked *one, const leat_shape *shape,
                             const leat_field *layout)
{
    leat_str names[LEAT_PATH_DEPTH_MAX + 1];
    const leat_path none = {NULL, 0};
    if (one->step->shape_in != shape) return none;
    bool *marked = leat_planner_alloc(planner, (shape->slots + 1) * sizeof *marked);
    mark_same(planner, shape, one->slot, marked);
    mark_copies(planner, shape, marked);
    size_t count = field_in_clear(layout, marked, names);
    if (count > 0) return plan_path_copy(planner, (leat_path){names, count}, none);
    for (size_t i = 0; i < shape->requests_count; i++) {
        const leat_slot_request *request = &shape->requests[i];
        if (marked[request->slot] &&
            plan_layout_find(planner, shape, layout, request->path).kind == PLAN_FOUND_REQUEST)
            return request->path;
    }
    return none;
}
