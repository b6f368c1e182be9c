/* SPDX-License-Identifier: Apache-2.0 */
/* Texts with a structure as values: key=value pairs, a line of CSV, a URL. Everything that comes
 * out is text (a port is an int); what has no escapes is borrowed from the text, the rest lives in
 * the arena. Mistakes are LEAT_ERR_SYNTAX with the place in words. Thread: any. Cost: linear. */
#ifndef LEAT_TRANSFORMS_PARSE_TEXT_H
#define LEAT_TRANSFORMS_PARSE_TEXT_H

#include "core/arena.h"
#include "core/err.h"
#include "core/value.h"

#define LEAT_PARSE_FIELDS_MAX 10000

/* between: what separates pairs (a single blank stands for any white space); equals: key from
 * value. A value may be in double quotes, with \" \\ \n \t inside. Of a key that comes twice the
 * last counts. A MAP. */
leat_code leat_parse_pairs(leat_str text, leat_str between, leat_str equals, leat_arena *arena,
                           leat_value *value, leat_err *err) LEAT_CHECKED;
/* RFC 4180: one line, fields in double quotes where they need it. names count 0: a LIST; else a
 * MAP, and it is a mistake to have more or fewer fields. */
leat_code leat_parse_csv(leat_str text, char delimiter, const leat_str *names, size_t names_count,
                         leat_arena *arena, leat_value *value, leat_err *err) LEAT_CHECKED;
/* A MAP of those that are there: scheme, user, password, host, port, path, query (a MAP, decoded),
 * fragment. */
leat_code leat_parse_url(leat_str text, leat_arena *arena, leat_value *value,
                         leat_err *err) LEAT_CHECKED;

#endif
