/* SPDX-License-Identifier: Apache-2.0 */
/* leat generate: seeded events of the examples, to stdout, a file or Kafka.
 *
 * To a topic it writes through the same port as the worker, at least once, without a group. The
 * rate is held by looking at what should have been sent by now, so that a pause is made up for.
 * What was planted is said at the end: whoever reads the alerts can compare. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "worker/cli.h"
#include "worker/clock.h"
#include "worker/generator.h"

static int generate_run(int argc, char **argv);

const leat_command leat_command_generate = {
    .name = "generate",
    .summary = "make events of the examples",
    .help =
        "usage: leat generate payments [--count N] [--rate N] [--seed N] [--base MS]\n"
        "                     [--file PATH | --topic NAME --kafka KEY=VALUE...]\n\n"
        "Writes seeded events, one JSON text a line, to stdout, a file, or a Kafka topic (by "
        "key).\n"
        "At the end it says on stderr what was planted: how many alerts, how many bad records.\n\n"
        "  --count N          events (1000; 0: without end)\n"
        "  --rate N           events a second (0: as fast as it goes)\n"
        "  --seed N           the same seed, the same events (1)\n"
        "  --base MS          time of the first event, or 'now'\n"
        "  --file PATH        to this file\n"
        "  --topic NAME       to this topic\n"
        "  --kafka KEY=VALUE  a client property, as in a pipeline's `kafka`\n\n"
        "  leat generate payments --count 10\n"
        "  leat generate payments --count 0 --rate 1000 --base now \\\n"
        "      --topic payments --kafka bootstrap.servers=localhost:9092\n",
    .run = generate_run,
};

enum { COUNT, RATE, SEED, BASE, TO_FILE, TOPIC, KAFKA, FLAGS };

/* Where events go. */
typedef struct target {
    FILE *file;
    leat_log *log;
    leat_session *session;
    leat_str topic;
} target;

static void speak(void *context, int level, const char *facility, const char *text)
{
    (void)context;
    if (level >= LEAT_LEVEL_WARN) leat_cli_say("%s: %s", facility, text);
}

static leat_code open_topic(target *to, const leat_flag *flags, leat_err *err)
{
    const leat_flag *kafka = &flags[KAFKA];
    leat_property *properties = leat_mem_need((kafka->count + 1) * sizeof *properties);
    leat_code code = LEAT_OK;
    for (size_t i = 0; i < kafka->count && code == LEAT_OK; i++) {
        const char *equals = strchr(kafka->values[i], '=');
        if (equals == NULL) {
            code =
                leat_err_set(err, LEAT_ERR_CONFIG, "--kafka %s: not KEY=VALUE", kafka->values[i]);
            break;
        }
        properties[i].name = (leat_str){kafka->values[i], (size_t)(equals - kafka->values[i])};
        properties[i].value = leat_str_of(equals + 1);
    }
    leat_log_config config = {.properties = properties,
                              .properties_count = kafka->count,
                              .client_id = "leat-generate",
                              .speak = speak};
    leat_topic_info info = {0};
    to->topic = leat_str_of(leat_flag_text(&flags[TOPIC], ""));
    if (code == LEAT_OK) code = leat_log_kafka.open(&config, &to->log, err);
    if (code == LEAT_OK) code = leat_log_kafka.describe(to->log, to->topic, 15000, &info, err);
    if (code == LEAT_OK && !info.exists)
        code = leat_err_set(err, LEAT_ERR_CONFIG, "topic '%.*s' does not exist; create it first",
                            LEAT_STR_ARG(to->topic));
    leat_session_config session = {.guarantee = LEAT_AT_LEAST_ONCE};
    if (code == LEAT_OK)
        code = leat_log_kafka.session_open(to->log, &session, &to->topic, 1, &to->session, err);
    leat_mem_free(properties);
    return code;
}

static leat_code open_target(target *to, const leat_flag *flags, leat_err *err)
{
    if (flags[TOPIC].count > 0) return open_topic(to, flags, err);
    if (flags[TO_FILE].count == 0) {
        to->file = stdout;
        return LEAT_OK;
    }
    const char *path = leat_flag_text(&flags[TO_FILE], "");
    to->file = fopen(path, "wb");
    if (to->file == NULL)
        return leat_err_set(err, LEAT_ERR_IO, "cannot write '%s': %s", path, strerror(errno));
    return LEAT_OK;
}

