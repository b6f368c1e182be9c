/* SPDX-License-Identifier: Apache-2.0 */
/* Every function of the port is that of leat_log_memory with a draw before it, and a draw behind it
 * where an effect without an answer makes a difference. A call may also take long: then the others
 * go on from inside of it, and it goes on in a group that has forgotten its worker.
 *
 * Who is dead gets DENIED from every call, which nothing else here says: the shard unwinds, and
 * none of what it tries on the way reaches the log. Its session is not closed but crashes, so its
 * transaction stays open and its group finds out by and by, as after kill -9.
 *
 * Nothing waits: time is the simulation's, and passes between the turns of the workers only. */
#include "tests/sim/faulty_log.h"

#include "worker/log_memory_session.h"

#define SESSIONS_MAX 64

uint64_t sim_next(sim_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint32_t sim_below(sim_random *random, uint32_t bound)
{
    LEAT_ASSERT(bound > 0);
    return (uint32_t)(sim_next(random) >> 32) % bound;
}

bool sim_chance(sim_random *random, uint32_t per_ten_thousand)
{
    return sim_below(random, 10000) < per_ten_thousand;
}

/* --- who calls, and what becomes of it --- */

static sim_faults *faults;
static struct {
    leat_session *session;
    uint32_t worker;
} sessions[SESSIONS_MAX];

void sim_faults_set(sim_faults *set)
{
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        LEAT_ASSERT(sessions[i].session == NULL);
    faults = set;
}

static uint32_t worker_of(const leat_session *session)
{
    size_t at = 0;
    while (at < SESSIONS_MAX && sessions[at].session != session)
        at++;
    LEAT_ASSERT(at < SESSIONS_MAX);
    return sessions[at].worker;
}

static leat_code died(leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_DENIED, "simulated: killed");
}

static leat_code die_perhaps(uint32_t worker, leat_err *err)
{
    if (!faults->dead[worker] && !sim_chance(&faults->random, faults->deaths)) return LEAT_OK;
    faults->counted_deaths += !faults->dead[worker];
    faults->dead[worker] = true;
    return died(err);
}

static void freeze_perhaps(uint32_t worker)
{
    if (faults->frozen || !sim_chance(&faults->random, faults->freezes)) return;
    faults->counted_freezes++;
    faults->frozen = true;
    faults->freeze(faults->self, worker);
    faults->frozen = false;
}

/* Before a call. code: what it fails with. */
static leat_code fate(uint32_t worker, leat_code code, leat_err *err)
{
    faults->counted_calls++;
    freeze_perhaps(worker);
    LEAT_TRY(die_perhaps(worker, err));
    if (!sim_chance(&faults->random, faults->errors)) return LEAT_OK;
    faults->counted_errors++;
    return leat_err_set(err, code, "simulated: %s", leat_code_text(code));
}

/* --- the port --- */

static leat_code session_open(leat_log *log, const leat_session_config *config,
                              const leat_str *topics, size_t topics_count, leat_session **session,
                              leat_err *err)
{
    size_t at = 0;
    *session = NULL;
    LEAT_TRY(fate(faults->worker, LEAT_ERR_UNAVAILABLE, err));
    while (at < SESSIONS_MAX && sessions[at].session != NULL)
        at++;
    LEAT_ASSERT(at < SESSIONS_MAX);
    LEAT_TRY(leat_log_memory.session_open(log, config, topics, topics_count, session, err));
    sessions[at].session = *session;
    sessions[at].worker = faults->worker;
    return LEAT_OK;
}

static void session_close(leat_session **session, int timeout_ms)
{
    leat_session *closing = *session;
    if (closing == NULL) return;
    if (faults->dead[worker_of(closing)])
        leat_memory_session_crash(session);
    else
        leat_log_memory.session_close(session, timeout_ms);
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        if (sessions[i].session == closing) sessions[i].session = NULL;
}

/* What was handed out comes again, as after a fetch that a rebalance has overtaken. */
static void go_back(leat_session *session)
{
    if (session->owned_count == 0 || !sim_chance(&faults->random, faults->errors)) return;
    memory_owned *owned =
        &session->owned[sim_below(&faults->random, (uint32_t)session->owned_count)];
    int64_t back = sim_below(&faults->random, 6);
    int64_t start = owned->topic->partitions[owned->partition].start;
    owned->position = owned->position - back < start ? start : owned->position - back;
}

static leat_code poll(leat_session *session, int timeout_ms, leat_message *messages, size_t size,
                      size_t *count, leat_poll_state *state, leat_err *err)
{
    uint32_t worker = worker_of(session);
    (void)timeout_ms;
    *count = 0;
    *state = LEAT_POLL_EMPTY;
    LEAT_TRY(fate(worker, LEAT_ERR_UNAVAILABLE, err));
    go_back(session);
    size_t some = 1 + sim_below(&faults->random, faults->batch_max);
    leat_code code =
        leat_log_memory.poll(session, 0, messages, some < size ? some : size, count, state, err);
    return faults->dead[worker] ? died(err) : code; /* in a call back, perhaps */
}

