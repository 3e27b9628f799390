# SPDX-License-Identifier: BSD-3-Clause
"""The folders that a session may open files of: what is in them, and what is in the files.

The session runs as its user, so it can read what the user can; a page is shown no more than what lies
below these folders, however links and ".." lead out of them.
"""
import asyncio
import fnmatch
import json
import os
import shutil
import stat
import time

from beamcast_viewer import errors

from . import access

ENDINGS = (".h5", ".hdf5", ".hdf", ".nxs", ".nx", ".nexus", ".tif", ".tiff", ".raw", ".vol", ".mhd", ".npy", ".nxtomo", ".cxi")
MOST = 2000  # entries of one answer
LOOKED = 50000  # files that a search looks at
WORK = 0.02  # seconds of searching, before others get their turn
LIMIT = 60  # seconds for looking into one file


class Files:
    def __init__(self, viewer, commands):
        self.viewer = viewer
        given = os.environ.get("BEAMCAST_FILES", "").split(":") if os.environ.get("BEAMCAST_FILES") else [os.getcwd()]
        self.roots = [os.path.realpath(folder) for folder in given if folder]
        commands.add("folders", self._folders, full=True)
        commands.add("folder", self._folder, full=True)
        commands.add("open", self._open, steers=True)
        commands.add("stream", lambda _: viewer.show_stream(), steers=True)
        commands.add("open_labels", self._open_labels, steers=True)
        commands.add_slow("search", self._search)
        commands.add_slow("volumes", self._volumes)

    def inside(self, root, path):
        """The real path of what lies below the folder number `root`; whatever leads out of it is refused."""
        if type(root) is not int or not 0 <= root < len(self.roots) or not isinstance(path, str) or "\0" in path:
            raise errors.Refused(errors.ARGUMENT, "there is no such folder")
        folder = self.roots[root]
        found = os.path.realpath(os.path.join(folder, path.lstrip("/")))
        if found != folder and not found.startswith(folder.rstrip("/") + "/"):
            raise errors.Refused(errors.REFUSED, "this is outside the folders that the session was started with")
        return found

    def _folders(self, _):
        return {"folders": self.roots}

    def _folder(self, _, root, path=""):
        """What lies in a folder: folders and files that may hold volumes, by name."""
        folder = self.inside(root, path)
        try:
            names = sorted(os.listdir(folder))
        except OSError as wrong:
            raise errors.Refused(errors.IO, "%s can't be read: %s" % (path or folder, wrong.strerror)) from None
        entries = [entry for name in names if not name.startswith(".")
                   for entry in [self._entry(root, os.path.join(path, name))] if entry]
        return {"entries": entries[:MOST], "more": len(entries) > MOST}

    def _entry(self, root, path):
        """None for what is of no use, cannot be seen, or leads out of the folder."""
        try:
            real = self.inside(root, path)
            about = os.stat(real)
        except (errors.Refused, OSError):
            return None
        folder = stat.S_ISDIR(about.st_mode)
        if not folder and not (stat.S_ISREG(about.st_mode) and real.lower().endswith(ENDINGS)):
            return None
        return {"path": path, "folder": folder, "size": about.st_size, "changed": about.st_mtime}

    async def _search(self, browser, root, name="", since=0.0, until=float("inf")):
        """Files below a folder whose name has this in it (or fits it, with * and ?), changed between these times; the
        newest first. The session goes on meanwhile."""
        self._need_full(browser)
        top, wanted = self.inside(root, ""), name.lower()
        pattern = wanted if any(sign in wanted for sign in "*?[") else "*%s*" % wanted
        found, looked, begun = [], 0, time.monotonic()
        for folder, folders, names in os.walk(top):
            folders[:] = sorted(one for one in folders if not one.startswith("."))
            looked += len(names) + 1
            for one in names:
                if fnmatch.fnmatchcase(one.lower(), pattern) and one.lower().endswith(ENDINGS):
                    entry = self._entry(root, os.path.relpath(os.path.join(folder, one), top))
                    if entry and not entry["folder"] and float(since) <= entry["changed"] < float(until):
                        found.append(entry)
            if looked > LOOKED:
                break
            if time.monotonic() - begun > WORK:
                await asyncio.sleep(0.001)
                begun = time.monotonic()
        found.sort(key=lambda entry: -entry["changed"])
        return {"entries": found[:MOST], "more": len(found) > MOST or looked > LOOKED}

    async def _volumes(self, browser, root, path):
        """The volumes of a file: `beamcast info` looks into it, a process of its own."""
        self._need_full(browser)
        real = self.inside(root, path)
        command = shutil.which("beamcast") or os.path.join(os.path.dirname(os.readlink("/proc/self/exe")), "beamcast")
        process = await asyncio.create_subprocess_exec(
            command, "info", real, "--json", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE)
        try:
            out, wrong = await asyncio.wait_for(process.communicate(), LIMIT)
        except asyncio.TimeoutError:
            process.kill()
            raise errors.Refused(errors.TIMEOUT, "looking into this file takes too long") from None
        if process.returncode != 0:
            raise errors.Refused(errors.IO, wrong.decode(errors="replace").strip().removeprefix("beamcast: ")[:500] or "this file can't be read")
        return {"volumes": json.loads(out)["volumes"], "available": _available()}

    @staticmethod
    def _need_full(browser):
        if browser.rights != access.FULL:
            raise errors.Refused(errors.REFUSED, "this link is for viewing only")

    def _open(self, _, root, path, dataset="", stride=0):
        """stride: every how many voxels along each axis; 0: as memory allows."""
        every = int(stride)
        if not 0 <= every <= 64:
            raise errors.Refused(errors.ARGUMENT, "a stride goes from 1 to 64, 0 for what memory allows")
        return {"shown": self.viewer.open_file(self.inside(root, path), str(dataset), (every,) * 3)}

    def _open_labels(self, _, root, path, dataset):
        self.viewer.labels.open(self.inside(root, path), str(dataset))


def _available():
    """Bytes of memory that this node has left for a volume, or None."""
    try:
        with open("/proc/meminfo") as stream:
            found = {line.split(":")[0]: line.split()[1] for line in stream}
        return 1024 * int(found["MemAvailable"])
    except (OSError, KeyError, ValueError):
        return None
