# SPDX-License-Identifier: BSD-3-Clause
"""Beamcast: a program that has a volume in memory shows it in a running, parallel ParaView server.

    import beamcast

    with beamcast.connect("contact.json") as stream:
        for step, volume in enumerate(reconstruction):        # any NumPy array [z, y, x]
            if stream.begin_step(step):                       # False: the viewer is busy, go on
                stream.put(volume, spacing=(1.5, 0.96, 0.96), length_unit="mm")
                stream.end_step()

Every triple is in the array's own order, z, y, x, as in NumPy, Zarr and napari; in ParaView, in C and on
the command line it is x, y, z. Failures are exceptions (see beamcast.Error). Contiguous arrays are not
copied on this side: what was given to put must stay as it is until end_step returns.
"""
from . import _core, errors
from .errors import Error
from .files import info
from .retrieving import VolumeInfo, retrieve
from .stream import Stream, StreamInfo, connect

__version__: str = _core.version()
__all__ = ["Error", "Stream", "StreamInfo", "VolumeInfo", "connect", "errors", "info", "retrieve"]

if hasattr(_core, "start"):  # not where libbeamcast_session could not be built
    from .session import Session, SessionInfo, sessions, start

    __all__ += ["Session", "SessionInfo", "sessions", "start"]
