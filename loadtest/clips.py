"""Glass to glass: what the picture itself says about its age.

A clip is an init section and a part that starts with an independent frame, kept by a viewer when it arrived. The strip
along the top of its first frame says when that frame was taken. Pictures are decoded after the load, when nobody waits.
"""

import contextlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd

from reference_impl.domain.records import CLIPS
from reference_impl.domain.timecode import Strip
from reference_impl.domain.units import NS_PER_MS
from reports.convert import read_records
from reports.run import frame_of


def read_clips(record_dir: Path, clock: tuple[int, int]) -> pd.DataFrame:
    """Return the Run's ``glass`` table; clips whose strip cannot be read are left out.

    Parameters
    ----------
    record_dir : Path
        Where clips and their records are.
    clock : (mono_ns, unix_ns)
        One instant on both clocks.
    """
    rows = read_records(record_dir, CLIPS)
    mono_ns, unix_ns = clock
    captured_ms = np.zeros(len(rows), dtype=np.int64)
    for index, row in enumerate(rows):
        file = record_dir / f"{CLIPS.name}-{row['viewer']}-{row['msn']}.{row['part']}.mp4"
        near_unix_ms = int(row["arrived_ns"] - mono_ns + unix_ns) // NS_PER_MS
        captured_ms[index] = captured_unix_ms(file, near_unix_ms) or 0
    read = captured_ms > 0
    columns: dict[str, Any] = {name: rows[name][read] for name, _ in CLIPS.fields}
    return frame_of("glass", columns | {"captured_ns": captured_ms[read] * NS_PER_MS - unix_ns + mono_ns})


def captured_unix_ms(file: Path, near_unix_ms: int) -> int | None:
    """Return when a clip's first frame was taken, Unix ms; None if it cannot be told."""
    with contextlib.suppress(av.FFmpegError, OSError), av.open(file) as container:
        frame = next(container.decode(video=0), None)
        if frame is not None:
            luma = np.asarray(frame.to_ndarray(format="gray"), dtype=np.uint8)
            return Strip(frame.width, frame.height).read(luma, near_unix_ms)
    return None
