"""Makes the files of a dataset that nobody has, from its description: for people to look at, and for jobs to be tried on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.described import get_schema
from cli.errors import InputError, MismatchError

if TYPE_CHECKING:
    from provider.description import Description
    from sandbox.bundle import Bundle

RECEIPT, COUNTS = "receipt.jsonl", "model.safetensors"


def make_rows(description: Description, folder: Path, *, rows: int, seed: int) -> None:
    """Write `rows` rows drawn from the schema alone into a new folder, laid out as the description tells.

    Raises:
        InputError: there is no schema, the description contradicts itself, or the folder is there already.
    """
    from cli.synthetic import draw_rows
    from cli.tablewriting import check_layout, write_tables

    schema = get_schema(description)
    check_layout(description, schema, rows)
    write_tables(description, schema, draw_rows(schema, rows, seed=seed), folder)


def make_measured_rows(
    description: Description, released: Path, bundle: Bundle, folder: Path, *, rows: int, seed: int
) -> None:
    """Write rows drawn from the counts that a synthesis recipe released, laid out as the description tells.

    `released` is the folder that `sealroom job fetch` wrote, or a trial's; a receipt in it has to be of this bundle.

    Raises:
        InputError: see `make_rows`; the bundle is no synthesis recipe or for another schema, or the counts are not its.
        MismatchError: the receipt is of another algorithm.
    """
    from cli.marginals import draw_measured, read_counts
    from cli.tablewriting import check_layout, write_tables
    from sandbox.counting import SynthesisRecipe

    schema, recipe = get_schema(description), bundle.manifest.recipe
    if not isinstance(recipe, SynthesisRecipe):
        raise InputError(
            "--recipe: expected a bundle of a recipe with the task synthesis", code="recipe-invalid"
        )
    check_layout(description, schema, rows)
    _check_receipt(released / RECEIPT, bundle)
    counts = read_counts(released / COUNTS, recipe)
    write_tables(description, schema, draw_measured(recipe, schema, counts, rows, seed=seed), folder)


def _check_receipt(path: Path, bundle: Bundle) -> None:
    from cli.verifying import read_receipt

    if not path.exists():
        return
    algorithm = read_receipt(path)[1].facts.inputs.algorithm
    if algorithm != bundle.digest:
        raise MismatchError(
            f"algorithm: the receipt has {algorithm}, the bundle is {bundle.digest}",
            code="algorithm-differs",
            remedy="give the recipe's bundle that the job ran with",
        )
