/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: `leat COMMAND ...`. Each command is one cmd_NAME.c with its help; this is what
 * they share. Data goes to stdout, words to stderr. Thread: the main one. */
#ifndef LEAT_WORKER_CLI_H
#define LEAT_WORKER_CLI_H

#include "transforms/plan.h"
#include "worker/config.h"
#include "worker/pipeline.h"

typedef struct leat_command {
    const char *name;
    const char *summary;               /* one line */
    const char *help;                  /* the whole of --help */
    int (*run)(int argc, char **argv); /* argv[0]: the command's name; the exit code */
} leat_command;

extern const leat_command leat_command_run, leat_command_check, leat_command_dev,
    leat_command_generate, leat_command_eval, leat_command_dlq, leat_command_manual,
    leat_command_version, leat_command_graph, leat_command_explain;

/* An option `--name VALUE` or `--name=VALUE` (takes_value) or `--name`, anywhere among the
 * arguments. Commands give a table; what is left are the positional arguments. */
typedef struct leat_flag {
    const char *name; /* without dashes */
    bool takes_value;
    bool repeats; /* values pile up */
    /* Results. */
    const char **values; /* owned by leat_flags_release */
    size_t count;
} leat_flag;

typedef struct leat_arguments {
    const char **positional; /* owned by leat_flags_release */
    size_t count;
} leat_arguments;

/* False: wrong usage, said on stderr. --help prints the command's help and exits with 0. */
bool leat_flags_parse(const leat_command *command, int argc, char **argv, leat_flag *flags,
                      size_t flags_count, leat_arguments *arguments);
void leat_flags_release(leat_flag *flags, size_t flags_count, leat_arguments *arguments);
const char *leat_flag_text(const leat_flag *flag, const char *fallback);
/* False: not a whole number within min..max, said on stderr. */
bool leat_flag_int(const leat_flag *flag, int64_t fallback, int64_t min, int64_t max,
                   int64_t *value);

/* A pipeline file, read and planned. Findings are printed on stderr (unless json: then on stdout).
 * *plan NULL: there were errors. */
typedef struct leat_loaded {
    leat_arena *arena;
    leat_plan *plan;
    size_t findings, errors;
} leat_loaded;
leat_code leat_cli_load(const char *file, const leat_flag *set, leat_purpose purpose, bool print,
                        leat_findings *into, leat_loaded *loaded, leat_err *err) LEAT_CHECKED;
void leat_cli_unload(leat_loaded *loaded);

/* Signals: the first SIGTERM or SIGINT sets the flag, a second ends the process at once. */
void leat_cli_signals(void);
bool leat_cli_stopped(void);
/* Sleeps until a signal comes or ms have passed. */
void leat_cli_wait(int64_t ms);

/* One line on stderr: "leat: text". */
void leat_cli_say(const char *format, ...) LEAT_PRINTF(1, 2);

#endif
