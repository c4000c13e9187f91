"""What a gateway takes down at a table that collects bets."""

from typing import NamedTuple

from reference_impl.bets.collecting import PENDING_BETS_MAX, SLIP_BETS_MAX, Slips, Taken, requests_of
from reference_impl.bets.collecting import REQUEST_BETS_MAX as MOST


class Bet(NamedTuple):
    row: tuple[bytes, int, int, int, int, int, bool]


def bet(ref: int, account: int = 1, amount: int = 100) -> Bet:
    return Bet((ref.to_bytes(16, "big"), account, 7, 0, 3, amount, False))


def empty() -> Slips[Bet]:
    return Slips(None, print)


def test_a_bet_that_is_sent_again_stands_once_and_with_another_amount_is_a_conflict() -> None:
    slips = empty()
    taken = [slips.take(0, one) for one in (bet(1), bet(1), bet(1, amount=200), bet(1, account=2))]
    assert taken == [Taken.PENDING, Taken.PENDING, Taken.CONFLICT, Taken.PENDING]
    assert len(slips) == 2


def test_a_slip_and_all_slips_together_have_an_end() -> None:
    slips = empty()
    assert {slips.take(0, bet(ref)) for ref in range(SLIP_BETS_MAX)} == {Taken.PENDING}
    assert slips.take(0, bet(SLIP_BETS_MAX)) is Taken.FULL
    for n in range(SLIP_BETS_MAX, PENDING_BETS_MAX):
        assert slips.take(0, bet(n, account=1 + n // SLIP_BETS_MAX)) is Taken.PENDING
    assert slips.take(0, bet(0, account=10**6)) is Taken.FULL
    assert len(slips) == PENDING_BETS_MAX


def test_requests_hold_whole_slips() -> None:
    slips = [[bet(ref, account) for ref in range(size)] for account, size in enumerate((600, 400, 1, MOST, 2))]
    assert [len(bets) for bets in requests_of(slips)] == [MOST, 1, MOST, 2]
    assert [one for bets in requests_of(slips) for one in bets] == [one for slip in slips for one in slip]
