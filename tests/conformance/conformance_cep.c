/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the pattern matcher against case files (format: tests/conformance/cep/README.md), and the
 * oracle (tests/oracle), which is held to the same: a case passes if both are right.
 *
 *   conformance_cep FILE|FOLDER...     prints the ids that fail; last line "N passed, N failed"
 *
 * The three kinds of cases are told apart one by one: with `kind`, the pattern must (or may) be
 * turned down; with `suggest`, the matches are compared with those that the rules ask for; else
 * matches, timeouts and late events are compared with `expect`. A case without any of these passes
 * when it comes to an end. With -v what differs is printed.
 *
 * The pattern is rewritten where the case format departs from the product's: durations as numbers,
 * `within_from`, no name. Everything else is product code: the pattern reader, the automaton, the
 * compiled conditions over held events, the matcher. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "schemas/codec_json.h"
#include "tests/oracle/play.h"

#define ARENA_BYTES ((size_t)1 << 30)
#define NEVER       (INT64_MIN + 1)
#define END_OF_TIME (INT64_MAX / 2)

static bool verbose;
static const leat_json_limits limits = {200, 1u << 30};

static _Noreturn void give_up(const char *where, const char *why)
{
    (void)fprintf(stderr, "conformance_cep: %s: %s\n", where, why);
    exit(2);
}

static void *need(leat_arena *arena, size_t bytes)
{
    void *ptr = leat_arena_zero(arena, bytes);
    if (ptr == NULL) give_up("memory", "a case needs too much");
    return ptr;
}

static leat_value member(leat_value map, const char *name)
{
    for (uint32_t i = 0; map.tag == LEAT_MAP && i < map.len; i++)
        if (leat_str_is(leat_value_str(map.as.entries[i].key), name))
            return map.as.entries[i].value;
    return LEAT_VALUE_MISSING;
}

static leat_str json_of(leat_value value, leat_arena *arena)
{
    leat_buf out;
    leat_err err = {0};
    leat_buf_init(&out, (size_t)1 << 24);
    if (leat_json_write(value, arena, &out, &err) != LEAT_OK) give_up("writing", err.text);
    leat_str text = leat_arena_copy(arena, leat_buf_str(&out));
    leat_buf_release(&out);
    return text;
}

/* --- the pattern, as the product writes it --- */

static leat_value with(leat_value map, const char *name, leat_value value, leat_arena *arena)
{
    leat_entry *entries = need(arena, (map.len + 1) * sizeof *entries);
    uint32_t count = 0;
    for (uint32_t i = 0; i < map.len; i++)
        if (!leat_str_is(leat_value_str(map.as.entries[i].key), name))
            entries[count++] = map.as.entries[i];
    if (value.tag != LEAT_MISSING)
        entries[count++] = (leat_entry){leat_value_string(leat_str_of(name)), value};
    return leat_value_map(entries, count);
}

static leat_value duration(leat_value within, leat_arena *arena)
{
    if (within.tag != LEAT_INT) return within;
    return leat_value_string(leat_arena_print(arena, "%lldms", (long long)within.as.i));
}

static leat_value rewrite_steps(leat_value steps, leat_value window, leat_arena *arena)
{
    leat_value *items = need(arena, (steps.len + 1) * sizeof *items);
    for (uint32_t i = 0; i < steps.len; i++) {
        leat_value step = steps.as.items[i];
        leat_value inner = member(step, "steps");
        if (inner.tag == LEAT_LIST)
            step = with(step, "steps", rewrite_steps(inner, window, arena), arena);
        if (member(step, "within").tag == LEAT_INT)
            step = with(step, "within", duration(member(step, "within"), arena), arena);
        bool negated = member(step, "not").tag == LEAT_BOOL && member(step, "not").as.b;
        if (window.tag != LEAT_MISSING && inner.tag != LEAT_LIST &&
            (!negated || i + 1 == steps.len))
            step = with(step, "within", window, arena);
        items[i] = step;
    }
    return leat_value_list(items, steps.len);
}

