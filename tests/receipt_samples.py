"""Makes complete, true receipts to verify, to break and to show: keys, request, statement, envelope, log, proof, trust."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from coincurve import PrivateKey

from policies.canonical import canonical_json, digest_of
from policies.egress import GATE_CHECKS
from policies.privacy import PRIVACY_TESTS
from provider.receipts.base64text import encode_base64
from provider.receipts.envelope import Envelope, format_receipt, sign_envelope
from provider.receipts.facts import (
    BlockFacts,
    CheckFacts,
    DatasetFacts,
    DecisionFacts,
    DeterminismFacts,
    EgressFacts,
    HoldBackFacts,
    InputsFacts,
    JobFacts,
    LogFacts,
    OrderFacts,
    OutputFacts,
    PolicyFacts,
    ProbeFacts,
    ProviderFacts,
    ReceiptFacts,
    ReviewDemandFacts,
    ReviewFacts,
    RuleFacts,
    RunFacts,
    SandboxFacts,
)
from provider.receipts.keys import SigningKeys
from provider.receipts.log import entry_bytes, log_origin
from provider.receipts.note import Checkpoint, sign_checkpoint
from provider.receipts.privacy import nothing_spent
from provider.receipts.proof import format_proof
from provider.receipts.request import parse_request, request_digest
from provider.receipts.reviews import REVIEW_ACTION, REVIEW_WITHHELD, decision_body, looked_at_digest
from provider.receipts.signatures import address_of
from provider.receipts.statement import build_statement
from provider.receipts.tree import inclusion_proof, leaf_hash, root_of
from provider.receipts.trust import Anchor, TrustedKey, TrustRoot
from provider.wire import Domain, action_message, signing_hash
from tests.privacy_samples import spent

CHAIN_ID = 31337
ESCROW = "0x00000000000000000000000000000000000000e5"
PROVIDER = "0x00000000000000000000000000000000000000b0"
ORIGIN = log_origin(PROVIDER, CHAIN_ID)
CONSUMER_KEY = PrivateKey(b"\x07" * 32)
CONSUMER = address_of(CONSUMER_KEY.public_key.format(compressed=False))
REVIEWER_KEYS = tuple(PrivateKey(bytes([number]) * 32) for number in (8, 9, 10))
REVIEWERS = tuple(address_of(key.public_key.format(compressed=False)) for key in REVIEWER_KEYS)
SALT = "5a" * 32
WEIGHTS = b"weights of a small model"
METRICS = b'{"accuracy":"0.97"}'
ARTEFACTS = {"model.safetensors": WEIGHTS, "metrics.json": METRICS}
PARAMETERS: dict[str, Any] = {"epochs": 3, "learning_rate": "0.01"}
LOG_BYTES = 1024
ANCHOR_BLOCK = 120
ANCHOR_TIME = 1_800_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """A receipt as an auditor holds it, with what made it."""

    receipt: bytes
    proof: bytes
    trust: TrustRoot
    artifacts: dict[str, bytes]
    envelope: Envelope
    facts: ReceiptFacts
    keys: SigningKeys


def digest(text: str) -> str:
    """Return the edge form of the SHA-256 of a word, to stand for some digest."""
    return digest_of(text.encode())


def sample_request(**changes: object) -> dict[str, Any]:
    """Return a job request as JSON."""
    request: dict[str, Any] = {
        "datasets": ["a1" * 32],
        "algorithm": digest("algorithm"),
        "parameters": digest_of(canonical_json(PARAMETERS)),
        "purpose": "DUO:0000042",
        "provider": PROVIDER,
        "result_key": encode_base64(b"a result key"),
        "nonce": "0f" * 32,
        "expiry": ANCHOR_TIME + 3600,
    }
    return request | changes


def sign_request(request: dict[str, Any]) -> tuple[str, str]:
    """Return the job id and the consumer's signature."""
    hashed = request_digest(parse_request(request), CHAIN_ID, ESCROW)
    return hashed.hex(), _sign(CONSUMER_KEY, hashed)


