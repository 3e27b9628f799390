/* SPDX-License-Identifier: BSD-3-Clause
 *
 * xac: a volume renderer for bricks of distributed volumes. C11, no VTK, no MPI.
 *
 * One renderer draws one brick of a whole volume into a picture of float RGBA. Bricks drawn by
 * different renderers, in this process or in others, and laid over one another from front to back
 * (xac_over) give the picture that one renderer gives for the whole volume: where a ray is sampled
 * depends on the ray and on the whole volume only, never on the cut.
 *
 * Conventions
 * - Arrays are [z][y][x], x fastest. Voxels are points; a cell lies between eight of them.
 * - Index space: coordinates in which point (i, j, k) of the whole volume lies at (i, j, k).
 *   World space: index space through xac_volume.index_to_world. Lengths are world lengths.
 * - Pictures have their first row at the bottom. Colours are linear floats; what a renderer gives
 *   is premultiplied with opacity.
 * - Functions that can fail return BEAMCAST_OK or a beamcast_code and fill the error, which may be
 *   NULL. Nothing here prints, aborts the process or installs signal handlers.
 * - A renderer is used by one thread at a time; two renderers by two threads at will.
 */
#ifndef XAC_H
#define XAC_H

#include <beamcast_landing.h>
#include <beamcast_types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XAC_API __attribute__((visibility("default")))

typedef struct xac_renderer xac_renderer;

/* --- life ------------------------------------------------------------------------------------ */

typedef enum xac_policy {
  XAC_AUTO = 0, /* cuda where a device answers and holds the brick, else cpu */
  XAC_CPU = 1,
  XAC_CUDA = 2
} xac_policy;

/* Makes a renderer. threads: worker threads for the cpu back end, 0 = one per processor that this
 * process may use. Returns NULL and fills error when memory is short or cuda was demanded and
 * can't be had. The caller destroys it. */
XAC_API xac_renderer *xac_create(xac_policy policy, int threads, beamcast_error *error);
XAC_API void xac_destroy(xac_renderer *renderer); /* NULL is fine */

/* One line: back end, instruction set or device, threads. Valid while the renderer lives. */
XAC_API const char *xac_describe(const xac_renderer *renderer);

/* --- the brick ------------------------------------------------------------------------------- */

typedef struct xac_volume {
  int type;          /* beamcast_type of the voxels; all are read in place, as float32, with a
                        notice where that is not all of them (32-bit integers, float64) */
  const void *data;  /* first point of the core, kept and read until the next set or destroy */
  int64_t dims[3];   /* points of the core in x, y, z; any 0, or 1 where the whole volume has more:
                        this rank has nothing to draw */
  int64_t stride[3]; /* elements from point to point in x, y, z; all 0: packed */
  /* The core's last plane in x, y, z where it lies apart from data, as in a brick whose upper
   * neighbour has the plane that they share; NULL: in data. The plane in z has all the core's
   * points in x and y, that in y those in x and the others' in z, that in x the others' in y and z.
   * last_stride: as border_stride; packed means of these sizes. */
  const void *last[3];
  int64_t last_stride[3][2];
  /* One plane of points beyond each face, -x +x -y +y -z +z, of the core's size in the two other
   * axes, elements apart by border_stride (the lower axis first; 0, 0 = packed). NULL where the
   * whole volume ends. NULL inside the whole volume makes gradients one-sided there. */
  const void *border[6];
  int64_t border_stride[6][2];
  int64_t start[3]; /* index of the core's first point in the whole volume */
  int64_t whole[3]; /* points of the whole volume; the same on every rank */
  /* world = index_to_world * (i, j, k, 1), three rows of four; invertible */
  double index_to_world[12];
  int nearest; /* 1: labels, never interpolated; 0: trilinear */
} xac_volume;

