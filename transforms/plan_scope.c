/* SPDX-License-Identifier: Apache-2.0 */
/* What a name in an expression means at one place of the plan.
 *
 *   amount, event.amount   a slot: of the decoder (asked for here), or of the step that set it
 *   a.b (a set by a step)  the slot of a; the evaluator goes on inside its value
 *   a (a.b set by a step)  a view: the object put together when it is read
 *   event                  a view of the whole record
 *   meta.key ...           what is not in the value
 *   int, string ...        nothing: the compiler takes them for types
 *
 * A bare path is read exactly, so that a decimal goes on as it was written; in a computation the
 * same field is asked for as a number, which costs one more slot and no second reading.
 *
 * That a field does not exist cannot be known while planning, but for two things: an earlier step
 * may have removed it, and a format may know its fields. Both are warned of, not refused, as has()
 * may ask for it all the same. */
#include <string.h>

#include "transforms/plan_inside.h"

#define REPEATS_TEXT_MAX 16384 /* longer texts are no expressions, or share nothing */

typedef struct planner_scope {
    leat_scope scope; /* first */
    leat_planner *planner;
    plan_site site;
    bool exact;
} planner_scope;

static const struct {
    const char *name;
    uint32_t index;
    const char *type;
} meta_names[] = {
    {"key", LEAT_EXTERN_META_KEY, NULL},
    {"topic", LEAT_EXTERN_META_TOPIC, "string"},
    {"partition", LEAT_EXTERN_META_PARTITION, "int"},
    {"offset", LEAT_EXTERN_META_OFFSET, "int"},
    {"timestamp", LEAT_EXTERN_META_TIMESTAMP, "timestamp"},
    {"headers", LEAT_EXTERN_META_HEADERS, "map(string, dyn)"},
    {"watermark", LEAT_EXTERN_META_WATERMARK, NULL},
};
#define META_COUNT (sizeof meta_names / sizeof meta_names[0])

/* Key and headers are a record's own, and masked where they are what a masked field is; what else
 * is made of them cannot be traced. */
static leat_code resolve_meta(leat_planner *planner, const leat_str *names, size_t count,
                              leat_ref *ref, leat_err *err)
{
    leat_str known[META_COUNT];
    *ref = (leat_ref){.kind = LEAT_REF_EXTERN, .index = LEAT_EXTERN_META, .used = 1};
    if (count == 1) {
        planner->reads_all = true;
        return LEAT_OK;
    }
    for (size_t i = 0; i < META_COUNT; i++) {
        known[i] = leat_str_of(meta_names[i].name);
        if (!leat_str_equal(known[i], names[1])) continue;
        if (meta_names[i].index == LEAT_EXTERN_META_KEY ||
            meta_names[i].index == LEAT_EXTERN_META_HEADERS)
            planner->reads_all = true;
        *ref = (leat_ref){.kind = LEAT_REF_EXTERN,
                          .index = meta_names[i].index,
                          .used = 2,
                          .type = meta_names[i].type};
        return LEAT_OK;
    }
    leat_str nearest = leat_str_nearest(names[1], known, META_COUNT);
    return leat_err_set(
        err, LEAT_ERR_NO_FIELD, "meta has no '%.*s'%s%.*s%s", LEAT_STR_ARG(names[1]),
        nearest.data != NULL ? "; did you mean '" : "", LEAT_STR_ARG(nearest),
        nearest.data != NULL ? "'?"
                             : "; it has key, topic, partition, offset, timestamp, headers and "
                               "watermark");
}

/* Names that CEL gives to types. `type` is not among them: it is too good a name for a field, and
 * as a type nobody misses it. */
static bool names_a_type(const leat_str *names, size_t count)
{
    static const char *const types[] = {"bool", "bytes",  "double", "int",       "list",
                                        "map",  "string", "uint",   "null_type", "optional_type"};
    if (count >= 3 && leat_str_is(names[0], "google") && leat_str_is(names[1], "protobuf"))
        return true;
    for (size_t i = 0; count == 1 && i < sizeof types / sizeof types[0]; i++)
        if (leat_str_is(names[0], types[i])) return true;
    return false;
}

