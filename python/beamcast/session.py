# SPDX-License-Identifier: BSD-3-Clause
"""Sessions: a parallel server that runs as the user, here or as a Slurm job."""
import base64
import html
import json
import os
import threading
from types import TracebackType
from typing import Any, Dict, List, Literal, Mapping, NamedTuple, Optional, Sequence, Tuple, Type, Union, overload

import numpy
from numpy.typing import DTypeLike, NDArray

from . import _core
from .arguments import Triple, numbers, triple
from .arrays import as_points, as_voxels
from .errors import ArgumentError, ConnectionError, Error
from .retrieving import VolumeInfo, retrieve

_RIGHTS = {"push": 2, "view": 3}


class SessionInfo(NamedTuple):
    """How a session is. Times are in Unix seconds."""

    id: str
    state: str  #: "starting", "pending", "running", "ended", "crashed"
    reason: str  #: why it is pending, ended or crashed; ""
    contact: str  #: the contact file, for connect; "" until it runs
    paraview: str  #: where ParaView clients connect, "cs://localhost:PORT"; "" until it runs
    connect_id_file: str  #: holds the number that they must know
    log: str
    host: str  #: where it runs, or was started
    slurm_job: str  #: "" if it is none
    ranks: int
    start_time: int  #: since when it runs; while pending when Slurm expects to start it, 0: not known
    created: int
    url: str  #: of its web page; "" if it has none
    login: str  #: for ssh, of the machine that has the session; "" for this one
    estimate: str  #: what the announced volumes need, with the arithmetic; "" if none are
    client: str  #: where a ParaView client listens for it, "csrc://HOST:PORT"; "" if none does
    name: str  #: what it is called; "" if nothing


def start(ranks: int = 0, *, paraview: bool = False, idle: float = 60, slurm: Optional[str] = None,
          shape: Optional[Sequence[int]] = None, dtype: Optional[DTypeLike] = None,
          time_limit: float = 120, script: Union[str, "os.PathLike[str]", None] = None,
          web: bool = False, host: Optional[str] = None, keep: int = 0,
          client: Optional[str] = None, name: Optional[str] = None, slots: int = 0) -> "Session":
    """Starts a server. On this machine it waits until the server runs; for Slurm it returns when the job is
    queued.

    ranks: processes of the server; 0: one, or what shape needs in a Slurm job.
    paraview: for ParaView clients; without it, a headless viewer.
    idle: minutes; unused for so long, the session ends by itself. 0: never.
    slurm: run as a Slurm job with these options for sbatch, such as "--partition=gpu"; "" for none.
    shape, dtype: of the volumes that are going to come, to estimate memory and ranks.
    time_limit: seconds until a session on this machine has to run.
    script: a Python file that the headless viewer runs at each step; several, and Beamcast's own by their
        names, with ":" between them.
    web: with a web page, whose address is in status().url.
    host: on another machine, a login for ssh such as "user@host", there locally or by slurm; its ports come to this
        one. script is a path there.
    keep: steps that the headless viewer keeps beside the newest, for retrieve(step=...).
    client: for ParaView clients that listen: this machine's name for the server, see connect_back; "none": clients
        connect to it. None: the first for Slurm jobs, the second for others.
    name: what to call it; Session(name) finds it, as Session(id) does.
    slots: steps that the headless viewer has memory for beside the kept ones; 0: 3.
    """
    kind = None if dtype is None else numpy.dtype(dtype).name
    size = (0, 0, 0) if shape is None else triple("shape", shape)
    core = _core.start(paraview, ranks, float(idle) if idle else -1.0, slurm, size, kind, time_limit,
                       script, web, host, keep, client, name, slots)
    return Session(core.id)


def sessions() -> List[SessionInfo]:
    """All sessions of this user, the newest first."""
    return [SessionInfo(*info) for info in _core.sessions()]


