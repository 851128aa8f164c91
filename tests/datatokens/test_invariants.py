"""The invariants of docs/contracts.md, under random trade on a real chain; `make fuzz-contracts` trades for longer."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from datatokens.compiled import load_artifact
from datatokens.localchain import find_free_port, start, stop
from tests.datatokens.contract_driver import Driver, compile_registry_with
from tests.datatokens.contract_machine import ContractMachine

LONG = os.environ.get("SEALROOM_FUZZ") == "long"
FIXED = settings(
    max_examples=2000 if LONG else 25,
    stateful_step_count=60 if LONG else 50,
    derandomize=not LONG,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
ACTIONS = {
    "register",
    "approve",
    "revoke",
    "change",
    "give_away",
    "mint",
    "pass_on",
    "deposit",
    "withdraw",
    "buy",
}
ENDINGS = {"order", "settle", "refund", "finish"}
REFUSALS = {
    "DatatokenCapExceeded",
    "EscrowNotProvider",
    "EscrowOrderNotOpen",
    "EscrowTokenTookFee",
    "RegistryAssetRetired",
    "RegistryNotApproved",
    "RegistryNotListed",
    "RegistryNotOwner",
}
HUNT = settings(
    FIXED, max_examples=150, stateful_step_count=50, phases=[Phase.generate], report_multiple_bugs=False
)
BUGS = {
    "only-its-provider-settles": {
        "        _checkProvider(orderId, payout.provider);\n        Order storage": "        Order storage"
    },
    "an-order-ends-once": {"        paid.status = Status.Settled;\n": ""},
    "money-in-is-money-out-plus-money-held": {
        "if (received != amount) revert EscrowTokenTookFee": "if (received > amount) revert EscrowTokenTookFee"
    },
    "no-order-without-an-offer": {
        "        _checkLive(tokenId);\n        if (asset.listed)": "        if (asset.listed)"
    },
    "no-way-back-in": {
        "function withdraw(address token, uint256 amount) external nonReentrant": (
            "function withdraw(address token, uint256 amount) external"
        )
    },
}


@pytest.fixture(scope="module")
def rpc_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    chain = start(tmp_path_factory.mktemp("invariants") / "state.json", find_free_port())
    yield chain.rpc_url
    stop(chain.pid)


def run(rpc_url: str, registry_code: str, how: settings) -> Counter[str]:
    """Trade, and return how often each action went well and each error refused one."""

    class Machine(ContractMachine):
        driver = Driver(rpc_url, registry_code)
        outcomes: ClassVar[Counter[str]] = Counter()

    try:
        run_state_machine_as_test(Machine, settings=how)
    finally:
        Machine.driver.close()
    return Machine.outcomes


def test_whatever_people_do_the_chain_is_what_the_books_say(rpc_url: str) -> None:
    outcomes = run(rpc_url, load_artifact("Registry").bytecode, FIXED)
    assert (ACTIONS | ENDINGS) - set(outcomes) == set(), "a trade in which these never went well shows little"
    assert REFUSALS - set(outcomes) == set(), "nor one in which nobody tried what is forbidden"


@pytest.mark.parametrize("name", BUGS if LONG else list(BUGS)[:3])
def test_a_planted_bug_is_found_under_the_name_of_its_invariant(rpc_url: str, name: str) -> None:
    with pytest.raises(AssertionError, match=f"^{name}: "):
        run(rpc_url, compile_registry_with(BUGS[name]), HUNT)


def test_every_invariant_that_the_machine_checks_is_stated() -> None:
    root = Path(__file__).parents[2]
    source = (root / "tests" / "datatokens" / "contract_checks.py").read_text()
    source += (root / "tests" / "datatokens" / "contract_machine.py").read_text()
    stated = (root / "docs" / "contracts.md").read_text()
    names = {text for text in source.split('"') if text.count("-") >= 2 and text.replace("-", "").isalpha()}
    assert len(names) >= 12
    assert [name for name in sorted(names) if f"**{name}**" not in stated] == []
