/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters in a file of JSON lines, and the marks of what was sent back.
 *
 * Marks are lines at the end of the same file, so that they go where the letters go: a run that
 * starts the file anew, a copy, a rotation. They name letters by a digest of their line, not by
 * its number: lines may be deleted, sorted or joined with those of another file. Equal lines are
 * counted: two of them are two letters.
 *
 *   {"leat.redriving":"D D D"}      what is about to be committed
 *   {"leat.redriven":"D D D"}       it was
 *   {"leat.not_redriven":"D D D"}   it was not, for certain
 *
 * File and brokers (or file and file) do not commit together. The first line is on the disk before
 * the commit, the second after it; where the second is missing, as the process was killed between
 * the two, nobody can say whether the letters are there. They are unsettled then, and stay until
 * somebody decides. A redrive that was cut off earlier than that has sent nothing.
 *
 * A lock on the file keeps two redrives apart; workers that append letters do not mind it. What is
 * appended after the file was opened is not read: else letters that fail again would go round for
 * ever. A line that is no dead letter is counted and passed over, as the last one of a worker that
 * was killed may be; none may be longer than 256 MiB.
 *
 * Refused: marks in a file of their own beside it. The sink starts its file anew with each run, and
 * marks of an earlier one would hide new letters. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "worker/dlq_inside.h"

#define CHUNK_BYTES ((size_t)64 << 10)
#define DIGEST_TEXT 16

static leat_code failed(const char *what, const char *path, leat_code code, leat_err *err)
{
    char reason[128];
    const char *text = strerror_r(errno, reason, sizeof reason);
    return leat_err_set(err, code, "cannot %s '%s': %s", what, path, text);
}

/* --- open, close --- */

