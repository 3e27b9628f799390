# SPDX-License-Identifier: BSD-3-Clause
"""The page, driven in a headless Chromium from the start of a session to its end.

BEAMCAST_SHOTS names a folder for pictures of the pages, for the manual.
"""
import asyncio
import json
import os
import re
import subprocess
import sys

import h5py
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "session", "tests"))
import sessions  # noqa: E402
from parts import text, unfold  # noqa: E402
import parts  # noqa: E402
import readable  # noqa: E402

SHOTS = os.environ.get("BEAMCAST_SHOTS")
SHARP = "document.querySelector('#picture').dataset.sharp == 'true'"
NUMBER = "+(document.querySelector('#picture').dataset.number ?? 0)"
# brightness of a canvas in a coarse grid, so that two pictures can be compared
PIXELS = """(() => { const small = document.createElement('canvas'); small.width = 32; small.height = 24;
 const c = small.getContext('2d'); c.drawImage(document.querySelector('%s'), 0, 0, 32, 24);
 return [...c.getImageData(0, 0, 32, 24).data].filter((_, i) => i %% 4 == 1); })()"""


def head(home):
    """The CT of Debian's package as ct.npy, and its spacing in mm."""
    done = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "examples", "cranium"), "ct.raw"], cwd=home.path,
                          capture_output=True, text=True)
    if done.returncode != 0:
        sessions.skip("invesalius-examples is missing: " + done.stderr.strip())
    nx, ny, nz, _, *spacing = done.stdout.split()
    nx, ny, nz = int(nx), int(ny), int(nz)
    array = np.fromfile(os.path.join(home.path, "ct.raw"), "<i2").reshape(nz, ny, nx)
    np.save(os.path.join(home.path, "ct.npy"), array)
    return array, ",".join(spacing)


async def pixels(page, selector):
    return np.array(await page.js(PIXELS % selector))


async def shoot(page, name, settled=True):
    if SHOTS:
        if settled:
            await page.until(text("#message") + " == ''")
            await Watched(page).settled()
        await page.shoot(os.path.join(SHOTS, name + ".png"))


class Watched:
    """The volume's view of a page: each picture() is sharp, newer than the one before and another one."""

    def __init__(self, page):
        self.page, self.number = page, 0

    async def picture(self):
        await self.page.until("%s && %s > %d" % (SHARP, NUMBER, self.number), "a sharp, newer picture")
        self.number = await self.page.js(NUMBER)
        return await pixels(self.page, "#picture")

    async def settled(self):
        """A sharp picture of the size that the page has now."""
        await self.page.until("(() => { const c = document.querySelector('#picture'); return c.dataset.sharp == 'true' && "
                              "c.dataset.size == c.clientWidth + 'x' + c.clientHeight; })()")
        self.number = await self.page.js(NUMBER)
        return await pixels(self.page, "#picture")

    async def becomes(self, before, by=0.5):
        """Waits for a sharp picture that differs no more than that from `before`."""
        for _ in range(900):
            seen = await self.settled()
            if np.abs(seen - before).mean() < by:
                return seen
            await asyncio.sleep(0.1)
        raise AssertionError("the picture is another one: %g" % np.abs(seen - before).mean())

    async def changes(self, before, by=1):
        """Waits for a sharp picture that differs so much from `before`."""
        for _ in range(20):
            seen = await self.picture()
            if np.abs(seen - before).mean() >= by:
                return seen
        raise AssertionError("the picture stays: %g" % np.abs(seen - before).mean())


