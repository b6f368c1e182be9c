/* SPDX-License-Identifier: Apache-2.0 */
/* The ways of finding the end of a plain run agree, at every length and place, and read nothing
 * outside the text (each text is a block of exactly its size: ASan looks). */
#include <criterion/criterion.h>

#include "core/mem.h"
#include "schemas/json_scan.h"
#include "tests/unit/leak.h"

LEAT_SUITE(json_scan);

static const char *plain_end_by_bytes(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
           *p != '\\') {
        p++;
    }
    return p;
}

static void check_all(const char *start, const char *p, const char *end)
{
    const char *want = plain_end_by_bytes(p, end);
    cr_assert_eq(leat_json_plain_end(start, p, end), want);
    cr_assert_eq(leat_json_plain_end_long(start, p, end), want);
    for (size_t i = 0; i < leat_json_scanners_count; i++) {
        const leat_json_scanner *scanner = &leat_json_scanners[i];
        if (!scanner->supported()) continue;
        cr_assert_eq(scanner->plain_end(start, p, end), want, "%s: %td of %td, not %td",
                     scanner->name, scanner->plain_end(start, p, end) - p, end - p, want - p);
    }
}

Test(json_scan, ends_of_plain_runs)
{
    static const char specials[] = {'"', '\\', 0, 1, 0x1f, (char)0x80, (char)0xc3, (char)0xff};
    cr_assert_geq(leat_json_scanners_count, 1);
    for (size_t len = 0; len <= 100; len++) {
        char *text = leat_mem_need(len);
        for (size_t from = 0; from <= len && from < 40; from++) {
            memset(text, 'a', len);
            check_all(text, text + from, text + len);
            for (size_t at = 0; at < len; at++) {
                for (size_t i = 0; i < sizeof specials; i++) {
                    text[at] = specials[i];
                    check_all(text, text + from, text + len);
                }
                text[at] = (char)(0x20 + (at % 2 ? 0x5f : 0x01)); /* the neighbours: 0x7f, '!' */
            }
        }
        leat_mem_free(text);
    }
}

/* All bytes, alone among plain ones. */
Test(json_scan, every_byte)
{
    for (unsigned c = 0; c < 256; c++) {
        for (size_t len = 1; len <= 70; len += 23) {
            char *text = leat_mem_need(len);
            memset(text, ' ', len);
            text[len / 2] = (char)c;
            check_all(text, text, text + len);
            leat_mem_free(text);
        }
    }
}

Test(json_scan, white_space)
{
    static const char blanks[] = " \n\r\t";
    for (size_t len = 0; len <= 70; len++) {
        char *text = leat_mem_need(len);
        for (size_t stop = 0; stop <= len; stop++) {
            for (size_t i = 0; i < len; i++) {
                text[i] = blanks[i % 4];
            }
            static const char others[] = {'x', 0, 0x0b, 0x1f, '"', (char)0xa0};
            for (size_t i = 0; i < sizeof others; i++) {
                if (stop < len) text[stop] = others[i];
                cr_assert_eq(leat_json_space_end(text, text + len), text + stop);
                cr_assert_eq(leat_json_space_end_long(text, text + len), text + stop);
            }
        }
        leat_mem_free(text);
    }
}

#if LEAT_JSON_LITTLE
Test(json_scan, eight_digits_at_once)
{
    for (uint64_t i = 0; i < 100000000; i += 12347) {
        char text[16];
        uint64_t word;
        cr_assert_eq(snprintf(text, sizeof text, "%08llu", (unsigned long long)i), 8);
        memcpy(&word, text, sizeof word);
        cr_assert_eq(leat_json_count_digits(word), 8);
        cr_assert_eq(leat_json_eight_value(word), i);
    }
    for (unsigned c = 0; c < 256; c++) {
        for (int at = 0; at < 8; at++) {
            char text[8] = "90909090";
            uint64_t word;
            memcpy(text, "90909090", 8);
            text[at] = (char)c;
            memcpy(&word, text, sizeof word);
            uint32_t want = c >= '0' && c <= '9' ? 8 : (uint32_t)at;
            cr_assert_eq(leat_json_count_digits(word), want);
        }
    }
}
#endif
