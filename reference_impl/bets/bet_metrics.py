"""What became of a gateway's bets and how long each stage took, from the records that it writes anyway.

The way of a bet pays for nothing here: records are looked at in one piece, a few times a second, before they go to
their file.
"""

from collections import Counter, deque
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.ma  # np.quantile imports it when it is first called: 50 ms in which no bet would be read
import numpy.typing as npt

from reference_impl.domain.bets import Status
from reference_impl.domain.protocol import CloseCode
from reference_impl.domain.records import STAGES
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reference_impl.metrics import Family, Histogram, Sample

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
BATCH_BETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

STAGE_BOUNDS = {
    "check": ("received_ns", "checked_ns"),
    "gather": ("checked_ns", "sent_ns"),
    "request": ("sent_ns", "wallet_received_ns"),
    "queue": ("wallet_received_ns", "batch_started_ns"),
    "commit": ("batch_started_ns", "committed_ns"),
    "reply": ("committed_ns", "replied_ns"),
    "answer": ("replied_ns", "written_ns"),
}
"""Stages of a bet, in order: each from one stamp to the next."""

_FORMATS = {"q": "<i8", "i": "<i4", "h": "<i2"}
_ROWS = np.dtype([(name, _FORMATS.get(code, f"V{code[:-1]}")) for name, code in STAGES.fields])


LOOKS_MAX = 64
"""Writes of records whose bets are remembered for the next load report: several seconds' worth."""


class Spans(NamedTuple):
    """How long bets took, ms: the whole way at its median and p99, and p99 without the flights to the wallet."""

    p50_ms: float
    p99_ms: float
    own_p99_ms: float


class BetMetrics:
    """Figures of one gateway's bets."""

    def __init__(self) -> None:
        self._whole = Histogram(SECONDS)
        self._stages = {stage: Histogram(SECONDS) for stage in STAGE_BOUNDS}
        self._batches = Histogram(BATCH_BETS)
        self._answers: Counter[int] = Counter()
        self._closed: Counter[CloseCode] = Counter()
        self._queue_depth = 0
        self._recent: deque[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = deque(maxlen=LOOKS_MAX)

    def count_answers(self, statuses: Iterable[int]) -> None:
        """Count answers by their reason."""
        self._answers.update(statuses)

    def count_closed(self, code: CloseCode) -> None:
        """Count a socket that the gateway closed."""
        self._closed[code] += 1

    def look_at(self, records: memoryview) -> None:
        """Take STAGES records, just before they are written."""
        rows = np.frombuffer(records, dtype=_ROWS)
        if not len(rows):
            return
        whole_ns = (rows["written_ns"] - rows["received_ns"]).astype(np.float64)
        self._recent.append((whole_ns, whole_ns - (rows["replied_ns"] - rows["sent_ns"])))
        self._whole.observe(whole_ns / NS_PER_S)
        for stage, (begin, end) in STAGE_BOUNDS.items():
            self._stages[stage].observe((rows[end] - rows[begin]) / NS_PER_S)
        _, first = np.unique(rows["committed_ns"], return_index=True)
        self._batches.observe(rows["batch_size"][first].astype(np.float64))
        self._queue_depth = int(rows["queue_depth"][-1])

    def spans(self) -> "Spans":
        """Return how long bets took since the last call, of those whose records were looked at."""
        looks, self._recent = list(self._recent), deque(maxlen=LOOKS_MAX)
        if not looks:
            return Spans(0.0, 0.0, 0.0)
        whole, own = (np.concatenate(part) / NS_PER_MS for part in zip(*looks, strict=True))
        p50, p99 = np.quantile(whole, (0.5, 0.99))
        return Spans(float(p50), float(p99), float(np.quantile(own, 0.99)))

    def families(self) -> list[Family]:
        """Return what a scrape is told."""
        answers = [Sample(self._answers[status], (("status", status.name.lower()),)) for status in Status]
        closed = [Sample(self._closed[code], (("code", code.name.lower()),)) for code in CloseCode]
        stages = [sample for stage, spans in self._stages.items() for sample in spans.samples((("stage", stage),))]
        return [
            Family("livetable_bet_answers_total", "counter", "Answers to bets, by reason.", answers),
            Family(
                "livetable_bet_duration_seconds", "histogram", "From reading a bet to writing its durable answer.",
                self._whole.samples(),
            ),
            Family("livetable_bet_stage_duration_seconds", "histogram", "Each stage of a bet's way.", stages),
            Family(
                "livetable_wallet_batch_bets", "histogram", "Bets in the wallet's batches that held bets from here.",
                self._batches.samples(),
            ),
            Family(
                "livetable_wallet_queue_bets", "gauge", "Bets that waited in the wallet when it last answered.",
                (Sample(self._queue_depth),),
            ),
            Family("livetable_sockets_closed_total", "counter", "Sockets that the gateway closed, by reason.", closed),
        ]  # fmt: skip
