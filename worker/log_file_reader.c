/* SPDX-License-Identifier: Apache-2.0 */
/* Lines out of files, with memory bounded by the longest line allowed.
 *
 *   block:  [ handed out | next line | ... | free ]
 *                          ^ begin           ^ end
 *
 * Where a format has quotes (CSV), a line end between two of them ends no row: rows are handed out,
 * under the number of their first line.
 *
 * Lines are slices of the block and stay valid until the next read; what is left then moves to its
 * front. The block grows with the longest line, and no further than line_bytes_max + 1: of a longer
 * line that much is handed out, so that the decoder's own limit refuses it under its line number,
 * and the rest is skipped unread. A byte order mark and carriage returns are no part of a line.
 *
 * A seek only notes the line in its file: files are opened where their notes say, and the first
 * that has not ended is the one to read. So it does not matter in which order several are sought.
 * Refused: mmap, which turns a read error or a file cut short into a signal. */
#include "worker/clock.h"
#include "worker/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

#define BLOCK_BYTES ((size_t)256 << 10)

static leat_code reason_of(const char *path, int number, leat_code code, leat_err *err)
{
    char reason[128];
    const char *text = strerror_r(number, reason, sizeof reason);
    return leat_err_set(err, code, "cannot read file '%s': %s", path, text);
}

static leat_code open_path(const char *path, leat_code blame, int *opened, bool *regular,
                           leat_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return reason_of(path, errno, blame, err);
    struct stat status;
    int number = fstat(fd, &status) != 0 ? errno : S_ISDIR(status.st_mode) ? EISDIR : 0;
    if (number != 0) {
        close(fd);
        return reason_of(path, number, blame, err);
    }
    *regular = S_ISREG(status.st_mode);
    *opened = fd;
    return LEAT_OK;
}

leat_code leat_file_check(const char *path, leat_code blame, leat_err *err)
{
    struct stat status;
    if (stat(path, &status) != 0) return reason_of(path, errno, blame, err);
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return LEAT_OK; /* not yet: a pipe */
    int fd = -1;
    bool regular = false;
    LEAT_TRY(open_path(path, blame, &fd, &regular, err));
    close(fd);
    return LEAT_OK;
}

/* The file at hand. */
static const leat_file_place *place_at(const leat_file_reader *reader)
{
    LEAT_ASSERT(reader->current < reader->places_count);
    return &reader->places[reader->current];
}

static void close_current(leat_file_reader *reader)
{
    if (reader->fd >= 0) close(reader->fd);
    reader->fd = -1;
}

void leat_file_reader_release(leat_file_reader *reader)
{
    close_current(reader);
    for (size_t i = 0; i < reader->places_count; i++)
        leat_mem_free(reader->places[i].path);
    leat_mem_free(reader->places);
    leat_mem_free(reader->block);
    leat_file_avro_free(&reader->avro);
}

/* --- lines --- */

/* Room for more: what is left moves to the front, the block grows while a line needs it. */
static leat_code make_room(leat_file_reader *reader, leat_err *err)
{
    if (reader->begin > 0) {
        reader->end -= reader->begin;
        memmove(reader->block, reader->block + reader->begin, reader->end);
        reader->begin = 0;
    }
    if (reader->end < reader->size) return LEAT_OK;
    size_t most = place_at(reader)->container ? LEAT_FILE_BLOCK_MAX + LEAT_FILE_BLOCK_EXTRA
                                              : reader->line_bytes_max;
    most += 2; /* one too many, and a newline */
    size_t size = reader->size == 0 ? BLOCK_BYTES : reader->size * 2;
    if (size > most && most > BLOCK_BYTES) size = most;
    LEAT_ASSERT(size > reader->size);
    char *block = leat_mem_try_resize(reader->block, size);
    if (block == NULL)
        return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a line of %zu bytes of '%s'", size,
                            reader->places[reader->current].path);
    reader->block = block;
    reader->size = size;
    return LEAT_OK;
}

