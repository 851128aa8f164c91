"""Entry point of the worker: `python -m provider.worker_main --home DIR`. Holds the keys; listens to nobody.

The clerk, the reviews and the notary share one loop, and each of `parallel_jobs` runners has its own: a long run delays no anchor. One
more thread looks after the warm containers that the runners share.
A home folder has one worker at a time.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from datatokens.accounts import load_account
from provider.assembly import Parts, open_parts
from provider.errors import ProviderError
from provider.exclusion import hold_worker_lock
from provider.held import HeldFiles
from provider.identity import OPERATOR
from provider.jobs.clerk import Clerk
from provider.jobs.judge import Judge
from provider.jobs.launch import Launcher
from provider.jobs.loop import run_loop
from provider.jobs.notary import Notary, Pace
from provider.jobs.receipting import Registrar
from provider.jobs.reviewing import Reviewing
from provider.jobs.runner import Runner, Workplace
from provider.jobs.telling import EngineTeller
from provider.jobs.warming import Warmer
from provider.receipts.keys import SigningKeys, load_signing_keys
from provider.services import system_clock
from provider.settings import ProviderPaths, Settings, load_settings
from sandbox.engine import DockerEngine, Engine
from sandbox.pool import Pool, PoolSize

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

PASSWORD_VARIABLE = "SEALROOM_PASSWORD"  # noqa: S105 - the name of a variable
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


class Worker:
    """The clerk, the notary and the runners of one provider. Each runner has an engine client and a judge of its own."""

    def __init__(
        self, parts: Parts, make_engine: Callable[[], Engine], keys: SigningKeys, sender: LocalAccount
    ) -> None:
        self._parts, self._make_engine, self._engine = parts, make_engine, make_engine()
        self._registrar = Registrar(parts.identity, parts.database, keys, clock=system_clock)
        self._recovering, self._recovered = threading.Lock(), False
        self._wake = threading.Event()
        self._threads: list[threading.Thread] = []
        pace = Pace(lambda: self._load_settings().anchor_interval_s, system_clock)
        engine = make_engine()
        self._pool = Pool(
            make_engine(), owner=self._owner, folder=parts.paths.work, load_size=self._load_size
        )
        self.teller = EngineTeller(self._engine, parts.database.access, clock=system_clock)
        self.warmer = Warmer(self._pool, parts.database.access, clock=system_clock)
        self.clerk = Clerk(
            parts.database,
            parts.chain,
            self._make_judge(engine),
            self._registrar,
            clock=system_clock,
            foresee=self._make_launcher(engine).foresee,
        )
        self.notary = Notary(
            parts.identity,
            parts.database,
            parts.chain,
            keys=keys,
            sender=sender,
            pace=pace,
            log_folder=parts.paths.log,
            confirmations=self._confirmations,
        )
        self.reviewing = self._make_reviewing()
        self.runners = tuple(self._make_runner() for _ in range(parts.settings.parallel_jobs))

    def start(self) -> None:
        """Begin to work, in threads: one for the clerk and the notary, one for each runner."""
        turns = {"office": self._office_turn, "pool": self._pool_turn}
        for number, runner in enumerate(self.runners, start=1):
            turns[f"runner-{number}"] = partial(self.runner_turn, runner)
        for name, turn in turns.items():
            self._threads.append(threading.Thread(target=self._loop, args=(turn,), name=name))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every thread end after its turn, and wait for that."""
        self._wake.set()
        for thread in self._threads:
            thread.join()
        self.warmer.close()

    def runner_turn(self, runner: Runner) -> bool:
        """Recover before the first run of all, whenever the engine answers, then run what is queued.

        Raises:
            EngineUnavailableError: the engine is away; the loop comes back, and receipts and anchors go on meanwhile.
        """
        with self._recovering:
            if not self._recovered:
                runner.recover()
                self.teller.turn()
                self._recovered = True
        return runner.turn()

    def _office_turn(self) -> bool:
        moved = self.clerk.turn()
        moved = self.reviewing.turn() or moved
        return self.notary.turn() or moved

    def _pool_turn(self) -> bool:
        """Keep containers warm, once those of an earlier worker are gone, and tell what the engine has."""
        if not self._recovered:
            return False
        self.teller.turn()
        return self.warmer.turn()

    def _loop(self, turn: Callable[[], bool]) -> None:
        pause_s = self._parts.settings.poll_s
        run_loop(turn, exit_callback=self._wake.is_set, pause_s=pause_s, wake=self._wake)

    def _load_settings(self) -> Settings:
        return load_settings(self._parts.paths.settings)

    def _load_size(self) -> PoolSize:
        settings = self._load_settings()
        return PoolSize(settings.warm_containers, settings.warm_total, settings.warm_idle_s)

    @property
    def _owner(self) -> str:
        """The label of this provider's containers."""
        identity = self._parts.identity
        return f"{identity.deployment.chain_id}-{identity.address.lower()}"

    @property
    def _confirmations(self) -> int:
        """How many blocks must stand on what counts."""
        return self._parts.settings.confirmations_on(self._parts.identity.deployment.chain_id)

    def _make_launcher(self, engine: Engine) -> Launcher:
        return Launcher(
            self._parts.database.catalogue,
            engine,
            pool=self._pool,
            owner=self._owner,
            load_data_root=lambda: Path(self._load_settings().data_root),
        )

    def _make_judge(self, engine: Engine) -> Judge:
        parts = self._parts
        return Judge(
            parts.identity,
            parts.database,
            parts.blobs,
            parts.chain,
            engine,
            confirmations=self._confirmations,
        )

    def _make_reviewing(self) -> Reviewing:
        parts = self._parts
        return Reviewing(
            parts.database,
            parts.blobs,
            HeldFiles(parts.paths.held),
            parts.chain,
            self._registrar,
            clock=system_clock,
            randomness=secrets.token_bytes,
        )

    def _make_runner(self) -> Runner:
        parts, engine = self._parts, self._make_engine()
        place = Workplace(
            folder=parts.paths.work,
            owner=self._owner,
            load_settings=self._load_settings,
            clock=system_clock,
        )
        judge, launcher = self._make_judge(engine), self._make_launcher(engine)
        return Runner(
            parts.database,
            parts.blobs,
            engine,
            judge,
            self._registrar,
            launcher,
            self._make_reviewing(),
            workplace=place,
        )


