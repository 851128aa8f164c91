"""Privacy as receipts state it, and the mechanisms behind it."""

from __future__ import annotations

from policies.mechanisms import PrivacyCost, SampledGaussian
from provider.receipts.facts import MechanismFacts, PrivacyFacts, UnitFacts
from sandbox.bundle import Bundle, parse_bundle

ROWS = UnitFacts(None, None)


def spent(before: str, after: str, epsilon: str, *, cap: str | None = "8", noise: str = "20") -> PrivacyFacts:
    """Return what a receipt says of a job that spent privacy; true numbers only where the caller's are."""
    return PrivacyFacts(
        mechanism="dp-sgd",
        accountant="dp-accounting/0.6.0 PLD",
        unit=ROWS,
        mechanisms=(MechanismFacts("sampled-gaussian", noise, "0.1", 500, None),),
        epsilon=epsilon,
        delta="0.00001",
        ledger_before=before,
        ledger_after=after,
        ledger_cap=cap,
        ledger_delta="0.00001",
        information_bits=192,
    )


def cost(epsilon: str = "3", noise: str = "20", steps: int = 500) -> PrivacyCost:
    """Return a cost of one mechanism; `epsilon` is what its caller says."""
    trained = SampledGaussian(noise_multiplier=noise, sampling_rate="0.1", steps=steps)
    return PrivacyCost(epsilon=epsilon, delta="0.00001", mechanisms=(trained,))


WARDS_SCHEMA = """\
version: 1
columns:
  - {name: age, kind: number, min: "0", max: "120"}
  - {name: outcome, kind: category, categories: ["0", "1"]}
"""
DIFFERENTIAL = """\
version: 1
purposes: [DUO:0000006]
consumers: anyone
limits: {time_s: 120, memory_bytes: 2GiB, cpus: "1", pids: 64, scratch_bytes: 64MiB, output_bytes: 4MiB}
privacy: {mode: differential, delta: "0.001", budget: "5", consumer_budget: "4.5", job_epsilon: "3"}
outputs:
  weights: {max_bytes: 1MiB}
approvals: [owner]
images: [IMAGE]
"""
RECIPE = """\
kind: recipe
name: wards
version: "1"
image: {image}
parameters:
  type: object
  additionalProperties: false
  properties: {{epsilon: {{type: string}}, epochs: {{type: integer, minimum: 1, maximum: 100}}}}
recipe:
  task: classification
  features: [{{kind: number, column: age, min: "0", max: "120"}}]
  target: {{kind: category, column: outcome, categories: ["0", "1"]}}
  loss: {{kind: cross-entropy}}
  optimizer: {{kind: sgd}}
  epochs: 2
  batch_size: 20
  learning_rate: "0.1"
  privacy: {{epsilon: "2"}}
"""


def recipe_bundle(image: str, **replaced: str) -> Bundle:
    """Return a recipe for the lab's wards; of `replaced`, each key's text is another."""
    text = RECIPE.format(image=image)
    for old, new in replaced.items():
        text = text.replace(f"{old}: ", f"{old}: {new}  # ", 1)
    return parse_bundle({"algorithm.yaml": text.encode()})
