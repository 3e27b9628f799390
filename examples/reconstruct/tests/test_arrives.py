#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A scan that is still being taken: frames from a socket and a file that grows give the volume that the finished file
gives, batch by batch, while somebody watches; and what the viewer asks for is done at the next step."""
import os
import re
import socket
import struct
import subprocess

import harness
from harness import h5py, numpy

RANKS, SLAB, BATCH, PROJECTIONS = 2, 6, 16, 64
# A step is never given up for want of time: the viewer is waited for.
OPTIONS = ["--slab", SLAB, "--batch", BATCH, "--limit", harness.LIMIT]
SIDE, PLANES = 64, 24
SLABS = PLANES // RANKS // SLAB


class Sender:
    """A camera whose frames this test hands out itself; see frames.h."""

    def __init__(self, scan):
        with h5py.File(scan, "r") as file:
            self.frames = file["entry/instrument/detector/data"][()]
            self.key = file["entry/instrument/detector/image_key"][()]
            self.angles = file["entry/sample/rotation_angle"][()]
        self.door = socket.create_server(("127.0.0.1", 0))
        self.door.settimeout(harness.LIMIT)
        self.address = "tcp://127.0.0.1:%d" % self.door.getsockname()[1]
        self.sent = 0

    def accept(self):
        self.peer, _ = self.door.accept()
        rows, columns = self.frames.shape[1:]
        head = (b"BCFRAMES", columns, rows, int((self.key == 0).sum()), 1.0, 1.5, b"mm")
        self.peer.sendall(struct.pack("<8s3Q2d16s", *head))
        self.give(int((self.key != 0).sum()))

    def give(self, frames):
        for i in range(self.sent, self.sent + frames):
            self.peer.sendall(struct.pack("<dQ", self.angles[i], self.key[i]) + self.frames[i].tobytes())
        self.sent += frames

    def close(self):
        self.peer.close()
        self.door.close()


def from_finished_file(scan, work):
    """After 1, 2, ... batches."""
    volumes = []
    for batches in range(1, PROJECTIONS // BATCH + 1):
        harness.run(scan, "--live", "-o", work + "/file.h5", "--passes", batches, *OPTIONS)
        volumes.append(harness.volume_of(work + "/file.h5"))
    return volumes


def grows_with_frames(scan, work, after):
    keep = work + "/steps"
    os.mkdir(keep)
    sender = Sender(scan)
    with harness.Watcher(work + "/contact.json", policy="all", keep=keep) as watcher:
        process = harness.start(sender.address, "-o", work + "/socket.h5", "--show", work + "/contact.json", *OPTIONS,
                                ranks=RANKS)
        sender.accept()
        for batch, volume in enumerate(after):
            sender.give(BATCH)  # nothing more is sent until this is on the screen
            last = (batch + 1) * SLABS - 1
            watcher.wait_step(last)
            found = numpy.fromfile(f"{keep}/{last}.raw", "float32").reshape(volume.shape)
            assert numpy.array_equal(found, volume), batch
        said = harness.finish(process)
    sender.close()
    assert said["missed"] == 0, said
    assert numpy.array_equal(harness.volume_of(work + "/socket.h5"), after[-1])
    print("frames from a socket: the volume grew with each batch")


def from_camera(sample, work, after):
    """The sender that comes with the example, at a rate, watched by somebody slow."""
    camera = subprocess.Popen([harness.program("take_scan"), sample, "tcp://127.0.0.1:0", "--projections",
                               str(PROJECTIONS), "--rate", "200"], stdout=subprocess.PIPE, text=True)
    port = re.match(r"listening on port (\d+)", camera.stdout.readline())[1]
    with harness.Watcher(work + "/contact.json", milliseconds=100):
        harness.run(f"tcp://127.0.0.1:{port}", "-o", work + "/camera.h5", "--show", work + "/contact.json", *OPTIONS,
                    ranks=RANKS)
    said, _ = camera.communicate(timeout=harness.LIMIT)
    assert camera.returncode == 0, said
    assert numpy.array_equal(harness.volume_of(work + "/camera.h5"), after[-1])
    print(said.strip())


def from_growing_file(sample, work, after):
    path = work + "/growing.nxs"
    process = harness.start(path, "--live", "-o", work + "/grown.h5", *OPTIONS, ranks=RANKS)
    harness.take_scan(sample, path, "--projections", PROJECTIONS, "--rate", 100)
    said = harness.finish(process)
    assert said["projections"] == PROJECTIONS, said
    assert numpy.array_equal(harness.volume_of(work + "/grown.h5"), after[-1])
    print("a file that grows: the same volume")


def ends_early(scan, work, after):
    """The camera is gone after the second batch: what came is reconstructed."""
    sender = Sender(scan)
    process = harness.start(sender.address, "-o", work + "/early.h5", *OPTIONS, ranks=RANKS)
    sender.accept()
    sender.give(2 * BATCH)
    sender.close()
    assert harness.finish(process)["projections"] == 2 * BATCH
    assert numpy.array_equal(harness.volume_of(work + "/early.h5"), after[1])


def obeys(scan, work, after):
    keep = work + "/asked"
    os.mkdir(keep)
    sender = Sender(scan)
    x0, x1, y0, y1, z0, z1 = region = (10, 40, 20, 64, 4, 17)
    with harness.Watcher(work + "/contact.json", policy="all", keep=keep) as watcher:
        def batch(last):
            sender.give(BATCH)
            watcher.wait_step(last)
            return numpy.fromfile(f"{keep}/{last}.raw", "float32").reshape(PLANES, *after[0].shape[1:])

        process = harness.start(sender.address, "-o", work + "/asked.h5", "--show", work + "/contact.json", *OPTIONS,
                                ranks=RANKS)
        sender.accept()
        first = batch(SLABS - 1)
        # A request comes with the next step, after which the slabs are begun anew.
        watcher.ask('{"region": [%d, %d, %d, %d, %d, %d]}' % region)
        second = batch(2 * SLABS)
        inside = numpy.zeros(first.shape, bool)
        inside[z0:z1, y0:y1, x0:x1] = True
        slab = numpy.zeros(first.shape, bool)  # what was done of the whole before the request came
        slab[:SLAB] = slab[PLANES // RANKS:PLANES // RANKS + SLAB] = True
        assert numpy.array_equal(second[~inside & ~slab], first[~inside & ~slab])
        assert numpy.allclose(second[inside], after[1][inside], atol=1e-6)
        assert not numpy.allclose(second[inside], first[inside], atol=1e-6)
        watcher.ask('{"region": null, "centre": 44.25}')
        third = batch(3 * SLABS + 1)
        harness.run(scan, "--live", "-o", work + "/centre.h5", "--passes", 3, "--centre", 44.25, *OPTIONS)
        wanted = harness.volume_of(work + "/centre.h5")
        assert numpy.allclose(third, wanted, atol=1e-6) and not numpy.allclose(third, after[2], atol=1e-3)
        watcher.ask('{"nonsense": 1, "centre": "left", "region": [5, 4, 0, 1, 0, 1]}')
        watcher.ask('{"stop": true}')
        sender.give(BATCH)
        harness.finish(process)  # although the fourth batch is not done
    sender.close()
    print("region, centre and stop were obeyed at the next step")


def main():
    harness.need_mpi()
    with harness.folder() as work:
        sample = harness.write_sample(work + "/sample", harness.sample(SIDE, PLANES))
        scan = harness.take_scan(sample, work + "/scan.nxs", "--projections", PROJECTIONS)
        after = from_finished_file(scan, work)
        grows_with_frames(scan, work, after)
        from_camera(sample, work, after)
        from_growing_file(sample, work, after)
        ends_early(scan, work, after)
        obeys(scan, work, after)


main()
