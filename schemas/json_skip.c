/* SPDX-License-Identifier: Apache-2.0 */
/* Passing over values that nobody reads, but checking them: what a record passes on untouched has
 * to be right too, or the next reader of the topic finds the mistake.
 *
 * No recursion: what kind each open container is takes one bit, so that a text that is nothing but
 * brackets costs its bytes and ends at the depth limit. Keys are compared only if the caller wants
 * that (input->keys): the validator does not, a decoder does, as it passes the bytes on. */
#include "schemas/json_keys.h"
#include "schemas/json_scan.h"

#define KIND_WORDS ((LEAT_JSON_DEPTH_CAP + 63) / 64 + 1)

typedef struct walk {
    const leat_json_input *input;
    uint32_t depth;             /* open containers, those outside included */
    uint64_t kinds[KIND_WORDS]; /* bit `depth`: that container is an object */
} walk;

static bool in_object(const walk *w)
{
    return (w->kinds[w->depth / 64] >> (w->depth % 64) & 1) != 0;
}

static const char *scalar(const leat_json_input *input, const char *p)
{
    if (*p == '"') {
        bool escaped;
        p = leat_json_string_end(input, p + 1, &escaped);
        return p != NULL ? p + 1 : NULL;
    }
    if (*p == '-' || (unsigned)(*p - '0') <= 9) {
        leat_json_digits digits;
        return leat_json_number_end(input, p, &digits);
    }
    leat_value value;
    return leat_json_literal_end(input, p, &value);
}

static const char *member(const walk *w, const char *p)
{
    const leat_json_input *input = w->input;
    leat_str key;
    p = leat_json_key(input, p, &key);
    if (p == NULL || input->keys == NULL) return p;
    bool twice;
    return leat_json_keys_add(input->keys, key, &twice, input->err) == LEAT_OK ? p : NULL;
}

static const char *close_container(walk *w, const char *p)
{
    LEAT_ASSERT(w->depth > 0);
    if (w->input->keys != NULL && in_object(w)) leat_json_keys_leave(w->input->keys);
    w->depth--;
    return p + 1;
}

/* p is at a bracket or brace. *empty: it is closed again, p is behind it. */
static const char *open_container(walk *w, const char *p, bool *empty)
{
    const leat_json_input *input = w->input;
    bool object = *p == '{';
    LEAT_ASSERT(input->depth_max <= LEAT_JSON_DEPTH_CAP);
    if (w->depth >= input->depth_max) {
        return leat_json_fail(input, p, LEAT_ERR_LIMIT, "nested deeper than %u levels",
                              (unsigned)input->depth_max);
    }
    w->depth++;
    uint64_t bit = (uint64_t)1 << (w->depth % 64);
    uint64_t *word = &w->kinds[w->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    if (object && input->keys != NULL) leat_json_keys_enter(input->keys);
    p = leat_json_space_end(p + 1, input->end);
    *empty = p < input->end && *p == (object ? '}' : ']');
    if (*empty) return close_container(w, p);
    if (object) return member(w, p);
    return p < input->end ? p : leat_json_expected(input, p, "a value or ']'");
}

/* Behind a value: closes what ends here, gives the place of the next value, or, when the depth is
 * `base` again, the place behind the last bracket. */
static const char *next_value(walk *w, const char *p, uint32_t base)
{
    const leat_json_input *input = w->input;
    while (w->depth > base) {
        bool object = in_object(w);
        p = leat_json_space_end(p, input->end);
        if (p < input->end && *p == ',') {
            if (object) return member(w, p + 1);
            p = leat_json_space_end(p + 1, input->end);
            return p < input->end ? p : leat_json_expected(input, p, "a value");
        }
        if (p == input->end || *p != (object ? '}' : ']')) {
            return leat_json_expected(input, p, object ? "',' or '}'" : "',' or ']'");
        }
        p = close_container(w, p);
    }
    return p;
}

static const char *skip_nested(const leat_json_input *input, const char *p, uint32_t depth)
{
    walk w = {.input = input, .depth = depth};
    do {
        bool empty = false;
        if (*p == '{' || *p == '[') {
            p = open_container(&w, p, &empty);
            if (p == NULL) return NULL;
            if (!empty) continue;
        } else {
            p = scalar(input, p);
            if (p == NULL) return NULL;
        }
        p = next_value(&w, p, depth);
        if (p == NULL) return NULL;
    } while (w.depth > depth);
    return p;
}

const char *leat_json_skip(const leat_json_input *input, const char *p, uint32_t depth)
{
    LEAT_ASSERT(depth <= LEAT_JSON_DEPTH_CAP && p <= input->end);
    if (p == input->end) return leat_json_expected(input, p, "a value");
    if (*p == '{' || *p == '[') return skip_nested(input, p, depth);
    return scalar(input, p);
}

leat_code leat_json_validate(leat_str text, leat_json_limits limits, leat_err *err)
{
    leat_json_input input;
    LEAT_TRY(leat_json_input_init(&input, text, limits, err));
    const char *p = leat_json_skip(&input, leat_json_space_end(input.start, input.end), 0);
    if (p == NULL) return err->code;
    p = leat_json_space_end(p, input.end);
    if (p == input.end) return LEAT_OK;
    (void)leat_json_expected(&input, p, "the end of the text");
    return err->code;
}
