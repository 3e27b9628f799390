# SPDX-License-Identifier: BSD-3-Clause
"""The Slurm job that the session runs in, if it does: its state as Slurm says it, and when it ends."""
import asyncio
import os
import shutil
import time

EVERY = 30  # seconds between questions to Slurm
LIMIT = 10  # seconds that an answer may take


class Job:
    def __init__(self):
        self.number = os.environ.get("SLURM_JOB_ID")
        end = os.environ.get("SLURM_JOB_END_TIME", "")
        self._state, self._ends = "", int(end) if end.isdigit() else None  # no state before Slurm says one

    def state(self):
        return {"id": self.number, "state": self._state, "ends": self._ends} if self.number else None

    async def run(self):
        """Asks Slurm now and then. What it does not answer stays as it was known."""
        program = shutil.which("squeue")
        while self.number and program:
            try:
                process = await asyncio.create_subprocess_exec(
                    program, "-h", "-j", self.number, "-o", "%T %e", stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
                out, _ = await asyncio.wait_for(process.communicate(), LIMIT)
                said = out.decode(errors="replace").split()
                if process.returncode == 0 and said:
                    self._state = said[0].lower()
                    if len(said) > 1 and said[1][:1].isdigit():
                        self._ends = int(time.mktime(time.strptime(said[1], "%Y-%m-%dT%H:%M:%S")))
            except asyncio.TimeoutError:
                process.kill()
            except (OSError, ValueError):
                pass  # asked again
            await asyncio.sleep(EVERY)
