/* SPDX-License-Identifier: Apache-2.0 */
/* What is masked in a stream stays masked wherever its record goes; keys are never shown. */
#include "tests/unit/exec_harness.h"

extern const leat_operator_type leat_operator_decrypt;
extern const leat_operator_type leat_operator_unwrap;

#define HEX_KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OLD_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" /* the same bytes */
#define NEW_KEY "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define PIPE(top, source, steps)                                                                   \
    "{\"name\":\"p\"," top "\"sources\":{\"s\":{\"topic\":\"in\"" source "}},\"streams\":{\"t\":"  \
    "{\"from\":\"s\",\"steps\":[" steps "],\"to\":\"out\"}}}"
#define DEAD "\"dead_letter\":\"dead\","

static void run_one(const char *pipeline, const char *in, const char *want)
{
    test_bed bed;
    bed_open_with(&bed, pipeline, &leat_operator_decrypt);
    bed_send(&bed, in);
    bed_expect(&bed, want);
    bed_close(&bed);
}

#define FAILS "{\"mask\":{\"pan\":\"partial\"}},{\"set\":{\"x\":\"int(who)\"}}"

/* What the bed shows of headers is step and error; the others are looked at below. */
Test(privacy, dead_letters_are_masked)
{
    run_one(PIPE(DEAD, "", FAILS), "{\"pan\":\"4111111111111111\", \"who\":\"me\", \"n\":1.50}",
            "dead: {\"pan\":\"************1111\",\"who\":\"me\", \"n\":1.50} "
            "leat.step=streams.t.steps[1].set leat.error=x: 'me' is no int (column 1)\n");
    run_one(PIPE("\"dead_letter\":{\"topic\":\"dead\",\"payload\":\"original\"},", "", FAILS),
            "{\"pan\":\"4111111111111111\",\"who\":\"me\"}",
            "dead: {\"pan\":\"4111111111111111\",\"who\":\"me\"} "
            "leat.step=streams.t.steps[1].set leat.error=x: 'me' is no int (column 1)\n");
    /* Renamed before it is masked, failing before either. */
    run_one(
        PIPE(DEAD, "",
             "{\"filter\":\"who > 1\"},{\"rename\":{\"a.b\":\"c\"}},{\"mask\":{\"c\":\"redact\"}}"),
        "{\"a\":{\"b\":\"secret\",\"d\":1},\"who\":\"me\"}",
        "dead: {\"a\":{\"b\":\"***\",\"d\":1},\"who\":\"me\"} leat.step=streams.t.steps[0].filter "
        "leat.error=no such overload: '_>_' applied to (string, int) (column 5)\n");
    run_one(PIPE(DEAD, "",
                 "{\"set\":{\"full\":\"first + ' ' + last\"}},{\"mask\":{\"full\":\"redact\"}},"
                 "{\"filter\":\"who > 1\"}"),
            "{\"first\":\"Ada\",\"last\":\"Lovelace\",\"who\":\"me\"}",
            "dead: {\"first\":\"***\",\"last\":\"***\",\"who\":\"me\"} leat.step=streams.t.steps[2]"
            ".filter leat.error=no such overload: '***' applied to (string, int) (column 5)\n");
    /* What cannot be read does not go out, unless somebody wants it as it came. */
    run_one(PIPE("\"dead_letter\":{\"topic\":\"dead\",\"payload\":\"masked\"},", "", FAILS),
            "{\"pan\":\"4111111111111111\"",
            "dead: {\"pan\":\"4111111111111111\" leat.step=sources.s leat.error=JSON, byte 26: "
            "expected ',' or '}', but the text ends\n");
    run_one(PIPE(DEAD, "", "{\"drop\":[\"pan\"]}"), "{\"pan\":\"4111111111111111\"",
            "dead: {\"pan\":\"4111111111111111\" leat.step=sources.s leat.error=JSON, byte 26: "
            "expected ',' or '}', but the text ends\n");
    run_one(PIPE(DEAD, "", FAILS), "{\"pan\":\"4111111111111111\"",
            "dead: (null) leat.step=sources.s leat.error=JSON, byte 26: "
            "expected ',' or '}', but the text ends\n");
    /* Rules of its own; other formats as JSON. */
    run_one(PIPE("\"dead_letter\":{\"topic\":\"dead\",\"mask\":{\"cvv\":\"null\"}},",
                 ",\"format\":{\"csv\":{\"columns\":[\"pan\",\"cvv\",\"who\"]}}", FAILS),
            "4111111111111111,123,me",
            "dead: {\"pan\":\"************1111\",\"cvv\":null,\"who\":\"me\"} "
            "leat.step=streams.t.steps[1].set leat.error=x: 'me' is no int (column 1)\n");
}

