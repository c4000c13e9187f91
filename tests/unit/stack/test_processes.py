"""Ports of processes that may start again."""

from pathlib import Path

from reference_impl.stack.processes import free_port


def test_a_port_is_none_that_an_outgoing_connection_may_get_while_its_process_starts_again() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split())
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert [port for port in ports if low <= port <= high] == []
