/* SPDX-License-Identifier: Apache-2.0 */
/* The lines that `leat eval` takes: an expression, `name = expression`, or a command that begins
 * with a colon. Results go to stdout as JSON, words to stderr, so a script of such lines can stand
 * in a pipe as well as a person can play with it.
 *
 * A record is one that was typed (:record), or a line of a file (:open, :next), so that real data
 * can be looked through with an expression at hand. Named values stay when the record changes.
 * Refused: a history file. What is typed here is data, which nobody expects to be kept. */
#include "worker/eval_repl.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/cli.h"
#include "worker/evaluator.h"
#include "worker/line_editor.h"

#define RESULT_BYTES_MAX ((size_t)64 << 20)

typedef struct repl {
    leat_evaluator *evaluator;
    leat_line_editor editor;
    leat_buf out;
    FILE *records; /* NULL: none is open */
    char *line;    /* of records */
    size_t line_size, line_number;
    bool wrong; /* something was, so far */
    bool over;
} repl;

typedef struct command {
    const char *name, *argument, *doc;
    void (*run)(repl *self, leat_str argument);
} command;

static void run_record(repl *self, leat_str json);
static void run_open(repl *self, leat_str path);
static void run_next(repl *self, leat_str none);
static void run_type(repl *self, leat_str text);
static void run_names(repl *self, leat_str none);
static void run_functions(repl *self, leat_str word);
static void run_forget(repl *self, leat_str none);
static void run_help(repl *self, leat_str none);
static void run_quit(repl *self, leat_str none);

static const command commands[] = {
    {"record", "[JSON]", "the record from now on; alone: shows it", run_record},
    {"open", "FILE", "records from a file of JSON lines, the first one now", run_open},
    {"next", "", "the next record of the file", run_next},
    {"type", "EXPRESSION", "the expression's type, without evaluating it", run_type},
    {"names", "", "the named values", run_names},
    {"functions", "[WORD]", "functions and operators whose name or section holds the word",
     run_functions},
    {"forget", "", "gives back the memory of the record and the named values", run_forget},
    {"help", "", "this list", run_help},
    {"quit", "", "ends (so does the end of the input)", run_quit},
};
#define COMMANDS_COUNT (sizeof commands / sizeof commands[0])

/* --- words --- */

void leat_eval_show_mistake(leat_str text, const leat_err *err)
{
    leat_cli_say("%s", err->text);
    if (memchr(text.data, '\n', text.len) != NULL || err->offset > text.len) return;
    size_t columns = 0; /* code points before the place */
    for (size_t i = 0; i < err->offset; i++)
        columns += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    fprintf(stderr, "  %.*s\n  %*s^\n", LEAT_STR_ARG(text), (int)columns, "");
}

static leat_str trimmed(leat_str text)
{
    while (text.len > 0 && isspace((unsigned char)text.data[0]))
        text = leat_str_slice(text, 1, text.len);
    while (text.len > 0 && isspace((unsigned char)text.data[text.len - 1]))
        text.len--;
    return text;
}

static void fail(repl *self, const leat_err *err)
{
    leat_cli_say("%s", err->text);
    self->wrong = true;
}

static void show(repl *self, leat_value value)
{
    leat_err err;
    leat_buf_reset(&self->out);
    if (leat_evaluator_print(self->evaluator, value, &self->out, &err) != LEAT_OK) {
        fail(self, &err);
        return;
    }
    fwrite(self->out.data, 1, self->out.len, stdout);
    fflush(stdout); /* in order with the words, wherever both go */
}

/* --- expressions --- */

/* `name = expression`: the name, and what is left in *text. */
static leat_str name_of(leat_str *text)
{
    size_t len = 0;
    while (len < text->len && (isalnum((unsigned char)text->data[len]) || text->data[len] == '_') &&
           (len > 0 || !isdigit((unsigned char)text->data[0])))
        len++;
    leat_str rest = trimmed(leat_str_slice(*text, len, text->len));
    if (len == 0 || rest.len < 2 || rest.data[0] != '=' || rest.data[1] == '=')
        return LEAT_STR_NONE;
    leat_str name = leat_str_slice(*text, 0, len);
    *text = trimmed(leat_str_slice(rest, 1, rest.len));
    return name;
}

