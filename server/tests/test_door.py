# SPDX-License-Identifier: BSD-3-Clause
"""Who comes in: clients that know the connect id, which nobody can read off the process list; no
strangers, who can't hold up those that may; and a client that listens is connected to, again and again."""
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

import harness

CONNECT_ID = 1234567


def enters(port, connect_id):
    from paraview import simple
    from paraview.modules.vtkRemotingCore import vtkRemotingCoreConfiguration
    vtkRemotingCoreConfiguration.GetInstance().SetConnectID(int(connect_id))
    simple = harness.connect(port)
    assert simple.servermanager.ActiveConnection is not None
    source = harness.open_stream(simple)
    source.UpdatePipeline()


def stays(port, connect_id):
    enters(port, connect_id)
    print("is in", flush=True)
    signal.pause()


def waiting_at(port):
    """Connections to a port that nobody has taken yet."""
    lines = subprocess.run(["ss", "-Hltn", "sport = :%d" % port], capture_output=True, text=True, check=True).stdout
    return int(lines.split()[1])


def who_comes_next_is_let_in(server):
    """Though the server has not noticed yet that the client before has left."""
    first = server.client("stays", CONNECT_ID, wait=False)
    assert first.stdout.readline() == "is in\n", first.stdout.read()
    os.kill(server.ready["pid"], signal.SIGSTOP)
    try:
        first.kill()
        first.wait(harness.LIMIT)
        second = server.client("enters", CONNECT_ID, wait=False)
        while waiting_at(server.port) == 0 and second.poll() is None:
            time.sleep(0.01)
    finally:
        os.kill(server.ready["pid"], signal.SIGCONT)
    out = second.communicate(timeout=harness.LIMIT)[0]
    assert second.returncode == 0, (out, server.messages())


def listens(port):
    from paraview import simple
    simple.ReverseConnect(port)
    source = harness.open_stream(simple)
    assert harness.refresh(source) == 9
    harness.check_voxels(simple, source, (40, 30, 50), 2)


def strangers(port):
    silent = socket.create_connection(("127.0.0.1", port))
    for size in (1, 4, 12, 4096):
        with socket.create_connection(("127.0.0.1", port)) as noisy:
            noisy.sendall(random.Random(size).randbytes(size))
    return silent


def main():
    with tempfile.NamedTemporaryFile("w") as secret:
        secret.write("%d\n" % CONNECT_ID)
        secret.flush()
        with harness.Screen() as screen, \
                harness.Server(screen, 2, "--connect-id-file", secret.name) as server:
            shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
            assert str(CONNECT_ID) not in shown.replace(" enters %d" % CONNECT_ID, "")
            silent = strangers(server.port)
            server.client("enters", CONNECT_ID)
            server.client("enters", CONNECT_ID + 1, check=False)
            assert "has not the connect id" in server.messages(), server.messages()
            who_comes_next_is_let_in(server)
            silent.close()
            assert "can't draw" not in server.messages(), server.messages()

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with harness.Screen() as screen, \
            harness.Server(screen, 2, "--reverse-connection", "--client-host", "127.0.0.1",
                           "--server-port", str(port), DISPLAY="") as server:
        assert "it can't draw: DISPLAY is not set" in server.messages() and "xvfb-run" in server.messages()
        assert server.port == port and server.ready["reverse"] is True
        assert harness.push(server.contact, first=9) == ["step 9 OK"]
        server.client("listens")
        server.client("listens")

    for wrong in (["--server-port", "70000"], ["--idle", "soon"], ["--no-such"], ["stray"],
                  ["--connect-id-file", "/nonexistent"]):
        done = subprocess.run([harness.SERVER, *wrong], capture_output=True, text=True,
                              timeout=harness.LIMIT)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, (wrong, done)
    asked = subprocess.run([harness.SERVER, "--help"], capture_output=True, text=True,
                           timeout=harness.LIMIT)
    assert asked.returncode == 0 and "--connect-id-file" in asked.stdout


if __name__ == "__main__":
    harness.main({"enters": enters, "stays": stays, "listens": listens}, main)
