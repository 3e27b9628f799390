/* SPDX-License-Identifier: BSD-3-Clause
 * The module itself, and how errors become exceptions; see core.h. */
#include "core.h"

PyObject *core_raise(const beamcast_error *error) {
  if (PyErr_Occurred() != NULL) {
    return NULL; /* a signal's handler has raised, which is why it failed */
  }
  PyObject *errors = PyImport_ImportModule("beamcast.errors");
  PyObject *sentence =
      PyUnicode_DecodeUTF8(error->message, (Py_ssize_t)strlen(error->message), "replace");
  PyObject *exception = NULL;
  if (errors != NULL && sentence != NULL) {
    exception = PyObject_CallMethod(errors, "from_code", "iO", error->code, sentence);
  }
  if (exception != NULL) {
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
  }
  Py_XDECREF(exception);
  Py_XDECREF(sentence);
  Py_XDECREF(errors);
  return NULL;
}

bool core_take_triple(const char *what, const long long zyx[3], uint64_t xyz[3]) {
  for (int axis = 0; axis < 3; axis++) {
    if (zyx[2 - axis] < 0) {
      beamcast_error error;
      beamcast_fail(&error, BEAMCAST_ERR_ARGUMENT, "%s: %lld is negative", what, zyx[2 - axis]);
      core_raise(&error);
      return false;
    }
    xyz[axis] = (uint64_t)zyx[2 - axis];
  }
  return true;
}

bool core_describe_view(const Py_buffer *view, const char *type, beamcast_brick *brick) {
  beamcast_error error;
  brick->type = beamcast_type_from_name(type);
  size_t size = beamcast_type_size(brick->type);
  if (size == 0 || view->itemsize != (Py_ssize_t)size || view->ndim < 3 || view->ndim > 4) {
    beamcast_fail(&error, BEAMCAST_ERR_ARGUMENT,
                  "brick: %d axes of %zd bytes can't be a volume of %.20s", view->ndim,
                  view->itemsize, type);
    core_raise(&error);
    return false;
  }
  brick->data = view->buf;
  brick->components = 1;
  if (view->ndim == 4) {
    bool interleaved = view->strides[3] == view->itemsize || view->shape[3] == 1;
    if (view->shape[3] < 1 || view->shape[3] > 4 || !interleaved) {
      beamcast_fail(&error, BEAMCAST_ERR_ARGUMENT,
                    "brick: the last axis must be 1 to 4 components, side by side");
      core_raise(&error);
      return false;
    }
    brick->components = (int)view->shape[3];
  }
  bool still = true, single = true;
  for (int axis = 0; axis < 3; axis++) {
    brick->shape[axis] = (uint64_t)view->shape[2 - axis];
    brick->stride[axis] = view->strides[2 - axis];
    still = still && brick->stride[axis] == 0;
    single = single && brick->shape[axis] <= 1;
  }
  if (still && !single) { /* to the library, all 0 means contiguous */
    beamcast_fail(&error, BEAMCAST_ERR_ARGUMENT, "brick: all strides are 0");
    core_raise(&error);
    return false;
  }
  return true;
}

static PyObject *version(PyObject *module, PyObject *nothing) {
  (void)module;
  (void)nothing;
  return PyUnicode_FromString(beamcast_version());
}

static PyMethodDef functions[] = {{"connect", core_connect, METH_VARARGS, NULL},
                                  {"retrieve", core_retrieve, METH_VARARGS, NULL},
                                  {"version", version, METH_NOARGS, NULL},
#ifdef BEAMCAST_HAS_SESSION
                                  {"start", core_start, METH_VARARGS, NULL},
                                  {"open_session", core_open_session, METH_VARARGS, NULL},
                                  {"sessions", core_sessions, METH_NOARGS, NULL},
                                  {"restrict", core_restrict, METH_VARARGS, NULL},
                                  {"call_viewer", core_call_viewer, METH_VARARGS, NULL},
#endif
                                  {NULL, NULL, 0, NULL}};

static int execute(PyObject *module) {
  core_state *state = PyModule_GetState(module);
  state->stream_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &core_stream_spec, NULL);
  state->volume_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &core_volume_spec, NULL);
  if (state->stream_type == NULL || state->volume_type == NULL) {
    return -1;
  }
#ifdef BEAMCAST_HAS_SESSION
  state->session_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &core_session_spec, NULL);
  if (state->session_type == NULL || PyModule_AddType(module, state->session_type) != 0) {
    return -1;
  }
#endif
  return PyModule_AddType(module, state->stream_type);
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
  core_state *state = PyModule_GetState(module);
  Py_VISIT(state->stream_type);
  Py_VISIT(state->volume_type);
  Py_VISIT(state->session_type);
  return 0;
}

static int clear(PyObject *module) {
  core_state *state = PyModule_GetState(module);
  Py_CLEAR(state->stream_type);
  Py_CLEAR(state->volume_type);
  Py_CLEAR(state->session_type);
  return 0;
}

static void free_module(void *module) {
  (void)clear(module);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static struct PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT,
                                        .m_name = "beamcast._core",
                                        .m_doc = "libbeamcast's calls; use the package beamcast.",
                                        .m_size = sizeof(core_state),
                                        .m_methods = functions,
                                        .m_slots = slots,
                                        .m_traverse = traverse,
                                        .m_clear = clear,
                                        .m_free = free_module};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void) {
  return PyModuleDef_Init(&definition);
}
