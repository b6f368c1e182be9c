/* SPDX-License-Identifier: Apache-2.0 */
/* Format avro: which schema, and what it says of the fields before anything runs.
 *
 *              topic, registry          topic, no registry      files
 *   source     its number's schema,     `schema`                the file's own,
 *              read as `schema`                                 read as `schema`
 *   sink       `schema`, registered     `schema`                `schema`
 *
 * A source whose schema is known here (by `schema`, or by the first file's head) has typed fields,
 * so that `leat check` finds `amount > 'x'` and a field that does not exist. A field that may be
 * null stays dynamic.
 *
 * A sink asks the layout for each field of its schema, as a step would read it: what a source has
 * is then decoded into a slot, in its own type, and no JSON text is made on the way. Fields that
 * the record is known to have and the schema lacks are warned of. */
#include "core/path.h"
#include "schemas/avro_container.h"
#include "schemas/codec_avro.h"
#include "transforms/format.h"
#include "transforms/plan_inside.h"

#define KNOWN_DEPTH_MAX 4 /* of nested records whose fields are looked at */

#define HEAD_BYTES ((size_t)1 << 20)

typedef struct avro_options {
    const leat_node *schema;
    int framing, subject, compression;
} avro_options;

enum { FRAMING_DEFAULT, FRAMING_WIRE, FRAMING_HEADER, FRAMING_NONE };
enum { SUBJECT_TOPIC, SUBJECT_RECORD, SUBJECT_TOPIC_RECORD };

#define AT(field) .offset = offsetof(avro_options, field)
static const leat_option options[] = {
    {.name = "schema",
     .type = LEAT_OPTION_NODE,
     AT(schema),
     .shape = "{\"type\": [\"string\", \"object\"]}",
     .doc = "File with the schema (.avsc), relative to the pipeline file, or the schema itself. Of "
            "a source with a "
            "registry or of files: what records are read as, whatever they were written with."},
    {.name = "framing",
     .type = LEAT_OPTION_ENUM,
     AT(framing),
     .fallback = "default",
     .choices = "default|wire|header|none",
     .doc = "Of topics: how a message names its schema. `wire`: a zero byte and the registry's "
            "number (default with `schema_registry`); `header`: the registry's GUID in the header "
            "`__value_schema_id`; `none`: not at all (default without)."},
    {.name = "subject",
     .type = LEAT_OPTION_ENUM,
     AT(subject),
     .fallback = "topic",
     .choices = "topic|record|topic_record",
     .doc = "Of a sink with a registry: the subject it registers under: `TOPIC-value`, the "
            "record's full name, or `TOPIC-` and that name."},
    {.name = "compression",
     .type = LEAT_OPTION_ENUM,
     AT(compression),
     .fallback = "deflate",
     .choices = "null|deflate|snappy|zstandard",
     .doc = "Of a sink of files: how blocks are compressed."},
};
#undef AT
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

static leat_finding *mistake(leat_planner *planner, const leat_node *node, const char *text)
{
    return leat_findings_add(leat_planner_findings(planner), node, false, "%s", text);
}

/* --- the schema ------------------------------------------------------------------------------- */

/* The schema stands in the pipeline itself. */
static bool inline_schema(leat_planner *planner, const leat_node *node,
                          const leat_avro_schema **schema)
{
    leat_buf text;
    leat_err err = {0};
    leat_buf_init(&text, LEAT_AVRO_SCHEMA_MAX);
    leat_node_print(node, false, &text);
    leat_code code = leat_buf_check(&text, "the schema", &err);
    if (code == LEAT_OK)
        code = leat_avro_schema_parse(leat_buf_str(&text), planner->arena, schema, &err);
    leat_buf_release(&text);
    if (code != LEAT_OK) (void)mistake(planner, node, err.text);
    return code == LEAT_OK;
}

bool leat_planner_avro_schema(leat_planner *planner, const leat_node *node,
                              const leat_avro_schema **schema)
{
    leat_planned_file *files;
    size_t count;
    leat_err err = {0};
    *schema = NULL;
    if (node->kind == LEAT_NODE_OBJECT) return inline_schema(planner, node, schema);
    if (!leat_planner_files(planner, node, &files, &count)) return plan_unresolved(planner, node);
    if (count != 1) {
        (void)mistake(planner, node, "must name one file");
        return false;
    }
    if (leat_avro_schema_parse(files[0].text, planner->arena, schema, &err) == LEAT_OK) return true;
    leat_findings_add(planner->findings, node, false, "'%.*s': %s", LEAT_STR_ARG(files[0].name),
                      err.text);
    return false;
}

