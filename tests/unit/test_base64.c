/* SPDX-License-Identifier: Apache-2.0 */
/* Base64: known pairs, what is refused, and that decoding undoes encoding. */
#include <criterion/criterion.h>

#include "core/base64.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(base64);

Test(base64, encodes_and_decodes)
{
    static const struct {
        leat_str bytes;
        const char *standard, *url, *bare;
    } cases[] = {
        /* RFC 4648, section 10 */
        {LEAT_STR_INIT(""), "", "", ""},
        {LEAT_STR_INIT("f"), "Zg==", "Zg==", "Zg"},
        {LEAT_STR_INIT("fo"), "Zm8=", "Zm8=", "Zm8"},
        {LEAT_STR_INIT("foo"), "Zm9v", "Zm9v", "Zm9v"},
        {LEAT_STR_INIT("foob"), "Zm9vYg==", "Zm9vYg==", "Zm9vYg"},
        {LEAT_STR_INIT("fooba"), "Zm9vYmE=", "Zm9vYmE=", "Zm9vYmE"},
        {LEAT_STR_INIT("foobar"), "Zm9vYmFy", "Zm9vYmFy", "Zm9vYmFy"},
        {LEAT_STR_INIT("\xfb\xff\xfe\0"), "+//+AA==", "-__-AA==", "-__-AA"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *texts[] = {cases[i].standard, cases[i].url, cases[i].bare};
        for (int alphabet = 0; alphabet < 3; alphabet++) {
            leat_buf buf;
            leat_err err;
            leat_buf_init(&buf, strlen(texts[alphabet])); /* exactly enough */
            leat_base64_encode(cases[i].bytes, (leat_base64)alphabet, &buf);
            cr_assert(leat_str_is(leat_buf_str(&buf), texts[alphabet]), "%s", texts[alphabet]);
            leat_buf_release(&buf);
            leat_buf_init(&buf, cases[i].bytes.len);
            leat_code code =
                leat_base64_decode(leat_str_of(texts[alphabet]), (leat_base64)alphabet, &buf, &err);
            cr_assert_eq(code, LEAT_OK, "%s: %s", texts[alphabet], err.text);
            cr_assert(leat_str_equal(leat_buf_str(&buf), cases[i].bytes), "%s", texts[alphabet]);
            leat_buf_reset(&buf);
            cr_assert_eq(
                leat_base64_decode(leat_str_of(cases[i].bare), LEAT_BASE64_URL, &buf, &err),
                LEAT_OK);
            leat_buf_release(&buf);
        }
    }
}

Test(base64, refuses)
{
    static const struct {
        const char *text;
        leat_base64 alphabet;
        uint32_t at;
    } cases[] = {
        {"A", LEAT_BASE64_STANDARD, 0},
        {"AAAAA", LEAT_BASE64_STANDARD, 4},
        {"A===", LEAT_BASE64_STANDARD, 1},
        {"====", LEAT_BASE64_STANDARD, 0},
        {"=", LEAT_BASE64_STANDARD, 0},
        {"Zg=", LEAT_BASE64_STANDARD, 2},
        {"Zg=a", LEAT_BASE64_STANDARD, 2},
        {"Zm 9", LEAT_BASE64_STANDARD, 2},
        {"Zm9v\n", LEAT_BASE64_STANDARD, 4},
        {"Zh==", LEAT_BASE64_STANDARD, 1},
        {"Zm9=", LEAT_BASE64_STANDARD, 2},
        {"-__-", LEAT_BASE64_STANDARD, 0},
        {"+//+", LEAT_BASE64_URL, 0},
        {"Zm\xff"
         "a",
         LEAT_BASE64_URL_BARE, 2},
    };
    leat_buf buf;
    leat_err err;
    leat_buf_init(&buf, 100);
    leat_buf_add_char(&buf, 'x');
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_code code =
            leat_base64_decode(leat_str_of(cases[i].text), cases[i].alphabet, &buf, &err);
        cr_assert_eq(code, LEAT_ERR_SYNTAX, "%s", cases[i].text);
        cr_assert(leat_str_is(leat_buf_str(&buf), "x") && !buf.overflow, "%s", cases[i].text);
        cr_assert_eq(err.offset, cases[i].at, "%s: %u", cases[i].text, err.offset);
    }
    leat_buf_release(&buf);
}

Test(base64, is_bounded)
{
    leat_buf buf;
    leat_err err;
    leat_buf_init(&buf, 3);
    leat_base64_encode(LEAT_STR("f"), LEAT_BASE64_STANDARD, &buf);
    cr_assert(buf.overflow);
    leat_buf_reset(&buf);
    cr_assert_eq(leat_base64_decode(LEAT_STR("Zm9vYg=="), LEAT_BASE64_STANDARD, &buf, &err),
                 LEAT_ERR_LIMIT);
    cr_assert_not(buf.overflow);
    cr_assert_eq(leat_base64_decode(LEAT_STR("Zm9v"), LEAT_BASE64_STANDARD, &buf, &err), LEAT_OK);
    leat_buf_release(&buf);
}

Test(base64, comes_back)
{
    leat_random random = {1};
    leat_buf text, bytes;
    leat_err err;
    leat_buf_init(&text, 1000);
    leat_buf_init(&bytes, 1000);
    for (int i = 0; i < 3000; i++) {
        char raw[300];
        size_t len = leat_random_below(&random, sizeof raw);
        for (size_t j = 0; j < len; j++)
            raw[j] = (char)leat_random_next(&random);
        leat_buf_reset(&text);
        leat_buf_reset(&bytes);
        leat_base64 alphabet = (leat_base64)leat_random_below(&random, 3);
        leat_base64_encode((leat_str){raw, len}, alphabet, &text);
        cr_assert_eq(leat_base64_decode(leat_buf_str(&text), alphabet, &bytes, &err), LEAT_OK);
        cr_assert(leat_str_equal(leat_buf_str(&bytes), (leat_str){raw, len}));
    }
    leat_buf_release(&text);
    leat_buf_release(&bytes);
}
