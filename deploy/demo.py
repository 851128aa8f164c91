"""Plays owner, scientist and auditor through the real command, on real data, in the home folder `.demo`.

    demo.py run    from nothing to a verified receipt; writes .demo/summary.json
    demo.py up     start the stack and leave it running
    demo.py down   stop it

Every step is a `sealroom` command as a person would type it; this file adds nothing but the order.
"""

from __future__ import annotations

import argparse
import base64
import json
import secrets
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(".demo")
COMMAND = Path(".venv/bin/sealroom")
DATASET = Path("examples/breast_cancer/wdbc.csv")
POLICY = Path("examples/breast_cancer/policy.yaml")
SCHEMA = Path("examples/breast_cancer/schema.yaml")
ALGORITHM = Path("examples/algorithms/torch_mlp")
PURPOSE = "DUO:0000006"
PRICE = "5"
RESULT = HOME / "result"
TRUST = HOME / "provider-keys.json"
REPORT = HOME / "audit.html"
TRANSFER = (
    "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"  # ERC-721 Transfer(from, to, token)
)
ZERO = f"0x{0:064x}"


class Stage:
    """Runs commands, shows them, and keeps the time of each act."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def act(self, name: str, what: str) -> Iterator[None]:
        """Announce an act and time it."""
        print(f"\n== {what}", flush=True)
        begun = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begun, 2)

    def run(self, *words: str, person: str | None = None, show: bool = True) -> dict[str, Any]:
        """Run one `sealroom` command with --json and return what it printed; stop the demo if it fails."""
        identity = ["--as", person] if person else []
        settings = ["--home", str(HOME), "--password-file", str(HOME / "password")]
        if show:
            print(f"$ sealroom {shlex.join([*identity, *words])}", flush=True)
        done = subprocess.run(
            [str(COMMAND), "--json", *settings, *identity, *words],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            print(done.stdout, file=sys.stderr)
            sys.exit(f"demo: the command above ended with exit code {done.returncode}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def is_running() -> bool:
    """Say whether the demo's stack is up already."""
    words = [str(COMMAND), "--home", str(HOME), "status"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def prepare(stage: Stage) -> dict[str, Any]:
    """Start the stack, with keys for an owner and a scientist, and put the data where the provider finds it."""
    HOME.mkdir(exist_ok=True)
    password = HOME / "password"
    if not password.exists():
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24) + "\n")
    stack = stage.run("up")
    people = {account["name"] for account in stage.run("account", "list", show=False)["accounts"]}
    for person in {"owner", "scientist"} - people:
        stage.run("account", "new", person)
    stage.run("provider", "allow-owner", "owner")
    for person in ("owner", "scientist"):
        stage.run("account", "fund", person)
    (HOME / "data").mkdir(exist_ok=True)
    shutil.copyfile(DATASET, HOME / "data" / DATASET.name)
    return stack


def register(stage: Stage) -> dict[str, Any]:
    """Offer the dataset; return the command's answer."""
    words = ["dataset", "add", DATASET.name, "--name", "Breast cancer, Wisconsin", "--policy", str(POLICY)]
    return stage.run(*words, "--schema", str(SCHEMA), "--price", PRICE, person="owner")


def ask_and_approve(stage: Stage, asset_id: str, image: str) -> dict[str, Any]:
    """Have the scientist ask and the owner read and approve; return the approval."""
    words = [
        "algorithm",
        "request",
        str(ALGORITHM),
        "--image",
        image,
        "--dataset",
        asset_id,
        "--purpose",
        PURPOSE,
    ]
    asked = stage.run(*words, person="scientist")
    stage.run("dataset", "requests", person="owner")
    code = stage.run("algorithm", "show", asked["algorithm"], "--file", "train.py", person="owner")
    print(f"  (the owner reads {sum(len(text.splitlines()) for text in code['code'].values())} lines)")
    return stage.run("dataset", "approve", asked["algorithm"], "--dataset", asset_id, person="owner")


def submit(stage: Stage, asset_id: str, algorithm: str) -> dict[str, Any]:
    """Submit, wait and fetch; return the job."""
    job_file = HOME / "job.yaml"
    job_file.write_text(
        f"dataset: {asset_id}\nalgorithm: {algorithm}\nparameters: {{epochs: 40, seed: 7}}\n"
        f'purpose: {PURPOSE}\nmax_price: "{PRICE}"\n'
    )
    job = stage.run("job", "submit", str(job_file), "--wait", person="scientist")
    shutil.rmtree(RESULT, ignore_errors=True)
    stage.run("job", "fetch", job["job_id"], "--output", str(RESULT), person="scientist")
    print("  metrics:", (RESULT / "metrics.json").read_text())
    return job


def audit(stage: Stage, url: str, rpc_url: str) -> None:
    """Audit the provider's log, write the report, and show what was found."""
    contracts = HOME / "chain" / "deployment.json"
    words = ["audit", "run", url, "--rpc", rpc_url, "--deployment", str(contracts), "--html", str(REPORT)]
    found = stage.run(*words)
    passed = sum(line["result"] == "passed" for line in found["checks"])
    print(
        f"  {found['verdict']}: {found['entries']} receipts, {passed} checks passed; the report is {REPORT}"
    )


