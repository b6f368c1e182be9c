/* SPDX-License-Identifier: Apache-2.0 */
/* A worker is what `leat run` makes of a pipeline, but that the log fails when it is told to, and
 * that its shards are turned by hand: leat_shard_begin, leat_shard_turn, leat_shard_end.
 *
 * A worker whose shard has failed goes down, and is started again, as Kubernetes would do it. Which
 * failures there may be is known: the log was unreachable, somebody else has taken over, it was
 * killed. Anything else (damaged state, an internal error) is a fault of the worker. */
#include "tests/sim/fleet.h"

#include <stdio.h>

#include "worker/clock.h"
#include "worker/shard.h"

/* --- time --- */

static int64_t present_ms;

int64_t sim_time_ms(void)
{
    return present_ms;
}

void sim_time_pass(int64_t ms)
{
    present_ms += ms;
}

void sim_time_begin(void)
{
    static const leat_clock simulated = {sim_time_ms, sim_time_ms, sim_time_pass};
    present_ms = 1000000;
    leat_clock_replace(&simulated);
}

/* --- a worker --- */

static void wrong(sim_fleet *fleet, uint32_t worker, leat_code code, const char *text)
{
    bool expected = code == LEAT_ERR_DENIED || code == LEAT_ERR_FENCED ||
                    leat_code_blame(code) == LEAT_BLAME_TASK;
    fleet->failures++;
    if (expected || fleet->wrong[0] != '\0') return;
    snprintf(fleet->wrong, sizeof fleet->wrong, "worker %u ended with %s: %s", worker,
             leat_code_name(code), text);
}

static void go_down(sim_fleet *fleet, uint32_t worker)
{
    sim_worker *w = &fleet->workers[worker];
    for (size_t i = 0; i < w->pipeline->shards_count; i++) {
        leat_shard *shard = &w->pipeline->shards[i];
        leat_shard_end(shard);
        if (shard->code != LEAT_OK) wrong(fleet, worker, shard->code, shard->err.text);
    }
    leat_pipeline_close(&w->pipeline);
}

void sim_worker_start(sim_fleet *fleet, uint32_t worker, const char *state_dump)
{
    sim_worker *w = &fleet->workers[worker];
    leat_err err;
    leat_config config;
    leat_pipeline_options options = {.embedded = true, .state_dump = state_dump};
    const leat_plan *plan = fleet->plans[worker];
    LEAT_ASSERT(w->pipeline == NULL);
    leat_config_read(plan, &config);
    config.threads = 1 + sim_below(&fleet->random, 2);
    snprintf(w->name, sizeof w->name, "worker-%u", worker);
    if (fleet->named) config.instance = leat_str_of(w->name);
    fleet->faults.dead[worker] = false;
    fleet->faults.worker = worker;
    fleet->starts++;
    leat_code code = leat_pipeline_open(plan, &config, &options, &w->pipeline, &err);
    if (code != LEAT_OK) {
        wrong(fleet, worker, code, err.text);
        w->pipeline = NULL;
        return;
    }
    w->pipeline->input_type = w->pipeline->output_type = &sim_log;
    w->stalled_until_ms = 0;
    for (size_t i = 0; i < w->pipeline->shards_count; i++)
        leat_shard_begin(&w->pipeline->shards[i]);
}

void sim_worker_turn(sim_fleet *fleet, uint32_t worker)
{
    sim_worker *w = &fleet->workers[worker];
    bool over = false;
    for (size_t i = 0; i < w->pipeline->shards_count; i++) {
        leat_shard *shard = &w->pipeline->shards[i];
        for (size_t k = 0; k < shard->tasks_count && fleet->portion > 0; k++)
            leat_exec_portion(shard->tasks[k]->exec, fleet->portion);
        over = !leat_shard_turn(shard) || over;
    }
    if (over) go_down(fleet, worker);
}

void sim_worker_stop(sim_fleet *fleet, uint32_t worker)
{
    fleet->stops++;
    leat_pipeline_stop(fleet->workers[worker].pipeline);
    go_down(fleet, worker);
}

void sim_worker_kill(sim_fleet *fleet, uint32_t worker)
{
    fleet->kills++;
    fleet->faults.dead[worker] = true;
    go_down(fleet, worker);
}

bool sim_worker_ready(const sim_fleet *fleet, uint32_t worker)
{
    const leat_pipeline *pipeline = fleet->workers[worker].pipeline;
    int32_t ready = 0;
    for (size_t i = 0; pipeline != NULL && i < pipeline->shards_count; i++)
        for (size_t k = 0; k < pipeline->shards[i].tasks_count; k++)
            ready += pipeline->shards[i].tasks[k]->state == LEAT_TASK_RUNNING &&
                     !pipeline->shards[i].tasks[k]->more;
    return pipeline != NULL && ready == pipeline->sources[0].partitions;
}

/* --- the fleet --- */

void sim_fleet_freeze(void *context, uint32_t worker)
{
    sim_fleet *fleet = context;
    int64_t until_ms = sim_time_ms() + sim_below(&fleet->random, 4000);
    while (sim_time_ms() < until_ms) {
        sim_time_pass(1 + sim_below(&fleet->random, 100));
        for (uint32_t i = 0; i < fleet->workers_max; i++) {
            const sim_worker *w = &fleet->workers[i];
            if (i != worker && w->pipeline != NULL && w->stalled_until_ms <= sim_time_ms())
                sim_worker_turn(fleet, i);
        }
    }
}

static void befall(sim_fleet *fleet, uint32_t worker)
{
    sim_worker *w = &fleet->workers[worker];
    if (w->pipeline == NULL) {
        if (sim_chance(&fleet->random, 800)) sim_worker_start(fleet, worker, NULL);
    } else if (sim_chance(&fleet->random, 30)) {
        sim_worker_kill(fleet, worker);
    } else if (sim_chance(&fleet->random, 30)) {
        sim_worker_stop(fleet, worker);
    } else if (sim_chance(&fleet->random, 30)) {
        /* Longer than its group and its transaction wait for it, or not. */
        w->stalled_until_ms = sim_time_ms() + sim_below(&fleet->random, 4000);
        fleet->stalls++;
    }
}

void sim_fleet_turn(sim_fleet *fleet)
{
    uint32_t first = sim_below(&fleet->random, fleet->workers_max);
    for (uint32_t i = 0; i < fleet->workers_max; i++) {
        uint32_t worker = (first + i) % fleet->workers_max;
        const sim_worker *w = &fleet->workers[worker];
        if (w->pipeline != NULL && w->stalled_until_ms <= sim_time_ms())
            sim_worker_turn(fleet, worker);
    }
}

void sim_fleet_step(sim_fleet *fleet)
{
    sim_time_pass(sim_below(&fleet->random, 30));
    for (uint32_t i = 0; i < fleet->workers_max; i++)
        befall(fleet, i);
    sim_fleet_turn(fleet);
}
