"""What the README and the pages beside it say can be typed, followed and found."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from cli.context import new_session
from cli.main import root
from provider.receipts.errors import Verdict
from tests.receipt_samples import make_sample

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
LINES = [line for _, text in BLOCKS for line in text.splitlines()]
COMMANDS = sorted(
    {found[1] for line in LINES if (found := re.match(r"(?:\$ )?(?:\.venv/bin/)?sealroom (.+)", line))}
)
GUARANTEES = re.findall(
    r"^\| (.+) \| (`test_.+`) \|$", README.split("## Guarantees\n")[1].split("\n## ")[0], re.MULTILINE
)
(QUICK_START, *_) = [text for language, text in BLOCKS if language == "sh"]
(BY_HAND,) = [text for _, text in BLOCKS if "openssl dgst" in text]
HEX32 = "ab" * 32
WORDS = {"ASSET": HEX32, "JOB": HEX32, "DIGEST": f"sha256:{HEX32}", "IMAGE": f"sha256:{HEX32}"}
CUT = {r"^sha256:[0-9a-f]+…$": f"sha256:{HEX32}", r"^[0-9a-f]+…$": HEX32}


def typed(line: str) -> list[str]:
    """Return the words of a command line of the page, with real ids for the capitals and for what was cut."""
    words = [WORDS.get(word, word) for word in shlex.split(line, comments=True)]
    for cut, whole in CUT.items():
        words = [re.sub(cut, whole, word) for word in words]
    return words


def parse(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse words as the real command does, and run nothing."""
    monkeypatch.setattr(click.Command, "invoke", lambda _command, _context: None)
    root.main(words, prog_name="sealroom", standalone_mode=False, obj=new_session({}))


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_on_the_page_is_one(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parse(typed(line), monkeypatch)


@pytest.mark.parametrize("line", ["dataset paint", "dataset show", "up --colour red", "job status JO"])
def test_a_command_that_is_none_would_be_noticed(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(click.UsageError):
        parse(typed(line), monkeypatch)


def test_the_quick_start_is_two_commands() -> None:
    assert QUICK_START.splitlines() == ["make demo", "make test"]


def test_every_make_target_on_the_pages_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {line.split()[1] for line in LINES if line.startswith("make ")}
    for page in PAGES:
        named |= set(re.findall(r"`make ([\w-]+)`", page.read_text()))
    assert {"demo", "test"} <= named <= targets


@pytest.mark.parametrize(("guarantee", "tests"), GUARANTEES, ids=[row[0] for row in GUARANTEES])
def test_every_guarantee_is_shown_by_tests_that_exist(guarantee: str, tests: str) -> None:
    assert guarantee
    tree = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    names = re.findall(r"`([^`]+)`", tests)
    assert names
    assert [name for name in names if f"\ndef {name}(" not in tree] == []


def test_no_row_of_the_table_of_guarantees_is_without_a_test() -> None:
    section = README.split("## Guarantees\n")[1].split("\n## ")[0]
    assert len(GUARANTEES) == len(re.findall(r"^\| ", section, re.MULTILINE)) - 1


def test_every_verdict_is_explained() -> None:
    section = README.split("## Verify a receipt without us\n")[1]
    explained = re.findall(r"^\| `([a-z-]+)` \| [045] \|", section, re.MULTILINE)
    assert sorted(explained) == sorted(Verdict)


def test_the_signature_can_be_checked_by_hand_as_written(tmp_path: Path) -> None:
    sample, result = make_sample(), tmp_path / ".demo" / "result"
    result.mkdir(parents=True)
    (result / "receipt.jsonl").write_bytes(sample.receipt)
    (tmp_path / ".demo" / "provider-keys.json").write_bytes(sample.trust.to_json())
    script = ["sh", "-euc", BY_HAND]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=True)
    verdict, key = done.stdout.splitlines()
    assert verdict == "Verified OK"
    assert f"p256:{key.split()[-1]}" in {signature.keyid for signature in sample.envelope.signatures}
    assert (result / "pae").read_bytes() == sample.envelope.pae
    (result / "receipt.jsonl").write_bytes(sample.receipt.replace(b'"payload":"eyJ', b'"payload":"eyK', 1))
    changed = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (changed.returncode, "Verified OK" in changed.stdout) == (1, False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    near = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]
    assert [link for link in near if not (page.parent / link).exists()] == []


def test_decisions_are_numbered_without_a_gap_and_have_the_four_parts() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    for number, record in enumerate(records, start=1):
        text = record.read_text()
        assert record.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number}. ")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
            "Context",
            "Options",
            "Choice",
            "Consequences",
        ]
