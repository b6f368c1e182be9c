/* SPDX-License-Identifier: Apache-2.0 */
/* What a batch brings about comes out in portions: whatever their size, and wherever commits,
 * aborts and crashes fall between them, it is the same. */
#include "cep/op_detect.h"
#include "tests/unit/exec_harness.h"
#include "tests/unit/random.h"

#define EVENTS 160

/* Many matches at once, of a record and of time; with and without a strategy; of several keys;
 * events that wait for their order; conditions that fail; too many matches. */
#define FIRST                                                                                      \
    "{\"name\":\"any\",\"within\":\"40ms\",\"steps\":[{\"name\":\"a\",\"where\":\"k == 'a'\"},"    \
    "{\"name\":\"b\",\"contiguity\":\"followed_by_any\",\"where\":\"k == 'b'\"}]},"                \
    "{\"name\":\"last\",\"within\":\"60ms\",\"skip\":\"skip_to_last\",\"skip_to\":\"b\","          \
    "\"steps\":[{\"name\":\"a\",\"where\":\"k == 'a'\",\"times\":{\"min\":1},"                     \
    "\"repeat\":\"followed_by_any\"},{\"name\":\"b\",\"where\":\"v > 2\",\"optional\":true},"      \
    "{\"name\":\"c\",\"where\":\"k == 'c'\"}],\"events\":false},"                                  \
    "{\"name\":\"absent\",\"key\":\"\",\"within\":\"25ms\",\"steps\":[{\"name\":\"a\","            \
    "\"where\":\"k == 'a'\",\"times\":{\"min\":1,\"max\":3},\"repeat\":\"followed_by_any\"},"      \
    "{\"not\":true,\"where\":\"k == 'd'\"}]},"                                                     \
    "{\"name\":\"late\",\"within\":\"20ms\",\"timeout\":{\"emit\":{\"v\":\"first(a).v\"}},"        \
    "\"steps\":[{\"name\":\"a\",\"where\":\"k == 'a'\"},{\"name\":\"b\",\"where\":\"v == 3\"}]},"  \
    "{\"name\":\"ordered\",\"order_by\":\"v\",\"within\":\"30ms\",\"steps\":[{\"name\":\"a\","     \
    "\"where\":\"k != 'b'\"},{\"name\":\"b\",\"contiguity\":\"followed_by_any\","                  \
    "\"where\":\"k == 'b'\"}]},"                                                                   \
    "{\"name\":\"fails\",\"within\":\"30ms\",\"steps\":[{\"name\":\"a\",\"where\":\"k == 'a'\"},"  \
    "{\"name\":\"b\",\"contiguity\":\"followed_by_any\","                                          \
    "\"where\":\"v > last(a).v && z > 1\"}],\"emit\":{\"w\":\"b[0].z\"}},"                         \
    "{\"name\":\"few\",\"within\":\"90ms\",\"limits\":{\"matches\":5},\"steps\":[{\"name\":\"a\"," \
    "\"where\":\"k == 'a'\"},{\"name\":\"b\",\"contiguity\":\"followed_by_any\","                  \
    "\"where\":\"k == 'b'\"}]}"

/* What the alerts of these find depends on when they came out, between these: */
#define BETWEEN                                                                                    \
    ",{\"join\":{\"table\":\"cards\",\"on\":\"key\",\"kind\":\"left\"}},"                          \
    "{\"set\":{\"at\":\"meta.watermark\"}}"

/* Over the alerts. */
#define SECOND                                                                                     \
    "{\"name\":\"two\",\"within\":\"50ms\",\"timeout\":{},\"steps\":[{\"name\":\"x\","             \
    "\"where\":\"pattern == 'any' || pattern == 'absent'\"},{\"name\":\"y\","                      \
    "\"contiguity\":\"followed_by_any\",\"where\":\"pattern in ['late', "                          \
    "'fails']\",\"times\":2}],"                                                                    \
    "\"events\":false}"

