"""Writes the receipt of every job that ends, whatever its end, in the same transaction as the end itself.

A receipt is public. What an algorithm chose freely and the gate did not release (digests and sizes of files, its log,
exact times and loads) could carry data, so it stands here blinded or rounded; see `blind` and `provider.rounding`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from datatokens.model import Asset
from policies.canonical import digest_text, parse_digest
from policies.decide import ENGINE
from policies.egress import ENDING_BITS, GATE
from provider.datasets import SCHEME
from provider.gate.declaration import effective_mantissa_bits
from provider.gate.holdback import hold_back_of
from provider.gate.report import GateReport, GateVerdict, ReleasedFile
from provider.identity import ProviderIdentity, software_digest
from provider.jobs.judge import Evaluation
from provider.limits import state_limits
from provider.privacy.stating import draft_privacy, state_privacy
from provider.receipts.envelope import sign_envelope
from provider.receipts.facts import (
    BlockFacts,
    CheckFacts,
    DatasetFacts,
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
    RuleFacts,
    RunFacts,
    SandboxFacts,
    WitnessFacts,
)
from provider.receipts.keys import SigningKeys
from provider.receipts.modelsigning import SIGNATURE_FILE, sign_weights
from provider.receipts.statement import UNDECLARED, build_statement
from provider.release import seal_release
from provider.rounding import (
    MEMORY_STEP_BYTES,
    SIZE_STEP_BYTES,
    round_cpu,
    round_size,
    round_time,
    round_time_down,
)
from provider.store import Database
from provider.store.records import Ending, JobRecord, OrderRecord, Settled
from provider.wire import decode_base64
from sandbox.determinism import Determinism
from sandbox.spec import RunReport

BLIND_TAG = b"sealroom-blind-v1\n"


class Registrar:
    """Ends jobs: builds the statement, signs it for its log index, and has the store write both at once."""

    def __init__(
        self, identity: ProviderIdentity, database: Database, keys: SigningKeys, *, clock: Callable[[], int]
    ) -> None:
        self._identity = identity
        self._database = database
        self._keys = keys
        self._clock = clock

    def finish(
        self,
        job: JobRecord,
        ending: Ending,
        evaluation: Evaluation,
        *,
        rule: str,
        report: RunReport | None = None,
        gate: GateReport | None = None,
    ) -> bool:
        """End `job`; False when another process moved it first.

        Raises:
            StatementRefusedError: the facts contradict each other; nothing is written.
        """

        def make_facts(current: JobRecord) -> ReceiptFacts:
            return self.draft(current, ending, evaluation, rule=rule, report=report, gate=gate)

        return self._finish(job, ending, make_facts)

    def finish_drafted(self, job: JobRecord, ending: Ending, facts: ReceiptFacts) -> bool:
        """End `job` with facts drafted before, signed by the keys of now; as `finish`."""
        provider = replace(facts.provider, software=software_digest(), keyids=self._keys.keyids)
        return self._finish(job, ending, lambda _current: replace(facts, provider=provider))

    def _finish(
        self, job: JobRecord, ending: Ending, make_facts: Callable[[JobRecord], ReceiptFacts]
    ) -> bool:
        def make_entry(current: JobRecord, index: int, settled: Settled | None) -> tuple[bytes, bytes]:
            facts = self.complete(make_facts(current), settled, index=index)
            envelope = sign_envelope(build_statement(facts), self._keys)
            return envelope.to_json(), hashlib.sha256(envelope.pae).digest()

        # What the accountant takes seconds for, it remembers: there is nothing to compute while the log is locked.
        settled = self._database.privacy.find_settled(job.job_id)
        if settled is not None:
            state_privacy(make_facts(job).privacy, settled)
        return self._database.ledger.finish_job(
            job.job_id, job.state, ending, now=self._clock(), make_entry=make_entry
        )

    def complete(self, facts: ReceiptFacts, settled: Settled | None, *, index: int) -> ReceiptFacts:
        """Return a draft with what is known only as it is signed: its place in the log, and what the job spent."""
        privacy = state_privacy(facts.privacy, settled)
        return replace(facts, privacy=privacy, log=replace(facts.log, index=index))

    def seal(self, job: JobRecord, released: Sequence[ReleasedFile]) -> bytes:
        """Encrypt what the gate let out to the job's result key, the signature of its weights with it.

        Raises:
            ReleaseError: see `seal_release`.
        """
        files: dict[str, bytes | Path] = {file.name: file.path for file in released}
        digests = {file.name: parse_digest(file.digest) for file in released}
        signature = sign_weights(digests, job.job_id, self._keys)
        if signature is not None:
            files[SIGNATURE_FILE] = signature
        return seal_release(files, result_key=decode_base64(job.request.result_key), job_id=job.job_id)

    def draft(
        self,
        job: JobRecord,
        ending: Ending,
        evaluation: Evaluation,
        *,
        rule: str,
        report: RunReport | None,
        gate: GateReport | None,
    ) -> ReceiptFacts:
        """Return what a receipt of this ending would say, at index 0 of the log and before its privacy is settled."""
        blind = self.blind_key(job.job_id)
        identity = self._identity
        released = ending.release is not None
        return ReceiptFacts(
            job=_job_facts(job, evaluation),
            inputs=_inputs_facts(job, evaluation),
            policy=_policy_facts(evaluation),
            sandbox=_sandbox_facts(evaluation, report),
            run=_run_facts(evaluation, report, blind),
            outputs=_output_facts(evaluation, report, gate, blind),
            privacy=draft_privacy(
                _information_bits(evaluation, report, gate),
                evaluation.policy.privacy if evaluation.policy else None,
            ),
            egress=EgressFacts(
                verdict="RELEASED" if released else "WITHHELD",
                outcome=ending.state.value,
                gate=GATE,
                checks=_check_facts(gate),
                rule="" if released else rule,
                mantissa_bits=_mantissa_bits(evaluation),
            ),
            not_before=BlockFacts(evaluation.not_before.number, "0x" + evaluation.not_before.hash.hex()),
            provider=ProviderFacts(
                identity.address.lower(), identity.origin, software_digest(), self._keys.keyids
            ),
            log=LogFacts(identity.origin, 0),
        )

    def blind_key(self, job_id: str) -> bytes:
        """Return the secret that blinds this job's unreleased digests; the provider can show it to the data's owner."""
        return hashlib.sha256(self._keys.sign_ed25519(BLIND_TAG + bytes.fromhex(job_id))).digest()


def blind(key: bytes, digest: str) -> str:
    """Return a commitment to a digest that nobody without `key` can test guesses against."""
    return digest_text(hashlib.sha256(key + parse_digest(digest)).digest())


def _job_facts(job: JobRecord, evaluation: Evaluation) -> JobFacts:
    return JobFacts(
        id=job.job_id,
        nonce=job.request.nonce,
        consumer=job.consumer.lower(),
        attempt=job.attempt,
        orders=tuple(_order_facts(order, chain_id=evaluation.chain_id) for order in job.orders),
        request=json.loads(job.request.model_dump_json()),
        request_signature=job.signature,
    )


def _order_facts(order: OrderRecord, *, chain_id: int) -> OrderFacts:
    return OrderFacts(
        chain_id=chain_id,
        tx_hash=order.tx_hash,
        log_index=order.log_index,
        datatoken=order.datatoken.lower(),
        consumer=order.consumer.lower(),
        amount_wei=int(order.amount_wei),
        token_id=order.token_id,
    )


def _inputs_facts(job: JobRecord, evaluation: Evaluation) -> InputsFacts:
    return InputsFacts(
        datasets=tuple(_dataset_facts(item.asset) for item in evaluation.datasets),
        algorithm=job.request.algorithm,
        image=evaluation.bundle.manifest.image if evaluation.bundle else None,
        parameters_digest=job.request.parameters,
        parameters=json.loads(job.parameters),
        hold_back=_hold_back_facts(evaluation),
    )


def _hold_back_facts(evaluation: Evaluation) -> HoldBackFacts | None:
    """Return which rows the algorithm doesn't see, for whoever repeats the run."""
    rule = hold_back_of(evaluation.policy) if evaluation.policy else None
    if rule is None or len(evaluation.datasets) != 1:
        return None
    return HoldBackFacts(
        rule.part, rule.unit.column if rule.unit else None, rule.unit.max_rows if rule.unit else None
    )


