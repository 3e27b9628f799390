# SPDX-License-Identifier: BSD-3-Clause
"""docs/notebooks/quickstart.ipynb runs from top to end, and its session shows itself as a picture.

With the argument --write, what it shows is written into the notebook: after changes to it."""
import json
import os
import shutil
import sys
import tempfile

from harness import LIMIT, SERVER, skip

NOTEBOOK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "notebooks",
                        "quickstart.ipynb")
HOME = tempfile.mkdtemp(prefix="beamcast notebook ")


def prepare():
    """A home and a kernel of this Python, whatever others there are."""
    kernel = os.path.join(HOME, "jupyter", "kernels", "python3")
    os.makedirs(kernel)
    with open(os.path.join(kernel, "kernel.json"), "w") as stream:
        json.dump({"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                   "display_name": "Python 3", "language": "python"}, stream)
    os.environ.update(HOME=HOME, JUPYTER_PATH=os.path.join(HOME, "jupyter"), IPYTHONDIR=HOME,
                      PATH=os.path.dirname(SERVER) + os.pathsep + os.environ["PATH"])
    for name in ("DISPLAY", "XAUTHORITY", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "BEAMCAST_TOKEN"):
        os.environ.pop(name, None)


def texts(notebook):
    """What the cells showed, by kind."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for kind, text in output.get("data", {}).items():
                found.setdefault(kind, []).append(text)
    return found


def main():
    for program in ("Xvfb", "mpiexec"):
        if shutil.which(program) is None:
            skip(program + " is missing")
    if not os.path.exists(os.path.join(os.path.dirname(SERVER), "beamcast-viewer")):
        skip("beamcast-viewer was not built")
    try:
        import ipykernel  # noqa: F401
        import nbclient
        import nbformat
    except ImportError as missing:
        skip("%s is missing: python3-nbclient, python3-ipykernel" % missing.name)
    prepare()
    import beamcast
    notebook = nbformat.read(NOTEBOOK, 4)
    try:
        nbclient.NotebookClient(notebook, timeout=4 * LIMIT, startup_timeout=4 * LIMIT, kernel_name="python3",
                                resources={"metadata": {"path": HOME}}).execute()
    finally:
        for info in beamcast.sessions():
            beamcast.Session(info.id).stop()
        shutil.rmtree(HOME, ignore_errors=True)
    shown = texts(notebook)
    assert len([text for text in shown["text/html"] if "data:image/png;base64," in text]) == 2, shown.keys()
    assert "'running'" in shown["text/plain"] and "(480, 640, 4), dtype('uint8'))" in "".join(shown["text/plain"])
    assert "((64, 128, 64), True)" in shown["text/plain"], shown["text/plain"]
    if sys.argv[1:] == ["--write"]:
        for cell in notebook.cells:
            cell.metadata = {}
        nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
