/* SPDX-License-Identifier: Apache-2.0 */
/* JSON texts that must be accepted (y_*), refused (n_*), or merely survived (i_*).
 *
 *   conformance_json FILE-OR-FOLDER...
 *
 * Both readers are asked: the validator and the builder of values. Where they disagree, also about
 * an i_ text, that is a failure. A text that parses is written and read again. Prints what failed,
 * then `N passed, N failed`; ends with 1 if anything failed. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "schemas/codec_json.h"

#define TEXT_MAX ((size_t)16 << 20)

typedef struct tally {
    size_t passed, failed;
} tally;

static bool read_text(const char *path, leat_buf *text)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return false;
    leat_buf_reset(text);
    for (;;) {
        char *to = leat_buf_reserve(text, 65536);
        if (to == NULL) break;
        size_t got = fread(to, 1, 65536, file);
        text->len += got;
        if (got == 0) break;
    }
    bool whole = feof(file) && !ferror(file) && !text->overflow;
    return fclose(file) == 0 && whole;
}

/* Written and read again, the value is the same. */
static const char *round_trip(leat_value value, leat_json_limits limits, leat_arena *arena,
                              leat_err *err)
{
    leat_buf out;
    leat_value again;
    const char *why = NULL;
    leat_buf_init(&out, TEXT_MAX);
    if (leat_json_write(value, arena, &out, err) != LEAT_OK) {
        why = "cannot be written";
    } else if (leat_json_value(leat_buf_str(&out), limits, arena, &again, err) != LEAT_OK) {
        why = "what was written cannot be read";
    } else if (!leat_value_same(value, again)) {
        why = "what was written reads as another value";
    }
    leat_buf_release(&out);
    return why;
}

static const char *judge(char kind, leat_str text, leat_arena *arena, leat_err *err)
{
    leat_json_limits limits = {128, TEXT_MAX};
    leat_value value;
    bool valid = leat_json_validate(text, limits, err) == LEAT_OK;
    bool built = leat_json_value(text, limits, arena, &value, err) == LEAT_OK;
    if (valid != built) return "leat_json_validate and leat_json_value disagree";
    if (kind == 'y' && !valid) return err->text;
    if (kind == 'n' && valid) return "accepted";
    return built ? round_trip(value, limits, arena, err) : NULL;
}

static void try_file(const char *path, tally *sum)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    if (strchr("yni", name[0]) == NULL || name[0] == '\0' || name[1] != '_') return;
    leat_err err = {0};
    leat_arena *arena = NULL;
    leat_buf text;
    leat_buf_init(&text, TEXT_MAX);
    const char *why = "cannot be read";
    if (leat_arena_new(&arena, 16 * TEXT_MAX, &err) == LEAT_OK && read_text(path, &text)) {
        why = judge(name[0], leat_buf_str(&text), arena, &err);
    }
    if (why != NULL) printf("%s: %s\n", name, why);
    sum->failed += why != NULL;
    sum->passed += why == NULL;
    leat_buf_release(&text);
    leat_arena_free(&arena);
}

static bool try_path(const char *path, tally *sum)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        perror(path);
        return false;
    }
    if (!S_ISDIR(info.st_mode)) {
        try_file(path, sum);
        return true;
    }
    bool readable = true;
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        perror(path);
        return false;
    }
    for (int i = 0; i < count; i++) {
        char inside[4096];
        int len = snprintf(inside, sizeof inside, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && len > 0 && (size_t)len < sizeof inside)
            readable &= try_path(inside, sum);
        free(entries[i]);
    }
    free(entries);
    return readable;
}

int main(int argc, char **argv)
{
    tally sum = {0, 0};
    bool readable = argc > 1;
    if (argc < 2) (void)fprintf(stderr, "usage: conformance_json FILE-OR-FOLDER...\n");
    for (int i = 1; i < argc; i++) {
        readable &= try_path(argv[i], &sum);
    }
    printf("%zu passed, %zu failed\n", sum.passed, sum.failed);
    return readable && sum.failed == 0 && sum.passed > 0 ? 0 : 1;
}
