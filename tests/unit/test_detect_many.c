/* SPDX-License-Identifier: Apache-2.0 */
/* Many patterns in one detect: each gives just what it gives alone, in whatever company, through
 * commits, aborts and crashes; one cell per key; and an edited pattern goes without the others. */
#include "cep/op_detect.h"
#include "tests/unit/leak.h"
#include "tests/unit/wild_harness.h"

LEAT_SUITE(detect_many);

#define PATTERNS  40u
#define EVENTS    150u
#define TEXT_SIZE (1u << 16)

static const char head[] = "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\",\"timestamp\":"
                           "\"t\",\"out_of_orderness\":\"4ms\"}},\"streams\":{\"a\":{\"from\":"
                           "\"s\",\"steps\":[{\"detect\":{\"key\":\"k\",\"patterns\":[";
static const char foot[] = "]}}],\"to\":\"out\"}},\"dead_letter\":{\"topic\":\"dead\"}}";

/* --- drawing --- */

static void draw_condition(leat_random *random, bool later, leat_buf *out)
{
    unsigned n = (unsigned)leat_random_below(random, 6), m = (unsigned)leat_random_below(random, 4);
    switch (leat_random_below(random, later ? 8 : 6)) {
    case 0: leat_buf_add_format(out, "v == %u", n); break;
    case 1: leat_buf_add_format(out, "v == %u && w >= %u", n, m); break;
    case 2: leat_buf_add_format(out, "w > %u && w < %u", m, m + 3); break;
    case 3: leat_buf_add_format(out, "v in [%u, %u]", n, m); break;
    case 4: leat_buf_add_format(out, "n.startsWith('n%u') && v != %u", m, n); break;
    case 5: leat_buf_add_format(out, "v + w == %u", n); break;
    case 6: leat_buf_add_format(out, "v == %u && w > last(a).w", n); break;
    default: leat_buf_add_format(out, "w == last(a).w + %u", m); break;
    }
}

static void draw_step(leat_random *random, const char *name, bool later, leat_buf *out)
{
    static const char *const links[] = {"next", "followed_by", "followed_by_any"};
    leat_buf_add_format(out, "{\"name\":\"%s\",\"where\":\"", name);
    draw_condition(random, later, out);
    leat_buf_add_format(out, "\",\"contiguity\":\"%s\"", links[leat_random_below(random, 3)]);
    if (leat_random_below(random, 4) == 0)
        leat_buf_add_text(out, ",\"times\":{\"min\":1,\"max\":2}");
    if (later && leat_random_below(random, 6) == 0) leat_buf_add_text(out, ",\"optional\":true");
    leat_buf_add_char(out, '}');
}

static void draw_pattern(leat_random *random, unsigned number, bool bad, leat_buf *out)
{
    static const char *const skips[] = {"no_skip", "skip_to_next", "skip_past_last_event"};
    static const char *const keys[] = {"", "v % 2", "string(k) + n"};
    uint64_t key = leat_random_below(random, 12);
    leat_buf_add_format(
        out, "{\"name\":\"p%u\",\"events\":false,\"within\":\"%ums\",\"skip\":\"%s\"", number,
        5 + 10 * (unsigned)leat_random_below(random, 3), /* some are alike (leat_nfa_kin) */
        skips[leat_random_below(random, 3)]);
    if (key < 3) leat_buf_add_format(out, ",\"key\":\"%s\"", keys[key]);
    if (!bad && leat_random_below(random, 8) == 0) leat_buf_add_text(out, ",\"order_by\":\"w\"");
    if (leat_random_below(random, 3) == 0) leat_buf_add_text(out, ",\"timeout\":{}");
    leat_buf_add_text(out, ",\"limits\":{\"partial_matches\":20},\"steps\":[");
    draw_step(random, "a", false, out);
    leat_buf_add_char(out, ',');
    draw_step(random, "b", true, out);
    if (leat_random_below(random, 3) == 0) {
        leat_buf_add_char(out, ',');
        draw_step(random, "c", true, out);
    }
    if (leat_random_below(random, 6) == 0)
        leat_buf_add_format(out, ",{\"not\":true,\"where\":\"v == %u\"}",
                            (unsigned)leat_random_below(random, 6));
    leat_buf_add_text(out, "]}");
}

typedef struct script {
    leat_message messages[EVENTS];
    char texts[EVENTS][128];
    char *patterns[PATTERNS];
    uint32_t count;
} script;

