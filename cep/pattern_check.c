/* SPDX-License-Identifier: Apache-2.0 */
/* What makes a pattern nonsense, and what makes it doubtful.
 *
 * A rule of one part stands in a table of settings that its kind does not have, or in a check of
 * its own where two settings exclude each other. Rules of the whole (names, negations at the edges,
 * windows in windows, the skip strategy) run once all parts are there. Each finding says what to
 * write instead, for whoever reads it has the file open and no manual.
 *
 * Nothing is repaired: a setting without effect is refused, where an author could believe in it. */
#include "cep/pattern_inside.h"

/* Settings that a kind of part does not have, and why. */
typedef struct misplaced {
    const char *key, *why;
} misplaced;

static const misplaced on_groups[] = {
    {"where", "has no condition of its own: give one to its steps"},
    {"name", "has no name: only steps take events"},
    {"not", "cannot be negated: negate a step"},
    {"greedy", "cannot be greedy: make a step of it greedy"},
    {"within", "has no window of its own: give one to its steps, or to the pattern"},
};

static const misplaced on_nots[] = {
    {"times", "takes no events: nothing to repeat"},
    {"repeat", "takes no events: nothing to repeat"},
    {"optional", "takes no events: nothing to leave out"},
    {"greedy", "takes no events: nothing to be greedy for"},
    {"until", "takes no events: nothing to stop"},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void refuse(pattern_reader *reader, const leat_part *part, const char *what,
                   const misplaced *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const leat_node *node = leat_node_member(part->node, keys[i].key);
        if (node != NULL)
            leat_findings_add_key(reader->findings, node, false, "%s %s", what, keys[i].why);
    }
}

static void check_name(pattern_reader *reader, const leat_part *part)
{
    const leat_node *node = leat_node_member(part->node, "name");
    if (part->kind == LEAT_PART_STEP && (node == NULL || part->name.len == 0)) {
        leat_findings_add(reader->findings, node != NULL ? node : part->node, false,
                          "a step needs a name");
        return;
    }
    if (node == NULL) return;
    if (leat_str_is(part->name, "event") || leat_str_is(part->name, "meta"))
        leat_findings_add(reader->findings, node, false,
                          "'%.*s' stands for something else in conditions: choose another name",
                          LEAT_STR_ARG(part->name));
    if (leat_str_find(part->name, LEAT_STR(":")) >= 0)
        leat_findings_add(reader->findings, node, false, "a name may not hold ':'");
}

/* Repetition: what goes with what. */
static void check_repetition(pattern_reader *reader, const leat_part *part)
{
    leat_findings *findings = reader->findings;
    const leat_node *times = leat_node_member(part->node, "times");
    const leat_node *repeat = leat_node_member(part->node, "repeat");
    const leat_node *greedy = leat_node_member(part->node, "greedy");
    const leat_node *until = leat_node_member(part->node, "until");
    bool wants_greedy = greedy != NULL && greedy->kind == LEAT_NODE_BOOL && greedy->b;
    if (times == NULL && repeat != NULL)
        leat_findings_add_key(findings, repeat, false,
                              "`repeat` is about a repetition: add `times`");
    if (times == NULL && wants_greedy)
        leat_findings_add_key(findings, greedy, false,
                              "`greedy` is about a repetition: add `times`");
    if (wants_greedy && part->repeat == LEAT_FOLLOWED_BY_ANY)
        leat_findings_add_key(findings, greedy, false,
                              "`greedy` takes what it can, `repeat: followed_by_any` each "
                              "combination: choose one");
    if (wants_greedy && part->kind == LEAT_PART_STEP && !part->greedy && part->max > 1 &&
        part->repeat != LEAT_FOLLOWED_BY_ANY) {
        leat_finding *finding =
            leat_findings_add_key(findings, greedy, true,
                                  "has no effect: a fixed number of times leaves nothing to take");
        finding->suggestion = LEAT_STR("`times` with `min` and `max`");
    }
    if (until != NULL && part->max != LEAT_UNBOUNDED)
        leat_findings_add_key(findings, until, false,
                              "`until` ends a repetition without upper bound: add `times` "
                              "without `max`");
}

