"""The GA4GH Data Use Ontology terms that a policy may name, and the purposes that a scientist may sign.

A purpose is a CURIE (`DUO:0000042`), never a shorthand: those changed between versions. Research on one disease may name it:
`DUO:0000007[MONDO:0007254]`, in exactly this form. What the platform compares is the purpose that the scientist signs; that
the work then keeps to it is a promise, and so is every term marked so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

Kind = Literal["permission", "modifier"]
Force = Literal["enforced", "promise"]
CURIE_PATTERN = r"DUO:[0-9]{7}"
DISEASE_PATTERN = r"MONDO:[0-9]{7}"
PURPOSE_PATTERN = rf"{CURIE_PATTERN}|DUO:0000007\[{DISEASE_PATTERN}\]"
"""The one form of a signed purpose, wherever it comes in: a request, a job file, a request for approval."""
_PURPOSE = re.compile(rf"({CURIE_PATTERN})(?:\[({DISEASE_PATTERN})\])?")


@dataclass(frozen=True, slots=True)
class DuoTerm:
    """One term: its CURIE, what it says, and whether the platform checks it or the scientist only signs it.

    `parameter` is the key that says more of it in a policy, empty when it has none.
    """

    curie: str
    label: str
    kind: Kind
    force: Force
    parameter: str = ""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a scientist signs: a term, and the disease (a MONDO CURIE) where the term is research on one disease."""

    curie: str
    disease: str | None = None

    @property
    def text(self) -> str:
        """The purpose as it is signed."""
        return f"{self.curie}[{self.disease}]" if self.disease else self.curie


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
    DISEASE_RESEARCH: "research on one disease",
    ANCESTRY_RESEARCH: "population origins or ancestry research",
}
_PROMISES = {
    "DUO:0000012": "only for the type of research that the owner names",
    "DUO:0000015": "no development of methods",
    "DUO:0000016": "genetic studies only",
    "DUO:0000018": "not-for-profit organisations and non-commercial use only",
    "DUO:0000019": "results must be published",
    "DUO:0000020": "collaboration with the owner is required",
    "DUO:0000021": "ethics approval is required",
    "DUO:0000022": "only in the regions that the owner names",
    "DUO:0000024": "no publication before the date that the owner names",
    "DUO:0000025": "only for as many months as the owner names",
    "DUO:0000026": "only by the users that the owner names",
    "DUO:0000027": "only for the project that the owner names",
    "DUO:0000028": "only at the institutions that the owner names",
    "DUO:0000029": "results return to the owner",
    "DUO:0000043": "clinical care use",
    "DUO:0000045": "not-for-profit organisations only",
    "DUO:0000046": "non-commercial use only",
}
PARAMETERS: Mapping[str, str] = MappingProxyType(
    {
        DISEASE_RESEARCH: "diseases",
        "DUO:0000012": "topics",
        "DUO:0000022": "regions",
        "DUO:0000024": "until",
        "DUO:0000025": "months",
        "DUO:0000026": "users",
        "DUO:0000027": "projects",
        "DUO:0000028": "institutions",
    }
)
"""The terms that take a parameter, and its key in a policy."""


def _describe(labels: Mapping[str, str], kind: Kind, force: Force) -> dict[str, DuoTerm]:
    return {
        curie: DuoTerm(curie, label, kind, force, PARAMETERS.get(curie, ""))
        for curie, label in labels.items()
    }


TERMS: Mapping[str, DuoTerm] = MappingProxyType(
    _describe(_PERMISSIONS, "permission", "enforced")
    | _describe(_PROMISES, "modifier", "promise")
    | _describe(
        {ANCESTRY_PROHIBITED: "population origins or ancestry research prohibited"}, "modifier", "enforced"
    )
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


@lru_cache(maxsize=256)
def find_purpose(text: str) -> Purpose | None:
    """Return the purpose that `text` is; None when it is none: a modifier, an unknown term, or another form."""
    match = _PURPOSE.fullmatch(text)
    if match is None or not is_permission(match[1]) or (match[2] and match[1] != DISEASE_RESEARCH):
        return None
    return Purpose(match[1], match[2])


def is_narrower(curie: str, allowed: str) -> bool:
    """Tell whether the permission `curie` is `allowed` itself or narrower, following the ontology's is-a links."""
    step: str | None = curie if is_permission(curie) else None
    while step is not None:
        if step == allowed:
            return True
        step = BROADER.get(step)
    return False


def describe_purpose(text: str) -> str:
    """Return a signed purpose in words; a receipt may name one that this software doesn't know."""
    purpose = find_purpose(text)
    term = TERMS[purpose.curie] if purpose else find_term(text)
    if term is None:
        return "a term that this software does not know"
    return f"{term.label}, {purpose.disease}" if purpose and purpose.disease else term.label
