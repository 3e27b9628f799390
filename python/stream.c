/* SPDX-License-Identifier: BSD-3-Clause
 *
 * beamcast._core.Stream: a producer's stream. It holds a view of every array that was put until the
 * library has done with it, so that the array can neither go away nor be resized. All of its state
 * is guarded by the GIL; while a call waits without the GIL, `busy` keeps other threads out.
 */
#include "core.h"

/* Not in an array: exporters may let a view point into itself, so it must not move. */
typedef struct held_view {
  Py_buffer view;
  struct held_view *next;
} held_view;

typedef struct stream_object {
  PyObject_HEAD beamcast_stream *stream; /* NULL: closed */
  held_view *held;
  held_view *registered; /* until they are taken back */
  bool busy;
  char why_dropped[BEAMCAST_MESSAGE_MAX];
} stream_object;

/* --- one call at a time ---------------------------------------------------------------------- */

/* Takes the stream for a call; false, with an exception set, if that can't be. */
static bool claim(stream_object *self) {
  beamcast_error error;
  if (self->busy) {
    PyErr_SetString(PyExc_RuntimeError, "the stream is in a call of another thread");
    return false;
  }
  if (self->stream == NULL) {
    beamcast_fail(&error, BEAMCAST_ERR_ARGUMENT, "the stream is closed");
    core_raise(&error);
    return false;
  }
  self->busy = true;
  return true;
}

/* True, False if the step was dropped, or an exception. */
static PyObject *verdict(stream_object *self, int code, const beamcast_error *error) {
  if (code == BEAMCAST_OK) {
    Py_RETURN_TRUE;
  }
  if (code == BEAMCAST_DROPPED) {
    memcpy(self->why_dropped, error->message, sizeof self->why_dropped);
    Py_RETURN_FALSE;
  }
  return core_raise(error);
}

/* --- the arrays that were put ---------------------------------------------------------------- */

static void hold(held_view **list, held_view *view) {
  view->next = *list;
  *list = view;
}

static void release_view(held_view *view) {
  PyBuffer_Release(&view->view);
  PyMem_Free(view);
}

static void release_list(held_view **list) {
  held_view *view = *list;
  *list = NULL; /* first: releasing may run any code */
  while (view != NULL) {
    held_view *next = view->next;
    release_view(view);
    view = next;
  }
}

static void release_held(stream_object *self) {
  release_list(&self->held);
}

static held_view *new_view(PyObject *array, int flags) {
  held_view *view = PyMem_Calloc(1, sizeof *view);
  if (view == NULL) {
    PyErr_NoMemory();
    return NULL;
  }
  if (PyObject_GetBuffer(array, &view->view, flags) != 0) {
    PyMem_Free(view);
    return NULL;
  }
  return view;
}

/* --- life ------------------------------------------------------------------------------------ */

PyObject *core_connect(PyObject *module, PyObject *arguments) {
  const core_state *state = PyModule_GetState(module);
  beamcast_connect_options options = {0};
  beamcast_error error = {0};
  PyObject *contact = NULL;
  unsigned long long run_id;
  int overlap;
  if (!PyArg_ParseTuple(arguments, "O&siiKdzzipzzi:connect", PyUnicode_FSConverter, &contact,
                        &options.name, &options.rank, &options.ranks, &run_id, &options.time_limit,
                        &options.token, &options.wire, &options.connections, &overlap,
                        &options.backend, &options.scripts, &options.mpi_comm)) {
    return NULL;
  }
  options.run_id = run_id;
  options.overlap = overlap;
  stream_object *self = PyObject_GC_New(stream_object, state->stream_type);
  if (self == NULL) {
    Py_DECREF(contact);
    return NULL;
  }
  self->stream = NULL;
  self->held = NULL;
  self->registered = NULL;
  self->busy = false;
  self->why_dropped[0] = '\0';
  PyObject_GC_Track(self);
  const char *path = PyBytes_AsString(contact);
  beamcast_stream *stream;
  Py_BEGIN_ALLOW_THREADS
  stream = beamcast_connect(path, &options, &error);
  Py_END_ALLOW_THREADS
  Py_DECREF(contact);
  if (stream == NULL) {
    Py_DECREF(self);
    return core_raise(&error);
  }
  self->stream = stream;
  return (PyObject *)self;
}

