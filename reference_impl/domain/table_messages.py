"""What is told of tables and between gateways, on NATS. What the relay publishes is JSON, the rest msgpack.

==========================  ===========================================  =========================
subject                     message                                      reply, or who publishes it
==========================  ===========================================  =========================
``table.<table>``           :class:`TableEnvelope` (JSON)                published by the relay
``ledger.<shard>``          a batch of the journal (JSON)                published by the relay
``paid.<shard>``            :class:`PaidBatch` (JSON)                    published by the relay
``dealer.<table>.state``    empty                                        :class:`TableEnvelope` (JSON)
``dealer.<table>.order``    one of :data:`TableOrder`                    ``Done`` or ``Refused``, as the wallet's
``dealer.drain``            empty: no new rounds                         empty, once the last is over
``cutoff.<table>``          :class:`Watermark`                           published by gateways
``sessions.ended``          :class:`EndedSince`                          :class:`EndedSessions`
``joined``                  :class:`Joined`                              published by gateways
==========================  ===========================================  =========================
"""

from typing import TypeAlias

from msgspec import Struct

from reference_impl.domain.games.roulette import ROULETTE


class VoidOrder(Struct, tag=True, frozen=True):
    """The operator voids the running round: every stake is returned."""

    round_id: int
    reason: str


class CorrectOrder(Struct, tag=True, frozen=True):
    """The operator gives a settled round another outcome."""

    round_id: int
    outcome: int
    reason: str


class StopOrder(Struct, tag=True, frozen=True):
    """The operator lets a table start no new round, or lets it go on; the running round is finished."""

    stopped: bool
    reason: str


TableOrder: TypeAlias = VoidOrder | CorrectOrder | StopOrder


class TableEvent(Struct, frozen=True, omit_defaults=True):
    """What happened at a table, as everybody may know it. Instants are Unix ns of the dealer's host.

    ``early_ns`` and ``grace_ns`` are the close policy, a :class:`reference_impl.domain.cutoff.Closing`; ``result`` is
    the outcome in words, for screens that do not draw the game. In games of decisions ``hand`` and ``dealer`` are the
    cards that lie on the table (0 to 51: rank, then suit), and ``votes`` how many drew and stood in the last window.
    """

    table: int
    round: int
    window: int
    phase: int
    at_unix_ns: int
    opens_at_unix_ns: int = 0
    closes_at_unix_ns: int = 0
    shards: tuple[int, ...] = ()
    outcome: int = -1
    commitment: str = ""
    seed: str = ""
    game: str = ROULETTE.name
    result: str = ""
    early_ns: int = 0
    grace_ns: int = 0
    corrected: bool = False
    hand: tuple[int, ...] = ()
    dealer: tuple[int, ...] = ()
    votes: tuple[int, ...] = ()


class TableEnvelope(Struct, frozen=True):
    """A table event with its number: ``epoch`` names the dealer, ``seq`` counts without gaps within the table."""

    table: int
    epoch: int
    seq: int
    event: TableEvent


class PaidBatch(Struct, frozen=True):
    """Settled or voided bets, one journal batch; columns of equal length. Other fields are there and skipped."""

    round: int
    ref: list[str]
    account: list[int]
    amount: list[int]
    balance: list[int]
    version: list[int]


class Watermark(Struct, array_like=True, frozen=True):
    """A gateway has handed over, and got answered, every in-time bet of this window."""

    gateway: str
    round_id: int
    window: int


class EndedSince(Struct, array_like=True, frozen=True):
    """Ask which log-in sessions ended after an instant."""

    unix_ms: int


class EndedSessions(Struct, array_like=True, frozen=True):
    """Sessions that ended, oldest first, and the instant to ask from the next time."""

    sessions: list[str]
    until_unix_ms: int


class Joined(Struct, array_like=True, frozen=True):
    """A player connected to a gateway with a ticket of this age: older sockets elsewhere are to be closed.

    The gateway that gave out the ticket of this ``nonce`` itself, to move the player, first answers what it owes;
    ``moved`` is whether such a ticket opened the socket, which nobody who places players has seen.
    """

    player: int
    gateway: str
    issued_unix_ns: int
    nonce: str = ""
    moved: bool = False
