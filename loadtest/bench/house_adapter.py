"""How the generator reaches the bench's house: at once, without log-in or placement."""

from loadtest.adapters.base import Placement
from loadtest.adapters.ours import LiveTable


class HouseTable(LiveTable):
    """The house of :mod:`loadtest.bench.house`."""

    @property
    def offers(self) -> frozenset[str]:
        """Nothing but play."""
        return frozenset()

    def provision(self, players: int, deposit_minor: int) -> None:
        """Do nothing: everybody may come, and is rich."""

    def log_in(self, player: int) -> str:
        """Return the player's number: the house knows nobody."""
        return str(player)

    def place(self, token: str, table: int, avoid: str) -> Placement:  # noqa: ARG002 - there is one place
        """Return the house's address."""
        return Placement("house", 0, self.target.url, token)
