/* SPDX-License-Identifier: Apache-2.0 */
/* Slices of bytes: comparing, searching, hashing, guessing what was meant. (UTF-8: utf8.c.)
 *
 * Hashing is SipHash with one round a word and three at the end, as hash tables of several language
 * runtimes have it: keys come from the input, and whoever writes the input must not be able to make
 * them all fall into one slot. The key is drawn from the kernel at first use and never shown. Ids
 * that must be the same in every process (match ids, hashed partitions) use the same function under
 * a fixed key and may therefore never be used to place something in a table.
 *
 * The cost is ~10 ns for 16 bytes. Refused: an unkeyed faster hash (one hostile producer could
 * stall a task), and AES-based ones (a second code path for machines without it). */
#include "core/str.h"

#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/random.h>

#include "core/err.h"

int leat_str_compare(leat_str a, leat_str b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared != 0 ? memcmp(a.data, b.data, shared) : 0;
    if (order != 0) return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool leat_str_starts(leat_str str, leat_str prefix)
{
    if (prefix.len > str.len) return false;
    return prefix.len == 0 || memcmp(str.data, prefix.data, prefix.len) == 0;
}

bool leat_str_ends(leat_str str, leat_str suffix)
{
    if (suffix.len > str.len) return false;
    return suffix.len == 0 ||
           memcmp(str.data + (str.len - suffix.len), suffix.data, suffix.len) == 0;
}

ptrdiff_t leat_str_find(leat_str str, leat_str needle)
{
    if (needle.len == 0) return 0;
    if (needle.len > str.len) return -1;
    const char *found = memmem(str.data, str.len, needle.data, needle.len);
    return found != NULL ? found - str.data : -1;
}

/* --- SipHash-1-3 ------------------------------------------------------------------------------ */

typedef struct sip {
    uint64_t a, b, c, d;
} sip;

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(sip *s)
{
    s->a += s->b;
    s->c += s->d;
    s->b = rotate(s->b, 13) ^ s->a;
    s->d = rotate(s->d, 16) ^ s->c;
    s->a = rotate(s->a, 32) + s->d;
    s->c += s->b;
    s->d = rotate(s->d, 21) ^ s->a;
    s->b = rotate(s->b, 17) ^ s->c;
    s->c = rotate(s->c, 32);
}

static inline uint64_t load64(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word; /* byte order: Leat runs on little-endian machines only, see _Static_assert */
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "hashes and formats assume it");

/* The last 0..7 bytes, zero-extended, without a loop over bytes. */
static inline uint64_t load_rest(const char *at, size_t len)
{
    if (len >= 4) {
        uint32_t low, high;
        memcpy(&low, at, 4);
        memcpy(&high, at + (len - 4), 4);
        return low | ((uint64_t)high << (8 * (len - 4)));
    }
    if (len == 0) return 0;
    uint64_t first = (uint8_t)at[0], middle = (uint8_t)at[len / 2], last = (uint8_t)at[len - 1];
    return first | (middle << (8 * (len / 2))) | (last << (8 * (len - 1)));
}

static inline uint64_t siphash(leat_str str, uint64_t key0, uint64_t key1)
{
    sip s = {
        key0 ^ 0x736f6d6570736575u,
        key1 ^ 0x646f72616e646f6du,
        key0 ^ 0x6c7967656e657261u,
        key1 ^ 0x7465646279746573u,
    };
    const char *at = str.data;
    size_t left = str.len;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word = load64(at);
        s.d ^= word;
        sip_round(&s);
        s.a ^= word;
    }
    uint64_t last = load_rest(at, left) | ((uint64_t)str.len << 56);
    s.d ^= last;
    sip_round(&s);
    s.a ^= last;
    s.c ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

/* Drawn once; whoever comes first draws, and a key that lost the race is forgotten. */
static _Atomic uint64_t hash_key[2];
static _Atomic unsigned hash_key_state; /* 0 none, 1 being written, 2 there */

static void draw_hash_key(void)
{
    uint64_t key[2] = {0, 0};
    if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key) {
        /* A sandbox may forbid the call; the kernel handed 16 random bytes to each new process. */
        unsigned long given = getauxval(AT_RANDOM);
        LEAT_ASSERT(given != 0);
        memcpy(key, (const void *)given, sizeof key);
    }
    unsigned none = 0;
    if (atomic_compare_exchange_strong(&hash_key_state, &none, 1)) {
        atomic_store_explicit(&hash_key[0], key[0], memory_order_relaxed);
        atomic_store_explicit(&hash_key[1], key[1], memory_order_relaxed);
        atomic_store_explicit(&hash_key_state, 2, memory_order_release);
    }
    while (atomic_load_explicit(&hash_key_state, memory_order_acquire) != 2) {
        /* another thread is between its two stores */
    }
}

uint64_t leat_str_hash(leat_str str)
{
    if (LEAT_UNLIKELY(atomic_load_explicit(&hash_key_state, memory_order_acquire) != 2))
        draw_hash_key();
    return siphash(str, atomic_load_explicit(&hash_key[0], memory_order_relaxed),
                   atomic_load_explicit(&hash_key[1], memory_order_relaxed));
}

uint64_t leat_str_hash_fixed(leat_str str)
{
    return siphash(str, 0x0706050403020100u, 0x0f0e0d0c0b0a0908u);
}

/* --- did you mean ----------------------------------------------------------------------------- */

#define NEAREST_LEN_MAX 64u

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Insertions, deletions, replacements and swaps of neighbours that lead from a to b. Three rows of
 * the usual matrix, capitals count as small letters; both are at most NEAREST_LEN_MAX long. */
static size_t distance(leat_str a, leat_str b)
{
    LEAT_ASSERT(a.len <= NEAREST_LEN_MAX && b.len <= NEAREST_LEN_MAX);
    size_t rows[3][NEAREST_LEN_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.len; j++) {
        above[j] = j;
        before[j] = 0; /* read from the second row on only */
    }
    for (size_t i = 1; i <= a.len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = leat_str_lower(a.data[i - 1]) == leat_str_lower(b.data[j - 1]);
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1));
            bool swapped =
                i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1];
            if (swapped && before[j - 2] + 1 < row[j]) row[j] = before[j - 2] + 1;
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b.len];
}

#define NEAREST_START_MIN 4

leat_str leat_str_nearest(leat_str name, const leat_str *candidates, size_t count)
{
    leat_str best = LEAT_STR_NONE;
    if (name.len > NEAREST_LEN_MAX) return best;
    size_t limit = (name.len + 1) / 3 + 1; /* nothing this far off is taken */
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].len > NEAREST_LEN_MAX) continue;
        size_t off = distance(name, candidates[i]);
        if (name.len >= NEAREST_START_MIN && leat_str_starts(candidates[i], name))
            off = off == 0 ? 0 : 1; /* its beginning is what somebody had no time to end */
        if (off >= limit) continue;
        limit = off;
        best = candidates[i];
    }
    return best;
}
