"""What ``livetable bench wallet`` publishes: durable bets beside the usual way and beside the design's own floors.

Every figure is over alternating legs of one run on one machine. A ratio's interval is Student's, of the logarithms of
the legs' ratios: legs are the units, and ratios multiply.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes

from loadtest.bench.result import Result
from reports.canvas import INK, MEASURED, QUIET, grid_of, plain_numbers, stand_alone, style, to_svg
from reports.publishing import Recipe, Report, counted, kept, markdown, short, spread
from sim.statistics import interval

FIGURE: Final = "wallet.svg"
PEER_RATIO_MIN: Final = 8.0
FLOOR_SHARE_MIN: Final = 0.75
P99_MS_MAX: Final = {5_000: 25.0, 10_000: 60.0}
"""What is asked: times pgbench, share of the floor, and p99 at an offered rate."""

AGREES: Final = 0.5
"""A later median agrees within the published legs' range, widened by this share of it on both sides: another hour of
the same machine gives other figures."""

OURS, FLOOR, BARE = "the wallet", "its floor", "its bare floor"
BEST: Final = "pgbench at its best"
COSTS: Final = {
    "postgres_cpu_us_per_bet": "PostgreSQL's CPU, µs",
    "wal_bytes_per_bet": "WAL, bytes",
    "page_images_per_1000_bets": "page images a thousand bets",
    "disk_bytes_per_bet": "disk, bytes",
}
Rates = Mapping[str, Sequence[float]]


def rates(result: Result) -> Rates:
    """Return the bets a second of every leg, by who placed them, slowest first."""
    detail = result.detail
    peers = {
        f"pgbench, {counted(int(clients), 'client')}": [float(leg[clients]) for leg in detail["legs_peer"]]
        for clients in detail["legs_peer"][0]
    }
    ours = {OURS: detail["legs_ours"], FLOOR: detail["legs_floor"], BARE: detail["legs_bare_floor"]}
    return peers | {name: [float(rate) for rate in legs] for name, legs in ours.items()}


def ratios(result: Result) -> dict[str, list[float]]:
    """Return ours over each other way, leg by leg; of pgbench, over the best number of clients of that leg."""
    detail = result.detail
    best = [max(leg.values()) for leg in detail["legs_peer"]]
    others = {BEST: best, FLOOR: detail["legs_floor"], BARE: detail["legs_bare_floor"]}
    return {
        name: [ours / other for ours, other in zip(detail["legs_ours"], legs, strict=True)]
        for name, legs in others.items()
    }


def report_of(result: Result) -> Report:
    """Return the bench's result as people read it."""
    parts = [summary(result) + "\n", _asked(result), _speeds(result), _waits(result), _legs(result), _costs(result)]
    command = f"livetable bench wallet -n {result.n} --out FOLDER"
    return Report(
        tables="\n".join(parts),
        figures={FIGURE: figure(result)},
        opening=OPENING,
        closing=CLOSING.format(command=command),
    )


def summary(result: Result) -> str:
    """Return the result in one sentence."""
    against = {name: _ratio(legs) for name, legs in ratios(result).items()}
    waits = " and ".join(f"{short(wait['p99_ms'])} ms at {wait['offered_per_s']:,} bets/s" for wait in _natural(result))
    return (
        f"The wallet writes {short(statistics.median(result.detail['legs_ours']))} durable bets a second (median of"
        f" {counted(result.n, 'leg')}): {against[BEST]} times {BEST}, {against[FLOOR]} of"
        f" its floor. As they come, 99 of 100 bets are answered within {waits}."
    )


def differences(published: Result, found: Result) -> Iterable[str]:
    """Return which medians lie outside of what the published legs allow, a line each."""
    known, now = _compared(published), _compared(found)
    for name, legs in known.items():
        low, high, median = min(legs), max(legs), statistics.median(now[name])
        wide = AGREES * (high - low) + 0.1 * low
        if not low - wide <= median <= high + wide:
            yield f"{name} is {short(median)}, published are {short(low)} to {short(high)}"


REPORT: Final = Recipe(file="wallet.json", content=Result, report_of=report_of, differences=differences)


