/* SPDX-License-Identifier: Apache-2.0 */
/* What a mask makes of a value; used by the step `mask` and by the guard of dead letters, so that
 * both give the same.
 *
 * A rule is planned, and immutable; a masker does the work of some rules in one task. Keys are in
 * rules only, and never in a message. */
#ifndef LEAT_TRANSFORMS_MASKING_H
#define LEAT_TRANSFORMS_MASKING_H

#include "transforms/digest.h"
#include "transforms/operator.h"

typedef enum leat_mask_method {
    LEAT_MASK_HMAC,
    LEAT_MASK_SHA256,
    LEAT_MASK_AES,
    LEAT_MASK_REDACT,
    LEAT_MASK_PARTIAL,
    LEAT_MASK_NULL,
    LEAT_MASK_METHODS,
} leat_mask_method;

typedef struct leat_mask_rule {
    leat_mask_method method;
    leat_str name;   /* the field's path; of AES: authenticated with the text */
    leat_str key;    /* HMAC: any text; AES: its 32 bytes */
    leat_str key_id; /* AES, and HMAC if shown: written in front */
    bool show_key_id;
} leat_mask_rule;

/* Reads one member of {"pan": "hmac-sha256"} or {"pan": {"method": ...}}; mistakes become findings,
 * false. */
bool leat_mask_rule_plan(leat_planner *planner, const leat_node *member, leat_mask_rule *rule);
/* 32 bytes from 64 hex digits, from base64, or as they are. */
bool leat_mask_key_bytes(leat_str text, leat_arena *arena, leat_str *bytes);
/* Letters, digits, '.', '_' and '-', at most 64. */
bool leat_mask_key_id_good(leat_str key_id);

typedef struct leat_masker leat_masker;

leat_code leat_masker_new(const leat_mask_rule *rules, size_t count, leat_masker **masker,
                          leat_err *err) LEAT_CHECKED;
void leat_masker_free(leat_masker **masker);
/* from is there (not MISSING); record: whose value it is, for its position. */
leat_code leat_masker_apply(leat_masker *masker, size_t rule, leat_value from,
                            const leat_record *record, leat_arena *arena, leat_value *to,
                            leat_err *err) LEAT_CHECKED;

/* --- encrypted texts: v1:KEY_ID:base64(nonce | ciphertext | tag) --- */

/* What AES makes of a text; in arena. */
leat_code leat_mask_seal(leat_cipher *cipher, leat_digest *nonces, const leat_mask_rule *rule,
                         leat_str text, const leat_record *record, leat_arena *arena,
                         leat_str *sealed, leat_err *err) LEAT_CHECKED;
/* Its parts: key_id borrows from text, bytes (nonce first) are in arena. False: no such text. */
bool leat_mask_sealed(leat_str text, leat_arena *arena, leat_str *key_id, leat_str *bytes);

#endif
