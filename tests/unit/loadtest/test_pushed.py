import hashlib

from loadtest.adapters.base import Arrived, ShownResult
from loadtest.pushed import NEWS_MAX, NewsRows, pushes_of, shown_in
from reference_impl.domain.protocol import BetAnswer, Paid, TableNews, Welcome
from reference_impl.domain.records import PUSHES, PushKind, print_of
from reference_impl.domain.table_messages import TableEnvelope, TableEvent

SEED = b"s" * 32
PROMISE = hashlib.sha256(SEED)
EVENT = TableEvent(2, 55, 0, 8, 1, outcome=17, commitment=PROMISE.hexdigest(), seed=SEED.hex())
STATE = TableEnvelope(2, 3, 9, EVENT)


def rows(message):
    return list(pushes_of(Arrived(message, 7, 9), session=4, connection=1, table=2))


def test_a_table_event_keeps_number_outcome_and_prints_of_commitment_and_seed() -> None:
    (row,) = rows(TableNews(STATE))
    assert row[:9] == (4, 1, 2, 3, PushKind.TABLE, 9, 55, 8, 17)
    assert row.commitment == row.seed == print_of(PROMISE.digest()) > 0
    assert row[-2:] == (7, 9)


def test_a_table_event_says_which_picture_it_belongs_to() -> None:
    (row,) = rows(TableNews(STATE))
    assert row.media_unix_ns == EVENT.at_unix_ns == 1


def test_a_lobby_tells_each_person_of_each_result_once() -> None:
    seen: set[tuple[int, int]] = set()
    first = shown_in([ShownResult(2, 55, 17), ShownResult(1, 54, 0)], seen, session=4, connection=0)
    assert [(row.table, row.round_id, row.outcome, row.kind) for row in first] == [
        (1, 54, 0, PushKind.LOBBY), (2, 55, 17, PushKind.LOBBY),
    ]  # fmt: skip
    (news,) = shown_in([ShownResult(2, 56, 3), ShownResult(2, 55, 17)], seen, session=4, connection=1)
    assert (news.round_id, news.outcome, news.connection) == (56, 3, 1)


def test_an_event_without_seed_says_so() -> None:
    hidden = TableEvent(2, 55, 0, 2, 1, commitment=PROMISE.hexdigest())
    (row,) = rows(TableNews(TableEnvelope(2, 3, 9, hidden)))
    assert (row.seed, row.outcome) == (0, -1)


def test_a_payment_is_a_row_a_bet_with_the_balance_after_all_of_them() -> None:
    first, second = rows(Paid(55, ["0a" * 16, "0b" * 16], [300, 0], 1_000, 12))
    assert [row.op for row in (first, second)] == [b"\x0a" * 16, b"\x0b" * 16]
    assert [row.amount_minor for row in (first, second)] == [300, 0]
    assert {(row.kind, row.round_id, row.balance_minor, row.version) for row in (first, second)} == {
        (PushKind.PAID, 55, 1_000, 12)
    }


def test_a_welcome_keeps_balance_version_and_what_it_tells_of_the_table() -> None:
    (row,) = rows(Welcome(4, 0, 1_000, 12, 978, 1, STATE))
    assert (row.kind, row.seq, row.balance_minor, row.version, row.outcome) == (PushKind.WELCOME, 9, 1_000, 12, 17)
    (bare,) = rows(Welcome(4, 0, 1_000, 12, 978, 1, None))
    assert (bare.seq, bare.outcome, bare.version) == (0, -1, 12)


def test_an_answer_was_asked_for_and_is_no_push() -> None:
    assert rows(BetAnswer("0a" * 16, 1, 0, 0, 0, 1)) == []


def test_rows_packed_once_for_a_table_are_those_of_each_of_its_listeners() -> None:
    packed = NewsRows()
    others = [TableNews(TableEnvelope(2, 3, 10 + n, EVENT)) for n in range(2 * NEWS_MAX)]
    for news in (TableNews(STATE), *others, TableNews(STATE)):
        for session, connection, kernel_ns, app_ns in ((4, 1, 7, 9), (5, 2, 0, 11)):
            arrived = Arrived(news, kernel_ns, app_ns)
            (row,) = pushes_of(arrived, session, connection, 2)
            assert packed.row(news, session, connection, arrived) == PUSHES.packer.pack(*row)
