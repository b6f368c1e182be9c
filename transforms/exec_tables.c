/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that streams join: the topics of a table are read by the same task as the stream's, and
 * each of their messages becomes a version of what is under its key.
 *
 *   key -> (time, number) value   (time, number) value   ...      in order of time, then number
 *
 * A record sees the latest version at or before its own time, of those that had come when it was
 * released: a message that stands behind it in the sequence is not seen, though the batch may have
 * brought both. So what a join gives depends on the sequence alone, not on where batches are cut.
 *
 * A version that comes too late for its time, at or below the watermark, holds from the watermark
 * on: records before that have been joined without it, and of late ones the last that came counts,
 * as the topic's compaction will have it. A table holds no watermark back, as most tables hardly
 * ever change; the worker reads what is there before it lets the stream begin. Versions are given
 * up when no record can ask for them any more: one that is followed by another which came before
 * this batch, and whose time is not behind the watermark as it was then; whatever this batch
 * releases is later than that. A key with versions to be given up has a timer, so that in the end
 * one is left of it, and none of a key that was removed.
 *
 * A version is JSON text, or of a format with types of its own (Avro) a value as expressions see
 * it, so that a timestamp is one also where it is joined, and a restart needs no schema.
 *
 * The cells are in the changelog like any other state, so that a restart need not read the topic
 * again. Refused: reading the topic anew at each start, which saves the space, but what a record
 * sees would depend on when that was. */
#include "core/mem.h"
#include "schemas/codec_json.h"
#include "transforms/exec_inside.h"

#define CELL_VERSION 1
#define VERSIONS_MAX 100000 /* of one key, within the time that the watermark stands behind */

/* What a version is: nothing any more, JSON text, or a value's bytes (exec_held_put). */
enum { VERSION_NONE, VERSION_JSON, VERSION_VALUE, VERSION_KINDS };

typedef struct table_version {
    int64_t time_ms;
    uint64_t seq;
    uint8_t kind;
    char *bytes; /* NULL: NONE */
    size_t len;
} table_version;

typedef struct table_cell {
    size_t count, size;
    table_version *versions;
} table_cell;

/* --- cells --- */

static void cell_free(table_cell *cell)
{
    for (size_t i = 0; i < cell->count; i++)
        leat_mem_free(cell->versions[i].bytes);
    leat_mem_free(cell->versions);
    leat_mem_free(cell);
}

static leat_code no_memory(leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a table");
}

/* Behind all that are not later; its bytes are copied. */
static leat_code cell_add(table_cell *cell, table_version version, leat_err *err)
{
    LEAT_ASSERT((version.kind == VERSION_NONE) == (version.bytes == NULL));
    if (cell->count == VERSIONS_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "a key of a table has more than %d versions",
                            VERSIONS_MAX);
    if (cell->count == cell->size) {
        size_t size = cell->size == 0 ? 1 : cell->size * 2;
        table_version *grown = leat_mem_try_resize(cell->versions, size * sizeof *grown);
        if (grown == NULL) return no_memory(err);
        cell->versions = grown;
        cell->size = size;
    }
    if (version.bytes != NULL) {
        char *copy = leat_mem_try(version.len + 1);
        if (copy == NULL) return no_memory(err);
        memcpy(copy, version.bytes, version.len);
        version.bytes = copy;
    }
    size_t at = cell->count++;
    for (; at > 0 && cell->versions[at - 1].time_ms > version.time_ms; at--)
        cell->versions[at] = cell->versions[at - 1];
    cell->versions[at] = version;
    return LEAT_OK;
}

/* Does every record that this batch or a later one releases see it, or something newer? */
static bool is_settled(const leat_exec *exec, const table_version *version)
{
    return version->time_ms <= exec->before_ms && version->seq <= exec->before_seq;
}

/* Forgets what nothing can see any more. False: nothing is left. */
static bool cell_prune(const leat_exec *exec, table_cell *cell)
{
    size_t gone = 0;
    for (size_t i = 1; i < cell->count; i++)
        if (is_settled(exec, &cell->versions[i])) gone = i;
    if (gone < cell->count && cell->versions[gone].kind == VERSION_NONE &&
        is_settled(exec, &cell->versions[gone]))
        gone++; /* that something is not there need not be remembered */
    for (size_t i = 0; i < gone; i++)
        leat_mem_free(cell->versions[i].bytes);
    cell->count -= gone;
    memmove(cell->versions, cell->versions + gone, cell->count * sizeof *cell->versions);
    return cell->count > 0;
}

