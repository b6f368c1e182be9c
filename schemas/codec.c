/* SPDX-License-Identifier: Apache-2.0 */
/* What codecs that go by way of JSON text share.
 * A record that no step has changed is its own text already. */
#include "schemas/codec.h"

leat_code leat_codec_text(const leat_codec_out *out, leat_buf *scratch, leat_str *json,
                          leat_err *err)
{
    LEAT_ASSERT(out->root != NULL && scratch != NULL);
    if (out->root->open && out->root->fields == NULL && out->raw.data != NULL) {
        *json = out->raw; /* nobody has changed it */
        return LEAT_OK;
    }
    leat_buf_reset(scratch);
    LEAT_TRY(leat_json_encode(out->root, out->raw, out->slots, out->arena, scratch, err));
    LEAT_TRY(leat_buf_check(scratch, "a record", err));
    *json = leat_buf_str(scratch);
    return LEAT_OK;
}
