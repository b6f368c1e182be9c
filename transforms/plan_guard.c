/* SPDX-License-Identifier: Apache-2.0 */
/* Which fields of a source must not leave in clear, gathered from the `mask` steps behind it.
 *
 *   streams.a: {"rename": {"pan": "card"}}, {"mask": {"card": "hmac-sha256"}}
 *   a record that fails anywhere: pan is masked in its dead letter
 *
 * plan_trace.c goes from the slot that a mask step reads back to fields of the incoming record.
 * What cannot be traced (behind a script; what reads `event`) is warned of, and the dead letter
 * takes rules of its own for it (`mask`); without them such letters are held back. The first rule
 * for a field wins, the dead letter's own before those of streams; a rule for an object covers what
 * is in it. Where a masked value is only inside a field, `partial` would show the last characters
 * of something else: there it redacts.
 *
 * A record's key is told beside its value: a key that is a masked field, and that a topic gets as
 * it is, is warned of. */
#include "transforms/plan_inside.h"

/* What is done where a field of the incoming record cannot be told at all is the sink's to say
 * (`payload`): by default such a record is held back. */
void plan_masked_add(leat_planner *planner, plan_masked one)
{
    planner->masked = plan_room(planner, planner->masked, planner->masked_count,
                                &planner->masked_size, sizeof *planner->masked);
    planner->masked[planner->masked_count++] = one;
}

/* --- guards --- */

/* Adds those of `source`, so that none is inside another. */
static size_t rules_add(const leat_planner *planner, uint32_t source, plan_masked *list,
                        size_t count)
{
    for (size_t i = 0; i < planner->masked_count; i++) {
        const plan_masked *one = &planner->masked[i];
        if (one->path.count == 0 || one->source != source) continue;
        bool covered = false;
        for (size_t k = 0; k < count; k++)
            if (one->inside && leat_path_equal(list[k].path, one->path)) list[k].inside = true;
        for (size_t k = 0; k < count && !covered; k++)
            covered = leat_path_covers(list[k].path, one->path);
        if (covered) continue;
        size_t kept = 0; /* those inside the new one go */
        for (size_t k = 0; k < count; k++)
            if (!leat_path_covers(one->path, list[k].path)) list[kept++] = list[k];
        list[kept++] = *one;
        count = kept;
    }
    return count;
}

/* What of the source's masks is not in rules. */
static void guard_flags(const leat_planner *planner, const leat_source *source, bool is_table,
                        leat_guard *guard)
{
    for (size_t i = 0; i < planner->masked_count; i++) {
        const plan_masked *one = &planner->masked[i];
        if (is_table) {
            guard->lost |= one->table == source;
        } else if (one->source == source->index && one->step != NULL) {
            guard->lost |= one->lost;
            guard->made |= one->step->shape_in != source->shape;
        }
    }
    if (planner->dead_letter_mask != NULL) guard->lost = false; /* that says all */
}

static void guard_rules(leat_planner *planner, leat_guard *guard, const plan_masked *list,
                        size_t count, leat_str place)
{
    leat_mask_rule *rules = leat_planner_alloc(planner, (count + 1) * sizeof *rules);
    leat_str *names = leat_planner_alloc(planner, (count + 1) * sizeof *names);
    uint32_t *from = leat_planner_alloc(planner, (count + 1) * sizeof *from);
    uint32_t *to = leat_planner_alloc(planner, (count + 1) * sizeof *to);
    bool *inside = leat_planner_alloc(planner, (count + 1) * sizeof *inside);
    leat_step step = {.place = place};
    step.shape_in = step.shape_out = plan_shape_new(planner);
    step.layout_in = step.layout_out = plan_layout_open(planner);
    planner->edit++;
    for (size_t i = 0; i < count; i++) {
        rules[i] = list[i].rule;
        inside[i] = list[i].inside;
        if (inside[i] && rules[i].method == LEAT_MASK_PARTIAL) rules[i].method = LEAT_MASK_REDACT;
        /* The rule keeps the name that a stream has given it: what was encrypted opens alike. */
        names[i] = leat_path_text(list[i].path, planner->arena);
        from[i] = leat_planner_read(planner, &step, list[i].path);
    }
    for (size_t i = 0; i < count; i++)
        to[i] = leat_planner_assign(planner, &step, list[i].path);
    LEAT_ASSERT(step.fills_count == 0);
    guard->shape = step.shape_in;
    guard->layout = step.layout_out;
    guard->rules = rules;
    guard->names = names;
    guard->from = from;
    guard->to = to;
    guard->inside = inside;
    guard->count = count;
}

