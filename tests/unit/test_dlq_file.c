/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters in a file: read, sent back to the embedded log or to a file, once each, whatever is
 * done to the file in between; damaged files. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "tests/unit/log_harness.h"
#include "tests/unit/random.h"
#include "worker/dlq.h"

#define ONE                                                                                        \
    "{\"pipeline\":\"p\",\"step\":\"s.a\",\"error\":\"one\",\"code\":\"type\",\"source\":\"in\","  \
    "\"line\":7,\"topic\":\"in\",\"partition\":0,\"timestamp\":1234,\"attempt\":2,\"key\":\"k\","  \
    "\"headers\":[{\"name\":\"own\",\"value\":\"1\"}],\"value\":\"n1\"}\n"
#define TWO                                                                                        \
    "{\"pipeline\":\"p\",\"step\":\"s.b\",\"error\":\"two\",\"code\":\"no_field\",\"line\":8,"     \
    "\"topic\":\"in\",\"partition\":0,\"timestamp\":9,\"headers\":[{\"name_base64\":\"/"           \
    "24=\",\"value\":\"2\"}],\"key\":null,\"value_base64\":\"/w==\"}\n"
#define OF_FILE                                                                                    \
    "{\"pipeline\":\"p\",\"step\":\"s.b\",\"error\":\"file\",\"source\":\"in\",\"file\":\"a."      \
    "csv\","                                                                                       \
    "\"line\":3,\"value\":\"x,y\"}\n"

typedef struct file_bed {
    char folder[32], dead[64], back[64];
    leat_log *log;
    leat_dlq *dlq;
    char seen[4096];
    size_t seen_len;
    leat_dlq_order order;
    bool send;
    const char *append; /* by somebody else, while letters are read */
} file_bed;

static void put(const char *path, const char *text, const char *how)
{
    FILE *file = fopen(path, how);
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, strlen(text), file), strlen(text));
    cr_assert_eq(fclose(file), 0);
}

static const char *get(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    size_t len = file != NULL ? fread(text, 1, size - 1, file) : 0;
    text[len] = '\0';
    if (file != NULL) (void)fclose(file);
    return text;
}

static void open_bed(file_bed *bed, const char *text)
{
    *bed = (file_bed){.folder = "/tmp/leat-test-dlq-XXXXXX"};
    cr_assert_not_null(mkdtemp(bed->folder));
    (void)snprintf(bed->dead, sizeof bed->dead, "%s/dead", bed->folder);
    (void)snprintf(bed->back, sizeof bed->back, "%s/back", bed->folder);
    leat_property properties[] = {{LEAT_STR("memory.name"), leat_str_of(bed->folder), false},
                                  {LEAT_STR("memory.partitions"), LEAT_STR("1"), false}};
    bed->log = harness_log(&leat_log_memory, properties, 2);
    put(bed->dead, text, "w");
}

static void close_bed(file_bed *bed)
{
    leat_dlq_close(&bed->dlq);
    leat_log_memory.close(&bed->log);
    (void)unlink(bed->dead);
    (void)unlink(bed->back);
    cr_expect_eq(rmdir(bed->folder), 0);
}

static void open_dlq(file_bed *bed, bool to_file)
{
    leat_err err;
    leat_dlq_close(&bed->dlq);
    bed->send = true;
    bed->order.to_file = to_file;
    cr_assert_eq(leat_dlq_open_file(bed->dead, true, &bed->dlq, &err), LEAT_OK, "%s", err.text);
    if (to_file)
        cr_assert_eq(leat_dlq_to_file(bed->dlq, bed->back, &err), LEAT_OK, "%s", err.text);
    else
        leat_dlq_to_log(bed->dlq, &leat_log_memory, bed->log);
}

static leat_code visit(void *self, const leat_letter *one, bool *more, leat_err *err)
{
    file_bed *bed = self;
    bool stays = leat_dlq_obstacle(one, &bed->order) != NULL, twin = false;
    (void)more;
    bed->seen_len += (size_t)snprintf(bed->seen + bed->seen_len, sizeof bed->seen - bed->seen_len,
                                      "%.*s@%lld%s%s%s|", LEAT_STR_ARG(one->error),
                                      (long long)one->offset, one->redriven ? " again" : "",
                                      one->unsettled ? " unsettled" : "", stays ? " stays" : "");
    if (bed->append != NULL) put(bed->dead, bed->append, "a");
    if (!bed->send || stays) return LEAT_OK;
    LEAT_TRY(leat_dlq_is_twin(bed->dlq, one, &twin, err));
    return twin ? leat_dlq_skip(bed->dlq, one, err)
                : leat_dlq_send(bed->dlq, one, &bed->order, err);
}

