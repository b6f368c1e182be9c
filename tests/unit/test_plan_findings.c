/* SPDX-License-Identifier: Apache-2.0 */
/* What is said about pipelines that are wrong: every mistake, its place, and what was meant. */
#include "tests/unit/leak.h"
#include "tests/unit/plan_harness.h"

LEAT_SUITE(plan_findings);

#define PLAN_BYTES ((size_t)16 << 20)

/* The frame that most cases need; each %s is the case's. Columns are those of the whole line. */
#define DEAD       "\"dead_letter\":\"d\""
#define SOURCES    "\"sources\":{\"s\":{\"topic\":\"in\"}}"
#define STREAMS    "\"streams\":{\"t\":{\"from\":\"s\",\"to\":\"out\"}}"
#define TOP(text)  "{\"name\":\"p\"," DEAD "," SOURCES "," STREAMS "," text "}"
#define SOURCE(it) "{\"name\":\"p\"," DEAD ",\n\"sources\":{\"s\":" it "},\n" STREAMS "}"
#define STREAM(it) "{\"name\":\"p\"," DEAD "," SOURCES ",\n\"streams\":{" it "}}"
#define STEPS(it)  STREAM("\"t\":{\"from\":\"s\",\"to\":\"out\",\"steps\":[\n" it "]}")
#define TO(it)     STREAM("\"t\":{\"from\":\"s\",\"to\":\n" it "}")

typedef struct finding_case {
    const char *text, *want;
} finding_case;

static void run(const finding_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        plan_bed bed = {0};
        const char *got = plan_bed_read(&bed, cases[i].text, PLAN_BYTES);
        cr_expect_str_eq(got, cases[i].want, "%s\ngot:\n%swant:\n%s", cases[i].text, got,
                         cases[i].want);
        cr_expect_eq(bed.plan != NULL, bed.findings.errors == 0, "%s", cases[i].text);
        plan_bed_close(&bed);
    }
}
#define RUN(cases) run(cases, sizeof(cases) / sizeof(cases)[0])

