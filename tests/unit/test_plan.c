/* SPDX-License-Identifier: Apache-2.0 */
/* The plan that a good pipeline becomes: order of nodes, slots that are asked for, settings. */
#include "tests/unit/exec_probe.h"
#include "tests/unit/leak.h"
#include "tests/unit/plan_harness.h"

LEAT_SUITE(plan);

#define PLAN_BYTES ((size_t)16 << 20)

static leat_plan *plan_of(plan_bed *bed, const char *text)
{
    const char *said = plan_bed_read(bed, text, PLAN_BYTES);
    cr_assert_not_null(bed->plan, "%s", said);
    return bed->plan;
}

/* "0 source s | 1 filter <0 ..." */
static void expect_nodes(const leat_plan *plan, const char *want)
{
    static const char *const kinds[] = {"source", "order", "step"};
    leat_buf out;
    leat_buf_init(&out, 1 << 16);
    for (size_t i = 0; i < plan->nodes_count; i++) {
        const leat_plan_node *node = &plan->nodes[i];
        cr_expect_eq(node->index, i);
        leat_buf_add_format(&out, "%zu %s", i, kinds[node->at]);
        if (node->step != NULL) leat_buf_add_format(&out, " %.*s", LEAT_STR_ARG(node->step->place));
        if (node->at != LEAT_AT_SOURCE)
            leat_buf_add_format(&out, " <%u.%u", node->input, node->input_port);
        for (size_t n = 0; n < node->next_count; n++)
            leat_buf_add_format(&out, " >%u", node->next[n]);
        for (size_t s = 0; s < node->sinks_count; s++)
            leat_buf_add_format(&out, " @%.*s.%u", LEAT_STR_ARG(node->sinks[s]->topic),
                                node->sinks[s]->from_port);
        leat_buf_add_char(&out, '\n');
    }
    leat_buf_add_char(&out, '\0');
    cr_expect_str_eq(out.data, want, "got:\n%swant:\n%s", out.data, want);
    leat_buf_release(&out);
}

Test(plan, nodes_of_a_source_stand_together_inputs_first)
{
    plan_bed bed = {0};
    const leat_plan *plan =
        plan_of(&bed, "{\"name\":\"p\",\"dead_letter\":\"d\",\"sources\":{\"s\":{\"topic\":\"a\"},"
                      "\"s2\":{\"topic\":\"b\"}},\"streams\":{"
                      "\"late\":{\"from\":\"mid.x\",\"to\":\"o1\",\"steps\":[{\"drop\":[\"k\"]}]},"
                      "\"other\":{\"from\":\"s2\",\"to\":\"o2\"},"
                      "\"mid\":{\"from\":\"first\",\"steps\":[{\"split\":{\"y\":\"k > 1\",\"x\":"
                      "\"true\"}}]},"
                      "\"first\":{\"from\":\"s\",\"steps\":[{\"filter\":\"k > 0\"}],\"to\":\"o3\"},"
                      "\"rest\":{\"from\":\"mid.y\",\"to\":[\"o4\",{\"stdout\":{}}]}}}");
    expect_nodes(plan, "0 source >1\n"
                       "1 step streams.first.steps[0].filter <0.0 >2 @o3.0\n"
                       "2 step streams.mid.steps[0].split <1.0 >3 @o4.0 @.0\n"
                       "3 step streams.late.steps[0].drop <2.1 @o1.0\n"
                       "4 source @o2.0\n");
    cr_expect_eq(plan->sources_count, 2);
    cr_expect_eq(plan->nodes[4].source, 1);
    cr_expect_not(plan->sources[0].stateful);
    cr_expect_eq(plan->sinks_count, 6); /* with the dead letter */
    cr_expect(leat_str_is(plan->dead_letter->topic, "d"));
    plan_bed_close(&bed);
}

/* Once per chain; again for records that a step made, when another stream reads them. */
Test(plan, order_before_stateful_steps)
{
    plan_bed bed = {.more = {&leat_operator_probe}};
    const leat_plan *plan =
        plan_of(&bed, "{\"name\":\"p\",\"dead_letter\":\"d\",\"sources\":{\"s\":{\"topic\":\"a\","
                      "\"key\":\"k\"}},\"streams\":{"
                      "\"t\":{\"from\":\"s\",\"steps\":[{\"filter\":\"true\"},{\"probe\":{}},"
                      "{\"probe\":{}}]},"
                      "\"u\":{\"from\":\"t\",\"steps\":[{\"probe\":{}}],\"to\":\"o\"},"
                      "\"v\":{\"from\":\"s\",\"to\":\"o2\"}}}");
    expect_nodes(plan, "0 source >1 @o2.0\n"
                       "1 step streams.t.steps[0].filter <0.0 >2\n"
                       "2 order streams.t.steps[1].probe <1.0 >3\n"
                       "3 step streams.t.steps[1].probe <2.0 >4\n"
                       "4 step streams.t.steps[2].probe <3.0 >5\n"
                       "5 order streams.u.steps[0].probe <4.0 >6\n"
                       "6 step streams.u.steps[0].probe <5.0 @o.0\n");
    cr_expect(plan->sources[0].stateful);
    cr_expect_eq(plan->shapes_count, 4);
    for (size_t i = 0; i < plan->shapes_count; i++) {
        cr_expect_eq(plan->shapes[i]->index, i);
        cr_expect_not_null(plan->shapes[i]->json);
    }
    plan_bed_close(&bed);
}

