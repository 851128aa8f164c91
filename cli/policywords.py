"""A dataset's policy in words: what is enforced, what is a promise, and whether an account may order."""

from __future__ import annotations

from datatokens.allowlist import build_root
from datatokens.model import Asset
from policies.model import OutputsPolicy, Policy
from policies.purposes import TERMS
from policies.witnesses import parse_witness_key

ENFORCED = {"enforced": "enforced", "promise": "a promise that the scientist signs"}
LOGS = {
    "owner": "what an algorithm prints is for the owner",
    "nobody": "what an algorithm prints is for nobody",
    "consumer": "what an algorithm prints is for the job's consumer and the owner",
}


def may_order(policy: Policy | None, asset: Asset, account: str) -> bool | None:
    """Tell whether an account may order, by the policy and the allow-list on chain; None when that can't be known.

    Of an allow-list the chain has the root alone; it can be looked into when it is that of the policy's consumers.
    """
    if asset.retired:
        return False
    if policy is None:
        return None
    consumers = policy.consumers
    if consumers != "anyone" and account.lower() not in consumers:
        return False
    if asset.consumers_root is None:
        return True
    known = consumers != "anyone" and build_root(consumers) == asset.consumers_root
    return True if known else None


def describe_purposes(policy: Policy) -> list[dict[str, str]]:
    """Return every term of a policy's purposes with its words, and whether it is enforced or a promise."""
    terms = [TERMS[curie] for curie in policy.purposes]
    return [{"term": term.curie, "words": term.label, "force": term.force} for term in terms]


def policy_words(policy: Policy) -> dict[str, str]:
    """Return a policy for a person, by the names of its parts."""
    limits = policy.limits
    purposes = {
        f"purpose {number}": f"{term['term']}: {term['words']} ({ENFORCED[term['force']]})"
        for number, term in enumerate(describe_purposes(policy), start=1)
    }
    return purposes | {
        "consumers": "anyone" if policy.consumers == "anyone" else f"{len(policy.consumers)} accounts",
        "approval": "the owner approves each algorithm by its digest",
        "images": "any that the owner approves" if policy.images is None else f"{len(policy.images)} digests",
        "runtime": "gVisor or nothing"
        if policy.runtime == "gvisor"
        else "gVisor where there is one, else runc",
        "limits": f"{limits.time_s} s, {limits.cpus} cpus, {limits.memory_bytes} bytes of memory, {limits.gpus} gpus",
        "may leave": _outputs_words(policy.outputs),
        "logs": LOGS[policy.logs],
        "privacy": "what leaves is bounded, not measured",
        "witnesses": _witness_words(policy),
    }


def _witness_words(policy: Policy) -> str:
    demands = [
        f"{demand.threshold} of {', '.join(parse_witness_key(key).name for key in demand.keys)}"
        for demand in policy.witnesses
    ]
    return "; ".join(demands) or "none has to cosign"


def _outputs_words(outputs: OutputsPolicy) -> str:
    parts = []
    if outputs.weights is not None:
        parts.append(f"weights of {outputs.weights.max_bytes} bytes at most")
    if outputs.metrics is not None:
        metrics = outputs.metrics
        parts.append(f"{metrics.max_count} metrics at most, of {metrics.max_digits} digits")
    if outputs.max_information_bits is not None:
        parts.append(f"all together {outputs.max_information_bits} bits at most")
    return "; ".join(parts) or "nothing"
