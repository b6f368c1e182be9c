/* SPDX-License-Identifier: Apache-2.0 */
/* Files as sources and sinks. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/leak.h"
#include "tests/unit/log_harness.h"
#include "worker/sink_file.h"

LEAT_SUITE(log_file);

static char folder[64];

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static int turn;
    if (folder[0] == 0) {
        snprintf(folder, sizeof folder, "/tmp/leat-unit-XXXXXX");
        cr_assert_not_null(mkdtemp(folder));
    }
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void clean(void)
{
    if (folder[0] == 0) return;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

static const char *file_of(const char *name, const char *text, size_t len)
{
    const char *path = path_of(name);
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, len, file), len);
    fclose(file);
    return path;
}

static void slurp(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    text[fread(text, 1, size - 1, file)] = 0;
    fclose(file);
}

static leat_code open_files(harness *me, leat_log *log, const char *const *paths,
                            const uint32_t *sources, size_t count, leat_err *err)
{
    leat_subscription subscriptions[8] = {0};
    for (size_t i = 0; i < count; i++) {
        subscriptions[i].topic = leat_str_of(paths[i]);
        subscriptions[i].source = sources == NULL ? 0 : sources[i];
    }
    leat_session_config config = {.subscriptions = subscriptions, .subscriptions_count = count};
    return harness_open(me, &leat_log_file, log, config, err);
}

/* Everything, line by line, as "offset:value|". */
static void read_all(harness *me, char *text, size_t size)
{
    size_t at = 0;
    text[0] = 0;
    for (;;) {
        leat_message messages[3];
        leat_poll_state state = LEAT_POLL_EMPTY;
        leat_err err = {0};
        size_t count = 0;
        cr_assert_eq(me->type->poll(me->session, 10, messages, 3, &count, &state, &err), LEAT_OK,
                     "%s", err.text);
        if (state == LEAT_POLL_ENDED) return;
        for (size_t i = 0; i < count && at < size; i++)
            at += (size_t)snprintf(text + at, size - at, "%lld:%.*s|",
                                   (long long)messages[i].offset, LEAT_STR_ARG(messages[i].value));
        me->type->release(me->session);
    }
}

