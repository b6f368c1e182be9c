/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, questions and right answers of bench_cep.
 *
 * The streams are those that the other engines' figures were measured with: numpy's default
 * generator with seed 42 (PCG64: a 128-bit linear congruence, high and low half folded and
 * rotated), drawn in the same order, so that numbers of matches can be held against theirs to the
 * last one.
 *
 * Right answers are found by looking back from each event that can end a match over the events of
 * its window, and counting ways with a sum for each step: no automaton, no state from one event to
 * the next, nothing shared with what is measured. Cost: windows' lengths, where a chain leads from
 * an event to the one before it of the same card or the same three symbols. */
#include "bench/cep_case.h"

#include <stdio.h>

#include "core/err.h"
#include "core/mem.h"

#define SYMBOLS    3000u
#define CARDS      10000u
#define RARE_EVERY 50000u
#define NONE       UINT32_MAX

/* --- drawing --- */

__extension__ typedef unsigned __int128 wide;
#define WIDE(high, low) ((wide)UINT64_C(high) << 64 | UINT64_C(low))

typedef struct cep_random {
    wide state, step;
    uint32_t half; /* of a word of which the other half was drawn */
    bool has_half;
} cep_random;

/* What the seed 42 comes to. */
static const cep_random SEEDED = {
    .state = WIDE(0xcea44f6798798f2a, 0xacbc7c9d68860ac8),
    .step = WIDE(0xfa505436c9a8416e, 0x66caf2e28d25abff),
};

static uint64_t draw_word(cep_random *random)
{
    random->state = random->state * WIDE(0x2360ed051fc65da4, 0x4385df649fccf645) + random->step;
    uint64_t folded = (uint64_t)(random->state >> 64) ^ (uint64_t)random->state;
    unsigned turn = (unsigned)(random->state >> 122);
    return folded >> turn | folded << (-turn & 63);
}

static double draw_share(cep_random *random) /* 0 <= share < 1 */
{
    return (double)(draw_word(random) >> 11) * 0x1p-53;
}

static uint32_t draw_half(cep_random *random)
{
    random->has_half = !random->has_half;
    if (!random->has_half) return random->half;
    uint64_t word = draw_word(random);
    random->half = (uint32_t)(word >> 32);
    return (uint32_t)word;
}

/* least <= number < end, each as likely as the other. */
static int32_t draw_between(cep_random *random, uint32_t least, uint32_t end)
{
    uint32_t size = end - least;
    uint64_t product = (uint64_t)draw_half(random) * size;
    while ((uint32_t)product < -size % size)
        product = (uint64_t)draw_half(random) * size;
    return (int32_t)(least + (uint32_t)(product >> 32));
}

/* --- streams --- */

struct cep_streams {
    cep_event events[CEP_STREAMS][CEP_EVENTS_MAX];
};

#define FILL(field, value)                                                                         \
    for (uint32_t i = 0; i < CEP_EVENTS_MAX; i++)                                                  \
    events[i].field = (value)

static void fill_letters(cep_event *events, cep_random *random, double share_a, double share_b)
{
    for (uint32_t i = 0; i < CEP_EVENTS_MAX; i++) {
        double share = draw_share(random);
        events[i].sym = share < share_a ? 0 : share < share_b ? 1 : 3;
        if (i % RARE_EVERY == RARE_EVERY - 1) events[i].sym = 2;
        events[i].at_ms = (int32_t)i;
    }
    FILL(card, draw_between(random, 0, CARDS));
    FILL(amount, draw_between(random, 0, 1000));
}

/* All of each kind are drawn, though one of them is used. */
static void fill_payments(cep_event *events, cep_random *random)
{
    double *shares = leat_mem_need(CEP_EVENTS_MAX * sizeof *shares);
    for (uint32_t i = 0; i < CEP_EVENTS_MAX; i++)
        shares[i] = draw_share(random);
    FILL(amount, draw_between(random, 1, 10));
    for (uint32_t i = 0; i < CEP_EVENTS_MAX; i++) {
        int32_t large = draw_between(random, 501, 5000);
        if (shares[i] >= .3 && shares[i] < .31) events[i].amount = large;
    }
    for (uint32_t i = 0; i < CEP_EVENTS_MAX; i++) {
        int32_t middle = draw_between(random, 10, 501);
        if (shares[i] >= .31) events[i].amount = middle;
    }
    FILL(card, draw_between(random, 0, CARDS));
    FILL(at_ms, (int32_t)((uint64_t)i * 6 / 5));
    leat_mem_free(shares);
}

