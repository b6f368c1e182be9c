/* SPDX-License-Identifier: Apache-2.0 */
/* Files of lines as a log: leat_log_file. A file is a topic of one partition, an offset the number
 * of a line from 1. Bounded: when every file has been read, poll says so.
 *
 *   source 0:  a.jsonl -> b.jsonl -> end        one reader per source
 *   source 1:  c.jsonl -> end
 *
 * A poll serves one source, the next poll the next one: sources that are joined advance side by
 * side, as topics do. There is no group and no transaction: a run begins at the first line. Offsets
 * that are committed are remembered for as long as the session lives, for rewinding. The writing
 * half is refused by name; files are written by sink_file.c.
 * Refused: remembering offsets over runs. A bounded run that is repeated shall do the same again.
 */
#include "worker/log_file.h"
#include "worker/clock.h"

#include <unistd.h>

#include "core/mem.h"

#define LINE_BYTES_MAX   ((size_t)1 << 20) /* unless file.line.bytes says otherwise */
#define LINE_BYTES_LIMIT ((size_t)64 << 20)

struct leat_log {
    size_t line_bytes_max;
};

struct leat_session {
    leat_listener listener;
    leat_file_reader *readers; /* in order of first subscription */
    size_t readers_count, turn;
    size_t places_count;
    bool assigned;
};

/* --- open, describe --- */

static leat_code file_open(const leat_log_config *config, leat_log **log, leat_err *err)
{
    size_t line_bytes_max = LINE_BYTES_MAX;
    *log = NULL;
    for (size_t i = 0; i < config->properties_count; i++) {
        const leat_property *property = &config->properties[i];
        if (!leat_str_is(property->name, "file.line.bytes")) continue;
        leat_str text = property->value;
        size_t number = 0;
        bool fine = text.len > 0 && text.len <= 9;
        for (size_t k = 0; fine && k < text.len; k++) {
            fine = text.data[k] >= '0' && text.data[k] <= '9';
            number = number * 10 + (size_t)(text.data[k] - '0');
        }
        if (!fine || number == 0 || number > LINE_BYTES_LIMIT)
            return leat_err_set(err, LEAT_ERR_CONFIG, "file.line.bytes: 1 to %zu, not '%.*s'",
                                LINE_BYTES_LIMIT, LEAT_STR_ARG(text));
        line_bytes_max = number;
    }
    *log = leat_mem_need(sizeof **log);
    (*log)->line_bytes_max = line_bytes_max;
    return LEAT_OK;
}

static void file_close(leat_log **log)
{
    leat_mem_free(*log);
    *log = NULL;
}

static char *text_of(leat_str str)
{
    char *text = leat_mem_need(str.len + 1);
    if (str.len > 0) memcpy(text, str.data, str.len);
    return text;
}

static leat_code file_describe(leat_log *log, leat_str topic, int timeout_ms, leat_topic_info *info,
                               leat_err *err)
{
    (void)log;
    (void)timeout_ms;
    char *path = text_of(topic);
    bool there = access(path, F_OK) == 0;
    leat_code code = LEAT_OK;
    if (there && access(path, R_OK) != 0) code = leat_file_check(path, LEAT_ERR_CONFIG, err);
    leat_mem_free(path);
    *info = (leat_topic_info){.exists = there, .partitions = 1, .replication = 1};
    return code;
}

static leat_code refuse(const char *what, leat_str path, leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_CONFIG, "'%.*s' is a file to read: it cannot %s",
                        LEAT_STR_ARG(path), what);
}

static leat_code file_create(leat_log *log, const leat_topic_spec *spec, int timeout_ms,
                             leat_err *err)
{
    (void)log;
    (void)timeout_ms;
    return refuse("be created", spec->name, err);
}

/* --- sessions --- */

static void session_free(leat_session *session)
{
    for (size_t i = 0; i < session->readers_count; i++)
        leat_file_reader_release(&session->readers[i]);
    leat_mem_free(session->readers);
    leat_mem_free(session);
}

static leat_file_reader *reader_of(leat_session *session, const leat_log *log,
                                   const leat_subscription *wanted, size_t places_max)
{
    for (size_t i = 0; i < session->readers_count; i++)
        if (session->readers[i].source == wanted->source) return &session->readers[i];
    leat_file_reader *reader = &session->readers[session->readers_count++];
    *reader = (leat_file_reader){
        .source = wanted->source, .line_bytes_max = log->line_bytes_max, .fd = -1};
    reader->places = leat_mem_need(places_max * sizeof *reader->places);
    return reader;
}

