"""What `job preflight` foresees is what the provider decides, on the same chain, documents and engine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from cli.bundles import write_bundle
from cli.main import run
from cli.preflight import foresee_job
from policies.canonical import canonical_json, digest_of, parse_digest
from policies.documents import parse_yaml
from policies.foresight import Foresight
from policies.verdicts import Decision, Verdict
from provider.jobs.judge import Judge
from provider.jobs.telling import EngineTeller
from provider.store.tables import FactRow
from sandbox.bundle import Bundle, parse_bundle
from sandbox.engine import Engine
from tests.cli.conftest import Desk
from tests.provider_fixtures import POLICY, make_bundle, new_account

IMAGES = tuple(digest_of(name.encode()) for name in ("image", "other image"))
OTHER = new_account().address.lower()


@dataclass(frozen=True)
class KnownEngine:
    """An engine of which only is asked what it has."""

    names: frozenset[str]
    images: frozenset[str]

    def runtimes(self) -> frozenset[str]:
        return self.names

    def image_digests(self) -> frozenset[str]:
        return self.images

    def has_image(self, image: str) -> bool:
        return image in self.images


@dataclass(frozen=True)
class World:
    """A policy, an engine, a request and an approval that somebody might meet."""

    policy: dict[str, Any]
    purpose: str
    approval: str
    runtimes: tuple[str, ...]
    present: bool
    told: bool
    schema: str | None = None


def policies(scientist: str) -> st.SearchStrategy[dict[str, Any]]:
    people = st.sampled_from([scientist.lower(), OTHER, "0x" + "22" * 20])
    reviewers = st.lists(people, min_size=1, max_size=3, unique=True).flatmap(
        lambda who: st.builds(
            lambda needed: {"reviewers": who, "needed": needed}, st.integers(1, min(2, len(who)))
        )
    )
    return st.fixed_dictionaries(
        {
            "purposes": st.sampled_from([["DUO:0000006"], ["DUO:0000042"], ["DUO:0000007"]]),
            "consumers": st.sampled_from(["anyone", "anyone", [scientist.lower()], [OTHER]]),
            "runtime": st.sampled_from(["any", "gvisor"]),
            "privacy": st.sampled_from([{"mode": "none"}, {"mode": "measured", "tests": {}}]),
        },
        optional={
            "images": st.lists(st.sampled_from(IMAGES), max_size=2, unique=True),
            "outputs": st.sampled_from([{"metrics": {"max_count": 2, "max_digits": 4}}]),
            "review": reviewers,
        },
    )


def worlds(scientist: str) -> st.SearchStrategy[World]:
    return st.builds(
        World,
        policy=policies(scientist),
        purpose=st.sampled_from(["DUO:0000006", "DUO:0000042"]),
        approval=st.sampled_from(["approved", "approved", "none", "revoked"]),
        runtimes=st.sampled_from([("runc", "runsc"), ("runc",), ()]),
        present=st.booleans(),
        told=st.booleans(),
    )


@dataclass(slots=True)
class Office:
    """A scientist who asks before submitting, and the provider's judge."""

    desk: Desk
    folder: Path
    bundle: Bundle
    count: int = 0

    def ask_and_decide(self, world: World) -> tuple[Any, Decision]:
        """Return what is foreseen of a job, and what the judge then says of it."""
        lab, scientist = self.desk.lab, self.desk.lab.people.scientist
        document = parse_yaml(POLICY.encode(), document="policy") | world.policy
        asset = lab.add_dataset(policy=json.dumps(document), table_schema=world.schema)
        if world.approval != "none":
            lab.approve(asset, self.bundle)
        if world.approval == "revoked":
            lab.chain.revoke(asset.token_id, parse_digest(self.bundle.digest), sender=lab.people.owner)
        engine = cast(
            "Engine", KnownEngine(frozenset(world.runtimes), frozenset(IMAGES[:1] if world.present else ()))
        )
        self.forget_facts()
        if world.told:
            EngineTeller(engine, lab.database.access, clock=lambda: lab.now).turn()
        foreseen = foresee_job(
            self.desk.session("scientist", scientist), self.job_file(asset.asset_id, world)
        )
        lab.upload(self.bundle)
        request = lab.request(asset, self.bundle, purpose=world.purpose)
        job_id = (lab.submit(request).json or {})["job_id"]
        judge = Judge(lab.services.identity, lab.database, lab.blobs, lab.chain, engine)
        return foreseen, judge.evaluate(lab.database.jobs.get(job_id), now=lab.now).decision

    def forget_facts(self) -> None:
        with self.desk.lab.database.access._write() as session:
            session.execute(delete(FactRow))

    def job_file(self, asset_id: str, world: World) -> Path:
        self.count += 1
        folder = self.folder / "bundle"
        if not folder.exists():
            write_bundle(self.bundle, folder)
        path = self.folder / f"job-{self.count}.yaml"
        values = {"dataset": asset_id, "algorithm": "bundle", "purpose": world.purpose, "max_price": "5"}
        path.write_text(json.dumps(values))
        return path


@pytest.fixture
def office(desk: Desk, tmp_path: Path) -> Office:
    return Office(desk, tmp_path, make_bundle(image=IMAGES[0]))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(data=st.data())
