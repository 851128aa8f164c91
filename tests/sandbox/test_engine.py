"""The container engine: what is asked of it, and what is said when it doesn't answer."""

from __future__ import annotations

import gc
import os
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sandbox.engine import DockerEngine
from sandbox.errors import EngineUnavailableError, ImageMissingError, RuntimeMissingError
from sandbox.run import run_sealed
from sandbox.seal import container_name, container_options
from sandbox.spec import ExitReason, RunSpec, Runtime
from sandbox.staging import stage
from tests.sandbox_fixtures import IMAGE, OWNER, ROOT, Bench, make_bundle, make_spec


def left_behind(bench: Bench, run_id: str, *, owner: str = OWNER) -> RunSpec:
    """Start a container as a worker that is then killed would, and return its spec."""
    inputs = bench._folder / run_id
    if not inputs.exists():
        stage(inputs, [], make_bundle("pass", image=bench.image), {})
    spec = make_spec(inputs, run_id=run_id, image=bench.image, owner=owner)
    bench.engine.start(spec).close()
    return spec


def test_an_engine_that_does_not_answer_is_said_so_without_its_path(tmp_path: Path) -> None:
    engine = DockerEngine(f"unix://{tmp_path}/none.sock")
    for act in (engine.check, engine.runtimes, engine.image_digests, lambda: engine.reap(OWNER)):
        with pytest.raises(EngineUnavailableError, match=r"deploy/setup/engine\.sh") as caught:
            act()
        assert str(tmp_path) not in str(caught.value)
    del caught
    gc.collect()  # a socket left open would be heard of here


def test_a_run_on_an_engine_that_does_not_answer_starts_nothing(tmp_path: Path) -> None:
    engine = DockerEngine(f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineUnavailableError):
        run_sealed(
            engine, make_spec(tmp_path), folder=tmp_path / "o", on_event=print, cancelled=lambda: False
        )
    assert not (tmp_path / "o").exists()
    gc.collect()


def test_images_are_known_by_digest_only(engine: DockerEngine, image_digest: str) -> None:
    assert engine.has_image(image_digest)
    assert image_digest in engine.image_digests()
    assert not engine.has_image(IMAGE)
    assert not engine.has_image(image_digest[:20])
    assert not engine.has_image("sealroom/python:latest")


def test_labels_are_those_of_the_image_with_this_digest_only(engine: DockerEngine, image_digest: str) -> None:
    assert "org.sealroom.inputs" in engine.image_labels(image_digest)
    for other in (IMAGE, image_digest[:20]):
        with pytest.raises(ImageMissingError):
            engine.image_labels(other)


def test_hole_21_what_a_killed_worker_left_is_reaped(bench: Bench, engine: DockerEngine) -> None:
    killed = f"{OWNER}-killed"
    left_behind(bench, "left-1", owner=killed)
    left_behind(bench, "left-2", owner=killed)
    left_behind(bench, "of-another")
    assert len(engine.reap(killed)) == 2
    assert engine.reap(killed) == []
    engine.remove("of-another")


def test_only_ones_own_containers_are_reaped(bench: Bench, engine: DockerEngine) -> None:
    left_behind(bench, "left-3")
    assert engine.reap(OWNER + "-other") == []
    assert len(engine.reap(OWNER)) == 1


def test_starting_the_same_run_again_leaves_one_container(bench: Bench, engine: DockerEngine) -> None:
    left_behind(bench, "left-4")
    left_behind(bench, "left-4")
    assert len(engine.reap(OWNER)) == 1


def test_removing_twice_is_fine(bench: Bench, engine: DockerEngine) -> None:
    spec = left_behind(bench, "left-5")
    engine.remove(spec.run_id)
    engine.remove(spec.run_id)
    with pytest.raises(EngineUnavailableError):
        engine.get_ending(spec.run_id, timeout_s=1)


def test_a_container_that_is_removed_in_the_middle_is_the_engines_fault(bench: Bench) -> None:
    class Removing(DockerEngine):
        """An engine whose container disappears as soon as the algorithm runs."""

        def __init__(self) -> None:
            super().__init__()
            self.run_id = ""

        def start(self, spec: RunSpec) -> object:  # type: ignore[override] # only passed on
            self.run_id = spec.run_id
            return super().start(spec)

    engine = Removing()

    def vanish() -> bool:
        if "running" in bench.events:
            engine.remove(engine.run_id)
        return False

    try:
        report = bench.run("while True: pass", Runtime.RUNC, engine=engine, cancelled=vanish)  # type: ignore[arg-type] # see start
    finally:
        engine.close()
    assert report.reason is ExitReason.ENGINE_FAILED
    assert not report.reason.ran


def test_the_memory_limit_is_heard_of_even_when_the_record_of_the_end_does_not_say_so(
    bench: Bench, runtime: Runtime
) -> None:
    """Under load an engine learns of it after the end, and tells it as an event only."""
    heard: list[bool] = []

    class Listening(DockerEngine):
        def remove(self, run_id: str) -> None:
            found = self._api.containers(all=True, filters={"name": container_name(run_id)})
            heard.extend(self._heard_of_memory(container["Id"]) for container in found)
            super().remove(run_id)

    engine = Listening()
    try:
        reports = [
            bench.run(code, runtime, engine=engine)
            for code in ("x = bytearray()\nwhile True: x += bytes(1 << 20)", "pass")
        ]
    finally:
        engine.close()
    assert [report.reason for report in reports] == [ExitReason.OUT_OF_MEMORY, ExitReason.COMPLETED]
    assert heard == [True, False]


def test_what_the_engine_is_asked_for_is_the_seal(engine: DockerEngine, tmp_path: Path) -> None:
    spec = make_spec(tmp_path)
    assert engine.options(spec) == container_options(spec)


def test_the_set_up_of_an_engine_that_answers_changes_nothing(engine: DockerEngine) -> None:
    engine.check()
    done = subprocess.run(
        [ROOT / "deploy/setup/engine.sh"],
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout == ""


def test_an_image_that_is_there_is_not_built_again(image_digest: str, tmp_path: Path) -> None:
    target = tmp_path / "image.id"
    environment = {**os.environ, "SEALROOM_CACHE": str(tmp_path / "cache"), "PYTHON": "no-such-python"}
    done = subprocess.run(
        [ROOT / "deploy/image/build.sh", "-o", target],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.stdout.strip(), target.read_text().strip()) == (image_digest, image_digest)
    assert not (tmp_path / "cache").exists()


def test_a_runtime_that_is_away_and_a_program_that_is_are_told_apart(
    bench: Bench, engine: DockerEngine
) -> None:
    stage(bench._folder / "absent", [], make_bundle("pass", image=bench.image), {})
    spec = make_spec(bench._folder / "absent", run_id="absent", image=bench.image)

    class Changing(DockerEngine):
        """An engine that is asked for something that it doesn't have."""

        change: ClassVar[dict[str, Any]] = {}

        def options(self, spec: RunSpec) -> dict[str, Any]:
            options = super().options(spec)
            options["HostConfig"] |= self.change.get("HostConfig", {})
            return options | {key: value for key, value in self.change.items() if key != "HostConfig"}

    changing = Changing()
    try:
        for change, expected in (
            ({"HostConfig": {"Runtime": "no-such-runtime"}}, RuntimeMissingError),
            ({"Entrypoint": ["no-such-program"]}, EngineUnavailableError),
        ):
            Changing.change = change
            with pytest.raises(EngineUnavailableError) as caught:
                changing.start(spec)
            assert type(caught.value) is expected
    finally:
        changing.close()
    assert engine.reap(OWNER) == []
