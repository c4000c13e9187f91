"""What a dealer puts on record of a phase."""

import time

import pytest

from reference_impl.bets.dealer_table import Table
from reference_impl.domain.games.roulette import ROULETTE
from reference_impl.domain.phases import Phase
from reference_impl.domain.round_timing import Timing
from reference_impl.domain.table_messages import TableEvent

WITHOUT_A_CORE_NS = 50_000_000


def test_record_bears_the_instant_of_its_event_however_late_it_is_written():
    records = []
    table = Table(1, 1, Timing(), ROULETTE, None, None, frozenset, lambda *fields: records.append(fields))
    happened_ns = time.monotonic_ns() - WITHOUT_A_CORE_NS
    table._note(TableEvent(1, 5, 0, int(Phase.RESULT), time.time_ns() - WITHOUT_A_CORE_NS))
    assert records[0][0] == pytest.approx(happened_ns, abs=5_000_000)
