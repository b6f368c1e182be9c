/* SPDX-License-Identifier: Apache-2.0 */
/* leat eval: an expression on records.
 *
 * Names are the fields of the line's object; `event` is the whole. Every name that the expression
 * uses becomes an extern, looked up when it is needed, so the evaluator is the pipeline's own.
 * A mistake is shown with a caret under its place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "schemas/codec_json.h"
#include "transforms/expr.h"
#include "worker/cli.h"

static int eval_run(int argc, char **argv);

const leat_command leat_command_eval = {
    .name = "eval",
    .summary = "evaluate an expression on JSON lines",
    .help = "usage: leat eval EXPRESSION < records.jsonl\n\n"
            "Evaluates a CEL expression on each JSON line of stdin and writes one JSON result a\n"
            "line. Without input (a terminal, or nothing) the record is {}. A mistake in the\n"
            "expression, or an error on a record, is words on stderr and exit code 1.\n\n"
            "  leat eval '1 + 2 * 3'\n"
            "  echo '{\"amount\": 12.5}' | leat eval 'amount > 10.0 ? \"large\" : \"small\"'\n"
            "  leat eval 'event.items.map(i, i.price)' < orders.jsonl\n",
    .run = eval_run,
};

#define NAMES_MAX       256
#define ARENA_BYTES_MAX ((size_t)256 << 20)

typedef struct record_scope {
    leat_scope scope;
    leat_str names[NAMES_MAX];
    uint32_t count;
    leat_value record;
} record_scope;

static leat_code resolve(leat_scope *scope, const leat_str *names, size_t count, bool absolute,
                         leat_ref *ref, leat_str *nearest, leat_err *err)
{
    record_scope *self = (record_scope *)scope;
    (void)count;
    (void)absolute;
    (void)nearest;
    uint32_t at = 0;
    while (at < self->count && !leat_str_equal(self->names[at], names[0]))
        at++;
    if (at == NAMES_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "more than %d names in one expression", NAMES_MAX);
    if (at == self->count) self->names[self->count++] = names[0];
    *ref = (leat_ref){.kind = LEAT_REF_EXTERN, .index = at, .used = 1};
    return LEAT_OK;
}

static leat_code load(void *context, uint32_t index, leat_arena *arena, leat_value *value,
                      leat_err *err)
{
    record_scope *self = context;
    (void)arena;
    (void)err;
    *value = LEAT_VALUE_MISSING;
    for (uint32_t i = 0; self->record.tag == LEAT_MAP && i < self->record.len; i++)
        if (leat_str_equal(leat_value_str(self->record.as.entries[i].key), self->names[index]))
            *value = self->record.as.entries[i].value;
    if (value->tag == LEAT_MISSING && leat_str_is(self->names[index], "event"))
        *value = self->record;
    return LEAT_OK;
}

static leat_code eval_line(const leat_expr *expr, record_scope *scope, leat_str line,
                           leat_arena *arena, leat_buf *out, leat_err *err)
{
    leat_value value;
    LEAT_TRY(leat_json_value(line, LEAT_JSON_LIMITS_DEFAULT, arena, &scope->record, err));
    leat_eval eval = {.arena = arena, .load = load, .self = scope};
    LEAT_TRY(leat_expr_eval(expr, &eval, &value, err));
    leat_buf_reset(out);
    LEAT_TRY(leat_json_write(value, arena, out, err));
    leat_buf_add_char(out, '\n');
    return leat_buf_check(out, "the result", err);
}

static int eval_lines(const leat_expr *expr, record_scope *scope)
{
    leat_arena *arena = NULL;
    leat_err err;
    leat_buf out;
    leat_buf_init(&out, (size_t)64 << 20);
    int exit_code = LEAT_EXIT_OK;
    char *line = NULL;
    size_t size = 0, lines = 0, number = 0;
    if (leat_arena_new(&arena, ARENA_BYTES_MAX, &err) != LEAT_OK) return LEAT_EXIT_INTERNAL;
    bool terminal = isatty(STDIN_FILENO);
    for (;;) {
        ssize_t len = terminal ? -1 : getline(&line, &size, stdin);
        if (len < 0 && lines > 0) break;
        leat_str text = len < 0 ? LEAT_STR("{}") : (leat_str){line, (size_t)len};
        number++;
        if (len >= 0 && strspn(line, " \t\r\n") == (size_t)len) continue;
        lines++;
        leat_arena_reset(arena);
        if (eval_line(expr, scope, text, arena, &out, &err) == LEAT_OK) {
            fwrite(out.data, 1, out.len, stdout);
        } else {
            leat_cli_say("line %zu: %s", number, err.text);
            exit_code = LEAT_EXIT_FINDINGS;
        }
        if (len < 0) break;
    }
    free(line);
    leat_buf_release(&out);
    leat_arena_free(&arena);
    return exit_code;
}

/* The text, and a caret under the place. */
static void show_mistake(leat_str text, const leat_err *err)
{
    leat_cli_say("%s", err->text);
    if (memchr(text.data, '\n', text.len) != NULL || err->offset > text.len) return;
    size_t columns = 0; /* code points before the place */
    for (size_t i = 0; i < err->offset; i++)
        columns += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    fprintf(stderr, "  %.*s\n  %*s^\n", LEAT_STR_ARG(text), (int)columns, "");
}

static int eval_run(int argc, char **argv)
{
    leat_flag flags[] = {{.name = "output", .takes_value = true}};
    leat_arguments arguments;
    leat_arena *arena = NULL;
    leat_err err;
    int exit_code = LEAT_EXIT_USAGE;
    record_scope *scope = leat_mem_need(sizeof *scope);
    scope->scope.resolve = resolve;
    if (!leat_flags_parse(&leat_command_eval, argc, argv, flags, 1, &arguments)) goto out;
    if (arguments.count != 1) {
        leat_cli_say("eval takes one expression (quote it for the shell)");
        goto out;
    }
    leat_str text = leat_str_of(arguments.positional[0]);
    leat_expr *expr = NULL;
    exit_code = LEAT_EXIT_FINDINGS;
    if (leat_arena_new(&arena, ARENA_BYTES_MAX, &err) != LEAT_OK ||
        leat_expr_compile(text, &scope->scope, arena, &expr, &err) != LEAT_OK) {
        show_mistake(text, &err);
        goto out;
    }
    exit_code = eval_lines(expr, scope);
out:
    leat_arena_free(&arena);
    leat_mem_free(scope);
    leat_flags_release(flags, 1, &arguments);
    return exit_code;
}