leat_code dlq_file_open(leat_dlq *dlq, const char *path, bool sending, leat_err *err)
{
    struct stat status;
    dlq->path = leat_mem_need_text(path);
    dlq->fd = open(path, (sending ? O_RDWR | O_APPEND : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    if (dlq->fd < 0 || fstat(dlq->fd, &status) != 0)
        return failed(sending ? "read and mark" : "read", path, LEAT_ERR_CONFIG, err);
    if (!S_ISREG(status.st_mode))
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "'%s' is no regular file; letters are read more than once", path);
    bool locked = !sending || flock(dlq->fd, LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno != EWOULDBLOCK) return failed("lock", path, LEAT_ERR_CONFIG, err);
    if (!locked)
        return leat_err_set(err, LEAT_ERR_FENCED, "another redrive is at work on '%s'", path);
    if (fstat(dlq->fd, &status) != 0) return failed("read", path, LEAT_ERR_CONFIG, err);
    dlq->end = status.st_size;
    char real[PATH_MAX];
    uint64_t digest = leat_str_hash_fixed(leat_str_of(realpath(path, real) != NULL ? real : path));
    (void)snprintf(dlq->id, sizeof dlq->id, "leat-redrive-file-%016" PRIx64, digest);
    return LEAT_OK;
}

void dlq_file_close(leat_dlq *dlq)
{
    if (dlq->fd >= 0) close(dlq->fd);
    if (dlq->to_fd >= 0) close(dlq->to_fd);
    leat_mem_free(dlq->path);
    leat_mem_free(dlq->to_path);
    leat_mem_free(dlq->marks);
    leat_buf_release(&dlq->line);
    leat_buf_release(&dlq->to_lines);
}

leat_code leat_dlq_to_file(leat_dlq *dlq, const char *path, leat_err *err)
{
    struct stat from, to;
    LEAT_ASSERT(dlq->topic == NULL && dlq->to_path == NULL);
    if (fstat(dlq->fd, &from) == 0 && stat(path, &to) == 0 && from.st_dev == to.st_dev &&
        from.st_ino == to.st_ino)
        return leat_err_set(err, LEAT_ERR_CONFIG, "'%s': that is where they are", path);
    dlq->to_path = leat_mem_need_text(path);
    return LEAT_OK;
}

/* --- writing --- */

/* False: it is there. What somebody else has written behind it must not go with it. */
static bool take_back(int fd, off_t end, off_t written)
{
    struct stat now;
    if (written == 0) return true;
    return end >= 0 && fstat(fd, &now) == 0 && now.st_size == end + written &&
           ftruncate(fd, end) == 0;
}

/* All of it, or nothing; on the disk. DAMAGED: a part of it. */
static leat_code append(int fd, const char *path, leat_str bytes, leat_err *err)
{
    off_t end = lseek(fd, 0, SEEK_END);
    char last = '\n';
    leat_code code = LEAT_OK;
    if (end > 0 && pread(fd, &last, 1, end - 1) != 1) return failed("read", path, LEAT_ERR_IO, err);
    /* A line that somebody has left without its end is not to be continued. */
    off_t ended = last != '\n' ? 1 : 0;
    if (ended > 0 && write(fd, "\n", 1) != 1) return failed("write", path, LEAT_ERR_IO, err);
    size_t done = 0;
    while (code == LEAT_OK && done < bytes.len) {
        ssize_t some = write(fd, bytes.data + done, bytes.len - done);
        if (some > 0)
            done += (size_t)some;
        else if (some == 0 || errno != EINTR)
            code = failed("write", path, LEAT_ERR_IO, err);
    }
    if (code == LEAT_OK && fdatasync(fd) != 0 && errno != EINVAL)
        code = failed("write", path, LEAT_ERR_IO, err);
    if (code == LEAT_OK || take_back(fd, end, ended + (off_t)done)) return code;
    err->code = LEAT_ERR_DAMAGED;
    return leat_err_prefix(err, "a part is written and cannot be taken back");
}

leat_code dlq_file_mark(leat_dlq *dlq, const char *what, leat_err *err)
{
    leat_buf line;
    leat_buf_init(&line, dlq->markers.len + 64);
    leat_buf_add_format(&line, "{\"%s\":\"", what);
    leat_buf_add(&line, leat_buf_str(&dlq->markers));
    leat_buf_add_text(&line, "\"}\n");
    leat_code code = leat_buf_check(&line, "markers", err);
    if (code == LEAT_OK) code = append(dlq->fd, dlq->path, leat_buf_str(&line), err);
    leat_buf_release(&line);
    return code;
}

leat_code dlq_file_write(leat_dlq *dlq, leat_err *err)
{
    LEAT_ASSERT(dlq->to_path != NULL);
    LEAT_TRY(leat_buf_check(&dlq->to_lines, "what is sent back", err));
    if (dlq->to_fd < 0)
        dlq->to_fd = open(dlq->to_path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (dlq->to_fd < 0) return failed("write", dlq->to_path, LEAT_ERR_IO, err);
    LEAT_TRY(append(dlq->to_fd, dlq->to_path, leat_buf_str(&dlq->to_lines), err));
    leat_buf_reset(&dlq->to_lines);
    return LEAT_OK;
}

/* --- marks --- */

void dlq_file_digest(uint64_t digest, char text[24], leat_str *key)
{
    (void)snprintf(text, 24, "%016" PRIx64, digest);
    *key = (leat_str){text, DIGEST_TEXT};
}

/* NULL: err says why. */
static dlq_mark *mark_at(leat_dlq *dlq, leat_str digest, leat_err *err)
{
    uint64_t at;
    if (leat_map_get(dlq->redriven, digest, &at)) return &dlq->marks[at];
    if (dlq->marks_count == dlq->marks_size) {
        size_t size = dlq->marks_size == 0 ? 64 : dlq->marks_size * 2;
        dlq_mark *marks = leat_mem_try_resize(dlq->marks, size * sizeof *marks);
        if (marks == NULL) {
            leat_err_set(err, LEAT_ERR_MEMORY, "no memory for marks");
            return NULL;
        }
        dlq->marks = marks;
        dlq->marks_size = size;
    }
    if (leat_map_put(dlq->redriven, digest, dlq->marks_count, err) != LEAT_OK) return NULL;
    dlq_mark *mark = &dlq->marks[dlq->marks_count++];
    *mark = (dlq_mark){0};
    return mark;
}

static bool is_digest(leat_str text)
{
    if (text.data == NULL || text.len != DIGEST_TEXT) return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    }
    return true;
}

/* What a marker's line says; false: it is none. A torn one says what it still says. */
static bool marker_of(leat_str line, int64_t *sent, int64_t *unsettled, leat_str *digests)
{
    static const struct {
        leat_str start;
        int64_t sent, unsettled;
    } kinds[] = {{LEAT_STR_INIT("{\"" DLQ_FILE_BEGUN "\":\""), 0, 1},
                 {LEAT_STR_INIT("{\"" DLQ_FILE_SENT "\":\""), 1, -1},
                 {LEAT_STR_INIT("{\"" DLQ_FILE_NOT_SENT "\":\""), 0, -1}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!leat_str_starts(line, kinds[i].start)) continue;
        *sent = kinds[i].sent;
        *unsettled = kinds[i].unsettled;
        *digests = leat_str_slice(line, kinds[i].start.len, line.len);
        return true;
    }
    return false;
}

