/* SPDX-License-Identifier: Apache-2.0 */
/* leat graph: a pipeline as it was planned: what reads what, what keeps state, where records leave.
 *
 * It is the plan that is drawn, not the file: a step stands where it will run, the reorder buffer
 * that the file does not mention is shown, and a stream that several others read is one node. Three
 * forms: text, a node a line, in which what goes on straight stays in its column and branches are
 * set in; dot, for Graphviz; and json, for programs. What came from the environment or a secret
 * file is `***` in all of them.
 *
 * The words about a node are those of the file, member by member, so that this file need not know
 * what each step's options mean. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/codec_json.h"
#include "worker/cli.h"

static int graph_run(int argc, char **argv);

const leat_command leat_command_graph = {
    .name = "graph",
    .summary = "show a pipeline: sources, steps, state, sinks",
    .help =
        "usage: leat graph [--set PATH=VALUE]... [--output text|json|dot] PIPELINE\n\n"
        "Shows the pipeline as it will run. Each line is a node; what it reads stands above it,"
        "\nbranches are set in, and `->` is where records leave.\n\n"
        "  order    holds records until event time has passed over them: steps with state see\n"
        "           them in the order of their time, as late as out_of_orderness says\n"
        "  [state]  keeps state per key, in memory and in the changelog topic\n\n"
        "  --set PATH=VALUE   with this value in place of the file's\n"
        "  --output json      one object: nodes with their inputs, sinks with theirs\n"
        "  --output dot       for Graphviz: leat graph --output dot p.json | dot -Tsvg > p.svg\n"
        "\nWhat a pattern of a `detect` step does: leat explain.\n"
        "Exit code: 0, or 1 with the mistakes of the file on stderr.\n\n"
        "  leat graph examples/card-fraud/pipeline.json\n",
    .run = graph_run,
};

#define WORDS_MAX 64u /* bytes of the words about a node */

typedef struct drawing {
    const leat_plan *plan;
    leat_buf *out;
    leat_arena *arena;
} drawing;

/* --- words --- */

/* Text is shown bare, anything else as JSON. */
static void add_value(const leat_node *node, leat_buf *out)
{
    if (node->kind == LEAT_NODE_STRING && !node->secret)
        leat_buf_add(out, node->text);
    else
        leat_node_print(node, false, out);
}

/* The words from `from` on, in one line and not too long. */
static void trim(leat_buf *out, size_t from)
{
    size_t end = from;
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] == '\n' || out->data[i] == '\t') out->data[i] = ' ';
    if (out->len - from <= WORDS_MAX) return;
    for (size_t i = from; i < out->len && i < from + WORDS_MAX - 3; i++)
        if (((unsigned char)out->data[i] & 0xC0) != 0x80) end = i;
    out->len = end;
    leat_buf_add_text(out, "...");
}

static const leat_node *named(const leat_node *object, leat_str name)
{
    const leat_node *node = object == NULL ? NULL : object->child;
    while (node != NULL && !leat_str_equal(node->key, name))
        node = node->next;
    return node;
}

static const leat_node *source_node(const leat_plan *plan, const leat_source *source)
{
    return named(leat_node_member(plan->root, "sources"), source->name);
}

