/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal <-> double, exactly.
 *
 * Reading takes the text apart into digits w and power q, value = w * 10^q, and tries three ways:
 *   1. w <= 2^53 and |q| <= 22: both are doubles; one operation rounds once. Nearly all input.
 *   2. w < 10^19: the product of w and a 128-bit 10^q gives the nearest double or says that it
 * cannot tell (Lemire's "Number parsing at a gigabyte per second"). Longer digits are cut; if w and
 *      w + 1 lead to the same double, so does what is between.
 *   3. strtod under the C locale, on a copy of bounded length. About one in 10^18 of way 2, and
 * some texts of more than 19 digits.
 *
 * Writing finds the shortest decimal inside the interval that rounds to the double (Giulietti's
 * Schubfach): three 64 x 128-bit products with the power of ten that brings the interval's width to
 * between 1 and 10 of the last digit; then at most four candidates are left, of which the choice is
 * a few comparisons. The interval's ends count if the significand is even, as readers round to
 * even.
 *
 * Both share one table of powers of ten. Refused: printf("%.17g") and trying shorter ones (a
 * microsecond and more, and it asks the locale), Ryu (two larger tables for the same result). */
#include "core/number.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/number_powers.h"

#define DIGITS_EXACT  19  /* decimal digits that always fit into 64 bits */
#define DIGITS_SLOW   800 /* more than any double needs to be told from its neighbours: 767 */
#define EXPONENT_FAR  1000000000 /* no text is as long as to make up for more */
#define EXACT_INTEGER (UINT64_C(1) << 53)

#define SIGNIFICAND_BITS 52
#define SIGNIFICAND      ((UINT64_C(1) << SIGNIFICAND_BITS) - 1)
#define DOUBLE_INFINITY  (UINT64_C(0x7ff) << SIGNIFICAND_BITS)

__extension__ typedef unsigned __int128 uint128;

/* --- reading ------------------------------------------------------------------------------------
 */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits without leading zeros into 64 bits. */
static leat_number read_digits(const char *at, const char *end, uint64_t *number)
{
    if (at == end || (*at == '0' && end - at > 1)) return LEAT_NUMBER_SYNTAX;
    uint64_t sum = 0;
    bool overflow = false;
    for (; at != end; at++) {
        if (!is_digit(*at)) return LEAT_NUMBER_SYNTAX;
        overflow |= __builtin_mul_overflow(sum, 10, &sum);
        overflow |= __builtin_add_overflow(sum, (uint64_t)(*at - '0'), &sum);
    }
    if (overflow) return LEAT_NUMBER_RANGE;
    *number = sum;
    return LEAT_NUMBER_OK;
}

leat_number leat_number_uint(leat_str text, uint64_t *number)
{
    return read_digits(text.data, text.data + text.len, number);
}

leat_number leat_number_int(leat_str text, int64_t *number)
{
    const char *at = text.data, *end = text.data + text.len;
    bool minus = text.len != 0 && *at == '-';
    uint64_t size = 0;
    leat_number got = read_digits(at + minus, end, &size);
    if (got != LEAT_NUMBER_OK) return got;
    if (size > (uint64_t)INT64_MAX + minus) return LEAT_NUMBER_RANGE;
    *number = minus ? (int64_t)(0 - size) : (int64_t)size;
    return LEAT_NUMBER_OK;
}

/* A JSON number taken apart: sign, digits * 10^power. */
typedef struct decimal {
    uint64_t digits; /* the first DIGITS_EXACT significant ones */
    int64_t power;
    int64_t exponent; /* the part of power that was written as one */
    bool minus;
    bool cut;          /* there were more significant digits than that, not all zero */
    const char *first; /* of the digits, in the text; with a point among them */
    const char *last;  /* behind them */
} decimal;

/* What stands behind `e`. */
static bool read_exponent(const char **at, const char *end, int64_t *exponent)
{
    const char *p = *at;
    bool minus = p != end && *p == '-';
    if (p != end && (*p == '-' || *p == '+')) p++;
    if (p == end || !is_digit(*p)) return false;
    int64_t sum = 0;
    for (; p != end && is_digit(*p); p++)
        if (sum < EXPONENT_FAR) sum = sum * 10 + (*p - '0');
    *exponent = minus ? -sum : sum;
    *at = p;
    return true;
}

/* Digits from `at` on, appended to *digits (modulo 2^64 if they are too many); returns their end.
 */
static const char *read_run(const char *at, const char *end, uint64_t *digits)
{
    uint64_t sum = *digits;
    for (; at != end && is_digit(*at); at++)
        sum = sum * 10 + (uint64_t)(*at - '0');
    *digits = sum;
    return at;
}

/* The same once more for a text of so many digits that they may not fit: the first DIGITS_EXACT
 * significant ones, and whether there is anything behind them. */
static void read_cut(decimal *d)
{
    unsigned significant = 0;
    bool point = false;
    d->digits = 0;
    d->power = 0;
    for (const char *at = d->first; at != d->last; at++) {
        if (*at == '.') {
            point = true;
        } else if (significant < DIGITS_EXACT) {
            d->digits = d->digits * 10 + (uint64_t)(*at - '0');
            significant += d->digits != 0;
            d->power -= point;
        } else {
            d->cut |= *at != '0';
            d->power += !point;
        }
    }
}

static bool read_decimal(leat_str text, decimal *d)
{
    const char *at = text.data, *end = text.data + text.len;
    *d = (decimal){0};
    d->minus = at != end && *at == '-';
    d->first = at += d->minus;
    at = read_run(at, end, &d->digits);
    ptrdiff_t count = at - d->first;
    if (count == 0 || (count > 1 && *d->first == '0')) return false;
    if (at != end && *at == '.') {
        const char *fraction = at + 1;
        at = read_run(fraction, end, &d->digits);
        if (at == fraction) return false;
        d->power = fraction - at;
        count += at - fraction;
    }
    d->last = at;
    if (LEAT_UNLIKELY(count > DIGITS_EXACT)) read_cut(d);
    if (at != end && (*at == 'e' || *at == 'E')) {
        at++;
        if (!read_exponent(&at, end, &d->exponent)) return false;
        d->power += d->exponent;
    }
    return at == end;
}

static const double powers_exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define POWER_EXACT 22

static bool read_fast(const decimal *d, double *number)
{
    if (d->cut || d->digits > EXACT_INTEGER) return false;
    if (d->power < -POWER_EXACT || d->power > POWER_EXACT) return false;
    double digits = (double)d->digits;
    *number = d->power < 0 ? digits / powers_exact[-d->power] : digits * powers_exact[d->power];
    return true;
}

static double from_bits(uint64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static uint64_t to_bits(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

/* Significand and biased exponent of the double nearest to w * 10^q; false: cannot tell. */
static bool read_product(uint64_t w, int64_t q, double *number)
{
    *number = 0;
    if (w == 0 || q < LEAT_POWER_MIN) return true;
    *number = from_bits(DOUBLE_INFINITY);
    if (q > 308) return true;
    unsigned zeros = (unsigned)__builtin_clzll(w);
    w <<= zeros;
    leat_power_of_ten ten = leat_powers_of_ten[q - LEAT_POWER_MIN];
    uint128 product = (uint128)w * ten.high;
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    if ((high & 0x1ff) == 0x1ff) {
        /* The bits that decide the rounding are all ones: what was left away may carry into them.
         */
        uint64_t more = (uint64_t)(((uint128)w * ten.low) >> 64);
        low += more;
        high += low < more;
    }
    if (low == UINT64_MAX && (q < -27 || q > 55)) return false;

    unsigned top = (unsigned)(high >> 63);
    uint64_t significand = high >> (top + 9); /* 54 bits: one more than needed, to round with */
    int64_t exponent = ((217706 * q) >> 16) + 63 + 1023 + top - zeros;
    if (exponent <= 0) { /* subnormal */
        if (exponent < -62) {
            *number = 0;
            return true;
        }
        significand >>= 1 - exponent;
        significand += significand & 1;
        /* A carry into the hidden bit makes it the least normal number, of exponent 1. */
        *number = from_bits(significand >> 1);
        return true;
    }
    bool half = low <= 1 && q >= -4 && q <= 23 && (significand & 3) == 1 &&
                significand << (top + 9) == high;
    if (half) significand &= ~(uint64_t)1; /* exactly between two: to the even one */
    significand = (significand + (significand & 1)) >> 1;
    if (significand == EXACT_INTEGER) {
        significand >>= 1;
        exponent++;
    }
    if (exponent >= 0x7ff) return true; /* infinity */
    *number = from_bits((significand & SIGNIFICAND) | (uint64_t)exponent << SIGNIFICAND_BITS);
    return true;
}

/* The text once more, with NUL, at most DIGITS_SLOW significant digits and one that stands for all
 * that were cut: behind so many digits only whether there is anything left can matter. */
static double read_slow(const decimal *d)
{
    char text[DIGITS_SLOW + 64];
    size_t len = 0;
    int64_t power = d->exponent;
    bool point = false, rest = false;
    for (const char *at = d->first; at != d->last; at++) {
        if (*at == '.') {
            point = true;
        } else if (len == 0 && *at == '0') {
            power -= point;
        } else if (len < DIGITS_SLOW) {
            text[len++] = *at;
            power -= point;
        } else {
            rest |= *at != '0';
            power += !point;
        }
    }
    if (rest) {
        text[len++] = '1';
        power--;
    }
    int tail = snprintf(text + len, sizeof text - len, "e%lld", (long long)power);
    LEAT_ASSERT(tail > 0 && len + (size_t)tail < sizeof text);
    /* "C" is a constant object of the C library: nothing is allocated or looked up. */
    return strtod_l(text, NULL, newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

leat_number leat_number_double(leat_str text, double *number)
{
    decimal d;
    if (!read_decimal(text, &d)) return LEAT_NUMBER_SYNTAX;
    double sum = 0;
    if (!read_fast(&d, &sum)) {
        double above = 0;
        bool sure = read_product(d.digits, d.power, &sum);
        if (sure && d.cut)
            sure = read_product(d.digits + 1, d.power, &above) && to_bits(above) == to_bits(sum);
        if (!sure) sum = read_slow(&d);
    }
    *number = d.minus ? -sum : sum;
    return to_bits(sum) == DOUBLE_INFINITY ? LEAT_NUMBER_RANGE : LEAT_NUMBER_OK;
}

/* --- writing ------------------------------------------------------------------------------------
 */

/* The upper 64 bits of 10^k * scaled; the lowest bit also says whether anything was cut. */
static uint64_t round_to_odd(leat_power_of_ten ten, uint64_t scaled)
{
    uint64_t carried = (uint64_t)(((uint128)ten.low * scaled) >> 64);
    uint128 sum = (uint128)ten.high * scaled + carried;
    return (uint64_t)(sum >> 64) | ((uint64_t)sum > 1);
}

/* The table's power, rounded up where it is not exact. */
static leat_power_of_ten power_above(int32_t k)
{
    leat_power_of_ten ten = leat_powers_of_ten[k - LEAT_POWER_MIN];
    if (k < -27 || k > 55) ten.high += ++ten.low == 0; /* from -27 to -1 the table has it so */
    return ten;
}

/* The shortest digits * 10^*power that read back as the finite, positive double of these bits; of
 * several, the nearest. May end in zeros. */
static uint64_t shortest(uint64_t bits, int32_t *power)
{
    uint64_t fraction = bits & SIGNIFICAND;
    int32_t biased = (int32_t)(bits >> SIGNIFICAND_BITS);
    uint64_t c = biased != 0 ? fraction | (SIGNIFICAND + 1) : fraction;
    int32_t q = (biased != 0 ? biased : 1) - 1075;
    bool closer = fraction == 0 && biased > 1; /* below a power of two the doubles are denser */
    uint64_t odd = c & 1;

    /* k: the power of ten just below the width of the interval. */
    int32_t k = (q * 1262611 - (closer ? 524031 : 0)) >> 22;
    int32_t h = q + ((-k * 1741647) >> 19) + 1;
    leat_power_of_ten ten = power_above(-k);
    uint64_t below = round_to_odd(ten, (4 * c - 2 + closer) << h) + odd;
    uint64_t value = round_to_odd(ten, (4 * c) << h);
    uint64_t above = round_to_odd(ten, (4 * c + 2) << h) - odd;

    uint64_t s = value / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool down = below <= 40 * tens, up = 40 * tens + 40 <= above;
        if (down != up) {
            *power = k + 1;
            return tens + up;
        }
    }
    *power = k;
    bool down = below <= 4 * s, up = 4 * s + 4 <= above;
    if (down != up) return s + up;
    uint64_t middle = 4 * s + 2;
    return s + (value > middle || (value == middle && (s & 1) != 0));
}

const char leat_number_pairs[200] = {"0001020304050607080910111213141516171819"
                                     "2021222324252627282930313233343536373839"
                                     "4041424344454647484950515253545556575859"
                                     "6061626364656667686970717273747576777879"
                                     "8081828384858687888990919293949596979899"};

static inline void put_pair(char *to, uint32_t number)
{
    memcpy(to, leat_number_pairs + 2 * (size_t)number, 2);
}

char *leat_number_digits(char *end, uint64_t number)
{
    /* Eight at a time, halved and halved again: divisions that do not wait for each other. */
    while (number >= 100000000) {
        uint64_t rest = number / 100000000;
        uint32_t eight = (uint32_t)(number - rest * 100000000);
        uint32_t high = eight / 10000, low = eight % 10000;
        end -= 8;
        put_pair(end, high / 100);
        put_pair(end + 2, high % 100);
        put_pair(end + 4, low / 100);
        put_pair(end + 6, low % 100);
        number = rest;
    }
    uint32_t left = (uint32_t)number;
    for (; left >= 100; left /= 100) {
        end -= 2;
        put_pair(end, left % 100);
    }
    if (left < 10) {
        *--end = (char)('0' + (char)left);
        return end;
    }
    end -= 2;
    put_pair(end, left);
    return end;
}

static size_t put_integer(char *to, uint64_t number)
{
    char text[20];
    const char *start = leat_number_digits(text + sizeof text, number);
    size_t len = (size_t)(text + sizeof text - start);
    memcpy(to, start, len);
    return len;
}

/* Digits with the point behind the first `point` of them: before or beyond them too. */
static size_t put_plain(char *to, const char *digits, size_t count, int32_t point)
{
    size_t len = 0;
    if (point <= 0) {
        memset(to, '0', 2 + (size_t)-point);
        to[1] = '.';
        len = 2 + (size_t)-point;
        memcpy(to + len, digits, count);
        return len + count;
    }
    size_t before = (size_t)point;
    if (before >= count) {
        memcpy(to, digits, count);
        memset(to + count, '0', before - count + 2);
        to[before] = '.';
        return before + 2;
    }
    memcpy(to, digits, before);
    to[before] = '.';
    memcpy(to + before + 1, digits + before, count - before);
    return count + 1;
}

static size_t put_exponent(char *to, const char *digits, size_t count, int32_t exponent)
{
    size_t len = 0;
    to[len++] = digits[0];
    if (count > 1) {
        to[len++] = '.';
        memcpy(to + len, digits + 1, count - 1);
        len += count - 1;
    }
    to[len++] = 'e';
    to[len++] = exponent < 0 ? '-' : '+';
    return len + put_integer(to + len, (uint64_t)(exponent < 0 ? -exponent : exponent));
}

size_t leat_number_write(double number, char text[LEAT_NUMBER_TEXT_MAX])
{
    uint64_t bits = to_bits(number);
    size_t len = 0;
    bool minus = bits >> 63 != 0;
    bits &= ~(UINT64_C(1) << 63);
    if (bits > DOUBLE_INFINITY) {
        memcpy(text, "NaN", 3);
        return 3;
    }
    if (minus) text[len++] = '-';
    if (bits == DOUBLE_INFINITY) {
        memcpy(text + len, "Infinity", 8);
        return len + 8;
    }
    double size = from_bits(bits);
    if (size <= (double)EXACT_INTEGER && (double)(uint64_t)size == size) {
        len += put_integer(text + len, (uint64_t)size);
        memcpy(text + len, ".0", 2);
        return len + 2;
    }
    int32_t power = 0;
    uint64_t value = shortest(bits, &power);
    char digits[20];
    size_t count = put_integer(digits, value);
    int32_t exponent = power + (int32_t)count - 1;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    if (exponent < -6 || exponent >= 21)
        len += put_exponent(text + len, digits, count, exponent);
    else
        len += put_plain(text + len, digits, count, exponent + 1);
    LEAT_ASSERT(len <= LEAT_NUMBER_TEXT_MAX);
    return len;
}

void leat_number_add(leat_buf *out, double number)
{
    char text[LEAT_NUMBER_TEXT_MAX];
    leat_buf_add(out, (leat_str){text, leat_number_write(number, text)});
}
