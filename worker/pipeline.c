/* SPDX-License-Identifier: Apache-2.0 */
/* From a checked plan to running shards.
 *
 * What can be known to be wrong is found before a thread starts: topics that are missing, partition
 * counts that do not fit, a changelog that is not compacted, a key that would need records of
 * another partition. A changelog is made here when it is missing, with as many partitions as the
 * input: its partition p holds the state of task p, and never may that change silently. */
#include "worker/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "cep/op_detect.h"
#include "core/mem.h"
#include "core/regex.h"
#include "schemas/codec_avro.h"
#include "worker/logger.h"
#include "worker/registry_client.h"
#include "worker/shard.h"

#define ADMIN_TIMEOUT_MS 15000
#define LOOK_UPS         4
#define LOOK_UP_PAUSE_MS 500
#define ARENA_BYTES_MAX  ((size_t)64 << 20)

int leat_exit_code(leat_code code)
{
    if (code == LEAT_OK) return LEAT_EXIT_OK;
    if (code == LEAT_ERR_CONFIG) return LEAT_EXIT_CONFIG;
    if (code == LEAT_ERR_UNAVAILABLE || code == LEAT_ERR_TIMEOUT) return LEAT_EXIT_UNAVAILABLE;
    if (code == LEAT_ERR_DENIED) return LEAT_EXIT_DENIED;
    if (code == LEAT_ERR_DAMAGED || code == LEAT_ERR_IO) return LEAT_EXIT_STATE;
    return LEAT_EXIT_INTERNAL;
}

/* --- which log --- */

static bool any_topic_sink(const leat_plan *plan)
{
    for (size_t i = 0; i < plan->sinks_count; i++)
        if (plan->sinks[i]->kind == LEAT_SINK_TOPIC) return true;
    return false;
}

static leat_code choose_logs(leat_pipeline *pipeline, leat_err *err)
{
    const leat_plan *plan = pipeline->plan;
    size_t files = 0;
    for (size_t i = 0; i < plan->sources_count; i++)
        files += plan->sources[i].files;
    if (files != 0 && files != plan->sources_count)
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "sources: files and topics cannot be read by one pipeline; "
                            "write two pipelines, the first from the files to a topic");
    const leat_log_type *topics = pipeline->options.embedded ? &leat_log_memory : &leat_log_kafka;
    pipeline->input_type = files != 0 ? &leat_log_file : topics;
    pipeline->output_type = files == 0 || any_topic_sink(plan) ? topics : NULL;
    return LEAT_OK;
}

static void speak(void *context, int level, const char *facility, const char *text)
{
    const leat_pipeline *pipeline = context;
    if (level <= LEAT_LEVEL_INFO) {
        leat_log_line((leat_level)level, facility, pipeline->name, "%s", text);
    } else {
        leat_log_repeat((leat_level)level, "kafka", pipeline->name, facility, "%s: %s", facility,
                        text);
    }
}

/* Several topics in one task stay together only if partition p of each goes to one member. */
static leat_code add_assignor(leat_pipeline *pipeline, leat_setting *settings, size_t *count,
                              leat_err *err)
{
    static const leat_str name = {"partition.assignment.strategy", 29};
    const leat_plan *plan = pipeline->plan;
    bool together = false;
    for (size_t i = 0; i < plan->sources_count; i++)
        together |=
            pipeline->sources[i].changelog.data != NULL && plan->sources[i].topics_count > 1;
    if (!together) return LEAT_OK;
    for (size_t i = 0; i < *count; i++)
        if (leat_str_equal(settings[i].name, name) && !leat_str_is(settings[i].value, "range"))
            return leat_err_set(
                err, LEAT_ERR_CONFIG,
                "kafka: partition.assignment.strategy must be 'range' (or left out) "
                "where a source with several topics keeps state, so that equal "
                "partitions of all of them meet in one worker");
    settings[(*count)++] = (leat_setting){name, LEAT_STR("range"), false};
    return LEAT_OK;
}