/* One slot for a field read as a number, one more where its text goes on. */
Test(plan, requests_are_shared)
{
    plan_bed bed = {0};
    const leat_plan *plan = plan_of(
        &bed, "{\"name\":\"p\",\"dead_letter\":\"d\",\"sources\":{\"s\":{\"topic\":\"a\"}},"
              "\"streams\":{\"t\":{\"from\":\"s\",\"to\":\"o\",\"steps\":["
              "{\"filter\":\"a > 1.0 && a < 9.0 && event.a != 5.0\"},{\"set\":{\"x\":\"a\"}},"
              "{\"filter\":\"x > 2.0\"},{\"keep\":[\"a\"]},{\"filter\":\"a > 3.0\"}]}}}");
    const leat_shape *shape = plan->sources[0].shape;
    cr_expect_eq(shape->requests_count, 2);
    cr_expect_eq(shape->slots, 2);
    cr_expect(!shape->requests[0].exact && shape->requests[1].exact);
    plan_bed_close(&bed);
}

Test(plan, settings)
{
    plan_bed bed = {0};
    const leat_plan *plan = plan_of(
        &bed,
        "{\"name\":\"p.q\",\"guarantee\":\"at_least_once\",\"commit_interval\":\"${env:WAIT}\","
        "\"kafka\":{\"bootstrap.servers\":\"b\",\"linger.ms\":5,\"x\":0.5,\"y\":true,"
        "\"sasl.password\":\"${env:PASSWORD}\",\"security.protocol\":\"SASL_SSL\"},"
        "\"limits\":{\"record\":\"64KiB\",\"depth\":9},"
        "\"worker\":{\"threads\":\"${env:COUNT}\",\"instance\":\"\"},"
        "\"sources\":{\"s\":{\"topic\":[\"a\",\"b\"],\"out_of_orderness\":\"5s\","
        "\"idle_after\":\"1m\",\"start\":\"2026-01-01T00:00:00Z\",\"late\":{\"to\":\"l\"},"
        "\"kafka\":{\"fetch.max.bytes\":1},\"key\":\"id\",\"timestamp\":\"at\"}},"
        "\"streams\":{\"t\":{\"from\":\"s\",\"to\":{\"topic\":\"'x-' + id\",\"key\":\"id\","
        "\"headers\":{\"h\":\"event\"},\"partition\":\"0\",\"kafka\":{\"acks\":\"all\"}}}},"
        "\"dead_letter\":{\"file\":\"dead.jsonl\"}}");
    cr_expect(leat_str_is(plan->name, "p.q") && plan->at_least_once);
    cr_expect_eq(plan->commit_interval_ms, 250);
    cr_expect_eq(plan->kafka_count, 6);
    static const char *const values[] = {"b", "5", "0.5", "true", "hunter2", "SASL_SSL"};
    for (size_t i = 0; i < 6; i++) {
        cr_expect(leat_str_is(plan->kafka[i].value, values[i]), "%s", values[i]);
        cr_expect_eq(plan->kafka[i].secret, i == 4);
    }
    cr_expect(plan->limits.bytes_max == 65536 && plan->limits.depth_max == 9);
    const leat_node *threads = leat_node_member(plan->worker, "threads");
    cr_expect(threads->kind == LEAT_NODE_INT && threads->i == 4);
    const leat_source *source = &plan->sources[0];
    cr_expect(source->topics_count == 2 && leat_str_is(source->topics[1], "b") && !source->files);
    cr_expect(source->out_of_orderness_ms == 5000 && source->idle_after_ms == 60000);
    cr_expect(source->start == LEAT_FROM_TIME && source->start_ms == 1767225600000);
    cr_expect(source->late == LEAT_LATE_TOPIC && leat_str_is(source->late_sink->topic, "l"));
    cr_expect(source->settings_count == 1 && leat_str_is(source->settings[0].value, "1"));
    cr_expect(source->key != NULL && source->timestamp != NULL);
    cr_expect(leat_str_is(source->key_node->text, "id"));
    const leat_sink *sink = plan->nodes[0].sinks[0];
    cr_expect(sink->topic_expr != NULL && sink->topic.data == NULL && sink->key_expr != NULL);
    cr_expect(sink->partition_expr != NULL && sink->headers_count == 1 && sink->views_count == 1);
    cr_expect(sink->settings_count == 1 && sink->from == NULL);
    cr_expect(leat_str_is(sink->place, "streams.t.to"));
    cr_expect(plan->dead_letter->kind == LEAT_SINK_FILE);
    plan_bed_close(&bed);
}

