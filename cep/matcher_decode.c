/* SPDX-License-Identifier: Apache-2.0 */
/* A matcher from its bytes (matcher_codec.c says what they are).
 *
 * Reading trusts nothing: counts are held against the bytes that are left, numbers against the
 * tables they point into, and every order that the matcher relies on is checked. First events and
 * depths are not written: they are worked out again. Of bytes that this process has written itself
 * two things are not found out again, which take longer than the rest: that an event's text is
 * JSON, and that what a bundle says of its takes is so.
 *
 * Most keys hold a few takes: nothing is allocated for them but the matcher and its events. */
#include "cep/matcher.h"

#include "cep/matcher_inside.h"
#include "core/mem.h"
#include "schemas/codec_json.h"

#define LITTLE 64 /* of so many nodes what is needed to read them is on the stack */
#define FEW    8  /* places of a bundle, likewise */

#define SEVERAL UINT32_MAX

typedef struct decoder {
    leat_reader in;
    uint8_t version;
    bool own; /* this process has written them */
    leat_pool *pool;
    leat_matcher *matcher;
    uint32_t *last;  /* by node: the latest event that a run of it ends with */
    uint32_t *depth; /* by node: takes of the longest */
    uint32_t *slots; /* by node and slot: as its runs have it; SEVERAL: not all alike */
    uint32_t little[2][LITTLE];
    leat_err *err;
} decoder;

/* Most numbers are one byte. */
static inline bool get(leat_reader *in, uint64_t *number)
{
    if (LEAT_UNLIKELY(in->failed || in->at == in->end || (*in->at & 0x80) != 0))
        return leat_reader_varuint(in, number);
    *number = (uint8_t)*in->at++;
    return true;
}

/* A count of things of at least `least` bytes each. */
static leat_code read_count(decoder *d, uint64_t least, uint64_t *count)
{
    if (!get(&d->in, count) || *count > (uint64_t)(d->in.end - d->in.at) / least)
        return matcher_damaged(d->err, "a count is larger than what follows");
    return LEAT_OK;
}

static bool read_time(decoder *d, const leat_event *before, int64_t *time_ms)
{
    uint64_t since = 0;
    if (before == NULL) return leat_reader_varint(&d->in, time_ms);
    if (!get(&d->in, &since)) return false;
    *time_ms = (int64_t)((uint64_t)before->timestamp_ms + since);
    return since <= (uint64_t)LEAT_TIME_MAX - (uint64_t)before->timestamp_ms;
}

static bool read_identity(decoder *d, const leat_event *before, leat_identity *identity)
{
    uint64_t since = 0;
    leat_reader *in = &d->in;
    if (d->version == MATCHER_VERSION_BEFORE)
        return leat_reader_u64(in, &identity->place) && leat_reader_u64(in, &identity->offset);
    if (!get(in, &since)) return false;
    if (since == 0)
        return leat_reader_u64(in, &identity->place) && leat_reader_varuint(in, &identity->offset);
    if (before == NULL || since > UINT64_MAX - before->offset) return false;
    *identity = (leat_identity){leat_event_identity(before).place, before->offset + since};
    return true;
}

/* before: in time; NULL: there is none. */
static leat_code read_event(decoder *d, const leat_event *before, leat_event **event)
{
    static const leat_json_limits limits = {LEAT_EVENT_DEPTH_MAX, UINT32_MAX};
    int64_t timestamp_ms = 0;
    leat_identity identity = {0, 0};
    leat_str json = LEAT_STR_NONE;
    if (d->version == MATCHER_VERSION_BEFORE) before = NULL;
    if (!read_time(d, before, &timestamp_ms) || !read_identity(d, before, &identity) ||
        !leat_reader_bytes(&d->in, &json))
        return matcher_damaged(d->err, "an event is cut short");
    leat_err why = {0};
    if (json.len > LEAT_EVENT_BYTES_MAX ||
        (!d->own && leat_json_validate(json, limits, &why) != LEAT_OK))
        return matcher_damaged(d->err, "an event is no JSON");
    return leat_event_new(d->pool, json, timestamp_ms, identity, event, d->err);
}

/* A number of at most `most`. */
static leat_code read_number(decoder *d, uint64_t most, uint32_t *number)
{
    uint64_t read = 0;
    if (!get(&d->in, &read) || read > most || read > UINT32_MAX)
        return matcher_damaged(d->err, "a number is too large");
    *number = (uint32_t)read;
    return LEAT_OK;
}

