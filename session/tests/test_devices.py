# SPDX-License-Identifier: BSD-3-Clause
"""Each rank computes and draws on one device, known by its UUID, whatever the order in which CUDA and EGL count.
With libraries in the place of theirs, see fake_devices.c; real devices are not needed."""
import json
import os
import socket
import subprocess
import tempfile

BUILD = os.environ["BEAMCAST_BUILD"]
FAKES = os.environ["BEAMCAST_FAKES"]


def uuid(letter):
    text = "%02x" % ord(letter) * 16
    return "GPU-" + "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def environment_of_rank(rank, **more):
    """What the program of a rank on this machine is given."""
    with tempfile.TemporaryDirectory() as folder:
        session = os.path.join(folder, "abcdefgh")
        os.mkdir(session)
        with open(os.path.join(session, "record.json"), "w") as stream:
            json.dump({"state": "running", "keeper": {"host": socket.gethostname()}}, stream)
        given = {"OMPI_COMM_WORLD_LOCAL_RANK": str(rank), "LD_LIBRARY_PATH": FAKES, "PATH": os.environ["PATH"], **more}
        done = subprocess.run([os.path.join(BUILD, "bin", "beamcast-keeper"), "--rank", session, "/usr/bin/env"],
                              env=given, capture_output=True, text=True, check=True)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert found["BEAMCAST_SESSION"] == "abcdefgh", found
    return found.get("CUDA_VISIBLE_DEVICES"), found.get("VTK_DEFAULT_EGL_DEVICE_INDEX")


def main():
    for old in ({}, {"FAKE_OLD_EGL": "1"}):
        # EGL has a, software, b; CUDA b, a
        assert environment_of_rank(0, FAKE_CUDA="ba", **old) == (uuid("b"), "2")
        assert environment_of_rank(1, FAKE_CUDA="ba", **old) == (uuid("a"), "0")
        assert environment_of_rank(2, FAKE_CUDA="ba", **old) == (uuid("b"), "2")
        # one device, as a batch system gives it: nothing to choose, but to find for EGL
        assert environment_of_rank(1, FAKE_CUDA="b", CUDA_VISIBLE_DEVICES="1", **old) == ("1", "2")
    # what EGL does not have, what the user has said, what is not there at all
    assert environment_of_rank(0, FAKE_CUDA="cb") == (uuid("c"), None)
    assert environment_of_rank(0, FAKE_CUDA="ba", VTK_DEFAULT_EGL_DEVICE_INDEX="1") == (uuid("b"), "1")
    assert environment_of_rank(0) == (None, None)
    assert environment_of_rank(0, LD_LIBRARY_PATH="", FAKE_CUDA="ba") == (None, None) or os.path.exists("/dev/nvidiactl")


if __name__ == "__main__":
    main()
