# SPDX-License-Identifier: BSD-3-Clause
"""What test_page.py tries of the page beside its main way: free slice, colours by hand, labels, points, film."""
import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import types

import h5py
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
for folder in ("web/beamcast_web", "viewer"):
    sys.path.insert(0, os.path.join(ROOT, folder))
import drawing  # noqa: E402
import film  # noqa: E402
import way  # noqa: E402

FREE = "document.querySelector('#free').dataset"
POINTS = """
import sys, numpy, beamcast
rows = numpy.random.default_rng(5).uniform((58, 58, -50), (180, 180, -8), (20000, 3)).astype("f4")
with beamcast.connect(sys.argv[1], name="points") as stream:
    stream.begin_step(0)
    for name, values in zip(("x", "y", "z", "size"), (*rows.T, rows[:, 0])):
        stream.put(numpy.ascontiguousarray(values).reshape(-1, 1, 1), name=name)
    stream.end_step()
    stream.wait()
"""


def text(selector):
    return "document.querySelector(%s).innerText" % json.dumps(selector)


async def unfold(page, title):
    await page.js("[...document.querySelectorAll('details')].find(d => d.innerText.startsWith(%s)).open = true"
                  % json.dumps(title))


async def cameras(page):
    """Only the newest camera is sent: one that waits is forgotten when another one comes, and few are under way at once."""
    said = await page.js("""(async () => {
      const { Cameras } = await import(new URL('cameras.js', location.href)), sent = [], said = [];
      const cameras = new Cameras((camera, turn) => sent.push([camera.azimuth, turn]));
      const put = (azimuth) => cameras.put({ azimuth });
      cameras.picture({ turn: null, seconds: 1000, sharp: false });
      for (const azimuth of [1, 2, 3, 4]) put(azimuth);
      said.push(sent.map(one => one[0]));
      said.push(cameras.settled);
      cameras.picture({ turn: sent[0][1], seconds: 1000, sharp: false });
      said.push(sent.map(one => one[0]));
      put(5);
      cameras.picture({ turn: ['another', 9], seconds: 0.001, sharp: false });
      said.push(sent.map(one => one[0]));
      for (let i = 6; cameras.sent - cameras.answered < 8; i++) {
        put(i);
        await new Promise(done => setTimeout(done, 4));
      }
      const full = sent.length;
      await new Promise(done => setTimeout(done, 60));
      for (const azimuth of [997, 998, 999]) put(azimuth);
      said.push(sent.length - full);
      cameras.picture({ turn: sent.at(-1)[1], seconds: 1000, sharp: false });
      said.push(sent.at(-1)[0]);
      cameras.picture({ turn: sent.at(-1)[1], seconds: 1, sharp: true });
      said.push(cameras.settled);
      return said; })()""")
    assert said == [[1], False, [1, 4], [1, 4, 5], 0, 999, True], said


def pictures_on_the_way():
    """As many as fill the way, however long; two where it is short, or narrow. A coarse one is followed by a sharp one,
    however long it has taken."""
    for moved, sharp, watched, wanted in ((0.0, False, True, 0.0), (0.0, False, False, None), (0.0, True, True, None)):
        state = types.SimpleNamespace(_moved=moved, _sharp=sharp, _watched=lambda watched=watched: watched)
        assert drawing.Drawing._until_sharp(state) == wanted, (sharp, watched)

    def after(took, apart):
        one, now = way.Way(), 0.0
        for _ in range(40):
            while one.free():
                one.leaves(now - took)
            now += apart
            one._left[0] = now - took
            one.arrived(now)
        return one.most
    assert [after(*times) for times in ((0.01, 0.1), (0.09, 0.05), (0.09, 0.025), (9.0, 0.01))] == [2, 3, 5, 6]