static leat_code read_events(decoder *d)
{
    uint64_t count = 0;
    graph *g = &d->matcher->graph;
    const leat_event *before = NULL;
    LEAT_TRY(read_count(d, 3, &count));
    for (; count > 0; count--) {
        leat_event *event = NULL;
        uint32_t number = 0;
        LEAT_TRY(read_event(d, before, &event));
        leat_code code = LEAT_OK;
        before = event;
        if (g->events_count > 0 && g->events[g->events_count - 1].time_ms > event->timestamp_ms)
            code = matcher_damaged(d->err, "events are out of order");
        if (code == LEAT_OK) code = graph_event_add(g, event, &number, d->err);
        if (code != LEAT_OK) leat_event_release(&event);
        LEAT_TRY(code);
    }
    return LEAT_OK;
}

/* How far back a node is, of those before number i. */
static leat_code read_back(decoder *d, uint32_t i, uint32_t *node)
{
    uint32_t back = 0;
    LEAT_TRY(read_number(d, i - 1, &back));
    *node = back == 0 ? 0 : i - back;
    return LEAT_OK;
}

static leat_code read_take(decoder *d, uint32_t i, uint32_t step)
{
    graph *g = &d->matcher->graph;
    uint32_t before = 0;
    uint32_t event = 0;
    LEAT_TRY(read_back(d, i, &before));
    LEAT_TRY(read_number(d, g->events_count, &event));
    if (event == 0 || (before != 0 && d->last[before] >= event))
        return matcher_damaged(d->err, "takes are out of order");
    if (step >= d->matcher->nfa->pattern->steps_count)
        return matcher_damaged(d->err, "a take is no step of the pattern");
    (void)graph_take(g, before, event, step);
    d->last[i] = event;
    d->depth[i] = d->depth[before] + 1;
    return LEAT_OK;
}

static leat_code read_union(decoder *d, uint32_t i)
{
    graph *g = &d->matcher->graph;
    uint32_t left = 0;
    uint32_t right = 0;
    LEAT_TRY(read_back(d, i, &left));
    LEAT_TRY(read_back(d, i, &right));
    if (left == 0 || right == 0 || left == right)
        return matcher_damaged(d->err, "a union has not two sides");
    if (graph_union(g, left, right) != i || g->nodes[i - 1].left != left)
        return matcher_damaged(d->err, "a union is out of order");
    d->last[i] = d->last[left] > d->last[right] ? d->last[left] : d->last[right];
    d->depth[i] = d->depth[left] > d->depth[right] ? d->depth[left] : d->depth[right];
    return LEAT_OK;
}

static leat_code read_nodes(decoder *d)
{
    uint64_t count = 0;
    graph *g = &d->matcher->graph;
    LEAT_TRY(read_count(d, 3, &count));
    if (count > GRAPH_NODES_MAX) return matcher_damaged(d->err, "there are too many takes");
    if (count == 0) return LEAT_OK;
    LEAT_TRY(graph_reserve(g, (uint32_t)count, d->err));
    bool little = count < LITTLE;
    d->last = little ? d->little[0] : leat_mem_try((count + 1) * sizeof *d->last);
    d->depth = little ? d->little[1] : leat_mem_try((count + 1) * sizeof *d->depth);
    if (d->last == NULL || d->depth == NULL)
        return leat_err_set(d->err, LEAT_ERR_MEMORY, "no memory for takes");
    d->last[0] = d->depth[0] = 0;
    for (uint32_t i = 1; i <= count; i++) {
        uint32_t kind = 0;
        LEAT_TRY(read_number(d, LEAT_PATTERN_PARTS_MAX, &kind));
        LEAT_TRY(kind == 0 ? read_union(d, i) : read_take(d, i, kind - 1));
        LEAT_ASSERT(g->nodes_count == i);
    }
    return LEAT_OK;
}

