/* SPDX-License-Identifier: Apache-2.0 */
/* One record in, what comes out. Each case is a stream with these steps. */
#ifndef LEAT_TESTS_UNIT_STEPS_HARNESS_H
#define LEAT_TESTS_UNIT_STEPS_HARNESS_H

#include "tests/unit/exec_harness.h"

#define STEPS_PIPELINE                                                                             \
    "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\",\"format\":\"json\"}},"                  \
    "\"streams\":{\"t\":{\"from\":\"s\",\"steps\":%s,\"to\":\"out\"}},"                            \
    "\"mask\":{\"key\":\"Jefe\",\"key_id\":\"1\"},\"dead_letter\":{\"topic\":\"dead\"}}"

typedef struct step_case {
    const char *name, *steps, *input, *want;
} step_case;

static inline void run_cases(const step_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        test_bed bed;
        char text[8192];
        (void)snprintf(text, sizeof text, STEPS_PIPELINE, cases[i].steps);
        bed_open(&bed, text);
        bed_send(&bed, cases[i].input);
        leat_buf_add_char(&bed.out, '\0');
        cr_expect_str_eq(bed.out.data, cases[i].want, "%s:\ngot  %swant %s", cases[i].name,
                         bed.out.data, cases[i].want);
        bed_close(&bed);
    }
}
#define RUN(cases) run_cases(cases, sizeof(cases) / sizeof(cases)[0])

#endif
