/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of csv, text, raw and CloudEvents: the first byte says which, the rest is the payload.
 *
 *   - nothing is read outside of it, nothing crashes, an error blames the record and says something
 *   - what comes out is a JSON object
 *   - what is written of it reads back as the same record */
#include "tests/fuzz/codec_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    codec_bench bench;
    if (size == 0) return 0;
    codec_bench_open(&bench);
    codec_check(&bench, (codec_kind)((data[0] - '0') % CODEC_KINDS),
                (leat_str){(const char *)data + 1, size - 1});
    codec_bench_close(&bench);
    return 0;
}
