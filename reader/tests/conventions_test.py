#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The inspector: what files of each convention show, first and where.

    conventions_test.py PROBE"""

import json
import os
import sys
import tempfile
import time

import h5py
import numpy as np

from probe import Probe


def values(*shape):
    return np.arange(np.prod(shape), dtype="u4").reshape(shape)


def first(probe, path, *options):
    """The most likely volume, and the list: the same whether the trial's process or this one looked."""
    probe.ask("open", path, *(options or [""]), "trusted")
    own = probe.ask("info")
    probe.ask("open", path, *options)
    info = probe.ask("info")
    assert info == own, (info, own)
    return info["volumes"][0], info


def read(probe, folder, dataset, dtype, **options):
    out = os.path.join(folder, "out.raw")
    answer = probe.ask("read", out, dataset, **options)
    e = answer["extent"]
    shape = [e[5] - e[4] + 1, e[3] - e[2] + 1, e[1] - e[0] + 1]
    return np.fromfile(out, dtype).reshape(shape + ([answer["components"]] if answer["components"] > 1 else []))


def nexus(folder, probe):
    path = os.path.join(folder, "nexus.nxs")
    with h5py.File(path, "w") as f:
        f.attrs["default"] = "scan"
        for entry in ("aaa", "scan"):
            g = f.create_group(entry)
            g.attrs.update(NX_class="NXentry", default="plot")
            d = g.create_group("plot")
            d.attrs.update(NX_class="NXdata", signal="density", axes=["height", ".", "x"])
            d["density"] = values(4, 5, 6)
            d["x"] = np.arange(6) * 2e-6 + 1e-6
            d["x"].attrs["units"] = "m"
            d["height"] = np.arange(4) * 0.003
            d["height"].attrs["units"] = "mm"
        f["larger"] = values(30, 30, 30)
        f["scan/again"] = h5py.SoftLink("/scan/plot/density")
        f["scan/hard"] = f["scan/plot/density"]
    v, info = first(probe, path)
    assert v["path"] == "/scan/plot/density" and v["convention"] == "NXdata", v
    assert v["unit"] == "um" or v["unit"] == "m", v
    scale = 1e6 if v["unit"] == "m" else 1
    # y is not known: like the others; z is given in mm
    assert np.allclose(np.array(v["spacing"]) * scale, [2, 2, 3]), v
    assert np.allclose(np.array(v["origin"]) * scale, [1, 0, 0]), v
    assert [x["path"] for x in info["volumes"]].count("/scan/hard") == 0, "a dataset is listed once"
    assert probe.ask("find", "/scan/again")["index"] == 0
    assert probe.ask("find", "/scan/hard")["index"] == 0
    # an old file: signal and axes on the dataset
    with h5py.File(path, "w") as f:
        d = f.create_group("entry1/data")
        f["entry1"].attrs["NX_class"], d.attrs["NX_class"] = "NXentry", "NXdata"
        d["counts"] = values(3, 4, 5)
        d["counts"].attrs["signal"] = 1
        d["counts"].attrs["axes"] = "z:y:x"
        for name, n in zip("zyx", (3, 4, 5)):
            d[name] = np.arange(n) * 0.5
            d[name].attrs["units"] = np.bytes_("millimeter")
    v, _ = first(probe, path)
    assert v["path"] == "/entry1/data/counts" and v["unit"] == "mm" and v["spacing"] == [0.5] * 3, v
    print("NeXus, new and old")


def tomography(folder, probe):
    path = os.path.join(folder, "scan.nxs")
    key = np.array([1, 2, 0, 0, 1, 0, 3, 0, 2])
    data = values(9, 4, 5).astype("u2")
    with h5py.File(path, "w") as f:
        f.attrs["default"] = "entry"
        f.create_group("entry").attrs.update(NX_class="NXentry", default="data", definition="NXtomo")
        d = f.create_group("entry/instrument/detector")
        d["data"], d["image_key"] = data, key
        d["x_pixel_size"] = 6.5e-6
        d["x_pixel_size"].attrs["units"] = "m"
        n = f.create_group("entry/data")
        n.attrs.update(NX_class="NXdata", signal="data")
        n["data"] = h5py.SoftLink("/entry/instrument/detector/data")
    v, info = first(probe, path)
    names = [x["path"].split(" ")[-1] for x in info["volumes"]]
    assert names[:3] == ["[projections]", "[flats]", "[darks]"] and v["size"] == [5, 4, 4], info
    assert v["unit"] == "m" and np.allclose(v["spacing"], 6.5e-6), v
    for kind, number in (("projections", 0), ("flats", 1), ("darks", 2)):
        got = read(probe, folder, f"/entry/instrument/detector/data [{kind}]", "u2")
        assert np.array_equal(got, data[key == number]), kind
    got = read(probe, folder, v["path"], "u2", region=[0, 5, 0, 4, 1, 4], stride=[1, 1, 2])
    assert np.array_equal(got, data[key == 0][1:4:2])
    print("scans with an image key")


