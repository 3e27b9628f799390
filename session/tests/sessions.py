# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of sessions share: a home of their own, the command, and what is left of a session.

BEAMCAST_BUILD names the build folder.
"""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib

BUILD = os.environ.get("BEAMCAST_BUILD", "")
COMMAND = os.path.join(BUILD, "bin", "beamcast")
PYTHON = os.path.join(BUILD, "python")
LIMIT = 120  # seconds for anything that must come to an end


def skip(what):
    print("skipped: " + what)
    sys.exit(77)


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            skip(program + " is missing")
    for name in ("beamcast", "beamcast-keeper", "beamcast-server"):
        if not os.path.exists(os.path.join(BUILD, "bin", name)):
            skip(name + " was not built")


def slow_file(path):
    """2 GiB that take seconds to read: one and the same chunk, packed so that each byte has to be worked out."""
    import h5py
    import numpy as np
    chunk = np.random.default_rng(1).integers(0, 64, (16, 1024, 1024), "u1")
    packed = zlib.compress(chunk.tobytes(), 1)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("slow", (2048, 1024, 1024), "u1", chunks=chunk.shape, compression="gzip")
        for z in range(0, len(data), len(chunk)):
            data.id.write_direct_chunk((z, 0, 0), packed)


class Home:
    """A user's home for one test. Leaving the block ends what is left of its sessions."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="beamcast session ")
        self.temporary = os.path.join(self.path, "tmp")
        os.mkdir(self.temporary)
        self.environment = dict(os.environ, HOME=self.path, TMPDIR=self.temporary)
        for name in ("DISPLAY", "XAUTHORITY", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "BEAMCAST_TOKEN"):
            self.environment.pop(name, None)
        self.state = os.path.join(self.path, ".local", "state", "beamcast")
        self.servers = os.path.join(self.path, ".config", "ParaView", "servers.pvsc")
        # MPI's shared memory is in a folder of its own, so that what is left there is from here and not from
        # another program; the two names are Open MPI 4's and 5's.
        self.shared_memory = tempfile.mkdtemp(prefix="beamcast-", dir="/dev/shm")
        for part in ("vader", "sm"):
            self.environment["OMPI_MCA_btl_%s_backing_directory" % part] = self.shared_memory

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.rmtree(self.shared_memory, ignore_errors=True)

    def popen(self, *arguments, **more):
        return subprocess.Popen([COMMAND, *map(str, arguments)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=self.environment,
                                cwd=self.path, **more)

    def run(self, *arguments, status=0):
        """Runs the command; what it prints, and its messages, come back."""
        process = self.popen(*arguments)
        out, err = process.communicate(timeout=LIMIT)
        assert process.returncode == status, (arguments, process.returncode, out, err)
        return out, err

    def on_terminal(self, *arguments):
        """Runs the command with its messages on a terminal; what that shows comes back."""
        terminal, end = os.openpty()
        process = subprocess.Popen([COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=end,
                                   env=self.environment, cwd=self.path)
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError), open(terminal, "rb", buffering=0) as stream:
            while part := stream.read(4096):  # an error once nobody has the other end
                shown += part
        assert process.wait(LIMIT) == 0, (arguments, shown)
        return shown.decode()

    def json(self, *arguments, status=0):
        return json.loads(self.run(*arguments, "--json", status=status)[0])

    def start(self, *options):
        session = self.json("start", "--paraview", *options)
        assert session["state"] == "running", session
        return session

    def processes(self):
        """Processes that belong to this home, by their environment; not those of the test."""
        found, mark = [], ("HOME=" + self.path).encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open("/proc/%s/environ" % pid, "rb") as stream:
                    if mark in stream.read().split(b"\0"):
                        found.append(int(pid))
        return found

    def hosts(self, program):
        """The hosts' names that the processes of a program see."""
        found = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                if os.path.basename(os.readlink("/proc/%d/exe" % pid)) == program:
                    found.append(subprocess.run(["nsenter", "--uts", "--target", str(pid), "hostname"],
                                                capture_output=True, text=True, check=False).stdout.strip())
        return found

    def memory(self):
        """Bytes that its processes have in memory."""
        pages = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                with open("/proc/%d/statm" % pid) as stream:
                    pages += int(stream.read().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def command_lines(self):
        lines = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                with open("/proc/%d/cmdline" % pid, "rb") as stream:
                    lines.append(stream.read().replace(b"\0", b" ").decode())
        return lines

    def keeper(self, session):
        with open(os.path.join(self.state, session["id"], "record.json")) as stream:
            return json.load(stream)["keeper"]["pid"]

    def left(self):
        """What is left of sessions, as a list that should be empty."""
        left = self.command_lines()
        for folder in (self.state, self.temporary, self.shared_memory):
            if os.path.isdir(folder):
                left += [name for name in os.listdir(folder) if name != "lock"]
        left += [name for _, _, names in os.walk(os.path.join(self.path, ".config")) for name in names]
        return left

    def check_nothing_left(self):
        wait_until(lambda: not self.left(), lambda: "left: %s" % self.left())


def wait_until(condition, what=None):
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, what() if what else "this takes too long"
        time.sleep(0.05)
