/* SPDX-License-Identifier: Apache-2.0 */
/* Whole fleets in one process and one thread, seed by seed: exactly once, whatever happens.
 *
 *   sim_fleet [--seed N] [--count N] [-v]
 *
 * A seed picks a pipeline (tests/sim/cases), partitions, how many workers, whether they have stable
 * names, commit interval, time-outs of the group and of transactions, cuts of batches and outputs,
 * and how often calls of the log fail and processes die. Workers start, stop, are killed and stall
 * for longer than their group waits for them, while events come in, some of them late and some no
 * JSON.
 *
 * Then the faults end, one worker reads on to the end, and it must be true that
 *
 *   - every event that has to go to topic `kept` is there once, and every bad one is a dead letter;
 *   - all output topics hold what one undisturbed worker writes, per key in the same order (where
 *     at least once was asked for: the same records, some of them more than once; where silence
 *     moves the watermark, each run has its own, and no match twice);
 *   - all input is committed, and no transaction is left open;
 *   - the changelog holds the live state, byte for byte;
 *   - no worker has ended for another reason than the faults.
 *
 * In some of them the pipeline is edited meanwhile (edits.c), for all workers at once or worker by
 * worker. Then it must be true that, beside all of this, patterns that were not edited find what
 * they would have found, edited ones nothing that no version finds and nothing twice
 * (edits_check.c), and nothing of a pattern stays behind when its time is over.
 *
 * A failure prints its seed, and that is all that is needed to run it again. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/edits.h"
#include "tests/sim/fleet.h"
#include "tests/sim/lines.h"
#include "worker/cli.h"
#include "worker/log_memory.h"
#include "worker/log_memory_session.h"
#include "worker/logger.h"

#define EVENTS_MAX   400
#define TURNS_MAX    20000 /* of the last worker, until all is read */
#define FLUSH_MS     3600000
#define BASE_MS      INT64_C(1700000000000)
#define OUTPUTS      6
#define PARTITIONS   4
#define TABLE_EVENTS 40

static const char *const cases[] = {"stateless", "detect", "patterns", "order",
                                    "join",      "twice",  "edits",    "edits"};
static const char *const outputs[OUTPUTS] = {"kept", "first", "second", "late", "dead", "sim-none"};

/* --- the input --- */

typedef struct event {
    char key[16], value[160];
    int64_t at_ms;
    int32_t partition;
    bool bad, kept;
} event;

typedef struct scenario {
    uint64_t seed;
    const char *name; /* of the case */
    leat_loaded
        loaded[SIM_VERSIONS_MAX + 1]; /* versions; the last is what an undisturbed one runs */
    uint32_t loaded_count;
    sim_edits edits; /* versions beyond the first */
    int32_t partitions;
    uint32_t count;
    event events[EVENTS_MAX + PARTITIONS];
    event table[TABLE_EVENTS];
    uint32_t commit_ms, rebalance_ms, transaction_ms;
    uint32_t workers, batch_max, errors, deaths, freezes;
    bool named, doubles; /* doubles: at least once */
    bool idle;           /* silence moves the watermark: each run has outputs of its own */
    size_t portion;
} scenario;

static void make_event(sim_random *random, event *e, uint32_t id, int64_t *at_ms, int32_t partition)
{
    static const char kinds[] = "abc";
    int64_t jitter = sim_below(random, 100) < 5 ? sim_below(random, 3000) : sim_below(random, 150);
    uint32_t amount = sim_below(random, 100);
    *at_ms += sim_below(random, 120);
    e->partition = partition;
    e->at_ms = *at_ms - jitter;
    uint32_t key = sim_below(random, 4) * PARTITIONS + (unsigned)partition;
    snprintf(e->key, sizeof e->key, "k%u", key);
    e->bad = sim_below(random, 100) < 3;
    e->kept = !e->bad && amount >= 50;
    snprintf(e->value, sizeof e->value,
             "{\"id\":%u,\"key\":\"k%u\",\"at\":%lld,\"kind\":\"%c\",\"amount\":%u%s", id, key,
             (long long)e->at_ms, kinds[sim_below(random, 3)], amount, e->bad ? "" : "}");
}

