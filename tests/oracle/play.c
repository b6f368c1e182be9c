/* SPDX-License-Identifier: Apache-2.0 */
/* Two matchers, one set of calls. Nothing is decided here: each call goes to the one or the other,
 * and what comes out is copied, takes in the order in which they were made. */
#include "tests/oracle/play.h"

#include "core/mem.h"
#include "tests/oracle/oracle_testing.h"

struct play_kit {
    const leat_nfa *nfa;
    leat_testing *testing; /* the product's */
    leat_matcher_work *work;
    leat_matches matches; /* to arena and results */
    leat_arena *arena;
    play_results *results;
    uint64_t pauses;
    uint64_t portion; /* matches; 0: no pause */
    bool recoded, plain;
    oracle_testing *plain_testing;
    oracle_work *plain_work;
    oracle_matches plain_matches;
    leat_event *event; /* in hand */
};

struct play {
    play_kit *kit;
    leat_matcher *matcher;
    oracle *plain;
};

play_kit *play_kit_new(const leat_nfa *nfa, const leat_conditions *conditions, bool plain)
{
    play_kit *made = leat_mem_need(sizeof *made);
    made->nfa = nfa;
    made->plain = plain;
    made->testing = leat_testing_new(conditions);
    made->work = leat_matcher_work_new();
    made->plain_testing = oracle_testing_new(nfa->pattern);
    made->plain_work = oracle_work_new();
    return made;
}

void play_kit_free(play_kit **kit)
{
    play_kit *gone = *kit;
    if (gone == NULL) return;
    leat_matcher_work_free(&gone->work);
    leat_testing_free(&gone->testing);
    oracle_matches_release(&gone->plain_matches);
    oracle_work_free(&gone->plain_work);
    oracle_testing_free(&gone->plain_testing);
    leat_mem_free(gone);
    *kit = NULL;
}

leat_pool *play_kit_pool(play_kit *kit)
{
    return leat_matcher_work_pool(kit->work);
}

void play_kit_index_at(play_kit *kit, size_t least)
{
    leat_matcher_work_index_at(kit->work, least);
}

void play_kit_portions(play_kit *kit, uint64_t matches, bool recoded)
{
    kit->portion = matches;
    kit->recoded = recoded;
}

uint64_t play_kit_pauses(const play_kit *kit)
{
    return kit->pauses;
}

play *play_new(play_kit *kit)
{
    leat_err err = {0};
    play *made = leat_mem_need(sizeof *made);
    made->kit = kit;
    leat_code code = kit->plain ? oracle_new(kit->nfa, &made->plain, &err)
                                : leat_matcher_new(kit->nfa, &made->matcher, &err);
    LEAT_ASSERT(code == LEAT_OK);
    return made;
}

void play_free(play **key)
{
    if (*key == NULL) return;
    leat_matcher_free(&(*key)->matcher);
    oracle_free(&(*key)->plain);
    leat_mem_free(*key);
    *key = NULL;
}

/* --- results --- */

static void *need(leat_arena *arena, size_t bytes)
{
    void *ptr = leat_arena_zero(arena, bytes);
    LEAT_ASSERT(ptr != NULL);
    return ptr;
}

static play_result *results_add(play_results *list, uint32_t count, play_take **takes,
                                leat_arena *arena)
{
    if (list->count == list->size) {
        size_t size = list->size == 0 ? 16 : list->size * 2;
        play_result *items = need(arena, size * sizeof *items);
        if (list->count > 0) memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->size = size;
    }
    play_result *added = &list->items[list->count++];
    *takes = need(arena, count * sizeof **takes);
    *added = (play_result){.count = count, .takes = *takes};
    return added;
}

static leat_code add_match(void *self, const leat_match *match, leat_err *err)
{
    play_kit *kit = self;
    play_take *takes = NULL;
    (void)err;
    play_result *result = results_add(kit->results, match->last->depth, &takes, kit->arena);
    result->timed_out = match->timed_out;
    result->missed = match->missed;
    result->time_ms = match->time_ms;
    for (const leat_take *take = match->last; take != NULL; take = take->before)
        takes[take->depth - 1] = (play_take){take->step, take->event->offset};
    kit->matches.pause = kit->portion > 0 && kit->matches.count % kit->portion == 0;
    return LEAT_OK;
}

/* Where the product's matches go. */
static leat_matches *receive(play_kit *kit, leat_arena *arena, play_results *results)
{
    kit->arena = arena;
    kit->results = results;
    kit->matches = (leat_matches){.match = add_match, .self = kit};
    return &kit->matches;
}

static void collect(play_kit *kit, leat_arena *arena, play_results *results)
{
    if (!kit->plain) {
        results->dropped += kit->matches.dropped;
        results->withheld += kit->matches.withheld;
        return;
    }
    for (size_t i = 0; i < kit->plain_matches.count; i++) {
        const oracle_match *match = &kit->plain_matches.items[i];
        play_take *takes = NULL;
        play_result *result = results_add(results, match->last->depth, &takes, arena);
        result->timed_out = match->timed_out;
        result->missed = match->missed;
        result->time_ms = match->time_ms;
        for (const oracle_take *take = match->last; take != NULL; take = take->before)
            takes[take->depth - 1] = (play_take){take->step, take->event->offset};
    }
    results->dropped += kit->plain_matches.dropped;
    results->withheld += kit->plain_matches.withheld;
    oracle_matches_reset(&kit->plain_matches);
}

