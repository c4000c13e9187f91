"""Limits as expressions: the grammar, and what is refused."""

import pytest

from loadtest.config import parse_campaign
from reference_impl.domain.errors import ConfigError
from reports.limits import GROUPS, parse_figure, parse_slo


@pytest.mark.parametrize(
    "text",
    [
        "bet.p99_ms <= 250",
        "bet[table=1].p99.9_ms < 2000",
        "bet[table=2,from=20,to=40].rejected_share <= 0.05",
        "login.ok_per_s > 5",
        "video[edge=1].latency_p95_ms <= 3000",
        "round.void_share == 0",
        "fault.recovery_max_ms <= 5000",
    ],
)
def test_an_expression_reads_back_as_it_was_written(text):
    assert str(parse_slo(text)) == text


def test_spaces_around_the_comparison_do_not_matter():
    assert parse_slo("bet.p50_ms<=5") == parse_slo("  bet.p50_ms  <=  5.0 ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("bett.p99_ms <= 1", "unknown group 'bett', did you mean 'bet'?"),
        ("bet.p99 <= 1", "unknown figure of bet 'p99', did you mean 'p99_ms'?"),
        ("bet.p101_ms <= 1", "unknown figure of bet 'p101_ms'"),
        ("bet.unknown_shar <= 0", "unknown figure of bet 'unknown_shar', did you mean 'unknown_share'?"),
        ("video.latncy_p95_ms <= 1", "unknown figure of video 'latncy_p95_ms', did you mean 'latency_p95_ms'?"),
        ("bet[tabel=1].p99_ms <= 1", "unknown filter of bet 'tabel', did you mean 'table'?"),
        ("video[shard=1].stalls <= 1", "unknown filter of video 'shard', did you mean"),
        ("bet[table=one].p99_ms <= 1", "table = 'one' must be a number"),
        ("bet.p99_ms = 250", "must be GROUP.FIGURE OP NUMBER, such as 'bet.p99_ms <= 250'"),
        ("bet.p99_ms <= 1e", "limit = '1e' must be a number"),
        ("bet.p99_ms", "must be GROUP.FIGURE OP NUMBER"),
        ("", "must be GROUP.FIGURE OP NUMBER"),
    ],
)
def test_what_is_not_known_is_refused_in_one_line_with_the_nearest_that_is(text, problem):
    with pytest.raises(ConfigError) as refusal:
        parse_slo(text)
    assert str(refusal.value).startswith(f"slo '{text}': ")
    assert problem in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_campaign_with_an_unknown_limit_is_refused_before_anything_starts():
    with pytest.raises(ConfigError, match=r"slo 'bet\.p99_m <= 9': .* did you mean 'p99_ms'\?"):
        parse_campaign('name = "x"\nslo = ["bet.p99_m <= 9"]')
    with pytest.raises(ConfigError, match=r"unknown key 'health\.cpu_share', did you mean 'cpu_share_max'\?"):
        parse_campaign('name = "x"\n[health]\ncpu_share = 1')


@pytest.mark.parametrize(
    ("limit", "why"), [("video.stalls <= 1", "nobody watches"), ("fault.unrecovered <= 0", "nothing is broken")]
)
def test_a_limit_on_what_cannot_happen_is_refused_before_anything_starts(limit, why):
    with pytest.raises(ConfigError, match=f"slo '{limit}': {why}"):
        parse_campaign(f'name = "x"\nslo = ["{limit}"]')


def test_a_figure_knows_its_unit_and_which_way_is_better():
    said = {text: (parse_figure(text).unit, parse_figure(text).better) for text in (
        "bet.p99_ms", "bet.ok_per_s", "bet.unknown_share", "video.stall_s", "bet.offered", "round.void_share",
    )}  # fmt: skip
    assert said == {
        "bet.p99_ms": ("ms", -1), "bet.ok_per_s": ("/s", 1), "bet.unknown_share": ("", -1), "video.stall_s": ("s", -1),
        "bet.offered": ("", 0), "round.void_share": ("", -1),
    }  # fmt: skip


@pytest.mark.parametrize("group", GROUPS)
def test_every_listed_figure_can_be_named(group):
    assert all(parse_figure(f"{group}.{name}").family == name for name in GROUPS[group].figures)
