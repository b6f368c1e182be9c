/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern explained: what it was unfolded into, what it has to remember, what an event costs it,
 * and what a key can need in memory. For its author, so conditions are shown as they were written
 * and states by the step that took last and how often its repetitions were gone through.
 *
 * Cost classes, the worst of its conditions decides:
 *
 *   constant    no condition reads earlier events: what has begun is told apart by its state alone
 *   logarithmic conditions compare with a field of first(s) or last(s): what they hold for is
 *               found by its value; or a step has a `within` of its own: found by its time
 *   per value   conditions read first(s), last(s) or size(s) otherwise: one look for each
 *   per match   a condition reads more of what was taken: each partial match goes alone
 *
 * The three forms say the same; dot has the automaton only. */
#include "cep/detect_inside.h"
#include "cep/op_detect.h"
#include "core/time.h"
#include "schemas/codec_json.h"

typedef enum cost { COST_CONSTANT, COST_LOGARITHMIC, COST_VALUE, COST_MATCH } cost;

typedef struct explained {
    const detect_config *config;
    const detect_pattern *planned;
    const leat_pattern *pattern;
    const leat_nfa *nfa;
    uint32_t index, id; /* in the step; among all that are shown */
    leat_buf *out;
} explained;

/* --- words --- */

static leat_str condition_text(const explained *e, uint32_t condition)
{
    if (condition == LEAT_CONDITION_TRUE) return LEAT_STR("true");
    LEAT_ASSERT(condition < e->pattern->conditions_count);
    return e->pattern->conditions[condition].node->text;
}

static void add_state(const explained *e, uint32_t number, leat_buf *out)
{
    if (number == LEAT_NFA_ACCEPT) {
        leat_buf_add_text(out, "match");
        return;
    }
    const leat_nfa_state *state = e->nfa->states[number];
    if (state->part == NULL) {
        leat_buf_add_text(out, "start");
        return;
    }
    leat_buf_add(out, state->part->name);
    bool repeats = false;
    for (const leat_part *part = state->part; part->parent != NULL; part = part->parent)
        repeats = repeats || part->max > 1;
    if (!repeats) return;
    leat_buf_add_char(out, '(');
    for (uint32_t depth = 1; depth <= state->part->depth; depth++)
        leat_buf_add_format(out, "%s%u", depth > 1 ? "." : "", state->counts[depth]);
    leat_buf_add_char(out, ')');
}

static void add_any(const explained *e, leat_any any, leat_buf *out)
{
    if (any.always) leat_buf_add_text(out, "true");
    for (uint32_t i = 0; i < any.count; i++) {
        if (i > 0 || any.always) leat_buf_add_text(out, " || ");
        bool alone = any.count == 1 && !any.always;
        leat_buf_add_format(out, alone ? "%.*s" : "(%.*s)",
                            LEAT_STR_ARG(condition_text(e, any.conditions[i])));
    }
}

static bool is_empty(leat_any any)
{
    return any.count == 0 && !any.always;
}

static const char *const links[] = {"next", "followed_by", "followed_by_any"};
static const char *const skips[] = {"no_skip", "skip_to_next", "skip_past_last_event",
                                    "skip_to_first", "skip_to_last"};

/* What holds an edge back or ends it, beside the condition of its step. */
typedef struct edge_word {
    const char *name, *words;
    leat_any any;
} edge_word;
#define EDGE_WORDS 6
static void edge_words(const leat_nfa_edge *edge, edge_word words[EDGE_WORDS])
{
    bool only_itself = edge->blocks.count == 1 && edge->blocks.conditions[0] == edge->where;
    words[0] = (edge_word){"until", "not an event with", edge->untils};
    words[1] = (edge_word){"first_of", "waits no longer after", edge->blocks};
    words[2] = (edge_word){"ends", "the loop ends with", edge->ends};
    words[3] = (edge_word){"not_next", "the very next event must not have", edge->not_next};
    words[4] = (edge_word){"not_between", "no event in between may have", edge->not_between};
    words[5] = (edge_word){"not_in_loop", "no event in the loop may have", edge->not_in_loop};
    if (only_itself) words[1].any = (leat_any){0};
}

/* --- what it costs --- */

