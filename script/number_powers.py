#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes core/number_powers.h: script/number_powers.py > core/number_powers.h"""

LOW, HIGH = -342, 324


def power(q):
    """128 bits of 10^q, the highest of them set: cut, but rounded up from -27 to -1."""
    if q >= 0:
        bits = 5**q
        length = bits.bit_length()
        return bits << 128 - length if length <= 128 else bits >> length - 128
    five = 5**-q
    shift = 127 + (five - 1).bit_length()
    cut = (1 << shift) // five
    return cut + 1 if q >= -27 else cut


print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* 128 bits of each power of ten that a double can need, the highest bit set: cut, not")
print(" * rounded, but from 10^-27 to 10^-1 rounded up. Written by script/number_powers.py; for")
print(" * number.c only. */")
print("#ifndef LEAT_CORE_NUMBER_POWERS_H")
print("#define LEAT_CORE_NUMBER_POWERS_H")
print()
print("#include <stdint.h>")
print()
print("typedef struct leat_power_of_ten {")
print("    uint64_t high, low;")
print("} leat_power_of_ten;")
print()
print(f"#define LEAT_POWER_MIN ({LOW})")
print()
print("/* clang-format off */")
print("static const leat_power_of_ten leat_powers_of_ten[] = {")
rows = [power(q) for q in range(LOW, HIGH + 1)]
for at in range(0, len(rows), 2):
    pair = ", ".join(f"{{0x{p >> 64:016x}, 0x{p & (1 << 64) - 1:016x}}}" for p in rows[at : at + 2])
    print(f"    {pair},")
print("};")
print("/* clang-format on */")
print()
print("#endif")