static const finding_case top_cases[] = {
    {TOP("\"$schema\":\"x\""), ""},
    {TOP("\"description\":\"x\""), ""},
    {"[]", "p:1:1: must be an object, not a list\n"},
    {"{", "p:1:2: expected a key in quotes, but the text ends; the '{' of line 1, column 1 is not "
          "closed\n"},
    {TOP("\"guarentee\":1"),
     "p:1:102: guarentee: unknown key 'guarentee' (did you mean 'guarantee'?)\n"},
    {TOP("\"guarantee\":\"exactly_onc\""), "p:1:114: guarantee: must be one of: exactly_once, "
                                           "at_least_once (did you mean 'exactly_once'?)\n"},
    {TOP("\"commit_interval\":\"soon\""), "p:1:120: commit_interval: `soon` is no duration: write "
                                          "a whole number and ms, s, m, h or d, as 250ms or 7d\n"},
    {TOP("\"tables\":{}"), ""},
    {TOP("\"tables\":7"), "p:1:111: tables: must be an object with at most 1000 tables\n"},
    {TOP("\"limits\":{\"record\":\"1MB\"}"),
     "p:1:121: limits.record: `1MB` is no size: write a whole number and B, KiB, MiB, GiB or TiB, "
     "as 64KiB\n"},
    {TOP("\"limits\":{\"depth\":0}"), "p:1:120: limits.depth: must be between 1 and 1000\n"},
    {TOP("\"worker\":{\"thread\":1,\"log\":{\"level\":\"loud\"},\"state\":{\"memory\":\"x\"}}"),
     "p:1:112: worker.thread: unknown key 'thread' (did you mean 'threads'?)\np:1:138: "
     "worker.log.level: must be one of: debug, info, warn, error, silent\np:1:164: "
     "worker.state.memory: `x` is no size: write a whole number and B, KiB, MiB, GiB or TiB, as "
     "64KiB\n"},
    {TOP("\"kafka\":{\"a\":[],\"b\":1,\"c\":true}"),
     "p:1:115: kafka.a: a property of the client is a string, a number, true or false, not a "
     "list\n"},
    {TOP("\"kafka\":{\"sasl.username\":\"u\",\"security.protocol\":\"PLAINTEXT\"}"),
     "p:1:111: warning: kafka.'sasl.username': 'sasl.username' has no effect: security.protocol is "
     "'PLAINTEXT', so nobody logs in (\"security.protocol\": \"SASL_SSL\")\n"},
    {TOP("\"kafka\":{\"sasl.mechanism\":\"PLAIN\",\"security.protocol\":\"sasl_plaintext\"}"),
     "p:1:156: warning: kafka.'security.protocol': with the mechanism PLAIN the password crosses "
     "the network in the clear\n"},
    {"{\"name\":\"a b\"," SOURCES "," STREAMS "}",
     "p:1:1: warning: without 'dead_letter', records that fail are only counted and logged\n"
     "p:1:9: name: a pipeline's name has letters, digits, '.', '_' and '-', at most 100\n"},
    {"{" DEAD "}", "p:1:1: 'name' is missing\np:1:1: 'sources' is missing\n"
                   "p:1:1: 'streams' is missing\n"},
    {"{\"name\":\"p\"," DEAD ",\"sources\":[],\"streams\":{}}",
     "p:1:41: sources: must be an object with 1 to 1000 sources\np:1:54: streams: must be an "
     "object with 1 to 1000 streams\n"},
    {"{\"name\":\"p\"," SOURCES "," STREAMS ",\"dead_letter\":{\"topic\":\"d\",\"key\":\"k\"}}",
     "p:1:111: dead_letter.key: 'key' is not for records that go out as they came\n"},
    {"{\"name\":\"p\"," SOURCES "," STREAMS ",\"dead_letter\":\"in\"}",
     "p:1:24: warning: sources.s: 'dead_letter' writes to topic 'in', which this source reads: the "
     "records would go round in a circle\n"},
    {"{\"name\":\"p\"," SOURCES "," STREAMS
     ",\"worker\":{\"admin\":{\"listen\":\":1\"},\"state\":{\"dir\":\"/x\"}}}",
     "p:1:1: warning: without 'dead_letter', records that fail are only counted and logged\n"
     "p:1:94: warning: worker.admin: this version has no admin page yet: nothing listens there\n"
     "p:1:127: warning: worker.state.dir: this version keeps state in memory and in the changelog "
     "only: nothing is written there\n"},
    {"{\"name\":\"p\"," SOURCES ",\"streams\":{\"t\":{\"from\":\"s\",\"to\":[{\"file\":\"f\"},"
     "{\"file\":\"g\"},{\"file\":\"f\"}]}}}",
     "p:1:1: warning: without 'dead_letter', records that fail are only counted and logged\n"
     "p:1:44: warning: streams: 'streams.t.to[0]' and 'streams.t.to[2]' write to one file, 'f': it "
     "holds the lines of both, and on a full disk one cuts the other's off\n"},
};

Test(plan_findings, first_level)
{
    RUN(top_cases);
}

