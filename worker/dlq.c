/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and sending back dead letters (dlq.h).
 *
 * A topic is read twice: once for the markers of earlier redrives, once for the letters, each time
 * partition by partition from its start to its present end, as a changelog is restored. Reading is
 * read_committed, so that a redrive that was cut off leaves neither records nor markers.
 *
 * A redrive opens a transactional producer named after the topic: the one before it is fenced, and
 * what it had not committed is void, before the markers are read. So two redrives at once cannot
 * send one letter twice; the older one fails. */
#include "worker/dlq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/mem.h"
#include "core/number.h"
#include "schemas/codec_json.h"
#include "worker/dlq_inside.h"

#define POLL_MS         200
#define READ_MAX        500
#define TIMEOUT_MS      15000
#define COMMIT_LETTERS  500
#define ARENA_BYTES_MAX ((size_t)1 << 30)

/* --- open, close --- */

void leat_dlq_close(leat_dlq **dlq)
{
    leat_dlq *gone = *dlq;
    if (gone == NULL) return;
    if (gone->session != NULL) gone->type->session_close(&gone->session, TIMEOUT_MS);
    if (gone->file != NULL) (void)fclose(gone->file);
    leat_map_free(&gone->redriven);
    leat_buf_release(&gone->markers);
    leat_buf_release(&gone->bytes);
    leat_arena_free(&gone->arena);
    leat_mem_free(gone->topic);
    leat_mem_free(gone);
    *dlq = NULL;
}

static leat_code dlq_new(leat_dlq **dlq, leat_err *err)
{
    leat_dlq *made = leat_mem_need(sizeof *made);
    made->redriven = leat_map_new();
    leat_buf_init(&made->markers, (size_t)1 << 20);
    leat_buf_init(&made->bytes, (size_t)256 << 20);
    leat_code code = leat_arena_new(&made->arena, ARENA_BYTES_MAX, err);
    if (code != LEAT_OK) {
        leat_dlq_close(&made);
        return code;
    }
    *dlq = made;
    return LEAT_OK;
}

leat_code leat_dlq_open_topic(const leat_log_type *type, leat_log *log, leat_str topic,
                              bool transactional, leat_dlq **dlq, leat_err *err)
{
    leat_topic_info info = {0};
    leat_dlq *made = NULL;
    char id[320];
    LEAT_TRY(type->describe(log, topic, TIMEOUT_MS, &info, err));
    if (!info.exists)
        return leat_err_set(err, LEAT_ERR_CONFIG, "topic '%.*s' does not exist",
                            LEAT_STR_ARG(topic));
    LEAT_TRY(dlq_new(&made, err));
    made->type = type;
    made->topic = leat_mem_need(topic.len + 1);
    memcpy(made->topic, topic.data, topic.len);
    made->partitions = info.partitions;
    (void)snprintf(id, sizeof id, "leat-redrive-%s", made->topic);
    leat_session_config config = {
        .guarantee = transactional ? LEAT_EXACTLY_ONCE : LEAT_AT_LEAST_ONCE,
        .transactional_id = transactional ? leat_str_of(id) : LEAT_STR_NONE};
    leat_code code = type->session_open(log, &config, &topic, 1, &made->session, err);
    if (code != LEAT_OK) {
        leat_dlq_close(&made);
        return code;
    }
    *dlq = made;
    return LEAT_OK;
}

leat_code leat_dlq_open_file(const char *path, leat_dlq **dlq, leat_err *err)
{
    leat_dlq *made = NULL;
    LEAT_TRY(dlq_new(&made, err));
    made->file = fopen(path, "rb");
    if (made->file == NULL) {
        leat_dlq_close(&made);
        return leat_err_set(err, LEAT_ERR_CONFIG, "cannot read '%s': %s", path, strerror(errno));
    }
    *dlq = made;
    return LEAT_OK;
}

/* --- what a filter takes --- */

static bool in_ranges(const leat_dlq_filter *filter, const leat_letter *letter)
{
    for (size_t i = 0; i < filter->ranges_count; i++) {
        const struct leat_dlq_range *range = &filter->ranges[i];
        if (range->partition == letter->partition && letter->offset >= range->from &&
            letter->offset <= range->to)
            return true;
    }
    return filter->ranges_count == 0;
}

