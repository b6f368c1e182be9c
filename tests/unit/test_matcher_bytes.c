/* SPDX-License-Identifier: Apache-2.0 */
/* A matcher's bytes: what their head tells, versions, and that damaged ones are refused. That
 * nothing is lost on the way is what random patterns show (test_matcher.c), and the differential
 * test. */
#include "cep/matcher_inside.h"
#include "tests/unit/cep_harness.h"
#include "tests/unit/leak.h"

LEAT_SUITE(matcher_bytes);

#define P(more, steps)       "{\"name\":\"p\"" more ",\"steps\":[" steps "]}"
#define S(name, where, more) "{\"name\":\"" name "\",\"where\":\"" where "\"" more "}"
#define NOT(where, more)     "{\"not\":true,\"where\":\"" where "\"" more "}"
#define ANY                  ",\"contiguity\":\"followed_by_any\""
#define PLUS                 ",\"times\":{\"min\":1}"
#define GREEDY               ",\"greedy\":true"
#define WITHIN               ",\"within\":\"10ms\""

static const char coded[] =
    P(WITHIN ",\"skip\":\"skip_past_last_event\"",
      S("A", "ab", PLUS GREEDY ",\"until\":\"u\"") ","
                                                   "{\"any_of\":[" S("B", "b", "") "," S(
                                                       "C", "c",
                                                       "") "]}," NOT("n", "") "," S("D", "d", ANY));

static void encode(cep_bed *bed, leat_buf *out)
{
    leat_err err;
    leat_buf_init(out, 1 << 20);
    cep_open(bed, coded);
    cep_play(bed, "a1 a2 b3 c4 x5 c6");
    cr_assert_eq(leat_matcher_tidy(bed->matcher, bed->work, &err), LEAT_OK);
    cr_assert_eq(leat_matcher_encode(bed->matcher, out, &err), LEAT_OK);
}

Test(matcher_bytes, can_be_peeked_into)
{
    cep_bed bed;
    leat_buf bytes;
    leat_err err;
    leat_matcher_head head;
    encode(&bed, &bytes);
    cr_assert_eq(leat_matcher_peek(leat_buf_str(&bytes), &head, &err), LEAT_OK);
    cr_expect_eq(head.fingerprint, bed.nfa->fingerprint);
    cr_expect_eq(head.deadline_ms, 11);
    leat_buf_release(&bytes);
    cep_close(&bed);
}

/* Every cut is refused, and no flipped byte does harm. */
Test(matcher_bytes, refuses_damaged_bytes)
{
    cep_bed bed;
    leat_buf bytes;
    leat_err err;
    encode(&bed, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        leat_matcher *again = NULL;
        char *cut = malloc(len + 1);
        cr_assert_not_null(cut);
        memcpy(cut, bytes.data, len);
        cr_expect_eq(
            leat_matcher_decode(bed.nfa, bed.work, (leat_str){cut, len}, false, &again, &err),
            LEAT_ERR_DAMAGED, "%zu", len);
        cr_expect_null(again);
        free(cut);
    }
    for (size_t i = 0; i < bytes.len * 8; i++) {
        leat_matcher *again = NULL;
        bytes.data[i / 8] = (char)(bytes.data[i / 8] ^ (1 << i % 8));
        leat_code code =
            leat_matcher_decode(bed.nfa, bed.work, leat_buf_str(&bytes), false, &again, &err);
        cr_expect(code == LEAT_OK || code == LEAT_ERR_DAMAGED);
        cr_expect_eq(code == LEAT_OK, again != NULL);
        leat_matcher_free(&again);
        bytes.data[i / 8] = (char)(bytes.data[i / 8] ^ (1 << i % 8));
    }
    leat_buf_add_char(&bytes, 'x');
    leat_matcher *again = NULL;
    cr_expect_eq(leat_matcher_decode(bed.nfa, bed.work, leat_buf_str(&bytes), false, &again, &err),
                 LEAT_ERR_DAMAGED);
    leat_buf_release(&bytes);
    cep_close(&bed);
}

/* Partial matches that say of each other's takes that they were theirs: an event that only the one
 * holds would be gone while the other lives. */
