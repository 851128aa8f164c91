from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from datatokens.errors import DeploymentInvalidError
from datatokens.model import Deployment, asset_id_of, load_deployment, parse_deployment

DEPLOYMENT = Deployment(
    chain_id=31337,
    registry="0x" + "11" * 20,
    escrow="0x" + "22" * 20,
    providers="0x" + "33" * 20,
    receipts="0x" + "55" * 20,
    payment_token=None,
    blocks={"registry": 7, "providers": 9},
    code_hashes={"registry": "0x" + "44" * 32},
)


def test_a_saved_deployment_is_read_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "chain" / "deployment.json"
    DEPLOYMENT.save(path)
    assert load_deployment(path) == DEPLOYMENT
    assert [item.name for item in path.parent.iterdir()] == ["deployment.json"]


def test_a_missing_file_is_refused_without_its_folder_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(DeploymentInvalidError) as caught:
        load_deployment(tmp_path / "deployment.json")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "null", "{}", "[" * 100_000])
def test_text_that_is_no_deployment_is_refused(text: str) -> None:
    with pytest.raises(DeploymentInvalidError):
        parse_deployment(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chain_id", "1"),
        ("chain_id", True),
        ("registry", 5),
        ("registry", "nonsense"),
        ("payment_token", "0x" + "11" * 19),
        ("code_hashes", []),
        ("blocks", {"registry": "7"}),
        ("more", 1),
    ],
)
def test_a_field_of_the_wrong_type_or_name_is_refused(field: str, value: object) -> None:
    document = json.loads(DEPLOYMENT.to_json()) | {field: value}
    with pytest.raises(DeploymentInvalidError):
        parse_deployment(json.dumps(document))


def test_an_asset_id_is_the_hash_of_chain_registry_and_number() -> None:
    data = (31337).to_bytes(32, "big") + bytes.fromhex("11" * 20) + (1).to_bytes(32, "big")
    assert asset_id_of(31337, "0x" + "11" * 20, 1) == hashlib.sha256(data).hexdigest()
