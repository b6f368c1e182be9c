/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding into slots, and encoding by a layout. */
#include <criterion/criterion.h>
#include <math.h>

#include "core/path.h"
#include "schemas/codec_json.h"
#include "tests/unit/leak.h"

LEAT_SUITE(json);

#define ARENA_MAX  ((size_t)64 << 20)
#define SLOTS_MAX  16
#define LIMITS_BIG ((leat_json_limits){128, 64u << 20})

static leat_arena *make_arena(void)
{
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, ARENA_MAX, &err), LEAT_OK);
    return arena;
}

/* Slots 0, 1, ... from paths separated by spaces; a path with ! before it is exact. */
static leat_json_plan *make_plan(const char *paths, leat_json_limits limits, leat_arena *arena)
{
    leat_slot_request requests[SLOTS_MAX];
    leat_err err;
    size_t count = 0;
    for (const char *at = paths; *at != '\0'; count++) {
        size_t len = strcspn(at, " ");
        leat_slot_request *request = &requests[count];
        *request = (leat_slot_request){.slot = (uint32_t)count, .exact = *at == '!'};
        leat_str text = {at + request->exact, len - request->exact};
        cr_assert_eq(leat_path_parse(text, arena, &request->path, &err), LEAT_OK, "%s", err.text);
        at += len;
        while (*at == ' ') {
            at++;
        }
    }
    leat_json_plan *plan = NULL;
    cr_assert_eq(leat_json_plan_new(requests, count, limits, arena, &plan, &err), LEAT_OK);
    return plan;
}

/* "int 5; string x; missing": the slots as text. */
static void print_slots(const leat_value *slots, size_t count, leat_arena *arena, leat_buf *out)
{
    static const char *const tags[LEAT_TAGS_COUNT] = {
        [LEAT_MISSING] = "missing", [LEAT_NULL] = "null",     [LEAT_BOOL] = "bool",
        [LEAT_INT] = "int",         [LEAT_DOUBLE] = "double", [LEAT_STRING] = "string",
        [LEAT_NUMBER] = "number",   [LEAT_JSON] = "json",
    };
    leat_err err;
    for (size_t i = 0; i < count; i++) {
        leat_value value = slots[i];
        leat_buf_add_format(out, "%s%s", i > 0 ? "; " : "", tags[value.tag]);
        if (value.tag == LEAT_STRING && (value.flags & LEAT_VALUE_PLAIN))
            leat_buf_add_char(out, '*');
        if (value.tag <= LEAT_NULL) continue;
        leat_buf_add_char(out, ' ');
        cr_assert_eq(leat_json_write(value, arena, out, &err), LEAT_OK);
    }
    leat_buf_add_char(out, '\0');
}

