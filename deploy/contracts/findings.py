"""Compares what slither found with the answers in docs/contracts.md: each finding has one, and none is left over."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

ANSWER = re.compile(r"^\| `(?P<check>[a-z0-9-]+)` \| `(?P<place>[^`]+)` \|", re.MULTILINE)


def main() -> None:
    """Print each finding without an answer and each answer without a finding."""
    parser = argparse.ArgumentParser(
        prog="findings", description="Compare slither's findings with the answers."
    )
    parser.add_argument("findings", type=Path)
    parser.add_argument("answers", type=Path)
    arguments = parser.parse_args()
    found = read_findings(json.loads(arguments.findings.read_text(encoding="utf-8")))
    answered = set(ANSWER.findall(arguments.answers.read_text(encoding="utf-8")))
    for check, place in sorted(set(found) - answered):
        print(f"no answer: {check} in {place}: {found[check, place]}")
    for check, place in sorted(answered - set(found)):
        print(f"answers nothing: {check} in {place}")
    print(f"slither: {len(found)} findings, all answered" if set(found) == answered else "slither: see above")
    sys.exit(set(found) != answered)


def read_findings(report: dict[str, object]) -> dict[tuple[str, str], str]:
    """Return what slither says by check and by the function or variable that it is about.

    Raises:
        ValueError: slither didn't come to an end.
    """
    results = report.get("results")
    if report.get("success") is not True or not isinstance(results, dict):
        raise ValueError(f"slither: expected a finished report, got {str(report.get('error'))[:500]}")
    found = {}
    for item in results.get("detectors", []):
        first = item["elements"][0] if item["elements"] else {"name": "-"}
        parent = first.get("type_specific_fields", {}).get("parent", {}).get("name", "")
        place = f"{parent}.{first['name']}" if parent else first["name"]
        found[item["check"], place] = item["description"].splitlines()[0]
    return found


if __name__ == "__main__":
    main()
