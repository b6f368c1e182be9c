/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of a shard.
 *
 *   poll -> (per task) exec -> produce outputs -> release     as long as records come
 *   every commit_interval: changed cells -> changelog, offsets -> the same transaction -> commit
 *
 * A rebalance happens inside poll, when every polled record has been worked through: there the open
 * transaction is committed before partitions come or go, so a transaction never spans two
 * assignments. Blame alone decides what an error does: RECORD went to the dead letter long before
 * it could come here; TASK aborts and rewinds; FATAL ends the shard, and with it the process. */
#include "worker/shard.h"

#include <stdio.h>

#include "core/mem.h"
#include "worker/logger.h"

#define POLL_MS         100
#define RESTORE_POLL_MS 1
#define BACKOFF_MS_MAX  5000
#define CUT_BYTES       65536 /* kept of a dead letter that is too large for its topic */
#define CUT_HEADERS_MAX 64
#define CLOSE_MS        20000

void leat_shard_fail(leat_shard *shard, const leat_err *err)
{
    if (shard->code != LEAT_OK) return;
    shard->code = err->code;
    shard->err = *err;
}

/* --- outputs --- */

/* A dead letter that the topic would not take goes there cut short, and says so. */
static leat_code produce_cut(leat_shard *shard, const leat_produce *whole, leat_err *err)
{
    leat_header headers[CUT_HEADERS_MAX];
    char size[32];
    size_t count =
        whole->headers_count < CUT_HEADERS_MAX - 1 ? whole->headers_count : CUT_HEADERS_MAX - 1;
    if (count > 0) memcpy(headers, whole->headers, count * sizeof *headers);
    snprintf(size, sizeof size, "%zu", whole->value.len);
    headers[count] = (leat_header){LEAT_STR("leat.cut_from_bytes"), leat_str_of(size)};
    leat_produce cut = *whole;
    cut.headers = headers;
    cut.headers_count = count + 1;
    if (cut.value.len > CUT_BYTES) cut.value.len = CUT_BYTES;
    return shard->pipeline->output_type->produce(shard->output, &cut, err);
}

static leat_code deliver_one(leat_shard *shard, const leat_output *output, leat_err *err)
{
    leat_pipeline *pipeline = shard->pipeline;
    const leat_sink *sink = output->sink;
    if (sink->kind == LEAT_SINK_FILE || sink->kind == LEAT_SINK_STDOUT) {
        LEAT_TRY(leat_sink_file_append(pipeline->files[sink->index], output->value, err));
    } else if (sink->kind == LEAT_SINK_TOPIC) {
        leat_produce record = {.topic = output->topic,
                               .partition = output->partition,
                               .key = output->key,
                               .value = output->value,
                               .timestamp_ms = output->timestamp_ms,
                               .headers = output->headers,
                               .headers_count = output->headers_count};
        leat_code code = pipeline->output_type->produce(shard->output, &record, err);
        if (code == LEAT_ERR_LIMIT && output->kind == LEAT_OUTPUT_DEAD_LETTER)
            code = produce_cut(shard, &record, err);
        if (code != LEAT_OK && leat_code_blame(code) == LEAT_BLAME_RECORD) {
            atomic_fetch_add_explicit(&shard->counts.refused, 1, memory_order_relaxed);
            leat_log_repeat(LEAT_LEVEL_ERROR, "shard", pipeline->name, "refused",
                            "%.*s: a record for topic '%.*s' was refused: %s",
                            LEAT_STR_ARG(sink->place), LEAT_STR_ARG(output->topic), err->text);
            return LEAT_OK;
        }
        LEAT_TRY(code);
    }
    atomic_fetch_add_explicit(&pipeline->sink_counts[sink->index], 1, memory_order_relaxed);
    return LEAT_OK;
}

leat_code leat_shard_produce(leat_shard *shard, const leat_output *outputs, size_t count,
                             leat_err *err)
{
    for (size_t i = 0; i < count; i++)
        LEAT_TRY(deliver_one(shard, &outputs[i], err));
    return LEAT_OK;
}

leat_code leat_shard_deliver(leat_shard *shard, leat_task *task, const leat_output *outputs,
                             size_t count, leat_err *err)
{
    LEAT_TRY(leat_shard_produce(shard, outputs, count, err));
    if (shard->effects == NULL) return LEAT_OK;
    return leat_shard_effects(shard, task, outputs, count, err);
}

