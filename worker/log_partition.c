/* SPDX-License-Identifier: Apache-2.0 */
/* Murmur2 with Kafka's seed. librdkafka has it too (partitioner murmur2_random), yet the embedded
 * log must place keys in the same way, or a pipeline that was tried at the desk would keep its
 * state elsewhere than in production. The test compares both on fixed keys of the Java client.
 * Refused: any better hash; this one is the agreement. */
#include "worker/log_partition.h"

#include "core/err.h"

#define SEED 0x9747b28cu
#define MIX  0x5bd1e995u

static uint32_t murmur2(leat_str key)
{
    uint32_t hash = SEED ^ (uint32_t)key.len;
    const unsigned char *at = (const unsigned char *)key.data;
    size_t left = key.len;
    for (; left >= 4; left -= 4, at += 4) {
        uint32_t word =
            (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        word *= MIX;
        word ^= word >> 24;
        word *= MIX;
        hash = (hash * MIX) ^ word;
    }
    if (left >= 3) hash ^= (uint32_t)at[2] << 16;
    if (left >= 2) hash ^= (uint32_t)at[1] << 8;
    if (left >= 1) hash = (hash ^ at[0]) * MIX;
    hash ^= hash >> 13;
    hash *= MIX;
    return hash ^ hash >> 15;
}

int32_t leat_log_partition(leat_str key, int32_t partitions)
{
    LEAT_ASSERT(partitions > 0);
    LEAT_ASSERT(key.data != NULL || key.len == 0);
    return (int32_t)(murmur2(key) & 0x7fffffffu) % partitions;
}