/* Names the brick to draw. Neighbouring bricks share one plane of points. Reads the data once, for
 * the grid of value ranges with which empty space is skipped; call again when the data changed.
 * Where a device draws, its copy is begun, in a thread that may read the old data until this or
 * xac_destroy returns.
 * Voxels that are not finite are drawn as nothing. A whole volume one point thick is drawn one
 * cell thick. Errors: BEAMCAST_ERR_ARGUMENT, BEAMCAST_ERR_MEMORY; the old brick stays then. */
XAC_API int xac_set_volume(xac_renderer *renderer, const xac_volume *volume, beamcast_error *error);

/* What receives steps into memory that bricks point to may say here what lands of a step that is
 * not whole: where a device draws, and has room for a second copy, that is copied at once. NULL
 * where the library has no such back end: then nobody wants to know. */
XAC_API const beamcast_landing_calls *xac_landing(void);

/* Least and greatest finite value of the brick; 0 when there is none (empty brick). */
XAC_API int xac_value_range(const xac_renderer *renderer, double range[2]);

/* --- what values look like -------------------------------------------------------------------- */

typedef struct xac_transfer {
  const float *rgba;    /* [entries][4], straight colour and opacity, all 0..1; copied */
  int entries;          /* 2..65536 */
  double range[2];      /* values of the first and the last entry; beyond them the ends hold */
  double unit_distance; /* world length over which a table opacity holds, > 0 */
} xac_transfer;

XAC_API int xac_set_transfer(xac_renderer *renderer, const xac_transfer *transfer,
                             beamcast_error *error);

/* Counts the brick's own finite values in count bins over lo..hi, for percentiles: the caller sums
 * bins over ranks. Planes that neighbours share are counted once. Needs xac_set_volume. */
XAC_API int xac_histogram(xac_renderer *renderer, double lo, double hi, int64_t *bins, int count,
                          beamcast_error *error);

/* The value under which the part (0..1) of all counted values lies; lo when nothing was counted. */
XAC_API double xac_percentile(const int64_t *bins, int count, double lo, double hi, double part);

/* Colours and opacities made for CT, over a window of values: "grey", "bone", "rock", "soft
 * matter", "labels". Fills [entries][4], opacities for one voxel. Labels: entry i is label i of a
 * window 0 to entries - 1, label 0 shows nothing. Error: an unknown name. */
XAC_API int xac_preset(const char *name, float *rgba, int entries, beamcast_error *error);
/* The number-th preset's name, NULL beyond the last. */
XAC_API const char *xac_preset_name(int number);

/* --- light ------------------------------------------------------------------------------------ */

/* Kernels, as bits. Valid: PLAIN, LOCAL, SCATTER, OCCLUSION, LOCAL|OCCLUSION, SCATTER|OCCLUSION,
 * and USER alone or with SCATTER, OCCLUSION when the user's kernel reads light or occlusion. */
enum {
  XAC_PLAIN = 0,     /* S0: emission and absorption */
  XAC_LOCAL = 1,     /* S1: gradient, Blinn-Phong, two-sided */
  XAC_SCATTER = 2,   /* S2: single scatter, shadows from a light volume */
  XAC_OCCLUSION = 4, /* S3: ambient occlusion from an auxiliary volume */
  XAC_USER = 8       /* a kernel compiled at run time, see xac_user_load */
};

typedef enum xac_light_kind {
  XAC_LIGHT_CAMERA = 0,      /* shines along the view; casts shadows like a light at the eye */
  XAC_LIGHT_DIRECTIONAL = 1, /* vector: direction from the volume towards the light, world */
  XAC_LIGHT_POINT = 2        /* vector: position of the light, world */
} xac_light_kind;

typedef struct xac_shading {
  int kernel;               /* bits from above */
  xac_light_kind light;     /* default XAC_LIGHT_CAMERA */
  double vector[3];         /* see xac_light_kind */
  float ambient;            /* 0..1, light from everywhere, default 0.25 */
  float diffuse;            /* 0..1, default 0.75 */
  float specular;           /* 0..1, default 0.25 */
  float specular_power;     /* 1..1000, default 20 */
  float anisotropy;         /* -0.9..0.9, Henyey-Greenstein's g of S2, default 0 */
  float occlusion_strength; /* 0..1, default 1 */
  double occlusion_radius;  /* world length, 0: a tenth of the whole volume's diagonal */
  int light_resolution;     /* 8..512 coarse cells along the longest axis, default 128 */
} xac_shading;

