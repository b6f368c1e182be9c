/* SPDX-License-Identifier: Apache-2.0 */
/* Random steps over random records, against a model that simply changes trees. A layout is edited
 * once for all records, a tree once for each, so what they have in common is only the meaning.
 * A failure prints its pipeline and record. */
#include "schemas/doc.h"
#include "tests/unit/exec_harness.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(plan_model);

#define NAMES     3 /* a, b, c */
#define DEPTH     3
#define STEPS_MAX 5
#define ROUNDS    4000

typedef enum tree_kind { NOTHING, NUMBER, OBJECT } tree_kind;
typedef struct tree {
    tree_kind kind;
    int number;
    struct tree *child[NAMES];
} tree;

typedef struct way {
    int names[DEPTH], count;
} way;

static tree pool[4096];
static size_t pool_used;

static tree *tree_new(tree_kind kind, int number)
{
    cr_assert_lt(pool_used, sizeof pool / sizeof pool[0]);
    tree *made = &pool[pool_used++];
    *made = (tree){.kind = kind, .number = number};
    return made;
}

static tree *tree_copy(const tree *from)
{
    tree *made = tree_new(from->kind, from->number);
    for (int i = 0; i < NAMES; i++)
        if (from->child[i] != NULL) made->child[i] = tree_copy(from->child[i]);
    return made;
}

static tree *tree_random(leat_random *seed, int depth)
{
    tree *made = tree_new(OBJECT, 0);
    for (int i = 0; i < NAMES; i++) {
        uint64_t what = leat_random_next(seed) % 4;
        if (what == 0) continue;
        made->child[i] = what == 1 || depth == 1
                             ? tree_new(NUMBER, (int)(leat_random_next(seed) % 10))
                             : tree_random(seed, depth - 1);
    }
    return made;
}

static tree *tree_get(tree *root, way path)
{
    for (int i = 0; i < path.count && root != NULL; i++)
        root = root->kind == OBJECT ? root->child[path.names[i]] : NULL;
    return root;
}

/* False: a parent is there and no object. */
static bool tree_set(tree *root, way path, tree *value)
{
    for (int i = 0; i + 1 < path.count; i++) {
        tree **child = &root->child[path.names[i]];
        if (*child == NULL) *child = tree_new(OBJECT, 0);
        if ((*child)->kind != OBJECT) return false;
        root = *child;
    }
    root->child[path.names[path.count - 1]] = value;
    return true;
}

static void tree_drop(tree *root, way path)
{
    path.count--;
    tree *parent = tree_get(root, path);
    if (parent != NULL && parent->kind == OBJECT) parent->child[path.names[path.count]] = NULL;
}

/* What is kept of `from`, added to `into`. */
static void tree_keep(tree *into, const tree *from, way path, int at)
{
    int name = path.names[at];
    const tree *child = from->child[name];
    if (child == NULL) return;
    if (at + 1 == path.count) {
        into->child[name] = tree_copy(child);
    } else if (child->kind == OBJECT) {
        if (into->child[name] == NULL) into->child[name] = tree_new(OBJECT, 0);
        tree_keep(into->child[name], child, path, at + 1);
    }
}

/* --- steps: written as text, done to the model --- */

static void add_path(leat_buf *out, way path)
{
    for (int i = 0; i < path.count; i++)
        leat_buf_add_format(out, "%s%c", i > 0 ? "." : "", 'a' + path.names[i]);
}

static way way_random(leat_random *seed, int depth)
{
    way made = {.count = 1 + (int)(leat_random_next(seed) % (uint64_t)depth)};
    for (int i = 0; i < made.count; i++)
        made.names[i] = (int)(leat_random_next(seed) % NAMES);
    return made;
}

