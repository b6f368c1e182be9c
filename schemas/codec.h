/* SPDX-License-Identifier: Apache-2.0 */
/* The port of formats: a payload becomes slots, a record becomes a payload.
 *
 *   decode   message -> slots (as the shape's requests say) and `raw`, the record as JSON text
 *   encode   layout, raw, slots -> payload, and headers where the format has some
 *
 * Whatever the format, a record's `raw` is JSON text: views, held records and what no step has
 * touched live on it. A codec that has no better way makes that text and hands it to the shape's
 * JSON decoder; one that knows its fields may fill the slots itself.
 *
 * JSON itself does not come through this port (NULL codec: exec calls codec_json directly, and
 * borrows the message's bytes).
 *
 * A leat_codec is a format with its settings: immutable, of the plan's arena, shared by threads;
 * the struct of a format embeds it first. What one task needs beside it (buffers, the header line
 * of a file) is the state. */
#ifndef LEAT_SCHEMAS_CODEC_H
#define LEAT_SCHEMAS_CODEC_H

#include "core/record.h"
#include "schemas/codec_json.h"

typedef struct leat_codec leat_codec;

/* What is read, and where it goes. */
typedef struct leat_codec_in {
    const leat_message *message; /* value.data is not NULL */
    leat_json_decoder *json;     /* of the record's shape */
    leat_arena *arena;           /* the batch's */
    leat_value *slots;           /* MISSING */
    bool raw_unread;             /* of own_slots: raw need not be made */
    bool value_wanted;           /* of whole_values: the record as a value is to be made */
    leat_str raw;                /* result; data NULL: not made */
    leat_value value;            /* result: a MAP; MISSING: not made */
    bool none;                   /* result: the message is no record (a header line), skip it */
} leat_codec_in;

/* Something that a codec cannot know by itself: a schema that lies elsewhere, or the number of one.
 * Whoever runs the task finds it, and says so; the same want gets the same answer. */
typedef enum leat_want_kind {
    LEAT_WANT_ID,       /* the schema of this number */
    LEAT_WANT_GUID,     /* the schema of this name of 16 bytes */
    LEAT_WANT_FILE,     /* the schema that the file called `text` is written with */
    LEAT_WANT_REGISTER, /* the number of `schema` under the subject `text`, which may be new there
                         */
} leat_want_kind;
#define LEAT_GUID_BYTES 16
typedef struct leat_want {
    leat_want_kind kind;
    uint32_t id;
    unsigned char guid[LEAT_GUID_BYTES];
    leat_str text, schema; /* borrowed: of the message or the codec */
} leat_want;
/* ID, GUID, FILE: schema, or data NULL and why there is none. REGISTER: id, and guid if the
 * registry has such names; or data of why not NULL: it refuses the schema. */
typedef struct leat_answer {
    leat_str schema, why;
    uint32_t id;
    bool has_guid;
    unsigned char guid[LEAT_GUID_BYTES];
} leat_answer;

/* What is written. */
typedef struct leat_codec_out {
    const leat_field *root;
    leat_str raw;
    const leat_value *slots;
    const leat_record *record;
    leat_arena *arena;
    leat_buf *to; /* the payload is appended */
    const leat_header *headers;
    size_t headers_count; /* result: headers of the format's own; borrowed from arena */
} leat_codec_out;

typedef struct leat_codec_type {
    const char *name;
    /* Either may be NULL: no state. requests: those of the shape that is decoded (count 0 where
     * the codec only writes); borrowed for the state's life. */
    leat_code (*open)(const leat_codec *codec, const leat_slot_request *requests, size_t count,
                      leat_json_limits limits, void **state, leat_err *err);
    void (*close)(void *state);
    /* A payload that is wrong is an error of RECORD blame; its text names line and column, field or
     * byte. */
    leat_code (*decode)(const leat_codec *codec, void *state, leat_codec_in *in, leat_err *err);
    leat_code (*encode)(const leat_codec *codec, void *state, leat_codec_out *out, leat_err *err);
    /* Before decode: whether this message (NULL: any that is written) waits for an answer. NULL:
     * never. What has not been asked for before a decode or encode is its error, of TASK blame. */
    bool (*wants)(const leat_codec *codec, void *state, const leat_message *message,
                  leat_want *want);
    /* An answer that says no makes its messages errors of RECORD blame. */
    leat_code (*give)(const leat_codec *codec, void *state, const leat_want *want,
                      const leat_answer *answer, leat_err *err);
    bool blank_lines; /* an empty line of a file is a record too */
    bool own_slots; /* it fills the slots itself; `raw` is made for nobody else but who reads it */
    bool whole_values;  /* it has types that JSON lacks, and can make a value of the record */
    bool encodes_slots; /* encode does without root and raw */
} leat_codec_type;

struct leat_codec {
    const leat_codec_type *type;
};

/* The record as JSON text: its raw, or encoded into scratch (reset first). */
leat_code leat_codec_text(const leat_codec_out *out, leat_buf *scratch, leat_str *json,
                          leat_err *err) LEAT_CHECKED;

#endif