void pattern_check_part(pattern_reader *reader, const leat_part *part,
                        const pattern_part_options *read)
{
    LEAT_ASSERT(part->node->kind == LEAT_NODE_OBJECT);
    leat_findings *findings = reader->findings;
    if (read->steps != NULL && read->any_of != NULL)
        leat_findings_add_key(findings, read->any_of, false,
                              "`steps` and `any_of` exclude each other: put one into the other");
    switch (part->kind) {
    case LEAT_PART_GROUP: refuse(reader, part, "a group", on_groups, COUNT(on_groups)); break;
    case LEAT_PART_ANY_OF: refuse(reader, part, "`any_of`", on_groups, COUNT(on_groups)); break;
    case LEAT_PART_NOT:
        refuse(reader, part, "a negated step", on_nots, COUNT(on_nots));
        if (part->contiguity == LEAT_FOLLOWED_BY_ANY)
            leat_findings_add(findings, leat_node_member(part->node, "contiguity"), false,
                              "a negated step is `next` or `followed_by`");
        break;
    case LEAT_PART_STEP: break;
    }
    if (part->kind == LEAT_PART_STEP || part->kind == LEAT_PART_NOT) check_name(reader, part);
    if (part->kind != LEAT_PART_NOT) check_repetition(reader, part);
}

/* --- the whole --- */

static void check_names(pattern_reader *reader)
{
    const leat_pattern *pattern = reader->pattern;
    for (uint32_t i = 0; i < pattern->parts_count; i++) {
        const leat_part *part = pattern->parts[i];
        for (uint32_t j = 0; j < i && part->name.len > 0; j++) {
            if (!leat_str_equal(pattern->parts[j]->name, part->name)) continue;
            leat_findings_add(reader->findings, leat_node_member(part->node, "name"), false,
                              "two steps are called '%.*s'", LEAT_STR_ARG(part->name));
            break;
        }
    }
}

/* Bottom up: parts come after their parents. */
static void fill_passable(leat_pattern *pattern)
{
    for (uint32_t i = pattern->parts_count; i-- > 0;) {
        leat_part *part = pattern->parts[i];
        bool group = part->kind == LEAT_PART_GROUP || part->kind == LEAT_PART_ANY_OF;
        part->hollow = part->kind == LEAT_PART_GROUP;
        for (uint32_t j = 0; j < part->parts_count; j++) {
            if (part->kind == LEAT_PART_GROUP)
                part->hollow = part->hollow && part->parts[j]->passable;
            else
                part->hollow = part->hollow || part->parts[j]->passable;
        }
        LEAT_ASSERT(group || part->parts_count == 0);
        part->passable = part->kind == LEAT_PART_NOT || part->optional || part->hollow;
    }
}

/* How many negations end the parts. */
static uint32_t trailing_nots(const leat_part *group)
{
    uint32_t count = 0;
    while (count < group->parts_count &&
           group->parts[group->parts_count - 1 - count]->kind == LEAT_PART_NOT)
        count++;
    return count;
}

static void check_heads(pattern_reader *reader, const leat_part *part)
{
    if (part->parts_count == 0) return;
    if (part->kind == LEAT_PART_GROUP && part->parts[0]->kind == LEAT_PART_NOT)
        leat_findings_add(reader->findings, part->parts[0]->node, false,
                          "%s cannot begin with a negated step: there is nothing before it",
                          part->parent == NULL ? "a pattern" : "a group");
    for (uint32_t i = 0; i < part->parts_count && part->kind == LEAT_PART_ANY_OF; i++)
        if (part->parts[i]->kind == LEAT_PART_NOT)
            leat_findings_add(reader->findings, part->parts[i]->node, false,
                              "an alternative cannot be negated");
}

/* Whether nothing of the pattern comes behind this part. */
static bool is_end(const leat_part *part)
{
    for (; part->parent != NULL; part = part->parent)
        if (part->parent->kind == LEAT_PART_GROUP &&
            part->position + 1 != part->parent->parts_count)
            return false;
    return true;
}