/* "streams.clean.steps[3].filter" -> 3. */
static uint32_t step_number(const leat_step *step)
{
    uint32_t number = 0;
    const char *at = step->place.data + step->place.len;
    while (at > step->place.data && *at != '[')
        at--;
    for (at++; at < step->place.data + step->place.len && *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (uint32_t)(*at - '0');
    return number;
}

/* The step's value as it stands in the file; NULL: it is not there. */
static const leat_node *step_node(const leat_plan *plan, const leat_step *step)
{
    const leat_node *stream = named(leat_node_member(plan->root, "streams"), step->stream);
    const leat_node *steps = stream == NULL ? NULL : leat_node_member(stream, "steps");
    const leat_node *node = steps == NULL ? NULL : steps->child;
    for (uint32_t i = step_number(step); i > 0 && node != NULL; i--)
        node = node->next;
    return node == NULL || node->kind != LEAT_NODE_OBJECT
               ? NULL
               : named(node, leat_str_of(step->type->name));
}

static bool has_state(const leat_plan_node *node)
{
    return node->at == LEAT_AT_ORDER || (node->at == LEAT_AT_STEP && node->step->type->stateful);
}

static void add_name(const drawing *d, const leat_plan_node *node, leat_buf *out)
{
    if (node->at == LEAT_AT_SOURCE) leat_buf_add(out, d->plan->sources[node->source].name);
    if (node->at == LEAT_AT_ORDER) leat_buf_add_text(out, "order");
    if (node->at == LEAT_AT_STEP)
        leat_buf_add_format(out, "%.*s[%u] %s", LEAT_STR_ARG(node->step->stream),
                            step_number(node->step), node->step->type->name);
}

static void add_words(const drawing *d, const leat_plan_node *node, leat_buf *out)
{
    size_t from = out->len;
    const leat_source *source = &d->plan->sources[node->source];
    if (node->at == LEAT_AT_SOURCE) {
        const leat_node *settings = source_node(d->plan, source);
        const leat_node *member = settings == NULL ? NULL : settings->child;
        for (; member != NULL; member = member->next) {
            if (member->kind == LEAT_NODE_OBJECT) continue; /* kafka, late: not in a line */
            leat_buf_add_format(out, "%s%.*s ", out->len > from ? ", " : "",
                                LEAT_STR_ARG(member->key));
            add_value(member, out);
        }
    } else if (node->at == LEAT_AT_ORDER) {
        leat_buf_add_format(out, "by event time, %lld ms late at most",
                            (long long)source->out_of_orderness_ms);
    } else if (step_node(d->plan, node->step) != NULL) {
        add_value(step_node(d->plan, node->step), out);
    }
    trim(out, from);
}

static const char *const sink_kinds[] = {"topic", "file", "stdout", "drop", "redis"};

static void add_sink(const leat_sink *sink, leat_buf *out)
{
    leat_buf_add_text(out, sink_kinds[sink->kind]);
    if (sink->topic.len > 0) leat_buf_add_format(out, " %.*s", LEAT_STR_ARG(sink->topic));
    if (sink->topic_expr != NULL) leat_buf_add_text(out, " by expression");
}

/* The name of an output of a node with several; none: it is the only one. */
static leat_str route_of(const leat_plan *plan, uint32_t node, uint32_t port)
{
    const leat_plan_node *from = &plan->nodes[node];
    if (from->at != LEAT_AT_STEP || from->step->ports < 2) return LEAT_STR_NONE;
    if (from->step->routes != NULL) return from->step->routes[port];
    return port == 0 ? LEAT_STR_NONE : LEAT_STR("timeout");
}

/* --- text --- */

static void text_route(const drawing *d, uint32_t node, uint32_t port)
{
    leat_str route = route_of(d->plan, node, port);
    if (route.data != NULL) leat_buf_add_format(d->out, "%.*s: ", LEAT_STR_ARG(route));
}

/* A node and what reads it. What several read is not deeper than the plan has nodes. */
static void text_node(const drawing *d, uint32_t number, int depth) /* NOLINT(misc-no-recursion) */
{
    const leat_plan_node *node = &d->plan->nodes[number];
    size_t from = d->out->len;
    leat_buf_add_format(d->out, "%*s", depth * 2, "");
    if (node->at != LEAT_AT_SOURCE) text_route(d, node->input, node->input_port);
    add_name(d, node, d->out);
    while (d->out->len - from < 32)
        leat_buf_add_char(d->out, ' ');
    leat_buf_add_text(d->out, "  ");
    add_words(d, node, d->out);
    if (has_state(node)) leat_buf_add_text(d->out, "  [state]");
    while (d->out->len > 0 && d->out->data[d->out->len - 1] == ' ')
        d->out->len--;
    leat_buf_add_char(d->out, '\n');
    bool branches = node->sinks_count + node->next_count > 1;
    int inner = branches || node->at == LEAT_AT_SOURCE ? depth + 1 : depth;
    for (size_t i = 0; i < node->sinks_count; i++) {
        leat_buf_add_format(d->out, "%*s", depth * 2 + 2, "");
        text_route(d, number, node->sinks[i]->from_port);
        leat_buf_add_text(d->out, "-> ");
        add_sink(node->sinks[i], d->out);
        leat_buf_add_char(d->out, '\n');
    }
    for (size_t i = 0; i < node->next_count; i++)
        text_node(d, node->next[i], inner);
}

static void draw_text(const drawing *d)
{
    const leat_plan *plan = d->plan;
    leat_buf_add_format(d->out, "%.*s: %s, a commit every %lld ms\n\n", LEAT_STR_ARG(plan->name),
                        plan->at_least_once ? "at least once" : "exactly once",
                        (long long)plan->commit_interval_ms);
    for (uint32_t i = 0; i < plan->nodes_count; i++) {
        if (plan->nodes[i].at != LEAT_AT_SOURCE) continue;
        const leat_source *source = &plan->sources[plan->nodes[i].source];
        text_node(d, i, 0);
        if (source->late_sink != NULL) {
            leat_buf_add_text(d->out, "  late: -> ");
            add_sink(source->late_sink, d->out);
            leat_buf_add_char(d->out, '\n');
        }
        leat_buf_add_char(d->out, '\n');
    }
    leat_buf_add_text(d->out, "dead letters -> ");
    if (plan->dead_letter == NULL)
        leat_buf_add_text(d->out, "nowhere: counted and logged");
    else
        add_sink(plan->dead_letter, d->out);
    leat_buf_add_char(d->out, '\n');
}

/* --- dot --- */

/* As a quoted string of dot. */
static void dot_text(leat_buf *out, leat_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\') leat_buf_add_char(out, '\\');
        leat_buf_add_char(out, text.data[i]);
    }
}