async def look(page, view, before):
    """Kernel, colours, window, light, crop."""
    for control, value in (("#kernel", "scatter+occlusion"), ("#preset", "soft matter"), ("#kernel", "local")):
        await page.choose(control, value)
        before = await view.changes(before)
    await page.until("document.querySelector('#histogram').getContext('2d').getImageData(0, 0, 300, 90).data.some(x => x)")
    await page.choose("#low", "-200")
    before = await view.changes(before)
    await page.click("#window-itself")
    before = await view.changes(before)
    level, width = await page.js("[+document.querySelector('#level').value, +document.querySelector('#width').value]")
    await page.drag("#histogram", 40, 0)  # its middle: the window goes along, as wide as before
    before = await view.changes(before)
    moved = "Math.abs(document.querySelector('#width').value - %f) < 1 && document.querySelector('#level').value > %f" % (width, level + 100)
    assert await page.js(moved), await page.js("document.querySelector('#level').value")
    await page.choose("#level", str(level))
    await page.until("Math.abs(document.querySelector('#low').value - %f) < 1" % (level - width / 2))
    before = await view.changes(before)
    await page.choose("#preset", "bone")
    before = await view.changes(before)
    await page.choose("#quality", "draft")
    await view.changes(before, 0.2)
    await page.choose("#quality", "normal")
    await view.becomes(before)
    await unfold(page, "Light")
    assert await page.js("['light-around', 'light-above', 'ambient'].map(id => document.getElementById(id).nextSibling.value).join()") == "-34,44,0.25"
    await page.choose("#light-around", "90")  # it stands there from now on
    await view.changes(before)
    await page.click("#light-stands")
    await view.becomes(before)
    await unfold(page, "Crop")
    await page.choose("#crop-x1", "128")
    await shoot(page, "crop")
    cropped = await view.changes(before)
    await page.click("#uncrop")
    await view.changes(cropped)


async def slices(page, array):
    """The voxel under the pointer, at full depth, also when another slice comes there."""
    await page.click("#layout-slices")
    await page.choose("#at-z", "60")
    await page.until("document.querySelector('#slice-z').dataset.at == '60'")
    assert (await pixels(page, "#slice-z")).max() > 100
    x, y = await page.place("#slice-z")
    wanted = r"x (\d+), y (\d+), z 60: (-?\d+)"
    for shift in (0, 31):
        await page.mouse("mouseMoved", x + shift, y + shift)
        await page.until("/%s/.test(%s)" % (wanted, text("#about-z")))
        i, j, value = map(int, re.match(wanted, await page.js(text("#about-z"))).groups())
        assert abs(i - 128 - shift) < 60 and array[60, j, i] == value, (i, j, value, array[60, j, i])
    await page.mouse("mouseWheel", x + 31, y + 31, deltaX=0, deltaY=100)
    await page.until(text("#about-z") + " == 'x %d, y %d, z 61: %d'" % (i, j, array[61, j, i]))
    assert (await page.js(text("#slice-z ~ .scale"))).endswith(" mm")
    await page.choose("#at-z", "60")
    await page.until(text("#about-z") + ".includes('z 60: %d')" % array[60, j, i])
    await shoot(page, "slices")
    await page.js("window.old = true; location.reload()")  # all is as it was
    await page.until("!window.old && document.querySelector('#slice-z')?.dataset.at == '60' && document.querySelector('#slice-y').dataset.at && "
                     "document.querySelector('#layout-slices').checked")
    await page.until(SHARP)
    await page.click("#slice-y")  # the others go there
    await page.until("Math.abs(document.querySelector('#slice-z').dataset.at - 53.5) < 2")
    await page.click("#layout-volume")


async def take_away(page, folder):
    """The picture as a file, with what it shows."""
    await page.click("#shot")
    path = os.path.join(folder, "beamcast.png")
    for _ in range(900):
        if os.path.exists(path):
            break
        await asyncio.sleep(0.1)
    with open(path, "rb") as stream:
        content = stream.read()
    os.remove(path)
    assert content.startswith(b"\x89PNG") and b"ct.npy" in content and len(content) > 20000, len(content)


