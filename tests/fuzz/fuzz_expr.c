/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions: compiled and evaluated over one fixed record.
 *
 * The first byte of the input picks the scope (patterns' aggregates, indexes as names, strict); the
 * rest is the text. It is compiled with the checker and without:
 *   - a mistake is reported inside of the text, with words
 *   - what the checker accepts compiles without it, and gives the same value or also an error
 *   - a value has the type that the checker has deduced, where it has
 *   - a second evaluation gives the same; a condition says what the value says, and what is told
 *     never to hold does not
 *   - texts in a result are valid UTF-8, and the result can be written as JSON or is refused
 * Cost and memory are limited to little, so that inputs are fast; both limits are errors. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/codec_json.h"
#include "transforms/expr.h"
#include "transforms/expr_form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SLOTS      12u
#define COST_MAX   20000u
#define ARENA_MAX  (8u << 20)
#define DEPTH_MAX  200
#define MUST(what) LEAT_ASSERT(what)

static const char *const names[SLOTS] = {
    "missing", "n",  "amount", "name", "tags", "nested",
    "price",   "ts", "wait",   "raw",  "flag", "none",
};

static leat_code resolve(leat_scope *scope, const leat_str *path, size_t count, bool absolute,
                         leat_ref *ref, leat_str *nearest, leat_err *err)
{
    (void)scope;
    (void)count;
    (void)absolute;
    (void)err;
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (!leat_str_is(path[0], names[i])) continue;
        *ref = (leat_ref){.kind = LEAT_REF_SLOT, .index = i, .used = 1};
        if (i == 1) ref->type = "int";
        if (i == 4) ref->type = "list(string)";
        return LEAT_OK;
    }
    if (leat_str_is(path[0], "meta")) {
        *ref = (leat_ref){.kind = LEAT_REF_EXTERN, .index = count > 1 ? 1 : 0, .used = count};
        return LEAT_OK;
    }
    *nearest = leat_str_of(names[1]);
    return LEAT_OK;
}

static leat_code load(void *self, uint32_t index, leat_arena *arena, leat_value *value,
                      leat_err *err)
{
    (void)self;
    (void)arena;
    if (index == 0) return leat_err_set(err, LEAT_ERR_TYPE, "not to be had as a whole");
    *value = leat_value_text(LEAT_JSON, LEAT_STR("{\"k\": [1, 2.5, \"x\"]}"));
    return LEAT_OK;
}

static void fill(leat_value *slots)
{
    static leat_value tags[3];
    for (int i = 0; i < 3; i++)
        tags[i] = leat_value_string(i < 2 ? LEAT_STR("red") : LEAT_STR("ü"));
    slots[0] = LEAT_VALUE_MISSING;
    slots[1] = leat_value_int(42);
    slots[2] = leat_value_double(512.25);
    slots[3] = leat_value_string(LEAT_STR("x-äö日本"));
    slots[4] = leat_value_list(tags, 3);
    slots[5] = leat_value_text(LEAT_JSON, LEAT_STR("{\"a\": {\"b\": [1, null, true]}, \"c\": 2}"));
    slots[6] = leat_value_text(LEAT_NUMBER, LEAT_STR("99.950"));
    slots[7] = leat_value_timestamp_of_ms(1767225600123);
    slots[8] = (leat_value){.tag = LEAT_DURATION, .as.i = 90, .len = 500};
    slots[9] = leat_value_text(LEAT_BYTES, LEAT_STR("\xff\x00z"));
    slots[10] = leat_value_bool(true);
    slots[11] = LEAT_VALUE_NULL;
}

static void check_value(leat_value value, int depth)
{
    MUST(value.tag != LEAT_MISSING && value.tag != LEAT_ERROR && value.tag < LEAT_TAGS_COUNT);
    MUST(depth < DEPTH_MAX * 2);
    if (value.tag == LEAT_STRING) MUST(leat_str_utf8_valid(leat_value_str(value)));
    for (uint32_t i = 0; i < value.len && value.tag == LEAT_LIST; i++) {
        check_value(value.as.items[i], depth + 1);
    }
    for (uint32_t i = 0; i < value.len && value.tag == LEAT_MAP; i++) {
        check_value(value.as.entries[i].key, depth + 1);
        check_value(value.as.entries[i].value, depth + 1);
    }
}