def _mantissa_bits(evaluation: Evaluation) -> int | None:
    """Return to how many bits of fraction weights are rounded, for whoever repeats the run."""
    bundle, policy = evaluation.bundle, evaluation.policy
    if bundle is None or policy is None:
        return None
    return effective_mantissa_bits(bundle.manifest.outputs, policy.outputs)


def _dataset_facts(asset: Asset) -> DatasetFacts:
    return DatasetFacts(
        asset_id=asset.asset_id,
        token_id=asset.token_id,
        commitment=digest_text(asset.terms.commitment),
        scheme=SCHEME,
        metadata_digest=digest_text(asset.terms.metadata_digest),
    )


def _policy_facts(evaluation: Evaluation) -> PolicyFacts:
    decision = evaluation.decision
    demands = evaluation.policy.witnesses if evaluation.policy else ()
    return PolicyFacts(
        digests=tuple(digest_text(item.asset.terms.policy_digest) for item in evaluation.datasets),
        engine=ENGINE,
        decision=decision.status.value,
        rules=tuple(RuleFacts(r.asset_id, r.name, r.verdict.value, r.detail) for r in decision.rules),
        decided=round_time_down(evaluation.decided),
        witnesses=tuple(WitnessFacts(demand.threshold, demand.keys) for demand in demands),
        reviews=tuple(
            ReviewDemandFacts(demand.when, demand.needed, demand.reviewers) for demand in evaluation.reviews
        ),
    )


