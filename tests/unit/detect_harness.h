/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines of one detect, for its unit tests. */
#ifndef LEAT_TESTS_UNIT_DETECT_HARNESS_H
#define LEAT_TESTS_UNIT_DETECT_HARNESS_H

#include "cep/op_detect.h"
#include "tests/unit/exec_harness.h"

#define PIPELINE(source, steps)                                                                    \
    "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\",\"timestamp\":\"t\"" source "}},"        \
    "\"streams\":{\"a\":{\"from\":\"s\",\"steps\":[" steps "],\"to\":\"out\"}},"                   \
    "\"dead_letter\":{\"topic\":\"dead\"}}"
#define DETECT(more, patterns) "{\"detect\":{\"patterns\":[" patterns "]" more "}}"
#define PATTERN(name, more, steps)                                                                 \
    "{\"name\":\"" name "\",\"events\":false" more ",\"steps\":[" steps "]}"
#define AB                                                                                         \
    "{\"name\":\"a\",\"where\":\"v == 1\"},{\"name\":\"b\",\"where\":\"v == 2 && w > "             \
    "last(a).w\"}"
#define EMIT ",\"emit\":{\"n\":\"size(a) + size(b)\"}"

static inline void open_detect(test_bed *bed, const char *text)
{
    bed_open_with(bed, text, &leat_operator_detect);
}

#endif
