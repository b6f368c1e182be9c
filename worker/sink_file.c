/* SPDX-License-Identifier: Apache-2.0 */
/* Files as sinks.
 *
 * The file is opened once, for appending, and written to under a lock in whole batches of lines. A
 * batch that could only be written in part (disk full) is cut off again, so that a later attempt
 * doubles nothing. There is no fsync: a file run is bounded and starts anew after a crash.
 * The waiting lines are found by thread, not by a handle, because a sink of the plan is one thing
 * to its shards; there are as many entries as threads, and each looks for its own under the lock.
 * A container file (Avro) is the same, but that a batch of records is written as one block.
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

#define BLOCK_BYTES_MAX (4 * LEAT_SINK_FILE_BYTES_MAX)

/* What one thread has not committed yet. */
typedef struct waiting_lines {
    struct waiting_lines *next;
    pthread_t thread;
    leat_buf lines;
    int64_t count; /* of records, in a container */
} waiting_lines;

struct leat_sink_file {
    char *path;
    int fd;
    bool regular; /* can be cut */
    bool container;
    leat_avro_compression compression;
    char sync[LEAT_AVRO_SYNC_BYTES];
    leat_buf packed, block; /* scratch, under the lock */
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
    leat_buf_init(&file->packed, BLOCK_BYTES_MAX);
    leat_buf_init(&file->block, BLOCK_BYTES_MAX);
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

/* The lines as they are, or the records as one block. Under the lock. */
static leat_code write_waiting(leat_sink_file *file, const waiting_lines *waiting, leat_err *err)
{
    leat_str bytes = leat_buf_str(&waiting->lines);
    if (file->container) {
        leat_buf_reset(&file->block);
        LEAT_TRY(leat_avro_block_write(file->compression, waiting->count, bytes, file->sync,
                                       &file->packed, &file->block, err));
        bytes = leat_buf_str(&file->block);
    }
    return write_all(file, bytes, err);
}

static leat_code write_out(leat_sink_file *file, waiting_lines *waiting, leat_err *err)
{
    if (waiting->lines.len == 0 && waiting->count == 0) return LEAT_OK;
    pthread_mutex_lock(&file->lock);
    leat_code code = write_waiting(file, waiting, err);
    pthread_mutex_unlock(&file->lock);
    if (code != LEAT_OK) return code;
    leat_buf_reset(&waiting->lines);
    waiting->count = 0;
    return LEAT_OK;
}

leat_code leat_sink_file_contain(leat_sink_file *file, leat_str schema,
                                 leat_avro_compression compression, leat_err *err)
{
    LEAT_ASSERT(!file->container && file->waiting == NULL);
    file->container = true;
    file->compression = compression;
    /* The marker is made of schema and path, so that a run that is repeated writes the same. */
    uint64_t halves[2] = {leat_str_hash_fixed(schema),
                          leat_str_hash_fixed(leat_str_of(file->path))};
    halves[1] ^= halves[0] * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(file->sync, halves, sizeof file->sync);
    leat_buf_reset(&file->block);
    leat_avro_header_write(schema, compression, file->sync, &file->block);
    LEAT_TRY(leat_buf_check(&file->block, "the head of a file", err));
    return write_all(file, leat_buf_str(&file->block), err);
}

leat_code leat_sink_file_append(leat_sink_file *file, leat_str line, leat_err *err)
{
    waiting_lines *waiting = lines_of(file);
    leat_buf *lines = &waiting->lines;
    if (lines->len > 0 && line.len + 1 > LEAT_SINK_FILE_BYTES_MAX - lines->len)
        LEAT_TRY(write_out(file, waiting, err));
    size_t before = lines->len;
    leat_buf_add(lines, line);
    if (!file->container) leat_buf_add_char(lines, '\n');
    waiting->count++;
    if (!lines->overflow) return LEAT_OK;
    waiting->count--;
    lines->len = before;
    lines->overflow = false;
    return leat_err_set(err, LEAT_ERR_LIMIT, "a line of %zu bytes for '%s'; %zu are allowed",
                        line.len, file->path, lines->max);
}

leat_code leat_sink_file_flush(leat_sink_file *file, leat_err *err)
{
    return write_out(file, lines_of(file), err);
}

void leat_sink_file_discard(leat_sink_file *file)
{
    waiting_lines *waiting = lines_of(file);
    leat_buf_reset(&waiting->lines);
    waiting->count = 0;
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
    leat_buf_release(&file->packed);
    leat_buf_release(&file->block);
    pthread_mutex_destroy(&file->lock);
    leat_mem_free(file->path);
    leat_mem_free(file);
    *closing = NULL;
}
