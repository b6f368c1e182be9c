/* SPDX-License-Identifier: Apache-2.0 */
/* Common subexpressions, evaluated once per record: within an expression, between the fields of a
 * `set`, and between steps, streams and sinks.
 *
 *   {"filter": "ua.lowerAscii().matches('bot|crawler') == false"},
 *   {"set": {"agent": "ua.lowerAscii()", "path": "url.decode(path)"}}
 *
 *   GET m -> L; r = ua.lowerAscii(); PUT m; L: ...         in both; m is a slot of the record
 *
 * A slot of a record is written once, by one step (core/record.h): a field that is assigned anew
 * has another slot from there on. So two trees over the same slots have the same value in a record
 * wherever they stand, and there is nothing to be invalidated. A memo is filled when the first of
 * them is evaluated, never before, so that || and ?: absorb what they would; an error is not kept:
 * it comes again, with its own place in the text.
 *
 * The texts of the whole pipeline are looked through once, before anything is compiled, for what
 * stands there twice; so an expression that shares nothing has the steps that it always had. Only
 * what costs more than a memo is shared: calls, loops, texts put together, not comparisons. What is
 * alike in two texts may still mean different slots: two trees are one if they are written the same
 * byte by byte after their names are resolved. Without: what reads `meta`, `event` or a pattern's
 * steps, and what depends on a name that a macro around it has bound.
 * Cost: two steps, ~2 ns; a slot of 16 bytes. */
#include "core/buf.h"
#include "core/map.h"
#include "core/mem.h"
#include "transforms/expr_build.h"

#define WORTH         8 /* cost from which on a tree is remembered */
#define KEY_BYTES_MAX 4096
#define REPEATS_MAX   100000 /* trees that are looked at in one pipeline */

struct leat_expr_repeats {
    leat_map
        *counts; /* hash of a tree before its names are resolved -> how often it stands there */
};

leat_expr_repeats *leat_expr_repeats_new(void)
{
    leat_expr_repeats *repeats = leat_mem_need(sizeof *repeats);
    repeats->counts = leat_map_new();
    return repeats;
}

void leat_expr_repeats_free(leat_expr_repeats **repeats)
{
    if (*repeats == NULL) return;
    leat_map_free(&(*repeats)->counts);
    leat_mem_free(*repeats);
    *repeats = NULL;
}

/* --- what a tree costs -------------------------------------------------------------------- */

static bool is_one_of(leat_str name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (leat_str_is(name, *names)) return true;
    return false;
}

/* Steps of the evaluator, about; of the node without its arguments. */
static uint32_t own_cost(const leat_expr_node *node)
{
    static const char *const steps[] = {
        "_==_",       "_!=_",     "_<_", "_<=_",  "_>_", "_>=_",    "!_",    "_+_",
        "_-_",        "_*_",      "_/_", "_%_",   "-_",  "_[_]",    "_[?_]", "size",
        "startsWith", "endsWith", "dyn", "_?_:_", "or",  "orValue", NULL};
    static const char *const cheap[] = {"@in",  "contains", "int",   "uint",  "double", "bool",
                                        "type", "hasValue", "value", "first", "last",   NULL};
    if (node->kind == EXPR_NODE_LOOP) return node->macro < EXPR_MACRO_BIND ? WORTH : 1;
    if (node->kind == EXPR_NODE_SELECT) return 1;
    if (node->kind != EXPR_NODE_CALL) return 0;
    if (is_one_of(node->name, steps)) return 1;
    bool math = node->member && node->count > 0 && node->args[0]->kind == EXPR_NODE_NAME &&
                leat_str_is(node->args[0]->name, "math");
    return math || is_one_of(node->name, cheap) ? 2 : WORTH;
}

/* --- what stands there twice -------------------------------------------------------------- */

