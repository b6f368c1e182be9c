/* SPDX-License-Identifier: Apache-2.0 */
/* leat dev: a pipeline with everything around it in one process: an embedded log in place of Kafka,
 * a generator that feeds its sources, and a reader that prints its alerts. The pipeline itself runs
 * as in production: groups, transactions, changelogs and all.
 *
 * The generator waits when the worker falls behind, so that memory stays bounded; the reader is a
 * consumer of committed records like any other. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "worker/cli.h"
#include "worker/clock.h"
#include "worker/generator.h"

static int dev_run(int argc, char **argv);

const leat_command leat_command_dev = {
    .name = "dev",
    .summary = "try a pipeline: embedded log, generator, worker, alerts",
    .help =
        "usage: leat dev [--events N] [--rate N] [--seed N] [--partitions N] [--quiet] [--check]\n"
        "                [--set PATH=VALUE]... PIPELINE\n\n"
        "Runs one pipeline against a log inside this process, feeds its first source with "
        "generated\n"
        "payments, prints the alerts (what `detect` steps make) on stdout as they come, and a\n"
        "summary on stderr. Nothing has to be installed, and nothing is left behind.\n\n"
        "  --events N      so many events, then end (0: until Ctrl-C)\n"
        "  --rate N        events a second (0: as fast as it goes)\n"
        "  --seed N        another seed, other events (1)\n"
        "  --partitions N  of every topic (4)\n"
        "  --quiet         no alerts, only the summary\n"
        "  --check         exit code 1 unless alerts and dead letters are what was planted\n\n"
        "  leat dev examples/card-fraud/pipeline.json --events 200000\n",
    .run = dev_run,
};

#define AHEAD_MAX     50000 /* events that the generator may be ahead of the worker */
#define POLL_MESSAGES 500
#define TOPICS_MAX    256

enum { EVENTS, RATE, SEED, PARTITIONS, QUIET, CHECK, SET, FLAGS };

typedef struct dev {
    const leat_log_type *type;
    leat_log *log;
    leat_loaded loaded;
    leat_pipeline *pipeline;
    int64_t events, rate, seed, partitions;
    bool quiet;
    leat_generator *generator;
    /* The reader of alerts. */
    const leat_sink *alerts[TOPICS_MAX];
    size_t alerts_count;
    pthread_t reader;
    bool reading;
    _Atomic uint64_t seen;
    _Atomic bool reader_stop;
} dev;

static void speak(void *context, int level, const char *facility, const char *text)
{
    (void)context;
    if (level >= LEAT_LEVEL_WARN) leat_cli_say("%s: %s", facility, text);
}

/* --- topics --- */

static leat_code create_topic(dev *self, leat_str name, leat_err *err)
{
    leat_topic_spec spec = {name, (int32_t)self->partitions, -1, false};
    return self->type->create(self->log, &spec, 1000, err);
}

static leat_code create_topics(dev *self, leat_err *err)
{
    const leat_plan *plan = self->loaded.plan;
    for (size_t i = 0; i < plan->sources_count; i++) {
        if (plan->sources[i].files)
            return leat_err_set(err, LEAT_ERR_CONFIG,
                                "source '%.*s' reads files, which needs no embedded log: use "
                                "'leat run'",
                                LEAT_STR_ARG(plan->sources[i].name));
        for (size_t k = 0; k < plan->sources[i].topics_count; k++)
            LEAT_TRY(create_topic(self, plan->sources[i].topics[k], err));
    }
    for (size_t i = 0; i < plan->sinks_count; i++) {
        const leat_sink *sink = plan->sinks[i];
        if (sink->kind != LEAT_SINK_TOPIC || sink->topic_expr != NULL) continue;
        LEAT_TRY(create_topic(self, sink->topic, err));
        const leat_plan_node *from = &plan->nodes[sink->from_node];
        bool made = sink->from != NULL && sink->shape != plan->sources[from->source].shape;
        if (made && self->alerts_count < TOPICS_MAX) self->alerts[self->alerts_count++] = sink;
    }
    return LEAT_OK;
}

/* --- the reader --- */

static uint64_t alerts_made(const dev *self)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < self->alerts_count; i++)
        sum += leat_pipeline_sink_count(self->pipeline, self->alerts[i]->index);
    return sum;
}

/* Partitions come paused; the loop resumes them, as the session may not be called from inside. */
typedef struct assigned_list {
    leat_partition partitions[TOPICS_MAX];
    size_t count;
} assigned_list;

static void note_assigned(void *context, leat_partition *partitions, size_t count)
{
    assigned_list *list = context;
    for (size_t i = 0; i < count && list->count < TOPICS_MAX; i++)
        list->partitions[list->count++] = partitions[i];
}

static void note_revoked(void *context, const leat_partition *partitions, size_t count, bool lost)
{
    (void)partitions;
    (void)count;
    (void)lost;
    ((assigned_list *)context)->count = 0;
}

