"""Tries a job on this machine: the same image, seal and gate as at a provider, on data that is one's own or nobody's.

- The rules of a policy that a bundle alone can break are judged before anything runs; whom and what the chain knows is not asked.
- Nothing is signed, ordered or paid; there is no chain, no provider and no account in it.
- The data is the user's, so the log and every file are shown, also what the gate would hold back.

Not checked here: whether a provider would run it at all (purpose, approval, budget). `sealroom job preflight` says that.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.errors import InputError
from cli.localruns import WIDEST, check_image, name_run, run_here
from cli.trymeasured import LocalRun, hold_back_rows, make_tests
from policies.canonical import DIGEST_PREFIX
from policies.decide import AssetFacts, EnvironmentFacts, RequestFacts, RuleVerdict, Verdict, decide_job
from policies.documents import parse_yaml
from policies.model import Policy
from policies.runtimes import choose_runtime
from policies.terms import Term
from provider.gate.decide import check_release
from provider.gate.declaration import algorithm_facts
from provider.gate.report import GateReport
from provider.limits import run_limits
from provider.privacy.assessment import Assessment, Counted, assess
from sandbox.bundle import Bundle, apply_parameters, check_parameters
from sandbox.spec import ExitReason, RunReport, RunSpec, Runtime
from sandbox.staging import StagedDataset, stage

if TYPE_CHECKING:
    from policies.mechanisms import PrivacyCost
    from provider.description import Description
    from sandbox.engine import Engine
    from sandbox.recipe import Recipe

OWN_POLICY = Policy(purposes=(Term(term="DUO:0000042"),), consumers="anyone", outputs=WIDEST)
"""What holds where no policy is given: every default, and all that is declared leaves."""
JUDGED = frozenset(
    {
        *("image-allowed", "image-present", "runtime-available", "gpus-allowed"),
        *("outputs-allowed", "privacy-mechanism", "privacy-budget", "privacy-measurable", "dataset-alone"),
    }
)
"""The rules that policy, bundle, engine and public description decide among themselves; the budget as if nothing was spent."""
NOBODY = "0x" + "00" * 20
PRODUCED, RELEASED, LOG = "produced", "released", "log.txt"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is tried: a bundle with parameters, on data, under a policy.

    `description` is the public one of the dataset that it is for: a recipe's noise follows from the rows that it tells of.
    """

    bundle: Bundle
    parameters: Mapping[str, Any]
    data: tuple[StagedDataset, ...]
    policy: Policy = OWN_POLICY
    description: Description | None = None

    @property
    def recipe(self) -> Recipe | None:
        """The recipe as the parameters have it; None for code."""
        recipe = self.bundle.manifest.recipe
        return apply_parameters(recipe, dict(self.parameters)) if recipe is not None else None


@dataclass(frozen=True, slots=True)
class TryReport:
    """What came of it: the rules that deny it before it runs, or else its run and what the gate says of that.

    `gate` is None where the algorithm did not end by itself and well: then there is nothing to judge.
    """

    denied: tuple[RuleVerdict, ...]
    cost: PrivacyCost | None = None
    run: RunReport | None = None
    gate: GateReport | None = None

    @property
    def verdict(self) -> str:
        """REFUSED, FAILED, WITHHELD or RELEASED."""
        if self.run is None:
            return "REFUSED"
        return self.gate.verdict.value if self.gate is not None else "FAILED"

    @property
    def rule(self) -> str:
        """What decided, when it was not released: a rule of the policy or the gate, or how the run ended."""
        if self.run is None:
            return self.denied[0].name
        return self.gate.rule if self.gate is not None else self.run.reason.value

    @property
    def log(self) -> str:
        """What the algorithm printed, as far as the policy's limit keeps it."""
        path = self.run.log if self.run is not None else None
        return path.read_bytes().decode(errors="replace") if path is not None else ""


def parse_parameters(text: str) -> dict[str, Any]:
    """Read a job's parameters as they would stand in job.yaml, such as `{epochs: 40}`.

    Raises:
        DocumentError: it is no mapping.
    """
    return parse_yaml(text.encode(), document="parameters")


