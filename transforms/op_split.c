/* SPDX-License-Identifier: Apache-2.0 */
/* split: a record takes the first route whose expression is true, in the order of the file, and
 * goes on in the streams that read `stream.route`. `default` names a route for what is left;
 * without it, that is dropped and counted.
 *
 * Each route is a port of the node with a batch of its own. An expression that fails sends the
 * record to the dead letter, also if a later route would have taken it: which one would, cannot be
 * known. Cost: the expressions' up to the one that holds, and ~5 ns. */
#include "transforms/operator.h"

#define ROUTES_MAX 1000

typedef struct split_route {
    leat_expr *condition;
    uint32_t port;
} split_route;

typedef struct split_config {
    split_route *routes;
    size_t count;
    uint32_t otherwise; /* port of `default`; UINT32_MAX: none */
} split_config;

static bool name_is_good(leat_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return name.len > 0;
}

/* The port of this name, a new one if there is none yet. */
static bool port_of(leat_planner *planner, leat_step *step, leat_str *names, const leat_node *node,
                    leat_str name, uint32_t *port)
{
    if (!name_is_good(name)) {
        leat_findings_add(leat_planner_findings(planner), node, false,
                          "'%.*s' cannot be the name of a route: letters, digits, _ and - only",
                          LEAT_STR_ARG(name));
        return false;
    }
    for (*port = 0; *port < step->ports; ++*port)
        if (leat_str_equal(names[*port], name)) return true;
    names[step->ports++] = name;
    return true;
}

static bool plan_routes(leat_planner *planner, leat_step *step, const leat_node *json,
                        leat_str *names, split_config *config)
{
    bool good = true;
    const leat_node *otherwise = NULL;
    for (const leat_node *member = json->child; member != NULL; member = member->next) {
        if (leat_str_is(member->key, "default")) {
            otherwise = member;
            continue;
        }
        split_route *route = &config->routes[config->count++];
        good &= port_of(planner, step, names, member, member->key, &route->port);
        route->condition = leat_planner_expr(planner, step, member, NULL);
        good &= route->condition != NULL &&
                leat_planner_expect(planner, member, route->condition, "bool");
    }
    if (otherwise == NULL) return good;
    if (otherwise->kind != LEAT_NODE_STRING) {
        leat_findings_add(leat_planner_findings(planner), otherwise, false,
                          "default needs the name of a route, not %s",
                          leat_node_kind_name(otherwise->kind));
        return false;
    }
    return port_of(planner, step, names, otherwise, otherwise->text, &config->otherwise) && good;
}

static bool split_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    size_t count = 0;
    if (json->kind == LEAT_NODE_OBJECT)
        for (const leat_node *member = json->child; member != NULL; member = member->next)
            count++;
    if (count == 0 || count > ROUTES_MAX) {
        leat_findings_add(leat_planner_findings(planner), json, false,
                          "split needs an object of routes and expressions, such as "
                          "{\"large\": \"amount > 100.0\", \"default\": \"small\"}");
        return false;
    }
    split_config *config = leat_planner_alloc(planner, sizeof *config);
    config->routes = leat_planner_alloc(planner, count * sizeof *config->routes);
    config->otherwise = UINT32_MAX;
    leat_str *names = leat_planner_alloc(planner, count * sizeof *names);
    step->config = config;
    step->routes = names;
    step->ports = 0;
    bool good = plan_routes(planner, step, json, names, config);
    if (step->ports == 0) step->ports = 1; /* a mistake; whoever looks finds a port */
    return good;
}

/* The port that takes the record; UINT32_MAX: none does. */
static leat_code split_record(const split_config *config, const leat_eval *eval, uint32_t *port,
                              leat_err *err)
{
    for (size_t i = 0; i < config->count; i++) {
        bool holds = false;
        LEAT_TRY(leat_expr_test(config->routes[i].condition, eval, &holds, err));
        *port = config->routes[i].port;
        if (holds) return LEAT_OK;
    }
    *port = config->otherwise;
    return LEAT_OK;
}

static leat_code split_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const split_config *config = run->step->config;
    uint64_t unrouted = 0;
    for (size_t i = 0; i < in->count; i++) {
        leat_record *record = in->records[i];
        leat_eval eval;
        leat_err why;
        uint32_t port = UINT32_MAX;
        leat_run_eval(run, record, &eval);
        if (LEAT_UNLIKELY(split_record(config, &eval, &port, &why) != LEAT_OK))
            LEAT_TRY(leat_run_reject(run, record, &why, err));
        else if (port != UINT32_MAX)
            LEAT_TRY(leat_run_emit(run, port, record, err));
        else
            unrouted++;
    }
    leat_run_count(run, "no_route", unrouted);
    return LEAT_OK;
}

const leat_operator_type leat_operator_split = {
    .name = "split",
    .doc = "Sends each record the first way whose expression is true, in the order of the file. "
           "Streams continue a route by `\"from\": \"stream.route\"`. `default` names a route for "
           "the rest; without it, they are dropped and counted.\n\n"
           "```json\n{ \"split\": { \"large\": \"amount > 100.0\", \"default\": \"small\" } "
           "}\n```\n",
    .schema = "{\"type\":\"object\",\"minProperties\":1,\"properties\":{\"default\":{\"type\":"
              "\"string\",\"description\":\"The route of all other records\"}},"
              "\"additionalProperties\":{\"type\":\"string\",\"description\":\"A CEL expression "
              "that gives a bool\"}}",
    .plan = split_plan,
    .process = split_process,
};
