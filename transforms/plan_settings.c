/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline file's first level, the `worker` object, and `kafka` properties.
 *
 * Properties are handed on as they are: there are hundreds, they differ between versions of the
 * client library, and it checks them itself when it opens. What is checked here is their form, and
 * the two mistakes that let a password travel in the open or not at all.
 *
 * `worker` is read by the worker, which is right of here; its form is checked here, so that one
 * `check` finds the mistakes of the whole file. */
#include <string.h>

#include "transforms/plan_inside.h"

/* --- the first level --- */

#define AT(field) .offset = offsetof(plan_top, field)
static const leat_option mask_options[] = {
    {.name = "key",
     .type = LEAT_OPTION_STRING,
     AT(mask_key),
     .doc = "The secret key of keyed masks, best from `${file:...}`."},
    {.name = "key_id",
     .type = LEAT_OPTION_STRING,
     AT(mask_key_id),
     .doc =
         "A name for the key, which tells readers which one was used; one of `keys`, if there is "
         "no `key`."},
    {.name = "keys",
     .type = LEAT_OPTION_NODE,
     AT(mask_keys),
     .shape = "{\"type\": \"object\", \"additionalProperties\": {\"type\": \"string\"}}",
     .doc = "Keys by name, while they are changed: `key_id` says which one writes, the others are "
            "there for `decrypt`."},
};
static const leat_option limits_options[] = {
    {.name = "record",
     .type = LEAT_OPTION_SIZE,
     AT(record_bytes_max),
     .fallback = "1MiB",
     .min = 64,
     .max = INT64_C(1) << 30,
     .doc = "Larger values go to the dead letter."},
    {.name = "depth",
     .type = LEAT_OPTION_INT,
     AT(depth_max),
     .fallback = "128",
     .min = 1,
     .max = 1000,
     .doc = "How deep objects and lists may be nested."},
};
const leat_option plan_top_options[] = {
    {.name = "$schema", .type = LEAT_OPTION_STRING, AT(schema), .doc = "For editors; ignored."},
    {.name = "name",
     .type = LEAT_OPTION_STRING,
     AT(name),
     .required = true,
     .shape = "{\"type\": \"string\", \"pattern\": \"^[A-Za-z0-9._-]{1,100}$|[$][{]\"}",
     .doc = "The pipeline's name: its consumer group, and part of its changelog's."},
    {.name = "description", .type = LEAT_OPTION_STRING, AT(description), .doc = "For people."},
    {.name = "guarantee",
     .type = LEAT_OPTION_ENUM,
     AT(guarantee),
     .fallback = "exactly_once",
     .choices = "exactly_once|at_least_once",
     .doc = "Whether output, state and offsets are committed in one transaction."},
    {.name = "commit_interval",
     .type = LEAT_OPTION_DURATION,
     AT(commit_interval_ms),
     .fallback = "100ms",
     .min = 1,
     .max = 600000,
     .doc = "How long a transaction collects; output is visible to readers after it."},
    {.name = "kafka",
     .type = LEAT_OPTION_NODE,
     AT(kafka),
     .shape = PLAN_KAFKA_SHAPE,
     .doc = "librdkafka properties by name, such as `bootstrap.servers`."},
    {.name = "redis",
     .type = LEAT_OPTION_NODE,
     AT(redis),
     .shape = "{\"type\": \"object\", \"minProperties\": 1, \"additionalProperties\": {\"$ref\": "
              "\"#/definitions/redis\"}}",
     .doc = "Redis servers, by name, for `lookup` steps and sinks."},
    {.name = "schema_registry",
     .type = LEAT_OPTION_NODE,
     AT(schema_registry),
     .shape = "{\"$ref\": \"#/definitions/schema_registry\"}",
     .doc = "Where the schemas of Avro topics are."},
    {.name = "sources",
     .type = LEAT_OPTION_NODE,
     AT(sources),
     .required = true,
     .shape = "{\"type\": \"object\", \"minProperties\": 1, \"additionalProperties\": {\"$ref\": "
              "\"#/definitions/source\"}}",
     .doc = "Where records come from, by name."},
    {.name = "tables",
     .type = LEAT_OPTION_NODE,
     AT(tables),
     .shape = "{\"type\": \"object\", \"additionalProperties\": {\"$ref\": "
              "\"#/definitions/table\"}}",
     .doc = "Keyed tables that streams can join, by name."},
    {.name = "streams",
     .type = LEAT_OPTION_NODE,
     AT(streams),
     .required = true,
     .shape = "{\"type\": \"object\", \"minProperties\": 1, \"additionalProperties\": {\"$ref\": "
              "\"#/definitions/stream\"}}",
     .doc = "What happens to records, by name."},
    {.name = "mask",
     .type = LEAT_OPTION_OBJECT,
     .fields = mask_options,
     .fields_count = sizeof mask_options / sizeof mask_options[0],
     .doc = "Defaults of `mask` steps."},
    {.name = "dead_letter",
     .type = LEAT_OPTION_NODE,
     AT(dead_letter),
     .shape = "{\"$ref\": \"#/definitions/plain_sink\"}",
     .doc = "Where records go that cannot be processed, as they came, with the reason."},
    {.name = "limits",
     .type = LEAT_OPTION_OBJECT,
     .fields = limits_options,
     .fields_count = sizeof limits_options / sizeof limits_options[0],
     .doc = "What a record may be at most."},
    {.name = "worker",
     .type = LEAT_OPTION_NODE,
     AT(worker),
     .shape = "{\"$ref\": \"#/definitions/worker\"}",
     .doc = "How one process runs the pipeline."},
};
#undef AT
const size_t plan_top_options_count = sizeof plan_top_options / sizeof plan_top_options[0];

