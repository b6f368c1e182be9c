/* SPDX-License-Identifier: Apache-2.0 */
/* Formats csv, text and raw over exec: payloads in, payloads out; what is wrong says where. */
#include "tests/unit/exec_harness.h"

#define PIPE(format, steps, to)                                                                    \
    "{\"name\":\"p\",\"dead_letter\":\"dead\",\"sources\":{\"s\":{\"topic\":\"in\","               \
    "\"format\":" format "}},\"streams\":{\"t\":{\"from\":\"s\",\"steps\":[" steps "],\"to\":"     \
    "{\"topic\":\"out\"" to "}}}}"
#define CSV(settings) "{\"csv\":{" settings "}}"
#define COLUMNS                                                                                    \
    "\"columns\":{\"id\":\"int\",\"name\":\"string\","                                             \
    "\"x\":\"double\",\"ok\":\"bool\"}"

typedef struct row_case {
    const char *in, *want;
} row_case;

static const row_case rows[] = {
    {"7,ab,1.50,true", "out: {\"id\":7,\"name\":\"ab\",\"x\":1.50,\"ok\":true}\n"},
    {"-7,\"a,b\",1e3,FALSE\r\n", "out: {\"id\":-7,\"name\":\"a,b\",\"x\":1e3,\"ok\":false}\n"},
    {"0,\"a \"\"b\"\"\nc\",5,1",
     "out: {\"id\":0,\"name\":\"a \\\"b\\\"\\nc\",\"x\":5.0,\"ok\":true}\n"},
    {",,,", "out: {\"id\":null,\"name\":\"\",\"x\":null,\"ok\":null}\n"},
    {"1,\"\",2,0", "out: {\"id\":1,\"name\":\"\",\"x\":2.0,\"ok\":false}\n"},
    {"1,\"\"\"\",2,0", "out: {\"id\":1,\"name\":\"\\\"\",\"x\":2.0,\"ok\":false}\n"},
    {"9223372036854775807,a,1,1",
     "out: {\"id\":9223372036854775807,\"name\":\"a\",\"x\":1.0,\"ok\":true}\n"},
    {"9223372036854775808,a,1,1", "dead: 9223372036854775808,a,1,1 leat.step=sources.s "
                                  "leat.error=line 1, column 1 (id): is no int of 64 bits\n"},
    {"\"\",a,1,1",
     "dead: \"\",a,1,1 leat.step=sources.s leat.error=line 1, column 1 (id): is no int "
     "of 64 bits\n"},
    {"1,a,1", "dead: 1,a,1 leat.step=sources.s leat.error=line 1, column 3 (x): the row ends here, "
              "but there are 4 columns\n"},
    {"1,a,1,1,2", "dead: 1,a,1,1,2 leat.step=sources.s leat.error=line 1, column 4 (ok): the row "
                  "goes on here, but there are 4 columns\n"},
    {"",
     "dead:  leat.step=sources.s leat.error=line 1, column 1 (id): the row ends here, but there "
     "are 4 columns\n"},
    {"1,\"a\nb\",nan,1",
     "dead: 1,\"a\nb\",nan,1 leat.step=sources.s leat.error=line 2, column 3 (x): "
     "is no number\n"},
    {"1,a\"b,1,1",
     "dead: 1,a\"b,1,1 leat.step=sources.s leat.error=line 1, column 2 (name): a quote "
     "inside of an unquoted cell\n"},
    {"1,\"a\"b,1,1",
     "dead: 1,\"a\"b,1,1 leat.step=sources.s leat.error=line 1, column 2 (name): text "
     "behind the closing quote\n"},
    {"1,\"ab,1,1", "dead: 1,\"ab,1,1 leat.step=sources.s leat.error=line 1, column 2 (name): the "
                   "closing quote is missing\n"},
    {"1,a\n2,b,1,1", "dead: 1,a\n2,b,1,1 leat.step=sources.s leat.error=line 1, column 2 (name): a "
                     "second row begins behind it: one record is one row\n"},
    {"1,\xff,1,1",
     "dead: 1,\xff,1,1 leat.step=sources.s leat.error=line 1, column 2 (name): is not "
     "UTF-8\n"},
    {"1,a,1,yes",
     "dead: 1,a,1,yes leat.step=sources.s leat.error=line 1, column 4 (ok): is no bool: "
     "true or false\n"},
    {"01,a,1,1",
     "dead: 01,a,1,1 leat.step=sources.s leat.error=line 1, column 1 (id): is no int of "
     "64 bits\n"},
};

Test(codec_csv, rows)
{
    test_bed bed;
    bed_open(&bed, PIPE(CSV(COLUMNS), "", ""));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bed_send(&bed, rows[i].in);
        bed_expect(&bed, rows[i].want);
    }
    bed_close(&bed);
}

