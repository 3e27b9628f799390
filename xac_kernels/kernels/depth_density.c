/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A projection of density, as an X-ray picture, with depth as colour: near is warm, far is cool.
 */
XAC_PARAMETER(float, near, 0, 100000, 450, "Distance from the eye that is drawn warm")
XAC_PARAMETER(float, far, 0, 100000, 700, "Distance from the eye that is drawn cool")
XAC_PARAMETER(float, density, 0.0001, 1, 0.02,
              "Opacity of the greatest value over the unit distance")

XAC_KERNEL(p, color) {
  float span = p->value_range[1] - p->value_range[0];
  float v = xac_clamp((p->value - p->value_range[0]) / span, 0.0f, 1.0f);
  float t = xac_smooth(p->distance, XAC_GET(p, near), XAC_GET(p, far));
  color->r = xac_mix(1.0f, 0.15f, t);
  color->g = xac_mix(0.75f, 0.45f, t);
  color->b = xac_mix(0.35f, 1.0f, t);
  color->a *= XAC_GET(p, density) * v * v;
}
