"""A link that servers and their clients share: the loopback of a network namespace, shaped by what packets are marked.

Only what bears a mark of :mod:`reference_impl.precedence` is shaped, so servers among themselves have all the room they
want. With bands, bets go before video; without them both wait in one queue. Packets are of 1,500 bytes: the kernel's
larger ones would hold the link for too long each. For Linux with ``unshare``, ``ip`` and ``tc``, as root.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from reference_impl.domain.errors import ConfigError, OperationalError
from reference_impl.precedence import Precedence

PACKET_BYTES = 1500
SHARED, FIRST, LATER = "1:1", "1:10", "1:20"
FIRST_SHARE = 0.9
"""What bets have for themselves; they rarely use it, and video takes what they leave. It is large since HTB (tc-htb(8))
serves whoever keeps within a share before anybody who borrows, whatever the priorities: with a small share, a message
to all players, which comes at once, waits behind video.
"""
TOOLS = ("unshare", "ip", "tc")
_CLASS = re.compile(r"class htb (\S+) .*?Sent (\d+) bytes (\d+) pkt \(dropped (\d+),", re.DOTALL)


def commands(mbps: float, *, bands: bool) -> list[list[str]]:
    """Return what turns this namespace's loopback into a link of this speed."""
    kbps = round(mbps * 1000)
    first = max(round(kbps * FIRST_SHARE), 1) if bands else 0
    lines = [
        f"ip link set lo up mtu {PACKET_BYTES} gso_max_size {PACKET_BYTES} gso_max_segs 1",
        "tc qdisc add dev lo root handle 1: htb default 0",
        f"tc class add dev lo parent 1: classid {SHARED} htb rate {kbps}kbit ceil {kbps}kbit",
        f"tc class add dev lo parent {SHARED} classid {LATER} htb rate {kbps - first}kbit ceil {kbps}kbit prio 1",
    ]
    if bands:
        lines.append(f"tc class add dev lo parent {SHARED} classid {FIRST} htb rate {first}kbit ceil {kbps}kbit prio 0")
    for mark, into in ((Precedence.BETS, FIRST if bands else LATER), (Precedence.VIDEO, LATER)):
        lines.append(
            f"tc filter add dev lo parent 1: protocol ip u32 match ip dsfield {mark.field:#x} 0xfc flowid {into}"
        )
    return [line.split() for line in lines]


def shape(mbps: float, *, bands: bool) -> None:
    """Turn the loopback of the namespace that this process is in into a link.

    Raises
    ------
    OperationalError
        If the kernel does not carry out one of the commands.
    """
    for command in commands(mbps, bands=bands):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OperationalError(f"'{' '.join(command)}': {done.stderr.strip() or done.returncode}")


def carried() -> dict[str, tuple[int, int]]:
    """Return bytes sent and packets dropped so far, by class."""
    said = subprocess.run(["tc", "-s", "class", "show", "dev", "lo"], capture_output=True, text=True, check=True).stdout
    return {name: (int(sent), int(dropped)) for name, sent, _, dropped in _CLASS.findall(said)}


def run_apart(module: str, arguments: Sequence[str], timeout_s: float) -> Any:
    """Run a module in a network namespace of its own and return what its last line says, as JSON.

    Raises
    ------
    ConfigError
        If a tool is missing, or this process may not make namespaces.
    OperationalError
        If the module fails.
    """
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise ConfigError(f"a shared link needs {', '.join(missing)} on the PATH")
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        raise ConfigError("a shared link needs the right to make network namespaces: be root")
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", module, *arguments],
        capture_output=True, text=True, check=False, timeout=timeout_s,
    )  # fmt: skip
    if done.returncode:
        raise OperationalError(f"{module}: {done.stderr.strip()[-500:] or done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])
