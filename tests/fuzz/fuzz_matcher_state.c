/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a matcher, as a damaged changelog might hold them. What is accepted is written, read
 * again, and must then work like any matcher.
 *
 * The first byte picks a pattern, and by its highest bit what follows:
 *   0   the bytes behind a head that fits (else nearly all would fail there)
 *   1   a count and as many letters, which make a matcher, whose bytes are then changed: by threes,
 *       a place (two bytes) and what stands there. This reaches deep however the format changes. */
#include <stdlib.h>

#include "cep/matcher.h"
#include "core/mem.h"
#include "schemas/doc.h"

#define HEAD_BYTES  9 /* version, fingerprint */
#define LETTERS_MAX 24

#define ARENA_BYTES ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEP(name, where, more) "{\"name\":\"" name "\",\"where\":\"" where "\"" more "}"
#define PATTERN(more, steps)    "{\"name\":\"p\"" more ",\"steps\":[" steps "]}"

static const char loops[] = PATTERN("", STEP("A", "a",
                                             ",\"times\":{\"min\":2},\"greedy\":true,\"until\":"
                                             "\"u\"") ","
                                                      "{\"any_of\":[" STEP("B", "b", "") "," STEP(
                                                          "C", "c", "") "],\"optional\":true}"
                                                                        "," STEP("D", "d",
                                                                                 ",\"contiguity\":"
                                                                                 "\"next\""));
static const char groups[] =
    PATTERN(",\"skip\":\"skip_past_last_event\"",
            "{\"steps\":[" STEP("A", "a", "") "," STEP(
                "B", "b", "") "],\"times\":{\"min\":1}},"
                              "{\"not\":true,\"where\":\"c\"}," STEP("D", "ad", ""));
static const char windows[] = PATTERN(
    ",\"within\":\"10ms\",\"order_by\":\"x\"",
    STEP("A", "a", "") "," STEP("B", "b", ",\"within\":\"3ms\"") ","
                                                                 "{\"not\":true,\"where\":\"c\"}");
static const char quiet[] =
    PATTERN(",\"within\":\"10ms\",\"skip\":\"skip_past_last_event\"",
            STEP("A", "a", ",\"times\":{\"min\":2}") "," STEP("B", "b", ""));
/* What was taken is read: partial matches differ by it. */
static const char links[] =
    PATTERN(",\"within\":\"10ms\",\"limits\":{\"events\":5}",
            STEP("A", "a", ",\"times\":{\"min\":1},\"repeat\":\"followed_by_any\"") "," STEP(
                "B", "<A", ",\"times\":{\"min\":1}") "," STEP("C", ">B", ""));
static const char timed[] =
    PATTERN(",\"skip\":\"skip_past_last_event\"",
            STEP("A", "ab", "") "," STEP("B", "<A", ",\"within\":\"3ms\"") "," STEP(
                "C", ">A", ",\"contiguity\":\"followed_by_any\",\"within\":\"4ms\""));
static const char *const patterns[] = {loops, groups, windows, quiet, links, timed};

/* A condition is a set of letters; the event in hand is one. Or it is about a letter and when a
 * step took its first event ("<S"), or its last (">S"). */
typedef struct bench {
    const leat_pattern *pattern;
    char letter;
    int64_t at_ms;
    leat_pool *pool;
} bench;

static bool reads_step(const leat_pattern *pattern, leat_str text, uint32_t *step)
{
    return (text.data[0] == '<' || text.data[0] == '>') &&
           leat_pattern_step(pattern, leat_str_slice(text, 1, text.len), step);
}

/* Without these the whole of what was taken may be read, as in the patterns above. */
static void note_readings(const leat_pattern *pattern)
{
    uint32_t step = 0;
    bool any = false;
    for (uint32_t i = 0; i < pattern->conditions_count; i++)
        any = any || reads_step(pattern, pattern->conditions[i].node->text, &step);
    for (uint32_t i = 0; i < pattern->conditions_count && any; i++) {
        leat_condition *condition = &pattern->conditions[i];
        condition->reading.known = true;
        if (!reads_step(pattern, condition->node->text, &step)) continue;
        bool first = condition->node->text.data[0] == '<';
        *(first ? &condition->reading.first : &condition->reading.last) = (uint64_t)1 << step;
    }
}