static void release(leat_session *session)
{
    leat_log_memory.release(session);
}

static leat_code pause(leat_session *session, leat_str topic, int32_t partition, leat_err *err)
{
    LEAT_TRY(fate(worker_of(session), LEAT_ERR_UNAVAILABLE, err));
    return leat_log_memory.pause(session, topic, partition, err);
}

static leat_code resume(leat_session *session, leat_str topic, int32_t partition, leat_err *err)
{
    LEAT_TRY(fate(worker_of(session), LEAT_ERR_UNAVAILABLE, err));
    return leat_log_memory.resume(session, topic, partition, err);
}

static leat_code seek(leat_session *session, leat_str topic, int32_t partition, int64_t offset,
                      leat_err *err)
{
    LEAT_TRY(fate(worker_of(session), LEAT_ERR_UNAVAILABLE, err));
    return leat_log_memory.seek(session, topic, partition, offset, err);
}

static leat_code produce(leat_session *session, const leat_produce *record, leat_err *err)
{
    LEAT_TRY(fate(worker_of(session), LEAT_ERR_ABORTED, err));
    LEAT_TRY(leat_log_memory.produce(session, record, err));
    return die_perhaps(worker_of(session), err);
}

static leat_code commit(leat_session *session, const leat_partition *offsets, size_t count,
                        leat_err *err)
{
    LEAT_TRY(fate(worker_of(session), LEAT_ERR_ABORTED, err));
    LEAT_TRY(leat_log_memory.commit(session, offsets, count, err));
    return die_perhaps(worker_of(session), err); /* it has committed, and nobody knows */
}

static leat_code abort_transaction(leat_session *session, leat_err *err)
{
    LEAT_TRY(fate(worker_of(session), LEAT_ERR_UNAVAILABLE, err));
    LEAT_TRY(leat_log_memory.abort(session, err));
    return die_perhaps(worker_of(session), err);
}

static leat_code committed(leat_session *session, leat_partition *partitions, size_t count,
                           leat_err *err)
{
    LEAT_TRY(fate(worker_of(session), LEAT_ERR_UNAVAILABLE, err));
    return leat_log_memory.committed(session, partitions, count, err);
}

static leat_code restore_open(leat_session *session, leat_str topic, int32_t partition,
                              leat_restore **restore, leat_err *err)
{
    LEAT_TRY(fate(worker_of(session), LEAT_ERR_UNAVAILABLE, err));
    return leat_log_memory.restore_open(session, topic, partition, restore, err);
}

/* Whose it is the port does not say: it may fail, not kill. */
static leat_code restore_read(leat_restore *restore, int timeout_ms, leat_message *messages,
                              size_t size, size_t *count, bool *done, leat_err *err)
{
    (void)timeout_ms;
    faults->counted_calls++;
    if (sim_chance(&faults->random, faults->errors)) {
        faults->counted_errors++;
        return leat_err_set(err, LEAT_ERR_UNAVAILABLE, "simulated: the changelog");
    }
    size_t some = 1 + sim_below(&faults->random, faults->batch_max);
    return leat_log_memory.restore_read(restore, 0, messages, some < size ? some : size, count,
                                        done, err);
}

static leat_code open_log(const leat_log_config *config, leat_log **log, leat_err *err)
{
    return leat_log_memory.open(config, log, err);
}

static void close_log(leat_log **log)
{
    leat_log_memory.close(log);
}

static bool in_transaction(const leat_session *session)
{
    return leat_log_memory.in_transaction(session);
}

static size_t lags(leat_session *session, leat_lag *into, size_t size)
{
    return leat_log_memory.lags(session, into, size);
}

static bool ended(const leat_session *session, leat_str topic, int32_t partition)
{
    return leat_log_memory.ended(session, topic, partition);
}

static void restore_release(leat_restore *restore)
{
    leat_log_memory.restore_release(restore);
}

static void restore_close(leat_restore **restore)
{
    leat_log_memory.restore_close(restore);
}

static leat_code describe(leat_log *log, leat_str topic, int timeout_ms, leat_topic_info *info,
                          leat_err *err)
{
    return leat_log_memory.describe(log, topic, timeout_ms, info, err);
}

static leat_code create(leat_log *log, const leat_topic_spec *spec, int timeout_ms, leat_err *err)
{
    return leat_log_memory.create(log, spec, timeout_ms, err);
}

const leat_log_type sim_log = {
    .name = "simulated",
    .open = open_log,
    .close = close_log,
    .describe = describe,
    .describe_settings = describe,
    .create = create,
    .session_open = session_open,
    .session_close = session_close,
    .poll = poll,
    .release = release,
    .pause = pause,
    .resume = resume,
    .seek = seek,
    .produce = produce,
    .commit = commit,
    .abort = abort_transaction,
    .in_transaction = in_transaction,
    .committed = committed,
    .restore_open = restore_open,
    .restore_read = restore_read,
    .restore_release = restore_release,
    .restore_close = restore_close,
    .lags = lags,
    .ended = ended,
};
