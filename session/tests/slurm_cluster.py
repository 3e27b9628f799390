# SPDX-License-Identifier: BSD-3-Clause
"""A Slurm cluster of one machine for one test: munged, slurmctld, slurmd with ports and folders of
their own. It needs root, as slurmd does."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import sessions

CONFIGURATION = """
ClusterName=beamcast
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={ctld_port}
SlurmdPort={d_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
MessageTimeout=3
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
NodeName={host} NodeAddr=127.0.0.1 Port={d_port} CPUs=4 RealMemory=8192 Gres=gpu:t4:2 State=UNKNOWN
NodeName={other} NodeHostname={other} NodeAddr=127.0.0.1 Port={other_port} CPUs=4 RealMemory=8192 Gres=gpu:t4:2 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE PriorityTier=1 State=UP
PartitionName=first Nodes={host} MaxTime=INFINITE PriorityTier=10 State=UP
PartitionName=two Nodes={host},{other} MaxTime=INFINITE PriorityTier=1 State=UP
"""
OTHER = "beamcast-node2"  # a second node: this machine by another name, which a UTS namespace gives it
GPUS = "NodeName={host},{other} Name=gpu Type=t4 File={folder}/gpu[0-1]\n"  # files: Slurm only counts them


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Cluster:
    def __init__(self):
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        for program in ("munged", "slurmctld", "slurmd", "sbatch"):
            if shutil.which(program) is None:
                sessions.skip(program + " is missing (packages slurm-wlm and munge)")
        if os.geteuid() != 0:
            sessions.skip("root is missing: slurmd needs it")
        self.folder = tempfile.mkdtemp(prefix="beamcast-slurm-")
        os.chmod(self.folder, 0o755)
        for name in ("munge", "state", "spool"):
            os.mkdir(os.path.join(self.folder, name))
            os.chmod(os.path.join(self.folder, name), 0o755)
        self.config = os.path.join(self.folder, "slurm.conf")
        host = socket.gethostname().split(".")[0]
        with open(self.config, "w") as stream:
            stream.write(CONFIGURATION.format(host=host, folder=self.folder, ctld_port=free_port(),
                                              d_port=free_port(), other=OTHER, other_port=free_port()))
        with open(os.path.join(self.folder, "gres.conf"), "w") as stream:
            stream.write(GPUS.format(host=host, other=OTHER, folder=self.folder))
        for name in ("gpu0", "gpu1"):
            open(os.path.join(self.folder, name), "w").close()
        self.environment = dict(os.environ, SLURM_CONF=self.config)
        self.daemons = {}

    def __enter__(self):
        key, munge = os.path.join(self.folder, "munge", "key"), os.path.join(self.folder, "munge")
        with open(key, "wb") as stream:
            stream.write(os.urandom(128))
        os.chmod(key, 0o400)
        self.daemon("munged", "--foreground", "--force", "--key-file=" + key,
                    "--socket=%s/socket" % munge, "--pid-file=%s/pid" % munge,
                    "--log-file=%s/log" % munge, "--seed-file=%s/seed" % munge)
        sessions.wait_until(lambda: os.path.exists(os.path.join(munge, "socket")), self.logs)
        self.start_controller()
        self.daemon("slurmd", "-D")
        sessions.wait_until(lambda: "idle" in self.run("sinfo", "-h", "-p", "all", "-o", "%T"), self.logs)
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            self.run("scancel", "--user=root")
            sessions.wait_until(lambda: not self.run("squeue", "-h"))
        for name in ("slurmd2", "slurmd", "slurmctld", "munged"):
            self.end_daemon(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def add_node(self):
        """The second node, if it is not there yet; partition `two` has both."""
        if "slurmd2" in self.daemons:
            return
        self.daemon("unshare", "--uts", "sh", "-c", "hostname %s && exec slurmd -D -N %s" % (OTHER, OTHER), name="slurmd2")
        sessions.wait_until(lambda: self.run("sinfo", "-h", "-p", "two", "-o", "%D %T").strip() == "2 idle", self.logs)

    def daemon(self, *command, name=None):
        name = name or command[0]
        with open(os.path.join(self.folder, name + ".out"), "w") as out:
            self.daemons[name] = subprocess.Popen(
                command, env=self.environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                start_new_session=True)

    def end_daemon(self, name):
        process = self.daemons.pop(name, None)
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start_controller(self):
        self.daemon("slurmctld", "-D")
        sessions.wait_until(lambda: "UP" in self.run("scontrol", "ping"), self.logs)

    def logs(self):
        text = ""
        for name in os.listdir(self.folder):
            if name.endswith((".log", ".out")):
                with open(os.path.join(self.folder, name)) as stream:
                    text += name + ":\n" + stream.read()[-2000:]
        return text

    def run(self, *command):
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        return done.stdout

    def block(self, *options):
        """A job that takes the whole machine; its number."""
        return self.run("sbatch", "--parsable", "--exclusive", "--time=10", *options, "--output=/dev/null",
                        "--wrap=sleep 600").strip()

    def job_state(self, job):
        return self.run("squeue", "-h", "--states=all", "--jobs=" + job, "-o", "%T").strip()
