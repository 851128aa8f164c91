"""Holds rows back from a trial and makes the privacy tests of the mode `measured` on it, as a provider does.

The division of rows follows from the data at hand, so that other rows are held back than at the provider, as many in part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from provider.datasets import DatasetFile, commit_entries, hash_files
from provider.gate.holdback import HoldBack, MembersOnly, hold_back_of
from provider.gate.report import GateReport, GateVerdict, add_results
from provider.jobs.measuring import Measurement, measure
from sandbox.staging import StagedDataset, stage_datasets

if TYPE_CHECKING:
    from policies.policy import OutputsPolicy, Policy
    from sandbox.bundle import Bundle
    from sandbox.engine import Engine
    from sandbox.spec import RunSpec


@dataclass(frozen=True, slots=True)
class LocalRun:
    """A run on this machine, as the privacy tests want to know it."""

    bundle: Bundle
    parameters: Mapping[str, object]
    spec: RunSpec
    folder: Path
    data: tuple[StagedDataset, ...]
    policy: Policy

    @property
    def commitments(self) -> dict[str, bytes]:
        """To what each dataset hashes, by asset id."""
        return {dataset.asset_id: _commit(dataset) for dataset in self.data}

    @property
    def allowance(self) -> OutputsPolicy:
        """What may leave."""
        return self.policy.outputs

    @property
    def hold_back(self) -> HoldBack | None:
        """Which rows the algorithm does not see."""
        return hold_back_of(self.policy)


def hold_back_rows(data: Sequence[StagedDataset], policy: Policy) -> tuple[StagedDataset, ...]:
    """Return the data as a job under this policy is to see it.

    Raises:
        DatasetError: when it is staged, and a file of it is no table.
    """
    rule = hold_back_of(policy)
    if rule is None:
        return tuple(data)
    return tuple(replace(dataset, rewrite=MembersOnly(_commit(dataset), rule)) for dataset in data)


def make_tests(engine: Engine, run: LocalRun, gate: GateReport) -> GateReport:
    """Return what follows from the privacy tests, where the policy asks for them and there is something to test.

    Raises:
        EngineUnavailableError: the engine is away.
    """
    tests = run.policy.privacy.tests
    if tests is None or gate.verdict is not GateVerdict.RELEASED:
        return gate

    def stage_whole(target: Path) -> tuple[StagedDataset, ...]:
        stage_datasets(target, run.data)
        return run.data

    results = measure(engine, Measurement(run, tests, gate), stage_whole)
    return add_results(gate, results, review=run.policy.review is not None)


def _commit(dataset: StagedDataset) -> bytes:
    files = zip(dataset.names, dataset.files, strict=True)
    return commit_entries(hash_files([DatasetFile(name, path) for name, path in files]))