static void make_events(scenario *s, sim_random *random)
{
    int64_t at_ms[PARTITIONS];
    for (int32_t p = 0; p < PARTITIONS; p++)
        at_ms[p] = BASE_MS;
    s->count = 50 + sim_below(random, EVENTS_MAX - 50);
    for (uint32_t i = 0; i < s->count; i++) {
        int32_t p = (int32_t)sim_below(random, (uint32_t)s->partitions);
        make_event(random, &s->events[i], i, &at_ms[p], p);
    }
    /* The last of each partition lets all time-outs come due. */
    for (int32_t p = 0; p < s->partitions; p++) {
        event *e = &s->events[s->count + (uint32_t)p];
        *e = (event){.partition = p, .at_ms = BASE_MS + FLUSH_MS};
        snprintf(e->key, sizeof e->key, "end%d", (int)p);
        snprintf(e->value, sizeof e->value,
                 "{\"id\":%u,\"key\":\"end%d\",\"at\":%lld,\"kind\":\"z\",\"amount\":0}",
                 s->count + (unsigned)p, (int)p, (long long)BASE_MS + FLUSH_MS);
    }
    for (uint32_t i = 0; i < TABLE_EVENTS; i++) {
        event *e = &s->table[i];
        *e = (event){.partition = (int32_t)(i % (uint32_t)s->partitions)};
        snprintf(e->key, sizeof e->key, "k%u",
                 sim_below(random, 4) * PARTITIONS + (unsigned)e->partition);
        snprintf(e->value, sizeof e->value, "{\"at\":%lld,\"name\":\"n%u\"}",
                 (long long)(BASE_MS + (int64_t)i * 500), sim_below(random, 5));
    }
}

/* --- the log --- */

typedef struct world {
    const scenario *s;
    leat_log *log;
    leat_session *input;
    uint32_t fed;
    uint32_t version;   /* of the pipeline, that workers go over to */
    bool rolling;       /* not all have */
    int64_t settled_ms; /* later events are seen by that version alone */
} world;

static void must(leat_code code, const leat_err *err)
{
    if (code == LEAT_OK) return;
    fprintf(stderr, "sim_fleet: %s\n", err->text);
    abort();
}

static void feed_one(const world *w, const char *topic, const event *e)
{
    leat_err err;
    leat_produce record = {.topic = leat_str_of(topic),
                           .partition = e->partition,
                           .key = leat_str_of(e->key),
                           .value = leat_str_of(e->value),
                           .timestamp_ms = BASE_MS};
    must(leat_log_memory.produce(w->input, &record, &err), &err);
}

static uint32_t total(const scenario *s)
{
    return s->count + (uint32_t)s->partitions;
}

/* Where the pipeline is edited, what lets all come due is for the last version: what a pattern that
 * is gone has left goes with the next commit. */
static uint32_t total_in_trouble(const scenario *s)
{
    return s->edits.count > 0 ? s->count : total(s);
}

static void feed(world *w, uint32_t count, uint32_t end)
{
    for (uint32_t i = 0; i < count && w->fed < end; i++)
        feed_one(w, "in", &w->s->events[w->fed++]);
}

static void open_world(world *w, const scenario *s)
{
    leat_err err;
    const leat_plan *plan = s->loaded[0].plan;
    leat_log_config log = {.properties = plan->kafka, .properties_count = plan->kafka_count};
    leat_session_config config = {.guarantee = LEAT_AT_LEAST_ONCE};
    *w = (world){.s = s, .settled_ms = INT64_MIN};
    must(leat_log_memory.open(&log, &w->log, &err), &err);
    const char *names[OUTPUTS + 2];
    memcpy(names, outputs, sizeof outputs);
    names[OUTPUTS] = "in";
    names[OUTPUTS + 1] = "table";
    for (size_t i = 0; i < OUTPUTS + 2; i++) {
        leat_topic_spec spec = {leat_str_of(names[i]), s->partitions, -1, false};
        must(leat_log_memory.create(w->log, &spec, 0, &err), &err);
    }
    must(leat_log_memory.session_open(w->log, &config, NULL, 0, &w->input, &err), &err);
    for (uint32_t i = 0; i < TABLE_EVENTS; i++)
        feed_one(w, "table", &s->table[i]);
}

static void close_world(world *w)
{
    leat_log_memory.session_close(&w->input, 0);
    leat_log_memory.close(&w->log);
}

static leat_memory_topic *topic_of(const world *w, const char *name)
{
    return leat_memory_topic_find(w->log->store, leat_str_of(name));
}

/* --- a run --- */

