/* SPDX-License-Identifier: Apache-2.0 */
/* parse: text fields that hold something become what they hold.
 *
 *   json    any JSON, with its numbers as they are written
 *   kv      a=1 b="x y"            -> object of texts
 *   csv     one line               -> object (columns) or list of texts
 *   url     https://h/p?q=1        -> object of its parts
 *   time    a layout, or a number  -> timestamp
 *   regex   named captures         -> object of texts
 *
 * A missing field is ignored, as cast does; a text that does not follow its format is an error of
 * the record. The result takes the field's place, or goes to `to`. Settings of one format are
 * refused with another: each setting's line says which formats it is for.
 *
 * A regular expression is compiled into the plan, and freed with it. Cost: the format's. */
#include "core/path.h"
#include "core/regex.h"
#include "schemas/codec_json.h"
#include "transforms/operator.h"
#include "transforms/parse_text.h"
#include "transforms/time_layout.h"

#define FIELDS_MAX 1000
#define GROUPS_MAX 100

#define FORMATS "json|kv|csv|url|time|regex"
enum { JSON, KV, CSV, URL, TIME, REGEX, FORMATS_COUNT };
static const char *const format_names[FORMATS_COUNT] = {"json", "kv",   "csv",
                                                        "url",  "time", "regex"};

typedef struct parse_options {
    int format;
    const leat_node *to, *columns;
    leat_str field_delimiter, key_value_delimiter, delimiter, layout, zone, pattern;
} parse_options;

#define AT(member) offsetof(parse_options, member)
static const leat_option options[] = {
    {.name = "format",
     .type = LEAT_OPTION_ENUM,
     .offset = AT(format),
     .required = true,
     .choices = FORMATS,
     .doc = "What the text holds."},
    {.name = "to",
     .type = LEAT_OPTION_PATH,
     .offset = AT(to),
     .doc = "Where the result goes; default: it takes the text's place."},
    {.name = "field_delimiter",
     .type = LEAT_OPTION_STRING,
     .offset = AT(field_delimiter),
     .fallback = " ",
     .doc = "kv: what stands between pairs; a blank stands for any white space."},
    {.name = "key_value_delimiter",
     .type = LEAT_OPTION_STRING,
     .offset = AT(key_value_delimiter),
     .fallback = "=",
     .doc = "kv: what stands between key and value. Values may be in double quotes."},
    {.name = "columns",
     .type = LEAT_OPTION_NODE,
     .offset = AT(columns),
     .shape = "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"type\": \"string\"}}",
     .doc = "csv: names of the fields; without them the result is a list."},
    {.name = "delimiter",
     .type = LEAT_OPTION_STRING,
     .offset = AT(delimiter),
     .fallback = ",",
     .doc = "csv: the one character between fields."},
    {.name = "layout",
     .type = LEAT_OPTION_STRING,
     .offset = AT(layout),
     .fallback = "rfc3339",
     .doc = "time: " LEAT_TIME_LAYOUT_DOC "."},
    {.name = "zone",
     .type = LEAT_OPTION_STRING,
     .offset = AT(zone),
     .fallback = "UTC",
     .doc = "time: the zone of texts that name none, such as `Europe/Berlin` or `+05:30`."},
    {.name = "pattern",
     .type = LEAT_OPTION_STRING,
     .offset = AT(pattern),
     .doc = "regex: a regular expression (RE2) with named captures, such as `(?P<code>[0-9]+)`; "
            "it may match anywhere."},
};
#undef AT
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

/* Settings that belong to one format. */
static const struct {
    const char *option;
    int format;
} belongs[] = {
    {"field_delimiter", KV}, {"key_value_delimiter", KV},
    {"columns", CSV},        {"delimiter", CSV},
    {"layout", TIME},        {"zone", TIME},
    {"pattern", REGEX},
};

typedef struct parse_field {
    leat_str name; /* as the file has it */
    int format;
    uint32_t from, to;    /* slots */
    leat_parents parents; /* of `to` */
    leat_str between, equals, layout, zone;
    char delimiter;
    leat_str *columns; /* csv; regex: names of the captures */
    size_t columns_count;
    leat_regex *regex;
    size_t *groups; /* regex: numbers of the named captures */
} parse_field;

typedef struct parse_config {
    parse_field *fields;
    size_t count;
} parse_config;

/* --- planning --- */