/* --- views --- */

uint32_t plan_view_add(leat_planner *planner, plan_site site, leat_view view)
{
    size_t count = *site.views_count;
    for (size_t i = 0; i < count; i++) {
        const leat_view *other = &(*site.views)[i];
        if (other->field == view.field && other->exact == view.exact && other->path.count == 0 &&
            view.path.count == 0)
            return LEAT_EXTERN_VIEWS + (uint32_t)i;
    }
    LEAT_ASSERT(count < LEAT_EXTERN_OWN - LEAT_EXTERN_VIEWS);
    leat_view *views = plan_grow(planner, *site.views, count, sizeof *views);
    views[count] = view;
    if (view.field->kind == LEAT_FIELD_OBJECT) planner->edit++; /* it shows what is there now */
    *site.views = views;
    *site.views_count = count + 1;
    return LEAT_EXTERN_VIEWS + (uint32_t)count;
}

static leat_ref view_ref(const planner_scope *self, leat_view view, size_t used)
{
    view.exact = self->exact;
    plan_read_field(self->planner, view.field);
    return (leat_ref){.kind = LEAT_REF_EXTERN,
                      .index = plan_view_add(self->planner, self->site, view),
                      .used = used};
}

/* --- fields --- */

static leat_ref request_ref(const planner_scope *self, leat_path path, size_t used)
{
    const leat_shape *shape = self->site.shape;
    const char *type = NULL;
    if (shape->known_count > 0) {
        const leat_known_field *known = plan_known_find(shape, path.names[0]);
        size_t at = 0;
        leat_planner *planner = self->planner;
        if (!plan_known_path(planner, shape, path, &at, &planner->unknown_nearest)) {
            planner->unknown = plan_copy(planner, path.names[at]);
            planner->unknown_path = leat_path_text((leat_path){path.names, at + 1}, planner->arena);
        }
        if (known != NULL && path.count == 1) type = known->type;
    }
    return (leat_ref){.kind = LEAT_REF_SLOT,
                      .index = plan_request(self->planner, self->site.shape, path, self->exact),
                      .used = used,
                      .type = type};
}

/* names: as they stand in the expression; skipped: 1 behind `event`. */
static leat_ref resolve_field(const planner_scope *self, const leat_str *names, size_t count,
                              size_t skipped)
{
    leat_planner *planner = self->planner;
    leat_path path = {names + skipped, count - skipped};
    plan_found found = plan_layout_find(planner, self->site.shape, self->site.layout, path);
    const leat_slot_request *request = NULL;
    leat_view view = {.field = found.field};
    switch (found.kind) {
    case PLAN_FOUND_REQUEST: return request_ref(self, found.path, count);
    case PLAN_FOUND_SLOT:
        request = plan_request_of(self->site.shape, found.slot);
        if (request != NULL) return request_ref(self, request->path, count);
        return (leat_ref){.kind = LEAT_REF_SLOT, .index = found.slot, .used = count};
    case PLAN_FOUND_OBJECT: return view_ref(self, view, count);
    case PLAN_FOUND_INSIDE:
        if (!self->exact && !found.overlaid)
            return (leat_ref){
                .kind = LEAT_REF_SLOT, .index = found.slot, .used = skipped + found.used};
        view.field = plan_slot_field(planner, found.slot);
        view.path = plan_path_copy(planner, found.path, (leat_path){NULL, 0});
        return view_ref(self, view, count);
    case PLAN_FOUND_NOTHING: break;
    }
    planner->removed = leat_path_text(path, planner->arena);
    uint32_t slot = leat_planner_slot(planner, self->site.shape);
    leat_planner_elsewhere(planner, &(leat_step){.shape_in = self->site.shape}, slot, NULL);
    return (leat_ref){.kind = LEAT_REF_SLOT, .index = slot, .used = count};
}

