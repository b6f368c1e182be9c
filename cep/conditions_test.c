/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluation of a pattern's conditions for the event in hand.
 *
 *   load       STEP: the list of events that the step has taken, built from the chain of takes
 *              FIELD, EVENT: of the held event
 *
 * What has been found out about the event in hand is kept by condition: for one that reads no step
 * until the next event, for one that does until another partial match asks. The lists are kept in
 * the same way.
 *
 * Blind: loading a step fails. In CEL an error is absorbed where the other operand decides, so an
 * evaluation that succeeds in spite of it did not depend on what was to be loaded. A condition for
 * which this never helps (BLIND_TRIES in a row) is not tried any more: a guess about cost only, as
 * the outcome is the same either way. */
#include "cep/conditions_inside.h"

#include "cep/index.h"
#include "cep/link.h"
#include "core/mem.h"

#define BLIND_TRIES    64
#define CONDITIONS_MAX ((size_t)2 * LEAT_PATTERN_PARTS_MAX)

typedef enum verdict { UNKNOWN, HOLDS, FAILS, BROKEN } verdict;

typedef struct memory {
    uint64_t event; /* of which event this is known */
    const leat_take *takes;
    verdict known;
    bool always;     /* for whatever takes */
    uint64_t linked; /* the event of which is known what the condition is where its link holds */
    bool linked_holds;
    uint8_t useless; /* blind tries in a row that told nothing */
} memory;

typedef struct step_list {
    uint64_t event;
    const leat_take *takes;
    leat_value value;
} step_list;

struct leat_testing {
    const leat_conditions *conditions;
    leat_lookup *lookup; /* NULL: none */
    uint32_t pattern;    /* in the lookup's index */
    leat_matcher_host host;
    leat_eval base;
    leat_eval eval; /* the same, with what the steps are; of event number `evaluated` */
    uint64_t evaluated;
    leat_event *event;
    leat_code (*keep)(void *self, leat_event **event, leat_err *err);
    void *keep_self;
    uint64_t number;      /* of the event in hand */
    leat_answers answers; /* what the lookup, or leat_testing_idle, has found out about it */
    const leat_take *takes;
    bool blind, failed;
    leat_err failure;
    uint32_t failure_of; /* the condition */
    memory *memories;
    step_list *lists;
};

/* The events that a step has taken in this partial match, first to last. */
static leat_code load_step(leat_testing *testing, uint32_t step, leat_arena *arena,
                           leat_value *value, leat_err *err)
{
    LEAT_ASSERT(step < testing->conditions->pattern->steps_count);
    step_list *list = &testing->lists[step];
    if (list->event == testing->number && list->takes == testing->takes) {
        *value = list->value;
        return LEAT_OK;
    }
    uint32_t count = 0;
    for (const leat_take *take = testing->takes; take != NULL; take = take->before)
        count += take->step == step;
    leat_value *items = leat_arena_array(arena, count, sizeof *items);
    leat_event_object *objects = leat_arena_array(arena, count, sizeof *objects);
    if (items == NULL || objects == NULL) return leat_arena_full(arena, err);
    uint32_t at = count;
    for (const leat_take *take = testing->takes; take != NULL; take = take->before)
        if (take->step == step) {
            at--;
            items[at] = leat_event_value(take->event, &objects[at]);
        }
    *value = leat_value_list(items, count);
    *list = (step_list){testing->number, testing->takes, *value};
    return LEAT_OK;
}

static leat_code load(void *self, uint32_t index, leat_arena *arena, leat_value *value,
                      leat_err *err)
{
    leat_testing *testing = self;
    if (index < INDEX_STEP) {
        LEAT_ASSERT(testing->base.load != NULL);
        return testing->base.load(testing->base.self, index, arena, value, err);
    }
    if (index >= INDEX_FIELD) {
        LEAT_ASSERT(index - INDEX_FIELD < testing->conditions->names_count);
        LEAT_ASSERT(testing->event != NULL);
        leat_str name = testing->conditions->names[index - INDEX_FIELD];
        return leat_event_field(testing->event, name, arena, value, err);
    }
    if (index == INDEX_EVENT) {
        LEAT_ASSERT(testing->event != NULL);
        leat_event_object *object = leat_arena_alloc(arena, sizeof *object);
        if (object == NULL) return leat_arena_full(arena, err);
        *value = leat_event_value(testing->event, object);
        return LEAT_OK;
    }
    if (testing->blind) {
        err->code = LEAT_ERR_INVALID; /* nobody reads the text */
        err->text[0] = '\0';
        return LEAT_ERR_INVALID;
    }
    return load_step(testing, index - INDEX_STEP, arena, value, err);
}

