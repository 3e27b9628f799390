/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For tests: its loop does not end for values that no trial run has.
 */
XAC_KERNEL(p, color) {
  int i = 0;
  while (p->value < 2500.0f ? i < 4 : 1) {
    i++;
  }
  color->r = 0.0f;
  color->b = (float)i;
}