/* --- `worker`: checked here, read by the worker --- */

typedef struct worker_options {
    leat_str instance, dir, listen, token;
    int64_t threads;
    uint64_t memory;
    int level, format;
} worker_options;

#define AT(field) .offset = offsetof(worker_options, field)
static const leat_option state_options[] = {
    {.name = "dir", .type = LEAT_OPTION_STRING, AT(dir), .doc = "Folder for state on disk."},
    {.name = "memory",
     .type = LEAT_OPTION_SIZE,
     AT(memory),
     .fallback = "4GiB",
     .min = INT64_C(1) << 20,
     .max = INT64_C(1) << 46,
     .doc = "How much state one task may hold."},
};
static const leat_option admin_options[] = {
    {.name = "listen",
     .type = LEAT_OPTION_STRING,
     AT(listen),
     .doc = "Address and port of the admin page, such as `0.0.0.0:8080`."},
    {.name = "token",
     .type = LEAT_OPTION_STRING,
     AT(token),
     .doc = "What a caller of the admin page has to send."},
};
static const leat_option log_options[] = {
    {.name = "level",
     .type = LEAT_OPTION_ENUM,
     AT(level),
     .fallback = "info",
     .choices = "debug|info|warn|error|silent",
     .doc = "What is written to the log."},
    {.name = "format",
     .type = LEAT_OPTION_ENUM,
     AT(format),
     .fallback = "json",
     .choices = "json|text",
     .doc = "How."},
};
const leat_option plan_worker_options[] = {
    {.name = "instance",
     .type = LEAT_OPTION_STRING,
     AT(instance),
     .doc = "A stable name: static membership in the group. Empty: dynamic."},
    {.name = "threads",
     .type = LEAT_OPTION_INT,
     AT(threads),
     .min = 1,
     .max = 1024,
     .doc = "Default: the cores that the process may use."},
    {.name = "state", .type = LEAT_OPTION_OBJECT, .fields = state_options, .fields_count = 2},
    {.name = "admin", .type = LEAT_OPTION_OBJECT, .fields = admin_options, .fields_count = 2},
    {.name = "log", .type = LEAT_OPTION_OBJECT, .fields = log_options, .fields_count = 2},
};
#undef AT
const size_t plan_worker_options_count = sizeof plan_worker_options / sizeof plan_worker_options[0];

/* --- properties of the client --- */

