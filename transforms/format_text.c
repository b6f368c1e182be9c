/* SPDX-License-Identifier: Apache-2.0 */
/* Formats text and raw: one setting, the name of the field.
 *
 * They differ in the field's type, which is all that the checker needs to know: a string, or bytes.
 * Refused: a format `bytes` whose record is the value itself, without a field. Every step
 * names fields, so that a record without any could only be passed on. */
#include "schemas/codec_text.h"
#include "transforms/format.h"

typedef struct text_options {
    leat_str field;
} text_options;

static const leat_option options[] = {
    {.name = "field",
     .type = LEAT_OPTION_STRING,
     .offset = offsetof(text_options, field),
     .fallback = "value",
     .doc = "Name of the record's field that is the payload."},
};
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

static bool plan_one(leat_planner *planner, const leat_node *node, const leat_node *given,
                     leat_format_site *site, const leat_codec_type *type, const char *cel)
{
    LEAT_ASSERT(site->codec == NULL && type != NULL);
    text_options read = {0};
    leat_findings *findings = leat_planner_findings(planner);
    if (!leat_options_read(options, OPTIONS_COUNT, given, &read, findings)) return false;
    if (read.field.len == 0 || !leat_str_utf8_valid(read.field)) {
        leat_findings_add(findings, given != NULL ? given : node, false, "'field' must be a name");
        return false;
    }
    leat_text_codec *codec = leat_planner_alloc(planner, sizeof *codec);
    leat_known_field *known = leat_planner_alloc(planner, sizeof *known);
    *codec = (leat_text_codec){.codec = {type}, .field = read.field};
    *known = (leat_known_field){.name = read.field, .type = cel};
    site->codec = &codec->codec;
    site->known = known;
    site->known_count = 1;
    return true;
}

static bool text_plan(leat_planner *planner, const leat_node *node, const leat_node *given,
                      leat_format_site *site)
{
    return plan_one(planner, node, given, site, &leat_codec_text_type, "string");
}

static bool raw_plan(leat_planner *planner, const leat_node *node, const leat_node *given,
                     leat_format_site *site)
{
    return plan_one(planner, node, given, site, &leat_codec_raw_type, "bytes");
}

const leat_format_type leat_format_text = {
    .name = "text",
    .doc = "The payload (of a file: each line, also an empty one) is one string field: "
           "`{\"value\": \"GET / 200\"}`. A sink writes that field alone: a string as it is, other "
           "values as JSON. A payload that is not UTF-8 is a dead letter.",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .plan = text_plan,
};

const leat_format_type leat_format_raw = {
    .name = "raw",
    .doc = "The payload is one field of bytes, base64 where a record is JSON, bytes in "
           "expressions. A sink writes the bytes of that field, or those that its base64 text "
           "stands for.",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .plan = raw_plan,
};
