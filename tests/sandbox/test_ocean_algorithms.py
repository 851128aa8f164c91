"""Algorithms written to Ocean's container contract, and nothing else, run sealed on every runtime, unmodified."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from sandbox.bundle import Bundle, check_parameters, load_bundle, parse_bundle
from sandbox.spec import ExitReason, RunReport, Runtime
from sandbox.staging import StagedDataset
from tests.sandbox_fixtures import ASSET, IMAGE, MIB, ROOT, Bench, make_bundle, printed

EXAMPLES = ROOT / "examples" / "algorithms"
DATA = ROOT / "examples" / "breast_cancer" / "wdbc.csv"
OTHER = "c3" * 32
HOSTILE_NAMES = (
    "algoCustomData.json",
    "../algoCustomData.json",
    "../../inputs/algoCustomData.json",
    "/data/inputs/algoCustomData.json",
    "1",
    "0",
    f"../{OTHER}/0",
    "../../transformations/algorithm",
    "a\nb",
    "\udcff.csv",
    ".",
    "..",
    "",
)


def load_example(name: str, bench: Bench) -> Bundle:
    return load_bundle(EXAMPLES / name, image=bench.image)


def outputs_of(report: RunReport) -> dict[str, Path]:
    assert report.reason is ExitReason.COMPLETED, printed(report)
    return {output.path: output.content for output in report.outputs}


def metrics_of(report: RunReport) -> Any:
    outputs = outputs_of(report)
    assert set(outputs) == {"metrics.json"}
    return json.loads(outputs["metrics.json"].read_text())


def make_ocean_bundle(code: str, bench: Bench, *, entrypoint: str = "python $ALGO") -> Bundle:
    container = f"container: {{entrypoint: '{entrypoint}', image: ocean/python, checksum: {bench.image}}}\n"
    ours = f"entrypoint: python $ALGO\nimage: {IMAGE}\n"
    manifest = make_bundle(code).files["algorithm.yaml"].decode().replace(ours, container)
    return parse_bundle({"algorithm.yaml": manifest.encode(), "main.py": code.encode()})


def test_one_that_asks_the_documents_for_its_files_counts_the_lines_of_the_first(
    bench: Bench, runtime: Runtime
) -> None:
    datasets = [bench.dataset(b"a\n\n  \nb\nc\n", b"x\n"), bench.dataset(b"y\n", asset_id=OTHER)]
    bundle = load_example("ocean_line_count", bench)
    report = bench.run("", runtime, bundle=bundle, datasets=datasets)
    assert metrics_of(report) == {"lines": 3}
    log = printed(report)
    job = json.loads(log[log.index("{") : log.rindex("}") + 1])
    assert job == {
        "dids": [ASSET, OTHER],
        "files": {
            ASSET: [f"/data/inputs/{ASSET}/0", f"/data/inputs/{ASSET}/1"],
            OTHER: [f"/data/inputs/{OTHER}/0"],
        },
        "algo": {
            "did": bundle.digest.removeprefix("sha256:"),
            "ddo_path": f"/data/ddos/{bundle.digest.removeprefix('sha256:')}",
        },
    }


def test_one_that_takes_its_file_from_the_environment_trains_a_model(bench: Bench, runtime: Runtime) -> None:
    bundle = load_example("ocean_regression", bench)
    dataset = StagedDataset(ASSET, (DATA,), (DATA.name,), "Breast cancer")
    report = bench.run(
        "", runtime, bundle=bundle, datasets=[dataset],
        time_s=120, memory_bytes=2048 * MIB, scratch_bytes=64 * MIB, file_bytes=64 * MIB, open_files=1024,
    )  # fmt: skip
    outputs = outputs_of(report)
    assert set(outputs) == {"metrics.json", "model.safetensors"}
    assert json.loads(outputs["metrics.json"].read_text())["accuracy"] > 0.95
    shapes = {name: list(value.shape) for name, value in load_file(outputs["model.safetensors"]).items()}
    assert shapes == {"coefficients": [1, 30], "intercept": [1]}


@pytest.mark.parametrize(
    ("parameters", "mean"),
    [({"column": "x"}, 6.5), ({"column": "y", "scale": 2}, 26.0)],
    ids=["default", "given"],
)
def test_one_with_parameters_walks_several_datasets_of_several_files(
    bench: Bench, runtime: Runtime, parameters: Mapping[str, Any], mean: float
) -> None:
    rows = [f"x,y\n{number},{2 * number}\n".encode() for number in range(1, 13)]
    datasets = [bench.dataset(*rows[:11]), bench.dataset(rows[11], asset_id=OTHER)]
    bundle = load_example("ocean_summary", bench)
    check_parameters(bundle.manifest, dict(parameters))
    report = bench.run("", runtime, bundle=bundle, datasets=datasets, parameters=parameters)
    assert metrics_of(report) == {"datasets": 2, "files": 12, "mean": mean}
    assert printed(report) == "tested: 11 files\ntested: 1 files\n"


WALKING = """
import json, os
seen = {}
for folder, _, files in os.walk("/data/inputs"):
    for name in files:
        path = os.path.join(folder, name)
        seen[path] = open(path).read()
