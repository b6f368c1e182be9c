/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a pattern: two option tables, one for the pattern and one for whatever stands in a list
 * of steps. A single table serves steps, negations, groups and alternatives, so that a setting in
 * the wrong place ("a group has no condition of its own") is told apart from an unknown one.
 *
 *   read_part  fills one part from the table and goes down into its parts
 *   check_*    (pattern_check.c) what can only be said of the whole
 *
 * All is read before anything is judged, and judging goes on after a mistake: the author sees every
 * mistake of a file at once. Refused: a parser per kind of part, which would say less of a
 * misplaced key, and a schema written by hand beside these tables. */
#include "cep/pattern.h"

#include <stddef.h>

#include "cep/pattern_inside.h"
#include "core/mem.h"
#include "transforms/option.h"

#define CONTIGUITIES "next|followed_by|followed_by_any"

static const char times_shape[] =
    "{\"oneOf\": [{\"type\": \"integer\", \"minimum\": 1}, {\"type\": \"object\", \"properties\": "
    "{\"min\": {\"type\": \"integer\", \"minimum\": 0}, \"max\": {\"type\": [\"integer\", "
    "\"null\"], \"minimum\": 1}}, \"additionalProperties\": false}]}";

static const char parts_shape[] = "{\"type\": \"array\", \"minItems\": 1, "
                                  "\"items\": {\"$ref\": \"#/definitions/step\"}}";

static const char emit_shape[] =
    "{\"type\": \"object\", \"additionalProperties\": {\"type\": \"string\"}}";

/* What stands in a list of steps. */
#define PART(member) offsetof(pattern_part_options, member)
static const leat_option part_options[] = {
    {.name = "name",
     .type = LEAT_OPTION_STRING,
     .offset = PART(name),
     .doc = "Name of the step: in conditions, the list of events that it has taken so far."},
    {.name = "where",
     .type = LEAT_OPTION_EXPR,
     .offset = PART(where),
     .doc = "Condition on the event; the fields of the event stand by their bare names. Without "
            "it every event fits."},
    {.name = "steps",
     .type = LEAT_OPTION_NODE,
     .offset = PART(steps),
     .shape = parts_shape,
     .doc = "Makes this a group: steps in sequence, repeated or left out together."},
    {.name = "any_of",
     .type = LEAT_OPTION_NODE,
     .offset = PART(any_of),
     .shape = parts_shape,
     .doc = "Alternatives: steps or groups, any of which may match."},
    {.name = "contiguity",
     .type = LEAT_OPTION_ENUM,
     .offset = PART(contiguity),
     .fallback = "followed_by",
     .choices = CONTIGUITIES,
     .doc = "How it follows what was taken before: immediately, by the first event that fits, or "
            "by any that fits."},
    {.name = "not",
     .type = LEAT_OPTION_BOOL,
     .offset = PART(negated),
     .fallback = "false",
     .doc = "With `next`, the very next event must not fit; with `followed_by`, none may fit in "
            "between. At the end of a pattern it needs `within`."},
    {.name = "times",
     .type = LEAT_OPTION_NODE,
     .offset = PART(times),
     .shape = times_shape,
     .doc = "How often: N, or `min` and `max`; no `max` or null means without bound."},
    {.name = "repeat",
     .type = LEAT_OPTION_ENUM,
     .offset = PART(repeat),
     .fallback = "followed_by",
     .choices = CONTIGUITIES,
     .doc = "Contiguity inside a repetition."},
    {.name = "optional",
     .type = LEAT_OPTION_BOOL,
     .offset = PART(optional),
     .fallback = "false",
     .doc = "May be left out altogether."},
    {.name = "greedy",
     .type = LEAT_OPTION_BOOL,
     .offset = PART(greedy),
     .fallback = "false",
     .doc = "What follows gets no event that the repetition could still have taken."},
    {.name = "until",
     .type = LEAT_OPTION_EXPR,
     .offset = PART(until),
     .doc = "Condition that ends a repetition without upper bound."},
    {.name = "within",
     .type = LEAT_OPTION_DURATION,
     .offset = PART(within_ms),
     .min = 1,
     .max = PATTERN_WITHIN_MAX,
     .doc = "Largest time since the event taken before, exclusive."},
};