static leat_value rewrite(leat_value pattern, leat_arena *arena)
{
    leat_value window = LEAT_VALUE_MISSING;
    leat_value from = member(pattern, "within_from");
    if (from.tag == LEAT_STRING && leat_str_is(leat_value_str(from), "previous")) {
        window = duration(member(pattern, "within"), arena);
        pattern = with(pattern, "within", LEAT_VALUE_MISSING, arena);
    }
    pattern = with(pattern, "within_from", LEAT_VALUE_MISSING, arena);
    if (member(pattern, "within").tag == LEAT_INT)
        pattern = with(pattern, "within", duration(member(pattern, "within"), arena), arena);
    pattern = with(pattern, "name", leat_value_string(LEAT_STR("case")), arena);
    return with(pattern, "steps", rewrite_steps(member(pattern, "steps"), window, arena), arena);
}

typedef struct compiler {
    leat_arena *arena;
    leat_findings *findings;
} compiler;

static leat_expr *compile(void *self, const leat_node *node, leat_scope *scope)
{
    compiler *c = self;
    leat_err err = {0};
    leat_expr *expr = NULL;
    if (leat_expr_compile(node->text, scope, c->arena, &expr, &err) == LEAT_OK) return expr;
    leat_findings_add_inside(c->findings, node, err.offset, false, "%s", err.text);
    return NULL;
}

/* False: turned down; findings tell. */
static bool load(leat_value pattern, leat_arena *arena, leat_findings *findings, leat_nfa **nfa,
                 leat_conditions **conditions)
{
    leat_err err = {0};
    uint32_t line = 0;
    uint32_t column = 0;
    leat_node *node = NULL;
    leat_pattern *read = NULL;
    leat_str text = json_of(rewrite(pattern, arena), arena);
    if (leat_doc_parse(text, LEAT_STR("case"), arena, &node, &err, &line, &column) != LEAT_OK)
        give_up("pattern", err.text);
    if (!leat_pattern_read(node, arena, findings, &read)) return false;
    compiler c = {arena, findings};
    if (!leat_conditions_new(read, NULL, compile, &c, arena, findings, conditions)) return false;
    if (leat_nfa_new(read, arena, findings, nfa, &err) != LEAT_OK) give_up("automaton", err.text);
    if (*nfa != NULL) (*nfa)->timeouts = true;
    return *nfa != NULL;
}

/* --- a run --- */

typedef struct key_state {
    leat_str key; /* JSON text of the key; of a case without keys: empty */
    play *play;
    int64_t now_ms;
} key_state;

typedef struct entry {
    leat_str key, at, text; /* text: what was matched, and how */
} entry;

typedef struct entries {
    entry *items;
    size_t count, size;
} entries;

typedef struct player {
    leat_arena *arena;
    leat_nfa *nfa;
    play_kit *kit;
    key_state *keys;
    size_t keys_count;
    leat_value events;
    bool keyed, want_by;
    entries matched, timed_out;
} player;

static void entries_add(entries *list, entry e, leat_arena *arena)
{
    if (list->count == list->size) {
        size_t size = list->size == 0 ? 64 : list->size * 2;
        entry *items = need(arena, size * sizeof *items);
        if (list->count > 0) memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->size = size;
    }
    list->items[list->count++] = e;
}

static leat_str match_text(const player *p, const play_result *result, const char *suffix)
{
    leat_buf out;
    leat_buf_init(&out, (size_t)1 << 24);
    const leat_pattern *pattern = p->nfa->pattern;
    for (uint32_t step = 0; step < pattern->steps_count; step++) {
        bool first = true;
        for (uint32_t i = 0; i < result->count; i++) {
            if (result->takes[i].step != step) continue;
            if (first) leat_buf_add_format(&out, "%.*s", LEAT_STR_ARG(pattern->steps[step]->name));
            leat_buf_add_format(&out, " %llu", (unsigned long long)result->takes[i].event);
            first = false;
        }
        if (!first) leat_buf_add_char(&out, ';');
    }
    leat_buf_add_text(&out, suffix);
    leat_str text = leat_arena_copy(p->arena, leat_buf_str(&out));
    leat_buf_release(&out);
    return text;
}

