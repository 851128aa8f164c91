"""One dataset's rules as everything uses them, whatever document they were read from (see `model`); decides nothing.

An absent output is not allowed to leave, and an empty list allows nobody and nothing: it never means "all".
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from policies.documents import StrictModel
from policies.egress import BITS_PER_BYTE
from policies.errors import ContradictionError
from policies.people import Consumers, CredentialDemand
from policies.privacy import PRIVACY_TESTS, PrivacyPolicy, ReviewPolicy
from policies.terms import Term
from policies.witnesses import MAX_WITNESSES, parse_demand

KIB, MIB, GIB = 2**10, 2**20, 2**30
MAX_TIME_S = 7 * 24 * 3600
MAX_MEMORY_BYTES = 1024 * GIB
MIN_MEMORY_BYTES = 64 * MIB
MAX_SCRATCH_BYTES = 1024 * GIB
MAX_OUTPUT_BYTES = 64 * GIB
MAX_OUTPUT_FILES = 1000
MAX_LOG_BYTES = 64 * MIB
MIN_PIDS = 4
MAX_PIDS = 32768
MIN_CPUS = Decimal("0.01")
MAX_CPUS = 256
MAX_GPUS = 16
MAX_METRICS = 1000
MAX_MANTISSA_BITS = 52
MAX_METRIC_DIGITS = 9
_SIZE = re.compile(r"([0-9]{1,15})\s?(B|KiB|MiB|GiB|kB|MB|GB)")
_UNITS = {"B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CPUS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?")


def parse_size(value: object) -> object:
    """Turn `"512MiB"` into bytes; anything that is not text passes unchanged, for the integer check that follows.

    Raises:
        ValueError: text that is not a number and one of the units B, KiB, MiB, GiB, kB, MB, GB.
    """
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError("expected bytes as a whole number, or text such as 512MiB or 2GiB")
    return int(match[1]) * _UNITS[match[2]]


def _check_cpus(value: object) -> object:
    text = str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _CPUS.fullmatch(text):
        raise ValueError('expected a number of processors such as "1" or "1.5"')
    cpus = Decimal(text)
    if not MIN_CPUS <= cpus <= MAX_CPUS:
        raise ValueError(f"expected {MIN_CPUS} to {MAX_CPUS} processors")
    return format(cpus.normalize(), "f")


def _check_digest(value: str) -> str:
    if not _DIGEST.fullmatch(value):
        raise ValueError(
            "expected an image digest, sha256:<64 lower-case hex digits>; a tag can change under you"
        )
    return value


def _read_witnesses(value: object) -> object:
    if isinstance(value, dict):
        return (value,)
    if not isinstance(value, tuple):
        raise ValueError("expected a threshold and the keys of witnesses")  # noqa: TRY004 - pydantic catches this one
    return value


_SizeText = Annotated[str, Field(pattern=f"^{_SIZE.pattern}$")]
_CpusNumber = Annotated[float, Field(ge=float(MIN_CPUS), le=float(MAX_CPUS))]
_CpusText = Annotated[str, Field(pattern=f"^{_CPUS.pattern}$")]
Size = Annotated[int, BeforeValidator(parse_size, json_schema_input_type=int | _SizeText)]
Cpus = Annotated[str, BeforeValidator(_check_cpus, json_schema_input_type=_CpusNumber | _CpusText)]
ImageDigest = Annotated[
    str, AfterValidator(_check_digest), Field(json_schema_extra={"pattern": f"^{_DIGEST.pattern}$"})
]


class LimitsPolicy(StrictModel):
    """The most that one job may use; sizes in bytes, or text such as `512MiB`."""

    time_s: Annotated[int, Field(ge=1, le=MAX_TIME_S)] = 600
    memory_bytes: Annotated[Size, Field(ge=MIN_MEMORY_BYTES, le=MAX_MEMORY_BYTES)] = 2 * GIB
    cpus: Cpus = "1"
    pids: Annotated[int, Field(ge=MIN_PIDS, le=MAX_PIDS)] = 128
    scratch_bytes: Annotated[Size, Field(ge=MIB, le=MAX_SCRATCH_BYTES)] = 256 * MIB
    output_bytes: Annotated[Size, Field(ge=KIB, le=MAX_OUTPUT_BYTES)] = 64 * MIB
    output_files: Annotated[int, Field(ge=1, le=MAX_OUTPUT_FILES)] = 16
    log_bytes: Annotated[Size, Field(ge=KIB, le=MAX_LOG_BYTES)] = MIB
    gpus: Annotated[int, Field(ge=0, le=MAX_GPUS)] = 0


class WeightsAllowance(StrictModel):
    """Weights may leave, as safetensors, up to `max_bytes` with their header; floats rounded to `mantissa_bits` of fraction.

    Without `mantissa_bits` nothing is rounded.
    """

    max_bytes: Annotated[Size, Field(ge=1, le=MAX_OUTPUT_BYTES)]
    mantissa_bits: Annotated[int, Field(ge=0, le=MAX_MANTISSA_BITS)] | None = None


class MetricsAllowance(StrictModel):
    """Declared numbers may leave: at most `max_count`, each rounded to at most `max_digits` after the point."""

    max_count: Annotated[int, Field(ge=1, le=MAX_METRICS)]
    max_digits: Annotated[int, Field(ge=0, le=MAX_METRIC_DIGITS)]


class OutputsPolicy(StrictModel):
    """What may leave; whatever is absent may not."""

    weights: WeightsAllowance | None = None
    metrics: MetricsAllowance | None = None
    max_information_bits: Annotated[int, Field(ge=1, le=2**53 - 1)] | None = None


class WitnessDemand(StrictModel):
    """Nothing leaves before `threshold` of the witnesses with these keys have cosigned the checkpoint of the receipt's proof."""

    threshold: Annotated[int, Field(ge=1, le=MAX_WITNESSES)]
    keys: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=MAX_WITNESSES)]

    @model_validator(mode="after")
    def _check_keys(self) -> WitnessDemand:
        parse_demand(self.threshold, self.keys)
        return self


