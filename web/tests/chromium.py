# SPDX-License-Identifier: BSD-3-Clause
"""A headless Chromium for tests, by its own protocol (CDP): pages, clicks, keys, pictures of them."""
import asyncio
import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess

import aiohttp

LIMIT = 90  # seconds for anything that must come to be


class Failed(Exception):
    """JavaScript of a page threw."""


class Page:
    """One page. Use Chromium.page()."""

    def __init__(self, browser, target, context, session):
        self.browser, self.target, self.context, self.session = browser, target, context, session
        self.requests = []  # addresses that were fetched, in order
        self.sent = []  # what went over sockets: each message's "do"
        self.received = 0  # bytes that came over them
        self.complaints = []  # of the console

    async def call(self, method, **parameters):
        return await self.browser.call(method, parameters, self.session)

    async def go(self, address):
        await self.call("Page.navigate", url=address)

    async def js(self, text):
        """The value of an expression; promises are awaited."""
        done = await self.call("Runtime.evaluate", expression=text, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise Failed(json.dumps(done["exceptionDetails"])[:800])
        return done["result"].get("value")

    async def until(self, text, what=None):
        """Waits until an expression is true; returns it."""
        last = None
        for _ in range(int(LIMIT / 0.1)):
            with contextlib.suppress(Failed):
                last = await self.js(text)
                if last:
                    return last
            await asyncio.sleep(0.1)
        shot = os.environ.get("BEAMCAST_FAILED_SHOT")
        if shot:
            await self.shoot(shot)
        message = await self.js("document.querySelector('#message')?.innerText + ' | ' + document.body.innerText.slice(0, 500)")
        raise AssertionError("%s did not come to be (%r); the page says: %s; console: %s"
                             % (what or text, last, message, self.complaints[-5:]))

    async def sends(self, what, count):
        """Waits until so many messages that `do` this went over sockets."""
        for _ in range(int(LIMIT / 0.1)):
            if self.sent.count(what) >= count:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("%s was sent %d times and not %d" % (what, self.sent.count(what), count))

    async def place(self, selector):
        """Where the middle of an element is, once it is in sight."""
        box = await self.js("(() => { const e = document.querySelector(%s); e.scrollIntoView({block: 'nearest'});"
                            " const r = e.getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; })()"
                            % json.dumps(selector))
        return box[0] + box[2] / 2, box[1] + box[3] / 2

    async def mouse(self, kind, x, y, **more):
        await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    async def click(self, selector):
        x, y = await self.place(selector)
        for kind in ("mousePressed", "mouseReleased"):
            await self.mouse(kind, x, y, button="left", clickCount=1)

    async def drag(self, selector, right, down, steps=10):
        x, y = await self.place(selector)
        await self.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
        for step in range(1, steps + 1):
            await self.mouse("mouseMoved", x + right * step / steps, y + down * step / steps, button="left", buttons=1)
        await self.mouse("mouseReleased", x + right, y + down, button="left", clickCount=1)

    async def key(self, name, code=0):
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code)

    async def choose(self, selector, value):
        """Sets a control as a user would: the value, then its events."""
        await self.js("(() => { const e = document.querySelector(%s); e.focus(); e.value = %s;"
                      " for (const n of ['input', 'change']) e.dispatchEvent(new Event(n, {bubbles: true})); })()"
                      % (json.dumps(selector), json.dumps(value)))

    async def size(self, width, height):
        await self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                        mobile=width < 600)

    async def theme(self, name):
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    async def shoot(self, path):
        shot = await self.call("Page.captureScreenshot", format="png")
        with open(path, "wb") as stream:
            stream.write(base64.b64decode(shot["data"]))

    async def close(self):
        await self.browser.call("Target.closeTarget", {"targetId": self.target})


class Chromium:
    """async with Chromium(folder) as browser: folder is for its profile."""

    def __init__(self, folder, binary=None):
        self.folder = folder
        self.binary = binary or shutil.which("chromium")

    async def __aenter__(self):
        self.process = subprocess.Popen(
            [self.binary, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
             "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-dev-shm-usage", "--hide-scrollbars", "--user-data-dir=" + self.folder, "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        note = os.path.join(self.folder, "DevToolsActivePort")
        for _ in range(int(LIMIT / 0.1)):
            if os.path.exists(note) and len(open(note).read().split()) == 2:
                break
            assert self.process.poll() is None, "Chromium does not start"
            await asyncio.sleep(0.1)
        port, path = open(note).read().split()
        self.http = aiohttp.ClientSession()
        self.socket = await self.http.ws_connect("ws://127.0.0.1:%s%s" % (port, path), max_msg_size=0)
        self.count, self.waiting, self.pages = 0, {}, {}
        self.reader = asyncio.ensure_future(self._read())
        return self

    async def __aexit__(self, *_):
        self.reader.cancel()
        await self.http.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    async def call(self, method, parameters=None, session=None):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters or {}}
        if session:
            message["sessionId"] = session
        answer = asyncio.get_running_loop().create_future()
        self.waiting[self.count] = answer
        await self.socket.send_str(json.dumps(message))
        return await asyncio.wait_for(answer, LIMIT)

    async def _read(self):
        async for message in self.socket:
            data = json.loads(message.data)
            if "id" in data:
                answer = self.waiting.pop(data["id"], None)
                if answer is not None and not answer.done():
                    if "error" in data:
                        answer.set_exception(Failed(str(data["error"])))
                    else:
                        answer.set_result(data["result"])
            else:
                self._event(data)

    def _event(self, data):
        page, parameters = self.pages.get(data.get("sessionId")), data.get("params", {})
        if page is None:
            return
        if data["method"] == "Network.requestWillBeSent":
            page.requests.append(parameters["request"]["url"])
        elif data["method"] == "Network.webSocketCreated":
            page.requests.append(parameters["url"])
        elif data["method"] == "Network.webSocketFrameSent":
            with contextlib.suppress(ValueError, AttributeError):
                page.sent.append(json.loads(parameters["response"]["payloadData"]).get("do"))
        elif data["method"] == "Network.webSocketFrameReceived":
            frame = parameters["response"]
            length = len(frame["payloadData"])
            page.received += length if frame["opcode"] == 1 else 3 * length // 4
        elif data["method"] == "Log.entryAdded":
            page.complaints.append(parameters["entry"]["text"])
        elif data["method"] == "Runtime.exceptionThrown":
            page.complaints.append(json.dumps(parameters["exceptionDetails"])[:600])

    async def page(self, apart=False, downloads=None):
        """A new page; apart: as in another browser, with cookies of its own."""
        context = {}
        if apart:
            context = {"browserContextId": (await self.call("Target.createBrowserContext"))["browserContextId"]}
        target = (await self.call("Target.createTarget", {"url": "about:blank", **context}))["targetId"]
        session = (await self.call("Target.attachToTarget", {"targetId": target, "flatten": True}))["sessionId"]
        page = Page(self, target, context, session)
        self.pages[session] = page
        for domain in ("Page", "Network", "Log", "Runtime"):
            await page.call(domain + ".enable")
        if downloads:
            await self.call("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": downloads, **context})
        await page.size(1280, 800)
        return page
