/* SPDX-License-Identifier: Apache-2.0 */
/* Masks at work.
 *
 *   hmac-sha256  hex digest under a key: the same text gives the same digest, and nobody without
 *                the key can try out card numbers; with show_key_id: KEY_ID:digest
 *   sha256       hex digest without key
 *   aes-gcm      v1:KEY_ID:base64(nonce | ciphertext | tag): who has the key can read it
 *   redact       ***
 *   partial      ************1234; all stars for eight characters or fewer
 *   null         null
 *
 * A digest is of the text's UTF-8, of any other value of its JSON text as it came in (so that 1.50
 * and 1.5 differ, as do their spellings); so is what is encrypted.
 *
 * The nonce of AES-GCM must never stand for two texts under one key, and output must be a function
 * of the input, or a replay would write other bytes than the first run. So it is derived, as in a
 * synthetic IV: the first 12 bytes of
 *
 *   HMAC-SHA-256(HMAC-SHA-256(key, "leat nonce v1"),
 *                lengths and bytes of field, topic, text; partition, offset)
 *
 * Two different texts, or one text at two positions, have nonces that meet by chance only; the same
 * text at the same position has the same nonce and the same ciphertext, which tells nobody anything
 * new. As with random nonces, a key should be changed before 2^32 texts. Refused: a counter, which
 * would be state; a random nonce, which a replay does not repeat.
 * Cost: digests see digest.h; aes-gcm ~1 us a short text; the others ~20 ns. */
#include "transforms/masking.h"

#include "core/base64.h"
#include "core/mem.h"
#include "schemas/codec_json.h"

#define PARTIAL_SHOWN   4 /* characters at the end */
#define PARTIAL_ALL_MAX 8 /* of so few characters, none is shown */
#define TEXT_BYTES_MAX  ((size_t)256 << 20)
#define KEY_ID_LEN_MAX  64

typedef struct mask_worker {
    leat_digest *digest; /* HMAC, SHA256; AES: of nonces */
    leat_cipher *cipher; /* AES */
} mask_worker;

struct leat_masker {
    const leat_mask_rule *rules;
    size_t count;
    mask_worker *workers; /* one per rule */
    leat_buf text;
};

/* --- keys --- */

