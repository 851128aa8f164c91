"""What stands on the chain, as plain values: no web3, no I/O beyond the deployment file.

Token and coin amounts are integers in the token's smallest unit (`_wei`), times are unix seconds, digests are bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import IntEnum
from pathlib import Path
from typing import Any

from datatokens.errors import DeploymentInvalidError

LOCAL_CHAIN_ID = 31337  # anvil's
DATASET_KIND = 1
ONE_DATATOKEN_WEI = 10**18
WHOLE_SHARE_BPS = 10_000


@dataclass(frozen=True, slots=True)
class Block:
    """A block: number, 32-byte hash, unix time."""

    number: int
    hash: bytes
    time: int


@dataclass(frozen=True, slots=True)
class TxResult:
    """A mined transaction that succeeded; `tx_hash` is `0x` and 64 hex digits."""

    tx_hash: str
    block: Block
    gas_used: int


@dataclass(frozen=True, slots=True)
class AssetTerms:
    """What an owner registers; digests are 32 bytes, `price_wei` is for one job, shares are in basis points.

    `community` receives a share of each price when one is named. `cap_wei` is the most datatoken units that sales and
    gifts let circulate, 0 for no cap.
    """

    kind: int
    commitment: bytes
    metadata_digest: bytes
    policy_digest: bytes
    uri: str
    price_wei: int
    payment_token: str
    provider: str
    provider_share_bps: int
    max_deadline_s: int
    community: str | None = None
    community_share_bps: int = 0
    cap_wei: int = 0


@dataclass(frozen=True, slots=True)
class Asset:
    """A registered asset; `asset_id` is 64 hex digits, see `asset_id_of`.

    `consumers_root` is the Merkle root of the accounts that may order (see `datatokens.allowlist`), None for anyone.
    """

    token_id: int
    asset_id: str
    owner: str
    terms: AssetTerms
    datatoken: str
    retired: bool
    consumers_root: bytes | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """An ERC-20 and how its amounts are written; the symbol, at most 20 characters, is whatever its maker chose."""

    address: str
    symbol: str
    decimals: int


DATATOKEN_UNITS = Token(address="", symbol="datatokens", decimals=18)
"""How the datatokens of any asset are written."""


@dataclass(frozen=True, slots=True)
class AssetEvent:
    """One thing that an asset's owner did: the event's name in the contract, and its values by name."""

    name: str
    block: Block
    tx_hash: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sale:
    """Datatokens that were sold: `amount_wei` in the datatoken's units, `cost_wei` in those of the payment token."""

    buyer: str
    amount_wei: int
    cost_wei: int
    block_number: int


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """A policy digest and the block from which it held."""

    digest: bytes
    block: Block


@dataclass(frozen=True, slots=True)
class Approval:
    """An owner's latest word on one algorithm digest for one asset; `revoked_at` 0 means not revoked."""

    algorithm: bytes
    approved_at: int
    expires_at: int
    revoked_at: int

    def is_valid(self, at: int) -> bool:
        """Tell whether the approval holds at unix time `at`: given, not expired, not revoked by then."""
        revoked = self.revoked_at != 0 and self.revoked_at <= at
        return self.approved_at <= at < self.expires_at and not revoked


class OrderStatus(IntEnum):
    """Where an order stands; the numbers are those of the contract."""

    NONE = 0
    OPEN = 1
    SETTLED = 2
    REFUNDED = 3


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One dataset of a job that is ordered, and how it is paid.

    `max_price_wei` is the most that its consumer pays; `with_datatoken` pays with one datatoken instead; `proof` shows
    that the consumer is on the dataset's allow-list (see `datatokens.allowlist`).
    """

    token_id: int
    max_price_wei: int
    with_datatoken: bool = False
    proof: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """The escrow's record of one dataset of one paid job; `deadline` is unix time, after it anyone may refund."""

    order_id: bytes
    job_id: bytes
    token_id: int
    consumer: str
    provider: str
    amount_wei: int
    deadline: int
    status: OrderStatus
    paid_with_datatoken: bool


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """The event that an order leaves: where on the chain it was placed."""

    order_id: bytes
    job_id: bytes
    token_id: int
    consumer: str
    provider: str
    amount_wei: int
    tx_hash: str
    log_index: int
    block_number: int
    deadline: int


