/* SPDX-License-Identifier: Apache-2.0 */
/* From a pipeline file's text to a plan.
 *
 *   text -> document -> --set -> ${env:} ${file:} -> option tables -> sources -> streams -> checks
 *        -> decoders' plans, edges between nodes -> plan
 *
 * No mistake stops the way but two: a text that is no JSON, and one that is no object. Whatever
 * else is wrong becomes a finding, and what stands behind it is checked against the best that is
 * known; the plan itself is only handed out when there was no mistake at all.
 *
 * While checking, a reference that cannot be resolved here (the environment of production, its
 * secrets) is no mistake: the text that holds it is passed over, and there is no plan either.
 *
 * Memory is the caller's arena. When it is full, planning goes on in blocks of the heap for the few
 * steps until the next loop looks (plan_failed), so that no allocation has to be checked; then
 * everything is thrown away and the error is the arena's. */
#include "transforms/plan.h"

#include <string.h>

#include "core/mem.h"
#include "transforms/plan_inside.h"

#define NAME_LEN_MAX        100
#define CANONICAL_BYTES_MAX ((size_t)64 << 20)
#define FULL_CHECK_BYTES    4096

/* --- memory --- */

void *leat_planner_alloc(leat_planner *planner, size_t bytes)
{
    void *block = leat_arena_zero(planner->arena, bytes == 0 ? 1 : bytes);
    if (block != NULL) return block;
    /* A list of blocks, each linked to the one before by its first word. */
    void **link = leat_mem_need(sizeof(void *) * 2 + bytes);
    link[0] = planner->overflow;
    planner->overflow = link;
    planner->overflow_count++;
    return link + 2;
}

bool plan_failed(const leat_planner *planner)
{
    return planner->overflow_count > 0;
}

leat_str plan_copy(leat_planner *planner, leat_str str)
{
    char *text = leat_planner_alloc(planner, str.len + 1);
    if (str.len > 0) memcpy(text, str.data, str.len);
    return (leat_str){text, str.len};
}

/* The planner's own memory, which it may write to, whoever calls it const. */
static void *writable(const void *items)
{
    void *same;
    memcpy(&same, &items, sizeof same);
    return same;
}

void *plan_room(leat_planner *planner, const void *items, size_t count, size_t *size, size_t bytes)
{
    LEAT_ASSERT(count <= *size);
    if (count < *size) return writable(items);
    *size = *size == 0 ? 8 : *size * 2;
    char *room = leat_planner_alloc(planner, *size * bytes);
    if (count > 0) memcpy(room, items, count * bytes);
    return room;
}

void *plan_grow(leat_planner *planner, const void *items, size_t count, size_t bytes)
{
    if ((count & (count - 1)) != 0) return writable(items);
    char *room = leat_planner_alloc(planner, (count == 0 ? 1 : count * 2) * bytes);
    if (count > 0) memcpy(room, items, count * bytes);
    return room;
}

static void overflow_free(leat_planner *planner)
{
    while (planner->overflow != NULL) {
        void **link = planner->overflow;
        planner->overflow = link[0];
        leat_mem_free(link);
    }
}

/* --- what operators ask --- */

leat_arena *leat_planner_arena(leat_planner *planner)
{
    return planner->arena;
}

leat_findings *leat_planner_findings(leat_planner *planner)
{
    return planner->findings;
}

leat_str leat_planner_pipeline_name(leat_planner *planner)
{
    return planner->plan->name;
}

const leat_node *leat_planner_source_key(leat_planner *planner, const leat_step *step)
{
    const leat_plan *plan = planner->plan;
    if (planner->step_source >= plan->sources_count) return NULL;
    const leat_source *source = &plan->sources[planner->step_source];
    return step->shape_in == source->shape ? source->key_node : NULL;
}

const leat_expr *leat_planner_source_key_expr(leat_planner *planner, const leat_step *step)
{
    const leat_plan *plan = planner->plan;
    if (leat_planner_source_key(planner, step) == NULL) return NULL;
    const leat_source *source = &plan->sources[planner->step_source];
    return source->views_count == 0 ? source->key : NULL;
}

