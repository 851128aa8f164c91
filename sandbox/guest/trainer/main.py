"""Reads the orders and the data, trains, and writes what was declared."""

from __future__ import annotations

import json
from typing import Any

ORDERS = "/data/inputs/trainerOrders.json"


def main() -> None:
    """Do what the module says, once."""
    with open(ORDERS, encoding="utf-8") as stream:
        orders: dict[str, Any] = json.load(stream)
    if orders["version"] != 1:
        raise SystemExit("orders of another version")