static void mark_dirty(leat_shard *shard, leat_task *task)
{
    task->dirty = true;
    if (shard->began_ms == 0) shard->began_ms = leat_clock_ms();
}

static uint64_t dead_letters_of(const leat_task *task)
{
    return leat_exec_counts_get(task->exec).dead_letters;
}

/* Sums the counters of all tasks for whoever asks from another thread. */
void leat_shard_count(leat_shard *shard)
{
    leat_exec_counts sum = shard->closed;
    for (size_t i = 0; i < shard->tasks_count; i++) {
        leat_exec_counts counts = leat_exec_counts_get(shard->tasks[i]->exec);
        sum.records_in += counts.records_in;
        sum.records_out += counts.records_out;
        sum.dead_letters += counts.dead_letters;
        sum.late += counts.late;
        sum.late_dropped += counts.late_dropped;
        sum.filtered += counts.filtered;
        sum.unrouted += counts.unrouted;
        sum.dropped += counts.dropped;
    }
    atomic_store_explicit(&shard->counts.records_in, sum.records_in, memory_order_relaxed);
    atomic_store_explicit(&shard->counts.records_out, sum.records_out, memory_order_relaxed);
    atomic_store_explicit(&shard->counts.dead_letters, sum.dead_letters, memory_order_relaxed);
    atomic_store_explicit(&shard->counts.late, sum.late, memory_order_relaxed);
    atomic_store_explicit(&shard->counts.late_dropped, sum.late_dropped, memory_order_relaxed);
    atomic_store_explicit(&shard->counts.filtered, sum.filtered, memory_order_relaxed);
    atomic_store_explicit(&shard->counts.unrouted, sum.unrouted, memory_order_relaxed);
    atomic_store_explicit(&shard->counts.dropped, sum.dropped, memory_order_relaxed);
}

/* --- portions --- */

leat_code leat_shard_more(leat_shard *shard, leat_task *task, leat_err *err)
{
    bool had = task->more;
    task->more = leat_exec_more(task->exec);
    if (task->more && !had) return leat_shard_stand_still(shard, task, err);
    return had && !task->more ? leat_shard_resume(shard, task, err) : LEAT_OK;
}

/* What the task has just made. dead: its dead letters before. */
static leat_code hand_on(leat_shard *shard, leat_task *task, uint64_t dead,
                         const leat_output *outputs, size_t count, leat_err *err)
{
    LEAT_TRY(leat_shard_deliver(shard, task, outputs, count, err));
    LEAT_TRY(leat_shard_more(shard, task, err));
    uint64_t more = dead_letters_of(task) - dead;
    if (more > 0)
        leat_log_repeat(LEAT_LEVEL_WARN, "shard", shard->pipeline->name, "dead letter",
                        "%llu bad record(s)%s; the last: %.*s", (unsigned long long)more,
                        shard->pipeline->plan->dead_letter == NULL ? " dropped (no dead_letter set)"
                                                                   : " sent to the dead letter",
                        LEAT_STR_ARG(leat_exec_last_error(task->exec)));
    return LEAT_OK;
}

static leat_code give_portion(leat_shard *shard, leat_task *task, leat_err *err)
{
    const leat_output *outputs;
    size_t count;
    uint64_t dead = dead_letters_of(task);
    mark_dirty(shard, task);
    LEAT_TRY(leat_exec_continue(task->exec, &outputs, &count, err));
    return hand_on(shard, task, dead, outputs, count, err);
}

leat_code leat_shard_portions(leat_shard *shard, leat_err *err)
{
    for (size_t i = 0; i < shard->tasks_count; i++) {
        leat_task *task = shard->tasks[i];
        if (task->more && task->state == LEAT_TASK_RUNNING)
            LEAT_TRY(give_portion(shard, task, err));
    }
    return LEAT_OK;
}

/* Whether a task has outputs left. */
static bool any_more(const leat_shard *shard)
{
    for (size_t i = 0; i < shard->tasks_count; i++)
        if (shard->tasks[i]->more && shard->tasks[i]->state == LEAT_TASK_RUNNING) return true;
    return false;
}

/* --- records --- */