/* False: nothing to guard. */
static bool guard_new(leat_planner *planner, leat_source *source, bool is_table, plan_masked *list)
{
    LEAT_ASSERT(source->guard == NULL);
    leat_guard flags = {0};
    size_t count = rules_add(planner, UINT32_MAX, list, 0); /* the dead letter's own first */
    if (!is_table) count = rules_add(planner, source->index, list, count);
    for (size_t i = 0; is_table && i < planner->plan->sources_count; i++)
        count = rules_add(planner, (uint32_t)i, list, count); /* what is called alike is alike */
    guard_flags(planner, source, is_table, &flags);
    if (count == 0 && !flags.lost && !flags.made) return false;
    leat_guard *guard = leat_planner_alloc(planner, sizeof *guard);
    *guard = flags;
    guard_rules(planner, guard, list, count, source->name);
    source->guard = guard;
    return true;
}

/* --- what leaves in clear --- */

static void warn_lost(leat_planner *planner)
{
    const leat_sink *sink = planner->plan->dead_letter;
    if (sink == NULL || sink->kind == LEAT_SINK_DROP || sink->payload == LEAT_PAYLOAD_ORIGINAL ||
        planner->dead_letter_mask != NULL)
        return;
    for (size_t i = 0; i < planner->masked_count; i++) {
        const plan_masked *one = &planner->masked[i];
        if (one->step == NULL || !one->lost) continue;
        leat_findings_add_key(
            planner->findings, one->node, true, "%s; name it in dead_letter.mask",
            sink->payload == LEAT_PAYLOAD_STRICT
                ? "which field of the incoming record this is cannot be told, so that dead letters "
                  "are written without their payload"
                : "which field of the incoming record this is cannot be told, so that dead letters "
                  "show it in clear");
    }
}

/* Is the step in front of the sink? */
static bool leads_to(const leat_plan *plan, const leat_step *step, const leat_sink *sink)
{
    for (uint32_t at = sink->from_node; at < plan->nodes_count;) {
        const leat_plan_node *node = &plan->nodes[at];
        if (node->at == LEAT_AT_STEP && node->step == step) return true;
        if (node->input == at) return false; /* a source */
        at = node->input;
    }
    return false;
}

/* A copy of a masked field that no mask has changed: once for each mask. */
static void warn_copies(leat_planner *planner)
{
    const leat_plan *plan = planner->plan;
    for (size_t i = 0; i < planner->masked_count && !plan_failed(planner); i++) {
        const plan_masked one = planner->masked[i];
        if (one.step == NULL || one.path.count > 0 || one.table != NULL) continue;
        for (size_t k = 0; k < plan->sinks_count; k++) {
            const leat_sink *sink = plan->sinks[k];
            if (sink->layout == NULL || sink->shape == NULL || sink->kind == LEAT_SINK_DROP ||
                sink->kind == LEAT_SINK_REDIS || !leads_to(plan, one.step, sink))
                continue;
            leat_path path = plan_copy_in_clear(planner, &one, sink->shape, sink->layout);
            if (path.count == 0) continue;
            leat_str text = leat_path_text(path, planner->arena);
            leat_findings_add_key(planner->findings, one.node, true,
                                  "what this hides goes to %.*s in clear in '%.*s', too: mask or "
                                  "drop that as well",
                                  LEAT_STR_ARG(sink->place), LEAT_STR_ARG(text));
            break;
        }
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
        if (!guard_new(planner, source, false, list)) continue;
        warn_late(planner, source);
        warn_key(planner, source);
    }
    for (size_t i = 0; i < plan->tables_count; i++)
        (void)guard_new(planner, &plan->tables[i], true, list);
    warn_lost(planner);
    warn_copies(planner);
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
