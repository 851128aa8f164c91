"""The suite can fail: the same hostile algorithms, in containers that lack a part of the seal, get what they want."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.expectation import expect
from tests.attacks.catalogue import ATTACKS
from tests.attacks.host_side import Host
from tests.attacks.unsealed import WITHOUT, run_unsealed
from tests.sandbox_fixtures import make_spec


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("name", WITHOUT)
def test_without_the_seal_the_attacker_gets_something(
    name: str, host: Host, image_digest: str, tmp_path: Path
) -> None:
    expected = expect(make_spec(tmp_path))
    printed = run_unsealed(ATTACKS[name], host, image=image_digest, folder=tmp_path, expected=expected)
    assert "GAINED" in printed, printed[-1000:]