static bool all_committed(const world *w)
{
    leat_memory_group *group = leat_memory_group_get(w->log->store, LEAT_STR("sim"));
    leat_memory_topic *topic = topic_of(w, "in");
    for (int32_t p = 0; p < topic->partitions_count; p++) {
        int64_t end = topic->partitions[p].end;
        if (end > 0 && leat_memory_committed(group, topic, p) != end) return false;
    }
    return true;
}

static bool any_open(const world *w)
{
    leat_memory_txn_expire(w->log->store);
    for (const leat_memory_topic *topic = w->log->store->topics; topic != NULL; topic = topic->next)
        for (int32_t p = 0; p < topic->partitions_count; p++)
            if (topic->partitions[p].open_count > 0) return true;
    return false;
}

static bool any_up(const sim_fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->workers_max; i++)
        if (fleet->workers[i].pipeline != NULL) return true;
    return false;
}

/* --- edits --- */

static void change_worker(sim_fleet *fleet, const world *w, uint32_t worker)
{
    const leat_plan *plan = w->s->loaded[w->version].plan;
    if (fleet->plans[worker] == plan) return;
    fleet->plans[worker] = plan;
    if (fleet->workers[worker].pipeline == NULL) return;
    if (sim_below(&fleet->random, 2) == 0)
        sim_worker_stop(fleet, worker);
    else
        sim_worker_kill(fleet, worker);
}

/* Once all workers have the new version: nobody else will see what is written from now on. */
static void settle(const sim_fleet *fleet, world *w)
{
    for (uint32_t i = 0; i < fleet->workers_max; i++)
        if (fleet->plans[i] != w->s->loaded[w->version].plan) return;
    w->rolling = false;
    w->settled_ms = INT64_MIN;
    for (uint32_t i = 0; i < w->fed; i++)
        if (w->s->events[i].at_ms > w->settled_ms) w->settled_ms = w->s->events[i].at_ms;
}

static void edit(sim_fleet *fleet, world *w)
{
    const sim_edits *edits = &w->s->edits;
    if (w->rolling) {
        if (!sim_chance(&fleet->random, 700)) return;
        change_worker(fleet, w, sim_below(&fleet->random, fleet->workers_max));
    } else {
        if (w->version + 1 >= edits->count) return;
        if (w->fed < edits->versions[w->version + 1].from_event) return;
        w->version++;
        w->rolling = true;
        w->settled_ms = INT64_MAX;
        for (uint32_t i = 0; i < fleet->workers_max && !edits->versions[w->version].rolls; i++)
            change_worker(fleet, w, i);
    }
    settle(fleet, w);
}

/* Those that are there go on without faults: nothing may be stuck. Then one reads what is left, and
 * writes down its state. */
static void finish(sim_fleet *fleet, world *w, const char *dump)
{
    feed(w, total(w->s), total_in_trouble(w->s));
    fleet->faults.errors = fleet->faults.deaths = fleet->faults.freezes = 0;
    for (uint32_t turn = 0; turn < TURNS_MAX && any_up(fleet) && !all_committed(w); turn++) {
        sim_time_pass(10);
        sim_fleet_turn(fleet);
    }
    if (any_up(fleet) && !all_committed(w) && fleet->wrong[0] == '\0')
        snprintf(fleet->wrong, sizeof fleet->wrong, "the workers are stuck");
    for (uint32_t i = 0; i < fleet->workers_max; i++)
        if (fleet->workers[i].pipeline != NULL) sim_worker_stop(fleet, i);
    /* The undisturbed one has a plan of its own. */
    if (fleet->plans[0] != w->s->loaded[w->s->loaded_count - 1].plan) change_worker(fleet, w, 0);
    sim_worker_start(fleet, 0, dump);
    feed(w, total(w->s), total(w->s));
    for (uint32_t turn = 0; turn < TURNS_MAX && fleet->workers[0].pipeline != NULL; turn++) {
        sim_time_pass(10);
        sim_worker_turn(fleet, 0);
        if (all_committed(w) && turn > w->s->rebalance_ms / 10 + 10 && sim_worker_ready(fleet, 0)) {
            sim_worker_stop(fleet, 0);
            return;
        }
    }
    if (fleet->wrong[0] == '\0')
        snprintf(fleet->wrong, sizeof fleet->wrong, "the input was never read to its end");
}

