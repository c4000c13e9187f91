"""From a measured Run to its verdict: twin, judgement, report, JUnit file."""

from pathlib import Path
from typing import NamedTuple

from reports.judgement import Judgement, judge
from reports.junit import write_junit
from reports.page import render_report
from reports.run import Run, open_run
from sim.twin import make_twin

TWIN = "twin"


class Evaluation(NamedTuple):
    """A judged Run."""

    run: Run
    judgement: Judgement
    report_path: Path


def evaluate(run: Run, *, simulate: bool) -> Evaluation:
    """Judge a measured Run and write everything that people and build servers read.

    Parameters
    ----------
    run : Run
        A measured Run.
    simulate : bool
        Fit the twin and simulate the same campaign first.
    """
    if simulate:
        make_twin(run, run.path / TWIN)
        run = open_run(run.path)
    judgement = judge(run)
    write_junit(run, judgement)
    return Evaluation(run, judgement, render_report(run, judgement))
