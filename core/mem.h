/* SPDX-License-Identifier: Apache-2.0 */
/* The one door to the heap: nobody else calls malloc, so that tests can make the N-th allocation
 * fail and count what is live. Small fixed allocations abort when memory is gone (leat_mem_need);
 * whatever input can size goes through leat_mem_try and returns an error.
 * Thread: any. */
#ifndef LEAT_CORE_MEM_H
#define LEAT_CORE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

void *leat_mem_try(size_t bytes);                   /* NULL when there is none */
void *leat_mem_try_resize(void *ptr, size_t bytes); /* NULL: ptr is still valid */
void *leat_mem_need(size_t bytes);                  /* zeroed; aborts when there is none */
char *leat_mem_need_text(const char *text);         /* a copy of a C string */
void leat_mem_free(void *ptr);                      /* NULL is harmless */

/* For tests: the nth leat_mem_try* from now (1 = the next) fails; 0 = none. once: later ones work.
 * leat_mem_need is not counted: it cannot fail, only abort. */
void leat_mem_fail_at(uint64_t nth, bool once);
uint64_t leat_mem_allocations(void); /* so far, of this process */
uint64_t leat_mem_live(void);        /* blocks not yet freed */

#endif