static const finding_case source_cases[] = {
    {SOURCE("{\"topic\":[\"a\",\"b\"],\"key\":\"id\",\"timestamp\":\"at\",\"start\":\"latest\"}"),
     ""},
    {SOURCE("{\"topic_pattern\":\"pay.*\",\"late\":\"drop\"}"), ""},
    {SOURCE("{\"topic\":\"a\",\"late\":{\"to\":{\"topic\":\"b\"}}}"), ""},
    {SOURCE("{\"file\":[\"data/a.jsonl\",\"data/b.jsonl\"],\"idle_after\":\"1s\"}"), ""},
    {SOURCE("{}"), "p:2:16: sources.s: one of 'topic', 'topic_pattern', 'file' is missing\n"},
    {SOURCE("1"), "p:2:16: sources.s: must be an object, not a whole number\n"},
    {SOURCE("{\"topic\":\"a\",\"file\":\"b\"}"),
     "p:2:16: sources.s: only one of 'topic', 'topic_pattern', 'file' can be given\n"},
    {SOURCE("{\"topic\":[]}"), "p:2:25: sources.s.topic: the list is empty\n"},
    {SOURCE("{\"topic\":\"a b\"}"),
     "p:2:25: sources.s.topic: 'a b' is no legal topic name: letters, digits, '.', '_' and '-', at "
     "most 249\n"},
    {SOURCE("{\"topic\":[\"a\",5]}"),
     "p:2:30: sources.s.topic[1]: must be a topic's name, not a whole number\n"},
    {SOURCE("{\"file\":\"gone.jsonl\"}"),
     "p:2:24: sources.s.file: there is no file 'gone.jsonl'\n"},
    {SOURCE("{\"file\":\"data/bad\"}"),
     "p:2:24: sources.s.file: cannot read 'data/bad': Permission denied\n"},
    {SOURCE("{\"topic_pattern\":\"pay(\"}"),
     "p:2:33: sources.s.topic_pattern: regular expression `pay(`: "
     "missing ): pay(\n"},
    {SOURCE("{\"topic\":\"a\",\"format\":{\"text\":{\"field\":\"line\"}}}"), ""},
    {SOURCE("{\"topic\":\"a\",\"format\":{\"txt\":{}}}"),
     "p:2:39: sources.s.format.txt: unknown format 'txt' (did you mean 'text'?)\n"},
    {SOURCE("{\"topic\":\"a\",\"format\":{\"json\":{\"a\":1}}}"),
     "p:2:47: sources.s.format.json.a: unknown key 'a'\n"},
    {SOURCE("{\"topic\":\"a\",\"format\":\"csv\"}"),
     "p:2:38: sources.s.format: csv without a header line needs 'columns': { \"csv\": { "
     "\"columns\": [\"id\", \"name\"] } }\n"},
    {SOURCE(
         "{\"topic\":\"a\",\"format\":{\"csv\":{\"columns\":[\"a\",\"a\"],\"delimiter\":\"ab\"}}}"),
     "p:2:78: sources.s.format.csv.delimiter: must be one ASCII character, and no line end\n"},
    {SOURCE("{\"topic\":\"a\",\"format\":{\"csv\":{\"columns\":[\"a\",\"a\"]}}}"),
     "p:2:61: sources.s.format.csv.columns[1]: 'a' is a column already\n"},
    {SOURCE("{\"topic\":\"a\",\"format\":{\"csv\":{\"columns\":{\"a\":\"itn\"}}}}"),
     "p:2:61: sources.s.format.csv.columns.a: a column's type is string, int, double or bool (did "
     "you mean 'int'?)\n"},
    {SOURCE("{\"topic\":\"a\",\"format\":{\"csv\":{\"columns\":[\"a\"],\"header\":true}}}"),
     "p:2:71: sources.s.format.csv.header: goes with files: in a topic, each record is one row\n"},
    {SOURCE("{\"topic\":\"a\",\"format\":{\"csv\":{\"columns\":[\"id\"]}},\"key\":\"idd\"}"),
     "p:2:72: warning: sources.s.key: the source has no field 'idd' (did you mean 'id'?)\n"},
    {SOURCE("{\"topic\":\"a\",\"format\":\"jsn\"}"),
     "p:2:38: sources.s.format: unknown format 'jsn' (did you mean 'json'?)\n"},
    {SOURCE("{\"topic\":\"a\",\"key\":\"id +\"}"),
     "p:2:40: sources.s.key: expected a value, but the expression ends here\n"},
    {SOURCE("{\"topic\":\"a\",\"timestamp\":\"true\"}"),
     "p:2:41: sources.s.timestamp: must give milliseconds as an int, an RFC 3339 text or a "
     "timestamp, not a bool\n"},
    {SOURCE("{\"topic\":\"a\",\"start\":\"earlyest\"}"),
     "p:2:37: sources.s.start: must be 'earliest', 'latest' or an RFC 3339 time such as "
     "2026-01-31T00:00:00Z (did you mean 'earliest'?)\n"},
    {SOURCE("{\"topic\":\"a\",\"late\":\"dorp\"}"),
     "p:2:36: sources.s.late: must be \"drop\" or {\"to\": a topic or sink}\n"},
    {SOURCE("{\"topic\":\"a\",\"late\":{\"to\":\"b\",\"x\":1}}"),
     "p:2:36: sources.s.late: must be \"drop\" or {\"to\": a topic or sink}\n"},
    {SOURCE("{\"topic\":\"a\",\"out_of_orderness\":\"5\"}"),
     "p:2:48: sources.s.out_of_orderness: `5` is no duration: write a whole number and ms, s, m, h "
     "or d, as 250ms or 7d\n"},
    {SOURCE("{\"topic\":\"a\"},\"s2\":{\"topic\":[\"b\",\"a\"]}"),
     "p:2:30: sources.s2: source 's' reads topic 'a' already; let the streams read that source\n"},
    {SOURCE("{\"topic\":\"a\"},\"s2\":{\"file\":\"data/a.jsonl\"}"),
     "p:2:30: sources.s2: files and topics cannot be read by one pipeline: write two, the first "
     "from the files to a topic\n"},
    {SOURCE("{\"topic\":\"a\"},\"s.2\":{\"topic\":\"b\"}"),
     "p:2:30: sources.'s.2': a name has letters, digits, '_' and '-', at most 100\n"},
};

