"""A hospital whose provider can be told to lie: the real database, log, web application and contracts, driven dishonestly."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from cli.context import Session
from cli.main import run
from cli.mirrored import receipts_name, tile_name
from cli.output import Output
from datatokens.localchain import LocalChain
from datatokens.model import Asset
from provider.jobs.judge import Evaluation
from provider.jobs.logkeeping import LogKeeper
from provider.jobs.notary import Notary, Pace
from provider.jobs.receipting import Registrar
from provider.jobs.states import State
from provider.receipts.envelope import Envelope, parse_envelope, sign_envelope
from provider.receipts.facts import ReceiptFacts
from provider.receipts.keys import SigningKeys
from provider.receipts.log import entry_of_digest
from provider.receipts.note import Checkpoint, parse_checkpoint, parse_note, sign_checkpoint
from provider.receipts.statement import build_statement, parse_statement
from provider.receipts.tiles import list_tiles
from provider.receipts.tree import leaf_hash, root_of
from provider.settings import ProviderPaths
from provider.store.records import Ending, JobRecord, Settled
from provider.store.tables import CheckpointRow, LogEntryRow
from sandbox.bundle import Bundle
from tests.hospital_fixtures import Hospital
from tests.log_samples import write
from tests.receipt_samples import sample_facts

ENDPOINT = "http://127.0.0.1:8600"
Lie = Callable[[ReceiptFacts], ReceiptFacts]


class LyingRegistrar(Registrar):
    """Signs what it is told to, in place of what was."""

    lie: Lie = staticmethod(lambda facts: facts)

    def draft(self, job: JobRecord, ending: Ending, evaluation: Evaluation, **more: Any) -> ReceiptFacts:
        return self.lie(super().draft(job, ending, evaluation, **more))

    def complete(self, facts: ReceiptFacts, settled: Settled | None, *, index: int) -> ReceiptFacts:
        return replace(super().complete(facts, settled, index=index), privacy=facts.privacy)


@dataclass(slots=True)
class AuditHouse:
    """A provider, and whoever audits it."""

    hospital: Hospital
    rpc_url: str
    folder: Path
    asset: Asset
    bundle: Bundle

    def publish(self, keys: SigningKeys, endpoint: str = ENDPOINT) -> None:
        """Publish keys, and where the provider answers, by the provider's account."""
        public, lab = keys.public(), self.hospital.lab
        lab.chain.publish_keys(
            p256=public.p256,
            signer=public.signer,
            ed25519=public.ed25519,
            endpoint=endpoint,
            sender=lab.people.provider,
        )

    def refuse(self) -> None:
        """Have a paid job refused, receipted, anchored and refunded."""
        job_id = self.hospital.submit(self.asset, self.bundle, purpose="DUO:0000043")
        self.hospital.pay(self.asset, self.bundle, job_id)
        self.hospital.clerk.turn()
        self.hospital.notary.turn()

    def claim_run(
        self, lie: Lie = lambda facts: facts, *, paid: bool = True, keys: SigningKeys | None = None
    ) -> str:
        """Receipt a run that never was, and change what the receipt says; nothing is anchored yet."""
        hospital, lab = self.hospital, self.hospital.lab
        job_id = hospital.submit(self.asset, self.bundle)
        if paid:
            hospital.pay(self.asset, self.bundle, job_id)
            hospital.clerk.turn()
        else:
            self._move(job_id, State.WAITING, State.QUEUED)
        self._move(job_id, State.QUEUED, State.RUNNING)
        self._move(job_id, State.RUNNING, State.CHECKING)
        job = hospital.job(job_id)
        evaluation = hospital.judge.evaluate(job, now=lab.now)
        ending = Ending(
            State.RELEASED, "released", "", evaluation.open_order_ids, ran=paid, release=lab.blobs.put(b"x")
        )
        registrar = LyingRegistrar(
            lab.services.identity, lab.database, keys or hospital.keys, clock=lambda: lab.now
        )
        registrar.lie = lambda facts: lie(claimed(facts))
        assert registrar.finish(job, ending, evaluation, rule="")
        return job_id

    def anchor(self, keys: SigningKeys | None = None) -> None:
        """Sign a checkpoint, anchor it, and settle."""
        lab = self.hospital.lab
        notary = Notary(
            lab.services.identity,
            lab.database,
            lab.chain,
            keys=keys or self.hospital.keys,
            sender=lab.people.provider,
            pace=Pace(lambda: 0, lambda: lab.now),
            log_folder=ProviderPaths(lab.home).log,
        )
        assert notary.turn()

    def rewrite(self, index: int) -> None:
        """Show another receipt in place of one that was anchored, with a log and a checkpoint that go with it."""
        lab = self.hospital.lab
        ledger, folder = lab.database.ledger, ProviderPaths(lab.home).log
        anchored = ledger.find_checkpoint(anchored=True)
        assert anchored is not None
        envelope, note = self._change(index), self.sign_another_history(index)
        with ledger._write() as session:
            row = session.get_one(LogEntryRow, index)
            row.envelope, row.digest = envelope.to_json(), hashlib.sha256(envelope.pae).digest()
            session.execute(delete(CheckpointRow))
        shutil.rmtree(folder)
        root = LogKeeper(ledger, folder).update(anchored.size)
        with ledger._write() as session:
            session.add(
                CheckpointRow(
                    size=anchored.size, root=root, note=note, tx_hash=anchored.tx_hash, block=anchored.block
                )
            )

    def sign_another_history(self, index: int) -> str:
        """Return a checkpoint, of the size of the log, over another receipt in place of one."""
        lab = self.hospital.lab
        size = lab.database.ledger.size()
        digests = lab.database.ledger.digests(0, size)
        digests[index] = hashlib.sha256(self._change(index).pae).digest()
        root = root_of([leaf_hash(entry_of_digest(digest)) for digest in digests])
        return sign_checkpoint(Checkpoint(lab.services.identity.origin, size, root), self.hospital.keys)

    def _change(self, index: int) -> Envelope:
        envelope, *_ = self.hospital.lab.database.ledger.envelopes(index, index + 1)
        facts = parse_statement(parse_envelope(envelope).payload).facts
        facts = replace(facts, policy=replace(facts.policy, engine="sealroom-policy/2"))
        return sign_envelope(build_statement(facts), self.hospital.keys)

    def copy(self) -> Path:
        """Copy what the provider's web application shows, believing all of it."""
        client, target = self.hospital.lab.client, self.folder / "log"
        note = client.get("/v1/log/checkpoint").data
        for tile in list_tiles(0, parse_checkpoint(parse_note(note.decode()).text).size):
            write(target / tile_name(tile), client.get(f"/v1/log/{tile_name(tile)}").data)
            if tile.level is None:
                write(target / receipts_name(tile), client.get(f"/v1/log/{receipts_name(tile)}").data)
        write(target / "checkpoint", note)
        return target

    def audit(
        self, capsys: pytest.CaptureFixture[str], *words: str, log: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Run `sealroom audit run` against the chain as anybody would; returns exit code and report."""
        deployment = self.folder / "deployment.json"
        self.hospital.lab.chain.deployment.save(deployment)
        session = Session({}, Output(), interactive=False, home_path=self.folder / "nobody")
        command = ["--json", "audit", "run", log or str(self.copy()), "--rpc", self.rpc_url, *words]
        code = run([*command, "--deployment", str(deployment)], session)
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return int(code), document

    def _move(self, job_id: str, source: State, target: State) -> None:
        moved = self.hospital.lab.database.jobs.move(
            job_id, source, target, code="", message="", now=self.hospital.lab.now, attempt=1
        )
        assert moved


def claimed(facts: ReceiptFacts) -> ReceiptFacts:
    """Return what a receipt would say of a run that released two files."""
    sample, decided = sample_facts(SigningKeys.generate(1)), facts.policy.decided
    assert sample.run is not None
    run = replace(sample.run, started=decided, finished=decided + 10)
    return replace(
        facts,
        sandbox=sample.sandbox,
        run=run,
        outputs=sample.outputs,
        privacy=sample.privacy,
        egress=sample.egress,
    )


@pytest.fixture
def audit_house(hospital: Hospital, anvil: LocalChain, tmp_path: Path) -> AuditHouse:
    asset, bundle = hospital.accepted()
    house = AuditHouse(hospital, anvil.rpc_url, tmp_path / "auditor", asset, bundle)
    house.publish(hospital.keys)
    return house
