"""The simulation of a live-table system: tables, gateways, wallet shards, video and players on one simulated clock.

The rules (rounds, cut-off, ledger, games, placement) are the domain's own, carried out on SimPy instead of asyncio and
PostgreSQL. What the model adds is time: stage times from :class:`sim.parameters.Model`, queues where the real system
has queues. The result is the tables of a Run, so the checks that judge the real system judge this one.

Assumptions
-----------
* Contention for cores shows only through the host's state (:class:`sim.parameters.Host`), which all processes share;
  a host with cores (:mod:`sim.cores`) changes it with the load.
* A control request keeps its shard's writer for its whole fitted time, the way there and back included.
* No bus, relay or dealer ever fails; a scenario's faults in these are left out (:func:`sim.faults.not_modelled`).
* Video and money share nothing but the clock: see :mod:`sim.video`.
* Bounds that refuse work under overload (pending bets, queued batches) are not reached: a scenario that does ends with
  :class:`sim.wiring.OverloadError`.

Invariants
----------
* Time is integer ns from 0; events at one instant run in the order in which they were scheduled. Equal scenario, model
  and starts give equal tables.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd
import simpy

from reference_impl.domain.ids import table_of
from reference_impl.domain.units import NS_PER_S
from sim.cores import Work
from sim.draws import Draws
from sim.faults import Faults, Victim, streaming
from sim.gateway import Gateway, Gateways
from sim.laws import Books, hold
from sim.observations import Observations
from sim.parameters import Model
from sim.players import Players
from sim.random_streams import Stream
from sim.scenario import Scenario, senders
from sim.video import VideoSystem
from sim.wallet import WalletShard
from sim.wiring import OverloadError, Starts, begin_tables, load_start_ns, make_tables, over, overload, victims


def simulate(scenario: Scenario, model: Model, starts: Starts | None = None) -> dict[str, pd.DataFrame]:
    """Return the Run's tables of a simulated scenario.

    Parameters
    ----------
    scenario : Scenario
        What happens.
    model : Model
        How long it takes.
    starts : mapping of int to FirstRound, optional
        Each table's first round.

    Returns
    -------
    dict of str to DataFrame
        The tables of :data:`reports.columns.TABLES`; instants are simulated ns.
    """
    simulation = Simulation(scenario, model, starts or {})
    simulation.run()
    return simulation.tables()


class Simulation:
    """One simulated system.

    Parameters
    ----------
    scenario : Scenario
        What happens.
    model : Model
        How long it takes.
    starts : mapping of int to FirstRound
        Each table's first round.
    """

    def __init__(self, scenario: Scenario, model: Model, starts: Starts) -> None:
        self._scenario = scenario
        self._starts = starts
        self._model = model
        self._env = env = simpy.Environment()
        self._seen = seen = Observations(deposit_minor=scenario.deposit_minor)
        self._draws = draws = Draws(env, scenario.seed, model, self._work, senders(scenario))
        self._load_start_ns = load_start_ns(starts)
        self._load_end_ns = self._load_start_ns + round(scenario.load_s * NS_PER_S)
        self._shards = shards = [WalletShard(env, number, draws) for number in range(scenario.shards)]
        self._gateways: list[Gateway] = []
        self._players = Players(env, scenario, draws, self._gateways, seen, self._load_start_ns)
        fleet = Gateways(self._gateways)
        self._tables = make_tables(env, scenario, draws, shards, fleet, seen, self._load_end_ns)
        self._gateways += [
            Gateway(env, number, draws, shards, self._players, seen, self._watermark)
            for number in range(scenario.gateways)
        ]
        self._video = VideoSystem(env, scenario, draws, seen, self._load_start_ns)
        mortal = {g.name: Victim(g.kill, partial(self._restart, g), g.hold) for g in self._gateways}
        writers = {shard.name: Victim(shard.kill, shard.restart, slow=shard.slow) for shard in shards}
        targets = victims(writers, mortal) | self._video.victims()
        faults = Faults(env, draws, targets, streaming(scenario), self._cut_offs, seen)
        faults.plan(scenario.faults, self._load_start_ns)

    def _cut_offs(self) -> list[int]:
        return [table.news.closes_ns for table in self._tables if table.news is not None]

    def run(self) -> None:
        """Simulate until every round is over and every bet is answered."""
        for account, shard in self._players.accounts():
            wallet = self._shards[shard]
            wallet.ledger.deposit(wallet.new_ref(), account, self._scenario.deposit_minor)
            self._seen.depositors.append(account)
        begin_tables(self._env, self._tables, self._starts, self._model, self._load_start_ns)
        self._players.start()
        self._video.start()
        self._env.process(self._sample())
        if self._model.host.cores:
            self._env.process(self._draws.follow(self._finished))
        self._env.run()
        self.books = hold(self._books())

    def _books(self) -> Iterator[Books]:
        for shard in self._shards:
            yield shard.books()
        for gateway in self._gateways:
            yield gateway.server.books(gateway.name)
        yield from self._video.books()

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return what was seen."""
        return self._seen.tables([shard.ledger for shard in self._shards])

    def _restart(self, gateway: Gateway) -> None:
        gateway.restart([table.news for table in self._tables if table.news is not None])

    def _watermark(self, gateway: str, round_id: int) -> None:
        self._tables[table_of(round_id) - 1].watermark(frozenset({gateway}), round_id)

    def _sample(self) -> Any:
        """Note every process's load once a second; the last note closes the simulation."""
        yield self._env.timeout(self._load_start_ns % NS_PER_S or NS_PER_S)
        while not self._finished():
            self._note_nodes()
            yield self._env.timeout(NS_PER_S)
        self._note_nodes()
        self._players.leave()
        self._video.stop()

    def _work(self) -> Work:
        players, pushes = self._players, sum(gateway.pushes for gateway in self._gateways)
        return Work(players.offered, self._draws.drawn(Stream.REQUEST), pushes, players.logins)

    def _finished(self) -> bool:
        now_ns = int(self._env.now)
        return over(now_ns, self._load_end_ns, self._tables, unanswered=self._players.unanswered)

    def _note_nodes(self) -> None:
        now_ns = int(self._env.now)
        note = partial(self._seen.node, now_ns)
        for gateway in self._gateways:
            note(gateway.name, gateway.connections, gateway.waiting, gateway.server.take_lag_ns_max(),
                 gateway.server.busy_ns, gateway.bets, gateway.egress_bytes)  # fmt: skip
        for shard in self._shards:
            note(shard.name, 0, shard.queued_bets, 0, shard.busy_ns, shard.bets_placed, 0)
        waiting = [gateway.waiting for gateway in self._gateways]
        if said := overload(self._scenario, waiting, now_ns - self._load_start_ns):
            raise OverloadError(said)
        note("dealer", 0, 0, 0, 0, sum(table.rounds for table in self._tables), 0)
        for load in self._video.loads():
            note(*load)
        self._seen.worker(now_ns, self._players.connected, self._players.operations)
