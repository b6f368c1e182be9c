/* SPDX-License-Identifier: Apache-2.0 */
/* The `worker` part of a pipeline file: how one process runs it. Read after the plan, which has
 * checked its shape. Owner: the plan's arena. Thread: immutable. */
#ifndef LEAT_WORKER_CONFIG_H
#define LEAT_WORKER_CONFIG_H

#include "transforms/plan.h"
#include "worker/logger.h"

typedef struct leat_config {
    leat_str instance;        /* stable name: static membership; none: dynamic */
    int64_t threads;          /* shards; default: the processors this process may use */
    uint64_t state_bytes_max; /* of all tables of one task */
    leat_level log_level;
    bool log_json;
} leat_config;

void leat_config_read(const leat_plan *plan, leat_config *config);

/* Why a pipeline is read. */
typedef enum leat_purpose {
    LEAT_PURPOSE_LOOK,  /* what this machine lacks (variables, secrets) is no mistake ... */
    LEAT_PURPOSE_CHECK, /* ... likewise; a schema registry is asked once */
    LEAT_PURPOSE_USE,   /* all has to be there */
    LEAT_PURPOSE_RUN,   /* likewise; a schema registry is waited for, or a signal to stop */
} leat_purpose;
/* The outside that a pure plan needs: files, secrets, the registry of steps. `folder` is that of
 * the pipeline file; overrides are `--set` texts. */
void leat_config_env(const char *pipeline_file, const leat_str *overrides, size_t overrides_count,
                     leat_purpose purpose, leat_arena *arena, leat_plan_env *env);
/* A whole file, at most bytes_max; the error names the path and what the system said. */
leat_code leat_config_slurp(const char *path, size_t bytes_max, leat_arena *arena, leat_str *text,
                            leat_err *err) LEAT_CHECKED;

#endif
