/* SPDX-License-Identifier: Apache-2.0 */
/* Requests over nodes: which parts of a record go to which slots.
 *
 *   requests  a.b -> 0, a.c -> 1, id -> 2        wants  (root) - a - b {0}
 *                                                            |   ` - c {1}
 *                                                            ` - id {2}
 *   fills follow records and unions as far as names are wanted inside; where the value itself is
 *   wanted, or what is inside is a map, the value is read whole and the names are picked from it.
 *
 * A want that meets no field stays MISSING: the slots are all set so before a record is read. */
#include "schemas/avro_plan.h"

typedef struct filling {
    leat_arena *arena;
    leat_err *err;
} filling;

static leat_code want_of(const filling *f, avro_want *parent, leat_str name, avro_want **want)
{
    avro_want **link = &parent->first;
    for (; *link != NULL; link = &(*link)->next) {
        *want = *link;
        if (leat_str_equal((*link)->name, name)) return LEAT_OK;
    }
    *want = leat_arena_zero(f->arena, sizeof **want);
    if (*want == NULL) return leat_arena_full(f->arena, f->err);
    (*want)->name = leat_arena_copy(f->arena, name);
    if ((*want)->name.data == NULL) return leat_arena_full(f->arena, f->err);
    *link = *want;
    return LEAT_OK;
}

static leat_code add_request(const filling *f, avro_want *root, const leat_slot_request *request)
{
    LEAT_ASSERT(request->path.count > 0 && request->slot != LEAT_SLOT_NONE);
    avro_want *want = root;
    for (size_t i = 0; i < request->path.count; i++)
        LEAT_TRY(want_of(f, want, request->path.names[i], &want));
    avro_target *target = leat_arena_zero(f->arena, sizeof *target);
    if (target == NULL) return leat_arena_full(f->arena, f->err);
    *target = (avro_target){want->targets, request->slot, request->exact};
    want->targets = target;
    return LEAT_OK;
}

static const avro_want *want_find(const avro_want *parent, leat_str name)
{
    for (const avro_want *it = parent->first; it != NULL; it = it->next)
        if (leat_str_equal(it->name, name)) return it;
    return NULL;
}

static leat_code fill_new(const filling *f, const avro_node *node, const avro_want *want,
                          const avro_fill **fill);

static leat_code fill_record(const filling *f, const avro_node *node, const avro_want *want,
                             avro_fill *fill)
{
    avro_given *given = leat_arena_array(f->arena, node->constants_count + 1, sizeof *given);
    if (given == NULL) return leat_arena_full(f->arena, f->err);
    for (size_t i = 0; i < node->members_count; i++) {
        const avro_member *member = &node->members[i];
        const avro_want *inner = want_find(want, member->name);
        if (inner == NULL || member->entry == AVRO_NO_ENTRY) continue;
        LEAT_TRY(fill_new(f, member->node, inner, &fill->inner[i]));
    }
    for (size_t i = 0; i < node->constants_count; i++) {
        const avro_want *inner = want_find(want, node->constants[i].name);
        if (inner == NULL) continue;
        given[fill->given_count++] = (avro_given){inner, &node->constants[i].value};
    }
    fill->given = given;
    return LEAT_OK;
}

/* Recursion: as deep as paths are long, and a union more at each name. */
static leat_code fill_new(const filling *f, const avro_node *node, const avro_want *want,
                          const avro_fill **fill)
{
    LEAT_ASSERT(node != NULL && want != NULL);
    avro_fill *made = leat_arena_zero(f->arena, sizeof *made);
    if (made == NULL) return leat_arena_full(f->arena, f->err);
    *fill = made;
    made->node = node;
    made->slot = LEAT_SLOT_NONE;
    bool inside = node->kind == LEAT_AVRO_RECORD || node->kind == LEAT_AVRO_UNION;
    if (want->targets != NULL || !inside || node->refused != NULL) {
        made->want = want;
        if (want->first == NULL && want->targets != NULL && want->targets->next == NULL) {
            made->slot = want->targets->slot;
            made->exact = want->targets->exact;
        }
        return LEAT_OK;
    }
    size_t count = node->members_count + node->branches_count;
    made->inner = leat_arena_zero(f->arena, (count + 1) * sizeof(avro_fill *));
    if (made->inner == NULL) return leat_arena_full(f->arena, f->err);
    if (node->kind == LEAT_AVRO_RECORD) return fill_record(f, node, want, made);
    for (size_t i = 0; i < node->branches_count; i++)
        LEAT_TRY(fill_new(f, node->branches[i], want, &made->inner[i]));
    return LEAT_OK;
}

leat_code leat_avro_plan_new(const leat_avro_schema *writer, const leat_avro_schema *reader,
                             const leat_slot_request *requests, size_t count, size_t bytes_max,
                             leat_arena *arena, leat_avro_plan **plan, leat_err *err)
{
    LEAT_ASSERT(writer != NULL && arena != NULL && (count == 0 || requests != NULL));
    const filling f = {arena, err};
    avro_want root = {0};
    *plan = NULL;
    if (reader == NULL) reader = writer;
    if (reader->root->kind != LEAT_AVRO_RECORD || writer->root->kind != LEAT_AVRO_RECORD)
        return leat_err_set(err, LEAT_ERR_CONFIG, "the Avro schema is no record, but of type %s",
                            leat_avro_kind_name(reader->root->kind != LEAT_AVRO_RECORD
                                                    ? reader->root->kind
                                                    : writer->root->kind));
    leat_avro_plan *made = leat_arena_zero(arena, sizeof *made);
    if (made == NULL) return leat_arena_full(arena, err);
    made->bytes_max = bytes_max;
    if (avro_resolve(writer, reader, arena, &made->root, err) != LEAT_OK)
        return leat_err_prefix(err, "Avro schemas");
    made->slots = leat_arena_array(arena, count + 1, sizeof *made->slots);
    if (made->slots == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < count; i++) {
        made->slots[made->slots_count++] = requests[i].slot;
        LEAT_TRY(add_request(&f, &root, &requests[i]));
    }
    if (count > 0) LEAT_TRY(fill_new(&f, made->root, &root, &made->fill));
    *plan = made;
    return LEAT_OK;
}