static void fill_symbols(cep_event *events, cep_random *random)
{
    FILL(sym, draw_between(random, 0, SYMBOLS));
    FILL(card, draw_between(random, 0, CARDS));
    FILL(amount, draw_between(random, 0, 1000));
    FILL(at_ms, (int32_t)i);
}

cep_streams *cep_streams_new(void)
{
    cep_streams *streams = leat_mem_need(sizeof *streams);
    cep_random random = SEEDED;
    fill_letters(streams->events[CEP_ABC], &random, .1, .2);
    fill_letters(streams->events[CEP_KLE], &random, .01, .11);
    fill_payments(streams->events[CEP_FRAUD], &random);
    fill_symbols(streams->events[CEP_MULTI], &random);
    return streams;
}

void cep_streams_free(cep_streams **streams)
{
    leat_mem_free(*streams);
    *streams = NULL;
}

void cep_streams_get(const cep_streams *streams, const cep_case *c, cep_event *events,
                     uint32_t count)
{
    LEAT_ASSERT(count <= CEP_EVENTS_MAX);
    memcpy(events, streams->events[c->stream], count * sizeof *events);
    for (uint32_t i = 0; i < count && c->keys > 1; i++) {
        uint32_t card = (uint32_t)events[i].card;
        if (c->keys < CARDS) card %= c->keys;
        if (c->keys > CARDS) card += CARDS * (i * 2654435769u % (c->keys / CARDS));
        events[i].card = (int32_t)card;
    }
}

/* --- the right number of matches --- */

/* What an event can be to a pattern; several at once. */
enum { A = 1, B = 2, C = 4 };

static bool has_part(const cep_event *e)
{
    return e->sym % 3 != 2;
}

static bool in_band(const cep_event *e, uint32_t n)
{
    uint32_t thousandths = (uint32_t)e->sym % 1000;
    return (uint32_t)e->amount * 10 + thousandths / 100 == n && thousandths % 100 >= 25 &&
           thousandths % 100 < 75;
}

static unsigned letters_of(const cep_case *c, const cep_event *e, uint32_t n)
{
    uint32_t sym = (uint32_t)e->sym;
    if (c->rule == CEP_FRAUD_3) return e->amount < 10 ? A : e->amount > 500 ? C : 0;
    unsigned letters = sym < 3 * n || sym > 3 * n + 2 ? 0 : 1U << (sym - 3 * n);
    if (c->ask == CEP_BY_PRICE) letters = (letters & ~(unsigned)A) | (in_band(e, n) ? A : 0);
    if (c->ask == CEP_BY_KIND && letters == A && e->card % 7 <= 2) letters = 0;
    if (c->ask == CEP_BY_KIND && letters == B && e->card % 7 >= 5) letters = 0;
    return letters;
}

/* Of which pattern the event can be the last; NONE: of none. */
static uint32_t ends(const cep_case *c, const cep_event *e)
{
    uint32_t n = c->patterns == 1 || c->rule == CEP_FRAUD_3 ? 0 : (uint32_t)e->sym / 3;
    return n < c->patterns && (letters_of(c, e, n) & C) != 0 ? n : NONE;
}

/* Events that can be of one match have the same number, of *count. */
static uint32_t chain_of(const cep_case *c, const cep_event *e, uint32_t *count)
{
    bool one = c->keys > 1 || c->stream != CEP_MULTI;
    *count = one ? c->keys : SYMBOLS / 3;
    return c->keys > 1 ? (uint32_t)e->card : one ? 0 : (uint32_t)e->sym / 3;
}

typedef struct ways {
    uint64_t a, ab, aaa; /* beginnings of matches: A; A and B (FRAUD_3: A A); A A A */
} ways;

