/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What only the headless viewer does, asked of it by calls; see viewer/README.md.
 */
#include "pictures.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "calls.h"

static const double default_limit = 120;

static double limit_of(double given) {
  return given > 0 ? given : default_limit;
}

/* Makes the call and frees its text. */
static int call(const char *contact, json_t *arguments, double limit, bc_reply *reply,
                beamcast_error *error) {
  char *text = arguments ? json_dumps(arguments, JSON_COMPACT) : NULL;
  json_decref(arguments);
  if (text == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "the call could not be made: is a text in it not UTF-8?");
  }
  int code = bc_call_server(contact, NULL, text, NULL, 0, limit, reply, error);
  free(text);
  return code;
}

int beamcast_call_viewer(const char *contact, const char *text, double time_limit, char **answer,
                         unsigned char **data, size_t *size, beamcast_error *error) {
  bc_reply reply;
  if (contact == NULL || text == NULL || answer == NULL || !(time_limit >= 0)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "a call needs a contact, a JSON object, a time limit and a place for the "
                         "answer");
  }
  *answer = NULL;
  int code = bc_call_server(contact, NULL, text, NULL, 0, limit_of(time_limit), &reply, error);
  if (code == BEAMCAST_OK) {
    *answer = reply.json;
    reply.json = NULL;
    if (data != NULL && size != NULL) {
      *data = reply.data;
      *size = (size_t)reply.size;
      reply.data = NULL;
    }
    bc_reply_free(&reply);
  }
  return code;
}

/* --- pictures -------------------------------------------------------------------------------- */

static json_t *describe(const beamcast_picture_options *o) {
  json_t *json = json_pack("{s:s, s:s}", "verb", "screenshot", "format", o->png ? "png" : "rgba");
  if (json == NULL) {
    return NULL;
  }
  bool good = true;
  if (o->width != 0 || o->height != 0) {
    good = json_object_set_new(json, "size", json_pack("[i, i]", o->width, o->height)) == 0;
  }
  if (o->camera[2] != 0) {
    good = json_object_set_new(json, "camera",
                               json_pack("[f, f, f]", o->camera[0], o->camera[1], o->camera[2])) ==
               0 &&
           good;
  }
  if (o->preset != NULL) {
    good = json_object_set_new(json, "preset", json_string(o->preset)) == 0 && good;
  }
  if (o->window[0] != 0 || o->window[1] != 0) {
    good =
        json_object_set_new(json, "window", json_pack("[f, f]", o->window[0], o->window[1])) == 0 &&
        good;
  }
  if (o->kernel != NULL) {
    good = json_object_set_new(json, "kernel", json_string(o->kernel)) == 0 && good;
  }
  if (o->parameters != NULL) {
    good = json_object_set_new(json, "parameters", json_string(o->parameters)) == 0 && good;
  }
  if (o->slice_axis != 0) {
    good = json_object_set_new(
               json, "slice", json_pack("[s#, I]", &o->slice_axis, 1, (json_int_t)o->slice)) == 0 &&
           good;
  }
  if (!good) {
    json_decref(json);
    json = NULL;
  }
  return json;
}

static int take_picture(bc_reply *reply, bool png, beamcast_picture *picture,
                        beamcast_error *error) {
  json_t *json = json_loads(reply->json, 0, NULL);
  json_int_t width = json_integer_value(json_object_get(json, "width"));
  json_int_t height = json_integer_value(json_object_get(json, "height"));
  const json_t *about = json_object_get(json, "provenance");
  bool good = width > 0 && height > 0 && width <= 65536 && height <= 65536 && reply->size > 0 &&
              (png || reply->size == (uint64_t)width * (uint64_t)height * 4);
  char *text = good ? json_dumps(about, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
  json_decref(json);
  if (text == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the viewer's answer makes no sense");
  }
  *picture = (beamcast_picture){.width = (int)width,
                                .height = (int)height,
                                .data = reply->data,
                                .size = (size_t)reply->size,
                                .about = text};
  reply->data = NULL;
  return BEAMCAST_OK;
}

int beamcast_screenshot_from(const char *contact, const beamcast_picture_options *options,
                             beamcast_picture *picture, beamcast_error *error) {
  beamcast_picture_options o = {0};
  bc_reply reply;
  if (options != NULL) {
    o = *options;
  }
  if (contact == NULL || picture == NULL || !(o.time_limit >= 0)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "a screenshot needs a contact and a place for the picture");
  }
  for (int i = 0; i < 3; i++) {
    if (!isfinite(o.camera[i]) || !isfinite(o.window[i % 2])) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "camera and window must be finite");
    }
  }
  memset(picture, 0, sizeof *picture);
  int code = call(contact, describe(&o), limit_of(o.time_limit), &reply, error);
  if (code == BEAMCAST_OK) {
    code = take_picture(&reply, o.png != 0, picture, error);
    bc_reply_free(&reply);
  }
  return code;
}

int beamcast_screenshot(beamcast_session *session, const beamcast_picture_options *options,
                        beamcast_picture *picture, beamcast_error *error) {
  char contact[BEAMCAST_SESSION_PATH_MAX];
  int code = bs_contact_of(session, options ? options->time_limit : 0, contact, error);
  return code == BEAMCAST_OK ? beamcast_screenshot_from(contact, options, picture, error) : code;
}

void beamcast_picture_free(beamcast_picture *picture) {
  free(picture->data);
  free(picture->about);
  memset(picture, 0, sizeof *picture);
}

/* --- files ----------------------------------------------------------------------------------- */

int beamcast_load_file(beamcast_session *session, const char *path, const char *dataset,
                       const uint64_t stride[3], beamcast_error *error) {
  char contact[BEAMCAST_SESSION_PATH_MAX];
  bc_reply reply;
  if (path == NULL || path[0] != '/') {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "load_file needs a path that is absolute on the server");
  }
  int code = bs_contact_of(session, 0, contact, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  json_t *json = json_pack("{s:s, s:s, s:s, s:[I, I, I]}", "verb", "open", "path", path, "dataset",
                           dataset ? dataset : "", "stride", stride ? (json_int_t)stride[0] : 0,
                           stride ? (json_int_t)stride[1] : 0, stride ? (json_int_t)stride[2] : 0);
  code = call(contact, json, default_limit, &reply, error);
  if (code == BEAMCAST_OK) {
    bc_reply_free(&reply);
  }
  return code;
}
