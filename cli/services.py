"""The running stack: chain, provider API and worker, started in order, looked at, and stopped in reverse."""

from __future__ import annotations

import fcntl
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from cli.context import OPERATOR
from cli.errors import RefusedError, StackError
from cli.home import Home
from cli.operating import (
    CHAIN,
    StackOptions,
    ensure_chain,
    ensure_contracts,
    ensure_keys_published,
    ensure_operator,
    ensure_settings,
)
from cli.passwords import PASSWORD_VARIABLE
from cli.processes import Processes
from cli.reviewing import describe
from cli.settings import find_settings
from datatokens.accounts import list_accounts
from datatokens.client import ChainClient
from provider.settings import load_settings

if TYPE_CHECKING:
    from cli.context import Session

API = "api"
WORKER = "worker"
MODULES = {API: "provider.serve", WORKER: "provider.worker_main"}
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
HEALTH_TIMEOUT_S = 2.0
POLL_S = 0.1
PACKAGE_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part of the stack; `detail` says why it doesn't run, in words."""

    part: str
    running: bool
    pid: int | None
    url: str | None
    detail: str

    def to_json(self) -> dict[str, Any]:
        """Return the part as JSON."""
        return asdict(self)


def start_stack(session: Session, options: StackOptions) -> list[PartStatus]:
    """Start what doesn't run; the first time, make keys, chain and contracts.

    Raises:
        RefusedError: another port is asked for while the provider runs.
        StackError: a part ends at start or doesn't answer; the others keep running.
        WrongPasswordError: the password isn't that of the service keys.
    """
    home = session.home
    with only_one(home):
        _check_port(home, options)
        first = OPERATOR not in list_accounts(home.keys)
        password = session.passwords.get_password("the provider's keys", new=first)
        session.output.say("keys: the provider's account")
        operator = ensure_operator(home, password)
        session.output.say("chain: local, or the one given")
        rpc_url = ensure_chain(home, options)
        deployment = ensure_contracts(home, rpc_url, operator, deployment=options.deployment)
        settings = ensure_settings(home, rpc_url, operator.address, options)
        url = f"http://{settings.host}:{settings.port}"
        chain = ChainClient.connect(
            rpc_url, deployment, review=lambda intent: session.output.say(describe(session, intent))
        )
        ensure_keys_published(home, chain, operator, password=password, endpoint=url)
        session.output.say("provider: API and worker")
        environ = {name: value for name, value in session.environ.items() if name != PASSWORD_VARIABLE}
        _start(home, API, environ, url=url)
        _start(home, WORKER, {**environ, PASSWORD_VARIABLE: password}, url=None)
        _wait_healthy(home, url)
    return stack_status(home)


def stop_stack(home: Home, *, keep_chain: bool = False) -> list[str]:
    """Stop the worker, the API and (unless it is kept) the local chain, in this order, and return those that ran."""
    processes = Processes(home.run)
    parts = (WORKER, API) if keep_chain else (WORKER, API, CHAIN)
    return [name for name in parts if processes.stop(name, timeout_s=STOP_TIMEOUT_S)]


def stack_status(home: Home) -> list[PartStatus]:
    """Say of each part whether it runs and answers."""
    return [_chain_status(home), _api_status(home), _worker_status(home)]


@contextmanager
def only_one(home: Home) -> Iterator[None]:
    """Keep a second `up` on the same home, or a change of its keys, waiting until the first is through."""
    home.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home.run / "up.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_port(home: Home, options: StackOptions) -> None:
    """Refuse to write down a port that the running provider doesn't listen on."""
    running = Processes(home.run).is_running(API) and home.settings_file.exists()
    if running and options.port not in (None, current := load_settings(home.settings_file).port):
        raise RefusedError(
            f"the provider runs on port {current} and can't move to {options.port} while it does",
            code="provider-runs",
            remedy="run `sealroom down` first",
        )


def _start(home: Home, name: str, environ: Mapping[str, str], *, url: str | None) -> None:
    processes = Processes(home.run)
    if processes.is_running(name):
        return
    # -P keeps the caller's folder out of the module path; ours is named instead.
    command = [sys.executable, "-P", "-m", MODULES[name], "--home", str(home.root)]
    processes.start(name, command, {**environ, "PYTHONPATH": str(PACKAGE_ROOT)}, url=url)


def _wait_healthy(home: Home, url: str) -> None:
    processes, deadline = Processes(home.run), time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        for name in (API, WORKER):
            if not processes.is_running(name):
                raise StackError(f"{name}: ended at start", remedy=f"read {processes.log_file(name)}")
        if _health(url) == "ok":
            return
        time.sleep(POLL_S)
    logs = ", ".join(str(processes.log_file(name)) for name in (API, WORKER))
    raise StackError(
        f"the provider did not say that all is well within {START_TIMEOUT_S:.0f} s", remedy=f"read {logs}"
    )


def _health(url: str) -> str | None:
    """Return what the provider says of its chain; None when it doesn't answer."""
    try:
        answer = httpx.get(f"{url}/v1/health", timeout=HEALTH_TIMEOUT_S, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return None
    return str(answer.get("chain")) if isinstance(answer, dict) and answer.get("ok") is True else None


def _chain_status(home: Home) -> PartStatus:
    settings, record = find_settings(home), Processes(home.run).find(CHAIN)
    if settings is None:
        return PartStatus(CHAIN, running=False, pid=None, url=None, detail="never started: run `sealroom up`")
    answers = _answers_rpc(settings.rpc_url)
    pid = record.pid if record is not None and record.is_alive() else None
    if answers:
        return PartStatus(CHAIN, running=True, pid=pid, url=settings.rpc_url, detail="answers")
    detail = _why_not(home, CHAIN) if settings.local_chain else "doesn't answer; it is not ours to start"
    return PartStatus(CHAIN, running=False, pid=pid, url=settings.rpc_url, detail=detail)


def _api_status(home: Home) -> PartStatus:
    record = Processes(home.run).find(API)
    if record is None or not record.is_alive():
        return PartStatus(API, running=False, pid=None, url=None, detail=_why_not(home, API))
    chain = _health(record.url or "")
    detail = "runs but doesn't answer" if chain is None else f"answers; chain {chain}"
    return PartStatus(API, running=chain is not None, pid=record.pid, url=record.url, detail=detail)


def _worker_status(home: Home) -> PartStatus:
    record = Processes(home.run).find(WORKER)
    if record is None or not record.is_alive():
        return PartStatus(WORKER, running=False, pid=None, url=None, detail=_why_not(home, WORKER))
    return PartStatus(WORKER, running=True, pid=record.pid, url=None, detail="works")


def _why_not(home: Home, name: str) -> str:
    processes = Processes(home.run)
    if processes.find(name) is None:
        return "not started: run `sealroom up`"
    return f"ended by itself: read {processes.log_file(name)}, then run `sealroom up`"


def _answers_rpc(rpc_url: str) -> bool:
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    try:
        answer = httpx.post(rpc_url, json=body, timeout=HEALTH_TIMEOUT_S, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return False
    return isinstance(answer, dict) and "result" in answer
