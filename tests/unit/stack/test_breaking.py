"""The means of breaking a process: the preloaded library, a quota of the CPU, a small disk."""

import asyncio
import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reference_impl.domain.errors import OperationalError
from reference_impl.pulse import cost_of
from reference_impl.stack.quota import limited
from reference_impl.stack.shim import Shims, Told, compiler
from reference_impl.stack.small_disk import SmallDisk

PROBE = """
import os, sys, time
began = time.monotonic()
with open(sys.argv[1], "wb") as file:
    try:
        os.fsync(file.fileno())
        failed = 0
    except OSError as error:
        failed = error.errno
print(time.time(), time.monotonic() - began, failed)
"""


def probed(shims: Shims, folder: Path) -> tuple[float, float, int]:
    """Return a process's clock minus ours, how long its fsync took, and how it failed."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(folder / "probe")], env={**os.environ, **shims.environment("probe")},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    clock, took, failed = done.stdout.split()
    return float(clock) - time.time(), float(took), int(failed)


@pytest.mark.skipif(compiler() is None, reason="no C compiler")
def test_fsync_and_the_wall_clock_are_as_the_process_is_told(tmp_path: Path) -> None:
    shims = Shims(tmp_path)
    ahead_s, took_s, failed = probed(shims, tmp_path)
    assert (abs(ahead_s) < 1, took_s < 0.2, failed) == (True, True, 0)
    shims.tell("probe", Told(fsync_ms=300, fsync_errno=errno.EIO, shift_ms=-60_000))
    ahead_s, took_s, failed = probed(shims, tmp_path)
    assert (abs(ahead_s + 60) < 1, took_s >= 0.3, failed) == (True, True, errno.EIO)


@pytest.fixture
def busy() -> Iterator[int]:
    """A process that takes all it gets."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield process.pid
    process.kill()
    process.wait()


async def test_a_process_gets_its_share_of_a_core_and_no_more(busy: int) -> None:
    async with limited(busy, 0.1, "busy"):
        before_ns, began_ns = cost_of(busy).cpu_ns, time.monotonic_ns()
        await asyncio.sleep(0.6)
        share = (cost_of(busy).cpu_ns - before_ns) / (time.monotonic_ns() - began_ns)
    assert share < 0.35


def test_a_small_disk_is_filled_to_the_last_byte_and_cleared(tmp_path: Path) -> None:
    try:
        disk = SmallDisk(tmp_path, 8 * 1024 * 1024)
    except OperationalError as error:
        pytest.skip(str(error))
    try:
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.path / "more").write_bytes(bytes(4096))
        disk.clear()
        (disk.path / "more").write_bytes(bytes(4096))
    finally:
        disk.remove()
