"""The rule for what a receipt says of privacy: all of it, or nothing; and its mechanisms as an accountant reads them.

Not checked here: that the numbers are right. Whoever has an accountant computes them again; see `provider.audit.privacy`.
"""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from policies.mechanisms import Mechanism
from provider.receipts.errors import StatementRefusedError
from provider.receipts.facts import MechanismFacts, PrivacyFacts, ReceiptFacts

NO_MECHANISM = "none"
DP_SGD = "dp-sgd"
NOISY_COUNTS = "noisy-counts"
GAUSSIAN = "gaussian"
MAX_MECHANISMS = 16
_MECHANISM: TypeAdapter[Mechanism] = TypeAdapter(Mechanism)


def nothing_spent(information_bits: int) -> PrivacyFacts:
    """Return what a receipt says of a job that spent nothing."""
    return PrivacyFacts(
        mechanism=NO_MECHANISM,
        accountant=None,
        unit=None,
        mechanisms=(),
        epsilon=None,
        delta=None,
        ledger_before=None,
        ledger_after=None,
        ledger_cap=None,
        ledger_delta=None,
        information_bits=information_bits,
    )


def check_privacy(facts: ReceiptFacts) -> None:
    """Check that privacy which was spent is stated whole, and that nothing is stated where none was.

    Raises:
        StatementRefusedError: it isn't so.
    """
    privacy, path = facts.privacy, "predicate.privacy"
    spent = privacy.mechanism != NO_MECHANISM
    always = (privacy.accountant, privacy.epsilon, privacy.delta, privacy.ledger_before, privacy.ledger_after)
    stated = [item is not None for item in (*always, privacy.ledger_delta)]
    if spent != all(stated) or spent != any(stated) or spent != bool(privacy.mechanisms):
        raise StatementRefusedError(path, "states a part of what was spent: all of it belongs to a mechanism")
    if not spent and (privacy.unit is not None or privacy.ledger_cap is not None):
        raise StatementRefusedError(path, "states a unit or a cap although nothing was spent")
    if len(privacy.mechanisms) > MAX_MECHANISMS:
        raise StatementRefusedError(f"{path}.mechanisms", f"at most {MAX_MECHANISMS} are read")
    if spent and len(facts.inputs.datasets) != 1:
        raise StatementRefusedError(path, "was spent of several datasets, and is counted for one")
    read_mechanisms(privacy)


def read_mechanisms(privacy: PrivacyFacts) -> tuple[Mechanism, ...]:
    """Return the mechanisms as an accountant takes them.

    Raises:
        StatementRefusedError: one has not the parameters of its kind.
    """
    return tuple(_read(item, index) for index, item in enumerate(privacy.mechanisms))


def _read(item: MechanismFacts, index: int) -> Mechanism:
    stated = {
        "noise_multiplier": item.noise_multiplier,
        "sampling_rate": item.sampling_rate,
        "steps": item.steps,
        "count": item.count,
    }
    given = {name: value for name, value in stated.items() if value is not None}
    problem = "is no mechanism with the parameters of its kind"
    if item.kind == GAUSSIAN and item.count is None:
        raise StatementRefusedError(f"predicate.privacy.mechanisms[{index}]", problem)
    try:
        return _MECHANISM.validate_python({"kind": item.kind, **given})
    except ValidationError as exc:
        raise StatementRefusedError(f"predicate.privacy.mechanisms[{index}]", problem) from exc
