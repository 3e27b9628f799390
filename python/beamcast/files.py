# SPDX-License-Identifier: BSD-3-Clause
"""What volumes a file holds, as the command `beamcast info` says it: its HDF5 library stays out of this process, which may
have one of its own (h5py)."""
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Union

from .errors import FileError, UnsupportedError

_IN_FILE_ORDER = ("size", "spacing", "origin")  #: x, y, z in what the command prints


def _command() -> str:
    """The one that was built or installed with this package, else the one in PATH."""
    for folder in Path(__file__).resolve().parents[1:6]:
        command = folder / "bin" / "beamcast"
        if command.is_file():
            return str(command)
    found = shutil.which("beamcast")
    if found is None:
        raise UnsupportedError("the command `beamcast`, which reads files, is not in PATH: it is no part of the wheel")
    return found


def info(path: Union[str, "os.PathLike[str]"]) -> List[Dict[str, Any]]:
    """The volumes in a file that `beamcast push` and Session.load_file take (.npy, HDF5, NeXus, TIFF stacks, raw), the
    likeliest first: a dict each, with "size", "spacing" and "origin" in the array's order z, y, x; "type", and what else
    the file says. FileError when it holds none."""
    done = subprocess.run([_command(), "info", "--json", "--", os.fspath(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FileError(done.stderr.strip().removeprefix("beamcast: ") or "the file can't be read")
    volumes: List[Dict[str, Any]] = json.loads(done.stdout)["volumes"]
    for volume in volumes:
        for key in _IN_FILE_ORDER:
            if isinstance(volume.get(key), list):
                volume[key] = volume[key][::-1]
    return volumes