@dataclass(frozen=True, slots=True)
class OrderEnd:
    """The event that ends an order: settled, or refunded by its provider or, after its deadline, by anyone."""

    order_id: bytes
    status: OrderStatus
    tx_hash: str
    block_number: int


@dataclass(frozen=True, slots=True)
class AnchorRecord:
    """A provider's log root as anchored: 32-byte roots, the block and transaction that hold it."""

    provider: str
    size: int
    root: bytes
    previous_root: bytes
    block: Block
    tx_hash: str


@dataclass(frozen=True, slots=True)
class KeySet:
    """Public keys that a provider published, valid in [valid_from, valid_until).

    `p256` is 65 bytes 0x04‖X‖Y (SEC 1, uncompressed), `ed25519` 32 bytes (RFC 8032); times are unix seconds. `revoked_at`
    is when it was said last that they are not to be trusted from `valid_until` on, None when it never was.
    """

    index: int
    p256: bytes
    signer: str
    ed25519: bytes
    endpoint: str
    valid_from: int
    valid_from_block: int
    valid_until: int | None
    revoked_at: int | None

    @property
    def revoked(self) -> bool:
        """Whether it was said that the keys are not to be trusted from `valid_until` on."""
        return self.revoked_at is not None

    def is_valid(self, at: int) -> bool:
        """Tell whether signatures made at unix time `at` may be judged by these keys."""
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)


def asset_id_of(chain_id: int, registry: str, token_id: int) -> str:
    """Return sha256(chain id, 32 bytes big-endian ‖ registry, 20 bytes ‖ token id, 32 bytes) as 64 hex digits."""
    address = bytes.fromhex(registry.removeprefix("0x"))
    return hashlib.sha256(chain_id.to_bytes(32) + address + token_id.to_bytes(32)).hexdigest()


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where our contracts are on one chain: the manifest that stands in a file.

    `blocks` is the block that created each, `code_hashes` keccak-256 of its code, `0x` hex, both by name.
    """

    chain_id: int
    registry: str
    escrow: str
    providers: str
    receipts: str
    payment_token: str | None
    blocks: dict[str, int] = field(default_factory=dict)
    code_hashes: dict[str, str] = field(default_factory=dict)

    @property
    def block(self) -> int:
        """The first block that can hold an event of these contracts."""
        return min(self.blocks.values(), default=0)

    def to_json(self) -> str:
        """Return the deployment as the text that `load_deployment` reads."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    def save(self, path: Path) -> None:
        """Write the deployment to `path` in one step, so that a reader never sees half of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".deployment-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(self.to_json())
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)


_TYPES: dict[str, tuple[type, ...]] = {
    "chain_id": (int,),
    "registry": (str,),
    "escrow": (str,),
    "providers": (str,),
    "receipts": (str,),
    "payment_token": (str, type(None)),
    "blocks": (dict,),
    "code_hashes": (dict,),
}
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def parse_deployment(text: str) -> Deployment:
    """Parse the JSON text of a deployment.

    Raises:
        DeploymentInvalidError: not JSON, a field missing, unknown or of another type, or an address that is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise DeploymentInvalidError("deployment file: is not JSON; deploy again or copy it anew") from exc
    names = {item.name for item in fields(Deployment)}
    if not isinstance(value, dict) or set(value) != names:
        raise DeploymentInvalidError(f"deployment file: expected the fields {sorted(names)}; deploy again")
    for name, types in _TYPES.items():
        if not isinstance(value[name], types) or isinstance(value[name], bool):
            raise DeploymentInvalidError(f"deployment file: {name} has the wrong type; deploy again")
    for name in ("registry", "escrow", "providers", "receipts", "payment_token"):
        if value[name] is not None and not _ADDRESS.fullmatch(value[name]):
            raise DeploymentInvalidError(f"deployment file: {name} is not an address; copy the file anew")
    if not all(type(block) is int and block >= 0 for block in value["blocks"].values()):
        raise DeploymentInvalidError("deployment file: blocks has the wrong type; deploy again")
    return Deployment(**value)


def load_deployment(path: Path) -> Deployment:
    """Read a deployment file.

    Raises:
        DeploymentInvalidError: the file is missing or is not a deployment.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise DeploymentInvalidError(
            f"deployment file {path.name}: can't be read; start the stack or deploy the contracts first"
        ) from exc
    return parse_deployment(text)
