/* SPDX-License-Identifier: BSD-3-Clause
 *
 * beamcast._core, the C half of the Python module: libbeamcast's calls on Python objects. It checks
 * what memory safety needs and gives up the GIL in every call that may wait; the Python half
 * (beamcast/) checks the rest and is what users see. Stable ABI of Python 3.11, no NumPy: arrays
 * come and go by the buffer protocol. Triples are in the array's order: z, y, x.
 */
#ifndef BEAMCAST_PYTHON_CORE_H
#define BEAMCAST_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

#include "beamcast.h"

typedef struct core_state {
  PyTypeObject *stream_type, *volume_type, *session_type; /* the last: NULL without session/ */
} core_state;

/* Sets the exception of beamcast.errors that stands for error->code. Returns NULL. */
PyObject *core_raise(const beamcast_error *error);

/* Three numbers in z, y, x to sizes in x, y, z. False, with an exception set, if one is negative.
 */
bool core_take_triple(const char *what, const long long zyx[3], uint64_t xyz[3]);

/* What an array's view holds becomes the brick's data, type, shape, stride and components. False,
 * with an exception set, if it is no volume of that type. */
bool core_describe_view(const Py_buffer *view, const char *type, beamcast_brick *brick);

extern PyType_Spec core_stream_spec, core_volume_spec, core_session_spec;

/* The module's functions; see beamcast/_core.pyi for their arguments. */
PyObject *core_connect(PyObject *module, PyObject *arguments);
PyObject *core_retrieve(PyObject *module, PyObject *arguments);
PyObject *core_start(PyObject *module, PyObject *arguments);
PyObject *core_open_session(PyObject *module, PyObject *arguments);
PyObject *core_sessions(PyObject *module, PyObject *nothing);
PyObject *core_call_viewer(PyObject *module, PyObject *arguments);
PyObject *core_restrict(PyObject *module, PyObject *arguments);

#endif