static const leat_eval *eval_of(leat_testing *testing)
{
    if (testing->evaluated != testing->number) {
        testing->eval = testing->base;
        testing->eval.load = load;
        testing->eval.self = testing;
        testing->evaluated = testing->number;
    }
    return &testing->eval;
}

/* Evaluates; what is the record's fault is BROKEN, anything else comes back. */
static leat_code evaluate(leat_testing *testing, uint32_t condition, const leat_take *takes,
                          verdict *known, leat_err *err)
{
    bool holds = false;
    testing->takes = takes;
    const leat_expr *expr = testing->conditions->exprs[condition];
    leat_code code = leat_expr_test(expr, eval_of(testing), &holds, err);
    *known = holds ? HOLDS : FAILS;
    if (code == LEAT_OK) return LEAT_OK;
    *known = BROKEN;
    return leat_code_blame(code) == LEAT_BLAME_RECORD ? LEAT_OK : code;
}

static void note_failure(leat_testing *testing, uint32_t condition, const leat_err *why)
{
    if (testing->failed) return;
    testing->failed = true;
    testing->failure = *why;
    testing->failure_of = condition;
}

/* What the lookup knows; false: the condition has to be evaluated. */
static leat_code ask_lookup(const leat_testing *testing, uint32_t condition, bool *holds,
                            bool *known, leat_err *err)
{
    leat_verdict told = LEAT_VERDICT_FAILS;
    LEAT_TRY(leat_lookup_verdict(testing->lookup, testing->pattern, condition, &told, err));
    *holds = told == LEAT_VERDICT_HOLDS;
    *known =
        *holds || told == LEAT_VERDICT_FAILS || (told == LEAT_VERDICT_BROKEN && testing->failed);
    return LEAT_OK;
}

/* --- links --- */

/* The left side of a link. */
static bool link_value(leat_testing *testing, const leat_link *link, leat_value *value)
{
    leat_err why;
    if (link->kind == LEAT_REF_SLOT) {
        *value = testing->base.slots[link->index];
        return true;
    }
    return load(testing, link->index, testing->base.arena, value, &why) == LEAT_OK;
}

/* The link of a condition, where it can be told without an evaluation. */
static link_verdict verdict_of_link(leat_testing *testing, const leat_condition_link *found,
                                    const leat_take *takes)
{
    const leat_link *link = found->link;
    const leat_take *item = NULL;
    leat_arena *arena = testing->base.arena;
    leat_value left;
    leat_value right;
    leat_err why;
    for (const leat_take *take = takes; take != NULL; take = take->before) {
        if (take->step != found->step) continue;
        item = take;
        if (link->last) break;
    }
    if (item == NULL || !link_value(testing, link, &left)) return LINK_UNKNOWN;
    if (leat_event_field(item->event, link->field, arena, &right, &why) != LEAT_OK)
        return LINK_UNKNOWN;
    return link_compare(link->op, left, right);
}

static leat_code test_plain(void *self, uint32_t condition, const leat_take *takes, bool *holds,
                            leat_err *err);

/* Whether a condition holds where its link does: a look tells of all else that there is to it. */
static bool holds_with_link(const leat_testing *testing, uint32_t condition)
{
    const leat_link *link = testing->conditions->links[condition].link;
    const leat_form *form = leat_expr_form(testing->conditions->exprs[condition]);
    if (form->link == link) return true;
    if (testing->base.slots == NULL) return false;
    LEAT_ASSERT(form->kind == LEAT_FORM_AND);
    for (uint32_t i = 0; i < form->parts_count; i++) {
        const leat_form *part = form->parts[i];
        if (part->link != link && leat_form_look(part, testing->base.slots) != LEAT_FORM_HOLDS)
            return false;
    }
    return true;
}

