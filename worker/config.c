/* SPDX-License-Identifier: Apache-2.0 */
/* Where a pure plan meets the machine: files next to the pipeline, environment, secrets, and the
 * settings of this process.
 *
 * Relative names (files, patterns, ${file:}) are taken from the pipeline file's folder, so that a
 * pipeline means the same wherever it is started. A secret file loses one trailing newline, as
 * editors add one. */
#include "worker/config.h"

#include <errno.h>
#include <glob.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/time.h"
#include "worker/registry.h"
#include "worker/registry_client.h"

#define FILE_BYTES_MAX      ((size_t)16 << 20)
#define SECRET_BYTES_MAX    ((size_t)1 << 20)
#define STATE_BYTES_DEFAULT ((uint64_t)4 << 30)

typedef struct outside {
    leat_str folder; /* with its trailing slash; empty: the current one */
} outside;

leat_code leat_config_slurp(const char *path, size_t bytes_max, leat_arena *arena, leat_str *text,
                            leat_err *err)
{
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return leat_err_set(err, LEAT_ERR_CONFIG, "cannot read '%s': %s", path, strerror(errno));
    leat_code code = LEAT_OK;
    if (fstat(fileno(file), &status) != 0 || S_ISDIR(status.st_mode)) {
        code = leat_err_set(err, LEAT_ERR_CONFIG, "cannot read '%s': it is no file", path);
        goto out;
    }
    char *data = leat_arena_alloc(arena, bytes_max < 4096 ? bytes_max + 1 : 4096);
    size_t size = bytes_max < 4096 ? bytes_max + 1 : 4096, len = 0;
    for (;;) {
        if (data == NULL) {
            code = leat_arena_full(arena, err);
            goto out;
        }
        size_t got = fread(data + len, 1, size - len, file);
        len += got;
        if (got == 0) break;
        if (len > bytes_max) {
            code = leat_err_set(err, LEAT_ERR_CONFIG, "'%s' is larger than %zu bytes", path,
                                bytes_max);
            goto out;
        }
        if (len == size) {
            data = leat_arena_extend(arena, data, size, size * 2);
            size *= 2;
        }
    }
    if (ferror(file)) {
        code = leat_err_set(err, LEAT_ERR_CONFIG, "cannot read '%s': %s", path, strerror(errno));
        goto out;
    }
    *text = (leat_str){data, len};
out:
    fclose(file);
    return code;
}

/* As the user wrote it, or in the pipeline's folder. */
static leat_str located(const outside *self, leat_str name, leat_arena *arena)
{
    if (name.len > 0 && name.data[0] == '/') return leat_arena_copy(arena, name);
    return leat_arena_print(arena, "%.*s%.*s", LEAT_STR_ARG(self->folder), LEAT_STR_ARG(name));
}

static leat_code resolve_reference(void *context, leat_str kind, leat_str name, leat_arena *arena,
                                   leat_str *text, leat_err *err)
{
    const outside *self = context;
    if (leat_str_is(kind, "env")) {
        leat_str terminated = leat_arena_copy(arena, name);
        if (terminated.data == NULL) return leat_arena_full(arena, err);
        const char *value = getenv(terminated.data);
        *text = LEAT_STR_NONE; /* not set: the reference may have a default */
        if (value == NULL) return LEAT_OK;
        *text = leat_arena_copy(arena, leat_str_of(value));
        return text->data == NULL ? leat_arena_full(arena, err) : LEAT_OK;
    }
    leat_str path = located(self, name, arena);
    if (path.data == NULL) return leat_arena_full(arena, err);
    LEAT_TRY(leat_config_slurp(path.data, SECRET_BYTES_MAX, arena, text, err));
    if (text->len > 0 && text->data[text->len - 1] == '\n') text->len--;
    return LEAT_OK;
}

static leat_code list_files(void *context, leat_str pattern, bool want_text, leat_arena *arena,
                            leat_planned_file **files, size_t *count, leat_err *err)
{
    const outside *self = context;
    leat_str path = located(self, pattern, arena);
    if (path.data == NULL) return leat_arena_full(arena, err);
    glob_t found;
    int answer = glob(path.data, GLOB_MARK | GLOB_BRACE, NULL, &found);
    if (answer == GLOB_NOMATCH) {
        *count = 0;
        return LEAT_OK;
    }
    if (answer != 0)
        return leat_err_set(err, LEAT_ERR_CONFIG, "cannot list '%s': %s", path.data,
                            strerror(errno));
    leat_code code = LEAT_OK;
    leat_planned_file *list = leat_arena_zero(arena, found.gl_pathc * sizeof *list);
    if (list == NULL) code = leat_arena_full(arena, err);
    size_t kept = 0;
    for (size_t i = 0; code == LEAT_OK && i < found.gl_pathc; i++) {
        size_t len = strlen(found.gl_pathv[i]);
        if (found.gl_pathv[i][len - 1] == '/') continue; /* a folder */
        list[kept].name = leat_arena_copy(arena, leat_str_of(found.gl_pathv[i]));
        if (list[kept].name.data == NULL) code = leat_arena_full(arena, err);
        if (code == LEAT_OK && want_text)
            code =
                leat_config_slurp(found.gl_pathv[i], FILE_BYTES_MAX, arena, &list[kept].text, err);
        kept++;
    }
    globfree(&found);
    *files = list;
    *count = kept;
    return code;
}