def other_conventions(folder, probe):
    path = os.path.join(folder, "other.h5")
    with h5py.File(path, "w") as f:  # APS Data Exchange
        f["exchange/data"], f["exchange/data_white"] = values(6, 4, 5), values(2, 4, 5)
        f["exchange/data"].attrs["axes"] = "theta:y:x"
        f["exchange/theta"] = np.arange(6.0)
        f["measurement/instrument/detector/pixel_size"] = 1.3
        f["measurement/instrument/detector/pixel_size"].attrs["units"] = "microns"
        f["process/other"] = values(50, 50, 50)
    v, info = first(probe, path)
    assert v["path"] == "/exchange/data" and v["unit"] == "um" and v["spacing"][0] == 1.3, v
    with h5py.File(path, "a") as f:  # a detector behind a lens, as APS' scans have it
        f["measurement/instrument/detection_system/objective/magnification"] = [5.0]
    v, _ = first(probe, path)
    assert v["unit"] == "um" and np.isclose(v["spacing"][0], 1.3 / 5), v
    with h5py.File(path, "a") as f:
        f["measurement/instrument/detection_system/objective/resolution"] = [0.69]
    v, _ = first(probe, path)
    assert v["unit"] == "um" and v["spacing"] == [0.69] * 3, v
    with h5py.File(path, "w") as f:  # TomoCuPy: parts in files of their own
        for i in range(2):
            with h5py.File(path + f"_part{i}.h5", "w") as part:
                part.create_dataset("/exchange/recon", data=values(4, 5, 6)[2 * i:2 * i + 2], chunks=(1, 5, 6))
        layout = h5py.VirtualLayout((4, 5, 6), "u4")
        for i in range(2):
            layout[2 * i:2 * i + 2] = h5py.VirtualSource(path + f"_part{i}.h5", "/exchange/recon", (2, 5, 6))
        f.create_virtual_dataset("/exchange/recon", layout)
    v, _ = first(probe, path)
    assert v["path"] == "/exchange/recon" and v["convention"] == "Data Exchange", v
    assert np.array_equal(read(probe, folder, v["path"], "u4"), values(4, 5, 6))
    with h5py.File(path, "w") as f:  # tomopy-cli
        f.create_dataset("volume", data=values(4, 5, 6).astype("f4"), fillvalue=np.nan)
        f["theta"] = np.zeros((40, 50))
    v, _ = first(probe, path)
    assert v["path"] == "/volume", v
    with h5py.File(path, "w") as f:  # VTKHDF
        g = f.create_group("VTKHDF")
        g.attrs["Version"], g.attrs["Type"] = (1, 0), np.bytes_("ImageData")
        g.attrs["WholeExtent"], g.attrs["Origin"], g.attrs["Spacing"] = (2, 6, 0, 3, 0, 2), (1.0, 2.0, 3.0), (0.5, 1, 2)
        g["PointData/flow"] = np.zeros((3, 4, 5, 2), "f4")
        g["CellData/phase"] = values(2, 3, 4)
    v, info = first(probe, path)
    flow = [x for x in info["volumes"] if x["path"].endswith("flow")][0]
    assert flow["components"] == 2 and flow["origin"] == [2, 2, 3] and flow["spacing"] == [0.5, 1, 2], flow
    phase = [x for x in info["volumes"] if x["path"].endswith("phase")][0]
    assert phase["origin"] == [2.25, 2.5, 4], phase
    with h5py.File(path, "w") as f:  # nabu
        f.attrs["default"] = "entry0000"
        e = f.create_group("entry0000")
        e.attrs.update(NX_class="NXentry", default="/entry0000/reconstruction/results")
        r = e.create_group("reconstruction/results")
        r.attrs.update(NX_class="NXdata", signal="data")
        r["data"] = values(4, 5, 6).astype("f4")
        e["reconstruction/configuration/processing_options/reconstruction/voxel_size_cm"] = [0.0003, 0.0001, 0.0001]
    v, _ = first(probe, path)
    assert v["convention"] == "nabu" and v["unit"] == "um" and np.allclose(v["spacing"], [1, 1, 3]), v
    with h5py.File(path, "a") as f:  # before 2023
        options = f["entry0000/reconstruction/configuration/processing_options/reconstruction"]
        del options["voxel_size_cm"]
        options["pixel_size_cm"] = 0.0002
    v, _ = first(probe, path)
    assert v["convention"] == "nabu" and v["unit"] == "um" and np.allclose(v["spacing"], 2), v
    savu(folder, probe)
    cil(folder, probe)
    for name in ("recon", "rec", "reconstruction", "vol"):  # scripts with ASTRA: arrays are [z][y][x]
        with h5py.File(path, "w") as f:
            f["angles"], f["geometry"], f["projections"] = np.arange(5.0), np.zeros((5, 12)), values(5, 4, 3)
            f["sinogram"] = values(4, 5, 3)
            f[name] = values(6, 7, 8)
        v, _ = first(probe, path)
        assert v["path"] == "/" + name and v["size"] == [8, 7, 6], v
    with h5py.File(path, "w") as f:
        f["data"], f["angles"], f["data_dims/detector_x_y"] = values(3, 4, 5), np.arange(3), [5, 4]
        f["unrelated"] = values(20, 20, 20)
    v, _ = first(probe, path)
    assert v["path"] == "/data" and v["convention"] == "HTTomo" and v["size"] == [5, 4, 3], v
    with h5py.File(path, "w") as f:  # a reconstruction: the detector's rows lie in the middle
        f["data"], f["angles"], f["data_dims/detector_x_y"] = values(5, 4, 5), np.arange(3), [5, 4]
        f["out.h5"] = [0, 0]
    v, _ = first(probe, path)
    assert v["dimensions"] == ["y", "z", "x"] and v["size"] == [5, 5, 4], v
    assert np.array_equal(read(probe, folder, "/data", "u4"), values(5, 4, 5).transpose(1, 0, 2))
    print("Data Exchange, TomoCuPy, tomopy-cli, VTKHDF, nabu, Savu, CIL, HTTomo, scripts")