static void end_stream(stream_object *self) {
  beamcast_stream *stream = self->stream;
  self->stream = NULL;
  if (stream != NULL) {
    self->busy = true;
    Py_BEGIN_ALLOW_THREADS
    beamcast_close(stream);
    Py_END_ALLOW_THREADS
    self->busy = false;
  }
  release_held(self);
  release_list(&self->registered);
}

static PyObject *stream_close(PyObject *object, PyObject *nothing) {
  stream_object *self = (stream_object *)object;
  (void)nothing;
  if (self->stream != NULL) {
    if (!claim(self)) {
      return NULL;
    }
    end_stream(self);
  }
  Py_RETURN_NONE;
}

static int stream_traverse(PyObject *object, visitproc visit, void *arg) {
  stream_object *self = (stream_object *)object;
  for (held_view *view = self->held; view != NULL; view = view->next) {
    Py_VISIT(view->view.obj);
  }
  for (held_view *view = self->registered; view != NULL; view = view->next) {
    Py_VISIT(view->view.obj);
  }
  Py_VISIT(Py_TYPE(object));
  return 0;
}

static int stream_clear(PyObject *object) {
  end_stream((stream_object *)object);
  return 0;
}

static void stream_dealloc(PyObject *object) {
  PyTypeObject *type = Py_TYPE(object);
  PyObject *raised[3]; /* an exception that is on its way must survive */
  PyObject_GC_UnTrack(object);
  PyErr_Fetch(&raised[0], &raised[1], &raised[2]);
  end_stream((stream_object *)object);
  PyErr_Restore(raised[0], raised[1], raised[2]);
  PyObject_GC_Del(object);
  Py_DECREF(type);
}

/* --- a step ---------------------------------------------------------------------------------- */

static PyObject *stream_begin_step(PyObject *object, PyObject *arguments) {
  stream_object *self = (stream_object *)object;
  beamcast_error error = {0};
  unsigned long long step;
  double time;
  int code;
  if (!PyArg_ParseTuple(arguments, "Kd:begin_step", &step, &time) || !claim(self)) {
    return NULL;
  }
  Py_BEGIN_ALLOW_THREADS
  code = beamcast_begin_step(self->stream, step, time, &error);
  Py_END_ALLOW_THREADS
  self->busy = false;
  if (code == BEAMCAST_OK || code == BEAMCAST_DROPPED) {
    release_held(self); /* of a step that was not ended */
  }
  return verdict(self, code, &error);
}

/* Fills brick from the arguments but for what the array says. */
static bool take_arguments(PyObject *arguments, beamcast_brick *brick, PyObject **array,
                           const char **type) {
  long long start[3], volume[3];
  double *s = brick->spacing, *o = brick->origin, *d = brick->direction;
  return PyArg_ParseTuple(arguments, "Os(LLL)(LLL)(ddd)(ddd)(ddddddddd)dszzp:put", array, type,
                          &start[0], &start[1], &start[2], &volume[0], &volume[1], &volume[2],
                          &s[2], &s[1], &s[0], &o[2], &o[1], &o[0], &d[8], &d[7], &d[6], &d[5],
                          &d[4], &d[3], &d[2], &d[1], &d[0], &brick->fill, &brick->name,
                          &brick->unit, &brick->length_unit, &brick->copy) &&
         core_take_triple("start", start, brick->start) &&
         core_take_triple("shape", volume, brick->volume);
}

