import html.parser
import re
from dataclasses import replace

import pandas as pd
import pytest
from histories import DEMO, S, Shape, make_manifest, make_tables, write_history

from reference_impl.domain.money import Currency
from reports import sentences, series
from reports.compare import compare
from reports.figures import FIGURES, pictures
from reports.judgement import judge
from reports.page import VERDICTS, render_report, terminal_table
from reports.run import frame_of, write_run
from reports.series import Band, Stage


def rendered(run):
    return render_report(run, judge(run)).read_text()


@pytest.fixture(scope="module")
def page(demo_pair):
    return rendered(demo_pair)


class _Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.links = [], []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in {"src", "href", "xlink:href"}:
                self.links.append(value)


def test_the_page_requests_nothing(page):
    reader = _Reader()
    reader.feed(page)
    assert all(link.startswith("#") for link in reader.links)
    assert "@import" not in page
    assert not re.search(r"url\((?!['\"]?#)", page)


def test_the_page_says_the_verdict_before_anything_else(page):
    assert page.index(VERDICTS["pass"]) < page.index("<table>") < page.index("<svg")


def test_the_page_has_every_figure_with_its_sentence(page):
    for key, (title, *_) in FIGURES.items():
        assert f'id="{key}"' in page
        assert title.replace("'", "&#39;") in page or title in page
    assert page.count("<figcaption>") == len(FIGURES)


def test_the_page_is_small_and_byte_identical_when_made_again(demo_pair, page):
    assert len(page) < 3_000_000
    assert rendered(demo_pair) == page


def test_the_colours_follow_the_readers_theme(page):
    svg = page[page.index("<svg") :]
    assert "var(--measured)" in svg
    assert "var(--simulated)" in svg
    assert "prefers-color-scheme: dark" in page
    assert "#123a7a" not in svg


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """Return a run without twin and stage stamps, whose books are wrong and whose name is a script."""
    tables = make_tables(Shape())
    tables["accounts"].loc[3, "balance"] += 1
    tables["ops"]["received_ns"] = 0
    manifest = {**make_manifest(Shape()), "name": "<script>x</script>"}
    return write_run(tmp_path_factory.mktemp("spoilt"), manifest, tables)


@pytest.fixture(scope="module")
def spoilt_page(spoilt):
    return rendered(spoilt)


@pytest.fixture(scope="module")
def simulated_pictures(tmp_path_factory):
    return pictures(write_history(tmp_path_factory.mktemp("alone"), kind="simulated"), None)


def test_a_run_without_twin_has_a_page_too(spoilt_page):
    assert "What was seen" in spoilt_page
    assert "━ simulated" not in spoilt_page


def test_a_run_without_any_table_has_a_page_that_says_invalid(tmp_path):
    page = rendered(write_run(tmp_path, make_manifest(Shape()), {}))
    assert "Invalid" in page
    assert "<svg" not in page


def test_an_illegal_check_shows_its_witness(spoilt_page):
    assert "Inconsistent" in spoilt_page
    assert "first witness" in spoilt_page
    assert "&#34;exported&#34;" in spoilt_page or '"exported"' in spoilt_page


def test_a_name_in_the_campaign_cannot_inject_markup(spoilt_page):
    assert "<script>x" not in spoilt_page


def test_the_terminal_says_the_same_verdict_and_figures(demo_pair):
    table = terminal_table(demo_pair, judge(demo_pair))
    assert table.startswith("demo: PASS")
    assert "p99, ms" in table
    assert "simulated" in table


def test_pictures_stand_alone_in_a_notebook(simulated_pictures):
    assert len(simulated_pictures) >= len(FIGURES) - 1
    for picture in simulated_pictures:
        assert "--measured:#" in picture._repr_html_()
        assert picture.sentence.endswith(".")


def test_bands_are_the_surge_and_the_fault(demo_pair):
    surge, fault = series.bands(demo_pair)
    assert (surge.kind, surge.start_s, surge.end_s) == ("surge", 25.0, 33.0)
    assert (fault.kind, fault.label, fault.start_s) == ("fault", "kill gateway-1", 43.0)
    assert fault.end_s == pytest.approx(43.9)


