"""Entry point of the worker: `python -m provider.worker_main --home DIR`. Holds the keys; listens to nobody.

The clerk and the notary share one loop and the runner has its own, so that a long run delays no anchor.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from datatokens.accounts import load_account
from provider.assembly import Parts, open_parts
from provider.identity import OPERATOR
from provider.jobs.clerk import Clerk
from provider.jobs.judge import Judge
from provider.jobs.loop import run_loop
from provider.jobs.notary import Notary, Pace
from provider.jobs.receipting import Registrar
from provider.jobs.runner import Runner, Workplace
from provider.receipts.keys import SigningKeys, load_signing_keys
from provider.services import system_clock
from provider.settings import load_settings
from sandbox.engine import DockerEngine, Engine

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

PASSWORD_VARIABLE = "SEALROOM_PASSWORD"  # noqa: S105 - the name of a variable
log = logging.getLogger(__name__)


class Worker:
    """The clerk, the notary and the runner of one provider."""

    def __init__(self, parts: Parts, engine: Engine, keys: SigningKeys, sender: LocalAccount) -> None:
        clock = system_clock
        identity, database, chain = parts.identity, parts.database, parts.chain
        judge = Judge(identity, database, parts.blobs, chain, engine)
        registrar = Registrar(identity, database, keys, clock=clock)
        self._parts, self._engine, self._recovered = parts, engine, False
        self._pause_s = parts.settings.poll_s
        self._wake = threading.Event()
        pace = Pace(lambda: load_settings(parts.paths.settings).anchor_interval_s, clock)
        self.clerk = Clerk(database, chain, judge, registrar, clock=clock)
        self.notary = Notary(identity, database, chain, keys=keys, sender=sender, pace=pace)
        self.runner = Runner(
            database,
            parts.blobs,
            engine,
            judge,
            registrar,
            workplace=Workplace(
                folder=parts.paths.work,
                owner=f"{identity.deployment.chain_id}-{identity.address.lower()}",
                load_settings=lambda: load_settings(parts.paths.settings),
                clock=clock,
            ),
        )

    def stop(self) -> None:
        """Let both loops end after their turn."""
        self._wake.set()

    def run(self) -> None:
        """Work until stopped."""
        office = threading.Thread(target=self._loop, args=(self._office_turn,), name="office")
        office.start()
        self._loop(self.runner_turn)
        office.join()

    def runner_turn(self) -> bool:
        """Recover before the first run, whenever the engine answers, then run what is queued.

        Raises:
            EngineUnavailableError: the engine is away; the loop comes back, and receipts and anchors go on meanwhile.
        """
        if not self._recovered:
            self.runner.recover()
            tell_runtimes(self._parts, self._engine)
            self._recovered = True
        return self.runner.turn()

    def _office_turn(self) -> bool:
        moved = self.clerk.turn()
        return self.notary.turn() or moved

    def _loop(self, turn: Callable[[], bool]) -> None:
        run_loop(turn, exit_callback=self._wake.is_set, pause_s=self._pause_s, wake=self._wake)


def main() -> None:
    """Work until told to stop."""
    parser = argparse.ArgumentParser(prog="sealroom-worker", description="Run, receipt and settle jobs.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--password-file", type=Path)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    password = read_password(arguments.password_file)
    parts = open_parts(arguments.home)
    keys = load_signing_keys(parts.paths.signing_keys, password, parts.identity.deployment.chain_id)
    sender = load_account(parts.paths.accounts, OPERATOR, password)
    engine = DockerEngine(parts.settings.engine_url)
    worker = Worker(parts, engine, keys, sender)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()


def read_password(path: Path | None) -> str:
    """Return the password of the service keys from a file, or from the environment, which forgets it."""
    if path is not None:
        return path.read_text(encoding="utf-8").rstrip("\n")
    return os.environ.pop(PASSWORD_VARIABLE, "")


def tell_runtimes(parts: Parts, engine: Engine) -> None:
    """Let the API say which runtimes the engine has."""
    runtimes = sorted(str(runtime) for runtime in engine.runtimes())
    parts.database.access.set_fact("runtimes", json.dumps(runtimes), system_clock())


if __name__ == "__main__":
    main()
