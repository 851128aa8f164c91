"""The set-up of the engine: what it does to one that is ours, to somebody else's, and to what stands there already.

The engine is played by two small programs, so that the one under which other tests run is left alone: `docker`, which
answers with the runtimes of a file, and `dockerd`, which reads its configuration into that file at every SIGHUP.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox_fixtures import ROOT

NEEDED = ["--network=none", "--oci-seccomp"]
DOCKER = """#!/bin/sh
[ ! -e '{folder}/down' ] || exit 1
case "$*" in *Runtimes*) cat '{folder}/runtimes' ;; esac
"""
STARTED = """#!/bin/sh
echo started >>'{folder}/starts'
[ "$(wc -l <'{folder}/starts')" = 2 ] || exit 1
ls '{folder}/runs' >'{folder}/seen'
rm '{folder}/down'
exec sleep 30
"""
DOCKERD = """#!/bin/sh
reload() {{
    python3 -c 'import json, sys; json.dump(json.load(open(sys.argv[1])).get("runtimes", {{}}), open(sys.argv[2], "w"))' \\
        '{folder}/daemon.json' '{folder}/runtimes.new'
    mv '{folder}/runtimes.new' '{folder}/runtimes'
    echo reloaded >>'{folder}/heard'
}}
trap reload HUP
echo ready
while read -r line; do :; done
while :; do sleep 0.1; done
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine whose engine has some configuration, and perhaps gVisor on its disk."""

    folder: Path

    def configure(self, config: dict[str, Any]) -> None:
        """Let the engine have been started with `config`."""
        (self.folder / "daemon.json").write_text(json.dumps(config))
        (self.folder / "runtimes").write_text(json.dumps(config.get("runtimes", {})))

    def set_up(self, *, ours: bool, **environment: str) -> str:
        """Run the script, and return what it said."""
        bin_ = self.folder / "bin"
        variables = {
            **os.environ,
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "SEALROOM_ENGINE_CONFIG": str(self.folder / "daemon.json"),
            "SEALROOM_ENGINE_PID": str(self.folder / ("pid" if ours else "no-pid")),
            "SEALROOM_ENGINE_LOG": str(self.folder / "log"),
            "SEALROOM_ENGINE_RUNS": str(self.folder / "runs"),
            **environment,
        }
        done = subprocess.run(
            [ROOT / "deploy/setup/engine.sh"],
            check=True,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=variables,
            timeout=60,
        )
        assert done.stdout == ""
        return done.stderr

    @property
    def config(self) -> dict[str, Any]:
        """What the configuration is now."""
        found: dict[str, Any] = json.loads((self.folder / "daemon.json").read_text())
        return found

    @property
    def runtimes(self) -> dict[str, Any]:
        """What the engine itself knows now."""
        found: dict[str, Any] = json.loads((self.folder / "runtimes").read_text())
        return found

    @property
    def was_told(self) -> bool:
        """Whether the engine was signalled."""
        return (self.folder / "heard").exists()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("docker", DOCKER), ("dockerd", DOCKERD), ("runsc", "#!/bin/sh\n")):
        (programs / name).write_text(text.format(folder=tmp_path))
        (programs / name).chmod(0o755)
    found = Machine(tmp_path)
    found.configure({})
    with subprocess.Popen(
        [programs / "dockerd"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as dockerd:
        assert dockerd.stdout is not None
        assert dockerd.stdout.readline() == "ready\n"
        (tmp_path / "pid").write_text(f"{dockerd.pid}\n")
        yield found
        dockerd.kill()


def test_an_engine_of_ours_is_told_of_gvisor_and_goes_on(machine: Machine) -> None:
    said = machine.set_up(ours=True)
    assert "registering" in said
    assert machine.was_told
    assert machine.runtimes["runsc"]["runtimeArgs"] == NEEDED
    assert Path(machine.runtimes["runsc"]["path"]) == machine.folder / "bin" / "runsc"


def test_an_outdated_registration_is_completed_and_all_else_is_kept(machine: Machine) -> None:
    runsc = {"path": "/opt/runsc", "runtimeArgs": ["--platform=kvm", "--network=none"]}
    machine.configure({"data-root": "/srv", "runtimes": {"runsc": runsc, "kata": {"path": "/opt/kata"}}})
    machine.set_up(ours=True)
    wanted = {"path": "/opt/runsc", "runtimeArgs": ["--platform=kvm", "--network=none", "--oci-seccomp"]}
    assert machine.config == {
        "data-root": "/srv",
        "runtimes": {"runsc": wanted, "kata": {"path": "/opt/kata"}},
    }
    assert machine.runtimes["runsc"] == wanted


def test_a_second_run_changes_nothing_and_says_nothing(machine: Machine) -> None:
    machine.set_up(ours=True)
    (machine.folder / "heard").unlink()
    before = (machine.folder / "daemon.json").read_bytes()
    assert machine.set_up(ours=True) == ""
    assert (machine.folder / "daemon.json").read_bytes() == before
    assert not machine.was_told


def test_somebody_elses_engine_is_left_alone_and_its_lack_is_said(machine: Machine) -> None:
    machine.configure({"runtimes": {"runsc": {"path": "/usr/bin/runsc", "runtimeArgs": ["--network=none"]}}})
    before = machine.config
    said = machine.set_up(ours=False)
    assert '"--oci-seccomp"' in said
    assert "reload" in said
    assert machine.config == before
    assert not machine.was_told


def test_a_process_that_only_has_the_remembered_number_is_not_taken_for_our_engine(machine: Machine) -> None:
    (machine.folder / "pid").write_text(f"{os.getpid()}\n")
    machine.set_up(ours=True)
    assert machine.config == {}


def test_gvisor_is_left_out_where_it_is_not_wanted(machine: Machine) -> None:
    assert machine.set_up(ours=True, SEALROOM_GVISOR="no") == ""
    assert machine.config == {}
    assert not machine.was_told


def test_an_engine_that_ends_at_its_start_is_started_again_without_notes_on_dead_sandboxes(
    machine: Machine,
) -> None:
    (machine.folder / "bin" / "dockerd").write_text(STARTED.format(folder=machine.folder))
    (machine.folder / "down").touch()
    runs = machine.folder / "runs"
    runs.mkdir()
    dead, alive = "d" * 64, "a" * 64
    kept = f"{alive}_sandbox:{alive}.state"
    for name in (f"{dead}_sandbox:{dead}.state", kept):
        (runs / name).write_text("{}")
    with subprocess.Popen(["python3", "-c", "input()", alive], stdin=subprocess.PIPE) as sandbox:
        said = machine.set_up(ours=False)
        sandbox.kill()
    os.kill(int((machine.folder / "no-pid").read_text()), signal.SIGKILL)
    assert said.count("starting dockerd") == 2
    assert (machine.folder / "seen").read_text().split() == [kept]
