/* SPDX-License-Identifier: Apache-2.0 */
/* What no record should hold, and the way past what nobody wants.
 *
 *   blocks  04 ..items.. 00            two items, then the end; each item is skipped
 *           03 0a ..ten bytes.. 00     two items in ten bytes: skipped at once
 *
 * Bytes that are skipped are checked as far as finding their end needs it: lengths, counts, branch
 * and symbol numbers. Where a value's type has no bytes there is nothing to skip, however much of
 * it there is.
 *
 * Errors are made here, out of line, so that the readers' hot paths stay small; their paths are put
 * together on the way out (avro_path.c). */
#include "schemas/avro_read.h"

#define VARINT_SHIFT_TOP 63u

/* --- errors ----------------------------------------------------------------------------------- */

const char *avro_fail(avro_reading *d, const char *p, leat_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)leat_err_set_v(d->err, code, format, arguments);
    va_end(arguments);
    d->err->offset = (uint32_t)(p - d->start);
    return NULL;
}

const char *avro_fail_short(avro_reading *d, const char *p)
{
    return avro_fail(d, p, LEAT_ERR_SYNTAX, "the record ends inside of this value");
}

const char *avro_full(avro_reading *d)
{
    (void)leat_arena_full(d->arena, d->err);
    return NULL;
}

const char *avro_in_field(avro_reading *d, leat_str name)
{
    avro_path_field(&d->path, name);
    return NULL;
}

const char *avro_in_item(avro_reading *d, size_t index)
{
    avro_path_item(&d->path, index);
    return NULL;
}

leat_code avro_tell(avro_reading *d)
{
    uint32_t offset = d->err->offset;
    LEAT_ASSERT(d->err->code != LEAT_OK);
    avro_path_tell(&d->path, d->err);
    (void)leat_err_prefix(d->err, "Avro, byte %u", offset);
    d->err->offset = offset;
    return d->err->code;
}

void avro_reading_init(avro_reading *d, leat_str bytes, leat_arena *arena, leat_value *slots,
                       leat_err *err)
{
    LEAT_ASSERT(bytes.data != NULL);
    d->start = bytes.data;
    d->end = bytes.data + bytes.len;
    d->arena = arena;
    d->slots = slots;
    d->err = err;
    d->empty_left = LEAT_AVRO_EMPTY_MAX;
    avro_path_init(&d->path);
    err->offset = 0;
}

/* --- numbers and lengths ---------------------------------------------------------------------- */

const char *avro_read_long_slow(avro_reading *d, const char *p, int64_t *number)
{
    uint64_t folded = 0;
    const char *from = p;
    for (unsigned shift = 0;; shift += 7) {
        if (p == d->end) return avro_fail_short(d, from);
        uint64_t byte = (unsigned char)*p++;
        if (shift == VARINT_SHIFT_TOP && byte > 1)
            return avro_fail(d, from, LEAT_ERR_SYNTAX, "a number of more than 64 bits");
        folded |= (byte & 0x7f) << shift;
        if (byte < 0x80) break;
    }
    *number = (int64_t)((folded >> 1) ^ (0 - (folded & 1)));
    return p;
}

const char *avro_read_block(avro_reading *d, const char *p, uint64_t bytes_min, int64_t *count,
                            int64_t *bytes)
{
    const char *from = p;
    *bytes = -1;
    p = avro_read_long(d, p, count);
    if (p != NULL && *count < 0) {
        if (*count == INT64_MIN)
            return avro_fail(d, from, LEAT_ERR_SYNTAX, "a block of %lld items", (long long)*count);
        *count = -*count;
        p = avro_read_long(d, p, bytes);
        if (p != NULL && (*bytes < 0 || *bytes > d->end - p))
            return avro_fail(d, from, LEAT_ERR_SYNTAX, "a block of %lld bytes where %td are left",
                             (long long)*bytes, d->end - p);
    }
    if (p == NULL) return NULL;
    if (bytes_min > 0 && (uint64_t)*count > (uint64_t)(d->end - p) / bytes_min)
        return avro_fail(d, from, LEAT_ERR_SYNTAX, "a block of %lld items where %td bytes are left",
                         (long long)*count, d->end - p);
    return p;
}

