"""The limits of a campaign held against what was measured."""

from msgspec import Struct

from reports.limits import COMPARISONS, DEFAULT_SLOS, parse_slos
from reports.measures import measure
from reports.run import Run


class LimitResult(Struct, frozen=True):
    """A limit and what was measured. A value of None was not measurable and breaks the limit.

    Parameters
    ----------
    name, comparison, limit : str, str, float
        The limit, such as ``bet.p99_ms``, ``<=``, 250.
    value : float or None
        What was measured.
    unit : str
        Of limit and value.
    meaning : str
        What the figure says, in words, where its name does not.
    n : int
        Observations that the value rests on; 0 if that says nothing.
    """

    name: str
    comparison: str
    limit: float
    value: float | None
    unit: str
    meaning: str = ""
    n: int = 0

    @property
    def text(self) -> str:
        """The limit as an expression."""
        return f"{self.name} {self.comparison} {self.limit:g}"

    @property
    def ok(self) -> bool:
        """Whether the limit holds."""
        return self.value is not None and COMPARISONS[self.comparison](self.value, self.limit)

    @property
    def said(self) -> str:
        """The value for people."""
        return "nothing was measured" if self.value is None else f"{self.value:,.4g} {self.unit}".strip()


def slo_results(run: Run) -> list[LimitResult]:
    """Return the limits in a Run's manifest with what was measured.

    Raises
    ------
    ConfigError
        If a limit is none that this version understands.
    """
    results = []
    for expected in parse_slos(run.manifest["campaign"].get("slo", DEFAULT_SLOS)):
        value, n = measure(run, expected.figure)
        results.append(
            LimitResult(str(expected.figure), expected.comparison, expected.limit, value, expected.figure.unit, n=n)
        )
    return results
