# SPDX-License-Identifier: BSD-3-Clause
"""Numbers that callers give, checked. Triples are z, y, x."""
import operator
from typing import Optional, Sequence, Tuple

from .errors import ArgumentError

Triple = Tuple[int, int, int]


def unsigned(what: str, value: int) -> int:
    number = operator.index(value)
    if not 0 <= number < 2**64:
        raise ArgumentError(f"{what} is {number}; it must be at least 0 and below 2^64")
    return number


def triple(what: str, values: Sequence[int]) -> Triple:
    """Three sizes or positions in z, y, x."""
    three = tuple(operator.index(value) for value in values)
    if len(three) != 3:
        raise ArgumentError(f"{what} has {len(three)} numbers; it takes three: z, y, x")
    for number in three:
        if not 0 <= number < 2**63:
            raise ArgumentError(f"{what} has {number}; it must be at least 0 and below 2^63")
    return three[0], three[1], three[2]


def numbers(what: str, values: Sequence[float], count: int) -> Tuple[float, ...]:
    given = tuple(float(value) for value in values)
    if len(given) != count:
        raise ArgumentError(f"{what} has {len(given)} numbers; it takes {count}")
    return given


def matrix(rows: Optional[Sequence[Sequence[float]]]) -> Tuple[float, ...]:
    if rows is None:
        return (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    return numbers("direction", [value for row in rows for value in row], 9)
