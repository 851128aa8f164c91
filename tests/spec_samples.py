"""Every run spec that can be made, hostile text wherever a field admits it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from sandbox.spec import MAX_CPUS, MAX_GPUS, MAX_INTEGER, MIN_MEMORY_BYTES, MIN_PIDS, Limits, RunSpec, Runtime

HOSTILE = (
    "--network=host", "--privileged", "-v", "/:/host:rw", "LD_PRELOAD=/x.so", "PATH=/x", "\n", "\0", "$(reboot)",
    "/var/run/docker.sock", "NetworkMode", "host", "ALL", "SYS_ADMIN", "gpus=all", "seccomp=unconfined", "..", "\udcff",
)  # fmt: skip
TEXT = st.text() | st.sampled_from(HOSTILE)
HEX64 = st.text("0123456789abcdef", min_size=64, max_size=64)
POSITIVE = st.integers(1, MAX_INTEGER)
LIMIT_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "time_s": POSITIVE,
    "memory_bytes": st.integers(MIN_MEMORY_BYTES, MAX_INTEGER),
    "cpus": st.decimals("0.01", MAX_CPUS, allow_nan=False, places=3).map(str),
    "pids": st.integers(MIN_PIDS, MAX_INTEGER),
    "scratch_bytes": POSITIVE,
    "output_bytes": POSITIVE,
    "output_files": POSITIVE,
    "log_bytes": POSITIVE,
    "open_files": POSITIVE,
    "file_bytes": POSITIVE,
}
FOLDER = TEXT.filter(lambda part: part not in {"", ".", ".."} and "/" not in part)
SPEC_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "run_id": st.from_regex(r"[a-z0-9][a-z0-9-]{0,127}", fullmatch=True),
    "owner": st.from_regex(r"[A-Za-z0-9._-]{1,128}", fullmatch=True),
    "image": HEX64.map("sha256:".__add__),
    "runtime": st.sampled_from(Runtime),
    "argv": st.lists(TEXT, min_size=1, max_size=5).map(tuple),
    "inputs": st.lists(FOLDER, min_size=1, max_size=4).map(lambda parts: Path("/", *parts)),
    "dataset_ids": st.lists(HEX64, max_size=8, unique=True).map(tuple),
    "algorithm_id": HEX64,
    "limits": st.builds(Limits, **LIMIT_FIELDS),
    "gpus": st.integers(0, MAX_GPUS),
}
SPECS = st.builds(RunSpec, **SPEC_FIELDS)


def names_of(model: Any) -> set[str]:
    """Return the names of a dataclass's fields."""
    return {field.name for field in dataclasses.fields(model)}