Test(json, decodes)
{
    static const struct {
        const char *paths, *text, *want;
        const char *raw; /* NULL: as text */
    } cases[] = {
        {"a", "{\"a\":1}", "int 1", NULL},
        {"a b", " { \"b\" : \"x\" ,\n\t\"a\" : -12 } ", "int -12; string* \"x\"", NULL},
        {"a b c", "{}", "missing; missing; missing", NULL},
        {"a b c d", "{\"a\":null,\"b\":true,\"c\":false,\"d\":\"\"}",
         "null; bool true; bool false; string* \"\"", NULL},
        {"a", "{\"a\":2.5}", "double 2.5", NULL},
        {"!a", "{\"a\":2.50}", "number 2.50", NULL},
        {"!a", "{\"a\":250}", "int 250", NULL},
        {"!a a", "{\"a\":-0}", "number -0; int 0", NULL},
        {"a", "{\"a\":-0.0}", "double -0.0", NULL},
        {"a b", "{\"a\":9223372036854775807,\"b\":-9223372036854775808}",
         "int 9223372036854775807; int -9223372036854775808", NULL},
        {"a b", "{\"a\":9223372036854775808,\"b\":-9223372036854775809}",
         "number 9223372036854775808; number -9223372036854775809", NULL},
        {"a", "{\"a\":100000000000000000000000000}", "number 100000000000000000000000000", NULL},
        {"a b", "{\"a\":1e999,\"b\":-1E+999}", "number 1e999; number -1E+999", NULL},
        {"a b c", "{\"a\":1e2,\"b\":1E-2,\"c\":123456789012345678901234567890.5}",
         "double 100.0; double 0.01; double 1.2345678901234568e+29", NULL},
        {"a", "{\"a\":0.1234567890123456789012345}", "double 0.12345678901234568", NULL},
        {"a", "{\"a\":1e-999}", "double 0.0", NULL},
        {"a", "{\"a\":[1,{\"b\":[]}]}", "json [1,{\"b\":[]}]", NULL},
        {"a a.b a.b.c", "{\"a\":{\"x\":1,\"b\":{\"c\":7}}}",
         "json {\"x\":1,\"b\":{\"c\":7}}; json {\"c\":7}; int 7", NULL},
        {"a.b", "{\"a\":5}", "missing", NULL},
        {"a.b", "{\"a\":[{\"b\":1}]}", "missing", NULL},
        {"'a.b' a.b", "{\"a.b\":1,\"a\":{\"b\":2}}", "int 1; int 2", NULL},
        {"a", "{\"a\":\"\\u0041\\n\\\"\\\\\\/\\b\\f\\r\\t\"}",
         "string \"A\\n\\\"\\\\/\\b\\f\\r\\t\"", NULL},
        {"a", "{\"a\":\"\\ud83d\\ude00 \\u20ac \\u00e9 \\u0000\"}",
         "string \"\xf0\x9f\x98\x80 \xe2\x82\xac \xc3\xa9 \\u0000\"", NULL},
        {"a", "{\"a\":\"gr\xc3\xb6\xc3\x9f\x65 \xf0\x9f\x98\x80\"}",
         "string* \"gr\xc3\xb6\xc3\x9f\x65 \xf0\x9f\x98\x80\"", NULL},
        {"a", "{\"\\u0061\":1}", "int 1", NULL},
        {"a b", "{\"a\":1,\"b\":2,\"a\":3}", "int 3; int 2", "{\"b\":2,\"a\":3}"},
        {"b", "{\"a\":1,\"a\":2,\"b\":3,\"a\":4}", "int 3", "{\"b\":3,\"a\":4}"},
        {"a", "{\"a\":1,\"\\u0061\":2}", "int 2", "{\"\\u0061\":2}"},
        {"a", "{\"\\u0061\":1,\"a\":2}", "int 2", "{\"a\":2}"},
        {"b", "{\"\\u0022\":1,\"\\\"\":2}", "missing", "{\"\\\"\":2}"},
        {"a", "{\"a\":{\"x\":1},\"a\":7}", "int 7", "{\"a\":7}"},
        {"a.x", "{\"a\":{\"x\":1},\"a\":7}", "missing", "{\"a\":7}"},
        {"a.x a", "{\"a\":{\"x\":1,\"x\":2}}", "int 2; json {\"x\":2}", "{\"a\":{\"x\":2}}"},
        {"q", "{\"a\":[{\"x\":1 , \"y\":0,\"x\":2}]}", "missing", "{\"a\":[{\"y\":0,\"x\":2}]}"},
        {"q", "{\"a\":{\"x\":1,\"x\":2},\"b\":[],\"a\":{\"y\":{\"z\":1,\"z\":{}}}}", "missing",
         "{\"b\":[],\"a\":{\"y\":{\"z\":{}}}}"},
        {"q", "{\"a\":{\"x\":1},\"b\":{\"x\":1}}", "missing", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        leat_arena *arena = make_arena();
        leat_json_plan *plan = make_plan(cases[i].paths, LEAT_JSON_LIMITS_DEFAULT, arena);
        leat_json_decoder *decoder = leat_json_decoder_new(plan);
        size_t count = 1;
        for (const char *c = cases[i].paths; *c != '\0'; c++) {
            count += *c == ' ';
        }
        for (int round = 0; round < 3; round++) { /* unlearned, learned, again */
            leat_value slots[SLOTS_MAX];
            leat_err err;
            leat_str raw;
            leat_buf out;
            leat_buf_init(&out, 65536);
            leat_str text = leat_str_of(cases[i].text);
            cr_assert_eq(leat_json_decode(decoder, text, arena, slots, &raw, &err), LEAT_OK,
                         "%s: %s", cases[i].text, err.text);
            print_slots(slots, count, arena, &out);
            cr_assert_str_eq(out.data, cases[i].want, "%s (round %d): %s", cases[i].text, round,
                             out.data);
            const char *want = cases[i].raw != NULL ? cases[i].raw : cases[i].text;
            cr_assert(leat_str_is(raw, want), "%s: raw is %.*s", cases[i].text, LEAT_STR_ARG(raw));
            leat_buf_release(&out);
        }
        leat_json_decoder_free(&decoder);
        leat_arena_free(&arena);
    }
}

Test(json, refuses)
{
    static const struct {
        const char *text;
        leat_code code;
        uint32_t offset;
        const char *words; /* part of the message */
    } cases[] = {
        {"", LEAT_ERR_SYNTAX, 0, "expected a value, but the text ends"},
        {"  ", LEAT_ERR_SYNTAX, 2, "the text ends"},
        {"[1]", LEAT_ERR_TYPE, 0, "no object"},
        {" 5", LEAT_ERR_TYPE, 1, "no object"},
        {"[1", LEAT_ERR_SYNTAX, 2, "',' or ']'"},
        {"{", LEAT_ERR_SYNTAX, 1, "a key in quotes"},
        {"{\"a\"", LEAT_ERR_SYNTAX, 4, "':'"},
        {"{\"a\":", LEAT_ERR_SYNTAX, 5, "a value"},
        {"{\"a\":1", LEAT_ERR_SYNTAX, 6, "',' or '}'"},
        {"{\"a\":1,", LEAT_ERR_SYNTAX, 7, "a key in quotes"},
        {"{\"a\":1,}", LEAT_ERR_SYNTAX, 7, "found '}'"},
        {"{\"a\":1}}", LEAT_ERR_SYNTAX, 7, "the end of the record"},
        {"{\"a\":01}", LEAT_ERR_SYNTAX, 5, "begin with 0"},
        {"{\"a\":-}", LEAT_ERR_SYNTAX, 6, "a digit"},
        {"{\"a\":1.}", LEAT_ERR_SYNTAX, 7, "after the point"},
        {"{\"a\":1e}", LEAT_ERR_SYNTAX, 7, "exponent"},
        {"{\"a\":+1}", LEAT_ERR_SYNTAX, 5, "a value"},
        {"{\"a\":nul}", LEAT_ERR_SYNTAX, 5, "a value"},
        {"{\"a\":\"x}", LEAT_ERR_SYNTAX, 8, "'\"'"},
        {"{\"a\":\"\\x\"}", LEAT_ERR_SYNTAX, 7, "after a backslash"},
        {"{\"a\":\"\\u12g4\"}", LEAT_ERR_SYNTAX, 6, "four hex digits"},
        {"{\"a\":\"\\ud800\"}", LEAT_ERR_SYNTAX, 6, "half of a surrogate pair"},
        {"{\"a\":\"\\ud800\\u0041\"}", LEAT_ERR_SYNTAX, 6, "half of a surrogate pair"},
        {"{\"a\":\"\\udc00\"}", LEAT_ERR_SYNTAX, 6, "half of a surrogate pair"},
        {"{\"a\":\"\x01\"}", LEAT_ERR_SYNTAX, 6, "control character 0x01"},
        {"{\"a\":\"\xff\"}", LEAT_ERR_SYNTAX, 6, "no valid UTF-8"},
        {"{\"a\":\"\xc0\x80\"}", LEAT_ERR_SYNTAX, 6, "no valid UTF-8"},
        {"{\"a\":\"\xed\xa0\x80\"}", LEAT_ERR_SYNTAX, 6, "no valid UTF-8"},
        {"{\"a\":\"\xf4\x90\x80\x80\"}", LEAT_ERR_SYNTAX, 6, "no valid UTF-8"},
        {"{\"a\":\"\xe2\x82\"}", LEAT_ERR_SYNTAX, 6, "no valid UTF-8"},
        {"{\"\xff\":1}", LEAT_ERR_SYNTAX, 2, "no valid UTF-8"},
        {"{\"a\":[[[[[1]]]]]}", LEAT_ERR_LIMIT, 8, "deeper than 4 levels"},
        {"{\"a\":{\"b\":{\"c\":{\"d\":{}}}}}", LEAT_ERR_LIMIT, 20, "deeper than 4 levels"},
        {"\xef\xbb\xbf{}", LEAT_ERR_SYNTAX, 0, "byte order mark"},
    };
    leat_arena *arena = make_arena();
    leat_json_plan *plan = make_plan("a a.b.c.d", (leat_json_limits){4, 100}, arena);
    leat_json_plan *blind = make_plan("q", (leat_json_limits){4, 100}, arena);
    leat_json_decoder *decoders[] = {leat_json_decoder_new(plan), leat_json_decoder_new(blind)};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        size_t at = i / 2;
        leat_value slots[SLOTS_MAX];
        leat_err err;
        leat_str raw;
        leat_str text = leat_str_of(cases[at].text);
        leat_code code = leat_json_decode(decoders[i % 2], text, arena, slots, &raw, &err);
        cr_assert_eq(code, cases[at].code, "%s", cases[at].text);
        cr_assert_eq(err.offset, cases[at].offset, "%s: %s", cases[at].text, err.text);
        cr_assert_not_null(strstr(err.text, cases[at].words), "%s: %s", cases[at].text, err.text);
    }
    leat_err err;
    cr_assert_eq(leat_json_validate(leat_str_of("\"12345678\""), (leat_json_limits){4, 9}, &err),
                 LEAT_ERR_LIMIT);
    leat_json_decoder_free(&decoders[0]);
    leat_json_decoder_free(&decoders[1]);
    leat_arena_free(&arena);
}

