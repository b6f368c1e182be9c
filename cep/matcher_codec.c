/* SPDX-License-Identifier: Apache-2.0 */
/* A matcher as bytes: its graph as it lies in memory, in numbers of variable length.
 *
 *   version 2 | fingerprint 8 | deadline
 *   window deadline | bound | skipped
 *   events:    time, identity 16, JSON text
 *   nodes:     0, left, right: a union; or step + 1, the node before, event: a take.
 *              nodes are written as how far back they are
 *   bundles:   fresh, places (state, living edges, lifted edges), root, slots that matter
 *   waiting:   root, from, to
 *   held:      time, identity 16, JSON text; order
 *
 * What is dead is collected first, so the bytes are in proportion to what is held; nothing needs to
 * be numbered or searched for. The head can be read without the rest, so a restart sets timers
 * without decoding anything. The fingerprint tells the automaton that states and edges belong to;
 * under another one the bytes mean nothing.
 *
 * Reading trusts nothing: counts are held against the bytes that are left, numbers against the
 * tables they point into, and every order that the matcher relies on is checked. First events and
 * depths are not written: they are worked out again. */
#include "cep/matcher.h"

#include "cep/matcher_inside.h"
#include "core/mem.h"
#include "schemas/codec_json.h"

#define VERSION 2

/* --- writing --- */

static void write_head(const leat_matcher *matcher, leat_buf *out)
{
    leat_buf_add_char(out, VERSION);
    leat_buf_add_u64(out, matcher->nfa->fingerprint);
    leat_buf_add_varint(out, matcher->deadline_ms);
    leat_buf_add_varint(out, matcher->window_ms);
    leat_buf_add_varuint(out, matcher->graph.bound);
    leat_buf_add_varuint(out, matcher->skipped);
}

static void write_event(const leat_event *event, leat_buf *out)
{
    leat_buf_add_varint(out, event->timestamp_ms);
    leat_buf_add_u64(out, event->identity.place);
    leat_buf_add_u64(out, event->identity.offset);
    leat_buf_add_bytes(out, leat_event_json(event));
}

static void write_held(const held *h, leat_buf *out)
{
    write_event(h->event, out);
    leat_buf_add_char(out, (char)h->order.tag);
    if (h->order.tag == LEAT_STRING)
        leat_buf_add_bytes(out, leat_value_str(h->order));
    else
        leat_buf_add_u64(out, h->order.tag == LEAT_NULL ? 0 : h->order.as.u);
}

static void write_graph(const graph *g, leat_buf *out)
{
    leat_buf_add_varuint(out, g->events_count);
    for (uint32_t i = 0; i < g->events_count; i++)
        write_event(g->events[i].event, out);
    leat_buf_add_varuint(out, g->nodes_count);
    for (uint32_t i = 1; i <= g->nodes_count; i++) {
        const graph_node *n = graph_node_at(g, i);
        if (graph_is_take(n)) {
            uint32_t before = graph_before(n);
            leat_buf_add_varuint(out, graph_step_of(n->right) + 1);
            leat_buf_add_varuint(out, before == 0 ? 0 : i - before);
            leat_buf_add_varuint(out, graph_event_of(n->right));
        } else {
            leat_buf_add_char(out, 0);
            leat_buf_add_varuint(out, i - n->left);
            leat_buf_add_varuint(out, i - n->right);
        }
    }
}

static void write_bundle(const machine *m, const bundle *c, leat_buf *out)
{
    const machine_config *config = machine_config_at(m, c->config);
    leat_buf_add_char(out, (char)config->fresh);
    leat_buf_add_varuint(out, config->places_count);
    for (uint32_t i = 0; i < config->places_count; i++) {
        leat_buf_add_varuint(out, config->places[i].state);
        leat_buf_add_varuint(out, config->places[i].alive);
        leat_buf_add_varuint(out, config->places[i].lifted);
    }
    leat_buf_add_varuint(out, c->root);
    for (uint32_t i = 0; i < m->slots_count; i++)
        if (config->slots >> i & 1) leat_buf_add_varuint(out, c->slots[i]);
}

