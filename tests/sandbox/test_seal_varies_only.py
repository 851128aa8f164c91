"""The seal as a closed world: two runs may differ in a few places of their options, and in nothing else."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.determinism import THREAD_VARIABLES
from sandbox.expectation import expect, expect_engine
from sandbox.seal import READ_ONLY_MOUNTS, container_options, environment, writable_places
from sandbox.spec import MAX_GPUS, Limits, RunSpec
from tests.sandbox_fixtures import make_spec
from tests.spec_samples import LIMIT_FIELDS, SPEC_FIELDS, SPECS, TEXT, names_of

BASE = make_spec(Path("/staged"))
# What a run decides, by place in the options. Each is a digest, an id or a number, but for the staged folder.
VARIES = {
    "/Image": r'"sha256:[0-9a-f]{64}"',
    "/Labels/org.sealroom.owner": r'"[A-Za-z0-9._-]{1,128}"',
    "/Labels/org.sealroom.run": r'"[a-z0-9][a-z0-9-]{0,127}"',
    "/HostConfig/Runtime": r'"(runc|runsc)"',
    "/HostConfig/PidsLimit": r"[1-9][0-9]*",
    "/HostConfig/Memory": r"[1-9][0-9]*",
    "/HostConfig/MemorySwap": r"[1-9][0-9]*",
    "/HostConfig/CpuQuota": r"[1-9][0-9]*",
    **{f"/HostConfig/Ulimits/{n}/{side}": r"[1-9][0-9]*" for n in (1, 2) for side in ("Soft", "Hard")},
    **{
        f"/HostConfig/Tmpfs/{path}": r'"rw,nosuid,nodev,noexec,size=[1-9][0-9]*,nr_inodes=[1-9][0-9]*,'
        r'uid=65532,gid=65532,mode=0700"'
        for path in writable_places(BASE.limits)
    },
    **{f"/HostConfig/Mounts/{n}/Source": r'".*"' for n in range(len(READ_ONLY_MOUNTS))},
    "/HostConfig/DeviceRequests": r"\[\]",
    "/HostConfig/DeviceRequests/0/Count": r"[1-9][0-9]?",
    "/HostConfig/DeviceRequests/0/Driver": r'""',
    "/HostConfig/DeviceRequests/0/DeviceIDs": r"\[\]",
    "/HostConfig/DeviceRequests/0/Capabilities/0/0": r'"gpu"',
    "/HostConfig/DeviceRequests/0/Capabilities/0/1": r'"compute"',
    "/HostConfig/DeviceRequests/0/Options": r"\{\}",
}
ENVIRONMENT_VARIES = {
    "DIDS": r'\[("[0-9a-f]{64}"(, "[0-9a-f]{64}")*)?\]',
    "TRANSFORMATION_DID": r"[0-9a-f]{64}",
    **dict.fromkeys(THREAD_VARIABLES, r"[1-9][0-9]{0,3}"),
}


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield (place, JSON text) of every value that holds no others; an empty list or mapping is one."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not value or not parts:
        yield place, json.dumps(value)
    for name, part in parts:
        yield from leaves(part, f"{place}/{name}")


def fixed(spec: RunSpec) -> dict[str, str]:
    return {place: text for place, text in leaves(container_options(spec)) if place not in VARIES}


def test_every_field_of_a_run_spec_is_tried() -> None:
    assert set(SPEC_FIELDS) == names_of(RunSpec)
    assert set(LIMIT_FIELDS) == names_of(Limits)


def check_options(spec: RunSpec) -> None:
    assert fixed(spec) == fixed(BASE)
    for place, text in leaves(container_options(spec)):
        assert place not in VARIES or re.fullmatch(VARIES[place], text), place


@given(SPECS)
def test_nothing_of_the_options_varies_but_what_is_listed_and_that_in_its_form(spec: RunSpec) -> None:
    check_options(spec)


@given(SPECS)
def test_nothing_of_the_host_is_mounted_but_the_staged_folders(spec: RunSpec) -> None:
    mounts = container_options(spec)["HostConfig"]["Mounts"]
    assert {mount["Target"]: mount["Source"] for mount in mounts} == {
        target: f"{spec.inputs}/{source}" for target, source in READ_ONLY_MOUNTS.items()
    }
    assert all(".." not in Path(mount["Source"]).parts for mount in mounts)


@given(SPECS)
def test_nothing_of_the_environment_varies_but_ids_and_numbers(spec: RunSpec) -> None:
    found, base = environment(spec), environment(BASE)
    assert set(found) == set(base)
    for name, value in found.items():
        if name in ENVIRONMENT_VARIES:
            assert re.fullmatch(ENVIRONMENT_VARIES[name], value), name
        else:
            assert value == base[name]


@given(SPECS, SPECS)
def test_the_command_and_the_ids_that_a_client_chose_change_no_option(spec: RunSpec, other: RunSpec) -> None:
    changed = dataclasses.replace(
        spec, argv=other.argv, dataset_ids=other.dataset_ids, algorithm_id=other.algorithm_id
    )
    assert container_options(changed) == container_options(spec)


@given(SPECS)
def test_no_device_unless_a_gpu_is_asked_for_and_then_that_many_for_computing_only(spec: RunSpec) -> None:
    host = container_options(spec)["HostConfig"]
    assert (host["Devices"], host["DeviceCgroupRules"]) == ([], [])
    if spec.gpus == 0:
        assert host["DeviceRequests"] == []
        return
    (request,) = host["DeviceRequests"]
    assert (request["Count"], request["DeviceIDs"]) == (spec.gpus, [])
    assert request["Capabilities"] == [["gpu", "compute"]]


@given(SPECS)
def test_with_gpus_their_devices_are_expected_by_name_and_nothing_else_changes(spec: RunSpec) -> None:
    without = dataclasses.replace(spec, gpus=0)
    table, base = expect(spec) | expect_engine(spec), expect(without) | expect_engine(without)
    assert {name for name in base if table.get(name) != base[name]} <= {
        "devices",
        "engine_devices",
        "host_paths",
    }
    more = set(table["devices"].split()) - set(base["devices"].split())
    shared = {"nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"} if spec.gpus else set()
    assert more == shared | {f"nvidia{number}" for number in range(spec.gpus)}
    assert table["devices"].split() == sorted(table["devices"].split())


@given(st.sampled_from(["run_id", "owner", "image", "algorithm_id"]), TEXT)
def test_any_text_in_place_of_an_id_is_refused_or_keeps_the_seal(name: str, text: str) -> None:
    change: dict[str, Any] = {name: text}
    try:
        spec = dataclasses.replace(BASE, **change)
    except ValueError:
        return
    check_options(spec)


@pytest.mark.parametrize("inputs", ["/", "/..", "/staged/../etc", "/staged/..", "staged", ".."])
def test_a_folder_of_inputs_that_could_mean_another_is_refused(inputs: str) -> None:
    with pytest.raises(ValueError, match="run spec"):
        dataclasses.replace(BASE, inputs=Path(inputs))


@pytest.mark.parametrize("gpus", [-1, MAX_GPUS + 1])
def test_a_number_of_gpus_that_an_engine_reads_as_all_or_that_no_machine_has_is_refused(gpus: int) -> None:
    with pytest.raises(ValueError, match="GPUs"):
        dataclasses.replace(BASE, gpus=gpus)