static bool takes(const leat_dlq_filter *filter, const leat_letter *letter)
{
    if (letter->redriven && !filter->redriven) return false;
    if (filter->step.data != NULL && !leat_str_starts(letter->step, filter->step)) return false;
    if (filter->error.data != NULL && leat_str_find(letter->error, filter->error) < 0) return false;
    if (filter->code.data != NULL && !leat_str_equal(letter->code, filter->code)) return false;
    if (filter->since_ms != 0 && letter->at_ms < filter->since_ms) return false;
    if (filter->until_ms != 0 && letter->at_ms >= filter->until_ms) return false;
    return in_ranges(filter, letter);
}

/* --- markers --- */

static leat_str place_key(char text[48], int32_t partition, int64_t offset)
{
    int len = snprintf(text, 48, "%d:%lld", (int)partition, (long long)offset);
    return (leat_str){text, (size_t)len};
}

static leat_code note_markers(leat_dlq *dlq, leat_str list, leat_err *err)
{
    for (size_t at = 0; at < list.len;) {
        const char *space = memchr(list.data + at, ' ', list.len - at);
        size_t end = space != NULL ? (size_t)(space - list.data) : list.len;
        if (end > at) LEAT_TRY(leat_map_put(dlq->redriven, leat_str_slice(list, at, end), 1, err));
        at = end + 1;
    }
    return LEAT_OK;
}

/* A marker's list, or none: the record is a letter (or something else). */
static leat_str marker_of(const leat_message *message, const leat_header *headers, size_t count)
{
    if (message->value.data != NULL) return LEAT_STR_NONE;
    for (size_t i = 0; i < count; i++)
        if (leat_str_is(headers[i].name, LEAT_DLQ_REDRIVEN)) return headers[i].value;
    return LEAT_STR_NONE;
}

/* --- a topic --- */

typedef struct topic_pass {
    leat_dlq *dlq;
    const leat_dlq_filter *filter; /* NULL: only markers */
    leat_dlq_visit visit;
    void *self;
    bool more;
} topic_pass;

static leat_code take_message(topic_pass *pass, const leat_message *message, leat_err *err)
{
    leat_dlq *dlq = pass->dlq;
    const leat_header *headers;
    size_t count;
    leat_arena_reset(dlq->arena);
    LEAT_TRY(leat_message_headers(message, dlq->arena, &headers, &count, err));
    leat_str marker = marker_of(message, headers, count);
    if (marker.data != NULL) return pass->filter == NULL ? note_markers(dlq, marker, err) : LEAT_OK;
    if (pass->filter == NULL) return LEAT_OK;
    leat_letter letter;
    char key[48];
    uint64_t there;
    LEAT_TRY(leat_letter_of_message(message, headers, count, dlq->arena, &letter, err));
    letter.redriven =
        leat_map_get(dlq->redriven, place_key(key, letter.partition, letter.offset), &there);
    return takes(pass->filter, &letter) ? pass->visit(pass->self, &letter, &pass->more, err)
                                        : LEAT_OK;
}

static leat_code read_partition(topic_pass *pass, int32_t partition, leat_err *err)
{
    leat_dlq *dlq = pass->dlq;
    leat_restore *restore = NULL;
    leat_message messages[READ_MAX];
    bool done = false;
    LEAT_TRY(
        dlq->type->restore_open(dlq->session, leat_str_of(dlq->topic), partition, &restore, err));
    leat_code code = LEAT_OK;
    while (code == LEAT_OK && !done && pass->more) {
        size_t count = 0;
        code = dlq->type->restore_read(restore, POLL_MS, messages, READ_MAX, &count, &done, err);
        for (size_t i = 0; code == LEAT_OK && pass->more && i < count; i++)
            code = take_message(pass, &messages[i], err);
        dlq->type->restore_release(restore);
    }
    dlq->type->restore_close(&restore);
    return code;
}

static leat_code read_topic(leat_dlq *dlq, const leat_dlq_filter *filter, leat_dlq_visit visit,
                            void *self, leat_err *err)
{
    topic_pass markers = {.dlq = dlq, .more = true};
    topic_pass letters = {dlq, filter, visit, self, true};
    for (int32_t p = 0; p < dlq->partitions; p++)
        LEAT_TRY(read_partition(&markers, p, err));
    for (int32_t p = 0; p < dlq->partitions && letters.more; p++)
        LEAT_TRY(read_partition(&letters, p, err));
    return LEAT_OK;
}

