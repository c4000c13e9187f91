"""A player, without sockets, clocks or sleep: what to send when, and whether the answers make sense.

The script is told what arrived and what time it is; it says which bets to send now, when it wants to be woken, and
whether it should connect anew. Bets follow an open model: each has an intended start from the window's countdown
and is sent then, whatever is still outstanding, so a slow system meets the same load as a fast one. What is bet is
planned by :mod:`sim.arrivals`, the same plan that the simulation follows. (In a closed pace, which a campaign must ask
for, the next bet waits for the last answer.)

A player bets by its own countdown. If its device is behind, so is everything it sees, and it clicks in good faith when
the window has closed.

Life of a bet
-------------
planned → (due) → sent → answered, or → *lost*: the connection ended or no answer came in time. A lost bet is sent
again over the next connection with the same id and parameters; the ledger gives the one true answer. A bet that could
not be sent before its window closed, or soon after the click, is given up and certainly had no effect.

Storms
------
When a storm strikes, the player breaks off (:meth:`PlayerScript.overdue`) and comes back; from an exit to the lobby it
looks round there first (:meth:`PlayerScript.lobby_looks`) and sits down at the next table.

Invariants
----------
* An id stands for one bet with one set of parameters, whatever happens.
* "Overloaded" ends a bet only if no attempt was lost: otherwise an earlier attempt may have had its effect.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from loadtest.clock import ServerClock
from loadtest.operations import Operation, operation_id
from loadtest.recorder import Returned
from loadtest.users.decider import Decider, Planned
from reference_impl.domain.bets import Status
from reference_impl.domain.ids import round_no_of
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import BetAnswer, Paid, Welcome
from reference_impl.domain.records import OpKind, Outcome
from reference_impl.domain.table_messages import TableEvent
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim.arrivals import DRAWS_PER_ROUND, PLAIN, PlannedBet, PlanRules, may_send, planned_bets, think_ns
from sim.people import betting_of, late_s, storms_of
from sim.scenario import Arrival, Pace, Scenario, Storm, StormKind

OVERLOADED_TRIES_MAX = 5
OVERLOADED_PAUSE_MS = 200
PAYMENT_GRACE_NS = NS_PER_S
IDLE_NS_MAX = NS_PER_S
ANSWERS_KEPT_MAX = 256
LOOKS = 3
LOOK_EVERY_NS = NS_PER_S
"""Who leaves for the lobby looks at it so often, once a second, before choosing another table. An assumption."""

_BETTING_PHASES = frozenset({Phase.BETS_OPEN, Phase.CLOSING_SOON})
_ENDED = frozenset({Phase.SETTLED, Phase.VOIDED})
_STATUSES = frozenset(Status)


@dataclass
class PlayerScript:
    """One player's decisions and memory.

    Parameters
    ----------
    arrival : Arrival
        Who, and at which table.
    scenario : Scenario
        Behaviour, limits of patience, and the seed.
    nonce : int
        High half of operation ids.
    clock : ServerClock
        Converts the server's instants.
    load_end_ns : int
        From then on no bet is started; the load began ``scenario.load_s`` before.
    answers_s_max, payments_s_max : float
        How long after the load's end the player stays for answers, and then for payments.
    rules : PlanRules
        In which form the rules of the plan are to be used.
    """

    arrival: Arrival
    scenario: Scenario
    nonce: int
    clock: ServerClock
    load_end_ns: int
    answers_s_max: float
    payments_s_max: float
    rules: PlanRules = PLAIN
    complaints: list[str] = field(default_factory=list)
    given_up: list[Operation] = field(default_factory=list)
    missed: int = 0
    _counter: int = 0
    _currency: int = 0
    _connected_ns: int | None = None
    _gateway: int = -1
    _connection: int = 0
    _round: int = 0
    _planned: list[Operation] = field(default_factory=list)
    _waiting: dict[bytes, Operation] = field(default_factory=dict)
    _again: list[tuple[int, Operation]] = field(default_factory=list)
    _answers: dict[bytes, BetAnswer] = field(default_factory=dict)
    _unpaid: dict[str, int] = field(default_factory=dict)
    _paid_by_ns: dict[int, int] = field(default_factory=dict)
    _version: int = 0
    _balance: int = 0
    _prepared: tuple[int, list[PlannedBet]] = (-1, [])
    _later: list[Operation] = field(default_factory=list)
    _exits: bool = False

    def __post_init__(self) -> None:
        self.table = self.arrival.table
        self._decider = Decider(self.scenario.seed, self.arrival.player)
        self._betting = betting_of(self.scenario, self.arrival)
        self._late_ns = round(late_s(self.scenario, self.arrival.player) * NS_PER_S)
        zero_ns = self.load_end_ns - round(self.scenario.load_s * NS_PER_S)
        storms = [(zero_ns + round(s.at_s * NS_PER_S), s) for s in storms_of(self.scenario, self.arrival)]
        self._storms: list[tuple[int, Storm]] = [(at_ns, s) for at_ns, s in storms if not s.before_close_ms]
        self._aiming: list[tuple[int, Storm]] = [(at_ns, s) for at_ns, s in storms if s.before_close_ms]
        self._answer_ns_max = round(self.scenario.answer_s_max * NS_PER_S)
        self._answers_until_ns = self.load_end_ns + round(self.answers_s_max * NS_PER_S)
        self._payments_until_ns = self._answers_until_ns + round(self.payments_s_max * NS_PER_S)

    @property
    def outstanding(self) -> int:
        """Bets that were sent and have no answer."""
        return len(self._waiting)

    def new_operation(self, kind: OpKind, due_ns: int) -> Operation:
        """Return an operation with a fresh id."""
        self._counter += 1
        player = self.arrival.player
        ref = operation_id(self.nonce, player, self._counter)
        return Operation(ref, kind, player, player, self.table, due_ns, currency=self._currency)

    def connected(self, welcome: Welcome, gateway: int, connection: int, now_ns: int) -> None:
        """Note that a session is open: lost bets are to be sent again, and the table's state is known."""
        self.clock.saw(welcome.server_unix_ns, now_ns)
        self._currency = welcome.currency
        self._gateway, self._connection, self._connected_ns = gateway, connection, now_ns
        if welcome.version < self._version:
            self._complain(f"welcome at version {welcome.version} after version {self._version}")
        self._version, self._balance = welcome.version, welcome.balance_minor
        self._again = [(now_ns, op) for op in self._waiting.values()]
        self._storms = [(at_ns, storm) for at_ns, storm in self._storms if at_ns > now_ns]  # the others were missed
        if welcome.state is not None:
            self.table_event(welcome.state.event, now_ns)

    def disconnected(self) -> None:
        """Note that the connection is gone: the answers under way are lost."""
        self._connected_ns = None
        self._again = []
        for op in self._waiting.values():
            op.lost = True

    def table_event(self, event: TableEvent, heard_ns: int) -> bool:
        """Take a table event: plan the bets of a new window, and see rounds end.

        Returns
        -------
        bool
            Whether there may be something to do, or to wake for, that there was not before.
        """
        if event.table != self.table:
            return False
        changed = False
        for round_id, until_ns in self._paid_by_ns.items():
            if event.round > round_id or (event.round == round_id and event.phase in _ENDED):
                self._paid_by_ns[round_id] = min(until_ns, heard_ns + PAYMENT_GRACE_NS)
                changed = True
        if event.phase in _ENDED:
            # A whole table hears at once that bets are open: what can be planned before must not wait for that.
            self._bets_of(round_no_of(event.round) + 1)
        if event.phase in _BETTING_PHASES and event.round > self._round and event.opens_at_unix_ns:
            self._round = event.round
            self._aim(self.clock.to_monotonic(event.closes_at_unix_ns), heard_ns)
            self._begin(sorted(self._plan(event, heard_ns + self._late_ns), key=lambda op: op.due_ns))
            changed = True
        elif event.phase == Phase.DECISIONS_OPEN and (planned := self._decider.plan(event)) is not None:
            self._planned += self._decision(event, planned, heard_ns)
            changed = True
        return changed

    def take_due(self, now_ns: int) -> list[Operation]:
        """Return the bets to send now, first attempts and repetitions."""
        due: list[Operation] = []
        if self._again:
            due += [op for at_ns, op in self._again if at_ns <= now_ns]
            self._again = [(at_ns, op) for at_ns, op in self._again if at_ns > now_ns]
        while self._planned and self._planned[0].due_ns <= now_ns:
            op = self._planned.pop(0)
            connected_ns = self._connected_ns
            if connected_ns is not None and may_send(now_ns, op.due_ns, op.closes_ns, connected_ns):
                self._waiting[op.ref] = op
                due.append(op)
            else:
                self.missed += connected_ns is not None and connected_ns <= op.due_ns
                self.given_up.append(op)
        for op in due:
            op.attempt += 1
            op.gateway, op.connection = self._gateway, self._connection
            op.answer_by_ns = now_ns + self._answer_ns_max
        return due

    def answered(self, answer: BetAnswer, now_ns: int, kernel_ns: int) -> tuple[Operation, Returned] | None:
        """Take an answer; return the bet that it ends, if it ends one."""
        ref = bytes.fromhex(answer.id)
        op = self._waiting.get(ref)
        if op is None:
            self._compare_with_earlier(ref, answer)
            return None
        if answer.status == Status.OVERLOADED and self._try_again(op, now_ns):
            return None
        del self._waiting[ref]
        self._check(op, answer)
        if self._later and self._later[0].round_id == op.round_id:
            self._bet_again(now_ns)
        accepted = answer.status == Status.ACCEPTED
        if accepted:
            self._decider.accepted(op)
            self._unpaid[answer.id] = op.round_id
            self._paid_by_ns.setdefault(op.round_id, self._payments_until_ns)
        outcome = Outcome.OK if accepted else Outcome.REJECTED
        return op, Returned(
            outcome, now_ns, kernel_ns, answer.status, answer.balance_minor, answer.version, answer.shard, answer.seq
        )

    def paid(self, paid: Paid) -> None:
        """Take a payment."""
        for bet in paid.ids:
            self._unpaid.pop(bet, None)
        if paid.round not in self._unpaid.values():
            self._paid_by_ns.pop(paid.round, None)

    def overdue(self, now_ns: int) -> bool:
        """Tell whether the player should connect anew: an answer is overdue, or a storm has come."""
        if self._storms and self._storms[0][0] <= now_ns:
            _, storm = self._storms.pop(0)
            self._exits = storm.kind is StormKind.EXIT_TO_LOBBY
            return True
        if not self._waiting:
            return False
        late = [op.ref for op in self._waiting.values() if op.answer_by_ns <= now_ns]
        return bool(late) and not {op.ref for _, op in self._again}.issuperset(late)

    def lobby_looks(self, now_ns: int) -> list[int]:
        """Return when the player looks at the lobby before sitting down, and choose the table to sit down at."""
        if not self._exits:
            return []
        self._exits = False
        self.table = self.table % self.scenario.tables + 1
        self._round = 0
        self._planned, self._later = [], []
        # what is still to be paid at the table that was left is paid while nobody listens
        self._unpaid.clear()
        self._paid_by_ns.clear()
        return [now_ns + look * LOOK_EVERY_NS for look in range(LOOKS)]

    def deaf_until_ns(self, now_ns: int) -> int:
        """Return until when the player leaves unread what arrives; an honest one always reads at once."""
        return now_ns

    def finished(self, now_ns: int) -> bool:
        """Tell whether the player may leave: the load is over, and answers and payments are in or waited out."""
        if now_ns < self.load_end_ns or self._planned:
            return False
        if self._waiting and now_ns < self._answers_until_ns:
            return False
        return all(until_ns <= now_ns for until_ns in self._paid_by_ns.values())

    def wake_ns(self, now_ns: int) -> int:
        """Return when, after now, there is something to do even if nothing arrives."""
        instants = [self.load_end_ns, self._answers_until_ns, *self._paid_by_ns.values()]
        instants += [op.answer_by_ns for op in self._waiting.values()]
        instants += [at_ns for at_ns, _ in self._again]
        instants += [op.due_ns for op in self._planned[:1]]
        instants += [at_ns for at_ns, _ in self._storms[:1]]
        return min([at_ns for at_ns in instants if at_ns > now_ns], default=now_ns + IDLE_NS_MAX)

    @property
    def unanswered(self) -> list[Operation]:
        """Bets whose outcome the player does not know."""
        return list(self._waiting.values())

    def _bets_of(self, round_no: int) -> list[PlannedBet]:
        if self._prepared[0] != round_no:
            where = self.arrival.table
            bets = planned_bets(self.scenario, self.arrival.player, round_no, self._betting, where, self.rules)
            self._prepared = round_no, bets
        return self._prepared[1]

    def _window(self, event: TableEvent) -> tuple[int, int]:
        """Return when a window opens and closes for this player's device."""
        opens_ns = self.clock.to_monotonic(event.opens_at_unix_ns)
        closes_ns = self.clock.to_monotonic(event.closes_at_unix_ns)
        return opens_ns + self._late_ns, closes_ns + self._late_ns

    def _plan(self, event: TableEvent, heard_ns: int) -> Iterator[Operation]:
        opens_ns, closes_ns = self._window(event)
        for bet in self._bets_of(round_no_of(event.round)):
            due_ns = opens_ns + bet.offset_ns
            if due_ns < heard_ns:
                if event.phase != Phase.BETS_OPEN:
                    continue  # the player came after this bet's time
                due_ns = heard_ns  # nobody bets before hearing that bets are open
            if due_ns < min(self.load_end_ns, closes_ns):
                op = self.new_operation(OpKind.BET, due_ns)
                op.round_id, op.window, op.closes_ns = event.round, event.window, closes_ns
                op.selection, op.amount_minor = bet.selection, bet.amount_minor
                yield op

    def _decision(self, event: TableEvent, planned: Planned, heard_ns: int) -> Iterator[Operation]:
        opens_ns, closes_ns = self._window(event)
        due_ns = max(heard_ns, opens_ns + round((closes_ns - opens_ns) * planned.part))
        if due_ns < min(self.load_end_ns, closes_ns):
            op = self.new_operation(OpKind.BET, due_ns)
            op.round_id, op.window, op.closes_ns = event.round, event.window, closes_ns
            op.selection, op.amount_minor = planned.decision, planned.amount_minor
            yield op

    def _aim(self, closes_ns: int, now_ns: int) -> None:
        """Let storms that wait for a cut-off strike before this one, if they have waited long enough and it is far."""
        for from_ns, storm in list(self._aiming):
            at_ns = closes_ns - storm.before_close_ms * NS_PER_MS
            if at_ns >= max(from_ns, now_ns):
                self._aiming.remove((from_ns, storm))
                self._storms = sorted([*self._storms, (at_ns, storm)], key=lambda due: due[0])

    def _begin(self, bets: list[Operation]) -> None:
        """Take over a round's bets; those of a closed pace, but for the first, wait for their turn."""
        self._planned, self._later = bets, []
        if self._betting.pace is Pace.CLOSED:
            self._planned, self._later = bets[:1], bets[1:]

    def _bet_again(self, now_ns: int) -> None:
        op = self._later.pop(0)
        k = round_no_of(op.round_id) * DRAWS_PER_ROUND + len(self._later)
        op.due_ns = now_ns + think_ns(self.scenario.seed, self.arrival.player, k, self._betting.think_s_mean)
        if op.due_ns < min(op.closes_ns, self.load_end_ns):
            self._planned.append(op)
        else:
            self._later = []  # the window closes before the player is done thinking

    def _try_again(self, op: Operation, now_ns: int) -> bool:
        if op.attempt >= OVERLOADED_TRIES_MAX and not op.lost:
            return False
        pause_ns = round(random.uniform(0.25, 1.0) * OVERLOADED_PAUSE_MS * NS_PER_MS)
        self._again.append((now_ns + pause_ns, op))
        return True

    def _check(self, op: Operation, answer: BetAnswer) -> None:
        if answer.status not in _STATUSES:
            self._complain(f"bet {answer.id}: unknown status {answer.status}")
        if answer.balance_minor < 0:
            self._complain(f"bet {answer.id}: balance {answer.balance_minor}, limit 0")
        if answer.status == Status.ACCEPTED and not op.lost:
            self._check_order(op, answer)
        if len(self._answers) >= ANSWERS_KEPT_MAX:
            del self._answers[next(iter(self._answers))]
        self._answers[op.ref] = answer

    def _check_order(self, op: Operation, answer: BetAnswer) -> None:
        if answer.version <= self._version:
            self._complain(f"bet {answer.id}: version {answer.version} after version {self._version}")
        elif answer.version == self._version + 1 and answer.balance_minor != self._balance - op.amount_minor:
            expected = self._balance - op.amount_minor
            self._complain(f"bet {answer.id}: balance {answer.balance_minor}, expected {expected}")
        self._version, self._balance = answer.version, answer.balance_minor

    def _compare_with_earlier(self, ref: bytes, answer: BetAnswer) -> None:
        earlier = self._answers.get(ref)
        if earlier is None:
            self._complain(f"answer to unknown bet {answer.id}")
        elif (earlier.status, earlier.seq) != (answer.status, answer.seq):
            self._complain(
                f"bet {answer.id}: answered status {earlier.status} seq {earlier.seq}, "
                f"then status {answer.status} seq {answer.seq}"
            )

    def _complain(self, text: str) -> None:
        self.complaints.append(f"player {self.arrival.player}: {text}")
