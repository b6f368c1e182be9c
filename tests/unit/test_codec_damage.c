/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged payloads: each record of the fuzz corpus cut off at every byte, and with every bit of it
 * flipped. Each is copied into a block of its own size, so that a sanitizer sees a read past it. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>

#include "tests/fuzz/codec_check.h"

#define CORPUS    "tests/fuzz/corpus/codec"
#define BYTES_MAX 4096

static void check_copy(codec_bench *bench, const unsigned char *bytes, size_t len)
{
    if (len == 0) return;
    char *copy = malloc(len);
    cr_assert_not_null(copy);
    memcpy(copy, bytes, len);
    codec_check(bench, (codec_kind)((bytes[0] - '0') % CODEC_KINDS), (leat_str){copy + 1, len - 1});
    free(copy);
}

static size_t slurp(const char *name, unsigned char bytes[BYTES_MAX])
{
    char path[512];
    (void)snprintf(path, sizeof path, CORPUS "/%s", name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    size_t len = fread(bytes, 1, BYTES_MAX, file);
    (void)fclose(file);
    return len;
}

Test(codec_damage, cut_off_and_flipped)
{
    struct dirent **names = NULL;
    int count = scandir(CORPUS, &names, NULL, alphasort);
    int seeds = 0;
    codec_bench bench;
    codec_bench_open(&bench);
    for (int i = 0; i < count; i++) {
        unsigned char bytes[BYTES_MAX];
        if (names[i]->d_name[0] != '.') {
            size_t len = slurp(names[i]->d_name, bytes);
            for (size_t cut = 0; cut <= len; cut++)
                check_copy(&bench, bytes, cut);
            for (size_t bit = 8; bit < 8 * len; bit++) { /* the first byte says which codec */
                bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
                check_copy(&bench, bytes, len);
                bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
            }
            seeds++;
        }
        free(names[i]);
    }
    free(names);
    codec_bench_close(&bench);
    cr_assert_geq(seeds, 50, "%d records in " CORPUS ": run from the root of the tree", seeds);
}