def _sandbox_facts(evaluation: Evaluation, report: RunReport | None) -> SandboxFacts | None:
    if report is None or evaluation.policy is None:
        return None
    limits = state_limits(evaluation.policy.limits)
    probe = report.probe
    seen = ProbeFacts(probe.passed, probe.digest, len(probe.rows)) if probe else None
    return SandboxFacts(
        report.runtime.value, report.seal_digest, limits, _determinism_facts(report.determinism), seen
    )


def _determinism_facts(fixed: Determinism) -> DeterminismFacts:
    """Return what was fixed for a run as a receipt states it."""
    processor = fixed.processor
    return DeterminismFacts(
        threads=fixed.threads,
        hash_seed=fixed.hash_seed,
        deterministic_algorithms=fixed.deterministic_algorithms,
        architecture=processor.architecture,
        vendor=processor.vendor,
        level=processor.level,
    )


def _run_facts(evaluation: Evaluation, report: RunReport | None, key: bytes) -> RunFacts | None:
    policy = evaluation.policy
    if report is None or policy is None:
        return None
    limits = policy.limits
    return RunFacts(
        started=round_time_down(report.started),
        finished=round_time(report.finished),
        reason=report.reason.value,
        cpu_s=round_cpu(report.cpu_s, limit=Decimal(limits.cpus) * limits.time_s),
        peak_memory_bytes=round_size(report.peak_memory_bytes, MEMORY_STEP_BYTES, limit=limits.memory_bytes),
        bytes_written=round_size(
            report.bytes_written, SIZE_STEP_BYTES, limit=limits.output_bytes + limits.log_bytes
        ),
        log_digest=blind(key, report.log_digest),
        logs=policy.logs,
    )


def _information_bits(evaluation: Evaluation, report: RunReport | None, gate: GateReport | None) -> int:
    """Return what left at most: how it ended, the released files, the log when the policy opens it, and overruled tests."""
    policy = evaluation.policy
    if report is None or policy is None:
        return 0
    if gate is None or gate.verdict is GateVerdict.WITHHELD:
        return policy.log_information_bits + ENDING_BITS
    return policy.side_information_bits + gate.information_bits


def _check_facts(gate: GateReport | None) -> tuple[CheckFacts, ...]:
    """List every check that let something out; of those that withheld, the first alone: which ones fail can be chosen."""
    if gate is None:
        return ()
    withheld = gate.verdict is GateVerdict.WITHHELD
    return tuple(
        CheckFacts(c.name, c.ok, c.detail)
        for c in gate.checks
        if not withheld or (c.name == gate.rule and not c.ok)
    )


def _output_facts(
    evaluation: Evaluation, report: RunReport | None, gate: GateReport | None, key: bytes
) -> tuple[OutputFacts, ...]:
    """List declared files, and undeclared ones as one line: their names, number and sizes are the algorithm's to choose."""
    if report is None or evaluation.bundle is None:
        return ()
    declared = evaluation.bundle.manifest.outputs.files
    released = {file.name: file for file in gate.released} if gate else {}
    facts = []
    for produced in sorted(report.outputs, key=lambda file: file.path):
        left = released.get(produced.path)
        if produced.path not in declared:
            continue
        facts.append(
            OutputFacts(
                name=produced.path,
                digest=produced.digest
                if left and left.digest == produced.digest
                else blind(key, produced.digest),
                size_bytes=left.size_bytes if left else 0,
                released=left is not None,
                released_digest=left.digest if left else None,
            )
        )
    others = sorted(file.digest for file in report.outputs if file.path not in declared)
    if others:
        joined = digest_text(hashlib.sha256("".join(others).encode()).digest())
        facts.append(OutputFacts(UNDECLARED, blind(key, joined), 0, released=False, released_digest=None))
    return tuple(facts)
