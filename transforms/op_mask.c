/* SPDX-License-Identifier: Apache-2.0 */
/* mask: fields whose content must not go on, replaced by something that can.
 *
 *   hmac-sha256  hex digest under a key: the same text gives the same digest, and nobody without
 *                the key can try out card numbers
 *   sha256       hex digest without key
 *   redact       ***
 *   partial      ************1234; all stars for eight characters or fewer
 *   null         null
 *
 * A digest is of the text's UTF-8, of any other value of its JSON text as it came in (so that
 * 1.50 and 1.5 differ, as do their spellings). A missing field stays missing; null is a value.
 * Each field's value is read from one slot and its mask written to a fresh one. The key lives in
 * the plan and, hashed into contexts, in the task; no message ever shows it.
 * Cost: see digest.h; the others ~20 ns. */
#include "core/path.h"
#include "schemas/codec_json.h"
#include "transforms/digest.h"
#include "transforms/operator.h"

#include "core/mem.h"

#define METHODS "hmac-sha256|sha256|redact|partial|null"
enum { HMAC_SHA256, SHA256, REDACT, PARTIAL, NULLED, METHODS_COUNT };
static const leat_str method_names[METHODS_COUNT] = {
    {"hmac-sha256", 11}, {"sha256", 6}, {"redact", 6}, {"partial", 7}, {"null", 4}};

#define PARTIAL_SHOWN   4 /* characters at the end */
#define PARTIAL_ALL_MAX 8 /* of so few characters, none is shown */
#define TEXT_BYTES_MAX  ((size_t)256 << 20)

typedef struct mask_options {
    int method;
    leat_str key, key_id;
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
     .doc = "Key of `hmac-sha256`; default: `mask.key` of the pipeline."},
    {.name = "key_id",
     .type = LEAT_OPTION_STRING,
     .offset = offsetof(mask_options, key_id),
     .doc = "Name of the key, for people who rotate it; default: `mask.key_id` of the pipeline."},
};
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

typedef struct mask_field {
    int method;
    leat_str key;
    uint32_t from, to; /* slots */
} mask_field;

typedef struct mask_config {
    mask_field *fields;
    size_t count;
} mask_config;

typedef struct mask_state {
    leat_digest **digests; /* one per field; NULL where it needs none */
    leat_buf text;
} mask_state;

/* --- planning --- */

static bool method_of(leat_planner *planner, const leat_node *node, int *method)
{
    for (int i = 0; i < METHODS_COUNT; i++) {
        if (!leat_str_equal(node->text, method_names[i])) continue;
        *method = i;
        return true;
    }
    leat_finding *finding = leat_findings_add(
        leat_planner_findings(planner), node, false, "unknown method '%.*s' (known: %s)",
        LEAT_STR_ARG(node->secret ? LEAT_STR("***") : node->text),
        "hmac-sha256, sha256, redact, partial, null");
    finding->suggestion = leat_str_nearest(node->text, method_names, METHODS_COUNT);
    return false;
}

static bool plan_field(leat_planner *planner, leat_step *step, const leat_node *member,
                       mask_field *field)
{
    leat_path path;
    mask_options read = {0};
    if (!leat_planner_path_key(planner, member, &path)) return false;
    if (member->kind == LEAT_NODE_STRING) {
        if (!method_of(planner, member, &read.method)) return false;
    } else if (!leat_options_read(options, OPTIONS_COUNT, member, &read,
                                  leat_planner_findings(planner))) {
        return false;
    }
    field->method = read.method;
    if (field->method == HMAC_SHA256) {
        field->key = read.key.data != NULL ? read.key : leat_planner_mask_key(planner);
        if (field->key.len == 0) {
            leat_findings_add(leat_planner_findings(planner), member, false,
                              "hmac-sha256 needs a key: set mask.key of the pipeline, such as "
                              "\"${file:/run/secrets/mask-key}\"");
            return false;
        }
    }
    field->from = leat_planner_read(planner, step, path);
    field->to = leat_planner_assign(planner, step, path);
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
    step->config = config;
    bool good = true;
    for (const leat_node *member = json->child; member != NULL; member = member->next)
        good &= plan_field(planner, step, member, &config->fields[config->count++]);
    return good;
}

/* --- running --- */

static void mask_close(leat_run *run)
{
    const mask_config *config = run->step->config;
    mask_state *state = run->state;
    if (state == NULL) return;
    for (size_t i = 0; i < config->count; i++)
        leat_digest_free(&state->digests[i]);
    leat_mem_free(state->digests);
    leat_buf_release(&state->text);
    leat_mem_free(state);
    run->state = NULL;
}