Test(log_file, lines, .fini = clean)
{
    static const struct {
        const char *name, *input, *want;
    } cases[] = {
        {"empty file", "", ""},
        {"one", "a\n", "1:a|"},
        {"no newline at the end", "a\nb", "1:a|2:b|"},
        {"carriage returns", "a\r\nb\r\n", "1:a|2:b|"},
        {"a carriage return at the end", "a\r", "1:a|"},
        {"blank lines count", "a\n\n\nb\n", "1:a|2:|3:|4:b|"},
        {"only a newline", "\n", "1:|"},
        {"byte order mark", "\xEF\xBB\xBF{}\n\xEF\xBB\xBF\n", "1:{}|2:\xEF\xBB\xBF|"},
        {"more than a poll takes", "1\n2\n3\n4\n5\n6\n7\n", "1:1|2:2|3:3|4:4|5:5|6:6|7:7|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = file_of("in", cases[i].input, strlen(cases[i].input));
        leat_log *log = harness_log(&leat_log_file, NULL, 0);
        leat_err err = {0};
        harness me = {0};
        cr_assert_eq(open_files(&me, log, &path, NULL, 1, &err), LEAT_OK, "%s", err.text);
        char text[256];
        read_all(&me, text, sizeof text);
        cr_assert_str_eq(text, cases[i].want, "%s: %s", cases[i].name, text);
        cr_assert(me.type->ended(me.session, leat_str_of(path), 0));
        me.type->session_close(&me.session, 1000);
        cr_assert_eq(me.revoked_calls, 1);
        leat_log_file.close(&log);
    }
}

/* Of a line that is too long, one byte too many is handed out, whatever the block's size. */
Test(log_file, long_lines_are_cut, .fini = clean)
{
    static const size_t limits[] = {5, 300000, 1 << 20};
    for (size_t i = 0; i < 3; i++) {
        size_t limit = limits[i], size = limit * 3 + 700000;
        char *input = malloc(size + 100), number[32];
        memset(input, 'x', size);
        memcpy(input + size, "\nend\n", 5);
        const char *path = file_of("long", input, size + 5);
        snprintf(number, sizeof number, "%zu", limit);
        leat_property property = {LEAT_STR("file.line.bytes"), leat_str_of(number), false};
        leat_log *log = harness_log(&leat_log_file, &property, 1);
        leat_err err = {0};
        harness me = {0};
        cr_assert_eq(open_files(&me, log, &path, NULL, 1, &err), LEAT_OK);
        leat_message messages[4];
        leat_poll_state state;
        size_t count, lines = 0;
        do {
            cr_assert_eq(me.type->poll(me.session, 0, messages, 4, &count, &state, &err), LEAT_OK);
            for (size_t k = 0; k < count; k++) {
                lines++;
                cr_assert_eq(messages[k].offset, (int64_t)lines);
                cr_assert_eq(messages[k].value.len, lines == 1 ? limit + 1 : 3);
            }
        } while (state != LEAT_POLL_ENDED);
        cr_assert_eq(lines, 2);
        me.type->session_close(&me.session, 1000);
        leat_log_file.close(&log);
        free(input);
    }
}

/* Files of a source one after the other, sources side by side. */
Test(log_file, sources_side_by_side, .fini = clean)
{
    const char *paths[] = {file_of("a", "a1\na2\n", 6), file_of("b", "b1\n", 3),
                           file_of("c", "c1\nc2\n", 6)};
    const uint32_t sources[] = {0, 0, 7};
    leat_log *log = harness_log(&leat_log_file, NULL, 0);
    leat_err err = {0};
    harness me = {0};
    cr_assert_eq(open_files(&me, log, paths, sources, 3, &err), LEAT_OK);
    char text[64];
    cr_assert_eq(harness_poll(&me, 0, text, sizeof text), LEAT_POLL_EMPTY);
    cr_assert_eq(me.assigned_calls, 1);
    cr_assert_eq(me.owned_count, 3);
    cr_assert_eq(me.places[0].offset, 1);
    cr_assert_eq(me.type->pause(me.session, leat_str_of(paths[1]), 0, &err), LEAT_OK);
    static const char *const wants[] = {"a1 a2 ", "c1 c2 "};
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(harness_poll(&me, 0, text, sizeof text), LEAT_POLL_SOME);
        cr_assert_str_eq(text, wants[i]);
    }
    cr_assert_eq(harness_poll(&me, 0, text, sizeof text), LEAT_POLL_EMPTY);
    cr_assert(me.type->ended(me.session, leat_str_of(paths[0]), 0));
    cr_assert_not(me.type->ended(me.session, leat_str_of(paths[1]), 0));
    cr_assert(me.type->ended(me.session, leat_str_of(paths[2]), 0));
    cr_assert_eq(me.type->resume(me.session, leat_str_of(paths[1]), 0, &err), LEAT_OK);
    cr_assert_eq(harness_poll(&me, 0, text, sizeof text), LEAT_POLL_SOME);
    cr_assert_str_eq(text, "b1 ");
    cr_assert_eq(harness_poll(&me, 0, text, sizeof text), LEAT_POLL_ENDED);
    me.type->session_close(&me.session, 1000);
    leat_log_file.close(&log);
}

/* Back to the last commit, from every place that it can have got to. */
Test(log_file, rewinds, .fini = clean)
{
    const char *paths[] = {file_of("a", "1\n2\n3\n4\n5\n", 10), file_of("b", "6\n7\n8\n", 6)};
    for (int64_t commit = 0; commit <= 8; commit++)
        for (int64_t stop = commit; stop <= 8; stop++) {
            leat_log *log = harness_log(&leat_log_file, NULL, 0);
            leat_err err = {0};
            harness me = {0};
            leat_message message;
            leat_poll_state state = LEAT_POLL_EMPTY;
            size_t count = 0;
            cr_assert_eq(open_files(&me, log, paths, NULL, 2, &err), LEAT_OK);
            cr_assert_eq(me.type->poll(me.session, 0, &message, 1, &count, &state, &err), LEAT_OK);
            for (int64_t i = 1; i <= stop; i++) {
                cr_assert_eq(me.type->poll(me.session, 0, &message, 1, &count, &state, &err),
                             LEAT_OK);
                cr_assert_eq(count, 1);
                cr_assert_eq(message.value.data[0], '0' + i);
                if (i != commit) continue;
                leat_partition place = {message.topic, 0, message.offset + 1};
                cr_assert_eq(me.type->commit(me.session, &place, 1, &err), LEAT_OK);
            }
            leat_partition places[2] = {{.topic = leat_str_of(paths[0])},
                                        {.topic = leat_str_of(paths[1])}};
            cr_assert_eq(me.type->committed(me.session, places, 2, &err), LEAT_OK);
            /* A worker commits every partition that it has read from. */
            if (commit > 5) places[0].offset = 6;
            bool backwards = stop % 2 == 0;
            for (int i = 0; i < 2; i++) {
                leat_partition *place = &places[backwards ? 1 - i : i];
                cr_assert_eq(me.type->seek(me.session, place->topic, 0, place->offset, &err),
                             LEAT_OK);
            }
            for (int64_t i = commit + 1; i <= 8; i++) {
                cr_assert_eq(me.type->poll(me.session, 0, &message, 1, &count, &state, &err),
                             LEAT_OK);
                cr_assert_eq(count, 1, "commit %d stop %d at %d", (int)commit, (int)stop, (int)i);
                cr_assert_eq(message.value.data[0], '0' + i, "commit %d stop %d: %c for %d",
                             (int)commit, (int)stop, message.value.data[0], (int)i);
                cr_assert_eq(message.offset, i <= 5 ? i : i - 5);
            }
            cr_assert_eq(me.type->poll(me.session, 0, &message, 1, &count, &state, &err), LEAT_OK);
            cr_assert_eq(state, LEAT_POLL_ENDED);
            me.type->session_close(&me.session, 1000);
            leat_log_file.close(&log);
        }
}

