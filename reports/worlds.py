"""A Run and how it is drawn: blue is measured and orange is simulated, in every figure."""

from typing import Any, NamedTuple

from reports.canvas import MEASURED, SIMULATED
from reports.run import Run


class World(NamedTuple):
    """A Run and how it is drawn: the simulation is a broad line under the measurement's fine one."""

    run: Run
    name: str
    color: str
    width: float
    layer: int

    def line(self, linestyle: object = "solid") -> dict[str, Any]:
        """Return the look of its lines."""
        return {"color": self.color, "linewidth": self.width, "zorder": self.layer, "linestyle": linestyle}


def worlds(run: Run, twin: Run | None) -> list[World]:
    """Return the Run and its twin with their looks."""
    looks = {"measured": (MEASURED, 1.4, 3), "simulated": (SIMULATED, 2.6, 2)}
    runs = [run] if twin is None else [run, twin]
    return [World(r, r.manifest["kind"], *looks[r.manifest["kind"]]) for r in runs]
