/* SPDX-License-Identifier: BSD-3-Clause */
#include "xac_nvrtc.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

/* What is used of NVRTC, whose functions return 0 for success. */
typedef struct nvrtc_program nvrtc_program;
static struct {
  int found;
  int (*create)(nvrtc_program **, const char *source, const char *name, int headers,
                const char *const *texts, const char *const *names);
  int (*compile)(nvrtc_program *, int count, const char *const *options);
  int (*log_size)(nvrtc_program *, size_t *);
  int (*log)(nvrtc_program *, char *);
  int (*ptx_size)(nvrtc_program *, size_t *);
  int (*ptx)(nvrtc_program *, char *);
  int (*binary_size)(nvrtc_program *, size_t *);
  int (*binary)(nvrtc_program *, char *);
  int (*destroy)(nvrtc_program **);
  int (*architecture_count)(int *);
  int (*architectures)(int *);
} nvrtc;

static void *open_library(void) {
  static const char *const names[] = {"libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12",
                                      "libnvrtc.so.11.2"};
  const char *wanted = getenv("BEAMCAST_NVRTC");
  if (wanted && *wanted) {
    return dlopen(wanted, RTLD_NOW | RTLD_LOCAL);
  }
  void *library = NULL;
  for (size_t i = 0; library == NULL && i < sizeof names / sizeof *names; i++) {
    library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  }
  const char *const toolkits[] = {getenv("CUDA_HOME"), getenv("CUDA_PATH"), "/usr/local/cuda"};
  for (size_t i = 0; library == NULL && i < sizeof toolkits / sizeof *toolkits; i++) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/lib64/libnvrtc.so", toolkits[i] ? toolkits[i] : "");
    library = toolkits[i] ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  }
  return library;
}

static void find_nvrtc(void) {
  void *library = open_library();
  const struct {
    const char *name;
    void *function; /* a pointer to the pointer */
  } wanted[] = {{"nvrtcCreateProgram", &nvrtc.create},
                {"nvrtcCompileProgram", &nvrtc.compile},
                {"nvrtcGetProgramLogSize", &nvrtc.log_size},
                {"nvrtcGetProgramLog", &nvrtc.log},
                {"nvrtcGetPTXSize", &nvrtc.ptx_size},
                {"nvrtcGetPTX", &nvrtc.ptx},
                {"nvrtcGetCUBINSize", &nvrtc.binary_size},
                {"nvrtcGetCUBIN", &nvrtc.binary},
                {"nvrtcDestroyProgram", &nvrtc.destroy},
                {"nvrtcGetNumSupportedArchs", &nvrtc.architecture_count},
                {"nvrtcGetSupportedArchs", &nvrtc.architectures}};
  nvrtc.found = library != NULL;
  for (size_t i = 0; library && i < sizeof wanted / sizeof *wanted; i++) {
    void *function = dlsym(library, wanted[i].name);
    nvrtc.found = nvrtc.found && function != NULL;
    memcpy(wanted[i].function, &function, sizeof function);
  }
}

/* The latest architecture that NVRTC knows and the device is no older than; 0 when there is none.
 */
static int known_architecture(int architecture) {
  int count = 0, best = 0;
  int *known = nvrtc.architecture_count(&count) == 0 && count > 0
                   ? calloc((size_t)count, sizeof *known)
                   : NULL;
  if (known && nvrtc.architectures(known) == 0) {
    for (int i = 0; i < count; i++) {
      best = known[i] <= architecture && known[i] > best ? known[i] : best;
    }
  }
  free(known);
  return best;
}

/* NVRTC writes "file(line): error: text"; compilers otherwise file:line. */
static int compile_error(nvrtc_program *program, const char *path, beamcast_error *error) {
  size_t size = 0;
  int code = nvrtc.log_size(program, &size);
  char *log = code == 0 && size > 0 ? calloc(1, size + 1) : NULL;
  char *what = log && nvrtc.log(program, log) == 0 ? strstr(log, "error:") : NULL;
  if (what == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%s: NVRTC gave up without a message", path);
  } else {
    char *line = what;
    while (line > log && line[-1] != '\n') {
      line--;
    }
    what[strcspn(what, "\n")] = 0;
    char *end = strstr(line, "): "), *begin = end;
    while (begin && begin > line && *begin != '(') {
      begin--;
    }
    if (begin && end < what) {
      beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%.*s:%d: %.400s", (int)(begin - line), line,
                    atoi(begin + 1), what);
    } else {
      beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%s: %.400s", path, what);
    }
  }
  free(log);
  return BEAMCAST_ERR_ARGUMENT;
}

static int take_image(nvrtc_program *program, int ptx, void **image, size_t *size,
                      beamcast_error *error) {
  char *bytes = NULL;
  if ((ptx ? nvrtc.ptx_size : nvrtc.binary_size)(program, size) == 0 && *size > 0) {
    bytes = calloc(1, *size + 1);
  }
  if (bytes == NULL || (ptx ? nvrtc.ptx : nvrtc.binary)(program, bytes) != 0) {
    free(bytes);
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "NVRTC gave no code for the kernel");
  }
  *image = bytes;
  return BEAMCAST_OK;
}

enum { HEADERS_MAX = 16 };

int xac_nvrtc_compile(const xac_user *user, int architecture, xac_nvrtc_form form, void **image,
                      size_t *size, beamcast_error *error) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, find_nvrtc);
  int known = nvrtc.found ? known_architecture(architecture) : 0;
  if (known == 0) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         nvrtc.found
                             ? "NVRTC here is too new or too old for this device"
                             : "no NVRTC here (libnvrtc of the CUDA toolkit, 11.2 or later; "
                               "BEAMCAST_NVRTC names it where it lies elsewhere)");
  }
  char parameters[XAC_PARAMETERS_TEXT];
  (void)xac_user_parameters_text(user, parameters);
  const char *names[HEADERS_MAX] = {"parameters.h", "math.h"};
  const char *texts[HEADERS_MAX] = {parameters, ""}; /* NVRTC knows the functions of math.h */
  const char *unit = NULL;
  int headers = 2;
  for (const xac_embedded *e = xac_embedded_cuda; e->name && headers < HEADERS_MAX; e++) {
    if (strcmp(e->name, "xac_user_unit.cu") == 0) {
      unit = (const char *)e->bytes;
      continue;
    }
    names[headers] = e->name;
    texts[headers++] = (const char *)e->bytes;
  }
  const int ptx = form == XAC_NVRTC_PTX || known != architecture;
  char target[64], file[PATH_MAX + 32], bits[32];
  (void)snprintf(target, sizeof target, "--gpu-architecture=%s_%d", ptx ? "compute" : "sm", known);
  (void)snprintf(file, sizeof file, "-DXAC_USER_KERNEL=\"%s\"", user->path);
  (void)snprintf(bits, sizeof bits, "-DXAC_USER_BITS=%d", user->bits);
  /* What a kernel file defines without saying where it runs is for the device. */
  const char *const options[] = {target, file, bits, "--std=c++17", "-default-device", "-w"};
  nvrtc_program *program = NULL;
  if (unit == NULL ||
      nvrtc.create(&program, unit, "xac_user_unit.cu", headers, texts, names) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "NVRTC has no memory for a kernel");
  }
  int code = nvrtc.compile(program, (int)(sizeof options / sizeof *options), options) == 0
                 ? take_image(program, ptx, image, size, error)
                 : compile_error(program, user->path, error);
  (void)nvrtc.destroy(&program);
  return code;
}
