/* SPDX-License-Identifier: Apache-2.0 */
/* leat explain: what a pattern was unfolded into, and what it costs.
 *
 * A pattern file is explained by planning a pipeline around it: a source of any events, the
 * pattern, nothing behind it. So it is read, checked and compiled as in production, and a pipeline
 * file is explained by the same means: all patterns of all its detect steps. Which of the two a
 * file is, its members tell. */
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "cep/op_detect.h"
#include "core/mem.h"
#include "schemas/codec_json.h"
#include "worker/cli.h"

static int explain_run(int argc, char **argv);

const leat_command leat_command_explain = {
    .name = "explain",
    .summary = "show what a pattern does, remembers and costs",
    .help = "usage: leat explain [--set PATH=VALUE]... [--output text|json|dot] FILE...\n\n"
            "FILE is a pattern, or a pipeline: then all patterns of its detect steps.\n\n"
            "Shows for each pattern\n"
            "  Automaton   its states (the step that took last, and how often its repetitions "
            "were\n"
            "              gone through), what may be taken next, and what must not happen\n"
            "  Conditions  how events that fulfil them are found: in the index over all patterns "
            "of\n"
            "              the step, or by evaluating them for every event\n"
            "  Cost        of an event that matters:\n"
            "                constant     whatever has begun is told apart by its state alone\n"
            "                logarithmic  comparisons (all but !=) with a field of first(s) or\n"
            "                             last(s): what they hold for is found by its value;\n"
            "                             a step's own `within`: what is open, by its time\n"
            "                per value    one look for each earlier event that first(s),\n"
            "                             last(s) or size(s) can still mean\n"
            "                per match    each partial match is asked by itself\n"
            "  Memory      what one key can hold, and for how long\n\n"
            "and below them what is doubtful, as `leat check` does.\n\n"
            "  --set PATH=VALUE   of a pipeline: with this value in place of the file's\n"
            "  --output json      one object: patterns, and findings as in `leat check`\n"
            "  --output dot       the automata for Graphviz: ... | dot -Tsvg > p.svg\n\n"
            "Exit code: 0, or 1 with the mistakes of the files on stderr.\n\n"
            "  leat explain examples/card-fraud/patterns/card-testing.json\n"
            "  leat explain --output dot pipeline.json | dot -Tpng > patterns.png\n",
    .run = explain_run,
};

#define PLAN_BYTES_MAX ((size_t)2 << 30)
#define FILE_BYTES_MAX ((size_t)16 << 20)

typedef struct explainer {
    leat_explain_form form;
    uint32_t count; /* patterns so far */
    leat_buf out;
    leat_buf findings; /* of all files: as text, or members of a JSON list */
} explainer;

static bool is_pattern(const leat_node *root)
{
    return root->kind == LEAT_NODE_OBJECT && leat_node_member(root, "steps") != NULL &&
           leat_node_member(root, "streams") == NULL && leat_node_member(root, "sources") == NULL;
}

/* A pipeline with this pattern and nothing else. */
static void write_pipeline(const leat_node *pattern, const char *file, leat_arena *arena,
                           leat_buf *out)
{
    leat_str path = leat_arena_copy(arena, leat_str_of(file));
    const leat_node *key = leat_node_member(pattern, "key");
    leat_buf_add_text(out, "{\"name\":\"explain\",\"sources\":{\"events\":{\"topic\":\"events\"");
    if (key != NULL && key->kind == LEAT_NODE_STRING && key->text.len > 0) {
        leat_buf_add_text(out, ",\"key\":");
        leat_json_write_string(key->text, out);
    }
    leat_buf_add_text(out, "}},\"streams\":{\"alerts\":{\"from\":\"events\",\"steps\":[{\"detect\":"
                           "{\"patterns\":[");
    /* The pipeline stands where the pattern does. A name may hold what a glob means something by.
     */
    leat_buf glob;
    leat_buf_init(&glob, (size_t)1 << 20);
    for (const char *at = basename((char *)(uintptr_t)path.data); *at != '\0'; at++) {
        if (strchr("*?[\\", *at) != NULL) leat_buf_add_char(&glob, '\\');
        leat_buf_add_char(&glob, *at);
    }
    leat_json_write_string(leat_buf_str(&glob), out);
    leat_buf_release(&glob);
    leat_buf_add_text(out, "]}}],\"to\":{\"drop\":{}}}},\"dead_letter\":{\"drop\":{}}}");
}

