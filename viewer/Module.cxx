/* SPDX-License-Identifier: BSD-3-Clause */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "Module.h"

#include "BeamcastReceiver.h"
#include "Ranks.h"
#include "Signals.h"

#include "calls.h"
#include "contact.h"
#include "xac.h"

#include "vtkPVVersion.h"

#include <cstdlib>
#include <cstring>
#include <iostream>

namespace {

Ranks *TheRanks = nullptr;

bc_receiver *Handle() {
  return BeamcastReceiver::Get()->GetHandle();
}

PyObject *Raise(const beamcast_error &error) {
  PyErr_SetString(PyExc_RuntimeError, error.message);
  return nullptr;
}

PyObject *Contact(PyObject *, PyObject *) {
  return PyUnicode_DecodeFSDefault(BeamcastReceiver::Get()->GetContact());
}

PyObject *Poll(PyObject *, PyObject *arguments) {
  const char *stream;
  if (!PyArg_ParseTuple(arguments, "s", &stream)) {
    return nullptr;
  }
  return PyBool_FromLong(BeamcastReceiver::Get()->Poll(stream));
}

PyObject *Status(PyObject *, PyObject *arguments) {
  const char *stream;
  if (!PyArg_ParseTuple(arguments, "s", &stream)) {
    return nullptr;
  }
  const bc_stream_status status = BeamcastReceiver::Get()->GetStatus(stream);
  using Number = unsigned long long;
  return Py_BuildValue("{s:N, s:i, s:K, s:K, s:K, s:K, s:K, s:d, s:s, s:s}", "known",
                       PyBool_FromLong(status.known), "producers", status.producers, "received",
                       Number{status.steps_received}, "dropped", Number{status.steps_dropped},
                       "aborted", Number{status.steps_aborted}, "bytes",
                       Number{status.bytes_received}, "memory", Number{status.memory}, "rate",
                       status.rate, "wire", status.wire, "last_drop", status.last_drop);
}

PyObject *Triple(const double *from) {
  return Py_BuildValue("(ddd)", from[0], from[1], from[2]);
}

/* The units of a step's values, by the arrays' names. */
PyObject *Units(const BeamcastStep &step) {
  PyObject *units = PyDict_New();
  for (int i = 0; units != nullptr && i < step.GetInfo().arrays; i++) {
    const bc_array array = step.GetArray(i);
    PyObject *unit = PyUnicode_FromString(array.unit);
    if (unit == nullptr || PyDict_SetItemString(units, array.name, unit) != 0) {
      Py_CLEAR(units);
    }
    Py_XDECREF(unit);
  }
  return units;
}

/* What is shown of a stream: its newest step. */
PyObject *Step(PyObject *, PyObject *arguments) {
  const char *stream;
  if (!PyArg_ParseTuple(arguments, "s", &stream)) {
    return nullptr;
  }
  const BeamcastReceiver *receiver = BeamcastReceiver::Get();
  const BeamcastReceiver::Steps &steps = receiver->GetSteps(stream);
  if (steps.empty()) {
    Py_RETURN_NONE;
  }
  const bc_frame_info &info = steps.back()->GetInfo();
  double window[2];
  receiver->GetRange(stream, window);
  using Number = unsigned long long;
  return Py_BuildValue("{s:K, s:d, s:K, s:(KKK), s:N, s:N, s:s, s:N, s:s, s:(dd)}", "step",
                       Number{info.step}, "time", info.time, "run", Number{info.run_id}, "size",
                       Number{info.volume[0]}, Number{info.volume[1]}, Number{info.volume[2]},
                       "spacing", Triple(info.spacing), "origin", Triple(info.origin),
                       "length_unit", info.length_unit, "units", Units(*steps.back()), "header",
                       info.header, "window", window[0], window[1]);
}

PyObject *Streams(PyObject *, PyObject *) {
  char text[16384];
  bc_receiver_streams(Handle(), text, sizeof text);
  return PyUnicode_DecodeUTF8(text, static_cast<Py_ssize_t>(std::strlen(text)), "replace");
}

PyObject *Request(PyObject *, PyObject *arguments) {
  const char *stream, *json;
  beamcast_error error{};
  if (!PyArg_ParseTuple(arguments, "ss", &stream, &json)) {
    return nullptr;
  }
  if (bc_receiver_request(Handle(), stream, json, &error) != BEAMCAST_OK) {
    return Raise(error);
  }
  Py_RETURN_NONE;
}

/* What a kernel file declares. */
PyObject *KernelParameters(PyObject *, PyObject *arguments) {
  const char *path;
  xac_parameter parameters[XAC_PARAMETERS_MAX];
  beamcast_error error{};
  if (!PyArg_ParseTuple(arguments, "s", &path)) {
    return nullptr;
  }
  const int count = xac_user_declared(path, parameters, nullptr, &error);
  PyObject *list = count < 0 ? Raise(error) : PyList_New(0);
  for (int i = 0; list != nullptr && i < count; i++) {
    const xac_parameter &one = parameters[i];
    PyObject *entry = Py_BuildValue("{s:s, s:s, s:d, s:d, s:d, s:s}", "name", one.name, "type",
                                    one.type, "minimum", one.minimum, "maximum", one.maximum,
                                    "value", one.value, "help", one.help);
    if (entry == nullptr || PyList_Append(list, entry) != 0) {
      Py_CLEAR(list);
    }
    Py_XDECREF(entry);
  }
  return list;
}

PyObject *ServeCalls(PyObject *, PyObject *) {
  beamcast_error error{};
  const int fd = bc_receiver_serve_calls(Handle(), &error);
  return fd < 0 ? Raise(error) : PyLong_FromLong(fd);
}

PyObject *NextCall(PyObject *, PyObject *) {
  bc_call_info call{};
  if (!bc_receiver_next_call(Handle(), &call)) {
    Py_RETURN_NONE;
  }
  return Py_BuildValue("Kisy#", static_cast<unsigned long long>(call.id),
                       call.rights == BC_RIGHTS_FULL, call.json,
                       call.size > 0 ? static_cast<const char *>(call.data) : "",
                       static_cast<Py_ssize_t>(call.size));
}

PyObject *Reply(PyObject *, PyObject *arguments) {
  unsigned long long id;
  int code;
  const char *sentence, *json;
  Py_buffer data;
  beamcast_error error{};
  if (!PyArg_ParseTuple(arguments, "Kissy*", &id, &code, &sentence, &json, &data)) {
    return nullptr;
  }
  const int result = bc_receiver_reply(Handle(), id, code, sentence, json, data.buf,
                                       static_cast<uint64_t>(data.len), &error);
  PyBuffer_Release(&data);
  if (result != BEAMCAST_OK) {
    return Raise(error);
  }
  Py_RETURN_NONE;
}

PyObject *IsAwaited(PyObject *, PyObject *argument) {
  const unsigned long long id = PyLong_AsUnsignedLongLong(argument);
  return PyErr_Occurred() ? nullptr : PyBool_FromLong(bc_receiver_is_awaited(Handle(), id));
}

PyObject *Activity(PyObject *, PyObject *) {
  return PyLong_FromUnsignedLongLong(BeamcastReceiver::Get()->GetActivity());
}

PyObject *SignalDescriptor(PyObject *, PyObject *) {
  return PyLong_FromLong(GetSignalDescriptor());
}

PyObject *IsToEnd(PyObject *, PyObject *) {
  return PyBool_FromLong(IsEndRequested() || TheRanks->IsAskedToEnd());
}

PyMethodDef methods[] = {{"contact", Contact, METH_NOARGS, nullptr},
                         {"poll", Poll, METH_VARARGS, nullptr},
                         {"status", Status, METH_VARARGS, nullptr},
                         {"step", Step, METH_VARARGS, nullptr},
                         {"streams", Streams, METH_NOARGS, nullptr},
                         {"request", Request, METH_VARARGS, nullptr},
                         {"kernel_parameters", KernelParameters, METH_VARARGS, nullptr},
                         {"serve_calls", ServeCalls, METH_NOARGS, nullptr},
                         {"next_call", NextCall, METH_NOARGS, nullptr},
                         {"reply", Reply, METH_VARARGS, nullptr},
                         {"is_awaited", IsAwaited, METH_O, nullptr},
                         {"activity", Activity, METH_NOARGS, nullptr},
                         {"signal_descriptor", SignalDescriptor, METH_NOARGS, nullptr},
                         {"is_to_end", IsToEnd, METH_NOARGS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "_beamcast_viewer",
                          nullptr,
                          -1,
                          methods,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr};

PyObject *InitModule() {
  PyObject *module = PyModule_Create(&definition);
  if (module != nullptr &&
      (PyModule_AddIntConstant(module, "ranks", TheRanks->GetCount()) != 0 ||
       PyModule_AddStringConstant(module, "version", BEAMCAST_VERSION_TEXT) != 0 ||
       PyModule_AddStringConstant(module, "paraview", PARAVIEW_VERSION_FULL) != 0)) {
    Py_CLEAR(module);
  }
  return module;
}

bool StartPython(int argc, char **argv) {
  const char *given = std::getenv("BEAMCAST_PYTHON");
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  config.install_signal_handlers = 0; /* Signals.cxx has them */
  config.parse_argv = 0;
  PyStatus status =
      PyConfig_SetBytesString(&config, &config.program_name,
                              given != nullptr && *given != '\0' ? given : BEAMCAST_SYSTEM_PYTHON);
  if (!PyStatus_Exception(status)) {
    status = PyConfig_SetBytesArgv(&config, argc, argv);
  }
  if (!PyStatus_Exception(status)) {
    status = Py_InitializeFromConfig(&config);
  }
  PyConfig_Clear(&config);
  if (PyStatus_Exception(status)) {
    std::cerr << "beamcast-viewer: Python does not start: "
              << (status.err_msg != nullptr ? status.err_msg : "") << std::endl;
    return false;
  }
  return true;
}

/* Calls beamcast_viewer.main.main(), whose result is the exit status. */
int CallMain(const std::string &folder) {
  PyObject *path = PySys_GetObject("path");
  PyObject *entry = PyUnicode_DecodeFSDefault(folder.c_str());
  PyObject *module = nullptr, *result = nullptr;
  long status = EXIT_FAILURE;
  if (path != nullptr && entry != nullptr && PyList_Insert(path, 0, entry) == 0) {
    module = PyImport_ImportModule("beamcast_viewer.main");
    result = module != nullptr ? PyObject_CallMethod(module, "main", nullptr) : nullptr;
  }
  if (result != nullptr) {
    status = PyLong_AsLong(result);
  }
  if (PyErr_Occurred()) {
    PyErr_Print(); /* sys.exit() ends the process here */
    status = EXIT_FAILURE;
  }
  Py_XDECREF(result);
  Py_XDECREF(module);
  Py_XDECREF(entry);
  return static_cast<int>(status);
}

} // namespace

int RunPython(int argc, char **argv, Ranks &ranks, const std::string &bin) {
  TheRanks = &ranks;
  PyImport_AppendInittab("_beamcast_viewer", InitModule);
  if (!StartPython(argc, argv)) {
    return EXIT_FAILURE;
  }
  const int status = CallMain(bin + "/" + BEAMCAST_VIEWER_FROM_HERE);
  return Py_FinalizeEx() == 0 ? status : EXIT_FAILURE;
}