bool leat_planner_files(leat_planner *planner, const leat_node *glob, leat_planned_file **files,
                        size_t *count)
{
    leat_err err = {0};
    *files = NULL;
    *count = 0;
    if (!plan_is_text(planner, glob, "a path or a glob")) return false;
    if (plan_unresolved(planner, glob)) return false;
    leat_code code = planner->env->files(planner->env->self, glob->text, true, planner->arena,
                                         files, count, &err);
    if (code == LEAT_OK && *count > 0) return true;
    if (code != LEAT_OK)
        leat_findings_add(planner->findings, glob, false, "%s",
                          glob->secret ? "cannot be read" : err.text);
    else
        leat_findings_add(planner->findings, glob, false, "there is no file '%.*s'",
                          LEAT_STR_ARG(plan_shown(glob)));
    return false;
}

size_t leat_planner_members(leat_planner *planner, const leat_node *object, size_t max,
                            const char *mistake)
{
    size_t count = 0;
    if (object->kind == LEAT_NODE_OBJECT)
        for (const leat_node *member = object->child; member != NULL; member = member->next)
            count++;
    if (count > 0 && count <= max) return count;
    leat_findings_add(planner->findings, object, false, "%s", mistake);
    return 0;
}

/* --- texts --- */

leat_str plan_shown(const leat_node *node)
{
    return node->secret ? LEAT_STR("***") : node->text;
}

static bool name_legal(leat_str name, bool dots, size_t len_max)
{
    if (name.len == 0 || name.len > len_max) return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-' || (dots && c == '.');
        if (!good) return false;
    }
    return true;
}

bool plan_name_good(leat_planner *planner, const leat_node *node)
{
    if (name_legal(node->key, false, NAME_LEN_MAX)) return true;
    leat_findings_add_key(planner->findings, node, false,
                          "a name has letters, digits, '_' and '-', at most %d", NAME_LEN_MAX);
    return false;
}

bool plan_unresolved(leat_planner *planner, const leat_node *node)
{
    for (size_t i = 0; i < planner->unresolved_count; i++) {
        if (planner->unresolved[i] != node) continue;
        planner->incomplete = true;
        return true;
    }
    return false;
}

/* --- references --- */

typedef struct resolver {
    const leat_plan_env *env;
    bool outside; /* the reference was well written, but what it names is not there */
} resolver;

static leat_code resolve(void *context, leat_str kind, leat_str name, leat_arena *arena,
                         leat_str *text, leat_err *err)
{
    resolver *self = context;
    leat_code code = self->env->resolve(self->env->self, kind, name, arena, text, err);
    self->outside = code != LEAT_OK || text->data == NULL;
    if (code != LEAT_ERR_NO_FIELD || !leat_str_is(kind, "env")) return code;
    *text = LEAT_STR_NONE; /* not set: the reference may have a default */
    return LEAT_OK;
}

/* Node by node, so that all that cannot be resolved is found at once. */
static void interpolate(leat_planner *planner, leat_node *node)
{
    for (leat_node *child = node->child; child != NULL && !plan_failed(planner);
         child = child->next)
        interpolate(planner, child);
    if (node->kind != LEAT_NODE_STRING || leat_str_find(node->text, LEAT_STR("${")) < 0) return;
    resolver self = {.env = planner->env};
    leat_node *where = node;
    leat_err err = {0};
    if (leat_node_interpolate(node, resolve, &self, planner->arena, &where, &err) == LEAT_OK)
        return;
    bool warning = planner->env->check_only && self.outside;
    leat_findings_add(planner->findings, node, warning, "%s", err.text);
    planner->unresolved = plan_room(planner, planner->unresolved, planner->unresolved_count,
                                    &planner->unresolved_size, sizeof *planner->unresolved);
    planner->unresolved[planner->unresolved_count++] = node;
}

/* --- the whole --- */

static void read_dead_letter(leat_planner *planner, const leat_node *node)
{
    if (node != NULL) {
        planner->plan->dead_letter = plan_plain_sink(planner, node, LEAT_PAYLOAD_STRICT);
    } else {
        leat_findings_add(planner->findings, planner->root, true,
                          "without 'dead_letter', records that fail are only counted and logged");
    }
}

