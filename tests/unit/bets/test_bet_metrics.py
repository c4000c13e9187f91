"""What a gateway finds out about its bets while it serves players."""

import subprocess
import sys

ALL_MODULES_ARE_THERE_BEFORE_THE_FIRST_REPORT = """
import sys
from reference_impl.bets.bet_metrics import _ROWS, BetMetrics
import numpy as np

metrics = BetMetrics()
known = set(sys.modules)
metrics.look_at(memoryview(np.zeros(5, dtype=_ROWS).tobytes()))
metrics.spans()
metrics.families()
print(*sorted(set(sys.modules) - known))
"""


def test_the_first_report_imports_nothing_while_bets_wait():
    told = subprocess.run(
        [sys.executable, "-c", ALL_MODULES_ARE_THERE_BEFORE_THE_FIRST_REPORT],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == []
