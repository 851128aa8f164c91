"""What watches the attackers can see: a container that was written to, though its seal was left out, is told of."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from sandbox.seal import container_name
from sandbox.spec import RunSpec
from sandbox.staging import stage
from tests.attacks.watching import WatchedEngine
from tests.sandbox_fixtures import Bench, make_bundle, make_spec


class WritableEngine(WatchedEngine):
    def options(self, spec: RunSpec) -> dict[str, Any]:
        options = super().options(spec)
        options["HostConfig"]["ReadonlyRootfs"] = False
        return options


def test_what_is_written_to_a_containers_own_layer_is_noticed(bench: Bench, tmp_path: Path) -> None:
    staged = stage(tmp_path / "inputs", [bench.dataset(b"x\n")], make_bundle("pass", image=bench.image), {})
    spec = make_spec(staged.root, run_id=f"{tmp_path.name}-written".replace("_", "-"), image=bench.image)
    engine = WritableEngine()
    session = engine.start(spec)
    write = ["docker", "exec", "--user", "0", container_name(spec.run_id), "touch", "/opt/written"]
    subprocess.run(write, check=True, capture_output=True, timeout=60)
    session.close()
    engine.remove(spec.run_id)
    engine.close()
    assert "/opt/written on the host's disk" in engine.changed
