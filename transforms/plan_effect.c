/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks that do something to Redis: which command, on which key, with what.
 *
 * What is applied once must be the same when it is computed again: an effect is known by the input
 * record that brought it about, and a replay of that record is passed over. Behind steps that keep
 * state, which record that is depends on the order of the input, and several topics have no order
 * among them that a replay would keep; so there such a sink is refused, and a topic in between is
 * the remedy. With at_least_once nobody has been promised anything.
 *
 * The commands are those that change a key in one go. Refused: any command as text, with which a
 * pipeline could empty the server. */
#include "transforms/plan_inside.h"

#define FIELDS_MAX 1000 /* of one command; Redis' Lua takes some 8,000 words */
#define YEAR_MS    (INT64_C(366) * 24 * 3600 * 1000)

typedef struct effect_options {
    const leat_node *server;
    const leat_node *key, *value, *fields, *field;
    int64_t ttl_ms, maxlen;
} effect_options;

#define AT(field) .offset = offsetof(effect_options, field)
#define EXPRESSIONS_SHAPE                                                                          \
    "{\"type\": \"object\", \"minProperties\": 1, \"additionalProperties\": {\"type\": "           \
    "\"string\"}}"
#define KEY                                                                                        \
    {                                                                                              \
        .name = "key", .type = LEAT_OPTION_EXPR, AT(key), .required = true,                        \
        .doc = "Expression for the key."                                                           \
    }
#define TTL                                                                                        \
    {                                                                                              \
        .name = "ttl", .type = LEAT_OPTION_DURATION, AT(ttl_ms), .min = 1, .max = 10 * YEAR_MS,    \
        .doc = "The key lives so long from then on; default: it stays."                            \
    }
static const leat_option set_fields[] = {
    KEY,
    {.name = "value",
     .type = LEAT_OPTION_EXPR,
     AT(value),
     .doc = "Expression for the value; null removes the key; default: the whole record as JSON."},
    TTL,
};
static const leat_option hset_fields[] = {
    KEY,
    {.name = "fields",
     .type = LEAT_OPTION_NODE,
     AT(fields),
     .required = true,
     .shape = EXPRESSIONS_SHAPE,
     .doc = "Fields of the hash and expressions for their values; null removes a field."},
    TTL,
};
static const leat_option incrby_fields[] = {
    KEY,
    {.name = "field",
     .type = LEAT_OPTION_EXPR,
     AT(field),
     .doc = "Expression for a field: the key is a hash and this its counter."},
    {.name = "by",
     .type = LEAT_OPTION_EXPR,
     AT(value),
     .doc = "Expression for what is added, an int; default: 1."},
    TTL,
};
static const leat_option xadd_fields[] = {
    KEY,
    {.name = "fields",
     .type = LEAT_OPTION_NODE,
     AT(fields),
     .shape = EXPRESSIONS_SHAPE,
     .doc = "Fields of the entry and expressions for their values (null: the field is left out); "
            "default: `value` with the whole record as JSON."},
    {.name = "maxlen",
     .type = LEAT_OPTION_INT,
     AT(maxlen),
     .min = 1,
     .max = INT64_C(1) << 53,
     .doc = "The stream keeps about so many entries; default: all."},
};
static const leat_option publish_fields[] = {
    {.name = "channel",
     .type = LEAT_OPTION_EXPR,
     AT(key),
     .required = true,
     .doc = "Expression for the channel."},
    {.name = "message",
     .type = LEAT_OPTION_EXPR,
     AT(value),
     .doc = "Expression for the message; default: the whole record as JSON."},
};
#define FIELDS(table) .fields = (table), .fields_count = sizeof(table) / sizeof(table)[0]
const leat_option plan_effect_options[] = {
    {.name = "server",
     .type = LEAT_OPTION_NODE,
     AT(server),
     .shape = "{\"type\": \"string\"}",
     .doc = "Which server of the pipeline's `redis`; needless where there is only one."},
    {.name = "set", .type = LEAT_OPTION_OBJECT, FIELDS(set_fields)},
    {.name = "hset", .type = LEAT_OPTION_OBJECT, FIELDS(hset_fields)},
    {.name = "incrby", .type = LEAT_OPTION_OBJECT, FIELDS(incrby_fields)},
    {.name = "xadd", .type = LEAT_OPTION_OBJECT, FIELDS(xadd_fields)},
    {.name = "publish", .type = LEAT_OPTION_OBJECT, FIELDS(publish_fields)},
};
const size_t plan_effect_options_count = sizeof plan_effect_options / sizeof plan_effect_options[0];

