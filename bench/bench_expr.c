/* SPDX-License-Identifier: Apache-2.0 */
/* What an expression costs per record, one line of JSON each.
 *
 *   bench_expr [ROUNDS [NAME]]      NAME: only what begins so
 *
 * The record has 12 decoded slots, as a payment of the peers' workloads has fields; the values are
 * such that every clause of a condition is evaluated. Each figure is the best of ROUNDS rounds
 * (default 30) of 200,000 evaluations, as what disturbs a round can only make it slower; results
 * are counted and compared, so that nothing measured can be left out. `heap` is how often the heap
 * was asked for memory in all rounds, `arena` the bytes of arena per evaluation. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/harness.h"
#include "core/mem.h"
#include "transforms/expr.h"

#define EVALUATIONS 200000u
#define PER_BATCH   1000u
#define FIELDS      12u

static const char *const fields[FIELDS] = {
    "ts",       "card_id", "amount", "merchant_id", "country", "home_country",
    "currency", "status",  "name",   "channel",     "tags",    "score",
};

static const char *const expressions[][2] = {
    {"three_clauses", "amount > 500.0 && country != home_country && name.startsWith(\"x\")"},
    {"one_clause", "amount > 500.0"},
    {"int_against_double", "score > 10.5"},
    {"equal_text", "status == 'approved'"},
    {"in_list", "currency in ['EUR', 'USD', 'GBP', 'CHF']"},
    {"arithmetic", "amount * 1.19 + 3.5 - amount / 4.0"},
    {"int_arithmetic", "(score + 7) * 3 - score % 5"},
    {"conditional", "score > 10 ? amount : 0.0"},
    {"concat", "country + '-' + currency + '-' + card_id"},
    {"size", "size(name)"},
    {"macro_exists_10", "tags.exists(t, t == 'tag9')"},
    {"macro_map_10", "tags.map(t, size(t))"},
    {"macro_filter_10", "tags.filter(t, t.endsWith('9'))"},
    {"matches", "name.matches('^x[a-z]+[0-9]+$')"},
    {"absorbed_error", "missing_field > 1 || score > 10"},
    {"has", "has(event.amount) && !has(event.gone)"},
};

static void must(leat_code code, const leat_err *err, const char *text)
{
    if (code == LEAT_OK) return;
    bench_fail("%s: %s", text, err->text);
}

/* Fields by their bare names or behind `event`; what is not there has the slot behind the last. */
static leat_code resolve(leat_scope *scope, const leat_str *names, size_t count, bool absolute,
                         leat_ref *ref, leat_str *nearest, leat_err *err)
{
    (void)scope;
    (void)absolute;
    (void)nearest;
    (void)err;
    size_t at = count > 1 && leat_str_is(names[0], "event") ? 1 : 0;
    uint32_t slot = 0;
    while (slot < FIELDS && !leat_str_is(names[at], fields[slot]))
        slot++;
    *ref = (leat_ref){.kind = LEAT_REF_SLOT, .index = slot, .used = at + 1};
    return LEAT_OK;
}

static void fill(leat_value *slots, leat_value *tags)
{
    static const char *const texts[FIELDS] = {
        [1] = "4970-1234-5678-9010",
        [3] = "m-77120",
        [4] = "FR",
        [5] = "DE",
        [6] = "CHF",
        [7] = "approved",
        [8] = "xavier7",
        [9] = "online",
    };
    static const char *const names[10] = {"tag0", "tag1", "tag2", "tag3", "tag4",
                                          "tag5", "tag6", "tag7", "tag8", "tag9"};
    for (size_t i = 0; i < 10; i++)
        tags[i] = leat_value_string(leat_str_of(names[i]));
    for (size_t i = 0; i < FIELDS; i++) {
        if (texts[i] != NULL) slots[i] = leat_value_string(leat_str_of(texts[i]));
    }
    slots[0] = leat_value_int(1767225600000);
    slots[2] = leat_value_double(512.25);
    slots[10] = leat_value_list(tags, 10);
    slots[11] = leat_value_int(42);
    slots[FIELDS] = LEAT_VALUE_MISSING;
}

/* All evaluations of a round; a batch ends with a reset of the arena, as in a task. */
static uint64_t run_round(const leat_expr *expr, const leat_eval *eval, bool test, size_t *used)
{
    uint64_t good = 0;
    leat_err err;
    for (uint32_t i = 0; i < EVALUATIONS; i++) {
        bool holds = true;
        leat_value value;
        leat_code code = test ? leat_expr_test(expr, eval, &holds, &err)
                              : leat_expr_eval(expr, eval, &value, &err);
        good += code == LEAT_OK && holds;
        if ((i + 1) % PER_BATCH == 0) {
            *used = leat_arena_used(eval->arena);
            leat_arena_reset(eval->arena);
        }
    }
    return good;
}

static void measure(const char *name, const char *text, int rounds)
{
    leat_err err;
    leat_arena *plan = NULL;
    leat_arena *batch = NULL;
    leat_expr *expr = NULL;
    leat_value slots[FIELDS + 1];
    leat_value tags[10];
    double best = INFINITY;
    size_t used = 0;
    leat_scope scope = {.resolve = resolve};
    must(leat_arena_new(&plan, 1 << 20, &err), &err, text);
    must(leat_arena_new(&batch, 16 << 20, &err), &err, text);
    must(leat_expr_compile(leat_str_of(text), &scope, plan, &expr, &err), &err, text);
    fill(slots, tags);
    leat_eval eval = {.slots = slots, .arena = batch};
    leat_value first;
    must(leat_expr_eval(expr, &eval, &first, &err), &err, text);
    bool test = first.tag == LEAT_BOOL;
    (void)run_round(expr, &eval, test, &used);
    uint64_t before = leat_mem_allocations();
    for (int i = 0; i < rounds; i++) {
        double start = bench_now_ns();
        uint64_t good = run_round(expr, &eval, test, &used);
        double ns = bench_now_ns() - start;
        if (ns < best) best = ns;
        if (good != EVALUATIONS) {
            bench_fail("%s: %" PRIu64 " of %u are true", text, good, EVALUATIONS);
        }
    }
    (void)printf("{\"bench\":\"expr\",\"name\":\"%s\",\"ns_per_record\":%.1f,\"heap\":%" PRIu64
                 ",\"arena_bytes_per_record\":%.1f}\n",
                 name, best / EVALUATIONS, leat_mem_allocations() - before,
                 (double)used / PER_BATCH);
    leat_arena_free(&batch);
    leat_arena_free(&plan);
}

int main(int argc, char **argv)
{
    int rounds = (int)bench_number(argc, argv, 1, 30, 1);
    const char *only = argc > 2 ? argv[2] : "";
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
        const char *name = expressions[i][0];
        if (strncmp(name, only, strlen(only)) != 0) continue;
        measure(name, expressions[i][1], rounds);
    }
    return 0;
}
