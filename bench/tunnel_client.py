#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A ParaView client and a producer on one side of a link, a server of 2 ranks on the other, joined by one ssh
connection: what a picture takes at 0, 50 and 100 ms round trip.
usage: tunnel_client.py BUILD

Prints a line of JSON for each, with a session beside what ssh forwards and without one (-N): seconds to connect; from the
beginning of a push of 16 MiB to its picture, 800 x 600 pixels drawn at the server (the first time, and then); from a turned
camera to the picture, still and while one turns; and how much longer than at 0 ms.
"""
import json
import math
import os
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # which has ParaView's modules
FAR, SSH_PORT = "198.18.0.2", 7022  # see transport/tests/network.h
LIMIT, TURNS = 120, 15


def harness(build):
    os.environ["BEAMCAST_BUILD"] = build
    sys.path.insert(0, os.path.join(HERE, "..", "server", "tests"))
    import harness as found
    return found


def listens(host, port):
    for _ in range(10 * LIMIT):
        try:
            return socket.create_connection((host, port), LIMIT).close()
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"nothing listens at {host}:{port}")


def far(build, folder):
    """The server and sshd; where they are goes into a file, and they stay as long as that is there."""
    tools, parent = harness(build), os.getppid()
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/{key}"], check=True)
    os.makedirs("/run/sshd", exist_ok=True)
    options = ["StrictModes=no", "UsePAM=no", f"AuthorizedKeysFile={folder}/user.pub", f"ListenAddress={FAR}"]
    daemon = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", f"{folder}/host", "-p", str(SSH_PORT)]
                              + [word for option in options for word in ("-o", option)], stderr=subprocess.DEVNULL)
    with tools.Screen() as screen, tools.Server(screen, 2, BEAMCAST_HOST=FAR) as server:
        with open(server.contact) as stream:
            contact = json.load(stream)
        with open(f"{folder}/new", "w") as stream:
            json.dump({"paraview": server.port, "port": contact["port"], "token": contact["token"]}, stream)
        os.rename(f"{folder}/new", f"{folder}/ready")
        while os.path.exists(f"{folder}/ready") and os.getppid() == parent:
            time.sleep(0.2)
    daemon.terminate()
    daemon.wait(LIMIT)


def near(build, folder, round_trip, *no_session):
    tools = harness(build)
    while not os.path.exists(f"{folder}/ready"):
        time.sleep(0.1)
    with open(f"{folder}/ready") as stream:
        place = json.load(stream)
    listens(FAR, SSH_PORT)
    forwards = ["-L", f"7001:127.0.0.1:{place['paraview']}", "-L", f"7002:{FAR}:{place['port']}"]
    tunnel = subprocess.Popen(["ssh", "-F", "none", "-i", f"{folder}/user", "-o", "StrictHostKeyChecking=no", "-o",
                               "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-p", str(SSH_PORT), *forwards,
                               *(no_session or ("-tt",)), FAR, *(() if no_session else ("sleep", "3600"))],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    listens("127.0.0.1", 7002)
    with tools.Screen() as screen:
        subprocess.run([PYTHON, os.path.abspath(__file__), "client", build, round_trip, *no_session], check=True, timeout=2 * LIMIT,
                       env=tools.environment(screen, BEAMCAST_TOKEN=place["token"], BEAMCAST_RELAY="1"))
    tunnel.terminate()
    tunnel.wait(LIMIT)
    time.sleep(1)  # sshd hears of it while the link is there
    os.remove(f"{folder}/ready")


def client(build, round_trip, *no_session):
    tools = harness(build)
    from paraview import simple
    begun = time.monotonic()
    simple.Connect("127.0.0.1", 7001)
    took = {"round_trip_ms": int(round_trip), "ssh": " ".join(["-L", *no_session]), "connect_s": time.monotonic() - begun}
    simple.GetSettingsProxy("RenderViewSettings").RemoteRenderThreshold = 0
    view = simple.CreateView("RenderView")
    view.ViewSize = [800, 600]
    source = simple.BeamcastStream()

    def push(step):
        """By a process of its own, which connects first."""
        lines = tools.push("beamcast://127.0.0.1:7002", shape="128,128,128", first=step)
        assert lines == [f"step {step} OK"], lines

    def shown(step):
        while tools.refresh(source) != step:
            pass

    begun = time.monotonic()
    push(1)
    shown(1)
    source.UpdatePipeline()
    cut = simple.Slice(Input=source, SliceType="Plane")
    cut.SliceType.Origin, cut.SliceType.Normal = [63.5, 63.5, 63.5], [0, 0, 1]
    simple.ColorBy(simple.Show(cut, view), ("POINTS", "volume"))
    view.ResetCamera()
    simple.Render(view)
    took["first_picture_s"] = time.monotonic() - begun
    again = []
    for step in range(2, 7):
        begun = time.monotonic()
        push(step)
        shown(step)
        simple.Render(view)
        again.append(time.monotonic() - begun)
    took["picture_s"] = statistics.median(again)
    for name, draw in (("still_s", "StillRender"), ("turning_s", "InteractiveRender")):
        times = []
        for turn in range(TURNS):
            begun, angle = time.monotonic(), math.radians(4 * turn - 30)
            view.CameraPosition = [63.5 + 400 * math.sin(angle), 63.5, 63.5 + 400 * math.cos(angle)]
            getattr(view, draw)()
            times.append(time.monotonic() - begun)
        took[name] = statistics.median(times[2:])
    assert took["still_s"] > 0.002, "nothing was drawn"
    print(json.dumps(took), flush=True)


def main(build):
    first = {}
    for tool in ("ssh", "/usr/sbin/sshd", "Xvfb", "pvserver"):
        if shutil.which(tool) is None:
            print(f"tunnel_client.py: left out, {tool} is missing", file=sys.stderr)
            return
    mine = [PYTHON, os.path.abspath(__file__)]
    for round_trip, no_session in [(trip, way) for trip in ("0", "50", "100") for way in ((), ("-N",))]:
        with tempfile.TemporaryDirectory() as folder:
            ends = (("far", ()), ("near", (round_trip, *no_session)))
            sides = [shlex.join(mine + [side, build, folder, *more]) for side, more in ends]
            out = subprocess.run([os.path.join(build, "bin", "bench_web_link"), round_trip, "0", *sides], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout
            took = json.loads(out.strip().splitlines()[-1])
        first = first or took
        ratios = {name: round(took[name] / first[name], 2) for name in took if name.endswith("_s")}
        rounded = {name: round(value, 3) if name in ratios else value for name, value in took.items()}
        print(json.dumps(rounded | {"times_0_ms": ratios}), flush=True)


if __name__ == "__main__":
    parts = {"far": far, "near": near, "client": client}
    if sys.argv[1] in parts:
        parts[sys.argv[1]](*sys.argv[2:])
    else:
        main(os.path.abspath(sys.argv[1]))
