"""The page on audits says what the code checks, and no more."""

from __future__ import annotations

from pathlib import Path

from provider.audit.findings import KINDS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "audit.md"


def table() -> str:
    """The table as it has to stand there."""
    rows = [
        f"| `{code.value}` | {kind.severity.word} | {kind.rule} | {kind.need.value} |"
        for code, kind in KINDS.items()
    ]
    return "\n".join(
        ["| code | severity | what holds where it isn't found | needs |", "|---|---|---|---|", *rows]
    )


def test_the_page_has_every_kind_of_finding_with_its_severity_its_rule_and_what_it_needs() -> None:
    assert table() in PAGE.read_text(encoding="utf-8")