/* Messages [from, to) all belong to task and are new to it. */
static leat_code run_batch(leat_shard *shard, leat_task *task, size_t from, size_t to,
                           leat_err *err)
{
    if (from == to) return LEAT_OK;
    const leat_output *outputs;
    size_t count;
    bool ready = false;
    LEAT_TRY(leat_shard_supply(shard, task, shard->messages + from, to - from, &ready, err));
    if (!ready) return LEAT_OK;
    uint64_t dead = dead_letters_of(task);
    mark_dirty(shard, task);
    LEAT_TRY(leat_exec_batch(task->exec, shard->messages + from, to - from, &outputs, &count, err));
    return hand_on(shard, task, dead, outputs, count, err);
}

/* Whether a message is the next of its input; moves the input on. Delivered again: not. */
static bool take_message(const leat_shard *shard, const leat_task *task, leat_input *input,
                         const leat_message *message)
{
    if (task == NULL) return false; /* of a partition that has just gone */
    if (input == NULL || message->offset < input->next) return false;
    /* Read again when it is resumed. */
    if (task->state == LEAT_TASK_RESTORING || task->waits || task->more) return false;
    if (input->next >= 0 && message->offset > input->next)
        input->gaps += (uint64_t)(message->offset - input->next);
    input->next = message->offset + 1;
    input->heard_ms = shard->polled_ms;
    input->idle = false;
    return true;
}

/* Cuts what was polled into runs of one task. */
static leat_code work_through(leat_shard *shard, size_t count, leat_err *err)
{
    leat_task *task = NULL;
    leat_input *input = NULL; /* of the message before, in that task */
    size_t from = 0;
    for (size_t i = 0; i < count; i++) {
        const leat_message *message = &shard->messages[i];
        leat_task *of = task;
        if (i == 0 || !leat_message_beside(message, message - 1)) {
            of = leat_shard_task(shard, message->topic, message->partition);
            if (of != NULL) input = leat_task_input(of, message->topic, message->partition);
        }
        if (of != task) {
            if (task != NULL) LEAT_TRY(run_batch(shard, task, from, i, err));
            task = of;
            from = i;
        }
        if (!take_message(shard, of, input, message)) {
            if (task != NULL) LEAT_TRY(run_batch(shard, task, from, i, err));
            from = i + 1;
        }
    }
    return task == NULL ? LEAT_OK : run_batch(shard, task, from, count, err);
}

/* --- silence --- */

static leat_code tick_idle(leat_shard *shard, leat_err *err)
{
    int64_t now = leat_clock_ms();
    for (size_t i = 0; i < shard->tasks_count; i++) {
        leat_task *task = shard->tasks[i];
        int64_t after = shard->pipeline->plan->sources[task->source].idle_after_ms;
        if (after == 0 || task->state != LEAT_TASK_RUNNING || task->waits || task->tables_first)
            continue;
        for (size_t k = 0; k < task->inputs_count && !task->more; k++) {
            leat_input *input = &task->inputs[k];
            if (input->idle || now - input->heard_ms < after) continue;
            const leat_output *outputs;
            size_t count;
            uint64_t dead = dead_letters_of(task);
            input->idle = true;
            mark_dirty(shard, task);
            LEAT_TRY(leat_exec_idle(task->exec, leat_str_of(input->topic), input->partition,
                                    &outputs, &count, err));
            LEAT_TRY(hand_on(shard, task, dead, outputs, count, err));
        }
    }
    return LEAT_OK;
}

/* --- the end of the input --- */

size_t leat_shard_inputs(const leat_shard *shard)
{
    size_t count = 0;
    for (size_t i = 0; i < shard->tasks_count; i++)
        count += shard->tasks[i]->inputs_count;
    return count;
}

leat_lag *leat_shard_lags(const leat_shard *shard, size_t *count)
{
    size_t size = leat_shard_inputs(shard) + 1;
    leat_lag *lags = leat_mem_need(size * sizeof *lags);
    *count = shard->pipeline->input_type->lags(shard->input, lags, size);
    return lags;
}

int64_t leat_shard_end_of(const leat_input *input, const leat_lag *lags, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (lags[i].partition == input->partition && leat_str_is(lags[i].topic, input->topic))
            return lags[i].end_offset;
    return -1;
}

