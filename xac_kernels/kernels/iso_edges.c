/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Surfaces of one value, equally thick wherever they are steep or flat (the distance to the surface
 * is the value's distance over the gradient, after Levoy 1988), their edges drawn dark.
 */
XAC_PARAMETER(float, level, -100000, 100000, 300, "Value of the surface")
XAC_PARAMETER(float, thickness, 0, 100000, 1.5, "Half the surface's thickness, a length")
XAC_PARAMETER(float, edges, 0, 1, 0.8, "How dark edges are")

XAC_KERNEL(p, color) {
  float steepness = xac_length(p->gradient);
  float away = fabsf(p->value - XAC_GET(p, level));
  float thick = fmaxf(XAC_GET(p, thickness), 1.5f * p->step); /* thinner, samples would miss it */
  color->a = steepness > 0.0f ? 0.95f * xac_clamp(1.5f - away / (steepness * thick), 0, 1) : 0.0f;
  float facing = xac_facing(p, p->eye);
  float light = 0.25f + 0.75f * xac_facing(p, p->light);
  light *= 1.0f - XAC_GET(p, edges) * (1.0f - xac_smooth(facing, 0.05f, 0.4f));
  color->r *= light;
  color->g *= light;
  color->b *= light;
}
