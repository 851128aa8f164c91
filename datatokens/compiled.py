"""Reads the committed contract artifacts. Compiles nothing: that is the script beside the Node packages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ARTIFACTS = Path(__file__).parent / "artifacts"
CONTRACTS = ("Registry", "Escrow", "Datatoken", "Providers", "TestToken")


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract: its interface and its creation code (`0x` hex)."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str


@cache
def load_artifact(name: str) -> Artifact:
    """Read the artifact of one of `CONTRACTS`."""
    value = json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))
    return Artifact(value["name"], value["abi"], value["bytecode"])
