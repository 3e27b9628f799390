# SPDX-License-Identifier: BSD-3-Clause
"""The producer's side: steps of a volume go to a running server."""
import json
import os
import threading
from types import TracebackType
from typing import Any, Dict, NamedTuple, Optional, Sequence, Type, Union

from . import _core
from .arguments import matrix, numbers, triple, unsigned
from .arrays import as_voxels
from .errors import ArgumentError

Contact = Union[str, "os.PathLike[str]"]


class StreamInfo(NamedTuple):
    """What a stream has done so far."""

    steps_sent: int  #: ended, and accepted by the server
    steps_dropped: int  #: not accepted, or given up by the server
    bytes_sent: int  #: bytes of voxels handed to the wire
    server_ranks: int
    wire: str  #: "verbs", "shm", "tcp", "tcp (relayed)"; the slowest in use; "none" before the first put


def connect(contact: Optional[Contact], name: str = "volume", rank: int = 0, ranks: int = 1, *, run_id: int = 0,
            time_limit: float = 30.0, token: Optional[str] = None, wire: Optional[str] = None,
            connections: int = 0, overlap: bool = False, backend: Optional[str] = None,
            scripts: Union[str, Sequence[Contact], None] = None, mpi_comm: int = 0) -> "Stream":
    """Connects to a server, and waits for one that is not there yet.

    contact: the server's contact file, or "beamcast://host:port" with the token in $BEAMCAST_TOKEN. Not
        looked at by the back ends catalyst and none: None will do.
    name: the stream's; the server shows each stream by its name.
    rank, ranks: this producer's number among those that make one step together.
    run_id: the same on all producers of a run, another for the next run. 0: drawn at random for one
        producer; for several taken from the launcher's environment (Slurm, PMIx, Open MPI).
    time_limit: seconds, for this and every other call of the stream. No call takes much longer,
        whatever the server does.
    token: the token's text; None: the contact file's, else $BEAMCAST_TOKEN.
    wire: "verbs", "shm" or "tcp"; None: $BEAMCAST_WIRE, else the best that works.
    connections: tcp connections to each server rank; 0: chosen.
    overlap: end_step returns as soon as the arrays are the caller's again, and what went wrong after
        that is raised by the next call.
    backend: "stream" to the server, "catalyst" to ParaView's scripts in this process, "both", "none"; None:
        $BEAMCAST_BACKEND, else "stream".
    scripts: for catalyst: paths, or names of Beamcast's own, in a list or with ":" between them; None:
        $BEAMCAST_CATALYST_SCRIPTS.
    mpi_comm: for catalyst: comm.py2f() of mpi4py's communicator of the producers; 0: MPI_COMM_WORLD.
    """
    listed = scripts if scripts is None or isinstance(scripts, str) else ":".join(map(os.fspath, scripts))
    return Stream(_core.connect("" if contact is None else contact, name, rank, ranks, unsigned("run_id", run_id),
                                time_limit, token, wire, connections, overlap, backend, listed, mpi_comm))


