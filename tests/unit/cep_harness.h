/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern whose conditions are letters, events that are letters, matches as text: for tests of
 * the automaton and the matcher alone, without expressions.
 *
 *   cep_bed bed;
 *   cep_open(&bed, "{\"steps\":[{\"name\":\"A\",\"where\":\"a\"}]}");
 *   cep_play(&bed, "a10 b20");       an event per word: its letter, its time
 *   cep_expect(&bed, "20: A10 B20\n");
 *
 * A condition is a set of letters ("ab"); "?" fails. `*` holds always. A condition "=S" holds for
 * the letter that step S took last. */
#ifndef LEAT_TESTS_UNIT_CEP_HARNESS_H
#define LEAT_TESTS_UNIT_CEP_HARNESS_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "cep/matcher.h"
#include "cep/pattern_warn.h"
#include "core/mem.h"
#include "schemas/doc.h"

typedef struct cep_bed {
    leat_arena *arena;
    leat_findings findings;
    leat_pattern *pattern;
    leat_nfa *nfa;
    leat_matcher *matcher;
    leat_matcher_work *work;
    leat_matches matches;
    leat_buf out;
    char letter;
    int64_t now_ms;
    unsigned kept;  /* events asked for, for the one in hand */
    bool recode;    /* to bytes and back after every event */
    uint64_t tests; /* evaluations asked for */
} cep_bed;

static leat_code cep_test(void *self, uint32_t condition, const leat_take *takes, bool *holds,
                          leat_err *err)
{
    cep_bed *bed = self;
    leat_str text = bed->pattern->conditions[condition].node->text;
    bed->tests++;
    *holds = false;
    if (leat_str_is(text, "!")) return leat_err_set(err, LEAT_ERR_ABORTED, "stop");
    if (text.len > 1 && text.data[0] == '=') {
        const leat_take *take = takes;
        while (take != NULL && !leat_str_equal(bed->pattern->steps[take->step]->name,
                                               leat_str_slice(text, 1, text.len)))
            take = take->before;
        *holds = take != NULL && take->event->json[2] == bed->letter;
        return LEAT_OK;
    }
    for (size_t i = 0; i < text.len; i++)
        *holds = *holds || text.data[i] == bed->letter || text.data[i] == '*';
    return LEAT_OK;
}

static leat_code cep_keep(void *self, leat_event **event, leat_err *err)
{
    cep_bed *bed = self;
    char json[16];
    (void)snprintf(json, sizeof json, "{\"%c\":0}", bed->letter);
    bed->kept++;
    leat_pool *pool = leat_matcher_work_pool(bed->work);
    return leat_event_new(pool, leat_str_of(json), bed->now_ms, (leat_identity){7, 9}, event, err);
}

static inline const leat_matcher_host *cep_host(cep_bed *bed)
{
    static leat_matcher_host host;
    host = (leat_matcher_host){.self = bed, .test = cep_test, .keep = cep_keep};
    return &host;
}

/* Reads and unfolds; false: there are findings, which are in bed->out. */
static inline bool cep_read(cep_bed *bed, const char *text)
{
    leat_err err;
    leat_node *node = NULL;
    uint32_t line, column;
    *bed = (cep_bed){.now_ms = INT64_MIN};
    cr_assert_eq(leat_arena_new(&bed->arena, (size_t)256 << 20, &err), LEAT_OK);
    leat_findings_init(&bed->findings, bed->arena);
    leat_buf_init(&bed->out, 1 << 24);
    cr_assert_eq(
        leat_doc_parse(leat_str_of(text), LEAT_STR("p"), bed->arena, &node, &err, &line, &column),
        LEAT_OK, "%s: %s", text, err.text);
    if (leat_pattern_read(node, bed->arena, &bed->findings, &bed->pattern))
        cr_assert_eq(leat_nfa_new(bed->pattern, bed->arena, &bed->findings, &bed->nfa, &err),
                     LEAT_OK, "%s", err.text);
    for (uint32_t i = 0; bed->nfa != NULL && i < bed->pattern->conditions_count; i++) {
        leat_condition *condition = &bed->pattern->conditions[i];
        leat_str named = condition->node->text;
        uint32_t step = 0;
        condition->reading.known = true;
        if (named.len > 1 && named.data[0] == '=' &&
            leat_pattern_step(bed->pattern, leat_str_slice(named, 1, named.len), &step))
            condition->reading.last = (uint64_t)1 << step;
    }
    if (bed->nfa != NULL) bed->nfa->timeouts = true;
    if (bed->nfa != NULL) leat_pattern_warn(bed->nfa, NULL, &bed->findings);
    leat_findings_sort(&bed->findings);
    leat_findings_print(&bed->findings, false, &bed->out);
    return bed->nfa != NULL;
}

static inline void cep_close(cep_bed *bed)
{
    leat_matcher_free(&bed->matcher);
    leat_matcher_work_free(&bed->work);
    leat_arena_free(&bed->arena);
    leat_buf_release(&bed->out);
}

