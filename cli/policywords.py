"""A dataset's policy in words: what is enforced, what is a promise, and whether an account may order."""

from __future__ import annotations

from dataclasses import asdict

from cli.output import fields, indent
from datatokens.allowlist import build_root
from datatokens.model import Asset
from policies.explanation import HEADINGS, Statement, explain_policy
from policies.model import Policy

PROMISE = "a promise that the scientist signs"


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
    roots = {bytes.fromhex(root) for root in policy.allow_lists} | {asset.consumers_root}
    known = consumers != "anyone" and roots <= {build_root(consumers), None}
    return True if known or roots == {None} else None


def describe_purposes(policy: Policy) -> list[dict[str, str]]:
    """Return every term of a policy's purposes with its words, and whether it is enforced or a promise."""
    statements = explain_policy(policy)["projects"]
    return [{"term": item.part, "words": item.words, "force": item.force} for item in statements]


def explanation_document(policy: Policy) -> dict[str, list[dict[str, str]]]:
    """Return what a policy says, for machines: statements under the Five Safes."""
    return {heading: [asdict(item) for item in items] for heading, items in explain_policy(policy).items()}


def explanation_page(policy: Policy) -> str:
    """Return what a policy says, for a person."""
    explanation = explain_policy(policy)
    parts = [
        f"{heading}: {HEADINGS[heading]}\n{indent(fields({item.part: _words(item) for item in items}))}"
        for heading, items in explanation.items()
    ]
    return "\n".join(parts)


def _words(item: Statement) -> str:
    if item.force == "promise":
        return f"{item.words} ({PROMISE})"
    return item.words if not item.part.startswith("DUO:") else f"{item.words} (enforced)"
