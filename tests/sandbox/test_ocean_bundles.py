"""Bundles that say command and image in Ocean's terms: what they mean, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sandbox.bundle import load_bundle, parse_bundle
from sandbox.errors import BundleInvalidError
from tests.sandbox_fixtures import IMAGE, ROOT, make_bundle

CODE = "print('hello')\n"
FILES = dict(make_bundle(CODE).files)
MANIFEST = FILES["algorithm.yaml"].decode()
OCEAN = MANIFEST.replace(
    f"entrypoint: python $ALGO\nimage: {IMAGE}\n",
    f"""container:
  entrypoint: python $ALGO
  image: ocean/python
  tag: latest
  checksum: {IMAGE}
""",
)


def test_a_container_in_oceans_terms_says_the_same_as_ours() -> None:
    manifest = parse_bundle(FILES | {"algorithm.yaml": OCEAN.encode()}).manifest
    ours = make_bundle(CODE).manifest
    assert (manifest.argv, manifest.entrypoint, manifest.image) == (ours.argv, ours.entrypoint, ours.image)
    assert manifest.container is not None
    assert (manifest.container.image, manifest.container.tag) == ("ocean/python", "latest")


def test_a_manifest_may_be_json_and_name_the_image_by_digest_alone() -> None:
    document = {
        "name": "tested",
        "version": "1",
        "main": "main.py",
        "container": {"entrypoint": "python $ALGO", "image": IMAGE},
        "outputs": {"metrics": {"values": [{"name": "accuracy", "min": 0, "max": 1, "digits": 3}]}},
    }
    manifest = parse_bundle(FILES | {"algorithm.yaml": json.dumps(document).encode()}).manifest
    assert (manifest.image, manifest.argv) == (IMAGE, make_bundle(CODE).manifest.argv)


JSON_OCEAN = json.dumps(
    {
        "name": "tested",
        "version": "1",
        "main": "main.py",
        "container": {"entrypoint": "python $ALGO", "image": "ocean/python", "checksum": IMAGE},
        "outputs": {"metrics": {"values": [{"name": "accuracy", "min": 0, "max": 1, "digits": 3}]}},
    },
    indent=2,
)


@pytest.mark.parametrize("text", [OCEAN, JSON_OCEAN], ids=["YAML", "JSON"])
def test_the_checksum_line_of_an_example_is_filled_in(tmp_path: Path, text: str) -> None:
    for path, content in (FILES | {"algorithm.yaml": text.replace(IMAGE, "IMAGE").encode()}).items():
        (tmp_path / path).write_bytes(content)
    with pytest.raises(BundleInvalidError, match=r"container\.checksum"):
        load_bundle(tmp_path)
    assert load_bundle(tmp_path, image=IMAGE) == parse_bundle(FILES | {"algorithm.yaml": text.encode()})


def test_hole_3_what_stands_in_the_container_is_part_of_the_digest() -> None:
    digests = {
        parse_bundle(FILES | {"algorithm.yaml": text.encode()}).digest
        for text in (OCEAN, OCEAN.replace("latest", "v2"), OCEAN.replace("$ALGO", "-O $ALGO"))
    }
    assert len(digests) == 3


BAD_CONTAINERS = {
    "an image by tag": (OCEAN.replace(f"  checksum: {IMAGE}\n", ""), "known by its digest alone"),
    "a tag as the checksum": (OCEAN.replace(IMAGE, "latest"), r"container\.checksum"),
    "two digests that differ": (OCEAN.replace("ocean/python", "sha256:" + "1" * 64), "two images"),
    "a command above as well": (OCEAN + "entrypoint: sh\n", "got both"),
    "an image above as well": (OCEAN + f"image: {IMAGE}\n", "got both"),
    "an unknown key": (
        OCEAN.replace("  tag:", "  env: {PYTHONPATH: x}\n  tag:"),
        r"container\.env: unknown key",
    ),
    "no command": (OCEAN.replace("  entrypoint: python $ALGO\n", ""), r"container\.entrypoint"),
    "no image": (OCEAN.replace("  image: ocean/python\n", ""), r"container\.image"),
    "words for a shell": (OCEAN.replace("python $ALGO", "pip install x && python $ALGO"), "sh -c"),
    "a name with a space": (OCEAN.replace("ocean/python", "ocean python"), r"container\.image"),
    "a list": (re.sub(r"container:\n(  .*\n)+", "container: [python]\n", OCEAN), "container"),
    "nothing": (re.sub(r"container:\n(  .*\n)+", "", OCEAN), "entrypoint"),
}


@pytest.mark.parametrize(("text", "problem"), BAD_CONTAINERS.values(), ids=BAD_CONTAINERS)
def test_a_container_is_refused_for(text: str, problem: str) -> None:
    assert text != OCEAN
    with pytest.raises(BundleInvalidError, match=problem):
        parse_bundle(FILES | {"algorithm.yaml": text.encode()})


def test_a_shell_may_be_asked_for_by_name() -> None:
    text = OCEAN.replace("python $ALGO", "sh -c 'python $ALGO && ls'")
    argv = parse_bundle(FILES | {"algorithm.yaml": text.encode()}).manifest.argv
    assert argv == ("sh", "-c", "python /data/transformations/algorithm && ls")


def test_the_bundle_on_the_page_can_be_packed() -> None:
    page = (ROOT / "docs" / "ocean.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    text = block.replace("sha256:<64 hex digits>", IMAGE)
    manifest = parse_bundle({"algorithm.yaml": text.encode(), "count_lines.py": b"pass"}).manifest
    assert (manifest.image, manifest.main) == (IMAGE, "count_lines.py")
