/* SPDX-License-Identifier: Apache-2.0 */
/* Has every partition of the input an owner? A look at the whole group after each change of what
 * this member owns, and a remedy for partitions that nobody has.
 *
 *   assigned, revoked -> wait a little -> describe the group -> all owned: done, until it changes
 *                                             |
 *               still giving out: again  <----+----> unowned, three times in a row: visit, again
 *
 * A cooperative rebalance has two steps: first those who have too much give up, then the others are
 * given it. In between partitions have no owner, and the second step comes from whoever gives up.
 * A static member that is killed in between comes back to the assignment of the first step without
 * a rebalance, which is what static members are for, and nobody knows any more that a second step
 * is due: those partitions would stand still until some other change. A member that joins and
 * leaves again is such a change: the visitor. It has the session's settings but no instance name,
 * reads nothing, and is gone after a moment; each of its two rebalances gives out what nobody owns.
 *
 * A bounded run asks too (leat_kafka_whole): partitions on their way from one shard to another have
 * not been read to their end by anyone.
 *
 * All of it happens in a thread of its own, as asking takes as long as the brokers take. Pauses are
 * drawn at random, so that of many members that see the same one is first and the others then see a
 * group that is busy, or whole. Visits in vain become rarer and end: then somebody else's member of
 * the group is in the way.
 * Refused: the eager protocol, which has one step, but stops all partitions each time; a visit at
 * each start, which would make a rebalance of each restart. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/mem.h"
#include "core/regex.h"
#include "worker/clock.h"
#include "worker/log_kafka_client.h"

#define SLICE_MS   100  /* between looks at the stop flag */
#define LOOK_MS    200  /* after a change; doubled while the group is busy */
#define BUSY_MS    3200 /* at most */
#define SIGHT_MS   400  /* and up to as much again: between looks at unowned partitions */
#define SIGHTINGS  3    /* who has too much may still be at giving up */
#define ASK_MS     1000
#define VISIT_MS   30000
#define LEAVE_MS   4000
#define VISITS_MAX 5     /* in a row, in vain */
#define AGAIN_MS   2000  /* before the second visit; doubled for each */
#define REST_MS    60000 /* between looks after the last */

struct kafka_census {
    leat_session *session;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    bool stopping;
    uint64_t changes; /* of what the session owns */
    uint64_t whole;   /* the last of them after which all partitions had an owner */
    char *member;     /* the session's id in the group */
    size_t owned;     /* partitions of the session */
};

/* The notice comes first: it is what callbacks are given. */
typedef struct visitor {
    leat_kafka_notice notice;
    bool assigned;
} visitor;

static uint32_t dice(uint32_t most)
{
    uint16_t thrown = 0;
    if (getrandom(&thrown, sizeof thrown, 0) != sizeof thrown) thrown = 0;
    return most * thrown / UINT16_MAX;
}

static bool stopping(kafka_census *census)
{
    pthread_mutex_lock(&census->lock);
    bool stop = census->stopping;
    pthread_mutex_unlock(&census->lock);
    return stop;
}

/* --- the look --- */

/* A big-endian number of the assignment; false: there are no so many bytes. */
static bool number(leat_str *bytes, size_t size, uint32_t *value)
{
    if (bytes->len < size) return false;
    *value = 0;
    for (size_t i = 0; i < size; i++)
        *value = *value << 8 | (unsigned char)bytes->data[i];
    *bytes = leat_str_slice(*bytes, size, bytes->len);
    return true;
}

/* How many partitions a member has been given, of one topic or (NULL) of all. The assignment is
 * that of Kafka's ConsumerProtocol: version, topics with their partitions, what the assignor adds.
 * Of one that cannot be read, those before the place count. */