static leat_code resolve(leat_scope *scope, const leat_str *names, size_t count, bool absolute,
                         leat_ref *ref, leat_str *nearest, leat_err *err)
{
    const planner_scope *self = (const planner_scope *)scope;
    LEAT_ASSERT(count > 0);
    (void)absolute; /* there is but one level of names */
    (void)nearest;  /* any name may be a field's */
    if (count > LEAT_PATH_DEPTH_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "a path has at most %d names",
                            LEAT_PATH_DEPTH_MAX);
    if (names_a_type(names, count)) {
        ref->kind = LEAT_REF_NONE;
    } else if (leat_str_is(names[0], "meta")) {
        return resolve_meta(self->planner, names, count, ref, err);
    } else if (leat_str_is(names[0], "event") && count == 1) {
        *ref = view_ref(self, (leat_view){.field = self->site.layout}, 1);
    } else {
        *ref = resolve_field(self, names, count, leat_str_is(names[0], "event") ? 1 : 0);
        if (ref->kind == LEAT_REF_SLOT) plan_read_note(self->planner, ref->index);
    }
    return plan_failed(self->planner) ? leat_arena_full(self->planner->arena, err) : LEAT_OK;
}

/* --- common subexpressions --- */

void plan_repeats(leat_planner *planner, const leat_node *node)
{
    if (node->kind == LEAT_NODE_STRING && !node->secret && node->text.len < REPEATS_TEXT_MAX &&
        node->text.len > 0 &&
        (memchr(node->text.data, '(', node->text.len) != NULL ||
         memchr(node->text.data, '+', node->text.len) != NULL))
        leat_expr_repeats_note(planner->repeats, node->text);
    if (node->kind != LEAT_NODE_OBJECT && node->kind != LEAT_NODE_LIST) return;
    for (const leat_node *child = node->child; child != NULL; child = child->next)
        plan_repeats(planner, child);
}

/* All records of a shape have their slots in common, so also the memos. */
static leat_code memo(leat_scope *scope, leat_str key, uint32_t *slot, leat_err *err)
{
    const planner_scope *self = (const planner_scope *)scope;
    leat_planner *planner = self->planner;
    leat_shape *shape = self->site.shape;
    leat_buf full;
    uint64_t found = 0;
    leat_buf_init(&full, key.len + 32);
    leat_buf_add_varuint(&full, shape->index);
    leat_buf_add(&full, key);
    leat_code code = leat_buf_check(&full, "a subexpression", err);
    if (code == LEAT_OK && !leat_map_get(planner->memos, leat_buf_str(&full), &found)) {
        found = leat_planner_slot(planner, shape);
        shape->memos = plan_room(planner, shape->memos, shape->memos_count, &shape->memos_size,
                                 sizeof *shape->memos);
        shape->memos[shape->memos_count++] = (uint32_t)found;
        code = leat_map_put(planner->memos, leat_buf_str(&full), found, err);
    }
    leat_buf_release(&full);
    *slot = (uint32_t)found;
    return code;
}

leat_scope *plan_scope_new(leat_planner *planner, plan_site site)
{
    planner_scope *self = leat_planner_alloc(planner, sizeof *self);
    *self = (planner_scope){.scope = {.resolve = resolve,
                                      .indexes = true,
                                      .repeats = planner->repeats,
                                      .memo = planner->memos != NULL ? memo : NULL},
                            .planner = planner,
                            .site = site};
    return &self->scope;
}

leat_scope *leat_planner_scope(leat_planner *planner, leat_step *step)
{
    plan_site site = {step->shape_in, step->layout_out, &step->views, &step->views_count};
    planner->edit++; /* who keeps the scope asks it later, and of the layout as it is now */
    return plan_scope_new(planner, site);
}

/* --- compiling --- */

/* `a.b`, `event.a`: names and dots only. */
static bool is_bare_path(leat_str text)
{
    bool fresh = true; /* a name begins here */
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool digit = c >= '0' && c <= '9';
        if (c == '.' && !fresh)
            fresh = true;
        else if (letter || (digit && !fresh))
            fresh = false;
        else
            return false;
    }
    return !fresh;
}

static void complain(leat_planner *planner, const leat_node *node, const leat_err *err)
{
    if (node->secret) {
        leat_findings_add(planner->findings, node, false,
                          "the expression that comes from ${...} is wrong (%s)",
                          leat_code_text(err->code));
        return;
    }
    leat_findings_add_inside(planner->findings, node, err->offset, false, "%s", err->text);
}

