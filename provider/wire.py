"""What travels between a client and a provider: the signed messages, the JSON bodies, and nothing else.

Every state-changing message is EIP-712 typed data that binds the whole body, the provider, the chain (through the
domain), a nonce and an expiry. The signer is always recovered, never stated. Used by the service and by the client.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from eth_account.messages import SignableMessage, encode_typed_data
from eth_keys.exceptions import BadSignature
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from datatokens.ethkeys import Account
from policies.canonical import canonical_json, parse_digest, sha256
from policies.purposes import PURPOSE_PATTERN
from provider.errors import BadSignatureError
from provider.receipts.note import MAX_NOTE_BYTES

HEX32 = r"^[0-9a-f]{64}$"
Hex32 = Annotated[str, Field(pattern=HEX32)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Address = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
Signature = Annotated[str, Field(pattern=r"^0x[0-9a-f]{130}$")]
Purpose = Annotated[str, Field(pattern=f"^(?:{PURPOSE_PATTERN})$")]
UnixTime = Annotated[int, Field(ge=0, lt=2**40)]
MAX_DATASETS_PER_JOB = 8
MAX_CONSUMERS = 10_000
MAX_ENCLOSED_CHARS = 4096
MAX_BUNDLE_BYTES = 8 * 1024 * 1024
SIGNATURE_BYTES = 65  # r‖s‖v
SECP256K1_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def decode_base64(text: str) -> bytes:
    """Decode standard base64 in its one canonical form, which is the only one that a receipt's reader takes.

    Raises:
        ValueError: junk, missing padding, or spare bits that are not zero (RFC 4648 section 3.5).
    """
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise ValueError("is not base64") from exc
    if base64.b64encode(data).decode() != text:
        raise ValueError("is not base64 in its one canonical form")
    return data


def _check_base64(text: str) -> str:
    decode_base64(text)
    return text


def _check_distinct(assets: list[str]) -> list[str]:
    if len(set(assets)) != len(assets):
        raise ValueError("a dataset stands twice")
    return assets


Base64 = Annotated[str, AfterValidator(_check_base64)]
Datasets = Annotated[
    list[Hex32], Field(min_length=1, max_length=MAX_DATASETS_PER_JOB), AfterValidator(_check_distinct)
]


class WireModel(BaseModel):
    """Base of every body: unknown keys are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


@dataclass(frozen=True, slots=True)
class Domain:
    """EIP-712 domain: one chain, one escrow contract."""

    chain_id: int
    escrow: str

    def typed(self) -> dict[str, Any]:
        """Return the EIP712Domain fields."""
        return {
            "name": "Sealroom",
            "version": "1",
            "chainId": self.chain_id,
            "verifyingContract": self.escrow,
        }


class JobRequest(WireModel):
    """What a scientist signs: this code on this data for this purpose, by this provider, result to this key."""

    datasets: Datasets
    algorithm: Digest
    parameters: Digest
    purpose: Purpose
    provider: Address
    result_key: Annotated[Base64, Field(max_length=4096)]
    nonce: Hex32
    expiry: UnixTime

    def signable(self, domain: Domain) -> SignableMessage:
        """Return the EIP-712 message to sign (EIP-712, `encodeData` over the fields below)."""
        message = {
            "datasets": [bytes.fromhex(asset) for asset in self.datasets],
            "algorithm": parse_digest(self.algorithm),
            "parameters": parse_digest(self.parameters),
            "purpose": self.purpose,
            "provider": self.provider,
            "resultKey": decode_base64(self.result_key),
            "nonce": bytes.fromhex(self.nonce),
            "expiry": self.expiry,
        }
        return encode_typed_data(domain.typed(), JOB_REQUEST_TYPES, message)

    def job_id(self, domain: Domain) -> str:
        """Return the job id, 64 hex digits: the EIP-712 digest, so one signed request is one job."""
        return signing_hash(self.signable(domain)).hex()