static void dot_label(const drawing *d, const leat_plan_node *node)
{
    leat_buf words;
    leat_buf_init(&words, (size_t)1 << 20);
    add_name(d, node, &words);
    dot_text(d->out, leat_buf_str(&words));
    leat_buf_reset(&words);
    add_words(d, node, &words);
    if (words.len > 0) leat_buf_add_text(d->out, "\\n");
    dot_text(d->out, leat_buf_str(&words));
    leat_buf_release(&words);
}

static void dot_sink(const drawing *d, const leat_sink *sink, const char *style)
{
    leat_buf words;
    leat_buf_init(&words, (size_t)1 << 20);
    add_sink(sink, &words);
    leat_buf_add_format(d->out, "  s%u [shape=cds, label=\"", sink->index);
    dot_text(d->out, leat_buf_str(&words));
    leat_buf_add_format(d->out, "\"%s];\n", style);
    leat_buf_release(&words);
}

static void dot_edge(const drawing *d, uint32_t from, uint32_t port, char kind, uint32_t to)
{
    leat_str route = route_of(d->plan, from, port);
    leat_buf_add_format(d->out, "  n%u -> %c%u", from, kind, to);
    if (route.data != NULL) {
        leat_buf_add_text(d->out, " [label=\"");
        dot_text(d->out, route);
        leat_buf_add_text(d->out, "\"]");
    }
    leat_buf_add_text(d->out, ";\n");
}

static void draw_dot(const drawing *d)
{
    const leat_plan *plan = d->plan;
    leat_buf_add_text(d->out, "digraph \"");
    dot_text(d->out, plan->name);
    leat_buf_add_text(d->out, "\" {\n  rankdir=LR;\n  node [shape=box];\n");
    for (uint32_t i = 0; i < plan->nodes_count; i++) {
        const leat_plan_node *node = &plan->nodes[i];
        leat_buf_add_format(d->out, "  n%u [label=\"", i);
        dot_label(d, node);
        leat_buf_add_format(d->out, "\"%s%s];\n", node->at == LEAT_AT_SOURCE ? ", shape=cds" : "",
                            has_state(node) ? ", peripheries=2" : "");
        if (node->at != LEAT_AT_SOURCE) dot_edge(d, node->input, node->input_port, 'n', i);
        for (size_t s = 0; s < node->sinks_count; s++) {
            dot_sink(d, node->sinks[s], "");
            dot_edge(d, i, node->sinks[s]->from_port, 's', node->sinks[s]->index);
        }
        const leat_sink *late = plan->sources[node->source].late_sink;
        if (node->at != LEAT_AT_SOURCE || late == NULL) continue;
        dot_sink(d, late, ", style=dashed");
        leat_buf_add_format(d->out, "  n%u -> s%u [label=\"late\", style=dashed];\n", i,
                            late->index);
    }
    if (plan->dead_letter != NULL) dot_sink(d, plan->dead_letter, ", style=dotted");
    leat_buf_add_text(d->out, "}\n");
}

/* --- json --- */

static void json_text(leat_buf *out, const char *name, leat_str text)
{
    leat_buf_add_format(out, ",\"%s\":", name);
    if (text.data == NULL)
        leat_buf_add_text(out, "null");
    else
        leat_json_write_string(text, out);
}

static void json_node(const drawing *d, uint32_t number)
{
    static const char *const kinds[] = {"source", "order", "step"};
    const leat_plan_node *node = &d->plan->nodes[number];
    const leat_node *value = NULL;
    leat_buf_add_format(d->out, "%s{\"id\":%u,\"kind\":\"%s\"", number > 0 ? "," : "", number,
                        kinds[node->at]);
    if (node->at == LEAT_AT_SOURCE) {
        json_text(d->out, "name", d->plan->sources[node->source].name);
        value = source_node(d->plan, &d->plan->sources[node->source]);
    } else {
        leat_buf_add_format(d->out, ",\"input\":%u", node->input);
        json_text(d->out, "route", route_of(d->plan, node->input, node->input_port));
    }
    if (node->at == LEAT_AT_STEP) {
        json_text(d->out, "place", node->step->place);
        json_text(d->out, "stream", node->step->stream);
        json_text(d->out, "type", leat_str_of(node->step->type->name));
        value = step_node(d->plan, node->step);
    }
    leat_buf_add_format(d->out, ",\"stateful\":%s", has_state(node) ? "true" : "false");
    if (value != NULL) {
        leat_buf_add_text(d->out, ",\"value\":");
        leat_node_print(value, false, d->out);
    }
    leat_buf_add_char(d->out, '}');
}

