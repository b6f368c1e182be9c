/* SPDX-License-Identifier: Apache-2.0 */
/* The arrays of an expression while it is compiled, and their move into its arena.
 *
 * Everything grows in the scratch arena and is copied once, at the end, into the arena that the
 * expression lives in, so that the plan holds no slack. Regular expressions are the exception: they
 * live on the heap, and the arena is told to free them when it goes.
 *
 * Limits: 4,096 registers, which only thousands of nested names or literals reach; the text of an
 * expression is limited, and so is everything else made from it. */
#include "transforms/expr_build.h"
#include "transforms/expr_function.h"

static leat_code full(leat_expr_builder *builder)
{
    return leat_arena_full(builder->scratch, builder->err);
}

/* Room for one more item of `bytes`; NULL: the arena is full. */
static void *push(leat_expr_builder *builder, leat_expr_array *array, size_t bytes)
{
    if (array->count == array->size) {
        uint32_t size = array->size > 0 ? array->size * 2 : 16;
        char *items = leat_arena_array(builder->scratch, size, bytes);
        if (items == NULL) return NULL;
        if (array->count > 0) memcpy(items, array->items, array->count * bytes);
        array->items = items;
        array->size = size;
    }
    return (char *)array->items + bytes * array->count++;
}

leat_code leat_expr_emit(leat_expr_builder *builder, leat_expr_step step)
{
    LEAT_ASSERT(step.op < EXPR_OPS_COUNT);
    leat_expr_step *place = push(builder, &builder->steps, sizeof step);
    if (place == NULL) return full(builder);
    *place = step;
    return LEAT_OK;
}

leat_code leat_expr_reserve(leat_expr_builder *builder, uint32_t count, uint16_t *first)
{
    if (builder->top + count > LEAT_EXPR_REGISTERS_MAX) {
        return leat_expr_mistake(builder->err, LEAT_ERR_LIMIT, 0,
                                 "the expression needs more than %d intermediate values",
                                 LEAT_EXPR_REGISTERS_MAX);
    }
    *first = (uint16_t)builder->top;
    builder->top += count;
    if (builder->top > builder->registers) builder->registers = builder->top;
    return LEAT_OK;
}

leat_code leat_expr_add_constant(leat_expr_builder *builder, leat_value value,
                                 leat_expr_operand *operand)
{
    leat_value *place = push(builder, &builder->constants, sizeof value);
    if (place == NULL) return full(builder);
    LEAT_TRY(leat_value_copy(value, builder->arena, place, builder->err));
    *operand = (leat_expr_operand){EXPR_CONSTANT, builder->constants.count - 1};
    return LEAT_OK;
}

leat_code leat_expr_add_slot(leat_expr_builder *builder, const leat_expr_node *ref)
{
    LEAT_ASSERT(ref->kind == EXPR_NODE_REF && ref->ref.kind == LEAT_REF_SLOT);
    const leat_expr_slot *slots = builder->slots.items;
    for (uint32_t i = 0; i < builder->slots.count; i++) {
        if (slots[i].index == ref->ref.index) return LEAT_OK;
    }
    leat_expr_slot *slot = push(builder, &builder->slots, sizeof *slot);
    if (slot == NULL) return full(builder);
    *slot = (leat_expr_slot){.index = ref->ref.index, .fallback = LEAT_VALUE_MISSING};
    slot->missing =
        leat_arena_print(builder->arena, "no such field '%.*s'", LEAT_STR_ARG(ref->name)).data;
    if (slot->missing == NULL) return leat_arena_full(builder->arena, builder->err);
    (void)leat_expr_type_value(ref->name, &slot->fallback);
    return LEAT_OK;
}

leat_code leat_expr_add_text(leat_expr_builder *builder, leat_code code, leat_str text,
                             uint32_t *index)
{
    leat_expr_text *place = push(builder, &builder->texts, sizeof *place);
    if (place == NULL) return full(builder);
    *place = (leat_expr_text){leat_arena_copy(builder->arena, text).data, code};
    if (place->text == NULL) return leat_arena_full(builder->arena, builder->err);
    *index = builder->texts.count - 1;
    return LEAT_OK;
}

