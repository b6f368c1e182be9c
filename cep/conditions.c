/* SPDX-License-Identifier: Apache-2.0 */
/* Names and compilation of a pattern's expressions (conditions_test.c evaluates them).
 *
 *   step            -> EXTERN(STEP + n), the list of events that it has taken
 *   anything else   -> the record's scope; or, when conditions read held events,
 *                      EXTERN(FIELD + n), EVENT
 *
 * What a condition reads of steps is noted along the way, and which of its operands compares with
 * one: the matcher keeps no more of a partial match than is read, and finds by comparisons. */
#include "cep/conditions_inside.h"

#define FIELDS_MAX 256 /* different fields that one pattern's held conditions read */

/* --- names --- */

typedef struct pattern_scope {
    leat_scope scope; /* first */
    const leat_pattern *pattern;
    leat_scope *fields;
    bool held, emit;
    leat_str *names; /* FIELDS_MAX */
    uint32_t names_count;
    leat_arena *arena;
    leat_reading reading;  /* of steps, since this was last cleared */
    uint32_t mentions;     /* the same: how often steps were named */
    leat_str stray, meant; /* the same: a field in first() or last() that a step may be meant by */
} pattern_scope;

static void nearest_step(const leat_pattern *pattern, leat_str name, leat_str *nearest)
{
    leat_str names[LEAT_PATTERN_PARTS_MAX];
    for (uint32_t i = 0; i < pattern->steps_count; i++)
        names[i] = pattern->steps[i]->name;
    *nearest = leat_str_nearest(name, names, pattern->steps_count);
}

/* first(x) or last(x) of what is no step: a field that holds a list, or a slip of the pen. */
static void note_stray(pattern_scope *self, leat_str name)
{
    const leat_pattern *pattern = self->pattern;
    leat_use use = self->scope.use;
    leat_str nearest = LEAT_STR_NONE;
    if ((use != LEAT_USE_FIRST && use != LEAT_USE_LAST) || self->stray.len > 0) return;
    if (leat_str_is(name, "event") || leat_str_is(name, "meta")) return;
    nearest_step(pattern, name, &nearest);
    for (uint32_t i = 0; i < pattern->parts_count; i++)
        if (leat_str_equal(pattern->parts[i]->name, name)) self->stray = name; /* a NOT's */
    if (nearest.len > 0) self->stray = name;
    self->meant = nearest;
}

static leat_code resolve_held(pattern_scope *self, const leat_str *names, size_t count,
                              leat_ref *ref, leat_err *err)
{
    bool event = leat_str_is(names[0], "event");
    *ref = (leat_ref){.kind = LEAT_REF_EXTERN, .index = INDEX_EVENT, .used = 1};
    if (event && count == 1) return LEAT_OK;
    leat_str name = names[event ? 1 : 0];
    ref->used = event ? 2 : 1;
    for (uint32_t i = 0; i < self->names_count; i++) {
        ref->index = INDEX_FIELD + i;
        if (leat_str_equal(self->names[i], name)) return LEAT_OK;
    }
    if (self->names_count == FIELDS_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "a pattern reads at most %d fields", FIELDS_MAX);
    leat_str copy = leat_arena_copy(self->arena, name);
    if (copy.data == NULL) return leat_arena_full(self->arena, err);
    ref->index = INDEX_FIELD + self->names_count;
    self->names[self->names_count++] = copy;
    return LEAT_OK;
}

static void note_reading(leat_reading *reading, leat_use use, uint32_t step)
{
    uint64_t bit = (uint64_t)1 << step;
    switch (use) {
    case LEAT_USE_WHOLE: reading->whole |= bit; break;
    case LEAT_USE_FIRST: reading->first |= bit; break;
    case LEAT_USE_LAST: reading->last |= bit; break;
    case LEAT_USE_SIZE: reading->size |= bit; break;
    }
}

