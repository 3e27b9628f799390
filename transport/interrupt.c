/* SPDX-License-Identifier: BSD-3-Clause
 * Who is asked whether to wait on; see interrupt.h. */
#include "interrupt.h"

#include <stddef.h>

enum { ASK_EVERY_MS = 200 };

static _Thread_local struct {
  bool (*asked)(void *context);
  void *context;
  bool yes;
} interrupt;

void bc_interrupt_by(bool (*asked)(void *context), void *context) {
  interrupt.asked = asked;
  interrupt.context = context;
  interrupt.yes = false;
}

bool bc_is_interrupted(void) {
  if (!interrupt.yes && interrupt.asked != NULL) {
    interrupt.yes = interrupt.asked(interrupt.context);
  }
  return interrupt.yes;
}

int bc_wait_before_asking(int milliseconds) {
  return interrupt.asked != NULL && milliseconds > ASK_EVERY_MS ? ASK_EVERY_MS : milliseconds;
}