static leat_code note_marker(leat_dlq *dlq, leat_str digests, int64_t sent, int64_t unsettled,
                             leat_err *err)
{
    for (size_t at = 0; at < digests.len; at += DIGEST_TEXT + 1) {
        size_t end = at + DIGEST_TEXT < digests.len ? at + DIGEST_TEXT : digests.len;
        leat_str digest = leat_str_slice(digests, at, end);
        if (!is_digest(digest)) break;
        dlq_mark *mark = mark_at(dlq, digest, err);
        if (mark == NULL) return err->code;
        mark->sent += sent;
        mark->unsettled += unsettled;
        if (mark->unsettled < 0) mark->unsettled = 0; /* its beginning is not in this file */
    }
    return LEAT_OK;
}

/* Of equal lines the first are those that were sent. */
static void apply_mark(leat_dlq *dlq, leat_letter *letter)
{
    char text[24];
    leat_str key;
    uint64_t at;
    dlq_file_digest(letter->digest, text, &key);
    if (!leat_map_get(dlq->redriven, key, &at)) return;
    dlq_mark *mark = &dlq->marks[at];
    int64_t met = mark->met++;
    letter->redriven = met < mark->sent;
    letter->unsettled = !letter->redriven && met < mark->sent + mark->unsettled;
}

/* --- reading --- */

typedef struct line_walk {
    int64_t at; /* of the file: the next byte to be read */
    size_t from, have;
    char chunk[CHUNK_BYTES];
} line_walk;

/* The next line, without its end, in dlq->line; *any false: there is none. */
static leat_code next_line(leat_dlq *dlq, line_walk *walk, bool *any, leat_err *err)
{
    leat_buf_reset(&dlq->line);
    *any = false;
    for (;;) {
        if (walk->from == walk->have) {
            int64_t left = dlq->end - walk->at;
            size_t wanted = left < (int64_t)CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
            ssize_t some = wanted > 0 ? pread(dlq->fd, walk->chunk, wanted, walk->at) : 0;
            if (some < 0) return failed("read", dlq->path, LEAT_ERR_IO, err);
            if (some == 0) return LEAT_OK;
            walk->at += some;
            walk->from = 0;
            walk->have = (size_t)some;
        }
        *any = true;
        const char *start = walk->chunk + walk->from;
        const char *end = memchr(start, '\n', walk->have - walk->from);
        size_t len = end != NULL ? (size_t)(end - start) : walk->have - walk->from;
        leat_buf_add(&dlq->line, (leat_str){start, len});
        walk->from += len + (end != NULL ? 1 : 0);
        if (end != NULL) return LEAT_OK;
    }
}

static bool is_blank(const leat_buf *line)
{
    for (size_t i = 0; line->data != NULL && i < line->len; i++)
        if (strchr(" \t\r", line->data[i]) == NULL || line->data[i] == '\0') return false;
    return !line->overflow;
}

static leat_code take_letter(dlq_pass *pass, leat_str line, int64_t number, leat_err *err)
{
    leat_dlq *dlq = pass->dlq;
    leat_letter letter;
    leat_arena_reset(dlq->arena);
    leat_code code = leat_buf_check(&dlq->line, "a line", err);
    if (code == LEAT_OK) code = leat_letter_of_line(line, number, dlq->arena, &letter, err);
    if (code != LEAT_OK && leat_code_blame(code) == LEAT_BLAME_RECORD) {
        if (pass->kind == DLQ_PASS_LETTERS && dlq->damaged++ == 0) {
            dlq->damage = *err;
            (void)leat_err_prefix(&dlq->damage, "line %" PRId64, number);
        }
        return LEAT_OK;
    }
    LEAT_TRY(code);
    letter.digest = leat_str_hash_fixed(line);
    apply_mark(dlq, &letter);
    return dlq_pass_letter(pass, &letter, err);
}

leat_code dlq_file_pass(dlq_pass *pass, leat_err *err)
{
    leat_dlq *dlq = pass->dlq;
    line_walk *walk = leat_mem_need(sizeof *walk);
    leat_code code = LEAT_OK;
    for (size_t i = 0; i < dlq->marks_count; i++)
        dlq->marks[i].met = 0;
    for (int64_t number = 1; code == LEAT_OK && pass->more; number++) {
        bool any = false;
        int64_t sent, unsettled;
        leat_str digests;
        code = next_line(dlq, walk, &any, err);
        if (code != LEAT_OK || !any) break;
        leat_str line = leat_buf_str(&dlq->line);
        bool marker = marker_of(line, &sent, &unsettled, &digests);
        if (marker && pass->kind == DLQ_PASS_MARKERS)
            code = note_marker(dlq, digests, sent, unsettled, err);
        else if (!marker && pass->kind != DLQ_PASS_MARKERS && !is_blank(&dlq->line))
            code = take_letter(pass, line, number, err);
    }
    leat_mem_free(walk);
    return code;
}
