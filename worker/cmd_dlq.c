/* SPDX-License-Identifier: Apache-2.0 */
/* leat dlq: what to do with dead letters. Where they are is said by a pipeline (its dead_letter),
 * or by --topic and --kafka, or by --file; which of them, by filters that all commands share.
 *
 * Everything is read anew each time, from the start of the topic: dead letters are few, and a
 * reader without a group changes nothing. */
#include "worker/cmd_dlq.h"
#include "worker/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/mem.h"
#include "core/time.h"
#include "worker/logger.h"

static int dlq_run(int argc, char **argv);

const leat_command leat_command_dlq = {
    .name = "dlq",
    .summary = "list, show and send back dead letters",
    .help =
        "usage: leat dlq ls      [FILTER]... WHERE\n"
        "       leat dlq show    [FILTER]... [--count N] WHERE\n"
        "       leat dlq redrive [FILTER]... [--to TOPIC] [--masked] [--execute] WHERE\n"
        "       leat dlq redrive [FILTER]... [--to TOPIC | --to-file PATH] [--masked] "
        "[--unsettled]\n"
        "                        [--execute] --file PATH [--kafka KEY=VALUE]...\n\n"
        "WHERE is a pipeline file (with --set as in `run`), or --topic NAME --kafka KEY=VALUE..., "
        "or\n"
        "--file PATH for dead letters that a file sink has written (JSON lines).\n\n"
        "  ls       groups by step and error: how many, how old, where the last one is\n"
        "  show     letters with their story, headers and payload (1, or --count)\n"
        "  redrive  sends originals back to the topic and partition they came from, or by key to\n"
        "           --to; shows what it would do until --execute. Each letter is sent once, "
        "however\n"
        "           often this is run, and a record with several letters once. Masked letters "
        "stay\n"
        "           unless --masked. Of a file: what was sent is marked at its end; --to-file "
        "adds\n"
        "           the originals to a file, a line each; letters of a redrive that was cut off "
        "in\n"
        "           the moment of its commit stay unless --unsettled\n\n"
        "FILTER:\n"
        "  --step TEXT         the step's place begins with it: streams.clean\n"
        "  --error TEXT        the error holds it\n"
        "  --code NAME         the error's code: syntax, type, no_field ...\n"
        "  --since, --until T  written since (before) an RFC 3339 time, or so long ago: 2h, 7d; "
        "not\n"
        "                      of a file\n"
        "  --offset P:N[-M]    offset N (to M) of partition P; repeats. Of a file: 0:LINE\n"
        "  --redriven          also those that were sent back already\n\n"
        "--output json: a JSON text a line.\n\n"
        "  leat dlq ls pipeline.json\n"
        "  leat dlq show --step streams.clean --count 3 pipeline.json\n"
        "  leat dlq redrive --error 'no such field' --since 2h --execute pipeline.json\n"
        "  leat dlq redrive --file dead.jsonl --kafka bootstrap.servers=k1:9092 --execute\n",
    .run = dlq_run,
};

/* --- output --- */

void dlq_print(dlq_work *work)
{
    (void)fwrite(work->out.data, 1, work->out.len, stdout);
    leat_buf_reset(&work->out);
}

void dlq_member(leat_buf *out, const char *name, leat_str text, bool first)
{
    leat_buf_add_format(out, "%s\"%s\":", first ? "" : ",", name);
    if (text.data == NULL || !leat_str_utf8_valid(text))
        leat_buf_add_text(out, "null");
    else
        leat_json_write_string(text, out);
}

void dlq_time(leat_buf *out, int64_t ms)
{
    if (ms == LEAT_TIME_NONE)
        leat_buf_add_char(out, '-');
    else
        leat_time_format(leat_value_timestamp_of_ms(ms), out);
}

/* --- filters --- */

static leat_code read_time(const leat_flag *flag, int64_t *ms, leat_err *err)
{
    leat_value value;
    if (flag->count == 0) return LEAT_OK;
    leat_str text = leat_str_of(leat_flag_text(flag, ""));
    if (leat_time_parse(text, &value, err) == LEAT_OK) {
        *ms = leat_value_timestamp_ms(value);
        return LEAT_OK;
    }
    int64_t ago = 0;
    if (leat_time_config(text, &ago, err) != LEAT_OK)
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "--%s %.*s: write an RFC 3339 time, or how long ago, as 2h or 7d",
                            flag->name, LEAT_STR_ARG(text));
    *ms = leat_clock_wall_ms() - ago;
    return LEAT_OK;
}