/* A mask behind a step that makes new records: its dead letters, and those of steps before it, show
 * the record as it came, with the field that the masked one has come from hidden. */
static const struct {
    const char *steps, *in, *want;
} traced[] = {
    {"{\"flatten\":{}},{\"mask\":{\"'card.no'\":\"redact\"}},",
     "{\"card\":{\"no\":\"4111111111111111\",\"x\":1},\"who\":\"me\"}",
     "{\"card\":{\"no\":\"***\",\"x\":1},\"who\":\"me\"}"},
    {"{\"flatten\":{}},{\"mask\":{\"'card.no'\":\"redact\"}},",
     "{\"card.no\":\"4111111111111111\",\"card\":\"x\",\"who\":\"me\"}",
     "{\"card.no\":\"***\",\"card\":\"x\",\"who\":\"me\"}"},
    {"{\"flatten\":{\"fields\":[\"a.card\"],\"separator\":\"_\"}},{\"mask\":{\"a.card_no\":"
     "\"partial\"}},",
     "{\"a\":{\"card\":{\"no\":\"4111111111111111\"}},\"who\":\"me\"}",
     "{\"a\":{\"card\":{\"no\":\"************1111\"}},\"who\":\"me\"}"},
    {"{\"explode\":\"items\"},{\"rename\":{\"items.pan\":\"card\"}},{\"mask\":{\"card\":"
     "\"partial\"}},",
     "{\"items\":[{\"pan\":\"4111111111111111\"}],\"who\":\"me\"}",
     "{\"items\":\"***\",\"who\":\"me\"}"},
    {"{\"explode\":\"items\"},{\"mask\":{\"pan\":\"partial\"}},",
     "{\"items\":[1],\"pan\":\"4111111111111111\",\"who\":\"me\"}",
     "{\"items\":[1],\"pan\":\"************1111\",\"who\":\"me\"}"},
    {"{\"unwrap\":{}},{\"mask\":{\"pan\":\"redact\"}},",
     "{\"op\":\"u\",\"before\":{\"pan\":\"4111111111111111\"},\"after\":{\"pan\":"
     "\"4111111111111112\",\"who\":\"me\"}}",
     "{\"op\":\"u\",\"before\":{\"pan\":\"***\"},\"after\":{\"pan\":\"***\",\"who\":"
     "\"me\"}}"},
    {"{\"unwrap\":{\"add\":[\"source.user\",\"op\"]}},{\"mask\":{\"__source_user\":\"redact\"}},",
     "{\"payload\":{\"op\":\"c\",\"after\":{\"who\":\"me\"},\"source\":{\"user\":"
     "\"4111111111111111\"}}}",
     "{\"payload\":{\"op\":\"c\",\"after\":{\"who\":\"me\"},\"source\":{\"user\":\"***\"}}}"},
    /* Copies, texts read, types changed, and one step behind the other. */
    {"{\"parse\":{\"line\":\"json\"}},{\"mask\":{\"line.pan\":\"redact\"}},",
     "{\"line\":\"{\\\"pan\\\":\\\"4111111111111111\\\"}\",\"who\":\"me\"}",
     "{\"line\":\"***\",\"who\":\"me\"}"},
    {"{\"set\":{\"c\":\"pan\"}},{\"cast\":{\"c\":\"int\"}},{\"mask\":{\"c\":\"null\"}},{\"drop\":"
     "[\"pan\"]},",
     "{\"pan\":\"4111111111111111\",\"who\":\"me\"}", "{\"pan\":null,\"who\":\"me\"}"},
    {"{\"set\":{\"a.b\":\"pan\"}},{\"set\":{\"t\":\"string(a.b) + json.format(a)\"}},{\"mask\":{"
     "\"t\":\"redact\"}},",
     "{\"a\":{\"z\":\"41111111\"},\"pan\":\"4111111111111111\",\"who\":\"me\"}",
     "{\"a\":\"***\",\"pan\":\"***\",\"who\":\"me\"}"},
    {"{\"parse\":{\"line\":\"json\"}},{\"explode\":\"line.items\"},{\"flatten\":{}},{\"mask\":{"
     "\"'line.items.pan'\":\"redact\"}},",
     "{\"line\":\"{\\\"items\\\":[{\\\"pan\\\":\\\"4111111111111111\\\"}]}\",\"who\":\"me\"}",
     "{\"line\":\"***\",\"who\":\"me\"}"},
    /* A constant hides nothing of the record. */
    {"{\"set\":{\"k\":\"'x'\"}},{\"mask\":{\"k\":\"redact\"}},", "{\"who\":\"me\"}",
     "{\"who\":\"me\"}"},
    /* What cannot be traced. */
    {"{\"script\":\"function process(e) e.card = e.pan; return e end\"},{\"mask\":{\"card\":"
     "\"redact\"}},",
     "{\"pan\":\"4111111111111111\",\"who\":\"me\"}", "(null)"},
    {"{\"set\":{\"t\":\"json.format(event)\"}},{\"mask\":{\"t\":\"redact\"}},",
     "{\"pan\":\"4111111111111111\",\"who\":\"me\"}", "(null)"},
    {"{\"set\":{\"t\":\"pan + string(meta.key)\"}},{\"mask\":{\"t\":\"redact\"}},",
     "{\"pan\":\"4111111111111111\",\"who\":\"me\"}", "(null)"},
    {"{\"unwrap\":{}},{\"script\":\"function process(e) return e end\"},{\"explode\":{\"field\":"
     "\"items\",\"keep_empty\":true}},{\"mask\":{\"pan\":\"redact\"}},",
     "{\"op\":\"c\",\"after\":{\"pan\":\"4111111111111111\",\"who\":\"me\"}}", "(null)"},
};