/* What an author may mean who writes a field in `emit`: that of the last event. */
static leat_str field_of_last(const pattern_scope *self, leat_str name)
{
    const leat_pattern *pattern = self->pattern;
    bool event = leat_str_is(name, "event");
    if (pattern->steps_count == 0 || leat_str_is(name, "meta")) return LEAT_STR_NONE;
    leat_str step = pattern->steps[pattern->steps_count - 1]->name;
    return leat_arena_print(self->arena, "last(%.*s)%s%.*s", LEAT_STR_ARG(step), event ? "" : ".",
                            event ? 0 : (int)name.len, name.data);
}

static leat_code resolve(leat_scope *scope, const leat_str *names, size_t count, bool absolute,
                         leat_ref *ref, leat_str *nearest, leat_err *err)
{
    pattern_scope *self = (pattern_scope *)scope;
    uint32_t step = 0;
    LEAT_ASSERT(count > 0);
    if (!absolute && leat_pattern_step(self->pattern, names[0], &step)) {
        note_reading(&self->reading, scope->use, step);
        self->mentions++;
        *ref = (leat_ref){
            .kind = LEAT_REF_EXTERN, .index = INDEX_STEP + step, .used = 1, .type = "list(dyn)"};
        return LEAT_OK;
    }
    if (self->emit) { /* there is no event in hand when time makes the match */
        ref->kind = LEAT_REF_NONE;
        nearest_step(self->pattern, names[0], nearest);
        if (nearest->len == 0) *nearest = field_of_last(self, names[0]);
        return LEAT_OK;
    }
    if (!absolute) note_stray(self, names[0]);
    if (!self->held)
        return self->fields->resolve(self->fields, names, count, absolute, ref, nearest, err);
    ref->kind = LEAT_REF_NONE;
    if (leat_str_is(names[0], "meta")) return LEAT_OK;
    return resolve_held(self, names, count, ref, err);
}

/* --- compiling --- */

typedef struct maker {
    leat_conditions *made;
    leat_pattern_compile compile;
    void *self;
    pattern_scope scope;
    leat_arena *arena;
    leat_findings *findings;
} maker;

static void *need(leat_arena *arena, size_t bytes)
{
    void *ptr = leat_arena_zero(arena, bytes);
    LEAT_ASSERT(ptr != NULL); /* as many as the pattern has conditions and fields */
    return ptr;
}

static const leat_expr *compile_bool(maker *m, const leat_node *node)
{
    const leat_expr *expr = m->compile(m->self, node, &m->scope.scope);
    if (expr == NULL) return NULL;
    const char *type = leat_expr_type_name(expr);
    if (strcmp(type, "bool") != 0 && strcmp(type, "dyn") != 0)
        leat_findings_add(m->findings, node, false, "a condition must give true or false, not a %s",
                          type);
    return expr;
}

static void warn_stray(const maker *m, const leat_node *node)
{
    const pattern_scope *scope = &m->scope;
    if (scope->stray.len == 0) return;
    leat_finding *finding = leat_findings_add(
        m->findings, node, true, "'%.*s' is no step that takes events, so a field is read",
        LEAT_STR_ARG(scope->stray));
    finding->suggestion = scope->meant;
}

/* What finds the fewest: the higher, the better. */
static int worth_of(const leat_link *link)
{
    if (link == NULL) return -1;
    return link->op == LEAT_LINK_EQ ? 2 : link->op != LEAT_LINK_NE;
}

/* The operand that is a link; any of them would do. */
static void find_link(const leat_expr *expr, uint32_t mentions, leat_condition_link *found)
{
    const leat_form *form = leat_expr_form(expr);
    found->link = form->link;
    for (uint32_t i = 0; form->kind == LEAT_FORM_AND && i < form->parts_count; i++)
        if (worth_of(form->parts[i]->link) > worth_of(found->link))
            found->link = form->parts[i]->link;
    const leat_link *link = found->link;
    if (link == NULL) return;
    bool step = link->list >= INDEX_STEP && link->list < INDEX_EVENT;
    bool left = link->kind == LEAT_REF_SLOT ||
                (link->kind == LEAT_REF_EXTERN && link->index >= INDEX_FIELD);
    if (!step || !left) found->link = NULL;
    found->step = link->list - INDEX_STEP;
    found->lone = mentions == 1;
}

