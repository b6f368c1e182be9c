/* SPDX-License-Identifier: Apache-2.0 */
/* A file, or stdout, that output records go to, one a line.
 *
 *   open (truncates) -> append ... -> flush at each commit, discard at each abort -> close
 *
 * Shards share one: each thread has lines of its own that wait for its commit and then go out in
 * one piece, so lines of several threads never mix and what was aborted is never seen. Above
 * LEAT_SINK_FILE_BYTES_MAX waiting bytes append writes them out before the commit.
 * Owner: the pipeline. Thread: any. Errors: LEAT_ERR_IO naming the path and the system's reason. */
#ifndef LEAT_WORKER_SINK_FILE_H
#define LEAT_WORKER_SINK_FILE_H

#include "core/err.h"
#include "core/str.h"
#include "schemas/avro_container.h"

#define LEAT_SINK_FILE_BYTES_MAX ((size_t)16 << 20) /* waiting, per thread */

typedef struct leat_sink_file leat_sink_file;

/* path none: stdout, which stays open. */
leat_code leat_sink_file_open(leat_str path, leat_sink_file **file, leat_err *err) LEAT_CHECKED;
/* Right after open: it is an Avro container file of records of this schema (its text), a line is a
 * record, and no newline is added. */
leat_code leat_sink_file_contain(leat_sink_file *file, leat_str schema,
                                 leat_avro_compression compression, leat_err *err) LEAT_CHECKED;
/* Copies the line and adds the newline. */
leat_code leat_sink_file_append(leat_sink_file *file, leat_str line, leat_err *err) LEAT_CHECKED;
/* Writes this thread's lines. On an error they still wait, and a regular file ends as before. */
leat_code leat_sink_file_flush(leat_sink_file *file, leat_err *err) LEAT_CHECKED;
/* Forgets this thread's lines. */
void leat_sink_file_discard(leat_sink_file *file);
/* Lines that were not flushed are forgotten, as after a crash; NULL inside is harmless. */
void leat_sink_file_close(leat_sink_file **file);

#endif