static leat_code table_encode(void *self, void *live, leat_buf *out, leat_err *err)
{
    (void)self;
    const table_cell *cell = live;
    LEAT_ASSERT(cell->count > 0);
    leat_buf_add_char(out, CELL_VERSION);
    leat_buf_add_varuint(out, cell->count);
    for (size_t i = 0; i < cell->count; i++) {
        const table_version *version = &cell->versions[i];
        leat_buf_add_varint(out, version->time_ms);
        leat_buf_add_varuint(out, version->seq);
        leat_buf_add_char(out, (char)version->kind);
        if (version->kind != VERSION_NONE)
            leat_buf_add_bytes(out, (leat_str){version->bytes, version->len});
    }
    return leat_buf_check(out, "the versions of a key", err);
}

/* Borrows from what is read. */
static bool read_version(leat_reader *reader, table_version *version)
{
    leat_str bytes = LEAT_STR_NONE;
    bool good = leat_reader_varint(reader, &version->time_ms) &&
                leat_reader_varuint(reader, &version->seq) &&
                leat_reader_u8(reader, &version->kind) && version->kind < VERSION_KINDS &&
                (version->kind == VERSION_NONE || leat_reader_bytes(reader, &bytes));
    version->bytes = (char *)(uintptr_t)bytes.data;
    version->len = bytes.len;
    return good;
}

static leat_code table_decode(void *self, leat_str bytes, void **live, leat_err *err)
{
    leat_reader reader = leat_reader_of(bytes);
    uint8_t version = 0;
    uint64_t count = 0;
    leat_code code = LEAT_OK;
    (void)self;
    bool good = leat_reader_u8(&reader, &version) && version == CELL_VERSION &&
                leat_reader_varuint(&reader, &count) && count > 0 && count <= VERSIONS_MAX;
    table_cell *cell = leat_mem_need(sizeof *cell);
    for (uint64_t i = 0; i < count && good && code == LEAT_OK; i++) {
        table_version read = {0};
        good = read_version(&reader, &read);
        if (good) code = cell_add(cell, read, err);
    }
    if (!good) code = leat_err_set(err, LEAT_ERR_DAMAGED, "a cell of a table cannot be read");
    if (code == LEAT_OK)
        *live = cell;
    else
        cell_free(cell);
    return code;
}

static void table_release(void *self, void *live)
{
    (void)self;
    cell_free(live);
}

static const leat_table_type cell_type = {table_encode, table_decode, table_release,
                                          NULL,         NULL,         NULL};

/* --- messages --- */

leat_code exec_tables_open(leat_exec *exec, leat_err *err)
{
    const leat_source *source = exec->source;
    if (source->tables_count == 0) return LEAT_OK;
    exec->joined = leat_mem_need(source->tables_count * sizeof *exec->joined);
    for (size_t i = 0; i < source->tables_count; i++) {
        exec_joined *joined = &exec->joined[exec->joined_count++];
        joined->table = source->tables[i];
        joined->old = leat_timers_new();
        leat_str name =
            leat_arena_print(exec->own, "tables.%.*s", LEAT_STR_ARG(joined->table->name));
        if (name.data == NULL) return leat_arena_full(exec->own, err);
        joined->place = name;
        LEAT_TRY(exec_table_add(exec, name.data, &cell_type, joined, exec->bytes_max,
                                &joined->cells, err));
        leat_code code =
            exec_codec_open(exec, joined->table->codec, joined->table->shape, &joined->state, err);
        if (code != LEAT_OK) return leat_err_prefix(err, "%.*s.format", LEAT_STR_ARG(name));
    }
    return LEAT_OK;
}

void exec_tables_close(leat_exec *exec)
{
    for (size_t i = 0; i < exec->joined_count; i++) {
        leat_timers_free(&exec->joined[i].old);
        if (exec->joined[i].state == NULL) continue;
        exec->joined[i].table->codec->type->close(exec->joined[i].state);
    }
    leat_mem_free(exec->joined);
    exec->joined = NULL;
    exec->joined_count = 0;
}

