/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A colour per phase: whole numbers are labels, hues a golden angle apart, 0 is nothing. Use it
 * with "Values Are Labels" on.
 */
XAC_PARAMETER(int, only, -1, 65535, -1, "Show this label alone; -1: all")
XAC_PARAMETER(float, opacity, 0, 1, 0.9, "Opacity of each phase")
XAC_USES_OPENNESS
XAC_EVERYWHERE

XAC_FUNCTION float channel(float hue, float shift) {
  float h = hue * 6.0f + shift;
  h -= 6.0f * floorf(h / 6.0f);
  return 0.25f + 0.7f * xac_clamp(fabsf(h - 3.0f) - 1.0f, 0.0f, 1.0f);
}

XAC_KERNEL(p, color) {
  float label = floorf(p->value + 0.5f);
  float only = XAC_GET(p, only);
  float hue = label * 0.618034f;
  hue -= floorf(hue);
  float light = (0.4f + 0.6f * xac_facing(p, p->light)) * xac_clamp(2.0f * p->openness, 0.0f, 1.0f);
  color->r = channel(hue, 0.0f) * light;
  color->g = channel(hue, 4.0f) * light;
  color->b = channel(hue, 2.0f) * light;
  color->a = label > 0.5f && (only < 0.0f || only == label) ? XAC_GET(p, opacity) : 0.0f;
}