def verify(arguments: list[str]) -> None:
    """Run the auditor's command as it stands, and show what it says."""
    print("$ " + shlex.join(arguments), flush=True)
    done = subprocess.run(arguments, check=False)
    if done.returncode:
        sys.exit(f"demo: verification ended with exit code {done.returncode}")


def ask_chain(rpc_url: str, method: str, *parameters: object) -> Any:  # noqa: ANN401 - by the method
    """Ask the chain one question by JSON-RPC."""
    question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
    request = urllib.request.Request(  # noqa: S310 - the local chain's own address
        rpc_url, json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        return json.load(answer)["result"]


def gas_used(rpc_url: str, tx_hash: str) -> int:
    """Return what a transaction used."""
    return int(ask_chain(rpc_url, "eth_getTransactionReceipt", tx_hash)["gasUsed"], 16)


def find_registration(rpc_url: str, token_id: str) -> str:
    """Return the transaction that minted an asset; `dataset add` registers the same data once, in whichever run."""
    registry = json.loads((HOME / "chain" / "deployment.json").read_text())["registry"]
    topics = [TRANSFER, ZERO, None, f"0x{int(token_id):064x}"]
    logs = ask_chain(rpc_url, "eth_getLogs", {"fromBlock": "0x0", "address": registry, "topics": topics})
    return str(logs[0]["transactionHash"])


def read_runtime(receipt: Path) -> str:
    """Return the runtime that the receipt names."""
    envelope = json.loads(receipt.read_text())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    return str(statement["predicate"]["sandbox"]["runtime"])


def play(image: str) -> None:
    """Play the whole demo."""
    stage, begun = Stage(), time.monotonic()
    was_running = is_running()
    with stage.act("up", "The hospital's IT starts the provider"):
        stack = prepare(stage)
    addresses = {part["part"]: part["url"] for part in stack["parts"]}
    rpc_url = addresses["chain"]
    with stage.act("register", "The owner offers a dataset"):
        dataset = register(stage)
    with stage.act("approve", "The scientist asks, the owner reads the code and approves its digest"):
        approval = ask_and_approve(stage, dataset["asset_id"], image)
    with stage.act("job", "The scientist submits a job; it runs sealed; what passes the gate comes back"):
        job = submit(stage, dataset["asset_id"], approval["algorithm"])
    receipt, proof = RESULT / "receipt.jsonl", RESULT / "receipt.tlog-proof"
    with stage.act("trust", "The owner publishes the keys and anchors that stand on the chain"):
        stage.run("provider", "trust", "--output", str(TRUST), person="owner")
    with stage.act("audit", "An auditor goes through the provider's whole log, beside the chain"):
        audit(stage, addresses["api"], rpc_url)
    if not was_running:
        stage.run("down", "--keep-chain")
    offline = [str(COMMAND), "receipt", "verify", str(receipt)]
    offline += ["--artifact", str(RESULT / "model.safetensors"), "--trust", str(TRUST)]
    with stage.act(
        "verify", "The auditor verifies, offline" + ("" if was_running else ", with the provider stopped")
    ):
        verify(offline)
    stage.seconds["total"] = round(time.monotonic() - begun, 2)
    summary = {
        "asset_id": dataset["asset_id"],
        "algorithm_digest": approval["algorithm"],
        "job_id": job["job_id"],
        "order_tx": job["order_tx"],
        "anchor_tx": job["anchor_tx"],
        "receipt": str(receipt),
        "proof": str(proof),
        "artifacts": [str(RESULT / name) for name in ("model.safetensors", "metrics.json")],
        "verify": offline,
        "runtime": read_runtime(receipt),
        "rpc_url": rpc_url,
        "gas": {
            "register": gas_used(rpc_url, find_registration(rpc_url, dataset["token_id"])),
            "approve": gas_used(rpc_url, approval["transaction"]),
            "order": gas_used(rpc_url, job["order_tx"]),
            "anchor_settle": gas_used(rpc_url, job["anchor_tx"]),
        },
        "seconds": stage.seconds,
    }
    (HOME / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(f"\nDone in {stage.seconds['total']} s. {HOME / 'summary.json'} says where everything is.")
    if not was_running:
        print("The local chain still answers; `make down` stops it, `make up` starts everything again.")


def start() -> None:
    """Start the stack and say what to try next."""
    prepare(Stage())
    prefix = f"{COMMAND} --home {HOME} --password-file {HOME / 'password'}"
    print(f"\nThe stack runs. Try:\n  {prefix} status\n  {prefix} dataset list")
    print(f"  {prefix} --as owner dataset requests\n  {prefix} --as scientist job list")
    print(f"  {COMMAND} --help\n  make demo    # plays all three roles on this stack\n  make down")


def main() -> None:
    """Read the arguments and play."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("what", choices=["run", "up", "down"])
    parser.add_argument("--image-file", type=Path)
    arguments = parser.parse_args()
    if arguments.what == "run":
        play(arguments.image_file.read_text().strip())
    elif arguments.what == "up":
        start()
    else:
        Stage().run("down")


if __name__ == "__main__":
    main()
