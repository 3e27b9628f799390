/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A pool of threads that sleep until there is work: several ranks on one machine must not spin
 * against each other.
 */
#ifndef XAC_POOL_H
#define XAC_POOL_H

#include <stddef.h>

typedef struct xac_pool xac_pool;

/* threads: how many work, the caller included; 0: as many as this process may run on. Fewer when
 * the system gives fewer. NULL when memory is short. */
xac_pool *xac_pool_create(int threads);
void xac_pool_destroy(xac_pool *pool);
int xac_pool_threads(const xac_pool *pool);

/* Calls work(argument, item, worker) for item 0..items-1, each once, in any order, on workers
 * 0..threads-1; returns when all are done. Calls do not nest. */
void xac_pool_run(xac_pool *pool, size_t items,
                  void (*work)(void *argument, size_t item, int worker), void *argument);

#endif