/* --- a file --- */

static leat_code read_file(leat_dlq *dlq, const leat_dlq_filter *filter, leat_dlq_visit visit,
                           void *self, leat_err *err)
{
    char *line = NULL;
    size_t size = 0;
    int64_t number = 0;
    bool more = true;
    leat_code code = LEAT_OK;
    rewind(dlq->file);
    while (code == LEAT_OK && more) {
        ssize_t len = getline(&line, &size, dlq->file);
        if (len < 0) {
            if (ferror(dlq->file))
                code = leat_err_set(err, LEAT_ERR_CONFIG, "cannot read the file of letters: %s",
                                    strerror(errno));
            break;
        }
        number++;
        leat_letter letter;
        leat_arena_reset(dlq->arena);
        code = leat_letter_of_line((leat_str){line, (size_t)len}, number, dlq->arena, &letter, err);
        if (code == LEAT_OK && takes(filter, &letter)) code = visit(self, &letter, &more, err);
    }
    free(line);
    return code;
}

leat_code leat_dlq_read(leat_dlq *dlq, const leat_dlq_filter *filter, leat_dlq_visit visit,
                        void *self, leat_err *err)
{
    LEAT_ASSERT(filter != NULL && visit != NULL);
    return dlq->file != NULL ? read_file(dlq, filter, visit, self, err)
                             : read_topic(dlq, filter, visit, self, err);
}

/* --- sending back --- */

const char *leat_dlq_obstacle(const leat_letter *letter, leat_str to, bool masked_too)
{
    if (letter->withheld) return "its payload was withheld";
    if (letter->cut) return "its payload was cut";
    if (letter->masked.data != NULL && !masked_too) return "some of its fields are masked";
    if (letter->topic.data == NULL && to.data == NULL)
        return "it does not say which topic it came from";
    return NULL;
}

leat_code leat_dlq_send(leat_dlq *dlq, const leat_letter *letter, leat_str to, leat_err *err)
{
    LEAT_ASSERT(dlq->session != NULL && leat_dlq_obstacle(letter, to, true) == NULL);
    leat_header *headers = leat_arena_array(dlq->arena, letter->headers_count + 1, sizeof *headers);
    leat_str attempt = leat_arena_print(dlq->arena, "%lld", (long long)letter->attempt);
    if (headers == NULL || attempt.data == NULL) return leat_arena_full(dlq->arena, err);
    if (letter->headers_count > 0)
        memcpy(headers, letter->headers, letter->headers_count * sizeof *headers);
    headers[letter->headers_count] = (leat_header){LEAT_STR("leat.attempt"), attempt};
    bool back = to.data == NULL;
    leat_produce record = {.topic = back ? letter->topic : to,
                           .partition = back ? letter->from_partition : -1,
                           .key = letter->key,
                           .value = letter->value,
                           .timestamp_ms = letter->timestamp_ms,
                           .headers = headers,
                           .headers_count = letter->headers_count + 1};
    LEAT_TRY(dlq->type->produce(dlq->session, &record, err));
    if (dlq->markers.len > 0) leat_buf_add_char(&dlq->markers, ' ');
    char text[48];
    leat_buf_add(&dlq->markers, place_key(text, letter->partition, letter->offset));
    dlq->sent++;
    return dlq->sent < COMMIT_LETTERS ? LEAT_OK : leat_dlq_finish(dlq, err);
}

leat_code leat_dlq_finish(leat_dlq *dlq, leat_err *err)
{
    if (dlq->sent == 0) return LEAT_OK;
    LEAT_TRY(leat_buf_check(&dlq->markers, "markers", err));
    leat_header header = {LEAT_STR(LEAT_DLQ_REDRIVEN), leat_buf_str(&dlq->markers)};
    leat_produce marker = {.topic = leat_str_of(dlq->topic),
                           .partition = 0,
                           .timestamp_ms = LEAT_TIME_NONE,
                           .headers = &header,
                           .headers_count = 1};
    LEAT_TRY(dlq->type->produce(dlq->session, &marker, err));
    LEAT_TRY(dlq->type->commit(dlq->session, NULL, 0, err));
    leat_buf_reset(&dlq->markers);
    dlq->sent = 0;
    return LEAT_OK;
}