/* Each fails behind its mask, and in front of everything. */
Test(privacy, masks_are_traced_through_steps)
{
    for (size_t i = 0; i < 2 * sizeof traced / sizeof traced[0]; i++) {
        test_bed bed;
        char text[2048], want[1024];
        bool first = i % 2 == 1;
        (void)snprintf(text, sizeof text,
                       "{\"name\":\"p\",\"dead_letter\":\"dead\",\"sources\":{\"s\":{\"topic\":"
                       "\"in\"}},\"streams\":{\"t\":{\"from\":\"s\",\"steps\":[%s%.*s"
                       "{\"set\":{\"x\":\"[0][1]\"}}],\"to\":\"out\"}}}",
                       first ? "{\"filter\":\"[0][1] == 0\"}," : "",
                       (int)strlen(traced[i / 2].steps), traced[i / 2].steps);
        bed_open_with(&bed, text, &leat_operator_unwrap);
        bed_send(&bed, traced[i / 2].in);
        leat_buf_add_char(&bed.out, '\0');
        int len = snprintf(want, sizeof want, "dead: %s leat.step", traced[i / 2].want);
        cr_expect(strncmp(bed.out.data, want, (size_t)len) == 0, "%s\ngot: %s\nwant: %s", text,
                  bed.out.data, want);
        cr_expect_null(strstr(bed.out.data, "4111111"), "%s", bed.out.data);
        bed_close(&bed);
    }
}