Test(plan_findings, sources)
{
    RUN(source_cases);
}

static const finding_case stream_cases[] = {
    {STREAM("\"t\":{\"from\":\"s\",\"to\":\"o\"},\"u\":{\"from\":\"t\",\"to\":\"o2\"}"), ""},
    {STREAM("\"t\":{\"from\":\"S\",\"to\":\"o\"}"),
     "p:2:24: streams.t.from: there is no source or stream 'S' (did you mean 's'?)\n"},
    {STREAM("\"clean\":{\"from\":\"s\",\"to\":\"o\"},\"u\":{\"from\":\"clen\",\"to\":\"o2\"}"),
     "p:2:54: streams.u.from: there is no source or stream 'clen' (did you mean 'clean'?)\n"},
    {STREAM("\"t\":{\"from\":[\"s\"],\"to\":\"o\"}"),
     "p:2:24: streams.t.from: in this version a stream reads one source or stream, not a list; a "
     "source may have a list of topics\n"},
    {STREAM("\"t\":{\"to\":\"o\"}"), "p:2:16: streams.t: 'from' is missing\n"},
    {STREAM("\"s\":{\"from\":\"s\",\"to\":\"o\"}"),
     "p:2:12: streams.s: 's' is a source already: a stream needs another name\n"
     "p:2:24: streams.s.from: these streams read each other in a circle: s -> s\n"},
    {STREAM("\"a\":{\"from\":\"c\"},\"b\":{\"from\":\"a\"},\"c\":{\"from\":\"b\",\"to\":\"o\"},\n"
            "\"d\":{\"from\":\"c\",\"to\":\"o\",\"steps\":[{\"filter\":\"x +\"}]}"),
     "p:2:24: streams.a.from: these streams read each other in a circle: a -> c -> b -> a\np:3:49: "
     "streams.d.steps[0].filter: expected a value, but the expression ends here\n"},
    {STREAM("\"t\":{\"from\":\"s\"}"),
     "p:2:12: warning: streams.t: nobody reads stream 't', and it has no 'to'\n"},
    {STREAM("\"t\":{\"from\":\"s.x\",\"to\":\"o\"}"),
     "p:2:24: streams.t.from: 's' is a source, and only a stream that ends with a split has "
     "routes\n"},
    {STREAM("\"t\":{\"from\":\"s\"},\"u\":{\"from\":\"t.x\",\"to\":\"o\"}"),
     "p:2:41: streams.u.from: stream 't' has no routes: it does not end with a split\n"},
    {STREAM("\"t\":{\"from\":\"s\",\"stepz\":[]}"),
     "p:2:12: warning: streams.t: nobody reads stream 't', and it has no 'to'\n"
     "p:2:28: streams.t.stepz: unknown key 'stepz' (did you mean 'steps'?)\n"},
};

Test(plan_findings, streams)
{
    RUN(stream_cases);
}

