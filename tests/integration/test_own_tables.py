"""The tutorial on driving one's own tables does what it says, against a server that speaks its protocol."""

import asyncio
import itertools
import json
import re
import time
from pathlib import Path

import pytest

from loadtest.campaign import run_campaign
from loadtest.config import load_campaign
from loadtest.elsewhere import Elsewhere
from reference_impl.domain.records import OpKind, Outcome
from reports.run import open_run

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "drive-your-own-tables.md"
WINDOW_MS = 1000


class Tables:
    """One table over a line protocol; every bet in time is accepted."""

    def __init__(self) -> None:
        self.seats: set[asyncio.StreamWriter] = set()
        self.open = False
        self.accepted: set[str] = set()

    async def seat(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        balance, version = 100_000, 1
        while line := await reader.readline():
            words = line.decode().split()
            if words[0] == "LOGIN":
                writer.write(f"WELCOME {words[1]} {balance} {version}\n".encode())
                self.seats.add(writer)
            elif words[0] == "BET":
                said = "LATE"
                if self.open:
                    said, balance, version = "OK", balance - int(words[4]), version + 1
                    self.accepted.add(words[1])
                writer.write(f"ANSWER {words[1]} {said} {balance} {version}\n".encode())
        self.seats.discard(writer)
        writer.close()

    async def play(self) -> None:
        for number in itertools.count(1):
            for phase, lasts_s in ((f"OPEN {WINDOW_MS}", WINDOW_MS / 1000), ("CLOSED", 0.1), ("RESULT 17", 0.1)):
                self.open = phase.startswith("OPEN")
                for seat in self.seats:
                    seat.write(f"ROUND {number} {phase}\n".encode())
                await asyncio.sleep(lasts_s)


def block(language: str) -> str:
    return "\n\n".join(re.findall(rf"```{language}\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL))


@pytest.mark.timeout(120)
@pytest.mark.soak  # a whole campaign
async def test_tutorial_drives_tables_of_an_invented_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mytables.py").write_text(block("python"), encoding="utf-8")
    (tmp_path / "my-tables.toml").write_text(block("toml"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    campaign = load_campaign("my-tables.toml")
    tables = Tables()
    server = await asyncio.start_server(tables.seat, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    playing = asyncio.create_task(tables.play())
    try:
        elsewhere = Elsewhere.named(f"tcp://127.0.0.1:{port}", "mytables:MyTables", {})
        started_s = time.monotonic()
        result = await run_campaign(campaign, tmp_path / "runs", progress=False, elsewhere=elsewhere)
        took_s = time.monotonic() - started_s
    finally:
        playing.cancel()
        server.close()
    run = open_run(result.run_path)
    bets = run.ops[run.ops["kind"] == int(OpKind.BET)]
    checks = json.loads((result.run_path / "checks.json").read_text())

    assert {name: check for name, check in checks.items() if check["status"] not in {"ok", "skipped"}} == {}
    assert checks["events_complete"]["status"] == "ok"
    assert checks["conservation"]["status"] == "skipped"
    assert result.verdict in {"pass", "slo"}, result.message
    accepted = bets[bets["outcome"] == int(Outcome.OK)]
    assert len(accepted) == len(tables.accepted) > 20
    assert took_s < 60
