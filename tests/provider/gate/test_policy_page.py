"""The page on policies and the example policies say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policies.decide import RULES, find_information_excess, find_metrics_excess, find_weights_excess
from policies.model import WeightsAllowance, parse_policy
from policies.purposes import TERMS
from provider.gate.decide import CHECKS
from provider.gate.declaration import algorithm_facts, information_bits
from sandbox.bundle import AlgorithmManifest, load_bundle
from tests.policy_samples import IMAGE

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "policy.md").read_text()
POLICIES = sorted((ROOT / "examples").glob("*/policy*.yaml"))
ALGORITHMS = sorted(path.parent for path in (ROOT / "examples").glob("algorithms/*/algorithm.yaml"))


def _first_cells(heading: str) -> list[str]:
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE)


def test_the_page_lists_every_rule_every_check_and_every_term_in_order() -> None:
    assert _first_cells("Before a job runs") == [name for name, _ in RULES]
    assert _first_cells("Before anything leaves") == [name for name, _ in CHECKS]
    assert sorted(_first_cells("Purposes")) == sorted(TERMS)


@pytest.mark.parametrize("curie", sorted(TERMS))
def test_the_page_says_of_each_term_what_the_code_says(curie: str) -> None:
    term = TERMS[curie]
    assert f"| `{curie}` | {term.label} | {term.kind} | {term.force} |" in PAGE


def test_the_policies_on_the_page_can_be_read() -> None:
    whole, witnesses = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert parse_policy(whole.encode()).consumers == "anyone"
    (demand,) = parse_policy((whole + witnesses).encode()).witnesses
    assert (demand.threshold, len(demand.keys)) == (2, 2)


def _manifest(folder: Path) -> AlgorithmManifest:
    return load_bundle(folder, image=IMAGE).manifest


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda path: path.name)
@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_an_example_policy_lets_out_what_the_example_algorithms_declare(path: Path, algorithm: Path) -> None:
    allowed = parse_policy(path.read_bytes()).outputs
    facts = algorithm_facts(_manifest(algorithm), allowed)
    assert find_weights_excess(allowed, facts.weights_bytes) is None
    assert find_metrics_excess(allowed, facts.metrics_count, facts.metrics_digits) is None
    assert find_information_excess(allowed, facts.information_bits) is None


def test_the_bound_on_the_page_is_the_example_network_s() -> None:
    manifest = _manifest(ROOT / "examples" / "algorithms" / "torch_mlp")
    allowed = parse_policy((ROOT / "examples" / "breast_cancer" / "policy.yaml").read_bytes()).outputs
    assert f"{information_bits(manifest.outputs, allowed):,} bits" in PAGE
    rounded = allowed.model_copy(update={"weights": WeightsAllowance(max_bytes=2**16, mantissa_bits=7)})
    assert f"{information_bits(manifest.outputs, rounded):,} bits" in PAGE


def test_the_examples_show_gvisor_demanded_and_consumers_listed() -> None:
    policies = {path.name: parse_policy(path.read_bytes()) for path in POLICIES}
    assert policies["policy.yaml"].consumers == "anyone"
    assert policies["policy-gvisor.yaml"].runtime == "gvisor"
    assert len(policies["policy-listed.yaml"].consumers) == 2
