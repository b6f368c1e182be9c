/* SPDX-License-Identifier: Apache-2.0 */
/* validate: records that do not follow a schema go to the dead letter, with the path of the first
 * thing that is wrong. Those that do go on untouched.
 *
 * What is checked is what would be written: the record with what steps have changed, or one field
 * of it. For a JSON Schema that is JSON, so that a timestamp is the text that it is written as. For
 * an Avro schema it is what the codec of a sink gets, and the check is its encoder, whose bytes
 * nobody keeps: so what is valid here can be written with that schema, and the other way round.
 * Refused: a second walk over schema and value that only checks, which would differ some day.
 *
 * Schemas are read when the pipeline is, so that their mistakes are found by `leat check`; those
 * of a registry too, where it can be asked.
 * Cost: JSON Schema: reading the record as a whole (~1 ns a byte), and the schema's. Avro: that of
 * the fields it names, read and written. */
#include "core/mem.h"
#include "core/path.h"
#include "schemas/codec_avro.h"
#include "schemas/codec_json.h"
#include "schemas/json_schema.h"
#include "transforms/format.h"

#define TEXT_BYTES_MAX ((size_t)256 << 20)

typedef struct validate_options {
    const leat_node *json_schema, *avro_schema, *subject, *version, *field;
} validate_options;

static const leat_option options[] = {
    {.name = "json_schema",
     .type = LEAT_OPTION_NODE,
     .offset = offsetof(validate_options, json_schema),
     .shape = "{\"type\": [\"string\", \"object\", \"boolean\"]}",
     .doc = "A JSON Schema (draft 2020-12): a file, relative to the pipeline file, or the schema "
            "itself. `format` says nothing; references stay within the file."},
    {.name = "avro_schema",
     .type = LEAT_OPTION_NODE,
     .offset = offsetof(validate_options, avro_schema),
     .shape = "{\"type\": [\"string\", \"object\"]}",
     .doc = "In its place an Avro schema: a file (.avsc), or the schema itself; of a record where "
            "no `field` is given."},
    {.name = "subject",
     .type = LEAT_OPTION_NODE,
     .offset = offsetof(validate_options, subject),
     .shape = "{\"type\": \"string\"}",
     .doc =
         "In its place a subject of the pipeline's `schema_registry`, with a schema of Avro or a "
         "JSON Schema (without references to others). It is asked for when the pipeline "
         "starts, which waits until the registry answers; `leat check` warns if it does not."},
    {.name = "version",
     .type = LEAT_OPTION_NODE,
     .offset = offsetof(validate_options, version),
     .shape = "{\"oneOf\": [{\"const\": \"latest\"}, {\"type\": \"integer\", \"minimum\": 1}]}",
     .doc = "The subject's version: a number, or `latest` (default), which is the one that is the "
            "latest at the start, until the process ends."},
    {.name = "field",
     .type = LEAT_OPTION_PATH,
     .offset = offsetof(validate_options, field),
     .doc = "The field that is checked; default: the whole record. It must be there."},
};
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

typedef struct validate_config {
    const leat_json_schema *json;
    const leat_avro_schema *avro; /* one of the two; none: the registry was not asked */
    leat_str field;               /* data NULL: the whole record */
    uint32_t slot;                /* of field */
    uint32_t *slots;              /* of avro's fields */
} validate_config;

typedef struct validate_state {
    leat_buf text;      /* or the bytes that avro's encoder has made */
    leat_value *values; /* of avro's fields */
} validate_state;

/* --- planning --- */

static const leat_node *schema_file(leat_planner *planner, const leat_node *node)
{
    leat_planned_file *files = NULL;
    leat_findings *findings = leat_planner_findings(planner);
    size_t count = 0;
    leat_node *root = NULL;
    leat_err err = {0};
    uint32_t line = 0;
    uint32_t column = 0;
    if (!leat_planner_files(planner, node, &files, &count)) return NULL;
    if (count != 1) {
        leat_findings_add(findings, node, false, "names %zu files, which must be one", count);
        return NULL;
    }
    if (leat_doc_parse(files[0].text, files[0].name, leat_planner_arena(planner), &root, &err,
                       &line, &column) == LEAT_OK)
        return root;
    leat_node place = {.kind = LEAT_NODE_OBJECT, .file = files[0].name};
    place.line = line;
    place.column = column;
    leat_findings_add(findings, &place, false, "%s", err.text);
    return NULL;
}

