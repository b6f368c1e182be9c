/* SPDX-License-Identifier: Apache-2.0 */
/* A growing run of bytes, and the bounded reader that undoes what it wrote.
 *
 * Whoever fills a buffer makes many small writes, and checking each would drown the code; so a
 * write that does not fit sets `overflow` and every later write is void, and the one check stands
 * at the end. Half-written content can never be taken for whole, because reset alone clears the
 * flag. The reader is built the same way: a get past the end fails, and so do all that follow.
 *
 * Growth doubles, within the maximum. The state formats' numbers are big-endian, so that keys made
 * of them sort as numbers do; variable-length ones are LEB128, signed ones zigzag first. */
#include "core/buf.h"

#include <stdio.h>

#include "core/mem.h"
#include "core/number.h"

#define BUF_SIZE_FIRST 64u

void leat_buf_init(leat_buf *buf, size_t bytes_max)
{
    *buf = (leat_buf){.max = bytes_max};
}

void leat_buf_release(leat_buf *buf)
{
    leat_mem_free(buf->data);
    *buf = (leat_buf){.max = buf->max};
}

void leat_buf_reset(leat_buf *buf)
{
    buf->len = 0;
    buf->overflow = buf->starved = false;
}

char *leat_buf_reserve_slow(leat_buf *buf, size_t bytes)
{
    LEAT_ASSERT(buf->len <= buf->size && buf->size <= buf->max);
    if (buf->overflow) return NULL;
    if (bytes > buf->max - buf->len) {
        buf->overflow = true;
        return NULL;
    }
    size_t need = buf->len + bytes;
    if (need <= buf->size && buf->data != NULL) return buf->data + buf->len;
    size_t size = buf->size < BUF_SIZE_FIRST ? BUF_SIZE_FIRST : buf->size;
    while (size < need)
        size = size > SIZE_MAX / 2 ? SIZE_MAX : size * 2;
    if (size > buf->max) size = buf->max;
    char *data = leat_mem_try_resize(buf->data, size);
    if (data == NULL) {
        buf->overflow = buf->starved = true;
        return NULL;
    }
    buf->data = data;
    buf->size = size;
    return data + buf->len;
}

void leat_buf_add_text(leat_buf *buf, const char *text)
{
    leat_buf_add(buf, leat_str_of(text));
}

void leat_buf_add_format(leat_buf *buf, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    size_t room = buf->overflow ? 0 : buf->size - buf->len;
    int len = vsnprintf(room != 0 ? buf->data + buf->len : NULL, room, format, arguments);
    va_end(arguments);
    LEAT_ASSERT(len >= 0);
    if ((size_t)len >= room) {
        /* vsnprintf wants room for its NUL, which is not part of the content. */
        char *to = leat_buf_reserve(buf, (size_t)len + 1);
        if (to != NULL) (void)vsnprintf(to, (size_t)len + 1, format, again);
    }
    if (!buf->overflow) buf->len += (size_t)len;
    va_end(again);
}

void leat_buf_add_uint(leat_buf *buf, uint64_t number)
{
    char text[20];
    char *end = text + sizeof text;
    char *start = leat_number_digits(end, number);
    leat_buf_add(buf, (leat_str){start, (size_t)(end - start)});
}

void leat_buf_add_int(leat_buf *buf, int64_t number)
{
    char text[21];
    char *end = text + sizeof text;
    uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number; /* INT64_MIN too */
    char *start = leat_number_digits(end, size);
    if (number < 0) *--start = '-';
    leat_buf_add(buf, (leat_str){start, (size_t)(end - start)});
}

void leat_buf_add_u32(leat_buf *buf, uint32_t number)
{
    char *to = leat_buf_reserve(buf, sizeof number);
    if (to == NULL) return;
    uint32_t big = __builtin_bswap32(number);
    memcpy(to, &big, sizeof big);
    buf->len += sizeof big;
}

void leat_buf_add_u64(leat_buf *buf, uint64_t number)
{
    char *to = leat_buf_reserve(buf, sizeof number);
    if (to == NULL) return;
    uint64_t big = __builtin_bswap64(number);
    memcpy(to, &big, sizeof big);
    buf->len += sizeof big;
}

void leat_buf_add_varuint_long(leat_buf *buf, uint64_t number)
{
    char *to = leat_buf_reserve(buf, 10); /* the longest */
    if (LEAT_UNLIKELY(to == NULL)) return;
    char *start = to;
    for (; number >= 0x80; number >>= 7)
        *to++ = (char)(number | 0x80);
    *to++ = (char)number;
    buf->len += (size_t)(to - start);
}

void leat_buf_add_varint(leat_buf *buf, int64_t number)
{
    uint64_t sign = number < 0 ? UINT64_MAX : 0;
    leat_buf_add_varuint(buf, ((uint64_t)number << 1) ^ sign);
}

void leat_buf_add_bytes(leat_buf *buf, leat_str str)
{
    leat_buf_add_varuint(buf, str.len);
    leat_buf_add(buf, str);
}

leat_code leat_buf_check(const leat_buf *buf, const char *what, leat_err *err)
{
    if (LEAT_LIKELY(!buf->overflow)) return LEAT_OK;
    if (buf->starved) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for %s", what);
    return leat_err_set(err, LEAT_ERR_LIMIT, "%s does not fit into %zu bytes", what, buf->max);
}

/* The next `bytes` of the reader, or NULL for good. */
static const char *take(leat_reader *reader, size_t bytes)
{
    if (reader->failed || bytes > (size_t)(reader->end - reader->at)) {
        reader->failed = true;
        return NULL;
    }
    const char *at = reader->at;
    reader->at += bytes;
    return at;
}

bool leat_reader_u8(leat_reader *reader, uint8_t *number)
{
    const char *at = take(reader, 1);
    if (at == NULL) return false;
    *number = (uint8_t)*at;
    return true;
}

bool leat_reader_u32(leat_reader *reader, uint32_t *number)
{
    const char *at = take(reader, sizeof *number);
    if (at == NULL) return false;
    uint32_t big;
    memcpy(&big, at, sizeof big);
    *number = __builtin_bswap32(big);
    return true;
}

bool leat_reader_u64(leat_reader *reader, uint64_t *number)
{
    const char *at = take(reader, sizeof *number);
    if (at == NULL) return false;
    uint64_t big;
    memcpy(&big, at, sizeof big);
    *number = __builtin_bswap64(big);
    return true;
}

bool leat_reader_varuint(leat_reader *reader, uint64_t *number)
{
    uint64_t sum = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const char *at = take(reader, 1);
        if (at == NULL) return false;
        uint64_t byte = (uint8_t)*at;
        /* The tenth byte has room for one bit only; more is damage, not a number. */
        if (shift == 63 && byte > 1) break;
        sum |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            *number = sum;
            return true;
        }
    }
    reader->failed = true;
    return false;
}

bool leat_reader_varint(leat_reader *reader, int64_t *number)
{
    uint64_t folded;
    if (!leat_reader_varuint(reader, &folded)) return false;
    *number = (int64_t)((folded >> 1) ^ (0 - (folded & 1)));
    return true;
}

bool leat_reader_bytes(leat_reader *reader, leat_str *str)
{
    uint64_t len;
    if (!leat_reader_varuint(reader, &len)) return false;
    if (len > (size_t)(reader->end - reader->at)) {
        reader->failed = true;
        return false;
    }
    *str = (leat_str){reader->at, (size_t)len};
    reader->at += len;
    return true;
}
