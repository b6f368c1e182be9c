/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to Redis, as commands, and where in the input it belongs.
 *
 * An effect cannot be taken back when a transaction aborts. So it carries its place: topic,
 * partition and offset of the message that let it come out. Whoever applies it keeps the last place
 * applied beside the data, and passes over what is not behind it. A replay of the input computes
 * the same effects with the same places, as outputs are a function of the record sequence, wherever
 * batches were cut.
 *
 *   messages  5      6      7 (a timer fires)   the end of the input
 *   effects   5:a    -      7:a 7:b             7+:a
 *   places    12     14     16  16              17
 *
 * The commands of one effect are applied together or, if the first fails, not at all. Words are
 * borrowed from the batch: an effect is applied before the next batch begins.
 * What an idle tick brings about has no place: ticks are not in the input, so nothing can tell
 * a replay (they bring about something only where several topics meet in stateful steps, where such
 * sinks are for at_least_once).
 * Cost: that of the expressions, and ~20 ns a word. */
#include "transforms/exec_inside.h"

#define TOPIC_BYTES_MAX 4096

/* --- commands --- */

static leat_code whole_record(leat_exec *exec, const leat_sink *sink, const leat_record *record,
                              leat_str *text, leat_err *err)
{
    const leat_field *root = sink->layout;
    if (root->open && root->fields == NULL && record->raw.data != NULL) {
        *text = record->raw;
        return LEAT_OK;
    }
    leat_buf_reset(&exec->scratch);
    LEAT_TRY(leat_json_encode(root, record->raw, record->slots, exec->arena, &exec->scratch, err));
    LEAT_TRY(leat_buf_check(&exec->scratch, "a record", err));
    *text = leat_arena_copy(exec->arena, leat_buf_str(&exec->scratch));
    return text->data != NULL ? LEAT_OK : leat_arena_full(exec->arena, err);
}

/* data NULL: null */
static leat_code text_of(leat_exec *exec, const leat_expr *expr, const leat_eval *eval,
                         const char *what, leat_str *text, leat_err *err)
{
    leat_value value;
    *text = LEAT_STR_NONE;
    leat_code code = leat_expr_eval(expr, eval, &value, err);
    if (code == LEAT_OK) code = exec_text_of(exec, value, text, err);
    return code == LEAT_OK ? code : leat_err_prefix(err, "%s", what);
}

static leat_code key_of(leat_exec *exec, const leat_expr *expr, const leat_eval *eval,
                        const char *what, leat_str *text, leat_err *err)
{
    LEAT_TRY(text_of(exec, expr, eval, what, text, err));
    if (text->data != NULL && text->len > 0) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_INVALID, "%s: the expression gives %s", what,
                        text->data == NULL ? "null" : "an empty text");
}

static leat_code amount_of(leat_exec *exec, const leat_effect *effect, const leat_eval *eval,
                           leat_str *text, leat_err *err)
{
    *text = LEAT_STR("1");
    if (effect->value == NULL) return LEAT_OK;
    leat_value value;
    if (leat_expr_eval(effect->value, eval, &value, err) != LEAT_OK)
        return leat_err_prefix(err, "by");
    if (value.tag == LEAT_NUMBER) LEAT_TRY(leat_json_number(leat_value_str(value), &value, err));
    if (value.tag != LEAT_INT)
        return leat_err_set(err, LEAT_ERR_TYPE, "by: the expression gives %s, not an int",
                            leat_tag_name((leat_tag)value.tag));
    return exec_text_of(exec, value, text, err);
}

/* An effect's commands while they are put together, in memory of the batch. */
typedef struct effect_maker {
    leat_redis_command commands[3];
    leat_str *words;
    size_t commands_count, words_count, words_size;
} effect_maker;