/* What is joined is hidden in the table's dead letters, and takes nothing from the source's. */
Test(privacy, what_comes_from_a_table)
{
    test_bed bed;
    bed_open(&bed,
             "{\"name\":\"p\",\"dead_letter\":\"dead\",\"sources\":{\"s\":{\"topic\":\"in\"}},"
             "\"tables\":{\"cards\":{\"topic\":\"cards\",\"key\":\"id\"}},\"streams\":{\"t\":{"
             "\"from\":\"s\",\"steps\":[{\"join\":{\"table\":\"cards\",\"on\":\"card\",\"as\":"
             "\"c\",\"kind\":\"left\"}},{\"mask\":{\"c.pan\":\"redact\"}},{\"set\":{\"x\":"
             "\"[0][1]\"}}],\"to\":\"out\"}}}");
    leat_message message = {.topic = LEAT_STR("cards"),
                            .timestamp_ms = 1,
                            .key = LEAT_STR("k"),
                            .value = LEAT_STR("{\"pan\":\"4111\"}")};
    bed_batch(&bed, &message, 1);
    bed_expect(&bed, "dead: (null) leat.step=tables.cards leat.error=no such field (the record "
                     "could not be masked, so that no more is told)\n");
    bed_send(&bed, "{\"card\":1}");
    bed_end(&bed);
    bed_expect(
        &bed,
        "dead: {\"card\":1} leat.step=streams.t.steps[2].set leat.error=x: index out of range "
        "of the list (column 4)\n");
    bed_close(&bed);
}

/* The error's text quotes a part of what is hidden, or what nobody can find. */
Test(privacy, errors_do_not_quote_parts_of_what_is_masked)
{
    run_one(
        PIPE(DEAD, "",
             "{\"explode\":\"items\"},{\"set\":{\"x\":\"int(items.pan)\"}},{\"mask\":{"
             "\"items.pan\":\"redact\"}}"),
        "{\"items\":[{\"pan\":\"4111-1111\"}]}",
        "dead: {\"items\":\"***\"} leat.step=streams.t.steps[1].set leat.error=x: '***' is no int "
        "(column 1)\n");
    test_bed bed;
    bed_open_with(&bed,
                  PIPE(DEAD, "",
                       "{\"script\":\"function process(e) if e.n then error(e.pan) end e.card = "
                       "e.pan return e end\"},{\"mask\":{\"card\":\"redact\"}}"),
                  NULL);
    bed_send(&bed, "{\"pan\":\"4111-1111\",\"n\":1}");
    bed_expect(
        &bed,
        "dead: (null) leat.step=streams.t.steps[0].script leat.error=invalid argument (the record "
        "could not be masked, so that no more is told)\n");
    leat_str error = leat_exec_last_error(bed.exec);
    cr_expect_lt(leat_str_find(error, LEAT_STR("4111")), 0, "%.*s", LEAT_STR_ARG(error));
    bed_close(&bed);
    /* Who names the fields gets the rest. */
    bed_open_with(&bed,
                  PIPE("\"dead_letter\":{\"topic\":\"dead\",\"mask\":{\"pan\":\"redact\"}},", "",
                       "{\"script\":\"function process(e) if e.n then error(e.pan) end e.card = "
                       "e.pan return e end\"},{\"mask\":{\"card\":\"redact\"}}"),
                  NULL);
    bed_send(&bed, "{\"pan\":\"4111-1111\",\"n\":1}");
    bed_expect(&bed, "dead: {\"pan\":\"***\",\"n\":1} leat.step=streams.t.steps[0].script "
                     "leat.error=script:1: ***\n");
    bed_close(&bed);
}

