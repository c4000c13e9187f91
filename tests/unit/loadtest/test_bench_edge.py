"""The bench of an edge: what it measures, on few requests, and what it says without a peer."""

import asyncio
import sys

import pytest

from loadtest.bench import edge as bench
from loadtest.bench import edge_peers
from loadtest.progress import Progress
from reference_impl.domain.errors import ConfigError


async def test_hits_cost_time_and_blocked_clients_are_woken_by_one_request_to_the_origin(monkeypatch):
    monkeypatch.setattr(bench, "BLOCKED", 20)
    monkeypatch.setattr(bench, "BLOCK_S", 0.05)
    async with bench._origin() as origin:
        with bench._ours(origin.port) as server:
            cost_ms = await asyncio.to_thread(bench._cost_ms, server, "/live/1/hi/2048.0.m4s", 400)
            path = "/live/1/hi/2048.1.blocked.m4s"
            woken_ms = await asyncio.to_thread(bench._wake_ms, server, path, origin)
    assert 0.1 < cost_ms < 1000
    assert origin.asked.count(path) == 1
    assert origin.asked.count("/live/1/hi/2048.0.m4s") == 1
    assert len(woken_ms) == 20
    assert all(0 < ms < 2000 for ms in woken_ms)


async def test_without_a_peer_it_says_what_is_missing(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "path", [])
    for peer in edge_peers.PEERS:
        monkeypatch.delenv(f"LIVETABLE_{peer.binary.upper()}", raising=False)
    with pytest.raises(ConfigError, match="needs a peer: run `make setup`"):
        await bench.measure(1, Progress(shown=False))


@pytest.mark.parametrize("peer", edge_peers.PEERS)
def test_peer_is_configured_with_one_worker_its_port_and_its_origin(peer, tmp_path):
    command = peer.command("/bin/peer", tmp_path, 1234, 5678)
    (written,) = tmp_path.iterdir()
    text = written.read_text()
    assert str(written) in command
    assert "1234" in text
    assert "5678" in text
    assert "worker_processes 1" in text or command[command.index("--concurrency") + 1] == "1"


def test_peer_comes_from_its_wheel_if_nothing_else_names_one(monkeypatch, tmp_path):
    packaged = tmp_path / "envoy" / "_bin" / "envoy"
    packaged.parent.mkdir(parents=True)
    packaged.touch(mode=0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "path", ["/nowhere", str(tmp_path)])
    for peer in edge_peers.PEERS:
        monkeypatch.delenv(f"LIVETABLE_{peer.binary.upper()}", raising=False)
    assert [peer.binary for peer in edge_peers.installed()] == [str(packaged)]
    monkeypatch.setenv("LIVETABLE_ENVOY", "/elsewhere/envoy")
    assert [peer.binary for peer in edge_peers.installed()] == ["/elsewhere/envoy"]
