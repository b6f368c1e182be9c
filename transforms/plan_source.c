/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: which topics or files, and what their records' key and time are.
 *
 * A source that is wrong is there all the same, with what could be read of it, so that the streams
 * behind it are checked against something. A topic pattern is checked as RE2, which is what the
 * rest of a pipeline's regular expressions are; what the client library does with it is the same
 * for all but the most unusual patterns. */
#include <string.h>

#include "core/regex.h"
#include "core/time.h"
#include "transforms/plan_inside.h"

#define FORMAT_DOC "How records are read: see formats; default: json."
#define NAMES_SHAPE                                                                                \
    "{\"oneOf\": [{\"type\": \"string\"}, {\"type\": \"array\", \"minItems\": 1, \"items\": "      \
    "{\"type\": \"string\"}}]}"

/* --- sources --- */

typedef struct source_options {
    const leat_node *topic, *topic_pattern, *file, *format, *key, *timestamp, *late, *start, *kafka;
    int tombstones;
    int64_t out_of_orderness_ms, idle_after_ms;
} source_options;

#define AT(field) .offset = offsetof(source_options, field)
#define WEEK_MS   (INT64_C(7) * 24 * 3600 * 1000)
const leat_option plan_source_options[] = {
    {.name = "topic",
     .type = LEAT_OPTION_NODE,
     AT(topic),
     .shape = NAMES_SHAPE,
     .doc = "The topic, or a list of topics."},
    {.name = "topic_pattern",
     .type = LEAT_OPTION_NODE,
     AT(topic_pattern),
     .shape = "{\"type\": \"string\"}",
     .doc = "In place of topic: a regular expression that the whole name has to match."},
    {.name = "file",
     .type = LEAT_OPTION_NODE,
     AT(file),
     .shape = NAMES_SHAPE,
     .doc = "In place of topic: files, by default of JSON lines (paths or globs, relative to the "
            "pipeline "
            "file), read once from beginning to end."},
    {.name = "format",
     .type = LEAT_OPTION_NODE,
     AT(format),
     .shape = PLAN_FORMAT_SHAPE,
     .doc = FORMAT_DOC},
    {.name = "key",
     .type = LEAT_OPTION_EXPR,
     AT(key),
     .doc = "Expression for the record's key; default: the Kafka record's."},
    {.name = "timestamp",
     .type = LEAT_OPTION_EXPR,
     AT(timestamp),
     .doc = "Expression for the event time (milliseconds, RFC 3339 text or a timestamp); default: "
            "the Kafka record's."},
    {.name = "out_of_orderness",
     .type = LEAT_OPTION_DURATION,
     AT(out_of_orderness_ms),
     .fallback = "0s",
     .min = 0,
     .max = 52 * WEEK_MS,
     .doc = "How far the watermark stands behind the largest timestamp."},
    {.name = "idle_after",
     .type = LEAT_OPTION_DURATION,
     AT(idle_after_ms),
     .min = 1,
     .max = 52 * WEEK_MS,
     .doc = "A partition that is silent for so long no longer holds the watermark back; default: "
            "never."},
    {.name = "late",
     .type = LEAT_OPTION_NODE,
     AT(late),
     .shape =
         "{\"oneOf\": [{\"enum\": [\"drop\"]}, {\"type\": \"object\", \"properties\": {\"to\": "
         "{\"$ref\": \"#/definitions/plain_sink\"}}, \"required\": [\"to\"], "
         "\"additionalProperties\": false}]}",
     .doc = "What becomes of records at or below the watermark: `drop`, or `{\"to\": topic}`; "
            "default: stateless steps take them, the first stateful one drops them."},
    {.name = "tombstones",
     .type = LEAT_OPTION_ENUM,
     AT(tombstones),
     .fallback = "dead_letter",
     .choices = "dead_letter|drop",
     .doc = "What becomes of records with a null value; `drop` counts them."},
    {.name = "start",
     .type = LEAT_OPTION_NODE,
     AT(start),
     .shape = "{\"type\": \"string\"}",
     .doc = "Where a group without committed offsets begins: `earliest` (default), `latest`, or "
            "an RFC 3339 time."},
    {.name = "kafka",
     .type = LEAT_OPTION_NODE,
     AT(kafka),
     .shape = PLAN_KAFKA_SHAPE,
     .doc = "librdkafka properties for this source."},
};
#undef AT
const size_t plan_source_options_count = sizeof plan_source_options / sizeof plan_source_options[0];