Test(plan, files_and_patterns)
{
    plan_bed bed = {0};
    const leat_plan *plan =
        plan_of(&bed, "{\"name\":\"p\",\"dead_letter\":\"d\",\"sources\":{\"s\":{\"file\":"
                      "\"data/*.jsonl\"}},\"streams\":{\"t\":{\"from\":\"s\",\"to\":\"o\"}}}");
    cr_expect(plan->sources[0].files && plan->sources[0].topics_count == 2);
    cr_expect(leat_str_is(plan->sources[0].topics[1], "data/b.jsonl"));
    plan_bed_close(&bed);
    plan = plan_of(&bed, "{\"name\":\"p\",\"dead_letter\":\"d\",\"sources\":{\"s\":{"
                         "\"topic_pattern\":\"a|b\"},\"u\":{\"topic_pattern\":\"^c\"}},"
                         "\"streams\":{\"t\":{\"from\":\"s\",\"to\":\"o\"}}}");
    cr_expect(leat_str_is(plan->sources[0].topics[0], "^(a|b)$"));
    cr_expect(leat_str_is(plan->sources[1].topics[0], "^c"));
    plan_bed_close(&bed);
}

#define HASHED(filter, more)                                                                       \
    "{\"name\":\"p\",\"dead_letter\":\"d\"," more "\"sources\":{\"s\":{\"topic\":\"a\"}},"         \
    "\"streams\":{\"t\":{\"from\":\"s\",\"to\":\"o\",\"steps\":[{\"filter\":\"" filter "\"}]}}}"

static uint64_t hash_of(const char *text, const char *set)
{
    const leat_str sets[] = {leat_str_of(set)};
    plan_bed bed = {.overrides = sets, .overrides_count = set != NULL};
    uint64_t hash = plan_of(&bed, text)->version_hash;
    plan_bed_close(&bed);
    return hash;
}

/* The same pipeline has the same hash wherever and however it runs; another has another. */
Test(plan, version_hash)
{
    uint64_t hash = hash_of(HASHED("a > 1", ""), NULL);
    cr_expect_eq(hash, hash_of("  " HASHED("a > 1", "\n"), NULL));
    cr_expect_eq(hash, hash_of(HASHED("a > 1", "\"worker\":{\"threads\":3},"), NULL));
    cr_expect_eq(hash, hash_of(HASHED("a > 1", "\"kafka\":{\"a\":\"b\"},"), NULL));
    cr_expect_eq(hash, hash_of(HASHED("a > 1", ""), "worker.instance=pod-1"));
    cr_expect_neq(hash, hash_of(HASHED("a > 2", ""), NULL));
    cr_expect_neq(hash, hash_of(HASHED("a > 1", ""), "streams.t.steps[0].filter=a > 2"));
    cr_expect_eq(hash_of(HASHED("a > 2", ""), NULL),
                 hash_of(HASHED("a > 1", ""), "streams.t.steps[0].filter=a > 2"));
    cr_expect_eq(hash_of(HASHED("a > 1", "\"mask\":{\"key\":\"${env:PASSWORD}\"},"), NULL),
                 hash_of(HASHED("a > 1", "\"mask\":{\"key\":\"${env:TOPIC}\"},"), NULL));
}

/* What a step sets, nobody has seen before the next: memory grows with the fields, not their
 * square. */
Test(plan, wide_steps)
{
    enum { FIELDS = 3000 };
    plan_bed bed = {0};
    leat_buf text;
    leat_buf_init(&text, 1 << 20);
    leat_buf_add_text(&text, "{\"name\":\"p\",\"dead_letter\":\"d\",\"sources\":{\"s\":{\"topic\":"
                             "\"a\"}},\"streams\":{\"t\":{\"from\":\"s\",\"to\":\"o\",\"steps\":[{"
                             "\"set\":{");
    for (int i = 0; i < FIELDS; i++)
        leat_buf_add_format(&text, "%s\"x.f%d\":\"a%d + 1\"", i > 0 ? "," : "", i, i);
    leat_buf_add_text(&text, "}},{\"keep\":[");
    for (int i = 0; i < FIELDS; i++)
        leat_buf_add_format(&text, "%s\"x.f%d\"", i > 0 ? "," : "", i);
    leat_buf_add_text(&text, "]}]}}}");
    leat_buf_add_char(&text, '\0');
    const leat_plan *plan = plan_of(&bed, text.data);
    cr_expect_eq(plan->sources[0].shape->requests_count, FIELDS + 1);
    cr_expect_lt(leat_arena_used(bed.arena), (size_t)FIELDS * 4096);
    plan_bed_close(&bed);
    leat_buf_release(&text);
}
