"""Proof that a shard's books are what they were: the hash chain recomputed from the rows, and the rows against it.

A batch's hash covers the hash before it and its payload; the payload says what each of its journal entries was. So an
edited payload breaks the chain, an edited entry contradicts its payload, and one that was dropped, added or moved
leaves a gap or a stranger. Balances are replayed besides, from the first entry to the accounts' last. A rewrite of
*all* of it would still contradict the hashes that were kept elsewhere, which are compared batch by batch.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import asyncpg
import msgspec

from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.games.roulette import ROULETTE
from reference_impl.domain.ids import CURRENCY_BITS, AccountKind, account_beside
from reference_impl.domain.journal import DIRECTION

ROWS_FETCHED = 5000
FINDINGS_MAX = 20
"""Findings that are named; further ones are counted."""

JOURNAL_COLUMNS = """
    seq, account, replace(ref::text, '-', '') AS ref, slot, kind AS entry, status, counter, amount,
    balance_after AS balance, version, round, win, selection"""
"""The columns of a journal row in the order of :class:`Entry`."""
_JOURNAL = f"SELECT {JOURNAL_COLUMNS} FROM journal ORDER BY seq, account, slot"  # noqa: S608 - a constant
_BATCHES = "SELECT id, topic, payload, hash FROM batch ORDER BY id"
_DECISIONS = """
    SELECT round, epoch, void, outcome, game, encode(seed, 'hex') AS seed,
           ARRAY(SELECT encode(x, 'hex') FROM unnest(heads) WITH ORDINALITY AS t (x, n) ORDER BY n) AS heads
    FROM round_decision"""
_DECISION = ("epoch", "void", "outcome", "game", "seed", "heads")
_LIMITS = "SELECT account, kind, amount, next_amount, next_from_ns FROM player_limit"
_UNDER_WAY = "SELECT account, replace(ref::text, '-', '') AS ref FROM under_way"
_NUMBER = re.compile(r'"batch" ?: ?(\d+)')
TRANSFER_ENDS = frozenset({EntryKind.TRANSFER_END, EntryKind.TRANSFER_BACK})
_PAID = frozenset({"settle", "void"})


class Link(NamedTuple):
    """A batch as it is kept, in the database or in a trail."""

    batch: int
    topic: str
    payload: str
    hash: bytes


class Entry(NamedTuple):
    """A journal entry as its batch tells it, or as its row is."""

    seq: int
    account: int
    ref: str
    slot: int
    entry: int
    status: int
    counter: int
    amount: int
    balance: int
    version: int
    round: int
    win: int
    selection: int


_COLUMNS = Entry._fields[1:]


class Verified(msgspec.Struct):
    """What was looked at, and what is wrong with it."""

    shard: int
    batches: int = 0
    entries: int = 0
    hash: bytes = b""
    findings: list[str] = msgspec.field(default_factory=list)
    more_findings: int = 0

    def found(self, what: str) -> None:
        """Name what is wrong, or count it once there is too much."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(f"shard {self.shard}: {what}")
        else:
            self.more_findings += 1


def entries_of(payload: dict[str, Any]) -> Iterator[Entry]:
    """Return the journal entries that a batch's payload stands for: none for an event of a table."""
    if "first_seq" not in payload:
        return
    n = payload["n"]
    columns: dict[str, Any] = {}
    for name in _COLUMNS:
        value = payload.get(name)
        if name == "counter":
            value = _counters(value, columns["account"], payload["round"])
        columns[name] = value if isinstance(value, list) else [value] * n
        if len(columns[name]) != n:
            raise ValueError(f"{len(columns[name])} values of {name!r} for {n} entries")
    columns["ref"] = [ref.replace("-", "") for ref in columns["ref"]]
    rows = zip(*columns.values(), strict=True)
    yield from (Entry(payload["first_seq"] + place, *row) for place, row in enumerate(rows))
    if "then" in payload:
        yield from entries_of(payload["then"])


def _counters(told: Any, accounts: list[int], rounds: Any) -> list[int]:
    """Return the counter accounts, in the currency of the accounts: one that is left out is the round's escrow."""
    if isinstance(told, list):
        return told
    if told is not None:
        return [told | account & CURRENCY_BITS for account in accounts]
    known = rounds if isinstance(rounds, list) else [rounds] * len(accounts)
    return [account_beside(account, AccountKind.ESCROW, one) for account, one in zip(accounts, known, strict=True)]


