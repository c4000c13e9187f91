"""The kit passes an honest wallet and names what is wrong with each faulty one."""

import socket
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest
from kit.faults import FAULTS, Fault

from loadtest.adapters import seamless
from loadtest.adapters.seamless import SeamlessClient
from loadtest.kit.cases import CASES, question
from loadtest.kit.conformance import Conformance, check, line_of, summary_of, write_junit
from loadtest.kit.example import ExampleWallet
from loadtest.kit.model import ModelWallet
from loadtest.kit.profile import Profile
from reference_impl.domain.errors import ConfigError, OperationalError, OutcomeUnknownError
from reference_impl.domain.seamless import (
    Answer,
    Authenticate,
    Call,
    Code,
    Conventions,
    Debit,
    Duplicate,
    LateDebit,
    RejectedRetry,
    Signature,
    UnknownCancel,
    problem,
)
from reference_impl.domain.seamless_signature import Hmac, signer_of, verifier_of
from reference_impl.stack.processes import free_port

KEY = Hmac("a secret of the tests")
HONEST = Fault(ModelWallet, ExampleWallet, "")
AGREED = {
    "default": Conventions(),
    "already_exists": Conventions(duplicate=Duplicate.ALREADY_EXISTS),
    "late_debit_no_effect": Conventions(late_debit=LateDebit.NO_EFFECT),
    "unknown_cancel_not_found": Conventions(unknown_cancel=UnknownCancel.NOT_FOUND),
    "evaluated_again": Conventions(rejected_retry=RejectedRetry.EVALUATED_AGAIN),
    "all_otherwise": Conventions(
        duplicate=Duplicate.ALREADY_EXISTS,
        late_debit=LateDebit.NO_EFFECT,
        unknown_cancel=UnknownCancel.NOT_FOUND,
        rejected_retry=RejectedRetry.EVALUATED_AGAIN,
    ),
}


def judged(
    wallet: Fault, *only: str, agreed: Conventions | None = None, told: Conventions | None = None
) -> Conformance:
    """Run the kit, told of some conventions, against a wallet that keeps others or the same."""
    agreed = agreed or Conventions()
    rules = wallet.rules(agreed, "EUR")
    for player in ("ann", "bob"):
        rules.open(player, 100_000)
    with wallet.server(rules, {"lab": KEY}) as server:
        return check(server.url, Profile(conventions=told or agreed), KEY, server.tokens, only=only, seed=5)


def failures(result: Conformance) -> dict[str, str]:
    return {case.name: case.message for case in result.cases if case.verdict != "pass"}


@pytest.mark.parametrize("agreed", AGREED)
def test_an_honest_wallet_passes_under_every_convention(agreed: str) -> None:
    result = judged(HONEST, agreed=AGREED[agreed])
    assert failures(result) == {}
    assert len(result.cases) == len(CASES)
    assert (result.verdict, result.exit_code) == ("pass", 0)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_each_seeded_fault_is_caught_and_named(fault: Fault) -> None:
    result = judged(fault, fault.case)
    assert (result.verdict, result.exit_code) == ("fail", 3)
    assert "expected" in failures(result)[fault.case]


@pytest.mark.parametrize(
    ("told", "case"),
    [
        (Conventions(duplicate=Duplicate.ALREADY_EXISTS), "a_debit_sent_twice_takes_the_stake_once"),
        (Conventions(late_debit=LateDebit.NO_EFFECT), "a_debit_after_its_cancel_never_moves_money"),
        (Conventions(unknown_cancel=UnknownCancel.NOT_FOUND), "a_debit_after_its_cancel_never_moves_money"),
        (Conventions(rejected_retry=RejectedRetry.EVALUATED_AGAIN), "a_refused_debit_sent_again_is_judged_as_agreed"),
        (Conventions(window_ms=120_000), "a_timestamp_within_the_window_is_accepted"),
    ],
)
def test_a_wallet_that_keeps_another_convention_than_agreed_is_named(told: Conventions, case: str) -> None:
    assert list(failures(judged(HONEST, case, agreed=Conventions(), told=told))) == [case]


