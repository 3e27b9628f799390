/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of the library share about a renderer. Not installed.
 */
#ifndef XAC_INTERNAL_H
#define XAC_INTERNAL_H

#include "xac_cpu.h"
#include "xac_pool.h"

enum { XAC_SUBCELLS = 64 };
enum { XAC_LIGHT_RESOLUTION_MAX = 512 };

/* Value ranges of macrocells and their subcells; a range with lo > hi holds nothing finite. */
typedef struct xac_ranges {
  int64_t grid[3]; /* macrocells in x, y, z */
  size_t count;
  float *lo, *hi; /* [count][XAC_SUBCELLS] */
  float range[2]; /* of all finite values */
  int gaps;       /* some voxel, border planes included, is not finite or beyond 1e30 */
  int any;        /* some voxel is finite */
} xac_ranges;

/* Which subcells show something. */
typedef struct xac_visible {
  unsigned *bits; /* [ranges.count][2] */
  size_t capacity;
  uint64_t volume, colors; /* versions that the bits are of */
  int everywhere;          /* a user's kernel shows what the colours do not */
  uint64_t version;        /* of the bits; 0: none yet */
} xac_visible;

/* The coarse global grid of light. */
typedef struct xac_coarse {
  int factor;  /* points of the volume per coarse cell and axis */
  int dims[3]; /* coarse cells */
  size_t count;
  int64_t *sums;     /* of extinction in fixed point */
  float *extinction; /* per world length, with one cell of nothing all around */
  float *light, *open;
  int fresh; /* light and open fit data, transfer function, and shading */
} xac_coarse;

typedef struct xac_user xac_user;
typedef struct xac_device xac_device; /* cuda's side, see xac_cuda.h */

struct xac_renderer {
  xac_policy policy;
  xac_pool *pool;
  xac_cpu_tile_function tile;
  xac_cpu_together_function together;
  char description[160];
  char notice[256]; /* goes out with the next picture */

  xac_volume volume;
  int has_volume;
  double from_world[12]; /* world to index */
  xac_ranges ranges;

  float *entries; /* the transfer function as given, [count][4] */
  int entry_count;
  double value_range[2], unit_distance;

  xac_shading shading;
  xac_coarse coarse;

  float *table;           /* [XAC_TABLE][4], for table_steps */
  float table_steps;      /* step / unit_distance the table was made for; 0: none */
  uint32_t *shown_before; /* [XAC_TABLE + 1] entries before this one that show something */

  xac_visible visible;
  xac_macrocell *macrocells;
  xac_rectangle *rectangles;
  size_t macrocell_capacity;
  uint32_t *lists;
  size_t list_capacity;
  void **scratch; /* one per thread */

  xac_user *user, *user_before; /* in use; what takes its place when it has to be stopped */
  char stopped[256];            /* the sentence when one was stopped since the last load */
  xac_device *device;
  uint64_t volume_version, colors_version, table_version, light_version;
};

/* xac_ranges.c */
int xac_ranges_build(xac_ranges *ranges, const xac_volume *volume, xac_pool *pool,
                     beamcast_error *error);
void xac_ranges_free(xac_ranges *ranges);

/* xac_transfer.c */
void xac_entry_at(const xac_renderer *r, double entry, float *rgba); /* entry: 0..XAC_TABLE-1 */
/* For steps of so many unit distances, premultiplied; below 0: as given, for users' kernels. */
void xac_table_build(xac_renderer *r, float unit_steps);
void xac_table_mapping(const xac_renderer *r, float *scale, float *bias);

/* xac_matrix.c: 3 x 4 affine maps, rows of four */
int xac_invert(const double *m, double *inverse); /* 0 when it can't be */
void xac_apply(const double *m, const double *point, double *out);
void xac_apply_linear(const double *m, const double *vector, double *out);
int xac_invert3(const double *m, double *inverse);

/* xac_frame.c */
int xac_frame_build(xac_renderer *r, const xac_camera *camera, const xac_quality *quality,
                    xac_frame *frame, beamcast_error *error);
/* Macrocells that show something, front to back, with where in the picture. */
int xac_frame_macrocells(xac_renderer *r, const xac_frame *frame, const xac_camera *camera,
                         size_t *count, beamcast_error *error);

/* xac_visible.c: brings renderer.visible up to date */
int xac_visible_build(xac_renderer *r, beamcast_error *error);

/* xac_cpu.c; stopped: why the user's kernel was, the picture is not finished then */
int xac_draw_cpu(xac_renderer *r, const xac_frame *frame, const xac_camera *camera,
                 const xac_image *image, xac_stats *stats, int *stopped, beamcast_error *error);

/* Lists for each tile, of side * side pixels, the macrocells that touch it: lists[starts[tile]] to
 * lists[starts[tile + 1] - 1]. starts: [tiles + 1], zeros. */
int xac_bin_macrocells(xac_renderer *r, size_t found, int side, int columns, size_t tiles,
                       size_t *starts, beamcast_error *error);
/* A tile where nothing is. */
void xac_clear_tile(const xac_frame *f, const xac_image *image, const xac_rectangle *tile);
/* What all tiles' jobs begin with. */
xac_cpu_job xac_cpu_job_for(const xac_renderer *r, const xac_frame *frame, const xac_image *image);

/* xac_renderer.c: the kernel that can be drawn, and a notice where it is not the one wanted */
void xac_choose_kernel(const xac_renderer *r, xac_frame *f, xac_stats *stats);
/* Likewise where the cpu draws; makes the table. */
void xac_choose_on_cpu(xac_renderer *r, xac_frame *f, xac_stats *stats);
double xac_now_ms(void);

/* xac_user.c */
void xac_user_free(xac_user *user);
xac_user_function xac_user_packet_function(const xac_user *user); /* NULL: the cpu has none */
/* The kernel on the device; NULL, and why the cpu has to draw it. */
void *xac_user_module(const xac_user *user, const char **why_not);
/* Puts the user's kernel out of use, for a reason from xac_user_call.h. */
void xac_user_stop_because(xac_renderer *r, int why);
void xac_user_values(const xac_user *user, float *values);
int xac_user_everywhere(const xac_user *user);

#endif
