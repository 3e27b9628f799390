/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Surfaces of one value, with their edges drawn dark: where the surface turns away from the eye.
 */
XAC_PARAMETER(float, level, -100000, 100000, 300, "Value of the surface")
XAC_PARAMETER(float, width, 0.001, 100000, 150, "Values to either side that belong to it")
XAC_PARAMETER(float, edges, 0, 1, 0.8, "How dark edges are")

XAC_KERNEL(p, color) {
  float away = fabsf(p->value - XAC_GET(p, level)) / XAC_GET(p, width);
  color->a = 0.9f * (1.0f - xac_smooth(away, 0.5f, 1.0f));
  float facing = xac_facing(p, p->eye);
  float light = 0.25f + 0.75f * xac_facing(p, p->light);
  light *= 1.0f - XAC_GET(p, edges) * (1.0f - xac_smooth(facing, 0.1f, 0.45f));
  color->r *= light;
  color->g *= light;
  color->b *= light;
}
