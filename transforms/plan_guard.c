/* SPDX-License-Identifier: Apache-2.0 */
/* Which fields of a source must not leave in clear, gathered from the `mask` steps behind it.
 *
 *   streams.a: {"rename": {"pan": "card"}}, {"mask": {"card": "hmac-sha256"}}
 *   a record that fails anywhere: pan is masked in its dead letter
 *
 * A mask step reads a slot; if the decoder fills that slot, its request says which field of the
 * incoming record it is. A slot that a step has filled is traced back to what it was made of: what
 * was renamed or cast, and all that an expression reads, as what is computed from a secret may tell
 * it. Fields of a record that a step has made anew (flatten) cannot be traced, nor what reads
 * `event`; that is warned of, and the dead letter takes rules of its own for it (`mask`). The first
 * rule for a field wins, the dead letter's own before those of streams; a rule for an object covers
 * what is in it.
 *
 * A record's key is told beside its value: a key that is a masked field, and that a topic gets as
 * it is, is warned of. */
#include "transforms/plan_inside.h"

/* --- where a slot's value comes from --- */

static void origin_add(leat_planner *planner, plan_origin origin)
{
    planner->origins = plan_room(planner, planner->origins, planner->origins_count,
                                 &planner->origins_size, sizeof *planner->origins);
    planner->origins[planner->origins_count++] = origin;
}

void leat_planner_copies(leat_planner *planner, const leat_step *step, uint32_t to, uint32_t from)
{
    if (from == LEAT_SLOT_NONE || from >= to) return; /* what it comes from was there before */
    origin_add(planner, (plan_origin){.shape = step->shape_in, .to = to, .from = from});
}

void leat_planner_computes(leat_planner *planner, const leat_step *step, uint32_t to)
{
    for (size_t i = 0; i < planner->reads_count; i++)
        leat_planner_copies(planner, step, to, planner->reads[i]);
}

void plan_read_note(leat_planner *planner, uint32_t slot)
{
    planner->reads = plan_room(planner, planner->reads, planner->reads_count, &planner->reads_size,
                               sizeof *planner->reads);
    planner->reads[planner->reads_count++] = slot;
}

static void masked_add(leat_planner *planner, plan_masked one, leat_path path)
{
    one.path = path;
    planner->masked = plan_room(planner, planner->masked, planner->masked_count,
                                &planner->masked_size, sizeof *planner->masked);
    planner->masked[planner->masked_count++] = one;
}

/* All fields of the incoming record that slot may have its value from; each slot is looked at once.
 * seen: one per slot of the shape. */
static void trace(leat_planner *planner, const leat_shape *shape, uint32_t slot, plan_masked one,
                  bool *seen, size_t *found)
{
    LEAT_ASSERT(slot < shape->slots);
    if (seen[slot]) return;
    seen[slot] = true;
    const leat_slot_request *request = plan_request_of(shape, slot);
    if (request != NULL) {
        masked_add(planner, one, request->path);
        (*found)++;
        return;
    }
    for (size_t i = 0; i < planner->origins_count; i++) {
        const plan_origin origin = planner->origins[i];
        if (origin.shape == shape && origin.to == slot)
            trace(planner, shape, origin.from, one, seen, found);
    }
}

void leat_planner_masked(leat_planner *planner, const leat_step *step, const leat_node *node,
                         uint32_t slot, const leat_mask_rule *rule)
{
    LEAT_ASSERT(planner->step_source < planner->plan->sources_count);
    const leat_source *source = &planner->plan->sources[planner->step_source];
    plan_masked one = {.source = source->index, .node = node, .rule = *rule};
    size_t found = 0;
    if (step->shape_in == source->shape)
        trace(planner, source->shape, slot, one,
              leat_planner_alloc(planner, source->shape->slots * sizeof(bool)), &found);
    if (found == 0) masked_add(planner, one, (leat_path){NULL, 0});
}

/* --- guards --- */

static bool covers(leat_path outer, leat_path inner)
{
    if (outer.count > inner.count) return false;
    for (size_t i = 0; i < outer.count; i++)
        if (!leat_str_equal(outer.names[i], inner.names[i])) return false;
    return true;
}

