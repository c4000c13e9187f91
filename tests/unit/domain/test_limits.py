"""Players' limits: tighter at once, looser later, breaks and exclusion never shorter."""

from hypothesis import given
from hypothesis import strategies as st

from reference_impl.domain.limits import (
    INSTANT_KINDS,
    LOOSEN_AFTER_NS,
    LOSS_KINDS,
    Limit,
    LimitKind,
    day_starts_ns,
    next_day_ns,
    period_of,
)

instants = st.integers(0, 1 << 61)


@given(
    until=instants.filter(bool),
    wishes=st.lists(st.tuples(instants, instants), min_size=1, max_size=5),
    kind=st.sampled_from(INSTANT_KINDS),
)
def test_no_wish_ends_a_break_or_an_exclusion_before_its_end(until, wishes, kind) -> None:
    limit = Limit(kind, until)
    for at, wished in sorted(wishes):
        limit.change(wished, at % until, at % until + LOOSEN_AFTER_NS)
        assert all(limit.in_force(now_ns) >= until for now_ns in (at % until, until - 1))


@given(held=st.integers(0, 1000), wished=st.integers(0, 1000), now_ns=instants)
def test_a_tighter_amount_holds_at_once_and_a_looser_one_a_day_later(held, wished, now_ns) -> None:
    limit = Limit(LimitKind.TIME_DAY, held)
    limit.change(wished, now_ns, now_ns + LOOSEN_AFTER_NS)
    assert limit.in_force(now_ns) == min(held, wished)
    assert limit.in_force(now_ns + LOOSEN_AFTER_NS - 1) == min(held, wished)
    assert limit.in_force(now_ns + LOOSEN_AFTER_NS) == wished


@given(now_ns=instants)
def test_days_follow_each_other(now_ns) -> None:
    assert day_starts_ns(now_ns) <= now_ns < next_day_ns(now_ns)
    assert day_starts_ns(next_day_ns(now_ns)) == next_day_ns(now_ns)
    day = LOSS_KINDS[0]
    assert period_of(day, next_day_ns(now_ns)) == period_of(day, now_ns) + 1