uint32_t leat_expr_type_mask(leat_str type)
{
    static const struct {
        const char *name;
        uint32_t mask;
    } masks[] = {
        {"bool", 1u << LEAT_BOOL},
        {"int", 1u << LEAT_INT},
        {"uint", 1u << LEAT_UINT},
        {"double", 1u << LEAT_DOUBLE},
        {"string", 1u << LEAT_STRING},
        {"bytes", 1u << LEAT_BYTES},
        {"null_type", 1u << LEAT_NULL},
        {"timestamp", 1u << LEAT_TIMESTAMP},
        {"duration", 1u << LEAT_DURATION},
        {"list", 1u << LEAT_LIST},
        {"map", 1u << LEAT_MAP | 1u << LEAT_OBJECT},
        {"type", 1u << LEAT_TYPE},
        {"optional_type", 1u << LEAT_OPTIONAL},
        {"net.IP", 1u << LEAT_OBJECT},
        {"net.CIDR", 1u << LEAT_OBJECT},
    };
    size_t len = 0;
    while (len < type.len && type.data[len] != '(')
        len++;
    type.len = len;
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        if (leat_str_is(type, masks[i].name)) return masks[i].mask;
    }
    LEAT_ASSERT(type.len == 1 || leat_str_is(type, "dyn")); /* the table names no other */
    return UINT32_MAX;
}

/* The types between the parentheses of a signature, and the receiver's before them. */
static uint32_t read_masks(const char *signature, uint32_t masks[LEAT_EXPR_ARGS_MAX])
{
    uint32_t count = 0;
    const char *at = signature;
    if (signature[0] != '(') {
        const char *dot = strstr(signature, ".(");
        masks[count++] = leat_expr_type_mask((leat_str){signature, (size_t)(dot - signature)});
        at = dot + 1;
    }
    at++;
    while (*at != ')') {
        const char *start = at;
        for (int depth = 0; depth > 0 || (*at != ',' && *at != ')'); at++) {
            if (*at == '(') depth++;
            if (*at == ')') depth--;
        }
        LEAT_ASSERT(count < LEAT_EXPR_ARGS_MAX);
        masks[count++] = leat_expr_type_mask((leat_str){start, (size_t)(at - start)});
        while (*at == ',' || *at == ' ')
            at++;
    }
    return count;
}

leat_code leat_expr_add_site(leat_expr_builder *builder, const char *name,
                             const leat_expr_overload *overload, uint32_t count, uint32_t *index)
{
    leat_expr_overload *copy = leat_arena_alloc(builder->arena, sizeof *copy);
    leat_expr_site *site = push(builder, &builder->sites, sizeof *site);
    if (copy == NULL || site == NULL) return full(builder);
    *copy = *overload;
    *site = (leat_expr_site){copy, 1, count, name, 0};
    *index = builder->sites.count - 1;
    return LEAT_OK;
}

leat_code leat_expr_add_call(leat_expr_builder *builder, leat_str name, bool member, uint32_t count,
                             uint32_t *index)
{
    size_t lines = 0;
    const leat_expr_function *functions =
        leat_expr_function_find(name, builder->scope->aggregates, &lines);
    LEAT_ASSERT(functions != NULL); /* the resolver has seen it */
    leat_expr_site *site = push(builder, &builder->sites, sizeof *site);
    leat_expr_overload *overloads = leat_arena_array(builder->arena, lines, sizeof *overloads);
    if (site == NULL || overloads == NULL) return full(builder);
    *site = (leat_expr_site){overloads, 0, count, functions->name, 0};
    for (size_t i = 0; i < lines; i++) {
        if (leat_expr_function_member(&functions[i]) != member || functions[i].call == NULL ||
            !leat_expr_function_visible(&functions[i], builder->scope->aggregates) ||
            leat_expr_function_arity(&functions[i]) != count) {
            continue;
        }
        leat_expr_overload *overload = &overloads[site->overloads_count++];
        uint32_t read = read_masks(functions[i].signature, overload->masks);
        LEAT_ASSERT(read == count);
        overload->call = functions[i].call;
    }
    *index = builder->sites.count - 1;
    return LEAT_OK;
}

