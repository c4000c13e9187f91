"""The tables beside the money: processes, film, placements, faults."""

import numpy as np
import pandas as pd

from histories.shape import LOAD_START_NS, MS, PART_NS, S
from histories.told import Told
from reports.run import frame_of


class Beside(Told):
    """What machines, viewers and whoever broke things say of it."""

    def _nodes(self) -> pd.DataFrame:
        seconds = np.arange(int(self.shape.load_s))
        names = [f"gateway-{g}" for g in range(self.shape.gateways)] + [f"wallet-{s}" for s in range(self.shape.shards)]
        t_ns = np.tile(LOAD_START_NS + seconds * S, len(names))
        node = np.repeat(names, len(seconds))
        cpu = np.tile(seconds, len(names)) * 200 * MS
        return frame_of("nodes", {"t_ns": t_ns, "node": node, "pid": np.full(len(node), 100), "cpu_ns": cpu})

    def _resources(self) -> pd.DataFrame:
        nodes = self._nodes()
        same = {name: nodes[name] for name in ("t_ns", "node", "pid")}
        return frame_of("resources", {**same, "memory_bytes": np.full(len(nodes), 50 << 20)})

    def _generator(self) -> pd.DataFrame:
        seconds = np.arange(int(self.shape.load_s))
        lag = self._exp(len(seconds), 3.0)
        return frame_of(
            "generator",
            {"t_ns": LOAD_START_NS + seconds * S, "users": np.full(len(seconds), len(self.players)), "lag_ns_max": lag,
             "cpu_ns": seconds * 150 * MS, "ops": seconds * 20},
        )  # fmt: skip

    def _video(self) -> pd.DataFrame:
        """Each viewer fetches a playlist and a part every 320 ms; one stalls for 0.8 s."""
        shape, rng = self.shape, np.random.default_rng(self.shape.seed + 1000)
        n = int(shape.load_s * S // PART_NS) - 10
        rows = []
        for index in range(shape.tables * shape.viewers):
            media = LOAD_START_NS + (np.arange(n) + 1) * PART_NS + 40 * MS * (index % 3)
            arrived = media + 20 * MS + (rng.exponential(self.shape.latency_ms, n) * MS).astype(np.int64)
            place = 10_000_000 + np.arange(n)
            part = pd.DataFrame(
                {
                    "msn": place // 6,
                    "part": place % 6,
                    "media_ns": media,
                    "end_ns": arrived,
                    "kind": 4,
                    "bytes": rng.integers(20_000, 40_000, n),
                    "cache": np.where(rng.random(n) < 0.8, 1, 3),
                }
            )
            part["start_ns"] = part["due_ns"] = media - 250 * MS
            part["first_byte_ns"] = arrived - MS
            part["latency_ms"], part["buffer_ms"], part["stalled_ms"] = 980 + rng.integers(0, 30, n), 700, 0
            if index == 0 and n > 40:
                part.loc[40, "stalled_ms"] = 800
            playlist = part.assign(kind=2, end_ns=part["end_ns"] + MS, bytes=1500, media_ns=0, stalled_ms=0)
            rows.append(
                pd.concat([part, playlist]).assign(
                    viewer=10_000 + index, table=1 + index // shape.viewers, edge=index % shape.edges
                )
            )
        if not rows:
            return frame_of("video", {})
        video = pd.concat(rows, ignore_index=True).sort_values(["viewer", "end_ns"], ignore_index=True)
        return frame_of("video", {**video, "status": np.full(len(video), 200), "rendition": np.ones(len(video))})

    def _drops(self) -> pd.DataFrame:
        n = 2 if self.shape.viewers else 0
        return frame_of(
            "drops",
            {
                "t_ns": LOAD_START_NS + np.arange(n) * S,
                "table": np.ones(n),
                "frames": np.arange(n) * 40 + 3,
                "slot": np.arange(n) * 25,
                "cut": np.arange(n),
            },
        )

    def _glass(self) -> pd.DataFrame:
        n = int(self.shape.load_s // 2) if self.shape.viewers else 0
        captured = LOAD_START_NS + np.arange(n) * 2 * S
        return frame_of(
            "glass",
            {
                "viewer": np.full(n, 10_000),
                "table": np.ones(n),
                "captured_ns": captured,
                "arrived_ns": captured + 330 * MS,
                "shown_ns": captured + 1000 * MS,
            },
        )

    def _placements(self) -> pd.DataFrame:
        players = self.players
        n = len(players)
        return frame_of(
            "placements",
            {
                "t_ns": players["joined_ns"],
                "session": players["session"],
                "table": players["table"],
                "what": ["gateway"] * n,
                "chosen": [f"gateway-{g}" for g in players["gateway"]],
                "number": players["gateway"],
                "load": np.arange(n) / 2.0,
                "alternatives": np.full(n, self.shape.gateways),
            },
        )

    def _faults(self) -> pd.DataFrame:
        if not self.fault_ns:
            return frame_of("faults", {})
        at = self.fault_ns
        return frame_of(
            "faults",
            {"t_ns": [at], "kind": ["kill"], "target": ["gateway-1"], "detected_ns": [at + 30 * MS],
             "recovered_ns": [at + 900 * MS]},
        )  # fmt: skip
