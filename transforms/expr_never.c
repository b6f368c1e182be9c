/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a condition demands of one field what no value fulfils.
 *
 *   v > 10 && (v < 5 || v == 'x')      TEST v > 10 --- OR --- TEST v < 5     apart
 *                                                        `--- TEST v == 'x'  apart: never
 *
 * Operands of && are tests of a field against a constant, or unknown. Each test is held against
 * those that hold with it, two at a time; an || can hold if one of its alternatives can, together
 * with what stands around it. What is found is certain, as it is asked of the comparisons that
 * evaluate: a test that is true of a number gives a stretch of the ints, one of the uints and one
 * of the doubles, whose ends are searched by comparing. So ints beyond 2^53, which meet doubles
 * rounded, need no rule of their own, and a NaN is in no stretch. A field that is missing, or of a
 * type that the test cannot have, makes the test an error, and && with it not true.
 *
 * Not found: what takes three tests (`k in [1, 2] && k != 1 && k != 2`), two fields (`a < b && b <
 * a`), or arithmetic (`v + 1 < v`). Cost: a few microseconds a pair, and a limit on their number.
 */
#include <math.h>

#include "core/number.h"
#include "core/time.h"
#include "transforms/expr_build.h"
#include "transforms/expr_form.h"

#define TESTS_MAX   32   /* that are known at a time; others count as unknown */
#define WORK_MAX    1000 /* pairs that are looked at */
#define SHOWN_MAX   40   /* bytes of a text in what is said */
#define SHOWN_ITEMS 3    /* of a list, the same */

typedef enum relation {
    IS,
    IS_NOT,
    LESS,
    LESS_OR_IS,
    MORE,
    MORE_OR_IS,
    IN,
    NOT_IN,
    STARTS,
    ENDS,
    CONTAINS,
    MATCHES,
    THERE,
    NOT_THERE,
} relation;

typedef struct test {
    const leat_expr_node *field;
    relation relation;
    leat_value constant;
    bool bare; /* `flag` or `!flag` */
} test;

typedef enum finding { NOTHING, TWO_TESTS, ONE_TEST, CONSTANT } finding;

typedef struct proof {
    finding found;
    test pair[2];
    bool others; /* further alternatives of an || */
} proof;

typedef struct prover {
    test tests[TESTS_MAX]; /* all of which hold where the present node does */
    uint32_t count, work;
    proof proof;
} prover;

/* --- tests ------------------------------------------------------------------------------- */

static const struct test_line {
    const char *name, *shown;
    bool member;
    relation relation, turned; /* turned: with the constant on the left; THERE: there is no such */
} lines[] = {
    {"_==_", "==", false, IS, IS},
    {"_!=_", "!=", false, IS_NOT, IS_NOT},
    {"_<_", "<", false, LESS, MORE},
    {"_<=_", "<=", false, LESS_OR_IS, MORE_OR_IS},
    {"_>_", ">", false, MORE, LESS},
    {"_>=_", ">=", false, MORE_OR_IS, LESS_OR_IS},
    {"@in", "in", false, IN, THERE},
    {"startsWith", "startsWith", true, STARTS, THERE},
    {"endsWith", "endsWith", true, ENDS, THERE},
    {"contains", "contains", true, CONTAINS, THERE},
    {"matches", "matches", true, MATCHES, THERE},
};
#define LINES_COUNT (sizeof lines / sizeof lines[0])

static bool is_field(const leat_expr_node *node)
{
    return node->kind == EXPR_NODE_REF &&
           (node->ref.kind == LEAT_REF_SLOT || node->ref.kind == LEAT_REF_EXTERN);
}

static bool read_call(const leat_expr_node *node, test *made)
{
    const struct test_line *line = NULL;
    for (size_t i = 0; i < LINES_COUNT; i++)
        if (leat_str_is(node->name, lines[i].name) && node->member == lines[i].member)
            line = &lines[i];
    if (line == NULL || node->count != 2) return false;
    bool turned = node->args[0]->kind == EXPR_NODE_CONST;
    const leat_expr_node *field = node->args[turned ? 1 : 0];
    const leat_expr_node *constant = node->args[turned ? 0 : 1];
    if (!is_field(field) || field->test || constant->kind != EXPR_NODE_CONST) return false;
    *made = (test){field, turned ? line->turned : line->relation, constant->constant, false};
    if (made->relation == IN) return made->constant.tag == LEAT_LIST;
    if (line->member) return made->constant.tag == LEAT_STRING && !turned;
    return made->relation != THERE;
}

/* The test that holds where this one is false and no error; false: it is none of these. */
static bool deny(test *made)
{
    if (made->bare) {
        made->constant.as.b = !made->constant.as.b;
        return true;
    }
    switch (made->relation) {
    case IS: made->relation = IS_NOT; return true;
    case IS_NOT: made->relation = IS; return true;
    case IN: made->relation = NOT_IN; return true;
    case NOT_IN: made->relation = IN; return true;
    case THERE: made->relation = NOT_THERE; return true;
    case NOT_THERE: made->relation = THERE; return true;
    case LESS: /* a NaN is neither below nor not below */
    case LESS_OR_IS:
    case MORE:
    case MORE_OR_IS:
    case STARTS:
    case ENDS:
    case CONTAINS:
    case MATCHES: break;
    }
    return false;
}

static bool read_test(const leat_expr_node *node, test *made)
{
    if (is_field(node)) {
        *made = (test){node, node->test ? THERE : IS, leat_value_bool(true), !node->test};
        return !node->test || node->ref.kind == LEAT_REF_SLOT;
    }
    if (node->kind != EXPR_NODE_CALL) return false;
    if (node->count == 1 && leat_str_is(node->name, "!_"))
        return read_test(node->args[0], made) && deny(made);
    return read_call(node, made);
}

/* --- numbers ----------------------------------------------------------------------------- */

#define SIGN ((uint64_t)1 << 63)

/* Numbers of one type, by words in the same order. */
typedef struct stretch {
    uint64_t first, last;
    bool none;
} stretch;

static const leat_tag number_tags[] = {LEAT_INT, LEAT_UINT, LEAT_DOUBLE};
#define NUMBER_TAGS (sizeof number_tags / sizeof number_tags[0])

static leat_value number_of(leat_tag tag, uint64_t word)
{
    double number = 0;
    if (tag == LEAT_INT) return leat_value_int((int64_t)(word ^ SIGN));
    if (tag == LEAT_UINT) return (leat_value){.tag = LEAT_UINT, .as.u = word};
    word ^= (word & SIGN) != 0 ? SIGN : UINT64_MAX;
    memcpy(&number, &word, sizeof number);
    return leat_value_double(number);
}

/* All there are; of doubles from -infinity to infinity. */
static stretch all_of(leat_tag tag)
{
    const uint64_t infinity = (uint64_t)0x7ff << 52;
    if (tag != LEAT_DOUBLE) return (stretch){0, UINT64_MAX, false};
    return (stretch){~(infinity | SIGN), infinity | SIGN, false};
}

static bool is_nan(leat_value value)
{
    return value.tag == LEAT_DOUBLE && isnan(value.as.d);
}

/* The first number of the type that is more than the constant, or not less; none: there is none. */
static stretch from(leat_tag tag, leat_value constant, bool more)
{
    stretch all = all_of(tag);
    int least = more ? 1 : 0;
    all.none = leat_expr_compare(number_of(tag, all.last), constant) < least;
    uint64_t last = all.last;
    LEAT_ASSERT(all.first < last && !is_nan(constant));
    while (all.first < last && !all.none) {
        uint64_t middle = all.first + (last - all.first) / 2;
        if (leat_expr_compare(number_of(tag, middle), constant) < least)
            all.first = middle + 1;
        else
            last = middle;
    }
    return all;
}

/* The numbers of the type for which `number relation constant` is true. */
static stretch stretch_of(leat_tag tag, relation is, leat_value constant)
{
    stretch low = all_of(tag);
    LEAT_ASSERT(is <= MORE_OR_IS && is != IS_NOT);
    if (is_nan(constant)) return (stretch){.none = true};
    if (is == IS || is == MORE_OR_IS) low = from(tag, constant, false);
    if (is == MORE) low = from(tag, constant, true);
    if (low.none || is == MORE || is == MORE_OR_IS) return low;
    stretch behind = from(tag, constant, is != LESS);
    if (behind.none) return low;
    if (behind.first <= low.first) return (stretch){.none = true};
    low.last = behind.first - 1;
    return low;
}

static bool numbers_apart(const test *a, const test *b)
{
    for (size_t i = 0; i < NUMBER_TAGS; i++) {
        stretch left = stretch_of(number_tags[i], a->relation, a->constant);
        stretch right = stretch_of(number_tags[i], b->relation, b->constant);
        if (left.none || right.none) continue;
        if (left.first <= right.last && right.first <= left.last) return false;
    }
    return true;
}

/* Whether each number that is equal to one constant is equal to the other. */
static bool numbers_covered(leat_value equal, leat_value by)
{
    for (size_t i = 0; i < NUMBER_TAGS; i++) {
        stretch inner = stretch_of(number_tags[i], IS, equal);
        stretch outer = stretch_of(number_tags[i], IS, by);
        if (inner.none) continue;
        if (outer.none || inner.first < outer.first || inner.last > outer.last) return false;
    }
    return true;
}

/* --- two tests --------------------------------------------------------------------------- */

/* Values of different families are never equal, and have no order. */
typedef enum family { UNKNOWN, NOTHING_AT_ALL, TRUTHS, NUMBERS, TEXTS, BYTES, TIMES, SPANS } family;

static const family families[LEAT_TAGS_COUNT] = {
    [LEAT_NULL] = NOTHING_AT_ALL, [LEAT_BOOL] = TRUTHS,     [LEAT_INT] = NUMBERS,
    [LEAT_UINT] = NUMBERS,        [LEAT_DOUBLE] = NUMBERS,  [LEAT_STRING] = TEXTS,
    [LEAT_BYTES] = BYTES,         [LEAT_TIMESTAMP] = TIMES, [LEAT_DURATION] = SPANS,
};

static family family_of(leat_value value)
{
    LEAT_ASSERT(value.tag < LEAT_TAGS_COUNT);
    return families[value.tag];
}

static bool bounds_below(relation is)
{
    return is == IS || is == MORE || is == MORE_OR_IS;
}

static bool bounds_above(relation is)
{
    return is == IS || is == LESS || is == LESS_OR_IS;
}

/* Of one family, not numbers: their constants are of one order. */
static bool bounds_apart(const test *a, const test *b)
{
    int order = leat_expr_compare(a->constant, b->constant);
    bool closed =
        a->relation != LESS && a->relation != MORE && b->relation != LESS && b->relation != MORE;
    LEAT_ASSERT(a->relation <= MORE_OR_IS && b->relation <= MORE_OR_IS);
    if (order < -1 || order > 1) return false;
    if (bounds_below(a->relation) && bounds_above(b->relation) && order >= (closed ? 1 : 0))
        return true;
    return bounds_above(a->relation) && bounds_below(b->relation) && order <= (closed ? -1 : 0);
}

static bool is_of_texts(relation is)
{
    return is == STARTS || is == ENDS || is == CONTAINS || is == MATCHES;
}

/* Whether a text may pass; a regular expression is not asked. */
static bool passes(const test *asked, leat_str text)
{
    LEAT_ASSERT(asked->constant.tag == LEAT_STRING);
    leat_str part = leat_value_str(asked->constant);
    if (asked->relation == STARTS) return leat_str_starts(text, part);
    if (asked->relation == ENDS) return leat_str_ends(text, part);
    return asked->relation != CONTAINS || leat_str_find(text, part) >= 0;
}

static bool texts_apart(const test *a, const test *b)
{
    leat_str left = leat_value_str(a->constant);
    leat_str right = leat_value_str(b->constant);
    if (a->relation == IS) return !passes(b, left);
    if (b->relation == IS) return !passes(a, right);
    if (a->relation != b->relation) return false;
    if (a->relation == STARTS || a->relation == ENDS) return !passes(a, right) && !passes(b, left);
    return false;
}

static bool is_denied(const test *asked)
{
    return asked->relation == IS_NOT || asked->relation == NOT_IN || asked->relation == NOT_THERE;
}

/* Tests of one value against one constant each. */
static bool plain_apart(const test *a, const test *b)
{
    family kind = family_of(a->constant);
    bool same = kind == family_of(b->constant);
    if (kind == UNKNOWN || family_of(b->constant) == UNKNOWN) return false;
    if (a->relation == IS_NOT || b->relation == IS_NOT) {
        const test *other = a->relation == IS_NOT ? b : a;
        const test *denied = a->relation == IS_NOT ? a : b;
        if (other->relation != IS || !same) return false;
        if (kind == NUMBERS) return numbers_covered(other->constant, denied->constant);
        return kind == NOTHING_AT_ALL || leat_expr_compare(a->constant, b->constant) == 0;
    }
    if (!same) return true;
    if (kind == NUMBERS) return numbers_apart(a, b);
    if (is_of_texts(a->relation) || is_of_texts(b->relation)) return texts_apart(a, b);
    return bounds_apart(a, b);
}

static bool apart(prover *p, const test *a, const test *b);

/* in: true if each item excludes the other test; not in: if any does. */
static bool items_apart(prover *p, const test *list, const test *other)
{
    bool all = list->relation == IN;
    test item = {list->field, all ? IS : IS_NOT, LEAT_VALUE_NULL, false};
    LEAT_ASSERT(list->constant.tag == LEAT_LIST);
    for (uint32_t i = 0; i < list->constant.len; i++) {
        item.constant = list->constant.as.items[i];
        if (apart(p, &item, other) != all) return !all;
    }
    return all;
}

/* Of what is missing any test is an error, unless the name then means a type. */
static bool missing_apart(const test *a, const test *b)
{
    leat_value type;
    return !leat_expr_type_value(a->field->name, &type) &&
           !leat_expr_type_value(b->field->name, &type) && a->relation != b->relation;
}

/* Whether no value of the field that both ask passes both. */
static bool apart(prover *p, const test *a, const test *b)
{
    if (p->work >= WORK_MAX) return false;
    p->work++;
    if (a->relation == NOT_THERE || b->relation == NOT_THERE) return missing_apart(a, b);
    if (a->relation == THERE || b->relation == THERE) return false;
    if (is_denied(a) && is_denied(b)) return false;
    if (a->relation == IN) return items_apart(p, a, b);
    if (b->relation == IN) return items_apart(p, b, a);
    if (a->relation == NOT_IN) return items_apart(p, a, b);
    if (b->relation == NOT_IN) return items_apart(p, b, a);
    return plain_apart(a, b);
}

/* --- the tree ---------------------------------------------------------------------------- */

static bool tell(prover *p, finding found, test a, test b)
{
    p->proof = (proof){found, {a, b}, false};
    return true;
}

/* Adds a test to those that hold; true: it cannot hold with them. */
static bool add_test(prover *p, test made)
{
    bool empty = made.relation == IN && made.constant.len == 0;
    LEAT_ASSERT(p->count <= TESTS_MAX && is_field(made.field));
    bool nan = is_nan(made.constant) && made.relation != IS_NOT;
    if (empty || nan) return tell(p, ONE_TEST, made, made);
    for (uint32_t i = 0; i < p->count; i++) {
        const leat_expr_node *field = p->tests[i].field;
        bool same =
            field->ref.kind == made.field->ref.kind && field->ref.index == made.field->ref.index;
        if (same && apart(p, &p->tests[i], &made)) return tell(p, TWO_TESTS, p->tests[i], made);
    }
    if (p->count < TESTS_MAX) p->tests[p->count++] = made;
    return false;
}

static bool add_tests(prover *p, const leat_expr_node *node)
{
    test made;
    if (node->kind == EXPR_NODE_AND) {
        for (uint32_t i = 0; i < node->count; i++)
            if (add_tests(p, node->args[i])) return true;
        return false;
    }
    if (node->kind == EXPR_NODE_CONST && (node->constant.tag != LEAT_BOOL || !node->constant.as.b))
        return tell(p, CONSTANT, (test){0}, (test){0});
    return read_test(node, &made) && add_test(p, made);
}

static bool is_never(prover *p, const leat_expr_node *node);

/* An || that is an operand: none of its alternatives can hold beside the tests. */
static bool no_alternative(prover *p, const leat_expr_node *node)
{
    if (node->kind == EXPR_NODE_AND) {
        for (uint32_t i = 0; i < node->count; i++)
            if (no_alternative(p, node->args[i])) return true;
        return false;
    }
    if (node->kind != EXPR_NODE_OR) return false;
    proof first = {.found = NOTHING};
    for (uint32_t i = 0; i < node->count; i++) {
        if (!is_never(p, node->args[i])) return false;
        if (i == 0) first = p->proof;
    }
    LEAT_ASSERT(first.found != NOTHING);
    p->proof = first;
    p->proof.others = node->count > 1;
    return true;
}

static bool is_never(prover *p, const leat_expr_node *node)
{
    uint32_t before = p->count;
    LEAT_ASSERT(node->depth <= LEAT_EXPR_DEPTH_MAX);
    bool never = add_tests(p, node) || no_alternative(p, node);
    LEAT_ASSERT(p->count >= before && (!never || p->proof.found != NOTHING));
    p->count = before;
    return never;
}

/* --- what is said ------------------------------------------------------------------------ */

static void put_text(leat_str text, leat_buf *out)
{
    size_t end = text.len;
    if (end > SHOWN_MAX)
        for (end = SHOWN_MAX; end > 0 && (text.data[end] & 0xc0) == 0x80;)
            end--;
    leat_buf_add_char(out, '\'');
    for (size_t i = 0; i < end; i++) {
        char c = text.data[i];
        if (c == '\'' || c == '\\') leat_buf_add_char(out, '\\');
        if ((unsigned char)c < ' ')
            leat_buf_add_format(out, "\\x%02x", (unsigned)(unsigned char)c);
        else
            leat_buf_add_char(out, c);
    }
    leat_buf_add_text(out, end < text.len ? "...'" : "'");
}

static void put_scalar(leat_value value, leat_buf *out)
{
    switch (family_of(value)) {
    case NOTHING_AT_ALL: leat_buf_add_text(out, "null"); return;
    case TRUTHS: leat_buf_add_text(out, value.as.b ? "true" : "false"); return;
    case TEXTS: put_text(leat_value_str(value), out); return;
    case NUMBERS:
        if (value.tag == LEAT_INT) leat_buf_add_int(out, value.as.i);
        if (value.tag == LEAT_DOUBLE) leat_number_add(out, value.as.d);
        if (value.tag != LEAT_UINT) return;
        leat_buf_add_uint(out, value.as.u);
        leat_buf_add_char(out, 'u');
        return;
    case TIMES:
        leat_buf_add_text(out, "timestamp('");
        leat_time_format(value, out);
        leat_buf_add_text(out, "')");
        return;
    case SPANS:
        leat_buf_add_text(out, "duration('");
        leat_duration_format(value, out);
        leat_buf_add_text(out, "')");
        return;
    case BYTES:
    case UNKNOWN: break;
    }
    leat_buf_add_text(out, "...");
}

static void put_constant(leat_value value, leat_buf *out)
{
    if (value.tag != LEAT_LIST) {
        put_scalar(value, out);
        return;
    }
    leat_buf_add_char(out, '[');
    for (uint32_t i = 0; i < value.len && i < SHOWN_ITEMS; i++) {
        if (i > 0) leat_buf_add_text(out, ", ");
        put_scalar(value.as.items[i], out);
    }
    leat_buf_add_text(out, value.len > SHOWN_ITEMS ? ", ...]" : "]");
}

static const struct test_line *line_of(relation is)
{
    for (size_t i = 0; i < LINES_COUNT; i++)
        if (lines[i].relation == is) return &lines[i];
    LEAT_ASSERT(!"a test without a line");
    return NULL;
}

static void put_test(const test *told, leat_buf *out)
{
    LEAT_ASSERT(told->field != NULL && told->field->name.len > 0);
    leat_str name = told->field->name;
    bool negated = told->relation == NOT_IN || told->relation == NOT_THERE;
    leat_buf_add_char(out, '`');
    if (negated || (told->bare && !told->constant.as.b)) leat_buf_add_char(out, '!');
    if (told->bare) {
        leat_buf_add(out, name);
    } else if (told->relation == THERE || told->relation == NOT_THERE) {
        leat_buf_add_format(out, "has(%.*s)", LEAT_STR_ARG(name));
    } else {
        const struct test_line *line = line_of(negated ? IN : told->relation);
        leat_buf_add_format(out, "%s%.*s%s%s%s", negated ? "(" : "", LEAT_STR_ARG(name),
                            line->member ? "." : " ", line->shown, line->member ? "(" : " ");
        put_constant(told->constant, out);
        if (negated || line->member) leat_buf_add_char(out, ')');
    }
    leat_buf_add_char(out, '`');
}

