// SPDX-License-Identifier: BSD-3-Clause
#include "Scripts.h"

#include "Output.h"

#include "vtkObjectFactory.h"
#include "vtkPythonInterpreter.h"

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace beamcast {

vtkStandardNewMacro(Scripts);

namespace {

// ParaView calls these functions by name for every script. What a script prints goes where VTK's
// messages go. What it raises, exit() included, becomes one line there that names the innermost
// line of its file, and never ends the process.
const char *const Guard = R"python(
def _beamcast_guard():
    import contextlib, os, sys, traceback
    from paraview.catalyst import v2_internals
    from vtkmodules.vtkCommonCore import vtkOutputWindow

    class ScriptError(Exception):
        pass

    class Output:
        encoding = 'utf-8'
        def write(self, text):
            vtkOutputWindow.GetInstance().DisplayText(text)
            return len(text)
        def flush(self):
            pass
        def isatty(self):
            return False

    def describe(error):
        frames = traceback.extract_tb(error.__traceback__)
        elsewhere = (os.path.dirname(v2_internals.__file__), '<')
        frames = [f for f in frames if not f.filename.startswith(elsewhere)]
        place = ''
        if isinstance(error, SyntaxError) and error.filename:
            place = '%s:%s: ' % (error.filename, error.lineno)
        elif frames:
            helpers = ('/lib/python', '/beamcast_catalyst.py')
            own = [f for f in frames if not any(h in f.filename for h in helpers)]
            where = (own or frames)[-1]
            place = '%s:%d: ' % (where.filename, where.lineno)
        text = ' '.join(str(error.msg if isinstance(error, SyntaxError) else error).split())
        return '%s%s%s' % (place, type(error).__name__, ': ' + text if text else '')

    def guarded(function):
        def call(*arguments):
            with contextlib.redirect_stdout(Output()), contextlib.redirect_stderr(Output()):
                try:
                    return function(*arguments)
                except BaseException as error:
                    print('\nScriptError: ' + describe(error))
            raise ScriptError
        return call

    for name in ('register_module', 'import_and_validate', 'do_catalyst_initialize',
                 'do_catalyst_execute', 'do_catalyst_finalize'):
        if hasattr(v2_internals, name):
            setattr(v2_internals, name, guarded(getattr(v2_internals, name)))
    before = sys.excepthook
    sys.excepthook = lambda kind, *more: None if kind is ScriptError else before(kind, *more)
_beamcast_guard()
del _beamcast_guard
)python";

bool IsFile(const std::string &path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode) &&
         access(path.c_str(), R_OK) == 0;
}

bool IsFolder(const std::string &path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// The whole path, as Python names the file in what it says; empty when there is none.
std::string WholePath(const std::string &path) {
  char *real = realpath(path.c_str(), nullptr);
  std::string whole = real ? real : "";
  std::free(real);
  return whole;
}

// The path of a file, or of one of ours; empty when there is neither.
std::string FindScript(const std::string &name) {
  if (IsFile(name)) {
    return WholePath(name);
  }
  if (name.find('/') == std::string::npos) {
    for (const char *end : {"", ".py"}) {
      std::string path = ScriptFolder() + "/" + name + end;
      if (IsFile(path)) {
        return path;
      }
    }
  }
  return "";
}

// The guard's line in what was said, else the last line that is not empty.
std::string FindReason(const std::string &text) {
  const std::string mark = "ScriptError: ";
  std::istringstream lines(text);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (line.compare(0, mark.size(), mark) == 0) {
      return line.substr(mark.size());
    }
    if (line.find_first_not_of(" \t\r") != std::string::npos) {
      last = line;
    }
  }
  return last;
}

} // namespace

std::string ScriptFolder() {
  Dl_info here;
  if (dladdr(reinterpret_cast<void *>(&PreparePython), &here) == 0 || here.dli_fname == nullptr) {
    return "";
  }
  const std::string file = here.dli_fname;
  const size_t slash = file.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : file.substr(0, slash);
  for (const char *up : {BEAMCAST_LIB_TO_PREFIX, ".."}) {
    const std::string path = folder + "/" + up + "/share/beamcast/catalyst_scripts";
    if (IsFolder(path)) {
      return WholePath(path);
    }
  }
  return "";
}

bool PreparePython() {
  // Python's extension modules look for its symbols in what is global.
  Dl_info python;
  if (dladdr(dlsym(RTLD_DEFAULT, "Py_IsInitialized"), &python) != 0 && python.dli_fname) {
    dlopen(python.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
  }
  vtkPythonInterpreter::Initialize(0);
  const std::string folder = ScriptFolder();
  if (!folder.empty()) {
    vtkPythonInterpreter::PrependPythonPath(folder.c_str());
  }
  return vtkPythonInterpreter::RunSimpleString(Guard) == 0;
}

std::string Scripts::Add(const std::string &list) {
  std::istringstream names(list);
  for (std::string name; std::getline(names, name, ':');) {
    if (name.empty()) {
      continue;
    }
    const std::string path = FindScript(name);
    if (path.empty()) {
      return name;
    }
    const bool known = std::any_of(this->List.begin(), this->List.end(),
                                   [&](const Script &s) { return s.Path == path; });
    if (!known) {
      Script script{path, vtkSmartPointer<vtkInSituPipelinePython>::New(), false, false};
      script.Pipeline->SetFileName(path.c_str());
      this->List.push_back(script);
    }
  }
  return "";
}

template <class Call> void Scripts::Try(Script &script, Call call) {
  TakeOutput();
  const bool fine = call();
  int rank = 0, ranks = 1;
  MPI_Comm_rank(this->Comm, &rank);
  MPI_Comm_size(this->Comm, &ranks);
  int mine = fine ? ranks : rank, lowest = mine;
  MPI_Allreduce(&mine, &lowest, 1, MPI_INT, MPI_MIN, this->Comm);
  script.Failed = lowest < ranks;
  if (script.Failed && lowest == rank) {
    const std::string why = FindReason(TakeOutput());
    this->Problem += (this->Problem.empty() ? "" : "; ") +
                     (why.find(script.Path) == 0 ? why : script.Path + ": " + why);
  }
}

bool Scripts::Execute(int timestep, double time) {
  for (Script &script : this->List) {
    if (!script.Begun) {
      script.Begun = true;
      this->Try(script, [&] { return script.Pipeline->Initialize(); });
    }
    if (!script.Failed) {
      this->Try(script, [&] { return script.Pipeline->Execute(timestep, time); });
    }
  }
  return true;
}

void Scripts::End() {
  for (Script &script : this->List) {
    if (script.Begun && !script.Failed) {
      this->Try(script, [&] { return script.Pipeline->Finalize(); });
    }
  }
  this->List.clear();
}

std::string Scripts::TakeProblem() {
  std::string problem;
  problem.swap(this->Problem);
  return problem;
}

} // namespace beamcast
