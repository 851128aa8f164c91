"""Runs claimed jobs, one at a time: check, stage, seal, run, gate, encrypt, receipt; or hold what waits for reviewers.

Every step may be cut short: what a stopped worker leaves is a RUNNING job, a container with our label and a work
folder. `recover` removes the last two and queues the first again, as a new attempt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datatokens.errors import ChainError
from policies.decide import Verdict
from policies.model import Policy
from provider.blobs import BlobStore
from provider.errors import DatasetError
from provider.gate.decide import check_release
from provider.gate.report import GateReport, GateVerdict, add_results
from provider.jobs.codes import NO_ORDER_YET, chain_code, describe, refusal_code
from provider.jobs.judge import Evaluation, Judge
from provider.jobs.launch import Launch, Launcher
from provider.jobs.measuring import Measurement, measure
from provider.jobs.owing import is_owed
from provider.jobs.receipting import Registrar
from provider.jobs.reviewing import Checked, Reviewing, find_demands
from provider.jobs.states import State
from provider.settings import Settings
from provider.store import Database
from provider.store.records import Ending, JobRecord
from sandbox.engine import Engine
from sandbox.errors import EngineUnavailableError, SandboxError
from sandbox.spec import ExitReason, RunReport
from sandbox.staging import cleanup

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """How a run went: the ending's state and code, and what was seen on the way."""

    state: State
    code: str
    rule: str = ""
    detail: str = ""
    report: RunReport | None = None
    gate: GateReport | None = None


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where and as whom a runner works: its folder, the label of its containers, its settings and clock."""

    folder: Path
    owner: str
    load_settings: Callable[[], Settings]
    clock: Callable[[], int]


class Runner:
    """Takes queued jobs to their end."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        engine: Engine,
        judge: Judge,
        registrar: Registrar,
        launcher: Launcher,
        reviewing: Reviewing,
        *,
        workplace: Workplace,
    ) -> None:
        self._jobs = database.jobs
        self._privacy = database.privacy
        self._blobs = blobs
        self._engine = engine
        self._judge = judge
        self._registrar = registrar
        self._launcher = launcher
        self._reviewing = reviewing
        self._place = workplace

    def recover(self) -> None:
        """Clear what a stopped worker left: containers, work folders, and jobs in the middle of a run."""
        self._engine.reap(self._place.owner)
        if self._place.folder.exists():
            for folder in self._place.folder.iterdir():
                cleanup(folder)
        for state in (State.RUNNING, State.CHECKING):
            for job in self._jobs.list_by(state=state, limit=None):
                self._move(job, State.QUEUED, "restarted")

    def turn(self) -> bool:
        """Claim one job and take it as far as it goes; True when there was one."""
        if self._is_blocked():
            return False
        job = self._jobs.claim(now=self._place.clock(), message=describe("staging").message)
        if job is None:
            return False
        work = self._place.folder / f"{job.job_id}-{job.attempt + 1}"
        try:
            evaluation = self._judge.evaluate(job, now=self._place.clock())
            setback = self._find_setback(job, evaluation)
            if setback is not None:
                return self._move(job, State.WAITING, setback)
            finding = self._find_refusal(job, evaluation) or self._run(job, evaluation, work)
            self._finish(job, evaluation, finding)
        except ChainError as exc:
            return self._put_back(job, chain_code(exc))
        except EngineUnavailableError:
            return self._put_back(job, "engine-unreachable")
        except BaseException:
            # A defect of ours, a full disk: the job is not lost, and after its last attempt it ends with a refund.
            self._move(job, State.QUEUED, "restarted", attempt=job.attempt + 1)
            raise
        finally:
            cleanup(work)
        return True

    def _is_blocked(self) -> bool:
        """Say once to every queued job what it waits for, instead of claiming it again and again."""
        queued = self._jobs.list_by(state=State.QUEUED)
        obstacle = self._judge.find_obstacle() if queued else None
        if obstacle is None:
            return not queued
        for job in queued:  # those only that are still queued: another runner may have claimed one meanwhile
            message, now = describe(obstacle).message, self._place.clock()
            self._jobs.move(job.job_id, State.QUEUED, State.QUEUED, code=obstacle, message=message, now=now)
        return True

    def _put_back(self, job: JobRecord, code: str) -> bool:
        """Queue the job again; False, so that the loop pauses before it tries."""
        self._move(job, State.QUEUED, code)
        return False

    def _find_setback(self, job: JobRecord, evaluation: Evaluation) -> str | None:
        """Return the code of what the clerk has to look for again: an order that a reorganisation took, or privacy to reserve.

        None of either is missing in a job that ends now in any case.
        """
        if evaluation.decision.status is not Verdict.ALLOW or job.cancel_requested:
            return None
        if evaluation.order_code in NO_ORDER_YET:
            return evaluation.order_code
        unreserved = evaluation.reservation is not None and self._privacy.find_spending(job.job_id) is None
        return "received" if unreserved else None

    def _find_refusal(self, job: JobRecord, evaluation: Evaluation) -> Finding | None:
        """Check again, at the last moment, what the clerk checked: approvals are revoked and orders refunded."""
        if job.cancel_requested:
            return Finding(State.CANCELLED, "cancelled")
        if job.attempt >= self._place.load_settings().max_attempts:
            return Finding(State.FAILED, "too-many-attempts")
        if evaluation.decision.status is not Verdict.ALLOW:
            denied = evaluation.decision.first_denied
            rule = denied.name if denied else "algorithm-approved"
            detail = denied.detail if denied else ""
            return Finding(State.REFUSED, refusal_code(rule), rule=rule, detail=detail)
        if evaluation.order_code:
            return Finding(State.REFUSED, evaluation.order_code)
        return None

    def _run(self, job: JobRecord, evaluation: Evaluation, work: Path) -> Finding:
        policy, bundle = evaluation.policy, evaluation.bundle
        if policy is None or bundle is None:
            return Finding(State.REFUSED, "policy-changed" if policy is None else "algorithm-changed")
        launch = self._launcher.plan(job, evaluation, policy, bundle, work)
        self._launcher.expect(launch)
        try:
            report = self._run_sealed(launch)
        except DatasetError as exc:
            return Finding(State.FAILED, exc.code)
        if report is None:
            return Finding(State.FAILED, "engine-failed")
        if report.reason is ExitReason.COMPLETED:
            return self._gate(launch, policy, report, work)
        return self._conclude(job, report)

    def _conclude(self, job: JobRecord, report: RunReport) -> Finding:
        """Say how a run ended that has nothing for the gate."""
        if report.reason is ExitReason.CANCELLED:
            owed = is_owed(self._jobs.get(job.job_id), report)
            return Finding(State.CANCELLED, "cancelled-running" if owed else "cancelled", report=report)
        return Finding(State.FAILED, report.reason.value, report=report)

    def _run_sealed(self, launch: Launch) -> RunReport | None:
        """Run, or return None when it could not even start; why is for the operator's log alone.

        Raises:
            DatasetError: the data can't be read, or has changed.
            EngineUnavailableError: the engine is away; the job waits for it.
        """
        job = launch.job
        try:
            return self._launcher.run(
                launch,
                on_start=lambda: self._begin(job),
                cancelled=lambda: self._jobs.is_cancel_requested(job.job_id),
            )
        except EngineUnavailableError:
            raise
        except SandboxError:
            log.exception("job %s could not be started", job.job_id)
            return None

    def _begin(self, job: JobRecord) -> None:
        code = "sealed-run"
        message, now = describe(code).message, self._place.clock()
        self._jobs.begin(job.job_id, code=code, message=message, now=now, attempt=job.attempt + 1)

    def _gate(self, launch: Launch, policy: Policy, report: RunReport, work: Path) -> Finding:
        self._move(launch.job, State.CHECKING, "gate")
        gate = check_release(
            launch.bundle.manifest.outputs,
            policy.outputs,
            produced=report.outputs,
            folder=work / "released",
            refused=report.refused,
            side_bits=policy.side_information_bits,
        )
        tests = policy.privacy.tests
        if tests is not None and gate.verdict is GateVerdict.RELEASED:
            measurement = Measurement(launch, tests, gate)
            results = measure(
                self._engine, measurement, lambda target: self._launcher.stage_whole(target, launch)
            )
            gate = add_results(gate, results, review=policy.review is not None)
        if gate.verdict is GateVerdict.RELEASED:
            return Finding(State.RELEASED, "released", report=report, gate=gate)
        return Finding(State.WITHHELD, "withheld", rule=gate.rule, report=report, gate=gate)

    def _finish(self, job: JobRecord, evaluation: Evaluation, finding: Finding) -> None:
        report, gate = finding.report, finding.gate
        log_blob = self._keep_log(evaluation, report)
        if report is not None and gate is not None and gate.released:
            demands = find_demands(evaluation, gate)
            if demands:
                self._reviewing.hold(job, evaluation, Checked(report, gate, log_blob), demands)
                return
        release = None
        if finding.state is State.RELEASED and gate is not None:
            release = self._blobs.put(self._registrar.seal(job, gate.released))
        current = self._jobs.get(job.job_id)
        ending = Ending(
            state=finding.state,
            code=finding.code,
            message=describe(
                finding.code, rule=finding.rule, detail=finding.detail, job_id=job.job_id
            ).message,
            order_ids=evaluation.open_order_ids,
            ran=is_owed(current, report),
            release=release,
            log_blob=log_blob,
            untouched=report is not None and not report.ordered,
        )
        self._registrar.finish(
            current, ending, evaluation, rule=finding.rule or finding.code, report=report, gate=gate
        )

    def _keep_log(self, evaluation: Evaluation, report: RunReport | None) -> str | None:
        """Return the blob of what the algorithm printed, where a policy lets somebody read it."""
        if (
            report is None
            or report.log is None
            or evaluation.policy is None
            or evaluation.policy.logs == "nobody"
        ):
            return None
        output = report.log.read_bytes()
        return self._blobs.put(output) if output else None

    def _move(self, job: JobRecord, state: State, code: str, *, attempt: int | None = None) -> bool:
        source = self._jobs.get(job.job_id).state
        message, now = describe(code, job_id=job.job_id).message, self._place.clock()
        return self._jobs.move(
            job.job_id, source, state, code=code, message=message, now=now, attempt=attempt
        )
