"""Says what a receipt says of a build as SLSA provenance v1: an in-toto statement about the artefacts that left. Pure.

It is a translation and nobody signed it: whoever reads it must verify the receipt that it names, or believe who made it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from policies.canonical import sha256
from provider.receipts.envelope import Envelope
from provider.receipts.facts import DatasetFacts, ReceiptFacts
from provider.receipts.log import chain_id_of
from provider.receipts.records import to_json
from provider.receipts.signatures import checksum_address
from provider.receipts.statement import PREDICATE_TYPE, STATEMENT_TYPE, Statement

PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"


def build_provenance(envelope: Envelope, statement: Statement) -> dict[str, Any]:
    """Return the statement as JSON; its subjects are the receipt's, so it is about artefacts only when some left.

    Raises:
        MalformedError: the log's origin names no chain.
    """
    facts = statement.facts
    subjects = [{"name": item.name, "digest": {"sha256": item.sha256}} for item in statement.subjects]
    return {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": PROVENANCE_TYPE,
        "predicate": {
            "buildDefinition": _definition(facts),
            "runDetails": _details(facts, sha256(envelope.pae).hex()),
        },
    }


def account_uri(chain_id: int, address: str) -> str:
    """Return the name of a chain's account as a URI (the `did:pkh` method over CAIP-10)."""
    return f"did:pkh:eip155:{chain_id}:{checksum_address(address)}"


def dataset_uri(item: DatasetFacts) -> str:
    """Return the name of a dataset as a URI."""
    return f"urn:sealroom:dataset:{item.asset_id}"


def rfc3339(unix_s: int) -> str:
    """Write a unix time as RFC 3339 in UTC; times past the year 9999, which no run has, as the last of that year."""
    last = datetime(9999, 12, 31, tzinfo=UTC)
    time = datetime.fromtimestamp(unix_s, UTC) if 0 <= unix_s < last.timestamp() else last
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _definition(facts: ReceiptFacts) -> dict[str, Any]:
    """Return what was to be done: what the scientist chose is external, what the provider and policy set is internal."""
    inputs, sandbox = facts.inputs, facts.sandbox
    return {
        "buildType": PREDICATE_TYPE,
        "externalParameters": {
            "algorithm": inputs.algorithm,
            "datasets": [item.asset_id for item in inputs.datasets],
            "parameters": inputs.parameters,
            "purpose": facts.job.request.get("purpose"),
        },
        "internalParameters": {
            "policies": list(facts.policy.digests),
            "runtime": sandbox.runtime if sandbox else None,
            "sealOptions": sandbox.profile if sandbox else None,
            "limits": sandbox.limits if sandbox else {},
            "determinism": to_json(sandbox.determinism) if sandbox else None,
        },
        "resolvedDependencies": _dependencies(facts),
    }


def _dependencies(facts: ReceiptFacts) -> list[dict[str, Any]]:
    """Return code, image and data; a dataset's digest is its commitment, a Merkle root, under the name of its scheme."""
    inputs = facts.inputs
    found = [_dependency("urn:sealroom:algorithm", "algorithm bundle", "sha256", inputs.algorithm)]
    if inputs.image is not None:
        found.append(_dependency("urn:sealroom:image", "container image", "sha256", inputs.image))
    return found + [
        _dependency(dataset_uri(item), "dataset", item.scheme, item.commitment) for item in inputs.datasets
    ]


def _dependency(uri: str, name: str, algorithm: str, digest: str) -> dict[str, Any]:
    return {"uri": uri, "name": name, "digest": {algorithm: digest.removeprefix("sha256:")}}


def _details(facts: ReceiptFacts, receipt_sha256: str) -> dict[str, Any]:
    chain_id, run = chain_id_of(facts.log.origin), facts.run
    metadata: dict[str, Any] = {"invocationId": f"urn:sealroom:job:{facts.job.id}"}
    if run is not None:
        metadata |= {"startedOn": rfc3339(run.started), "finishedOn": rfc3339(run.finished)}
    receipt = {
        "uri": f"urn:sealroom:receipt:{facts.log.origin}:{facts.log.index}",
        "name": "the signed receipt: SHA-256 of its DSSE pre-authentication encoding",
        "digest": {"sha256": receipt_sha256},
    }
    return {
        "builder": {
            "id": account_uri(chain_id, facts.provider.address),
            "version": {"sealroom": facts.provider.software},
        },
        "metadata": metadata,
        "byproducts": [receipt],
    }
