# SPDX-License-Identifier: BSD-3-Clause
"""`pip install .` into a fresh venv gives a module that works without the build tree."""
import os
import shutil
import subprocess
import sys
import tempfile

from harness import SERVER, beamcast, skip

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))

START = """
import beamcast
try:
    beamcast.start(paraview=True)
except beamcast.errors.UnsupportedError as error:
    print(error)
"""


def run(seconds, *command, **options):
    """The command's exit status and output; it may not take longer. It runs outside the build tree,
    because Python looks for modules where it is started."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              text=True, timeout=seconds, cwd=tempfile.gettempdir(), **options)
    except subprocess.TimeoutExpired:
        return 124, "%s took more than %d s" % (command[0], seconds)
    return done.returncode, done.stdout


def need(outcome):
    code, output = outcome
    if code != 0:
        sys.exit("exit status %d:\n%s" % (code, output))
    return output


def main():
    for program in ("cmake", "ninja"):
        if shutil.which(program) is None:
            skip(program + " is missing")
    folder = tempfile.mkdtemp(prefix="beamcast wheel ")
    try:
        venv = os.path.join(folder, "venv")
        code, _ = run(150, sys.executable, "-m", "venv", "--system-site-packages", venv)
        if code != 0:
            skip("venv of %s is missing; install python3-venv" % sys.executable)
        python = os.path.join(venv, "bin", "python")
        pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "-q")
        code, _ = run(150, *pip, "--retries", "1", "--timeout", "15", "scikit-build-core")
        if code != 0:
            skip("scikit-build-core could not be had from PyPI")
        need(run(400, *pip, "--no-build-isolation", "--no-deps",
                 "--config-settings=cmake.build-type=Debug", SOURCE))  # Debug: it compiles sooner

        clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "LD_LIBRARY_PATH")}
        maps = need(run(60, python, "-c", "import beamcast; print(open('/proc/self/maps').read())", env=clean))
        loaded = {line[line.index("/"):] for line in maps.splitlines() if "/" in line and "beamcast" in line}
        libraries = {path for path in loaded if ".so" in os.path.basename(path)}
        assert any(os.path.basename(path).startswith("libbeamcast.so") for path in libraries), libraries
        # one file of Beamcast from elsewhere would be the build tree's
        ours = {path for path in libraries if os.path.basename(path).startswith(("libbeamcast", "_core"))}
        assert all(path.startswith(venv) for path in ours), ours
        need(run(120, python, os.path.join(HERE, "test_roundtrip.py"), "RoundTrip", env=clean))
        if hasattr(beamcast, "start"):
            # the wheel brings the keeper of sessions; what that needs from PATH is not in it
            output = need(run(60, python, "-c", START, env=dict(clean, HOME=folder, PATH="/nonexistent")))
            assert "missing" in output and "keeper" not in output, output
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if not SERVER:
    skip("BEAMCAST_TEST_SERVER does not name the test's server")
main()