#define PIPELINE                                                                                   \
    "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\",\"key\":\"c\",\"timestamp\":\"ts\","     \
    "\"out_of_orderness\":\"8ms\"}},\"tables\":{\"cards\":{\"topic\":\"cards\",\"key\":\"c\","     \
    "\"timestamp\":\"ts\"}},\"streams\":{\"raw\":{\"from\":\"s\",\"to\":\"raw\"},"                 \
    "\"a\":{\"from\":\"s\",\"steps\":[{\"detect\":{\"key\":\"c\",\"patterns\":[" FIRST             \
    "]}}" BETWEEN "],\"to\":\"out\"},\"b\":{\"from\":\"a\",\"steps\":[{\"detect\":{\"key\":"       \
    "\"key\",\"patterns\":[" SECOND "]}}],\"to\":\"two\"}},\"dead_letter\":{\"topic\":\"dead\"}}"

typedef enum between { GO_ON, COMMIT, ABORT, CRASH } between;

typedef struct told {
    leat_buf topics[4];
    leat_buf state; /* at the end */
    leat_exec_counts counts;
    size_t portions;
} told;
static const char *const names[] = {"raw ", "out ", "two ", "dead "};

/* What has come out, by topic: of several nothing is said but that each is in order. */
static void tell(test_bed *bed, told *t)
{
    leat_str text = leat_buf_str(&bed->out);
    for (size_t from = 0, to = 0; from < text.len; from = to) {
        const char *end = memchr(text.data + from, '\n', text.len - from);
        to = (size_t)(end - text.data) + 1;
        leat_str line = leat_str_slice(text, from, to);
        for (size_t i = 0; i < 4; i++)
            if (leat_str_starts(line, leat_str_of(names[i]))) leat_buf_add(&t->topics[i], line);
    }
    leat_buf_reset(&bed->out);
}

static void one_more(test_bed *bed)
{
    const leat_output *outputs;
    size_t count;
    leat_err err;
    leat_code code = leat_exec_continue(bed->exec, &outputs, &count, &err);
    cr_assert_eq(code, LEAT_OK, "%s", err.text);
    bed_take(bed, outputs, count);
}

static void drain(test_bed *bed, told *t, between what, size_t portion)
{
    while (leat_exec_more(bed->exec)) {
        tell(bed, t);
        t->portions++;
        if (what != GO_ON) bed_commit(bed);
        if (what == CRASH) bed_crash(bed);
        leat_exec_portion(bed->exec, portion);
        if (what == ABORT) {
            one_more(bed);
            leat_buf_reset(&bed->out); /* nobody has seen it */
            bed_flush_in_vain(bed);
            bed_abort(bed);
            cr_assert(leat_exec_more(bed->exec));
        }
        one_more(bed);
    }
    tell(bed, t);
}

static char *event_of(leat_random *random, int64_t *ts)
{
    static char text[160];
    static const char letters[] = "aaabbcd";
    *ts += (int64_t)leat_random_below(random, 6);
    int len =
        snprintf(text, sizeof text, "{\"ts\":%lld,\"k\":\"%c\",\"c\":\"%c\",\"v\":%u",
                 (long long)(*ts - (int64_t)leat_random_below(random, 6)),
                 letters[leat_random_below(random, 7)], (char)('x' + leat_random_below(random, 2)),
                 (unsigned)leat_random_below(random, 5));
    const char *rest = leat_random_below(random, 5) == 0 ? "}" : ",\"z\":2}";
    (void)snprintf(text + len, sizeof text - (size_t)len, "%s", rest);
    return text;
}