exec_joined *exec_tables_of(leat_exec *exec, leat_str topic)
{
    const leat_source *table = leat_source_table(exec->source, topic);
    for (size_t i = 0; table != NULL && i < exec->joined_count; i++)
        if (exec->joined[i].table == table) return &exec->joined[i];
    return NULL;
}

static leat_code key_of(leat_exec *exec, const leat_source *table, leat_record *record,
                        leat_eval *eval, leat_err *err)
{
    leat_value value = LEAT_VALUE_NULL;
    if (record->message->value.data != NULL && table->key != NULL) {
        LEAT_TRY(leat_expr_eval(table->key, eval, &value, err));
        LEAT_TRY(exec_text_of(exec, value, &record->key, err));
    }
    if (record->key.data != NULL) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_INVALID, "a record of a table has no key");
}

static leat_code time_of(const leat_source *table, leat_record *record, const leat_eval *eval,
                         leat_err *err)
{
    leat_value value = LEAT_VALUE_NULL;
    if (table->timestamp != NULL && record->message->value.data != NULL) {
        LEAT_TRY(leat_expr_eval(table->timestamp, eval, &value, err));
        return exec_time_of_value(value, &record->timestamp_ms, err);
    }
    /* What a file without times says has always been so; a message without time comes now. */
    if (table->files) record->timestamp_ms = LEAT_TIME_NONE;
    return LEAT_OK;
}

/* *whole MISSING: the record's raw says all. */
static leat_code read_record(leat_exec *exec, const exec_joined *joined, leat_record *record,
                             leat_value *whole, bool *is, leat_err *err)
{
    leat_json_decoder *decoder;
    const leat_source *table = joined->table;
    leat_site site = {table->views, record};
    *whole = LEAT_VALUE_MISSING;
    *is = true;
    LEAT_TRY(exec_decoder(exec, table->shape, &decoder, err));
    size_t bytes = table->shape->slots * sizeof *record->slots;
    record->slots = leat_arena_zero(exec->arena, bytes); /* MISSING */
    if (record->slots == NULL) return leat_arena_full(exec->arena, err);
    const exec_reader by = {table, joined->state};
    if (record->message->value.data != NULL)
        LEAT_TRY(exec_decode(exec, by, decoder, record, whole, is, err));
    if (!*is) return LEAT_OK;
    leat_eval eval = {
        .slots = record->slots, .arena = exec->arena, .load = leat_site_load, .self = &site};
    LEAT_TRY(key_of(exec, table, record, &eval, err));
    LEAT_TRY(time_of(table, record, &eval, err));
    bool late = record->timestamp_ms <= record->watermark_ms;
    if (late && record->watermark_ms < LEAT_TIME_MAX)
        record->timestamp_ms = record->watermark_ms + 1;
    return LEAT_OK;
}

/* When all but the newest version can go, and that one too if it says that there is nothing. */
static leat_code set_timer(const exec_joined *joined, leat_str key, const table_cell *cell,
                           leat_err *err)
{
    LEAT_ASSERT(cell->count > 0);
    const table_version *newest = &cell->versions[cell->count - 1];
    if (cell->count == 1 && newest->kind != VERSION_NONE) return LEAT_OK;
    return leat_timers_set(joined->old, key, newest->time_ms, err);
}

/* What the record says, as a version; it borrows from the record and exec's scratch. */
static leat_code version_of(leat_exec *exec, const leat_record *record, leat_value whole,
                            table_version *version, leat_err *err)
{
    leat_str bytes = record->raw;
    *version = (table_version){.time_ms = record->timestamp_ms, .seq = record->seq};
    if (record->message->value.data == NULL) return LEAT_OK;
    version->kind = VERSION_JSON;
    if (whole.tag != LEAT_MISSING) {
        leat_buf_reset(&exec->scratch);
        LEAT_TRY(exec_held_put(whole, exec->arena, &exec->scratch, err));
        bytes = leat_buf_str(&exec->scratch);
        version->kind = VERSION_VALUE;
    }
    LEAT_ASSERT(bytes.data != NULL);
    version->bytes = (char *)(uintptr_t)bytes.data;
    version->len = bytes.len;
    return LEAT_OK;
}

