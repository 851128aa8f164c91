"""Fixtures that several rooms use: a real chain, a real provider, a real engine."""

from __future__ import annotations

from pathlib import Path

import pytest
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
STACK = "stack"
STACK_MODULES = frozenset({"test_end_to_end.py", "test_end_to_end_runs.py", "test_stack.py"})


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a module's tests in one process, whose fixtures are dear; and all that start a stack, since those share a port."""
    for item in items:
        group = (
            STACK if item.path.name in STACK_MODULES else str(item.path.relative_to(Path(__file__).parent))
        )
        item.add_marker(pytest.mark.xdist_group(group))
