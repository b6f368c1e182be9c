/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as texts, both ways, exactly: what is read is the double nearest to the text, what is
 * written is the shortest text that reads back as the same double. No locale.
 * Thread: any. Cost: reading ~2 ns a digit; writing a double ~40 ns. */
#ifndef LEAT_CORE_NUMBER_H
#define LEAT_CORE_NUMBER_H

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

typedef enum leat_number {
    LEAT_NUMBER_OK,
    LEAT_NUMBER_SYNTAX, /* no such number */
    LEAT_NUMBER_RANGE,  /* does not fit; a double is +-infinity then */
} leat_number;

/* -?digits, as JSON writes them (no plus, no leading zeros). "-0" is 0; "1.0" and "1e3" are SYNTAX:
 * they are no ints. On anything but OK *number is untouched. */
leat_number leat_number_int(leat_str text, int64_t *number);
leat_number leat_number_uint(leat_str text, uint64_t *number); /* a minus is SYNTAX */
/* The JSON grammar: -?int frac? exp?. Any length. On SYNTAX *number is untouched. */
leat_number leat_number_double(leat_str text, double *number);

#define LEAT_NUMBER_TEXT_MAX 32
/* Writes a double, without NUL, and returns the length: "10.0", "0.1", "-0.0", "1e+21", "1.5e-7".
 * Always with a point or an exponent, so that it is read as a double again. Exponents from 1e+21 up
 * and below 1e-6. NaN, Infinity and -Infinity are written so; JSON has no form for them. */
size_t leat_number_write(double number, char text[LEAT_NUMBER_TEXT_MAX]);
void leat_number_add(leat_buf *out, double number); /* the same, appended */

/* Writes the decimal digits of number so that they end before `end`, which has up to 20 bytes in
 * front of it; returns where they start. */
char *leat_number_digits(char *end, uint64_t number);
/* "00", "01" .. "99" in one run: two digits a division. */
extern const char leat_number_pairs[200];

#endif