/* What becomes of every event, by its number: once in `kept`, once in `late`, or in neither. */
static void check_events(sim_fleet *fleet, const scenario *s, const sim_lines *found)
{
    uint32_t kept[EVENTS_MAX + PARTITIONS] = {0}, late[EVENTS_MAX + PARTITIONS] = {0};
    uint32_t dead = 0, bad = 0;
    for (size_t i = 0; i < found->count; i++) {
        const char *line = found->items[i];
        unsigned id = 0;
        bool is_kept = strncmp(line, "kept ", 5) == 0;
        dead += strncmp(line, "dead ", 5) == 0;
        if (!is_kept && strncmp(line, "late ", 5) != 0) continue;
        const char *at = strstr(line, "{\"id\":");
        LEAT_ASSERT(at != NULL && sscanf(at, "{\"id\":%u", &id) == 1 && id < total(s));
        (is_kept ? kept : late)[id]++;
    }
    for (uint32_t i = 0; i < total(s); i++) {
        const event *e = &s->events[i];
        bad += e->bad;
        bool right = kept[i] == (e->kept && late[i] == 0) && late[i] <= !e->bad;
        if (right || fleet->wrong[0] != '\0') continue;
        uint32_t offset = 0;
        for (uint32_t k = 0; k < i; k++)
            offset += s->events[k].partition == e->partition;
        snprintf(fleet->wrong, sizeof fleet->wrong,
                 "partition %d, offset %u is %u times in 'kept' and %u times in 'late': %s",
                 (int)e->partition, offset, kept[i], late[i], e->value);
    }
    if (dead != bad && fleet->wrong[0] == '\0')
        snprintf(fleet->wrong, sizeof fleet->wrong, "%u dead letters of %u bad events", dead, bad);
}

static const char *match_of(const char *line)
{
    const char *at = strstr(line, "\"match_id\":\"");
    return at == NULL ? NULL : at + 12;
}

/* A match comes out once, whatever the order: of the same place, an alert differs in its match. */
static void check_matches(sim_fleet *fleet, const sim_lines *found)
{
    for (size_t i = 0; i < found->count; i++) {
        const char *one = match_of(found->items[i]);
        for (size_t k = 0; one != NULL && k < i; k++) {
            const char *other = match_of(found->items[k]);
            if (other == NULL || strncmp(one, other, 32) != 0 || fleet->wrong[0] != '\0') continue;
            snprintf(fleet->wrong, sizeof fleet->wrong, "a match twice: %.800s", found->items[i]);
        }
    }
}

static void check_same(sim_fleet *fleet, const char *what, const sim_lines *want,
                       const sim_lines *have)
{
    if (fleet->wrong[0] == '\0')
        (void)sim_lines_same(what, want, have, fleet->wrong, sizeof fleet->wrong);
}

static void begin_fleet(sim_fleet *fleet, const scenario *s, bool disturbed)
{
    *fleet = (sim_fleet){.named = s->named,
                         .portion = s->portion,
                         .workers_max = disturbed ? s->workers : 1,
                         .random = {s->seed ^ 0x5eed},
                         .faults = {.random = {s->seed ^ 0xfa17}, .batch_max = s->batch_max}};
    for (uint32_t i = 0; i < SIM_WORKERS_MAX; i++)
        fleet->plans[i] = s->loaded[disturbed ? 0 : s->loaded_count - 1].plan;
    if (disturbed) {
        fleet->faults.errors = s->errors;
        fleet->faults.deaths = s->deaths;
        fleet->faults.freezes = s->freezes;
        fleet->faults.freeze = sim_fleet_freeze;
        fleet->faults.self = fleet;
    }
    sim_time_begin();
    sim_faults_set(&fleet->faults);
}

/* last: the version that there has been in the end; NULL: it was never edited. */
static void check_state(sim_fleet *fleet, const world *w, const char *dump, const sim_version *last)
{
    sim_lines changelog = sim_changelog(w->log->store, "sim-events-changelog"),
              state = sim_dump(dump), known = {0};
    for (size_t i = 0; i < changelog.count; i++) {
        const char *line = changelog.items[i];
        if (last != NULL && sim_edits_gone(last, line)) continue;
        sim_lines_add(&known, line, strlen(line));
        if (strstr(line, ".detect.0.matches\"") != NULL && last != NULL && fleet->wrong[0] == '\0')
            snprintf(fleet->wrong, sizeof fleet->wrong, "state is left behind: %.800s", line);
    }
    check_same(fleet, "the state and its changelog", &known, &state);
    sim_lines_free(&changelog);
    sim_lines_free(&state);
    sim_lines_free(&known);
}

