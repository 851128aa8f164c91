"""The whole interface, a line each: method, path, what goes in, what comes out, and who answers. No flask in here."""

from __future__ import annotations

import json

from provider.auth import Access
from provider.identity import software_digest
from provider.ledgerviews import LedgerView
from provider.outlook import ImageView, QueueView
from provider.reviews import ReviewsView, ReviewView
from provider.routes.endpoint import BRIEFLY, FOR_EVER, Call, Endpoint
from provider.routes.openapi import describe_api
from provider.wire import (
    AlgorithmView,
    ApprovalsView,
    ConsumersView,
    CosignaturesView,
    CosignedCheckpoint,
    DatasetsView,
    DatasetView,
    HealthView,
    JobSubmission,
    JobsView,
    JobView,
    LoginBody,
    LoginChallenge,
    LoginChallengeBody,
    LoginToken,
    MembershipView,
    ProviderView,
    SignedAction,
)

TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"
JSON_LINES = "application/jsonl"
CHAIN_FACT = "chain"


def _health(call: Call) -> HealthView:
    call.guard.check(Access.PROVIDER_READ)
    fact = call.services.database.access.find_fact(CHAIN_FACT)
    return HealthView(ok=True, chain=fact[0] if fact else "unknown")


def _provider(call: Call) -> ProviderView:
    call.guard.check(Access.PROVIDER_READ)
    identity = call.services.identity
    runtimes = call.services.database.access.find_fact("runtimes")
    return ProviderView(
        chain_id=identity.deployment.chain_id,
        registry=identity.deployment.registry,
        escrow=identity.deployment.escrow,
        providers=identity.deployment.providers,
        provider=identity.address,
        origin=identity.origin,
        runtimes=json.loads(runtimes[0]) if runtimes else [],
        software=software_digest(),
    )


