/* SPDX-License-Identifier: Apache-2.0 */
/* The form is taken from the tree when the steps have been made from it: by then names are slots
 * and what is the same for every record is a constant, `duration('5m')` as well as 2.0. The steps
 * themselves no longer tell an operand of && from a part of one, so it cannot be had from them
 * later, at least not simply.
 *
 * A test may be written either way round: 500.0 < amount is amount > 500.0.
 *
 * Two expressions are compared by steps and constants, not by text: `a==1` and `a == 1` are one.
 * Regular expressions are compiled out of sight of the steps, so there the texts decide. */
#include "transforms/expr_form.h"
#include "transforms/expr_build.h"
#include "transforms/expr_code.h"

/* --- making ------------------------------------------------------------------------------ */

typedef struct test_line {
    const char *name;
    leat_form_test test, turned;
    bool member;
} test_line;

static const test_line test_lines[] = {
    {"_==_", LEAT_FORM_EQ, LEAT_FORM_EQ, false}, {"_<_", LEAT_FORM_LT, LEAT_FORM_GT, false},
    {"_<=_", LEAT_FORM_LE, LEAT_FORM_GE, false}, {"_>_", LEAT_FORM_GT, LEAT_FORM_LT, false},
    {"_>=_", LEAT_FORM_GE, LEAT_FORM_LE, false},
};

static const test_line *find_test(const leat_expr_node *node)
{
    for (size_t i = 0; i < sizeof test_lines / sizeof *test_lines; i++)
        if (leat_str_is(node->name, test_lines[i].name)) return &test_lines[i];
    return NULL;
}

static bool is_slot(const leat_expr_node *node)
{
    return node->kind == EXPR_NODE_REF && node->ref.kind == LEAT_REF_SLOT && !node->test;
}

static void set_slot(leat_form *form, const leat_expr_node *ref)
{
    leat_value type;
    LEAT_ASSERT(ref->kind == EXPR_NODE_REF && ref->ref.kind == LEAT_REF_SLOT);
    form->kind = LEAT_FORM_TEST;
    form->slot = ref->ref.index;
    form->fallback = leat_expr_type_value(ref->name, &type);
}

/* A call of two arguments, one a slot and one a constant. */
static void form_call(const leat_expr_node *node, leat_form *form)
{
    if (node->kind != EXPR_NODE_CALL || node->count != 2) return;
    const leat_expr_node *a = node->args[0];
    const leat_expr_node *b = node->args[1];
    const test_line *line = node->member ? NULL : find_test(node);
    bool turned = line != NULL && is_slot(b) && a->kind == EXPR_NODE_CONST;
    if (turned) {
        a = node->args[1];
        b = node->args[0];
    }
    if (!is_slot(a) || b->kind != EXPR_NODE_CONST) return;
    if (line != NULL) {
        form->test = turned ? line->turned : line->test;
    } else if (leat_str_is(node->name, "@in") && b->constant.tag == LEAT_LIST) {
        form->test = LEAT_FORM_IN;
    } else if (b->constant.tag == LEAT_STRING && leat_str_is(node->name, "startsWith")) {
        form->test = LEAT_FORM_STARTS;
    } else if (b->constant.tag == LEAT_STRING && leat_str_is(node->name, "matches")) {
        form->test = LEAT_FORM_MATCHES;
    } else {
        return;
    }
    form->constant = b->constant;
    form->seen = form->test != LEAT_FORM_IN && form->test != LEAT_FORM_MATCHES;
    set_slot(form, a);
}

static const struct {
    const char *name;
    leat_link_op op, turned;
} link_lines[] = {
    {"_==_", LEAT_LINK_EQ, LEAT_LINK_EQ}, {"_!=_", LEAT_LINK_NE, LEAT_LINK_NE},
    {"_<_", LEAT_LINK_LT, LEAT_LINK_GT},  {"_<=_", LEAT_LINK_LE, LEAT_LINK_GE},
    {"_>_", LEAT_LINK_GT, LEAT_LINK_LT},  {"_>=_", LEAT_LINK_GE, LEAT_LINK_LE},
};

