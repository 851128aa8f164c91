"""Says what a receipt says as the entities of a Five Safes RO-Crate 0.4, for archives and research environments. Pure.

The crate tells who asked, for what, which data was used where, what left and who assessed it. One point of the profile is
not met: the algorithm is named by its digest and is no Workflow RO-Crate. It proves nothing: the receipt in it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from policies.decide import Verdict
from policies.purposes import describe_purpose
from provider.receipts.countersignature import Countersignature
from provider.receipts.countersigners import Countersigned, Standing
from provider.receipts.log import chain_id_of
from provider.receipts.slsa import account_uri, dataset_uri, rfc3339
from provider.receipts.statement import Statement

PROFILE = "https://w3id.org/5s-crate/0.4"
SHP = "https://w3id.org/shp#"
COMPLETED = "http://schema.org/CompletedActionStatus"
FAILED = "http://schema.org/FailedActionStatus"
ROOT, RUN, ALGORITHM, PROJECT = "./", "#run", "#algorithm", "#project"
LICENCE, SOFTWARE = "#licence", "#sealroom"
Entity = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CrateSource:
    """What a crate is made from: the receipt, the artefacts at hand by name, who countersigned, the time now."""

    statement: Statement
    artifacts: Mapping[str, Path]
    countersigned: Sequence[Countersigned]
    now: int

    @property
    def provider(self) -> str:
        """The provider's account as a URI."""
        facts = self.statement.facts
        return account_uri(chain_id_of(facts.log.origin), facts.provider.address)

    @property
    def consumer(self) -> str:
        """The consumer's account as a URI."""
        facts = self.statement.facts
        return account_uri(chain_id_of(facts.log.origin), facts.job.consumer)

    def output_id(self, name: str) -> str:
        """Return the id of what left: a path when it is in the crate, else a name in the metadata."""
        return f"outputs/{quote(name)}" if name in self.artifacts else f"#output-{quote(name)}"


def list_parts(source: CrateSource) -> list[Entity]:
    """Return what the crate is made of besides its files: what left and isn't at hand, the code, the data."""
    return [item for item in list_outputs(source) if item["@type"] != "File"] + list(_parts(source))


def list_entities(source: CrateSource) -> list[Entity]:
    """Return who and what the crate speaks of, each once."""
    found = (*_people(source), *_parameters(source), *list_actions(source))
    return list({item["@id"]: item for item in found}.values())


def describe_root(source: CrateSource) -> Entity:
    """Return what the crate says of itself."""
    facts = source.statement.facts
    return {
        "name": f"Sealed training run {facts.job.id}",
        "description": f"A job on data that did not leave: {facts.egress.outcome}. The receipt proves what this tells.",
        "datePublished": rfc3339(source.now),
        "license": _ref(LICENCE),
        "conformsTo": _ref(PROFILE),
        "identifier": f"urn:sealroom:receipt:{facts.log.origin}:{facts.log.index}",
        "mainEntity": _ref(ALGORITHM),
        "mentions": [_ref(action["@id"]) for action in list_actions(source)],
        "sourceOrganization": _ref(PROJECT),
        "publisher": _ref(source.provider),
    }


def list_outputs(source: CrateSource) -> list[Entity]:
    """Return what left, by digest; what isn't at hand is named and not in the crate."""
    released = source.statement.subjects if source.statement.is_released else ()
    return [
        {
            "@id": source.output_id(subject.name),
            "@type": "File" if subject.name in source.artifacts else "DigitalDocument",
            "name": subject.name,
            "sha256": subject.sha256,
        }
        for subject in released
    ]


def _parts(source: CrateSource) -> Iterator[Entity]:
    """Yield the code and the data, which are named and not in the crate."""
    inputs = source.statement.facts.inputs
    yield {
        "@id": ALGORITHM,
        "@type": "Dataset",
        "name": "algorithm bundle",
        "identifier": inputs.algorithm,
        "description": "Approved by its digest; run in the image "
        + (inputs.image or "that its bundle names, which couldn't be had"),
    }
    for item in inputs.datasets:
        yield {
            "@id": f"#dataset-{item.asset_id}",
            "@type": "Dataset",
            "name": f"dataset {item.asset_id}",
            "identifier": dataset_uri(item),
            "description": f"Stays with the provider; content {item.commitment} ({item.scheme})",
        }


