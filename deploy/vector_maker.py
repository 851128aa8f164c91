"""Makes the files of a test vector: a receipt, its proof, a trust root, artefacts, and how verifying them must end.

The keys come from named seeds and both kinds of ECDSA signature are deterministic (RFC 6979), so that the same bytes come out
every time. A provider signs with fresh randomness instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from coincurve import PrivateKey as Secp256k1PrivateKey
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.canonical import canonical_json
from provider.receipts.envelope import Envelope, format_receipt
from provider.receipts.facts import ReceiptFacts, WitnessFacts
from provider.receipts.keys import SigningKeys
from provider.receipts.proof import format_proof, parse_proof
from provider.receipts.statement import build_statement
from provider.receipts.trust import TrustRoot
from tests.receipt_samples import CHAIN_ID, Sample, make_sample, sample_facts
from tests.witness_samples import make_witness

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class VectorKeys(SigningKeys):
    """Signing keys for vectors: the same message has the same signature."""

    def sign_p256(self, message: bytes) -> bytes:
        """Return the DER signature whose nonce is that of RFC 6979."""
        return self.p256.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


@dataclass(frozen=True, slots=True)
class Vector:
    """One case; `step` is where verifying must end, empty when it must pass."""

    name: str
    about: str
    receipt: bytes
    proof: bytes
    trust: bytes
    verdict: str = "verified"
    step: str = ""
    artifacts: Mapping[str, bytes] = field(default_factory=dict)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the case's files, each by its path below the folder of all cases."""
        expected = {"about": self.about, "verdict": self.verdict, "step": self.step}
        yield f"{self.name}/expected.json", json.dumps(expected, indent=2).encode() + b"\n"
        yield f"{self.name}/receipt.jsonl", self.receipt
        yield f"{self.name}/receipt.tlog-proof", self.proof
        yield f"{self.name}/trust.json", self.trust
        yield from ((f"{self.name}/artefacts/{name}", data) for name, data in self.artifacts.items())


def vector_keys(name: str) -> VectorKeys:
    """Return the three keys of a name: each secret is the SHA-256 of the name and the key's kind."""

    def seed(kind: str) -> bytes:
        return hashlib.sha256(f"sealroom vectors: {name} {kind}".encode()).digest()

    p256 = ec.derive_private_key(int.from_bytes(seed("p256")) % P256_ORDER, ec.SECP256R1())
    signer = Secp256k1PrivateKey(seed("secp256k1"))
    return VectorKeys(CHAIN_ID, p256, signer, Ed25519PrivateKey.from_private_bytes(seed("ed25519")))


def demanding(facts: ReceiptFacts) -> ReceiptFacts:
    """Return the facts under a policy that demands two of three witnesses."""
    demand = WitnessFacts(2, tuple(witness.public().to_text() for witness in WITNESSES))
    return replace(facts, policy=replace(facts.policy, witnesses=(demand,)))


def with_note(sample: Sample, change: Callable[[str], str]) -> Sample:
    """Return the sample with another checkpoint in its proof."""
    proof = parse_proof(sample.proof)
    return replace(sample, proof=format_proof(proof.index, proof.hashes, change(proof.note)).encode())


KEYS = vector_keys("provider")
OTHER_KEYS = vector_keys("stranger")
FACTS = sample_facts(KEYS)
WITNESSES = tuple(make_witness(f"witness.example/w{number}") for number in (1, 2, 3))


def verified(name: str, about: str, sample: Sample, **files: Any) -> Vector:  # noqa: ANN401 - any file of a vector
    """Return a case that must pass."""
    made = Vector(name, about, sample.receipt, sample.proof, sample.trust.to_json())
    return replace(made, **files)


def refused_at(step: str, verdict: str) -> Callable[..., Vector]:
    """Return a maker of cases that must end at that step, with that verdict."""

    def make(name: str, about: str, sample: Sample, **files: Any) -> Vector:  # noqa: ANN401 - any file of a vector
        return verified(name, about, sample, verdict=verdict, step=step, **files)

    return make


def signed(facts: ReceiptFacts = FACTS, **changes: Any) -> Sample:  # noqa: ANN401 - arguments of make_sample
    """Return a sample of these facts, signed by the vectors' provider."""
    return make_sample(facts, **({"keys": KEYS} | changes))


def signed_with(path: str, value: object, facts: ReceiptFacts = FACTS) -> Sample:
    """Return a sample whose statement has another value at a path such as `predicate.outputs.0.name`."""
    document: Any = json.loads(build_statement(facts))
    *parents, last = path.split(".")
    place = document
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[int(last) if isinstance(place, list) else last] = value
    return signed(facts, payload=canonical_json(document))


def with_text(data: bytes, old: str, new: str) -> bytes:
    """Return a file in which a text, which has to be there, is replaced where it comes first."""
    if old.encode() not in data:
        raise ValueError(f"there is no {old!r} to replace")
    return data.replace(old.encode(), new.encode(), 1)


def with_envelope(sample: Sample, **changes: Any) -> Sample:  # noqa: ANN401 - fields of an envelope
    """Return the sample with another envelope in its file."""
    envelope: Envelope = replace(sample.envelope, **changes)
    return replace(sample, receipt=format_receipt(envelope), envelope=envelope)


def trusting(sample: Sample, **changes: Any) -> Sample:  # noqa: ANN401 - fields of a trust root
    """Return the sample with another trust root."""
    trust: TrustRoot = replace(sample.trust, **changes)
    return replace(sample, trust=trust)
