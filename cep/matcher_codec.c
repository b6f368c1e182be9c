/* SPDX-License-Identifier: Apache-2.0 */
/* A matcher as bytes: its graph as it lies in memory, in numbers of variable length.
 *
 *   version 3 | fingerprint 8 | deadline | flags
 *   window deadline (APART) | bound | skipped
 *   events:    time since the one before, messages since the one before of the same place (else 0,
 *              place 8, message), JSON text
 *   nodes:     0, left, right: a union; or step + 1, the node before, event: a take.
 *              nodes are written as how far back they are
 *   bundles:   fresh, places (state, living edges, lifted edges), root, slots that matter
 *   waiting:   root, from, to
 *   held:      as an event without one before; order
 *   rest:      where matches rest that are coming out, if there are any
 *
 * What is dead is collected first (tidy), so the bytes are in proportion to what is held; nothing
 * needs to be numbered or searched for. The head can be read without the rest, so a restart sets
 * timers without decoding anything. The fingerprint tells the automaton that states and edges
 * belong to; under another one the bytes mean nothing. QUIET means that at the deadline all is over
 * and nothing comes out, so whoever keeps the bytes may let them go then as they are.
 *
 * Version 2, which is read still, had no flags, a window deadline always, and of an event time and
 * identity in full (8 bytes each of the latter). Reading is matcher_decode.c. */
#include "cep/matcher.h"

#include "cep/matcher_inside.h"

#define FLAG_QUIET 1u
#define FLAG_APART 2u /* the window's deadline is not the matcher's */
#define FLAGS      3u

#define NUMBER_ROOM   ((size_t)10) /* bytes of a number at most */
#define NODES_AT_ONCE 8            /* that room is made for */

/* --- writing --- */

/* Into room that is there; where the next byte goes. */
static char *put(char *to, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *to++ = (char)(number | 0x80);
    *to++ = (char)number;
    return to;
}

static char *put_signed(char *to, int64_t number)
{
    return put(to, ((uint64_t)number << 1) ^ (uint64_t)(number >> 63));
}

static char *put_word(char *to, uint64_t word)
{
    word = __builtin_bswap64(word);
    memcpy(to, &word, sizeof word);
    return to + sizeof word;
}

static void wrote(leat_buf *out, const char *end)
{
    LEAT_ASSERT(end >= out->data + out->len && end <= out->data + out->size);
    out->len = (size_t)(end - out->data);
}

/* Whether the deadline is the end of all that is held, and nothing comes out then: nobody needs to
 * know the runs to let them go. */
bool matcher_quiet(const leat_matcher *matcher)
{
    const machine *m = matcher->machine;
    if (matcher->bundles.count == 0 || matcher->waiting_count > 0 || matcher->held_count > 0)
        return false;
    return m->within_ms > 0 && !m->exact && !m->steps_timed;
}

static void write_head(const leat_matcher *matcher, leat_buf *out)
{
    bool apart = matcher->window_ms != matcher->deadline_ms;
    char *to = leat_buf_reserve(out, 2 + 8 + 4 * NUMBER_ROOM);
    if (to == NULL) return;
    *to++ = MATCHER_VERSION;
    to = put_word(to, matcher->nfa->fingerprint);
    to = put_signed(to, matcher->deadline_ms);
    *to++ = (char)((matcher_quiet(matcher) ? FLAG_QUIET : 0) | (apart ? FLAG_APART : 0));
    if (apart) to = put_signed(to, matcher->window_ms);
    to = put(to, matcher->graph.bound);
    wrote(out, put(to, matcher->skipped));
}

/* before: in time; NULL: there is none. */
static void write_event(const leat_event *event, const leat_event *before, leat_buf *out)
{
    leat_identity identity = leat_event_identity(event);
    leat_str json = leat_event_json(event);
    char *to = leat_buf_reserve(out, 4 * NUMBER_ROOM + 8 + json.len);
    if (to == NULL) return;
    LEAT_ASSERT(before == NULL || before->timestamp_ms <= event->timestamp_ms);
    if (before == NULL)
        to = put_signed(to, event->timestamp_ms);
    else
        to = put(to, (uint64_t)event->timestamp_ms - (uint64_t)before->timestamp_ms);
    if (before != NULL && leat_event_identity(before).place == identity.place &&
        before->offset < identity.offset) {
        to = put(to, identity.offset - before->offset);
    } else {
        *to++ = 0;
        to = put_word(to, identity.place);
        to = put(to, identity.offset);
    }
    to = put(to, json.len);
    memcpy(to, json.data, json.len);
    wrote(out, to + json.len);
}

static void write_held(const held *h, leat_buf *out)
{
    write_event(h->event, NULL, out);
    leat_buf_add_char(out, (char)h->order.tag);
    if (h->order.tag == LEAT_STRING)
        leat_buf_add_bytes(out, leat_value_str(h->order));
    else
        leat_buf_add_u64(out, h->order.tag == LEAT_NULL ? 0 : h->order.as.u);
}

