#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A page and its session at the two ends of links with a round trip and a rate: see README.md."""
import asyncio
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FAR = "198.18.0.2"  # see transport/tests/network.h
LINKS = ((0, 0), (50, 0), (100, 0), (50, 20))  # round trip in ms, Mbit/s (0: no limit)
SECONDS = 5  # of turning
WATCH = """(() => { const c = document.querySelector('#picture'); window.moves = []; window.shown = [];
 c.addEventListener('pointermove', e => e.buttons && moves.push([performance.now(), e.clientX]));
 new MutationObserver(() => shown.push([performance.now(), +c.dataset.azimuth, c.dataset.sharp]))
  .observe(c, {attributes: true, attributeFilter: ['data-number']}); return 0; })()"""
TURN = 0.4  # degrees a pixel, as in view.js


def far(build, note):
    """The session; its address goes into the file `note`."""
    sys.path.insert(0, os.path.join(ROOT, "session", "tests"))
    import sessions
    with sessions.Home() as home:
        home.environment["BEAMCAST_WEB_LISTEN"] = FAR
        ct = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "examples", "cranium"), "ct.raw"], cwd=home.path,
                            check=True, capture_output=True, text=True).stdout.split()
        import numpy
        shape = [int(n) for n in ct[2::-1]]
        numpy.save(os.path.join(home.path, "ct.npy"), numpy.fromfile(os.path.join(home.path, "ct.raw"), "<i2").reshape(shape))
        session = home.json("start", "--web", "--ranks", 2)
        home.run("push", "ct.npy", "--to", session["id"])
        with open(note + ".new", "w") as stream:
            stream.write(session["url"])
        os.rename(note + ".new", note)
        while os.path.exists(note):
            time.sleep(0.2)
        home.run("stop", session["id"])


async def near(note, round_trip, rate):
    sys.path.insert(0, os.path.join(ROOT, "web", "tests"))
    from chromium import Chromium
    while not os.path.exists(note):
        await asyncio.sleep(0.1)
    with tempfile.TemporaryDirectory() as folder:
        async with Chromium(folder) as browser:
            page = await browser.page()
            await page.go(open(note).read())
            sharp = "document.querySelector('#picture').dataset.sharp == 'true'"
            await page.until(sharp)
            result = await turn(page, sharp)
            result["slice"] = await slices(page)
            print(json.dumps(dict({"round_trip_ms": round_trip, "mbit": rate}, **result)), flush=True)
    os.remove(note)


async def turn(page, sharp):
    await page.js(WATCH)
    x, y = await page.place("#picture")
    cameras, received = page.sent.count("camera"), page.received
    await page.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
    start, begun = await page.js("performance.now()"), time.monotonic()
    while (passed := time.monotonic() - begun) < SECONDS:
        await page.mouse("mouseMoved", x + 40 * passed, y, button="left", buttons=1)
        await asyncio.sleep(max(0, 1 / 60 - (time.monotonic() - begun - passed)))
    await page.mouse("mouseReleased", x + 40 * SECONDS, y, button="left", clickCount=1)
    cameras, received = page.sent.count("camera") - cameras, page.received - received
    end = await page.js("performance.now()")
    await page.until(sharp)
    moves, shown = await page.js("moves"), await page.js("shown")
    turning = [one for one in shown if start < one[0] <= end and one[2] != "true"]
    late = []
    for when, azimuth, _ in turning:
        reached = [at for at, px in moves if TURN * (px - x) >= -azimuth - 0.01 and at <= when]
        if reached:
            late.append((when - reached[0]) / 1e3)
    late.sort()
    still = [when for when, _, is_sharp in shown if is_sharp == "true" and when > moves[-1][0]]
    return {"pictures_per_second": round(len(turning) / SECONDS, 1), "moves": len(moves), "cameras": cameras,
            "kib": round(received / 1024 / max(1, len(turning))),
            "latency": [round(statistics.median(late), 3), round(late[int(0.95 * (len(late) - 1))], 3)],
            "sharp": round((still[0] - moves[-1][0]) / 1e3, 3)}


async def slices(page):
    await page.click("#layout-slices")
    await page.until("document.querySelector('#slice-z').dataset.at")
    await page.js("document.querySelector('#slice-z').focus()")
    return await page.js("""(async () => { const c = document.querySelector('#slice-z'), took = [];
      for (let i = 0; i < 9; i++) { const begun = performance.now(), at = +c.dataset.at;
       c.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowUp'}));
       while (+c.dataset.at === at) await new Promise(done => setTimeout(done, 4));
       took.push(performance.now() - begun); }
      return Math.round(took.sort((a, b) => a - b)[4]) / 1000; })()""")


def main():
    build = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build"))
    os.environ["BEAMCAST_BUILD"] = build
    for link in LINKS:
        with tempfile.TemporaryDirectory() as folder:
            note = os.path.join(folder, "url")
            mine = [sys.executable, os.path.abspath(__file__)]
            subprocess.run([os.path.join(build, "bin", "bench_web_link"), *map(str, link), shlex.join(mine + ["far", build, note]),
                            shlex.join(mine + ["near", note, *map(str, link)])], check=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started ends, too
    if sys.argv[1:2] == ["far"]:
        far(*sys.argv[2:])
    elif sys.argv[1:2] == ["near"]:
        asyncio.run(near(sys.argv[2], *map(int, sys.argv[3:])))
    else:
        main()