#define RUNS_MAX_DEFAULT 10000
#define LIMITS_FIELDS    4
static const leat_option limits_options[LIMITS_FIELDS] = {
    {.name = "partial_matches",
     .type = LEAT_OPTION_INT,
     .offset = offsetof(pattern_options, runs_max),
     .min = 1,
     .max = LEAT_PATTERN_RUNS_MAX,
     .doc = "Takes that the partial matches of one key hold, those that several share counted "
            "once: what they need in memory. Default: 10000, or N * N where the shortest match "
            "takes more than 100 events, N."},
    {.name = "events",
     .type = LEAT_OPTION_INT,
     .offset = offsetof(pattern_options, takes_max),
     .fallback = "1000",
     .min = 1,
     .max = 100000,
     .doc = "Events of one match."},
    {.name = "matches",
     .type = LEAT_OPTION_INT,
     .offset = offsetof(pattern_options, matches_max),
     .fallback = "100000",
     .min = 1,
     .max = 1000000000,
     .doc = "Matches that one event completes, or the passing of time: so many come out, those "
            "whose takes are earliest."},
    {.name = "beyond",
     .type = LEAT_OPTION_ENUM,
     .offset = offsetof(pattern_options, beyond),
     .fallback = "drop_oldest",
     .choices = "drop_oldest|drop_newest|fail",
     .doc = "What happens beyond a limit: the partial match that began first goes, the new one is "
            "not made (of matches the rest does not come out), or the worker stops."},
};

static const leat_option timeout_options[] = {
    {.name = "emit",
     .type = LEAT_OPTION_NODE,
     .offset = offsetof(pattern_options, timeout_emit),
     .shape = emit_shape,
     .doc = "Fields of the record: names and expressions over the steps."},
    {.name = "to",
     .type = LEAT_OPTION_NODE,
     .offset = offsetof(pattern_options, timeout_to),
     .doc = "A sink of its own for these records; without it they go where the alerts go."},
};

#define TOP(member) offsetof(pattern_options, member)
static const leat_option pattern_table[] = {
    {.name = "$schema", .type = LEAT_OPTION_STRING, .offset = TOP(schema)},
    {.name = "name",
     .type = LEAT_OPTION_STRING,
     .offset = TOP(name),
     .required = true,
     .doc = "Name of the pattern, as its alerts carry it."},
    {.name = "description",
     .type = LEAT_OPTION_STRING,
     .offset = TOP(description),
     .doc = "For readers."},
    {.name = "version",
     .type = LEAT_OPTION_NODE,
     .offset = TOP(version),
     .shape = "{\"type\": [\"string\", \"integer\"]}",
     .doc = "Carried into the alert."},
    {.name = "severity",
     .type = LEAT_OPTION_NODE,
     .offset = TOP(severity),
     .shape = "{\"type\": [\"string\", \"integer\"]}",
     .doc = "Carried into the alert."},
    {.name = "tags",
     .type = LEAT_OPTION_NODE,
     .offset = TOP(tags),
     .shape = "{\"type\": \"array\", \"items\": {\"type\": \"string\"}}",
     .doc = "Carried into the alert."},
    {.name = "enabled",
     .type = LEAT_OPTION_BOOL,
     .offset = TOP(enabled),
     .fallback = "true",
     .doc = "When false, the pattern is checked but not run."},
    {.name = "events",
     .type = LEAT_OPTION_BOOL,
     .offset = TOP(events),
     .fallback = "true",
     .doc = "Whether alerts carry the events, by step."},
    {.name = "key",
     .type = LEAT_OPTION_EXPR,
     .offset = TOP(key),
     .doc = "Expression: events are matched per key. Default: that of `detect`, then the "
            "stream's; an empty text is one global sequence."},
    {.name = "within",
     .type = LEAT_OPTION_DURATION,
     .offset = TOP(within_ms),
     .min = 1,
     .max = PATTERN_WITHIN_MAX,
     .doc = "Span from the first to the last event, exclusive."},
    {.name = "order_by",
     .type = LEAT_OPTION_EXPR,
     .offset = TOP(order_by),
     .doc = "Expression: the order of events with equal timestamps. Default: arrival."},
    {.name = "skip",
     .type = LEAT_OPTION_ENUM,
     .offset = TOP(skip),
     .fallback = "no_skip",
     .choices = "no_skip|skip_to_next|skip_past_last_event|skip_to_first|skip_to_last",
     .doc = "Which partial matches a match puts an end to."},
    {.name = "skip_to",
     .type = LEAT_OPTION_STRING,
     .offset = TOP(skip_to),
     .doc = "The step that `skip_to_first` and `skip_to_last` mean."},
    {.name = "skip_on_miss",
     .type = LEAT_OPTION_ENUM,
     .offset = TOP(skip_on_miss),
     .fallback = "ignore",
     .choices = "ignore|error",
     .doc = "What if that step took nothing: skip nothing, or also send the event that completed "
            "the match to the dead letter."},
    {.name = "steps",
     .type = LEAT_OPTION_NODE,
     .offset = TOP(steps),
     .required = true,
     .shape = parts_shape,
     .doc = "The sequence."},
    {.name = "emit",
     .type = LEAT_OPTION_NODE,
     .offset = TOP(emit),
     .shape = emit_shape,
     .doc = "Further fields of the alert: names and expressions over the steps."},
    {.name = "timeout",
     .type = LEAT_OPTION_OBJECT,
     .fields = timeout_options,
     .fields_count = sizeof timeout_options / sizeof timeout_options[0],
     .doc = "Partial matches that ran out of time are told, too."},
    {.name = "limits",
     .type = LEAT_OPTION_OBJECT,
     .fields = limits_options,
     .fields_count = LIMITS_FIELDS,
     .doc = "What one key may hold."},
};
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void *need(pattern_reader *reader, size_t bytes)
{
    void *ptr = leat_arena_zero(reader->arena, bytes);
    LEAT_ASSERT(ptr != NULL); /* a pattern is bounded: 64 parts and as many conditions twice */
    return ptr;
}

