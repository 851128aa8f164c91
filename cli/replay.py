"""`sealroom audit replay`: runs a job again, for whoever holds its data, and says whether the same came out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import Session, SessionCommand, pass_session
from cli.errors import ExitCode
from cli.output import plain, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cli.distances import Distance
    from cli.repetition import Ending, Replay
    from provider.receipts.facts import ReceiptFacts
    from sandbox.spec import RunSpec

    Distances = Mapping[str, Sequence[Distance]]

DIGEST_PREFIX = "sha256:"
SHORT = len(DIGEST_PREFIX) + 12
PATH = click.Path(path_type=Path)
VERDICTS = {"reproduced": "REPRODUCED", "differs": "DIFFERS", "ended-otherwise": "ENDED OTHERWISE"}


@click.command("replay", cls=SessionCommand)
@click.argument("job", metavar="JOB|RECEIPT")
@click.option(
    "--data",
    "data",
    type=PATH,
    multiple=True,
    required=True,
    help="A dataset's file or folder; once for each dataset, in the receipt's order.",
)
@click.option("--bundle", type=PATH, help="The algorithm's folder (default: fetched from the provider).")
@click.option(
    "--description",
    "descriptions",
    type=PATH,
    multiple=True,
    help="A dataset's public description; once for each dataset (default: fetched, when JOB is an id).",
)
@click.option(
    "--released", type=PATH, help="The folder of what was fetched, to tell how far apart files are."
)
@click.option(
    "--any-runtime", is_flag=True, help="Run where the engine lacks the receipt's runtime, in another seal."
)
@click.option("-o", "--output", type=PATH, help="A new folder for what the gate lets out of the repetition.")
@pass_session
def replay(
    session: Session,
    job: str,
    *,
    data: tuple[Path, ...],
    bundle: Path | None,
    descriptions: tuple[Path, ...],
    released: Path | None,
    any_runtime: bool,
    output: Path | None,
) -> ExitCode:
    """Run a job again in the same seal, on the data of its receipt, and compare the digests of what leaves.

    Signatures are not checked here: `sealroom receipt verify` does. Exits 4 when something else came out.
    """
    from cli.distances import measure_files
    from cli.gathering import Sources, check_new, check_released, gather, keep
    from cli.localruns import open_workplace
    from cli.repetition import Verdict
    from cli.replaying import replay as repeat

    materials = gather(session, Sources(job, data, bundle, descriptions))
    if released is not None:
        check_released(materials, released)
    if output is not None:
        check_new(output)
    facts, outputs = materials.job.facts, materials.bundle.manifest.outputs
    with open_workplace("replay") as (engine, folder):
        found = repeat(
            engine,
            materials,
            folder / "run",
            any_runtime=any_runtime,
            on_start=lambda spec: _say(session, facts, spec),
        )
        distances = measure_files(found.files, released, outputs) if released is not None else {}
        if output is not None:
            keep(found.files, output)
    document = _document(facts.job.id, found, distances)
    session.output.data(document, lambda: _page(facts.job.id, found, distances))
    return ExitCode.OK if found.verdict is Verdict.REPRODUCED else ExitCode.VERIFICATION


def _say(session: Session, facts: ReceiptFacts, spec: RunSpec) -> None:
    wanted = facts.sandbox.runtime if facts.sandbox else ""
    if spec.runtime.value != wanted:
        session.output.say(
            f"this engine has no {plain(wanted)}: the job runs on {spec.runtime.value}, another seal"
        )
    session.output.say("the receipt is taken at its word; `sealroom receipt verify` tells whether it is true")
    session.output.say(f"job {facts.job.id} runs again, for at most {spec.limits.time_s} s")


def _document(job_id: str, found: Replay, distances: Distances) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "verdict": found.verdict.value,
        "receipt": asdict(found.receipt),
        "here": asdict(found.here),
        "conditions": [asdict(item) for item in found.conditions],
        "files": [
            {
                "name": file.name,
                "receipt": file.receipt,
                "here": file.here,
                "same": file.is_same,
                "distances": [asdict(item) for item in distances.get(file.name, ())],
            }
            for file in found.files
        ],
    }


def _page(job_id: str, found: Replay, distances: Distances) -> str:
    rows = [(item.name, item.receipt, item.here) for item in found.conditions]
    rows += [("ended", _words(found.receipt), _words(found.here))]
    rows += [(file.name, file.receipt or "not released", file.here or "not released") for file in found.files]
    marked = [(*map(_short, row), "same" if row[1] == row[2] else "differs") for row in rows]
    parts = [table(["", "RECEIPT", "HERE", ""], marked)]
    parts += [_distance_table(name, items) for name, items in distances.items()]
    return "\n\n".join([*parts, f"{VERDICTS[found.verdict.value]}: job {job_id}"])


def _short(text: str) -> str:
    return text[:SHORT] if text.startswith(DIGEST_PREFIX) else text


def _words(ending: Ending) -> str:
    return " ".join(dict.fromkeys(word for word in (ending.outcome, ending.reason, ending.rule) if word))


def _distance_table(name: str, items: Sequence[Distance]) -> str:
    rows = [asdict(item) for item in items]
    columns = [key for key in rows[0] if key != "problem" or any(row[key] for row in rows)]
    lines = [[_number(row[key]) for key in columns] for row in rows]
    return f"{name}:\n{table([key.replace('_', ' ').upper() for key in columns], lines)}"


def _number(value: object) -> object:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else value
