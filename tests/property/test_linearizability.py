"""The fast checks and a search over all orders agree, on truthful histories and on spoilt ones.

Both get the same client records, journal and last balances. What is spoilt is chosen by Hypothesis: answers, journal
entries, instants, balances. ``pytest -m soak`` does the same for thousands of spoilt histories.
"""

import functools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from histories import Shape, make_tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.records import Outcome
from reports.checks import CHECKS, History
from reports.linearizability import FOREVER_NS, Call, Claim, State, linearizable, players_of, search
from reports.run import frame_of

FAST = (
    "acknowledged_is_durable", "unknowns_resolved", "conservation", "account_chains", "non_negative",
    "answers_agree",
)  # fmt: skip
"""The checks that together ask what the search asks."""

Tables = dict[str, pd.DataFrame]


def search_finds(tables: Tables, *, with_ledger: bool = True) -> set[str]:
    history = History(tables)
    return {linearizable(history, account, with_ledger=with_ledger).status for account in players_of(history)}


def fast_checks_find(tables: Tables) -> dict[str, str]:
    history = History(tables)
    said = {name: CHECKS[name].function(history) for name in FAST}
    return {name: verdict.message for name, verdict in said.items() if verdict.status == "illegal"}


def crowded(seed: int, bets: int, lost: float, deposit: int, players: int = 1, void: float = 0.0) -> Shape:
    """A history in which most operations overlap: answers take longer than players wait between bets."""
    return Shape(
        seed=seed, tables=1, rounds=1, players=players, shards=1, viewers=0, bets_per_round=bets, lost_share=lost,
        deposit_minor=deposit, latency_ms=900.0, void_share=void, late_share=0.1,
    )  # fmt: skip


@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 25), marks=pytest.mark.soak)], ids=("few", "many"))
def test_truthful_crowded_histories_are_linearizable_with_and_without_the_ledger(seeds):
    n = 0
    for seed in seeds:
        tables = make_tables(crowded(seed, 5 + seed % 4, 0.1 * (seed % 4), (300, 4_000, 100_000)[seed % 3], players=90))
        assert fast_checks_find(tables) == {}
        assert search_finds(tables) == {"ok"}
        assert search_finds(tables, with_ledger=False) == {"ok"}
        n += len(players_of(History(tables)))
    assert n == 90 * len(seeds)


def some(frame: pd.DataFrame, mask: pd.Series, rng: np.random.Generator) -> int | None:
    rows = np.flatnonzero(mask)
    return int(frame.index[rng.choice(rows)]) if len(rows) else None


def answered(ops: pd.DataFrame) -> pd.Series:
    return (ops["kind"] == 1) & ops["outcome"].isin((int(Outcome.OK), int(Outcome.REJECTED))) & (ops["seq"] > 0)


def wrong_balance_told(t: Tables, rng: np.random.Generator) -> None:
    if (row := some(t["ops"], answered(t["ops"]), rng)) is not None:
        t["ops"].loc[row, "balance"] += rng.choice((-100, 1, 700))


def wrong_version_told(t: Tables, rng: np.random.Generator) -> None:
    if (row := some(t["ops"], answered(t["ops"]), rng)) is not None:
        t["ops"].loc[row, "version"] += rng.choice((-1, 1))


def answer_turned_round(t: Tables, rng: np.random.Generator) -> None:
    if (row := some(t["ops"], answered(t["ops"]), rng)) is not None:
        was_ok = t["ops"].loc[row, "outcome"] == Outcome.OK
        t["ops"].loc[row, ["outcome", "status"]] = (
            [int(Outcome.REJECTED), int(Status.INSUFFICIENT_FUNDS)]
            if was_ok
            else [int(Outcome.OK), int(Status.ACCEPTED)]
        )


def answers_swapped(t: Tables, rng: np.random.Generator) -> None:
    rows = np.flatnonzero(answered(t["ops"]))
    if len(rows) > 1:
        a, b = rng.choice(rows, 2, replace=False)
        names = ["balance", "version", "seq"]
        t["ops"].loc[[a, b], names] = t["ops"].loc[[b, a], names].to_numpy()


