# SPDX-License-Identifier: BSD-3-Clause
"""Who is let in and who is not, told by the HTTP side alone; and the page behind a reverse proxy.

BEAMCAST_JUPYTER names a `jupyter-lab` with jupyter-server-proxy: then the manual's cell is run in it, too; BEAMCAST_SHOTS a
folder for a picture of it.
"""
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "session", "tests"))
import proxy  # noqa: E402
import sessions  # noqa: E402
import test_page  # noqa: E402

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


ANOTHER = """
import glob, http.client, json, os, sys
port, session, home = int(sys.argv[1]), sys.argv[2], sys.argv[3]
def answer(method, path, body=None, **headers):
    link = http.client.HTTPConnection("127.0.0.1", port)
    link.request(method, path, body, {"Origin": "http://127.0.0.1:%d" % port, **headers})
    got = link.getresponse()
    return got.status, got.read().decode(errors="replace")
said = {"page": answer("GET", "/")[0], "guess": answer("POST", "/enter", json.dumps({"token": "x" * 32})),
        "known": answer("POST", "/enter", json.dumps({"key": ""})),
        "foreign": answer("POST", "/enter", json.dumps({"token": "x"}), Origin="http://127.0.0.1:1")}
opened = []
for path in glob.glob(os.path.join(home, ".local/state/beamcast/*/*")) + [session]:
    try:
        opened.append(open(path, "rb").read() and path)
    except OSError:
        pass
mine = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline"):
        try:
            mine.append(open("/proc/%s/%s" % (pid, name), "rb").read().decode(errors="replace"))
        except OSError:
            pass
print(json.dumps({"said": said, "opened": opened, "seen": " ".join(mine)}))
"""


def another_user(home, port, session, secrets):
    """Somebody else on the machine reaches the port, and that is all: no link, no key, no file, no process tells them."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        print("without another user: root or setpriv is missing")
        return
    os.chmod(home.path, 0o755)  # as homes are in many places
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", ANOTHER,
                           str(port), session["contact"], home.path], capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, cwd="/")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["said"]["page"] == 200 and told["said"]["guess"][0] == 403, told["said"]
    assert told["said"]["foreign"][0] == 403 and "another site" in told["said"]["foreign"][1], told["said"]
    assert json.loads(told["said"]["known"][1]) == {"rights": None}, told["said"]
    assert not told["opened"] and "beamcast-viewer" in told["seen"], told["opened"]
    assert not any(secret in told["seen"] for secret in secrets)


async def from_elsewhere(page, elsewhere, address, token):
    """What a page of another site, or of another port of this host, does with a link: it is not let in, sees nothing."""
    await page.go(elsewhere)
    await page.until("location.href == %s && document.readyState == 'complete'" % json.dumps(elsewhere))
    said = await page.js("""(async () => {
      const enter = %(address)s + 'enter', body = JSON.stringify({ token: %(token)s }), said = [];
      for (const how of [{ mode: 'no-cors' }, { mode: 'cors', headers: { 'Content-Type': 'application/json' } }])
        said.push(await fetch(enter, { method: 'POST', credentials: 'include', body, ...how }).then(a => a.type + a.status, e => e.name));
      const socket = new WebSocket(%(address)s.replace('http', 'ws') + 'socket');
      said.push(await new Promise(done => { socket.onopen = () => done('open'); socket.onerror = () => done('refused'); }));
      const frame = document.createElement('iframe');
      frame.src = %(address)s;
      const loaded = new Promise(done => { frame.onload = done; });
      document.body.append(frame);
      await loaded;
      try { said.push(frame.contentDocument ? 'read' : 'closed'); } catch { said.push('closed'); }
      return said; })()""" % {"address": json.dumps(address), "token": json.dumps(token)})
    assert said == ["TypeError", "TypeError", "refused", "closed"], (elsewhere, said)
    assert any("frame-ancestors" in line for line in page.complaints), page.complaints
    page.complaints.clear()


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
    """Nothing that a page says leads out of the folders, or ends the session. Returns tokens of links: to steer, to view."""
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
            view = (await ask(link, 6, "link", view=True))["value"]["token"]
            return (await ask(link, 7, "link", view=False))["value"]["token"], view


CHANGES = {"camera": {"value": {"azimuth": 9, "elevation": 0, "zoom": 1, "pan": [0, 0]}}, "size": {"width": 99, "height": 99},
           "set": {"kernel": "plain"}, "steer": {}, "link": {}, "keep": {"steps": 3}, "time": {}, "request": {"message": {"stop": True}},
           "crop": {"box": []}, "light": {"ambient": 1}, "labels": {"array": ""}, "points": {"visible": False}, "folders": {},
           "folder": {"root": 0}, "search": {"root": 0}, "volumes": {"root": 0, "path": "a.h5"}, "open": {"root": 0, "path": "a.h5"},
           "stream": {}, "open_labels": {"root": 0, "path": "a.h5", "dataset": "a"}, "movie": {}, "movie_stop": {}}


async def only_views(address, own, token):
    """Whoever has a link to view sees and does nothing else, also where no page keeps him from it: not alone, not
    beside one who steers."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        _, text, response = await answer(http, address, json={"token": token}, headers=own)
        assert json.loads(text)["rights"] == "view", text
        cookies = dict([response.headers["Set-Cookie"].split(";")[0].split("=", 1)])
        async with http.ws_connect(address.replace("http", "ws") + "socket", headers=with_cookies(own, cookies)) as link:
            await link.send_str(json.dumps({"key": json.loads(text)["key"]}))
            for what, values in CHANGES.items():
                said = await ask(link, 1, what, **values)
                assert "for viewing only" in said.get("error", "") or "made by the one who steers" in said.get("error", ""), (what, said)


