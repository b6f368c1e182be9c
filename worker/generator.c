/* SPDX-License-Identifier: Apache-2.0 */
/* Card payments with planted fraud.
 *
 * Time goes on by 10 ms an event. A burst is a script of payments of one card, seconds apart, put
 * among the others when they are due. Cards of bursts have ordinary payments too, of 2 to 500,
 * which meet neither condition of the example's pattern; so each finished burst is exactly one
 * match:
 *
 *   fraud      3-5 payments below 2, then one above 500 at another merchant     one alert
 *   impatient  2 below 2, then a large one                                      none
 *   homely     3 below 2, then a large one at the merchant of the last          none
 *   shy        4 below 2, and nothing more                                      none
 *
 * A card is in one burst only, until a quiet time longer than the pattern's window has passed, so
 * that bursts never mix. No burst begins that could not end before the count is reached. */
#include "worker/generator.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/time.h"

#define CARDS            10000
#define STEP_MS          10
#define BURSTS           32 /* at a time */
#define BURST_EVENTS_MAX 6
#define BURST_EVERY      400     /* events, on average */
#define BURST_MS_MAX     60000   /* from first to last payment */
#define QUIET_MS         1300000 /* of a card after a burst; the example's window is ten minutes */
#define JITTER_MS        2000
#define BAD_EVERY        20000

typedef enum burst_kind { FRAUD, IMPATIENT, HOMELY, SHY, KINDS } burst_kind;

typedef struct burst {
    bool live;
    burst_kind kind;
    uint32_t card, tiny, at; /* payments below 2; the next of the script */
    uint32_t merchant;       /* of the last payment */
    int64_t due_ms;
} burst;

