"""What one sealed run does and says, on every runtime that the engine has."""

from __future__ import annotations

import hashlib
import itertools
import json

import pytest

from sandbox.engine import DockerEngine
from sandbox.errors import ImageMissingError, RuntimeMissingError
from sandbox.run import run_sealed
from sandbox.spec import ExitReason, Runtime
from tests.sandbox_fixtures import ASSET, IMAGE, OWNER, Bench, make_bundle, make_spec, printed

HONEST = """
import json, os
dataset = json.loads(os.environ["DIDS"])[0]
rows = open(f"/data/inputs/{dataset}/0").read()
assert rows == "x,y\\n1,2\\n", rows
print("read the rows")
open("/data/outputs/metrics.json", "w").write(json.dumps({"accuracy": 0.5}))
"""


def test_an_honest_run_completes_and_says_what_was_produced(bench: Bench, runtime: Runtime) -> None:
    report = bench.run(HONEST, runtime)
    assert report.reason is ExitReason.COMPLETED
    assert report.reason.ran
    assert report.runtime is runtime
    assert report.image == bench.image
    (output,) = report.outputs
    content = b'{"accuracy": 0.5}'
    assert (output.path, output.size_bytes) == ("metrics.json", len(content))
    assert output.content.read_bytes() == content
    assert output.digest == "sha256:" + hashlib.sha256(content).hexdigest()
    assert printed(report) == "read the rows\n"
    assert report.log_digest == "sha256:" + hashlib.sha256(b"read the rows\n").hexdigest()
    assert report.refused == ()
    assert report.bytes_written == len(content) + len("read the rows\n")
    assert float(report.cpu_s) > 0
    assert report.peak_memory_bytes > 0
    assert report.started <= report.finished
    assert bench.events == ["starting", "running", "collecting", "ended"]


def test_the_probe_passes_and_its_table_is_in_the_report(bench: Bench, runtime: Runtime) -> None:
    report = bench.run("pass", runtime)
    assert report.probe is not None
    assert report.probe.passed
    assert {row.check for row in report.probe.rows} >= {
        "interfaces",
        "capabilities",
        "root",
        "writable",
        "user",
    }
    assert all(row.expected == row.seen for row in report.probe.rows)


def test_an_algorithm_has_threads_although_no_filter_can_look_into_their_flags(
    bench: Bench, runtime: Runtime
) -> None:
    code = "import threading\nthread = threading.Thread(target=print, args=('from a thread',))\nthread.start(); thread.join()"
    assert printed(bench.run(code, runtime)) == "from a thread\n"


def test_the_same_run_has_the_same_seal_and_the_same_probe(bench: Bench, runtime: Runtime) -> None:
    first, second = bench.run("pass", runtime), bench.run("pass", runtime)
    assert first.seal_digest == second.seal_digest
    assert first.probe == second.probe


def test_no_container_outlives_its_run(bench: Bench, engine: DockerEngine, runtime: Runtime) -> None:
    bench.run("pass", runtime)
    assert engine.reap(OWNER) == []


def test_the_layout_is_oceans(bench: Bench, runtime: Runtime) -> None:
    other = "c3" * 32
    datasets = [bench.dataset(b"one", b"two"), bench.dataset(b"three", asset_id=other)]
    code = """
import json, os, pathlib
shown = {
    "dids": json.loads(os.environ["DIDS"]),
    "first": [pathlib.Path(f"/data/inputs/{os.environ['DIDS'][2:66]}/{n}").read_text() for n in (0, 1)],
    "parameters": json.load(open("/data/inputs/algoCustomData.json")),
    "ddos": sorted(os.listdir("/data/ddos")),
    "algorithm": os.environ["TRANSFORMATION_DID"],
    "through_link": os.listdir("data/inputs") == os.listdir("/data/inputs"),
    "cwd": os.getcwd(),
    "volume": os.environ["VOLUME"],
}
print(json.dumps(shown))
"""
    bundle = make_bundle(code, image=bench.image)
    report = bench.run(code, runtime, datasets=datasets, parameters={"epochs": 3}, bundle=bundle)
    algorithm = bundle.digest.removeprefix("sha256:")
    assert json.loads(printed(report)) == {
        "dids": [ASSET, other],
        "first": ["one", "two"],
        "parameters": {"epochs": 3},
        "ddos": sorted([ASSET, other, algorithm]),
        "algorithm": algorithm,
        "through_link": True,
        "cwd": "/scratch",
        "volume": "/data",
    }