/* Over what the pipeline does; not over how and where one process runs it. */
static uint64_t version_hash(const leat_node *root)
{
    leat_buf text;
    leat_buf_init(&text, CANONICAL_BYTES_MAX);
    for (const leat_node *node = root->child; node != NULL; node = node->next) {
        if (leat_str_is(node->key, "worker") || leat_str_is(node->key, "kafka") ||
            leat_str_is(node->key, "redis") || leat_str_is(node->key, "schema_registry") ||
            leat_str_is(node->key, "$schema") || leat_str_is(node->key, "description"))
            continue;
        leat_buf_add(&text, node->key);
        leat_buf_add_char(&text, '=');
        leat_node_print(node, false, &text);
        leat_buf_add_char(&text, '\n');
    }
    uint64_t hash = leat_str_hash_fixed(leat_buf_str(&text));
    leat_buf_release(&text);
    return hash;
}

static void read_top(leat_planner *planner, leat_node *root)
{
    leat_plan *plan = planner->plan;
    plan_top top = {0};
    (void)leat_options_read(plan_top_options, plan_top_options_count, root, &top,
                            planner->findings);
    if (root->kind != LEAT_NODE_OBJECT) return;
    const leat_node *name = leat_node_member(root, "name");
    plan->name = top.name;
    if (name != NULL && name->kind == LEAT_NODE_STRING && !plan_unresolved(planner, name) &&
        !name_legal(top.name, true, NAME_LEN_MAX))
        leat_findings_add(planner->findings, name, false,
                          "a pipeline's name has letters, digits, '.', '_' and '-', at most %d",
                          NAME_LEN_MAX);
    plan->at_least_once = top.guarantee == 1;
    plan->commit_interval_ms = top.commit_interval_ms;
    plan->limits = (leat_json_limits){.depth_max = (uint32_t)top.depth_max,
                                      .bytes_max = (uint32_t)top.record_bytes_max};
    plan_mask_keys(planner, &top);
    plan_settings(planner, top.kafka, &plan->kafka, &plan->kafka_count);
    plan_warn_security(planner, top.kafka);
    plan_redis(planner, top.redis);
    plan_worker(planner, top.worker);
    plan_registry(planner, top.schema_registry);
    if (top.sources != NULL) plan_repeats(planner, top.sources);
    if (top.streams != NULL) plan_repeats(planner, top.streams);
    plan_sources(planner, top.sources);
    plan_tables(planner, top.tables);
    plan_streams(planner, top.streams);
    read_dead_letter(planner, top.dead_letter);
    plan_guards(planner);
    plan_check_topics(planner, top.sources);
    plan_tables_settle(planner, top.tables);
    if (top.streams != NULL) plan_check_files(planner, top.streams);
    plan->version_hash = version_hash(root);
}

/* --- edges --- */

static void connect_nodes(leat_planner *planner)
{
    leat_plan *plan = planner->plan;
    uint32_t **next = leat_planner_alloc(planner, plan->nodes_count * sizeof *next);
    for (size_t i = 0; i < plan->nodes_count; i++)
        if (plan->nodes[i].at != LEAT_AT_SOURCE) plan->nodes[plan->nodes[i].input].next_count++;
    for (size_t i = 0; i < plan->nodes_count; i++) {
        next[i] = leat_planner_alloc(planner, plan->nodes[i].next_count * sizeof **next);
        plan->nodes[i].next = next[i];
        plan->nodes[i].next_count = 0;
    }
    for (uint32_t i = 0; i < plan->nodes_count; i++) {
        const leat_plan_node *node = &plan->nodes[i];
        LEAT_ASSERT(node->index == i && node->input <= i);
        LEAT_ASSERT((node->input == i) == (node->at == LEAT_AT_SOURCE));
        if (node->at != LEAT_AT_SOURCE)
            next[node->input][plan->nodes[node->input].next_count++] = i;
    }
}

static void connect_sinks(leat_planner *planner)
{
    leat_plan *plan = planner->plan;
    leat_sink ***sinks = leat_planner_alloc(planner, plan->nodes_count * sizeof *sinks);
    for (size_t i = 0; i < plan->sinks_count; i++)
        if (plan->sinks[i]->from_node != UINT32_MAX)
            plan->nodes[plan->sinks[i]->from_node].sinks_count++;
    for (size_t i = 0; i < plan->nodes_count; i++) {
        sinks[i] = leat_planner_alloc(planner, plan->nodes[i].sinks_count * sizeof **sinks);
        plan->nodes[i].sinks = sinks[i];
        plan->nodes[i].sinks_count = 0;
    }
    for (size_t i = 0; i < plan->sinks_count; i++) {
        leat_sink *sink = plan->sinks[i];
        if (sink->from_node == UINT32_MAX) continue;
        LEAT_ASSERT(sink->from_node < plan->nodes_count && sink->shape != NULL);
        sinks[sink->from_node][plan->nodes[sink->from_node].sinks_count++] = sink;
    }
}

