from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cli.evidence import DeploymentEvidence
from cli.trusting import build_trust
from datatokens.client import ChainClient
from datatokens.model import Asset
from policies.canonical import digest_text
from provider.receipts.errors import EvidenceUnavailableError
from provider.receipts.facts import BlockFacts, DatasetFacts, OrderFacts, ReceiptFacts
from provider.receipts.keys import SigningKeys
from provider.receipts.statement import Statement
from provider.receipts.trust import parse_trust
from tests.chain_fixtures import ALGORITHM, HASTY, JOB, People, place_order
from tests.receipt_samples import sample_facts


def facts_of(chain: ChainClient, asset: Asset, people: People) -> ReceiptFacts:
    """Return the facts of an honest receipt for an order just placed."""
    order = place_order(chain, asset, people.scientist)
    event, head = chain.find_order_event(JOB, order.consumer, asset.token_id), chain.head()
    if event is None:
        raise RuntimeError("no event")
    sample = sample_facts(SigningKeys.generate(chain.chain_id))
    placed = OrderFacts(
        chain.chain_id,
        event.tx_hash,
        event.log_index,
        asset.datatoken,
        order.consumer,
        order.amount_wei,
        asset.token_id,
    )
    dataset = DatasetFacts(
        asset.asset_id,
        asset.token_id,
        digest_text(asset.terms.commitment),
        "sealroom-files-v1",
        "sha256:" + "00" * 32,
    )
    return replace(
        sample,
        job=replace(sample.job, id=JOB.hex(), consumer=order.consumer, orders=(placed,)),
        inputs=replace(sample.inputs, datasets=(dataset,), algorithm=digest_text(ALGORITHM)),
        policy=replace(sample.policy, decided=head.time),
        provider=replace(sample.provider, address=asset.terms.provider),
        not_before=BlockFacts(head.number, "0x" + head.hash.hex()),
    )


def statement_of(facts: ReceiptFacts) -> Statement:
    return Statement((), facts, {})


def test_an_honest_order_and_its_approval_are_found(chain: ChainClient, asset: Asset, people: People) -> None:
    statement = statement_of(facts_of(chain, asset, people))
    assert DeploymentEvidence(chain).orders_match(statement)
    assert DeploymentEvidence(chain).approvals_match(statement)


@pytest.mark.parametrize(
    "change",
    [
        {"tx_hash": "0x" + "00" * 32},
        {"log_index": 99},
        {"amount_wei": 1},
        {"token_id": 2},
        {"consumer": "0x" + "00" * 20},
        {"datatoken": "0x" + "00" * 20},
        {"chain_id": 1},
    ],
)
def test_hole_4_an_order_with_other_terms_than_the_chains_matches_nothing(
    chain: ChainClient, asset: Asset, people: People, change: dict[str, Any]
) -> None:
    facts = facts_of(chain, asset, people)
    order = replace(facts.job.orders[0], **change)
    assert not DeploymentEvidence(chain).orders_match(
        statement_of(replace(facts, job=replace(facts.job, orders=(order,))))
    )


def test_hole_4_an_order_for_another_job_or_provider_matches_nothing(
    chain: ChainClient, asset: Asset, people: People
) -> None:
    facts, evidence = facts_of(chain, asset, people), DeploymentEvidence(chain)
    other_job = replace(facts, job=replace(facts.job, id="00" * 32))
    other_provider = replace(facts, provider=replace(facts.provider, address=people.stranger.address))
    assert not evidence.orders_match(statement_of(other_job))
    assert not evidence.orders_match(statement_of(other_provider))
    assert not evidence.approvals_match(statement_of(other_provider))


def test_what_the_owner_says_later_does_not_undo_an_approval(
    chain: ChainClient, asset: Asset, people: People
) -> None:
    statement = statement_of(facts_of(chain, asset, people))
    chain.revoke(asset.token_id, ALGORITHM, sender=people.owner)
    assert DeploymentEvidence(chain).approvals_match(statement)
    chain.approve(asset.token_id, ALGORITHM, chain.head().time + 5000, sender=people.owner)
    assert DeploymentEvidence(chain).approvals_match(statement)


