/* SPDX-License-Identifier: Apache-2.0 */
/* script: what goes in and comes out, errors with their lines, and the walls of the sandbox. */
#include "tests/unit/leak.h"
#include "tests/unit/steps_harness.h"

LEAT_SUITE(op_script);

/* The case's `steps` is the script. */
static void run_script(const step_case *c, const char *more)
{
    test_bed bed;
    leat_buf steps;
    char text[8192];
    leat_buf_init(&steps, 4096);
    leat_buf_add_text(&steps, "[{\"script\":{\"code\":\"");
    for (const char *at = c->steps; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') leat_buf_add_char(&steps, '\\');
        if (*at == '\n')
            leat_buf_add_text(&steps, "\\n");
        else
            leat_buf_add_char(&steps, *at);
    }
    leat_buf_add_format(&steps, "\"%s}}]", more);
    leat_buf_add_char(&steps, '\0');
    (void)snprintf(text, sizeof text, STEPS_PIPELINE, steps.data);
    bed_open(&bed, text);
    bed_send(&bed, c->input);
    leat_buf_add_char(&bed.out, '\0');
    cr_expect_str_eq(bed.out.data, c->want, "%s:\ngot  %swant %s", c->name, bed.out.data, c->want);
    bed_close(&bed);
    leat_buf_release(&steps);
}

#define P(body) "function process(event, meta)\n" body "\nend"
#define DEAD(record, why)                                                                          \
    "dead: " record " leat.step=streams.t.steps[0].script leat.error=" why "\n"