static const char *read_with(file_bed *bed, const leat_dlq_filter *filter)
{
    leat_err err;
    bed->seen_len = 0;
    bed->seen[0] = '\0';
    cr_assert_eq(leat_dlq_read(bed->dlq, filter, visit, bed, &err), LEAT_OK, "%s", err.text);
    return bed->seen;
}

static const leat_dlq_filter all = {.code = {NULL, 0}}, also = {.redriven = true};

static void finish(file_bed *bed)
{
    leat_err err;
    cr_assert_eq(leat_dlq_finish(bed->dlq, &err), LEAT_OK, "%s", err.text);
}

/* What is in the topic now. */
static void expect_topic(file_bed *bed, const char *want)
{
    char text[1024];
    cr_expect_str_eq(harness_topic(&leat_log_memory, bed->log, LEAT_STR("in"), text, sizeof text),
                     want);
}

static void expect_settled(const file_bed *bed, uint64_t sent, uint64_t twins)
{
    leat_dlq_count settled = leat_dlq_settled(bed->dlq);
    cr_expect_eq(settled.sent, sent);
    cr_expect_eq(settled.twins, twins);
}

#define THREE                                                                                      \
    "{\"error\":\"three\",\"line\":9,\"topic\":\"in\",\"timestamp\":5,\"key\":null,"               \
    "\"value\":\"n3\"}"
#define TWIN_OF_ONE                                                                                \
    "{\"pipeline\":\"p\",\"step\":\"s.b\",\"error\":\"twin\",\"source\":\"in\",\"line\":7,"        \
    "\"topic\":\"in\",\"partition\":0,\"timestamp\":1234,\"attempt\":2,\"key\":\"k\","             \
    "\"headers\":[{\"name\":\"own\",\"value\":\"1\"}],\"value\":\"n1\"}\n"
#define SENT_ONE   "n1@1234 own=1 leat.attempt=2;"
#define SENT_TWO   "\xff@9 \xffn=2 leat.attempt=1;"
#define SENT_THREE "n3@5 leat.attempt=1;"

Test(dlq_file, sent_back_once)
{
    file_bed bed;
    char text[4096];
    const leat_dlq_filter a = {.step = LEAT_STR_INIT("s.a"), .code = LEAT_STR_INIT("type")};
    open_bed(&bed, ONE "\n" TWO OF_FILE);
    /* Cut off before it commits: nothing has happened. */
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "one@1|two@3|file@4 stays|");
    open_dlq(&bed, false);
    expect_topic(&bed, "");
    cr_expect_str_eq(get(bed.dead, text, sizeof text), ONE "\n" TWO OF_FILE);
    cr_expect_str_eq(read_with(&bed, &a), "one@1|");
    finish(&bed);
    expect_topic(&bed, SENT_ONE);
    /* A worker goes on writing. */
    put(bed.dead, THREE, "a");
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "two@3|file@4 stays|three@7|");
    finish(&bed);
    expect_topic(&bed, SENT_ONE SENT_TWO SENT_THREE);
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "file@4 stays|");
    finish(&bed);
    bed.send = false;
    cr_expect_str_eq(read_with(&bed, &also), "one@1 again|two@3 again|file@4 stays|three@7 again|");
    expect_topic(&bed, SENT_ONE SENT_TWO SENT_THREE);
    /* Elsewhere, what did not come from a topic can be sent as well. */
    bed.order.to = LEAT_STR("in");
    bed.send = true;
    cr_expect_str_eq(read_with(&bed, &all), "file@4|");
    finish(&bed);
    cr_expect_str_eq(read_with(&bed, &all), "file@4|"); /* as of when it was opened */
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "");
    close_bed(&bed);
}

/* Marks name letters by what they say: lines may be deleted and moved. Of equal lines each is one.
 */
Test(dlq_file, the_file_is_edited)
{
    file_bed bed;
    char text[4096];
    open_bed(&bed, TWO THREE "\n" THREE "\n" ONE);
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &(leat_dlq_filter){.error = LEAT_STR_INIT("t")}),
                     "two@1|three@2|three@3|");
    finish(&bed);
    expect_settled(&bed, 2, 1); /* one record has the two letters */
    expect_topic(&bed, SENT_TWO SENT_THREE);
    (void)get(bed.dead, text, sizeof text);
    put(bed.dead, text + strlen(TWO), "w");
    put(bed.dead, ONE THREE "\n", "a");
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "one@3|one@6|three@7|");
    finish(&bed);
    expect_topic(&bed, SENT_TWO SENT_THREE SENT_ONE);
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "");
    close_bed(&bed);
}