static leat_code mask_open(leat_run *run, leat_err *err)
{
    const mask_config *config = run->step->config;
    mask_state *state = leat_mem_need(sizeof *state);
    run->state = state;
    state->digests = leat_mem_need(config->count * sizeof(leat_digest *));
    leat_buf_init(&state->text, TEXT_BYTES_MAX);
    for (size_t i = 0; i < config->count; i++) {
        const mask_field *field = &config->fields[i];
        if (field->method == HMAC_SHA256 || field->method == SHA256)
            LEAT_TRY(leat_digest_new(&state->digests[i], field->key, err));
    }
    return LEAT_OK;
}

/* The text that is masked. */
static leat_code text_of(mask_state *state, leat_value value, leat_arena *arena, leat_str *text,
                         leat_err *err)
{
    if (value.tag == LEAT_STRING || value.tag == LEAT_NUMBER || value.tag == LEAT_JSON) {
        *text = leat_value_str(value);
        return LEAT_OK;
    }
    leat_buf_reset(&state->text);
    LEAT_TRY(leat_json_write(value, arena, &state->text, err));
    LEAT_TRY(leat_buf_check(&state->text, "a masked value", err));
    *text = leat_buf_str(&state->text);
    return LEAT_OK;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static leat_code partial(leat_str text, leat_arena *arena, leat_value *value, leat_err *err)
{
    size_t characters = 0, stars, from = text.len;
    for (size_t i = 0; i < text.len; i++)
        characters += !is_continuation(text.data[i]);
    stars = characters <= PARTIAL_ALL_MAX ? characters : characters - PARTIAL_SHOWN;
    for (size_t shown = characters - stars; shown > 0; shown--)
        do {
            from--;
        } while (is_continuation(text.data[from]));
    char *made = leat_arena_alloc(arena, stars + text.len - from);
    if (made == NULL) return leat_arena_full(arena, err);
    memset(made, '*', stars);
    if (from < text.len) memcpy(made + stars, text.data + from, text.len - from);
    *value = leat_value_string((leat_str){made, stars + text.len - from});
    return LEAT_OK;
}

static leat_code mask_value(mask_state *state, const mask_field *field, size_t at, leat_value from,
                            leat_arena *arena, leat_value *to, leat_err *err)
{
    leat_str text;
    char *hex;
    switch (field->method) {
    case NULLED: *to = LEAT_VALUE_NULL; return LEAT_OK;
    case REDACT:
        *to = leat_value_string(LEAT_STR("***"));
        to->flags = LEAT_VALUE_PLAIN;
        return LEAT_OK;
    case PARTIAL:
        LEAT_TRY(text_of(state, from, arena, &text, err));
        return partial(text, arena, to, err);
    default:
        LEAT_ASSERT(field->method == HMAC_SHA256 || field->method == SHA256);
        LEAT_TRY(text_of(state, from, arena, &text, err));
        hex = leat_arena_alloc(arena, LEAT_DIGEST_HEX);
        if (hex == NULL) return leat_arena_full(arena, err);
        LEAT_TRY(leat_digest_hex(state->digests[at], text, hex, err));
        *to = leat_value_string((leat_str){hex, LEAT_DIGEST_HEX});
        to->flags = LEAT_VALUE_PLAIN;
        return LEAT_OK;
    }
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
                code =
                    mask_value(run->state, field, f, from, arena, &record->slots[field->to], &why);
        }
        if (LEAT_UNLIKELY(code != LEAT_OK))
            LEAT_TRY(leat_run_reject(run, record, &why, err));
        else
            LEAT_TRY(leat_run_emit(run, 0, record, err));
    }
    return LEAT_OK;
}

const leat_operator_type leat_operator_mask = {
    .name = "mask",
    .doc = "Replaces the content of fields. `hmac-sha256` and `sha256` give the lower-case hex "
           "digest of a text's UTF-8 (of other values, of their JSON text), `redact` gives `***`, "
           "`partial` stars all but the last four characters, and all of eight or fewer, `null` "
           "gives null. A missing field stays missing. Prefer `hmac-sha256`: a plain digest of a "
           "card number is found by trying all of them.\n\n"
           "```json\n{ \"mask\": { \"pan\": \"hmac-sha256\", \"email\": { \"method\": \"partial\" "
           "} } }\n```\n",
    .schema =
        "{\"type\":\"object\",\"minProperties\":1,\"additionalProperties\":{\"oneOf\":[{\"enum\":["
        "\"hmac-sha256\",\"sha256\",\"redact\",\"partial\",\"null\"]},{\"type\":\"object\","
        "\"properties\":{\"method\":{\"enum\":[\"hmac-sha256\",\"sha256\",\"redact\",\"partial\","
        "\"null\"]},\"key\":{\"type\":\"string\"},\"key_id\":{\"type\":\"string\"}},\"required\":["
        "\"method\"],\"additionalProperties\":false}]}}",
    .plan = mask_plan,
    .open = mask_open,
    .close = mask_close,
    .process = mask_process,
};
