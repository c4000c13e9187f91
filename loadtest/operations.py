"""Operations of a load: their identity, and what is known of each while it is under way."""

from dataclasses import dataclass

from reference_impl.domain.records import OpKind

_COUNTER_BITS = 24
COUNT_MAX = (1 << _COUNTER_BITS) - 1
"""Most operations of one session; a bound, not an expectation."""


def operation_id(nonce: int, session: int, counter: int) -> bytes:
    """Return the 16 bytes that name an operation: the campaign's nonce, then a number unique within the campaign.

    Raises
    ------
    ValueError
        If a session has more than :data:`COUNT_MAX` operations.
    """
    if counter > COUNT_MAX:
        raise ValueError(f"session {session}: operation {counter} exceeds the limit {COUNT_MAX}")
    return nonce.to_bytes(8, "big") + (session << _COUNTER_BITS | counter).to_bytes(8, "big")


@dataclass(slots=True)
class Operation:
    """One operation of a player, from its intended start on.

    Parameters
    ----------
    ref : bytes
        Its id; every attempt carries the same.
    kind : OpKind
        What is asked.
    session, account, table : int
        Who asks, and where.
    due_ns : int
        Intended start, CLOCK_MONOTONIC ns.
    round_id, window, selection, amount_minor, currency : int
        The bet; 0 in other operations.
    closes_ns : int
        When the bet's window closes: later it is not started any more. 0 in other operations.
    attempt, connection, gateway : int
        How often it was sent, and over what the last time.
    answer_by_ns : int
        When the player stops waiting for an answer to the last attempt.
    lost : bool
        An attempt got no answer: it may have had its effect.
    """

    ref: bytes
    kind: OpKind
    session: int
    account: int
    table: int
    due_ns: int
    round_id: int = 0
    window: int = 0
    selection: int = 0
    amount_minor: int = 0
    currency: int = 0
    closes_ns: int = 0
    attempt: int = 0
    connection: int = 0
    gateway: int = -1
    answer_by_ns: int = 0
    lost: bool = False