/* Has the task read what there is? */
static bool task_at_end(const leat_task *task, const leat_lag *lags, size_t count)
{
    if (task->state == LEAT_TASK_RESTORING || task->waits || task->tables_first || task->more)
        return false;
    for (size_t k = 0; k < task->inputs_count; k++) {
        int64_t end = leat_shard_end_of(&task->inputs[k], lags, count);
        if (end < 0 || (end > 0 && task->inputs[k].next < end)) return false;
    }
    return true;
}

/* Have all running tasks read what there is? Only meaningful once nothing more is produced. */
static bool at_end(leat_shard *shard)
{
    const leat_log_type *type = shard->pipeline->input_type;
    if (!shard->joined || (type->whole != NULL && !type->whole(shard->input))) return false;
    size_t count = 0;
    leat_lag *lags = leat_shard_lags(shard, &count);
    bool there = true;
    for (size_t i = 0; there && i < shard->tasks_count; i++)
        there = task_at_end(shard->tasks[i], lags, count);
    leat_mem_free(lags);
    return there;
}

/* A task whose end brings about more than a portion ends when all is out. */
static leat_code end_tasks(leat_shard *shard, leat_err *err)
{
    bool more = false;
    for (size_t i = 0; i < shard->tasks_count; i++) {
        leat_task *task = shard->tasks[i];
        if (task->state != LEAT_TASK_RUNNING) continue;
        if (!task->more) {
            const leat_output *outputs;
            size_t count;
            uint64_t dead = dead_letters_of(task);
            mark_dirty(shard, task);
            LEAT_TRY(leat_exec_end(task->exec, &outputs, &count, err));
            LEAT_TRY(hand_on(shard, task, dead, outputs, count, err));
        }
        more = more || task->more;
        if (!task->more) task->state = LEAT_TASK_ENDED;
    }
    shard->ended = !more;
    return LEAT_OK;
}

/* A bounded run is over when every shard has read all of its own: one that left earlier would hand
 * its partitions to the others. */
static leat_code look_for_end(leat_shard *shard, leat_poll_state state, leat_err *err)
{
    leat_pipeline *pipeline = shard->pipeline;
    bool bounded = pipeline->options.until_end || pipeline->complete;
    if (state == LEAT_POLL_ENDED) return end_tasks(shard, err);
    if (!bounded || state == LEAT_POLL_SOME) return LEAT_OK;
    bool there = at_end(shard);
    if (there != shard->waiting) {
        shard->waiting = there;
        atomic_fetch_add(&pipeline->waiting, there ? 1u : (uint32_t)-1);
    }
    if (pipeline->waiting == pipeline->shards_count) pipeline->all_read = true;
    if (!there || !pipeline->all_read) return LEAT_OK;
    if (pipeline->options.finish) return end_tasks(shard, err);
    shard->ended = true;
    return LEAT_OK;
}

/* --- the loop --- */

static void back_off(leat_shard *shard)
{
    uint32_t turns = shard->aborts_in_a_row;
    if (turns < 2) return;
    int64_t ms = turns > 10 ? BACKOFF_MS_MAX : (int64_t)20 << turns;
    if (ms > BACKOFF_MS_MAX) ms = BACKOFF_MS_MAX;
    leat_clock_sleep(ms);
}

static int poll_timeout(const leat_shard *shard, bool restoring)
{
    if (restoring) return RESTORE_POLL_MS;
    if (any_more(shard)) return 0;
    if (shard->began_ms == 0) return POLL_MS;
    int64_t due = shard->began_ms + shard->pipeline->plan->commit_interval_ms - leat_clock_ms();
    return due < 0 ? 0 : due > POLL_MS ? POLL_MS : (int)due;
}

static bool commit_is_due(const leat_shard *shard)
{
    if (shard->began_ms == 0) return false;
    if (shard->ended || shard->pipeline->stopping) return true;
    return leat_clock_ms() - shard->began_ms >= shard->pipeline->plan->commit_interval_ms;
}