static inline char *put_node(char *to, const graph_node *n, uint32_t number)
{
    if (graph_is_take(n)) {
        uint32_t from = graph_before(n);
        to = put(to, graph_step_of(n->right) + 1);
        to = put(to, from == 0 ? 0 : number - from);
        return put(to, graph_event_of(n->right));
    }
    *to++ = 0;
    to = put(to, number - n->left);
    return put(to, number - n->right);
}

static void write_graph(const graph *g, leat_buf *out)
{
    const leat_event *before = NULL;
    leat_buf_add_varuint(out, g->events_count);
    for (uint32_t i = 0; i < g->events_count; i++) {
        write_event(g->events[i].event, before, out);
        before = g->events[i].event;
    }
    leat_buf_add_varuint(out, g->nodes_count);
    for (uint32_t i = 1; i <= g->nodes_count; i += NODES_AT_ONCE) {
        uint32_t end = g->nodes_count - i < NODES_AT_ONCE ? g->nodes_count + 1 : i + NODES_AT_ONCE;
        char *to = leat_buf_reserve(out, 3 * NUMBER_ROOM * NODES_AT_ONCE);
        if (to == NULL) return;
        for (uint32_t number = i; number < end; number++)
            to = put_node(to, graph_node_at(g, number), number);
        wrote(out, to);
    }
}

static void write_bundle(const machine *m, const bundle *c, leat_buf *out)
{
    const machine_config *config = machine_config_at(m, c->config);
    size_t numbers = 2 + 3 * (size_t)config->places_count + m->slots_count;
    char *to = leat_buf_reserve(out, 1 + numbers * NUMBER_ROOM);
    if (to == NULL) return;
    *to++ = (char)config->fresh;
    to = put(to, config->places_count);
    for (uint32_t i = 0; i < config->places_count; i++) {
        to = put(to, config->places[i].state);
        to = put(to, config->places[i].alive);
        to = put(to, config->places[i].lifted);
    }
    to = put(to, c->root);
    for (uint32_t i = 0; i < m->slots_count; i++)
        if (config->slots >> i & 1) to = put(to, c->slots[i]);
    wrote(out, to);
}

/* The deadline as it is now that what is dead was collected: later than before, if at all. Whoever
 * has been told the earlier one lets time pass at that one in vain. */
static void renew_deadline(leat_matcher *matcher)
{
    int64_t window_ms = matcher->window_ms;
    matcher->window_ms = LEAT_TIME_MAX; /* so that it is worked out anew */
    matcher_deadline(matcher);
    if (matcher->window_ms >= window_ms || window_ms == LEAT_TIME_MAX) return;
    matcher->window_ms = window_ms;
    matcher_deadline(matcher);
}

leat_code leat_matcher_tidy(leat_matcher *matcher, leat_matcher_work *work, leat_err *err)
{
    work->done_count = 0;
    LEAT_ASSERT(work->event == NULL && work->number == 0);
    if (matcher->graph.nodes_count > 0) LEAT_TRY(matcher_collect(matcher, work, err));
    renew_deadline(matcher);
    return LEAT_OK;
}

leat_code leat_matcher_encode(const leat_matcher *matcher, leat_buf *out, leat_err *err)
{
    const bundles *list = &matcher->bundles;
    LEAT_ASSERT(matcher->gone == 0);
    write_head(matcher, out);
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
    if (matcher->rest.then != REST_NONE) {
        leat_buf_add_char(out, (char)matcher->rest.then);
        leat_buf_add_varuint(out, matcher->rest.out);
        leat_buf_add_varuint(out, matcher->rest.passed);
    }
    return leat_buf_check(out, "the state of a pattern", err);
}

/* --- the head --- */

leat_code matcher_head_read(leat_reader *in, leat_matcher_head *head, uint8_t *version,
                            leat_err *err)
{
    uint8_t flags = 0;
    if (!leat_reader_u8(in, version)) return matcher_damaged(err, "it is empty");
    if (*version != MATCHER_VERSION && *version != MATCHER_VERSION_BEFORE)
        return leat_err_set(err, LEAT_ERR_DAMAGED,
                            "the state of a pattern has version %u, this program reads %u and %u",
                            *version, MATCHER_VERSION_BEFORE, MATCHER_VERSION);
    if (!leat_reader_u64(in, &head->fingerprint) || !leat_reader_varint(in, &head->deadline_ms) ||
        (*version == MATCHER_VERSION && !leat_reader_u8(in, &flags)))
        return matcher_damaged(err, "its head is cut short");
    if ((flags & ~FLAGS) != 0) return matcher_damaged(err, "its flags are unknown");
    head->quiet = (flags & FLAG_QUIET) != 0;
    head->apart = *version == MATCHER_VERSION_BEFORE || (flags & FLAG_APART) != 0;
    return LEAT_OK;
}

leat_code leat_matcher_peek(leat_str bytes, leat_matcher_head *head, leat_err *err)
{
    uint8_t version = 0;
    leat_reader in = leat_reader_of(bytes);
    return matcher_head_read(&in, head, &version, err);
}