#define SPLIT "\"t\":{\"from\":\"s\",\"steps\":[{\"split\":{\"big\":\"a > 1\",\"small\":\"true\"}}"
static const finding_case split_cases[] = {
    {STREAM(SPLIT "]},\n\"u\":{\"from\":\"t.big\",\"to\":\"o\"},\"v\":{\"from\":\"t.small\","
                  "\"to\":\"o\"}"),
     ""},
    {STREAM(SPLIT "]},\n\"u\":{\"from\":\"t\",\"to\":\"o\"}"),
     "p:2:12: warning: streams.t: nobody reads the route 't.big'\n"
     "p:2:12: warning: streams.t: nobody reads the route 't.small'\n"
     "p:3:13: streams.u.from: stream 't' ends with a split: read one of its routes: t.big, "
     "t.small\n"},
    {STREAM(SPLIT "]},\n\"u\":{\"from\":\"t.smal\",\"to\":\"o\"},\"v\":{\"from\":\"t.big\",\"to\":"
                  "\"o\"}"),
     "p:2:12: warning: streams.t: nobody reads the route 't.small'\n"
     "p:3:13: streams.u.from: stream 't' has no route 'smal'; it has t.big, t.small (did you mean "
     "'t.small'?)\n"},
    {STREAM(SPLIT ",\n{\"filter\":\"true\"}]},\"u\":{\"from\":\"t.big\",\"to\":\"o\"}"),
     "p:3:1: streams.t.steps[1]: a split ends its stream; go on in a stream with \"from\": "
     "\"t.big\"\n"},
    {STREAM(SPLIT "],\n\"to\":\"o\"}"),
     "p:3:6: streams.t.to: stream 't' ends with a split: only its routes go on; write to from a "
     "stream with \"from\": \"t.big\"\n"},
};

Test(plan_findings, splits)
{
    RUN(split_cases);
}

static const finding_case step_cases[] = {
    {STEPS("{\"filtre\":\"a\"}"),
     "p:3:2: streams.t.steps[0].filtre: unknown step 'filtre' (did you mean 'filter'?)\n"},
    {STEPS("{\"key\":{}}"),
     "p:3:2: streams.t.steps[0].key: this version does not have the step 'key' yet\n"},
    {STEPS("{\"window\":{}},{}"),
     "p:3:2: streams.t.steps[0].window: this version does not have the step 'window' yet\n"
     "p:3:15: streams.t.steps[1]: a step is an object with one key, and this one has none\n"},
    {STEPS("\"filter\""),
     "p:3:1: streams.t.steps[0]: a step is an object with one key, not a string\n"},
    {STEPS("{\"filter\":\"true\",\"drop\":[\"a\"]}"),
     "p:3:18: streams.t.steps[0].drop: a step has one key; 'drop' needs an object of its own\n"},
    {STEPS("{\"filter\":\"a >\"},\n{\"filter\":\"1\"},\n{\"filter\":true}"),
     "p:3:15: streams.t.steps[0].filter: expected a value, but the expression ends here\np:4:11: "
     "streams.t.steps[1].filter: must give a bool, but gives an int\np:5:11: "
     "streams.t.steps[2].filter: must be a string with an expression, not true or false\n"},
    {STEPS("{\"filter\":\"meta.topc == 'a'\"}"),
     "p:3:12: streams.t.steps[0].filter: meta has no 'topc'; did you mean 'topic'?\n"},
    {STEPS("{\"drop\":[\"a\"]},\n{\"filter\":\"a == 1\"}"),
     "p:4:11: warning: streams.t.steps[1].filter: 'a' does not exist here: an earlier step has "
     "removed it\n"},
    {STEPS("{\"drop\":[\"a..b\"]}"),
     "p:3:13: streams.t.steps[0].drop[0]: path `a..b`: a name is missing at character 3\n"},
    {STREAM("\"t\":{\"from\":\"s\",\"to\":\"o\",\"steps\":{}}"),
     "p:2:45: streams.t.steps: must be a list of steps, not an object\n"},
};

Test(plan_findings, steps)
{
    RUN(step_cases);
}