static PyObject *stream_put(PyObject *object, PyObject *arguments) {
  stream_object *self = (stream_object *)object;
  beamcast_brick brick = {0};
  beamcast_error error = {0};
  PyObject *array;
  const char *type;
  int code;
  if (!take_arguments(arguments, &brick, &array, &type)) {
    return NULL;
  }
  held_view *view = new_view(array, PyBUF_STRIDED_RO);
  if (view == NULL) {
    return NULL;
  }
  if (!core_describe_view(&view->view, type, &brick) || !claim(self)) {
    release_view(view);
    return NULL;
  }
  Py_BEGIN_ALLOW_THREADS
  code = beamcast_put(self->stream, &brick, &error);
  Py_END_ALLOW_THREADS
  self->busy = false;
  bool done = code == BEAMCAST_OK ? brick.copy != 0
                                  : code == BEAMCAST_ERR_ARGUMENT || code == BEAMCAST_ERR_REFUSED;
  if (done) {
    release_view(view);
  } else {
    hold(&self->held, view); /* bytes may be under way, after most failures too */
  }
  return verdict(self, code, &error);
}

/* --- arrays that stay ------------------------------------------------------------------------ */

/* A view of the array's memory, and the stream claimed for the call that follows. */
static held_view *view_memory(stream_object *self, PyObject *array) {
  held_view *view = new_view(array, PyBUF_ANY_CONTIGUOUS);
  if (view != NULL && !claim(self)) {
    release_view(view);
    return NULL;
  }
  return view;
}

static PyObject *stream_register(PyObject *object, PyObject *array) {
  stream_object *self = (stream_object *)object;
  beamcast_error error = {0};
  int code;
  held_view *view = view_memory(self, array);
  if (view == NULL) {
    return NULL;
  }
  Py_BEGIN_ALLOW_THREADS /* pinning takes a while for many gigabytes */
  code = beamcast_register(self->stream, view->view.buf, (uint64_t)view->view.len, &error);
  Py_END_ALLOW_THREADS
  self->busy = false;
  if (code != BEAMCAST_OK) {
    release_view(view);
    return core_raise(&error);
  }
  hold(&self->registered, view); /* the same one again: until both views go */
  Py_RETURN_NONE;
}

/* Lets go of the views of memory that begins at data. */
static void release_registered(stream_object *self, const void *data) {
  held_view *gone = NULL;
  for (held_view **at = &self->registered; *at != NULL;) {
    held_view *view = *at;
    if (view->view.buf == data) {
      *at = view->next;
      hold(&gone, view);
    } else {
      at = &view->next;
    }
  }
  release_list(&gone);
}

static PyObject *stream_unregister(PyObject *object, PyObject *array) {
  stream_object *self = (stream_object *)object;
  beamcast_error error = {0};
  int code;
  held_view *view = view_memory(self, array);
  if (view == NULL) {
    return NULL;
  }
  Py_BEGIN_ALLOW_THREADS
  code = beamcast_unregister(self->stream, view->view.buf, &error);
  Py_END_ALLOW_THREADS
  self->busy = false;
  if (code != BEAMCAST_ERR_ARGUMENT) {
    release_registered(self, view->view.buf);
  }
  release_view(view);
  if (code != BEAMCAST_OK) {
    return core_raise(&error);
  }
  Py_RETURN_NONE;
}

static PyObject *stream_annotate(PyObject *object, PyObject *arguments) {
  stream_object *self = (stream_object *)object;
  beamcast_error error = {0};
  const char *key, *json;
  if (!PyArg_ParseTuple(arguments, "ss:annotate", &key, &json) || !claim(self)) {
    return NULL;
  }
  int code = beamcast_annotate(self->stream, key, json, &error);
  self->busy = false;
  if (code != BEAMCAST_OK) {
    return core_raise(&error);
  }
  Py_RETURN_NONE;
}

