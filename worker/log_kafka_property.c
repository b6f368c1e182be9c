/* SPDX-License-Identifier: Apache-2.0 */
/* One table says what becomes of a property that is not simply passed on:
 *
 *   RENAME   the Java client has another name for it
 *   KIBI     renamed, and counted in KiB there
 *   SKIP     means nothing outside of Java: left out, with a note
 *   REFUSE   belongs to the pipeline file, or would break what it promises
 *   UNLESS   refused but for the one value that it has here anyway
 *   PARSE    needs looking into: log-in modules, key stores, class names
 *
 * Everything else keeps its name; the library knows it or the error names the nearest. Stores in
 * Java's own format cannot be read by anything else, so the error says which command converts them.
 * Refused: passing every property to both clients. The library takes it, but warns on each start of
 * properties that are right. */
#include "worker/log_kafka_property.h"

#include <stdlib.h>

#include "core/mem.h"

typedef enum treatment { RENAME, KIBI, SKIP, REFUSE, UNLESS, PARSE } treatment;

typedef struct rule {
    const char *name;
    treatment treatment;
    const char *other; /* RENAME, KIBI: the name; UNLESS: the value; SKIP, REFUSE: why */
    const char *why;   /* UNLESS */
} rule;

#define OWN_OFFSETS "offsets are committed together with the output, never on their own"
#define PER_SHARD   "Leat gives each thread its own, so that restarts find their place again"

static const rule rules[] = {
    {"group.id", REFUSE, "the group is the pipeline's name: rename the pipeline instead", NULL},
    {"group.instance.id", REFUSE, PER_SHARD "; set worker.instance instead", NULL},
    {"transactional.id", REFUSE, PER_SHARD "; set worker.instance instead", NULL},
    {"group.protocol", UNLESS, "classic", "Leat's rebalances follow the classic protocol"},
    {"enable.auto.commit", UNLESS, "false", OWN_OFFSETS},
    {"enable.auto.offset.store", UNLESS, "false", OWN_OFFSETS},
    {"auto.commit.enable", UNLESS, "false", OWN_OFFSETS},
    {"isolation.level", UNLESS, "read_committed", "aborted records would be read as if they were"},
    {"enable.idempotence", UNLESS, "true", "without it retries double and disorder records"},
    {"enable.gapless.guarantee", UNLESS, "false", "transactions already say what was lost"},
    {"auto.offset.reset", REFUSE, "write `start` (earliest, latest, a time) at the source", NULL},
    {"enable.partition.eof", REFUSE, "Leat needs it itself", NULL},
    {"partitioner", UNLESS, "murmur2_random", "keys must go where Java clients put them"},
    {"delivery.report.only.error", REFUSE, "Leat needs it itself", NULL},
    {"max.poll.records", SKIP, "a poll takes what is there", NULL},
    {"key.serializer", SKIP, "`format` says it", NULL},
    {"value.serializer", SKIP, "`format` says it", NULL},
    {"key.deserializer", SKIP, "`format` says it", NULL},
    {"value.deserializer", SKIP, "`format` says it", NULL},
    {"auto.commit.interval.ms", SKIP, "`commit_interval` says it", NULL},
    {"default.api.timeout.ms", SKIP, "it is an option of the Java client", NULL},
    {"partitioner.class", SKIP, "keys go where Java clients put them by default", NULL},
    {"interceptor.classes", SKIP, "it names Java classes", NULL},
    {"metric.reporters", SKIP, "it names Java classes", NULL},
    {"metrics.num.samples", SKIP, "it is an option of the Java client", NULL},
    {"metrics.recording.level", SKIP, "it is an option of the Java client", NULL},
    {"metrics.sample.window.ms", SKIP, "it is an option of the Java client", NULL},
    {"security.providers", SKIP, "it names Java classes", NULL},
    {"exclude.internal.topics", SKIP, "it is an option of the Java client", NULL},
    {"ssl.protocol", SKIP, "the best common version of TLS is taken", NULL},
    {"ssl.enabled.protocols", SKIP, "the best common version of TLS is taken", NULL},
    {"ssl.provider", SKIP, "it names Java classes", NULL},
    {"ssl.keymanager.algorithm", SKIP, "it is an option of the Java client", NULL},
    {"ssl.trustmanager.algorithm", SKIP, "it is an option of the Java client", NULL},
    {"ssl.secure.random.implementation", SKIP, "it is an option of the Java client", NULL},
    {"ssl.truststore.password", SKIP, "certificates in PEM need none", NULL},
    {"sasl.login.callback.handler.class", SKIP, "it names a Java class", NULL},
    {"sasl.client.callback.handler.class", SKIP, "it names a Java class", NULL},
    {"sasl.login.class", SKIP, "it names a Java class", NULL},
    {"buffer.memory", KIBI, "queue.buffering.max.kbytes", NULL},
    {"max.request.size", RENAME, "message.max.bytes", NULL},
    {"fetch.max.wait.ms", RENAME, "fetch.wait.max.ms", NULL},
    {"receive.buffer.bytes", RENAME, "socket.receive.buffer.bytes", NULL},
    {"send.buffer.bytes", RENAME, "socket.send.buffer.bytes", NULL},
    {"sasl.mechanism", RENAME, "sasl.mechanisms", NULL},
    {"ssl.truststore.certificates", RENAME, "ssl.ca.pem", NULL},
    {"ssl.keystore.certificate.chain", RENAME, "ssl.certificate.pem", NULL},
    {"ssl.keystore.key", RENAME, "ssl.key.pem", NULL},
    {"ssl.truststore.location", PARSE, NULL, NULL},
    {"ssl.truststore.type", PARSE, NULL, NULL},
    {"ssl.keystore.location", PARSE, NULL, NULL},
    {"ssl.keystore.type", PARSE, NULL, NULL},
    {"ssl.endpoint.identification.algorithm", PARSE, NULL, NULL},
    {"sasl.jaas.config", PARSE, NULL, NULL},
    {"partition.assignment.strategy", PARSE, NULL, NULL},
};

