"""Our reading and writing of safetensors beside the reference implementation."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.numpy import save

from provider.gate.errors import OutputRefusedError
from provider.gate.safetensors import (
    ITEM_BYTES,
    canonical_header,
    check_declared,
    parse_header,
    released_bytes,
    write_canonical,
)
from sandbox.bundle import TensorDeclaration
from tests.gate_samples import HONEST_WEIGHTS, OUTPUTS, build_file, read_reference

NUMPY_TYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
DECLARATIONS = st.lists(
    st.builds(
        TensorDeclaration,
        name=NAMES,
        dtype=st.sampled_from(sorted(ITEM_BYTES)),
        shape=st.lists(st.integers(0, 4), max_size=3),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda item: item.name,
)


def _zeros(declared: list[TensorDeclaration]) -> dict[str, np.ndarray]:
    return {item.name: np.zeros(item.shape, NUMPY_TYPES[item.dtype]) for item in declared}


@given(DECLARATIONS)
def test_the_canonical_file_is_the_reference_implementation_s_byte_for_byte(
    declared: list[TensorDeclaration],
) -> None:
    known = [item for item in declared if item.dtype in NUMPY_TYPES]
    if known:
        assert save(_zeros(known)).startswith(canonical_header(known))
        assert len(save(_zeros(known))) == released_bytes(known)


@given(DECLARATIONS)
def test_what_is_written_reads_back_here_and_by_the_reference(
    declared: list[TensorDeclaration],
) -> None:
    content = canonical_header(declared) + bytes(released_bytes(declared) - len(canonical_header(declared)))
    source, target = io.BytesIO(content), io.BytesIO()
    entries = parse_header(source, len(content))
    check_declared(entries, declared)
    write_canonical(source, entries, declared, target)
    assert target.getvalue() == content
    read = {name: (spec["dtype"], spec["shape"], len(spec["data"])) for name, spec in read_reference(content)}
    assert read == {
        item.name: (item.dtype, item.shape, math.prod(item.shape) * ITEM_BYTES[item.dtype])
        for item in declared
    }


@given(st.integers(0, len(HONEST_WEIGHTS) - 1), st.integers(1, 255))
def test_a_changed_byte_is_read_or_refused_and_never_more_lenient_than_the_reference(
    at: int, change: int
) -> None:
    content = bytearray(HONEST_WEIGHTS)
    content[at] ^= change
    try:
        parse_header(io.BytesIO(content), len(content))
    except OutputRefusedError as error:
        refused = error.rule
    else:
        refused = ""
        read_reference(bytes(content))
    assert refused in ("", "weights-safetensors")


@given(st.binary(max_size=100) | st.binary(max_size=100).map(lambda text: build_file(b"{" + text, b"")))
def test_any_bytes_are_entries_or_a_refusal(content: bytes) -> None:
    try:
        entries = parse_header(io.BytesIO(content), len(content))
    except OutputRefusedError:
        return
    assert entries == []
    assert read_reference(content) == []


def test_a_header_of_white_space_that_the_reference_takes_is_read_and_not_kept() -> None:
    content = build_file(b"{}" + b" " * 6, b"")
    assert parse_header(io.BytesIO(content), len(content)) == []


@pytest.mark.parametrize(
    ("dtype", "item"),
    [
        ("F64", np.array([np.nan]).tobytes()),
        ("F32", np.array([np.inf], np.float32).tobytes()),
        ("F16", np.array([-np.inf], np.float16).tobytes()),
        ("BF16", (0x7F80).to_bytes(2, "little")),
        ("BF16", (0xFFC1).to_bytes(2, "little")),
        ("BOOL", b"\x02"),
    ],
)
def test_a_value_that_is_no_number_of_its_type_is_refused(dtype: str, item: bytes) -> None:
    declared = [TensorDeclaration.model_validate({"name": "w", "dtype": dtype, "shape": [1]})]
    content = canonical_header(declared) + item
    source = io.BytesIO(content)
    with pytest.raises(OutputRefusedError) as caught:
        write_canonical(source, parse_header(source, len(content)), declared, io.BytesIO())
    assert caught.value.rule == "weights-finite"


@pytest.mark.parametrize(
    ("dtype", "item"),
    [
        ("BF16", (0x7F7F).to_bytes(2, "little")),
        ("F16", b"\xff\x7b"),
        ("BOOL", b"\x01"),
        ("I8", b"\xff"),
        ("I64", b"\xff" * 8),
    ],
)
def test_the_largest_value_of_a_type_is_a_number(dtype: str, item: bytes) -> None:
    declared = [TensorDeclaration.model_validate({"name": "w", "dtype": dtype, "shape": [1]})]
    content = canonical_header(declared) + item
    source, target = io.BytesIO(content), io.BytesIO()
    write_canonical(source, parse_header(source, len(content)), declared, target)
    assert target.getvalue() == content


def test_a_file_that_ends_while_it_is_copied_is_refused() -> None:
    tensors = OUTPUTS.weights.tensors if OUTPUTS.weights else []
    entries = parse_header(io.BytesIO(HONEST_WEIGHTS), len(HONEST_WEIGHTS))
    with pytest.raises(OutputRefusedError) as caught:
        write_canonical(io.BytesIO(HONEST_WEIGHTS[:-1]), entries, tensors, io.BytesIO())
    assert caught.value.rule == "weights-safetensors"


def test_the_reference_refuses_what_we_call_a_gap() -> None:
    content = build_file({"w": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}}, b"\0\0")
    with pytest.raises(SafetensorError):
        read_reference(content)
    with pytest.raises(OutputRefusedError):
        parse_header(io.BytesIO(content), len(content))