static leat_code open_logs(leat_pipeline *pipeline, leat_err *err)
{
    const leat_plan *plan = pipeline->plan;
    leat_setting *settings =
        leat_arena_zero(pipeline->arena, (plan->kafka_count + 1) * sizeof *settings);
    if (settings == NULL) return leat_arena_full(pipeline->arena, err);
    size_t count = plan->kafka_count;
    if (count > 0) memcpy(settings, plan->kafka, count * sizeof *settings);
    LEAT_TRY(add_assignor(pipeline, settings, &count, err));
    leat_log_config config = {.properties = settings,
                              .properties_count = count,
                              .client_id = pipeline->name,
                              .speak = speak,
                              .speak_context = pipeline};
    LEAT_TRY(pipeline->input_type->open(&config, &pipeline->input_log, err));
    if (pipeline->output_type == pipeline->input_type) {
        pipeline->output_log = pipeline->input_log;
    } else if (pipeline->output_type != NULL) {
        LEAT_TRY(pipeline->output_type->open(&config, &pipeline->output_log, err));
    }
    return LEAT_OK;
}

/* --- sources, changelogs, sinks --- */

static leat_code check_rekeys(leat_pipeline *pipeline, uint32_t source, leat_err *err)
{
    const leat_plan *plan = pipeline->plan;
    if (pipeline->sources[source].partitions <= 1) return LEAT_OK;
    for (size_t i = 0; i < plan->nodes_count; i++) {
        const leat_plan_node *node = &plan->nodes[i];
        if (node->at != LEAT_AT_STEP || node->source != source ||
            !(node->step->rekeys ||
              (node->step->type == &leat_operator_detect && leat_detect_rekeys(node->step))))
            continue;
        return leat_err_set(
            err, LEAT_ERR_CONFIG,
            "%.*s: its key is not the key that source '%.*s' is partitioned "
            "by, and its topic has %d partitions, so that one key's records would be "
            "spread over several workers; use the source's key, or a topic of one "
            "partition (or \"same_partition\": true, where a step has that, if it cannot be so)",
            LEAT_STR_ARG(node->step->place), LEAT_STR_ARG(plan->sources[source].name),
            (int)pipeline->sources[source].partitions);
    }
    return LEAT_OK;
}

/* A topic that was made a moment ago is not known to every broker yet: asked again for a while. */
static leat_code look_up(const leat_log_type *type, leat_log *log, leat_str topic,
                         leat_topic_info *info, leat_err *err)
{
    for (int tries = 0; tries < LOOK_UPS; tries++) {
        *info = (leat_topic_info){0};
        if (tries > 0) leat_clock_sleep(LOOK_UP_PAUSE_MS);
        LEAT_TRY(type->describe(log, topic, ADMIN_TIMEOUT_MS, info, err));
        if (info->exists) break;
    }
    return LEAT_OK;
}

static leat_code check_topics(leat_pipeline *pipeline, uint32_t source, leat_err *err)
{
    const leat_source *planned = &pipeline->plan->sources[source];
    leat_source_place *place = &pipeline->sources[source];
    for (size_t i = 0; i < planned->topics_count; i++) {
        leat_topic_info info;
        LEAT_TRY(
            look_up(pipeline->input_type, pipeline->input_log, planned->topics[i], &info, err));
        if (!info.exists)
            return leat_err_set(err, LEAT_ERR_CONFIG,
                                "sources.%.*s: topic '%.*s' does not exist; create it, or correct "
                                "its name",
                                LEAT_STR_ARG(planned->name), LEAT_STR_ARG(planned->topics[i]));
        if (place->partitions != 0 && place->partitions != info.partitions &&
            place->changelog.data != NULL)
            return leat_err_set(
                err, LEAT_ERR_CONFIG,
                "sources.%.*s: topic '%.*s' has %d partitions, '%.*s' has %d; topics "
                "whose records meet in one state need equal counts",
                LEAT_STR_ARG(planned->name), LEAT_STR_ARG(planned->topics[0]),
                (int)place->partitions, LEAT_STR_ARG(planned->topics[i]), (int)info.partitions);
        if (info.partitions > place->partitions) place->partitions = info.partitions;
    }
    return check_rekeys(pipeline, source, err);
}

