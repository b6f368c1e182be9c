/* SPDX-License-Identifier: Apache-2.0 */
/* Two schemas become one tree of nodes: what the writer put down, as the reader wants to see it
 * (Avro's specification, "Schema Resolution").
 *
 *   writer  {id: int, old: string, x: bytes}     node  id:  int as it is     -> field 1
 *   reader  {name: string alias old,                    old: string          -> field 0
 *            id: long, tag: enum default "A"}           x:   bytes           -> none, skipped
 *                                                       constant "A"         -> field 2
 *
 * A node is entered in `made` under its pair of types before what is inside it is resolved, so that
 * recursive schemas become circles of nodes.
 *
 * A branch of a writer's union that the reader cannot take is no mistake of the schemas: its node
 * refuses, with the reason, when such a value comes. Only what can never work is an
 * error here. Where both sides name a logical type the writer's unit counts, so that a time in
 * microseconds read under a schema in milliseconds is still that time.
 *
 * Records need not have the same name outside of unions: topics are full of such pairs, and no
 * other implementation refuses them. */
#include "core/map.h"
#include "core/mem.h"
#include "schemas/avro_plan.h"

typedef struct resolving {
    leat_arena *arena;
    leat_err *err;
    leat_map *made; /* pair of type numbers -> avro_node * */
} resolving;

static leat_code resolve(resolving *r, const leat_avro_type *w, const leat_avro_type *t,
                         const avro_node **node);

/* --- do they match? --------------------------------------------------------------------------- */

static bool is_named(leat_avro_kind kind)
{
    return kind == LEAT_AVRO_RECORD || kind == LEAT_AVRO_ENUM || kind == LEAT_AVRO_FIXED;
}

static bool same_name(const leat_avro_type *w, const leat_avro_type *t)
{
    leat_str name = leat_avro_unqualified(w->name);
    if (leat_str_equal(name, leat_avro_unqualified(t->name))) return true;
    for (size_t i = 0; i < t->aliases_count; i++)
        if (leat_str_equal(t->aliases[i], w->name) || leat_str_equal(t->aliases[i], name))
            return true;
    return false;
}

/* May a w be read as a t, as far as can be told without looking inside? */
static bool promotes(leat_avro_kind w, leat_avro_kind t, avro_as *as)
{
    *as = AVRO_AS_IS;
    if (w == t) return true;
    bool whole = w == LEAT_AVRO_INT || w == LEAT_AVRO_LONG;
    if (w == LEAT_AVRO_INT && t == LEAT_AVRO_LONG) return true;
    if (w == LEAT_AVRO_FLOAT && t == LEAT_AVRO_DOUBLE) return true;
    if (whole && t == LEAT_AVRO_FLOAT) *as = AVRO_AS_FLOAT;
    if (whole && t == LEAT_AVRO_DOUBLE) *as = AVRO_AS_DOUBLE;
    if (w == LEAT_AVRO_STRING && t == LEAT_AVRO_BYTES) *as = AVRO_AS_BYTES;
    if (w == LEAT_AVRO_BYTES && t == LEAT_AVRO_STRING) *as = AVRO_AS_STRING;
    return *as != AVRO_AS_IS;
}

static leat_code mismatch(const resolving *r, const leat_avro_type *w, const leat_avro_type *t)
{
    leat_str was = leat_avro_type_text(w, r->arena), is = leat_avro_type_text(t, r->arena);
    return leat_err_set(r->err, LEAT_ERR_CONFIG, "written as %.*s, cannot be read as %.*s",
                        LEAT_STR_ARG(was), LEAT_STR_ARG(is));
}

/* --- nodes ------------------------------------------------------------------------------------ */

static leat_code room(const resolving *r, size_t count, size_t bytes, void *made)
{
    void *memory = leat_arena_zero(r->arena, (count + 1) * bytes);
    if (memory == NULL) return leat_arena_full(r->arena, r->err);
    memcpy(made, &memory, sizeof memory);
    return LEAT_OK;
}

static void set_logical(const leat_avro_type *w, const leat_avro_type *t, avro_node *node)
{
    const leat_avro_type *from = w->logical != LEAT_AVRO_PLAIN ? w : t;
    if (t->logical == LEAT_AVRO_PLAIN || node->as != AVRO_AS_IS) return;
    if (from->logical == LEAT_AVRO_UUID && w->kind == LEAT_AVRO_STRING) return; /* as it stands */
    node->as = AVRO_AS_LOGICAL;
    node->logical = from->logical;
    node->scale = from->scale;
}

