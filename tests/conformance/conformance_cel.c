/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the CEL conformance cases: conformance_cel [--level core,names] FILE.jsonl|FOLDER...
 *
 * A case is one line of JSON: an expression, values for its names, and what it must give; the form
 * is described beside the cases. It runs through the same calls as a pipeline's expressions: the
 * names are slots of a record. Cases of the specification are compiled with the checker unless they
 * say otherwise; random cases are compiled twice, with the checker for its verdict and its type,
 * and without it for the value. Prints what differs, and at the end how many passed and failed. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base64.h"
#include "core/number.h"
#include "core/time.h"
#include "schemas/codec_json.h"
#include "transforms/expr.h"

#define NAMES_MAX  64
#define ARENA_MAX  (256u << 20)
#define LINE_LIMIT ((leat_json_limits){128, 16u << 20})

static const char *levels; /* NULL: all */
static uint64_t passed, failed;

typedef struct named_value {
    leat_str name;
    const char *type;
} named_value;

typedef struct test_case {
    leat_value line; /* the MAP */
    leat_str id;
    leat_arena *arena;
    leat_scope scope;
    leat_str container;
    named_value names[NAMES_MAX];
    leat_value slots[NAMES_MAX];
    size_t names_count;
} test_case;

static const leat_value *member(leat_value map, const char *name)
{
    for (uint32_t i = 0; map.tag == LEAT_MAP && i < map.len; i++) {
        if (leat_str_is(leat_value_str(map.as.entries[i].key), name)) {
            return &map.as.entries[i].value;
        }
    }
    return NULL;
}

static leat_str member_text(leat_value map, const char *name)
{
    const leat_value *value = member(map, name);
    return value != NULL && value->tag == LEAT_STRING ? leat_value_str(*value) : LEAT_STR_NONE;
}

/* --- typed values ------------------------------------------------------------------------ */

static _Noreturn void broken(const test_case *test, const char *what)
{
    (void)fprintf(stderr, "%.*s: the case itself is broken: %s\n", LEAT_STR_ARG(test->id), what);
    exit(2);
}

static leat_value typed(const test_case *test, leat_value form);

static leat_value typed_number(const test_case *test, leat_str kind, leat_str text)
{
    if (leat_str_is(kind, "int")) {
        int64_t number = 0;
        if (leat_number_int(text, &number) != LEAT_NUMBER_OK) broken(test, "int");
        return leat_value_int(number);
    }
    if (leat_str_is(kind, "uint")) {
        uint64_t number = 0;
        if (leat_number_uint(text, &number) != LEAT_NUMBER_OK) broken(test, "uint");
        return leat_value_uint(number);
    }
    char copy[64];
    (void)snprintf(copy, sizeof copy, "%.*s", LEAT_STR_ARG(text));
    return leat_value_double(strtod(copy, NULL));
}

static leat_value typed_list(const test_case *test, leat_value list)
{
    leat_value *items = leat_arena_array(test->arena, list.len + 1, sizeof *items);
    for (uint32_t i = 0; i < list.len; i++)
        items[i] = typed(test, list.as.items[i]);
    return leat_value_list(items, list.len);
}

static leat_value typed_map(const test_case *test, leat_value list)
{
    leat_entry *entries = leat_arena_array(test->arena, list.len + 1, sizeof *entries);
    for (uint32_t i = 0; i < list.len; i++) {
        entries[i].key = typed(test, list.as.items[i].as.items[0]);
        entries[i].value = typed(test, list.as.items[i].as.items[1]);
    }
    return leat_value_map(entries, list.len);
}

static leat_value typed_bytes(const test_case *test, leat_str text)
{
    leat_buf out;
    leat_err err;
    leat_buf_init(&out, text.len + 1);
    if (leat_base64_decode(text, LEAT_BASE64_STANDARD, &out, &err) != LEAT_OK) {
        broken(test, err.text);
    }
    leat_str bytes = leat_arena_copy(test->arena, leat_buf_str(&out));
    leat_buf_release(&out);
    return leat_value_text(LEAT_BYTES, bytes);
}