static leat_code check_changelog(leat_pipeline *pipeline, uint32_t source, leat_err *err)
{
    const leat_log_type *type = pipeline->output_type;
    leat_source_place *place = &pipeline->sources[source];
    leat_topic_info info = {0};
    LEAT_TRY(type->describe_settings(pipeline->output_log, place->changelog, ADMIN_TIMEOUT_MS,
                                     &info, err));
    if (!info.exists) {
        leat_topic_spec spec = {place->changelog, place->partitions, -1, true};
        LEAT_TRY(type->create(pipeline->output_log, &spec, ADMIN_TIMEOUT_MS, err));
        leat_log_line(LEAT_LEVEL_INFO, "start", pipeline->name,
                      "created changelog '%.*s' with %d partition(s)",
                      LEAT_STR_ARG(place->changelog), (int)place->partitions);
        return LEAT_OK;
    }
    if (info.partitions != place->partitions)
        return leat_err_set(
            err, LEAT_ERR_CONFIG,
            "changelog '%.*s' has %d partitions, but the topic of source '%.*s' has "
            "%d; its state cannot be spread anew: give the pipeline a new name, or "
            "delete the changelog and reset the group's offsets",
            LEAT_STR_ARG(place->changelog), (int)info.partitions,
            LEAT_STR_ARG(pipeline->plan->sources[source].name), (int)place->partitions);
    if (!info.compacted)
        return leat_err_set(
            err, LEAT_ERR_CONFIG,
            "changelog '%.*s' is not compacted, so that state would be deleted with "
            "age; set cleanup.policy=compact on it",
            LEAT_STR_ARG(place->changelog));
    return LEAT_OK;
}

static leat_code prepare_source(leat_pipeline *pipeline, uint32_t source, leat_err *err)
{
    const leat_source *planned = &pipeline->plan->sources[source];
    leat_source_place *place = &pipeline->sources[source];
    if (planned->files) return LEAT_OK;
    bool keeps = planned->stateful || planned->late != LEAT_LATE_UNSET;
    bool pattern = planned->topics_count == 1 && planned->topics[0].len > 0 &&
                   planned->topics[0].data[0] == '^';
    if (pattern && keeps)
        return leat_err_set(
            err, LEAT_ERR_CONFIG,
            "sources.%.*s: a topic_pattern cannot keep state, as its partitions are "
            "not known beforehand; list the topics in 'topic'",
            LEAT_STR_ARG(planned->name));
    if (pattern) return leat_regex_new(&place->pattern, planned->topics[0], err);
    if (keeps) {
        place->changelog =
            leat_arena_print(pipeline->arena, "%.*s-%.*s-changelog",
                             LEAT_STR_ARG(pipeline->plan->name), LEAT_STR_ARG(planned->name));
        if (place->changelog.data == NULL) return leat_arena_full(pipeline->arena, err);
    }
    return LEAT_OK;
}

static leat_code check_sources(leat_pipeline *pipeline, leat_err *err)
{
    const leat_plan *plan = pipeline->plan;
    for (uint32_t i = 0; i < plan->sources_count; i++) {
        if (plan->sources[i].files || pipeline->sources[i].pattern != NULL) continue;
        LEAT_TRY(check_topics(pipeline, i, err));
        if (pipeline->sources[i].changelog.data != NULL)
            LEAT_TRY(check_changelog(pipeline, i, err));
    }
    for (uint32_t a = 0; a < plan->sources_count; a++)
        for (uint32_t b = 0; b < a; b++)
            for (size_t i = 0; i < plan->sources[a].topics_count; i++)
                for (size_t k = 0; k < plan->sources[b].topics_count; k++)
                    if (!plan->sources[a].files &&
                        leat_str_equal(plan->sources[a].topics[i], plan->sources[b].topics[k]))
                        return leat_err_set(
                            err, LEAT_ERR_CONFIG,
                            "topic '%.*s' is read by the sources '%.*s' and '%.*s'; "
                            "let two streams read one source",
                            LEAT_STR_ARG(plan->sources[a].topics[i]),
                            LEAT_STR_ARG(plan->sources[b].name),
                            LEAT_STR_ARG(plan->sources[a].name));
    return LEAT_OK;
}

static leat_code open_sinks(leat_pipeline *pipeline, leat_err *err)
{
    for (size_t i = 0; i < pipeline->plan->sinks_count; i++) {
        const leat_sink *sink = pipeline->plan->sinks[i];
        if (sink->kind == LEAT_SINK_FILE || sink->kind == LEAT_SINK_STDOUT) {
            leat_str path = sink->kind == LEAT_SINK_FILE ? sink->topic : LEAT_STR_NONE;
            LEAT_TRY(leat_sink_file_open(path, &pipeline->files[i], err));
            if (sink->container) {
                const leat_avro_codec *codec = (const leat_avro_codec *)sink->codec;
                LEAT_TRY(leat_sink_file_contain(pipeline->files[i], codec->schema->text,
                                                codec->compression, err));
            }
            if (sink->head.data != NULL) {
                LEAT_TRY(leat_sink_file_append(pipeline->files[i], sink->head, err));
                LEAT_TRY(leat_sink_file_flush(pipeline->files[i], err));
            }
        } else if (sink->kind == LEAT_SINK_TOPIC && sink->topic_expr == NULL) {
            leat_topic_info info;
            LEAT_TRY(look_up(pipeline->output_type, pipeline->output_log, sink->topic, &info, err));
            if (!info.exists)
                return leat_err_set(err, LEAT_ERR_CONFIG,
                                    "%.*s: topic '%.*s' does not exist; create it, or correct its "
                                    "name",
                                    LEAT_STR_ARG(sink->place), LEAT_STR_ARG(sink->topic));
        }
    }
    return LEAT_OK;
}

