from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cli.main import ENTRIES, root
from tests.receipt_samples import make_sample

HEAVY = {
    "torch",
    "web3",
    "flask",
    "eth_account",
    "pandas",
    "docker",
    "sqlalchemy",
    "httpx",
    "pydantic",
    "rich",
}
PROGRAM = """
import json, sys
from cli.main import new_session, run
code = run(sys.argv[1:], new_session({}))
print(json.dumps([int(code), sorted({name.split('.')[0] for name in sys.modules})]), file=sys.stderr)
"""


def imports_of(*arguments: str) -> tuple[int, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return code, set(modules)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["dataset", "--help"],
        ["job", "submit", "--help"],
        ["audit", "replay", "--help"],
        ["up", "--help"],
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code, modules = imports_of(*arguments)
    assert code == 0
    assert modules & HEAVY == set()


def test_an_offline_verification_imports_no_chain_client_and_no_server(tmp_path: Path) -> None:
    sample = make_sample()
    (tmp_path / "receipt.jsonl").write_bytes(sample.receipt)
    (tmp_path / "receipt.tlog-proof").write_bytes(sample.proof)
    (tmp_path / "trust.json").write_bytes(sample.trust.to_json())
    code, modules = imports_of(
        "receipt", "verify", str(tmp_path / "receipt.jsonl"), "--trust", str(tmp_path / "trust.json")
    )
    assert code == 0
    assert modules & {"web3", "flask", "docker", "sqlalchemy", "torch", "pandas"} == set()


@pytest.mark.parametrize("name", ENTRIES)
def test_the_help_line_of_each_command_is_the_one_it_has_itself(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert (command.help or "").startswith(ENTRIES[name].help.removesuffix("."))


def leaves(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return [(path, command)]
    context = click.Context(command)
    found = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return [leaf for name, child in found if child for leaf in leaves(child, f"{path} {name}")]


@pytest.mark.parametrize(("path", "command"), leaves(root, "sealroom"), ids=str)
def test_every_command_takes_json_home_and_as_and_no_password_on_the_command_line(
    path: str, command: click.Command
) -> None:
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--json", "--home", "--as", "--password-file"} <= options
    assert "--password" not in options
    assert command.help, path
