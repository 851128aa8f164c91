"""Drives the contracts on a chain of their own, by one request a call: what the typed client does is not under test here."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from eth_abi.abi import decode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak
from web3 import Web3

from datatokens.compiled import load_artifact
from datatokens.localchain import fund
from tests.chain_fixtures import account_for, load_hostile

ROOT = Path(__file__).parents[2]
PEOPLE = ("owner 1", "owner 2", "provider 1", "provider 2", "anna", "ben", "cleo", "community")
GAS = 5_000_000
MINED_WITHIN_S = 30
WEALTH = 10**30
ESCROW_SOURCE = "datatokens/contracts/Escrow.sol"
REGISTRY_SOURCE = "datatokens/contracts/Registry.sol"


@dataclass(frozen=True, slots=True)
class Failure:
    """What a call reverted with; an empty name for an error that no contract here declares."""

    name: str


class Driver:
    """One deployment; everybody has money of both tokens and lets the escrow take it."""

    def __init__(self, rpc_url: str, registry_code: str) -> None:
        self._http = httpx.Client(base_url=rpc_url, timeout=60, trust_env=False)
        self._ids = count()
        self.people = {name: account_for(f"trader {name}").address for name in PEOPLE}
        self.rpc("anvil_autoImpersonateAccount", True)  # noqa: FBT003 - JSON
        for address in self.people.values():
            fund(rpc_url, address, WEALTH)
        self._deployer = self.people["owner 1"]
        registry = self._deploy(registry_code)
        self.addresses = {
            "registry": registry,
            "plain": self._deploy(load_artifact("TestToken").bytecode),
            "hostile": self._deploy(load_hostile("HostileToken")["bytecode"]),
        }
        self.addresses["escrow"] = self.read("registry", "escrow")
        for name, address in self.people.items():
            self.do(name, "plain", "faucet", WEALTH)
            self.do(name, "hostile", "faucet", address, WEALTH)
            for token in ("plain", "hostile"):
                self.do(name, token, "approve", self.addresses["escrow"], 2**256 - 1)

    def rpc(self, method: str, *params: object) -> Any:
        answer = self._http.post("/", json=self._request(method, params)).json()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def encode(self, target: str, function: str, *args: object) -> str:
        return str(_contract(_kind(target)).encode_abi(function, args))

    def attempt(self, who: str, target: str, function: str, *args: object) -> Failure | None:
        """Make a call as somebody; a failure costs nothing and changes nothing."""
        transaction = {
            "from": self.people[who],
            "to": self.address(target),
            "data": self.encode(target, function, *args),
            "gas": hex(GAS),
        }
        answer = self._http.post("/", json=self._request("eth_call", (transaction, "latest"))).json()
        if "error" in answer:
            return _failure(answer["error"])
        tx_hash = self.rpc("eth_sendTransaction", transaction)
        if self._receipt(tx_hash)["status"] != "0x1":
            raise RuntimeError(f"{function}: went well when it was tried, and failed when it was sent")
        return None

    def do(self, who: str, target: str, function: str, *args: object) -> None:
        """Make a call that has to go well."""
        failure = self.attempt(who, target, function, *args)
        if failure is not None:
            raise RuntimeError(f"{function}: {failure.name}")

    def read(self, target: str, function: str, *args: object) -> Any:
        return self.read_many([(target, function, args)])[0]

    def read_many(self, calls: list[tuple[str, str, tuple[object, ...]]]) -> list[Any]:
        """Read all in one request; a struct comes as a tuple."""
        if not calls:
            return []
        requests = []
        for target, function, args in calls:
            call = {"to": self.address(target), "data": self.encode(target, function, *args)}
            requests.append(self._request("eth_call", (call, "latest")))
        answers = {item["id"]: item["result"] for item in self._http.post("/", json=requests).json()}
        results = [bytes.fromhex(answers[item["id"]][2:]) for item in requests]
        return [
            _decode(_kind(target), function, data)
            for (target, function, _), data in zip(calls, results, strict=True)
        ]

    def address(self, target: str) -> str:
        return self.addresses.get(target, target)

    def mine_at(self, time: int) -> None:
        self.rpc("evm_setNextBlockTimestamp", time)
        self.rpc("evm_mine")

    def now(self) -> int:
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)  # noqa: FBT003 - JSON

    def close(self) -> None:
        self._http.close()

    def _deploy(self, code: str) -> str:
        tx_hash = self.rpc(
            "eth_sendTransaction", {"from": self._deployer, "data": code, "gas": hex(25_000_000)}
        )
        receipt = self._receipt(tx_hash)
        if receipt["status"] != "0x1":
            raise RuntimeError("a contract was not deployed")
        return str(Web3.to_checksum_address(receipt["contractAddress"]))

    def _receipt(self, tx_hash: str) -> Any:
        deadline = time.monotonic() + MINED_WITHIN_S
        while time.monotonic() < deadline:
            receipt = self.rpc("eth_getTransactionReceipt", tx_hash)
            if receipt is not None:
                return receipt
        raise RuntimeError("a transaction was not mined")

    def _request(self, method: str, params: tuple[object, ...]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}


def compile_registry_with(bugs: dict[str, str]) -> str:
    """Return the creation code of the registry, and so of all contracts, with texts of their sources replaced."""
    node = ROOT / "deploy" / "node"
    made = subprocess.run(
        ["node", str(node / "compile.mjs"), "--input"], capture_output=True, check=True, timeout=120
    )
    task = json.loads(made.stdout)
    for right, wrong in bugs.items():
        places = [n for n in (ESCROW_SOURCE, REGISTRY_SOURCE) if right in task["sources"][n]["content"]]
        if len(places) != 1 or task["sources"][places[0]]["content"].count(right) != 1:
            raise RuntimeError(f"expected exactly one {right!r} in the contracts")
        source = task["sources"][places[0]]
        source["content"] = source["content"].replace(right, wrong)
    task["settings"] |= {
        "viaIR": False,  # seconds instead of half a minute
        "optimizer": {"enabled": True, "runs": 1},
        "outputSelection": {REGISTRY_SOURCE: {"Registry": ["evm.bytecode.object"]}},
    }
    command = ["node", str(node / "solc.mjs"), "--standard-json"]
    done = subprocess.run(
        command, input=json.dumps(task), text=True, capture_output=True, check=True, timeout=300
    )
    return "0x" + str(
        json.loads(done.stdout)["contracts"][REGISTRY_SOURCE]["Registry"]["evm"]["bytecode"]["object"]
    )


def _kind(target: str) -> str:
    names = {"registry": "Registry", "escrow": "Escrow", "plain": "TestToken", "hostile": "HostileToken"}
    return names.get(target, "Datatoken")


@cache
def _abi(kind: str) -> list[dict[str, Any]]:
    abi: list[dict[str, Any]] = (
        load_hostile(kind)["abi"] if kind == "HostileToken" else load_artifact(kind).abi
    )
    return abi


@cache
def _contract(kind: str) -> Any:
    return Web3().eth.contract(abi=_abi(kind))


@cache
def _outputs(kind: str, function: str) -> list[str]:
    entry = next(item for item in _abi(kind) if item["type"] == "function" and item["name"] == function)
    return [collapse_if_tuple(item) for item in entry["outputs"]]


def _decode(kind: str, function: str, data: bytes) -> Any:
    values = decode(_outputs(kind, function), data)
    value = values[0] if len(values) == 1 else values
    return Web3.to_checksum_address(str(value)) if _outputs(kind, function) == ["address"] else value


@cache
def _errors() -> dict[str, str]:
    found = {}
    for kind in ("Registry", "Escrow", "TestToken", "HostileToken", "Datatoken"):
        for entry in _abi(kind):
            if entry["type"] == "error":
                types = ",".join(collapse_if_tuple(item) for item in entry["inputs"])
                found["0x" + keccak(text=f"{entry['name']}({types})")[:4].hex()] = entry["name"]
    return found


def _failure(error: dict[str, Any]) -> Failure:
    return Failure(_errors().get(str(error.get("data", ""))[:10], f"unknown: {error}"))