static leat_value typed_time(const test_case *test, leat_str kind, leat_str text)
{
    leat_value value;
    leat_err err;
    leat_code code = leat_str_is(kind, "timestamp") ? leat_time_parse(text, &value, &err)
                                                    : leat_duration_parse(text, &value, &err);
    if (code != LEAT_OK) broken(test, err.text);
    return value;
}

static leat_value typed(const test_case *test, leat_value form)
{
    if (form.tag != LEAT_MAP || form.len != 1) broken(test, "a typed value has one member");
    leat_str kind = leat_value_str(form.as.entries[0].key);
    leat_value content = form.as.entries[0].value;
    if (leat_str_is(kind, "null") || leat_str_is(kind, "bool") || leat_str_is(kind, "string")) {
        return content;
    }
    if (leat_str_is(kind, "list")) return typed_list(test, content);
    if (leat_str_is(kind, "map")) return typed_map(test, content);
    if (leat_str_is(kind, "optional")) {
        leat_value *inner = leat_arena_array(test->arena, 1, sizeof *inner);
        if (content.tag == LEAT_NULL) return (leat_value){.tag = LEAT_OPTIONAL};
        *inner = typed(test, content);
        return (leat_value){.tag = LEAT_OPTIONAL, .len = 1, .as.items = inner};
    }
    leat_str text = leat_value_str(content);
    if (leat_str_is(kind, "bytes")) return typed_bytes(test, text);
    if (leat_str_is(kind, "type")) return leat_value_text(LEAT_TYPE, text);
    if (leat_str_is(kind, "timestamp") || leat_str_is(kind, "duration")) {
        return typed_time(test, kind, text);
    }
    return typed_number(test, kind, text);
}

static bool same(leat_value a, leat_value b)
{
    if (a.tag != b.tag) return false;
    if (a.tag == LEAT_DOUBLE && isnan(a.as.d) && isnan(b.as.d)) return true;
    if (a.tag == LEAT_LIST) {
        bool equal = a.len == b.len;
        for (uint32_t i = 0; equal && i < a.len; i++)
            equal = same(a.as.items[i], b.as.items[i]);
        return equal;
    }
    if (a.tag == LEAT_MAP) {
        bool equal = a.len == b.len;
        for (uint32_t i = 0; equal && i < a.len; i++) {
            equal = false;
            for (uint32_t j = 0; !equal && j < b.len; j++) {
                equal = same(a.as.entries[i].key, b.as.entries[j].key) &&
                        same(a.as.entries[i].value, b.as.entries[j].value);
            }
        }
        return equal;
    }
    return leat_value_same(a, b);
}

static void print_value(leat_value value, leat_arena *arena)
{
    leat_buf out;
    leat_err err;
    leat_buf_init(&out, 1 << 20);
    const char *type = leat_tag_name((leat_tag)value.tag);
    if (value.tag == LEAT_DOUBLE && !isfinite(value.as.d)) {
        (void)printf("%s %f", type, value.as.d);
    } else if (leat_json_write(value, arena, &out, &err) == LEAT_OK) {
        (void)printf("%s %.*s", type, LEAT_STR_ARG(leat_buf_str(&out)));
    } else {
        (void)printf("%s (%s)", type, err.text);
    }
    leat_buf_release(&out);
}

/* --- names ------------------------------------------------------------------------------- */

static void declare(test_case *test, leat_str name, const char *type, const leat_value *value)
{
    size_t at = 0;
    while (at < test->names_count && !leat_str_equal(test->names[at].name, name))
        at++;
    if (at == NAMES_MAX) broken(test, "too many names");
    if (at == test->names_count) {
        test->names[at] = (named_value){name, NULL};
        test->slots[at] = LEAT_VALUE_MISSING;
        test->names_count++;
    }
    if (type != NULL) test->names[at].type = type;
    if (value != NULL) test->slots[at] = *value;
}

static void declare_all(test_case *test)
{
    const leat_value *vars = member(test->line, "vars");
    const leat_value *bindings = member(test->line, "bindings");
    for (uint32_t i = 0; vars != NULL && i < vars->len; i++) {
        leat_str type = leat_arena_copy(test->arena, leat_value_str(vars->as.entries[i].value));
        declare(test, leat_value_str(vars->as.entries[i].key), type.data, NULL);
    }
    for (uint32_t i = 0; bindings != NULL && i < bindings->len; i++) {
        leat_value value = typed(test, bindings->as.entries[i].value);
        declare(test, leat_value_str(bindings->as.entries[i].key), NULL, &value);
    }
    if (member(test->line, "level") == NULL) {
        declare(test, LEAT_STR("opt"), NULL, NULL);
        declare(test, LEAT_STR("missing"), NULL, NULL);
    }
}

