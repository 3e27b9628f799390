# SPDX-License-Identifier: BSD-3-Clause
"""Who is let in and who is not, told by the HTTP side alone; and the page behind a reverse proxy.

BEAMCAST_JUPYTER names a `jupyter` with jupyterlab and jupyter-server-proxy: then the page is tried behind that one, too.
"""
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "session", "tests"))
import sessions  # noqa: E402

PROXY = """daemon off; pid %(folder)s/nginx.pid; error_log %(folder)s/error.log; events {}
http {
  access_log %(folder)s/access.log;
  client_body_temp_path %(folder)s/a; proxy_temp_path %(folder)s/b; fastcgi_temp_path %(folder)s/c;
  uwsgi_temp_path %(folder)s/d; scgi_temp_path %(folder)s/e;
  map $http_upgrade $connection_upgrade { default upgrade; "" close; }
  server {
    listen 127.0.0.1:%(port)d;
    location /node/somewhere/4711/ {
      proxy_pass %(address)s;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }
  }
}
"""


async def answer(http, address, **more):
    async with http.post(address + "enter", **more) as response:
        return response.status, await response.text(), response


def with_cookies(headers, cookies):
    return dict(headers, Cookie="; ".join("%s=%s" % pair for pair in cookies.items()))


async def greet(http, address, headers, cookies, key):
    """What the socket says first; None: it does not open."""
    try:
        async with http.ws_connect(address.replace("http", "ws") + "socket", headers=with_cookies(headers, cookies)) as link:
            await link.send_str(json.dumps({"key": key}))
            first = await link.receive(timeout=sessions.LIMIT)
            return json.loads(first.data)["kind"] if isinstance(first.data, str) else first.type.name
    except aiohttp.WSServerHandshakeError as refused:
        return refused.status


async def door(address, token):
    own = {"Origin": address.rstrip("/")}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        for headers in ({}, {"Origin": "http://elsewhere.example"}, {"Origin": "null"},
                        {"Origin": "http://127.0.0.1:1"}, dict(own, **{"Sec-Fetch-Site": "cross-site"}),
                        dict(own, **{"Sec-Fetch-Site": "same-site"})):
            status, text, _ = await answer(http, address, json={"token": token}, headers=headers)
            assert status == 403 and "another site" in text, (headers, status, text)
        for token_ in ("", "x" * 32, token[:-1]):
            status, text, _ = await answer(http, address, json={"token": token_ or "-"}, headers=own)
            assert status == 403 and "used already" in text, (status, text)
        for body in (b"{", b"[]", b"{}" * 4000):
            status, _, _ = await answer(http, address, data=body, headers=own)
            assert status in (400, 413), (body[:10], status)
        status, text, response = await answer(http, address, json={"token": token}, headers=own)
        assert status == 200, (status, text)
        cookie = response.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path" not in cookie, cookie
        key, cookies = json.loads(text)["key"], dict([cookie.split(";")[0].split("=", 1)])
        status, text, _ = await answer(http, address, json={"token": token}, headers=own)
        assert status == 403, "a link works once"
        elsewhere = {"Origin": "http://elsewhere.example"}
        assert await greet(http, address, own, cookies, key) == "state"
        for headers, biscuits, word, wanted in ((own, cookies, "wrong", "refused"), (own, {}, key, "refused"),
                                                (own, cookies, None, "refused"), (own, cookies, 7, "refused"),
                                                (elsewhere, cookies, key, 403), ({}, cookies, key, 403)):
            said = await greet(http, address, headers, biscuits, word)
            assert said == wanted, (headers, word, said)
        for path in ("access.py", "page", "etc/passwd", "socket"):
            async with http.get(address + path) as response:
                assert response.status in (400, 403, 404), (path, response.status)
        async with http.get(address) as response:
            policy = response.headers["Content-Security-Policy"]
            assert response.status == 200 and "script-src 'self'" in policy and "unsafe" not in policy, policy
    return own, cookies, key


async def ask(link, number, what, **values):
    await link.send_str(json.dumps({"do": what, "id": number, **values}))
    while True:
        message = await link.receive(timeout=sessions.LIMIT)
        assert message.type.name in ("TEXT", "BINARY"), message
        if message.type.name == "TEXT":
            said = json.loads(message.data)
            if said["kind"] == "answer" and said["id"] == number:
                return said


