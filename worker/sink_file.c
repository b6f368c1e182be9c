/* SPDX-License-Identifier: Apache-2.0 */
/* Files as sinks.
 *
 * The file is opened once, for appending, and written to under a lock in whole batches of lines. A
 * batch that could only be written in part (disk full) is cut off again, so that a later attempt
 * doubles nothing. There is no fsync: a file run is bounded and starts anew after a crash.
 * The waiting lines are found by thread, not by a handle, because a sink of the plan is one thing
 * to its shards; there are as many entries as threads, and each looks for its own under the lock.
 * Refused: stdio. Its buffer does not know where a commit ends, and loses what it could not write.
 */
#include "worker/sink_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/mem.h"

/* What one thread has not committed yet. */
typedef struct waiting_lines {
    struct waiting_lines *next;
    pthread_t thread;
    leat_buf lines;
} waiting_lines;

struct leat_sink_file {
    char *path;
    int fd;
    bool regular; /* can be cut */
    pthread_mutex_t lock;
    waiting_lines *waiting;
};

static leat_code failed(const char *what, const char *path, int number, leat_err *err)
{
    char reason[128];
    const char *text = strerror_r(number, reason, sizeof reason);
    return leat_err_set(err, LEAT_ERR_IO, "cannot %s '%s': %s", what, path, text);
}

leat_code leat_sink_file_open(leat_str path, leat_sink_file **opened, leat_err *err)
{
    *opened = NULL;
    bool standard = path.data == NULL;
    if (standard) path = LEAT_STR("stdout");
    char *name = leat_mem_need(path.len + 1);
    memcpy(name, path.data, path.len);
    int fd = STDOUT_FILENO;
    if (!standard) fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) {
        leat_code code = failed("write", name, errno, err);
        leat_mem_free(name);
        return code;
    }
    leat_sink_file *file = leat_mem_need(sizeof *file);
    struct stat status;
    file->path = name;
    file->fd = fd;
    file->regular = !standard && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    pthread_mutex_init(&file->lock, NULL);
    *opened = file;
    return LEAT_OK;
}

/* The calling thread's lines. The entry stays where it is until close. */
static waiting_lines *lines_of(leat_sink_file *file)
{
    pthread_mutex_lock(&file->lock);
    waiting_lines *waiting = file->waiting;
    while (waiting != NULL && !pthread_equal(waiting->thread, pthread_self()))
        waiting = waiting->next;
    if (waiting == NULL) {
        waiting = leat_mem_need(sizeof *waiting);
        waiting->thread = pthread_self();
        leat_buf_init(&waiting->lines, 2 * LEAT_SINK_FILE_BYTES_MAX);
        waiting->next = file->waiting;
        file->waiting = waiting;
    }
    pthread_mutex_unlock(&file->lock);
    return waiting;
}

/* All of it, or (a regular file) nothing. */
static leat_code write_all(const leat_sink_file *file, leat_str bytes, leat_err *err)
{
    off_t end = file->regular ? lseek(file->fd, 0, SEEK_END) : 0;
    for (size_t done = 0; done < bytes.len;) {
        ssize_t some = write(file->fd, bytes.data + done, bytes.len - done);
        if (some > 0) {
            done += (size_t)some;
        } else if (some == 0 || errno != EINTR) {
            int number = some == 0 ? EIO : errno;
            if (file->regular && end >= 0 && ftruncate(file->fd, end) != 0)
                return failed("cut a half-written line from", file->path, errno, err);
            return failed("write", file->path, number, err);
        }
    }
    return LEAT_OK;
}

static leat_code write_out(leat_sink_file *file, leat_buf *lines, leat_err *err)
{
    if (lines->len == 0) return LEAT_OK;
    pthread_mutex_lock(&file->lock);
    leat_code code = write_all(file, leat_buf_str(lines), err);
    pthread_mutex_unlock(&file->lock);
    if (code == LEAT_OK) leat_buf_reset(lines);
    return code;
}

leat_code leat_sink_file_append(leat_sink_file *file, leat_str line, leat_err *err)
{
    leat_buf *lines = &lines_of(file)->lines;
    if (lines->len > 0 && line.len + 1 > LEAT_SINK_FILE_BYTES_MAX - lines->len)
        LEAT_TRY(write_out(file, lines, err));
    size_t before = lines->len;
    leat_buf_add(lines, line);
    leat_buf_add_char(lines, '\n');
    if (!lines->overflow) return LEAT_OK;
    lines->len = before;
    lines->overflow = false;
    return leat_err_set(err, LEAT_ERR_LIMIT, "a line of %zu bytes for '%s'; %zu are allowed",
                        line.len, file->path, lines->max);
}

leat_code leat_sink_file_flush(leat_sink_file *file, leat_err *err)
{
    return write_out(file, &lines_of(file)->lines, err);
}

void leat_sink_file_discard(leat_sink_file *file)
{
    leat_buf_reset(&lines_of(file)->lines);
}

void leat_sink_file_close(leat_sink_file **closing)
{
    leat_sink_file *file = *closing;
    if (file == NULL) return;
    if (file->fd != STDOUT_FILENO) close(file->fd);
    while (file->waiting != NULL) {
        waiting_lines *waiting = file->waiting;
        file->waiting = waiting->next;
        leat_buf_release(&waiting->lines);
        leat_mem_free(waiting);
    }
    pthread_mutex_destroy(&file->lock);
    leat_mem_free(file->path);
    leat_mem_free(file);
    *closing = NULL;
}