static bool plan_json(leat_planner *planner, const leat_node *root, validate_config *config)
{
    if (root->kind == LEAT_NODE_STRING) root = schema_file(planner, root);
    if (root == NULL) return false;
    config->json =
        leat_json_schema_new(root, leat_planner_arena(planner), leat_planner_findings(planner));
    return config->json != NULL;
}

/* config->avro NULL: it is not known here. */
static bool plan_avro(leat_planner *planner, leat_step *step, const leat_node *node,
                      validate_config *config)
{
    step->slots_only = true;
    if (config->avro == NULL || config->field.data != NULL) return true;
    const leat_avro_type *root = config->avro->root;
    if (root->kind != LEAT_AVRO_RECORD) {
        leat_findings_add(leat_planner_findings(planner), node, false,
                          "must be the schema of a record, not of type %s; for one field, name it "
                          "by 'field'",
                          leat_avro_kind_name(root->kind));
        return false;
    }
    config->slots = leat_planner_alloc(planner, (root->fields_count + 1) * sizeof *config->slots);
    for (size_t i = 0; i < root->fields_count; i++)
        config->slots[i] = leat_planner_read(planner, step, (leat_path){&root->fields[i].name, 1});
    return true;
}

static bool plan_subject(leat_planner *planner, leat_step *step, const leat_node *node,
                         const leat_node *version, validate_config *config)
{
    leat_findings *findings = leat_planner_findings(planner);
    leat_arena *arena = leat_planner_arena(planner);
    leat_planned_schema schema;
    leat_node *root = NULL;
    leat_err err = {0};
    uint32_t line, column;
    if (!leat_planner_subject(planner, node, version, &schema)) return false;
    if (schema.text.data == NULL) return true;
    leat_code code =
        schema.json ? leat_doc_parse(schema.text, schema.name, arena, &root, &err, &line, &column)
                    : leat_avro_schema_parse(schema.text, arena, &config->avro, &err);
    if (code != LEAT_OK) {
        leat_findings_add(findings, node, false, "%.*s: %s", LEAT_STR_ARG(schema.name), err.text);
        return false;
    }
    return schema.json ? plan_json(planner, root, config) : plan_avro(planner, step, node, config);
}

static bool plan_schema(leat_planner *planner, leat_step *step, const validate_options *read,
                        validate_config *config)
{
    if (read->subject != NULL)
        return plan_subject(planner, step, read->subject, read->version, config);
    if (read->json_schema != NULL) return plan_json(planner, read->json_schema, config);
    return leat_planner_avro_schema(planner, read->avro_schema, &config->avro) &&
           plan_avro(planner, step, read->avro_schema, config);
}

static bool validate_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    validate_options read = {0};
    leat_findings *findings = leat_planner_findings(planner);
    validate_config *config = leat_planner_alloc(planner, sizeof *config);
    step->config = config;
    bool good = leat_options_read(options, OPTIONS_COUNT, json, &read, findings);
    if (read.field != NULL) {
        leat_path path;
        if (!leat_planner_path(planner, read.field, &path)) return false;
        config->field = read.field->text;
        config->slot = leat_planner_read(planner, step, path);
    }
    int given = (read.json_schema != NULL) + (read.avro_schema != NULL) + (read.subject != NULL);
    if (given != 1) {
        if (good)
            leat_findings_add(
                findings, json, false,
                given == 0 ? "one of 'json_schema', 'avro_schema', 'subject' is missing"
                           : "only one of 'json_schema', 'avro_schema', 'subject' can be given");
        return false;
    }
    if (read.version != NULL && read.subject == NULL) {
        leat_findings_add_key(findings, read.version, false, "'version' is that of a 'subject'");
        good = false;
    }
    return plan_schema(planner, step, &read, config) && good;
}

/* --- running --- */

static leat_code field_of(const validate_config *config, const leat_record *record,
                          leat_value *value, leat_err *err)
{
    *value = record->slots[config->slot];
    if (value->tag != LEAT_MISSING) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_NO_FIELD, "no such field '%.*s'",
                        LEAT_STR_ARG(config->field));
}

static leat_code text_of(leat_run *run, const leat_record *record, leat_str *text, leat_err *err)
{
    const validate_config *config = run->step->config;
    validate_state *state = run->state;
    LEAT_ASSERT(state != NULL);
    leat_value value;
    if (config->field.data == NULL) return leat_run_encode(run, record, text, err);
    LEAT_TRY(field_of(config, record, &value, err));
    leat_buf_reset(&state->text);
    LEAT_TRY(leat_json_write(value, leat_run_arena(run), &state->text, err));
    *text = leat_buf_str(&state->text);
    return leat_buf_check(&state->text, "a field", err);
}