static void collect(player *p, const key_state *key, leat_str at, bool by_time,
                    const play_results *results)
{
    for (size_t i = 0; i < results->count; i++) {
        const play_result *result = &results->items[i];
        entry e = {key->key, at, LEAT_STR_NONE};
        char suffix[40] = "";
        if (result->timed_out) {
            (void)snprintf(suffix, sizeof suffix, "@%lld", (long long)result->time_ms);
            e.text = match_text(p, result, suffix);
            entries_add(&p->timed_out, e, p->arena);
            continue;
        }
        e.text = match_text(p, result, by_time && p->want_by ? "time" : "");
        entries_add(&p->matched, e, p->arena);
    }
}

static void advance(player *p, key_state *key, int64_t now_ms, leat_str at, bool by_time)
{
    leat_err err = {0};
    if (now_ms <= key->now_ms) return;
    key->now_ms = now_ms;
    play_results results = {0};
    if (play_advance(key->play, now_ms, p->arena, &results, &err) != LEAT_OK)
        give_up("advance", err.text);
    collect(p, key, at, by_time, &results);
}

static key_state *key_of(player *p, leat_value event)
{
    leat_str key = p->keyed ? json_of(member(event, "key"), p->arena) : LEAT_STR("");
    for (size_t i = 0; i < p->keys_count; i++)
        if (leat_str_equal(p->keys[i].key, key)) return &p->keys[i];
    key_state *made = &p->keys[p->keys_count++];
    *made = (key_state){.key = key, .play = play_new(p->kit), .now_ms = NEVER};
    return made;
}

static void feed(player *p, uint32_t index)
{
    leat_value event = p->events.as.items[index];
    int64_t ts = member(event, "ts").as.i;
    key_state *key = key_of(p, event);
    leat_str at = leat_arena_print(p->arena, "%u", index);
    leat_err err = {0};
    advance(p, key, ts, at, true);
    leat_identity identity = {0, index};
    leat_event *made = NULL;
    leat_pool *pool = play_kit_pool(p->kit);
    if (leat_event_new(pool, json_of(event, p->arena), ts, identity, &made, &err) != LEAT_OK)
        give_up("event", err.text);
    play_results results = {0};
    if (play_feed(key->play, made, p->arena, &results, &err) != LEAT_OK) give_up("feed", err.text);
    leat_event_release(&made);
    collect(p, key, at, false, &results);
}

/* Events that wait for a watermark, released in order of time, then arrival. */
static void release(player *p, uint32_t *waiting, uint32_t *count, int64_t watermark)
{
    for (;;) {
        uint32_t best = UINT32_MAX;
        int64_t least = 0;
        for (uint32_t i = 0; i < *count; i++) {
            int64_t ts = member(p->events.as.items[waiting[i]], "ts").as.i;
            if (ts > watermark || (best != UINT32_MAX && ts >= least)) continue;
            best = i;
            least = ts;
        }
        if (best == UINT32_MAX) return;
        feed(p, waiting[best]);
        memmove(waiting + best, waiting + best + 1, (--*count - best) * sizeof *waiting);
    }
}