static leat_code read_text(const char *file, leat_arena *arena, leat_str *text, bool *wrapped,
                           leat_err *err)
{
    leat_node *root = NULL;
    uint32_t line = 0;
    uint32_t column = 0;
    leat_buf pipeline;
    *wrapped = false;
    LEAT_TRY(leat_config_slurp(file, FILE_BYTES_MAX, arena, text, err));
    /* A file that cannot be parsed is the planner's to complain about. */
    if (leat_doc_parse(*text, leat_str_of(file), arena, &root, err, &line, &column) != LEAT_OK ||
        !is_pattern(root))
        return LEAT_OK;
    *wrapped = true;
    leat_buf_init(&pipeline, FILE_BYTES_MAX);
    write_pipeline(root, file, arena, &pipeline);
    leat_code code = leat_buf_check(&pipeline, "the pipeline around a pattern", err);
    if (code == LEAT_OK) *text = leat_arena_copy(arena, leat_buf_str(&pipeline));
    if (code == LEAT_OK && text->data == NULL) code = leat_arena_full(arena, err);
    leat_buf_release(&pipeline);
    return code;
}

static bool of_surroundings(const leat_finding *finding)
{
    return leat_str_starts(finding->path, LEAT_STR("sources."));
}

/* What is wrong with the pattern's key is told at the pattern, and not of what is made around it
 * once more. */
static void drop_surroundings(leat_findings *findings)
{
    size_t own = 0;
    size_t count = 0;
    for (size_t i = 0; i < findings->count; i++)
        own += !findings->items[i].warning && !of_surroundings(&findings->items[i]);
    for (size_t i = 0; i < findings->count && own > 0; i++)
        if (!of_surroundings(&findings->items[i])) findings->items[count++] = findings->items[i];
    if (own > 0) findings->count = count;
}

static void collect_findings(explainer *e, leat_findings *findings)
{
    leat_findings_sort(findings);
    if (e->form != LEAT_EXPLAIN_JSON) {
        leat_findings_print(findings, false, &e->findings);
        return;
    }
    leat_buf list;
    leat_buf_init(&list, (size_t)64 << 20);
    leat_findings_print(findings, true, &list);
    leat_str text = leat_buf_str(&list);
    while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == ' '))
        text.len--;
    if (text.len > 2 && e->findings.len > 0) leat_buf_add_char(&e->findings, ',');
    if (text.len > 2) leat_buf_add(&e->findings, leat_str_slice(text, 1, text.len - 1));
    leat_buf_release(&list);
}

static leat_code explain_file(explainer *e, const char *file, const leat_flag *set,
                              leat_arena *arena, bool *good, leat_err *err)
{
    leat_str text;
    leat_plan_env env;
    leat_findings findings;
    leat_plan *plan = NULL;
    bool wrapped = false;
    LEAT_TRY(read_text(file, arena, &text, &wrapped, err));
    leat_str *overrides = leat_arena_zero(arena, (set->count + 1) * sizeof *overrides);
    if (overrides == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < set->count; i++)
        overrides[i] = leat_str_of(set->values[i]);
    leat_config_env(file, overrides, set->count, LEAT_PURPOSE_LOOK, arena, &env);
    leat_findings_init(&findings, arena);
    LEAT_TRY(leat_plan_new(text, leat_str_of(file), &env, arena, &findings, &plan, err));
    if (wrapped) drop_surroundings(&findings);
    collect_findings(e, &findings);
    *good = findings.errors == 0 && plan != NULL;
    for (size_t i = 0; *good && i < plan->nodes_count; i++) {
        const leat_plan_node *node = &plan->nodes[i];
        if (node->at == LEAT_AT_STEP && node->step->type == &leat_operator_detect)
            e->count += leat_detect_explain(node->step, e->form, e->count, &e->out);
    }
    return LEAT_OK;
}