/* first(x).field, x[0].field, last(x).field, x being an EXTERN. */
static bool is_item(const leat_expr_node *node, leat_link *link)
{
    if (node->kind != EXPR_NODE_SELECT || node->test || node->optional) return false;
    const leat_expr_node *call = node->args[0];
    if (call->kind != EXPR_NODE_CALL || call->count == 0 || call->optional) return false;
    const leat_expr_node *list = call->args[0];
    if (list->kind != EXPR_NODE_REF || list->ref.kind != LEAT_REF_EXTERN || list->test)
        return false;
    link->list = list->ref.index;
    link->field = node->name;
    link->last = call->count == 1 && leat_str_is(call->name, "last");
    if (link->last || (call->count == 1 && leat_str_is(call->name, "first"))) return true;
    return call->count == 2 && leat_str_is(call->name, "_[_]") &&
           call->args[1]->kind == EXPR_NODE_CONST && call->args[1]->constant.tag == LEAT_INT &&
           call->args[1]->constant.as.i == 0;
}

static leat_code form_link(leat_expr_builder *builder, const leat_expr_node *node, leat_form *form)
{
    leat_link link = {.kind = LEAT_REF_NONE};
    if (node->kind != EXPR_NODE_CALL || node->count != 2 || node->member) return LEAT_OK;
    bool turned = is_item(node->args[0], &link);
    const leat_expr_node *left = node->args[turned ? 1 : 0];
    if (!turned && !is_item(node->args[1], &link)) return LEAT_OK;
    if (left->kind != EXPR_NODE_REF || left->test) return LEAT_OK;
    for (size_t i = 0; i < sizeof link_lines / sizeof *link_lines; i++) {
        if (!leat_str_is(node->name, link_lines[i].name)) continue;
        leat_link *made = leat_arena_alloc(builder->arena, sizeof *made);
        link.op = turned ? link_lines[i].turned : link_lines[i].op;
        link.kind = left->ref.kind;
        link.index = left->ref.index;
        link.field = leat_arena_copy(builder->arena, link.field);
        if (made == NULL || link.field.data == NULL)
            return leat_arena_full(builder->arena, builder->err);
        *made = link;
        form->link = made;
    }
    return LEAT_OK;
}

leat_code leat_expr_form_of(leat_expr_builder *builder, const leat_expr_node *node,
                            const leat_form **form)
{
    LEAT_ASSERT(node->kind != EXPR_NODE_NAME && node->depth <= LEAT_EXPR_DEPTH_MAX);
    leat_form *made = leat_arena_zero(builder->arena, sizeof *made);
    if (made == NULL) return leat_arena_full(builder->arena, builder->err);
    *form = made;
    if (node->kind == EXPR_NODE_REF && node->ref.kind == LEAT_REF_SLOT && node->test) {
        made->test = LEAT_FORM_HAS;
        set_slot(made, node);
    }
    form_call(node, made);
    if (made->kind == LEAT_FORM_TEST)
        return leat_value_copy(made->constant, builder->arena, &made->constant, builder->err);
    LEAT_TRY(form_link(builder, node, made));
    if (node->kind != EXPR_NODE_AND && node->kind != EXPR_NODE_OR) return LEAT_OK;
    const leat_form **parts = leat_arena_array(builder->arena, node->count, sizeof(leat_form *));
    if (parts == NULL) return leat_arena_full(builder->arena, builder->err);
    made->seen = true;
    for (uint32_t i = 0; i < node->count; i++) {
        LEAT_TRY(leat_expr_form_of(builder, node->args[i], &parts[i]));
        made->seen = made->seen && parts[i]->seen;
    }
    made->kind = node->kind == EXPR_NODE_AND ? LEAT_FORM_AND : LEAT_FORM_OR;
    made->parts = parts;
    made->parts_count = node->count;
    return LEAT_OK;
}

