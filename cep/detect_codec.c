/* SPDX-License-Identifier: Apache-2.0 */
/* The cell of a key as bytes.
 *
 *   version 1 | number of parts | part ...        part: length, bytes of the matcher; the last one
 *                                                 has no length, it goes to the end
 *
 * Which pattern a part belongs to is told by the fingerprint in its bytes: when a pattern was
 * edited between two runs of the pipeline, its old partial matches mean nothing any more and are
 * dropped, while a new description or severity changes no fingerprint.
 *
 * A cell that is used again is not decoded: its bytes are copied and cut into parts, and a part is
 * decoded when an event or a timer concerns its pattern. Those that nothing has touched are written
 * back as they came.
 *
 * Nor is a cell decoded whose time has come, where the heads of its parts say that nothing comes of
 * it: it goes as it is, or its timer is set anew.
 *
 * After a restart the timers are set from the heads of the parts; nothing is decoded until an event
 * or a timer asks for the key. */
#include "cep/detect_inside.h"

#include "core/mem.h"

#define VERSION 1

/* --- writing --- */

/* Parts have later deadlines then, or go: some matchers see only now that all in them is dead. */
static leat_code tidy(const detect_state *state, detect_cell *cell, leat_err *err)
{
    for (uint32_t i = cell->count; i-- > 0;) {
        detect_part *part = &cell->parts[i];
        if (part->len > 0) continue;
        LEAT_ASSERT(!leat_matcher_empty(part->matcher));
        LEAT_TRY(leat_matcher_tidy(part->matcher, state->work, err));
        LEAT_TRY(detect_part_close(state, cell, part, err));
    }
    cell->timer_ms = detect_cell_deadline(cell);
    return LEAT_OK;
}

static leat_code encode_part(const detect_cell *cell, const detect_part *part, leat_buf *out,
                             leat_err *err)
{
    if (part->len == 0) return leat_matcher_encode(part->matcher, out, err);
    leat_buf_add(out, (leat_str){cell->bytes + part->at, part->len});
    return LEAT_OK;
}

static leat_code encode(void *self, void *live, leat_buf *out, leat_err *err)
{
    detect_state *state = self;
    detect_cell *cell = live;
    LEAT_TRY(tidy(state, cell, err));
    if (cell->count == 0) return LEAT_OK; /* its timer finds nothing, then */
    leat_buf_add_char(out, VERSION);
    leat_buf_add_varuint(out, cell->count);
    for (uint32_t i = 0; i + 1 < cell->count; i++) {
        leat_buf_reset(&state->part);
        LEAT_TRY(encode_part(cell, &cell->parts[i], &state->part, err));
        LEAT_TRY(leat_buf_check(&state->part, "the state of a key", err));
        leat_buf_add_bytes(out, leat_buf_str(&state->part));
    }
    LEAT_TRY(encode_part(cell, &cell->parts[cell->count - 1], out, err));
    return leat_buf_check(out, "the state of a key", err);
}

/* --- reading --- */

static leat_code damaged(leat_err *err, const char *what)
{
    return leat_err_set(err, LEAT_ERR_DAMAGED, "the state of a key is damaged: %s", what);
}

static leat_code read_head(leat_reader *in, uint64_t *count, leat_err *err)
{
    uint8_t version = 0;
    if (!leat_reader_u8(in, &version) || !leat_reader_varuint(in, count))
        return damaged(err, "its head is cut short");
    if (version != VERSION)
        return leat_err_set(err, LEAT_ERR_DAMAGED,
                            "the state of a key has version %u, this program reads %u", version,
                            VERSION);
    /* A matcher is more than its fingerprint. */
    if (*count == 0 || *count > (uint64_t)(in->end - in->at) / 8)
        return damaged(err, "it has no part");
    return LEAT_OK;
}

/* The next part, and its head. */
static leat_code read_part(leat_reader *in, bool last, leat_str *bytes, leat_matcher_head *head,
                           leat_err *err)
{
    if (last) {
        *bytes = (leat_str){in->at, (size_t)(in->end - in->at)};
        in->at = in->end;
    } else if (!leat_reader_bytes(in, bytes)) {
        return damaged(err, "a part is cut short");
    }
    if (bytes->len >= UINT32_MAX) return damaged(err, "a part is too long");
    return leat_matcher_peek(*bytes, head, err);
}

