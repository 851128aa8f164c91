"""A home folder with a whole running provider, and the command that people type in it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.context import Session
from cli.main import run
from cli.output import Output

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
PURPOSE = "DUO:0000006"
PATIENCE_S = 120
SLOW = (
    "import time; time.sleep(15)\n"  # long enough to be seen by commands that take seconds on a busy machine
)
TINY_MANIFEST = """\
name: tiny
version: "1"
main: train.py
entrypoint: python3 $ALGO
image: IMAGE
parameters: {type: object}
outputs:
  metrics: {values: [{name: loss, min: 0, max: 10, digits: 3}]}
"""
TINY = (
    "import json, pathlib; pathlib.Path('/data/outputs/metrics.json').write_text(json.dumps({'loss': 0.5}))\n"
)


@dataclass(slots=True)
class Stack:
    """A home folder, and the command that people type in it."""

    home: Path
    image: str
    asset_id: str = ""

    def run(self, *words: str, person: str = "", expect: int = 0, json_out: bool = True) -> Any:
        command = [sys.executable, "-m", "cli", "--home", str(self.home)]
        command += ["--password-file", str(self.home / "password")]
        command += ["--json"] if json_out else []
        command += ["--as", person] if person else []
        environ = {name: value for name, value in os.environ.items() if not name.startswith("SEALROOM")}
        done = subprocess.run(
            [*command, *words],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == expect, f"{words} ended {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout) if json_out else done.stdout

    def offer(self, name: str = "wdbc.csv", *, person: str = "owner") -> str:
        words = [
            "dataset",
            "add",
            name,
            "--name",
            name,
            "--policy",
            str(EXAMPLES / "breast_cancer/policy.yaml"),
        ]
        return str(self.run(*words, "--price", "5", person=person)["asset_id"])

    def bundle(self, source: str = TINY, *, name: str = "tiny") -> Path:
        folder = self.home / "bundles" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "algorithm.yaml").write_text(TINY_MANIFEST)
        (folder / "train.py").write_text(source)
        return folder

    def ask(self, folder: Path) -> str:
        words = ["algorithm", "request", str(folder), "--image", self.image, "--dataset", self.asset_id]
        return str(self.run(*words, "--purpose", PURPOSE, person="scientist")["algorithm"])

    def approved(self, folder: Path) -> str:
        algorithm = self.ask(folder)
        self.run("dataset", "approve", algorithm, "--dataset", self.asset_id, person="owner")
        return algorithm

    def job_file(self, algorithm: str, **changes: Any) -> str:
        values = {"dataset": self.asset_id, "algorithm": algorithm, "purpose": PURPOSE, "max_price": "5"}
        path = self.home / "job.yaml"
        path.write_text(json.dumps(values | {"parameters": {}} | changes))
        return str(path)

    def submit(self, algorithm: str, *, expect: int = 0, wait: bool = True, **changes: Any) -> Any:
        words = ["job", "submit", self.job_file(algorithm, **changes), *(["--wait"] if wait else [])]
        return self.run(*words, person="scientist", expect=expect)

    def job(self, job_id: str) -> Any:
        return self.run("job", "status", job_id, person="scientist")

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "what was waited for did not come"
            time.sleep(0.3)  # between two looks at a condition

    def kill(self, part: str, number: signal.Signals = signal.SIGKILL) -> None:
        os.kill(json.loads((self.home / "run" / f"{part}.json").read_text())["pid"], number)


@dataclass(slots=True)
class QuickStack(Stack):
    """A stack whose commands are run without a process of their own, which takes longer than all that they do.

    A key that one has opened stays open.
    """

    opened: dict[str, Any] = field(default_factory=dict)

    def run(self, *words: str, person: str = "", expect: int = 0, json_out: bool = True) -> Any:
        session = Session(
            {},
            Output(),
            interactive=False,
            home_path=self.home,
            account_name=person or None,
            password_file=self.home / "password",
        )
        session._parts |= {"account": self.opened[person]} if person in self.opened else {}
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()) as told:
            code = run([*(["--json"] if json_out else []), *words], session)
        if person and "account" in session._parts:
            self.opened[person] = session._parts["account"]
        assert code == expect, f"{words} ended {code}:\n{said.getvalue()}\n{told.getvalue()}"
        return json.loads(said.getvalue()) if json_out else said.getvalue()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, image_digest: str) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("home")
    (home / "password").write_text("correct horse battery\n")
    (home / "data").mkdir()
    (home / "data" / "wdbc.csv").write_bytes((EXAMPLES / "breast_cancer/wdbc.csv").read_bytes())
    found = Stack(home, image_digest)
    found.run("up")
    try:
        for person in ("owner", "scientist", "stranger"):
            found.run("account", "new", person)
        found.run("provider", "allow-owner", "owner")
        for person in ("owner", "scientist"):
            found.run("account", "fund", person)
        found.asset_id = found.offer()
        yield found
    finally:
        found.run("down")
