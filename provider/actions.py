"""Takes signed actions: checks once, for all of them, that the signature is for this provider and chain, fresh and unused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from provider.auth import Guard
from provider.catalogue import Catalogue
from provider.errors import BadRequestError, StaleRequestError
from provider.identity import ProviderIdentity
from provider.jobs.desk import JobDesk
from provider.reviewdesk import ReviewDesk
from provider.signed import check_addressee, check_signer
from provider.stewardship import Stewardship
from provider.store import Database
from provider.wire import (
    AlgorithmUploadBody,
    ApprovalDeclineBody,
    ApprovalRequestBody,
    DatasetAllowBody,
    DatasetPolicyBody,
    DatasetPrepareBody,
    DatasetPublishBody,
    JobCancelBody,
    ReviewDecideBody,
    SignedAction,
    WireModel,
    recover_signer,
    signing_hash,
)

MAX_LIFETIME_S = 3600


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of action: what its body must be, and who carries it out.

    Where the handler keeps the signature for others to check, it is given the whole signed action, and takes what is enclosed.
    """

    body: type[WireModel]
    handler: Callable[..., WireModel]
    keeps_signature: bool = False


class ActionDesk:
    """The one way in for every signed change other than a job."""

    def __init__(
        self,
        identity: ProviderIdentity,
        database: Database,
        *,
        catalogue: Catalogue,
        stewardship: Stewardship,
        jobs: JobDesk,
        reviews: ReviewDesk,
    ) -> None:
        self._identity = identity
        self._access = database.access
        self._actions: dict[str, Action] = {
            "dataset.prepare": Action(DatasetPrepareBody, catalogue.prepare_dataset),
            "dataset.publish": Action(DatasetPublishBody, catalogue.publish_dataset),
            "dataset.policy": Action(DatasetPolicyBody, stewardship.keep_policy),
            "dataset.allow": Action(DatasetAllowBody, stewardship.keep_consumers),
            "algorithm.upload": Action(AlgorithmUploadBody, catalogue.upload_algorithm),
            "approval.request": Action(ApprovalRequestBody, catalogue.request_approval),
            "approval.decline": Action(ApprovalDeclineBody, catalogue.decline_approval),
            "job.cancel": Action(JobCancelBody, jobs.cancel),
            "review.decide": Action(ReviewDecideBody, reviews.decide, keeps_signature=True),
        }

    def take(self, guard: Guard, signed: SignedAction, *, now: int) -> WireModel:
        """Check a signed action and carry it out.

        Raises:
            BadSignatureError, StaleRequestError, BadRequestError: it can't be taken.
            DeniedError: its signer may not do this.
        """
        signer = self._check(signed, now)
        action = self._actions[signed.action]
        body = _parse_body(action.body, signed)
        if action.keeps_signature:
            return action.handler(guard, signer, body, now=now, signed=signed)
        if signed.enclosed:
            raise BadRequestError(f"{signed.action} takes nothing enclosed", code="enclosed")
        return action.handler(guard, signer, body, now=now)

    def _check(self, signed: SignedAction, now: int) -> str:
        check_addressee(
            self._identity, provider=signed.provider, chain_id=signed.chain_id, expiry=signed.expiry, now=now
        )
        if signed.expiry > now + MAX_LIFETIME_S:
            raise BadRequestError(
                f"a signed action may live {MAX_LIFETIME_S} s at most; this one lives longer"
            )
        message = signed.signable(self._identity.domain)
        signer = recover_signer(message, signed.signature)
        check_signer(signer, signed.signer)
        if not self._access.use_action(signing_hash(message).hex(), expires=signed.expiry, now=now):
            raise StaleRequestError(
                "this signed action was taken before", code="replayed", remedy="sign a new one"
            )
        return signer


def _parse_body(model: type[WireModel], signed: SignedAction) -> WireModel:
    try:
        return model.model_validate(signed.body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadRequestError(f"{signed.action}: {place}: {first['msg']}") from exc
