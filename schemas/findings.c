/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes are collected, not thrown: whoever finds one says where and goes on, so that the user
 * sees all of them at once.
 *
 * The list has a bound, as a text can hold more mistakes than anybody reads; it keeps the first
 * ones and the last. Memory for a message may be missing too: the finding then has a fixed text,
 * for a mistake must never get lost. */
#include "schemas/findings.h"

#include <stdio.h>

#include "schemas/codec_json.h"

#define FINDINGS_MAX   1000u
#define FINDINGS_START 16u

void leat_findings_init(leat_findings *findings, leat_arena *arena)
{
    LEAT_ASSERT(arena != NULL);
    *findings = (leat_findings){.arena = arena};
}

/* A place for one more; the last one is given up when there is none. */
static leat_finding *new_finding(leat_findings *findings, bool warning)
{
    if (findings->count == findings->size && findings->size < FINDINGS_MAX) {
        size_t size = findings->size == 0 ? FINDINGS_START : findings->size * 2;
        if (size > FINDINGS_MAX) size = FINDINGS_MAX;
        leat_finding *moved = leat_arena_zero(findings->arena, size * sizeof *moved);
        if (moved != NULL) {
            if (findings->count > 0)
                memcpy(moved, findings->items, findings->count * sizeof *moved);
            findings->items = moved;
            findings->size = size;
        }
    }
    if (findings->count < findings->size) return &findings->items[findings->count++];
    if (findings->items == NULL) { /* not even the first fits into the arena */
        findings->items = &findings->spare;
        findings->count = findings->size = 1;
        return &findings->spare;
    }
    LEAT_ASSERT(findings->count > 0);
    leat_finding *last = &findings->items[findings->count - 1];
    if (warning && !last->warning) return &findings->spare; /* a mistake is not lost to a doubt */
    findings->errors -= !last->warning;
    return last;
}

LEAT_PRINTF(2, 0)
static leat_str format_text(leat_arena *arena, const char *format, va_list arguments)
{
    char text[2048];
    (void)vsnprintf(text, sizeof text, format, arguments);
    leat_str copy = leat_arena_copy(arena, leat_str_of(text));
    return copy.data != NULL ? copy : LEAT_STR("a mistake (no memory for its description)");
}

LEAT_PRINTF(4, 0)
static leat_finding *add(leat_findings *findings, const leat_node *node, bool warning,
                         const char *format, va_list arguments)
{
    leat_finding *finding = new_finding(findings, warning);
    *finding = (leat_finding){.warning = warning};
    finding->message = format_text(findings->arena, format, arguments);
    findings->errors += !warning;
    LEAT_ASSERT(findings->errors <= findings->count);
    if (node == NULL) return finding;
    finding->file = node->file;
    finding->path = leat_node_path(node, findings->arena);
    finding->line = node->line;
    finding->column = node->column;
    return finding;
}

leat_finding *leat_findings_add(leat_findings *findings, const leat_node *node, bool warning,
                                const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    leat_finding *finding = add(findings, node, warning, format, arguments);
    va_end(arguments);
    return finding;
}

leat_finding *leat_findings_add_inside(leat_findings *findings, const leat_node *node,
                                       size_t offset, bool warning, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    leat_finding *finding = add(findings, node, warning, format, arguments);
    va_end(arguments);
    if (finding->line == 0 || node->kind != LEAT_NODE_STRING) return finding;
    finding->column++; /* the quote */
    for (size_t i = 0; i < offset && i < node->text.len; i++) {
        unsigned char c = (unsigned char)node->text.data[i];
        finding->column += (c & 0xc0) != 0x80;
        finding->column += c == '"' || c == '\\' || c == '\n' || c == '\t'; /* its backslash */
    }
    return finding;
}

leat_finding *leat_findings_add_key(leat_findings *findings, const leat_node *node, bool warning,
                                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    leat_finding *finding = add(findings, node, warning, format, arguments);
    va_end(arguments);
    if (node != NULL && node->key_line > 0) {
        finding->line = node->key_line;
        finding->column = node->key_column;
    }
    return finding;
}

void leat_findings_unknown(leat_findings *findings, const leat_node *node, const leat_str *known,
                           size_t known_count)
{
    LEAT_ASSERT(node != NULL && node->key.data != NULL);
    leat_finding *finding =
        leat_findings_add_key(findings, node, false, "unknown key '%.*s'", LEAT_STR_ARG(node->key));
    finding->suggestion = leat_str_nearest(node->key, known, known_count);
}

static bool comes_before(const leat_finding *a, const leat_finding *b)
{
    int files = leat_str_compare(a->file, b->file);
    if (files != 0) return files < 0;
    if (a->line != b->line) return a->line < b->line;
    return a->column < b->column;
}

/* By insertion: stable, and there are few. */
void leat_findings_sort(leat_findings *findings)
{
    for (size_t i = 1; i < findings->count; i++) {
        leat_finding moving = findings->items[i];
        size_t at = i;
        for (; at > 0 && comes_before(&moving, &findings->items[at - 1]); at--) {
            findings->items[at] = findings->items[at - 1];
        }
        findings->items[at] = moving;
    }
}

/* --- printing --------------------------------------------------------------------------------- */

static void put_line(const leat_finding *it, leat_buf *out)
{
    if (it->file.len > 0) {
        leat_buf_add(out, it->file);
        if (it->line > 0) leat_buf_add_format(out, ":%u:%u", it->line, it->column);
        leat_buf_add(out, LEAT_STR(": "));
    }
    if (it->warning) leat_buf_add(out, LEAT_STR("warning: "));
    if (it->path.len > 0) {
        leat_buf_add(out, it->path);
        leat_buf_add(out, LEAT_STR(": "));
    }
    leat_buf_add(out, it->message);
    if (it->suggestion.len > 0) {
        bool words = memchr(it->suggestion.data, ' ', it->suggestion.len) != NULL;
        leat_buf_add_text(out, words ? " (" : " (did you mean '");
        leat_buf_add(out, it->suggestion);
        leat_buf_add_text(out, words ? ")" : "'?)");
    }
    leat_buf_add_char(out, '\n');
}

static void put_text_member(const char *name, leat_str text, leat_buf *out)
{
    leat_buf_add_format(out, ",\"%s\":", name);
    if (text.data == NULL) {
        leat_buf_add_text(out, "null");
    } else {
        leat_json_write_string(text, out);
    }
}

static void put_json(const leat_finding *it, leat_buf *out)
{
    leat_buf_add_format(out, "{\"severity\":\"%s\"", it->warning ? "warning" : "error");
    put_text_member("file", it->file, out);
    put_text_member("path", it->path, out);
    leat_buf_add_format(out, ",\"line\":%u,\"column\":%u", it->line, it->column);
    put_text_member("message", it->message, out);
    put_text_member("suggestion", it->suggestion, out);
    leat_buf_add_char(out, '}');
}

void leat_findings_print(const leat_findings *findings, bool json, leat_buf *out)
{
    if (json) leat_buf_add_char(out, '[');
    for (size_t i = 0; i < findings->count; i++) {
        if (!json) {
            put_line(&findings->items[i], out);
            continue;
        }
        if (i > 0) leat_buf_add(out, LEAT_STR(",\n "));
        put_json(&findings->items[i], out);
    }
    if (json) leat_buf_add(out, LEAT_STR("]\n"));
}
