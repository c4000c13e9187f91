"""A bucket gives its burst at once and then no more than its rate."""

from hypothesis import given
from hypothesis import strategies as st

from reference_impl.domain.rates import TokenBucket
from reference_impl.domain.units import NS_PER_S


def test_burst_is_given_at_once_and_comes_back_with_time() -> None:
    bucket = TokenBucket(per_s=10.0, burst=5)
    assert [bucket.take(1) for _ in range(6)] == [True] * 5 + [False]
    assert not bucket.take(1 + NS_PER_S // 20)
    assert bucket.take(1 + NS_PER_S // 10)


@given(st.lists(st.integers(0, NS_PER_S), max_size=300), st.integers(1, 50), st.integers(1, 20))
def test_never_more_than_burst_and_rate_allow(gaps_ns: list[int], per_s: int, burst: int) -> None:
    bucket = TokenBucket(float(per_s), burst)
    now_ns, taken = 1, 0
    for gap_ns in gaps_ns:
        now_ns += gap_ns
        taken += bucket.take(now_ns)
    assert taken <= burst + (now_ns - 1) / NS_PER_S * per_s + 1e-6


def test_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(per_s=1.0, burst=1)
    assert bucket.take(5 * NS_PER_S)
    assert not bucket.take(NS_PER_S)
    assert not bucket.take(5 * NS_PER_S)