static size_t given_to(const struct rd_kafka_group_member_info *member, const char *topic)
{
    leat_str bytes = {member->member_assignment, (size_t)member->member_assignment_size};
    uint32_t version, topics, len, partitions;
    size_t count = 0;
    if (bytes.data == NULL || !number(&bytes, 2, &version) || !number(&bytes, 4, &topics)) return 0;
    for (uint32_t i = 0; i < topics; i++) {
        if (!number(&bytes, 2, &len) || len > bytes.len) return count;
        leat_str name = leat_str_slice(bytes, 0, len);
        bytes = leat_str_slice(bytes, len, bytes.len);
        if (!number(&bytes, 4, &partitions) || partitions > bytes.len / 4) return count;
        bytes = leat_str_slice(bytes, (size_t)partitions * 4, bytes.len);
        if (topic == NULL || leat_str_is(name, topic)) count += partitions;
    }
    return count;
}

/* How many partitions of a topic the members own, all together. */
static size_t owned_of(const struct rd_kafka_group_info *group, const char *topic)
{
    size_t count = 0;
    for (int i = 0; i < group->member_cnt; i++)
        count += given_to(&group->members[i], topic);
    return count;
}

/* What the brokers know of a subscription's topics; NULL: no answer. */
static const struct rd_kafka_metadata *topics_of(rd_kafka_t *admin, const leat_subscription *wanted,
                                                 bool by_pattern)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *topic =
        by_pattern ? NULL : rd_kafka_topic_new(admin, wanted->topic.data, NULL);
    rd_kafka_resp_err_t code = rd_kafka_metadata(admin, by_pattern, topic, &metadata, ASK_MS);
    if (topic != NULL) rd_kafka_topic_destroy(topic);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? metadata : NULL;
}

/* False: no answer. */
static bool add_unowned(rd_kafka_t *admin, const struct rd_kafka_group_info *group,
                        const leat_subscription *wanted, size_t *unowned)
{
    leat_regex *pattern = NULL;
    leat_err ignored; /* the planner has compiled it before */
    bool by_pattern = wanted->topic.len > 0 && wanted->topic.data[0] == '^';
    if (by_pattern && leat_regex_new(&pattern, wanted->topic, &ignored) != LEAT_OK) return false;
    const struct rd_kafka_metadata *metadata = topics_of(admin, wanted, by_pattern);
    for (int i = 0; metadata != NULL && i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];
        if (by_pattern && !leat_regex_matches(pattern, leat_str_of(topic->topic))) continue;
        size_t partitions = (size_t)topic->partition_cnt, owned = owned_of(group, topic->topic);
        if (owned < partitions) *unowned += partitions - owned;
    }
    leat_regex_free(&pattern);
    if (metadata != NULL) rd_kafka_metadata_destroy(metadata);
    return metadata != NULL;
}

/* Is what the group says all there is to it? A visitor will go, and nobody reads what it owns; and
 * the session itself may not have heard yet what it has been given. */
static bool settled(kafka_census *census, const struct rd_kafka_group_info *group)
{
    bool visited = false, heard = false;
    if (group->state == NULL || strcmp(group->state, "Stable") != 0) return false;
    pthread_mutex_lock(&census->lock);
    for (int i = 0; i < group->member_cnt; i++) {
        const struct rd_kafka_group_member_info *member = &group->members[i];
        const char *client = member->client_id, *id = member->member_id;
        visited |= client != NULL && strcmp(client, LEAT_KAFKA_VISITOR_ID) == 0;
        if (id != NULL && census->member != NULL && strcmp(id, census->member) == 0)
            heard = census->owned == given_to(member, NULL);
    }
    pthread_mutex_unlock(&census->lock);
    return heard && !visited;
}

typedef enum sight { BUSY, WHOLE, UNOWNED } sight;

static sight count(kafka_census *census, rd_kafka_t *admin, const struct rd_kafka_group_info *group,
                   size_t *unowned)
{
    const leat_session *session = census->session;
    if (!settled(census, group)) return BUSY;
    *unowned = 0;
    for (size_t i = 0; i < session->subscriptions_count; i++)
        if (!add_unowned(admin, group, &session->subscriptions[i], unowned)) return BUSY;
    return *unowned == 0 ? WHOLE : UNOWNED;
}

/* Who may not ask, or asks brokers that do not know the question, has to believe that all is well,
 * as others do who never ask. */
static bool unanswerable(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE;
}

