/* SPDX-License-Identifier: Apache-2.0 */
/* Planning `detect`: the patterns come from files (globs) and from objects in the pipeline itself;
 * each is read, compiled against the record as it is at this step, and unfolded. All mistakes of
 * all patterns are told; a disabled pattern is checked like any other.
 *
 * Whether a key means a re-key is judged by text: `card_id` in the source and `card_id` here are
 * one key, anything else is not known to be. That errs to the safe side: a step said to re-key is
 * refused where its topic has several partitions, with a word on what to write.
 *
 * Everything that reads the incoming record is compiled before the step gets a shape of its own. */
#include "cep/detect_inside.h"
#include "cep/pattern_warn.h"

#include <stdlib.h>

#include "core/map.h"

typedef struct detect_settings {
    const leat_node *patterns, *key;
    bool events;
} detect_settings;

#define AT(member) offsetof(detect_settings, member)
const leat_option detect_options[DETECT_OPTIONS_COUNT] = {
    {.name = "patterns",
     .type = LEAT_OPTION_NODE,
     .offset = AT(patterns),
     .required = true,
     .shape = "{\"oneOf\": [{\"type\": \"string\"}, {\"type\": \"array\", \"minItems\": 1, "
              "\"items\": {\"type\": [\"string\", \"object\"]}}]}",
     .doc = "Files with patterns, as globs relative to the pipeline file, or patterns themselves."},
    {.name = "key",
     .type = LEAT_OPTION_EXPR,
     .offset = AT(key),
     .doc = "Expression: events are matched per key, where a pattern does not say otherwise. "
            "Default: the record's key; an empty text is one global sequence."},
    {.name = "events",
     .type = LEAT_OPTION_BOOL,
     .offset = AT(events),
     .fallback = "true",
     .doc = "Whether alerts carry the events, by step."},
};
#undef AT

typedef struct detect_planner {
    leat_planner *planner;
    leat_step *step;
    leat_findings *findings;
    leat_arena *arena;
    const detect_settings *settings;
    detect_config *config;
    uint32_t size, groups_size; /* of config->patterns, config->groups */
    leat_map *names;            /* of all patterns, enabled or not */
    leat_map *forms;            /* of automata (leat_nfa_kin) */
} detect_planner;

static leat_expr *compile(void *self, const leat_node *node, leat_scope *scope)
{
    const detect_planner *d = self;
    return leat_planner_expr(d->planner, d->step, node, scope);
}

/* --- keys --- */

static leat_str trimmed(leat_str text)
{
    while (text.len > 0 && text.data[0] == ' ')
        text = leat_str_slice(text, 1, text.len);
    while (text.len > 0 && text.data[text.len - 1] == ' ')
        text.len--;
    return text;
}

/* The group of the patterns with this key. */
static uint32_t group_of(detect_planner *d, detect_key_kind kind, leat_str text,
                         const leat_node *node)
{
    detect_config *config = d->config;
    for (uint32_t i = 0; i < config->groups_count; i++)
        if (config->groups[i].kind == kind && leat_str_equal(config->groups[i].text, text))
            return i;
    if (config->groups_count == d->groups_size) {
        uint32_t size = d->groups_size == 0 ? 4 : d->groups_size * 2;
        detect_group *grown = leat_planner_alloc(d->planner, size * sizeof *grown);
        if (d->groups_size > 0) memcpy(grown, config->groups, d->groups_size * sizeof *grown);
        config->groups = grown;
        d->groups_size = size;
    }
    detect_group *group = &config->groups[config->groups_count];
    *group = (detect_group){.kind = kind, .text = text};
    if (kind == DETECT_KEY_RECORD) group->expr = leat_planner_source_key_expr(d->planner, d->step);
    if (kind == DETECT_KEY_EXPR)
        group->expr =
            leat_planner_expr(d->planner, d->step, node, leat_planner_scope(d->planner, d->step));
    return config->groups_count++;
}

static uint32_t plan_key(detect_planner *d, const leat_pattern *pattern)
{
    const leat_node *node = pattern->key != NULL ? pattern->key : d->settings->key;
    const leat_node *source = leat_planner_source_key(d->planner, d->step);
    if (node == NULL) return group_of(d, DETECT_KEY_RECORD, LEAT_STR(""), NULL);
    bool known = source != NULL && source->kind == LEAT_NODE_STRING &&
                 leat_str_equal(trimmed(source->text), trimmed(node->text));
    if (!known && pattern->enabled) d->config->rekeys = true;
    if (node->text.len == 0) return group_of(d, DETECT_KEY_GLOBAL, LEAT_STR("*"), NULL);
    return group_of(d, DETECT_KEY_EXPR, trimmed(node->text), node);
}

