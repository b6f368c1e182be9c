/* SPDX-License-Identifier: Apache-2.0 */
/* The `redis` of a pipeline: servers by name, which lookup steps and sinks refer to.
 *
 * They are named, as sources and streams are, because reading from a cache and writing to a ledger
 * are seldom one server. Where there is only one, nobody has to name it. What the server itself has
 * to say (is the password right, is it a primary, is it a cluster) is found out by the worker when
 * it starts. Refused: a URL. Its password ends up in places where nobody looks for one, and it has
 * no room for Sentinels, certificates and time-outs. */
#include "transforms/plan_inside.h"

#include <string.h>

#define PORT_REDIS    6379
#define PORT_SENTINEL 26379
#define SERVERS_MAX   64
#define ADDRESSES_MAX 64
#define HOUR_MS       INT64_C(3600000)

#define ADDRESS_SHAPE                                                                              \
    "{\"oneOf\": [{\"type\": \"string\"}, {\"type\": \"array\", \"minItems\": 1, \"items\": "      \
    "{\"type\": \"string\"}}]}"

typedef struct redis_options {
    leat_redis_settings settings;
    const leat_node *address, *sentinels;
} redis_options;

#define AT(field)      .offset = offsetof(redis_options, field)
#define SETTING(field) .offset = offsetof(redis_options, settings.field)
static const leat_option sentinel_fields[] = {
    {.name = "address",
     .type = LEAT_OPTION_NODE,
     AT(sentinels),
     .required = true,
     .shape = ADDRESS_SHAPE,
     .doc = "The Sentinels, `host:port` or a list; the port may be left out (26379)."},
    {.name = "master",
     .type = LEAT_OPTION_STRING,
     SETTING(master),
     .required = true,
     .doc = "What the Sentinels call the server."},
    {.name = "username",
     .type = LEAT_OPTION_STRING,
     SETTING(sentinel_username),
     .doc = "User at the Sentinels; default: the default user."},
    {.name = "password",
     .type = LEAT_OPTION_STRING,
     SETTING(sentinel_password),
     .doc = "Password at the Sentinels."},
};
static const leat_option tls_fields[] = {
    {.name = "ca",
     .type = LEAT_OPTION_STRING,
     SETTING(ca),
     .doc = "A file with the authorities' certificates (PEM), relative to the pipeline file; "
            "default: the system's."},
    {.name = "cert",
     .type = LEAT_OPTION_STRING,
     SETTING(cert),
     .doc = "A file with the worker's own certificate (PEM), where the server asks for one."},
    {.name = "key",
     .type = LEAT_OPTION_STRING,
     SETTING(key),
     .doc = "The file with its private key."},
    {.name = "server_name",
     .type = LEAT_OPTION_STRING,
     SETTING(server_name),
     .doc = "The name that the server's certificate has to be for; default: the address's host."},
    {.name = "verify",
     .type = LEAT_OPTION_BOOL,
     SETTING(verify),
     .fallback = "true",
     .doc = "Whether the server's certificate is checked. Without it, anybody can be the server."},
};
static const leat_option backoff_fields[] = {
    {.name = "first",
     .type = LEAT_OPTION_DURATION,
     SETTING(backoff_ms),
     .fallback = "50ms",
     .min = 1,
     .max = HOUR_MS,
     .doc = "The pause after a failed attempt to connect; each further one doubles it."},
    {.name = "most",
     .type = LEAT_OPTION_DURATION,
     SETTING(backoff_max_ms),
     .fallback = "5s",
     .min = 1,
     .max = HOUR_MS,
     .doc = "The longest pause. Up to half of each is left to chance."},
};
static const leat_option breaker_fields[] = {
    {.name = "failures",
     .type = LEAT_OPTION_INT,
     SETTING(breaker_failures),
     .fallback = "5",
     .min = 1,
     .max = 1000000,
     .doc = "After so many failures in a row, nothing is asked for a while."},
    {.name = "open",
     .type = LEAT_OPTION_DURATION,
     SETTING(breaker_open_ms),
     .fallback = "10s",
     .min = 1,
     .max = HOUR_MS,
     .doc = "How long; then one call tries again."},
};
#define FIELDS(table) .fields = (table), .fields_count = sizeof(table) / sizeof(table)[0]
const leat_option plan_redis_options[] = {
    {.name = "address",
     .type = LEAT_OPTION_NODE,
     AT(address),
     .shape = ADDRESS_SHAPE,
     .doc = "The server, `host:port`, or a list, of which the first that answers is taken (to be "
            "written to: the first that is no replica); the port may be left out (6379)."},
    {.name = "sentinel", .type = LEAT_OPTION_OBJECT, FIELDS(sentinel_fields)},
    {.name = "username",
     .type = LEAT_OPTION_STRING,
     SETTING(username),
     .doc = "User; default: the default user."},
    {.name = "password",
     .type = LEAT_OPTION_STRING,
     SETTING(password),
     .doc = "Password, best from `${file:...}`."},
    {.name = "database",
     .type = LEAT_OPTION_INT,
     SETTING(database),
     .fallback = "0",
     .min = 0,
     .max = 1000000,
     .doc = "Number of the database."},
    {.name = "tls", .type = LEAT_OPTION_OBJECT, FIELDS(tls_fields)},
    {.name = "connect_timeout",
     .type = LEAT_OPTION_DURATION,
     SETTING(connect_timeout_ms),
     .fallback = "2s",
     .min = 1,
     .max = HOUR_MS,
     .doc = "How long connecting may take, with TLS and login; several addresses "
            "share it."},
    {.name = "timeout",
     .type = LEAT_OPTION_DURATION,
     SETTING(timeout_ms),
     .fallback = "1s",
     .min = 1,
     .max = HOUR_MS,
     .doc = "How long the answers to one batch may take."},
    {.name = "backoff", .type = LEAT_OPTION_OBJECT, FIELDS(backoff_fields)},
    {.name = "breaker", .type = LEAT_OPTION_OBJECT, FIELDS(breaker_fields)},
    {.name = "reply_max",
     .type = LEAT_OPTION_SIZE,
     SETTING(reply_bytes_max),
     .fallback = "64MiB",
     .min = 1024,
     .max = INT64_C(1) << 32,
     .doc = "What the answers to one batch may hold; more is a failure, not memory."},
    {.name = "replicas",
     .type = LEAT_OPTION_INT,
     SETTING(replicas),
     .fallback = "0",
     .min = 0,
     .max = 16,
     .doc = "So many replicas have to have an effect before it counts as applied (`WAIT`)."},
    {.name = "guard",
     .type = LEAT_OPTION_STRING,
     SETTING(guard),
     .doc = "Prefix of the keys that hold how far each partition's effects are applied; default: "
            "`leat:` and the pipeline's name. Another prefix forgets it all."},
};
#undef AT
#undef SETTING
const size_t plan_redis_options_count = sizeof plan_redis_options / sizeof plan_redis_options[0];

