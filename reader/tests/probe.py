# SPDX-License-Identifier: BSD-3-Clause
"""Talks to volume_probe, which reads with the library under test in a process of its own."""

import json
import subprocess


class ProbeError(Exception):
    def __init__(self, line):
        _, code, self.sentence = line.split(" ", 2)
        self.code = int(code)
        super().__init__(line)


class Probe:
    def __init__(self, program, environment=None, words=()):
        """words: a command that runs the program."""
        self.process = subprocess.Popen([*words, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(60) == 0, "the probe crashed"

    def ask(self, *words, **options):
        words = [str(w) for w in words]
        for key, value in options.items():
            words.append(f"{key}={','.join(repr(v) for v in value) if isinstance(value, (list, tuple)) else value}")
        self.process.stdin.write(("\t".join(words) + "\n").encode("utf-8", "surrogateescape"))
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode("utf-8", "replace")
        if line.startswith("error"):
            raise ProbeError(line.strip())
        assert line, f"the probe crashed at {words}"
        return json.loads(line)


def skip_names(text):
    """A part was left out: said once, the rest passed."""
    print("skipped:", text)