static leat_code check_avro(leat_run *run, const leat_record *record, leat_err *err)
{
    const validate_config *config = run->step->config;
    validate_state *state = run->state;
    leat_arena *arena = leat_run_arena(run);
    leat_value value;
    LEAT_ASSERT(state != NULL && config->avro != NULL);
    leat_buf_reset(&state->text);
    if (config->field.data != NULL) {
        LEAT_TRY(field_of(config, record, &value, err));
        return leat_avro_encode_value(config->avro->root, value, config->field, arena, &state->text,
                                      err);
    }
    for (size_t i = 0; i < config->avro->root->fields_count; i++)
        state->values[i] = record->slots[config->slots[i]];
    return leat_avro_encode(config->avro, state->values, arena, &state->text, err);
}

static leat_code check_json(leat_run *run, const leat_record *record, leat_err *err)
{
    static const leat_json_limits limits = {1024, UINT32_MAX}; /* the source's were kept */
    const validate_config *config = run->step->config;
    leat_arena *arena = leat_run_arena(run);
    leat_str text;
    leat_value value = LEAT_VALUE_NULL;
    LEAT_ASSERT(config->json != NULL);
    LEAT_TRY(text_of(run, record, &text, err));
    LEAT_TRY(leat_json_value(text, limits, arena, &value, err));
    return leat_json_schema_check(config->json, value, config->field, arena, err);
}

static leat_code validate_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    leat_arena *arena = leat_run_arena(run);
    const validate_config *config = run->step->config;
    for (size_t i = 0; i < in->count; i++) {
        leat_record *record = in->records[i];
        leat_err why;
        leat_arena_mark mark = leat_arena_save(arena);
        leat_code code =
            config->avro != NULL ? check_avro(run, record, &why) : check_json(run, record, &why);
        leat_arena_restore(arena, mark); /* the record as a tree is not needed any more */
        LEAT_TRY(leat_run_settle(run, record, code, &why, err));
    }
    return LEAT_OK;
}

static leat_code validate_open(leat_run *run, leat_err *err)
{
    const validate_config *config = run->step->config;
    if (config->avro == NULL && config->json == NULL)
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "%.*s: the schema registry has not given the schema",
                            LEAT_STR_ARG(run->step->place));
    validate_state *state = leat_mem_need(sizeof *state);
    leat_buf_init(&state->text, TEXT_BYTES_MAX);
    LEAT_ASSERT(config->slots == NULL || config->avro != NULL);
    if (config->slots != NULL)
        state->values =
            leat_mem_need((config->avro->root->fields_count + 1) * sizeof *state->values);
    run->state = state;
    return LEAT_OK;
}

static void validate_close(leat_run *run)
{
    validate_state *state = run->state;
    if (state == NULL) return;
    leat_buf_release(&state->text);
    leat_mem_free(state->values);
    leat_mem_free(state);
    run->state = NULL;
}

const leat_operator_type leat_operator_validate = {
    .name = "validate",
    .doc = "Checks records against a JSON Schema or an Avro schema, given as a file, in the "
           "pipeline, or by its subject in the schema registry; one that does not follow it "
           "goes to the dead letter, with the path of the first thing that is wrong. Those that do "
           "go on untouched.\n\n"
           "Of JSON Schema the vocabulary of draft 2020-12 is there but for "
           "`unevaluatedProperties`, `unevaluatedItems`, `dependentSchemas`, anchors and "
           "references to other files. Patterns are RE2. A record follows an Avro schema if a sink "
           "could write it with that schema (`docs/FORMATS.md`): each field of it has a value of "
           "its type, or a default, or may be null; an enum's symbol is one of it; a text, number "
           "or time stands for a logical type without loss. Fields that the schema does not have "
           "are no mistake.\n\n"
           "```json\n{ \"validate\": { \"json_schema\": \"schemas/order.json\" } }\n"
           "{ \"validate\": { \"avro_schema\": \"schemas/order.avsc\" } }\n"
           "{ \"validate\": { \"subject\": \"orders-value\", \"version\": 3 } }\n```\n",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .plan = validate_plan,
    .open = validate_open,
    .close = validate_close,
    .process = validate_process,
};