static leat_code finish(leat_planner *planner, leat_err *err)
{
    leat_plan *plan = planner->plan;
    connect_nodes(planner);
    connect_sinks(planner);
    plan_raw(plan);
    for (size_t i = 0; i < plan->shapes_count; i++) {
        leat_shape *shape = plan->shapes[i];
        LEAT_TRY(leat_json_plan_new(shape->requests, shape->requests_count, plan->limits,
                                    planner->arena, &shape->json, err));
    }
    return LEAT_OK;
}

/* The document, or a finding (root NULL). */
static leat_code parse(leat_planner *planner, leat_str text, leat_err *err)
{
    uint32_t line = 0, column = 0;
    leat_code code =
        leat_doc_parse(text, planner->file, planner->arena, &planner->root, err, &line, &column);
    if (code == LEAT_OK) {
        for (size_t i = 0; i < planner->env->overrides_count; i++) {
            if (leat_node_override(planner->root, planner->env->overrides[i], planner->arena,
                                   err) != LEAT_OK)
                leat_findings_add(planner->findings, NULL, false, "--set: %s", err->text);
        }
        return LEAT_OK;
    }
    if (leat_code_blame(code) == LEAT_BLAME_TASK || leat_code_blame(code) == LEAT_BLAME_FATAL)
        return code;
    leat_node *place = leat_planner_alloc(planner, sizeof *place);
    *place = (leat_node){.file = planner->file, .line = line, .column = column};
    leat_findings_add(planner->findings, place, false, "%s", err->text);
    planner->root = NULL;
    return LEAT_OK;
}

/* A pattern in place of a pipeline is one mistake, not as many as it has keys. */
static bool refuse_pattern(leat_planner *planner, const leat_node *root)
{
    if (root->kind != LEAT_NODE_OBJECT || leat_node_member(root, "steps") == NULL) return false;
    if (leat_node_member(root, "streams") != NULL || leat_node_member(root, "sources") != NULL)
        return false;
    leat_findings_add(planner->findings, root, false,
                      "this is a pattern, not a pipeline: `leat explain` checks it by itself, a "
                      "pipeline names it in a `detect` step");
    return true;
}

leat_code leat_plan_new(leat_str text, leat_str file, const leat_plan_env *env, leat_arena *arena,
                        leat_findings *findings, leat_plan **plan, leat_err *err)
{
    LEAT_ASSERT(env != NULL && arena != NULL && findings != NULL);
    leat_planner planner = {
        .arena = arena, .findings = findings, .env = env, .step_source = UINT32_MAX, .edit = 1};
    size_t errors = findings->errors;
    *plan = NULL;
    planner.file = plan_copy(&planner, file);
    planner.plan = leat_planner_alloc(&planner, sizeof *planner.plan);
    planner.plan->arena = arena;
    planner.repeats = leat_expr_repeats_new();
    planner.memos = leat_map_new();
    leat_code code = parse(&planner, text, err);
    if (code == LEAT_OK && planner.root != NULL && !plan_failed(&planner)) {
        planner.plan->root = planner.root;
        if (!refuse_pattern(&planner, planner.root)) {
            interpolate(&planner, planner.root);
            read_top(&planner, planner.root);
        }
        bool good = findings->errors == errors && !planner.incomplete && !plan_failed(&planner);
        if (good) code = finish(&planner, err);
        if (good && code == LEAT_OK) *plan = planner.plan;
    }
    if (code == LEAT_OK &&
        (plan_failed(&planner) || leat_arena_alloc(arena, FULL_CHECK_BYTES) == NULL))
        code = leat_arena_full(arena, err);
    if (code != LEAT_OK) *plan = NULL;
    leat_expr_repeats_free(&planner.repeats);
    leat_map_free(&planner.memos);
    overflow_free(&planner);
    leat_findings_sort(findings);
    return code;
}
