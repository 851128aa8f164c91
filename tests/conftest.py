"""Fixtures that several rooms use: a real chain, a real provider, a real engine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile(
    "shared-machine", deadline=None
)  # an example's time says more of the neighbours than of it
settings.load_profile("shared-machine")
pytest_plugins = [
    "tests.chain_fixtures",
    "tests.provider_fixtures",
    "tests.sandbox_fixtures",
    "tests.hospital_fixtures",
    "tests.stack_fixtures",
]
