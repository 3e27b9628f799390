/* SPDX-License-Identifier: BSD-3-Clause */
#include "backend.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

int bc_backend_find(const char *name, beamcast_error *error) {
  static const char *const names[] = {"none", "stream", "catalyst", "both"};
  const char *wanted = name ? name : getenv("BEAMCAST_BACKEND");
  if (wanted == NULL || wanted[0] == '\0') {
    return BC_TO_STREAM;
  }
  for (int i = 0; i < 4; i++) {
    if (strcmp(wanted, names[i]) == 0) {
      return i;
    }
  }
  beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                "there is no back end \"%.60s\"; BEAMCAST_BACKEND is stream, catalyst, both or "
                "none",
                wanted);
  return -1;
}

/* The one beside libbeamcast, if there is one, else where the loader looks. Python's and MPI's own
 * modules need the symbols of what comes with it: global. why: the loader's reason. */
static void *open_library(char *why, size_t size, bool *beside) {
  static const char file[] = "libbeamcast_catalyst.so";
  Dl_info here;
  char path[4096] = "";
  if (dladdr((void *)(uintptr_t)&bc_backend_find, &here) != 0 && here.dli_fname != NULL) {
    const char *slash = strrchr(here.dli_fname, '/');
    int length = slash ? (int)(slash - here.dli_fname) + 1 : 0;
    (void)snprintf(path, sizeof path, "%.*s%s", length, here.dli_fname, file);
  }
  *beside = access(path, F_OK) == 0;
  void *library = dlopen(*beside ? path : file, RTLD_NOW | RTLD_GLOBAL);
  const char *reason = library == NULL ? dlerror() : NULL;
  (void)snprintf(why, size, "%s", reason ? reason : "");
  return library;
}

const bc_catalyst_api *bc_backend_catalyst(beamcast_error *error) {
  char why[256];
  bool beside;
  void *library = open_library(why, sizeof why, &beside);
  if (library == NULL && beside) {
    beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                  "libbeamcast_catalyst.so can't be loaded (%s): install the ParaView that it was "
                  "built with, or choose BEAMCAST_BACKEND=stream or none",
                  why);
    return NULL;
  }
  if (library == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                  "the back end catalyst needs libbeamcast_catalyst.so, which is built where "
                  "ParaView is installed; choose BEAMCAST_BACKEND=stream or none without it (%s)",
                  why);
    return NULL;
  }
  bc_catalyst_api_function function =
      (bc_catalyst_api_function)(uintptr_t)dlsym(library, BC_CATALYST_SYMBOL);
  const bc_catalyst_api *api = function ? function() : NULL;
  if (api == NULL || api->version != BC_CATALYST_VERSION) {
    beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                  "libbeamcast_catalyst.so is of another version of Beamcast than libbeamcast");
    return NULL;
  }
  return api;
}
