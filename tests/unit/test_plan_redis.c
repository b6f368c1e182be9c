/* SPDX-License-Identifier: Apache-2.0 */
/* The `redis` of a pipeline, and sinks that write to it: what is wrong is said, with its place. */
#include "tests/unit/leak.h"
#include "tests/unit/plan_harness.h"

LEAT_SUITE(plan_redis);

typedef struct redis_case {
    const char *text, *want;
} redis_case;

/* Line 2 is the servers, line 3 the sink. */
#define PIPELINE(redis, to)                                                                        \
    "{\"name\":\"p\",\"dead_letter\":\"d\",\"sources\":{\"s\":{\"topic\":\"in\"}},\n"              \
    "\"redis\":" redis ",\"streams\":{\"t\":{\"from\":\"s\",\"to\":\n" to "}}}"
#define REDIS(redis) PIPELINE(redis, "{\"redis\":{\"set\":{\"key\":\"a\"}}}")
#define TO(to)       PIPELINE("{\"c\":{\"address\":\"c\"}}", "{\"redis\":" to "}")

static void run_cases(const redis_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        plan_bed bed = {0};
        const char *got = plan_bed_read(&bed, cases[i].text, 16 << 20);
        cr_expect_str_eq(got, cases[i].want, "%s\ngot:\n%swant:\n%s", cases[i].text, got,
                         cases[i].want);
        plan_bed_close(&bed);
    }
}
#define RUN(cases) run_cases(cases, sizeof(cases) / sizeof(cases)[0])

static const redis_case server_cases[] = {
    {REDIS("{\"c\":{\"address\":\"cache:6379\"}}"), ""},
    {REDIS("{\"c\":{\"address\":[\"a\",\"b:1\",\"[::1]:7\",\"[fe80::1]\"]}}"), ""},
    {REDIS("{\"c\":{\"sentinel\":{\"address\":\"s\",\"master\":\"m\"}}}"), ""},
    {REDIS("{\"c\":{\"address\":\"a\",\"tls\":{},\"password\":\"${env:PASSWORD}\"}}"), ""},
    {REDIS("{}"),
     "p:2:9: redis: must be an object with 1 to 64 named servers (\"redis\": {\"cache\": "
     "{\"address\": \"cache:6379\"}})\n"
     "p:3:10: streams.t.to.redis: the pipeline names no Redis server: set its 'redis' (\"redis\": "
     "{\"cache\": {\"address\": \"cache:6379\"}})\n"},
    {REDIS("{\"c\":{}}"), "p:2:14: redis.c: one of 'address', 'sentinel' is missing\n"},
    {REDIS("{\"c\":{\"adress\":\"a\",\"address\":\"b\"}}"),
     "p:2:15: redis.c.adress: unknown key 'adress' (did you mean 'address'?)\n"},
    {REDIS("{\"c\":{\"address\":\"redis://:hunter2@a\"}}"),
     "p:2:25: redis.c.address: this is a URL: write host:port here, and the user, the password, "
     "the database and tls as settings of their own\n"},
    {REDIS("{\"c\":{\"address\":\"${env:BAD}\"}}"),
     "p:2:25: redis.c.address: '***' is no address such as cache:6379 or [::1]:6379\n"},
    {REDIS("{\"c\":{\"address\":\"a:70000\"}}"),
     "p:2:25: redis.c.address: 'a:70000' is no address such as cache:6379 or [::1]:6379\n"},
    {REDIS("{\"c\":{\"address\":[]}}"), "p:2:25: redis.c.address: the list is empty\n"},
    {REDIS("{\"c\":{\"address\":7}}"),
     "p:2:25: redis.c.address: must be an address such as \"cache:6379\", not a whole number\n"},
    {REDIS("{\"c\":{\"address\":\"a\",\"sentinel\":{\"address\":\"s\",\"master\":\"m\"}}}"),
     "p:2:14: redis.c: only one of 'address', 'sentinel' can be given: Sentinels tell the "
     "address\n"},
    {REDIS("{\"c\":{\"sentinel\":{\"address\":\"s\"}}}"),
     "p:2:26: redis.c.sentinel: 'master' is missing\n"},
    {REDIS("{\"c\":{\"address\":\"a\",\"tls\":{\"cert\":\"c.pem\"}}}"),
     "p:2:35: redis.c.tls: 'cert' and 'key' go together: the certificate and its private key\n"},
    {REDIS("{\"c\":{\"address\":\"a\",\"tls\":{\"verify\":false}}}"),
     "p:2:45: warning: redis.c.tls.verify: the server's certificate is not checked: whoever is in "
     "between can read and change everything\n"},
    {REDIS("{\"c\":{\"address\":\"a\",\"timeout\":\"0s\",\"database\":-1}}"),
     "p:2:39: redis.c.timeout: must be between 1ms and 1h\n"
     "p:2:55: redis.c.database: must be between 0 and 1000000\n"},
};

Test(plan_redis, servers)
{
    RUN(server_cases);
}

