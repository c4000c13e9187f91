"""Who is placed when too many come at once."""

from reference_impl.domain.waiting_room import ABSENT_S_MAX, LOOKING, PLAYING, WaitingRoom


def test_nobody_waits_while_there_is_room() -> None:
    room = WaitingRoom(10.0, 5.0)
    assert [room.ask(player, LOOKING, 0.0) for player in range(5)] == [None] * 5
    assert room.ask(9, LOOKING, 1.0) is None


def test_who_waits_is_told_how_many_are_before_and_comes_in_that_order() -> None:
    room = WaitingRoom(1.0, 1.0)
    assert room.ask(0, LOOKING, 0.0) is None
    assert [room.ask(player, LOOKING, 0.0).before for player in (1, 2, 3)] == [0, 1, 2]
    assert room.ask(3, LOOKING, 1.0).before == 2, "asking earlier gains nothing"
    assert room.ask(1, LOOKING, 1.0) is None
    assert room.ask(3, LOOKING, 2.0).before == 1
    assert room.ask(2, LOOKING, 2.0) is None
    assert room.ask(3, LOOKING, 3.0) is None
    assert len(room) == 0


def test_who_plays_goes_before_who_looks() -> None:
    room = WaitingRoom(1.0, 1.0)
    room.ask(0, LOOKING, 0.0)
    assert room.ask(1, LOOKING, 0.0).before == 0
    assert room.ask(2, PLAYING, 0.0).before == 0
    assert room.ask(1, LOOKING, 1.0).before == 1
    assert room.ask(2, PLAYING, 1.0) is None


def test_who_went_away_holds_nobody_up() -> None:
    room = WaitingRoom(0.1, 1.0)
    room.ask(0, LOOKING, 0.0)
    room.ask(1, LOOKING, 0.0)
    assert room.ask(2, LOOKING, 5.0).before == 1
    assert room.ask(2, LOOKING, ABSENT_S_MAX + 1.0) is None


def test_a_storm_is_let_in_at_the_rate_and_each_waits_as_long_as_told() -> None:
    room, now_s = WaitingRoom(100.0, 50.0), 0.0
    asks = dict.fromkeys(range(400), 0.0)
    placed: list[int] = []
    while asks:
        player = min(asks, key=lambda one: (asks[one], one))
        now_s = asks.pop(player)
        waits = room.ask(player, LOOKING, now_s)
        if waits is None:
            placed.append(player)
        else:
            asks[player] = now_s + waits.ask_s
    assert max(abs(player - place) for place, player in enumerate(placed)) <= 10, (
        "first come, first served, to a tenth of a second"
    )
    assert 3.4 <= now_s <= 4.5, "350 at 100 a second"
