"""What all seeded bugs share: a bug must be caught by the check that it names, and the score is printed at the end."""

from collections.abc import Callable, Mapping

import pytest
from shards import new_shard
from zoo.bug import Bug, NotCaughtError

from reference_impl.stack.embedded import EmbeddedPostgres

STOCK = 16

_SCORES = pytest.StashKey[list[tuple[Bug, list[str]]]]()


@pytest.fixture(scope="session")
def stock() -> list[str]:
    return []


@pytest.fixture
async def shard_dsn(postgres: EmbeddedPostgres, stock: list[str]) -> str:
    """Return the address of a fresh shard. Cloning waits for a checkpoint, so one is waited for by many clones."""
    if not stock:
        stock.extend([await new_shard(postgres) for _ in range(STOCK)])
    return stock.pop()


@pytest.fixture
def must_catch(request: pytest.FixtureRequest) -> Callable[[Bug, Mapping[str, str]], None]:
    """Return what judges a bug by what each check said, and enters it into the score."""
    rows = request.config.stash.setdefault(_SCORES, [])

    def judge(bug: Bug, said: Mapping[str, str]) -> None:
        caught = [name for name, status in said.items() if status != "ok"]
        rows.append((bug, caught))
        if bug.expected in caught:
            return
        if caught:
            pytest.fail(f"{bug.name}: expected {bug.expected}, caught by {', '.join(caught)}: {said[caught[0]]}")
        raise NotCaughtError(f"{bug.name}: expected {bug.expected}, every check was ok")

    return judge


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = terminalreporter.config.stash.get(_SCORES, [])
    if not rows:
        return
    hits = sum(bug.expected in caught for bug, caught in rows)
    terminalreporter.section(f"bug zoo: {hits} of {len(rows)} seeded bugs were caught by the check that should")
    width = max(len(bug.name) for bug, _ in rows)
    for bug, caught in rows:
        said = ", ".join(sorted(caught, key=lambda name: name != bug.expected))
        terminalreporter.line(f"{bug.name:<{width}}  {said or f'MISSED: {bug.missed}'}")
