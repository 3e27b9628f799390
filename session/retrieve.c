/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Voxels of what a session shows. The viewer says what that is: a stream, whose voxels come
 * straight from the ranks, or a file, whose voxels the viewer gathers, in slabs that fit its
 * answers. A server for ParaView clients shows nothing itself: there it is the stream "volume".
 */
#include <jansson.h>
#include <stdlib.h>

#include "calls.h"
#include "pictures.h"

static const double default_limit = 120;
enum { SLAB_BYTES = 256 << 20, VOXEL_BYTES_MAX = 32 }; /* 4 components of 8 bytes */

/* What the viewer shows. */
typedef struct shown {
  char *array, *stream, *unit, *length_unit; /* stream: "" if it is a file */
  uint64_t size[3], start[3], shape[3];
  double spacing[3], origin[3], time;
  uint64_t step;
  char *about;
} shown;

static void shown_free(shown *s) {
  free(s->array);
  free(s->stream);
  free(s->length_unit);
  free(s->unit);
  free(s->about);
  memset(s, 0, sizeof *s);
}

static int call(const char *contact, json_t *arguments, double limit, bc_reply *reply,
                beamcast_error *error) {
  char *text = arguments ? json_dumps(arguments, JSON_COMPACT) : NULL;
  json_decref(arguments);
  if (text == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the array's name is not UTF-8");
  }
  int code = bc_call_server(contact, NULL, text, NULL, 0, limit, reply, error);
  free(text);
  return code;
}

static char *copy_of(const json_t *text) {
  return strdup(json_is_string(text) ? json_string_value(text) : "");
}

/* Reads the description; the box is the crop box, or all. */
static bool take_shown(shown *s, const char *text) {
  json_t *json = json_loads(text, 0, NULL);
  const json_t *size = json_object_get(json, "size"), *crop = json_object_get(json, "crop");
  bool good = json_array_size(size) == 3 && (!json_is_array(crop) || json_array_size(crop) == 6);
  memset(s, 0, sizeof *s);
  s->array = copy_of(json_object_get(json, "array"));
  s->stream = copy_of(json_object_get(json, "stream"));
  s->length_unit = copy_of(json_object_get(json, "length_unit"));
  s->unit = copy_of(json_object_get(json, "unit"));
  s->about = json_dumps(json_object_get(json, "provenance"), JSON_COMPACT | JSON_ENCODE_ANY);
  s->step = (uint64_t)json_integer_value(json_object_get(json, "step"));
  s->time = json_number_value(json_object_get(json, "time"));
  for (size_t axis = 0; axis < 3 && good; axis++) {
    s->size[axis] = (uint64_t)json_integer_value(json_array_get(size, axis));
    s->spacing[axis] = json_number_value(json_array_get(json_object_get(json, "spacing"), axis));
    s->origin[axis] = json_number_value(json_array_get(json_object_get(json, "origin"), axis));
    s->shape[axis] = s->size[axis];
    if (json_is_array(crop)) {
      s->start[axis] = (uint64_t)json_integer_value(json_array_get(crop, 2 * axis));
      s->shape[axis] =
          (uint64_t)json_integer_value(json_array_get(crop, 2 * axis + 1)) - s->start[axis];
    }
    good = s->size[axis] > 0 && s->start[axis] < s->size[axis] && s->shape[axis] > 0 &&
           s->shape[axis] <= s->size[axis] - s->start[axis];
  }
  json_decref(json);
  return good && s->array != NULL && s->stream != NULL && s->length_unit != NULL &&
         s->unit != NULL && s->about != NULL;
}

static int ask_shown(const char *contact, double limit, shown *s, beamcast_error *error) {
  bc_reply reply;
  int code = call(contact, json_pack("{s:s}", "verb", "retrieve"), limit, &reply, error);
  if (code == BEAMCAST_OK) {
    if (!take_shown(s, reply.json)) {
      shown_free(s);
      code = beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the viewer's answer makes no sense");
    }
    bc_reply_free(&reply);
  }
  return code;
}

/* --- a file's voxels ------------------------------------------------------------------------- */

/* Planes z0 to z1 of the box; the first slab tells the type. */
static int fetch_slab(const char *contact, const shown *s, uint64_t z0, uint64_t z1, double limit,
                      beamcast_volume_data *out, beamcast_error *error) {
  bc_reply reply;
  const uint64_t ends[2] = {s->start[0] + s->shape[0], s->start[1] + s->shape[1]};
  json_t *arguments =
      json_pack("{s:s, s:s, s:[I, I, I, I, I, I]}", "verb", "retrieve", "array", s->array, "box",
                (json_int_t)s->start[0], (json_int_t)ends[0], (json_int_t)s->start[1],
                (json_int_t)ends[1], (json_int_t)z0, (json_int_t)z1);
  int code = call(contact, arguments, limit, &reply, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  json_t *json = json_loads(reply.json, 0, NULL);
  const char *name = json_string_value(json_object_get(json, "type"));
  int type = name != NULL ? beamcast_type_from_name(name) : 0;
  int components = (int)json_integer_value(json_object_get(json, "components"));
  json_decref(json);
  uint64_t voxel = beamcast_type_size(type) * (uint64_t)(components > 0 ? components : 0);
  uint64_t plane = voxel * s->shape[0] * s->shape[1];
  bool first = out->data == NULL;
  if (voxel == 0 || voxel > VOXEL_BYTES_MAX || reply.size != plane * (z1 - z0) ||
      (!first && (type != out->type || components != out->components))) {
    code = beamcast_fail(error, BEAMCAST_ERR_PROTOCOL,
                         "what is shown has changed meanwhile, or the viewer's answer makes no "
                         "sense");
  } else if (first) {
    out->type = type;
    out->components = components;
    out->data = malloc(plane * s->shape[2]);
    code = out->data != NULL
               ? BEAMCAST_OK
               : beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no %.2f GiB of memory for the volume",
                               (double)plane * (double)s->shape[2] / (1 << 30));
  }
  if (code == BEAMCAST_OK) {
    memcpy((char *)out->data + plane * (z0 - s->start[2]), reply.data, reply.size);
  }
  bc_reply_free(&reply);
  return code;
}

