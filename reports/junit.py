"""A campaign's verdict as JUnit XML, which every build server reads.

One suite each for rules, limits and the generator's health, and one case for each of their members. What is broken is a
*failure*; what makes the Run invalid, because nobody can tell, is an *error*.
"""

import datetime as dt
import json
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from reference_impl.domain.units import NS_PER_S
from reports.checks import CHECKS, allowed_skips
from reports.checks.verdict import Verdict
from reports.judgement import Judgement
from reports.run import Run
from reports.slo import LimitResult

JUNIT: Final = "junit.xml"

_TOTALS: Final = {"failures": "failure", "errors": "error", "skipped": "skipped"}


class Case(NamedTuple):
    """A test case: its name, what came of it (a tag of JUnit's, or nothing), one line, and details."""

    name: str
    tag: str
    message: str
    detail: str = ""


def write_junit(run: Run, judgement: Judgement) -> Path:
    """Write ``junit.xml`` beside a judged Run and return its path."""
    return _write(
        run,
        {
            "checks": _checks(judgement.checks, allowed_skips(run)),
            "slo": [_limit(limit, "failure") for limit in judgement.slos],
            "health": [_limit(limit, "error") for limit in judgement.health],
        },
    )


def write_error_junit(run: Run, reason: str) -> Path:
    """Write ``junit.xml`` of a campaign that failed before it could be judged."""
    return _write(run, {"campaign": [Case("ran to its end", "error", reason)]})


def _checks(checks: Mapping[str, Verdict], skippable: Collection[str]) -> Iterable[Case]:
    for name, check in checks.items():
        tag = {"illegal": "failure", "unknown": "error", "skipped": "skipped"}.get(check.status, "")
        if tag == "skipped" and name not in skippable:
            tag = "error"  # the campaign did not allow that nobody looks
        witness = json.dumps(check.witness, indent=1) if check.witness else ""
        yield Case(name, tag, check.message, "\n".join(filter(None, (CHECKS[name].question, witness))))


def _limit(limit: LimitResult, tag: str) -> Case:
    said = f"{limit.said}; {limit.meaning}" if limit.meaning else limit.said
    return Case(limit.text, "" if limit.ok else tag, said)


def _write(run: Run, suites: Mapping[str, Iterable[Case]]) -> Path:
    root = ET.Element("testsuites", name=run.manifest["name"])
    for name, cases in suites.items():
        _suite(root, name, cases, run)
    for total in ("tests", *_TOTALS):
        root.set(total, str(sum(int(suite.get(total, 0)) for suite in root)))
    file = run.path / JUNIT
    ET.indent(root)
    ET.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
    return file


def _suite(root: ET.Element, name: str, cases: Iterable[Case], run: Run) -> None:
    manifest = run.manifest
    campaign = manifest["name"]
    suite = ET.SubElement(root, "testsuite", name=f"{campaign}.{name}", hostname=manifest["host"]["name"])
    if manifest["started_unix_ns"]:
        started = dt.datetime.fromtimestamp(manifest["started_unix_ns"] // NS_PER_S, tz=dt.UTC)
        suite.set("timestamp", started.isoformat())
    properties = ET.SubElement(suite, "properties")
    for key, value in (("run", run.path.name), ("commit", manifest["commit"]), ("seed", manifest["seed"])):
        ET.SubElement(properties, "property", name=key, value=str(value))
    for case in cases:
        _case(suite, f"{campaign}.{name}", case)
    found = suite.findall("testcase")
    suite.set("tests", str(len(found)))
    for total, tag in _TOTALS.items():
        suite.set(total, str(len(suite.findall(f"testcase/{tag}"))))


def _case(suite: ET.Element, group: str, case: Case) -> None:
    element = ET.SubElement(suite, "testcase", classname=group, name=case.name)
    if case.tag:
        ET.SubElement(element, case.tag, message=case.message).text = case.detail
    else:
        ET.SubElement(element, "system-out").text = case.message
