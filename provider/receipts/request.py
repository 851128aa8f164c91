"""Checks that the consumer signed the very request a receipt is about: EIP-712 over the fields that the receipt shows.

Written against EIP-712 with keccak alone, so that verifying stays light. The service has its own reading of the same
message in `provider.wire`; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from eth_hash.auto import keccak

from policies.canonical import canonical_json, digest_of
from policies.errors import DocumentError
from provider.receipts.base64text import parse_base64
from provider.receipts.errors import FieldError, MalformedError, StatementRefusedError
from provider.receipts.facts import ReceiptFacts
from provider.receipts.records import Address, Digest, Hex32, parse_record
from provider.receipts.signatures import checksum_address, find_recovered_from_digest

DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
REQUEST_TYPE = (
    b"JobRequest(bytes32[] datasets,bytes32 algorithm,bytes32 parameters,string purpose,address provider,"
    b"bytes resultKey,bytes32 nonce,uint64 expiry)"
)
DOMAIN_NAME = b"Sealroom"
DOMAIN_VERSION = b"1"
MAX_EXPIRY = 2**64
_PATH = "predicate.job.request"
_KEPT = 256
_REQUEST_TYPE_HASH = keccak(REQUEST_TYPE)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The signed request as it travels; `result_key` and `expiry` are checked where they are hashed."""

    datasets: tuple[Hex32, ...]
    algorithm: Digest
    parameters: Digest
    purpose: str
    provider: Address
    result_key: str
    nonce: Hex32
    expiry: int


def check_request(facts: ReceiptFacts, chain_id: int, escrow: str) -> None:
    """Check that the request hashes to the job id, is signed by the consumer, and is what the inputs say.

    Raises:
        StatementRefusedError: a field of the request is wrong, or it is another request or another signer's.
    """
    try:
        request = parse_request(facts.job.request)
        digest = request_digest(request, chain_id, escrow)
        parameters = digest_of(canonical_json(facts.inputs.parameters))
    except (FieldError, MalformedError, DocumentError) as exc:
        raise StatementRefusedError(_PATH, str(exc)) from exc
    signature = bytes.fromhex(facts.job.request_signature[2:])
    checks = (
        ("is not the request of this job id", digest.hex() == facts.job.id),
        ("is not signed by the consumer", _is_signed(facts.job.consumer, signature, digest)),
        ("has another nonce", request.nonce == facts.job.nonce),
        ("is for another provider", request.provider.lower() == facts.provider.address.lower()),
        ("names another algorithm", request.algorithm == facts.inputs.algorithm),
        ("names other parameters", request.parameters == facts.inputs.parameters_digest),
        ("names other datasets", request.datasets == tuple(item.asset_id for item in facts.inputs.datasets)),
        ("has other parameters", parameters == request.parameters),
    )
    for problem, holds in checks:
        if not holds:
            raise StatementRefusedError(_PATH, problem)


def parse_request(value: dict[str, object]) -> SignedRequest:
    """Read the request's JSON, whose names are those of the wire (`result_key`, not `resultKey`).

    Raises:
        FieldError: a missing field or a wrong form.
    """
    request = parse_record(SignedRequest, value | {"resultKey": value.get("result_key")}, _PATH)
    if not 0 <= request.expiry < MAX_EXPIRY:
        raise FieldError(f"{_PATH}.expiry", "expected a unix time")
    return request


def request_digest(request: SignedRequest, chain_id: int, escrow: str) -> bytes:
    """Return the 32 bytes that were signed, which are the job id: keccak-256(0x19 0x01 ‖ domain ‖ struct) (EIP-712).

    Raises:
        MalformedError: the result key is not base64.
    """
    struct = keccak(
        _REQUEST_TYPE_HASH
        + _repeated_hash(b"".join(bytes.fromhex(item) for item in request.datasets))
        + bytes.fromhex(request.algorithm.removeprefix("sha256:"))
        + bytes.fromhex(request.parameters.removeprefix("sha256:"))
        + _repeated_hash(request.purpose.encode())
        + address_word(request.provider)
        + _repeated_hash(parse_base64(request.result_key, document="result key"))
        + bytes.fromhex(request.nonce)
        + request.expiry.to_bytes(32)
    )
    return keccak(b"\x19\x01" + domain_separator(chain_id, escrow) + struct)


@lru_cache(_KEPT)
def _repeated_hash(data: bytes) -> bytes:
    """Hash what stands in many requests of one log: datasets, purposes, a consumer's key."""
    return keccak(data)


@lru_cache(_KEPT)
def domain_separator(chain_id: int, escrow: str) -> bytes:
    """Return the hash of the EIP-712 domain of every message that is signed for a provider on this chain."""
    return keccak(
        keccak(DOMAIN_TYPE)
        + keccak(DOMAIN_NAME)
        + keccak(DOMAIN_VERSION)
        + chain_id.to_bytes(32)
        + address_word(escrow)
    )


def address_word(address: str) -> bytes:
    """Return an address as it stands in a struct that is hashed: 32 bytes, zeros first (EIP-712, "Definition of encodeData")."""
    return bytes.fromhex(address[2:]).rjust(32, b"\x00")


def _is_signed(consumer: str, signature: bytes, digest: bytes) -> bool:
    return find_recovered_from_digest(signature, digest) == checksum_address(consumer)
