"""Judging a walk by every rule, and saying it: as text, as JSON, as JUnit XML.

Verdicts are three-valued: a rule is *ok* where it was put to the test and held, *broken* where it did not, and *not
seen* where the walk met nothing that it applies to. Only a broken *must* fails a stream.
"""

import xml.etree.ElementTree as ET
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec

from loadtest.streamlint.rules import RULES
from loadtest.streamlint.rules.rule import Finding, Level, Rule
from loadtest.streamlint.walk import Walk
from reference_impl.domain.errors import ConfigError

FINDINGS_SHOWN_MAX = 5
"""Findings kept of a rule: the first ones name the fault, the rest repeat it."""
EXIT_BROKEN = 3

Verdict = Literal["ok", "broken", "not seen"]


class RuleResult(msgspec.Struct, frozen=True):
    """What a rule found. ``looked`` counts what it was applied to, ``broken`` what broke it."""

    rule: str
    level: Level
    says: str
    source: str
    verdict: Verdict
    looked: int
    broken: int
    findings: list[Finding]


class Judgement(msgspec.Struct, frozen=True):
    """What all rules found in a walk."""

    url: str
    requests: int
    renditions: int
    rules: list[RuleResult]

    def broken(self, level: Level) -> list[RuleResult]:
        """Return the broken rules of a level."""
        return [result for result in self.rules if result.verdict == "broken" and result.level == level]

    @property
    def exit_code(self) -> int:
        """0 if no *must* is broken, otherwise 3."""
        return EXIT_BROKEN if self.broken("must") else 0


def judge(walk: Walk) -> Judgement:
    """Apply every rule to a walk."""
    return Judgement(walk.url, len(walk.fetches), len(walk.tracks), [_apply(rule, walk) for rule in RULES])


def table(judgement: Judgement) -> str:
    """Return what is broken or was not seen, a rule a line, and the counts."""
    lines = []
    for result in judgement.rules:
        if result.verdict == "broken":
            word = "BROKEN" if result.level == "must" else "unwise"
            lines.append(f"{word:<9}{result.rule}: {result.says} [{result.source}]")
            lines += [f"         saw {f.seen}; allowed: {f.allowed}\n             {f.url}" for f in result.findings]
            if result.broken > len(result.findings):
                lines.append(f"         and {result.broken - len(result.findings)} more")
    unseen = [result.rule for result in judgement.rules if result.verdict == "not seen"]
    if unseen:
        lines.append(f"not seen {', '.join(unseen)}")
    return "\n".join([*lines, _counts(judgement)])


def write_junit(judgement: Judgement, path: Path) -> None:
    """Write JUnit XML: a broken *must* is a failure, what was not seen is skipped.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    suite = ET.Element("testsuite", name="stream lint", tests=str(len(judgement.rules)))
    suite.set("failures", str(len(judgement.broken("must"))))
    suite.set("skipped", str(sum(result.verdict == "not seen" for result in judgement.rules)))
    for result in judgement.rules:
        case = ET.SubElement(suite, "testcase", classname=result.level, name=result.rule)
        said = "\n".join(f"{f.url}: saw {f.seen}; allowed: {f.allowed}" for f in result.findings)
        if result.verdict == "not seen":
            ET.SubElement(case, "skipped", message="the walk met nothing that it applies to")
        elif result.verdict == "broken" and result.level == "must":
            ET.SubElement(case, "failure", message=result.says).text = _printable(said)
        elif result.findings:
            ET.SubElement(case, "system-out").text = _printable(said)
    ET.indent(suite)
    try:
        ET.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def save(walk: Walk, path: Path) -> None:
    """Keep a walk as JSON, to be judged again.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    try:
        path.write_bytes(msgspec.json.encode(walk))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def load(path: Path) -> Walk:
    """Return a walk that was kept.

    Raises
    ------
    ConfigError
        If the file holds none.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Walk)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path}: no recorded walk: {error}") from None


def _apply(rule: Rule, walk: Walk) -> RuleResult:
    looks = list(rule.look(walk))
    findings = [look for look in looks if look is not None]
    verdict: Verdict = "broken" if findings else "ok" if looks else "not seen"
    kept = list(islice(findings, FINDINGS_SHOWN_MAX))
    return RuleResult(rule.id, rule.level, rule.says, rule.source, verdict, len(looks), len(findings), kept)


def _counts(judgement: Judgement) -> str:
    ok = sum(result.verdict == "ok" for result in judgement.rules)
    unseen = sum(result.verdict == "not seen" for result in judgement.rules)
    return (
        f"{len(judgement.rules)} rules, {judgement.requests} requests, {judgement.renditions} renditions: {ok} ok,"
        f" {len(judgement.broken('must'))} broken, {len(judgement.broken('should'))} unwise, {unseen} not seen"
    )


def _printable(text: str) -> str:
    return "".join(letter if letter >= " " or letter == "\n" else "?" for letter in text)
