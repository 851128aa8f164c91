"""What the judge knows of a consumer: lists by their root, and credentials by who signed them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from datatokens.allowlist import build_root
from datatokens.ethkeys import Account, LocalAccount
from datatokens.model import Asset
from policies.canonical import canonical_json
from policies.decide import Verdict
from provider.credentials import Credential
from provider.issuing import issue_credential
from provider.jobs.judge import Judge
from sandbox.engine import DockerEngine
from tests.provider_fixtures import Lab, make_bundle, new_account

ISSUER: LocalAccount = Account.from_key("0x" + "11" * 32)
OTHER: LocalAccount = Account.from_key("0x" + "22" * 32)
HOUR_S = 3600
CHANGE = text("UPDATE consumer_lists SET blob = :blob WHERE root = :root")


def policy_text(consumers: object, *, credentials: bool = False) -> str:
    demands = [{"claim": "not-for-profit", "issuers": [ISSUER.address]}] if credentials else []
    return canonical_json(
        {
            "version": 2,
            "projects": {"purposes": ["DUO:0000006"]},
            "people": {"consumers": consumers, "credentials": demands},
            "data": {"privacy": {"mode": "none"}},
            "outputs": {"weights": {"max_bytes": "1MiB"}, "metrics": {"max_count": 2, "max_digits": 4}},
        }
    ).decode()


@dataclass(slots=True)
class Court:
    """A lab with a judge alone: what is asked here, no container has to run for."""

    lab: Lab
    judge: Judge

    def submit(self, asset: Asset, *credentials: Credential) -> str:
        bundle = make_bundle()
        self.lab.upload(bundle)
        shown = [one.model_dump() for one in credentials]
        answer = self.lab.submit(self.lab.request(asset, bundle), credentials=shown)
        return str((answer.json or {})["job_id"])

    def verdict(self, job_id: str, rule: str, *, later_s: int = 0) -> Verdict:
        job = self.lab.database.jobs.get(job_id)
        decision = self.judge.evaluate(job, now=self.lab.now + later_s).decision
        (found,) = [item.verdict for item in decision.rules if item.name == rule]
        return found


@pytest.fixture
def court(lab: Lab, engine: DockerEngine) -> Court:
    return Court(lab, Judge(lab.services.identity, lab.database, lab.blobs, lab.chain, engine))


def test_a_credential_counts_when_its_issuer_signed_it_about_the_consumer_and_it_is_valid(
    court: Court,
) -> None:
    subject, expires = court.lab.people.scientist.address, court.lab.now + HOUR_S
    asset = court.lab.add_dataset(policy=policy_text("anyone", credentials=True))
    good = issue_credential(ISSUER, subject, "not-for-profit", expires=expires)
    about_another = issue_credential(ISSUER, new_account().address, "not-for-profit", expires=expires)
    cases: dict[str, tuple[tuple[Credential, ...], Verdict]] = {
        "the credential that is asked for": ((good,), Verdict.ALLOW),
        "no credential": ((), Verdict.DENY),
        "another claim": (
            (issue_credential(ISSUER, subject, "ethics-approval", expires=expires),),
            Verdict.DENY,
        ),
        "an issuer whom the policy doesn't name": (
            (issue_credential(OTHER, subject, "not-for-profit", expires=expires),),
            Verdict.DENY,
        ),
        "a name of the issuer under another's signature": (
            (
                issue_credential(OTHER, subject, "not-for-profit", expires=expires).model_copy(
                    update={"issuer": ISSUER.address}
                ),
            ),
            Verdict.DENY,
        ),
        "a credential about somebody else": ((about_another,), Verdict.DENY),
        "somebody else's made one's own": (
            (about_another.model_copy(update={"subject": subject}),),
            Verdict.DENY,
        ),
        "one that expired": (
            (issue_credential(ISSUER, subject, "not-for-profit", expires=court.lab.now - HOUR_S),),
            Verdict.DENY,
        ),
        "a bad one beside a good one": ((about_another, good), Verdict.ALLOW),
    }
    jobs = {name: court.submit(asset, *shown) for name, (shown, _) in cases.items()}
    found = {name: court.verdict(job_id, "credentials-held") for name, job_id in jobs.items()}
    assert found == {name: verdict for name, (_, verdict) in cases.items()}
    job_id = jobs["the credential that is asked for"]
    assert court.verdict(job_id, "credentials-held", later_s=2 * HOUR_S) is Verdict.DENY


def test_a_list_counts_once_it_is_handed_in_and_only_as_it_was_handed_in(court: Court) -> None:
    lab, scientist = court.lab, court.lab.people.scientist.address
    members = [scientist, new_account().address]
    root = build_root(members).hex()
    asset = lab.add_dataset(policy=policy_text({"allow_list": {"root": root}}))
    job_id = court.submit(asset)
    assert court.verdict(job_id, "consumer-allowed") is Verdict.DENY
    lab.act(lab.people.owner, "dataset.allow", {"asset_id": asset.asset_id, "consumers": members})
    assert court.verdict(job_id, "consumer-allowed") is Verdict.ALLOW
    assert lab.chain.get_asset(asset.token_id).consumers_root is None
    other = lab.blobs.put(canonical_json(sorted([scientist, new_account().address])))
    with lab.database.catalogue._write() as session:
        session.execute(CHANGE, {"blob": other, "root": root})
    assert court.verdict(job_id, "consumer-allowed") is Verdict.DENY


def test_a_purpose_that_names_its_disease_is_signed_kept_and_compared(court: Court) -> None:
    document = json.loads(policy_text("anyone"))
    document["projects"]["purposes"] = [{"term": "DUO:0000007", "diseases": ["MONDO:0007254"]}]
    asset, bundle = court.lab.add_dataset(policy=canonical_json(document).decode()), make_bundle()
    court.lab.upload(bundle)
    found = {}
    for disease in ("MONDO:0007254", "MONDO:0005015"):
        request = court.lab.request(asset, bundle, purpose=f"DUO:0000007[{disease}]")
        job_id = str((court.lab.submit(request).json or {})["job_id"])
        assert court.lab.database.jobs.get(job_id).request.purpose == f"DUO:0000007[{disease}]"
        found[disease] = court.verdict(job_id, "purpose-allowed")
    assert found == {"MONDO:0007254": Verdict.ALLOW, "MONDO:0005015": Verdict.DENY}


def test_who_is_not_on_the_list_is_denied(court: Court) -> None:
    lab, members = court.lab, [new_account().address]
    asset = lab.add_dataset(policy=policy_text({"allow_list": {"root": build_root(members).hex()}}))
    lab.act(lab.people.owner, "dataset.allow", {"asset_id": asset.asset_id, "consumers": members})
    assert court.verdict(court.submit(asset), "consumer-allowed") is Verdict.DENY


def test_the_credentials_of_a_job_are_kept_as_they_came(court: Court) -> None:
    credential = issue_credential(ISSUER, OTHER.address, "not-for-profit", expires=court.lab.now + HOUR_S)
    job_id = court.submit(court.lab.add_dataset(), credential)
    assert court.lab.database.jobs.get(job_id).credentials == (credential,)
    assert "credentials" not in json.loads(court.lab.database.jobs.get(job_id).request.model_dump_json())


def test_more_credentials_than_eight_datasets_can_ask_for_are_refused(court: Court) -> None:
    credential = issue_credential(ISSUER, OTHER.address, "not-for-profit", expires=court.lab.now + HOUR_S)
    asset, bundle = court.lab.add_dataset(), make_bundle()
    court.lab.upload(bundle)
    request = court.lab.request(asset, bundle)
    answer = court.lab.submit(request, credentials=[credential.model_dump()] * 65)
    assert answer.status_code == 400
