"""The table and the plot of encoder settings."""

import csv

from loadtest.bench.quality import COLUMNS, OURS, PEER, choices, line_of, write_plot, write_table
from reference_impl.stack.encoding_trial import Trial

ROWS = [(settings, Trial(30 + settings.kbps / 500, 0.9, 0.1, 5.0, 0, 5.0 + 40 * settings.lookahead_frames, 990.0))
        for settings in choices()]  # fmt: skip


def test_every_combination_is_tried_once_and_ours_and_the_peer_are_among_them():
    assert len(set(choices())) == len(choices()) == 29
    assert {OURS, PEER} <= set(choices())


def test_table_has_a_row_a_choice_with_named_columns(tmp_path):
    write_table(ROWS, tmp_path / "quality.csv")
    with (tmp_path / "quality.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(ROWS)
    assert "superfast GOP 24   1000 kbit/s  ahead 10" in line_of(*ROWS[-2])


def test_plot_is_drawn(tmp_path):
    write_plot(ROWS, tmp_path / "quality.svg")
    assert (tmp_path / "quality.svg").read_text().count("<g id=") > 50
