from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement as OutsideStatement
from rocrate.rocrate import ROCrate

from cli.context import Session
from cli.errors import ExitCode
from cli.main import run
from cli.output import Output
from provider.receipts.countersignature import add_countersignature
from provider.receipts.envelope import format_receipt
from provider.receipts.facts import ReceiptFacts
from provider.receipts.verify import verify_receipt
from tests.countersigning import ACCOUNT, WORDS, by_contract, by_key
from tests.receipt_samples import (
    ARTEFACTS,
    CONSUMER,
    WEIGHTS,
    digest,
    make_sample,
    refused,
    two_datasets,
    withheld,
)

SAMPLE = make_sample()
SHP = "https://w3id.org/shp#"
COMPLETED = "http://schema.org/CompletedActionStatus"
FAILED = "http://schema.org/FailedActionStatus"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    marked = add_countersignature(SAMPLE.envelope, by_key(SAMPLE.envelope.pae))
    (tmp_path / "receipt.jsonl").write_bytes(format_receipt(add_countersignature(marked, by_contract())))
    (tmp_path / "receipt.tlog-proof").write_bytes(SAMPLE.proof)
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    return tmp_path


def export(folder: Path, form: str, name: str, *options: str) -> ExitCode:
    session = Session(environ={}, output=Output(), interactive=False)
    command = ["receipt", "export", str(folder / "receipt.jsonl"), "--format", form, "-o", str(folder / name)]
    return run([*command, *options], session)


def with_facts(folder: Path, change: Callable[[ReceiptFacts], ReceiptFacts]) -> None:
    (folder / "receipt.jsonl").write_bytes(make_sample(change(SAMPLE.facts), keys=SAMPLE.keys).receipt)


def read_crate(folder: Path) -> Any:
    """Read a crate with the field's library."""
    return ROCrate(folder / "crate" / "data")


def actions(crate: Any, kind: str) -> list[Any]:
    found = [item for item in crate.root_dataset["mentions"] if item.type == "AssessAction"]
    return [item for item in found if item["additionalType"] == SHP + kind]


def test_a_crate_is_read_back_with_what_the_five_safes_profile_requires(folder: Path) -> None:
    artifact = str(folder / "model.safetensors")
    assert export(folder, "ro-crate", "crate", "--artifact", artifact) is ExitCode.OK
    crate = read_crate(folder)
    root = crate.root_dataset
    assert (root.id, crate.metadata["conformsTo"]) == ("./", "https://w3id.org/ro/crate/1.2")
    assert root["conformsTo"].id == "https://w3id.org/5s-crate/0.4"
    assert root["conformsTo"].type == "Profile"
    assert root["mainEntity"].type == "Dataset"
    assert root["mainEntity"]["identifier"] == digest("algorithm")
    assert root["sourceOrganization"].type == "Project"
    assert "general research use" in root["sourceOrganization"]["name"]
    assert root["publisher"].type == "Organization"
    for name in ("name", "description", "datePublished", "license"):
        assert root[name]
    (run_action,) = [item for item in root["mentions"] if item.type == "CreateAction"]
    assert run_action["instrument"].id == root["mainEntity"].id
    assert run_action["agent"].type == "Person"
    assert run_action["agent"].id == f"did:pkh:eip155:31337:{CONSUMER}"
    assert run_action["agent"]["memberOf"].id == root["sourceOrganization"].id
    assert run_action["actionStatus"] == COMPLETED
    assert (run_action["startTime"], run_action["endTime"]) == (
        "2027-01-15T07:58:40Z",
        "2027-01-15T07:59:40Z",
    )
    assert {item.id for item in run_action["object"]} == {
        "#dataset-" + "a1" * 32,
        "#parameter-epochs",
        "#parameter-learning_rate",
    }
    graph = json.loads((folder / "crate" / "data" / "ro-crate-metadata.json").read_text())["@graph"]
    (written,) = [item for item in graph if item["@id"] == "./"]
    assert {item.id for item in run_action["result"]} <= {item["@id"] for item in written["hasPart"]}
    assert {item["name"] for item in run_action["result"]} == set(ARTEFACTS)


def test_a_crate_says_of_an_owners_word_that_nobody_asked_who_owns_the_data(folder: Path) -> None:
    words = replace(WORDS, role="owner")
    marked = add_countersignature(SAMPLE.envelope, by_key(SAMPLE.envelope.pae, words))
    (folder / "receipt.jsonl").write_bytes(format_receipt(marked))
    export(folder, "ro-crate", "crate")
    _, countersigned = actions(read_crate(folder), "SignOff")
    assert "no chain was asked whether it owns the data" in countersigned["description"]


def test_a_crate_tells_who_assessed_what_and_only_valid_countersignatures_count(folder: Path) -> None:
    assert export(folder, "ro-crate", "crate") is ExitCode.OK
    crate = read_crate(folder)
    decision, countersigned = actions(crate, "SignOff")
    assert decision["actionStatus"] == COMPLETED
    assert decision["agent"]["provider"].id == crate.root_dataset["publisher"].id
    assert [item.id for item in decision["instrument"]] == [f"urn:sealroom:policy:{digest('policy')}"]
    assert countersigned["agent"].id.endswith(ACCOUNT)
    assert "ethics-board: approved for publication" in countersigned["name"]
    assert countersigned["description"] == "signed by the account's key"
    (disclosure,) = actions(crate, "DisclosureCheck")
    assert disclosure["actionStatus"] == COMPLETED
    assert "at most 192 bits" in disclosure["name"]


