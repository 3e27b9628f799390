/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The command line of reconstruct.
 */
#include "options.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "usage: mpiexec -n RANKS reconstruct SCAN [options]\n"
    "SCAN is an HDF5 file (NXtomo, Data Exchange) or tcp://HOST:PORT of a sender (take_scan).\n"
    "  -o, --output FILE     writes the volume (HDF5, NeXus)\n"
    "  --show CONTACT        shows the volume while it is made: contact file or "
    "beamcast://HOST:PORT,\n"
    "                        or - for where $BEAMCAST_BACKEND says\n"
    "  --stream NAME         of the stream (volume)\n"
    "  --limit SECONDS       the longest that showing one step may take (5)\n"
    "  --linger SECONDS      the longest to wait at the end for a viewer that is busy (5)\n"
    "  --centre COLUMN       where the axis of rotation is seen; found by itself in a finished "
    "scan,\n"
    "                        the middle of the detector in one that is being taken\n"
    "  --size N              pixels of a slice in x and y (as many as the detector has columns)\n"
    "  --hounsfield MU       values in Hounsfield units; MU: attenuation of water per unit of "
    "length\n"
    "  --name NAME           of the array (density with --hounsfield, else attenuation)\n"
    "  --angles DATASET      where the angles are, if not where the conventions say\n"
    "  --live                the file is still being written: waits for its frames\n"
    "  --patience SECONDS    without a new frame, after which the scan counts as ended (60)\n"
    "  --batch N             frames that make the volume one step better while they come (32)\n"
    "  --progressive N       first pass takes every Nth projection; a power of 2 (8)\n"
    "  --passes N            ends after so many passes or batches (all)\n"
    "  --slab N              planes that are worked on together (16)\n"
    "  --every N             shows after every Nth slab (1)\n";

enum {
  SHOW = 256,
  STREAM,
  LIMIT,
  LINGER,
  CENTRE,
  SIZE,
  WATER,
  NAME,
  ANGLES,
  LIVE,
  PATIENCE,
  BATCH,
  COARSE,
  PASSES,
  SLAB,
  EVERY
};

static const struct option names[] = {
    {"output", required_argument, NULL, 'o'},    {"show", required_argument, NULL, SHOW},
    {"stream", required_argument, NULL, STREAM}, {"limit", required_argument, NULL, LIMIT},
    {"linger", required_argument, NULL, LINGER}, {"centre", required_argument, NULL, CENTRE},
    {"size", required_argument, NULL, SIZE},     {"hounsfield", required_argument, NULL, WATER},
    {"name", required_argument, NULL, NAME},     {"angles", required_argument, NULL, ANGLES},
    {"live", no_argument, NULL, LIVE},           {"patience", required_argument, NULL, PATIENCE},
    {"batch", required_argument, NULL, BATCH},   {"progressive", required_argument, NULL, COARSE},
    {"passes", required_argument, NULL, PASSES}, {"slab", required_argument, NULL, SLAB},
    {"every", required_argument, NULL, EVERY},   {NULL, 0, NULL, 0}};

/* A number in [low, high] and nothing after it. */
static int real(const char *text, double low, double high, double *value) {
  char *end;
  *value = strtod(text, &end);
  return end != text && *end == 0 && *value >= low && *value <= high;
}

static int whole(const char *text, uint64_t *value) {
  double number;
  const int good = real(text, 1, 1e9, &number) && number == floor(number);
  *value = good ? (uint64_t)number : 1;
  return good;
}

static int one(int name, const char *text, options *o) {
  switch (name) {
  case 'o':
    o->output = text;
    return 1;
  case SHOW:
    o->contact = text;
    return 1;
  case STREAM:
    o->stream = text;
    return 1;
  case LIMIT:
    return real(text, 0.01, 1e6, &o->limit);
  case LINGER:
    return real(text, 0, 1e6, &o->linger);
  case CENTRE:
    return real(text, -1e6, 1e6, &o->centre);
  case SIZE:
    return whole(text, &o->size);
  case WATER:
    return real(text, 1e-12, 1e12, &o->water);
  case NAME:
    o->name = text;
    return 1;
  case ANGLES:
    o->angles = text;
    return 1;
  case LIVE:
    o->live = 1;
    return 1;
  case PATIENCE:
    return real(text, 1, 1e6, &o->patience);
  case BATCH:
    return whole(text, &o->batch);
  case COARSE:
    return whole(text, &o->progressive) && (o->progressive & (o->progressive - 1)) == 0;
  case PASSES:
    return whole(text, &o->passes);
  case SLAB:
    return whole(text, &o->slab);
  case EVERY:
    return whole(text, &o->every);
  default:
    return 0;
  }
}

int options_read(int argc, char **argv, int tell, options *o) {
  *o = (options){.centre = NAN,
                 .patience = 60,
                 .limit = 5,
                 .linger = 5,
                 .slab = 16,
                 .every = 1,
                 .progressive = 8,
                 .batch = 32,
                 .passes = UINT64_MAX};
  opterr = 0;
  for (int name; (name = getopt_long(argc, argv, "o:", names, NULL)) != -1;) {
    if (!one(name, optarg, o)) {
      if (tell) {
        fprintf(stderr, "reconstruct: wrong option or value: %s\n%s", argv[optind - 1], usage);
      }
      return -1;
    }
  }
  if (optind != argc - 1) {
    if (tell) {
      fprintf(stderr, "%s", usage);
    }
    return -1;
  }
  o->scan = argv[optind];
  if (o->name == NULL) {
    o->name = o->water > 0 ? "density" : "attenuation";
  }
  return 0;
}
