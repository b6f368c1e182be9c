/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that look random and are the same in every run: a failure can be run again. */
#ifndef LEAT_TESTS_UNIT_RANDOM_H
#define LEAT_TESTS_UNIT_RANDOM_H

#include <stdint.h>

typedef struct leat_random {
    uint64_t state;
} leat_random;

static inline uint64_t leat_random_next(leat_random *random)
{
    uint64_t x = random->state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
static inline uint64_t leat_random_below(leat_random *random, uint64_t bound)
{
    return leat_random_next(random) % bound;
}

#endif