leat_code leat_matcher_encode(leat_matcher *matcher, leat_matcher_work *work, leat_buf *out,
                              leat_err *err)
{
    const bundles *list = &matcher->bundles;
    work->done_count = 0;
    LEAT_ASSERT(work->event == NULL && work->number == 0);
    if (matcher->graph.nodes_count > 0) LEAT_TRY(matcher_collect(matcher, work, err));
    /* It may be later now, as events are gone that no run began with. Whoever has been told the
     * earlier one lets time pass then, in vain. */
    int64_t deadline_ms = matcher->deadline_ms;
    matcher_deadline(matcher);
    write_head(matcher, out);
    matcher->deadline_ms = deadline_ms;
    write_graph(&matcher->graph, out);
    leat_buf_add_varuint(out, list->count);
    for (size_t i = 0; i < list->count; i++)
        write_bundle(matcher->machine, bundle_at(matcher->machine, list, i), out);
    leat_buf_add_varuint(out, matcher->waiting_count);
    for (size_t i = 0; i < matcher->waiting_count; i++) {
        const waiting *w = &matcher->waiting[i];
        leat_buf_add_varuint(out, w->root);
        leat_buf_add_varuint(out, w->from);
        leat_buf_add_varuint(out, w->to == UINT32_MAX ? 0 : (uint64_t)w->to + 1);
    }
    leat_buf_add_varuint(out, matcher->held_count);
    for (size_t i = 0; i < matcher->held_count; i++)
        write_held(&matcher->held[i], out);
    return leat_buf_check(out, "the state of a pattern", err);
}

/* --- reading --- */

typedef struct decoder {
    leat_reader in;
    leat_matcher *matcher;
    uint32_t *last;  /* by node: the latest event that a run of it ends with */
    uint32_t *depth; /* by node: takes of the longest */
    leat_err *err;
} decoder;

static leat_code damaged(leat_err *err, const char *what)
{
    return leat_err_set(err, LEAT_ERR_DAMAGED, "the state of a pattern is damaged: %s", what);
}

static leat_code read_head(leat_reader *in, uint64_t *fingerprint, int64_t *deadline_ms,
                           leat_err *err)
{
    uint8_t version = 0;
    if (!leat_reader_u8(in, &version)) return damaged(err, "it is empty");
    if (version != VERSION)
        return leat_err_set(err, LEAT_ERR_DAMAGED,
                            "the state of a pattern has version %u, this program reads %u", version,
                            VERSION);
    if (!leat_reader_u64(in, fingerprint) || !leat_reader_varint(in, deadline_ms))
        return damaged(err, "its head is cut short");
    return LEAT_OK;
}

leat_code leat_matcher_peek(leat_str bytes, uint64_t *fingerprint, int64_t *deadline_ms,
                            leat_err *err)
{
    leat_reader in = leat_reader_of(bytes);
    return read_head(&in, fingerprint, deadline_ms, err);
}

/* A count of things of at least `least` bytes each. */
static leat_code read_count(decoder *d, uint64_t least, uint64_t *count)
{
    if (!leat_reader_varuint(&d->in, count) || *count > (uint64_t)(d->in.end - d->in.at) / least)
        return damaged(d->err, "a count is larger than what follows");
    return LEAT_OK;
}

static leat_code read_event(decoder *d, leat_event **event)
{
    static const leat_json_limits limits = {LEAT_EVENT_DEPTH_MAX, UINT32_MAX};
    int64_t timestamp_ms = 0;
    leat_identity identity = {0, 0};
    leat_str json = LEAT_STR_NONE;
    if (!leat_reader_varint(&d->in, &timestamp_ms) || !leat_reader_u64(&d->in, &identity.place) ||
        !leat_reader_u64(&d->in, &identity.offset) || !leat_reader_bytes(&d->in, &json))
        return damaged(d->err, "an event is cut short");
    leat_err why = {0};
    if (json.len >= UINT32_MAX || leat_json_validate(json, limits, &why) != LEAT_OK)
        return damaged(d->err, "an event is no JSON");
    return leat_event_new(json, timestamp_ms, identity, event, d->err);
}

/* A number of at most `most`. */
static leat_code read_number(decoder *d, uint64_t most, uint32_t *number)
{
    uint64_t read = 0;
    if (!leat_reader_varuint(&d->in, &read) || read > most || read > UINT32_MAX)
        return damaged(d->err, "a number is too large");
    *number = (uint32_t)read;
    return LEAT_OK;
}

