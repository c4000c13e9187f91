"""The code and the campaigns that the documents show do what the documents say."""

import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from loadtest.config import parse_campaign
from reference_impl.domain.games.game import OUTCOME_MAX
from reference_impl.domain.phases import Phase
from reference_impl.streaming.camera import Camera
from reference_impl.streaming.scene import Scene

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def campaigns() -> Iterator[tuple[str, str]]:
    for page in sorted(DOCS.glob("**/*.md")):
        for number, text in enumerate(blocks(str(page.relative_to(DOCS)), "toml")):
            if re.match(r"(#.*\n)*name = ", text):
                yield f"{page.stem}-{number}", text


@pytest.mark.parametrize("text", [text for _, text in campaigns()], ids=[name for name, _ in campaigns()])
def test_a_campaign_that_a_page_shows_is_one(text: str) -> None:
    assert parse_campaign(text).name == tomllib.loads(text)["name"]


def test_pages_show_campaigns() -> None:
    assert len(list(campaigns())) > 4


@pytest.mark.parametrize("page", sorted((DOCS / "tutorials").glob("*.md")), ids=lambda page: page.stem)
def test_a_campaign_that_a_tutorial_runs_is_one_that_it_shows_or_makes(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    shown = {f"{name}.toml" for name in re.findall(r'^name = "(.+)"', text, re.MULTILINE)}
    made = set(re.findall(r"> (\S+\.toml)$", text, re.MULTILINE))
    commands = re.findall(r"^\S*livetable (?:campaign|sim) .*", text, re.MULTILINE)
    run = {name for command in commands for name in re.findall(r"[\w-]+\.toml", command)}
    assert run - shown - made == set()


def test_the_tutorials_game_keeps_what_every_game_promises(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, shown = blocks("tutorials/add-a-game.md", "python")
    dice: Any = ModuleType("reference_impl.domain.games.dice")
    monkeypatch.setitem(sys.modules, dice.__name__, dice)
    exec(module, dice.__dict__)  # noqa: S102 - the page's code is what is tested
    exec(shown, {})  # noqa: S102 - as above
    assert capsys.readouterr().out in blocks("tutorials/add-a-game.md", "text")

    outcomes = {dice.DICE.draw(k.to_bytes(32), [b"head"]) for k in range(500)}
    assert outcomes == set(range(36))
    assert sum(chance for _, chance in dice.DICE.chances()) == 1
    assert dice.DICE.describe(16) == "3 + 5"
    assert not dice.DICE.is_outcome(36)
    assert not dice.DICE.is_outcome(OUTCOME_MAX)
    paid = dice.DICE.payouts_minor(np.array([0, 1, 2]), np.array([105, 105, 105]), 5)
    assert paid.tolist() == [0, 598, 0]  # 1 + 6: seven, and the half cent stays with the house
    shown_at = Scene(1, 1, 1, Phase.RESULT, 0, 0, 0, 5, "dice")
    assert Camera(426, 240, 1, 0).draw(shown_at, 10**18).any()


def test_the_tutorials_policy_chooses_the_best_of_its_three() -> None:
    (rule,) = blocks("tutorials/add-a-policy.md", "python")
    names: dict[str, Any] = {"Sequence": Sequence}
    exec(rule, names)  # noqa: S102 - the page's code is what is tested
    loads = [5.0, 1.0, 4.0, 2.0]
    uniforms = np.random.default_rng(1).random((200, 2))
    for first, second in uniforms:
        among = {int(u * 4) for u in (first, second, (first + second) % 1.0)}
        assert names["best_of_three"](loads, first, second) == min(among, key=lambda i: loads[i])
