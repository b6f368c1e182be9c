/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline as its users edit it. Some of its patterns are drawn to be edited in any way; to the
 * others only happens what must not touch their state: another place in the list, version or
 * severity, higher limits, steps around them.
 *
 *   kept    filter                                          what keeps no state, for every event
 *   found   [set] [filter] [dedupe] detect [set]            the patterns
 *   loose   detect    } streams that go and come back: what they held is as they left it, and what
 *   calm    throttle  } came meanwhile they have not seen
 *
 * `dedupe` is by id, and so takes nothing away. It does not come and go where outputs go out in
 * portions: records that wait between it and detect are dead letters when their fields change. */
#include "tests/sim/edits.h"

#include <string.h>

/* %u: what edits of the conditions change. Of two steps, so that what the one version has begun and
 * the other has ended is a match of neither. */
#define TAKES(name, kind, more)                                                                    \
    "{\"name\":\"" name "\",\"where\":\"kind == '" kind "' && amount %% 3 != %u\"" more "}"
#define ANY ",\"contiguity\":\"followed_by_any\""
/* clang-format off */
static const char *const pattern_steps[SIM_PATTERNS] = {
    TAKES("a", "a", "") ","
    "{\"name\":\"b\"" ANY ",\"where\":\"kind == 'b' && amount > last(a).amount\"},"
    TAKES("c", "c", ""),

    TAKES("a", "a", ",\"times\":{\"min\":1,\"max\":3},\"repeat\":\"followed_by_any\"") ","
    TAKES("c", "c", ANY),

    TAKES("a", "a", ",\"times\":{\"min\":2}") ","
    TAKES("none", "c", ",\"not\":true"),

    TAKES("b", "b", "") ","
    TAKES("c", "c", ",\"contiguity\":\"next\""),

    "{\"name\":\"a\",\"where\":\"amount %% 3 != %u && (size(a) == 0 || amount > last(a).amount)\","
    "\"times\":{\"min\":2},\"until\":\"kind == 'c'\"},"
    "{\"name\":\"b\",\"where\":\"kind == 'c' && amount %% 3 != %u && amount < first(a).amount\"}",

    "{\"times\":{\"min\":1,\"max\":3},\"steps\":["
    TAKES("a", "a", "") ","
    "{\"name\":\"b\",\"contiguity\":\"next\",\"where\":\"kind == 'b'\",\"optional\":true}]},"
    TAKES("c", "c", ""),

    TAKES("a", "a", "") ","
    TAKES("c", "c", ANY),

    TAKES("a", "a", ",\"times\":{\"min\":1},\"greedy\":true") ","
    "{\"name\":\"none\",\"not\":true,\"where\":\"amount > 95\"},"
    "{\"name\":\"b\",\"where\":\"kind == 'b' && amount %% 3 != %u && amount != last(a).amount\"}"};
/* clang-format on */

static const uint32_t pattern_within_ms[SIM_PATTERNS] = {2000, 1500, 500,  1000,
                                                         3000, 2000, 3000, 2500};
static const char *const skips[] = {"no_skip", "skip_past_last_event", "skip_to_next"};
static const char *const keys[] = {NULL, " key", "key + kind", ""}; /* two for one partition */
static const char *const orders[] = {NULL, "amount", "0 - amount"};
static const char *const limits[] = {NULL, "{\"partial_matches\":50000}", "{\"partial_matches\":2}",
                                     "{\"matches\":1}",
                                     "{\"partial_matches\":2,\"beyond\":\"drop_newest\"}"};

/* --- drawing --- */

typedef struct drawing {
    sim_random *random;
    uint32_t editable; /* bits of patterns */
    bool keyed;        /* any key will do */
    bool portions;
} drawing;

static uint8_t other_than(drawing *d, uint8_t now, uint32_t count)
{
    return (uint8_t)((now + 1 + sim_below(d->random, count - 1)) % count);
}

/* In any way. */
static void edit_pattern(drawing *d, sim_pattern *p)
{
    switch (sim_below(d->random, 11)) {
    case 0: p->there = !p->there; break;
    case 1: p->enabled = !p->enabled; break;
    case 2: p->renamed = !p->renamed; break;
    case 3:
    case 4: p->condition = other_than(d, p->condition, 3); break;
    case 5: p->within = other_than(d, p->within, 3); break;
    case 6: p->skip = other_than(d, p->skip, 3); break;
    case 7: p->timeout = !p->timeout; break;
    case 8: p->key = other_than(d, p->key, d->keyed ? 4 : 2); break;
    default: p->limit = other_than(d, p->limit, 5); break;
    }
}

