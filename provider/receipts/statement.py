"""The in-toto Statement v1 of one job: built from facts, read back strictly, judged for sense.

An honest statement is RELEASED with at least one subject that is a released output, or WITHHELD with the job record alone
as subject and nothing released. Everything between is refused. Unknown fields are ignored; none can turn a no into a yes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from policies.canonical import canonical_json, parse_digest, sha256
from policies.errors import DocumentError, WitnessKeyError
from policies.witnesses import parse_demand
from provider.receipts.errors import FieldError, StatementRefusedError
from provider.receipts.facts import OutputFacts, ReceiptFacts, WitnessFacts
from provider.receipts.gate import CONSUMER, check_gate, check_measured, is_let_pass
from provider.receipts.privacy import check_privacy
from provider.receipts.records import parse_record, to_json
from provider.receipts.reviews import RELEASED, check_reviewed
from provider.receipts.strictjson import JsonLimits, parse_json_strict

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:sealroom:sealed-training-run:v1"
MAX_PAYLOAD_BYTES = 768 * 1024
MAX_PAYLOAD_DEPTH = 24
MAX_SUBJECTS = 1024
MAX_DATASETS = 64
MAX_ITEMS = 4096
"""In any other list of the predicate: rules, outputs, checks, key ids."""
WITHHELD = "WITHHELD"
OUTCOMES = ("released", "withheld", "failed", "refused", "cancelled")
RUN_OUTCOMES = ("released", "withheld")
ALLOW = "allow"
LOG_READERS = ("owner", "nobody", CONSUMER)
JOB_SUBJECT = "job"
UNDECLARED = "undeclared"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LIMITS = JsonLimits(size_bytes=MAX_PAYLOAD_BYTES, depth=MAX_PAYLOAD_DEPTH, fractions=True)


@dataclass(frozen=True, slots=True)
class Subject:
    """One artefact the statement is about: its name and the 64 hex digits of its SHA-256."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A parsed statement: what it is about, what it says, and all of its JSON."""

    subjects: tuple[Subject, ...]
    facts: ReceiptFacts
    document: dict[str, Any] = field(repr=False)

    @property
    def is_released(self) -> bool:
        """Whether something left: only the exact verdict RELEASED says so."""
        return self.facts.egress.verdict == RELEASED

    @property
    def is_log_open(self) -> bool:
        """Whether what the algorithm printed was opened to the job's consumer."""
        return self.facts.run is not None and self.facts.run.logs == CONSUMER

    @property
    def witnesses(self) -> tuple[WitnessFacts, ...]:
        """The cosignatures without which nothing of this job may leave; empty when nothing does."""
        return self.facts.policy.witnesses if self.is_released or self.is_log_open else ()


def build_statement(facts: ReceiptFacts) -> bytes:
    """Return the payload: canonical JSON of the statement, its subjects derived from the facts.

    Raises:
        StatementRefusedError: the facts are not those of an honest job, or hold a value that JSON can't carry exactly.
    """
    predicate = _to_predicate(facts)
    subjects = derive_subjects(facts)
    check_statement(subjects, facts)
    document = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": item.name, "digest": {"sha256": item.sha256}} for item in subjects],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }
    try:
        payload = canonical_json(document)
    except DocumentError as exc:
        raise StatementRefusedError(exc.path, exc.problem) from exc
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise StatementRefusedError("$", f"is {len(payload)} bytes, at most {MAX_PAYLOAD_BYTES} are signed")
    return payload


def derive_subjects(facts: ReceiptFacts) -> tuple[Subject, ...]:
    """Return the released artefacts in the order of the outputs, or the job record when nothing was released."""
    released = [item for item in facts.outputs if item.released]
    if not released:
        return (Subject(JOB_SUBJECT, sha256(job_record(facts)).hex()),)
    return tuple(Subject(item.name, _released_hex(item)) for item in released)