Test(matcher_bytes, refuses_takes_of_others)
{
    cep_bed bed;
    leat_buf bytes;
    leat_err err;
    leat_matcher *again = NULL;
    leat_buf_init(&bytes, 1 << 20);
    cep_open(&bed, P(WITHIN, S("Z", "z", "") "," S("A", "ac", "") "," S("B", "=A",
                                                                        "") "," S("D", "=B", "")));
    cep_play(&bed, "z1 a2 z3 c4 c6 a7");
    const machine *m = bed.matcher->machine;
    bundles *list = &bed.matcher->bundles;
    cr_assert_eq(list->count, 2);
    cr_assert_eq(leat_matcher_tidy(bed.matcher, bed.work, &err), LEAT_OK);
    cr_assert_eq(leat_matcher_encode(bed.matcher, &bytes, &err), LEAT_OK);
    cr_assert_eq(leat_matcher_decode(bed.nfa, bed.work, leat_buf_str(&bytes), false, &again, &err),
                 LEAT_OK, "%s", err.text);
    leat_matcher_free(&again);
    for (uint32_t i = 0; i < m->slots_count; i++) {
        uint32_t *one = &bundle_at(m, list, 0)->slots[i];
        uint32_t *other = &bundle_at(m, list, 1)->slots[i];
        uint32_t kept = *one;
        *one = *other;
        *other = kept;
    }
    leat_buf_reset(&bytes);
    cr_assert_eq(leat_matcher_tidy(bed.matcher, bed.work, &err), LEAT_OK);
    cr_assert_eq(leat_matcher_encode(bed.matcher, &bytes, &err), LEAT_OK);
    cr_expect_eq(leat_matcher_decode(bed.nfa, bed.work, leat_buf_str(&bytes), false, &again, &err),
                 LEAT_ERR_DAMAGED);
    cr_expect_null(again);
    leat_buf_release(&bytes);
    cep_close(&bed);
}

/* An edit that keeps partial matches: those beyond the new limit go, and are counted. */
Test(matcher_bytes, a_limit_may_be_lowered)
{
    cep_bed bed, low;
    leat_buf bytes;
    leat_err err;
    leat_buf_init(&bytes, 1 << 20);
    cep_open(&bed, P("", S("A", "a", PLUS) "," S("B", "b", "")));
    cep_open(&low, P(",\"limits\":{\"events\":2}", S("A", "a", PLUS) "," S("B", "b", "")));
    cr_assert_eq(bed.nfa->fingerprint, low.nfa->fingerprint);
    cep_play(&bed, "a1 a2 a3 a4");
    cr_assert_eq(leat_matcher_tidy(bed.matcher, bed.work, &err), LEAT_OK);
    cr_assert_eq(leat_matcher_encode(bed.matcher, &bytes, &err), LEAT_OK);
    leat_matcher_free(&low.matcher);
    cr_assert_eq(
        leat_matcher_decode(low.nfa, low.work, leat_buf_str(&bytes), false, &low.matcher, &err),
        LEAT_OK, "%s", err.text);
    cep_play(&low, "b5");
    cep_expect(&low, "5: A1 B5\n5: A2 B5\n5: A3 B5\n5: A4 B5\ndropped 6\n");
    cep_play(&low, "a6 b7"); /* as ever under that limit */
    cep_expect(&low, "7: A6 B7\ndropped 1\n");
    leat_buf_release(&bytes);
    cep_close(&bed);
    cep_close(&low);
}

