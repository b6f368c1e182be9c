/* SPDX-License-Identifier: Apache-2.0 */
/* Reading Avro's bytes: what the decoder and the skipper share. Internal to the Avro codec.
 * Functions return the place behind what they read, NULL after an error, which is in d->err then.
 * Every read looks at the end first. */
#ifndef LEAT_SCHEMAS_AVRO_READ_H
#define LEAT_SCHEMAS_AVRO_READ_H

#include "schemas/avro_plan.h"

/* One record on its way. */
typedef struct avro_reading {
    const char *start, *end;
    leat_arena *arena;
    leat_value *slots;
    leat_err *err;
    uint32_t empty_left; /* of LEAT_AVRO_EMPTY_MAX */
    avro_path path;
} avro_reading;

void avro_reading_init(avro_reading *d, leat_str bytes, leat_arena *arena, leat_value *slots,
                       leat_err *err);
/* The error with its path and byte. */
leat_code avro_tell(avro_reading *d);
const char *avro_fail(avro_reading *d, const char *p, leat_code code, const char *format, ...)
    LEAT_PRINTF(4, 5) __attribute__((cold));
const char *avro_fail_short(avro_reading *d, const char *p) __attribute__((cold));
const char *avro_full(avro_reading *d) __attribute__((cold)); /* the arena is */
/* An error passes a field, an item. */
const char *avro_in_field(avro_reading *d, leat_str name) __attribute__((cold));
const char *avro_in_item(avro_reading *d, size_t index) __attribute__((cold));

const char *avro_read_long_slow(avro_reading *d, const char *p, int64_t *number);
/* The count of the next block of items; *bytes: of all of them, -1 not said. */
const char *avro_read_block(avro_reading *d, const char *p, uint64_t bytes_min, int64_t *count,
                            int64_t *bytes);
/* Something that takes no bytes costs one of the few that a record may have. */
bool avro_empty_taken(avro_reading *d, const char *p, uint64_t count);
const char *avro_skip(avro_reading *d, const avro_node *node, const char *p, unsigned depth);

static inline const char *avro_read_long(avro_reading *d, const char *p, int64_t *number)
{
    if (LEAT_UNLIKELY(p == d->end || (signed char)*p < 0)) return avro_read_long_slow(d, p, number);
    unsigned folded = (unsigned char)*p;
    *number = (int64_t)(folded >> 1) ^ -(int64_t)(folded & 1);
    return p + 1;
}

static inline const char *avro_read_int(avro_reading *d, const char *p, int64_t *number)
{
    const char *stop = avro_read_long(d, p, number);
    if (LEAT_UNLIKELY(stop != NULL && (*number < INT32_MIN || *number > INT32_MAX)))
        return avro_fail(d, p, LEAT_ERR_RANGE, "%lld does not fit into an int", (long long)*number);
    return stop;
}

static inline const char *avro_skip_long(avro_reading *d, const char *p)
{
    if (LEAT_LIKELY(p < d->end && (signed char)*p >= 0)) return p + 1;
    int64_t ignored;
    return avro_read_long_slow(d, p, &ignored);
}

/* A length and as many bytes: p is set to the bytes, the place behind them is returned. */
static inline const char *avro_read_span(avro_reading *d, const char **p)
{
    int64_t len = 0;
    const char *from = avro_read_long(d, *p, &len);
    if (LEAT_UNLIKELY(from == NULL)) return NULL;
    if (LEAT_UNLIKELY((uint64_t)len > (uint64_t)(d->end - from))) {
        if (len < 0) return avro_fail(d, *p, LEAT_ERR_SYNTAX, "a length of %lld", (long long)len);
        return avro_fail(d, *p, LEAT_ERR_SYNTAX, "a length of %lld bytes where %td are left",
                         (long long)len, d->end - from);
    }
    *p = from;
    return from + len;
}

static inline const char *avro_read_raw(avro_reading *d, const char *p, void *to, size_t size)
{
    if (LEAT_UNLIKELY((size_t)(d->end - p) < size)) return avro_fail_short(d, p);
    memcpy(to, p, size);
    return p + size;
}

static inline bool avro_too_deep(avro_reading *d, const char *p, unsigned depth)
{
    if (LEAT_LIKELY(depth < LEAT_AVRO_NESTING_MAX)) return false;
    (void)avro_fail(d, p, LEAT_ERR_LIMIT, "nested deeper than %u levels", LEAT_AVRO_NESTING_MAX);
    return true;
}

static inline const char *avro_read_branch(avro_reading *d, const avro_node *node, const char *p,
                                           const avro_node **branch, size_t *index)
{
    int64_t number = 0;
    const char *stop = avro_read_long(d, p, &number);
    *branch = node->branches[0];
    *index = 0;
    if (stop == NULL) return NULL;
    if (LEAT_UNLIKELY((uint64_t)number >= node->branches_count))
        return avro_fail(d, p, LEAT_ERR_RANGE, "branch %lld of a union of %zu", (long long)number,
                         node->branches_count);
    *index = (size_t)number;
    *branch = node->branches[number];
    return stop;
}

static inline const char *avro_read_symbol(avro_reading *d, const avro_node *node, const char *p,
                                           int64_t *number)
{
    const char *stop = avro_read_int(d, p, number);
    if (stop != NULL && LEAT_UNLIKELY((uint64_t)*number >= node->values_count))
        return avro_fail(d, p, LEAT_ERR_RANGE, "symbol %lld of an enum of %zu", (long long)*number,
                         node->values_count);
    return stop;
}

static inline const char *avro_skip_sized(avro_reading *d, const char *p, size_t size)
{
    return LEAT_LIKELY((size_t)(d->end - p) >= size) ? p + size : avro_fail_short(d, p);
}

#endif
