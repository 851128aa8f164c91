"""The finer reasons, in plain words, each with the next step. Messages are fixed text: no data can ride on them."""

from __future__ import annotations

from dataclasses import dataclass

from datatokens.errors import ChainError, WrongChainError


@dataclass(frozen=True, slots=True)
class Reason:
    """What a code means and what somebody can do about it."""

    message: str
    next_step: str


AWAITING_WITNESSES = "awaiting-witnesses"
REVIEWING = "reviewing"
NO_ORDER_YET = frozenset({"awaiting-order", "awaiting-confirmations"})
REASONS: dict[str, Reason] = {
    "received": Reason(
        "the request is recorded and waits for the policy's decision", "wait: it takes a second"
    ),
    "awaiting-approval": Reason(
        "waiting for the owner to approve algorithm {algorithm}",
        "ask with `sealroom algorithm request`, then continue with `sealroom job resume {job_id}`",
    ),
    "awaiting-order": Reason(
        "the policy allows this job; waiting for its order on chain",
        "pay with `sealroom job resume {job_id}`; nothing runs unpaid",
    ),
    "chain-unreachable": Reason(
        "the chain can't be reached; the job waits and nothing runs unpaid",
        "wait: the job continues by itself when the chain answers",
    ),
    "wrong-chain": Reason(
        "the node is on another chain, or has other contracts there; the job waits and nothing runs",
        "the operator checks the rpc address with `sealroom chain check`",
    ),
    "awaiting-confirmations": Reason(
        "the order stands on chain; waiting for confirmations, the blocks that keep it there",
        "wait: it takes a few blocks",
    ),
    "engine-unreachable": Reason(
        "the container engine can't be reached; the job waits",
        "the operator starts the engine; the job continues",
    ),
    "order-accepted": Reason("the order stands on chain; waiting for a free worker", "wait"),
    "restarted": Reason("the worker was restarted; the job starts anew in a fresh container", "wait"),
    "staging": Reason("checking that code, image and data have the digests that were approved", "wait"),
    "sealed-run": Reason("the algorithm runs in its sealed container", "wait"),
    "gate": Reason("the run has ended; the gate checks what may leave", "wait"),
    REVIEWING: Reason(
        "what the gate would let out waits for the people who review it",
        "wait: reviewers decide in their time",
    ),
    "review-withheld": Reason(
        "withheld by those who review what leaves", "ask the data's owner what would have to be different"
    ),
    "review-late": Reason(
        "withheld: the review was not done in time", "ask the data's owner before you submit again"
    ),
    "cancelled-reviewing": Reason(
        "cancelled while its release waited for review; the run is paid for",
        "submit a new job if you want it run",
    ),
    "released": Reason(
        "the weights passed the gate and are ready", "get them with `sealroom job fetch {job_id}`"
    ),
    AWAITING_WITNESSES: Reason(
        "the weights passed the gate, and leave when as many witnesses have cosigned the log as the policy demands",
        "wait for the witnesses, who run `sealroom witness cosign`; then `sealroom job fetch {job_id}`",
    ),
    "withheld": Reason(
        "the gate withheld the outputs: rule {rule}",
        "change the algorithm so that it keeps the rule; it is a new digest",
    ),
    "refused": Reason(
        "refused by rule {rule}", "see the rule in `sealroom dataset show`; the money comes back"
    ),
    "order-mismatch": Reason(
        "refused: the order on chain is not for this dataset, provider or price",
        "submit a new job with `sealroom job submit`; the money comes back",
    ),
    "order-used": Reason(
        "refused: the order was already settled or refunded", "submit a new job and order again"
    ),
    "order-deadline": Reason(
        "refused: the order's deadline leaves no time to run the job", "order again with a later deadline"
    ),
    "request-expired": Reason("refused: the request expired before its order came", "submit the job again"),
    "policy-changed": Reason(
        "refused: the policy on chain is not the one stored here", "the owner publishes the policy again"
    ),
    "algorithm-changed": Reason(
        "refused: the stored bundle no longer has the approved digest", "upload the bundle again"
    ),
    "dataset-changed": Reason(
        "failed: the data is no longer what was registered; the money comes back",
        "the owner restores the files or registers them anew",
    ),
    "dataset-unreadable": Reason(
        "failed: the provider could not read the data; the money comes back",
        "the operator mends it; submit again",
    ),
    "image-missing": Reason(
        "failed: the provider no longer has the image; the money comes back",
        "the operator builds it; submit again",
    ),
    "probe-failed": Reason(
        "failed: the container was not sealed as it must be, so nothing ran; the money comes back",
        "the operator runs the probe and mends the engine; submit again",
    ),
    "engine-failed": Reason(
        "failed: the provider's engine could not run the job; the money comes back", "submit again later"
    ),
    "too-many-attempts": Reason(
        "failed: the provider could not finish the run after several attempts; the money comes back",
        "submit again",
    ),
    "stream-broken": Reason(
        "failed: the output of the container could not be read whole",
        "submit again; tell the owner if it repeats",
    ),
    "algorithm-failed": Reason(
        "failed: the algorithm ended with an error", "try it on data of your own first"
    ),
    "timeout": Reason(
        "failed: the algorithm did not end within the time limit", "make it faster, or ask for more time"
    ),
    "out-of-memory": Reason("failed: the algorithm needed more memory than the limit", "use smaller batches"),
    "too-many-processes": Reason(
        "failed: the algorithm started more processes than the limit", "use fewer processes or threads"
    ),
    "too-much-output": Reason(
        "failed: the algorithm wrote more than the limit", "write only the declared files"
    ),
    "runtime-missing": Reason(
        "refused by rule {rule}: {detail}",
        "ask the operator, to whom `sealroom doctor` says what is missing; submit again then; the money comes back",
    ),
    "cancelled": Reason("cancelled as asked; the money comes back", "submit a new job if you want it run"),
    "cancelled-running": Reason(
        "cancelled by its consumer after the algorithm had started; the run is paid for",
        "submit a new job if you want it run",
    ),
}


def chain_code(error: ChainError) -> str:
    """Return the code of a job that waits because of what the chain did."""
    return WrongChainError.code if isinstance(error, WrongChainError) else "chain-unreachable"


def refusal_code(rule: str) -> str:
    """Return the code of a job refused by `rule`; most have no finer one than `refused`."""
    return "runtime-missing" if rule == "runtime-available" else "refused"


def describe(code: str, **names: str) -> Reason:
    """Return the reason for `code` with public names filled in; an unknown code describes itself."""
    reason = REASONS.get(code, Reason(code, "ask the provider's operator"))
    known = {"algorithm": "", "job_id": "", "rule": "", "detail": "", **names}
    return Reason(reason.message.format(**known), reason.next_step.format(**known))
