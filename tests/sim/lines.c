/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is compared becomes sorted lines of text, so that a difference can be printed: output
 * records with their place among those of their key, which tells disorder; cells as the worker's
 * dump of its state writes them, which is how it was meant to be compared.
 *
 * Only what is committed is read. Of a changelog the latest record of a key is what a restore would
 * come to, a tombstone nothing. */
#include "tests/sim/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"

#define LINES_MAX 20000
#define KEYS_MAX  64

/* --- lines --- */

void sim_lines_add(sim_lines *to, const char *text, size_t len)
{
    if (to->items == NULL) to->items = leat_mem_need(LINES_MAX * sizeof *to->items);
    LEAT_ASSERT(to->count < LINES_MAX);
    char *copy = leat_mem_need(len + 1);
    memcpy(copy, text, len);
    to->items[to->count++] = copy;
}

void sim_lines_free(sim_lines *gone)
{
    for (size_t i = 0; i < gone->count; i++)
        leat_mem_free(gone->items[i]);
    leat_mem_free(gone->items);
    *gone = (sim_lines){0};
}

static int line_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void sim_lines_sort(sim_lines *all)
{
    if (all->count > 1) qsort(all->items, all->count, sizeof *all->items, line_order);
}

bool sim_lines_has(const sim_lines *all, const char *line)
{
    return all->count > 0 &&
           bsearch(&line, all->items, all->count, sizeof *all->items, line_order) != NULL;
}

bool sim_lines_same(const char *what, const sim_lines *want, const sim_lines *have, char *wrong,
                    size_t wrong_size)
{
    size_t at = 0;
    while (at < want->count && at < have->count && strcmp(want->items[at], have->items[at]) == 0)
        at++;
    if (at == want->count && at == have->count) return true;
    snprintf(wrong, wrong_size, "%s: %zu lines, not %zu; want: %.380s\n  have: %.380s", what,
             have->count, want->count, at < want->count ? want->items[at] : "(nothing)",
             at < have->count ? have->items[at] : "(nothing)");
    return false;
}

/* --- records --- */

typedef void (*each_message)(void *context, const leat_message *message);

static void each(leat_memory_topic *topic, int32_t partition, each_message call, void *context)
{
    leat_memory_holds holds = {0};
    leat_message messages[64];
    int64_t offset = topic->partitions[partition].start;
    for (;;) {
        size_t count = leat_memory_read(topic, partition, &offset, &holds, messages, 64);
        for (size_t i = 0; i < count; i++)
            call(context, &messages[i]);
        leat_memory_holds_drop(&holds);
        if (count == 0) break;
    }
    leat_mem_free(holds.segments);
}

typedef struct taking {
    sim_lines *into;
    const char *topic;
    leat_buf line;
    bool doubles;
    char keys[KEYS_MAX][16]; /* and how many lines each has had */
    uint32_t counts[KEYS_MAX];
} taking;

/* Its place among those of its key, so that sorted lines tell disorder too. */
static uint32_t ordinal(taking *t, leat_str key)
{
    size_t at = 0;
    while (at < KEYS_MAX && t->keys[at][0] != '\0' && !leat_str_is(key, t->keys[at]))
        at++;
    LEAT_ASSERT(at < KEYS_MAX && key.len < sizeof t->keys[at]);
    if (t->keys[at][0] == '\0')
        snprintf(t->keys[at], sizeof t->keys[at], "%.*s", LEAT_STR_ARG(key));
    return t->counts[at]++;
}

static void take_output(void *context, const leat_message *message)
{
    taking *t = context;
    leat_buf_reset(&t->line);
    leat_buf_add_format(&t->line, "%s %.*s ", t->topic, LEAT_STR_ARG(message->key));
    if (!t->doubles) leat_buf_add_format(&t->line, "#%05u ", ordinal(t, message->key));
    leat_buf_add(&t->line, message->value);
    sim_lines_add(t->into, t->line.data, t->line.len);
}

