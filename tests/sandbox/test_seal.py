"""The seal holds for every run spec that can be made."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model import MAX_CPUS, MAX_MEMORY_BYTES, MAX_PIDS, MAX_TIME_S, MIN_PIDS, LimitsPolicy
from sandbox.determinism import FIXED_VARIABLES, THREAD_VARIABLES
from sandbox.expectation import expect, expect_engine, judge
from sandbox.guest.places import KERNEL_FILES
from sandbox.guest.places import READ_ONLY_PATHS as GUEST_READ_ONLY_PATHS
from sandbox.guest.refusals import CALLS
from sandbox.reasons import SEAL_REASONS
from sandbox.seal import (
    CORE_BYTES,
    MASKED_PATHS,
    READ_ONLY_MOUNTS,
    READ_ONLY_PATHS,
    container_options,
    cpu_quota,
    environment,
    seal_digest,
    seal_table,
)
from sandbox.seccomp import ALLOWED, REFUSED, seccomp_profile
from sandbox.spec import MIN_MEMORY_BYTES, ExitReason, Limits, RunSpec, Runtime
from tests.sandbox_fixtures import IMAGE, LIMITS, OWNER, make_spec
from tests.spec_samples import SPECS

ENVIRONMENT = {
    "PATH", "LANG", "DIDS", "TRANSFORMATION_DID", "VOLUME", "INPUTS", "OUTPUTS", "LOGS", "HOME", "MPLCONFIGDIR",
    "ARROW_DEFAULT_MEMORY_POOL", *THREAD_VARIABLES, *FIXED_VARIABLES,
}  # fmt: skip


@given(SPECS)
def test_no_run_spec_yields_a_network_a_capability_or_a_privilege(spec: RunSpec) -> None:
    options = container_options(spec)
    host = options["HostConfig"]
    assert (host["NetworkMode"], options["NetworkDisabled"]) == ("none", True)
    assert (host["CapDrop"], host["CapAdd"], host["Privileged"]) == (["ALL"], [], False)
    assert host["SecurityOpt"][0] == "no-new-privileges:true"
    assert json.loads(host["SecurityOpt"][1].removeprefix("seccomp=")) == seccomp_profile()
    assert options["User"] == "65532:65532"
    assert host["Devices"] == host["DeviceCgroupRules"] == []
    assert (host["PidMode"], host["IpcMode"], host["UTSMode"], host["CgroupnsMode"]) == (
        "",
        "private",
        "",
        "private",
    )


def test_every_option_of_the_seal_has_its_reason(tmp_path: Path) -> None:
    options = container_options(make_spec(tmp_path))
    names = (set(options) | set(options["HostConfig"])) - {"HostConfig"}
    assert set(SEAL_REASONS) == names
    assert all(len(reason) > 10 for reason in SEAL_REASONS.values())


def test_the_table_of_the_seal_names_no_path_of_the_host_and_no_run(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, run_id="a-certain-run")
    table = seal_table(spec)
    assert {name for name, _, _ in table} == set(SEAL_REASONS) - {"Labels"}
    assert str(tmp_path) not in str(table)
    assert spec.run_id not in str(table)
    assert all(len(value) < 1500 for _, value, _ in table)


@given(SPECS)
def test_no_run_spec_yields_a_writable_root_or_a_path_outside_the_staged_inputs(spec: RunSpec) -> None:
    host = container_options(spec)["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert "Binds" not in host
    assert "VolumesFrom" not in host
    assert {mount["Target"] for mount in host["Mounts"]} == set(READ_ONLY_MOUNTS)
    for mount in host["Mounts"]:
        assert (mount["Type"], mount["ReadOnly"]) == ("bind", True)
        assert Path(mount["Source"]).is_relative_to(spec.inputs)
    for option in host["Tmpfs"].values():
        assert {"nosuid", "nodev", "noexec"} <= set(option.split(","))


@given(SPECS)
def test_no_run_spec_is_without_a_limit(spec: RunSpec) -> None:
    host = container_options(spec)["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == spec.limits.memory_bytes > 0
    assert host["PidsLimit"] >= spec.limits.pids
    assert host["CpuQuota"] > 0
    assert all(limit["Soft"] == limit["Hard"] for limit in host["Ulimits"])
    assert {limit["Name"]: limit["Hard"] for limit in host["Ulimits"]}["core"] == CORE_BYTES
    assert all("size=" in option and "nr_inodes=" in option for option in host["Tmpfs"].values())
    assert host["LogConfig"]["Type"] == "none"
    assert host["AutoRemove"] is False


@given(SPECS)
def test_hole_14_no_run_spec_chooses_an_environment_variable(spec: RunSpec) -> None:
    options = container_options(spec)
    assert [entry.split("=")[0] for entry in options["Env"]] == ["PATH"]
    assert options["Entrypoint"][:5] == ["python3", "-I", "-S", "-B", "/sealroom/init.py"]
    assert options["Cmd"] == []
    found = environment(spec)
    assert set(found) == ENVIRONMENT
    assert json.loads(found["DIDS"]) == list(spec.dataset_ids)


@given(SPECS)
def test_the_same_seal_has_the_same_digest_whoever_runs(spec: RunSpec) -> None:
    other = dataclasses.replace(
        spec, run_id="other", owner="somebody", inputs=Path("/elsewhere"), dataset_ids=(), argv=("true",)
    )
    assert seal_digest(other) == seal_digest(spec)


def test_another_limit_image_or_runtime_is_another_seal(tmp_path: Path) -> None:
    spec = make_spec(tmp_path)
    changed = [
        dataclasses.replace(spec, runtime=Runtime.RUNSC),
        dataclasses.replace(spec, gpus=1),
        dataclasses.replace(spec, image=IMAGE.replace("0", "1")),
        dataclasses.replace(spec, limits=dataclasses.replace(LIMITS, pids=65)),
        dataclasses.replace(spec, limits=dataclasses.replace(LIMITS, scratch_bytes=1 << 30)),
    ]
    assert len({seal_digest(one) for one in [spec, *changed]}) == len(changed) + 1


@given(SPECS, st.data())
def test_the_probe_fails_for_any_one_difference(spec: RunSpec, data: st.DataObject) -> None:
    expected = expect(spec) | expect_engine(spec)
    assert judge(spec, expected).passed
    check = data.draw(st.sampled_from(sorted(expected)))
    for seen in (
        {**expected, check: expected[check] + "!"},
        {k: v for k, v in expected.items() if k != check},
        {},
    ):
        report = judge(spec, seen)
        assert not report.passed
        assert check in {row.check for row in report.rows if not row.ok}
        assert report.digest != judge(spec, expected).digest


def test_what_the_profile_refuses_is_not_allowed_anywhere() -> None:
    allowed = {name for rule in seccomp_profile()["syscalls"] for name in rule["names"]}
    refused = {name for names in REFUSED for name in names.split()}
    assert not allowed & refused
    assert seccomp_profile()["defaultAction"] == "SCMP_ACT_ERRNO"


def test_the_probe_tries_of_the_calls_only_what_the_profile_refuses() -> None:
    refused = {name for names in REFUSED for name in names.split()}
    refused_by_their_arguments = {"clone", "prlimit", "socket"}
    assert {name.split("-")[0] for name in CALLS} <= refused | refused_by_their_arguments
    assert len({(one, other, arguments) for one, other, arguments in CALLS.values()}) == len(CALLS)


def test_the_probe_looks_into_every_file_that_the_seal_hides() -> None:
    assert KERNEL_FILES == MASKED_PATHS
    assert GUEST_READ_ONLY_PATHS == READ_ONLY_PATHS


def test_every_group_of_calls_has_its_reason() -> None:
    assert all(len(reason) > 10 for reason in (*ALLOWED, *REFUSED.values()) if " " in reason)
    assert {"socket", "socketpair", "clone", "clone3", "prlimit64", "setrlimit"}.isdisjoint(
        name for names in ALLOWED.values() for name in names.split()
    )


BAD_SPECS: dict[str, dict[str, Any]] = {
    "an image by tag": {"image": "python:3.11"},
    "an id with a slash": {"run_id": "a/b"},
    "an owner with a space": {"owner": OWNER + " x"},
    "a dataset by name": {"dataset_ids": ("rows.csv",)},
    "no command": {"argv": ()},
    "a relative folder": {"inputs": Path("staged")},
}


@pytest.mark.parametrize("change", BAD_SPECS.values(), ids=BAD_SPECS)
def test_a_spec_is_refused_for(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="run spec"):
        dataclasses.replace(make_spec(tmp_path), **change)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Limits) if field.name != "cpus"])
@pytest.mark.parametrize("value", [0, -1, 2**53])
def test_a_limit_that_an_engine_reads_as_none_is_refused(name: str, value: int) -> None:
    change: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match="limit"):
        dataclasses.replace(LIMITS, **change)


@pytest.mark.parametrize("cpus", ["0", "-1", "NaN", "Infinity", "one", "", "1e9"])
def test_a_cpu_limit_that_is_none_is_refused(cpus: str) -> None:
    with pytest.raises(ValueError, match="limit cpus"):
        dataclasses.replace(LIMITS, cpus=cpus)


def test_a_run_is_owed_for_exactly_when_the_algorithm_had_its_chance() -> None:
    unpaid = {reason.value for reason in ExitReason if not reason.ran}
    assert unpaid == {"probe-failed", "engine-failed", "cancelled"}


@pytest.mark.parametrize(
    "limits",
    [
        LimitsPolicy(memory_bytes=MIN_MEMORY_BYTES, pids=MIN_PIDS, cpus="0.01", time_s=1),
        LimitsPolicy(memory_bytes=MAX_MEMORY_BYTES, pids=MAX_PIDS, cpus=str(MAX_CPUS), time_s=MAX_TIME_S),
    ],
    ids=["the smallest", "the largest"],
)
def test_limits_that_a_policy_admits_can_be_run(limits: LimitsPolicy) -> None:
    asked = Limits(**limits.model_dump(exclude={"gpus"}), open_files=1024, file_bytes=limits.output_bytes)
    assert cpu_quota(asked) >= 1000