Test(dlq_file, to_a_file)
{
    file_bed bed;
    leat_err err;
    char text[4096];
    open_bed(&bed, ONE OF_FILE "{\"error\":\"e\",\"file\":\"a\",\"line\":1,\"value\":\"a\\nb\"}\n"
                               "{\"error\":\"e\",\"file\":\"a\",\"line\":2,\"value\":null}\n");
    put(bed.back, "x", "w"); /* a line without its end */
    open_dlq(&bed, true);
    cr_expect_str_eq(read_with(&bed, &all), "one@1|file@2|e@3 stays|e@4 stays|");
    finish(&bed);
    cr_expect_str_eq(get(bed.back, text, sizeof text), "x\nn1\nx,y\n");
    open_dlq(&bed, true);
    cr_expect_str_eq(read_with(&bed, &all), "e@3 stays|e@4 stays|");
    finish(&bed);
    cr_expect_str_eq(get(bed.back, text, sizeof text), "x\nn1\nx,y\n");
    leat_dlq_close(&bed.dlq);
    cr_assert_eq(leat_dlq_open_file(bed.dead, true, &bed.dlq, &err), LEAT_OK);
    cr_expect_eq(leat_dlq_to_file(bed.dlq, bed.dead, &err), LEAT_ERR_CONFIG);
    close_bed(&bed);
}

/* That it did not happen is certain: they can be sent again. */
Test(dlq_file, the_target_cannot_be_written)
{
    file_bed bed;
    leat_err err;
    char text[4096];
    open_bed(&bed, ONE);
    cr_assert_eq(mkdir(bed.back, 0777), 0);
    open_dlq(&bed, true);
    cr_expect_str_eq(read_with(&bed, &all), "one@1|");
    cr_expect_eq(leat_dlq_finish(bed.dlq, &err), LEAT_ERR_IO);
    cr_expect_not_null(strstr(err.text, "cannot write"), "%s", err.text);
    cr_expect_not_null(strstr(get(bed.dead, text, sizeof text), "leat.not_redriven"));
    cr_assert_eq(rmdir(bed.back), 0);
    open_dlq(&bed, true);
    cr_expect_str_eq(read_with(&bed, &all), "one@1|");
    finish(&bed);
    cr_expect_str_eq(get(bed.back, text, sizeof text), "n1\n");
    close_bed(&bed);
}

/* A part of it is no part: what was written is taken back. */
Test(dlq_file, the_target_is_full)
{
    file_bed bed;
    leat_err err;
    char text[4096], room[2048];
    struct rlimit limit;
    open_bed(&bed, ONE);
    memset(room, 'x', sizeof room - 1);
    room[sizeof room - 2] = '\n';
    room[sizeof room - 1] = '\0';
    put(bed.back, room, "w");
    open_dlq(&bed, true);
    cr_expect_str_eq(read_with(&bed, &all), "one@1|");
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = sizeof room; /* one byte more */
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    leat_code code = leat_dlq_finish(bed.dlq, &err);
    limit.rlim_cur = before;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_eq(code, LEAT_ERR_IO, "%s", err.text);
    expect_settled(&bed, 0, 0);
    cr_expect_str_eq(get(bed.back, text, sizeof text), room);
    cr_expect_not_null(strstr(get(bed.dead, text, sizeof text), "leat.not_redriven"));
    open_dlq(&bed, true);
    cr_expect_str_eq(read_with(&bed, &all), "one@1|");
    finish(&bed);
    expect_settled(&bed, 1, 0);
    cr_expect_str_eq(get(bed.back, text, sizeof text) + strlen(room), "n1\n");
    close_bed(&bed);
}

/* The file ends so many bytes into the first note that begins so, as a process that is killed
 * leaves it. */
static void cut_note(const file_bed *bed, const char *start, size_t bytes)
{
    char text[4096];
    const char *note = strstr(get(bed->dead, text, sizeof text), start);
    cr_assert_not_null(note);
    cr_assert_eq(truncate(bed->dead, (off_t)(note - text) + (off_t)bytes), 0);
}

