"""`sealroom job try`: what would come of a job, seen on one's own machine and before anything is paid."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import Session, SessionCommand, pass_session
from cli.errors import ExitCode
from cli.ids import ASSET_ID, DIGEST
from cli.output import fields, plain, table

if TYPE_CHECKING:
    from cli.trying import TryReport
    from sandbox.spec import RunSpec

PATH = click.Path(path_type=Path)
DEFAULT_ROWS = 1000
ENDINGS = {"RELEASED": ExitCode.OK, "REFUSED": ExitCode.DENIED}
WORDS = {
    "RELEASED": "RELEASED: the gate would let this out",
    "WITHHELD": "WITHHELD: the gate would hold everything back",
    "WITHHELD-FOR-REVIEW": "WITHHELD FOR REVIEW: people would look at it first",
    "FAILED": "FAILED: nothing to judge",
    "REFUSED": "REFUSED: the policy would not let this run",
}


@click.command("try", cls=SessionCommand)
@click.argument("bundle", type=PATH)
@click.option("--image", type=DIGEST, help="Fill in the word IMAGE in algorithm.yaml: the image's id.")
@click.option("--data", type=PATH, multiple=True, help="A file or folder to run on; again for each dataset.")
@click.option(
    "--asset",
    "asset_id",
    type=ASSET_ID,
    help="The dataset that it is for: its policy, its id, and without --data rows made from its schema.",
)
@click.option(
    "--description",
    type=PATH,
    help="The dataset's description as a file, in place of --asset: nobody is asked.",
)
@click.option(
    "--policy", type=PATH, help="The policy to judge by (default: that of --asset, else every default)."
)
@click.option("--parameters", default="{}", show_default=True, help="As in job.yaml, such as '{epochs: 40}'.")
@click.option(
    "--rows",
    type=click.IntRange(1),
    default=DEFAULT_ROWS,
    show_default=True,
    help="How many to make where no --data is given.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the rows made.")
@click.option("-o", "--output", type=PATH, help="A new folder for log and files (default: one that is told).")
@pass_session
def try_(  # noqa: PLR0913 - one argument per option
    session: Session,
    bundle: Path,
    *,
    image: str | None,
    data: tuple[Path, ...],
    asset_id: str | None,
    description: Path | None,
    policy: Path | None,
    parameters: str,
    rows: int,
    seed: int,
    output: Path | None,
) -> ExitCode:
    """Run the bundle in folder BUNDLE sealed on this machine, and tell what the gate would say; costs nothing.

    Exits 6 when the gate would withhold it or it failed, 3 when the policy would not let it run.
    """
    from cli.bundles import pack_bundle
    from cli.gathering import check_new
    from cli.localruns import open_workplace
    from cli.trying import keep_results, parse_parameters, try_job
    from cli.tryinputs import Sources, gather_attempt

    packed, given = pack_bundle(bundle, image=image), parse_parameters(parameters)
    if output is not None:
        check_new(output)
    sources = Sources(data, asset_id, description, policy, rows, seed)
    with open_workplace("trial") as (engine, folder):
        attempt = gather_attempt(session, packed, given, sources, folder / "data")
        report = try_job(engine, attempt, folder / "run", on_start=lambda spec: _say(session, spec))
        target = output or Path(tempfile.mkdtemp(prefix=f"sealroom-{packed.manifest.name}-")) / "try"
        names = keep_results(report, target)
        document = _document(report, target, names)
        session.output.data(document, lambda: _page(report, target))
    return ENDINGS.get(report.verdict, ExitCode.JOB)


def _say(session: Session, spec: RunSpec) -> None:
    session.output.say(
        f"runs sealed on this machine under {spec.runtime.value}, for at most {spec.limits.time_s} s"
    )


def _document(report: TryReport, target: Path, names: tuple[str, ...]) -> dict[str, Any]:
    run, gate = report.run, report.gate
    return {
        "verdict": report.verdict,
        "rule": report.rule,
        "denied": [{"rule": rule.name, "detail": rule.detail} for rule in report.denied],
        "privacy": report.cost.model_dump(mode="json") if report.cost else None,
        "runtime": run.runtime.value if run else None,
        "reason": run.reason.value if run else None,
        "seconds": run.finished - run.started if run else None,
        "peak_memory_bytes": run.peak_memory_bytes if run else None,
        "checks": [{"name": check.name, "passed": check.ok} for check in gate.checks] if gate else [],
        "information_bits": gate.information_bits if gate else None,
        "log": report.log,
        "folder": str(target),
        "files": list(names),
    }


def _page(report: TryReport, target: Path) -> str:
    parts = (
        [table(["RULE", "WHY"], [(rule.name, rule.detail) for rule in report.denied])]
        if report.denied
        else []
    )
    if report.cost is not None:
        parts.append(fields({"epsilon": report.cost.epsilon, "delta": report.cost.delta}))
    if report.run is not None:
        seconds, memory = report.run.finished - report.run.started, report.run.peak_memory_bytes
        parts.append(
            fields({"ended": report.run.reason.value, "seconds": seconds, "peak memory": f"{memory} bytes"})
        )
    if report.gate is not None:
        checks = [
            (check.name, "passed" if check.ok else "NOT PASSED", check.detail) for check in report.gate.checks
        ]
        parts.append(table(["CHECK", "", ""], checks))
    if report.log:
        parts.append("log:\n" + "\n".join("  " + plain(line) for line in report.log.splitlines()))
    by = f" (by {report.rule})" if report.rule else ""
    return "\n\n".join([*parts, f"log and files are in {target}", WORDS[report.verdict] + by])
