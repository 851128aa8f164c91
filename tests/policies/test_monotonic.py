"""Taking a permission away, lowering a limit or adding a demand never allows what was not allowed before.

Not here: closing a log that the consumer could read, which leaves more of `max_information_bits` to the outputs; what leaves in
all stays under that cap, and the last test holds it to that.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.canonical import canonical_json
from policies.decide import (
    AlgorithmFacts,
    ApprovalFacts,
    AssetFacts,
    CredentialFacts,
    Decision,
    EnvironmentFacts,
    PeopleFacts,
    PrivacyFacts,
    RequestFacts,
    Verdict,
    decide_job,
)
from policies.mechanisms import Gaussian, PrivacyCost
from policies.model import Policy, parse_policy
from tests.policy_samples import CONSUMER, IMAGE, NOW, OTHER_IMAGE, OWNER, PROVIDER, STRANGER

ROOT, ISSUER, OTHER_ISSUER = "ab" * 32, "0x" + "1" * 40, "0x" + "2" * 40
DISEASE, OTHER_DISEASE = "MONDO:0007254", "MONDO:0005015"
ORDER = {Verdict.DENY: 0, Verdict.WAIT: 1, Verdict.ALLOW: 2}
Document = dict[str, Any]
PURPOSES = st.lists(
    st.sampled_from(
        [
            "DUO:0000004",
            "DUO:0000042",
            "DUO:0000006",
            "DUO:0000011",
            "DUO:0000046",
            {"term": "DUO:0000007", "diseases": [DISEASE]},
            {"term": "DUO:0000007", "diseases": [DISEASE, OTHER_DISEASE]},
        ]
    ),
    min_size=1,
    max_size=3,
).map(lambda terms: [*terms, "DUO:0000006"])
PRIVACY = st.sampled_from(
    [
        {"mode": "none"},
        {"mode": "measured", "tests": {}},
        {"mode": "differential", "delta": "0.00001", "budget": "3"},
        {"mode": "differential", "delta": "0.001", "budget": "3", "consumer_budget": "2", "job_epsilon": "2"},
    ]
)


def name_images(document: Document) -> Document:
    """Return the document, with both images listed where it has no list and its mode needs one."""
    if document["data"]["privacy"]["mode"] == "differential":
        document["settings"].setdefault("images", [IMAGE, OTHER_IMAGE])
    return document


DOCUMENTS: st.SearchStrategy[Document] = st.fixed_dictionaries(
    {
        "version": st.just(2),
        "projects": st.fixed_dictionaries({"purposes": PURPOSES}),
        "people": st.fixed_dictionaries(
            {
                "consumers": st.just("anyone")
                | st.lists(st.sampled_from([CONSUMER, STRANGER]))
                | st.just({"allow_list": {"root": ROOT}}),
                "credentials": st.sampled_from([[], [{"claim": "a", "issuers": [ISSUER, OTHER_ISSUER]}]]),
            }
        ),
        "data": st.fixed_dictionaries({"privacy": PRIVACY}),
        "settings": st.fixed_dictionaries(
            {"runtime": st.sampled_from(["any", "gvisor"]), "limits": st.just({"gpus": 2})},
            optional={"images": st.lists(st.sampled_from([IMAGE, OTHER_IMAGE]))},
        ),
        "outputs": st.fixed_dictionaries(
            {
                "weights": st.just({"max_bytes": 6000, "mantissa_bits": 12}),
                "metrics": st.just({"max_count": 3, "max_digits": 4}),
                "max_information_bits": st.just(50_000),
            }
        ),
    }
).map(name_images)


def drop_purpose(document: Document) -> None:
    purposes = document["projects"]["purposes"]
    if len(purposes) > 1:
        del purposes[0]


def name_fewer_diseases(document: Document) -> None:
    for term in document["projects"]["purposes"]:
        if isinstance(term, dict):
            term["diseases"] = [DISEASE]


def prohibit_ancestry_research(document: Document) -> None:
    document["projects"]["purposes"].append("DUO:0000044")


def drop_consumers(document: Document) -> None:
    consumers = document["people"]["consumers"]
    document["people"]["consumers"] = [STRANGER] if consumers == "anyone" else []


def ask_for_a_list(document: Document) -> None:
    if document["people"]["consumers"] == "anyone":
        document["people"]["consumers"] = {"allow_list": {"root": ROOT}}


def ask_for_another_credential(document: Document) -> None:
    document["people"]["credentials"] = [
        *document["people"]["credentials"],
        {"claim": "b", "issuers": [ISSUER]},
    ]


def trust_fewer_issuers(document: Document) -> None:
    for demand in document["people"]["credentials"]:
        demand["issuers"] = [ISSUER]


def demand_gvisor(document: Document) -> None:
    document["settings"]["runtime"] = "gvisor"


def drop_images(document: Document) -> None:
    document["settings"]["images"] = document["settings"].get("images", [IMAGE])[:1]


def allow_no_image(document: Document) -> None:
    document["settings"]["images"] = []


def allow_one_gpu(document: Document) -> None:
    document["settings"]["limits"]["gpus"] = 1


def lower_the_weights(document: Document) -> None:
    document["outputs"]["weights"] = {"max_bytes": 4000, "mantissa_bits": 12}


def let_no_weights_out(document: Document) -> None:
    del document["outputs"]["weights"]


def let_fewer_metrics_out(document: Document) -> None:
    document["outputs"]["metrics"] = {"max_count": 1, "max_digits": 2}


def let_no_metrics_out(document: Document) -> None:
    del document["outputs"]["metrics"]


def lower_the_bits(document: Document) -> None:
    document["outputs"]["max_information_bits"] = 30_000


def demand_differential_privacy(document: Document) -> None:
    if document["data"]["privacy"]["mode"] == "none":
        document["data"]["privacy"] = {"mode": "differential", "delta": "0.00001", "budget": "1"}
        name_images(document)


def demand_tests(document: Document) -> None:
    if document["data"]["privacy"]["mode"] == "none":
        document["data"]["privacy"] = {"mode": "measured", "tests": {}}


def demand_tests_of_one_column(document: Document) -> None:
    demand_tests(document)
    if document["data"]["privacy"]["mode"] == "measured":
        document["data"]["privacy"] = {"mode": "measured", "tests": {"target": "ill"}}


def lower_the_budgets(document: Document) -> None:
    privacy = document["data"]["privacy"]
    if privacy["mode"] == "differential":
        document["data"]["privacy"] = privacy | {
            "budget": "1",
            "consumer_budget": "1",
            "job_epsilon": "1",
        }


TIGHTER: list[Callable[[Document], None]] = [
    drop_purpose,
    name_fewer_diseases,
    prohibit_ancestry_research,
    drop_consumers,
    ask_for_a_list,
    ask_for_another_credential,
    trust_fewer_issuers,
    demand_gvisor,
    drop_images,
    allow_no_image,
    allow_one_gpu,
    lower_the_weights,
    let_no_weights_out,
    let_fewer_metrics_out,
    let_no_metrics_out,
    lower_the_bits,
    demand_differential_privacy,
    demand_tests,
    demand_tests_of_one_column,
    lower_the_budgets,
]
EPSILONS = st.none() | st.decimals(min_value="0.5", max_value="4", places=1)
COSTS = st.none() | st.builds(
    PrivacyCost,
    epsilon=st.sampled_from(["0.5", "1.5", "2.5"]),
    delta=st.sampled_from(["0.00001", "0.0001", "0.001"]),
    mechanisms=st.just((Gaussian(noise_multiplier="1"),)),
)
PURPOSES_SIGNED = st.sampled_from(
    [
        "DUO:0000042",
        "DUO:0000006",
        "DUO:0000011",
        "DUO:0000007",
        f"DUO:0000007[{DISEASE}]",
        f"DUO:0000007[{OTHER_DISEASE}]",
    ]
)
SHOWN = st.lists(
    st.builds(
        CredentialFacts,
        st.sampled_from([ISSUER, OTHER_ISSUER]),
        st.sampled_from([CONSUMER, STRANGER]),
        st.sampled_from(["a", "b"]),
        st.sampled_from([NOW, NOW + 1]),
    ),
    max_size=3,
).map(tuple)
JOBS = st.tuples(
    st.builds(
        RequestFacts,
        st.sampled_from([CONSUMER, STRANGER]),
        PURPOSES_SIGNED,
        st.just("sha256:" + "1" * 64),
        st.just(PROVIDER),
        st.just(NOW + 1),
        st.sampled_from([1, 1, 2]),
    ),
    st.builds(
        AlgorithmFacts,
        st.sampled_from([IMAGE, OTHER_IMAGE]),
        st.sampled_from([None, 3000, 5000]),
        st.integers(0, 3),
        st.integers(0, 4),
        st.sampled_from([20_000, 40_000]),
        st.integers(0, 2),
        st.sampled_from(["code", "recipe"]),
        st.sampled_from([None, "ill", "old"]),
    ),
    st.just(ApprovalFacts(NOW - 1, NOW + 1, None)) | st.none(),
    st.sampled_from([frozenset({"runc"}), frozenset({"runsc"}), frozenset({"runc", "runsc"})]),
    st.builds(PeopleFacts, st.sampled_from([frozenset(), frozenset({ROOT})]), SHOWN),
    st.builds(
        PrivacyFacts, COSTS, st.none() | st.sampled_from([50, 1000]), EPSILONS, EPSILONS, st.booleans()
    ),
)
Job = tuple[RequestFacts, AlgorithmFacts, ApprovalFacts | None, frozenset[str], PeopleFacts, PrivacyFacts]


def decide(document: Document, job: Job) -> tuple[Policy, Decision]:
    policy = parse_policy(canonical_json(document))
    request, algorithm, approval, runtimes, people, privacy = job
    return policy, decide_job(
        policy,
        request,
        algorithm,
        approval,
        AssetFacts("1" * 64, OWNER, PROVIDER, policy.digest, retired=False),
        EnvironmentFacts(NOW, PROVIDER, runtimes, image_present=True),
        people=people,
        privacy=privacy,
    )


@given(document=DOCUMENTS, job=JOBS, change=st.sampled_from(TIGHTER))
def test_no_rule_says_more_after_a_permission_is_taken_away(
    document: Document, job: Job, change: Callable[[Document], None]
) -> None:
    tight = copy.deepcopy(document)
    change(tight)
    _, before = decide(document, job)
    _, after = decide(tight, job)
    if before.status is not Verdict.ALLOW:
        assert after.status is not Verdict.ALLOW
    for old, new in zip(before.rules, after.rules, strict=True):
        assert ORDER[new.verdict] <= ORDER[old.verdict], old.name


@pytest.mark.parametrize("change", TIGHTER, ids=lambda change: change.__name__)
def test_each_change_takes_a_job_away_that_was_allowed(change: Callable[[Document], None]) -> None:
    """A law about changes that change nothing would show nothing."""
    loose: Document = {
        "version": 2,
        "projects": {
            "purposes": ["DUO:0000011", {"term": "DUO:0000007", "diseases": [DISEASE, OTHER_DISEASE]}]
        },
        "people": {
            "consumers": "anyone",
            "credentials": [{"claim": "a", "issuers": [ISSUER, OTHER_ISSUER]}],
        },
        "data": {"privacy": {"mode": "none"}},
        "settings": {"images": [OTHER_IMAGE, IMAGE], "limits": {"gpus": 2}},
        "outputs": {
            "weights": {"max_bytes": 6000},
            "metrics": {"max_count": 3, "max_digits": 4},
            "max_information_bits": 50_000,
        },
    }
    if change is lower_the_budgets:
        loose["data"]["privacy"] = {"mode": "differential", "delta": "0.00001", "budget": "4"}
    tight = copy.deepcopy(loose)
    change(tight)
    taken = [name for name, job in _jobs(loose).items() if _is_lost(loose, tight, job)]
    assert taken, change.__name__


def _is_lost(loose: Document, tight: Document, job: Job) -> bool:
    return decide(loose, job)[1].allowed and not decide(tight, job)[1].allowed


def _jobs(document: Document) -> dict[str, Job]:
    """Return jobs that the loose document allows, at its edges."""
    kind = "recipe" if document["data"]["privacy"]["mode"] == "differential" else "code"
    cost = PrivacyCost(epsilon="2", delta="0.00001", mechanisms=(Gaussian(noise_multiplier="1"),))
    privacy = PrivacyFacts(cost, 1000, Decimal(2), Decimal(2), fits_schema=True)
    found: dict[str, Job] = {}
    for purpose in ("DUO:0000011", f"DUO:0000007[{OTHER_DISEASE}]"):
        for image, runtimes, gpus in (
            (OTHER_IMAGE, frozenset({"runc"}), 2),
            (IMAGE, frozenset({"runc"}), 0),
        ):
            for weights, metrics in ((5000, 3), (None, 3)):
                algorithm = AlgorithmFacts(image, weights, metrics, 4, 40_000, gpus, kind)  # type: ignore[arg-type]
                request = RequestFacts(CONSUMER, purpose, "sha256:" + "1" * 64, PROVIDER, NOW + 1)
                people = PeopleFacts(frozenset(), (CredentialFacts(OTHER_ISSUER, CONSUMER, "a", NOW + 1),))
                approval = ApprovalFacts(NOW - 1, NOW + 1, None)
                name = f"{purpose} {image[-1]} {gpus} {weights}"
                found[name] = (request, algorithm, approval, runtimes, people, privacy)
    return found


@given(
    log_bytes=st.integers(1024, 6000),
    logs=st.sampled_from(["owner", "nobody", "consumer"]),
    document=DOCUMENTS,
    job=JOBS,
)
def test_what_leaves_with_an_open_log_is_under_the_cap_in_all(
    log_bytes: int, logs: str, document: Document, job: Job
) -> None:
    document["settings"] |= {"logs": logs, "limits": {"log_bytes": log_bytes, "gpus": 2}}
    if logs == "consumer":
        document["data"] = {"privacy": {"mode": "none"}}
    policy, decision = decide(document, job)
    if decision.allowed:
        assert job[1].information_bits + policy.log_information_bits <= 50_000
