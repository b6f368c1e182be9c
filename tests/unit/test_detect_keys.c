/* SPDX-License-Identifier: Apache-2.0 */
/* detect and the state of its keys: what is over is let go, seen or not, and nothing else is. */
#include "tests/unit/detect_harness.h"
#include "tests/unit/leak.h"

LEAT_SUITE(detect_keys);

/* --- more keys than live objects are kept of: most are bytes when their time comes --- */

#define MANY 5000

static void open_many(test_bed *bed, const char *more)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   PIPELINE("", DETECT(",\"key\":\"k\"", PATTERN("p", "%s", AB))), more);
    open_detect(bed, text);
}

/* keys: [from, to). The last time that came is not worked on before a later one comes. */
static void send_keys(test_bed *bed, int from, int to, int at_ms, int v, int w)
{
    static char events[MANY][64];
    static leat_message messages[MANY];
    size_t count = 0;
    for (int key = from; key < to; key++, count++) {
        int len = snprintf(events[count], sizeof events[count],
                           "{\"k\":%d,\"t\":%d,\"v\":%d,\"w\":%d}", key, at_ms, v, w);
        messages[count] = (leat_message){.topic = LEAT_STR("in"),
                                         .offset = ++bed->offset,
                                         .value = {events[count], (size_t)len}};
    }
    bed_batch(bed, messages, count);
}

static void send_time(test_bed *bed, int at_ms)
{
    send_keys(bed, -1, 0, at_ms, 0, 0);
}

static uint64_t cells(const test_bed *bed)
{
    for (size_t i = 0; i < bed->log_count; i++) {
        leat_str name = leat_str_of(bed->log[i].key.data); /* up to a NUL */
        if (strstr(name.data, "matches") != NULL)
            return leat_table_count(leat_exec_table(bed->exec, name));
    }
    cr_assert_fail("nothing was stored");
    return 0;
}

/* Lines since the last look. */
static size_t lines(test_bed *bed)
{
    size_t count = 0;
    for (size_t i = 0; i < bed->out.len; i++)
        count += bed->out.data[i] == '\n';
    leat_buf_reset(&bed->out);
    return count;
}

/* What began at 0 is over at 10,000, what began at 5,000 is not. */
Test(detect_keys, lets_go_of_what_nobody_looks_at)
{
    test_bed bed;
    open_many(&bed, ",\"within\":\"10s\"");
    for (int round = 0; round < 2; round++) {
        send_keys(&bed, 0, MANY, round * 5000, 1, round);
        send_time(&bed, round * 5000 + 1);
        bed_commit(&bed);
    }
    cr_expect_eq(cells(&bed), MANY);
    send_time(&bed, 12000);
    send_keys(&bed, MANY - 1, MANY, 12001, 2, 9);
    send_keys(&bed, 0, 1, 14998, 2, 9);
    send_time(&bed, 14999);
    cr_expect_eq(lines(&bed), 2);
    cr_expect_eq(cells(&bed), MANY - 2);
    send_keys(&bed, 7, 8, 15000, 2, 9);
    send_time(&bed, 15001);
    cr_expect_eq(cells(&bed), 0);
    bed_abort(&bed); /* so they are there again, and so are their timers */
    cr_expect_eq(cells(&bed), MANY);
    send_time(&bed, 15001);
    send_time(&bed, 15002);
    cr_expect_eq(cells(&bed), 0);
    bed_commit(&bed);
    bed_crash(&bed);
    cr_expect_eq(cells(&bed), 0);
    cr_expect_eq(lines(&bed), 0);
    bed_close(&bed);
}

/* Runs that are dead are not always looked for. Of these, the ones that began at 0 are out of time,
 * the one that began last was killed by `n`, and only the commit sees it. Other patterns of the
 * same key go on. */
#define WINDOW ",\"within\":\"10s\""
#define DYING(name, more)                                                                          \
    PATTERN(name, more,                                                                            \
            "{\"name\":\"a\",\"where\":\"v == 1\"},{\"name\":\"n\",\"where\":\"v == 5\","          \
            "\"not\":true},{\"name\":\"b\",\"where\":\"v == "                                      \
            "2\",\"contiguity\":\"followed_by_any\"},{\"name\":"                                   \
            "\"c\",\"where\":\"v == 3 && w > last(b).w\"}")

Test(detect_keys, lets_go_of_what_died_unseen)
{
    static const struct {
        const char *patterns;
        uint64_t cells, lines;
    } cases[] = {
        {DYING("p", WINDOW), 0, 0},
        {DYING("p", WINDOW) "," DYING("q", WINDOW) "," DYING("r", WINDOW), 0, 0},
        {DYING("p", WINDOW) "," DYING("q", "") "," DYING("r", WINDOW) "," DYING("s", ""), 1, 48},
    };
    for (size_t i = 0; i < 6; i++) {
        test_bed bed;
        char text[2048];
        bool crashes = i % 2 == 1;
        (void)snprintf(text, sizeof text, PIPELINE("", DETECT(",\"key\":\"k\"", "%s")),
                       cases[i / 2].patterns);
        open_detect(&bed, text);
        send_keys(&bed, 0, 1, 0, 1, 0);
        for (int b = 0; b < 24; b++)
            send_keys(&bed, 0, 1, 5000, 2, b);
        send_keys(&bed, 0, 1, 9000, 1, 0);
        send_time(&bed, 9001);
        bed_commit(&bed); /* the end is that of the last from now on */
        send_keys(&bed, 0, 1, 9002, 5, 0);
        send_keys(&bed, 0, 1, 12000, 2, 99);
        send_time(&bed, 12001);
        cr_expect_eq(cells(&bed), 1);
        bed_commit(&bed);
        cr_expect_eq(cells(&bed), cases[i / 2].cells);
        if (crashes) bed_crash(&bed);
        cr_expect_eq(cells(&bed), cases[i / 2].cells);
        send_time(&bed, 19001);
        send_time(&bed, 19002);
        bed_commit(&bed);
        cr_expect_eq(cells(&bed), cases[i / 2].cells);
        cr_expect_eq(lines(&bed), 0);
        send_keys(&bed, 0, 1, 19003, 3, 98);
        send_time(&bed, 19004);
        cr_expect_eq(lines(&bed), cases[i / 2].lines);
        bed_close(&bed);
    }
}

/* Where ends are told nothing is let go unseen. The timers are those of the runs that began at 0,
 * and a match has ended these since: who is read from bytes knows nothing of them. */
Test(detect_keys, tells_the_end_of_what_was_bytes)
{
    test_bed bed;
    open_many(&bed, ",\"within\":\"10s\",\"timeout\":{}");
    send_keys(&bed, 0, MANY, 0, 1, 0);
    send_keys(&bed, 0, MANY, 2000, 2, 1);
    send_keys(&bed, 0, MANY, 2001, 1, 0);
    send_time(&bed, 2002);
    cr_expect_eq(lines(&bed), MANY);
    bed_commit(&bed);
    send_time(&bed, 12000);
    send_time(&bed, 12001);
    cr_expect_eq(lines(&bed), 0);
    cr_expect_eq(cells(&bed), MANY);
    send_time(&bed, 12002);
    cr_expect_eq(lines(&bed), MANY);
    cr_expect_eq(cells(&bed), 0);
    bed_close(&bed);
}
