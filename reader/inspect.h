/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Between the walk through a file and the conventions that make volumes of what it found.
 */
#ifndef BEAMCAST_READER_INSPECT_H
#define BEAMCAST_READER_INSPECT_H

#include "volume.h"

/* An object of the file, reached by one path. */
typedef struct found_object {
  char *path;
  uint8_t token[24];
  int is_group;
  char nx_class[24]; /* of a group */
  int has_image_key; /* of a group: it has a child of that name */
  int used;          /* of a dataset: a convention has taken it */
  int attributes;
  unsigned hard_links;
  volume *looked_at; /* of a dataset that can be a volume: what it is, owned */
  char *problem;     /* of a dataset that is damaged: the sentence, owned */
} found_object;

typedef struct walk {
  beamcast_hdf5_file *file;
  found_object *object;
  size_t count, capacity;
  int datasets; /* how many there are, of any kind */
  struct broken *broken;
  size_t broken_count;
  int truncated; /* the file has more than is looked at */
} walk;

/* Follows all links from the root; dangling ones end in the file's list of what is missing. */
int walk_file(beamcast_hdf5_file *file, walk *w, beamcast_error *error);
void walk_free(walk *w);

/* 1: there is a regular file called name, from the working folder or that of the linking file; 0:
 * there is none; -1: it is no regular file. */
int external_file(const char *linking, const char *name);

/* The identity of the object at path, 0 on success. */
int object_token(hid_t where, const char *path, uint8_t token[24]);

/* Marks all paths to the object, so that it is not listed twice. */
void walk_use(walk *w, const uint8_t token[24]);
int walk_used(const walk *w, const uint8_t token[24]);

/* What all conventions do: adds the dataset as a volume, or says why not (NULL then). */
volume *add_dataset(walk *w, const char *path, const char *convention, int score);

void find_nexus(walk *w);
void find_tomography(walk *w);
void find_vtkhdf(walk *w);
void find_exchange(walk *w);
void find_by_layouts(walk *w);

/* Geometry of one axis: name, spacing and origin in a unit; metres 0 when the unit is no length. */
typedef struct axis_scale {
  int known;
  double spacing, origin;
  double metres;
  char unit[16];
  int down; /* values fall along the axis */
} axis_scale;

/* Reads the coordinates of an axis (or a single spacing) of length voxels. */
axis_scale read_axis(hid_t where, const char *path, uint64_t length);

/* Puts the scales of x, y, z into v: one unit for all, what is unknown like what is known. */
void apply_scales(volume *v, const axis_scale scale[3]);

/* Gives the dimensions their roles by the names of their axes (NULL: no name). */
void roles_from_names(volume *v, const char *const *names);

#endif
