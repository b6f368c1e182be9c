/* SPDX-License-Identifier: Apache-2.0 */
/* throttle: at most N records per key in any span of event time. dedupe: the same with N = 1, in
 * other words: of records with one key, the first goes on, and those within the horizon behind it
 * are dropped.
 *
 *   dedupe within 10 s    pass   no     no     pass   no
 *                   t:     0      3      9      10     12      a duplicate extends nothing
 *
 * Both see records in order of event time, so that "first" means the earliest, wherever it came in
 * the topic, and what passes does not depend on how records were interleaved. What is dropped is
 * counted. The state is limiter.c's; a key that cannot be evaluated is a dead letter.
 * Cost: the key's, and ~60 ns. */
#include "core/mem.h"
#include "transforms/limiter.h"
#include "transforms/step_key.h"

#define KEY_BYTES_MAX ((size_t)16 << 20)

typedef struct throttle_options {
    int64_t limit, per_ms;
    const leat_node *key;
    bool same_partition;
} throttle_options;

static const leat_option throttle_table[] = {
    {.name = "limit",
     .type = LEAT_OPTION_INT,
     .offset = offsetof(throttle_options, limit),
     .fallback = "1",
     .min = 1,
     .max = LEAT_LIMITER_RECORDS_MAX,
     .doc = "How many records pass."},
    {.name = "per",
     .type = LEAT_OPTION_DURATION,
     .offset = offsetof(throttle_options, per_ms),
     .required = true,
     .min = 1,
     .max = INT64_MAX,
     .doc = "In any span of event time of this length."},
    {.name = "key",
     .type = LEAT_OPTION_EXPR,
     .offset = offsetof(throttle_options, key),
     .doc = "Expression: each of its values is counted apart. Default: the record's key."},
    LEAT_SAME_PARTITION(throttle_options),
};

static const leat_option dedupe_table[] = {
    {.name = "key",
     .type = LEAT_OPTION_EXPR,
     .offset = offsetof(throttle_options, key),
     .required = true,
     .doc = "Expression: records with the same value are duplicates."},
    {.name = "within",
     .type = LEAT_OPTION_DURATION,
     .offset = offsetof(throttle_options, per_ms),
     .required = true,
     .min = 1,
     .max = INT64_MAX,
     .doc = "How long, in event time, the first of them is remembered."},
    LEAT_SAME_PARTITION(throttle_options),
};
#define COUNT(table) (sizeof(table) / sizeof(table)[0])

typedef struct throttle_config {
    uint32_t limit;
    int64_t per_ms;
    leat_step_key key;
    const char *reason; /* under which records are dropped */
} throttle_config;

typedef struct throttle_state {
    leat_limiter *limiter;
    leat_buf key;
} throttle_state;

static bool plan(leat_planner *planner, leat_step *step, const leat_node *json,
                 const leat_option *options, size_t count, const char *reason)
{
    throttle_options read = {.limit = 1};
    throttle_config *config = leat_planner_alloc(planner, sizeof *config);
    step->config = config;
    bool good = leat_options_read(options, count, json, &read, leat_planner_findings(planner));
    config->reason = reason;
    config->limit = (uint32_t)read.limit;
    config->per_ms = read.per_ms;
    return leat_step_key_plan(planner, step, read.key, !read.same_partition, &config->key) && good;
}

static bool throttle_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    return plan(planner, step, json, throttle_table, COUNT(throttle_table), "throttled");
}

static bool dedupe_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    return plan(planner, step, json, dedupe_table, COUNT(dedupe_table), "duplicate");
}

static leat_code take(leat_run *run, const leat_record *record, bool *passes, leat_err *err)
{
    const throttle_config *config = run->step->config;
    throttle_state *state = run->state;
    leat_buf_reset(&state->key);
    LEAT_TRY(leat_step_key_write(&config->key, run, record, &state->key, err));
    return leat_limiter_take(state->limiter, leat_buf_str(&state->key), record->timestamp_ms,
                             passes, err);
}

static leat_code throttle_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const throttle_config *config = run->step->config;
    const throttle_state *state = run->state;
    uint64_t dropped = 0;
    for (size_t i = 0; i < in->count; i++) {
        leat_record *record = in->records[i];
        bool passes = false;
        leat_err why;
        LEAT_TRY(leat_limiter_advance(state->limiter, record->timestamp_ms, err));
        if (LEAT_UNLIKELY(take(run, record, &passes, &why) != LEAT_OK))
            LEAT_TRY(leat_run_reject(run, record, &why, err));
        else if (passes)
            LEAT_TRY(leat_run_emit(run, 0, record, err));
        else
            dropped++;
    }
    leat_run_count(run, config->reason, dropped);
    return LEAT_OK;
}

static leat_code throttle_advance(leat_run *run, int64_t watermark_ms, leat_err *err)
{
    const throttle_state *state = run->state;
    return leat_limiter_advance(state->limiter, watermark_ms, err);
}

static leat_code throttle_restored(leat_run *run, leat_err *err)
{
    const throttle_state *state = run->state;
    return leat_limiter_restored(state->limiter, err);
}

static leat_code throttle_open(leat_run *run, leat_err *err)
{
    const throttle_config *config = run->step->config;
    throttle_state *state = leat_mem_need(sizeof *state);
    LEAT_ASSERT(config->per_ms > 0);
    run->state = state;
    leat_buf_init(&state->key, KEY_BYTES_MAX);
    return leat_limiter_open(run, config->limit, config->per_ms, &state->limiter, err);
}

static void throttle_close(leat_run *run)
{
    throttle_state *state = run->state;
    if (state == NULL) return;
    leat_limiter_close(&state->limiter);
    leat_buf_release(&state->key);
    leat_mem_free(state);
    run->state = NULL;
}

const leat_operator_type leat_operator_throttle = {
    .name = "throttle",
    .doc = "Lets at most `limit` records per key pass in any span of event time as long as `per`: "
           "one alert per card and hour. What is too much is dropped and counted. Records come "
           "out in order of event time; late ones are dropped and counted.\n\n"
           "```json\n{ \"throttle\": { \"limit\": 3, \"per\": \"10m\", \"key\": \"card_id\" } "
           "}\n```\n",
    .options = throttle_table,
    .options_count = COUNT(throttle_table),
    .stateful = true,
    .plan = throttle_plan,
    .open = throttle_open,
    .close = throttle_close,
    .process = throttle_process,
    .advance = throttle_advance,
    .restored = throttle_restored,
};

const leat_operator_type leat_operator_dedupe = {
    .name = "dedupe",
    .doc = "Drops records whose `key` has been seen `within` so much event time: the earliest goes "
           "on, those behind it are dropped and counted, and after that time the next one counts "
           "as new. Records come out in order of event time; late ones are dropped and "
           "counted.\n\n"
           "```json\n{ \"dedupe\": { \"key\": \"payment_id\", \"within\": \"1h\" } }\n```\n",
    .options = dedupe_table,
    .options_count = COUNT(dedupe_table),
    .stateful = true,
    .plan = dedupe_plan,
    .open = throttle_open,
    .close = throttle_close,
    .process = throttle_process,
    .advance = throttle_advance,
    .restored = throttle_restored,
};