class Stream:
    """A producer's connection to one stream of a server; connect() makes it. A context manager: leaving
    the block closes it. Other threads run while a call waits; calls of several threads on one stream
    come one after the other."""

    def __init__(self, core: "_core.Stream") -> None:
        self._core = core
        self._lock = threading.RLock()

    # --- a step ---------------------------------------------------------------------------------

    def begin_step(self, step: int, time: Optional[float] = None) -> bool:
        """Begins a step. step grows with each step; time is the physical time it stands for (None: step).

        False: the server has no room for it now, because its viewer is slow. That is no error: go on
        with the next step; put and end_step of this one do nothing and return False too. why_dropped
        says the reason. A step that was not ended is given up.
        """
        with self._lock:
            return self._core.begin_step(unsigned("step", step), float(step if time is None else time))

    def put(self, array: Any, start: Sequence[int] = (0, 0, 0), shape: Optional[Sequence[int]] = None,
            spacing: Sequence[float] = (1.0, 1.0, 1.0), origin: Sequence[float] = (0.0, 0.0, 0.0),
            name: str = "volume", *, direction: Optional[Sequence[Sequence[float]]] = None,
            unit: Optional[str] = None, length_unit: Optional[str] = None, fill: float = 0.0,
            copy: bool = False) -> bool:
        """Sends a brick of the step's volume; any number of bricks, which may overlap where they agree.

        array: [z, y, x], or [z, y, x, component] with 1 to 4 components: NumPy, or anything with the
            buffer protocol or DLPack; of type uint8, int8, uint16, int16, uint32, int32, float16,
            float32 or float64; bool is sent as uint8. Any stride order is read as it is, without a copy
            on this side; only components that don't lie side by side are copied first. The array is
            kept alive, and must not be changed, until end_step returns.
        start: where the brick's first voxel lies in the whole volume.
        shape: voxels of the whole volume; None: the array is all of it.
        spacing, origin: distance of voxels and position of voxel (0, 0, 0), in length_unit.
        name: the array's, when a step has more than one; all have the same grid.
        direction: 3 x 3, row i and column j for the array's axes i and j; None: identity.
        unit, length_unit: of the values ("1/cm"), and of spacing and origin ("m", "mm", "um").
        fill: the value of voxels that no brick covers.
        copy: the array is the caller's again when put returns.

        False: the step was dropped, see begin_step.
        """
        voxels = as_voxels(array)
        first = triple("start", start)
        if shape is not None:
            whole = triple("shape", shape)
        elif any(first):
            raise ArgumentError("a brick that starts at another place than (0, 0, 0) needs shape=, the whole volume's")
        else:
            whole = triple("shape", voxels.shape[:3])
        with self._lock:
            return self._core.put(voxels, voxels.dtype.name, first, whole, numbers("spacing", spacing, 3),
                                  numbers("origin", origin, 3), matrix(direction), float(fill), name, unit,
                                  length_unit, copy)

    def register(self, array: Any) -> None:
        """Says that a contiguous array stays where it is, so that RDMA registers it once and not for each
        step; worth it for an array that is put again and again. It counts against the limit of locked
        memory (ulimit -l). Over shm and tcp nothing changes. The array is kept alive until unregister or
        close. Parts of it profit, too."""
        with self._lock:
            self._core.register(array)

    def unregister(self, array: Any) -> None:
        """Takes back what was registered; what was put of it has left then."""
        with self._lock:
            self._core.unregister(array)

    def annotate(self, key: str, value: Any) -> None:
        """Adds an entry to the step's header, shown in ParaView as field data. value: a number, a text, a
        list or a NumPy array of them. The header of a step holds 128 KiB."""
        text = json.dumps(value, default=_plain, allow_nan=False)
        with self._lock:
            self._core.annotate(key, text)

    def end_step(self) -> bool:
        """Ends the step: its bytes are in the server's memory, and the arrays are the caller's again. It is
        shown once all producers have ended it. False: the step was dropped, see begin_step.
        With catalyst it runs the scripts; an error in one is a RuntimeWarning, once, on one rank."""
        with self._lock:
            return self._core.end_step()

    def wait(self) -> bool:
        """Waits until the step ended last is complete: who retrieves or looks from then on finds it, or a
        newer one. Not needed between steps. False: it was given up after all, see why_dropped."""
        with self._lock:
            return self._core.wait()

    def request(self) -> Optional[Dict[str, Any]]:
        """The next request of the viewer that came with this step, such as {"stop": True}; None: no more.
        All producers have it at the same step."""
        with self._lock:
            text = self._core.request()
        return None if text is None else json.loads(text)

    # --- state ----------------------------------------------------------------------------------

    @property
    def why_dropped(self) -> str:
        """Why the last step that was dropped was dropped; "" if none was."""
        return self._core.why_dropped

    @property
    def closed(self) -> bool:
        return self._core.closed

    def describe(self) -> StreamInfo:
        with self._lock:
            return StreamInfo(*self._core.describe())

    def __repr__(self) -> str:
        return f"<beamcast.Stream, {'closed' if self.closed else 'open'}>"

    def close(self) -> None:
        """Leaves the stream; an unfinished step is dropped. A second time does nothing."""
        with self._lock:
            self._core.close()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} can't be written as JSON")
