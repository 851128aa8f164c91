"""Builds the wheel and checks that it holds the five packages, the contracts' artifacts and nothing that isn't meant to ship."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"policies", "sandbox", "datatokens", "provider", "cli"}
NEEDED = {
    "datatokens/artifacts/Registry.json",
    "datatokens/artifacts/Escrow.json",
    "datatokens/contracts/Registry.sol",
    "provider/migrations/versions/0001_first.py",
    "sandbox/guest/init.py",
}
SUFFIXES = {".py", ".json", ".sol", ".typed"}


def main() -> None:
    """Build and check."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, str(ROOT)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        names = zipfile.ZipFile(next(Path(folder).glob("*.whl"))).namelist()
    ours = [name for name in names if ".dist-info/" not in name]
    problems = [f"missing {name}" for name in NEEDED - set(ours)]
    problems += [f"unexpected {name}" for name in ours if name.split("/")[0] not in PACKAGES]
    problems += [f"unexpected {name}" for name in ours if Path(name).suffix not in SUFFIXES]
    sys.exit("wheel: " + ", ".join(problems) if problems else 0)


if __name__ == "__main__":
    main()