/* So that its state stays. */
static void edit_around(drawing *d, sim_version *v, sim_pattern *p)
{
    uint32_t one = sim_below(d->random, SIM_PATTERNS), other = sim_below(d->random, SIM_PATTERNS);
    uint8_t moved = v->order[one];
    switch (sim_below(d->random, 5)) {
    case 0: p->number++; break;
    case 1: p->words++; break;
    case 2:
        if (p->limit < 2) p->limit = 1 - p->limit;
        break;
    default: v->order[one] = v->order[other]; v->order[other] = moved;
    }
}

static void edit_steps(drawing *d, sim_version *v)
{
    switch (sim_below(d->random, 8)) {
    case 0: v->set = !v->set; break;
    case 1: v->filter = !v->filter; break;
    case 2: v->behind = !v->behind; break;
    case 3: v->dedupe = !d->portions && !v->dedupe; break;
    case 4: v->loose = !v->loose; break;
    case 5: v->calm = !v->calm; break;
    case 6: v->loose_condition = other_than(d, v->loose_condition, 3); break;
    default: v->calm_limit = other_than(d, v->calm_limit, 3); break;
    }
}

static void edit_once(drawing *d, sim_version *v)
{
    uint32_t which = sim_below(d->random, SIM_PATTERNS + 2) % SIM_PATTERNS;
    uint32_t kind = sim_below(d->random, 40);
    if (kind == 0)
        v->record_key = !v->record_key;
    else if (kind < 14)
        edit_steps(d, v);
    else if (kind < 22)
        edit_around(d, v, &v->patterns[which]);
    else if (kind == 22 && (d->editable >> 7 & 1))
        v->patterns[7].order = other_than(d, v->patterns[7].order, 3);
    else if (d->editable >> which & 1)
        edit_pattern(d, &v->patterns[which]);
}

static void first_version(drawing *d, sim_version *v)
{
    *v = (sim_version){.loose = true, .calm = true, .calm_limit = 1};
    for (uint32_t i = 0; i < SIM_PATTERNS; i++) {
        bool editable = d->editable >> i & 1;
        v->order[i] = (uint8_t)i;
        v->patterns[i] = (sim_pattern){.there = !editable || sim_below(d->random, 4) > 0,
                                       .enabled = true,
                                       .timeout = sim_below(d->random, 4) == 0,
                                       .condition = (uint8_t)sim_below(d->random, 3),
                                       .skip = (uint8_t)sim_below(d->random, 3),
                                       .limit = editable ? (uint8_t)sim_below(d->random, 5) : 0,
                                       .order = i == 7};
    }
    for (uint32_t i = sim_below(d->random, 6); i > 0; i--)
        edit_steps(d, v);
}

void sim_edits_draw(sim_edits *edits, sim_random *random, uint32_t events, int32_t partitions,
                    bool portions)
{
    drawing d = {random, sim_below(random, 1u << SIM_PATTERNS), partitions == 1, portions};
    if (sim_below(random, 8) > 0) d.editable &= ~(1u << sim_below(random, SIM_PATTERNS));
    *edits = (sim_edits){.count = 2 + sim_below(random, SIM_VERSIONS_MAX - 1)};
    first_version(&d, &edits->versions[0]);
    for (uint32_t i = 1; i < edits->count; i++) {
        sim_version *v = &edits->versions[i];
        *v = edits->versions[i - 1];
        v->from_event += sim_below(random, events / (edits->count - 1));
        v->rolls = sim_below(random, 2) == 1;
        for (uint32_t k = 1 + sim_below(random, 9); k > 0; k--)
            edit_once(&d, v);
    }
}

/* --- what an edit means --- */

/* Matches of the one are matches of the other, but for what takes some away. */
static bool means_the_same(const sim_pattern *a, const sim_pattern *b)
{
    return a->condition == b->condition && a->within == b->within && a->key == b->key &&
           a->order == b->order && a->timeout == b->timeout;
}

