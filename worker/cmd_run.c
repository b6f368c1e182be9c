/* SPDX-License-Identifier: Apache-2.0 */
/* leat run: pipelines at work, until a signal or the end of a bounded input.
 *
 * The main thread only waits: for signals, and for shards that end. All pipelines of the command
 * line run in this process; the first that fails ends all, with the exit code that its failure
 * stands for, so that whoever supervises the process can tell. */
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "worker/cli.h"

static int run_run(int argc, char **argv);

const leat_command leat_command_run = {
    .name = "run",
    .summary = "run pipelines",
    .help =
        "usage: leat run [--set PATH=VALUE]... [--until-end] [--state-dump FILE] PIPELINE...\n\n"
        "Joins the consumer group named as the pipeline, reads its sources, and writes its sinks,\n"
        "exactly once. Pipelines that read files end by themselves, with the input.\n\n"
        "  --set PATH=VALUE   this value in place of the file's (JSON, else text):\n"
        "                     --set worker.threads=4 --set kafka.bootstrap.servers=k1:9092\n"
        "  --until-end        stop when this process has read its partitions to their present end\n"
        "  --state-dump FILE  at a clean stop, append every cell of the state as JSON lines "
        "(hex)\n\n"
        "SIGTERM: finish, commit, leave the group, exit code 0. A second one: at once.\n"
        "A bounded run with bad records and no dead_letter ends with 1.\n\n"
        "  leat run examples/card-fraud/pipeline.json\n"
        "  leat run --set worker.instance=$POD_NAME /etc/leat/pipeline.json\n",
    .run = run_run,
};

typedef struct running {
    leat_loaded loaded;
    leat_pipeline *pipeline;
} running;

static leat_code open_one(running *one, const char *file, const leat_flag *set,
                          const leat_pipeline_options *options, leat_err *err)
{
    LEAT_TRY(leat_cli_load(file, set, LEAT_PURPOSE_RUN, true, NULL, &one->loaded, err));
    if (one->loaded.plan == NULL && leat_cli_stopped())
        return leat_err_set(err, LEAT_ERR_UNAVAILABLE,
                            "%s: stopped while it waited for the schema registry", file);
    if (one->loaded.plan == NULL)
        return leat_err_set(err, LEAT_ERR_CONFIG, "%s: %zu mistake(s), see above", file,
                            one->loaded.errors);
    leat_config config;
    leat_config_read(one->loaded.plan, &config);
    leat_logger_set(config.log_level, config.log_json);
    leat_code code = leat_pipeline_open(one->loaded.plan, &config, options, &one->pipeline, err);
    return code == LEAT_OK ? LEAT_OK : leat_err_prefix(err, "%s", file);
}

/* Until all have ended: by a signal, with their input, or because one has failed. */
static void wait_for_end(running *all, size_t count)
{
    for (;;) {
        size_t at_work = 0;
        bool stop = leat_cli_stopped();
        for (size_t i = 0; i < count; i++) {
            at_work += leat_pipeline_running(all[i].pipeline);
            stop |= leat_pipeline_failed(all[i].pipeline);
        }
        if (at_work == 0) return;
        for (size_t i = 0; stop && i < count; i++)
            leat_pipeline_stop(all[i].pipeline);
        leat_cli_wait(50);
    }
}

static void log_redis(const running *one, const char *name, uint32_t server)
{
    leat_pipeline_redis redis = leat_pipeline_redis_get(one->pipeline, server);
    leat_log_line(
        LEAT_LEVEL_INFO, "run", name,
        "%.*s: %llu key(s) asked for, %llu from the cache, %llu missing, %llu failed; "
        "%llu effect(s) applied, %llu passed over, %llu refused; %llu connection(s), %llu "
        "failure(s), breaker opened %llu time(s)",
        LEAT_STR_ARG(one->loaded.plan->redis[server].place),
        (unsigned long long)redis.lookups_asked, (unsigned long long)redis.lookups_cached,
        (unsigned long long)redis.lookups_missing, (unsigned long long)redis.lookups_failed,
        (unsigned long long)redis.effects_applied, (unsigned long long)redis.effects_skipped,
        (unsigned long long)redis.effects_refused, (unsigned long long)redis.connects,
        (unsigned long long)redis.failures, (unsigned long long)redis.breaker_opened);
}

