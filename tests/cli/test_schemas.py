"""A schema goes with its dataset: registered by the owner, checked against the chain, and what rows and trials are made from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cli.bundles import write_bundle
from cli.datasets import register_dataset
from cli.errors import ApiError, ExitCode
from cli.main import run
from policies.schema import parse_schema
from tests.cli.conftest import Desk
from tests.cli.test_registering_once import make_offer
from tests.provider_fixtures import POLICY, make_bundle
from tests.schema_samples import SCHEMA, TABLE, every_kind
from tests.web_servers import Application, serve_app

SEES = """\
import json, os, pathlib
asset = json.loads(os.environ["DIDS"])[0]
print(asset, pathlib.Path(f"/data/inputs/{asset}/0").read_text().splitlines()[0])
pathlib.Path("/data/outputs/metrics.json").write_text(json.dumps({"loss": 0.5}))
raise SystemExit(1)
"""


@dataclass(slots=True)
class Clinic:
    """A provider that is asked over HTTP, and the command that people type at their homes."""

    desk: Desk
    application: Application
    url: str
    capsys: pytest.CaptureFixture[str]

    def offer(self, schema: str | None = SCHEMA) -> str:
        (self.desk.lab.home / "data" / "wards.csv").write_text(TABLE)
        session = self.desk.session("owner", self.desk.lab.people.owner)
        return register_dataset(session, replace(make_offer(self.desk), table_schema=schema)).view.asset_id

    def type(self, *words: str, expect: ExitCode = ExitCode.OK) -> Any:
        session = self.desk.session("scientist", self.desk.lab.people.scientist, url=self.url)
        code = run([*words, "--json"], session)
        printed = self.capsys.readouterr()
        assert code is expect, printed.err
        return json.loads(printed.out)

    def tamper(self, change: Callable[[bytes], bytes]) -> None:
        """Have the provider tell another description from now on."""
        honest = self.application

        def lie(environ: Any, start_response: Any) -> Any:
            parts = honest(environ, start_response)
            return [change(b"".join(parts))] if environ["PATH_INFO"].endswith("/metadata") else parts

        self.application = lie


@pytest.fixture
def clinic(desk: Desk, capsys: pytest.CaptureFixture[str]) -> Iterator[Clinic]:
    found = Clinic(desk, desk.lab.client.application, "", capsys)

    def ask(environ: Any, start_response: Any) -> Any:
        return found.application(environ, start_response)

    with serve_app(ask) as found.url:
        yield found


def test_what_the_owner_published_is_what_a_scientist_reads(clinic: Clinic, tmp_path: Path) -> None:
    asset_id = clinic.offer()
    clinic.type("dataset", "schema", asset_id, "--output", str(tmp_path / "schema.yaml"))
    assert parse_schema((tmp_path / "schema.yaml").read_bytes()) == every_kind()
    told = clinic.type("dataset", "schema", asset_id)["schema"]
    assert parse_schema(json.dumps(told).encode()) == every_kind()
    assert "is there already" in str(
        clinic.type("dataset", "schema", asset_id, "-o", str(tmp_path / "schema.yaml"), expect=ExitCode.USAGE)
    )


def test_a_schema_that_is_not_the_one_on_chain_is_not_believed(clinic: Clinic, tmp_path: Path) -> None:
    asset_id = clinic.offer()
    clinic.tamper(lambda data: data.replace(b'"max":"120"', b'"max":"121"'))
    for words in (["schema", asset_id], ["synth", asset_id, "-o", str(tmp_path / "out")]):
        assert "differs from the chain" in str(clinic.type("dataset", *words, expect=ExitCode.VERIFICATION))
    assert not (tmp_path / "out").exists()


def test_a_dataset_without_a_schema_is_said_to_have_none(clinic: Clinic) -> None:
    told = clinic.type("dataset", "schema", clinic.offer(None), expect=ExitCode.USAGE)
    assert "has published no schema" in str(told)


def test_a_schema_that_the_data_does_not_fit_registers_nothing(clinic: Clinic) -> None:
    with pytest.raises(ApiError) as caught:
        clinic.offer(SCHEMA.replace("{name: dose", "{name: doses"))
    assert caught.value.code == "schema-differs"
    assert clinic.desk.lab.chain.list_assets() == []


def test_another_schema_is_another_description_with_another_digest(clinic: Clinic) -> None:
    lab = clinic.desk.lab
    (lab.home / "data" / "wards.csv").write_text(TABLE)
    plain, whole, wider = (
        lab.add_dataset(table_schema=schema).terms.metadata_digest
        for schema in (None, SCHEMA, SCHEMA.replace('"120"', '"121"'))
    )
    assert len({plain, whole, wider}) == 3


def test_rows_are_made_and_a_bundle_is_tried_on_them_under_the_datasets_own_policy(
    clinic: Clinic, tmp_path: Path, image_digest: str
) -> None:
    asset_id = clinic.offer()
    clinic.type("dataset", "synth", asset_id, "--rows", "20", "--output", str(tmp_path / "rows"))
    assert len(pd.read_csv(tmp_path / "rows" / "data.csv")) == 20
    write_bundle(make_bundle(SEES, image=image_digest), tmp_path / "bundle")
    words = ["job", "try", str(tmp_path / "bundle"), "--asset", asset_id, "-o", str(tmp_path / "out")]
    found = clinic.type(*words, expect=ExitCode.JOB)
    assert found["log"] == f"{asset_id} {TABLE.splitlines()[0]}\n"
    strict = tmp_path / "policy.yaml"
    strict.write_text(POLICY.replace("max_digits: 4", "max_digits: 1"))
    again = ["job", "try", str(tmp_path / "bundle"), "--asset", asset_id, "--policy", str(strict)]
    told = clinic.type(*again, "-o", str(tmp_path / "other"), expect=ExitCode.DENIED)
    assert told["denied"][0]["rule"] == "outputs-allowed"


def test_a_draft_is_written_for_the_owners_own_file(clinic: Clinic, tmp_path: Path) -> None:
    (tmp_path / "wards.csv").write_text(TABLE)
    clinic.type("dataset", "schema-draft", str(tmp_path / "wards.csv"), "-o", str(tmp_path / "draft.yaml"))
    assert "min: FILL-IN" in (tmp_path / "draft.yaml").read_text()
    clinic.type("dataset", "schema-draft", str(tmp_path / "nothing"), expect=ExitCode.USAGE)
