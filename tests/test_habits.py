"""What must hold of every file: format, style, types, who imports whom, generated files, what ships."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PACKAGES = ("policies", "sandbox", "datatokens", "provider", "cli")
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 80
CHECKS = {
    "the code is formatted": [str(BIN / "ruff"), "format", "--check", "."],
    "the code keeps the style": [str(BIN / "ruff"), "check", "."],
    "the types hold": [str(BIN / "mypy")],
    "no room imports what it may not": [str(BIN / "lint-imports"), "--no-cache"],
    "generated documents are what their sources make": [sys.executable, "deploy/generate.py", "--check"],
    "contract artifacts are what their sources compile to": ["node", "deploy/node/compile.mjs", "--check"],
    "the wheel holds what is meant to ship": [sys.executable, "deploy/check_wheel.py"],
}


@pytest.mark.parametrize("command", CHECKS.values(), ids=CHECKS.keys())
def test_that(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def sources() -> list[Path]:
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [path for path in paths if "migrations" not in path.parts]


def test_no_file_or_function_is_too_long_to_read() -> None:
    long = []
    for path in sources():
        text = path.read_text()
        name = str(path.relative_to(ROOT))
        if len(text.splitlines()) > MAX_FILE_LINES:
            long.append(name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                long += [f"{name}:{node.name}"] if lines > MAX_FUNCTION_LINES else []
    assert long == []


def test_library_code_never_asserts() -> None:
    asserting = [
        p.name for p in sources() for n in ast.walk(ast.parse(p.read_text())) if isinstance(n, ast.Assert)
    ]
    assert asserting == []


@pytest.mark.parametrize("table", ["HTTP_STATUS", "EXIT_CODES"])
def test_each_table_of_errors_stands_in_one_place(table: str) -> None:
    places = [path for path in sources() if re.search(rf"^{table}\b.* = ", path.read_text(), re.MULTILINE)]
    assert len(places) == 1


def test_pickle_and_eval_are_used_nowhere_but_where_the_algorithm_itself_is_run() -> None:
    becomes_the_algorithm = ROOT / "sandbox" / "guest" / "warm.py"
    for path in sources():
        text = path.read_text()
        if path == becomes_the_algorithm:
            text = text.replace("exec(code, main.__dict__)", "", 1)
        assert "import pickle" not in text, path
        assert not re.search(r"(?<![\w.])(eval|exec)\(", text), path