class Session:
    """A session of this user, by its id or name; start() makes new ones. It outlives the program that started it,
    but for a `with` block: leaving that stops it. Calls of several threads come one after the other."""

    def __init__(self, id: str) -> None:
        self._core = _core.open_session(id)
        self._lock = threading.RLock()
        self.id: str = self._core.id

    def status(self) -> SessionInfo:
        """How it is. ArgumentError when it was stopped."""
        with self._lock:
            return SessionInfo(*self._core.status())

    def stop(self) -> None:
        """Ends it and removes what it left. Stopping one that has ended already is fine."""
        with self._lock:
            self._core.stop()

    def connect_back(self, port: int = 0, *, client: Optional[str] = None, time_limit: float = 60) -> None:
        """Has a session for ParaView clients connect to one that listens, at a port of this machine, of the same
        user, or on another machine, client. 0: the port in status().client. Waits for it, and for the session."""
        with self._lock:
            self._core.connect_back(client, port, time_limit)

    @overload
    def contact(self) -> str: ...

    @overload
    def contact(self, rights: Literal["push", "view"]) -> str: ...

    def contact(self, rights: Optional[str] = None) -> str:
        """The path of its contact file, for connect. With rights, "push" or "view", the text of a lesser contact
        file instead: who has it can only push, or only look. It holds a token: write it to files of mode 0600."""
        if rights is not None and rights not in _RIGHTS:
            raise ArgumentError(f'rights are "push" or "view", not {rights!r}')
        info = self.status()
        if not info.contact:
            raise ConnectionError(f"session {info.id} has no contact: it is {info.state}. {info.reason}".strip())
        return info.contact if rights is None else _core.restrict(info.contact, _RIGHTS[rights])

    def render_volume(self, array: Any, spacing: Sequence[float] = (1.0, 1.0, 1.0),
                      origin: Sequence[float] = (0.0, 0.0, 0.0), name: str = "volume", *,
                      unit: Optional[str] = None, length_unit: Optional[str] = None,
                      time_limit: float = 30) -> bool:
        """Shows a volume: the next step of the session's stream "volume". The array is as in Stream.put; it is the
        caller's again on return. A session that waits in Slurm's queue is waited for, up to time_limit seconds.
        False: the server had no room for it now; call again."""
        voxels = as_voxels(array)
        with self._lock:
            return self._core.render_volume(voxels, voxels.dtype.name, numbers("spacing", spacing, 3),
                                            numbers("origin", origin, 3), name, unit, length_unit, time_limit)

    def render_points(self, xyz: Any, values: Any = None, name: str = "value", *, unit: Optional[str] = None,
                      length_unit: Optional[str] = None, time_limit: float = 30) -> bool:
        """Shows points beside the volume: the next step of the session's stream "points". xyz: an array (n, 3), each
        point's x, y and z, in this order as in ParaView; values: n numbers that colour them. The rest is as in
        render_volume."""
        places, colours = as_points(xyz, values)
        with self._lock:
            return self._core.render_points(places, places.dtype.name, colours,
                                            None if colours is None else colours.dtype.name, name, unit, length_unit,
                                            time_limit)

    @overload
    def retrieve(self, roi: Optional[Sequence[slice]] = ..., array: Optional[str] = ..., *,
                 step: Optional[int] = ..., time_limit: float = ...,
                 return_info: Literal[False] = ...) -> NDArray[Any]: ...

    @overload
    def retrieve(self, roi: Optional[Sequence[slice]] = ..., array: Optional[str] = ..., *,
                 step: Optional[int] = ..., time_limit: float = ...,
                 return_info: Literal[True]) -> Tuple[NDArray[Any], VolumeInfo]: ...

    def retrieve(self, roi: Optional[Sequence[slice]] = None, array: Optional[str] = None, *,
                 step: Optional[int] = None, time_limit: float = 30, return_info: bool = False) -> Union[NDArray[Any], Tuple[NDArray[Any], VolumeInfo]]:
        """What the session shows, the newest step or the file that was opened: within the crop box, where there is
        one, or a box of it: roi is three slices, such as numpy.s_[10:20, :, -5:]. step: another one than the newest,
        where the session keeps it. The rest is as in beamcast.retrieve."""
        contact = self.contact()
        first = shape = None
        if roi is not None:
            _, info = retrieve(contact, None, array, shape=(1, 1, 1), step=step, time_limit=time_limit,
                               return_info=True)
            first, shape = _box(roi, info.volume)
        got = retrieve(contact, None, array, start=first, shape=shape, step=step, time_limit=time_limit,
                       return_info=True)
        return got if return_info else got[0]

    def screenshot(self, size: Optional[Sequence[int]] = None, *, camera: Optional[Sequence[float]] = None,
                   preset: Optional[str] = None, window: Optional[Sequence[float]] = None,
                   kernel: Optional[str] = None, slice: Optional[Tuple[str, int]] = None,
                   parameters: Optional[Mapping[str, float]] = None, time_limit: float = 120) -> NDArray[numpy.uint8]:
        """A picture of what the session shows: (height, width, 4), red first. The options count for this picture
        alone. Needs the headless viewer.

        size: (width, height) in pixels.
        camera: (azimuth, elevation, zoom): degrees round and above, (0, 0) from the front (from -y, z up), zoom 1
            shows all of it.
        preset: bone, grey, rock, soft matter, or one of ParaView's.
        window: the values at the colours' ends.
        kernel: plain, local, scatter, occlusion, local+occlusion, scatter+occlusion, or a kernel file.
        slice: ("z", 40): the plane of voxels number 40 along z instead of the volume.
        parameters: of a kernel file, by name.
        """
        answer, data = self._picture("rgba", time_limit, size=size, camera=camera, preset=preset, window=window,
                                     kernel=kernel, slice=slice, parameters=None if parameters is None else dict(parameters))
        return numpy.frombuffer(bytearray(data), numpy.uint8).reshape(answer["height"], answer["width"], 4)

    def set(self, *, kernel: Optional[str] = None, parameters: Optional[Mapping[str, float]] = None,
            preset: Optional[str] = None, window: Optional[Sequence[float]] = None,
            camera: Optional[Sequence[float]] = None, array: Optional[str] = None, stream: Optional[str] = None,
            time_limit: float = 120) -> Dict[str, Any]:
        """Changes how the session shows what it shows, for all pictures to come; arguments as in screenshot, and
        array, stream: which one is shown; window=(): found by itself. Returns the look: kernel, its parameters with their
        ranges and values, preset, window. Without arguments it changes nothing. Needs the headless viewer."""
        given = {"kernel": kernel, "parameters": None if parameters is None else dict(parameters), "preset": preset,
                 "window": None if window is None else list(window),
                 "camera": None if camera is None else list(camera), "array": array, "stream": stream}
        changes = any(value is not None for value in given.values())
        answer, _ = self.call("set" if changes else "state", time_limit=time_limit, **given)
        return dict(answer["look"])

    def load_file(self, path: Union[str, "os.PathLike[str]"], dataset: str = "", *,
                  stride: Sequence[int] = (0, 0, 0), time_limit: float = 600) -> Dict[str, Any]:
        """Has the server read a volume of a file that it can reach, all its ranks at once, and shows it: HDF5,
        NeXus, TIFF stacks, raw. stride: every how many voxels along z, y, x; 0: as many as fit memory. Returns what
        is shown: size (x, y, z), type, notice and the like."""
        steps = triple("stride", stride)
        answer, _ = self.call("open", time_limit=time_limit, path=os.path.abspath(path), dataset=dataset,
                              stride=list(steps[::-1]))
        return dict(answer["shown"])

    def call(self, verb: str, *, time_limit: float = 120, **arguments: Any) -> Tuple[Dict[str, Any], bytes]:
        """Any call of the headless viewer, such as call("state") or call("set", preset="rock"): see
        viewer/README.md. The answer, and bytes that came with it."""
        given = {name: value for name, value in arguments.items() if value is not None}
        text, data = _core.call_viewer(self.contact(), json.dumps(dict(given, verb=verb)), time_limit)
        return json.loads(text), data

    def _picture(self, kind: str, time_limit: float, **options: Any) -> Tuple[Dict[str, Any], bytes]:
        given = {name: list(value) if isinstance(value, (tuple, numpy.ndarray)) else value
                 for name, value in options.items()}
        return self.call("screenshot", time_limit=time_limit, format=kind, **given)

    def _repr_mimebundle_(self, **_: Any) -> Dict[str, str]:
        """In Jupyter a session shows itself: a picture, where there is one, and below it the state."""
        bundle = {"text/plain": repr(self)}
        try:
            png = base64.b64encode(self._picture("png", 60, size=(400, 300))[1]).decode()
        except Error:
            return bundle
        bundle["text/html"] = (f'<figure><img alt="what the session shows" src="data:image/png;base64,{png}">'
                               f'<figcaption>{html.escape(bundle["text/plain"])}</figcaption></figure>')
        return bundle

    def __repr__(self) -> str:
        try:
            info = self.status()
        except Exception as error:
            return f"<beamcast.Session {self.id}: {error}>"
        where = info.url or info.paraview or info.reason
        return f"<beamcast.Session {info.id}, {info.state}, {info.ranks} ranks{', ' + where if where else ''}>"

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.stop()


def _box(roi: Sequence[slice], volume: Triple) -> Tuple[Triple, Triple]:
    """Start and shape of a box that is given as three slices."""
    if not isinstance(roi, tuple) or len(roi) != 3 or not all(isinstance(one, slice) for one in roi):
        raise ArgumentError("roi is three slices, such as numpy.s_[10:20, :, -5:]")
    bounds = [one.indices(size) for one, size in zip(roi, volume)]
    if any(step != 1 for _, _, step in bounds):
        raise ArgumentError("roi takes every voxel: its slices have no step")
    if any(start >= stop for start, stop, _ in bounds):
        raise ArgumentError(f"roi {roi} is empty in a volume of {volume} voxels")
    return (triple("roi", [start for start, _, _ in bounds]),
            triple("roi", [stop - start for start, stop, _ in bounds]))
