"""Every process tells its metrics at ``http://127.0.0.1:<port>/metrics``, for Prometheus to scrape.

``metrics-targets.json`` beside the system's data names all of them, in the form of Prometheus's file-based discovery.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from reference_impl.domain.units import NS_PER_S
from reference_impl.metrics import CONTENT_TYPE, Family, exposition, one
from reference_impl.pulse import cost_of
from reference_impl.stack.telemetry import Load, resident_bytes
from reference_impl.streaming.http import HttpServer, Request, Response, refuse

SCRAPERS_MAX = 8


def process_families(load: Load, lag_ns_max: int) -> list[Family]:
    """Return what every process tells: its cost, how far behind it is, and what it carries."""
    connections, queue, operations, egress_bytes = load
    cost = cost_of(os.getpid())
    return [
        one("process_cpu_seconds_total", "counter", "CPU time of all threads.", cost.cpu_ns / NS_PER_S),
        one("process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes(os.getpid())),
        one(
            "livetable_run_delay_seconds_total", "counter", "Time spent runnable but not running.",
            cost.run_delay_ns / NS_PER_S,
        ),
        one(
            "livetable_event_loop_lag_seconds", "gauge", "The latest timer of the last second was so late.",
            lag_ns_max / NS_PER_S,
        ),
        one("livetable_connections", "gauge", "Connections of clients.", connections),
        one("livetable_queue_length", "gauge", "What waits in the process's queues.", queue),
        one("livetable_operations_total", "counter", "Bets, requests or frames, by the process.", operations),
        one("livetable_egress_bytes_total", "counter", "Bytes sent to many: events and media.", egress_bytes),
    ]  # fmt: skip


class Exposition:
    """A process's metrics page.

    Parameters
    ----------
    families : callable
        Returns what to tell, at each scrape.
    """

    def __init__(self, families: Callable[[], Iterable[Family]]) -> None:
        self._families = families
        self._http = HttpServer(self._answer, SCRAPERS_MAX)

    async def run(self, port: int) -> None:
        """Serve until cancelled."""
        await self._http.run("127.0.0.1", port, lambda: None)

    def _answer(self, request: Request) -> Response:
        if request.path != "/metrics":
            return refuse(404, "the metrics are at /metrics")
        body = exposition(self._families())
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nContent-Type: {CONTENT_TYPE}\r\n"
        return Response(200, head.encode("ascii"), body)


def save_targets(path: Path, ports: Mapping[str, int]) -> None:
    """Write where every process's metrics are, for Prometheus's ``file_sd_configs``."""
    targets = [{"targets": [f"127.0.0.1:{port}"], "labels": {"node": node}} for node, port in ports.items()]
    path.write_text(json.dumps(targets, indent=1) + "\n")