static told play(const char *pipeline, uint64_t seed, size_t portion, between what)
{
    test_bed bed;
    told t = {0};
    leat_random random = {seed};
    int64_t ts = 1000;
    leat_err err;
    for (size_t i = 0; i < 4; i++)
        leat_buf_init(&t.topics[i], (size_t)1 << 30);
    leat_buf_init(&t.state, (size_t)1 << 30);
    bed_open_with(&bed, pipeline, &leat_operator_detect);
    bed.terse = false;
    leat_exec_portion(bed.exec, portion);
    while (bed.offset < EVENTS) {
        leat_message messages[40];
        char *texts[40];
        size_t count = 1 + (size_t)leat_random_below(&random, 39);
        for (size_t i = 0; i < count; i++) {
            texts[i] = strdup(event_of(&random, &ts));
            bool card = leat_random_below(&random, 8) == 0;
            messages[i] = (leat_message){.topic = card ? LEAT_STR("cards") : LEAT_STR("in"),
                                         .offset = bed.offset++,
                                         .timestamp_ms = ts,
                                         .value = leat_str_of(texts[i])};
        }
        bed_batch(&bed, messages, count);
        for (size_t i = 0; i < count; i++)
            free(texts[i]); /* who parks a record has a copy */
        drain(&bed, &t, what, portion);
    }
    const leat_output *outputs;
    size_t count;
    cr_assert_eq(leat_exec_end(bed.exec, &outputs, &count, &err), LEAT_OK, "%s", err.text);
    bed_take(&bed, outputs, count);
    drain(&bed, &t, what, portion);
    t.counts = leat_exec_counts_get(bed.exec);
    bed_commit(&bed);
    for (size_t i = 0; i < bed.log_count; i++) {
        const bed_cell *cell = &bed.log[i];
        if (cell->value.data == NULL) continue;
        if (strstr(cell->key.data, "backlog") != NULL || strstr(cell->key.data, "paused") != NULL)
            cr_expect(false, "%s is left", cell->key.data);
        leat_buf_add_bytes(&t.state, cell->key);
        leat_buf_add_bytes(&t.state, cell->value);
    }
    bed_close(&bed);
    return t;
}

static void compare(const told *got, const told *want, const char *how)
{
    for (size_t i = 0; i < 4; i++) {
        leat_str g = leat_buf_str(&got->topics[i]);
        leat_str w = leat_buf_str(&want->topics[i]);
        size_t at = 0;
        while (at < g.len && at < w.len && g.data[at] == w.data[at])
            at++;
        cr_expect(leat_str_equal(g, w),
                  "%s: %s differs at %zu of %zu and %zu:\n%.300s\nnot\n%.300s", how, names[i], at,
                  g.len, w.len, g.len > 0 ? g.data + (at > 200 ? at - 200 : 0) : "",
                  w.len > 0 ? w.data + (at > 200 ? at - 200 : 0) : "");
    }
    cr_expect(leat_str_equal(leat_buf_str(&got->state), leat_buf_str(&want->state)),
              "%s: the state at the end differs", how);
}

static void forget(told *t)
{
    for (size_t i = 0; i < 4; i++)
        leat_buf_release(&t->topics[i]);
    leat_buf_release(&t->state);
}

static void compare_all(const char *pipeline, uint64_t seed)
{
    static const size_t portions[] = {1, 700, 5000};
    told whole = play(pipeline, seed, SIZE_MAX, GO_ON);
    cr_expect_eq(whole.portions, 0);
    for (size_t i = 0; i < 4; i++)
        cr_expect(whole.topics[i].len > 1000, "%s tells nothing", names[i]);
    for (size_t i = 0; i < 3; i++) {
        for (between what = GO_ON; what <= CRASH; what++) {
            char how[64];
            told t = play(pipeline, seed, portions[i], what);
            (void)snprintf(how, sizeof how, "seed %llu, %zu bytes, %d", (unsigned long long)seed,
                           portions[i], (int)what);
            cr_expect(t.portions > 2, "%s: no portions", how);
            compare(&t, &whole, how);
            if (what <= COMMIT) {
                cr_expect_eq(t.counts.records_in, whole.counts.records_in);
                cr_expect_eq(t.counts.records_out, whole.counts.records_out, "%s", how);
                cr_expect_eq(t.counts.dead_letters, whole.counts.dead_letters);
                cr_expect_eq(t.counts.dropped, whole.counts.dropped);
            }
            forget(&t);
        }
    }
    forget(&whole);
}

Test(portions, make_no_difference)
{
    for (uint64_t seed = 1; seed <= 8; seed++)
        compare_all(PIPELINE, seed);
}

/* --- the pipeline is edited while matches rest --- */

