import itertools

import pytest

from reference_impl.domain.game_round import Phase
from reference_impl.domain.games.roulette import POCKETS, WHEEL
from reference_impl.domain.messages import TableEnvelope, TableEvent
from reference_impl.streaming.scene import LANDING_NS, Scene, ball, countdown_s, follow, wheel_turns

NOW = 1_767_323_045_000_000_000
S = 1_000_000_000


def announce(seq, phase, round_id=5, outcome=-1, closes=0, epoch=1):
    return TableEnvelope(1, epoch, seq, TableEvent(1, round_id, 0, int(phase), NOW, 0, closes, outcome=outcome))


def play(*steps):
    scene = Scene()
    for at, envelope in steps:
        scene = follow(scene, envelope, at)
    return scene


def test_scene_follows_announcements():
    scene = play((NOW, announce(1, Phase.BETS_OPEN, closes=NOW + 7 * S)))
    assert (scene.round, scene.phase, scene.closes_at_unix_ns) == (5, Phase.BETS_OPEN, NOW + 7 * S)


@pytest.mark.parametrize("stale", [announce(2, Phase.BETS_OPEN), announce(1, Phase.IDLE)])
def test_repeated_or_older_announcement_changes_nothing(stale):
    scene = play((NOW, announce(2, Phase.DEALING)))
    assert follow(scene, stale, NOW + S) == scene


def test_newer_dealer_starts_its_own_count():
    assert play((NOW, announce(9, Phase.DEALING)), (NOW, announce(1, Phase.IDLE, epoch=2))).phase is Phase.IDLE


@pytest.mark.parametrize(("before_close_s", "shown"), [(7, 7), (6.2, 7), (0.1, 1), (0, 0), (-1, 0)])
def test_countdown_shows_seconds_rounded_up(before_close_s, shown):
    scene = play((NOW, announce(1, Phase.CLOSING_SOON, closes=NOW)))
    assert countdown_s(scene, NOW - int(before_close_s * S)) == shown


def test_there_is_no_countdown_outside_the_window():
    assert countdown_s(play((NOW, announce(1, Phase.BETS_CLOSED, closes=NOW + S))), NOW) == 0


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.BETS_OPEN, Phase.NO_MORE_BETS, Phase.BETS_CLOSED, Phase.VOIDED])
def test_ball_is_nowhere_before_dealing_and_in_a_void_round(phase):
    assert ball(play((NOW, announce(1, phase))), 1, 0, NOW) is None


def test_outcome_is_not_in_the_scene_before_the_result_even_if_announced():
    assert play((NOW, announce(1, Phase.DEALING, outcome=17))).outcome == -1


def test_ball_runs_on_the_rim_while_dealing():
    scene = play((NOW, announce(1, Phase.DEALING)))
    places = {ball(scene, 1, 0, NOW + step * S // 10) for step in range(10)}
    assert len(places) == 10
    assert {depth for _, depth in places} == {0.0}


@pytest.mark.parametrize("outcome", range(POCKETS))
def test_ball_lands_in_the_outcomes_pocket_and_turns_with_the_wheel(outcome):
    scene = play((NOW, announce(1, Phase.DEALING)), (NOW + 2 * S, announce(2, Phase.RESULT, outcome=outcome)))
    for at in (NOW + 2 * S + LANDING_NS, NOW + 9 * S):
        turns, depth = ball(scene, 1, 0, at)
        pocket = int((turns - wheel_turns(1, at)) % 1.0 * POCKETS)
        assert (WHEEL[pocket], depth) == (outcome, 1.0)


def test_ball_never_jumps_from_rim_to_pocket():
    dealt = play((NOW, announce(1, Phase.DEALING)))
    scene = follow(dealt, announce(2, Phase.RESULT, outcome=17), NOW + 2 * S)
    frames = [ball(dealt, 1, 0, NOW + 2 * S - 40_000_000)]
    frames += [ball(scene, 1, 0, NOW + 2 * S + step * 10_000_000) for step in range(LANDING_NS // 10_000_000 + 5)]
    for (a, _), (b, _) in itertools.pairwise(frames):
        assert min((a - b) % 1.0, (b - a) % 1.0) < 0.08


def test_film_depends_on_table_round_and_seed_only():
    scene = play((NOW, announce(1, Phase.DEALING)))
    assert ball(scene, 1, 0, NOW) == ball(scene, 1, 0, NOW)
    assert ball(scene, 1, 0, NOW) != ball(scene, 1, 1, NOW)
    assert ball(scene, 1, 0, NOW) != ball(scene._replace(round=6), 1, 0, NOW)
    assert wheel_turns(1, NOW) != wheel_turns(2, NOW)
