"""The policy document: who may use a dataset and what for, what may run, with which limits, and what may leave.

Says what a policy is and refuses every document that can't be enforced as written; decides nothing (see `decide`).
An absent output is not allowed to leave, and an empty list allows nobody and nothing: it never means "all".
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from policies.canonical import digest_of
from policies.documents import StrictModel, parse_document
from policies.privacy import PrivacyPolicy, ReviewPolicy
from policies.purposes import find_term, is_permission
from policies.witnesses import MAX_WITNESSES, parse_demand

KIB, MIB, GIB = 2**10, 2**20, 2**30
BITS_PER_BYTE = 8
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
MAX_LIST_ITEMS = 1000
_SIZE = re.compile(r"([0-9]{1,15})\s?(B|KiB|MiB|GiB|kB|MB|GB)")
_UNITS = {"B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
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


def _check_curie(value: str) -> str:
    if find_term(value) is None:
        raise ValueError("expected a Data Use Ontology term such as DUO:0000042, in this exact form")
    return value


def _check_address(value: object, index: int) -> str:
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise ValueError(f"item {index}: expected an address, 0x and 40 hex digits")
    return value.lower()


def _check_digest(value: str) -> str:
    if not _DIGEST.fullmatch(value):
        raise ValueError(
            "expected an image digest, sha256:<64 lower-case hex digits>; a tag can change under you"
        )
    return value


def _read_consumers(value: object) -> object:
    if value == "anyone":
        return value
    if not isinstance(value, (list, tuple)) or len(value) > MAX_LIST_ITEMS:
        raise ValueError(
            f"expected the word anyone, or a list of at most {MAX_LIST_ITEMS} addresses (an empty list allows nobody)"
        )
    return tuple(_check_address(item, index) for index, item in enumerate(value))


def _read_witnesses(value: object) -> object:
    if isinstance(value, dict):
        return (value,)
    if not isinstance(value, tuple):
        raise ValueError("expected a threshold and the keys of witnesses")  # noqa: TRY004 - pydantic catches this one
    return value


Size = Annotated[int, BeforeValidator(parse_size)]
Cpus = Annotated[str, BeforeValidator(_check_cpus)]
Curie = Annotated[str, AfterValidator(_check_curie)]
ImageDigest = Annotated[str, AfterValidator(_check_digest)]
Consumers = Annotated[Literal["anyone"] | tuple[str, ...], BeforeValidator(_read_consumers)]
"""`anyone`, or lower-case addresses."""


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


Witnesses = Annotated[tuple[WitnessDemand, ...], BeforeValidator(_read_witnesses)]
"""One demand in a document; those of several policies together have each."""


class Policy(StrictModel):
    """One dataset's rules."""

    version: Literal[1]
    purposes: Annotated[tuple[Curie, ...], Field(strict=False, min_length=1, max_length=64)]
    consumers: Consumers
    runtime: Literal["any", "gvisor"] = "any"
    limits: LimitsPolicy = LimitsPolicy()
    outputs: OutputsPolicy
    approvals: Annotated[tuple[Literal["owner"], ...], Field(strict=False, min_length=1, max_length=1)] = (
        "owner",
    )
    images: Annotated[tuple[ImageDigest, ...], Field(strict=False, max_length=MAX_LIST_ITEMS)] | None = None
    logs: Literal["owner", "nobody", "consumer"] = "owner"
    privacy: PrivacyPolicy = PrivacyPolicy()
    review: ReviewPolicy | None = None
    witnesses: Witnesses = ()

    _digest: str = PrivateAttr("")

    def model_post_init(self, context: Any) -> None:  # noqa: ANN401 - pydantic's signature
        """Keep the digest of the bytes that this policy was read from, when it was read from bytes."""
        self._digest = context if isinstance(context, str) else ""

    @property
    def digest(self) -> str:
        """Digest of the document's raw bytes; empty for a policy that was not parsed from a document."""
        return self._digest

    @property
    def log_information_bits(self) -> int:
        """How much the consumer can learn from the log, at most: nothing unless `logs` opens it."""
        return self.limits.log_bytes * BITS_PER_BYTE if self.logs == "consumer" else 0

    @model_validator(mode="after")
    def _check_log_fits(self) -> Policy:
        cap = self.outputs.max_information_bits
        if cap is not None and self.log_information_bits > cap:
            raise ValueError(
                f"logs: consumer opens a log of up to {self.log_information_bits} bits, and "
                f"outputs.max_information_bits allows {cap}: lower limits.log_bytes or raise the cap"
            )
        return self

    @model_validator(mode="after")
    def _check_permission(self) -> Policy:
        if not any(is_permission(curie) for curie in self.purposes):
            raise ValueError(
                "purposes: expected at least one permission such as DUO:0000042; modifiers alone allow nothing"
            )
        return self


def parse_policy(data: bytes) -> Policy:
    """Parse a policy document; its digest is over exactly these bytes.

    Raises:
        DocumentError: not strict YAML, an unknown key, or a value out of range, with the path to it.
    """
    return parse_document(data, Policy, document="policy", context=digest_of(data))