/* The failing value is the masked one: neither the text of the error nor the log's has it. */
Test(privacy, errors_do_not_quote_what_is_masked)
{
    static const char *const errors[] = {
        "{\"set\":{\"x\":\"int(pan)\"}},{\"mask\":{\"pan\":\"redact\"}}",
        "{\"set\":{\"x\":\"timestamp(pan)\"}},{\"mask\":{\"pan\":\"redact\"}}",
        "{\"set\":{\"x\":\"duration(pan)\"}},{\"mask\":{\"pan\":\"redact\"}}",
        "{\"set\":{\"x\":\"double(pan)\"}},{\"mask\":{\"pan\":\"redact\"}}",
        "{\"set\":{\"x\":\"{'a':1}[pan]\"}},{\"mask\":{\"pan\":\"redact\"}}",
        "{\"set\":{\"x\":\"'a'.matches(pan)\"}},{\"mask\":{\"pan\":\"redact\"}}",
        "{\"cast\":{\"pan\":\"int\"}},{\"mask\":{\"pan\":\"redact\"}}",
        "{\"cast\":{\"pan\":\"timestamp\"}},{\"mask\":{\"pan\":\"redact\"}}",
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        test_bed bed;
        char text[1024];
        (void)snprintf(text, sizeof text,
                       "{\"name\":\"p\",\"dead_letter\":{\"topic\":\"dead\",\"mask\":{\"pan\":"
                       "\"redact\"}},\"sources\":{\"s\":{\"topic\":\"in\"}},\"streams\":{\"t\":{"
                       "\"from\":\"s\",\"steps\":[%s],\"to\":\"out\"}}}",
                       errors[i]);
        bed_open(&bed, text);
        bed.terse = false;
        const leat_header headers[] = {{LEAT_STR("card"), LEAT_STR("(4111-1111")}};
        const leat_message message = {.topic = LEAT_STR("in"),
                                      .offset = 1,
                                      .timestamp_ms = 1,
                                      .key = LEAT_STR("(4111-1111"),
                                      .value = LEAT_STR("{\"pan\":\"(4111-1111\"}"),
                                      .headers = headers,
                                      .headers_count = 1};
        bed_batch(&bed, &message, 1);
        leat_buf_add_char(&bed.out, '\0');
        cr_expect_not_null(strstr(bed.out.data, "dead"), "%s", bed.out.data);
        cr_expect_null(strstr(bed.out.data, "4111"), "%s: %s", errors[i], bed.out.data);
        cr_expect_not_null(strstr(bed.out.data, "leat.masked=pan"), "%s", bed.out.data);
        leat_str error = leat_exec_last_error(bed.exec);
        cr_expect_lt(leat_str_find(error, LEAT_STR("4111")), 0, "%.*s", LEAT_STR_ARG(error));
        bed_close(&bed);
    }
}

#define AES(field) "{\"mask\":{\"" field "\":\"aes-gcm\"}}"

Test(privacy, encrypted_and_read_again)
{
#define KEYS "\"mask\":{\"key\":\"" HEX_KEY "\",\"key_id\":\"k1\"},"
    run_one(PIPE(DEAD KEYS, "", AES("a") ",{\"decrypt\":[\"a\"]}"),
            "{\"a\":\"caf\\u00e9\",\"b\":1}", "out: {\"a\":\"caf\xc3\xa9\",\"b\":1}\n");
    run_one(PIPE(DEAD KEYS, "", AES("a") ",{\"decrypt\":{\"a\":{}}},{\"cast\":{\"a\":\"int\"}}"),
            "{\"a\":42}", "out: {\"a\":42}\n");
    run_one(PIPE(DEAD KEYS, "", AES("a") ",{\"rename\":{\"a\":\"c\"}},{\"decrypt\":[\"c\"]}"),
            "{\"a\":\"x\"}",
            "dead: {\"a\":\"v1:k1:tcMC5m7KHy/X9qSX0BzHOfuc9xbz85X9tlJkrr4=\"} "
            "leat.step=streams.t.steps[2].decrypt leat.error=field 'c': not what was encrypted: "
            "another key, another field, or changed\n");
    run_one(PIPE(DEAD KEYS, "",
                 AES("a") ",{\"rename\":{\"a\":\"c\"}},{\"decrypt\":{\"c\":{\"name\":\"a\"}}}"),
            "{\"a\":\"x\"}", "out: {\"c\":\"x\"}\n");
    run_one(
        PIPE(DEAD KEYS, "", "{\"decrypt\":[\"a\"]}"), "{\"a\":\"plain\"}",
        "dead: {\"a\":\"plain\"} leat.step=streams.t.steps[0].decrypt leat.error=field 'a' is not "
        "encrypted\n");
    run_one(PIPE(DEAD KEYS, "", "{\"decrypt\":{\"a\":{\"plain\":true},\"b\":{},\"c\":{}}}"),
            "{\"a\":\"plain\",\"b\":null}", "out: {\"a\":\"plain\",\"b\":null}\n");
    run_one(
        PIPE(DEAD KEYS, "", "{\"decrypt\":[\"a\"]}"),
        "{\"a\":\"v1:k9:tcMC5m7KHy/X9qSX0BzHOfuc9xbz85X9tlJkrr4=\"}",
        "dead: {\"a\":\"v1:k9:tcMC5m7KHy/X9qSX0BzHOfuc9xbz85X9tlJkrr4=\"} "
        "leat.step=streams.t.steps[0].decrypt leat.error=field 'a' was encrypted with key 'k9', "
        "which is not among the pipeline's\n");
    /* After a rotation the old key still opens, the new one writes. */
    run_one(PIPE(DEAD "\"mask\":{\"key_id\":\"k2\",\"keys\":{\"k1\":\"" OLD_KEY
                      "\",\"k2\":\"" NEW_KEY "\"}},",
                 "", "{\"decrypt\":[\"a\"]}"),
            "{\"a\":\"v1:k1:tcMC5m7KHy/X9qSX0BzHOfuc9xbz85X9tlJkrr4=\"}", "out: {\"a\":\"x\"}\n");
}

