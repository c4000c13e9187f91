"""What a gateway tells the balancer of itself, once a second."""

from collections import Counter
from typing import Protocol

from reference_impl.bets.bet_metrics import BetMetrics
from reference_impl.bets.fanout import Fanout
from reference_impl.bets.moving import Moving
from reference_impl.domain.balance_messages import TABLES_TOLD_MAX, GatewayReport
from reference_impl.pulse import Pulse


class Told(Protocol):
    """What of a gateway's configuration a report repeats."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def number(self) -> int:
        """Its number in records."""

    @property
    def url(self) -> str:
        """Where players connect."""


class LoadReporter:
    """Makes one gateway's reports; rates count from the report before.

    Parameters
    ----------
    told : Told
        Who it is.
    fanout : Fanout
        Who is there.
    metrics : BetMetrics
        How long bets took.
    moving : Moving
        Where it stands.
    """

    def __init__(self, told: Told, fanout: Fanout, metrics: BetMetrics, moving: Moving) -> None:
        self.pulse = Pulse()
        self.accepted = 0
        """Players who were let in."""
        self.stalls = 0
        """How often pictures stood still at players of this gateway."""
        self.table_bets: Counter[int] = Counter()
        """Bets by table since the last report."""
        self._told = told
        self._fanout = fanout
        self._metrics = metrics
        self._moving = moving

    def report(self, waiting: int, bets: int, egress_bytes: int) -> GatewayReport:
        """Return the report of now; `bets` and `egress_bytes` are totals."""
        beat, spans = self.pulse.beat(bets, self.accepted, egress_bytes), self._metrics.spans()
        bets_per_s, accepts_per_s, egress_bytes_per_s = beat.per_s
        tables = self._fanout.watchers(TABLES_TOLD_MAX)
        bets_here = {table: self.table_bets[table] for table in tables}
        self.table_bets.clear()
        return GatewayReport(
            self._told.name, self._told.number, self._told.url, len(self._fanout), beat.lag_ms,
            int(self._moving.stand), beat.cpu_share, beat.run_delay_share, spans.own_p99_ms, spans.p99_ms,
            spans.p50_ms, bets_per_s, accepts_per_s, egress_bytes_per_s, waiting,
            tables, self._moving.moved, self.stalls, beat.lag_ms_mean, bets_here,
            self._fanout.left, beat.lag_ms_p98,
        )  # fmt: skip
