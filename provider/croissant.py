"""Writes a dataset's public description: Croissant 1.0 (MLCommons JSON-LD), in canonical bytes whose digest is on chain.

What it says is public: names and types of columns, rows, sizes and digests, and what the owner's schema says of the columns.
File names never leave, because they may name patients: files are called `data.csv` or `file-0001.csv`, with the extension
alone where that is a known format.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from policies.canonical import canonical_json
from policies.schema import ColumnSchema, DatasetSchema
from provider.columns import ColumnKind, DatasetProfile, TableProfile
from provider.datasets import DatasetEntry
from provider.description import MAX_BYTES, SCHEMA_KEY, SCHEMA_TERM
from provider.errors import DatasetError

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The JSON-LD context that the Croissant 1.0 specification recommends."""
ENCODINGS = {
    "csv": "text/csv",
    "dcm": "application/dicom",
    "jpg": "image/jpeg",
    "json": "application/json",
    "npy": "application/x-numpy",
    "parquet": "application/vnd.apache.parquet",
    "png": "image/png",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
}
DATA_TYPES: dict[ColumnKind, str] = {
    "boolean": "sc:Boolean",
    "integer": "sc:Integer",
    "float": "sc:Float",
    "text": "sc:Text",
    "date": "sc:Date",
    "time": "sc:DateTime",
    "other": "sc:Text",
}


def build_croissant(
    name: str,
    description: str,
    entries: Sequence[DatasetEntry],
    profile: DatasetProfile,
    schema: DatasetSchema | None = None,
) -> bytes:
    """Return the description as canonical JSON; SHA-256 of these bytes is the dataset's metadata digest.

    A schema, which must be one that every table fits, stands in it as a whole under a term of our own, and again in Croissant's
    and schema.org's words at each column: what a reader who doesn't know the term can use.

    Raises:
        DatasetError: `description-too-large`, which no reader would take.
    """
    ids = {
        entry.name: _public_name(entry.name, at, len(entries)) for at, entry in enumerate(entries, start=1)
    }
    document = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": name,
        "description": description or name,
        "distribution": [_file_object(entry, ids[entry.name]) for entry in entries],
        "recordSet": [
            _record_set(table, f"table-{at:04}", ids[table.file], schema)
            for at, table in enumerate(profile.tables, start=1)
        ],
    }
    if schema is not None:
        context = CONTEXT | {SCHEMA_KEY: {"@id": SCHEMA_TERM, "@type": "@json"}}
        whole = schema.model_dump(mode="json", exclude_defaults=True) | {"version": schema.version}
        document |= {"@context": context, SCHEMA_KEY: whole}
    data = canonical_json(document)
    if len(data) > MAX_BYTES:
        problem = f"description: is {len(data)} bytes, at most {MAX_BYTES} are read"
        remedy = "register fewer columns or files, or describe them shorter"
        raise DatasetError(problem, code="description-too-large", remedy=remedy)
    return data


def _extension(name: str) -> str:
    extension = PurePosixPath(name).suffix.lower().removeprefix(".")
    return extension if extension in ENCODINGS else ""


def _public_name(name: str, position: int, count: int) -> str:
    stem = "data" if count == 1 else f"file-{position:04}"
    extension = _extension(name)
    return f"{stem}.{extension}" if extension else stem


def _file_object(entry: DatasetEntry, public_name: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": public_name,
        "name": public_name,
        "contentUrl": public_name,
        "contentSize": f"{entry.size_bytes} B",
        "encodingFormat": ENCODINGS.get(_extension(entry.name), "application/octet-stream"),
        "sha256": entry.sha256,
    }


def _record_set(
    table: TableProfile, public_name: str, file_id: str, schema: DatasetSchema | None
) -> dict[str, Any]:
    meanings = schema.columns if schema else [None] * len(table.columns)
    return {
        "@type": "cr:RecordSet",
        "@id": public_name,
        "name": public_name,
        "description": f"{table.rows} rows",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{public_name}/column-{at:04}",
                "name": column.name,
                "dataType": DATA_TYPES[column.kind],
                "source": {"fileObject": {"@id": file_id}, "extract": {"column": column.name}},
                **(_meaning(meaning) if meaning else {}),
            }
            for at, (column, meaning) in enumerate(zip(table.columns, meanings, strict=True), start=1)
        ],
    }


def _meaning(column: ColumnSchema) -> dict[str, Any]:
    """Return what schema.org has words for; bounds as decimal text, which loses no digit."""
    words = {
        "description": column.description,
        "minValue": column.min,
        "maxValue": column.max,
        "unitText": column.unit,
    }
    return {key: value for key, value in words.items() if value}
