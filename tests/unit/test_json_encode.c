/* SPDX-License-Identifier: Apache-2.0 */
/* Records by their layouts. A layout is written here as a text:
 *
 *   {a=0 b- c=1{x=2}}     closed: a from slot 0, b removed, c an object over slot 1, x from slot 2
 *   {* a=0}               open
 *   {b-1}                 b removed, which a step had put into slot 1 */
#include <criterion/criterion.h>

#include "schemas/codec_json.h"
#include "tests/unit/leak.h"

LEAT_SUITE(json_encode);

#define SLOTS 4

static leat_arena *make_arena(void)
{
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, (size_t)16 << 20, &err), LEAT_OK);
    return arena;
}

static const char *parse_layout(const char *p, leat_field *object, leat_arena *arena)
{
    object->kind = LEAT_FIELD_OBJECT;
    leat_field **link = &object->fields;
    for (p++; *p != '}';) {
        if (*p == '*' || *p == ' ') {
            object->open |= *p == '*';
            p++;
            continue;
        }
        leat_field *field = leat_arena_zero(arena, sizeof *field);
        size_t len = strcspn(p, "=-{");
        field->name = (leat_str){p, len};
        field->slot = LEAT_SLOT_NONE;
        p += len;
        field->kind = *p == '-' ? LEAT_FIELD_REMOVED : LEAT_FIELD_SLOT;
        bool slot = *p != '{' && p[1] >= '0' && p[1] <= '9';
        if (slot) field->slot = (uint32_t)(*++p - '0');
        if (*p != '{') p++;
        if (*p == '{') p = parse_layout(p, field, arena);
        *link = field;
        link = &field->next;
    }
    return p + 1;
}

/* Slots as a JSON list, in which "?" stands for a missing one, and objects stay text. */
static void parse_slots(const char *text, leat_value *slots, leat_arena *arena)
{
    leat_err err;
    leat_value list;
    cr_assert_eq(leat_json_value(leat_str_of(text), LEAT_JSON_LIMITS_DEFAULT, arena, &list, &err),
                 LEAT_OK, "%s", text);
    for (uint32_t i = 0; i < SLOTS; i++) {
        slots[i] = i < list.len ? list.as.items[i] : LEAT_VALUE_MISSING;
        leat_value it = slots[i];
        if (it.tag == LEAT_STRING && leat_str_is(leat_value_str(it), "?")) {
            slots[i] = LEAT_VALUE_MISSING;
        } else if (it.tag == LEAT_STRING && it.as.text[0] == '{') {
            slots[i] = leat_value_text(LEAT_JSON, leat_value_str(it));
        }
    }
}