/* By the call that asks all brokers, as the library's newer one (DescribeConsumerGroups) ends the
 * process by an assertion where the coordinator is away at the wrong moment. */
static sight look(kafka_census *census, size_t *unowned)
{
    leat_session *session = census->session;
    rd_kafka_t *admin = NULL;
    leat_err ignored; /* asked again */
    if (leat_kafka_admin_get(session->log, &admin, &ignored) != LEAT_OK) return BUSY;
    const struct rd_kafka_group_list *groups = NULL;
    rd_kafka_resp_err_t code = rd_kafka_list_groups(admin, session->group, &groups, ASK_MS);
    sight seen = unanswerable(code) ? WHOLE : BUSY;
    if (groups == NULL) return seen;
    if (groups->group_cnt == 1) {
        const struct rd_kafka_group_info *group = &groups->groups[0];
        if (unanswerable(group->err)) seen = WHOLE;
        if (group->err == RD_KAFKA_RESP_ERR_NO_ERROR) seen = count(census, admin, group, unowned);
    }
    rd_kafka_group_list_destroy(groups);
    return seen;
}

/* --- the visitor --- */

void leat_kafka_on_visit(rd_kafka_t *handle, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    visitor *guest = opaque;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        guest->assigned = true;
        leat_kafka_assign_idle(handle, list);
    } else if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        leat_kafka_unassign(handle, list);
    } else {
        rd_kafka_assign(handle, NULL);
    }
}

/* Joins, and waits until the group has given out its partitions anew. */
static void join(kafka_census *census, rd_kafka_t *handle, const visitor *guest)
{
    rd_kafka_poll_set_consumer(handle);
    rd_kafka_resp_err_t code = leat_kafka_subscribe(census->session, handle);
    int64_t deadline = leat_clock_ms() + VISIT_MS;
    while (code == RD_KAFKA_RESP_ERR_NO_ERROR && !guest->assigned && !stopping(census) &&
           leat_clock_ms() < deadline) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(handle, SLICE_MS);
        if (message != NULL) rd_kafka_message_destroy(message); /* on_log has said what it was */
    }
}

static void visit(kafka_census *census, size_t unowned)
{
    leat_session *session = census->session;
    leat_err err;
    rd_kafka_t *handle = NULL;
    char text[LEAT_KAFKA_REASON_MAX];
    snprintf(text, sizeof text,
             "%zu partition(s) of the input have no owner in group %.128s: a visitor joins it, so "
             "that they are given out anew",
             unowned, session->group);
    leat_kafka_speak(session->log, 1, "census", text);
    visitor *guest = leat_mem_need(sizeof *guest);
    pthread_mutex_init(&guest->notice.lock, NULL);
    bool gone = true; /* what is not may still call back */
    if (leat_kafka_handle_new(session->log, session, LEAT_KAFKA_VISITOR, &guest->notice, &handle,
                              &err) == LEAT_OK) {
        join(census, handle, guest);
        gone = leat_kafka_handle_leave(handle, guest->assigned, LEAVE_MS);
        if (gone)
            gone = leat_kafka_destroy(session, handle, "visitor");
        else
            leat_kafka_leave_behind(session, "visitor");
    } else {
        leat_kafka_speak(session->log, 1, "census", err.text);
    }
    if (!gone) return;
    pthread_mutex_destroy(&guest->notice.lock);
    leat_mem_free(guest);
}

/* --- the thread --- */

/* What it keeps in mind from look to look. */
typedef struct outlook {
    uint32_t sightings, visits;
    int64_t visit_ms; /* not before */
} outlook;

