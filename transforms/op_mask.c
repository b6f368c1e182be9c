/* SPDX-License-Identifier: Apache-2.0 */
/* mask: fields whose content must not go on, replaced by something that can (masking.h).
 *
 * A missing field stays missing; null is a value. Each field's value is read from one slot and its
 * mask written to a fresh one. The planner notes which field of the source each rule stands for:
 * what is masked in a stream is masked in the dead letters of its source, too (exec_guard.c).
 * A field that the source is known not to have is refused here, where elsewhere it is warned of: a
 * misspelt name would let the right one through.
 * The key lives in the plan and, hashed into contexts, in the task; no message ever shows it. */
#include "core/mem.h"
#include "core/path.h"
#include "transforms/masking.h"

#define METHODS "hmac-sha256|sha256|aes-gcm|redact|partial|null"
static const leat_str method_names[LEAT_MASK_METHODS] = {
    [LEAT_MASK_HMAC] = LEAT_STR_INIT("hmac-sha256"), [LEAT_MASK_SHA256] = LEAT_STR_INIT("sha256"),
    [LEAT_MASK_AES] = LEAT_STR_INIT("aes-gcm"),      [LEAT_MASK_REDACT] = LEAT_STR_INIT("redact"),
    [LEAT_MASK_PARTIAL] = LEAT_STR_INIT("partial"),  [LEAT_MASK_NULL] = LEAT_STR_INIT("null"),
};

typedef struct mask_options {
    int method;
    leat_str key, key_id;
    bool show_key_id;
} mask_options;

static const leat_option options[] = {
    {.name = "method",
     .type = LEAT_OPTION_ENUM,
     .offset = offsetof(mask_options, method),
     .required = true,
     .choices = METHODS,
     .doc = "What becomes of the value."},
    {.name = "key",
     .type = LEAT_OPTION_STRING,
     .offset = offsetof(mask_options, key),
     .doc = "Key of `hmac-sha256` and `aes-gcm`; default: the pipeline's."},
    {.name = "key_id",
     .type = LEAT_OPTION_STRING,
     .offset = offsetof(mask_options, key_id),
     .doc = "Name of the key, among `mask.keys` of the pipeline; default: `mask.key_id`."},
    {.name = "show_key_id",
     .type = LEAT_OPTION_BOOL,
     .offset = offsetof(mask_options, show_key_id),
     .doc = "`hmac-sha256` writes `KEY_ID:digest`, so that readers know which key it was."},
};
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

typedef struct mask_field {
    uint32_t from, to; /* slots */
} mask_field;

typedef struct mask_config {
    mask_field *fields;
    leat_mask_rule *rules; /* one per field */
    size_t count;
} mask_config;

/* --- planning --- */

static bool method_of(leat_planner *planner, const leat_node *node, int *method)
{
    for (int i = 0; i < LEAT_MASK_METHODS; i++) {
        if (!leat_str_equal(node->text, method_names[i])) continue;
        *method = i;
        return true;
    }
    leat_finding *finding = leat_findings_add(
        leat_planner_findings(planner), node, false, "unknown method '%.*s' (known: %s)",
        LEAT_STR_ARG(node->secret ? LEAT_STR("***") : node->text),
        "hmac-sha256, sha256, aes-gcm, redact, partial, null");
    finding->suggestion = leat_str_nearest(node->text, method_names, LEAT_MASK_METHODS);
    return false;
}

static bool mistake(leat_planner *planner, const leat_node *node, const char *what)
{
    leat_findings_add(leat_planner_findings(planner), node, false, "%s", what);
    return false;
}

/* The key that a rule works with, and its name. */
static bool key_of(leat_planner *planner, const leat_node *member, const mask_options *read,
                   leat_mask_rule *rule)
{
    bool encrypts = rule->method == LEAT_MASK_AES;
    rule->key_id = read->key_id.len > 0 ? read->key_id : leat_planner_mask_key_id(planner);
    if (read->key.len > 0) {
        rule->key = read->key;
        rule->key_id = read->key_id;
    } else {
        rule->key = leat_planner_mask_key_of(planner, rule->key_id);
        if (rule->key.len == 0 && read->key_id.len > 0) {
            leat_findings_add(leat_planner_findings(planner), member, false,
                              "mask.keys of the pipeline has no key '%.*s'",
                              LEAT_STR_ARG(read->key_id));
            return false;
        }
    }
    if (rule->key.len == 0)
        return mistake(planner, member,
                       encrypts ? "aes-gcm needs a key: set mask.key of the pipeline, such as "
                                  "\"${file:/run/secrets/mask-key}\", and mask.key_id"
                                : "hmac-sha256 needs a key: set mask.key of the pipeline, such as "
                                  "\"${file:/run/secrets/mask-key}\"");
    if ((encrypts || read->show_key_id || rule->key_id.len > 0) &&
        !leat_mask_key_id_good(rule->key_id))
        return mistake(planner, member,
                       rule->key_id.len == 0
                           ? "the key needs a name here: set key_id, which is written beside it"
                           : "a key_id has letters, digits, '.', '_' and '-', at most 64");
    if (encrypts && leat_planner_unresolved(planner))
        return true; /* a key that cannot be read now */
    if (encrypts && !leat_mask_key_bytes(rule->key, leat_planner_arena(planner), &rule->key))
        return mistake(planner, member,
                       "the key of aes-gcm has 32 bytes: as they are, as 64 hexadecimal digits, or "
                       "as base64 (openssl rand -hex 32)");
    return true;
}

