/* SPDX-License-Identifier: Apache-2.0 */
/* Cases from seeds. Patterns are written as text, part by part, with everything that the language
 * of patterns has; a few come out as nonsense that is refused, which costs less than knowing every
 * rule here. Streams have few kinds of events and small numbers, so that conditions on earlier
 * takes hold often enough, and many equal times.
 *
 * Fields of an event: ts, k (a letter), v (a double, sometimes missing), w (an int), o (what
 * order_by orders by: of any type, sometimes missing); of crowds n (of many types). */
#include "schemas/codec_json.h"
#include "tests/differential/case.h"
#include "tests/unit/random.h"

#define STEPS_MAX 9

typedef struct generator {
    leat_random random;
    leat_buf out;
    unsigned steps, nots; /* names given */
    unsigned parts_left;
    bool self_named; /* the step being written is the last of `steps` */
    bool windowed;   /* the pattern has `within` */
    bool crowded;    /* it is one of crowd's */
    int64_t window_ms;
} generator;

static unsigned below(generator *g, unsigned bound)
{
    return (unsigned)leat_random_below(&g->random, bound);
}

static bool percent(generator *g, unsigned chance)
{
    return below(g, 100) < chance;
}

static void add(generator *g, const char *text)
{
    leat_buf_add_text(&g->out, text);
}

#define ADD(g, ...) leat_buf_add_format(&(g)->out, __VA_ARGS__)

static char letter(generator *g)
{
    return (char)('a' + below(g, 4));
}

static const char *order(generator *g)
{
    static const char *const operators[] = {"<", "<=", ">", ">=", "==", "!="};
    return operators[below(g, 6)];
}

/* --- conditions --- */

/* One of the event alone. */
static void plain_atom(generator *g)
{
    switch (below(g, 12)) {
    case 0:
    case 1:
    case 2:
    case 3: ADD(g, "k == '%c'", letter(g)); break;
    case 4: ADD(g, "k in ['%c', '%c']", letter(g), letter(g)); break;
    case 5: ADD(g, "k != '%c'", letter(g)); break;
    case 6: ADD(g, "v %s %u.0", order(g), below(g, 10)); break;
    case 7: ADD(g, "v < %u.0", 3 + below(g, 6)); break;
    case 8: ADD(g, "v >= %u.0", 2 + below(g, 6)); break;
    case 9: ADD(g, "w %% 2 == %u", below(g, 2)); break;
    case 10: ADD(g, "w == %u", below(g, 4)); break;
    default: add(g, percent(g, 50) ? "has(event.o)" : "true"); break;
    }
}

/* One that reads what a step has taken; sometimes a step that comes later, or none yet. */
static void reading_atom(generator *g)
{
    static const char *const ends[] = {"first", "last"};
    static const char *const folds[] = {"sum", "avg", "min", "max"};
    char s = (char)('A' + below(g, g->steps + (percent(g, 5) ? 1 : 0)));
    const char *end = ends[below(g, 2)];
    switch (below(g, 16)) {
    case 0:
    case 1: ADD(g, "(size(%c) == 0 || v %s %s(%c).v)", s, order(g), end, s); break;
    case 2: ADD(g, "v %s %s(%c).v", order(g), end, s); break;
    case 3:
    case 4: ADD(g, "w == %s(%c).w", end, s); break;
    case 5: ADD(g, "k %s %s(%c).k", percent(g, 70) ? "==" : "!=", end, s); break;
    case 6: ADD(g, "size(%c) %s %u", s, order(g), below(g, 4)); break;
    case 7: ADD(g, "sum(%c.map(x, x.v)) + v %s %u.0", s, order(g), 5 + below(g, 20)); break;
    case 8: ADD(g, "sum(%c.map(x, x.v)) %s %u.0", s, order(g), 5 + below(g, 20)); break;
    case 9:
        ADD(g, "(size(%c) == 0 || v %s %s(%c.map(x, x.v)))", s, order(g), folds[below(g, 4)], s);
        break;
    case 10: ADD(g, "v %s %s(%c.map(x, x.v))", order(g), folds[below(g, 4)], s); break;
    case 11: ADD(g, "%c.%s(x, x.v %s v)", s, percent(g, 50) ? "exists" : "all", order(g)); break;
    case 12: ADD(g, "size(%c.filter(x, x.k == k)) < %u", s, 1 + below(g, 3)); break;
    case 13: ADD(g, "%c[%u].v %s v", s, below(g, 3), order(g)); break;
    case 14: ADD(g, "ts - %s(%c).ts %s %u", end, s, order(g), below(g, 60)); break;
    default: ADD(g, "(size(%c) == 0 || last(%c).w + %u == w)", s, s, below(g, 2)); break;
    }
}

