"""How figures look: one hue for each world, quiet axes, SVG that follows the reader's light or dark colours.

Figures are drawn in marker colours, which become CSS variables of the page. Text stays text, ids depend on the content
only and no date is written, so that equal Runs give equal pages.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from reports.series import Band

INK: Final = "#1a1b1c"
QUIET: Final = "#7a7b7c"
GRID: Final = "#d8d9da"
MEASURED: Final = "#123a7a"
SIMULATED: Final = "#c25a04"
SURGE: Final = "#b9bfc9"
FAULT: Final = "#c9b4b9"

_CSS: Final = {
    INK: "var(--ink)", QUIET: "var(--quiet)", GRID: "var(--grid)", MEASURED: "var(--measured)",
    SIMULATED: "var(--simulated)", SURGE: "var(--surge)", FAULT: "var(--fault)",
}  # fmt: skip

CSS_LIGHT: Final = (
    "--ink:#1b1d21;--quiet:#5d636d;--grid:#dfe2e7;--measured:#123a7a;--simulated:#c25a04;"
    "--surge:#c9d2df;--fault:#e3bcc4"
)
"""The colours of a light page, for a figure that stands alone."""

_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": QUIET,
    "axes.edgecolor": GRID,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@contextmanager
def style(salt: str) -> Iterator[None]:
    """Draw in our style; `salt` keeps the ids of several figures on a page apart."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": salt}):
        yield


def grid_of(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a page-wide figure (inches) and its axes, row by row."""
    figure = Figure(figsize=(9.2, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.flat)


def to_svg(figure: Figure) -> str:
    """Return a figure as an SVG element to be put into a page, which says in words what it shows."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="[A-Za-z.]+[0-9]*_[0-9]+"', "", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 aria-hidden="true"', text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = text.replace("'DejaVu Sans'", "system-ui")
    for marker, variable in _CSS.items():
        text = text.replace(marker, variable)
    return text


def stand_alone(svg: str) -> str:
    """Return an SVG element as a file of its own: light colours in place of the page's variables."""
    for rule in CSS_LIGHT.split(";"):
        name, colour = rule.split(":")
        svg = svg.replace(f"var({name})", colour)
    return svg.replace('aria-hidden="true"', 'role="img"', 1).replace("<svg", '<svg style="background:#fff"', 1)


def shade(axes: Axes, bands: list[Band], *, label: bool) -> None:
    """Shade surges and faults; label them at the top, each on its own line if they are close together."""
    for row, band in enumerate(bands):
        color = SURGE if band.kind == "surge" else FAULT
        axes.axvspan(band.start_s, band.end_s, color=color, alpha=0.45, linewidth=0, zorder=0)
        axes.axvline(band.start_s, color=QUIET, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
        if label:
            axes.annotate(
                band.label, (band.start_s, 1.0), xycoords=("data", "axes fraction"), xytext=(2, 3 + 10 * (row % 2)),
                textcoords="offset points", fontsize=8, color=QUIET, va="bottom", annotation_clip=False,
            )  # fmt: skip


def name_line(axes: Axes, x: float, y: float, text: str, color: str, **options: Any) -> None:
    """Write a line's name beside one of its points."""
    placing = {"xytext": (4, 0), "va": "center", "ha": "left", **options}
    axes.annotate(text, (x, y), textcoords="offset points", color=color, fontsize=8.5, annotation_clip=False, **placing)


def plain_numbers(axis: Any) -> None:
    """Label a logarithmic axis with plain numbers such as 0.5, 20, 1,000."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(FuncFormatter(lambda _value, _: ""))