bool leat_mask_key_id_good(leat_str key_id)
{
    if (key_id.len == 0 || key_id.len > KEY_ID_LEN_MAX) return false;
    for (size_t i = 0; i < key_id.len; i++) {
        char c = key_id.data[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-';
        if (!good) return false;
    }
    return true;
}

bool leat_mask_key_bytes(leat_str text, leat_arena *arena, leat_str *bytes)
{
    if (text.len == LEAT_CIPHER_KEY_BYTES) {
        *bytes = text;
        return true;
    }
    if (text.len == (size_t)2 * LEAT_CIPHER_KEY_BYTES) {
        char *made = leat_arena_alloc(arena, LEAT_CIPHER_KEY_BYTES);
        if (made == NULL) return false;
        for (size_t i = 0; i < LEAT_CIPHER_KEY_BYTES; i++) {
            int high = leat_str_hex_digit(text.data[2 * i]),
                low = leat_str_hex_digit(text.data[2 * i + 1]);
            if (high < 0 || low < 0) return false;
            made[i] = (char)(high << 4 | low);
        }
        *bytes = (leat_str){made, LEAT_CIPHER_KEY_BYTES};
        return true;
    }
    leat_buf decoded;
    leat_err err;
    leat_buf_init(&decoded, LEAT_CIPHER_KEY_BYTES);
    bool good = leat_base64_decode(text, LEAT_BASE64_STANDARD, &decoded, &err) == LEAT_OK &&
                decoded.len == LEAT_CIPHER_KEY_BYTES;
    if (good) *bytes = leat_arena_copy(arena, leat_buf_str(&decoded));
    leat_buf_release(&decoded);
    return good && bytes->data != NULL;
}

/* --- encryption --- */

static leat_code nonce_of(leat_digest *nonces, const leat_mask_rule *rule, leat_str text,
                          const leat_record *record, leat_arena *arena,
                          unsigned char nonce[LEAT_CIPHER_NONCE_BYTES], leat_err *err)
{
    const leat_message *message = record->message;
    leat_buf what;
    unsigned char digest[LEAT_DIGEST_BYTES];
    leat_buf_init(&what, TEXT_BYTES_MAX);
    (void)arena;
    leat_buf_add_bytes(&what, rule->name);
    leat_buf_add_bytes(&what, message != NULL ? message->topic : LEAT_STR_NONE);
    leat_buf_add_varint(&what, message != NULL ? message->partition : -1);
    leat_buf_add_varint(&what, message != NULL ? message->offset : record->timestamp_ms);
    leat_buf_add_bytes(&what, text);
    leat_code code = leat_buf_check(&what, "a text to encrypt", err);
    if (code == LEAT_OK) code = leat_digest_of(nonces, leat_buf_str(&what), digest, err);
    leat_buf_release(&what);
    if (code == LEAT_OK) memcpy(nonce, digest, LEAT_CIPHER_NONCE_BYTES);
    return code;
}

leat_code leat_mask_seal(leat_cipher *cipher, leat_digest *nonces, const leat_mask_rule *rule,
                         leat_str text, const leat_record *record, leat_arena *arena,
                         leat_str *sealed, leat_err *err)
{
    LEAT_ASSERT(rule->method == LEAT_MASK_AES && rule->key_id.len > 0);
    size_t len = LEAT_CIPHER_NONCE_BYTES + text.len + LEAT_CIPHER_TAG_BYTES;
    unsigned char *bytes = leat_arena_alloc(arena, len);
    if (bytes == NULL) return leat_arena_full(arena, err);
    LEAT_TRY(nonce_of(nonces, rule, text, record, arena, bytes, err));
    LEAT_TRY(
        leat_cipher_seal(cipher, bytes, rule->name, text, bytes + LEAT_CIPHER_NONCE_BYTES, err));
    leat_buf out;
    leat_buf_init(&out, TEXT_BYTES_MAX);
    leat_buf_add_text(&out, "v1:");
    leat_buf_add(&out, rule->key_id);
    leat_buf_add_char(&out, ':');
    leat_base64_encode((leat_str){(const char *)bytes, len}, LEAT_BASE64_STANDARD, &out);
    leat_code code = leat_buf_check(&out, "an encrypted text", err);
    if (code == LEAT_OK) {
        *sealed = leat_arena_copy(arena, leat_buf_str(&out));
        if (sealed->data == NULL) code = leat_arena_full(arena, err);
    }
    leat_buf_release(&out);
    return code;
}

bool leat_mask_sealed(leat_str text, leat_arena *arena, leat_str *key_id, leat_str *bytes)
{
    if (!leat_str_starts(text, LEAT_STR("v1:"))) return false;
    const char *from = text.data + 3, *end = text.data + text.len;
    const char *colon = from == end ? NULL : memchr(from, ':', (size_t)(end - from));
    if (colon == NULL) return false;
    *key_id = (leat_str){from, (size_t)(colon - from)};
    leat_buf decoded;
    leat_err err;
    leat_buf_init(&decoded, TEXT_BYTES_MAX);
    bool good = leat_base64_decode((leat_str){colon + 1, (size_t)(end - colon - 1)},
                                   LEAT_BASE64_STANDARD, &decoded, &err) == LEAT_OK &&
                decoded.len >= LEAT_CIPHER_NONCE_BYTES + LEAT_CIPHER_TAG_BYTES;
    if (good) *bytes = leat_arena_copy(arena, leat_buf_str(&decoded));
    leat_buf_release(&decoded);
    return good && bytes->data != NULL;
}

/* --- maskers --- */

void leat_masker_free(leat_masker **masker)
{
    leat_masker *gone = *masker;
    if (gone == NULL) return;
    for (size_t i = 0; i < gone->count; i++) {
        leat_digest_free(&gone->workers[i].digest);
        leat_cipher_free(&gone->workers[i].cipher);
    }
    leat_mem_free(gone->workers);
    leat_buf_release(&gone->text);
    leat_mem_free(gone);
    *masker = NULL;
}

static leat_code worker_open(mask_worker *worker, const leat_mask_rule *rule, leat_err *err)
{
    if (rule->method == LEAT_MASK_SHA256)
        return leat_digest_new(&worker->digest, LEAT_STR_NONE, err);
    if (rule->method == LEAT_MASK_HMAC) return leat_digest_new(&worker->digest, rule->key, err);
    if (rule->method != LEAT_MASK_AES) return LEAT_OK;
    LEAT_ASSERT(rule->key.len == LEAT_CIPHER_KEY_BYTES);
    unsigned char nonce_key[LEAT_DIGEST_BYTES];
    leat_digest *derive = NULL;
    LEAT_TRY(leat_digest_new(&derive, rule->key, err));
    leat_code code = leat_digest_of(derive, LEAT_STR("leat nonce v1"), nonce_key, err);
    leat_digest_free(&derive);
    if (code == LEAT_OK)
        code = leat_digest_new(&worker->digest,
                               (leat_str){(const char *)nonce_key, sizeof nonce_key}, err);
    if (code == LEAT_OK)
        code = leat_cipher_new(&worker->cipher, (const unsigned char *)rule->key.data, err);
    return code;
}

leat_code leat_masker_new(const leat_mask_rule *rules, size_t count, leat_masker **masker,
                          leat_err *err)
{
    LEAT_ASSERT(rules != NULL || count == 0);
    leat_masker *made = leat_mem_need(sizeof *made);
    made->rules = rules;
    made->count = count;
    made->workers = leat_mem_need((count + 1) * sizeof *made->workers);
    leat_buf_init(&made->text, TEXT_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        leat_code code = worker_open(&made->workers[i], &rules[i], err);
        if (code == LEAT_OK) continue;
        leat_masker_free(&made);
        return code;
    }
    *masker = made;
    return LEAT_OK;
}

/* The text that is masked. */
static leat_code text_of(leat_masker *masker, leat_value value, leat_arena *arena, leat_str *text,
                         leat_err *err)
{
    if (value.tag == LEAT_STRING || value.tag == LEAT_NUMBER || value.tag == LEAT_JSON) {
        *text = leat_value_str(value);
        return LEAT_OK;
    }
    leat_buf_reset(&masker->text);
    LEAT_TRY(leat_json_write(value, arena, &masker->text, err));
    LEAT_TRY(leat_buf_check(&masker->text, "a masked value", err));
    *text = leat_buf_str(&masker->text);
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

static leat_code hashed(leat_masker *masker, size_t at, leat_str text, leat_arena *arena,
                        leat_value *to, leat_err *err)
{
    const leat_mask_rule *rule = &masker->rules[at];
    size_t before = rule->show_key_id ? rule->key_id.len + 1 : 0;
    LEAT_ASSERT(masker->workers[at].digest != NULL);
    char *made = leat_arena_alloc(arena, before + LEAT_DIGEST_HEX);
    if (made == NULL) return leat_arena_full(arena, err);
    if (before > 0) {
        memcpy(made, rule->key_id.data, rule->key_id.len);
        made[before - 1] = ':';
    }
    LEAT_TRY(leat_digest_hex(masker->workers[at].digest, text, made + before, err));
    *to = leat_value_string((leat_str){made, before + LEAT_DIGEST_HEX});
    to->flags = LEAT_VALUE_PLAIN;
    return LEAT_OK;
}

leat_code leat_masker_apply(leat_masker *masker, size_t at, leat_value from,
                            const leat_record *record, leat_arena *arena, leat_value *to,
                            leat_err *err)
{
    LEAT_ASSERT(at < masker->count && from.tag != LEAT_MISSING);
    const leat_mask_rule *rule = &masker->rules[at];
    leat_str text, sealed;
    switch (rule->method) {
    case LEAT_MASK_NULL: *to = LEAT_VALUE_NULL; return LEAT_OK;
    case LEAT_MASK_REDACT:
        *to = leat_value_string(LEAT_STR("***"));
        to->flags = LEAT_VALUE_PLAIN;
        return LEAT_OK;
    case LEAT_MASK_PARTIAL:
        LEAT_TRY(text_of(masker, from, arena, &text, err));
        return partial(text, arena, to, err);
    case LEAT_MASK_AES:
        LEAT_TRY(text_of(masker, from, arena, &text, err));
        LEAT_TRY(leat_mask_seal(masker->workers[at].cipher, masker->workers[at].digest, rule, text,
                                record, arena, &sealed, err));
        *to = leat_value_string(sealed);
        to->flags = LEAT_VALUE_PLAIN;
        return LEAT_OK;
    case LEAT_MASK_HMAC:
    case LEAT_MASK_SHA256:
        LEAT_TRY(text_of(masker, from, arena, &text, err));
        return hashed(masker, at, text, arena, to, err);
    case LEAT_MASK_METHODS: break;
    }
    LEAT_ASSERT(rule->method < LEAT_MASK_METHODS);
    return LEAT_OK;
}