static void run(const scenario *s, sim_fleet *fleet, bool disturbed, sim_lines *found,
                const sim_lines *want)
{
    world w;
    char dump[] = "/tmp/sim-fleet-XXXXXX";
    int file = mkstemp(dump);
    LEAT_ASSERT(file >= 0);
    close(file);
    begin_fleet(fleet, s, disturbed);
    open_world(&w, s);
    while (disturbed && w.fed < total_in_trouble(s) && fleet->wrong[0] == '\0') {
        edit(fleet, &w);
        sim_fleet_step(fleet);
        feed(&w, sim_below(&fleet->random, 3), total_in_trouble(s));
        if (sim_chance(&fleet->random, 50)) leat_memory_compact_now(w.log);
    }
    bool edited = disturbed && s->edits.count > 1;
    for (int times = edited ? 2 : 1; times > 0; times--) { /* what was left can be read again */
        LEAT_ASSERT(truncate(dump, 0) == 0);               /* workers append to it */
        finish(fleet, &w, dump);
        check_state(fleet, &w, dump, edited ? &s->edits.versions[w.version] : NULL);
    }
    sim_time_pass(s->transaction_ms + 1);
    if (any_open(&w) && fleet->wrong[0] == '\0')
        snprintf(fleet->wrong, sizeof fleet->wrong, "a transaction is open for ever");
    *found = sim_outputs(w.log->store, outputs, OUTPUTS, s->doubles);
    check_events(fleet, s, found);
    if (s->idle) check_matches(fleet, found);
    if (edited && fleet->wrong[0] == '\0')
        (void)sim_edits_check(&s->edits, w.version, w.settled_ms, want, found, fleet->wrong,
                              sizeof fleet->wrong);
    else if (want != NULL && !s->idle)
        check_same(fleet, "the outputs", want, found);
    unlink(dump);
    for (uint32_t i = 0; i < SIM_WORKERS_MAX; i++)
        if (fleet->workers[i].pipeline != NULL) sim_worker_kill(fleet, i);
    close_world(&w);
}

/* --- a seed --- */

static void draw(scenario *s, uint64_t seed)
{
    static const uint32_t commits[] = {5, 20, 100, 400};
    sim_random random = {seed};
    *s = (scenario){.seed = seed};
    s->name = cases[sim_below(&random, sizeof cases / sizeof *cases)];
    s->partitions = 1 + (int32_t)sim_below(&random, PARTITIONS);
    s->workers = 1 + sim_below(&random, SIM_WORKERS_MAX);
    s->named = sim_below(&random, 2) == 1;
    bool edits = strcmp(s->name, "edits") == 0;
    s->doubles = strcmp(s->name, "stateless") == 0 && sim_below(&random, 2) == 1;
    s->idle = strcmp(s->name, "stateless") != 0 && sim_below(&random, 4) == 0 && !edits;
    s->commit_ms = commits[sim_below(&random, 4)];
    s->rebalance_ms = 100 + sim_below(&random, 1500);
    s->transaction_ms = 500 + sim_below(&random, 2000);
    s->batch_max = sim_below(&random, 2) == 0 ? 3 : 200;
    s->portion = sim_below(&random, 2) == 0 ? 0 : 100 + sim_below(&random, 3000);
    s->errors = sim_below(&random, 60);
    s->deaths = sim_below(&random, 20);
    s->freezes = sim_below(&random, 20);
    make_events(s, &random);
    if (edits) sim_edits_draw(&s->edits, &random, s->count, s->partitions, s->portion > 0);
}

static bool load_file(scenario *s, const char *path)
{
    char texts[6][64];
    const char *values[] = {texts[0], texts[1], texts[2], texts[3], texts[4], texts[5]};
    leat_flag set = {.name = "set", .values = values, .count = s->idle ? 6 : 5};
    leat_err err;
    leat_loaded *loaded = &s->loaded[s->loaded_count++];
    snprintf(texts[0], sizeof texts[0], "commit_interval=%ums", s->commit_ms);
    snprintf(texts[1], sizeof texts[1], "kafka.memory.rebalance.timeout.ms=\"%u\"",
             s->rebalance_ms);
    snprintf(texts[2], sizeof texts[2], "kafka.memory.transaction.timeout.ms=\"%u\"",
             s->transaction_ms);
    snprintf(texts[3], sizeof texts[3], "kafka.memory.name=sim");
    snprintf(texts[4], sizeof texts[4], "guarantee=%s",
             s->doubles ? "at_least_once" : "exactly_once");
    snprintf(texts[5], sizeof texts[5], "sources.events.idle_after=200ms");
    leat_code code = leat_cli_load(path, &set, LEAT_PURPOSE_CHECK, true, NULL, loaded, &err);
    if (code != LEAT_OK) fprintf(stderr, "sim_fleet: %s: %s\n", path, err.text);
    return code == LEAT_OK && loaded->plan != NULL;
}

