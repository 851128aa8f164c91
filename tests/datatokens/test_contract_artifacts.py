from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from datatokens.compiled import ARTIFACTS, CONTRACTS, load_artifact

SOURCES = Path(__file__).parents[2] / "datatokens" / "contracts"
LIMIT_BYTES = 24_576  # EIP-170


def artifact(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((ARTIFACTS / f"{name}.json").read_text())
    return value


def test_exactly_our_contracts_are_committed() -> None:
    assert {path.stem for path in ARTIFACTS.glob("*.json")} == set(CONTRACTS)


@pytest.mark.parametrize("name", CONTRACTS)
def test_an_artifact_says_what_it_was_made_of(name: str) -> None:
    value = artifact(name)
    assert value["name"] == name == load_artifact(name).name
    assert value["compiler"].startswith("0.8.37+")
    assert (value["evm_version"], value["optimizer"]["enabled"]) == ("cancun", True)
    assert re.fullmatch(r"[0-9a-f]{64}", value["source_sha256"])
    assert len(value["deployed_bytecode"]) // 2 <= LIMIT_BYTES


@pytest.mark.parametrize("name", CONTRACTS)
def test_no_shipped_contract_can_replace_its_code_or_destroy_itself(name: str) -> None:
    code = bytes.fromhex(artifact(name)["deployed_bytecode"][2:])
    operations, position = set(), 0
    while position < len(code):
        operations.add(code[position])
        position += (
            code[position] - 0x5E if 0x60 <= code[position] <= 0x7F else 1
        )  # PUSH1 to PUSH32 carry data
    forbidden = {0xF4: "delegatecall", 0xFF: "selfdestruct"}
    assert [text for operation, text in forbidden.items() if operation in operations] == []


def test_every_public_function_event_and_error_is_documented() -> None:
    for path in sorted(SOURCES.rglob("*.sol")):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if line.strip().startswith(("event ", "error ")):
                assert "@param" in lines[number - 1] or line.strip().endswith("();"), (
                    f"{path.name}: {line.strip()}"
                )
            if re.match(
                r"\s*(function \w+\(.*|event |error |struct |contract |abstract contract )", line
            ) and (" private " not in line and not line.strip().startswith("function _")):
                assert lines[number - 1].strip().startswith("///"), f"{path.name}: {line.strip()}"