class ChainReader:
    """Follows a chain link by link and returns the entries that each link stands for.

    Parameters
    ----------
    verified : Verified
        Where findings go.
    kept : mapping of batch to hash
        Hashes that were kept elsewhere.
    """

    def __init__(self, verified: Verified, kept: Mapping[int, bytes]) -> None:
        self._verified = verified
        self._kept = kept
        self.decisions: dict[int, dict[str, Any]] = {}
        self.limits: dict[tuple[int, int], tuple[int | None, ...]] = {}
        self.under_way: set[tuple[int, str]] = set()
        verified.hash = hashlib.sha256(verified.shard.to_bytes(4, "big")).digest()
        self._last_batch = 0
        self._next_seq = 1

    def read(self, link: Link) -> list[Entry]:
        """Check one link against the one before; return its entries."""
        known = self._verified
        known.batches += 1
        if link.batch != self._last_batch + 1:
            known.found(_out_of_order(self._last_batch, link.batch))
        elif (number := _NUMBER.search(link.payload)) and int(number[1]) != link.batch:
            known.found(f"batch {link.batch} was reordered: it was batch {number[1]}")
        elif hashlib.sha256(known.hash + link.payload.encode()).digest() != link.hash:
            known.found(f"batch {link.batch} was edited: its payload and the hash before it do not give its hash")
        elif self._kept.get(link.batch, link.hash) != link.hash:
            known.found(f"batch {link.batch} was rewritten: its hash is not the one that was kept elsewhere")
        self._last_batch, known.hash = link.batch, link.hash
        try:
            payload = msgspec.json.decode(link.payload, type=dict[str, Any])
            entries = list(entries_of(payload))
        except (msgspec.DecodeError, ValueError, KeyError, TypeError) as error:
            known.found(f"batch {link.batch} cannot be read: {error}")
            return []
        self._check_place(link, payload, entries)
        for account, kind, *state in payload.get("limits", ()):
            self.limits[account, kind] = tuple(state)
        for entry in entries:
            if entry.entry == EntryKind.TRANSFER_OUT and entry.status == Status.ACCEPTED:
                self.under_way.add((entry.account, entry.ref))
            elif entry.entry in TRANSFER_ENDS:
                self.under_way.discard((entry.account, entry.ref))
        if payload.get("kind") == "decide":
            told = {"game": ROULETTE.name} | payload  # older decisions name no game: there was one
            self.decisions[payload["round"][0]] = {name: told[name] for name in _DECISION} | {
                "round": payload["round"][0]
            }
        return entries

    def _check_place(self, link: Link, payload: dict[str, Any], entries: list[Entry]) -> None:
        if "table" in payload:
            topic = f"table.{payload['table']}"
        else:
            topic = "paid" if payload.get("kind") in _PAID else "ledger"
        if link.topic.split(".")[0] != topic.split(".")[0]:
            self._verified.found(f"batch {link.batch} stands under topic {link.topic!r}, expected {topic!r}")
        if not entries:
            return
        if entries[0].seq != self._next_seq:
            self._verified.found(f"batch {link.batch} begins at entry {entries[0].seq}, expected {self._next_seq}")
        self._next_seq = entries[-1].seq + 1


def _out_of_order(last: int, found: int) -> str:
    if found <= last:
        return f"batch {found} was reordered: it comes after batch {last}"
    missing = f"batch {last + 1} was" if found == last + 2 else f"batches {last + 1} to {found - 1} were"
    return f"{missing} dropped"


class Books:
    """Replays entries into balances and versions.

    Parameters
    ----------
    verified : Verified
        Where findings go.
    """

    def __init__(self, verified: Verified) -> None:
        self._verified = verified
        self.accounts: defaultdict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))

    def post(self, entry: Entry) -> None:
        """Replay one entry; its balance and version must follow."""
        moved = DIRECTION[EntryKind(entry.entry)] * entry.amount if entry.status == Status.ACCEPTED else 0
        if moved:
            for number, change in ((entry.account, moved), (entry.counter, -moved)):
                balance, version = self.accounts[number]
                self.accounts[number] = balance + change, version + 1
        if self.accounts[entry.account] != (entry.balance, entry.version):
            balance, version = self.accounts[entry.account]
            self._verified.found(
                f"entry {entry.seq} leaves account {entry.account} at {entry.balance} version {entry.version},"
                f" replayed {balance} version {version}"
            )