def main() -> None:
    """Work until told to stop."""
    parser = argparse.ArgumentParser(prog="sealroom-worker", description="Run, receipt and settle jobs.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--password-file", type=Path)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    password = read_password(arguments.password_file)
    try:
        with hold_worker_lock(ProviderPaths(arguments.home).worker_lock):
            work(arguments.home, password)
    except ProviderError as exc:
        sys.exit(f"{parser.prog}: {exc}" + (f"; {exc.remedy}" if exc.remedy else ""))


def work(home: Path, password: str) -> None:
    """Work on one home folder until a signal says to stop."""
    # Blocked in every thread and waited for in this one: a handler could interrupt a thread that holds a lock it needs.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    parts = open_parts(home)
    keys = load_signing_keys(parts.paths.signing_keys, password, parts.identity.deployment.chain_id)
    sender = load_account(parts.paths.accounts, OPERATOR, password)
    worker = Worker(parts, lambda: DockerEngine(parts.settings.engine_url), keys, sender)
    worker.start()
    signal.sigwait(STOP_SIGNALS)
    worker.stop()


def read_password(path: Path | None) -> str:
    """Return the password of the service keys from a file, or from the environment, which forgets it."""
    if path is not None:
        return path.read_text(encoding="utf-8").rstrip("\n")
    return os.environ.pop(PASSWORD_VARIABLE, "")


if __name__ == "__main__":
    main()
