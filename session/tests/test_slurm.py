# SPDX-License-Identifier: BSD-3-Clause
"""Sessions as Slurm jobs, against a real Slurm: pending with the expected time, running, used and
stopped; cancelled, over their time, failed; two of one user; the controller down; nothing injected."""
import json
import os

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
    sessions.wait_until(lambda: home.json("status", session["id"])["start_time"])  # the scheduler's guess
    message = home.run("push", "a.npy", "--to", session["id"], status=1)[1]
    assert "pending" in message and message.count("\n") == 1, message
    cluster.run("scancel", blocker)
    running = await_state(home, session, "running", "crashed")
    assert running["state"] == "running" and running["start_time"], running

    second = start(home)
    home.run("push", "a.npy", "--to", running["contact"])
    home.run("retrieve", "--from", session["id"], "-o", "back.npy")
    assert np.array_equal(np.load(os.path.join(home.path, "back.npy")), np.load(os.path.join(home.path, "a.npy")))
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
        np.save(os.path.join(home.path, "a.npy"), np.arange(60000, dtype="i4").reshape(30, 40, 50))
        nothing_injected(home, cluster)
        cancelled_from_outside(home, cluster, busy_machine(home, cluster))
        short = start(home, slurm="--time=1")  # a minute, the shortest there is
        failed(home)
        controller_down(home, cluster)
        await_reason(home, short, "the job reached its time limit")
        home.run("stop", short["id"])
        home.check_nothing_left()


if __name__ == "__main__":
    main()
