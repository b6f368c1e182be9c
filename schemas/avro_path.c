/* SPDX-License-Identifier: Apache-2.0 */
/* The path to where an error is: "items[3].price".
 *
 * Going in, nobody notes where he is, as nearly all records are good. Coming out, each level that
 * the error passes puts its name in front of those below it, so the text is filled from its end:
 *
 *   |                .price|   ->   |             [3].price|   ->   |        items[3].price|
 *
 * A path longer than the room loses its beginning, the part that helps least. */
#include <stdio.h>

#include "schemas/avro_plan.h"

static void put_front(avro_path *path, leat_str text)
{
    if (text.len > path->at) return;
    path->at -= text.len;
    if (text.len > 0) memcpy(path->text + path->at, text.data, text.len);
}

static void join(avro_path *path)
{
    if (path->at < sizeof path->text && path->text[path->at] != '[') put_front(path, LEAT_STR("."));
}

void avro_path_field(avro_path *path, leat_str name)
{
    LEAT_ASSERT(path->at <= sizeof path->text);
    join(path);
    put_front(path, name);
}

void avro_path_item(avro_path *path, size_t index)
{
    char text[32];
    LEAT_ASSERT(path->at <= sizeof path->text);
    int len = snprintf(text, sizeof text, "[%zu]", index);
    join(path);
    put_front(path, (leat_str){text, (size_t)len});
}

void avro_path_tell(const avro_path *path, leat_err *err)
{
    leat_str text = {path->text + path->at, sizeof path->text - path->at};
    if (text.len > 0) (void)leat_err_prefix(err, "'%.*s'", LEAT_STR_ARG(text));
}