/* A negated step at the very end is watched for as long as a window says. */
static void check_tail(pattern_reader *reader)
{
    const leat_part *root = reader->pattern->root;
    uint32_t trailing = trailing_nots(root);
    int64_t window_ms = -1;
    for (uint32_t i = 0; i < trailing; i++) {
        const leat_part *part = root->parts[root->parts_count - 1 - i];
        if (part->contiguity == LEAT_NEXT) break;
        if (reader->pattern->within_ms == 0 && part->within_ms == 0)
            leat_findings_add(reader->findings, part->node, false,
                              "a pattern that ends with `not` needs `within`: the match comes "
                              "when that time has passed");
        if (window_ms >= 0 && part->within_ms != window_ms)
            leat_findings_add(reader->findings, part->node, false,
                              "negated steps at the end of a pattern must have the same `within`");
        window_ms = part->within_ms;
    }
}

static void check_nots(pattern_reader *reader, const leat_part *part)
{
    if (part->kind != LEAT_PART_NOT) return;
    const leat_part *root = reader->pattern->root;
    bool tail = part->parent == root && part->position + trailing_nots(root) >= root->parts_count &&
                part->contiguity == LEAT_FOLLOWED_BY;
    if (part->within_ms != 0 && !tail)
        leat_findings_add(reader->findings, leat_node_member(part->node, "within"), false,
                          "a negated step has a window of its own only at the end of a pattern");
    if (part->parent != root && is_end(part)) {
        leat_finding *finding = leat_findings_add(
            reader->findings, part->node, true,
            "a negated step at the end of the last group has no effect on the last take");
        finding->suggestion = LEAT_STR("put it behind the group");
    }
}

/* The group whose link an event has to keep that this part takes first; the part itself if it does
 * not stand first in one. */
static const leat_part *linked_as(const leat_part *part)
{
    while (part->parent != NULL && part->parent->parent != NULL &&
           (part->position == 0 || part->parent->kind == LEAT_PART_ANY_OF))
        part = part->parent;
    return part;
}

/* A group's link replaces that of what stands first in it. */
static void check_link(pattern_reader *reader, const leat_part *part)
{
    const leat_node *node = leat_node_member(part->node, "contiguity");
    const leat_part *group = linked_as(part);
    if (node == NULL || group == part || group->contiguity == part->contiguity) return;
    bool any_of = group->kind == LEAT_PART_ANY_OF;
    leat_finding *finding =
        leat_findings_add(reader->findings, node, true, "has no effect: %s",
                          any_of ? "all alternatives follow as `any_of` does"
                                 : "what stands first in a group follows as the group does");
    finding->suggestion =
        any_of ? LEAT_STR("write it beside `any_of`") : LEAT_STR("write it beside its `steps`");
}

/* Whether nothing can have been taken before what this part takes. */
static bool begins(const leat_part *part)
{
    for (; part->parent != NULL; part = part->parent) {
        bool first = part->position == 0 || part->parent->kind == LEAT_PART_ANY_OF;
        if (!first || part->max > 1) return false;
    }
    return true;
}

static void check_windows(pattern_reader *reader, const leat_part *part)
{
    if (part->kind == LEAT_PART_STEP && part->within_ms > 0 && begins(part)) {
        leat_finding *finding =
            leat_findings_add(reader->findings, leat_node_member(part->node, "within"), true,
                              "has no effect: no event is taken before that of the first step");
        finding->suggestion = LEAT_STR("the step behind it may be meant, or the pattern");
    }
    int64_t window_ms = reader->pattern->within_ms;
    if (window_ms > 0 && part->within_ms > window_ms && part->parent != NULL)
        leat_findings_add(reader->findings, leat_node_member(part->node, "within"), false,
                          "is longer than the pattern's own `within`");
}

static void check_skip(pattern_reader *reader, const pattern_options *read)
{
    leat_pattern *pattern = reader->pattern;
    const leat_node *to = leat_node_member(pattern->node, "skip_to");
    bool wants = pattern->skip == LEAT_SKIP_TO_FIRST || pattern->skip == LEAT_SKIP_TO_LAST;
    if (wants && to == NULL) {
        leat_findings_add(reader->findings, leat_node_member(pattern->node, "skip"), false,
                          "needs `skip_to` with the name of a step");
    } else if (wants && !leat_pattern_step(pattern, read->skip_to, &pattern->skip_to)) {
        leat_str names[LEAT_PATTERN_PARTS_MAX];
        for (uint32_t i = 0; i < pattern->steps_count; i++)
            names[i] = pattern->steps[i]->name;
        leat_finding *finding = leat_findings_add(
            reader->findings, to, false, "there is no step '%.*s'", LEAT_STR_ARG(read->skip_to));
        finding->suggestion = leat_str_nearest(read->skip_to, names, pattern->steps_count);
    } else if (!wants && to != NULL) {
        leat_findings_add_key(reader->findings, to, false,
                              "goes with `skip: skip_to_first` or `skip_to_last`");
    }
    const leat_node *miss = leat_node_member(pattern->node, "skip_on_miss");
    if (!wants && miss != NULL)
        leat_findings_add_key(
            reader->findings, miss, true,
            "has no effect: it goes with `skip: skip_to_first` or `skip_to_last`");
}