async def behind_proxy(home, address, token):
    """The whole page below a path of a reverse proxy, in Chromium."""
    async with proxy.Proxy(home.environment, {"/node/somewhere/4711/": address}) as outside:
        outer = outside.address + "node/somewhere/4711/"
        async with Chromium(os.path.join(home.path, "chromium")) as browser:
            page = await browser.page(apart=True)
            for elsewhere in (outside.address, outside.address.replace("127.0.0.1", "localhost")):
                await from_elsewhere(page, elsewhere, address, token)
            await page.go(outer + "#" + token)
            await page.until("document.querySelector('#picture').dataset.sharp == 'true'")
            await page.go("about:blank")
            await page.go(outer)  # the cookie is good below this path
            await page.until("document.querySelector('#picture').dataset.sharp == 'true'")
            assert not page.complaints, page.complaints
        log = outside.log()
        assert "/node/somewhere/4711/socket" in log and token not in log, log


def the_cell():
    """The cell of docs/web.md that shows a session's page."""
    with open(os.path.join(ROOT, "docs", "web.md")) as stream:
        return next(part.split("```")[0] for part in stream.read().split("```python\n")[1:] if "IFrame" in part)


async def in_notebook(home, jupyter):
    """The manual's cell in a notebook of JupyterLab, below a path as JupyterHub has it, through jupyter-server-proxy."""
    own = proxy.free_port()
    with open(os.path.join(home.path, "page.ipynb"), "w") as stream:
        json.dump({"cells": [{"cell_type": "code", "id": "page", "execution_count": None, "metadata": {}, "outputs": [],
                              "source": the_cell()}],
                   "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
                   "nbformat": 4, "nbformat_minor": 5}, stream)
    environment = dict(home.environment, JUPYTER_TOKEN="only-a-test", JUPYTERHUB_SERVICE_PREFIX="/user/somebody/",
                       PYTHONPATH=sessions.PYTHON, LD_LIBRARY_PATH=os.path.join(sessions.BUILD, "lib"))
    server = subprocess.Popen([jupyter, "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=%d" % own,
                               "--expose-app-in-browser", "--ServerApp.base_url=/user/somebody/"], env=environment,
                              cwd=home.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    frame = "document.querySelector('.jp-OutputArea iframe').contentDocument.querySelector('#picture').dataset.sharp == 'true'"
    try:
        async with Chromium(os.path.join(home.path, "notebook")) as browser:
            page = await browser.page(apart=True)
            await proxy.listens(own)
            await page.go("http://127.0.0.1:%d/user/somebody/lab/tree/page.ipynb?token=only-a-test" % own)
            await page.until("document.querySelector('.jp-Notebook .jp-CodeCell') !== null && "
                             "jupyterapp.shell.currentWidget?.context?.sessionContext?.session?.kernel?.status == 'idle'")
            await page.js("jupyterapp.commands.execute('notebook:run-all-cells').then(() => 0)")
            await page.until("document.querySelector('.jp-OutputArea iframe') !== null")
            (session,) = home.json("status")["sessions"]
            shots, options = os.environ.get("BEAMCAST_SHOTS"), ["small.npy"]
            if shots:  # for the manual
                options = ["ct.npy", "--length-unit", "mm", "--spacing", test_page.head(home)[1]]
            home.run("push", *options, "--to", session["id"])
            await page.until(frame)
            if shots:
                await page.js("jupyterapp.commands.execute('application:toggle-left-area').then(() => 0)")
                await page.until("(() => { const no = [...document.querySelectorAll('button')].find(b => b.innerText == 'No');"
                                 " no?.click(); return no === undefined; })()")
                await asyncio.sleep(3)  # the page takes the room
                await page.until(frame)
                await page.shoot(os.path.join(shots, "notebook.png"))
        home.run("stop", session["id"])
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
        fresh, view = await within(address, own, cookies, key)
        await only_views(address, own, view)
        port = int(address.split(":")[2].strip("/"))
        another_user(home, port, session, (token, key, fresh, *cookies.values()))
        np.save(os.path.join(home.path, "small.npy"), np.arange(20 ** 3, dtype="f4").reshape(20, 20, 20))
        home.run("push", "small.npy", "--to", session["id"])
        if proxy.program():
            await behind_proxy(home, address, fresh)
        else:
            print("without the reverse proxy: nginx is missing")
        with open(session["log"]) as stream:
            log = stream.read()
        assert token not in log and key not in log and list(cookies.values())[0] not in log, log
        home.run("stop", session["id"])
        if jupyter := os.environ.get("BEAMCAST_JUPYTER"):
            await in_notebook(home, jupyter)
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