static int explain_one(explainer *e, const char *file, const leat_flag *set)
{
    leat_arena *arena = NULL;
    leat_err err;
    bool good = false;
    leat_code code = leat_arena_new(&arena, PLAN_BYTES_MAX, &err);
    uint32_t before = e->count;
    if (code == LEAT_OK) code = explain_file(e, file, set, arena, &good, &err);
    if (code != LEAT_OK) leat_cli_say("%s", err.text);
    if (code == LEAT_OK && good && e->count == before)
        leat_cli_say("%s: there is no enabled pattern in it", file);
    leat_arena_free(&arena);
    return code == LEAT_OK && good ? LEAT_EXIT_OK : LEAT_EXIT_FINDINGS;
}

static void write_all(const leat_buf *buf, FILE *to)
{
    if (buf->len > 0) (void)fwrite(buf->data, 1, buf->len, to); /* empty: data is NULL */
}

static int print_all(const explainer *e)
{
    leat_err err;
    if (leat_buf_check(&e->out, "the explanation", &err) != LEAT_OK ||
        leat_buf_check(&e->findings, "the list of mistakes", &err) != LEAT_OK) {
        leat_cli_say("%s", err.text);
        return LEAT_EXIT_INTERNAL;
    }
    if (e->form == LEAT_EXPLAIN_JSON)
        printf("{\"patterns\":[%.*s],\"findings\":[%.*s]}\n", (int)e->out.len, e->out.data,
               (int)e->findings.len, e->findings.data);
    else if (e->form == LEAT_EXPLAIN_DOT)
        printf("digraph patterns {\n  rankdir=LR;\n%.*s}\n", (int)e->out.len, e->out.data);
    else
        write_all(&e->out, stdout);
    if (e->form != LEAT_EXPLAIN_JSON) {
        (void)fflush(stdout);
        write_all(&e->findings, stderr);
    }
    return LEAT_EXIT_OK;
}

static int explain_run(int argc, char **argv)
{
    leat_flag flags[] = {{.name = "set", .takes_value = true, .repeats = true},
                         {.name = "output", .takes_value = true}};
    leat_arguments arguments;
    explainer e = {.form = LEAT_EXPLAIN_TEXT};
    int exit_code = LEAT_EXIT_USAGE;
    leat_buf_init(&e.out, (size_t)1 << 30);
    leat_buf_init(&e.findings, (size_t)64 << 20);
    if (!leat_flags_parse(&leat_command_explain, argc, argv, flags, 2, &arguments)) goto out;
    const char *form = leat_flag_text(&flags[1], "text");
    if (strcmp(form, "json") == 0) e.form = LEAT_EXPLAIN_JSON;
    if (strcmp(form, "dot") == 0) e.form = LEAT_EXPLAIN_DOT;
    if (e.form == LEAT_EXPLAIN_TEXT && strcmp(form, "text") != 0) {
        leat_cli_say("there is no output '%s': text, json or dot", form);
    } else if (arguments.count == 0) {
        leat_cli_say("explain what? name a pattern or a pipeline file");
    } else {
        exit_code = LEAT_EXIT_OK;
        for (size_t i = 0; i < arguments.count; i++)
            if (explain_one(&e, arguments.positional[i], &flags[0]) != LEAT_EXIT_OK)
                exit_code = LEAT_EXIT_FINDINGS;
        if (print_all(&e) != LEAT_EXIT_OK) exit_code = LEAT_EXIT_INTERNAL;
    }
out:
    leat_buf_release(&e.out);
    leat_buf_release(&e.findings);
    leat_flags_release(flags, 2, &arguments);
    return exit_code;
}