def sample_facts(keys: SigningKeys, index: int = 3) -> ReceiptFacts:
    """Return the facts of a job that released two files."""
    return ReceiptFacts(
        job=sample_job(),
        inputs=InputsFacts(
            datasets=(DatasetFacts("a1" * 32, 1, digest("data"), "sealroom-files-v1", digest("metadata")),),
            algorithm=digest("algorithm"),
            image=digest("image"),
            parameters_digest=digest_of(canonical_json(PARAMETERS)),
            parameters=PARAMETERS,
        ),
        policy=PolicyFacts(
            digests=(digest("policy"),),
            engine="sealroom-policy/1",
            decision="allow",
            rules=(RuleFacts("a1" * 32, "purpose-allowed", "allow", "DUO:0000042 is allowed"),),
            decided=ANCHOR_TIME - 90,
            witnesses=(),
        ),
        sandbox=SandboxFacts(
            "runc",
            digest("profile"),
            {"time_s": 60},
            DeterminismFacts(1, 0, True, "x86_64", "AuthenticAMD", "x86-64-v3"),  # noqa: FBT003
            ProbeFacts(passed=True, digest=digest("probe"), rows=21),
        ),
        run=RunFacts(
            ANCHOR_TIME - 80, ANCHOR_TIME - 20, "completed", "41.5", 2**28, 4096, digest("log"), "owner"
        ),
        outputs=tuple(
            OutputFacts(
                name, digest("raw " + name), len(data), released=True, released_digest=digest_of(data)
            )
            for name, data in ARTEFACTS.items()
        ),
        privacy=nothing_spent(192),
        egress=EgressFacts(
            "RELEASED",
            "released",
            "sealroom-gate/1",
            sample_checks(),
            "",
        ),
        not_before=BlockFacts(ANCHOR_BLOCK - 10, "0x" + "bb" * 32),
        provider=ProviderFacts(PROVIDER, ORIGIN, digest("software"), keys.keyids),
        log=LogFacts(ORIGIN, index),
    )


def sample_checks() -> tuple[CheckFacts, ...]:
    """Return what the gate looked at."""
    return tuple(CheckFacts(name, ok=True, detail="") for name in GATE_CHECKS)


def measured(facts: ReceiptFacts, *failed: str) -> ReceiptFacts:
    """Return the same job where a fifth of the rows was held back and privacy tests were made, of which these did not pass."""
    checks = tuple(CheckFacts(name, name not in failed, "") for name in PRIVACY_TESTS)
    return replace(
        facts,
        inputs=replace(facts.inputs, hold_back=HoldBackFacts("0.2", None, None)),
        egress=replace(facts.egress, checks=(*facts.egress.checks, *checks)),
    )


def sample_job() -> JobFacts:
    """Return a job that was ordered and signed."""
    request = sample_request()
    job_id, signature = sign_request(request)
    order = OrderFacts(CHAIN_ID, "0x" + "cc" * 32, 2, "0x" + "d0" * 20, CONSUMER, 5 * 10**18, 1)
    return JobFacts(job_id, request["nonce"], CONSUMER, 1, (order,), request, signature)


def two_datasets(facts: ReceiptFacts) -> ReceiptFacts:
    """Return the same job on a second dataset too, ordered and allowed for each."""
    first, (rule,), (order,) = facts.inputs.datasets[0], facts.policy.rules, facts.job.orders
    second = replace(first, asset_id="b2" * 32, token_id=2, commitment=digest("more data"))
    request = sample_request(datasets=[first.asset_id, second.asset_id])
    job_id, signature = sign_request(request)
    orders = (order, replace(order, token_id=2, log_index=3, datatoken="0x" + "d2" * 20))
    return replace(
        facts,
        job=replace(facts.job, id=job_id, orders=orders, request=request, request_signature=signature),
        inputs=replace(facts.inputs, datasets=(first, second)),
        policy=replace(
            facts.policy,
            digests=(*facts.policy.digests, digest("another policy")),
            rules=(rule, replace(rule, asset_id=second.asset_id)),
        ),
    )


def withheld(facts: ReceiptFacts) -> ReceiptFacts:
    """Return the same job, with nothing let out."""
    outputs = tuple(replace(item, released=False, released_digest=None) for item in facts.outputs)
    checks = (CheckFacts("weights-finite", ok=False, detail=""),)
    egress = EgressFacts("WITHHELD", "withheld", "sealroom-gate/1", checks, "weights-finite")
    return replace(facts, outputs=outputs, egress=egress)


def open_log(facts: ReceiptFacts) -> ReceiptFacts:
    """Return the same job with a log that its consumer reads, counted whole."""
    run, sandbox = facts.run, facts.sandbox
    if run is None or sandbox is None:
        raise ValueError("the job didn't run")
    bits = facts.privacy.information_bits + 8 * LOG_BYTES
    return replace(
        facts,
        run=replace(run, logs="consumer"),
        sandbox=replace(sandbox, limits=sandbox.limits | {"log_bytes": str(LOG_BYTES)}),
        privacy=replace(facts.privacy, information_bits=bits),
    )


def stayed(facts: ReceiptFacts, rule: str, outcome: str = "withheld") -> ReceiptFacts:
    """Return a job that stayed by this rule, and of which a privacy test did not pass."""
    facts = withheld(measured(facts))
    checks = (CheckFacts("rows-verbatim", ok=False, detail=""),)
    return replace(facts, egress=replace(facts.egress, outcome=outcome, checks=checks, rule=rule))