static void pass(const cep_case *c, const cep_event *const *seen, uint32_t at, unsigned is, ways *w)
{
    switch (c->rule) {
    case CEP_NEXT: /* B takes all that wait for it, C likewise */
        if ((is & C) != 0) w->ab = 0;
        if ((is & B) != 0) {
            w->ab += w->a;
            w->a = 0;
        }
        if ((is & A) != 0) w->a++;
        break;
    case CEP_STRICT:
        w->ab = (is & B) != 0 ? w->a : 0;
        w->a = (is & A) != 0;
        break;
    case CEP_ANY:
        if ((is & B) != 0) w->ab += w->a;
        if ((is & A) != 0) w->a++;
        break;
    case CEP_LOOP:
        if ((is & B) != 0) w->ab = 2 * w->ab + w->a;
        if ((is & A) != 0) w->a++;
        break;
    case CEP_STEP:
        for (uint32_t j = at;
             j-- > 0 && (is & B) != 0 && seen[at]->at_ms - seen[j]->at_ms < c->window_ms / 2;)
            w->ab += (letters_of(c, seen[j], 0) & A) != 0;
        break;
    case CEP_GREATER:
    case CEP_SAME:
        for (uint32_t j = 0; j < at && (is & B) != 0; j++)
            w->ab += (letters_of(c, seen[j], 0) & A) != 0 &&
                     (c->rule == CEP_SAME ? seen[j]->card == seen[at]->card
                                          : seen[at]->amount > seen[j]->amount);
        break;
    case CEP_FRAUD_3:
        if ((is & C) != 0) w->aaa = 0;
        if ((is & A) != 0) {
            w->aaa += w->ab;
            w->ab = w->a;
            w->a = 1;
        }
        break;
    }
}

/* Matches that event `last` ends. before: of each event, the one before it in its chain. */
static uint64_t count_at(const cep_case *c, const cep_event *events, const uint32_t *before,
                         uint32_t last, uint32_t n, const cep_event **seen)
{
    ways w = {0};
    uint32_t first = CEP_EVENTS_MAX;
    for (uint32_t i = before[last];
         i != NONE && events[last].at_ms - events[i].at_ms < c->window_ms; i = before[i])
        seen[--first] = &events[i];
    uint32_t count = CEP_EVENTS_MAX - first;
    for (uint32_t i = 0; i < count; i++)
        pass(c, seen + first, i, letters_of(c, seen[first + i], n), &w);
    return c->rule == CEP_FRAUD_3 ? w.aaa : w.ab;
}

uint64_t cep_count(const cep_case *c, const cep_event *events, uint32_t count)
{
    uint64_t matches = 0;
    uint32_t chains = 0;
    if (c->ask == CEP_NEVER || c->ask == CEP_OPEN || count == 0) return 0;
    (void)chain_of(c, &events[0], &chains);
    uint32_t *last = leat_mem_need(chains * sizeof *last);
    uint32_t *before = leat_mem_need(count * sizeof *before);
    const cep_event **seen = leat_mem_need(CEP_EVENTS_MAX * sizeof *seen);
    memset(last, 0xff, chains * sizeof *last);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t chain = chain_of(c, &events[i], &chains);
        before[i] = last[chain];
        last[chain] = i;
        uint32_t n = ends(c, &events[i]);
        if (n != NONE) matches += count_at(c, events, before, i, n, seen);
    }
    leat_mem_free(last);
    leat_mem_free(before);
    leat_mem_free(seen);
    return matches;
}

/* --- patterns --- */