static void log_counts(const running *one)
{
    leat_pipeline_counts counts = leat_pipeline_counts_get(one->pipeline);
    char name[256];
    snprintf(name, sizeof name, "%.*s", LEAT_STR_ARG(one->loaded.plan->name));
    leat_log_line(
        LEAT_LEVEL_INFO, "run", name,
        "ended: %llu record(s) in, %llu out, %llu dead letter(s), %llu late (%llu dropped), "
        "%llu dropped by steps, %llu refused, %llu commit(s), %llu abort(s)",
        (unsigned long long)counts.records_in, (unsigned long long)counts.records_out,
        (unsigned long long)counts.dead_letters, (unsigned long long)counts.late,
        (unsigned long long)counts.late_dropped, (unsigned long long)counts.dropped,
        (unsigned long long)counts.refused, (unsigned long long)counts.commits,
        (unsigned long long)counts.aborts);
    for (uint32_t i = 0; i < one->loaded.plan->redis_count; i++)
        log_redis(one, name, i);
}

static leat_code run_all(running *all, size_t count, leat_err *err)
{
    leat_code code = LEAT_OK, first = LEAT_OK;
    for (size_t i = 0; i < count && first == LEAT_OK; i++)
        first = leat_pipeline_start(all[i].pipeline, err);
    if (first != LEAT_OK)
        for (size_t i = 0; i < count; i++)
            leat_pipeline_stop(all[i].pipeline);
    wait_for_end(all, count);
    for (size_t i = 0; i < count; i++) {
        leat_err one;
        code = leat_pipeline_join(all[i].pipeline, &one);
        if (code != LEAT_OK && first == LEAT_OK) {
            first = code;
            *err = one;
        }
        log_counts(&all[i]);
    }
    return first;
}

/* Bad records that went nowhere are a finding, in a run that has an end. */
static bool lost_any(const running *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        leat_pipeline_counts counts = leat_pipeline_counts_get(all[i].pipeline);
        if (counts.refused > 0) return true;
        if (counts.dead_letters > 0 && all[i].loaded.plan->dead_letter == NULL) return true;
    }
    return false;
}

static int run_files(const leat_arguments *arguments, const leat_flag *set,
                     const leat_pipeline_options *options)
{
    size_t count = arguments->count;
    running *all = leat_mem_need(count * sizeof *all);
    leat_err err;
    leat_code code = LEAT_OK;
    for (size_t i = 0; i < count && code == LEAT_OK; i++)
        code = open_one(&all[i], arguments->positional[i], set, options, &err);
    if (code == LEAT_OK) code = run_all(all, count, &err);
    int exit_code = leat_exit_code(code);
    if (code != LEAT_OK) leat_cli_say("%s", err.text);
    if (code == LEAT_OK && !leat_cli_stopped() && lost_any(all, count))
        exit_code = LEAT_EXIT_FINDINGS;
    for (size_t i = 0; i < count; i++) {
        leat_pipeline_close(&all[i].pipeline);
        leat_cli_unload(&all[i].loaded);
    }
    leat_mem_free(all);
    return exit_code;
}

static int run_run(int argc, char **argv)
{
    leat_flag flags[] = {{.name = "set", .takes_value = true, .repeats = true},
                         {.name = "until-end"},
                         {.name = "state-dump", .takes_value = true}};
    leat_arguments arguments;
    int exit_code = LEAT_EXIT_USAGE;
    leat_cli_signals();
    if (!leat_flags_parse(&leat_command_run, argc, argv, flags, 3, &arguments)) goto out;
    if (arguments.count == 0) {
        leat_cli_say("run what? name a pipeline file; see 'leat run --help'");
        goto out;
    }
    leat_pipeline_options options = {.until_end = flags[1].count > 0,
                                     .state_dump = leat_flag_text(&flags[2], NULL)};
    exit_code = run_files(&arguments, &flags[0], &options);
out:
    leat_flags_release(flags, 3, &arguments);
    return exit_code;
}