static void print_messages(dev *self, const leat_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!self->quiet) {
            fwrite(messages[i].value.data, 1, messages[i].value.len, stdout);
            putchar('\n');
        }
        self->seen++;
    }
    if (!self->quiet) fflush(stdout);
}

static leat_code read_alerts(dev *self, leat_err *err)
{
    assigned_list list = {.count = 0};
    leat_subscription subscriptions[TOPICS_MAX];
    for (size_t i = 0; i < self->alerts_count; i++)
        subscriptions[i] = (leat_subscription){.topic = self->alerts[i]->topic};
    leat_session_config config = {.guarantee = LEAT_AT_LEAST_ONCE,
                                  .group = LEAT_STR("leat-dev-reader"),
                                  .subscriptions = subscriptions,
                                  .subscriptions_count = self->alerts_count,
                                  .listener = {&list, note_assigned, note_revoked}};
    leat_session *session = NULL;
    LEAT_TRY(self->type->session_open(self->log, &config, NULL, 0, &session, err));
    leat_message messages[POLL_MESSAGES];
    leat_code code = LEAT_OK;
    while (code == LEAT_OK && !(self->reader_stop && self->seen >= alerts_made(self))) {
        size_t count = 0;
        leat_poll_state state;
        code = self->type->poll(session, 20, messages, POLL_MESSAGES, &count, &state, err);
        if (code == LEAT_OK) print_messages(self, messages, count);
        self->type->release(session);
        while (code == LEAT_OK && list.count > 0) {
            leat_partition *place = &list.partitions[--list.count];
            code = self->type->resume(session, place->topic, place->partition, err);
        }
    }
    self->type->session_close(&session, 1000);
    return code;
}

static void *reader_main(void *context)
{
    leat_err err;
    if (read_alerts(context, &err) != LEAT_OK) leat_cli_say("reading the alerts: %s", err.text);
    return NULL;
}

/* --- the generator --- */

static bool may_send(const dev *self, uint64_t sent, int64_t began)
{
    if (sent > leat_pipeline_counts_get(self->pipeline).records_in + AHEAD_MAX) return false;
    if (self->rate == 0) return true;
    return (int64_t)sent <= (leat_clock_ms() - began) * self->rate / 1000;
}

static leat_code feed(dev *self, leat_err *err)
{
    const leat_source *source = &self->loaded.plan->sources[0];
    leat_str topic = source->topics[source->topics_count - 1]; /* those of tables come first */
    leat_session_config config = {.guarantee = LEAT_AT_LEAST_ONCE};
    leat_session *session = NULL;
    LEAT_TRY(self->type->session_open(self->log, &config, &topic, 1, &session, err));
    leat_code code = LEAT_OK;
    leat_str key, value;
    int64_t at_ms, began = leat_clock_ms();
    for (uint64_t sent = 0; code == LEAT_OK; sent++) {
        if (sent % 64 == 0) leat_cli_wait(0);
        while (!leat_cli_stopped() && leat_pipeline_running(self->pipeline) &&
               !may_send(self, sent, began))
            leat_cli_wait(1);
        if (leat_cli_stopped() || !leat_pipeline_running(self->pipeline)) break;
        if (!leat_generator_next(self->generator, &key, &value, &at_ms)) break;
        leat_produce record = {
            .topic = topic, .partition = -1, .key = key, .value = value, .timestamp_ms = at_ms};
        code = self->type->produce(session, &record, err);
        if (code == LEAT_OK && sent % 256 == 0) code = self->type->commit(session, NULL, 0, err);
    }
    if (code == LEAT_OK) code = self->type->commit(session, NULL, 0, err);
    self->type->session_close(&session, 1000);
    return code;
}

/* --- all together --- */

static leat_code run_to_end(dev *self, leat_err *err)
{
    LEAT_TRY(leat_pipeline_start(self->pipeline, err));
    if (self->alerts_count > 0)
        self->reading = pthread_create(&self->reader, NULL, reader_main, self) == 0;
    leat_code code = feed(self, err);
    if (code != LEAT_OK || leat_cli_stopped()) {
        leat_pipeline_stop(self->pipeline);
    } else {
        leat_pipeline_input_complete(self->pipeline);
    }
    while (leat_pipeline_running(self->pipeline)) {
        if (leat_cli_stopped()) leat_pipeline_stop(self->pipeline);
        leat_cli_wait(10);
    }
    leat_err ended;
    leat_code join = leat_pipeline_join(self->pipeline, &ended);
    if (code == LEAT_OK && join != LEAT_OK) {
        code = join;
        *err = ended;
    }
    self->reader_stop = true;
    if (self->reading) pthread_join(self->reader, NULL);
    return code;
}

