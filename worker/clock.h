/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks that the worker goes by. A simulation (tests/sim) puts its own in their
 * place, in which hours pass in a moment and every run of a seed is the same.
 * Thread: any; leat_clock_replace before there is more than one. Cost of a look: about 20 ns. */
#ifndef LEAT_WORKER_CLOCK_H
#define LEAT_WORKER_CLOCK_H

#include <stdint.h>

typedef struct leat_clock {
    int64_t (*now_ms)(void);
    int64_t (*wall_ms)(void);
    void (*sleep_ms)(int64_t ms);
} leat_clock;

int64_t leat_clock_ms(void);                      /* monotonic */
int64_t leat_clock_wall_ms(void);                 /* since 1970, UTC */
void leat_clock_sleep(int64_t ms);                /* may end early, by a signal */
void leat_clock_replace(const leat_clock *clock); /* borrowed; NULL: the machine's again */

#endif