/* Of node i; of those that it points to they are there. */
static void find_slots_of(const decoder *d, uint32_t i)
{
    const machine *m = d->matcher->machine;
    const graph_node *n = graph_node_at(&d->matcher->graph, i);
    uint32_t *slots = d->slots + (size_t)i * m->slots_count;
    if (graph_is_take(n)) {
        const uint32_t *before = d->slots + (size_t)graph_before(n) * m->slots_count;
        for (uint32_t s = 0; s < m->slots_count; s++) {
            bool lost = before[s] == SEVERAL && m->slots[s].kind == SLOT_SIZE;
            slots[s] = lost ? SEVERAL
                            : machine_slot_after(&m->slots[s], before[s], graph_step_of(n->right),
                                                 graph_event_of(n->right));
        }
        return;
    }
    const uint32_t *left = d->slots + (size_t)n->left * m->slots_count;
    const uint32_t *right = d->slots + (size_t)n->right * m->slots_count;
    for (uint32_t s = 0; s < m->slots_count; s++)
        slots[s] = left[s] == right[s] ? left[s] : SEVERAL;
}

/* Slots are worked out again as well: an event that a partial match has not taken may go while the
 * partial match lives. Bytes of this process are not doubted. */
static leat_code find_slots(decoder *d)
{
    const graph *g = &d->matcher->graph;
    size_t width = d->matcher->machine->slots_count;
    if (d->own || width == 0 || g->nodes_count == 0) return LEAT_OK;
    d->slots = leat_mem_try(((size_t)g->nodes_count + 1) * width * sizeof *d->slots);
    if (d->slots == NULL) return leat_err_set(d->err, LEAT_ERR_MEMORY, "no memory for takes");
    memset(d->slots, 0, width * sizeof *d->slots);
    for (uint32_t i = 1; i <= g->nodes_count; i++)
        find_slots_of(d, i);
    return LEAT_OK;
}

static leat_code read_place(decoder *d, const place *places, uint32_t count, place *at)
{
    const leat_nfa *nfa = d->matcher->nfa;
    uint64_t state = 0;
    if (!get(&d->in, &state) || !get(&d->in, &at->alive) || !get(&d->in, &at->lifted))
        return matcher_damaged(d->err, "a place is cut short");
    if (state == 0 || state >= nfa->states_count)
        return matcher_damaged(d->err, "a place is no state of the pattern");
    uint32_t edges = nfa->states[state]->edges_count;
    uint64_t all = edges == 64 ? UINT64_MAX : ((uint64_t)1 << edges) - 1;
    if (at->alive == 0 || (at->alive & ~all) != 0 || (at->lifted & ~all) != 0)
        return matcher_damaged(d->err, "a place has edges that its state does not have");
    at->state = (uint32_t)state;
    for (uint32_t i = 0; i < count; i++)
        if (places[i].state == at->state) return matcher_damaged(d->err, "a place is there twice");
    return LEAT_OK;
}

static leat_code read_config(decoder *d, uint32_t *number)
{
    uint64_t count = 0;
    uint8_t fresh = 0;
    if (!leat_reader_u8(&d->in, &fresh) || fresh > 1)
        return matcher_damaged(d->err, "a bundle is cut short");
    LEAT_TRY(read_count(d, 3, &count));
    if (count == 0 || count > d->matcher->nfa->states_count)
        return matcher_damaged(d->err, "a bundle has no place");
    place few[FEW];
    place *places = few;
    if (count > FEW) places = leat_mem_try(count * sizeof *places);
    if (places == NULL) return leat_err_set(d->err, LEAT_ERR_MEMORY, "no memory for places");
    leat_code code = LEAT_OK;
    for (uint32_t i = 0; i < count && code == LEAT_OK; i++)
        code = read_place(d, places, i, &places[i]);
    if (code == LEAT_OK)
        code = machine_config_of(d->matcher->machine, places, (uint32_t)count, fresh != 0, number,
                                 d->err);
    if (places != few) leat_mem_free(places);
    return code;
}

/* A root of which something lives, and what the run that began last took last. */
static leat_code read_root(decoder *d, uint32_t *root, uint32_t *take)
{
    const graph *g = &d->matcher->graph;
    LEAT_TRY(read_number(d, g->nodes_count, root));
    if (*root == 0) return matcher_damaged(d->err, "a bundle has no root");
    const graph_node *n = graph_node_at(g, *root);
    while (!graph_is_take(n))
        n = graph_node_at(g, n->left);
    *take = n->right;
    return LEAT_OK;
}

