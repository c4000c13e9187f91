"""Bugs of the processes around the ledger: gateways, the dealer, the relay, and the rules that they share."""

from zoo.bug import Bug

_GATEWAY, _DEALER = "reference_impl/bets/gateway.py", "reference_impl/bets/dealer_table.py"
_ROUND_RULES = "reference_impl/domain/game_round.py"

SLOW_CLOCKS = Bug(
    "players' clocks are 40 ms slow",
    "loadtest/users/bettor.py",
    (
        ("opens_ns = self.clock.to_monotonic(event.opens_at_unix_ns)",
         "opens_ns = self.clock.to_monotonic(event.opens_at_unix_ns) + 40_000_000"),
        ("closes_ns = self.clock.to_monotonic(event.closes_at_unix_ns)",
         "closes_ns = self.clock.to_monotonic(event.closes_at_unix_ns) + 40_000_000"),
    ),
    "",
)  # fmt: skip
"""No bug of the system: the load gives up bets that it cannot send in time, so that hardly any arrives late. With slow
clocks some do, in every campaign of the zoo, and the cut-off is put to the test."""

NO_REPORT = Bug(
    "no report is drawn",
    "loadtest/evaluation.py",
    (("render_report(run, judgement)", "run.path"),),
    "",
)
"""No bug either: nobody looks at the figures of these campaigns, and they take as long as the load."""

SYSTEM_BUGS = (
    Bug(
        "early reject: a gateway's window ends 400 ms too soon",
        _GATEWAY,
        (("unix_ns, until_ns)", "unix_ns, until_ns - 400_000_000)"),),
        "no_early_rejection",
    ),
    Bug(
        "swapped players: a gateway hands out a batch's answers in the wrong order",
        _GATEWAY,
        (("shard = bets[0].player.shard\n", "shard = bets[0].player.shard; bets = bets[::-1]\n"),),
        "acknowledged_is_durable",
    ),
    Bug(
        "lost id: a gateway gives each bet an id of its own",
        _GATEWAY,
        (("bytes.fromhex(said.id), account", "bytes.fromhex(said.id)[::-1], account"),),
        "acknowledged_is_durable",
    ),
    Bug(
        "two outcomes: a dealer announces another outcome than it recorded",
        _DEALER,
        (("-1 if outcome is None else outcome,", "-1 if outcome is None else (outcome + 1) % 37,"),),
        "settled_once",
    ),
    Bug(
        "two outcomes: each shard is settled for another outcome",
        _DEALER,
        (("m.Decision(False, outcome, self", "m.Decision(False, (outcome + shard) % 37, self"),),
        "settled_once",
    ),
    Bug(
        "early deal: the wheel spins while bets are still taken",
        _DEALER,
        (("self.number, event.phase,", "self.number, 7 if event.phase == 3 else event.phase,"),),
        "no_late_bet",
    ),
    Bug(
        "early close: shards are closed when the end is announced as near",
        _ROUND_RULES,
        (("(Announce(Phase.CLOSING_SOON), WakeAt(state.closes_at_ns))",
          "(Announce(Phase.CLOSING_SOON), CloseShards(state.shards), WakeAt(state.closes_at_ns))"),),
        "no_early_rejection",
    ),
    Bug(
        "late accept: a gateway takes bets after the cut-off",
        _GATEWAY,
        (("return cutoff.in_time(received_unix_ns, event.opens_at_unix_ns, until_ns)", "return True"),),
        "no_late_bet",
    ),
    Bug(
        "reordered batch: a gateway sends the newest bets first",
        "reference_impl/bets/batching.py",
        (("self._pending.popleft() for _ in", "self._pending.pop() for _ in"),),
        "timeline",
    ),
    Bug(
        "spoiler: the outcome is announced before the wheel stands still",
        _ROUND_RULES,
        (("Announce(Phase.DEALING),", "Announce(Phase.DEALING, message.outcome),"),),
        "spoilers",
    ),
    Bug(
        "spoiler: the seed is announced while bets are taken",
        _DEALER,
        (("revealed = phase in (", "revealed = phase is not None or phase in ("),),
        "spoilers",
    ),
    Bug(
        "spoiler: the lobby shows a result while the pictures are behind it",
        "reference_impl/domain/lobby.py",
        (("appendleft(self._held_back[event.table])",
          "appendleft(Shown(event.round, event.outcome, event.result))"),),
        "spoilers",
    ),
    Bug(
        "stale balance: a player is welcomed with yesterday's",
        _GATEWAY,
        (("number, balance.balance, ", "number, balance.balance - 500, "),),
        "told_truly",
    ),
    Bug(
        "wrong message: a player is told to have won a euro more",
        "reference_impl/bets/fanout.py",
        (("[batch.amount[row] for row in mine]", "[batch.amount[row] + 100 for row in mine]"),),
        "told_truly",
    ),
    Bug(
        "dropped event: the relay loses every seventh batch",
        "reference_impl/wallet/relay.py",
        (("        for row in rows:\n", "        for row in [row for row in rows if row['id'] % 7]:\n"),),
        "events_complete",
    ),
    Bug(
        "wrong shard: half of the players' bets arrive where nobody knows them",
        _GATEWAY,
        (("self._senders[player.shard].add(", "self._senders[0].add("),),
        "acknowledged_is_durable",
    ),
    Bug(
        "false no: half of the stakes are refused as out of bounds",
        "reference_impl/domain/bets.py",
        (("<= amount_minor <= limits.stake_minor_max:", "<= amount_minor <= 1_000:"),),
        "fairness",
    ),
    Bug(
        "wrong table of payouts: every win pays one unit less",
        "reference_impl/domain/games/roulette.py",
        (("[spot.gross if pocket in spot.numbers", "[spot.gross - 1 if pocket in spot.numbers"),),
        "settled_once",
    ),
)  # fmt: skip
"""Bugs of the processes around the ledger, seen by a short campaign against the whole system."""