static void summarize(const dev *self, int64_t took_ms)
{
    leat_pipeline_counts counts = leat_pipeline_counts_get(self->pipeline);
    leat_planted planted = leat_generator_planted(self->generator);
    uint64_t late = counts.late + counts.late_dropped;
    double seconds = took_ms > 0 ? (double)took_ms / 1000.0 : 0.001;
    fprintf(stderr,
            "\n  events        %llu in %.1f s (%.0f a second)\n"
            "  alerts        %llu (planted: %llu)\n"
            "  dead letters  %llu (planted: %llu)\n"
            "  late          %llu\n"
            "  commits       %llu, aborted %llu\n",
            (unsigned long long)counts.records_in, seconds, (double)counts.records_in / seconds,
            (unsigned long long)self->seen, (unsigned long long)planted.alerts,
            (unsigned long long)counts.dead_letters, (unsigned long long)planted.bad_records,
            (unsigned long long)late, (unsigned long long)counts.commits,
            (unsigned long long)counts.aborts);
    const leat_plan *plan = self->loaded.plan;
    for (size_t i = 0; i < plan->sinks_count; i++)
        if (plan->sinks[i]->kind == LEAT_SINK_TOPIC)
            fprintf(stderr, "  -> %-20.*s %llu record(s)\n", LEAT_STR_ARG(plan->sinks[i]->topic),
                    (unsigned long long)leat_pipeline_sink_count(self->pipeline, (uint32_t)i));
}

/* What the generator planted was found, no more and no less. */
static bool as_planted(const dev *self)
{
    leat_planted planted = leat_generator_planted(self->generator);
    leat_pipeline_counts counts = leat_pipeline_counts_get(self->pipeline);
    bool same = self->seen == planted.alerts && counts.dead_letters == planted.bad_records &&
                counts.records_in == planted.events;
    if (!same) leat_cli_say("alerts, dead letters or events are not what was planted");
    return same;
}

static leat_code dev_pipeline(dev *self, const char *file, const leat_flag *set, leat_err *err)
{
    LEAT_TRY(leat_cli_load(file, set, LEAT_PURPOSE_CHECK, true, NULL, &self->loaded, err));
    if (self->loaded.plan == NULL)
        return leat_err_set(err, LEAT_ERR_CONFIG, "%s: %zu mistake(s), see above", file,
                            self->loaded.errors);
    leat_log_config log = {.client_id = "leat-dev", .speak = speak};
    LEAT_TRY(self->type->open(&log, &self->log, err));
    LEAT_TRY(create_topics(self, err));
    LEAT_TRY(leat_generator_new("payments", (uint64_t)self->seed, (uint64_t)self->events,
                                LEAT_GENERATOR_BASE_MS, &self->generator, err));
    leat_config config;
    leat_config_read(self->loaded.plan, &config);
    leat_logger_set(config.log_level < LEAT_LEVEL_WARN ? LEAT_LEVEL_WARN : config.log_level, false);
    leat_pipeline_options options = {.embedded = true, .finish = true};
    LEAT_TRY(leat_pipeline_open(self->loaded.plan, &config, &options, &self->pipeline, err));
    int64_t began = leat_clock_ms();
    LEAT_TRY(run_to_end(self, err));
    summarize(self, leat_clock_ms() - began);
    return LEAT_OK;
}

static int dev_run(int argc, char **argv)
{
    leat_flag flags[FLAGS] = {[EVENTS] = {.name = "events", .takes_value = true},
                              [RATE] = {.name = "rate", .takes_value = true},
                              [SEED] = {.name = "seed", .takes_value = true},
                              [PARTITIONS] = {.name = "partitions", .takes_value = true},
                              [QUIET] = {.name = "quiet"},
                              [CHECK] = {.name = "check"},
                              [SET] = {.name = "set", .takes_value = true, .repeats = true}};
    leat_arguments arguments;
    int exit_code = LEAT_EXIT_USAGE;
    dev *self = leat_mem_need(sizeof *self);
    self->type = &leat_log_memory;
    leat_err err;
    leat_cli_signals();
    if (!leat_flags_parse(&leat_command_dev, argc, argv, flags, FLAGS, &arguments) ||
        !leat_flag_int(&flags[EVENTS], 0, 0, INT64_MAX, &self->events) ||
        !leat_flag_int(&flags[RATE], 0, 0, 100000000, &self->rate) ||
        !leat_flag_int(&flags[SEED], 1, 0, INT64_MAX, &self->seed) ||
        !leat_flag_int(&flags[PARTITIONS], 4, 1, 64, &self->partitions))
        goto out;
    if (arguments.count != 1) {
        leat_cli_say("dev runs one pipeline file");
        goto out;
    }
    self->quiet = flags[QUIET].count > 0;
    leat_code code = dev_pipeline(self, arguments.positional[0], &flags[SET], &err);
    exit_code = leat_exit_code(code);
    if (code != LEAT_OK) leat_cli_say("%s", err.text);
    if (code == LEAT_OK && flags[CHECK].count > 0 && !as_planted(self))
        exit_code = LEAT_EXIT_FINDINGS;
out:
    leat_pipeline_close(&self->pipeline);
    leat_generator_free(&self->generator);
    if (self->log != NULL) self->type->close(&self->log);
    leat_cli_unload(&self->loaded);
    leat_mem_free(self);
    leat_flags_release(flags, FLAGS, &arguments);
    return exit_code;
}