static void drop_doubles(sim_lines *all)
{
    size_t kept = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (kept > 0 && strcmp(all->items[kept - 1], all->items[i]) == 0)
            leat_mem_free(all->items[i]);
        else
            all->items[kept++] = all->items[i];
    }
    all->count = kept;
}

sim_lines sim_outputs(leat_memory_store *store, const char *const *topics, size_t count,
                      bool doubles)
{
    sim_lines all = {0};
    for (size_t i = 0; i < count; i++) {
        leat_memory_topic *topic = leat_memory_topic_find(store, leat_str_of(topics[i]));
        taking t = {.into = &all, .topic = topics[i], .doubles = doubles};
        leat_buf_init(&t.line, (size_t)1 << 20);
        for (int32_t p = 0; p < topic->partitions_count; p++)
            each(topic, p, take_output, &t);
        leat_buf_release(&t.line);
    }
    sim_lines_sort(&all);
    if (doubles) drop_doubles(&all);
    return all;
}

/* --- the state --- */

typedef struct cell {
    char *place, *value; /* place: the line of a dump up to the value */
} cell;

typedef struct cells {
    cell items[LINES_MAX];
    size_t count;
    int32_t partition;
} cells;

static char *hex_of(leat_str bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *text = leat_mem_need(bytes.len * 2 + 1);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned byte = (unsigned char)bytes.data[i];
        text[i * 2] = digits[byte >> 4];
        text[i * 2 + 1] = digits[byte & 15];
    }
    text[bytes.len * 2] = '\0';
    return text;
}

/* The latest value of each key stays. */
static void take_cell(void *context, const leat_message *message)
{
    cells *all = context;
    char place[512];
    size_t table = strnlen(message->key.data, message->key.len);
    LEAT_ASSERT(table < message->key.len);
    char *key = hex_of(leat_str_slice(message->key, table + 1, message->key.len));
    snprintf(place, sizeof place, "{\"partition\":%d,\"table\":\"%s\",\"key\":\"%s\"",
             (int)all->partition, message->key.data, key);
    leat_mem_free(key);
    size_t at = 0;
    while (at < all->count && strcmp(all->items[at].place, place) != 0)
        at++;
    LEAT_ASSERT(at < LINES_MAX);
    if (at == all->count) {
        all->items[at] = (cell){leat_mem_need(strlen(place) + 1), NULL};
        memcpy(all->items[at].place, place, strlen(place));
        all->count++;
    }
    leat_mem_free(all->items[at].value);
    all->items[at].value = message->value.data == NULL ? NULL : hex_of(message->value);
}

sim_lines sim_changelog(leat_memory_store *store, const char *name)
{
    sim_lines all = {0};
    cells *found = leat_mem_need(sizeof *found);
    leat_memory_topic *topic = leat_memory_topic_find(store, leat_str_of(name));
    for (int32_t p = 0; topic != NULL && p < topic->partitions_count; p++) {
        found->partition = p;
        each(topic, p, take_cell, found);
    }
    for (size_t i = 0; i < found->count; i++) {
        const cell *c = &found->items[i];
        if (c->value != NULL) {
            leat_buf line;
            leat_buf_init(&line, (size_t)16 << 20);
            leat_buf_add_format(&line, "%s,\"value\":\"", c->place);
            leat_buf_add(&line, leat_str_of(c->value));
            leat_buf_add_text(&line, "\"}");
            sim_lines_add(&all, line.data, line.len);
            leat_buf_release(&line);
        }
        leat_mem_free(c->place);
        leat_mem_free(c->value);
    }
    leat_mem_free(found);
    sim_lines_sort(&all);
    return all;
}

sim_lines sim_dump(const char *path)
{
    sim_lines all = {0};
    char *line = NULL;
    size_t room = 0;
    ssize_t len = 0;
    FILE *file = fopen(path, "r");
    LEAT_ASSERT(file != NULL);
    while ((len = getline(&line, &room, file)) > 0)
        sim_lines_add(&all, line, (size_t)len - 1);
    free(line);
    fclose(file);
    sim_lines_sort(&all);
    return all;
}