static void play_watermarks(player *p, leat_value marks, entries *late)
{
    uint32_t *waiting = need(p->arena, (p->events.len + 1) * sizeof *waiting);
    uint32_t count = 0;
    int64_t watermark = NEVER;
    for (uint32_t i = 0; i < p->events.len; i++) {
        if (member(p->events.as.items[i], "ts").as.i <= watermark)
            entries_add(late, (entry){.text = leat_arena_print(p->arena, "%u", i)}, p->arena);
        else
            waiting[count++] = i;
        for (uint32_t m = 0; m < marks.len; m++) {
            leat_value mark = marks.as.items[m];
            int64_t to = member(mark, "wm").as.i;
            if (member(mark, "after").as.i != (int64_t)i || to <= watermark) continue;
            watermark = to;
            release(p, waiting, &count, watermark);
            leat_str at = leat_arena_print(p->arena, "wm:%lld", (long long)watermark);
            for (size_t k = 0; k < p->keys_count; k++)
                advance(p, &p->keys[k], watermark, at, false);
        }
    }
    release(p, waiting, &count, END_OF_TIME);
}

/* --- comparing --- */

static int compare_text(const void *a, const void *b)
{
    return leat_str_compare(((const entry *)a)->text, ((const entry *)b)->text);
}

static int compare_keys(const void *a, const void *b)
{
    const entry *x = *(const entry *const *)a;
    const entry *y = *(const entry *const *)b;
    int keys = leat_str_compare(x->key, y->key);
    return keys != 0 ? keys : (x > y) - (x < y);
}

static long at_number(leat_str at)
{
    return at.len > 0 && at.data[0] >= '0' && at.data[0] <= '9' ? strtol(at.data, NULL, 10)
                                                                : LONG_MAX;
}

static int compare_at(const void *a, const void *b)
{
    const entry *x = *(const entry *const *)a;
    const entry *y = *(const entry *const *)b;
    long m = at_number(x->at);
    long n = at_number(y->at);
    return m != n ? (m > n) - (m < n) : (x > y) - (x < y);
}

/* By key, groups of one `at` in order; inside a group in order or, if that does not matter, sorted.
 */
static leat_str normal(const entries *list, bool ordered, bool keyed, leat_arena *arena)
{
    entry *sorted = need(arena, (list->count + 1) * sizeof *sorted);
    const entry **index = need(arena, (list->count + 1) * sizeof *index);
    leat_buf out;
    leat_buf_init(&out, (size_t)1 << 26);
    for (size_t i = 0; i < list->count; i++)
        index[i] = &list->items[i];
    qsort(index, list->count, sizeof *index, keyed ? compare_keys : compare_at);
    for (size_t i = 0; i < list->count; i++)
        sorted[i] = *index[i];
    for (size_t from = 0, to = 0; from < list->count; from = to) {
        while (to < list->count && leat_str_equal(sorted[to].at, sorted[from].at) &&
               (!keyed || leat_str_equal(sorted[to].key, sorted[from].key)))
            to++;
        if (!ordered) qsort(sorted + from, to - from, sizeof *sorted, compare_text);
        for (size_t i = from; i < to; i++)
            leat_buf_add_format(&out, "  %.*s at %.*s: %.*s\n", keyed ? (int)sorted[i].key.len : 0,
                                keyed && sorted[i].key.data ? sorted[i].key.data : "",
                                LEAT_STR_ARG(sorted[i].at), LEAT_STR_ARG(sorted[i].text));
    }
    leat_str text = leat_arena_copy(arena, leat_buf_str(&out));
    leat_buf_release(&out);
    return text;
}

static int compare_whole(const void *a, const void *b)
{
    const entry *x = a;
    const entry *y = b;
    int at = leat_str_compare(x->at, y->at);
    int key = leat_str_compare(x->key, y->key);
    return at != 0 ? at : key != 0 ? key : leat_str_compare(x->text, y->text);
}

/* A set: sorted, copies removed. */
static leat_str as_set(const entries *list, leat_arena *arena)
{
    leat_buf out;
    leat_buf_init(&out, (size_t)1 << 26);
    if (list->count > 0) qsort(list->items, list->count, sizeof *list->items, compare_whole);
    for (size_t i = 0; i < list->count; i++) {
        const entry *e = &list->items[i];
        if (i > 0 && compare_whole(e, e - 1) == 0) continue;
        leat_buf_add_format(&out, "  %.*s at %.*s: %.*s\n", LEAT_STR_ARG(e->key),
                            LEAT_STR_ARG(e->at), LEAT_STR_ARG(e->text));
    }
    leat_str text = leat_arena_copy(arena, leat_buf_str(&out));
    leat_buf_release(&out);
    return text;
}

