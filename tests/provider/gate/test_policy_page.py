"""The page on policies and the example policies say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from policies.canonical import canonical_json
from policies.casefacts import CaseFacts
from policies.cases import parse_cases, run_cases
from policies.decide import RULES, find_information_excess, find_metrics_excess, find_weights_excess
from policies.documents import StrictModel, parse_yaml
from policies.fivesafes import FiveSafesDocument
from policies.model import WeightsAllowance, parse_policy
from policies.privacy import PRIVACY_TESTS
from policies.purposes import PARAMETERS, TERMS
from provider.gate.candidates import MAX_CANDIDATES
from provider.gate.decide import CHECKS
from provider.gate.declaration import algorithm_facts, information_bits
from provider.gate.sample import BLOCK_ROWS, MAX_SCANNED, MAX_SCORED
from sandbox.bundle import AlgorithmManifest, ScorerDeclaration, load_bundle
from tests.policy_samples import IMAGE

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "policy.md").read_text()
MEASURED_PAGE = (ROOT / "docs" / "measured-gate.md").read_text()
POLICIES = sorted((ROOT / "examples").glob("*/policy*.yaml"))
ALGORITHMS = sorted(path.parent for path in (ROOT / "examples").glob("algorithms/*/algorithm.yaml"))


def _first_cells(heading: str) -> list[str]:
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE)


def test_the_page_lists_every_rule_every_check_and_every_term_in_order() -> None:
    assert _first_cells("Before a job runs") == [name for name, _ in RULES]
    assert _first_cells("Before anything leaves") == [name for name, _ in CHECKS]
    assert sorted(_first_cells("Purposes")) == sorted(TERMS)


def test_the_page_on_the_measured_gate_lists_every_test_in_order_and_its_limits() -> None:
    table = MEASURED_PAGE.split("## The tests\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([^`]+)` \|", table, flags=re.MULTILINE) == list(PRIVACY_TESTS)
    for said in (
        f"Up to {MAX_SCORED}\nrows",
        f"{MAX_SCANNED:,} members",
        f"blocks of {BLOCK_ROWS}",
        f"up to {MAX_CANDIDATES} files",
    ):
        assert said in MEASURED_PAGE
    (scorer,) = re.findall(r"```yaml\n(.*?)```", MEASURED_PAGE, flags=re.DOTALL)
    example = load_bundle(ROOT / "examples/algorithms/logistic_regression", image=IMAGE).manifest.scorer
    assert ScorerDeclaration.model_validate(yaml.safe_load(scorer)["scorer"]) == example


@pytest.mark.parametrize("curie", sorted(TERMS))
def test_the_page_says_of_each_term_what_the_code_says(curie: str) -> None:
    term = TERMS[curie]
    assert f"| `{curie}` | {term.label} | {term.kind} | {term.force} |" in PAGE


def test_each_parameter_of_a_term_stands_in_its_row() -> None:
    for curie, name in PARAMETERS.items():
        (row,) = re.findall(rf"^\| `{curie}` .*$", PAGE, flags=re.MULTILINE)
        assert f"| `{name}`" in row


def test_the_policies_on_the_page_can_be_read() -> None:
    whole, *parts = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert parse_policy(whole.encode()).consumers == "anyone"
    document = parse_yaml(whole.encode(), document="policy")
    for part in parts:
        found = parse_yaml(part.encode(), document="policy")
        if "cases" in found:
            assert all(
                one.holds for one in run_cases(parse_policy(whole.encode()), parse_cases(part.encode()))
            )
            continue
        for heading, keys in found.items():
            document[heading] = document[heading] | keys
    policy = parse_policy(canonical_json(document))
    assert (policy.is_open, [demand.claim for demand in policy.credentials]) == (False, ["not-for-profit"])
    assert [(demand.threshold, len(demand.keys)) for demand in policy.witnesses] == [(2, 2)]
    assert [term.force for term in policy.purposes] == ["enforced", "enforced", *["promise"] * 3]


def test_the_page_lists_every_fact_that_a_case_may_change() -> None:
    section = PAGE.split("## A table of cases\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.+?`) \|", section, flags=re.MULTILINE)
    listed = [name for cell in cells for name in re.findall(r"`([a-z_]+)`", cell)]
    assert sorted(listed) == sorted(CaseFacts.model_fields)


def test_the_page_lists_every_key_under_its_heading() -> None:
    listed = set(re.findall(r"^\| `([a-z.]+)` \|", PAGE, flags=re.MULTILINE))
    for heading, field in FiveSafesDocument.model_fields.items():
        part = field.annotation
        keys = part.model_fields if isinstance(part, type) and issubclass(part, StrictModel) else {}
        inside = {f"{heading}.{key}" for key in keys}
        assert heading in listed or inside <= listed, heading


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
