/* SPDX-License-Identifier: Apache-2.0 */
/* Watermarks and the sequence number: see exec.h.
 *
 *   input 0   latest 12:00:07 -\  - out_of_orderness - 1 ms, the least of those that are not idle
 *   input 1   latest 12:00:05 --+--> the task's watermark 12:00:04.999 (never goes back)
 *   input 2   idle            -/
 *
 * An input without a record holds the watermark until it is idle. When all are idle, nobody can say
 * where time stands but by the furthest of them, so that one counts.
 *
 * Everything here is state: one cell of the table "progress", written when it has changed, so that
 * a restart judges lateness as the run before would have. While a batch goes out in portions the
 * cell also holds where in the batch the watermark stood: what is left belongs to those moments,
 * and must see of tables and of time what it would have seen at once. A source behind which nothing
 * depends on time keeps no such table, and its task needs no changelog.
 *
 * Cost: a record of a task with one input, or of an input that is ahead of another, O(1); else one
 * pass over the inputs. Logs deliver in runs of one partition, so that the input of a message is
 * mostly the one of the message before; else it is found by a linear search. */
#include "core/mem.h"
#include "transforms/exec_inside.h"

#define PROGRESS_VERSION 1

static const leat_str progress_key = {"task", 4};

/* Both grow along the array, from where they stood before the batch. */
static void encode_marks(const leat_exec *exec, leat_buf *out)
{
    exec_mark last = {exec->before_seq, exec->before_ms};
    leat_buf_add_varuint(out, last.moment);
    leat_buf_add_varint(out, last.watermark_ms);
    leat_buf_add_varuint(out, exec->marks_count);
    for (size_t i = 0; i < exec->marks_count; i++) {
        const exec_mark *mark = &exec->marks[i];
        leat_buf_add_varuint(out, mark->moment - last.moment);
        leat_buf_add_varuint(out, (uint64_t)mark->watermark_ms - (uint64_t)last.watermark_ms);
        last = *mark;
    }
}

/* The live object of the only cell is the task itself. */
static leat_code progress_encode(void *self, void *live, leat_buf *out, leat_err *err)
{
    const leat_exec *exec = self;
    const exec_progress *progress = &exec->progress;
    LEAT_ASSERT(live == self);
    leat_buf_add_char(out, PROGRESS_VERSION);
    leat_buf_add_varuint(out, progress->seq);
    leat_buf_add_varint(out, progress->watermark_ms);
    leat_buf_add_varuint(out, progress->count);
    for (size_t i = 0; i < progress->count; i++) {
        const exec_input *input = &progress->inputs[i];
        leat_buf_add_bytes(out, (leat_str){input->topic, input->topic_len});
        leat_buf_add_varint(out, input->partition);
        leat_buf_add_varint(out, input->latest_ms);
        leat_buf_add_char(out, input->idle ? 1 : 0);
    }
    if (leat_exec_more(exec)) encode_marks(exec, out);
    return leat_buf_check(out, "the progress of a task", err);
}

static leat_code progress_decode(void *self, leat_str bytes, void **live, leat_err *err)
{
    (void)bytes; /* read by exec_progress_restored */
    (void)err;
    *live = self;
    return LEAT_OK;
}

static void progress_release(void *self, void *live)
{
    LEAT_ASSERT(live == self);
}

static const leat_table_type progress_type = {
    progress_encode, progress_decode, progress_release, NULL, NULL, NULL};

leat_code exec_progress_open(leat_exec *exec, leat_err *err)
{
    exec->progress.watermark_ms = exec->progress.committed_ms = LEAT_TIME_NONE;
    if (!exec->source->stateful && exec->source->late == LEAT_LATE_UNSET) return LEAT_OK;
    return exec_table_add(exec, "progress", &progress_type, exec, exec->bytes_max,
                          &exec->progress.table, err);
}

void exec_progress_close(leat_exec *exec)
{
    exec_progress *progress = &exec->progress;
    for (size_t i = 0; i < progress->count; i++)
        leat_mem_free(progress->inputs[i].topic);
    leat_mem_free(progress->inputs);
    *progress = (exec_progress){0};
}

