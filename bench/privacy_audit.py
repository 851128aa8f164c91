"""What trainings with canaries show of the trainer: the least epsilon that it can have, beside the epsilon that is claimed for it.

A hundred thousand trials and more for each scene (`privacy_canaries`); the bounds are wrong with a probability of at most one in a
million (`privacy_bounds`). Profiles are computed here from dp-accounting alone, not by the provider's own accounting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from dp_accounting.pld import privacy_loss_distribution as pld

from bench.figures import Row, at_most
from bench.privacy_bounds import Profile, Rates, audit, gaussian_profile, rung
from bench.privacy_canaries import Attacker, Scene

DELTA = 1e-5
EPSILONS = np.linspace(0, 20, 401)
GRID = 1e-3
"""Of losses, for a noise multiplier of 1; with less noise they spread further, and so does the grid."""
RUNGS = 49
LADDER = np.geomspace(0.25, 4, RUNGS)
"""Noise multipliers, as parts of the claimed one, whose claims are held against the trials."""

SCENES: Mapping[str, tuple[Scene, int]] = {
    "everybody in every batch": (Scene(500, noise="2.6", steps=4), 400),
    "sampled": (Scene(500, noise="1.1", rate="0.3", steps=1), 400),
}
"""What `rows` attacks, and in how many trainings."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What one attack came to: both epsilons at `DELTA`, and by how much the trials exceed what is claimed (not above 0)."""

    claimed: float
    least: float
    margin: float
    rates: Rates


def audit_scene(
    scene: Scene, trainings: int, seeds: np.random.Generator, ladder: np.typing.NDArray[np.float64] = LADDER
) -> Audit:
    """Attack the trainer in this scene. `least` is the epsilon of the most noise whose profile the trials leave standing."""
    trials = Attacker(scene, seeds).attack(trainings)
    profiles = [profile_of(scene, float(part)) for part in ladder]
    rates = audit(trials, profiles)
    refuted = rung(rates, profiles)
    least = epsilon_of(profiles[refuted - 1], DELTA) if refuted else float(EPSILONS[-1])
    claim = profile_of(scene)
    return Audit(
        epsilon_of(claim, DELTA), 0.0 if refuted == len(profiles) else least, rates.margin(claim), rates
    )


@lru_cache(maxsize=1024)
def profile_of(scene: Scene, part: float = 1.0) -> Profile:
    """Return what DP-SGD with a scene's numbers, and this part of its noise, promises."""
    noise, rate = float(scene.noise) * part, float(scene.rate)
    if rate == 1:
        return gaussian_profile(noise / scene.steps**0.5, EPSILONS)
    one = pld.from_gaussian_mechanism(
        noise, sampling_prob=rate, value_discretization_interval=GRID / min(1.0, noise) ** 2
    )
    deltas = one.self_compose(scene.steps).get_delta_for_epsilon(EPSILONS)
    return Profile(EPSILONS, np.asarray(deltas))


def epsilon_of(profile: Profile, delta: float) -> float:
    """Return the least of a profile's epsilons at that delta; the greatest that is looked at when none is enough."""
    enough = np.flatnonzero(profile.deltas <= delta)
    return float(profile.epsilons[enough[0]] if len(enough) else profile.epsilons[-1])


def rows() -> list[Row]:
    """Attack the trainer in every scene."""
    torch.set_num_threads(1)
    found = []
    for number, (words, (scene, trainings)) in enumerate(SCENES.items()):
        result = audit_scene(scene, trainings, np.random.default_rng(number))
        name = f"audited_epsilon_{'full' if scene.rate == '1' else 'sampled'}"
        found.append(at_most(name, result.least, "", round(result.claimed, 2), f"least that can be; {words}"))
    return found
