"""One job over several datasets: everyone must allow, and the strictest limit holds."""

from __future__ import annotations

import pytest

from policies.combine import combine_decisions, combine_limits, combine_logs, combine_outputs
from policies.decide import Decision, Verdict
from policies.errors import PolicyInvalidError, RuntimeUnavailableError
from policies.runtimes import choose_runtime, choose_shared_runtime
from tests.policy_samples import allowed_facts, make_policy

BOTH, RUNC_ONLY = frozenset({"runc", "runsc"}), frozenset({"runc"})


def test_one_owner_who_denies_denies_the_job() -> None:
    yes, no = allowed_facts().decide(), allowed_facts().but("asset", retired=True).decide()
    both = combine_decisions([yes, no])
    assert both.status is Verdict.DENY
    assert len(both.rules) == len(yes.rules) + len(no.rules)
    assert combine_decisions([yes, yes]).allowed


def test_no_decision_or_an_empty_one_is_a_deny() -> None:
    assert combine_decisions([]).status is Verdict.DENY
    assert combine_decisions([allowed_facts().decide(), Decision(())]).status is Verdict.DENY


def test_the_strictest_of_every_limit_holds() -> None:
    one = make_policy(limits={"time_s": 10, "memory_bytes": "1GiB", "cpus": "10", "output_files": 3})
    two = make_policy(limits={"time_s": 20, "memory_bytes": "512MiB", "cpus": "9.5", "pids": 7})
    limits = combine_limits([one, two])
    assert (limits.time_s, limits.memory_bytes, limits.cpus) == (10, 2**29, "9.5")
    assert (limits.pids, limits.output_files) == (7, 3)
    assert combine_limits([one]) == one.limits


def test_what_one_policy_does_not_let_out_stays() -> None:
    weights = make_policy(outputs={"weights": {"max_bytes": 100}, "max_information_bits": 9})
    both = make_policy(
        outputs={
            "weights": {"max_bytes": 50},
            "metrics": {"max_count": 2, "max_digits": 3},
            "max_information_bits": 12,
        }
    )
    combined = combine_outputs([weights, both])
    assert combined.weights is not None
    assert combined.weights.max_bytes == 50
    assert combined.metrics is None
    assert combined.max_information_bits == 9
    assert combine_outputs([both]) == both.outputs


def test_metrics_leave_in_the_smaller_number_with_the_fewer_digits() -> None:
    one = make_policy(outputs={"metrics": {"max_count": 2, "max_digits": 9}})
    two = make_policy(outputs={"metrics": {"max_count": 5, "max_digits": 3}})
    combined = combine_outputs([one, two]).metrics
    assert combined is not None
    assert (combined.max_count, combined.max_digits) == (2, 3)
    assert combine_outputs([one, two]).max_information_bits is None


def test_a_log_that_one_policy_gives_to_nobody_is_given_to_nobody() -> None:
    assert combine_logs([make_policy(), make_policy()]) == "owner"
    assert combine_logs([make_policy(), make_policy(logs="nobody")]) == "nobody"


def test_no_policies_give_no_limits() -> None:
    for combine in (combine_limits, combine_outputs, combine_logs):
        with pytest.raises(PolicyInvalidError, match="expected at least one"):
            combine([])


def test_gvisor_is_used_where_the_engine_has_it_and_runc_unless_gvisor_is_demanded() -> None:
    assert choose_runtime(make_policy(), BOTH) == "runsc"
    assert choose_runtime(make_policy(), RUNC_ONLY) == "runc"
    assert choose_runtime(make_policy(runtime="gvisor"), BOTH) == "runsc"


@pytest.mark.parametrize("runtimes", [frozenset[str](), RUNC_ONLY, frozenset({"kata"})])
def test_a_policy_that_demands_gvisor_is_told_how_to_get_it(runtimes: frozenset[str]) -> None:
    policies = [make_policy(), make_policy(runtime="gvisor")]
    with pytest.raises(RuntimeUnavailableError, match="install gVisor"):
        choose_shared_runtime(policies, runtimes)