#define LISTED(before, patterns)                                                                   \
    "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\",\"key\":\"c\",\"timestamp\":\"ts\"}},"   \
    "\"streams\":{\"a\":{\"from\":\"s\",\"steps\":[" before "{\"detect\":{\"patterns\":[" patterns \
    "]}},{\"keep\":[\"x\"]}],\"to\":\"out\"}},"                                                    \
    "\"dead_letter\":{\"topic\":\"dead\"}}"
#define SAYING(pattern, says)                                                                      \
    "{\"name\":\"" pattern "\",\"emit\":{\"x\":\"" says "string(a[0].v) + string(b[0].v)\"},"      \
    "\"events\":false,\"steps\":[{\"name\":\"a\",\"where\":\"k == 'a'\"},{\"name\":\"b\","         \
    "\"contiguity\":\"followed_by_any\",\"where\":\"k == 'b'\"}],\"within\":\"1m\"}"
#define EDITED(before, pattern) LISTED(before, SAYING(pattern, ""))

#define SAME "{\"set\":{\"w\":\"0\"}},"

/* Rests behind the first match of b1; b2 and b3 have not been worked on. */
static void begin_old(test_bed *bed, const char *pipeline, const char *want)
{
    leat_message messages[7];
    char texts[7][64];
    for (int i = 0; i < 7; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "{\"ts\":%d,\"k\":\"%c\",\"c\":1,\"v\":%d}",
                       10 + i,
                       i < 3   ? 'a'
                       : i < 6 ? 'b'
                               : 'c',
                       i < 3 ? i + 1 : i - 2);
        messages[i] = (leat_message){.topic = LEAT_STR("in"),
                                     .offset = i,
                                     .timestamp_ms = 10 + i,
                                     .value = leat_str_of(texts[i])};
    }
    bed_open_with(bed, pipeline, &leat_operator_detect);
    leat_exec_portion(bed->exec, 1);
    bed_batch(bed, messages, 7);
    bed_expect(bed, want);
    cr_assert(leat_exec_more(bed->exec));
    bed_commit(bed);
}

/* The old bed's log under another pipeline, after a crash: what rests comes out, portion by
 * portion. */
static void go_on_from(test_bed *old, test_bed *bed, const char *pipeline, const char *want)
{
    bed_open_with(bed, pipeline, &leat_operator_detect);
    bed->log = old->log;
    bed->log_count = old->log_count;
    old->log = NULL;
    old->log_count = 0;
    bed_close(old);
    bed_crash(bed);
    for (int i = 0; i < 20 && leat_exec_more(bed->exec); i++) {
        leat_exec_portion(bed->exec, 1);
        one_more(bed);
        bed_commit(bed);
    }
    cr_expect_not(leat_exec_more(bed->exec));
    bed_expect(bed, want);
}

static void go_on(test_bed *bed, const char *pipeline, const char *want)
{
    test_bed old;
    begin_old(&old, EDITED(SAME, "p"), "out: {\"x\":\"11\"}\n");
    go_on_from(&old, bed, pipeline, want);
}

static void go_on_with(const char *pipeline, const char *want)
{
    test_bed bed;
    go_on(&bed, pipeline, want);
    bed_close(&bed);
}

/* Another key for the same record: what rests comes out, and is in nobody's way then. */
Test(portions, outlive_another_key)
{
    static const char same[] = EDITED(SAME, "p");
    char text[sizeof same + 8];
    const char *key = strstr(same, "\"c\"");
    cr_assert_not_null(key);
    (void)snprintf(text, sizeof text, "%.*s\"v + 1\"%s", (int)(key - same), same, key + 3);
    test_bed bed;
    go_on(&bed, text, "out: {\"x\":\"21\"}\nout: {\"x\":\"31\"}\n");
    leat_exec_portion(bed.exec, SIZE_MAX);
    bed.offset = 7;
    bed_send_at(&bed, "{\"ts\":20,\"k\":\"b\",\"v\":0}", 20);
    bed_end(&bed);
    bed_expect(&bed, "out: {\"x\":\"10\"}\nout: {\"x\":\"20\"}\nout: {\"x\":\"30\"}\n");
    bed_close(&bed);
}