/* A value that is sometimes missing, sometimes of a wrong type. */
static void draw_member(leat_random *random, bool bad, const char *name, const char *quote,
                        unsigned value, leat_buf *out)
{
    uint64_t dice = bad ? leat_random_below(random, 12) : 9;
    if (dice == 0) return;
    if (dice == 1) leat_buf_add_format(out, ",\"%s\":null", name);
    if (dice == 2) leat_buf_add_format(out, ",\"%s\":[1]", name);
    if (dice == 3) leat_buf_add_format(out, ",\"%s\":%s", name, *quote == 0 ? "\"t\"" : "7");
    if (dice > 3)
        leat_buf_add_format(out, ",\"%s\":%s%u%s", name, quote, value, *quote == 0 ? "" : "\"");
}

/* bad: many of the events cannot be judged by all patterns. */
static void draw(script *s, leat_random *random, bool bad)
{
    int64_t now_ms = 100;
    leat_buf text;
    leat_buf_init(&text, TEXT_SIZE);
    s->count = 2 + (uint32_t)leat_random_below(random, PATTERNS - 1);
    for (uint32_t i = 0; i < s->count; i++) {
        leat_buf_reset(&text);
        draw_pattern(random, i, bad, &text);
        leat_buf_add_char(&text, '\0');
        s->patterns[i] = leat_mem_need_text(text.data);
    }
    for (uint32_t i = 0; i < EVENTS; i++) {
        now_ms += (int64_t)leat_random_below(random, 5);
        if (leat_random_below(random, 20) == 0) now_ms += 30;
        leat_buf_reset(&text);
        leat_buf_add_format(&text, "{\"i\":%u,\"t\":%lld", i,
                            (long long)(now_ms - (int64_t)leat_random_below(random, 4)));
        draw_member(random, bad, "k", "", (unsigned)leat_random_below(random, 3), &text);
        draw_member(random, bad, "v", "", (unsigned)leat_random_below(random, 6), &text);
        draw_member(random, bad, "w", "", (unsigned)leat_random_below(random, 5), &text);
        draw_member(random, bad, "n", "\"n", (unsigned)leat_random_below(random, 4), &text);
        leat_buf_add_char(&text, '}');
        cr_assert_leq(text.len, sizeof s->texts[i]);
        memcpy(s->texts[i], text.data, text.len);
        s->messages[i] = (leat_message){.topic = LEAT_STR("in"),
                                        .offset = i,
                                        .timestamp_ms = now_ms,
                                        .value = {s->texts[i], text.len}};
    }
    leat_buf_release(&text);
}

/* --- playing --- */

/* Patterns from..to in one detect. wild: random batches, commits, aborts and crashes. */
static void play(test_bed *bed, const script *s, uint32_t from, uint32_t to, leat_random *wild)
{
    static char text[TEXT_SIZE];
    size_t len = (size_t)snprintf(text, sizeof text, "%s", head);
    for (uint32_t i = from; i < to; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i > from ? "," : "",
                                s->patterns[i]);
    (void)snprintf(text + len, sizeof text - len, "%s", foot);
    bed_open_with(bed, text, &leat_operator_detect);
    wild_play(bed, s->messages, EVENTS, 10, wild);
}

/* The lines of one pattern. */
static void filter(const char *lines, uint32_t pattern, leat_buf *out)
{
    char name[32];
    (void)snprintf(name, sizeof name, "\"pattern\":\"p%u\"", pattern);
    leat_buf_reset(out);
    for (const char *at = lines; *at != '\0';) {
        const char *end = strchr(at, '\n') + 1;
        leat_str line = {at, (size_t)(end - at)};
        if (leat_str_find(line, leat_str_of(name)) >= 0) leat_buf_add(out, line);
        at = end;
    }
    leat_buf_add_char(out, '\0');
}

Test(detect_many, patterns_do_not_know_of_each_other)
{
    size_t alerts = 0;
    leat_buf lines;
    leat_buf_init(&lines, (size_t)64 << 20);
    for (uint64_t seed = 1; seed <= 25; seed++) {
        static script s;
        leat_random random = {seed};
        test_bed all;
        draw(&s, &random, false);
        play(&all, &s, 0, s.count, &random);
        for (uint32_t i = 0; i < s.count; i++) {
            test_bed alone;
            play(&alone, &s, i, i + 1, NULL);
            filter(all.out.data, i, &lines);
            cr_assert_str_eq(lines.data, alone.out.data, "seed %llu: %s", (unsigned long long)seed,
                             s.patterns[i]);
            for (const char *c = alone.out.data; *c != '\0'; c++)
                alerts += *c == '\n';
            bed_close(&alone);
            leat_mem_free(s.patterns[i]);
        }
        bed_close(&all);
    }
    leat_buf_release(&lines);
    cr_expect_gt(alerts, 5000);
}