static const finding_case sink_cases[] = {
    {TO("[\"a\",{\"topic\":\"b\",\"key\":\"id\",\"headers\":{\"h\":\"x\"},\"partition\":\"1\"},"
        "{\"stdout\":{}},{\"file\":\"f\"},{\"file\":{\"path\":\"g\"}},{\"drop\":{}}]"),
     ""},
    {TO("{\"topic\":\"'a-' + string(b)\",\"kafka\":{\"linger.ms\":5}}"), ""},
    {TO("\"a b\""), "p:3:1: streams.t.to: 'a b' is no legal topic name: letters, digits, '.', '_' "
                    "and '-', at most 249\n"},
    {TO("{}"),
     "p:3:1: streams.t.to: one of 'topic', 'file', 'redis', 'stdout', 'drop' is missing\n"},
    {TO("[]"), "p:3:1: streams.t.to: the list is empty\n"},
    {TO("5"), "p:3:1: streams.t.to: must be a topic's name or a sink, not a whole number\n"},
    {TO("{\"stdout\":{},\"drop\":{}}"), "p:3:1: streams.t.to: a sink is one of 'topic', 'file', "
                                        "'redis', 'stdout', 'drop'; write a list of "
                                        "sinks for several\n"},
    {TO("{\"stdout\":{\"x\":1}}"), "p:3:11: streams.t.to.stdout: must be {}: it has no settings\n"},
    {TO("{\"file\":{\"paht\":\"f\"}}"),
     "p:3:9: streams.t.to.file: 'path' is missing\n"
     "p:3:10: streams.t.to.file.paht: unknown key 'paht' (did you mean 'path'?)\n"},
    {TO("{\"file\":\"f\",\"key\":\"id\"}"),
     "p:3:13: streams.t.to.key: 'key' goes with a topic only\n"},
    {TO("{\"topic\":\"'a' + 1\"}"),
     "p:3:15: streams.t.to.topic: no matching overload for '_+_' applied to '(string, int)'\n"},
    {TO("{\"topic\":\"1 + 1\"}"),
     "p:3:10: streams.t.to.topic: must give a string, but gives an int\n"},
    {TO("{\"topic\":\"a\",\"partition\":\"'x'\",\"headers\":{\"h\":\"(\"}}"),
     "p:3:26: streams.t.to.partition: must give an int, but gives a string\np:3:49: "
     "streams.t.to.headers.h: expected a value, but the expression ends here\n"},
    {TO("{\"topic\":\"a\",\"format\":\"csv\",\"partion\":\"1\"}"),
     "p:3:23: streams.t.to.format: which fields to write cannot be known here: set 'columns' ({ "
     "\"csv\": { \"columns\": [\"id\", \"name\"] } }), or have a step 'keep' in front\n"
     "p:3:29: streams.t.to.partion: unknown key 'partion' (did you mean 'partition'?)\n"},
};

Test(plan_findings, sinks)
{
    RUN(sink_cases);
}

static const finding_case reference_cases[] = {
    {"{\"name\":\"p\"," DEAD ",\"sources\":{\"s\":{\"topic\":\"${env:TOPIC}\",\"idle_after\":"
     "\"${env:WAIT}\"}}," STREAMS ",\"worker\":{\"threads\":\"${env:COUNT}\"}}",
     ""},
    {TOP("\"commit_interval\":\"${env:NONE}\",\"kafka\":{\"a\":\"${file:none}\"}"),
     "p:1:120: commit_interval: environment variable 'NONE' is not set, and there is no default "
     "(${env:NONE:default})\np:1:147: kafka.a: file none is not there\n"},
    {TOP("\"commit_interval\":\"${env:NONE:5s}\""), ""},
    /* What came from outside is not shown. */
    {TOP("\"commit_interval\":\"${env:BAD_WAIT}\""),
     "p:1:120: commit_interval: the text that comes from ${...} is wrong\n"},
    {STEPS("{\"filter\":\"${env:BAD}\"}"),
     "p:3:11: streams.t.steps[0].filter: the expression that comes from ${...} is wrong (text does "
     "not follow its format)\n"},
    {STREAM("\"t\":{\"from\":\"${env:PASSWORD}\",\"to\":\"o\"}"),
     "p:2:24: streams.t.from: there is no source or stream '***'\n"},
};

Test(plan_findings, references)
{
    RUN(reference_cases);
}

