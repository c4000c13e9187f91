"""The sentence under each figure: what to see, computed from what is drawn."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from reference_impl.domain.money import Currency, format_minor
from reports.series import Band, Stage

_DROP_SHARE_MIN = 0.3
"""A gateway that loses this share of its most connections within a second has lost them, not said good-bye."""


def milliseconds(value: float) -> str:
    """Return a duration for people: two or three digits, seconds from 1 s on."""
    if value >= 1000:
        return f"{value / 1000:,.2f} s"
    if value >= 100:
        return f"{value:,.0f} ms"
    return f"{value:.2g} ms" if value < 1 else f"{value:.1f} ms"


def percent_off(value: float, reference: float) -> str:
    """Return by how many percent a value is off its reference."""
    return f"{100 * (value / reference - 1):+.0f} %" if reference else "–"


def percent(share: float, digits: int = 0) -> str:
    """Return a share as percent."""
    return f"{100 * share:.{digits}f} %"


def of_latency(quantiles: Sequence[tuple[float, float]]) -> str:
    """Say the p50 and p99 (ms) of the Run and, if there is one, of its twin."""
    p50, p99 = quantiles[0]
    text = f"Half of the bets were answered within {milliseconds(p50)} and 99 % within {milliseconds(p99)}"
    for s50, s99 in quantiles[1:]:
        text += f"; the simulation says {milliseconds(s50)} ({percent_off(s50, p50)})"
        text += f" and {milliseconds(s99)} ({percent_off(s99, p99)})"
    return f"{text}."


def of_throughput(tables: Sequence[pd.DataFrame]) -> str:
    """Say how much was offered, at the peak too, and what share was accepted."""
    offered = tables[0]["offered"].to_numpy()
    total = max(int(offered.sum()), 1)
    accepted, rejected = (int(tables[0][name].sum()) / total for name in ("accepted", "rejected"))
    text = (
        f"{total:,} bets were offered, at most {offered.max():,} a second (second {offered.argmax()}); "
        f"{percent(accepted, 1)} were accepted and {percent(rejected, 1)} rejected"
    )
    for table in tables[1:]:
        other = max(int(table["offered"].sum()), 1)
        text += f"; simulated: {other:,} offered, {percent(int(table['accepted'].sum()) / other, 1)} accepted"
    return f"{text}."


def of_latency_over_time(p99: pd.Series, bands: Sequence[Band]) -> str:
    """Say which second was the slowest, and whether a surge or a fault explains it."""
    values = p99.to_numpy()
    worst = int(p99.fillna(-1).to_numpy().argmax())

    def within(second: int) -> list[Band]:
        return [band for band in bands if band.start_s - 1 <= second <= band.end_s]

    where = ""
    if bands:
        where = f", during “{within(worst)[-1].label}”" if within(worst) else ", without a surge or a fault"
    calm = pd.Series([values[second] for second in range(len(values)) if not within(second)], dtype=float).dropna()
    rest = f"; in a typical second without either it was {milliseconds(calm.median())}" if bands and len(calm) else ""
    return f"The slowest second was second {worst}{where}: its p99 was {milliseconds(float(values[worst]))}{rest}."


def of_deadline(table: pd.DataFrame) -> str:
    """Say how bunched the bets were, how near the last accepted one came, and what became of those after it."""
    accepted, rejected = (table.loc[table["accepted"] == said, "offset_s"] for said in (True, False))
    too_late = int((accepted >= 0).sum())
    after = int((rejected >= 0).sum()) + too_late
    parts = []
    if len(accepted):
        parts.append(f"{percent(float((accepted > -3).mean()))} of the accepted bets arrived in the last 3 s")
        if not too_late:
            parts.append(f"the last one {milliseconds(-1000 * float(accepted.max()))} before the cut-off")
    fate = f"{too_late:,} of them were accepted nevertheless" if too_late else "all of them were rejected"
    parts.append(f"{after:,} arrived after it, and {fate}" if after else "none arrived after it")
    return f"{'; '.join(parts)}."


def of_gateways(loads: Mapping[int, pd.DataFrame], n: int) -> str:
    """Say how connections and bets were shared, and which gateway lost its players when."""
    total = max(sum(int(load["bets"].sum()) for load in loads.values()), 1)
    parts, drops = [], []
    for gateway, load in loads.items():
        connections = load["connections"].to_numpy()
        share = int(load["bets"].sum()) / total
        parts.append(
            f"gateway-{gateway} held up to {connections.max():,} connections and answered {percent(share)} of the bets"
        )
        lost = -(connections[1:] - connections[:-1])
        inner = lost[: max(len(lost) - 2, 0)]
        if len(inner) and inner.max() > _DROP_SHARE_MIN * connections.max():
            drops.append(f"gateway-{gateway} lost {inner.max():,} connections in second {inner.argmax() + 1}")
    more = [f"{n - len(loads)} more gateways are not drawn"] if n > len(loads) else []
    text = "; ".join([*parts, *drops, *more])
    return f"{text[0].upper()}{text[1:]}."


def of_money(table: pd.DataFrame, currency: Currency) -> str:
    """Say what escrow held at most, who had gained what at the end, and whether the total ever left 0."""

    def shown(value: object) -> str:
        return format_minor(int(str(value)), currency)

    astray = table["total"].abs().max()
    constant = (
        f"the total of all accounts left 0 by up to {shown(astray)}"
        if astray
        else "the total of all accounts was 0 throughout"
    )
    last = table.iloc[-1]
    return (
        f"Escrow held up to {shown(table['escrow'].max())} and ended at {shown(last['escrow'])}; the house ended at "
        f"{shown(last['house'])}, the players at {shown(last['players'])}; {constant}."
    )


def of_stages(tables: Sequence[Sequence[Stage]]) -> str:
    """Say which stage is the longest, typically and in slow bets, and where the simulation is furthest off."""
    first = tables[0]
    typical, slow = max(first, key=lambda s: s.p50_ms), max(first, key=lambda s: s.p99_ms)
    other = "the same" if slow.name == typical.name else f"“{slow.name}”"
    text = (
        f"Typically the longest stage is “{typical.name}” (p50 {milliseconds(typical.p50_ms)}); "
        f"at its slowest it is {other} (p99 {milliseconds(slow.p99_ms)})"
    )
    for second in tables[1:]:
        if second:
            mine, theirs = max(zip(first, second, strict=True), key=lambda pair: abs(pair[1].p50_ms - pair[0].p50_ms))
            text += (
                f"; the simulation is furthest off at “{mine.name}” (p50 {milliseconds(mine.p50_ms)} measured, "
                f"{milliseconds(theirs.p50_ms)} simulated)"
            )
    return f"{text}."


def log_ratio_percent(log_ratio: float | None) -> str:
    """Return a log ratio of two quantiles as percent; – if there is none."""
    return "–" if log_ratio is None else f"{100 * (math.exp(log_ratio) - 1):+.0f} %"
