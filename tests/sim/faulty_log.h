/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded log as a bad day shows it: at each call of the port it may fail, or the process that
 * called may die, before the call has done its work or after. What happens is drawn from a seed.
 * Thread: one. */
#ifndef LEAT_TESTS_SIM_FAULTY_LOG_H
#define LEAT_TESTS_SIM_FAULTY_LOG_H

#include "worker/log.h"

/* Numbers from a seed (splitmix64). */
typedef struct sim_random {
    uint64_t state;
} sim_random;
uint64_t sim_next(sim_random *random);
uint32_t sim_below(sim_random *random, uint32_t bound); /* 0 .. bound - 1 */
bool sim_chance(sim_random *random, uint32_t per_ten_thousand);

#define SIM_WORKERS_MAX 4

typedef struct sim_faults {
    sim_random random;
    uint32_t errors, deaths, freezes; /* of ten thousand calls */
    /* The others go on while a worker is frozen amid a call: not called again meanwhile. */
    void (*freeze)(void *self, uint32_t worker);
    void *self;
    bool frozen;
    uint32_t batch_max; /* messages of a poll */
    bool dead[SIM_WORKERS_MAX];
    uint32_t worker; /* sessions that are opened belong to it */
    uint64_t counted_errors, counted_deaths, counted_freezes, counted_calls;
} sim_faults;

/* The one that sim_log goes by; no session may be open. */
void sim_faults_set(sim_faults *faults);
extern const leat_log_type sim_log;

#endif
