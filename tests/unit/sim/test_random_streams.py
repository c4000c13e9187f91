import numpy as np
import pytest

from reference_impl.domain.mixing import mix32
from sim import kernels
from sim.random_streams import GOLDEN, Stream, mix64, uniform

PLAYERS = np.arange(1, 100_001)


def test_streams_have_distinct_numbers():
    assert len({int(stream) for stream in Stream}) == len(Stream.__members__)


def test_mixer_is_one_to_one_on_a_block_of_words():
    words = np.arange(1 << 20)
    assert len(np.unique(mix32(words))) == len(words)


def test_draws_lie_strictly_between_zero_and_one():
    draws = uniform(1, Stream.PICK, PLAYERS, 0)
    assert 0.0 < draws.min() < 1e-3
    assert 1 - 1e-3 < draws.max() < 1.0


@pytest.mark.parametrize("seed", [0, 1, 20250101, (1 << 62) + 5])
def test_draws_are_uniform_over_players_and_over_counters(seed):
    for draws in (uniform(seed, Stream.PLACE, PLAYERS, 7), uniform(seed, Stream.PLACE, 7, PLAYERS)):
        observed = np.bincount((draws * 100).astype(int), minlength=100)
        chi_square = ((observed - 1000.0) ** 2 / 1000.0).sum()
        assert 53.0 < chi_square < 161.0  # 99 degrees of freedom, one in 10,000 on either side


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (uniform(1, Stream.PICK, PLAYERS, 0), uniform(2, Stream.PICK, PLAYERS, 0)),
        (uniform(1, Stream.PICK, PLAYERS, 0), uniform(1, Stream.PLACE, PLAYERS, 0)),
        (uniform(1, Stream.PICK, PLAYERS, 0), uniform(1, Stream.PICK, PLAYERS, 1)),
        (uniform(1, Stream.PICK, PLAYERS, 0), uniform(1, Stream.PICK, PLAYERS + 1, 0)),
        (uniform(1, Stream.PICK, PLAYERS, 3), uniform(1 + (1 << 40), Stream.PICK, PLAYERS, 3)),
    ],
)
def test_draws_that_differ_in_one_name_are_uncorrelated(one, other):
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(len(PLAYERS))


def test_a_draw_is_the_same_alone_and_in_an_array():
    assert uniform(3, 4, np.array([5, 6]), 7).tolist() == [uniform(3, 4, 5, 7), uniform(3, 4, 6, 7)]


def test_a_pair_of_draws_is_uniform_and_its_halves_are_strangers():
    keys = kernels.pair_keys(7, int(Stream.WAKE), PLAYERS)
    pairs = np.array([kernels.pair(key, 3) for key in keys])
    assert 0.0 < pairs.min() < pairs.max() < 1.0
    for draws in pairs.T:
        observed = np.bincount((draws * 100).astype(int), minlength=100)
        assert 53.0 < ((observed - 1000.0) ** 2 / 1000.0).sum() < 161.0
    following = np.array([kernels.pair(key, 4)[0] for key in keys])
    for one, other in (pairs.T, (pairs[:, 0], following), (pairs[1:, 0], pairs[:-1, 0])):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(len(one))


def test_the_mix_of_a_word_is_the_published_one():
    with np.errstate(over="ignore"):
        words = [mix64(np.uint64(state) * GOLDEN) for state in (1, 2)]
    assert [int(word) for word in words] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]  # SplitMix64 seeded with 0
