/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For tests: all that a kernel is given, in a picture.
 */
XAC_PARAMETER(float, away, 0, 4, 1, "Voxels to the neighbours")
XAC_PARAMETER(int, rounds, 1, 9, 3, "Neighbours")
XAC_USES_LIGHT
XAC_USES_OPENNESS

XAC_FUNCTION float around(const xac_point *p) {
  float sum = 0.0f;
  for (int i = 0; i < XAC_GET(p, rounds); i++) {
    float d = XAC_GET(p, away) * (float)(i - 1);
    sum += xac_value_at(p, d, 0.5f * d, -d);
  }
  return sum / XAC_GET(p, rounds);
}

XAC_KERNEL(p, color) {
  int i = 0;
  float mean = around(p);
  do {
    i++;
  } while (i < 3);
  xac_rgba other = xac_color_of(p, mean);
  color->r = xac_mix(other.r, p->lit, 0.5f);
  color->g = p->openness * xac_facing(p, p->light);
  color->b = xac_clamp(0.01f * p->distance + 0.002f * p->position[0] + 0.001f * p->index[2], 0.0f,
                       0.3f * (float)i);
  color->a = 0.3f * xac_smooth(mean, p->value_range[0], p->value_range[1]) * xac_facing(p, p->eye);
}
