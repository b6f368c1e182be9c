/* SPDX-License-Identifier: Apache-2.0 */
/* Format csv: its settings, and what is known of its columns before anything runs.
 *
 *   source, file    header line (default)   columns: those of the first file's header, if it can be
 *                                           read now; `columns` gives types
 *           topic   `columns` are all there are, in order
 *   sink            `columns`, or what the record is known to have: after `keep`, or from a source
 *                   whose columns are known
 *
 * A column without type is text, which the checker knows: `amount > 10.0` on it is found by `leat
 * check`. Typed columns may be null and so stay dynamic. */
#include <string.h>

#include "schemas/codec_csv.h"
#include "transforms/format.h"

#define HEAD_BYTES ((size_t)64 << 10)

typedef struct csv_options {
    const leat_node *columns, *null;
    leat_str delimiter, quote;
    bool header;
} csv_options;

#define COLUMNS_SHAPE                                                                              \
    "{\"oneOf\": [{\"type\": \"array\", \"minItems\": 1, \"items\": {\"type\": \"string\"}}, "     \
    "{\"type\": \"object\", \"minProperties\": 1, \"additionalProperties\": {\"enum\": "           \
    "[\"string\", \"int\", \"double\", \"bool\"]}}]}"

static const leat_option options[] = {
    {.name = "columns",
     .type = LEAT_OPTION_NODE,
     .offset = offsetof(csv_options, columns),
     .shape = COLUMNS_SHAPE,
     .doc = "A list of names, or an object of names and types (`string`, `int`, `double`, `bool`), "
            "in order. With a header line: the types of those that are no strings."},
    {.name = "header",
     .type = LEAT_OPTION_BOOL,
     .offset = offsetof(csv_options, header),
     .doc =
         "The first line of a file names the columns. Default: true for files and stdout; topics "
         "have none."},
    {.name = "delimiter",
     .type = LEAT_OPTION_STRING,
     .offset = offsetof(csv_options, delimiter),
     .fallback = ",",
     .doc = "One ASCII character."},
    {.name = "quote",
     .type = LEAT_OPTION_STRING,
     .offset = offsetof(csv_options, quote),
     .fallback = "\"",
     .doc = "One ASCII character, or empty: there are no quotes."},
    {.name = "null",
     .type = LEAT_OPTION_NODE,
     .offset = offsetof(csv_options, null),
     .shape = "{\"type\": \"string\"}",
     .doc = "An unquoted cell of this text is null, such as `NULL`, or empty. Default: an empty "
            "cell is null in a column with a type, and an empty string in any other."},
};
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

static const char *const type_names[] = {"string", "int", "double", "bool"};
enum { TYPES_COUNT = sizeof type_names / sizeof type_names[0] };

/* --- settings --- */

static bool character(leat_planner *planner, const leat_node *given, const char *name,
                      leat_str text, bool may_be_none, char *c)
{
    *c = text.len == 1 ? text.data[0] : '\0';
    bool good = (text.len == 0 && may_be_none) || (text.len == 1 && (unsigned char)*c < 0x80 &&
                                                   *c != '\n' && *c != '\r' && *c != '\0');
    if (!good)
        leat_findings_add(leat_planner_findings(planner), leat_node_member(given, name), false,
                          "must be one ASCII character%s, and no line end",
                          may_be_none ? ", or empty" : "");
    return good;
}

static bool column_type(leat_planner *planner, const leat_node *node, leat_csv_type *type)
{
    leat_str known[TYPES_COUNT];
    for (int i = 0; i < TYPES_COUNT; i++) {
        known[i] = leat_str_of(type_names[i]);
        if (node->kind != LEAT_NODE_STRING || !leat_str_equal(node->text, known[i])) continue;
        *type = (leat_csv_type)i;
        return true;
    }
    leat_finding *finding = leat_findings_add(leat_planner_findings(planner), node, false,
                                              "a column's type is string, int, double or bool");
    if (node->kind == LEAT_NODE_STRING && !node->secret)
        finding->suggestion = leat_str_nearest(node->text, known, TYPES_COUNT);
    return false;
}

