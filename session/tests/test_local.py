# SPDX-License-Identifier: BSD-3-Clause
"""Sessions on this machine: start, status, stop leave nothing; neither does a killed start. Crashed
and idle sessions are seen as such. Secrets are on no command line. ParaView's list keeps its entries."""
import json
import os
import select
import signal
import sys
import time
import xml.etree.ElementTree as xml

import sessions

STARTS = 20
OTHER = '<Servers><Server name="mine" resource="cs://else.where:11111"><ManualStartup/></Server></Servers>'


def entries(home):
    return {server.get("name"): server for server in xml.parse(home.servers).getroot()}


def start_with_a_pipe(home):
    """A session keeps nothing open that the program which started it had open: a lock, an end of a pipe."""
    read, write = os.pipe()
    process = home.popen("start", "--paraview", "--json", pass_fds=[write])
    os.close(write)
    out, err = process.communicate(timeout=sessions.LIMIT)
    assert process.returncode == 0, err
    assert select.select([read], [], [], sessions.LIMIT)[0], "the session has the pipe"
    os.close(read)
    return json.loads(out)


def life_of_a_session(home):
    os.makedirs(os.path.dirname(home.servers))
    with open(home.servers, "w") as stream:
        stream.write(OTHER)
    session = home.start("--ranks", 2)
    for key in ("id", "state", "contact", "paraview", "url", "start_time"):
        assert key in session, session
    with open(session["contact"]) as stream:
        token = json.load(stream)["token"]
    with open(session["connect_id_file"]) as stream:
        connect_id = stream.read()
    for path in (session["contact"], session["connect_id_file"], session["log"], home.servers):
        assert os.stat(path).st_mode & 0o077 == 0, path
    assert os.stat(home.state).st_mode & 0o077 == 0
    lines = home.command_lines()
    assert len([line for line in lines if "beamcast-server" in line]) == 3, lines  # with mpiexec
    assert not [line for line in lines if token in line or connect_id in line]
    with open(session["log"]) as stream:
        log = stream.read()
    assert token not in log and connect_id not in log

    entry = entries(home)["Beamcast " + session["id"]]
    assert entry.get("resource") == session["paraview"] == "cs://localhost:%d" % session["paraview_port"]
    assert entry.find("ManualStartup/Options/Option[@name='PV_CONNECT_ID']/Range").get("default") == connect_id

    second = start_with_a_pipe(home)
    listed = home.json("status")["sessions"]
    assert {(one["id"], one["state"]) for one in listed} == {(session["id"], "running"), (second["id"], "running")}
    assert home.json("status", session["id"])["contact"] == session["contact"]
    home.run("stop", session["id"])
    home.run("stop", session["id"])  # again: fine
    home.run("status", session["id"], status=1)
    assert home.json("status", second["id"])["state"] == "running"
    home.run("stop", second["id"])
    assert list(entries(home)) == ["mine"]
    os.unlink(home.servers)
    home.check_nothing_left()


def killed_start(home):
    for delay in (0.0, 0.05, 0.2, 0.5, 1.0, 1.5):
        start = home.popen("start", "--paraview", "--ranks", "2")
        time.sleep(delay)
        start.send_signal(signal.SIGKILL)
        start.communicate()
        if start.returncode == 0:  # it was faster than the signal: the session is meant to live
            for session in home.json("status")["sessions"]:
                home.run("stop", session["id"])
        home.check_nothing_left()


def crashed(home):
    session = home.start("--ranks", 2)
    os.kill(home.keeper(session), signal.SIGKILL)
    sessions.wait_until(lambda: home.json("status", session["id"])["state"] == "crashed")
    sessions.wait_until(lambda: not home.command_lines(), home.command_lines)
    home.run("stop", session["id"])
    home.check_nothing_left()

    session = home.start()
    server = [pid for pid in home.processes()
              if os.path.basename(os.readlink("/proc/%d/exe" % pid)) == "beamcast-server"]
    os.kill(server[0], signal.SIGKILL)
    sessions.wait_until(lambda: home.json("status", session["id"])["state"] == "crashed")
    sessions.wait_until(lambda: not home.processes())
    status = home.json("status", session["id"])
    assert status["reason"].startswith("the server died (Killed)") and os.path.exists(status["log"]), status
    assert "MAGIC" not in status["reason"] and "client" not in status["reason"], status
    assert not os.path.exists(home.servers)
    home.run("stop", session["id"])
    home.check_nothing_left()


def idle(home):
    session = home.start("--idle", "0.02")
    sessions.wait_until(lambda: home.json("status", session["id"])["state"] == "ended")
    assert "unused" in home.json("status", session["id"])["reason"]
    home.run("stop", session["id"])
    home.check_nothing_left()


def missing_programs(home):
    path = home.environment["PATH"]
    home.environment["PATH"] = "/nowhere"
    message = home.run("start", "--slurm", status=1)[1]
    assert message.count("\n") == 1 and "Slurm is not here" in message, message
    message = home.run("start", "--paraview", status=1)[1]
    home.environment["PATH"] = path
    assert message.count("\n") == 1 and "install" in message, message
    home.environment["BEAMCAST_SERVER"] = "/bin/false"
    message = home.run("start", "--paraview", status=1)[1]
    del home.environment["BEAMCAST_SERVER"]
    assert message.count("\n") == 1, message
    home.check_nothing_left()


def too_large(home):
    message = home.run("start", "--paraview", "--size", "50000,50000,50000", status=1)[1]
    assert "GiB" in message and message.count("\n") == 1, message
    home.run("start", "--paraview", "--size", "5,0,5", status=2)
    home.check_nothing_left()


def many(home):
    """Of both kinds, side by side: neither takes the other's screen, ports or files."""
    for _ in range(STARTS // 2):
        starts = [home.popen("start", "--json", *options) for options in (("--paraview",), ())]
        stops = []
        for start in starts:
            out, err = start.communicate(timeout=sessions.LIMIT)
            assert start.returncode == 0, err
            stops.append(home.popen("stop", json.loads(out)["id"]))
        for stop in stops:
            _, err = stop.communicate(timeout=sessions.LIMIT)
            assert stop.returncode == 0, err
    home.check_nothing_left()


if __name__ == "__main__":
    sessions.need("Xvfb", "mpiexec")
    if not os.path.exists(os.path.join(sessions.BUILD, "bin", "beamcast-viewer")):
        sessions.skip("beamcast-viewer was not built")
    wanted = sys.argv[1:]
    for test in (life_of_a_session, killed_start, crashed, idle, missing_programs, too_large, many):
        if wanted and test.__name__ not in wanted:
            continue
        begun = time.monotonic()
        with sessions.Home() as its_home:
            test(its_home)
        print("%s: %.1f s" % (test.__name__, time.monotonic() - begun), flush=True)
