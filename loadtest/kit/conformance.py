"""The conformance suite: runs the cases one after the other against a wallet and says what each of them saw."""

import secrets
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from threading import BrokenBarrierError
from typing import Literal

import msgspec

from loadtest.adapters.seamless import SeamlessClient
from loadtest.kit.cases import CASES, Case, question
from loadtest.kit.profile import Profile
from loadtest.kit.story import Misbehaved, Story, Wallet, enter
from reference_impl.domain.errors import ConfigError, OperationalError
from reference_impl.domain.seamless_signature import Signer

EXIT = {"pass": 0, "fail": 3, "error": 1}
PLAYERS_MIN = 2
ERRORS_IN_A_ROW_MAX = 2
"""After so many cases that could not be judged the wallet is taken to be gone, and the rest is not tried."""


Verdict = Literal["pass", "fail", "error"]


class CaseResult(msgspec.Struct, frozen=True):
    """What became of a case: ``error`` means that it could not be judged."""

    name: str
    group: str
    asks: str
    verdict: Verdict
    message: str
    seconds: float
    seen: list[str]


class Conformance(msgspec.Struct, frozen=True):
    """What became of the suite."""

    url: str
    run: str
    seed: int
    verdict: Verdict
    cases: list[CaseResult]

    @property
    def exit_code(self) -> int:
        """Return 0 if all passed, 3 if a case failed, 1 if none failed but one could not be judged."""
        return EXIT[self.verdict]


def check(
    url: str,
    profile: Profile,
    signer: Signer,
    tokens: Sequence[str],
    *,
    only: Iterable[str] = (),
    seed: int | None = None,
    tell: Callable[[CaseResult], None] = lambda _result: None,
) -> Conformance:
    """Run the suite.

    Parameters
    ----------
    url : str
        Where the wallet's calls are.
    profile : Profile
        How it behaves.
    signer : Signer
        Signs the calls.
    tokens : sequence of str
        Launch tokens of at least two test players, with whom nobody else plays meanwhile.
    only : iterable of str
        Names of the cases to run; none means all.
    seed : int, optional
        Of the random histories; one is drawn otherwise.
    tell : callable
        Told of each case when it is over.

    Raises
    ------
    ConfigError
        If a name is no case's.
    OperationalError
        If the wallet cannot be reached, or does not admit the test players.
    """
    names = list(only) or list(CASES)
    for name in names:
        if name not in CASES:
            raise ConfigError(f"case '{name}': there is no such case, known are {', '.join(CASES)}")
    seed = secrets.randbits(32) if seed is None else seed
    run = secrets.token_hex(4)
    wallet = Wallet(profile, lambda: SeamlessClient(url, profile.provider, signer, profile.timeout_s))
    results = []
    try:
        players = [enter(wallet, token) for token in tokens[:PLAYERS_MIN]]
        if len({player.id for player in players}) < PLAYERS_MIN:
            raise ConfigError(f"both launch tokens are of player {players[0].id}; two players are needed")
        errors = 0
        for number, name in enumerate(names):
            if errors < ERRORS_IN_A_ROW_MAX:
                result = run_case(name, Story(wallet, players, f"{run}.{number}", seed))
            else:
                result = _not_run(name)
            errors = errors + 1 if result.verdict == "error" else 0
            results.append(result)
            tell(result)
    finally:
        wallet.close()
    return Conformance(url, run, seed, _worst(results), results)


def run_case(name: str, story: Story) -> CaseResult:
    """Run one case."""
    case = CASES[name]
    verdict: Verdict = "pass"
    message = ""
    started_s = time.monotonic()
    try:
        case(story)
    except Misbehaved as error:
        verdict, message = "fail", str(error)
    except (OperationalError, TimeoutError, BrokenBarrierError, BrokenExecutor) as error:
        verdict, message = "error", f"could not be judged: {type(error).__name__}: {error}"
    seconds = round(time.monotonic() - started_s, 3)
    return CaseResult(name, _group(case), question(case), verdict, message, seconds, list(story.seen))


def _not_run(name: str) -> CaseResult:
    case = CASES[name]
    return CaseResult(name, _group(case), question(case), "error", "not run: the wallet stopped answering", 0.0, [])


def _group(case: Case) -> str:
    return case.__module__.rpartition(".")[2]


def _worst(results: list[CaseResult]) -> Verdict:
    verdicts = {result.verdict for result in results}
    return "fail" if "fail" in verdicts else "error" if "error" in verdicts else "pass"


def line_of(result: CaseResult) -> str:
    """Return a case's line in the table; a failure says on a second line what was expected and seen."""
    line = f"{result.verdict:<6}{result.name:<56}{1000 * result.seconds:>7.0f} ms"
    return line if result.verdict == "pass" else f"{line}\n      asks: {result.asks}\n      saw:  {result.message}"


def summary_of(conformance: Conformance) -> str:
    """Return the last line: how many of what, and how to run it again."""
    counts = {verdict: sum(case.verdict == verdict for case in conformance.cases) for verdict in EXIT}
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return f"{len(conformance.cases)} cases: {said} (run {conformance.run}, seed {conformance.seed})"


def write_junit(conformance: Conformance, path: Path) -> None:
    """Write JUnit XML, which every build server reads: what a failed case saw is its output."""
    suite = ET.Element("testsuite", name="seamless wallet", tests=str(len(conformance.cases)))
    for attribute, verdict in (("failures", "fail"), ("errors", "error")):
        suite.set(attribute, str(sum(case.verdict == verdict for case in conformance.cases)))
    suite.set("time", f"{sum(case.seconds for case in conformance.cases):.3f}")
    for result in conformance.cases:
        case = ET.SubElement(suite, "testcase", classname=result.group, name=result.name, time=f"{result.seconds:.3f}")
        if result.verdict != "pass":
            tag = "failure" if result.verdict == "fail" else "error"
            ET.SubElement(case, tag, message=_printable(result.message)).text = result.asks
            ET.SubElement(case, "system-out").text = _printable("\n".join(result.seen))
    ET.indent(suite)
    try:
        ET.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def _printable(text: str) -> str:
    """XML 1.0 has no control characters; a wallet's answer may."""
    return "".join(letter if letter >= " " or letter == "\n" else "?" for letter in text)


def show(result: CaseResult) -> None:
    """Print a case's line as soon as it is over."""
    print(line_of(result), file=sys.stderr, flush=True)  # noqa: T201 - this is the command's progress