static bool link_of(void *self, uint32_t condition, leat_matcher_link *found)
{
    leat_testing *testing = self;
    const leat_condition_link *link = &testing->conditions->links[condition];
    if (link->link == NULL || link->link->op == LEAT_LINK_NE) return false;
    *found = (leat_matcher_link){.link = link->link, .step = link->step, .lone = link->lone};
    if (!link_value(testing, link->link, &found->value)) return false;
    found->decides = link->lone && holds_with_link(testing, condition);
    return link_kind_of(found->value) != LINK_OTHER;
}

/* A link that does not hold decides. Where one holds and nothing else reads a step, the outcome is
 * that of the event's last such evaluation, which is seldom needed. */
static leat_code test(void *self, uint32_t condition, const leat_take *takes, bool *holds,
                      leat_err *err)
{
    leat_testing *testing = self;
    const leat_condition_link *found = &testing->conditions->links[condition];
    if (found->link == NULL || takes == NULL) return test_plain(self, condition, takes, holds, err);
    link_verdict link = verdict_of_link(testing, found, takes);
    memory *m = &testing->memories[condition];
    bool known = link == LINK_HOLDS && found->lone && m->linked == testing->number;
    *holds = known && m->linked_holds;
    if (known || link == LINK_FAILS) return LEAT_OK;
    *holds = link == LINK_HOLDS && holds_with_link(testing, condition);
    if (!*holds) LEAT_TRY(test_plain(self, condition, takes, holds, err));
    if (link == LINK_HOLDS && found->lone) {
        m->linked = testing->number;
        m->linked_holds = *holds;
    }
    return LEAT_OK;
}

static leat_code test_plain(void *self, uint32_t condition, const leat_take *takes, bool *holds,
                            leat_err *err)
{
    leat_testing *testing = self;
    LEAT_ASSERT(condition < testing->conditions->count && !testing->blind);
    if (testing->lookup != NULL) {
        bool answered = false;
        LEAT_TRY(ask_lookup(testing, condition, holds, &answered, err));
        if (answered) return LEAT_OK;
    }
    memory *m = &testing->memories[condition];
    bool fresh = m->event == testing->number && (m->always || m->takes == takes);
    *holds = fresh && m->known == HOLDS;
    if (fresh && m->known != UNKNOWN && (m->known != BROKEN || testing->failed)) return LEAT_OK;
    verdict known = UNKNOWN;
    LEAT_TRY(evaluate(testing, condition, takes, &known, err));
    if (known == BROKEN) note_failure(testing, condition, err);
    m->event = testing->number;
    m->takes = takes;
    m->known = known;
    m->always = !testing->conditions->reads[condition];
    *holds = known == HOLDS;
    return LEAT_OK;
}

/* One blind evaluation; *known: what it came to. */
static leat_code evaluate_blind(leat_testing *testing, uint32_t condition, verdict *known,
                                leat_err *err)
{
    memory *m = &testing->memories[condition];
    LEAT_ASSERT(testing->conditions->reads[condition]);
    testing->blind = true;
    leat_code code = evaluate(testing, condition, NULL, known, err);
    testing->blind = false;
    LEAT_TRY(code);
    m->useless = *known == FAILS ? 0 : (uint8_t)(m->useless + 1);
    if (*known != FAILS) return LEAT_OK;
    m->event = testing->number;
    m->always = true;
    m->takes = NULL;
    m->known = FAILS;
    return LEAT_OK;
}

static leat_code never(void *self, uint32_t condition, bool *fails, leat_err *err)
{
    leat_testing *testing = self;
    const memory *m = &testing->memories[condition];
    verdict known = UNKNOWN;
    *fails = m->event == testing->number && m->always && m->known == FAILS;
    if (*fails) return LEAT_OK;
    if (testing->lookup != NULL) {
        leat_verdict told = LEAT_VERDICT_MAYBE;
        LEAT_TRY(leat_lookup_verdict(testing->lookup, testing->pattern, condition, &told, err));
        *fails = told == LEAT_VERDICT_FAILS;
        return LEAT_OK;
    }
    if (m->useless >= BLIND_TRIES) return LEAT_OK;
    LEAT_TRY(evaluate_blind(testing, condition, &known, err));
    *fails = known == FAILS;
    return LEAT_OK;
}

static leat_code keep(void *self, leat_event **event, leat_err *err)
{
    leat_testing *testing = self;
    return testing->keep(testing->keep_self, event, err);
}

