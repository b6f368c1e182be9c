/* SPDX-License-Identifier: Apache-2.0 */
/* Workers of one group over the embedded log, turn by turn in one thread and in a time of their
 * own. Thread: one. */
#ifndef LEAT_TESTS_SIM_FLEET_H
#define LEAT_TESTS_SIM_FLEET_H

#include "tests/sim/faulty_log.h"
#include "worker/pipeline.h"

typedef struct sim_worker {
    leat_pipeline *pipeline; /* NULL: is not running */
    int64_t stalled_until_ms;
    char name[16];
} sim_worker;

typedef struct sim_fleet {
    const leat_plan *plans[SIM_WORKERS_MAX]; /* of each, from its next start on */
    sim_faults faults;
    sim_random random; /* what the fleet does, apart from what the log does */
    bool named;        /* workers have stable names: static membership */
    size_t portion;    /* bytes of outputs from which on they come in portions; 0: as always */
    sim_worker workers[SIM_WORKERS_MAX];
    uint32_t workers_max;
    uint64_t starts, stops, kills, stalls, failures;
    char wrong[1024]; /* what must not happen, and has */
} sim_fleet;

/* The time of the simulation from now on; leat_clock goes by it. */
void sim_time_begin(void);
int64_t sim_time_ms(void);
void sim_time_pass(int64_t ms);

/* state_dump: where the worker writes its state when it stops; NULL: nowhere. */
void sim_worker_start(sim_fleet *fleet, uint32_t worker, const char *state_dump);
void sim_worker_turn(sim_fleet *fleet, uint32_t worker); /* one turn of each of its shards */
void sim_worker_stop(sim_fleet *fleet, uint32_t worker); /* SIGTERM */
void sim_worker_kill(sim_fleet *fleet, uint32_t worker); /* SIGKILL */
/* All partitions of the input are its own, their state is restored and no outputs are left. */
bool sim_worker_ready(const sim_fleet *fleet, uint32_t worker);
/* For sim_faults.freeze: time passes for the others. */
void sim_fleet_freeze(void *fleet, uint32_t worker);
void sim_fleet_turn(sim_fleet *fleet); /* of every worker that does not stall */
/* Time passes, and what happens to the fleet is drawn; then a turn. */
void sim_fleet_step(sim_fleet *fleet);

#endif
