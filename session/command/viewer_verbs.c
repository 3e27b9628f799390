/* SPDX-License-Identifier: BSD-3-Clause
 *
 * screenshot and open: what the headless viewer does.
 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

static const char screenshot_help[] =
    "Usage: beamcast screenshot --from CONTACT -o FILE.png [OPTIONS]\n"
    "A picture of what a session shows; the options count for this picture alone.\n"
    "\n"
    "  --size WxH              pixels\n"
    "  --camera AZ,EL,ZOOM     degrees round and above, 0,0 from the front; zoom 1 shows all\n"
    "  --preset P              bone, grey, rock, soft matter, or one of ParaView's by name\n"
    "  --window LO,HI          values at the colours' ends\n"
    "  --kernel K              plain, local, scatter, occlusion, local+occlusion,\n"
    "                          scatter+occlusion, iso_edges, depth_density,\n"
    "                          label_colors, or a kernel file on the server\n"
    "  --set NAME=VALUE        a parameter of the kernel file; may be given several times\n"
    "  --slice AXIS=N          the plane of voxels number N along x, y or z, from 0\n"
    "  --time-limit SEC        120\n"
    "  --folder-group          the file belongs to its folder's group, which may read it\n"
    "  --json                  one JSON object: file, width, height, provenance\n";
static const char open_help[] =
    "Usage: beamcast open FILE[:DATASET] --to CONTACT [OPTIONS]\n"
    "Has the server read a volume of a file that it can reach, all its ranks at once, and show "
    "it:\n"
    "HDF5, NeXus, TIFF stacks, raw.\n"
    "\n"
    "  --stride X,Y,Z          every how many voxels; else as many as fit memory\n"
    "  --time-limit SEC        600; reading ends with it, as with Ctrl-C\n"
    "  --json                  one JSON object: shown\n";

static bool read_pixels(const char *text, void *to) {
  beamcast_picture_options *o = to;
  double size[2];
  if (!read_list(text, 'x', 2, size) || size[0] < 16 || size[1] < 16 || size[0] > 8192 ||
      size[1] > 8192) {
    return false;
  }
  o->width = (int)size[0];
  o->height = (int)size[1];
  return o->width == size[0] && o->height == size[1];
}

static bool read_camera(const char *text, void *to) {
  beamcast_picture_options *o = to;
  return read_list(text, ',', 3, o->camera) && o->camera[2] > 0;
}

static bool read_window(const char *text, void *to) {
  beamcast_picture_options *o = to;
  return read_list(text, ',', 2, o->window) && o->window[0] < o->window[1];
}

static bool read_stride(const char *text, void *to) {
  double *stride = to;
  return read_list(text, ',', 3, stride) && stride[0] >= 1 && stride[1] >= 1 && stride[2] >= 1;
}

static bool read_slice(const char *text, void *to) {
  beamcast_picture_options *o = to;
  int number;
  if (text[0] < 'x' || text[0] > 'z' || text[1] != '=' ||
      !read_whole(text + 2, 0, 1L << 30, &number)) {
    return false;
  }
  o->slice_axis = text[0];
  o->slice = (uint64_t)number;
  return true;
}

/* Whether the name says another kind of file. */
static bool is_no_png(const char *path) {
  const char *slash = strrchr(path, '/'), *dot = strrchr(slash != NULL ? slash : path, '.');
  return dot != NULL && strcasecmp(dot, ".png") != 0;
}

static int write_file(const char *path, const beamcast_picture *picture) {
  FILE *file = fopen(path, "wbe");
  bool good = file != NULL && fwrite(picture->data, 1, picture->size, file) == picture->size;
  int why = errno;
  if (file != NULL && fclose(file) != 0) {
    good = false;
    why = errno;
  }
  struct stat state;
  if (!good && file != NULL && stat(path, &state) == 0 && S_ISREG(state.st_mode)) {
    (void)unlink(path); /* half of it is no picture */
  }
  return good ? DONE : say_failed("%s can't be written: %s", path, strerror(why));
}

/* --- screenshot ------------------------------------------------------------------------------ */

/* "name=value name=value"; malloc'ed, NULL for none. */
static char *join_parameters(json_t *parameters) {
  char *text = NULL, *before;
  const char *name;
  json_t *value;
  json_object_foreach(parameters, name, value) {
    before = text;
    if (asprintf(&text, "%s%s%s=%.17g", before != NULL ? before : "", before != NULL ? " " : "",
                 name, json_real_value(value)) < 0) {
      text = NULL;
    }
    free(before);
  }
  return text;
}

