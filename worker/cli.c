/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands share: flags, loading a pipeline, signals.
 *
 * Flags may stand before and after the file, as people write them; getopt_long would do, but it
 * knows nothing of repeated values and prints messages of its own style. Signals are blocked in all
 * threads and taken by sigtimedwait in the main one, so nothing runs in a handler. */
#include "worker/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"

#define PLAN_BYTES_MAX     ((size_t)1 << 30) /* 10,000 patterns: a quarter of it */
#define PIPELINE_BYTES_MAX ((size_t)16 << 20)

void leat_cli_say(const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "leat: %s\n", text);
}

/* --- flags --- */

static leat_flag *find_flag(leat_flag *flags, size_t count, leat_str name)
{
    for (size_t i = 0; i < count; i++)
        if (leat_str_is(name, flags[i].name)) return &flags[i];
    return NULL;
}

static bool unknown_flag(const leat_command *command, const leat_flag *flags, size_t count,
                         leat_str name)
{
    leat_str names[32];
    LEAT_ASSERT(count <= 32);
    for (size_t i = 0; i < count; i++)
        names[i] = leat_str_of(flags[i].name);
    leat_str nearest = leat_str_nearest(name, names, count);
    if (nearest.data != NULL) {
        leat_cli_say("%s has no --%.*s; did you mean --%.*s?", command->name, LEAT_STR_ARG(name),
                     LEAT_STR_ARG(nearest));
    } else {
        leat_cli_say("%s has no --%.*s; see 'leat %s --help'", command->name, LEAT_STR_ARG(name),
                     command->name);
    }
    return false;
}

static void add_value(leat_flag *flag, const char *value)
{
    const char **values = leat_mem_need((flag->count + 1) * sizeof *values);
    if (flag->count > 0) memcpy(values, flag->values, flag->count * sizeof *values);
    leat_mem_free(flag->values);
    flag->values = values;
    flag->values[flag->count++] = value;
}

static bool take_flag(const leat_command *command, leat_flag *flags, size_t count, int argc,
                      char **argv, int *at)
{
    const char *text = argv[*at] + 2;
    const char *equals = strchr(text, '=');
    leat_str name = {text, equals == NULL ? strlen(text) : (size_t)(equals - text)};
    leat_flag *flag = find_flag(flags, count, name);
    if (flag == NULL) return unknown_flag(command, flags, count, name);
    const char *value = equals == NULL ? NULL : equals + 1;
    if (!flag->takes_value && value != NULL) {
        leat_cli_say("--%s takes no value", flag->name);
        return false;
    }
    if (flag->takes_value && value == NULL) {
        if (*at + 1 >= argc) {
            leat_cli_say("--%s needs a value", flag->name);
            return false;
        }
        value = argv[++*at];
    }
    if (flag->count > 0 && !flag->repeats) {
        leat_cli_say("--%s is given twice", flag->name);
        return false;
    }
    add_value(flag, value == NULL ? "" : value);
    return true;
}

bool leat_flags_parse(const leat_command *command, int argc, char **argv, leat_flag *flags,
                      size_t flags_count, leat_arguments *arguments)
{
    *arguments = (leat_arguments){leat_mem_need(((size_t)argc + 1) * sizeof(char *)), 0};
    bool plain = false;
    for (int i = 1; i < argc; i++) {
        if (!plain && strcmp(argv[i], "--") == 0) {
            plain = true;
        } else if (!plain && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            fputs(command->help, stdout);
            exit(LEAT_EXIT_OK);
        } else if (!plain && strncmp(argv[i], "--", 2) == 0) {
            if (!take_flag(command, flags, flags_count, argc, argv, &i)) return false;
        } else {
            arguments->positional[arguments->count++] = argv[i];
        }
    }
    return true;
}

void leat_flags_release(leat_flag *flags, size_t flags_count, leat_arguments *arguments)
{
    for (size_t i = 0; i < flags_count; i++)
        leat_mem_free(flags[i].values);
    leat_mem_free(arguments->positional);
}

const char *leat_flag_text(const leat_flag *flag, const char *fallback)
{
    return flag->count == 0 ? fallback : flag->values[flag->count - 1];
}

bool leat_flag_int(const leat_flag *flag, int64_t fallback, int64_t min, int64_t max,
                   int64_t *value)
{
    *value = fallback;
    if (flag->count == 0) return true;
    const char *text = leat_flag_text(flag, "");
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < min || number > max) {
        leat_cli_say("--%s %s: not a whole number from %lld to %lld", flag->name, text,
                     (long long)min, (long long)max);
        return false;
    }
    *value = number;
    return true;
}

/* --- pipelines --- */

leat_code leat_cli_load(const char *file, const leat_flag *set, leat_purpose purpose, bool print,
                        leat_findings *into, leat_loaded *loaded, leat_err *err)
{
    *loaded = (leat_loaded){0};
    LEAT_TRY(leat_arena_new(&loaded->arena, PLAN_BYTES_MAX, err));
    leat_str text;
    LEAT_TRY(leat_config_slurp(file, PIPELINE_BYTES_MAX, loaded->arena, &text, err));
    size_t count = set == NULL ? 0 : set->count;
    leat_str *overrides = leat_arena_zero(loaded->arena, (count + 1) * sizeof *overrides);
    if (overrides == NULL) return leat_arena_full(loaded->arena, err);
    for (size_t i = 0; i < count; i++)
        overrides[i] = leat_str_of(set->values[i]);
    leat_plan_env env;
    leat_config_env(file, overrides, count, purpose, loaded->arena, &env);
    leat_findings findings;
    leat_findings_init(&findings, loaded->arena);
    LEAT_TRY(
        leat_plan_new(text, leat_str_of(file), &env, loaded->arena, &findings, &loaded->plan, err));
    leat_findings_sort(&findings);
    loaded->findings = findings.count;
    loaded->errors = findings.errors;
    if (print && findings.count > 0) {
        leat_buf out;
        leat_buf_init(&out, (size_t)16 << 20);
        leat_findings_print(&findings, false, &out);
        fwrite(out.data, 1, out.len, stderr);
        leat_buf_release(&out);
    }
    if (into != NULL) *into = findings;
    if (findings.errors > 0) loaded->plan = NULL;
    return LEAT_OK;
}

void leat_cli_unload(leat_loaded *loaded)
{
    leat_arena_free(&loaded->arena);
}

/* --- signals --- */

static volatile sig_atomic_t stopped;

static void stop_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

void leat_cli_signals(void)
{
    sigset_t set;
    stop_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN); /* a closed stdout is an error of write, not the end of the process */
}

bool leat_cli_stopped(void)
{
    return stopped != 0;
}

void leat_cli_wait(int64_t ms)
{
    sigset_t set;
    stop_signals(&set);
    struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    int number = sigtimedwait(&set, NULL, &limit);
    if (number < 0) return;
    if (stopped) _exit(128 + number); /* the second: at once; the last commit stands */
    stopped = 1;
}
