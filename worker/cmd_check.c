/* SPDX-License-Identifier: Apache-2.0 */
/* leat check: every mistake of pipelines and their patterns at once, without touching Kafka.
 *
 * It is the planner that checks; here its findings become lines for people or one JSON list for
 * editors, over all files of the command line. What only the machine of production has (variables,
 * secret files) is a warning, so that a pipeline can be checked anywhere. */
#include <stdio.h>

#include "worker/cli.h"

static int check_run(int argc, char **argv);

const leat_command leat_command_check = {
    .name = "check",
    .summary = "find every mistake in pipeline files",
    .help = "usage: leat check [--set PATH=VALUE]... [--output json] PIPELINE...\n\n"
            "Reads each pipeline and the patterns it names, and reports every mistake with file, "
            "line,\n"
            "column and what was probably meant. Nothing is run, and Kafka is not asked; a schema "
            "registry is,\n"
            "where a step names a schema by its subject.\n\n"
            "  --set PATH=VALUE   check with this value in place of the file's\n"
            "  --output json      a list of {severity, file, path, line, column, message, "
            "suggestion}\n"
            "                     on stdout; severity: error or warning\n\n"
            "An unset environment variable, a secret file that is not here, or a registry that "
            "cannot\n"
            "be reached is only a warning.\n"
            "Exit code: 0 nothing wrong (warnings may have been printed), 1 mistakes, 2 usage.\n\n"
            "  leat check examples/*/pipeline.json\n"
            "  leat check --set kafka.bootstrap.servers=localhost:9092 pipeline.json\n",
    .run = check_run,
};

/* *first: nothing has been printed yet. */
static int check_one(const char *file, const leat_flag *set, bool json, bool *first)
{
    leat_loaded loaded;
    leat_findings findings = {0};
    leat_err err;
    leat_code code = leat_cli_load(file, set, LEAT_PURPOSE_CHECK, !json, &findings, &loaded, &err);
    int exit_code = loaded.errors > 0 ? LEAT_EXIT_FINDINGS : LEAT_EXIT_OK;
    leat_buf out;
    leat_buf_init(&out, (size_t)64 << 20);
    if (code != LEAT_OK) {
        exit_code = LEAT_EXIT_FINDINGS;
        leat_findings_init(&findings, loaded.arena);
        if (loaded.arena != NULL && json)
            leat_findings_add(&findings, NULL, false, "%s", err.text)->file = leat_str_of(file);
        if (!json) leat_cli_say("%s", err.text);
    }
    if (json) {
        leat_findings_print(&findings, true, &out);
        /* One list for all files: the brackets of each are taken off. */
        leat_str list = leat_buf_str(&out);
        while (list.len > 0 && (list.data[list.len - 1] == '\n' || list.data[list.len - 1] == ' '))
            list.len--;
        if (list.len > 2 && !*first) fputs(",", stdout);
        if (list.len > 2) fwrite(list.data + 1, 1, list.len - 2, stdout);
        *first = *first && list.len <= 2;
    }
    leat_buf_release(&out);
    leat_cli_unload(&loaded);
    return exit_code;
}

static int check_run(int argc, char **argv)
{
    leat_flag flags[] = {{.name = "set", .takes_value = true, .repeats = true},
                         {.name = "output", .takes_value = true}};
    leat_arguments arguments;
    int exit_code = LEAT_EXIT_USAGE;
    if (!leat_flags_parse(&leat_command_check, argc, argv, flags, 2, &arguments)) goto out;
    bool json = leat_str_is(leat_str_of(leat_flag_text(&flags[1], "text")), "json");
    if (arguments.count == 0) {
        leat_cli_say("check what? name a pipeline file");
        goto out;
    }
    exit_code = LEAT_EXIT_OK;
    if (json) fputs("[", stdout);
    bool first = true;
    for (size_t i = 0; i < arguments.count; i++) {
        int one = check_one(arguments.positional[i], &flags[0], json, &first);
        if (one != LEAT_EXIT_OK) {
            exit_code = one;
        } else if (!json) {
            leat_cli_say("%s: nothing wrong", arguments.positional[i]);
        }
    }
    if (json) fputs("]\n", stdout);
out:
    leat_flags_release(flags, 2, &arguments);
    return exit_code;
}