@pytest.mark.parametrize(("change", "allowed"), [(withheld, COMPLETED), (refused, FAILED)])
def test_a_job_of_which_nothing_left_has_a_crate_that_says_so(
    folder: Path, change: Callable[[ReceiptFacts], ReceiptFacts], allowed: str
) -> None:
    def deny(facts: ReceiptFacts) -> ReceiptFacts:
        facts = change(facts)
        decision = "allow" if facts.run else "deny"
        return replace(facts, policy=replace(facts.policy, decision=decision))

    with_facts(folder, deny)
    assert export(folder, "ro-crate", "crate") is ExitCode.OK
    crate = read_crate(folder)
    (run_action,) = [item for item in crate.root_dataset["mentions"] if item.type == "CreateAction"]
    assert (run_action["actionStatus"], run_action.get("result", [])) == (FAILED, [])
    assert actions(crate, "SignOff")[0]["actionStatus"] == allowed
    assert actions(crate, "DisclosureCheck")[0]["actionStatus"] == FAILED


def test_a_crate_is_a_bag_whose_manifests_hold_and_the_receipt_in_it_verifies(folder: Path) -> None:
    artifact = str(folder / "model.safetensors")
    export(folder, "ro-crate", "crate", "--artifact", artifact)
    bag = folder / "crate"
    for manifest in ("manifest-sha512.txt", "tagmanifest-sha512.txt"):
        for line in (bag / manifest).read_text().splitlines():
            expected, name = line.split("  ")
            assert hashlib.sha512((bag / name).read_bytes()).hexdigest() == expected
    assert (bag / "bagit.txt").read_text().startswith("BagIt-Version: 1.0")
    assert "External-Identifier: urn:uuid:" in (bag / "bag-info.txt").read_text()
    data = bag / "data"
    receipt, proof = ((data / name).read_bytes() for name in ("receipt.jsonl", "receipt.tlog-proof"))
    weights = {
        "model.safetensors": hashlib.sha256((data / "outputs" / "model.safetensors").read_bytes()).digest()
    }
    assert verify_receipt(receipt, proof, SAMPLE.trust, weights).statement.is_released


def test_only_what_was_released_goes_into_a_crate_and_no_folder_is_overwritten(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"other weights")
    artifact = ("--artifact", str(folder / "model.safetensors"))
    assert export(folder, "ro-crate", "crate", *artifact) is ExitCode.VERIFICATION
    assert not (folder / "crate").exists()
    assert export(folder, "ro-crate", "crate") is ExitCode.OK
    assert export(folder, "ro-crate", "crate") is ExitCode.USAGE
    (folder / "receipt.jsonl").write_bytes(b"garbage\n")
    assert export(folder, "ro-crate", "other") is ExitCode.VERIFICATION


def test_a_provenance_is_what_in_totos_own_library_reads(folder: Path) -> None:
    with_facts(folder, two_datasets)
    assert export(folder, "slsa", "provenance.json") is ExitCode.OK
    document = json.loads((folder / "provenance.json").read_text())
    statement = OutsideStatement.copy_from_pb(json_format.ParseDict(document, statement_pb2.Statement()))
    statement.validate()
    assert statement.pb.predicate_type == "https://slsa.dev/provenance/v1"
    assert {item.name: item.digest["sha256"] for item in statement.pb.subject} == {
        name: hashlib.sha256(data).hexdigest() for name, data in ARTEFACTS.items()
    }
    provenance = json_format.ParseDict(document["predicate"], provenance_pb2.Provenance())
    built, ran = provenance.build_definition, provenance.run_details
    assert dict(built.external_parameters)["purpose"] == "DUO:0000042"
    assert [item.name for item in built.resolved_dependencies] == [
        "algorithm bundle",
        "container image",
        "dataset",
        "dataset",
    ]
    assert ran.builder.id.startswith("did:pkh:eip155:31337:0x")
    assert ran.metadata.finished_on.ToJsonString() == "2027-01-15T07:59:40Z"
    assert len(ran.byproducts[0].digest["sha256"]) == 64


def test_there_is_no_provenance_of_nothing_and_no_artefact_in_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(folder, "slsa", "p.json", "--artifact", str(folder / "model.safetensors")) is ExitCode.USAGE
    with_facts(folder, withheld)
    assert export(folder, "slsa", "p.json") is ExitCode.USAGE
    assert "nothing was released" in capsys.readouterr().err
    assert not (folder / "p.json").exists()


def test_names_and_times_that_a_stranger_chose_stay_names_and_times(folder: Path) -> None:
    def strange(facts: ReceiptFacts) -> ReceiptFacts:
        assert facts.run is not None
        inputs = replace(facts.inputs, parameters={"../a b#c": [1, {"x": None}], "./": 2})
        run = replace(facts.run, finished=2**53 - 1)
        output = replace(facts.outputs[0], name="../../escape #1")
        return replace(facts, inputs=inputs, run=run, outputs=(output, *facts.outputs[1:]))

    with_facts(folder, strange)
    assert export(folder, "ro-crate", "crate") is ExitCode.OK
    assert sorted(path.name for path in folder.iterdir()) == [
        "crate",
        "model.safetensors",
        "receipt.jsonl",
        "receipt.tlog-proof",
    ]
    crate = read_crate(folder)
    assert crate.root_dataset["sourceOrganization"].type == "Project"
    assert export(folder, "slsa", "p.json") is ExitCode.OK
