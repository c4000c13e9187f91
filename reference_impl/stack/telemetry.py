"""What a process costs and how far behind it is, once a second, from /proc and from its event loop."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from reference_impl.pulse import Cost, cost_of, rings

SAMPLE_S = 1.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
FLUSH_S = 0.2

Load = tuple[int, int, int, int]
"""Connections, queue, operations, egress bytes."""


def resident_bytes(pid: int) -> int:
    """Return a process's resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


def family_of(pid: int) -> list[int]:
    """Return a process and its children."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *map(int, children)]


class SelfSampler:
    """Watches the process that it runs in.

    Parameters
    ----------
    node : str
        The process's name.
    load : callable
        Returns what it carries now.
    append : callable
        Takes the fields of a :data:`reference_impl.domain.records.NODES` record.
    flush : callable
        Hands all records to the kernel.
    """

    def __init__(
        self, node: str, load: Callable[[], Load], append: Callable[..., None], flush: Callable[[], None]
    ) -> None:
        self.lag_ns_max = 0
        """How late the latest timer of the last whole second was."""
        self._node = node
        self._load = load
        self._append = append
        self._flush = flush

    async def run(self) -> None:
        """Append a record every second, and flush records about five times a second, until cancelled."""
        lag_ns_max = 0
        sampled_s = time.monotonic()
        async for lag_ns in rings(FLUSH_S):
            lag_ns_max = max(lag_ns_max, lag_ns)
            if time.monotonic() - sampled_s >= SAMPLE_S:
                sampled_s = time.monotonic()
                self._append(*node_record(self._node, os.getpid(), self._load(), cost_of(os.getpid()), lag_ns_max))
                self.lag_ns_max, lag_ns_max = lag_ns_max, 0
            self._flush()


def node_record(node: str, pid: int, load: Load, cost: Cost, lag_ns_max: int = 0) -> tuple[object, ...]:
    """Return the fields of a :data:`reference_impl.domain.records.NODES` record for now."""
    connections, queue, ops, egress_bytes = load
    return (
        time.monotonic_ns(), time.time_ns(), node.encode(), pid, connections, queue, lag_ns_max,
        cost.cpu_ns, cost.run_delay_ns, ops, egress_bytes,
    )  # fmt: skip
