/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests share: small volumes, cutting them into bricks, drawing and compositing these.
 */
#ifndef SCENE_H
#define SCENE_H

#include "xac.h"

/* The back end that is tested: cpu, or what the environment's XAC_TEST_BACKEND says ("cuda"). */
xac_policy scene_policy(void);

typedef struct scene {
  int n[3];
  double spacing[3];
  float *values; /* [z][y][x] */
  int type;      /* how bricks store them: BEAMCAST_FLOAT32 or BEAMCAST_UINT16 */
  int nearest;   /* labels */
  xac_transfer transfer;
  xac_shading shading;
  xac_camera camera;
  xac_quality quality;
  int under;        /* bricks are drawn under one another, not composited */
  const char *user; /* a kernel file that draws, or NULL */
  xac_stats *stats; /* of the brick drawn last, or NULL */
} scene;

/* value at point (x, y, z) */
typedef float (*scene_function)(int x, int y, int z);

void scene_make(scene *s, int nx, int ny, int nz, scene_function f);
void scene_free(scene *s);

/* A perspective camera that sees the whole volume from direction (x, y, z). */
void scene_look(scene *s, int side, double x, double y, double z, double zoom);

/* Draws the scene cut into cuts[0] x cuts[1] x cuts[2] bricks, composited; [side][side][4], to be
 * freed. empty: one more brick without points takes part in the light. borders: give planes. */
float *scene_draw(const scene *s, const int cuts[3], int empty, int borders);

/* Part of the pixels of which some channel differs by more than 2/255; greatest difference. */
double scene_differing(const float *a, const float *b, size_t pixels, double *greatest);

#endif
