"""What a policy document may say, and what each mistake in it is told."""

from __future__ import annotations

from typing import Any

import pytest

from policies.canonical import canonical_json, digest_of
from policies.errors import DocumentError
from policies.model import MAX_TIME_S, parse_policy, parse_size
from tests.policy_samples import DOCUMENT, IMAGE, make_policy

ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
REMOVED = object()


def test_a_policy_is_read_with_its_sizes_in_bytes_and_the_digest_of_its_raw_bytes() -> None:
    data = b"""# two spaces and a comment belong to the document
version: 1
purposes:  [DUO:0000042, DUO:0000019]
consumers: [0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266]
runtime: gvisor
limits: {time_s: 60, memory_bytes: 512MiB, cpus: 1.50, pids: 32, scratch_bytes: 1GB, output_bytes: 2048,
         output_files: 2, log_bytes: 4 KiB, gpus: 2}
outputs: {weights: {max_bytes: 1MiB}}
approvals: [owner]
images: []
logs: nobody
privacy: {mode: none}
"""
    policy = parse_policy(data)
    assert policy.digest == digest_of(data)
    assert [term.text for term in policy.purposes] == ["DUO:0000042", "DUO:0000019"]
    assert policy.consumers == (ADDRESS.lower(),)
    assert policy.limits.model_dump() == {
        "time_s": 60,
        "memory_bytes": 512 * 2**20,
        "cpus": "1.5",
        "pids": 32,
        "scratch_bytes": 10**9,
        "output_bytes": 2048,
        "output_files": 2,
        "log_bytes": 4096,
        "gpus": 2,
    }
    assert policy.outputs.weights is not None
    assert policy.outputs.weights.max_bytes == 2**20
    assert policy.outputs.metrics is None
    assert (policy.images, policy.logs, policy.runtime) == ((), "nobody", "gvisor")


def test_two_documents_that_mean_the_same_have_different_digests() -> None:
    data = canonical_json(DOCUMENT)
    assert parse_policy(data).digest != parse_policy(data + b"\n").digest