/* --- addresses --- */

static bool address_port(leat_str text, int32_t *port)
{
    int32_t number = 0;
    if (text.len == 0 || text.len > 5) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        number = number * 10 + (text.data[i] - '0');
    }
    *port = number;
    return number > 0 && number < 65536;
}

static bool host_good(leat_str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.data[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '-' || c == '_' || c == ':' || c == '%';
        if (!good) return false;
    }
    return host.len > 0 && host.len < 256;
}

/* host, host:port, [v6], [v6]:port */
static bool address_split(leat_str text, leat_str *host, leat_str *port)
{
    *port = LEAT_STR_NONE;
    if (text.len > 0 && text.data[0] == '[') {
        const char *end = memchr(text.data, ']', text.len);
        if (end == NULL) return false;
        *host = (leat_str){text.data + 1, (size_t)(end - text.data - 1)};
        leat_str rest = leat_str_slice(text, (size_t)(end - text.data) + 1, text.len);
        if (rest.len == 0) return host_good(*host);
        if (rest.data[0] != ':') return false;
        *port = leat_str_slice(rest, 1, rest.len);
        return host_good(*host);
    }
    ptrdiff_t colon = leat_str_find(text, LEAT_STR(":"));
    *host = colon < 0 ? text : leat_str_slice(text, 0, (size_t)colon);
    if (colon >= 0) *port = leat_str_slice(text, (size_t)colon + 1, text.len);
    return host_good(*host);
}

static void address_add(leat_planner *planner, leat_redis_settings *settings,
                        leat_redis_address *list, const leat_node *node, int32_t port_default)
{
    leat_str host, port;
    if (!plan_is_text(planner, node, "an address such as \"cache:6379\"")) return;
    if (plan_unresolved(planner, node)) return;
    LEAT_ASSERT(settings->addresses_count < ADDRESSES_MAX);
    leat_redis_address *address = &list[settings->addresses_count];
    address->port = port_default;
    if (!address_split(node->text, &host, &port) ||
        (port.data != NULL && !address_port(port, &address->port))) {
        if (leat_str_find(node->text, LEAT_STR("://")) >= 0) /* it may hold a password */
            leat_findings_add(planner->findings, node, false,
                              "this is a URL: write host:port here, and the user, the password, "
                              "the database and tls as settings of their own");
        else
            leat_findings_add(planner->findings, node, false,
                              "'%.*s' is no address such as cache:6379 or [::1]:6379",
                              LEAT_STR_ARG(plan_shown(node)));
        return;
    }
    address->host = plan_copy(planner, host);
    settings->addresses_count++;
}

static void addresses_read(leat_planner *planner, leat_redis_settings *settings,
                           const leat_node *node, int32_t port_default)
{
    bool list = node->kind == LEAT_NODE_LIST;
    leat_redis_address *addresses = leat_planner_alloc(planner, ADDRESSES_MAX * sizeof *addresses);
    settings->addresses = addresses;
    if (list && node->child == NULL)
        leat_findings_add(planner->findings, node, false, "the list is empty");
    for (const leat_node *one = list ? node->child : node; one != NULL;
         one = list ? one->next : NULL) {
        if (settings->addresses_count == ADDRESSES_MAX) {
            leat_findings_add(planner->findings, one, false, "more than %d addresses",
                              ADDRESSES_MAX);
            return;
        }
        address_add(planner, settings, addresses, one, port_default);
    }
}