static leat_code file_session_open(leat_log *log, const leat_session_config *config,
                                   const leat_str *topics, size_t topics_count,
                                   leat_session **opened, leat_err *err)
{
    (void)topics;
    (void)topics_count;
    *opened = NULL;
    size_t count = config->subscriptions_count;
    leat_session *session = leat_mem_need(sizeof *session);
    session->listener = config->listener;
    session->readers = leat_mem_need((count + 1) * sizeof *session->readers);
    for (size_t i = 0; i < count; i++) {
        const leat_subscription *wanted = &config->subscriptions[i];
        leat_file_reader *reader = reader_of(session, log, wanted, count);
        char *path = text_of(wanted->topic);
        reader->places[reader->places_count++] = (leat_file_place){.path = path,
                                                                   .container = wanted->container,
                                                                   .row_quote = wanted->row_quote,
                                                                   .paused = true,
                                                                   .next = 1,
                                                                   .committed = 1};
        if (wanted->container && reader->avro == NULL) reader->avro = leat_file_avro_new();
        session->places_count++;
        leat_code code = leat_file_check(path, LEAT_ERR_CONFIG, err);
        if (code != LEAT_OK) {
            session_free(session);
            return code;
        }
    }
    *opened = session;
    return LEAT_OK;
}

static leat_partition *partitions_of(const leat_session *session)
{
    leat_partition *partitions = leat_mem_need((session->places_count + 1) * sizeof *partitions);
    size_t count = 0;
    for (size_t i = 0; i < session->readers_count; i++)
        for (size_t k = 0; k < session->readers[i].places_count; k++)
            partitions[count++] =
                (leat_partition){.topic = leat_str_of(session->readers[i].places[k].path),
                                 .offset = session->readers[i].places[k].committed};
    LEAT_ASSERT(count == session->places_count);
    return partitions;
}

static void file_session_close(leat_session **session, int timeout_ms)
{
    (void)timeout_ms;
    leat_session *closing = *session;
    if (closing == NULL) return;
    if (closing->assigned && closing->listener.revoked != NULL) {
        leat_partition *partitions = partitions_of(closing);
        closing->listener.revoked(closing->listener.self, partitions, closing->places_count, false);
        leat_mem_free(partitions);
    }
    session_free(closing);
    *session = NULL;
}

static void assign(leat_session *session)
{
    session->assigned = true;
    leat_partition *partitions = partitions_of(session);
    if (session->listener.assigned != NULL)
        session->listener.assigned(session->listener.self, partitions, session->places_count);
    leat_mem_free(partitions);
}

static leat_file_place *place_of(const leat_session *session, leat_str topic, int32_t partition,
                                 leat_file_reader **reader)
{
    for (size_t i = 0; partition == 0 && i < session->readers_count; i++)
        for (size_t k = 0; k < session->readers[i].places_count; k++) {
            if (!leat_str_is(topic, session->readers[i].places[k].path)) continue;
            if (reader != NULL) *reader = &session->readers[i];
            return &session->readers[i].places[k];
        }
    return NULL;
}

static leat_code no_place(leat_str topic, int32_t partition, leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_INTERNAL, "file '%.*s' partition %d is not read here",
                        LEAT_STR_ARG(topic), partition);
}

/* --- reading --- */

static leat_code file_poll(leat_session *session, int timeout_ms, leat_message *messages,
                           size_t size, size_t *count, leat_poll_state *state, leat_err *err)
{
    *count = 0;
    *state = LEAT_POLL_EMPTY;
    if (!session->assigned) {
        assign(session);
        return LEAT_OK;
    }
    bool ended = true;
    for (size_t i = 0; i < session->readers_count; i++) {
        leat_file_reader *reader = &session->readers[session->turn++ % session->readers_count];
        LEAT_TRY(leat_file_reader_read(reader, timeout_ms, messages, size, count, err));
        ended = ended && leat_file_reader_ended(reader);
        if (*count == 0) continue;
        *state = LEAT_POLL_SOME;
        return LEAT_OK;
    }
    if (ended)
        *state = LEAT_POLL_ENDED;
    else if (timeout_ms > 0)
        leat_clock_sleep(timeout_ms); /* all that is left is paused */
    return LEAT_OK;
}