static bool compile(repl *self, leat_str text)
{
    leat_err err;
    if (leat_evaluator_compile(self->evaluator, text, &err) == LEAT_OK) return true;
    leat_eval_show_mistake(text, &err);
    self->wrong = true;
    return false;
}

static void evaluate(repl *self, leat_str text)
{
    leat_err err;
    leat_value value;
    leat_str name = name_of(&text);
    if (!compile(self, text)) return;
    leat_code code = leat_evaluator_eval(self->evaluator, &value, &err);
    if (code == LEAT_OK && name.data != NULL)
        code = leat_evaluator_name(self->evaluator, name, value, &err);
    if (code == LEAT_OK)
        show(self, value);
    else
        fail(self, &err);
}

/* --- commands --- */

static void run_record(repl *self, leat_str json)
{
    leat_err err;
    if (json.len > 0 && leat_evaluator_record(self->evaluator, json, &err) != LEAT_OK)
        fail(self, &err);
    else
        show(self, leat_evaluator_event(self->evaluator));
}

static void close_records(repl *self)
{
    if (self->records != NULL) fclose(self->records);
    self->records = NULL;
    self->line_number = 0;
}

static void run_open(repl *self, leat_str path)
{
    leat_buf_reset(&self->out);
    leat_buf_add(&self->out, path);
    leat_buf_add_char(&self->out, '\0');
    close_records(self);
    self->records = path.len == 0 ? NULL : fopen(self->out.data, "re");
    if (self->records == NULL) {
        leat_cli_say(":open needs a file of JSON lines: '%.*s': %s", LEAT_STR_ARG(path),
                     path.len == 0 ? "no name" : strerror(errno));
        self->wrong = true;
    } else {
        run_next(self, LEAT_STR_NONE);
    }
}

static void run_next(repl *self, leat_str none)
{
    leat_err err;
    (void)none;
    if (self->records == NULL) {
        leat_cli_say(":next needs a file: ':open FILE' comes first");
        self->wrong = true;
        return;
    }
    for (;;) {
        ssize_t len = getline(&self->line, &self->line_size, self->records);
        if (len < 0 && ferror(self->records)) {
            leat_cli_say("cannot read the file: %s", strerror(errno));
            self->wrong = true;
            close_records(self);
            return;
        }
        if (len < 0) {
            leat_cli_say("the file has no more records (%zu lines)", self->line_number);
            close_records(self);
            return;
        }
        self->line_number++;
        leat_str json = trimmed((leat_str){self->line, (size_t)len});
        if (json.len == 0) continue;
        leat_code code = leat_evaluator_record(self->evaluator, json, &err);
        if (code != LEAT_OK) {
            leat_err_prefix(&err, "line %zu", self->line_number);
            fail(self, &err);
        } else {
            show(self, leat_evaluator_event(self->evaluator));
        }
        return;
    }
}

static void run_type(repl *self, leat_str text)
{
    if (!compile(self, text)) return;
    printf("%s\n", leat_evaluator_type(self->evaluator));
    fflush(stdout);
}

static void run_names(repl *self, leat_str none)
{
    leat_str name;
    leat_value value;
    (void)none;
    for (size_t i = 0; leat_evaluator_named(self->evaluator, i, &name, &value); i++) {
        printf("%.*s = ", LEAT_STR_ARG(name));
        show(self, value);
    }
}

static void run_functions(repl *self, leat_str word)
{
    size_t count, shown = 0;
    (void)self;
    const leat_expr_function *functions = leat_expr_functions(&count);
    for (size_t i = 0; i < count; i++) {
        const leat_expr_function *f = &functions[i];
        const char *name = f->name == NULL ? "" : f->name;
        if (word.len > 0 && leat_str_find(leat_str_of(name), word) < 0 &&
            leat_str_find(leat_str_of(f->section), word) < 0 &&
            (f->name != NULL || leat_str_find(leat_str_of(f->signature), word) < 0))
            continue;
        printf("%s%s%s  %s\n", name, f->name == NULL ? "" : " ", f->signature, f->doc);
        shown++;
    }
    fflush(stdout);
    if (shown == 0) leat_cli_say("no function and no section holds '%.*s'", LEAT_STR_ARG(word));
}