static leat_code test(void *self, uint32_t condition, const leat_take *takes, bool *holds,
                      leat_err *err)
{
    const bench *b = self;
    leat_str text = b->pattern->conditions[condition].node->text;
    uint32_t step = 0;
    (void)err;
    if (reads_step(b->pattern, text, &step)) {
        while (takes != NULL && takes->step != step)
            takes = takes->before;
        *holds = takes != NULL && (b->letter + takes->event->timestamp_ms) % 2 == 0;
        return LEAT_OK;
    }
    *holds = memchr(text.data, b->letter, text.len) != NULL;
    return LEAT_OK;
}

static leat_code keep(void *self, leat_event **event, leat_err *err)
{
    const bench *b = self;
    return leat_event_new(b->pool, LEAT_STR("{}"), b->at_ms, (leat_identity){1, 2}, event, err);
}

static leat_code look(void *self, const leat_match *match, leat_err *err)
{
    (void)self;
    (void)err;
    const leat_take *first = leat_take_first(match->last);
    if (first->depth != 1 || match->last - first + 1 != (ptrdiff_t)match->last->depth) abort();
    return LEAT_OK;
}

static void play(leat_matcher *matcher, leat_matcher_work *work, const leat_pattern *pattern)
{
    static const char letters[] = "abcdua";
    leat_err err;
    leat_matches matches = {.match = look};
    bench b = {pattern, 'a', 0, leat_matcher_work_pool(work)};
    leat_matcher_host host = {.self = &b, .test = test, .keep = keep};
    leat_event *held = NULL;
    int64_t deadline_ms = leat_matcher_deadline(matcher);
    b.at_ms = deadline_ms == LEAT_TIME_MAX ? INT64_MAX / 2 : deadline_ms;
    leat_code code = LEAT_OK;
    for (uint32_t i = 0; leat_matcher_resting(matcher); i++)
        if (leat_matcher_resume(matcher, work, &matches, &err) != LEAT_OK || i > 0) return;
    while (leat_matcher_unhold(matcher, b.at_ms, &held))
        leat_event_release(&held);
    for (size_t i = 0; letters[i] != '\0' && code == LEAT_OK; i++) {
        b.letter = letters[i];
        code = leat_matcher_advance(matcher, work, b.at_ms, &matches, &err);
        if (leat_matcher_deadline(matcher) <= b.at_ms) break; /* its times overflow */
        if (code == LEAT_OK)
            code = leat_matcher_feed(matcher, work, b.at_ms, &host, &matches, &err);
    }
}

static bool encode(leat_matcher *matcher, leat_matcher_work *work, leat_buf *out)
{
    leat_err err;
    return leat_matcher_tidy(matcher, work, &err) == LEAT_OK &&
           leat_matcher_encode(matcher, out, &err) == LEAT_OK;
}

static void decode(const leat_nfa *nfa, leat_str bytes)
{
    leat_err err;
    leat_matcher *matcher = NULL, *again = NULL;
    leat_buf first, second;
    leat_matcher_work *work = leat_matcher_work_new();
    leat_buf_init(&first, (size_t)64 << 20);
    leat_buf_init(&second, (size_t)64 << 20);
    if (leat_matcher_decode(nfa, work, bytes, false, &matcher, &err) == LEAT_OK) {
        if (!encode(matcher, work, &first) ||
            leat_matcher_decode(nfa, work, leat_buf_str(&first), false, &again, &err) != LEAT_OK ||
            !encode(again, work, &second) ||
            !leat_str_equal(leat_buf_str(&first), leat_buf_str(&second)))
            abort();
        play(again, work, nfa->pattern);
    } else if (err.code != LEAT_ERR_DAMAGED && err.code != LEAT_ERR_MEMORY) {
        abort();
    }
    leat_matcher_free(&matcher);
    leat_matcher_free(&again);
    leat_buf_release(&first);
    leat_buf_release(&second);
    leat_matcher_work_free(&work);
}

/* The head of any matcher's bytes. */
static void head_of(const leat_nfa *nfa, leat_buf *bytes)
{
    leat_err err;
    leat_matcher *matcher = NULL;
    leat_matcher_work *work = leat_matcher_work_new();
    if (leat_matcher_new(nfa, &matcher, &err) != LEAT_OK || !encode(matcher, work, bytes) ||
        bytes->len < HEAD_BYTES)
        abort();
    bytes->len = HEAD_BYTES;
    leat_matcher_free(&matcher);
    leat_matcher_work_free(&work);
}

