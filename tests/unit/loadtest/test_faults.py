"""Faults strike on time, and the supervisor's events tell how the system took them."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loadtest.faults.strike import Struck, strike
from loadtest.faults.table import crashes, fault_rows
from reference_impl.domain.errors import OperationalError
from sim.fault_kinds import Fault


class Victim:
    """Whom faults strike: notes when each began and ended."""

    def __init__(self) -> None:
        self.struck: list[tuple[int, str]] = []
        self.undone: list[tuple[int, str]] = []
        self.said: list[str] = []

    @asynccontextmanager
    async def carry_out(self, fault: Fault) -> AsyncIterator[str]:
        if fault.target == "dealer":
            raise OperationalError("dealer does not run")
        self.struck.append((time.monotonic_ns(), fault.target))
        yield "by hand"
        self.undone.append((time.monotonic_ns(), fault.target))


def killed(t_ns: int, target: str) -> Struck:
    return Struck(t_ns, 0, "kill", target, "SIGKILL")


async def no_cut_offs() -> list[int]:
    return []


async def test_a_fault_aimed_at_a_cut_off_strikes_at_its_distance_from_the_next_one() -> None:
    start_ns = time.monotonic_ns()
    asked = []

    async def cut_offs() -> list[int]:
        asked.append(time.monotonic_ns())
        over, coming = start_ns + 10_000_000, start_ns + 300_000_000
        return [over] if len(asked) == 1 else [over, coming]

    victim = Victim()
    fault = Fault(kind="kill", target="nats", at_s=0.02, before_close_ms=50)
    await strike(victim.carry_out, [fault], start_ns, cut_offs, victim.said.append)
    assert len(asked) == 2
    assert 0 <= victim.struck[0][0] - (start_ns + 250_000_000) < 200_000_000


async def test_faults_strike_in_order_of_time_and_not_before_it() -> None:
    faults = [Fault(kind="kill", target="nats", at_s=0.06), Fault(kind="kill", target="gateway-1", at_s=0.02)]
    victim, start_ns = Victim(), time.monotonic_ns()
    struck = await strike(victim.carry_out, faults, start_ns, no_cut_offs, victim.said.append)
    assert [name for _, name in victim.struck] == ["gateway-1", "nats"]
    assert [fault.target for fault in struck] == ["gateway-1", "nats"]
    for (t_ns, _), at_ns in zip(victim.struck, (20_000_000, 60_000_000), strict=True):
        assert 0 <= t_ns - start_ns - at_ns < 500_000_000


def test_detection_and_recovery_are_the_first_events_after_the_fault() -> None:
    events = [(5, "gateway-1", "ready"), (30, "gateway-1", "ready"), (12, "gateway-1", "died"), (11, "nats", "died")]
    row = fault_rows([killed(10, "gateway-1")], events).iloc[0]
    assert (row["detected_ns"], row["recovered_ns"]) == (12, 30)


def test_fault_that_nobody_noticed_has_no_recovery() -> None:
    rows = fault_rows([killed(10, "dealer")], [(5, "dealer", "ready"), (20, "dealer", "ready")])
    assert (rows["detected_ns"][0], rows["recovered_ns"][0]) == (0, 0)


def test_process_that_died_by_itself_is_a_crash() -> None:
    events = [
        (12, "gateway-1", "died"),
        (30, "gateway-1", "ready"),
        (40, "services", "died"),
        (50, "services", "ready"),
    ]
    rows = fault_rows([killed(10, "gateway-1")], events)
    assert rows["kind"].tolist() == ["kill", "crash"]
    assert rows.iloc[1].to_dict() == {
        "t_ns": 40, "ended_ns": 0, "kind": "crash", "target": "services", "how": "", "detected_ns": 40,
        "recovered_ns": 50,
    }  # fmt: skip
    assert crashes(rows) == "services 1 ×"


def test_no_faults_make_an_empty_table_of_the_right_columns() -> None:
    assert list(fault_rows([], [])) == [
        "t_ns", "ended_ns", "kind", "target", "how", "detected_ns", "recovered_ns",
    ]  # fmt: skip


async def test_faults_that_last_overlap_and_each_is_undone_when_it_is_over() -> None:
    faults = [
        Fault(kind="stop", target="nats", at_s=0.0, for_s=0.2),
        Fault(kind="stop", target="postgres", at_s=0.05, for_s=0.05),
    ]
    victim, start_ns = Victim(), time.monotonic_ns()
    struck = await strike(victim.carry_out, faults, start_ns, no_cut_offs, victim.said.append)
    assert [name for _, name in victim.struck] == ["nats", "postgres"]
    assert [name for _, name in victim.undone] == ["postgres", "nats"]
    assert [(fault.target, fault.how) for fault in struck] == [("nats", "by hand"), ("postgres", "by hand")]
    for fault, lasted_ns in zip(struck, (200_000_000, 50_000_000), strict=True):
        assert 0 <= fault.ended_ns - fault.t_ns - lasted_ns < 200_000_000


async def test_a_fault_that_cannot_be_carried_out_is_told_and_not_on_record() -> None:
    victim = Victim()
    faults = [Fault(kind="kill", target="dealer", at_s=0.0), Fault(kind="kill", target="nats", at_s=0.01)]
    struck = await strike(victim.carry_out, faults, time.monotonic_ns(), no_cut_offs, victim.said.append)
    assert [fault.target for fault in struck] == ["nats"]
    assert victim.said == ["kill of dealer at 0 s did not strike: dealer does not run"]


def test_a_fault_that_is_undone_is_over_then_unless_its_process_died_of_it() -> None:
    stop = Struck(10, 40, "stop", "wallet-0", "")
    full = Struck(100, 140, "disk-full", "postgres", "")
    events = [(120, "postgres", "died"), (130, "postgres", "died"), (160, "postgres", "ready")]
    rows = fault_rows([stop, full], events)
    assert list(rows["kind"]) == ["stop", "disk-full"]
    assert list(rows["detected_ns"]) == [0, 120]
    assert list(rows["recovered_ns"]) == [40, 160]


def test_a_process_that_dies_while_it_is_only_stopped_crashed() -> None:
    rows = fault_rows([Struck(10, 40, "stop", "wallet-0", "")], [(20, "wallet-0", "died"), (60, "wallet-0", "ready")])
    assert crashes(rows) == "wallet-0 1 ×"


def test_a_process_that_was_asked_to_end_leaves_and_comes_back() -> None:
    events = [(20, "nats", "left"), (30, "nats", "ready"), (40, "nats", "died"), (50, "nats", "ready")]
    rows = fault_rows([Struck(10, 0, "restart", "nats", "SIGTERM"), killed(35, "nats")], events)
    assert list(rows["detected_ns"]) == [20, 40]
    assert list(rows["recovered_ns"]) == [30, 50]