static void run_forget(repl *self, leat_str none)
{
    (void)none;
    leat_evaluator_forget(self->evaluator);
}

static void run_help(repl *self, leat_str none)
{
    (void)self;
    (void)none;
    fputs("EXPRESSION           its value on the record\n"
          "NAME = EXPRESSION    the same, and later expressions can use the name\n",
          stderr);
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        int written = fprintf(stderr, ":%s %s", commands[i].name, commands[i].argument);
        fprintf(stderr, "%*s%s\n", 21 - written, "", commands[i].doc);
    }
}

static void run_quit(repl *self, leat_str none)
{
    (void)none;
    self->over = true;
}

static void run_command(repl *self, leat_str line)
{
    leat_str names[COMMANDS_COUNT];
    size_t len = 0;
    while (len < line.len && !isspace((unsigned char)line.data[len]))
        len++;
    leat_str name = leat_str_slice(line, 0, len);
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        names[i] = leat_str_of(commands[i].name);
        if (!leat_str_equal(names[i], name)) continue;
        commands[i].run(self, trimmed(leat_str_slice(line, len, line.len)));
        return;
    }
    leat_str nearest = leat_str_nearest(name, names, COMMANDS_COUNT);
    self->wrong = true;
    if (nearest.data != NULL)
        leat_cli_say("there is no command ':%.*s'; did you mean ':%.*s'?", LEAT_STR_ARG(name),
                     LEAT_STR_ARG(nearest));
    else
        leat_cli_say("there is no command ':%.*s'; ':help' lists them", LEAT_STR_ARG(name));
}

/* --- completion: fields of the record, named values, functions --- */

static leat_str candidate(void *context, size_t index)
{
    const repl *self = context;
    leat_value record = leat_evaluator_event(self->evaluator);
    leat_str name;
    leat_value value;
    size_t fields = record.tag == LEAT_MAP ? record.len : 0;
    if (index < fields) return leat_value_str(record.as.entries[index].key);
    index -= fields;
    if (leat_evaluator_named(self->evaluator, index, &name, &value)) return name;
    for (size_t i = 0; leat_evaluator_named(self->evaluator, i, &name, &value); i++)
        index--;
    size_t count;
    const leat_expr_function *functions = leat_expr_functions(&count);
    if (index >= count) return LEAT_STR_NONE;
    /* Operators have no name that anybody types; "" completes nothing. */
    return functions[index].name == NULL ? LEAT_STR("") : leat_str_of(functions[index].name);
}

int leat_eval_repl(void)
{
    repl self = {.editor = {.completer = candidate}};
    leat_err err;
    leat_str line;
    bool person = leat_line_editor_asks();
    self.editor.self = &self;
    if (leat_evaluator_new(&self.evaluator, &err) != LEAT_OK) {
        leat_cli_say("%s", err.text);
        return LEAT_EXIT_INTERNAL;
    }
    leat_buf_init(&self.out, RESULT_BYTES_MAX);
    if (person) fputs("expressions on a record; ':help' lists commands\n", stderr);
    while (!self.over && leat_line_editor_next(&self.editor, "leat> ", &line)) {
        line = trimmed(line);
        if (line.len == 0) continue;
        if (line.data[0] == ':')
            run_command(&self, leat_str_slice(line, 1, line.len));
        else
            evaluate(&self, line);
    }
    close_records(&self);
    free(self.line);
    leat_line_editor_release(&self.editor);
    leat_buf_release(&self.out);
    leat_evaluator_free(&self.evaluator);
    return self.wrong && !person ? LEAT_EXIT_FINDINGS : LEAT_EXIT_OK;
}
