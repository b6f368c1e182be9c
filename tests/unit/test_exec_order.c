/* SPDX-License-Identifier: Apache-2.0 */
/* The promise of exec: what comes out depends on the sequence of messages alone. Seeds draw
 * messages, idle ticks and a bound; a run of one message a batch, without a commit, is compared
 * byte by byte with runs of random batches, commits, aborts with replay, and crashes. And what the
 * stateful step says is compared with a naive model. */
#include "tests/unit/exec_harness.h"
#include "tests/unit/exec_probe.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(exec_order);

#define EVENTS     400
#define PARTITIONS 2
#define KEYS       4
#define SEEDS      60

/* Branches before and behind a stateful step, two writers of one topic, every way to fail. */
#define PIPELINE                                                                                   \
    "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\",\"key\":\"k\",\"timestamp\":\"t\","      \
    "\"out_of_orderness\":\"%dms\",\"idle_after\":\"1s\"%s}},"                                     \
    "\"streams\":{"                                                                                \
    "\"some\":{\"from\":\"s\",\"steps\":[{\"filter\":\"v %% 3 != 0\"}],\"to\":\"out\"},"           \
    "\"set\":{\"from\":\"s\",\"steps\":[{\"set\":{\"w\":\"100 / v\",\"x.y\":\"[v, {'a': n}]\","    \
    "\"c\":\"n\"}},{\"mask\":{\"pan\":\"partial\"}}],\"to\":\"out\"},"                             \
    "\"probed\":{\"from\":\"set\",\"steps\":[{\"drop\":[\"n\"]},{\"probe\":{}}],\"to\":\"order\"}" \
    ","                                                                                            \
    "\"ways\":{\"from\":\"s\",\"steps\":[{\"split\":{\"even\":\"v %% 2 == 0\",\"default\":"        \
    "\"odd\"}}]},"                                                                                 \
    "\"even\":{\"from\":\"ways.even\",\"steps\":[{\"keep\":[\"v\",\"t\"]}],\"to\":\"out\"},"       \
    "\"odd\":{\"from\":\"ways.odd\",\"steps\":[{\"probe\":{}},{\"set\":{\"z\":\"1 / (count - 2)\"" \
    "}}],\"to\":[\"out\",\"odd\"]}},"                                                              \
    "\"dead_letter\":{\"topic\":\"dead\"}}"

typedef enum kind { GOOD, ZERO, TEXT, NO_JSON, NO_VALUE, NO_TIME, IDLE, KINDS } kind;

typedef struct event {
    kind kind;
    int32_t partition;
    int64_t time_ms;
    unsigned key;
    int value;
} event;

static void draw_events(leat_random *random, event *events)
{
    int64_t now_ms[PARTITIONS] = {1000, 1000};
    for (size_t i = 0; i < EVENTS; i++) {
        event *e = &events[i];
        uint64_t dice = leat_random_below(random, 100);
        e->partition = (int32_t)leat_random_below(random, PARTITIONS);
        int64_t *now = &now_ms[e->partition];
        *now += (int64_t)leat_random_below(random, 20);
        if (dice == 99) *now += 500;
        e->time_ms = *now - (int64_t)leat_random_below(random, dice < 20 ? 300 : 40);
        e->key = (unsigned)leat_random_below(random, KEYS);
        e->value = 1 + (int)leat_random_below(random, 50);
        e->kind = dice < 90 ? GOOD : (kind)(dice % KINDS);
    }
}

static char *event_text(const event *e, size_t number)
{
    char *text = malloc(256);
    cr_assert_not_null(text);
    switch (e->kind) {
    case NO_JSON: (void)snprintf(text, 256, "{\"t\":%lld,", (long long)e->time_ms); break;
    case NO_TIME: (void)snprintf(text, 256, "{\"t\":\"soon\",\"k\":\"k%u\"}", e->key); break;
    case TEXT:
        (void)snprintf(text, 256, "{\"t\":%lld,\"k\":\"k%u\",\"v\":\"x\"}", (long long)e->time_ms,
                       e->key);
        break;
    case GOOD:
    case ZERO:
    case NO_VALUE:
    case IDLE:
    case KINDS:
    default:
        (void)snprintf(
            text, 256,
            "{\"id\":%zu,\"t\":%lld,\"k\":\"k%u\",\"v\":%d,\"pan\":\"41%lld00\\u0030%u\","
            "\"n\":%d.50}",
            number, (long long)e->time_ms, e->key, e->kind == ZERO ? 0 : e->value,
            (long long)e->time_ms, e->key, e->value);
        break;
    }
    return text;
}

