/* SPDX-License-Identifier: Apache-2.0 */
/* gen.h - deterministic event generator shared by the bulk producer, the
 * latency probe and the parse microbenchmark. */
#ifndef GEN_H
#define GEN_H
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define GEN_CARDS     10000
#define GEN_ADS       1000
#define GEN_CAMPAIGNS 100
#define GEN_BASE_MS   1795200000000LL /* event time of event 0; one event per ms */

typedef struct {
    uint64_t rng;
    uint8_t burst[GEN_CARDS]; /* small payments still due in a fraud burst, +1 */
} gen_t;

static inline uint64_t gen_next(gen_t *g)
{
    uint64_t z = (g->rng += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

static inline void gen_init(gen_t *g, uint64_t seed)
{
    memset(g, 0, sizeof *g);
    g->rng = seed;
}

/* A payment. Amounts: 20% below 2, 30% in 2..10, 49.5% in 10..500, 0.5% above
 * 500; one event in 1000 starts a burst of 3..5 small payments and a large one
 * on its card. Returns the length; the key goes to key/keylen. */
static inline int gen_pay(gen_t *g, uint64_t id, int64_t ts, char *buf, size_t cap, char *key,
                          int *keylen)
{
    static const char *cur[] = {"EUR", "USD", "GBP", "CHF"};
    static const char *cty[] = {"DE", "FR", "US", "GB", "IT", "ES", "NL", "CH"};
    static const char *chn[] = {"pos", "web", "app", "atm"};
    uint64_t a = gen_next(g), b = gen_next(g);
    unsigned card = a % GEN_CARDS;
    unsigned p = (a >> 20) % 1000, frac = (a >> 32) % 10000;
    double amount;
    if (g->burst[card] > 1) {
        g->burst[card]--;
        amount = 0.10 + frac * 1.8 / 10000;
    } else if (g->burst[card] == 1) {
        g->burst[card] = 0;
        amount = 501 + frac / 10.0;
    } else {
        if ((b >> 50) % 1000 == 0) g->burst[card] = 4 + (b >> 40) % 3;
        if (p < 200)
            amount = 0.10 + frac * 1.8 / 10000;
        else if (p < 500)
            amount = 2 + frac * 7.9 / 10000;
        else if (p < 995)
            amount = 10 + frac * 0.0489;
        else
            amount = 501 + frac / 10.0;
    }
    *keylen = snprintf(key, 32, "card-%06u", card);
    return snprintf(
        buf, cap,
        "{\"event_id\":\"%016llx\",\"ts\":%lld,\"card_id\":\"%s\",\"card_number\":\"4%015llu\","
        "\"amount\":%.2f,\"currency\":\"%s\",\"merchant_id\":\"m-%05u\",\"mcc\":%u,"
        "\"country\":\"%s\",\"channel\":\"%s\",\"device_id\":\"d-%06x\",\"status\":\"approved\"}",
        (unsigned long long)id, (long long)ts, key,
        (unsigned long long)(card * 99999989ULL % 1000000000000000ULL), amount, cur[b & 3],
        (unsigned)(b >> 2) % 20000, 4000 + (unsigned)(b >> 20) % 900, cty[(b >> 30) & 7],
        chn[(b >> 33) & 3], (unsigned)(b >> 36) & 0xffffff);
}

/* An advertising event (Yahoo streaming benchmark shape). */
static inline int gen_ad(gen_t *g, uint64_t id, int64_t ts, char *buf, size_t cap, char *key,
                         int *keylen)
{
    static const char *typ[] = {"view", "click", "purchase"};
    static const char *fmt[] = {"banner", "modal", "mail", "mobile", "sponsored"};
    uint64_t a = gen_next(g), b = gen_next(g);
    *keylen = snprintf(key, 32, "ad-%04u", (unsigned)(a % GEN_ADS));
    return snprintf(
        buf, cap,
        "{\"event_id\":\"%016llx\",\"user_id\":\"%016llx-%08x\",\"page_id\":\"%08x-%08x\","
        "\"ad_id\":\"%s\",\"ad_type\":\"%s\",\"event_type\":\"%s\",\"event_time\":%lld,"
        "\"ip_address\":\"10.%u.%u.%u\"}",
        (unsigned long long)id, (unsigned long long)b, (unsigned)(a >> 32), (unsigned)(b >> 16),
        (unsigned)(a >> 16), key, fmt[(a >> 12) % 5], typ[(a >> 24) % 3], (long long)ts,
        (unsigned)(b & 255), (unsigned)(b >> 8) & 255, (unsigned)(b >> 16) & 255);
}
#endif