/* --- one pattern --- */

/* A step's name hides a field of that name in conditions. */
static void warn_hidden(const detect_planner *d, const leat_pattern *pattern)
{
    const leat_shape *shape = d->step->shape_in;
    for (uint32_t i = 0; i < pattern->steps_count; i++) {
        leat_str name = pattern->steps[i]->name;
        bool hidden = leat_field_find(d->step->layout_in, name) != NULL;
        for (size_t r = 0; r < shape->requests_count && !hidden; r++)
            hidden = leat_str_equal(shape->requests[r].path.names[0], name);
        if (!hidden) continue;
        leat_finding *finding = leat_findings_add(
            d->findings, leat_node_member(pattern->steps[i]->node, "name"), true,
            "the step '%.*s' hides a field of that name in conditions", LEAT_STR_ARG(name));
        finding->suggestion = leat_arena_print(d->arena, "event.%.*s", LEAT_STR_ARG(name));
    }
}

static void remember(detect_planner *d, const leat_pattern *pattern)
{
    leat_err err;
    uint64_t there = 0;
    if (leat_map_get(d->names, pattern->name, &there))
        leat_findings_add(d->findings, leat_node_member(pattern->node, "name"), false,
                          "two patterns are called '%.*s'", LEAT_STR_ARG(pattern->name));
    if (leat_map_put(d->names, pattern->name, 1, &err) != LEAT_OK)
        leat_findings_add(d->findings, pattern->node, false, "%s", err.text);
}

static detect_pattern *pattern_add(detect_planner *d)
{
    detect_config *config = d->config;
    if (config->count == d->size) {
        uint32_t size = d->size == 0 ? 8 : d->size * 2;
        detect_pattern *grown = leat_planner_alloc(d->planner, size * sizeof *grown);
        if (config->count > 0) memcpy(grown, config->patterns, config->count * sizeof *grown);
        config->patterns = grown;
        d->size = size;
    }
    return &config->patterns[config->count++];
}

static void plan_pattern(detect_planner *d, const leat_node *node)
{
    leat_pattern *pattern = NULL;
    leat_conditions *conditions = NULL;
    leat_nfa *nfa = NULL;
    leat_err err = {0};
    bool good = leat_pattern_read(node, d->arena, d->findings, &pattern);
    if (pattern == NULL) return;
    remember(d, pattern);
    warn_hidden(d, pattern);
    /* Events that wait for their order are judged when their record is long gone. */
    leat_scope *fields = pattern->order_by != NULL ? NULL : leat_planner_scope(d->planner, d->step);
    (void)leat_conditions_new(pattern, fields, compile, d, d->arena, d->findings, &conditions);
    if (good && leat_nfa_new(pattern, d->arena, d->findings, &nfa, &err) != LEAT_OK)
        leat_findings_add(d->findings, node, false, "%s", err.text);
    if (nfa != NULL && leat_nfa_kin(d->forms, nfa, &err) != LEAT_OK)
        leat_findings_add(d->findings, node, false, "%s", err.text);
    if (nfa != NULL) leat_pattern_warn(nfa, conditions, d->findings);
    detect_pattern planned = {.pattern = pattern, .nfa = nfa, .conditions = conditions};
    planned.events = d->settings->events && pattern->events;
    planned.group = plan_key(d, pattern);
    if (good && pattern->enabled) *pattern_add(d) = planned;
}

/* --- all of them --- */

static void plan_file(detect_planner *d, const leat_planned_file *file)
{
    leat_err err = {0};
    leat_node *root = NULL;
    uint32_t line = 0;
    uint32_t column = 0;
    if (leat_doc_parse(file->text, file->name, d->arena, &root, &err, &line, &column) == LEAT_OK) {
        plan_pattern(d, root);
        return;
    }
    leat_node place = {
        .kind = LEAT_NODE_OBJECT, .file = file->name, .line = line, .column = column};
    leat_findings_add(d->findings, &place, false, "%s", err.text);
}

