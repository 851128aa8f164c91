"""Attacks on the real trainer: its claim stands, and every bug that is planted in it is found out.

Seeds are fixed, so that a result is the same each time; with SEALROOM_FUZZ=long they are drawn anew and there are more trials.
Whatever the seeds, a trainer that keeps its claim is found guilty with a probability of at most one in a million for each scene.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest
import torch

from bench.privacy_audit import audit_scene, epsilon_of, profile_of
from bench.privacy_canaries import Scene
from policies.mechanisms import SampledGaussian
from provider.privacy.accounting import compose_epsilon
from sandbox.guest.trainer import training
from sandbox.guest.trainer.clipping import ClippedSum
from sandbox.guest.trainer.noise import Floats, GaussianNoise, Keystream
from sandbox.guest.trainer.units import Integers, Units

LONG = os.environ.get("SEALROOM_FUZZ") == "long"
TIMES = 20 if LONG else 1
LADDER = np.geomspace(0.5, 2, 9)
Plant = Callable[[pytest.MonkeyPatch], None]

SCENES = {
    "everybody in every batch": (Scene(500, noise="2.6"), 40),
    "two steps compared": (Scene(500, noise="2", rate="0.5", steps=2, score="steps apart"), 4),
    "two trainings compared": (Scene(500, noise="2", score="trainings apart"), 4),
    "patients with four rows": (Scene(200, noise="2", rows=4), 10),
    "one among others that push against it": (
        Scene(1, noise="0.5", rate="0.975", steps=1, opposed=40),
        1300,
    ),
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def seeds() -> np.random.Generator:
    return np.random.default_rng(secrets.randbits(64) if LONG else 7)


def leave_noise_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(GaussianNoise, "add", lambda _noise, sums, _deviation: sums)


def halve_the_noise(patch: pytest.MonkeyPatch) -> None:
    add = GaussianNoise.add
    patch.setattr(GaussianNoise, "add", lambda noise, sums, deviation: add(noise, sums, deviation / 2))


def clip_the_batch_and_not_its_units(patch: pytest.MonkeyPatch) -> None:
    def of_batch(clipped: ClippedSum, rows: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        parts = clipped._gradients(rows, present)
        ones = torch.ones(len(rows), dtype=torch.float64)
        total = torch.cat([value for part in parts for value in part.weigh(ones)])
        return total * min(1.0, clipped._norm * len(rows) / float(total.norm()))

    patch.setattr(ClippedSum, "_sum", of_batch)


def clip_each_row_of_a_unit(patch: pytest.MonkeyPatch) -> None:
    of_units = ClippedSum.of

    def of_rows(clipped: ClippedSum, units: Units) -> torch.Tensor:
        rows = units.used()
        return of_units(clipped, Units(rows, torch.arange(len(rows)), torch.ones_like(rows)))

    patch.setattr(ClippedSum, "of", of_rows)


def sample_without_replacement(patch: pytest.MonkeyPatch) -> None:
    class FixedSize:
        def __init__(self, stream: Keystream, probability: str) -> None:
            self._random = np.random.default_rng(np.frombuffer(stream.draw(32), dtype=np.uint32))
            self._size = round(40 * float(probability))

        def draw(self, count: int) -> Integers:
            return np.sort(self._random.choice(count, self._size, replace=False)).astype(np.int64)

    patch.setattr(training, "Bernoulli", FixedSize)


def reset_the_generator_for_each_training(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(training, "GaussianNoise", lambda _stream: GaussianNoise(Keystream(bytes(32))))


def reset_the_generator_for_each_step(patch: pytest.MonkeyPatch) -> None:
    class Reset:
        def __init__(self, _stream: Keystream) -> None:
            pass

        def add(self, sums: Floats, deviation: float) -> Floats:
            return GaussianNoise(Keystream(bytes(32))).add(sums, deviation)

    patch.setattr(training, "GaussianNoise", Reset)


BUGS: list[tuple[Plant, str]] = [
    (leave_noise_out, "everybody in every batch"),
    (halve_the_noise, "everybody in every batch"),
    (clip_the_batch_and_not_its_units, "everybody in every batch"),
    (clip_each_row_of_a_unit, "patients with four rows"),
    (sample_without_replacement, "one among others that push against it"),
    (reset_the_generator_for_each_training, "two trainings compared"),
    (reset_the_generator_for_each_step, "two steps compared"),
]


@pytest.mark.parametrize("name", SCENES)
def test_the_least_epsilon_that_an_attacker_can_show_is_below_the_claim(name: str) -> None:
    scene, trainings = SCENES[name]
    found = audit_scene(scene, trainings * TIMES, seeds(), LADDER)
    assert found.margin <= 0
    assert found.least <= found.claimed
    assert found.rates.epsilon(1e-5) <= found.claimed


def test_where_noise_alone_protects_an_attacker_shows_most_of_what_is_claimed() -> None:
    scene, trainings = SCENES["everybody in every batch"]
    found = audit_scene(scene, trainings * TIMES, seeds(), np.geomspace(0.5, 2, 25))
    assert 0.5 * found.claimed < found.least <= found.claimed


@pytest.mark.parametrize(("plant", "name"), BUGS, ids=[plant.__name__ for plant, _ in BUGS])
def test_a_bug_that_is_planted_in_the_trainer_is_found_out(
    plant: Plant, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, trainings = SCENES[name]
    plant(monkeypatch)
    found = audit_scene(scene, trainings * TIMES, seeds(), LADDER)
    assert found.margin > 0
    assert found.least > found.claimed


@pytest.mark.parametrize("name", SCENES)
def test_the_claim_is_the_accountants_own(name: str) -> None:
    scene, _ = SCENES[name]
    trained = SampledGaussian(noise_multiplier=scene.noise, sampling_rate=scene.rate, steps=scene.steps)
    claimed = float(compose_epsilon([trained], Decimal("0.00001")))
    assert claimed <= epsilon_of(profile_of(scene), 1e-5) <= claimed * 1.02 + 0.1
