# SPDX-License-Identifier: BSD-3-Clause
"""Two users on one host, each with a server of its own: neither sees, reads or pushes into the other's.
Needs root, to be two users. BEAMCAST_BUILD names the build folder."""
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "server", "tests"))
import harness  # noqa: E402

OTHER = 65534  # nobody
SHAPE = (40, 30, 50)


def sees(port, step):
    simple = harness.connect(port)
    source = harness.open_stream(simple)
    assert harness.refresh(source) == int(step), source.StepShown
    harness.check_voxels(simple, source, SHAPE, 2)


def as_other(*command):
    return ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups", *command]


class OtherServer(harness.Server):
    """A server of the other user, with its contact file in that user's run folder."""

    def __init__(self, screen, ranks, home):
        self.screen, self.folder = screen, tempfile.mkdtemp(prefix="beamcast-test-")
        self.log = open(os.path.join(self.folder, "log"), "w+", encoding="utf-8")
        command = as_other("mpiexec", "-n", str(ranks), harness.SERVER, "--json")
        env = harness.environment(screen, HOME=home, TMPDIR=home)
        env.pop("XDG_RUNTIME_DIR", None)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env=env, cwd=home, start_new_session=True)
        line = self.process.stdout.readline()
        assert line.startswith("{"), line + self.messages()
        self.ready = json.loads(line)
        self.contact, self.port = self.ready["contact"], self.ready["port"]
        self.pids = self.find_ranks()


def push_as_other(contact, home, **options):
    command = as_other(harness.PUSH, contact, *[f"{k}={v}" for k, v in options.items()])
    return subprocess.run(command, capture_output=True, text=True, timeout=harness.LIMIT, cwd=home)


def check(screen, home):
    with harness.Server(screen, 2) as ours, OtherServer(screen, 2, home) as theirs:
        assert ours.port != theirs.port and ours.contact != theirs.contact
        for server, owner in ((ours, os.getuid()), (theirs, OTHER)):
            state = os.stat(server.contact)
            assert state.st_uid == owner and stat.S_IMODE(state.st_mode) == 0o600, server.contact
        folder = os.stat(os.path.dirname(theirs.contact))
        assert folder.st_uid == OTHER and stat.S_IMODE(folder.st_mode) == 0o700

        assert harness.push(ours.contact, first=3) == ["step 3 OK"]
        done = push_as_other(theirs.contact, home, first=9)
        assert done.stdout.splitlines() == ["step 9 OK"], done

        # neither our contact file, nor our address with their token, lets them in
        refused = push_as_other(ours.contact, home, first=4)
        assert refused.returncode != 0 and "Permission denied" in refused.stdout + refused.stderr, refused
        with open(theirs.contact, encoding="utf-8") as file:
            token = json.load(file)["token"]
        with open(ours.contact, encoding="utf-8") as file:
            address = json.load(file)
        env = dict(os.environ, BEAMCAST_TOKEN=token)
        refused = subprocess.run([harness.PUSH, f"beamcast://{address['host']}:{address['port']}", "first=5"],
                                 capture_output=True, text=True, timeout=harness.LIMIT, env=env)
        assert refused.returncode != 0 and "token" in refused.stdout + refused.stderr, refused

        ours.client("sees", 3)
        theirs.client("sees", 9)


def main():
    if os.getuid() != 0:
        harness.skip("root is needed to be two users")
    if shutil.which("setpriv") is None:
        harness.skip("setpriv is missing")
    build = harness.SERVER
    if subprocess.run(as_other("test", "-x", build), check=False).returncode != 0:
        harness.skip("another user can't reach the build folder")
    home = tempfile.mkdtemp(prefix="beamcast-other-")
    os.chown(home, OTHER, OTHER)
    try:
        with harness.Screen() as screen:
            check(screen, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    harness.main({"sees": sees}, main)
