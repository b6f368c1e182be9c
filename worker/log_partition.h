/* SPDX-License-Identifier: Apache-2.0 */
/* The partition of a key, as Java clients choose it: murmur2, sign bit off, modulo. Whoever writes
 * a record and whoever keeps state by its key must agree on this.
 * Thread: any. Cost: ~1 ns per 4 bytes. */
#ifndef LEAT_WORKER_LOG_PARTITION_H
#define LEAT_WORKER_LOG_PARTITION_H

#include "core/str.h"

/* key.data may be NULL only with len 0; partitions > 0. */
int32_t leat_log_partition(leat_str key, int32_t partitions);

#endif