static leat_code read_bundle(decoder *d)
{
    leat_matcher *matcher = d->matcher;
    const machine *m = matcher->machine;
    bundle *c = NULL;
    uint32_t last = 0;
    uint32_t config = 0;
    LEAT_TRY(read_config(d, &config));
    LEAT_TRY(bundle_add(m, &matcher->bundles, &c, d->err));
    c->config = config;
    LEAT_TRY(read_root(d, &c->root, &last));
    const machine_config *described = machine_config_at(m, config);
    for (uint32_t i = 0; i < described->places_count; i++)
        if (m->nfa->states[described->places[i].state]->part->step != graph_step_of(last))
            return matcher_damaged(d->err, "a bundle's last take is another step's");
    if (!graph_lives(&matcher->graph, c->root)) return matcher_damaged(d->err, "a bundle is dead");
    c->depth = d->depth[c->root];
    for (uint32_t i = 0; i < m->slots_count; i++) {
        if ((described->slots >> i & 1) == 0) continue;
        bool size = m->slots[i].kind == SLOT_SIZE;
        LEAT_TRY(read_number(d, size ? UINT32_MAX : matcher->graph.events_count, &c->slots[i]));
        if (m->slots[i].kind == SLOT_TAKE && c->slots[i] != graph_event_of(last))
            return matcher_damaged(d->err, "a bundle's last take is none of its own");
        if (d->slots != NULL && c->slots[i] != d->slots[(size_t)c->root * m->slots_count + i])
            return matcher_damaged(d->err, "a bundle has taken something else than it says");
    }
    return LEAT_OK;
}

static leat_code read_waiting(decoder *d)
{
    leat_matcher *matcher = d->matcher;
    uint64_t count = 0;
    LEAT_TRY(read_count(d, 3, &count));
    for (; count > 0; count--) {
        void *items = matcher->waiting;
        LEAT_TRY(matcher_reserve(&items, &matcher->waiting_size, matcher->waiting_count,
                                 sizeof *matcher->waiting, d->err));
        matcher->waiting = items;
        waiting *w = &matcher->waiting[matcher->waiting_count++];
        uint32_t end = matcher->graph.events_count + 1;
        uint32_t last = 0;
        LEAT_TRY(read_root(d, &w->root, &last));
        LEAT_TRY(read_number(d, end, &w->from));
        LEAT_TRY(read_number(d, end + 1, &w->to));
        w->to = w->to == 0 ? UINT32_MAX : w->to - 1;
    }
    return LEAT_OK;
}

static leat_code read_order(decoder *d, leat_value *order)
{
    uint8_t tag = 0;
    leat_str text = LEAT_STR_NONE;
    *order = LEAT_VALUE_NULL;
    bool good = leat_reader_u8(&d->in, &tag) &&
                (tag == LEAT_NULL || tag == LEAT_INT || tag == LEAT_DOUBLE || tag == LEAT_STRING);
    order->tag = tag;
    if (good && tag == LEAT_STRING) {
        good = leat_reader_bytes(&d->in, &text) && text.len < UINT32_MAX;
        *order = leat_value_string(text);
    } else if (good) {
        good = leat_reader_u64(&d->in, &order->as.u);
    }
    return good ? LEAT_OK : matcher_damaged(d->err, "the order of an event is cut short");
}

static leat_code read_held(decoder *d)
{
    leat_event *event = NULL;
    leat_value order;
    LEAT_TRY(read_event(d, NULL, &event));
    leat_code code = read_order(d, &order);
    const leat_matcher *matcher = d->matcher;
    if (code == LEAT_OK && matcher->held_count > 0 &&
        matcher->held[0].event->timestamp_ms != event->timestamp_ms)
        code = matcher_damaged(d->err, "events of different times are held");
    if (code == LEAT_OK) code = leat_matcher_hold(d->matcher, event, order, d->err);
    leat_event_release(&event);
    return code;
}

static leat_code read_rest(decoder *d)
{
    rest *r = &d->matcher->rest;
    uint32_t then = 0;
    LEAT_TRY(read_number(d, REST_FED, &then));
    LEAT_TRY(read_number(d, UINT32_MAX, &r->out));
    if (!leat_reader_varuint(&d->in, &r->passed))
        return matcher_damaged(d->err, "what comes out of it is cut short");
    if (then == REST_NONE || d->matcher->waiting_count == 0 || r->passed > r->out)
        return matcher_damaged(d->err, "nothing rests");
    r->then = (rest_then)then;
    return LEAT_OK;
}