@pytest.mark.parametrize(
    ("changes", "path", "problem"),
    [
        ({"version": 3}, "version", "should be 2"),
        ({"version": REMOVED}, "version", "field required"),
        ({"purposes": []}, "purposes", "at least 1 item"),
        ({"purposes": REMOVED}, "purposes", "field required"),
        ({"purposes": ["HMB"]}, "purposes.0", "such as DUO:0000042"),
        ({"purposes": ["DUO:0000006", "DUO:0000099"]}, "purposes.1", "expected a Data Use Ontology term"),
        ({"purposes": ["DUO:0000019"]}, "purposes", "at least one permission"),
        ({"consumers": REMOVED}, "consumers", "field required"),
        ({"consumers": None}, "consumers", "expected the word anyone"),
        ({"consumers": "everyone"}, "consumers", "expected the word anyone"),
        ({"consumers": [ADDRESS, ADDRESS[:-1]]}, "consumers", "item 1: expected an address"),
        ({"consumers": [ADDRESS] * 1001}, "consumers", "at most 1000 addresses"),
        ({"runtime": "kata"}, "runtime", "'any' or 'gvisor'"),
        ({"limits": {"time_s": 0}}, "limits.time_s", "greater than or equal to 1"),
        ({"limits": {"time_s": MAX_TIME_S + 1}}, "limits.time_s", "less than or equal to 604800"),
        ({"limits": {"memory_bytes": "lots"}}, "limits.memory_bytes", "such as 512MiB"),
        ({"limits": {"memory_bytes": "1KiB"}}, "limits.memory_bytes", "greater than or equal to 67108864"),
        ({"limits": {"cpus": "0"}}, "limits.cpus", "0.01 to 256"),
        ({"limits": {"cpus": "0.009"}}, "limits.cpus", "0.01 to 256"),
        ({"limits": {"pids": 3}}, "limits.pids", "greater than or equal to 4"),
        ({"limits": {"gpus": -1}}, "limits.gpus", "greater than or equal to 0"),
        ({"limits": {"gpus": 17}}, "limits.gpus", "less than or equal to 16"),
        ({"limits": {"cpus": "1e9"}}, "limits.cpus", "such as"),
        ({"limits": {"cpus": True}}, "limits.cpus", "such as"),
        ({"limits": {"network": True}}, "limits.network", "unknown key"),
        ({"outputs": REMOVED}, "outputs", "field required"),
        ({"outputs": {"pictures": {}}}, "outputs.pictures", "unknown key"),
        ({"outputs": {"weights": {}}}, "outputs.weights.max_bytes", "field required"),
        (
            {"outputs": {"metrics": {"max_count": 1, "max_digits": 10}}},
            "outputs.metrics.max_digits",
            "less than",
        ),
        ({"approvals": []}, "approvals", "at least 1 item"),
        ({"approvals": ["board"]}, "approvals.0", "'owner'"),
        ({"images": ["python:3.11"]}, "images.0", "a tag can change under you"),
        ({"logs": "scientist"}, "logs", "'owner', 'nobody' or 'consumer'"),
        ({"logs": "consumer", "review": {"reviewers": ["0x" + "a" * 40]}}, "logs", "no reviewer sees"),
        ({"logs": "consumer", "privacy": {"mode": "measured", "tests": {}}}, "logs", "no test"),
        (
            {"logs": "consumer", "privacy": {"mode": "differential", "delta": "0.00001", "budget": "1"}},
            "logs",
            "belongs to the mode none",
        ),
        ({"logs": "consumer"}, "logs", "opens a log of up to 8388608 bits"),
        ({"logs": "consumer", "limits": {"log_bytes": 12_501}}, "logs", "opens a log of up to 100008 bits"),
        ({"privacy": {"mode": "measured"}}, "privacy", "tests belong to the mode measured"),
        (
            {"privacy": {"mode": "differential", "delta": "0.00001", "budget": "1"}},
            "images",
            "one made by a stranger",
        ),
        (
            {"privacy": {"mode": "differential", "delta": "0.0000000009", "budget": "1"}},
            "privacy.delta",
            "0.000000001 at least",
        ),
        ({"privacy": {"mode": "differential"}}, "privacy", "needs a delta and a budget"),
        ({"privacy": {"budget": "1"}}, "privacy", "belong to the mode differential"),
        (
            {
                "privacy": {
                    "mode": "measured",
                    "tests": {},
                    "unit": {"column": "a", "max_rows": 2, "count": 9},
                }
            },
            "privacy",
            "a count of units belongs to",
        ),
        ({"privacy": {"unit": {"column": "a", "max_rows": 2}}}, "privacy", "none protects no unit"),
        (
            {"review": {"reviewers": ["0x" + "a" * 40], "when": "not-passed"}},
            "review.when",
            "without them nobody is asked",
        ),
        ({"privacy": {"mode": "off"}}, "privacy.mode", "'none', 'measured' or 'differential'"),
        ({"consumer": []}, "consumer", "unknown key"),
    ],
)
def test_a_mistake_is_told_with_its_path(changes: dict[str, Any], path: str, problem: str) -> None:
    document = {key: value for key, value in (DOCUMENT | changes).items() if value is not REMOVED}
    with pytest.raises(DocumentError) as caught:
        parse_policy(canonical_json(document))
    assert caught.value.path == path
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    "text", ["", "MiB", "-1MiB", "1.5GiB", "1TiB", "1 MiB ", "\u0661MiB", "9" * 16 + "B"]
)
def test_a_size_that_could_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected bytes"):
        parse_size(text)


def test_an_absent_list_of_images_allows_any_and_an_empty_one_allows_none() -> None:
    assert make_policy().images is None
    assert make_policy(images=[]).images == ()
    assert make_policy(images=[IMAGE]).images == (IMAGE,)


def test_a_log_that_the_consumer_may_read_counts_whole_and_any_other_not_at_all() -> None:
    limits = {"log_bytes": 12_500}
    assert make_policy(logs="consumer", limits=limits).log_information_bits == 100_000
    assert make_policy(logs="owner", limits=limits).log_information_bits == 0
    assert make_policy(logs="nobody", limits=limits).log_information_bits == 0


def test_a_policy_of_the_mode_differential_lists_its_images() -> None:
    privacy = {"mode": "differential", "delta": "0.00001", "budget": "1"}
    with pytest.raises(DocumentError, match="a stranger"):
        make_policy(privacy=privacy)
    assert make_policy(privacy=privacy, images=[IMAGE]).images == (IMAGE,)
    assert make_policy(privacy=privacy, images=[]).images == ()


def test_the_smallest_delta_may_be_asked_for() -> None:
    privacy = {"mode": "differential", "delta": "0.000000001", "budget": "1"}
    assert make_policy(privacy=privacy, images=[IMAGE]).privacy.delta == "0.000000001"