Test(log_file, a_pipe_is_waited_for, .fini = clean)
{
    const char *path = path_of("pipe");
    cr_assert_eq(mkfifo(path, 0600), 0);
    leat_log *log = harness_log(&leat_log_file, NULL, 0);
    leat_err err = {0};
    harness me = {0};
    cr_assert_eq(open_files(&me, log, &path, NULL, 1, &err), LEAT_OK, "%s", err.text);
    char text[64];
    harness_poll(&me, 0, text, sizeof text);
    cr_assert_eq(harness_poll(&me, 5, text, sizeof text), LEAT_POLL_EMPTY);
    int fd = open(path, O_WRONLY);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, "one\ntw", 6), 6);
    cr_assert_eq(harness_poll(&me, 1000, text, sizeof text), LEAT_POLL_SOME);
    cr_assert_str_eq(text, "one ");
    cr_assert_eq(harness_poll(&me, 5, text, sizeof text), LEAT_POLL_EMPTY);
    cr_assert_eq(write(fd, "o\n", 2), 2);
    close(fd);
    cr_assert_eq(harness_poll(&me, 1000, text, sizeof text), LEAT_POLL_SOME);
    cr_assert_str_eq(text, "two ");
    cr_assert_eq(harness_poll(&me, 1000, text, sizeof text), LEAT_POLL_ENDED);
    me.type->session_close(&me.session, 1000);
    leat_log_file.close(&log);
}

Test(log_file, what_cannot_be_read, .fini = clean)
{
    leat_log *log = harness_log(&leat_log_file, NULL, 0);
    file_of("x", "", 0);
    const char *paths[] = {path_of("no-such-file"), folder};
    for (size_t i = 0; i < 2; i++) {
        leat_err err = {0};
        harness me = {0};
        cr_assert_eq(open_files(&me, log, &paths[i], NULL, 1, &err), LEAT_ERR_CONFIG);
        cr_assert_not_null(strstr(err.text, paths[i]), "%s", err.text);
        cr_assert_null(me.session);
    }
    leat_err err = {0};
    leat_topic_info info;
    cr_assert_eq(log == NULL, false);
    cr_assert_eq(leat_log_file.describe(log, leat_str_of(paths[0]), 0, &info, &err), LEAT_OK);
    cr_assert_not(info.exists);
    leat_log_file.close(&log);
    static const char *const bad[] = {"0", "", "x", "-1", "99999999999"};
    for (size_t i = 0; i < 5; i++) {
        leat_property property = {LEAT_STR("file.line.bytes"), leat_str_of(bad[i]), false};
        leat_log_config config = {.properties = &property, .properties_count = 1};
        cr_assert_eq(leat_log_file.open(&config, &log, &err), LEAT_ERR_CONFIG);
    }
}

/* --- sinks --- */

