"""Ports of processes that may start again, and what a child heeds."""

import signal
import sys
import time
from pathlib import Path

from reference_impl.stack.processes import free_port, spawn


def test_a_port_is_none_that_an_outgoing_connection_may_get_while_its_process_starts_again() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split())
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert [port for port in ports if low <= port <= high] == []


def test_a_child_heeds_sigint_though_its_parent_was_told_to_ignore_it(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what it starts in the background
    try:
        child = spawn([sys.executable, "-c", "print(1, flush=True); import time; time.sleep(60)"], tmp_path / "log")
    finally:
        signal.signal(signal.SIGINT, before)
    deadline_s = time.monotonic() + 10.0
    while not (tmp_path / "log").read_text() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    assert child.wait(10.0) != 0
