/* SPDX-License-Identifier: Apache-2.0 */
/* Consumer groups of the embedded log: eager rebalancing, range assignment.
 *
 *   STABLE --a member joins or leaves, a wanted topic appears--> PREPARING
 *   PREPARING: each member, in its own poll, gives up all it has and joins the new generation
 *   PREPARING --all have joined, or the time-out--> STABLE, partitions given out anew
 *
 * While a rebalance is under way, members of the old generation may still commit: that is what the
 * revoke callback does. Who has not joined by the deadline is put out; its commits fail from then
 * on, and its next poll tells it that its partitions are lost.
 *
 * Range: partition p of every topic goes to the same member, as long as the topics have as many
 * partitions; that keeps inputs that are joined together. Members are ordered by instance, then by
 * age, so a restart of a static member finds the same partitions.
 * Refused: cooperative rebalancing. It saves a pause of milliseconds here, and costs the second
 * round. */
#include "worker/log_memory.h"

#include "core/mem.h"

leat_memory_group *leat_memory_group_get(leat_memory_store *store, leat_str name)
{
    for (leat_memory_group *group = store->groups; group != NULL; group = group->next)
        if (leat_str_is(name, group->name)) return group;
    leat_memory_group *group = leat_mem_need(sizeof *group);
    group->name = leat_mem_need(name.len + 1);
    memcpy(group->name, name.data, name.len);
    group->next = store->groups;
    store->groups = group;
    return group;
}

bool leat_memory_subscribes(const leat_memory_subscription *subscription, const char *topic)
{
    if (subscription->pattern != NULL)
        return leat_regex_matches(subscription->pattern, leat_str_of(topic));
    return strcmp(subscription->name, topic) == 0;
}

static bool wants(const leat_memory_member *member, const char *topic)
{
    for (size_t i = 0; i < member->subscriptions_count; i++)
        if (leat_memory_subscribes(&member->subscriptions[i], topic)) return true;
    return false;
}

static void prepare(leat_memory_store *store, leat_memory_group *group)
{
    bool again = group->preparing;
    group->preparing = true;
    group->deadline_ms = leat_clock_ms() + store->rebalance_timeout_ms;
    /* Who has nothing to give up has joined already. */
    for (leat_memory_member *member = group->members; member != NULL; member = member->next)
        member->joined = (again && member->joined) || member->generation == 0 || member->fresh;
    leat_memory_signal(store);
}

void leat_memory_member_free(leat_memory_member *member)
{
    LEAT_ASSERT(member->group == NULL);
    for (size_t i = 0; i < member->subscriptions_count; i++) {
        leat_regex_free(&member->subscriptions[i].pattern);
        leat_mem_free(member->subscriptions[i].name);
    }
    leat_mem_free(member->subscriptions);
    leat_mem_free(member->instance);
    leat_mem_free(member->given);
    leat_mem_free(member);
}

static void take_out(leat_memory_member *member)
{
    leat_memory_group *group = member->group;
    leat_memory_member **at = &group->members;
    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    member->group = NULL;
    member->next = NULL;
    member->fresh = false;
    leat_mem_free(member->given);
    member->given = NULL;
    member->given_count = 0;
    if (member->orphan_until_ms > 0) leat_memory_member_free(member);
}

static int member_order(const leat_memory_member *a, const leat_memory_member *b)
{
    if (a->instance != NULL && b->instance != NULL) return strcmp(a->instance, b->instance);
    if (a->instance != NULL || b->instance != NULL) return a->instance != NULL ? -1 : 1;
    return a->number < b->number ? -1 : 1;
}

void leat_memory_group_join(leat_memory_store *store, leat_memory_group *group,
                            leat_memory_member *member)
{
    LEAT_ASSERT(member->group == NULL);
    for (leat_memory_member *other = group->members; other != NULL; other = other->next) {
        if (member->instance == NULL || other->instance == NULL) continue;
        if (strcmp(other->instance, member->instance) != 0) continue;
        other->fenced = true;
        take_out(other);
        break;
    }
    member->number = ++group->joins;
    member->group = group;
    member->generation = 0;
    leat_memory_member **at = &group->members;
    while (*at != NULL && member_order(*at, member) < 0)
        at = &(*at)->next;
    member->next = *at;
    *at = member;
    prepare(store, group);
}

void leat_memory_group_leave(leat_memory_store *store, leat_memory_member *member)
{
    leat_memory_group *group = member->group;
    if (group == NULL) return;
    take_out(member);
    if (group->members != NULL) prepare(store, group);
}

/* --- assignment --- */

static void give(leat_memory_member *member, leat_memory_topic *topic, int32_t from, int32_t to)
{
    size_t more = (size_t)(to - from);
    if (more == 0) return;
    leat_memory_place *given = leat_mem_need((member->given_count + more) * sizeof *given);
    if (member->given_count > 0) memcpy(given, member->given, member->given_count * sizeof *given);
    leat_mem_free(member->given);
    member->given = given;
    for (int32_t p = from; p < to; p++)
        given[member->given_count++] = (leat_memory_place){topic, p, LEAT_OFFSET_NONE};
}