static bool check_belongs(leat_planner *planner, const leat_node *member, int format)
{
    bool good = true;
    if (member->kind != LEAT_NODE_OBJECT) return true;
    for (size_t i = 0; i < sizeof belongs / sizeof belongs[0]; i++) {
        const leat_node *node = leat_node_member(member, belongs[i].option);
        if (node == NULL || belongs[i].format == format) continue;
        leat_findings_add_key(leat_planner_findings(planner), node, false,
                              "'%s' is a setting of the format %s, and this is %s",
                              belongs[i].option, format_names[belongs[i].format],
                              format_names[format]);
        good = false;
    }
    return good;
}

static bool plan_columns(leat_planner *planner, const leat_node *node, parse_field *field)
{
    size_t count = 0;
    leat_findings *findings = leat_planner_findings(planner);
    if (node->kind == LEAT_NODE_LIST)
        for (const leat_node *item = node->child; item != NULL; item = item->next)
            count += item->kind == LEAT_NODE_STRING ? 1 : LEAT_PARSE_FIELDS_MAX + 1;
    if (count == 0 || count > LEAT_PARSE_FIELDS_MAX) {
        leat_findings_add(findings, node, false,
                          "needs a list of names, such as [\"id\", \"amount\"]");
        return false;
    }
    field->columns = leat_planner_alloc(planner, count * sizeof *field->columns);
    for (const leat_node *item = node->child; item != NULL; item = item->next) {
        for (size_t i = 0; i < field->columns_count; i++) {
            if (!leat_str_equal(field->columns[i], item->text)) continue;
            leat_findings_add(findings, item, false, "two columns are called '%.*s'",
                              LEAT_STR_ARG(item->text));
            return false;
        }
        field->columns[field->columns_count++] = item->text;
    }
    return true;
}

static void free_regex(void *thing)
{
    leat_regex *regex = thing;
    leat_regex_free(&regex);
}

static bool plan_regex(leat_planner *planner, const leat_node *member, leat_str pattern,
                       parse_field *field)
{
    leat_err err = {0};
    leat_findings *findings = leat_planner_findings(planner);
    const leat_node *node =
        member->kind == LEAT_NODE_OBJECT ? leat_node_member(member, "pattern") : NULL;
    if (node == NULL) {
        leat_findings_add(findings, member, false, "regex needs a 'pattern'");
        return false;
    }
    if (leat_regex_new(&field->regex, pattern, &err) != LEAT_OK) {
        leat_findings_add(findings, node, false, "%s", err.text);
        return false;
    }
    if (!leat_arena_defer(leat_planner_arena(planner), free_regex, field->regex)) {
        leat_regex_free(&field->regex);
        return false;
    }
    size_t groups = leat_regex_groups(field->regex);
    LEAT_ASSERT(groups < GROUPS_MAX);
    field->columns = leat_planner_alloc(planner, (groups + 1) * sizeof *field->columns);
    field->groups = leat_planner_alloc(planner, (groups + 1) * sizeof *field->groups);
    for (size_t group = 1; group <= groups; group++) {
        leat_str name = leat_regex_group_name(field->regex, group);
        if (name.data == NULL) continue;
        field->groups[field->columns_count] = group;
        field->columns[field->columns_count++] = name;
    }
    if (field->columns_count > 0) return true;
    leat_findings_add(findings, node, false,
                      "the pattern has no named captures, such as (?P<code>[0-9]+)");
    return false;
}

/* Where a mistake of a setting is shown: at the setting, if it is written out. */
static const leat_node *place_of(const leat_node *member, const char *name)
{
    const leat_node *node =
        member->kind == LEAT_NODE_OBJECT ? leat_node_member(member, name) : NULL;
    return node != NULL ? node : member;
}

static bool plan_time(leat_planner *planner, const leat_node *member, const parse_options *read)
{
    leat_err err = {0};
    int32_t offset = 0;
    bool good = true;
    leat_findings *findings = leat_planner_findings(planner);
    if (leat_time_layout_check(read->layout, true, &err) != LEAT_OK) {
        leat_findings_add(findings, place_of(member, "layout"), false, "%s", err.text);
        good = false;
    }
    if (!leat_time_zone(read->zone, 0, &offset)) {
        leat_findings_add(findings, place_of(member, "zone"), false, "unknown time zone '%.*s'",
                          LEAT_STR_ARG(read->zone));
        good = false;
    }
    return good;
}

