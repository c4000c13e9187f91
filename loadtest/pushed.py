"""From the messages that a player receives unasked to what is recorded of them.

Everything that a check may want to hold against the ledger later is kept, at a fixed size: numbers in full, seeds and
commitments as prints, and a payment as one row a bet.
"""

import hashlib
import struct
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache

from loadtest.adapters.base import Arrived, ShownResult
from loadtest.recorder import Push
from reference_impl.domain.ids import table_of
from reference_impl.domain.protocol import Paid, TableNews, Welcome
from reference_impl.domain.records import PUSHES, PushKind, print_of
from reference_impl.domain.table_messages import TableEnvelope

NEWS_MAX = 256

_PACK = PUSHES.packer.pack
_WHO, _WHEN = struct.Struct("<ii"), struct.Struct("<qq")


def pushes_of(arrived: Arrived, session: int, connection: int, table: int) -> Iterator[Push]:
    """Return the rows that a message leaves: one for a table event or a welcome, one a bet for a payment, else none.

    Parameters
    ----------
    arrived : Arrived
        The message and when it came.
    session, connection, table : int
        Who received it, over which connection, at which table.
    """
    message = arrived.message
    if isinstance(message, TableNews):
        yield _of_event(PushKind.TABLE, message.state, arrived, session, connection)
    elif isinstance(message, Welcome):
        seen = Push(
            session, connection, table, 0, PushKind.WELCOME, 0, 0, 0, -1, 0, 0, b"", 0, 0, 0, 0,
            arrived.kernel_ns, arrived.app_ns,
        )  # fmt: skip
        if message.state is not None:
            seen = _of_event(PushKind.WELCOME, message.state, arrived, session, connection)
        yield seen._replace(balance_minor=message.balance_minor, version=message.version)
    elif isinstance(message, Paid):
        for bet, payout in zip(message.ids, message.payouts_minor, strict=True):
            yield Push(
                session, connection, table_of(message.round), 0, PushKind.PAID, 0, message.round, 0, -1, 0, 0,
                bytes.fromhex(bet), payout, message.balance_minor, message.version, 0,
                arrived.kernel_ns, arrived.app_ns,
            )  # fmt: skip


def shown_in(lobby: Iterable[ShownResult], seen: set[tuple[int, int]], session: int, connection: int) -> list[Push]:
    """Return a row for each result that a lobby shows to somebody for the first time.

    Parameters
    ----------
    lobby : iterable of ShownResult
        What it shows now.
    seen : set of (table, round)
        What it showed before; what is new is added. It holds no more than the lobby showed last.
    session, connection : int
        Who looks, and how often that person sat down before.
    """
    now_ns = time.monotonic_ns()
    shown = {(result.table, result.round_id): result.outcome for result in lobby}
    news = shown.keys() - seen
    seen.clear()
    seen.update(shown)
    return [
        Push(session, connection, table, 0, PushKind.LOBBY, 0, known, 0, shown[table, known], 0, 0, b"", 0, 0, 0, 0, 0,
             now_ns)
        for table, known in sorted(news)
    ]  # fmt: skip


class NewsRows:
    """The packed rows of table events: what a whole table hears in the same words is packed once.

    A row begins with who heard it and ends with when; all between is the event's.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[TableNews, bytes]] = {}

    def row(self, news: TableNews, session: int, connection: int, arrived: Arrived) -> bytes:
        """Return the row that :func:`pushes_of` returns for a table event, packed."""
        known = self._known.get(id(news))
        if known is None:
            known = self._remember(news)
        return _WHO.pack(session, connection) + known[1] + _WHEN.pack(arrived.kernel_ns, arrived.app_ns)

    def _remember(self, news: TableNews) -> tuple[TableNews, bytes]:
        """Keep the event with its row: as long as it is kept, no other object has its id."""
        if len(self._known) >= NEWS_MAX:
            self._known.clear()
        push = _of_event(PushKind.TABLE, news.state, Arrived(news, 0, 0), 0, 0)
        known = self._known[id(news)] = news, _PACK(*push)[_WHO.size : -_WHEN.size]
        return known


def _of_event(kind: PushKind, state: TableEnvelope, arrived: Arrived, session: int, connection: int) -> Push:
    event = state.event
    return Push(
        session, connection, state.table, state.epoch, kind, state.seq, event.round, event.phase, event.outcome,
        _commitment_print(event.commitment), _seed_print(event.seed), b"", 0, 0, 0, event.at_unix_ns,
        arrived.kernel_ns, arrived.app_ns,
    )  # fmt: skip


@lru_cache(maxsize=256)
def _commitment_print(commitment: str) -> int:
    return print_of(bytes.fromhex(commitment))


@lru_cache(maxsize=256)
def _seed_print(seed: str) -> int:
    """Return the print of the hash of a seed: that of the commitment to it. A table tells each seed many times."""
    return print_of(hashlib.sha256(bytes.fromhex(seed)).digest()) if seed else 0