static leat_code turn(leat_shard *shard, leat_err *err)
{
    const leat_log_type *type = shard->pipeline->input_type;
    bool restoring = false;
    LEAT_TRY(leat_shard_restore(shard, &restoring, err));
    size_t most = shard->redis != NULL ? LEAT_SHARD_POLL_MAX : LEAT_SHARD_POLL_NEAR;
    size_t count = 0;
    leat_poll_state state = LEAT_POLL_EMPTY;
    LEAT_TRY(type->poll(shard->input, poll_timeout(shard, restoring), shard->messages, most, &count,
                        &state, err));
    shard->polled_ms = leat_clock_ms();
    leat_code code =
        shard->must_rewind || shard->code != LEAT_OK ? LEAT_OK : work_through(shard, count, err);
    type->release(shard->input);
    LEAT_TRY(code);
    if (shard->code != LEAT_OK) return LEAT_OK; /* failed in a callback of poll: it ends */
    if (shard->must_rewind) LEAT_TRY(leat_shard_rewind(shard, err));
    LEAT_TRY(leat_shard_look_for_schemas(shard, err));
    LEAT_TRY(leat_shard_tables(shard, err));
    LEAT_TRY(leat_shard_portions(shard, err));
    LEAT_TRY(tick_idle(shard, err));
    if (!restoring) LEAT_TRY(look_for_end(shard, state, err));
    if (commit_is_due(shard)) LEAT_TRY(leat_shard_commit(shard, err));
    leat_shard_count(shard);
    return LEAT_OK;
}

/* One turn, and what its failure asks for. */
static void guarded_turn(leat_shard *shard)
{
    leat_err err;
    leat_code code = turn(shard, &err);
    if (code == LEAT_OK) return;
    if (leat_code_blame(code) == LEAT_BLAME_TASK && code != LEAT_ERR_MEMORY &&
        code != LEAT_ERR_IO) {
        leat_log_repeat(LEAT_LEVEL_WARN, "shard", shard->pipeline->name, "rewind",
                        "going back to the last commit: %s", err.text);
        code = leat_shard_rewind(shard, &err);
        back_off(shard);
    }
    if (code != LEAT_OK) leat_shard_fail(shard, &err);
}

static leat_code open_sessions(leat_shard *shard, leat_err *err);

/* At the end of a bounded run nobody leaves the group before all have committed: a rebalance then
 * would only hand finished partitions around. */
static void wait_for_others(leat_shard *shard)
{
    leat_pipeline *pipeline = shard->pipeline;
    int64_t until = leat_clock_ms() + CLOSE_MS;
    atomic_fetch_add(&pipeline->settled, 1);
    while (pipeline->settled < pipeline->shards_count && !pipeline->stopping &&
           leat_clock_ms() < until)
        leat_clock_sleep(1);
}

void leat_shard_begin(leat_shard *shard)
{
    leat_err err;
    leat_code code = open_sessions(shard, &err);
    if (code != LEAT_OK) leat_shard_fail(shard, &err);
}

bool leat_shard_turn(leat_shard *shard)
{
    if (shard->code != LEAT_OK || shard->pipeline->stopping || shard->ended) return false;
    guarded_turn(shard);
    return true;
}

void leat_shard_end(leat_shard *shard)
{
    leat_err err;
    /* Leave cleanly: commit, so that the next owner starts where this one stopped. */
    if (shard->code == LEAT_OK && shard->began_ms != 0) {
        leat_code code = leat_shard_commit(shard, &err);
        if (code != LEAT_OK) leat_shard_fail(shard, &err);
    }
    if (shard->ended && shard->code == LEAT_OK) wait_for_others(shard);
    if (shard->code == LEAT_OK && shard->pipeline->options.state_dump != NULL) {
        leat_code code = leat_shard_dump(shard, &err);
        if (code != LEAT_OK) leat_shard_fail(shard, &err);
    }
    leat_shard_count(shard);
    leat_pipeline *pipeline = shard->pipeline;
    if (shard->input != NULL && shard->input != shard->output)
        pipeline->input_type->session_close(&shard->input, CLOSE_MS);
    if (shard->output != NULL) pipeline->output_type->session_close(&shard->output, CLOSE_MS);
    shard->input = NULL;
    leat_shard_drop_tasks(shard);
    if (shard->code != LEAT_OK) pipeline->stopping = true; /* the others leave too */
    shard->done = true;
}

void *leat_shard_main(void *shard)
{
    leat_shard_begin(shard);
    while (leat_shard_turn(shard)) {
    }
    leat_shard_end(shard);
    return NULL;
}

