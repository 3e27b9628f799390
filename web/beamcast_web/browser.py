# SPDX-License-Identifier: BSD-3-Clause
"""One browser at the socket. What it sends are JSON objects with "do"; what it gets are JSON objects,
or a picture or array with a JSON object before it: its length in four bytes, little endian, the
object, the bytes."""
import asyncio
import json
import struct
import time

from aiohttp import WSMsgType

from . import peek, way

ENTER = 20  # seconds until a browser has shown its key
WAITING = 64  # messages that a browser has not taken, before it counts as gone


class Browser:
    def __init__(self, link, request, server):
        self.link = link
        self.request = request
        self.server = server
        self.rights = None
        self.seen = 0  # number of the last picture that was sent
        self.visible = True
        self._way = way.Way()  # of pictures
        self._queue = asyncio.Queue()

    # --- pictures ------------------------------------------------------------------------------

    def ready(self):
        return self.visible and self._way.free()

    def show(self, header, data):
        self.seen = header["number"]
        self._way.leaves(time.monotonic())
        self.send(header, data)

    # --- messages ------------------------------------------------------------------------------

    def send(self, message, data=None):
        """Sends it soon; never waits."""
        if self._queue.qsize() < WAITING:
            self._queue.put_nowait((message, data))

    def send_now(self, message):
        """Sends it while the loop stands still, past what waits: straight to the connection, as one WebSocket frame."""
        data = json.dumps(message, allow_nan=False).encode()
        head = struct.pack("!BB", 0x81, len(data)) if len(data) < 126 else struct.pack("!BBH", 0x81, 126, len(data))
        if not self.link.closed and self.request.transport is not None:
            self.request.transport.write(head + data)

    def says_now(self, what):
        """Whether it has said this while the loop stood still; it is taken later all the same."""
        return any(said.get("do") == what for said in peek.waiting(self.request.transport))

    async def end(self, why):
        self.send({"kind": "end", "why": why})
        self._queue.put_nowait((None, None))

    async def _write(self):
        while True:
            message, data = await self._queue.get()
            if message is None:
                await self.link.close()
                return
            text = json.dumps(message, allow_nan=False)
            if data is None:
                await self.link.send_str(text)
            else:
                head = text.encode()
                await self.link.send_bytes(struct.pack("<I", len(head)) + head + data)

    async def serve(self):
        """Until it leaves."""
        writer = asyncio.ensure_future(self._write())
        try:
            first = await asyncio.wait_for(self.link.receive(), ENTER)
            if first.type != WSMsgType.TEXT:
                return
            self.rights = self.server.access.rights(self.request, json.loads(first.data).get("key"))
            if self.rights is None:
                await self.link.send_str(json.dumps({"kind": "refused"}))
                return
            self.server.browsers.add(self)
            self.server.commands.came(self)
            async for message in self.link:
                if message.type == WSMsgType.TEXT:
                    self._take(json.loads(message.data))
        except (asyncio.TimeoutError, ConnectionError, ValueError, AttributeError):
            pass  # one that does not keep to this is let go
        finally:
            self.server.browsers.discard(self)
            self.server.commands.left(self)
            writer.cancel()
            await self.link.close()

    def _take(self, message):
        what = message.get("do")
        if what == "shown":
            self._way.arrived(time.monotonic())
            self.server.drawing.wake()
        elif what == "visible":
            self.visible = bool(message.get("value"))
            self.server.drawing.wake()
        else:
            self.server.commands.take(self, message)
