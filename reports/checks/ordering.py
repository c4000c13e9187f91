"""Sorting and joining by integer keys, fast enough for checks of ten million operations.

NumPy sorts plain int64 values more than ten times faster than it sorts their positions. So positions travel in the low
bits of what is sorted; a key that leaves no room for them is sorted in several passes, from its low digits up.

Sorting is then cheaper than making room: memory for a large temporary array comes from the kernel, which clears it,
every time. So whatever is not sorted is computed piece by piece, in pieces that stay in a cache.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_BITS = 63
_PIECE = 1 << 15
_COUNT: Integers = np.arange(_PIECE, dtype=np.int64)

FEW = 50
"""With so many times fewer keys than values to look up, or the other way round, searching beats sorting both."""

DENSE = 4
"""Keys that leave at most so many times their number of gaps, or of the values to look up, are looked up in a table."""


def stable_order(keys: Integers) -> Integers:
    """Return the positions that sort `keys`; equal keys keep their order."""
    n = len(keys)
    if n < 2 or bool(np.all(keys[1:] >= keys[:-1])):
        return np.arange(n, dtype=np.int64)
    digit_bits = _BITS - n.bit_length()
    low, high = int(keys.min()), int(keys.max())
    order, shift = _pass(keys, low, 0, None), digit_bits
    while high - low >> shift:
        order = _pass(keys, low, shift, order)
        shift += digit_bits
    return order


def _pass(keys: Integers, low: int, shift: int, order: Integers | None) -> Integers:
    """Return the positions that sort one digit of `keys`, those of equal digits in the order so far."""
    n = len(keys)
    position_bits = n.bit_length()
    digit, position = (np.uint64((1 << bits) - 1) for bits in (_BITS - position_bits, position_bits))
    # differences of int64 may need all 64 bits of an unsigned integer
    base, packed = np.uint64(low & (1 << 64) - 1), np.empty(n, dtype=np.uint64)
    for piece in _pieces(n):
        own = keys[piece] if order is None else np.take(keys, order[piece])
        left = np.subtract(own.astype(np.int64, copy=False).view(np.uint64), base, out=packed[piece])
        left >>= np.uint64(shift)
        left &= digit
        left <<= np.uint64(position_bits)
        left |= _numbers(piece).view(np.uint64)
    ranked = packed.view(np.int64)
    ranked.sort()
    for piece in _pieces(n):
        packed[piece] &= position
        if order is not None:
            ranked[piece] = np.take(order, ranked[piece])
    return ranked


def _pieces(n: int) -> Iterator[slice]:
    return (slice(start, min(start + _PIECE, n)) for start in range(0, n, _PIECE))


def _numbers(piece: slice) -> Integers:
    """Return the positions of a piece."""
    numbers: Integers = _COUNT[: piece.stop - piece.start] + piece.start
    return numbers


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
    low, high = int(keys.min()), int(keys.max())
    if high - low < DENSE * max(len(keys), len(wanted)):
        return _from_table(keys, wanted, low, high)
    if len(keys) * FEW <= len(wanted):
        order = stable_order(keys)
        at = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)]
        return np.where(keys[at] == wanted, at, -1)
    if len(wanted) * FEW <= len(keys):
        return _of_few(keys, wanted)
    both = np.concatenate([keys, wanted]).astype(np.int64, copy=False)
    found = np.empty(len(wanted), dtype=np.int64)
    for places, first, _ in _groups(both):
        sought = places >= len(keys)
        at = first[sought]
        found[places[sought] - len(keys)] = np.where(at < len(keys), at, -1)
    return found


def _from_table(keys: Integers, wanted: Integers, low: int, high: int) -> Integers:
    table = np.full(high - low + 1, -1, dtype=np.int64)
    for piece in reversed(list(_pieces(len(keys)))):  # the first of equal keys is written last
        table[keys[piece][::-1].astype(np.int64) - low] = _numbers(piece)[::-1]
    found = np.empty(len(wanted), dtype=np.int64)
    for piece in _pieces(len(wanted)):
        own = wanted[piece].astype(np.int64)
        there = (own >= low) & (own <= high)
        found[piece] = np.where(there, table[np.where(there, own, low) - low], -1)
    return found


def _of_few(keys: Integers, wanted: Integers) -> Integers:
    few, which = np.unique(wanted, return_inverse=True)
    first = np.full(len(few), -1, dtype=np.int64)
    for piece in reversed(list(_pieces(len(keys)))):  # the first of equal keys is written last
        own = keys[piece][::-1]
        at = np.minimum(np.searchsorted(few, own), len(few) - 1)
        hit = few[at] == own
        first[at[hit]] = _numbers(piece)[::-1][hit]
    return first[which]


def _groups(values: Integers) -> Iterator[tuple[Integers, Integers, Mask]]:
    """Return, piece by piece in order of values: positions, the first position of each one's group, and starts."""
    order = stable_order(values)
    before, first_before = None, 0
    for piece in _pieces(len(order)):
        places = order[piece]
        own = np.take(values, places)
        starts = group_starts(own)
        starts[0] = before is None or own[0] != before
        last_start = np.maximum.accumulate(np.where(starts, _COUNT[: len(own)], -1))
        first = np.where(last_start >= 0, places[last_start], first_before)
        yield places, first, starts
        before, first_before = own[-1], int(first[-1])


def repeated(values: Integers) -> Mask:
    """Tell which elements repeat the value of an earlier one."""
    again = np.empty(len(values), dtype=bool)
    for places, _, starts in _groups(values):
        again[places] = ~starts
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
