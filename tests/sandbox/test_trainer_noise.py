"""The randomness that privacy rests on: from one seed here, so that each test says the same each time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from bench.privacy_bounds import Trials, count_rates
from sandbox.guest.trainer import noise
from sandbox.guest.trainer.noise import Bernoulli, Floats, GaussianNoise, Keystream

SEED = bytes(range(32))
MANY = 200_000


def test_a_keystream_never_repeats_and_another_seed_gives_another() -> None:
    stream = Keystream(SEED)
    drawn = [stream.draw(64) for _ in range(100)]
    assert len(set(drawn)) == 100
    assert Keystream(bytes(32)).draw(64) not in drawn
    assert Keystream(SEED).draw(64) == drawn[0]
    with pytest.raises(ValueError, match="32 bytes"):
        Keystream(b"short")


def test_a_keystream_is_aes_256_in_counter_mode() -> None:
    # The first block is the cipher of zeros under the key.
    assert Keystream(bytes(32)).draw(16).hex() == "dc95c078a2408989ad48a21492842087"


@pytest.mark.parametrize("deviation", [0.003, 1.0, 1.3, 70.0])
def test_noise_is_gaussian(deviation: float) -> None:
    grid = grid_of(deviation)
    drawn = GaussianNoise(Keystream(SEED)).add(np.zeros(MANY), deviation)
    spread = drawn + np.random.default_rng(1).uniform(-grid / 2, grid / 2, MANY)
    assert stats.kstest(spread, "norm", args=(0, deviation)).pvalue > 1e-3
    assert abs(drawn.std() / deviation - 1) < 0.01
    assert np.abs(drawn).max() > 4 * deviation  # tails are there


def test_noise_of_neighbouring_numbers_is_independent() -> None:
    drawn = GaussianNoise(Keystream(SEED)).add(np.zeros(MANY), 1.0)
    of_one_pair = drawn[: MANY // 2], drawn[MANY // 2 :]
    for left, right in ((drawn[0::2], drawn[1::2]), of_one_pair):
        assert abs(np.corrcoef(left, right)[0, 1]) < 0.015
        assert abs(np.corrcoef(left**2, right**2)[0, 1]) < 0.015


def test_what_leaves_is_on_a_grid_that_the_noise_alone_decides() -> None:
    sums = np.random.default_rng(1).normal(size=1001) * 10.0 ** np.random.default_rng(2).integers(-9, 3, 1001)
    drawn = GaussianNoise(Keystream(SEED)).add(sums, 1.3)
    assert np.array_equal(drawn / grid_of(1.3), np.rint(drawn / grid_of(1.3)))
    assert not np.array_equal(drawn, GaussianNoise(Keystream(bytes(32))).add(sums, 1.3))


def add_naively(sums: Floats, deviation: float) -> Floats:
    """Return sums with noise as floating-point arithmetic adds it, which every DP-SGD did once."""
    noisy: Floats = sums + np.random.default_rng(3).normal(scale=deviation, size=len(sums))
    return noisy


def betrays_zero(released: Floats) -> Floats:
    """Return 1 where a small number has bits that no sum of 1 and noise has: floats near 1 lie 2^-53 apart, those near 0 closer."""
    small = np.abs(released) < 0.25
    betrayed: Floats = (small & (np.ldexp(released, 53) % 1 != 0)).astype(np.float64)
    return betrayed


def test_the_last_bits_tell_neighbouring_sums_apart_where_noise_is_added_naively_and_not_here() -> None:
    """The attack of Mironov 2012, section 4: the sums 0 and 1, and noise that promises an epsilon of about 1."""
    deviation, zeros, ones = 4.0, np.zeros(MANY), np.ones(MANY)
    naive = Trials(betrays_zero(add_naively(ones, deviation)), betrays_zero(add_naively(zeros, deviation)))
    assert naive.without.sum() == 0
    assert count_rates(naive, 0.5).epsilon(1e-5) > 5
    noise = GaussianNoise(Keystream(SEED))
    ours = Trials(betrays_zero(noise.add(ones, deviation)), betrays_zero(noise.add(zeros, deviation)))
    assert (ours.without.sum(), ours.with_canary.sum()) == (0, 0)


@given(total=st.floats(-1000, 1000), step=st.floats(-1, 1), deviation=st.floats(0.01, 100))
def test_neighbouring_sums_leave_on_one_grid_whatever_their_own_bits_are(
    total: float, step: float, deviation: float
) -> None:
    grid = grid_of(deviation)
    for sums in (np.full(64, total), np.full(64, total + step)):
        left = GaussianNoise(Keystream(SEED)).add(sums, deviation) / grid
        assert np.array_equal(left, np.rint(left))


def test_rounding_is_the_one_of_real_numbers() -> None:
    """Every number is computed again with 256 bits, from the same words and, where it was in doubt, more of them."""
    sums = np.random.default_rng(1).normal(size=2000)
    stream = Keystream(SEED)
    drawn = GaussianNoise(stream).add(sums, 1.3)
    words = np.frombuffer(Keystream(SEED).draw(2**16), dtype=np.uint32)[:2000].reshape(2, 1000)
    grid = grid_of(1.3)
    for index, (total, got) in enumerate(zip(sums, drawn, strict=True)):
        sine, pair = divmod(index, 1000)
        lowest, highest = (
            noise._round_exactly(
                total / grid, noise._box_muller_exactly(words[:, pair], (rest, rest), sine), 1.3 / grid
            )
            for rest in (0, 2**128 - 1)
        )
        assert min(lowest, highest) <= got / grid <= max(lowest, highest)
        assert abs(highest - lowest) <= 1


def test_a_number_in_doubt_is_decided_by_more_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    draw = Keystream.draw_integer

    def draw_noted(stream: Keystream, bits: int) -> int:
        asked.append(bits)
        return draw(stream, bits)

    monkeypatch.setattr(Keystream, "draw_integer", draw_noted)
    plain = GaussianNoise(Keystream(SEED)).add(np.zeros(500), 1.0)
    assert asked == []
    monkeypatch.setattr(noise, "EDGE", 2**31)  # now every number is in doubt
    assert np.array_equal(GaussianNoise(Keystream(SEED)).add(np.zeros(500), 1.0), plain)
    assert len(asked) == 500


@given(first=st.integers(noise.EDGE, 2**32 - noise.EDGE - 1), second=st.integers(0, 2**32 - 1))
@example(first=noise.EDGE, second=0)
@example(first=2**32 - noise.EDGE - 1, second=2**30)
def test_a_normal_number_misses_by_no_more_than_is_said(first: int, second: int) -> None:
    words = np.array([[first], [second]], dtype=np.uint32)
    said = noise._error(first)
    assert said < noise.WIDEST_ERROR
    for sine, number in enumerate(noise._box_muller(words)):
        for rest in (0, 2**128 - 1):
            exact = float(noise._box_muller_exactly(words[:, 0], (rest, rest), sine))
            assert abs(number - exact) <= said + noise.LIBRARY_ERROR


def test_no_number_in_doubt_is_overlooked() -> None:
    generator = np.random.default_rng(1)
    words = generator.integers(0, 2**32, 3000, dtype=np.uint32)
    words[:6] = [0, noise.EDGE - 1, noise.EDGE, 2**32 - noise.EDGE - 1, 2**32 - noise.EDGE, 2**32 - 1]
    parts = generator.random(5999) * 10.0 ** -generator.integers(0, 9, 5999)
    parts[::2] = 1 - parts[::2]
    wanted = [
        index
        for index, part in enumerate(parts)
        if min(part, 1 - part) <= noise._error(int(words[index % 3000])) * 64.5 + noise.LIBRARY_ERROR
    ]
    assert noise._find_doubtful(parts, words, 64.5) == wanted
    assert len(wanted) > 1000


def test_taken_units_are_as_many_as_the_probability_says_and_none_depends_on_another() -> None:
    draw = Bernoulli(Keystream(SEED), "0.0125")
    counts = np.array([len(draw.draw(2000)) for _ in range(500)])
    assert abs(counts.mean() - 25) < 1
    assert (
        abs(counts.var() / (2000 * 0.0125 * 0.9875) - 1) < 0.2
    )  # Poisson sampling: the size of a batch varies


def test_a_probability_of_one_takes_all_and_a_tiny_one_hardly_any() -> None:
    assert len(Bernoulli(Keystream(SEED), "1").draw(1000)) == 1000
    assert len(Bernoulli(Keystream(SEED), "0.000000000001").draw(100_000)) == 0
    assert (
        len(Bernoulli(Keystream(SEED), "0.00390625").draw(100_000)) > 300
    )  # one byte's resolution: no tie is taken


def grid_of(deviation: float) -> float:
    return float(2.0 ** (math.floor(math.log2(deviation)) - noise.GRID_BITS))