/* The learned order must never matter. */
Test(json, shapes_only_predict)
{
    static const char *const texts[] = {
        "{\"a\":1,\"b\":2,\"c\":3}",
        "{\"c\":3,\"b\":2,\"a\":1}",
        "{\"a\":1,\"c\":3,\"b\":2}",
        "{\"b\":2,\"x\":[],\"c\":3,\"a\":1}",
        "{\"a\" :1,\"b\": 2,\"c\":\t3}",
        "{\"a\":9,\"b\":2,\"c\":3,\"a\":1}",
        "{\"c\":9,\"a\":1,\"b\":2,\"c\":3}",
        "{\"longer than sixteen bytes, this key\":0,\"a\":1,\"b\":2,\"c\":3}",
        "{\"longer than sixteen bytes, that key\":0,\"a\":1,\"b\":2,\"c\":3}",
        "{\"longer than sixteen bytes, this key\":0,\"a\":1,\"b\":2,\"c\":3}",
        "{\"aa\":0,\"a\":1,\"b\":2,\"bb\":0,\"c\":3}",
    };
    leat_arena *arena = make_arena();
    leat_json_decoder *decoder =
        leat_json_decoder_new(make_plan("a b c", LEAT_JSON_LIMITS_DEFAULT, arena));
    uint64_t random = 1;
    for (int i = 0; i < 2000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        leat_str text = leat_str_of(texts[(random >> 33) % (sizeof texts / sizeof texts[0])]);
        leat_value slots[3];
        leat_err err;
        leat_str raw;
        cr_assert_eq(leat_json_decode(decoder, text, arena, slots, &raw, &err), LEAT_OK);
        for (int j = 0; j < 3; j++) {
            cr_assert_eq(slots[j].tag, LEAT_INT);
            cr_assert_eq(slots[j].as.i, j + 1, "%.*s", LEAT_STR_ARG(text));
        }
    }
    leat_json_decoder_free(&decoder);
    leat_arena_free(&arena);
}