static const step_case cases[] = {
    {"as it came", P("return event"),
     "{\"b\":1,\"a\":{\"z\":[],\"y\":{},\"x\":null},\"c\":[1,[2.5],\"\\u00e9\\n\"]}",
     "out: {\"b\":1,\"a\":{\"z\":[],\"y\":{},\"x\":null},\"c\":[1,[2.5],\"\xc3\xa9\\n\"]}\n"},
    {"integers have 64 bits", P("event.n = event.n + 1 return event"),
     "{\"n\":9007199254740993,\"m\":-9223372036854775808}",
     "out: {\"n\":9007199254740994,\"m\":-9223372036854775808}\n"},
    {"doubles stay doubles", P("event.n = event.n * 2 return event"), "{\"n\":5.0}",
     "out: {\"n\":10.0}\n"},
    {"beyond 64 bits", P("event.t = tostring(event.n) return event"),
     "{\"n\":123456789012345678901}",
     "out: {\"n\":123456789012345678901,\"t\":\"123456789012345678901\"}\n"},
    {"new fields by name, behind the others",
     P("event.z = 1 event.y = {q = 1, p = 2} event.a = nil event.c = 3 return event"),
     "{\"b\":0,\"a\":1,\"c\":2}", "out: {\"b\":0,\"c\":3,\"y\":{\"p\":2,\"q\":1},\"z\":1}\n"},
    {"an object of its own", P("return {sum = event.a + event.b, list = {1, 2}, none = null}"),
     "{\"a\":1,\"b\":2}", "out: {\"list\":[1,2],\"none\":null,\"sum\":3}\n"},
    {"nil: no record", P("return nil"), "{}", ""},
    {"a list: a record each", P("return {{n = 1}, {n = 2}, event}"), "{\"e\":0}",
     "out: {\"n\":1}\nout: {\"n\":2}\nout: {\"e\":0}\n"},
    {"a list of none", P("return array({})"), "{}", ""},
    {"an empty object", P("return {}"), "{\"a\":1}", "out: {}\n"},
    {"empty lists", P("return {a = array({}), b = {}, c = event.l}"), "{\"l\":[]}",
     "out: {\"a\":[],\"b\":{},\"c\":[]}\n"},
    {"null and nil", P("event.n = event.a == null event.m = event.x == nil return event"),
     "{\"a\":null}", "out: {\"a\":null,\"m\":true,\"n\":true}\n"},
    {"meta",
     P("return {k = meta.key, t = meta.topic, p = meta.partition, o = meta.offset, at = "
       "meta.timestamp, h = meta.headers}"),
     "{}", "out: {\"at\":1,\"h\":{},\"k\":\"k\",\"o\":1,\"p\":0,\"t\":\"in\"}\n"},
    {"pairs in order",
     P("local s = '' for k, v in pairs({c = 1, a = 2, [2] = 'y', [1] = 'x', b = 3}) do s = s .. k "
       ".. v .. ' ' end return {s = s}"),
     "{}", "out: {\"s\":\"1x 2y a2 b3 c1 \"}\n"},
    {"next in order",
     P("local t = {b = 1, a = 2} local k = next(t) return {k, n = nil} and {k = k, l = next(t, k), "
       "e = next(t, 'b') == nil, f = next({}) == nil}"),
     "{}", "out: {\"e\":true,\"f\":true,\"k\":\"a\",\"l\":\"b\"}\n"},
    {"libraries",
     P("return {s = ('ab'):upper() .. string.format('%03d', 7), t = table.concat({1, 2}, '-'), m = "
       "math.floor(2.5), u = utf8.len('\xc3\xa9')}"),
     "{}", "out: {\"m\":2,\"s\":\"AB007\",\"t\":\"1-2\",\"u\":1}\n"},
    {"file-level helpers", "local f = function(x) return x * 2 end\n" P("return {n = f(event.n)}"),
     "{\"n\":4}", "out: {\"n\":8}\n"},
    /* errors */
    {"an error with its line", P("local x = event.a.b.c\nreturn event"), "{\"a\":1}",
     DEAD("{\"a\":1}", "script:2: attempt to index a number value (field 'a')")},
    {"an error of its own", P("error('no good')"), "{}", DEAD("{}", "script:2: no good")},
    {"an error that is no text", P("error({})"), "{}", DEAD("{}", "the error is no text")},
    {"no record", P("return 5"), "{}",
     DEAD("{}", "process must return an object, a list of objects, or nil, not a number")},
    {"a list of others", P("return {1, 2}"), "{}",
     DEAD("{}", "process must return an object, a list of objects, or nil, not a number")},
    {"none of a list that fails", P("return {{n = 1}, {n = function() end}}"), "{}",
     DEAD("{}", "a function is no value of JSON")},
    {"not a number", P("return {n = 0 / 0}"), "{}",
     DEAD("{}", "JSON has no form for infinity and NaN")},
    {"not UTF-8", P("return {s = '\\xff'}"), "{}", DEAD("{}", "a text is not valid UTF-8")},
    {"holes", P("return {l = {1, nil, 3}}"), "{}",
     DEAD("{}", "a list has holes or keys that are no numbers")},
    {"mixed", P("return {l = {1, a = 2}}"), "{}",
     DEAD("{}", "a list has holes or keys that are no numbers")},
    {"number keys", P("return {l = {[5] = 1}}"), "{}",
     DEAD("{}", "a table with keys that are no texts is no object, and no list")},
    {"a circle", P("event.e = event return event"), "{}",
     DEAD("{}", "the result is nested more than 200 deep, or holds itself")},
    /* walls */
    {"no files",
     P("return {a = io == nil, b = os == nil, c = package == nil, d = debug == nil, e = require == "
       "nil, f = load == nil, g = dofile == nil, h = loadstring == nil, i = collectgarbage == nil, "
       "j = coroutine == nil, k = string.dump == nil, l = math.random == nil, m = rawset == nil, n "
       "= table.move == nil, o = print == nil}"),
     "{}",
     "out: "
     "{\"a\":true,\"b\":true,\"c\":true,\"d\":true,\"e\":true,\"f\":true,\"g\":true,\"h\":true,"
     "\"i\":true,\"j\":true,\"k\":true,\"l\":true,\"m\":true,\"n\":true,\"o\":true}\n"},
    {"libraries stay", P("string.x = 1"), "{}",
     DEAD("{}", "script:2: the libraries cannot be changed")},
    {"metatables stay", P("return {s = getmetatable('') , l = getmetatable(event.l)}"),
     "{\"l\":[]}", "out: {\"l\":false,\"s\":false}\n"},
    {"no finalizers", P("setmetatable({}, {__gc = function() end})"), "{}",
     DEAD("{}", "script:2: setmetatable: __gc is not for scripts")},
    {"no addresses", P("return {t = tostring({}), f = tostring(print)}"), "{}",
     "out: {\"f\":\"nil\",\"t\":\"table\"}\n"},
    {"no addresses by format", P("return {t = string.format('%s', {})}"), "{}",
     DEAD("{}", "script:2: string.format: a table has no text")},
    {"no addresses by %p", P("return {t = string.format('%-5p', 'x')}"), "{}",
     DEAD("{}", "script:2: string.format: %p is not for scripts")},
    {"no end", P("while true do end"), "{}", DEAD("{}", "script:2: more than 20000 instructions")},
    {"no end in pcall", P("while true do pcall(function() while true do end end) end"), "{}",
     DEAD("{}", "script:2: more than 20000 instructions")},
    {"no end in a comparison",
     P("local t = setmetatable({}, {__index = function(t, k) while true do end end}) return t.x"),
     "{}", DEAD("{}", "script:2: more than 20000 instructions")},
    {"nothing, very often", P("return {s = string.rep('', 1 << 60)}"), "{}",
     DEAD("{}", "script:2: more than 20000 instructions")},
    {"a pattern that never ends", P("return {s = (('a'):rep(1000)):find(('.-'):rep(30) .. 'b')}"),
     "{}", DEAD("{}", "script:2: more than 20000 instructions")},
    {"nor in pcall",
     P("while true do pcall(string.gsub, ('a'):rep(1000), ('.-'):rep(30) .. 'b', '') end"), "{}",
     DEAD("{}", "script:2: more than 20000 instructions")},
    {"nor in gmatch", P("for a in (('a'):rep(1000)):gmatch(('a*'):rep(30) .. 'b') do end"), "{}",
     DEAD("{}", "script:2: more than 20000 instructions")},
    {"balanced, from every place", P("return {s = (('('):rep(10000)):match('%b()')}"), "{}",
     DEAD("{}", "script:2: more than 20000 instructions")},
    {"a length that is none",
     P("table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 'x')"), "{}",
     DEAD("{}", "script:2: more than 20000 instructions")},
    {"nothing, put together",
     P("table.concat(setmetatable({}, {__index = table.concat}), '', 1, 1 << 60)"), "{}",
     DEAD("{}", "script:2: more than 20000 instructions")},
    {"a list that is shifted",
     P("local t = {} for i = 1, 1000 do t[i] = i end for i = 1, 1000 do table.remove(t, 1) end"),
     "{}", DEAD("{}", "script:2: more than 20000 instructions")},
    {"keys in order, over and over",
     P("local t = {} for i = 1, 500 do t[i] = i end for i = 1, 50 do next(t) end"), "{}",
     DEAD("{}", "script:2: more than 20000 instructions")},
    {"long texts", P("local s = ('x'):rep(100000) for i = 1, 1000 do local t = s .. i end"), "{}",
     DEAD("{}", "script:2: more than 20000 instructions")},
    {"upper case", P("local s = ('x'):rep(100000) for i = 1, 100 do s:byte(1) end"), "{}",
     DEAD("{}", "script:2: more than 20000 instructions")},
    {"patterns",
     P("local a, b, c, d = ('  key = value  '):find('(%w+)%s*=%s*(%w+)') local g = {} for k, v in "
       "('a=1, b=2'):gmatch('(%w+)=(%w+)') do g[k] = v end return {a = a, b = b, c = c, d = d, g = "
       "g, s = ('hello world'):gsub('o', '0'), m = ('2026-11-21'):match('^(%d+)-()'), f = ('THE "
       "(quick) fox'):find('%f[%a]%a+%f[%A]'), r = ('$name!'):gsub('%$(%w+)', {name = 'x'})}"),
     "{}",
     "out: {\"a\":3,\"b\":13,\"c\":\"key\",\"d\":\"value\",\"f\":1,\"g\":{\"a\":\"1\",\"b\":\"2\"},"
     "\"m\":\"2026\",\"r\":\"x!\",\"s\":\"hell0 w0rld\"}\n"},
    {"too much memory", P("local t = {} for i = 1, 1000 do t[i] = ('x'):rep(100000) .. i end"),
     "{}", DEAD("{}", "the script needs more than 1048576 bytes of memory")},
    {"too deep", P("local function f() return f() + 1 end return f()"), "{}",
     DEAD("{}", "script:2: more than 20000 instructions")},
};

