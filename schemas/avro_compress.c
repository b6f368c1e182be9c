/* SPDX-License-Identifier: Apache-2.0 */
/* The compressions of container files; zlib, snappy and zstd are known to this file alone.
 *
 *   deflate    raw, without zlib's frame
 *   snappy     and behind it four bytes: the CRC-32 of what it unpacks to, big-endian
 *   zstandard  one frame, or several
 *
 * Unpacking goes into a buffer with a maximum, a piece at a time: a kilobyte that claims to be a
 * terabyte costs no more than that maximum. Snappy, which unpacks only at once, says beforehand how
 * much it will be. */
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "schemas/avro_container.h"

#define PIECE     ((size_t)64 << 10)
#define CRC_BYTES 4u
#define ZLIB_RAW  (-15)
#define ZSTD_MADE 3

static leat_code wrong(const char *what, leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_SYNTAX, "a block of this Avro file cannot be unpacked: %s",
                        what);
}

/* Room for a piece more. */
static leat_code room(leat_buf *out, char **to, size_t *size, leat_err *err)
{
    *size = out->max - out->len < PIECE ? out->max - out->len : PIECE;
    *to = *size > 0 ? leat_buf_reserve(out, *size) : NULL;
    if (*to != NULL) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_LIMIT,
                        "a block of this Avro file unpacks to more than %zu bytes", out->max);
}

/* --- deflate ---------------------------------------------------------------------------------- */

static leat_code inflate_all(z_stream *stream, leat_buf *out, leat_err *err)
{
    int status = Z_OK;
    while (status != Z_STREAM_END) {
        char *to = NULL;
        size_t size = 0;
        LEAT_TRY(room(out, &to, &size, err));
        stream->next_out = (unsigned char *)to;
        stream->avail_out = (unsigned)size;
        status = inflate(stream, Z_NO_FLUSH);
        size_t made = size - stream->avail_out;
        out->len += made;
        if (status != Z_OK && status != Z_STREAM_END)
            return wrong(stream->msg != NULL ? stream->msg : "it ends too early", err);
        if (status == Z_OK && made == 0 && stream->avail_in == 0)
            return wrong("it ends too early", err);
    }
    return LEAT_OK;
}

static leat_code unpack_deflate(leat_str data, leat_buf *out, leat_err *err)
{
    z_stream stream = {.avail_in = (unsigned)data.len};
    memcpy(&stream.next_in, &data.data, sizeof stream.next_in); /* zlib's is not const */
    if (inflateInit2(&stream, ZLIB_RAW) != Z_OK)
        return leat_err_set(err, LEAT_ERR_MEMORY, "no memory to unpack a block");
    leat_code code = inflate_all(&stream, out, err);
    (void)inflateEnd(&stream);
    return code;
}

static leat_code pack_deflate(leat_str data, leat_buf *out, leat_err *err)
{
    z_stream stream = {.avail_in = (unsigned)data.len};
    memcpy(&stream.next_in, &data.data, sizeof stream.next_in);
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, ZLIB_RAW, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return leat_err_set(err, LEAT_ERR_MEMORY, "no memory to pack a block");
    size_t bound = deflateBound(&stream, data.len);
    char *to = leat_buf_reserve(out, bound);
    if (to != NULL) {
        stream.next_out = (unsigned char *)to;
        stream.avail_out = (unsigned)bound;
        int status = deflate(&stream, Z_FINISH);
        LEAT_ASSERT(status == Z_STREAM_END);
        out->len += bound - stream.avail_out;
    }
    (void)deflateEnd(&stream);
    return leat_buf_check(out, "a packed block", err);
}

/* --- snappy ----------------------------------------------------------------------------------- */

static uint32_t crc_of(leat_str bytes)
{
    return (uint32_t)crc32(0, (const unsigned char *)bytes.data, (unsigned)bytes.len);
}