static void begin_command(effect_maker *maker, const char *name, leat_str key)
{
    LEAT_ASSERT(maker->commands_count < 3 && maker->words_count + 2 <= maker->words_size);
    maker->commands[maker->commands_count++] =
        (leat_redis_command){.words = maker->words + maker->words_count};
    maker->words[maker->words_count++] = leat_str_of(name);
    maker->words[maker->words_count++] = key;
    maker->commands[maker->commands_count - 1].count = 2;
}

static void add_word(effect_maker *maker, leat_str word)
{
    LEAT_ASSERT(maker->commands_count > 0 && maker->words_count < maker->words_size);
    maker->words[maker->words_count++] = word;
    maker->commands[maker->commands_count - 1].count++;
}

static leat_code add_number(leat_exec *exec, effect_maker *maker, int64_t number, leat_err *err)
{
    leat_str text = leat_arena_print(exec->arena, "%lld", (long long)number);
    if (text.data == NULL) return leat_arena_full(exec->arena, err);
    add_word(maker, text);
    return LEAT_OK;
}

/* Names and values of the fields that have one. */
static leat_code fields_of(leat_exec *exec, const leat_effect *effect, const leat_eval *eval,
                           leat_str *values, leat_err *err)
{
    for (size_t i = 0; i < effect->fields_count; i++) {
        leat_code code = text_of(exec, effect->fields[i].value, eval, "fields", &values[i], err);
        if (code != LEAT_OK)
            return leat_err_prefix(err, "%.*s", LEAT_STR_ARG(effect->fields[i].name));
    }
    return LEAT_OK;
}

static void add_fields(effect_maker *maker, const leat_effect *effect, const leat_str *values)
{
    for (size_t i = 0; i < effect->fields_count; i++) {
        if (values[i].data == NULL) continue;
        add_word(maker, effect->fields[i].name);
        add_word(maker, values[i]);
    }
}

static void make_hset(effect_maker *maker, const leat_effect *effect, leat_str key,
                      const leat_str *values)
{
    size_t given = 0;
    for (size_t i = 0; i < effect->fields_count; i++)
        given += values[i].data != NULL;
    if (given > 0) {
        begin_command(maker, "HSET", key);
        add_fields(maker, effect, values);
    }
    if (given == effect->fields_count) return;
    begin_command(maker, "HDEL", key);
    for (size_t i = 0; i < effect->fields_count; i++)
        if (values[i].data == NULL) add_word(maker, effect->fields[i].name);
}

static leat_code make_xadd(leat_exec *exec, effect_maker *maker, const leat_effect *effect,
                           leat_str key, const leat_str *values, leat_str whole, leat_err *err)
{
    begin_command(maker, "XADD", key);
    if (effect->length_max > 0) {
        add_word(maker, LEAT_STR("MAXLEN"));
        add_word(maker, LEAT_STR("~"));
        LEAT_TRY(add_number(exec, maker, effect->length_max, err));
    }
    add_word(maker, LEAT_STR("*"));
    if (effect->fields_count == 0) {
        add_word(maker, LEAT_STR("value"));
        add_word(maker, whole);
        return LEAT_OK;
    }
    size_t before = maker->words_count;
    add_fields(maker, effect, values);
    if (maker->words_count > before) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_INVALID, "no field of the entry has a value");
}

static leat_code make_set(leat_exec *exec, effect_maker *maker, const leat_effect *effect,
                          leat_str key, leat_str value, leat_err *err)
{
    if (value.data == NULL) {
        begin_command(maker, "DEL", key);
        return LEAT_OK;
    }
    begin_command(maker, "SET", key);
    add_word(maker, value);
    if (effect->ttl_ms == 0) return LEAT_OK;
    add_word(maker, LEAT_STR("PX"));
    return add_number(exec, maker, effect->ttl_ms, err);
}

static leat_code make_incrby(leat_exec *exec, effect_maker *maker, const leat_effect *effect,
                             const leat_eval *eval, leat_str key, leat_err *err)
{
    leat_str member, by;
    begin_command(maker, effect->member != NULL ? "HINCRBY" : "INCRBY", key);
    if (effect->member != NULL) {
        LEAT_TRY(key_of(exec, effect->member, eval, "field", &member, err));
        add_word(maker, member);
    }
    LEAT_TRY(amount_of(exec, effect, eval, &by, err));
    add_word(maker, by);
    return LEAT_OK;
}

