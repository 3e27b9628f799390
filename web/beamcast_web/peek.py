# SPDX-License-Identifier: BSD-3-Clause
"""What a browser has said that waits in its socket, read without taking it: while the loop stands still."""
import json
import os
import socket
import struct

MOST = 1 << 16  # bytes that are looked at
TEXT, LENGTH, SHORT, LONG = 1, 0x7F, 126, 127  # of a WebSocket frame, RFC 6455, 5.2


def waiting(transport):
    """The JSON objects that wait, up to the first frame that is not all there, or is none."""
    connection = transport.get_extra_info("socket") if transport is not None else None
    if connection is None or connection.fileno() < 0:
        return []
    with socket.socket(fileno=os.dup(connection.fileno())) as same:
        try:
            data = same.recv(MOST, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:
            return []
    return list(_objects(data))


def _objects(data):
    at = 0
    while at + 6 <= len(data):  # kind, length, mask
        kind, size = data[at] & 0x0F, data[at + 1] & LENGTH
        at += 2
        if size in (SHORT, LONG):
            form = "!H" if size == SHORT else "!Q"
            if at + struct.calcsize(form) > len(data):
                return
            size = struct.unpack_from(form, data, at)[0]
            at += struct.calcsize(form)
        mask, body = data[at:at + 4], data[at + 4:at + 4 + size]
        at += 4 + size
        if at > len(data):
            return
        if kind == TEXT:
            try:
                said = json.loads(bytes(byte ^ mask[i % 4] for i, byte in enumerate(body)))
            except ValueError:
                return
            if isinstance(said, dict):
                yield said
