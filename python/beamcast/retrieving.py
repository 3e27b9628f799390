# SPDX-License-Identifier: BSD-3-Clause
"""The way back: voxels that a server holds, as a NumPy array."""
from typing import Any, Literal, NamedTuple, Optional, Sequence, Tuple, Union, overload

import numpy
from numpy.typing import NDArray

from . import _core
from .arguments import Triple, triple, unsigned
from .stream import Contact


class VolumeInfo(NamedTuple):
    """Where a retrieved array comes from."""

    step: int
    time: float
    start: Triple  #: of the array in the whole volume
    volume: Triple  #: voxels of the whole volume
    spacing: Tuple[float, float, float]
    origin: Tuple[float, float, float]
    name: str  #: of the array
    unit: str  #: of its values; "" if unknown
    length_unit: str  #: of spacing and origin; "" if unknown


@overload
def retrieve(contact: Contact, stream: Optional[str] = ..., array: Optional[str] = ...,
             start: Optional[Sequence[int]] = ..., shape: Optional[Sequence[int]] = ..., *,
             step: Optional[int] = ..., time_limit: float = ..., return_info: Literal[False] = ...) -> NDArray[Any]: ...


@overload
def retrieve(contact: Contact, stream: Optional[str] = ..., array: Optional[str] = ...,
             start: Optional[Sequence[int]] = ..., shape: Optional[Sequence[int]] = ..., *,
             step: Optional[int] = ..., time_limit: float = ..., return_info: Literal[True]) -> Tuple[NDArray[Any], VolumeInfo]: ...


def retrieve(contact: Contact, stream: Optional[str] = "volume", array: Optional[str] = None,
             start: Optional[Sequence[int]] = None, shape: Optional[Sequence[int]] = None, *,
             step: Optional[int] = None, time_limit: float = 30.0,
             return_info: bool = False) -> Union[NDArray[Any], Tuple[NDArray[Any], VolumeInfo]]:
    """Fetches a box of the newest complete step, or of one that is kept, of a stream from a running server.

    contact: as in connect; the right to view is enough.
    stream: its name; None: what the session shows, which may be a file that was opened.
    array: its name; None: the first, or the one that is shown.
    start, shape: the box's first voxel and voxels, z, y, x; None: from the beginning, to the end; without both, of
        what is shown the crop box, where there is one.
    step: the number of a step that the server keeps (start(keep=...), or Keep of Beamcast Stream); None: the newest.
    time_limit: seconds.
    return_info: return (array, VolumeInfo) instead of the array.
    The array is the caller's own: [z, y, x], or [z, y, x, component] where there is more than one.
    """
    first = None if start is None else triple("start", start)
    size = None if shape is None else triple("shape", shape)
    number = None if step is None else unsigned("step", step)
    got = _core.retrieve(contact, stream, array, first, size, time_limit, number)
    voxels = numpy.asarray(got[0])
    return (voxels, VolumeInfo(*got[1:])) if return_info else voxels
