/* SPDX-License-Identifier: Apache-2.0 */
/* leat dlq ls, show and redrive, over the letters that a filter takes.
 *
 * Letters are grouped by step and by what their errors have in common: numbers and quoted texts
 * differ from record to record and become # and '...'. Redrive says first what is in the way of
 * letters (masked, withheld, cut, from nowhere) and sends the others only when told to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/mem.h"
#include "worker/cmd_dlq.h"

#define GROUPS_MAX 10000
#define KEY_MAX    1024
#define PRINT_AT   ((size_t)1 << 20)

/* --- groups --- */

typedef struct group {
    char *step, *error, *code;
    uint64_t count;
    int32_t first_partition, last_partition;
    int64_t first, last, last_ms, attempt_max;
} group;

typedef struct grouping {
    leat_map *index;
    group *groups;
    size_t count, size;
    uint64_t letters, others; /* others: beyond GROUPS_MAX */
} grouping;

/* What errors have in common. */
static void common_text(leat_str error, char text[KEY_MAX / 2])
{
    size_t len = 0, at = 0;
    if (!leat_str_utf8_valid(error)) error = LEAT_STR("(not UTF-8)");
    while (at < error.len && len + 8 < KEY_MAX / 2) {
        char c = error.data[at];
        if (c >= '0' && c <= '9') {
            text[len++] = '#';
            while (at < error.len && error.data[at] >= '0' && error.data[at] <= '9')
                at++;
            continue;
        }
        const char *close =
            c == '\'' ? memchr(error.data + at + 1, '\'', error.len - at - 1) : NULL;
        if (close != NULL) {
            memcpy(text + len, "'...'", 5);
            len += 5;
            at = (size_t)(close - error.data) + 1;
            continue;
        }
        text[len++] = c;
        at++;
    }
    while (
        !leat_str_utf8_valid((leat_str){text, len})) /* cut within a character, at most 3 bytes */
        len--;
    text[len] = '\0';
}

static char *text_of(leat_str text)
{
    char *made = leat_mem_need(text.len + 1);
    if (text.len > 0) memcpy(made, text.data, text.len);
    return made;
}

