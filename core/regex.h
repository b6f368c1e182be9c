/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions of RE2: linear time. The only file that knows RE2 is regex.cc.
 * Thread: a compiled regex is immutable and may be used from any thread. */
#ifndef LEAT_CORE_REGEX_H
#define LEAT_CORE_REGEX_H

#include "core/err.h"
#include "core/str.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_regex leat_regex;

leat_code leat_regex_new(leat_regex **regex, leat_str pattern, leat_err *err) LEAT_CHECKED;
void leat_regex_free(leat_regex **regex);
/* Finds the leftmost match; groups[0] is the whole. A group that took no part has data NULL. */
bool leat_regex_find(const leat_regex *regex, leat_str text, leat_str *groups, size_t count);
/* The same from byte `from` on; what stands before still counts for ^ and \b. count <= 100. */
bool leat_regex_find_from(const leat_regex *regex, leat_str text, size_t from, leat_str *groups,
                          size_t count);
bool leat_regex_matches(const leat_regex *regex,
                        leat_str text);            /* unanchored, as CEL's matches() */
size_t leat_regex_groups(const leat_regex *regex); /* without group 0 */
leat_str leat_regex_group_name(const leat_regex *regex, size_t group); /* LEAT_STR_NONE: unnamed */

#ifdef __cplusplus
}
#endif
#endif