/* P:N or P:N-M */
static bool read_range(const char *text, struct leat_dlq_range *range)
{
    char *end;
    errno = 0; /* beyond 64 bits there is no offset */
    long long partition = strtoll(text, &end, 10);
    if (end == text || *end != ':' || partition < 0 || partition > INT32_MAX) return false;
    const char *from = end + 1;
    range->partition = (int32_t)partition;
    range->from = range->to = strtoll(from, &end, 10);
    if (end == from || range->from < 0) return false;
    if (*end == '\0') return errno == 0;
    const char *to = end + 1;
    if (*end != '-') return false;
    range->to = strtoll(to, &end, 10);
    return end != to && *end == '\0' && errno == 0 && range->to >= range->from;
}

static leat_code read_filter(const leat_flag *flags, leat_dlq_filter *filter, leat_err *err)
{
    filter->step = leat_str_of(leat_flag_text(&flags[DLQ_STEP], NULL));
    filter->error = leat_str_of(leat_flag_text(&flags[DLQ_ERROR], NULL));
    filter->code = leat_str_of(leat_flag_text(&flags[DLQ_CODE], NULL));
    filter->redriven = flags[DLQ_REDRIVEN].count > 0;
    LEAT_TRY(read_time(&flags[DLQ_SINCE], &filter->since_ms, err));
    LEAT_TRY(read_time(&flags[DLQ_UNTIL], &filter->until_ms, err));
    if (flags[DLQ_OFFSET].count > LEAT_DLQ_RANGES_MAX)
        return leat_err_set(err, LEAT_ERR_CONFIG, "--offset: at most %d ranges",
                            LEAT_DLQ_RANGES_MAX);
    for (size_t i = 0; i < flags[DLQ_OFFSET].count; i++)
        if (!read_range(flags[DLQ_OFFSET].values[i], &filter->ranges[filter->ranges_count++]))
            return leat_err_set(err, LEAT_ERR_CONFIG,
                                "--offset %s: write PARTITION:OFFSET, or PARTITION:FROM-TO",
                                flags[DLQ_OFFSET].values[i]);
    return LEAT_OK;
}

/* --- where the letters are --- */

static void speak(void *context, int level, const char *facility, const char *text)
{
    (void)context;
    if (level >= LEAT_LEVEL_WARN) leat_cli_say("%s: %s", facility, text);
}

/* A place, found in a pipeline or given by flags. */
typedef struct place {
    leat_loaded loaded;
    leat_property *properties;
    size_t properties_count;
    leat_str topic;
    const char *file;
    leat_log *log;
} place;

static leat_code read_kafka(place *at, const leat_flag *kafka, leat_err *err)
{
    at->properties = leat_mem_need((kafka->count + 1) * sizeof *at->properties);
    for (size_t i = 0; i < kafka->count; i++) {
        const char *equals = strchr(kafka->values[i], '=');
        if (equals == NULL)
            return leat_err_set(err, LEAT_ERR_CONFIG, "--kafka %s: not KEY=VALUE",
                                kafka->values[i]);
        at->properties[i].name = (leat_str){kafka->values[i], (size_t)(equals - kafka->values[i])};
        at->properties[i].value = leat_str_of(equals + 1);
        at->properties_count++;
    }
    return LEAT_OK;
}

static leat_code place_of_flags(place *at, const leat_flag *flags, leat_err *err)
{
    if (flags[DLQ_FILE].count + flags[DLQ_TOPIC].count != 1)
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "which dead letters? name a pipeline file, or --topic and --kafka, or "
                            "--file");
    if (flags[DLQ_FILE].count > 0)
        at->file = leat_flag_text(&flags[DLQ_FILE], "");
    else
        at->topic = leat_str_of(leat_flag_text(&flags[DLQ_TOPIC], ""));
    return read_kafka(at, &flags[DLQ_KAFKA], err);
}

