/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Colours and opacities made for CT, the one table of them: for the renderer's xac_preset and for
 * ParaView's list of presets, where each is called "CT " and its name. Expand XAC_PRESETS with
 *   BEGIN(name)                                 a preset
 *   AT(place in the window 0 to 1, red, green, blue, opacity)   its points, in order
 *   END
 */
#ifndef XAC_PRESET_TABLE_H
#define XAC_PRESET_TABLE_H

/* clang-format off */
#define XAC_PRESETS(BEGIN, AT, END)                                                                \
  /* As a radiologist's film: what is denser is brighter, and hides more. */                       \
  BEGIN("grey")                                                                                    \
    AT(0.00, 0.00, 0.00, 0.00, 0.000) AT(0.30, 0.30, 0.30, 0.30, 0.000)                            \
    AT(1.00, 1.00, 1.00, 1.00, 0.800)                                                              \
  END                                                                                              \
  /* The densest part of a body; what lies under it is hardly seen. */                             \
  BEGIN("bone")                                                                                    \
    AT(0.00, 0.10, 0.05, 0.03, 0.000) AT(0.48, 0.55, 0.32, 0.22, 0.000)                            \
    AT(0.58, 0.78, 0.60, 0.44, 0.120) AT(0.70, 0.92, 0.83, 0.70, 0.450)                            \
    AT(0.85, 0.97, 0.93, 0.86, 0.800) AT(1.00, 1.00, 0.99, 0.96, 0.950)                            \
  END                                                                                              \
  /* Grains against pores: everything above the air, brighter where denser. */                     \
  BEGIN("rock")                                                                                    \
    AT(0.00, 0.10, 0.09, 0.08, 0.000) AT(0.30, 0.30, 0.24, 0.19, 0.000)                            \
    AT(0.42, 0.55, 0.44, 0.33, 0.350) AT(0.62, 0.74, 0.63, 0.48, 0.750)                            \
    AT(0.85, 0.90, 0.84, 0.72, 0.950) AT(1.00, 1.00, 0.97, 0.90, 1.000)                            \
  END                                                                                              \
  /* Translucent, so that what lies inside is seen. */                                             \
  BEGIN("soft matter")                                                                             \
    AT(0.00, 0.05, 0.05, 0.20, 0.000) AT(0.15, 0.20, 0.25, 0.55, 0.000)                            \
    AT(0.35, 0.75, 0.40, 0.40, 0.015) AT(0.55, 0.92, 0.68, 0.50, 0.050)                            \
    AT(0.80, 0.97, 0.88, 0.72, 0.150) AT(1.00, 1.00, 0.98, 0.94, 0.300)                            \
  END
/* clang-format on */

/* Labels: hues a golden angle apart, so that neighbouring labels differ; label 0 shows nothing. */
static inline void xac_label_color(int label, float rgba[4]) {
  const double turn = label * 0.61803398875;
  const double hue = (turn - (double)(long long)turn) * 6.0;
  for (int c = 0; c < 3; c++) {
    double h = hue + 4.0 * (3 - c);
    while (h >= 6.0) {
      h -= 6.0;
    }
    const double v = h < 1.0 ? h : h < 3.0 ? 1.0 : h < 4.0 ? 4.0 - h : 0.0;
    rgba[c] = (float)(0.25 + 0.7 * v);
  }
  rgba[3] = label > 0 ? 0.9F : 0.0F;
}

#endif