static bool read_schema(leat_planner *planner, const leat_node *node, leat_avro_codec *codec)
{
    if (!leat_planner_avro_schema(planner, node, &codec->schema)) return false;
    if (codec->schema == NULL || codec->schema->root->kind == LEAT_AVRO_RECORD) return true;
    leat_findings_add(planner->findings, node, false,
                      "must be the schema of a record, not of type %s",
                      leat_avro_kind_name(codec->schema->root->kind));
    return false;
}

/* What an expression sees of a value; NULL: it may be of several types. */
static const char *cel_type(const leat_avro_type *type)
{
    switch (type->logical) {
    case LEAT_AVRO_DECIMAL: return type->scale > 0 ? "double" : NULL;
    case LEAT_AVRO_DATE:
    case LEAT_AVRO_TIMESTAMP_MILLIS:
    case LEAT_AVRO_TIMESTAMP_MICROS:
    case LEAT_AVRO_TIMESTAMP_NANOS: return "timestamp";
    case LEAT_AVRO_TIME_MILLIS:
    case LEAT_AVRO_TIME_MICROS: return "duration";
    case LEAT_AVRO_UUID: return "string";
    case LEAT_AVRO_DURATION: return "map(string, int)";
    case LEAT_AVRO_PLAIN: break;
    }
    switch (type->kind) {
    case LEAT_AVRO_BOOLEAN: return "bool";
    case LEAT_AVRO_INT:
    case LEAT_AVRO_LONG: return "int";
    case LEAT_AVRO_FLOAT:
    case LEAT_AVRO_DOUBLE: return "double";
    case LEAT_AVRO_BYTES:
    case LEAT_AVRO_FIXED: return "bytes";
    case LEAT_AVRO_STRING:
    case LEAT_AVRO_ENUM: return "string";
    case LEAT_AVRO_ARRAY: return "list(dyn)";
    case LEAT_AVRO_MAP:
    case LEAT_AVRO_RECORD: return "map(string, dyn)";
    case LEAT_AVRO_NULL:
    case LEAT_AVRO_UNION: break;
    }
    return NULL;
}

/* The record that a value is, if it is one, or null. */
static const leat_avro_type *record_of(const leat_avro_type *type)
{
    const leat_avro_type *record = NULL;
    if (type->kind == LEAT_AVRO_RECORD) return type;
    if (type->kind != LEAT_AVRO_UNION) return NULL;
    for (size_t i = 0; i < type->branches_count; i++) {
        if (type->branches[i]->kind == LEAT_AVRO_NULL) continue;
        if (type->branches[i]->kind != LEAT_AVRO_RECORD || record != NULL) return NULL;
        record = type->branches[i];
    }
    return record;
}

/* depth: a record may hold itself. */
static const leat_known_field *fields_of(leat_planner *planner, const leat_avro_type *record,
                                         int depth)
{
    leat_known_field *known =
        leat_planner_alloc(planner, (record->fields_count + 1) * sizeof *known);
    for (size_t i = 0; i < record->fields_count; i++) {
        const leat_avro_type *type = record->fields[i].type, *inner = record_of(type);
        known[i] = (leat_known_field){.name = record->fields[i].name, .type = cel_type(type)};
        if (inner == NULL || depth == KNOWN_DEPTH_MAX) continue;
        known[i].fields = fields_of(planner, inner, depth + 1);
        known[i].fields_count = inner->fields_count;
    }
    return known;
}

static void know(leat_planner *planner, const leat_avro_schema *schema, leat_format_site *site)
{
    const leat_avro_type *root = schema->root;
    LEAT_ASSERT(root->kind == LEAT_AVRO_RECORD);
    site->known = fields_of(planner, root, 1);
    site->known_count = root->fields_count;
}

/* --- sources ---------------------------------------------------------------------------------- */

static bool plan_file_source(leat_planner *planner, const leat_node *node, leat_avro_codec *codec,
                             leat_format_site *site)
{
    site->container = true;
    if (codec->schema != NULL || site->paths_count == 0) return true;
    leat_err err = {0};
    leat_avro_header header;
    const leat_avro_schema *schema = NULL;
    leat_str head = leat_planner_file_head(planner, site->paths[0], HEAD_BYTES);
    if (head.len == 0) return true; /* a pipe, or said when it is opened */
    leat_code code = leat_avro_header_read(head, &header, &err);
    if (code == LEAT_OK)
        code = leat_avro_schema_parse(header.schema, planner->arena, &schema, &err);
    if (code == LEAT_OK && schema->root->kind == LEAT_AVRO_RECORD) {
        know(planner, schema, site);
        return true;
    }
    leat_findings_add(planner->findings, node, false, "'%.*s': %s", LEAT_STR_ARG(site->paths[0]),
                      code != LEAT_OK ? err.text : "its schema is no record's");
    return false;
}

