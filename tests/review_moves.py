"""What reviewers do, as their own clients would."""

from __future__ import annotations

import secrets
from typing import Any

from werkzeug.test import TestResponse

from datatokens.ethkeys import LocalAccount
from policies.canonical import digest_of
from provider.receipts.reviews import decision_body
from tests.provider_fixtures import POLICY, Lab


def policy_with(*reviewers: LocalAccount, needed: int = 2, **terms: Any) -> str:
    """Return a policy under which these people look at every release."""
    people = ", ".join(f'"{person.address.lower()}"' for person in reviewers)
    more = "".join(f", {name}: {value}" for name, value in terms.items())
    return f"{POLICY}review: {{reviewers: [{people}], needed: {needed}{more}}}\n"


def look(lab: Lab, who: LocalAccount, job_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = lab.read(who, f"/v1/reviews/{job_id}").json or {}
    return answer


def decide(
    lab: Lab, who: LocalAccount, job_id: str, decision: str, *, words: str = "seen", **changes: Any
) -> TestResponse:
    """Decide on what this reviewer is shown, or on what `changes` say."""
    enclosed = f"{secrets.token_hex(32)} {words}"
    looked_at = changes.pop("looked_at", None) or look(lab, who, job_id)["looked_at"]
    body = decision_body(decision, job_id=job_id, looked_at=looked_at, reason=digest_of(enclosed.encode()))
    return lab.act(who, "review.decide", body, **{"enclosed": enclosed} | changes)
