/* SPDX-License-Identifier: Apache-2.0 */
/* Records out of Avro's container files, for the reader of files (log_file_reader.c).
 *
 *   block:  [ ... | head | ..records, packed.. | sync | next head ... | free ]
 *                  ^ begin                                             ^ end
 *
 * One block of the file is in memory at a time, and what it unpacks to. Its records are slices that
 * stay valid until the next read; their ends are found by skipping over them, as Avro has none. The
 * number of a record is its offset.
 *
 * What is damaged (a block whose marker is not where it should be, that cannot be unpacked, or in
 * which a record has no end) becomes one message that says so in a header; the codec refuses it by
 * that text, so that it is a dead letter like any other. Reading goes on behind the next marker.
 *
 * A seek goes back to the file's beginning: records inside of blocks have no places of their own.
 */
#include <stdio.h>

#include "core/mem.h"
#include "schemas/avro_container.h"
#include "schemas/codec_avro.h"
#include "worker/log_file.h"

#define ARENA_BYTES_MAX ((size_t)256 << 20)
#define UNPACKED_MAX    ((size_t)256 << 20)
#define REST_SHOWN      ((size_t)64 << 10) /* bytes of what is damaged that a dead letter has */

struct leat_file_avro {
    leat_arena *arena; /* of the schema and its plan */
    leat_arena *scratch;
    leat_avro_header header;
    leat_avro_plan *plan; /* NULL: the header is still to be read */
    leat_buf unpacked;
    leat_str rest;  /* of the block at hand */
    int64_t left;   /* records in it */
    size_t release; /* bytes of the file's block to be let go before the next read */
    bool searching; /* for the next marker */
    char why[LEAT_ERR_TEXT_MAX];
    leat_header damaged; /* of the message that tells */
};

leat_file_avro *leat_file_avro_new(void)
{
    leat_file_avro *avro = leat_mem_need(sizeof *avro);
    leat_buf_init(&avro->unpacked, UNPACKED_MAX);
    return avro;
}

void leat_file_avro_free(leat_file_avro **avro)
{
    if (*avro == NULL) return;
    leat_arena_free(&(*avro)->arena);
    leat_arena_free(&(*avro)->scratch);
    leat_buf_release(&(*avro)->unpacked);
    leat_mem_free(*avro);
    *avro = NULL;
}

void leat_file_avro_begin(leat_file_avro *avro)
{
    if (avro->arena != NULL) leat_arena_reset(avro->arena);
    avro->plan = NULL;
    avro->rest = LEAT_STR("");
    avro->left = 0;
    avro->release = 0;
    avro->searching = false;
}

static leat_str at_hand(const leat_file_reader *reader)
{
    if (reader->block == NULL) return LEAT_STR("");
    return (leat_str){reader->block + reader->begin, reader->end - reader->begin};
}

static void let_go(leat_file_reader *reader, size_t bytes)
{
    LEAT_ASSERT(bytes <= reader->end - reader->begin);
    reader->begin += bytes;
    reader->at += (off_t)bytes;
}

/* --- the header ------------------------------------------------------------------------------- */

/* *done: it is read; else more of the file is needed. */
static leat_code read_header(leat_file_reader *reader, bool *done, leat_err *err)
{
    leat_file_avro *avro = reader->avro;
    const leat_avro_schema *schema = NULL;
    leat_str head = at_hand(reader);
    *done = false;
    if (head.len < 4 && !reader->at_end) return LEAT_OK;
    leat_code code = leat_avro_header_read(head, &avro->header, err);
    bool cut = leat_str_starts(head, LEAT_STR("Obj\1")) && head.len < LEAT_AVRO_SCHEMA_MAX;
    if (code != LEAT_OK && cut && !reader->at_end) return LEAT_OK;
    if (code == LEAT_OK && avro->arena == NULL)
        code = leat_arena_new(&avro->arena, ARENA_BYTES_MAX, err);
    if (code == LEAT_OK && avro->scratch == NULL)
        code = leat_arena_new(&avro->scratch, ARENA_BYTES_MAX, err);
    if (code == LEAT_OK)
        code = leat_avro_schema_parse(avro->header.schema, avro->arena, &schema, err);
    if (code == LEAT_OK)
        code = leat_avro_plan_new(schema, NULL, NULL, 0, SIZE_MAX, avro->arena, &avro->plan, err);
    if (code != LEAT_OK) {
        err->code = LEAT_ERR_IO;
        return leat_err_prefix(err, "cannot read file '%s'", reader->places[reader->current].path);
    }
    let_go(reader, avro->header.bytes);
    *done = true;
    return LEAT_OK;
}

