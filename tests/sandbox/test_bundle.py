"""Bundles: what is read, what is refused, and what the digest is over."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.canonical import canonical_json
from provider.jobs.desk import PARAMETER_LIMITS
from provider.receipts.strictjson import parse_json_strict
from sandbox.bundle import (
    MAX_BUNDLE_BYTES,
    MAX_BUNDLE_FILES,
    MAX_PARAMETERS_DEPTH,
    check_parameters,
    load_bundle,
    parse_bundle,
)
from sandbox.errors import BundleInvalidError
from tests.sandbox_fixtures import IMAGE, make_bundle

CODE = "print('hello')\n"
FILES = dict(make_bundle(CODE).files)
MANIFEST = FILES["algorithm.yaml"].decode()
OUTPUTS = "outputs: {metrics: {values: [{name: accuracy, min: 0, max: 1, digits: 3}]}}"


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def test_a_folder_and_its_bytes_are_the_same_bundle(tmp_path: Path) -> None:
    files = FILES | {"lib/part.py": b"x = 1\n"}
    assert load_bundle(write(tmp_path, files)) == parse_bundle(files)


def test_the_digest_is_over_path_size_and_sha256_in_byte_order() -> None:
    files = FILES | {"B.py": b"", "a.py": b"1"}
    entries = [[p, len(files[p]), hashlib.sha256(files[p]).hexdigest()] for p in sorted(files)]
    expected = hashlib.sha256(json.dumps(entries, separators=(",", ":")).encode()).hexdigest()
    assert parse_bundle(files).digest == "sha256:" + expected


@given(st.sampled_from(sorted(FILES)), st.integers(min_value=0), st.integers(1, 255))
def test_one_changed_byte_is_another_algorithm(path: str, position: int, change: int) -> None:
    content = bytearray(FILES[path])
    content[position % len(content)] ^= change
    try:
        changed = parse_bundle(FILES | {path: bytes(content)})
    except BundleInvalidError:
        return
    assert changed.digest != make_bundle(CODE).digest


def test_hole_10_a_file_added_after_approval_is_another_algorithm() -> None:
    assert parse_bundle(FILES | {"sitecustomize.py": b"import os"}).digest != make_bundle(CODE).digest


def test_hole_3_the_entrypoint_and_the_image_are_part_of_the_digest() -> None:
    other = MANIFEST.replace("python $ALGO", "python -O $ALGO")
    assert parse_bundle(FILES | {"algorithm.yaml": other.encode()}).digest != make_bundle(CODE).digest
    assert make_bundle(CODE, image="sha256:" + "1" * 64).digest != make_bundle(CODE).digest


def test_the_entrypoint_becomes_words_and_no_shell_reads_it() -> None:
    manifest = MANIFEST.replace("python $ALGO", "python $ALGO 'two words' $(reboot) $HOME ;")
    argv = parse_bundle(FILES | {"algorithm.yaml": manifest.encode()}).manifest.argv
    assert argv == ("python", "/data/transformations/algorithm", "two words", "$(reboot)", "$HOME", ";")


def test_the_image_line_of_an_example_is_filled_in(tmp_path: Path) -> None:
    write(tmp_path, FILES | {"algorithm.yaml": MANIFEST.replace(IMAGE, "IMAGE").encode()})
    with pytest.raises(BundleInvalidError, match="image"):
        load_bundle(tmp_path)
    assert load_bundle(tmp_path, image=IMAGE) == make_bundle(CODE)


def test_a_given_image_never_replaces_one_that_stands_there(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert load_bundle(tmp_path, image="sha256:" + "1" * 64).manifest.image == IMAGE


def test_no_gpu_is_asked_for_unless_the_manifest_says_so() -> None:
    assert make_bundle(CODE).manifest.gpus == 0
    assert parse_bundle(FILES | {"algorithm.yaml": (MANIFEST + "gpus: 2\n").encode()}).manifest.gpus == 2


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "/x",
        "a//b",
        "a/../b",
        ".hidden",
        "a/.b",
        "a b",
        "a\\b",
        "ä",
        "a\n",
        "",
        "x" * 65,
        "a/" * 120 + "a",
    ],
)
def test_a_path_that_could_be_read_in_two_ways_is_refused(path: str) -> None:
    with pytest.raises(BundleInvalidError):
        parse_bundle(FILES | {path: b""})


@pytest.mark.parametrize("path", ["algorithm", "algorithm/x.py", "main.py/x.py"])
def test_a_file_that_would_shadow_the_main_file_is_refused(path: str) -> None:
    with pytest.raises(BundleInvalidError):
        parse_bundle(FILES | {path: b""})


def test_the_main_file_may_itself_be_called_algorithm() -> None:
    manifest = MANIFEST.replace("main: main.py", "main: algorithm").encode()
    assert parse_bundle({"algorithm.yaml": manifest, "algorithm": b"pass"}).manifest.main == "algorithm"


def test_too_many_and_too_large_files_are_refused() -> None:
    with pytest.raises(BundleInvalidError, match="files of"):
        parse_bundle(FILES | {f"f{n}": b"" for n in range(MAX_BUNDLE_FILES)})
    with pytest.raises(BundleInvalidError, match="files of"):
        parse_bundle(FILES | {"large": bytes(MAX_BUNDLE_BYTES)})


def test_a_link_is_refused_and_so_is_a_pipe_and_junk(tmp_path: Path) -> None:
    makers: dict[str, Callable[[Path], object]] = {
        "link": lambda path: path.symlink_to("/etc/passwd"),
        "folder": lambda path: path.symlink_to(tmp_path),
        "pipe": os.mkfifo,
        ".git": lambda path: path.mkdir(),
    }
    for name, make in makers.items():
        folder = write(tmp_path / f"bundle-{name}", FILES)
        make(folder / name)
        with pytest.raises(BundleInvalidError):
            load_bundle(folder)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleInvalidError):
        load_bundle(tmp_path / "nothing")


BAD_MANIFESTS = {
    "an unknown key": MANIFEST + "\nenvironment: {LD_PRELOAD: x}",
    "hole 14, environment variables": MANIFEST + "\nenv: {PYTHONPATH: x}",
    "an image by tag": MANIFEST.replace(IMAGE, "python:3.11"),
    "a main file that is not there": MANIFEST.replace("main: main.py", "main: other.py"),
    "a main file outside": MANIFEST.replace("main: main.py", "main: ../main.py"),
    "no command": MANIFEST.replace("python $ALGO", "' '"),
    "an unfinished quote": MANIFEST.replace("python $ALGO", "python 'x"),
    "a capital name": MANIFEST.replace("name: tested", "name: Tested"),
    "no outputs": MANIFEST.replace(OUTPUTS, "outputs: {}"),
    "a metric twice": MANIFEST.replace("[{name", "[{name: accuracy, min: 0, max: 1, digits: 1}, {name"),
    "a range upside down": MANIFEST.replace("max: 1", "max: -1"),
    "a float": MANIFEST.replace("max: 1", "max: 1.5"),
    "a metric of nan": MANIFEST.replace("max: 1", "max: NaN"),
    "ten digits": MANIFEST.replace("digits: 3", "digits: 10"),
    "another metrics file": MANIFEST.replace("metrics: {", "metrics: {file: rows.json, "),
    "a pickle as weights": MANIFEST.replace(
        "metrics: {", "weights: {file: model.pkl, tensors: []}, metrics: {"
    ),
    "no tensors": MANIFEST.replace("metrics: {", "weights: {tensors: []}, metrics: {"),
    "a schema that is none": MANIFEST.replace("{type: object}", "{type: nonsense}"),
    "a schema that reaches out": MANIFEST.replace("{type: object}", "{$ref: 'http://example.org/x'}"),
    "a schema with a slow expression": MANIFEST.replace(
        "{type: object}", "{properties: {a: {pattern: '(a+)+$'}}}"
    ),
    "a schema that compares every two items": MANIFEST.replace(
        "{type: object}", "{properties: {a: {uniqueItems: true}}}"
    ),
    "a schema that evaluates its parts again at each level": MANIFEST.replace(
        "{type: object}", "{allOf: [{}], unevaluatedProperties: false}"
    ),
    "a schema of too many parts": MANIFEST.replace("{type: object}", f"{{anyOf: [{'{}, ' * 2000}]}}"),
    "a schema of numbers that are none": MANIFEST.replace("{type: object}", "{default: {a: .nan}}"),
    "less than no GPU": MANIFEST + "gpus: -1\n",
    "more GPUs than any machine has": MANIFEST + "gpus: 17\n",
    "GPUs in words": MANIFEST + "gpus: all\n",
    "not YAML": "[",
}


@pytest.mark.parametrize("manifest", BAD_MANIFESTS.values(), ids=BAD_MANIFESTS)
def test_a_manifest_is_refused_for(manifest: str) -> None:
    assert manifest != MANIFEST
    with pytest.raises(BundleInvalidError):
        parse_bundle(FILES | {"algorithm.yaml": manifest.encode()})


@given(st.dictionaries(st.text(max_size=20), st.binary(max_size=200), max_size=4), st.binary(max_size=300))
def test_garbage_is_refused_and_never_a_traceback(files: dict[str, bytes], manifest: bytes) -> None:
    with pytest.raises(BundleInvalidError):
        parse_bundle(files | {"algorithm.yaml": manifest})


SCHEMA = "{type: object, additionalProperties: false, properties: {epochs: {type: integer, maximum: 9}}}"
BAD_PARAMETERS: dict[str, tuple[dict[str, Any], str]] = {
    "too large": ({"epochs": 10}, r"\$\.epochs"),
    "of the wrong type": ({"epochs": "3"}, r"\$\.epochs"),
    "unknown": ({"LD_PRELOAD": "x"}, r"\$"),
    "a float": ({"epochs": 1.5}, "epochs"),
    "too long": ({"epochs": "x" * 70_000}, "parameters"),
}


@pytest.mark.parametrize(("parameters", "where"), BAD_PARAMETERS.values(), ids=BAD_PARAMETERS)
def test_a_parameter_is_refused_with_its_path(parameters: dict[str, Any], where: str) -> None:
    text = MANIFEST.replace("{type: object}", SCHEMA)
    manifest = parse_bundle(FILES | {"algorithm.yaml": text.encode()}).manifest
    check_parameters(manifest, {"epochs": 9})
    with pytest.raises(BundleInvalidError, match=where):
        check_parameters(manifest, parameters)


@pytest.mark.parametrize("wrapped", [lambda part: {"a": part}, lambda part: [part]], ids=["objects", "lists"])
def test_parameters_nested_deeper_than_a_provider_reads_are_refused(wrapped: Callable[[Any], Any]) -> None:
    manifest = parse_bundle(FILES).manifest
    parameters: Any = 1
    for _ in range(MAX_PARAMETERS_DEPTH - 1):
        parameters = wrapped(parameters)
    check_parameters(manifest, {"a": parameters})
    parse_json_strict(canonical_json({"a": parameters}), limits=PARAMETER_LIMITS)
    with pytest.raises(BundleInvalidError, match="nested deeper than 8"):
        check_parameters(manifest, {"a": wrapped(parameters)})


def test_parameters_that_would_take_long_to_check_are_refused_before_they_are_checked() -> None:
    schema = f"{{properties: {{rates: {{items: {{anyOf: [{'{type: string}, ' * 500}]}}}}}}}}"
    text = MANIFEST.replace("{type: object}", schema)
    manifest = parse_bundle(FILES | {"algorithm.yaml": text.encode()}).manifest
    with pytest.raises(BundleInvalidError, match="too many values"):
        check_parameters(manifest, {"rates": [0] * 30_000})


def test_without_a_schema_no_parameter_is_allowed() -> None:
    text = MANIFEST.replace("parameters: {type: object}\n", "")
    manifest = parse_bundle(FILES | {"algorithm.yaml": text.encode()}).manifest
    check_parameters(manifest, {})
    with pytest.raises(BundleInvalidError):
        check_parameters(manifest, {"epochs": 1})