static cost cost_of_condition(const explained *e, uint32_t condition)
{
    const leat_reading *reading = &e->pattern->conditions[condition].reading;
    const leat_link *link = e->planned->conditions->links[condition].link;
    if (!reading->known || reading->whole != 0) return COST_MATCH;
    if ((reading->first | reading->last | reading->size) == 0) return COST_CONSTANT;
    bool found = reading->size == 0 && link != NULL && link->op != LEAT_LINK_NE;
    return found ? COST_LOGARITHMIC : COST_VALUE;
}

/* Whether partial matches are told apart by when they took last. */
static bool step_windows(const explained *e)
{
    for (uint32_t i = 1; i < e->nfa->states_count; i++)
        for (uint32_t n = 0; n < e->nfa->states[i]->edges_count; n++) {
            const leat_nfa_edge *edge = &e->nfa->states[i]->edges[n];
            if (edge->within_ms > 0 && edge->link != LEAT_NEXT) return true;
        }
    return false;
}

static cost cost_of_conditions(const explained *e)
{
    cost worst = COST_CONSTANT;
    for (uint32_t i = 0; i < e->pattern->conditions_count; i++)
        if (cost_of_condition(e, i) > worst) worst = cost_of_condition(e, i);
    return worst;
}

static cost cost_of(const explained *e)
{
    cost worst = cost_of_conditions(e);
    return worst == COST_CONSTANT && step_windows(e) ? COST_LOGARITHMIC : worst;
}

static const char *const costs[] = {"constant", "logarithmic", "per value", "per match"};

static bool by_time(const explained *e)
{
    for (uint32_t i = 0; i < e->nfa->states_count; i++)
        for (uint32_t n = 0; n < e->nfa->states[i]->edges_count; n++)
            if (e->nfa->states[i]->edges[n].target == LEAT_NFA_ACCEPT) return true;
    return false;
}

/* "last(probe), size(tap)", all(probe) where it may be any of them: what a condition reads of the
 * takes before it. */
static void add_reading(const explained *e, uint32_t condition, leat_buf *out)
{
    const leat_reading *reading = &e->pattern->conditions[condition].reading;
    const struct {
        uint64_t steps;
        const char *form;
    } uses[] = {{reading->first, "first("},
                {reading->last, "last("},
                {reading->size, "size("},
                {reading->whole, "all("}};
    bool first = true;
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
        for (uint64_t left = uses[i].steps; left != 0; left &= left - 1) {
            const leat_part *step = e->pattern->steps[__builtin_ctzll(left)];
            if (!first) leat_buf_add_text(out, ", ");
            leat_buf_add_format(out, "%s%.*s)", uses[i].form, LEAT_STR_ARG(step->name));
            first = false;
        }
    if (first) leat_buf_add_text(out, "the event alone");
}

static const char *found_by(const explained *e, uint32_t condition)
{
    if (e->planned->conditions->held) return "evaluated for every event that is held";
    switch (leat_index_way(e->config->index, e->index, condition)) {
    case LEAT_WAY_FOUND: return "found in the index, not evaluated";
    case LEAT_WAY_TESTED: return "found in the index, then evaluated";
    case LEAT_WAY_REST: return "evaluated for every event";
    }
    return "";
}

/* --- text --- */

static void text_head(const explained *e)
{
    leat_buf *out = e->out;
    const leat_pattern *p = e->pattern;
    const detect_group *group = &e->config->groups[e->planned->group];
    leat_buf_add_format(out, "%.*s", LEAT_STR_ARG(p->name));
    if (p->description.len > 0) leat_buf_add_format(out, ": %.*s", LEAT_STR_ARG(p->description));
    leat_buf_add_text(out, "\n\n  key      ");
    if (group->kind == DETECT_KEY_RECORD) leat_buf_add_text(out, "the record's own");
    if (group->kind == DETECT_KEY_GLOBAL) leat_buf_add_text(out, "none: one sequence of all");
    if (group->kind == DETECT_KEY_EXPR) leat_buf_add(out, group->text);
    leat_buf_add_text(out, "\n  within   ");
    if (p->within_ms > 0)
        leat_time_config_format(p->within_ms, out);
    else
        leat_buf_add_text(out, "no limit");
    leat_buf_add_format(out, "\n  skip     %s", skips[p->skip]);
    if (p->skip == LEAT_SKIP_TO_FIRST || p->skip == LEAT_SKIP_TO_LAST)
        leat_buf_add_format(out, " of %.*s", LEAT_STR_ARG(p->steps[p->skip_to]->name));
    leat_buf_add_text(out, "\n  matches  come out with the event that completes them");
    if (p->skip != LEAT_SKIP_NONE) leat_buf_add_text(out, ", or when what began earlier has ended");
    if (by_time(e)) leat_buf_add_text(out, ", or when time has passed");
    leat_buf_add_char(out, '\n');
    if (p->timeout != NULL)
        leat_buf_add_text(out, "  timeout  what was begun and not completed is told\n");
    if (p->order_by != NULL)
        leat_buf_add_format(out, "  order    of events of one time: %.*s\n",
                            LEAT_STR_ARG(p->order_by->text));
}

