/* SPDX-License-Identifier: Apache-2.0 */
/* Avro's object container files, as bytes: the header, and blocks one by one.
 *
 *   Obj1 | metadata: avro.schema, avro.codec | sync      header
 *   count | bytes | ..compressed records.. | sync        block, any number of them
 *
 * A block is opened whole, into a buffer that bounds it: what a few bytes claim to unpack to is not
 * believed (leat_avro_block_open says LEAT_ERR_LIMIT). Thread: any. */
#ifndef LEAT_SCHEMAS_AVRO_CONTAINER_H
#define LEAT_SCHEMAS_AVRO_CONTAINER_H

#include "core/arena.h"
#include "core/buf.h"

typedef enum leat_avro_compression {
    LEAT_AVRO_UNCOMPRESSED,
    LEAT_AVRO_DEFLATE,
    LEAT_AVRO_SNAPPY,
    LEAT_AVRO_ZSTANDARD,
} leat_avro_compression;

#define LEAT_AVRO_SYNC_BYTES 16

typedef struct leat_avro_header {
    leat_str schema; /* borrowed */
    leat_avro_compression compression;
    char sync[LEAT_AVRO_SYNC_BYTES];
    size_t bytes; /* of the header itself */
} leat_avro_header;

/* One block's place. */
typedef struct leat_avro_block {
    int64_t count; /* of records */
    size_t head;   /* bytes in front of data */
    size_t data;   /* bytes of data; behind it the sync marker */
} leat_avro_block;

/* head: the file's beginning. LEAT_ERR_SYNTAX: no such file, or cut within its header. */
leat_code leat_avro_header_read(leat_str head, leat_avro_header *header,
                                leat_err *err) LEAT_CHECKED;
void leat_avro_header_write(leat_str schema, leat_avro_compression compression,
                            const char sync[LEAT_AVRO_SYNC_BYTES], leat_buf *out);
/* The block at the beginning of bytes; *whole: all of its head is there. */
leat_code leat_avro_block_read(leat_str bytes, leat_avro_block *block, bool *whole,
                               leat_err *err) LEAT_CHECKED;
/* data as it was before compression: itself, or in out (reset first), which bounds it. */
leat_code leat_avro_block_open(leat_avro_compression compression, leat_str data, leat_buf *out,
                               leat_str *records, leat_err *err) LEAT_CHECKED;
/* Appends a block. scratch is reset. */
leat_code leat_avro_block_write(leat_avro_compression compression, int64_t count, leat_str records,
                                const char sync[LEAT_AVRO_SYNC_BYTES], leat_buf *scratch,
                                leat_buf *out, leat_err *err) LEAT_CHECKED;

/* --- avro_compress.c --- */
leat_code avro_unpack(leat_avro_compression compression, leat_str data, leat_buf *out,
                      leat_err *err) LEAT_CHECKED;
leat_code avro_pack(leat_avro_compression compression, leat_str data, leat_buf *out,
                    leat_err *err) LEAT_CHECKED;

#endif
