"""The policy document of version 2, under the Five Safes (Desai, Ritchie and Welpton 2016): one heading for each question.

Projects: what for. People: who. Data: whose privacy, and how it is protected. Settings: where and how it runs. Outputs: what
may leave. The JSON Schema of the published page is made from these models.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from policies.documents import Path, StrictModel
from policies.people import MAX_CREDENTIALS, MAX_LIST_ITEMS, AllowListed, AnyConsumers, CredentialDemand
from policies.policy import ImageDigest, LimitsPolicy, OutputsPolicy, Policy, Witnesses
from policies.privacy import PrivacyPolicy, ReviewPolicy
from policies.terms import TermOrCurie

MAX_TERMS = 64


class ProjectsPart(StrictModel):
    """What the data may be used for."""

    purposes: Annotated[
        tuple[TermOrCurie, ...],
        Field(
            strict=False,
            min_length=1,
            max_length=MAX_TERMS,
            description="Data Use Ontology terms, at least one of them a permission.",
        ),
    ]


class PeoplePart(StrictModel):
    """Who may use the data."""

    consumers: Annotated[
        AnyConsumers,
        Field(description="anyone, a list of addresses (an empty one allows nobody), or an allow-list."),
    ]
    credentials: Annotated[
        tuple[CredentialDemand, ...],
        Field(
            strict=False, max_length=MAX_CREDENTIALS, description="What each consumer has to show; all of it."
        ),
    ] = ()


class DataPart(StrictModel):
    """What is done for the people in the data."""

    privacy: Annotated[
        PrivacyPolicy, Field(description="The mode, the unit of privacy, and its budgets or tests.")
    ]


class SettingsPart(StrictModel):
    """Where and how a job runs."""

    runtime: Annotated[
        Literal["any", "gvisor"], Field(description="gvisor: without gVisor on the engine nothing runs.")
    ] = "any"
    images: Annotated[
        Annotated[tuple[ImageDigest, ...], Field(strict=False, max_length=MAX_LIST_ITEMS)] | None,
        Field(description="Images that may run, by digest; absent: any that the owner approves."),
    ] = None
    limits: Annotated[LimitsPolicy, Field(description="The most that one job may use.")] = LimitsPolicy()
    approvals: Annotated[
        tuple[Literal["owner"], ...],
        Field(
            strict=False, min_length=1, max_length=1, description="Who approves each algorithm by its digest."
        ),
    ] = ("owner",)
    logs: Annotated[
        Literal["owner", "nobody", "consumer"], Field(description="Who reads what an algorithm prints.")
    ] = "owner"
    witnesses: Annotated[
        Witnesses, Field(description="Witnesses who must have cosigned the log before anything leaves.")
    ] = ()


class OutputsPart(OutputsPolicy):
    """What may leave, and who looks at it first."""

    review: Annotated[
        ReviewPolicy | None, Field(description="People who look at a release before it leaves.")
    ] = None


class FiveSafesDocument(StrictModel):
    """A policy of Sealroom, version 2."""

    version: Literal[2]
    projects: ProjectsPart
    people: PeoplePart
    data: DataPart
    settings: SettingsPart = SettingsPart()
    outputs: OutputsPart

    def to_policy(self, digest: str) -> Policy:
        """Return the rules, with the digest of the document."""
        settings, outputs, consumers = self.settings, self.outputs, self.people.consumers
        listed = isinstance(consumers, AllowListed)
        parts = {
            "purposes": self.projects.purposes,
            "consumers": "anyone" if listed else consumers,
            "allow_lists": (consumers.allow_list.root,) if isinstance(consumers, AllowListed) else (),
            "credentials": self.people.credentials,
            "outputs": OutputsPolicy(**{name: getattr(outputs, name) for name in OutputsPolicy.model_fields}),
            "privacy": self.data.privacy,
            "reviews": () if outputs.review is None else (outputs.review,),
        }
        parts |= {name: getattr(settings, name) for name in SettingsPart.model_fields}
        return Policy.model_validate(parts, context=digest)

    @staticmethod
    def place_of(path: Path) -> Path:
        """Return where in the document a part of the policy stands."""
        heading = {
            "purposes": "projects",
            "consumers": "people",
            "credentials": "people",
            "privacy": "data",
            "review": "outputs",
        }
        return (heading.get(str(path[0]), "settings"), *path)