static int fetch_file(const char *contact, const shown *s, double limit, beamcast_volume_data *out,
                      beamcast_error *error) {
  uint64_t planes = SLAB_BYTES / VOXEL_BYTES_MAX / s->shape[0] / s->shape[1];
  uint64_t end = s->start[2] + s->shape[2];
  int code = BEAMCAST_OK;
  planes = planes > 0 ? planes : 1;
  *out = (beamcast_volume_data){.step = s->step, .time = s->time};
  memcpy(out->start, s->start, sizeof out->start);
  memcpy(out->shape, s->shape, sizeof out->shape);
  memcpy(out->volume, s->size, sizeof out->volume);
  memcpy(out->spacing, s->spacing, sizeof out->spacing);
  memcpy(out->origin, s->origin, sizeof out->origin);
  (void)snprintf(out->name, sizeof out->name, "%s", s->array);
  (void)snprintf(out->unit, sizeof out->unit, "%s", s->unit);
  (void)snprintf(out->length_unit, sizeof out->length_unit, "%s", s->length_unit);
  for (uint64_t z = s->start[2]; z < end && code == BEAMCAST_OK; z += planes) {
    code = fetch_slab(contact, s, z, z + planes < end ? z + planes : end, limit, out, error);
  }
  if (code != BEAMCAST_OK) {
    beamcast_volume_free(out);
  }
  return code;
}

/* --- the public calls ------------------------------------------------------------------------ */

static bool take_box(shown *s, const uint64_t start[3], const uint64_t shape[3]) {
  bool good = true;
  for (int axis = 0; axis < 3; axis++) {
    s->start[axis] = start != NULL ? start[axis] : 0;
    good = good && s->start[axis] < s->size[axis];
    s->shape[axis] = shape != NULL ? shape[axis] : s->size[axis] - s->start[axis];
    good = good && s->shape[axis] > 0 && s->shape[axis] <= s->size[axis] - s->start[axis];
  }
  return good;
}

int beamcast_retrieve_from(const char *contact, const uint64_t *step, const char *array,
                           const uint64_t start[3], const uint64_t shape[3], double time_limit,
                           beamcast_volume_data *out, char **about, beamcast_error *error) {
  shown s;
  beamcast_error why = {0};
  if (contact == NULL || out == NULL || !(time_limit >= 0)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "retrieve needs a contact, a time limit and a place for the volume");
  }
  if (about != NULL) {
    *about = NULL;
  }
  double limit = time_limit > 0 ? time_limit : default_limit;
  int code = ask_shown(contact, limit, &s, &why);
  if (code == BEAMCAST_ERR_UNSUPPORTED) {
    return beamcast_stream_retrieve_step(contact, NULL, step, array, start, shape, limit, out,
                                         error);
  }
  if (code != BEAMCAST_OK) {
    return beamcast_fail(error, code, "%s", why.message);
  }
  if (array != NULL) {
    free(s.array);
    s.array = strdup(array);
  }
  if ((start != NULL || shape != NULL) && !take_box(&s, start, shape)) {
    code = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "the box does not lie in the volume of %llu x %llu x %llu voxels",
                         (unsigned long long)s.size[0], (unsigned long long)s.size[1],
                         (unsigned long long)s.size[2]);
  } else if (s.stream[0] != '\0') {
    code = beamcast_stream_retrieve_step(contact, s.stream, step, s.array, s.start, s.shape, limit,
                                         out, error);
  } else if (step != NULL) {
    code = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "a file is shown, which has no steps; name the stream (--stream)");
  } else {
    code = fetch_file(contact, &s, limit, out, error);
  }
  if (code == BEAMCAST_OK && about != NULL) {
    *about = s.about;
    s.about = NULL;
  }
  shown_free(&s);
  return code;
}

int beamcast_retrieve(beamcast_session *session, const char *array, const uint64_t start[3],
                      const uint64_t shape[3], beamcast_volume_data *out, beamcast_error *error) {
  char contact[BEAMCAST_SESSION_PATH_MAX];
  int code = bs_contact_of(session, 0, contact, error);
  return code == BEAMCAST_OK
             ? beamcast_retrieve_from(contact, NULL, array, start, shape, 0, out, NULL, error)
             : code;
}
