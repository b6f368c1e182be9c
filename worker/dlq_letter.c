/* SPDX-License-Identifier: Apache-2.0 */
/* One dead letter out of a record's headers, or of a JSON line (transforms/exec_reject.c writes
 * both). Headers that are not the story are the record's own. What has no story at all, as somebody
 * else wrote to the topic, or an older version did, is a letter too, without step and error: it is
 * shown, and can be sent back nowhere but to a named topic. What a number should be and is not
 * counts as unknown: a letter is looked at by people first. */
#include "core/base64.h"
#include "core/number.h"
#include "schemas/codec_json.h"
#include "worker/dlq_inside.h"

static int64_t number_of(leat_str text, int64_t fallback)
{
    int64_t number = fallback;
    return leat_number_int(text, &number) == LEAT_NUMBER_OK ? number : fallback;
}

/* -1: no partition that there could be. */
static int32_t partition_of(int64_t number)
{
    return number >= 0 && number <= INT32_MAX ? (int32_t)number : -1;
}

/* Takes a header of the story; false: it is none. */
static bool take_story(const leat_header *header, leat_letter *letter)
{
    leat_str name = header->name, value = header->value;
    if (!leat_str_starts(name, LEAT_STR("leat."))) return false;
    name = leat_str_slice(name, 5, name.len);
    if (leat_str_is(name, "pipeline"))
        letter->pipeline = value;
    else if (leat_str_is(name, "step"))
        letter->step = value;
    else if (leat_str_is(name, "error"))
        letter->error = value;
    else if (leat_str_is(name, "code"))
        letter->code = value;
    else if (leat_str_is(name, "topic"))
        letter->topic = value;
    else if (leat_str_is(name, "masked"))
        letter->masked = value;
    else if (leat_str_is(name, "partition"))
        letter->from_partition = partition_of(number_of(value, -1));
    else if (leat_str_is(name, "offset"))
        letter->from_offset = number_of(value, -1);
    else if (leat_str_is(name, "timestamp"))
        letter->timestamp_ms = number_of(value, LEAT_TIME_NONE);
    else if (leat_str_is(name, "attempt"))
        letter->attempt = number_of(value, 1);
    else if (leat_str_is(name, "withheld"))
        letter->withheld = true;
    else if (leat_str_is(name, "cut_from_bytes"))
        letter->cut = true;
    else
        return false;
    return true;
}

static const leat_letter unknown = {.at_ms = LEAT_TIME_NONE,
                                    .from_partition = -1,
                                    .from_offset = -1,
                                    .timestamp_ms = LEAT_TIME_NONE,
                                    .attempt = 1};

leat_code leat_letter_of_message(const leat_message *message, const leat_header *headers,
                                 size_t count, leat_arena *arena, leat_letter *letter,
                                 leat_err *err)
{
    leat_header *own = leat_arena_array(arena, count, sizeof *own);
    if (own == NULL) return leat_arena_full(arena, err);
    *letter = unknown;
    letter->partition = message->partition;
    letter->offset = message->offset;
    letter->at_ms = message->timestamp_ms;
    letter->key = message->key;
    letter->value = message->value;
    for (size_t i = 0; i < count; i++)
        if (!take_story(&headers[i], letter)) own[letter->headers_count++] = headers[i];
    letter->headers = own;
    return LEAT_OK;
}

/* --- lines --- */

static leat_value member(leat_value map, const char *name)
{
    for (uint32_t i = 0; map.tag == LEAT_MAP && i < map.len; i++)
        if (leat_str_is(leat_value_str(map.as.entries[i].key), name))
            return map.as.entries[i].value;
    return LEAT_VALUE_MISSING;
}

static leat_str text_of(leat_value map, const char *name)
{
    leat_value value = member(map, name);
    if (value.tag != LEAT_STRING) return LEAT_STR_NONE;
    return value.len > 0 ? leat_value_str(value) : LEAT_STR("");
}

static int64_t int_of(leat_value map, const char *name, int64_t fallback)
{
    leat_value value = member(map, name);
    return value.tag == LEAT_INT ? value.as.i : fallback;
}

/* `name`, or the bytes that `name`_base64 stands for. */
static leat_code bytes_of(leat_value map, const char *name, const char *coded, leat_arena *arena,
                          leat_str *bytes, leat_err *err)
{
    leat_str text = text_of(map, coded);
    *bytes = text_of(map, name);
    if (text.data == NULL) return LEAT_OK;
    leat_buf decoded;
    leat_buf_init(&decoded, text.len + 4);
    leat_code code = leat_base64_decode(text, LEAT_BASE64_STANDARD, &decoded, err);
    if (code == LEAT_OK) {
        *bytes = leat_arena_copy(arena, leat_buf_str(&decoded));
        if (bytes->data == NULL) code = leat_arena_full(arena, err);
    }
    leat_buf_release(&decoded);
    return code;
}

static leat_code headers_of(leat_value list, leat_arena *arena, leat_letter *letter, leat_err *err)
{
    if (list.tag != LEAT_LIST) return LEAT_OK;
    leat_header *headers = leat_arena_array(arena, list.len, sizeof *headers);
    if (headers == NULL) return leat_arena_full(arena, err);
    for (uint32_t i = 0; i < list.len; i++) {
        headers[i].name = text_of(list.as.items[i], "name");
        LEAT_TRY(
            bytes_of(list.as.items[i], "value", "value_base64", arena, &headers[i].value, err));
    }
    letter->headers = headers;
    letter->headers_count = list.len;
    return LEAT_OK;
}

leat_code leat_letter_of_line(leat_str line, int64_t number, leat_arena *arena, leat_letter *letter,
                              leat_err *err)
{
    leat_value map;
    leat_json_limits wide = {1024, UINT32_MAX};
    *letter = unknown;
    leat_code code = leat_json_value(line, wide, arena, &map, err);
    if (code == LEAT_OK && (map.tag != LEAT_MAP || text_of(map, "error").data == NULL))
        code = leat_err_set(err, LEAT_ERR_INVALID, "it has no 'error'");
    if (code != LEAT_OK) {
        err->code = LEAT_ERR_CONFIG;
        return leat_err_prefix(err, "line %lld is no dead letter", (long long)number);
    }
    letter->offset = number;
    letter->pipeline = text_of(map, "pipeline");
    letter->step = text_of(map, "step");
    letter->error = text_of(map, "error");
    letter->topic = text_of(map, "topic");
    letter->masked = text_of(map, "masked");
    letter->withheld = member(map, "withheld").tag == LEAT_INT;
    letter->from_partition = partition_of(int_of(map, "partition", -1));
    letter->from_offset = int_of(map, "line", -1);
    letter->timestamp_ms = int_of(map, "timestamp", LEAT_TIME_NONE);
    letter->attempt = int_of(map, "attempt", 1);
    LEAT_TRY(bytes_of(map, "key", "key_base64", arena, &letter->key, err));
    LEAT_TRY(bytes_of(map, "value", "value_base64", arena, &letter->value, err));
    return headers_of(member(map, "headers"), arena, letter, err);
}