/* --- blocks ----------------------------------------------------------------------------------- */

/* What cannot be read, as a message of its own. */
static leat_str damaged(leat_file_avro *avro, leat_str bytes, const char *why)
{
    (void)snprintf(avro->why, sizeof avro->why, "%s", why);
    avro->damaged = (leat_header){LEAT_AVRO_DAMAGED, leat_str_of(avro->why)};
    if (bytes.len > REST_SHOWN) bytes.len = REST_SHOWN;
    return bytes;
}

/* Goes on behind the next marker; false: it is not at hand. */
static bool search(leat_file_reader *reader)
{
    leat_file_avro *avro = reader->avro;
    leat_str bytes = at_hand(reader), sync = {avro->header.sync, LEAT_AVRO_SYNC_BYTES};
    ptrdiff_t at = leat_str_find(bytes, sync);
    if (at >= 0) {
        let_go(reader, (size_t)at + LEAT_AVRO_SYNC_BYTES);
        avro->searching = false;
        return true;
    }
    /* Its beginning may be at the end. */
    size_t keep = reader->at_end ? 0 : LEAT_AVRO_SYNC_BYTES - 1;
    if (bytes.len > keep) let_go(reader, bytes.len - keep);
    return false;
}

/* The head of the next block, and whether all of it is at hand. Damage: err. */
static leat_code look_at_block(const leat_file_reader *reader, leat_avro_block *block, bool *whole,
                               leat_err *err)
{
    leat_str bytes = at_hand(reader);
    *whole = false;
    bool head = false;
    LEAT_TRY(leat_avro_block_read(bytes, block, &head, err));
    if (head && block->data > LEAT_FILE_BLOCK_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "a block of %zu bytes; %zu are allowed",
                            block->data, LEAT_FILE_BLOCK_MAX);
    *whole = head && bytes.len >= block->head + block->data + LEAT_AVRO_SYNC_BYTES;
    if (*whole || !reader->at_end) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_SYNTAX, "the file is cut off inside of a block");
}

static leat_code open_block(leat_file_reader *reader, const leat_avro_block *block, leat_err *err)
{
    leat_file_avro *avro = reader->avro;
    leat_str data = {reader->block + reader->begin + block->head, block->data};
    if (memcmp(data.data + data.len, avro->header.sync, LEAT_AVRO_SYNC_BYTES) != 0)
        return leat_err_set(err, LEAT_ERR_SYNTAX, "a block does not end with the file's marker");
    leat_code code =
        leat_avro_block_open(avro->header.compression, data, &avro->unpacked, &avro->rest, err);
    if (code == LEAT_ERR_MEMORY) return code;
    /* What cannot be unpacked is passed over as it stands: its end is known. */
    avro->release = block->head + block->data + LEAT_AVRO_SYNC_BYTES;
    avro->left = code == LEAT_OK ? block->count : 0;
    if (code != LEAT_OK) avro->rest = LEAT_STR("");
    return code;
}

/* The next block is opened (*ready), or is told to be damaged (*broken, *ready), or more of the
 * file is needed. */
