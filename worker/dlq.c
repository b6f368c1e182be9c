/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and sending back dead letters (dlq.h).
 *
 * Letters are read up to three times: for the markers of earlier redrives; if there are any, for
 * the records that they have sent, as these may have other letters; for the letters. A topic is
 * read partition by partition from its start to its present end, as a changelog is restored, and
 * read_committed, so that a redrive that was cut off leaves neither records nor markers.
 *
 * A redrive from a topic opens a transactional producer named after the topic: the one before it is
 * fenced, and what it had not committed is void, before the markers are read. So two redrives at
 * once cannot send one letter twice; the older one fails. */
#include "worker/dlq.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "worker/dlq_inside.h"

#define POLL_MS         200
#define READ_MAX        500
#define TIMEOUT_MS      15000
#define COMMIT_LETTERS  500
#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define LINE_BYTES_MAX  ((size_t)256 << 20)
#define WRITE_BYTES     ((size_t)4 << 20) /* to a file: so much is collected */

/* --- open, close --- */

void leat_dlq_close(leat_dlq **dlq)
{
    leat_dlq *gone = *dlq;
    if (gone == NULL) return;
    if (gone->session != NULL) gone->type->session_close(&gone->session, TIMEOUT_MS);
    dlq_file_close(gone);
    leat_map_free(&gone->redriven);
    leat_map_free(&gone->origins);
    leat_buf_release(&gone->markers);
    leat_arena_free(&gone->arena);
    leat_mem_free(gone->topic);
    leat_mem_free(gone);
    *dlq = NULL;
}