static void assign_topic(leat_memory_group *group, leat_memory_topic *topic)
{
    int32_t takers = 0;
    for (leat_memory_member *member = group->members; member != NULL; member = member->next)
        takers += wants(member, topic->name);
    if (takers == 0) return;
    int32_t share = topic->partitions_count / takers, rest = topic->partitions_count % takers;
    int32_t at = 0;
    for (leat_memory_member *member = group->members; member != NULL; member = member->next) {
        if (!wants(member, topic->name)) continue;
        int32_t many = share + (rest-- > 0 ? 1 : 0);
        give(member, topic, at, at + many);
        at += many;
    }
    LEAT_ASSERT(at == topic->partitions_count);
}

static void assign(leat_memory_store *store, leat_memory_group *group)
{
    group->generation++;
    group->preparing = false;
    group->topics_version = store->topics_version;
    for (leat_memory_member *member = group->members; member != NULL; member = member->next) {
        leat_mem_free(member->given);
        member->given = NULL;
        member->given_count = 0;
        member->generation = group->generation;
        member->fresh = true;
    }
    for (leat_memory_topic *topic = store->topics; topic != NULL; topic = topic->next)
        assign_topic(group, topic);
    leat_memory_signal(store);
}

/* Have topics come that somebody wants, or does it only look so? */
static bool topics_changed(const leat_memory_store *store, leat_memory_group *group)
{
    size_t wanted = 0, given = 0;
    for (leat_memory_member *member = group->members; member != NULL; member = member->next)
        given += member->given_count;
    for (leat_memory_topic *topic = store->topics; topic != NULL; topic = topic->next)
        for (leat_memory_member *member = group->members; member != NULL; member = member->next)
            if (wants(member, topic->name)) {
                wanted += (size_t)topic->partitions_count;
                break;
            }
    group->topics_version = store->topics_version;
    return wanted != given;
}

/* What ends a stable time: a member that has vanished, topics that have come. */
static bool disturbed(const leat_memory_store *store, leat_memory_group *group)
{
    for (leat_memory_member *member = group->members; member != NULL; member = member->next) {
        if (member->orphan_until_ms == 0 || leat_clock_ms() < member->orphan_until_ms) continue;
        take_out(member);
        return true;
    }
    if (group->topics_version == store->topics_version) return false;
    return topics_changed(store, group);
}

int64_t leat_memory_group_due(const leat_memory_group *group)
{
    int64_t due = group->preparing ? group->deadline_ms : INT64_MAX;
    for (leat_memory_member *member = group->members; member != NULL; member = member->next)
        if (member->orphan_until_ms > 0 && member->orphan_until_ms < due)
            due = member->orphan_until_ms;
    return due;
}

void leat_memory_group_turn(leat_memory_store *store, leat_memory_group *group)
{
    if (!group->preparing) {
        if (group->members != NULL && disturbed(store, group)) prepare(store, group);
        return;
    }
    bool late = leat_clock_ms() >= group->deadline_ms;
    for (leat_memory_member *member = group->members, *next; member != NULL; member = next) {
        next = member->next;
        if (member->joined) continue;
        if (!late) return;
        take_out(member);
    }
    if (group->members != NULL)
        assign(store, group);
    else
        group->preparing = false;
}

/* --- committed offsets --- */

static leat_memory_place *commit_of(const leat_memory_group *group, const leat_memory_topic *topic,
                                    int32_t partition)
{
    for (size_t i = 0; i < group->commits_count; i++)
        if (group->commits[i].topic == topic && group->commits[i].partition == partition)
            return &group->commits[i];
    return NULL;
}

int64_t leat_memory_committed(const leat_memory_group *group, const leat_memory_topic *topic,
                              int32_t partition)
{
    const leat_memory_place *place = commit_of(group, topic, partition);
    return place == NULL ? LEAT_OFFSET_NONE : place->offset;
}

void leat_memory_commit(leat_memory_group *group, const leat_memory_place *place)
{
    LEAT_ASSERT(place->offset >= 0);
    leat_memory_place *old = commit_of(group, place->topic, place->partition);
    if (old != NULL) {
        old->offset = place->offset;
        return;
    }
    size_t count = group->commits_count;
    if ((count & (count - 1)) == 0) { /* full at each power of two */
        leat_memory_place *commits = leat_mem_need((count == 0 ? 1 : count * 2) * sizeof *commits);
        if (count > 0) memcpy(commits, group->commits, count * sizeof *commits);
        leat_mem_free(group->commits);
        group->commits = commits;
    }
    group->commits[group->commits_count++] = *place;
}

int64_t leat_memory_floor(const leat_memory_store *store, const leat_memory_topic *topic,
                          int32_t partition)
{
    int64_t floor = INT64_MAX;
    for (const leat_memory_group *group = store->groups; group != NULL; group = group->next) {
        bool wanted = false;
        for (const leat_memory_member *member = group->members; member != NULL && !wanted;
             member = member->next)
            wanted = wants(member, topic->name);
        if (!wanted) continue;
        int64_t committed = leat_memory_committed(group, topic, partition);
        if (committed < 0) committed = 0;
        if (committed < floor) floor = committed;
    }
    return floor;
}

void leat_memory_groups_free(leat_memory_store *store)
{
    while (store->groups != NULL) {
        leat_memory_group *group = store->groups;
        store->groups = group->next;
        while (group->members != NULL) {
            LEAT_ASSERT(group->members->orphan_until_ms > 0); /* sessions end before their log */
            take_out(group->members);
        }
        leat_mem_free(group->commits);
        leat_mem_free(group->name);
        leat_mem_free(group);
    }
}