/* A value of t's default. */
static leat_code constant(resolving *r, const leat_avro_field *field, leat_value *value)
{
    leat_buf bytes;
    const avro_node *node;
    LEAT_TRY(resolve(r, field->type, field->type, &node));
    leat_buf_init(&bytes, LEAT_AVRO_SCHEMA_MAX);
    leat_code code = avro_default_bytes(field->type, field->fallback, &bytes, r->err);
    if (code == LEAT_OK) code = leat_buf_check(&bytes, "a default", r->err);
    if (code == LEAT_OK) {
        leat_str copy = leat_arena_copy(r->arena, leat_buf_str(&bytes));
        code = copy.data == NULL ? leat_arena_full(r->arena, r->err)
                                 : avro_node_value(node, copy, r->arena, value, r->err);
    }
    leat_buf_release(&bytes);
    if (code != LEAT_OK && leat_code_blame(code) == LEAT_BLAME_RECORD)
        r->err->code = LEAT_ERR_CONFIG;
    return code == LEAT_OK
               ? code
               : leat_err_prefix(r->err, "default of '%.*s'", LEAT_STR_ARG(field->name));
}

/* The reader's field that the writer's `name` goes to; fields_count: none. */
static size_t field_for(const leat_avro_type *t, leat_str name)
{
    for (size_t i = 0; i < t->fields_count; i++)
        if (leat_str_equal(t->fields[i].name, name)) return i;
    for (size_t i = 0; i < t->fields_count; i++)
        for (size_t k = 0; k < t->fields[i].aliases_count; k++)
            if (leat_str_equal(t->fields[i].aliases[k], name)) return i;
    return t->fields_count;
}

static leat_code add_constants(resolving *r, const leat_avro_type *t, const bool *given,
                               avro_node *node)
{
    avro_constant *constants;
    LEAT_TRY(room(r, t->fields_count, sizeof *constants, &constants));
    for (size_t i = 0; i < t->fields_count; i++) {
        const leat_avro_field *field = &t->fields[i];
        if (given[i]) continue;
        if (field->fallback == NULL)
            return leat_err_set(r->err, LEAT_ERR_CONFIG,
                                "'%.*s' is not in the schema it was written with, and has no "
                                "default",
                                LEAT_STR_ARG(field->name));
        avro_constant *made = &constants[node->constants_count];
        *made = (avro_constant){.name = field->name, .entry = (uint32_t)i};
        LEAT_TRY(constant(r, field, &made->value));
        node->constants_count++;
    }
    LEAT_ASSERT(node->constants_count <= t->fields_count);
    node->constants = constants;
    return LEAT_OK;
}

static leat_code resolve_record(resolving *r, const leat_avro_type *w, const leat_avro_type *t,
                                avro_node *node)
{
    avro_member *members;
    bool *given;
    LEAT_TRY(room(r, w->fields_count, sizeof *members, &members));
    LEAT_TRY(room(r, t->fields_count, sizeof *given, &given));
    node->entries = (uint32_t)t->fields_count;
    for (size_t i = 0; i < w->fields_count; i++) {
        const leat_avro_field *field = &w->fields[i];
        size_t at = field_for(t, field->name);
        bool taken = at < t->fields_count && !given[at];
        members[i].name = taken ? t->fields[at].name : field->name;
        members[i].entry = taken ? (uint32_t)at : AVRO_NO_ENTRY;
        if (taken) given[at] = true;
        leat_code code =
            resolve(r, field->type, taken ? t->fields[at].type : field->type, &members[i].node);
        if (code != LEAT_OK) return leat_err_prefix(r->err, "'%.*s'", LEAT_STR_ARG(field->name));
    }
    node->members = members;
    node->members_count = w->fields_count;
    return add_constants(r, t, given, node);
}

static leat_code resolve_enum(const resolving *r, const leat_avro_type *w, const leat_avro_type *t,
                              avro_node *node)
{
    leat_value *values;
    LEAT_TRY(room(r, w->symbols_count, sizeof *values, &values));
    for (size_t i = 0; i < w->symbols_count; i++) {
        leat_str symbol = w->symbols[i];
        bool known = w == t;
        for (size_t k = 0; k < t->symbols_count && !known; k++)
            known = leat_str_equal(t->symbols[k], symbol);
        if (!known) symbol = t->symbol_default;
        values[i] = symbol.data != NULL ? leat_value_string(symbol) : LEAT_VALUE_MISSING;
        if (symbol.data != NULL) values[i].flags = LEAT_VALUE_PLAIN; /* it is a name */
    }
    node->values = values;
    node->values_count = w->symbols_count;
    return LEAT_OK;
}