async def free_slice(page, view, array, shoot):
    """A plane that lies as it will: straight ones have the voxels' own values, and dragging turns it. Beside it the volume
    is seen whole, though its view is higher than wide."""
    await page.click("#layout-free")
    narrow = (await view.settled()).reshape(24, 32)
    assert narrow[:, [0, -1]].max() < 4 and (narrow.max(axis=0) > 8).sum() > 16, narrow.max(axis=0)
    await page.until(FREE + ".sharp == 'true'")
    await page.js("document.querySelector('#free').focus()")
    for _ in range(6):  # from 30 degrees to facing the front, straight up
        await page.key("ArrowLeft", 37)
        await page.key("ArrowDown", 40)
    await page.until(FREE + ".sharp == 'true' && " + FREE + ".at == '0,0,0'")
    x, y = await page.place("#free")
    wanted = r"x (-?[\d.]+), y (-?[\d.]+), z (-?[\d.]+): (-?\d+)"
    for shift in (-40, 0, 35):
        await page.mouse("mouseMoved", x + shift, y + shift / 3)
        await page.until("/%s/.test(%s)" % (wanted, text("#about-free")))
        i, j, k, value = map(float, re.match(wanted, await page.js(text("#about-free"))).groups())
        assert j == 127.5, j
        around = array[int(k):int(k) + 2, 127:129, int(i):int(i) + 2]
        assert around.min() <= value <= around.max(), (i, j, k, value, around)
    await page.drag("#free", 75, 50)
    await page.until(FREE + ".sharp == 'true' && !%s.at.startsWith('0,')" % FREE)
    await page.mouse("mouseMoved", x, y)
    await shoot(page, "free")
    await page.click("#layout-volume")


async def by_hand(page, view):
    """The preset's points, one of them moved by keys; a preset begins anew."""
    before = await view.settled()
    await unfold(page, "Colours and opacity")
    count = await page.until("document.querySelectorAll('#curve circle').length")
    await page.js("document.querySelector('#curve circle[data-i=\"0\"]').focus()")
    for _ in range(20):
        await page.key("ArrowUp", 38)
    hazy = await view.changes(before)
    await page.until("document.querySelector('#preset').value == 'by hand'")
    await page.choose("#stop-colour", "#00ff00")
    green = await view.changes(hazy, 0.3)
    await page.click("#stop-add")
    await page.until("document.querySelectorAll('#curve circle').length == %d" % (count + 1))
    await page.choose("#preset", "bone")
    await view.changes(green)
    await page.until("document.querySelectorAll('#curve circle').length == %d" % count)
    await view.becomes(before)


