"""The image's build: the same inputs give the same image, and it says what it was made of."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sandbox.engine import DockerEngine
from sandbox.images import LABEL_TREE
from sandbox.imagestore import ImageStore
from tests.sandbox_fixtures import ROOT

BUILD = ROOT / "deploy" / "image" / "build.sh"
DESCRIPTIONS = ("packages.txt", "wheels.txt")


def build_anew(cache: Path) -> str:
    """Build without any image, base or layer that is there, with another cache; downloaded wheels may be used again."""
    folder = cache / "image"
    folder.mkdir(parents=True, exist_ok=True)
    for wheels in (ROOT / ".build" / "image").glob("wheels-*"):
        if (wheels / "complete").exists() and not (folder / wheels.name).exists():
            (folder / wheels.name).mkdir()
            for wheel in wheels.iterdir():
                (folder / wheels.name / wheel.name).hardlink_to(wheel)
    done = subprocess.run(
        [BUILD, "-a"],
        check=True,
        capture_output=True,
        text=True,
        timeout=540,
        env={**os.environ, "SEALROOM_CACHE": str(cache)},
    )
    return done.stdout.strip()


def description(image: str) -> list[str]:
    """Return what the image says it was made of."""
    command = ["docker", "run", "--rm", "--network", "none", image, "cat"]
    return [
        subprocess.run(
            [*command, f"/usr/share/sealroom/{name}"], check=True, capture_output=True, text=True
        ).stdout
        for name in DESCRIPTIONS
    ]


@pytest.mark.timeout(1200)
def test_two_builds_from_the_same_inputs_are_the_same_image(
    engine: DockerEngine, image_digest: str, tmp_path: Path
) -> None:
    first, second = image_digest, build_anew(tmp_path)
    if description(first) != description(
        second
    ):  # Debian has moved on since the first was built: other inputs
        first, second = second, build_anew(tmp_path)
    assert engine.image_labels(first)[LABEL_TREE] == engine.image_labels(second)[LABEL_TREE]
    assert first == second
    assert not list((tmp_path / "image").glob("work.*"))


def test_the_image_says_what_it_was_made_of(image_digest: str) -> None:
    packages, wheels = (text.splitlines() for text in description(image_digest))
    assert any(line.startswith("python3.11=3.11.") for line in packages)
    assert packages == sorted(packages)
    locked = (ROOT / "deploy" / "image" / "requirements.txt").read_text()
    digests = {line.split()[1]: line.split()[0] for line in wheels}
    torch = [name for name in digests if name.startswith("torch-")]
    assert len(torch) == 1
    assert all(digest in locked for name, digest in digests.items() if name not in torch)


def test_the_image_knows_nothing_of_the_machine_that_built_it(image_digest: str, tmp_path: Path) -> None:
    container = subprocess.run(
        ["docker", "create", image_digest, "true"], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        for path in ("/etc/hostname", "/etc/resolv.conf", "/etc/hosts"):
            target = tmp_path / Path(path).name
            subprocess.run(["docker", "cp", "--follow-link", f"{container}:{path}", target], check=True)
            assert target.read_bytes() == b""
    finally:
        subprocess.run(["docker", "rm", "--force", container], check=True, capture_output=True)


def test_the_image_names_its_tree_and_what_is_worth_loading_early(
    engine: DockerEngine, image_store: ImageStore, image_digest: str
) -> None:
    labels = engine.image_labels(image_digest)
    assert labels[LABEL_TREE] == image_store.digest_tree(image_digest)
    modules = labels["org.sealroom.preload"].split()
    assert modules[0] == "torch"
    command = ["docker", "run", "--rm", "--network", "none", image_digest, "python", "-c"]
    subprocess.run([*command, "import " + ", ".join(modules)], check=True, timeout=120)


@pytest.mark.parametrize("arguments", [["-x"], ["no-such-base-image"]])
def test_what_the_build_can_not_use_is_refused(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [BUILD, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "SEALROOM_CACHE": str(tmp_path)},
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
