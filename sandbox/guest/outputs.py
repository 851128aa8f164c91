"""What the algorithm left below /data/outputs: which of it are plain files, and those files' bytes.

Follows no link and opens only plain files; nobody else is left who could change them.
"""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.guest.stream import DATA, FILE, FRAME_BYTES, Stream
else:
    from stream import DATA, FILE, FRAME_BYTES, Stream

OUTPUTS = "/data/outputs"
MAX_DEPTH = 4
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


class Outputs:
    """The plain files below /data/outputs, and the names of the rules that other entries broke."""

    def __init__(self, limits: dict[str, int]) -> None:
        self._limits = limits
        self.files: list[tuple[str, int]] = []
        self.refused: set[str] = set()
        self.written = 0
        self.largest = 0
        self.entries = 0

    @property
    def too_much(self) -> bool:
        """Whether there are more entries or bytes than allowed, in all or in one file."""
        limits = self._limits
        too_large = self.written > limits["output_bytes"] or self.largest > limits["file_bytes"]
        return too_large or self.entries > limits["output_files"]

    @property
    def full(self) -> bool:
        """Whether the last byte allowed is used, which is how a failed write looks afterwards."""
        return self.written >= self._limits["output_bytes"]

    def walk(self, folder: str = OUTPUTS, prefix: str = "", depth: int = 1) -> None:
        """Look at every entry until there are too many."""
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self._look_at(entry, prefix, depth)
                    if self.too_much:
                        return
        except OSError:
            self.refused.add("unreadable")

    def _look_at(self, entry: os.DirEntry[str], prefix: str, depth: int) -> None:
        self.entries += 1
        facts = entry.stat(follow_symlinks=False)
        rule = broken_rule(entry.name, facts, depth)
        if rule:
            self.refused.add(rule)
        elif stat.S_ISDIR(facts.st_mode):
            self.walk(entry.path, prefix + entry.name + "/", depth + 1)
        else:
            self.files.append((prefix + entry.name, facts.st_size))
            self.written += facts.st_size
            self.largest = max(self.largest, facts.st_size)


def broken_rule(name: str, facts: os.stat_result, depth: int) -> str:
    """Return the name of the rule that an entry breaks, or nothing."""
    if stat.S_ISLNK(facts.st_mode):
        return "symbolic-link"
    if not NAME.fullmatch(name):
        return "file-name"
    if depth > MAX_DEPTH:
        return "depth"
    if stat.S_ISDIR(facts.st_mode):
        return ""
    if not stat.S_ISREG(facts.st_mode):
        return "special-file"
    return "hard-link" if facts.st_nlink != 1 else ""


def send_file(stream: Stream, path: str, size: int) -> None:
    """Send one plain file of exactly `size` bytes."""
    descriptor = os.open(f"{OUTPUTS}/{path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as content:
        stream.send(FILE, json.dumps({"path": path, "size": size}).encode())
        buffer = memoryview(bytearray(min(size, FRAME_BYTES)))
        while size > 0:
            count = content.readinto(buffer[:size])
            if not count:
                raise OSError("a file became shorter while it was read")
            stream.send(DATA, buffer[:count])
            size -= count


def readable(path: str) -> bool:
    """Whether a listed file can be opened; nobody else is left who could change that."""
    return os.access(f"{OUTPUTS}/{path}", os.R_OK)
