/* SPDX-License-Identifier: Apache-2.0 */
/* sample: a fraction of the records, the same one at every run.
 *
 * What decides is a hash of `by`, of the record's key where there is no `by`, and of its place
 * (topic, partition, offset) where it has no key either. So either all records of a key go on or
 * none does: whole histories, which is what can be matched, joined and counted downstream. A sample
 * of single records is `by` something that tells them apart, such as an id or meta.offset.
 *
 * hash / 2^64 < fraction; a larger fraction takes all that a smaller one takes, and two pipelines
 * sample the same keys. Refused: a random generator, whose output would not be a function of the
 * records. Cost: ~15 ns. */
#include "core/mem.h"
#include "transforms/step_key.h"

#define KEY_BYTES_MAX ((size_t)16 << 20)

typedef struct sample_options {
    double fraction;
    const leat_node *by;
} sample_options;

static const leat_option options[] = {
    {.name = "fraction",
     .type = LEAT_OPTION_NUMBER,
     .offset = offsetof(sample_options, fraction),
     .required = true,
     .min = 0,
     .max = 1,
     .doc = "How much goes on: 0.01 is one of a hundred keys."},
    {.name = "by",
     .type = LEAT_OPTION_EXPR,
     .offset = offsetof(sample_options, by),
     .doc = "Expression: records with the same value go on or stay together. Default: the record's "
            "key; of a record without key its topic, partition and offset."},
};
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

typedef struct sample_config {
    uint64_t below; /* hashes below this go on */
    bool all;
    leat_step_key by;
} sample_config;

static bool sample_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    sample_options read = {0};
    sample_config *config = leat_planner_alloc(planner, sizeof *config);
    step->config = config;
    if (!leat_options_read_brief(options, OPTIONS_COUNT, "fraction", json, &read,
                                 leat_planner_findings(planner)))
        return false;
    config->all = read.fraction >= 1.0;
    if (!config->all) config->below = (uint64_t)(read.fraction * 0x1p64);
    return leat_step_key_plan(planner, step, read.by, false, &config->by);
}

static leat_code hash_of(leat_run *run, const leat_record *record, uint64_t *hash, leat_err *err)
{
    const sample_config *config = run->step->config;
    leat_buf *buf = run->state;
    const leat_message *message = record->message;
    LEAT_ASSERT(buf != NULL);
    leat_buf_reset(buf);
    if (config->by.expr == NULL && record->key.data != NULL) {
        *hash = leat_str_hash_fixed(record->key);
        return LEAT_OK;
    }
    if (config->by.expr != NULL) {
        LEAT_TRY(leat_step_key_write(&config->by, run, record, buf, err));
    } else if (message != NULL) {
        leat_buf_add(buf, message->topic);
        leat_buf_add_u32(buf, (uint32_t)message->partition);
        leat_buf_add_u64(buf, (uint64_t)message->offset);
    } else { /* time made it: it is what it says */
        leat_buf_add(buf, record->raw);
    }
    LEAT_TRY(leat_buf_check(buf, "a key", err));
    *hash = leat_str_hash_fixed(leat_buf_str(buf));
    return LEAT_OK;
}

static leat_code sample_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const sample_config *config = run->step->config;
    uint64_t dropped = 0;
    for (size_t i = 0; i < in->count; i++) {
        leat_record *record = in->records[i];
        uint64_t hash = 0;
        leat_err why;
        if (LEAT_UNLIKELY(hash_of(run, record, &hash, &why) != LEAT_OK))
            LEAT_TRY(leat_run_reject(run, record, &why, err));
        else if (config->all || hash < config->below)
            LEAT_TRY(leat_run_emit(run, 0, record, err));
        else
            dropped++;
    }
    leat_run_count(run, "not_in_sample", dropped);
    return LEAT_OK;
}

static leat_code sample_open(leat_run *run, leat_err *err)
{
    (void)err;
    leat_buf *buf = leat_mem_need(sizeof *buf);
    leat_buf_init(buf, KEY_BYTES_MAX);
    run->state = buf;
    return LEAT_OK;
}

static void sample_close(leat_run *run)
{
    leat_buf *buf = run->state;
    if (buf == NULL) return;
    leat_buf_release(buf);
    leat_mem_free(buf);
    run->state = NULL;
}

const leat_operator_type leat_operator_sample = {
    .name = "sample",
    .doc = "Lets a fraction of the records pass, the same ones at every run: what decides is a "
           "hash of `by`, or of the record's key, so that all records of one key pass or none "
           "does. The rest is dropped and counted. The short form is the fraction alone.\n\n"
           "```json\n{ \"sample\": { \"fraction\": 0.01, \"by\": \"card_id\" } }\n```\n",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .brief = "fraction",
    .plan = sample_plan,
    .open = sample_open,
    .close = sample_close,
    .process = sample_process,
};