/* The same record gives the same bytes in every run; another position or field, others. */
Test(privacy, a_nonce_is_of_position_field_and_text)
{
    char seen[8][256];
    size_t count = 0;
    for (int run = 0; run < 2; run++) {
        test_bed bed;
        bed_open(&bed, PIPE(DEAD KEYS, "", "{\"mask\":{\"a\":\"aes-gcm\",\"b\":\"aes-gcm\"}}"));
        bed_send(&bed, "{\"a\":\"x\",\"b\":\"x\"}");
        bed_send(&bed, "{\"a\":\"x\",\"b\":\"x\"}");
        leat_buf_add_char(&bed.out, '\0');
        size_t first = count;
        for (char *at = bed.out.data; (at = strstr(at, "v1:")) != NULL; at++) {
            cr_assert_lt(count, 8);
            (void)snprintf(seen[count++], sizeof seen[0], "%.*s", (int)strcspn(at, "\""), at);
        }
        cr_assert_eq(count - first, 4);
        bed_close(&bed);
    }
    for (size_t i = 0; i < 4; i++) {
        cr_expect_str_eq(seen[i], seen[i + 4]);
        for (size_t k = 0; k < i; k++)
            cr_expect_str_neq(seen[i], seen[k]);
    }
}

Test(privacy, a_digest_can_name_its_key)
{
    run_one(PIPE(DEAD "\"mask\":{\"key\":\"Jefe\",\"key_id\":\"2026-11\"},", "",
                 "{\"mask\":{\"a\":{\"method\":\"hmac-sha256\",\"show_key_id\":true}}}"),
            "{\"a\":\"what do ya want for nothing?\"}",
            "out: {\"a\":\"2026-11:"
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\"}\n");
}

