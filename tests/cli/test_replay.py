"""Jobs that are run again from their receipts, in real containers: what is the same, what differs, what is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from cli.bundles import write_bundle
from cli.context import Session
from cli.distances import TensorDistance, measure_files
from cli.errors import ExitCode, InputError, MismatchError
from cli.main import run
from cli.output import Output
from cli.repetition import Ending, Replay, Verdict
from cli.replaying import Materials, replay
from policies.canonical import digest_of, digest_text
from provider.datasets import commit_entries, hash_files, list_files
from provider.receipts.errors import StatementRefusedError
from sandbox.bundle import load_bundle
from sandbox.determinism import variables
from sandbox.engine import DockerEngine
from sandbox.errors import ImageMissingError
from sandbox.session import Session as Streams
from sandbox.spec import RunSpec, Runtime
from sandbox.staging import cleanup
from tests.cli.conftest import Desk
from tests.hospital_fixtures import Hospital
from tests.provider_fixtures import CSV, HONEST, make_bundle
from tests.replay_samples import Recorded, record
from tests.sandbox_fixtures import ROOT, list_runtimes

EXAMPLES = ROOT / "examples"
RANDOM = HONEST.replace("0.5, len(rows))", "0.5, int.from_bytes(os.urandom(2), 'big') + 1)")
BROKEN = "raise SystemExit('what it says is not for everybody')\n"
OLDER_PROCESSOR = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
}
LAST_DIGITS = 1e-6
Change = Callable[[Recorded, Path], Materials]
PICKLED = HONEST + "out.joinpath('more.pkl').write_bytes(b'rows')\n"


class NoRuns(DockerEngine):
    """The real engine, on which nothing may be started."""

    def start(self, spec: RunSpec) -> Streams:
        raise AssertionError(f"{spec.run_id} was started")


class Stopped(DockerEngine):
    """The real engine, whose user is told to end as soon as a container has started."""

    number = signal.SIGTERM

    def limits_in_force(self, run_id: str) -> dict[str, str]:
        os.kill(os.getpid(), self.number)
        return super().limits_in_force(run_id)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield tmp_path
    cleanup(tmp_path)


@pytest.fixture
def wards(work: Path) -> Path:
    path = work / "wards.csv"
    path.write_text(CSV)
    return path


def again(engine: DockerEngine, job: Recorded | Materials, work: Path) -> Replay:
    materials = job.materials() if isinstance(job, Recorded) else job
    return replay(engine, materials, work / "again", any_runtime=False, on_start=lambda _: None)


def audit(
    job: str | Path, *words: str | Path, session: Session | None = None, as_json: bool = True
) -> ExitCode:
    session = session or Session(environ={}, output=Output(), interactive=False, home_path=Path("/nowhere"))
    return run(["audit", "replay", str(job), *map(str, words), *(["--json"] if as_json else [])], session)


# The same comes out


def test_the_owner_repeats_a_job_of_a_provider_by_its_id_and_the_weights_are_the_same(
    hospital: Hospital, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = hospital.lab
    asset, bundle = hospital.accepted()
    ask = {"asset_id": asset.asset_id, "algorithm": bundle.digest, "purpose": "DUO:0000006"}
    lab.act(lab.people.scientist, "approval.request", ask)
    job_id = hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, job_id)
    hospital.work()
    session = desk.session("owner", lab.people.owner)
    assert audit(job_id, "--data", lab.home / "data" / "wards.csv", session=session) is ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["job_id"]) == ("reproduced", job_id)
    assert [file["same"] for file in found["files"]] == [True, True]
    assert all(item["receipt"] == item["here"] for item in found["conditions"])


def test_an_algorithm_in_oceans_form_gives_the_same_weights_again_on_gvisor_and_without(
    engine: DockerEngine, image_digest: str, work: Path
) -> None:
    bundle = load_bundle(EXAMPLES / "algorithms" / "ocean_regression", image=image_digest)
    data, runtime = EXAMPLES / "breast_cancer" / "wdbc.csv", list_runtimes()[-1]
    job = record(engine, bundle, data, work / "first", runtime=runtime)
    assert job.facts.sandbox is not None
    plain = job.claim(sandbox=dataclasses.replace(job.facts.sandbox, runtime=Runtime.RUNC.value))
    assert again(engine, plain, work).verdict is Verdict.REPRODUCED


@pytest.fixture(scope="module")
def network(
    engine: DockerEngine, image_digest: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recorded]:
    """The example network, trained once."""
    folder = tmp_path_factory.mktemp("network")
    bundle = load_bundle(EXAMPLES / "algorithms" / "torch_mlp", image=image_digest)
    yield record(
        engine, bundle, EXAMPLES / "breast_cancer" / "wdbc.csv", folder / "first", parameters={"seed": 7}
    )
    cleanup(folder)


def test_the_example_network_gives_the_same_weights_again(
    engine: DockerEngine, network: Recorded, work: Path
) -> None:
    found = again(engine, network, work)
    assert found.verdict is Verdict.REPRODUCED
    assert [file.name for file in found.files] == ["metrics.json", "model.safetensors"]


def test_with_the_instructions_of_an_older_processor_the_last_digits_differ_and_no_metric(
    engine: DockerEngine, network: Recorded, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.seal.variables", lambda threads: variables(threads) | OLDER_PROCESSOR)
    found = again(engine, network, work)
    assert [(file.name, file.is_same) for file in found.files] == [
        ("metrics.json", True),
        ("model.safetensors", False),
    ]
    measured = measure_files(found.files, network.released, network.bundle.manifest.outputs)
    tensors = [item for item in measured["model.safetensors"] if isinstance(item, TensorDistance)]
    assert 0 < max(item.max_absolute or 0 for item in tensors) < LAST_DIGITS
    assert all((item.cosine or 0) > 1 - LAST_DIGITS for item in tensors)


@pytest.mark.parametrize("runtime", list_runtimes())
def test_a_job_is_repeated_on_the_runtime_that_its_receipt_names(
    engine: DockerEngine, image_digest: str, wards: Path, work: Path, runtime: Runtime
) -> None:
    job = record(engine, make_bundle(image=image_digest), wards, work / "first", runtime=runtime)
    found = again(engine, job, work)
    assert found.verdict is Verdict.REPRODUCED
    assert {item.name: item.here for item in found.conditions}["runtime"] == runtime
    assert [item.name for item in found.conditions if item.receipt != item.here] == ["descriptions"]


def test_where_the_engine_lacks_the_runtime_nothing_runs_unless_another_is_admitted_and_said(
    engine: DockerEngine,
    image_digest: str,
    wards: Path,
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = record(engine, make_bundle(image=image_digest), wards, work / "first")
    assert job.facts.sandbox is not None
    elsewhere = job.claim(sandbox=dataclasses.replace(job.facts.sandbox, runtime="runsc"))
    monkeypatch.setattr(DockerEngine, "runtimes", lambda _: frozenset({Runtime.RUNC}))
    receipt = elsewhere.write_receipt(work)
    write_bundle(job.bundle, work / "bundle")
    words = (receipt, "--data", wards, "--bundle", work / "bundle")
    assert audit(*words) is ExitCode.UNREACHABLE
    assert "runsc" in capsys.readouterr().err
    assert audit(*words, "--any-runtime") is ExitCode.OK
    out, err = capsys.readouterr()
    assert {"name": "runtime", "receipt": "runsc", "here": "runc"} in json.loads(out)["conditions"]
    assert "this engine has no runsc: the job runs on runc, another seal" in err


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_replay_that_is_told_to_end_leaves_no_container_and_no_copy_of_the_data(
    engine: DockerEngine,
    image_digest: str,
    wards: Path,
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    job = record(engine, make_bundle(image=image_digest), wards, work / "first")
    receipt, bundle = job.write_receipt(work), work / "bundle"
    write_bundle(job.bundle, bundle)
    monkeypatch.setattr(Stopped, "number", number)
    monkeypatch.setattr("sandbox.engine.DockerEngine", Stopped)
    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, usual)  # tests in the background may ignore it
    try:
        assert audit(receipt, "--data", wards, "--bundle", bundle) is ExitCode.INTERRUPTED
        assert signal.getsignal(number) is usual
    finally:
        signal.signal(number, before)
    assert engine.reap(f"sealroom-replay-{os.getpid()}") == []
    assert list(work.glob("sealroom-replay-*")) == []


# Something else comes out


def test_weights_that_are_drawn_at_random_differ_and_how_far_is_told_for_each_tensor(
    engine: DockerEngine, image_digest: str, wards: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = record(engine, make_bundle(RANDOM, image=image_digest), wards, work / "first")
    receipt, bundle, kept = job.write_receipt(work), work / "bundle", work / "kept"
    write_bundle(job.bundle, bundle)
    words = ("--data", wards, "--bundle", bundle, "--released", job.released, "-o", kept)
    assert audit(receipt, *words) is ExitCode.VERIFICATION
    found = json.loads(capsys.readouterr().out)
    metrics, weights = found["files"]
    assert (found["verdict"], metrics["same"], weights["same"]) == ("differs", True, False)
    (tensor,) = weights["distances"]
    before, after = (load_file(folder / "model.safetensors")["w"] for folder in (job.released, kept))
    assert (tensor["name"], tensor["elements"], tensor["differing"]) == ("w", 2, 1)
    assert tensor["max_absolute"] == pytest.approx(abs(float(before[1]) - float(after[1])))
    assert 0 < tensor["max_relative"] < 1
    assert digest_of((kept / "model.safetensors").read_bytes()) == weights["here"]
    assert list(work.glob("sealroom-replay-*")) == []


def test_a_person_reads_what_is_the_same_what_differs_and_by_how_much(
    engine: DockerEngine, image_digest: str, wards: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = record(engine, make_bundle(RANDOM, image=image_digest), wards, work / "first")
    write_bundle(job.bundle, work / "bundle")
    words = ("--data", wards, "--bundle", work / "bundle", "--released", job.released)
    assert audit(job.write_receipt(work), *words, as_json=False) is ExitCode.VERIFICATION
    out, err = capsys.readouterr()
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "runtime runc runc same" in lines
    assert "ended released completed released completed same" in lines
    assert any(line.startswith("metrics.json sha256:") and line.endswith(" same") for line in lines)
    assert any(line.startswith("model.safetensors sha256:") and line.endswith(" differs") for line in lines)
    assert any(line.startswith("w 2 1 ") for line in lines)
    assert lines[-1] == f"DIFFERS: job {job.facts.job.id}"
    assert f"job {job.facts.job.id} runs again, for at most 600 s" in err


def test_a_receipt_for_another_ending_is_told_as_such(
    engine: DockerEngine, image_digest: str, wards: Path, work: Path
) -> None:
    job = record(engine, make_bundle(image=image_digest), wards, work / "first")
    facts = job.facts
    assert facts.run is not None
    stopped = job.claim(
        run=dataclasses.replace(facts.run, reason="timeout"),
        outputs=(),
        egress=dataclasses.replace(
            facts.egress, verdict="WITHHELD", outcome="failed", rule="timeout", checks=()
        ),
    )
    found = again(engine, stopped, work)
    assert found.verdict is Verdict.ENDED_OTHERWISE
    assert (found.receipt, found.here) == (
        Ending("failed", "timeout", "timeout"),
        Ending("released", "completed", ""),
    )


@pytest.mark.parametrize(
    ("source", "ending"),
    [
        (BROKEN, Ending("failed", "algorithm-failed", "algorithm-failed")),
        (PICKLED, Ending("withheld", "completed", "only-declared-files")),
    ],
    ids=["failed", "withheld"],
)
def test_a_job_that_released_nothing_is_repeated_as_to_its_end(
    engine: DockerEngine, image_digest: str, wards: Path, work: Path, source: str, ending: Ending
) -> None:
    job = record(engine, make_bundle(source, image=image_digest), wards, work / "first")
    found = again(engine, job, work)
    assert (found.verdict, found.receipt, found.here, found.files) == (
        Verdict.REPRODUCED,
        ending,
        ending,
        (),
    )


# Nothing runs that is not the receipt's


@pytest.fixture(scope="module")
def claimed(
    engine: DockerEngine, image_digest: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recorded]:
    """A job that ran, for tests in which nothing may run again."""
    folder = tmp_path_factory.mktemp("claimed")
    (folder / "wards.csv").write_text(CSV)
    yield record(engine, make_bundle(image=image_digest), folder / "wards.csv", folder / "first")
    cleanup(folder)


@pytest.fixture
def idle() -> Iterator[DockerEngine]:
    found = NoRuns()
    yield found
    found.close()


def other_data(job: Recorded, work: Path) -> Materials:
    (work / "wards.csv").write_text(CSV.replace("20,0", "20,1"))
    return job.materials(data=(work / "wards.csv",))


def other_name(job: Recorded, work: Path) -> Materials:
    (work / "patients.csv").write_text(CSV)
    return job.materials(data=(work / "patients.csv",))


def other_bundle(job: Recorded, _work: Path) -> Materials:
    return job.materials(bundle=make_bundle(HONEST + "# changed\n", image=job.bundle.manifest.image))


def other_image(job: Recorded, _work: Path) -> Materials:
    return job.claim(inputs=dataclasses.replace(job.facts.inputs, image=digest_of(b"other"))).materials()


def other_parameters(job: Recorded, _work: Path) -> Materials:
    return job.claim(inputs=dataclasses.replace(job.facts.inputs, parameters={"seed": 2})).materials()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (other_data, "dataset-differs"),
        (other_name, "dataset-differs"),
        (other_bundle, "algorithm-differs"),
        (other_image, "image-differs"),
        (other_parameters, "parameters-differs"),
    ],
)
def test_what_is_not_the_receipts_is_refused_before_anything_runs(
    claimed: Recorded, idle: DockerEngine, work: Path, change: Change, code: str
) -> None:
    with pytest.raises(MismatchError) as refused:
        again(idle, change(claimed, work), work)
    assert refused.value.code == code
    assert refused.value.remedy


def test_an_image_that_the_engine_lacks_is_named(claimed: Recorded, idle: DockerEngine, work: Path) -> None:
    bundle = make_bundle(image=digest_of(b"nowhere"))
    inputs = dataclasses.replace(claimed.facts.inputs, image=bundle.manifest.image, algorithm=bundle.digest)
    with pytest.raises(ImageMissingError, match=bundle.manifest.image):
        again(idle, claimed.claim(inputs=inputs).materials(bundle=bundle), work)


def test_one_path_is_needed_for_each_dataset(claimed: Recorded, idle: DockerEngine, work: Path) -> None:
    for data in ((), (claimed.data, claimed.data), (work / "nowhere.csv",)):
        with pytest.raises(InputError) as refused:
            again(idle, claimed.materials(data=data), work)
        assert refused.value.code == "data-missing"


def test_data_is_taken_in_the_order_of_the_receipt(claimed: Recorded, idle: DockerEngine, work: Path) -> None:
    (other := work / "other.csv").write_text("x\n1\n")
    (first,) = claimed.facts.inputs.datasets
    commitment = digest_text(commit_entries(hash_files(list_files(other))))
    second = dataclasses.replace(first, asset_id="b2" * 32, token_id=2, commitment=commitment)
    facts = dataclasses.replace(
        claimed.facts, inputs=dataclasses.replace(claimed.facts.inputs, datasets=(first, second))
    )
    job = dataclasses.replace(claimed.materials().job, facts=facts)
    with pytest.raises(MismatchError, match=f"dataset {first.asset_id}"):
        again(idle, claimed.materials(job=job, data=(other, claimed.data)), work)
    cleanup(work / "again")
    with pytest.raises(AssertionError, match="was started"):  # so all that is checked before was right
        again(idle, claimed.materials(job=job, data=(claimed.data, other)), work)


def test_a_link_among_the_data_is_not_followed(claimed: Recorded, idle: DockerEngine, work: Path) -> None:
    (work / "wards.csv").symlink_to(claimed.data)
    with pytest.raises(InputError, match="symbolic link"):
        again(idle, claimed.materials(data=(work / "wards.csv",)), work)


@pytest.mark.parametrize("reason", ["engine-failed", "probe-failed", "cancelled"])
def test_an_end_that_was_not_the_algorithms_doing_can_not_be_repeated(
    claimed: Recorded, idle: DockerEngine, work: Path, reason: str
) -> None:
    facts = claimed.facts
    assert facts.run is not None
    ended = claimed.claim(
        run=dataclasses.replace(facts.run, reason=reason),
        outputs=(),
        egress=dataclasses.replace(
            facts.egress, verdict="WITHHELD", outcome="failed", rule=reason, checks=()
        ),
    )
    with pytest.raises(InputError, match=reason):
        again(idle, ended, work)


def test_a_job_that_never_ran_can_not_be_repeated(claimed: Recorded, idle: DockerEngine, work: Path) -> None:
    refused = claimed.claim(
        run=None,
        sandbox=None,
        outputs=(),
        egress=dataclasses.replace(
            claimed.facts.egress, verdict="WITHHELD", outcome="refused", rule="order-used", checks=()
        ),
    )
    with pytest.raises(InputError, match="before it ran"):
        again(idle, refused, work)


@pytest.mark.parametrize(
    ("name", "value"),
    [("runtime", "kata"), ("limits", {}), ("limits", {"time_s": "60"}), ("limits", {"cpus": "many"})],
)
def test_a_seal_that_this_version_does_not_know_is_refused(
    claimed: Recorded, idle: DockerEngine, work: Path, name: str, value: Any
) -> None:
    assert claimed.facts.sandbox is not None
    if "cpus" in value:
        value = claimed.facts.sandbox.limits | value
    changed = claimed.claim(sandbox=dataclasses.replace(claimed.facts.sandbox, **{name: value}))
    with pytest.raises(StatementRefusedError):
        again(idle, changed, work)


def test_released_files_that_are_not_the_receipts_are_refused_by_the_command(
    claimed: Recorded, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt, released = claimed.write_receipt(work), work / "fetched"
    write_bundle(claimed.bundle, work / "bundle")
    words = ("--data", claimed.data, "--bundle", work / "bundle", "--released", released)
    assert audit(receipt, *words) is ExitCode.USAGE
    shutil.copytree(claimed.released, released)
    (released / "metrics.json").write_bytes(b'{"loss":0.0000}')
    assert audit(receipt, *words) is ExitCode.VERIFICATION
    assert '"code": "released-differs"' in capsys.readouterr().out


def test_what_is_no_receipt_no_job_or_no_description_is_refused_in_words(
    claimed: Recorded, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt, junk = claimed.write_receipt(work), work / "junk"
    junk.write_bytes(b"{}")
    write_bundle(claimed.bundle, work / "bundle")
    words = ("--data", claimed.data, "--bundle", work / "bundle")
    assert audit("neither", *words) is ExitCode.USAGE
    assert audit(junk, *words) is ExitCode.VERIFICATION
    assert audit(receipt, *words, "--description", junk) is ExitCode.VERIFICATION
    assert audit(receipt, *words, "-o", work) is ExitCode.USAGE
    assert "bug" not in capsys.readouterr().out
