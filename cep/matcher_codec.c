/* SPDX-License-Identifier: Apache-2.0 */
/* A matcher as bytes. Events and takes are written once each, however many partial matches share
 * them, in an order in which everything refers backwards:
 *
 *   version 1 | fingerprint 8 | deadline | seq
 *   events:    time, identity 16, JSON text
 *   takes:     the take before (0: none, else its number + 1), event, its seq, step
 *   partials:  last take, places: state, living edges, lifted edges
 *   waiting:   last take
 *   held:      time, identity 16, JSON text; order
 *
 * The head can be read without the rest, so a restart sets timers without decoding anything. The
 * fingerprint tells the automaton that states and edges belong to; under another one the bytes mean
 * nothing. Reading trusts nothing: counts are held against the bytes that are left, numbers against
 * the tables they point into, and every order that the matcher relies on is checked. */
#include "cep/matcher.h"

#include "cep/matcher_inside.h"
#include "core/mem.h"
#include "schemas/codec_json.h"

#define VERSION 1

/* --- writing --- */

static leat_code number_event(leat_matcher_work *work, leat_event *event, leat_err *err)
{
    if (event->number != 0) return LEAT_OK;
    void *items = work->events;
    LEAT_TRY(
        matcher_reserve(&items, &work->events_size, work->events_count, sizeof *work->events, err));
    work->events = items;
    work->events[work->events_count++] = event;
    event->number = (uint32_t)work->events_count;
    return LEAT_OK;
}

/* Numbers a take and, before it, those before it that have no number yet. */
static leat_code number_takes(leat_matcher_work *work, leat_take *last, leat_err *err)
{
    size_t missing = 0;
    for (const leat_take *take = last; take != NULL && take->number == 0; take = take->before)
        missing++;
    takes *order = &work->order;
    while (order->size < order->count + missing) {
        void *items = order->items;
        LEAT_TRY(matcher_reserve(&items, &order->size, order->size, sizeof *order->items, err));
        order->items = items;
    }
    size_t at = order->count + missing;
    for (leat_take *take = last; missing > 0; take = take->before, missing--) {
        order->items[--at] = take;
        take->number = (uint32_t)at + 1;
        order->count++;
    }
    return LEAT_OK;
}

static leat_code number_all(const leat_matcher *matcher, leat_matcher_work *work, leat_err *err)
{
    for (size_t i = 0; i < matcher->partials.count; i++)
        LEAT_TRY(number_takes(work, matcher->partials.items[i]->last, err));
    for (size_t i = 0; i < matcher->waiting.count; i++)
        LEAT_TRY(number_takes(work, matcher->waiting.items[i], err));
    for (size_t i = 0; i < work->order.count; i++)
        LEAT_TRY(number_event(work, work->order.items[i]->event, err));
    return LEAT_OK;
}

static void number_none(leat_matcher_work *work)
{
    for (size_t i = 0; i < work->order.count; i++)
        work->order.items[i]->number = 0;
    for (size_t i = 0; i < work->events_count; i++)
        work->events[i]->number = 0;
    work->order.count = work->events_count = 0;
}

static void write_head(const leat_matcher *matcher, leat_buf *out)
{
    leat_buf_add_char(out, VERSION);
    leat_buf_add_u64(out, matcher->nfa->fingerprint);
    leat_buf_add_varint(out, matcher->deadline_ms);
    leat_buf_add_varuint(out, matcher->seq);
}

