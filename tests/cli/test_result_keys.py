from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.errors import InputError
from cli.resultkeys import open_key, seal_key
from policies.errors import DocumentError

JOB = "ab" * 32
SEALED = seal_key(b"private bytes", "password", JOB)


def test_a_sealed_key_opens_with_its_password_for_its_job() -> None:
    assert open_key(SEALED, "password", JOB) == b"private bytes"
    assert b"private bytes" not in SEALED


@pytest.mark.parametrize(("password", "job_id"), [("another", JOB), ("password", "cd" * 32)])
def test_another_password_or_another_job_opens_nothing(password: str, job_id: str) -> None:
    with pytest.raises(InputError) as caught:
        open_key(SEALED, password, job_id)
    assert caught.value.code == "result-key-locked"


def test_a_changed_ciphertext_or_cost_is_refused() -> None:
    document = json.loads(SEALED)
    document["ciphertext"] = (
        "A" + document["ciphertext"][1:]
        if document["ciphertext"][0] != "A"
        else "B" + document["ciphertext"][1:]
    )
    with pytest.raises(InputError):
        open_key(json.dumps(document).encode(), "password", JOB)
    with pytest.raises(DocumentError):
        open_key(json.dumps({**json.loads(SEALED), "log2_n": 40}).encode(), "password", JOB)


@given(st.binary(max_size=200))
def test_garbage_is_never_a_key(data: bytes) -> None:
    with pytest.raises((InputError, DocumentError)):
        open_key(data, "password", JOB)
