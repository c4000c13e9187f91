"""The verdict of a campaign: checks, limits and the generator's health, in that order of weight.

A broken rule outweighs everything; a Run that cannot be judged comes next, since its latencies mean nothing; a broken
limit comes last. The limits are those of the campaign in the Run's manifest.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct, to_builtins

from reference_impl.domain.errors import ConfigError
from reports.checks import allowed_skips, run_checks
from reports.checks.verdict import Verdict
from reports.health import health_of
from reports.latency import operation_figures
from reports.run import Run, write_json
from reports.slo import LimitResult, slo_results
from reports.users import adversary_gain, user_figures
from reports.video import video_summary

EXIT_CODES: Final = {"pass": 0, "error": 1, "slo": 2, "consistency": 3, "invalid": 4}
SUMMARY: Final = "summary.json"


class Judgement(Struct, frozen=True):
    """Everything that is said about a Run; `because` names what decided the verdict."""

    verdict: str
    because: list[str]
    checks: dict[str, Verdict]
    slos: list[LimitResult]
    health: list[LimitResult]

    @property
    def exit_code(self) -> int:
        """What the campaign's process ends with."""
        return EXIT_CODES[self.verdict]


class Decision(NamedTuple):
    """A verdict and the names of the rules or limits that decided it; none if the Run passed."""

    verdict: str
    because: list[str]


def decide(
    checks: Mapping[str, Verdict],
    slos: Iterable[LimitResult],
    health: Iterable[LimitResult],
    skippable: Collection[str] = (),
) -> Decision:
    """Decide on ``pass``, ``slo``, ``consistency`` or ``invalid``.

    A broken rule outweighs an invalid Run, and that a broken limit.
    """
    broken = [name for name, check in checks.items() if check.status == "illegal"]
    undecided = [
        name
        for name, check in checks.items()
        if check.status == "unknown" or (check.status == "skipped" and name not in skippable)
    ]
    undecided += [f"{limit.text} ({limit.said})" for limit in health if not limit.ok]
    missed = [f"{limit.text} ({limit.said})" for limit in slos if not limit.ok]
    for verdict, because in (("consistency", broken), ("invalid", undecided), ("slo", missed)):
        if because:
            return Decision(verdict, because)
    return Decision("pass", [])


def judge(run: Run) -> Judgement:
    """Check a Run, write ``checks.json`` and ``summary.json`` beside it, and return the judgement."""
    checks, slos, health = run_checks(run), slo_results(run), health_of(run)
    said, because = decide(checks, slos, health, allowed_skips(run))
    judgement = Judgement(said, because, checks, slos, health)
    write_summary(run, summarise(run, judgement))
    return judgement


def summarise(run: Run, judgement: Judgement) -> dict[str, Any]:
    """Return the content of ``summary.json``; ``simulated`` holds the twin's figures, or None."""
    return {
        "verdict": judgement.verdict,
        "because": judgement.because,
        "checks": {name: check.status for name, check in judgement.checks.items()},
        "slos": _limits(judgement.slos),
        "health": _limits(judgement.health),
        **_figures(run),
        "simulated": _figures(run.twin) if run.twin else None,
    }


def _figures(run: Run) -> dict[str, Any]:
    gain = adversary_gain(run)
    return {
        **operation_figures(run.ops),
        "users": user_figures(run),
        "adversary": to_builtins(gain) if gain else None,
        "video": video_summary(run),
    }


def error_summary(reason: str) -> dict[str, Any]:
    """Return a summary for a campaign that failed before it could be judged."""
    return {"verdict": "error", "reason": reason, "checks": {}, "simulated": None}


def write_summary(run: Run, summary: Mapping[str, Any]) -> None:
    """Write ``summary.json``."""
    write_json(run.path / SUMMARY, summary)


def read_summary(run: Run) -> dict[str, Any]:
    """Read ``summary.json``.

    Raises
    ------
    ConfigError
        If the Run was not judged yet.
    """
    try:
        summary: dict[str, Any] = json.loads((run.path / SUMMARY).read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(f"{run.path} has no {SUMMARY}: check it first") from None
    return summary


def _limits(results: Iterable[LimitResult]) -> dict[str, Any]:
    return {result.text: {"value": result.value, "ok": result.ok} for result in results}
