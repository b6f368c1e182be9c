/* SPDX-License-Identifier: Apache-2.0 */
/* The product's matcher and the oracle behind the same calls, with results of the same form, so
 * that a test can play events to either and compare.
 * Owner: the caller; results: the arena given. Thread: one. */
#ifndef LEAT_TESTS_ORACLE_PLAY_H
#define LEAT_TESTS_ORACLE_PLAY_H

#include "cep/conditions.h"

typedef struct play_take {
    uint32_t step;
    uint64_t event; /* offset of its identity */
} play_take;

typedef struct play_result {
    bool timed_out, missed;
    int64_t time_ms; /* timed_out: when */
    uint32_t count;
    const play_take *takes; /* first to last */
} play_result;

/* What came out, in order; grows in the arena. */
typedef struct play_results {
    play_result *items;
    size_t count, size;
    uint64_t dropped, withheld;
} play_results;

/* What all keys of a pattern share. conditions: `held` ones. */
typedef struct play_kit play_kit;
play_kit *play_kit_new(const leat_nfa *nfa, const leat_conditions *conditions, bool plain);
void play_kit_free(play_kit **kit);
/* The product rests after each `matches` of them, and is brought to bytes and back there if
 * `recoded`. */
void play_kit_portions(play_kit *kit, uint64_t matches, bool recoded);
uint64_t play_kit_pauses(const play_kit *kit); /* so far */
leat_pool *play_kit_pool(play_kit *kit);       /* for events */
/* Bundles from which on the product makes an index of them. */
void play_kit_index_at(play_kit *kit, size_t least);

/* One key; the kit must outlive it. */
typedef struct play play;
play *play_new(play_kit *kit);
void play_free(play **key);
leat_code play_feed(play *key, leat_event *event, leat_arena *arena, play_results *results,
                    leat_err *err) LEAT_CHECKED;
leat_code play_advance(play *key, int64_t now_ms, leat_arena *arena, play_results *results,
                       leat_err *err) LEAT_CHECKED;
/* order_by: holds the event by the pattern's expression; an expression that fails is NULL. */
leat_code play_hold(play *key, leat_event *event, leat_arena *arena, leat_err *err) LEAT_CHECKED;
bool play_unhold(play *key, int64_t now_ms, leat_event **event);
int64_t play_deadline(const play *key);
bool play_empty(const play *key);
size_t play_partials(const play *key);
/* What the step `detect` spares the product: an event that cannot matter is not fed, and a matcher
 * that holds nothing is thrown away. Of the oracle: every event matters, nothing happens. */
leat_code play_matters(play *key, leat_event *event, leat_arena *arena, bool *matters,
                       leat_err *err) LEAT_CHECKED;
void play_renew(play *key);
/* The product's state to bytes and back, in place; of the oracle: nothing happens. */
leat_code play_recode(play *key, leat_err *err) LEAT_CHECKED;

#endif
