"""What an account is about to sign, in plain values, for whoever has to agree to it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Intent:
    """A transaction or a permission before it is signed.

    `contract` is the name of the interface by which `to` is called, `function` and `arguments` (by name) the call; all are
    empty when coins alone are sent. `gas_wei` is the most that the gas costs at today's fees, None for a permission.
    """

    sender: str
    to: str | None
    contract: str = ""
    function: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    value_wei: int = 0
    gas_wei: int | None = None


Review = Callable[[Intent], None]
"""Looks at what is about to be signed; raises, and nothing is signed."""


def name_arguments(inputs: Sequence[Any], values: Sequence[object]) -> dict[str, Any]:
    """Return the values of a call by the names of the ABI's inputs, structs and lists of structs as well."""
    return {str(item["name"]): _named(item, value) for item, value in zip(inputs, values, strict=True)}


def _named(item: Any, value: Any) -> Any:  # noqa: ANN401 - by the ABI
    if item["type"] == "tuple":
        return name_arguments(item["components"], value)
    if item["type"] == "tuple[]":
        return [name_arguments(item["components"], part) for part in value]
    return value