def job_record(facts: ReceiptFacts) -> bytes:
    """Return the canonical JSON of `predicate.job`, the record that is the subject when nothing was released.

    Raises:
        StatementRefusedError: a field hasn't its form, or holds what JSON can't carry exactly.
    """
    try:
        return canonical_json(to_json(facts.job))
    except (DocumentError, FieldError) as exc:
        raise StatementRefusedError("predicate.job", exc.problem) from exc


def parse_statement(payload: bytes) -> Statement:
    """Parse and judge a payload whose signatures were verified over these very bytes.

    Raises:
        MalformedError: not strict JSON.
        StatementRefusedError: another type, a missing or wrong field, or facts that contradict each other.
    """
    document = parse_json_strict(payload, document="statement", limits=_LIMITS)
    if not isinstance(document, dict):
        raise StatementRefusedError("$", f"expected an object, got {type(document).__name__}")
    for key, expected in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)):
        if document.get(key) != expected:
            raise StatementRefusedError(key, f"expected {expected}")
    subjects = _parse_subjects(document.get("subject"))
    try:
        facts = parse_record(ReceiptFacts, document.get("predicate"), "predicate")
    except FieldError as exc:
        raise StatementRefusedError(exc.path, exc.problem) from exc
    check_statement(subjects, facts)
    return Statement(subjects, facts, document)


def check_statement(subjects: tuple[Subject, ...], facts: ReceiptFacts) -> None:
    """Check that the verdict, the outcome, the outputs, the order of times, the subjects and the datasets agree.

    Raises:
        StatementRefusedError: they don't.
    """
    _check_counts(facts)
    _check_verdict(facts)
    _check_outputs(facts)
    _check_run(facts)
    if subjects != derive_subjects(facts):
        raise StatementRefusedError("subject", "is not what the outputs and the job record say was released")
    if facts.log.origin != facts.provider.origin:
        raise StatementRefusedError("predicate.log.origin", "differs from the provider's origin")
    if facts.job.attempt < 0 or facts.log.index < 0 or facts.not_before.number < 0:
        raise StatementRefusedError("predicate", "an attempt, an index or a block number is below 0")
    _check_datasets(facts)
    _check_decision(facts)
    _check_witnesses(facts)
    check_privacy(facts)
    check_gate(facts)
    check_measured(facts)
    check_reviewed(facts)


def _to_predicate(facts: ReceiptFacts) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return to_json(facts)
    except FieldError as exc:
        raise StatementRefusedError(exc.path, exc.problem) from exc


def _check_counts(facts: ReceiptFacts) -> None:
    lists = (
        ("inputs.datasets", facts.inputs.datasets, MAX_DATASETS),
        ("policy.rules", facts.policy.rules, MAX_ITEMS),
        ("outputs", facts.outputs, MAX_ITEMS),
        ("egress.checks", facts.egress.checks, MAX_ITEMS),
        ("provider.keyids", facts.provider.keyids, MAX_ITEMS),
    )
    for path, items, most in lists:
        if len(items) > most:
            raise StatementRefusedError(
                f"predicate.{path}", f"has {len(items)} items, at most {most} are read"
            )
    if sum(item.released for item in facts.outputs) > MAX_SUBJECTS:
        raise StatementRefusedError("predicate.outputs", f"more than {MAX_SUBJECTS} were released")


def _check_verdict(facts: ReceiptFacts) -> None:
    egress = facts.egress
    if egress.outcome not in OUTCOMES:
        raise StatementRefusedError("predicate.egress.outcome", f"expected one of {', '.join(OUTCOMES)}")
    expected = RELEASED if egress.outcome == "released" else WITHHELD
    if egress.verdict != expected:
        raise StatementRefusedError("predicate.egress.verdict", f"expected {expected} for {egress.outcome}")
    if egress.verdict == RELEASED and (egress.rule or not is_let_pass(egress)):
        raise StatementRefusedError("predicate.egress", "is RELEASED although a check said no")