Witnesses = Annotated[
    tuple[WitnessDemand, ...], BeforeValidator(_read_witnesses, json_schema_input_type=WitnessDemand)
]
"""One demand in a document; those of several policies together have each."""


class Policy(StrictModel):
    """One dataset's rules, or those that a job on several runs under.

    Each of `reviews` and `witnesses` is a demand of its own, and all of them have to be met: a document makes one at most.
    A consumer must be among `consumers` and on every one of `allow_lists` (Merkle roots, 64 hex digits), and show what
    `credentials` demand.
    """

    purposes: tuple[Term, ...]
    consumers: Consumers
    allow_lists: tuple[str, ...] = ()
    credentials: tuple[CredentialDemand, ...] = ()
    runtime: Literal["any", "gvisor"] = "any"
    limits: LimitsPolicy = LimitsPolicy()
    outputs: OutputsPolicy
    approvals: tuple[Literal["owner"], ...] = ("owner",)
    images: tuple[str, ...] | None = None
    logs: Literal["owner", "nobody", "consumer"] = "owner"
    privacy: PrivacyPolicy = PrivacyPolicy()
    reviews: tuple[ReviewPolicy, ...] = ()
    witnesses: tuple[WitnessDemand, ...] = ()

    _digest: str = PrivateAttr("")

    def model_post_init(self, context: Any) -> None:  # noqa: ANN401 - pydantic's signature
        """Keep the digest of the bytes that this policy was read from, when it was read from bytes."""
        self._digest = context if isinstance(context, str) else ""

    @property
    def digest(self) -> str:
        """Digest of the document's raw bytes; empty for a policy that was not parsed from a document."""
        return self._digest

    @property
    def is_open(self) -> bool:
        """Whether any account at all may be a consumer, credentials apart."""
        return self.consumers == "anyone" and not self.allow_lists

    @property
    def review(self) -> ReviewPolicy | None:
        """The one review that a document demands; what several demand together stands in `reviews`."""
        return self.reviews[0] if self.reviews else None

    @property
    def log_information_bits(self) -> int:
        """How much the consumer can learn from the log, at most: nothing unless `logs` opens it."""
        return self.limits.log_bytes * BITS_PER_BYTE if self.logs == "consumer" else 0

    @property
    def side_information_bits(self) -> int:
        """How much the consumer of a release can learn besides its files, at most: from the log, or which tests people overruled."""
        told = len(PRIVACY_TESTS) if self.reviews and self.privacy.tests is not None else 0
        return self.log_information_bits + told


def check_policy(policy: Policy) -> None:
    """Check that a policy's parts don't contradict one another.

    Raises:
        ContradictionError: they do; its path begins with a part of `Policy`.
    """
    if not any(term.duo.kind == "permission" for term in policy.purposes):
        raise ContradictionError(
            ("purposes",),
            "expected at least one permission such as DUO:0000042; modifiers alone allow nothing",
        )
    claims = {demand.claim for demand in policy.credentials}
    for index, term in enumerate(policy.purposes):
        if term.credential is not None and term.credential not in claims:
            raise ContradictionError(
                ("purposes", index, "credential"), f"people.credentials doesn't demand {term.credential}"
            )
    if policy.privacy.tests is None and any(review.when == "not-passed" for review in policy.reviews):
        raise ContradictionError(
            ("review", "when"),
            "not-passed needs the privacy tests of the mode measured; without them nobody is asked: say always",
        )
    if policy.logs == "consumer" and (policy.reviews or policy.privacy.mode != "none"):
        raise ContradictionError(
            ("logs",),
            "consumer opens a log that no test and no reviewer sees: it belongs to the mode none without a review",
        )
    if policy.privacy.mode == "differential" and policy.images is None:
        raise ContradictionError(
            ("images",),
            "the mode differential needs a list: our trainer runs on what stands in the image, so one made by a stranger "
            "could leave the noise out",
        )
    cap = policy.outputs.max_information_bits
    if cap is not None and policy.log_information_bits > cap:
        raise ContradictionError(
            ("logs",),
            f"consumer opens a log of up to {policy.log_information_bits} bits, and "
            f"outputs.max_information_bits allows {cap}: lower limits.log_bytes or raise the cap",
        )
