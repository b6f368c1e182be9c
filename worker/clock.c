/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's clocks, or those of a simulation.
 *
 * One pointer decides for the whole process. Refused: a clock handed down to every shard and store,
 * which makes each of their functions longer for the sake of a test; a weak symbol that a test
 * defines again, which a reader does not see. */
#include "worker/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t machine_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

static int64_t machine_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

static void machine_sleep(int64_t ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static const leat_clock machine = {machine_ms, machine_wall_ms, machine_sleep};
static const leat_clock *present = &machine;

int64_t leat_clock_ms(void)
{
    return present->now_ms();
}

int64_t leat_clock_wall_ms(void)
{
    return present->wall_ms();
}

void leat_clock_sleep(int64_t ms)
{
    present->sleep_ms(ms);
}

void leat_clock_replace(const leat_clock *clock)
{
    present = clock == NULL ? &machine : clock;
}