def savu(folder, probe):
    """As Savu's base_transport.py, hdf5_utils.py and base_recon.py write it: the volume in a file beside, linked by a
    name that is relative; metadata in groups that are called NXdata, too; units that are no lengths."""
    path, beside = os.path.join(folder, "scan_processed.nxs"), os.path.join(folder, "tomo_p2_astra_recon_cpu.h5")
    data = values(4, 5, 6).astype("f4")
    with h5py.File(beside, "w") as f:
        g = f.create_group("2-AstraReconCpu-tomo")
        g.attrs.update(NX_class="NXdata", signal="data")
        g.create_dataset("data", data=data, chunks=(1, 5, 6))
    with h5py.File(path, "w") as f:
        f.create_group("entry").attrs["NX_class"] = "NXentry"
        for group, axes, units, target in (
                ("entry/final_result_tomo", ["voxel_x", "voxel_y", "voxel_z"], "voxels",
                 (os.path.basename(beside), "2-AstraReconCpu-tomo/data")),
                ("entry/input_data/tomo", ["rotation_angle", "detector_y", "detector_x"], "pixel",
                 ("/nowhere/raw.nxs", "/entry1/tomo_entry/data/data"))):
            g = f.create_group(group)
            g.attrs.update(NX_class="NXdata", signal="data", axes=axes)
            for i, (axis, count) in enumerate(zip(axes, data.shape)):
                g[axis] = np.arange(count)
                g[axis].attrs["units"] = units
                g.attrs[axis + "_indices"] = i
            g["data"] = h5py.ExternalLink(*target)
            m = g.create_group("meta_data")
            m.attrs["NX_class"] = "NXcollection"
            k = m.create_group("rotation_angle")
            k.attrs["NX_class"] = "NXdata"
            k["rotation_angle"] = np.linspace(0, 180, 91)
            p = g.create_group("patterns/VOLUME_XZ")
            p.attrs["NX_class"] = "NXparameters"
            p["core_dims"], p["slice_dims"] = [0, 2], [1]
    v, info = first(probe, path)
    assert v["path"] == "/entry/final_result_tomo/data" and v["dimensions"] == ["x", "y", "z"], v
    assert v["size"] == [4, 5, 6] and v["unit"] == "", v
    assert np.array_equal(read(probe, folder, v["path"], "f4"), data.transpose(2, 1, 0))
    assert len(info["missing"]) == 1 and "/nowhere/raw.nxs" in info["missing"][0], info["missing"]
    v, _ = first(probe, beside)
    assert v["path"] == "/2-AstraReconCpu-tomo/data" and v["convention"] == "NXdata", v
    os.remove(beside)
    with h5py.File(path, "a") as f:  # a scan in time, in the file itself
        del f["entry/final_result_tomo"]
        g = f.create_group("entry/final_result_tomo")
        g.attrs.update(NX_class="NXdata", signal="data", axes=["voxel_x", "voxel_y", "voxel_z", "scan"])
        g["data"] = values(4, 5, 6, 3)
    v, _ = first(probe, path)
    assert v["dimensions"] == ["x", "y", "z", "time"] and v["times"] == 3, v
    assert np.array_equal(read(probe, folder, v["path"], "u4", time=2), values(4, 5, 6, 3)[..., 2].transpose(2, 1, 0))