static leat_code dlq_new(leat_dlq **dlq, leat_err *err)
{
    leat_dlq *made = leat_mem_need(sizeof *made);
    made->fd = made->to_fd = -1;
    made->redriven = leat_map_new();
    made->origins = leat_map_new();
    leat_buf_init(&made->markers, (size_t)1 << 20);
    leat_buf_init(&made->line, LINE_BYTES_MAX);
    leat_buf_init(&made->to_lines, LINE_BYTES_MAX + WRITE_BYTES);
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

leat_code leat_dlq_open_file(const char *path, bool sending, leat_dlq **dlq, leat_err *err)
{
    leat_dlq *made = NULL;
    LEAT_TRY(dlq_new(&made, err));
    leat_code code = dlq_file_open(made, path, sending, err);
    if (code != LEAT_OK) {
        leat_dlq_close(&made);
        return code;
    }
    *dlq = made;
    return LEAT_OK;
}

void leat_dlq_to_log(leat_dlq *dlq, const leat_log_type *type, leat_log *log)
{
    LEAT_ASSERT(dlq->path != NULL && dlq->to_path == NULL);
    dlq->type = type;
    dlq->log = log;
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

/* --- one record, several letters --- */

enum { ORIGIN_SENT = 1, ORIGIN_UNSETTLED };

/* What is the same of letters of one record. Offsets alone would not do: a topic that was made anew
 * counts from 0 again. data NULL: it is not known where it came from. */
static leat_code origin_of(leat_dlq *dlq, const leat_letter *letter, leat_str *origin,
                           leat_err *err)
{
    leat_str from = letter->topic.data != NULL ? letter->topic : letter->file;
    *origin = LEAT_STR_NONE;
    if (from.data == NULL || letter->from_offset < 0) return LEAT_OK;
    *origin = leat_arena_print(
        dlq->arena, "%016" PRIx64 " %016" PRIx64 " %" PRId64 " %" PRId32 ":%" PRId64 " %.*s",
        leat_str_hash_fixed(letter->key), leat_str_hash_fixed(letter->value), letter->timestamp_ms,
        letter->from_partition, letter->from_offset, LEAT_STR_ARG(from));
    return origin->data != NULL ? LEAT_OK : leat_arena_full(dlq->arena, err);
}

leat_code leat_dlq_is_twin(leat_dlq *dlq, const leat_letter *letter, bool *twin, leat_err *err)
{
    leat_str origin;
    uint64_t there;
    *twin = false;
    LEAT_TRY(origin_of(dlq, letter, &origin, err));
    if (origin.data == NULL) return LEAT_OK;
    *twin = leat_map_get(dlq->origins, origin, &there) && there == ORIGIN_SENT;
    return *twin ? LEAT_OK : leat_map_put(dlq->origins, origin, ORIGIN_SENT, err);
}

/* Notes the record of a letter that was sent, or may have been. */
static leat_code note_origin(leat_dlq *dlq, const leat_letter *letter, leat_err *err)
{
    leat_str origin;
    uint64_t there;
    bool twin;
    if (letter->redriven) return leat_dlq_is_twin(dlq, letter, &twin, err);
    if (!letter->unsettled) return LEAT_OK;
    LEAT_TRY(origin_of(dlq, letter, &origin, err));
    if (origin.data == NULL || leat_map_get(dlq->origins, origin, &there)) return LEAT_OK;
    return leat_map_put(dlq->origins, origin, ORIGIN_UNSETTLED, err);
}

/* What may have been sent by another letter of the record may have been sent. */
static leat_code look_at_origin(leat_dlq *dlq, leat_letter *letter, leat_err *err)
{
    leat_str origin;
    uint64_t there;
    if (letter->redriven || letter->unsettled || dlq->marks_count == 0) return LEAT_OK;
    LEAT_TRY(origin_of(dlq, letter, &origin, err));
    letter->unsettled = origin.data != NULL && leat_map_get(dlq->origins, origin, &there) &&
                        there == ORIGIN_UNSETTLED;
    return LEAT_OK;
}

leat_code dlq_pass_letter(dlq_pass *pass, leat_letter *letter, leat_err *err)
{
    if (pass->kind == DLQ_PASS_ORIGINS) return note_origin(pass->dlq, letter, err);
    LEAT_TRY(look_at_origin(pass->dlq, letter, err));
    return takes(pass->filter, letter) ? pass->visit(pass->self, letter, &pass->more, err)
                                       : LEAT_OK;
}

/* --- a topic --- */

static leat_code take_message(dlq_pass *pass, const leat_message *message, leat_err *err)
{
    leat_dlq *dlq = pass->dlq;
    const leat_header *headers;
    size_t count;
    leat_arena_reset(dlq->arena);
    LEAT_TRY(leat_message_headers(message, dlq->arena, &headers, &count, err));
    leat_str marker = marker_of(message, headers, count);
    bool markers = pass->kind == DLQ_PASS_MARKERS;
    if (marker.data != NULL) return markers ? note_markers(dlq, marker, err) : LEAT_OK;
    if (markers) return LEAT_OK;
    leat_letter letter;
    char key[48];
    uint64_t there;
    LEAT_TRY(leat_letter_of_message(message, headers, count, dlq->arena, &letter, err));
    letter.redriven =
        leat_map_get(dlq->redriven, place_key(key, letter.partition, letter.offset), &there);
    return dlq_pass_letter(pass, &letter, err);
}

static leat_code read_partition(dlq_pass *pass, int32_t partition, leat_err *err)
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

static leat_code read_all(dlq_pass *pass, leat_err *err)
{
    leat_dlq *dlq = pass->dlq;
    if (dlq->path != NULL) return dlq_file_pass(pass, err);
    for (int32_t p = 0; p < dlq->partitions && pass->more; p++)
        LEAT_TRY(read_partition(pass, p, err));
    return LEAT_OK;
}

leat_code leat_dlq_read(leat_dlq *dlq, const leat_dlq_filter *filter, leat_dlq_visit visit,
                        void *self, leat_err *err)
{
    LEAT_ASSERT(filter != NULL && visit != NULL);
    dlq_pass markers = {.dlq = dlq, .kind = DLQ_PASS_MARKERS, .more = true};
    dlq_pass origins = {.dlq = dlq, .kind = DLQ_PASS_ORIGINS, .more = true};
    dlq_pass letters = {dlq, DLQ_PASS_LETTERS, filter, visit, self, true};
    leat_map_free(&dlq->redriven);
    leat_map_free(&dlq->origins);
    dlq->redriven = leat_map_new();
    dlq->origins = leat_map_new();
    dlq->marks_count = 0;
    dlq->damaged = 0;
    LEAT_TRY(read_all(&markers, err));
    if (leat_map_count(dlq->redriven) > 0) LEAT_TRY(read_all(&origins, err));
    return read_all(&letters, err);
}

uint64_t leat_dlq_damaged(const leat_dlq *dlq, const char **first)
{
    *first = dlq->damage.text;
    return dlq->damaged;
}

/* --- sending back --- */

static const char *no_way_to(const leat_letter *letter, const leat_dlq_order *order)
{
    if (!order->to_file && order->to.data != NULL) return NULL;
    if (!order->to_file && letter->topic.data != NULL) return NULL;
    if (!order->to_file && letter->file.data != NULL)
        return "it came from a file, which still has it (--to, --to-file)";
    if (!order->to_file) return "it does not say which topic it came from";
    if (letter->value.data == NULL) return "it has no value, which no line can say";
    return memchr(letter->value.data, '\n', letter->value.len) != NULL
               ? "its value is more than one line"
               : NULL;
}

const char *leat_dlq_obstacle(const leat_letter *letter, const leat_dlq_order *order)
{
    if (letter->withheld) return "its payload was withheld";
    if (letter->cut) return "its payload was cut";
    if (letter->masked.data != NULL && !order->masked) return "some of its fields are masked";
    if (letter->unsettled && !order->unsettled)
        return "an earlier redrive was cut off while it committed, and may have sent it "
               "(--unsettled sends it)";
    return no_way_to(letter, order);
}

/* A file's letters: once there is something to send. */
static leat_code open_session(leat_dlq *dlq, leat_str topic, leat_err *err)
{
    if (dlq->session != NULL) return LEAT_OK;
    if (dlq->log == NULL)
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "where is topic '%.*s'? name the brokers: --kafka "
                            "bootstrap.servers=HOST:PORT",
                            LEAT_STR_ARG(topic));
    leat_session_config config = {.guarantee = LEAT_EXACTLY_ONCE,
                                  .transactional_id = leat_str_of(dlq->id)};
    return dlq->type->session_open(dlq->log, &config, &topic, 1, &dlq->session, err);
}

static leat_code produce(leat_dlq *dlq, const leat_letter *letter, leat_str to, leat_err *err)
{
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
    LEAT_TRY(open_session(dlq, record.topic, err));
    leat_code code = dlq->type->produce(dlq->session, &record, err);
    if (code == LEAT_OK || leat_code_blame(code) != LEAT_BLAME_RECORD) return code;
    err->code = LEAT_ERR_CONFIG; /* no such topic, too large for it ... */
    return leat_err_prefix(err, "letter %" PRId32 ":%" PRId64, letter->partition, letter->offset);
}

static uint64_t waiting(const leat_dlq *dlq)
{
    return dlq->waiting.sent + dlq->waiting.twins;
}

/* One that was just counted. */
static leat_code mark(leat_dlq *dlq, const leat_letter *letter, leat_err *err)
{
    char text[48];
    leat_str key;
    if (dlq->path != NULL)
        dlq_file_digest(letter->digest, text, &key);
    else
        key = place_key(text, letter->partition, letter->offset);
    if (dlq->markers.len > 0) leat_buf_add_char(&dlq->markers, ' ');
    leat_buf_add(&dlq->markers, key);
    return waiting(dlq) < COMMIT_LETTERS && dlq->to_lines.len < WRITE_BYTES
               ? LEAT_OK
               : leat_dlq_finish(dlq, err);
}

leat_code leat_dlq_skip(leat_dlq *dlq, const leat_letter *letter, leat_err *err)
{
    dlq->waiting.twins++;
    return mark(dlq, letter, err);
}

leat_code leat_dlq_send(leat_dlq *dlq, const leat_letter *letter, const leat_dlq_order *order,
                        leat_err *err)
{
    LEAT_ASSERT(leat_dlq_obstacle(letter, order) == NULL);
    if (!order->to_file) {
        LEAT_TRY(produce(dlq, letter, order->to, err));
    } else {
        leat_buf_add(&dlq->to_lines, letter->value);
        leat_buf_add_char(&dlq->to_lines, '\n');
    }
    dlq->waiting.sent++;
    return mark(dlq, letter, err);
}

/* The markers are in the transaction. */
static leat_code finish_topic(leat_dlq *dlq, leat_err *err)
{
    leat_header header = {LEAT_STR(LEAT_DLQ_REDRIVEN), leat_buf_str(&dlq->markers)};
    leat_produce marker = {.topic = leat_str_of(dlq->topic),
                           .partition = 0,
                           .timestamp_ms = LEAT_TIME_NONE,
                           .headers = &header,
                           .headers_count = 1};
    LEAT_TRY(dlq->type->produce(dlq->session, &marker, err));
    return dlq->type->commit(dlq->session, NULL, 0, err);
}

/* The markers are in the file, on both sides of the transaction (dlq_file.c). */
static leat_code finish_file(leat_dlq *dlq, leat_err *err)
{
    leat_err other;
    LEAT_TRY(dlq_file_mark(dlq, DLQ_FILE_BEGUN, err));
    leat_code code = LEAT_OK;
    if (dlq->to_path != NULL)
        code = dlq_file_write(dlq, err);
    else if (dlq->session != NULL)
        code = dlq->type->commit(dlq->session, NULL, 0, err);
    if (code == LEAT_OK) {
        code = dlq_file_mark(dlq, DLQ_FILE_SENT, err);
        return code == LEAT_OK ? code : leat_err_prefix(err, "sent, but that cannot be noted");
    }
    if (leat_code_blame(code) != LEAT_BLAME_TASK)
        return leat_err_prefix(err, "%" PRIu64 " letter(s) may have been sent, or not",
                               dlq->waiting.sent);
    if (dlq_file_mark(dlq, DLQ_FILE_NOT_SENT, &other) != LEAT_OK)
        leat_err_prefix(err, "(%s)", other.text);
    return code;
}

leat_code leat_dlq_finish(leat_dlq *dlq, leat_err *err)
{
    if (waiting(dlq) == 0) return LEAT_OK;
    LEAT_TRY(leat_buf_check(&dlq->markers, "markers", err));
    LEAT_TRY(dlq->path != NULL ? finish_file(dlq, err) : finish_topic(dlq, err));
    leat_buf_reset(&dlq->markers);
    dlq->settled.sent += dlq->waiting.sent;
    dlq->settled.twins += dlq->waiting.twins;
    dlq->waiting = (leat_dlq_count){0};
    return LEAT_OK;
}

leat_dlq_count leat_dlq_settled(const leat_dlq *dlq)
{
    return dlq->settled;
}
