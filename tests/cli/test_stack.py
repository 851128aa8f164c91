from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.processes import Processes

ENVIRON = {**os.environ, "SEALROOM_PASSWORD": "correct horse"}


@dataclass(frozen=True, slots=True)
class Stack:
    """A home folder and the real command on it."""

    home: Path

    def run(self, *arguments: str, **environ: str) -> tuple[int, dict[str, Any]]:
        command = [sys.executable, "-m", "cli", *arguments, "--home", str(self.home), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRON | environ)
        return done.returncode, json.loads(done.stdout)

    def pids(self) -> dict[str, int | None]:
        _, document = self.run("status")
        return {part["part"]: part["pid"] for part in document["parts"]}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("stack") / "home")
    yield made
    made.run("down")


def test_the_first_up_makes_keys_chain_contracts_and_starts_every_part(stack: Stack) -> None:
    assert stack.run("status")[0] == 5
    code, document = stack.run("up")
    assert code == 0, document
    assert all(part["running"] for part in document["parts"])
    for secret in ("keys/operator.json", "provider/keys/signing-keys.json", "client.json"):
        assert (stack.home / secret).stat().st_mode & 0o077 == 0
    assert (stack.home / "provider").stat().st_mode & 0o077 == 0  # runs are staged there, readable inside
    code, document = stack.run("provider", "show")
    assert (code, len(document["keys"])) == (0, 1)


def test_status_says_what_the_provider_is_busy_with(stack: Stack) -> None:
    _, document = stack.run("status")
    waiting = {"queued": 0, "waiting": 0, "reviewing": 0}
    assert document["jobs"] == {"running": [], **waiting, "parallel_jobs": 1}
    assert document["pool"] is None or document["pool"].keys() == {"warm", "starting", "memory_bytes"}


def test_a_second_worker_on_the_same_home_ends_at_once_and_says_why(stack: Stack) -> None:
    before = stack.pids()
    done = subprocess.run(
        [sys.executable, "-m", "provider.worker_main", "--home", str(stack.home)],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRON,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("sealroom-worker: another worker runs on this home folder")
    assert "Traceback" not in done.stderr
    assert stack.pids() == before


def test_a_second_up_starts_nothing_anew(stack: Stack) -> None:
    before = stack.pids()
    code, _ = stack.run("up")
    assert (code, stack.pids()) == (0, before)


def test_another_port_or_chain_that_can_not_be_had_changes_nothing(stack: Stack) -> None:
    before = [(stack.home / name).read_bytes() for name in ("client.json", "provider/settings.yaml")]
    code, document = stack.run("up", "--port", "9")
    assert (code, document["error"]["code"]) == (3, "provider-runs")
    assert stack.run("up", "--rpc-url", "http://127.0.0.1:1")[0] == 5
    assert [(stack.home / name).read_bytes() for name in ("client.json", "provider/settings.yaml")] == before
    assert stack.run("up")[0] == 0


def test_a_killed_worker_is_said_to_be_down_and_up_starts_it_alone(stack: Stack) -> None:
    before = stack.pids()
    os.kill(before["worker"] or 0, signal.SIGKILL)
    code, document = stack.run("status")
    worker = next(part for part in document["parts"] if part["part"] == "worker")
    assert (code, worker["running"]) == (5, False)
    assert "worker.log" in worker["detail"]
    assert stack.run("up")[0] == 0
    after = stack.pids()
    assert after["worker"] != before["worker"]
    assert (after["chain"], after["api"]) == (before["chain"], before["api"])


def test_hole_9_no_password_stands_in_a_file_a_log_or_a_command_line(stack: Stack) -> None:
    for path in stack.home.rglob("*"):
        assert not path.is_file() or b"correct horse" not in path.read_bytes(), path
    record = Processes(stack.home / "run").find("worker")
    assert record is not None
    assert b"correct horse" not in Path(f"/proc/{record.pid}/cmdline").read_bytes()


def test_the_wrong_password_starts_nothing_and_is_not_a_bug(stack: Stack) -> None:
    code, document = stack.run("up", SEALROOM_PASSWORD="another one")
    assert (code, document["error"]["code"]) == (2, "wrong-password")


def test_an_account_can_be_funded_and_allowed_to_offer_data(stack: Stack) -> None:
    assert stack.run("account", "new", "ada")[0] == 0
    code, funded = stack.run("account", "fund", "ada", "--tokens", "7")
    assert (code, funded["token_wei"]) == (0, str(7 * 10**18))
    code, document = stack.run("provider", "allow-owner", "ada")
    assert (code, len(document["owners"])) == (0, 1)
    assert stack.run("provider", "allow-owner", "nobody")[0] == 2


def test_another_home_connects_only_to_what_it_was_told_to_expect(stack: Stack, tmp_path: Path) -> None:
    settings = json.loads((stack.home / "client.json").read_text())
    guest = Stack(tmp_path / "guest")
    words = ["provider", "connect", "--url", settings["provider_url"], "--rpc-url", settings["rpc_url"]]
    deployment = ["--deployment", str(stack.home / "chain" / "deployment.json")]
    code, document = guest.run(*words, *deployment, "--provider", "0x" + "11" * 20)
    assert (code, document["error"]["code"]) == (4, "mismatch")
    assert not (guest.home / "client.json").exists()
    assert guest.run(*words, *deployment, "--provider", settings["provider"])[0] == 0
    assert guest.run("dataset", "list") == (0, {"datasets": [], "providers": []})


def test_keys_are_rotated_between_down_and_up_and_the_worker_goes_on_with_the_new_ones(stack: Stack) -> None:
    code, refused = stack.run("provider", "keys", "rotate")
    assert (code, refused["error"]["code"]) == (3, "worker-runs")
    stack.run("down", "--keep-chain")
    code, rotated = stack.run("provider", "keys", "rotate")
    assert (code, rotated["state"]) == (0, "in force")
    assert stack.run("up")[0] == 0
    _, listed = stack.run("provider", "keys", "list")
    assert [item["state"] for item in listed["keys"]] == ["ended", "in force"]
    assert listed["keys"][1]["signer"] == rotated["signer"]
    assert stack.run("status")[0] == 0


def test_down_stops_everything_and_up_finds_the_same_chain_and_keys_again(stack: Stack) -> None:
    _, before = stack.run("provider", "show")
    assert stack.run("down", "--keep-chain") == (0, {"stopped": ["worker", "api"]})
    assert stack.run("wallet", "balance", "--as", "operator")[0] == 0
    assert stack.run("down") == (0, {"stopped": ["chain"]})
    assert stack.run("down") == (0, {"stopped": []})
    assert stack.run("dataset", "list")[0] == 5
    assert stack.run("up")[0] == 0
    code, after = stack.run("provider", "show")
    same = ("chain_id", "registry", "escrow", "provider", "keys")
    assert (code, {name: after[name] for name in same}) == (0, {name: before[name] for name in same})