/* Properties of one of the clients only; a dot at the end stands for all that begin so. */
static const char *const of_consumer[] = {"fetch.",
                                          "max.partition.fetch.bytes",
                                          "session.timeout.ms",
                                          "heartbeat.interval.ms",
                                          "max.poll.interval.ms",
                                          "partition.assignment.strategy",
                                          "queued.",
                                          "check.crcs",
                                          "isolation.level",
                                          "coordinator.query.interval.ms",
                                          "group.",
                                          "allow.auto.create.topics",
                                          "consume.",
                                          "offset.store.",
                                          "enable.auto.",
                                          "auto.commit."};
static const char *const of_producer[] = {"linger.ms",
                                          "queue.buffering.",
                                          "batch.",
                                          "compression.",
                                          "acks",
                                          "request.required.acks",
                                          "retries",
                                          "message.send.max.retries",
                                          "message.timeout.ms",
                                          "delivery.timeout.ms",
                                          "request.timeout.ms",
                                          "transaction.timeout.ms",
                                          "enable.idempotence",
                                          "partitioner",
                                          "enable.gapless.guarantee",
                                          "sticky.partitioning.linger.ms",
                                          "queuing.strategy",
                                          "msg_order_cmp"};

static bool named(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(names[i]);
        bool prefix = names[i][len - 1] == '.';
        if (prefix ? strncmp(name, names[i], len) == 0 : strcmp(name, names[i]) == 0) return true;
    }
    return false;
}

static leat_kafka_role role_of(const char *name)
{
    if (named(of_consumer, sizeof of_consumer / sizeof of_consumer[0], name))
        return LEAT_KAFKA_CONSUMER;
    if (named(of_producer, sizeof of_producer / sizeof of_producer[0], name))
        return LEAT_KAFKA_PRODUCER;
    return LEAT_KAFKA_BOTH;
}