JOB_REQUEST_TYPES = {
    "JobRequest": [
        {"name": "datasets", "type": "bytes32[]"},
        {"name": "algorithm", "type": "bytes32"},
        {"name": "parameters", "type": "bytes32"},
        {"name": "purpose", "type": "string"},
        {"name": "provider", "type": "address"},
        {"name": "resultKey", "type": "bytes"},
        {"name": "nonce", "type": "bytes32"},
        {"name": "expiry", "type": "uint64"},
    ]
}
ACTION_TYPES = {
    "Action": [
        {"name": "action", "type": "string"},
        {"name": "body", "type": "bytes32"},
        {"name": "provider", "type": "address"},
        {"name": "nonce", "type": "bytes32"},
        {"name": "expiry", "type": "uint64"},
    ]
}

ActionName = Literal[
    "dataset.prepare",
    "dataset.publish",
    "dataset.policy",
    "dataset.allow",
    "algorithm.upload",
    "approval.request",
    "approval.decline",
    "job.cancel",
    "review.decide",
]


class SignedAction(WireModel):
    """A state-changing request other than a job: its name, its body, and a signature over both.

    `chain_id` and `signer` are what the client believes; they decide nothing and make a mismatch nameable. `enclosed` is
    text that goes with the action and stays private: the body has its digest where an action takes any.
    """

    action: ActionName
    body: dict[str, Any]
    provider: Address
    nonce: Hex32
    expiry: UnixTime
    chain_id: int
    signer: Address
    signature: Signature
    enclosed: Annotated[str, Field(max_length=MAX_ENCLOSED_CHARS)] = ""

    def signable(self, domain: Domain) -> SignableMessage:
        """Return the EIP-712 message; `body` enters as SHA-256 of its canonical JSON."""
        return action_message(
            self.action,
            self.body,
            provider=self.provider,
            nonce=self.nonce,
            expiry=self.expiry,
            domain=domain,
        )


def action_message(
    action: str, body: dict[str, Any], *, provider: str, nonce: str, expiry: int, domain: Domain
) -> SignableMessage:
    """Return the EIP-712 message of one action."""
    message = {
        "action": action,
        "body": sha256(canonical_json(body)),
        "provider": provider,
        "nonce": bytes.fromhex(nonce),
        "expiry": expiry,
    }
    return encode_typed_data(domain.typed(), ACTION_TYPES, message)


def signing_hash(message: SignableMessage) -> bytes:
    """Return keccak-256(0x19 0x01 ‖ domain separator ‖ struct hash), the 32 bytes that are signed (EIP-191 version 1)."""
    return keccak(b"\x19" + message.version + message.header + message.body)


def recover_signer(message: SignableMessage, signature: str) -> str:
    """Return the checksummed address that signed `message`.

    Not checked here: whether that address may do what the message asks.

    Raises:
        BadSignatureError: the signature is malformed, has a high s (malleable, EIP-2), or recovers to nobody.
    """
    raw = bytes.fromhex(signature.removeprefix("0x"))
    if (
        len(raw) != SIGNATURE_BYTES
        or int.from_bytes(raw[32:64]) > SECP256K1_HALF_ORDER
        or raw[64] not in (27, 28)
    ):
        raise BadSignatureError
    try:
        return str(Account.recover_message(message, signature=raw))
    except (BadSignature, ValidationError, ValueError) as exc:
        raise BadSignatureError from exc


class JobSubmission(WireModel):
    """POST /v1/jobs; `chain_id` and `signer` as in SignedAction."""

    request: JobRequest
    chain_id: int
    signer: Address
    signature: Signature
    parameters: dict[str, Any]


class DatasetPrepareBody(WireModel):
    """Body of `dataset.prepare`: describe data under the provider's data root; nothing is on chain yet.

    `table_schema` is the schema document of the columns (YAML or JSON); null: the owner publishes none.
    """

    path: Annotated[str, Field(min_length=1, max_length=1024)]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: Annotated[str, Field(max_length=4000)] = ""
    policy: Annotated[str, Field(max_length=256 * 1024)]
    table_schema: Annotated[str, Field(max_length=256 * 1024)] | None = None


