"""Datasets that were found, as commands print them: one JSON document each, a line of a table, or a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cli.discovery import Discovery, Entry
from cli.output import fields, indent, plain, table
from cli.policywords import explanation_page
from policies.canonical import digest_text
from provider.description import Description

HEADING = ("ID", "NAME", "PRICE", "PROVIDER", "STATE")
NAMES = {"metadata": "description", "policy": "policy"}
FLAWS = {
    "unreachable": "can't be reached",
    "refused": "isn't given",
    "differs": "differs from the chain",
    "unreadable": "can't be read",
}
MAY_ORDER = {True: "yes", False: "no", None: "not known; ask the owner"}
HIDDEN = {"price_wei", "token_symbol", "token_decimals", "allow_list", "retired", "flaws"}
"""What a page tells in other words than the document."""


def entry_document(entry: Entry) -> dict[str, Any]:
    """Return a dataset as JSON; what its provider would have told is null when that can't be used."""
    asset, terms, description = entry.asset, entry.asset.terms, entry.description
    return {
        "asset_id": asset.asset_id,
        "token_id": str(asset.token_id),
        "name": description.name if description else None,
        "description": description.description if description else None,
        "owner": asset.owner,
        "provider": terms.provider,
        "commitment": digest_text(terms.commitment),
        "metadata_digest": digest_text(terms.metadata_digest),
        "policy_digest": digest_text(terms.policy_digest),
        "datatoken": asset.datatoken,
        "payment_token": terms.payment_token,
        "token_symbol": entry.token.symbol or None,
        "token_decimals": entry.token.decimals if entry.token.symbol else None,
        "price_wei": str(terms.price_wei),
        "price": entry.price,
        "files": len(description.files) if description else None,
        "size_bytes": description.size_bytes if description else None,
        "allow_list": asset.consumers_root is not None,
        "retired": asset.retired,
        "flaws": dict(entry.flaws),
    }


def provider_documents(found: Discovery) -> list[dict[str, Any]]:
    """Return the providers as JSON, with how each answered."""
    return [
        {
            "provider": provider.address,
            "endpoint": provider.endpoint,
            "answers": not provider.problem,
            "problem": provider.problem,
            "runtimes": sorted(provider.runtimes),
        }
        for provider in found.providers
    ]


def _state(entry: Entry) -> str:
    flaws = [f"{NAMES[kind]} {FLAWS[flaw]}" for kind, flaw in entry.flaws.items()]
    return "; ".join(["retired" if entry.asset.retired else "active", *flaws])


def entry_table(entries: Sequence[Entry], *, empty: str = "") -> str:
    """Lay datasets out, a line each."""
    rows = [
        (
            entry.asset.asset_id,
            entry.description.name if entry.description else "-",
            entry.price,
            entry.asset.terms.provider,
            _state(entry),
        )
        for entry in entries
    ]
    return table(HEADING, rows, empty=empty)


def silence(found: Discovery) -> str:
    """Return what is to be said below of providers that did not answer; nothing when all did."""
    rows = [
        (provider.address, provider.endpoint or "-", provider.problem)
        for provider in found.providers
        if provider.problem
    ]
    heading = ("PROVIDER", "ADDRESS", "PROBLEM")
    return "\n\nproviders that did not answer, or not everything:\n" + table(heading, rows) if rows else ""


def entry_page(entry: Entry, policy: str, *, may_order: bool | None) -> str:
    """Return all that is known of a dataset, with its policy in words and as it was registered."""
    facts = {name: value for name, value in entry_document(entry).items() if name not in HIDDEN} | {
        "state": _state(entry),
        "allow-list": "whoever is on the owner's list" if entry.asset.consumers_root else "none",
        "may you order": MAY_ORDER[may_order],
        "endpoint": entry.provider.endpoint,
        "runtimes": " ".join(sorted(entry.provider.runtimes)) or None,
    }
    parts = [fields(facts)]
    if entry.description is not None:
        parts += _contents(entry.description)
    if entry.policy is not None:
        parts.append("policy:\n" + indent(explanation_page(entry.policy)))
    if policy:
        parts.append("policy, as it was registered:\n" + indent(policy))
    return "\n\n".join(parts)


def _contents(description: Description) -> list[str]:
    files = [(file.name, file.size_bytes, file.encoding) for file in description.files]
    parts = [table(("FILE", "BYTES", "TYPE"), files)]
    for one in description.tables:
        columns = [(column.name, column.kind) for column in one.columns]
        parts.append(f"{plain(one.name)}: {plain(one.description)}\n{table(('COLUMN', 'TYPE'), columns)}")
    return parts