static leat_code place_of_pipeline(place *at, const char *file, const leat_flag *flags,
                                   leat_err *err)
{
    if (flags[DLQ_FILE].count + flags[DLQ_TOPIC].count + flags[DLQ_KAFKA].count > 0)
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "%s says where the letters are: --file, --topic and --kafka are for "
                            "letters without a pipeline",
                            file);
    LEAT_TRY(leat_cli_load(file, &flags[DLQ_SET], LEAT_PURPOSE_USE, true, NULL, &at->loaded, err));
    const leat_plan *plan = at->loaded.plan;
    if (plan == NULL)
        return leat_err_set(err, LEAT_ERR_CONFIG, "%s: %zu mistake(s), see above", file,
                            at->loaded.errors);
    const leat_sink *sink = plan->dead_letter;
    if (sink == NULL || (sink->kind != LEAT_SINK_TOPIC && sink->kind != LEAT_SINK_FILE))
        return leat_err_set(err, LEAT_ERR_CONFIG, "%s: 'dead_letter' is neither a topic nor a file",
                            file);
    if (sink->kind == LEAT_SINK_FILE) {
        at->file = leat_arena_copy(at->loaded.arena, sink->topic).data;
        if (at->file == NULL) return leat_arena_full(at->loaded.arena, err);
    } else {
        at->topic = sink->topic;
    }
    size_t count = plan->kafka_count + sink->settings_count;
    at->properties = leat_mem_need((count + 1) * sizeof *at->properties);
    for (size_t i = 0; i < plan->kafka_count; i++)
        at->properties[at->properties_count++] = plan->kafka[i];
    for (size_t i = 0; i < sink->settings_count; i++)
        at->properties[at->properties_count++] = sink->settings[i];
    return LEAT_OK;
}

static leat_code open_log(place *at, leat_err *err)
{
    leat_log_config config = {.properties = at->properties,
                              .properties_count = at->properties_count,
                              .client_id = "leat-dlq",
                              .speak = speak};
    return leat_log_kafka.open(&config, &at->log, err);
}

static leat_code open_file(place *at, dlq_work *work, bool sending, leat_err *err)
{
    const leat_flag *to_file = &work->flags[DLQ_TO_FILE];
    if (work->flags[DLQ_SINCE].count + work->flags[DLQ_UNTIL].count > 0)
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "letters in a file do not say when they were written: --since and "
                            "--until cannot be asked for");
    if (to_file->count > 0 && work->flags[DLQ_TO].count > 0)
        return leat_err_set(err, LEAT_ERR_CONFIG, "only one of --to, --to-file can be given");
    LEAT_TRY(leat_dlq_open_file(at->file, sending, &work->dlq, err));
    if (to_file->count > 0) return leat_dlq_to_file(work->dlq, leat_flag_text(to_file, ""), err);
    if (!sending || at->properties_count == 0) return LEAT_OK;
    LEAT_TRY(open_log(at, err));
    leat_dlq_to_log(work->dlq, &leat_log_kafka, at->log);
    return LEAT_OK;
}

static leat_code open_place(place *at, dlq_work *work, bool sending, leat_err *err)
{
    if (at->file != NULL) return open_file(at, work, sending, err);
    if (work->flags[DLQ_TO_FILE].count > 0)
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "--to-file is for letters in a file; those of a topic go to a topic");
    work->topic = at->topic;
    LEAT_TRY(open_log(at, err));
    return leat_dlq_open_topic(&leat_log_kafka, at->log, at->topic, sending, &work->dlq, err);
}

/* --- the command --- */

static const struct {
    const char *name;
    leat_code (*run)(dlq_work *work, int *exit_code, leat_err *err);
} commands[] = {{"ls", dlq_ls}, {"show", dlq_show}, {"redrive", dlq_redrive}};
#define COMMANDS_COUNT (sizeof commands / sizeof commands[0])

/* True: there was some. */
static bool say_damage(const leat_dlq *dlq)
{
    const char *first = NULL;
    uint64_t count = dlq != NULL ? leat_dlq_damaged(dlq, &first) : 0;
    if (count > 0)
        leat_cli_say("%llu line(s) are no dead letters and were passed over; the first: %s",
                     (unsigned long long)count, first);
    return count > 0;
}

