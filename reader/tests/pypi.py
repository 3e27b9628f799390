# SPDX-License-Identifier: BSD-3-Clause
"""Packages of PyPI in a folder of their own, with the system's Python and what that has."""

import os
import subprocess
import sys


def python_with(folder, packages, module):
    """A Python in folder that imports module; None where the packages can't be had."""
    python = os.path.join(folder, "bin", "python")

    def runs(command):
        try:
            return subprocess.run(command, capture_output=True, timeout=300).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False

    wanted = [python, "-c", "import " + module]
    if runs(wanted):
        return python
    for command in ([sys.executable, "-m", "venv", "--system-site-packages", folder],
                    [python, "-m", "pip", "install", "--quiet", "--no-deps", *packages], wanted):
        if not runs(command):
            return None
    return python