/* Reads once. False in *some: nothing came in time. */
static leat_code fill(leat_file_reader *reader, int timeout_ms, bool *some, leat_err *err)
{
    *some = false;
    LEAT_TRY(make_room(reader, err));
    if (!reader->regular) {
        struct pollfd ready = {.fd = reader->fd, .events = POLLIN};
        if (poll(&ready, 1, timeout_ms) <= 0) return LEAT_OK;
    }
    ssize_t got = read(reader->fd, reader->block + reader->end, reader->size - reader->end);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return LEAT_OK;
    if (got < 0) return reason_of(reader->places[reader->current].path, errno, LEAT_ERR_IO, err);
    *some = true;
    reader->end += (size_t)got;
    reader->at_end = got == 0;
    return LEAT_OK;
}

static void move_on(leat_file_reader *reader, size_t bytes)
{
    reader->begin += bytes;
    reader->at += (off_t)bytes;
}

/* Drops the rest of a line that was too long; false: its end is not in the block. */
static bool skip_rest(leat_file_reader *reader)
{
    const char *from = reader->block + reader->begin;
    size_t left = reader->end - reader->begin;
    const char *newline = left == 0 ? NULL : memchr(from, '\n', left);
    move_on(reader, newline == NULL ? left : (size_t)(newline - from) + 1);
    if (newline == NULL && !reader->at_end) return false;
    reader->skipping = false;
    reader->line += 1 + reader->lines;
    reader->lines = 0;
    return true;
}

/* The line end that ends the row at begin; NULL: not in the block. Where rows may hold line ends,
 * what has been looked at is remembered, so that a long row is not looked at again and again. */
static const char *row_end(leat_file_reader *reader)
{
    const char *from = reader->block + reader->begin, *end = reader->block + reader->end;
    char quote = place_at(reader)->row_quote;
    if (quote == '\0') return memchr(from, '\n', (size_t)(end - from));
    for (const char *p = from + reader->looked; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline != NULL ? newline : end;
        while ((p = memchr(p, quote, (size_t)(stop - p))) != NULL) {
            reader->inside = !reader->inside;
            p++;
        }
        if (newline != NULL && !reader->inside) return newline;
        reader->lines += newline != NULL;
        p = newline != NULL ? newline + 1 : end;
    }
    reader->looked = (size_t)(end - from);
    return NULL;
}

/* The next line that is wholly in the block, or as much of it as is ever handed out. */
static bool next_line(leat_file_reader *reader, leat_str *line)
{
    if (reader->skipping && !skip_rest(reader)) return false;
    size_t most = reader->line_bytes_max + 1;
    const char *from = reader->block + reader->begin;
    size_t left = reader->end - reader->begin;
    if (left == 0) return false;
    const char *newline = row_end(reader);
    size_t len = newline == NULL ? left : (size_t)(newline - from);
    bool whole = newline != NULL || reader->at_end;
    if (!whole && len < most) return false;
    *line = (leat_str){from, len < most ? len : most};
    move_on(reader, newline == NULL ? len : len + 1);
    reader->looked = 0;
    reader->inside = false;
    if (!whole) {
        reader->skipping = true; /* its number counts when its end comes */
        return true;
    }
    reader->line += 1 + reader->lines;
    reader->lines = 0;
    return true;
}

static leat_str tidy_line(leat_str line, bool first)
{
    if (first && line.len >= 3 && memcmp(line.data, "\xEF\xBB\xBF", 3) == 0)
        line = leat_str_slice(line, 3, line.len);
    if (line.len > 0 && line.data[line.len - 1] == '\r') line.len--;
    return line;
}

static size_t take_lines(leat_file_reader *reader, leat_message *messages, size_t size)
{
    const char *path = reader->places[reader->current].path;
    int64_t now = leat_clock_wall_ms();
    size_t count = 0;
    while (count < size) {
        leat_str line;
        if (reader->skipping && !skip_rest(reader)) break;
        int64_t number = reader->line;
        if (!next_line(reader, &line)) break;
        messages[count++] = (leat_message){.topic = leat_str_of(path),
                                           .offset = number,
                                           .timestamp_ms = now,
                                           .value = tidy_line(line, number == 1)};
    }
    return count;
}

/* --- files --- */

static leat_file_place *first_left(const leat_file_reader *reader)
{
    for (size_t i = 0; i < reader->places_count; i++)
        if (!reader->places[i].ended) return &reader->places[i];
    return NULL;
}

