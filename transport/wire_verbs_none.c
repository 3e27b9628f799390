/* SPDX-License-Identifier: BSD-3-Clause
 * In a build without rdma-core: says so where RDMA is asked for. */
#include <stdlib.h>

#include "wire.h"

const bc_wire *bc_wire_verbs(void) {
  return NULL;
}

bc_verbs_server *bc_verbs_server_open(beamcast_error *error) {
  const char *named = getenv("BEAMCAST_RDMA_DEVICE");
  if (named != NULL && named[0] != '\0') {
    beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                  "there is no RDMA device %.60s, which BEAMCAST_RDMA_DEVICE names: this build has "
                  "no RDMA, rdma-core was missing",
                  named);
  }
  return NULL;
}

void bc_verbs_server_close(bc_verbs_server *server) {
  (void)server;
}

int bc_verbs_server_offer(bc_verbs_server *server, uint64_t cookie, bc_writer *writer,
                          beamcast_error *error) {
  (void)server;
  (void)cookie;
  (void)writer;
  return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "this build has no RDMA");
}

int bc_verbs_server_open_memory(bc_verbs_server *server, uint64_t cookie, bc_memory *memory,
                                bc_verbs_grant *grant, beamcast_error *error) {
  (void)server;
  (void)cookie;
  (void)memory;
  (void)grant;
  return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "this build has no RDMA");
}

void bc_verbs_server_revoke(bc_verbs_server *server, uint64_t cookie, const bc_memory *memory) {
  (void)server;
  (void)cookie;
  (void)memory;
}

void bc_verbs_server_drop(bc_verbs_server *server, uint64_t cookie) {
  (void)server;
  (void)cookie;
}