/* --- life --- */

static leat_code prepare(leat_pipeline *pipeline, leat_err *err)
{
    const leat_plan *plan = pipeline->plan;
    LEAT_TRY(leat_arena_new(&pipeline->arena, ARENA_BYTES_MAX, err));
    leat_str name = leat_arena_copy(pipeline->arena, plan->name);
    if (name.data == NULL) return leat_arena_full(pipeline->arena, err);
    pipeline->name = (char *)(uintptr_t)name.data;
    LEAT_TRY(choose_logs(pipeline, err));
    for (uint32_t i = 0; i < plan->sources_count; i++)
        LEAT_TRY(prepare_source(pipeline, i, err));
    LEAT_TRY(open_logs(pipeline, err));
    if (plan->registry != NULL)
        LEAT_TRY(
            leat_registry_client_open(plan->registry, pipeline->name, &pipeline->registry, err));
    LEAT_TRY(check_sources(pipeline, err));
    LEAT_TRY(open_sinks(pipeline, err));
    pipeline->shards_count =
        pipeline->input_type == &leat_log_file ? 1 : (size_t)pipeline->config.threads;
    pipeline->shards = leat_mem_need(pipeline->shards_count * sizeof *pipeline->shards);
    for (uint32_t i = 0; i < pipeline->shards_count; i++) {
        pipeline->shards[i].pipeline = pipeline;
        pipeline->shards[i].ordinal = i;
        pipeline->shards[i].messages =
            leat_mem_need(LEAT_SHARD_POLL_MAX * sizeof *pipeline->shards[i].messages);
        LEAT_TRY(leat_shard_redis_open(&pipeline->shards[i], err));
    }
    if (plan->redis_count > 0) LEAT_TRY(leat_shard_redis_check(&pipeline->shards[0], err));
    return LEAT_OK;
}

leat_code leat_pipeline_open(const leat_plan *plan, const leat_config *config,
                             const leat_pipeline_options *options, leat_pipeline **pipeline,
                             leat_err *err)
{
    leat_pipeline *made = leat_mem_need(sizeof *made);
    made->plan = plan;
    made->config = *config;
    made->options = *options;
    made->sources = leat_mem_need((plan->sources_count + 1) * sizeof *made->sources);
    made->files = leat_mem_need((plan->sinks_count + 1) * sizeof *made->files);
    made->redis_counts = leat_mem_need((plan->redis_count + 1) * sizeof *made->redis_counts);
    made->sink_counts = leat_mem_need((plan->sinks_count + 1) * sizeof *made->sink_counts);
    pthread_mutex_init(&made->dump_lock, NULL);
    leat_code code = prepare(made, err);
    if (code != LEAT_OK) {
        leat_pipeline_close(&made);
        return code;
    }
    *pipeline = made;
    return LEAT_OK;
}

void leat_pipeline_close(leat_pipeline **pipeline)
{
    leat_pipeline *closing = *pipeline;
    if (closing == NULL) return;
    for (size_t i = 0; closing->shards != NULL && i < closing->shards_count; i++) {
        LEAT_ASSERT(!closing->shards[i].started);
        leat_mem_free(closing->shards[i].messages);
        if (closing->shards[i].pipeline != NULL) leat_shard_redis_close(&closing->shards[i]);
    }
    leat_mem_free(closing->shards);
    leat_registry_client_close(&closing->registry);
    for (size_t i = 0; i < closing->plan->sinks_count; i++)
        leat_sink_file_close(&closing->files[i]);
    for (size_t i = 0; i < closing->plan->sources_count; i++)
        leat_regex_free(&closing->sources[i].pattern);
    if (closing->output_log != NULL && closing->output_log != closing->input_log)
        closing->output_type->close(&closing->output_log);
    if (closing->input_log != NULL) closing->input_type->close(&closing->input_log);
    leat_mem_free(closing->sources);
    leat_mem_free(closing->files);
    leat_mem_free((void *)(uintptr_t)closing->sink_counts);
    leat_mem_free(closing->redis_counts);
    pthread_mutex_destroy(&closing->dump_lock);
    leat_arena_free(&closing->arena);
    leat_mem_free(closing);
    *pipeline = NULL;
}