/* Many keys, known and unknown, with and without a duplicate, in one object and in nested ones. */
Test(json, large_objects)
{
    leat_arena *arena = make_arena();
    leat_json_decoder *decoder = leat_json_decoder_new(make_plan("k7 in.k7", LIMITS_BIG, arena));
    for (int round = 0; round < 4; round++) {
        int count = round < 2 ? 100 : 100000;
        bool twice = round % 2 == 1;
        leat_buf text;
        leat_buf_init(&text, 64u << 20);
        leat_buf_add_char(&text, '{');
        for (int nested = 0; nested < 3; nested++) {
            static const char *const open[] = {"", "\"in\":{", "\"out\":[{"};
            leat_buf_add_text(&text, open[nested]);
            for (int i = 0; i < count; i++) {
                leat_buf_add_format(&text, "\"k%d\":%d%s", i, i, i + 1 < count ? "," : "");
            }
            if (twice) leat_buf_add_text(&text, ",\"k7\":-7");
            static const char *const close[] = {",", "},", "}]}"};
            leat_buf_add_text(&text, close[nested]);
        }
        leat_value slots[2];
        leat_err err;
        leat_str raw;
        cr_assert_eq(leat_json_decode(decoder, leat_buf_str(&text), arena, slots, &raw, &err),
                     LEAT_OK, "%s", err.text);
        cr_assert_eq(slots[0].as.i, twice ? -7 : 7);
        cr_assert_eq(slots[1].as.i, twice ? -7 : 7);
        cr_assert_eq(raw.len, text.len - (twice ? 3 * strlen("\"k7\":7,") : 0));
        leat_value value;
        cr_assert_eq(leat_json_value(leat_buf_str(&text), LIMITS_BIG, arena, &value, &err), LEAT_OK,
                     "%s", err.text);
        cr_assert_eq(value.len, (uint32_t)count + 2);
        leat_buf_release(&text);
    }
    leat_json_decoder_free(&decoder);
    leat_arena_free(&arena);
}