static bool reserved(leat_str name)
{
    static const char *const names[] = {"pattern", "version", "key",      "severity", "tags",
                                        "start",   "end",     "match_id", "events",   "timed_out"};
    for (size_t i = 0; i < COUNT(names); i++)
        if (leat_str_is(name, names[i])) return true;
    return false;
}

static void check_emit(pattern_reader *reader, const leat_node *emit)
{
    if (emit == NULL) return;
    if (emit->kind != LEAT_NODE_OBJECT) {
        leat_findings_add(reader->findings, emit, false, "must be an object, not %s",
                          leat_node_kind_name(emit->kind));
        return;
    }
    for (const leat_node *field = emit->child; field != NULL; field = field->next) {
        if (reserved(field->key))
            leat_findings_add_key(reader->findings, field, false,
                                  "'%.*s' is a field of every alert: choose another name",
                                  LEAT_STR_ARG(field->key));
        if (field->kind != LEAT_NODE_STRING)
            leat_findings_add(reader->findings, field, false,
                              "must be a string with an expression, not %s",
                              leat_node_kind_name(field->kind));
    }
}

static void check_carried(pattern_reader *reader, const leat_node *node)
{
    if (node == NULL || node->kind == LEAT_NODE_STRING || node->kind == LEAT_NODE_INT) return;
    leat_findings_add(reader->findings, node, false, "must be a string or a whole number, not %s",
                      leat_node_kind_name(node->kind));
}

static void check_tags(pattern_reader *reader, const leat_node *tags)
{
    if (tags == NULL) return;
    bool good = tags->kind == LEAT_NODE_LIST;
    for (const leat_node *tag = tags->child; tag != NULL && good; tag = tag->next)
        good = tag->kind == LEAT_NODE_STRING;
    if (!good) leat_findings_add(reader->findings, tags, false, "must be a list of strings");
}

static void check_timeout(pattern_reader *reader)
{
    const leat_pattern *pattern = reader->pattern;
    if (pattern->timeout == NULL || pattern->within_ms > 0) return;
    for (uint32_t i = 0; i < pattern->parts_count; i++)
        if (pattern->parts[i]->within_ms > 0) return;
    leat_findings_add_key(reader->findings, pattern->timeout, false,
                          "without `within` no partial match ever times out");
}

void pattern_check(pattern_reader *reader, const pattern_options *read)
{
    leat_pattern *pattern = reader->pattern;
    LEAT_ASSERT(pattern->root != NULL && pattern->root->parent == NULL);
    fill_passable(pattern);
    check_names(reader);
    for (uint32_t i = 0; i < pattern->parts_count; i++) {
        check_heads(reader, pattern->parts[i]);
        check_nots(reader, pattern->parts[i]);
        check_windows(reader, pattern->parts[i]);
        check_link(reader, pattern->parts[i]);
    }
    check_tail(reader);
    check_skip(reader, read);
    check_emit(reader, pattern->emit);
    check_emit(reader, pattern->timeout_emit);
    check_timeout(reader);
    check_carried(reader, pattern->version);
    check_carried(reader, pattern->severity);
    check_tags(reader, pattern->tags);
    if (pattern->name.len == 0 && leat_node_member(pattern->node, "name") != NULL)
        leat_findings_add(reader->findings, leat_node_member(pattern->node, "name"), false,
                          "a pattern needs a name");
    if (leat_str_find(pattern->name, (leat_str){"\0", 1}) >= 0)
        leat_findings_add(reader->findings, leat_node_member(pattern->node, "name"), false,
                          "a name may not hold a NUL");
}