static void atom(generator *g, unsigned reading)
{
    if (g->steps > 0 && percent(g, reading))
        reading_atom(g);
    else
        plain_atom(g);
}

static void condition(generator *g)
{
    unsigned shape = below(g, 100);
    if (shape < 50) {
        atom(g, 20);
    } else if (shape < 80) {
        plain_atom(g);
        add(g, " && ");
        atom(g, 75);
    } else if (shape < 92) {
        atom(g, 20);
        add(g, " || ");
        atom(g, 30);
    } else {
        add(g, "!(");
        atom(g, 30);
        add(g, ")");
    }
}

/* --- parts --- */

static void contiguity(generator *g, const char *key, bool negated)
{
    static const char *const links[] = {"next", "followed_by", "followed_by_any"};
    ADD(g, ", \"%s\": \"%s\"", key, links[below(g, negated ? 2 : 3)]);
}

static void repetition(generator *g, bool step)
{
    unsigned min = below(g, 4);
    bool bounded = true;
    unsigned shape = below(g, 4);
    if (shape == 0) {
        ADD(g, ", \"times\": %u", 1 + below(g, 3));
    } else if (shape == 1) {
        ADD(g, ", \"times\": {\"min\": %u, \"max\": %u}", min, min + (min == 0) + below(g, 3));
    } else {
        ADD(g, ", \"times\": {\"min\": %u%s}", min % 3, percent(g, 50) ? ", \"max\": null" : "");
        bounded = false;
    }
    bool greedy = step && percent(g, 35);
    if (greedy) {
        add(g, ", \"greedy\": true");
        if (percent(g, 40)) add(g, ", \"repeat\": \"next\"");
    } else if (percent(g, 60)) {
        contiguity(g, "repeat", false);
    }
    if (!bounded && percent(g, greedy ? 50 : 25)) {
        add(g, ", \"until\": \"");
        condition(g);
        add(g, "\"");
    }
}

static void sequence(generator *g, unsigned depth, bool alternatives);

static void step_within(generator *g)
{
    int64_t most = g->windowed ? g->window_ms : 80;
    ADD(g, ", \"within\": \"%lldms\"", (long long)(1 + below(g, (unsigned)most)));
}

static void part(generator *g, unsigned depth, bool may_be_not)
{
    unsigned kind = below(g, 100);
    add(g, "{");
    if (kind < 16 && may_be_not) {
        ADD(g, "\"name\": \"N%u\", \"not\": true", g->nots++);
        contiguity(g, "contiguity", true);
        if (percent(g, 95)) {
            add(g, ", \"where\": \"");
            condition(g);
            add(g, "\"");
        }
        if (percent(g, 4)) step_within(g);
    } else if (kind < 36 && depth < 4 && g->parts_left > 1 && g->steps + 1 < STEPS_MAX) {
        bool alternatives = kind < 24;
        add(g, alternatives ? "\"any_of\": " : "\"steps\": ");
        sequence(g, depth + 1, alternatives);
        if (percent(g, 85)) contiguity(g, "contiguity", false);
        if (percent(g, 50)) repetition(g, false);
        if (percent(g, 15)) add(g, ", \"optional\": true");
    } else {
        ADD(g, "\"name\": \"%c\"", (char)('A' + g->steps++));
        if (percent(g, 80)) contiguity(g, "contiguity", false);
        if (percent(g, 93)) {
            add(g, ", \"where\": \"");
            condition(g);
            add(g, "\"");
        }
        if (percent(g, 45)) repetition(g, true);
        if (percent(g, 15)) add(g, ", \"optional\": true");
        if (percent(g, 12)) step_within(g);
    }
    add(g, "}");
}

static void sequence(generator *g, unsigned depth, bool alternatives)
{
    unsigned count = depth == 0 ? 1 + below(g, 5) : 1 + below(g, 3);
    add(g, "[");
    for (unsigned i = 0; i < count; i++) {
        if (i > 0 && (g->parts_left == 0 || g->steps >= STEPS_MAX)) break;
        if (i > 0) add(g, ", ");
        if (g->parts_left > 0) g->parts_left--;
        part(g, depth, i > 0 && !alternatives);
    }
    add(g, "]");
}

