/* SPDX-License-Identifier: Apache-2.0 */
/* leat eval: an expression on records, or many expressions on one.
 *
 * With an expression, stdin is records, a JSON line each; without, stdin is expressions and
 * commands (eval_repl.c), as nobody types records and expressions into one stream.
 * A mistake is shown with a caret under its place. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/cli.h"
#include "worker/eval_repl.h"
#include "worker/evaluator.h"

static int eval_run(int argc, char **argv);

const leat_command leat_command_eval = {
    .name = "eval",
    .summary = "evaluate expressions on JSON records",
    .help = "usage: leat eval EXPRESSION < records.jsonl\n"
            "       leat eval\n\n"
            "Evaluates a CEL expression on each JSON line of stdin and writes one JSON result a\n"
            "line. Without input (a terminal, or nothing) the record is {}. A mistake in the\n"
            "expression, or an error on a record, is words on stderr and exit code 1.\n\n"
            "  leat eval '1 + 2 * 3'\n"
            "  echo '{\"amount\": 12.5}' | leat eval 'amount > 10.0 ? \"large\" : \"small\"'\n"
            "  leat eval 'event.items.map(i, i.price)' < orders.jsonl\n\n"
            "Without an expression it reads expressions and commands, with history and completion\n"
            "at a terminal; ':help' lists the commands:\n\n"
            "  leat eval\n"
            "  leat> :open orders.jsonl\n"
            "  leat> dear = items.filter(i, i.price > 100.0)\n"
            "  leat> dear.size() > 2\n"
            "  leat> :next\n",
    .run = eval_run,
};

#define RESULT_BYTES_MAX ((size_t)64 << 20)

static leat_code eval_line(leat_evaluator *evaluator, leat_str line, leat_buf *out, leat_err *err)
{
    leat_value value;
    leat_evaluator_forget(evaluator);
    leat_buf_reset(out);
    LEAT_TRY(leat_evaluator_record(evaluator, line, err));
    LEAT_TRY(leat_evaluator_eval(evaluator, &value, err));
    return leat_evaluator_print(evaluator, value, out, err);
}

static int eval_lines(leat_evaluator *evaluator)
{
    leat_err err;
    leat_buf out;
    leat_buf_init(&out, RESULT_BYTES_MAX);
    int exit_code = LEAT_EXIT_OK;
    char *line = NULL;
    size_t size = 0, lines = 0, number = 0;
    bool terminal = isatty(STDIN_FILENO);
    for (;;) {
        ssize_t len = terminal ? -1 : getline(&line, &size, stdin);
        if (len < 0 && ferror(stdin)) {
            leat_cli_say("cannot read the records: %s", strerror(errno));
            exit_code = LEAT_EXIT_FINDINGS;
            break;
        }
        if (len < 0 && lines > 0) break;
        leat_str text = len < 0 ? LEAT_STR("{}") : (leat_str){line, (size_t)len};
        number++;
        if (len >= 0 && strspn(line, " \t\r\n") == (size_t)len) continue;
        lines++;
        if (eval_line(evaluator, text, &out, &err) == LEAT_OK) {
            fwrite(out.data, 1, out.len, stdout);
        } else {
            leat_cli_say("line %zu: %s", number, err.text);
            exit_code = LEAT_EXIT_FINDINGS;
        }
        if (len < 0) break;
    }
    free(line);
    leat_buf_release(&out);
    return exit_code;
}

static int eval_expression(leat_str text)
{
    leat_evaluator *evaluator = NULL;
    leat_err err;
    int exit_code = LEAT_EXIT_FINDINGS;
    if (leat_evaluator_new(&evaluator, &err) == LEAT_OK &&
        leat_evaluator_compile(evaluator, text, &err) == LEAT_OK)
        exit_code = eval_lines(evaluator);
    else
        leat_eval_show_mistake(text, &err);
    leat_evaluator_free(&evaluator);
    return exit_code;
}

static int eval_run(int argc, char **argv)
{
    leat_arguments arguments;
    int exit_code = LEAT_EXIT_USAGE;
    if (!leat_flags_parse(&leat_command_eval, argc, argv, NULL, 0, &arguments)) goto out;
    if (arguments.count > 1)
        leat_cli_say("eval takes one expression (quote it for the shell)");
    else if (arguments.count == 1)
        exit_code = eval_expression(leat_str_of(arguments.positional[0]));
    else
        exit_code = leat_eval_repl();
out:
    leat_flags_release(NULL, 0, &arguments);
    return exit_code;
}