static const redis_case sink_cases[] = {
    {TO("{\"set\":{\"key\":\"a\",\"value\":\"b\",\"ttl\":\"1h\"}}"), ""},
    {TO("{\"server\":\"c\",\"hset\":{\"key\":\"a\",\"fields\":{\"f\":\"b\",\"g\":\"c\"}}}"), ""},
    {TO("{\"incrby\":{\"key\":\"a\"}}"), ""},
    {TO("{\"incrby\":{\"key\":\"a\",\"field\":\"b\",\"by\":\"c * 2\"}}"), ""},
    {TO("{\"xadd\":{\"key\":\"a\",\"maxlen\":10}}"), ""},
    {TO("{\"publish\":{\"channel\":\"a\",\"message\":\"b\"}}"), ""},
    {TO("{}"),
     "p:3:10: streams.t.to.redis: one of 'set', 'hset', 'incrby', 'xadd', 'publish' is missing\n"},
    {TO("{\"set\":{\"key\":\"a\"},\"incrby\":{\"key\":\"b\"}}"),
     "p:3:10: streams.t.to.redis: a sink does one of 'set', 'hset', 'incrby', 'xadd', 'publish'; "
     "write a list of sinks for several\n"},
    {TO("{\"set\":1}"), "p:3:17: streams.t.to.redis.set: must be an object, not a whole number\n"},
    {TO("{\"set\":{}}"), "p:3:17: streams.t.to.redis.set: 'key' is missing\n"},
    {TO("{\"set\":{\"key\":\"a\",\"valu\":\"b\"}}"),
     "p:3:28: streams.t.to.redis.set.valu: unknown key 'valu' (did you mean 'value'?)\n"},
    {TO("{\"set\":{\"key\":\"a +\"}}"),
     "p:3:28: streams.t.to.redis.set.key: expected a value, but the expression ends here\n"},
    {TO("{\"hset\":{\"key\":\"a\"}}"), "p:3:18: streams.t.to.redis.hset: 'fields' is missing\n"},
    {TO("{\"hset\":{\"key\":\"a\",\"fields\":{}}}"),
     "p:3:38: streams.t.to.redis.hset.fields: must be an object of fields and expressions, such as "
     "{\"total\": \"amount\"}\n"},
    {TO("{\"incrby\":{\"key\":\"a\",\"by\":\"'x'\"}}"),
     "p:3:36: streams.t.to.redis.incrby.by: must give an int, but gives a string\n"},
    {TO("{\"xadd\":{\"key\":\"a\",\"maxlen\":0}}"),
     "p:3:38: streams.t.to.redis.xadd.maxlen: must be between 1 and 9007199254740992\n"},
    {TO("{\"server\":\"cc\",\"set\":{\"key\":\"a\"}}"),
     "p:3:20: streams.t.to.redis.server: the pipeline's 'redis' has no server 'cc' (did you mean "
     "'c'?)\n"},
    {PIPELINE("{\"c\":{\"address\":\"c\"},\"d\":{\"address\":\"d\"}}",
              "{\"redis\":{\"set\":{\"key\":\"a\"}}}"),
     "p:3:10: streams.t.to.redis: the pipeline has 2 Redis servers: say which one\n"},
    {PIPELINE("{\"c\":{\"address\":\"c\"}}",
              "{\"redis\":{\"set\":{\"key\":\"a\"}},\"format\":\"json\"}"),
     "p:3:30: streams.t.to.format: 'format' does not go with redis: its expressions say what goes "
     "in\n"},
    {"{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"redis\":{\"c\":{\"address\":\"c\"}},"
     "\"streams\":{\"t\":{\"from\":\"s\",\"to\":\"o\"}},\n"
     "\"dead_letter\":{\"redis\":{\"set\":{\"key\":\"a\"}}}}",
     "p:2:16: dead_letter.redis: 'redis' is not for records that go out as they came\n"},
};

Test(plan_redis, sinks)
{
    RUN(sink_cases);
}

/* A step that keeps state, for its place in the plan only. */
static bool stateful_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    (void)planner;
    (void)step;
    (void)json;
    return true;
}
static const leat_operator_type stateful_type = {
    .name = "remember", .stateful = true, .plan = stateful_plan};

#define REPLAYS(topics, more)                                                                      \
    "{\"name\":\"p\",\"dead_letter\":\"d\"" more ",\"sources\":{\"s\":{\"topic\":" topics "}},\n"  \
    "\"redis\":{\"c\":{\"address\":\"c\"}},\"streams\":{\"t\":{\"from\":\"s\",\"steps\":[{"        \
    "\"remember\":{}}],\"to\":\n{\"redis\":{\"set\":{\"key\":\"a\"}}}}}}"

static const redis_case replay_cases[] = {
    {REPLAYS("\"a\"", ""), ""},
    {REPLAYS("[\"a\",\"b\"]", ",\"guarantee\":\"at_least_once\""), ""},
    {REPLAYS("[\"a\",\"b\"]", ""),
     "p:3:2: streams.t.to.redis: behind steps that keep state, the effects of a source with "
     "several "
     "topics cannot be told apart in a replay: write to a topic, and from there to redis in a "
     "pipeline of its own\n"},
};

Test(plan_redis, replays)
{
    for (size_t i = 0; i < sizeof replay_cases / sizeof replay_cases[0]; i++) {
        plan_bed bed = {.more = {&stateful_type}};
        const char *got = plan_bed_read(&bed, replay_cases[i].text, 16 << 20);
        cr_expect_str_eq(got, replay_cases[i].want, "got:\n%swant:\n%s", got, replay_cases[i].want);
        plan_bed_close(&bed);
    }
}