XAC_API void xac_shading_default(xac_shading *shading);
XAC_API int xac_set_shading(xac_renderer *renderer, const xac_shading *shading,
                            beamcast_error *error);

/* The coarse global grid of S2 and S3. Once per step, transfer function and light:
 *   if (xac_light_needed(r)) {
 *     xac_light_contribute(r, &cells, &count, &error);
 *     sum cells over all ranks, in place (MPI_Allreduce, MPI_INT64_T, MPI_SUM)
 *     xac_light_finish(r, &error);
 *   }
 * What is summed is integers, so the sum is the same for every cut. Every rank of the whole volume
 * takes part, also those with an empty brick: xac_light_needed agrees on all ranks when they were
 * given the same whole, transfer function and shading, and set_volume was called on all of them. */
XAC_API int xac_light_needed(const xac_renderer *renderer);
XAC_API int xac_light_contribute(xac_renderer *renderer, int64_t **cells, size_t *count,
                                 beamcast_error *error);
XAC_API int xac_light_finish(xac_renderer *renderer, beamcast_error *error);
/* Marks the light volume stale although nothing here changed (another rank's data did). */
XAC_API void xac_light_invalidate(xac_renderer *renderer);

/* Light (transmittance towards the light) and openness (1 = nothing in the way) at a world
 * position, from the finished coarse grid; 1 where there is none. Either result may be NULL. */
XAC_API void xac_light_at(const xac_renderer *renderer, const double world[3], float *light,
                          float *openness);

/* --- view ------------------------------------------------------------------------------------- */

/* Rays, generally: pixel (x, y), centres at whole numbers, has its origin at
 * origin + x * origin_dx + y * origin_dy and the direction direction + x * direction_dx +
 * y * direction_dy, of any length. Perspective: the origin's steps are 0; parallel: the
 * direction's are. */
typedef struct xac_camera {
  int width, height; /* pixels, 1..32768 */
  double origin[3], origin_dx[3], origin_dy[3];
  double direction[3], direction_dx[3], direction_dy[3];
} xac_camera;

/* A camera at eye that looks at focus. angle: vertical view angle in degrees for perspective, 0 for
 * parallel; scale: half the picture's height in world lengths (parallel). */
XAC_API int xac_camera_look_at(xac_camera *camera, int width, int height, const double eye[3],
                               const double focus[3], const double up[3], double angle,
                               double scale, beamcast_error *error);

enum { XAC_PLANES_MAX = 8 };

typedef struct xac_quality {
  double step;        /* world length between samples, > 0 */
  int jitter;         /* 1: each pixel's samples are shifted by its own random part of a step */
  float terminate;    /* a ray ends when it lets less than this through; 0 = default 0.001 */
  int crop;           /* 1: draw only inside crop_box */
  double crop_box[6]; /* x0 x1 y0 y1 z0 z1 in index space of the whole volume */
  int planes;         /* 0..XAC_PLANES_MAX clipping planes */
  double plane[XAC_PLANES_MAX][4]; /* world: drawn where a*x + b*y + c*z + d >= 0 */
} xac_quality;

XAC_API void xac_quality_default(xac_quality *quality, double step);

typedef struct xac_image {
  float *rgba;              /* [height][width][4], overwritten; 0 where nothing is */
  float *depth;             /* [height][width] or NULL: world distance along the ray at which half
                               the light is gone, INFINITY where it never is; overwritten */
  const float *depth_limit; /* [height][width] or NULL: rays end at this world distance */
  int under;                /* 1: rgba is kept, and what is drawn is laid under it; rays end where
                               it lets less through than the quality's terminate */
} xac_image;

