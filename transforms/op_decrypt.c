/* SPDX-License-Identifier: Apache-2.0 */
/* decrypt: what `mask` with aes-gcm has made of fields, back to their text.
 *
 *   v1:2026-11:base64(nonce | ciphertext | tag)    the key is found by the id in the text
 *
 * All keys of the pipeline are known (mask.keys, and mask.key under mask.key_id), so that texts of
 * before a rotation can be read. The field's name at encryption is authenticated: a text that was
 * moved to another field does not open, unless `name` says what the field was called.
 * A text that does not open is an error of its record; its content is not part of the message.
 * A missing field stays missing, null stays null. What was no string comes back as its JSON text.
 * Cost: ~1 us a field. */
#include "core/mem.h"
#include "core/path.h"
#include "transforms/masking.h"

typedef struct decrypt_options {
    leat_str name;
    bool plain;
} decrypt_options;

static const leat_option options[] = {
    {.name = "name",
     .type = LEAT_OPTION_STRING,
     .offset = offsetof(decrypt_options, name),
     .doc = "Path of the field where it was encrypted; default: its path here."},
    {.name = "plain",
     .type = LEAT_OPTION_BOOL,
     .offset = offsetof(decrypt_options, plain),
     .doc = "Texts that are not encrypted pass as they are, as while a topic is changed over."},
};
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

typedef struct decrypt_field {
    uint32_t from, to; /* slots */
    leat_str name, shown;
    bool plain;
} decrypt_field;

typedef struct decrypt_config {
    decrypt_field *fields;
    size_t count;
    const leat_mask_key *keys; /* their 32 bytes */
    size_t keys_count;
} decrypt_config;

typedef struct decrypt_state {
    leat_cipher **ciphers; /* one per key */
} decrypt_state;

/* --- planning --- */

static bool plan_field(leat_planner *planner, leat_step *step, const leat_node *node,
                       leat_path path, leat_str shown, const leat_node *given, decrypt_field *field)
{
    decrypt_options read = {0};
    (void)node;
    if (given != NULL &&
        !leat_options_read(options, OPTIONS_COUNT, given, &read, leat_planner_findings(planner)))
        return false;
    LEAT_ASSERT(shown.len > 0);
    *field = (decrypt_field){.name = read.name.len > 0 ? read.name : shown,
                             .shown = shown,
                             .plain = read.plain,
                             .from = leat_planner_read(planner, step, path)};
    field->to = leat_planner_assign(planner, step, path);
    leat_planner_copies(planner, step, field->to, field->from);
    return true;
}

static bool plan_keys(leat_planner *planner, const leat_node *json, decrypt_config *config)
{
    size_t count = 0;
    const leat_mask_key *known = leat_planner_mask_keys(planner, &count);
    leat_mask_key *keys = leat_planner_alloc(planner, (count + 1) * sizeof *keys);
    bool unresolved = leat_planner_unresolved(planner);
    for (size_t i = 0; i < count; i++) {
        keys[config->keys_count].id = known[i].id;
        /* Keys of HMAC may be any text; they open nothing. */
        if (leat_mask_key_bytes(known[i].key, leat_planner_arena(planner),
                                &keys[config->keys_count].key))
            config->keys_count++;
    }
    config->keys = keys;
    if (config->keys_count > 0 || unresolved) return true;
    leat_findings_add(
        leat_planner_findings(planner), json, false,
        "decrypt needs a key of 32 bytes with a name: set mask.key and mask.key_id of "
        "the pipeline, or mask.keys");
    return false;
}

static bool decrypt_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    size_t count = 0;
    bool list = json->kind == LEAT_NODE_LIST, good = true;
    for (const leat_node *member = json->child; member != NULL; member = member->next)
        count++;
    if ((!list && json->kind != LEAT_NODE_OBJECT) || count == 0) {
        leat_findings_add(leat_planner_findings(planner), json, false,
                          "decrypt needs a list of fields, or an object of fields and settings");
        return false;
    }
    decrypt_config *config = leat_planner_alloc(planner, sizeof *config);
    config->fields = leat_planner_alloc(planner, count * sizeof *config->fields);
    step->config = config;
    for (const leat_node *member = json->child; member != NULL; member = member->next) {
        leat_path path;
        bool named = list ? leat_planner_path(planner, member, &path)
                          : leat_planner_path_key(planner, member, &path);
        good &= named && plan_field(planner, step, member, path, list ? member->text : member->key,
                                    list ? NULL : member, &config->fields[config->count]);
        config->count++;
    }
    return plan_keys(planner, json, config) && good;
}

/* --- running --- */

static void decrypt_close(leat_run *run)
{
    const decrypt_config *config = run->step->config;
    decrypt_state *state = run->state;
    if (state == NULL) return;
    for (size_t i = 0; i < config->keys_count; i++)
        leat_cipher_free(&state->ciphers[i]);
    leat_mem_free(state->ciphers);
    leat_mem_free(state);
    run->state = NULL;
}

