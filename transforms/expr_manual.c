/* SPDX-License-Identifier: Apache-2.0 */
/* docs/EXPRESSIONS.md. What no table can say (names, types, errors) is text here; operators,
 * macros and functions are the lines of expr_functions.def, in their order.
 *
 * A golden test compares the page with what this prints, so that a function without its line in the
 * page is a failed test. Refused: a page written by hand, which would be wrong after the first new
 * function. */
#include "transforms/expr_manual.h"

#include "transforms/expr_function.h"

static const char introduction[] =
    "# Expressions\n\n"
    "Conditions, assignments, keys and topics are written in the\n"
    "[Common Expression Language](https://github.com/google/cel-spec) (CEL), as in Kubernetes. An\n"
    "expression has no side effects, reads no clock, and its cost is bounded. Try one on the\n"
    "command line: `echo '{\"amount\": 12.5}' | leat eval 'amount * 2.0'`.\n\n"
    "## Names\n\n"
    "| name | is |\n"
    "|---|---|\n"
    "| `amount`, `card.country` | a field of the record; one that is not there is an error |\n"
    "| `event` | the whole record, for a field whose name is taken or no identifier: "
    "`event['a b']` |\n"
    "| `meta.key` | the record's key: text if it is UTF-8, else bytes; null without one |\n"
    "| `meta.topic`, `meta.partition`, `meta.offset` | where it came from; of a file its path, 0, "
    "the line |\n"
    "| `meta.timestamp` | event time |\n"
    "| `meta.headers` | a map of bytes; of two headers of one name the last |\n"
    "| `meta.watermark` | the task's watermark, or null |\n\n"
    "In the conditions of a pattern, the name of an earlier step is the list of events that it has "
    "taken\n"
    "so far.\n\n"
    "`has(card.country)` asks whether a field is there. `card.?country.orValue('none')` reads one\n"
    "that may be missing.\n\n"
    "## Values\n\n"
    "| type | is written | in JSON |\n"
    "|---|---|---|\n"
    "| `int` | `42`, `0x2a` | an integer |\n"
    "| `uint` | `42u` | an integer |\n"
    "| `double` | `4.2`, `1e9` | a number with a point or an exponent; whole ones as `10.0` |\n"
    "| `bool`, `null_type` | `true`, `null` | the same |\n"
    "| `string` | `'text'`, `\"text\"`, `r'no \\escapes'`, `'''over lines'''` | a string |\n"
    "| `bytes` | `b'text'` | base64 |\n"
    "| `list`, `map` | `[1, 2]`, `{'a': 1}` | an array, an object |\n"
    "| `timestamp` | `timestamp('2026-01-31T23:59:59Z')` | RFC 3339, in UTC |\n"
    "| `duration` | `duration('1h30m')` | `\"5400s\"` |\n"
    "| `optional_type` | `optional.of(1)` | its value; null without one |\n\n"
    "`int`, `uint` and `double` do not mix in arithmetic: `amount * 2` is an error where `amount` "
    "is\n"
    "a double, `amount * 2.0` is not. They compare with each other. An expression that is a bare "
    "field\n"
    "hands a number on as it is written, `1.10` as `1.10`; whole numbers beyond 64 bits can be "
    "handed\n"
    "on, and are an error anywhere else.\n\n"
    "## Errors and limits\n\n"
    "A missing field, a division by zero, an overflow, a conversion that fails: each is an error, "
    "and\n"
    "sends the record to the dead letter; `&&`, `||` and `?:` absorb an error that does not matter "
    "for\n"
    "the result, so that `has(a) && a > 1` and even `a > 1 || true` are safe. Types are checked "
    "when\n"
    "the pipeline is read, as far as they are known. Regular expressions are\n"
    "[RE2](https://github.com/google/re2/wiki/Syntax), whose time is linear. An evaluation of more "
    "than\n"
    "a million steps is given up.\n\n";

static bool is_operator(const leat_expr_function *line)
{
    return strcmp(line->section, "operators") == 0 || strcmp(line->section, LEAT_EXPR_MIXED) == 0;
}

/* A cell of a table. */
static void put_cell(leat_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') leat_buf_add_char(out, '\\');
        leat_buf_add_char(out, *text);
    }
}

/* "_?_:_" -> "? :", "_[_]" -> "[ ]", "-_" -> "-" */
static void put_symbol(leat_buf *out, const char *name)
{
    bool first = true;
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '_' || *at == '@') {
            if (!first && at[1] != '\0' && strncmp(name, "_[", 2) != 0) leat_buf_add_char(out, ' ');
            continue;
        }
        if (*at == '|') leat_buf_add_char(out, '\\');
        leat_buf_add_char(out, *at);
        first = false;
    }
}