bool leat_mask_rule_plan(leat_planner *planner, const leat_node *member, leat_mask_rule *rule)
{
    mask_options read = {0};
    if (member->kind == LEAT_NODE_STRING) {
        if (!method_of(planner, member, &read.method)) return false;
    } else if (!leat_options_read(options, OPTIONS_COUNT, member, &read,
                                  leat_planner_findings(planner))) {
        return false;
    }
    LEAT_ASSERT(read.method >= 0 && read.method < LEAT_MASK_METHODS);
    rule->method = (leat_mask_method)read.method;
    rule->name = member->key;
    rule->show_key_id = read.show_key_id && rule->method == LEAT_MASK_HMAC;
    if (rule->method != LEAT_MASK_HMAC && rule->method != LEAT_MASK_AES) return true;
    return key_of(planner, member, &read, rule);
}

static bool plan_field(leat_planner *planner, leat_step *step, const leat_node *member,
                       mask_field *field, leat_mask_rule *rule)
{
    leat_path path;
    leat_str nearest;
    if (!leat_planner_path_key(planner, member, &path)) return false;
    if (!leat_mask_rule_plan(planner, member, rule)) return false;
    if (!leat_planner_known(planner, step, path, &nearest)) {
        leat_str shown = leat_path_text(path, leat_planner_arena(planner));
        leat_finding *finding =
            leat_findings_add_key(leat_planner_findings(planner), member, false,
                                  "the source has no field '%.*s'", LEAT_STR_ARG(shown));
        finding->suggestion = nearest;
        return false;
    }
    field->from = leat_planner_read(planner, step, path);
    leat_planner_masked(planner, step, member, field->from, rule);
    field->to = leat_planner_assign(planner, step, path);
    leat_planner_hides(planner, step, field->to, field->from);
    return true;
}

static bool mask_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    if (json->kind != LEAT_NODE_OBJECT || json->child == NULL) {
        leat_findings_add(leat_planner_findings(planner), json, false,
                          "mask needs an object of fields and methods, such as "
                          "{\"pan\": \"hmac-sha256\"}");
        return false;
    }
    size_t count = 0;
    for (const leat_node *member = json->child; member != NULL; member = member->next)
        count++;
    mask_config *config = leat_planner_alloc(planner, sizeof *config);
    config->fields = leat_planner_alloc(planner, count * sizeof *config->fields);
    config->rules = leat_planner_alloc(planner, count * sizeof *config->rules);
    step->config = config;
    bool good = true;
    for (const leat_node *member = json->child; member != NULL; member = member->next)
        good &= plan_field(planner, step, member, &config->fields[config->count],
                           &config->rules[config->count]),
            config->count++;
    return good;
}

/* --- running --- */

static void mask_close(leat_run *run)
{
    leat_masker *masker = run->state;
    leat_masker_free(&masker);
    run->state = NULL;
}

static leat_code mask_open(leat_run *run, leat_err *err)
{
    const mask_config *config = run->step->config;
    leat_masker *masker = NULL;
    LEAT_TRY(leat_masker_new(config->rules, config->count, &masker, err));
    run->state = masker;
    return LEAT_OK;
}

static leat_code mask_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const mask_config *config = run->step->config;
    leat_arena *arena = leat_run_arena(run);
    for (size_t i = 0; i < in->count; i++) {
        leat_record *record = in->records[i];
        leat_err why;
        leat_code code = LEAT_OK;
        for (size_t f = 0; f < config->count && code == LEAT_OK; f++) {
            const mask_field *field = &config->fields[f];
            leat_value from = record->slots[field->from];
            if (from.tag == LEAT_MISSING)
                record->slots[field->to] = LEAT_VALUE_MISSING;
            else
                code = leat_masker_apply(run->state, f, from, record, arena,
                                         &record->slots[field->to], &why);
        }
        LEAT_TRY(leat_run_settle(run, record, code, &why, err));
    }
    return LEAT_OK;
}

const leat_operator_type leat_operator_mask = {
    .name = "mask",
    .doc = "Replaces the content of fields. `hmac-sha256` and `sha256` give the lower-case hex "
           "digest of a text's UTF-8 (of other values, of their JSON text), `aes-gcm` encrypts it "
           "so that the step `decrypt` can read it (`v1:KEY_ID:base64`), `redact` gives `***`, "
           "`partial` stars all but the last four characters, and all of eight or fewer, `null` "
           "gives null. A missing field stays missing. Prefer `hmac-sha256`: a plain digest of a "
           "card number is found by trying all of them.\n\n"
           "What a stream masks is masked in the dead letters of its source too, and in their "
           "error texts.\n\n"
           "```json\n{ \"mask\": { \"pan\": \"hmac-sha256\", \"iban\": \"aes-gcm\", \"email\": "
           "{ \"method\": \"partial\" } } }\n```\n",
    .schema =
        "{\"type\":\"object\",\"minProperties\":1,\"additionalProperties\":{\"oneOf\":[{\"enum\":["
        "\"hmac-sha256\",\"sha256\",\"aes-gcm\",\"redact\",\"partial\",\"null\"]},{\"type\":"
        "\"object\",\"properties\":{\"method\":{\"enum\":[\"hmac-sha256\",\"sha256\",\"aes-gcm\","
        "\"redact\",\"partial\",\"null\"]},\"key\":{\"type\":\"string\"},\"key_id\":{\"type\":"
        "\"string\"},\"show_key_id\":{\"type\":\"boolean\"}},\"required\":[\"method\"],"
        "\"additionalProperties\":false}]}}",
    .plan = mask_plan,
    .open = mask_open,
    .close = mask_close,
    .process = mask_process,
};