static leat_code group_of(grouping *all, const leat_letter *letter, group **found, leat_err *err)
{
    char error[KEY_MAX / 2], key[KEY_MAX];
    uint64_t at;
    common_text(letter->error, error);
    int shown = letter->step.len > 400 ? 400 : (int)letter->step.len;
    int len = snprintf(key, sizeof key, "%s|%.*s", error, shown,
                       letter->step.data != NULL ? letter->step.data : "");
    leat_str name = {key, (size_t)len < sizeof key ? (size_t)len : sizeof key - 1};
    *found = NULL;
    if (leat_map_get(all->index, name, &at)) {
        *found = &all->groups[at];
        return LEAT_OK;
    }
    if (all->count == GROUPS_MAX) return LEAT_OK;
    if (all->count == all->size) {
        size_t size = all->size == 0 ? 64 : all->size * 2;
        group *groups = leat_mem_try_resize(all->groups, size * sizeof *groups);
        if (groups == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for groups");
        all->groups = groups;
        all->size = size;
    }
    LEAT_TRY(leat_map_put(all->index, name, all->count, err));
    group *made = &all->groups[all->count++];
    *made = (group){.step = text_of(letter->step),
                    .error = text_of(leat_str_of(error)),
                    .code = text_of(letter->code),
                    .first_partition = letter->partition,
                    .first = letter->offset,
                    .last_ms = LEAT_TIME_NONE};
    *found = made;
    return LEAT_OK;
}

static leat_code visit_group(void *self, const leat_letter *letter, bool *more, leat_err *err)
{
    grouping *all = self;
    group *at;
    (void)more;
    all->letters++;
    LEAT_TRY(group_of(all, letter, &at, err));
    if (at == NULL) {
        all->others++;
        return LEAT_OK;
    }
    at->count++;
    at->last_partition = letter->partition;
    at->last = letter->offset;
    if (letter->at_ms > at->last_ms) at->last_ms = letter->at_ms;
    if (letter->attempt > at->attempt_max) at->attempt_max = letter->attempt;
    return LEAT_OK;
}

static int by_count(const void *a, const void *b)
{
    const group *left = a, *right = b;
    if (left->count != right->count) return left->count < right->count ? 1 : -1;
    int order = strcmp(left->step, right->step);
    return order != 0 ? order : strcmp(left->error, right->error);
}

static void json_time(leat_buf *out, int64_t ms)
{
    if (ms == LEAT_TIME_NONE) {
        leat_buf_add_text(out, "null");
        return;
    }
    leat_buf_add_char(out, '"');
    dlq_time(out, ms);
    leat_buf_add_char(out, '"');
}

static void print_group(dlq_work *work, const group *one)
{
    leat_buf *out = &work->out;
    if (!work->json) {
        leat_buf_add_format(out, "%8llu  %3lld  %3d:%-10lld ", (unsigned long long)one->count,
                            (long long)one->attempt_max, (int)one->last_partition,
                            (long long)one->last);
        size_t from = out->len;
        dlq_time(out, one->last_ms);
        while (out->len < from + 25 && !out->overflow)
            leat_buf_add_char(out, ' ');
        leat_buf_add_format(out, "%s: %s\n", one->step, one->error);
        return;
    }
    leat_buf_add_format(out, "{\"count\":%llu,\"attempts\":%lld", (unsigned long long)one->count,
                        (long long)one->attempt_max);
    dlq_member(out, "step", leat_str_of(one->step), false);
    dlq_member(out, "error", leat_str_of(one->error), false);
    dlq_member(out, "code", leat_str_of(one->code), false);
    leat_buf_add_format(out, ",\"first\":\"%d:%lld\",\"last\":\"%d:%lld\",\"last_time\":",
                        (int)one->first_partition, (long long)one->first, (int)one->last_partition,
                        (long long)one->last);
    json_time(out, one->last_ms);
    leat_buf_add_text(out, "}\n");
}

leat_code dlq_ls(dlq_work *work, int *exit_code, leat_err *err)
{
    grouping all = {.index = leat_map_new()};
    (void)exit_code;
    leat_code code = leat_dlq_read(work->dlq, &work->filter, visit_group, &all, err);
    if (code == LEAT_OK && all.count > 0) {
        qsort(all.groups, all.count, sizeof *all.groups, by_count);
        if (!work->json)
            leat_buf_add_text(&work->out, "   COUNT  TRY  LAST           WRITTEN                  "
                                          "STEP: ERROR\n");
        for (size_t i = 0; i < all.count; i++)
            print_group(work, &all.groups[i]);
    }
    if (code == LEAT_OK)
        leat_cli_say("%llu dead letter(s) in %zu group(s)%s", (unsigned long long)all.letters,
                     all.count, all.others > 0 ? "; more kinds of errors are not listed" : "");
    for (size_t i = 0; i < all.count; i++) {
        leat_mem_free(all.groups[i].step);
        leat_mem_free(all.groups[i].error);
        leat_mem_free(all.groups[i].code);
    }
    leat_mem_free(all.groups);
    leat_map_free(&all.index);
    return code;
}

/* --- one letter --- */

typedef struct showing {
    dlq_work *work;
    int64_t left;
    uint64_t shown;
} showing;

static void print_bytes(leat_buf *out, const char *name, leat_str bytes)
{
    if (bytes.data == NULL) {
        leat_buf_add_format(out, "%-10s (null)\n", name);
    } else if (leat_str_utf8_valid(bytes)) {
        leat_buf_add_format(out, "%-10s ", name);
        leat_buf_add(out, bytes);
        leat_buf_add_char(out, '\n');
    } else {
        leat_buf_add_format(out, "%-10s base64 ", name);
        leat_base64_encode(bytes, LEAT_BASE64_STANDARD, out);
        leat_buf_add_char(out, '\n');
    }
}

static void json_bytes(leat_buf *out, const char *name, leat_str bytes, bool first)
{
    if (bytes.data == NULL || leat_str_utf8_valid(bytes)) {
        dlq_member(out, name, bytes, first);
        return;
    }
    leat_buf_add_format(out, "%s\"%s_base64\":\"", first ? "" : ",", name);
    leat_base64_encode(bytes, LEAT_BASE64_STANDARD, out);
    leat_buf_add_char(out, '"');
}

static void show_text(leat_buf *out, const leat_letter *letter)
{
    leat_buf_add_format(out, "%-10s %d:%lld%s\n", "letter", (int)letter->partition,
                        (long long)letter->offset,
                        letter->redriven    ? "  (sent back)"
                        : letter->unsettled ? "  (may have been sent back)"
                                            : "");
    leat_buf_add_format(out, "%-10s ", "written");
    dlq_time(out, letter->at_ms);
    leat_buf_add_char(out, '\n');
    print_bytes(out, "pipeline", letter->pipeline);
    print_bytes(out, "step", letter->step);
    print_bytes(out, "error", letter->error);
    if (letter->code.data != NULL) print_bytes(out, "code", letter->code);
    if (letter->topic.data != NULL)
        leat_buf_add_format(out, "%-10s %.*s %d:%lld\n", "from", LEAT_STR_ARG(letter->topic),
                            (int)letter->from_partition, (long long)letter->from_offset);
    else if (letter->from_offset >= 0)
        leat_buf_add_format(out, "%-10s %.*s%sline %lld\n", "from", LEAT_STR_ARG(letter->file),
                            letter->file.len > 0 ? " " : "", (long long)letter->from_offset);
    leat_buf_add_format(out, "%-10s ", "timestamp");
    dlq_time(out, letter->timestamp_ms);
    leat_buf_add_format(out, "\n%-10s %lld\n", "attempt", (long long)letter->attempt);
    if (letter->masked.data != NULL) print_bytes(out, "masked", letter->masked);
    if (letter->withheld) leat_buf_add_text(out, "withheld   the payload could not be masked\n");
    if (letter->cut) leat_buf_add_text(out, "cut        the payload was too large for the topic\n");
    for (size_t i = 0; i < letter->headers_count; i++) {
        leat_buf_add_format(out, "%-10s %.*s: ", "header", LEAT_STR_ARG(letter->headers[i].name));
        size_t at = out->len;
        print_bytes(out, "", letter->headers[i].value);
        if (out->len >= at + 11) { /* without the empty name */
            memmove(out->data + at, out->data + at + 11, out->len - at - 11);
            out->len -= 11;
        }
    }
    print_bytes(out, "key", letter->key);
    print_bytes(out, "value", letter->value);
    leat_buf_add_char(out, '\n');
}

static void show_json(leat_buf *out, const leat_letter *letter)
{
    leat_buf_add_format(out,
                        "{\"partition\":%d,\"offset\":%lld,\"attempt\":%lld,\"redriven\":%s,"
                        "\"unsettled\":%s",
                        (int)letter->partition, (long long)letter->offset,
                        (long long)letter->attempt, letter->redriven ? "true" : "false",
                        letter->unsettled ? "true" : "false");
    leat_buf_add_text(out, ",\"written\":");
    json_time(out, letter->at_ms);
    dlq_member(out, "pipeline", letter->pipeline, false);
    dlq_member(out, "step", letter->step, false);
    dlq_member(out, "error", letter->error, false);
    dlq_member(out, "code", letter->code, false);
    dlq_member(out, "topic", letter->topic, false);
    dlq_member(out, "file", letter->file, false);
    leat_buf_add_format(out, ",\"from_partition\":%d,\"from_offset\":%lld,\"timestamp\":",
                        (int)letter->from_partition, (long long)letter->from_offset);
    json_time(out, letter->timestamp_ms);
    dlq_member(out, "masked", letter->masked, false);
    leat_buf_add_format(out, ",\"withheld\":%s,\"cut\":%s,\"headers\":[",
                        letter->withheld ? "true" : "false", letter->cut ? "true" : "false");
    for (size_t i = 0; i < letter->headers_count; i++) {
        leat_buf_add_text(out, i > 0 ? ",{" : "{");
        json_bytes(out, "name", letter->headers[i].name, true);
        json_bytes(out, "value", letter->headers[i].value, false);
        leat_buf_add_char(out, '}');
    }
    leat_buf_add_char(out, ']');
    json_bytes(out, "key", letter->key, false);
    json_bytes(out, "value", letter->value, false);
    leat_buf_add_text(out, "}\n");
}

static leat_code visit_show(void *self, const leat_letter *letter, bool *more, leat_err *err)
{
    showing *show = self;
    dlq_work *work = show->work;
    if (work->json)
        show_json(&work->out, letter);
    else
        show_text(&work->out, letter);
    LEAT_TRY(leat_buf_check(&work->out, "the output", err));
    if (work->out.len > PRINT_AT) dlq_print(work);
    show->shown++;
    *more = --show->left > 0;
    return LEAT_OK;
}

leat_code dlq_show(dlq_work *work, int *exit_code, leat_err *err)
{
    showing show = {.work = work};
    if (!leat_flag_int(&work->flags[DLQ_COUNT], 1, 1, INT64_MAX, &show.left)) {
        *exit_code = LEAT_EXIT_USAGE;
        return LEAT_OK;
    }
    LEAT_TRY(leat_dlq_read(work->dlq, &work->filter, visit_show, &show, err));
    if (show.shown > 0) return LEAT_OK;
    leat_cli_say("no such dead letter");
    *exit_code = LEAT_EXIT_FINDINGS;
    return LEAT_OK;
}

/* --- sending back --- */

#define TARGETS_MAX   256
#define OBSTACLES_MAX 8

typedef struct redriving {
    dlq_work *work;
    leat_dlq_order order;
    const char *to_file;
    bool execute;
    struct {
        char *topic;
        uint64_t count;
    } targets[TARGETS_MAX];
    size_t targets_count;
    uint64_t others, twins; /* others: to targets beyond TARGETS_MAX */
    struct {
        const char *what;
        uint64_t count;
    } obstacles[OBSTACLES_MAX];
    size_t obstacles_count;
} redriving;

static void count_obstacle(redriving *all, const char *what)
{
    size_t at = 0;
    while (at < all->obstacles_count && strcmp(all->obstacles[at].what, what) != 0)
        at++;
    LEAT_ASSERT(at < OBSTACLES_MAX);
    if (at == all->obstacles_count) all->obstacles[all->obstacles_count++].what = what;
    all->obstacles[at].count++;
}

static void count_target(redriving *all, leat_str topic)
{
    size_t at = 0;
    while (at < all->targets_count && !leat_str_is(topic, all->targets[at].topic))
        at++;
    if (at == TARGETS_MAX) {
        all->others++;
        return;
    }
    if (at == all->targets_count) all->targets[all->targets_count++].topic = text_of(topic);
    all->targets[at].count++;
}

static leat_code visit_redrive(void *self, const leat_letter *letter, bool *more, leat_err *err)
{
    redriving *all = self;
    leat_dlq *dlq = all->work->dlq;
    bool twin = false;
    (void)more;
    const char *obstacle = leat_dlq_obstacle(letter, &all->order);
    if (obstacle != NULL) {
        count_obstacle(all, obstacle);
        return LEAT_OK;
    }
    LEAT_TRY(leat_dlq_is_twin(dlq, letter, &twin, err));
    if (twin) {
        all->twins++;
        return all->execute ? leat_dlq_skip(dlq, letter, err) : LEAT_OK;
    }
    if (all->to_file != NULL)
        count_target(all, leat_str_of(all->to_file));
    else
        count_target(all, all->order.to.data != NULL ? all->order.to : letter->topic);
    return all->execute ? leat_dlq_send(dlq, letter, &all->order, err) : LEAT_OK;
}

static void print_target(const redriving *all, const char *target, uint64_t count)
{
    leat_buf *out = &all->work->out;
    if (!all->work->json) {
        leat_buf_add_format(out, "%8llu  %s %s\n", (unsigned long long)count,
                            all->execute ? "sent to" : "would go to", target);
        return;
    }
    leat_buf_add_char(out, '{');
    dlq_member(out, all->to_file != NULL ? "file" : "topic", leat_str_of(target), true);
    leat_buf_add_format(out, ",\"count\":%llu,\"sent\":%s}\n", (unsigned long long)count,
                        all->execute ? "true" : "false");
}

static void print_redrive(const redriving *all)
{
    for (size_t i = 0; i < all->targets_count; i++)
        print_target(all, all->targets[i].topic, all->targets[i].count);
    if (all->others > 0)
        leat_cli_say("%llu letter(s) %s other topics", (unsigned long long)all->others,
                     all->execute ? "sent to" : "would go to");
    if (all->twins > 0)
        leat_cli_say("%llu letter(s) are of records that %s with another letter",
                     (unsigned long long)all->twins, all->execute ? "went" : "would go");
    for (size_t i = 0; i < all->obstacles_count; i++)
        leat_cli_say("%llu letter(s) stay: %s", (unsigned long long)all->obstacles[i].count,
                     all->obstacles[i].what);
    if (all->targets_count == 0) leat_cli_say("nothing to send back");
    if (all->targets_count > 0 && !all->execute)
        leat_cli_say("nothing was sent; --execute does it");
}

/* Before an error. */
static void print_settled(leat_dlq_count settled)
{
    if (settled.twins > 0)
        leat_cli_say("%llu letter(s) are of records that went with another letter, and are marked",
                     (unsigned long long)settled.twins);
    if (settled.sent > 0)
        leat_cli_say("%llu letter(s) were sent, and are marked, before this error:",
                     (unsigned long long)settled.sent);
}

leat_code dlq_redrive(dlq_work *work, int *exit_code, leat_err *err)
{
    redriving *all = leat_mem_need(sizeof *all);
    const leat_flag *flags = work->flags;
    *all = (redriving){.work = work,
                       .to_file = leat_flag_text(&flags[DLQ_TO_FILE], NULL),
                       .execute = flags[DLQ_EXECUTE].count > 0};
    all->order = (leat_dlq_order){.to = leat_str_of(leat_flag_text(&flags[DLQ_TO], NULL)),
                                  .to_file = all->to_file != NULL,
                                  .masked = flags[DLQ_MASKED].count > 0,
                                  .unsettled = flags[DLQ_UNSETTLED].count > 0};
    leat_code code = LEAT_OK;
    if (all->order.to.data != NULL && all->order.to.len == 0)
        code = leat_err_set(err, LEAT_ERR_CONFIG, "--to: name a topic");
    else if (all->order.to.data != NULL && leat_str_equal(all->order.to, work->topic))
        code = leat_err_set(err, LEAT_ERR_CONFIG, "--to: that is where they are");
    work->filter.redriven = false;
    if (code == LEAT_OK) code = leat_dlq_read(work->dlq, &work->filter, visit_redrive, all, err);
    if (code == LEAT_OK && all->execute) code = leat_dlq_finish(work->dlq, err);
    if (code == LEAT_OK)
        print_redrive(all);
    else
        print_settled(leat_dlq_settled(work->dlq));
    if (all->obstacles_count > 0) *exit_code = LEAT_EXIT_FINDINGS;
    for (size_t i = 0; i < all->targets_count; i++)
        leat_mem_free(all->targets[i].topic);
    leat_mem_free(all);
    return code;
}
