/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern file of anybody's: read, compiled, unfolded, printed, and fed a few events. Whatever is
 * in it, there are findings or a matcher that works and leaves nothing behind. */
#include <stdio.h>
#include <stdlib.h>

#include "cep/alert.h"
#include "cep/conditions.h"
#include "cep/pattern_warn.h"
#include "core/mem.h"
#include "schemas/doc.h"

#define ARENA_BYTES ((size_t)256 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct bench {
    leat_arena *arena;
    leat_findings findings;
    leat_event *event;
    leat_buf out;
    const leat_conditions *conditions;
    leat_testing *testing;
    leat_matches matches;
    unsigned told; /* of one call */
} bench;

static leat_expr *compile(void *self, const leat_node *node, leat_scope *scope)
{
    bench *b = self;
    leat_err err = {0};
    leat_expr *expr = NULL;
    if (node->kind == LEAT_NODE_STRING &&
        leat_expr_compile(node->text, scope, b->arena, &expr, &err) == LEAT_OK)
        return expr;
    leat_findings_add(&b->findings, node, false, "%s", err.text);
    return NULL;
}

static leat_code keep(void *self, leat_event **event, leat_err *err)
{
    bench *b = self;
    (void)err;
    *event = leat_event_share(b->event);
    return LEAT_OK;
}

static leat_code tell(void *self, const leat_match *match, leat_err *err)
{
    bench *b = self;
    leat_err why;
    leat_alert alert = {b->conditions, b->testing, match, LEAT_STR("null"), true};
    b->matches.full = ++b->told == 20;
    leat_buf_reset(&b->out);
    return leat_alert_write(&alert, b->arena, &b->out, &why, err);
}

static void play(bench *b, const leat_conditions *conditions, const leat_nfa *nfa)
{
    static const char *const events[] = {
        "{\"name\":\"a\",\"price\":1.0,\"ts\":1}",
        "{\"name\":\"b\",\"price\":9.0,\"ts\":2}",
        "{\"name\":\"a\",\"price\":2.0,\"ts\":2}",
        "{\"name\":\"c\",\"price\":\"x\",\"ts\":3}",
        "{\"name\":\"b\",\"ts\":4}",
        "{\"name\":\"a\",\"price\":3,\"ts\":60000}",
    };
    leat_err err;
    leat_matcher *matcher = NULL;
    leat_matches *matches = &b->matches;
    leat_matcher_work *work = leat_matcher_work_new();
    leat_testing *testing = leat_testing_new(conditions);
    *matches = (leat_matches){.match = tell, .self = b};
    b->conditions = conditions;
    b->testing = testing;
    leat_code code = leat_matcher_new(nfa, &matcher, &err);
    for (int64_t i = 0; i < 6 && code == LEAT_OK; i++) {
        int64_t at_ms = i * i * i;
        leat_eval base = {.arena = b->arena, .cost_max = 10000};
        code = leat_event_new(leat_matcher_work_pool(work), leat_str_of(events[i]), at_ms,
                              (leat_identity){0, 0}, &b->event, &err);
        if (code != LEAT_OK) break;
        leat_testing_begin(testing, &base, b->event, keep, b);
        b->told = 0;
        code = leat_matcher_advance(matcher, work, at_ms, matches, &err);
        if (code == LEAT_OK)
            code =
                leat_matcher_feed(matcher, work, at_ms, leat_testing_host(testing), matches, &err);
        leat_event_release(&b->event);
    }
    b->told = 0;
    if (code == LEAT_OK) code = leat_matcher_advance(matcher, work, LEAT_TIME_MAX, matches, &err);
    leat_matcher_free(&matcher);
    leat_testing_free(&testing);
    leat_matcher_work_free(&work);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t live = leat_mem_live();
    bench b = {0};
    leat_err err;
    leat_node *root = NULL;
    leat_pattern *pattern = NULL;
    leat_conditions *conditions = NULL;
    leat_nfa *nfa = NULL;
    uint32_t line = 0, column = 0;
    if (leat_arena_new(&b.arena, ARENA_BYTES, &err) != LEAT_OK) return 0;
    leat_buf_init(&b.out, (size_t)64 << 20);
    leat_findings_init(&b.findings, b.arena);
    leat_code code = leat_doc_parse((leat_str){(const char *)data, size}, LEAT_STR("p"), b.arena,
                                    &root, &err, &line, &column);
    bool good = code == LEAT_OK && leat_pattern_read(root, b.arena, &b.findings, &pattern);
    if (pattern != NULL) /* its expressions are looked into even if it is wrong elsewhere */
        good = leat_conditions_new(pattern, NULL, compile, &b, b.arena, &b.findings, &conditions) &&
               good;
    if (good) code = leat_nfa_new(pattern, b.arena, &b.findings, &nfa, &err);
    if (nfa != NULL) {
        leat_pattern_warn(nfa, conditions, &b.findings);
        leat_nfa_print(nfa, &b.out);
        leat_buf_reset(&b.out);
        play(&b, conditions, nfa);
    }
    leat_buf_release(&b.out);
    leat_arena_free(&b.arena);
    if (leat_mem_live() != live) abort();
    return 0;
}