async def labels(page, view, home, array, shoot):
    """A file's labels over the volume and its slices; those of another size are refused."""
    before = await view.settled()
    with h5py.File(os.path.join(home.path, "data", "labels.h5"), "w") as file:
        smooth = sum(np.roll(array, (z, y, x), (0, 1, 2)).astype("f4") for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1)) / 27
        soft = (smooth > 0) & (smooth < 80)
        tissue = file["tissue"] = soft.astype("u1") + 7 * (smooth > 250).astype("u1")
        file["small"] = np.zeros((5, 6, 7), "u1")
    await unfold(page, "Open a file")
    await page.choose("#search", "labels.h5")
    await page.until("document.querySelector('#files [data-path=\"data/labels.h5\"]') !== null")
    await page.click('#files [data-path="data/labels.h5"]')
    button = "document.querySelector('button[aria-label$=\"%s as labels\"]')"
    await page.until(button % "small" + " !== null")
    await page.js((button % "small") + ".click()")
    await page.until(text("#message") + ".includes('256 x 256 x 108')")
    await page.js((button % "tissue") + ".click()")
    await page.until("document.querySelector('#labels').value !== ''")
    over = await view.changes(before, 0.5)
    lit, changed = before.reshape(24, 32) > 60, np.abs(over - before).reshape(24, 32) > 3
    top = np.flatnonzero(lit.any(axis=1))[:2]  # they lie where the volume does, though their file says nothing of its voxels' size
    assert changed[top][lit[top]].mean() > 0.9, (top, lit[top].sum(), changed[top][lit[top]].mean())
    await page.click("#layout-slices")
    await page.choose("#at-z", "60")
    await page.until("document.querySelector('#slice-z').dataset.at == '60'")
    alone = soft[60] & ~soft[60, ::-1] & ~soft[60, :, ::-1]  # not where a mirror image has some
    row, column = (int(n) for n in np.argwhere(alone)[alone.sum() // 2])
    place = await page.js("""(() => { const c = document.querySelector('#slice-z'), r = c.getBoundingClientRect();
      const s = Math.min(r.width, r.height); return [r.x + (r.width - s) / 2 + s * %f, r.y + (r.height - s) / 2 + s * (1 - %f)]; })()"""
                          % ((column + 0.5) / 256, (row + 0.5) / 256))
    await page.mouse("mouseMoved", *place)
    await page.until(text("#about-z") + " == 'x %d, y %d, z 60: %d, label 1'" % (column, row, array[60, row, column]))
    await unfold(page, "Labels")
    await page.js("document.querySelector('#labels').scrollIntoView({block: 'center'})")
    await shoot(page, "labels")
    await free_labels(page, tissue)
    await page.click("#layout-volume")
    await page.choose("#labels", "")
    await page.choose("#search", "")
    await page.until("document.querySelector('#labels').value === ''")
    await view.becomes(before)


async def free_labels(page, tissue):
    """Labels on the free slice are the nearest voxels' own, never mixed."""
    await page.click("#layout-free")
    await page.js("document.querySelector('#free').focus()")
    await page.key("ArrowRight", 39)
    await page.until(FREE + ".sharp == 'true' && " + FREE + ".labels == 'true'")
    x, y = await page.place("#free")
    seen, wanted = set(), r"x ([\d.]+), y ([\d.]+), z ([\d.]+): -?[\d.]+, label (\d+)"
    for shift in range(-95, 100, 5):
        await page.mouse("mouseMoved", x + shift, y + shift / 7)
        said = re.fullmatch(wanted, await page.js(text("#about-free")))
        if said:
            place, label = [float(part) for part in said.groups()[:3]], int(said.group(4))
            assert label in (0, 1, 7), said.group(0)
            if all(abs(part % 1 - 0.5) > 0.1 for part in place):  # it is told to a tenth of a voxel
                assert label == tissue[tuple(round(part) for part in reversed(place))], said.group(0)
                seen.add(label)
    assert seen == {0, 1, 7}, seen


async def fingers(page):
    """Two fingers that part enlarge the volume; together they shift it."""
    x, y = await page.place("#picture")
    scale = "parseFloat(document.querySelector('#volume .scale').style.width) / parseFloat(%s)" % text("#volume .scale")
    before = await page.js(scale)
    for kind, places in (("touchStart", [(-40, 0), (40, 0)]), *(("touchMove", [(-40 - n, 0), (40 + n, 0)]) for n in (10, 20, 30, 40)),
                         *(("touchMove", [(-80, n), (80, n)]) for n in (20, 40, 60)), ("touchEnd", [])):
        await page.call("Input.dispatchTouchEvent", type=kind, touchPoints=[
            {"x": x + right, "y": y + down, "id": i} for i, (right, down) in enumerate(places)])
    await page.until("Math.abs(%s / %f - 2) < 0.01" % (scale, before))
    await page.until("document.querySelector('#picture').dataset.sharp == 'true' && document.querySelector('#picture').dataset.pan.split(',')[1] < -0.05")


async def points(page, view, home, environment, contact):
    """20,000 points below the volume, which can be hidden."""
    before = await view.settled()
    done = await asyncio.to_thread(subprocess.run, ["/usr/bin/python3", "-c", POINTS, contact], env=environment,
                                   cwd=home.path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    await view.changes(before)
    await unfold(page, "Points")
    await page.until("document.querySelector('#points-array').value == 'size' && %s.includes('20,000 points')" % text("#panel"))
    await page.click("#points-visible")
    await view.becomes(before)


async def movie(page, folder):
    """A film of one turn; and as it is made without ffmpeg."""
    jpeg = await page.js("""(() => { const c = document.createElement('canvas'); c.width = 64; c.height = 48;
      return [0, 1, 2].map(i => { c.getContext('2d').fillRect(10 * i, 5, 9, 9); return c.toDataURL('image/jpeg').split(',')[1]; }); })()""")
    avi = os.path.join(folder, "own.avi")
    with open(avi, "wb") as stream:
        stream.write(film.to_avi([base64.b64decode(one) for one in jpeg], (64, 48), 24))
    await page.choose("#film-seconds", "1")
    await page.click("#film")
    made = os.path.join(folder, "beamcast.mp4" if shutil.which("ffmpeg") else "beamcast.avi")
    for _ in range(900):
        if os.path.exists(made):
            break
        await asyncio.sleep(0.1)
    await page.until("document.querySelector('#film').innerText == 'Save a film'")
    with open(made, "rb") as stream:
        head = stream.read(12)
    assert head[4:8] == b"ftyp" or head[8:] == b"AVI ", head
    if shutil.which("ffprobe"):
        for path, count, size in ((made, 24, None), (avi, 3, (64, 48))):
            said = json.loads(subprocess.run(
                ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", path],
                check=True, capture_output=True, text=True).stdout)["streams"][0]
            assert int(said["nb_read_frames"]) == count and said["r_frame_rate"] == "24/1", said
            assert size is None or (said["width"], said["height"]) == size, said
    else:
        print("the film was not looked into: ffprobe is missing")
    os.remove(made)
    os.remove(avi)