leat_expr *plan_expr(leat_planner *planner, const leat_node *node, plan_site site,
                     leat_scope *scope)
{
    leat_err err = {0};
    leat_expr *expr = NULL;
    if (node->kind != LEAT_NODE_STRING) {
        leat_findings_add(planner->findings, node, false,
                          "must be a string with an expression, not %s",
                          leat_node_kind_name(node->kind));
        return NULL;
    }
    leat_str text = node->text;
    /* Nothing is known of it: the whole record has any type, and always compiles. */
    if (plan_unresolved(planner, node)) text = LEAT_STR("event");
    if (scope == NULL) {
        scope = plan_scope_new(planner, site);
        ((planner_scope *)scope)->exact = is_bare_path(text);
    }
    planner->reads_count = 0;
    planner->reads_all = false;
    planner->removed = planner->unknown = LEAT_STR_NONE;
    if (leat_expr_compile(text, scope, planner->arena, &expr, &err) != LEAT_OK) {
        complain(planner, node, &err);
        return NULL;
    }
    if (planner->removed.data != NULL)
        leat_findings_add(planner->findings, node, true,
                          "'%.*s' does not exist here: an earlier step has removed it",
                          LEAT_STR_ARG(planner->removed));
    if (planner->unknown.data != NULL) {
        ptrdiff_t at = leat_str_find(node->text, planner->unknown);
        leat_finding *finding =
            at >= 0 && !node->secret
                ? leat_findings_add_inside(planner->findings, node, (uint32_t)at, true,
                                           "the source has no field '%.*s'",
                                           LEAT_STR_ARG(planner->unknown_path))
                : leat_findings_add(planner->findings, node, true, "the source has no field '%.*s'",
                                    LEAT_STR_ARG(planner->unknown_path));
        finding->suggestion = planner->unknown_nearest;
    }
    return expr;
}

leat_expr *leat_planner_expr(leat_planner *planner, leat_step *step, const leat_node *node,
                             leat_scope *scope)
{
    plan_site site = {step->shape_in, step->layout_out, &step->views, &step->views_count};
    LEAT_ASSERT(scope != NULL || step->shape_in == step->shape_out);
    return plan_expr(planner, node, site, scope);
}

static const char *article(const char *type)
{
    return strchr("aeio", type[0]) != NULL ? "an" : "a"; /* a uint */
}

bool leat_planner_expect(leat_planner *planner, const leat_node *node, const leat_expr *expr,
                         const char *type)
{
    const char *is = leat_expr_type_name(expr);
    if (strcmp(is, "dyn") == 0 || strcmp(is, type) == 0) return true;
    leat_findings_add(planner->findings, node, false, "must give %s %s, but gives %s %s",
                      article(type), type, article(is), is);
    return false;
}

static bool parse_path(leat_planner *planner, const leat_node *node, leat_str text, bool key,
                       leat_path *path)
{
    leat_err err = {0};
    if (leat_path_parse(text, planner->arena, path, &err) == LEAT_OK) return true;
    if (key)
        leat_findings_add_key(planner->findings, node, false, "%s", err.text);
    else if (node->secret)
        leat_findings_add(planner->findings, node, false, "is no field path");
    else
        leat_findings_add_inside(planner->findings, node, err.offset, false, "%s", err.text);
    return false;
}

bool leat_planner_path(leat_planner *planner, const leat_node *node, leat_path *path)
{
    if (node->kind != LEAT_NODE_STRING) {
        leat_findings_add(planner->findings, node, false,
                          "must be a string with a field path, not %s",
                          leat_node_kind_name(node->kind));
        return false;
    }
    if (plan_unresolved(planner, node)) {
        *path = (leat_path){leat_planner_alloc(planner, sizeof(leat_str)), 1};
        return true;
    }
    return parse_path(planner, node, node->text, false, path);
}

bool leat_planner_path_key(leat_planner *planner, const leat_node *node, leat_path *path)
{
    LEAT_ASSERT(node->key.data != NULL);
    return parse_path(planner, node, node->key, true, path);
}