Test(op_script, runs)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        run_script(&cases[i], ",\"instructions\":20000,\"memory\":\"1MiB\"");
}

/* What one record leaves behind, the next does not see. */
Test(op_script, starts_anew_for_each_record)
{
    test_bed bed;
    char text[2048];
    (void)snprintf(text, sizeof text, STEPS_PIPELINE,
                   "[{\"script\":\"local n = 0 m = 0 function process(e) n = n + 1 m = m + 1 "
                   "_G.k = (_G.k or 0) + 1 e.n = n e.m = m e.k = k return e end\"}]");
    bed_open(&bed, text);
    for (int i = 0; i < 3; i++)
        bed_send(&bed, "{}");
    bed_expect(&bed, "out: {\"k\":1,\"m\":1,\"n\":1}\nout: {\"k\":1,\"m\":1,\"n\":1}\n"
                     "out: {\"k\":1,\"m\":1,\"n\":1}\n");
    bed_close(&bed);
}

/* After running out of memory and instructions it works as before. */
Test(op_script, goes_on_after_errors)
{
    test_bed bed;
    char text[2048];
    (void)snprintf(text, sizeof text, STEPS_PIPELINE,
                   "[{\"script\":{\"memory\":\"512KiB\",\"code\":\"function process(e) if e.x == 1 "
                   "then local t = {} while true do t[#t + 1] = {} end end if e.x == 2 then while "
                   "true do end end return e end\"}}]");
    bed_open(&bed, text);
    for (int i = 0; i < 200; i++) {
        char record[40];
        (void)snprintf(record, sizeof record, "{\"x\":%d}", i % 3);
        bed_send(&bed, record);
    }
    leat_exec_counts counts = leat_exec_counts_get(bed.exec);
    cr_expect_eq(counts.dead_letters, 133, "%llu", (unsigned long long)counts.dead_letters);
    cr_expect_eq(counts.records_out, 67);
    bed_close(&bed);
}