static void hold_some(leat_matcher *matcher, const bench *b)
{
    const leat_value orders[] = {leat_value_int(7), LEAT_VALUE_NULL,
                                 leat_value_string(LEAT_STR("x"))};
    for (size_t i = 0; i < 3; i++) {
        leat_event *event = NULL;
        leat_err err;
        if (leat_event_new(b->pool, LEAT_STR("{}"), b->at_ms, (leat_identity){3, i}, &event,
                           &err) != LEAT_OK ||
            leat_matcher_hold(matcher, event, orders[i], &err) != LEAT_OK)
            abort();
        leat_event_release(&event);
    }
}

/* The bytes of a matcher that was fed these letters, a millisecond apart; a capital one takes
 * three. */
static void state_of(const leat_nfa *nfa, const uint8_t *letters, size_t count, leat_buf *bytes)
{
    leat_err err;
    leat_matcher *matcher = NULL;
    leat_matches matches = {.match = look};
    leat_matcher_work *work = leat_matcher_work_new();
    bench b = {nfa->pattern, 'a', 1000, leat_matcher_work_pool(work)};
    leat_matcher_host host = {.self = &b, .test = test, .keep = keep};
    leat_code code = leat_matcher_new(nfa, &matcher, &err);
    for (size_t i = 0; i < count && code == LEAT_OK; i++) {
        b.letter = (char)(letters[i] | 0x20);
        b.at_ms += letters[i] & 0x20 ? 1 : 3;
        code = leat_matcher_advance(matcher, work, b.at_ms, &matches, &err);
        if (code == LEAT_OK)
            code = leat_matcher_feed(matcher, work, b.at_ms, &host, &matches, &err);
    }
    if (nfa->pattern->order_by != NULL && count % 2 == 1) hold_some(matcher, &b);
    if (code != LEAT_OK || !encode(matcher, work, bytes)) abort();
    leat_matcher_free(&matcher);
    leat_matcher_work_free(&work);
}

static void make_bytes(const leat_nfa *nfa, const uint8_t *data, size_t size, leat_buf *bytes)
{
    if ((data[0] & 0x80) == 0) {
        head_of(nfa, bytes);
        leat_buf_add(bytes, (leat_str){(const char *)data + 1, size - 1});
        return;
    }
    size_t count = size < 2 ? 0 : data[1] % LETTERS_MAX;
    if (count + 2 > size) count = size < 2 ? 0 : size - 2;
    state_of(nfa, data + 2, count, bytes);
    for (size_t i = count + 2; i + 2 < size; i += 3) {
        size_t place = (data[i] + 256u * data[i + 1]) % (bytes->len - HEAD_BYTES);
        bytes->data[HEAD_BYTES + place] = (char)data[i + 2];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t live = leat_mem_live();
    leat_arena *arena = NULL;
    leat_findings findings;
    leat_pattern *pattern = NULL;
    leat_nfa *nfa = NULL;
    leat_node *root = NULL;
    leat_err err;
    leat_buf bytes;
    uint32_t line = 0, column = 0;
    if (size == 0 || leat_arena_new(&arena, ARENA_BYTES, &err) != LEAT_OK) return 0;
    const char *text = patterns[(data[0] & 0x7f) % (sizeof patterns / sizeof patterns[0])];
    leat_findings_init(&findings, arena);
    if (leat_doc_parse(leat_str_of(text), LEAT_STR("p"), arena, &root, &err, &line, &column) !=
            LEAT_OK ||
        !leat_pattern_read(root, arena, &findings, &pattern) ||
        leat_nfa_new(pattern, arena, &findings, &nfa, &err) != LEAT_OK || nfa == NULL)
        abort();
    note_readings(pattern);
    leat_buf_init(&bytes, (size_t)64 << 20);
    make_bytes(nfa, data, size, &bytes);
    if (!bytes.overflow) decode(nfa, leat_buf_str(&bytes));
    leat_buf_release(&bytes);
    leat_arena_free(&arena);
    if (leat_mem_live() != live) abort();
    return 0;
}
