# SPDX-License-Identifier: BSD-3-Clause
"""JPEG pictures as a film: MP4 (H.264) where there is ffmpeg, else AVI with a picture a frame, which most players and
Fiji read."""
import asyncio
import os
import shutil
import struct

LIMIT = 120  # seconds that ffmpeg may take


async def encode(pictures, rate, folder):
    """The bytes of an MP4 file, or None where there is no ffmpeg that makes one."""
    program = shutil.which("ffmpeg")
    if program is None:
        return None
    path = os.path.join(folder, "film.mp4")
    process = await asyncio.create_subprocess_exec(
        program, "-loglevel", "error", "-f", "image2pipe", "-c:v", "mjpeg", "-framerate", str(rate), "-i", "-",
        "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "18", "-preset", "veryfast", "-movflags", "+faststart", path,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
    try:
        await asyncio.wait_for(process.communicate(b"".join(pictures)), LIMIT)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
    if process.returncode != 0 or not os.path.exists(path):
        return None
    with open(path, "rb") as stream:
        return stream.read()


def chunk(name, *parts):
    data = b"".join(parts)
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def to_avi(pictures, size, rate):
    """JPEG pictures of one size as the frames of an AVI file with its index (RIFF, Video for Windows)."""
    width, height = size
    largest = max(map(len, pictures))
    main = struct.pack("<14I", 1000000 // rate, largest * rate, 0, 0x10, len(pictures), 0, 1, largest, width, height,
                       0, 0, 0, 0)
    stream = b"vidsMJPG" + struct.pack("<IHHIIIIIIIIhhhh", 0, 0, 0, 0, 1, rate, 0, len(pictures), largest, 0xffffffff, 0,
                                       0, 0, width, height)
    kind = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", 3 * width * height, 0, 0, 0, 0)
    header = chunk(b"LIST", b"hdrl", chunk(b"avih", main),
                   chunk(b"LIST", b"strl", chunk(b"strh", stream), chunk(b"strf", kind)))
    index, at = [], 4
    for picture in pictures:
        index.append(b"00dc" + struct.pack("<III", 0x10, at, len(picture)))
        at += 8 + len(picture) + len(picture) % 2
    frames = chunk(b"LIST", b"movi", *(chunk(b"00dc", picture) for picture in pictures))
    return chunk(b"RIFF", b"AVI ", header, frames, chunk(b"idx1", *index))