static void plan_item(detect_planner *d, const leat_node *item)
{
    leat_planned_file *files = NULL;
    size_t count = 0;
    if (item->kind == LEAT_NODE_OBJECT) {
        plan_pattern(d, item);
    } else if (item->kind == LEAT_NODE_STRING) {
        if (!leat_planner_files(d->planner, item, &files, &count)) return;
        for (size_t i = 0; i < count; i++)
            plan_file(d, &files[i]);
    } else {
        leat_findings_add(d->findings, item, false,
                          "must be a glob of pattern files or a pattern, not %s",
                          leat_node_kind_name(item->kind));
    }
}

/* --- what is looked up while running --- */

static int compare_marks(const void *a, const void *b)
{
    uint64_t left = ((const detect_mark *)a)->fingerprint;
    uint64_t right = ((const detect_mark *)b)->fingerprint;
    return left < right ? -1 : left > right;
}

uint32_t detect_by_fingerprint(const detect_config *config, uint64_t fingerprint)
{
    detect_mark key = {.fingerprint = fingerprint};
    const detect_mark *found = config->count == 0
                                   ? NULL
                                   : bsearch(&key, config->by_fingerprint, config->count,
                                             sizeof *config->by_fingerprint, compare_marks);
    return found == NULL ? DETECT_NONE : found->index;
}

static void plan_index(detect_planner *d)
{
    leat_err err;
    detect_config *config = d->config;
    uint32_t *held = leat_planner_alloc(d->planner, (config->count + 1) * sizeof *held);
    leat_index_pattern *patterns =
        leat_planner_alloc(d->planner, (config->count + 1) * sizeof *patterns);
    config->by_fingerprint =
        leat_planner_alloc(d->planner, (config->count + 1) * sizeof *config->by_fingerprint);
    config->held = held;
    for (uint32_t i = 0; i < config->count; i++) {
        detect_pattern *planned = &config->patterns[i];
        patterns[i] = (leat_index_pattern){planned->conditions, planned->nfa, planned->group};
        if (planned->conditions->held) {
            patterns[i].conditions = NULL;
            planned->held = config->held_count;
            held[config->held_count++] = i;
        } else if (planned->nfa->strict) {
            config->groups[planned->group].strict = true;
            config->strict_groups |= leat_index_group(planned->group);
        }
        config->by_fingerprint[i] = (detect_mark){planned->nfa->fingerprint, i};
    }
    if (config->count > 1)
        qsort(config->by_fingerprint, config->count, sizeof *config->by_fingerprint, compare_marks);
    if (leat_index_new(patterns, config->count, d->arena, &config->index, &err) != LEAT_OK)
        leat_findings_add(d->findings, d->settings->patterns, false, "%s", err.text);
}

/* Each pattern that sends its timeouts elsewhere has a port for them. */
static void plan_ports(detect_planner *d)
{
    const detect_config *config = d->config;
    LEAT_ASSERT(d->step->ports == 1);
    for (uint32_t i = 0; i < config->count; i++)
        if (config->patterns[i].pattern->timeout_to != NULL)
            config->patterns[i].timeout_port = d->step->ports++;
    for (uint32_t i = 0; i < config->count; i++)
        if (config->patterns[i].timeout_port != 0)
            leat_planner_sink(d->planner, d->step, config->patterns[i].timeout_port,
                              config->patterns[i].pattern->timeout_to);
}

bool detect_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    detect_settings settings = {0};
    detect_planner d = {.planner = planner,
                        .step = step,
                        .findings = leat_planner_findings(planner),
                        .arena = leat_planner_arena(planner),
                        .settings = &settings,
                        .config = leat_planner_alloc(planner, sizeof(detect_config)),
                        .names = leat_map_new(),
                        .forms = leat_map_new()};
    size_t before = d.findings->errors;
    (void)leat_options_read(detect_options, DETECT_OPTIONS_COUNT, json, &settings, d.findings);
    const leat_node *patterns = settings.patterns;
    if (patterns != NULL && patterns->kind == LEAT_NODE_LIST) {
        if (patterns->child == NULL)
            leat_findings_add(d.findings, patterns, false, "the list is empty");
        for (const leat_node *item = patterns->child; item != NULL; item = item->next)
            plan_item(&d, item);
    } else if (patterns != NULL) {
        plan_item(&d, patterns);
    }
    leat_map_free(&d.names);
    leat_map_free(&d.forms);
    if (d.findings->errors == before) plan_index(&d);
    leat_planner_new_shape(planner, step);
    plan_ports(&d);
    step->config = d.config;
    return d.findings->errors == before;
}
