"""The documents under /data/ddos, in Ocean's form: what a sealed algorithm may know of its datasets and of itself. Pure.

One document has both shapes that algorithms read: `service` with `attributes.main.files` (version 3, OEP-8) and
`metadata` with `services` (DDO 4.1). What only a chain or a marketplace could fill is there, empty: algorithms and the
libraries they use expect the key, and nothing inside the seal has a use for the value. No URL, no address, no time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from sandbox.manifest import AlgorithmManifest

DID_PREFIX = "did:op:"
VERSION = "4.1.0"
NO_TIME = "1970-01-01T00:00:00Z"
NO_LICENSE = "No License Specified"
CONTENT_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
}
PARAMETER_TYPES = {"integer": "number", "number": "number", "boolean": "boolean"}


def describe_dataset(
    asset_id: str, title: str, description: str, files: Sequence[tuple[str, int, str]]
) -> dict[str, Any]:
    """Return a dataset's document; `files` are (name, size in bytes, sha256:…), file n standing at inputs/<id>/<n>."""
    title, description = _plain(title), _plain(description)
    listed = [_describe_file(number, *facts) for number, facts in enumerate(files)]
    metadata = _metadata("dataset", title, description)
    main = {**_main("dataset", title), "files": listed}
    return _document(asset_id, metadata, main)


def describe_algorithm(algorithm_id: str, manifest: AlgorithmManifest) -> dict[str, Any]:
    """Return the document of the algorithm that runs."""
    given = manifest.container
    container = {
        "entrypoint": manifest.entrypoint,
        "image": given.image if given else manifest.image,
        "tag": given.tag if given else "",
        "checksum": manifest.image,
    }
    algorithm = {
        "language": PurePosixPath(manifest.main).suffix.removeprefix("."),
        "version": manifest.version,
        "container": container,
        "consumerParameters": _consumer_parameters(manifest.parameters),
    }
    metadata = {**_metadata("algorithm", manifest.name, ""), "algorithm": algorithm}
    main = {**_main("algorithm", manifest.name), "algorithm": algorithm, "files": []}
    return _document(algorithm_id, metadata, main)


def _document(asset_id: str, metadata: dict[str, Any], main: dict[str, Any]) -> dict[str, Any]:
    did = DID_PREFIX + asset_id
    attributes = {"main": main, "additionalInformation": {"description": metadata["description"]}}
    return {
        "@context": ["https://w3id.org/did/v1"],
        "id": did,
        "version": VERSION,
        "chainId": 0,
        "nftAddress": "",
        "metadata": metadata,
        "services": [_service(asset_id)],
        "service": [
            {"type": "metadata", "index": 0, "serviceEndpoint": "", "attributes": attributes},
            {
                "type": "compute",
                "index": 1,
                "serviceEndpoint": "",
                "attributes": {"main": {"name": "compute"}},
            },
        ],
        "credentials": {"allow": [], "deny": []},
        **_kept_by_others(asset_id),
    }


def _service(asset_id: str) -> dict[str, Any]:
    return {
        "id": asset_id,
        "type": "compute",
        "name": "compute",
        "description": "",
        "files": "",  # version 4 has one encrypted text here; the numbered files are the way to them
        "datatokenAddress": "",
        "serviceEndpoint": "",
        "timeout": 0,
        "compute": {
            "allowRawAlgorithm": False,
            "allowNetworkAccess": False,
            "publisherTrustedAlgorithmPublishers": [],
            "publisherTrustedAlgorithms": [],
        },
    }


def _kept_by_others(asset_id: str) -> dict[str, Any]:
    """Return what Ocean's metadata cache adds to a document; it is no part of the seal's knowledge, so all is empty."""
    return {
        "nft": {"address": "", "name": "", "symbol": "", "state": 0, "tokenURI": "", "owner": "", "created": NO_TIME},
        "datatokens": [{"address": "", "name": "", "symbol": "", "serviceId": asset_id}],
        "event": {"tx": "", "block": 0, "from": "", "contract": "", "datetime": NO_TIME},
        "stats": {"allocated": 0, "orders": 0, "price": {"value": 0}},
        "purgatory": {"state": False},
    }  # fmt: skip


def _metadata(kind: str, title: str, description: str) -> dict[str, Any]:
    return {
        "type": kind,
        "name": title,
        "description": description,
        "author": "",
        "license": NO_LICENSE,
        "tags": [],
        "created": NO_TIME,
        "updated": NO_TIME,
    }


def _main(kind: str, title: str) -> dict[str, Any]:
    return {"type": kind, "name": title, "author": "", "license": NO_LICENSE, "dateCreated": NO_TIME}


def _describe_file(number: int, name: str, size_bytes: int, digest: str) -> dict[str, Any]:
    return {
        "index": number,
        "name": _plain(name),
        "contentType": CONTENT_TYPES.get(PurePosixPath(name).suffix.lower(), "application/octet-stream"),
        "contentLength": str(size_bytes),
        "checksum": digest.removeprefix("sha256:"),
        "checksumType": "sha256",
    }


def _consumer_parameters(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return Ocean's list of parameters for the properties of a JSON Schema; the values are in algoCustomData.json."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    return [
        _consumer_parameter(name, part if isinstance(part, dict) else {}, required=name in required)
        for name, part in sorted(properties.items())
    ]


def _consumer_parameter(name: str, part: Mapping[str, Any], *, required: bool) -> dict[str, Any]:
    choices, kind = part.get("enum"), part.get("type")
    known = PARAMETER_TYPES.get(kind, "text") if isinstance(kind, str) else "text"
    parameter = {
        "name": name,
        "type": "select" if choices else known,
        "label": part.get("title", name),
        "required": required,
        "description": part.get("description", ""),
        "default": part.get("default", ""),
    }
    return parameter | ({"options": [{str(choice): str(choice)} for choice in choices]} if choices else {})


def _plain(text: str) -> str:
    """Return text that has a UTF-8 form: a file name may hold bytes that have none."""
    return text.encode("utf-8", "backslashreplace").decode()