static inline void cep_takes(const cep_bed *bed, const leat_take *take, leat_buf *out)
{
    if (take->before != NULL) cep_takes(bed, take->before, out);
    leat_buf_add_format(out, " %.*s%lld", LEAT_STR_ARG(bed->pattern->steps[take->step]->name),
                        (long long)take->event->timestamp_ms);
}

/* "at: A1 B2", or "at: timeout 5: A1". */
static leat_code cep_match(void *self, const leat_match *match, leat_err *err)
{
    cep_bed *bed = self;
    (void)err;
    if (bed->now_ms == INT64_MAX)
        leat_buf_add_text(&bed->out, "end:");
    else
        leat_buf_add_format(&bed->out, "%lld:", (long long)bed->now_ms);
    if (match->timed_out)
        leat_buf_add_format(&bed->out, " timeout %lld:", (long long)match->time_ms);
    if (match->missed) leat_buf_add_text(&bed->out, " missed");
    cep_takes(bed, match->last, &bed->out);
    leat_buf_add_char(&bed->out, '\n');
    return LEAT_OK;
}

static inline void cep_open(cep_bed *bed, const char *text)
{
    leat_err err;
    cr_assert(cep_read(bed, text), "%.*s", LEAT_STR_ARG(leat_buf_str(&bed->out)));
    leat_buf_reset(&bed->out); /* warnings */
    bed->work = leat_matcher_work_new();
    bed->matches = (leat_matches){.match = cep_match, .self = bed};
    cr_assert_eq(leat_matcher_new(bed->nfa, &bed->matcher, &err), LEAT_OK);
}

/* What was not said by matches. */
static inline void cep_collect(cep_bed *bed)
{
    leat_matches *matches = &bed->matches;
    if (matches->dropped > 0)
        leat_buf_add_format(&bed->out, "dropped %llu\n", (unsigned long long)matches->dropped);
    if (matches->withheld > 0)
        leat_buf_add_format(&bed->out, "withheld %llu\n", (unsigned long long)matches->withheld);
    matches->dropped = matches->withheld = 0;
}

/* What the matcher is, written and read again. */
static inline void cep_recode(cep_bed *bed)
{
    leat_buf first, second;
    leat_err err;
    leat_matcher *again = NULL;
    leat_buf_init(&first, 1 << 26);
    leat_buf_init(&second, 1 << 26);
    cr_assert_eq(leat_matcher_tidy(bed->matcher, bed->work, &err), LEAT_OK);
    cr_assert_eq(leat_matcher_encode(bed->matcher, &first, &err), LEAT_OK);
    cr_assert_eq(
        leat_matcher_decode(bed->nfa, bed->work, leat_buf_str(&first), false, &again, &err),
        LEAT_OK, "%s", err.text);
    cr_assert_geq(leat_matcher_deadline(again), leat_matcher_deadline(bed->matcher));
    cr_assert_eq(leat_matcher_empty(again), leat_matcher_empty(bed->matcher));
    leat_matcher_free(&bed->matcher);
    bed->matcher = again;
    cr_assert_eq(leat_matcher_tidy(bed->matcher, bed->work, &err), LEAT_OK);
    cr_assert_eq(leat_matcher_encode(bed->matcher, &second, &err), LEAT_OK);
    cr_assert(leat_str_equal(leat_buf_str(&first), leat_buf_str(&second)));
    leat_buf_release(&first);
    leat_buf_release(&second);
}

static inline void cep_advance(cep_bed *bed, int64_t now_ms)
{
    leat_err err;
    if (now_ms <= bed->now_ms) return;
    bed->now_ms = now_ms;
    cr_assert_eq(leat_matcher_advance(bed->matcher, bed->work, now_ms, &bed->matches, &err),
                 LEAT_OK, "%s", err.text);
    cep_collect(bed);
}

static inline leat_code cep_feed(cep_bed *bed, char letter, int64_t at_ms, leat_err *err)
{
    cep_advance(bed, at_ms);
    bed->letter = letter;
    bed->kept = 0;
    leat_code code =
        leat_matcher_feed(bed->matcher, bed->work, at_ms, cep_host(bed), &bed->matches, err);
    cr_assert_leq(bed->kept, 1);
    cep_collect(bed);
    if (code == LEAT_OK && bed->recode) cep_recode(bed);
    return code;
}

/* "a10 b20 ." — a word is a letter and a time; "." is the end of time. */
static inline void cep_play(cep_bed *bed, const char *events)
{
    leat_err err;
    for (const char *at = events; *at != '\0';) {
        if (*at == ' ') {
            at++;
        } else if (*at == '.') {
            cep_advance(bed, INT64_MAX);
            at++;
        } else {
            char *end;
            long when = strtol(at + 1, &end, 10);
            cr_assert_eq(cep_feed(bed, *at, when, &err), LEAT_OK, "%s", err.text);
            at = end;
        }
    }
}

#define cep_expect(bed, want)                                                                      \
    do {                                                                                           \
        leat_buf_add_char(&(bed)->out, '\0');                                                      \
        cr_expect_str_eq((bed)->out.data, want, "got:\n%swant:\n%s", (bed)->out.data, want);       \
        leat_buf_reset(&(bed)->out);                                                               \
    } while (0)

#endif
