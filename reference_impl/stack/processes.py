"""Starting and ending other programs so that none is ever left behind.

Each child runs in a process group of its own and asks the kernel for a signal if its parent dies, whatever killed the
parent.
"""

import ctypes
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reference_impl.domain.errors import ConfigError, OperationalError

_PR_SET_PDEATHSIG = 1
_USUAL_OUTGOING_PORT = 32_768
_TRIES_MAX = 200
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(signal_number: int = signal.SIGKILL) -> None:
    """Ask the kernel to send this process a signal when its parent thread dies (prctl(2))."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def free_port() -> int:
    """Return a loopback port that was free just now, and that the kernel gives to no outgoing connection.

    A port of the kernel's own range is lost while its process is being started again: any connection may get it.
    """
    for _ in range(_TRIES_MAX):
        port = secrets.choice(_PORTS)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _first_outgoing_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return _USUAL_OUTGOING_PORT


def require_free(port: int) -> None:
    """Refuse a port that is in use.

    Raises
    ------
    ConfigError
        If something listens on it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(
                f"port {port} on 127.0.0.1 cannot be used: {(error.strerror or str(error)).lower()}"
            ) from None


_PORTS = range(10_240, max(_first_outgoing_port(), 10_241 + _TRIES_MAX))
_given: set[int] = set()


def spawn(
    command: Sequence[str],
    log_path: Path,
    *,
    on_parent_death: int = signal.SIGKILL,
    environment: Mapping[str, str] | None = None,
    **more: Any,
) -> subprocess.Popen[bytes]:
    """Start a program in its own process group, its output appended to a log file; `environment` adds to ours.

    It heeds SIGINT even if we do not: what a shell starts in the background is told to ignore it, and passes that on.
    """

    def begin() -> None:
        die_with_parent(on_parent_death)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    if environment:
        more["env"] = {**os.environ, **environment}
    with log_path.open("ab") as log_file:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=begin,  # noqa: PLW1509 - two system calls, before any thread
            **more,
        )


def last_line(log_path: Path) -> str:
    """Return the last line of a log."""
    lines = log_path.read_text(errors="replace").strip().splitlines() if log_path.exists() else []
    return lines[-1] if lines else "it said nothing"


def end(processes: Sequence[tuple[subprocess.Popen[bytes], int]], wait_s: float) -> None:
    """Ask programs to end, all at once, each by its signal; after `wait_s`, kill the groups of those that did not."""
    for process, signal_number in processes:
        if process.poll() is None:
            process.send_signal(signal_number)
    deadline_s = time.monotonic() + wait_s
    for process, _ in processes:
        try:
            process.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wheel_file(package: str, *parts: str) -> Path:
    """Return a file inside an installed package without importing it.

    Raises
    ------
    OperationalError
        If the package or the file is not installed.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder).joinpath(*parts)
        if path.exists():
            return path
    raise OperationalError(f"{'/'.join(parts)} of the package {package} is not installed; run `make setup`")


def script(name: str) -> str:
    """Return a program that was installed beside this Python, or stands on the PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise OperationalError(f"the program {name} is not installed; run `make setup`")
    return found
