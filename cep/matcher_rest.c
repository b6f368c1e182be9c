/* SPDX-License-Identifier: Apache-2.0 */
/* A pause while matches come out. One event may complete more of them than anybody wants to hold at
 * once, so whoever receives them may stop after any match and have the rest later: in the next
 * transaction, after a crash, in another process.
 *
 *   feed -> match match | match match | match -> limits
 *                       rest          rest
 *
 * What is left lies in the graph. Without a skip strategy the roots of what the event has completed
 * wait there until all their runs are out, with the event as the last take (skip.c: rest_done);
 * under a strategy matches wait as roots anyway. To these comes how many runs have passed. As long
 * as nobody else has used the scratch the paths themselves still know where they are; else the
 * roots are opened again and as many runs passed over, which costs a fraction of what it took to
 * send them. The order of runs depends on their takes alone, so it is the same from anywhere.
 *
 * Nothing may be fed meanwhile: what comes behind would be told before what is left. */
#include "cep/matcher_inside.h"

bool leat_matcher_resting(const leat_matcher *matcher)
{
    return matcher_rests(matcher);
}

leat_code leat_matcher_resume(leat_matcher *matcher, leat_matcher_work *work, leat_matches *matches,
                              leat_err *err)
{
    rest_then then = matcher->rest.then;
    LEAT_TRY(matcher_attach(matcher, work, err));
    LEAT_ASSERT(work->event == NULL && work->number == 0 && then != REST_NONE);
    work->fresh.count = 0;
    work->done_count = 0;
    matches_begin(work, matches);
    work->out_count = matcher->rest.out;
    LEAT_TRY(skip_resume(matcher, work, matches, err));
    if (matcher->rest.then != REST_NONE) {
        matcher->rest.then = then;
        return LEAT_OK;
    }
    const feeding f = {.matcher = matcher,
                       .work = work,
                       .machine = matcher->machine,
                       .pattern = matcher_pattern(matcher),
                       .matches = matches,
                       .err = err};
    if (then == REST_FED) LEAT_TRY(matcher_limit(&f));
    LEAT_TRY(matcher_settle(matcher, work, err));
    matcher_deadline(matcher);
    return LEAT_OK;
}