print(json.dumps(seen))
"""


def test_whatever_files_are_called_each_keeps_its_place_and_the_parameters_theirs(
    bench: Bench, runtime: Runtime
) -> None:
    contents = [f"content {number}".encode() for number in range(len(HOSTILE_NAMES))]
    datasets = [
        bench.dataset(*contents, names=HOSTILE_NAMES),
        bench.dataset(*reversed(contents), asset_id=OTHER, names=HOSTILE_NAMES),
    ]
    bundle = make_ocean_bundle(WALKING, bench)
    report = bench.run("", runtime, bundle=bundle, datasets=datasets, parameters={"epochs": 3})
    expected = {"/data/inputs/algoCustomData.json": '{"epochs":3}'}
    for asset, parts in ((ASSET, contents), (OTHER, contents[::-1])):
        expected |= {f"/data/inputs/{asset}/{n}": part.decode() for n, part in enumerate(parts)}
    assert report.reason is ExitReason.COMPLETED
    assert json.loads(printed(report)) == expected


def test_the_environment_is_the_documented_one(bench: Bench, runtime: Runtime) -> None:
    code = """
import json, os
names = ["DIDS", "TRANSFORMATION_DID", "VOLUME", "INPUTS", "OUTPUTS", "LOGS"]
for path in (os.environ["OUTPUTS"] + "/kept", os.environ["LOGS"] + "/algorithm.log"):
    open(path, "w").write("written")
ids = [json.load(open("/data/ddos/" + name))["id"] for name in sorted(os.listdir("/data/ddos"))]
print(json.dumps({"env": {name: os.environ[name] for name in names}, "ids": ids, "secret": os.getenv("secret")}))
"""
    bundle = make_ocean_bundle(code, bench)
    datasets = [bench.dataset(b"x"), bench.dataset(b"y", asset_id=OTHER)]
    report = bench.run("", runtime, bundle=bundle, datasets=datasets)
    algorithm = bundle.digest.removeprefix("sha256:")
    assert json.loads(printed(report)) == {
        "env": {
            "DIDS": json.dumps([ASSET, OTHER]),
            "TRANSFORMATION_DID": algorithm,
            "VOLUME": "/data",
            "INPUTS": "/data/inputs",
            "OUTPUTS": "/data/outputs",
            "LOGS": "/data/logs",
        },
        "ids": [f"did:op:{name}" for name in sorted([ASSET, OTHER, algorithm])],
        "secret": None,
    }
    assert set(outputs_of(report)) == {"kept"}


def test_an_algorithm_may_be_a_program_of_its_own(bench: Bench, runtime: Runtime) -> None:
    code = "#!/bin/sh\necho started with $# words: $1\n"
    bundle = make_ocean_bundle(code, bench, entrypoint='$ALGO "two words"')
    assert printed(bench.run("", runtime, bundle=bundle)) == "started with 1 words: two words\n"


def test_an_algorithm_can_write_neither_to_its_inputs_nor_over_the_parameters(
    bench: Bench, runtime: Runtime
) -> None:
    code = """
import os
places = ["/data/inputs/algoCustomData.json", "/data/inputs/new", f"/data/inputs/{os.environ['DIDS'][2:66]}/0",
          "/data/ddos/new", "/data/transformations/algorithm"]
for place in places:
    try:
        open(place, "w")
        print("GAINED", place)
    except OSError as error:
        print(type(error).__name__)
"""
    assert "GAINED" not in (log := printed(bench.run("", runtime, bundle=make_ocean_bundle(code, bench))))
    assert len(log.splitlines()) == 5