bool sim_edits_limited(const sim_pattern *pattern)
{
    return pattern->limit > 1;
}

uint32_t sim_edits_matches_max(const sim_pattern *pattern)
{
    static const uint32_t most[] = {0, 0, 2, 1, 2};
    return most[pattern->limit];
}

uint32_t sim_edits_calm_limit(const sim_version *version)
{
    return 1 + version->calm_limit;
}

bool sim_edits_kept(const sim_edits *edits, uint32_t pattern)
{
    const sim_version *first = &edits->versions[0];
    const sim_pattern *p = &first->patterns[pattern];
    for (uint32_t i = 0; i < edits->count; i++) {
        const sim_version *v = &edits->versions[i];
        const sim_pattern *q = &v->patterns[pattern];
        bool as_before = q->there && q->enabled && !sim_edits_limited(q) &&
                         q->renamed == p->renamed && q->skip == p->skip && means_the_same(p, q);
        if (!as_before || v->record_key != first->record_key) return false;
    }
    return true;
}

uint32_t sim_edits_variant(const sim_edits *edits, uint32_t pattern, uint32_t version)
{
    uint32_t first = 0;
    const sim_pattern *p = &edits->versions[version].patterns[pattern];
    while (!means_the_same(p, &edits->versions[first].patterns[pattern]))
        first++;
    return first;
}

bool sim_edits_loose_kept(const sim_edits *edits)
{
    for (uint32_t i = 0; i < edits->count; i++)
        if (!edits->versions[i].loose ||
            edits->versions[i].loose_condition != edits->versions[0].loose_condition)
            return false;
    return true;
}

bool sim_edits_calm_kept(const sim_edits *edits)
{
    for (uint32_t i = 0; i < edits->count; i++)
        if (!edits->versions[i].calm ||
            edits->versions[i].calm_limit != edits->versions[0].calm_limit)
            return false;
    return true;
}

bool sim_edits_gone(const sim_version *version, const char *line)
{
    return (!version->loose && strstr(line, "\"table\":\"loose.") != NULL) ||
           (!version->calm && strstr(line, "\"table\":\"calm.") != NULL) ||
           (!version->dedupe && strstr(line, "\"table\":\"found.dedupe.") != NULL);
}

/* --- as text --- */

#define TEXT_MAX ((size_t)1 << 20)

static void write_head(leat_buf *out)
{
    leat_buf_init(out, TEXT_MAX);
    leat_buf_add_text(
        out, "{\"name\":\"sim\",\"sources\":{\"events\":{\"topic\":\"in\",\"key\":\"key\","
             "\"timestamp\":\"at\",\"out_of_orderness\":\"200ms\",\"late\":{\"to\":\"late\"}}},"
             "\"streams\":{\"kept\":{\"from\":\"events\",\"steps\":[{\"filter\":\"amount >= 50\"}],"
             "\"to\":\"kept\"}");
}

/* wide: without what takes matches away. */
static void write_pattern(const sim_pattern *p, uint32_t index, const char *name, bool wide,
                          leat_buf *out)
{
    const char *key = keys[p->key], *order = orders[p->order], *limit = limits[p->limit];
    leat_buf_add_format(out, "{\"name\":\"%s\",\"version\":%u,\"severity\":\"s%u\"", name,
                        p->number, p->words);
    leat_buf_add_format(out, ",\"emit\":{\"n%u\":\"%u\"},\"within\":\"%ums\"", p->words, p->words,
                        pattern_within_ms[index] + 300 * p->within);
    if (!p->enabled && !wide) leat_buf_add_text(out, ",\"enabled\":false");
    if (!wide) leat_buf_add_format(out, ",\"skip\":\"%s\"", skips[p->skip]);
    if (!wide && limit != NULL) leat_buf_add_format(out, ",\"limits\":%s", limit);
    if (key != NULL) leat_buf_add_format(out, ",\"key\":\"%s\"", key);
    if (order != NULL) leat_buf_add_format(out, ",\"order_by\":\"%s\"", order);
    if (p->timeout) leat_buf_add_text(out, ",\"timeout\":{}");
    leat_buf_add_text(out, ",\"steps\":[");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    leat_buf_add_format(out, pattern_steps[index], p->condition, p->condition);
#pragma GCC diagnostic pop
    leat_buf_add_text(out, "]}");
}