/* The version into the cell of its key. */
static leat_code put_version(leat_exec *exec, exec_joined *joined, const leat_record *record,
                             leat_value whole, leat_err *err)
{
    void *live = NULL;
    table_version version;
    LEAT_TRY(version_of(exec, record, whole, &version, err));
    LEAT_TRY(leat_table_find(joined->cells, record->key, &live, err));
    table_cell *cell = live;
    if (cell != NULL) {
        leat_table_touch(joined->cells, record->key);
        LEAT_TRY(cell_add(cell, version, err));
    } else {
        cell = leat_mem_need(sizeof *cell);
        leat_code code = cell_add(cell, version, err);
        live = cell;
        if (code == LEAT_OK) code = leat_table_put(joined->cells, record->key, &live, err);
        if (code != LEAT_OK) {
            cell_free(cell);
            return code;
        }
    }
    if (!cell_prune(exec, cell)) {
        leat_table_remove(joined->cells, record->key);
        return LEAT_OK;
    }
    return set_timer(joined, record->key, cell, err);
}

leat_code exec_tables_sweep(leat_exec *exec, leat_err *err)
{
    for (size_t i = 0; i < exec->joined_count; i++) {
        exec_joined *joined = &exec->joined[i];
        leat_str key;
        int64_t at_ms = 0;
        while (leat_timers_pop(joined->old, exec->before_ms, &key, &at_ms)) {
            void *live = NULL;
            LEAT_TRY(leat_table_find(joined->cells, key, &live, err));
            if (live == NULL) continue;
            leat_table_touch(joined->cells, key);
            if (!cell_prune(exec, live)) leat_table_remove(joined->cells, key);
        }
    }
    return LEAT_OK;
}

static leat_code restore_timer(void *context, leat_str key, leat_str committed, leat_err *err)
{
    const exec_joined *joined = context;
    void *live = NULL;
    LEAT_ASSERT(committed.data != NULL); /* nothing is under way now */
    LEAT_TRY(table_decode(NULL, committed, &live, err));
    leat_code code = set_timer(joined, key, live, err);
    cell_free(live);
    return code;
}

leat_code exec_tables_restored(leat_exec *exec, leat_err *err)
{
    for (size_t i = 0; i < exec->joined_count; i++) {
        leat_timers_clear(exec->joined[i].old);
        LEAT_TRY(leat_table_visit(exec->joined[i].cells, restore_timer, &exec->joined[i], err));
    }
    return LEAT_OK;
}

leat_code exec_tables_take(leat_exec *exec, exec_joined *joined, leat_record *record, bool *is,
                           leat_err *err)
{
    leat_err why;
    leat_value whole;
    LEAT_ASSERT(joined->table->joined_by == exec->source && record->message != NULL);
    leat_code code = read_record(exec, joined, record, &whole, is, &why);
    if (code == LEAT_OK && *is) code = put_version(exec, joined, record, whole, &why);
    return code == LEAT_OK ? code : exec_reject(exec, joined->place, record, &why, err);
}

/* --- joining --- */

leat_code leat_run_table_at(leat_run *run, const leat_source *table, leat_str key,
                            const leat_record *record, leat_value *value, leat_err *err)
{
    leat_exec *exec = run->exec;
    void *live = NULL;
    size_t number = 0;
    *value = LEAT_VALUE_MISSING;
    while (number < exec->joined_count && exec->joined[number].table != table)
        number++;
    LEAT_ASSERT(number < exec->joined_count);
    LEAT_TRY(leat_table_find(exec->joined[number].cells, key, &live, err));
    const table_cell *cell = live;
    const table_version *found = NULL;
    for (size_t i = cell != NULL ? cell->count : 0; i > 0 && found == NULL; i--) {
        const table_version *version = &cell->versions[i - 1];
        if (version->time_ms <= record->timestamp_ms && version->seq <= record->moment)
            found = version;
    }
    if (found == NULL || found->kind == VERSION_NONE) return LEAT_OK;
    leat_str copy = leat_arena_copy(exec->arena, (leat_str){found->bytes, found->len});
    if (copy.data == NULL) return leat_arena_full(exec->arena, err);
    if (found->kind == VERSION_VALUE) return exec_held_get(copy, exec->arena, value, err);
    *value = leat_value_text(LEAT_JSON, copy);
    return LEAT_OK;
}
