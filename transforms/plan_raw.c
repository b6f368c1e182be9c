/* SPDX-License-Identifier: Apache-2.0 */
/* Does anybody read a record's JSON text?
 *
 * A codec with slots of its own (avro, csv) makes that text for nobody else; making it costs more
 * than decoding. Once the plan is complete it can be seen who would read it:
 *
 *   a sink that writes all there is (an open layout), unless its codec takes slots only
 *   an expression that reads the whole record: `event`
 *   a step that takes the record as text (flatten, detect), where it is not all in slots
 *
 * Of a table only its own expressions are readers: what is joined is kept as a value.
 *
 * Everything else lives on slots. To say yes where nobody does costs time; to say no where somebody
 * does would lose fields: so what is not known to do without counts as a reader. */
#include <string.h>

#include "transforms/plan_inside.h"

static bool is_root(const leat_field *field)
{
    return field->kind == LEAT_FIELD_OBJECT && field->name.data == NULL && field->open &&
           field->slot == LEAT_SLOT_NONE;
}

static bool views_read(const leat_view *views, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_root(views[i].field)) return true;
    return false;
}

static bool sink_reads(const leat_sink *sink)
{
    LEAT_ASSERT(sink->views_count == 0 || sink->views != NULL);
    if (views_read(sink->views, sink->views_count)) return true;
    if (sink->kind == LEAT_SINK_DROP) return false;
    if (sink->codec != NULL && sink->codec->type->encodes_slots) return false;
    return sink->layout == NULL || sink->layout->open;
}

/* These never take the record as text (leat_run_encode asserts it). */
static const char *const slots_only[] = {"filter", "set",     "keep",   "drop",     "rename",
                                         "mask",   "split",   "sample", "throttle", "dedupe",
                                         "cast",   "decrypt", "unwrap"};

static bool is_slots_only(const leat_operator_type *type)
{
    for (size_t i = 0; i < sizeof slots_only / sizeof slots_only[0]; i++)
        if (strcmp(type->name, slots_only[i]) == 0) return true;
    return false;
}

static bool step_reads(const leat_step *step)
{
    if (views_read(step->views, step->views_count)) return true;
    for (size_t i = 0; i < step->fills_count; i++)
        if (is_root(step->fills[i].view.field)) return true;
    return step->layout_in->open && !step->slots_only && !is_slots_only(step->type);
}

static bool shape_read(const leat_plan *plan, const leat_shape *shape)
{
    for (size_t i = 0; i < plan->sinks_count; i++)
        if (plan->sinks[i]->shape == shape && sink_reads(plan->sinks[i])) return true;
    for (size_t i = 0; i < plan->nodes_count; i++) {
        const leat_plan_node *node = &plan->nodes[i];
        if (node->at == LEAT_AT_STEP && node->step->shape_in == shape && step_reads(node->step))
            return true;
    }
    return false;
}

void plan_raw(leat_plan *plan)
{
    for (size_t i = 0; i < plan->tables_count; i++) {
        const leat_source *table = &plan->tables[i];
        table->shape->raw_unread = table->codec != NULL && table->codec->type->whole_values &&
                                   !views_read(table->views, table->views_count);
    }
    for (size_t i = 0; i < plan->sources_count; i++) {
        leat_source *source = &plan->sources[i];
        LEAT_ASSERT(source->shape != NULL);
        source->shape->raw_unread = source->codec != NULL && source->codec->type->own_slots &&
                                    !views_read(source->views, source->views_count) &&
                                    !shape_read(plan, source->shape);
    }
}