static const char *const kinds[] = {[LEAT_EFFECT_SET] = "set",
                                    [LEAT_EFFECT_HSET] = "hset",
                                    [LEAT_EFFECT_INCRBY] = "incrby",
                                    [LEAT_EFFECT_XADD] = "xadd",
                                    [LEAT_EFFECT_PUBLISH] = "publish"};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void effect_fields(leat_planner *planner, leat_effect *effect, const leat_node *node,
                          plan_site site)
{
    if (node == NULL) return;
    if (node->kind != LEAT_NODE_OBJECT || node->child == NULL) {
        leat_findings_add(planner->findings, node, false,
                          "must be an object of fields and expressions, such as {\"total\": "
                          "\"amount\"}");
        return;
    }
    leat_effect_field *fields = NULL;
    for (const leat_node *member = node->child; member != NULL; member = member->next) {
        if (effect->fields_count == FIELDS_MAX) {
            leat_findings_add(planner->findings, member, false, "more than %d fields", FIELDS_MAX);
            return;
        }
        leat_expr *value = plan_expr(planner, member, site, NULL);
        if (value == NULL) continue;
        fields = plan_grow(planner, fields, effect->fields_count, sizeof *fields);
        fields[effect->fields_count++] = (leat_effect_field){member->key, value};
        effect->fields = fields;
    }
}

/* Whether what comes out at the node depends on more than the one record: state, or order. */
static bool depends_on_order(const leat_plan *plan, uint32_t node)
{
    for (;;) {
        LEAT_ASSERT(node < plan->nodes_count);
        const leat_plan_node *at = &plan->nodes[node];
        if (at->at == LEAT_AT_SOURCE) return false;
        if (at->at == LEAT_AT_ORDER || at->step->type->stateful) return true;
        node = at->input;
    }
}

static void check_replay(leat_planner *planner, const leat_sink *sink, const leat_node *node,
                         uint32_t source)
{
    const leat_plan *plan = planner->plan;
    if (source >= plan->sources_count || plan->at_least_once) return;
    const leat_source *from = &plan->sources[source];
    bool several = from->topics_count > 1 ||
                   (from->topics_count == 1 && leat_str_starts(from->topics[0], LEAT_STR("^")));
    if (from->files || !several || !depends_on_order(plan, sink->from_node)) return;
    leat_findings_add_key(
        planner->findings, node, false,
        "behind steps that keep state, the effects of a source with several topics cannot be told "
        "apart in a replay: write to a topic, and from there to redis in a pipeline of its own");
}

static void effect_read(leat_planner *planner, leat_effect *effect, const leat_node *node,
                        const effect_options *options, plan_site site)
{
    const leat_node *command = leat_node_member(node, kinds[effect->kind]);
    LEAT_ASSERT(command != NULL);
    if (command->kind != LEAT_NODE_OBJECT) return; /* told already */
    effect->ttl_ms = options->ttl_ms;
    effect->length_max = options->maxlen;
    if (options->key != NULL) effect->key = plan_expr(planner, options->key, site, NULL);
    if (options->value != NULL) effect->value = plan_expr(planner, options->value, site, NULL);
    if (options->field != NULL) effect->member = plan_expr(planner, options->field, site, NULL);
    if (effect->kind == LEAT_EFFECT_INCRBY && effect->value != NULL)
        (void)leat_planner_expect(planner, options->value, effect->value, "int");
    effect_fields(planner, effect, options->fields, site);
}

void plan_effect(leat_planner *planner, leat_sink *sink, const leat_node *node, plan_site site,
                 uint32_t source)
{
    effect_options options = {0};
    leat_effect *effect = leat_planner_alloc(planner, sizeof *effect);
    size_t given = 0;
    sink->kind = LEAT_SINK_REDIS;
    sink->effect = effect;
    (void)leat_options_read(plan_effect_options, plan_effect_options_count, node, &options,
                            planner->findings);
    if (node->kind != LEAT_NODE_OBJECT) return;
    for (int i = 0; i < KINDS; i++) {
        if (leat_node_member(node, kinds[i]) == NULL) continue;
        effect->kind = (leat_effect_kind)i;
        given++;
    }
    leat_redis_settings *settings = leat_planner_redis(planner, options.server, node);
    if (settings != NULL) {
        effect->redis = settings->index;
        settings->written = settings->required = true;
    }
    if (given != 1) {
        leat_findings_add(planner->findings, node, false,
                          given == 0
                              ? "one of 'set', 'hset', 'incrby', 'xadd', 'publish' is missing"
                              : "a sink does one of 'set', 'hset', 'incrby', 'xadd', "
                                "'publish'; write a list of sinks for several");
        return;
    }
    effect_read(planner, effect, node, &options, site);
    check_replay(planner, sink, node, source);
}