def test_per_second_counts_add_up_to_all_bets(demo_pair):
    table = series.per_second(demo_pair)
    bets = series.bets(demo_pair)
    assert table["offered"].sum() == len(bets)
    assert table["accepted"].sum() + table["rejected"].sum() == len(bets)


def test_connections_follow_the_killed_gateway(demo_pair):
    loads = series.gateway_load(demo_pair)
    assert loads[1]["connections"][42] > 0
    assert loads[1]["connections"][44] == 0
    assert loads[0]["connections"][44] == 100


def test_money_is_conserved_and_escrow_is_empty_between_rounds(demo_pair):
    table = series.money(demo_pair)
    assert not table["total"].any()
    assert (table["players"] + table["house"] + table["escrow"] == 0).all()
    assert table["escrow"].iloc[-1] == 0
    assert table["escrow"].max() > 0
    first_result_s = (demo_pair.rounds["result_ns"].min() - demo_pair.manifest["load_start_ns"]) / S
    assert not table["house"][: first_result_s - 0.3].any()


def test_stages_add_up_to_the_way_of_a_bet(demo_pair):
    stages = series.stages(demo_pair)
    assert [stage.name for stage in stages] == [name for name, *_ in series.STAGES]
    assert all(0 <= stage.p50_ms <= stage.p99_ms for stage in stages)


def test_a_run_without_stage_stamps_has_no_stages(spoilt, spoilt_page):
    assert series.stages(spoilt) == []
    assert {key for key in FIGURES if f'id="{key}"' in spoilt_page} == set(FIGURES) - {"deadline", "stages", "faults"}


def test_figures_of_a_simulated_run_alone_are_orange(simulated_pictures):
    assert all("var(--measured)" not in picture.svg for picture in simulated_pictures)


def test_the_slowest_second_is_explained_by_the_fault_it_falls_into():
    p99 = pd.Series([10.0, 12.0, 900.0, 11.0])
    said = sentences.of_latency_over_time(p99, [Band("fault", "kill gateway-1", 2.2, 3.0)])
    assert said == (
        "The slowest second was second 2, during “kill gateway-1”: its p99 was 900 ms; "
        "in a typical second without either it was 11.0 ms."
    )


def test_a_late_accepted_bet_is_not_passed_over():
    table = pd.DataFrame({"offset_s": [-1.0, 0.01, 0.02], "accepted": [True, True, False]})
    assert "2 arrived after it, and 1 of them were accepted nevertheless" in sentences.of_deadline(table)


def test_a_total_that_leaves_zero_is_said():
    table = pd.DataFrame({"players": [0, -5], "house": [0, 4], "escrow": [0, 0], "total": [0, -1]})
    assert "left 0 by up to 0.01 EUR" in sentences.of_money(table, Currency.EUR)


def test_the_stage_where_the_simulation_is_furthest_off_is_named():
    mine = [Stage("a", 1.0, 2.0), Stage("b", 5.0, 9.0)]
    theirs = [Stage("a", 1.1, 2.0), Stage("b", 3.0, 9.0)]
    assert "furthest off at “b” (p50 5.0 ms measured, 3.0 ms simulated)" in sentences.of_stages([mine, theirs])


@pytest.mark.parametrize(
    ("value", "shown"), [(0.1234, "0.12 ms"), (8.25, "8.2 ms"), (412.3, "412 ms"), (2800.0, "2.80 s")]
)
def test_durations_read_naturally(value, shown):
    assert sentences.milliseconds(value) == shown


def test_a_large_run_keeps_its_page_small(tmp_path):
    shape = replace(DEMO, players=200, surge_players=400)
    run = write_history(tmp_path, shape)
    assert len(rendered(run)) < 2_000_000


def test_a_run_without_bets_but_with_sessions_has_a_page(tmp_path):
    tables = {"sessions": frame_of("sessions", {"session": [1], "opened_ns": [5_000 * S], "closed_ns": [5_010 * S]})}
    assert "<h1" in rendered(write_run(tmp_path, make_manifest(Shape()), tables))


def test_a_fit_is_compared_on_the_rounds_that_it_did_not_see(demo_pair, page):
    even = compare(demo_pair, demo_pair.twin, "even")
    table = terminal_table(demo_pair, judge(demo_pair))
    assert "bets of even rounds" in table
    assert f"{even.first['bets']:,}" in table
    assert "compares the even ones" in page