def test_an_algorithm_that_was_not_approved_then_matches_nothing(
    chain: ChainClient, asset: Asset, people: People
) -> None:
    facts, evidence = facts_of(chain, asset, people), DeploymentEvidence(chain)
    other_code = replace(facts, inputs=replace(facts.inputs, algorithm=digest_text(b"\xa2" * 32)))
    assert not evidence.approvals_match(statement_of(other_code))
    chain.revoke(asset.token_id, ALGORITHM, sender=people.owner)
    head = chain.head()
    too_late = replace(
        facts,
        policy=replace(facts.policy, decided=head.time),
        not_before=BlockFacts(head.number, "0x" + head.hash.hex()),
    )
    assert not evidence.approvals_match(statement_of(too_late))


def test_an_approval_from_before_the_order_does_not_count_when_it_was_revoked_meanwhile(
    chain: ChainClient, asset: Asset, people: People
) -> None:
    code = b"\xa2" * 32
    chain.approve(asset.token_id, code, chain.head().time + 5000, sender=people.owner)
    old = chain.head()
    chain.revoke(asset.token_id, code, sender=people.owner)
    facts = facts_of(chain, asset, people)  # ordered for code that is approved, decided on an older block
    backdated = replace(
        facts,
        inputs=replace(facts.inputs, algorithm=digest_text(code)),
        policy=replace(facts.policy, decided=old.time),
        not_before=BlockFacts(old.number, "0x" + old.hash.hex()),
    )
    assert not DeploymentEvidence(chain).orders_match(statement_of(backdated))


def test_a_token_id_that_no_contract_can_have_matches_nothing(
    chain: ChainClient, asset: Asset, people: People
) -> None:
    facts = facts_of(chain, asset, people)
    dataset = replace(facts.inputs.datasets[0], token_id=10**77 * 9)
    order = replace(facts.job.orders[0], token_id=dataset.token_id)
    inputs, job = replace(facts.inputs, datasets=(dataset,)), replace(facts.job, orders=(order,))
    statement = statement_of(replace(facts, inputs=inputs, job=job))
    assert not DeploymentEvidence(chain).approvals_match(statement)
    assert not DeploymentEvidence(chain).orders_match(statement)


def test_a_block_of_another_chain_or_other_data_matches_nothing(
    chain: ChainClient, asset: Asset, people: People
) -> None:
    facts, evidence = facts_of(chain, asset, people), DeploymentEvidence(chain)
    other_block = replace(facts, not_before=replace(facts.not_before, hash="0x" + "00" * 32))
    assert not evidence.approvals_match(statement_of(other_block))
    dataset = replace(facts.inputs.datasets[0], commitment="sha256:" + "00" * 32)
    other_data = replace(facts, inputs=replace(facts.inputs, datasets=(dataset,)))
    assert not evidence.approvals_match(statement_of(other_data))
    unknown = replace(dataset, token_id=77)
    assert not evidence.approvals_match(
        statement_of(replace(facts, inputs=replace(facts.inputs, datasets=(unknown,))))
    )


def test_silence_is_an_error_and_never_a_yes(chain: ChainClient, asset: Asset, people: People) -> None:
    statement = statement_of(facts_of(chain, asset, people))
    silent = DeploymentEvidence(ChainClient.connect("http://127.0.0.1:1", chain.deployment, patience=HASTY))
    with pytest.raises(EvidenceUnavailableError):
        silent.orders_match(statement)
    with pytest.raises(EvidenceUnavailableError):
        silent.approvals_match(statement)


def test_a_trust_root_is_made_of_what_stands_on_chain_and_reads_back(
    chain: ChainClient, people: People
) -> None:
    keys = SigningKeys.generate(chain.chain_id).public()
    chain.publish_keys(
        p256=keys.p256, signer=keys.signer, ed25519=keys.ed25519, endpoint="http://x", sender=people.provider
    )
    chain.anchor(3, b"\x05" * 32, sender=people.provider)
    trust = build_trust(chain, people.provider.address)
    assert parse_trust(trust.to_json()) == trust
    assert [(key.p256, key.ed25519) for key in trust.keys] == [(keys.p256, keys.ed25519)]
    assert trust.find_anchor(3, b"\x05" * 32) is not None
