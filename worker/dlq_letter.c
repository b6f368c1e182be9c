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
    else if (leat_str_is(name, "file"))
        letter->file = value;
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

static int64_t int_of(leat_value map, const char *name, int64_t fallback)
{
    leat_value value = leat_json_member(map, name);
    return value.tag == LEAT_INT ? value.as.i : fallback;
}

/* `name`, or the bytes that `name`_base64 stands for. What is neither text nor null would go back
 * as null, which deletes things: it is a mistake. */
static leat_code bytes_of(leat_value map, const char *name, const char *coded, leat_arena *arena,
                          leat_str *bytes, leat_err *err)
{
    leat_value plain = leat_json_member(map, name), code = leat_json_member(map, coded);
    *bytes = leat_json_member_text(map, name);
    if (code.tag == LEAT_MISSING) {
        if (bytes->data != NULL || plain.tag == LEAT_NULL) return LEAT_OK;
        return leat_err_set(err, LEAT_ERR_TYPE, "'%s' is not there, or neither text nor null",
                            name);
    }
    leat_str text = leat_json_member_text(map, coded);
    if (text.data == NULL || plain.tag != LEAT_MISSING)
        return leat_err_set(err, LEAT_ERR_TYPE, "'%s' must be text, and the only one of '%s'",
                            coded, name);
    leat_buf decoded;
    leat_buf_init(&decoded, text.len + 4);
    leat_code result = leat_base64_decode(text, LEAT_BASE64_STANDARD, &decoded, err);
    if (result == LEAT_OK) {
        *bytes = leat_arena_copy(arena, leat_buf_str(&decoded));
        if (bytes->data == NULL) result = leat_arena_full(arena, err);
    } else {
        leat_err_prefix(err, "'%s'", coded);
    }
    leat_buf_release(&decoded);
    return result;
}

static leat_code headers_of(leat_value list, leat_arena *arena, leat_letter *letter, leat_err *err)
{
    if (list.tag == LEAT_MISSING) return LEAT_OK;
    if (list.tag != LEAT_LIST) return leat_err_set(err, LEAT_ERR_TYPE, "'headers' is no list");
    leat_header *headers = leat_arena_array(arena, list.len, sizeof *headers);
    if (headers == NULL) return leat_arena_full(arena, err);
    for (uint32_t i = 0; i < list.len; i++) {
        leat_value item = list.as.items[i];
        if (bytes_of(item, "name", "name_base64", arena, &headers[i].name, err) != LEAT_OK)
            return leat_err_prefix(err, "headers[%u]", i);
        if (headers[i].name.data == NULL)
            return leat_err_set(err, LEAT_ERR_TYPE, "headers[%u] has no 'name'", i);
        if (bytes_of(item, "value", "value_base64", arena, &headers[i].value, err) != LEAT_OK)
            return leat_err_prefix(err, "headers[%u]", i);
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
    LEAT_TRY(leat_json_value(line, wide, arena, &map, err));
    letter->offset = number;
    letter->pipeline = leat_json_member_text(map, "pipeline");
    letter->step = leat_json_member_text(map, "step");
    letter->error = leat_json_member_text(map, "error");
    if (letter->error.data == NULL)
        return leat_err_set(err, LEAT_ERR_TYPE, "it has no 'error': no dead letter");
    letter->code = leat_json_member_text(map, "code");
    letter->topic = leat_json_member_text(map, "topic");
    letter->file = leat_json_member_text(map, "file");
    letter->masked = leat_json_member_text(map, "masked");
    letter->withheld = leat_json_member(map, "withheld").tag != LEAT_MISSING;
    letter->from_partition = partition_of(int_of(map, "partition", -1));
    letter->from_offset = int_of(map, "line", -1);
    letter->timestamp_ms = int_of(map, "timestamp", LEAT_TIME_NONE);
    letter->attempt = int_of(map, "attempt", 1);
    if (letter->topic.data != NULL)
        LEAT_TRY(bytes_of(map, "key", "key_base64", arena, &letter->key, err));
    LEAT_TRY(bytes_of(map, "value", "value_base64", arena, &letter->value, err));
    return headers_of(leat_json_member(map, "headers"), arena, letter, err);
}