static void topic_add(leat_planner *planner, leat_source *source, size_t *size, leat_str name)
{
    leat_str *topics =
        plan_room(planner, source->topics, source->topics_count, size, sizeof *topics);
    topics[source->topics_count++] = name;
    source->topics = topics;
}

/* All matches of one `file` text. */
static void files_add(leat_planner *planner, leat_source *source, size_t *size,
                      const leat_node *node)
{
    leat_planned_file *files = NULL;
    size_t count = 0;
    leat_err err = {0};
    if (!plan_is_text(planner, node, "a path or a glob") || plan_unresolved(planner, node)) return;
    leat_code code = planner->env->files(planner->env->self, node->text, false, planner->arena,
                                         &files, &count, &err);
    if (code != LEAT_OK) {
        leat_findings_add(planner->findings, node, false, "%s",
                          node->secret ? "cannot be listed" : err.text);
    } else if (count == 0) {
        leat_findings_add(planner->findings, node, false, "there is no file '%.*s'",
                          LEAT_STR_ARG(plan_shown(node)));
    }
    for (size_t i = 0; code == LEAT_OK && i < count; i++)
        topic_add(planner, source, size, files[i].name);
}

/* Java's clients match the whole name; a pattern for the client library begins with ^. */
static void pattern_add(leat_planner *planner, leat_source *source, const leat_node *node)
{
    leat_err err = {0};
    leat_regex *regex = NULL;
    size_t size = 0;
    if (!plan_is_text(planner, node, "a regular expression")) return;
    leat_str text = plan_unresolved(planner, node) ? LEAT_STR("x") : node->text;
    if (text.len == 0 || leat_regex_new(&regex, text, &err) != LEAT_OK) {
        leat_findings_add(planner->findings, node, false, "%s",
                          text.len == 0 || node->secret ? "is no regular expression" : err.text);
    }
    leat_regex_free(&regex);
    bool anchored = text.len > 0 && text.data[0] == '^';
    leat_str name =
        leat_arena_print(planner->arena, anchored ? "%.*s" : "^(%.*s)$", LEAT_STR_ARG(text));
    topic_add(planner, source, &size, name);
}

static void source_names(leat_planner *planner, leat_source *source, const leat_node *node,
                         const source_options *options)
{
    int given =
        (options->topic != NULL) + (options->topic_pattern != NULL) + (options->file != NULL);
    if (given != 1) {
        leat_findings_add(planner->findings, node, false,
                          given == 0 ? "one of 'topic', 'topic_pattern', 'file' is missing"
                                     : "only one of 'topic', 'topic_pattern', 'file' can be given");
        return;
    }
    if (options->topic_pattern != NULL) {
        pattern_add(planner, source, options->topic_pattern);
        return;
    }
    source->files = options->file != NULL;
    const leat_node *names = source->files ? options->file : options->topic;
    bool list = names->kind == LEAT_NODE_LIST;
    size_t size = 0;
    if (list && names->child == NULL)
        leat_findings_add(planner->findings, names, false, "the list is empty");
    for (const leat_node *name = list ? names->child : names; name != NULL;
         name = list ? name->next : NULL) {
        if (source->files)
            files_add(planner, source, &size, name);
        else if (plan_topic_name(planner, name))
            topic_add(planner, source, &size, name->text);
    }
}

static void source_start(leat_planner *planner, leat_source *source, const leat_node *node)
{
    leat_err err = {0};
    leat_value time;
    if (node == NULL || plan_unresolved(planner, node)) return;
    if (!plan_is_text(planner, node, "'earliest', 'latest' or an RFC 3339 time")) return;
    if (source->files) {
        leat_findings_add_key(planner->findings, node, false,
                              "'start' goes with topics; a file is read from its beginning");
    } else if (leat_str_is(node->text, "latest")) {
        source->start = LEAT_FROM_LATEST;
    } else if (leat_str_is(node->text, "earliest")) {
        source->start = LEAT_FROM_EARLIEST;
    } else if (leat_time_parse(node->text, &time, &err) == LEAT_OK) {
        source->start = LEAT_FROM_TIME;
        source->start_ms = leat_value_timestamp_ms(time);
    } else {
        leat_str known[] = {LEAT_STR("earliest"), LEAT_STR("latest")};
        leat_finding *finding = leat_findings_add(
            planner->findings, node, false,
            "must be 'earliest', 'latest' or an RFC 3339 time such as 2026-01-31T00:00:00Z");
        finding->suggestion = leat_str_nearest(node->text, known, 2);
    }
}

