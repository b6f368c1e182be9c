/* SPDX-License-Identifier: Apache-2.0 */
/* expect.c - the reference answers, straight from the generator: expect COUNT */
#include "gen.h"
#include <stdlib.h>

int main(int argc, char **argv)
{
    long n = argc > 1 ? atol(argv[1]) : 4000000, kept = 0, views = 0, alerts = 0, small = 0,
         large = 0;
    gen_t *g = malloc(sizeof *g);
    char b[512], key[32];
    int kl;
    static int64_t q[GEN_CARDS][1024];
    static int head[GEN_CARDS], tail[GEN_CARDS];
    gen_init(g, 42);
    for (long i = 0; i < n; i++) {
        int64_t ts = GEN_BASE_MS + i;
        gen_pay(g, i, ts, b, sizeof b, key, &kl);
        double a = atof(strstr(b, "\"amount\":") + 9);
        int c = atoi(key + 5), *h = &head[c], *t = &tail[c];
        kept += a >= 10;
        small += a < 2;
        large += a > 500;
        while (*h < *t && ts - q[c][*h & 1023] >= 60000)
            (*h)++;
        if (a < 2)
            q[c][(*t)++ & 1023] = ts;
        else if (a > 500 && *t - *h >= 3) {
            alerts++;
            *h = *t;
        }
    }
    gen_init(g, 42);
    for (long i = 0; i < n; i++) {
        gen_ad(g, i, GEN_BASE_MS + i, b, sizeof b, key, &kl);
        views += strstr(b, "\"event_type\":\"view\"") != NULL;
    }
    printf("{\"events\":%ld,\"etl_kept\":%ld,\"views\":%ld,\"windows\":%ld,\"small\":%ld,\"large\":"
           "%ld,\"alerts\":%ld}\n",
           n, kept, views, (n + 9999) / 10000 * GEN_CAMPAIGNS, small, large, alerts);
    return 0;
}