Test(portions, outlive_an_edit)
{
    go_on_with(EDITED(SAME, "p"),
               "out: {\"x\":\"21\"}\nout: {\"x\":\"31\"}\n"
               "out: {\"x\":\"12\"}\nout: {\"x\":\"22\"}\nout: {\"x\":\"32\"}\n"
               "out: {\"x\":\"13\"}\nout: {\"x\":\"23\"}\nout: {\"x\":\"33\"}\n");
    /* Records are made anew: */
    go_on_with(EDITED("{\"set\":{\"v\":\"v + 5\",\"w\":\"1\"}},", "p"),
               "out: {\"x\":\"21\"}\nout: {\"x\":\"31\"}\n"
               "out: {\"x\":\"17\"}\nout: {\"x\":\"27\"}\nout: {\"x\":\"37\"}\n"
               "out: {\"x\":\"18\"}\nout: {\"x\":\"28\"}\nout: {\"x\":\"38\"}\n");
    /* The one whose matches rest comes no more, nor the next: */
    go_on_with(EDITED("{\"filter\":\"v > 2 && size(string(c)) > 0\"},", "p"),
               "out: {\"x\":\"21\"}\nout: {\"x\":\"31\"}\n"
               "out: {\"x\":\"13\"}\nout: {\"x\":\"23\"}\nout: {\"x\":\"33\"}\n");
    /* Another pattern: */
    go_on_with(EDITED(SAME, "q"), "");
}

#define ALL_OF(name, b)                                                                            \
    "out: {\"x\":\"" name "1" b "\"}\nout: {\"x\":\"" name "2" b "\"}\nout: {\"x\":\"" name "3" b  \
    "\"}\n"

/* Between two portions of what a record brings about, patterns change their places: each is shown
 * the record once, wherever it stands now. */
Test(portions, outlive_another_order)
{
    static const char second[] = "out: {\"x\":\"q21\"}\nout: {\"x\":\"q31\"}\n";
    static const struct {
        const char *pipeline, *want_b1, *of_each[3];
    } cases[] = {
        {LISTED(SAME, SAYING("r", "'r' + ") "," SAYING("q", "'q' + ") "," SAYING("p", "'p' + ")),
         ALL_OF("r", "1"),
         {"r", "q", "p"}},
        {LISTED(SAME, SAYING("q", "'q' + ") "," SAYING("p", "'p' + ") "," SAYING("r", "'r' + ")),
         ALL_OF("r", "1"),
         {"q", "p", "r"}},
        {LISTED("{\"set\":{\"u\":\"0\"}},", SAYING("q", "'q' + ") "," SAYING("r", "'r' + ")),
         ALL_OF("r", "1"),
         {"q", "r", NULL}},
        {LISTED(SAME, SAYING("q", "'q' + ") "," SAYING("p", "'p' + ")), "", {"q", "p", NULL}}};
    static const char first[] =
        "out: {\"x\":\"p21\"}\nout: {\"x\":\"p31\"}\nout: {\"x\":\"q11\"}\n";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_bed old, bed;
        char want[2048];
        begin_old(
            &old,
            LISTED(SAME, SAYING("p", "'p' + ") "," SAYING("q", "'q' + ") "," SAYING("r", "'r' + ")),
            "out: {\"x\":\"p11\"}\n");
        while (strlen(first) > old.out.len && leat_exec_more(old.exec)) {
            leat_exec_portion(old.exec, 1);
            one_more(&old);
            bed_commit(&old);
        }
        bed_expect(&old, first);
        size_t len = (size_t)snprintf(want, sizeof want, "%s%s", second, cases[i].want_b1);
        for (int b = 2; b <= 3; b++)
            for (int n = 0; n < 3 && cases[i].of_each[n] != NULL; n++)
                for (int a = 1; a <= 3; a++)
                    len += (size_t)snprintf(want + len, sizeof want - len,
                                            "out: {\"x\":\"%s%d%d\"}\n", cases[i].of_each[n], a, b);
        go_on_from(&old, &bed, cases[i].pipeline, want);
        bed_close(&bed);
    }
}