static leat_code read_events(decoder *d)
{
    uint64_t count = 0;
    graph *g = &d->matcher->graph;
    LEAT_TRY(read_count(d, 18, &count));
    for (; count > 0; count--) {
        leat_event *event = NULL;
        uint32_t number = 0;
        LEAT_TRY(read_event(d, &event));
        leat_code code = LEAT_OK;
        if (g->events_count > 0 && g->events[g->events_count - 1].time_ms > event->timestamp_ms)
            code = damaged(d->err, "events are out of order");
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
        return damaged(d->err, "takes are out of order");
    if (step >= d->matcher->nfa->pattern->steps_count)
        return damaged(d->err, "a take is no step of the pattern");
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
        return damaged(d->err, "a union has not two sides");
    if (graph_union(g, left, right) != i || g->nodes[i - 1].left != left)
        return damaged(d->err, "a union is out of order");
    d->last[i] = d->last[left] > d->last[right] ? d->last[left] : d->last[right];
    d->depth[i] = d->depth[left] > d->depth[right] ? d->depth[left] : d->depth[right];
    return LEAT_OK;
}

static leat_code read_nodes(decoder *d)
{
    uint64_t count = 0;
    graph *g = &d->matcher->graph;
    LEAT_TRY(read_count(d, 3, &count));
    if (count > GRAPH_NODES_MAX) return damaged(d->err, "there are too many takes");
    if (count == 0) return LEAT_OK;
    LEAT_TRY(graph_reserve(g, (uint32_t)count, d->err));
    d->last = leat_mem_try((count + 1) * sizeof *d->last);
    d->depth = leat_mem_try((count + 1) * sizeof *d->depth);
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

static leat_code read_place(decoder *d, const place *places, uint32_t count, place *at)
{
    const leat_nfa *nfa = d->matcher->nfa;
    uint64_t state = 0;
    if (!leat_reader_varuint(&d->in, &state) || !leat_reader_varuint(&d->in, &at->alive) ||
        !leat_reader_varuint(&d->in, &at->lifted))
        return damaged(d->err, "a place is cut short");
    if (state == 0 || state >= nfa->states_count)
        return damaged(d->err, "a place is no state of the pattern");
    uint32_t edges = nfa->states[state]->edges_count;
    uint64_t all = edges == 64 ? UINT64_MAX : ((uint64_t)1 << edges) - 1;
    if (at->alive == 0 || (at->alive & ~all) != 0 || (at->lifted & ~all) != 0)
        return damaged(d->err, "a place has edges that its state does not have");
    at->state = (uint32_t)state;
    for (uint32_t i = 0; i < count; i++)
        if (places[i].state == at->state) return damaged(d->err, "a place is there twice");
    return LEAT_OK;
}

static leat_code read_config(decoder *d, uint32_t *number)
{
    uint64_t count = 0;
    uint8_t fresh = 0;
    if (!leat_reader_u8(&d->in, &fresh) || fresh > 1)
        return damaged(d->err, "a bundle is cut short");
    LEAT_TRY(read_count(d, 3, &count));
    if (count == 0 || count > d->matcher->nfa->states_count)
        return damaged(d->err, "a bundle has no place");
    place *places = leat_mem_try(count * sizeof *places);
    if (places == NULL) return leat_err_set(d->err, LEAT_ERR_MEMORY, "no memory for places");
    leat_code code = LEAT_OK;
    for (uint32_t i = 0; i < count && code == LEAT_OK; i++)
        code = read_place(d, places, i, &places[i]);
    if (code == LEAT_OK)
        code = machine_config_of(d->matcher->machine, places, (uint32_t)count, fresh != 0, number,
                                 d->err);
    leat_mem_free(places);
    return code;
}

/* A root of which something lives, and the step that its runs have taken last. */
static leat_code read_root(decoder *d, uint32_t *root, uint32_t *step)
{
    const graph *g = &d->matcher->graph;
    LEAT_TRY(read_number(d, g->nodes_count, root));
    if (*root == 0) return damaged(d->err, "a bundle has no root");
    const graph_node *n = graph_node_at(g, *root);
    while (!graph_is_take(n))
        n = graph_node_at(g, n->left);
    *step = graph_step_of(n->right);
    return LEAT_OK;
}

static leat_code read_bundle(decoder *d)
{
    leat_matcher *matcher = d->matcher;
    const machine *m = matcher->machine;
    bundle *c = NULL;
    uint32_t step = 0;
    uint32_t config = 0;
    LEAT_TRY(read_config(d, &config));
    LEAT_TRY(bundle_add(m, &matcher->bundles, &c, d->err));
    c->config = config;
    LEAT_TRY(read_root(d, &c->root, &step));
    const machine_config *described = machine_config_at(m, config);
    for (uint32_t i = 0; i < described->places_count; i++)
        if (m->nfa->states[described->places[i].state]->part->step != step)
            return damaged(d->err, "a bundle's last take is another step's");
    if (!graph_lives(&matcher->graph, c->root)) return damaged(d->err, "a bundle is dead");
    c->depth = d->depth[c->root];
    for (uint32_t i = 0; i < m->slots_count; i++) {
        if ((described->slots >> i & 1) == 0) continue;
        bool size = m->slots[i].kind == SLOT_SIZE;
        LEAT_TRY(read_number(d, size ? UINT32_MAX : matcher->graph.events_count, &c->slots[i]));
        if (c->slots[i] == 0 && m->slots[i].kind == SLOT_TAKE)
            return damaged(d->err, "a bundle has no last take");
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
        uint32_t step = 0;
        LEAT_TRY(read_root(d, &w->root, &step));
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
    return good ? LEAT_OK : damaged(d->err, "the order of an event is cut short");
}

static leat_code read_held(decoder *d)
{
    leat_event *event = NULL;
    leat_value order;
    LEAT_TRY(read_event(d, &event));
    leat_code code = read_order(d, &order);
    const leat_matcher *matcher = d->matcher;
    if (code == LEAT_OK && matcher->held_count > 0 &&
        matcher->held[0].event->timestamp_ms != event->timestamp_ms)
        code = damaged(d->err, "events of different times are held");
    if (code == LEAT_OK) code = leat_matcher_hold(d->matcher, event, order, d->err);
    leat_event_release(&event);
    return code;
}

static leat_code read_body(decoder *d)
{
    leat_matcher *matcher = d->matcher;
    graph *g = &matcher->graph;
    uint64_t count = 0;
    uint32_t bound = 0;
    if (!leat_reader_varint(&d->in, &matcher->window_ms))
        return damaged(d->err, "its head is cut short");
    LEAT_TRY(read_number(d, GRAPH_EVENTS_MAX, &bound));
    LEAT_TRY(read_number(d, GRAPH_EVENTS_MAX, &matcher->skipped));
    LEAT_TRY(read_events(d));
    if (bound > g->events_count + 1 || matcher->skipped > g->events_count + 1)
        return damaged(d->err, "its bound is beyond its events");
    LEAT_TRY(read_nodes(d));
    g->bound = bound;
    LEAT_TRY(read_count(d, 4, &count));
    for (; count > 0; count--)
        LEAT_TRY(read_bundle(d));
    size_t bundles_count = matcher->bundles.count;
    LEAT_TRY(graph_reserve(g, (uint32_t)bundles_count, d->err));
    bundles_sort(matcher);
    if (matcher->bundles.count < bundles_count) return damaged(d->err, "two bundles are equal");
    LEAT_TRY(read_waiting(d));
    if (matcher->bundles.count == 0 && matcher->waiting_count > 0)
        return damaged(d->err, "matches wait for nothing");
    LEAT_TRY(read_count(d, 20, &count));
    for (; count > 0; count--)
        LEAT_TRY(read_held(d));
    return d->in.at == d->in.end ? LEAT_OK : damaged(d->err, "something follows it");
}

leat_code leat_matcher_decode(const leat_nfa *nfa, leat_matcher_work *work, leat_str bytes,
                              leat_matcher **matcher, leat_err *err)
{
    decoder d = {.in = leat_reader_of(bytes), .err = err};
    uint64_t fingerprint = 0;
    int64_t deadline_ms = 0;
    *matcher = NULL;
    LEAT_TRY(read_head(&d.in, &fingerprint, &deadline_ms, err));
    if (fingerprint != nfa->fingerprint) return damaged(err, "it is another pattern's");
    LEAT_TRY(leat_matcher_new(nfa, &d.matcher, err));
    leat_code code = matcher_attach(d.matcher, work, err);
    if (code == LEAT_OK) code = read_body(&d);
    leat_mem_free(d.last);
    leat_mem_free(d.depth);
    if (code == LEAT_OK) {
        matcher_deadline(d.matcher);
        if (d.matcher->deadline_ms != deadline_ms) code = damaged(err, "its deadline is wrong");
    }
    if (code != LEAT_OK) leat_matcher_free(&d.matcher);
    *matcher = d.matcher;
    return code;
}
