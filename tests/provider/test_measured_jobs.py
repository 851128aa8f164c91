"""Jobs under a policy of the mode measured: real containers for training and for scoring, real receipts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from policies.privacy import PRIVACY_TESTS
from provider.jobs.states import State
from provider.receipts.facts import HoldBackFacts
from sandbox.bundle import Bundle, parse_bundle
from tests.hospital_fixtures import Hospital
from tests.measured_samples import make_csv
from tests.provider_fixtures import POLICY

MEASURED = POLICY + "privacy: {mode: measured, tests: {}}\n"
MANIFEST = """\
name: ward
version: "1"
main: train.py
entrypoint: python3 $ALGO
image: {image}
parameters: {{type: object, additionalProperties: true}}
outputs:
  weights:
    mantissa_bits: 10
    tensors: [{{name: w, dtype: F32, shape: [24]}}, {{name: b, dtype: F32, shape: [1]}}]
  metrics: {{values: [{{name: accuracy, min: 0, max: 1, digits: 3}}]}}
scorer:
  entrypoint: python3 $ALGO --score
  target: ill
  task: classification
  classes: ["no", "yes"]
"""
SOURCE = """\
import csv, json, os, pathlib, struct, sys
import numpy as np
FEATURES = 8
def features(rows):
    x = (np.array([row[:FEATURES] for row in rows], dtype=float) - 50) / 12
    return np.concatenate([x, np.tanh(x), np.abs(x)], axis=1)
def read(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))[1:]
out, inputs = pathlib.Path(os.environ["OUTPUTS"]), pathlib.Path(os.environ["INPUTS"])
def load(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + size]), data[8 + size :]
    return {name: np.frombuffer(body[slice(*header[name]["data_offsets"])], "<f4") for name in ("w", "b")}
def chance(model, rows):
    return 1 / (1 + np.exp(-4 * (features(rows) @ model["w"].astype(float) + model["b"][0])))
def score():
    rows = read(inputs / "rows.csv")
    for path in (inputs / "models").iterdir():
        p = chance(load(path), rows)
        lines = [f"{1 - value:.12f},{value:.12f}\\n" for value in p]
        (out / f"{path.stem}.csv").write_text("".join(lines))
def train():
    rows = read(inputs / json.loads(os.environ["DIDS"])[0] / "0")
    x = np.concatenate([features(rows), np.ones((len(rows), 1))], axis=1)
    y = np.array([row[FEATURES] == "yes" for row in rows], dtype=float)
    fitted = np.linalg.solve(x.T @ x + 5 * np.eye(x.shape[1]), x.T @ (y - 0.5)).astype("<f4")
    model = {"w": fitted[:-1], "b": fitted[-1:]}
    head = json.dumps({"w": {"dtype": "F32", "shape": [24], "data_offsets": [0, 96]},
                       "b": {"dtype": "F32", "shape": [1], "data_offsets": [96, 100]}}).encode()
    (out / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + fitted.tobytes())
    right = ((chance(model, rows) > 0.5) == y).mean()
    (out / "metrics.json").write_text(json.dumps({"accuracy": round(float(right), 3)}))
"""
START = "score() if sys.argv[1:] == ['--score'] else train()\n"


def make_bundle(source: str, image: str, *, manifest: str = MANIFEST) -> Bundle:
    return parse_bundle(
        {"algorithm.yaml": manifest.format(image=image).encode(), "train.py": source.encode()}
    )


@pytest.fixture
def measured(hospital: Hospital) -> Callable[..., str]:
    """Return a way to run a job on a ward's data, and give its id."""
    (hospital.lab.home / "data" / "ward.csv").write_bytes(make_csv())

    def run(source: str = SOURCE + START, *, policy: str = MEASURED, manifest: str = MANIFEST) -> str:
        bundle = make_bundle(source, hospital.image, manifest=manifest)
        asset = hospital.lab.add_dataset(policy=policy, path="ward.csv")
        hospital.lab.upload(bundle)
        hospital.lab.approve(asset, bundle)
        job_id = hospital.submit(asset, bundle)
        hospital.pay(asset, bundle, job_id)
        hospital.work()
        return job_id

    return run


