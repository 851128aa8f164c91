"""Reads the committed contract artifacts. Compiles nothing: that is the script beside the Node packages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ARTIFACTS = Path(__file__).parent / "artifacts"
CONTRACTS = ("Registry", "Escrow", "Datatoken", "Providers", "Receipts", "TestToken")


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract: its interface, its creation code (`0x` hex), and the code that then runs.

    `immutables` says where in `runtime` the constructor writes values: (start, length) in bytes.
    """

    name: str
    abi: list[dict[str, Any]]
    bytecode: str
    runtime: bytes
    immutables: tuple[tuple[int, int], ...]


@cache
def load_artifact(name: str) -> Artifact:
    """Read the artifact of one of `CONTRACTS`."""
    value = json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))
    places = [place for found in value["immutable_references"].values() for place in found]
    return Artifact(
        name=value["name"],
        abi=value["abi"],
        bytecode=value["bytecode"],
        runtime=bytes.fromhex(value["deployed_bytecode"].removeprefix("0x")),
        immutables=tuple((place["start"], place["length"]) for place in places),
    )
