/* SPDX-License-Identifier: Apache-2.0 */
/* Container files: see avro_container.h.
 *
 * The header's metadata is an Avro map of bytes, so its blocks may be counted negatively, with a
 * size; names that are not Avro's own are passed over. A schema as it stands is compiled by
 * whoever reads the records.
 *
 * Nothing here knows of files: the reader (worker/log_file_avro.c) keeps the bytes, finds the next
 * sync marker after damage, and decides what is a dead letter. */
#include "schemas/avro_container.h"

#define MAGIC        LEAT_STR("Obj\1")
#define BLOCK_HEADER 20u /* two varints */

static const char *const names[] = {"null", "deflate", "snappy", "zstandard"};
#define NAMES_COUNT (sizeof names / sizeof names[0])

static leat_code damaged(leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_SYNTAX, "the header of this Avro file is damaged or cut off");
}

static bool read_bytes(leat_reader *reader, leat_str *bytes)
{
    int64_t len;
    if (!leat_reader_varint(reader, &len) || len < 0 || len > reader->end - reader->at)
        return false;
    *bytes = (leat_str){reader->at, (size_t)len};
    reader->at += len;
    return true;
}

static leat_code set_compression(leat_str name, leat_avro_header *header, leat_err *err)
{
    for (size_t i = 0; i < NAMES_COUNT; i++) {
        if (!leat_str_is(name, names[i])) continue;
        header->compression = (leat_avro_compression)i;
        return LEAT_OK;
    }
    return leat_err_set(err, LEAT_ERR_SYNTAX,
                        "this Avro file is compressed by '%.*s'; null, deflate, snappy and "
                        "zstandard can be read",
                        name.len > 40 ? 40 : (int)name.len, name.data);
}

static leat_code read_metadata(leat_reader *reader, leat_avro_header *header, leat_err *err)
{
    for (;;) {
        int64_t count, bytes;
        if (!leat_reader_varint(reader, &count)) return damaged(err);
        if (count == 0) return LEAT_OK;
        if (count < 0 && (count == INT64_MIN || !leat_reader_varint(reader, &bytes)))
            return damaged(err);
        if (count < 0) count = -count;
        for (; count > 0; count--) {
            leat_str key, value;
            if (!read_bytes(reader, &key) || !read_bytes(reader, &value)) return damaged(err);
            if (leat_str_is(key, "avro.schema")) header->schema = value;
            if (leat_str_is(key, "avro.codec")) LEAT_TRY(set_compression(value, header, err));
        }
    }
}

leat_code leat_avro_header_read(leat_str head, leat_avro_header *header, leat_err *err)
{
    *header = (leat_avro_header){.compression = LEAT_AVRO_UNCOMPRESSED};
    if (!leat_str_starts(head, MAGIC))
        return leat_err_set(err, LEAT_ERR_SYNTAX,
                            "this is no Avro container file: it does not begin with 'Obj' and 1");
    leat_reader reader = leat_reader_of(leat_str_slice(head, MAGIC.len, head.len));
    LEAT_TRY(read_metadata(&reader, header, err));
    if (header->schema.data == NULL)
        return leat_err_set(err, LEAT_ERR_SYNTAX, "this Avro file has no schema in its header");
    if (reader.end - reader.at < LEAT_AVRO_SYNC_BYTES) return damaged(err);
    memcpy(header->sync, reader.at, LEAT_AVRO_SYNC_BYTES);
    header->bytes = (size_t)(reader.at + LEAT_AVRO_SYNC_BYTES - head.data);
    LEAT_ASSERT(header->bytes <= head.len);
    return LEAT_OK;
}

static void put_text(leat_str text, leat_buf *out)
{
    leat_buf_add_varint(out, (int64_t)text.len);
    leat_buf_add(out, text);
}

void leat_avro_header_write(leat_str schema, leat_avro_compression compression,
                            const char sync[LEAT_AVRO_SYNC_BYTES], leat_buf *out)
{
    LEAT_ASSERT(schema.len > 0 && compression < NAMES_COUNT);
    leat_buf_add(out, MAGIC);
    leat_buf_add_varint(out, 2);
    put_text(LEAT_STR("avro.schema"), out);
    put_text(schema, out);
    put_text(LEAT_STR("avro.codec"), out);
    put_text(leat_str_of(names[compression]), out);
    leat_buf_add_varint(out, 0);
    leat_buf_add(out, (leat_str){sync, LEAT_AVRO_SYNC_BYTES});
}

leat_code leat_avro_block_read(leat_str bytes, leat_avro_block *block, bool *whole, leat_err *err)
{
    leat_reader reader = leat_reader_of(bytes);
    int64_t count = 0, size = 0;
    *whole = leat_reader_varint(&reader, &count) && leat_reader_varint(&reader, &size);
    if (!*whole && bytes.len < BLOCK_HEADER) return LEAT_OK;
    if (!*whole || count < 0 || size < 0)
        return leat_err_set(err, LEAT_ERR_SYNTAX,
                            "the head of a block is damaged: %lld records in %lld bytes",
                            (long long)count, (long long)size);
    *block = (leat_avro_block){count, (size_t)(reader.at - bytes.data), (size_t)size};
    LEAT_ASSERT(block->head <= BLOCK_HEADER);
    return LEAT_OK;
}

leat_code leat_avro_block_open(leat_avro_compression compression, leat_str data, leat_buf *out,
                               leat_str *records, leat_err *err)
{
    *records = data;
    if (compression == LEAT_AVRO_UNCOMPRESSED) return LEAT_OK;
    leat_buf_reset(out);
    LEAT_TRY(avro_unpack(compression, data, out, err));
    *records = leat_buf_str(out);
    if (records->data == NULL) *records = LEAT_STR("");
    return LEAT_OK;
}

leat_code leat_avro_block_write(leat_avro_compression compression, int64_t count, leat_str records,
                                const char sync[LEAT_AVRO_SYNC_BYTES], leat_buf *scratch,
                                leat_buf *out, leat_err *err)
{
    LEAT_ASSERT(count > 0);
    if (compression != LEAT_AVRO_UNCOMPRESSED) {
        leat_buf_reset(scratch);
        LEAT_TRY(avro_pack(compression, records, scratch, err));
        records = leat_buf_str(scratch);
    }
    leat_buf_add_varint(out, count);
    put_text(records, out);
    leat_buf_add(out, (leat_str){sync, LEAT_AVRO_SYNC_BYTES});
    return leat_buf_check(out, "a block of an Avro file", err);
}
