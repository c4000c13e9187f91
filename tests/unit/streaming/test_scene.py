import itertools

import pytest

from reference_impl.domain.games.baccarat import BACCARAT, Coup, outcome_of
from reference_impl.domain.games.money_wheel import LABELS, SEGMENTS
from reference_impl.domain.games.money_wheel import outcome_of as stopped
from reference_impl.domain.games.roulette import POCKETS, WHEEL
from reference_impl.domain.phases import Phase
from reference_impl.domain.table_messages import TableEnvelope, TableEvent
from reference_impl.streaming.card_tables import baccarat_cards, blackjack_cards, movements
from reference_impl.streaming.scene import (
    DEALT_NS,
    LANDING_NS,
    POINTER_TURNS,
    SEGMENT_STRIDE,
    Scene,
    ball,
    countdown_s,
    follow,
    money_wheel_turns,
    wheel_turns,
)  # fmt: skip

NOW = 1_767_323_045_000_000_000
S = 1_000_000_000


def announce(seq, phase, round_id=5, outcome=-1, closes=0, epoch=1, **more):
    event = TableEvent(1, round_id, 0, int(phase), NOW, 0, closes, outcome=outcome, **more)
    return TableEnvelope(1, epoch, seq, event)


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


@pytest.mark.parametrize("segment", range(len(LABELS)))
def test_money_wheel_stops_with_the_outcomes_segment_below_the_pointer_and_stays(segment):
    scene = play(
        (NOW, announce(1, Phase.DEALING, game="money_wheel")),
        (NOW + 2 * S, announce(2, Phase.RESULT, outcome=stopped(segment, (1, 0)), game="money_wheel")),
    )
    for at in (NOW + 2 * S + LANDING_NS, NOW + 9 * S):
        place = int((POINTER_TURNS - money_wheel_turns(scene, 1, 0, at)) % 1.0 * SEGMENTS)
        assert place == segment * SEGMENT_STRIDE % SEGMENTS
    opened = follow(scene, announce(3, Phase.BETS_OPEN, round_id=6, game="money_wheel"), NOW + 9 * S)
    assert money_wheel_turns(opened, 1, 0, NOW + 9 * S) == money_wheel_turns(scene, 1, 0, NOW + 9 * S)


def test_money_wheel_never_jumps():
    dealt = play((NOW, announce(1, Phase.DEALING, game="money_wheel")))
    scene = follow(dealt, announce(2, Phase.RESULT, outcome=stopped(50, (0, 0)), game="money_wheel"), NOW + 2 * S)
    frames = [money_wheel_turns(dealt, 1, 0, NOW + step * 10_000_000) for step in range(200)]
    frames += [money_wheel_turns(scene, 1, 0, NOW + 2 * S + step * 10_000_000) for step in range(60)]
    for a, b in itertools.pairwise(frames):
        assert min((a - b) % 1.0, (b - a) % 1.0) < 0.05


def test_coups_cards_lie_face_down_until_the_result_tells_their_ranks():
    coup = Coup(8, 13, 2, 3, 0, 0)
    dealt = play((NOW, announce(1, Phase.DEALING, game="baccarat", outcome=outcome_of(coup))))
    down = baccarat_cards(dealt, NOW + DEALT_NS)
    assert [(card.row, card.place, card.face.rank, card.turned) for card in down] == [
        (0, 0, "", 0.0), (1, 0, "", 0.0), (0, 1, "", 0.0), (1, 1, "", 0.0),
    ]  # fmt: skip
    shown = follow(dealt, announce(2, Phase.RESULT, game="baccarat", outcome=outcome_of(coup)), NOW + 2 * S)
    assert {card.turned for card in baccarat_cards(shown, NOW + 2 * S)} == {0.0}
    faces = [(card.row, card.face.rank) for card in baccarat_cards(shown, NOW + 2 * S + LANDING_NS)]
    assert faces == [(0, "8"), (1, "2"), (0, "K"), (1, "3")]


def test_third_cards_come_after_the_first_four_are_turned():
    outcome = next(n for n in (BACCARAT.draw(b"s", [b"%d" % k]) for k in range(99)) if n % 14 and n // 14 % 14)
    scene = play((NOW, announce(1, Phase.RESULT, game="baccarat", outcome=outcome)))
    cards = baccarat_cards(scene, NOW + LANDING_NS * 4 // 6 + 1)
    assert [card.turned for card in cards[:4]] == [1.0] * 4
    assert [card.come for card in cards[4:]] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert movements(scene) == [NOW + LANDING_NS * number // 6 for number in range(6)]


def test_blackjack_shows_a_card_when_it_is_announced_and_the_dealers_second_with_the_result():
    opened = play((NOW, announce(1, Phase.DECISIONS_OPEN, game="blackjack", hand=(0, 22), dealer=(9,))))
    lying = blackjack_cards(opened, NOW + LANDING_NS)
    assert [(card.row, card.place, card.turned) for card in lying] == [(1, 0, 1), (1, 1, 1), (0, 0, 1), (0, 1, 0)]
    assert lying[-1].face.rank == "", "nobody here knows it"
    dealt = follow(opened, announce(2, Phase.DEALING, game="blackjack", hand=(0, 22), dealer=(9,)), NOW + S)
    assert blackjack_cards(dealt, NOW + 2 * S) == lying
    told = announce(3, Phase.RESULT, game="blackjack", hand=(0, 22, 5), dealer=(9, 40))
    begun = blackjack_cards(follow(dealt, told, NOW + 3 * S), NOW + 3 * S)
    assert [(card.come, card.turned) for card in begun] == [(1, 1), (1, 1), (0, 1), (1, 1), (1, 0)]
    ended = blackjack_cards(follow(dealt, told, NOW + 3 * S), NOW + 3 * S + LANDING_NS)
    assert [card.face for card in ended][2:] == [("6", "s"), ("10", "s"), ("2", "c")]


def test_correction_of_an_earlier_round_does_not_change_the_picture():
    scene = play((NOW, announce(1, Phase.BETS_OPEN, round_id=6, closes=NOW + S)))
    after = follow(scene, announce(2, Phase.SETTLED, round_id=5, outcome=3, corrected=True), NOW)
    assert after == scene._replace(seq=2)