/* --- servers --- */

static void check_tls(leat_planner *planner, leat_redis_settings *settings, const leat_node *tls)
{
    leat_str *files[] = {&settings->ca, &settings->cert, &settings->key};
    settings->tls = tls != NULL;
    if (tls == NULL || tls->kind != LEAT_NODE_OBJECT) return;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (files[i]->data != NULL)
            *files[i] = plan_copy(planner, plan_located(planner, *files[i]));
    if ((settings->cert.data == NULL) != (settings->key.data == NULL))
        leat_findings_add(planner->findings, tls, false,
                          "'cert' and 'key' go together: the certificate and its private key");
    const leat_node *verify = leat_node_member(tls, "verify");
    if (verify != NULL && !settings->verify && !plan_unresolved(planner, verify))
        leat_findings_add(planner->findings, verify, true,
                          "the server's certificate is not checked: whoever is in between can read "
                          "and change everything");
}

static void server_read(leat_planner *planner, const leat_node *node)
{
    leat_plan *plan = planner->plan;
    redis_options options = {0};
    leat_redis_settings *settings = &plan->redis[plan->redis_count];
    (void)plan_name_good(planner, node);
    (void)leat_options_read(plan_redis_options, plan_redis_options_count, node, &options,
                            planner->findings);
    *settings = options.settings;
    settings->index = (uint32_t)plan->redis_count++;
    settings->name = node->key;
    settings->place = leat_node_path(node, planner->arena);
    if (node->kind != LEAT_NODE_OBJECT) return;
    const leat_node *sentinel = leat_node_member(node, "sentinel");
    if ((options.address != NULL) == (sentinel != NULL))
        leat_findings_add(planner->findings, node, false,
                          sentinel == NULL
                              ? "one of 'address', 'sentinel' is missing"
                              : "only one of 'address', 'sentinel' can be given: Sentinels tell "
                                "the address");
    else if (sentinel == NULL)
        addresses_read(planner, settings, options.address, PORT_REDIS);
    else if (options.sentinels != NULL)
        addresses_read(planner, settings, options.sentinels, PORT_SENTINEL);
    check_tls(planner, settings, leat_node_member(node, "tls"));
    if (settings->backoff_max_ms < settings->backoff_ms)
        settings->backoff_max_ms = settings->backoff_ms;
    if (settings->guard.len == 0) {
        settings->guard = leat_arena_print(planner->arena, "leat:%.*s", LEAT_STR_ARG(plan->name));
    }
}

void plan_redis(leat_planner *planner, const leat_node *object)
{
    size_t count = 0;
    if (object == NULL) return;
    if (object->kind == LEAT_NODE_OBJECT)
        for (const leat_node *node = object->child; node != NULL; node = node->next)
            count++;
    if (count == 0 || count > SERVERS_MAX) {
        leat_finding *finding =
            leat_findings_add(planner->findings, object, false,
                              "must be an object with 1 to %d named servers", SERVERS_MAX);
        finding->suggestion = LEAT_STR("\"redis\": {\"cache\": {\"address\": \"cache:6379\"}}");
        return;
    }
    planner->plan->redis = leat_planner_alloc(planner, count * sizeof *planner->plan->redis);
    for (const leat_node *node = object->child; node != NULL && !plan_failed(planner);
         node = node->next)
        server_read(planner, node);
}

leat_redis_settings *leat_planner_redis(leat_planner *planner, const leat_node *name,
                                        const leat_node *at)
{
    const leat_plan *plan = planner->plan;
    LEAT_ASSERT(at != NULL && plan->redis_count <= SERVERS_MAX);
    if (plan->redis_count == 0) {
        leat_finding *finding = leat_findings_add(
            planner->findings, at, false, "the pipeline names no Redis server: set its 'redis'");
        finding->suggestion = LEAT_STR("\"redis\": {\"cache\": {\"address\": \"cache:6379\"}}");
        return NULL;
    }
    if (name == NULL && plan->redis_count == 1) return &plan->redis[0];
    if (name == NULL) {
        leat_findings_add(planner->findings, at, false,
                          "the pipeline has %zu Redis servers: say which one", plan->redis_count);
        return NULL;
    }
    if (!plan_is_text(planner, name, "the name of a Redis server")) return NULL;
    if (plan_unresolved(planner, name)) return &plan->redis[0];
    leat_str names[SERVERS_MAX];
    for (size_t i = 0; i < plan->redis_count; i++) {
        if (leat_str_equal(name->text, plan->redis[i].name)) return &plan->redis[i];
        names[i] = plan->redis[i].name;
    }
    leat_finding *finding = leat_findings_add(planner->findings, name, false,
                                              "the pipeline's 'redis' has no server '%.*s'",
                                              LEAT_STR_ARG(plan_shown(name)));
    finding->suggestion = leat_str_nearest(name->text, names, plan->redis_count);
    return NULL;
}