/* Parts of patterns that are gone are left out. */
static leat_code decode_parts(const detect_state *state, detect_cell *cell, leat_str bytes,
                              leat_err *err)
{
    leat_reader in = leat_reader_of(bytes);
    uint64_t count = 0;
    LEAT_TRY(read_head(&in, &count, err));
    for (uint64_t i = 0; i < count; i++) {
        leat_str part = LEAT_STR_NONE;
        leat_matcher_head head;
        LEAT_TRY(read_part(&in, i + 1 == count, &part, &head, err));
        uint32_t index = detect_by_fingerprint(state->config, head.fingerprint);
        if (index == DETECT_NONE) continue;
        if (detect_cell_find(cell, index) != NULL) return damaged(err, "a part is there twice");
        detect_part read = {.index = index,
                            .len = (uint32_t)part.len,
                            .at = (size_t)(part.data - bytes.data),
                            .deadline_ms = head.deadline_ms};
        LEAT_TRY(detect_cell_append(state, cell, read, err));
    }
    cell->timer_ms = detect_cell_deadline(cell);
    return LEAT_OK;
}

static leat_code decode_cell(detect_state *state, leat_str bytes, bool own_bytes, void **live,
                             leat_err *err)
{
    detect_cell *cell = detect_cell_new(state, err);
    if (cell == NULL) return LEAT_ERR_MEMORY;
    cell->own = own_bytes;
    leat_code code = decode_parts(state, cell, bytes, err);
    if (code == LEAT_OK && cell->count == 1) { /* the usual case: no copy */
        detect_part *part = &cell->parts[0];
        leat_str own = {bytes.data + part->at, part->len};
        part->len = 0;
        code = leat_matcher_decode(state->config->patterns[part->index].nfa, state->work, own,
                                   own_bytes, &part->matcher, err);
    } else if (code == LEAT_OK && cell->count > 1) {
        cell->bytes = leat_mem_try(bytes.len);
        if (cell->bytes == NULL)
            code = leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a key's state");
        if (cell->bytes != NULL) memcpy(cell->bytes, bytes.data, bytes.len);
    }
    if (code != LEAT_OK) detect_cell_free(state, &cell);
    *live = cell;
    return code;
}

static leat_code decode(void *self, leat_str bytes, void **live, leat_err *err)
{
    return decode_cell(self, bytes, false, live, err);
}

static leat_code decode_own(void *self, leat_str bytes, void **live, leat_err *err)
{
    return decode_cell(self, bytes, true, live, err);
}

static void release(void *self, void *live)
{
    detect_state *state = self;
    detect_cell *cell = live;
    detect_cell_free(state, &cell);
}

/* Parts that were not decoded are written back as they came, wherever that was from. */
static bool all_own(void *self, const void *live)
{
    const detect_cell *cell = live;
    (void)self;
    for (uint32_t i = 0; i < cell->count && !cell->own; i++)
        if (cell->parts[i].len > 0) return false;
    return true;
}

static void ahead(void *self, const void *live, uint32_t depth)
{
    const detect_cell *cell = live;
    (void)self;
    if (cell->parts != &cell->one) /* of many parts few are going to be used */
        __builtin_prefetch(cell->parts);
    else if (depth == 1)
        leat_matcher_ahead(cell->one.matcher);
    else if (depth == 2)
        leat_matcher_ahead_feed(cell->one.matcher);
    else
        leat_matcher_ahead_encode(cell->one.matcher);
}

const leat_table_type detect_cell_type = {encode, decode, release, decode_own, all_own, ahead};

static detect_due due_of(bool quiet, int64_t first_ms, int64_t last_ms, int64_t now_ms)
{
    if (first_ms > now_ms) return DETECT_DUE_LATER;
    return quiet && last_ms <= now_ms ? DETECT_DUE_OVER : DETECT_DUE_OPEN;
}

detect_due detect_cell_quiet(const detect_cell *cell, int64_t now_ms, int64_t *deadline_ms)
{
    int64_t last_ms = INT64_MIN;
    *deadline_ms = LEAT_TIME_MAX;
    if (cell->many != NULL) return DETECT_DUE_OPEN;
    for (uint32_t i = 0; i < cell->count; i++) {
        detect_part *part = &cell->parts[i];
        if (part->deadline_ms <= now_ms) {
            if (part->matcher == NULL || !leat_matcher_quiet(part->matcher)) return DETECT_DUE_OPEN;
            part->deadline_ms = leat_matcher_deadline(part->matcher);
        }
        if (part->deadline_ms < *deadline_ms) *deadline_ms = part->deadline_ms;
        if (part->deadline_ms > last_ms) last_ms = part->deadline_ms;
    }
    return due_of(true, *deadline_ms, last_ms, now_ms);
}

