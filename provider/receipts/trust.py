"""The trust root: which provider, which keys, which anchored roots. A file that an owner publishes, or read from the chain.

Refuses a file it can't read exactly. Whoever verifies decides whose file to believe; nothing here can.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from provider.receipts.errors import FieldError, MalformedError
from provider.receipts.log import log_origin
from provider.receipts.records import Address, Bytes32, Hash32, Point, parse_record, to_json
from provider.receipts.strictjson import JsonLimits, parse_json_strict

TRUST_VERSION = 1
MAX_TRUST_BYTES = 64 * 1024 * 1024
MAX_TRUST_DEPTH = 6
MAX_KEY_SETS = 4096
_LIMITS = JsonLimits(size_bytes=MAX_TRUST_BYTES, depth=MAX_TRUST_DEPTH)
_NAME = "trust root"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checkpoint's root as the chain has it: `block` number, `time` in unix seconds, `tx` the anchoring transaction."""

    size: int
    root: Bytes32
    block: int
    block_hash: Bytes32
    time: int
    tx: Hash32


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One published set of three keys; it begins at a block and ends, excluded, at `valid_until` (unix seconds)."""

    p256: Point
    signer: Address
    ed25519: Bytes32
    valid_from: int
    valid_from_block: int
    valid_until: int | None
    revoked: bool

    def is_valid_at(self, anchor: Anchor) -> bool:
        """Tell whether the set was in force when that root was anchored; a revocation without a time is for ever."""
        if anchor.block < self.valid_from_block or anchor.time < self.valid_from:
            return False
        if self.valid_until is None:
            return not self.revoked
        return anchor.time < self.valid_until


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """One provider's keys and anchors on one chain."""

    version: int
    chain_id: int
    escrow: Address
    provider: Address
    origin: str
    keys: tuple[TrustedKey, ...]
    anchors: tuple[Anchor, ...]

    def to_json(self) -> bytes:
        """Write the file, indented for people.

        Raises:
            FieldError: a value hasn't its form.
        """
        return json.dumps(to_json(self), indent=2).encode() + b"\n"

    def find_anchor(self, size: int, root: bytes) -> Anchor | None:
        """Return the anchor of exactly that checkpoint, if the chain has it."""
        return next((item for item in self.anchors if (item.size, item.root) == (size, root)), None)


def parse_trust(data: bytes) -> TrustRoot:
    """Read a trust root file.

    Raises:
        MalformedError: not strict JSON, a wrong field, another version, too many key sets, or an origin that isn't this provider's.
    """
    value = parse_json_strict(data, document=_NAME, limits=_LIMITS)
    try:
        trust = parse_record(TrustRoot, value, "$")
    except FieldError as exc:
        raise MalformedError(_NAME, str(exc)) from exc
    if trust.version != TRUST_VERSION:
        raise MalformedError(_NAME, f"expected version {TRUST_VERSION}, got {trust.version}")
    if len(trust.keys) > MAX_KEY_SETS:
        raise MalformedError(_NAME, f"has {len(trust.keys)} key sets, at most {MAX_KEY_SETS} are read")
    if trust.origin != log_origin(trust.provider, trust.chain_id):
        raise MalformedError(_NAME, "the origin is not that of this provider on this chain")
    return trust
