/* SPDX-License-Identifier: Apache-2.0 */
/* Streams become nodes.
 *
 * Each stream reads one source, stream or route of a split, so that the streams are trees with
 * sources as roots. Going down a tree in the order of the file gives what the plan promises: the
 * nodes of a source stand together, and inputs come first.
 *
 *   source payments ── clean ─┬─ alerts ── paged
 *                             └─ archive          nodes: payments clean.. alerts.. paged..
 * archive..
 *
 * A stream that hangs nowhere (its `from` is wrong, or in a circle) is planned all the same, over
 * a record of which nothing is known: its own mistakes are to be found too.
 *
 * Stateful steps get records in order of time: one ORDER node stands before the first of them in a
 * chain, and what follows keeps the order. Records that a step makes are a chain of their own as
 * soon as another stream reads them. */
#include "transforms/plan_inside.h"

#define NODE_NONE UINT32_MAX

typedef struct stream_options {
    const leat_node *from, *steps, *to;
} stream_options;

#define OPTION(field, ...) .name = #field, .offset = offsetof(stream_options, field), __VA_ARGS__
const leat_option plan_stream_options[] = {
    {OPTION(from, .type = LEAT_OPTION_NODE, .required = true, .shape = "{\"type\": \"string\"}",
            .doc = "The source, stream or route of a split (`stream.route`) that it reads.")},
    {OPTION(steps, .type = LEAT_OPTION_NODE,
            .shape = "{\"type\": \"array\", \"items\": {\"$ref\": \"#/definitions/step\"}}",
            .doc = "What happens to each record, in order.")},
    {OPTION(to, .type = LEAT_OPTION_NODE, .shape = "{\"$ref\": \"#/definitions/sinks\"}",
            .doc = "Where the records go: a topic, a sink, or a list of sinks. Without it the "
                   "stream is only read by others.")},
};
#undef OPTION
const size_t plan_stream_options_count = sizeof plan_stream_options / sizeof plan_stream_options[0];

/* Steps of the language that this version does not have. */
static const char *const later_steps[] = {"key", "window", "aggregate"};

leat_shape *plan_shape_new(leat_planner *planner)
{
    leat_plan *plan = planner->plan;
    leat_shape *shape = leat_planner_alloc(planner, sizeof *shape);
    shape->index = (uint32_t)plan->shapes_count;
    plan->shapes = plan_room(planner, plan->shapes, plan->shapes_count, &planner->shapes_size,
                             sizeof(leat_shape *));
    plan->shapes[plan->shapes_count++] = shape;
    return shape;
}

void leat_planner_new_shape(leat_planner *planner, leat_step *step)
{
    LEAT_ASSERT(step->shape_out == step->shape_in);
    step->shape_out = plan_shape_new(planner);
    step->layout_out = plan_layout_open(planner);
}

static uint32_t node_add(leat_planner *planner, leat_plan_node node)
{
    leat_plan *plan = planner->plan;
    plan->nodes = plan_room(planner, plan->nodes, plan->nodes_count, &planner->nodes_size,
                            sizeof(leat_plan_node));
    node.index = (uint32_t)plan->nodes_count;
    plan->nodes[plan->nodes_count++] = node;
    return node.index;
}

/* --- one step --- */

static const leat_operator_type *operator_find(const leat_planner *planner, leat_str name)
{
    for (size_t i = 0; i < planner->env->operators_count; i++)
        if (leat_str_is(name, planner->env->operators[i]->name)) return planner->env->operators[i];
    return NULL;
}