/* The process was killed between the commit and the note of it: nobody can know. */
Test(dlq_file, unsettled)
{
    file_bed bed;
    open_bed(&bed, ONE TWO);
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "one@1|two@2|");
    finish(&bed);
    cut_note(&bed, "{\"leat.redriven\":\"", 0);
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "one@1 unsettled stays|two@2 unsettled stays|");
    finish(&bed);
    expect_topic(&bed, SENT_ONE SENT_TWO);
    bed.order.unsettled = true;
    cr_expect_str_eq(read_with(&bed, &(leat_dlq_filter){.error = LEAT_STR_INIT("two")}),
                     "two@2 unsettled|");
    finish(&bed);
    expect_topic(&bed, SENT_ONE SENT_TWO SENT_TWO);
    bed.order.unsettled = false;
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "one@1 unsettled stays|");
    /* A note that is torn says what it still says. */
    cut_note(&bed, "{\"leat.redriving\":\"", sizeof "{\"leat.redriving\":\"" - 1 + 20);
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "one@1 unsettled stays|two@2|");
    close_bed(&bed);
}

/* Nor of the record's other letters: it may be there already. */
Test(dlq_file, a_twin_is_unsettled)
{
    file_bed bed;
    open_bed(&bed, ONE TWIN_OF_ONE);
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &(leat_dlq_filter){.step = LEAT_STR_INIT("s.a")}), "one@1|");
    finish(&bed);
    cut_note(&bed, "{\"leat.redriven\":\"", 0);
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "one@1 unsettled stays|twin@2 unsettled stays|");
    finish(&bed);
    expect_topic(&bed, SENT_ONE);
    bed.order.unsettled = true;
    cr_expect_str_eq(read_with(&bed, &all), "one@1 unsettled|twin@2|");
    finish(&bed);
    expect_settled(&bed, 1, 1);
    expect_topic(&bed, SENT_ONE SENT_ONE);
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "");
    close_bed(&bed);
}

/* A fenced producer cannot say how it ended either. */
Test(dlq_file, fenced)
{
    file_bed bed;
    leat_err err;
    open_bed(&bed, ONE);
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "one@1|");
    leat_dlq *other = NULL;
    cr_expect_eq(leat_dlq_open_file(bed.dead, true, &other, &err), LEAT_ERR_FENCED);
    cr_expect_not_null(strstr(err.text, "another redrive"), "%s", err.text);
    cr_assert_eq(leat_dlq_open_file(bed.dead, false, &other, &err), LEAT_OK); /* to look at */
    leat_dlq_close(&other);
    finish(&bed);
    close_bed(&bed);
}

/* What fails again is appended while letters are read: it waits for the next redrive. */
Test(dlq_file, letters_that_come_meanwhile)
{
    file_bed bed;
    open_bed(&bed, ONE TWO);
    open_dlq(&bed, false);
    bed.append = THREE "\n";
    cr_expect_str_eq(read_with(&bed, &all), "one@1|two@2|");
    finish(&bed);
    bed.append = NULL;
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "three@3|three@4|");
    finish(&bed);
    expect_topic(&bed, SENT_ONE SENT_TWO SENT_THREE);
    close_bed(&bed);
}

/* --- damage --- */

Test(dlq_file, lines_that_are_no_letters)
{
    static const char *const lines[] = {
        "x",
        "{",
        "[]",
        "{}",
        "7",
        "{\"error\":7}",
        "{\"error\":\"e\"}",
        "{\"error\":\"e\",\"value\":{\"a\":1}}",
        "{\"error\":\"e\",\"value\":7}",
        "{\"error\":\"e\",\"value_base64\":\"?\"}",
        "{\"error\":\"e\",\"value_base64\":null}",
        "{\"error\":\"e\",\"value_base64\":\"YQ==\",\"value\":\"a\"}",
        "{\"error\":\"e\",\"value\":null,\"topic\":\"in\"}",
        "{\"error\":\"e\",\"value\":null,\"topic\":\"in\",\"key\":7}",
        "{\"error\":\"e\",\"value\":null,\"headers\":{}}",
        "{\"error\":\"e\",\"value\":null,\"headers\":[1]}",
        "{\"error\":\"e\",\"value\":null,\"headers\":[{\"name\":\"a\"}]}",
        "{\"error\":\"e\",\"value\":null,\"headers\":[{\"value\":\"a\"}]}",
        "{\"leat.other\":\"0123456789abcdef\"}",
        "\"leat.redriven\""};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        file_bed bed;
        const char *first = NULL;
        char text[512];
        (void)snprintf(text, sizeof text, "\n%s\n" ONE, lines[i]);
        open_bed(&bed, text);
        open_dlq(&bed, false);
        cr_expect_str_eq(read_with(&bed, &all), "one@3|", "%s", lines[i]);
        cr_expect_eq(leat_dlq_damaged(bed.dlq, &first), 1, "%s", lines[i]);
        cr_expect_eq(strncmp(first, "line 2: ", 8), 0, "%s: %s", lines[i], first);
        finish(&bed);
        expect_topic(&bed, SENT_ONE);
        close_bed(&bed);
    }
}

