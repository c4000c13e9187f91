"""A campaign's verdict as JUnit XML, which every build server reads."""

import xml.etree.ElementTree as ET
from pathlib import Path

from reports.judgement import Judgement
from reports.run import Run


def write_junit(run: Run, judgement: Judgement) -> Path:
    """Write ``junit.xml``: one test case for each check, each limit and the generator's health."""
    suite = ET.Element("testsuite", name=run.manifest["name"])
    for name, check in judgement.checks.items():
        _case(suite, "checks", name, check.status, check.message)
    for slo in judgement.slos:
        shown = "nothing" if slo.value is None else f"{slo.value:g} {slo.unit}"
        _case(suite, "limits", slo.name, "ok" if slo.ok else "broken", f"{shown}, limit {slo.limit:g} {slo.unit}")
    health = judgement.generator
    _case(suite, "generator", "health", "ok" if health.ok else "unknown", health.message)
    results = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    suite.set("tests", str(len(suite)))
    for attribute, tag in results.items():
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    file = run.path / "junit.xml"
    ET.indent(suite)
    ET.ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)
    return file


def _case(suite: ET.Element, group: str, name: str, status: str, message: str) -> None:
    case = ET.SubElement(suite, "testcase", classname=group, name=name)
    tag = {"illegal": "failure", "broken": "failure", "unknown": "error", "skipped": "skipped"}.get(status)
    if tag:
        ET.SubElement(case, tag, message=message)