typedef struct xac_stats {
  double milliseconds;      /* of the last call */
  uint64_t samples;         /* evaluated: value fetched and looked up */
  uint64_t bricks, visible; /* macrocells in the brick, and those that show something */
  int backend;              /* XAC_CPU or XAC_CUDA: what drew */
  uint64_t copied_early;    /* bytes that a device had before it was given the brick, ... */
  uint64_t copied_late;     /* ... and that were copied since; 0 and 0: no device drew */
  char notice[256];         /* what the user should know, "" = nothing */
} xac_stats;

/* Draws the brick. stats may be NULL. Errors leave the picture as it was. When the kernel needs
 * light and none is finished, draws with full light and says so in the notice. */
XAC_API int xac_render(xac_renderer *renderer, const xac_camera *camera, const xac_quality *quality,
                       const xac_image *image, xac_stats *stats, beamcast_error *error);

/* One of several volumes in a picture. */
typedef struct xac_layer {
  xac_renderer *renderer;
  xac_quality quality;
  xac_stats *stats; /* of this volume; milliseconds: its part of the whole time */
} xac_layer;

/* Draws bricks of different volumes that may reach into one another, sample by sample in the order
 * of depth: as many renderers, 1 to 16, each once, which are all used meanwhile. Steps between
 * samples: the shortest of the layers', and whole ones of it where a layer's are longer. Errors: as
 * xac_render, and BEAMCAST_ERR_UNSUPPORTED where a device draws one of them. */
XAC_API int xac_render_together(const xac_layer *layers, int count, const xac_camera *camera,
                                const xac_image *image, beamcast_error *error);

/* front := front over back, count pixels of premultiplied RGBA. */
XAC_API void xac_over(float *front, const float *back, size_t count);

/* --- a user's kernel ------------------------------------------------------------------------- */

enum { XAC_PARAMETERS_MAX = 16 };

/* A parameter that a kernel file declares; see docs/kernels.md. */
typedef struct xac_parameter {
  char name[32];
  char type[8]; /* "float" or "int" */
  double minimum, maximum, value;
  char help[128];
} xac_parameter;

/* Compiles the kernel file, tries it in a child process with a time limit, and uses it for
 * XAC_USER. On failure error says file, line and what; the last good kernel stays. What data it
 * will meet no trial can show: a kernel whose loops don't end while a picture is drawn (a million
 * rounds in a sample, or a minute), or that indexes an array outside, is stopped, and the kernel
 * that was loaded before it draws this picture and all others, or local light where there was none.
 * Where a device draws, the file is compiled for it, too (NVRTC); where that can't be, the CPU
 * draws it, and the notice says why. Without a C compiler the device alone has it. A kernel file is
 * trusted code: it runs with the rights of this process. */
XAC_API int xac_user_load(xac_renderer *renderer, const char *path, beamcast_error *error);

/* The sentence about the kernel that was stopped since the last load; "" when none was. */
XAC_API const char *xac_user_stopped(const xac_renderer *renderer);
/* Stops the loaded kernel because it was on another rank: pictures have to be of one kernel. */
XAC_API void xac_user_stop(xac_renderer *renderer);

/* Parameters of the loaded kernel: how many, the i-th, and to set one by name (clamped). */
XAC_API int xac_user_parameters(const xac_renderer *renderer);
XAC_API const xac_parameter *xac_user_parameter(const xac_renderer *renderer, int index);
XAC_API int xac_user_set(xac_renderer *renderer, const char *name, double value,
                         beamcast_error *error);
/* The kernel bits that the loaded kernel asks for, which xac_set_shading puts in for XAC_USER:
 * XAC_USER, with SCATTER and OCCLUSION. */
XAC_API int xac_user_kernel_bits(const xac_renderer *renderer);

/* Declared parameters of a kernel file, without compiling it; at most XAC_PARAMETERS_MAX.
 * Returns how many, or -1 and an error with the line. */
XAC_API int xac_user_declared(const char *path, xac_parameter *parameters, int *kernel_bits,
                              beamcast_error *error);

#ifdef __cplusplus
}
#endif

#endif
