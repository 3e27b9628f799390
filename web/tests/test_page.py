# SPDX-License-Identifier: BSD-3-Clause
"""The page, driven in a headless Chromium from the start of a session to its end."""
import asyncio
import json
import os
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "session", "tests"))
import sessions  # noqa: E402

SHARP = "document.querySelector('#picture').dataset.sharp == 'true'"
NUMBER = "+(document.querySelector('#picture').dataset.number ?? 0)"
# brightness of the volume's picture in a coarse grid, so that two pictures can be compared
PIXELS = """(() => { const small = document.createElement('canvas'); small.width = 32; small.height = 24;
 const c = small.getContext('2d'); c.drawImage(document.querySelector('#picture'), 0, 0, 32, 24);
 return [...c.getImageData(0, 0, 32, 24).data].filter((_, i) => i % 4 == 1); })()"""


def head(home):
    """The CT of Debian's package as ct.npy."""
    done = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "examples", "cranium"), "ct.raw"], cwd=home.path,
                          capture_output=True, text=True)
    if done.returncode != 0:
        sessions.skip("invesalius-examples is missing: " + done.stderr.strip())
    nx, ny, nz = map(int, done.stdout.split()[:3])
    array = np.fromfile(os.path.join(home.path, "ct.raw"), "<i2").reshape(nz, ny, nx)
    np.save(os.path.join(home.path, "ct.npy"), array)
    return array


async def sharp(page, after):
    """The volume's pixels, once there is a sharp picture with a number above `after`."""
    await page.until("%s && %s > %d" % (SHARP, NUMBER, after))
    return np.array(await page.js(PIXELS)), await page.js(NUMBER)


async def run(home, browser):
    array = head(home)
    session = home.json("start", "--web", "--ranks", 2)
    address, token = session["url"].split("#")
    assert address.startswith("http://127.0.0.1:") and len(token) > 24, session["url"]
    page = await browser.page(apart=True)
    await page.go(session["url"])
    await page.until("document.querySelector('#about-volume').innerText.includes('Nothing to show')")
    assert await page.js("location.href") == address  # no secret is left in it

    home.run("push", "ct.npy", "--to", session["id"])  # appears by itself
    front, number = await sharp(page, 0)
    assert front.max() > 150 and (front == 0).mean() > 0.3, front
    assert await page.js("document.querySelector('#s-step').innerText") == "0"
    assert "256 × 256 × %d" % array.shape[0] in await page.js("document.querySelector('#about-volume').innerText")

    await page.drag("#picture", 200, 30)
    turned, number = await sharp(page, number)
    assert np.abs(turned - front).mean() > 5, np.abs(turned - front).mean()

    outside = await browser.page(apart=True)  # the link is used up
    await outside.go(session["url"])
    await outside.until("document.querySelector('#message').innerText.includes('used already')")
    assert await outside.js("document.querySelector('#work').hidden")
    await outside.go("about:blank")
    await outside.go(address)
    await outside.until("document.querySelector('#message').innerText.includes('needs the link')")
    await outside.close()

    home.run("stop", session["id"])
    await page.until("document.querySelector('#message').innerText.includes('stopped')")
    assert all(request.startswith((address, address.replace("http", "ws"), "blob:" + address)) and token not in request
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