/* "prefix.a.b" of `count` names. */
static leat_str joined(const test_case *test, leat_str prefix, const leat_str *names, size_t count)
{
    leat_str text = prefix;
    for (size_t i = 0; i < count; i++) {
        text = leat_arena_print(test->arena, "%.*s%s%.*s", LEAT_STR_ARG(text),
                                text.len > 0 ? "." : "", LEAT_STR_ARG(names[i]));
    }
    return text;
}

static bool lookup(const test_case *test, leat_str prefix, const leat_str *names, size_t count,
                   leat_ref *ref)
{
    for (size_t used = count; used > 0; used--) {
        leat_str name = joined(test, prefix, names, used);
        for (size_t i = 0; i < test->names_count; i++) {
            if (!leat_str_equal(test->names[i].name, name)) continue;
            *ref = (leat_ref){.kind = LEAT_REF_SLOT,
                              .index = (uint32_t)i,
                              .used = used,
                              .type = test->names[i].type};
            return true;
        }
    }
    return false;
}

static leat_code resolve(leat_scope *scope, const leat_str *names, size_t count, bool absolute,
                         leat_ref *ref, leat_str *nearest, leat_err *err)
{
    const test_case *test =
        (const test_case *)(const void *)((const char *)scope - offsetof(test_case, scope));
    leat_str prefix = absolute ? LEAT_STR("") : test->container;
    (void)nearest;
    (void)err;
    for (;;) {
        if (lookup(test, prefix, names, count, ref)) return LEAT_OK;
        if (prefix.len == 0) return LEAT_OK;
        while (prefix.len > 0 && prefix.data[prefix.len - 1] != '.')
            prefix.len--;
        if (prefix.len > 0) prefix.len--;
    }
}

/* --- a case ------------------------------------------------------------------------------ */

static bool complain(const test_case *test, const char *what)
{
    leat_str text = member_text(test->line, "expr");
    (void)printf("%.*s: %s\n    %.*s\n", LEAT_STR_ARG(test->id), what, LEAT_STR_ARG(text));
    return false;
}

static leat_code compile(test_case *test, bool check, leat_expr **expr, leat_err *err)
{
    const leat_value *macros = member(test->line, "macros");
    test->scope = (leat_scope){.resolve = resolve,
                               .lenient = !check,
                               .unchecked = !check,
                               .strict = member(test->line, "level") == NULL,
                               .no_macros = macros != NULL && !macros->as.b};
    return leat_expr_compile(member_text(test->line, "expr"), &test->scope, test->arena, expr, err);
}

static bool right_type(const test_case *test, const leat_expr *expr, leat_str want)
{
    if (want.data == NULL || leat_str_is(want, leat_expr_type_name(expr))) return true;
    (void)printf("got type %s, want %.*s\n", leat_expr_type_name(expr), LEAT_STR_ARG(want));
    return complain(test, "wrong type");
}

/* Is what came out what the case expects? code tells whether anything did. */
static bool judge(const test_case *test, leat_code code, leat_value got, const leat_err *err)
{
    leat_value expect = *member(test->line, "expect");
    const leat_value *form = member(expect, "value");
    if (form == NULL) {
        if (code != LEAT_OK) return true;
        (void)printf("got ");
        print_value(got, test->arena);
        (void)printf(", want an error\n");
        return complain(test, "should have failed");
    }
    leat_value want = typed(test, *form);
    if (code == LEAT_OK && same(got, want)) return true;
    (void)printf("got ");
    if (code == LEAT_OK) {
        print_value(got, test->arena);
    } else {
        (void)printf("error: %s", err->text);
    }
    (void)printf(", want ");
    print_value(want, test->arena);
    (void)printf("\n");
    return complain(test, "wrong result");
}

