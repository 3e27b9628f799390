/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Structs that the host and the kernels of both back ends share. Plain C, also for CUDA and NVRTC:
 * no includes, no pointers owned here.
 *
 * The brick of a rank is drawn in macrocells of XAC_CELLS^3 cells (XAC_POINTS^3 points). 15 cells
 * make 16 points, two packets of eight. A macrocell has 4 x 4 x 4 subcells of at most four cells
 * in each axis; what shows something is marked by a bit each.
 */
#ifndef XAC_SHARED_H
#define XAC_SHARED_H

enum { XAC_CELLS = 15, XAC_POINTS = 16, XAC_SUBCELL_SHIFT = 2 };
enum { XAC_TABLE = 4096 };     /* entries of the internal colour table */
enum { XAC_FRAME_PLANES = 8 }; /* clipping planes at most */
enum { XAC_FRAME_PARAMETERS = 16 };

/* Everything a kernel must know that is the same for all rays of a picture. Positions are in index
 * space of the whole volume unless said otherwise. */
typedef struct xac_frame {
  int width, height, kernel, nearest;
  float origin[3], origin_dx[3], origin_dy[3];
  float direction[3], direction_dx[3], direction_dy[3];
  float world[3], world_dx[3], world_dy[3]; /* the direction in world space */
  float to_world[9];                        /* index to world, linear part, rows */
  float world_origin[3];                    /* world position of index (0, 0, 0) */
  float gradient[9];                        /* gradient in index space to world space, rows */
  float step;                               /* world length between samples */
  float unit_steps;                         /* step / unit_distance */
  float box_lo[3], box_hi[3];               /* whole volume, cropped */
  int planes;
  float plane[XAC_FRAME_PLANES][4]; /* a, b, c, d in index space, drawn where >= 0 */
  int jitter, under;                /* under: drawn under what the picture has already */
  float terminate;
  float table_scale, table_bias; /* value to table entry */
  float lowest;                  /* values below are gaps: voxels that are not finite */
  float gap;                     /* what such a voxel is read as */
  int has_gaps;
  float gradient_floor; /* squared world gradient under which a surface has no direction */
  float ambient, diffuse, specular, power, anisotropy, occlusion_strength;
  float shine_from;                  /* cosine under which a highlight is nothing */
  int light_kind;                    /* xac_light_kind */
  float light[3];                    /* unit direction towards the light, or its position; world */
  float coarse_scale, coarse_offset; /* index to coordinate in the coarse grid */
  int coarse_dims[3];
  float parameter[XAC_FRAME_PARAMETERS]; /* of the user's kernel */
  float value_lo, value_hi;              /* range of the transfer function */
} xac_frame;

/* One macrocell to draw. */
typedef struct xac_macrocell {
  float lo[3], hi[3];  /* box of what shows something; faces on the volume's end are open */
  int first[3];        /* first point, index in the whole volume */
  int cells[3];        /* cells in each axis, 1..XAC_CELLS */
  unsigned visible[2]; /* bit x + 4 y + 16 z: the subcell shows something */
} xac_macrocell;

#endif
