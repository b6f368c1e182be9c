/* SPDX-License-Identifier: Apache-2.0 */
/* A whole pipeline under the race detector: embedded log, generator, reader, and three shards that
 * share counters, sinks and the end of the run. The example has to end by itself, and well. */
#include <stdio.h>

#include "worker/cli.h"

int main(void)
{
    char texts[][64] = {"dev",          "examples/card-fraud/pipeline.json",
                        "--events",     "20000",
                        "--partitions", "5",
                        "--set",        "worker.threads=3",
                        "--quiet",      "--check"};
    char *arguments[sizeof texts / sizeof texts[0]];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        arguments[i] = texts[i];
    int count = (int)(sizeof arguments / sizeof arguments[0]);
    int code = leat_command_dev.run(count, arguments);
    printf("%d passed, %d failed\n", code == LEAT_EXIT_OK, code != LEAT_EXIT_OK);
    return code == LEAT_EXIT_OK ? 0 : 1;
}
