/* SPDX-License-Identifier: Apache-2.0 */
/* Plain runs and white space, by the widest unit that the machine has.
 *
 * One look at a block of bytes answers three questions at once: where the string ends, whether it
 * has escapes, whether it is all ASCII. So most strings are read once, and UTF-8 is looked at only
 * where there is some. The first 16 bytes are looked at inline (json_scan.h); what is longer comes
 * here. AVX2 is asked for at run time, SSE2 is part of every x86-64, and what is neither works on
 * words of 8 bytes. Generated tables of character classes were no faster than comparisons, as only
 * three classes matter.
 *
 * Cost: ~0.05 ns a byte with AVX2, ~0.1 with SSE2, ~0.3 portable. */
#include "schemas/json_scan.h"

#include <stdio.h>

#if LEAT_JSON_SSE2
#include <immintrin.h>
#endif

static bool is_special(char c)
{
    return (signed char)c < 0x20 || c == '"' || c == '\\';
}

static const char *plain_end_portable(const char *start, const char *p, const char *end)
{
    LEAT_ASSERT(start <= p && p <= end);
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        if (leat_json_special_word(word) != 0) break;
        p += 8;
    }
    while (p < end && !is_special(*p)) {
        p++;
    }
    return p;
}

static bool always(void)
{
    return true;
}

#if LEAT_JSON_SSE2
static const char *plain_end_sse2(const char *start, const char *p, const char *end)
{
    LEAT_ASSERT(start <= p && p <= end);
    for (; end - p >= 16; p += 16) {
        unsigned bits = leat_json_special_bits(p);
        if (bits != 0) return p + __builtin_ctz(bits);
    }
    if (p == end) return end;
    if (end - start < 16) return plain_end_portable(start, p, end);
    unsigned bits = leat_json_special_bits(end - 16) >> (16 - (end - p));
    return bits != 0 ? p + __builtin_ctz(bits) : end;
}

__attribute__((target("avx2"))) static const char *plain_end_avx2(const char *start, const char *p,
                                                                  const char *end)
{
    LEAT_ASSERT(start <= p && p <= end);
    for (; end - p >= 32; p += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)p);
        __m256i low = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), bytes);
        __m256i quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"'));
        __m256i escape = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\'));
        unsigned bits =
            (unsigned)_mm256_movemask_epi8(_mm256_or_si256(low, _mm256_or_si256(quote, escape)));
        if (bits != 0) return p + __builtin_ctz(bits);
    }
    return plain_end_sse2(start, p, end);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}
#endif

const leat_json_scanner leat_json_scanners[] = {
    {"portable", plain_end_portable, always},
#if LEAT_JSON_SSE2
    {"sse2", plain_end_sse2, always},
    {"avx2", plain_end_avx2, has_avx2},
#endif
};
const size_t leat_json_scanners_count = sizeof leat_json_scanners / sizeof leat_json_scanners[0];

const char *leat_json_plain_end_long(const char *start, const char *p, const char *end)
{
#if LEAT_JSON_SSE2
    if (end - p >= 32 && has_avx2()) return plain_end_avx2(start, p, end);
    return plain_end_sse2(start, p, end);
#else
    return plain_end_portable(start, p, end);
#endif
}

const char *leat_json_space_end_long(const char *p, const char *end)
{
#if LEAT_JSON_SSE2
    while (end - p >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i blank = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(' ')),
                                     _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')));
        __m128i other = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r')),
                                     _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')));
        unsigned bits = ~(unsigned)_mm_movemask_epi8(_mm_or_si128(blank, other)) & 0xffffu;
        if (bits != 0) return p + __builtin_ctz(bits);
        p += 16;
    }
#endif
    while (p < end && leat_json_is_space(*p)) {
        p++;
    }
    return p;
}

/* --- errors ----------------------------------------------------------------------------------- */

const char *leat_json_fail(const leat_json_input *input, const char *at, leat_code code,
                           const char *format, ...)
{
    LEAT_ASSERT(at >= input->start && at <= input->end);
    char text[LEAT_ERR_TEXT_MAX / 2];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t offset = (size_t)(at - input->start);
    (void)leat_err_set(input->err, code, "JSON, byte %zu: %s", offset + 1, text);
    input->err->offset = (uint32_t)offset;
    return NULL;
}

const char *leat_json_expected(const leat_json_input *input, const char *at, const char *what)
{
    if (at >= input->end) {
        return leat_json_fail(input, input->end, LEAT_ERR_SYNTAX, "expected %s, but the text ends",
                              what);
    }
    unsigned char c = (unsigned char)*at;
    if (at == input->start && input->end - at >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) {
        return leat_json_fail(input, at, LEAT_ERR_SYNTAX,
                              "the text begins with a byte order mark, which JSON does not have");
    }
    if (c < 0x20 || c >= 0x7f) {
        return leat_json_fail(input, at, LEAT_ERR_SYNTAX, "expected %s, found byte 0x%02x", what,
                              (unsigned)c);
    }
    return leat_json_fail(input, at, LEAT_ERR_SYNTAX, "expected %s, found '%c'", what, c);
}

leat_code leat_json_input_init(leat_json_input *input, leat_str text, leat_json_limits limits,
                               leat_err *err)
{
    static const char empty[1] = "";
    LEAT_ASSERT(text.data != NULL || text.len == 0);
    const char *start = text.data != NULL ? text.data : empty;
    uint32_t depth_max =
        limits.depth_max < LEAT_JSON_DEPTH_CAP ? limits.depth_max : LEAT_JSON_DEPTH_CAP;
    *input = (leat_json_input){
        .start = start, .end = start + text.len, .depth_max = depth_max, .err = err};
    if (LEAT_LIKELY(text.len <= limits.bytes_max)) return LEAT_OK;
    err->offset = 0;
    return leat_err_set(err, LEAT_ERR_LIMIT, "JSON text of %zu bytes; the limit is %u", text.len,
                        (unsigned)limits.bytes_max);
}
