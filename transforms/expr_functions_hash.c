/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes of texts and bytes, and the UUIDs that are made of one.
 *
 * The cryptographic ones are libcrypto's; XXH64, MurmurHash3 and CRC-32 are short and done here.
 * All are functions of their bytes alone, the same on every machine, so that a key computed by them
 * is the same after a restart and in another program. What a hash costs is charged by the byte. */
#include "core/encode.h"
#include "transforms/digest.h"
#include "transforms/expr_function.h"

#define DIGEST_COST 100 /* of fetching the method, in steps */

static leat_value text_value(const leat_expr_run *run, const char *text, size_t len)
{
    leat_str copy = leat_arena_copy(run->arena, (leat_str){text, len});
    return copy.data != NULL ? leat_value_string(copy) : leat_expr_fail_full(run);
}

static leat_value digest(leat_expr_run *run, const char *method, const leat_value *args,
                         uint32_t count)
{
    unsigned char bytes[LEAT_HASH_BYTES_MAX];
    char hex[2 * LEAT_HASH_BYTES_MAX];
    size_t len = 0;
    leat_err err;
    leat_str key = count > 1 ? leat_value_str(args[1]) : LEAT_STR_NONE;
    if (count > 1 && key.data == NULL) key = LEAT_STR("");
    if (!leat_expr_charge(run, DIGEST_COST + args[0].len / 16)) return leat_expr_fail_cost(run);
    if (leat_digest_named(method, key, leat_value_str(args[0]), bytes, &len, &err) != LEAT_OK)
        return leat_expr_fail_err(run, &err);
    for (size_t i = 0; i < len; i++) {
        hex[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    return text_value(run, hex, 2 * len);
}

leat_value leat_expr_md5(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    return digest(run, "MD5", args, count);
}

leat_value leat_expr_sha1(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    return digest(run, "SHA1", args, count);
}

leat_value leat_expr_sha256(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    return digest(run, "SHA256", args, count);
}

leat_value leat_expr_sha512(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    return digest(run, "SHA512", args, count);
}

leat_value leat_expr_hmac_sha256(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 2);
    return digest(run, "SHA256", args, count);
}

/* --- CRC-32 --- */

leat_value leat_expr_crc32(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    uint32_t crc = UINT32_MAX;
    LEAT_ASSERT(count == 1);
    if (!leat_expr_charge(run, args[0].len / 2)) return leat_expr_fail_cost(run);
    for (uint32_t i = 0; i < args[0].len; i++) {
        crc ^= (unsigned char)args[0].as.text[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return leat_value_int((int64_t)~crc & UINT32_MAX);
}

/* --- XXH64 --- */

#define P1 0x9e3779b185ebca87u
#define P2 0xc2b2ae3d27d4eb4fu
#define P3 0x165667b19e3779f9u
#define P4 0x85ebca77c2b2ae63u
#define P5 0x27d4eb2f165667c5u

static uint64_t rotl64(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

/* Little-endian, on any machine. */
static uint64_t read_le(const char *p, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number |= (uint64_t)(unsigned char)p[i] << 8 * i;
    return number;
}

static uint64_t xxh_round(uint64_t sum, uint64_t input)
{
    return rotl64(sum + input * P2, 31) * P1;
}

static uint64_t xxh64(leat_str text)
{
    const char *p = text.data;
    size_t left = text.len;
    uint64_t hash = P5;
    if (left >= 32) {
        uint64_t v[4] = {P1 + P2, P2, 0, (uint64_t)0 - P1};
        for (; left >= 32; left -= 32)
            for (size_t i = 0; i < 4; i++, p += 8)
                v[i] = xxh_round(v[i], read_le(p, 8));
        hash = rotl64(v[0], 1) + rotl64(v[1], 7) + rotl64(v[2], 12) + rotl64(v[3], 18);
        for (size_t i = 0; i < 4; i++)
            hash = (hash ^ xxh_round(0, v[i])) * P1 + P4;
    }
    hash += text.len;
    for (; left >= 8; left -= 8, p += 8)
        hash = rotl64(hash ^ xxh_round(0, read_le(p, 8)), 27) * P1 + P4;
    if (left >= 4) {
        hash = rotl64(hash ^ read_le(p, 4) * P1, 23) * P2 + P3;
        left -= 4;
        p += 4;
    }
    for (; left > 0; left--, p++)
        hash = rotl64(hash ^ (unsigned char)*p * P5, 11) * P1;
    hash = (hash ^ hash >> 33) * P2;
    hash = (hash ^ hash >> 29) * P3;
    return hash ^ hash >> 32;
}

leat_value leat_expr_xxh64(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1);
    if (!leat_expr_charge(run, args[0].len / 16)) return leat_expr_fail_cost(run);
    return leat_value_uint(xxh64(leat_value_str(args[0])));
}

/* --- MurmurHash3, 32 bits --- */

static uint32_t rotl32(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

static uint32_t murmur_mix(uint32_t word)
{
    return rotl32(word * 0xcc9e2d51u, 15) * 0x1b873593u;
}

static uint32_t murmur3(leat_str text)
{
    uint32_t hash = 0;
    size_t at = 0;
    for (; text.len - at >= 4; at += 4)
        hash =
            rotl32(hash ^ murmur_mix((uint32_t)read_le(text.data + at, 4)), 13) * 5 + 0xe6546b64u;
    if (at < text.len) hash ^= murmur_mix((uint32_t)read_le(text.data + at, text.len - at));
    hash ^= (uint32_t)text.len;
    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    return hash ^ hash >> 16;
}

leat_value leat_expr_murmur3(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1);
    if (!leat_expr_charge(run, args[0].len / 16)) return leat_expr_fail_cost(run);
    return leat_value_int((int64_t)murmur3(leat_value_str(args[0])));
}

/* --- UUIDs (RFC 9562) --- */

#define UUID_TEXT 36
enum { UUID_BYTES = 16 };

static bool is_dash(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

/* Text of 8-4-4-4-12 digits. */
static bool uuid_read(leat_str text, leat_buf *bytes)
{
    char digits[2 * UUID_BYTES];
    size_t count = 0;
    leat_err err;
    if (text.len != UUID_TEXT) return false;
    for (size_t i = 0; i < UUID_TEXT; i++) {
        if (is_dash(i) != (text.data[i] == '-')) return false;
        if (!is_dash(i)) digits[count++] = text.data[i];
    }
    LEAT_ASSERT(count == sizeof digits);
    return leat_hex_decode((leat_str){digits, count}, bytes, &err) == LEAT_OK;
}

static void uuid_write(const unsigned char bytes[UUID_BYTES], char text[UUID_TEXT])
{
    size_t at = 0;
    for (size_t i = 0; i < UUID_BYTES; i++) {
        if (is_dash(at)) text[at++] = '-';
        text[at++] = "0123456789abcdef"[bytes[i] >> 4];
        text[at++] = "0123456789abcdef"[bytes[i] & 15];
    }
    LEAT_ASSERT(at == UUID_TEXT);
}

static leat_str namespace_of(leat_str name)
{
    if (leat_str_is(name, "dns")) return LEAT_STR("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    if (leat_str_is(name, "url")) return LEAT_STR("6ba7b811-9dad-11d1-80b4-00c04fd430c8");
    if (leat_str_is(name, "oid")) return LEAT_STR("6ba7b812-9dad-11d1-80b4-00c04fd430c8");
    if (leat_str_is(name, "x500")) return LEAT_STR("6ba7b814-9dad-11d1-80b4-00c04fd430c8");
    return name;
}

leat_value leat_expr_is_uuid(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_buf bytes;
    (void)run;
    LEAT_ASSERT(count == 1);
    leat_buf_init(&bytes, UUID_BYTES);
    bool good = uuid_read(leat_value_str(args[0]), &bytes);
    leat_buf_release(&bytes);
    return leat_value_bool(good);
}

leat_value leat_expr_uuid_v5(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    unsigned char bytes[LEAT_HASH_BYTES_MAX];
    char text[UUID_TEXT];
    size_t len = 0;
    leat_err err;
    leat_buf hashed;
    LEAT_ASSERT(count == 2);
    if (!leat_expr_charge(run, DIGEST_COST + args[1].len / 16)) return leat_expr_fail_cost(run);
    leat_str space = namespace_of(leat_value_str(args[0]));
    leat_buf_init(&hashed, UUID_BYTES + (size_t)args[1].len);
    leat_code code = LEAT_OK;
    if (!uuid_read(space, &hashed))
        code = leat_err_set(&err, LEAT_ERR_INVALID, "'%.*s' is no UUID, nor dns, url, oid or x500",
                            space.len > 64 ? 64 : (int)space.len, space.data);
    leat_buf_add(&hashed, leat_value_str(args[1]));
    if (code == LEAT_OK) code = leat_buf_check(&hashed, "a name", &err);
    if (code == LEAT_OK)
        code = leat_digest_named("SHA1", LEAT_STR_NONE, leat_buf_str(&hashed), bytes, &len, &err);
    leat_buf_release(&hashed);
    if (code != LEAT_OK) return leat_expr_fail_err(run, &err);
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x50); /* the version */
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80); /* the variant */
    uuid_write(bytes, text);
    return text_value(run, text, sizeof text);
}