static uint32_t condition_of(pattern_reader *reader, const leat_node *node)
{
    leat_pattern *pattern = reader->pattern;
    if (node == NULL) return LEAT_CONDITION_TRUE;
    LEAT_ASSERT(node->kind == LEAT_NODE_STRING);
    for (uint32_t i = 0; i < pattern->conditions_count; i++)
        if (leat_str_equal(pattern->conditions[i].node->text, node->text)) return i;
    LEAT_ASSERT(pattern->conditions_count < 2 * LEAT_PATTERN_PARTS_MAX);
    pattern->conditions[pattern->conditions_count].node = node;
    return pattern->conditions_count++;
}

typedef struct times_options {
    int64_t min;
    const leat_node *max;
} times_options;

static const leat_option times_table[] = {
    {.name = "min", .type = LEAT_OPTION_INT, .offset = offsetof(times_options, min)},
    {.name = "max", .type = LEAT_OPTION_NODE, .offset = offsetof(times_options, max)},
};

static bool times_kind(pattern_reader *reader, const leat_node *node, const char *wanted)
{
    leat_findings_add(reader->findings, node, false, "must be %s, not %s", wanted,
                      leat_node_kind_name(node->kind));
    return false;
}

/* N, or {"min": m, "max": n} where a missing or null max is UNBOUNDED. */
static bool times_range(pattern_reader *reader, const leat_node *node, int64_t *min, int64_t *max)
{
    if (node->kind == LEAT_NODE_INT) {
        *min = *max = node->i;
        return true;
    }
    if (node->kind != LEAT_NODE_OBJECT)
        return times_kind(reader, node, "a whole number or an object with `min` and `max`");
    times_options read = {0, NULL};
    if (!leat_options_read(times_table, COUNT(times_table), node, &read, reader->findings))
        return false;
    *min = read.min;
    *max = LEAT_UNBOUNDED;
    if (read.max == NULL || read.max->kind == LEAT_NODE_NULL) return true;
    if (read.max->kind != LEAT_NODE_INT)
        return times_kind(reader, read.max, "a whole number or null");
    *max = read.max->i;
    return true;
}

/* What is wrong leaves 1..1. */
static void read_times(pattern_reader *reader, const leat_node *node, leat_part *part)
{
    int64_t min = 0;
    int64_t max = 0;
    if (!times_range(reader, node, &min, &max)) return;
    bool unbounded = max == LEAT_UNBOUNDED && node->kind == LEAT_NODE_OBJECT;
    int64_t most = unbounded ? min : max;
    if (min < 0 || max < 1 || max < min || most > LEAT_PATTERN_TIMES_MAX) {
        leat_findings_add(reader->findings, node, false,
                          "must be between 1 and %d, and `max` not below `min`",
                          LEAT_PATTERN_TIMES_MAX);
        return;
    }
    LEAT_ASSERT(min <= LEAT_PATTERN_TIMES_MAX);
    part->min = (uint32_t)min;
    part->max = unbounded ? LEAT_UNBOUNDED : (uint32_t)max;
}

static leat_part *read_part(pattern_reader *reader, const leat_node *node, leat_part *parent,
                            uint32_t position);

