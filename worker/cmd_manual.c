/* SPDX-License-Identifier: Apache-2.0 */
/* leat manual: what is generated from the option tables, so that it can never differ from them.
 *
 * docs/OPERATORS.md, docs/EXPRESSIONS.md and the published schemas are this command's output;
 * golden tests compare them, so that a change of a table without its documents is a failed test.
 * Refused: documents written by hand next to the code, which drift. */
#include <stdio.h>
#include <string.h>

#include "cep/pattern.h"
#include "core/buf.h"
#include "schemas/doc.h"
#include "transforms/expr_manual.h"
#include "worker/cli.h"
#include "worker/registry.h"

static int manual_run(int argc, char **argv);

const leat_command leat_command_manual = {
    .name = "manual",
    .summary = "print the operators' manual or the JSON Schemas",
    .help = "usage: leat manual [steps | expressions | pipeline-schema | pattern-schema]\n\n"
            "  steps            every step with its options, as Markdown (the default)\n"
            "  expressions      the expression language and its functions, as Markdown\n"
            "  pipeline-schema  the JSON Schema of pipeline files, for editors\n"
            "  pattern-schema   the JSON Schema of pattern files\n",
    .run = manual_run,
};

/* For people to read too: laid out. */
static bool pattern_schema(leat_buf *out)
{
    leat_arena *arena = NULL;
    leat_node *root;
    leat_err err;
    uint32_t line, column;
    leat_buf text;
    leat_buf_init(&text, (size_t)16 << 20);
    leat_pattern_schema(&text);
    bool fine = leat_arena_new(&arena, (size_t)64 << 20, &err) == LEAT_OK &&
                leat_doc_parse(leat_buf_str(&text), LEAT_STR("schema"), arena, &root, &err, &line,
                               &column) == LEAT_OK;
    if (fine) leat_node_print(root, true, out);
    if (!fine) leat_cli_say("%s", err.text);
    leat_arena_free(&arena);
    leat_buf_release(&text);
    return fine;
}

static int manual_run(int argc, char **argv)
{
    leat_arguments arguments;
    int exit_code = LEAT_EXIT_USAGE;
    leat_buf out;
    leat_buf_init(&out, (size_t)16 << 20);
    size_t count;
    const leat_operator_type *const *operators = leat_registry(&count);
    if (!leat_flags_parse(&leat_command_manual, argc, argv, NULL, 0, &arguments)) goto out;
    const char *what = arguments.count == 0 ? "steps" : arguments.positional[0];
    if (strcmp(what, "steps") == 0) {
        leat_plan_manual(operators, count, &out);
        leat_buf_add_char(&out, '\n');
        leat_pattern_manual(&out);
    } else if (strcmp(what, "expressions") == 0) {
        leat_expr_manual(&out);
    } else if (strcmp(what, "pipeline-schema") == 0) {
        leat_plan_schema(operators, count, &out);
    } else if (strcmp(what, "pattern-schema") == 0) {
        if (!pattern_schema(&out)) goto out;
    } else {
        leat_cli_say("there is no manual '%s'; see 'leat manual --help'", what);
        goto out;
    }
    fwrite(out.data, 1, out.len, stdout);
    exit_code = LEAT_EXIT_OK;
out:
    leat_buf_release(&out);
    leat_flags_release(NULL, 0, &arguments);
    return exit_code;
}
