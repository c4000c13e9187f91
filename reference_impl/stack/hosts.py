"""Hosts of their own for processes: network namespaces on a bridge, each with a cable that can be pulled.

Needs root. What runs there reaches the conductor at the bridge's address and nothing else.
"""

import os
import subprocess

from reference_impl.domain.errors import OperationalError

_RUN_S_MAX = 10


def _ip(*words: str) -> None:
    try:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=_RUN_S_MAX)
    except subprocess.CalledProcessError as error:
        raise OperationalError(f"ip {' '.join(words)}: {error.stderr.strip()}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OperationalError(f"ip {' '.join(words)}: {error}") from None


class Hosts:
    """Hosts by the name of the process that runs there.

    Parameters
    ----------
    names : tuple of str
        The processes, at most 200.

    Raises
    ------
    OperationalError
        If there can be none here.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._tag = f"lt{os.getpid()}"
        self._network = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
        self._numbers = {name: number for number, name in enumerate(names, 2)}
        try:
            self._build()
        except BaseException:
            self.remove()
            raise

    @property
    def hub(self) -> str:
        """The address at which the conductor is reached."""
        return f"{self._network}.1"

    def command(self, name: str) -> list[str]:
        """Return what runs a command on a process's host."""
        return ["ip", "netns", "exec", self._host(name)] if name in self._numbers else []

    def plug(self, name: str, *, plugged: bool) -> None:
        """Pull a host's cable, or plug it in."""
        _ip("link", "set", self._port(name), "up" if plugged else "down")

    def remove(self) -> None:
        """Remove hosts and bridge."""
        for words in [("netns", "del", self._host(name)) for name in self._numbers] + [("link", "del", self._tag)]:
            subprocess.run(["ip", *words], check=False, capture_output=True, timeout=_RUN_S_MAX)

    def _host(self, name: str) -> str:
        return f"{self._tag}-{name}"

    def _port(self, name: str) -> str:
        return f"{self._tag}p{self._numbers[name]}"

    def _build(self) -> None:
        _ip("link", "add", self._tag, "type", "bridge")
        _ip("addr", "add", f"{self.hub}/24", "dev", self._tag)
        _ip("link", "set", self._tag, "up")
        for name, number in self._numbers.items():
            host, port = self._host(name), self._port(name)
            _ip("netns", "add", host)
            _ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host)
            _ip("link", "set", port, "master", self._tag)
            _ip("link", "set", port, "up")
            _ip("-n", host, "addr", "add", f"{self._network}.{number}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _ip("-n", host, "link", "set", device, "up")
