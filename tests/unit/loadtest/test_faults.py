"""Faults strike on time, and the supervisor's events tell how the system took them."""

import time

from loadtest.faults.kill import Struck, crashes, fault_rows, strike

from sim.fault_kinds import Fault


class Victim:
    def __init__(self) -> None:
        self.killed: list[tuple[int, str]] = []

    def kill(self, name: str) -> None:
        self.killed.append((time.monotonic_ns(), name))


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
    await strike(victim, [Fault(kind="kill", target="nats", at_s=0.02, before_close_ms=50)], start_ns, cut_offs)
    assert len(asked) == 2
    assert 0 <= victim.killed[0][0] - (start_ns + 250_000_000) < 200_000_000


async def test_faults_strike_in_order_of_time_and_not_before_it() -> None:
    faults = [Fault(kind="kill", target="nats", at_s=0.06), Fault(kind="kill", target="gateway-1", at_s=0.02)]
    victim, start_ns = Victim(), time.monotonic_ns()
    struck = await strike(victim, faults, start_ns, no_cut_offs)
    assert [name for _, name in victim.killed] == ["gateway-1", "nats"]
    assert [fault.target for fault in struck] == ["gateway-1", "nats"]
    for (t_ns, _), at_ns in zip(victim.killed, (20_000_000, 60_000_000), strict=True):
        assert 0 <= t_ns - start_ns - at_ns < 500_000_000


def test_detection_and_recovery_are_the_first_events_after_the_fault() -> None:
    events = [(5, "gateway-1", "ready"), (30, "gateway-1", "ready"), (12, "gateway-1", "died"), (11, "nats", "died")]
    row = fault_rows([Struck(10, "kill", "gateway-1")], events).iloc[0]
    assert (row["detected_ns"], row["recovered_ns"]) == (12, 30)


def test_fault_that_nobody_noticed_has_no_recovery() -> None:
    rows = fault_rows([Struck(10, "kill", "dealer")], [(5, "dealer", "ready"), (20, "dealer", "ready")])
    assert (rows["detected_ns"][0], rows["recovered_ns"][0]) == (0, 0)


def test_process_that_died_by_itself_is_a_crash() -> None:
    events = [
        (12, "gateway-1", "died"),
        (30, "gateway-1", "ready"),
        (40, "services", "died"),
        (50, "services", "ready"),
    ]
    rows = fault_rows([Struck(10, "kill", "gateway-1")], events)
    assert rows["kind"].tolist() == ["kill", "crash"]
    assert rows.iloc[1].to_dict() == {
        "t_ns": 40, "kind": "crash", "target": "services", "detected_ns": 40, "recovered_ns": 50,
    }  # fmt: skip
    assert crashes(rows) == "services 1 ×"


def test_no_faults_make_an_empty_table_of_the_right_columns() -> None:
    assert list(fault_rows([], [])) == ["t_ns", "kind", "target", "detected_ns", "recovered_ns"]