static void json_sink(const drawing *d, const leat_sink *sink, const char *role, bool first)
{
    leat_buf_add_format(d->out, "%s{\"role\":\"%s\",\"kind\":\"%s\"", first ? "" : ",", role,
                        sink_kinds[sink->kind]);
    json_text(d->out, "name", sink->topic.len > 0 ? sink->topic : LEAT_STR_NONE);
    json_text(d->out, "place", sink->place);
    if (strcmp(role, "output") == 0) {
        leat_buf_add_format(d->out, ",\"input\":%u", sink->from_node);
        json_text(d->out, "route", route_of(d->plan, sink->from_node, sink->from_port));
    }
    leat_buf_add_char(d->out, '}');
}

static void draw_json(const drawing *d)
{
    const leat_plan *plan = d->plan;
    bool first = true;
    leat_buf_add_text(d->out, "{\"pipeline\":");
    leat_json_write_string(plan->name, d->out);
    leat_buf_add_format(d->out, ",\"guarantee\":\"%s\",\"nodes\":[",
                        plan->at_least_once ? "at_least_once" : "exactly_once");
    for (uint32_t i = 0; i < plan->nodes_count; i++)
        json_node(d, i);
    leat_buf_add_text(d->out, "],\"sinks\":[");
    for (uint32_t i = 0; i < plan->nodes_count; i++)
        for (size_t s = 0; s < plan->nodes[i].sinks_count; s++, first = false)
            json_sink(d, plan->nodes[i].sinks[s], "output", first);
    for (size_t i = 0; i < plan->sources_count; i++) {
        if (plan->sources[i].late_sink == NULL) continue;
        json_sink(d, plan->sources[i].late_sink, "late", first);
        first = false;
    }
    if (plan->dead_letter != NULL) json_sink(d, plan->dead_letter, "dead_letter", first);
    leat_buf_add_text(d->out, "]}\n");
}

/* --- the command --- */

static int graph_one(const char *file, const leat_flag *set, const char *form)
{
    leat_loaded loaded;
    leat_err err;
    leat_buf out;
    int exit_code = LEAT_EXIT_FINDINGS;
    leat_buf_init(&out, (size_t)64 << 20);
    leat_code code = leat_cli_load(file, set, LEAT_PURPOSE_LOOK, true, NULL, &loaded, &err);
    if (code != LEAT_OK) leat_cli_say("%s", err.text);
    if (code == LEAT_OK && loaded.plan != NULL) {
        drawing d = {loaded.plan, &out, loaded.arena};
        if (strcmp(form, "dot") == 0)
            draw_dot(&d);
        else if (strcmp(form, "json") == 0)
            draw_json(&d);
        else
            draw_text(&d);
        if (leat_buf_check(&out, "the drawing", &err) == LEAT_OK) {
            (void)fwrite(out.data, 1, out.len, stdout);
            exit_code = LEAT_EXIT_OK;
        } else {
            leat_cli_say("%s", err.text);
            exit_code = LEAT_EXIT_INTERNAL;
        }
    }
    leat_buf_release(&out);
    leat_cli_unload(&loaded);
    return exit_code;
}

static int graph_run(int argc, char **argv)
{
    leat_flag flags[] = {{.name = "set", .takes_value = true, .repeats = true},
                         {.name = "output", .takes_value = true}};
    leat_arguments arguments;
    int exit_code = LEAT_EXIT_USAGE;
    if (!leat_flags_parse(&leat_command_graph, argc, argv, flags, 2, &arguments)) goto out;
    const char *form = leat_flag_text(&flags[1], "text");
    if (arguments.count != 1) {
        leat_cli_say("graph takes one pipeline file");
    } else if (strcmp(form, "text") != 0 && strcmp(form, "json") != 0 && strcmp(form, "dot") != 0) {
        leat_cli_say("there is no output '%s': text, json or dot", form);
    } else {
        exit_code = graph_one(arguments.positional[0], &flags[0], form);
    }
out:
    leat_flags_release(flags, 2, &arguments);
    return exit_code;
}
