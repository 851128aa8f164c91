"""Reads job.yaml: what a scientist wants run, on what, for which purpose, at which price at most."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from cli.amounts import check_amount
from cli.errors import InputError
from cli.home import read_file
from policies.canonical import canonical_json, digest_text, sha256
from policies.documents import MAX_DOCUMENT_BYTES, StrictModel, parse_document
from policies.errors import DocumentError
from provider.wire import Datasets, Hex32, Purpose

DEFAULT_LIFETIME_S = 86400


class JobFile(StrictModel):
    """job.yaml: `dataset`, or `datasets` for several. `algorithm` is a digest or a folder beside the file.

    `max_price` is what the job may cost in all, in tokens, as text; where datasets are sold for different tokens, in each.
    `with_datatoken` pays with a datatoken of each dataset that its sender holds, in place of money.
    """

    dataset: Hex32 | None = None
    datasets: Datasets | None = None
    algorithm: Annotated[str, Field(min_length=1, max_length=1024)]
    image: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    purpose: Purpose
    max_price: str
    with_datatoken: bool = False
    expires_in_s: Annotated[int, Field(ge=60, le=30 * 86400)] = DEFAULT_LIFETIME_S
    deadline_s: Annotated[int, Field(ge=60, lt=2**32)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.dataset is None) == (self.datasets is None):
            raise ValueError("expected either dataset, or datasets with a list")
        try:
            check_amount(self.max_price)
            canonical_json(self.parameters)
        except (InputError, DocumentError) as exc:
            raise ValueError(str(exc)) from exc
        return self

    @property
    def asset_ids(self) -> list[str]:
        """The datasets, in the order in which the algorithm finds them."""
        return self.datasets or [self.dataset or ""]

    @property
    def parameters_digest(self) -> str:
        """Digest of the canonical parameters, as the request signs it."""
        return digest_text(sha256(canonical_json(self.parameters)))


def load_job_file(path: Path) -> JobFile:
    """Read job.yaml.

    Raises:
        InputError: it can't be read.
        DocumentError: it is not what it should be, with the place.
    """
    data = read_file(path, what="job file", max_bytes=MAX_DOCUMENT_BYTES)
    return parse_document(data, JobFile, document=path.name)