/* The bytes as version 2 had them: no flags, the window's deadline always, events in full. */
static void as_before(const cep_bed *bed, leat_str bytes, leat_buf *out)
{
    const graph *g = &bed->matcher->graph;
    leat_reader in = leat_reader_of(bytes);
    uint8_t version = 0, flags = 0;
    uint64_t fingerprint = 0, number = 0;
    int64_t deadline_ms = 0, window_ms = 0;
    leat_str json = LEAT_STR_NONE;
    cr_assert(leat_reader_u8(&in, &version) && leat_reader_u64(&in, &fingerprint));
    cr_assert(leat_reader_varint(&in, &deadline_ms) && leat_reader_u8(&in, &flags));
    cr_assert_eq(version, MATCHER_VERSION);
    window_ms = deadline_ms;
    if ((flags & 2) != 0) cr_assert(leat_reader_varint(&in, &window_ms));
    leat_buf_add_char(out, MATCHER_VERSION_BEFORE);
    leat_buf_add_u64(out, fingerprint);
    leat_buf_add_varint(out, deadline_ms);
    leat_buf_add_varint(out, window_ms);
    for (int i = 0; i < 3; i++) { /* bound, skipped, number of events */
        cr_assert(leat_reader_varuint(&in, &number));
        leat_buf_add_varuint(out, number);
    }
    cr_assert_eq(number, g->events_count);
    for (uint32_t i = 0; i < g->events_count; i++) {
        const leat_event *event = g->events[i].event;
        cr_assert(leat_reader_varuint(&in, &number) && leat_reader_varuint(&in, &number));
        if (number == 0)
            cr_assert(leat_reader_u64(&in, &number) && leat_reader_varuint(&in, &number));
        cr_assert(leat_reader_bytes(&in, &json));
        cr_assert(leat_str_equal(json, leat_event_json(event)));
        leat_buf_add_varint(out, event->timestamp_ms);
        leat_buf_add_u64(out, leat_event_identity(event).place);
        leat_buf_add_u64(out, event->offset);
        leat_buf_add_bytes(out, json);
    }
    leat_buf_add(out, (leat_str){in.at, (size_t)(in.end - in.at)});
}

Test(matcher_bytes, reads_the_version_before)
{
    cep_bed bed;
    leat_buf bytes, old, now;
    leat_err err;
    leat_matcher *again = NULL;
    encode(&bed, &bytes);
    leat_buf_init(&old, 1 << 20);
    leat_buf_init(&now, 1 << 20);
    cr_assert_gt(bed.matcher->graph.events_count, 2);
    as_before(&bed, leat_buf_str(&bytes), &old);
    cr_assert_eq(leat_matcher_decode(bed.nfa, bed.work, leat_buf_str(&old), false, &again, &err),
                 LEAT_OK, "%s", err.text);
    cr_assert_eq(leat_matcher_tidy(again, bed.work, &err), LEAT_OK);
    cr_assert_eq(leat_matcher_encode(again, &now, &err), LEAT_OK);
    cr_expect(leat_str_equal(leat_buf_str(&now), leat_buf_str(&bytes)));
    leat_matcher_free(&again);
    leat_buf_release(&bytes);
    leat_buf_release(&old);
    leat_buf_release(&now);
    cep_close(&bed);
}

/* Where time completes nothing, the bytes tell when all is over: not before the last run's end. */
Test(matcher_bytes, tells_its_end)
{
    cep_bed bed;
    leat_buf bytes;
    leat_err err;
    leat_matcher_head head;
    leat_matcher *again = NULL;
    leat_buf_init(&bytes, 1 << 20);
    cep_open(&bed, P(WITHIN, S("A", "a", "") "," S("B", "b", "")));
    bed.nfa->timeouts = false;
    cep_play(&bed, "a1 x2 a4");
    cr_assert_eq(leat_matcher_deadline(bed.matcher), 11);
    cr_assert_eq(leat_matcher_tidy(bed.matcher, bed.work, &err), LEAT_OK);
    cr_assert_eq(leat_matcher_encode(bed.matcher, &bytes, &err), LEAT_OK);
    cr_assert_eq(leat_matcher_peek(leat_buf_str(&bytes), &head, &err), LEAT_OK);
    cr_expect(head.quiet);
    cr_expect_eq(head.deadline_ms, 14);
    cr_expect_eq(leat_matcher_deadline(bed.matcher), 14);
    for (int own = 0; own < 2; own++) {
        cr_assert_eq(
            leat_matcher_decode(bed.nfa, bed.work, leat_buf_str(&bytes), own != 0, &again, &err),
            LEAT_OK, "%s", err.text);
        cr_expect_eq(leat_matcher_deadline(again), 14);
        leat_buf_reset(&bed.out);
        cr_assert_eq(leat_matcher_advance(again, bed.work, 14, &bed.matches, &err), LEAT_OK);
        cr_expect(leat_matcher_empty(again) && bed.out.len == 0);
        leat_matcher_free(&again);
    }
    leat_buf_release(&bytes);
    cep_close(&bed);
}
