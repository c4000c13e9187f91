"""The score is made the same way wherever the zoo is visited from."""

import pytest

from loadtest.zoo import chosen, run_zoo


@pytest.mark.soak  # a server of its own
async def test_the_command_line_meets_the_bugs_that_it_is_asked_for() -> None:
    told: list[str] = []
    kept: list[int] = []
    (met,) = await run_zoo(chosen(["chain gap: rejections"]), told.append, keep=lambda met: kept.append(len(met)))
    assert kept == [1]
    assert (met.hit, met.caught[0]) == (True, "acknowledged_is_durable")
    assert met.seconds > 0
    assert "chain gap: rejections are numbered and not written: acknowledged_is_durable" in told[0]