async def two(browser, page, view, session):
    """A second viewer sees the same and turns nothing; a third with full rights takes over."""
    before = await pixels(page, "#picture")
    await unfold(page, "Viewers")
    await page.js("document.querySelector('#link').value = ''")
    await page.click("#link-view")
    link = await page.until("document.querySelector('#link').value")
    watcher = await browser.page(apart=True)
    await watcher.go(link)
    seen = await Watched(watcher).picture()
    assert np.abs(seen - before).mean() < 12, np.abs(seen - before).mean()
    await page.until(text("#s-viewers") + " == '2'")
    assert await watcher.js("document.querySelector('#kernel').disabled && document.querySelector('#steer').disabled")
    eyes = Watched(watcher)
    seen = await eyes.picture()
    await watcher.drag("#picture", 200, 0)  # is none of its business
    await page.drag("#picture", -150, 40)
    await view.changes(before)
    await eyes.changes(seen)
    await page.js("document.querySelector('#link').value = ''")
    await page.click("#link-full")
    other = await browser.page(apart=True)
    await other.go(await page.until("document.querySelector('#link').value"))
    await other.until("!document.querySelector('#work').hidden && document.querySelector('#kernel').disabled")
    await unfold(other, "Viewers")
    await other.click("#steer")
    await other.until("!document.querySelector('#kernel').disabled")
    await page.until("document.querySelector('#kernel').disabled")
    await page.click("#steer")
    await page.until("!document.querySelector('#kernel').disabled")
    await other.close()
    await watcher.size(390, 844)
    await watcher.theme("dark")
    await asyncio.sleep(0.5)
    wide = await watcher.js("document.documentElement.scrollWidth")
    assert wide <= 390, "the page is %d pixels wide on a phone" % wide
    await shoot(watcher, "phone", False)
    await watcher.close()
    await page.until(text("#s-viewers") + " == '1'")
    await page.js("document.querySelector('#link').value = ''")  # pictures for the manual show no link


async def files(page, view, home, array):
    """The folder's files without those that links lead to, a file's volumes, one of them at a stride."""
    with h5py.File(os.path.join(home.path, "data", "ct.nxs"), "w") as file:
        file["entry/data/data"] = array
        file["entry"].attrs["NX_class"], file["entry/data"].attrs["NX_class"] = "NXentry", "NXdata"
        file["entry/data"].attrs["signal"] = "data"
    with open(os.path.join(home.path, "note.json"), "w") as stream:
        stream.write("{}")
    await unfold(page, "Open a file")
    await page.until("document.querySelector('#files [data-path=\"data\"]') !== null")
    listed = await page.js("[...document.querySelectorAll('#files [data-path]')].map(e => e.dataset.path)")
    assert "out" not in listed and "away.nxs" not in listed and "note.json" not in listed and "ct.npy" in listed, listed
    before = await pixels(page, "#picture")
    await page.click('#files [data-path="data"]')
    await page.until("document.querySelector('#files [data-path=\"data/ct.nxs\"]') !== null")
    await page.choose("#search", "CT.NX*")
    await page.until("document.querySelectorAll('#files [data-path]').length == 1")
    os.utime(os.path.join(home.path, "data", "ct.nxs"), (1583409600,) * 2)  # 5 March 2020, noon
    for since, until, count in (("2020-03-06", "", 0), ("2020-03-05", "2020-03-05", 1), ("", "2020-03-04", 0), ("", "", 1)):
        await page.choose("#since", since)
        await page.choose("#until", until)
        await page.until("document.querySelectorAll('#files [data-path]').length == %d && !%s.startsWith('Searching')" % (count, text("#where")))
    await page.click('#files [data-path="data/ct.nxs"]')
    await page.until(text("#volumes") + ".includes('256 × 256 × 108 int16')")
    await page.js("document.querySelector('#volumes').scrollIntoView()")
    await shoot(page, "files")
    await page.choose("#stride", "2")
    await page.until(text("#volumes .takes") + ".startsWith('takes 1.7 MiB of ')")
    await page.js("window.busy = []; new MutationObserver(() => busy.push(document.querySelector('#busy-text').innerText))"
                  ".observe(document.querySelector('#busy-text'), { childList: true })")
    await page.click("#volumes button")
    await page.until(text("#about-volume") + ".includes('128 × 128 × 54')")
    assert await page.js("busy[0] == 'Opening ct.nxs …' && document.querySelector('#busy').hidden"), await page.js("busy")
    assert await page.js(text("#s-stream")) == "a file"
    other = await view.changes(before, 0.3)
    sessions.slow_file(os.path.join(home.path, "data", "slow.h5"))
    await page.choose("#search", "slow")
    await page.until("document.querySelector('#files [data-path=\"data/slow.h5\"]') !== null")
    await page.click('#files [data-path="data/slow.h5"]')
    await page.until(text("#volumes") + ".includes('1024 × 1024 × 2048 uint8')")
    await page.choose("#stride", "1")
    await page.click("#volumes button")
    await page.until("!document.querySelector('#busy').hidden")
    await page.click("#busy-cancel")
    await page.until(text("#message") + ".includes('Opening slow.h5 was cancelled')")
    assert await page.js(text("#about-volume") + ".includes('128 × 128 × 54')")
    await page.click("#to-stream")
    await page.until(text("#about-volume") + ".includes('256 × 256 × 108')")
    await view.changes(other, 0.3)


