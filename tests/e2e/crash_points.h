/* SPDX-License-Identifier: Apache-2.0 */
/* Where probe_log dies, or runs a command first: see crash_points.c. */
#ifndef LEAT_TESTS_E2E_CRASH_POINTS_H
#define LEAT_TESTS_E2E_CRASH_POINTS_H

/* CALL:N:before|after|command; what is none of them ends the process (2). The text is kept, and
 * changed. */
void crash_points_plan(char *text);

#endif