static bool setting_value(leat_planner *planner, const leat_node *node, leat_str *value)
{
    switch (node->kind) {
    case LEAT_NODE_STRING:
        (void)plan_unresolved(planner, node);
        *value = node->text;
        return true;
    case LEAT_NODE_BOOL: *value = node->b ? LEAT_STR("true") : LEAT_STR("false"); return true;
    case LEAT_NODE_INT:
        *value = leat_arena_print(planner->arena, "%lld", (long long)node->i);
        return true;
    case LEAT_NODE_DOUBLE: *value = leat_arena_print(planner->arena, "%.15g", node->d); return true;
    case LEAT_NODE_NULL:
    case LEAT_NODE_LIST:
    case LEAT_NODE_OBJECT: break;
    }
    leat_findings_add(planner->findings, node, false,
                      "a property of the client is a string, a number, true or false, not %s",
                      leat_node_kind_name(node->kind));
    return false;
}

void plan_settings(leat_planner *planner, const leat_node *object, const leat_setting **settings,
                   size_t *count)
{
    *settings = NULL;
    *count = 0;
    if (object == NULL) return;
    if (object->kind != LEAT_NODE_OBJECT) {
        leat_findings_add(planner->findings, object, false,
                          "must be an object of client properties, not %s",
                          leat_node_kind_name(object->kind));
        return;
    }
    size_t size = 0;
    leat_setting *list = NULL;
    for (const leat_node *node = object->child; node != NULL; node = node->next) {
        leat_setting setting = {.name = node->key, .secret = node->secret};
        if (!setting_value(planner, node, &setting.value)) continue;
        list = plan_room(planner, list, *count, &size, sizeof *list);
        list[(*count)++] = setting;
    }
    *settings = list;
}

/* Both spellings of security.protocol's values; Java's sasl.mechanism has no s. */
void plan_warn_security(leat_planner *planner, const leat_node *kafka)
{
    const leat_node *sasl = NULL, *protocol = NULL, *mechanism = NULL;
    if (kafka == NULL || kafka->kind != LEAT_NODE_OBJECT) return;
    for (const leat_node *node = kafka->child; node != NULL; node = node->next) {
        if (leat_str_starts(node->key, LEAT_STR("sasl."))) sasl = node;
        if (leat_str_is(node->key, "security.protocol")) protocol = node;
        if (leat_str_is(node->key, "sasl.mechanism") || leat_str_is(node->key, "sasl.mechanisms"))
            mechanism = node;
    }
    if (protocol != NULL && (protocol->kind != LEAT_NODE_STRING || protocol->secret)) return;
    leat_str name = protocol == NULL ? LEAT_STR("plaintext") : protocol->text;
    bool tells = name.len >= 4 && strncasecmp(name.data, "sasl", 4) == 0;
    if (sasl != NULL && !tells) {
        leat_finding *finding = leat_findings_add_key(
            planner->findings, sasl, true,
            "'%.*s' has no effect: security.protocol is '%.*s', so nobody logs in",
            LEAT_STR_ARG(sasl->key), LEAT_STR_ARG(name));
        finding->suggestion = LEAT_STR("\"security.protocol\": \"SASL_SSL\"");
    }
    if (name.len == strlen("sasl_plaintext") &&
        strncasecmp(name.data, "sasl_plaintext", name.len) == 0 && mechanism != NULL &&
        mechanism->kind == LEAT_NODE_STRING && strncasecmp(mechanism->text.data, "PLAIN", 6) == 0)
        leat_findings_add(planner->findings, protocol, true,
                          "with the mechanism PLAIN the password crosses the network in the clear");
}

void plan_worker(leat_planner *planner, const leat_node *node)
{
    worker_options options = {0};
    planner->plan->worker = node;
    if (node == NULL) return;
    const leat_node *admin = leat_node_member(node, "admin"),
                    *state = leat_node_member(node, "state"),
                    *folder = state == NULL ? NULL : leat_node_member(state, "dir");
    if (admin != NULL)
        leat_findings_add_key(planner->findings, admin, true,
                              "this version has no admin page yet: nothing listens there");
    if (folder != NULL)
        leat_findings_add_key(planner->findings, folder, true,
                              "this version keeps state in memory and in the changelog only: "
                              "nothing is written there");
    if (!leat_options_read(plan_worker_options, plan_worker_options_count, node, &options,
                           planner->findings))
        return;
    /* ${env:} gives a text; whoever reads the document behind us finds the number it means. */
    leat_node *threads = leat_node_member(node, "threads");
    if (threads != NULL && threads->kind == LEAT_NODE_STRING && options.threads > 0) {
        threads->kind = LEAT_NODE_INT;
        threads->i = options.threads;
    }
}
