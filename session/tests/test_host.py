# SPDX-License-Identifier: BSD-3-Clause
"""Sessions on another machine, over a real sshd: as another user, who shares no files with us. start, status,
push, retrieve, its page, stop; the tunnel opens again; a killed start leaves nothing there or here; what goes wrong says
so; secrets are on no command line."""
import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import numpy as np

import sessions
import slurm_cluster

SSHD = "/usr/sbin/sshd"
CONFIGURATION = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized
PidFile {folder}/pid
AllowUsers {user}
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitUserEnvironment no
AcceptEnv BEAMCAST_* SLURM_CONF
"""
SSH = """#!/bin/sh
exec ssh -F /dev/null -p {port} -i {folder}/key -o IdentitiesOnly=yes -o BatchMode=yes -o SendEnv='BEAMCAST_* SLURM_CONF' \\
  -o UserKnownHostsFile={folder}/known -o StrictHostKeyChecking=accept-new "$@"
"""
SHARED = """#!/bin/sh
exec {folder}/ssh -o ControlMaster=auto -o ControlPath={folder}/control -o ControlPersist=yes "$@"
"""


class Machine:
    """A user that is made for the test, and an sshd that lets nobody else in."""

    def __init__(self):
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        for program in (SSHD, "ssh", "ssh-keygen", "useradd", "userdel"):
            if shutil.which(program) is None:
                sessions.skip(program + " is missing (packages openssh-server, openssh-client, passwd)")
        if os.geteuid() != 0:
            sessions.skip("root is missing: a second user has to be made")
        self.user = "beamcast%d" % os.getpid()
        self.folder = tempfile.mkdtemp(prefix="beamcast-sshd-")
        self.home = tempfile.mkdtemp(prefix="beamcast-far-")
        os.chmod(self.folder, 0o755)  # the user's sshd reads its keys there
        self.login = self.user + "@127.0.0.1"
        self.server = None

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def make(self):
        run("useradd", "--no-create-home", "--home-dir", self.home, "--shell", "/bin/sh", "--password", "*", self.user)
        user = pwd.getpwnam(self.user)
        self.uid = user.pw_uid
        os.chown(self.home, user.pw_uid, user.pw_gid)
        reach = subprocess.run(["setpriv", "--reuid=%d" % self.uid, "--regid=%d" % user.pw_gid, "--clear-groups",
                                "test", "-x", sessions.COMMAND], check=False)
        if reach.returncode != 0:
            sessions.skip("another user can't reach the build folder")
        for key in ("host_key", "key"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(self.folder, key))
        shutil.copy(os.path.join(self.folder, "key.pub"), os.path.join(self.folder, "authorized"))
        os.chmod(os.path.join(self.folder, "authorized"), 0o644)
        os.makedirs("/run/sshd", exist_ok=True)
        for _ in range(5):  # a port that was free may be taken meanwhile
            with socket.socket() as one:
                one.bind(("127.0.0.1", 0))
                self.port = one.getsockname()[1]
            if self.listen():
                break
        else:
            raise AssertionError("sshd does not start: " + self.log())
        wrapper = self.write("ssh", SSH)
        os.chmod(wrapper, 0o755)
        self.shared = self.write("ssh-shared", SHARED)
        os.chmod(self.shared, 0o755)

    def listen(self):
        config = self.write("sshd_config", CONFIGURATION)
        self.server = subprocess.Popen([SSHD, "-D", "-E", os.path.join(self.folder, "log"), "-f", config])
        sessions.wait_until(lambda: self.server.poll() is not None or "listening" in self.log(), self.log)
        return self.server.poll() is None

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as stream:
            stream.write(text.format(port=self.port, folder=self.folder, user=self.user))
        return path

    def log(self):
        with contextlib.suppress(OSError), open(os.path.join(self.folder, "log")) as stream:
            return stream.read()
        return ""

    def processes(self):
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.stat("/proc/" + pid).st_uid == self.uid:
                    with open("/proc/%s/cmdline" % pid, "rb") as stream:
                        found[int(pid)] = stream.read().replace(b"\0", b" ").decode()
        return {pid: line for pid, line in found.items() if line}

    def left(self):
        state = os.path.join(self.home, ".local", "state", "beamcast")
        files = [name for name in os.listdir(state) if name != "lock"] if os.path.isdir(state) else []
        return files + [line for line in self.processes().values() if not line.startswith("sshd")]

    def check_nothing_left(self):
        sessions.wait_until(lambda: not self.left(), lambda: "left there: %s" % self.left())

    def __exit__(self, *_):
        if self.server is not None:
            self.server.terminate()
            self.server.wait()
        with contextlib.suppress(AttributeError):
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            sessions.wait_until(lambda: not self.processes())
        subprocess.run(["userdel", self.user], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)


def start(home, machine, *options):
    return home.json("start", "--host", machine.login, *options)


def tunnels(home, session):
    mark = ("BEAMCAST_SESSION=" + session["id"]).encode()
    found = []
    for pid in home.processes():
        with contextlib.suppress(OSError), open("/proc/%d/environ" % pid, "rb") as stream:
            if mark in stream.read().split(b"\0"):
                found.append(pid)
    return found


def refusals(home, machine):
    def says(text, *options, status=1):
        message = home.run("start", *options, status=status)[1]
        assert message.count("\n") == 1 and text in message, (text, message)

    says("no machine", "--host", "-oProxyCommand=touch${IFS}gone")
    says("no machine", "--host", "a;touch gone")
    says("can't be reached", "--host", "root@127.0.0.1")
    says("ranks", "--host", machine.login, "--ranks", "4000000", status=2)
    says("script", "--host", machine.login, "--script", "'; touch gone; '$(touch gone)")
    remote = home.environment.pop("BEAMCAST_REMOTE")
    home.environment["BEAMCAST_REMOTE"] = "/nowhere/beamcast"
    says("no command `beamcast`", "--host", machine.login)
    home.environment["BEAMCAST_REMOTE"] = remote
    for folder in (home.path, machine.home, "/"):
        assert not os.path.exists(os.path.join(folder, "gone"))


def page(url):
    """The page is here by the tunnel: its link lets in, once."""
    address, token = url.split("#")
    assert address.startswith("http://127.0.0.1:"), url
    for wanted in (200, 403):
        wish = urllib.request.Request(address + "enter", json.dumps({"token": token}).encode(), {"Origin": address.rstrip("/")})
        try:
            with urllib.request.urlopen(wish, timeout=sessions.LIMIT) as answer:
                assert answer.status == wanted and json.load(answer)["rights"] == "full", answer
        except urllib.error.HTTPError as refused:
            assert refused.code == wanted, refused
    return address


def life(home, machine):
    session = start(home, machine, "--ranks", 2, "--web")
    assert session["state"] == "running" and session["login"] == machine.login, session
    with open(session["contact"]) as stream:
        contact = json.load(stream)
    assert contact["host"] == "127.0.0.1" and os.stat(session["contact"]).st_mode & 0o077 == 0
    viewers = [line for line in machine.processes().values() if "beamcast-viewer" in line]
    assert len(viewers) == 3, viewers  # with mpiexec, and as that user
    every = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert contact["token"] not in every + machine.log() and session["id"] not in machine.log()

    address = page(session["url"])
    # sshd sends small packets at once only where a session runs beside what it forwards
    sessions.wait_until(lambda: any("kill -0 $PPID" in line for line in machine.processes().values()), machine.processes)

    array = np.arange(60000, dtype="i4").reshape(30, 40, 50)
    np.save(os.path.join(home.path, "a.npy"), array)
    home.run("push", "a.npy", "--to", session["id"])
    home.run("retrieve", "--from", session["id"], "-o", "back.npy")
    assert np.array_equal(np.load(os.path.join(home.path, "back.npy")), array)
    home.run("screenshot", "--from", session["id"], "-o", "a.png", "--size", "64x64")

    for pid in tunnels(home, session):  # the link is lost; the session lives on
        os.kill(pid, signal.SIGKILL)
    sessions.wait_until(lambda: not tunnels(home, session))
    again = home.json("status", session["id"])
    assert again["contact"] == session["contact"] and page(again["url"]) == address
    assert len(tunnels(home, session)) == 1
    with open(session["contact"]) as stream:
        assert json.load(stream)["port"] == contact["port"]
    home.run("screenshot", "--from", session["contact"], "-o", "b.png", "--size", "64x64")

    home.run("stop", session["id"])
    home.run("stop", session["id"])
    home.check_nothing_left()
    machine.check_nothing_left()


def for_paraview(home, machine):
    """Over a connection that is shared, as ssh_config may have it: what is forwarded belongs to that one."""
    home.environment["BEAMCAST_SSH"] = machine.shared
    session = start(home, machine, "--paraview")
    port = session["paraview"].rsplit(":", 1)[1]
    with open(session["connect_id_file"]) as stream:
        assert int(stream.read()) >= 1000
    with open(home.servers) as stream:
        assert "cs://localhost:" + port in stream.read()
    with socket.create_connection(("127.0.0.1", int(port)), timeout=sessions.LIMIT):
        pass
    # it ends there: known here
    far = os.listdir(os.path.join(machine.home, ".local", "state", "beamcast"))
    far = [name for name in far if name != "lock"]
    servers = [pid for pid, line in machine.processes().items() if "beamcast-keeper" in line]
    for pid in servers:
        os.kill(pid, signal.SIGTERM)
    sessions.wait_until(lambda: home.json("status", session["id"])["state"] == "ended")
    assert not tunnels(home, session) and len(far) == 1
    home.run("stop", session["id"])
    run(machine.shared, "-O", "exit", machine.login)
    home.check_nothing_left()
    machine.check_nothing_left()


def killed_start(home, machine):
    for delay in (0.3, 1.5):
        process = home.popen("start", "--host", machine.login)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for session in home.json("status")["sessions"]:  # it was known already
            home.run("stop", session["id"])
        home.check_nothing_left()
        machine.check_nothing_left()


def by_slurm(home, machine):
    """As a job on that machine, of that user, whom Slurm knows there."""
    for program in ("munged", "slurmctld", "slurmd", "sbatch"):
        if shutil.which(program) is None:
            print("not tried: %s is missing (packages slurm-wlm and munge)" % program)
            return
    with slurm_cluster.Cluster() as cluster:
        home.environment["SLURM_CONF"] = cluster.config
        session = start(home, machine, "--slurm=--time=10", "--size", "50,40,30", "--type", "int32")
        assert session["slurm_job"] and session["login"] == machine.login and "3 steps" in session["estimate"], session
        sessions.wait_until(lambda: home.json("status", session["id"])["state"] == "running", cluster.logs)
        assert cluster.run("squeue", "-h", "-o", "%u").strip() == machine.user
        array = np.arange(60000, dtype="i4").reshape(30, 40, 50)
        np.save(os.path.join(home.path, "a.npy"), array)
        home.run("push", "a.npy", "--to", session["id"])
        home.run("retrieve", "--from", session["id"], "-o", "back.npy")
        assert np.array_equal(np.load(os.path.join(home.path, "back.npy")), array)
        home.run("stop", session["id"])
        assert cluster.job_state(session["slurm_job"]) in ("CANCELLED", "COMPLETED", "")
    home.check_nothing_left()
    machine.check_nothing_left()


def unreachable(home, machine):
    session = start(home, machine)
    machine.server.terminate()
    machine.server.wait()
    for pid, line in machine.processes().items():
        if line.startswith("sshd"):
            os.kill(pid, signal.SIGKILL)
    for verb in ("status", "stop"):
        message = home.run(verb, session["id"], status=1)[1]
        assert message.count("\n") == 1 and "ssh" in message, message
    assert [one["id"] for one in home.json("status")["sessions"]] == [session["id"]]
    os.unlink(os.path.join(machine.folder, "log"))
    assert machine.listen(), machine.log()
    home.run("stop", session["id"])
    home.check_nothing_left()
    machine.check_nothing_left()


if __name__ == "__main__":
    sessions.need("Xvfb", "mpiexec", "setpriv")
    wanted = sys.argv[1:]
    with Machine() as its_machine:
        for test in (refusals, life, for_paraview, by_slurm, killed_start, unreachable):
            if wanted and test.__name__ not in wanted:
                continue
            begun = time.monotonic()
            with sessions.Home() as its_home:
                its_home.environment.update(BEAMCAST_SSH=os.path.join(its_machine.folder, "ssh"),
                                            BEAMCAST_REMOTE=sessions.COMMAND)
                test(its_home, its_machine)
            print("%s: %.1f s" % (test.__name__, time.monotonic() - begun), flush=True)