static leat_code decrypt_open(leat_run *run, leat_err *err)
{
    const decrypt_config *config = run->step->config;
    decrypt_state *state = leat_mem_need(sizeof *state);
    run->state = state;
    state->ciphers = leat_mem_need((config->keys_count + 1) * sizeof(leat_cipher *));
    for (size_t i = 0; i < config->keys_count; i++)
        LEAT_TRY(leat_cipher_new(&state->ciphers[i],
                                 (const unsigned char *)config->keys[i].key.data, err));
    return LEAT_OK;
}

static leat_code open_text(leat_run *run, const decrypt_field *field, leat_str text, leat_value *to,
                           leat_err *err)
{
    const decrypt_config *config = run->step->config;
    const decrypt_state *state = run->state;
    LEAT_ASSERT(state != NULL && config->keys_count > 0);
    leat_arena *arena = leat_run_arena(run);
    leat_str key_id, bytes;
    if (!leat_mask_sealed(text, arena, &key_id, &bytes)) {
        if (field->plain) {
            *to = leat_value_string(text);
            return LEAT_OK;
        }
        return leat_err_set(err, LEAT_ERR_INVALID, "field '%.*s' is not encrypted",
                            LEAT_STR_ARG(field->shown));
    }
    size_t at = 0;
    while (at < config->keys_count && !leat_str_equal(config->keys[at].id, key_id))
        at++;
    if (at == config->keys_count)
        return leat_err_set(err, LEAT_ERR_INVALID,
                            "field '%.*s' was encrypted with key '%.*s', which is not among the "
                            "pipeline's",
                            LEAT_STR_ARG(field->shown), key_id.len > 64 ? 64 : (int)key_id.len,
                            key_id.data);
    size_t len = bytes.len - LEAT_CIPHER_NONCE_BYTES;
    unsigned char *made = leat_arena_alloc(arena, len);
    if (made == NULL) return leat_arena_full(arena, err);
    if (leat_cipher_open(state->ciphers[at], (const unsigned char *)bytes.data, field->name,
                         leat_str_slice(bytes, LEAT_CIPHER_NONCE_BYTES, bytes.len), made,
                         err) != LEAT_OK)
        return leat_err_prefix(err, "field '%.*s'", LEAT_STR_ARG(field->shown));
    leat_str plain = {(const char *)made, len - LEAT_CIPHER_TAG_BYTES};
    if (!leat_str_utf8_valid(plain))
        return leat_err_set(err, LEAT_ERR_INVALID, "field '%.*s' holds no text",
                            LEAT_STR_ARG(field->shown));
    *to = leat_value_string(plain);
    return LEAT_OK;
}

static leat_code open_field(leat_run *run, const decrypt_field *field, leat_record *record,
                            leat_err *err)
{
    leat_value from = record->slots[field->from];
    leat_value *to = &record->slots[field->to];
    if (from.tag == LEAT_STRING) return open_text(run, field, leat_value_str(from), to, err);
    *to = from;
    if (from.tag == LEAT_MISSING || from.tag == LEAT_NULL || field->plain) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_TYPE, "field '%.*s' is no string, but of type %s",
                        LEAT_STR_ARG(field->shown), leat_tag_name((leat_tag)from.tag));
}

static leat_code decrypt_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const decrypt_config *config = run->step->config;
    for (size_t i = 0; i < in->count; i++) {
        leat_record *record = in->records[i];
        leat_err why;
        leat_code code = LEAT_OK;
        for (size_t f = 0; f < config->count && code == LEAT_OK; f++)
            code = open_field(run, &config->fields[f], record, &why);
        LEAT_TRY(leat_run_settle(run, record, code, &why, err));
    }
    return LEAT_OK;
}

const leat_operator_type leat_operator_decrypt = {
    .name = "decrypt",
    .doc = "Reads fields that `mask` with `aes-gcm` has written (`v1:KEY_ID:base64`). The key is "
           "found by its id among `mask.keys` and `mask.key`; the field's name must be the one it "
           "was encrypted under. What does not open is a dead letter. A value that was no string "
           "comes back as its JSON text: `cast` it.\n\n"
           "```json\n{ \"decrypt\": [\"iban\"] }\n{ \"decrypt\": { \"iban\": { \"name\": "
           "\"account.iban\" } } }\n```\n",
    .schema = "{\"oneOf\":[{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"}},"
              "{\"type\":\"object\",\"minProperties\":1,\"additionalProperties\":{\"type\":"
              "\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"plain\":{\"type\":"
              "\"boolean\"}},\"additionalProperties\":false}}]}",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .plan = decrypt_plan,
    .open = decrypt_open,
    .close = decrypt_close,
    .process = decrypt_process,
};
