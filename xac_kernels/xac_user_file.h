/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A user's kernel file with its loops counted, for every back end. Before it stand xac_round(),
 * called for each round of each loop, and what xac_user_kernel.h declares. Included once.
 */

/* An else of the kernel's own stays with its own if: ours have theirs. A while may end a do. */
/* clang-format off */
#define for(...) for (__VA_ARGS__) if (xac_round(), 0) ; else
#define while(...) while (xac_round(), (__VA_ARGS__))
#define goto for (;;) goto
/* clang-format on */

#include XAC_USER_KERNEL

#undef for
#undef while
#undef goto

XAC_FUNCTION float xac_unit(float a) {
  return a > 0.0f ? (a < 1.0f ? a : 1.0f) : 0.0f; /* also for what is not a number */
}
