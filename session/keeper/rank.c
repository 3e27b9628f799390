/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A rank of the server, before it becomes one: it gets its graphics device. The keeper's X server
 * is on the session's first node; on another one a rank has one of its own, which ends with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "devices.h"
#include "files.h"
#include "keeper.h"

int bs_be_rank(const char *folder, char *const server[]) {
  static bs_keeper keeper = {.log = -1, .output = -1, .signals = -1};
  beamcast_error error = {0};
  const char *slash = strrchr(folder, '/');
  if (slash == NULL || server[0] == NULL ||
      !bs_join(keeper.folder, sizeof keeper.folder, "%s", folder) ||
      !bs_record_read(&keeper.record, slash + 1, folder)) {
    (void)fprintf(stderr,
                  "beamcast-keeper: the session's folder %s is not seen here: the nodes have "
                  "to share it\n",
                  folder);
    return EXIT_FAILURE;
  }
  (void)setenv("BEAMCAST_SESSION", keeper.record.info.id, 1);
  if (!bs_process_is_here(&keeper.record.keeper)) {
    keeper.log = open(keeper.record.info.log, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (bs_open_screen(&keeper, &error) != BEAMCAST_OK) {
      (void)fprintf(stderr, "beamcast-keeper: %s\n", error.message);
      return EXIT_FAILURE;
    }
    bs_use_screen(&keeper);
  }
  bs_choose_devices();
  (void)execvp(server[0], server);
  (void)fprintf(stderr, "beamcast-keeper: %s can't be run: %s\n", server[0], strerror(errno));
  return EXIT_FAILURE;
}
