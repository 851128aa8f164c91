from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import RuntimeUnavailableError
from policies.runtimes import choose_runtime, explain_missing, find_runtime
from tests.policy_samples import make_policy

BOTH, RUNC_ONLY, RUNSC_ONLY = frozenset({"runc", "runsc"}), frozenset({"runc"}), frozenset({"runsc"})
NONE, GVISOR = None, "gvisor"
CASES = [
    # the policy, what the engine has, GPUs, what a job gets
    ("any", BOTH, 0, "runsc"),
    ("any", RUNC_ONLY, 0, "runc"),
    ("any", RUNSC_ONLY, 0, "runsc"),
    ("any", frozenset({"kata"}), 0, NONE),
    (GVISOR, BOTH, 0, "runsc"),
    (GVISOR, RUNSC_ONLY, 0, "runsc"),
    (GVISOR, RUNC_ONLY, 0, NONE),
    ("any", BOTH, 1, "runc"),
    ("any", RUNC_ONLY, 16, "runc"),
    ("any", RUNSC_ONLY, 1, NONE),
    (GVISOR, BOTH, 1, NONE),
    (GVISOR, RUNSC_ONLY, 1, NONE),
]


@pytest.mark.parametrize(("runtime", "runtimes", "gpus", "expected"), CASES)
def test_gvisor_where_the_engine_has_it_runc_for_a_gpu_and_never_what_the_policy_forbids(
    runtime: str, runtimes: frozenset[str], gpus: int, expected: str | None
) -> None:
    policy = make_policy(runtime=runtime)
    assert find_runtime(policy, runtimes, gpus=gpus) == expected
    if expected is not None:
        assert choose_runtime(policy, runtimes, gpus=gpus) == expected
        return
    with pytest.raises(RuntimeUnavailableError) as caught:
        choose_runtime(policy, runtimes, gpus=gpus)
    assert explain_missing(policy, gpus=gpus) in str(caught.value)


@given(
    st.sampled_from(["any", GVISOR]),
    st.frozensets(st.sampled_from(["runc", "runsc", "kata", "nvidia"])),
    st.integers(0, 16),
)
def test_what_is_found_is_on_the_engine_and_known(runtime: str, runtimes: frozenset[str], gpus: int) -> None:
    found = find_runtime(make_policy(runtime=runtime), runtimes, gpus=gpus)
    assert found is None or found in runtimes & BOTH
    assert runtime != GVISOR or found != "runc"
    assert not gpus or found != "runsc"


@pytest.mark.parametrize("runtimes", [frozenset[str](), RUNC_ONLY, frozenset({"kata"})])
def test_a_policy_that_demands_gvisor_is_told_how_to_get_it(runtimes: frozenset[str]) -> None:
    with pytest.raises(RuntimeUnavailableError, match="install gVisor"):
        choose_runtime(make_policy(runtime="gvisor"), runtimes)


def test_whoever_asks_for_a_gpu_under_gvisor_is_told_that_there_is_none() -> None:
    with pytest.raises(RuntimeUnavailableError, match="hands out no GPU: change the policy's runtime"):
        choose_runtime(make_policy(runtime="gvisor"), BOTH, gpus=1)


def test_whoever_asks_for_a_gpu_without_runc_is_told_to_register_it() -> None:
    with pytest.raises(RuntimeUnavailableError, match="needs runc"):
        choose_runtime(make_policy(), RUNSC_ONLY, gpus=1)
