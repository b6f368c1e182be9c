/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a pipeline file: a plan or findings, and the same both times.
 *
 * The first byte chooses: bit 0 checks only (references may be missing), bit 1 plans in an arena
 * that is too small, bit 2 takes the second line as a --set. What must hold for every text:
 *   - without errors there is a plan, with errors there is none (checking only may give neither)
 *   - every finding has words
 *   - a plan's edges lead to nodes that exist, inputs first; every slot is within its shape
 *   - planning twice gives the same version, findings and nodes */
#include <stdint.h>
#include <string.h>

#include "transforms/plan.h"
#include "worker/registry.h"

#define PLAN_BYTES  ((size_t)32 << 20)
#define SMALL_BYTES ((size_t)20 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static leat_code list_files(void *self, leat_str glob, bool want_text, leat_arena *arena,
                            leat_planned_file **files, size_t *count, leat_err *err)
{
    (void)self;
    *count = 0;
    if (glob.len == 0 || glob.data[0] == '?') return LEAT_OK;
    *files = leat_arena_zero(arena, sizeof **files);
    if (*files == NULL) return leat_arena_full(arena, err);
    (*files)->name = glob;
    if (want_text)
        (*files)->text =
            LEAT_STR("{\"name\":\"n\",\"steps\":[{\"name\":\"a\",\"where\":\"x > 1\"}]}");
    *count = 1;
    return LEAT_OK;
}

static leat_code resolve(void *self, leat_str kind, leat_str name, leat_arena *arena,
                         leat_str *text, leat_err *err)
{
    (void)self;
    (void)arena;
    if (name.len % 2 == 0)
        return leat_err_set(err, LEAT_ERR_NO_FIELD, "%.*s is missing", LEAT_STR_ARG(kind));
    *text = name;
    return LEAT_OK;
}

static void check_field(const leat_shape *shape, const leat_field *field)
{
    if (field->kind != LEAT_FIELD_REMOVED && field->slot != LEAT_SLOT_NONE)
        LEAT_ASSERT(field->slot < shape->slots);
    LEAT_ASSERT(field->kind != LEAT_FIELD_SLOT || field->slot != LEAT_SLOT_NONE);
    if (field->kind != LEAT_FIELD_OBJECT) return;
    for (const leat_field *child = field->fields; child != NULL; child = child->next) {
        LEAT_ASSERT(leat_field_find(field, child->name) == child); /* names are unique */
        check_field(shape, child);
    }
}

static void check_step(const leat_step *step)
{
    LEAT_ASSERT(step->ports > 0 && step->shape_out != NULL && step->layout_out != NULL);
    check_field(step->shape_in, step->layout_in);
    check_field(step->shape_out, step->layout_out);
    for (size_t i = 0; i < step->fills_count; i++) {
        LEAT_ASSERT(step->fills[i].slot < step->shape_in->slots);
        check_field(step->shape_in, step->fills[i].view.field);
    }
    for (size_t i = 0; i < step->views_count; i++)
        check_field(step->shape_in, step->views[i].field);
}

static void check_plan(const leat_plan *plan)
{
    for (uint32_t i = 0; i < plan->nodes_count; i++) {
        const leat_plan_node *node = &plan->nodes[i];
        LEAT_ASSERT(node->index == i && node->source < plan->sources_count);
        LEAT_ASSERT(node->input <= i && plan->nodes[node->input].source == node->source);
        for (size_t n = 0; n < node->next_count; n++)
            LEAT_ASSERT(plan->nodes[node->next[n]].input == i && node->next[n] > i);
        for (size_t s = 0; s < node->sinks_count; s++)
            LEAT_ASSERT(node->sinks[s]->from_node == i);
        if (node->at == LEAT_AT_STEP) check_step(node->step);
    }
    for (size_t i = 0; i < plan->shapes_count; i++)
        for (size_t r = 0; r < plan->shapes[i]->requests_count; r++)
            LEAT_ASSERT(plan->shapes[i]->requests[r].slot < plan->shapes[i]->slots);
}

typedef struct outcome {
    uint64_t version, findings;
    size_t nodes, errors;
    leat_code code;
} outcome;

static outcome plan_once(leat_str text, const leat_plan_env *env, size_t bytes)
{
    leat_arena *arena = NULL;
    leat_err err = {0};
    leat_findings findings;
    leat_plan *plan = NULL;
    outcome got = {0};
    leat_buf out;
    LEAT_ASSERT(leat_arena_new(&arena, bytes, &err) == LEAT_OK);
    leat_findings_init(&findings, arena);
    got.code = leat_plan_new(text, LEAT_STR("f"), env, arena, &findings, &plan, &err);
    LEAT_ASSERT(plan == NULL || (got.code == LEAT_OK && findings.errors == 0));
    LEAT_ASSERT(got.code != LEAT_OK || env->check_only || (plan == NULL) == (findings.errors > 0));
    for (size_t i = 0; i < findings.count; i++)
        LEAT_ASSERT(findings.items[i].message.len > 0);
    if (plan != NULL) {
        check_plan(plan);
        got.version = plan->version_hash;
        got.nodes = plan->nodes_count;
    }
    got.errors = findings.errors;
    leat_buf_init(&out, (size_t)64 << 20);
    leat_findings_print(&findings, false, &out);
    leat_findings_print(&findings, true, &out);
    got.findings = leat_str_hash_fixed(leat_buf_str(&out));
    leat_buf_release(&out);
    leat_arena_free(&arena);
    return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536) return 0;
    leat_str text = {(const char *)data + 1, size - 1}, set = LEAT_STR_NONE;
    const char *line = memchr(text.data, '\n', text.len);
    if ((data[0] & 4) != 0 && line != NULL) {
        set = (leat_str){text.data, (size_t)(line - text.data)};
        text = leat_str_slice(text, set.len + 1, text.len);
    }
    leat_plan_env env = {.files = list_files,
                         .resolve = resolve,
                         .check_only = (data[0] & 1) != 0,
                         .overrides = &set,
                         .overrides_count = set.data != NULL};
    env.operators = leat_registry(&env.operators_count);
    size_t bytes = (data[0] & 2) != 0 ? SMALL_BYTES + size * 4 : PLAN_BYTES;
    outcome first = plan_once(text, &env, bytes), second = plan_once(text, &env, bytes);
    LEAT_ASSERT(first.code == second.code && first.errors == second.errors);
    LEAT_ASSERT(first.version == second.version && first.nodes == second.nodes);
    LEAT_ASSERT(first.findings == second.findings);
    return 0;
}
