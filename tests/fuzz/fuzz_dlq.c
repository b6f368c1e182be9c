/* SPDX-License-Identifier: Apache-2.0 */
/* A file of dead letters that may be anything: it is read to its end, each line is a letter, a
 * marker, blank or counted as damaged; what the filter takes can be looked at, and asked what is in
 * the way of sending it back. Then all that can be goes to another file, and a second reading finds
 * nothing left to send. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker/dlq.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct reading {
    leat_dlq *dlq;
    leat_dlq_order order;
    size_t letters, sent;
    uint64_t bytes;
} reading;

static uint64_t sum(leat_str text)
{
    uint64_t all = 0;
    for (size_t i = 0; text.data != NULL && i < text.len; i++)
        all += (unsigned char)text.data[i];
    return all;
}

static leat_code visit(void *self, const leat_letter *letter, bool *more, leat_err *err)
{
    reading *at = self;
    bool twin = false;
    (void)more;
    LEAT_ASSERT(!letter->redriven && letter->error.data != NULL);
    at->letters++;
    at->bytes += sum(letter->step) + sum(letter->error) + sum(letter->key) + sum(letter->value);
    for (size_t i = 0; i < letter->headers_count; i++) {
        LEAT_ASSERT(letter->headers[i].name.data != NULL);
        at->bytes += sum(letter->headers[i].name) + sum(letter->headers[i].value);
    }
    if (leat_dlq_obstacle(letter, &at->order) != NULL) return LEAT_OK;
    at->sent++;
    LEAT_TRY(leat_dlq_is_twin(at->dlq, letter, &twin, err));
    return twin ? leat_dlq_skip(at->dlq, letter, err)
                : leat_dlq_send(at->dlq, letter, &at->order, err);
}

static size_t send_all(const char *from, const char *to)
{
    const leat_dlq_filter all = {.ranges_count = 0};
    reading at = {.order = {.to_file = true, .masked = true}};
    leat_err err;
    LEAT_ASSERT(leat_dlq_open_file(from, true, &at.dlq, &err) == LEAT_OK);
    LEAT_ASSERT(leat_dlq_to_file(at.dlq, to, &err) == LEAT_OK);
    LEAT_ASSERT(leat_dlq_read(at.dlq, &all, visit, &at, &err) == LEAT_OK);
    LEAT_ASSERT(leat_dlq_finish(at.dlq, &err) == LEAT_OK);
    leat_dlq_close(&at.dlq);
    return at.sent;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char from[64], to[64];
    int dead = memfd_create("dead", MFD_CLOEXEC), back = memfd_create("back", MFD_CLOEXEC);
    LEAT_ASSERT(dead >= 0 && back >= 0);
    (void)snprintf(from, sizeof from, "/proc/self/fd/%d", dead);
    (void)snprintf(to, sizeof to, "/proc/self/fd/%d", back);
    LEAT_ASSERT(size == 0 || write(dead, data, size) == (ssize_t)size);
    (void)send_all(from, to);
    LEAT_ASSERT(send_all(from, to) == 0);
    close(dead);
    close(back);
    return 0;
}