/* The event's number in a dead letter. */
static uint32_t event_of(const char *line)
{
    static const char start[] = "dead: {\"i\":";
    cr_assert_eq(strncmp(line, start, sizeof start - 1), 0, "%.60s", line);
    return (uint32_t)strtoul(line + sizeof start - 1, NULL, 10);
}

/* Takes the dead letters out of lines: letters[event] gets the line, unless it has one. False: one
 * event has two. */
static bool take_letters(const char *lines, char *letters[EVENTS])
{
    bool seen[EVENTS] = {false};
    for (const char *at = lines; *at != '\0';) {
        const char *end = strchr(at, '\n') + 1;
        if (strncmp(at, "dead:", 5) == 0) {
            uint32_t event = event_of(at);
            if (seen[event]) return false;
            seen[event] = true;
            if (letters[event] == NULL) {
                letters[event] = leat_mem_need((size_t)(end - at) + 1);
                memcpy(letters[event], at, (size_t)(end - at));
            }
        }
        at = end;
    }
    return true;
}

/* An event goes to the dead letter once, for the first pattern that would send it there alone. */
Test(detect_many, the_first_pattern_that_fails_reports)
{
    size_t found = 0;
    for (uint64_t seed = 1; seed <= 25; seed++) {
        static script s;
        char *want[EVENTS] = {NULL}, *got[EVENTS] = {NULL};
        leat_random random = {seed + 1000};
        test_bed all;
        draw(&s, &random, true);
        play(&all, &s, 0, s.count, &random);
        cr_assert(take_letters(all.out.data, got), "seed %llu", (unsigned long long)seed);
        bed_close(&all);
        for (uint32_t i = 0; i < s.count; i++) {
            test_bed alone;
            play(&alone, &s, i, i + 1, NULL);
            cr_assert(take_letters(alone.out.data, want));
            bed_close(&alone);
            leat_mem_free(s.patterns[i]);
        }
        for (uint32_t e = 0; e < EVENTS; e++) {
            cr_assert_str_eq(got[e] == NULL ? "none" : got[e], want[e] == NULL ? "none" : want[e],
                             "seed %llu: %s", (unsigned long long)seed, s.texts[e]);
            found += want[e] != NULL;
            leat_mem_free(got[e]);
            leat_mem_free(want[e]);
        }
    }
    cr_expect_gt(found, 500);
}

/* --- what is asked, and what is not --- */

#define PATTERN(name, more)                                                                        \
    "{\"name\":\"" name "\",\"events\":false" more ",\"steps\":[{\"name\":\"a\",\"where\":"        \
    "\"v == 1\"},{\"name\":\"b\",\"where\":\"v == 2\"}]}"
#define LATER(name)                                                                                \
    "{\"name\":\"" name "\",\"steps\":[{\"name\":\"a\",\"where\":\"v == 1\"},{\"name\":\"b\","     \
    "\"where\":\"w > 5\"}]}"

static void open_behind(test_bed *bed, const char *before, const char *key, const char *patterns)
{
    char text[2000];
    (void)snprintf(text, sizeof text,
                   "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"streams\":{\"a\":{"
                   "\"from\":\"s\",\"steps\":[%s{\"detect\":{\"key\":\"%s\",\"patterns\":[%s]}}],"
                   "\"to\":\"out\"}},\"dead_letter\":{\"topic\":\"dead\"}}",
                   before, key, patterns);
    bed_open_with(bed, text, &leat_operator_detect);
}

static void open_patterns(test_bed *bed, const char *key, const char *patterns)
{
    open_behind(bed, "", key, patterns);
}

/* An event is looked at when time has passed over it. */
static void send(test_bed *bed, const char *json)
{
    bed_send(bed, json);
    bed_send(bed, "{\"k\":0,\"v\":0}");
}

/* What only a later step reads is asked for when something has begun, and not before. */
Test(detect_many, asks_only_for_what_can_be_taken)
{
    test_bed bed;
    open_patterns(&bed, "k", PATTERN("p", "") "," LATER("q") "," LATER("r"));
    send(&bed, "{\"k\":1,\"v\":7}");
    bed_expect(&bed, "");
    send(&bed, "{\"k\":1,\"v\":1,\"w\":1}");
    send(&bed, "{\"k\":2,\"v\":7}");
    bed_expect(&bed, "");
    send(&bed, "{\"k\":1,\"v\":7}");
    bed_expect(&bed, "dead: {\"k\":1,\"v\":7} leat.step=streams.a.steps[0].detect "
                     "leat.error=pattern q, steps[1].where: no such field 'w' (column 3)\n");
    bed_close(&bed);
}