static void file_release(leat_session *session)
{
    (void)session; /* the block moves with the next poll only */
}

static leat_code set_paused(leat_session *session, leat_str topic, int32_t partition, bool paused,
                            leat_err *err)
{
    leat_file_place *place = place_of(session, topic, partition, NULL);
    if (place == NULL) return no_place(topic, partition, err);
    place->paused = paused;
    return LEAT_OK;
}

static leat_code file_pause(leat_session *session, leat_str topic, int32_t partition, leat_err *err)
{
    return set_paused(session, topic, partition, true, err);
}

static leat_code file_resume(leat_session *session, leat_str topic, int32_t partition,
                             leat_err *err)
{
    return set_paused(session, topic, partition, false, err);
}

static leat_code file_committed(leat_session *session, leat_partition *partitions, size_t count,
                                leat_err *err)
{
    for (size_t i = 0; i < count; i++) {
        const leat_file_place *place =
            place_of(session, partitions[i].topic, partitions[i].partition, NULL);
        if (place == NULL) return no_place(partitions[i].topic, partitions[i].partition, err);
        partitions[i].offset = place->committed;
    }
    return LEAT_OK;
}

static leat_code file_seek(leat_session *session, leat_str topic, int32_t partition, int64_t offset,
                           leat_err *err)
{
    leat_file_reader *reader = NULL;
    leat_file_place *place = place_of(session, topic, partition, &reader);
    if (place == NULL) return no_place(topic, partition, err);
    leat_file_reader_seek(reader, place, offset);
    return LEAT_OK;
}

/* --- the writing half, which files do not have --- */

static leat_code file_produce(leat_session *session, const leat_produce *record, leat_err *err)
{
    (void)session;
    return refuse("be written to as a topic", record->topic, err);
}

static leat_code file_commit(leat_session *session, const leat_partition *offsets, size_t count,
                             leat_err *err)
{
    for (size_t i = 0; i < count; i++) {
        leat_file_reader *reader = NULL;
        leat_file_place *place = place_of(session, offsets[i].topic, offsets[i].partition, &reader);
        if (place == NULL) return no_place(offsets[i].topic, offsets[i].partition, err);
        leat_file_reader_commit(reader, place, offsets[i].offset);
    }
    return LEAT_OK;
}

static leat_code file_abort(leat_session *session, leat_err *err)
{
    (void)session;
    (void)err;
    return LEAT_OK;
}

static bool file_in_transaction(const leat_session *session)
{
    (void)session;
    return false;
}

static leat_code file_restore_open(leat_session *session, leat_str topic, int32_t partition,
                                   leat_restore **restore, leat_err *err)
{
    (void)session;
    (void)partition;
    *restore = NULL;
    return refuse("hold state to restore", topic, err);
}

static leat_code file_restore_read(leat_restore *restore, int timeout_ms, leat_message *messages,
                                   size_t size, size_t *count, bool *done, leat_err *err)
{
    (void)restore;
    (void)timeout_ms;
    (void)messages;
    (void)size;
    *count = 0;
    *done = true;
    return leat_err_set(err, LEAT_ERR_INTERNAL, "files hold no state to restore");
}

static void file_restore_release(leat_restore *restore)
{
    (void)restore;
}

static void file_restore_close(leat_restore **restore)
{
    *restore = NULL;
}

static size_t file_lags(leat_session *session, leat_lag *lags, size_t size)
{
    (void)session;
    (void)lags;
    (void)size;
    return 0; /* how many lines are to come is not known */
}

static bool file_ended(const leat_session *session, leat_str topic, int32_t partition)
{
    const leat_file_place *place = place_of(session, topic, partition, NULL);
    return place != NULL && place->ended;
}

const leat_log_type leat_log_file = {
    .name = "file",
    .open = file_open,
    .close = file_close,
    .describe = file_describe,
    .describe_settings = file_describe,
    .create = file_create,
    .session_open = file_session_open,
    .session_close = file_session_close,
    .poll = file_poll,
    .release = file_release,
    .pause = file_pause,
    .resume = file_resume,
    .seek = file_seek,
    .produce = file_produce,
    .commit = file_commit,
    .abort = file_abort,
    .in_transaction = file_in_transaction,
    .committed = file_committed,
    .restore_open = file_restore_open,
    .restore_read = file_restore_read,
    .restore_release = file_restore_release,
    .restore_close = file_restore_close,
    .lags = file_lags,
    .ended = file_ended,
};