static void unknown_step(leat_planner *planner, const leat_node *node)
{
    for (size_t i = 0; i < sizeof later_steps / sizeof later_steps[0]; i++) {
        if (!leat_str_is(node->key, later_steps[i])) continue;
        leat_findings_add_key(planner->findings, node, false,
                              "this version does not have the step '%s' yet", later_steps[i]);
        return;
    }
    size_t count = planner->env->operators_count;
    leat_str *names = leat_planner_alloc(planner, (count + 1) * sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = leat_str_of(planner->env->operators[i]->name);
    leat_finding *finding = leat_findings_add_key(planner->findings, node, false,
                                                  "unknown step '%.*s'", LEAT_STR_ARG(node->key));
    finding->suggestion = leat_str_nearest(node->key, names, count);
}

/* {"filter": ...}: its only member; NULL: a mistake. */
static const leat_node *step_value(leat_planner *planner, const leat_node *step)
{
    if (step->kind != LEAT_NODE_OBJECT) {
        leat_findings_add(planner->findings, step, false,
                          "a step is an object with one key, not %s",
                          leat_node_kind_name(step->kind));
        return NULL;
    }
    if (step->child == NULL) {
        leat_findings_add(planner->findings, step, false,
                          "a step is an object with one key, and this one has none");
        return NULL;
    }
    for (const leat_node *more = step->child->next; more != NULL; more = more->next)
        leat_findings_add_key(planner->findings, more, false,
                              "a step has one key; '%.*s' needs an object of its own",
                              LEAT_STR_ARG(more->key));
    return step->child;
}

/* Behind `point`; moves it. */
static void order_insert(leat_planner *planner, leat_step *step, plan_point *point)
{
    leat_plan_node node = {.at = LEAT_AT_ORDER,
                           .source = point->source,
                           .input = point->node,
                           .input_port = point->port,
                           .step = step};
    point->node = node_add(planner, node);
    point->port = 0;
    point->ordered = point->shape;
}

static bool step_plan(leat_planner *planner, plan_stream *stream, const leat_node *value,
                      const leat_operator_type *type)
{
    plan_point *point = &stream->end;
    leat_step *step = leat_planner_alloc(planner, sizeof *step);
    if (type->stateful && point->ordered == NULL) order_insert(planner, step, point);
    *step = (leat_step){.type = type,
                        .index = (uint32_t)planner->plan->nodes_count,
                        .place = leat_node_path(value, planner->arena),
                        .stream = stream->name,
                        .shape_in = point->shape,
                        .layout_in = point->layout,
                        .shape_out = point->shape,
                        .layout_out = point->layout,
                        .ports = 1};
    leat_plan_node node = {.at = LEAT_AT_STEP,
                           .source = point->source,
                           .input = point->node,
                           .input_port = point->port,
                           .step = step};
    uint32_t index = node_add(planner, node);
    planner->step_node = value;
    planner->step_slots = point->shape->slots;
    planner->step_source = point->source;
    planner->edit++;
    size_t errors = planner->findings->errors;
    bool good = type->plan(planner, step, value);
    LEAT_ASSERT(!good || step->ports > 0);
    LEAT_ASSERT(step->layout_out->kind == LEAT_FIELD_OBJECT);
    if (!good && planner->findings->errors == errors && !planner->incomplete)
        leat_findings_add(planner->findings, value, false, "the step '%s' cannot be planned",
                          type->name);
    point->node = index;
    point->port = 0;
    point->shape = step->shape_out;
    point->layout = step->layout_out;
    if (type->stateful && point->source != NODE_NONE)
        planner->plan->sources[point->source].stateful = true;
    stream->last = step;
    return good;
}

static void steps_plan(leat_planner *planner, plan_stream *stream)
{
    const leat_node *steps = stream->steps;
    if (steps == NULL) return;
    if (steps->kind != LEAT_NODE_LIST) {
        leat_findings_add(planner->findings, steps, false, "must be a list of steps, not %s",
                          leat_node_kind_name(steps->kind));
        stream->broken = true;
        return;
    }
    for (const leat_node *node = steps->child; node != NULL && !plan_failed(planner);
         node = node->next) {
        if (node->index >= PLAN_STEPS_MAX) {
            leat_findings_add(planner->findings, node, false, "a stream has at most %d steps",
                              PLAN_STEPS_MAX);
            return;
        }
        if (stream->last != NULL && stream->last->routes != NULL && !stream->broken) {
            leat_findings_add(planner->findings, node, false,
                              "a split ends its stream; go on in a stream with \"from\": "
                              "\"%.*s.%.*s\"",
                              LEAT_STR_ARG(stream->name), LEAT_STR_ARG(stream->last->routes[0]));
            stream->broken = true;
        }
        const leat_node *value = step_value(planner, node);
        const leat_operator_type *type = value == NULL ? NULL : operator_find(planner, value->key);
        if (value != NULL && type == NULL) unknown_step(planner, value);
        if (type == NULL || !step_plan(planner, stream, value, type)) stream->broken = true;
    }
}

/* --- one stream --- */

static void missing_route(leat_planner *planner, const plan_stream *stream)
{
    const plan_stream *upstream = stream->from_stream;
    const leat_step *split = upstream->last;
    leat_buf names;
    leat_buf_init(&names, 1024);
    for (uint32_t i = 0; i < split->ports; i++)
        leat_buf_add_format(&names, "%s%.*s.%.*s", i > 0 ? ", " : "", LEAT_STR_ARG(upstream->name),
                            LEAT_STR_ARG(split->routes[i]));
    leat_str list = leat_buf_str(&names);
    if (stream->from_route.data == NULL) {
        leat_findings_add(planner->findings, stream->from, false,
                          "stream '%.*s' ends with a split: read one of its routes: %.*s",
                          LEAT_STR_ARG(upstream->name), LEAT_STR_ARG(list));
    } else {
        leat_finding *finding = leat_findings_add(
            planner->findings, stream->from, false,
            "stream '%.*s' has no route '%.*s'; it has %.*s", LEAT_STR_ARG(upstream->name),
            LEAT_STR_ARG(stream->from_route), LEAT_STR_ARG(list));
        leat_str nearest = leat_str_nearest(stream->from_route, split->routes, split->ports);
        if (nearest.data != NULL)
            finding->suggestion = leat_arena_print(
                planner->arena, "%.*s.%.*s", LEAT_STR_ARG(upstream->name), LEAT_STR_ARG(nearest));
    }
    leat_buf_release(&names);
}

/* Where the stream begins. False: nowhere; mistakes have been told. */
static bool start_find(leat_planner *planner, const plan_stream *stream, plan_point *start)
{
    if (stream->from_source != NULL) {
        *start = planner->starts[stream->from_source->index];
        return true;
    }
    const plan_stream *upstream = stream->from_stream;
    if (upstream == NULL || upstream->broken) return false;
    *start = upstream->end;
    const leat_str *routes = upstream->last == NULL ? NULL : upstream->last->routes;
    if (routes == NULL && stream->from_route.data == NULL) return true;
    if (routes == NULL) {
        leat_findings_add(planner->findings, stream->from, false,
                          "stream '%.*s' has no routes: it does not end with a split",
                          LEAT_STR_ARG(upstream->name));
        return false;
    }
    for (uint32_t i = 0; stream->from_route.data != NULL && i < upstream->last->ports; i++) {
        if (!leat_str_equal(routes[i], stream->from_route)) continue;
        start->port = i;
        return true;
    }
    missing_route(planner, stream);
    return false;
}

static void stream_plan(leat_planner *planner, plan_stream *stream)
{
    stream->planned = true;
    if (!start_find(planner, stream, &stream->end))
        stream->end = (plan_point){.node = NODE_NONE,
                                   .source = NODE_NONE,
                                   .shape = plan_shape_new(planner),
                                   .layout = plan_layout_open(planner)};
    if (stream->end.ordered != stream->end.shape) stream->end.ordered = NULL;
    steps_plan(planner, stream);
    bool split = stream->last != NULL && stream->last->routes != NULL;
    if (stream->to == NULL) return;
    if (split && !stream->broken) {
        leat_findings_add(planner->findings, stream->to, false,
                          "stream '%.*s' ends with a split: only its routes go on; write to from a "
                          "stream with \"from\": \"%.*s.%.*s\"",
                          LEAT_STR_ARG(stream->name), LEAT_STR_ARG(stream->name),
                          LEAT_STR_ARG(stream->last->routes[0]));
        return;
    }
    plan_sinks(planner, stream->to, &stream->end, stream->last);
}

/* Those that read it, each with those that read that. Depth: at most the number of streams. */
static void plan_behind(leat_planner *planner, const leat_source *source,
                        const plan_stream *upstream)
{
    for (size_t i = 0; i < planner->streams_count && !plan_failed(planner); i++) {
        plan_stream *stream = &planner->streams[i];
        if (stream->planned || stream->from_source != source || stream->from_stream != upstream)
            continue;
        stream_plan(planner, stream);
        plan_behind(planner, NULL, stream);
    }
}

/* --- names --- */

static plan_stream *stream_find(const leat_planner *planner, leat_str name)
{
    for (size_t i = 0; i < planner->streams_count; i++)
        if (leat_str_equal(planner->streams[i].name, name)) return &planner->streams[i];
    return NULL;
}

static leat_source *source_find(const leat_planner *planner, leat_str name)
{
    for (size_t i = 0; i < planner->plan->sources_count; i++)
        if (leat_str_equal(planner->plan->sources[i].name, name)) return &planner->plan->sources[i];
    return NULL;
}

static void unknown_from(leat_planner *planner, const plan_stream *stream, leat_str name)
{
    size_t sources = planner->plan->sources_count, count = sources + planner->streams_count;
    leat_str *names = leat_planner_alloc(planner, (count + 1) * sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] =
            i < sources ? planner->plan->sources[i].name : planner->streams[i - sources].name;
    leat_finding *finding = leat_findings_add(
        planner->findings, stream->from, false, "there is no source or stream '%.*s'",
        stream->from->secret ? 3 : (int)name.len, stream->from->secret ? "***" : name.data);
    finding->suggestion = leat_str_nearest(name, names, count);
}

static void from_resolve(leat_planner *planner, plan_stream *stream)
{
    const leat_node *from = stream->from;
    if (from == NULL || plan_unresolved(planner, from)) return;
    if (from->kind == LEAT_NODE_LIST) {
        leat_findings_add(planner->findings, from, false,
                          "in this version a stream reads one source or stream, not a list; a "
                          "source may have a list of topics");
        return;
    }
    if (from->kind != LEAT_NODE_STRING) {
        leat_findings_add(planner->findings, from, false,
                          "must be the name of a source or stream, not %s",
                          leat_node_kind_name(from->kind));
        return;
    }
    leat_str name = from->text;
    ptrdiff_t dot = leat_str_find(name, LEAT_STR("."));
    if (dot >= 0) {
        stream->from_route = leat_str_slice(name, (size_t)dot + 1, name.len);
        name = leat_str_slice(name, 0, (size_t)dot);
    }
    stream->from_stream = stream_find(planner, name);
    leat_source *source = source_find(planner, name);
    if (stream->from_stream != NULL) {
        stream->from_stream->read = true;
    } else if (source != NULL && dot >= 0) {
        leat_findings_add(planner->findings, from, false,
                          "'%.*s' is a source, and only a stream that ends with a split has routes",
                          LEAT_STR_ARG(name));
    } else if (source != NULL) {
        stream->from_source = source;
    } else {
        unknown_from(planner, stream, name);
    }
}

/* Streams in a circle hang nowhere. One finding per circle, at the first of it. */
static void circles_cut(leat_planner *planner)
{
    for (size_t i = 0; i < planner->streams_count; i++) {
        plan_stream *first = &planner->streams[i], *at = first->from_stream;
        for (size_t hops = 1; at != NULL && at != first && hops < planner->streams_count; hops++)
            at = at->from_stream;
        if (at != first) continue;
        leat_buf names;
        leat_buf_init(&names, 1024);
        do {
            leat_buf_add_format(&names, "%.*s -> ", LEAT_STR_ARG(at->name));
            plan_stream *next = at->from_stream;
            at->from_stream = NULL; /* so that the others are not told of it again */
            at = next;
        } while (at != NULL && at != first);
        leat_findings_add(planner->findings, first->from, false,
                          "these streams read each other in a circle: %.*s%.*s",
                          LEAT_STR_ARG(leat_buf_str(&names)), LEAT_STR_ARG(first->name));
        leat_buf_release(&names);
    }
}

static void stream_read(leat_planner *planner, const leat_node *node)
{
    plan_stream *stream = &planner->streams[planner->streams_count++];
    stream_options options = {0};
    stream->node = node;
    stream->name = node->key;
    (void)plan_name_good(planner, node);
    const leat_source *source = source_find(planner, node->key);
    if (source != NULL)
        leat_findings_add_key(planner->findings, node, false,
                              "'%.*s' is a source already: a stream needs another name",
                              LEAT_STR_ARG(node->key));
    (void)leat_options_read(plan_stream_options, plan_stream_options_count, node, &options,
                            planner->findings);
    stream->from = options.from;
    stream->steps = options.steps;
    stream->to = options.to;
}

static bool route_read(const leat_planner *planner, const plan_stream *split, leat_str route)
{
    for (size_t i = 0; i < planner->streams_count; i++)
        if (planner->streams[i].from_stream == split &&
            leat_str_equal(planner->streams[i].from_route, route))
            return true;
    return false;
}

static void warn_unread(leat_planner *planner)
{
    for (size_t i = 0; i < planner->streams_count; i++) {
        const plan_stream *stream = &planner->streams[i];
        if (!stream->read && stream->to == NULL)
            leat_findings_add_key(planner->findings, stream->node, true,
                                  "nobody reads stream '%.*s', and it has no 'to'",
                                  LEAT_STR_ARG(stream->name));
        const leat_step *last = stream->last;
        if (!stream->read || stream->broken || last == NULL || last->routes == NULL) continue;
        for (uint32_t route = 0; route < last->ports; route++)
            if (!route_read(planner, stream, last->routes[route]))
                leat_findings_add_key(
                    planner->findings, stream->node, true, "nobody reads the route '%.*s.%.*s'",
                    LEAT_STR_ARG(stream->name), LEAT_STR_ARG(last->routes[route]));
    }
}

void plan_streams(leat_planner *planner, const leat_node *object)
{
    leat_plan *plan = planner->plan;
    size_t count = 0;
    if (object != NULL && object->kind == LEAT_NODE_OBJECT)
        for (const leat_node *node = object->child; node != NULL; node = node->next)
            count++;
    if (object != NULL &&
        (object->kind != LEAT_NODE_OBJECT || count == 0 || count > PLAN_STREAMS_MAX)) {
        leat_findings_add(planner->findings, object, false,
                          "must be an object with 1 to %d streams", PLAN_STREAMS_MAX);
        count = 0;
    }
    planner->streams = leat_planner_alloc(planner, (count + 1) * sizeof *planner->streams);
    for (const leat_node *node = count > 0 ? object->child : NULL; node != NULL; node = node->next)
        stream_read(planner, node);
    for (size_t i = 0; i < count; i++)
        from_resolve(planner, &planner->streams[i]);
    circles_cut(planner);
    for (size_t i = 0; i < plan->sources_count && !plan_failed(planner); i++) {
        leat_plan_node node = {.at = LEAT_AT_SOURCE, .source = (uint32_t)i};
        node.input = (uint32_t)plan->nodes_count;
        planner->starts[i] = (plan_point){.node = node_add(planner, node),
                                          .source = (uint32_t)i,
                                          .shape = plan->sources[i].shape,
                                          .layout = plan->sources[i].layout};
        plan_behind(planner, &plan->sources[i], NULL);
    }
    for (size_t i = 0; i < count && !plan_failed(planner); i++) {
        if (planner->streams[i].planned) continue;
        stream_plan(planner, &planner->streams[i]);
        plan_behind(planner, NULL, &planner->streams[i]);
    }
    warn_unread(planner);
}
