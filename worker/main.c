/* SPDX-License-Identifier: Apache-2.0 */
/* `leat`: one program, a few commands. Each is a file cmd_NAME.c; this one finds it by name.
 *
 * The first argument is the command, the rest is the command's. What is misspelt gets the nearest
 * name. Exit codes are those of pipeline.h, for all commands, so that a supervisor can tell a
 * broken configuration (do not restart) from a broker that is away (do). */
#include <stdio.h>
#include <string.h>

#include "worker/cli.h"

static const leat_command *const commands[] = {
    &leat_command_run,    &leat_command_check,   &leat_command_explain,  &leat_command_graph,
    &leat_command_eval,   &leat_command_dev,     &leat_command_generate, &leat_command_dlq,
    &leat_command_manual, &leat_command_version,
};
#define COMMANDS_COUNT (sizeof commands / sizeof commands[0])

static void print_help(FILE *out)
{
    fputs("Leat: pipelines and patterns over Kafka, in JSON.\n\n"
          "usage: leat COMMAND [ARGUMENTS]\n\n",
          out);
    for (size_t i = 0; i < COMMANDS_COUNT; i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs(
        "\n'leat COMMAND --help' tells more, with examples.\n\n"
        "Exit codes: 0 done, 1 findings, 2 usage, 69 Kafka cannot be reached, 70 internal error,\n"
        "74 state or output damaged, 77 not authorised, 78 bad configuration.\n",
        out);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return LEAT_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return LEAT_EXIT_OK;
    }
    if (strcmp(name, "--version") == 0) name = "version";
    leat_str names[COMMANDS_COUNT];
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        if (strcmp(name, commands[i]->name) == 0) return commands[i]->run(argc - 1, argv + 1);
        names[i] = leat_str_of(commands[i]->name);
    }
    leat_str nearest = leat_str_nearest(leat_str_of(name), names, COMMANDS_COUNT);
    if (nearest.data != NULL) {
        leat_cli_say("there is no command '%s'; did you mean '%.*s'?", name, LEAT_STR_ARG(nearest));
    } else {
        leat_cli_say("there is no command '%s'; see 'leat --help'", name);
    }
    return LEAT_EXIT_USAGE;
}