/* Many of what could come out, rarely all; of partial matches whatever there is, but sometimes none
 * that is long. */
static void limits(generator *g)
{
    unsigned events = percent(g, 15) ? 1 + below(g, 8) : 100000;
    ADD(g, "{\"name\": \"p\", \"limits\": {\"partial_matches\": 1000000, \"events\": %u", events);
    if (percent(g, 30)) add(g, ", \"beyond\": \"drop_newest\"");
    if (percent(g, 20)) ADD(g, ", \"matches\": %u", 1 + below(g, percent(g, 50) ? 3 : 30));
    add(g, "}");
}

static void pattern(generator *g, bool lengthy)
{
    static const char *const skips[] = {"skip_to_next", "skip_past_last_event", "skip_to_first",
                                        "skip_to_last"};
    static const char *const orders[] = {"o", "v", "k", "w"};
    limits(g);
    g->windowed = lengthy || percent(g, 60);
    g->window_ms = 5 + below(g, lengthy ? 40 : 150);
    if (g->windowed) ADD(g, ", \"within\": \"%lldms\"", (long long)g->window_ms);
    g->parts_left = 2 + below(g, 8);
    add(g, ", \"steps\": ");
    sequence(g, 0, false);
    if (percent(g, 50)) {
        unsigned skip = below(g, 4);
        ADD(g, ", \"skip\": \"%s\"", skips[skip]);
        if (skip >= 2) ADD(g, ", \"skip_to\": \"%c\"", (char)('A' + below(g, g->steps)));
        if (skip >= 2 && percent(g, 25)) add(g, ", \"skip_on_miss\": \"error\"");
    }
    if (percent(g, 8)) ADD(g, ", \"order_by\": \"%s\"", orders[below(g, 4)]);
    add(g, "}");
}

/* --- crowds --- */

/* What is compared with a field of one earlier take, and more. */
static void crowd_condition(generator *g, char step, const char *fields)
{
    static const char *const ends[] = {"first", "last"};
    char field = fields[below(g, 4)];
    const char *end = ends[below(g, 2)];
    unsigned shape = below(g, 10);
    if (shape < 5) plain_atom(g);
    if (shape < 5) add(g, " && ");
    if (percent(g, 80))
        ADD(g, "%c %s %s(%c).%c", field, order(g), end, step, field);
    else
        ADD(g, "%s(%c).%c %s %c", end, step, field, order(g), fields[below(g, 4)]);
    if (shape == 5) ADD(g, " && w <= last(%c).w", step);
    if (shape == 6) ADD(g, " && v != last(%c).v", step);
    if (shape == 7) add(g, " && o > 1");
}

static const char *const crowd_links[] = {"followed_by", "followed_by_any", "followed_by_any"};
#define CROWD_FIELDS "vwon"

static void crowd_step(generator *g)
{
    unsigned number = g->steps++;
    ADD(g, "{\"name\": \"%c\", \"contiguity\": \"%s\", \"where\": \"", (char)('A' + number),
        crowd_links[below(g, 3)]);
    crowd_condition(g, (char)('A' + below(g, number + percent(g, 15))), CROWD_FIELDS);
    add(g, "\"");
    if (percent(g, 20))
        ADD(g, ", \"times\": {\"min\": %u}, \"repeat\": \"%s\"", below(g, 2),
            crowd_links[below(g, 3)]);
    if (percent(g, 8)) step_within(g);
    add(g, "}");
}

/* Few steps, many partial matches that are told apart by what they have taken: what an index of
 * them is for. */
