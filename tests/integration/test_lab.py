"""The whole system with its lab: an operator starts, watches and stops campaigns, and breaks what runs beside them."""

import asyncio
import contextlib
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from left_behind import processes_below
from table_client import HttpError, call

from reference_impl.domain.errors import OperationalError
from reference_impl.stack.processes import end, spawn

pytestmark = [pytest.mark.soak, pytest.mark.timeout(240)]

OURS = " up --lab "
"""What the command line of our own stack has in it."""

TINY = """
name = "tiny"
simulate = false
slo = ["bet.p99_ms <= 10000"]
[scenario]
tables = 1
gateways = 1
shards = 1
edges = 0
players_per_table = 5
ramp_s = 0.5
load_s = 4.0
[scenario.timing]
window_ms = 1200
closing_soon_ms = 400
dealing_ms = 300
pause_ms = 200
"""
START_S_MAX = 60.0
RUN_S_MAX = 90.0


class Room:
    """A system with a lab, started as a person would, and an operator who logged in."""

    def __init__(self, folder: Path) -> None:
        (folder / "campaigns").mkdir()
        (folder / "campaigns" / "tiny.toml").write_text(TINY)
        self.runs = folder / "runs"
        self.log = folder / "up.log"
        command = [sys.executable, "-m", "livetable", "up", "--lab", "--out", str(self.runs), "--campaigns",
                   str(folder / "campaigns"), "--tables", "1", "--shards", "1", "--edges", "0"]  # fmt: skip
        self.process = spawn(command, self.log)
        deadline_s = time.monotonic() + START_S_MAX
        while "Ctrl-C" not in (said := self.log.read_text()):
            assert time.monotonic() < deadline_s, said
            time.sleep(0.2)
        url, password = re.findall(r"^operate  (\S+)/operator .* password (\S+)$", said, re.MULTILINE)[0]
        self.stack: Any = SimpleNamespace(api_url=url)
        self.token = asyncio.run(self.call("login", name="operator", password=password))["token"]

    async def call(self, path: str, **body: Any) -> dict[str, Any]:
        return await call(self.stack, f"/v1/admin/{path}", body or None, getattr(self, "token", ""))

    async def until(self, kind: str, holds: Callable[[dict[str, Any]], object], limit_s: float) -> dict[str, Any]:
        """Watch the newest campaign or fault until something holds of it."""
        deadline_s = time.monotonic() + limit_s
        while True:
            seen = None
            with contextlib.suppress(HttpError, OSError):  # who answers may have been broken
                seen = (await self.call("lab"))[kind][0]
            if seen and holds(seen):
                return seen
            if time.monotonic() > deadline_s:
                raise OperationalError(f"{seen} after {limit_s:g} s")
            await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    started = Room(tmp_path_factory.mktemp("lab"))
    yield started
    end([(started.process, signal.SIGINT)], 30)


def report(room: Room, key: str) -> tuple[str, str]:
    """Open a report's link as a browser does; return its policy and what it shows."""
    with urllib.request.urlopen(f"{room.stack.api_url}/v1/admin/lab/reports/{key}") as answer:
        return answer.headers["Content-Security-Policy"], answer.read().decode()


async def test_a_campaign_is_started_watched_and_judged_and_a_gateway_killed_beside_it(room: Room) -> None:
    assert (await room.call("control"))["lab"]
    offers = await room.call("lab/offers")
    assert {"smoke", "tiny"} <= {one["name"] for one in offers["campaigns"]}
    await room.call("lab/campaign", campaign="tiny", reason="a look")
    with pytest.raises(HttpError, match="tiny is running: 1 campaign at a time"):
        await room.call("lab/campaign", campaign="smoke", reason="too soon")
    await room.call("lab/fault", kind="kill", target="gateway-0", reason="is it back?")
    fault = await room.until("faults", lambda seen: seen["over"], 60)
    assert 0 < fault["ready_s"] < 30
    await room.until("campaigns", lambda seen: "the load runs for 4 s" in seen["lines"], RUN_S_MAX)
    over = await room.until("campaigns", lambda seen: seen["stage"] == "over", RUN_S_MAX)
    assert over["verdict"] in {"pass", "slo", "invalid"}, over
    policy, page = report(room, over["report"])
    assert "sandbox" in policy
    assert "tiny" in page
    with pytest.raises(urllib.error.HTTPError, match="404"):
        report(room, "x" * 22)
    orders = [(one["what"], one["reason"]) for one in await room.call("orders?before=1000")]
    assert orders[:3] == [
        ("fault: kill", "is it back?"), ("start campaign", "too soon"), ("start campaign", "a look")
    ]  # fmt: skip


async def test_a_stopped_campaign_ends_its_system_and_keeps_what_it_recorded(room: Room) -> None:
    await room.call("lab/campaign", campaign="smoke", reason="a look")
    await room.until("campaigns", lambda seen: "starting the services" in seen["lines"], RUN_S_MAX)
    await room.call("lab/campaign/stop", reason="seen enough")
    over = await room.until("campaigns", lambda seen: seen["stage"] == "over", RUN_S_MAX)
    assert (over["verdict"], over["report"]) == ("stopped", "")
    assert '"interrupted"' in (room.runs / over["run"] / "manifest.json").read_text()
    assert processes_below(room.runs / over["run"], OURS) == []


@pytest.mark.parametrize("target", ["postgres", "nats", "services"])
async def test_who_carries_the_orders_may_be_broken_too(room: Room, target: str) -> None:
    await room.call("lab/fault", kind="kill", target=target, reason="is it back?")
    fault = await room.until("faults", lambda seen: seen["target"] == target and seen["over"], 60)
    assert fault["ready_s"] > 0, fault


async def test_a_campaign_ends_with_the_system_it_was_started_beside(tmp_path: Path) -> None:
    room = await asyncio.to_thread(Room, tmp_path)
    await room.call("lab/campaign", campaign="tiny", reason="a look")
    seen = await room.until("campaigns", lambda seen: "starting the services" in seen["lines"], RUN_S_MAX)
    end([(room.process, signal.SIGINT)], 30)
    assert room.process.returncode == 0, room.log.read_text()
    deadline_s = time.monotonic() + 20
    while left := processes_below(room.runs, OURS):
        assert time.monotonic() < deadline_s, left
        await asyncio.sleep(0.2)
    assert '"interrupted"' in (room.runs / seen["run"] / "manifest.json").read_text()