/* Adds those of `source`, so that none is inside another. */
static size_t rules_add(const leat_planner *planner, uint32_t source, plan_masked *list,
                        size_t count)
{
    for (size_t i = 0; i < planner->masked_count; i++) {
        const plan_masked *one = &planner->masked[i];
        if (one->path.count == 0 || one->source != source) continue;
        bool covered = false;
        for (size_t k = 0; k < count && !covered; k++)
            covered = covers(list[k].path, one->path);
        if (covered) continue;
        size_t kept = 0; /* those inside the new one go */
        for (size_t k = 0; k < count; k++)
            if (!covers(one->path, list[k].path)) list[kept++] = list[k];
        list[kept++] = *one;
        count = kept;
    }
    return count;
}

static void guard_new(leat_planner *planner, leat_source *source, const plan_masked *list,
                      size_t count)
{
    LEAT_ASSERT(count > 0 && source->guard == NULL);
    leat_guard *guard = leat_planner_alloc(planner, sizeof *guard);
    leat_mask_rule *rules = leat_planner_alloc(planner, count * sizeof *rules);
    leat_str *names = leat_planner_alloc(planner, count * sizeof *names);
    uint32_t *from = leat_planner_alloc(planner, count * sizeof *from);
    uint32_t *to = leat_planner_alloc(planner, count * sizeof *to);
    leat_step step = {.place = source->name};
    step.shape_in = step.shape_out = plan_shape_new(planner);
    step.layout_in = step.layout_out = plan_layout_open(planner);
    planner->edit++;
    for (size_t i = 0; i < count; i++) {
        rules[i] = list[i].rule;
        /* The rule keeps the name that a stream has given it: what was encrypted opens alike. */
        names[i] = leat_path_text(list[i].path, planner->arena);
        from[i] = leat_planner_read(planner, &step, list[i].path);
    }
    for (size_t i = 0; i < count; i++)
        to[i] = leat_planner_assign(planner, &step, list[i].path);
    LEAT_ASSERT(step.fills_count == 0);
    *guard = (leat_guard){step.shape_in, step.layout_out, rules, names, from, to, count};
    source->guard = guard;
}

static void warn_untraced(leat_planner *planner)
{
    const leat_sink *sink = planner->plan->dead_letter;
    if (sink == NULL || sink->kind == LEAT_SINK_DROP || sink->payload == LEAT_PAYLOAD_ORIGINAL ||
        planner->dead_letter_mask != NULL)
        return;
    for (size_t i = 0; i < planner->masked_count; i++) {
        const plan_masked *one = &planner->masked[i];
        if (one->path.count > 0) continue;
        leat_findings_add_key(planner->findings, one->node, true,
                              "which field of the incoming record this is cannot be told, so that "
                              "dead letters show it in clear; name it in dead_letter.mask");
    }
}

static void warn_late(leat_planner *planner, const leat_source *source)
{
    const leat_sink *sink = source->late_sink;
    if (sink == NULL || sink->kind == LEAT_SINK_DROP || sink->payload_given) return;
    leat_findings_add(planner->findings, source->late_node, true,
                      "late records go out as they came, with fields that streams mask; set "
                      "\"payload\": \"masked\" (or \"original\") on this sink");
}

static void warn_key(leat_planner *planner, const leat_source *source)
{
    uint32_t slot;
    if (source->key == NULL || !leat_expr_is_slot(source->key, &slot)) return;
    const leat_slot_request *request = plan_request_of(source->shape, slot);
    if (request == NULL) return;
    bool masked = false;
    for (size_t i = 0; i < planner->masked_count && !masked; i++)
        masked = planner->masked[i].source == source->index && planner->masked[i].path.count > 0 &&
                 leat_path_equal(planner->masked[i].path, request->path);
    for (size_t i = 0; masked && i < planner->plan->sinks_count; i++) {
        const leat_sink *sink = planner->plan->sinks[i];
        if (sink->kind != LEAT_SINK_TOPIC || sink->key_expr != NULL || sink->shape != source->shape)
            continue;
        leat_findings_add(planner->findings, source->key_node, true,
                          "the record's key is a field that a stream masks, and '%.*s' writes it "
                          "in clear as the key: set 'key' there",
                          LEAT_STR_ARG(sink->place));
    }
}