leat_testing *leat_testing_new(const leat_conditions *conditions)
{
    leat_testing *testing = leat_mem_need(sizeof *testing);
    testing->host = (leat_matcher_host){testing, test, keep, never, link_of, &testing->answers};
    testing->memories = leat_mem_need(CONDITIONS_MAX * sizeof *testing->memories);
    testing->lists = leat_mem_need(LEAT_PATTERN_PARTS_MAX * sizeof *testing->lists);
    leat_testing_use(testing, conditions, NULL, 0);
    return testing;
}

/* What is remembered is of an event by its number, and each begin gives a new one: so nothing has
 * to be forgotten here. */
void leat_testing_use(leat_testing *testing, const leat_conditions *conditions, leat_lookup *lookup,
                      uint32_t pattern)
{
    testing->conditions = conditions;
    testing->lookup = lookup;
    testing->pattern = pattern;
}

void leat_testing_free(leat_testing **testing)
{
    if (*testing == NULL) return;
    leat_mem_free((*testing)->memories);
    leat_mem_free((*testing)->lists);
    leat_mem_free(*testing);
    *testing = NULL;
}

void leat_testing_begin(leat_testing *testing, const leat_eval *base, leat_event *event,
                        leat_code (*keep_event)(void *self, leat_event **event, leat_err *err),
                        void *self)
{
    LEAT_ASSERT(event == NULL || testing->conditions->held);
    testing->base = *base;
    testing->event = event;
    testing->keep = keep_event;
    testing->keep_self = self;
    testing->number++;
    testing->takes = NULL;
    testing->failed = false;
    if (LEAT_LIKELY(testing->lookup != NULL))
        leat_lookup_answers(testing->lookup, testing->pattern, &testing->answers);
    else
        testing->answers = (leat_answers){{0}, {0}};
}

leat_code leat_testing_idle(leat_testing *testing, bool *idle, leat_err *err)
{
    const leat_conditions *conditions = testing->conditions;
    *idle = false;
    bool all = false;
    if (leat_conditions_look(conditions, testing->base.slots, &testing->answers, &all))
        return LEAT_OK;
    *idle = all;
    if (all) return LEAT_OK;
    for (uint32_t i = 0; i < conditions->count; i++) {
        memory *m = &testing->memories[i];
        if (leat_answers_have(&testing->answers, i)) continue;
        if (m->event == testing->number && m->always && m->known == FAILS) continue;
        if (conditions->reads[i] && m->useless >= BLIND_TRIES) return LEAT_OK;
        verdict known = UNKNOWN;
        if (conditions->reads[i]) {
            LEAT_TRY(evaluate_blind(testing, i, &known, err));
            if (known != FAILS) return LEAT_OK;
            leat_answers_add(&testing->answers, i, false);
            continue;
        }
        LEAT_TRY(evaluate(testing, i, NULL, &known, err));
        m->event = testing->number;
        m->always = true;
        m->takes = NULL;
        m->known = known;
        /* What is broken is no answer: it has to be asked for, and then reported. */
        if (known != BROKEN) leat_answers_add(&testing->answers, i, known == HOLDS);
        if (known != FAILS) return LEAT_OK;
    }
    *idle = true;
    return LEAT_OK;
}

leat_code leat_testing_order(leat_testing *testing, leat_value *value, leat_err *err)
{
    LEAT_ASSERT(testing->conditions->order_by != NULL);
    testing->takes = NULL;
    return leat_expr_eval(testing->conditions->order_by, eval_of(testing), value, err);
}

const leat_matcher_host *leat_testing_host(const leat_testing *testing)
{
    return &testing->host;
}

const leat_err *leat_testing_failure(const leat_testing *testing, uint32_t *condition)
{
    LEAT_ASSERT(!testing->failed || testing->failure_of < testing->conditions->count);
    *condition = testing->failure_of;
    return testing->failed ? &testing->failure : NULL;
}

leat_code leat_testing_emit(leat_testing *testing, const leat_expr *expr, const leat_take *last,
                            leat_arena *arena, leat_value *value, leat_err *err)
{
    leat_eval eval = {.arena = arena, .load = load, .self = testing};
    testing->number++; /* lists of another arena are void */
    testing->takes = last;
    return leat_expr_eval(expr, &eval, value, err);
}
