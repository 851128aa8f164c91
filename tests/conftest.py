"""Fixtures that several rooms use: a real chain, a real provider, a real engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

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
STACK = "stack"
STACK_MODULES = frozenset(
    {
        "test_end_to_end.py",
        "test_end_to_end_review.py",
        "test_end_to_end_runs.py",
        "test_stack.py",
        "test_trade.py",
    }
)


class ModuleScheduling(LoadFileScheduling):
    """Keeps a module's tests in one process, whose fixtures are dear; and all that start stacks, which share their ports."""

    def _split_scope(self, nodeid: str) -> str:
        module = super()._split_scope(nodeid)
        return STACK if Path(module).name in STACK_MODULES else module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ModuleScheduling:
    """Say how tests are spread over processes."""
    return ModuleScheduling(config, log)
