from __future__ import annotations

import pytest

from provider.auth import ALLOWED, HIDDEN_WHEN_DENIED, Access, Guard, Role, Subject, authorise
from provider.errors import DeniedError, NotFoundError

ALICE = "0x" + "aA" * 20
BOB = "0x" + "bB" * 20
ROLE_FIELDS = {
    Role.CONSUMER: "consumers",
    Role.DATASET_OWNER: "dataset_owners",
    Role.SOLE_OWNER: "sole_owners",
    Role.LOG_READER: "log_readers",
    Role.UPLOADER: "uploaders",
    Role.REGISTRAR: "registrars",
    Role.REVIEWER: "reviewers",
}


def test_everything_that_can_be_asked_has_a_rule_and_no_rule_is_empty() -> None:
    assert set(ALLOWED) == set(Access)
    assert all(ALLOWED.values())


@pytest.mark.parametrize("access", sorted(set(Access)))
@pytest.mark.parametrize("role", sorted(ROLE_FIELDS))
def test_exactly_the_roles_of_the_table_pass(access: Access, role: Role) -> None:
    subject = Subject(**{ROLE_FIELDS[role]: frozenset({ALICE})})
    passes = bool(ALLOWED[access] & {role, Role.ACCOUNT, Role.ANYONE})
    if passes:
        authorise(access, ALICE, subject)
    else:
        expected = NotFoundError if access in HIDDEN_WHEN_DENIED else DeniedError
        with pytest.raises(expected):
            authorise(access, ALICE, subject)


@pytest.mark.parametrize("access", sorted(access for access in Access if Role.ANYONE not in ALLOWED[access]))
def test_nobody_without_a_key_passes_where_a_role_is_needed(access: Access) -> None:
    with pytest.raises(DeniedError, match="login"):
        authorise(access, None, Subject())


def test_hole_5_another_account_sees_no_job_and_cannot_tell_it_from_none() -> None:
    subject = Subject(consumers=frozenset({ALICE}))
    with pytest.raises(NotFoundError) as hidden:
        authorise(Access.JOB_READ, BOB, subject)
    with pytest.raises(NotFoundError) as absent:
        authorise(Access.JOB_READ, BOB, Subject())
    assert str(hidden.value) == str(absent.value)


def test_hole_7_an_empty_list_of_registrars_lets_nobody_in() -> None:
    with pytest.raises(DeniedError):
        authorise(Access.DATASET_PREPARE, ALICE, Subject(registrars=frozenset()))


def test_addresses_compare_without_case() -> None:
    authorise(Access.JOB_READ, ALICE.lower(), Subject(consumers=frozenset({ALICE})))


def test_a_guard_remembers_whether_anybody_asked() -> None:
    guard = Guard(lambda: ALICE)
    assert not guard.asked
    guard.check(Access.PROVIDER_READ)
    assert guard.asked
