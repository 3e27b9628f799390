/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Between the renderer and a user's compiled kernel: a packet of samples goes there, colours come
 * back. Plain C without the library's other headers, so that a kernel is compiled in no time.
 */
#ifndef XAC_USER_CALL_H
#define XAC_USER_CALL_H

enum { XAC_USER_LANES = 8, XAC_USER_PARAMETERS = 16 };

/* Rounds of all loops of one sample, after which the kernel is held to be without an end. */
enum { XAC_USER_ROUNDS = 1 << 20 };

/* Why a kernel was stopped. */
enum {
  XAC_USER_RUNS = 0,
  XAC_USER_ENDLESS = 1, /* more rounds than XAC_USER_ROUNDS in a sample */
  XAC_USER_SLOW = 2,    /* its loops go on beyond the time of the picture */
  XAC_USER_OUTSIDE = 3, /* an index outside an array, or a pointer to nothing */
  XAC_USER_DIVISION = 4 /* a whole number divided by 0 */
};

typedef struct xac_user_call {
  /* The samples; vectors and lengths in world space. */
  float value[XAC_USER_LANES], distance[XAC_USER_LANES];
  float lit[XAC_USER_LANES], openness[XAC_USER_LANES];
  float gradient[3][XAC_USER_LANES], position[3][XAC_USER_LANES], index[3][XAC_USER_LANES];
  float eye[3][XAC_USER_LANES], light[3][XAC_USER_LANES];
  int live[XAC_USER_LANES]; /* 0: no sample here */
  /* The result, 0..1, and 0 where no sample is: straight colour, opacity over the unit distance. */
  float r[XAC_USER_LANES], g[XAC_USER_LANES], b[XAC_USER_LANES], a[XAC_USER_LANES];
  /* The same for the whole picture. */
  float step, value_range[2];
  const float *parameter; /* [XAC_USER_PARAMETERS] */
  const float *table;     /* [table_last + 1][4], colour and opacity */
  float table_scale, table_bias;
  int table_last;
  long long deadline; /* CLOCK_MONOTONIC in ms */
  unsigned rounds;    /* of loops in this sample, in whole portions */
  /* The value at a place in voxels of the whole volume. */
  float (*value_at)(const struct xac_user_call *call, const float *index);
  /* Ends the kernel for a reason from above; does not return. */
  void (*stop)(struct xac_user_call *call, int why);
  void *owner;
} xac_user_call;

typedef void (*xac_user_function)(xac_user_call *call);

#endif