def test_what_is_foreseen_is_what_the_provider_decides_and_the_rest_is_said_to_be_unknown(
    office: Office, data: st.DataObject
) -> None:
    world = data.draw(worlds(office.desk.lab.people.scientist.address))
    foreseen, decision = office.ask_and_decide(world)
    said = {rule.name: rule.verdict for rule in foreseen.forecast.rules}
    decided = {rule.name: Foresight(rule.verdict.value) for rule in decision.rules}
    unknown = {name for name, verdict in said.items() if verdict is Foresight.UNKNOWN}
    assert {name: decided[name] for name in said.keys() - unknown} == {
        name: verdict for name, verdict in said.items() if name not in unknown
    }
    assert said.keys() == decided.keys()
    expected = set() if world.told and world.runtimes else {"image-present", "runtime-available"}
    assert unknown <= expected
    if foreseen.forecast.status is not Foresight.UNKNOWN:
        assert foreseen.forecast.status == decision.status.value
    elif world.told and world.runtimes:
        pytest.fail("everything was told, and the end was not foreseen")


DIFFERENTIAL = {"mode": "differential", "delta": "0.001", "budget": "5", "job_epsilon": "3"}
SCHEMA = """\
version: 1
columns:
  - {name: age, kind: number, min: "0", max: "120"}
  - {name: outcome, kind: category, categories: ["0", "1"]}
"""
RECIPE = f"""\
kind: recipe
name: wards
version: "1"
image: {IMAGES[0]}
parameters: {{type: object, additionalProperties: false}}
recipe:
  task: classification
  features: [{{kind: number, column: age, min: "0", max: "120"}}]
  target: {{kind: category, column: outcome, categories: ["0", "1"]}}
  loss: {{kind: cross-entropy}}
  optimizer: {{kind: sgd}}
  epochs: 2
  batch_size: 20
  learning_rate: "0.1"
  privacy: {{epsilon: "2"}}
"""


@pytest.mark.parametrize(
    ("terms", "schema", "mechanism"),
    [
        (DIFFERENTIAL, SCHEMA, "allow"),
        (DIFFERENTIAL | {"job_epsilon": "1"}, SCHEMA, "deny"),
        (DIFFERENTIAL | {"budget": "1"}, SCHEMA, "allow"),
        (DIFFERENTIAL, None, "deny"),
    ],
    ids=["a recipe within its budget", "too dear for one job", "dearer than the budget", "no schema"],
)
def test_what_a_recipe_costs_is_foreseen_as_the_provider_reckons_it(
    office: Office, terms: dict[str, str], schema: str | None, mechanism: str
) -> None:
    office.bundle = parse_bundle({"algorithm.yaml": RECIPE.encode()})
    world = World(
        {"privacy": terms, "images": IMAGES},
        "DUO:0000006",
        "approved",
        ("runc",),
        present=True,
        told=True,
        schema=schema,
    )
    foreseen, decision = office.ask_and_decide(world)
    said = {rule.name: rule.verdict.value for rule in foreseen.forecast.rules}
    decided = {rule.name: rule.verdict.value for rule in decision.rules}
    assert said["privacy-mechanism"] == mechanism
    assert said == decided
    if schema:
        assert foreseen.datasets[0].privacy.cost.epsilon.startswith(("1.9", "2"))


PLAIN = World({}, "DUO:0000006", "approved", ("runc",), present=True, told=True)


def test_a_job_that_nothing_stands_against_is_foreseen_to_run(office: Office) -> None:
    foreseen, decision = office.ask_and_decide(PLAIN)
    assert (foreseen.forecast.status, decision.status) == (Foresight.ALLOW, Verdict.ALLOW)
    assert foreseen.problems == ()


def test_before_anything_is_known_of_the_engine_nothing_is_promised(office: Office) -> None:
    world = World({}, "DUO:0000006", "approved", ("runc",), present=True, told=False)
    foreseen, decision = office.ask_and_decide(world)
    assert decision.status is Verdict.ALLOW
    assert foreseen.forecast.status is Foresight.UNKNOWN


def test_a_preflight_says_what_a_job_costs_and_waits_for_and_leaves_nothing_behind(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    office.ask_and_decide(PLAIN)
    lab, scientist = office.desk.lab, office.desk.lab.people.scientist
    review = {"reviewers": [OTHER], "needed": 1, "within_s": 7200}
    document = parse_yaml(POLICY.encode(), document="policy") | {"review": review}
    asset = lab.add_dataset(policy=json.dumps(document))
    path = office.job_file(asset.asset_id, PLAIN)
    (office.folder / "bundle" / "train.py").write_bytes(b"another algorithm\n")
    before = lab.chain.head().number, len(lab.database.jobs.list_by()), lab.database.ledger.size()
    code = run(["--json", "job", "preflight", str(path)], office.desk.session("scientist", scientist))
    found = json.loads(capsys.readouterr().out)
    assert (int(code), found["prediction"], found["problems"]) == (3, "wait", [])
    assert found["waiting"]["approvals"] == [asset.asset_id]
    assert found["waiting"]["reviews"] == [
        {"asset_id": asset.asset_id, "when": "always", "needed": 1, "within_s": 7200}
    ]
    assert (found["cost"][0]["amount_wei"], found["cost"][0]["enough"]) == (str(5 * 10**18), True)
    assert found["datasets"][0]["privacy"]["mode"] == "none"
    assert before == (lab.chain.head().number, len(lab.database.jobs.list_by()), lab.database.ledger.size())
    assert lab.database.catalogue.find_algorithm(found["algorithm"]) is None
    assert canonical_json(found)  # nothing in it that JSON can't carry exactly
