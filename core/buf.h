/* SPDX-License-Identifier: Apache-2.0 */
/* A growing run of bytes with a maximum. A write past the maximum (or without memory) sets
 * `overflow`, writes nothing more, and stays so until reset: check once, at the end.
 * Owner: the caller (embed it). Thread: one. */
#ifndef LEAT_CORE_BUF_H
#define LEAT_CORE_BUF_H

#include "core/err.h"
#include "core/str.h"

typedef struct leat_buf {
    char *data;
    size_t len, size, max;
    bool overflow;
    bool starved; /* the overflow was the heap's fault, not the maximum's */
} leat_buf;

void leat_buf_init(leat_buf *buf, size_t bytes_max);
void leat_buf_release(leat_buf *buf);
void leat_buf_reset(leat_buf *buf); /* empty, no overflow; keeps its memory */
/* Room for `bytes` more at data + len (add to len what was written); NULL: overflow. */
char *leat_buf_reserve_slow(leat_buf *buf, size_t bytes);
static inline char *leat_buf_reserve(leat_buf *buf, size_t bytes)
{
    /* bytes - 1: none wraps around, so that NULL never means anything but overflow. */
    if (LEAT_LIKELY(!buf->overflow && bytes - 1 < buf->size - buf->len))
        return buf->data + buf->len;
    return leat_buf_reserve_slow(buf, bytes);
}
static inline void leat_buf_add(leat_buf *buf, leat_str str)
{
    if (str.len == 0) return;
    char *to = leat_buf_reserve(buf, str.len);
    if (LEAT_UNLIKELY(to == NULL)) return;
    memcpy(to, str.data, str.len);
    buf->len += str.len;
}
static inline void leat_buf_add_char(leat_buf *buf, char c)
{
    char *to = leat_buf_reserve(buf, 1);
    if (LEAT_UNLIKELY(to == NULL)) return;
    *to = c;
    buf->len++;
}
void leat_buf_add_text(leat_buf *buf, const char *text);
void leat_buf_add_format(leat_buf *buf, const char *format, ...) LEAT_PRINTF(2, 3);
void leat_buf_add_int(leat_buf *buf, int64_t number);   /* decimal */
void leat_buf_add_uint(leat_buf *buf, uint64_t number); /* decimal */
/* Big-endian and variable-length (LEB128, zigzag for int) numbers of the state formats. */
void leat_buf_add_u32(leat_buf *buf, uint32_t number);
void leat_buf_add_u64(leat_buf *buf, uint64_t number);
void leat_buf_add_varuint_long(leat_buf *buf, uint64_t number);
static inline void leat_buf_add_varuint(leat_buf *buf, uint64_t number)
{
    if (LEAT_LIKELY(number < 0x80))
        leat_buf_add_char(buf, (char)number);
    else
        leat_buf_add_varuint_long(buf, number);
}
void leat_buf_add_varint(leat_buf *buf, int64_t number);
void leat_buf_add_bytes(leat_buf *buf, leat_str str); /* varuint length, then the bytes */
static inline leat_str leat_buf_str(const leat_buf *buf)
{
    return (leat_str){buf->data, buf->len};
}
/* LEAT_OK, or LEAT_ERR_LIMIT naming `what` if it overflowed; LEAT_ERR_MEMORY if there was none. */
leat_code leat_buf_check(const leat_buf *buf, const char *what, leat_err *err);

/* A bounded reader of the state formats: each get returns false past the end, and stays there. */
typedef struct leat_reader {
    const char *at, *end;
    bool failed;
} leat_reader;
static inline leat_reader leat_reader_of(leat_str str)
{
    return (leat_reader){str.data, str.data + str.len, false};
}
bool leat_reader_u8(leat_reader *reader, uint8_t *number);
bool leat_reader_u32(leat_reader *reader, uint32_t *number);
bool leat_reader_u64(leat_reader *reader, uint64_t *number);
bool leat_reader_varuint(leat_reader *reader, uint64_t *number);
bool leat_reader_varint(leat_reader *reader, int64_t *number);
bool leat_reader_bytes(leat_reader *reader, leat_str *str); /* borrows */

#endif