static bool plan_delimiters(leat_planner *planner, const leat_node *member,
                            const parse_options *read)
{
    leat_findings *findings = leat_planner_findings(planner);
    bool good = true;
    if (read->field_delimiter.len == 0 || read->key_value_delimiter.len == 0) {
        leat_findings_add(findings, member, false, "a delimiter must not be empty");
        good = false;
    }
    if (read->delimiter.len != 1 || memchr("\"\r\n", read->delimiter.data[0], 3) != NULL) {
        leat_findings_add(findings, place_of(member, "delimiter"), false,
                          "must be one ASCII character, and no quote or line end");
        good = false;
    }
    return good;
}

static bool plan_settings(leat_planner *planner, const leat_node *member, const parse_options *read,
                          parse_field *field)
{
    if (!plan_delimiters(planner, member, read)) return false;
    field->between = read->field_delimiter;
    field->equals = read->key_value_delimiter;
    field->delimiter = read->delimiter.data[0];
    field->layout = read->layout;
    field->zone = read->zone;
    bool good = check_belongs(planner, member, field->format);
    if (field->format == TIME) good &= plan_time(planner, member, read);
    if (field->format == REGEX) good &= plan_regex(planner, member, read->pattern, field);
    if (field->format == CSV && read->columns != NULL)
        good &= plan_columns(planner, read->columns, field);
    return good;
}

static void plan_slots(leat_planner *planner, leat_step *step, leat_path from, leat_path to,
                       parse_field *field)
{
    field->from = leat_planner_read(planner, step, from);
    field->parents = leat_planner_parents(planner, step, to);
    field->to = leat_planner_assign(planner, step, to);
    leat_planner_reads_in(planner, step, field->to, field->from);
}

static bool plan_field(leat_planner *planner, leat_step *step, const leat_node *member,
                       parse_field *field)
{
    parse_options read = {0};
    leat_path from;
    leat_path to;
    if (!leat_planner_path_key(planner, member, &from) ||
        !leat_options_read_brief(options, OPTIONS_COUNT, "format", member, &read,
                                 leat_planner_findings(planner)))
        return false;
    LEAT_ASSERT(read.format >= 0 && read.format < FORMATS_COUNT);
    field->name = member->key;
    field->format = read.format;
    bool good = plan_settings(planner, member, &read, field);
    to = from;
    if (read.to != NULL && !leat_planner_path(planner, read.to, &to)) return false;
    plan_slots(planner, step, from, to, field);
    return good;
}

static bool parse_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    size_t count =
        leat_planner_members(planner, json, FIELDS_MAX,
                             "parse needs an object of fields and formats, such as {\"payload\": "
                             "\"json\"}");
    if (count == 0) return false;
    parse_config *config = leat_planner_alloc(planner, sizeof *config);
    config->fields = leat_planner_alloc(planner, count * sizeof *config->fields);
    step->config = config;
    bool good = true;
    for (const leat_node *member = json->child; member != NULL; member = member->next)
        good &= plan_field(planner, step, member, &config->fields[config->count++]);
    return good;
}

/* --- running --- */

static leat_code parse_regex(const parse_field *field, leat_str text, leat_arena *arena,
                             leat_value *value, leat_err *err)
{
    leat_str found[GROUPS_MAX];
    size_t count = 0;
    LEAT_ASSERT(field->regex != NULL && field->columns_count > 0);
    if (!leat_regex_find(field->regex, text, found, leat_regex_groups(field->regex) + 1))
        return leat_err_set(err, LEAT_ERR_SYNTAX, "the text does not match the pattern");
    leat_entry *entries = leat_arena_array(arena, field->columns_count, sizeof *entries);
    if (entries == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < field->columns_count; i++) {
        leat_str group = found[field->groups[i]];
        if (group.data == NULL) continue; /* it took no part */
        entries[count++] =
            (leat_entry){leat_value_string(field->columns[i]), leat_value_string(group)};
    }
    *value = leat_value_map(entries, count);
    return LEAT_OK;
}

