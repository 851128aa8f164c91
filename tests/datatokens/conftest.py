from __future__ import annotations

from tests.chain_fixtures import anvil, asset, chain, deployment, people

__all__ = ["anvil", "asset", "chain", "deployment", "people"]