static leat_code read_body(decoder *d, bool apart)
{
    leat_matcher *matcher = d->matcher;
    graph *g = &matcher->graph;
    uint64_t count = 0;
    uint32_t bound = 0;
    if (apart && !leat_reader_varint(&d->in, &matcher->window_ms))
        return matcher_damaged(d->err, "its head is cut short");
    LEAT_TRY(read_number(d, GRAPH_EVENTS_MAX, &bound));
    LEAT_TRY(read_number(d, GRAPH_EVENTS_MAX, &matcher->skipped));
    LEAT_TRY(read_events(d));
    if (bound > g->events_count + 1 || matcher->skipped > g->events_count + 1)
        return matcher_damaged(d->err, "its bound is beyond its events");
    LEAT_TRY(read_nodes(d));
    LEAT_TRY(find_slots(d));
    g->bound = bound;
    LEAT_TRY(read_count(d, 4, &count));
    for (; count > 0; count--)
        LEAT_TRY(read_bundle(d));
    size_t bundles_count = matcher->bundles.count;
    LEAT_TRY(graph_reserve(g, (uint32_t)bundles_count, d->err));
    bundles_sort(matcher);
    if (matcher->bundles.count < bundles_count)
        return matcher_damaged(d->err, "two bundles are equal");
    LEAT_TRY(read_waiting(d));
    LEAT_TRY(read_count(d, 20, &count));
    if (count > 0 && matcher->nfa->pattern->order_by == NULL)
        return matcher_damaged(d->err, "it holds events that have no order");
    for (; count > 0; count--)
        LEAT_TRY(read_held(d));
    if (d->in.at < d->in.end) LEAT_TRY(read_rest(d));
    bool strategy = matcher->nfa->pattern->skip != LEAT_SKIP_NONE;
    if (matcher->waiting_count > 0 && matcher->rest.then == REST_NONE &&
        (matcher->bundles.count == 0 || !strategy))
        return matcher_damaged(d->err, "matches wait for nothing");
    return d->in.at == d->in.end ? LEAT_OK : matcher_damaged(d->err, "something follows it");
}

/* What the head says of the rest is so. */
static leat_code check_head(const decoder *d, const leat_matcher_head *head)
{
    leat_matcher *matcher = d->matcher;
    int64_t window_ms = matcher->window_ms;
    matcher_deadline(matcher);
    if (matcher->deadline_ms != head->deadline_ms)
        return matcher_damaged(d->err, "its deadline is wrong");
    if (d->version == MATCHER_VERSION_BEFORE) return LEAT_OK;
    if (head->quiet != matcher_quiet(matcher))
        return matcher_damaged(d->err, "its end is not what it says");
    if (!head->quiet) return LEAT_OK;
    matcher->window_ms = LEAT_TIME_MAX; /* so that it is worked out anew */
    matcher_deadline(matcher);
    if (matcher->window_ms > window_ms) return matcher_damaged(d->err, "its end is too early");
    matcher->window_ms = matcher->deadline_ms = window_ms;
    return LEAT_OK;
}

leat_code leat_matcher_decode(const leat_nfa *nfa, leat_matcher_work *work, leat_str bytes,
                              bool own, leat_matcher **matcher, leat_err *err)
{
    decoder d;
    leat_matcher_head head;
    *matcher = NULL;
    d.in = leat_reader_of(bytes);
    d.own = own;
    d.pool = work->pool;
    d.err = err;
    d.matcher = NULL;
    d.last = d.depth = d.slots = NULL;
    LEAT_TRY(matcher_head_read(&d.in, &head, &d.version, err));
    if (head.fingerprint != nfa->fingerprint)
        return matcher_damaged(err, "it is another pattern's");
    LEAT_TRY(leat_matcher_make(work, nfa, &d.matcher, err));
    d.matcher->window_ms = head.deadline_ms;
    leat_code code = matcher_attach(d.matcher, work, err);
    if (code == LEAT_OK) code = read_body(&d, head.apart);
    if (d.last != d.little[0]) leat_mem_free(d.last);
    if (d.depth != d.little[1]) leat_mem_free(d.depth);
    leat_mem_free(d.slots);
    if (code == LEAT_OK) code = check_head(&d, &head);
    code = matcher_named(d.matcher, code, err);
    if (code != LEAT_OK) leat_matcher_drop(work, &d.matcher);
    *matcher = d.matcher;
    return code;
}
