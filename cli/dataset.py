"""`sealroom dataset`: offer data, find it, and govern what runs on it."""

from __future__ import annotations

from pathlib import Path

import click

from cli import approvals, books, finding, ledgercommands, schemas, terms
from cli.amounts import parse_amount, parse_positive
from cli.context import Session, SessionGroup, pass_session
from cli.ids import ADDRESS, ASSET_ID
from cli.output import fields, say_transaction

DEFAULT_MAX_DEADLINE_S = 7 * 86400


@click.group(cls=SessionGroup)
def dataset() -> None:
    """Register, find and govern datasets."""


@dataset.command("add")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="What people will see.")
@click.option("--policy", required=True, type=click.Path(path_type=Path), help="The policy, a YAML file.")
@click.option("--price", required=True, help="Price of one job, in tokens.")
@click.option("--description", default="", help="A few sentences for people.")
@click.option(
    "--schema", type=click.Path(path_type=Path), help="What the columns hold, a YAML file; published."
)
@click.option(
    "--token", type=ADDRESS, metavar="ADDRESS", help="Payment token (default: the deployment's test token)."
)
@click.option(
    "--provider-share-bps", type=click.IntRange(0, 10_000), default=0, help="The provider's part, of 10000."
)
@click.option(
    "--max-deadline-s",
    type=click.IntRange(60, 2**32 - 1),
    default=DEFAULT_MAX_DEADLINE_S,
    show_default=True,
    help="Longest time an order may stay open.",
)
@click.option("--community", type=ADDRESS, metavar="ADDRESS", help="Who has a share of each price as well.")
@click.option("--community-share-bps", type=click.IntRange(1, 10_000), help="The community's part, of 10000.")
@click.option("--cap", help="Most datatokens that sales and gifts let circulate (default: no cap).")
@pass_session
def add(  # noqa: PLR0913 - one argument per option
    session: Session,
    path: Path,
    *,
    name: str,
    policy: Path,
    price: str,
    description: str,
    schema: Path | None,
    token: str | None,
    provider_share_bps: int,
    max_deadline_s: int,
    community: str | None,
    community_share_bps: int | None,
    cap: str | None,
) -> None:
    """Register the data at PATH (under the provider's data root); run again to finish after a crash."""
    from cli.datasets import NewDataset, locate_data, register_dataset
    from cli.governing import read_policy, read_table_schema
    from cli.money import get_token

    payment_token = get_token(session, token)
    new = NewDataset(
        path=locate_data(session.home, path),
        name=name,
        description=description,
        policy=read_policy(policy),
        table_schema=read_table_schema(schema) if schema is not None else None,
        price_wei=parse_amount(price, payment_token.decimals),
        payment_token=payment_token,
        provider_share_bps=provider_share_bps,
        max_deadline_s=max_deadline_s,
        community=community,
        community_share_bps=community_share_bps or 0,
        cap_wei=parse_positive(cap) if cap is not None else 0,
    )
    done = register_dataset(session, new)
    document = {
        **done.view.model_dump(mode="json"),
        "transaction": done.transaction,
        "gas_used": done.gas_used,
    }
    session.output.data(document, lambda: fields(document))


@dataset.command("price")
@click.argument("asset_id", type=ASSET_ID)
@click.argument("price")
@pass_session
def price_(session: Session, asset_id: str, price: str) -> None:
    """Set the price of one job; orders already placed keep theirs."""
    from cli.datasets import get_asset
    from cli.money import write_amount

    chain, asset = session.get_chain(), get_asset(session, asset_id)
    token = chain.get_token(asset.terms.payment_token)
    price_wei = parse_amount(price, token.decimals)
    result = chain.set_price(asset.token_id, price_wei, sender=session.get_account())
    facts = {"asset_id": asset_id, "price": write_amount(price_wei, token), "price_wei": str(price_wei)}
    say_transaction(session.output, result, facts)


@dataset.command("retire")
@click.argument("asset_id", type=ASSET_ID)
@pass_session
def retire(session: Session, asset_id: str) -> None:
    """Retire a dataset for good: no new approvals, no new orders."""
    from cli.datasets import get_asset

    asset = get_asset(session, asset_id)
    result = session.get_chain().retire(asset.token_id, sender=session.get_account())
    say_transaction(session.output, result, {"asset_id": asset_id, "retired": True})


finding.add_commands(dataset)
schemas.add_commands(dataset)
approvals.add_commands(dataset)
books.add_commands(dataset)
ledgercommands.add_commands(dataset)
terms.add_commands(dataset)