static const struct {
    const char *pipeline, *want;
} said[] = {
    {PIPE(DEAD "\"mask\":{\"key\":\"hunter2\",\"key_id\":\"k\"},", "", AES("a")), "has 32 bytes"},
    {PIPE(DEAD "\"mask\":{\"key\":\"" HEX_KEY "\"},", "", AES("a")), "needs a name"},
    {PIPE(DEAD "\"mask\":{\"key\":\"" HEX_KEY "\",\"key_id\":\"a b\"},", "", AES("a")),
     "letters, digits"},
    {PIPE(DEAD "\"mask\":{\"key_id\":\"k2\",\"keys\":{\"k1\":\"hunter2\"}},", "",
          "{\"mask\":{\"a\":{\"method\":\"hmac-sha256\",\"key_id\":\"k3\"}}}"),
     "has no key 'k3'"},
    {PIPE(DEAD "\"mask\":{\"key\":\"hunter2\",\"key_id\":\"k1\",\"keys\":{\"k1\":\"hunter2\"}},",
          "", "{\"drop\":[\"a\"]}"),
     "is the name of mask.key"},
    {PIPE(DEAD, "", "{\"decrypt\":[\"a\"]}"), "decrypt needs a key"},
    {PIPE(DEAD, ",\"format\":{\"csv\":{\"columns\":[\"pan\"]}}", "{\"mask\":{\"pam\":\"null\"}}"),
     "has no field 'pam' (did you mean 'pan'?)"},
    {PIPE("\"dead_letter\":{\"topic\":\"d\",\"payload\":\"stric\"},", "", "{\"drop\":[\"a\"]}"),
     "did you mean 'strict'"},
    {PIPE(DEAD, ",\"late\":{\"to\":\"l\"}", "{\"mask\":{\"a\":\"null\"}}"),
     "late records go out as they came"},
    {PIPE(DEAD, ",\"key\":\"a\"", "{\"mask\":{\"a\":\"null\"}}"), "in clear as the key"},
    {PIPE(DEAD, "", "{\"set\":{\"b\":\"string(event)\"}},{\"mask\":{\"b\":\"null\"}}"),
     "name it in dead_letter.mask"},
    {PIPE(DEAD, "", "{\"set\":{\"c\":\"pan\"}},{\"mask\":{\"pan\":\"null\"}}"), "in clear in 'c'"},
    {PIPE(DEAD, "", "{\"set\":{\"a.c\":\"pan\"}},{\"mask\":{\"a.c\":\"null\"}}"),
     "in clear in 'pan'"},
    {PIPE(DEAD, "",
          "{\"parse\":{\"line\":{\"format\":\"json\",\"to\":\"p\"}}},{\"mask\":{\"p.pan\":"
          "\"null\"}}"),
     "in clear in 'line'"},
};

/* Where nothing is to be said. */
static const char *const quiet[] = {
    PIPE(DEAD, "", "{\"set\":{\"c\":\"pan\"}},{\"mask\":{\"pan\":\"null\",\"c\":\"null\"}}"),
    PIPE(DEAD, "", "{\"set\":{\"c\":\"pan\"}},{\"mask\":{\"c\":\"null\"}},{\"drop\":[\"pan\"]}"),
    PIPE(DEAD, "", "{\"rename\":{\"pan\":\"c\"}},{\"mask\":{\"c\":\"null\"}}"),
    PIPE(DEAD, "", "{\"set\":{\"bin\":\"pan.substring(0, 6)\"}},{\"mask\":{\"pan\":\"null\"}}"),
    PIPE(DEAD, "", "{\"parse\":{\"line\":\"json\"}},{\"mask\":{\"line.pan\":\"null\"}}"),
    PIPE(DEAD, "",
         "{\"parse\":{\"line\":\"json\"}},{\"rename\":{\"line.who\":\"who\"}},{\"mask\":{\"line."
         "pan\":"
         "\"null\"}}"),
    PIPE(DEAD, "", "{\"flatten\":{}},{\"mask\":{\"'card.pan'\":\"null\"}}"),
};

Test(privacy, check_is_quiet)
{
    for (size_t i = 0; i < sizeof quiet / sizeof quiet[0]; i++) {
        test_bed bed;
        cr_expect_str_eq(bed_plan(&bed, quiet[i], NULL), "", "%s", quiet[i]);
        bed_close(&bed);
    }
}

Test(privacy, check)
{
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        test_bed bed;
        const char *text = bed_plan(&bed, said[i].pipeline, &leat_operator_decrypt);
        cr_expect_not_null(strstr(text, said[i].want), "%s\nsaid: %s\nnot: %s", said[i].pipeline,
                           text, said[i].want);
        cr_expect_null(strstr(text, "hunter2"), "%s", text);
        cr_expect_null(strstr(text, HEX_KEY), "%s", text);
        bed_close(&bed);
    }
}