def test_every_case_has_a_fault_that_it_names() -> None:
    assert {fault.case for fault in FAULTS} == set(CASES)


def test_every_case_asks_something() -> None:
    for case in CASES.values():
        assert question(case).endswith(".")


def test_the_report_shows_a_failure_with_request_expectation_and_answer(tmp_path: Path) -> None:
    result = judged(FAULTS[0], FAULTS[0].case, "a_promo_pays_once")
    write_junit(result, tmp_path / "kit.xml")
    suite = ET.parse(tmp_path / "kit.xml").getroot()  # noqa: S314 - our own file
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    failure = suite.find("testcase/failure")
    assert "expected" in failure.get("message")
    assert "[kit-" in failure.get("message")
    assert "debit 300" in suite.find("testcase/system-out").text
    assert line_of(result.cases[0]).startswith("fail")
    assert line_of(result.cases[1]).startswith("pass")
    assert "1 pass, 1 fail" in summary_of(result)
    assert msgspec.json.decode(msgspec.json.encode(result), type=Conformance) == result


def test_calls_may_be_signed_by_rsa() -> None:
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key  # noqa: PLC0415

    key = generate_private_key(65537, 2048)
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()).decode()
    public = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo).decode()
    agreed = Conventions(signature=Signature.RSA_SHA256)
    rules = ModelWallet(agreed, "EUR")
    rules.open("ann", 100_000)
    rules.open("bob", 100_000)
    with ExampleWallet(rules, {"lab": verifier_of(agreed.signature, public)}) as server:
        signer = signer_of(agreed.signature, private)
        result = check(server.url, Profile(conventions=agreed), signer, server.tokens, seed=5)
    assert failures(result) == {}
    with pytest.raises(ConfigError, match="no public key in PEM form"):
        verifier_of(Signature.RSA_SHA256, private)


def test_a_wallet_that_cannot_be_reached_is_an_error_and_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seamless, "RESOLVE_PAUSE_S", 0.0)
    with pytest.raises(OutcomeUnknownError, match="no answer"):
        check(f"http://127.0.0.1:{free_port()}/x", Profile(), KEY, ["one", "two"])


def test_a_wallet_that_stops_answering_is_not_waited_for_in_every_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seamless, "RESOLVE_PAUSE_S", 0.0)

    class Dying(ExampleWallet):
        def carry_out(self, call: Call) -> Answer:
            return super().carry_out(call) if isinstance(call, Authenticate) else problem(Code.OUTCOME_UNKNOWN, "gone")

    result = judged(Fault(ModelWallet, Dying, ""))
    assert (result.verdict, result.exit_code) == ("error", 1)
    assert sum("not run" in message for message in failures(result).values()) > len(CASES) - 5


def test_players_without_funds_are_named_before_anything_is_asked() -> None:
    rules = ModelWallet(Conventions(), "EUR")
    rules.open("ann", 99)
    with (
        ExampleWallet(rules, {"lab": KEY}) as server,
        pytest.raises(OperationalError, match="ann has 99 EUR minor units, at least 10000"),
    ):
        check(server.url, Profile(), KEY, server.tokens * 2)


def test_an_unknown_case_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="case 'nonsense': there is no such case, known are a_false"):
        check("http://127.0.0.1:1", Profile(), KEY, [], only=["nonsense"])


def test_a_secret_never_reaches_the_wallet_or_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    result = judged(HONEST)
    assert "a secret of the tests" not in repr(result) + "".join(capsys.readouterr())


def test_a_client_reuses_its_connection_and_survives_its_end() -> None:
    rules = ModelWallet(Conventions(), "EUR")
    rules.open("ann", 1000)
    with ExampleWallet(rules, {"lab": KEY}) as server:
        client = SeamlessClient(server.url, "lab", KEY, 2.0)
        bet = Debit("ann", server.tokens[0], "EUR", "t-1", 100)
        assert client.call(bet).balance_minor == 900
        client._connection.sock.shutdown(socket.SHUT_RDWR)
        assert client.call(bet).balance_minor == 900
        client.close()