static int run_command(size_t command, const char *pipeline, leat_flag *flags)
{
    place at = {0};
    leat_err err;
    int exit_code = LEAT_EXIT_OK;
    bool executes = flags[DLQ_EXECUTE].count > 0 && commands[command].run == dlq_redrive;
    dlq_work work = {.flags = flags,
                     .json = strcmp(leat_flag_text(&flags[DLQ_OUTPUT], "text"), "json") == 0};
    leat_buf_init(&work.out, (size_t)1 << 30);
    leat_code code = read_filter(flags, &work.filter, &err);
    if (code == LEAT_OK)
        code = pipeline != NULL ? place_of_pipeline(&at, pipeline, flags, &err)
                                : place_of_flags(&at, flags, &err);
    if (code == LEAT_OK) code = open_place(&at, &work, executes, &err);
    if (code == LEAT_OK) code = commands[command].run(&work, &exit_code, &err);
    if (code == LEAT_OK) dlq_print(&work);
    if (code == LEAT_OK && (fflush(stdout) != 0 || ferror(stdout)))
        code = leat_err_set(&err, LEAT_ERR_IO, "cannot write to stdout: %s", strerror(errno));
    if (code == LEAT_OK && say_damage(work.dlq) && exit_code == LEAT_EXIT_OK)
        exit_code = LEAT_EXIT_FINDINGS;
    leat_dlq_close(&work.dlq);
    if (at.log != NULL) leat_log_kafka.close(&at.log);
    leat_mem_free(at.properties);
    leat_cli_unload(&at.loaded);
    leat_buf_release(&work.out);
    if (code == LEAT_OK) return exit_code;
    leat_cli_say("%s", err.text);
    return leat_exit_code(code);
}

static int dlq_run(int argc, char **argv)
{
    leat_flag flags[DLQ_FLAGS] = {
        [DLQ_SET] = {.name = "set", .takes_value = true, .repeats = true},
        [DLQ_TOPIC] = {.name = "topic", .takes_value = true},
        [DLQ_KAFKA] = {.name = "kafka", .takes_value = true, .repeats = true},
        [DLQ_FILE] = {.name = "file", .takes_value = true},
        [DLQ_STEP] = {.name = "step", .takes_value = true},
        [DLQ_ERROR] = {.name = "error", .takes_value = true},
        [DLQ_CODE] = {.name = "code", .takes_value = true},
        [DLQ_SINCE] = {.name = "since", .takes_value = true},
        [DLQ_UNTIL] = {.name = "until", .takes_value = true},
        [DLQ_OFFSET] = {.name = "offset", .takes_value = true, .repeats = true},
        [DLQ_REDRIVEN] = {.name = "redriven"},
        [DLQ_OUTPUT] = {.name = "output", .takes_value = true},
        [DLQ_COUNT] = {.name = "count", .takes_value = true},
        [DLQ_TO] = {.name = "to", .takes_value = true},
        [DLQ_TO_FILE] = {.name = "to-file", .takes_value = true},
        [DLQ_MASKED] = {.name = "masked"},
        [DLQ_UNSETTLED] = {.name = "unsettled"},
        [DLQ_EXECUTE] = {.name = "execute"}};
    leat_arguments arguments;
    int exit_code = LEAT_EXIT_USAGE;
    size_t command = 0;
    if (!leat_flags_parse(&leat_command_dlq, argc, argv, flags, DLQ_FLAGS, &arguments)) goto out;
    const char *name = arguments.count > 0 ? arguments.positional[0] : "";
    while (command < COMMANDS_COUNT && strcmp(name, commands[command].name) != 0)
        command++;
    if (command == COMMANDS_COUNT || arguments.count > 2) {
        leat_cli_say("dlq ls, show or redrive? see 'leat dlq --help'");
        goto out;
    }
    exit_code = run_command(command, arguments.count > 1 ? arguments.positional[1] : NULL, flags);
out:
    leat_flags_release(flags, DLQ_FLAGS, &arguments);
    return exit_code;
}