Test(json, deep_text_ends_at_the_limit)
{
    static const char *const units[] = {"[", "{\"a\":", "[{\"a\":"};
    leat_arena *arena = make_arena();
    for (size_t i = 0; i < 3; i++) {
        leat_buf text;
        leat_buf_init(&text, 4u << 20);
        while (text.len < (1u << 20)) {
            leat_buf_add_text(&text, units[i]);
        }
        leat_json_limits limits = {UINT32_MAX, UINT32_MAX};
        leat_json_decoder *decoder = leat_json_decoder_new(make_plan("b", limits, arena));
        leat_err err;
        leat_value value;
        leat_str raw;
        leat_str all = leat_buf_str(&text);
        cr_assert_eq(leat_json_validate(all, limits, &err), LEAT_ERR_LIMIT);
        cr_assert_eq(leat_json_value(all, limits, arena, &value, &err), LEAT_ERR_LIMIT);
        cr_assert_eq(leat_json_decode(decoder, all, arena, &value, &raw, &err), LEAT_ERR_LIMIT);
        leat_json_decoder_free(&decoder);
        leat_buf_release(&text);
    }
    leat_arena_free(&arena);
}

/* The limits are of what the caller gave: depth 3 holds three containers, not four. */
Test(json, depth_is_exact)
{
    leat_err err;
    leat_json_limits limits = {3, 100};
    cr_assert_eq(leat_json_validate(leat_str_of("[{\"a\":[1]}]"), limits, &err), LEAT_OK);
    cr_assert_eq(leat_json_validate(leat_str_of("[{\"a\":[[]]}]"), limits, &err), LEAT_ERR_LIMIT);
    leat_arena *arena = make_arena();
    leat_value value;
    cr_assert_eq(leat_json_value(leat_str_of("[[[]]]"), limits, arena, &value, &err), LEAT_OK);
    cr_assert_eq(leat_json_value(leat_str_of("[[[[]]]]"), limits, arena, &value, &err),
                 LEAT_ERR_LIMIT);
    leat_arena_free(&arena);
}