static bool is_secret(const char *name)
{
    static const char *const words[] = {"password", "secret", "jaas", ".pem", "ssl.key"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(name, words[i]) != NULL && strcmp(name, "ssl.key.location") != 0) return true;
    return false;
}

/* --- the list --- */

static char *text_of(leat_str str)
{
    char *text = leat_mem_need(str.len + 1);
    if (str.len > 0) memcpy(text, str.data, str.len);
    return text;
}

static void set(leat_kafka_settings *settings, const char *name, leat_str value,
                const leat_property *from)
{
    leat_kafka_setting *setting = NULL;
    for (size_t i = 0; i < settings->count; i++)
        if (strcmp(settings->list[i].name, name) == 0) setting = &settings->list[i];
    if (setting == NULL) {
        size_t count = settings->count + 1;
        leat_kafka_setting *list = leat_mem_need(count * sizeof *list);
        if (settings->count > 0) memcpy(list, settings->list, settings->count * sizeof *list);
        leat_mem_free(settings->list);
        settings->list = list;
        setting = &list[settings->count++];
    } else {
        leat_mem_free(setting->name);
        leat_mem_free(setting->value);
    }
    size_t len = strlen(name);
    char *both = leat_mem_need(len + 1 + from->name.len + 1);
    memcpy(both, name, len);
    if (from->name.len > 0) memcpy(both + len + 1, from->name.data, from->name.len);
    *setting = (leat_kafka_setting){.name = both,
                                    .value = text_of(value),
                                    .written = {both + len + 1, from->name.len},
                                    .role = role_of(name),
                                    .secret = from->secret || is_secret(name)};
}

void leat_kafka_settings_release(leat_kafka_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        leat_mem_free(settings->list[i].name);
        leat_mem_free(settings->list[i].value);
    }
    leat_mem_free(settings->list);
    *settings = (leat_kafka_settings){0};
}

const char *leat_kafka_settings_get(const leat_kafka_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->count; i++)
        if (strcmp(settings->list[i].name, name) == 0) return settings->list[i].value;
    return NULL;
}

/* --- what needs looking into --- */

/* The value of `key` in a JAAS option list: key="va\"lue" or key='value'; false: not there. */
static bool jaas_option(leat_str text, const char *key, char *value, size_t size)
{
    size_t len = strlen(key);
    for (size_t i = 0; i + len + 2 < text.len; i++) {
        bool begins = i > 0 && (text.data[i - 1] == ' ' || text.data[i - 1] == '\t' ||
                                text.data[i - 1] == '\n' || text.data[i - 1] == '\r');
        if (!begins || memcmp(text.data + i, key, len) != 0 || text.data[i + len] != '=') continue;
        char quote = text.data[i + len + 1];
        if (quote != '"' && quote != '\'') return false;
        size_t out = 0;
        for (size_t k = i + len + 2; k < text.len && out + 1 < size; k++) {
            char c = text.data[k];
            if (c == quote) {
                value[out] = 0;
                return true;
            }
            if (c == '\\' && k + 1 < text.len) c = text.data[++k];
            value[out++] = c;
        }
        return false;
    }
    return false;
}

static leat_code parse_jaas(leat_kafka_settings *settings, const leat_property *property,
                            leat_err *err)
{
    char user[512], password[1024];
    bool plain = leat_str_find(property->value, LEAT_STR("PlainLoginModule")) >= 0;
    bool scram = leat_str_find(property->value, LEAT_STR("ScramLoginModule")) >= 0;
    if (!plain && !scram)
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "sasl.jaas.config: only PlainLoginModule and ScramLoginModule can be "
                            "taken over; write sasl.mechanism, sasl.username and sasl.password, or "
                            "the sasl.oauthbearer and sasl.kerberos properties, instead");
    if (!jaas_option(property->value, "username", user, sizeof user) ||
        !jaas_option(property->value, "password", password, sizeof password))
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "sasl.jaas.config: no username=\"...\" and password=\"...\" in it; "
                            "write sasl.username and sasl.password instead");
    set(settings, "sasl.username", leat_str_of(user), property);
    set(settings, "sasl.password", leat_str_of(password), property);
    if (plain && leat_kafka_settings_get(settings, "sasl.mechanisms") == NULL)
        set(settings, "sasl.mechanisms", LEAT_STR("PLAIN"), property);
    return LEAT_OK;
}