/* While checking, what is not there is only warned of, and says nothing about the rest. */
Test(plan_findings, references_while_checking)
{
    plan_bed bed = {.check_only = true};
    const char *got = plan_bed_read(
        &bed,
        "{\"name\":\"p\"," DEAD ",\"commit_interval\":\"${env:NONE}\"," SOURCES ",\n\"streams\":{"
        "\"t\":{\"from\":\"${env:NONE}\",\"to\":\"out\",\"steps\":[{\"filter\":\"${env:NONE}\"},\n"
        "{\"filter\":\"1\"}]}}}",
        PLAN_BYTES);
    cr_expect_str_eq(got,
                     "p:1:49: warning: commit_interval: environment variable 'NONE' is not set, "
                     "and there is no default (${env:NONE:default})\n"
                     "p:2:24: warning: streams.t.from: environment variable 'NONE' is not set, and "
                     "there is no default (${env:NONE:default})\n"
                     "p:2:68: warning: streams.t.steps[0].filter: environment variable 'NONE' is "
                     "not set, and there is no default (${env:NONE:default})\n"
                     "p:3:11: streams.t.steps[1].filter: must give a bool, but gives an int\n",
                     "%s", got);
    cr_expect_null(bed.plan);
    plan_bed_close(&bed);
}

Test(plan_findings, overrides)
{
    const leat_str sets[] = {LEAT_STR("streams.t.steps[0].filter=b > "), LEAT_STR("name=\"p q\""),
                             LEAT_STR("streams.t..x=1")};
    plan_bed bed = {.overrides = sets, .overrides_count = 3};
    const char *got = plan_bed_read(&bed, STEPS("{\"filter\":\"a > 1\"}"), PLAN_BYTES);
    cr_expect(strstr(got, "--set: ") != NULL, "%s", got);
    cr_expect(strstr(got, "streams.t.steps[0].filter: expected a value") != NULL, "%s", got);
    cr_expect(strstr(got, "name: a pipeline's name has letters") != NULL, "%s", got);
    cr_expect_eq(bed.findings.errors, 3);
    plan_bed_close(&bed);
}

/* An arena that is too small is an error, never a plan, whatever its size. */
Test(plan_findings, memory)
{
    static const char text[] = STEPS("{\"filter\":\"a > 1\"},{\"set\":{\"b.c\":\"a + 1\",\"d\":"
                                     "\"b\"}},{\"keep\":[\"b.c\",\"x\"]}");
    bool good = false;
    for (size_t bytes = 256; !good && bytes < PLAN_BYTES; bytes += 256) {
        plan_bed bed = {0};
        (void)plan_bed_read(&bed, text, bytes);
        good = bed.plan != NULL;
        plan_bed_close(&bed);
    }
    cr_expect(good);
}

/* Wide and deep: bounded, and no crash. */
Test(plan_findings, limits)
{
    leat_buf text;
    leat_buf_init(&text, 1 << 20);
    leat_buf_add_text(&text, "{\"name\":\"p\"," DEAD "," SOURCES ",\"streams\":{");
    for (int i = 0; i <= 1000; i++)
        leat_buf_add_format(&text, "%s\"t%d\":{\"from\":\"t%d\"}", i > 0 ? "," : "", i, i - 1);
    leat_buf_add_text(&text, "}}");
    leat_buf_add_char(&text, '\0');
    plan_bed bed = {0};
    const char *got = plan_bed_read(&bed, text.data, PLAN_BYTES);
    cr_expect(strstr(got, "1 to 1000 streams") != NULL, "%s", got);
    plan_bed_close(&bed);
    leat_buf_reset(&text);
    leat_buf_add_text(&text, "{\"name\":\"p\"," DEAD "," SOURCES ",\"streams\":{"
                             "\"t0\":{\"from\":\"s\"}");
    for (int i = 1; i < 999; i++)
        leat_buf_add_format(
            &text, ",\"t%d\":{\"from\":\"t%d\",\"steps\":[{\"set\":{\"a\":\"a + 1\"}}]}", i, i - 1);
    leat_buf_add_text(&text, ",\"end\":{\"from\":\"t998\",\"to\":\"o\"}}}");
    leat_buf_add_char(&text, '\0');
    got = plan_bed_read(&bed, text.data, PLAN_BYTES);
    cr_expect_not_null(bed.plan, "%s", got);
    cr_expect_str_eq(got, "");
    plan_bed_close(&bed);
    leat_buf_release(&text);
}
