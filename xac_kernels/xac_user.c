/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Kernels that users write: loading them for what draws, and stopping them.
 */
#include "xac_user.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "xac_cuda.h"
#include "xac_nvrtc.h"

/* Values that the user set stay where the new version declares the same names. */
static void keep_values(xac_user *user, const xac_user *old) {
  for (int i = 0; old && i < user->count; i++) {
    xac_parameter *p = &user->parameters[i];
    for (int j = 0; j < old->count; j++) {
      double value = old->parameters[j].value;
      if (strcmp(p->name, old->parameters[j].name) == 0 && value >= p->minimum &&
          value <= p->maximum) {
        p->value = value;
      }
    }
  }
}

/* For the device, where there is one. What it can't have it does not draw: the cpu does then. */
static int compile_for_device(const xac_renderer *r, xac_user *user, beamcast_error *error) {
  int architecture = r->device ? xac_cuda->architecture(r->device) : 0;
  if (architecture == 0) {
    return BEAMCAST_ERR_UNSUPPORTED;
  }
  void *image;
  size_t size;
  int code = xac_nvrtc_compile(user, architecture, XAC_NVRTC_BINARY, &image, &size, error);
  if (code == BEAMCAST_OK) {
    code = xac_cuda->load(r->device, image, &user->module, error);
    free(image);
  }
  return code;
}

static int compile(const xac_renderer *r, xac_user *user, beamcast_error *error) {
  beamcast_error why = {0, ""};
  int code = xac_user_compile(r, user, error);
  if (r->device && (code == BEAMCAST_OK || code == BEAMCAST_ERR_UNSUPPORTED)) {
    int on_device = compile_for_device(r, user, &why);
    if (on_device != BEAMCAST_OK) {
      (void)snprintf(user->not_on_device, sizeof user->not_on_device, "%.*s",
                     (int)sizeof user->not_on_device - 1, why.message);
    }
    if (code != BEAMCAST_OK && on_device != BEAMCAST_ERR_UNSUPPORTED) {
      if (error && on_device != BEAMCAST_OK) {
        *error = why;
      }
      code = on_device;
    }
  }
  return code;
}

int xac_user_load(xac_renderer *r, const char *path, beamcast_error *error) {
  xac_user *user = calloc(1, sizeof *user);
  if (user == NULL || strpbrk(path, "\"\\\n") != NULL || realpath(path, user->path) == NULL) {
    free(user);
    return beamcast_fail(error, BEAMCAST_ERR_IO,
                         "\"%.200s\" is neither a kernel's name nor a kernel file's path", path);
  }
  char *text = xac_user_read(user->path, error);
  if (text == NULL) {
    free(user);
    return BEAMCAST_ERR_IO;
  }
  int code = xac_user_parse(user->path, text, user, error);
  free(text);
  if (code == BEAMCAST_OK) {
    code = compile(r, user, error);
  }
  if (code != BEAMCAST_OK) {
    xac_user_free(user);
    return code;
  }
  keep_values(user, r->user);
  if (r->user) { /* takes over should the new one have to be stopped */
    xac_user_free(r->user_before);
    r->user_before = r->user;
  }
  r->stopped[0] = 0;
  r->user = user;
  r->coarse.fresh = 0;
  return BEAMCAST_OK;
}

void xac_user_free(xac_user *user) {
  if (user) {
    if (user->library) {
      (void)dlclose(user->library);
    }
    if (user->module) {
      xac_cuda->unload(user->module);
    }
    free(user);
  }
}

/* --- what is loaded --------------------------------------------------------------------------- */

int xac_user_parameters(const xac_renderer *r) {
  return r->user ? r->user->count : 0;
}

const xac_parameter *xac_user_parameter(const xac_renderer *r, int index) {
  return r->user && index >= 0 && index < r->user->count ? &r->user->parameters[index] : NULL;
}

int xac_user_set(xac_renderer *r, const char *name, double value, beamcast_error *error) {
  for (int i = 0; r->user && i < r->user->count; i++) {
    xac_parameter *p = &r->user->parameters[i];
    if (strcmp(p->name, name) == 0) {
      value = value >= p->minimum ? (value <= p->maximum ? value : p->maximum) : p->minimum;
      p->value = strcmp(p->type, "int") == 0 ? (double)(long long)value : value;
      return BEAMCAST_OK;
    }
  }
  return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the kernel declares no parameter \"%.60s\"",
                       name);
}

int xac_user_kernel_bits(const xac_renderer *r) {
  return r->user ? r->user->bits : 0;
}

xac_user_function xac_user_packet_function(const xac_user *user) {
  return user->packet;
}

void *xac_user_module(const xac_user *user, const char **why_not) {
  *why_not = user->not_on_device;
  return user->module;
}

void xac_user_values(const xac_user *user, float *values) {
  for (int i = 0; i < user->count; i++) {
    values[i] = (float)user->parameters[i].value;
  }
}

int xac_user_everywhere(const xac_user *user) {
  return user->everywhere;
}

/* --- what has to be stopped ------------------------------------------------------------------- */

const char *xac_user_reason(int why) {
  switch (why) {
  case XAC_USER_ENDLESS:
    return "a sample's loops did not end within a million rounds; bound them";
  case XAC_USER_SLOW:
    return "loops did not end within the time that a picture has";
  case XAC_USER_DIVISION:
    return "a whole number was divided by 0";
  default:
    return "an index was outside its array, or a pointer pointed to nothing";
  }
}

static void stop(xac_renderer *r, const char *what) {
  xac_user *bad = r->user;
  if (bad == NULL) {
    return;
  }
  const char *name = strrchr(bad->path, '/');
  r->user = r->user_before;
  r->user_before = NULL;
  (void)snprintf(r->stopped, sizeof r->stopped, "kernel %.60s was stopped: %s; %s",
                 name ? name + 1 : bad->path, what,
                 r->user ? "the kernel before it draws on" : "local light draws on");
  if (r->user) {
    if (r->user->bits & ~bad->bits) {
      r->coarse.fresh = 0;
    }
    r->shading.kernel = r->user->bits;
  }
  xac_user_free(bad);
}

void xac_user_stop(xac_renderer *r) {
  stop(r, "it had to be on another rank");
}

void xac_user_stop_because(xac_renderer *r, int why) {
  stop(r, xac_user_reason(why));
}

const char *xac_user_stopped(const xac_renderer *r) {
  return r->stopped;
}
