"""The trust root: which provider, which keys, which anchored roots. A file that an owner publishes, or read from the chain.

Refuses a file it can't read exactly. Whoever verifies decides whose file to believe; nothing here can.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
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
    """One published set of three keys; it begins at a block and ends, excluded, at `valid_until` (unix seconds).

    `revoked_at` is when it was said last that it isn't to be trusted from `valid_until` on; None when it never was.
    """

    p256: Point
    signer: Address
    ed25519: Bytes32
    valid_from: int
    valid_from_block: int
    valid_until: int | None
    revoked_at: int | None

    @property
    def revoked(self) -> bool:
        """Whether it was said that the set isn't to be trusted, from `valid_until` on or for ever."""
        return self.revoked_at is not None

    def is_valid_at(self, anchor: Anchor) -> bool:
        """Tell whether the set was in force when that root was anchored; a revocation without a time is for ever."""
        if anchor.block < self.valid_from_block or anchor.time < self.valid_from:
            return False
        if self.valid_until is None:
            return not self.revoked
        return anchor.time < self.valid_until

    def is_revoked_at(self, anchor: Anchor) -> bool:
        """Tell whether trust was taken from the set by the time of that anchor, whenever that was said."""
        return self.revoked and (self.valid_until is None or self.valid_until <= anchor.time)


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """One provider's keys and anchors on one chain; `closed` is when it ended its log for good, in unix seconds."""

    version: int
    chain_id: int
    escrow: Address
    provider: Address
    origin: str
    keys: tuple[TrustedKey, ...]
    anchors: tuple[Anchor, ...]
    closed: int | None = None

    def to_json(self) -> bytes:
        """Write the file, indented for people.

        Raises:
            FieldError: a value hasn't its form.
        """
        return json.dumps(to_json(self), indent=2).encode() + b"\n"

    def find_anchor(self, size: int, root: bytes) -> Anchor | None:
        """Return the anchor of exactly that checkpoint, if the chain has it."""
        return next((item for item in self.anchors if (item.size, item.root) == (size, root)), None)

    def is_closed_at(self, anchor: Anchor) -> bool:
        """Tell whether the log had been closed when that root was anchored; nothing counts that comes after."""
        return self.closed is not None and self.closed <= anchor.time


def find_fault(sets: Sequence[TrustedKey], anchor: Anchor) -> str | None:
    """Say why a key, which stands in these sets, doesn't count at an anchor; None when it does.

    It counts when one of the sets was in force then, and none was revoked by then: no later set brings it back.
    """
    for item in sets:
        if item.is_revoked_at(anchor):
            since = "the beginning" if item.valid_until is None else f"unix time {item.valid_until}"
            return f"was revoked from {since} on, as was said at unix time {item.revoked_at}"
    if any(item.is_valid_at(anchor) for item in sets):
        return None
    ends = [
        item.valid_until for item in sets if item.valid_until is not None and item.valid_until <= anchor.time
    ]
    if ends:
        return f"was replaced at unix time {max(ends)}"
    return f"was published only in block {min(item.valid_from_block for item in sets)}"


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
