"""A round rebuilt from the audit trail alone, and held against the ledger.

The trail says everything that moved money and everything that was announced, in the order in which it happened. So a
round's windows, bets, decision and payments follow from it without any database; where there is one, every entry of the
round is compared with it.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import numpy as np
from msgspec import Struct, field

from reference_impl.audit.trail import read_trail, trail_files
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.errors import ConfigError
from reference_impl.domain.games.catalogue import game_named
from reference_impl.domain.games.game import Game, Stages, StandingBet, is_verdict
from reference_impl.domain.games.outcome import commitment
from reference_impl.domain.games.roulette import ROULETTE
from reference_impl.domain.ids import (
    ROUND_NO_MAX,
    TABLE_ID_MAX,
    AccountKind,
    account_kind,
    round_id,
    round_no_of,
    table_of,
)
from reference_impl.domain.phases import Phase
from reference_impl.domain.units import NS_PER_S
from reference_impl.wallet.verify import JOURNAL_COLUMNS, Entry, entries_of

_JOURNAL = f"SELECT {JOURNAL_COLUMNS} FROM journal WHERE round = $1 ORDER BY seq"  # noqa: S608 - a constant


class ReplayedBet(Struct):
    """A bet and what became of it."""

    shard: int
    seq: int
    player: int
    id: str
    window: int
    selection: int
    amount_minor: int
    status: str
    end: str = "open"
    payout_minor: int = 0
    corrected_minor: int = 0


class ReplayedRound(Struct):
    """A round as the trail tells it."""

    round: int
    events: list[dict[str, Any]] = field(default_factory=list)
    bets: list[ReplayedBet] = field(default_factory=list)
    closed_heads: list[str] = field(default_factory=list)
    decision: dict[str, Any] | None = None
    entries: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def staked_minor(self) -> int:
        """Accepted stakes that were not taken back."""
        return sum(bet.amount_minor for bet in self._standing)

    @property
    def paid_minor(self) -> int:
        """What was paid or returned for them."""
        return sum(bet.payout_minor for bet in self._standing)

    @property
    def _standing(self) -> Iterable[ReplayedBet]:
        return (bet for bet in self.bets if bet.status == "accepted" and bet.end != "cancel")


def replay(trail: Path, round_: int) -> tuple[ReplayedRound, dict[int, list[Entry]]]:
    """Rebuild a round.

    Parameters
    ----------
    trail : Path
        The folder that the audit role writes.
    round_ : int
        The round.

    Returns
    -------
    ReplayedRound, dict of int to list of Entry
        The round, and its journal entries by shard.

    Raises
    ------
    ConfigError
        If there is no trail, or it knows nothing of the round.
    """
    told = ReplayedRound(round_)
    entries: dict[int, list[Entry]] = {}
    for shard, file in trail_files(trail).items():
        entries[shard] = list(_follow(told, shard, file))
    if not told.events and not any(entries.values()):
        raise ConfigError(f"round {table_of(round_)}:{round_no_of(round_)}: the trail in {trail} knows nothing of it")
    told.entries = sum(map(len, entries.values()))
    told.findings += _contradictions(told)
    return told, entries


def parse_round(text: str) -> int:
    """Return the round that ``table:number`` names; ConfigError if it names none."""
    table, _, number = text.partition(":")
    if not (table.isdecimal() and number.isdecimal() and int(table) <= TABLE_ID_MAX and int(number) <= ROUND_NO_MAX):
        raise ConfigError(f"round '{text}': must be table:number, as in 1:17")
    return round_id(int(table), int(number))


def describe(told: ReplayedRound) -> str:
    """Return a round in plain words, one line a bet."""
    lines = [f"table {table_of(told.round)}, round {round_no_of(told.round)}: {told.entries:,} entries in the trail"]
    for event in told.events:
        news = event["event"]
        lines.append(f"  {_clock(news['at_unix_ns'])}  event {event['seq']}: {Phase(news['phase']).name.lower()}")
    decision = told.decision
    if decision is not None:
        lines.append("  decided: void" if decision["void"] else f"  decided: {decision['outcome']}")
    lines += [
        f"  {bet.id}  player {bet.player}  selection {bet.selection}  {bet.amount_minor:,} minor  {bet.status}"
        + (f", {bet.end} {bet.payout_minor:,}" if bet.status == "accepted" else "")
        for bet in told.bets
    ]
    lines.append(f"  staked {told.staked_minor:,}, paid {told.paid_minor:,} minor; {len(told.findings)} contradictions")
    return "\n".join([*lines, *(f"  {finding}" for finding in told.findings)])


def _clock(unix_ns: int) -> str:
    return dt.datetime.fromtimestamp(unix_ns / NS_PER_S, dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


async def held_against(told: ReplayedRound, entries: dict[int, list[Entry]], dsns: Sequence[str]) -> None:
    """Add to a round's findings every entry in which trail and ledger differ.

    Raises
    ------
    ConfigError
        If a database cannot be reached.
    """
    for shard, dsn in enumerate(dsns):
        try:
            connection = await asyncpg.connect(dsn, timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
            raise ConfigError(f"the database of shard {shard} cannot be reached: {error}") from error
        try:
            rows = {Entry(*row) for row in await connection.fetch(_JOURNAL, told.round)}
        finally:
            await connection.close()
        kept = set(entries.get(shard, ()))
        told.findings += [f"shard {shard}: only the trail has {_name(entry)}" for entry in sorted(kept - rows)]
        told.findings += [f"shard {shard}: only the ledger has {_name(entry)}" for entry in sorted(rows - kept)]


def _follow(told: ReplayedRound, shard: int, file: Path) -> Iterator[Entry]:
    bets: dict[tuple[int, str], ReplayedBet] = {}
    mentioned = str(told.round)
    for line in read_trail(file):
        if mentioned not in line.payload:
            continue
        payload = msgspec.json.decode(line.payload)
        if line.subject.startswith("table."):
            if payload["event"]["round"] == told.round:
                told.events.append(payload)
            continue
        for entry in entries_of(payload):
            if entry.round == told.round:
                _take(told, shard, bets, entry, payload, line.hash)
                yield entry
    told.bets += bets.values()


def _take(
    told: ReplayedRound, shard: int, bets: dict[tuple[int, str], ReplayedBet], entry: Entry, payload: dict[str, Any],
    batch_hash: str,
) -> None:  # fmt: skip
    kind, key = EntryKind(entry.entry), (entry.account, entry.ref)
    if kind is EntryKind.BET:
        bets[key] = ReplayedBet(
            shard, entry.seq, entry.account, entry.ref, entry.win, entry.selection, entry.amount,
            Status(entry.status).name.lower(),
        )  # fmt: skip
    elif kind is EntryKind.CLOSE:
        told.closed_heads.append(batch_hash)
    elif kind is EntryKind.DECIDE:
        told.decision = {
            name: payload[name] for name in ("void", "outcome", "game", "seed", "heads") if name in payload
        }
    elif kind in {EntryKind.CORRECT, EntryKind.RECLAIM} and key in bets:
        more = entry.amount if kind is EntryKind.CORRECT else -entry.amount
        bets[key].payout_minor += more
        bets[key].corrected_minor += more
    elif account_kind(entry.account) is AccountKind.PLAYER and key in bets:
        bets[key].end, bets[key].payout_minor = kind.name.lower(), entry.amount
    elif account_kind(entry.account) is AccountKind.PLAYER:
        told.findings.append(f"shard {shard}: {_name(entry)} ends a bet that the trail does not know")


def _contradictions(told: ReplayedRound) -> Iterator[str]:
    decision = told.decision
    ended = any(event["event"]["phase"] in {Phase.SETTLED, Phase.VOIDED} for event in told.events)
    if decision is None:
        if ended:
            yield "the round ended without a decision"
        return
    for bet in told.bets:
        if ended and bet.status == "accepted" and bet.end == "open":
            yield f"bet {bet.id} of player {bet.player}: the round is over and the bet has no end"
    if decision["void"]:
        return
    seed, heads = bytes.fromhex(decision["seed"]), [bytes.fromhex(head) for head in decision["heads"]]
    game = game_named(decision.get("game", ROULETTE.name))
    if seed and game.draw(seed, heads) != decision["outcome"]:
        yield f"the outcome {decision['outcome']} does not follow from the seed and the heads"
    if strange := {head.hex() for head in heads if not is_verdict(head)} - set(told.closed_heads):
        yield f"the decision names heads that no shard closed at: {', '.join(sorted(strange))}"
    if game.stages and seed:
        yield from _false_verdicts(told, game.stages, seed, heads)
    if ended:
        yield from _mispaid(told, game, decision["outcome"])
    committed = {event["event"]["commitment"] for event in told.events if event["event"].get("commitment")}
    if committed and committed != {commitment(seed).hex()}:
        yield "the seed is not the one that was committed to"


def _false_verdicts(told: ReplayedRound, stages: Stages, seed: bytes, heads: list[bytes]) -> Iterator[str]:
    """Hold what bets behind did in each window against what the players decided."""
    bets = [bet for bet in told.bets if bet.status == "accepted" and bet.end != "cancel"]
    standing = [StandingBet(bet.player, bet.window, bet.selection, bet.amount_minor) for bet in bets]
    window = 0
    for place, head in enumerate(heads):
        if is_verdict(head):
            window += 1
            hand = stages.on_table(seed, heads[:place]).hand
            if head != stages.verdict(hand, *stages.votes(standing, hand, window)):
                yield f"what bets behind did in window {window} does not follow from what players decided"


def _mispaid(told: ReplayedRound, game: Game, outcome: int) -> Iterator[str]:
    """Hold what each settled bet was paid, before corrections, against the outcome."""
    bets = [bet for bet in told.bets if bet.end == "settle"]
    if game.stages:
        due = game.stages.payouts(
            [StandingBet(bet.player, bet.window, bet.selection, bet.amount_minor) for bet in bets], outcome
        )
    else:
        columns = np.array([(bet.selection, bet.amount_minor) for bet in bets], dtype=np.int64).reshape(-1, 2)
        due = game.payouts_minor(columns[:, 0], columns[:, 1], outcome).tolist()
    for bet, pays in zip(bets, due, strict=True):
        if bet.payout_minor - bet.corrected_minor != pays:
            yield f"bet {bet.id} of player {bet.player}: paid {bet.payout_minor}, the outcome pays {pays}"


def _name(entry: Entry) -> str:
    kind = EntryKind(entry.entry).name.lower()
    return f"entry {entry.seq} ({kind} {entry.ref} of account {entry.account}, amount {entry.amount})"