def _compared(result: Result) -> dict[str, Sequence[float]]:
    waits = {f"p99 at {wait['offered_per_s']:,}/s, ms": wait["legs_p99_ms"] for wait in _natural(result)}
    return {f"ours over {name}": legs for name, legs in ratios(result).items()} | waits


def _natural(result: Result) -> list[dict[str, Any]]:
    natural: list[dict[str, Any]] = result.detail["natural_batching"]
    return natural


def _asked(result: Result) -> str:
    against = {name: statistics.median(legs) for name, legs in ratios(result).items()}
    peer, floor = against[BEST], against[FLOOR]
    rows = [
        (f"at least {PEER_RATIO_MIN:g} times pgbench", f"{short(peer)} times", peer >= PEER_RATIO_MIN),
        (f"at least {FLOOR_SHARE_MIN:g} of its own floor", f"{floor:.2f}", floor >= FLOOR_SHARE_MIN),
    ]
    for wait in _natural(result):
        most = P99_MS_MAX.get(wait["offered_per_s"])
        if most is not None:
            p99 = wait["p99_ms"]
            rows.append((f"p99 at {wait['offered_per_s']:,}/s at most {most:g} ms", f"{short(p99)} ms", p99 <= most))
    return markdown(
        ("asked", "found (median of legs)", "kept?"), [(asked, found, kept(well)) for asked, found, well in rows]
    )


def _speeds(result: Result) -> str:
    over = ratios(result)
    rows = []
    for name, legs in rates(result).items():
        ratio = over.get(name)
        told = _ratio(ratio) if ratio else ""
        rows.append((name, short(statistics.median(legs)), spread(legs), told))
    best = over[BEST]
    rows.append((f"{BEST}, leg by leg", short(result.peer), "", _ratio(best)))
    head = ("who", "durable bets/s, median", f"{result.n} legs, from – to", "ours over it: median (95 % interval)")
    return markdown(head, rows)


def _ratio(legs: Sequence[float]) -> str:
    found = interval([math.log(ratio) for ratio in legs])
    middle = f"{short(statistics.median(legs))}"
    if not math.isfinite(found.half):
        return f"{middle} (one leg: no interval)"
    return f"{middle} ({short(math.exp(found.mean - found.half))} – {short(math.exp(found.mean + found.half))})"


def _waits(result: Result) -> str:
    rows = [
        (
            f"{wait['offered_per_s']:,}", f"{wait['bets']:,}", short(wait["p50_ms"]), short(wait["p99_ms"]),
            " · ".join(short(p99) for p99 in wait["legs_p99_ms"]),
        )
        for wait in _natural(result)
    ]  # fmt: skip
    head = ("offered bets/s", "bets", "p50, ms, median of legs", "p99, ms, median of legs", "p99 of each leg, ms")
    return markdown(head, rows)


def _legs(result: Result) -> str:
    found = rates(result)
    rows = [[str(leg + 1), *(f"{legs[leg]:,.0f}" for legs in found.values())] for leg in range(result.n)]
    return markdown(("leg", *found), rows)


def _costs(result: Result) -> str:
    known = [name for name in COSTS if name in result.detail]
    return markdown(("a bet costs (median leg)", ""), [(COSTS[name], short(result.detail[name])) for name in known])


def figure(result: Result) -> str:
    """Return the figure as an SVG file: bets a second of every leg by who placed them, and how long bets wait."""
    with style("wallet"):
        drawing, (left, right) = grid_of(1, 2, 3.1, width_ratios=(3, 2))
        _draw_rates(left, result)
        _draw_waits(right, result)
        return stand_alone(to_svg(drawing))


def _draw_rates(axes: Axes, result: Result) -> None:
    found = rates(result)
    ours = statistics.median(found[OURS])
    for row, (name, legs) in enumerate(found.items()):
        color = MEASURED if name == OURS else INK
        middle = statistics.median(legs)
        axes.plot(legs, [row] * len(legs), "o", color=color, markersize=4, alpha=0.45, markeredgewidth=0)
        axes.plot([middle] * 2, [row - 0.28, row + 0.28], color=color, linewidth=2)
        said = f"{middle:,.0f}" if name == OURS else f"{middle:,.0f}: {_part(middle, ours)}"
        axes.annotate(said, (max(legs), row), xytext=(8, 0), textcoords="offset points", va="center", color=color,
                      fontsize=8.5, annotation_clip=False)  # fmt: skip
    axes.set_yticks(range(len(found)), list(found))
    for label, name in zip(axes.get_yticklabels(), found, strict=True):
        label.set_color(MEASURED if name == OURS else QUIET)
    axes.set(xscale="log", title="durable bets/s on two shards: each leg, and the median")
    low, high = axes.get_xlim()
    axes.set_xlim(low, high * (high / low) ** 0.42)
    axes.margins(y=0.12)
    plain_numbers(axes.xaxis)
    axes.grid(visible=False, axis="y")


