"""What a case of a policy's truth table may change of the job that the policy allows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from policies.documents import StrictModel
from policies.mechanisms import PositiveDecimal
from policies.people import AddressText, Slug
from policies.policy import ImageDigest, Size
from policies.privacy import ColumnName


class ShownCredential(StrictModel):
    """A credential that the consumer shows: by the first issuer that the policy trusts with the claim, if none is named."""

    claim: Slug
    issuer: AddressText | None = None
    expired: bool = False


Count = Annotated[int, Field(ge=0)]


class CaseFacts(StrictModel):
    """What differs from the baseline. `listed`: on every allow-list of the policy; `private`: a recipe with privacy.

    `target` is the column that the scorer tells.
    `epsilon` is what the job costs, `after` and `consumer_after` are what the ledgers would stand at with it.
    """

    consumer: AddressText | None = None
    listed: bool = True
    credentials: Annotated[tuple[ShownCredential, ...], Field(strict=False)] | None = None
    purpose: str | None = None
    datasets: Annotated[int, Field(ge=1)] = 1
    request_expired: bool = False
    approval: Literal["given", "none", "revoked", "expired"] = "given"
    retired: bool = False
    runtimes: Annotated[tuple[Literal["runc", "runsc"], ...], Field(strict=False)] = ("runc", "runsc")
    image: ImageDigest | None = None
    image_present: bool = True
    kind: Literal["code", "recipe"] | None = None
    weights: bool | None = None
    weights_bytes: Size | None = None
    metrics_count: Count | None = None
    metrics_digits: Count | None = None
    information_bits: Count | None = None
    scorer: bool = True
    target: ColumnName | None = None
    gpus: Count = 0
    private: bool | None = None
    units: Annotated[int, Field(ge=1)] | None = None
    epsilon: PositiveDecimal | None = None
    after: PositiveDecimal | None = None
    consumer_after: PositiveDecimal | None = None
    fits_schema: bool = True
