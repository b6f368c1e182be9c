/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys an object had so far.
 *
 *   frames   [ root | payload | card ]         one per open object
 *   keys     [ id ts | a b c d | pan exp ]     one stack for all of them
 *                      ^ first of the frame
 *
 * A small object's keys are compared with each other: lengths differ mostly, so that is cheaper
 * than any hash. Past KEYS_LINEAR the keys of the object go into a hash set, shared by all objects
 * of the text: an element is (object, key), the hash is keyed, and an object with 100,000 keys
 * costs what 100,000 look-ups cost. Elements are never removed: a text is bounded, so is the set;
 * the next text starts by a new generation, which makes all of them void at once.
 *
 * What was refused: a hash set per object (an adversary opens 100,000 objects of 17 keys), and
 * sorting (n log n for everybody). */
#include "schemas/json_keys.h"

#include "core/mem.h"

#define KEYS_LINEAR 16u
#define KEYS_START  64u
#define SET_START   256u

typedef struct frame {
    uint32_t first;  /* of its keys on the stack */
    uint32_t object; /* number of the object in this text */
    bool hashed;
} frame;

typedef struct element {
    const char *data;
    uint32_t len, object;
    uint32_t hash, generation;
} element;

struct leat_json_keys {
    leat_str *keys;
    uint32_t count, size;
    uint32_t frames_count;
    uint32_t objects;
    bool noticed;
    element *set;
    uint32_t set_count, set_size; /* size: a power of two */
    uint32_t generation;          /* of this text's elements, from 1 */
    frame frames[LEAT_JSON_DEPTH_CAP + 1];
};

leat_json_keys *leat_json_keys_new(void)
{
    leat_json_keys *keys = leat_mem_need(sizeof *keys);
    keys->keys = leat_mem_need(KEYS_START * sizeof keys->keys[0]);
    keys->size = KEYS_START;
    keys->generation = 1;
    return keys;
}

void leat_json_keys_free(leat_json_keys **keys)
{
    if (*keys == NULL) return;
    leat_mem_free((*keys)->keys);
    leat_mem_free((*keys)->set);
    leat_mem_free(*keys);
    *keys = NULL;
}

void leat_json_keys_reset(leat_json_keys *keys)
{
    keys->count = 0;
    keys->frames_count = 0;
    keys->objects = 0;
    keys->noticed = false;
    if (keys->set_count > 0) {
        keys->set_count = 0;
        if (++keys->generation == 0) { /* once in 4 billion texts: numbers begin anew */
            memset(keys->set, 0, keys->set_size * sizeof(element));
            keys->generation = 1;
        }
    }
}

void leat_json_keys_enter(leat_json_keys *keys)
{
    LEAT_ASSERT(keys->frames_count <= LEAT_JSON_DEPTH_CAP);
    keys->frames[keys->frames_count++] = (frame){keys->count, keys->objects++, false};
}

void leat_json_keys_leave(leat_json_keys *keys)
{
    LEAT_ASSERT(keys->frames_count > 0);
    keys->count = keys->frames[--keys->frames_count].first;
}

bool leat_json_keys_noticed(const leat_json_keys *keys)
{
    return keys->noticed;
}

static uint32_t key_hash(leat_str key, uint32_t object)
{
    return (uint32_t)(leat_str_hash(key) >> 32) ^ object * 0x9e3779b1u;
}

/* The element that is equal, or the void one where it would stand. */
static element *set_place(const leat_json_keys *keys, leat_str key, uint32_t object, uint32_t hash)
{
    uint32_t mask = keys->set_size - 1;
    for (uint32_t at = hash & mask;; at = (at + 1) & mask) {
        element *it = &keys->set[at];
        if (it->generation != keys->generation) return it;
        if (it->hash == hash && it->object == object &&
            leat_str_equal((leat_str){it->data, it->len}, key)) {
            return it;
        }
    }
}

static leat_code set_grow(leat_json_keys *keys, leat_err *err)
{
    leat_json_keys bigger = *keys;
    bigger.set_size = keys->set_size == 0 ? SET_START : keys->set_size * 2;
    size_t bytes = bigger.set_size * sizeof(element);
    bigger.set = leat_mem_try(bytes);
    if (bigger.set == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory to compare keys");
    memset(bigger.set, 0, bytes); /* generations start at 1 */
    for (uint32_t i = 0; i < keys->set_size; i++) {
        const element *it = &keys->set[i];
        if (it->generation != keys->generation) continue;
        *set_place(&bigger, (leat_str){it->data, it->len}, it->object, it->hash) = *it;
    }
    leat_mem_free(keys->set);
    keys->set = bigger.set;
    keys->set_size = bigger.set_size;
    return LEAT_OK;
}

static leat_code set_add(leat_json_keys *keys, leat_str key, uint32_t object, bool *twice,
                         leat_err *err)
{
    if (keys->set_count >= keys->set_size / 2) LEAT_TRY(set_grow(keys, err));
    uint32_t hash = key_hash(key, object);
    element *it = set_place(keys, key, object, hash);
    *twice = it->generation == keys->generation;
    if (*twice) return LEAT_OK;
    *it = (element){key.data, (uint32_t)key.len, object, hash, keys->generation};
    keys->set_count++;
    return LEAT_OK;
}

static leat_code push(leat_json_keys *keys, leat_str key, leat_err *err)
{
    if (keys->count == keys->size) {
        uint32_t size = keys->size * 2;
        leat_str *moved = leat_mem_try_resize(keys->keys, size * sizeof moved[0]);
        if (moved == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory to compare keys");
        keys->keys = moved;
        keys->size = size;
    }
    keys->keys[keys->count++] = key;
    return LEAT_OK;
}

leat_code leat_json_keys_add(leat_json_keys *keys, leat_str key, bool *twice, leat_err *err)
{
    LEAT_ASSERT(keys->frames_count > 0);
    frame *top = &keys->frames[keys->frames_count - 1];
    uint32_t count = keys->count - top->first;
    *twice = false;
    if (LEAT_UNLIKELY(count == KEYS_LINEAR && !top->hashed)) {
        for (uint32_t i = 0; i < count; i++) {
            bool known;
            LEAT_TRY(set_add(keys, keys->keys[top->first + i], top->object, &known, err));
            LEAT_ASSERT(!known);
        }
        top->hashed = true;
    }
    if (top->hashed) {
        LEAT_TRY(set_add(keys, key, top->object, twice, err));
        keys->noticed |= *twice;
        return LEAT_OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!leat_str_equal(keys->keys[top->first + i], key)) continue;
        *twice = true;
        keys->noticed = true;
        return LEAT_OK;
    }
    return push(keys, key, err);
}