Test(json_encode, follows_the_layout)
{
    static const struct {
        const char *layout, *raw, *slots;
        const char *want; /* NULL: LEAT_ERR_TYPE */
    } cases[] = {
        /* open records */
        {"{*}", " {\"a\":1, \"b\" : 2} ", "[]", " {\"a\":1, \"b\" : 2} "},
        {"{*}", NULL, "[]", "{}"},
        {"{* a=0}", "{\"a\":1,\"b\":2}", "[\"x\"]", "{\"a\":\"x\",\"b\":2}"},
        {"{* b=0}", "{\"a\":1, \"b\" : 2 , \"c\":[1, 2]}", "[\"x\"]",
         "{\"a\":1,\"b\":\"x\",\"c\":[1, 2]}"},
        {"{* c=0}", "{\"a\":1,\"b\":2}", "[5]", "{\"a\":1,\"b\":2,\"c\":5}"},
        {"{* d=1 c=0}", "{\"a\":1}", "[5,6]", "{\"a\":1,\"d\":6,\"c\":5}"},
        {"{* c=0}", "{}", "[5]", "{\"c\":5}"},
        {"{* c=0}", NULL, "[5]", "{\"c\":5}"},
        {"{* c=0}", "{\"a\":1,\"c\":2}", "[\"?\"]", "{\"a\":1}"},
        {"{* a-}", "{\"a\":1,\"b\":2}", "[]", "{\"b\":2}"},
        {"{* b-}", "{\"a\":1,\"b\":2}", "[]", "{\"a\":1}"},
        {"{* a- b-}", "{\"a\":1,\"b\":2}", "[]", "{}"},
        {"{* x-}", "{\"a\":1,\"b\":2}", "[]", "{\"a\":1,\"b\":2}"},
        {"{* b-}", "{\"a\":1,\"b\":2,\"c\":3}", "[]", "{\"a\":1,\"c\":3}"},
        {"{* ab=0}", "{\"\\u0061\\u0062\":1,\"c\":3}", "[2]", "{\"ab\":2,\"c\":3}"},
        {"{* q\"=0}", "{}", "[2]", "{\"q\\\"\":2}"},
        /* closed records */
        {"{b=1 a=0}", "{\"a\":1,\"b\":2}", "[7,8]", "{\"b\":8,\"a\":7}"},
        {"{b=1 a=0}", NULL, "[7,\"?\"]", "{\"a\":7}"},
        {"{b=1}", "{\"b\":1}", "[]", "{}"},
        {"{a=0 b-}", "{\"b\":1}", "[null]", "{\"a\":null}"},
        /* nested, over a base */
        {"{* a=0{* x=1}}", "{\"a\":{\"x\":1,\"y\":2},\"b\":3}", "[\"{\\\"x\\\":1,\\\"y\\\":2}\",9]",
         "{\"a\":{\"x\":9,\"y\":2},\"b\":3}"},
        {"{* a=0{* x-}}", "{\"a\":{\"x\":1},\"b\":3}", "[\"{\\\"x\\\":1}\"]", "{\"a\":{},\"b\":3}"},
        {"{* a=0{x=1}}", "{\"a\":{\"y\":1},\"b\":3}", "[\"{\\\"y\\\":1}\",\"?\"]",
         "{\"a\":{},\"b\":3}"},
        {"{a=0{x=1}}", "{\"a\":{\"x\":1,\"y\":2}}", "[\"{\\\"x\\\":1}\",1]", "{\"a\":{\"x\":1}}"},
        {"{* a=0{* x=1{* z=2}}}", "{\"a\":{}}", "[\"{}\",\"?\",5]", "{\"a\":{\"x\":{\"z\":5}}}"},
        /* nested, without a base */
        {"{* a=0{* x=1}}", "{\"b\":3}", "[\"?\",9]", "{\"b\":3,\"a\":{\"x\":9}}"},
        {"{* a=0{* x=1}}", "{\"b\":3}", "[\"?\",\"?\"]", "{\"b\":3}"},
        {"{* a=0{* x-1}}", "{\"b\":3}", "[\"?\",9]", "{\"b\":3,\"a\":{}}"},
        {"{* a=0{* x-1}}", "{\"b\":3}", "[\"?\",\"?\"]", "{\"b\":3}"},
        {"{a=0{x-1}}", "{\"b\":3}", "[\"?\",9]", "{\"a\":{}}"},
        {"{* a=0{* x-}}", "{\"b\":3}", "[\"?\"]", "{\"b\":3}"},
        {"{* a{* x=1}}", "{\"b\":3}", "[\"?\",9]", "{\"b\":3,\"a\":{\"x\":9}}"},
        {"{a{b{c=0}}}", NULL, "[1]", "{\"a\":{\"b\":{\"c\":1}}}"},
        {"{a{b{c=0}}}", NULL, "[\"?\"]", "{}"},
        /* bases that are values */
        {"{a=0{* x=1}}", NULL, "[{\"x\":1,\"y\":[2]},9]", "{\"a\":{\"x\":9,\"y\":[2]}}"},
        /* bases that are no objects */
        {"{* a=0{* x=1}}", "{\"a\":5}", "[5,9]", NULL},
        {"{* a=0{* x=1}}", "{\"a\":null}", "[null,9]", NULL},
        {"{* a=0{* x=1}}", "{\"a\":[1]}", "[[1],9]", NULL},
        {"{* a=0{* x-}}", "{\"a\":5,\"b\":1}", "[5]", "{\"a\":5,\"b\":1}"},
        {"{* a=0{* x=1}}", "{\"a\":5}", "[5,\"?\"]", "{\"a\":5}"},
        {"{a=0{x=1}}", "{\"a\":5}", "[5,\"?\"]", "{}"},
        /* a root over a slot */
    };
    leat_arena *arena = make_arena();
    leat_buf out;
    leat_buf_init(&out, 1u << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        leat_field root = {.slot = LEAT_SLOT_NONE};
        leat_value slots[SLOTS];
        leat_err err;
        cr_assert_eq(*parse_layout(cases[i].layout, &root, arena), '\0');
        parse_slots(cases[i].slots, slots, arena);
        leat_buf_reset(&out);
        leat_buf_add_text(&out, "kept ");
        leat_code code =
            leat_json_encode(&root, leat_str_of(cases[i].raw), slots, arena, &out, &err);
        leat_buf_add_char(&out, '\0');
        if (cases[i].want == NULL) {
            cr_assert_eq(code, LEAT_ERR_TYPE, "%s", cases[i].layout);
            cr_assert_str_eq(out.data, "kept ");
            continue;
        }
        cr_assert_eq(code, LEAT_OK, "%s: %s", cases[i].layout, err.text);
        cr_assert_str_eq(out.data + 5, cases[i].want, "%s: %s", cases[i].layout, out.data + 5);
    }
    leat_buf_release(&out);
    leat_arena_free(&arena);
}

