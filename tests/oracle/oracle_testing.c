/* SPDX-License-Identifier: Apache-2.0 */
/* The conditions remember their answers by event and take, so a chain keeps its address for as long
 * as the event is in hand; the oracle asks everything about one partial match in a row, so the last
 * chain is remembered, and no other. */
#include "tests/oracle/oracle_testing.h"

#include "core/mem.h"

struct oracle_testing {
    leat_testing *testing;
    oracle_host host;
    leat_event *event;
    leat_arena *arena;
    const oracle_take *shown; /* `view` shows this one */
    const leat_take *view;
};

static leat_take *view_of(leat_arena *arena, const oracle_take *take)
{
    leat_take *last = NULL;
    leat_take *after = NULL;
    for (; take != NULL; take = take->before) {
        leat_take *made = leat_arena_zero(arena, sizeof *made);
        LEAT_ASSERT(made != NULL);
        made->event = take->event;
        made->seq = take->seq;
        made->step = take->step;
        made->depth = take->depth;
        if (after == NULL)
            last = made;
        else
            after->before = made;
        after = made;
    }
    return last;
}

static leat_code test(void *self, uint32_t condition, const oracle_take *takes, bool *holds,
                      leat_err *err)
{
    oracle_testing *t = self;
    if (takes != t->shown) {
        t->view = view_of(t->arena, takes);
        t->shown = takes;
    }
    const leat_matcher_host *host = leat_testing_host(t->testing);
    return host->test(host->self, condition, t->view, holds, err);
}

static leat_code share(void *self, leat_event **event, leat_err *err)
{
    const oracle_testing *t = self;
    (void)err;
    *event = leat_event_share(t->event);
    return LEAT_OK;
}

oracle_testing *oracle_testing_new(const leat_conditions *conditions)
{
    oracle_testing *made = leat_mem_need(sizeof *made);
    made->testing = leat_testing_new(conditions);
    made->host = (oracle_host){made, test, share};
    return made;
}

void oracle_testing_free(oracle_testing **testing)
{
    if (*testing == NULL) return;
    leat_testing_free(&(*testing)->testing);
    leat_mem_free(*testing);
    *testing = NULL;
}

void oracle_testing_begin(oracle_testing *testing, leat_event *event, leat_arena *arena)
{
    leat_eval base = {.arena = arena};
    testing->event = event;
    testing->arena = arena;
    testing->shown = NULL;
    testing->view = NULL;
    leat_testing_begin(testing->testing, &base, event, share, testing);
}

const oracle_host *oracle_testing_host(const oracle_testing *testing)
{
    return &testing->host;
}