static bool input_is(const exec_input *input, leat_str topic, int32_t partition)
{
    return input->partition == partition && input->topic_len == topic.len &&
           memcmp(input->topic, topic.data, topic.len) == 0;
}

static exec_input *input_find(exec_progress *progress, leat_str topic, int32_t partition)
{
    if (progress->last < progress->count &&
        input_is(&progress->inputs[progress->last], topic, partition))
        return &progress->inputs[progress->last];
    for (size_t i = 0; i < progress->count; i++) {
        if (!input_is(&progress->inputs[i], topic, partition)) continue;
        progress->last = i;
        return &progress->inputs[i];
    }
    return NULL;
}

static leat_code input_add(exec_progress *progress, leat_str topic, int32_t partition,
                           exec_input **input, leat_err *err)
{
    if (progress->count == progress->size) {
        size_t size = progress->size == 0 ? 4 : progress->size * 2;
        exec_input *inputs = leat_mem_try_resize(progress->inputs, size * sizeof *inputs);
        if (inputs == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for inputs");
        progress->inputs = inputs;
        progress->size = size;
    }
    char *name = leat_mem_try(topic.len + 1);
    if (name == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for an input's name");
    memcpy(name, topic.data, topic.len);
    name[topic.len] = '\0';
    *input = &progress->inputs[progress->count++];
    **input = (exec_input){.topic = name,
                           .topic_len = topic.len,
                           .partition = partition,
                           .latest_ms = LEAT_TIME_NONE,
                           .committed_ms = LEAT_TIME_NONE};
    progress->changed = true;
    return LEAT_OK;
}

/* The files of a source are one input: they are read one after the other, so that a later one
 * cannot hold the watermark back while an earlier one is read. */
static void input_name(const leat_exec *exec, leat_str *topic, int32_t *partition)
{
    if (!exec->source->files) return;
    *topic = exec->source->name;
    *partition = 0;
}

/* Keeps the listed inputs with what is known of them, adds new ones, forgets the others. */
leat_code leat_exec_inputs(leat_exec *exec, const leat_str *topics, const int32_t *partitions,
                           size_t count, leat_err *err)
{
    exec_progress *progress = &exec->progress;
    for (size_t i = 0; i < progress->count; i++)
        progress->inputs[i].listed = false;
    for (size_t i = 0; i < count; i++) {
        leat_str topic = topics[i];
        int32_t partition = partitions[i];
        if (leat_source_table(exec->source, topic) != NULL) continue;
        input_name(exec, &topic, &partition);
        exec_input *input = input_find(progress, topic, partition);
        if (input == NULL) LEAT_TRY(input_add(progress, topic, partition, &input, err));
        input->listed = true;
    }
    size_t kept = 0;
    for (size_t i = 0; i < progress->count; i++) {
        if (progress->inputs[i].listed)
            progress->inputs[kept++] = progress->inputs[i];
        else
            leat_mem_free(progress->inputs[i].topic);
    }
    if (kept != progress->count) progress->changed = true;
    progress->count = kept;
    progress->last = 0;
    progress->given = true;
    return LEAT_OK;
}

leat_code exec_progress_input(leat_exec *exec, leat_str topic, int32_t partition,
                              exec_input **input, leat_err *err)
{
    exec_progress *progress = &exec->progress;
    input_name(exec, &topic, &partition);
    *input = input_find(progress, topic, partition);
    if (LEAT_LIKELY(*input != NULL)) return LEAT_OK;
    if (!progress->given) return input_add(progress, topic, partition, input, err);
    return leat_err_set(err, LEAT_ERR_INTERNAL,
                        "a record of '%.*s', partition %d, which is no "
                        "input of this task",
                        LEAT_STR_ARG(topic), (int)partition);
}

/* Where the watermark of one input stands: behind its latest by the bound, and 1 ms. */
static int64_t input_mark(const leat_exec *exec, const exec_input *input)
{
    int64_t mark = LEAT_TIME_NONE;
    if (input->latest_ms == LEAT_TIME_NONE) return mark;
    if (__builtin_sub_overflow(input->latest_ms, exec->source->out_of_orderness_ms, &mark) ||
        __builtin_sub_overflow(mark, 1, &mark))
        return LEAT_TIME_NONE;
    return mark;
}

static int64_t mark_of_all(const leat_exec *exec)
{
    int64_t least = LEAT_TIME_MAX, most = LEAT_TIME_NONE;
    bool all_idle = true;
    for (size_t i = 0; i < exec->progress.count; i++) {
        const exec_input *input = &exec->progress.inputs[i];
        int64_t mark = input_mark(exec, input);
        if (mark > most) most = mark;
        if (input->idle) continue;
        all_idle = false;
        if (mark < least) least = mark;
    }
    return all_idle ? most : least;
}

static void advance_to(leat_exec *exec, int64_t watermark_ms)
{
    exec_progress *progress = &exec->progress;
    if (watermark_ms <= progress->watermark_ms) return;
    progress->watermark_ms = watermark_ms;
    if (exec->marks == NULL) return;
    LEAT_ASSERT(exec->marks_count < exec->marks_size);
    exec->marks[exec->marks_count++] = (exec_mark){progress->seq, watermark_ms};
}

void exec_progress_see(leat_exec *exec, exec_input *input, int64_t timestamp_ms)
{
    exec_progress *progress = &exec->progress;
    if (timestamp_ms <= input->latest_ms && !input->idle) return;
    /* An input whose mark is beyond the task's watermark does not hold it. */
    bool holds = input->idle || input->latest_ms == LEAT_TIME_NONE ||
                 input_mark(exec, input) <= progress->watermark_ms;
    if (timestamp_ms > input->latest_ms) input->latest_ms = timestamp_ms;
    input->idle = false;
    progress->changed = true;
    if (holds) advance_to(exec, progress->count == 1 ? input_mark(exec, input) : mark_of_all(exec));
}

void exec_progress_idle(leat_exec *exec, exec_input *input)
{
    input->idle = true;
    exec->progress.changed = true;
    advance_to(exec, mark_of_all(exec));
}

void exec_progress_end(leat_exec *exec)
{
    exec->progress.changed = true;
    advance_to(exec, LEAT_TIME_MAX);
}

leat_code exec_progress_reserve(leat_exec *exec, size_t marks, leat_err *err)
{
    if (LEAT_LIKELY(exec->marks_size >= marks)) return LEAT_OK;
    exec_mark *grown = leat_mem_try_resize(exec->marks, marks * sizeof *grown);
    if (grown == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a batch");
    exec->marks = grown;
    exec->marks_size = marks;
    return LEAT_OK;
}

uint64_t exec_moment_of(const leat_exec *exec, int64_t time_ms)
{
    size_t low = 0, high = exec->marks_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (exec->marks[middle].watermark_ms >= time_ms)
            high = middle;
        else
            low = middle + 1;
    }
    return low < exec->marks_count ? exec->marks[low].moment : exec->progress.seq;
}

int64_t exec_watermark_at(const leat_exec *exec, uint64_t moment)
{
    for (size_t i = exec->marks_count; i > 0; i--)
        if (exec->marks[i - 1].moment <= moment) return exec->marks[i - 1].watermark_ms;
    return exec->before_ms;
}

leat_code exec_progress_flush(leat_exec *exec, leat_err *err)
{
    exec_progress *progress = &exec->progress;
    if (!progress->changed || progress->table == NULL) return LEAT_OK;
    void *live = NULL;
    LEAT_TRY(leat_table_find(progress->table, progress_key, &live, err));
    if (live == NULL) {
        live = exec;
        return leat_table_put(progress->table, progress_key, &live, err);
    }
    leat_table_touch(progress->table, progress_key);
    return LEAT_OK;
}

/* Reads one input of the cell; one that the task does not have any more is passed over. */
static leat_code restore_input(exec_progress *progress, leat_reader *reader, leat_err *err)
{
    leat_str topic = LEAT_STR_NONE;
    int64_t partition = 0, latest_ms = 0;
    uint8_t idle = 0;
    if (!leat_reader_bytes(reader, &topic) || !leat_reader_varint(reader, &partition) ||
        !leat_reader_varint(reader, &latest_ms) || !leat_reader_u8(reader, &idle))
        return leat_err_set(err, LEAT_ERR_DAMAGED, "the progress of a task cannot be read");
    exec_input *input = input_find(progress, topic, (int32_t)partition);
    if (input == NULL && progress->given) return LEAT_OK;
    if (input == NULL) LEAT_TRY(input_add(progress, topic, (int32_t)partition, &input, err));
    input->latest_ms = latest_ms;
    input->idle = idle != 0;
    return LEAT_OK;
}

/* Of a batch that was going out in portions. */
static leat_code restore_marks(leat_exec *exec, leat_reader *reader, leat_err *err)
{
    uint64_t count = 0;
    exec_mark mark = {0};
    bool good = leat_reader_varuint(reader, &mark.moment) &&
                leat_reader_varint(reader, &mark.watermark_ms) &&
                leat_reader_varuint(reader, &count) &&
                count <= (uint64_t)(reader->end - reader->at);
    if (good) LEAT_TRY(exec_progress_reserve(exec, count, err));
    exec->before_seq = mark.moment;
    exec->before_ms = mark.watermark_ms;
    for (uint64_t i = 0; i < count && good; i++) {
        uint64_t messages = 0;
        uint64_t ms = 0;
        good = leat_reader_varuint(reader, &messages) && leat_reader_varuint(reader, &ms);
        mark.moment += messages;
        mark.watermark_ms = (int64_t)((uint64_t)mark.watermark_ms + ms);
        exec->marks[i] = mark;
    }
    if (!good || reader->at != reader->end)
        return leat_err_set(err, LEAT_ERR_DAMAGED, "the progress of a task cannot be read");
    exec->marks_count = count;
    return LEAT_OK;
}

static leat_code restore_cell(void *context, leat_str key, leat_str committed, leat_err *err)
{
    leat_exec *exec = context;
    exec_progress *progress = &exec->progress;
    if (committed.data == NULL) return LEAT_OK;
    leat_reader reader = leat_reader_of(committed);
    uint8_t version = 0;
    uint64_t count = 0;
    if (!leat_str_equal(key, progress_key) || !leat_reader_u8(&reader, &version) ||
        version != PROGRESS_VERSION || !leat_reader_varuint(&reader, &progress->seq) ||
        !leat_reader_varint(&reader, &progress->watermark_ms) ||
        !leat_reader_varuint(&reader, &count))
        return leat_err_set(err, LEAT_ERR_DAMAGED, "the progress of a task cannot be read");
    for (uint64_t i = 0; i < count; i++)
        LEAT_TRY(restore_input(progress, &reader, err));
    bool marked = reader.at != reader.end && exec->source->stateful;
    return marked ? restore_marks(exec, &reader, err) : LEAT_OK;
}

void exec_progress_commit(leat_exec *exec)
{
    exec_progress *progress = &exec->progress;
    progress->changed = false;
    progress->committed_seq = progress->seq;
    progress->committed_ms = progress->watermark_ms;
    for (size_t i = 0; i < progress->count; i++) {
        progress->inputs[i].committed_ms = progress->inputs[i].latest_ms;
        progress->inputs[i].committed_idle = progress->inputs[i].idle;
    }
}

/* Without a table, what was there at the last commit of this run is all that is known. */
leat_code exec_progress_restored(leat_exec *exec, leat_err *err)
{
    exec_progress *progress = &exec->progress;
    bool volatile_only = progress->table == NULL;
    progress->changed = false;
    progress->seq = volatile_only ? progress->committed_seq : 0;
    progress->watermark_ms = volatile_only ? progress->committed_ms : LEAT_TIME_NONE;
    for (size_t i = 0; i < progress->count; i++) {
        exec_input *input = &progress->inputs[i];
        input->latest_ms = volatile_only ? input->committed_ms : LEAT_TIME_NONE;
        input->idle = volatile_only && input->committed_idle;
    }
    exec->marks_count = 0;
    if (!volatile_only) {
        LEAT_TRY(leat_table_visit(progress->table, restore_cell, exec, err));
        exec_progress_commit(exec);
    }
    if (exec->marks_count > 0) return LEAT_OK;
    exec->before_seq = progress->seq;
    exec->before_ms = progress->watermark_ms;
    return LEAT_OK;
}
