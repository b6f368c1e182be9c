/* SPDX-License-Identifier: Apache-2.0 */
/* Format cloudevents: how a sink writes events, and whether it makes them.
 *
 * A source needs no settings: each message says itself whether it is binary or structured. Files
 * have no headers, so that events in them are structured, one a line.
 * Refused: attributes by expressions. A `set` step in front says the same, and is checked alike. */
#include "schemas/codec_cloudevents.h"
#include "transforms/format.h"

typedef struct events_options {
    int mode;
    leat_str type, source;
} events_options;

static const leat_option options[] = {
    {.name = "mode",
     .type = LEAT_OPTION_ENUM,
     .offset = offsetof(events_options, mode),
     .choices = "binary|structured",
     .doc = "How a sink writes: attributes in headers, or all in one JSON text. Default: `binary`; "
            "in files `structured`."},
    {.name = "type",
     .type = LEAT_OPTION_STRING,
     .offset = offsetof(events_options, type),
     .doc = "Of a sink, with `source`: records become the `data` of events of this type."},
    {.name = "source",
     .type = LEAT_OPTION_STRING,
     .offset = offsetof(events_options, source),
     .doc = "Of a sink, with `type`: where the events come from, a URI reference such as "
            "`/shop/orders`."},
};
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

static bool events_plan(leat_planner *planner, const leat_node *node, const leat_node *given,
                        leat_format_site *site)
{
    events_options read = {0};
    leat_findings *findings = leat_planner_findings(planner);
    LEAT_ASSERT(site->codec == NULL);
    if (!leat_options_read(options, OPTIONS_COUNT, given, &read, findings)) return false;
    bool moded = given != NULL && leat_node_member(given, "mode") != NULL;
    const leat_node *at = given != NULL ? given : node;
    if (!site->sink && (moded || read.type.data != NULL || read.source.data != NULL)) {
        leat_findings_add(findings, at, false,
                          "a source has no settings here: each message says itself what it is");
        return false;
    }
    if (site->sink && (read.type.len > 0) != (read.source.len > 0)) {
        leat_findings_add(findings, at, false, "'type' and 'source' go together");
        return false;
    }
    if (site->files && moded && read.mode == 0) {
        leat_findings_add(findings, leat_node_member(given, "mode"), false,
                          "files have no headers: write \"structured\"");
        return false;
    }
    leat_cloudevents_codec *codec = leat_planner_alloc(planner, sizeof *codec);
    *codec = (leat_cloudevents_codec){.codec = {&leat_codec_cloudevents},
                                      .structured = site->files || read.mode == 1};
    if (read.type.len > 0) {
        codec->type = read.type;
        codec->source = read.source;
    }
    site->codec = &codec->codec;
    return true;
}

const leat_format_type leat_format_cloudevents = {
    .name = "cloudevents",
    .doc =
        "CloudEvents 1.0 over Kafka. A record is the event as its JSON format has it, whether it "
        "came in binary mode (attributes in `ce_` headers) or structured "
        "(`application/cloudevents+json`): `type`, `source`, `id` ..., and `data`, so that "
        "`data.amount > 10.0` reads the payload. A sink writes records that are events; with "
        "`type` and `source`, it makes each record the data of an event, with an id that is the "
        "same in every run.",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .plan = events_plan,
};