/* False: the record goes to the dead letter. */
static bool step_set(leat_random *seed, leat_buf *out, tree *root)
{
    way to = way_random(seed, DEPTH), from = way_random(seed, DEPTH);
    int number = 10 + (int)(leat_random_next(seed) % 10);
    leat_buf_add_text(out, "{\"set\":{\"");
    add_path(out, to);
    leat_buf_add_text(out, "\":\"");
    tree *value = NULL;
    switch (leat_random_next(seed) % 4) {
    case 0:
        leat_buf_add_format(out, "%d", number);
        value = tree_new(NUMBER, number);
        break;
    case 1: /* computed, so that no constant is folded */
        leat_buf_add_format(out, "{'a': %d, 'b': {'c': int(meta.offset)}}", number);
        value = tree_new(OBJECT, 0);
        value->child[0] = tree_new(NUMBER, number);
        value->child[1] = tree_new(OBJECT, 0);
        value->child[1]->child[2] = tree_new(NUMBER, 1);
        break;
    case 2:
        leat_buf_add_text(out, "event");
        value = tree_copy(root);
        break;
    default:
        add_path(out, from);
        value = tree_get(root, from);
        if (value != NULL) value = tree_copy(value);
        break;
    }
    leat_buf_add_text(out, "\"}}");
    return value != NULL && tree_set(root, to, value);
}

static void step_paths(leat_random *seed, leat_buf *out, tree *root)
{
    bool keep = leat_random_next(seed) % 2 == 0;
    int count = 1 + (int)(leat_random_next(seed) % 3);
    tree *kept = tree_new(OBJECT, 0);
    leat_buf_add_text(out, keep ? "{\"keep\":[" : "{\"drop\":[");
    for (int i = 0; i < count; i++) {
        way path = way_random(seed, DEPTH);
        leat_buf_add_text(out, i > 0 ? ",\"" : "\"");
        add_path(out, path);
        leat_buf_add_char(out, '"');
        if (keep)
            tree_keep(kept, root, path, 0);
        else
            tree_drop(root, path);
    }
    leat_buf_add_text(out, "]}");
    if (keep) *root = *kept;
}

/* To another first-level name: whether a missing parent is made does not come into it. */
static void step_rename(leat_random *seed, leat_buf *out, tree *root)
{
    way from = way_random(seed, DEPTH);
    way to = {.names = {(from.names[0] + 1 + (int)(leat_random_next(seed) % 2)) % NAMES},
              .count = 1};
    leat_buf_add_text(out, "{\"rename\":{\"");
    add_path(out, from);
    leat_buf_add_text(out, "\":\"");
    add_path(out, to);
    leat_buf_add_text(out, "\"}}");
    tree *value = tree_get(root, from);
    if (value == NULL) return;
    tree_drop(root, from);
    (void)tree_set(root, to, value);
}

/* Asks for a field whose parent is an object; the answer is right, or the record is gone. */
static void step_ask(leat_random *seed, leat_buf *out, tree *root)
{
    way path = way_random(seed, DEPTH), parent = path;
    parent.count--;
    const tree *object = tree_get(root, parent);
    if (object == NULL || object->kind != OBJECT) {
        leat_buf_add_text(out, "{\"filter\":\"true\"}");
        return;
    }
    bool there = tree_get(root, path) != NULL;
    leat_buf_add_format(out, "{\"filter\":\"has(event.");
    add_path(out, path);
    leat_buf_add_format(out, ") == %s\"}", there ? "true" : "false");
}

/* --- comparing --- */

static void print_tree(const tree *from, leat_buf *out)
{
    if (from->kind == NUMBER) {
        leat_buf_add_int(out, from->number);
        return;
    }
    size_t first = out->len + 1;
    leat_buf_add_char(out, '{');
    for (int i = 0; i < NAMES; i++) {
        if (from->child[i] == NULL) continue;
        if (out->len > first) leat_buf_add_char(out, ',');
        leat_buf_add_format(out, "\"%c\":", 'a' + i);
        print_tree(from->child[i], out);
    }
    leat_buf_add_char(out, '}');
}

