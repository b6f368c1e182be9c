/* SPDX-License-Identifier: Apache-2.0 */
/* Replays a fuzz corpus without a fuzzing engine.
 *
 * Each fuzz harness defines LLVMFuzzerTestOneInput. Under clang libFuzzer drives it; under gcc this
 * file is its main: every argument is a file, or a folder whose files are taken in name order, and
 * each file is fed to the harness once. So the corpus, and each input that once crashed, is a
 * regression test on every build, with any sanitizer.
 *
 * The input is copied into a heap block of exactly its size, so that ASan sees a read one byte past
 * the end. Nothing is caught: a crash is the failure. With -v each name is printed before it is
 * run, so the last one printed is the one to blame. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_BYTES_MAX (64L << 20)

static unsigned long long inputs_run;
static bool verbose;

static bool replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return false;
    }
    if (verbose) (void)fprintf(stderr, "replay: %s\n", path);
    struct stat info;
    if (fstat(fileno(file), &info) != 0 || info.st_size > INPUT_BYTES_MAX) {
        (void)fprintf(stderr, "replay: %s cannot be read or is larger than %ld bytes\n", path,
                      INPUT_BYTES_MAX);
        (void)fclose(file);
        return false;
    }
    size_t size = (size_t)info.st_size;
    uint8_t *data = malloc(size > 0 ? size : 1);
    bool read = data != NULL && fread(data, 1, size, file) == size;
    (void)fclose(file);
    if (read) {
        (void)LLVMFuzzerTestOneInput(data, size);
        inputs_run++;
    } else {
        (void)fprintf(stderr, "replay: %s: short read\n", path);
    }
    free(data);
    return read;
}

static bool replay_folder(const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        perror(path);
        return false;
    }
    bool good = true;
    for (int i = 0; i < count; i++) {
        char name[4096];
        int length = snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            good = length > 0 && (size_t)length < sizeof name && replay_file(name) && good;
        }
        free(entries[i]);
    }
    free(entries);
    return good;
}

int main(int argc, char **argv)
{
    int first = 1;
    if (argc > 1 && strcmp(argv[1], "-v") == 0) {
        verbose = true;
        first = 2;
    }
    if (first >= argc) {
        (void)fprintf(stderr, "usage: %s [-v] FILE-OR-FOLDER...\n", argv[0]);
        return 2;
    }
    bool good = true;
    for (int i = first; i < argc; i++) {
        struct stat info;
        if (stat(argv[i], &info) != 0) {
            perror(argv[i]);
            good = false;
        } else if (S_ISDIR(info.st_mode)) {
            good = replay_folder(argv[i]) && good;
        } else {
            good = replay_file(argv[i]) && good;
        }
    }
    (void)printf("%llu inputs replayed\n", inputs_run);
    return good ? 0 : 1;
}
