/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Between the files that work light out on the coarse global grid. Grids are [z][y][x]; that of
 * extinction has one cell of nothing all around. Not installed.
 */
#ifndef XAC_LIGHT_H
#define XAC_LIGHT_H

#include "xac_internal.h"

/* Compiled for newer processors too, chosen when the program starts. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) &&                  \
    !defined(__SANITIZE_THREAD__) && !defined(XAC_NO_CLONES)
#define XAC_CLONES __attribute__((target_clones("arch=haswell", "default")))
#else
#define XAC_CLONES
#endif

/* Nodes lo..hi-1 of the coarse grid. */
typedef struct xac_nodes {
  int lo[3], hi[3];
} xac_nodes;

/* How many nodes further than its own a brick must know what arrives: xac_light_inward looks
 * there. */
enum { XAC_LIGHT_REACH = 2 };

static inline void xac_extinction_strides(const xac_coarse *c, int64_t *row, int64_t *plane) {
  *row = c->dims[0] + 2;
  *plane = *row * (c->dims[1] + 2);
}

/* World length of the shortest edge of a coarse cell. */
double xac_light_cell(const xac_renderer *r);
/* World length of the whole volume's diagonal. */
double xac_light_diagonal(const xac_renderer *r);

/* What arrives at the nodes: kernel XAC_SCATTER for light, XAC_OCCLUSION for openness, 0..1, into
 * arrived, which has room for the whole grid. A node's own matter does not count. Error:
 * BEAMCAST_ERR_MEMORY. */
int xac_light_rays(const xac_renderer *r, const xac_nodes *nodes, int kernel, float *arrived,
                   beamcast_error *error);

/* e to the -depth for depths 0 to 20, and that of 20 beyond; to 1e-5, adds count of them to sum. */
void xac_add_transmittance(const float *depth, int count, float *sum);

/* Carries what arrives before a surface into it, from arrived to out: where matter lets little
 * through, what is seen of it is its surface, and a grid this coarse holds no other value for that.
 * through: scratch for the whole grid. arrived is known XAC_LIGHT_REACH nodes further than nodes,
 * where the grid goes so far. */
void xac_light_inward(const xac_renderer *r, const xac_nodes *nodes, const float *arrived,
                      float *through, float *out);

#endif