static leat_code put(target *to, leat_str key, leat_str value, int64_t at_ms, leat_err *err)
{
    if (to->session != NULL) {
        leat_produce record = {
            .topic = to->topic, .partition = -1, .key = key, .value = value, .timestamp_ms = at_ms};
        return leat_log_kafka.produce(to->session, &record, err);
    }
    if (fwrite(value.data, 1, value.len, to->file) != value.len || putc('\n', to->file) == EOF)
        return leat_err_set(err, LEAT_ERR_IO, "cannot write: %s", strerror(errno));
    return LEAT_OK;
}

static leat_code close_target(target *to, leat_code code, leat_err *err)
{
    if (to->session != NULL) {
        if (code == LEAT_OK) code = leat_log_kafka.commit(to->session, NULL, 0, err);
        leat_log_kafka.session_close(&to->session, 10000);
    }
    if (to->log != NULL) leat_log_kafka.close(&to->log);
    if (to->file != NULL && (to->file == stdout ? fflush(stdout) : fclose(to->file)) != 0 &&
        code == LEAT_OK)
        code = leat_err_set(err, LEAT_ERR_IO, "cannot write: %s", strerror(errno));
    return code;
}

static leat_code pour(leat_generator *generator, target *to, int64_t rate, leat_err *err)
{
    leat_str key, value;
    int64_t at_ms, began = leat_clock_ms();
    for (uint64_t sent = 0; !leat_cli_stopped(); sent++) {
        if (sent % 64 == 0) leat_cli_wait(0);
        while (rate > 0 && !leat_cli_stopped() &&
               (int64_t)sent > (leat_clock_ms() - began) * rate / 1000)
            leat_cli_wait(1);
        if (!leat_generator_next(generator, &key, &value, &at_ms)) break;
        LEAT_TRY(put(to, key, value, at_ms, err));
    }
    return LEAT_OK;
}

static int generate_run(int argc, char **argv)
{
    leat_flag flags[FLAGS] = {[COUNT] = {.name = "count", .takes_value = true},
                              [RATE] = {.name = "rate", .takes_value = true},
                              [SEED] = {.name = "seed", .takes_value = true},
                              [BASE] = {.name = "base", .takes_value = true},
                              [TO_FILE] = {.name = "file", .takes_value = true},
                              [TOPIC] = {.name = "topic", .takes_value = true},
                              [KAFKA] = {.name = "kafka", .takes_value = true, .repeats = true}};
    leat_arguments arguments;
    int exit_code = LEAT_EXIT_USAGE;
    int64_t count, rate, seed, base = leat_clock_wall_ms();
    leat_generator *generator = NULL;
    target to = {0};
    leat_err err;
    leat_cli_signals();
    if (!leat_flags_parse(&leat_command_generate, argc, argv, flags, FLAGS, &arguments) ||
        !leat_flag_int(&flags[COUNT], 1000, 0, INT64_MAX, &count) ||
        !leat_flag_int(&flags[RATE], 0, 0, 100000000, &rate) ||
        !leat_flag_int(&flags[SEED], 1, 0, INT64_MAX, &seed))
        goto out;
    if (strcmp(leat_flag_text(&flags[BASE], ""), "now") != 0 &&
        !leat_flag_int(&flags[BASE], LEAT_GENERATOR_BASE_MS, 0, INT64_C(253402300799000), &base))
        goto out;
    if (arguments.count != 1) {
        leat_cli_say("generate what? there is: payments");
        goto out;
    }
    leat_code code = leat_generator_new(arguments.positional[0], (uint64_t)seed, (uint64_t)count,
                                        base, &generator, &err);
    if (code == LEAT_OK) code = open_target(&to, flags, &err);
    if (code == LEAT_OK) code = pour(generator, &to, rate, &err);
    code = close_target(&to, code, &err);
    exit_code = leat_exit_code(code);
    if (code != LEAT_OK) {
        leat_cli_say("%s", err.text);
        goto out;
    }
    leat_planted planted = leat_generator_planted(generator);
    leat_cli_say("%llu event(s); planted: %llu alert(s), %llu bad record(s)",
                 (unsigned long long)planted.events, (unsigned long long)planted.alerts,
                 (unsigned long long)planted.bad_records);
out:
    leat_generator_free(&generator);
    leat_flags_release(flags, FLAGS, &arguments);
    return exit_code;
}