static int screenshot(int argc, char **argv, json_t *parameters) {
  beamcast_picture_options o = {.png = 1};
  const char *from = NULL, *to = NULL;
  bool json = false, folder_group = false;
  const verb_option options[] = {{"from", read_text, &from, NULL},
                                 {"session", read_text, &from, NULL},
                                 {"output", read_text, &to, NULL},
                                 {"size", read_pixels, &o, "WxH, 16 to 8192 pixels each"},
                                 {"camera", read_camera, &o, "AZ,EL,ZOOM, such as 30,20,1"},
                                 {"preset", read_text, &o.preset, NULL},
                                 {"window", read_window, &o, "LO,HI, the smaller one first"},
                                 {"kernel", read_text, &o.kernel, NULL},
                                 {"set", read_parameter, parameters, a_parameter},
                                 {"slice", read_slice, &o, "x, y or z and a number, such as z=60"},
                                 {"time-limit", read_seconds, &o.time_limit, a_number_of_seconds},
                                 {"folder-group", NULL, &folder_group, NULL},
                                 {NULL, NULL, NULL, NULL}};
  int status = read_verb(argc, argv, screenshot_help, options, &json, NULL);
  if (status != DONE) {
    return status < 0 ? DONE : status;
  }
  if (from == NULL || to == NULL) {
    return say_wrong(argv[0], from == NULL ? "of what? --from CONTACT is missing"
                                           : "where to? -o FILE.png is missing");
  }
  if (is_no_png(to)) {
    return say_wrong(argv[0], "pictures are PNG: -o FILE.png, not \"%s\"", to);
  }
  char contact[CONTACT_LIMIT];
  beamcast_error error = {0};
  beamcast_picture picture;
  status = find_contact(from, contact);
  if (status != DONE) {
    return status;
  }
  char *given = join_parameters(parameters);
  o.parameters = given;
  begin_waiting("drawing");
  int code = beamcast_screenshot_from(contact, &o, &picture, &error);
  end_waiting();
  free(given);
  if (code != BEAMCAST_OK) {
    return say_error(&error);
  }
  status = write_file(to, &picture);
  if (status == DONE && folder_group) {
    status = give_to_folder_group(to);
  }
  if (status == DONE && json) {
    status = print_json(json_pack("{s:s, s:i, s:i, s:o}", "file", to, "width", picture.width,
                                  "height", picture.height, "provenance",
                                  json_loads(picture.about, JSON_DECODE_ANY, NULL)));
  }
  beamcast_picture_free(&picture);
  return status;
}

int verb_screenshot(int argc, char **argv) {
  json_t *parameters = json_object();
  int status = screenshot(argc, argv, parameters);
  json_decref(parameters);
  return status;
}

/* --- open ------------------------------------------------------------------------------------ */

/* FILE:DATASET, unless there is a file of the whole name; of a file that is not on this machine,
 * after the first colon. A path of this machine becomes absolute. Both results are malloc'ed. */
static bool split(const char *given, char **path, char **dataset) {
  const char *colon = NULL;
  if (access(given, F_OK) != 0) {
    char *part = NULL;
    for (const char *at = strchr(given, ':'); at != NULL; at = strchr(at + 1, ':')) {
      free(part);
      part = strndup(given, (size_t)(at - given));
      colon = colon == NULL || (part != NULL && access(part, F_OK) == 0) ? at : colon;
    }
    free(part);
  }
  char *name = colon != NULL ? strndup(given, (size_t)(colon - given)) : strdup(given);
  *dataset = strdup(colon != NULL ? colon + 1 : "");
  *path = name != NULL ? realpath(name, NULL) : NULL;
  if (*path == NULL && name != NULL && name[0] == '/') {
    *path = name; /* of the server's */
    name = NULL;
  }
  free(name);
  return *path != NULL && *dataset != NULL;
}

static int open_file(const char *given, const char *to, const double stride[3], double limit,
                     bool json) {
  char contact[CONTACT_LIMIT], *path, *dataset, *answer = NULL;
  beamcast_error error = {0};
  int status = find_contact(to, contact);
  if (status != DONE) {
    return status;
  }
  if (!split(given, &path, &dataset)) {
    free(path);
    free(dataset);
    return say_failed("there is no file %s here; of a file on the server give the whole path",
                      given);
  }
  json_t *call =
      json_pack("{s:s, s:s, s:s, s:[I, I, I]}", "verb", "open", "path", path, "dataset", dataset,
                "stride", (json_int_t)stride[0], (json_int_t)stride[1], (json_int_t)stride[2]);
  char *text = call ? json_dumps(call, JSON_COMPACT) : NULL;
  begin_waiting("opening");
  int code = text != NULL
                 ? beamcast_call_viewer(contact, text, limit, &answer, NULL, NULL, &error)
                 : beamcast_fail(&error, BEAMCAST_ERR_ARGUMENT, "the file's name is not UTF-8");
  end_waiting();
  if (code != BEAMCAST_OK) {
    status = say_error(&error);
  } else if (json) {
    status = print_json(json_loads(answer, 0, NULL));
  } else {
    json_t *result = json_loads(answer, 0, NULL);
    const char *notice =
        json_string_value(json_object_get(json_object_get(result, "shown"), "notice"));
    if (notice != NULL && notice[0] != '\0') {
      (void)fprintf(stderr, "beamcast: %s\n", notice);
    }
    json_decref(result);
  }
  json_decref(call);
  free(text);
  free(answer);
  free(path);
  free(dataset);
  return status;
}

int verb_open(int argc, char **argv) {
  const char *file, *to = NULL;
  double stride[3] = {0, 0, 0}, limit = 600;
  bool json = false;
  const verb_option options[] = {{"to", read_text, &to, NULL},
                                 {"session", read_text, &to, NULL},
                                 {"stride", read_stride, stride, "X,Y,Z, each at least 1"},
                                 {"time-limit", read_seconds, &limit, a_number_of_seconds},
                                 {NULL, NULL, NULL, NULL}};
  int status = read_verb(argc, argv, open_help, options, &json, &file);
  if (status != DONE) {
    return status < 0 ? DONE : status;
  }
  if (file == NULL || to == NULL) {
    return say_wrong(argv[0], file == NULL ? "which file?" : "where to? --to CONTACT is missing");
  }
  return open_file(file, to, stride, limit, json);
}