static leat_code unpack_snappy(leat_str data, leat_buf *out, leat_err *err)
{
    if (data.len < CRC_BYTES) return wrong("it is too short", err);
    leat_str packed = leat_str_slice(data, 0, data.len - CRC_BYTES);
    size_t size = 0;
    if (snappy_uncompressed_length(packed.data, packed.len, &size) != SNAPPY_OK)
        return wrong("it is no snappy", err);
    if (size > out->max)
        return leat_err_set(err, LEAT_ERR_LIMIT,
                            "a block of this Avro file unpacks to %zu bytes; %zu are allowed", size,
                            out->max);
    char *to = leat_buf_reserve(out, size + 1);
    if (to == NULL) return leat_buf_check(out, "a block", err);
    if (snappy_uncompress(packed.data, packed.len, to, &size) != SNAPPY_OK)
        return wrong("it is damaged", err);
    out->len += size;
    leat_reader reader = leat_reader_of(leat_str_slice(data, packed.len, data.len));
    uint32_t crc = 0;
    if (!leat_reader_u32(&reader, &crc) || crc != crc_of(leat_buf_str(out)))
        return wrong("its checksum is another", err);
    return LEAT_OK;
}

static leat_code pack_snappy(leat_str data, leat_buf *out, leat_err *err)
{
    size_t size = snappy_max_compressed_length(data.len);
    char *to = leat_buf_reserve(out, size);
    if (to != NULL) {
        snappy_status status = snappy_compress(data.data, data.len, to, &size);
        LEAT_ASSERT(status == SNAPPY_OK);
        out->len += size;
    }
    leat_buf_add_u32(out, crc_of(data));
    return leat_buf_check(out, "a packed block", err);
}

/* --- zstandard -------------------------------------------------------------------------------- */

static leat_code unstream(ZSTD_DStream *stream, leat_str data, leat_buf *out, leat_err *err)
{
    ZSTD_inBuffer in = {data.data, data.len, 0};
    size_t hint = 1;
    while (in.pos < in.size || hint != 0) {
        ZSTD_outBuffer to = {0};
        char *at = NULL;
        LEAT_TRY(room(out, &at, &to.size, err));
        to.dst = at;
        size_t before = in.pos;
        hint = ZSTD_decompressStream(stream, &to, &in);
        out->len += to.pos;
        if (ZSTD_isError(hint)) return wrong(ZSTD_getErrorName(hint), err);
        if (to.pos == 0 && in.pos == before && hint != 0) return wrong("it ends too early", err);
    }
    return LEAT_OK;
}

static leat_code unpack_zstandard(leat_str data, leat_buf *out, leat_err *err)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (stream == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory to unpack a block");
    leat_code code = unstream(stream, data, out, err);
    (void)ZSTD_freeDStream(stream);
    return code;
}

static leat_code pack_zstandard(leat_str data, leat_buf *out, leat_err *err)
{
    size_t bound = ZSTD_compressBound(data.len);
    char *to = leat_buf_reserve(out, bound);
    if (to == NULL) return leat_buf_check(out, "a packed block", err);
    size_t size = ZSTD_compress(to, bound, data.data, data.len, ZSTD_MADE);
    if (ZSTD_isError(size))
        return leat_err_set(err, LEAT_ERR_MEMORY, "a block cannot be packed: %s",
                            ZSTD_getErrorName(size));
    out->len += size;
    return LEAT_OK;
}

/* --- all of them ------------------------------------------------------------------------------ */

leat_code avro_unpack(leat_avro_compression compression, leat_str data, leat_buf *out,
                      leat_err *err)
{
    LEAT_ASSERT(out->len == 0);
    if (data.len > UINT32_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "a block of an Avro file has %zu bytes", data.len);
    if (compression == LEAT_AVRO_DEFLATE) return unpack_deflate(data, out, err);
    if (compression == LEAT_AVRO_SNAPPY) return unpack_snappy(data, out, err);
    LEAT_ASSERT(compression == LEAT_AVRO_ZSTANDARD);
    return unpack_zstandard(data, out, err);
}

leat_code avro_pack(leat_avro_compression compression, leat_str data, leat_buf *out, leat_err *err)
{
    LEAT_ASSERT(data.len <= UINT32_MAX);
    if (compression == LEAT_AVRO_DEFLATE) return pack_deflate(data, out, err);
    if (compression == LEAT_AVRO_SNAPPY) return pack_snappy(data, out, err);
    LEAT_ASSERT(compression == LEAT_AVRO_ZSTANDARD);
    return pack_zstandard(data, out, err);
}