/* --- sessions --- */

static size_t subscribe(const leat_pipeline *pipeline, leat_subscription *subscriptions)
{
    size_t count = 0;
    for (size_t i = 0; i < pipeline->plan->sources_count; i++) {
        const leat_source *source = &pipeline->plan->sources[i];
        static const leat_start starts[] = {LEAT_START_EARLIEST, LEAT_START_LATEST,
                                            LEAT_START_TIME};
        for (size_t k = 0; k < source->topics_count; k++) {
            /* A table is read from its beginning, wherever its stream begins. */
            const leat_source *table = leat_source_table(source, source->topics[k]);
            const leat_source *of = table != NULL ? table : source;
            if (subscriptions != NULL)
                subscriptions[count] = (leat_subscription){.topic = source->topics[k],
                                                           .container = of->container,
                                                           .row_quote = of->row_quote,
                                                           .source = source->index,
                                                           .start = starts[of->start],
                                                           .start_ms = of->start_ms,
                                                           .properties = of->settings,
                                                           .properties_count = of->settings_count};
            count++;
        }
    }
    return count;
}

/* The topics that this shard may write to. */
static size_t outputs_of(const leat_pipeline *pipeline, leat_str *topics)
{
    size_t count = 0;
    for (size_t i = 0; i < pipeline->plan->sinks_count; i++) {
        const leat_sink *sink = pipeline->plan->sinks[i];
        if (sink->kind == LEAT_SINK_TOPIC && sink->topic_expr == NULL)
            topics[count++] = sink->topic;
    }
    for (size_t i = 0; i < pipeline->plan->sources_count; i++)
        if (pipeline->sources[i].changelog.data != NULL)
            topics[count++] = pipeline->sources[i].changelog;
    return count;
}

static leat_code open_sessions(leat_shard *shard, leat_err *err)
{
    const leat_pipeline *pipeline = shard->pipeline;
    const leat_plan *plan = pipeline->plan;
    size_t count = subscribe(pipeline, NULL);
    leat_subscription *subscriptions = leat_mem_need((count + 1) * sizeof *subscriptions);
    leat_str *topics =
        leat_mem_need((plan->sinks_count + plan->sources_count + 1) * sizeof *topics);
    subscribe(pipeline, subscriptions);
    size_t topics_count = outputs_of(pipeline, topics);
    leat_str instance = pipeline->config.instance;
    char member[256] = "", stray[64], producer[512];
    if (instance.len > 0)
        snprintf(member, sizeof member, "%.*s-%u", LEAT_STR_ARG(instance), shard->ordinal);
    snprintf(producer, sizeof producer, "%.*s-%s", LEAT_STR_ARG(plan->name),
             instance.len > 0
                 ? member
                 : leat_pipeline_stray_id(pipeline, shard->ordinal, stray, sizeof stray));
    leat_session_config config = {
        .guarantee = plan->at_least_once ? LEAT_AT_LEAST_ONCE : LEAT_EXACTLY_ONCE,
        .group = plan->name,
        .instance = instance.len > 0 ? leat_str_of(member) : LEAT_STR_NONE,
        .transactional_id = plan->at_least_once ? LEAT_STR_NONE : leat_str_of(producer),
        .transactional_id_own = instance.len == 0,
        .commit_interval_ms = plan->commit_interval_ms,
        .subscriptions = subscriptions,
        .subscriptions_count = count,
        .listener = {shard, leat_shard_assigned, leat_shard_revoked}};
    leat_code code = LEAT_OK;
    bool one = pipeline->input_type == pipeline->output_type;
    if (!one && pipeline->output_type != NULL) { /* files in, topics out */
        leat_session_config writer = config;
        writer.group = LEAT_STR_NONE;
        writer.subscriptions_count = 0;
        code = pipeline->output_type->session_open(pipeline->output_log, &writer, topics,
                                                   topics_count, &shard->output, err);
    }
    if (code == LEAT_OK)
        code = pipeline->input_type->session_open(pipeline->input_log, &config, topics,
                                                  one ? topics_count : 0, &shard->input, err);
    if (code == LEAT_OK && one) shard->output = shard->input;
    leat_mem_free(subscriptions);
    leat_mem_free(topics);
    return code;
}