static PyObject *ending(PyObject *object, int (*call)(beamcast_stream *, beamcast_error *)) {
  stream_object *self = (stream_object *)object;
  beamcast_error error = {0};
  int code;
  if (!claim(self)) {
    return NULL;
  }
  Py_BEGIN_ALLOW_THREADS
  code = call(self->stream, &error);
  Py_END_ALLOW_THREADS
  self->busy = false;
  if (code == BEAMCAST_ERR_SCRIPT) { /* one rank's alone; all go on */
    code = BEAMCAST_OK;
    if (PyErr_WarnEx(PyExc_RuntimeWarning, error.message, 2) != 0) {
      release_held(self);
      return NULL;
    }
  }
  if (code == BEAMCAST_OK || code == BEAMCAST_DROPPED) {
    release_held(self); /* after a failure, close does it */
  }
  return verdict(self, code, &error);
}

static PyObject *stream_end_step(PyObject *object, PyObject *nothing) {
  (void)nothing;
  return ending(object, beamcast_end_step);
}

static PyObject *stream_wait(PyObject *object, PyObject *nothing) {
  (void)nothing;
  return ending(object, beamcast_await);
}

/* --- state ----------------------------------------------------------------------------------- */

static PyObject *stream_request(PyObject *object, PyObject *nothing) {
  stream_object *self = (stream_object *)object;
  beamcast_message message = {0};
  beamcast_error error = {0};
  (void)nothing;
  if (!claim(self)) {
    return NULL;
  }
  int code = beamcast_request(self->stream, &message, &error);
  self->busy = false;
  if (code != BEAMCAST_OK) {
    return core_raise(&error);
  }
  if (message.number == 0 || message.json == NULL) {
    Py_RETURN_NONE;
  }
  return PyUnicode_DecodeUTF8(message.json, (Py_ssize_t)strlen(message.json), "replace");
}

static PyObject *stream_describe(PyObject *object, PyObject *nothing) {
  stream_object *self = (stream_object *)object;
  beamcast_stream_info info = {0};
  (void)nothing;
  if (!claim(self)) {
    return NULL;
  }
  beamcast_stream_describe(self->stream, &info);
  self->busy = false;
  return Py_BuildValue("KKKis", (unsigned long long)info.steps_sent,
                       (unsigned long long)info.steps_dropped, (unsigned long long)info.bytes_sent,
                       info.server_ranks, info.wire);
}

static PyObject *stream_why_dropped(PyObject *object, void *nothing) {
  const char *why = ((stream_object *)object)->why_dropped;
  (void)nothing;
  return PyUnicode_DecodeUTF8(why, (Py_ssize_t)strlen(why), "replace");
}

static PyObject *stream_closed(PyObject *object, void *nothing) {
  (void)nothing;
  return PyBool_FromLong(((stream_object *)object)->stream == NULL);
}

static PyMethodDef methods[] = {{"begin_step", stream_begin_step, METH_VARARGS, NULL},
                                {"put", stream_put, METH_VARARGS, NULL},
                                {"register", stream_register, METH_O, NULL},
                                {"unregister", stream_unregister, METH_O, NULL},
                                {"annotate", stream_annotate, METH_VARARGS, NULL},
                                {"end_step", stream_end_step, METH_NOARGS, NULL},
                                {"wait", stream_wait, METH_NOARGS, NULL},
                                {"request", stream_request, METH_NOARGS, NULL},
                                {"describe", stream_describe, METH_NOARGS, NULL},
                                {"close", stream_close, METH_NOARGS, NULL},
                                {NULL, NULL, 0, NULL}};

static PyGetSetDef properties[] = {{"why_dropped", stream_why_dropped, NULL, NULL, NULL},
                                   {"closed", stream_closed, NULL, NULL, NULL},
                                   {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot slots[] = {{Py_tp_dealloc, stream_dealloc}, {Py_tp_traverse, stream_traverse},
                              {Py_tp_clear, stream_clear},     {Py_tp_methods, methods},
                              {Py_tp_getset, properties},      {0, NULL}};

PyType_Spec core_stream_spec = {.name = "beamcast._core.Stream",
                                .basicsize = sizeof(stream_object),
                                .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                         Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                .slots = slots};