static void text_edge(const explained *e, const leat_nfa_edge *edge, bool start)
{
    leat_buf *out = e->out;
    edge_word words[EDGE_WORDS];
    edge_words(edge, words);
    leat_buf_add_text(out, "    ");
    if (edge->target == LEAT_NFA_ACCEPT) {
        leat_buf_add_text(out, "nothing more to take");
    } else {
        if (!start) leat_buf_add_format(out, "%s ", links[edge->link]);
        leat_buf_add_format(out, "%.*s if %.*s", LEAT_STR_ARG(e->pattern->steps[edge->step]->name),
                            LEAT_STR_ARG(condition_text(e, edge->where)));
    }
    leat_buf_add_text(out, " -> ");
    add_state(e, edge->target, out);
    leat_buf_add_char(out, '\n');
    for (size_t i = 0; i < EDGE_WORDS; i++) {
        if (is_empty(words[i].any) || start) continue;
        leat_buf_add_format(out, "        %s ", words[i].words);
        add_any(e, words[i].any, out);
        leat_buf_add_char(out, '\n');
    }
    if (edge->within_ms > 0) {
        leat_buf_add_text(out, "        within ");
        leat_time_config_format(edge->within_ms, out);
        leat_buf_add_text(out, " of the take before\n");
    }
    if (edge->bans != 0) leat_buf_add_text(out, "        only if the greedy step cannot take it\n");
}

#define STATES_SHOWN 40u

static void text_automaton(const explained *e)
{
    leat_buf_add_format(e->out, "\nAutomaton: %u states\n", e->nfa->states_count);
    for (uint32_t i = 0; i < e->nfa->states_count && i < STATES_SHOWN; i++) {
        const leat_nfa_state *state = e->nfa->states[i];
        leat_buf_add_text(e->out, "  ");
        add_state(e, i, e->out);
        leat_buf_add_text(e->out, state->accepts ? ": a match\n" : "\n");
        for (uint32_t n = 0; n < state->edges_count; n++)
            text_edge(e, &state->edges[n], i == 0);
    }
    if (e->nfa->states_count > STATES_SHOWN)
        leat_buf_add_format(e->out, "  ... %u more (--output json has all)\n",
                            e->nfa->states_count - STATES_SHOWN);
}

static void text_cost(const explained *e)
{
    static const char *const why[] = {
        "no condition reads earlier events, so what has begun is told apart by its state alone",
        ("conditions compare with a field of single earlier events: those for which that holds are "
         "found by its value"),
        "conditions read single earlier events: one look for each that they can still mean",
        "a condition reads what a partial match has taken, so each is asked by itself",
    };
    leat_buf *out = e->out;
    leat_buf_add_format(out, "\nConditions\n");
    for (uint32_t i = 0; i < e->pattern->conditions_count; i++) {
        leat_buf_add_format(out, "  %.*s\n      %s; reads ", LEAT_STR_ARG(condition_text(e, i)),
                            found_by(e, i));
        add_reading(e, i, out);
        leat_buf_add_char(out, '\n');
    }
    leat_buf_add_format(out, "\nCost of an event that matters: %s\n", costs[cost_of(e)]);
    if (step_windows(e))
        leat_buf_add_text(out, "  a step has a `within` of its own, from the take before it: those "
                               "that are open are found by their time\n");
    if (cost_of_conditions(e) == cost_of(e)) leat_buf_add_format(out, "  %s\n", why[cost_of(e)]);
    if (e->nfa->strict)
        leat_buf_add_text(out, "  any event of the key matters while something is under way: the "
                               "pattern says `next`, or takes any event\n");
    else
        leat_buf_add_text(out, "  an event that fulfils no condition costs nothing\n");
}

