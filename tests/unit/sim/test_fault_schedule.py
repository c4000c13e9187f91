"""Faults by chance: the same seed gives the same list, every strike comes up, and all of them are possible."""

from collections import Counter

import pytest
from msgspec import structs

from sim.fault_kinds import KINDS, FaultKind
from sim.fault_schedule import RandomFaults, read_strike, schedule

TARGETS = ["postgres", "nats", "wallet-0", "wallet-1", "gateway-0", "dealer"]
ASKED = RandomFaults(
    start_s=10.0, every_s=5.0, count=40, strikes=("kill wallet-", "latency nats", "stop dealer", "slow-fsync postgres"),
)  # fmt: skip


def test_the_same_seed_gives_the_same_list_and_another_seed_another() -> None:
    assert schedule(ASKED, TARGETS) == schedule(ASKED, TARGETS)
    assert schedule(ASKED, TARGETS) != schedule(structs.replace(ASKED, seed=2), TARGETS)


def test_each_strike_comes_up_equally_often_in_its_own_turn() -> None:
    faults = schedule(ASKED, TARGETS)
    assert Counter(fault.kind for fault in faults) == dict.fromkeys(("kill", "latency", "stop", "slow-fsync"), 10)
    assert {fault.target for fault in faults if fault.kind == FaultKind.KILL} == {"wallet-0", "wallet-1"}
    for number, fault in enumerate(faults):
        assert 10 + 5 * number <= fault.at_s <= 10 + 5 * number + 2.6


def test_every_fault_has_what_its_kind_takes_and_nothing_else() -> None:
    for fault in schedule(ASKED, TARGETS):
        kind = KINDS[fault.kind]
        assert all(getattr(fault, key) for key in kind.takes)
        assert bool(fault.for_s) == kind.lasts


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("burn nats", "there is no kind of fault 'burn'"),
        ("kill gateway-7", "there is no process 'gateway-7'"),
        ("slow-fsync nats", "slow-fsync strikes only postgres, not nats"),
    ],
)
def test_an_impossible_strike_is_refused_in_one_line(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_strike(text, TARGETS)
