"""What the gate lets out, and everything that it holds back."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save

import provider.gate.decide as gate
from policies.canonical import digest_of
from policies.egress import ENDING_BITS
from policies.model import OutputsPolicy, WeightsAllowance
from provider.gate.decide import COLLECTION_REFUSED, check_release
from provider.gate.declaration import information_bits
from provider.gate.report import GateVerdict
from provider.gate.safetensors import CHUNK_BYTES
from sandbox.bundle import OutputsDeclaration
from sandbox.spec import ProducedFile
from tests.gate_samples import (
    ALLOWANCE,
    HONEST,
    HONEST_METRICS,
    HONEST_WEIGHTS,
    METRICS,
    OUTPUTS,
    TENSORS,
    WEIGHTS,
    build_file,
    release,
    split_file,
    write_outputs,
)

HEADER, DATA = split_file(HONEST_WEIGHTS)
WHOLE_BITS = information_bits(OUTPUTS, ALLOWANCE)


def _check_withheld(folder: Path, files: dict[str, bytes], rule: str, **options: Any) -> None:
    report = release(folder, files, **options)
    assert (report.verdict, report.rule) == (GateVerdict.WITHHELD, rule)
    assert report.released == ()
    assert report.information_bits == ENDING_BITS
    assert list((folder / "released").iterdir()) == []


def test_honest_outputs_are_released_rounded_and_readable(tmp_path: Path) -> None:
    report = release(tmp_path, HONEST)
    assert (report.verdict, report.rule) == (GateVerdict.RELEASED, "")
    assert all(check.ok for check in report.checks)
    weights, metrics = report.released
    assert (weights.name, metrics.name) == (WEIGHTS, METRICS)
    assert metrics.path.read_bytes() == b'{"accuracy":0.912,"rows":42}'
    loaded = load_file(weights.path)
    assert {name: tensor.tolist() for name, tensor in loaded.items()} == {
        name: tensor.tolist() for name, tensor in TENSORS.items()
    }
    for item in report.released:
        content = item.path.read_bytes()
        assert (item.digest, item.size_bytes) == (digest_of(content), len(content))
        assert item.source_digest == digest_of(HONEST[item.name])
        assert item.path.stat().st_mode & 0o077 == 0


def test_a_file_of_the_reference_implementation_leaves_byte_for_byte(tmp_path: Path) -> None:
    assert release(tmp_path, HONEST).released[0].path.read_bytes() == HONEST_WEIGHTS


def test_the_bound_counts_every_bit_that_the_declaration_leaves_room_for(tmp_path: Path) -> None:
    # 8 floats of 32 bits, one integer of 64; 1001 values of accuracy need 10 bits, 101 of rows 7.
    assert release(tmp_path, HONEST).information_bits == WHOLE_BITS == ENDING_BITS + 8 * 32 + 64 + 10 + 7


def test_asking_again_gives_the_same_release(tmp_path: Path) -> None:
    assert release(tmp_path, HONEST) == release(tmp_path, HONEST)


def test_a_release_that_was_there_is_gone_when_the_gate_withholds(tmp_path: Path) -> None:
    release(tmp_path, HONEST)
    _check_withheld(tmp_path, {WEIGHTS: HONEST_WEIGHTS}, "all-declared-present")


def _header(**changes: Any) -> bytes:
    return build_file(HEADER | changes, DATA)


def _reordered() -> bytes:
    """The same tensors with their data, and the header, in another order and spaced out."""
    order = list(reversed(HEADER))
    header, data = {}, b""
    for name in order:
        begin, end = HEADER[name]["data_offsets"]
        header[name] = HEADER[name] | {"data_offsets": [len(data), len(data) + end - begin]}
        data += DATA[begin:end]
    return build_file(json.dumps(header, indent=3).encode() + b"  \n ", data)


def test_hole_16_order_and_white_space_of_the_header_carry_nothing_out(tmp_path: Path) -> None:
    weights = _reordered()
    assert weights != HONEST_WEIGHTS
    report = release(tmp_path, HONEST | {WEIGHTS: weights})
    assert report.verdict is GateVerdict.RELEASED
    assert report.released[0].path.read_bytes() == HONEST_WEIGHTS
    assert report.released[0].source_digest == digest_of(weights)


STEPS, BIAS = HEADER["steps"], HEADER["layer.bias"]
HOSTILE_WEIGHTS: dict[str, tuple[bytes, str]] = {
    "an extra tensor": (save(TENSORS | {"x": np.zeros(1, np.uint8)}), "weights-declared"),
    "an extra empty tensor with a telling name": (
        save(TENSORS | {"row 17": np.zeros(0, np.uint8)}),
        "weights-declared",
    ),
    "a missing tensor": (save({"steps": TENSORS["steps"]}), "weights-declared"),
    "another name": (save({name.upper(): tensor for name, tensor in TENSORS.items()}), "weights-declared"),
    "another dtype": (save(TENSORS | {"steps": np.array(7, np.uint64)}), "weights-safetensors"),
    "another dtype of the same width": (
        save(TENSORS | {"steps": np.array(7, np.float64)}),
        "weights-declared",
    ),
    "another shape": (save(TENSORS | {"layer.weight": np.zeros((3, 2), np.float32)}), "weights-declared"),
    "metadata": (save(TENSORS, metadata={"patient": "17"}), "weights-safetensors"),
    "empty metadata": (_header(__metadata__={}), "weights-safetensors"),
    "bytes after the end": (HONEST_WEIGHTS + b"\0", "weights-safetensors"),
    "a missing byte": (HONEST_WEIGHTS[:-1], "weights-safetensors"),
    "a gap": (
        build_file(HEADER | {"steps": STEPS | {"data_offsets": [40, 48]}}, DATA + bytes(8)),
        "weights-safetensors",
    ),
    "an overlap": (_header(**{"layer.bias": BIAS | {"data_offsets": [0, 8]}}), "weights-safetensors"),
    "offsets that don't fit the shape": (_header(steps=STEPS | {"shape": [2]}), "weights-safetensors"),
    "offsets beyond the file": (
        _header(steps=STEPS | {"data_offsets": [2**40, 2**40 + 8]}),
        "weights-safetensors",
    ),
    "negative offsets": (_header(steps=STEPS | {"data_offsets": [-8, 0]}), "weights-safetensors"),
    "offsets that are booleans": (_header(steps=STEPS | {"data_offsets": [False, 8]}), "weights-safetensors"),
    "offsets that are fractions": (_header(steps=STEPS | {"data_offsets": [0.0, 8]}), "weights-safetensors"),
    "three offsets": (_header(steps=STEPS | {"data_offsets": [0, 8, 8]}), "weights-safetensors"),
    "a shape without end": (_header(steps=STEPS | {"shape": [1] * 100_000}), "weights-safetensors"),
    "an extra key in an entry": (_header(steps=STEPS | {"note": "row 17"}), "weights-safetensors"),
    "a dtype that is a list": (_header(steps=STEPS | {"dtype": ["I64"]}), "weights-safetensors"),
    "an entry that is a number": (_header(steps=5), "weights-safetensors"),
    "a header that is a list": (build_file(b"[]", b""), "weights-safetensors"),
    "a header that starts with a space": (
        build_file(b" " + json.dumps(HEADER).encode(), DATA),
        "weights-safetensors",
    ),
    "a duplicate key": (
        build_file(json.dumps(HEADER).encode()[:-1] + b',"steps":' + json.dumps(STEPS).encode() + b"}", DATA),
        "weights-safetensors",
    ),
    "a duplicate key in an entry": (
        build_file(json.dumps(HEADER).encode().replace(b'"dtype"', b'"dtype":"I8","dtype"', 1), DATA),
        "weights-safetensors",
    ),
    "junk after the header": (build_file(json.dumps(HEADER).encode() + b"\0", DATA), "weights-safetensors"),
    "a header that isn't UTF-8": (build_file(b'{"\xff":0}', b""), "weights-safetensors"),
    "a header that nests without end": (build_file(b'{"a":' + b"[" * 100_000, b""), "weights-safetensors"),
    "a number without end": (build_file(b'{"a":' + b"9" * 100_000 + b"}", b""), "weights-safetensors"),
    "a header that says it is huge": (struct.pack("<Q", 2**63) + b"{}", "weights-safetensors"),
    "a header that really is huge": (
        build_file(b"{" + b" " * (5 * 2**20) + b"}", b""),
        "weights-safetensors",
    ),
    "a header longer than the file": (struct.pack("<Q", 100) + b"{}", "weights-safetensors"),
    "seven bytes": (b"\0" * 7, "weights-safetensors"),
    "no bytes": (b"", "weights-safetensors"),
    "a pickle": (pickle.dumps(TENSORS), "weights-safetensors"),
    "a zip archive, as torch.save writes": (b"PK\x03\x04" + bytes(200), "weights-safetensors"),
    "NaN with a payload": (
        save(TENSORS | {"layer.bias": np.array([0x7FC0BEEF, 0], np.uint32).view(np.float32)}),
        "weights-finite",
    ),
    "a signalling NaN": (
        save(TENSORS | {"layer.bias": np.array([0, 0xFF800001], np.uint32).view(np.float32)}),
        "weights-finite",
    ),
    "an infinity": (save(TENSORS | {"layer.bias": np.array([np.inf, 0], np.float32)}), "weights-finite"),
}


@pytest.mark.parametrize(("weights", "rule"), HOSTILE_WEIGHTS.values(), ids=HOSTILE_WEIGHTS.keys())
def test_hole_16_weights_that_are_not_exactly_as_declared_stay(
    tmp_path: Path, weights: bytes, rule: str
) -> None:
    _check_withheld(tmp_path, HONEST | {WEIGHTS: weights}, rule)


def test_hole_16_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "exploded",))

    _check_withheld(tmp_path, HONEST | {WEIGHTS: pickle.dumps(Bomb())}, "weights-safetensors")
    assert not (tmp_path / "exploded").exists()


HOSTILE_METRICS: dict[str, tuple[bytes, str]] = {
    "an extra number": (b'{"accuracy": 0.9, "rows": 4, "age": 71}', "metrics-declared"),
    "a missing number": (b'{"accuracy": 0.9}', "metrics-declared"),
    "a duplicate name": (b'{"accuracy": 0.9, "rows": 4, "rows": 5}', "metrics-declared"),
    "text": (b'{"accuracy": "0.9", "rows": 4}', "metrics-declared"),
    "a nested object": (b'{"accuracy": {"a": 1}, "rows": 4}', "metrics-declared"),
    "a boolean": (b'{"accuracy": true, "rows": 4}', "metrics-declared"),
    "null": (b'{"accuracy": null, "rows": 4}', "metrics-declared"),
    "NaN": (b'{"accuracy": NaN, "rows": 4}', "metrics-declared"),
    "an infinity": (b'{"accuracy": -Infinity, "rows": 4}', "metrics-declared"),
    "thousands of digits": (b'{"accuracy": 0.' + b"7" * 5000 + b', "rows": 4}', "metrics-declared"),
    "an integer without end": (b'{"accuracy": 0, "rows": ' + b"4" * 50_000 + b"}", "metrics-declared"),
    "nesting without end": (b"[" * 60_000, "metrics-declared"),
    "a list": (b"[0.9, 4]", "metrics-declared"),
    "two documents": (b'{"accuracy": 0.9, "rows": 4} {}', "metrics-declared"),
    "a byte order mark": (b'\xef\xbb\xbf{"accuracy": 0.9, "rows": 4}', "metrics-declared"),
    "text that isn't UTF-8": (b'{"accuracy": 0.9, "\xff": 4}', "metrics-declared"),
    "a file that is too large": (HONEST_METRICS + b" " * 70_000, "metrics-declared"),
    "no bytes": (b"", "metrics-declared"),
    "a value above its range": (b'{"accuracy": 1.0000001, "rows": 4}', "metrics-range"),
    "a value below its range": (b'{"accuracy": -1e-30, "rows": 4}', "metrics-range"),
    "a huge exponent": (b'{"accuracy": 1e999999999, "rows": 4}', "metrics-range"),
    "an exponent beyond decimal": (b'{"accuracy": 1e9999999999999999999999, "rows": 4}', "metrics-declared"),
}


@pytest.mark.parametrize(("metrics", "rule"), HOSTILE_METRICS.values(), ids=HOSTILE_METRICS.keys())
def test_hole_16_metrics_that_are_not_exactly_as_declared_stay(
    tmp_path: Path, metrics: bytes, rule: str
) -> None:
    _check_withheld(tmp_path, HONEST | {METRICS: metrics}, rule)


@pytest.mark.parametrize(
    "name", ["log.txt", "Model.safetensors", "model.safetensors.bak", "../model.safetensors"]
)
def test_a_file_that_is_not_declared_holds_everything_back(tmp_path: Path, name: str) -> None:
    _check_withheld(tmp_path, HONEST | {name: b"x"}, "only-declared-files")


def test_no_outputs_are_withheld(tmp_path: Path) -> None:
    _check_withheld(tmp_path, {}, "all-declared-present")


def test_a_file_that_was_collected_twice_is_withheld(tmp_path: Path) -> None:
    produced = write_outputs(tmp_path / "produced", HONEST)
    report = check_release(OUTPUTS, ALLOWANCE, [*produced, produced[0]], tmp_path / "released")
    assert (report.verdict, report.rule) == (GateVerdict.WITHHELD, "all-declared-present")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"weights": None}, "weights-size"),
        ({"weights": WeightsAllowance(max_bytes=len(HONEST_WEIGHTS) - 1)}, "weights-size"),
        ({"metrics": None}, "metrics-allowed"),
        ({"max_information_bits": WHOLE_BITS - 1}, "information-bits"),
    ],
)
def test_the_policy_is_asked_again_when_the_outputs_are_there(
    tmp_path: Path, changes: dict[str, Any], rule: str
) -> None:
    _check_withheld(tmp_path, HONEST, rule, allowance=ALLOWANCE.model_copy(update=changes))


def test_weights_of_exactly_the_cap_leave(tmp_path: Path) -> None:
    exact = {"weights": WeightsAllowance(max_bytes=len(HONEST_WEIGHTS)), "max_information_bits": WHOLE_BITS}
    report = release(tmp_path, HONEST, allowance=ALLOWANCE.model_copy(update=exact))
    assert report.verdict is GateVerdict.RELEASED


def test_what_the_consumer_reads_in_the_log_counts_against_the_cap(tmp_path: Path) -> None:
    allowance = ALLOWANCE.model_copy(update={"max_information_bits": WHOLE_BITS + 8})
    assert release(tmp_path, HONEST, allowance=allowance, side_bits=8).verdict is GateVerdict.RELEASED
    _check_withheld(tmp_path, HONEST, "information-bits", allowance=allowance, side_bits=9)


def test_what_the_collection_refused_is_the_rule_that_is_named(tmp_path: Path) -> None:
    _check_withheld(tmp_path, HONEST, "symbolic-link", refused=["symbolic-link", "hard-link"])


@pytest.mark.parametrize("rule", ["", "patient-17", "Symbolic-Link", "smith"])
def test_hole_18_a_rule_name_that_could_carry_data_is_replaced(tmp_path: Path, rule: str) -> None:
    _check_withheld(tmp_path, HONEST, COLLECTION_REFUSED, refused=[rule])


@pytest.mark.parametrize("name", [name for name, _ in gate.CHECKS])
def test_hole_17_a_check_that_crashes_counts_as_not_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def crash(_case: object) -> None:
        raise ZeroDivisionError

    replaced = tuple((rule, crash if rule == name else check) for rule, check in gate.CHECKS)
    monkeypatch.setattr(gate, "CHECKS", replaced)
    _check_withheld(tmp_path, HONEST, name)


def test_hole_17_outputs_that_can_not_be_read_are_withheld(tmp_path: Path) -> None:
    missing = ProducedFile(WEIGHTS, 1, digest_of(b""), tmp_path / "gone")
    metrics = write_outputs(tmp_path / "produced", {METRICS: HONEST_METRICS})
    report = check_release(OUTPUTS, ALLOWANCE, [missing, *metrics], tmp_path / "released")
    assert (report.verdict, report.rule) == (GateVerdict.WITHHELD, "weights-safetensors")


def test_an_output_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    produced = write_outputs(tmp_path / "produced", HONEST)
    produced[0].content.rename(tmp_path / "elsewhere")
    produced[0].content.symlink_to(tmp_path / "elsewhere")
    report = check_release(OUTPUTS, ALLOWANCE, produced, tmp_path / "released")
    assert (report.verdict, report.rule) == (GateVerdict.WITHHELD, "weights-safetensors")


def test_an_algorithm_may_declare_metrics_alone(tmp_path: Path) -> None:
    outputs = OutputsDeclaration(metrics=OUTPUTS.metrics)
    report = release(tmp_path, {METRICS: HONEST_METRICS}, outputs=outputs)
    assert report.verdict is GateVerdict.RELEASED
    assert [item.name for item in report.released] == [METRICS]
    assert report.information_bits == ENDING_BITS + 17


def test_a_value_that_is_not_finite_is_found_past_the_first_piece(tmp_path: Path) -> None:
    count = CHUNK_BYTES // 4 * 3 + 1
    tensor = {"name": "w", "dtype": "F32", "shape": [count]}
    outputs = OutputsDeclaration.model_validate({"weights": {"tensors": [tensor]}})
    allowance = OutputsPolicy(weights=WeightsAllowance(max_bytes=2**30))
    values = np.ones(count, np.float32)
    honest = release(
        tmp_path / "honest", {WEIGHTS: save({"w": values})}, outputs=outputs, allowance=allowance
    )
    assert honest.verdict is GateVerdict.RELEASED
    values[-1] = np.nan
    _check_withheld(
        tmp_path / "nan",
        {WEIGHTS: save({"w": values})},
        "weights-finite",
        outputs=outputs,
        allowance=allowance,
    )