/* What a case expects, in the same form. */
static void expected(const player *p, leat_value list, entries *into)
{
    const leat_pattern *pattern = p->nfa->pattern;
    for (uint32_t i = 0; i < list.len; i++) {
        leat_value item = list.as.items[i];
        leat_value at = member(item, "at");
        leat_value key = member(item, "key");
        leat_value match = member(item, "match");
        leat_value time = member(item, "time");
        entry e = {.key = key.tag == LEAT_MISSING ? LEAT_STR("") : json_of(key, p->arena)};
        e.at = at.tag == LEAT_STRING ? leat_value_str(at)
                                     : leat_arena_print(p->arena, "%lld", (long long)at.as.i);
        leat_buf out;
        leat_buf_init(&out, (size_t)1 << 24);
        for (uint32_t s = 0; s < pattern->steps_count; s++) {
            leat_str name = pattern->steps[s]->name;
            leat_value taken = LEAT_VALUE_MISSING;
            for (uint32_t m = 0; m < match.len; m++)
                if (leat_str_equal(leat_value_str(match.as.entries[m].key), name))
                    taken = match.as.entries[m].value;
            if (taken.tag != LEAT_LIST) continue;
            leat_buf_add_format(&out, "%.*s", LEAT_STR_ARG(name));
            for (uint32_t t = 0; t < taken.len; t++)
                leat_buf_add_format(&out, " %lld", (long long)taken.as.items[t].as.i);
            leat_buf_add_char(&out, ';');
        }
        if (time.tag == LEAT_INT) leat_buf_add_format(&out, "@%lld", (long long)time.as.i);
        if (p->want_by && member(item, "by").tag == LEAT_STRING) leat_buf_add_text(&out, "time");
        e.text = leat_arena_copy(p->arena, leat_buf_str(&out));
        leat_buf_release(&out);
        entries_add(into, e, p->arena);
    }
}

static bool same(const char *what, leat_str got, leat_str want)
{
    if (leat_str_equal(got, want)) return true;
    if (verbose)
        (void)printf(" %s, got:\n%.*s %s, wanted:\n%.*s", what, LEAT_STR_ARG(got), what,
                     LEAT_STR_ARG(want));
    return false;
}

static bool compare(player *p, leat_value want, const entries *late)
{
    bool ordered = p->nfa->pattern->skip != LEAT_SKIP_NONE;
    leat_value matches = member(want, "matches");
    leat_value timeouts = member(want, "timeouts");
    leat_value dropped = member(want, "late");
    bool keyed =
        p->keyed && (matches.len == 0 || member(matches.as.items[0], "key").tag != LEAT_MISSING);
    entries list = {0};
    expected(p, matches, &list);
    bool good = same("matches", normal(&p->matched, ordered, keyed, p->arena),
                     normal(&list, ordered, keyed, p->arena));
    if (timeouts.tag == LEAT_LIST) {
        entries outs = {0};
        expected(p, timeouts, &outs);
        good = same("timeouts", as_set(&p->timed_out, p->arena), as_set(&outs, p->arena)) && good;
    }
    if (dropped.tag == LEAT_LIST) {
        good = good && dropped.len == late->count;
        for (uint32_t i = 0; good && i < dropped.len; i++)
            good = strtol(late->items[i].text.data, NULL, 10) == dropped.as.items[i].as.i;
    }
    return good;
}

/* --- cases --- */

