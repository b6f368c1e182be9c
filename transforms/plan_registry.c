/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline's `schema_registry`: where the schemas of Avro topics lie.
 *
 *   "schema_registry": { "url": ["https://a:8081", "https://b:8081"], "user": "leat",
 *                        "password": "${file:/run/secrets/registry}" }
 *
 * Only its form is checked here, and what can be known to be unsafe; the client is the worker's
 * (worker/registry_client.c). A pipeline has one registry, as a Kafka cluster does.
 *
 * A step may name a schema by its subject. It is asked for while planning, as files are read: which
 * fields are slots depends on it. What "latest" was then, it stays until the process ends. */
#include <string.h>

#include "transforms/plan_inside.h"

typedef struct registry_options {
    const leat_node *url;
    leat_registry_settings settings;
} registry_options;

#define AT(field) .offset = offsetof(registry_options, field)
const leat_option plan_registry_options[] = {
    {.name = "url",
     .type = LEAT_OPTION_NODE,
     AT(url),
     .required = true,
     .shape = "{\"oneOf\": [{\"type\": \"string\"}, {\"type\": \"array\", \"minItems\": 1, "
              "\"items\": {\"type\": \"string\"}}]}",
     .doc = "The registry's address (Confluent's REST interface), or a list of those of one "
            "registry: if one cannot be reached, the next is asked."},
    {.name = "user",
     .type = LEAT_OPTION_STRING,
     AT(settings.user),
     .doc = "For basic authentication."},
    {.name = "password", .type = LEAT_OPTION_STRING, AT(settings.password), .doc = "Likewise."},
    {.name = "token",
     .type = LEAT_OPTION_STRING,
     AT(settings.token),
     .doc = "For bearer authentication, in place of user and password."},
    {.name = "ca",
     .type = LEAT_OPTION_STRING,
     AT(settings.ca),
     .doc = "File with the certificates (PEM) of those who may vouch for it; default: the "
            "system's."},
    {.name = "certificate",
     .type = LEAT_OPTION_STRING,
     AT(settings.certificate),
     .doc = "File with the client's own certificate (PEM)."},
    {.name = "private_key",
     .type = LEAT_OPTION_STRING,
     AT(settings.private_key),
     .doc = "File with its private key (PEM)."},
    {.name = "timeout",
     .type = LEAT_OPTION_DURATION,
     AT(settings.timeout_ms),
     .fallback = "5s",
     .min = 10,
     .max = 120000,
     .doc = "Of one request to one address."},
    {.name = "register",
     .type = LEAT_OPTION_BOOL,
     AT(settings.registers),
     .fallback = "true",
     .doc = "Whether sinks register their schema; if not, it has to be there."},
    {.name = "unknown",
     .type = LEAT_OPTION_ENUM,
     AT(settings.unknown),
     .fallback = "dead_letter",
     .choices = "dead_letter|wait",
     .doc = "What becomes of records whose schema the registry does not know; `wait`: until it "
            "does, as when it is not reached."},
    {.name = "retry_unknown",
     .type = LEAT_OPTION_DURATION,
     AT(settings.retry_unknown_ms),
     .fallback = "60s",
     .min = 1,
     .max = 86400000,
     .doc = "For how long `dead_letter` remembers that the registry does not know a schema."},
};
#undef AT
const size_t plan_registry_options_count =
    sizeof plan_registry_options / sizeof plan_registry_options[0];

static bool read_url(leat_planner *planner, const leat_node *node, leat_str *url)
{
    if (!plan_is_text(planner, node, "an address")) return false;
    *url = node->text;
    if (plan_unresolved(planner, node)) return true;
    if (leat_str_starts(*url, LEAT_STR("http://")) || leat_str_starts(*url, LEAT_STR("https://")))
        return true;
    leat_findings_add(planner->findings, node, false,
                      "must begin with http:// or https://, such as http://registry:8081");
    return false;
}