/* Messages from..to, in a batch; what it lay in is gone afterwards. */
static void send(test_bed *bed, const event *events, size_t from, size_t to)
{
    leat_message messages[64];
    static const leat_header headers[] = {{{"h", 1}, {"1", 1}}, {{"leat.step", 9}, {"old", 3}}};
    LEAT_ASSERT(to - from <= 64);
    for (size_t i = from; i < to; i++) {
        char *text = events[i].kind == NO_VALUE ? NULL : event_text(&events[i], i);
        messages[i - from] = (leat_message){.topic = LEAT_STR("in"),
                                            .partition = events[i].partition,
                                            .offset = (int64_t)i,
                                            .timestamp_ms = (int64_t)i,
                                            .key = LEAT_STR("key"),
                                            .value = leat_str_of(text),
                                            .headers = i % 7 == 0 ? headers : NULL,
                                            .headers_count = i % 7 == 0 ? 2 : 0};
    }
    bed_batch(bed, messages, to - from);
    for (size_t i = 0; i < to - from; i++)
        free((void *)(uintptr_t)messages[i].value.data);
}

static void open_inputs(test_bed *bed)
{
    leat_err err;
    const leat_str topics[PARTITIONS] = {LEAT_STR("in"), LEAT_STR("in")};
    const int32_t partitions[PARTITIONS] = {0, 1};
    cr_assert_eq(leat_exec_inputs(bed->exec, topics, partitions, PARTITIONS, &err), LEAT_OK);
}

static void open_pipeline(test_bed *bed, int bound_ms, bool late)
{
    char text[4096];
    (void)snprintf(text, sizeof text, PIPELINE, bound_ms,
                   late ? ",\"late\":{\"to\":\"late\"}" : "");
    bed_open_with(bed, text, &leat_operator_probe);
    bed->terse = false;
    open_inputs(bed);
}

static char *text_out(test_bed *bed)
{
    leat_buf_add_char(&bed->out, '\0');
    char *text = malloc(bed->out.len);
    cr_assert_not_null(text);
    memcpy(text, bed->out.data, bed->out.len);
    return text;
}

/* One message a batch, nothing in between. */
static char *run_plain(const event *events, int bound_ms, bool late)
{
    test_bed bed;
    open_pipeline(&bed, bound_ms, late);
    for (size_t i = 0; i < EVENTS; i++) {
        if (events[i].kind == IDLE)
            bed_idle(&bed, "in", events[i].partition);
        else
            send(&bed, events, i, i + 1);
    }
    bed_end(&bed);
    char *text = text_out(&bed);
    bed_close(&bed);
    return text;
}

/* Anything may happen between two batches. */
static char *run_wild(leat_random *random, const event *events, int bound_ms, bool late)
{
    test_bed bed;
    size_t committed = 0, committed_out = 0, at = 0;
    open_pipeline(&bed, bound_ms, late);
    while (at < EVENTS) {
        size_t to = at + leat_random_below(random, 40), end = at;
        if (to > EVENTS) to = EVENTS;
        while (end < to && events[end].kind != IDLE)
            end++;
        send(&bed, events, at, end);
        at = end;
        if (at < to) bed_idle(&bed, "in", events[at++].partition);
        switch (leat_random_below(random, 8)) {
        case 0:
        case 1:
            bed_commit(&bed);
            committed = at;
            committed_out = bed.out.len;
            break;
        case 2: /* what was flushed, or not, is never committed */
            if (leat_random_below(random, 2) == 0) bed_flush_in_vain(&bed);
            bed_abort(&bed);
            at = committed;
            bed.out.len = committed_out;
            break;
        case 3:
            bed_crash(&bed);
            open_inputs(&bed);
            at = committed;
            bed.out.len = committed_out;
            break;
        default: break;
        }
    }
    bed_end(&bed);
    char *text = text_out(&bed);
    bed_close(&bed);
    return text;
}

static void expect_same(const char *plain, const char *wild, uint64_t seed)
{
    if (strcmp(plain, wild) == 0) return;
    size_t at = 0, line = 0;
    for (; plain[at] == wild[at]; at++)
        if (plain[at] == '\n') line = at + 1;
    cr_assert_fail("seed %llu differs:\nplain %.*s\nwild  %.*s", (unsigned long long)seed,
                   (int)strcspn(plain + line, "\n"), plain + line, (int)strcspn(wild + line, "\n"),
                   wild + line);
}

Test(exec_order, output_does_not_depend_on_batches_commits_aborts_or_crashes)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        leat_random random = {seed};
        event events[EVENTS];
        draw_events(&random, events);
        int bound_ms = (int)leat_random_below(&random, 3) * 60;
        bool late = leat_random_below(&random, 2) == 0;
        char *plain = run_plain(events, bound_ms, late);
        for (int again = 0; again < 3; again++) {
            char *wild = run_wild(&random, events, bound_ms, late);
            expect_same(plain, wild, seed);
            free(wild);
        }
        free(plain);
    }
}

/* --- the naive model --- */

typedef struct model {
    const event *events;
    int bound_ms;
    int64_t latest_ms[PARTITIONS], watermark_ms;
    bool idle[PARTITIONS];
    bool waits[EVENTS];
    uint64_t count[KEYS];
    int64_t due_ms[KEYS]; /* 0: none */
    leat_buf out;
} model;

