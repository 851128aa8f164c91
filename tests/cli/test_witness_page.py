"""The page on witnesses says what the commands and the formats are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from cli.errors import SplitViewError, UnprovenError, UnreachableError, exit_code
from cli.main import root
from provider.jobs.codes import AWAITING_WITNESSES, REASONS
from provider.receipts.cosignature import cosigned_message
from provider.receipts.errors import Verdict
from provider.receipts.records import camel_case
from provider.receipts.splitview import EVIDENCE_TYPE, MAX_CONSISTENCY_HASHES, MAX_EVIDENCE_BYTES, Evidence

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "witnesses.md").read_text()
COMMANDS = re.findall(r"^sealroom (.+)$", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_on_the_page_is_one(line: str) -> None:
    words = shlex.split(line)
    command: click.Command = root
    context = click.Context(command)
    while isinstance(command, click.Group):
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
    command.make_context("sealroom", words)


def test_the_fields_and_limits_of_evidence_are_those_of_the_code() -> None:
    table = PAGE.split("## Evidence of a split view")[1].split("\n## ")[0]
    names = re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)
    assert names == [camel_case(name) for name in Evidence.__dataclass_fields__]
    assert f"`{EVIDENCE_TYPE}`" in table
    assert f"at most {MAX_EVIDENCE_BYTES} bytes" in table
    assert f"at most {MAX_CONSISTENCY_HASHES} hashes" in table


def test_the_message_on_the_page_is_what_is_signed() -> None:
    message = PAGE.split("over these lines:\n\n```\n")[1].split("```")[0]
    text = "".join(message.splitlines(keepends=True)[2:])
    assert cosigned_message(text, 1679315147).decode() == message


def test_the_ways_to_end_are_codes_that_exist() -> None:
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (\d) \|", PAGE, flags=re.MULTILINE))
    assert rows[SplitViewError.code] == str(exit_code(SplitViewError("o", (1, 2), "f")).value)
    assert rows[UnprovenError.code] == str(exit_code(UnprovenError("")).value)
    assert rows["log-unreachable"] == str(exit_code(UnreachableError("")).value)
    assert {"root-not-anchored", "key-not-valid-then", "unknown-key"} <= rows.keys() & {
        v.value for v in Verdict
    }
    assert f"`{AWAITING_WITNESSES}`" in PAGE
    assert AWAITING_WITNESSES in REASONS
