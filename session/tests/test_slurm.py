# SPDX-License-Identifier: BSD-3-Clause
"""Sessions as Slurm jobs, against a real Slurm: pending with the expected time, running, used and
stopped; cancelled, preempted, over their time, failed; two of one user; the controller down; nothing injected."""
import datetime
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import numpy as np

import sessions
import slurm_cluster


def state_of(home, session):
    return home.json("status", session["id"])["state"]


def await_state(home, session, *states):
    sessions.wait_until(lambda: state_of(home, session) in states,
                        lambda: "%s" % home.json("status", session["id"]))
    return home.json("status", session["id"])


def await_reason(home, session, reason):
    """Once the job has ended Slurm says how; a moment earlier only the session itself does."""
    sessions.wait_until(lambda: (home.json("status", session["id"])["reason"] or "").startswith(reason),
                        lambda: "%s" % home.json("status", session["id"]))
    assert state_of(home, session) == "ended"


def start(home, *options, slurm="--time=10"):
    return home.json("start", "--paraview", "--slurm=" + slurm, *options)


def busy_machine(home, cluster):
    blocker = cluster.block()
    sessions.wait_until(lambda: cluster.job_state(blocker) == "RUNNING", cluster.logs)
    session = start(home, "--ranks", 2)
    assert session["state"] == "pending" and session["slurm_job"] and session["contact"] is None, session
    assert session["created"] and session["client"].startswith("csrc://" + os.uname().nodename + ":"), session
    entry = xml.parse(home.servers).getroot().find("Server[@name='Beamcast %s']" % session["id"])
    assert entry.get("resource") == "csrc://localhost:" + session["client"].rsplit(":", 1)[1]  # ParaView can listen already
    with open(session["connect_id_file"]) as stream:
        assert entry.find("CommandStartup/Options/Option[@name='PV_CONNECT_ID']/Range").get("default") == stream.read()
    sessions.wait_until(lambda: home.json("status", session["id"])["start_time"])  # the scheduler's guess
    message = home.run("push", "a.npy", "--to", session["id"], status=1)[1]
    assert "pending" in message and message.count("\n") == 1, message
    sys.path.insert(0, sessions.PYTHON)
    os.environ.update(HOME=home.path, SLURM_CONF=cluster.config)
    import beamcast
    try:
        beamcast.Session(session["id"]).render_volume(np.zeros((4, 5, 6), "u1"), time_limit=0.5)
        raise AssertionError("a volume was shown in a session that waits")
    except beamcast.errors.TimeoutError as late:
        assert "still pending, for " in str(late) and "Slurm's queue" in str(late), late
    text = home.run("status", session["id"])[0]
    assert "pending since 20" in text and "expected to start 20" in text, text
    cluster.run("scancel", blocker)
    running = await_state(home, session, "running", "crashed")
    assert running["state"] == "running" and running["start_time"], running

    second = start(home, "--client", "none")
    assert second["client"] is None, second
    home.run("push", "a.npy", "--to", running["contact"])
    home.run("retrieve", "--from", session["id"], "-o", "back.npy")
    assert np.array_equal(np.load(os.path.join(home.path, "back.npy")), np.load(os.path.join(home.path, "a.npy")))
    connected_back(home, running)
    with open(running["contact"]) as stream:
        token = json.load(stream)["token"]
    with open(running["connect_id_file"]) as stream:
        connect_id = stream.read()
    record = cluster.run("scontrol", "show", "job", session["slurm_job"])
    record += cluster.run("scontrol", "write", "batch_script", session["slurm_job"], "-")
    record += cluster.logs() + "".join(home.command_lines())
    assert session["id"] in record and token not in record and connect_id not in record

    assert await_state(home, second, "running", "crashed")["state"] == "running"
    assert {one["id"] for one in home.json("status")["sessions"]} >= {session["id"], second["id"]}
    home.run("stop", session["id"])
    home.run("stop", session["id"])
    assert cluster.job_state(session["slurm_job"]) in ("CANCELLED", "COMPLETED", "")
    return second


