/* SPDX-License-Identifier: BSD-3-Clause
 *
 * beamcast._core.Volume: memory that the library fetched, as a buffer [z][y][x] or
 * [z][y][x][component] that NumPy takes without a copy.
 */
#include "core.h"

#ifdef BEAMCAST_HAS_SESSION
#include "beamcast_session.h"
#endif

typedef struct volume_object {
  PyObject_HEAD beamcast_volume_data data;
  Py_ssize_t shape[4], stride[4];
} volume_object;

/* The type's letter in the struct module's language. */
static char *format_of(int type) {
  switch (type) {
  case BEAMCAST_UINT8:
    return "B";
  case BEAMCAST_INT8:
    return "b";
  case BEAMCAST_UINT16:
    return "H";
  case BEAMCAST_INT16:
    return "h";
  case BEAMCAST_UINT32:
    return "I";
  case BEAMCAST_INT32:
    return "i";
  case BEAMCAST_FLOAT16:
    return "e";
  case BEAMCAST_FLOAT32:
    return "f";
  default:
    return "d";
  }
}

static int get_buffer(PyObject *object, Py_buffer *view, int flags) {
  volume_object *self = (volume_object *)object;
  const beamcast_volume_data *d = &self->data;
  Py_ssize_t size = (Py_ssize_t)beamcast_type_size(d->type);
  *view = (Py_buffer){.buf = d->data,
                      .obj = Py_NewRef(object),
                      .len = self->shape[0] * self->stride[0],
                      .itemsize = size,
                      .ndim = d->components > 1 ? 4 : 3,
                      .format = (flags & PyBUF_FORMAT) ? format_of(d->type) : NULL,
                      .shape = (flags & PyBUF_ND) ? self->shape : NULL,
                      .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? self->stride : NULL};
  return 0;
}

static void dealloc(PyObject *object) {
  PyTypeObject *type = Py_TYPE(object);
  beamcast_volume_free(&((volume_object *)object)->data);
  PyObject_Free(object);
  Py_DECREF(type);
}

static PyObject *new_volume(PyTypeObject *type, const beamcast_volume_data *data) {
  volume_object *self = PyObject_New(volume_object, type);
  if (self == NULL) {
    return NULL;
  }
  self->data = *data;
  self->shape[3] = data->components;
  self->stride[3] = (Py_ssize_t)beamcast_type_size(data->type);
  self->stride[2] = self->stride[3] * data->components;
  for (int axis = 0; axis < 3; axis++) {
    self->shape[2 - axis] = (Py_ssize_t)data->shape[axis];
  }
  self->stride[1] = self->stride[2] * self->shape[2];
  self->stride[0] = self->stride[1] * self->shape[1];
  return (PyObject *)self;
}

static bool take_optional(PyObject *from, const char *format, const char *what, uint64_t xyz[3]) {
  long long zyx[3];
  return PyArg_ParseTuple(from, format, &zyx[0], &zyx[1], &zyx[2]) &&
         core_take_triple(what, zyx, xyz);
}

/* Of a stream, or, without its name, of what is shown. */
static int fetch(const char *contact, const char *stream, const uint64_t *step, const char *array,
                 const uint64_t *start, const uint64_t *shape, double limit,
                 beamcast_volume_data *data, beamcast_error *error) {
#ifdef BEAMCAST_HAS_SESSION
  if (stream == NULL) {
    return beamcast_retrieve_from(contact, step, array, start, shape, limit, data, NULL, error);
  }
#endif
  return beamcast_stream_retrieve_step(contact, stream, step, array, start, shape, limit, data,
                                       error);
}

PyObject *core_retrieve(PyObject *module, PyObject *arguments) {
  const core_state *state = PyModule_GetState(module);
  PyObject *contact = NULL, *start, *shape, *number;
  const char *stream, *array;
  uint64_t first[3], size[3], step = 0;
  double limit;
  beamcast_volume_data data;
  beamcast_error error = {0};
  int code;
  if (!PyArg_ParseTuple(arguments, "O&zzOOdO:retrieve", PyUnicode_FSConverter, &contact, &stream,
                        &array, &start, &shape, &limit, &number)) {
    return NULL;
  }
  bool has_step = number != Py_None;
  step = has_step ? PyLong_AsUnsignedLongLong(number) : 0;
  if (PyErr_Occurred() != NULL) {
    Py_DECREF(contact);
    return NULL;
  }
  bool has_start = start != Py_None, has_shape = shape != Py_None;
  if ((has_start && !take_optional(start, "LLL;start", "start", first)) ||
      (has_shape && !take_optional(shape, "LLL;shape", "shape", size))) {
    Py_DECREF(contact);
    return NULL;
  }
  const char *path = PyBytes_AsString(contact);
  Py_BEGIN_ALLOW_THREADS
  code = fetch(path, stream, has_step ? &step : NULL, array, has_start ? first : NULL,
               has_shape ? size : NULL, limit, &data, &error);
  Py_END_ALLOW_THREADS
  Py_DECREF(contact);
  if (code != BEAMCAST_OK) {
    return core_raise(&error);
  }
  PyObject *volume = new_volume(state->volume_type, &data);
  if (volume == NULL) {
    beamcast_volume_free(&data);
    return NULL;
  }
  return Py_BuildValue("NKd(KKK)(KKK)(ddd)(ddd)sss", volume, (unsigned long long)data.step,
                       data.time, (unsigned long long)data.start[2],
                       (unsigned long long)data.start[1], (unsigned long long)data.start[0],
                       (unsigned long long)data.volume[2], (unsigned long long)data.volume[1],
                       (unsigned long long)data.volume[0], data.spacing[2], data.spacing[1],
                       data.spacing[0], data.origin[2], data.origin[1], data.origin[0], data.name,
                       data.unit, data.length_unit);
}

static PyType_Slot slots[] = {{Py_tp_dealloc, dealloc}, {Py_bf_getbuffer, get_buffer}, {0, NULL}};

PyType_Spec core_volume_spec = {.name = "beamcast._core.Volume",
                                .basicsize = sizeof(volume_object),
                                .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                .slots = slots};
