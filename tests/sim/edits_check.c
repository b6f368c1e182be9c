/* SPDX-License-Identifier: Apache-2.0 */
/* What comes out of a fleet whose pipeline was edited meanwhile.
 *
 *   not edited   what an undisturbed worker writes, per key in the same order
 *   edited       only matches that one of the versions makes of these events; none twice; and all
 *                that the last version makes of events that it alone has seen, as many as its
 *                limits let out
 *   calm         of an edited throttle: each event once at most; from the last edit on no more in a
 *                span than it says, those before the edit counted
 *
 * A match is told by what it is made of, not by its id, which an edit of the version changes:
 *
 *   "p3 k5 a:17,19 c:23"      of a time-out with " timed_out" behind it */
#include "tests/sim/edits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX 4096

typedef struct alert {
    bool loose;
    uint32_t pattern, variant; /* variant: in want */
    int64_t start_ms, end_ms;
    char text[LINE_MAX]; /* what it is made of */
    char last[64];       /* its key and last event */
    char key[16];
} alert;

typedef struct checking {
    const sim_edits *edits;
    uint32_t last;
    int64_t settled_ms;
    char *wrong;
    size_t wrong_size;
    /* Of the one side: alerts of what was not edited with their places, others without; those of
     * the last version that must be there; those that a limit counts. */
    sim_lines kept, edited, due, counted;
    char key[16]; /* the one whose alerts come, and how many of each pattern it has had */
    uint32_t counts[SIM_PATTERNS + 1];
} checking;

static int64_t number_behind(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    LEAT_ASSERT(at != NULL);
    return strtoll(at + strlen(name), NULL, 10);
}

/* {"a":[{"id":5,...},{"id":7,...}],"c":[...]} as " a:5,7, c:9," */
static void add_takes(const char *json, leat_buf *out, unsigned *last)
{
    int depth = 0;
    for (const char *at = json; *at != '\0'; at++) {
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']') depth--;
        if (depth == 0) return;
        if (depth == 1 && *at == '"') {
            const char *end = strchr(at + 1, '"');
            leat_buf_add_format(out, " %.*s:", (int)(end - at - 1), at + 1);
            at = end;
        } else if (depth == 3 && strncmp(at, "\"id\":", 5) == 0) {
            *last = (unsigned)strtoul(at + 5, NULL, 10);
            leat_buf_add_format(out, "%u,", *last);
        }
    }
}

/* False: the line is none. */
static bool alert_read(const char *line, alert *a)
{
    unsigned last = 0;
    const char *pattern = strstr(line, " {\"pattern\":\"");
    const char *takes = strstr(line, "\"events\":{");
    if (strncmp(line, "first ", 6) != 0 || pattern == NULL) return false;
    LEAT_ASSERT(takes != NULL);
    const char *number = strstr(line, " #");
    pattern += 13;
    *a = (alert){.loose = pattern[0] == 'l',
                 .pattern = (uint32_t)(pattern[1] - '0'),
                 .variant = pattern[2] == '_' ? (uint32_t)(pattern[3] - '0') : 0,
                 .start_ms = number_behind(line, "\"start\":"),
                 .end_ms = number_behind(line, "\"end\":")};
    snprintf(a->key, sizeof a->key, "%.*s", (int)(number - line - 6), line + 6);
    leat_buf text;
    leat_buf_init(&text, LINE_MAX - 1);
    leat_buf_add_format(&text, "%.2s %s", pattern, a->key);
    add_takes(takes + 9, &text, &last);
    if (strstr(line, "\"timed_out\":") != NULL) leat_buf_add_text(&text, " timed_out");
    LEAT_ASSERT(!text.overflow && text.len < LINE_MAX);
    memcpy(a->text, text.data, text.len);
    snprintf(a->last, sizeof a->last, "%.2s %s %u", pattern, a->key, last);
    leat_buf_release(&text);
    return true;
}

/* --- sorting them out --- */

static bool is_kept(const checking *c, const alert *a)
{
    return a->loose ? sim_edits_loose_kept(c->edits) : sim_edits_kept(c->edits, a->pattern);
}

/* Whether the last version must have made it, if it was made of what only that has seen. */
static bool is_due(const checking *c, const alert *a)
{
    const sim_version *last = &c->edits->versions[c->last];
    const sim_pattern *p = &last->patterns[a->pattern];
    if (a->start_ms <= c->settled_ms) return false;
    if (a->loose) return last->loose && a->variant == last->loose_condition;
    return p->there && p->enabled && p->skip == 0 && !sim_edits_limited(p) &&
           a->variant == sim_edits_variant(c->edits, a->pattern, c->last);
}

/* Its place among those of its key and pattern, which tells disorder. */
static uint32_t place_of(checking *c, const alert *a)
{
    if (strcmp(c->key, a->key) != 0) memset(c->counts, 0, sizeof c->counts);
    memcpy(c->key, a->key, sizeof c->key);
    return c->counts[a->loose ? SIM_PATTERNS : a->pattern]++;
}