def _people(source: CrateSource) -> Iterator[Entity]:
    facts = source.statement.facts
    signed = str(facts.job.request.get("purpose"))
    purpose = f"{signed}, {describe_purpose(signed)}"
    yield {"@id": PROFILE, "@type": "Profile", "name": "Five Safes RO-Crate profile"}
    yield {
        "@id": source.consumer,
        "@type": "Person",
        "name": f"holder of the account {facts.job.consumer}",
        "memberOf": _ref(PROJECT),
    }
    yield {
        "@id": PROJECT,
        "@type": "Project",
        "name": f"What {facts.job.consumer} asked for: {purpose}",
        "identifier": f"urn:sealroom:job:{facts.job.id}",
    }
    yield {
        "@id": source.provider,
        "@type": "Organization",
        "name": f"provider with the account {facts.provider.address}",
    }
    yield {
        "@id": SOFTWARE,
        "@type": "SoftwareApplication",
        "name": f"sealroom, software {facts.provider.software}",
        "provider": _ref(source.provider),
    }
    yield {
        "@id": LICENCE,
        "@type": "CreativeWork",
        "name": "The receipt states no licence: ask the owner of the data and the provider",
    }
    for digest in facts.policy.digests:
        yield {"@id": f"urn:sealroom:policy:{digest}", "@type": "CreativeWork", "name": f"policy {digest}"}
    for mark, _ in _valid(source):
        name = f"holder of the account {mark.account}"
        yield {"@id": account_uri(mark.chain_id, mark.account), "@type": "Person", "name": name}


def _parameters(source: CrateSource) -> Iterator[Entity]:
    for name, value in source.statement.facts.inputs.parameters.items():
        yield {
            "@id": f"#parameter-{quote(name)}",
            "@type": "PropertyValue",
            "name": name,
            "value": value if isinstance(value, (str, int, float, bool)) else str(value),
        }


def list_actions(source: CrateSource) -> list[Entity]:
    """Return the run and every assessment of it, in the order in which they were made."""
    return [
        _sign_off(source),
        _run(source),
        _disclosure(source),
        *(_countersigned(number, *item) for number, item in enumerate(_valid(source), start=1)),
        {
            **_assessment("#bagit", "GenerateCheckValue", "BagIt manifests written", passed=True),
            "@type": "UpdateAction",
            "agent": _ref(SOFTWARE),
            "startTime": rfc3339(source.now),
        },
    ]


def _run(source: CrateSource) -> Entity:
    facts, released = source.statement.facts, list_outputs(source)
    action = {
        "@id": RUN,
        "@type": "CreateAction",
        "name": f"Sealed run of job {facts.job.id}: {facts.egress.outcome}",
        "agent": _ref(source.consumer),
        "instrument": _ref(ALGORITHM),
        "object": [
            *(_ref(f"#dataset-{item.asset_id}") for item in facts.inputs.datasets),
            *(_ref(item["@id"]) for item in _parameters(source)),
        ],
        "result": [_ref(item["@id"]) for item in released],
        "actionStatus": COMPLETED if released else FAILED,
    }
    if facts.run is not None:
        action |= {"startTime": rfc3339(facts.run.started), "endTime": rfc3339(facts.run.finished)}
    return action


def _sign_off(source: CrateSource) -> Entity:
    policy = source.statement.facts.policy
    allowed = policy.decision == Verdict.ALLOW
    name = f"Decision by the policies of the data, {policy.engine}: {policy.decision}"
    return {
        **_assessment("#sign-off", "SignOff", name, passed=allowed),
        "object": [_ref(ROOT), _ref(ALGORITHM), _ref(PROJECT)],
        "instrument": [_ref(f"urn:sealroom:policy:{digest}") for digest in policy.digests],
        "agent": _ref(SOFTWARE),
        "endTime": rfc3339(policy.decided),
    }


def _disclosure(source: CrateSource) -> Entity:
    facts = source.statement.facts
    egress, bits = facts.egress, facts.privacy.information_bits
    name = f"Egress gate {egress.gate}: {egress.verdict}, at most {bits} bits left"
    action = _assessment("#disclosure", "DisclosureCheck", name, passed=source.statement.is_released)
    ended = {"endTime": rfc3339(facts.run.finished)} if facts.run else {}
    return {**action, "agent": _ref(SOFTWARE), **ended}


def _valid(source: CrateSource) -> list[tuple[Countersignature, str]]:
    """Return each countersignature that holds, and what was checked of it: no chain is asked for a crate."""
    return [
        (item.mark, item.detail)
        for item in source.countersigned
        if item.mark and item.standing is Standing.VALID
    ]


def _countersigned(number: int, mark: Countersignature, checked: str) -> Entity:
    name = f"Countersigned as {mark.words.role}: {mark.words.statement}"
    action = _assessment(f"#countersignature-{number}", "SignOff", name, passed=True)
    agent = _ref(account_uri(mark.chain_id, mark.account))
    return {**action, "description": checked, "agent": agent, "endTime": rfc3339(mark.words.time)}


def _assessment(identifier: str, kind: str, name: str, *, passed: bool) -> Entity:
    return {
        "@id": identifier,
        "@type": "AssessAction",
        "additionalType": _ref(SHP + kind),
        "name": name,
        "object": _ref(ROOT),
        "actionStatus": COMPLETED if passed else FAILED,
    }


def _ref(identifier: str) -> Entity:
    return {"@id": identifier}