/* --- cells --- */

/* A cell of detect, not of exec itself. */
static bool is_ours(const bed_cell *cell)
{
    return cell->value.data != NULL && strstr(cell->key.data, ".matches") != NULL;
}

static size_t cells(const test_bed *bed)
{
    size_t count = 0;
    for (size_t i = 0; i < bed->log_count; i++)
        count += is_ours(&bed->log[i]);
    return count;
}

/* What a later version of the pipeline finds in the changelog of the one before. */
static void hand_over(test_bed *from, test_bed *to)
{
    to->log = from->log;
    to->log_count = from->log_count;
    from->log = NULL;
    from->log_count = 0;
    to->offset = from->offset;
    bed_close(from);
    bed_crash(to);
}

Test(detect_many, patterns_share_the_cell_of_a_key)
{
    test_bed bed;
    open_patterns(&bed, "k",
                  PATTERN("p", "") "," PATTERN("q", "") "," PATTERN("r", ",\"key\":\"'x'\""));
    send(&bed, "{\"k\":1,\"v\":1}");
    send(&bed, "{\"k\":2,\"v\":1}");
    bed_commit(&bed);
    cr_expect_eq(cells(&bed), 2 + 1); /* two keys, and one of the other expression */
    send(&bed, "{\"k\":1,\"v\":2}");
    bed_commit(&bed);
    cr_expect_eq(cells(&bed), 1);
    bed_crash(&bed);
    send(&bed, "{\"k\":2,\"v\":2}");
    bed_commit(&bed);
    cr_expect_eq(cells(&bed), 0);
    bed_close(&bed);
}

Test(detect_many, an_edited_pattern_goes_alone)
{
    static const char first[] = PATTERN("p", "") "," PATTERN("q", "") "," PATTERN("r", "");
    static const char second[] = PATTERN("r", ",\"severity\":\"low\"") "," PATTERN(
        "p", ",\"within\":\"1h\"") "," PATTERN("q", "");
    test_bed old, bed;
    open_patterns(&old, "k", first);
    send(&old, "{\"k\":1,\"v\":1}");
    bed_commit(&old);
    open_patterns(&bed, "k", second);
    hand_over(&old, &bed);
    send(&bed, "{\"k\":1,\"v\":2}");
    leat_buf_add_char(&bed.out, '\0');
    cr_expect(strstr(bed.out.data, "\"pattern\":\"r\"") != NULL);
    cr_expect(strstr(bed.out.data, "\"pattern\":\"q\"") != NULL);
    cr_expect(strstr(bed.out.data, "\"pattern\":\"p\"") == NULL);
    bed_commit(&bed);
    bed_close(&bed);
}

/* The same patterns under another key expression: what was held is of no use. */
Test(detect_many, another_key_is_another_state)
{
    test_bed old, bed;
    open_patterns(&old, "k", PATTERN("p", "") "," PATTERN("q", ",\"key\":\"k\""));
    send(&old, "{\"k\":1,\"v\":1}");
    bed_commit(&old);
    cr_expect_eq(cells(&old), 1);
    open_patterns(&bed, "k + 0", PATTERN("p", "") "," PATTERN("q", ",\"key\":\"k\""));
    hand_over(&old, &bed);
    bed_commit(&bed);
    cr_expect_eq(cells(&bed), 1); /* q's; p's was taken out of it */
    send(&bed, "{\"k\":1,\"v\":2}");
    leat_buf_add_char(&bed.out, '\0');
    cr_expect(strstr(bed.out.data, "\"pattern\":\"q\"") != NULL);
    cr_expect(strstr(bed.out.data, "\"pattern\":\"p\"") == NULL);
    bed_commit(&bed);
    cr_expect_eq(cells(&bed), 0);
    bed_close(&bed);
}

/* Steps are put in front: what is held for the patterns stays, and so does what waits to be looked
 * at, whichever step it is now that keeps state first. */
