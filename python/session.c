/* SPDX-License-Identifier: BSD-3-Clause
 *
 * beamcast._core.Session: a handle of a session, see session/beamcast_session.h. Guarded by the
 * GIL; while a call waits without it, `busy` keeps other threads out.
 */
#include "beamcast_session.h"

#include <stdlib.h>

#include "core.h"

typedef struct session_object {
  PyObject_HEAD beamcast_session *session; /* never NULL */
  bool busy;
} session_object;

static bool claim(session_object *self) {
  if (self->busy) {
    PyErr_SetString(PyExc_RuntimeError, "the session is in a call of another thread");
    return false;
  }
  self->busy = true;
  return true;
}

static PyObject *text_of(const char *text) {
  return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

static PyObject *tuple_of(const beamcast_session_info *i) {
  return Py_BuildValue(
      "NNNNNNNNNiLLNNNNN", text_of(i->id), text_of(beamcast_session_state_name(i->state)),
      text_of(i->reason), PyUnicode_DecodeFSDefault(i->contact), text_of(i->paraview),
      PyUnicode_DecodeFSDefault(i->connect_id_file), PyUnicode_DecodeFSDefault(i->log),
      text_of(i->host), text_of(i->slurm_job), i->ranks, (long long)i->start_time,
      (long long)i->created, text_of(i->url), text_of(i->login), text_of(i->estimate),
      text_of(i->client), text_of(i->name));
}

/* --- life ------------------------------------------------------------------------------------ */

/* Takes the session over; it is freed on failure. */
static PyObject *new_session(PyObject *module, beamcast_session *session) {
  const core_state *state = PyModule_GetState(module);
  session_object *self = PyObject_New(session_object, state->session_type);
  if (self == NULL) {
    beamcast_session_close(session);
    return NULL;
  }
  self->session = session;
  self->busy = false;
  return (PyObject *)self;
}

/* --- waiting --------------------------------------------------------------------------------- */

/* Whether Ctrl-C, or another signal's handler, ends the call that waits. */
static bool is_interrupted(void *nothing) {
  (void)nothing;
  PyGILState_STATE state = PyGILState_Ensure();
  bool ended = PyErr_CheckSignals() != 0;
  PyGILState_Release(state);
  return ended;
}

#define BEGIN_WAIT                                                                                 \
  beamcast_session_on_wait(is_interrupted, NULL);                                                  \
  Py_BEGIN_ALLOW_THREADS
#define END_WAIT                                                                                   \
  Py_END_ALLOW_THREADS                                                                             \
  beamcast_session_on_wait(NULL, NULL);

PyObject *core_start(PyObject *module, PyObject *arguments) {
  beamcast_start_options options = {0};
  beamcast_error error = {0};
  long long size[3];
  const char *type;
  beamcast_session *session;
  PyObject *script = NULL;
  if (!PyArg_ParseTuple(arguments, "pidz(LLL)zdOpzizzi:start", &options.paraview, &options.ranks,
                        &options.idle_minutes, &options.slurm, &size[0], &size[1], &size[2], &type,
                        &options.time_limit, &script, &options.web, &options.host, &options.keep,
                        &options.client, &options.name, &options.slots) ||
      !core_take_triple("shape", size, options.size)) {
    return NULL;
  }
  PyObject *path = NULL;
  if (script != Py_None && !PyUnicode_FSConverter(script, &path)) {
    return NULL;
  }
  options.script = path != NULL ? PyBytes_AsString(path) : NULL;
  options.type = type != NULL ? beamcast_type_from_name(type) : 0;
  BEGIN_WAIT
  session = beamcast_start(&options, &error);
  END_WAIT
  Py_XDECREF(path);
  if (session != NULL && PyErr_Occurred() != NULL) { /* it ran just then */
    (void)beamcast_stop(session, NULL);
    beamcast_session_close(session);
    return NULL;
  }
  return session != NULL ? new_session(module, session) : core_raise(&error);
}

PyObject *core_open_session(PyObject *module, PyObject *arguments) {
  beamcast_error error = {0};
  const char *id;
  if (!PyArg_ParseTuple(arguments, "s:open_session", &id)) {
    return NULL;
  }
  beamcast_session *session = beamcast_session_open(id, &error);
  return session != NULL ? new_session(module, session) : core_raise(&error);
}

static void dealloc(PyObject *object) {
  PyTypeObject *type = Py_TYPE(object);
  beamcast_session *session = ((session_object *)object)->session;
  Py_BEGIN_ALLOW_THREADS
  beamcast_session_close(session);
  Py_END_ALLOW_THREADS
  PyObject_Free(object);
  Py_DECREF(type);
}

/* --- status, stop ---------------------------------------------------------------------------- */

static PyObject *session_status(PyObject *object, PyObject *nothing) {
  session_object *self = (session_object *)object;
  beamcast_session_info info;
  beamcast_error error = {0};
  int code;
  (void)nothing;
  if (!claim(self)) {
    return NULL;
  }
  BEGIN_WAIT
  code = beamcast_status(self->session, &info, &error);
  END_WAIT
  self->busy = false;
  return code == BEAMCAST_OK && PyErr_Occurred() == NULL ? tuple_of(&info) : core_raise(&error);
}

static PyObject *session_stop(PyObject *object, PyObject *nothing) {
  session_object *self = (session_object *)object;
  beamcast_error error = {0};
  int code;
  (void)nothing;
  if (!claim(self)) {
    return NULL;
  }
  Py_BEGIN_ALLOW_THREADS
  code = beamcast_stop(self->session, &error);
  Py_END_ALLOW_THREADS
  self->busy = false;
  if (code != BEAMCAST_OK) {
    return core_raise(&error);
  }
  Py_RETURN_NONE;
}

PyObject *core_sessions(PyObject *module, PyObject *nothing) {
  beamcast_session_info *infos = NULL;
  size_t count = 0;
  beamcast_error error = {0};
  int code;
  (void)module;
  (void)nothing;
  Py_BEGIN_ALLOW_THREADS
  code = beamcast_session_list(&infos, &count, &error);
  Py_END_ALLOW_THREADS
  if (code != BEAMCAST_OK) {
    free(infos);
    return core_raise(&error);
  }
  PyObject *list = PyList_New(0);
  for (size_t i = 0; i < count && list != NULL; i++) {
    PyObject *item = tuple_of(&infos[i]);
    if (item == NULL || PyList_Append(list, item) != 0) {
      Py_CLEAR(list);
    }
    Py_XDECREF(item);
  }
  free(infos);
  return list;
}

/* --- volumes and rights ---------------------------------------------------------------------- */

static int render(session_object *self, const beamcast_brick *brick, double limit,
                  beamcast_error *error) {
  beamcast_volume volume = {.name = brick->name,
                            .data = brick->data,
                            .type = brick->type,
                            .components = brick->components,
                            .unit = brick->unit,
                            .length_unit = brick->length_unit};
  memcpy(volume.shape, brick->shape, sizeof volume.shape);
  memcpy(volume.stride, brick->stride, sizeof volume.stride);
  memcpy(volume.spacing, brick->spacing, sizeof volume.spacing);
  memcpy(volume.origin, brick->origin, sizeof volume.origin);
  int code;
  BEGIN_WAIT
  code = beamcast_render_volume_within(self->session, &volume, limit, error);
  END_WAIT
  return code;
}

static PyObject *session_render_volume(PyObject *object, PyObject *arguments) {
  session_object *self = (session_object *)object;
  beamcast_brick brick = {0};
  beamcast_error error = {0};
  PyObject *array;
  const char *type;
  double limit, *s = brick.spacing, *o = brick.origin;
  Py_buffer view;
  if (!PyArg_ParseTuple(arguments, "Os(ddd)(ddd)szzd:render_volume", &array, &type, &s[2], &s[1],
                        &s[0], &o[2], &o[1], &o[0], &brick.name, &brick.unit, &brick.length_unit,
                        &limit) ||
      PyObject_GetBuffer(array, &view, PyBUF_STRIDED_RO) != 0) {
    return NULL;
  }
  if (!core_describe_view(&view, type, &brick) || !claim(self)) {
    PyBuffer_Release(&view);
    return NULL;
  }
  int code = render(self, &brick, limit, &error);
  self->busy = false;
  PyBuffer_Release(&view);
  if (code == BEAMCAST_OK || code == BEAMCAST_DROPPED) {
    return PyBool_FromLong(code == BEAMCAST_OK);
  }
  return core_raise(&error);
}

/* xyz: a contiguous array [n, 3]; values: one of n, or None. Python has seen to that. */
static PyObject *session_render_points(PyObject *object, PyObject *arguments) {
  session_object *self = (session_object *)object;
  beamcast_points points = {0};
  beamcast_error error = {0};
  const char *type, *values_type;
  double limit;
  Py_buffer xyz = {0}, values = {0};
  int code;
  if (!PyArg_ParseTuple(arguments, "y*sz*zszzd:render_points", &xyz, &type, &values, &values_type,
                        &points.name, &points.unit, &points.length_unit, &limit)) {
    return NULL;
  }
  points.type = beamcast_type_from_name(type);
  points.values_type = values_type != NULL ? beamcast_type_from_name(values_type) : 0;
  points.xyz = xyz.buf;
  points.values = values.buf;
  points.count = (uint64_t)xyz.len / 3 / (beamcast_type_size(points.type) + (points.type == 0));
  if (!claim(self)) {
    PyBuffer_Release(&xyz);
    PyBuffer_Release(&values);
    return NULL;
  }
  BEGIN_WAIT
  code = beamcast_render_points(self->session, &points, limit, &error);
  END_WAIT
  self->busy = false;
  PyBuffer_Release(&xyz);
  PyBuffer_Release(&values);
  if (code == BEAMCAST_OK || code == BEAMCAST_DROPPED) {
    return PyBool_FromLong(code == BEAMCAST_OK);
  }
  return core_raise(&error);
}

PyObject *core_call_viewer(PyObject *module, PyObject *arguments) {
  PyObject *contact = NULL;
  beamcast_error error = {0};
  const char *call;
  double limit;
  char *answer = NULL;
  unsigned char *data = NULL;
  size_t size = 0;
  int code;
  (void)module;
  if (!PyArg_ParseTuple(arguments, "O&sd:call_viewer", PyUnicode_FSConverter, &contact, &call,
                        &limit)) {
    return NULL;
  }
  const char *path = PyBytes_AsString(contact);
  BEGIN_WAIT
  code = beamcast_call_viewer(path, call, limit, &answer, &data, &size, &error);
  END_WAIT
  Py_DECREF(contact);
  if (code != BEAMCAST_OK || PyErr_Occurred() != NULL) {
    free(answer);
    free(data);
    return core_raise(&error);
  }
  PyObject *bytes = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
  PyObject *result = bytes != NULL ? Py_BuildValue("NN", text_of(answer), bytes) : NULL;
  free(answer);
  free(data);
  return result;
}

PyObject *core_restrict(PyObject *module, PyObject *arguments) {
  PyObject *contact = NULL;
  beamcast_error error = {0};
  int rights;
  (void)module;
  if (!PyArg_ParseTuple(arguments, "O&i:restrict", PyUnicode_FSConverter, &contact, &rights)) {
    return NULL;
  }
  char *text = beamcast_restrict(PyBytes_AsString(contact), rights, &error);
  Py_DECREF(contact);
  if (text == NULL) {
    return core_raise(&error);
  }
  PyObject *result = text_of(text);
  free(text);
  return result;
}

static PyObject *session_connect_back(PyObject *object, PyObject *arguments) {
  session_object *self = (session_object *)object;
  const char *client;
  int port, code;
  double limit;
  beamcast_error error = {0};
  if (!PyArg_ParseTuple(arguments, "zid:connect_back", &client, &port, &limit) || !claim(self)) {
    return NULL;
  }
  BEGIN_WAIT
  code = beamcast_connect_back(self->session, client, port, limit, &error);
  END_WAIT
  self->busy = false;
  if (code != BEAMCAST_OK || PyErr_Occurred() != NULL) {
    return core_raise(&error);
  }
  Py_RETURN_NONE;
}

static PyObject *session_id(PyObject *object, void *nothing) {
  (void)nothing; /* what it is does not change: no other call is in its way */
  return text_of(beamcast_session_id(((session_object *)object)->session));
}

static PyGetSetDef properties[] = {{"id", session_id, NULL, NULL, NULL},
                                   {NULL, NULL, NULL, NULL, NULL}};

static PyMethodDef methods[] = {{"status", session_status, METH_NOARGS, NULL},
                                {"stop", session_stop, METH_NOARGS, NULL},
                                {"connect_back", session_connect_back, METH_VARARGS, NULL},
                                {"render_volume", session_render_volume, METH_VARARGS, NULL},
                                {"render_points", session_render_points, METH_VARARGS, NULL},
                                {NULL, NULL, 0, NULL}};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, dealloc}, {Py_tp_methods, methods}, {Py_tp_getset, properties}, {0, NULL}};

PyType_Spec core_session_spec = {.name = "beamcast._core.Session",
                                 .basicsize = sizeof(session_object),
                                 .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 .slots = slots};
