/* SPDX-License-Identifier: Apache-2.0 */
/* The files of one source, read line by line, one after the other; for leat_log_file.
 * Private to log_file.c and log_file_reader.c. Thread: the session's. */
#ifndef LEAT_WORKER_LOG_FILE_H
#define LEAT_WORKER_LOG_FILE_H

#include <sys/types.h>

#include "worker/log.h"

/* One file. A byte of -1 is not known: lines are counted from the beginning. */
typedef struct leat_file_place {
    char *path;
    bool container; /* Avro's, not lines */
    char row_quote; /* see leat_subscription */
    bool paused;
    bool ended;         /* its last line has been handed out ... */
    int64_t end_line;   /* ... and this would be the next */
    int64_t next;       /* line to go on with, when it is opened (again) */
    off_t next_at;      /* its byte */
    int64_t committed;  /* line that the session has committed */
    off_t committed_at; /* its byte */
} leat_file_place;

/* The state of container files (log_file_avro.c). */
typedef struct leat_file_avro leat_file_avro;
#define LEAT_FILE_BLOCK_MAX   ((size_t)64 << 20) /* bytes of one block, packed */
#define LEAT_FILE_BLOCK_EXTRA 64u                /* its head and marker */

typedef struct leat_file_reader {
    uint32_t source;
    size_t line_bytes_max;
    leat_file_avro *avro;    /* NULL: none of them is a container */
    leat_file_place *places; /* in the order they are read */
    size_t places_count;
    size_t current; /* the place that is open; only while fd >= 0 */
    int fd;
    bool regular, at_end;
    size_t looked; /* bytes behind begin that hold no end of the row ... */
    bool inside;   /* ... and whether a quote is open behind them */
    int64_t lines; /* line ends among them */
    bool skipping; /* the rest of a line that is too long */
    char *block;
    size_t size, begin, end;
    off_t at;     /* byte of the file at block + begin */
    int64_t line; /* number of the line at begin */
} leat_file_reader;

void leat_file_reader_release(leat_file_reader *reader);
/* The file can be read; else the system's reason, as an error of code `blame`. */
leat_code leat_file_check(const char *path, leat_code blame, leat_err *err) LEAT_CHECKED;
/* Lines of the first file that has some left, valid until the next call; waits at most timeout_ms
 * for a pipe. None: paused, or ended. */
leat_code leat_file_reader_read(leat_file_reader *reader, int timeout_ms, leat_message *messages,
                                size_t size, size_t *count, leat_err *err) LEAT_CHECKED;
bool leat_file_reader_ended(const leat_file_reader *reader);
/* What was handed out stays valid; the next read goes on there. */
void leat_file_reader_seek(leat_file_reader *reader, leat_file_place *place, int64_t line);
void leat_file_reader_commit(leat_file_reader *reader, leat_file_place *place, int64_t line);

/* --- log_file_avro.c --- */
leat_file_avro *leat_file_avro_new(void);
void leat_file_avro_free(leat_file_avro **avro);
void leat_file_avro_begin(leat_file_avro *avro); /* a file, from its first byte */
/* Records of the current file; none: more of it has to be read, or it is at its end. */
leat_code leat_file_avro_take(leat_file_reader *reader, int64_t now_ms, leat_message *messages,
                              size_t size, size_t *count, leat_err *err) LEAT_CHECKED;
/* The schema in the header of a container file. */
leat_code leat_file_avro_schema(const char *path, leat_arena *arena, leat_str *schema,
                                leat_err *err) LEAT_CHECKED;

#endif