class DatasetPrepared(WireModel):
    """Answer to `dataset.prepare`: what the owner then registers on chain."""

    commitment: Digest
    metadata_digest: Digest
    policy_digest: Digest
    uri: str
    provider: Address
    files: int
    size_bytes: int


class DatasetPublishBody(WireModel):
    """Body of `dataset.publish`: token id of the registered asset, as a decimal string."""

    token_id: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,20}$")]


class DatasetPolicyBody(WireModel):
    """Body of `dataset.policy`: keep a new policy by its digest; it holds once the owner sets the digest on chain."""

    asset_id: Hex32
    policy: Annotated[str, Field(max_length=256 * 1024)]


class PolicyKept(WireModel):
    """Answer to `dataset.policy`: the digest to set on chain."""

    asset_id: Hex32
    policy_digest: Digest


class DatasetAllowBody(WireModel):
    """Body of `dataset.allow`: keep an allow-list by its root; it holds once the owner sets the root on chain."""

    asset_id: Hex32
    consumers: Annotated[list[Address], Field(min_length=1, max_length=MAX_CONSUMERS)]


class ConsumersView(WireModel):
    """An allow-list as its dataset's owner sees it; `root` is the Merkle root to set, or that stands, on chain."""

    asset_id: Hex32
    root: Hex32
    consumers: list[Address]


class MembershipView(WireModel):
    """GET /v1/datasets/{asset_id}/membership: the Merkle proof that the caller is on the list that stands on chain."""

    asset_id: Hex32
    root: Hex32
    proof: list[Hex32]


class AlgorithmUploadBody(WireModel):
    """Body of `algorithm.upload`: every file of the bundle, path to base64."""

    files: Annotated[dict[str, Base64], Field(min_length=1, max_length=256)]


class ApprovalRequestBody(WireModel):
    """Body of `approval.request`: ask a dataset's owner to approve a digest."""

    asset_id: Hex32
    algorithm: Digest
    purpose: Purpose
    message: Annotated[str, Field(max_length=2000)] = ""


class ApprovalDeclineBody(WireModel):
    """Body of `approval.decline`: the owner says no to a pending request."""

    asset_id: Hex32
    algorithm: Digest
    reason: Annotated[str, Field(max_length=2000)] = ""


class JobCancelBody(WireModel):
    """Body of `job.cancel`."""

    job_id: Hex32


class ReviewDecideBody(WireModel):
    """Body of `review.decide`: what a reviewer says of what was looked at; final.

    `looked_at` commits to the files and checks that were shown. `reason` is the digest of the text that is enclosed: 64
    random hex digits, a space, and the reviewer's words, which the random digits keep anybody from guessing.
    """

    job_id: Hex32
    looked_at: Digest
    decision: Literal["release", "withhold"]
    reason: Digest


class LoginChallengeBody(WireModel):
    """POST /v1/login/challenge: ask for a Sign-In-with-Ethereum message (EIP-4361)."""

    address: Address


class LoginChallenge(WireModel):
    """The exact message to sign (EIP-191 personal message)."""

    message: str


class LoginBody(WireModel):
    """POST /v1/login."""

    message: Annotated[str, Field(max_length=2000)]
    signature: Signature


class LoginToken(WireModel):
    """Bearer token for reads, bound to one address."""

    token: str
    address: Address
    expires: UnixTime


class CosignedCheckpoint(WireModel):
    """POST /v1/log/cosignatures: a checkpoint of the log with the lines of witnesses under it, a C2SP signed note."""

    note: Annotated[str, Field(max_length=MAX_NOTE_BYTES)]


class CosignaturesView(WireModel):
    """Who is known to have cosigned the checkpoint of `size`, by their keys."""

    size: int
    witnesses: list[str]


