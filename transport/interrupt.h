/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ending a wait before its time limit, for whoever sits before an interpreter.
 */
#ifndef BEAMCAST_INTERRUPT_H
#define BEAMCAST_INTERRUPT_H

#include <stdbool.h>

/* From now on this thread's waits ask now and then whether they are to end; NULL: they do not. */
void bc_interrupt_by(bool (*asked)(void *context), void *context);

/* Whether this thread's wait is to end. Once it was, it is until the next bc_interrupt_by. */
bool bc_is_interrupted(void);

/* Milliseconds that this thread may wait before it asks again, at most `milliseconds`. */
int bc_wait_before_asking(int milliseconds);

#endif