bool avro_empty_taken(avro_reading *d, const char *p, uint64_t count)
{
    if (LEAT_UNLIKELY(count > d->empty_left)) {
        (void)avro_fail(d, p, LEAT_ERR_LIMIT, "more than %u items that take no bytes",
                        LEAT_AVRO_EMPTY_MAX);
        return false;
    }
    d->empty_left -= (uint32_t)count;
    return true;
}

/* --- skipping --------------------------------------------------------------------------------- */

static const char *skip_items(avro_reading *d, const avro_node *node, const char *p, unsigned depth)
{
    const avro_node *items = node->items;
    bool map = node->kind == LEAT_AVRO_MAP;
    size_t index = 0;
    for (;;) {
        int64_t count = 0, bytes = -1;
        p = avro_read_block(d, p, items->bytes_min + (map ? 1u : 0u), &count, &bytes);
        if (p == NULL || count == 0) return p;
        if (bytes >= 0) {
            p += bytes;
            continue;
        }
        if (items->bytes_min == 0 && !map) continue;
        for (; count > 0; count--, index++) {
            if (map) p = avro_read_span(d, &p);
            if (p != NULL) p = avro_skip(d, items, p, depth);
            if (p == NULL) return avro_in_item(d, index);
        }
    }
}

static const char *skip_fields(avro_reading *d, const avro_node *node, const char *p,
                               unsigned depth)
{
    for (size_t i = 0; i < node->members_count; i++) {
        p = avro_skip(d, node->members[i].node, p, depth);
        if (LEAT_UNLIKELY(p == NULL)) return avro_in_field(d, node->members[i].name);
    }
    return p;
}

static const char *skip_composite(avro_reading *d, const avro_node *node, const char *p,
                                  unsigned depth)
{
    const avro_node *branch = NULL;
    size_t index = 0;
    if (avro_too_deep(d, p, depth)) return NULL;
    if (node->kind == LEAT_AVRO_RECORD) return skip_fields(d, node, p, depth + 1);
    if (node->kind != LEAT_AVRO_UNION) return skip_items(d, node, p, depth + 1);
    p = avro_read_branch(d, node, p, &branch, &index);
    return p == NULL ? NULL : avro_skip(d, branch, p, depth + 1);
}

/* What takes no bytes is over at once, so that records of records of nulls cost nothing. */
const char *avro_skip(avro_reading *d, const avro_node *node, const char *p, unsigned depth)
{
    int64_t ignored = 0;
    if (LEAT_UNLIKELY(node->refused != NULL))
        return avro_fail(d, p, LEAT_ERR_TYPE, "%s", node->refused);
    if (node->bytes_min == 0) return p;
    switch (node->kind) {
    case LEAT_AVRO_INT:
    case LEAT_AVRO_LONG: return avro_skip_long(d, p);
    case LEAT_AVRO_STRING:
    case LEAT_AVRO_BYTES: return avro_read_span(d, &p);
    case LEAT_AVRO_DOUBLE: return avro_skip_sized(d, p, sizeof(double));
    case LEAT_AVRO_FLOAT: return avro_skip_sized(d, p, sizeof(float));
    case LEAT_AVRO_BOOLEAN: return avro_skip_sized(d, p, 1);
    case LEAT_AVRO_FIXED: return avro_skip_sized(d, p, node->size);
    case LEAT_AVRO_ENUM: return avro_read_symbol(d, node, p, &ignored);
    case LEAT_AVRO_RECORD:
    case LEAT_AVRO_UNION:
    case LEAT_AVRO_ARRAY:
    case LEAT_AVRO_MAP: return skip_composite(d, node, p, depth);
    case LEAT_AVRO_NULL: break;
    }
    return p;
}
