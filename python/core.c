/* SPDX-License-Identifier: BSD-3-Clause
 * The module itself, and how errors become exceptions; see core.h. */
#include "core.h"

PyObject *core_raise(const beamcast_error *error) {
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

static PyObject *version(PyObject *module, PyObject *nothing) {
  (void)module;
  (void)nothing;
  return PyUnicode_FromString(beamcast_version());
}

static PyMethodDef functions[] = {{"connect", core_connect, METH_VARARGS, NULL},
                                  {"retrieve", core_retrieve, METH_VARARGS, NULL},
                                  {"version", version, METH_NOARGS, NULL},
                                  {NULL, NULL, 0, NULL}};

static int execute(PyObject *module) {
  core_state *state = PyModule_GetState(module);
  state->stream_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &core_stream_spec, NULL);
  state->volume_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &core_volume_spec, NULL);
  if (state->stream_type == NULL || state->volume_type == NULL) {
    return -1;
  }
  return PyModule_AddType(module, state->stream_type);
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
  core_state *state = PyModule_GetState(module);
  Py_VISIT(state->stream_type);
  Py_VISIT(state->volume_type);
  return 0;
}

static int clear(PyObject *module) {
  core_state *state = PyModule_GetState(module);
  Py_CLEAR(state->stream_type);
  Py_CLEAR(state->volume_type);
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