/* The same text whatever the order of members. */
static void print_node(const leat_node *node, leat_buf *out)
{
    if (node->kind == LEAT_NODE_INT) {
        leat_buf_add_int(out, node->i);
        return;
    }
    cr_assert_eq(node->kind, LEAT_NODE_OBJECT);
    size_t first = out->len + 1;
    leat_buf_add_char(out, '{');
    for (int i = 0; i < NAMES; i++) {
        char name = (char)('a' + i);
        const char text[] = {name, '\0'};
        const leat_node *member = leat_node_member(node, text);
        if (member == NULL) continue;
        if (out->len > first) leat_buf_add_char(out, ',');
        leat_buf_add_format(out, "\"%c\":", name);
        print_node(member, out);
    }
    leat_buf_add_char(out, '}');
}

static void expect_tree(test_bed *bed, const tree *want, const char *pipeline, const char *input)
{
    leat_buf got, expected;
    leat_err err;
    leat_node *root = NULL;
    uint32_t line, column;
    leat_buf_init(&got, 1 << 16);
    leat_buf_init(&expected, 1 << 16);
    leat_str said = leat_buf_str(&bed->out);
    if (leat_str_starts(said, LEAT_STR("out: "))) {
        leat_str json = leat_str_slice(said, 5, said.len - 1);
        cr_assert_eq(leat_doc_parse(json, LEAT_STR("out"), bed->arena, &root, &err, &line, &column),
                     LEAT_OK, "%s", err.text);
        print_node(root, &got);
    } else {
        leat_buf_add_text(&got, leat_str_starts(said, LEAT_STR("dead: ")) ? "dead" : "filtered");
    }
    if (want == NULL)
        leat_buf_add_text(&expected, "dead");
    else
        print_tree(want, &expected);
    cr_assert(leat_str_equal(leat_buf_str(&got), leat_buf_str(&expected)),
              "%s\n%s\n%.*sgot  %.*s\nwant %.*s", pipeline, input, LEAT_STR_ARG(said),
              LEAT_STR_ARG(leat_buf_str(&got)), LEAT_STR_ARG(leat_buf_str(&expected)));
    leat_buf_release(&got);
    leat_buf_release(&expected);
}

static void run_round(leat_random *seed)
{
    leat_buf text, input;
    test_bed bed;
    pool_used = 0;
    leat_buf_init(&text, 1 << 16);
    leat_buf_init(&input, 1 << 16);
    tree *root = tree_random(seed, DEPTH);
    print_tree(root, &input);
    leat_buf_add_char(&input, '\0');
    leat_buf_add_text(&text,
                      "{\"name\":\"p\",\"dead_letter\":\"dead\",\"sources\":{\"s\":{\"topic\":"
                      "\"in\"}},\"streams\":{\"t\":{\"from\":\"s\",\"to\":\"out\",\"steps\":[");
    bool alive = true;
    for (uint64_t steps = 1 + leat_random_next(seed) % STEPS_MAX; steps > 0; steps--) {
        switch (leat_random_next(seed) % 5) {
        case 0:
        case 1: alive = step_set(seed, &text, root) && alive; break;
        case 2: step_paths(seed, &text, root); break;
        case 3: step_rename(seed, &text, root); break;
        default: step_ask(seed, &text, root); break;
        }
        if (steps > 1) leat_buf_add_char(&text, ',');
        if (!alive) break;
    }
    if (text.data[text.len - 1] == ',') text.len--;
    leat_buf_add_text(&text, "]}}}");
    leat_buf_add_char(&text, '\0');
    bed_open(&bed, text.data);
    bed_send(&bed, input.data);
    expect_tree(&bed, alive ? root : NULL, text.data, input.data);
    bed_close(&bed);
    leat_buf_release(&text);
    leat_buf_release(&input);
}

Test(plan_model, steps_do_what_the_model_does, .timeout = 120)
{
    leat_random seed = {1};
    for (int i = 0; i < ROUNDS; i++)
        run_round(&seed);
}