def test_the_main_file_finds_the_files_beside_it(bench: Bench, runtime: Runtime) -> None:
    bundle = make_bundle(
        "import beside; print(beside.WORD)", image=bench.image, files={"beside.py": b"WORD = 'found'"}
    )
    assert printed(bench.run("", runtime, bundle=bundle)) == "found\n"


def test_an_algorithm_that_crashes_has_failed_by_its_own_fault(bench: Bench, runtime: Runtime) -> None:
    report = bench.run("open('/data/outputs/metrics.json', 'w').write('{}'); raise SystemExit(7)", runtime)
    assert report.reason is ExitReason.ALGORITHM_FAILED
    assert report.reason.ran
    assert report.outputs == ()


def test_an_algorithm_that_can_not_be_started_has_failed(bench: Bench, runtime: Runtime) -> None:
    files = {
        "algorithm.yaml": make_bundle("").files["algorithm.yaml"].replace(b"python $ALGO", b"no-such-program")
    }
    bundle = make_bundle("", files=files)
    assert bench.run("", runtime, bundle=bundle).reason is ExitReason.ALGORITHM_FAILED


def test_an_algorithm_that_writes_nothing_completes_with_nothing(bench: Bench, runtime: Runtime) -> None:
    report = bench.run("pass", runtime)
    assert (report.reason, report.outputs) == (ExitReason.COMPLETED, ())


def test_an_algorithm_that_ignores_every_signal_is_still_stopped_at_its_deadline(
    bench: Bench, runtime: Runtime
) -> None:
    code = """
import signal, time
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: time.sleep(1)
"""
    report = bench.run(code, runtime, time_s=2)
    assert report.reason is ExitReason.TIMEOUT
    assert report.reason.ran
    assert (
        report.finished - report.started < 30
    )  # the init ends it; the host would, a quarter of a minute later


def test_a_cancelled_run_ends_at_once(bench: Bench, runtime: Runtime) -> None:
    report = bench.run("while True: pass", runtime, time_s=60, cancelled=lambda: "running" in bench.events)
    assert report.reason is ExitReason.CANCELLED
    assert not report.reason.ran


def test_a_run_that_is_cancelled_before_the_probe_has_no_probe_that_failed(
    bench: Bench, runtime: Runtime
) -> None:
    report = bench.run("pass", runtime, cancelled=lambda: True)
    assert (report.reason, report.probe, report.ordered) == (ExitReason.CANCELLED, None, False)


def test_a_run_that_is_cancelled_when_its_orders_went_in_may_have_touched_the_data(
    bench: Bench, runtime: Runtime
) -> None:
    asked = itertools.count()
    report = bench.run("pass", runtime, cancelled=lambda: next(asked) > 0)
    assert (report.reason, report.ordered) == (ExitReason.CANCELLED, True)


def test_a_missing_image_is_named_before_anything_starts(bench: Bench) -> None:
    spec = make_spec(bench._folder)
    with pytest.raises(ImageMissingError, match=IMAGE):
        run_sealed(bench.engine, spec, folder=bench._folder / "o", on_event=print, cancelled=lambda: False)


def test_a_missing_runtime_is_named_before_anything_starts(bench: Bench) -> None:
    class WithoutGvisor(DockerEngine):
        def runtimes(self) -> frozenset[Runtime]:
            return frozenset({Runtime.RUNC})

    with pytest.raises(RuntimeMissingError, match="runsc"):
        bench.run("pass", Runtime.RUNSC, engine=WithoutGvisor())


def test_neighbours_do_not_disturb_each_other(bench: Bench, runtime: Runtime) -> None:
    greedy = bench.run("x = bytearray()\nwhile True: x += bytes(1 << 20)", runtime)
    honest = bench.run(HONEST, runtime)
    assert (greedy.reason, honest.reason) == (ExitReason.OUT_OF_MEMORY, ExitReason.COMPLETED)