static leat_code make_commands(leat_exec *exec, const leat_sink *sink, const leat_record *record,
                               effect_maker *maker, leat_err *err)
{
    const leat_effect *effect = sink->effect;
    exec->site = (leat_site){sink->views, record};
    const leat_eval eval = {.slots = record->slots,
                            .memo = record->slots,
                            .arena = exec->arena,
                            .load = leat_site_load,
                            .self = &exec->site};
    leat_str key, value = LEAT_STR_NONE;
    leat_str *values = leat_arena_array(exec->arena, effect->fields_count + 1, sizeof *values);
    if (values == NULL) return leat_arena_full(exec->arena, err);
    bool channel = effect->kind == LEAT_EFFECT_PUBLISH;
    LEAT_TRY(key_of(exec, effect->key, &eval, channel ? "channel" : "key", &key, err));
    LEAT_TRY(fields_of(exec, effect, &eval, values, err));
    if (effect->kind == LEAT_EFFECT_INCRBY) {
        LEAT_TRY(make_incrby(exec, maker, effect, &eval, key, err));
    } else if (effect->value != NULL) {
        LEAT_TRY(text_of(exec, effect->value, &eval, channel ? "message" : "value", &value, err));
    } else if (effect->fields_count == 0) {
        LEAT_TRY(whole_record(exec, sink, record, &value, err));
    }
    if (effect->kind == LEAT_EFFECT_SET) return make_set(exec, maker, effect, key, value, err);
    if (effect->kind == LEAT_EFFECT_HSET) make_hset(maker, effect, key, values);
    if (effect->kind == LEAT_EFFECT_XADD)
        LEAT_TRY(make_xadd(exec, maker, effect, key, values, value, err));
    if (channel) {
        begin_command(maker, "PUBLISH", key);
        add_word(maker, value.data != NULL ? value : LEAT_STR("null"));
    }
    if (effect->ttl_ms == 0) return LEAT_OK;
    begin_command(maker, "PEXPIRE", key);
    return add_number(exec, maker, effect->ttl_ms, err);
}

leat_code exec_effect(leat_exec *exec, const leat_sink *sink, const leat_record *record,
                      leat_output *output, leat_err *err)
{
    const leat_effect *effect = sink->effect;
    LEAT_ASSERT(sink->kind == LEAT_SINK_REDIS && effect->key != NULL);
    effect_maker *maker = leat_arena_zero(exec->arena, sizeof *maker);
    if (maker == NULL) return leat_arena_full(exec->arena, err);
    maker->words_size = 16 + 2 * effect->fields_count;
    maker->words = leat_arena_array(exec->arena, maker->words_size, sizeof *maker->words);
    if (maker->words == NULL) return leat_arena_full(exec->arena, err);
    LEAT_TRY(make_commands(exec, sink, record, maker, err));
    LEAT_ASSERT(maker->commands_count > 0);
    output->commands = maker->commands;
    output->commands_count = maker->commands_count;
    output->record = record;
    return LEAT_OK;
}

/* --- places --- */

void exec_effects_open(leat_exec *exec)
{
    const leat_plan *plan = exec->plan;
    for (size_t i = 0; i < exec->nodes_count; i++)
        for (size_t s = 0; s < exec->nodes[i].plan->sinks_count; s++)
            exec->effects |= exec->nodes[i].plan->sinks[s]->kind == LEAT_SINK_REDIS;
    LEAT_ASSERT(!exec->effects || plan->redis_count > 0);
    leat_buf_init(&exec->last.topic, TOPIC_BYTES_MAX);
    leat_buf_init(&exec->committed_last.topic, TOPIC_BYTES_MAX);
    exec->last.offset = exec->committed_last.offset = -1;
}