async def within(address, own, cookies, key):
    """Nothing that a page says leads out of the folders, or ends the session. Returns a link's token."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        async with http.ws_connect(address.replace("http", "ws") + "socket", headers=with_cookies(own, cookies)) as link:
            await link.send_str(json.dumps({"key": key}))
            for path in ("..", "../..", "out/etc", "/../../etc", "sub/../../..", "away.nxs"):
                said = await ask(link, 1, "folder", root=0, path=path)
                assert "error" in said, (path, said)
                said = await ask(link, 2, "open", root=0, path=path)
                assert "outside" in said["error"] or "no file" in said["error"] or "can't be" in said["error"], (path, said)
            said = await ask(link, 3, "volumes", root=0, path="away.nxs")
            assert "outside" in said["error"], said
            said = await ask(link, 4, "folder", root=0, path="")
            assert [entry["path"] for entry in said["value"]["entries"] if entry["path"] in ("out", "away.nxs", "sub")] == ["sub"]
            for what, values in (("none", {}), ("camera", {"value": 3}), ("camera", {}), ("set", {"kernel": "/etc/passwd"}),
                                 ("set", {"size": [9, 9]}), ("slice", {"axis": "w", "at": 1}), ("size", {"width": "a", "height": []}),
                                 ("folder", {"root": 9}), ("folder", {"root": "0"}), ("crop", {"box": [1]}), ("histogram", {}),
                                 ("request", {"message": {"anything": 1}}), ("keep", {"steps": 1e9}), ("open", {"root": 0, "path": "x\0"})):
                said = await ask(link, 5, what, **values)
                assert "error" in said, (what, values, said)
            return (await ask(link, 6, "link", view=False))["value"]["token"]


async def behind_proxy(home, address, token):
    """The whole page below a path of a reverse proxy, in Chromium."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="beamcast-proxy-")
    with open(os.path.join(folder, "conf"), "w") as stream:
        stream.write(PROXY % {"folder": folder, "port": port, "address": address})
    nginx = subprocess.Popen([shutil.which("nginx", path="/usr/sbin:/usr/bin"), "-c", os.path.join(folder, "conf"), "-e",
                              os.path.join(folder, "error.log")], env=home.environment)
    try:
        outer = "http://127.0.0.1:%d/node/somewhere/4711/" % port
        async with Chromium(os.path.join(home.path, "chromium")) as browser:
            page = await browser.page(apart=True)
            for _ in range(300):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                await asyncio.sleep(0.1)
            await page.go(outer + "#" + token)
            await page.until("document.querySelector('#picture').dataset.sharp == 'true'")
            await page.go("about:blank")
            await page.go(outer)  # the cookie is good below this path
            await page.until("document.querySelector('#picture').dataset.sharp == 'true'")
            assert not page.complaints, page.complaints
        with open(os.path.join(folder, "access.log")) as stream:
            log = stream.read()
        assert "/node/somewhere/4711/socket" in log and token not in log, log
    finally:
        nginx.terminate()
        nginx.wait()
        shutil.rmtree(folder)


async def in_notebook(home, jupyter, port, token):
    """The page in a frame of JupyterLab's own page, as a cell that shows an IFrame has it, through jupyter-server-proxy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        own = free.getsockname()[1]
    environment = dict(home.environment, JUPYTER_TOKEN="only-a-test")
    server = subprocess.Popen([jupyter, "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=%d" % own,
                               "--ServerApp.base_url=/user/somebody/"], env=environment, cwd=home.path,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    frame = "document.querySelector('iframe').contentDocument.querySelector('#picture').dataset.sharp == 'true'"
    try:
        async with Chromium(os.path.join(home.path, "notebook")) as browser:
            page = await browser.page(apart=True)
            for _ in range(600):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", own)) == 0:
                        break
                await asyncio.sleep(0.1)
            await page.go("http://127.0.0.1:%d/user/somebody/lab?token=only-a-test" % own)
            await page.until("document.querySelector('.jp-Launcher') !== null")
            await page.js("(() => { const f = document.createElement('iframe'); f.width = 900; f.height = 600; "
                          "f.style = 'position: fixed; top: 90px; left: 320px'; f.src = '/user/somebody/proxy/%d/#%s'; "
                          "document.body.append(f); })()" % (port, token))
            await page.until(frame)
            shots = os.environ.get("BEAMCAST_SHOTS")
            if shots:
                await page.shoot(os.path.join(shots, "notebook.png"))
    finally:
        server.terminate()
        server.wait()


async def main():
    with sessions.Home() as home:
        os.mkdir(os.path.join(home.path, "sub"))
        os.symlink("/", os.path.join(home.path, "out"))
        os.symlink("/etc/hostname", os.path.join(home.path, "away.nxs"))
        session = home.json("start", "--web")
        address, token = session["url"].split("#")
        own, cookies, key = await door(address, token)
        fresh = await within(address, own, cookies, key)
        np.save(os.path.join(home.path, "small.npy"), np.arange(20 ** 3, dtype="f4").reshape(20, 20, 20))
        home.run("push", "small.npy", "--to", session["id"])
        if shutil.which("nginx", path="/usr/sbin:/usr/bin"):
            await behind_proxy(home, address, fresh)
        else:
            print("without the reverse proxy: nginx is missing")
        jupyter = os.environ.get("BEAMCAST_JUPYTER")
        if jupyter:  # of an environment that has jupyterlab and jupyter-server-proxy
            url = json.loads(home.run("status", session["id"], "--json")[0])["url"]
            await in_notebook(home, jupyter, int(address.split(":")[2].strip("/")), url.split("#")[1])
        with open(session["log"]) as stream:
            log = stream.read()
        assert token not in log and key not in log and list(cookies.values())[0] not in log, log
        home.run("stop", session["id"])
        home.check_nothing_left()


if __name__ == "__main__":
    sessions.need("Xvfb", "mpiexec", "chromium")
    if not os.path.exists(os.path.join(sessions.BUILD, "bin", "beamcast-viewer")):
        sessions.skip("beamcast-viewer was not built")
    try:
        import aiohttp
        from chromium import Chromium
    except ImportError:
        sessions.skip("python3-aiohttp is missing")
    asyncio.run(main())
