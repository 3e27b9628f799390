/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The verbs wire on a real device; any wire can be named, to compare.
 *
 *   verbs WIRE voxels           random splits, types and strides, voxel by voxel
 *   verbs WIRE again            memory freed and had again at the same address
 *   verbs WIRE registered       arrays that are registered once, let go of, and had again
 *   verbs WIRE abandon          a step given up in mid-put does not land in the next one
 *   verbs WIRE killed           a producer killed in mid-put, then the next one
 *   verbs WIRE gone             the server is killed in mid-put
 *   verbs WIRE limit            too little lockable memory, on either side
 *   verbs WIRE device           BEAMCAST_RDMA_DEVICE
 *   verbs WIRE devices          which of the devices rxe0 and rxe1, by name
 *   verbs WIRE network          devices on two networks; changes eth0's addresses
 *   verbs WIRE unplugged        the device rxe0 is deleted in mid-put
 *   verbs WIRE rate MIB STEPS [registered]   bytes per second of steps of MIB mebibytes
 *   verbs WIRE serve            a server for push from another host ($BEAMCAST_HOST)
 *   verbs WIRE push CONTACT MIB STEPS [registered]
 *
 * The server's ranks and most producers are threads of this process. Exits 0, or 1 with a line.
 */
#include <stdlib.h>
#include <string.h>

#include "rig.h"

int main(int argc, char **argv) {
  if (argc < 3) {
    (void)fprintf(stderr, "usage: verbs WIRE MODE...; see the top of verbs.c\n");
    return 2;
  }
  program = argv[0];
  wire = argv[1];
  const char *mode = argv[2], *argument = argc > 3 ? argv[3] : "";
  const struct {
    const char *name;
    void (*test)(void);
  } tests[] = {{"voxels", test_voxels},
               {"again", test_again},
               {"abandon", test_abandon},
               {"killed", test_killed},
               {"gone", test_gone},
               {"limit", test_limit},
               {"device", test_device},
               {"unplugged", test_unplugged},
               {"devices", test_devices},
               {"network", test_network},
               {"registered", test_registered}};
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
    if (strcmp(mode, tests[i].name) == 0) {
      tests[i].test();
      (void)printf("verbs: %s over %s: good\n", mode, wire);
      return 0;
    }
  }
  const bool registered = strcmp(argv[argc - 1], "registered") == 0;
  argc -= registered ? 1 : 0;
  if (strcmp(mode, "rate") == 0 && argc == 5) {
    rate(strtoull(argument, NULL, 10), atoi(argv[4]), registered);
  } else if (strcmp(mode, "serve") == 0) {
    serve();
  } else if (strcmp(mode, "push") == 0 && argc == 6) {
    (void)printf("rate %.4e\n",
                 push_rate(argument, strtoull(argv[4], NULL, 10), atoi(argv[5]), registered));
  } else if (strcmp(mode, "child-pushes") == 0) {
    child_pushes(argument);
  } else if (strcmp(mode, "child-serves") == 0) {
    child_serves(argument);
  } else if (strcmp(mode, "child-serves-limited") == 0) {
    child_serves_limited(argument);
  } else if (strcmp(mode, "child-limited") == 0) {
    child_limited(argument);
  } else {
    return 2;
  }
  return 0;
}