void exec_effects_close(leat_exec *exec)
{
    leat_buf_release(&exec->last.topic);
    leat_buf_release(&exec->committed_last.topic);
}

leat_code exec_effect_note(leat_exec *exec, const leat_message *message, uint64_t seq, size_t count,
                           leat_err *err)
{
    if (exec->numbered_count == 0) {
        exec->numbered = leat_arena_array(exec->arena, count, sizeof(const leat_message *));
        if (exec->numbered == NULL) return leat_arena_full(exec->arena, err);
        exec->numbered_first = seq;
    }
    LEAT_ASSERT(seq >= exec->numbered_first && seq - exec->numbered_first < count);
    LEAT_ASSERT(message->offset >= 0);
    while (exec->numbered_count < seq - exec->numbered_first)
        exec->numbered[exec->numbered_count++] = NULL;
    exec->numbered[exec->numbered_count++] = message;
    return LEAT_OK;
}

void exec_effect_place(leat_exec *exec, uint64_t moment, leat_output *output)
{
    if (moment >= exec->numbered_first && moment - exec->numbered_first < exec->numbered_count) {
        const leat_message *message = exec->numbered[moment - exec->numbered_first];
        LEAT_ASSERT(message != NULL); /* a table's message lets nothing come out */
        output->from_topic = message->topic;
        output->from_partition = message->partition;
        output->from_place = leat_exec_place(message->offset);
    } else if (exec->last.offset >= 0 && exec->progress.watermark_ms == LEAT_TIME_MAX) {
        output->from_topic = leat_buf_str(&exec->last.topic);
        output->from_partition = exec->last.partition;
        output->from_place = leat_exec_place(exec->last.offset) + 1;
    }
}

static void place_copy(exec_place *to, leat_str topic, int32_t partition, int64_t offset)
{
    if (!leat_str_equal(leat_buf_str(&to->topic), topic)) {
        leat_buf_reset(&to->topic);
        leat_buf_add(&to->topic, topic);
    }
    to->partition = partition;
    to->offset = offset;
}

leat_code exec_effects_done(leat_exec *exec, leat_err *err)
{
    if (exec->numbered_count == 0) return LEAT_OK;
    const leat_message *message = exec->numbered[exec->numbered_count - 1];
    place_copy(&exec->last, message->topic, message->partition, message->offset);
    return leat_buf_check(&exec->last.topic, "a topic's name", err);
}

void exec_effects_commit(leat_exec *exec)
{
    const exec_place *last = &exec->last;
    place_copy(&exec->committed_last, leat_buf_str(&last->topic), last->partition, last->offset);
}

void exec_effects_abort(leat_exec *exec)
{
    const exec_place *last = &exec->committed_last;
    place_copy(&exec->last, leat_buf_str(&last->topic), last->partition, last->offset);
}

/* --- what the outside has to say --- */

void leat_exec_port(leat_exec *exec, const leat_lookup_port *port)
{
    LEAT_ASSERT(port != NULL && port->ask != NULL && port->now_ms != NULL);
    exec->port = port;
}

const leat_lookup_port *leat_run_port(const leat_run *run)
{
    return run->exec->port;
}

leat_code leat_exec_refuse(leat_exec *exec, const leat_output *output, const leat_err *why,
                           const leat_output **outputs, size_t *count, leat_err *err)
{
    LEAT_ASSERT(output->record != NULL && leat_code_blame(why->code) == LEAT_BLAME_RECORD);
    const leat_output refused = *output; /* it may stand in what is reused now */
    exec->outputs_count = 0;
    exec->outputs_mixed = false;
    leat_buf_reset(&exec->out);
    if (exec->counts.records_out > 0) exec->counts.records_out--;
    LEAT_TRY(exec_reject(exec, refused.sink->place, refused.record, why, err));
    LEAT_TRY(exec_output_finish(exec, err));
    *outputs = exec->outputs;
    *count = exec->outputs_count;
    return LEAT_OK;
}