static leat_code note_partition(void *self, const leat_letter *one, bool *more, leat_err *err)
{
    (void)more;
    (void)err;
    *(int32_t *)self = one->from_partition;
    return LEAT_OK;
}

Test(dlq_file, partitions)
{
    static const struct {
        const char *line;
        int32_t want;
    } lines[] = {
        {"{\"error\":\"e\",\"value\":null,\"partition\":3}\n", 3},
        {"{\"error\":\"e\",\"value\":null,\"partition\":4294967299}\n", -1}, /* not 3 */
        {"{\"error\":\"e\",\"value\":null,\"partition\":-7}\n", -1},
        {"{\"error\":\"e\",\"value\":null}\n", -1},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        file_bed bed;
        leat_err err;
        int32_t partition = 77;
        open_bed(&bed, lines[i].line);
        cr_assert_eq(leat_dlq_open_file(bed.dead, false, &bed.dlq, &err), LEAT_OK);
        cr_expect_eq(leat_dlq_read(bed.dlq, &all, note_partition, &partition, &err), LEAT_OK);
        cr_expect_eq(partition, lines[i].want, "%s", lines[i].line);
        close_bed(&bed);
    }
}

Test(dlq_file, what_cannot_be_read_is_said)
{
    leat_dlq *dlq = NULL;
    leat_err err;
    cr_expect_eq(leat_dlq_open_file("/tmp", false, &dlq, &err), LEAT_ERR_CONFIG); /* a folder */
    cr_expect_not_null(strstr(err.text, "is no regular file"), "%s", err.text);
    cr_expect_eq(leat_dlq_open_file("/tmp/leat-none/x", false, &dlq, &err), LEAT_ERR_CONFIG);
    cr_expect_not_null(strstr(err.text, "cannot read '/tmp/leat-none/x'"), "%s", err.text);
    cr_expect_null(dlq);
}

/* Longer than what is read at once, and at every place of its border. */
Test(dlq_file, long_lines)
{
    leat_buf text;
    leat_buf_init(&text, (size_t)1 << 24);
    for (size_t more = 0; more < 3; more++) {
        file_bed bed;
        leat_buf_reset(&text);
        leat_buf_add_text(&text, "{\"error\":\"long\",\"value\":\"");
        while (text.len < ((size_t)64 << 10) * 2 - 3 + more)
            leat_buf_add_char(&text, 'x');
        leat_buf_add_text(&text, "\"}\n" ONE);
        leat_buf_add_char(&text, '\0');
        open_bed(&bed, text.data);
        open_dlq(&bed, false);
        cr_expect_str_eq(read_with(&bed, &all), "long@1 stays|one@2|");
        close_bed(&bed);
    }
    leat_buf_release(&text);
}

/* Bytes changed at random in a file that has been sent from: it is read, what is no letter is
 * counted, and what still stands there as it was sent does not go again. */
Test(dlq_file, random_damage)
{
    leat_random random = {.state = 7};
    file_bed bed;
    char whole[4096], text[4096];
    open_bed(&bed, ONE TWO OF_FILE);
    open_dlq(&bed, false);
    cr_expect_str_eq(read_with(&bed, &all), "one@1|two@2|file@3 stays|");
    finish(&bed);
    size_t letters = sizeof ONE TWO OF_FILE - 1, len = strlen(get(bed.dead, whole, sizeof whole));
    for (int round = 0; round < 500; round++) {
        leat_err err;
        memcpy(text, whole, len + 1);
        for (uint64_t i = 0; i <= leat_random_below(&random, 4); i++) {
            size_t at = (size_t)leat_random_below(&random, round % 2 != 0 ? letters : len);
            text[at] = (char)(1 + leat_random_below(&random, 255));
        }
        if (leat_random_below(&random, 4) == 0) text[leat_random_below(&random, len)] = '\0';
        put(bed.dead, text, "w");
        leat_dlq_close(&bed.dlq);
        bed.send = false;
        bed.seen_len = 0;
        bed.seen[0] = '\0';
        cr_assert_eq(leat_dlq_open_file(bed.dead, false, &bed.dlq, &err), LEAT_OK);
        cr_assert_eq(leat_dlq_read(bed.dlq, &all, visit, &bed, &err), LEAT_OK, "%s", err.text);
        if (round % 2 != 0 && strlen(text) == len && strncmp(text, ONE, sizeof ONE - 1) == 0)
            cr_expect_null(strstr(bed.seen, "one@1"), "%s", text);
    }
    close_bed(&bed);
}