/* One look, and what follows from it; *pause_ms: until the next. */
static sight look_and_act(kafka_census *census, outlook *kept, int64_t *pause_ms)
{
    size_t unowned = 0;
    sight seen = look(census, &unowned);
    *pause_ms = *pause_ms > BUSY_MS / 2 ? BUSY_MS : *pause_ms * 2;
    if (seen == WHOLE) kept->visits = 0;
    kept->sightings = seen == UNOWNED ? kept->sightings + 1 : 0;
    if (seen != UNOWNED) return seen;
    *pause_ms = SIGHT_MS + dice(SIGHT_MS);
    if (kept->sightings < SIGHTINGS || leat_clock_ms() < kept->visit_ms) return seen;
    kept->sightings = 0;
    if (kept->visits < VISITS_MAX) {
        visit(census, unowned);
        kept->visit_ms = leat_clock_ms() + ((int64_t)AGAIN_MS << kept->visits++);
    } else {
        leat_kafka_speak(census->session->log, 1, "census",
                         "partitions of the input still have no owner: does a member of the group "
                         "read other topics?");
        *pause_ms = REST_MS;
    }
    return seen;
}

/* False: there was a change meanwhile, or the end has come. */
static bool rest(kafka_census *census, int64_t pause_ms)
{
    uint64_t changes = census->changes;
    int64_t due_ms = leat_clock_ms() + pause_ms;
    struct timespec until = {.tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000};
    int code = 0;
    while (code == 0 && !census->stopping && census->changes == changes)
        code = pthread_cond_timedwait(&census->wake, &census->lock, &until);
    return !census->stopping && census->changes == changes;
}

static void *watch(void *context)
{
    kafka_census *census = context;
    outlook kept = {0};
    int64_t pause_ms = LOOK_MS;
    pthread_mutex_lock(&census->lock);
    while (!census->stopping) {
        if (census->whole == census->changes) {
            pthread_cond_wait(&census->wake, &census->lock);
        } else if (!rest(census, pause_ms)) {
            pause_ms = LOOK_MS;
            kept.sightings = 0;
        } else {
            uint64_t changes = census->changes;
            pthread_mutex_unlock(&census->lock);
            sight seen = look_and_act(census, &kept, &pause_ms);
            pthread_mutex_lock(&census->lock);
            if (seen == WHOLE) census->whole = changes;
        }
    }
    pthread_mutex_unlock(&census->lock);
    return NULL;
}

leat_code leat_kafka_census_start(leat_session *session, leat_err *err)
{
    kafka_census *census = leat_mem_need(sizeof *census);
    pthread_condattr_t clock;
    census->session = session;
    pthread_mutex_init(&census->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&census->wake, &clock);
    pthread_condattr_destroy(&clock);
    int code = pthread_create(&census->thread, NULL, watch, census);
    if (code == 0) {
        session->census = census;
        return LEAT_OK;
    }
    pthread_cond_destroy(&census->wake);
    pthread_mutex_destroy(&census->lock);
    leat_mem_free(census);
    return leat_err_set(err, LEAT_ERR_MEMORY, "no thread for the census: %s", strerror(code));
}

void leat_kafka_census_stop(leat_session *session, int timeout_ms)
{
    kafka_census *census = session->census;
    if (census == NULL) return;
    session->census = NULL;
    pthread_mutex_lock(&census->lock);
    census->stopping = true;
    pthread_cond_signal(&census->wake);
    pthread_mutex_unlock(&census->lock);
    if (!leat_kafka_join_in_time(census->thread, timeout_ms)) {
        leat_kafka_leave_behind(session, "census");
        return;
    }
    pthread_cond_destroy(&census->wake);
    pthread_mutex_destroy(&census->lock);
    leat_mem_free(census->member);
    leat_mem_free(census);
}

void leat_kafka_census_change(leat_session *session)
{
    kafka_census *census = session->census;
    if (census == NULL) return;
    char *member = rd_kafka_memberid(session->consumer);
    char *copy = member == NULL ? NULL : leat_mem_need_text(member);
    if (member != NULL) rd_kafka_mem_free(session->consumer, member);
    pthread_mutex_lock(&census->lock);
    leat_mem_free(census->member);
    census->member = copy;
    census->owned = session->owned_count;
    census->changes++;
    pthread_cond_signal(&census->wake);
    pthread_mutex_unlock(&census->lock);
}

bool leat_kafka_whole(leat_session *session)
{
    kafka_census *census = session->census;
    if (census == NULL) return true;
    pthread_mutex_lock(&census->lock);
    bool whole = census->whole == census->changes;
    pthread_mutex_unlock(&census->lock);
    return whole;
}