leat_code detect_cell_look(leat_str bytes, int64_t now_ms, detect_due *due, int64_t *deadline_ms,
                           leat_err *err)
{
    leat_reader in = leat_reader_of(bytes);
    uint64_t count = 0;
    bool quiet = true;
    int64_t last_ms = INT64_MIN;
    *deadline_ms = LEAT_TIME_MAX;
    LEAT_TRY(read_head(&in, &count, err));
    for (uint64_t i = 0; i < count; i++) {
        leat_str part = LEAT_STR_NONE;
        leat_matcher_head head;
        LEAT_TRY(read_part(&in, i + 1 == count, &part, &head, err));
        if (head.deadline_ms < *deadline_ms) *deadline_ms = head.deadline_ms;
        if (head.deadline_ms > last_ms) last_ms = head.deadline_ms;
        quiet = quiet && head.quiet;
    }
    *due = due_of(quiet, *deadline_ms, last_ms, now_ms);
    return LEAT_OK;
}

/* --- after a restart or an abort --- */

typedef struct restoring {
    detect_state *state;
    leat_buf stale; /* keys of cells with a part that has to go, each with its length */
} restoring;

/* Whether the pattern of this fingerprint is there and has its state under such keys. */
static bool belongs(const detect_config *config, leat_str key, uint64_t fingerprint)
{
    uint32_t index = detect_by_fingerprint(config, fingerprint);
    if (index == DETECT_NONE) return false;
    leat_str text = config->groups[config->patterns[index].group].text;
    return key.len > text.len && key.data[text.len] == '\0' && leat_str_starts(key, text);
}

static leat_code restore_cell(void *context, leat_str key, leat_str committed, leat_err *err)
{
    restoring *r = context;
    leat_reader in = leat_reader_of(committed);
    uint64_t count = 0;
    uint64_t stale = 0;
    int64_t least_ms = LEAT_TIME_MAX;
    LEAT_ASSERT(committed.data != NULL); /* nothing is under way now */
    LEAT_TRY(read_head(&in, &count, err));
    for (uint64_t i = 0; i < count; i++) {
        leat_str part = LEAT_STR_NONE;
        leat_matcher_head head;
        LEAT_TRY(read_part(&in, i + 1 == count, &part, &head, err));
        if (!belongs(r->state->config, key, head.fingerprint))
            stale++;
        else if (head.deadline_ms < least_ms)
            least_ms = head.deadline_ms;
    }
    if (stale > 0) {
        leat_run_count(r->state->run, "pattern_gone", stale);
        leat_buf_add_bytes(&r->stale, key);
        LEAT_TRY(leat_buf_check(&r->stale, "the keys of patterns that are gone", err));
    }
    if (least_ms == LEAT_TIME_MAX) return LEAT_OK;
    return leat_timers_set(r->state->timers, key, least_ms, err);
}

/* Rewrites a cell without what does not belong there. */
static leat_code clean_cell(detect_state *state, leat_str key, leat_err *err)
{
    const detect_config *config = state->config;
    void *live = NULL;
    LEAT_TRY(leat_table_find(state->table, key, &live, err));
    LEAT_ASSERT(live != NULL);
    detect_cell *cell = live;
    for (uint32_t i = cell->count; i-- > 0;)
        if (!belongs(config, key, config->patterns[cell->parts[i].index].nfa->fingerprint))
            detect_cell_remove(state, cell, &cell->parts[i]);
    cell->timer_ms = detect_cell_deadline(cell);
    if (cell->count > 0)
        leat_table_touch(state->table, key);
    else
        leat_table_remove(state->table, key);
    return LEAT_OK;
}

leat_code detect_cells_restored(detect_state *state, leat_err *err)
{
    restoring r = {.state = state};
    leat_buf_init(&r.stale, (size_t)1 << 30);
    leat_timers_clear(state->timers);
    leat_code code = leat_table_visit(state->table, restore_cell, &r, err);
    leat_reader keys = leat_reader_of(leat_buf_str(&r.stale));
    leat_str key;
    while (code == LEAT_OK && keys.at < keys.end && leat_reader_bytes(&keys, &key))
        code = clean_cell(state, key, err);
    leat_buf_release(&r.stale);
    return code;
}