/* What of a value is read as text: numbers may be times. data NULL: nothing. */
static leat_code text_of(const parse_field *field, leat_value value, leat_arena *arena,
                         leat_str *text, leat_err *err)
{
    *text = LEAT_STR_NONE;
    if (value.tag == LEAT_STRING) {
        *text = leat_value_str(value);
        if (text->data == NULL) *text = LEAT_STR("");
        return LEAT_OK;
    }
    bool number = value.tag == LEAT_INT || value.tag == LEAT_UINT || value.tag == LEAT_NUMBER ||
                  value.tag == LEAT_DOUBLE;
    if (field->format != TIME || !number)
        return leat_err_set(err, LEAT_ERR_TYPE, "is no text, but %s",
                            value.tag == LEAT_JSON ? "a list or an object"
                                                   : leat_tag_name((leat_tag)value.tag));
    leat_buf buf;
    leat_buf_init(&buf, 400);
    leat_code code = leat_json_write(value, arena, &buf, err);
    if (code == LEAT_OK) code = leat_buf_check(&buf, "a number", err);
    if (code == LEAT_OK) {
        *text = leat_arena_copy(arena, leat_buf_str(&buf));
        if (text->data == NULL) code = leat_arena_full(arena, err);
    }
    leat_buf_release(&buf);
    return code;
}

static leat_code parse_value(const parse_field *field, leat_value from, leat_arena *arena,
                             leat_value *to, leat_err *err)
{
    static const leat_json_limits limits = {128, UINT32_MAX};
    leat_str text;
    LEAT_ASSERT(from.tag != LEAT_MISSING);
    if (field->format == TIME && from.tag == LEAT_TIMESTAMP) {
        *to = from;
        return LEAT_OK;
    }
    LEAT_TRY(text_of(field, from, arena, &text, err));
    switch (field->format) {
    case JSON: return leat_json_text(text, limits, arena, to, err);
    case KV: return leat_parse_pairs(text, field->between, field->equals, arena, to, err);
    case CSV:
        return leat_parse_csv(text, field->delimiter, field->columns, field->columns_count, arena,
                              to, err);
    case URL: return leat_parse_url(text, arena, to, err);
    case TIME: return leat_time_scan(text, field->layout, field->zone, to, err);
    default: LEAT_ASSERT(field->format == REGEX); return parse_regex(field, text, arena, to, err);
    }
}

static leat_code parse_field_of(const parse_field *field, leat_record *record, leat_arena *arena,
                                leat_err *err)
{
    LEAT_ASSERT(field->from != LEAT_SLOT_NONE && field->to != LEAT_SLOT_NONE);
    leat_value from = record->slots[field->from];
    leat_value to = LEAT_VALUE_MISSING;
    leat_code code = LEAT_OK;
    if (LEAT_UNLIKELY(from.tag != LEAT_MISSING && !leat_parents_good(field->parents, record)))
        code = leat_err_set(err, LEAT_ERR_TYPE, "a field on the way to `to` is no object");
    if (from.tag != LEAT_MISSING && code == LEAT_OK)
        code = parse_value(field, from, arena, &to, err);
    record->slots[field->to] = to;
    return LEAT_LIKELY(code == LEAT_OK) ? code
                                        : leat_err_prefix(err, "%.*s", LEAT_STR_ARG(field->name));
}

static leat_code parse_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const parse_config *config = run->step->config;
    leat_arena *arena = leat_run_arena(run);
    for (size_t i = 0; i < in->count; i++) {
        leat_record *record = in->records[i];
        leat_err why;
        leat_code code = LEAT_OK;
        for (size_t f = 0; f < config->count && code == LEAT_OK; f++)
            code = parse_field_of(&config->fields[f], record, arena, &why);
        LEAT_TRY(leat_run_settle(run, record, code, &why, err));
    }
    return LEAT_OK;
}

const leat_operator_type leat_operator_parse = {
    .name = "parse",
    .doc = "Reads what text fields hold: `json`, `kv` (key=value pairs), `csv` (one line), `url`, "
           "`time`, `regex` (named captures). A missing field is ignored; a text that does not "
           "follow its format is an error, as is a value that is no text (a time may be a "
           "number). The short form is the format alone. `kv`, `csv`, `url` and `regex` give "
           "texts, which `cast` turns into other types; a capture that took no part gives no "
           "field. What the clock shows twice, when it is set back, is read as the earlier "
           "time.\n\n"
           "```json\n{ \"parse\": { \"payload\": \"json\",\n"
           "             \"line\": { \"format\": \"regex\", \"pattern\": \"^(?P<method>[A-Z]+) "
           "(?P<path>[^ ]+)\", \"to\": \"request\" },\n"
           "             \"at\": { \"format\": \"time\", \"layout\": \"%d/%b/%Y:%H:%M:%S %z\" } } "
           "}\n```\n",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .brief = "format",
    .per_field = true,
    .plan = parse_plan,
    .process = parse_process,
};