def cil(folder, probe):
    """As CIL's NEXUSDataWriter.py writes it: no NXdata, labels and sizes as attributes of the dataset."""
    path = os.path.join(folder, "cil.nxs")
    with h5py.File(path, "w") as f:
        f.create_group("entry1/tomo_entry").attrs["NX_class"] = "NXentry"
        d = f.create_dataset("entry1/tomo_entry/data/data", data=values(4, 5, 6).astype("f4"))
        d.attrs.update(data_type="ImageData", dim0="horizontal_y", dim1="vertical", dim2="horizontal_x")
        for axis, count, size, centre in zip("xyz", (6, 4, 5), (0.5, 0.25, 2), (0, 1, 0)):
            d.attrs.update({"voxel_num_" + axis: count, "voxel_size_" + axis: size, "center_" + axis: centre})
    v, _ = first(probe, path)
    assert v["convention"] == "CIL" and v["dimensions"] == ["y", "z", "x"] and v["size"] == [6, 4, 5], v
    assert v["spacing"] == [0.5, 0.25, 2] and v["origin"] == [-1.25, 0.625, -4], v
    assert np.array_equal(read(probe, folder, v["path"], "f4"), values(4, 5, 6).transpose(1, 0, 2))
    with h5py.File(path, "w") as f:
        d = f.create_dataset("entry1/tomo_entry/data/data", data=values(3, 4, 5, 6).astype("f4"))
        d.attrs.update(data_type="AcquisitionData", dim0="channel", dim1="angle", dim2="vertical", dim3="horizontal",
                       pixel_size_h=0.1, pixel_size_v=0.2)
    v, _ = first(probe, path)
    assert v["dimensions"] == ["channel", "z", "y", "x"] and v["channels"] == 3 and v["spacing"][:2] == [0.1, 0.2], v


