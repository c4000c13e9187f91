"""Hosts of one's own on one machine: network namespaces on a bridge, each with an address and, if wanted, a clock.

A time namespace shifts CLOCK_MONOTONIC, as different uptimes do to machines. Both need root.
"""

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[1]
HOSTS_MAX = 9


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=10)


def why_not() -> str:
    """Return why there can be no hosts here, or nothing."""
    name = f"livetable-probe-{os.getpid()}"
    try:
        _run("ip", "netns", "add", name)
        _run("ip", "netns", "exec", name, "unshare", "--time", "--monotonic", "1", "--fork", "true")
        _run("ip", "netns", "del", name)
    except (OSError, subprocess.SubprocessError) as error:
        return f"no network and time namespaces: {error}"
    return ""


class Hosts:
    """So many hosts on a network that nobody else is on; all is gone at the end."""

    def __init__(self, count: int) -> None:
        self._names = [f"lt{os.getpid()}-{number}" for number in range(count)]
        self._hub = f"lt{os.getpid()}-hub"
        self._programs: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        _run("ip", "netns", "add", self._hub)
        self._hub_ip("link", "add", "bridge", "type", "bridge")
        self._hub_ip("link", "set", "bridge", "up")
        for number, name in enumerate(self._names):
            _run("ip", "netns", "add", name)
            self._hub_ip("link", "add", f"port{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            self._hub_ip("link", "set", f"port{number}", "master", "bridge")
            self._hub_ip("link", "set", f"port{number}", "up")
            _run("ip", "-n", name, "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _run("ip", "-n", name, "link", "set", device, "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in self._programs:
            program.kill()
            program.wait()
        for name in (self._hub, *self._names):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True, timeout=10)

    def address(self, number: int) -> str:
        """Return a host's address."""
        return f"10.209.77.{number + 1}"

    def start(self, number: int, *python: str, log: Path, uptime_s: int = 0) -> subprocess.Popen[bytes]:
        """Start Python on a host that has been up for so many seconds longer."""
        clock = ["unshare", "--time", "--monotonic", str(uptime_s), "--fork", "--kill-child"] if uptime_s else []
        command = ["ip", "netns", "exec", self._names[number], *clock, sys.executable, *python]
        with log.open("ab") as file:
            program = subprocess.Popen(
                command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": str(ROOT)}
            )
        self._programs.append(program)
        return program

    def cut(self, number: int) -> None:
        """Pull a host's cable."""
        self._hub_ip("link", "set", f"port{number}", "down")

    def _hub_ip(self, *words: str) -> None:
        _run("ip", "-n", self._hub, *words)