static leat_code read_head(void *context, leat_str path, size_t bytes_max, leat_arena *arena,
                           leat_str *text, leat_err *err)
{
    (void)context; /* list_files has located it */
    struct stat status;
    leat_str name = leat_arena_copy(arena, path);
    char *data = leat_arena_alloc(arena, bytes_max);
    if (name.data == NULL || data == NULL) return leat_arena_full(arena, err);
    *text = LEAT_STR_NONE;
    if (stat(name.data, &status) != 0 || !S_ISREG(status.st_mode))
        return LEAT_OK; /* a pipe waits */
    FILE *file = fopen(name.data, "rb");
    if (file == NULL) return LEAT_OK; /* said when it is opened to be read */
    *text = (leat_str){data, fread(data, 1, bytes_max, file)};
    fclose(file);
    return LEAT_OK;
}

/* --- schemas of a registry --- */

static leat_code ask_once(void *context, const leat_plan *plan, leat_str subject, int64_t version,
                          leat_arena *arena, leat_planned_schema *schema, leat_err *err)
{
    (void)context;
    return leat_registry_subject(plan, subject, version, false, arena, schema, err);
}

static leat_code ask_until_answered(void *context, const leat_plan *plan, leat_str subject,
                                    int64_t version, leat_arena *arena, leat_planned_schema *schema,
                                    leat_err *err)
{
    (void)context;
    return leat_registry_subject(plan, subject, version, true, arena, schema, err);
}

void leat_config_env(const char *pipeline_file, const leat_str *overrides, size_t overrides_count,
                     leat_purpose purpose, leat_arena *arena, leat_plan_env *env)
{
    outside *self = leat_arena_zero(arena, sizeof *self);
    LEAT_ASSERT(self != NULL);
    const char *slash = strrchr(pipeline_file, '/');
    if (slash != NULL)
        self->folder = (leat_str){pipeline_file, (size_t)(slash + 1 - pipeline_file)};
    *env = (leat_plan_env){.self = self,
                           .files = list_files,
                           .head = read_head,
                           .resolve = resolve_reference,
                           .overrides = overrides,
                           .overrides_count = overrides_count,
                           .check_only = purpose <= LEAT_PURPOSE_CHECK};
    if (purpose == LEAT_PURPOSE_CHECK) env->subject = ask_once;
    if (purpose == LEAT_PURPOSE_RUN) env->subject = ask_until_answered;
    env->operators = leat_registry(&env->operators_count);
}

/* The processors that this process may run on: in a container, those of its cpuset. */
static int64_t processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count;
}

static leat_str text_of(const leat_node *object, const char *name)
{
    const leat_node *node = object == NULL ? NULL : leat_node_member(object, name);
    return node != NULL && node->kind == LEAT_NODE_STRING ? node->text : LEAT_STR_NONE;
}

void leat_config_read(const leat_plan *plan, leat_config *config)
{
    const leat_node *worker = plan->worker;
    *config = (leat_config){.threads = processors(),
                            .state_bytes_max = STATE_BYTES_DEFAULT,
                            .log_level = LEAT_LEVEL_INFO,
                            .log_json = true};
    if (worker == NULL) return;
    config->instance = text_of(worker, "instance");
    if (config->instance.len == 0) config->instance = LEAT_STR_NONE;
    const leat_node *threads = leat_node_member(worker, "threads");
    if (threads != NULL && threads->kind == LEAT_NODE_INT) config->threads = threads->i;
    leat_err ignored; /* the plan has checked these texts */
    leat_str memory = text_of(leat_node_member(worker, "state"), "memory");
    if (memory.len > 0 && leat_size_config(memory, &config->state_bytes_max, &ignored) != LEAT_OK)
        config->state_bytes_max = STATE_BYTES_DEFAULT;
    const leat_node *log = leat_node_member(worker, "log");
    leat_str level = text_of(log, "level"), format = text_of(log, "format");
    static const char *const levels[] = {"debug", "info", "warn", "error", "silent"};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (leat_str_is(level, levels[i])) config->log_level = (leat_level)i;
    config->log_json = !leat_str_is(format, "text");
}
