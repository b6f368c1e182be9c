/* SPDX-License-Identifier: Apache-2.0 */
/* leat version: this program and the libraries that it runs with.
 *
 * The version of librdkafka is that of the library at run time, not of its header: it decides which
 * of its known faults have to be worked around, so it is the first thing to know of a report. */
#include <stdio.h>
#include <string.h>

#include "worker/cli.h"
#include "worker/log_kafka.h"

#ifndef LEAT_VERSION
#define LEAT_VERSION "0.1.0"
#endif

static int version_run(int argc, char **argv);

const leat_command leat_command_version = {
    .name = "version",
    .summary = "this program's version and its libraries'",
    .help = "usage: leat version [--output json]\n",
    .run = version_run,
};

static int version_run(int argc, char **argv)
{
    leat_flag flags[] = {{.name = "output", .takes_value = true}};
    leat_arguments arguments;
    int exit_code = LEAT_EXIT_USAGE;
    if (!leat_flags_parse(&leat_command_version, argc, argv, flags, 1, &arguments)) goto out;
    if (strcmp(leat_flag_text(&flags[0], "text"), "json") == 0) {
        printf("{\"leat\":\"%s\",\"librdkafka\":\"%s\"}\n", LEAT_VERSION, leat_log_kafka_version());
    } else {
        printf("leat %s (librdkafka %s)\n", LEAT_VERSION, leat_log_kafka_version());
    }
    exit_code = LEAT_EXIT_OK;
out:
    leat_flags_release(flags, 1, &arguments);
    return exit_code;
}
