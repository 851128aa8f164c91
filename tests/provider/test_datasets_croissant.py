"""The public description is valid Croissant, always the same bytes, and says nothing of rows or file names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlcroissant  # type: ignore[import-untyped]  # ships no types
import pytest
import rdflib

from policies.canonical import canonical_json
from provider.columns import profile_dataset
from provider.croissant import build_croissant
from provider.datasets import hash_files, list_files
from provider.description import MAX_BYTES
from provider.errors import DatasetError
from provider.tableschema import read_schema
from tests.schema_samples import SCHEMA, TABLE

pytestmark = pytest.mark.filterwarnings(
    "ignore:ConjunctiveGraph is deprecated"
)  # the validator's own dependency


def _describe(path: Path, description: str = "Measured.") -> bytes:
    files = list_files(path)
    return build_croissant("Tumours", description, hash_files(files), profile_dataset(files))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "anna-schmidt.csv"
    path.write_text("radius,label,ok\n17.75,malign,True\n20.5,benign,False\n")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "study" / "anna").mkdir(parents=True)
    (tmp_path / "study" / "anna" / "schmidt.dcm").write_bytes(b"DICM")
    (tmp_path / "study" / "bert.csv").write_text("radius\n17.75\n")
    (tmp_path / "study" / "notes.anna").write_text("x")
    return tmp_path / "study"


@pytest.mark.parametrize("data", ["table", "folder"])
def test_the_reference_validator_finds_no_error(data: str, request: pytest.FixtureRequest) -> None:
    document: dict[str, Any] = json.loads(_describe(request.getfixturevalue(data)))
    dataset = mlcroissant.Dataset(jsonld=document)
    assert dataset.metadata.name == "Tumours"
    assert list(dataset.metadata.ctx.issues.errors) == []


def test_whoever_has_the_data_reads_it_through_the_description(table: Path, tmp_path: Path) -> None:
    (tmp_path / "croissant.json").write_bytes(_describe(table))
    table.rename(tmp_path / "data.csv")
    records: Iterator[dict[str, Any]] = iter(
        mlcroissant.Dataset(jsonld=tmp_path / "croissant.json").records("table-0001")
    )
    first = next(records)
    assert first["table-0001/column-0001"] == 17.75
    assert first["table-0001/column-0002"] == b"malign"


def test_the_same_data_has_the_same_description_in_canonical_bytes(table: Path) -> None:
    data = _describe(table)
    assert data == _describe(table)
    assert canonical_json(json.loads(data)) == data


def test_sizes_digests_rows_and_columns_are_told(table: Path) -> None:
    document = json.loads(_describe(table))
    (file,), (records,) = document["distribution"], document["recordSet"]
    assert file["contentSize"] == f"{table.stat().st_size} B"
    assert file["sha256"] == hash_files(list_files(table))[0].sha256
    assert records["description"] == "2 rows"
    assert [(field["name"], field["dataType"]) for field in records["field"]] == [
        ("radius", "sc:Float"),
        ("label", "sc:Text"),
        ("ok", "sc:Boolean"),
    ]


def test_hole_16_file_names_and_values_do_not_leave(table: Path, folder: Path) -> None:
    for data in (_describe(table), _describe(folder)):
        text = data.decode().lower()
        assert not any(word in text for word in ("anna", "schmidt", "bert", "17.75", "malign"))


def test_files_of_a_folder_are_numbered_with_their_known_extension_alone(folder: Path) -> None:
    document = json.loads(_describe(folder))
    assert [file["@id"] for file in document["distribution"]] == [
        "file-0001.dcm",
        "file-0002.csv",
        "file-0003",
    ]


def test_a_dataset_without_a_description_is_described_by_its_name(table: Path) -> None:
    assert json.loads(_describe(table, ""))["description"] == "Tumours"


@pytest.fixture
def with_schema(tmp_path: Path) -> bytes:
    (tmp_path / "data.csv").write_text(TABLE)
    files = list_files(tmp_path / "data.csv")
    profile = profile_dataset(files)
    return build_croissant("Wards", "", hash_files(files), profile, read_schema(SCHEMA, profile))


def test_the_reference_validator_finds_no_error_in_a_description_with_a_schema(
    with_schema: bytes, tmp_path: Path
) -> None:
    (tmp_path / "croissant.json").write_bytes(with_schema)
    dataset = mlcroissant.Dataset(jsonld=tmp_path / "croissant.json")
    assert list(dataset.metadata.ctx.issues.errors) == []
    first = next(iter(dataset.records("table-0001")))
    assert first["table-0001/column-0002"] == 61


def test_the_schema_is_one_term_of_json_and_each_column_has_what_schema_org_has_words_for(
    with_schema: bytes,
) -> None:
    document = json.loads(with_schema)
    assert document["@context"]["tableSchema"] == {"@id": "urn:sealroom:dataset-schema:v1", "@type": "@json"}
    graph = rdflib.Graph().parse(data=with_schema, format="json-ld")
    (whole,) = graph.objects(predicate=rdflib.URIRef("urn:sealroom:dataset-schema:v1"))
    assert json.loads(str(whole)) == document["tableSchema"]
    age = document["recordSet"][0]["field"][1]
    assert (age["minValue"], age["maxValue"], age["unitText"]) == ("0", "120", "years")
    assert age["description"] == "At admission."


def test_a_description_longer_than_what_is_read_is_refused(table: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        _describe(table, "x" * MAX_BYTES)
    assert caught.value.code == "description-too-large"