static void add_step(const cep_case *c, uint32_t n, uint32_t step, leat_buf *out)
{
    static const char *const contiguity[] = {
        [CEP_NEXT] = "followed_by",     [CEP_STRICT] = "next",
        [CEP_ANY] = "followed_by_any",  [CEP_LOOP] = "followed_by_any",
        [CEP_STEP] = "followed_by_any", [CEP_GREATER] = "followed_by_any",
        [CEP_SAME] = "followed_by_any", [CEP_FRAUD_3] = "followed_by",
    };
    bool never = c->ask == CEP_NEVER || (c->ask == CEP_OPEN && step == 2);
    uint32_t number = 3 * n + step + (never ? SYMBOLS : 0);
    leat_buf_add_format(out, "{\"name\":\"%c\",\"where\":\"", 'a' + (int)step);
    if (c->ask == CEP_BY_PRICE && step == 0)
        leat_buf_add_format(out, "price >= %u.%u25 && price < %u.%u75", n / 10, n % 10, n / 10,
                            n % 10);
    else if (c->ask == CEP_BY_KIND && step < 2)
        leat_buf_add_format(out, "kind == 'k%u' && part %s", number, step == 0 ? "> 2" : "< 5");
    else
        leat_buf_add_format(out, "sym == %u", number);
    if (c->rule == CEP_GREATER && step == 1) leat_buf_add_text(out, " && amount > last(a).amount");
    if (c->rule == CEP_SAME && step == 1) leat_buf_add_text(out, " && card == last(a).card");
    leat_buf_add_char(out, '"');
    if (step > 0) leat_buf_add_format(out, ",\"contiguity\":\"%s\"", contiguity[c->rule]);
    if (c->rule == CEP_STEP && step == 1)
        leat_buf_add_format(out, ",\"within\":\"%lldms\"", (long long)(c->window_ms / 2));
    if (c->rule == CEP_LOOP && step == 1)
        leat_buf_add_text(out, ",\"times\":{\"min\":1},\"repeat\":\"followed_by_any\"");
    leat_buf_add_char(out, '}');
}

void cep_pattern(const cep_case *c, uint32_t n, bool enabled, leat_buf *out)
{
    leat_buf_add_format(out,
                        "{\"name\":\"p%u\",\"within\":\"%lldms\",\"enabled\":%s,\"limits\":{"
                        "\"partial_matches\":1000000,\"matches\":100000000},\"steps\":[",
                        n, (long long)c->window_ms, enabled ? "true" : "false");
    if (c->rule == CEP_FRAUD_3) {
        leat_buf_add_format(out,
                            "{\"name\":\"a\",\"where\":\"amount < 10\",\"times\":3},{\"name\":"
                            "\"c\",\"where\":\"amount > 500%s\"}",
                            c->ask == CEP_BY_LAST ? " && amount != last(a).amount" : "");
    } else {
        for (uint32_t step = 0; step < 3; step++) {
            if (step > 0) leat_buf_add_char(out, ',');
            add_step(c, n, step, out);
        }
    }
    leat_buf_add_text(out, "]}");
}

/* --- events as they come --- */

const char *const cep_slot_names[CEP_SLOTS] = {"sym", "card", "amount", "price", "kind", "part"};

#define KIND_AT 9 /* of the text: behind {"kind":" */

leat_str cep_text(const cep_event *e, char text[CEP_TEXT_MAX])
{
    char part[16] = "";
    if (has_part(e)) (void)snprintf(part, sizeof part, ",\"part\":%d", e->card % 7);
    int len =
        snprintf(text, CEP_TEXT_MAX,
                 "{\"kind\":\"k%d\",\"sym\":%d,\"card\":%d,\"amount\":%d,\"price\":%d.%03d%s}",
                 e->sym, e->sym, e->card, e->amount, e->amount, e->sym % 1000, part);
    LEAT_ASSERT(len > 0 && (uint32_t)len < CEP_TEXT_MAX);
    return (leat_str){text, (size_t)len};
}

void cep_slots(const cep_event *e, leat_str text, leat_value slots[CEP_SLOTS])
{
    const char *end = memchr(text.data + KIND_AT, '"', text.len - KIND_AT);
    LEAT_ASSERT(end != NULL);
    slots[CEP_SYM] = leat_value_int(e->sym);
    slots[CEP_CARD] = leat_value_int(e->card);
    slots[CEP_AMOUNT] = leat_value_int(e->amount);
    slots[CEP_PRICE] = leat_value_double((e->amount * 1000 + e->sym % 1000) / 1000.0);
    slots[CEP_KIND] = leat_value_string(leat_str_slice(text, KIND_AT, (size_t)(end - text.data)));
    slots[CEP_PART] = has_part(e) ? leat_value_int(e->card % 7) : LEAT_VALUE_MISSING;
}
