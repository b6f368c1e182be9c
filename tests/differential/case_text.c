/* SPDX-License-Identifier: Apache-2.0 */
/* Cases as text, to be read by people and run again: the first line is the pattern, each further
 * line an event or a moment at which nothing but time happens. */
#include "schemas/codec_json.h"
#include "tests/differential/case.h"

const char *const diff_verdict_names[] = {
    [DIFF_SAME] = "same",       [DIFF_REFUSED] = "refused", [DIFF_PLAINLY] = "plainly",
    [DIFF_RECODED] = "recoded", [DIFF_CUT] = "cut",         [DIFF_SPARED] = "spared",
    [DIFF_PAUSED] = "paused",   [DIFF_BESIDE] = "beside",   [DIFF_RULES] = "rules",
    [DIFF_CRASHED] = "crashed",
};

leat_value diff_member(leat_value map, const char *name)
{
    for (uint32_t i = 0; map.tag == LEAT_MAP && i < map.len; i++)
        if (leat_str_is(leat_value_str(map.as.entries[i].key), name))
            return map.as.entries[i].value;
    return LEAT_VALUE_MISSING;
}

static void write_value(leat_value value, leat_arena *arena, leat_buf *out)
{
    leat_err err = {0};
    leat_code code = leat_json_write(value, arena, out, &err);
    LEAT_ASSERT(code == LEAT_OK);
}

void diff_write(const diff_case *c, leat_arena *arena, leat_buf *out)
{
    leat_buf_add_text(out, "{\"pattern\":");
    write_value(c->pattern, arena, out);
    leat_buf_add_format(out, ",\"timers\":%s}\n", c->timers ? "true" : "false");
    for (size_t i = 0; i < c->count; i++) {
        if (c->happenings[i].time_only)
            leat_buf_add_format(out, "{\"time\":%lld}", (long long)c->happenings[i].at_ms);
        else
            write_value(c->happenings[i].event, arena, out);
        leat_buf_add_char(out, '\n');
    }
}

bool diff_read(leat_str text, leat_arena *arena, diff_case *c)
{
    static const leat_json_limits limits = {100, 1u << 20};
    leat_err err = {0};
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    *c = (diff_case){.happenings = leat_arena_zero(arena, lines * sizeof *c->happenings)};
    LEAT_ASSERT(c->happenings != NULL);
    for (size_t from = 0, to = 0; from < text.len; from = to + 1) {
        leat_value line = LEAT_VALUE_NULL;
        for (to = from; to < text.len && text.data[to] != '\n';)
            to++;
        if (to == from) continue;
        if (leat_json_value(leat_str_slice(text, from, to), limits, arena, &line, &err) != LEAT_OK)
            return false;
        leat_value time = diff_member(line, "time");
        if (c->pattern.tag == LEAT_MISSING) {
            leat_value timers = diff_member(line, "timers");
            c->pattern = diff_member(line, "pattern");
            c->timers = timers.tag == LEAT_BOOL && timers.as.b;
            continue;
        }
        diff_happening *h = &c->happenings[c->count++];
        h->time_only = time.tag == LEAT_INT;
        h->event = line;
        h->at_ms = h->time_only ? time.as.i : diff_member(line, "ts").as.i;
    }
    return c->pattern.tag == LEAT_MAP;
}