static void write_loose(uint32_t condition, const char *name, leat_buf *out)
{
    leat_buf_add_format(out,
                        "{\"name\":\"%s\",\"within\":\"2s\",\"steps\":[{\"name\":\"a\",\"where\":"
                        "\"kind == 'a' && amount %% 3 != %u\"},{\"name\":\"b\",\"contiguity\":"
                        "\"followed_by_any\",\"where\":\"kind == 'b' && amount %% 3 != %u\"}]}",
                        name, condition, condition);
}

static void write_calm(const sim_version *v, leat_buf *out)
{
    leat_buf_add_format(out,
                        ",\"calm\":{\"from\":\"events\",\"steps\":[{\"throttle\":{\"limit\":%u,"
                        "\"per\":\"%ums\",\"key\":\"key\"}}],\"to\":\"second\"}",
                        sim_edits_calm_limit(v), SIM_CALM_MS);
}

static void write_foot(leat_buf *out)
{
    leat_buf_add_text(out, "},\"dead_letter\":\"dead\"}");
    LEAT_ASSERT(!out->overflow);
}

void sim_edits_write(const sim_edits *edits, uint32_t version, leat_buf *out)
{
    const sim_version *v = &edits->versions[version];
    const char *between = "";
    write_head(out);
    leat_buf_add_text(out, ",\"found\":{\"from\":\"events\",\"steps\":[");
    if (v->set) leat_buf_add_text(out, "{\"set\":{\"note\":\"kind + 'x'\"}},");
    if (v->filter) leat_buf_add_text(out, "{\"filter\":\"amount >= 0 && size(key) > 0\"},");
    if (v->dedupe)
        leat_buf_add_text(out, "{\"dedupe\":{\"key\":\"id\",\"within\":\"1s\","
                               "\"same_partition\":true}},");
    leat_buf_add_format(out, "{\"detect\":{%s\"patterns\":[",
                        v->record_key ? "" : "\"key\":\"key\",");
    for (uint32_t i = 0; i < SIM_PATTERNS; i++) {
        uint32_t index = v->order[i];
        const sim_pattern *p = &v->patterns[index];
        char name[] = {'p', (char)('0' + index), p->renamed ? 'r' : '\0', '\0'};
        if (!p->there) continue;
        leat_buf_add_text(out, between);
        write_pattern(p, index, name, false, out);
        between = ",";
    }
    if (between[0] == '\0') /* an empty list is a mistake */
        leat_buf_add_text(out, "{\"name\":\"p0\",\"enabled\":false,\"steps\":[{\"name\":\"a\"}]}");
    leat_buf_add_format(out, "]}}%s],\"to\":\"first\"}",
                        v->behind ? ",{\"set\":{\"seen\":\"true\"}}" : "");
    if (v->loose) {
        leat_buf_add_text(out, ",\"loose\":{\"from\":\"events\",\"steps\":[{\"detect\":{\"key\":"
                               "\"key\",\"patterns\":[");
        write_loose(v->loose_condition, "l0", out);
        leat_buf_add_text(out, "]}}],\"to\":\"first\"}");
    }
    if (v->calm) write_calm(v, out);
    write_foot(out);
}

void sim_edits_write_all(const sim_edits *edits, leat_buf *out)
{
    write_head(out);
    leat_buf_add_text(out, ",\"found\":{\"from\":\"events\",\"steps\":[{\"detect\":{\"key\":"
                           "\"key\",\"patterns\":[");
    for (uint32_t v = 0; v < edits->count; v++)
        for (uint32_t i = 0; i < SIM_PATTERNS; i++) {
            char name[] = {'p', (char)('0' + i), '_', (char)('0' + v), '\0'};
            if (sim_edits_variant(edits, i, v) != v) continue;
            write_pattern(&edits->versions[v].patterns[i], i, name, !sim_edits_kept(edits, i), out);
            leat_buf_add_char(out, ',');
        }
    for (uint32_t condition = 0; condition < 3; condition++) {
        char name[] = {'l', '0', '_', (char)('0' + condition), '\0'};
        write_loose(condition, name, out);
        if (condition < 2) leat_buf_add_char(out, ',');
    }
    leat_buf_add_text(out, "]}}],\"to\":\"first\"}");
    write_calm(&edits->versions[0], out);
    write_foot(out);
}
