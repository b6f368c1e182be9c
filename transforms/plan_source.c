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

/* --- tables --- */

const leat_option plan_table_options[] = {
    {.name = "topic",
     .type = LEAT_OPTION_NODE,
     AT(topic),
     .shape = "{\"type\": \"string\"}",
     .doc = "The topic, as a rule a compacted one, with as many partitions as that of the stream "
            "that joins it, and partitioned by the same key."},
    {.name = "file",
     .type = LEAT_OPTION_NODE,
     AT(file),
     .shape = NAMES_SHAPE,
     .doc = "In place of topic, for streams from files: files, by default of JSON lines, read "
            "before those of the source."},
    {.name = "format",
     .type = LEAT_OPTION_NODE,
     AT(format),
     .shape = PLAN_FORMAT_SHAPE,
     .doc = FORMAT_DOC},
    {.name = "key",
     .type = LEAT_OPTION_EXPR,
     AT(key),
     .doc = "Expression for the key, as text; default: the Kafka record's. A record without value "
            "removes what is under its key."},
    {.name = "timestamp",
     .type = LEAT_OPTION_EXPR,
     AT(timestamp),
     .doc = "Expression for the time from which on the record holds; default: the Kafka record's; "
            "of a file, since ever."},
    {.name = "kafka",
     .type = LEAT_OPTION_NODE,
     AT(kafka),
     .shape = PLAN_KAFKA_SHAPE,
     .doc = "librdkafka properties for this table."},
};
#undef AT
const size_t plan_table_options_count = sizeof plan_table_options / sizeof plan_table_options[0];

static void table_read(leat_planner *planner, const leat_node *node)
{
    leat_plan *plan = planner->plan;
    leat_source *table = &plan->tables[plan->tables_count];
    source_options options = {0};
    table->index = (uint32_t)plan->tables_count++;
    table->name = node->key;
    table->shape = plan_shape_new(planner);
    table->layout = plan_layout_open(planner);
    (void)plan_name_good(planner, node);
    (void)leat_options_read(plan_table_options, plan_table_options_count, node, &options,
                            planner->findings);
    if (node->kind != LEAT_NODE_OBJECT) return;
    source_names(planner, table, node, &options);
    source_format(planner, table, options.format);
    plan_settings(planner, options.kafka, &table->settings, &table->settings_count);
    plan_site site = {table->shape, table->layout, &table->views, &table->views_count};
    table->key_node = options.key;
    if (options.key != NULL) table->key = plan_expr(planner, options.key, site, NULL);
    if (table->files && options.key == NULL)
        leat_findings_add(planner->findings, node, false,
                          "records of a file have no key: 'key' is missing");
    source_time(planner, table, options.timestamp, site);
}

void plan_tables(leat_planner *planner, const leat_node *object)
{
    size_t count = 0;
    if (object == NULL) return;
    if (object->kind == LEAT_NODE_OBJECT)
        for (const leat_node *node = object->child; node != NULL; node = node->next)
            count++;
    if (object->kind != LEAT_NODE_OBJECT || count > PLAN_SOURCES_MAX) {
        leat_findings_add(planner->findings, object, false,
                          "must be an object with at most %d tables", PLAN_SOURCES_MAX);
        return;
    }
    planner->plan->tables =
        leat_planner_alloc(planner, (count + 1) * sizeof *planner->plan->tables);
    for (const leat_node *node = object->child; node != NULL && !plan_failed(planner);
         node = node->next)
        table_read(planner, node);
}

/* A task reads a table once, however many of its steps join it. */
static void table_add(leat_planner *planner, leat_source *source, leat_source *table)
{
    for (size_t i = 0; i < source->tables_count; i++)
        if (source->tables[i] == table) return;
    source->tables =
        plan_grow(planner, source->tables, source->tables_count, sizeof(leat_source *));
    source->tables[source->tables_count++] = table;
    table->joined_by = source;
}

const leat_source *leat_planner_table(leat_planner *planner, const leat_step *step,
                                      const leat_node *node)
{
    const leat_plan *plan = planner->plan;
    leat_str *names = leat_planner_alloc(planner, (plan->tables_count + 1) * sizeof *names);
    leat_source *table = NULL;
    LEAT_ASSERT(step != NULL);
    for (size_t i = 0; i < plan->tables_count; i++) {
        names[i] = plan->tables[i].name;
        if (leat_str_equal(names[i], node->text)) table = &plan->tables[i];
    }
    if (table == NULL) {
        leat_finding *finding = leat_findings_add(planner->findings, node, false,
                                                  "there is no table '%.*s' in 'tables'",
                                                  LEAT_STR_ARG(plan_shown(node)));
        finding->suggestion = leat_str_nearest(node->text, names, plan->tables_count);
        return NULL;
    }
    if (planner->step_source >= plan->sources_count) return table; /* a stream of nothing */
    leat_source *source = &plan->sources[planner->step_source];
    if (table->joined_by != NULL && table->joined_by != source) {
        leat_findings_add(planner->findings, node, false,
                          "table '%.*s' is joined by streams of two sources, '%.*s' and '%.*s', "
                          "and in this version only one can: give the other a table of its own",
                          LEAT_STR_ARG(table->name), LEAT_STR_ARG(table->joined_by->name),
                          LEAT_STR_ARG(source->name));
        return NULL;
    }
    if (source->topics_count > 0 && table->topics_count > 0 &&
        (source->files != table->files || source->topics[0].data[0] == '^')) {
        leat_findings_add(planner->findings, node, false,
                          source->files != table->files
                              ? "a stream from %s cannot join a table from the other kind; both "
                                "have to be files, or both topics"
                              : "a source with a topic_pattern cannot feed a join (%s)",
                          source->files ? "files" : "topics");
        return NULL;
    }
    table_add(planner, source, table);
    return table;
}

void plan_tables_settle(leat_planner *planner, const leat_node *object)
{
    leat_plan *plan = planner->plan;
    for (size_t i = 0; i < plan->tables_count; i++) {
        const leat_node *node = object->child;
        while (node->index != i)
            node = node->next;
        if (plan->tables[i].joined_by == NULL)
            leat_findings_add_key(planner->findings, node, true, "nobody joins table '%.*s'",
                                  LEAT_STR_ARG(plan->tables[i].name));
    }
    for (size_t i = 0; i < plan->sources_count; i++) {
        leat_source *source = &plan->sources[i];
        size_t count = source->topics_count;
        for (size_t k = 0; k < source->tables_count; k++)
            count += source->tables[k]->topics_count;
        if (count == source->topics_count) continue;
        leat_str *topics = leat_planner_alloc(planner, count * sizeof *topics);
        size_t at = 0;
        for (size_t k = 0; k < source->tables_count; k++)
            for (size_t t = 0; t < source->tables[k]->topics_count; t++)
                topics[at++] = source->tables[k]->topics[t];
        for (size_t t = 0; t < source->topics_count; t++) {
            if (leat_source_table(source, source->topics[t]) != NULL)
                leat_findings_add(planner->findings, object, false,
                                  "topic '%.*s' is read by source '%.*s' already, which joins it",
                                  LEAT_STR_ARG(source->topics[t]), LEAT_STR_ARG(source->name));
            topics[at++] = source->topics[t];
        }
        source->topics = topics;
        source->topics_count = count;
    }
}
