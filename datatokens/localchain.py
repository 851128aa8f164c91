"""Starts and stops a local chain (anvil, from Foundry) whose state is kept in a file.

State is written every `STATE_INTERVAL_S` and on a clean stop, so that a killed chain loses at most that last second.
A file that a kill cut short is replaced by the copy of the last good one, made at each start. The chain has no
accounts with known keys: `fund` gives coins to ours, and refuses on a node that isn't anvil.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatokens.errors import LocalChainError
from datatokens.model import LOCAL_CHAIN_ID

STATE_INTERVAL_S = 1
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
REQUEST_TIMEOUT_S = 5.0
POLL_S = 0.05
HOST = "127.0.0.1"
_started: dict[int, subprocess.Popen[bytes]] = {}  # our own children, which only we can reap
_REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class LocalChain:
    """A running anvil: its process id and where it listens."""

    pid: int
    rpc_url: str


def find_anvil(home: Path | None = None) -> Path:
    """Return the anvil program: on PATH, in the checkout's Node packages, or in the home folder's.

    Raises:
        LocalChainError: there is none.
    """
    folders = [_REPOSITORY / "deploy" / "node", *([home / "node"] if home else [])]
    found = shutil.which("anvil")
    for candidate in [
        *([Path(found)] if found else []),
        *(anvil for f in folders for anvil in _installed(f)),
    ]:
        native = _native(candidate)
        if native is not None:
            return native
    raise LocalChainError("anvil: not found on PATH or in deploy/node; run npm ci in deploy/node")


def start(
    state_file: Path,
    port: int,
    *,
    chain_id: int = LOCAL_CHAIN_ID,
    anvil: Path | None = None,
    log_file: Path | None = None,
) -> LocalChain:
    """Start anvil on the loopback interface with its state in `state_file`, and wait until it answers.

    It outlives this process; stop it with `stop`.

    Raises:
        LocalChainError: there is no anvil, the port is taken, or it ended or didn't answer in time.
    """
    program = anvil or find_anvil()
    check_port_free(port)
    state_file.parent.mkdir(parents=True, exist_ok=True)
    _restore(state_file)
    process = _spawn([str(program), *_options(state_file, port, chain_id)], log_file)
    _started[process.pid] = process
    chain = LocalChain(process.pid, f"http://{HOST}:{port}")
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise LocalChainError(f"anvil: ended with status {process.returncode} at start; read its log")
        with suppress(LocalChainError):
            if int(request(chain.rpc_url, "eth_chainId"), 16) == chain_id:
                return chain
        time.sleep(POLL_S)
    stop(process.pid)
    raise LocalChainError(f"anvil: didn't answer within {START_TIMEOUT_S:.0f} s; read its log")


def stop(pid: int) -> None:
    """Stop an anvil by its process id, and wait until it has written its state. A process that is gone is stopped.

    Raises:
        LocalChainError: it isn't ours to stop, or didn't end in time.
    """
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError as exc:
        raise LocalChainError(f"process {pid}: belongs to somebody else; stop it as its owner") from exc
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while time.monotonic() < deadline:
        if _has_ended(pid):
            return
        time.sleep(POLL_S)
    raise LocalChainError(f"process {pid}: didn't end within {STOP_TIMEOUT_S:.0f} s; kill it if it hangs")


def fund(rpc_url: str, address: str, amount_wei: int) -> None:
    """Set an account's coins on a local chain, in wei.

    Raises:
        LocalChainError: the node isn't anvil, or doesn't answer.
    """
    version = str(request(rpc_url, "web3_clientVersion"))
    if not version.lower().startswith("anvil/"):
        raise LocalChainError(
            "node: expected a local anvil, got another; coins of a real chain can't be made"
        )
    request(rpc_url, "anvil_setBalance", address, hex(amount_wei))


def request(rpc_url: str, method: str, *params: object) -> Any:  # noqa: ANN401 - by the method
    """Make one JSON-RPC call that web3 has no method for, and return its result.

    Raises:
        LocalChainError: no answer, or an error.
    """
    import httpx  # noqa: PLC0415 - a tenth of a second that only this needs

    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    try:
        answer = httpx.post(rpc_url, json=body, timeout=REQUEST_TIMEOUT_S, trust_env=False).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as exc:
        raise LocalChainError("local chain: doesn't answer; check that it runs") from exc
    if not isinstance(answer, dict) or "result" not in answer:
        raise LocalChainError(f"local chain: refused {method}; check that it is anvil")
    return answer["result"]


def find_free_port() -> int:
    """Return a loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def check_port_free(port: int) -> None:
    """Check that nothing listens on a loopback port.

    Raises:
        LocalChainError: something does.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as exc:
            raise LocalChainError(f"port {port}: is taken or not one; choose another") from exc


def _options(state_file: Path, port: int, chain_id: int) -> list[str]:
    return [
        "--silent",
        *("--host", HOST),
        *("--port", str(port)),
        *("--chain-id", str(chain_id)),
        *("--accounts", "0"),
        *("--state", str(state_file)),
        *("--state-interval", str(STATE_INTERVAL_S)),
    ]


def _spawn(command: list[str], log_file: Path | None) -> subprocess.Popen[bytes]:
    log: Any = subprocess.DEVNULL if log_file is None else log_file.open("ab")
    try:
        return subprocess.Popen(  # noqa: S603 - the program that find_anvil found, our own options
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    except OSError as exc:
        raise LocalChainError("anvil: can't be started; install it anew with npm ci in deploy/node") from exc
    finally:
        if log_file is not None:
            log.close()


def _restore(state_file: Path) -> None:
    """Keep a copy of a good state file; replace a bad one by the copy."""
    copy = state_file.with_suffix(".backup")
    if not state_file.exists():
        return
    if _is_whole(state_file):
        partial = copy.with_suffix(".partial")
        shutil.copyfile(state_file, partial)
        partial.replace(copy)
    elif copy.exists():
        shutil.copyfile(copy, state_file)
    else:
        raise LocalChainError(
            "chain state: the file is damaged and there is no copy; remove it to start anew"
        )


def _is_whole(state_file: Path) -> bool:
    try:
        return isinstance(json.loads(state_file.read_bytes()), dict)
    except (ValueError, RecursionError):
        return False


def _installed(folder: Path) -> list[Path]:
    return sorted((folder / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil"))


def _native(candidate: Path) -> Path | None:
    """Follow npm's launcher script to the program itself: the launcher would be what a kill ends."""
    real = candidate.resolve()
    if real.suffix != ".mjs":
        return real if os.access(real, os.X_OK) else None
    return next(iter(sorted(real.parent.parent.glob("anvil-*/bin/anvil"))), None)


def _has_ended(pid: int) -> bool:
    child = _started.get(pid)
    if child is not None:
        if child.poll() is None:
            return False
        del _started[pid]
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