/* --- calls --- */

static leat_code share(void *self, leat_event **event, leat_err *err)
{
    const play_kit *kit = self;
    (void)err;
    *event = leat_event_share(kit->event);
    return LEAT_OK;
}

static void begin(play_kit *kit, leat_event *event, leat_arena *arena)
{
    leat_eval base = {.arena = arena};
    kit->event = event;
    leat_testing_begin(kit->testing, &base, event, share, kit);
}

/* The product's matches that are left after a pause. */
static leat_code go_on(play *key, leat_code code, leat_err *err)
{
    play_kit *kit = key->kit;
    while (code == LEAT_OK && leat_matcher_resting(key->matcher)) {
        kit->pauses++;
        if (kit->recoded) code = play_recode(key, err);
        if (code == LEAT_OK)
            code = leat_matcher_resume(key->matcher, kit->work, &kit->matches, err);
    }
    return code;
}

leat_code play_feed(play *key, leat_event *event, leat_arena *arena, play_results *results,
                    leat_err *err)
{
    play_kit *kit = key->kit;
    leat_code code = LEAT_OK;
    if (kit->plain) {
        oracle_testing_begin(kit->plain_testing, event, arena);
        code = oracle_feed(key->plain, kit->plain_work, event->timestamp_ms,
                           oracle_testing_host(kit->plain_testing), &kit->plain_matches, err);
    } else {
        begin(kit, event, arena);
        code =
            leat_matcher_feed(key->matcher, kit->work, event->timestamp_ms,
                              leat_testing_host(kit->testing), receive(kit, arena, results), err);
        code = go_on(key, code, err);
    }
    collect(kit, arena, results);
    return code;
}

leat_code play_advance(play *key, int64_t now_ms, leat_arena *arena, play_results *results,
                       leat_err *err)
{
    play_kit *kit = key->kit;
    leat_code code =
        kit->plain ? oracle_advance(key->plain, kit->plain_work, now_ms, &kit->plain_matches, err)
                   : leat_matcher_advance(key->matcher, kit->work, now_ms,
                                          receive(kit, arena, results), err);
    if (!kit->plain) code = go_on(key, code, err);
    collect(kit, arena, results);
    return code;
}

leat_code play_hold(play *key, leat_event *event, leat_arena *arena, leat_err *err)
{
    play_kit *kit = key->kit;
    leat_value order = LEAT_VALUE_NULL;
    if (kit->plain) {
        oracle_testing_begin(kit->plain_testing, event, arena);
        order = oracle_order_value(oracle_testing_order(kit->plain_testing));
        return oracle_hold(key->plain, event, order, err);
    }
    begin(kit, event, arena);
    if (leat_testing_order(kit->testing, &order, err) != LEAT_OK) order = LEAT_VALUE_NULL;
    return leat_matcher_hold(key->matcher, event, leat_matcher_order_value(order), err);
}

bool play_unhold(play *key, int64_t now_ms, leat_event **event)
{
    if (key->kit->plain) return oracle_unhold(key->plain, now_ms, event);
    return leat_matcher_unhold(key->matcher, now_ms, event);
}

int64_t play_deadline(const play *key)
{
    return key->kit->plain ? oracle_deadline(key->plain) : leat_matcher_deadline(key->matcher);
}

bool play_empty(const play *key)
{
    return key->kit->plain ? oracle_empty(key->plain) : leat_matcher_empty(key->matcher);
}

size_t play_partials(const play *key)
{
    return key->kit->plain ? oracle_partials(key->plain) : leat_matcher_takes(key->matcher);
}

leat_code play_matters(play *key, leat_event *event, leat_arena *arena, bool *matters,
                       leat_err *err)
{
    play_kit *kit = key->kit;
    bool idle = false;
    *matters = true;
    if (kit->plain) return LEAT_OK;
    begin(kit, event, arena);
    if (!kit->nfa->strict) LEAT_TRY(leat_testing_idle(kit->testing, &idle, err));
    if (!idle && !leat_matcher_empty(key->matcher)) return LEAT_OK;
    *matters = false;
    if (idle) return LEAT_OK;
    return leat_matcher_starts(kit->nfa, leat_testing_host(kit->testing), matters, err);
}

void play_renew(play *key)
{
    leat_err err = {0};
    if (key->kit->plain || !leat_matcher_empty(key->matcher)) return;
    leat_matcher_free(&key->matcher);
    leat_code code = leat_matcher_new(key->kit->nfa, &key->matcher, &err);
    LEAT_ASSERT(code == LEAT_OK);
}

leat_code play_recode(play *key, leat_err *err)
{
    if (key->kit->plain) return LEAT_OK;
    leat_buf bytes;
    leat_matcher *again = NULL;
    leat_buf_init(&bytes, (size_t)1 << 28);
    leat_code code = leat_matcher_tidy(key->matcher, key->kit->work, err);
    if (code == LEAT_OK) code = leat_matcher_encode(key->matcher, &bytes, err);
    if (code == LEAT_OK)
        code = leat_matcher_decode(key->kit->nfa, key->kit->work, leat_buf_str(&bytes), false,
                                   &again, err);
    leat_buf_release(&bytes);
    if (code != LEAT_OK) return code;
    leat_matcher_free(&key->matcher);
    key->matcher = again;
    return LEAT_OK;
}
