"""A link that servers and their clients share: the loopback of a network namespace, shaped by what packets are marked.

Only what bears a mark of :mod:`reference_impl.precedence` is shaped, so servers among themselves have all the room they
want. Packets are of 1,500 bytes: the kernel's larger ones would hold the link for too long each. For Linux with
``unshare``, ``ip`` and ``tc``, as root.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from reference_impl.domain.errors import ConfigError, OperationalError
from reference_impl.precedence import Precedence

PACKET_BYTES = 1500
SHARED, ELSEWHERE, FIRST, LATER = "1:1", "1:2", "1:10", "1:20"
FIRST_SHARE = 0.9
"""What bets have for themselves; they rarely use it, and video takes what they leave. It is large since HTB (tc-htb(8))
serves whoever keeps within a share before anybody who borrows, whatever the priorities: with a small share, a message
to all players, which comes at once, waits behind video.
"""
TOOLS = ("unshare", "ip", "tc")
_CLASS = re.compile(r"class htb (\S+) .*?Sent (\d+) bytes (\d+) pkt \(dropped (\d+),", re.DOTALL)


class Sharing(StrEnum):
    """Who is on the link, and how packets wait for it."""

    APART = "apart"
    """Bets alone, as a control; video has another link of the same speed."""
    BANDS = "bands"
    """Bets and video, bets first."""
    ONE_QUEUE = "one queue"
    """Bets and video, in the order in which they come."""


def commands(mbps: float, sharing: Sharing) -> list[list[str]]:
    """Return what turns this namespace's loopback into a link of this speed."""
    kbps = round(mbps * 1000)
    first = {Sharing.APART: kbps, Sharing.BANDS: max(round(kbps * FIRST_SHARE), 1), Sharing.ONE_QUEUE: 0}[sharing]
    bets_into = FIRST if first else LATER
    video_into = ELSEWHERE if sharing is Sharing.APART else LATER
    lines = [
        f"ip link set lo up mtu {PACKET_BYTES} gso_max_size {PACKET_BYTES} gso_max_segs 1",
        "tc qdisc add dev lo root handle 1: htb default 0",
        f"tc class add dev lo parent 1: classid {SHARED} htb rate {kbps}kbit ceil {kbps}kbit",
    ]
    if first:
        lines.append(f"tc class add dev lo parent {SHARED} classid {FIRST} htb rate {first}kbit ceil {kbps}kbit prio 0")
    if video_into == LATER:
        rest = f"rate {kbps - first}kbit ceil {kbps}kbit prio 1"
        lines.append(f"tc class add dev lo parent {SHARED} classid {LATER} htb {rest}")
    else:
        lines.append(f"tc class add dev lo parent 1: classid {ELSEWHERE} htb rate {kbps}kbit ceil {kbps}kbit")
    for mark, into in ((Precedence.BETS, bets_into), (Precedence.VIDEO, video_into)):
        lines.append(
            f"tc filter add dev lo parent 1: protocol ip u32 match ip dsfield {mark.field:#x} 0xfc flowid {into}"
        )
    return [line.split() for line in lines]


def shape(mbps: float, sharing: Sharing) -> None:
    """Turn the loopback of the namespace that this process is in into a link; packets that wait for it are lost.

    Raises
    ------
    OperationalError
        If the kernel does not carry out one of the commands.
    """
    subprocess.run(["tc", "qdisc", "del", "dev", "lo", "root"], capture_output=True, check=False)  # there may be none
    for command in commands(mbps, sharing):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OperationalError(f"'{' '.join(command)}': {done.stderr.strip() or done.returncode}")


def carried() -> dict[str, tuple[int, int]]:
    """Return bytes sent and packets dropped since the link was shaped, by class."""
    said = subprocess.run(["tc", "-s", "class", "show", "dev", "lo"], capture_output=True, text=True, check=True).stdout
    return {name: (int(sent), int(dropped)) for name, sent, _, dropped in _CLASS.findall(said)}


def run_apart(module: str, arguments: Sequence[str], timeout_s: float) -> Any:
    """Run a module in a network namespace of its own and return what its last line says, as JSON.

    Raises
    ------
    ConfigError
        If a tool is missing, or this process may not make namespaces.
    OperationalError
        If the module fails, says nothing or takes too long.
    """
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise ConfigError(f"a shared link needs {', '.join(missing)} on the PATH")
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        raise ConfigError("a shared link needs the right to make network namespaces: be root")
    command = ["unshare", "--net", sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise OperationalError(f"{module} was not done within {timeout_s:g} s") from None
    said = done.stdout.strip()
    if done.returncode or not said:
        why = done.stderr.strip()[-500:] or f"ended with {done.returncode} and said nothing"
        raise OperationalError(f"{module}: {why}")
    return json.loads(said.splitlines()[-1])
