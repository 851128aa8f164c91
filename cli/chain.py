"""`sealroom chain`: put the contracts on a chain, show where they are, check that they are what was deployed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import Session, SessionGroup, pass_session
from cli.output import fields

if TYPE_CHECKING:
    from datatokens.model import Deployment


@click.group(cls=SessionGroup)
def chain() -> None:
    """Deploy the contracts on a chain, show and check them."""


@chain.command("deploy")
@click.option("--rpc-url", required=True, help="The chain's node.")
@click.option(
    "--test-token", is_flag=True, help="Also deploy the token that anybody can make: never for real money."
)
@click.option("--max-tip-gwei", type=click.IntRange(0), help="The most to offer as a tip for a unit of gas.")
@click.option("--max-fee-gwei", type=click.IntRange(1), help="The most to offer for a unit of gas in all.")
@pass_session
def deploy(
    session: Session, *, rpc_url: str, test_token: bool, max_tip_gwei: int | None, max_fee_gwei: int | None
) -> None:
    """Deploy the contracts with the key of --as; what is there already is verified and left.

    The same version has the same addresses on every chain. The manifest is kept under the home folder, by chain id.
    """
    from cli.manifests import save_manifest
    from datatokens.deploy import deploy_contracts
    from datatokens.fees import limits_of

    deployment = deploy_contracts(
        rpc_url,
        session.get_account(),
        with_test_token=test_token,
        fees=limits_of(max_tip_gwei, max_fee_gwei),
        say=session.output.say,
        review=session.review,
    )
    path = save_manifest(session.home, deployment)
    session.output.data(_document(deployment, manifest=str(path)), lambda: _words(deployment, manifest=path))


@chain.command("show")
@click.option(
    "--chain-id", type=click.IntRange(1), help="A chain deployed to from here (default: the one in use)."
)
@pass_session
def show(session: Session, *, chain_id: int | None) -> None:
    """Show a chain's manifest: addresses, code hashes, and the blocks that hold the contracts' creation."""
    from cli.manifests import load_manifest

    deployment = session.get_deployment() if chain_id is None else load_manifest(session.home, chain_id)
    session.output.data(_document(deployment), lambda: _words(deployment))


@chain.command("check")
@click.option("--rpc-url", help="The chain's node (default: the one in use).")
@click.option(
    "--deployment",
    type=click.Path(path_type=Path),
    help="The manifest to check by (default: the one in use or, with --rpc-url, the one kept for that chain's id).",
)
@pass_session
def check(session: Session, *, rpc_url: str | None, deployment: Path | None) -> None:
    """Check that a node is on the manifest's chain and has its code; exits 4 when it is another, 5 without an answer."""
    from cli.manifests import check_manifest

    checked = check_manifest(session, rpc_url=rpc_url, deployment=deployment)
    session.output.data(
        _document(checked, checked=True),
        lambda: _words(checked) + "\n\nThe chain and every code hash are as they should be.",
    )


def _document(deployment: Deployment, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    from dataclasses import asdict

    return {**asdict(deployment), **more}


def _words(deployment: Deployment, **more: object) -> str:
    from datatokens.trusted import named_addresses

    lines: dict[str, object] = {"chain id": deployment.chain_id}
    for name, address in named_addresses(deployment).items():
        word = name.replace("_", " ")
        lines[word] = f"{address}  since block {deployment.blocks.get(name, '?')}"
        lines[f"{word} code"] = deployment.code_hashes.get(name)
    return fields(lines | more)