static void put_proof(const proof *p, leat_buf *out)
{
    LEAT_ASSERT(p->found != NOTHING);
    if (p->found == CONSTANT) {
        leat_buf_add_text(out, "an operand of && is never true");
    } else {
        leat_buf_add_text(out,
                          p->found == ONE_TEST ? "no value fulfils " : "no value fulfils both ");
        put_test(&p->pair[0], out);
        if (p->found == TWO_TESTS) leat_buf_add_text(out, " and ");
        if (p->found == TWO_TESTS) put_test(&p->pair[1], out);
    }
    if (p->others) leat_buf_add_text(out, ", and no other alternative can hold");
}

leat_code leat_expr_never_of(leat_expr_builder *builder, const leat_expr_node *root,
                             const char **never)
{
    prover p = {.count = 0};
    leat_buf out;
    *never = NULL;
    if (root->kind == EXPR_NODE_CONST || !is_never(&p, root)) return LEAT_OK;
    leat_buf_init(&out, LEAT_EXPR_TEXT_MAX);
    put_proof(&p.proof, &out);
    leat_str text = leat_arena_copy(builder->arena, leat_buf_str(&out));
    leat_buf_release(&out);
    if (text.data == NULL) return leat_arena_full(builder->arena, builder->err);
    *never = text.data;
    return LEAT_OK;
}

const char *leat_expr_never(const leat_expr *expr)
{
    LEAT_ASSERT(expr != NULL);
    return expr->never;
}
