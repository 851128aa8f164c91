"""What the rules judge: facts that the caller has read and verified. Nothing here is computed or believed of a client."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from policies.mechanisms import PrivacyCost


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The signed request. `consumer` is the signer recovered for this chain; `expiry` is in Unix seconds.

    `datasets` is on how many datasets the job runs.
    """

    consumer: str
    purpose: str
    algorithm: str
    provider: str
    expiry: int
    datasets: int = 1


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """A credential whose issuer's signature was verified: `issuer` says that `claim` holds of `subject` until `expires`."""

    issuer: str
    subject: str
    claim: str
    expires: int


@dataclass(frozen=True, slots=True)
class PeopleFacts:
    """What is known of the consumer: the roots of the allow-lists that have the account, and the credentials shown.

    A list that can't be read has nobody on it.
    """

    lists: frozenset[str] = frozenset()
    credentials: tuple[CredentialFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class AlgorithmFacts:
    """What a verified bundle declares; `provider.gate.declaration.algorithm_facts` computes it.

    `weights_bytes` is the exact size of the file that would be released, None when no weights are declared; `gpus` is how
    many graphics processors the algorithm asks for; `kind` says whether it is code or a recipe of ours, `scored_target`
    which column a scorer tells of rows from the weights, None where there is no scorer.
    """

    image: str
    weights_bytes: int | None
    metrics_count: int
    metrics_digits: int
    information_bits: int
    gpus: int = 0
    kind: Literal["code", "recipe"] = "code"
    scored_target: str | None = None


@dataclass(frozen=True, slots=True)
class PrivacyFacts:
    """What a job would do to privacy; None where that can't be told, and `problem` says why a cost can't be.

    `cost` is of the recipe on this dataset, None for code and for a recipe without privacy. `units` is the number of units
    that is public: the policy's count of them, or the description's of rows. `after` and `consumer_after` are what its ledger
    and the consumer's would stand at with this job, in epsilon at the policy's delta, everything reserved counted.
    `fits_schema` says that the recipe's columns and bounds are those of the dataset's schema.
    """

    cost: PrivacyCost | None = None
    units: int | None = None
    after: Decimal | None = None
    consumer_after: Decimal | None = None
    fits_schema: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalFacts:
    """The owner's approval of the algorithm's digest, as the chain has it; Unix seconds."""

    approved_at: int
    expires_at: int
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class AssetFacts:
    """The dataset as the registry has it; `policy_digest` in edge form."""

    asset_id: str
    owner: str
    provider: str
    policy_digest: str
    retired: bool


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    """Where and when: Unix seconds, this provider's address, the engine's runtimes, whether the image is there."""

    now: int
    provider: str
    runtimes: frozenset[str]
    image_present: bool