async def verify_shard(connection: "asyncpg.Connection[asyncpg.Record]", kept: Mapping[int, bytes]) -> Verified:
    """Verify a shard's database in one snapshot.

    Parameters
    ----------
    connection : asyncpg.Connection
        A connection to it; it only reads.
    kept : mapping of batch to hash
        What was kept of the chain elsewhere; it may have gaps and end earlier than the database.

    Returns
    -------
    Verified
        Its ``findings`` are empty if all is well.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        head = await connection.fetchrow("SELECT shard, seq, batch, hash FROM head")
        if head is None:
            return Verified(-1, findings=["the database is no shard: its head is missing"])
        verified = Verified(head["shard"])
        reader, books = ChainReader(verified, kept), Books(verified)
        rows = _Rows(verified, connection.cursor(_JOURNAL, prefetch=ROWS_FETCHED))
        async for record in connection.cursor(_BATCHES, prefetch=ROWS_FETCHED // 10):
            link = Link(record["id"], record["topic"], record["payload"], record["hash"])
            for entry in reader.read(link):
                await rows.compare(entry, link.batch)
                books.post(entry)
        await rows.finish()
        _compare_decisions(verified, reader.decisions, await connection.fetch(_DECISIONS))
        _compare_limits(verified, reader.limits, await connection.fetch(_LIMITS))
        listed = {(row["account"], row["ref"]) for row in await connection.fetch(_UNDER_WAY)}
        for account, ref in sorted(listed ^ reader.under_way):
            verified.found(f"transfer {ref} of account {account} is {'not ' * ((account, ref) not in listed)}under way")
        for batch in sorted(batch for batch in kept if batch > head["batch"]):
            verified.found(f"batch {batch} was dropped: it is kept elsewhere, and the database ends at {head['batch']}")
        if (verified.batches, verified.entries, verified.hash) != (head["batch"], head["seq"], head["hash"]):
            verified.found(
                f"the head says {head['seq']} entries in {head['batch']} batches, found {verified.entries}"
                f" in {verified.batches}, or another last hash"
            )
        async for row in connection.cursor("SELECT id, balance, version FROM account ORDER BY id"):
            if (row["balance"], row["version"]) != books.accounts[row["id"]]:
                balance, version = books.accounts[row["id"]]
                verified.found(
                    f"account {row['id']} was edited: it holds {row['balance']} version {row['version']},"
                    f" replayed {balance} version {version}"
                )
    return verified


def verify_trail(shard: int, links: Iterable[Link], kept: Mapping[int, bytes]) -> Verified:
    """Verify what was kept of a chain outside the database: the chain, its order, and the balances that it tells."""
    verified = Verified(shard)
    reader, books = ChainReader(verified, kept), Books(verified)
    for link in links:
        for entry in reader.read(link):
            verified.entries += 1
            books.post(entry)
    return verified


def _compare_decisions(
    verified: Verified, told: Mapping[int, dict[str, Any]], recorded: Iterable[asyncpg.Record]
) -> None:
    rows = {row["round"]: dict(row) for row in recorded}
    for round_id in sorted(told.keys() | rows.keys()):
        if told.get(round_id) != rows.get(round_id):
            verified.found(f"the decision of round {round_id} is {rows.get(round_id)}, was {told.get(round_id)}")


def _compare_limits(
    verified: Verified, told: Mapping[tuple[int, int], tuple[int | None, ...]], recorded: Iterable[asyncpg.Record]
) -> None:
    rows = {(row["account"], row["kind"]): tuple(row)[2:] for row in recorded}
    for account, kind in sorted(told.keys() | rows.keys()):
        if told.get((account, kind)) != rows.get((account, kind)):
            verified.found(
                f"limit {kind} of account {account} is {rows.get((account, kind))}, was {told.get((account, kind))}"
            )


class _Rows:
    """The journal's rows in order, held against what the batches tell."""

    def __init__(self, verified: Verified, cursor: Any) -> None:
        self._verified = verified
        self._rows: AsyncIterator[asyncpg.Record] = aiter(cursor)
        self._row: Entry | None = None
        self._begun = False

    async def compare(self, told: Entry, batch: int) -> None:
        if not self._begun:
            self._begun = True
            await self._next()
        while self._row is not None and self._row.seq < told.seq:
            self._verified.found(f"entry {self._row.seq} of account {self._row.account} is in no batch")
            await self._next()
        if self._row is None or self._row.seq > told.seq:
            self._verified.found(f"entry {told.seq} of account {told.account} was dropped; batch {batch} tells it")
            return
        self._verified.entries += 1
        if self._row != told:
            changes = ", ".join(
                f"{name} is {is_!r}, was {was!r}"
                for name, is_, was in zip(Entry._fields, self._row, told, strict=True)
                if is_ != was
            )
            moved = (self._row.account, self._row.ref, self._row.slot) != (told.account, told.ref, told.slot)
            what = "reordered or replaced" if moved else "edited"
            self._verified.found(f"entry {told.seq} was {what}: {changes} in batch {batch}")
        await self._next()

    async def finish(self) -> None:
        """Name the rows that are left over."""
        if not self._begun:
            await self._next()
        while self._row is not None:
            self._verified.found(f"entry {self._row.seq} of account {self._row.account} is in no batch")
            await self._next()

    async def _next(self) -> None:
        record = await anext(self._rows, None)
        self._row = None if record is None else Entry(*record)