static bool read_columns(leat_planner *planner, const leat_node *node, leat_csv_codec *codec)
{
    leat_findings *findings = leat_planner_findings(planner);
    size_t count = 0;
    bool list = node->kind == LEAT_NODE_LIST, good = true;
    for (const leat_node *child = node->child; child != NULL; child = child->next)
        count++;
    if ((!list && node->kind != LEAT_NODE_OBJECT) || count == 0 || count > LEAT_CSV_COLUMNS_MAX) {
        leat_findings_add(findings, node, false,
                          "must be a list of names, or an object of names and types; 1 to %d",
                          LEAT_CSV_COLUMNS_MAX);
        return false;
    }
    LEAT_ASSERT(codec->columns == NULL && codec->columns_count == 0);
    leat_csv_column *columns = leat_planner_alloc(planner, count * sizeof *columns);
    codec->columns = columns;
    for (const leat_node *child = node->child; child != NULL; child = child->next) {
        leat_csv_column *column = &columns[codec->columns_count];
        if (list && child->kind != LEAT_NODE_STRING) {
            leat_findings_add(findings, child, false, "must be a column's name, not %s",
                              leat_node_kind_name(child->kind));
            good = false;
            continue;
        }
        column->name = list ? child->text : child->key;
        if (!list) good &= column_type(planner, child, &column->type);
        for (size_t i = 0; i < codec->columns_count; i++)
            if (leat_str_equal(columns[i].name, column->name)) {
                leat_findings_add(findings, child, false, "'%.*s' is a column already",
                                  LEAT_STR_ARG(child->secret ? LEAT_STR("***") : column->name));
                good = false;
            }
        codec->columns_count++;
    }
    return good;
}

/* --- what is known of a source's columns --- */

static const char *cel_type(const leat_csv_codec *codec, leat_csv_type type)
{
    return type == LEAT_CSV_STRING && codec->null.data == NULL ? "string" : NULL;
}

static void know(leat_planner *planner, const leat_csv_codec *codec, const leat_str *names,
                 size_t count, leat_format_site *site)
{
    leat_known_field *known = leat_planner_alloc(planner, (count + 1) * sizeof *known);
    for (size_t i = 0; i < count; i++) {
        leat_csv_type type = LEAT_CSV_STRING;
        for (size_t k = 0; k < codec->columns_count; k++)
            if (leat_str_equal(codec->columns[k].name, names[i])) type = codec->columns[k].type;
        known[i] = (leat_known_field){.name = names[i], .type = cel_type(codec, type)};
    }
    site->known = known;
    site->known_count = count;
}

static bool know_header(leat_planner *planner, const leat_node *node, const leat_csv_codec *codec,
                        leat_format_site *site)
{
    LEAT_ASSERT(codec->header && site->known == NULL);
    if (site->paths_count == 0) return true;
    leat_str head = leat_planner_file_head(planner, site->paths[0], HEAD_BYTES);
    if (head.len >= 3 && memcmp(head.data, "\xEF\xBB\xBF", 3) == 0)
        head = leat_str_slice(head, 3, head.len);
    while (head.len > 0 && (head.data[0] == '\n' || head.data[0] == '\r'))
        head = leat_str_slice(head, 1, head.len); /* blank lines are no rows */
    size_t end = leat_csv_row_end(head, codec->quote);
    if (end == 0 && head.len == HEAD_BYTES) return true; /* a long one: when it is read */
    if (end != 0) head.len = end;
    if (head.len == 0) return true;
    leat_str *names = NULL;
    size_t count = 0;
    leat_err err = {0};
    leat_arena *arena = leat_planner_arena(planner);
    if (leat_csv_header(codec, head, arena, &names, &count, &err) != LEAT_OK) {
        leat_findings_add(leat_planner_findings(planner), node, false, "'%.*s': %s",
                          LEAT_STR_ARG(site->paths[0]), err.text);
        return false;
    }
    for (size_t k = 0; k < codec->columns_count; k++) {
        bool there = false;
        for (size_t i = 0; i < count; i++)
            there = there || leat_str_equal(names[i], codec->columns[k].name);
        if (there) continue;
        leat_finding *finding =
            leat_findings_add(leat_planner_findings(planner), node, false,
                              "the header line of '%.*s' has no column '%.*s'",
                              LEAT_STR_ARG(site->paths[0]), LEAT_STR_ARG(codec->columns[k].name));
        finding->suggestion = leat_str_nearest(codec->columns[k].name, names, count);
        return false;
    }
    know(planner, codec, names, count, site);
    return true;
}

static bool plan_source(leat_planner *planner, const leat_node *node, leat_csv_codec *codec,
                        leat_format_site *site)
{
    site->row_quote = codec->quote;
    if (codec->header) return know_header(planner, node, codec, site);
    if (codec->columns_count == 0) {
        leat_findings_add(leat_planner_findings(planner), node, false,
                          "csv without a header line needs 'columns': { \"csv\": { \"columns\": "
                          "[\"id\", \"name\"] } }");
        return false;
    }
    leat_str *names = leat_planner_alloc(planner, codec->columns_count * sizeof *names);
    for (size_t i = 0; i < codec->columns_count; i++)
        names[i] = codec->columns[i].name;
    know(planner, codec, names, codec->columns_count, site);
    return true;
}

