"""Fixtures that several rooms use: a real chain, a real provider, a real engine."""

from __future__ import annotations

pytest_plugins = ["tests.chain_fixtures", "tests.provider_fixtures"]