static void take(checking *c, const alert *a, bool wanted)
{
    char line[LINE_MAX + 64];
    const sim_version *first = &c->edits->versions[0], *last = &c->edits->versions[c->last];
    if (is_kept(c, a)) {
        if (wanted && a->loose && a->variant != first->loose_condition) return;
        snprintf(line, sizeof line, "%.2s %s #%05u %s", a->text, a->key, place_of(c, a), a->text);
        sim_lines_add(&c->kept, line, strlen(line));
        return;
    }
    sim_lines_add(&c->edited, a->text, strlen(a->text));
    if (wanted && is_due(c, a)) sim_lines_add(&c->due, a->text, strlen(a->text));
    if (!a->loose && a->pattern == SIM_LIMITED && a->start_ms > c->settled_ms &&
        sim_edits_matches_max(&last->patterns[SIM_LIMITED]) > 0 &&
        strstr(a->text, "timed_out") == NULL)
        sim_lines_add(&c->counted, a->last, strlen(a->last));
}

static void take_all(checking *c, const sim_lines *lines, bool wanted)
{
    static alert a;
    for (size_t i = 0; i < lines->count; i++)
        if (alert_read(lines->items[i], &a)) take(c, &a, wanted);
    sim_lines_sort(&c->kept);
    sim_lines_sort(&c->edited);
    sim_lines_sort(&c->due);
    sim_lines_sort(&c->counted);
}

static void let_go(checking *c)
{
    sim_lines_free(&c->kept);
    sim_lines_free(&c->edited);
    sim_lines_free(&c->due);
    sim_lines_free(&c->counted);
}

/* --- checks --- */

static bool say(const checking *c, const char *what, const char *line)
{
    snprintf(c->wrong, c->wrong_size, "%s: %.900s", what, line);
    return false;
}

static bool check_edited(const checking *want, const checking *have)
{
    uint32_t most = sim_edits_matches_max(&have->edits->versions[have->last].patterns[SIM_LIMITED]);
    for (size_t i = 0; i < have->edited.count; i++) {
        const char *line = have->edited.items[i];
        if (i > 0 && strcmp(have->edited.items[i - 1], line) == 0)
            return say(have, "a match twice", line);
        if (!sim_lines_has(&want->edited, line))
            return say(have, "a match that no version makes", line);
    }
    for (size_t i = 0; i < want->due.count; i++)
        if (!sim_lines_has(&have->edited, want->due.items[i]))
            return say(have, "the last version does not make a match", want->due.items[i]);
    for (size_t i = most; i < have->counted.count; i++)
        if (strcmp(have->counted.items[i - most], have->counted.items[i]) == 0)
            return say(have, "more matches than the limit", have->counted.items[i]);
    return true;
}

/* What is not an alert: all of it, or of the throttle alone. */
static sim_lines others(const sim_lines *lines, bool calm)
{
    sim_lines found = {0};
    for (size_t i = 0; i < lines->count; i++) {
        const char *line = lines->items[i];
        bool is_calm = strncmp(line, "second ", 7) == 0;
        if (is_calm == calm && strncmp(line, "first ", 6) != 0)
            sim_lines_add(&found, line, strlen(line));
    }
    return found;
}

/* Lines are in the order of keys, and of each in that of time. */
static bool check_calm(const checking *c, const sim_lines *passed)
{
    const sim_version *last = &c->edits->versions[c->last];
    for (size_t i = 0; i < passed->count; i++) {
        const char *line = passed->items[i];
        size_t key = strcspn(line, "#");
        int64_t at_ms = number_behind(line, "\"at\":");
        uint32_t before = 0;
        for (size_t k = 0; k < i; k++) {
            if (strncmp(passed->items[k], line, key) != 0) continue;
            before += number_behind(passed->items[k], "\"at\":") > at_ms - SIM_CALM_MS;
            if (number_behind(passed->items[k], "\"id\":") == number_behind(line, "\"id\":"))
                return say(c, "an event has passed twice", line);
        }
        if (at_ms > c->settled_ms && before >= sim_edits_calm_limit(last))
            return say(c, "one too many has passed", line);
    }
    return true;
}

static bool check_others(const checking *c, const sim_lines *want, const sim_lines *have)
{
    sim_lines expected = others(want, false), found = others(have, false);
    bool good = sim_lines_same("what no edit touches", &expected, &found, c->wrong, c->wrong_size);
    sim_lines_free(&expected);
    sim_lines_free(&found);
    expected = others(want, true);
    found = others(have, true);
    if (good && sim_edits_calm_kept(c->edits))
        good = sim_lines_same("the throttle", &expected, &found, c->wrong, c->wrong_size);
    else if (good)
        good = check_calm(c, &found);
    sim_lines_free(&expected);
    sim_lines_free(&found);
    return good;
}

bool sim_edits_check(const sim_edits *edits, uint32_t last, int64_t settled_ms,
                     const sim_lines *want, const sim_lines *have, char *wrong, size_t wrong_size)
{
    checking wanted = {edits, last, settled_ms, wrong, wrong_size, {0}, {0}, {0}, {0}, "", {0}};
    checking had = wanted;
    take_all(&wanted, want, true);
    take_all(&had, have, false);
    bool good = check_others(&had, want, have) &&
                sim_lines_same("patterns that were not edited", &wanted.kept, &had.kept, wrong,
                               wrong_size) &&
                check_edited(&wanted, &had);
    let_go(&wanted);
    let_go(&had);
    return good;
}
