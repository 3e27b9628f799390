# SPDX-License-Identifier: BSD-3-Clause
"""What users call an array becomes a NumPy array that the library can read, without a copy where it can."""
from typing import Any, Optional, Tuple

import numpy
from numpy.typing import NDArray

from .errors import ArgumentError

#: The types of voxels that can be sent.
TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")


def as_voxels(array: Any) -> NDArray[Any]:
    """The array as [z, y, x] or [z, y, x, component] of one of TYPES.

    It is a view of the caller's memory, in any stride order, but for: components that don't lie side by
    side, an array that repeats a single value (numpy.broadcast_to), and truth values other than 0 and 1.
    Those are copied.
    """
    voxels = _as_ndarray(array)
    if voxels.dtype == numpy.bool_:
        voxels = _bytes_of_truth(voxels)
    _check_type(voxels.dtype)
    if voxels.ndim == 2:
        raise ArgumentError("put needs [z, y, x]; a single slice is array[numpy.newaxis]")
    if voxels.ndim not in (3, 4):
        raise ArgumentError(f"put needs [z, y, x] or [z, y, x, component], not {voxels.ndim} axes")
    if voxels.ndim == 4 and not 1 <= voxels.shape[3] <= 4:
        raise ArgumentError(f"a voxel has 1 to 4 components, not {voxels.shape[3]}; the last axis counts them")
    if not _readable(voxels):
        voxels = numpy.ascontiguousarray(voxels)
    return voxels


def as_points(xyz: Any, values: Any) -> Tuple[NDArray[Any], Optional[NDArray[Any]]]:
    """Places (n, 3) and, where there are some, n values, both of one of TYPES and contiguous."""
    places = _as_ndarray(xyz)
    _check_type(places.dtype)
    if places.ndim != 2 or places.shape[1] != 3 or places.shape[0] == 0:
        raise ArgumentError(f"points are an array (n, 3) of x, y and z, not {places.shape}")
    if values is None:
        return numpy.ascontiguousarray(places), None
    numbers = _as_ndarray(values)
    _check_type(numbers.dtype)
    if numbers.shape != places.shape[:1]:
        raise ArgumentError(f"{places.shape[0]} points have as many values, not {numbers.shape}")
    return numpy.ascontiguousarray(places), numpy.ascontiguousarray(numbers)


def _as_ndarray(array: Any) -> NDArray[Any]:
    if isinstance(array, numpy.ma.MaskedArray):
        raise ArgumentError("a masked array can't be sent; give the masked voxels a value: array.filled(0)")
    if isinstance(array, numpy.ndarray):
        return numpy.asarray(array)
    try:
        return numpy.asarray(memoryview(array))
    except (TypeError, BufferError, ValueError):
        pass
    if hasattr(array, "__dlpack__"):
        try:
            return numpy.from_dlpack(array)
        except (TypeError, BufferError, RuntimeError, ValueError) as error:
            raise ArgumentError(
                f"the array of {type(array).__name__} can't be read in place ({error}); it must be in this "
                f"host's memory and of a type that NumPy knows") from error
    if hasattr(array, "__array__") or hasattr(array, "__array_interface__"):
        return numpy.asarray(array)
    raise ArgumentError(f"put needs an array (NumPy, buffer protocol or DLPack), not {type(array).__name__}")


def _bytes_of_truth(voxels: NDArray[Any]) -> NDArray[Any]:
    """True is 1 to whoever looks at it, though a bool made from other memory may hold any byte."""
    view = voxels.view(numpy.uint8)
    if view.size > 0 and view.max() > 1:
        view = (view != 0).view(numpy.uint8)
    return view


def _check_type(dtype: numpy.dtype[Any]) -> None:
    if dtype.kind == "O":
        raise ArgumentError("an array of Python objects has no voxels; convert it, such as "
                            "array.astype('float32')")
    if not dtype.isnative:
        raise ArgumentError(f"voxels are in the other byte order ({dtype.str}); convert them: "
                            f"array.astype('{dtype.name}')")
    if dtype.name not in TYPES:
        raise ArgumentError(f"voxels of type {dtype} can't be sent; convert them to one of "
                            f"{', '.join(TYPES)}, such as array.astype('{_nearest(dtype)}')")


def _nearest(dtype: numpy.dtype[Any]) -> str:
    return {"i": "int32", "u": "uint32"}.get(dtype.kind, "float32")


def _readable(voxels: NDArray[Any]) -> bool:
    interleaved = voxels.ndim == 3 or voxels.shape[3] == 1 or voxels.strides[3] == voxels.itemsize
    repeats_one = voxels.size > 1 and not any(voxels.strides[:3])
    return interleaved and not repeats_one