/* The parts of a group, of alternatives, or of the pattern itself. */
static void read_parts(pattern_reader *reader, const leat_node *list, leat_part *into)
{
    LEAT_ASSERT(list != NULL && into->parts_count == 0);
    if (list->kind != LEAT_NODE_LIST || list->child == NULL) {
        leat_findings_add(reader->findings, list, false, "must be a list of steps, not %s",
                          list->kind == LEAT_NODE_LIST ? "an empty one"
                                                       : leat_node_kind_name(list->kind));
        return;
    }
    if (into->depth + 1 > LEAT_PATTERN_DEPTH_MAX) {
        leat_findings_add(reader->findings, list, false,
                          "groups are nested deeper than %d: split the pattern",
                          LEAT_PATTERN_DEPTH_MAX - 1);
        return;
    }
    uint32_t count = 0;
    for (const leat_node *node = list->child; node != NULL; node = node->next)
        count++;
    if (reader->pattern->parts_count + count > LEAT_PATTERN_PARTS_MAX) {
        leat_findings_add(reader->findings, list, false,
                          "the pattern has more than %d steps and groups: split it",
                          LEAT_PATTERN_PARTS_MAX - 1);
        return;
    }
    into->parts = need(reader, count * sizeof(leat_part *));
    for (const leat_node *node = list->child; node != NULL; node = node->next) {
        leat_part *part = read_part(reader, node, into, into->parts_count);
        if (part != NULL) into->parts[into->parts_count++] = part;
    }
}

static leat_part *part_new(pattern_reader *reader, const leat_node *node, leat_part *parent,
                           uint32_t position)
{
    leat_pattern *pattern = reader->pattern;
    if (pattern->parts_count == LEAT_PATTERN_PARTS_MAX) return NULL;
    leat_part *part = need(reader, sizeof *part);
    part->index = pattern->parts_count;
    part->position = position;
    part->depth = parent == NULL ? 0 : parent->depth + 1;
    part->parent = parent;
    part->node = node;
    part->min = part->max = 1;
    part->where = part->until = LEAT_CONDITION_TRUE;
    pattern->parts[pattern->parts_count++] = part;
    return part;
}

static leat_part *read_part(pattern_reader *reader, const leat_node *node, leat_part *parent,
                            uint32_t position)
{
    pattern_part_options read = {0};
    (void)leat_options_read(part_options, COUNT(part_options), node, &read, reader->findings);
    if (node->kind != LEAT_NODE_OBJECT) return NULL;
    leat_part *part = part_new(reader, node, parent, position);
    if (part == NULL) return NULL; /* told by read_parts of another branch or of this one */
    part->kind = read.any_of != NULL  ? LEAT_PART_ANY_OF
                 : read.steps != NULL ? LEAT_PART_GROUP
                 : read.negated       ? LEAT_PART_NOT
                                      : LEAT_PART_STEP;
    part->name = read.name;
    part->contiguity = (leat_contiguity)read.contiguity;
    part->repeat = (leat_contiguity)read.repeat;
    part->optional = read.optional;
    part->within_ms = read.within_ms;
    if (read.times != NULL) read_times(reader, read.times, part);
    part->greedy = read.greedy && part->min != part->max;
    if (part->min == 0) {
        part->optional = true;
        part->min = 1;
    }
    part->where = condition_of(reader, read.where);
    part->until = condition_of(reader, read.until);
    part->has_until = read.until != NULL;
    if (part->kind == LEAT_PART_STEP) {
        LEAT_ASSERT(reader->pattern->steps_count < LEAT_PATTERN_PARTS_MAX);
        part->step = reader->pattern->steps_count;
        reader->pattern->steps[reader->pattern->steps_count++] = part;
    }
    pattern_check_part(reader, part, &read);
    if (part->kind == LEAT_PART_GROUP) read_parts(reader, read.steps, part);
    if (part->kind == LEAT_PART_ANY_OF) read_parts(reader, read.any_of, part);
    return part;
}

static void take_over(leat_pattern *pattern, const pattern_options *read)
{
    pattern->name = read->name;
    pattern->description = read->description;
    pattern->version = read->version;
    pattern->severity = read->severity;
    pattern->tags = read->tags;
    pattern->enabled = read->enabled;
    pattern->events = read->events;
    pattern->key = read->key;
    pattern->within_ms = read->within_ms;
    pattern->order_by = read->order_by;
    pattern->skip = (leat_skip_strategy)read->skip;
    pattern->skip_must = read->skip_on_miss == 1;
    pattern->emit = read->emit;
    pattern->timeout_emit = read->timeout_emit;
    pattern->timeout_to = read->timeout_to;
    pattern->runs_max = (uint32_t)read->runs_max;
    pattern->takes_max = (uint32_t)read->takes_max;
    pattern->matches_max = (uint32_t)read->matches_max;
    pattern->beyond = (leat_beyond)read->beyond;
}

