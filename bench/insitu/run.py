#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What coupling costs a producer, and how soon its step is a picture: Beamcast on each wire and in process (Catalyst),
beside nothing at all, a Live connection of ParaView's Catalyst to a stock pvserver, and a .vti file per step that
ParaView reloads. Then the processor time of the producers, with and without streaming, at three ratios of computing to
data.

    . build/env.sh; bench/insitu/run.py [--part ways|cpu] [--quick] [--mib 64] [--ranks 2] [--steps 12] [--sweeps 8]
                                        [--pause 0] [--only WAY:WAY] [--limit 280] [--json FILE]

The server has 2 ranks and shares the machine with the producer; the viewer shows each step it can keep up with as a
slice. With --pause 3 the steps are so far apart that a picture waits for nothing else. Ratios matter on a machine that
does other things, too. At 64 MiB the ways take about 2 minutes, the processor time 7.
"""
import argparse
import glob
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
       "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_MCA_btl": "^tcp",
       "OMPI_MCA_btl_vader_single_copy_mechanism": "none", "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
       "PRTE_MCA_hwloc_default_binding_policy": "none", "OMP_NUM_THREADS": "1", "HWLOC_COMPONENTS": "-gl"}


def memory_of(pid, what):
    try:
        status = open(f"/proc/{pid}/status", encoding="ascii")
    except FileNotFoundError:
        raise RuntimeError("the server ended with its client") from None
    with status:
        return int(re.search(what + r":\s+(\d+)", status.read())[1]) * 1024


def free_port():
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def line_soon(process):
    """The next line that a program says while it starts; empty where it ends, or does not start in a minute."""
    watch = threading.Timer(60, process.kill)
    watch.start()
    try:
        return process.stdout.readline()
    finally:
        watch.cancel()


class Server:
    """A running server of 2 ranks on a screen that nobody sees: ours, or stock ParaView's."""

    def __init__(self, folder, stock=False):
        read, write = os.pipe()
        self.screen = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "640x480x24", "-noreset"],
                                       pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as number:
            self.environment = dict(os.environ, **MPI, DISPLAY=":" + number.readline().strip())
        self.contact = os.path.join(folder, "contact.json")
        self.address = f"127.0.0.1:{free_port()}"
        own = ["beamcast-server", "--json", "--contact", self.contact]
        its = ["pvserver", "--force-offscreen-rendering", "--server-port=" + self.address.split(":")[1]]
        self.process = subprocess.Popen(["mpiexec", "-n", "2", *(its if stock else own)], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env=self.environment)
        line = line_soon(self.process)
        while stock and line and not line.startswith("Accepting"):
            line = line_soon(self.process)
        if not stock:
            self.address = "{host}:{port}".format(**json.loads(line))
        children = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(self.process.pid)], capture_output=True,
                                  text=True, check=True).stdout
        self.pids = [int(line.split()[0]) for line in children.splitlines() if "server" in line]
        self.before = None

    def grown(self):
        return sum(memory_of(pid, "VmHWM") for pid in self.pids) - self.before

    def viewer(self, way, last, *more):
        process = subprocess.Popen(["pvpython", "--force-offscreen-rendering", os.path.join(HERE, "viewer.py"), way,
                                    self.address, str(last), *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True, env=self.environment)
        line = line_soon(process)
        while line.strip() == "" and line:
            line = line_soon(process)
        if line != "ready\n":
            process.kill()
            process.communicate()
            raise RuntimeError("the viewer did not start")
        self.before = sum(memory_of(pid, "VmRSS") for pid in self.pids)
        return process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.process.stdout.close()
        self.screen.terminate()
        self.screen.wait(60)


def produce(way, target, options, **environment):
    command = ["mpiexec", "-n", str(options.ranks), "bench_insitu_producer", way, target, str(options.mib),
               str(options.steps), str(options.sweeps), str(options.pause)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=dict(os.environ, **MPI, **environment))
    try:
        out, said = process.communicate(timeout=options.limit)
    except subprocess.TimeoutExpired:
        process.terminate()  # mpiexec then ends its ranks
        process.communicate()
        raise RuntimeError(f"the {options.steps} steps were not done after {options.limit} s (--limit)") from None
    if process.returncode != 0:
        said = [line for line in said.splitlines() if line.startswith("bench_insitu_producer: ")]
        raise RuntimeError(said[0] if said else f"exit status {process.returncode}")
    return json.loads(out)


def watched(way, options, run, *place, stock=False):
    """A run beside a server whose viewer looks on."""
    with tempfile.TemporaryDirectory() as folder, Server(folder, stock) as server:
        viewer = server.viewer(way, options.steps - 1, *place)
        shown = {}

        def note_pictures():
            for line in iter(viewer.stdout.readline, "done\n"):
                if line == "":
                    return
                if line.startswith("picture"):
                    shown[int(line.split()[1])] = float(line.split()[2])

        notes = threading.Thread(target=note_pictures)
        notes.start()
        try:
            result = run(server)
            # A last step that found no room is no picture: the viewer then waits in vain, and is ended.
            notes.join(3 if result["taken"] < options.steps else 30)
            handed = result["handed"]
            result["to_picture"] = [shown[step] - handed[step] for step in sorted(shown) if step < len(handed)]
            result["server"] = server.grown()
        finally:
            viewer.kill()
            notes.join()
            viewer.communicate()
    return result


def streamed(options, wire):
    return watched("stream", options,
                   lambda server: produce("beamcast", server.contact, options, BEAMCAST_WIRE=wire))


def with_files(options, place):
    with tempfile.TemporaryDirectory(dir=place) as files:
        return watched("files", options, lambda _: produce("vti", files, options), files)


def scripted(options, server, **environment):
    """ParaView's Catalyst in the producer's ranks."""
    with tempfile.TemporaryDirectory() as folder:
        return produce("beamcast", "none", options, BEAMCAST_BACKEND="catalyst", BEAMCAST_OUTPUT=folder,
                       BEAMCAST_CATALYST_SCRIPTS=os.path.join(HERE, "slice_script.py"),
                       DISPLAY=server.environment["DISPLAY"], **environment)


def in_process(options):
    with tempfile.TemporaryDirectory() as folder, Server(folder) as server:  # for its screen
        run = scripted(options, server)
    run["to_picture"] = [0.0] * options.steps  # when end_step returns, the picture is written
    return run


def by_live(options):
    port = str(free_port())
    return watched("live", options, lambda server: scripted(options, server, BENCH_LIVE="localhost:" + port), port,
                   stock=True)


def summary(run, alone):
    """Medians without the first two steps, in which memory is touched for the first time."""
    couple = statistics.median(run["couple"][2:])
    later = run.get("to_picture", [])[1:]  # a client's first picture takes longer
    step = statistics.median(a + b for a, b in list(zip(run["compute"], run["couple"]))[2:])
    return {"compute": statistics.median(run["compute"][2:]), "couple": couple, "step": step, "cpu": run["cpu"],
            "cpu_ratio": run["cpu"] / alone["cpu"], "taken": run["taken"], "beyond": run["beyond"] - alone["beyond"],
            "pictures": len(run.get("to_picture", [])), "server": run.get("server", 0), "wire": run["wire"],
            "to_picture": statistics.median(later) if later else None}


def processor_time(options):
    """Medians of three runs each, without and with a viewer on each wire, one after the other."""
    lines = []
    for sweeps in (options.sweeps // 4, options.sweeps, 4 * options.sweeps):
        how = argparse.Namespace(**{**vars(options), "sweeps": max(sweeps, 1)})
        spent = {"alone": [], "shm": [], "tcp": []}
        for _ in range(3):
            spent["alone"].append(produce("none", "-", how)["cpu"])
            for wire in ("shm", "tcp"):
                with tempfile.TemporaryDirectory() as folder, Server(folder) as server:
                    viewer = server.viewer("stream", how.steps - 1)
                    try:
                        spent[wire].append(produce("beamcast", server.contact, how, BEAMCAST_WIRE=wire)["cpu"])
                    finally:
                        viewer.kill()
                        viewer.communicate()
        alone, shm, tcp = (statistics.median(spent[name]) for name in ("alone", "shm", "tcp"))
        ratio = alone * 1024 / how.steps / how.mib
        lines.append({"seconds_per_gib": ratio, "alone": alone, "shm": shm, "tcp": tcp, "all": spent})
        print(f"computing {ratio:6.2f} s per GiB put: {alone:.2f} s of processor time alone; streaming to a viewer "
              f"over shm {100 * (shm / alone - 1):+.1f} %, over tcp {100 * (tcp / alone - 1):+.1f} %", flush=True)
    return lines


def table(results, options):
    mib = options.mib * 2 ** 20
    print(f"{options.mib} MiB a step, {options.ranks} producers, {options.steps} steps; computing "
          f"{results['no coupling']['compute'] * 1024 / options.mib:.2f} s per GiB; medians")
    print(f"{'way':<22}{'step, s':>9}{'coupling, s':>13}{'CPU time':>10}{'memory':>9}{'server':>9}{'to picture, s':>15}"
          f"{'pictures':>10}")
    for way, r in results.items():
        seen = f"{r['to_picture']:.3f}" if r["to_picture"] is not None else ""
        print(f"{way:<22}{r['step']:>9.3f}{r['couple']:>13.4f}{r['cpu_ratio']:>10.2f}"
              f"{r['beyond'] * options.ranks / mib:>9.2f}{r['server'] / mib:>9.2f}{seen:>15}{r['pictures']:>10}")
    print("CPU time: of the producers, barriers left out, by that without coupling. memory: of the producers beyond "
          "that without coupling, server: grown; in volumes. to picture: from the end of a step, the first picture left out.")


def compare_ways(options, save):
    """Each way once; save() is given all results so far, whenever there is a new one."""
    ways = {"no coupling": lambda: produce("none", "-", options)}
    only = options.only and options.only.split(":") + ["no coupling"]
    wires = ["shm", "tcp"] + (["verbs"] if glob.glob("/sys/class/infiniband/*") else [])
    for wire in wires:
        ways["stream, " + wire] = lambda wire=wire: streamed(options, wire)
    ways["Catalyst in process"] = lambda: in_process(options)
    ways["Catalyst, Live"] = lambda: by_live(options)
    ways[".vti, ParaView reloads"] = lambda: with_files(options, options.files)
    results, alone = {}, None
    for way, run in ways.items():
        if only and way not in only:
            continue
        try:
            result = run()
        except RuntimeError as why:
            print(f"{way}: not measured: {why}")
            continue
        alone = alone or result
        results[way] = summary(result, alone)
        save(results)
        print(f"{way}: {results[way]['couple']:.4f} s a step", file=sys.stderr, flush=True)
    table(results, options)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="16 MiB, 6 steps")
    parser.add_argument("--part", choices=("ways", "cpu"), help="only the ways, or only the processor time")
    for name, value in (("mib", 64), ("ranks", 2), ("steps", 12), ("sweeps", 8)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--pause", type=float, default=0, help="seconds of rest after each step")
    parser.add_argument("--limit", type=float, default=280, help="seconds for the steps of one way")
    parser.add_argument("--only", metavar="WAY[:WAY...]", help="only these ways, and no coupling")
    parser.add_argument("--json")
    parser.add_argument("--files", default="/dev/shm" if os.access("/dev/shm", os.W_OK) else None,
                        help="where the .vti files go (memory, where there is such a place)")
    options = parser.parse_args()
    if options.quick:
        options.mib, options.steps = 16, 6
    for program in ("bench_insitu_producer", "beamcast-server", "Xvfb", "pvpython", "pvserver"):
        if shutil.which(program) is None:
            sys.exit(f"run.py: {program} is not on the PATH; build, and `. build/env.sh`")
    found = {"options": vars(options)}

    def save(part, results):
        found[part] = results
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(found, file, indent=1)

    if options.part != "cpu":
        compare_ways(options, lambda results: save("results", results))
    if options.part != "ways":
        save("ratios", processor_time(options))


main()
