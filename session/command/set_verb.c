/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set: how the headless viewer shows what it shows.
 */
#include <stdlib.h>

#include "command.h"

static const char set_help[] =
    "Usage: beamcast set [NAME=VALUE ...] --to CONTACT [OPTIONS]\n"
    "Changes how a session shows what it shows, for all pictures to come. NAME: a parameter that\n"
    "the kernel file declares. With --to alone it tells how it is, with all parameters.\n"
    "\n"
    "  --kernel K              plain, local, scatter, occlusion, local+occlusion,\n"
    "                          scatter+occlusion, iso_edges, depth_density,\n"
    "                          label_colors, or a kernel file on the server\n"
    "  --preset P              bone, grey, rock, soft matter, or one of ParaView's by name\n"
    "  --window LO,HI          values at the colours' ends; auto: found by itself\n"
    "  --camera AZ,EL,ZOOM     degrees round and above, 0,0 from the front; zoom 1 shows all\n"
    "  --array NAME            which array is shown\n"
    "  --stream NAME           which stream is shown, from now on\n"
    "  --time-limit SEC        120\n"
    "  --json                  one JSON object: kernel, parameters, preset, window, ...\n"
    "\n"
    "  beamcast set --to ID --kernel iso_edges level=350 edges=0.5\n";

static bool put_text(json_t *call, const char *key, const char *text) {
  return json_object_set_new(call, key, json_string(text)) == 0;
}

static bool read_kernel(const char *text, void *to) {
  return put_text(to, "kernel", text);
}

static bool read_preset(const char *text, void *to) {
  return put_text(to, "preset", text);
}

static bool read_stream(const char *text, void *to) {
  return put_text(to, "stream", text);
}

static bool read_array(const char *text, void *to) {
  return put_text(to, "array", text);
}

static bool read_window(const char *text, void *to) {
  double ends[2];
  if (strcmp(text, "auto") == 0) {
    return json_object_set_new(to, "window", json_array()) == 0;
  }
  return read_list(text, ',', 2, ends) && ends[0] < ends[1] &&
         json_object_set_new(to, "window", json_pack("[f, f]", ends[0], ends[1])) == 0;
}

static bool read_camera(const char *text, void *to) {
  double place[3];
  return read_list(text, ',', 3, place) && place[2] > 0 &&
         json_object_set_new(to, "camera", json_pack("[f, f, f]", place[0], place[1], place[2])) ==
             0;
}

bool read_parameter(const char *text, void *to) {
  const char *equals = strchr(text, '=');
  double value;
  char name[64];
  if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof name ||
      !read_number(equals + 1, -1e300, 1e300, &value)) {
    return false;
  }
  (void)snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
  return json_object_set_new(to, name, json_real(value)) == 0;
}

const char a_parameter[] = "NAME=NUMBER, such as level=300";

static void print_look(const json_t *state) {
  const json_t *look = json_object_get(state, "look");
  const json_t *window = json_object_get(look, "window"),
               *all = json_object_get(look, "parameters");
  const json_t *one;
  size_t i;
  const json_t *stream = json_object_get(state, "stream"), *shown = json_object_get(state, "shown");
  printf("stream    %s\n", json_string_value(json_object_get(stream, "name")));
  if (json_is_string(json_object_get(shown, "array"))) {
    const char *unit = json_string_value(json_object_get(shown, "unit"));
    printf("array     %s%s%s\n", json_string_value(json_object_get(shown, "array")),
           unit != NULL && unit[0] != '\0' ? ", in " : "", unit != NULL ? unit : "");
  }
  printf("kernel    %s\n", json_string_value(json_object_get(look, "kernel")));
  json_array_foreach(all, i, one) {
    printf("  %-18s %-10g %s, %g to %g: %s\n", json_string_value(json_object_get(one, "name")),
           json_number_value(json_object_get(one, "value")),
           json_string_value(json_object_get(one, "type")),
           json_number_value(json_object_get(one, "minimum")),
           json_number_value(json_object_get(one, "maximum")),
           json_string_value(json_object_get(one, "help")));
  }
  printf("preset    %s%s\n", json_string_value(json_object_get(look, "preset")),
         json_is_true(json_object_get(look, "by_hand")) ? ", changed by hand" : "");
  printf("window    %g to %g%s\n", json_number_value(json_array_get(window, 0)),
         json_number_value(json_array_get(window, 1)),
         json_is_true(json_object_get(look, "window_by_itself")) ? ", found by itself" : "");
}

static int change(const char *to, json_t *call, double limit, bool json) {
  char contact[CONTACT_LIMIT], *answer = NULL;
  beamcast_error error = {0};
  int status = find_contact(to, contact);
  if (status != DONE) {
    return status;
  }
  const char *verb = json_object_size(call) > 0 ? "set" : "state";
  char *text = put_text(call, "verb", verb) ? json_dumps(call, JSON_COMPACT) : NULL;
  begin_waiting("setting");
  int code = text != NULL
                 ? beamcast_call_viewer(contact, text, limit, &answer, NULL, NULL, &error)
                 : beamcast_fail(&error, BEAMCAST_ERR_ARGUMENT, "a text in it is not UTF-8");
  end_waiting();
  free(text);
  if (code != BEAMCAST_OK) {
    return say_error(&error);
  }
  json_t *state = json_loads(answer, 0, NULL), *look = json_object_get(state, "look");
  if (json) {
    status = print_json(json_incref(look));
  } else if (strcmp(verb, "state") == 0) {
    print_look(state);
    status = fflush(stdout) == 0 ? DONE : FAILED;
  }
  json_decref(state);
  free(answer);
  return status;
}

static int set(int argc, char **argv, json_t *call, json_t *parameters) {
  const char *to = NULL, *const * words;
  double limit = 120;
  bool json = false;
  int count;
  const verb_option options[] = {{"to", read_text, &to, NULL},
                                 {"session", read_text, &to, NULL},
                                 {"kernel", read_kernel, call, NULL},
                                 {"preset", read_preset, call, NULL},
                                 {"array", read_array, call, NULL},
                                 {"stream", read_stream, call, NULL},
                                 {"window", read_window, call, "LO,HI, or auto"},
                                 {"camera", read_camera, call, "AZ,EL,ZOOM, such as 30,20,1"},
                                 {"time-limit", read_seconds, &limit, a_number_of_seconds},
                                 {NULL, NULL, NULL, NULL}};
  int status = read_words(argc, argv, set_help, options, &json, &words, &count);
  if (status != DONE) {
    return status < 0 ? DONE : status;
  }
  for (int i = 0; i < count; i++) {
    if (!read_parameter(words[i], parameters)) {
      return say_wrong(argv[0], "a parameter is %s, not \"%s\"", a_parameter, words[i]);
    }
  }
  if (to == NULL) {
    return say_wrong(argv[0], "of which session? --to CONTACT is missing");
  }
  if (count > 0) {
    (void)json_object_set(call, "parameters", parameters);
  }
  return change(to, call, limit, json);
}

int verb_set(int argc, char **argv) {
  json_t *call = json_object(), *parameters = json_object();
  int status = call != NULL && parameters != NULL ? set(argc, argv, call, parameters)
                                                  : say_failed("out of memory");
  json_decref(parameters);
  json_decref(call);
  return status;
}