static void put_operators(leat_buf *out, const leat_expr_function *lines, size_t count)
{
    leat_buf_add_text(out, "## Operators\n\n| operator | of | is |\n|---|---|---|\n");
    for (size_t i = 0; i < count; i++) {
        if (lines[i].name == NULL || !is_operator(&lines[i])) continue;
        bool same = i > 0 && lines[i - 1].name != NULL &&
                    strcmp(lines[i].name, lines[i - 1].name) == 0 &&
                    strcmp(lines[i].doc, lines[i - 1].doc) == 0;
        if (same) {
            leat_buf_add_text(out, ", `");
        } else {
            if (i > 0 && lines[i - 1].name != NULL && is_operator(&lines[i - 1])) {
                leat_buf_add_text(out, " | ");
                put_cell(out, lines[i - 1].doc);
                leat_buf_add_text(out, " |\n");
            }
            leat_buf_add_text(out, "| `");
            put_symbol(out, lines[i].name);
            leat_buf_add_text(out, "` | `");
        }
        put_cell(out, lines[i].signature);
        leat_buf_add_char(out, '`');
        bool last = i + 1 == count || lines[i + 1].name == NULL || !is_operator(&lines[i + 1]);
        if (!last) continue;
        leat_buf_add_text(out, " | ");
        put_cell(out, lines[i].doc);
        leat_buf_add_text(out, " |\n");
    }
    leat_buf_add_char(out, '\n');
}

/* "string.(int) -> string" of charAt: "string.charAt(int) -> string" */
static void put_call(leat_buf *out, const leat_expr_function *line)
{
    const char *open = strchr(line->signature, '(');
    LEAT_ASSERT(open != NULL);
    if (line->name == NULL) {
        put_cell(out, line->signature);
        return;
    }
    if (leat_expr_function_member(line)) {
        open = strstr(line->signature, ".(");
        LEAT_ASSERT(open != NULL);
        open++;
        leat_buf_add(out, (leat_str){line->signature, (size_t)(open - line->signature)});
    }
    leat_buf_add_text(out, line->name);
    put_cell(out, open);
}

static const char *title_of(const char *section)
{
    static const struct {
        const char *section, *title;
    } titles[] = {
        {"core", "Core"},
        {"twovar", "Macros with two variables"},
        {"bindings", "Names for parts"},
        {"optional", "Optional values"},
        {"strings", "Texts"},
        {"lists", "Lists"},
        {"aggregates", "Aggregates (in patterns only)"},
        {"sets", "Sets"},
        {"math", "Numbers"},
        {"encoders", "Encodings"},
        {"hashing", "Hashes and UUIDs"},
        {"regex", "Regular expressions"},
        {"times", "Times in layouts"},
        {"geo", "Places"},
        {"network", "Addresses and networks"},
    };
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        if (strcmp(titles[i].section, section) == 0) return titles[i].title;
    return section;
}

static void put_section(leat_buf *out, const leat_expr_function *lines, size_t count,
                        const char *section)
{
    leat_buf_add_format(out, "## %s\n\n| function | gives |\n|---|---|\n", title_of(section));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(lines[i].section, section) != 0) continue;
        leat_buf_add_text(out, "| `");
        put_call(out, &lines[i]);
        leat_buf_add_text(out, "` | ");
        put_cell(out, lines[i].doc);
        leat_buf_add_text(out, " |\n");
    }
    leat_buf_add_char(out, '\n');
}

void leat_expr_manual(leat_buf *out)
{
    size_t count = 0;
    const leat_expr_function *lines = leat_expr_functions(&count);
    leat_buf_add_text(out, introduction);
    put_operators(out, lines, count);
    for (size_t i = 0; i < count; i++) {
        bool known = is_operator(&lines[i]);
        for (size_t k = 0; k < i && !known; k++)
            known = strcmp(lines[k].section, lines[i].section) == 0;
        if (!known) put_section(out, lines, count, lines[i].section);
    }
    leat_buf_add_text(out, "Layouts of times: `rfc3339`; `s`, `ms`, `us`, `ns` (a number since "
                           "1970); or directives:\n`%Y` `%y` `%m` `%b` `%B` `%d` `%e` `%j` `%H` "
                           "`%I` `%p` `%M` `%S` `%f` (digits of the fraction)\n`%z` `%s` `%a` `%A` "
                           "`%F` `%T` `%D` `%R`, `%%`.\n");
}
