"""Faults in simulated time: what a scenario breaks, who suffers, and when it is back."""

import simpy

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim.draws import Draws
from sim.gateway import Gateway
from sim.observations import Observations
from sim.random_streams import Stream
from sim.scenario import Fault
from sim.server import after
from sim.table import Table
from sim.wallet import WalletShard

ASK_AGAIN_NS = 100 * NS_PER_MS


class Faults:
    """Carries out a scenario's faults.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    draws : Draws
        Times of detection and restart.
    gateways, shards, tables : list
        The simulated processes.
    seen : Observations
        Where faults are noted.
    """

    def __init__(
        self,
        env: simpy.Environment,
        draws: Draws,
        gateways: list[Gateway],
        shards: list[WalletShard],
        tables: list[Table],
        seen: Observations,
    ) -> None:
        self._env = env
        self._draws = draws
        self._tables = tables
        self._seen = seen
        self._victims: dict[str, list[Gateway] | list[WalletShard]] = {g.name: [g] for g in gateways}
        self._victims.update({shard.name: [shard] for shard in shards})
        self._victims["postgres"] = shards

    def plan(self, faults: tuple[Fault, ...], load_start_ns: int) -> None:
        """Schedule faults.

        Raises
        ------
        ConfigError
            If the model has no such process.
        """
        for fault in faults:
            if fault.target not in self._victims:
                known = ", ".join(self._victims)
                raise ConfigError(f"fault target '{fault.target}' is not in the model, which has {known}")
            at_ns = load_start_ns + round(fault.at_s * NS_PER_S)
            after(self._env, at_ns - int(self._env.now), self._aim, fault)

    def _aim(self, fault: Fault) -> None:
        """Strike now, or at the fault's distance from the next cut-off, as soon as one is announced."""
        now_ns = int(self._env.now)
        if not fault.before_close_ms:
            self._strike(fault)
            return
        news = [table.news for table in self._tables if table.news is not None]
        moments = [known.closes_ns - fault.before_close_ms * NS_PER_MS for known in news]
        coming = [moment_ns for moment_ns in moments if moment_ns > now_ns]
        if coming:
            after(self._env, min(coming) - now_ns, self._strike, fault)
        else:
            after(self._env, ASK_AGAIN_NS, self._aim, fault)

    def _strike(self, fault: Fault) -> None:
        now_ns, who = int(self._env.now), len(self._seen.faults)
        detected_ns = now_ns + self._draws.ns(self._draws.model.detect_ns, Stream.RESTART, who, 0)
        recovered_ns = now_ns + self._draws.ns(self._draws.model.restart_ns, Stream.RESTART, who, 1)
        self._seen.faults.append(
            {"t_ns": now_ns, "kind": fault.kind, "target": fault.target, "detected_ns": detected_ns,
             "recovered_ns": max(detected_ns, recovered_ns)}
        )  # fmt: skip
        for victim in self._victims[fault.target]:
            victim.kill()
            after(self._env, max(detected_ns, recovered_ns) - now_ns, self._recover, victim)

    def _recover(self, victim: Gateway | WalletShard) -> None:
        if isinstance(victim, WalletShard):
            victim.restart()
        else:
            victim.restart([table.news for table in self._tables if table.news is not None])
