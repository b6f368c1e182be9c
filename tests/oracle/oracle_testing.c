/* SPDX-License-Identifier: Apache-2.0 */
/* Names mean what LANGUAGE says: a step is the list of events that it has taken, `event` the event
 * in hand, anything else a field of it. A list is built anew for each evaluation; nothing is
 * remembered but the parsed form of events. */
#include "tests/oracle/oracle_testing.h"

#include "core/mem.h"
#include "schemas/codec_json.h"
#include "transforms/expr.h"

#define ARENA_BYTES ((size_t)256 << 20)
#define FIELDS_MAX  256

enum { INDEX_STEP, INDEX_EVENT = LEAT_PATTERN_PARTS_MAX, INDEX_FIELD };

typedef struct parsed {
    uint64_t offset;
    leat_value map;
} parsed;

struct oracle_testing {
    leat_scope scope; /* first */
    const leat_pattern *pattern;
    leat_expr **exprs; /* by number; then that of order_by */
    leat_str fields[FIELDS_MAX];
    uint32_t fields_count;
    leat_arena *kept; /* what lives as long as this */
    parsed *events;
    size_t events_count, events_size;
    oracle_host host;
    leat_event *event;
    leat_arena *arena;
    const oracle_take *takes;
};

static leat_value map_of(oracle_testing *t, const leat_event *event)
{
    static const leat_json_limits limits = {LEAT_EVENT_DEPTH_MAX, 1u << 30};
    leat_value map = LEAT_VALUE_NULL;
    leat_err err = {0};
    for (size_t i = t->events_count; i-- > 0;)
        if (t->events[i].offset == event->offset) return t->events[i].map;
    leat_str text = leat_arena_copy(t->kept, leat_event_json(event));
    leat_code code = leat_json_value(text, limits, t->kept, &map, &err);
    LEAT_ASSERT(code == LEAT_OK && map.tag == LEAT_MAP);
    if (t->events_count == t->events_size) {
        size_t size = t->events_size == 0 ? 64 : t->events_size * 2;
        parsed *grown = leat_mem_try_resize(t->events, size * sizeof *grown);
        LEAT_ASSERT(grown != NULL);
        t->events = grown;
        t->events_size = size;
    }
    t->events[t->events_count++] = (parsed){event->offset, map};
    return map;
}

static leat_code resolve(leat_scope *scope, const leat_str *names, size_t count, bool absolute,
                         leat_ref *ref, leat_str *nearest, leat_err *err)
{
    oracle_testing *t = (oracle_testing *)scope;
    uint32_t step = 0;
    (void)nearest;
    (void)err;
    *ref = (leat_ref){.kind = LEAT_REF_EXTERN, .index = INDEX_EVENT, .used = 1};
    if (!absolute && leat_pattern_step(t->pattern, names[0], &step)) {
        ref->index = INDEX_STEP + step;
        return LEAT_OK;
    }
    bool event = leat_str_is(names[0], "event");
    if (event && count == 1) return LEAT_OK;
    LEAT_ASSERT(t->fields_count < FIELDS_MAX);
    ref->used = event ? 2 : 1;
    ref->index = INDEX_FIELD + t->fields_count;
    t->fields[t->fields_count++] = leat_arena_copy(t->kept, names[event ? 1 : 0]);
    return LEAT_OK;
}

static leat_code load(void *self, uint32_t index, leat_arena *arena, leat_value *value,
                      leat_err *err)
{
    oracle_testing *t = self;
    leat_value map = map_of(t, t->event);
    (void)err;
    *value = map;
    if (index == INDEX_EVENT) return LEAT_OK;
    if (index >= INDEX_FIELD) {
        *value = LEAT_VALUE_MISSING;
        for (uint32_t i = 0; i < map.len; i++)
            if (leat_str_equal(leat_value_str(map.as.entries[i].key),
                               t->fields[index - INDEX_FIELD]))
                *value = map.as.entries[i].value;
        return LEAT_OK;
    }
    uint32_t count = 0;
    for (const oracle_take *take = t->takes; take != NULL; take = take->before)
        count += take->step == index;
    leat_value *items = leat_arena_array(arena, count, sizeof *items);
    LEAT_ASSERT(items != NULL);
    uint32_t at = count;
    for (const oracle_take *take = t->takes; take != NULL; take = take->before)
        if (take->step == index) items[--at] = map_of(t, take->event);
    *value = leat_value_list(items, count);
    return LEAT_OK;
}

/* What fails is false. */
static leat_code test(void *self, uint32_t condition, const oracle_take *takes, bool *holds,
                      leat_err *err)
{
    oracle_testing *t = self;
    leat_eval eval = {.arena = t->arena, .load = load, .self = t};
    t->takes = takes;
    *holds = false;
    leat_code code = leat_expr_test(t->exprs[condition], &eval, holds, err);
    if (code == LEAT_OK || leat_code_blame(code) != LEAT_BLAME_RECORD) return code;
    *holds = false;
    return LEAT_OK;
}

leat_value oracle_testing_order(oracle_testing *testing)
{
    leat_eval eval = {.arena = testing->arena, .load = load, .self = testing};
    leat_value value = LEAT_VALUE_NULL;
    leat_err err = {0};
    const leat_expr *expr = testing->exprs[testing->pattern->conditions_count];
    LEAT_ASSERT(expr != NULL);
    testing->takes = NULL;
    if (leat_expr_eval(expr, &eval, &value, &err) != LEAT_OK) return LEAT_VALUE_NULL;
    return value;
}

static leat_code share(void *self, leat_event **event, leat_err *err)
{
    const oracle_testing *t = self;
    (void)err;
    *event = leat_event_share(t->event);
    return LEAT_OK;
}

static leat_expr *compile(oracle_testing *t, leat_str text)
{
    leat_err err = {0};
    leat_expr *expr = NULL;
    leat_code code = leat_expr_compile(text, &t->scope, t->kept, &expr, &err);
    LEAT_ASSERT(code == LEAT_OK);
    return expr;
}

oracle_testing *oracle_testing_new(const leat_pattern *pattern)
{
    oracle_testing *made = leat_mem_need(sizeof *made);
    leat_err err = {0};
    leat_code code = leat_arena_new(&made->kept, ARENA_BYTES, &err);
    LEAT_ASSERT(code == LEAT_OK);
    made->scope = (leat_scope){.resolve = resolve, .aggregates = true};
    made->pattern = pattern;
    made->host = (oracle_host){made, test, share};
    uint32_t count = pattern->conditions_count;
    made->exprs = leat_mem_need((count + 1) * sizeof(leat_expr *));
    for (uint32_t i = 0; i < count; i++)
        made->exprs[i] = compile(made, pattern->conditions[i].node->text);
    if (pattern->order_by != NULL) made->exprs[count] = compile(made, pattern->order_by->text);
    return made;
}

void oracle_testing_free(oracle_testing **testing)
{
    oracle_testing *gone = *testing;
    if (gone == NULL) return;
    leat_mem_free(gone->exprs);
    leat_mem_free(gone->events);
    leat_arena_free(&gone->kept);
    leat_mem_free(gone);
    *testing = NULL;
}

void oracle_testing_begin(oracle_testing *testing, leat_event *event, leat_arena *arena)
{
    testing->event = event;
    testing->arena = arena;
}

const oracle_host *oracle_testing_host(const oracle_testing *testing)
{
    return &testing->host;
}