Test(op_script, drops_are_counted)
{
    test_bed bed;
    char text[1024];
    (void)snprintf(text, sizeof text, STEPS_PIPELINE, "[{\"script\":\"function process() end\"}]");
    bed_open(&bed, text);
    bed_send(&bed, "{}");
    cr_expect_eq(leat_exec_counts_get(bed.exec).dropped, 1);
    bed_close(&bed);
}

static const struct {
    const char *steps, *want;
} mistakes[] = {
    {"[{\"script\":{}}]", "script needs either 'code' or 'file'"},
    {"[{\"script\":{\"code\":\"\",\"file\":\"a.lua\"}}]", "script needs either 'code' or 'file'"},
    {"[{\"script\":\"function process(e\"}]", "script:1: ')' expected near <eof>"},
    {"[{\"script\":\"x = 1\"}]", "the script has no function called process"},
    {"[{\"script\":\"process = 5\"}]", "the script has no function called process"},
    {"[{\"script\":\"error('x')\"}]", "script:1: x"},
    {"[{\"script\":\"while true do end\"}]", "more than 1000000 instructions"},
    {"[{\"script\":\"\\u001bLua\"}]", "attempt to load a binary chunk"},
    {"[{\"script\":{\"code\":\"\",\"memory\":\"1KiB\"}}]", "must be between 262144 and"},
    {"[{\"script\":7}]", "must be a string"},
};

Test(op_script, tells_mistakes)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        char text[2000];
        test_bed bed;
        (void)snprintf(text, sizeof text, STEPS_PIPELINE, mistakes[i].steps);
        const char *said = bed_plan(&bed, text, NULL);
        cr_expect_not_null(strstr(said, mistakes[i].want), "%s\ngot: %swant: %s", mistakes[i].steps,
                           said, mistakes[i].want);
        bed_close(&bed);
    }
}
