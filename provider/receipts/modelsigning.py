"""The OpenSSF model signature of released weights, so that whoever loads a model checks it with a tool of the field.

A Sigstore bundle around one DSSE envelope, signed by the P-256 key that signs receipts; `model_signing verify key` takes
it as it is. It says which files are the model and what may stand beside them, and nothing of how they came about: the
receipt does. Not checked here: whether that key was in force; a receipt's verification does that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policies.canonical import canonical_json
from provider.receipts.base64text import encode_base64
from provider.receipts.envelope import PAYLOAD_TYPE, Envelope, pae, parse_envelope
from provider.receipts.errors import MalformedError, Verdict, VerificationError
from provider.receipts.keys import SigningKeys
from provider.receipts.signatures import is_p256_signature, load_p256, p256_keyid
from provider.receipts.statement import STATEMENT_TYPE
from provider.receipts.strictjson import JsonLimits, parse_json_strict

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
SIGNATURE_FILE = "model.sig"
RECEIPT_FILE = "receipt.jsonl"
PROOF_FILE = "receipt.tlog-proof"
WEIGHTS_SUFFIX = ".safetensors"
MAX_BUNDLE_BYTES = 64 * 1024
STEP = "model signature"
_NAME = "model signature"
_LIMITS = JsonLimits(size_bytes=MAX_BUNDLE_BYTES, depth=6)


def sign_weights(released: Mapping[str, bytes], job_id: str, keys: SigningKeys) -> bytes | None:
    """Sign the weights among the released files, given by their SHA-256; None when there are none among them.

    The other files and the receipt with its proof may stand beside the weights.
    """
    weights = {name: digest for name, digest in released.items() if name.endswith(WEIGHTS_SUFFIX)}
    if not weights:
        return None
    beside = [SIGNATURE_FILE, RECEIPT_FILE, PROOF_FILE, *sorted(released.keys() - weights.keys())]
    payload = canonical_json(_statement(weights, beside, job_id))
    point = keys.public().p256
    signature = {
        "keyid": p256_keyid(point),
        "sig": encode_base64(keys.sign_p256(pae(PAYLOAD_TYPE, payload))),
    }
    return canonical_json(
        {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {"publicKey": {"hint": _key_hint(point)}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": encode_base64(payload),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [signature],
            },
        }
    )


def verify_weights(
    bundle: bytes, points: Sequence[bytes], released: Mapping[str, bytes], job_id: str
) -> tuple[str, ...]:
    """Verify that one of the P-256 keys signed these files as the model of this job, and return their names.

    Raises:
        MalformedError: not such a bundle.
        VerificationError: `unknown-key`, `bad-signature`, or `artefact-digest-differs` when it is of other files or another job.
    """
    document = parse_json_strict(bundle, document=_NAME, limits=_LIMITS)
    if not isinstance(document, dict) or document.get("mediaType") != BUNDLE_TYPE:
        raise MalformedError(_NAME, f"expected a bundle of type {BUNDLE_TYPE}")
    envelope = parse_envelope(canonical_json(document.get("dsseEnvelope")))
    _check_signature(envelope, points)
    return _signed_names(envelope, released, job_id)


def _check_signature(envelope: Envelope, points: Sequence[bytes]) -> None:
    found = [(point, envelope.find_signature(p256_keyid(point))) for point in points]
    known = [(point, signature) for point, signature in found if signature is not None]
    if not known:
        raise VerificationError(Verdict.UNKNOWN_KEY, STEP, "is not by the key that signed the receipt")
    if not all(is_p256_signature(point, signature, envelope.pae) for point, signature in known):
        raise VerificationError(Verdict.BAD_SIGNATURE, STEP, "the signature is not over this model")


def _signed_names(envelope: Envelope, released: Mapping[str, bytes], job_id: str) -> tuple[str, ...]:
    """Return the names that were signed, once the statement is known to be the one that these files of the job have."""
    document = parse_json_strict(envelope.payload, document=_NAME, limits=_LIMITS)
    try:
        predicate = document["predicate"]
        names = [str(item["name"]) for item in predicate["resources"]]
        beside = predicate["serialization"]["ignore_paths"]
    except (KeyError, TypeError, ValueError) as exc:
        raise MalformedError(_NAME, "the statement is not one about a model") from exc
    weights = {name: released[name] for name in names if name in released}
    if canonical_json(_statement(weights, beside, job_id)) != envelope.payload or not names:
        raise VerificationError(
            Verdict.ARTEFACT_DIGEST_DIFFERS, STEP, "is of other files, or of another job, than were released"
        )
    return tuple(names)


def _statement(weights: Mapping[str, bytes], beside: object, job_id: str) -> dict[str, Any]:
    """Return the in-toto statement: the model's digest is that of its files' digests, in order of name."""
    ordered = sorted(weights.items())
    root = hashlib.sha256(b"".join(digest for _, digest in ordered)).hexdigest()
    resources = [{"name": name, "algorithm": "sha256", "digest": digest.hex()} for name, digest in ordered]
    serialization = {
        "method": "files",
        "hash_type": "sha256",
        "allow_symlinks": False,
        "ignore_paths": beside,
    }
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": job_id, "digest": {"sha256": root}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"serialization": serialization, "resources": resources},
    }


def _key_hint(point: bytes) -> str:
    """Return the hex SHA-256 of the key in PEM, by which the tool tells that it was given another key."""
    pem = load_p256(point).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()