PRODUCER = """
import sys, time, numpy, beamcast
array = numpy.load("ct.npy")[::2, ::2, ::2]
with beamcast.connect(sys.argv[1]) as stream:
    def push(step, shown):
        stream.begin_step(step, time=10.0 * step + 10)
        wish = stream.request()
        stream.put(numpy.ascontiguousarray(shown), length_unit="mm", spacing=(3.0, 1.9, 1.9))
        return stream.end_step() and stream.wait(), wish
    for steps in (range(3), range(3, 4)):
        for step in steps:
            assert push(step, array[::-1] if step == 0 else array)[0], stream.why_dropped
        print("pushed", flush=True)
        sys.stdin.readline()
    for step in range(4, 10000):
        _, wish = push(step, array)  # while the viewer is slow, one is dropped now and then
        if wish:
            print(wish, flush=True)
        if wish and wish.get("stop"):
            break
        time.sleep(0.1)
"""


def go_on(producer):
    producer.stdin.write("\n")
    producer.stdin.flush()


async def says(producer, wanted):
    line = await asyncio.wait_for(asyncio.to_thread(producer.stdout.readline), sessions.LIMIT)
    assert line == wanted + "\n", (line, wanted)


async def ask(page, producer):
    """The producer has what the buttons say: a centre, a region, to stop."""
    await unfold(page, "Ask the producer")
    await page.until("!document.querySelector('#ask-stop').closest('details').hidden")
    await readable.names(page)
    go_on(producer)
    await page.choose("#time", "0")  # it will not be kept for long
    await page.until(text("#about-steps") + ".includes('is kept no more')")
    await page.choose("#centre", "61.5")
    await page.choose("#crop-x1", "64")
    await page.until("document.querySelector('#ask-region').title == ''")
    for button, wanted in (("centre", "{'centre': 61.5}"), ("region", "{'region': [0, 64, 0, 128, 0, 54]}"),
                           ("all", "{'region': None}"), ("stop", "{'stop': True}")):
        await page.click("#ask-" + button)
        await says(producer, wanted)