/* Is the value of the type that the checker named? null may stand for some of them. */
static void check_type(const char *type, leat_value value)
{
    static const leat_tag tags[] = {LEAT_BOOL,   LEAT_INT,   LEAT_UINT,      LEAT_DOUBLE,
                                    LEAT_STRING, LEAT_BYTES, LEAT_TIMESTAMP, LEAT_DURATION};
    if (value.tag == LEAT_NULL) return;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (strcmp(type, leat_tag_name(tags[i])) == 0) MUST(value.tag == tags[i]);
    }
    if (strncmp(type, "list(", 5) == 0) MUST(value.tag == LEAT_LIST || value.tag == LEAT_JSON);
    if (strncmp(type, "map(", 4) == 0) MUST(value.tag == LEAT_MAP || value.tag == LEAT_JSON);
    if (strncmp(type, "optional_type(", 14) == 0) MUST(value.tag == LEAT_OPTIONAL);
}

/* The same, where a NaN is a NaN and what is opaque is not looked into. */
static bool same(leat_value a, leat_value b)
{
    if (a.tag != b.tag) return false;
    if (a.tag == LEAT_DOUBLE && isnan(a.as.d)) return isnan(b.as.d);
    if (a.tag == LEAT_OBJECT) return true;
    if (a.tag != LEAT_LIST && a.tag != LEAT_MAP && a.tag != LEAT_OPTIONAL) {
        return leat_value_same(a, b);
    }
    if (a.len != b.len) return false;
    for (uint32_t i = 0; i < a.len; i++) {
        bool equal = a.tag == LEAT_MAP ? same(a.as.entries[i].key, b.as.entries[i].key) &&
                                             same(a.as.entries[i].value, b.as.entries[i].value)
                                       : same(a.as.items[i], b.as.items[i]);
        if (!equal) return false;
    }
    return true;
}

static void check_result(const leat_expr *expr, const leat_eval *eval, leat_value value)
{
    leat_err err;
    leat_value again;
    leat_buf out;
    bool holds = false;
    check_value(value, 0);
    MUST(leat_expr_eval(expr, eval, &again, &err) == LEAT_OK && same(value, again));
    leat_code code = leat_expr_test(expr, eval, &holds, &err);
    MUST((code == LEAT_OK) == (value.tag == LEAT_BOOL));
    if (code == LEAT_OK) MUST(holds == value.as.b);
    if (holds) MUST(leat_expr_never(expr) == NULL);
    leat_buf_init(&out, ARENA_MAX);
    code = leat_json_write(value, eval->arena, &out, &err);
    MUST(code == LEAT_OK || err.text[0] != '\0'); /* NaN, for one, has no JSON */
    leat_buf_release(&out);
}

static bool compile(leat_str text, uint8_t flags, bool check, leat_arena *arena, leat_expr **expr)
{
    leat_err err;
    leat_scope scope = {.resolve = resolve,
                        .lenient = !check,
                        .unchecked = !check,
                        .aggregates = (flags & 1) != 0,
                        .indexes = (flags & 2) != 0,
                        .strict = (flags & 4) != 0,
                        .no_macros = (flags & 8) != 0};
    leat_code code = leat_expr_compile(text, &scope, arena, expr, &err);
    if (code == LEAT_OK) return true;
    MUST(err.code == code && err.text[0] != '\0' && err.offset <= text.len);
    return false;
}

static void run(leat_str text, uint8_t flags, leat_arena *plan, leat_arena *batch)
{
    leat_value slots[SLOTS];
    leat_expr *loose = NULL;
    leat_expr *strict = NULL;
    leat_value got;
    leat_value got_strict;
    leat_err err;
    fill(slots);
    leat_eval eval = {.slots = slots, .arena = batch, .cost_max = COST_MAX, .load = load};
    bool checked = compile(text, flags, true, plan, &strict);
    if (!compile(text, flags, false, plan, &loose)) {
        MUST(!checked);
        return;
    }
    leat_code code = leat_expr_eval(loose, &eval, &got, &err);
    if (code == LEAT_OK) {
        check_result(loose, &eval, got);
    } else {
        MUST(err.text[0] != '\0' && err.offset <= text.len);
    }
    if (!checked) return;
    leat_code code_strict = leat_expr_eval(strict, &eval, &got_strict, &err);
    if (code_strict != LEAT_OK || code != LEAT_OK) {
        /* The arena fills up, the limits apart from the same work are the same. */
        MUST(code_strict != LEAT_OK || code == LEAT_ERR_LIMIT);
        return;
    }
    MUST(same(got, got_strict));
    check_type(leat_expr_type_name(strict), got_strict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leat_arena *plan = NULL;
    leat_arena *batch = NULL;
    leat_err err;
    if (size < 1) return 0;
    MUST(leat_arena_new(&plan, 256u << 20, &err) == LEAT_OK);
    MUST(leat_arena_new(&batch, ARENA_MAX, &err) == LEAT_OK);
    run((leat_str){(const char *)data + 1, size - 1}, data[0], plan, batch);
    leat_arena_free(&batch);
    leat_arena_free(&plan);
    return 0;
}