/* LEAT_OK, or the error that the missing memory became. */
static leat_code decode_much(leat_json_decoder *decoder)
{
    leat_err err;
    leat_arena *arena = NULL;
    leat_buf text;
    if (leat_arena_new(&arena, ARENA_MAX, &err) != LEAT_OK) return err.code;
    leat_buf_init(&text, 65536);
    leat_buf_add_char(&text, '{');
    for (int i = 0; i < 400; i++) {
        leat_buf_add_format(&text, "\"key \\u00%d\":[1],", 10 + i);
    }
    leat_buf_add_text(&text, "\"b\":\"\\n\"}");
    leat_value value;
    leat_str raw;
    leat_code code = text.overflow ? LEAT_ERR_MEMORY : LEAT_OK;
    if (code == LEAT_OK) {
        code = leat_json_decode(decoder, leat_buf_str(&text), arena, &value, &raw, &err);
    }
    if (code == LEAT_OK) {
        code = leat_json_value(leat_buf_str(&text), LIMITS_BIG, arena, &value, &err);
    }
    leat_buf_release(&text);
    leat_arena_free(&arena);
    return code;
}

Test(json, survives_failing_memory)
{
    leat_arena *arena = make_arena();
    leat_json_plan *plan = make_plan("b", LIMITS_BIG, arena);
    leat_code code = LEAT_ERR_MEMORY;
    uint64_t nth = 1;
    for (; code != LEAT_OK; nth++) {
        uint64_t live = leat_mem_live();
        leat_json_decoder *decoder = leat_json_decoder_new(plan); /* small and fixed: cannot fail */
        leat_mem_fail_at(nth, true);
        code = decode_much(decoder);
        leat_mem_fail_at(0, false);
        leat_json_decoder_free(&decoder);
        cr_assert_eq(leat_mem_live(), live, "allocation %llu failing", (unsigned long long)nth);
        cr_assert(code == LEAT_OK || code == LEAT_ERR_MEMORY || code == LEAT_ERR_LIMIT);
        cr_assert_lt(nth, 10000);
    }
    cr_assert_gt(nth, 5); /* something did fail */
    leat_arena_free(&arena);
}

/* What an arena cannot hold is an error, wherever it happens. */
Test(json, survives_full_arenas)
{
    static const char text[] = "{\"a\":\"x\\n\",\"a\":[1,2,{\"b\":\"y\\n\"}],\"\\u0063\":1}";
    leat_arena *plan_arena = make_arena();
    leat_json_decoder *decoder =
        leat_json_decoder_new(make_plan("a b", LEAT_JSON_LIMITS_DEFAULT, plan_arena));
    size_t refused = 0, accepted = 0;
    for (size_t bytes = 0; bytes < 2048; bytes += 16) {
        leat_arena *arena = NULL;
        leat_err err;
        leat_value slots[2];
        leat_str raw;
        cr_assert_eq(leat_arena_new(&arena, bytes, &err), LEAT_OK);
        leat_code code = leat_json_decode(decoder, leat_str_of(text), arena, slots, &raw, &err);
        if (code == LEAT_OK) {
            code = leat_json_value(raw, LEAT_JSON_LIMITS_DEFAULT, arena, slots, &err);
        }
        cr_assert(code == LEAT_OK || code == LEAT_ERR_LIMIT, "%s", err.text);
        refused += code != LEAT_OK;
        accepted += code == LEAT_OK;
        leat_arena_free(&arena);
    }
    cr_assert(refused > 0 && accepted > 0);
    leat_json_decoder_free(&decoder);
    leat_arena_free(&plan_arena);
}