static leat_code parse_assignors(leat_kafka_settings *settings, const leat_property *property,
                                 leat_err *err)
{
    static const char *const java[][2] = {
        {"RangeAssignor", "range"},
        {"RoundRobinAssignor", "roundrobin"},
        {"CooperativeStickyAssignor", "cooperative-sticky"},
    };
    for (size_t i = 0; i < 3; i++)
        if (leat_str_ends(property->value, leat_str_of(java[i][0]))) {
            set(settings, "partition.assignment.strategy", leat_str_of(java[i][1]), property);
            return LEAT_OK;
        }
    if (leat_str_find(property->value, LEAT_STR("Assignor")) >= 0)
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "partition.assignment.strategy: '%.*s' is not known here; write range, "
                            "roundrobin or cooperative-sticky",
                            LEAT_STR_ARG(property->value));
    set(settings, "partition.assignment.strategy", property->value, property);
    return LEAT_OK;
}

static bool says(const char *type, const char *what)
{
    return type != NULL && strcmp(type, what) == 0;
}

/* Stores of Java come in three formats; which one is said by *.type or by the file's name. */
static leat_code parse_store(leat_kafka_settings *settings, const leat_property *property,
                             const leat_property *types, const char *what, leat_err *err)
{
    char *type = types == NULL ? NULL : text_of(types->value);
    bool pem =
        says(type, "PEM") || (type == NULL && (leat_str_ends(property->value, LEAT_STR(".pem")) ||
                                               leat_str_ends(property->value, LEAT_STR(".crt"))));
    bool pkcs12 = says(type, "PKCS12") ||
                  (type == NULL && (leat_str_ends(property->value, LEAT_STR(".p12")) ||
                                    leat_str_ends(property->value, LEAT_STR(".pfx"))));
    leat_mem_free(type);
    bool keys = strcmp(what, "keystore") == 0;
    if (pem && !keys) {
        set(settings, "ssl.ca.location", property->value, property);
    } else if (pem) {
        set(settings, "ssl.certificate.location", property->value, property);
        set(settings, "ssl.key.location", property->value, property);
    } else if (pkcs12 && keys) {
        set(settings, "ssl.keystore.location", property->value, property);
    } else {
        return leat_err_set(
            err, LEAT_ERR_CONFIG,
            "ssl.%s.location: '%.*s' is a store that only Java reads; convert it (%s) and write "
            "%s instead",
            what, LEAT_STR_ARG(property->value),
            keys ? "keytool -importkeystore -deststoretype PKCS12"
                 : "keytool -exportcert -rfc, one certificate after the other into one file",
            keys ? "ssl.keystore.type=PKCS12" : "ssl.ca.location");
    }
    return LEAT_OK;
}

static const leat_property *other_of(const leat_property *properties, size_t count,
                                     const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (leat_str_is(properties[i].name, name)) return &properties[i];
    return NULL;
}