const leat_form *leat_expr_form(const leat_expr *expr)
{
    LEAT_ASSERT(expr->form != NULL);
    return expr->form;
}

/* --- looking ----------------------------------------------------------------------------- */

leat_form_answer leat_form_look_parts(const leat_form *form, const leat_value *slots)
{
    LEAT_ASSERT(form->kind == LEAT_FORM_AND || form->kind == LEAT_FORM_OR);
    /* false decides &&, true decides ||, whatever the other operands are. */
    leat_form_answer decides = form->kind == LEAT_FORM_AND ? LEAT_FORM_FAILS : LEAT_FORM_HOLDS;
    bool unknown = false;
    for (uint32_t i = 0; i < form->parts_count; i++) {
        leat_form_answer answer = leat_form_look(form->parts[i], slots);
        if (answer == decides) return decides;
        unknown = unknown || answer == LEAT_FORM_UNKNOWN;
    }
    if (unknown) return LEAT_FORM_UNKNOWN;
    return decides == LEAT_FORM_FAILS ? LEAT_FORM_HOLDS : LEAT_FORM_FAILS;
}

/* --- comparing --------------------------------------------------------------------------- */

static bool same_step(const leat_expr_step *a, const leat_expr_step *b)
{
    return a->op == b->op && a->a_kind == b->a_kind && a->b_kind == b->b_kind &&
           a->join == b->join && a->dst == b->dst && a->c == b->c && a->a == b->a && a->b == b->b &&
           a->jump == b->jump;
}

static bool same_site(const leat_expr_site *a, const leat_expr_site *b)
{
    if (a->count != b->count || a->overloads_count != b->overloads_count) return false;
    for (uint32_t i = 0; i < a->overloads_count; i++)
        if (a->overloads[i].call != b->overloads[i].call) return false;
    return true;
}

static bool same_slots(const leat_expr *a, const leat_expr *b)
{
    for (uint32_t i = 0; i < a->slots_count; i++)
        if (a->slots[i].index != b->slots[i].index ||
            !leat_value_same(a->slots[i].fallback, b->slots[i].fallback))
            return false;
    return true;
}

bool leat_expr_same(const leat_expr *a, const leat_expr *b)
{
    LEAT_ASSERT(a->steps_count > 0 && b->steps_count > 0);
    if (a == b) return true;
    if (a->steps_count != b->steps_count || a->constants_count != b->constants_count ||
        a->sites_count != b->sites_count || a->slots_count != b->slots_count ||
        a->regexes_count != b->regexes_count)
        return false;
    if (a->regexes_count > 0 && !leat_str_equal(a->source, b->source)) return false;
    for (uint32_t i = 0; i < a->steps_count; i++)
        if (!same_step(&a->steps[i], &b->steps[i])) return false;
    for (uint32_t i = 0; i < a->constants_count; i++)
        if (!leat_value_same(a->constants[i], b->constants[i])) return false;
    for (uint32_t i = 0; i < a->sites_count; i++)
        if (!same_site(&a->sites[i], &b->sites[i])) return false;
    return same_slots(a, b);
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

uint64_t leat_expr_hash(const leat_expr *expr)
{
    uint64_t hash = expr->steps_count;
    for (uint32_t i = 0; i < expr->steps_count; i++) {
        const leat_expr_step *s = &expr->steps[i];
        hash = mix(hash, (uint64_t)s->op << 32 | s->a);
        hash = mix(hash, (uint64_t)s->dst << 32 | s->b);
    }
    for (uint32_t i = 0; i < expr->constants_count; i++) {
        leat_value value = expr->constants[i];
        bool text = value.tag == LEAT_STRING || value.tag == LEAT_BYTES;
        bool word = value.tag == LEAT_INT || value.tag == LEAT_UINT || value.tag == LEAT_DOUBLE;
        hash = mix(hash, value.tag);
        if (text) hash = mix(hash, leat_str_hash_fixed(leat_value_str(value)));
        if (word) hash = mix(hash, value.as.u);
    }
    return hash;
}
