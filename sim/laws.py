"""Little's law and the utilisation law, which hold exactly on every run, whatever the distributions are.

A component keeps two books. One follows its *state*: for how long it had no work, and how many were inside, summed over
time. The other follows its *customers*: the service that they brought, and how long each of them stayed. Both are
written at other instants by other lines, so a customer who is lost, served twice or served by nobody shows.

References
----------
Little: "A proof for the queuing formula L = λW", Operations Research 9 (1961). Denning and Buzen: "The operational
analysis of queueing network models", ACM Computing Surveys 10 (1978): both laws for one run, without probabilities.
"""

from collections.abc import Iterable
from typing import NamedTuple

from reference_impl.domain.errors import InvariantViolationError


class Books(NamedTuple):
    """What a component has written down since the simulation began; all in ns, numbers inside times ns.

    Parameters
    ----------
    name : str
        The component.
    work : int
        Service that was brought, less what is left of it.
    busy : int
        Time with work, as its state says.
    inside : int
        The number inside, summed over time.
    stays : int
        The stays of all who came: until they left, or until now.
    """

    name: str
    work: int = 0
    busy: int = 0
    inside: int = 0
    stays: int = 0


class Presence:
    """How many are inside, summed over time."""

    def __init__(self) -> None:
        self._count = 0
        self._since_ns = 0
        self._sum_ns = 0

    def change(self, by: int, now_ns: int) -> None:
        """Let some come, or leave."""
        self._sum_ns, self._since_ns = self.until(now_ns), now_ns
        self._count += by

    def until(self, now_ns: int) -> int:
        """Return the sum until now."""
        return self._sum_ns + self._count * (now_ns - self._since_ns)


def hold(books: Iterable[Books]) -> dict[str, dict[str, int]]:
    """Check both laws; return the books by component, as a manifest keeps them.

    Raises
    ------
    InvariantViolationError
        Names the component whose books differ.
    """
    kept = {}
    for each in books:
        if each.work != each.busy:
            raise InvariantViolationError(f"utilisation law: {each.name} was busy for {each.busy} ns, its work took "
                                          f"{each.work} ns")  # fmt: skip
        if each.inside != each.stays:
            raise InvariantViolationError(f"Little's law: {each.name} held {each.inside} customer ns, its customers "
                                          f"stayed for {each.stays} ns")  # fmt: skip
        kept[each.name] = {name: value for name, value in each._asdict().items() if name != "name"}
    return kept