static bool run(leat_value c, leat_value want, leat_nfa *nfa, const leat_conditions *conditions,
                bool plain, leat_arena *arena)
{
    player p = {.arena = arena,
                .nfa = nfa,
                .kit = play_kit_new(nfa, conditions, plain),
                .events = member(c, "events"),
                .keyed = member(c, "keyed").tag == LEAT_BOOL && member(c, "keyed").as.b,
                .want_by = member(want, "timeouts").tag == LEAT_LIST};
    p.keys = need(arena, (p.events.len + 1) * sizeof *p.keys);
    leat_value marks = member(c, "watermarks");
    entries late = {0};
    if (marks.tag == LEAT_LIST)
        play_watermarks(&p, marks, &late);
    else
        for (uint32_t i = 0; i < p.events.len; i++)
            feed(&p, i);
    for (size_t k = 0; k < p.keys_count; k++)
        advance(&p, &p.keys[k], END_OF_TIME, LEAT_STR("end"), false);
    bool good = want.tag != LEAT_MAP || compare(&p, want, &late);
    if (!good && verbose) (void)printf(" by the %s\n", plain ? "oracle" : "product");
    for (size_t k = 0; k < p.keys_count; k++)
        play_free(&p.keys[k].play);
    play_kit_free(&p.kit);
    return good;
}

static bool run_case(leat_str line, leat_arena *arena, leat_str *id)
{
    leat_value c;
    leat_err err = {0};
    leat_findings findings;
    leat_nfa *nfa = NULL;
    leat_conditions *conditions = NULL;
    if (leat_json_value(line, limits, arena, &c, &err) != LEAT_OK) give_up("case", err.text);
    *id = leat_value_str(member(c, "id"));
    leat_findings_init(&findings, arena);
    leat_value kind = member(c, "kind");
    leat_value want = member(c, "suggest");
    if (want.tag == LEAT_MISSING) want = member(c, "expect");
    bool loaded = load(member(c, "pattern"), arena, &findings, &nfa, &conditions);
    if (kind.tag == LEAT_STRING) return !loaded || leat_str_is(leat_value_str(kind), "may");
    if (loaded) {
        bool good = run(c, want, nfa, conditions, false, arena);
        return run(c, want, nfa, conditions, true, arena) && good;
    }
    if (verbose && findings.count > 0)
        (void)printf(" turned down: %.*s\n", LEAT_STR_ARG(findings.items[0].message));
    return want.tag != LEAT_MAP;
}

typedef struct tally {
    unsigned passed, failed;
} tally;

static void run_file(const char *path, tally *t)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t len = 0;
    leat_arena *arena = NULL;
    leat_err err = {0};
    if (file == NULL) give_up(path, "cannot be read");
    if (leat_arena_new(&arena, ARENA_BYTES, &err) != LEAT_OK) give_up("arena", err.text);
    while ((len = getline(&line, &size, file)) > 0) {
        leat_str id = LEAT_STR("?");
        leat_arena_reset(arena);
        if (line[len - 1] == '\n') len--;
        if (len == 0) continue;
        if (run_case((leat_str){line, (size_t)len}, arena, &id)) {
            t->passed++;
        } else {
            t->failed++;
            (void)printf("failed: %.*s\n", LEAT_STR_ARG(id));
        }
    }
    leat_arena_free(&arena);
    free(line);
    (void)fclose(file);
}

static void run_path(const char *path, tally *t)
{
    struct stat info;
    if (stat(path, &info) != 0) give_up(path, "no such file or folder");
    if (!S_ISDIR(info.st_mode)) {
        run_file(path, t);
        return;
    }
    struct dirent **names = NULL;
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char inner[4096];
        (void)snprintf(inner, sizeof inner, "%s/%s", path, names[i]->d_name);
        if (leat_str_ends(leat_str_of(names[i]->d_name), LEAT_STR(".jsonl"))) run_file(inner, t);
        free(names[i]);
    }
    free(names);
}

int main(int count, char **arguments)
{
    tally t = {0, 0};
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "-v") == 0)
            verbose = true;
        else
            run_path(arguments[i], &t);
    }
    (void)printf("%u passed, %u failed\n", t.passed, t.failed);
    return t.failed > 0;
}