def try_job(
    engine: Engine, attempt: Attempt, folder: Path, *, on_start: Callable[[RunSpec], None]
) -> TryReport:
    """Judge, run and judge again below `folder`, which must not exist yet; `on_start` is called before it runs.

    Raises:
        BundleInvalidError: the parameters are not what the bundle takes.
        ImageMissingError: the engine doesn't hold the image.
        StackError: the container could not be sealed or was lost.
        DatasetError: the policy holds rows back, and the data can't be read as tables.
        StagingError, EngineUnavailableError, DeviceMissingError: see `stage` and `run_sealed`.
    """
    manifest = attempt.bundle.manifest
    check_parameters(manifest, dict(attempt.parameters))
    check_image(engine, manifest.image)
    runtimes = frozenset(runtime.value for runtime in engine.runtimes())
    assessed = assess(attempt.recipe, attempt.policy.privacy, attempt.description, Counted())
    denied = find_denials(attempt, assessed, runtimes)
    cost = assessed.facts.cost
    if denied:
        return TryReport(denied, cost)
    spec = plan(attempt, runtimes, folder / "inputs")
    data = hold_back_rows(attempt.data, attempt.policy)
    stage(spec.inputs, data, attempt.bundle, attempt.parameters, orders=assessed.orders)
    on_start(spec)
    report = run_here(engine, spec, folder / "outputs", kind="trial")
    return TryReport((), cost, report, _judge(engine, attempt, spec, report, folder))


def find_denials(attempt: Attempt, assessed: Assessment, runtimes: frozenset[str]) -> tuple[RuleVerdict, ...]:
    """Return the rules of the policy that the bundle breaks, whoever asked and whatever the owner approved."""
    policy, manifest = attempt.policy, attempt.bundle.manifest
    decision = decide_job(
        policy,
        RequestFacts(NOBODY, policy.purposes[0].text, attempt.bundle.digest, NOBODY, 1, len(attempt.data)),
        algorithm_facts(manifest, policy.outputs),
        None,
        AssetFacts(attempt.data[0].asset_id, NOBODY, NOBODY, policy.digest, retired=False),
        EnvironmentFacts(0, NOBODY, runtimes, image_present=True),
        privacy=assessed.facts,
    )
    return tuple(rule for rule in decision.rules if rule.name in JUDGED and rule.verdict is Verdict.DENY)


def plan(attempt: Attempt, runtimes: frozenset[str], inputs: Path) -> RunSpec:
    """Return the run, as a provider under this policy would plan it.

    Raises:
        RuntimeUnavailableError: the engine has no runtime that the policy allows.
    """
    manifest, policy = attempt.bundle.manifest, attempt.policy
    run_id, owner = name_run("trial")
    return RunSpec(
        run_id=run_id,
        owner=owner,
        image=manifest.image,
        runtime=Runtime(choose_runtime(policy, runtimes, gpus=manifest.gpus)),
        argv=manifest.argv,
        inputs=inputs,
        dataset_ids=tuple(dataset.asset_id for dataset in attempt.data),
        algorithm_id=attempt.bundle.digest.removeprefix(DIGEST_PREFIX),
        limits=run_limits(policy.limits),
        gpus=manifest.gpus,
    )


def keep_results(report: TryReport, folder: Path) -> tuple[str, ...]:
    """Copy what came out into a new folder, and return the names: the log, what was produced, what would be released.

    Raises:
        InputError: the folder is there already, or can't be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True)
        (folder / LOG).write_text(report.log)
        produced = report.run.outputs if report.run else ()
        names = [_copy(file.content, folder, f"{PRODUCED}/{file.path}") for file in produced]
        released = report.gate.released if report.gate else ()
        names += [_copy(file.path, folder, f"{RELEASED}/{file.name}") for file in released]
    except OSError as exc:
        raise InputError(f"{folder}: can't be written: {exc.strerror}", code="target-unwritable") from exc
    return (LOG, *names)


def _copy(source: Path, folder: Path, name: str) -> str:
    (folder / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(source, folder / name)
    return name


def _judge(
    engine: Engine, attempt: Attempt, spec: RunSpec, report: RunReport, folder: Path
) -> GateReport | None:
    if report.reason is not ExitReason.COMPLETED:
        return None
    gate = check_release(
        attempt.bundle.manifest.outputs,
        attempt.policy.outputs,
        produced=report.outputs,
        folder=folder / RELEASED,
        refused=report.refused,
        side_bits=attempt.policy.side_information_bits,
    )
    run = LocalRun(attempt.bundle, attempt.parameters, spec, folder / "outputs", attempt.data, attempt.policy)
    return make_tests(engine, run, gate)