Test(json_encode, a_root_over_a_slot)
{
    leat_arena *arena = make_arena();
    leat_buf out;
    leat_buf_init(&out, 1u << 20);
    leat_field root = {0};
    leat_value slots[SLOTS];
    leat_err err;
    (void)parse_layout("{* a=1}", &root, arena);
    parse_slots("[\"{\\\"a\\\":1,\\\"b\\\":2}\",9]", slots, arena);
    cr_assert_eq(leat_json_encode(&root, LEAT_STR_NONE, slots, arena, &out, &err), LEAT_OK);
    cr_assert(leat_str_is(leat_buf_str(&out), "{\"a\":9,\"b\":2}"));
    slots[0] = leat_value_int(5);
    cr_assert_eq(leat_json_encode(&root, LEAT_STR_NONE, slots, arena, &out, &err), LEAT_ERR_TYPE);
    leat_buf_release(&out);
    leat_arena_free(&arena);
}

Test(json_encode, stops_at_the_buffer_and_the_arena)
{
    leat_arena *arena = make_arena(), *small = NULL;
    leat_field root = {.slot = LEAT_SLOT_NONE};
    leat_value slots[SLOTS];
    leat_err err;
    leat_str raw = LEAT_STR("{\"a\":1,\"b\":2}");
    (void)parse_layout("{* a=0}", &root, arena);
    parse_slots("[\"some text\"]", slots, arena);
    for (size_t max = 0; max <= 30; max++) {
        leat_buf out;
        leat_buf_init(&out, max);
        leat_code code = leat_json_encode(&root, raw, slots, arena, &out, &err);
        cr_assert_eq(code,
                     max < strlen("{\"a\":\"some text\",\"b\":2}") ? LEAT_ERR_LIMIT : LEAT_OK);
        leat_buf_release(&out);
    }
    leat_buf out;
    leat_buf_init(&out, 100);
    cr_assert_eq(leat_arena_new(&small, 0, &err), LEAT_OK);
    cr_assert_eq(leat_json_encode(&root, raw, slots, small, &out, &err), LEAT_ERR_LIMIT);
    leat_buf_release(&out);
    leat_arena_free(&small);
    leat_arena_free(&arena);
}