static void source_late(leat_planner *planner, leat_source *source, const leat_node *node)
{
    if (node == NULL || plan_unresolved(planner, node)) return;
    if (node->kind == LEAT_NODE_STRING && leat_str_is(node->text, "drop")) {
        source->late = LEAT_LATE_DROP;
        return;
    }
    const leat_node *to = node->kind == LEAT_NODE_OBJECT ? leat_node_member(node, "to") : NULL;
    if (to == NULL || to->next != NULL || node->child != to) {
        leat_findings_add(planner->findings, node, false,
                          "must be \"drop\" or {\"to\": a topic or sink}");
        return;
    }
    source->late = LEAT_LATE_TOPIC;
    source->late_node = to;
    source->late_sink = plan_plain_sink(planner, to, LEAT_PAYLOAD_ORIGINAL);
    if (planner->dead_letter_mask != NULL) {
        leat_findings_add_key(planner->findings, planner->dead_letter_mask, false,
                              "is for dead letters; late records have the masks of the streams");
        planner->dead_letter_mask = NULL;
    }
}

static void source_time(leat_planner *planner, leat_source *source, const leat_node *node,
                        plan_site site)
{
    if (node == NULL) return;
    source->timestamp = plan_expr(planner, node, site, NULL);
    if (source->timestamp == NULL) return;
    static const char *const good[] = {"dyn", "int", "string", "timestamp",
                                       "google.protobuf.Timestamp"};
    const char *type = leat_expr_type_name(source->timestamp);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (strcmp(type, good[i]) == 0) return;
    leat_findings_add(planner->findings, node, false,
                      "must give milliseconds as an int, an RFC 3339 text or a timestamp, not a %s",
                      type);
}

static void source_format(leat_planner *planner, leat_source *source, const leat_node *node)
{
    leat_format_site site = {.files = source->files,
                             .paths = source->topics,
                             .paths_count = source->files ? source->topics_count : 0,
                             .shape = source->shape,
                             .layout = source->layout};
    if (!plan_format(planner, node, &site)) return;
    source->codec = site.codec;
    source->row_quote = site.row_quote;
    source->container = site.container;
    source->shape->known = site.known;
    source->shape->known_count = site.known_count;
}

static void source_read(leat_planner *planner, const leat_node *node)
{
    leat_plan *plan = planner->plan;
    leat_source *source = &plan->sources[plan->sources_count];
    source_options options = {0};
    source->index = (uint32_t)plan->sources_count++;
    source->name = node->key;
    source->shape = plan_shape_new(planner);
    source->layout = plan_layout_open(planner);
    (void)plan_name_good(planner, node);
    (void)leat_options_read(plan_source_options, plan_source_options_count, node, &options,
                            planner->findings);
    if (node->kind != LEAT_NODE_OBJECT) return;
    source_names(planner, source, node, &options);
    source_format(planner, source, options.format);
    source->tombstones_dropped = options.tombstones == 1;
    source_start(planner, source, options.start);
    source_late(planner, source, options.late);
    plan_settings(planner, options.kafka, &source->settings, &source->settings_count);
    source->out_of_orderness_ms = options.out_of_orderness_ms;
    source->idle_after_ms = options.idle_after_ms;
    plan_site site = {source->shape, source->layout, &source->views, &source->views_count};
    source->key_node = options.key;
    if (options.key != NULL) source->key = plan_expr(planner, options.key, site, NULL);
    source_time(planner, source, options.timestamp, site);
}

void plan_sources(leat_planner *planner, const leat_node *object)
{
    size_t count = 0;
    if (object != NULL && object->kind == LEAT_NODE_OBJECT)
        for (const leat_node *node = object->child; node != NULL; node = node->next)
            count++;
    if (object != NULL &&
        (object->kind != LEAT_NODE_OBJECT || count == 0 || count > PLAN_SOURCES_MAX)) {
        leat_findings_add(planner->findings, object, false,
                          "must be an object with 1 to %d sources", PLAN_SOURCES_MAX);
        count = 0;
    }
    planner->plan->sources =
        leat_planner_alloc(planner, (count + 1) * sizeof *planner->plan->sources);
    planner->starts = leat_planner_alloc(planner, (count + 1) * sizeof *planner->starts);
    for (const leat_node *node = count > 0 ? object->child : NULL;
         node != NULL && !plan_failed(planner); node = node->next)
        source_read(planner, node);
}