def demanding_review(facts: ReceiptFacts, *, needed: int = 2, when: str = "always") -> ReceiptFacts:
    """Return the same job under a policy by which reviewers look at what leaves."""
    demand = ReviewDemandFacts(when, needed, tuple(address.lower() for address in REVIEWERS))
    return replace(facts, policy=replace(facts.policy, reviews=(demand,)))


def private(facts: ReceiptFacts) -> ReceiptFacts:
    """Return the same job, as a recipe with differential privacy."""
    return replace(facts, privacy=spent("0", "3", "3"))


def reviewed(facts: ReceiptFacts, *decisions: str) -> ReceiptFacts:
    """Return the same job, as released or withheld by so many of the reviewers."""
    facts, released = (
        facts if facts.policy.reviews else demanding_review(facts),
        set(decisions) == {"release"},
    )
    if not released:
        facts = withheld(facts)
        facts = replace(facts, egress=replace(facts.egress, checks=(), rule=REVIEW_WITHHELD))
    files = {name: digest_of(data) for name, data in ARTEFACTS.items()}
    checks = [(check.name, check.ok) for check in facts.egress.checks or sample_checks()]
    looked_at = looked_at_digest(files, checks, SALT)
    made = tuple(
        sign_decision(facts, key, decision, looked_at)
        for key, decision in zip(REVIEWER_KEYS, decisions, strict=False)
    )
    review = ReviewFacts(looked_at, SALT if released else None, made)
    return replace(facts, egress=replace(facts.egress, review=review))


def overruling(facts: ReceiptFacts) -> ReceiptFacts:
    """Return a job of which a privacy test did not pass, and that its reviewers let out all the same."""
    facts = demanding_review(measured(facts, "generalisation-gap"), when="not-passed")
    return reviewed(facts, "release", "release")


def sign_decision(facts: ReceiptFacts, key: PrivateKey, decision: str, looked_at: str) -> DecisionFacts:
    """Return a reviewer's signed decision on a job."""
    reason, nonce, expiry = digest("a reason"), "0d" * 32, ANCHOR_TIME
    body = decision_body(decision, job_id=facts.job.id, looked_at=looked_at, reason=reason)
    message = action_message(
        REVIEW_ACTION, body, provider=PROVIDER, nonce=nonce, expiry=expiry, domain=Domain(CHAIN_ID, ESCROW)
    )
    signature = _sign(key, signing_hash(message))
    reviewer = address_of(key.public_key.format(compressed=False)).lower()
    return DecisionFacts(reviewer, decision, ANCHOR_TIME - 10, reason, nonce, expiry, signature)


def _sign(key: PrivateKey, hashed: bytes) -> str:
    raw = key.sign_recoverable(hashed, hasher=None)
    return "0x" + (raw[:64] + bytes([raw[64] + 27])).hex()


def refused(facts: ReceiptFacts) -> ReceiptFacts:
    """Return a job that policy refused: no order, no sandbox, no run."""
    egress = EgressFacts("WITHHELD", "refused", "sealroom-gate/1", (), "purpose-allowed")
    job = replace(facts.job, orders=(), attempt=0)
    return replace(facts, job=job, outputs=(), sandbox=None, run=None, egress=egress)


def trusted_key(keys: SigningKeys, **changes: Any) -> TrustedKey:
    """Return the published form of the keys, in force since long."""
    public = keys.public()
    key = TrustedKey(public.p256, public.signer, public.ed25519, ANCHOR_TIME - 10_000, 10, None, None)
    return replace(key, **changes)


def make_sample(
    facts: ReceiptFacts | None = None,
    *,
    keys: SigningKeys | None = None,
    payload: bytes | None = None,
    size: int = 7,
) -> Sample:
    """Sign, log, anchor and publish; `payload` stands in for the statement of the facts."""
    keys = keys or SigningKeys.generate(CHAIN_ID)
    facts = facts or sample_facts(keys)
    envelope = sign_envelope(build_statement(facts) if payload is None else payload, keys)
    index = facts.log.index
    leaves = [leaf_hash(entry_bytes(b"entry %d" % number)) for number in range(size)]
    leaves[index] = leaf_hash(entry_bytes(envelope.pae))
    root = root_of(leaves)
    note = sign_checkpoint(Checkpoint(ORIGIN, size, root), keys)
    anchor = Anchor(size, root, ANCHOR_BLOCK, b"\xab" * 32, ANCHOR_TIME, "0x" + "ee" * 32)
    trust = TrustRoot(1, CHAIN_ID, ESCROW, PROVIDER, ORIGIN, (trusted_key(keys),), (anchor,))
    artifacts = {name: hashlib.sha256(data).digest() for name, data in ARTEFACTS.items()}
    proof = format_proof(index, inclusion_proof(leaves, index, size), note).encode()
    return Sample(format_receipt(envelope), proof, trust, artifacts, envelope, facts, keys)