def connected_back(home, session):
    """A stock client listens here, and the job connects to it."""
    with open(session["connect_id_file"]) as stream:
        connect_id = stream.read()
    port = str(slurm_cluster.free_port())
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "test_volumes.py")
    listening = subprocess.Popen([sys.executable, script, "listen", port, connect_id], env=home.environment,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    home.run("connect-back", session["id"], "--port", port)
    out, err = listening.communicate(timeout=sessions.LIMIT)
    assert "sees (0, 49, 0, 39, 0, 29) (0.0, 59999.0)" in out, (out, err)


def cancelled_from_outside(home, cluster, session):
    cluster.run("scancel", session["slurm_job"])
    await_reason(home, session, "the job was cancelled")
    home.run("stop", session["id"])


def failed(home):
    home.environment["BEAMCAST_SERVER"] = "/bin/false"
    session = start(home)
    del home.environment["BEAMCAST_SERVER"]
    ended = await_state(home, session, "ended", "crashed")
    assert ended["state"] == "crashed" and ended["reason"], ended
    home.run("stop", session["id"])


def controller_down(home, cluster):
    session = start(home)
    await_state(home, session, "running")
    cluster.end_daemon("slurmctld")
    for words in (("status", session["id"]), ("stop", session["id"]), ("start", "--paraview", "--slurm")):
        message = home.run(*words, status=1)[1]
        assert message.count("\n") == 1 and "Slurm" in message, message
    assert session["id"] in [one["id"] for one in home.json("status")["sessions"]]
    cluster.start_controller()
    await_state(home, session, "running")
    home.run("stop", session["id"])


def preempted(home, cluster):
    session = start(home)
    await_state(home, session, "running")
    other = cluster.block("--partition=first")
    await_reason(home, session, "the job was preempted")
    cluster.run("scancel", other)
    sessions.wait_until(lambda: cluster.job_state(other) in ("CANCELLED", ""), cluster.logs)
    home.run("stop", session["id"])


def passed_on(home, cluster):
    """What is estimated, and what the user says to sbatch, is in the job."""
    later = start(home, "--size", "400,300,200", "--type", "uint16", slurm="--begin=now+3hours --comment=mine")
    job = cluster.run("scontrol", "show", "job", later["slurm_job"])
    # 3 * 45.8 MiB, 512 MiB of ParaView and its light volumes
    memory = re.search("MinMemoryNode=([0-9]+)M", job)
    assert memory and 3 * 45.8 + 512 < int(memory.group(1)) < 3 * 45.8 + 512 + 70, job
    assert "gpu:1" in job and "Comment=mine" in job and "NumTasks=1" in job, job
    for part in ("400 x 300 x 200", "2 bytes", "0.04 GiB; 3 steps", "8.0 GiB", "1 GPU"):
        assert part in later["estimate"], later["estimate"]
    sessions.wait_until(lambda: home.json("status", later["id"])["start_time"])
    expected = datetime.datetime.fromisoformat(home.json("status", later["id"])["start_time"].replace("Z", "+00:00"))
    hours = (expected - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 3600
    assert 2 < hours < 3.1, expected
    home.run("stop", later["id"])
    large = start(home, "--size", "1000,1000,500", "--type", "float32",
                  slurm="--begin=now+3hours --gres=gpu:t4:2 --mem=100")
    job = cluster.run("scontrol", "show", "job", large["slurm_job"])
    assert "gpu:t4:2" in job and "MinMemoryNode=100M" in job and "GPU" not in large["estimate"], (job, large)
    home.run("stop", large["id"])
    wide = start(home, "--ranks", 8, slurm="--begin=now+3hours --partition=two --nodes=2 --ntasks-per-node=4")
    job = cluster.run("scontrol", "show", "job", wide["slurm_job"])
    assert "NumNodes=2" in job and "NumTasks=8" in job and wide["estimate"] is None, (job, wide)
    home.run("stop", wide["id"])
    message = home.run("start", "--slurm", "--size", "1500,1000,1000", status=1)[1]
    assert message.count("\n") == 1 and "3 nodes of 8.0 GiB" in message, message
    cluster.run("scontrol", "create", "reservation", "ReservationName=beam", "StartTime=now", "Duration=60",
                "Users=root", "Nodes=" + os.uname().nodename.split(".")[0])
    reserved = start(home, slurm="--reservation=beam --begin=now+3hours")
    assert "Reservation=beam" in cluster.run("scontrol", "show", "job", reserved["slurm_job"])
    home.run("stop", reserved["id"])
    cluster.run("scontrol", "delete", "ReservationName=beam")


def two_nodes(home, cluster):
    """Voxels that one node cannot hold: a session on two, on both of them ranks, what they draw on, and steps."""
    cluster.add_node()
    session = home.json("start", "--ranks", 3, "--size", "800,1000,1000", "--type", "float32",
                        "--slurm=--time=10 --partition=two")
    for part in ("2.98 GiB; 3 steps", "each of 3 ranks", "10.57 GiB of memory, 2 nodes of 8.0 GiB"):
        assert part in session["estimate"], session["estimate"]
    job = cluster.run("scontrol", "show", "job", session["slurm_job"])
    memory = re.search("MinMemoryNode=([0-9]+)M", job)
    assert "NumNodes=2" in job and "NtasksPerN:B:S:C=2:" in job and "gpu:1" in job, job
    assert memory and abs(int(memory.group(1)) - 10.57 * 1024 / 3 * 2) < 10, job  # two ranks on one of them
    running = await_state(home, session, "running", "crashed")
    assert running["state"] == "running", (running, open(running["log"]).read())
    steps = [line for line in home.command_lines() if "beamcast-viewer" in line and "mpiexec" not in line]
    hosts = sorted(home.hosts("beamcast-viewer"))
    assert len(hosts) == 3 and slurm_cluster.OTHER in hosts and len(set(hosts)) == 2, (hosts, steps)
    assert len([line for line in home.command_lines() if "Xvfb" in line]) >= 2, home.command_lines()
    home.run("push", "a.npy", "--to", session["id"])
    home.run("screenshot", "--from", session["id"], "-o", "two.png", "--size", "64x64")
    home.run("retrieve", "--from", session["id"], "-o", "back.npy")
    assert np.array_equal(np.load(os.path.join(home.path, "back.npy")), np.load(os.path.join(home.path, "a.npy")))
    home.run("stop", session["id"])


def nothing_injected(home, cluster):
    for options in ("touch gone", "--partition=all;touch$IFS/gone script.sh", "--wrap=true"):
        message = home.run("start", "--paraview", "--slurm=" + options, status=1)[1]
        assert message.count("\n") == 1, message
    message = home.run("start", "--paraview", "--slurm=--partition=$(touch gone)", status=1)[1]
    message += home.run("start", "--paraview", "--slurm=--partition=none", status=1)[1]
    assert "partition" in message, message
    assert not os.path.exists(os.path.join(home.path, "gone")) and not os.path.exists("/gone")


def main():
    sessions.need("Xvfb", "mpiexec")
    with sessions.Home() as home, slurm_cluster.Cluster() as cluster:
        home.environment["SLURM_CONF"] = cluster.config
        home.environment["PATH"] = os.environ["PATH"]
        home.environment.pop("OMPI_MCA_btl", None)  # ranks on two nodes need a network
        np.save(os.path.join(home.path, "a.npy"), np.arange(60000, dtype="i4").reshape(30, 40, 50))
        if sys.argv[1:]:
            for name in sys.argv[1:]:
                globals()[name](home, cluster)
            return
        cluster.add_node()
        # a minute, the shortest there is: beside all the others, on the other node
        short = start(home, slurm="--time=1 --partition=two --nodelist=" + slurm_cluster.OTHER)
        nothing_injected(home, cluster)
        passed_on(home, cluster)
        cancelled_from_outside(home, cluster, busy_machine(home, cluster))
        two_nodes(home, cluster)
        preempted(home, cluster)
        failed(home)
        controller_down(home, cluster)
        await_reason(home, short, "the job reached its time limit")
        home.run("stop", short["id"])
        home.check_nothing_left()


if __name__ == "__main__":
    main()