static void warn_open(leat_planner *planner, const leat_node *node, const leat_registry_settings *s)
{
    bool secret = s->password.len > 0 || s->token.len > 0;
    for (size_t i = 0; i < s->urls_count && secret; i++)
        if (leat_str_starts(s->urls[i], LEAT_STR("http://")))
            leat_findings_add(planner->findings, node, true,
                              "with http:// the password or token crosses the network in the "
                              "clear; use https://");
}

void plan_registry(leat_planner *planner, const leat_node *node)
{
    registry_options options = {0};
    if (node == NULL) return;
    LEAT_ASSERT(planner->plan->registry == NULL);
    leat_registry_settings *settings = leat_planner_alloc(planner, sizeof *settings);
    planner->plan->registry = settings;
    if (!leat_options_read(plan_registry_options, plan_registry_options_count, node, &options,
                           planner->findings))
        return;
    *settings = options.settings;
    bool list = options.url->kind == LEAT_NODE_LIST;
    size_t count = 0;
    for (const leat_node *url = options.url->child; list && url != NULL; url = url->next)
        count++;
    if (list && count == 0)
        leat_findings_add(planner->findings, options.url, false, "the list is empty");
    leat_str *urls = leat_planner_alloc(planner, (count + 1) * sizeof *urls);
    settings->urls = urls;
    for (const leat_node *url = list ? options.url->child : options.url; url != NULL;
         url = list ? url->next : NULL)
        if (read_url(planner, url, &urls[settings->urls_count])) settings->urls_count++;
    LEAT_ASSERT(settings->urls_count <= count + 1);
    if (settings->token.len > 0 && settings->user.len > 0)
        leat_findings_add_key(planner->findings, leat_node_member(node, "token"), false,
                              "'token' is in place of 'user' and 'password': give one of them");
    warn_open(planner, options.url, settings);
}

/* --- a schema by its subject --- */

static bool read_version(leat_planner *planner, const leat_node *node, int64_t *version)
{
    *version = 0;
    if (node == NULL || (node->kind == LEAT_NODE_STRING && leat_str_is(node->text, "latest")))
        return true;
    *version = node->i;
    if (node->kind == LEAT_NODE_INT && node->i >= 1 && node->i <= INT32_MAX) return true;
    leat_findings_add(planner->findings, node, false, "must be \"latest\", or a number from 1 on");
    return false;
}

bool leat_planner_subject(leat_planner *planner, const leat_node *node, const leat_node *version,
                          leat_planned_schema *schema)
{
    const leat_registry_settings *registry = planner->plan->registry;
    const leat_plan_env *env = planner->env;
    int64_t number = 0;
    leat_err err = {0};
    *schema = (leat_planned_schema){.json = false};
    if (!plan_is_text(planner, node, "a subject of the schema registry")) return false;
    if (registry == NULL) {
        leat_findings_add(planner->findings, node, false, "needs the pipeline's 'schema_registry'");
        return false;
    }
    bool unresolved = plan_unresolved(planner, node);
    if (version != NULL) unresolved |= plan_unresolved(planner, version);
    if (!unresolved && !read_version(planner, version, &number)) return false;
    if (!unresolved && node->text.len == 0) {
        leat_findings_add(planner->findings, node, false, "is empty");
        return false;
    }
    if (planner->findings->errors > 0) return true; /* it will not be run: no waiting */
    if (unresolved || leat_planner_unresolved(planner) || registry->urls_count == 0 ||
        env->subject == NULL)
        return true;
    leat_code code =
        env->subject(env->self, planner->plan, node->text, number, planner->arena, schema, &err);
    bool warning = code == LEAT_ERR_UNAVAILABLE && env->check_only;
    if (code != LEAT_OK)
        leat_findings_add(planner->findings, node, warning, "%s%s",
                          node->secret ? "the schema registry has no such schema" : err.text,
                          warning ? "; what its schema asks for is not checked" : "");
    return code == LEAT_OK || warning;
}
