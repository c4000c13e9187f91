"""What kind of history is made."""

from dataclasses import dataclass

MS = 1_000_000
S = 1_000_000_000
LOAD_START_NS = 5_000 * S
EUR = 978
ROUND_S = 12.0
RETRY_NS = 3 * S
PART_NS = 320 * MS


@dataclass(frozen=True)
class Shape:
    """What kind of history is made."""

    seed: int = 1
    tables: int = 2
    rounds: int = 3
    players: int = 8
    viewers: int = 3
    edges: int = 2
    surge_players: int = 0
    bets_per_round: int = 2
    shards: int = 2
    gateways: int = 2
    void_share: float = 0.0
    lost_share: float = 0.0
    retried_share: float = 0.0
    late_share: float = 0.05
    deposit_minor: int = 100_000
    latency_ms: float = 4.0
    stake_limit_minor: int = 0
    loss_limit_minor: int = 0
    fault_at_s: float | None = None
    surge_at_s: float = 25.0

    @property
    def load_s(self) -> float:
        return self.rounds * ROUND_S + 2.0


SMALL = Shape()

DEMO = Shape(
    rounds=6, players=100, surge_players=200, bets_per_round=3, retried_share=0.001, void_share=0.0, fault_at_s=43.0
)
"""As the demonstration campaign: two tables, six rounds, two gateways, a surge and a killed gateway."""
