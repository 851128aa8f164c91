"""Where jobs come in and are looked at. Records what was signed; whether it may run is decided by the clerk alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from datatokens.model import OrderStatus
from policies.canonical import canonical_json, digest_of
from provider.auth import Access, Guard, Subject, may
from provider.blobs import BlobStore
from provider.catalogue import Catalogue
from provider.chain import Chain
from provider.errors import BadRequestError, ConflictError, DeniedError, NotFoundError, UnavailableError
from provider.identity import ProviderIdentity
from provider.jobs.codes import describe
from provider.jobs.states import State
from provider.jobs.views import JobViews
from provider.receipts.strictjson import JsonLimits, parse_json_strict
from provider.release import check_result_key
from provider.settings import Settings
from provider.signed import check_addressee, check_signer
from provider.store import Database
from provider.store.records import JobRecord, LogEntryRecord
from provider.wire import (
    JobCancelBody,
    JobSubmission,
    JobView,
    decode_base64,
    recover_signer,
)
from provider.witnessing import WitnessDesk
from sandbox.bundle import MAX_PARAMETERS_BYTES, MAX_PARAMETERS_DEPTH, check_parameters, parse_bundle

HOUR_S = 3600
PARAMETER_LIMITS = JsonLimits(MAX_PARAMETERS_BYTES, MAX_PARAMETERS_DEPTH, fractions=True)


class JobDesk:
    """Submitting, watching, cancelling and collecting jobs."""

    def __init__(
        self,
        identity: ProviderIdentity,
        database: Database,
        blobs: BlobStore,
        catalogue: Catalogue,
        load_settings: Callable[[], Settings],
        *,
        chain: Chain,
        witnesses: WitnessDesk,
    ) -> None:
        self._identity = identity
        self._chain = chain
        self._database = database
        self._jobs = database.jobs
        self._blobs = blobs
        self._catalogue = catalogue
        self._load_settings = load_settings
        self._witnesses = witnesses
        self._views = JobViews(database, witnesses)

    def submit(self, guard: Guard, submission: JobSubmission, *, now: int) -> JobView:
        """Record a signed request as a waiting job; the same request again is the same job.

        Raises:
            BadSignatureError, StaleRequestError, BadRequestError: it can't be taken.
            NotFoundError: this provider doesn't have the dataset or the algorithm.
            ConflictError: the request is somebody else's job.
        """
        request = submission.request
        domain = self._identity.domain
        signer = recover_signer(request.signable(domain), submission.signature)
        guard.check(Access.JOB_SUBMIT, caller=signer)
        known = self._jobs.find(request.job_id(domain))
        if known is not None:
            self._check_own(known, signer)
            return self._views.view(known, exact=False)
        check_addressee(
            self._identity,
            provider=request.provider,
            chain_id=submission.chain_id,
            expiry=request.expiry,
            now=now,
        )
        check_signer(signer, submission.signer)
        self._check_lifetime(request.expiry, now)
        self._blobs.check_space(self._load_settings().min_free_bytes)
        self._check_contents(submission)
        self._check_quota(signer, now)
        job = self._new_job(submission, signer, now)
        self._jobs.add(job)
        stored = self._jobs.get(job.job_id)
        self._check_own(stored, signer)
        return self._views.view(stored, exact=False)

    def get(self, guard: Guard, job_id: str) -> JobView:
        """Return a job to its consumer or an owner of its data."""
        job, subject = self._get_allowed(guard, job_id, Access.JOB_READ)
        return self._view_for(guard.caller, job, subject)

    def list_mine(self, guard: Guard) -> list[JobView]:
        """Return the caller's jobs and the jobs on the caller's datasets."""
        guard.check(Access.JOB_LIST)
        try:
            assets = self._catalogue.owned_by(guard.caller)
        except UnavailableError:
            assets = (
                frozenset()
            )  # who owns what is for the chain to say; one's own jobs are shown all the same
        jobs = self._jobs.list_by(consumer=guard.caller, assets=assets)
        return [self._view_for(guard.caller, job, _subject_of(job, guard.caller, assets)) for job in jobs]

    def cancel(self, guard: Guard, signer: str, body: JobCancelBody, *, now: int) -> JobView:
        """Ask for a job to be stopped; the clerk or the running worker does it.

        Raises:
            ConflictError: it has ended.
        """
        job, subject = self._get_allowed(guard, body.job_id, Access.JOB_CANCEL, caller=signer)
        if job.state.terminal:
            raise ConflictError(f"the job has ended: it is {job.state}", code="job-ended")
        self._jobs.request_cancel(job.job_id, signer, now)
        return self._view_for(signer, job, subject)

    def get_release(self, guard: Guard, job_id: str) -> bytes:
        """Return what the gate let out, encrypted to the consumer's result key, once it is paid and witnessed.

        Until all its orders are settled one may pass its deadline and be refunded, and nothing leaves unpaid.

        Raises:
            ConflictError: nothing was released, an order is not settled, or the witnesses demanded haven't cosigned.
        """
        job, _ = self._get_allowed(guard, job_id, Access.RELEASE_READ)
        if job.release is None:
            raise ConflictError(f"nothing was released: the job is {job.state}", code="nothing-released")
        self._check_settled(job)
        self._witnesses.check_witnessed(self._get_entry(job_id))
        return self._blobs.get(job.release)

    def get_log(self, guard: Guard, job_id: str) -> bytes:
        """Return what the algorithm printed: to the data's owner, and to the consumer where the policies open it.

        Of several datasets each owner reads it where the policies open it to the consumer, else who owns them all.

        Raises:
            NotFoundError: it is not for this reader, or none was kept.
            ConflictError: an order of the consumer is not settled, or it is not witnessed, and nothing leaves so.
        """
        job, subject = self._get_allowed(guard, job_id, Access.JOB_LOG_READ)
        if job.log_blob is None:
            raise NotFoundError("no log was kept for this job", code="no-log")
        if guard.caller.lower() not in {owner.lower() for owner in subject.sole_owners}:
            self._check_settled(job)
            self._witnesses.check_witnessed(self._get_entry(job_id))
        return self._blobs.get(job.log_blob)

    def get_receipt(self, guard: Guard, job_id: str) -> bytes:
        """Return the receipt of a job, JSON Lines of one DSSE envelope. Receipts hold no data and are public."""
        guard.check(Access.RECEIPT_READ)
        return self._get_entry(job_id).envelope + b"\n"

    def get_proof(self, guard: Guard, job_id: str) -> str:
        """Return the inclusion proof of a job's receipt, once its checkpoint is anchored."""
        guard.check(Access.RECEIPT_READ)
        proof = self._witnesses.find_proof(self._get_entry(job_id))
        if proof is None:
            raise NotFoundError(
                "the receipt is not anchored yet", code="not-anchored", remedy="wait a few seconds"
            )
        return proof

    @staticmethod
    def _check_own(job: JobRecord, signer: str) -> None:
        """Refuse a copy of somebody's request under another signature: the job id doesn't name the signer."""
        if job.consumer.lower() != signer.lower():
            raise ConflictError(
                "this request is another account's job", code="job-taken", remedy="sign one with a new nonce"
            )

    def _check_contents(self, submission: JobSubmission) -> None:
        request = submission.request
        check_result_key(decode_base64(request.result_key))
        parameters = canonical_json(submission.parameters)
        parse_json_strict(parameters, document="parameters", limits=PARAMETER_LIMITS)
        if digest_of(parameters) != request.parameters:
            raise BadRequestError(
                "the parameters sent don't have the digest that was signed", code="parameters-differ"
            )
        for asset_id in request.datasets:
            self._catalogue.get_record(asset_id)
        algorithm = self._database.catalogue.find_algorithm(request.algorithm)
        if algorithm is None:
            raise NotFoundError(
                f"this provider has no algorithm {request.algorithm}",
                code="algorithm-unknown",
                remedy="upload it with `sealroom algorithm request`",
            )
        check_parameters(parse_bundle(self._catalogue.load_files(algorithm)).manifest, submission.parameters)

    def _check_lifetime(self, expiry: int, now: int) -> None:
        longest = self._load_settings().max_request_lifetime_s
        if expiry > now + longest:
            raise BadRequestError(
                f"a job request may live {longest} s here; this one lives {expiry - now} s",
                code="lives-too-long",
                remedy="sign it with an earlier expiry",
            )

    def _check_quota(self, consumer: str, now: int) -> None:
        limit = self._load_settings().max_open_jobs_per_account
        if self._jobs.count_pending(consumer, since=now - HOUR_S) >= limit:
            raise DeniedError(
                f"an account may have {limit} jobs open or refused within an hour here",
                code="too-many-jobs",
                remedy="wait, or cancel some",
            )

    def _new_job(self, submission: JobSubmission, consumer: str, now: int) -> JobRecord:
        request = submission.request
        return JobRecord(
            job_id=request.job_id(self._identity.domain),
            consumer=consumer,
            request=request,
            signature=submission.signature,
            parameters=canonical_json(submission.parameters).decode(),
            submitted=now,
            state=State.WAITING,
            code="received",
            message=describe("received").message,
            attempt=0,
            cancel_requested=None,
            cancelled_by=None,
            orders=(),
            release=None,
            log_blob=None,
            credentials=submission.credentials,
        )

    def _get_allowed(
        self, guard: Guard, job_id: str, access: Access, *, caller: str | None = None
    ) -> tuple[JobRecord, Subject]:
        """Return a job, and who stands how to it, to whom `access` to it is allowed."""
        job = self._jobs.find(job_id)
        if job is None:
            guard.check(access, Subject(), caller=caller)
            raise NotFoundError("there is no such thing, or it is not for you to see")
        who = caller or guard.caller
        subject = Subject(consumers=frozenset({job.consumer}))
        if who.lower() != job.consumer.lower() or access is Access.JOB_LOG_READ:
            subject = self._with_owners(job, subject)
        if access is Access.JOB_LOG_READ and self._views.is_log_open(job):
            subject = replace(subject, log_readers=subject.consumers | subject.dataset_owners)
        guard.check(access, subject, caller=caller)
        return job, subject

    def _with_owners(self, job: JobRecord, subject: Subject) -> Subject:
        records = [self._catalogue.get_record(asset_id) for asset_id in job.request.datasets]
        owners = frozenset(self._catalogue.read_asset_of(record).owner for record in records)
        sole = owners if len(owners) == 1 else frozenset()
        return replace(subject, dataset_owners=owners, sole_owners=sole)

    def _view_for(self, caller: str, job: JobRecord, subject: Subject) -> JobView:
        return self._views.view(job, exact=may(Access.JOB_TIMES_READ, caller, subject))

    def _check_settled(self, job: JobRecord) -> None:
        if not all(self._is_settled(job, asset_id) for asset_id in job.request.datasets):
            raise ConflictError(
                "the order of this job is not settled on chain, and nothing leaves unpaid",
                code="not-settled",
                remedy="wait until the receipt is anchored; an order that was refunded gets nothing",
            )

    def _is_settled(self, job: JobRecord, asset_id: str) -> bool:
        token_id = self._catalogue.get_record(asset_id).token_id
        job_id = bytes.fromhex(job.job_id)
        order = None if token_id is None else self._chain.find_order(job_id, job.consumer, token_id)
        return order is not None and order.status is OrderStatus.SETTLED

    def _get_entry(self, job_id: str) -> LogEntryRecord:
        entry = self._database.ledger.find_entry(job_id)
        if entry is None:
            raise NotFoundError("there is no receipt for this job yet", code="no-receipt")
        return entry


def _subject_of(job: JobRecord, caller: str, assets: frozenset[str]) -> Subject:
    """Return how `caller`, who owns `assets`, stands to a job; to one's own job one is its consumer alone."""
    consumers = frozenset({job.consumer})
    owned = assets & set(job.request.datasets) if caller.lower() != job.consumer.lower() else frozenset()
    return Subject(
        consumers=consumers,
        dataset_owners=frozenset({caller} if owned else ()),
        sole_owners=frozenset({caller} if len(owned) == len(job.request.datasets) else ()),
    )