def _check_outputs(facts: ReceiptFacts) -> None:
    released = [item for item in facts.outputs if item.released]
    if bool(released) != (facts.egress.verdict == RELEASED):
        raise StatementRefusedError("predicate.outputs", "what left and the verdict contradict each other")
    for item in facts.outputs:
        if item.released != (item.released_digest is not None):
            raise StatementRefusedError(
                "predicate.outputs", "a released digest belongs to released files only"
            )
    if not all(item.name for item in facts.outputs):
        raise StatementRefusedError("predicate.outputs", "a file has no name")
    names = [item.name for item in released]
    if UNDECLARED in names or len(set(names)) != len(names):
        raise StatementRefusedError("predicate.outputs", "a released file is undeclared or stands twice")


def _check_run(facts: ReceiptFacts) -> None:
    run, sandbox = facts.run, facts.sandbox
    if run is not None and run.finished < run.started:
        raise StatementRefusedError("predicate.run.finished", "is before it started")
    if run is not None and run.logs not in LOG_READERS:
        raise StatementRefusedError("predicate.run.logs", f"expected one of {', '.join(LOG_READERS)}")
    if facts.egress.outcome not in RUN_OUTCOMES:
        return
    if run is None or sandbox is None or sandbox.probe is None or not sandbox.probe.passed:
        raise StatementRefusedError(
            "predicate.sandbox", f"{facts.egress.outcome} without a run in a seal whose probe passed"
        )


def _check_datasets(facts: ReceiptFacts) -> None:
    datasets, orders = facts.inputs.datasets, facts.job.orders
    if not datasets or len({item.asset_id for item in datasets}) != len(datasets):
        raise StatementRefusedError("predicate.inputs.datasets", "expected datasets, each of them once")
    if len(facts.policy.digests) != len(datasets):
        raise StatementRefusedError("predicate.policy.digests", "expected one policy digest for each dataset")
    if orders and [item.token_id for item in orders] != [item.token_id for item in datasets]:
        raise StatementRefusedError("predicate.job.orders", "expected none, or one order for each dataset")


def _check_decision(facts: ReceiptFacts) -> None:
    """Every rule is about some dataset of the job; what ran was allowed for each of them."""
    policy, datasets = facts.policy, {item.asset_id for item in facts.inputs.datasets}
    judged = {rule.asset_id for rule in policy.rules}
    if not judged <= datasets:
        raise StatementRefusedError("predicate.policy.rules", "judge a dataset that the job didn't have")
    if facts.run is None:
        return
    said = {policy.decision, *(rule.verdict for rule in policy.rules)}
    if said != {ALLOW} or judged != datasets:
        raise StatementRefusedError("predicate.policy", "not all allowed the job, and it ran")


def _check_witnesses(facts: ReceiptFacts) -> None:
    """Whoever verifies needs no policy document: what is demanded of witnesses has to be readable here."""
    demands = facts.policy.witnesses
    if len(demands) > len(facts.inputs.datasets):
        raise StatementRefusedError("predicate.policy.witnesses", "are more demands than there are datasets")
    for demand in demands:
        try:
            parse_demand(demand.threshold, demand.keys)
        except WitnessKeyError as exc:
            raise StatementRefusedError("predicate.policy.witnesses", str(exc)) from exc


def _parse_subjects(value: object) -> tuple[Subject, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_SUBJECTS:
        raise StatementRefusedError("subject", f"expected a list of 1 to {MAX_SUBJECTS}")
    return tuple(_parse_subject(item, f"subject[{index}]") for index, item in enumerate(value))


def _parse_subject(value: object, path: str) -> Subject:
    name = value.get("name") if isinstance(value, dict) else None
    digest = value.get("digest") if isinstance(value, dict) else None
    if not isinstance(name, str) or not name or not isinstance(digest, dict):
        raise StatementRefusedError(path, "expected a name and a digest")
    found = digest.get("sha256")
    if set(digest) != {"sha256"} or not isinstance(found, str) or not _SHA256.fullmatch(found):
        raise StatementRefusedError(f"{path}.digest", "expected sha256 alone, as 64 lower-case hex digits")
    return Subject(name, found)


def _released_hex(item: OutputFacts) -> str:
    if item.released_digest is None:
        raise StatementRefusedError("predicate.outputs", "a released file has no released digest")
    return parse_digest(item.released_digest).hex()
