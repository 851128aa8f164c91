"""The terms of use that a policy names, each with its parameters, and which purpose falls under them.

A disease is compared by its exact MONDO term: the ontology is not walked, so that a subtype has to be named itself. Every
other parameter says what the scientist promises; a term is enforced beside that where it asks for a credential.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from policies.documents import StrictModel
from policies.people import Slug
from policies.purposes import (
    ANCESTRY_PROHIBITED,
    ANCESTRY_RESEARCH,
    DISEASE_PATTERN,
    PARAMETERS,
    TERMS,
    DuoTerm,
    Force,
    Purpose,
    find_purpose,
    find_term,
    is_narrower,
)

MAX_NAMES = 200
MAX_MONTHS = 1200
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _check_curie(value: str) -> str:
    if find_term(value) is None:
        raise ValueError("expected a Data Use Ontology term such as DUO:0000042, in this exact form")
    return value


def _check_date(value: str) -> str:
    try:
        found = date.fromisoformat(value) if _DATE.fullmatch(value) else None
    except ValueError:
        found = None
    if found is None:
        raise ValueError("expected a date such as 2027-01-01")
    return value


def _read_region(value: object) -> object:
    if value is False:  # YAML 1.1 reads Norway's code as the word no
        raise ValueError('expected a country; write Norway as "NO", in quotes')
    return value


def _read_term(value: object) -> object:
    return {"term": value} if isinstance(value, str) else value


def _check_distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("a value stands twice")
    return values


Curie = Annotated[
    str,
    AfterValidator(_check_curie),
    Field(json_schema_extra={"enum": sorted(TERMS)}),
]
Disease = Annotated[str, Field(pattern=rf"^{DISEASE_PATTERN}$")]
_Country = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
Region = Annotated[_Country, BeforeValidator(_read_region, json_schema_input_type=_Country)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Names = Annotated[
    tuple[Name, ...], Field(strict=False, min_length=1, max_length=MAX_NAMES), AfterValidator(_check_distinct)
]
Diseases = Annotated[
    tuple[Disease, ...],
    Field(strict=False, min_length=1, max_length=MAX_NAMES),
    AfterValidator(_check_distinct),
]
Regions = Annotated[
    tuple[Region, ...],
    Field(strict=False, min_length=1, max_length=MAX_NAMES),
    AfterValidator(_check_distinct),
]
Date = Annotated[
    str,
    AfterValidator(_check_date),
    Field(json_schema_extra={"format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}),
]
Months = Annotated[int, Field(ge=1, le=MAX_MONTHS)]


def _say_which_takes_which(schema: dict[str, Any]) -> None:
    """Tell editors to which term each parameter belongs."""
    schema["allOf"] = [
        {"if": {"required": [name]}, "then": {"properties": {"term": {"const": curie}}}}
        for curie, name in PARAMETERS.items()
    ]


class Term(StrictModel):
    """One term of use; which parameter it takes follows from the term, and none has to be given.

    `credential` is the claim that the consumer has to show a credential for, one of those under `people.credentials`.
    """

    model_config = ConfigDict(json_schema_extra=_say_which_takes_which)

    term: Annotated[Curie, Field(description="A term of the GA4GH Data Use Ontology.")]
    diseases: Annotated[
        Diseases | None, Field(description="For DUO:0000007: MONDO terms, compared exactly.")
    ] = None
    topics: Annotated[Names | None, Field(description="For DUO:0000012: the research it is for.")] = None
    regions: Annotated[Regions | None, Field(description="For DUO:0000022: ISO 3166 codes.")] = None
    until: Annotated[Date | None, Field(description="For DUO:0000024: no publication before it.")] = None
    months: Annotated[Months | None, Field(description="For DUO:0000025: how long it may be used.")] = None
    users: Annotated[Names | None, Field(description="For DUO:0000026: who may use it.")] = None
    projects: Annotated[Names | None, Field(description="For DUO:0000027: what it may be used in.")] = None
    institutions: Annotated[Names | None, Field(description="For DUO:0000028: where it may be used.")] = None
    credential: Annotated[
        Slug | None,
        Field(description="The claim under people.credentials that shows it; without, a promise."),
    ] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        own = PARAMETERS.get(self.term)
        for name in set(PARAMETERS.values()):
            if getattr(self, name) is not None and name != own:
                takes = f"it takes {own}" if own else "it takes none"
                raise ValueError(f"{name} is no parameter of {self.term}: {takes}")
        if self.credential is not None and self.duo.kind == "permission":
            raise ValueError(f"{self.term} is a permission; a credential belongs to a modifier")
        return self

    @property
    def duo(self) -> DuoTerm:
        """What the ontology says of the term."""
        return TERMS[self.term]

    @property
    def text(self) -> str:
        """The term as a purpose names it, with its diseases in brackets."""
        return f"{self.term}[{', '.join(self.diseases)}]" if self.diseases else self.term

    @property
    def force(self) -> Force:
        """Whether the engine evaluates the term, or the scientist's signature is all that there is."""
        return "enforced" if self.credential is not None else self.duo.force

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """The broadest purposes that the term names; none for a modifier."""
        if self.duo.kind == "modifier":
            return ()
        return tuple(Purpose(self.term, disease) for disease in self.diseases or (None,))


TermOrCurie = Annotated[
    Term,
    BeforeValidator(_read_term, json_schema_input_type=Curie | Term),
]
"""A term, or its CURIE alone."""


def is_within(purpose: Purpose, term: Term) -> bool:
    """Tell whether a purpose falls under a permission: the same term or a narrower one, and one of its diseases, if it names any."""
    if not is_narrower(purpose.curie, term.term):
        return False
    return term.diseases is None or purpose.disease in term.diseases


def can_serve(purpose: str, terms: Iterable[Term]) -> bool:
    """Tell whether a dataset under `terms` may be used for a signed purpose: default no, and a prohibition wins."""
    found, listed = find_purpose(purpose), tuple(terms)
    if found is None:
        return False
    prohibited = any(term.term == ANCESTRY_PROHIBITED for term in listed)
    if prohibited and is_narrower(found.curie, ANCESTRY_RESEARCH):
        return False
    return any(is_within(found, term) for term in listed)