/* {"cvv": "redact"} of the dead letter: for all sources. */
static void own_rules(leat_planner *planner, const leat_node *object)
{
    if (object == NULL) return;
    if (object->kind != LEAT_NODE_OBJECT) {
        leat_findings_add(planner->findings, object, false,
                          "must be an object of fields and methods");
        return;
    }
    for (const leat_node *member = object->child; member != NULL; member = member->next) {
        plan_masked one = {.source = UINT32_MAX, .node = member};
        if (!leat_planner_path_key(planner, member, &one.path) ||
            !leat_mask_rule_plan(planner, member, &one.rule))
            continue;
        planner->masked = plan_room(planner, planner->masked, planner->masked_count,
                                    &planner->masked_size, sizeof *planner->masked);
        planner->masked[planner->masked_count++] = one;
    }
}

void plan_guards(leat_planner *planner)
{
    leat_plan *plan = planner->plan;
    own_rules(planner, planner->dead_letter_mask);
    if (planner->masked_count == 0 || plan_failed(planner)) return;
    plan_masked *list = leat_planner_alloc(planner, planner->masked_count * sizeof *list);
    for (size_t i = 0; i < plan->sources_count; i++) {
        leat_source *source = &plan->sources[i];
        size_t count = rules_add(planner, UINT32_MAX, list, 0); /* the dead letter's own first */
        count = rules_add(planner, (uint32_t)i, list, count);
        if (count == 0) continue;
        guard_new(planner, source, list, count);
        warn_late(planner, source);
        warn_key(planner, source);
    }
    warn_untraced(planner);
}

/* --- keys --- */

void plan_mask_keys(leat_planner *planner, const plan_top *top)
{
    LEAT_ASSERT(planner->mask_keys == NULL);
    planner->mask_key = top->mask_key;
    planner->mask_key_id = top->mask_key_id;
    size_t count = 1;
    const leat_node *keys = top->mask_keys;
    if (keys != NULL && keys->kind != LEAT_NODE_OBJECT) {
        leat_findings_add(planner->findings, keys, false, "must be an object of key ids and keys");
        keys = NULL;
    }
    for (const leat_node *key = keys != NULL ? keys->child : NULL; key != NULL; key = key->next)
        count++;
    planner->mask_keys = leat_planner_alloc(planner, count * sizeof *planner->mask_keys);
    for (const leat_node *key = keys != NULL ? keys->child : NULL; key != NULL; key = key->next) {
        if (key->kind != LEAT_NODE_STRING || key->text.len == 0)
            leat_findings_add(planner->findings, key, false, "must be a key's text");
        else if (!leat_mask_key_id_good(key->key))
            leat_findings_add_key(planner->findings, key, false,
                                  "a key_id has letters, digits, '.', '_' and '-', at most 64");
        else if (top->mask_key.len > 0 && leat_str_equal(key->key, top->mask_key_id))
            leat_findings_add_key(planner->findings, key, false,
                                  "is the name of mask.key: give that key here, and no mask.key");
        else
            planner->mask_keys[planner->mask_keys_count++] = (leat_mask_key){key->key, key->text};
    }
    if (top->mask_key.len > 0 && top->mask_key_id.len > 0)
        planner->mask_keys[planner->mask_keys_count++] =
            (leat_mask_key){top->mask_key_id, top->mask_key};
}

leat_str leat_planner_mask_key_id(leat_planner *planner)
{
    return planner->mask_key_id;
}

leat_str leat_planner_mask_key_of(leat_planner *planner, leat_str id)
{
    for (size_t i = 0; id.len > 0 && i < planner->mask_keys_count; i++)
        if (leat_str_equal(planner->mask_keys[i].id, id)) return planner->mask_keys[i].key;
    return leat_str_equal(id, planner->mask_key_id) ? planner->mask_key : LEAT_STR_NONE;
}

const leat_mask_key *leat_planner_mask_keys(leat_planner *planner, size_t *count)
{
    *count = planner->mask_keys_count;
    return planner->mask_keys;
}

bool leat_planner_unresolved(const leat_planner *planner)
{
    return planner->unresolved_count > 0;
}