static bool run_value(test_case *test, bool check)
{
    leat_err err = {.code = LEAT_OK};
    leat_expr *expr = NULL;
    leat_value got = LEAT_VALUE_NULL;
    const leat_value *eval_flag = member(test->line, "eval");
    leat_code code = compile(test, check, &expr, &err);
    if (code == LEAT_OK && check) {
        if (!right_type(test, expr, member_text(*member(test->line, "expect"), "type"))) {
            return false;
        }
    }
    if (eval_flag != NULL && !eval_flag->as.b) {
        return code == LEAT_OK ? true : complain(test, err.text);
    }
    leat_eval eval = {.slots = test->slots, .arena = test->arena};
    if (code == LEAT_OK) code = leat_expr_eval(expr, &eval, &got, &err);
    return judge(test, code, got, &err);
}

/* The checker's verdict on a random case; a bad pattern is found later than by a checker. */
static bool run_check(test_case *test, leat_str verdict)
{
    leat_err err = {.code = LEAT_OK};
    leat_expr *expr = NULL;
    leat_code code = compile(test, true, &expr, &err);
    bool pass = code == LEAT_OK || code == LEAT_ERR_INVALID;
    if (pass != leat_str_is(verdict, "pass")) {
        (void)printf("checker: %s\n", pass ? "accepts it" : err.text);
        return complain(test, "wrong verdict of the checker");
    }
    if (code != LEAT_OK) return true;
    return right_type(test, expr, member_text(test->line, "type"));
}

static bool run_case(test_case *test)
{
    declare_all(test);
    test->container = member_text(test->line, "container");
    if (test->container.data == NULL) test->container = LEAT_STR("");
    const leat_value *check = member(test->line, "check");
    if (check != NULL && check->tag == LEAT_STRING) {
        return run_check(test, leat_value_str(*check)) && run_value(test, false);
    }
    return run_value(test, check == NULL || check->as.b);
}

/* --- files ------------------------------------------------------------------------------- */

/* "ext.strings" is wanted by --level ext.strings and by --level ext. */
static bool level_wanted(leat_str level)
{
    const char *at = levels;
    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, ",");
        bool fits = len <= level.len && memcmp(at, level.data, len) == 0 &&
                    (len == level.len || level.data[len] == '.');
        if (fits) return true;
        at += len + (at[len] == ',' ? 1 : 0);
    }
    return levels == NULL;
}

static void run_line(leat_str line, const char *path)
{
    leat_arena *arena = NULL;
    leat_err err;
    test_case *test = calloc(1, sizeof *test);
    if (test == NULL || leat_arena_new(&arena, ARENA_MAX, &err) != LEAT_OK) exit(2);
    test->arena = arena;
    if (leat_json_value(line, LINE_LIMIT, arena, &test->line, &err) != LEAT_OK) {
        (void)fprintf(stderr, "%s: %s\n", path, err.text);
        exit(2);
    }
    test->id = member_text(test->line, "id");
    leat_str level = member_text(test->line, "level");
    if (level.data == NULL) {
        level = strstr(path, "_ext") != NULL ? LEAT_STR("ext.random") : LEAT_STR("core");
    }
    if (level_wanted(level)) {
        bool good = run_case(test);
        passed += good ? 1 : 0;
        failed += good ? 0 : 1;
    }
    leat_arena_free(&arena);
    free(test);
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *line = NULL;
    size_t size = 0;
    ssize_t len = 0;
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    while ((len = getline(&line, &size, file)) >= 0) {
        if (len > 1) run_line((leat_str){line, (size_t)len}, path);
    }
    free(line);
    (void)fclose(file);
}

static int is_case_file(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && strcmp(dot, ".jsonl") == 0;
}

static void run_path(const char *path)
{
    struct stat info;
    struct dirent **entries = NULL;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        run_file(path);
        return;
    }
    int count = scandir(path, &entries, is_case_file, alphasort);
    for (int i = 0; i < count; i++) {
        char name[4096];
        (void)snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        run_file(name);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--level") == 0) {
        levels = argv[2];
        first = 3;
    }
    if (first >= argc) {
        (void)fprintf(stderr, "usage: %s [--level LEVELS] FILE.jsonl|FOLDER...\n", argv[0]);
        return 2;
    }
    for (int i = first; i < argc; i++)
        run_path(argv[i]);
    (void)printf("%llu passed, %llu failed\n", (unsigned long long)passed,
                 (unsigned long long)failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
