/* SPDX-License-Identifier: Apache-2.0 */
/* The promise that what comes out depends on the sequence of records alone: the same records once
 * in batches of one without any accident, and once in random batches with commits, aborts that play
 * back, and crashes. Both must write the same lines.
 *
 *   wild_draw fills `messages`; wild_check(pipeline, seed, &messages) compares, and leaves the
 * lines of the plain run in *lines (malloc'ed) if that is not NULL. */
#ifndef LEAT_TESTS_UNIT_WILD_HARNESS_H
#define LEAT_TESTS_UNIT_WILD_HARNESS_H

#include "tests/unit/exec_harness.h"
#include "tests/unit/random.h"

#define WILD_MESSAGES 150
#define WILD_TEXT     160

typedef struct wild_script {
    leat_message messages[WILD_MESSAGES];
    char texts[WILD_MESSAGES][WILD_TEXT];
} wild_script;

/* write: prints one record's text for event time t. */
static inline void wild_draw(wild_script *s, leat_random *random,
                             int (*write)(char *text, size_t size, leat_random *random, int64_t t))
{
    int64_t now_ms = 100;
    for (size_t i = 0; i < WILD_MESSAGES; i++) {
        now_ms += (int64_t)leat_random_below(random, 5);
        if (leat_random_below(random, 20) == 0) now_ms += 30;
        int64_t t = now_ms - (int64_t)leat_random_below(random, 4);
        int len = write(s->texts[i], WILD_TEXT, random, t);
        cr_assert(len > 0 && len < WILD_TEXT);
        s->messages[i] = (leat_message){.topic = LEAT_STR("in"),
                                        .offset = (int64_t)i,
                                        .timestamp_ms = t,
                                        .value = {s->texts[i], (size_t)len}};
    }
}

/* Sends the messages to an open bed, and the end. wild: in random batches, with commits, aborts
 * that play back, and crashes; NULL: in batches of plain, and nothing else. */
static inline void wild_play(test_bed *bed, const leat_message *messages, size_t total,
                             size_t plain, leat_random *wild)
{
    size_t committed = 0, at = 0, committed_out = 0;
    while (at < total) {
        size_t count = wild == NULL ? plain : 1 + (size_t)leat_random_below(wild, 9);
        if (count > total - at) count = total - at;
        bed_batch(bed, messages + at, count);
        at += count;
        uint64_t dice = wild == NULL ? 9 : leat_random_below(wild, 10);
        if (dice < 4) {
            bed_commit(bed);
            committed = at;
            committed_out = bed->out.len;
        } else if (dice < 6) {
            if (dice == 4) bed_flush_in_vain(bed);
            if (dice == 4 || leat_random_below(wild, 2) == 0)
                bed_abort(bed);
            else
                bed_crash(bed);
            at = committed;
            bed->out.len = committed_out;
        }
    }
    bed_end(bed);
    leat_buf_add_char(&bed->out, '\0');
}

/* Returns how many lines the plain run has written. cells: how many of the named table are left in
 * the changelog after the end; they must be none. */
static inline size_t wild_check(const char *pipeline, const leat_operator_type *more,
                                const wild_script *s, uint64_t seed, const char *table)
{
    test_bed plain, wild;
    leat_random random = {seed * 77};
    size_t lines = 0, left = 0, written = 0;
    bed_open_with(&plain, pipeline, more);
    bed_open_with(&wild, pipeline, more);
    plain.terse = wild.terse = false;
    wild_play(&plain, s->messages, WILD_MESSAGES, 1, NULL);
    wild_play(&wild, s->messages, WILD_MESSAGES, 1, &random);
    cr_expect_str_eq(wild.out.data, plain.out.data, "seed %llu", (unsigned long long)seed);
    for (const char *c = plain.out.data; *c != '\0'; c++)
        lines += *c == '\n';
    bed_commit(&wild);
    for (size_t i = 0; i < wild.log_count && table != NULL; i++) {
        bool its = strcmp(wild.log[i].key.data, table) == 0;
        written += its;
        left += its && wild.log[i].value.data != NULL;
    }
    cr_expect_eq(left, 0, "seed %llu", (unsigned long long)seed);
    cr_expect(table == NULL || written > 0, "no table is called '%s'", table);
    bed_close(&plain);
    bed_close(&wild);
    return lines;
}

#endif
