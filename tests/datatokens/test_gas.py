from __future__ import annotations

from datatokens.client import ChainClient
from datatokens.model import Asset, OrderItem, TxResult
from tests.chain_fixtures import ALGORITHM, COIN, PRICE, People, asset_terms

ROOT = b"\x71" * 32


def order(chain: ChainClient, people: People, asset: Asset, number: int) -> TxResult:
    job_id = b"\x55" * 31 + bytes([number])
    deadline = chain.head().time + 600
    return chain.order(
        job_id, ALGORITHM, [OrderItem(asset.token_id, PRICE)], deadline, sender=people.scientist
    )


def order_id(chain: ChainClient, people: People, number: int) -> bytes:
    found = chain.find_order(b"\x55" * 31 + bytes([number]), people.scientist.address, 1)
    if found is None:
        raise LookupError
    return found.order_id


def test_the_life_of_an_asset_and_a_job_costs_what_it_should(chain: ChainClient, people: People) -> None:
    token = chain.deployment.payment_token or ""
    chain.deposit(token, 100 * COIN, sender=people.scientist)
    asset, registered = chain.register(asset_terms(chain, people), sender=people.owner)
    approved = chain.approve(asset.token_id, ALGORITHM, chain.head().time + 900, sender=people.owner)
    size, job_gas = 0, 0
    for number in (1, 2):  # the second finds every account known
        ordered = order(chain, people, asset, number)
        size += 1
        ids = [order_id(chain, people, number)]
        settled = chain.anchor_and_settle(size, ROOT, ids, [], sender=people.provider)
        job_gas = ordered.gas_used + settled.gas_used
    anchored = chain.anchor(size + 1, ROOT, sender=people.provider)
    rows = (registered.gas_used, approved.gas_used, job_gas, anchored.gas_used)
    print("gas: register {}, approve {}, job in a batch of one {}, anchor {}".format(*rows))  # noqa: T201 - shown with -s
    assert all(used <= most for used, most in zip(rows, (300_000, 55_000, 160_000, 36_000), strict=True))


def test_hole_20_an_order_costs_the_same_whatever_strangers_have_open(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    token = chain.deployment.payment_token or ""
    chain.deposit(token, 500 * COIN, sender=people.scientist)
    order(chain, people, asset, 1)
    with_one = order(chain, people, asset, 2).gas_used
    settle_one = chain.settle([order_id(chain, people, 1)], [], sender=people.provider)
    for number in range(3, 52):
        order(chain, people, asset, number)
    settle_many = chain.settle([order_id(chain, people, 2)], [], sender=people.provider)
    settle_third = chain.settle([order_id(chain, people, 3)], [], sender=people.provider)
    with_fifty = order(chain, people, asset, 60).gas_used
    assert abs(with_fifty - with_one) <= 100
    assert abs(settle_third.gas_used - settle_many.gas_used) <= 100
    assert settle_many.gas_used <= settle_one.gas_used + 100