static void crowd(generator *g)
{
    unsigned parts = 2 + below(g, 2);
    limits(g);
    g->window_ms = 20 + below(g, 400);
    g->windowed = true;
    ADD(g, ", \"within\": \"%lldms\", \"steps\": [", (long long)g->window_ms);
    ADD(g, "{\"name\": \"A\", \"where\": \"k %s '%c'\"}", percent(g, 70) ? "!=" : "==", letter(g));
    g->steps = 1;
    for (unsigned i = 1; i < parts; i++) {
        bool either = percent(g, 30);
        add(g, either ? ", {\"any_of\": [" : ", ");
        crowd_step(g);
        if (either) add(g, ", ");
        if (either) crowd_step(g);
        if (either) add(g, "], \"contiguity\": \"followed_by_any\"}");
        if (i + 1 == parts || percent(g, 85)) continue;
        ADD(g, ", {\"name\": \"N%u\", \"not\": true, \"where\": \"", g->nots++);
        crowd_condition(g, 'A', CROWD_FIELDS);
        add(g, "\"}");
    }
    add(g, "]");
    if (percent(g, 25)) add(g, ", \"skip\": \"skip_past_last_event\"");
    add(g, "}");
}

/* --- streams --- */

/* Of many kinds, so that they meet. */
static void crowd_fields(generator *g)
{
    static const char *const odd[] = {
        "null",        "true", "[1]",   "9007199254740993",    "9007199254740992.0", "-0.0",
        "\"\\u0041\"", "\"\"", "1e300", "12345678901234567890"};
    unsigned shape = below(g, 20);
    if (shape < 9)
        ADD(g, ", \"n\": %u", below(g, 60));
    else if (shape < 13)
        ADD(g, ", \"n\": %u.%u", below(g, 60), below(g, 2) * 5);
    else if (shape < 17)
        ADD(g, ", \"n\": \"%c%c\"", letter(g), letter(g));
    else if (shape < 19)
        ADD(g, ", \"n\": %s", odd[below(g, 10)]);
}

static void event(generator *g, int64_t at_ms)
{
    ADD(g, "{\"ts\": %lld, \"k\": \"%c\"", (long long)at_ms, letter(g));
    if (!percent(g, 2)) ADD(g, ", \"v\": %u.0", below(g, 10));
    ADD(g, ", \"w\": %u", below(g, 4));
    if (g->crowded) crowd_fields(g);
    switch (below(g, 8)) {
    case 0: break;
    case 1: add(g, ", \"o\": null"); break;
    case 2: ADD(g, ", \"o\": \"%c\"", letter(g)); break;
    case 3: ADD(g, ", \"o\": %u.5", below(g, 3)); break;
    default: ADD(g, ", \"o\": %u", below(g, 4)); break;
    }
    add(g, "}");
}

static leat_value parsed(generator *g, leat_arena *arena)
{
    static const leat_json_limits limits = {100, 1u << 20};
    leat_value value = LEAT_VALUE_NULL;
    leat_err err = {0};
    leat_str text = leat_arena_copy(arena, leat_buf_str(&g->out));
    leat_code code = leat_json_value(text, limits, arena, &value, &err);
    LEAT_ASSERT(code == LEAT_OK);
    leat_buf_reset(&g->out);
    return value;
}

static int64_t gap(generator *g)
{
    unsigned shape = below(g, 20);
    if (shape < 6) return 0;
    if (shape < 18) return 1 + below(g, 12);
    return shape == 18 ? (int64_t)g->window_ms : 10 + (int64_t)below(g, 200);
}

diff_case diff_generate(uint64_t seed, leat_arena *arena)
{
    leat_random mixed = {seed}; /* or neighbouring seeds would have the same numbers, shifted */
    generator g = {.random = {leat_random_next(&mixed)}};
    leat_buf_init(&g.out, (size_t)1 << 20);
    bool lengthy = percent(&g, 1); /* a stream of which no state stays */
    g.crowded = !lengthy && percent(&g, 20);
    if (g.crowded)
        crowd(&g);
    else
        pattern(&g, lengthy);
    diff_case c = {.pattern = parsed(&g, arena)};
    size_t room = lengthy ? 150 + below(&g, 400) : 3 + below(&g, below(&g, 4) == 0 ? 60 : 25);
    if (g.crowded) room = 20 + below(&g, 180);
    int64_t now_ms = 1000;
    c.timers = percent(&g, 50);
    c.happenings = leat_arena_zero(arena, room * sizeof *c.happenings);
    LEAT_ASSERT(c.happenings != NULL);
    while (c.count < room) {
        diff_happening *h = &c.happenings[c.count++];
        now_ms += gap(&g);
        *h = (diff_happening){.at_ms = now_ms, .time_only = percent(&g, 10)};
        if (h->time_only) continue;
        event(&g, now_ms);
        h->event = parsed(&g, arena);
    }
    leat_buf_release(&g.out);
    return c;
}
