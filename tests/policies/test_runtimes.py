from __future__ import annotations

import pytest

from policies.errors import RuntimeUnavailableError
from policies.runtimes import choose_runtime
from tests.policy_samples import make_policy

BOTH, RUNC_ONLY = frozenset({"runc", "runsc"}), frozenset({"runc"})


def test_gvisor_is_used_where_the_engine_has_it_and_runc_unless_gvisor_is_demanded() -> None:
    assert choose_runtime(make_policy(), BOTH) == "runsc"
    assert choose_runtime(make_policy(), RUNC_ONLY) == "runc"
    assert choose_runtime(make_policy(runtime="gvisor"), BOTH) == "runsc"


@pytest.mark.parametrize("runtimes", [frozenset[str](), RUNC_ONLY, frozenset({"kata"})])
def test_a_policy_that_demands_gvisor_is_told_how_to_get_it(runtimes: frozenset[str]) -> None:
    with pytest.raises(RuntimeUnavailableError, match="install gVisor"):
        choose_runtime(make_policy(runtime="gvisor"), runtimes)
