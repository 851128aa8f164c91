"""`sealroom witness`: cosign other people's logs, compare what they show, and show a split view to third parties."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.context import Session, SessionGroup, pass_session
from cli.errors import InputError
from cli.output import fields

if TYPE_CHECKING:
    from cli.witnessing import Cosigned

FILE = click.Path(path_type=Path)
PASSWORD_OF = "the witness's key"  # noqa: S105 - what a prompt asks for


trust_option = click.option(
    "--trust", type=FILE, help="The trust root file that has the log's keys (default: those on the chain)."
)


@click.group(cls=SessionGroup)
def witness() -> None:
    """Cosign providers' logs, and show where one has two histories."""


@witness.command("init")
@click.argument("name")
@pass_session
def init(session: Session, name: str) -> None:
    """Make this home folder's witness key; NAME, such as ethics.example.org/w1, stands at each of its cosignatures."""
    from policies.witnesses import check_witness_name
    from provider.receipts.witnesskeys import create_witness_key

    check_witness_name(name)
    password = session.passwords.get_password(PASSWORD_OF, new=True)
    key = create_witness_key(session.home.witness_key, name, password).public().to_text()
    session.output.data({"name": name, "key": key}, lambda: key)
    session.output.say("a dataset's owner puts this key under `witnesses` in the policy")


@witness.command("show")
@pass_session
def show(session: Session) -> None:
    """Show this home's witness key, and what it has seen of which log."""
    from cli.witnessing import list_seen
    from provider.receipts.witnesskeys import read_witness_key

    key, seen = read_witness_key(_key_file(session)), list_seen(session.home)
    logs = [{"origin": item.origin, "size": item.size, "root": "0x" + item.root.hex()} for item in seen]
    words = {
        "key": key.to_text(),
        **{item.origin: f"size {item.size}, root 0x{item.root.hex()}" for item in seen},
    }
    session.output.data({"name": key.name, "key": key.to_text(), "logs": logs}, lambda: fields(words))


@witness.command("cosign")
@click.argument("log", metavar="[PROVIDER_OR_URL]", required=False)
@click.option(
    "--every", "every_s", type=click.IntRange(1), metavar="SECONDS", help="Go on, looking this often."
)
@trust_option
@pass_session
def cosign(
    session: Session,
    log: str | None,
    *,
    every_s: int | None,
    trust: Path | None,
) -> None:
    """Check that a log only grew since this witness last saw it, and cosign its newest checkpoint.

    Default: the provider that this home folder is connected to. Where the log shows two histories, nothing is cosigned and
    the evidence is written.
    """
    from cli.watchedlogs import open_log
    from cli.witnessing import cosign_again, cosign_log
    from provider.receipts.witnesskeys import load_witness_key

    signer = load_witness_key(_key_file(session), session.passwords.get_password(PASSWORD_OF))

    def look() -> Cosigned:
        with closing(watched := open_log(session, log, trust)):
            return cosign_log(session.home, watched, signer, now=int(time.time()))

    if every_s is None:
        _tell(session, look())
        return
    for done in cosign_again(look, every_s=every_s, say=session.output.say):
        _tell(session, done)


@witness.command("compare")
@click.argument("file", type=FILE)
@click.argument("log", metavar="[PROVIDER_OR_URL]", required=False)
@trust_option
@pass_session
def compare(
    session: Session,
    file: Path,
    log: str | None,
    *,
    trust: Path | None,
) -> None:
    """Compare a checkpoint that somebody else was shown with what this witness has seen of that log.

    FILE is a checkpoint, or a receipt's proof. Where the two exclude one another, the evidence is written.
    """
    from cli.watchedlogs import open_log
    from cli.witnessing import compare_with_seen, load_checkpoint

    with closing(watched := open_log(session, log, trust)):
        seen, other = compare_with_seen(session.home, watched, load_checkpoint(file))
    document = {"origin": seen.origin, "consistent": True, "seen": seen.size, "shown": other.size}
    session.output.data(document, lambda: f"consistent: {seen.origin} at sizes {seen.size} and {other.size}")


@witness.command("check-evidence")
@click.argument("file", type=FILE)
@trust_option
@pass_session
def check_evidence(session: Session, file: Path, *, trust: Path | None) -> None:
    """Check evidence of a split view; needs the file and the provider's keys, and no key, account or provider.

    Exits 0 when it convinces: the log's own key signed two checkpoints that can't both be of one log.
    """
    from cli.watchedlogs import check_evidence as check

    found = check(session, file, trust)
    document = {
        "split_view": True,
        "origin": found.origin,
        "checkpoints": [
            {"size": item.size, "root": "0x" + item.root.hex()} for item in (found.smaller, found.larger)
        ],
    }
    session.output.data(
        document,
        lambda: (
            f"SPLIT VIEW: {found.origin} signed checkpoints of sizes {found.smaller.size} and"
            f" {found.larger.size} that exclude one another"
        ),
    )


def _key_file(session: Session) -> Path:
    path = session.home.witness_key
    if not path.exists():
        raise InputError(
            "this home folder has no witness key",
            code="no-witness-key",
            remedy="run `sealroom witness init NAME`",
        )
    return path


def _tell(session: Session, done: Cosigned) -> None:
    checkpoint, names = done.checkpoint, [key.split("+", maxsplit=1)[0] for key in done.witnesses]
    document = {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": "0x" + checkpoint.root.hex(),
        "witnesses": list(done.witnesses),
    }
    session.output.data(document, lambda: fields({**document, "witnesses": ", ".join(names)}))