Test(log_file, sink_shows_only_what_was_flushed, .fini = clean)
{
    const char *path = file_of("out", "old", 3);
    leat_err err = {0};
    leat_sink_file *sink = NULL;
    char text[64];
    cr_assert_eq(leat_sink_file_open(leat_str_of(path), &sink, &err), LEAT_OK);
    cr_assert_eq(leat_sink_file_append(sink, LEAT_STR("a"), &err), LEAT_OK);
    slurp(path, text, sizeof text);
    cr_assert_str_eq(text, "");
    cr_assert_eq(leat_sink_file_flush(sink, &err), LEAT_OK);
    cr_assert_eq(leat_sink_file_append(sink, LEAT_STR("b"), &err), LEAT_OK);
    leat_sink_file_discard(sink);
    cr_assert_eq(leat_sink_file_append(sink, LEAT_STR(""), &err), LEAT_OK);
    cr_assert_eq(leat_sink_file_flush(sink, &err), LEAT_OK);
    cr_assert_eq(leat_sink_file_append(sink, LEAT_STR("never committed"), &err), LEAT_OK);
    leat_sink_file_close(&sink);
    slurp(path, text, sizeof text);
    cr_assert_str_eq(text, "a\n\n");
}

/* A full disk: what did not fit leaves no trace, and is written when there is room. */
Test(log_file, sink_on_a_full_disk, .fini = clean)
{
    const char *path = path_of("full");
    leat_err err = {0};
    leat_sink_file *sink = NULL;
    char text[64];
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, tight;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 10;
    cr_assert_eq(leat_sink_file_open(leat_str_of(path), &sink, &err), LEAT_OK);
    cr_assert_eq(leat_sink_file_append(sink, LEAT_STR("12345"), &err), LEAT_OK);
    cr_assert_eq(leat_sink_file_flush(sink, &err), LEAT_OK);
    cr_assert_eq(leat_sink_file_append(sink, LEAT_STR("678901234"), &err), LEAT_OK);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &tight), 0);
    leat_code code = leat_sink_file_flush(sink, &err);
    slurp(path, text, sizeof text);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    cr_assert_eq(code, LEAT_ERR_IO);
    cr_assert_not_null(strstr(err.text, path));
    cr_assert_not_null(strstr(err.text, "large"), "%s", err.text);
    cr_assert_str_eq(text, "12345\n");
    cr_assert_eq(leat_sink_file_flush(sink, &err), LEAT_OK);
    slurp(path, text, sizeof text);
    cr_assert_str_eq(text, "12345\n678901234\n");
    leat_sink_file_close(&sink);
    cr_assert_eq(leat_sink_file_open(LEAT_STR("/no/such/folder/f"), &sink, &err), LEAT_ERR_IO);
    cr_assert_not_null(strstr(err.text, "/no/such/folder/f"));
    if (access("/dev/full", W_OK) != 0) return;
    cr_assert_eq(leat_sink_file_open(LEAT_STR("/dev/full"), &sink, &err), LEAT_OK);
    cr_assert_eq(leat_sink_file_append(sink, LEAT_STR("x"), &err), LEAT_OK);
    cr_assert_eq(leat_sink_file_flush(sink, &err), LEAT_ERR_IO);
    cr_assert_not_null(strstr(err.text, "space"), "%s", err.text);
    leat_sink_file_close(&sink);
}

typedef struct writer {
    leat_sink_file *sink;
    char letter;
} writer;

static void *write_lines(void *context)
{
    const writer *me = context;
    leat_err err;
    char line[40];
    memset(line, me->letter, sizeof line);
    for (int i = 0; i < 1000; i++) {
        if (leat_sink_file_append(me->sink, (leat_str){line, sizeof line}, &err) != LEAT_OK)
            abort();
        if (i % 10 == 9 && leat_sink_file_flush(me->sink, &err) != LEAT_OK) abort();
    }
    return NULL;
}

Test(log_file, sink_of_several_threads, .fini = clean)
{
    const char *path = path_of("shared");
    leat_err err = {0};
    leat_sink_file *sink = NULL;
    cr_assert_eq(leat_sink_file_open(leat_str_of(path), &sink, &err), LEAT_OK);
    writer writers[3] = {{sink, 'a'}, {sink, 'b'}, {sink, 'c'}};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, write_lines, &writers[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    leat_sink_file_close(&sink);
    static char text[3 * 1000 * 41 + 1];
    slurp(path, text, sizeof text);
    cr_assert_eq(strlen(text), sizeof text - 1);
    int seen[3] = {0};
    for (size_t i = 0; i < 3000; i++) {
        const char *line = text + i * 41;
        for (int k = 0; k < 40; k++)
            cr_assert_eq(line[k], line[0]);
        cr_assert_eq(line[40], '\n');
        seen[line[0] - 'a']++;
    }
    for (int i = 0; i < 3; i++)
        cr_assert_eq(seen[i], 1000);
}