/* Of the reader's branches the one that takes a w: of its own kind and name first. */
static const leat_avro_type *branch_for(const leat_avro_type *w, const leat_avro_type *t)
{
    avro_as as;
    for (size_t i = 0; i < t->branches_count; i++) {
        const leat_avro_type *branch = t->branches[i];
        if (branch->kind == w->kind && is_named(w->kind) && leat_str_equal(branch->name, w->name))
            return branch;
    }
    for (size_t i = 0; i < t->branches_count; i++) {
        const leat_avro_type *branch = t->branches[i];
        if (branch->kind == w->kind && (!is_named(w->kind) || same_name(w, branch))) return branch;
    }
    for (size_t i = 0; i < t->branches_count; i++)
        if (promotes(w->kind, t->branches[i]->kind, &as) && w->kind != t->branches[i]->kind)
            return t->branches[i];
    return NULL;
}

/* The node refuses what comes, for the reason in err, which is passed on. */
static leat_code refuse(const resolving *r, avro_node *node)
{
    if (leat_code_blame(r->err->code) != LEAT_BLAME_CONFIG) return r->err->code;
    leat_str why = leat_arena_copy(r->arena, leat_str_of(r->err->text));
    if (why.data == NULL) return leat_arena_full(r->arena, r->err);
    node->refused = why.data;
    return r->err->code;
}

static leat_code resolve_union(resolving *r, const leat_avro_type *w, const leat_avro_type *t,
                               avro_node *node)
{
    const avro_node **branches;
    size_t good = 0;
    LEAT_TRY(room(r, w->branches_count, sizeof(avro_node *), &branches));
    for (size_t i = 0; i < w->branches_count; i++) {
        const leat_avro_type *branch = w->branches[i];
        leat_code code = resolve(r, branch, w == t ? branch : t, &branches[i]);
        if (code == LEAT_OK)
            good++;
        else if (leat_code_blame(code) != LEAT_BLAME_CONFIG)
            return code;
    }
    LEAT_ASSERT(w->branches_count > 0);
    node->branches = branches;
    node->branches_count = w->branches_count;
    return good > 0 ? LEAT_OK : mismatch(r, w, t);
}

/* Both of one kind, or one that promotes to the other. */
static leat_code resolve_inside(resolving *r, const leat_avro_type *w, const leat_avro_type *t,
                                avro_node *node)
{
    if (w->kind == LEAT_AVRO_RECORD) return resolve_record(r, w, t, node);
    if (w->kind == LEAT_AVRO_ENUM) return resolve_enum(r, w, t, node);
    if (w->kind == LEAT_AVRO_FIXED && w->size != t->size)
        return leat_err_set(r->err, LEAT_ERR_CONFIG,
                            "written as %u bytes, cannot be read as a fixed of %u", w->size,
                            t->size);
    set_logical(w, t, node);
    if (w->kind != LEAT_AVRO_ARRAY && w->kind != LEAT_AVRO_MAP) return LEAT_OK;
    leat_code code = resolve(r, w->items, t->items, &node->items);
    return code == LEAT_OK ? code : leat_err_prefix(r->err, "[]");
}

static leat_code resolve_new(resolving *r, const leat_avro_type *w, const leat_avro_type *t,
                             avro_node *made)
{
    made->kind = w->kind;
    made->size = w->size;
    made->bytes_min = w->bytes_min;
    if (w->kind == LEAT_AVRO_UNION) return resolve_union(r, w, t, made);
    if (!promotes(w->kind, t->kind, &made->as)) return mismatch(r, w, t);
    return resolve_inside(r, w, t, made);
}

/* Recursion: as deep as the writer's schema. */
static leat_code resolve(resolving *r, const leat_avro_type *w, const leat_avro_type *t,
                         const avro_node **node)
{
    if (t->kind == LEAT_AVRO_UNION && w->kind != LEAT_AVRO_UNION) {
        const leat_avro_type *branch = branch_for(w, t);
        if (branch == NULL) return mismatch(r, w, t);
        t = branch;
    }
    const void *pair[2] = {w, t};
    leat_str key = {(const char *)pair, sizeof pair};
    uint64_t known;
    if (leat_map_get(r->made, key, &known)) {
        *node = (const avro_node *)(uintptr_t)known;
        if ((*node)->refused == NULL) return LEAT_OK;
        return leat_err_set(r->err, LEAT_ERR_CONFIG, "%s", (*node)->refused);
    }
    avro_node *made;
    LEAT_TRY(room(r, 1, sizeof *made, &made));
    LEAT_TRY(leat_map_put(r->made, key, (uint64_t)(uintptr_t)made, r->err));
    *node = made;
    leat_code code = resolve_new(r, w, t, made);
    return code == LEAT_OK ? code : refuse(r, made);
}

leat_code avro_resolve(const leat_avro_schema *writer, const leat_avro_schema *reader,
                       leat_arena *arena, const avro_node **node, leat_err *err)
{
    LEAT_ASSERT(writer->root != NULL && reader->root != NULL);
    resolving r = {.arena = arena, .err = err, .made = leat_map_new()};
    leat_code code = resolve(&r, writer->root, reader->root, node);
    leat_map_free(&r.made);
    return code;
}