static bool plan_source(leat_planner *planner, const leat_node *node, const avro_options *given,
                        leat_avro_codec *codec, leat_format_site *site)
{
    if (codec->schema != NULL) know(planner, codec->schema, site);
    if (site->files) return plan_file_source(planner, node, codec, site);
    if (codec->framing != LEAT_AVRO_BARE || codec->schema != NULL || given->schema != NULL)
        return true;
    (void)mistake(planner, node,
                  "avro needs to know the schema: set 'schema_registry' in the pipeline, or "
                  "'schema' here: { \"avro\": { \"schema\": \"order.avsc\" } }");
    return false;
}

/* --- sinks ------------------------------------------------------------------------------------ */

/* field as the only member of an object of its own. */
static const leat_field *alone(leat_planner *planner, const leat_field *field)
{
    LEAT_ASSERT(field->kind == LEAT_FIELD_OBJECT);
    leat_field *top = leat_planner_alloc(planner, sizeof *top);
    leat_field *member = leat_planner_alloc(planner, sizeof *member);
    *member = *field;
    member->next = NULL;
    *top = (leat_field){.kind = LEAT_FIELD_OBJECT, .slot = LEAT_SLOT_NONE, .fields = member};
    planner->edit++; /* it shows what is there now */
    return top;
}

static void pick_fields(leat_planner *planner, leat_avro_codec *codec, const leat_format_site *site)
{
    const leat_avro_type *root = codec->schema->root;
    LEAT_ASSERT(site->sink && root->kind == LEAT_AVRO_RECORD);
    leat_avro_pick *picks = leat_planner_alloc(planner, (root->fields_count + 1) * sizeof *picks);
    for (size_t i = 0; i < root->fields_count; i++) {
        leat_path path = {&root->fields[i].name, 1};
        plan_found found = plan_layout_find(planner, site->shape, site->layout, path);
        picks[i].slot = LEAT_SLOT_NONE;
        if (found.kind == PLAN_FOUND_SLOT) picks[i].slot = found.slot;
        if (found.kind == PLAN_FOUND_REQUEST)
            picks[i].slot = plan_request(planner, site->shape, found.path, true);
        if (found.kind == PLAN_FOUND_OBJECT) picks[i].top = alone(planner, found.field);
    }
    codec->picks = picks;
}

/* Fields that a step has made, or `keep` has kept, and that would be lost. */
static void warn_lost(leat_planner *planner, const leat_node *node, const leat_avro_codec *codec,
                      const leat_format_site *site)
{
    const leat_avro_type *root = codec->schema->root;
    leat_str *names = leat_planner_alloc(planner, (root->fields_count + 1) * sizeof *names);
    for (size_t i = 0; i < root->fields_count; i++)
        names[i] = root->fields[i].name;
    for (const leat_field *field = site->layout->fields; field != NULL; field = field->next) {
        if (field->kind == LEAT_FIELD_REMOVED || leat_avro_field_find(root, field->name) != NULL)
            continue;
        leat_finding *finding = leat_findings_add(
            planner->findings, node, true, "the schema has no field '%.*s': it is not written",
            LEAT_STR_ARG(field->name));
        finding->suggestion = leat_str_nearest(field->name, names, root->fields_count);
    }
}

/* A field of the schema that the record cannot have, and that needs a value. */
static bool check_needed(leat_planner *planner, const leat_node *node, const leat_avro_codec *codec,
                         const leat_format_site *site)
{
    bool good = true;
    LEAT_ASSERT(codec->picks != NULL);
    for (size_t i = 0; i < codec->schema->root->fields_count; i++) {
        const leat_avro_field *field = &codec->schema->root->fields[i];
        const leat_avro_pick *pick = &codec->picks[i];
        bool null;
        (void)leat_avro_present(field->type, &null);
        if (null || field->fallback != NULL) continue;
        const leat_slot_request *request =
            pick->slot != LEAT_SLOT_NONE ? plan_request_of(site->shape, pick->slot) : NULL;
        bool absent = pick->slot == LEAT_SLOT_NONE && pick->top == NULL;
        if (request != NULL && site->shape->known_count > 0)
            absent = plan_known_find(site->shape, request->path.names[0]) == NULL;
        if (!absent) continue;
        leat_str type = leat_avro_type_text(field->type, planner->arena);
        leat_findings_add(planner->findings, node, false,
                          "the schema asks for a field '%.*s' (%.*s), which the record does not "
                          "have here; set it in a step",
                          LEAT_STR_ARG(field->name), LEAT_STR_ARG(type));
        good = false;
    }
    return good;
}