def begun_after_a_later_bet_was_answered(t: Tables, rng: np.random.Generator) -> None:
    ops = t["ops"]
    rows = ops[answered(ops)].sort_values("seq").index
    if len(rows) > 1:
        first = int(rng.integers(len(rows) - 1))
        ops.loc[rows[first], "invoke_ns"] = ops.loc[rows[first + 1], "return_ns"] + 1
        ops.loc[rows[first], "return_ns"] = ops.loc[rows[first], "invoke_ns"] + 10


def answer_never_came(t: Tables, rng: np.random.Generator) -> None:
    """No lie: the ledger tells what became of it."""
    if (row := some(t["ops"], answered(t["ops"]), rng)) is not None:
        t["ops"].loc[row, ["outcome", "status", "seq", "balance", "version", "return_ns"]] = 0


def answer_made_up(t: Tables, rng: np.random.Generator) -> None:
    row = some(t["ops"], (t["ops"]["kind"] == 1) & (t["ops"]["outcome"] == int(Outcome.UNKNOWN)), rng)
    if row is not None:
        values = [int(Outcome.OK), 1, int(rng.integers(1, 20)), 100 * int(rng.integers(0, 40)), int(rng.integers(1, 9))]
        t["ops"].loc[row, ["outcome", "status", "seq", "balance", "version"]] = values
        t["ops"].loc[row, "return_ns"] = t["ops"].loc[row, "invoke_ns"] + 10**9


def players_entries(t: Tables, *kinds: EntryKind) -> pd.Series:
    return (t["ledger"]["account"] < 1 << 56) & t["ledger"]["kind"].isin([int(kind) for kind in kinds])


def wrong_balance_written(t: Tables, rng: np.random.Generator) -> None:
    row = some(t["ledger"], players_entries(t, EntryKind.BET, EntryKind.SETTLE, EntryKind.DEPOSIT), rng)
    t["ledger"].loc[row, "balance_after"] += 100


def wrong_version_written(t: Tables, rng: np.random.Generator) -> None:
    row = some(t["ledger"], players_entries(t, EntryKind.BET, EntryKind.SETTLE, EntryKind.DEPOSIT), rng)
    t["ledger"].loc[row, "version"] += 1


def entry_lost(t: Tables, rng: np.random.Generator) -> None:
    """A refusal that nobody was told of leaves but a gap in the journal's numbers, which no account knows of."""
    told = t["ledger"]["op"].isin(t["ops"].loc[answered(t["ops"]), "op"]) | (t["ledger"]["status"] == 1)
    row = some(t["ledger"], players_entries(t, EntryKind.BET) & told, rng)
    if row is not None:
        t["ledger"] = t["ledger"].drop(index=row).reset_index(drop=True)


def bet_written_twice(t: Tables, rng: np.random.Generator) -> None:
    ledger = t["ledger"]
    if (row := some(ledger, players_entries(t, EntryKind.BET), rng)) is not None:
        again = ledger.loc[[row]].assign(seq=ledger["seq"].max() + 1)
        t["ledger"] = frame_of("ledger", dict(pd.concat([ledger, again], ignore_index=True)))


def account_row_wrong(t: Tables, rng: np.random.Generator) -> None:
    row = some(t["accounts"], t["accounts"]["account"] < 1 << 56, rng)
    t["accounts"].loc[row, rng.choice(("balance", "version"))] += 1


SPOIL: dict[str, Callable[[Tables, np.random.Generator], None]] = {
    change.__name__: change
    for change in (
        wrong_balance_told, wrong_version_told, answer_turned_round, answers_swapped,
        begun_after_a_later_bet_was_answered, answer_never_came, answer_made_up, wrong_balance_written,
        wrong_version_written, entry_lost, bet_written_twice, account_row_wrong,
    )
}  # fmt: skip