/* What is written reads back as the same record. */
Test(codec_csv, written)
{
    static const char *const records[] = {
        "{\"a\":1,\"b\":\"x\",\"c\":[1,{\"d\":\",\"}]}",
        "{\"a\":1.50,\"b\":\"\",\"c\":null}",
        "{\"b\":\"say \\\"hi\\\"\\r\\n\",\"c\":true}",
        "{\"a\":\"caf\\u00e9;\",\"b\":\"NULL\",\"c\":123456789012345678901234567890}",
    };
    static const char *const want = "out: 1,x,\"[1,{\"\"d\"\":\"\",\"\"}]\"\n"
                                    "out: 1.50,\"\",\n"
                                    "out: ,\"say \"\"hi\"\"\r\n\",true\n"
                                    "out: caf\xc3\xa9;,NULL,123456789012345678901234567890\n";
    test_bed bed;
    bed_open(&bed, PIPE("\"json\"", "", ",\"format\":{\"csv\":{\"columns\":[\"a\",\"b\",\"c\"]}}"));
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
        bed_send(&bed, records[i]);
    bed_expect(&bed, want);
    bed_close(&bed);
    bed_open(&bed, PIPE("\"json\"", "{\"keep\":[\"b\",\"a\"]}",
                        ",\"format\":{\"csv\":{\"null\":\"NULL\",\"delimiter\":\";\"}}"));
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
        bed_send(&bed, records[i]);
    bed_expect(&bed, "out: x;1\nout: ;1.50\nout: \"say \"\"hi\"\"\r\n\";NULL\n"
                     "out: \"NULL\";\"caf\xc3\xa9;\"\n");
    bed_close(&bed);
    bed_open(&bed, PIPE("\"json\"", "{\"keep\":[\"b\",\"a\"]}",
                        ",\"format\":{\"csv\":{\"quote\":\"\",\"delimiter\":\"|\"}}"));
    bed_send(&bed, "{\"a\":\"1\\\"\",\"b\":\"x|y\"}");
    bed_send(&bed, "{\"a\":\"1\\\"\",\"b\":\"xy\"}");
    bed_expect(&bed,
               "dead: {\"a\":\"1\\\"\",\"b\":\"x|y\"} leat.step=streams.t.to leat.error=column "
               "'b' holds a delimiter or a line end, and there is no quote to put it in\n"
               "out: xy|1\"\n");
    bed_close(&bed);
}

/* Where all columns are slots of the record, no text of it is made: values have their own types. */
Test(codec_csv, written_from_slots)
{
    test_bed bed;
    bed_open(&bed, PIPE("\"json\"",
                        "{\"set\":{\"at\":\"timestamp('2026-01-31T00:00:00Z')\",\"for\":"
                        "\"duration('90s')\",\"raw\":\"b'x,'\",\"list\":\"[1, 2]\",\"map\":"
                        "\"{'k': 'v'}\",\"sum\":\"x * 2.0\",\"less\":\"-1\",\"t\":\"s + ';'\"}},"
                        "{\"keep\":[\"at\",\"for\",\"raw\",\"list\",\"map\",\"sum\",\"less\","
                        "\"t\",\"x\",\"s\",\"none\",\"o\"]}",
                        ",\"format\":{\"csv\":{\"null\":\"-1\"}}"));
    bed_send(&bed, "{\"x\":1.50,\"s\":\"a,b\",\"o\":{\"p\":[true,null]}}");
    bed_send(&bed, "{\"x\":12345678901234567890.10,\"s\":\"-1\",\"o\":null}");
    bed_expect(&bed, "out: 2026-01-31T00:00:00Z,90s,eCw=,\"[1,2]\",\"{\"\"k\"\":\"\"v\"\"}\","
                     "3.0,\"-1\",\"a,b;\",1.50,\"a,b\",-1,\"{\"\"p\"\":[true,null]}\"\n"
                     "out: 2026-01-31T00:00:00Z,90s,eCw=,\"[1,2]\",\"{\"\"k\"\":\"\"v\"\"}\","
                     "24691357802469134000.0,\"-1\",-1;,12345678901234567890.10,\"-1\",-1,-1\n");
    bed_close(&bed);
}

Test(codec_csv, text_and_raw)
{
    test_bed bed;
    bed_open(&bed, PIPE("\"text\"", "{\"filter\":\"value.startsWith('GET')\"}", ""));
    bed_send(&bed, "GET \"/\"");
    bed_send(&bed, "POST /");
    bed_send(&bed, "GET \xc3");
    bed_expect(&bed, "out: {\"value\":\"GET \\\"/\\\"\"}\ndead: GET \xc3 leat.step=sources.s "
                     "leat.error=not UTF-8 at byte 4\n");
    bed_close(&bed);
    bed_open(&bed, PIPE("{\"raw\":{\"field\":\"b\"}}", "{\"set\":{\"n\":\"size(b)\"}}", ""));
    bed_send(&bed, "\x01\x02\xff");
    bed_send(&bed, "");
    bed_expect(&bed, "out: {\"b\":\"AQL/\",\"n\":3}\nout: {\"b\":\"\",\"n\":0}\n");
    bed_close(&bed);
    bed_open(&bed, PIPE("{\"raw\":{\"field\":\"b\"}}", "{\"set\":{\"n\":\"size(b)\"}}",
                        ",\"format\":{\"raw\":{\"field\":\"b\"}}"));
    bed_send(&bed, "\x01\x02\xff");
    bed_expect(&bed, "out: \x01\x02\xff\n");
    bed_close(&bed);
    bed_open(&bed, PIPE("\"json\"", "{\"set\":{\"t\":\"1 + n\"}}",
                        ",\"format\":{\"text\":{\"field\":\"t\"}}"));
    bed_send(&bed, "{\"n\":4}");
    bed_expect(&bed, "out: 5\n");
    bed_close(&bed);
    bed_open(&bed, PIPE("\"json\"", "", ",\"format\":\"raw\""));
    bed_send(&bed, "{\"value\":\"AQL/\"}");
    bed_send(&bed, "{\"value\":\"A\"}");
    bed_send(&bed, "{}");
    bed_expect(&bed,
               "out: \x01\x02\xff\ndead: {\"value\":\"A\"} leat.step=streams.t.to leat.error="
               "field 'value' is neither bytes nor base64 text\ndead: {} leat.step=streams.t.to "
               "leat.error=there is no field 'value' to write\n");
    bed_close(&bed);
}