leat_code leat_expr_site_regex(leat_expr_builder *builder, uint32_t site, leat_str pattern,
                               uint32_t offset)
{
    uint32_t number = 0;
    LEAT_ASSERT(site < builder->sites.count);
    LEAT_TRY(leat_expr_add_regex(builder, pattern, offset, &number));
    leat_expr_site *sites = builder->sites.items;
    sites[site].regex = number + 1;
    return LEAT_OK;
}

leat_code leat_expr_add_regex(leat_expr_builder *builder, leat_str pattern, uint32_t offset,
                              uint32_t *index)
{
    leat_regex **place = push(builder, &builder->regexes, sizeof *place);
    if (place == NULL) return full(builder);
    *place = NULL;
    leat_code code = leat_regex_new(place, pattern, builder->err);
    if (code != LEAT_OK) {
        builder->regexes.count--;
        builder->err->offset = offset;
        return code;
    }
    *index = builder->regexes.count - 1;
    return LEAT_OK;
}

void leat_expr_abandon(leat_expr_builder *builder)
{
    leat_regex **regexes = builder->regexes.items;
    for (uint32_t i = 0; i < builder->regexes.count; i++)
        leat_regex_free(&regexes[i]);
    builder->regexes.count = 0;
}

static void free_regex(void *regex)
{
    leat_regex *held = regex;
    leat_regex_free(&held);
}

/* A copy of the array's items in the expression's arena; NULL: full. */
static void *settle(leat_expr_builder *builder, const leat_expr_array *array, size_t bytes)
{
    void *items = leat_arena_array(builder->arena, array->count > 0 ? array->count : 1, bytes);
    if (items != NULL && array->count > 0) memcpy(items, array->items, array->count * bytes);
    return items;
}

leat_code leat_expr_finish(leat_expr_builder *builder, leat_expr **expr)
{
    leat_expr *made = leat_arena_zero(builder->arena, sizeof *made);
    if (made == NULL) return leat_arena_full(builder->arena, builder->err);
    made->steps = settle(builder, &builder->steps, sizeof(leat_expr_step));
    made->constants = settle(builder, &builder->constants, sizeof(leat_value));
    made->slots = settle(builder, &builder->slots, sizeof(leat_expr_slot));
    made->sites = settle(builder, &builder->sites, sizeof(leat_expr_site));
    made->texts = settle(builder, &builder->texts, sizeof(leat_expr_text));
    made->regexes = settle(builder, &builder->regexes, sizeof(leat_regex *));
    made->source = leat_arena_copy(builder->arena, builder->source);
    if (made->steps == NULL || made->constants == NULL || made->slots == NULL ||
        made->sites == NULL || made->texts == NULL || made->regexes == NULL ||
        made->source.data == NULL) {
        return leat_arena_full(builder->arena, builder->err);
    }
    leat_regex **regexes = builder->regexes.items;
    made->regexes_count = builder->regexes.count;
    while (builder->regexes.count > 0) { /* from here on they are the arena's */
        leat_regex *regex = regexes[builder->regexes.count - 1];
        if (!leat_arena_defer(builder->arena, free_regex, regex)) {
            return leat_arena_full(builder->arena, builder->err);
        }
        builder->regexes.count--;
    }
    made->steps_count = builder->steps.count;
    made->slots_count = builder->slots.count;
    made->constants_count = builder->constants.count;
    made->sites_count = builder->sites.count;
    made->registers = builder->registers;
    made->type_name = "dyn";
    LEAT_ASSERT(made->steps_count > 0);
    LEAT_ASSERT(made->steps[made->steps_count - 1].op == EXPR_OP_RETURN);
    *expr = made;
    return LEAT_OK;
}
