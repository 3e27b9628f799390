# SPDX-License-Identifier: BSD-3-Clause
"""A client with the plugin has colours made for CT in ParaView's list of presets, once, with opacities."""
import harness


def check():
    from paraview import servermanager, simple
    simple.LoadPlugin("Beamcast")
    presets = servermanager.vtkSMTransferFunctionPresets.GetInstance()
    names = [presets.GetPresetName(i) for i in range(presets.GetNumberOfPresets())]
    for name in ("CT grey", "CT bone", "CT rock", "CT soft matter", "CT labels"):
        assert names.count(name) == 1, (name, names.count(name))
    colours = simple.GetColorTransferFunction("volume")
    assert colours.ApplyPreset("CT bone", True)
    points = list(colours.RGBPoints)
    assert len(points) == 24 and points[-4:] == [1.0, 1.0, 0.99, 0.96], points
    opacity = simple.GetOpacityTransferFunction("volume")
    assert opacity.ApplyPreset("CT bone", True)
    opacities = list(opacity.Points)
    assert opacities[0:2] == [0.0, 0.0] and opacities[-4:-2] == [1.0, 0.95], opacities


def test():
    import os
    import subprocess
    import sys
    import tempfile
    with harness.Screen() as screen, tempfile.TemporaryDirectory() as home:
        for _ in range(2):  # the second finds what the first has left, and adds nothing
            env = harness.environment(screen, plugins=True, HOME=home, XDG_CONFIG_HOME=home)
            out = subprocess.run([sys.executable, sys.argv[0], "check"], env=env, text=True,
                                 capture_output=True, timeout=harness.LIMIT)
            assert out.returncode == 0, out.stdout + out.stderr


if __name__ == "__main__":
    harness.main({"check": check}, test)
