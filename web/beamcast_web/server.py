# SPDX-License-Identifier: BSD-3-Clause
"""The HTTP side: the page's files, the door, the socket. On the loopback interface, unless told otherwise.

The files hold nothing secret and are given to everybody; all else goes over the socket, which is for
browsers that have used a link. Nothing is logged: a log would have addresses in it.
"""
import asyncio
import os
import socket

from aiohttp import web

from . import access, browser, commands, drawing

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page")
KINDS = {".html": "text/html", ".css": "text/css", ".svg": "image/svg+xml", ".js": "text/javascript"}
FILES = {name: KINDS[os.path.splitext(name)[1]] for name in os.listdir(PAGE)}
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
          "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'")
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff",
           "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
           "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"}
MESSAGE = 1 << 20  # bytes that a page may send at once
BEAT = 20  # seconds between looks whether a browser is still there


class Server:
    def __init__(self, viewer, loop):
        self.loop = loop
        self.access = access.Access()
        self.browsers = set()
        self.drawing = drawing.Drawing(viewer, self.browsers)
        self.commands = commands.Commands(viewer, loop, self)
        self.host, self.port = "", 0
        self._tasks = []

    async def start(self):
        app = web.Application(client_max_size=4096)
        app.router.add_get("/socket", self._socket)
        app.router.add_post("/enter", self._enter)
        app.router.add_get("/{name:[a-z.]*}", self._file)
        app.on_response_prepare.append(self._add_headers)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind(self._address())
        self.port = listener.getsockname()[1]
        await web.SockSite(runner, listener).start()
        self._tasks = [asyncio.ensure_future(task) for task in (self.drawing.run(), self.commands.run(), self.commands.job.run())]
        self.loop.at_end(self._end)
        self.loop.calls.add("link", lambda arguments, _: {"url": self.url(access.FULL)})

    def url(self, rights):
        return "http://%s:%d/#%s" % (self.host, self.port, self.access.link(rights))

    def _address(self):
        """BEAMCAST_WEB_LISTEN, HOST or HOST:PORT, for a proxy on another machine; else the loopback interface."""
        host, _, port = os.environ.get("BEAMCAST_WEB_LISTEN", "").partition(":")
        if port and not (port.isdigit() and int(port) < 65536):
            raise RuntimeError("BEAMCAST_WEB_LISTEN is HOST or HOST:PORT, not %s" % os.environ["BEAMCAST_WEB_LISTEN"])
        self.host = (socket.gethostname() if host == "0.0.0.0" else host) or "127.0.0.1"
        return host or "127.0.0.1", int(port or 0)

    async def _end(self):
        for task in self._tasks:
            task.cancel()
        for one in list(self.browsers):
            await one.end("the session was stopped")

    async def _add_headers(self, request, response):
        response.headers.update(HEADERS)

    async def _file(self, request):
        name = request.match_info["name"] or "index.html"
        if name not in FILES:
            raise web.HTTPNotFound()
        return web.FileResponse(os.path.join(PAGE, name), headers={"Content-Type": FILES[name] + "; charset=utf-8"})

    async def _enter(self, request):
        """{"token"} is a link's: it is used up. Without one: whether the cookie and {"key"} are good."""
        if not access.is_own_page(request):
            raise web.HTTPForbidden(text="this request comes from another site")
        try:
            wish = await request.json()
            token, key = str(wish.get("token", "")), wish.get("key")
        except (ValueError, AttributeError):
            raise web.HTTPBadRequest() from None
        if not token:
            return web.json_response({"rights": self.access.rights(request, key)})
        entered = self.access.enter(token)
        if entered is None:
            raise web.HTTPForbidden(text="this link was used already, or is none of this session")
        value, key, rights = entered
        response = web.json_response({"rights": rights, "key": key})
        # without a path the cookie is for this folder, whatever a proxy calls it
        response.headers["Set-Cookie"] = "%s=%s; HttpOnly; SameSite=Strict" % (self.access.cookie, value)
        return response

    async def _socket(self, request):
        if not access.is_own_page(request):
            raise web.HTTPForbidden(text="this request comes from another site")
        link = web.WebSocketResponse(heartbeat=BEAT, max_msg_size=MESSAGE, compress=False)
        await link.prepare(request)
        await browser.Browser(link, request, self).serve()
        return link


async def start(viewer, loop):
    server = Server(viewer, loop)
    await server.start()
    return {"url": server.url(access.FULL)}