static void text_memory(const explained *e)
{
    static const char *const beyond[] = {"the oldest go", "new ones are not made",
                                         "the worker stops"};
    const leat_pattern *p = e->pattern;
    leat_buf *out = e->out;
    leat_buf_add_format(out,
                        "\nMemory of a key\n  at most %u takes (limits.partial_matches; beyond: "
                        "%s), %u events in a match\n  each event taken is kept once, as its JSON "
                        "text\n",
                        p->runs_max, beyond[p->beyond], p->takes_max);
    if (p->within_ms > 0) {
        leat_buf_add_text(out, "  nothing is kept longer than ");
        leat_time_config_format(p->within_ms, out);
        leat_buf_add_char(out, '\n');
    } else {
        leat_buf_add_text(out, "  without `within`, until the match or what rules it out\n");
    }
}

/* --- json --- */

static void json_text(leat_buf *out, const char *name, leat_str text)
{
    leat_buf_add_format(out, ",\"%s\":", name);
    leat_json_write_string(text, out);
}

static void json_word(const explained *e, const edge_word *word)
{
    leat_buf *out = e->out;
    if (is_empty(word->any)) return;
    leat_buf_add_format(out, ",\"%s\":[", word->name);
    if (word->any.always) leat_buf_add_text(out, "\"true\"");
    for (uint32_t i = 0; i < word->any.count; i++) {
        if (i > 0 || word->any.always) leat_buf_add_char(out, ',');
        leat_json_write_string(condition_text(e, word->any.conditions[i]), out);
    }
    leat_buf_add_char(out, ']');
}

static void json_edge(const explained *e, const leat_nfa_edge *edge)
{
    leat_buf *out = e->out;
    edge_word words[EDGE_WORDS];
    edge_words(edge, words);
    if (edge->target == LEAT_NFA_ACCEPT) {
        leat_buf_add_text(out, "{\"target\":null");
    } else {
        leat_buf_add_format(out, "{\"target\":%u", edge->target);
        json_text(out, "step", e->pattern->steps[edge->step]->name);
        json_text(out, "link", leat_str_of(links[edge->link]));
        json_text(out, "where", condition_text(e, edge->where));
    }
    for (size_t i = 0; i < EDGE_WORDS; i++)
        json_word(e, &words[i]);
    if (edge->within_ms > 0)
        leat_buf_add_format(out, ",\"within_ms\":%lld", (long long)edge->within_ms);
    leat_buf_add_char(out, '}');
}

static void json_state(const explained *e, uint32_t number)
{
    leat_buf *out = e->out;
    const leat_nfa_state *state = e->nfa->states[number];
    leat_buf_add_format(out, "%s{\"state\":\"", number > 0 ? "," : "");
    add_state(e, number, out);
    leat_buf_add_format(out, "\",\"accepts\":%s,\"edges\":[", state->accepts ? "true" : "false");
    for (uint32_t i = 0; i < state->edges_count; i++) {
        if (i > 0) leat_buf_add_char(out, ',');
        json_edge(e, &state->edges[i]);
    }
    leat_buf_add_text(out, "]}");
}

static void json_pattern(const explained *e)
{
    leat_buf *out = e->out;
    const leat_pattern *p = e->pattern;
    const detect_group *group = &e->config->groups[e->planned->group];
    leat_buf_add_text(out, "{\"name\":");
    leat_json_write_string(p->name, out);
    json_text(out, "description", p->description);
    if (group->kind == DETECT_KEY_RECORD)
        leat_buf_add_text(out, ",\"key\":null");
    else
        json_text(out, "key", group->kind == DETECT_KEY_EXPR ? group->text : LEAT_STR(""));
    leat_buf_add_format(out, ",\"within_ms\":%lld,\"skip\":\"%s\",\"cost\":\"%s\",\"strict\":%s",
                        (long long)p->within_ms, skips[p->skip], costs[cost_of(e)],
                        e->nfa->strict ? "true" : "false");
    leat_buf_add_format(out, ",\"by_time\":%s,\"limits\":{\"partial_matches\":%u,\"events\":%u}",
                        by_time(e) ? "true" : "false", p->runs_max, p->takes_max);
    leat_buf_add_text(out, ",\"conditions\":[");
    for (uint32_t i = 0; i < p->conditions_count; i++) {
        leat_buf_add_format(out, "%s{\"cost\":\"%s\"", i > 0 ? "," : "",
                            costs[cost_of_condition(e, i)]);
        json_text(out, "text", condition_text(e, i));
        json_text(out, "index", leat_str_of(found_by(e, i)));
        leat_buf_add_text(out, ",\"reads\":\"");
        add_reading(e, i, out);
        leat_buf_add_char(out, '"');
        leat_buf_add_char(out, '}');
    }
    leat_buf_add_text(out, "],\"states\":[");
    for (uint32_t i = 0; i < e->nfa->states_count; i++)
        json_state(e, i);
    leat_buf_add_text(out, "]}");
}

