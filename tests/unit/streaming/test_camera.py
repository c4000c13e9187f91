import numpy as np
import pytest

from reference_impl.domain.games.catalogue import GAMES
from reference_impl.domain.games.money_wheel import outcome_of
from reference_impl.domain.phases import Phase
from reference_impl.domain.table_messages import TableEnvelope, TableEvent
from reference_impl.domain.timecode import Strip
from reference_impl.streaming.camera import Camera
from reference_impl.streaming.scene import LANDING_NS, Scene, follow

NOW = 1_767_323_045_680_000_000
SEED, HEADS = b"seed" * 8, [b"head"]
OUTCOMES = {name: game.draw(SEED, HEADS) for name, game in GAMES.items()}


def other_outcome(game):
    """Return an outcome of a game that is not the one in `OUTCOMES`."""
    return next(found for n in range(100) if (found := GAMES[game].draw(SEED, [b"%d" % n])) != OUTCOMES[game])


def film(scene, width=426, height=240, table=1, seed=0, at=NOW):
    return Camera(width, height, table, seed).draw(scene, at).copy()


@pytest.mark.parametrize(("width", "height"), [(854, 480), (426, 240), (320, 180), (160, 120), (120, 160)])
@pytest.mark.parametrize("game", GAMES)
def test_every_phase_is_drawn_at_every_size_with_a_readable_timecode(width, height, game):
    camera = Camera(width, height, 1, 0)
    for phase in Phase:
        scene = Scene(
            1, 1, (1 << 32) | 1234567, phase, NOW + 25_000_000_000, NOW - 10**9, NOW - LANDING_NS // 2, OUTCOMES[game],
            game, hand=(0, 22, 13), dealer=(9,), lying=(2, 0), cards_at_unix_ns=NOW - LANDING_NS // 3,
        )  # fmt: skip
        picture = camera.draw(scene, NOW)
        assert picture.shape == (height * 3 // 2, width)
        assert Strip(width, height).read(picture[:height], NOW // 10**6) == NOW // 10**6


@pytest.mark.parametrize("game", GAMES)
def test_same_arguments_give_the_same_bytes(game):
    scene = Scene(game=game)
    assert np.array_equal(film(scene), film(scene))
    assert not np.array_equal(film(scene), film(scene, table=2))
    assert not np.array_equal(film(scene), film(scene, seed=1))


@pytest.mark.parametrize("game", GAMES)
def test_pictures_of_two_outcomes_differ_only_from_the_result_on(game):
    outcomes = OUTCOMES[game], other_outcome(game)
    dealing = [film(Scene(1, 1, 1, Phase.DEALING, 0, NOW - 10**9, 0, one, game)) for one in outcomes]
    result = [film(Scene(1, 1, 1, Phase.RESULT, 0, NOW - 10**9, NOW - LANDING_NS, one, game)) for one in outcomes]
    assert np.array_equal(*dealing)
    assert not np.array_equal(*result)


@pytest.mark.parametrize("game", GAMES)
def test_film_of_a_round_moves_while_it_is_dealt_and_rests_when_it_is_shown(game):
    camera = Camera(320, 180, 1, 0)
    dealing = Scene(1, 1, 1, Phase.DEALING, 0, NOW, 0, -1, game, hand=(0, 1), dealer=(2,), cards_at_unix_ns=NOW)
    moving = [camera.draw(dealing, NOW + step * 10**8)[40:].copy() for step in range(3)]
    assert not np.array_equal(moving[0], moving[1])
    assert not np.array_equal(moving[1], moving[2])
    shown = dealing._replace(phase=Phase.RESULT, shown_at_unix_ns=NOW, outcome=OUTCOMES[game])
    late = [camera.draw(shown, NOW + LANDING_NS + step * 10**9)[40:].copy() for step in range(2)]
    assert np.array_equal(*late) == (game != "roulette")  # whose wheel turns for ever


def test_game_that_the_camera_does_not_know_is_shown_as_a_board():
    assert np.array_equal(film(Scene(game="whist")), film(Scene()))
    one, other = (
        film(Scene(1, 1, 1, Phase.RESULT, 0, 0, NOW - LANDING_NS, outcome, "whist"))[40:] for outcome in (3, 4)
    )
    assert not np.array_equal(one, other)


def test_multipliers_before_a_number_are_on_the_board():
    seen = [
        film(Scene(1, 1, 1, Phase.RESULT, 0, 0, NOW - LANDING_NS, outcome_of(3, came), "money_wheel"))
        for came in ((0, 0), (1, 0), (0, 1))
    ]
    assert not np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[1], seen[2])


@pytest.mark.parametrize("game", GAMES)
def test_film_can_be_drawn_again_from_the_announcements(game):
    def announce(seq, phase, **more):
        return TableEnvelope(1, 1, seq, TableEvent(1, 5, 0, int(phase), NOW, 0, NOW, game=game, **more))

    told = [(NOW, announce(1, Phase.BETS_OPEN)), (NOW + 10**9, announce(2, Phase.DEALING))]
    told.append((NOW + 2 * 10**9, announce(3, Phase.RESULT, outcome=OUTCOMES[game], hand=(1, 2), dealer=(3, 4))))
    pictures = []
    for _ in range(2):
        scene = Scene()
        for at, envelope in told:
            scene = follow(scene, envelope, at)
        pictures.append(film(scene, at=NOW + 2 * 10**9 + 150_000_000))
    assert np.array_equal(*pictures)


def test_countdown_changes_the_picture_each_second():
    scene = Scene(1, 1, 1, Phase.BETS_OPEN, NOW + 5_000_000_000)
    board = [film(scene, at=NOW + s * 10**9)[40:240, 240:] for s in range(3)]
    assert not np.array_equal(board[0], board[1])
    assert not np.array_equal(board[1], board[2])