def _openapi(call: Call) -> bytes:
    call.guard.check(Access.PROVIDER_READ)
    return describe_api(ENDPOINTS)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/v1/health", "Whether the provider and its chain answer", _health, answer=HealthView),
    Endpoint("GET", "/v1/provider", "Who the provider is", _provider, answer=ProviderView),
    Endpoint(
        "GET",
        "/v1/images/{digest}",
        "Whether the engine has an image",
        lambda c: c.services.outlook.get_image(c.guard, c.path["digest"]),
        answer=ImageView,
    ),
    Endpoint(
        "GET",
        "/v1/queue",
        "How many jobs are before a new one",
        lambda c: c.services.outlook.get_queue(c.guard),
        answer=QueueView,
    ),
    Endpoint("GET", "/v1/openapi.json", "This description", _openapi),
    Endpoint(
        "POST",
        "/v1/login/challenge",
        "Get the Sign-In-with-Ethereum message to sign",
        lambda c: c.services.login.challenge(c.guard, c.body, now=c.now),
        body=LoginChallengeBody,
        answer=LoginChallenge,
    ),
    Endpoint(
        "POST",
        "/v1/login",
        "Trade a signed message for a short-lived read token",
        lambda c: c.services.login.login(c.guard, c.body, now=c.now),
        body=LoginBody,
        answer=LoginToken,
    ),
    Endpoint(
        "POST",
        "/v1/actions",
        "Carry out a signed action",
        lambda c: c.services.actions.take(c.guard, c.body, now=c.now),
        body=SignedAction,
    ),
    Endpoint(
        "GET",
        "/v1/datasets",
        "List published datasets",
        lambda c: DatasetsView(datasets=c.services.catalogue.list_datasets(c.guard)),
        answer=DatasetsView,
    ),
    Endpoint(
        "GET",
        "/v1/datasets/{asset_id}",
        "Show one dataset",
        lambda c: c.services.catalogue.get_dataset(c.guard, c.path["asset_id"]),
        answer=DatasetView,
    ),
    Endpoint(
        "GET",
        "/v1/datasets/{asset_id}/metadata",
        "The Croissant description, by the digest on chain",
        lambda c: c.services.catalogue.get_document(c.guard, c.path["asset_id"], "metadata"),
    ),
    Endpoint(
        "GET",
        "/v1/datasets/{asset_id}/policy",
        "The policy, by the digest on chain",
        lambda c: c.services.catalogue.get_document(c.guard, c.path["asset_id"], "policy"),
        media="application/yaml",
    ),
    Endpoint(
        "GET",
        "/v1/datasets/{asset_id}/privacy",
        "What jobs have reserved and spent of the dataset's privacy, the caller's own marked after a login",
        lambda c: c.services.ledgers.get(c.guard, c.path["asset_id"]),
        answer=LedgerView,
    ),
    Endpoint(
        "GET",
        "/v1/datasets/{asset_id}/consumers",
        "The allow-list that stands on chain, for the dataset's owner",
        lambda c: c.services.stewardship.get_consumers(c.guard, c.path["asset_id"]),
        answer=ConsumersView,
        login=True,
    ),
    Endpoint(
        "GET",
        "/v1/datasets/{asset_id}/membership",
        "The proof that the caller is on the allow-list that stands on chain",
        lambda c: c.services.stewardship.prove_membership(c.guard, c.path["asset_id"]),
        answer=MembershipView,
        login=True,
    ),
    Endpoint(
        "GET",
        "/v1/algorithms/{digest}",
        "Show an uploaded algorithm",
        lambda c: c.services.catalogue.get_algorithm(c.guard, c.path["digest"]),
        answer=AlgorithmView,
        login=True,
    ),
    Endpoint(
        "GET",
        "/v1/algorithms/{digest}/files/{path}",
        "One source file of an algorithm",
        lambda c: c.services.catalogue.get_algorithm_file(c.guard, c.path["digest"], c.path["path"]),
        media=BINARY,
        login=True,
    ),
    Endpoint(
        "GET",
        "/v1/approvals",
        "Requests for approval: for the caller's datasets, and the caller's own",
        lambda c: ApprovalsView(approvals=c.services.catalogue.list_approvals(c.guard, now=c.now)),
        answer=ApprovalsView,
        login=True,
    ),
    Endpoint(
        "POST",
        "/v1/jobs",
        "Submit a signed job request",
        lambda c: c.services.jobs.submit(c.guard, c.body, now=c.now),
        body=JobSubmission,
        answer=JobView,
        status=202,
    ),
    Endpoint(
        "GET",
        "/v1/jobs",
        "The caller's jobs, and jobs on the caller's datasets",
        lambda c: JobsView(jobs=c.services.jobs.list_mine(c.guard)),
        answer=JobsView,
        login=True,
    ),
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}",
        "Show one job",
        lambda c: c.services.jobs.get(c.guard, c.path["job_id"]),
        answer=JobView,
        login=True,
    ),
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}/release",
        "What the gate let out, encrypted to the result key",
        lambda c: c.services.jobs.get_release(c.guard, c.path["job_id"]),
        media=BINARY,
        login=True,
    ),
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}/log",
        "What the algorithm printed, for the data's owner, and for the consumer where the policy opens it",
        lambda c: c.services.jobs.get_log(c.guard, c.path["job_id"]),
        media=BINARY,
        login=True,
    ),
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}/receipt",
        "The signed receipt",
        lambda c: c.services.jobs.get_receipt(c.guard, c.path["job_id"]),
        media=JSON_LINES,
    ),
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}/proof",
        "The receipt's inclusion proof, once anchored",
        lambda c: c.services.jobs.get_proof(c.guard, c.path["job_id"]),
        media=TEXT,
    ),
    Endpoint(
        "GET",
        "/v1/reviews",
        "The releases that the caller is asked to review, or was",
        lambda c: c.services.reviews.list_mine(c.guard),
        answer=ReviewsView,
        login=True,
    ),
    Endpoint(
        "GET",
        "/v1/reviews/{job_id}",
        "What one of its reviewers decides on",
        lambda c: c.services.reviews.get(c.guard, c.path["job_id"]),
        answer=ReviewView,
        login=True,
    ),
    Endpoint(
        "GET",
        "/v1/reviews/{job_id}/files/{path}",
        "One file that would leave, for its reviewers",
        lambda c: c.services.reviews.get_file(c.guard, c.path["job_id"], c.path["path"]),
        media=BINARY,
        login=True,
    ),
    Endpoint(
        "GET",
        "/v1/log/checkpoint",
        "The newest anchored checkpoint",
        lambda c: c.services.log.get_checkpoint(c.guard),
        media=TEXT,
        cache=BRIEFLY,
    ),
    Endpoint(
        "GET",
        "/v1/log/checkpoints/{size}",
        "The first anchored checkpoint larger than a size",
        lambda c: c.services.log.get_checkpoint_after(c.guard, c.path["size"]),
        media=TEXT,
    ),
    Endpoint(
        "GET",
        "/v1/log/tile/{path}",
        "Hashes and entries of the anchored log, in the tiles of C2SP tlog-tiles",
        lambda c: c.services.log.get_tile(c.guard, c.path["path"]),
        media=BINARY,
        cache=FOR_EVER,
    ),
    Endpoint(
        "GET",
        "/v1/log/receipts/{path}",
        "The receipts of a bundle of entries, numbered as it is",
        lambda c: c.services.log.get_receipts(c.guard, c.path["path"]),
        media=JSON_LINES,
        cache=FOR_EVER,
    ),
    Endpoint(
        "POST",
        "/v1/log/cosignatures",
        "Hand in a checkpoint with the cosignatures of witnesses",
        lambda c: c.services.witnesses.take(c.guard, c.body),
        body=CosignedCheckpoint,
        answer=CosignaturesView,
    ),
)
