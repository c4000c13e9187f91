"""What all seeded bugs share: a bug must be caught by the check that it names, and the score is printed at the end."""

from collections.abc import Callable, Mapping

import pytest
from zoo.bug import Bug

from loadtest.zoo import Meeting, headline

_MEETINGS = pytest.StashKey[list[Meeting]]()


@pytest.fixture
def must_catch(request: pytest.FixtureRequest) -> Callable[[Bug, Mapping[str, str]], None]:
    """Return what judges a bug by what each check said, and enters it into the score."""
    rows = request.config.stash.setdefault(_MEETINGS, [])

    def judge(bug: Bug, said: Mapping[str, str]) -> None:
        meeting = Meeting.of(bug.name, bug.file, bug.expected, said)
        rows.append(meeting)
        assert meeting.hit, f"{bug.name}: expected {bug.expected}, caught by {said_otherwise(said) or 'nothing'}"

    return judge


def said_otherwise(said: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {status}" for name, status in said.items() if status != "ok")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = terminalreporter.config.stash.get(_MEETINGS, [])
    if not rows:
        return
    terminalreporter.section(headline(rows))
    width = max(len(meeting.bug) for meeting in rows)
    for meeting in rows:
        terminalreporter.line(f"{meeting.bug:<{width}}  {', '.join(meeting.caught) or 'MISSED'}")