static leat_code parse(leat_kafka_settings *settings, const leat_property *property,
                       const leat_property *all, size_t count, leat_err *err)
{
    if (leat_str_is(property->name, "sasl.jaas.config")) return parse_jaas(settings, property, err);
    if (leat_str_is(property->name, "partition.assignment.strategy"))
        return parse_assignors(settings, property, err);
    if (leat_str_is(property->name, "ssl.truststore.location"))
        return parse_store(settings, property, other_of(all, count, "ssl.truststore.type"),
                           "truststore", err);
    if (leat_str_is(property->name, "ssl.keystore.location"))
        return parse_store(settings, property, other_of(all, count, "ssl.keystore.type"),
                           "keystore", err);
    if (leat_str_is(property->name, "ssl.endpoint.identification.algorithm")) {
        /* Java switches it off with nothing. */
        leat_str value = property->value.len == 0 ? LEAT_STR("none") : property->value;
        set(settings, "ssl.endpoint.identification.algorithm", value, property);
    }
    return LEAT_OK; /* ssl.*.type are read with their stores */
}

/* --- one property --- */

static leat_code set_kibi(leat_kafka_settings *settings, const rule *found,
                          const leat_property *property, leat_err *err)
{
    char *text = text_of(property->value), *end = NULL, number[32];
    unsigned long long bytes = strtoull(text, &end, 10);
    bool fine = property->value.len > 0 && *end == 0;
    leat_mem_free(text);
    if (!fine)
        return leat_err_set(err, LEAT_ERR_CONFIG, "%s: '%.*s' is no number of bytes", found->name,
                            LEAT_STR_ARG(property->value));
    size_t at = sizeof number;
    unsigned long long kibi = bytes / 1024 > 0 ? bytes / 1024 : 1;
    for (; kibi > 0; kibi /= 10)
        number[--at] = (char)('0' + kibi % 10);
    set(settings, found->other, (leat_str){number + at, sizeof number - at}, property);
    return LEAT_OK;
}

static void skip(const rule *found, leat_kafka_note note, void *context)
{
    if (note == NULL) return;
    leat_err text;
    leat_err_set(&text, LEAT_ERR_CONFIG, "kafka: %s is left out: %s", found->name, found->other);
    note(context, text.text);
}

static leat_code apply(leat_kafka_settings *settings, const rule *found,
                       const leat_property *property, leat_err *err)
{
    switch (found->treatment) {
    case RENAME: set(settings, found->other, property->value, property); return LEAT_OK;
    case KIBI: return set_kibi(settings, found, property, err);
    case REFUSE:
        return leat_err_set(err, LEAT_ERR_CONFIG, "%s cannot be set: %s", found->name,
                            found->other);
    case UNLESS:
        if (leat_str_is(property->value, found->other)) return LEAT_OK;
        return leat_err_set(err, LEAT_ERR_CONFIG, "%s can only be %s: %s", found->name,
                            found->other, found->why);
    case SKIP:
    case PARSE: break; /* by the caller */
    }
    return LEAT_OK;
}

leat_code leat_kafka_settings_add(leat_kafka_settings *settings, const leat_property *properties,
                                  size_t count, leat_kafka_note note, void *context, leat_err *err)
{
    for (size_t i = 0; i < count; i++) {
        const leat_property *property = &properties[i];
        if (property->name.len == 0 || memchr(property->name.data, 0, property->name.len) != NULL ||
            (property->value.len > 0 &&
             memchr(property->value.data, 0, property->value.len) != NULL))
            return leat_err_set(err, LEAT_ERR_CONFIG,
                                "kafka: a property without name, or with a "
                                "zero byte in it: '%.*s'",
                                LEAT_STR_ARG(property->name));
        if (leat_str_starts(property->name, LEAT_STR("memory."))) continue; /* the embedded log's */
        const rule *found = NULL;
        for (size_t k = 0; k < sizeof rules / sizeof rules[0]; k++)
            if (leat_str_is(property->name, rules[k].name)) found = &rules[k];
        if (found == NULL) {
            char *name = text_of(property->name);
            set(settings, name, property->value, property);
            leat_mem_free(name);
        } else if (found->treatment == SKIP) {
            skip(found, note, context);
        } else if (found->treatment == PARSE) {
            LEAT_TRY(parse(settings, property, properties, count, err));
        } else {
            LEAT_TRY(apply(settings, found, property, err));
        }
    }
    return LEAT_OK;
}