def dimensions(folder, probe):
    path = os.path.join(folder, "dims.h5")
    five = values(2, 3, 4, 5, 6)
    with h5py.File(path, "w") as f:
        f["five"] = five
        f["ome"] = five
        f["ome"].attrs["axes"] = "ctzyx"
        f["colour"] = values(12, 15, 3).astype("u1")
        f["film"] = values(4, 12, 15, 3).astype("u1")
        f["two"] = values(12, 15)
        d = f.create_group("energies")
        d.attrs.update(NX_class="NXdata", signal="xanes", axes=["energy", "z", "y", "x"])
        d["xanes"], d["energy"] = values(3, 4, 5, 6), [7.1, 7.2, 7.3]
        d = f.create_group("film in time")
        d.attrs.update(NX_class="NXdata", signal="flow", axes=["time", "z", "y", "x"])
        d["flow"], d["time"] = values(3, 4, 5, 6), [0.5, 1.5, 4.0]
    probe.ask("open", path)
    by_path = {v["path"]: v for v in probe.ask("info")["volumes"]}
    assert by_path["/five"]["times"] == 2 and by_path["/five"]["channels"] == 3, by_path["/five"]
    assert by_path["/ome"]["times"] == 3 and by_path["/ome"]["channels"] == 2, by_path["/ome"]
    assert by_path["/colour"]["components"] == 3 and by_path["/colour"]["size"] == [15, 12, 1], by_path["/colour"]
    assert by_path["/film"]["size"] == [15, 12, 4] and by_path["/two"]["size"] == [15, 12, 1]
    assert by_path["/energies/xanes"]["channels"] == 3 and by_path["/energies/xanes"]["times"] == 1
    assert by_path["/film in time/flow"]["time_values"] == [0.5, 1.5, 4.0], by_path["/film in time/flow"]
    assert np.array_equal(read(probe, folder, "/five", "u4", time=1, channel=2), five[1, 2])
    assert np.array_equal(read(probe, folder, "/ome", "u4", time=1, channel=1), five[1, 1])
    assert np.array_equal(read(probe, folder, "/film", "u1", region=[2, 9, 1, 12, 1, 3], stride=[2, 3, 1]),
                          values(4, 12, 15, 3).astype("u1")[1:3, 1:12:3, 2:9:2])
    assert np.array_equal(read(probe, folder, "/two", "u4")[0], values(12, 15))
    probe.ask("open", path, "c,t,z,y,x")
    assert np.array_equal(read(probe, folder, "/five", "u4", time=2, channel=1), five[1, 2])
    probe.ask("open", path, "z,t,y,x")  # the file's times are not those of the dimension that the user calls time
    flow = [v for v in probe.ask("info")["volumes"] if v["path"] == "/film in time/flow"][0]
    assert flow["times"] == 4 and not flow.get("time_values"), flow
    print("times, channels, colours")


def links(folder, probe):
    """Virtual, external and compact datasets, links into other files."""
    data = values(8, 5, 6).astype("u2")
    for i in range(2):
        with h5py.File(os.path.join(folder, f"part{i}.h5"), "w") as f:
            f.create_dataset("frames", data=data[4 * i:4 * i + 4], chunks=(1, 5, 6), compression="gzip")
    path = os.path.join(folder, "links.h5")
    with h5py.File(path, "w") as f:
        layout = h5py.VirtualLayout((12, 5, 6), "u2")
        for i in range(3):  # the third part is missing
            layout[4 * i:4 * i + 4] = h5py.VirtualSource(f"part{i}.h5", "frames", (4, 5, 6))
        f.create_virtual_dataset("virtual", layout, fillvalue=9)
        f["other"] = h5py.ExternalLink("part1.h5", "/frames")
        f.create_dataset("raw", (8, 5, 6), "u2", external=[(os.path.join(folder, "raw.bin"), 0, 480)])
        f["raw"][...] = data
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((4, 5, 6))
        h5py.h5d.create(f.id, b"compact", h5py.h5t.NATIVE_UINT16, space, properties).write(
            h5py.h5s.ALL, h5py.h5s.ALL, data[:4].copy())
    with h5py.File(path) as f:
        virtual = f["virtual"][()]
    probe.ask("open", path)
    info = probe.ask("info")
    assert np.array_equal(virtual[8:], np.full((4, 5, 6), 9)), "h5py itself"
    assert np.array_equal(read(probe, folder, "/virtual", "u2"), virtual)
    assert np.array_equal(read(probe, folder, "/virtual", "u2", region=[1, 5, 0, 5, 2, 9], stride=[2, 1, 3]),
                          virtual[2:9:3, 0:5, 1:5:2])
    assert np.array_equal(read(probe, folder, "/other", "u2"), data[4:])
    assert np.array_equal(read(probe, folder, "/raw", "u2"), data)
    assert np.array_equal(read(probe, folder, "/compact", "u2"), data[:4])
    assert any("part2.h5" in sentence for sentence in info["missing"]), info["missing"]
    print("virtual, external, compact, linked")


