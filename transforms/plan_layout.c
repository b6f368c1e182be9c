/* SPDX-License-Identifier: Apache-2.0 */
/* Layout edits. A layout is a tree that is never changed once a step or a view has seen it: an edit
 * copies the objects on the way to the change (with their list of members, as siblings are linked)
 * and shares the rest. What nobody has seen yet (`edit`) is changed in place, or a step that sets a
 * thousand fields would copy half a million.
 *
 *   root (raw)                          root (raw)
 *     a: OBJECT base 1      set a.d       a: OBJECT base 1
 *        b: SLOT 2         -------->         b: SLOT 2
 *        c: REMOVED                          c: REMOVED
 *     e: SLOT 3                              d: SLOT 4
 *                                         e: SLOT 3
 *
 * A slot that the decoder fills knows the path it came from, so that a field below it is simply
 * another request. What lies inside a value that a step has made is found at run time only: by the
 * evaluator, or by a fill in front of the step. Refused: bases found by the encoder through the
 * parent's text, which would need no fills but costs every record a look-up. */
#include <string.h>

#include "transforms/plan_inside.h"

/* --- paths and requests --- */

leat_path plan_path_copy(leat_planner *planner, leat_path head, leat_path tail)
{
    size_t count = head.count + tail.count;
    leat_str *names = leat_planner_alloc(planner, (count == 0 ? 1 : count) * sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = plan_copy(planner, i < head.count ? head.names[i] : tail.names[i - head.count]);
    return (leat_path){names, count};
}

static leat_path path_from(leat_path path, size_t from)
{
    LEAT_ASSERT(from <= path.count);
    return (leat_path){path.names + from, path.count - from};
}

static leat_path path_head(leat_path path, size_t count)
{
    LEAT_ASSERT(count <= path.count);
    return (leat_path){path.names, count};
}

const leat_slot_request *plan_request_of(const leat_shape *shape, uint32_t slot)
{
    for (size_t i = 0; i < shape->requests_count; i++)
        if (shape->requests[i].slot == slot) return &shape->requests[i];
    return NULL;
}

uint32_t plan_request(leat_planner *planner, leat_shape *shape, leat_path path, bool exact)
{
    LEAT_ASSERT(path.count > 0);
    for (size_t i = 0; i < shape->requests_count; i++) {
        const leat_slot_request *request = &shape->requests[i];
        if (request->exact == exact && leat_path_equal(request->path, path)) return request->slot;
    }
    shape->requests = plan_room(planner, shape->requests, shape->requests_count,
                                &shape->requests_size, sizeof *shape->requests);
    leat_slot_request *request = &shape->requests[shape->requests_count++];
    *request = (leat_slot_request){.path = plan_path_copy(planner, path, (leat_path){NULL, 0}),
                                   .slot = shape->slots++,
                                   .exact = exact};
    return request->slot;
}

uint32_t leat_planner_slot(leat_planner *planner, leat_shape *shape)
{
    LEAT_ASSERT(planner != NULL && shape->slots < LEAT_SLOT_NONE);
    return shape->slots++;
}

const leat_field *plan_slot_field(leat_planner *planner, uint32_t slot)
{
    leat_field *field = leat_planner_alloc(planner, sizeof *field);
    *field = (leat_field){.kind = LEAT_FIELD_SLOT, .slot = slot};
    return field;
}

const leat_field *plan_layout_open(leat_planner *planner)
{
    leat_field *root = leat_planner_alloc(planner, sizeof *root);
    *root = (leat_field){.kind = LEAT_FIELD_OBJECT, .slot = LEAT_SLOT_NONE, .open = true};
    return root;
}

/* --- finding --- */

/* In the value of slot, at path[used..]: of an untouched field, that is a place of the record. */
static plan_found found_below(leat_planner *planner, const leat_shape *shape, uint32_t slot,
                              leat_path path, size_t used, bool overlaid)
{
    const leat_slot_request *request = plan_request_of(shape, slot);
    leat_path rest = path_from(path, used);
    if (request != NULL)
        return (plan_found){.kind = PLAN_FOUND_REQUEST,
                            .path = plan_path_copy(planner, request->path, rest)};
    return (plan_found){
        .kind = PLAN_FOUND_INSIDE, .slot = slot, .path = rest, .used = used, .overlaid = overlaid};
}

/* path must not be empty. */
plan_found plan_layout_find(leat_planner *planner, const leat_shape *shape,
                            const leat_field *layout, leat_path path)
{
    LEAT_ASSERT(path.count > 0 && layout->kind == LEAT_FIELD_OBJECT);
    const leat_field *object = layout;
    for (size_t i = 0; i < path.count; i++) {
        const leat_field *field = leat_field_find(object, path.names[i]);
        if (field == NULL && !object->open) break;
        if (field == NULL && object == layout)
            return (plan_found){.kind = PLAN_FOUND_REQUEST, .path = path};
        if (field == NULL && object->slot == LEAT_SLOT_NONE) break;
        if (field == NULL) return found_below(planner, shape, object->slot, path, i, true);
        if (field->kind == LEAT_FIELD_REMOVED) break;
        if (field->kind == LEAT_FIELD_SLOT && i + 1 < path.count)
            return found_below(planner, shape, field->slot, path, i + 1, false);
        if (field->kind == LEAT_FIELD_SLOT)
            return (plan_found){
                .kind = PLAN_FOUND_SLOT, .slot = field->slot, .field = field, .used = path.count};
        object = field;
        if (i + 1 == path.count)
            return (plan_found){.kind = PLAN_FOUND_OBJECT, .field = field, .used = path.count};
    }
    return (plan_found){.kind = PLAN_FOUND_NOTHING, .used = path.count};
}

bool leat_planner_known(leat_planner *planner, const leat_step *step, leat_path path,
                        leat_str *nearest)
{
    const leat_shape *shape = step->shape_in;
    *nearest = LEAT_STR_NONE;
    if (shape->known_count == 0) return true;
    plan_found found = plan_layout_find(planner, shape, step->layout_out, path);
    size_t at = 0;
    return found.kind != PLAN_FOUND_REQUEST ||
           plan_known_path(planner, shape, found.path, &at, nearest);
}

/* --- reading --- */

static bool slot_of_fill(const leat_step *step, uint32_t slot)
{
    for (size_t i = 0; i < step->fills_count; i++)
        if (step->fills[i].slot == slot) return true;
    return false;
}

/* Would a fill, which runs before the step, come too early to see it? */
static bool made_by_step(const leat_planner *planner, const leat_step *step, uint32_t slot)
{
    return slot != LEAT_SLOT_NONE && slot >= planner->step_slots &&
           plan_request_of(step->shape_in, slot) == NULL && !slot_of_fill(step, slot);
}

static bool field_made_by_step(const leat_planner *planner, const leat_step *step,
                               const leat_field *field)
{
    if (field->kind == LEAT_FIELD_REMOVED) return false;
    if (made_by_step(planner, step, field->slot)) return true;
    for (const leat_field *child = field->fields; child != NULL; child = child->next)
        if (field_made_by_step(planner, step, child)) return true;
    return false;
}

static uint32_t fill_add(leat_planner *planner, leat_step *step, leat_view view, leat_path path)
{
    if (field_made_by_step(planner, step, view.field)) {
        leat_str text = leat_path_text(path, planner->arena);
        leat_findings_add(planner->findings, planner->step_node, false,
                          "'%.*s' needs something that this same step assigns; do it in a step of "
                          "its own, behind this one",
                          LEAT_STR_ARG(text));
    }
    for (size_t i = 0; i < step->fills_count; i++) {
        const leat_view *other = &step->fills[i].view;
        if (other->field == view.field && view.path.count == 0 && other->path.count == 0)
            return step->fills[i].slot;
    }
    leat_fill *fills = plan_grow(planner, step->fills, step->fills_count, sizeof *fills);
    if (view.field->kind == LEAT_FIELD_OBJECT) planner->edit++; /* it shows what is there now */
    fills[step->fills_count] =
        (leat_fill){.slot = leat_planner_slot(planner, step->shape_in), .view = view};
    step->fills = fills;
    return fills[step->fills_count++].slot;
}

/* What is looked up in a field comes from its slots. */
static void note_origins(leat_planner *planner, const leat_step *step, uint32_t to,
                         const leat_field *field)
{
    if (field->kind == LEAT_FIELD_REMOVED) return;
    leat_planner_reads_in(planner, step, to, field->slot);
    for (const leat_field *child = field->fields; child != NULL; child = child->next)
        note_origins(planner, step, to, child);
}

/* exact false: only its existence and its being an object matter. */
static uint32_t slot_of(leat_planner *planner, leat_step *step, leat_path path, bool exact)
{
    plan_found found = plan_layout_find(planner, step->shape_in, step->layout_out, path);
    leat_view view = {.exact = true};
    switch (found.kind) {
    case PLAN_FOUND_SLOT: return found.slot;
    case PLAN_FOUND_REQUEST: return plan_request(planner, step->shape_in, found.path, exact);
    case PLAN_FOUND_NOTHING: return LEAT_SLOT_NONE;
    case PLAN_FOUND_INSIDE:
        view.field = plan_slot_field(planner, found.slot);
        view.path = plan_path_copy(planner, found.path, (leat_path){NULL, 0});
        break;
    case PLAN_FOUND_OBJECT: view.field = found.field; break;
    }
    uint32_t slot = fill_add(planner, step, view, path);
    note_origins(planner, step, slot, view.field);
    return slot;
}

uint32_t leat_planner_read(leat_planner *planner, leat_step *step, leat_path path)
{
    LEAT_ASSERT(step->shape_in == step->shape_out);
    uint32_t slot = slot_of(planner, step, path, true);
    if (slot != LEAT_SLOT_NONE) return slot;
    slot = leat_planner_slot(planner, step->shape_in);
    leat_planner_elsewhere(planner, step, slot, NULL); /* it is removed: never anything in it */
    return slot;
}

leat_parents leat_planner_parents(leat_planner *planner, leat_step *step, leat_path path)
{
    uint32_t *slots = leat_planner_alloc(planner, path.count * sizeof *slots);
    size_t count = 0;
    for (size_t i = 1; i < path.count && i < LEAT_PATH_DEPTH_MAX; i++) {
        leat_path parent = path_head(path, i);
        plan_found found = plan_layout_find(planner, step->shape_in, step->layout_out, parent);
        uint32_t slot = LEAT_SLOT_NONE;
        if (found.kind == PLAN_FOUND_SLOT) slot = found.slot;
        if (found.kind == PLAN_FOUND_OBJECT && found.field->open) slot = found.field->slot;
        if (found.kind == PLAN_FOUND_REQUEST)
            slot = plan_request(planner, step->shape_in, found.path, false);
        if (found.kind == PLAN_FOUND_INSIDE) slot = slot_of(planner, step, parent, false);
        if (slot != LEAT_SLOT_NONE) slots[count++] = slot;
    }
    return (leat_parents){slots, count};
}

/* --- editing --- */

static leat_field *field_copy(leat_planner *planner, const leat_field *field)
{
    leat_field *copy = leat_planner_alloc(planner, sizeof *copy);
    *copy = *field;
    copy->next = NULL;
    return copy;
}

/* The object, which may be changed and whose members may: itself if this edit has made it, else a
 * copy with a list of its own; the members' own members are shared. */
static leat_field *object_own(leat_planner *planner, const leat_field *object)
{
    if (object->edit == planner->edit) {
        leat_field *same;
        memcpy(&same, &object, sizeof same);
        return same;
    }
    leat_field *copy = field_copy(planner, object);
    copy->edit = planner->edit;
    leat_field **link = &copy->fields;
    for (const leat_field *field = object->fields; field != NULL; field = field->next) {
        *link = field_copy(planner, field);
        link = &(*link)->next;
    }
    return copy;
}

static leat_field *member_of(leat_planner *planner, leat_field *object, leat_str name)
{
    leat_field **link = &object->fields;
    for (; *link != NULL; link = &(*link)->next)
        if (leat_str_equal((*link)->name, name)) return *link;
    leat_field *field = leat_planner_alloc(planner, sizeof *field);
    *field = (leat_field){.kind = LEAT_FIELD_REMOVED, .slot = LEAT_SLOT_NONE};
    leat_field_name(field, name, leat_planner_alloc(planner, name.len + LEAT_FIELD_NAME_ROOM));
    *link = field;
    return field;
}

/* field: a member that is to have members of its own. base: of one that is new. */
static void become_object(leat_planner *planner, leat_field *field, bool existed, uint32_t base)
{
    if (field->kind == LEAT_FIELD_OBJECT) {
        const leat_field *own = object_own(planner, field);
        field->fields = own->fields;
        field->edit = planner->edit;
        return;
    }
    if (field->kind == LEAT_FIELD_SLOT)
        base = field->slot;
    else if (existed)
        base = LEAT_SLOT_NONE; /* it was removed */
    field->kind = LEAT_FIELD_OBJECT;
    field->slot = base;
    field->open = base != LEAT_SLOT_NONE;
    field->edit = planner->edit;
    field->fields = NULL;
}

/* The copy of step's layout whose field at path, an own copy too, may be changed; its parents have
 * become objects. */
static leat_field *edit(leat_planner *planner, leat_step *step, leat_path path)
{
    LEAT_ASSERT(path.count > 0 && step->shape_in == step->shape_out);
    leat_field *root = object_own(planner, step->layout_out), *object = root;
    for (size_t i = 0;; i++) {
        leat_path here = path_head(path, i + 1);
        bool last = here.count == path.count, existed = leat_field_find(object, path.names[i]);
        /* Before the layout, which may be this very tree, has a field there. */
        uint32_t base = last || existed ? LEAT_SLOT_NONE : slot_of(planner, step, here, false);
        leat_field *field = member_of(planner, object, path.names[i]);
        if (last) {
            step->layout_out = root;
            return field;
        }
        become_object(planner, field, existed, base);
        object = field;
    }
}

void leat_planner_alias(leat_planner *planner, leat_step *step, leat_path path, uint32_t slot)
{
    leat_field *field = edit(planner, step, path);
    field->kind = LEAT_FIELD_SLOT;
    field->slot = slot;
    field->fields = NULL;
}

uint32_t leat_planner_assign(leat_planner *planner, leat_step *step, leat_path path)
{
    uint32_t slot = leat_planner_slot(planner, step->shape_in);
    leat_planner_alias(planner, step, path, slot);
    return slot;
}

/* Can there be anything at path's parent for a drop to act on? */
static bool worth_dropping(const leat_field *layout, leat_path path)
{
    const leat_field *object = layout;
    for (size_t i = 0; i < path.count; i++) {
        const leat_field *field = leat_field_find(object, path.names[i]);
        if (field == NULL) return object->open;
        if (field->kind == LEAT_FIELD_REMOVED) return false;
        if (field->kind == LEAT_FIELD_SLOT) return true;
        object = field;
    }
    return true;
}

void leat_planner_drop(leat_planner *planner, leat_step *step, leat_path path)
{
    if (!worth_dropping(step->layout_out, path)) return;
    /* Its slot and fields stay: if they have values, the object around it is there, as {}. */
    edit(planner, step, path)->kind = LEAT_FIELD_REMOVED;
}

/* --- keeping --- */

static leat_field *tree_copy(leat_planner *planner, const leat_field *field)
{
    leat_field *copy = object_own(planner, field);
    for (leat_field **link = &copy->fields; *link != NULL; link = &(*link)->next) {
        leat_field *next = (*link)->next;
        *link = tree_copy(planner, *link);
        (*link)->next = next;
    }
    return copy;
}

/* The field as it is now, as a member of the new, closed tree. False: there is nothing. */
static bool keep_whole(leat_planner *planner, leat_step *step, leat_path path, leat_field *into)
{
    plan_found found = plan_layout_find(planner, step->shape_in, step->layout_out, path);
    leat_str name = into->name;
    bool quoted = into->quoted;
    leat_field *next = into->next;
    if (found.kind == PLAN_FOUND_NOTHING) return false;
    if (found.kind == PLAN_FOUND_SLOT || found.kind == PLAN_FOUND_OBJECT) {
        *into = *tree_copy(planner, found.field);
    } else {
        *into = (leat_field){.kind = LEAT_FIELD_SLOT, .slot = slot_of(planner, step, path, true)};
    }
    into->name = name;
    into->quoted = quoted;
    into->next = next;
    return true;
}

/* A parent of something kept: it stays an object, without its other members. */
static bool keep_parent(leat_planner *planner, leat_step *step, leat_path path, leat_field *into)
{
    plan_found found = plan_layout_find(planner, step->shape_in, step->layout_out, path);
    if (found.kind == PLAN_FOUND_NOTHING) return false;
    into->kind = LEAT_FIELD_OBJECT;
    into->open = false;
    into->fields = NULL;
    if (found.kind == PLAN_FOUND_OBJECT) {
        into->slot = found.field->slot;
        into->fields = tree_copy(planner, found.field)->fields;
        for (leat_field *field = into->fields; field != NULL; field = field->next)
            field->kind = LEAT_FIELD_REMOVED;
    } else {
        into->slot = slot_of(planner, step, path, false);
    }
    return true;
}

static bool is_whole(const leat_field *field)
{
    return field->kind == LEAT_FIELD_SLOT || (field->kind == LEAT_FIELD_OBJECT && field->open);
}

static void keep_path(leat_planner *planner, leat_step *step, leat_field *root, leat_path path)
{
    leat_field *object = root;
    for (size_t i = 0; i < path.count; i++) {
        leat_field *field = member_of(planner, object, path.names[i]);
        if (is_whole(field)) return; /* {"keep": ["a", "a.b"]}: the whole of a */
        leat_path here = path_head(path, i + 1);
        if (i + 1 == path.count) {
            (void)keep_whole(planner, step, here, field);
        } else if (field->kind == LEAT_FIELD_REMOVED && !keep_parent(planner, step, here, field)) {
            return;
        }
        object = field;
    }
}

void leat_planner_keep(leat_planner *planner, leat_step *step, const leat_path *paths, size_t count)
{
    LEAT_ASSERT(step->shape_in == step->shape_out);
    leat_field *root = leat_planner_alloc(planner, sizeof *root);
    *root = (leat_field){.kind = LEAT_FIELD_OBJECT, .slot = LEAT_SLOT_NONE};
    for (size_t i = 0; i < count; i++)
        keep_path(planner, step, root, paths[i]);
    step->layout_out = root;
}