static void write_partial(const partial *p, leat_buf *out)
{
    leat_buf_add_varuint(out, p->last->number - 1);
    leat_buf_add_varuint(out, p->places_count);
    for (uint32_t i = 0; i < p->places_count; i++) {
        leat_buf_add_varuint(out, p->places[i].state);
        leat_buf_add_varuint(out, p->places[i].alive);
        leat_buf_add_varuint(out, p->places[i].lifted);
    }
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

static void write_body(const leat_matcher *matcher, const leat_matcher_work *work, leat_buf *out)
{
    leat_buf_add_varuint(out, work->events_count);
    for (size_t i = 0; i < work->events_count; i++)
        write_event(work->events[i], out);
    leat_buf_add_varuint(out, work->order.count);
    for (size_t i = 0; i < work->order.count; i++) {
        const leat_take *take = work->order.items[i];
        leat_buf_add_varuint(out, take->before == NULL ? 0 : take->before->number);
        leat_buf_add_varuint(out, take->event->number - 1);
        leat_buf_add_varuint(out, take->seq);
        leat_buf_add_varuint(out, take->step);
    }
    leat_buf_add_varuint(out, matcher->partials.count);
    for (size_t i = 0; i < matcher->partials.count; i++)
        write_partial(matcher->partials.items[i], out);
    leat_buf_add_varuint(out, matcher->waiting.count);
    for (size_t i = 0; i < matcher->waiting.count; i++)
        leat_buf_add_varuint(out, matcher->waiting.items[i]->number - 1);
    leat_buf_add_varuint(out, matcher->held_count);
    for (size_t i = 0; i < matcher->held_count; i++)
        write_held(&matcher->held[i], out);
}

leat_code leat_matcher_encode(const leat_matcher *matcher, leat_matcher_work *work, leat_buf *out,
                              leat_err *err)
{
    LEAT_ASSERT(work->order.count == 0 && work->events_count == 0);
    leat_code code = number_all(matcher, work, err);
    if (code == LEAT_OK) {
        write_head(matcher, out);
        write_body(matcher, work, out);
        code = leat_buf_check(out, "the state of a pattern", err);
    }
    number_none(work);
    return code;
}

/* --- reading --- */

typedef struct decoder {
    leat_reader in;
    leat_matcher *matcher;
    leat_event **events;
    leat_take **takes;
    uint64_t events_count, takes_count;
    leat_err *err;
} decoder;

static leat_code damaged(leat_err *err, const char *what)
{
    return leat_err_set(err, LEAT_ERR_DAMAGED, "the state of a pattern is damaged: %s", what);
}

static leat_code read_head(leat_reader *in, uint64_t *fingerprint, int64_t *deadline_ms,
                           uint64_t *seq, leat_err *err)
{
    uint8_t version = 0;
    if (!leat_reader_u8(in, &version)) return damaged(err, "it is empty");
    if (version != VERSION)
        return leat_err_set(err, LEAT_ERR_DAMAGED,
                            "the state of a pattern has version %u, this program reads %u", version,
                            VERSION);
    if (!leat_reader_u64(in, fingerprint) || !leat_reader_varint(in, deadline_ms) ||
        !leat_reader_varuint(in, seq))
        return damaged(err, "its head is cut short");
    return LEAT_OK;
}

leat_code leat_matcher_peek(leat_str bytes, uint64_t *fingerprint, int64_t *deadline_ms,
                            leat_err *err)
{
    leat_reader in = leat_reader_of(bytes);
    uint64_t seq = 0;
    return read_head(&in, fingerprint, deadline_ms, &seq, err);
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

static leat_code read_events(decoder *d)
{
    uint64_t count = 0;
    LEAT_TRY(read_count(d, 18, &count));
    if (count == 0) return LEAT_OK;
    d->events = leat_mem_try(count * sizeof(leat_event *));
    if (d->events == NULL) return leat_err_set(d->err, LEAT_ERR_MEMORY, "no memory for events");
    while (d->events_count < count) {
        leat_event *event = NULL;
        LEAT_TRY(read_event(d, &event));
        d->events[d->events_count++] = event;
    }
    return LEAT_OK;
}

static leat_code read_take(decoder *d, leat_take **take)
{
    uint64_t before = 0;
    uint64_t event = 0;
    uint64_t seq = 0;
    uint64_t step = 0;
    if (!leat_reader_varuint(&d->in, &before) || !leat_reader_varuint(&d->in, &event) ||
        !leat_reader_varuint(&d->in, &seq) || !leat_reader_varuint(&d->in, &step) ||
        before > d->takes_count || event >= d->events_count ||
        step >= d->matcher->nfa->pattern->steps_count)
        return damaged(d->err, "a take points nowhere");
    leat_take *previous = before == 0 ? NULL : d->takes[before - 1];
    leat_event *taken = d->events[event];
    if (seq == 0 || seq > d->matcher->seq) return damaged(d->err, "a take's number is wrong");
    if (previous != NULL &&
        (previous->seq >= seq || previous->event->timestamp_ms > taken->timestamp_ms))
        return damaged(d->err, "takes are out of order");
    leat_take *made = leat_mem_try(sizeof *made);
    if (made == NULL) return leat_err_set(d->err, LEAT_ERR_MEMORY, "no memory for a take");
    *made = (leat_take){.before = previous,
                        .event = leat_event_share(taken),
                        .seq = seq,
                        .step = (uint32_t)step,
                        .depth = previous == NULL ? 1 : previous->depth + 1,
                        .references = 1};
    if (previous != NULL) previous->references++;
    *take = made;
    return LEAT_OK;
}

static leat_code read_takes(decoder *d)
{
    uint64_t count = 0;
    LEAT_TRY(read_count(d, 4, &count));
    if (count == 0) return LEAT_OK;
    d->takes = leat_mem_try(count * sizeof(leat_take *));
    if (d->takes == NULL) return leat_err_set(d->err, LEAT_ERR_MEMORY, "no memory for takes");
    while (d->takes_count < count) {
        leat_take *take = NULL;
        LEAT_TRY(read_take(d, &take));
        d->takes[d->takes_count++] = take;
    }
    return LEAT_OK;
}

static leat_code read_last(decoder *d, leat_take **last)
{
    uint64_t number = 0;
    if (!leat_reader_varuint(&d->in, &number) || number >= d->takes_count)
        return damaged(d->err, "a match points to no take");
    *last = d->takes[number];
    return LEAT_OK;
}

static leat_code read_place(decoder *d, const partial *p, place *at)
{
    const leat_nfa *nfa = d->matcher->nfa;
    uint64_t state = 0;
    if (!leat_reader_varuint(&d->in, &state) || !leat_reader_varuint(&d->in, &at->alive) ||
        !leat_reader_varuint(&d->in, &at->lifted))
        return damaged(d->err, "a place is cut short");
    if (state == 0 || state >= nfa->states_count || nfa->states[state]->part->step != p->last->step)
        return damaged(d->err, "a place is no state of the pattern");
    uint32_t edges = nfa->states[state]->edges_count;
    uint64_t all = edges == 64 ? UINT64_MAX : ((uint64_t)1 << edges) - 1;
    if (at->alive == 0 || (at->alive & ~all) != 0 || (at->lifted & ~all) != 0)
        return damaged(d->err, "a place has edges that its state does not have");
    at->state = (uint32_t)state;
    for (uint32_t i = 0; i < p->places_count; i++)
        if (p->places[i].state == at->state) return damaged(d->err, "a place is there twice");
    return LEAT_OK;
}

static leat_code read_partial(decoder *d)
{
    leat_take *last = NULL;
    uint64_t places = 0;
    LEAT_TRY(read_last(d, &last));
    LEAT_TRY(read_count(d, 3, &places));
    if (places == 0 || places > d->matcher->nfa->states_count)
        return damaged(d->err, "a partial match has no place");
    partial *p = leat_mem_try(sizeof *p + places * sizeof(place));
    if (p == NULL) return leat_err_set(d->err, LEAT_ERR_MEMORY, "no memory for a partial match");
    const leat_take *first = leat_take_first(last);
    *p = (partial){.last = last, .first_seq = first->seq, .first_ms = first->event->timestamp_ms};
    last->references++;
    leat_code code = LEAT_OK;
    for (; code == LEAT_OK && p->places_count < places; p->places_count++) {
        code = read_place(d, p, &p->places[p->places_count]);
        if (code != LEAT_OK) break;
    }
    if (code == LEAT_OK) {
        partial_deadline(d->matcher->nfa, p);
        code = partials_add(&d->matcher->partials, p, d->err);
    }
    if (code != LEAT_OK) partial_free(p);
    return code;
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
    uint64_t count = 0;
    LEAT_TRY(read_events(d));
    LEAT_TRY(read_takes(d));
    LEAT_TRY(read_count(d, 5, &count));
    for (; count > 0; count--)
        LEAT_TRY(read_partial(d));
    LEAT_TRY(read_count(d, 1, &count));
    for (; count > 0; count--) {
        leat_take *last = NULL;
        LEAT_TRY(read_last(d, &last));
        LEAT_TRY(takes_add(&d->matcher->waiting, last, d->err));
    }
    LEAT_TRY(read_count(d, 20, &count));
    for (; count > 0; count--)
        LEAT_TRY(read_held(d));
    return d->in.at == d->in.end ? LEAT_OK : damaged(d->err, "something follows it");
}

leat_code leat_matcher_decode(const leat_nfa *nfa, leat_str bytes, leat_matcher **matcher,
                              leat_err *err)
{
    decoder d = {.in = leat_reader_of(bytes), .err = err};
    uint64_t fingerprint = 0;
    uint64_t seq = 0;
    int64_t deadline_ms = 0;
    *matcher = NULL;
    LEAT_TRY(read_head(&d.in, &fingerprint, &deadline_ms, &seq, err));
    if (fingerprint != nfa->fingerprint) return damaged(err, "it is another pattern's");
    LEAT_TRY(leat_matcher_new(nfa, &d.matcher, err));
    d.matcher->seq = seq;
    leat_code code = read_body(&d);
    /* Ours until here; now only what refers to them holds them. */
    for (uint64_t i = d.takes_count; i-- > 0;)
        leat_take_release(&d.takes[i]);
    for (uint64_t i = 0; i < d.events_count; i++)
        leat_event_release(&d.events[i]);
    leat_mem_free(d.takes);
    leat_mem_free(d.events);
    if (code == LEAT_OK) {
        matcher_deadline(d.matcher);
        if (d.matcher->deadline_ms != deadline_ms) code = damaged(err, "its deadline is wrong");
    }
    if (code != LEAT_OK) leat_matcher_free(&d.matcher);
    *matcher = d.matcher;
    return code;
}