static void model_fire(model *m, int64_t now_ms)
{
    for (;;) {
        size_t first = KEYS;
        for (size_t k = 0; k < KEYS; k++)
            if (m->due_ms[k] != 0 && m->due_ms[k] <= now_ms &&
                (first == KEYS || m->due_ms[k] < m->due_ms[first]))
                first = k;
        if (first == KEYS) return;
        leat_buf_add_format(&m->out, "silent k%zu %llu %lld\n", first,
                            (unsigned long long)m->count[first], (long long)m->due_ms[first]);
        m->due_ms[first] = 0;
        m->count[first] = 0;
    }
}

static void model_advance(model *m, int64_t watermark_ms)
{
    if (watermark_ms <= m->watermark_ms) return;
    m->watermark_ms = watermark_ms;
    for (;;) {
        size_t first = EVENTS;
        for (size_t i = 0; i < EVENTS; i++)
            if (m->waits[i] && m->events[i].time_ms <= watermark_ms &&
                (first == EVENTS || m->events[i].time_ms < m->events[first].time_ms))
                first = i;
        if (first == EVENTS) break;
        const event *e = &m->events[first];
        m->waits[first] = false;
        model_fire(m, e->time_ms);
        m->count[e->key]++;
        m->due_ms[e->key] = e->time_ms + PROBE_SILENCE_MS;
        leat_buf_add_format(&m->out, "seen k%u %llu %zu\n", e->key,
                            (unsigned long long)m->count[e->key], first);
    }
    model_fire(m, watermark_ms);
}

static int64_t model_watermark(const model *m)
{
    int64_t least = INT64_MAX, most = INT64_MIN;
    bool all_idle = true;
    for (size_t p = 0; p < PARTITIONS; p++) {
        int64_t mark = m->latest_ms[p] == INT64_MIN ? INT64_MIN : m->latest_ms[p] - m->bound_ms - 1;
        if (mark > most) most = mark;
        if (!m->idle[p] && mark < least) least = mark;
        all_idle &= m->idle[p];
    }
    return all_idle ? most : least;
}

/* What the step of the stream "probed" has to say. */
static char *run_model(const event *events, int bound_ms)
{
    model m = {.events = events,
               .bound_ms = bound_ms,
               .latest_ms = {INT64_MIN, INT64_MIN},
               .watermark_ms = INT64_MIN};
    leat_buf_init(&m.out, 1 << 30);
    for (size_t i = 0; i < EVENTS; i++) {
        const event *e = &events[i];
        int32_t p = e->partition;
        bool timely = e->time_ms > m.watermark_ms;
        if (e->kind == NO_JSON || e->kind == NO_VALUE || e->kind == NO_TIME) continue;
        if (e->kind == IDLE) {
            m.idle[p] = true;
        } else {
            m.idle[p] = false;
            if (e->time_ms > m.latest_ms[p]) m.latest_ms[p] = e->time_ms;
            m.waits[i] = timely && e->kind == GOOD; /* ZERO and TEXT fail in the step before */
        }
        model_advance(&m, model_watermark(&m));
    }
    model_advance(&m, INT64_MAX);
    leat_buf_add_char(&m.out, '\0');
    char *text = malloc(m.out.len);
    cr_assert_not_null(text);
    memcpy(text, m.out.data, m.out.len);
    leat_buf_release(&m.out);
    return text;
}

static long long number_after(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    cr_assert_not_null(at, "no %s in %s", name, line);
    return strtoll(at + strlen(name), NULL, 10);
}

/* The lines of topic "order", as the model writes them. */
static char *digest_of(char *text)
{
    leat_buf out;
    leat_buf_init(&out, 1 << 30);
    for (char *line = strtok_r(text, "\n", &text); line != NULL;
         line = strtok_r(NULL, "\n", &text)) {
        if (strncmp(line, "order ", 6) != 0) continue;
        const char *silent = strstr(line, "{\"silent\":\"k"), *seen = strstr(line, "{\"seen\":\"k");
        if (silent != NULL)
            leat_buf_add_format(&out, "silent k%c %lld %lld\n", silent[12],
                                number_after(line, "\"count\":"), number_after(line, "\"at\":"));
        else
            leat_buf_add_format(&out, "seen k%c %lld %lld\n", seen[10],
                                number_after(line, "\"count\":"), number_after(line, "\"id\":"));
    }
    leat_buf_add_char(&out, '\0');
    char *digest = malloc(out.len);
    cr_assert_not_null(digest);
    memcpy(digest, out.data, out.len);
    leat_buf_release(&out);
    return digest;
}

Test(exec_order, stateful_steps_see_what_a_naive_model_sees)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        leat_random random = {seed * 1000};
        event events[EVENTS];
        draw_events(&random, events);
        int bound_ms = (int)leat_random_below(&random, 3) * 60;
        char *plain = run_plain(events, bound_ms, false);
        char *digest = digest_of(plain);
        char *want = run_model(events, bound_ms);
        expect_same(want, digest, seed);
        cr_assert_gt(strlen(want), 1000);
        free(plain);
        free(digest);
        free(want);
    }
}