static bool load_text(scenario *s, leat_str text)
{
    char path[] = "/tmp/sim-fleet-XXXXXX";
    int file = mkstemp(path);
    LEAT_ASSERT(file >= 0);
    bool good = write(file, text.data, text.len) == (ssize_t)text.len && load_file(s, path);
    close(file);
    unlink(path);
    return good;
}

static bool load(scenario *s)
{
    char path[128];
    bool good = true;
    if (s->edits.count == 0) {
        snprintf(path, sizeof path, "tests/sim/cases/%s.json", s->name);
        return load_file(s, path);
    }
    for (uint32_t i = 0; i <= s->edits.count && good; i++) {
        leat_buf text;
        if (i < s->edits.count)
            sim_edits_write(&s->edits, i, &text);
        else
            sim_edits_write_all(&s->edits, &text);
        good = load_text(s, leat_buf_str(&text));
        if (!good) fprintf(stderr, "sim_fleet: %.*s\n", LEAT_STR_ARG(leat_buf_str(&text)));
        leat_buf_release(&text);
    }
    return good;
}

static char present_text[64]; /* of the seed, for whoever asks why the process has ended */

static bool run_seed(uint64_t seed, bool verbose)
{
    static scenario s;
    static sim_fleet fleet;
    sim_lines want, have;
    snprintf(present_text, sizeof present_text, "sim_fleet: in seed %llu\n",
             (unsigned long long)seed);
    draw(&s, seed);
    if (!load(&s)) return false;
    run(&s, &fleet, false, &want, NULL);
    if (fleet.wrong[0] == '\0') {
        run(&s, &fleet, true, &have, &want);
        sim_lines_free(&have);
    }
    sim_lines_free(&want);
    for (uint32_t i = 0; i < s.loaded_count; i++)
        leat_cli_unload(&s.loaded[i]);
    if (verbose)
        printf("seed %llu: %s, %u events, %d partitions, %u workers: %llu calls, %llu failed, %llu "
               "deaths and %llu freezes in them; %llu starts, %llu stops, %llu kills, %llu stalls, "
               "%llu ended badly\n",
               (unsigned long long)seed, s.name, s.count, (int)s.partitions, s.workers,
               (unsigned long long)fleet.faults.counted_calls,
               (unsigned long long)fleet.faults.counted_errors,
               (unsigned long long)fleet.faults.counted_deaths,
               (unsigned long long)fleet.faults.counted_freezes, (unsigned long long)fleet.starts,
               (unsigned long long)fleet.stops, (unsigned long long)fleet.kills,
               (unsigned long long)fleet.stalls, (unsigned long long)fleet.failures);
    if (fleet.wrong[0] == '\0') return true;
    printf("FAILED seed %llu (%s): %s\n  again: sim_fleet --seed %llu --count 1 -v\n",
           (unsigned long long)seed, s.name, fleet.wrong, (unsigned long long)seed);
    return false;
}

static void on_abort(int signal_number)
{
    (void)signal_number;
    if (write(STDERR_FILENO, present_text, strlen(present_text)) < 0) _exit(2);
}

int main(int argc, char **argv)
{
    uint64_t first = 1, count = 300;
    bool verbose = false;
    uint64_t passed = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0) verbose = true;
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) first = strtoull(argv[++i], NULL, 10);
        if (strcmp(argv[i], "--count") == 0 && i + 1 < argc) count = strtoull(argv[++i], NULL, 10);
    }
    signal(SIGABRT, on_abort);
    leat_logger_set(verbose && count == 1 ? LEAT_LEVEL_DEBUG : LEAT_LEVEL_SILENT, false);
    for (uint64_t seed = first; seed < first + count; seed++)
        passed += run_seed(seed, verbose);
    printf("%llu passed, %llu failed\n", (unsigned long long)passed,
           (unsigned long long)(count - passed));
    return passed == count ? 0 : 1;
}
