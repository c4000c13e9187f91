"""Sorting and joining by integer keys, fast enough for checks of millions of rows.

NumPy sorts plain int64 values more than ten times faster than it sorts their positions. So positions travel in the low
bits of what is sorted; a key that leaves no room for them is sorted in several passes, from its low digits up.
"""

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_BITS = 63

FEW = 50
"""With so many times fewer keys than values to look up, searching beats sorting both."""


def stable_order(keys: Integers) -> Integers:
    """Return the positions that sort `keys`; equal keys keep their order."""
    n = len(keys)
    order = np.arange(n, dtype=np.int64)
    if n < 2 or bool(np.all(keys[1:] >= keys[:-1])):
        return order
    digit_bits = _BITS - n.bit_length()
    # differences of int64 may need all 64 bits of an unsigned integer
    left = keys.astype(np.uint64) - np.uint64(int(keys.min()) & (1 << 64) - 1)
    while True:
        digits = (left & np.uint64((1 << digit_bits) - 1)).astype(np.int64)[order]
        packed = np.sort(digits << n.bit_length() | np.arange(n, dtype=np.int64))
        order = np.take(order, packed & ((1 << n.bit_length()) - 1))
        left >>= np.uint64(digit_bits)
        if not left.any():
            return order


def group_starts(ranked: Integers) -> Mask:
    """Tell which elements of a sorted array differ from the one before; the first one does."""
    starts: Mask = np.ones(len(ranked), dtype=bool)
    np.not_equal(ranked[1:], ranked[:-1], out=starts[1:])
    return starts


def group_by(*keys: Integers) -> tuple[Integers, Mask]:
    """Return the positions that sort by the first key, then the second and so on, and which of them start a group."""
    order = stable_order(keys[-1])
    for key in keys[-2::-1]:
        order = order[stable_order(key[order])]
    starts = np.zeros(len(order), dtype=bool)
    for key in keys:
        starts |= group_starts(key[order])
    return order, starts


def start_of_group(starts: Mask) -> Integers:
    """Return, for each element, the position at which its group starts."""
    at: Integers = np.maximum.accumulate(np.where(starts, np.arange(len(starts)), 0))
    return at


def positions(keys: Integers, wanted: Integers) -> Integers:
    """Return the first position of each wanted value in `keys`, or -1."""
    if not len(keys) or not len(wanted):
        return np.full(len(wanted), -1, dtype=np.int64)
    if len(keys) * FEW <= len(wanted):
        order = stable_order(keys)
        at = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)]
        return np.where(keys[at] == wanted, at, -1)
    both = np.concatenate([keys, wanted]).astype(np.int64, copy=False)
    order = stable_order(both)
    first = order[start_of_group(group_starts(both[order]))]
    found = np.empty(len(both), dtype=np.int64)
    found[order] = np.where(first < len(keys), first, -1)
    return found[len(keys) :]


def repeated(values: Integers) -> Mask:
    """Tell which elements repeat the value of an earlier one."""
    order = stable_order(values)
    again = np.empty(len(values), dtype=bool)
    again[order] = ~group_starts(values[order])
    return again


def running_sum(changes: Integers, starts: Mask) -> Integers:
    """Return sums within groups, each with everything before it in its group and itself."""
    total = np.cumsum(changes)
    at = start_of_group(starts)
    return total - total[at] + changes[at]


def running_max(ranks: Integers, starts: Mask) -> Integers:
    """Return maxima within groups, each of everything before it in its group and itself; ranks are small and >= 0."""
    size = int(ranks.max(initial=0)) + 1
    group = np.cumsum(starts) * size
    highest: Integers = np.maximum.accumulate(group + ranks) - group
    return highest


def found_among(keys: Integers, wanted: Integers, first: Integers) -> Mask:
    """Tell which `keys` are among `wanted`, given the first positions of the wanted ones in `keys`."""
    found = np.zeros(len(keys), dtype=bool)
    found[first[first >= 0]] = True
    rest = np.flatnonzero(~found)
    # of equal keys only the first one has a position
    found[rest] = positions(wanted, keys[rest]) >= 0
    return found
