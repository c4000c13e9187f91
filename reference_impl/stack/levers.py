"""What a system is started with so that it can be broken, and the levers that break it.

A system that nobody wants to break has none of it: no proxy, no shim, no file system and no host of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from reference_impl.domain.units import KIB
from reference_impl.stack.config import Wiring
from reference_impl.stack.hosts import Hosts
from reference_impl.stack.links import Links
from reference_impl.stack.shim import Shims
from reference_impl.stack.small_disk import SmallDisk

SMALL_DISK_BYTES = 1024 * 1024 * KIB
"""Room for a few minutes of a small system's data and its log."""
WAL_BYTES_MAX = 256 * 1024 * KIB
"""How much of a small disk the database's log may take."""


@dataclass(frozen=True)
class Weakness:
    """What is asked for.

    Parameters
    ----------
    links : bool
        Connections to the embedded servers lead through a proxy.
    shim : bool
        Processes have our library before the C library.
    small_disk : bool
        PostgreSQL's data lies on a small file system.
    apart : tuple of str
        Processes that run on hosts of their own; their connections lead through the proxy too.
    """

    links: bool = False
    shim: bool = False
    small_disk: bool = False
    apart: tuple[str, ...] = ()


STURDY = Weakness()


class Levers:
    """What there is, made as asked.

    Parameters
    ----------
    weakness : Weakness
        What is asked for.
    folder : Path
        Where files of it lie.

    Raises
    ------
    OperationalError
        If this machine cannot do it.
    """

    def __init__(self, weakness: Weakness, folder: Path) -> None:
        self.links = Links()
        self.hosts = Hosts(weakness.apart) if weakness.apart else None
        self.disk: SmallDisk | None = None
        self.shims: Shims | None = None
        self._linked = weakness.links or bool(weakness.apart)
        try:
            self.disk = SmallDisk(folder, SMALL_DISK_BYTES) if weakness.small_disk else None
            self.shims = Shims(folder) if weakness.shim else None
        except BaseException:
            self.remove()
            raise

    def environment(self, name: str) -> Mapping[str, str] | None:
        """Return what a process needs in its environment."""
        return self.shims.environment(name) if self.shims else None

    def command(self, name: str) -> Sequence[str]:
        """Return the command that a process's own is an argument of."""
        return self.hosts.command(name) if self.hosts else ()

    async def wiring_for(self, role: str, wiring: Wiring) -> Wiring:
        """Return the wiring as a role gets it: its own links in place of the embedded servers."""
        if not self._linked:
            return wiring
        host = self.hosts.hub if self.hosts and self.hosts.command(role) else "127.0.0.1"
        config = wiring.config
        changed: dict[str, Any] = {}
        if not config.dsns:
            address = urlsplit(wiring.dsns[0])
            port = await self.links.lead(role, "postgres", (address.hostname or "", address.port or 0), host)
            changed["dsns"] = [_elsewhere(dsn, host, port) for dsn in wiring.dsns]
        if not config.nats_url:
            address = urlsplit(wiring.nats_url)
            port = await self.links.lead(role, "nats", (address.hostname or "", address.port or 0), host)
            changed["nats_url"] = _elsewhere(wiring.nats_url, host, port)
        return msgspec.structs.replace(wiring, **changed)

    def remove(self) -> None:
        """Remove everything."""
        self.links.close()
        if self.disk is not None:
            self.disk.remove()
        if self.hosts is not None:
            self.hosts.remove()


def _elsewhere(url: str, host: str, port: int) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{host}:{port}").geturl()