static void compile_emit(maker *m, const leat_node *object, leat_emit_field **fields,
                         uint32_t *count)
{
    uint32_t size = 0;
    if (object == NULL || object->kind != LEAT_NODE_OBJECT) return;
    for (const leat_node *node = object->child; node != NULL; node = node->next)
        size++;
    *fields = need(m->arena, (size + 1) * sizeof **fields);
    m->scope.emit = true;
    for (const leat_node *node = object->child; node != NULL; node = node->next) {
        if (node->kind != LEAT_NODE_STRING) continue; /* told when the pattern was read */
        const leat_expr *expr = m->compile(m->self, node, &m->scope.scope);
        if (expr != NULL) (*fields)[(*count)++] = (leat_emit_field){node->key, expr};
    }
    m->scope.emit = false;
}

bool leat_conditions_new(const leat_pattern *pattern, leat_scope *fields,
                         leat_pattern_compile compile, void *self, leat_arena *arena,
                         leat_findings *findings, leat_conditions **conditions)
{
    size_t before = findings->errors;
    uint32_t count = pattern->conditions_count;
    leat_conditions *made = need(arena, sizeof *made);
    maker m = {
        .made = made,
        .compile = compile,
        .self = self,
        .arena = arena,
        .findings = findings,
        .scope = {.scope = {.resolve = resolve, .aggregates = true},
                  .pattern = pattern,
                  .fields = fields,
                  .held = fields == NULL,
                  .names = fields == NULL ? need(arena, FIELDS_MAX * sizeof(leat_str)) : NULL,
                  .arena = arena}};
    made->pattern = pattern;
    made->count = count;
    made->exprs = need(arena, (count + 1) * sizeof *made->exprs);
    const leat_form **forms = need(arena, (count + 1) * sizeof *forms);
    made->reads = need(arena, (count + 1) * sizeof *made->reads);
    made->links = need(arena, (count + 1) * sizeof *made->links);
    made->held = fields == NULL;
    for (uint32_t i = 0; i < count; i++) {
        leat_reading *reading = &m.scope.reading;
        *reading = (leat_reading){.known = true};
        m.scope.mentions = 0;
        m.scope.stray = m.scope.meant = LEAT_STR_NONE;
        made->exprs[i] = compile_bool(&m, pattern->conditions[i].node);
        warn_stray(&m, pattern->conditions[i].node);
        made->reads[i] = (reading->first | reading->last | reading->size | reading->whole) != 0;
        pattern->conditions[i].reading = *reading;
        if (made->exprs[i] == NULL) continue;
        forms[i] = leat_expr_form(made->exprs[i]);
        find_link(made->exprs[i], m.scope.mentions, &made->links[i]);
    }
    for (uint32_t word = 0; word < 2 && 64 * word < count; word++) {
        uint32_t left = count - 64 * word;
        made->looks[word] = leat_looks_new(forms + 64 * (size_t)word, left < 64 ? left : 64, arena);
        LEAT_ASSERT(made->looks[word] != NULL);
    }
    if (pattern->order_by != NULL)
        made->order_by = compile(self, pattern->order_by, &m.scope.scope);
    compile_emit(&m, pattern->emit, &made->emit, &made->emit_count);
    compile_emit(&m, pattern->timeout_emit, &made->timeout_emit, &made->timeout_emit_count);
    made->names = m.scope.names;
    made->names_count = m.scope.names_count;
    *conditions = made;
    return findings->errors == before;
}