static bool set_subject(leat_planner *planner, const leat_node *node, const avro_options *given,
                        leat_avro_codec *codec, const leat_format_site *site)
{
    leat_str name = codec->schema->root->name;
    LEAT_ASSERT(planner->plan->registry != NULL && name.len > 0);
    codec->subject = name;
    if (given->subject == SUBJECT_RECORD) return true;
    if (site->topic.data == NULL) {
        (void)mistake(planner, node,
                      "the topic is an expression, so that its subject in the registry cannot be "
                      "known; set \"subject\": \"record\"");
        return false;
    }
    codec->subject = given->subject == SUBJECT_TOPIC
                         ? leat_arena_print(planner->arena, "%.*s-value", LEAT_STR_ARG(site->topic))
                         : leat_arena_print(planner->arena, "%.*s-%.*s", LEAT_STR_ARG(site->topic),
                                            LEAT_STR_ARG(name));
    return codec->subject.data != NULL;
}

static bool plan_sink(leat_planner *planner, const leat_node *node, const avro_options *given,
                      leat_avro_codec *codec, leat_format_site *site)
{
    if (given->schema == NULL) {
        (void)mistake(planner, node,
                      "a sink needs 'schema': { \"avro\": { \"schema\": \"order.avsc\" } }");
        return false;
    }
    if (site->out) {
        (void)mistake(planner, node, "avro is written to topics and files; stdout has lines");
        return false;
    }
    site->container = site->files;
    codec->compression = (leat_avro_compression)given->compression;
    if (codec->schema == NULL) return true; /* its name could not be resolved: that was told */
    pick_fields(planner, codec, site);
    warn_lost(planner, node, codec, site);
    bool good = check_needed(planner, node, codec, site);
    if (codec->framing == LEAT_AVRO_BARE || site->files) return good;
    return set_subject(planner, node, given, codec, site) && good;
}

/* --- both ------------------------------------------------------------------------------------- */

static bool set_framing(leat_planner *planner, const leat_node *node, const avro_options *given,
                        leat_avro_codec *codec)
{
    bool registry = planner->plan->registry != NULL;
    int framing = given->framing;
    if (framing == FRAMING_DEFAULT) framing = registry ? FRAMING_WIRE : FRAMING_NONE;
    codec->framing = framing == FRAMING_WIRE     ? LEAT_AVRO_WIRE
                     : framing == FRAMING_HEADER ? LEAT_AVRO_HEADER
                                                 : LEAT_AVRO_BARE;
    if (framing == FRAMING_NONE || registry) return true;
    (void)mistake(planner, leat_node_member(node, "framing"),
                  "needs the pipeline's 'schema_registry'");
    return false;
}

static bool avro_plan(leat_planner *planner, const leat_node *node, const leat_node *given,
                      leat_format_site *site)
{
    LEAT_ASSERT(site->shape != NULL && (!site->sink || site->layout != NULL));
    avro_options read = {0};
    leat_avro_codec *codec = leat_planner_alloc(planner, sizeof *codec);
    codec->codec.type = &leat_codec_avro;
    if (!leat_options_read(options, OPTIONS_COUNT, given, &read, planner->findings)) return false;
    if (read.schema != NULL && !read_schema(planner, read.schema, codec)) return false;
    if (site->files)
        codec->framing = LEAT_AVRO_CONTAINER;
    else if (!set_framing(planner, given, &read, codec))
        return false;
    site->codec = &codec->codec;
    return site->sink ? plan_sink(planner, node, &read, codec, site)
                      : plan_source(planner, node, &read, codec, site);
}

const leat_format_type leat_format_avro = {
    .name = "avro",
    .doc = "Avro's binary encoding. With a `schema_registry` messages name the schema that they "
           "were written with; without, `schema` says it. Files are Avro's container files, which "
           "hold their schema. Fields are typed, so that `leat check` finds mistakes in "
           "expressions. `docs/FORMATS.md` tells how types go from and to JSON, and what happens "
           "when a registry cannot be reached.",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .plan = avro_plan,
};
