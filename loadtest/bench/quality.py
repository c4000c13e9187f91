"""Quality against latency and CPU: what each preset, GOP, bit rate and look-ahead of the encoder buys and costs.

Too aggressive and quality drops, too cautious and latency creeps in: the same film of a table is encoded with every
choice of settings, decoded, and compared with what the camera drew. The table and the plot are written below ``runs/``.

The peer is the preset with a look-ahead, as encoders are set up for video on demand.
"""

import asyncio
import csv
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from loadtest.bench.result import Result, summarise
from loadtest.progress import Progress
from reference_impl.stack.encoding_trial import Settings, Trial, encode, film

WIDTH, HEIGHT, FPS, FRAMES = 854, 480, 25, 100
PRESETS = ("ultrafast", "superfast", "veryfast")
GOPS = (12, 24, 48)
KBPS = (500, 1000, 2000)
LOOKAHEADS = (10, 40)
OURS = Settings("superfast", 24, 1000)
PEER = Settings("superfast", 24, 1000, 10)
FOLDER = Path("runs") / "quality"
COLOURS = {"ultrafast": "#b4431f", "superfast": "#1f6f8b", "veryfast": "#5b7a1f"}
COLUMNS = ("preset", "gop_frames", "kbps", "lookahead_frames", *Trial._fields)

Row = tuple[Settings, Trial]


def choices() -> list[Settings]:
    """Return every combination that is tried."""
    grid = [Settings(*choice) for choice in itertools.product(PRESETS, GOPS, KBPS)]
    return grid + [OURS._replace(lookahead_frames=frames) for frames in LOOKAHEADS]


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench; ours and the peer alternate `n` times, the rest of the table is measured once."""
    return await asyncio.to_thread(_measure, n, progress)


def _measure(n: int, progress: Progress) -> Result:
    pictures = film(WIDTH, HEIGHT, FRAMES, FPS)
    rows: list[Row] = []
    for settings in choices():
        rows.append((settings, encode(pictures, WIDTH, HEIGHT, settings, FPS)))
        progress.say(line_of(*rows[-1]))
    legs = [(encode(pictures, WIDTH, HEIGHT, OURS, FPS), encode(pictures, WIDTH, HEIGHT, PEER, FPS)) for _ in range(n)]
    write_table(rows, FOLDER / "quality.csv")
    write_plot(rows, FOLDER / "quality.svg")
    detail: dict[str, Any] = {
        "size": f"{WIDTH}x{HEIGHT}, {FPS} fps, {FRAMES} frames", "table": str(FOLDER / "quality.csv"),
        "plot": str(FOLDER / "quality.svg"), "rows": [settings._asdict() | trial._asdict() for settings, trial in rows],
        "psnr_db": {"ours": round(legs[-1][0].psnr_db, 2), "peer": round(legs[-1][1].psnr_db, 2)},
    }  # fmt: skip
    return summarise(
        "quality", "ms from a frame to its bytes", [ours.latency_ms for ours, _ in legs],
        [peer.latency_ms for _, peer in legs], f"the same with {PEER.lookahead_frames} frames of look-ahead", detail,
        lower_is_better=True,
    )  # fmt: skip


def line_of(settings: Settings, trial: Trial) -> str:
    """Return a row as a person reads it."""
    return (
        f"{settings.preset:<10}GOP {settings.gop_frames:>2}  {settings.kbps:>5} kbit/s  ahead"
        f" {settings.lookahead_frames:>2}: {trial.psnr_db:5.2f} dB  SSIM {trial.ssim:.4f}"
        f"  {trial.cpu_s_per_media_s:.3f} CPU-s/s  {trial.latency_ms:7.1f} ms"
    )


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Write all rows as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([*settings, *(round(value, 5) for value in trial)] for settings, trial in rows)


def write_plot(rows: Sequence[Row], path: Path) -> None:
    """Draw quality over bit rate, over CPU, and over latency."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    rate, cost, delay = figure.subplots(1, 3, sharey=True)
    plain = [row for row in rows if not row[0].lookahead_frames]
    for preset in PRESETS:
        of_preset = [row for row in plain if row[0].preset == preset]
        for gop, style in zip(GOPS, (":", "-", "--"), strict=True):
            curve = [row for row in of_preset if row[0].gop_frames == gop]
            label = f"{preset}, GOP {gop / FPS:.2f} s" if gop == OURS.gop_frames else None
            rate.plot(
                [s.kbps for s, _ in curve], [t.psnr_db for _, t in curve], style, color=COLOURS[preset], label=label
            )
        points = [row for row in of_preset if row[0].gop_frames == OURS.gop_frames]
        cost.scatter([t.cpu_s_per_media_s for _, t in points], [t.psnr_db for _, t in points], color=COLOURS[preset])
        for settings, trial in points:
            cost.annotate(f"{settings.kbps}", (trial.cpu_s_per_media_s, trial.psnr_db), fontsize=7, xytext=(4, -3),
                          textcoords="offset points")  # fmt: skip
    ahead = sorted(row for row in rows if row[0]._replace(lookahead_frames=0) == OURS)
    delay.plot([t.latency_ms for _, t in ahead], [t.psnr_db for _, t in ahead], "o-", color=COLOURS[OURS.preset])
    for settings, trial in ahead:
        delay.annotate(f"{settings.lookahead_frames} ahead", (trial.latency_ms, trial.psnr_db), fontsize=7,
                       xytext=(0, 7), textcoords="offset points", ha="center")  # fmt: skip
    cost.margins(x=0.15)
    delay.margins(x=0.15)
    rate.set(xlabel="bit rate, kbit/s (dotted 0.48 s, dashed 1.92 s GOP)", ylabel="luma PSNR, dB", title="by bit rate")
    cost.set(xlabel="CPU-s a second of film (labels: kbit/s)", title="by CPU")
    delay.set(
        xlabel="frame to bytes, ms (labels: frames of look-ahead)",
        title=f"by latency, {OURS.preset} at {OURS.kbps} kbit/s",
    )
    rate.legend(fontsize=7, loc="lower right")
    for axes in (rate, cost, delay):
        axes.grid(alpha=0.3)
    figure.savefig(path)