def test_an_honest_model_is_released_rounded_with_every_test_in_its_receipt(
    hospital: Hospital, measured: Callable[..., str]
) -> None:
    job_id = measured()
    job = hospital.job(job_id)
    assert (job.state, job.code) == (State.RELEASED, "released"), job.message
    facts = hospital.statement(job_id).facts
    checks = {check.name: check for check in facts.egress.checks}
    assert set(PRIVACY_TESTS) <= checks.keys()
    assert all(check.ok for check in checks.values())
    assert checks["rows-held-back"].detail == "0.2 held back, at least 100 rows on each side"
    assert checks["membership-loss"].detail == "upper bound of the area below 0.6"
    assert facts.privacy.information_bits == 6 + 25 * (9 + 10) + 10
    assert (facts.egress.mantissa_bits, facts.inputs.hold_back) == (10, HoldBackFacts("0.2", None, None))
    assert list((hospital.lab.home / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("start", "rule"),
    [
        (
            "if sys.argv[1:]: chance = lambda model, rows: np.full(len(rows), 0.5)\n" + START,
            "scores-useful",
        ),
        ("if sys.argv[1:]: raise SystemExit(1)\n" + START, "scores-useful"),
    ],
    ids=["a scorer that always answers alike", "a scorer that crashes"],
)
def test_what_the_tests_do_not_let_pass_is_withheld_and_only_a_rule_s_name_leaves(
    hospital: Hospital, measured: Callable[..., str], start: str, rule: str
) -> None:
    job_id = measured(SOURCE + start)
    job = hospital.job(job_id)
    assert (job.state, job.code) == (State.WITHHELD, "withheld")
    egress = hospital.statement(job_id).facts.egress
    assert egress.rule == rule
    assert [(check.name, check.ok) for check in egress.checks] == [(rule, False)]
    assert hospital.statement(job_id).facts.privacy.information_bits == 6


def test_no_row_that_is_held_back_and_no_label_is_seen(
    hospital: Hospital, measured: Callable[..., str]
) -> None:
    tells = (
        "import collections\n"
        "print('saw', len(read(inputs / json.loads(os.environ['DIDS'])[0] / '0')) if not sys.argv[1:] else 0)\n"
        "if sys.argv[1:]:\n"
        "    assert 'ill' not in (inputs / 'rows.csv').read_text()\n"
        "    assert sorted(p.name for p in inputs.iterdir()) == ['algoCustomData.json', 'models', 'rows.csv']\n"
    )
    job_id = measured(SOURCE + tells + START)
    assert hospital.job(job_id).state is State.RELEASED
    said = hospital.lab.read(hospital.lab.people.owner, f"/v1/jobs/{job_id}/log").data.decode()
    assert 1100 < int(said.split()[1]) < 1300


def test_code_without_a_scorer_is_refused_before_anybody_pays(
    hospital: Hospital,
) -> None:
    manifest = MANIFEST[: MANIFEST.index("scorer:")]
    bundle = make_bundle(SOURCE + START, hospital.image, manifest=manifest)
    (hospital.lab.home / "data" / "ward.csv").write_bytes(make_csv())
    asset = hospital.lab.add_dataset(policy=MEASURED, path="ward.csv")
    hospital.lab.upload(bundle)
    hospital.lab.approve(asset, bundle)
    job_id = hospital.submit(asset, bundle)
    hospital.clerk.turn()
    job = hospital.job(job_id)
    assert job.state is State.REFUSED
    assert (
        "add weights to outputs, and a scorer to algorithm.yaml"
        in hospital.statement(job_id)
        .facts.policy.rules[
            [rule.name for rule in hospital.statement(job_id).facts.policy.rules].index("privacy-measurable")
        ]
        .detail
    )