@functools.lru_cache(maxsize=256)
def truthful(seed: int, bets: int, lost: float, deposit: int) -> Tables:
    return make_tables(crowded(seed, bets, lost, deposit))


def spoilt(shape: tuple[int, int, float, int], changes: list[str], seed: int) -> Tables:
    tables = {name: frame.copy() for name, frame in truthful(*shape).items()}
    rng = np.random.default_rng(seed)
    for change in changes:
        SPOIL[change](tables, rng)
    return tables


def agree(shape: tuple[int, int, float, int], changes: list[str], seed: int) -> bool:
    """Assert that both say the same of a spoilt history; return whether it is illegal."""
    tables = spoilt(shape, changes, seed)
    fast, found = fast_checks_find(tables), search_finds(tables)
    assert found in ({"ok"}, {"illegal"})
    assert (found == {"illegal"}) == bool(fast), (fast, found)
    if "illegal" in search_finds(tables, with_ledger=False):
        assert fast, "the player was told what cannot be, and no check saw it"
    return bool(fast)


shapes = st.tuples(
    st.integers(0, 15), st.integers(1, 9), st.sampled_from((0.0, 0.4)), st.sampled_from((300, 4_000, 100_000))
)
changes = st.lists(st.sampled_from(sorted(SPOIL)), max_size=3)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shapes, changes, st.integers(0, 10_000))
def test_the_search_and_the_fast_checks_agree_on_spoilt_histories(shape, spoil, seed):
    agree(shape, spoil, seed)


@pytest.mark.parametrize("change", sorted(set(SPOIL) - {"answer_never_came"}))
def test_each_way_to_spoil_a_history_is_seen_by_both(change):
    assert any(agree((seed, 6, 0.4, 4_000), [change], seed) for seed in range(4))


def test_an_answer_that_never_came_is_no_lie():
    assert not any(agree((seed, 6, 0.4, 4_000), ["answer_never_came"], seed) for seed in range(3))


@pytest.mark.soak
@settings(max_examples=2_500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shapes, changes, st.integers(0, 10_000))
def test_the_search_and_the_fast_checks_agree_on_thousands_of_spoilt_histories(shape, spoil, seed):
    agree(shape, spoil, seed)


OK, FUNDS = int(Status.ACCEPTED), int(Status.INSUFFICIENT_FUNDS)
DEPOSIT = Call(1, 0, 10, 100, (Claim(OK),))


def test_overlapping_bets_may_take_effect_in_either_order():
    bets = [Call(2, 20, 50, -60, (Claim(OK, 20, 3),)), Call(3, 30, 40, -20, (Claim(OK, 80, 2),))]
    assert search([DEPOSIT, *bets]).order == (0, 2, 1)


def test_a_bet_cannot_take_effect_before_one_that_had_been_answered():
    bets = [Call(2, 20, 30, -60, (Claim(OK, 20, 3),)), Call(3, 40, 50, -20, (Claim(OK, 80, 2),))]
    assert search([DEPOSIT, *bets]).status == "illegal"


def test_a_refusal_for_lack_of_funds_needs_that_lack():
    refused = Call(2, 20, 30, -60, (Claim(FUNDS, 100, 1),))
    assert search([DEPOSIT, refused]).status == "illegal"
    assert search([DEPOSIT, refused._replace(change=-160)]).status == "ok"


def test_a_bet_without_an_answer_may_have_happened_or_not():
    lost = Call(2, 20, FOREVER_NS, -60, optional=True)
    assert search([DEPOSIT, lost], State(100, 1, 0)).status == "ok"
    assert search([DEPOSIT, lost], State(40, 2, 0)).status == "ok"
    assert search([DEPOSIT, lost], State(-20, 3, 0)).status == "illegal", "not twice"


def test_a_search_that_takes_too_long_is_unknown():
    many = [Call(i, 20, FOREVER_NS, -1) for i in range(2, 14)]
    assert search([DEPOSIT, *many], State(0, 0, 0), steps_max=500).status == "unknown"