/* --- sinks --- */

static bool goes_out(const leat_field *layout, leat_str name)
{
    const leat_field *field = leat_field_find(layout, name);
    return field == NULL ? layout->open : field->kind != LEAT_FIELD_REMOVED;
}

/* The fields that the record is known to have, in the order in which it would be written. */
static void columns_of_layout(leat_planner *planner, leat_csv_codec *codec,
                              const leat_format_site *site)
{
    const leat_field *layout = site->layout;
    LEAT_ASSERT(layout->kind == LEAT_FIELD_OBJECT);
    size_t count = 0, known = site->shape->known_count;
    if (layout->open && known == 0) return;
    for (const leat_field *field = layout->fields; field != NULL; field = field->next)
        count++;
    leat_csv_column *columns = leat_planner_alloc(planner, (count + known + 1) * sizeof *columns);
    for (size_t i = 0; i < known; i++)
        if (goes_out(layout, site->shape->known[i].name))
            columns[codec->columns_count++].name = site->shape->known[i].name;
    for (const leat_field *field = layout->fields; field != NULL; field = field->next) {
        bool there = field->kind == LEAT_FIELD_REMOVED;
        for (size_t i = 0; i < codec->columns_count && !there; i++)
            there = leat_str_equal(columns[i].name, field->name);
        if (!there) columns[codec->columns_count++].name = field->name;
    }
    codec->columns = columns;
}

static bool plan_sink(leat_planner *planner, const leat_node *node, leat_csv_codec *codec,
                      leat_format_site *site)
{
    if (codec->columns_count == 0) columns_of_layout(planner, codec, site);
    if (codec->columns_count == 0) {
        leat_findings_add(leat_planner_findings(planner), node, false,
                          "which fields to write cannot be known here: set 'columns' "
                          "({ \"csv\": { \"columns\": [\"id\", \"name\"] } }), or have a step "
                          "'keep' in front");
        return false;
    }
    if (!codec->header) return true;
    leat_buf head;
    leat_buf_init(&head, (size_t)16 << 20);
    leat_csv_write_header(codec, &head);
    site->head = leat_arena_copy(leat_planner_arena(planner), leat_buf_str(&head));
    leat_buf_release(&head);
    return site->head.data != NULL;
}

static bool csv_plan(leat_planner *planner, const leat_node *node, const leat_node *given,
                     leat_format_site *site)
{
    LEAT_ASSERT(site->shape != NULL && (!site->sink || site->layout != NULL));
    csv_options read = {.header = site->files};
    leat_findings *findings = leat_planner_findings(planner);
    leat_csv_codec *codec = leat_planner_alloc(planner, sizeof *codec);
    codec->codec.type = &leat_codec_csv;
    if (!leat_options_read(options, OPTIONS_COUNT, given, &read, findings)) return false;
    if (!character(planner, given, "delimiter", read.delimiter, false, &codec->delimiter) ||
        !character(planner, given, "quote", read.quote, true, &codec->quote))
        return false;
    if (codec->delimiter == codec->quote) {
        leat_findings_add(findings, given, false, "delimiter and quote cannot be the same");
        return false;
    }
    codec->header = read.header;
    if (codec->header && !site->files) {
        leat_findings_add(findings, leat_node_member(given, "header"), false,
                          "goes with files: in a topic, each record is one row");
        return false;
    }
    if (read.null != NULL) {
        if (read.null->kind != LEAT_NODE_STRING) {
            leat_findings_add(findings, read.null, false, "must be a text");
            return false;
        }
        codec->null = read.null->text.data != NULL ? read.null->text : LEAT_STR("");
    }
    if (read.columns != NULL && !read_columns(planner, read.columns, codec)) return false;
    site->codec = &codec->codec;
    return site->sink ? plan_sink(planner, node, codec, site)
                      : plan_source(planner, node, codec, site);
}

const leat_format_type leat_format_csv = {
    .name = "csv",
    .doc = "Rows as in RFC 4180; a record is an object of its columns. A row of another width, a "
           "quote in the wrong place, a cell that is not of its column's type or not UTF-8 is a "
           "dead letter that says line and column. In files, cells may hold line ends, and blank "
           "lines are skipped. A sink writes `columns`, or all fields where they are known (after "
           "`keep`, or from a csv source); lists and objects as JSON text.",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .plan = csv_plan,
};