Test(detect_many, steps_in_front_leave_the_state_alone)
{
    static const char *const before[] = {
        "",
        "{\"set\":{\"x\":\"1\"}},",
        "{\"filter\":\"v > 0\"},{\"keep\":[\"k\",\"v\"]},",
        "{\"dedupe\":{\"key\":\"k * 9 + v\",\"within\":\"1h\"}},",
        "{\"set\":{\"x\":\"v\"}},{\"throttle\":{\"key\":\"v\",\"limit\":9,\"per\":\"1ms\"}},",
    };
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        test_bed old, bed;
        open_patterns(&old, "k", PATTERN("p", ""));
        bed_send(&old, "{\"k\":1,\"v\":1}");
        bed_send(&old, "{\"k\":2,\"v\":1}"); /* waits */
        bed_commit(&old);
        open_behind(&bed, before[i], "k", PATTERN("p", ""));
        hand_over(&old, &bed);
        bed_send(&bed, "{\"k\":1,\"v\":2}");
        bed_send(&bed, "{\"k\":2,\"v\":2}");
        bed_send(&bed, "{\"k\":0,\"v\":3}");
        leat_buf_add_char(&bed.out, '\0');
        const char *first = strstr(bed.out.data, "\"key\":1");
        cr_expect(first != NULL && strstr(first, "\"key\":2") != NULL, "%s: %s", before[i],
                  bed.out.data);
        bed_commit(&bed);
        bed_close(&bed);
    }
}

/* A worker that finds these bytes, and an event for them. */
static leat_code restored_with(const test_bed *bed, leat_str key, leat_str bytes, leat_err *err)
{
    leat_exec *exec = NULL;
    const leat_output *outputs;
    size_t count, name_len = strlen(key.data);
    leat_message messages[2];
    for (int64_t i = 0; i < 2; i++)
        messages[i] = (leat_message){.topic = LEAT_STR("in"),
                                     .offset = 9 + i,
                                     .timestamp_ms = 9 + i,
                                     .value = LEAT_STR("{\"k\":1,\"v\":2}")};
    cr_assert_eq(leat_exec_open(bed->plan, 0, BED_STATE_MAX, &exec, err), LEAT_OK);
    leat_table *table = leat_exec_table(exec, leat_str_slice(key, 0, name_len));
    cr_assert_not_null(table);
    leat_code code =
        leat_table_restore(table, leat_str_slice(key, name_len + 1, key.len), bytes, err);
    if (code == LEAT_OK) code = leat_exec_restored(exec, err);
    if (code == LEAT_OK) code = leat_exec_batch(exec, messages, 2, &outputs, &count, err);
    leat_exec_close(&exec);
    return code;
}

/* Without a key of its own, detect goes by the source's, as the source has read it. */
Test(detect_many, the_key_of_the_source_is_what_it_was)
{
    test_bed bed;
    bed_open_with(
        &bed,
        "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\",\"key\":\"k\"}},\"streams\":{"
        "\"a\":{\"from\":\"s\",\"steps\":[{\"set\":{\"k\":\"'z'\"}},{\"detect\":{"
        "\"patterns\":[{\"name\":\"p\",\"emit\":{\"k\":\"first(a).k\"},\"events\":false,"
        "\"steps\":[{\"name\":\"a\",\"where\":\"v == 1\"}]}]}},{\"keep\":[\"key\",\"k\"]}],"
        "\"to\":\"out\"}},\"dead_letter\":{\"topic\":\"dead\"}}",
        &leat_operator_detect);
    send(&bed, "{\"k\":7,\"v\":1}");
    bed_expect(&bed, "out: {\"key\":7,\"k\":\"z\"}\n");
    bed_close(&bed);
}

Test(detect_many, refuses_damaged_cells)
{
    test_bed bed;
    leat_err err;
    size_t refused = 0, at = 0;
    open_patterns(&bed, "k", PATTERN("p", "") "," PATTERN("q", ""));
    send(&bed, "{\"k\":1,\"v\":1}");
    bed_commit(&bed);
    while (!is_ours(&bed.log[at]))
        cr_assert_lt(++at, bed.log_count);
    leat_str key = bed.log[at].key, whole = bed.log[at].value;
    cr_expect_eq(restored_with(&bed, key, whole, &err), LEAT_OK);
    char *copy = leat_mem_need(whole.len);
    for (size_t cut = 0; cut < whole.len; cut++) {
        leat_code code = restored_with(&bed, key, leat_str_slice(whole, 0, cut), &err);
        cr_expect_eq(code, LEAT_ERR_DAMAGED, "cut at %zu", cut);
        memcpy(copy, whole.data, whole.len);
        copy[cut] = (char)(copy[cut] ^ 0x15);
        code = restored_with(&bed, key, (leat_str){copy, whole.len}, &err);
        cr_expect(code == LEAT_OK || code == LEAT_ERR_DAMAGED, "%zu: %s", cut, err.text);
        refused += code == LEAT_ERR_DAMAGED;
    }
    cr_expect_gt(refused, whole.len / 4);
    leat_mem_free(copy);
    bed_close(&bed);
}
