"""Writes every generated document from its source; with --check, fails when one is not what its source makes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from generate_cli_docs import write_page
from generate_privacy import write_privacy_page
from generate_security import write_security_page
from generate_vectors import list_leftovers, write_vectors

from policies.published import policy_schema
from provider.jobs.states import state_diagram
from provider.routes.endpoints import ENDPOINTS
from provider.routes.openapi import describe_api

ROOT = Path(__file__).resolve().parent.parent


def job_states() -> bytes:
    """Draw the states of a job."""
    text = "# The states of a job\n\nDrawn from the table in `provider/jobs/states.py`; a test compares the two.\n\n"
    return f"{text}```mermaid\n{state_diagram()}```\n".encode()


def policy_json_schema() -> bytes:
    """Write the schema by which editors check a policy."""
    return f"{json.dumps(policy_schema(), indent=2)}\n".encode()


DOCUMENTS: dict[str, Callable[[], bytes]] = {
    "docs/job-states.md": job_states,
    "docs/openapi.json": lambda: describe_api(ENDPOINTS),
    "docs/cli.md": lambda: write_page().encode(),
    "docs/policy.schema.json": policy_json_schema,
    "docs/privacy.md": lambda: write_privacy_page().encode(),
    "docs/security.md": lambda: write_security_page().encode(),
}


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(prog="generate", description="Write or check the generated documents.")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    wanted = {name: make() for name, make in DOCUMENTS.items()} | write_vectors()
    stale = [name for name, data in wanted.items() if not is_current(ROOT / name, data)]
    leftovers = list_leftovers(wanted)
    if arguments.check:
        wrong = ", ".join(stale + leftovers)
        sys.exit(f"generate: not what its source makes: {wrong}; run make generate" if wrong else 0)
    for name in stale:
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_bytes(wanted[name])
        print(f"wrote {name}")
    for name in leftovers:
        (ROOT / name).unlink()
        print(f"removed {name}")


def is_current(path: Path, wanted: bytes) -> bool:
    """Say whether a file holds exactly these bytes."""
    return path.exists() and path.read_bytes() == wanted


if __name__ == "__main__":
    main()