def _part(other: float, ours: float) -> str:
    return f"ours is {ours / other:.3g} times that"


def _draw_waits(axes: Axes, result: Result) -> None:
    waits = _natural(result)
    for place, wait in enumerate(waits):
        legs, most = wait["legs_p99_ms"], P99_MS_MAX.get(wait["offered_per_s"])
        axes.plot([place] * len(legs), legs, "o", color=MEASURED, markersize=4, alpha=0.45, markeredgewidth=0)
        axes.plot([place - 0.16, place + 0.16], [wait["p99_ms"]] * 2, color=MEASURED, linewidth=2)
        axes.annotate(f"{wait['p99_ms']:.3g}", (place + 0.16, wait["p99_ms"]), xytext=(4, -1), va="top",
                      textcoords="offset points", color=MEASURED, fontsize=8.5)  # fmt: skip
        if most is not None:
            axes.plot([place - 0.3, place + 0.3], [most] * 2, color=QUIET, linewidth=1.0, linestyle=(0, (4, 2)))
            axes.annotate(f"asked: {most:g}", (place + 0.3, most), xytext=(0, 4), ha="right", va="bottom",
                          textcoords="offset points", color=QUIET, fontsize=8.5)  # fmt: skip
    axes.set_xticks(range(len(waits)), [f"{wait['offered_per_s']:,} bets/s" for wait in waits])
    axes.set(xlim=(-0.5, len(waits) - 0.3), title="p99 of bets as they come, ms")
    axes.set_ylim(0, 1.12 * axes.get_ylim()[1])
    axes.grid(visible=False, axis="x")


OPENING: Final = """\
# The wallet against its peers

**Question.** How many durable bets a second does the wallet write, beside the usual way of doing it and beside what its
own design could do without its safeguards; and how long does a bet wait?

**Answer.** The first sentence below, and the table of what was asked.

![durable bets a second, leg by leg, and how long bets wait](wallet.svg)
"""

CLOSING: Final = """\
**Method.** Two shards on one PostgreSQL server, 20,000 players each, every commit durable (`fsync` and
`synchronous_commit` on). In each leg the wallet, its two floors and pgbench take their turns on the same server, the
first three in another order each time. *The wallet* writes batches of at most 1,000 bets with all that it does: order
under the shard's head, windows, limits, escrow, journal, hash chain, outbox, an answer and a balance for each bet;
batches go to its function directly, without gateway and bus (`livetable bench betpath` has them). *Its floor* is the
same movement of money with the same rows and answers, without chain, outbox, escrow, windows, limits, lock and second
index; *its bare floor* is a debit and a row of five columns that answers nothing (`loadtest/bench/floor.sql`).
*pgbench* is the usual way: a transaction a bet, `pgbench -s 50 -M prepared` (three updates, a select and an insert),
with 1, 8 and 32 clients; it is compared at its best. *p99* is of bets that arrive at random at the rate offered, 5 s a
leg, each from its intended start to its durable answer, in batches of what came meanwhile.

**Intervals.** Student's, 95 %, of the logarithms of the legs' ratios; dots in the figure are legs. A leg is the unit.

**Threats.**

* A batch of a thousand shares one commit; pgbench commits each transaction. That is the design's point, and why the
  floor stands beside it: the floor batches, too.
* TPC-B's transaction is no bet: it touches a row more and reads one, but keeps no ids, no balances and no chain.
* Load, wallet and server share the machine's cores, and the disk is its own; on another machine only ratios are alike.
* The ledger is young here. What a bet costs at ten million rows: `livetable bench growth`.

**Command.**

```
{command}
```

With `--check` it measures again and compares: each median must lie within the published legs' range, widened by half
of it and a tenth."""
