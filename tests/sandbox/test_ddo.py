"""The documents under /data/ddos hold what algorithms read, in both shapes, and nothing of the host."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policies.canonical import canonical_json
from sandbox.bundle import AlgorithmManifest, parse_bundle
from sandbox.ddo import describe_algorithm, describe_dataset
from tests.sandbox_fixtures import ASSET, IMAGE, make_bundle

DIGEST = "sha256:" + "d" * 64
FILES = (("rows.csv", 12, DIGEST), ("more.PARQUET", 5, DIGEST), ("image", 0, DIGEST))
ALGORITHM = "b2" * 32
# The keys that Ocean's specification of DDO 4.1.0 marks as required, and those that its metadata cache adds.
REQUIRED = {"@context", "id", "version", "chainId", "nftAddress", "metadata", "services", "credentials"}
ADDED = {"nft", "datatokens", "event", "stats", "purgatory"}
METADATA = {"name", "type", "description", "author", "license"}
SERVICE = {"id", "type", "datatokenAddress", "serviceEndpoint", "files", "timeout", "compute"}
CONTAINER = {"entrypoint", "image", "tag", "checksum"}
PARAMETER = {"name", "type", "label", "required", "default", "description"}


def manifest_of(schema: dict[str, Any] | None = None, *, container: str = "") -> AlgorithmManifest:
    text = make_bundle("pass").files["algorithm.yaml"].decode()
    if schema is not None:
        text = text.replace("{type: object}", json.dumps(schema))
    if container:
        text = text.replace(f"entrypoint: python $ALGO\nimage: {IMAGE}\n", container)
    return parse_bundle({"algorithm.yaml": text.encode(), "main.py": b"pass"}).manifest


def test_a_dataset_is_described_in_both_shapes() -> None:
    ddo = describe_dataset(ASSET, "Rows", "What they are", FILES)
    assert set(ddo) == REQUIRED | ADDED | {"service"}
    assert ddo["id"] == f"did:op:{ASSET}"
    assert set(ddo["metadata"]) >= METADATA
    assert (ddo["metadata"]["name"], ddo["metadata"]["type"]) == ("Rows", "dataset")
    assert [set(service) >= SERVICE for service in ddo["services"]] == [True]
    (old,) = [service for service in ddo["service"] if service["type"] == "metadata"]
    assert old["attributes"]["main"]["type"] == "dataset"
    assert old["attributes"]["additionalInformation"]["description"] == "What they are"
    files = old["attributes"]["main"]["files"]
    assert [file["index"] for file in files] == [0, 1, 2]
    assert [file["name"] for file in files] == ["rows.csv", "more.PARQUET", "image"]
    assert [file["contentType"] for file in files] == [
        "text/csv",
        "application/vnd.apache.parquet",
        "application/octet-stream",
    ]
    assert {(file["checksum"], file["checksumType"]) for file in files} == {("d" * 64, "sha256")}
    assert [file["contentLength"] for file in files] == ["12", "5", "0"]


def test_an_algorithm_is_described_with_its_container_and_its_parameters() -> None:
    schema = {
        "type": "object",
        "required": ["column"],
        "properties": {
            "column": {"type": "string", "title": "Column", "description": "Which one"},
            "epochs": {"type": "integer", "default": 3},
            "rate": {"enum": ["0.1", "1"]},
            "shuffle": {"type": "boolean"},
            "anything": True,
        },
    }
    ddo = describe_algorithm(ALGORITHM, manifest_of(schema))
    assert set(ddo) == REQUIRED | ADDED | {"service"}
    assert (ddo["metadata"]["type"], ddo["metadata"]["name"]) == ("algorithm", "tested")
    algorithm = ddo["metadata"]["algorithm"]
    assert algorithm == ddo["service"][0]["attributes"]["main"]["algorithm"]
    assert (algorithm["language"], algorithm["version"]) == ("py", "1")
    assert algorithm["container"] == {
        "entrypoint": "python $ALGO",
        "image": IMAGE,
        "tag": "",
        "checksum": IMAGE,
    }
    parameters = {item["name"]: item for item in algorithm["consumerParameters"]}
    assert all(set(item) >= PARAMETER for item in parameters.values())
    assert {name: item["type"] for name, item in parameters.items()} == {
        "anything": "text",
        "column": "text",
        "epochs": "number",
        "rate": "select",
        "shuffle": "boolean",
    }
    assert [name for name, item in parameters.items() if item["required"]] == ["column"]
    assert (parameters["epochs"]["default"], parameters["column"]["label"]) == (3, "Column")
    assert parameters["rate"]["options"] == [{"0.1": "0.1"}, {"1": "1"}]


def test_a_container_in_oceans_terms_is_described_as_it_was_said() -> None:
    said = f"container: {{entrypoint: python $ALGO, image: ocean/python, tag: v2, checksum: {IMAGE}}}\n"
    manifest = manifest_of(container=said)
    container = describe_algorithm(ALGORITHM, manifest)["metadata"]["algorithm"]["container"]
    assert set(container) == CONTAINER
    assert (container["image"], container["tag"], container["checksum"]) == ("ocean/python", "v2", IMAGE)


@given(
    st.text() | st.just("\udcff"),
    st.text(),
    st.lists(
        st.tuples(
            st.text() | st.sampled_from(["\udcff", "..", "a/b.csv", ""]),
            st.integers(0, 2**53),
            st.just(DIGEST),
        )
    ),
)
def test_any_title_and_any_file_names_make_a_document_of_json(
    title: str, description: str, files: list[tuple[str, int, str]]
) -> None:
    ddo = describe_dataset(ASSET, title, description, files)
    assert json.loads(canonical_json(ddo)) == ddo
    assert len(ddo["service"][0]["attributes"]["main"]["files"]) == len(files)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PROPERTY = st.booleans() | st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["integer", "string", "boolean", "null"]) | st.just(["integer", "null"]),
        "enum": st.lists(JSON, min_size=1, max_size=3),
        "default": JSON,
        "title": st.text(),
    },
)


@given(st.dictionaries(st.text(), PROPERTY, max_size=4), st.lists(st.text(), unique=True, max_size=3))
def test_any_schema_of_parameters_makes_a_document_of_json(
    properties: dict[str, Any], required: list[str]
) -> None:
    schema = {"properties": properties, "required": required}
    manifest = manifest_of().model_copy(update={"parameters": schema})
    ddo = describe_algorithm(ALGORITHM, manifest)
    assert json.loads(canonical_json(ddo)) == ddo
    listed = ddo["metadata"]["algorithm"]["consumerParameters"]
    assert {item["name"] for item in listed} == set(properties)
