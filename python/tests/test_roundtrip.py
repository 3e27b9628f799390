# SPDX-License-Identifier: BSD-3-Clause
"""What was put is what the server has: every type, stride order, kind of array, and the grid."""
import array as standard_array
import itertools

import numpy
from harness import Case, beamcast, main, numbers

SHAPE = (7, 5, 6)


class RoundTrip(Case):
    def setUp(self):
        super().setUp()
        self.stream = self.connect()
        self.step = 0

    def check(self, array, expected=None, **options):
        """Puts the array, fetches it, and compares type, shape and every voxel."""
        expected = array if expected is None else expected
        self.send(self.stream, self.step, array, **options)
        got, info = self.retrieve(return_info=True)
        self.assertEqual(info.step, self.step)
        self.assertEqual(got.dtype, expected.dtype)
        self.assertTrue(got.flags.c_contiguous and got.flags.writeable)
        numpy.testing.assert_array_equal(got, expected)
        self.step += 1
        return info

    def test_types(self):
        for dtype in beamcast.arrays.TYPES:
            with self.subTest(dtype):
                self.check(numbers(SHAPE, dtype))

    def test_waited_for(self):
        for step in range(30):
            array = numpy.full(SHAPE, step, "uint8")
            while not self.stream.begin_step(step):
                pass
            self.stream.put(array)
            self.assertTrue(self.stream.end_step() and self.stream.wait())
            got, info = self.retrieve(return_info=True)
            self.assertEqual((info.step, got.min(), got.max()), (step, step, step))

    def test_special_values(self):
        values = numbers(SHAPE, "float32")
        values[0, 0, :4] = numpy.nan, numpy.inf, -numpy.inf, -0.0
        self.check(values)

    def test_bool_is_0_and_1(self):
        truth = numbers(SHAPE, "bool")
        self.check(truth, truth.astype("uint8"))
        odd = numpy.arange(210, dtype="uint8").reshape(SHAPE)
        self.check(odd.view("bool"), (odd != 0).astype("uint8"))

    def test_stride_orders(self):
        base = numbers((9, 8, 12), "int16")
        for axes in itertools.permutations(range(3)):
            for signs in itertools.product((1, -1), repeat=3):
                with self.subTest(axes=axes, signs=signs):
                    step = tuple(slice(None, None, sign) for sign in signs)
                    self.check(base.transpose(axes)[step])
        for part in (base[1:7, 2:5, 3:11], base[::2, ::3, ::4], base[::-2, 1::3, ::-5], base[3:4, :, :],
                     base[:, 2:3, ::-1], base[:1, :1, :1]):
            with self.subTest(strides=part.strides, shape=part.shape):
                self.check(part)

    def test_odd_memory(self):
        record = numpy.zeros(SHAPE, dtype=[("flag", "u1"), ("value", "f4")])  # not aligned
        record["value"] = numbers(SHAPE, "float32")
        self.check(record["value"])
        self.check(numpy.asfortranarray(numbers(SHAPE, "float64")))
        self.check(numpy.broadcast_to(numpy.float32(2.5), SHAPE))
        self.check(numpy.broadcast_to(numbers((1, 5, 6), "uint16"), SHAPE))
        self.check(numpy.broadcast_to(numbers((5, 1), "uint16"), SHAPE))
        read_only = numbers(SHAPE, "int8")
        read_only.flags.writeable = False
        self.check(read_only)

    def test_components(self):
        for count in (2, 3, 4):
            with self.subTest(count):
                self.check(numbers(SHAPE + (count,), "float32"))
        self.check(numbers(SHAPE + (3,), "uint8")[::-1, :, ::2])
        self.check(numpy.moveaxis(numbers((3,) + SHAPE, "float32"), 0, -1))  # not side by side
        self.check(numbers(SHAPE + (4,), "uint16")[..., 1:3])
        one = numbers(SHAPE + (1,), "float32")
        self.check(one, one[..., 0])

    def test_buffer_protocol(self):
        values = standard_array.array("f", range(210))
        view = memoryview(values).cast("B").cast("f", shape=list(SHAPE))
        self.check(view, numpy.arange(210, dtype="float32").reshape(SHAPE))

    def test_dlpack(self):
        class Tensor:  # of a library that knows DLPack only
            def __init__(self, values):
                self.values = values

            def __dlpack__(self, **options):
                return self.values.__dlpack__(**options)

            def __dlpack_device__(self):
                return self.values.__dlpack_device__()

        values = numbers(SHAPE, "float64")
        self.check(Tensor(values), values)
        self.check(Tensor(values[::-1, ::2].transpose(2, 0, 1)), values[::-1, ::2].transpose(2, 0, 1))

    def test_grid(self):
        turned = ((0, 1, 0), (0, 0, 1), (-1, 0, 0))  # of z, y, x
        info = self.check(numbers(SHAPE, "float32"), spacing=(3, 2, 1), origin=(30, 20, 10.5), direction=turned,
                          unit="1/cm", length_unit="um")
        self.assertEqual(info.spacing, (3, 2, 1))
        self.assertEqual(info.origin, (30, 20, 10.5))
        self.assertEqual((info.start, info.volume), ((0, 0, 0), SHAPE))
        seen = self.server.seen()
        self.assertEqual((seen["unit"], seen["length_unit"]), ("1/cm", "um"))
        # the same matrix in x, y, z
        self.assertEqual(seen["direction"], [0, 0, -1, 1, 0, 0, 0, 1, 0])

    def test_order_of_axes(self):
        """A brick at z, y, x lies there, and a box is fetched from there."""
        whole = numbers((6, 5, 4), "int32")
        self.assertTrue(self.stream.begin_step(0))
        for start in itertools.product((0, 2, 4), (0, 3), (0, 1)):
            sizes = (2, 3 if start[1] == 0 else 2, 1 if start[2] == 0 else 3)
            part = whole[tuple(slice(a, a + n) for a, n in zip(start, sizes))]
            self.assertTrue(self.stream.put(part, start=start, shape=whole.shape))
        self.assertTrue(self.stream.end_step())
        self.server.wait_received(1)
        numpy.testing.assert_array_equal(self.retrieve(), whole)
        box, info = self.retrieve(start=(1, 2, 3), shape=(4, 3, 1), return_info=True)
        numpy.testing.assert_array_equal(box, whole[1:5, 2:5, 3:4])
        self.assertEqual((info.start, info.volume), ((1, 2, 3), (6, 5, 4)))
        numpy.testing.assert_array_equal(self.retrieve(start=(2, 0, 1)), whole[2:, :, 1:])

    def test_gaps_and_names(self):
        self.assertTrue(self.stream.begin_step(0, time=0.25))
        part = numbers((2, 2, 2), "int16")
        self.stream.put(part, start=(1, 1, 1), shape=(4, 4, 4), name="a", fill=-7)
        self.stream.put(part[:0], shape=(4, 4, 4), name="a", fill=-7)  # an empty brick is allowed
        other = numbers((4, 4, 4), "float32")
        self.stream.put(other, name="b")
        self.stream.annotate("exposure", numpy.float32(0.5))
        self.stream.annotate("who", ["a", {"b": numpy.arange(3)}])
        self.assertTrue(self.stream.end_step())
        self.server.wait_received(1)
        expected = numpy.full((4, 4, 4), -7, "int16")
        expected[1:3, 1:3, 1:3] = part
        numpy.testing.assert_array_equal(self.retrieve(array="a"), expected)
        got, info = self.retrieve(array="b", return_info=True)
        numpy.testing.assert_array_equal(got, other)
        self.assertEqual(info.time, 0.25)
        seen = self.server.seen()
        self.assertEqual(seen["header"], {"exposure": 0.5, "who": ["a", {"b": [0, 1, 2]}]})
        self.assertEqual((seen["time"], seen["arrays"]), (0.25, 2))


class RoundTripOverTcp(RoundTrip):
    def connect(self, *arguments, **options):
        return super().connect(*arguments, wire="tcp", **options)


if __name__ == "__main__":
    main()