class ErrorBody(WireModel):
    """Every answer that is not 2xx."""

    code: str
    message: str
    remedy: str = ""


class HealthView(WireModel):
    """GET /v1/health; `chain` is `ok`, `unreachable`, `wrong` or `unknown` as the worker last saw it."""

    ok: bool
    chain: str


class ProviderView(WireModel):
    """GET /v1/provider."""

    chain_id: int
    registry: Address
    escrow: Address
    providers: Address
    provider: Address
    origin: str
    runtimes: list[str]
    software: str


class DatasetView(WireModel):
    """A dataset as anyone may see it."""

    asset_id: Hex32
    token_id: str
    name: str
    description: str
    owner: Address
    provider: Address
    commitment: Digest
    metadata_digest: Digest
    policy_digest: Digest
    datatoken: Address
    payment_token: Address
    price_wei: str
    files: int
    size_bytes: int
    retired: bool


class DatasetsView(WireModel):
    """GET /v1/datasets."""

    datasets: list[DatasetView]


class AlgorithmView(WireModel):
    """An uploaded bundle."""

    algorithm: Digest
    name: str
    version: str
    image: Digest
    files: dict[str, int]


class ApprovalView(WireModel):
    """A request for approval and what became of it: `pending`, `approved`, `declined`, `revoked`, `expired`."""

    asset_id: Hex32
    algorithm: Digest
    name: str
    version: str
    requester: Address
    purpose: Purpose
    message: str
    state: Literal["pending", "approved", "declined", "revoked", "expired"]
    requested: UnixTime
    expires: UnixTime | None = None


class ApprovalsView(WireModel):
    """GET /v1/approvals."""

    approvals: list[ApprovalView]


class StepView(WireModel):
    """One line of a job's timeline."""

    time: UnixTime
    state: str
    code: str
    message: str


class JobView(WireModel):
    """A job as its consumer and the owners of its datasets see it; `order_tx` is where its first dataset was ordered."""

    job_id: Hex32
    state: str
    code: str
    message: str
    next_step: str
    consumer: Address
    request: JobRequest
    attempt: int
    submitted: UnixTime
    timeline: list[StepView]
    order_tx: str | None = None
    receipt_index: int | None = None
    anchor_tx: str | None = None
    terminal: bool


class JobsView(WireModel):
    """GET /v1/jobs."""

    jobs: list[JobView]


class ReviewSummary(WireModel):
    """A job whose release waits, or waited, for people, as a reviewer sees it; `decided` is the caller's own decision.

    `outcome` is `open` until every decision needed is made, the time is over or the job was cancelled.
    """

    job_id: Hex32
    consumer: Address
    datasets: list[Hex32]
    algorithm: Digest
    purpose: Curie
    opened: UnixTime
    due: UnixTime
    outcome: Literal["open", "release", "withhold", "late", "cancelled"]
    decided: str | None = None


class ReviewsView(WireModel):
    """GET /v1/reviews."""

    reviews: list[ReviewSummary]


class ReviewFileView(WireModel):
    """A file that would leave."""

    name: str
    digest: Digest
    size_bytes: int


class ReviewCheckView(WireModel):
    """One line of the gate's table; `detail` is for reviewers alone."""

    name: str
    ok: bool
    detail: str


class ReviewDecisionView(WireModel):
    """One reviewer's decision, shown once all that are needed are made."""

    reviewer: Address
    decision: str
    time: UnixTime
    reason: str


class ReviewView(WireModel):
    """GET /v1/reviews/{job_id}: what a reviewer decides on; `looked_at` is the digest of `files`, `checks` and `salt`.

    Files and checks are gone once the review is over.
    """

    review: ReviewSummary
    parameters: dict[str, Any]
    files: list[ReviewFileView]
    checks: list[ReviewCheckView]
    looked_at: Digest
    salt: Hex32
    decisions: list[ReviewDecisionView]
