/* SPDX-License-Identifier: Apache-2.0 */
/* Automata that are alike.
 *
 * A thousand rules are seldom a thousand shapes: most are one rule with other constants. What the
 * machine works out of an automaton (configurations, trees, programs) knows conditions by their
 * numbers alone, so it is the same for all of them, is worked out once, and stays in the cache
 * whichever pattern an event concerns.
 *
 * Alike means equal in all that matchers read of an automaton and of its pattern but for names.
 * That is written down as bytes (`form`), and equal bytes are found by a map. So while events come
 * a matcher reads the first pattern of its kin (matcher_pattern), and its own only to say whose it
 * is. */
#include "cep/nfa.h"

#define FORM_BYTES_MAX ((size_t)256 << 20)

static void form_any(leat_buf *form, leat_any any)
{
    leat_buf_add_varuint(form, (uint64_t)any.count << 1 | any.always);
    for (uint32_t i = 0; i < any.count; i++)
        leat_buf_add_varuint(form, any.conditions[i]);
}

static void form_edge(leat_buf *form, const leat_nfa_edge *edge)
{
    leat_buf_add_varuint(form, edge->target);
    leat_buf_add_varuint(form, edge->step);
    leat_buf_add_varuint(form, edge->link);
    leat_buf_add_varuint(form, edge->where);
    form_any(form, edge->untils);
    form_any(form, edge->blocks);
    form_any(form, edge->ends);
    form_any(form, edge->not_next);
    form_any(form, edge->not_between);
    form_any(form, edge->not_in_loop);
    leat_buf_add_varuint(form, edge->bans);
    leat_buf_add_varuint(form, edge->lifts);
    leat_buf_add_varuint(form, (uint64_t)edge->within_ms);
}

static void form_of(leat_buf *form, const leat_nfa *nfa)
{
    const leat_pattern *pattern = nfa->pattern;
    leat_buf_add_varuint(form, nfa->timeouts);
    leat_buf_add_varuint(form, pattern->steps_count);
    leat_buf_add_varuint(form, (uint64_t)pattern->within_ms);
    leat_buf_add_varuint(form, pattern->runs_max);
    leat_buf_add_varuint(form, pattern->takes_max);
    leat_buf_add_varuint(form, pattern->matches_max);
    leat_buf_add_varuint(form, pattern->beyond);
    leat_buf_add_varuint(form, pattern->skip);
    leat_buf_add_varuint(form, pattern->skip_to);
    leat_buf_add_varuint(form, pattern->skip_must);
    leat_buf_add_varuint(form, pattern->conditions_count);
    for (uint32_t i = 0; i < pattern->conditions_count; i++) {
        const leat_reading *reading = &pattern->conditions[i].reading;
        leat_buf_add_varuint(form, reading->known);
        leat_buf_add_varuint(form, reading->first);
        leat_buf_add_varuint(form, reading->last);
        leat_buf_add_varuint(form, reading->size);
        leat_buf_add_varuint(form, reading->whole);
    }
    leat_buf_add_varuint(form, nfa->states_count);
    for (uint32_t i = 0; i < nfa->states_count; i++) {
        const leat_nfa_state *state = nfa->states[i];
        leat_buf_add_varuint(form, state->part == NULL ? 0 : (uint64_t)state->part->step + 1);
        leat_buf_add_varuint(form, state->accepts);
        leat_buf_add_varuint(form, state->edges_count);
        for (uint32_t e = 0; e < state->edges_count; e++)
            form_edge(form, &state->edges[e]);
    }
}

leat_code leat_nfa_kin(leat_map *forms, leat_nfa *nfa, leat_err *err)
{
    leat_buf form;
    uint64_t known = 0;
    leat_buf_init(&form, FORM_BYTES_MAX);
    form_of(&form, nfa);
    leat_code code = leat_buf_check(&form, "an automaton", err);
    if (code == LEAT_OK && leat_map_get(forms, leat_buf_str(&form), &known))
        nfa->kin = (const leat_nfa *)(uintptr_t)known;
    else if (code == LEAT_OK)
        code = leat_map_put(forms, leat_buf_str(&form), (uint64_t)(uintptr_t)nfa, err);
    leat_buf_release(&form);
    return code;
}
