"""docs/MESSAGES.md says who talks to whom on the bus as the sources do."""

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "reference_impl"
PAGE = ROOT / "docs" / "MESSAGES.md"
SAYS, HEARS = False, True
ROLES = {
    "accounts/keeper": "accounts", "balancer/balancer": "balancer", "balancer/placer": "placer",
    "bets/batching": "gateway", "bets/collecting": "gateway",
    "bets/gateway": "gateway", "bets/dealer": "dealer", "stack/stack": "supervisor",
    "streaming/report": "edge", "streaming/studio": "studio", "wallet/relay": "relay", "wallet/service": "wallet",
    "wallet/transfers": "wallet", "bets/undo": "gateway", "bets/dealer_table": "dealer",
}  # fmt: skip
"""Which role a module's code runs in; modules of the API are `api`."""
ON_BEHALF = {
    "bus": (r"^from reference_impl.bus import .*\bask_wallet", "wallet.*.control", SAYS),
    "balancer/reports": (r"^from reference_impl.balancer.reports import .*\bLoadReport\b", "report.*", HEARS),
}
"""Modules that talk for who imports this from them, on which subject, and whether these then say or hear it."""
RELAYED = ("table.*", "paid.*")
"""Subjects that PostgreSQL's outbox names: the relay publishes them."""
CALLS = {"publish": SAYS, "request": SAYS, "subscribe": HEARS}


def subject_of(node: ast.expr, constants: dict[str, str]) -> str:
    """Return a subject as it is written, `*` for what is filled in; empty for what is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return constants.get(node.id, "")
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "*" for part in node.values)
    return ""


def told() -> dict[str, tuple[set[str], set[str]]]:
    """Return for each subject which modules say it, and which hear it."""
    found: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for file in sorted(SOURCES.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name) and isinstance(node.value.value, str)
        }  # fmt: skip
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in CALLS:
                subject = subject_of(call.args[0], constants) if call.args else ""
                if subject:
                    found[subject][CALLS[call.func.attr]].add(str(file.relative_to(SOURCES).with_suffix("")))
    for helper, (imported, subject, side) in ON_BEHALF.items():
        found[subject][side].discard(helper)
        for file in sorted(SOURCES.rglob("*.py")):
            if re.search(imported, file.read_text(encoding="utf-8"), re.MULTILINE):
                found[subject][side].add(str(file.relative_to(SOURCES).with_suffix("")))
    return dict(found)


def role_of(module: str) -> str:
    return "api" if module.startswith("api/") else ROLES[module]


def drawn() -> str:
    """Return the diagram: an arrow for each two roles that talk, with what they say."""
    arrows: dict[tuple[str, str], list[str]] = defaultdict(list)
    known = told()
    for subject, (says, hears) in sorted(known.items()):
        saying = {role_of(module) for module in says} | ({"relay"} if subject in RELAYED else set())
        wider = known.get(f"{subject.split('.')[0]}.*", (set(), set()))[1] if "*" not in subject else set()
        for one in saying:
            for other in {role_of(module) for module in hears | wider}:
                arrows[one, other].append(subject)
    lines = [f'    {one} -->|"{", ".join(said)}"| {other}' for (one, other), said in sorted(arrows.items())]
    return "\n".join(["flowchart LR", *lines, ""])


def test_the_page_draws_what_the_sources_say_and_hear() -> None:
    (shown,) = re.findall(r"```mermaid\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert shown == drawn()


def test_somebody_says_whatever_is_heard_and_hears_whatever_is_said() -> None:
    known = told()
    for subject, (says, hears) in known.items():
        like = subject.replace("*", "")
        others = [sides for other, sides in known.items() if other.startswith(like) and other != subject]
        assert says or subject in RELAYED or any(side[0] for side in others), f"{subject} is heard, and nobody says it"
        assert hears, f"{subject} is said, and nobody hears it"


def test_the_page_explains_every_subject() -> None:
    explained = set(re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert explained == {subject for subject in told() if subject != "report.*"} | {"ledger.*"}
