/* SPDX-License-Identifier: Apache-2.0 */
/* The automaton as text: what `explain` shows, what tests compare, and what the fingerprint of
 * stored state is made from, so nothing that changes the meaning of a state may be left out.
 *
 *   1 probe(1)
 *     followed_by probe -> 2
 *   2 probe(2) accepts
 *     next drain -> 3, not between {4}, within 1000 ms
 *
 * Conditions are shown by their numbers; {*} holds for every event. */
#include "cep/nfa.h"

static void print_any(const char *label, leat_any any, leat_buf *out)
{
    if (any.count == 0 && !any.always) return;
    leat_buf_add_format(out, ", %s {", label);
    if (any.always) leat_buf_add_char(out, '*');
    for (uint32_t i = 0; i < any.count; i++)
        leat_buf_add_format(out, "%s%u", i > 0 ? " " : "", any.conditions[i]);
    leat_buf_add_char(out, '}');
}

static void print_edge(const leat_nfa *nfa, const leat_nfa_edge *edge, leat_buf *out)
{
    static const char *const links[] = {"next", "followed_by", "followed_by_any"};
    if (edge->target == LEAT_NFA_ACCEPT) {
        leat_buf_add_text(out, "  wait -> accept");
    } else {
        LEAT_ASSERT(edge->step < nfa->pattern->steps_count);
        leat_buf_add_format(out, "  %s %.*s -> %u", links[edge->link],
                            LEAT_STR_ARG(nfa->pattern->steps[edge->step]->name), edge->target);
        if (edge->where != LEAT_CONDITION_TRUE) leat_buf_add_format(out, ", where %u", edge->where);
    }
    print_any("until", edge->untils, out);
    if (edge->blocks.count > 1 ||
        (edge->blocks.count == 1 && edge->blocks.conditions[0] != edge->where))
        print_any("first of", edge->blocks, out);
    print_any("ends", edge->ends, out);
    print_any("not next", edge->not_next, out);
    print_any("not between", edge->not_between, out);
    print_any("not in loop", edge->not_in_loop, out);
    if (edge->bans != 0) {
        leat_buf_add_text(out, ", after");
        for (uint32_t i = 0; i < LEAT_NFA_EDGES_MAX; i++)
            if (edge->bans >> i & 1) leat_buf_add_format(out, " #%u", i);
    }
    if (edge->within_ms > 0)
        leat_buf_add_format(out, ", within %lld ms", (long long)edge->within_ms);
    leat_buf_add_char(out, '\n');
}

static void print_state(const leat_nfa *nfa, uint32_t number, leat_buf *out)
{
    const leat_nfa_state *state = nfa->states[number];
    if (state->part == NULL) {
        leat_buf_add_format(out, "%u start", number);
    } else {
        leat_buf_add_format(out, "%u %.*s(", number, LEAT_STR_ARG(state->part->name));
        for (uint32_t depth = 1; depth <= state->part->depth; depth++)
            leat_buf_add_format(out, "%s%u", depth > 1 ? "." : "", state->counts[depth]);
        leat_buf_add_char(out, ')');
    }
    leat_buf_add_text(out, state->accepts ? " accepts\n" : "\n");
    for (uint32_t i = 0; i < state->edges_count; i++)
        print_edge(nfa, &state->edges[i], out);
}

void leat_nfa_print(const leat_nfa *nfa, leat_buf *out)
{
    static const char *const skips[] = {"no_skip", "skip_to_next", "skip_past_last_event",
                                        "skip_to_first", "skip_to_last"};
    const leat_pattern *pattern = nfa->pattern;
    leat_buf_add_format(out, "%u states, %s", nfa->states_count, skips[pattern->skip]);
    if (pattern->skip == LEAT_SKIP_TO_FIRST || pattern->skip == LEAT_SKIP_TO_LAST)
        leat_buf_add_format(out, " %.*s", LEAT_STR_ARG(pattern->steps[pattern->skip_to]->name));
    if (pattern->within_ms > 0)
        leat_buf_add_format(out, ", within %lld ms", (long long)pattern->within_ms);
    leat_buf_add_char(out, '\n');
    for (uint32_t i = 0; i < nfa->states_count; i++)
        print_state(nfa, i, out);
}