/* --- dot --- */

static void dot_text(leat_buf *out, leat_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\') leat_buf_add_char(out, '\\');
        leat_buf_add_char(out, text.data[i] == '\n' ? ' ' : text.data[i]);
    }
}

static void dot_edge(const explained *e, uint32_t from, const leat_nfa_edge *edge)
{
    leat_buf *out = e->out;
    edge_word words[EDGE_WORDS];
    leat_buf more;
    edge_words(edge, words);
    leat_buf_init(&more, (size_t)16 << 20);
    leat_buf_add_format(out, "    p%us%u -> p%us", e->id, from, e->id);
    if (edge->target == LEAT_NFA_ACCEPT)
        leat_buf_add_format(out, "match [style=dashed, label=\"nothing more to take");
    else
        leat_buf_add_format(out, "%u [label=\"%s%s%.*s\\n", edge->target,
                            from > 0 ? links[edge->link] : "", from > 0 ? " " : "",
                            LEAT_STR_ARG(e->pattern->steps[edge->step]->name));
    if (edge->target != LEAT_NFA_ACCEPT) dot_text(out, condition_text(e, edge->where));
    for (size_t i = 0; i < EDGE_WORDS && from > 0; i++) {
        if (is_empty(words[i].any)) continue;
        leat_buf_reset(&more);
        add_any(e, words[i].any, &more);
        leat_buf_add_format(out, "\\n%s ", words[i].words);
        dot_text(out, leat_buf_str(&more));
    }
    leat_buf_add_text(out, "\"];\n");
    leat_buf_release(&more);
}

static void dot_pattern(const explained *e)
{
    leat_buf *out = e->out;
    leat_buf_add_format(out, "  subgraph cluster_%u {\n    label=\"", e->id);
    dot_text(out, e->pattern->name);
    leat_buf_add_text(out, "\";\n");
    for (uint32_t i = 0; i < e->nfa->states_count; i++) {
        leat_buf_add_format(out, "    p%us%u [label=\"", e->id, i);
        add_state(e, i, out);
        leat_buf_add_format(out, "\"%s];\n", e->nfa->states[i]->accepts ? ", peripheries=2" : "");
        for (uint32_t n = 0; n < e->nfa->states[i]->edges_count; n++)
            dot_edge(e, i, &e->nfa->states[i]->edges[n]);
    }
    if (by_time(e))
        leat_buf_add_format(out, "    p%usmatch [label=\"match\", peripheries=2];\n", e->id);
    leat_buf_add_text(out, "  }\n");
}

/* --- the door --- */

uint32_t leat_detect_explain(const leat_step *step, leat_explain_form form, uint32_t first,
                             leat_buf *out)
{
    LEAT_ASSERT(step->type == &leat_operator_detect && step->config != NULL);
    const detect_config *config = step->config;
    for (uint32_t i = 0; i < config->count; i++) {
        const detect_pattern *planned = &config->patterns[i];
        explained e = {config, planned, planned->pattern, planned->nfa, i, first + i, out};
        if (form == LEAT_EXPLAIN_TEXT) {
            if (first + i > 0) leat_buf_add_text(out, "\n\n");
            text_head(&e);
            text_automaton(&e);
            text_cost(&e);
            text_memory(&e);
        } else if (form == LEAT_EXPLAIN_JSON) {
            if (first + i > 0) leat_buf_add_char(out, ',');
            json_pattern(&e);
        } else {
            dot_pattern(&e);
        }
    }
    return config->count;
}