leat_code leat_pipeline_start(leat_pipeline *pipeline, leat_err *err)
{
    for (size_t i = 0; i < pipeline->shards_count; i++) {
        leat_shard *shard = &pipeline->shards[i];
        if (pthread_create(&shard->thread, NULL, leat_shard_main, shard) != 0)
            return leat_err_set(err, LEAT_ERR_INTERNAL, "cannot start a thread for shard %zu", i);
        shard->started = true;
    }
    return LEAT_OK;
}

void leat_pipeline_input_complete(leat_pipeline *pipeline)
{
    pipeline->complete = true;
}

void leat_pipeline_stop(leat_pipeline *pipeline)
{
    pipeline->stopping = true;
}

bool leat_pipeline_running(const leat_pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->shards_count; i++)
        if (pipeline->shards[i].started && !pipeline->shards[i].done) return true;
    return false;
}

bool leat_pipeline_failed(const leat_pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->shards_count; i++)
        if (pipeline->shards[i].done && pipeline->shards[i].code != LEAT_OK) return true;
    return false;
}

leat_code leat_pipeline_join(leat_pipeline *pipeline, leat_err *err)
{
    leat_code code = LEAT_OK;
    for (size_t i = 0; i < pipeline->shards_count; i++) {
        leat_shard *shard = &pipeline->shards[i];
        if (!shard->started) continue;
        pthread_join(shard->thread, NULL);
        shard->started = false;
        if (shard->code != LEAT_OK && code == LEAT_OK) {
            code = shard->code;
            *err = shard->err;
        }
    }
    return code;
}

leat_pipeline_counts leat_pipeline_counts_get(const leat_pipeline *pipeline)
{
    leat_pipeline_counts sum = {0};
    for (size_t i = 0; i < pipeline->shards_count; i++) {
        const leat_shard *shard = &pipeline->shards[i];
        sum.records_in += shard->counts.records_in;
        sum.records_out += shard->counts.records_out;
        sum.dead_letters += shard->counts.dead_letters;
        sum.late += shard->counts.late;
        sum.late_dropped += shard->counts.late_dropped;
        sum.filtered += shard->counts.filtered;
        sum.unrouted += shard->counts.unrouted;
        sum.dropped += shard->counts.dropped;
        sum.commits += shard->counts.commits;
        sum.aborts += shard->counts.aborts;
        sum.refused += shard->counts.refused;
    }
    return sum;
}

leat_pipeline_redis leat_pipeline_redis_get(const leat_pipeline *pipeline, uint32_t server)
{
    LEAT_ASSERT(server < pipeline->plan->redis_count);
    const leat_redis_counts *counts = &pipeline->redis_counts[server];
    return (leat_pipeline_redis){.connects = counts->connects,
                                 .failures = counts->failures,
                                 .breaker_opened = counts->breaker_opened,
                                 .lookups_cached = counts->lookups_cached,
                                 .lookups_asked = counts->lookups_asked,
                                 .lookups_missing = counts->lookups_missing,
                                 .lookups_failed = counts->lookups_failed,
                                 .effects_applied = counts->effects_applied,
                                 .effects_skipped = counts->effects_skipped,
                                 .effects_refused = counts->effects_refused};
}

uint64_t leat_pipeline_sink_count(const leat_pipeline *pipeline, uint32_t sink)
{
    LEAT_ASSERT(sink < pipeline->plan->sinks_count);
    return pipeline->sink_counts[sink];
}

const char *leat_pipeline_stray_id(const leat_pipeline *pipeline, uint32_t shard, char *text,
                                   size_t size)
{
    uint64_t random = 0;
    /* Only has to differ between processes; zeros of a failed call are better than none. */
    if (getrandom(&random, sizeof random, 0) < 0) random = (uint64_t)(uintptr_t)pipeline;
    snprintf(text, size, "%016llx-%u", (unsigned long long)random, shard);
    return text;
}
