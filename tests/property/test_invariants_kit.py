"""The kit that others run in their CI: it passes a sound wallet, catches every planted fault, and its example runs."""

import re
from pathlib import Path

import pytest
from broken_wallets import BROKEN
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from loadtest.invariants import EVERYTHING, Capability, ModelWallet, WalletMachine, check_wallet
from reference_impl.domain.errors import InvariantViolationError

DEEP = {"CancelsWhatIsSettled", "CorrectsBelowZero", "ForgetsLosses", "PaysTwice"}
"""Faults that take some hundred histories to show."""

DOCUMENT = Path(__file__).parents[2] / "docs" / "INVARIANTS.md"


def test_a_sound_wallet_passes() -> None:
    check_wallet(ModelWallet, histories=15)


@pytest.mark.parametrize("without", list(Capability), ids=lambda capability: capability.name.lower())
def test_a_wallet_is_not_asked_for_what_it_cannot_do(without: Capability) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError(f"asked for {without}")

    methods = {
        Capability.CANCEL: ["cancel"],
        Capability.CORRECT: ["correct"],
        Capability.TOGETHER: ["place_together"],
        Capability.LIMITS: ["set_limits"],
        Capability.TRANSFERS: ["send", "receive", "end_transfers"],
    }.get(without, [])
    members = dict.fromkeys(methods, refuse) | {"can": EVERYTHING - {without}}
    check_wallet(type("Partial", (ModelWallet,), members), histories=3)


@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=pytest.mark.soak if name in DEEP else ()) for name in BROKEN]
)
def test_a_fault_is_caught(fault: str) -> None:
    machine = type("Machine", (WalletMachine,), {"make": staticmethod(BROKEN[fault])})
    with pytest.raises((InvariantViolationError, ExceptionGroup)):
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=500, stateful_step_count=30, deadline=None, derandomize=True, database=None,
                phases=[Phase.generate], suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
            ),
        )  # fmt: skip


def test_the_example_of_the_document_runs_and_passes() -> None:
    example = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)[0]
    assert len(example.strip().splitlines()) <= 12
    names: dict[str, object] = {}
    exec(compile(example, str(DOCUMENT), "exec"), names)  # noqa: S102 - it is our own document
    names["test_my_wallet"]()