def odd_types(folder, probe):
    """Numbers of unusual layout pass through the HDF5 library."""
    path = os.path.join(folder, "odd.h5")
    data = (values(3, 4, 5) % 500).astype("i4")
    with h5py.File(path, "w") as f:
        space = h5py.h5s.create_simple(data.shape)
        twelve = h5py.h5t.STD_U16BE.copy()
        twelve.set_precision(12)
        twelve.set_offset(3)
        three = h5py.h5t.STD_I32LE.copy()
        three.set_precision(24)
        three.set_size(3)
        for name, dtype in (("twelve", twelve), ("three", three)):
            h5py.h5d.create(f.id, name.encode(), dtype, space).write(h5py.h5s.ALL, h5py.h5s.ALL, data)
        f.create_dataset("scaled", data=data, chunks=(1, 4, 5), scaleoffset=0)
        f.create_dataset("szip", data=data.astype("u2"), chunks=(1, 4, 5))
        f["long"] = data.astype("f16")
        f["bits"] = data.astype("f4")
    probe.ask("open", path)
    for name, dtype in (("twelve", "u2"), ("three", "i4"), ("scaled", "i4"), ("long", "f8")):
        assert np.array_equal(read(probe, folder, "/" + name, dtype), data), name
    print("odd numbers")


def layouts(folder, probe_program):
    """A facility's own file, found by its layout."""
    path, layout = os.path.join(folder, "own.h5"), os.path.join(folder, "layouts", "own.json")
    os.mkdir(os.path.dirname(layout))
    with h5py.File(path, "w") as f:
        f["scan7/result/vol"] = values(4, 5, 6)
        f["scan7/pitch"] = 0.65
        f["scan7/result/vol"].attrs["step"] = 1.5
        f["much_larger"] = values(40, 40, 40)
    with open(layout, "w") as f:
        json.dump({"name": "Beamline 7", "volumes": [
            {"path": "/scan*/result/vol", "dimensions": "y,z,x", "unit": "um", "name": "absorption",
             "spacing": {"x": "/scan7/pitch", "y": "/scan7/result/vol@step", "z": 2}, "origin": {"z": -3}}]}, f)
    environment = dict(os.environ, BEAMCAST_LAYOUTS=os.path.dirname(layout))
    with Probe(probe_program, environment) as probe:
        v, info = first(probe, path)
        assert v["path"] == "/scan7/result/vol" and v["convention"] == "Beamline 7" and v["name"] == "absorption", v
        assert v["spacing"] == [0.65, 1.5, 2] and v["origin"] == [0, 0, -3] and v["unit"] == "um", v
        assert np.array_equal(read(probe, folder, v["path"], "u4"), values(4, 5, 6).transpose(1, 0, 2))
        with open(layout, "w") as f:
            f.write("{ no json")
        _, info = first(probe, path)
        assert "own.json" in info["missing"][0], info["missing"]
    print("layout files")


def many_datasets(folder, probe):
    path = os.path.join(folder, "many.h5")
    with h5py.File(path, "w") as f:
        for i in range(100):
            g = f.create_group(f"group{i}")
            for k in range(100):
                g.create_dataset(f"d{k}", (4, 5, 6), "u2")
    best = 1e9
    for _ in range(3):
        best = min(best, probe.ask("open", path)["seconds"])
    assert len(probe.ask("info")["volumes"]) == 10000
    print(f"10000 datasets are listed in {best:.2f} s")


def scan(folder, probe):
    path = os.environ.get("BEAMCAST_SCAN", "")
    if not os.path.exists(path):
        print("skipped: the scan k11-18014.nxs (BEAMCAST_SCAN) is missing")
        return
    v, info = first(probe, path)
    assert v["path"].endswith("[projections]") and v["size"] == [26, 22, 3001], v
    with h5py.File(path) as f:
        keys, frames = f["entry/instrument/imaging/image_key"][()], f["entry/imaging/data"][()]
    assert np.array_equal(read(probe, folder, v["path"], "u2"), frames[keys == 0])
    files = {s.split(" ")[2] for s in info["missing"] if s.startswith("The file")}
    assert files == {"k11-18014/k11-18014-detectorPanda.h5", "k11-18014/k11-18014-EtherCAT.h5"}, info["missing"]
    print("the real scan")


def main():
    with tempfile.TemporaryDirectory() as folder, Probe(sys.argv[1]) as probe:
        for test in (nexus, tomography, other_conventions, dimensions, links, odd_types, many_datasets, scan):
            test(folder, probe)
        layouts(folder, sys.argv[1])


if __name__ == "__main__":
    main()