/* The takes that the shortest match of a part has; no more than a limit can be. */
static uint32_t takes_least(const leat_part *part)
{
    uint64_t least = part->kind == LEAT_PART_STEP ? 1 : 0;
    if (part->optional || part->kind == LEAT_PART_NOT) return 0;
    for (uint32_t i = 0; i < part->parts_count; i++) {
        uint64_t takes = takes_least(part->parts[i]);
        if (part->kind != LEAT_PART_ANY_OF || i == 0)
            least += takes;
        else if (takes < least)
            least = takes;
    }
    least *= part->min;
    return least < UINT32_MAX ? (uint32_t)least : UINT32_MAX;
}

/* What has to be known for a limit that is not given. Of a row of events that fit, each begins a
 * partial match, so before the first is complete those of N takes hold N * N / 2. As much again is
 * left for what else they take. */
static void set_runs_max(leat_pattern *pattern)
{
    uint64_t least = pattern->takes_least = takes_least(pattern->root);
    if (pattern->runs_max != 0) return;
    if (least > pattern->takes_max) least = pattern->takes_max; /* nothing is complete */
    uint64_t most = least * least;
    if (most < RUNS_MAX_DEFAULT) most = RUNS_MAX_DEFAULT;
    pattern->runs_max = most < LEAT_PATTERN_RUNS_MAX ? (uint32_t)most : LEAT_PATTERN_RUNS_MAX;
}

bool leat_pattern_read(const leat_node *object, leat_arena *arena, leat_findings *findings,
                       leat_pattern **pattern)
{
    LEAT_ASSERT(object != NULL && arena != NULL && findings != NULL);
    *pattern = NULL;
    size_t before = findings->errors;
    pattern_options read = {0};
    (void)leat_options_read(pattern_table, COUNT(pattern_table), object, &read, findings);
    if (object->kind != LEAT_NODE_OBJECT) return false;
    pattern_reader reader = {.arena = arena, .findings = findings};
    leat_pattern *made = reader.pattern = need(&reader, sizeof *made);
    made->node = object;
    made->parts = need(&reader, LEAT_PATTERN_PARTS_MAX * sizeof(leat_part *));
    made->steps = need(&reader, LEAT_PATTERN_PARTS_MAX * sizeof(leat_part *));
    made->conditions = need(&reader, sizeof(leat_condition) * 2 * LEAT_PATTERN_PARTS_MAX);
    take_over(made, &read);
    made->timeout = leat_node_member(object, "timeout");
    made->root = part_new(&reader, object, NULL, 0);
    made->root->kind = LEAT_PART_GROUP;
    if (read.steps != NULL) read_parts(&reader, read.steps, made->root);
    set_runs_max(made);
    pattern_check(&reader, &read);
    *pattern = made;
    if (findings->errors > before) return false;
    LEAT_ASSERT(made->steps_count > 0 && made->root->parts_count > 0);
    return true;
}

bool leat_pattern_step(const leat_pattern *pattern, leat_str name, uint32_t *step)
{
    for (uint32_t i = 0; i < pattern->steps_count; i++) {
        if (!leat_str_equal(pattern->steps[i]->name, name)) continue;
        *step = i;
        return true;
    }
    return false;
}

void leat_pattern_schema(leat_buf *out)
{
    leat_buf table;
    leat_buf_init(&table, (size_t)1 << 20);
    leat_options_schema(pattern_table, COUNT(pattern_table), &table);
    LEAT_ASSERT(!table.overflow && table.len > 2 && table.data[0] == '{');
    leat_buf_add_text(out, "{\"$schema\": \"http://json-schema.org/draft-07/schema#\", "
                           "\"title\": \"Leat pattern\", ");
    leat_buf_add(out, (leat_str){table.data + 1, table.len - 2});
    leat_buf_add_text(out, ", \"definitions\": {\"step\": ");
    leat_options_schema(part_options, COUNT(part_options), out);
    leat_buf_add_text(out, "}}");
    leat_buf_release(&table);
}

void leat_pattern_manual(leat_buf *out)
{
    leat_buf_add_text(out, "### A pattern\n\n");
    leat_options_manual(pattern_table, COUNT(pattern_table), out);
    leat_buf_add_text(out, "\n### A step of a pattern\n\n");
    leat_options_manual(part_options, COUNT(part_options), out);
}
