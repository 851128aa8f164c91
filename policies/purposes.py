"""The GA4GH Data Use Ontology terms that a policy may name, and which purpose falls under which.

A purpose is a CURIE (`DUO:0000042`), never a shorthand: those changed between versions. What the platform compares
is the purpose that the scientist signs; that the work then keeps to it is a promise, and so is every term marked so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["permission", "modifier"]
Force = Literal["enforced", "promise"]


@dataclass(frozen=True, slots=True)
class DuoTerm:
    """One term: its CURIE, what it says, and whether the platform checks it or the scientist only signs it."""

    curie: str
    label: str
    kind: Kind
    force: Force


NO_RESTRICTION = "DUO:0000004"
GENERAL_RESEARCH = "DUO:0000042"
HEALTH_RESEARCH = "DUO:0000006"
DISEASE_RESEARCH = "DUO:0000007"
ANCESTRY_RESEARCH = "DUO:0000011"
ANCESTRY_PROHIBITED = "DUO:0000044"

_PERMISSIONS = {
    NO_RESTRICTION: "no restriction",
    GENERAL_RESEARCH: "general research use",
    HEALTH_RESEARCH: "health, medical or biomedical research",
    DISEASE_RESEARCH: "research on one disease (which one is a promise)",
    ANCESTRY_RESEARCH: "population origins or ancestry research",
}
_PROMISES = {
    "DUO:0000012": "only for the research type that the owner named",
    "DUO:0000015": "no development of methods",
    "DUO:0000016": "genetic studies only",
    "DUO:0000018": "not-for-profit organisations and non-commercial use only",
    "DUO:0000019": "results must be published",
    "DUO:0000020": "collaboration with the owner is required",
    "DUO:0000021": "ethics approval is required",
    "DUO:0000022": "only in the regions that the owner named",
    "DUO:0000024": "no publication before the date that the owner named",
    "DUO:0000025": "only for the time that the owner named",
    "DUO:0000026": "only by the users that the owner named",
    "DUO:0000027": "only for the project that the owner named",
    "DUO:0000028": "only at the institutions that the owner named",
    "DUO:0000029": "results return to the owner",
    "DUO:0000043": "clinical care use",
    "DUO:0000045": "not-for-profit organisations only",
    "DUO:0000046": "non-commercial use only",
}
TERMS: Mapping[str, DuoTerm] = MappingProxyType(
    {curie: DuoTerm(curie, label, "permission", "enforced") for curie, label in _PERMISSIONS.items()}
    | {curie: DuoTerm(curie, label, "modifier", "promise") for curie, label in _PROMISES.items()}
    | {
        ANCESTRY_PROHIBITED: DuoTerm(
            ANCESTRY_PROHIBITED, "population origins or ancestry research prohibited", "modifier", "enforced"
        )
    }
)
BROADER: Mapping[str, str] = MappingProxyType(
    {
        GENERAL_RESEARCH: NO_RESTRICTION,
        HEALTH_RESEARCH: GENERAL_RESEARCH,
        ANCESTRY_RESEARCH: GENERAL_RESEARCH,
        DISEASE_RESEARCH: HEALTH_RESEARCH,
    }
)
"""Each permission's next broader one; `DUO:0000004` is the root."""


def find_term(curie: str) -> DuoTerm | None:
    """Return the term that `curie` names, or None when the platform doesn't know it."""
    return TERMS.get(curie)


def is_permission(curie: str) -> bool:
    """Tell whether `curie` is a permission: the only kind of term that can be a job's purpose."""
    term = find_term(curie)
    return term is not None and term.kind == "permission"


def is_within(purpose: str, allowed: str) -> bool:
    """Tell whether `purpose` is `allowed` itself or narrower, following the ontology's is-a links."""
    step: str | None = purpose if is_permission(purpose) else None
    while step is not None:
        if step == allowed:
            return True
        step = BROADER.get(step)
    return False


def can_serve(purpose: str, terms: Iterable[str]) -> bool:
    """Tell whether a dataset under `terms` may be used for `purpose`: default no, and a prohibition wins."""
    listed = tuple(terms)
    if ANCESTRY_PROHIBITED in listed and is_within(purpose, ANCESTRY_RESEARCH):
        return False
    return any(is_within(purpose, term) for term in listed)
