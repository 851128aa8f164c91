"""Runs a job as a provider does, sealed and through the gate, and writes its receipt for somebody to repeat it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.localruns import WIDEST
from cli.repetition import find_repeatable
from cli.replaying import Materials
from policies.canonical import canonical_json, digest_of, digest_text
from policies.egress import GATE
from policies.model import LimitsPolicy
from provider.datasets import SCHEME, commit_copied
from provider.gate.decide import check_release
from provider.limits import run_limits, state_limits
from provider.receipts.envelope import format_receipt, sign_envelope
from provider.receipts.facts import (
    CheckFacts,
    DatasetFacts,
    DeterminismFacts,
    EgressFacts,
    OutputFacts,
    ProbeFacts,
    ReceiptFacts,
    SandboxFacts,
)
from provider.receipts.keys import SigningKeys
from provider.receipts.statement import build_statement, parse_statement
from sandbox.bundle import Bundle
from sandbox.engine import Engine
from sandbox.run import run_sealed
from sandbox.spec import RunReport, Runtime
from sandbox.staging import StagedDataset, stage
from tests.receipt_samples import CHAIN_ID, sample_facts
from tests.sandbox_fixtures import ASSET, MIB, make_spec

LIMITS = LimitsPolicy(time_s=600, memory_bytes=1024 * MIB, scratch_bytes=64 * MIB, output_bytes=4 * MIB)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A job that ran: what it ran on, what its receipt says, and the folder of what was released."""

    bundle: Bundle
    data: Path
    facts: ReceiptFacts
    released: Path

    def materials(self, **changes: Any) -> Materials:
        """Return what it can be repeated from, with `changes`."""
        job = find_repeatable(parse_statement(build_statement(self.facts)).facts)
        return dataclasses.replace(Materials(job, self.bundle, (self.data,)), **changes)

    def claim(self, **changes: Any) -> Recorded:
        """Return the same job with another receipt."""
        return dataclasses.replace(self, facts=dataclasses.replace(self.facts, **changes))

    def write_receipt(self, folder: Path) -> Path:
        """Write the receipt that says this."""
        keys = SigningKeys.generate(CHAIN_ID)
        path = folder / "receipt.jsonl"
        path.write_bytes(format_receipt(sign_envelope(build_statement(self.facts), keys)))
        return path


def record(
    engine: Engine,
    bundle: Bundle,
    data: Path,
    folder: Path,
    *,
    runtime: Runtime = Runtime.RUNC,
    parameters: Mapping[str, Any] | None = None,
    limits: LimitsPolicy = LIMITS,
) -> Recorded:
    """Run the job and return it with its receipt's facts."""
    dataset = StagedDataset(ASSET, (data,), (data.name,))
    staged = stage(folder / "inputs", [dataset], bundle, parameters or {})
    spec = make_spec(
        staged.root,
        run_id=f"recorded-{folder.name.lower().replace('_', '-')}"[:60],
        runtime=runtime,
        image=bundle.manifest.image,
        argv=bundle.manifest.argv,
        algorithm_id=bundle.digest.removeprefix("sha256:"),
        limits=run_limits(limits),
    )
    report = run_sealed(
        engine, spec, folder=folder / "outputs", on_event=lambda _: None, cancelled=lambda: False
    )
    commitment = digest_text(commit_copied(staged.datasets[ASSET]))
    facts = _facts(report, bundle, commitment, dict(parameters or {}), limits, folder / "released")
    return Recorded(bundle, data, facts, folder / "released")


def _facts(
    report: RunReport,
    bundle: Bundle,
    commitment: str,
    parameters: dict[str, Any],
    limits: LimitsPolicy,
    released: Path,
) -> ReceiptFacts:
    base = sample_facts(SigningKeys.generate(CHAIN_ID))
    assert base.run is not None
    gate = check_release(bundle.manifest.outputs, WIDEST, report.outputs, released, refused=report.refused)
    ran = report.reason.value == "completed"
    outcome = ("released" if not gate.rule else "withheld") if ran else "failed"
    return dataclasses.replace(
        base,
        inputs=dataclasses.replace(
            base.inputs,
            datasets=(DatasetFacts(ASSET, 1, commitment, SCHEME, digest_of(b"a description")),),
            algorithm=bundle.digest,
            image=bundle.manifest.image,
            parameters_digest=digest_of(canonical_json(parameters)),
            parameters=parameters,
        ),
        sandbox=_sandbox_facts(report, limits),
        run=dataclasses.replace(base.run, reason=report.reason.value),
        outputs=tuple(
            OutputFacts(f.name, f.source_digest, f.size_bytes, released=True, released_digest=f.digest)
            for f in gate.released
        ),
        egress=EgressFacts(
            "RELEASED" if outcome == "released" else "WITHHELD",
            outcome,
            GATE,
            tuple(
                CheckFacts(c.name, c.ok, c.detail)
                for c in gate.checks
                if ran and (not gate.rule or c.name == gate.rule)
            ),
            (gate.rule if ran else report.reason.value),
        ),
    )


def _sandbox_facts(report: RunReport, limits: LimitsPolicy) -> SandboxFacts:
    fixed, probe = report.determinism, report.probe
    assert probe is not None
    processor = fixed.processor
    return SandboxFacts(
        report.runtime.value,
        report.seal_digest,
        state_limits(limits),
        DeterminismFacts(
            fixed.threads,
            fixed.hash_seed,
            fixed.deterministic_algorithms,
            processor.architecture,
            processor.vendor,
            processor.level,
        ),
        ProbeFacts(probe.passed, probe.digest, len(probe.rows)),
    )
