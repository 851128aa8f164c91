"""A whole provider to measure: chain, API and contracts from `sealroom up`, and the real worker, in this process.

The worker runs here so that its engine can be told to offer only the runtime to be measured. Orders are paid before a
job is sent, so that no block of a chain is waited for; everything else is as a scientist's own client does it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.example import ALGORITHM, DATA, PARAMETERS, ROOT, RunFailedError
from cli.context import Session
from cli.home import Home
from cli.output import Output
from cli.processes import Processes
from cli.services import STOP_TIMEOUT_S, WORKER
from cli.submitting import begin_job, order_job, send_job
from datatokens.accounts import load_account
from provider.assembly import Parts, open_parts
from provider.identity import OPERATOR
from provider.jobs.states import State
from provider.receipts.keys import load_signing_keys
from provider.store.workload import POOL_FACT
from provider.worker_main import Worker
from sandbox.engine import DockerEngine
from sandbox.spec import Runtime

POLICY = ROOT / "examples" / "breast_cancer" / "policy.yaml"
COMMAND = Path(sys.executable).parent / "sealroom"
PURPOSE = "DUO:0000006"
PRICE = "5"
LOOK_S = 0.005
PATIENCE_S = 300.0
COMMAND_TIMEOUT_S = 300


class OneRuntimeEngine(DockerEngine):
    """An engine that offers one of its runtimes only: policies would choose gVisor wherever there is one."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__()
        self._runtime = runtime

    def runtimes(self) -> frozenset[Runtime]:
        """See `DockerEngine.runtimes`."""
        return super().runtimes() & {self._runtime}


class Silence(Output):
    """Says nothing."""

    def say(self, text: str) -> None:
        """See `Output.say`."""


@dataclass(frozen=True, slots=True)
class Clinic:
    """A provider that works, with one dataset and one approved algorithm."""

    session: Session
    parts: Parts
    job_file: Path

    def run_job(self) -> float:
        """Send a job that is paid for; return the seconds until its weights are on disk, past the gate, with a receipt."""
        record = begin_job(self.session, self.job_file, again=True)
        order_job(self.session, record.job_id)
        begun = time.perf_counter()
        send_job(self.session, record.job_id)
        self._wait(lambda: self.parts.database.jobs.get(record.job_id).state.terminal, "a job never ended")
        seconds = time.perf_counter() - begun
        job = self.parts.database.jobs.get(record.job_id)
        if job.state is not State.RELEASED:
            raise RunFailedError(f"the job ended {job.state}: {job.message}")
        return seconds

    def wait_until_warm(self) -> None:
        """Wait until a container is ready, and has been for so long that the worker can't mean the one just used."""
        time.sleep(2 * self.parts.settings.poll_s)
        self._wait(self._is_warm, "no container got warm")

    def _is_warm(self) -> bool:
        fact = self.parts.database.access.find_fact(POOL_FACT)
        found = json.loads(fact[0]) if fact else {"warm": 0}
        return bool(found["warm"] and not found["starting"])

    def _wait(self, holds: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > deadline:
                raise RunFailedError(otherwise)
            time.sleep(LOOK_S)


@contextmanager
def open_clinic(folder: Path, image: str, runtime: Runtime) -> Iterator[Clinic]:
    """Start a provider with its home in `folder`, and stop it afterwards."""
    folder.mkdir(parents=True)
    home, password_file = Home(folder), folder / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")
    session = Session(
        os.environ, Silence(), interactive=False, home_path=folder, account_name="scientist",
        password_file=password_file,
    )  # fmt: skip
    try:
        job_file = _set_up(folder, image)
        Processes(home.run).stop(WORKER, timeout_s=STOP_TIMEOUT_S)
        parts = open_parts(folder)
        worker = _make_worker(parts, password_file.read_text(encoding="utf-8").rstrip("\n"), runtime)
        worker.start()
        try:
            yield Clinic(session, parts, job_file)
        finally:
            worker.stop()
            parts.database.close()
    finally:
        session.close()
        run_sealroom(folder, None, "down")


def run_sealroom(home: Path, person: str | None, *words: str) -> dict[str, Any]:
    """Run one command as a person types it and return what it printed."""
    options = ["--json", "--home", str(home), "--password-file", str(home / "password")]
    options += ["--as", person] if person else []
    done = subprocess.run(
        [str(COMMAND), *options, *words], check=False, capture_output=True, text=True,
        timeout=COMMAND_TIMEOUT_S,
    )  # fmt: skip
    if done.returncode:
        raise RunFailedError(f"sealroom {words[0]}: {done.stdout}{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _set_up(home: Path, image: str) -> Path:
    """Register the data, have the algorithm approved, and return a job file for both."""
    run_sealroom(home, None, "up")
    for person in ("owner", "scientist"):
        run_sealroom(home, None, "account", "new", person)
        run_sealroom(home, None, "account", "fund", person)
    run_sealroom(home, None, "provider", "allow-owner", "owner")
    (home / "data").mkdir(exist_ok=True)
    shutil.copyfile(DATA, home / "data" / DATA.name)
    offer = ["dataset", "add", DATA.name, "--name", "the example", "--policy", str(POLICY), "--price", PRICE]
    asset_id = run_sealroom(home, "owner", *offer)["asset_id"]
    ask = ["algorithm", "request", str(ALGORITHM), "--image", image, "--dataset", asset_id]
    algorithm = run_sealroom(home, "scientist", *ask, "--purpose", PURPOSE)["algorithm"]
    run_sealroom(home, "owner", "dataset", "approve", algorithm, "--dataset", asset_id)
    job_file = home / "job.yaml"
    job = {"dataset": asset_id, "algorithm": algorithm, "parameters": PARAMETERS, "purpose": PURPOSE}
    job_file.write_text(json.dumps(job | {"max_price": PRICE}), encoding="utf-8")  # JSON is YAML
    return job_file


def _make_worker(parts: Parts, password: str, runtime: Runtime) -> Worker:
    chain_id = parts.identity.deployment.chain_id
    keys = load_signing_keys(parts.paths.signing_keys, password, chain_id)
    sender = load_account(parts.paths.accounts, OPERATOR, password)
    return Worker(parts, lambda: OneRuntimeEngine(runtime), keys, sender)