bool leat_file_reader_ended(const leat_file_reader *reader)
{
    return first_left(reader) == NULL;
}

/* Reads lines away up to `line`. */
static leat_code skip_to(leat_file_reader *reader, int64_t line, leat_err *err)
{
    while (reader->line < line) {
        bool got = false;
        leat_str ignored;
        leat_message skipped;
        size_t count = 0;
        if (!place_at(reader)->container)
            got = next_line(reader, &ignored);
        else
            LEAT_TRY(leat_file_avro_take(reader, 0, &skipped, 1, &count, err));
        if (got || count > 0) continue;
        if (reader->at_end) return LEAT_OK; /* cut meanwhile: there is no such line */
        bool some = false;
        LEAT_TRY(fill(reader, 0, &some, err));
        if (!some) return LEAT_OK;
    }
    return LEAT_OK;
}

static leat_code open_place(leat_file_reader *reader, leat_file_place *place, leat_err *err)
{
    close_current(reader);
    LEAT_TRY(open_path(place->path, LEAT_ERR_IO, &reader->fd, &reader->regular, err));
    bool known = place->next_at >= 0 && !place->container;
    off_t at = known ? place->next_at : 0;
    if (place->container) leat_file_avro_begin(reader->avro);
    if (place->next > 1 && (!reader->regular || lseek(reader->fd, at, SEEK_SET) != at)) {
        close_current(reader);
        return leat_err_set(err, LEAT_ERR_IO,
                            "cannot go back to line %lld of '%s': it is nothing that can be read "
                            "twice",
                            (long long)place->next, place->path);
    }
    reader->current = (size_t)(place - reader->places);
    reader->at_end = reader->skipping = false;
    reader->begin = reader->end = reader->looked = 0;
    reader->inside = false;
    reader->lines = 0;
    reader->at = place->next > 1 ? at : 0;
    reader->line = known ? place->next : 1;
    return skip_to(reader, place->next, err);
}

leat_code leat_file_reader_read(leat_file_reader *reader, int timeout_ms, leat_message *messages,
                                size_t size, size_t *count, leat_err *err)
{
    *count = 0;
    for (;;) {
        leat_file_place *place = first_left(reader);
        if (place == NULL || place->paused) return LEAT_OK;
        if (reader->fd < 0 || reader->current != (size_t)(place - reader->places))
            LEAT_TRY(open_place(reader, place, err));
        if (!place->container)
            *count = take_lines(reader, messages, size);
        else
            LEAT_TRY(leat_file_avro_take(reader, leat_clock_wall_ms(), messages, size, count, err));
        if (*count > 0) return LEAT_OK;
        if (reader->at_end) {
            place->ended = true;
            place->end_line = reader->line;
            close_current(reader);
            continue;
        }
        bool some = false;
        LEAT_TRY(fill(reader, timeout_ms, &some, err));
        if (!some) return LEAT_OK;
    }
}

/* Is this the place, and the line, that would be read next anyway? */
static bool stands_at(const leat_file_reader *reader, const leat_file_place *place, int64_t line)
{
    return reader->fd >= 0 && reader->current == (size_t)(place - reader->places) &&
           reader->line == line && !reader->skipping;
}

void leat_file_reader_seek(leat_file_reader *reader, leat_file_place *place, int64_t line)
{
    LEAT_ASSERT(line >= 1);
    if (stands_at(reader, place, line)) return;
    if (place->ended && line >= place->end_line) return;
    size_t index = (size_t)(place - reader->places);
    if (reader->fd >= 0 && index <= reader->current) { /* opened anew, where it was or is told */
        leat_file_place *current = &reader->places[reader->current];
        current->next = reader->line;
        current->next_at = reader->skipping ? -1 : reader->at;
        close_current(reader);
    }
    place->ended = false;
    place->next = line;
    place->next_at = line == place->committed ? place->committed_at : line == 1 ? 0 : -1;
}

void leat_file_reader_commit(leat_file_reader *reader, leat_file_place *place, int64_t line)
{
    bool here = stands_at(reader, place, line);
    if (place->committed == line && !here) return;
    place->committed = line;
    place->committed_at = here ? reader->at : -1;
}
