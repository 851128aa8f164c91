from __future__ import annotations

import pytest

from tests.sandbox_fixtures import list_runtimes


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that takes a `runtime` on each runtime that the engine has."""
    if "runtime" in metafunc.fixturenames:
        metafunc.parametrize("runtime", list_runtimes())