struct leat_generator {
    uint64_t state, count, made;
    int64_t base_ms;
    int64_t quiet_until_ms[CARDS];
    burst bursts[BURSTS];
    leat_planted planted;
    char key[32], value[512];
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t draw(leat_generator *generator)
{
    uint64_t z = generator->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static uint32_t draw_below(leat_generator *generator, uint32_t limit)
{
    return (uint32_t)(draw(generator) % limit);
}

leat_code leat_generator_new(const char *name, uint64_t seed, uint64_t count, int64_t base_ms,
                             leat_generator **generator, leat_err *err)
{
    if (strcmp(name, "payments") != 0)
        return leat_err_set(err, LEAT_ERR_CONFIG, "there is no generator '%s'; there is: payments",
                            name);
    leat_generator *made = leat_mem_need(sizeof *made);
    made->state = seed;
    made->count = count;
    made->base_ms = base_ms;
    *generator = made;
    return LEAT_OK;
}

void leat_generator_free(leat_generator **generator)
{
    leat_mem_free(*generator);
    *generator = NULL;
}

leat_planted leat_generator_planted(const leat_generator *generator)
{
    return generator->planted;
}

/* Bad records are cut off before their end: no JSON, but the key tells the card. */
static void write_payment(leat_generator *generator, uint32_t card, uint32_t cents,
                          uint32_t merchant, int64_t at_ms, leat_str *key, leat_str *value)
{
    static const char *const currencies[] = {"EUR", "USD", "GBP", "CHF"};
    static const char *const rates[] = {"1.0", "0.92", "1.17", "1.04"};
    static const char *const countries[] = {"DE", "FR", "US", "GB", "IT", "ES", "NL", "CH"};
    uint64_t bits = draw(generator);
    uint32_t currency = bits & 3;
    leat_buf paid_at;
    leat_buf_init(&paid_at, 64);
    leat_time_format(leat_value_timestamp_of_ms(at_ms), &paid_at);
    int key_len = snprintf(generator->key, sizeof generator->key, "card-%05u", card);
    int len = snprintf(
        generator->value, sizeof generator->value,
        "{\"payment_id\":\"p-%09llu\",\"paid_at\":\"%.*s\",\"card_id\":\"card-%05u\","
        "\"pan\":\"4%015llu\",\"cvv\":\"%03u\",\"amount\":%u.%02u,\"currency\":\"%s\",\"rate\":%s,"
        "\"merchant\":\"m-%05u\",\"country\":\"%s\",\"status\":\"%s\"}",
        (unsigned long long)generator->made, (int)paid_at.len, paid_at.data, card,
        (unsigned long long)(card * UINT64_C(99999989) % UINT64_C(1000000000000000)),
        (uint32_t)(bits >> 8) % 1000, cents / 100, cents % 100, currencies[currency],
        rates[currency], merchant, countries[bits >> 20 & 7], "ok");
    leat_buf_release(&paid_at);
    *key = (leat_str){generator->key, (size_t)key_len};
    *value = (leat_str){generator->value, (size_t)len};
}

static uint32_t script_length(const burst *one)
{
    return one->kind == SHY ? one->tiny : one->tiny + 1;
}

static void plan_next(leat_generator *generator, burst *one, int64_t now_ms)
{
    /* Farther apart than timestamps are out of order, so that a script's order is its time's. */
    one->due_ms = now_ms + (int64_t)2 * JITTER_MS + draw_below(generator, 5000);
}

static void maybe_begin(leat_generator *generator, int64_t now_ms)
{
    if (draw_below(generator, BURST_EVERY) != 0) return;
    uint64_t left = generator->count - generator->made;
    if (generator->count > 0 && left < BURST_MS_MAX / STEP_MS + BURSTS) return;
    for (size_t i = 0; i < BURSTS; i++) {
        burst *one = &generator->bursts[i];
        if (one->live) continue;
        static const uint8_t kinds[] = {FRAUD, FRAUD, FRAUD, IMPATIENT, HOMELY, SHY};
        one->card = draw_below(generator, CARDS);
        if (generator->quiet_until_ms[one->card] > now_ms) return;
        generator->quiet_until_ms[one->card] = now_ms + BURST_MS_MAX + QUIET_MS;
        one->kind = (burst_kind)kinds[draw_below(generator, sizeof kinds)];
        one->tiny = one->kind == FRAUD       ? 3 + draw_below(generator, 3)
                    : one->kind == IMPATIENT ? 2
                    : one->kind == HOMELY    ? 3
                                             : 4;
        one->at = 0;
        one->live = true;
        one->merchant = draw_below(generator, 20000);
        plan_next(generator, one, now_ms);
        return;
    }
}

static burst *due_burst(leat_generator *generator, int64_t now_ms)
{
    for (size_t i = 0; i < BURSTS; i++)
        if (generator->bursts[i].live && generator->bursts[i].due_ms <= now_ms)
            return &generator->bursts[i];
    return NULL;
}

static void next_of_burst(leat_generator *generator, burst *one, int64_t now_ms, leat_str *key,
                          leat_str *value)
{
    bool tiny = one->at < one->tiny;
    bool same_merchant = !tiny && one->kind == HOMELY;
    if (!same_merchant) one->merchant = (one->merchant + 1 + draw_below(generator, 100)) % 20000;
    uint32_t cents = tiny ? 10 + draw_below(generator, 180) : 50100 + draw_below(generator, 200000);
    write_payment(generator, one->card, cents, one->merchant, now_ms, key, value);
    one->at++;
    if (one->at < script_length(one)) {
        plan_next(generator, one, now_ms);
        return;
    }
    one->live = false;
    if (one->kind == FRAUD) generator->planted.alerts++;
}

bool leat_generator_next(leat_generator *generator, leat_str *key, leat_str *value, int64_t *at_ms)
{
    if (generator->count > 0 && generator->made >= generator->count) return false;
    int64_t now_ms = generator->base_ms + (int64_t)generator->made * STEP_MS;
    maybe_begin(generator, now_ms);
    burst *one = due_burst(generator, now_ms);
    if (one != NULL) {
        *at_ms = now_ms;
        next_of_burst(generator, one, now_ms, key, value);
    } else {
        *at_ms = now_ms - draw_below(generator, JITTER_MS);
        uint32_t cents = 200 + draw_below(generator, 49800);
        write_payment(generator, draw_below(generator, CARDS), cents, draw_below(generator, 20000),
                      *at_ms, key, value);
        if (draw_below(generator, BAD_EVERY) == 0) {
            value->len -= 3 + draw_below(generator, 40);
            generator->planted.bad_records++;
        }
    }
    generator->made++;
    generator->planted.events++;
    return true;
}