static leat_code next_block(leat_file_reader *reader, bool *ready, leat_str *broken, leat_err *err)
{
    leat_file_avro *avro = reader->avro;
    leat_avro_block block = {0};
    leat_err why;
    bool whole = false;
    let_go(reader, avro->release);
    avro->release = 0;
    *ready = false;
    if (avro->searching && !search(reader)) return LEAT_OK;
    leat_str bytes = at_hand(reader);
    if (bytes.len == 0) return LEAT_OK;
    leat_code code = look_at_block(reader, &block, &whole, &why);
    if (code == LEAT_OK && !whole) return LEAT_OK;
    if (code == LEAT_OK) code = open_block(reader, &block, &why);
    *ready = true;
    if (code == LEAT_OK) return LEAT_OK;
    if (leat_code_blame(code) != LEAT_BLAME_RECORD) {
        *err = why;
        return code;
    }
    avro->searching = avro->release == 0;
    *broken = damaged(avro, bytes, why.text);
    return LEAT_OK;
}

/* --- records ---------------------------------------------------------------------------------- */

static void hand_out(leat_file_reader *reader, leat_str value, bool broken, int64_t now_ms,
                     leat_message *message)
{
    leat_file_avro *avro = reader->avro;
    if (value.data == NULL) value = LEAT_STR("");
    *message = (leat_message){.topic = leat_str_of(reader->places[reader->current].path),
                              .offset = reader->line++,
                              .timestamp_ms = now_ms,
                              .value = value,
                              .headers = broken ? &avro->damaged : NULL,
                              .headers_count = broken ? 1 : 0};
}

static size_t take_records(leat_file_reader *reader, int64_t now_ms, leat_message *messages,
                           size_t size)
{
    leat_file_avro *avro = reader->avro;
    size_t count = 0;
    while (count < size && avro->left > 0) {
        size_t used = 0;
        leat_err err;
        leat_arena_reset(avro->scratch);
        leat_code code = leat_avro_skip(avro->plan, avro->rest, avro->scratch, &used, &err);
        avro->left = code == LEAT_OK ? avro->left - 1 : 0;
        leat_str value = leat_str_slice(avro->rest, 0, code == LEAT_OK ? used : avro->rest.len);
        if (code != LEAT_OK) value = damaged(avro, value, err.text);
        avro->rest =
            leat_str_slice(avro->rest, code == LEAT_OK ? used : avro->rest.len, avro->rest.len);
        hand_out(reader, value, code != LEAT_OK, now_ms, &messages[count++]);
    }
    if (avro->left == 0 && avro->rest.len > 0 && count < size) {
        leat_str value = damaged(avro, avro->rest, "bytes are left behind the records of a block");
        avro->rest = LEAT_STR("");
        hand_out(reader, value, true, now_ms, &messages[count++]);
    }
    return count;
}

leat_code leat_file_avro_take(leat_file_reader *reader, int64_t now_ms, leat_message *messages,
                              size_t size, size_t *count, leat_err *err)
{
    leat_file_avro *avro = reader->avro;
    bool ready = true;
    *count = 0;
    LEAT_ASSERT(size > 0);
    if (avro->plan == NULL) LEAT_TRY(read_header(reader, &ready, err));
    while (ready && *count == 0) {
        leat_str broken = LEAT_STR_NONE;
        *count = take_records(reader, now_ms, messages, size);
        if (*count > 0) break;
        LEAT_TRY(next_block(reader, &ready, &broken, err));
        if (broken.data != NULL) hand_out(reader, broken, true, now_ms, &messages[(*count)++]);
    }
    return LEAT_OK;
}

leat_code leat_file_avro_schema(const char *path, leat_arena *arena, leat_str *schema,
                                leat_err *err)
{
    leat_avro_header header;
    FILE *file = fopen(path, "rb");
    if (file == NULL) return leat_err_set(err, LEAT_ERR_IO, "cannot read file '%s'", path);
    char *bytes = leat_arena_alloc(arena, 2 * LEAT_AVRO_SCHEMA_MAX);
    leat_code code = bytes != NULL ? LEAT_OK : leat_arena_full(arena, err);
    if (code == LEAT_OK) {
        leat_str head = {bytes, fread(bytes, 1, 2 * LEAT_AVRO_SCHEMA_MAX, file)};
        code = leat_avro_header_read(head, &header, err);
        if (code == LEAT_OK) *schema = header.schema;
    }
    (void)fclose(file);
    return code;
}
