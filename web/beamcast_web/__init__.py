# SPDX-License-Identifier: BSD-3-Clause
"""The page of a headless session: a front end of beamcast-viewer, see viewer/README.md."""


async def start(viewer, loop):
    try:
        import aiohttp  # noqa: F401
    except ImportError:
        raise RuntimeError("a web page needs aiohttp for %s: install python3-aiohttp, or start without --web"
                           % _python()) from None
    from . import server
    return await server.start(viewer, loop)


def _python():
    import sys
    return "Python %d.%d" % sys.version_info[:2]