async def steps(page, view, home, session, environment):
    """Steps are kept, and come back, also one of another run with another array; they play; the producer is asked."""
    await unfold(page, "Steps")
    await page.choose("#keep", "5")
    await page.until(text("#about-steps") + " == 'The newest step is shown.'")
    producer = subprocess.Popen(["/usr/bin/python3", "-c", PRODUCER, session["contact"]], env=environment, cwd=home.path,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        await says(producer, "pushed")
        await page.until(text("#s-step") + " == '2' && document.querySelector('#time').max == 3")
        await page.until(SHARP + " && document.querySelector('#picture').dataset.step == '2'")
        newest = await view.picture()
        await page.choose("#time", "0")
        earlier = text("#about-steps") + ".startsWith('Time 0;') && " + text("#about-volume") + ".includes('ct, 256 × 256 × 108')"
        await page.until(earlier)
        other = await view.changes(newest)
        go_on(producer)  # a step that comes meanwhile changes nothing
        await says(producer, "pushed")
        await page.until(text("#s-step") + " == '3' && document.querySelector('#time').max == 4")
        assert await page.js(earlier), await page.js(text("#about-volume"))
        await page.choose("#time", "1")
        await page.until(text("#about-steps") + ".startsWith('Time 10;')")
        first = await view.changes(other)
        await shoot(page, "steps")
        mirrored = np.abs(first.reshape(24, 32)[::-1].ravel() - newest).mean()
        assert mirrored < np.abs(first - newest).mean(), (mirrored, np.abs(first - newest).mean())
        await page.click("#follow")
        await view.changes(first)
        asked = page.sent.count("histogram")
        await page.click("#play")
        await page.until(text("#about-steps") + ".startsWith('Time 20;')")
        await page.sends("histogram", asked + 1)  # each step has its own
        await page.click("#play")
        await page.click("#follow")
        await page.until(text("#about-steps") + " == 'The newest step is shown.'")
        await ask(page, producer)
        assert producer.wait(sessions.LIMIT) == 0
        with open(session["log"]) as log:
            assert "ERR|" not in log.read(), "VTK complains, see the session's log"
    finally:
        producer.kill()
        producer.wait()


async def run(home, browser):
    array, spacing = head(home)
    os.mkdir(os.path.join(home.path, "data"))
    os.symlink("/", os.path.join(home.path, "out"))
    os.symlink("/etc/hostname", os.path.join(home.path, "away.nxs"))
    session = home.json("start", "--web", "--ranks", 2)
    address, token = session["url"].split("#")
    assert address.startswith("http://127.0.0.1:") and len(token) > 24, session["url"]
    page = await browser.page(apart=True, downloads=home.temporary)
    await page.go(session["url"])
    await page.until(text("#about-volume") + ".includes('Nothing to show')")
    assert await page.js("location.href") == address  # no secret is left in it

    home.run("push", "ct.npy", "--to", session["id"], "--spacing", spacing, "--length-unit", "mm")  # appears by itself
    view = Watched(page)
    front = await view.picture()
    assert front.max() > 150 and (front == 0).mean() > 0.3, front
    await page.until(text("#s-step") + " == '0'")
    await page.until(text("#about-volume") + ".includes('256 × 256 × %d')" % array.shape[0])
    assert await page.until(text("#volume .scale") + ".endsWith(' mm')")
    await parts.cameras(page)
    parts.pictures_on_the_way()
    await page.drag("#picture", 150, 20, 40)
    await page.until(SHARP + " && Math.abs(document.querySelector('#picture').dataset.azimuth - -60) < 0.1")  # the newest one
    turned = await view.changes(front, 5)
    await shoot(page, "volume")
    await parts.fingers(page)
    turned = await view.changes(turned)
    for key, code in (("ArrowLeft", 37), ("Home", 36)):
        await page.key(key, code)
        turned = await view.changes(turned)
    assert np.abs(turned - front).mean() < 3, np.abs(turned - front).mean()
    await readable.check(page)
    await look(page, view, turned)
    await slices(page, array)
    await parts.free_slice(page, view, array, shoot)
    await parts.by_hand(page, view)
    await take_away(page, home.temporary)
    await parts.movie(page, home.temporary)
    await parts.labels(page, view, home, array, shoot)
    environment = dict(home.environment, PYTHONPATH=os.path.join(sessions.BUILD, "python"),
                       LD_LIBRARY_PATH=os.path.join(sessions.BUILD, "lib"))
    await parts.points(page, view, home, environment, session["contact"])
    await two(browser, page, view, session)
    await files(page, view, home, array)
    await steps(page, view, home, session, environment)

    outside = await browser.page(apart=True)  # the link is used up
    await outside.go(session["url"])
    await outside.until(text("#message") + ".includes('used already')")
    assert await outside.js("document.querySelector('#work').hidden")
    await outside.go("about:blank")
    await outside.go(address)
    await outside.until(text("#message") + ".includes('needs the link')")
    await outside.close()

    home.run("stop", session["id"])
    await page.until(text("#message") + ".includes('stopped')")
    await shoot(page, "stopped", False)
    own = (address, address.replace("http", "ws"), "blob:" + address, "data:")  # the last one of Chromium itself
    assert all(request.startswith(own) and token not in request
               for request in page.requests), page.requests
    assert not page.complaints, page.complaints
    home.check_nothing_left()


async def main():
    with sessions.Home() as home:
        async with Chromium(os.path.join(home.path, "chromium")) as browser:
            await run(home, browser)


if __name__ == "__main__":
    sessions.need("Xvfb", "mpiexec", "chromium")
    if not os.path.exists(os.path.join(sessions.BUILD, "bin", "beamcast-viewer")):
        sessions.skip("beamcast-viewer was not built")
    try:
        from chromium import Chromium
    except ImportError:
        sessions.skip("python3-aiohttp is missing")
    asyncio.run(main())
