"""From the messages that a player receives unasked to what is recorded of them.

Everything that a check may want to hold against the ledger later is kept, at a fixed size: numbers in full, seeds and
commitments as prints, and a payment as one row a bet.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache

from loadtest.adapters.base import Arrived
from loadtest.recorder import Push
from reference_impl.domain.ids import table_of
from reference_impl.domain.messages import TableEnvelope
from reference_impl.domain.protocol import Paid, TableNews, Welcome
from reference_impl.domain.records import PushKind, print_of


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
    blank = Push(
        session, connection, table, 0, PushKind.TABLE, 0, 0, 0, -1, 0, 0, b"", 0, 0, 0, 0,
        arrived.kernel_ns, arrived.app_ns,
    )  # fmt: skip
    if isinstance(message, TableNews):
        yield _with_event(blank, message.state)
    elif isinstance(message, Welcome):
        seen = blank if message.state is None else _with_event(blank, message.state)
        yield seen._replace(
            kind=PushKind.WELCOME, balance_minor=message.balance_minor, version=message.version
        )  # fmt: skip
    elif isinstance(message, Paid):
        paid = blank._replace(
            kind=PushKind.PAID, table=table_of(message.round), round_id=message.round,
            balance_minor=message.balance_minor, version=message.version,
        )  # fmt: skip
        for bet, payout in zip(message.ids, message.payouts_minor, strict=True):
            yield paid._replace(op=bytes.fromhex(bet), amount_minor=payout)


def _with_event(push: Push, state: TableEnvelope) -> Push:
    event = state.event
    return push._replace(
        table=state.table, epoch=state.epoch, seq=state.seq, round_id=event.round, phase=event.phase,
        outcome=event.outcome, commitment=print_of(bytes.fromhex(event.commitment)), seed=_seed_print(event.seed),
    )  # fmt: skip


@lru_cache(maxsize=256)
def _seed_print(seed: str) -> int:
    """Return the print of the hash of a seed: that of the commitment to it. A table tells each seed many times."""
    return print_of(hashlib.sha256(bytes.fromhex(seed)).digest()) if seed else 0