static uint64_t mixed(uint64_t hash, uint64_t more)
{
    hash = (hash ^ more) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static uint64_t hash_value(uint64_t hash, leat_value value)
{
    hash = mixed(hash, value.tag);
    if (value.tag == LEAT_STRING || value.tag == LEAT_BYTES)
        return mixed(hash, leat_str_hash(leat_value_str(value)));
    return value.tag == LEAT_NULL ? hash : mixed(hash, value.as.u);
}

/* Sets `hash` and `cost` in the tree as it was parsed. */
static void weigh(leat_expr_node *node)
{
    uint64_t hash = mixed((uint64_t)node->kind << 8 | (uint64_t)node->macro, node->count);
    uint64_t flags = (uint64_t)node->member | (uint64_t)node->test << 1 |
                     (uint64_t)node->optional << 2 | (uint64_t)node->maybe << 3 |
                     (uint64_t)node->absolute << 4 | (uint64_t)node->names << 5;
    hash = mixed(hash, flags);
    if (node->name.data != NULL) hash = mixed(hash, leat_str_hash(node->name));
    if (node->name2.data != NULL) hash = mixed(hash, leat_str_hash(node->name2));
    if (node->kind == EXPR_NODE_CONST) hash = hash_value(hash, node->constant);
    uint32_t cost = own_cost(node);
    for (uint32_t i = 0; i < node->count; i++) {
        weigh(node->args[i]);
        hash = mixed(hash, node->args[i]->hash);
        cost += node->args[i]->cost;
    }
    node->hash = hash;
    node->cost = cost;
}

static leat_str key_of(const uint64_t *hash)
{
    return (leat_str){(const char *)hash, sizeof *hash};
}

/* What is in a tree that was there before comes with it. */
static void note(const leat_expr_repeats *repeats, const leat_expr_node *node)
{
    uint64_t count = 0;
    leat_err err;
    if (node->cost < WORTH || leat_map_count(repeats->counts) >= REPEATS_MAX) return;
    (void)leat_map_get(repeats->counts, key_of(&node->hash), &count);
    if (leat_map_put(repeats->counts, key_of(&node->hash), count + 1, &err) != LEAT_OK) return;
    for (uint32_t i = 0; count == 0 && i < node->count; i++)
        note(repeats, node->args[i]);
}

void leat_expr_repeats_note(leat_expr_repeats *repeats, leat_str text)
{
    leat_arena *scratch = NULL;
    leat_expr_node *root = NULL;
    leat_err err;
    if (leat_arena_new(&scratch, LEAT_EXPR_SCRATCH_MAX, &err) != LEAT_OK) return;
    if (leat_expr_parse(text, true, scratch, &root, &err) == LEAT_OK) {
        weigh(root);
        note(repeats, root);
    }
    leat_arena_free(&scratch);
}

static void mark(const leat_expr_repeats *repeats, leat_expr_node *node)
{
    uint64_t count = 0;
    if (node->cost < WORTH) return;
    node->repeated = leat_map_get(repeats->counts, key_of(&node->hash), &count) && count > 1;
    for (uint32_t i = 0; i < node->count; i++)
        mark(repeats, node->args[i]);
}

void leat_expr_mark_repeated(const leat_scope *scope, leat_expr_node *root)
{
    if (scope->repeats == NULL || scope->memo == NULL) return;
    weigh(root);
    mark(scope->repeats, root);
}

/* --- what is one tree --------------------------------------------------------------------- */

typedef struct writer {
    leat_buf *out;
    uint32_t first_var; /* of the outermost macro in the tree; names below are bound outside */
} writer;

static bool write_value(writer *w, leat_value value)
{
    leat_buf_add_char(w->out, (char)value.tag);
    switch (value.tag) {
    case LEAT_NULL: return true;
    case LEAT_BOOL: leat_buf_add_char(w->out, value.as.b ? 1 : 0); return true;
    case LEAT_INT:
    case LEAT_UINT:
    case LEAT_DOUBLE: leat_buf_add(w->out, (leat_str){(const char *)&value.as, 8}); return true;
    case LEAT_STRING:
    case LEAT_BYTES: leat_buf_add_bytes(w->out, leat_value_str(value)); return true;
    default: return false; /* made by folding something large: seldom, and not compared */
    }
}

/* False: it is not the same in all places, or not known to be. */
static bool write_node(writer *w, const leat_expr_node *node)
{
    if (node->kind == EXPR_NODE_FAIL || node->kind == EXPR_NODE_NAME) return false;
    if (node->kind == EXPR_NODE_LOOP && w->first_var == UINT32_MAX) w->first_var = node->var;
    if (node->kind == EXPR_NODE_VAR && node->var < w->first_var) return false;
    leat_buf_add_char(w->out, (char)node->kind);
    leat_buf_add_char(w->out, (char)node->macro);
    leat_buf_add_char(w->out, (char)(node->member | node->test << 1 | node->optional << 2 |
                                     node->maybe << 3 | (int)(node->names << 4)));
    leat_buf_add_varuint(w->out, node->count);
    if (node->kind == EXPR_NODE_CONST) return write_value(w, node->constant);
    if (node->kind == EXPR_NODE_VAR || node->kind == EXPR_NODE_LOOP)
        leat_buf_add_varuint(w->out, node->var - w->first_var);
    else
        leat_buf_add_bytes(w->out, node->name);
    if (node->kind == EXPR_NODE_REF) {
        if (node->ref.kind == LEAT_REF_CONST) return write_value(w, node->ref.constant);
        if (node->ref.kind != LEAT_REF_SLOT) return false;
        leat_buf_add_varuint(w->out, node->ref.index);
    }
    for (uint32_t i = 0; i < node->count; i++)
        if (!write_node(w, node->args[i])) return false;
    return true;
}

leat_code leat_expr_memo_of(const leat_expr_builder *builder, const leat_expr_node *node,
                            uint32_t *slot)
{
    leat_buf key;
    leat_code code = LEAT_OK;
    *slot = LEAT_EXPR_NO_MEMO;
    if (!node->repeated || builder->folding) return LEAT_OK;
    LEAT_ASSERT(builder->scope->memo != NULL);
    leat_buf_init(&key, KEY_BYTES_MAX);
    writer w = {.out = &key, .first_var = UINT32_MAX};
    if (write_node(&w, node) && !key.overflow)
        code = builder->scope->memo(builder->scope, leat_buf_str(&key), slot, builder->err);
    leat_buf_release(&key);
    return code;
}

leat_code leat_expr_gen_memo(leat_expr_builder *builder, leat_expr_node *node, uint32_t slot,
                             uint16_t dst, uint8_t join)
{
    uint16_t number = dst;
    if (join != 0) LEAT_TRY(leat_expr_reserve(builder, 1, &number));
    uint32_t at = leat_expr_here(builder);
    leat_expr_step to = {.op = EXPR_OP_MEMO_GET, .dst = number, .a = slot, .offset = node->offset};
    LEAT_TRY(leat_expr_emit(builder, to));
    node->repeated = false; /* it is in hand */
    LEAT_TRY(leat_expr_gen_to(builder, node, number, 0));
    to.op = EXPR_OP_MEMO_PUT;
    LEAT_TRY(leat_expr_emit(builder, to));
    leat_expr_step_at(builder, at)->jump = leat_expr_here(builder);
    if (join == 0) return LEAT_OK;
    to = (leat_expr_step){.op = EXPR_OP_JOIN,
                          .a_kind = EXPR_REGISTER,
                          .a = number,
                          .dst = dst,
                          .join = join,
                          .offset = node->offset};
    return leat_expr_emit(builder, to);
}
