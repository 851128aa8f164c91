"""`sealroom provider`: which provider this home folder trusts with jobs, and the file that lets others verify it."""

from __future__ import annotations

from pathlib import Path

import click

from cli import keyring
from cli.context import Session, SessionGroup, pass_session
from cli.ids import ADDRESS
from cli.output import fields, table


@click.group(cls=SessionGroup)
def provider() -> None:
    """Connect to a provider, and publish what verifies it."""


@provider.command("connect")
@click.option("--url", required=True, help="The provider's address, such as http://127.0.0.1:8830.")
@click.option("--rpc-url", required=True, help="A JSON-RPC endpoint of the chain.")
@click.option("--provider", "address", required=True, help="The provider's account, learned from its owner.")
@click.option("--deployment", required=True, type=click.Path(path_type=Path), help="The deployment file.")
@pass_session
def connect(session: Session, url: str, rpc_url: str, address: str, deployment: Path) -> None:
    """Use a provider and a chain that run elsewhere; checks that each is what it should be."""
    from cli.connecting import connect_home

    view = connect_home(session, url=url, rpc_url=rpc_url, provider=address, deployment_file=deployment)
    session.output.data(view.model_dump(mode="json"), lambda: fields(view.model_dump(mode="json")))


@provider.command("show")
@pass_session
def show(session: Session) -> None:
    """Show the provider and the key sets it has published on chain."""
    from provider.wire import ProviderView

    view = session.get_api().get_model("/v1/provider", ProviderView)
    account = session.get_api().get_provider()
    keys = session.get_chain().list_keys(account)
    rows = [(key.index, key.signer, key.valid_from, key.valid_until or "-", key.revoked) for key in keys]
    document = {
        **view.model_dump(mode="json"),
        "keys": [
            {
                "index": key.index,
                "signer": key.signer,
                "endpoint": key.endpoint,
                "valid_from": key.valid_from,
                "valid_until": key.valid_until,
                "revoked": key.revoked,
            }
            for key in keys
        ],
    }
    heading = ("KEYS", "SIGNER", "FROM", "UNTIL", "REVOKED")
    session.output.data(
        document,
        lambda: fields(view.model_dump(mode="json")) + "\n\n" + table(heading, rows, empty="no keys"),
    )


@provider.command("trust")
@click.option("--provider", "address", type=ADDRESS, metavar="ADDRESS", help="Default: the pinned provider.")
@click.option(
    "--output",
    "target",
    type=click.Path(path_type=Path),
    default=Path("provider-keys.json"),
    show_default=True,
    help="The trust root file to write.",
)
@pass_session
def trust(session: Session, address: str | None, target: Path) -> None:
    """Write the trust root file: keys and anchors read from the chain, not from the provider."""
    from cli.home import write_file
    from cli.trusting import build_trust

    root = build_trust(session.get_chain(), address or session.get_provider())
    write_file(target, root.to_json(), mode=0o644)
    document = {
        "file": str(target),
        "provider": root.provider,
        "keys": len(root.keys),
        "anchors": len(root.anchors),
    }
    session.output.data(document, lambda: fields(document))


@provider.command("allow-owner")
@click.argument("who")
@pass_session
def allow_owner(session: Session, who: str) -> None:
    """Let an account (address or key name) offer datasets on this provider; for its operator."""
    from cli.operating import allow_owner as allow

    owners = allow(session.home, who)
    session.output.data({"owners": owners}, lambda: "\n".join(owners))


keyring.add_commands(provider)
