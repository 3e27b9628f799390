# SPDX-License-Identifier: BSD-3-Clause
"""What Beamcast raises. Each exception has one sentence that says what went wrong, the limit and the
remedy, and the library's number in .code. Each is also the exception of Python's own that means the same,
so that `except ConnectionError` works. After any of them the caller's own data are as they were.
"""
import builtins


class Error(Exception):
    """Something that Beamcast could not do."""

    code: int = 0


class ArgumentError(Error, ValueError):
    """The arguments are wrong; nothing was done."""

    code = 1


class MemoryError(Error, builtins.MemoryError):
    """Memory, locked memory or address space is exhausted."""

    code = 2


class TimeoutError(Error, builtins.TimeoutError):
    """The time limit passed; the call may be made again."""

    code = 3


class ConnectionError(Error, builtins.ConnectionError):
    """There is no server, or it is gone; close the stream, then connect again."""

    code = 4


class RefusedError(Error, PermissionError):
    """The server refused: token, rights, version, size or state."""

    code = 5


class ProtocolError(Error):
    """The server said something that makes no sense."""

    code = 6


class FileError(Error, OSError):
    """A file could not be read or written."""

    code = 7


class UnsupportedError(Error, NotImplementedError):
    """This build, machine or server can't do it."""

    code = 8


_classes = {
    kind.code: kind
    for kind in (ArgumentError, MemoryError, TimeoutError, ConnectionError, RefusedError, ProtocolError,
                 FileError, UnsupportedError)
}


def from_code(code: int, sentence: str) -> Error:
    """The exception for one of the library's numbers."""
    return _classes.get(code, Error)(sentence)
