"""A ticket opens one socket, once, here, in time, and only while its session lasts."""

import pytest

from reference_impl.bets.door import NONCES_MAX, REMEMBERED_MS, Door
from reference_impl.domain.table_messages import EndedSessions
from reference_impl.domain.tickets import TICKET_S_MAX, Ticket, seal

SECRET = b"s" * 32
ORIGIN = "http://127.0.0.1:8000"


def door() -> Door:
    return Door("gateway-0", SECRET, [ORIGIN])


def ticket(nonce: str = "n", session: str = "s", gateway: str = "gateway-0", secret: bytes = SECRET) -> str:
    return seal(Ticket(7, 1, gateway, session, 10**18, 1000 + TICKET_S_MAX, nonce), secret)


def test_ticket_opens_one_socket() -> None:
    here = door()
    admitted = here.admit(ticket(), 1000)
    assert admitted is not None
    assert admitted.player == 7
    assert here.admit(ticket(), 1000) is None


@pytest.mark.parametrize(
    ("text", "now_s"),
    [
        (ticket(gateway="gateway-1"), 1000),
        (ticket(secret=b"x" * 32), 1000),
        (ticket(), 1000 + TICKET_S_MAX),
        ("", 1000),
    ],
)
def test_false_foreign_or_late_ticket_opens_nothing(text: str, now_s: int) -> None:
    assert door().admit(text, now_s) is None


def test_ticket_of_an_ended_session_opens_nothing() -> None:
    here = door()
    assert here.hear(EndedSessions(["s"], 1_000_000), 1_000_000) == {"s"}
    assert here.admit(ticket(), 1000) is None


def test_ended_sessions_are_news_once_and_asked_for_with_an_overlap() -> None:
    here = door()
    first = here.ask_from_unix_ms(1_000_000)
    assert first == 1_000_000 - REMEMBERED_MS
    here.hear(EndedSessions(["s"], 999_000), 1_000_000)
    assert here.hear(EndedSessions(["s", "t"], 1_000_500), 1_001_000) == {"t"}
    assert first < here.ask_from_unix_ms(1_001_000) < 1_000_500


def test_what_no_ticket_can_refer_to_is_forgotten() -> None:
    here = door()
    here.admit(ticket(), 1000)
    here.hear(EndedSessions(["s"], 1_000_000), 1_000_000)
    here.forget(1_000_000 + REMEMBERED_MS + 1)
    assert here.hear(EndedSessions(["s"], 1_000_000), 1_100_000) == {"s"}
    assert not here._used


def test_memory_of_used_tickets_is_bounded() -> None:
    here = door()
    here._used = dict.fromkeys(map(str, range(NONCES_MAX)), 2000)
    assert here.admit(ticket(), 1000) is None


@pytest.mark.parametrize(
    ("headers", "may"),
    [({}, True), ({"Origin": ORIGIN}, True), ({"Origin": b"http://evil.example"}, False), ({"Origin": "null"}, False)],
)
def test_only_known_pages_may_open_sockets(headers: dict[str, bytes | str], may: bool) -> None:
    assert door().may_knock(headers) is may
